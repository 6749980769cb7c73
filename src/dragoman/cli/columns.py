"""Lines that fit a terminal: cells of a width, amounts, times and lengths as people read them in a column."""

from __future__ import annotations

from dragoman.accounts.budgets import money
from dragoman.cli.terminal import breadth

THOUSAND = 1000


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return text that takes exactly `width` columns: cut (``~``) or filled up.

    What would make a terminal obey is shown as ``?``: names are as clients wrote them.
    """
    shown, taken = "", 0
    for letter in text:
        plain = letter if letter.isprintable() else "?"
        takes = breadth(plain)
        if taken + takes > width:
            while shown and taken > width - 1:
                taken -= breadth(shown[-1])
                shown = shown[:-1]
            shown, taken = f"{shown}~", taken + 1
            break
        shown, taken = shown + plain, taken + takes
    filling = " " * (width - taken)
    return filling + shown if right else shown + filling


def cost(micros: int | None) -> str:
    """Return an amount; ``unknown`` where nobody knows it, which is not $0."""
    return "unknown" if micros is None else money(micros)


def short(number: int) -> str:
    """Return a count in at most five characters: 950, 12.3k, 4.5M."""
    if number < THOUSAND:
        return str(number)
    for unit, size in (("k", 10**3), ("M", 10**6), ("G", 10**9)):
        if number < 999.5 * size:
            figure = number / size
            return f"{figure:.1f}{unit}" if figure < 99.95 else f"{figure:.0f}{unit}"
    return f"{number / 10**12:.0f}T"


def lasting(ms: float | None) -> str:
    """Return how long something took in at most six characters: 142ms, 1.90s, 3m20s; None: ``-``."""
    if ms is None:
        return "-"
    if ms < THOUSAND - 0.5:
        return f"{ms:.0f}ms"
    seconds = ms / THOUSAND
    if seconds < 9.995:
        return f"{seconds:.2f}s"
    if seconds < 99.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 100 else f"{minutes // 60}h{minutes % 60:02d}m"
