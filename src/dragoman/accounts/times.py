"""Times as people write them: a date, an instant, or how long from now.

2027-01-01              its beginning, UTC
2027-01-01T09:30:00Z    without an offset it is UTC
1798761600              Unix seconds
30d  24h  90m  45s      a length of time
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

WHEN = "a date (2026-11-01), an instant (2026-11-01T09:30:00Z) or Unix seconds"
LONG = "a length of time such as 30d, 24h, 90m or 45s"

LAST = 253_402_300_800.0
"""The end of the year 9999."""

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def instant(text: str) -> float | None:
    """Return the Unix second a text names; None: it names none."""
    words = text.strip()
    try:
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", words):
            found = float(words)
        elif len(words) == len("2026-11-01"):
            found = datetime.combine(date.fromisoformat(words), datetime.min.time(), UTC).timestamp()
        else:
            time = datetime.fromisoformat(words)
            found = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return found if 0 <= found <= LAST else None


def length(text: str) -> float | None:
    """Return the seconds of a length of time; None: it is none. ``0`` needs no unit."""
    found = re.fullmatch(r"([0-9]{1,9})([dhms]?)", text.strip())
    if found is None or not (found[2] or int(found[1]) == 0):
        return None
    return float(int(found[1]) * _UNITS.get(found[2], 0))


def told(at: float) -> str:
    """Return an instant for people, to the second, UTC."""
    return datetime.fromtimestamp(min(at, LAST - 1), UTC).strftime("%Y-%m-%d %H:%M:%S")
