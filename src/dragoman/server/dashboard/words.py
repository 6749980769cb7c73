"""Figures as people read them: the words of every page, so that no number is told in two ways.

Unknown is the word "unknown", never 0; what there is none of is a dash.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

UNKNOWN, NONE = "unknown", "\u2013"

MINUS = "\u2212"
"""What stands before figures below zero: as wide as a plus, and no hyphen that a line may end with."""


def money(micros: float | None) -> str:
    """Return micro-dollars as ``$12.40`` or ``$0.00213``: two digits are not zero, however little it is."""
    if micros is None:
        return UNKNOWN
    if micros == 0:
        return "$0"
    sign, usd = MINUS if micros < 0 else "", abs(micros) / 1_000_000
    if usd < 0.000001:
        return f"{sign}<$0.000001"
    if usd >= 1:
        return f"{sign}${usd:,.2f}"
    digits = min(6, max(2, 1 - math.floor(math.log10(usd))))
    whole, _, rest = f"{usd:.{digits}f}".partition(".")
    return f"{sign}${whole}.{rest.rstrip('0').ljust(2, '0')}"


def exact_money(micros: int | None) -> str:
    """Return micro-dollars with all six digits: ``$0.001234``."""
    return UNKNOWN if micros is None else f"{MINUS if micros < 0 else ''}${abs(micros) / 1_000_000:,.6f}"


def count(number: float | None) -> str:
    """Return a count with its thousands apart: ``12,345``."""
    return UNKNOWN if number is None else _signed(f"{round(number):,}")


def short(number: float | None) -> str:
    """Return a count in three digits: ``12.3k``, ``4.56M``."""
    if number is None:
        return UNKNOWN
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        few = number / size
        if abs(few) >= 0.9995:
            return _signed(f"{few:.3g}{unit}" if abs(few) < 999.5 else f"{few:,.0f}{unit}")
    return count(number)


def duration(ms: float | None) -> str:
    """Return milliseconds as ``142 ms``, ``1.92 s`` or ``1 min 4 s``."""
    if ms is None:
        return NONE
    if ms < 1:
        return "<1 ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 59_950:
        return f"{ms / 1000:.{2 if ms < 9_995 else 1}f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def percent(share: float | None) -> str:
    """Return a share as ``4.2 %``."""
    if share is None:
        return NONE
    if 0 < abs(share) < 0.0005:
        return f"{MINUS if share < 0 else ''}<0.1 %"
    return _signed(f"{share * 100:.{0 if abs(share) >= 0.0995 else 1}f} %")


def change(now: float | None, before: float | None) -> str:
    """Return how a figure has changed: ``+12 %``, ``new``, or a dash where there is nothing to compare."""
    if now is None or before is None or (not now and not before):
        return NONE
    if not before:
        return "new"
    told = f"{(now - before) / abs(before) * 100:+,.0f} %"
    return "+0 %" if told == "-0 %" else _signed(told)


def _signed(figure: str) -> str:
    return figure.replace("-", MINUS, 1) if figure.startswith("-") else figure


def iso(at: float) -> str:
    """Return a Unix second as ISO 8601 in UTC."""
    return datetime.fromtimestamp(min(max(at, 0.0), 253_402_300_799.0), UTC).isoformat(timespec="seconds")


def instant(at: float | None) -> str:
    """Return a Unix second as ``2026-11-01 09:30:07 UTC``."""
    return NONE if at is None else f"{iso(at)[:10]} {iso(at)[11:19]} UTC"


def ago(at: float | None, now: float) -> str:
    """Return how long ago, or in how long, something is: ``3 min ago``, ``in 2 days``."""
    if at is None:
        return NONE
    gone = now - at
    words = span(abs(gone))
    if abs(gone) < 1:
        return "now"
    return f"{words} ago" if gone > 0 else f"in {words}"


def span(seconds: float) -> str:
    """Return so many seconds in their greatest unit: ``40 s``, ``3 min``, ``5 h``, ``2 days``."""
    for size, unit in ((86_400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            number = math.floor(seconds / size)
            return f"{number} {unit[:-1] if unit == 'days' and number == 1 else unit}"
    return f"{math.floor(seconds)} s"
