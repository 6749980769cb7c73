"""Figures: what is told of sums, under the same names on every page, in JSON and in CSV.

Money is US dollars; what nobody knows is null in JSON and empty in CSV, never 0. Durations are milliseconds;
percentiles of them are within 2.2 % (:mod:`dragoman.store.spread`). Times are ISO 8601, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType

from dragoman.accounts.explored import Explored, Lost, change
from dragoman.accounts.groups import Group, Point
from dragoman.accounts.times import LAST
from dragoman.core.extras import Json
from dragoman.store.reports import Spread, Sums
from dragoman.store.spread import percentiles_ms

SHARES: Mapping[str, float] = MappingProxyType({"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99})
"""Percentiles that are told."""

COMPARED = ("requests", "errors", "tokens", "cost_usd", "avg_latency_ms", "avg_first_event_ms")
"""Figures whose change is told."""

Cell = str | int | float | bool | None

_FORMULA = re.compile(r"[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet may run: also in full width, and behind what is not seen, which some
cut off."""


def figures(sums: Sums, spread: Spread | None = None, **more: Json) -> dict[str, Json]:
    """Return what is told of sums; of how durations are spread, where that is known; `more` before it."""
    return {
        **more,
        "requests": sums.requests,
        "errors": sums.failed,
        "cancelled": sums.cancelled,
        "cached": sums.cached,
        "fallback": sums.fallback,
        "streamed": sums.streamed,
        "lossy": sums.lossy,
        "attempts": sums.attempts,
        "tokens": sums.tokens,
        "prompt_tokens": sums.input,
        "cache_read_tokens": sums.cache_read,
        "completion_tokens": sums.output,
        "reasoning_tokens": sums.reasoning,
        "estimated": sums.estimated,
        "cost_usd": usd(sums.cost),
        "unknown_cost": sums.unknown_cost,
        "saved_usd": usd(sums.saved_micros),
        "avg_latency_ms": tenth(sums.latency_ms),
        "avg_first_event_ms": tenth(sums.first_event_ms),
        **({} if spread is None else shares(spread)),
    }


def shares(spread: Spread) -> dict[str, Json]:
    """Return percentiles of a spread."""
    return {
        f"{name}_{what}_ms": tenth(ms)
        for what, counts in (("latency", spread.latency), ("first_event", spread.first_event))
        for name, ms in zip(SHARES, percentiles_ms(counts, [*SHARES.values()]), strict=True)
    }


def changes(now: Sums, before: Sums) -> dict[str, Json]:
    """Return by which share figures grew: 0.25 is a quarter more; null where nothing can be said."""
    told, then = figures(now), figures(before)
    found = {name: change(_number(told[name]), _number(then[name])) for name in COMPARED}
    return {name: None if share is None else round(share, 4) for name, share in found.items()}


def told(found: Explored) -> dict[str, Json]:
    """Return a report as JSON."""
    asked = found.asked
    return {
        **span(found),
        "interval": asked.interval,
        "group_by": asked.by,
        "total": figures(found.total.sums, found.total.spread),
        "errors_by_kind": kinds(found.errors),
        "groups": groups(found),
        "other": other(found),
        "series": points(found.total.points),
        "previous": previous(found),
    }


def span(found: Explored) -> dict[str, Json]:
    """Return the time a report is of."""
    since = None if found.since is None else iso(found.since)
    return {"period": found.asked.span.period, "from": since, "to": iso(found.until)}


def groups(found: Explored) -> list[Json]:
    """Return a report's groups, each under the name of what they are grouped by; null: they have none."""
    by = found.asked.by or ""
    return [{by: group.name or None, **_group(group)} for group in found.groups]


def other(found: Explored) -> Json:
    """Return the groups beyond the top as one, with how many they are; None: there are none."""
    return None if found.other is None else {"groups": found.others, **_group(found.other)}


