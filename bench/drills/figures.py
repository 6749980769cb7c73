"""Figures: what a drill measured, what it has to be, and whether it is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One measured figure.

    Attributes:
        drill: Which drill measured it.
        name: What it is.
        measured: As it is shown.
        target: What it has to be, in words; "": it is only told.
        ok: Whether it is; of one that is only told, always.
        notes: What went wrong, the first few of it.
    """

    drill: str
    name: str
    measured: str
    target: str = ""
    ok: bool = True
    notes: tuple[str, ...] = ()


NOTES = 5
"""Sentences about what went wrong that a figure keeps."""


def none(drill: str, name: str, found: Sequence[object]) -> Figure:
    """Return the figure of things there must be none of."""
    return Figure(drill, name, f"{len(found):,}", "0", not found, tuple(map(str, found[:NOTES])))


def at_most(drill: str, name: str, measured: float, most: float, *, unit: str = "") -> Figure:
    """Return a figure that must not be above `most`."""
    return Figure(drill, name, _shown(measured, unit), f"<= {_shown(most, unit)}", measured <= most)


def at_least(drill: str, name: str, measured: float, least: float, *, unit: str = "") -> Figure:
    """Return a figure that must not be below `least`."""
    return Figure(drill, name, _shown(measured, unit), f">= {_shown(least, unit)}", measured >= least)


def told(drill: str, name: str, measured: float | str, *, unit: str = "") -> Figure:
    """Return a figure that is only told."""
    return Figure(drill, name, measured if isinstance(measured, str) else _shown(measured, unit))


def missing(drill: str, name: str, why: str) -> Figure:
    """Return the figure of something that could not be measured: it never meets its target."""
    last = why.strip().rpartition("\n")[2][:200].replace("|", "/")
    return Figure(drill, name, f"not measured: {last}", "measured", ok=False, notes=(why,))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| drill | figure | measured | target | ok |", "|---|---|---:|---:|---|"]
    for one in figures:
        verdict = "" if not one.target else "yes" if one.ok else "**NO**"
        lines.append(f"| {one.drill} | {one.name} | {one.measured} | {one.target} | {verdict} |")
    return "\n".join(lines)


def _shown(number: float, unit: str) -> str:
    text = (
        f"{number:,}" if isinstance(number, int) else f"{number:,.4g}" if number < 1000 else f"{number:,.0f}"
    )
    return f"{text} {unit}".rstrip()
