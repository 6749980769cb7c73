"""Charts: numbers become a line of block characters, or a small SVG. Pure.

What is drawn is drawn from zero, so that twice as high is twice as much. A number nobody knows (None) is a
gap and never a zero. Nothing here needs a style sheet: colours stand in attributes; a page's style sheet may
have others, by the class names, since it wins over attributes. No ``style`` attribute is written, which the
pages' content security policy would forbid.

    chart-spark    the drawing        chart-line, chart-area, chart-dot    its parts

Readers that cannot see are told a drawing's ``<title>``.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from html import escape
from typing import Final

BLOCKS: Final = "▁▂▃▄▅▆▇█"
GAP: Final = " "
"""What stands for a number that nobody knows."""

COLOURS: Final = ("#0f766e", "#c2410c", "#4f46e5", "#a16207", "#be185d", "#0369a1", "#4d7c0f", "#6b7280")
"""Of series, in order; the last is of :data:`OTHERS`. Each has a contrast of 4.5:1 to white."""

OTHERS: Final = "others"
"""What those are called together that have no colour of their own."""

_LEAST, _MOST = 1e-9, 1e18
"""A number that is smaller is nothing, a larger one this: no chart shows more, and floats overflow."""

Number = float | int | None


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
    size, said = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"', _said(label)
    told = f'class="chart chart-spark" role="img" aria-label="{said}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {told} {size}><title>{said}</title>{drawn}</svg>'


def colour(place: int) -> str:
    """Return the colour of the series at a place; all that have none of their own share the last."""
    return COLOURS[min(place, len(COLOURS) - 1)]


def _said(text: str) -> str:
    """Return a text as markup: escaped, and without what XML has no way to say."""
    return escape(re.sub("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]", "\ufffd", text))


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


def _n(number: float) -> str:
    """Return a coordinate: hundredths of a pixel are enough."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
