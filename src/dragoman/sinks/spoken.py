"""The words of one exchange, looked up in the log files: a few reads of a file of any size.

Lines are appended as exchanges end, so they are about in the order of when that was: their own time and how
long they took. Where one exchange's line must be is found by bisection, and from there its id is looked for
among some megabytes; a little disorder (processes that share the files, a disk that was full for a while)
does not matter. The words are there only where they were to be logged.

All of this blocks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from dragoman.sinks.files import JSON

BEFORE_S = 5.0
"""Seconds before an exchange's end at which it is begun to look."""

AFTER_S = 120.0
"""Seconds after it at which nothing is to be expected any more."""

LOOKED_BYTES = 16 * 1024 * 1024
"""Bytes of lines that are looked through at most."""

LINE_BYTES = 32 * 1024 * 1024
"""A line longer than this is nobody's."""

MOST_FILES = 64
"""Files that were put aside and are looked into."""


class Spoken(msgspec.Struct, frozen=True):
    """What was asked and answered, as it was logged; None: not to be logged, or nothing."""

    prompt: str | None
    response: str | None


def spoken(folder: Path, exchange_id: str, ended_at: float) -> Spoken | None:
    """Return the words of an exchange; None: it has no line, or not where it should be.

    Args:
        folder: Where the files are.
        exchange_id: Its id.
        ended_at: When it ended, in Unix seconds.

    Raises:
        OSError: A file cannot be read.
    """
    left = LOOKED_BYTES
    for path in _files(folder):
        with suppress(FileNotFoundError), path.open("rb") as file:  # it may be put aside just now
            size = os.fstat(file.fileno()).st_size
            first = _time_at(file, 0, size)
            if first is None or first > ended_at + BEFORE_S:
                continue  # all of it is later
            start = _bisect(file, size, ended_at - BEFORE_S)
            file.seek(start)
            wanted = exchange_id.encode()
            while left > 0 and (line := file.readline(LINE_BYTES)):
                left -= len(line)
                if wanted in line and (found := _words(line, exchange_id)) is not None:
                    return found
                at = _time(line)
                if at is not None and at > ended_at + AFTER_S:
                    return None
            if left <= 0 or first < ended_at - AFTER_S:
                return None
    return None


def _files(folder: Path) -> Iterator[Path]:
    """Yield the file that is written now, and those put aside, the youngest first."""
    path = folder / JSON
    yield path
    for number in range(1, MOST_FILES + 1):
        aside = path.with_name(f"{path.stem}.{number}{path.suffix}")
        if not aside.exists():
            return
        yield aside


def _bisect(file: Any, size: int, at: float) -> int:
    """Return where to begin to look: before the first line that ended at `at` or later."""
    low, high = 0, size
    while high - low > 1 << 16:
        middle = (low + high) // 2
        found = _time_at(file, middle, high)
        if found is None or found >= at:
            high = middle
        else:
            low = middle
    file.seek(low)
    if low:
        file.readline(LINE_BYTES)  # the rest of a line
    return int(file.tell())


def _time_at(file: Any, place: int, end: int) -> float | None:
    """Return when the first line ended that begins after a place and before `end`; None: there is none."""
    file.seek(place)
    if place:
        file.readline(LINE_BYTES)
    while file.tell() < end:
        line = file.readline(LINE_BYTES)
        if not line:
            return None
        if (at := _time(line)) is not None:
            return at
    return None


class _Timed(msgspec.Struct):
    timestamp: str = ""
    latency_ms: float | None = None


def _time(line: bytes) -> float | None:
    """Return when what a line tells of ended, in Unix seconds; None: it is damaged."""
    try:
        read = msgspec.json.decode(line, type=_Timed)
        began = datetime.fromisoformat(read.timestamp).timestamp()
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError):
        return None
    return began + (read.latency_ms or 0.0) / 1000


class _Line(msgspec.Struct):
    prompt_id: str | None = None
    rating: int | None = None
    prompt: str | None = None
    response: str | None = None


def _words(line: bytes, exchange_id: str) -> Spoken | None:
    """Return a line's words if it is the exchange's own, and no rating of it."""
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if read.prompt_id != exchange_id or read.rating is not None:
        return None
    return Spoken(read.prompt, read.response)
