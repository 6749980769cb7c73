"""Entries and calls are posted to the sums in PostgreSQL (migration 0007).

Whoever posts is the only one who does, on however many machines, until his transaction ends: what he reads of
the sums is what he adds to. He deletes the entries that he has read and no others, in the same transaction.
So whatever ends it, each is posted once; and one that was booked meanwhile, even under a smaller number,
comes next time.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from dragoman.store.postgres import asked
from dragoman.store.postgres.database import Connection
from dragoman.store.posting import Called, Entry, Names, Post, Slot, bounded, posted
from dragoman.store.reports import DIMENSIONS, KINDS, MEASURES, MOST
from dragoman.store.spread import LONG, folded

LOCK = 0x44524755
"""The advisory lock of those who post (`DRGU`)."""

ASKED = 4
"""Entries by the names of what was asked, for each other one: an exchange has two such names, or three."""

NAMES = ", ".join(f'"{name}"' for name in DIMENSIONS)
"""The columns of dimensions."""

LEFT = "select (select count(*) from usage_entry) + (select count(*) from usage_call)"
"""How many entries and calls wait."""

ENDS = "select (select max(id) from usage_entry), (select max(id) from usage_call)"
"""The last entry and the last call that wait."""

UP_TO = """
    select exists (select from usage_entry where id <= $1) or exists (select from usage_call where id <= $2)
"""
"""Whether any entry, or call, up to some waits."""

_ANY = """
    select exists (select from usage_entry) or exists (select from usage_call)
        or exists (select from asked_entry)
"""
_ENTRIES = f"select id, at, {NAMES}, {', '.join(MEASURES)}, losses from usage_entry order by id limit $1"  # noqa: S608  names of our own, no values
_CALLS = """
    select id, at, provider, model, state, failure, first_event_us from usage_call order by id limit $1
"""
_GROUPS = "select digest, id from usage_group where digest = any($1)"
_MAKE_GROUPS = f"""
    insert into usage_group (digest, kind, {NAMES})
    select * from unnest(
        $1::bytea[], $2::smallint[], {", ".join(f"${3 + n}::text[]" for n in range(len(DIMENSIONS)))})
    returning digest, id
"""  # noqa: S608  as above
_SPREADS = """
    select group_id, span, at, latency, first_event from usage
    where (group_id, span, at) in (select * from unnest($1::bigint[], $2::integer[], $3::bigint[]))
"""
_BOUNDED = f"{{name}} = greatest(least(kept.{{name}} + excluded.{{name}}, {MOST}), -{MOST})"
_ADD = f"""
    insert into usage as kept (group_id, span, at, {", ".join(MEASURES)}, latency, first_event)
    select * from unnest(
        $1::bigint[], $2::integer[], $3::bigint[],
        {", ".join(f"${4 + n}::bigint[]" for n in range(len(MEASURES)))},
        ${4 + len(MEASURES)}::bytea[], ${5 + len(MEASURES)}::bytea[])
    on conflict (group_id, span, at) do update set
        {", ".join(_BOUNDED.format(name=name) for name in MEASURES)},
        latency = excluded.latency,
        first_event = excluded.first_event
"""  # noqa: S608  as above

Place = tuple[int, int, int]
"""Where a sum is: group, span, at."""

Spreads = tuple[bytes, bytes]
"""How a sum's durations are spread: of whole answers, and to the first event."""


async def post(connection: Connection, most: int) -> int:
    """Post at most so many entries and so many calls, in the connection's transaction; return how many.

    What was asked is posted along with them and not counted: it is told the same wherever it waits.
    """
    if not await connection.value(_ANY):
        return 0
    await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
    await asked.post(connection, ASKED * most)
    entries = await connection.fetch(_ENTRIES, most)
    calls = await connection.fetch(_CALLS, most)
    if not entries and not calls:  # whoever held the lock before has posted them
        return 0
    posts = await to_thread(_posted, entries, calls)
    groups = await _groups(connection, posts)
    placed = {(groups[slot.kind, slot.names], slot.span, slot.at): posts[slot] for slot in posts}
    spreads = await _spreads(connection, placed)
    await connection.put(_ADD, await to_thread(_columns, placed, spreads))
    await connection.execute("delete from usage_entry where id = any($1)", [row[0] for row in entries])
    await connection.execute("delete from usage_call where id = any($1)", [row[0] for row in calls])
    return len(entries) + len(calls)


def _posted(entries: Sequence[Any], calls: Sequence[Any]) -> dict[Slot, Post]:
    """Return what rows of the two tables add to which sums."""
    names, measures = 2 + len(DIMENSIONS), 2 + len(DIMENSIONS) + len(MEASURES)
    decode = msgspec.json.Decoder(tuple[str, ...]).decode
    return posted(
        (
            Entry(row[1], tuple(row[2:names]), tuple(row[names:measures]), decode(row[measures]))
            for row in entries
        ),
        (Called(*row[1:]) for row in calls),
    )


async def _groups(connection: Connection, slots: Iterable[Slot]) -> dict[tuple[str, Names], int]:
    """Return the number of each group that sums are of; those that are new are made."""
    digests = {
        sha256(msgspec.json.encode((slot.kind, slot.names))).digest(): (slot.kind, slot.names)
        for slot in slots
    }
    found: dict[bytes, int] = dict(await connection.fetch(_GROUPS, list(digests)))
    if missing := [(digest, *group) for digest, group in digests.items() if digest not in found]:
        columns = [[names[place] for *_, names in missing] for place in range(len(DIMENSIONS))]
        kinds = [KINDS[kind] for _, kind, _ in missing]
        made = await connection.fetch(_MAKE_GROUPS, [digest for digest, *_ in missing], kinds, *columns)
        found |= dict(made)
    return {group: found[digest] for digest, group in digests.items()}


async def _spreads(connection: Connection, placed: Mapping[Place, Post]) -> dict[Place, Spreads]:
    """Return the spreads of those sums that are there."""
    columns = [list(column) for column in zip(*placed, strict=True)]
    return {tuple(row[:3]): (row[3], row[4]) for row in await connection.fetch(_SPREADS, *columns)}


def _columns(placed: Mapping[Place, Post], spreads: Mapping[Place, Spreads]) -> list[list[Any]]:
    """Return what is added, column by column in the order of the index, and what the spreads are then."""
    ordered = sorted(placed.items(), key=lambda item: item[0])
    columns: list[list[Any]] = [list(column) for column in zip(*(place for place, _ in ordered), strict=True)]
    measures = zip(*(one.measures for _, one in ordered), strict=True)
    if all(one.within(MOST) for one in placed.values()):  # always, but for a provider's nonsense
        columns += map(list, measures)
    else:
        columns += [list(map(bounded, column)) for column in measures]
    before = [spreads.get(place, (b"", b"")) for place, _ in ordered]
    columns.append([_joined(was[0], one.latency) for was, (_, one) in zip(before, ordered, strict=True)])
    columns.append([_joined(was[1], one.first_event) for was, (_, one) in zip(before, ordered, strict=True)])
    return columns


def _joined(spread: bytes, more: bytes) -> bytes:
    """Return two spreads together, each bucket once where they have become long."""
    both = spread + more
    return folded(both) if len(both) > LONG else both
