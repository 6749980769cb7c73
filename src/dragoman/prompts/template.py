"""A template: a text with places in it, and what goes there. No expressions, no code, no attribute access.

A place is ``{{name}}``, white space inside the braces allowed, or the older spelling ``{prompt}`` of that one
name. Whatever else has braces is text. The text is read once, from left to right: a value is put in as it is
and never looked at again, so braces in it are words like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from dragoman.core.failure import Failure, Kind, Source, invalid

PLACE = re.compile(r"\{\{\s*(\w[\w-]*)\s*\}\}|\{(prompt)\}")

MOST_FILLED = 8 * 1024 * 1024
"""Characters a filled template may have: a long value in many places is a long text."""


class Template(msgspec.Struct, frozen=True):
    """A template, as clients are shown it.

    Attributes:
        id: What clients name it by.
        title: What people read.
        prompt: The text with its places.
        tags: Words to find it by.
        category: Where it is shown.
        variables: The names to give: as declared, then those only the text has, in its order.
    """

    id: str
    title: str
    prompt: str
    tags: tuple[str, ...] = ()
    category: str = ""
    variables: tuple[str, ...] = ()


def places(text: str) -> tuple[str, ...]:
    """Return the names in a template's text, each once, in order of appearance."""
    return tuple(dict.fromkeys(map(_name, PLACE.finditer(text))))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with each place taken by its value; values without a place are ignored.

    Raises:
        Failure: INVALID, naming every variable that is missing; TOO_LARGE.
    """
    names = [_name(place) for place in PLACE.finditer(text)]
    missing = [name for name in dict.fromkeys(names) if name not in values]
    if missing:
        listed = ", ".join(missing)
        raise invalid(
            f"the template also needs: {listed}", "$.template_vars", code="missing_template_variables"
        )
    if len(text) + sum(len(values[name]) for name in names) > MOST_FILLED:
        raise Failure(
            Kind.TOO_LARGE,
            f"the filled template has more than {MOST_FILLED} characters",
            source=Source.CLIENT,
            at="$.template_vars",
        )
    return PLACE.sub(lambda place: values[_name(place)], text)


def _name(place: re.Match[str]) -> str:
    return place[1] or place[2]
