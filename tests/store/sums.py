"""The law of sums, for every store: whatever happens to rows, and whoever posts when, sums are the rows'.

:func:`happen` has exchanges opened, ended, interrupted, priced anew and deleted by several stores of one
database, each posting now and then; :func:`hold` compares every report with what is reckoned here, row by row
and not in SQL.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, get_args

import msgspec

from dragoman.core.usage import COUNTERS
from dragoman.store import AttemptRow, ExchangeRow, Meters, Part, State, Store
from dragoman.store.cover import BLOCK, DAY, HOUR
from dragoman.store.prices import Priced
from dragoman.store.reports import DIMENSIONS, Call, Cell, Dimension, Interval, Spread, Sums
from dragoman.store.spread import bucket

BEGAN = 1_795_000_000.0
ENDS: tuple[State, ...] = ("settled", "settled", "settled", "cancelled", "failed", "interrupted")
INTERVALS: tuple[Interval | None, ...] = (None, *get_args(Interval))
GROUPS: tuple[Dimension | None, ...] = (None, *DIMENSIONS)
LONG = "l" * 150
LOSSES = (
    "dropped:seed",
    "dropped:$.tools[3].strict",
    "dropped:$.tools[17].strict",
    "clamped:top_k",
    "ß" * 200,
)

ASKED = (*"mnox", *(f"{provider}/{model}" for provider in "pq" for model in "mno"))
"""What exchanges by chance may ask, and what none does."""

Kept = tuple[ExchangeRow, tuple[AttemptRow, ...]]


def exchange(name: str, at: float = BEGAN, **more: Any) -> ExchangeRow:
    """Return an exchange; settled, unless said otherwise."""
    fields: dict[str, Any] = {
        "request_id": name,
        "owner": "me",
        "key": "a",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": False,
        "provider": "p",
        "answered_model": "m",
        "state": "settled",
    }
    return ExchangeRow(id=name, opened_at=at, **(fields | more))


def attempt(name: str, number: int = 1, at: float = BEGAN, **more: Any) -> AttemptRow:
    """Return an exchange's attempt."""
    fields: dict[str, Any] = {"provider": "p", "model": "m", **more}
    return AttemptRow(exchange_id=name, number=number, opened_at=at, **fields)


async def happen(stores: Sequence[Store], chance: Random, *, steps: int) -> list[Kept]:
    """Let rows begin and end by chance, in all stores at once; return those that were deleted afterwards."""
    gone: list[Kept] = []
    for first in range(0, steps, 20):
        names = [str(name) for name in range(first, min(first + 20, steps))]
        turns = [_life(chance.choice(stores), name, Random(chance.random())) for name in names]
        posts = [chance.choice(stores).reports.post() for _ in range(chance.randrange(4))]
        await asyncio.gather(*turns, *posts)
        old = [str(name) for name in chance.sample(range(first + 1), min(first, 3))]
        await _reprice(chance.choice(stores), old, chance)
        if chance.random() < 0.2:
            await chance.choice(stores).interrupt(["dead"])
        if chance.random() < 0.3:
            gone += await _delete(chance.choice(stores), [str(chance.randrange(first + 1)) for _ in range(9)])
    return gone


async def _life(store: Store, name: str, chance: Random) -> None:
    """Have one exchange opened, or not, and ended, or not."""
    at = BEGAN + chance.choice((chance.uniform(0, 3 * HOUR), chance.uniform(0, 80 * DAY)))
    row = exchange(
        name,
        at,
        state="reserved",
        key=chance.choice(("a", "b", "c", LONG + "1" * 20)),
        team=chance.choice(("", "red", "it's")),
        user=chance.choice(("", "anna", "Bjørn")),
        route=chance.choice(("", "fast")),
        dialect=chance.choice(("openai_chat", "anthropic", "gemini")),
        model=chance.choice("mno"),
        stream=chance.random() < 0.5,
        task=chance.choice(("generate", "generate", "embed", "relay", "count")),
        owner=chance.choice(("me", "dead")),
        answered_model=None,
    )
    tries = [attempt(name, 1, at + 1, provider=chance.choice("pq"), model=chance.choice("mn"))]
    if chance.random() < 0.7:
        await store.open_exchange(row, tries[0])
        if chance.random() < 0.3:
            tries.append(attempt(name, 2, at + 2))
            await store.open_attempt(tries[1])
    if chance.random() < 0.85:
        await store.settle(_ended(row, chance), [_tried(one, chance) for one in tries])


