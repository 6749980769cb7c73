"""How durations are spread: counts in buckets that each are a sixteenth of an octave wide.

Percentiles of a million rows cannot be looked up, and means say little of what people wait for. So of each
duration only its bucket is kept. Buckets grow by 2^(1/16), which is 4.4 %: a percentile told from them is
within 2.2 % of the row's own, and counts of several hours add up exactly.

    bucket 0     up to 1 ms
    bucket n     up to 2^(n/16) ms, and longer than the bucket before

A spread is written as pairs of varints (bucket's distance from the one before, count), so that the few
buckets of a quiet hour take a few bytes. One of many buckets, which is added to all the time, is written as
the first bucket and a number of eight bytes for each from there on: to add to it takes no reading of every
pair. Counts may be negative: what was counted is taken off again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from operator import sub
from struct import pack, unpack_from

MOST = 400
"""The last bucket: some nine hours, and all that took longer."""

ONE_BYTE = 0x7F
"""The largest number that is one byte."""

MANY = 48
"""Buckets from which on a spread is written as a row of numbers."""

ROW = b"\0\0"
"""What such a row begins with: as a pair it would be a count of nothing, which is never written."""

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
    return percentiles_ms(counts, (share,))[0]


def percentiles_ms(counts: Counts, shares: Sequence[float]) -> list[float | None]:
    """Return what :func:`percentile_ms` returns for each of some shares, which ascend."""
    total = sum(counts.values())
    if total <= 0:
        return [None] * len(shares)
    found: list[float | None] = []
    places = iter(sorted(counts))
    place = next(places)
    seen = counts[place]
    for share in shares:
        rank = max(1, math.ceil(share * total - 1e-9))
        while seen < rank:
            place = next(places)
            seen += counts[place]
        found.append(middle_ms(place))
    return found


def added(*spreads: Counts) -> dict[int, int]:
    """Return all of several spreads together."""
    found: dict[int, int] = {}
    for counts in spreads:
        for place, count in counts.items():
            found[place] = found.get(place, 0) + count
    return {place: count for place, count in found.items() if count}


def packed(counts: Counts) -> bytes:
    """Return a spread as bytes; none at all is b""."""
    places = sorted(counts)
    numbers = [counts[place] for place in places]
    if 0 in numbers:
        return packed({place: count for place, count in counts.items() if count})
    if len(places) >= MANY:
        return _row(places[0], [counts.get(place, 0) for place in range(places[0], places[-1] + 1)])
    steps = list(map(sub, places, (0, *places)))
    signed = [number << 1 if number > 0 else ~(number << 1) for number in numbers]
    out = bytearray(2 * len(places))
    if max(steps, default=0) <= ONE_BYTE >= max(signed, default=0):  # nearly always, and these are many
        out[::2], out[1::2] = bytes(steps), bytes(signed)
        return bytes(out)
    out.clear()
    for step, number in zip(steps, signed, strict=True):
        _put(out, step)
        _put(out, number)
    return bytes(out)


def unpacked(data: bytes) -> dict[int, int]:
    """Return the spread that bytes are.

    Raises:
        ValueError: They are none.
    """
    if data.startswith(ROW):
        first, numbers = _of_row(data)
        return {place: count for place, count in enumerate(numbers, first) if count}
    pairs: Sequence[int] = data if data.isascii() else _numbers(data)
    if len(pairs) % 2:
        raise ValueError("a spread ends within a pair")
    counts = [(count >> 1) ^ -(count & 1) for count in pairs[1::2]]
    return dict(zip(accumulate(pairs[::2]), counts, strict=True))


def raised(data: bytes, more: Counts) -> bytes:
    """Return the spread that bytes are with more added to it, as bytes."""
    if not more:
        return data
    if data.startswith(ROW):
        first, numbers = _of_row(data)
        if first <= min(more) and max(more) < first + len(numbers):
            for place, count in more.items():
                numbers[place - first] += count
            return _row(first, numbers)
    counts = unpacked(data)
    for place, count in more.items():
        counts[place] = counts.get(place, 0) + count
    return packed(counts)


def _row(first: int, numbers: Sequence[int]) -> bytes:
    return ROW + pack(f"<h{len(numbers)}q", first, *numbers)


def _of_row(data: bytes) -> tuple[int, list[int]]:
    long, rest = divmod(len(data) - len(ROW) - 2, 8)
    if rest or long < 0:
        raise ValueError("a spread ends within a number")
    first, *numbers = unpack_from(f"<h{long}q", data, len(ROW))
    return first, numbers


def _put(out: bytearray, number: int) -> None:
    while number > ONE_BYTE:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _numbers(data: bytes) -> list[int]:
    found = []
    number = shift = 0
    for byte in data:
        if byte > ONE_BYTE:
            number |= (byte & ONE_BYTE) << shift
            shift += 7
        else:
            found.append(number | byte << shift)
            number = shift = 0
    if shift:
        raise ValueError("a spread ends within a number")
    return found
