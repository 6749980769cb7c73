"""What the surfaces' requests have in common: one user's turn, fields from query or body, misspelt names.

A field that a surface does not know is ignored, and declared lost as in any crossing: it stays in the
extras, tagged with the surface. One that is nearly the name of a field the client did *not* give is a slip
that would silently change the answer, and is refused with the name that was meant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from itertools import islice
from types import MappingProxyType

from dragoman.core.failure import invalid
from dragoman.core.request import Message, Text
from dragoman.dialects import Call
from dragoman.dialects.fields import Fields

FLAGS: Mapping[str, bool] = MappingProxyType(
    {
        **dict.fromkeys(("true", "1", "yes", "on", "t", "y"), True),
        **dict.fromkeys(("false", "0", "no", "off", "f", "n"), False),
    }
)
"""How a query says yes and no; the words FastAPI takes."""

MOST_NAMES, LONGEST_NAME = 32, 32
"""Unknown fields that are compared with the known ones, and their letters: comparing is slow."""

ALIKE = 0.85
"""How much of two names must be the same for one to be a slip of the other."""


def words(fields: Fields, name: str) -> str:
    """Take a text that must be there and say something."""
    text = fields.need_text(name)
    if not text.strip():
        raise invalid(f"{name} must not be empty", fields.path(name))
    return text


def turn(text: str) -> Message:
    """Return what a user says."""
    return Message("user", (Text(text),))


def either_text(call: Call, fields: Fields, name: str) -> str | None:
    """Take a text that the query or the body may give; if both do, they must agree."""
    given, said = call.query.get(name), fields.text(name)
    _agree(name, given, said)
    return said if given is None else given


def either_flag(call: Call, fields: Fields, name: str) -> bool:
    """Take a flag that the query or the body may give; false where neither does."""
    given, said = call.query.get(name), fields.flag(name)
    if given is None:
        return said is True
    flag = FLAGS.get(given.strip().lower())
    if flag is None:
        raise invalid(f"{name} must be true or false", name)
    _agree(name, flag, said)
    return flag


def refuse_misspelt(fields: Fields, known: Collection[str], *, elsewhere: Collection[str] = ()) -> None:
    """Refuse a field that is nearly one of the `known` ones, where that is not given, here or `elsewhere`."""
    given = {name for name, value in fields.rest.items() if value is not None}
    missing = [name for name in known if name not in given and name not in elsewhere]
    unknown = (name for name in fields.rest if name in given and name not in known)
    for name in islice(unknown, MOST_NAMES):
        if len(name) <= LONGEST_NAME and (close := get_close_matches(name.lower(), missing, 1, ALIKE)):
            raise invalid(f"unknown field; did you mean {close[0]}?", fields.path(name))


def _agree(name: str, given: object, said: object) -> None:
    if given is not None and said is not None and given != said:
        raise invalid(f"the query and the body differ in {name}; give it once", name)