def previous(found: Explored) -> Json:
    """Return the time before, and what changed since; None: that was not asked for."""
    before = found.previous
    if before is None:
        return None
    return {
        "from": iso(before.since),
        "to": iso(before.until),
        **figures(before.sums),
        "series": points(before.points),
        "change": changes(found.total.sums, before.sums),
    }


def points(found: Iterable[Point]) -> list[Json]:
    """Return stretches, each by the instant it begins at."""
    return [figures(point.sums, point.spread, at=iso(point.at)) for point in found]


def kinds(errors: Iterable[tuple[str, int]]) -> list[Json]:
    """Return kinds of failure and how many failed so; null: of no kind, as with the process itself."""
    return [{"failure": name or None, "requests": count} for name, count in errors]


def lost(found: Lost) -> dict[str, Json]:
    """Return what crossings lost as JSON."""
    return {
        "from": None if found.since is None else iso(found.since),
        "to": iso(found.until),
        "requests": found.requests,
        "lossy": found.lossy,
        "losses": [{"how": how, "what": what, "requests": count} for how, what, count in found.words],
        "more": found.more,
    }


def csv_of(found: Explored) -> str:
    """Return a report as CSV, with a row for each group and stretch; it should be a fine one.

    The rest beyond the top is one more group, without a name, and ``groups`` says how many it is of.
    """
    by, empty = found.asked.by, figures(Sums(), Spread())
    head = ["at", *([by, "groups"] if by else []), *empty]
    return table(head, _rows(found))


def csv_of_lost(found: Lost) -> str:
    """Return what crossings lost as CSV."""
    return table(("how", "what", "requests"), found.words)


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return CSV (RFC 4180): a line of names, and one for each row."""
    return "".join(",".join(map(cell, row)) + "\r\n" for row in (head, *rows))


def cell(value: Cell) -> str:
    """Return one cell of CSV: text that no spreadsheet runs, whoever wrote it; "" where nobody knows."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return f"{value:.6f}".rstrip("0").rstrip(".")
    text = value.replace("\0", "\ufffd")
    text = f"'{text}" if _FORMULA.match(text) else text
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text


@lru_cache(2048)
def iso(at: float) -> str:
    """Write an instant; whole seconds where it is one.

    The stretches of a report begin at the same instants in each of its groups: that is half of what writing
    their points would take.
    """
    exact = "seconds" if at == int(at) else "milliseconds"
    return datetime.fromtimestamp(min(at, LAST - 1), UTC).isoformat(timespec=exact).replace("+00:00", "Z")


def usd(micros: float | None) -> float | None:
    """Return micro-dollars as US dollars; None where nobody knows."""
    return None if micros is None else micros / 1_000_000


def tenth(ms: float | None) -> float | None:
    """Return milliseconds to a tenth."""
    return None if ms is None else round(ms, 1)


def _group(group: Group) -> dict[str, Json]:
    found = figures(group.sums, group.spread)
    if group.before is not None:
        found |= {"previous": figures(group.before), "change": changes(group.sums, group.before)}
    return {**found, **({"series": points(group.points)} if group.points else {})}


def _rows(found: Explored) -> Iterator[list[Cell]]:
    """Yield the cells of each group and stretch."""
    if found.asked.by is None:
        yield from _stretched(found, found.total, [])
        return
    for group in found.groups:
        yield from _stretched(found, group, [group.name, 1])
    if found.other is not None:
        yield from _stretched(found, found.other, [None, found.others])


def _stretched(found: Explored, group: Group, names: list[Cell]) -> Iterator[list[Cell]]:
    whole = Point(0, group.sums, group.spread)
    if found.asked.interval is None:
        begins: list[tuple[Cell, Point]] = [(None if found.since is None else iso(found.since), whole)]
    else:
        begins = [(iso(point.at), point) for point in group.points]
    for at, point in begins:
        told_ = figures(point.sums, point.spread or Spread()).values()
        yield [at, *names, *(value for value in told_ if not isinstance(value, list | dict))]


def _number(value: Json) -> float | None:
    return value if isinstance(value, int | float) else None
