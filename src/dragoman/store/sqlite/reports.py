"""Sums over exchanges in SQLite: of any stretch of time, at a cost that hardly grows with the ledger.

Triggers keep sums of every hour, day and 32 days, for each key and for everyone together (migration 0005).
A stretch of time is covered by the longest of these that fit whole into it, by shorter ones at both ends, and
by the rows themselves where it begins or ends within an hour:

    since |rows|hours|days| 32 days | 32 days | 32 days |days|hours|rows| until

So an answer is exact to the instant and reads at most 31 days, 23 hours and one hour's rows on each side,
however long the time between. All parts are read in one transaction: no exchange is missed or counted twice
because it ended meanwhile.

Reports have a thread and a connection of their own: a long one holds up no request.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from dragoman.store import Grouping, Part, Sums
from dragoman.store.cover import BLOCK, DAY, HOUR, Cover, cover

__all__ = ["BLOCK", "DAY", "HOUR", "Run", "SqliteReports", "cover", "summed"]

Result = TypeVar("Result")
Run = Callable[[Callable[[sqlite3.Connection], Result]], Awaitable[Result]]
"""Runs a function of the reporting connection in its thread."""

Group = str | int | None

_MEASURES = ", ".join(f"sum({name})" for name in Sums.__struct_fields__)
_NAMED = ", ".join(f"sum({name}) as {name}" for name in Sums.__struct_fields__)
_GROUPS: Mapping[Grouping | None, str] = MappingProxyType(
    {
        None: "null",
        "model": "ifnull(nullif(answered_model, ''), nullif(model, ''))",
        "answered": "nullif(answered_model, '')",
        "provider": "nullif(provider, '')",
        "key": "key",
    }
)
_TIMES: Mapping[Grouping | None, int] = MappingProxyType({"hour": HOUR, "day": DAY})
"""Groups that are stretches of time, and how long these are."""

_BUCKETS = """
    with recursive bucket (start) as (
        select :lo union all select start + :span from bucket where start + :span < :hi)
"""


class SqliteReports:
    """:class:`~dragoman.store.Reports` in the store's file.

    Args:
        run: Runs a function of a reading connection, in a thread that serves nobody else.
    """

    def __init__(self, run: Run[Any]) -> None:
        self._run = run

    async def sums(self, part: Part, by: Grouping | None = None) -> dict[Group, Sums]:
        """Return sums over a part of the ledger, for each group that has any exchange."""

        def act(connection: sqlite3.Connection) -> dict[Group, Sums]:
            connection.execute("begin")
            try:
                return summed(connection, part, by)
            finally:
                connection.execute("rollback")

        found: dict[Group, Sums] = await self._run(act)
        return found

    async def first(self, key: str | None) -> float | None:
        """Return when a key's first exchange, or the first of all, began; None: there is none.

        Where its row is there no more, the sums still know the day.
        """
        where, values = ("", ()) if key is None else (" where key = ?", (key,))

        def act(connection: sqlite3.Connection) -> float | None:
            query = f"select min(opened_at) from exchange{where}"  # noqa: S608  words of our own, no values
            at: float | None = connection.execute(query, values).fetchone()[0]
            day = _first_day(connection, key)
            return at if day is None or (at is not None and at < day + DAY) else float(day)

        found: float | None = await self._run(act)
        return found


def summed(connection: sqlite3.Connection, part: Part, by: Grouping | None) -> dict[Group, Sums]:
    """Return the sums of :meth:`SqliteReports.sums`, as the connection's transaction sees them."""
    first, last = connection.execute(
        "select (select min(at) from usage where span = ? and everyone = 1), "
        "(select max(at) from usage where span = ? and everyone = 1)",
        (BLOCK, BLOCK),
    ).fetchone()
    if first is None:
        return {}
    since = first if part.since is None else max(part.since, first)
    until = last + BLOCK if part.until is None else min(part.until, last + BLOCK)
    found: dict[Group, Sums] = {}
    for piece in cover(since, until, _TIMES.get(by, BLOCK)):
        for group, *measures in connection.execute(*_query(piece, part, by)):
            sums = Sums(*measures)
            found[group] = found[group] + sums if group in found else sums
    return {group: sums for group, sums in found.items() if sums.requests}


def _first_day(connection: sqlite3.Connection, key: str | None) -> int | None:
    """Return the first day that a key, or anyone, has sums of: the 32 days it is in are found first."""
    since, until = 0, 1 << 62
    for span in (BLOCK, DAY):
        query = "select min(at) from usage where span = ? and everyone = ? and key = ? and at >= ? and at < ?"
        values = (span, int(key is None), key or "", since, until)
        (found,) = connection.execute(query, values).fetchone()
        if found is None:
            return None
        since, until = found, found + span
    return since


def _at(span: int, long: int) -> str:
    """Return when the stretch of `long` seconds begins that a row, or a sum of `span` seconds, is in."""
    if span == long:
        return "at"  # as the index has it: nothing is sorted
    return f"{'at' if span else 'cast(opened_at as integer)'} / {long} * {long}"


def _query(piece: Cover, part: Part, by: Grouping | None) -> tuple[str, Mapping[str, Any]]:
    """Return the query for one piece, and its values."""
    times = {"span": piece.span, "lo": piece.lo, "hi": piece.hi}
    values = {**times, "key": part.key, "model": part.model, "provider": part.provider}
    group = _GROUPS[by] if by not in _TIMES else _at(piece.span, _TIMES[by])
    wanted = ["(model = :model or answered_model = :model)"] if part.model is not None else []
    wanted += ["provider = :provider"] if part.provider is not None else []
    if piece.span == 0:
        begin, source = "", "usage_row"
        wanted += ["opened_at >= :lo and opened_at < :hi"]
        wanted += ["key = :key"] if part.key is not None else []
    elif part.key is not None:
        # The sums of one time are beside each other, so that settling writes few pages: a key's are looked
        # up time by time.
        begin, source = _BUCKETS, "bucket cross join usage"
        wanted += ["span = :span and everyone = 0 and at = start and key = :key"]
    else:
        begin, source = "", "usage"
        wanted += [f"span = :span and everyone = {int(by != 'key')} and at >= :lo and at < :hi"]
    where = " and ".join(wanted)
    if by == "key" and piece.span:
        # Summed up as they lie in the index first, few are left to be sorted: half the time.
        source, where = f"(select key, {_NAMED} from {source} where {where} group by at, key)", "true"  # noqa: S608  as above
    return f"{begin} select {group}, {_MEASURES} from {source} where {where} group by 1", values  # noqa: S608  as above
