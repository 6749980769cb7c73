"""Measures: what the explorer draws and ranks by, each with its words; pure.

A measure is a figure of sums, or of how durations are spread. Those that add up are drawn as bars that stand
on each other; percentiles do not, and are lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from dragoman.accounts.explored import Explored, Group, Point
from dragoman.accounts.reports import Order
from dragoman.server.dashboard import words
from dragoman.store.reports import Spread, Sums

Unit = Literal["usd", "count", "tokens", "ms"]

DRAWN = 8
"""Groups that are drawn, each in a colour of its own; the rest is drawn as one."""

MOST_GROWN = 10
"""A figure that grew by more than this many times itself is told to have grown by more."""

REST = "s9"
"""The class that has the colour of the rest."""


class Measure(msgspec.Struct, frozen=True):
    """One measure.

    Attributes:
        name: As addresses have it.
        title: As people read it.
        unit: Of its figures; ``usd``: they are micro-dollars.
        of: Returns its figure; None: nobody knows, or there is none.
        order: By what groups are put in order with it.
        adds: Whether figures of groups add up to that of all.
    """

    name: str
    title: str
    unit: Unit
    of: Callable[[Sums, Spread | None], float | None]
    order: Order = "requests"
    adds: bool = True

    def told(self, group: Group | Point) -> str:
        """Return its figure of a group, in words."""
        return self.words(self.of(group.sums, group.spread))

    def words(self, figure: float | None) -> str:
        """Return a figure of it in words."""
        match self.unit:
            case "usd":
                return words.money(figure)
            case "tokens":
                return words.short(figure)
            case "count":
                return words.count(figure)
            case "ms":
                return words.duration(figure)


def _first(_: Sums, spread: Spread | None) -> float | None:
    return spread.first_event_ms(0.95) if spread is not None else None


def _latency(_: Sums, spread: Spread | None) -> float | None:
    return spread.latency_ms(0.95) if spread is not None else None


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        one.name: one
        for one in (
            Measure("cost", "Cost", "usd", lambda sums, _: sums.cost, "cost"),
            Measure("requests", "Requests", "count", lambda sums, _: sums.requests),
            Measure("tokens", "Tokens", "tokens", lambda sums, _: sums.tokens, "tokens"),
            Measure("errors", "Errors", "count", lambda sums, _: sums.failed, "errors"),
            Measure("first_token", "First token, p95", "ms", _first, adds=False),
            Measure("latency", "Whole answer, p95", "ms", _latency, adds=False),
            Measure("saved", "Cache savings", "usd", lambda sums, _: sums.saved_micros),
        )
    }
)


def share(measure: Measure, group: Group, total: Group) -> float | None:
    """Return which part of all a group has: of the measure, or of the requests where that does not add up."""
    of = measure if measure.adds else MEASURES["requests"]
    part, whole = of.of(group.sums, None), of.of(total.sums, None)
    return part / whole if part is not None and whole else None


def grown(now: float | None, before: float | None) -> str:
    """Return how a figure has changed; a growth that says nothing is cut."""
    changed = now is not None and before and (now - before) / before >= MOST_GROWN
    if changed:
        return f">+{MOST_GROWN * 100} %"
    told = words.change(now, before)
    return "\u00b10 %" if told in ("+0 %", "-0 %") else told


def plot(found: Explored, measure: Measure, named: Callable[[str | None], str]) -> dict[str, Any]:
    """Return what a chart draws: the groups that are told, from the greatest, and the rest as one.

    Args:
        found: What was found, stretch by stretch.
        measure: Of what.
        named: Returns what a group is called.
    """
    drawn = list(found.groups[:DRAWN]) if found.asked.by is not None else [found.total]
    series: list[dict[str, Any]] = [
        {
            "name": named(group.name) if found.asked.by is not None else measure.title,
            "values": _values(measure, group.points),
        }
        for group in drawn
    ]
    rest = [*found.groups[DRAWN:], *([found.other] if found.other is not None else [])]
    if rest and (measure.adds or len(rest) == 1):
        values = [_values(measure, group.points) for group in rest]
        count = len(found.groups[DRAWN:]) + found.others
        summed = [_sum(stack) for stack in zip(*values, strict=True)]
        told: dict[str, Any] = {
            "name": f"{count} others",
            "values": values[0] if len(rest) == 1 else summed,
            "shade": REST,
        }
        series.append(told)
    return {
        "x": [point.at for point in found.total.points],
        "series": series,
        "unit": measure.unit,
        "kind": "bars" if measure.adds else "line",
    }


def _sum(values: Sequence[float | None]) -> float | None:
    """Return what several add up to; None: nobody knows, and what is known is nothing."""
    known = sum(value or 0 for value in values)
    return None if not known and None in values else known


def _values(measure: Measure, points: Sequence[Point]) -> list[float | None]:
    """Return a measure stretch by stretch, as charts draw it: money in US dollars."""
    figures = [measure.of(point.sums, point.spread) for point in points]
    if measure.unit != "usd":
        return [None if figure is None else round(figure, 1) for figure in figures]
    return [None if figure is None else figure / 1_000_000 for figure in figures]
