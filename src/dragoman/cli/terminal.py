"""The terminal: what commands say, and how.

Colour is used only where a person looks on: the stream is a terminal and ``NO_COLOR`` is not set
(https://no-color.org, read 2026-11-21). Secrets are shown as :func:`masked` says, or not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, TextIO
from unicodedata import category, east_asian_width

Style = Literal["good", "bad", "warn", "dim", "bold"]

_CODES: dict[Style, str] = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "bold": "1"}


class Trouble(Exception):
    """What a person can mend; `code` is the exit code."""

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(text: str = "") -> None:
    """Write a line of the result to stdout."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Write a line about the result to stderr, after what was said before it."""
    with suppress(BrokenPipeError):  # who read the result has left; who reads this may not have
        sys.stdout.flush()
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def paint(text: str, style: Style, stream: TextIO) -> str:
    """Return `text` in a style, if `stream` shows it."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{_CODES[style]}m{text}\033[0m"


def shows(letters: str, stream: TextIO) -> bool:
    """Say whether a stream can write these letters: a terminal that is not UTF-8 may have none of them."""
    try:
        letters.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def masked(secret: str) -> str:
    """Return a secret as it may be shown: its last four characters, or none of a short one's."""
    return f"...{secret[-4:]}" if len(secret) >= 16 else "..."


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under a head, in columns as wide as they need; no colour, so that it can be cut."""
    cells = [[plain(cell) for cell in row] for row in (head, *rows)]
    widths = [max(breadth(row[column]) for row in cells) for column in range(len(head))]
    lines = (
        "  ".join(cell + " " * (width - breadth(cell)) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def plain(cell: str) -> str:
    """Return a cell that stays one: names are as clients wrote them, and a terminal obeys what it is sent."""
    return "".join(letter if letter.isprintable() else "?" for letter in cell)


def breadth(text: str) -> int:
    """Return how many columns of a terminal a text takes: a letter may take two, or none."""
    if text.isascii():
        return len(text)
    return sum(0 if category(one) in ("Mn", "Me") else 1 + (east_asian_width(one) in "WF") for one in text)


def moves(stream: TextIO) -> bool:
    """Say whether a stream is a terminal that lets its cursor be moved."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