def _ended(row: ExchangeRow, chance: Random) -> ExchangeRow:
    refused = chance.random() < 0.1
    state: State = "failed" if refused else chance.choice(ENDS)
    meters: dict[str, Any] = {name: chance.randrange(1000) for name in COUNTERS}
    return msgspec.structs.replace(
        row,
        state=state,
        provider=None if refused else chance.choice("pq"),
        answered_model=None if refused else chance.choice((row.model, "m", LONG + "m" * 20, None, "")),
        attempts=chance.randrange(4),
        failure=chance.choice(("rate_limited", "upstream")) if state == "failed" else None,
        losses=tuple(chance.sample(LOSSES, chance.choice((0, 0, 1, 3)))),
        first_event_ms=chance.choice((None, chance.randrange(900_000) / 1000)),
        latency_ms=chance.choice((None, chance.randrange(9_000_000) / 1000)),
        cached=chance.random() < 0.2,
        fallback=chance.random() < 0.2,
        saved_micros=chance.choice((None, 0, 17)),
        meters=Meters(
            **meters,
            estimated=chance.random() < 0.1,
            cost_micros=chance.choice((None, 0, chance.randrange(10**7))),
        ),
    )


def _tried(row: AttemptRow, chance: Random) -> AttemptRow:
    state: State = chance.choice(ENDS)
    return msgspec.structs.replace(
        row,
        state=state,
        failure="timeout" if state == "failed" else None,
        first_event_ms=chance.choice((None, chance.randrange(900_000) / 1000)),
        meters=Meters(cost_micros=chance.choice((None, 5))),
    )


async def _reprice(store: Store, names: Sequence[str], chance: Random) -> None:
    for row, tries in await store.archive.some(names):
        cost = chance.choice((None, 7, chance.randrange(10**6)))
        await store.prices.reprice([Priced(row.id, one.number, cost, "operator 1") for one in tries])


async def _delete(store: Store, names: Sequence[str]) -> list[Kept]:
    found = await store.archive.some(names)
    await store.archive.delete([row.id for row, _ in found])
    return found


