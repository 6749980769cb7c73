"""Charts: numbers become a line of block characters, or SVG. Pure.

What is drawn is drawn from zero, so that twice as high is twice as much. A number nobody knows (None) is a
gap and never a zero. Nothing here needs a style sheet: colours stand in attributes, for mail and for files; a
page's style sheet may have others, by the class names, since it wins over attributes. No ``style`` attribute
is written, which the pages' content security policy would forbid.

    chart          the drawing                 chart-line, chart-area, chart-dot   of a sparkline
    chart-grid     a line of the grid          chart-text                          what is written
    chart-bar      a piece of a bar; also chart-1, chart-2, ... by its series, as its square in the legend has

Readers that cannot see are told a chart's ``<title>`` and ``<desc>``; a pointer over a piece, its own.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

import msgspec

BLOCKS: Final = "▁▂▃▄▅▆▇█"
GAP: Final = " "
"""What stands for a number that nobody knows."""

COLOURS: Final = ("#0f766e", "#c2410c", "#4f46e5", "#a16207", "#be185d", "#0369a1", "#4d7c0f", "#6b7280")
"""Of series, in order; the last is of what is folded together. Each has a contrast of 4.5:1 to white."""

OTHERS: Final = "others"

_LEAST, _MOST = 1e-9, 1e18
"""A number that is smaller is nothing, a larger one this: no chart shows more, and floats overflow."""

_INK, _LINE = "#6b7280", "#d4d4d8"
_FONT = 'font-family="system-ui, sans-serif" font-size="11"'

Number = float | int | None


class Series(msgspec.Struct, frozen=True):
    """Numbers of one thing, one for each place of an axis; None: nobody knows."""

    name: str
    numbers: tuple[Number, ...]


def sparkline(numbers: Sequence[Number], *, width: int | None = None) -> str:
    """Return a line of block characters, one for each number.

    Nothing is the lowest block and anything at all is higher; a gap is a space.

    Args:
        numbers: In order; negative ones count as nothing.
        width: Characters at most: more numbers are drawn as means of those beside each other.
    """
    found = resampled(numbers, width) if width is not None else [_known(number) for number in numbers]
    top = max((number for number in found if number is not None), default=0.0)
    return "".join(GAP if number is None else BLOCKS[_step(number, top)] for number in found)


def resampled(numbers: Sequence[Number], width: int) -> list[float | None]:
    """Return at most `width` numbers: means of as many neighbours as it takes, of those that are known."""
    found = [_known(number) for number in numbers]
    if len(found) <= max(1, width):
        return found
    width = max(1, width)
    ends = [place * len(found) // width for place in range(width + 1)]
    return [_mean(found[lo:hi]) for lo, hi in itertools.pairwise(ends)]


def spark_svg(numbers: Sequence[Number], *, label: str, width: int = 120, height: int = 28) -> str:
    """Return a small line over an area, without axes; one point alone is a dot, none an empty drawing.

    Args:
        numbers: In order.
        label: What it is, for those who cannot see it.
        width: Of the drawing, in CSS pixels.
        height: The same.
    """
    found = resampled(numbers, width)
    top = max((number for number in found if number is not None), default=0.0) or 1.0
    across = (width - 4) / max(1, len(found) - 1)
    points = [
        None if number is None else (2 + place * across, height - 2 - number / top * (height - 4))
        for place, number in enumerate(found)
    ]
    drawn = "".join(_run(run, height) for run in _runs(points))
    return f"{_open('chart chart-spark', label, width, height)}<title>{_said(label)}</title>{drawn}</svg>"


def bars_svg(
    series: Sequence[Series],
    *,
    labels: Sequence[str],
    title: str,
    told: Callable[[float], str] | None = None,
    text: str = "",
    width: int = 760,
    height: int = 240,
) -> str:
    """Return stacked bars over an axis, with a grid, a legend, and the numbers told by each piece.

    Args:
        series: From the bottom of the stacks to their top; see :func:`folded`.
        labels: One for each bar, as many as each series has numbers; those that have room are written.
        title: What is shown, with its unit.
        told: Writes a number with its unit, on the axis and of pieces; None: in thousands, without one.
        text: More for those who cannot see it; "": the sum and the highest bar.
        width: Of the drawing, in CSS pixels.
        height: The same.

    Raises:
        ValueError: A series has not as many numbers as there are labels.
    """
    if any(len(one.numbers) != len(labels) for one in series):
        raise ValueError("each series has one number for each label")
    write = told or count
    legend = _legend(series, width)
    totals = [
        sum(filter(None, map(_known, stack))) for stack in zip(*(one.numbers for one in series), strict=True)
    ]
    ticks = scale(max(totals, default=0.0))
    left = 12 + 6.5 * max(len(write(tick)) for tick in ticks)
    box = _Box(left, 12.0, width - 8.0, height - 26.0 - legend.height)
    drawn = [_grid(box, ticks, write), _stacks(box, series, labels, top=ticks[-1], told=write)]
    drawn += [_places(box, labels), legend.drawn(left, height - legend.height + 8)]
    words = text or _described(labels, totals, write)
    head = f"<title>{_said(title)}</title><desc>{_said(words)}</desc>"
    return f"{_open('chart chart-bars', title, width, height)}{head}{''.join(drawn)}</svg>"


def folded(series: Sequence[Series], *, most: int = len(COLOURS)) -> list[Series]:
    """Return the largest series first; those there is no colour for are summed up as the last, ``others``."""

    def weight(one: Series) -> float:
        return -sum(filter(None, map(_known, one.numbers)))

    order = sorted(series, key=lambda one: (weight(one), one.name))
    if len(order) <= most:
        return order
    kept, rest = order[: most - 1], order[most - 1 :]
    sums = (_sum(stack) for stack in zip(*(one.numbers for one in rest), strict=True))
    return [*kept, Series(OTHERS, tuple(sums))]


def colour(place: int, of: int) -> str:
    """Return the colour of a series: the one at `place` of `of`."""
    if place >= len(COLOURS) - 1 or of <= 0:
        return COLOURS[-1]
    return COLOURS[place]


def scale(top: float) -> list[float]:
    """Return round numbers from 0 to `top` or a little more, in three to six even steps: an axis."""
    top = top if top > _LEAST else 1.0
    unit = 10.0 ** math.floor(math.log10(top / 4))
    step = next(unit * times for times in (1, 2, 2.5, 5, 10) if unit * times * 4 >= top - unit / 1e6)
    return [place * step for place in range(math.ceil(top / step - 1e-9) + 1)]


def count(number: float) -> str:
    """Return a number for people: thousands apart, and no more digits after the point than it takes."""
    if number and abs(number) < 1:
        return f"{number:.3g}"
    return f"{number:,.2f}".rstrip("0").rstrip(".")


class _Box(msgspec.Struct, frozen=True):
    """Where the bars are."""

    left: float
    top: float
    right: float
    bottom: float


class _Legend(msgspec.Struct, frozen=True):
    """What the colours mean: entries with their place, in rows."""

    entries: tuple[tuple[int, int, int, str], ...]
    series: int
    height: float

    def drawn(self, left: float, top: float) -> str:
        """Return its squares and words."""
        drawn = ""
        for place, row, x, name in self.entries:
            at = f'x="{_n(left + x)}" y="{_n(top + 16 * row)}"'
            words = f'x="{_n(left + x + 14)}" y="{_n(top + 16 * row + 9)}"'
            paint = f'class="chart-bar chart-{place + 1}" fill="{colour(place, self.series)}"'
            drawn += f'<rect {at} width="10" height="10" rx="2" {paint}/>'
            drawn += f'<text {words} class="chart-text" fill="{_INK}" {_FONT}>{_said(name)}</text>'
        return drawn


def _legend(series: Sequence[Series], width: int) -> _Legend:
    """Return the legend of several series, in as many rows as its words take; of one there is none."""
    entries, row, x = [], 0, 0
    for place, one in enumerate(series if len(series) > 1 else ()):
        name = one.name if len(one.name) <= 40 else f"{one.name[:39]}…"
        room = 26 + 7 * len(name)
        if x and x + room > width - 80:
            row, x = row + 1, 0
        entries.append((place, row, x, name))
        x += room
    return _Legend(tuple(entries), len(series), 16.0 * (row + 1) + 6 if entries else 0.0)


def _grid(box: _Box, ticks: Sequence[float], told: Callable[[float], str]) -> str:
    drawn = ""
    for tick in ticks:
        y = box.bottom - tick / ticks[-1] * (box.bottom - box.top)
        ends = f'x1="{_n(box.left)}" x2="{_n(box.right)}" y1="{_n(y)}" y2="{_n(y)}"'
        drawn += f'<line {ends} class="chart-grid" stroke="{_LINE}" stroke-width="1"/>'
        drawn += _text(told(tick), box.left - 6, y + 4, "end")
    return drawn


def _stacks(
    box: _Box, series: Sequence[Series], labels: Sequence[str], *, top: float, told: Callable[[float], str]
) -> str:
    room = (box.right - box.left) / max(1, len(labels))
    wide = max(0.5, min(48.0, room * 0.72))
    drawn = ""
    for place, label in enumerate(labels):
        x, y = box.left + room * place + (room - wide) / 2, box.bottom
        for order, one in enumerate(series):
            number = _known(one.numbers[place])
            if not number:
                continue
            high = number / top * (box.bottom - box.top)
            y -= high
            at = f'x="{_n(x)}" y="{_n(y)}" width="{_n(wide)}" height="{_n(high)}"'
            paint = f'class="chart-bar chart-{order + 1}" fill="{colour(order, len(series))}"'
            words = _said(f"{label}, {one.name}: {told(number)}")
            drawn += f"<rect {at} {paint}><title>{words}</title></rect>"
    return drawn


def _places(box: _Box, labels: Sequence[str]) -> str:
    """Write as many labels as there is room for, evenly."""
    room = (box.right - box.left) / max(1, len(labels))
    need = 12 + 6.5 * max(map(len, labels), default=0)
    every = max(1, math.ceil(need / room))
    middles = ((label, box.left + room * (place + 0.5)) for place, label in enumerate(labels))
    return "".join(_text(label, x, box.bottom + 16, "middle") for label, x in list(middles)[::every])


def _described(labels: Sequence[str], totals: Sequence[float], told: Callable[[float], str]) -> str:
    if not any(totals):
        return "Nothing in all of it."
    highest = max(range(len(totals)), key=totals.__getitem__)
    ends = f"From {labels[0]} to {labels[-1]}"
    return f"{ends}: {told(sum(totals))} in all; the most, {told(totals[highest])}, at {labels[highest]}."


def _open(names: str, label: str, width: int, height: int) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    told = f'class="{names}" role="img" aria-label="{_said(label)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {told} {size}>'


def _said(text: str) -> str:
    """Return a text as markup: escaped, and without what XML has no way to say."""
    return escape(re.sub("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]", "\ufffd", text))


def _text(words: str, x: float, y: float, anchor: str) -> str:
    at = f'x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"'
    return f'<text {at} class="chart-text" fill="{_INK}" {_FONT}>{_said(words)}</text>'


def _run(points: Sequence[tuple[float, float]], height: int) -> str:
    """Return points without a gap between them as a line over an area; one alone as a dot."""
    (first, _), (last, end) = points[0], points[-1]
    if len(points) == 1:
        return f'<circle class="chart-dot" cx="{_n(last)}" cy="{_n(end)}" r="2" fill="{COLOURS[0]}"/>'
    line = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    area = f"{_n(first)},{_n(height - 2)} {line} {_n(last)},{_n(height - 2)}"
    paint = f'fill="none" stroke="{COLOURS[0]}" stroke-width="1.5" stroke-linejoin="round"'
    filled = f'<polygon class="chart-area" points="{area}" fill="{COLOURS[0]}" fill-opacity="0.12"/>'
    return f'{filled}<polyline class="chart-line" points="{line}" {paint}/>'


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Return points as lists of those that have no gap between them."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _known(number: Number) -> float | None:
    """Return a number as it can be drawn; None: it is none."""
    if number is None or number != number:  # noqa: PLR0124  only what is no number differs from itself
        return None
    found = float(max(0, min(number, _MOST)))
    return 0.0 if found < _LEAST else found


def _step(number: float, top: float) -> int:
    """Return which block a number is: the lowest for nothing, the highest for `top`."""
    return math.ceil(number / top * (len(BLOCKS) - 1)) if number else 0


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return math.fsum(known) / len(known) if known else None


def _sum(numbers: Sequence[Number]) -> float | None:
    known = [found for number in numbers if (found := _known(number)) is not None]
    return math.fsum(known) if known else None


def _n(number: float) -> str:
    """Return a coordinate: hundredths of a pixel are enough."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
