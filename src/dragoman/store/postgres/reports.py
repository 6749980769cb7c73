"""Sums over exchanges in PostgreSQL: of any stretch of time, at a cost that hardly grows with the ledger.

The sums are those of an hour, a day and 32 days (migration 0002), added up over their slots; see
:mod:`dragoman.store.cover` for how a stretch of time is made of them. All parts are read at the same
instant: no exchange is missed or counted twice because it ended meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dragoman.store import Grouping, Part, Sums
from dragoman.store.cover import BLOCK, DAY, HOUR, Cover, cover
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool

Group = str | int | None

_MEASURES = ", ".join(f"sum({name})" for name in Sums.__struct_fields__)
_GROUPS: Mapping[Grouping | None, str] = MappingProxyType(
    {
        None: "null::text",
        "model": "coalesce(nullif(answered_model, ''), nullif(model, ''))",
        "answered": "nullif(answered_model, '')",
        "provider": "nullif(provider, '')",
        "key": "key",
    }
)
_TIMES: Mapping[Grouping | None, int] = MappingProxyType({"hour": HOUR, "day": DAY})
"""Groups that are stretches of time, and how long these are."""

_CUT = 160
"""Characters of a name the sums know (migration 0002)."""


class PostgresReports:
    """:class:`~dragoman.store.Reports` in PostgreSQL.

    Args:
        pool: Connections that serve nobody else: a long report holds up no request.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def sums(self, part: Part, by: Grouping | None = None) -> dict[Group, Sums]:
        """Return sums over a part of the ledger, for each group that has any exchange."""
        return await self._pool.read(lambda connection: summed(connection, part, by))

    async def first(self, key: str | None) -> float | None:
        """Return when a key's first exchange, or the first of all, began; None: there is none.

        Where its row is there no more, the sums still know the day.
        """
        where, values = ("", ()) if key is None else (" where key = $1", (key,))
        query = f"select min(opened_at) from exchange{where}"  # noqa: S608  words of our own, no values

        async def act(connection: Connection) -> float | None:
            at: float | None = await connection.value(query, *values)
            day = await _first_day(connection, key)
            return at if day is None or (at is not None and at < day + DAY) else float(day)

        return await self._pool.read(act)


async def summed(connection: Connection, part: Part, by: Grouping | None) -> dict[Group, Sums]:
    """Return the sums of :meth:`PostgresReports.sums`, as the connection's transaction sees them."""
    query = "select min(at), max(at) from usage where span = $1 and everyone"
    first, last = await connection.first(query, BLOCK)
    if first is None:
        return {}
    since = first if part.since is None else max(part.since, first)
    until = last + BLOCK if part.until is None else min(part.until, last + BLOCK)
    found: dict[Group, Sums] = {}
    for piece in cover(since, until, _TIMES.get(by, BLOCK)):
        query, values = _query(piece, part, by)
        for group, *measures in await connection.fetch(query, *values):
            sums = Sums(*map(int, measures))
            found[group] = found[group] + sums if group in found else sums
    return {group: sums for group, sums in found.items() if sums.requests}


async def _first_day(connection: Connection, key: str | None) -> int | None:
    """Return the first day that a key, or anyone, has sums of: the 32 days it is in are found first."""
    query = (
        "select min(at) from usage where span = $1 and everyone = $2 and key = $3 and at >= $4 and at < $5"
    )
    since, until = 0, 1 << 62
    for span in (BLOCK, DAY):
        values = (span, key is None, (key or "")[:_CUT], since, until)
        found = await connection.value(query, *values)
        if found is None:
            return None
        since, until = int(found), int(found) + span
    return since


def _query(piece: Cover, part: Part, by: Grouping | None) -> tuple[str, list[Any]]:
    """Return the query for one piece, and its values."""
    values: list[Any] = [piece.lo, piece.hi] if piece.span == 0 else [int(piece.lo), int(piece.hi)]

    def value(what: object) -> str:
        values.append(what)
        return f"${len(values)}"

    wanted = ["opened_at >= $1 and opened_at < $2" if piece.span == 0 else "at >= $1 and at < $2"]
    source = "usage_row"
    if piece.span:
        source = "usage"
        everyone = part.key is None and by != "key"
        wanted += [f"span = {piece.span} and {'' if everyone else 'not '}everyone"]
    if part.key is not None:
        wanted += [f"key = {value(part.key[:_CUT])}"]
    if part.model is not None:
        name = value(part.model[:_CUT])
        wanted += [f"(model = {name} or answered_model = {name})"]
    if part.provider is not None:
        wanted += [f"provider = {value(part.provider[:_CUT])}"]
    group = _GROUPS[by] if by not in _TIMES else f"at / {_TIMES[by]} * {_TIMES[by]}"
    query = f"select {group}, {_MEASURES} from {source} where {' and '.join(wanted)} group by 1"  # noqa: S608  as above
    return query, values