async def hold(store: Store, gone: Sequence[Kept], chance: Random, *, asks: int = 60) -> None:
    """Hold that every report is what its rows are, those that were deleted from the ledger included."""
    ids = [row.id for row in await store.exchanges(limit=1_000_000)]
    there = await store.archive.some(ids)
    times = [row.opened_at for row, _ in there] or [BEGAN]
    asked = [(Part(), by, every) for by in GROUPS for every in INTERVALS]
    asked += [(_part(chance, times), chance.choice(GROUPS), chance.choice(INTERVALS)) for _ in range(asks)]
    for part, by, every in asked:
        told = await store.reports.cells(part, by=by, every=every, spread=True)
        assert told == reckoned(there, gone, part, by, every), (part, by, every)
        bare = await store.reports.cells(part, by=by, every=every)
        assert bare == [msgspec.structs.replace(cell, spread=None) for cell in told]
        if by is None:
            continue
        named = {cell.name or "" for cell in told if chance.random() < 0.5} | {"not there"}
        few = await store.reports.cells(part, by=by, among=named, every=every, spread=True)
        assert few == [cell for cell in told if cell.name in named], (part, by, named, every)
    for _ in range(10):
        part, every = _hours(chance, times), chance.choice(INTERVALS)
        some = msgspec.structs.replace(part, **chance.choice(({}, {"provider": "p"}, {"state": "failed"})))
        assert await store.reports.calls(some, every=every) == called([*there, *gone], some, every)
        assert await store.reports.losses(part) == lost([*there, *gone], part)
        since = int(chance.choice((0, *times)))
        since = chance.choice((since, since // HOUR * HOUR))
        names = chance.sample(ASKED, chance.randrange(len(ASKED)))
        assert await store.budgets.spent_on(names, since) == spent(there, gone, names, since), (names, since)
    firsts = {row.key: row.opened_at for row, _ in sorted(there, key=lambda kept: -kept[0].opened_at)}
    for key, at in firsts.items():
        first = await store.reports.first(key)
        assert first is not None
        assert first <= at


def _part(chance: Random, times: Sequence[float]) -> Part:
    """Return a part of the ledger, by chance; often from or to a whole hour, or exactly an exchange."""

    def end() -> float | None:
        at = chance.choice(times) + chance.choice((0, 0, 1e-3, chance.uniform(-DAY, DAY)))
        return chance.choice((None, at, at // HOUR * HOUR, at // DAY * DAY, at // BLOCK * BLOCK))

    values: dict[Dimension, Sequence[str]] = {
        "key": ("a", LONG + "1" * 20, "nobody"),
        "team": ("", "it's"),
        "user": ("Bjørn",),
        "model": ("m", "", LONG + "m" * 20),
        "provider": ("p", ""),
        "route": ("fast",),
        "state": ("settled", "failed"),
        "failure": ("upstream", ""),
        "dialect": ("gemini",),
    }
    since, until = end(), end()
    if since is not None and chance.random() < 0.3:
        until = since + chance.uniform(0, 3 * HOUR)
    wanted = chance.sample(DIMENSIONS, chance.choice((0, 1, 1, 2, 2, 3)))
    return Part(since, until, **{name: chance.choice(values[name]) for name in wanted})


def _hours(chance: Random, times: Sequence[float]) -> Part:
    since, until = sorted(chance.choice(times) for _ in range(2))
    return chance.choice((Part(), Part(since, until), Part(since=since), Part(until=until)))


def counts(row: ExchangeRow) -> bool:
    """Say whether an exchange is part of any sum."""
    return row.state != "reserved" and row.task != "count"


def dimension(row: ExchangeRow, by: Dimension) -> str:
    """Return what an exchange is by one dimension."""
    match by:
        case "model":
            found = (row.answered_model or row.model) if row.provider is not None else ""
        case "provider" | "failure":
            found = getattr(row, by) or ""
        case _:
            found = getattr(row, by)
    return str(found)[:160]


def counted(row: ExchangeRow) -> Sums:
    """Return what one row adds to the sums."""
    meters = row.meters
    whole = row.state == "settled" and not row.cached
    latency = row.latency_ms if whole else None
    first = row.first_event_ms if whole else None
    read = (meters.input, meters.cache_read, meters.cache_write, meters.cache_write_long, meters.audio_input)
    return Sums(
        requests=1,
        failed=row.state in ("failed", "interrupted"),
        cancelled=row.state == "cancelled",
        cached=row.cached,
        fallback=row.fallback,
        streamed=row.stream,
        lossy=bool(row.losses),
        attempts=row.attempts,
        input=sum(read),
        cache_read=meters.cache_read,
        output=meters.output + meters.reasoning + meters.audio_output,
        reasoning=meters.reasoning,
        cost_micros=meters.cost_micros or 0,
        unknown_cost=meters.cost_micros is None,
        estimated=meters.estimated,
        saved_micros=row.saved_micros or 0,
        latency_us=0 if latency is None else round(latency * 1000),
        latencies=latency is not None,
        first_event_us=0 if first is None else round(first * 1000),
        first_events=first is not None,
    )


def begins(at: float, every: Interval) -> int:
    """Return when the stretch begins that a time is in, by the calendar."""
    then = datetime.fromtimestamp(int(at), UTC)
    hour = then.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    found = {
        "hour": hour,
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
    }[every]
    return int(found.timestamp())


def reckoned(
    there: Iterable[Kept], gone: Iterable[Kept], part: Part, by: Dimension | None, every: Interval | None
) -> list[Cell]:
    """Return the cells of a report, row by row; deleted ones count in whole hours only."""
    since = -float("inf") if part.since is None else part.since
    until = float("inf") if part.until is None else part.until
    rows = [row for row, _ in there if since <= row.opened_at < until]
    for row, _ in gone:
        hour = begins(row.opened_at, "hour")
        rows += [row] if since <= hour and hour + HOUR <= until else []
    found: dict[tuple[int | None, str | None], tuple[Sums, Counter[int], Counter[int]]] = {}
    for row in rows:
        if not counts(row) or any(dimension(row, name) != value for name, value in part.wanted.items()):
            continue
        place = None if every is None else begins(row.opened_at, every), dimension(row, by) if by else None
        sums, latency, first = found.get(place, (Sums(), Counter(), Counter()))
        more = counted(row)
        latency.update([bucket(more.latency_us)] * more.latencies)
        first.update([bucket(more.first_event_us)] * more.first_events)
        found[place] = sums + more, latency, first
    cells = (
        Cell(at, name, sums, Spread(dict(latency), dict(first)))
        for (at, name), (sums, latency, first) in found.items()
    )
    return sorted(cells, key=lambda cell: (cell.at or 0, cell.name or ""))


def called(kept: Iterable[Kept], part: Part, every: Interval | None) -> list[Call]:
    """Return the calls of a report, attempt by attempt."""
    found: dict[tuple[int | None, str, str, str, str], tuple[int, Counter[int]]] = {}
    for row, tries in kept:
        for one in tries if counts(row) else ():
            is_meant = part.provider in (None, one.provider) and part.state in (None, one.state)
            if one.state == "reserved" or not is_meant or not _within(one.opened_at, part):
                continue
            at = None if every is None else begins(one.opened_at, every)
            place = at, one.provider, one.model, str(one.state), one.failure or ""
            calls, first = found.get(place, (0, Counter()))
            if one.first_event_ms is not None:
                first[bucket(round(one.first_event_ms * 1000))] += 1
            found[place] = calls + 1, first
    rows = sorted(found.items(), key=lambda item: (item[0][0] or 0, *item[0][1:]))
    return [Call(*place, calls, first) for place, (calls, first) in rows]


def spent(there: Iterable[Kept], gone: Iterable[Kept], names: Iterable[str], since: int) -> dict[str, int]:
    """Return what exchanges have cost by what they asked; deleted ones count in whole hours only."""
    found: Counter[str] = Counter()
    kept = [(row, tries) for row, tries in there if row.opened_at >= since]
    kept += [(row, tries) for row, tries in gone if begins(row.opened_at, "hour") >= since]
    for row, tries in kept:
        asked = {row.model, *(name for one in tries for name in (one.model, f"{one.provider}/{one.model}"))}
        if row.state != "reserved" and row.meters.cost_micros:
            found.update(dict.fromkeys(asked & {*names}, row.meters.cost_micros))
    return dict(found)


def lost(kept: Iterable[Kept], part: Part) -> list[tuple[str, int]]:
    """Return what was lost, exchange by exchange."""
    found: Counter[str] = Counter()
    for row, _ in kept:
        if counts(row) and _within(row.opened_at, part):
            found.update({re.sub(r"\[\d+\]", "[]", loss)[:160] for loss in row.losses})
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def _within(at: float, part: Part) -> bool:
    """Say whether a time is in a part's whole hours, rounded outwards."""
    hour = begins(at, "hour")
    return (part.since is None or hour + HOUR > part.since) and (part.until is None or hour < part.until)
