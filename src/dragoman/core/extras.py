"""What a codec read but the core does not model: it goes home, and nowhere else.

``rest`` holds the wire fields nobody consumed, verbatim. ``quiet`` holds those that say nothing to
anybody else (a server's echo of the request, the id of an item): they go home too, and leaving them
behind is no loss. ``form`` names which of several equal spellings the wire used ("content is a list",
"max_tokens, not max_completion_tokens"), so that ``write(read(x)) == x`` holds without the core knowing
about spelling.

A codec asks :func:`at_home` for its own extras and gets an empty value when they are foreign; it
asks :func:`foreign` for the names a crossing would lose, and declares them as :class:`Loss`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

Json = Any
"""A decoded JSON value. Typed ``Any`` because its shape is the wire's business."""


class Extras(msgspec.Struct, frozen=True, omit_defaults=True):
    """Unmodelled fields of one value, tagged with the dialect that read them."""

    dialect: str
    rest: dict[str, Json] = {}
    form: tuple[str, ...] = ()
    quiet: dict[str, Json] = {}

    def __bool__(self) -> bool:
        return bool(self.rest or self.form or self.quiet)


class Loss(msgspec.Struct, frozen=True):
    """One thing a crossing could not carry exactly.

    ``at`` is the path of the field as the *core* names it (``seed``, ``messages[2].parts[0]``,
    ``answer.citations``); ``why`` is one short clause for people and is never sent in a header.
    """

    how: Literal["dropped", "approximated", "clamped", "emulated"]
    at: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.how}:{self.at}"


def extras(
    dialect: str, rest: dict[str, Json], form: Iterable[str] = (), quiet: dict[str, Json] | None = None
) -> Extras | None:
    """Return an :class:`Extras`, or None when there is nothing to keep."""
    kept = Extras(dialect, rest, tuple(form), quiet or {})
    return kept or None


def at_home(value: Extras | None, dialect: str) -> Extras:
    """Return `value` if `dialect` made it, else an empty one."""
    return value if value is not None and value.dialect == dialect else Extras(dialect)


def foreign(value: Extras | None, dialect: str, at: str) -> Iterator[Loss]:
    """Yield one loss for each field another dialect read and `dialect` cannot write.

    Nulls, empty containers and containers of such say nothing: leaving them out loses nothing.
    """
    if value is None or value.dialect == dialect:
        return
    for name, field in value.rest.items():
        if _says_nothing(field):
            continue
        yield Loss("dropped", f"{at}.{name}" if at else name, f"only {value.dialect} has it")


def _says_nothing(field: Json) -> bool:
    if isinstance(field, dict):
        return all(map(_says_nothing, field.values()))
    return field is None or field == []
