"""How durations are spread: counts in buckets that each are a sixteenth of an octave wide.

Percentiles of a million rows cannot be looked up, and means say little of what people wait for. So of each
duration only its bucket is kept. Buckets grow by 2^(1/16), which is 4.4 %: a percentile told from them is
within 2.2 % of the row's own, and counts of several hours add up exactly.

    bucket 0     up to 1 ms
    bucket n     up to 2^(n/16) ms, and longer than the bucket before

A spread is written as pairs of varints (bucket's distance from the one before, count), so that the few buckets of
a quiet hour take a few bytes. Counts may be negative: what was counted is taken off again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

MOST = 400
"""The last bucket: some nine hours, and all that took longer."""

Counts = Mapping[int, int]
"""How many durations each bucket holds; a bucket without any is not there."""


def bucket(us: int) -> int:
    """Return the bucket of so many microseconds."""
    if us <= 1000:
        return 0
    return min(MOST, math.ceil(16 * math.log2(us / 1000) - 1e-9))


def middle_ms(place: int) -> float:
    """Return the duration a bucket stands for: the geometric middle of its ends, in milliseconds."""
    return float(2 ** ((place - 0.5) / 16)) if place else 1.0


def percentile_ms(counts: Counts, share: float) -> float | None:
    """Return the duration that `share` of all (0 to 1) do not exceed, in milliseconds; None: there are none.

    It is the middle of the bucket that the ceil(share * n)-th of them, in ascending order, is in.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    rank = max(1, math.ceil(share * total - 1e-9))
    for place in sorted(counts):
        rank -= counts[place]
        if rank <= 0:
            return middle_ms(place)
    raise AssertionError("ranks end with the last bucket")


def added(*spreads: Counts) -> dict[int, int]:
    """Return all of several spreads together."""
    found: dict[int, int] = {}
    for counts in spreads:
        for place, count in counts.items():
            found[place] = found.get(place, 0) + count
    return {place: count for place, count in found.items() if count}


def packed(counts: Counts) -> bytes:
    """Return a spread as bytes; none at all is b""."""
    out = bytearray()
    last = 0
    for place in sorted(counts):
        if counts[place]:
            _put(out, place - last)
            _put(out, _zigzag(counts[place]))
            last = place
    return bytes(out)


def unpacked(data: bytes) -> dict[int, int]:
    """Return the spread that bytes are.

    Raises:
        ValueError: They are none.
    """
    numbers = list(_numbers(data))
    if len(numbers) % 2:
        raise ValueError("a spread ends within a pair")
    found: dict[int, int] = {}
    place = 0
    for step, count in zip(numbers[::2], numbers[1::2], strict=True):
        place += step
        found[place] = (count >> 1) ^ -(count & 1)
    return found


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _numbers(data: bytes) -> Iterable[int]:
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("a spread ends within a number")
