"""Structs as JSON Schemas: words at their places, and open."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct

from dragoman.server.openapi.document import MODULES
from dragoman.server.openapi.operation import Maybe
from dragoman.server.openapi.schemas import components, reference


class Inner(Struct):
    """Something inside."""

    x: int


class Outer(Struct):
    """Something outside.

    Over two
    lines.

    Attributes:
        inner: What is inside, said at
            some length.
        more: What may be there.
    """

    inner: Inner
    plain: str
    more: Maybe[int | None] = UNSET


def test_words_stand_where_they_belong() -> None:
    """A struct's first paragraph describes it, each line under Attributes its field."""
    found = components([Outer])
    assert set(found) == {"Inner", "Outer"}
    outer = found["Outer"]
    assert isinstance(outer, dict)
    assert outer["description"] == "Something outside. Over two lines."
    assert outer["properties"]["inner"]["description"] == "What is inside, said at some length."
    assert outer["properties"]["inner"]["$ref"] == "#/components/schemas/Inner"
    assert "description" not in outer["properties"]["plain"]
    assert outer["required"] == ["inner", "plain"]


def test_any_of_several_is_told_as_such() -> None:
    """One type is itself, several are any of them, and a list is a list."""
    one = {"$ref": "#/components/schemas/Inner"}
    assert reference((Inner,)) == one
    assert reference((Inner, str)) == {"anyOf": [one, {"type": "string"}]}
    assert reference((list[Inner],)) == {"type": "array", "items": one}


def test_no_two_structs_have_one_name() -> None:
    """A name in the document means one thing, and every struct of the package is in the document."""
    found: dict[str, Any] = {}
    for module in MODULES:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Struct) and value.__module__ == module.__name__:
                assert value.__name__ not in found, value
                found[value.__name__] = value
    used = [kind for module in MODULES for one in module.OPERATIONS.values() for kind in one.asks + one.tells]
    used += [kind for module in MODULES for one in module.OPERATIONS.values() for kind in one.event]
    shown = set(components({*used}))
    errors = {name for name in found if name.endswith(("Error", "Fault", "Refused", "NotReady"))}
    assert found.keys() - shown - errors == set()
    assert msgspec.json.encode(components(list(found.values())))
