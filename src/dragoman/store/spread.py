"""How durations are spread: histograms of counts, in buckets that are each a sixteenth of an octave wide.

Percentiles of a million rows cannot be looked up, and means say little of what people wait for. So of each
duration only its bucket is kept. Buckets grow by 2^(1/16), which is 4.4 %: a percentile told from them is
within 2.2 % of the row's own, and counts of several hours add up exactly.

    bucket 0     up to 1 ms
    bucket n     up to 2^(n/16) ms, and longer than the bucket before

A spread is written as numbers of four bytes, each a bucket and a count, in any order. One bucket may be there
several times: its counts add up. So two spreads are added by writing one behind the other, which a database
does by itself, and :func:`folded` once they have become long. Counts may be negative: what was counted is
taken off again.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence
from itertools import accumulate
from struct import pack, unpack

MOST = 400
"""The last bucket: some nine hours, and all that took longer."""

LONG = 4 * 160
"""Bytes above which a spread that was added to is folded. Few have more buckets; and who reads a year by
day reads hundreds of them."""

FEW = 8
"""Durations that are not worth folding."""

SHORT, MANY = 4 * 256, 4 * 4096
"""Bytes up to which a percentile is read off the numbers as they are, without making counts of them; and
those above which equal numbers are counted before they are taken apart: each is quicker there."""

_BITS = 23
"""Of a number, those that are the count; the others are the bucket."""

_NONE = 1 << _BITS - 1
"""What a count of nothing is written as."""

_COUNT = (1 << _BITS) - 1

Counts = Mapping[int, int]
"""How many durations each bucket holds; a bucket without any is not there."""


class Later(Mapping[int, int]):
    """A spread that is made when somebody looks into it: of most that is read nobody does.

    Args:
        source: The bytes it is made of, or what makes it, when somebody looks first.
    """

    __slots__ = ("_counts", "_source")

    def __init__(self, source: bytes | Callable[[], dict[int, int]]) -> None:
        self._source = source
        self._counts: dict[int, int] | None = None

    def __getitem__(self, place: int) -> int:
        return self._told()[place]

    def __iter__(self) -> Iterator[int]:
        return iter(self._told())

    def __len__(self) -> int:
        return len(self._told())

    def items(self) -> ItemsView[int, int]:
        """Return buckets and their counts."""
        return self._told().items()

    def ordered(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return buckets in ascending order, one perhaps several times, and how many durations each holds.

        That is all a percentile takes, in half the time of making a spread of it.
        """
        if (data := self.short) is None:
            return _ordered(self._told())
        numbers = sorted(_numbers(data))
        counts = [(number & _COUNT) - _NONE for number in numbers]
        if min(counts, default=0) < 0:  # what is taken off has to meet what it was added to
            return _ordered(self._told())
        return [number >> _BITS for number in numbers], counts

    @property
    def short(self) -> bytes | None:
        """The bytes it is made of, where they are few and nobody has looked into it; None: they are not."""
        source = self._source
        if self._counts is not None or not isinstance(source, bytes) or len(source) > SHORT:
            return None
        return source

    def _told(self) -> dict[int, int]:
        if self._counts is None:
            source = self._source
            self._counts = unpacked(source) if isinstance(source, bytes) else source()
        return self._counts


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
    """Return what :func:`percentile_ms` returns for each of some shares."""
    places, ordered = counts.ordered() if isinstance(counts, Later) else _ordered(counts)
    seen = list(accumulate(ordered))
    if not seen or seen[-1] <= 0:
        return [None] * len(shares)
    ranks = (max(1, math.ceil(share * seen[-1] - 1e-9)) for share in shares)
    return [middle_ms(places[bisect_left(seen, rank)]) for rank in ranks]


def added(*spreads: Counts) -> Counts:
    """Return all of several spreads together."""

    def make() -> dict[int, int]:
        # Of short ones all numbers are read at once; long ones are told by themselves as well, mostly.
        short = [one.short if isinstance(one, Later) else None for one in spreads]
        found = unpacked(b"".join(data for data in short if data is not None))
        for counts, data in zip(spreads, short, strict=True):
            for place, count in counts.items() if data is None else ():
                found[place] = found.get(place, 0) + count
        return {place: count for place, count in found.items() if count}

    return Later(make)


def pair(us: int, times: int) -> int:
    """Return the number that says: so many microseconds, and once (1), or taken off once (-1)."""
    return bucket(us) << _BITS | _NONE + times


def together(pairs: Sequence[int]) -> bytes:
    """Return the spread of some thousand durations at most, which are one :func:`pair` each."""
    if len(pairs) > FEW:
        counted = Counter(pairs).items()
        pairs = [number + (times - 1) * ((number & _COUNT) - _NONE) for number, times in counted]
    return pack(f"<{len(pairs)}I", *pairs) if pairs else b""


def packed(counts: Counts) -> bytes:
    """Return a spread as bytes, each bucket once; none at all is b""."""
    pairs = [place << _BITS | count + _NONE for place, count in sorted(counts.items()) if count]
    if counts and not -_NONE <= min(counts.values()) <= max(counts.values()) < _NONE:
        pairs = list(_pairs(counts))
    return pack(f"<{len(pairs)}I", *pairs)


def later(*parts: bytes) -> Counts:
    """Return the spread that bytes are, one behind the other; they are read when somebody looks."""
    return Later(parts[0] if len(parts) == 1 else b"".join(parts))


def unpacked(data: bytes) -> dict[int, int]:
    """Return the spread that bytes are.

    Raises:
        ValueError: They are none.
    """
    numbers = _numbers(data)
    found: dict[int, int] = {}
    if len(data) <= MANY:
        for number in numbers:
            place = number >> _BITS
            found[place] = found.get(place, 0) + (number & _COUNT) - _NONE
    else:
        for number, times in Counter(numbers).items():
            place = number >> _BITS
            found[place] = found.get(place, 0) + times * ((number & _COUNT) - _NONE)
    return {place: count for place, count in found.items() if count}


def _numbers(data: bytes) -> tuple[int, ...]:
    if len(data) % 4:
        raise ValueError("a spread ends within a number")
    return unpack(f"<{len(data) // 4}I", data)


def _ordered(counts: Counts) -> tuple[Sequence[int], Sequence[int]]:
    ordered = sorted(counts.items())
    return [place for place, _ in ordered], [count for _, count in ordered]


def folded(data: bytes) -> bytes:
    """Return the same spread with each bucket once.

    Raises:
        ValueError: The bytes are none.
    """
    return packed(unpacked(data))


def _pairs(counts: Counts) -> Iterator[int]:
    """Yield the numbers of a spread; a count that is too large for one is that of several."""
    for place, count in sorted(counts.items()):
        left = count
        while left:
            part = max(-_NONE, min(_NONE - 1, left))
            yield place << _BITS | part + _NONE
            left -= part
