"""Small drawings of the dashboard alone: SVG with class names, coloured by the style sheet, escaped here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from dragoman.accounts.course import Span
from dragoman.server import charts
from dragoman.server.dashboard import words

STEP, WIDE, HIGH = 5.0, 4.0, 24.0
LEAST = 2.0
"""Height of the shortest bar, so that one call is seen."""


def spark(numbers: Sequence[float | None], *, label: str, width: int = 120, height: int = 28) -> Markup:
    """Return a small line over an area, without axes; sizes are in CSS pixels."""
    drawn = charts.spark_svg(numbers, label=label, width=width, height=height)
    return Markup(drawn)  # noqa: S704  escapes its label


def health_svg(hours: Sequence[tuple[int, int, int]], *, label: str) -> Markup:
    """Return a bar for each hour: its height how much was called, its red part how much of that failed.

    Args:
        hours: When each began (Unix seconds), its calls, and the failed ones.
        label: What it is, for those who cannot see it.
    """
    most = max((calls for _, calls, _ in hours), default=0) or 1
    drawn = []
    for place, (at, calls, failed) in enumerate(hours):
        x = place * STEP
        if not calls:
            drawn.append(f'<rect class="none" x="{x:g}" y="{HIGH - 1:g}" width="{WIDE:g}" height="1"/>')
            continue
        title = f"<title>{escape(words.instant(at)[:16])}: {calls:,} calls, {failed:,} failed</title>"
        high = max(LEAST, calls / most * HIGH)
        bad = 0.0 if not failed else max(LEAST, failed / calls * high)
        boxes = [("fine", HIGH - high, high - bad), ("failed", HIGH - bad, bad)]
        drawn += [
            f'<rect class="{name}" x="{x:g}" y="{y:.4g}" width="{WIDE:g}" height="{h:.4g}">{title}</rect>'
            for name, y, h in boxes
            if h > 0
        ]
    width = max(STEP * len(hours) - (STEP - WIDE), 1.0)
    head = f'<svg class="health" viewBox="0 0 {width:g} {HIGH:g}" preserveAspectRatio="none" role="img"'
    name = escape(label, quote=True)
    return Markup(f'{head} aria-label="{name}"><title>{name}</title>{"".join(drawn)}</svg>')  # noqa: S704  as above


ROW, TOLD, AXIS = 22, 15, 20
"""Heights of a waterfall, in CSS pixels: of a span, of the line beneath an attempt, of the axis."""

SLIM = 0.5
"""Per cent of the width that the shortest span has, so that it is seen."""

STEPS = 3
"""Steps of the axis, at most."""

FAR, LAST = 55.0, 92.0
"""Per cent of the width from which on words end, and do not begin, where they belong."""


def waterfall(spans: Sequence[Span], *, until_ms: float) -> Markup:
    """Return where a request's time went: a bar for each span, beneath an axis of milliseconds.

    Names stand at the left and durations at the right of the bars; widths are in per cent, so that it fits
    wherever it stands. A bar's class says what it is: ``attempt``, ``deliver``, ``wait`` (all else), with
    ``fault`` where it failed and ``open`` where it has not ended.

    Args:
        spans: In order.
        until_ms: How long what has not ended has taken so far.
    """
    whole = max([1.0, *(until_ms if span.end_ms is None else span.end_ms for span in spans)])
    bars, names, lasted, high = [], [], [], AXIS
    for span in spans:
        end = max(span.start_ms, until_ms if span.end_ms is None else span.end_ms)
        took = words.duration(end - span.start_ms)
        name = f"{span.name} {span.attempt}" if span.name == "attempt" and span.attempt else span.name
        so_far = " so far" if span.end_ms is None else ""
        bars.append(_bar(span, high, end, whole=whole, title=f"{name}: {took}{so_far}"))
        middle = high + ROW / 2 + 4
        names.append(f'<text x="0" y="{middle:g}">{escape(name)}</text>')
        lasted.append(f'<text x="100%" y="{middle:g}" text-anchor="end">{escape(took)}</text>')
        high += ROW + (TOLD if span.target or span.fault else 0)
    label = f"Where {words.duration(whole)} went: {'; '.join(_said(span, until_ms) for span in spans)}"
    parts = [
        f'<svg class="{name}" width="100%" height="{high}" aria-hidden="true">{"".join(drawn)}</svg>'
        for name, drawn in (("names", names), ("bars", [_axis(whole, high), *bars]), ("lasted", lasted))
    ]
    head = f'<div class="waterfall" role="img" aria-label="{escape(label)}">'
    return Markup(f"{head}{''.join(parts)}</div>")  # noqa: S704  every word in it is escaped


def _bar(span: Span, y: int, end: float, *, whole: float, title: str) -> str:
    """Return a span's bar, and beneath an attempt's whom it asked and how that ended."""
    wide = max(SLIM, (end - span.start_ms) / whole * 100)
    x = min(span.start_ms / whole * 100, 100 - wide)
    kind = span.name if span.name in ("attempt", "deliver") else "wait"
    classes = f"span {kind}{' fault' if span.fault else ''}{' open' if span.end_ms is None else ''}"
    told = " \u00b7 ".join(part for part in (span.target, span.fault.replace("_", " ")) if part)
    title = f"{title}, {told}" if told else title
    drawn = (
        f'<rect class="{classes}" x="{x:.2f}%" y="{y + 5}" width="{wide:.2f}%" height="12" rx="2">'
        f"<title>{escape(title)}</title></rect>"
    )
    if span.first:
        place = f'cx="{min(x + wide, 99):.2f}%" cy="{y + 11}" r="4.5"'
        drawn += f'<circle class="first" {place}><title>first content</title></circle>'
    if not span.target and not span.fault:
        return drawn
    at, anchor = (x, "start") if x < FAR else (100.0, "end")
    bad = " fault" if span.fault else ""
    place = f'x="{at:.2f}%" y="{y + ROW + 9}" text-anchor="{anchor}"'
    return f'{drawn}<text class="told{bad}" {place}>{escape(told)}</text>'


def _axis(whole: float, high: int) -> str:
    """Return the lines of round milliseconds, and what they are."""
    drawn = []
    step = _step(whole)
    for number in range(math.floor(whole / step) + 1):
        x = number * step / whole * 100
        anchor = "start" if not number else "end" if x > LAST else "middle"
        drawn.append(
            f'<line class="tick" x1="{x:.2f}%" x2="{x:.2f}%" y1="{AXIS - 4}" y2="{high}"/>'
            f'<text class="at" x="{x:.2f}%" y="11" text-anchor="{anchor}">{_round(number * step)}</text>'
        )
    return "".join(drawn)


def _step(whole: float) -> float:
    """Return a round number of milliseconds that goes into the whole a few times."""
    power = 10.0 ** math.floor(math.log10(whole / STEPS))
    return next(power * times for times in (1, 2, 5, 10) if whole / (power * times) <= STEPS + 1)


def _round(ms: float) -> str:
    return "0" if not ms else f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"


def _said(span: Span, until_ms: float) -> str:
    end = until_ms if span.end_ms is None else span.end_ms
    fault = f" ({span.fault.replace('_', ' ')})" if span.fault else ""
    return f"{span.name} {words.duration(max(0.0, end - span.start_ms))}{fault}"
