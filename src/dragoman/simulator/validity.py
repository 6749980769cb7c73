"""Does a JSON value conform to a JSON Schema: the part of the language that tool schemas use.

Written to choose between candidate instances (``oneOf``, ``not``, ``if``, ``uniqueItems``, ``pattern``), so
it covers what decides: the assertions of 2020-12 minus ``unevaluated*`` and the ``$dynamic*`` words, which
count as true. ``format`` is an annotation. Only references inside the same document are followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dragoman.core.extras import Json

MAX_DEPTH = 64
"""Levels of schema and references that are followed."""


class Unsatisfiable(ValueError):
    """No value was found that a schema allows."""


def is_type(value: Json, name: str) -> bool:
    """Say whether `value` is of a JSON Schema type; 3.0 is an integer."""
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case _:
            return False


def same(one: Json, other: Json) -> bool:
    """Say whether two values are equal in JSON: 1 is 1.0 and not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def target(root: Json, pointer: str) -> Json:
    """Return what a ``$ref`` points to.

    Raises:
        Unsatisfiable: It points outside the document, or nowhere.
    """
    if pointer != "#" and not pointer.startswith("#/"):
        raise Unsatisfiable(f"the reference {pointer} leads out of the schema")
    found = root
    for raw in pointer.split("/")[1:]:
        step = raw.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(step)] if isinstance(found, list) else found[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise Unsatisfiable(f"the reference {pointer} leads nowhere") from None
    return found


def conforms(schema: Json, value: Json, root: Json, depth: int = 0) -> bool:
    """Say whether `value` is an instance of `schema`, a part of the document `root`.

    Raises:
        Unsatisfiable: A reference leads nowhere, or references never end.
    """
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict):
        raise Unsatisfiable("a schema is neither an object nor a truth value")
    if depth > MAX_DEPTH:
        raise Unsatisfiable(f"the schema nests deeper than {MAX_DEPTH} levels")
    return (
        _plain(schema, value)
        and _shape(schema, value, root, depth + 1)
        and _logic(schema, value, root, depth + 1)
    )


def _plain(schema: dict[str, Json], value: Json) -> bool:
    """Check what needs no subschema."""
    types = schema.get("type")
    if types is not None and not any(
        is_type(value, name) for name in ([types] if isinstance(types, str) else types)
    ):
        return False
    if "const" in schema and not same(schema["const"], value):
        return False
    if "enum" in schema and not any(same(option, value) for option in schema["enum"]):
        return False
    if isinstance(value, str):
        pattern = schema.get("pattern")
        return _within(schema, "Length", len(value)) and (
            pattern is None or re.search(pattern, value) is not None
        )
    if is_type(value, "number"):
        return _number(schema, value)
    return True


def _number(schema: dict[str, Json], value: float) -> bool:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    step = schema.get("multipleOf")
    return (
        (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
        and (below is None or value < below)
        and (step is None or ((value / step).is_integer() if isinstance(step, float) else value % step == 0))
    )


def _within(schema: dict[str, Json], what: str, size: int) -> bool:
    most = schema.get(f"max{what}")
    return bool(schema.get(f"min{what}", 0) <= size and (most is None or size <= most))


def _shape(schema: dict[str, Json], value: Json, root: Json, depth: int) -> bool:
    """Check the members of an object or array."""
    if isinstance(value, dict):
        return _object(schema, value, root, depth)
    if isinstance(value, list):
        return _array(schema, value, root, depth)
    return True


def _object(schema: dict[str, Json], value: dict[str, Json], root: Json, depth: int) -> bool:
    if not _within(schema, "Properties", len(value)) or not value.keys() >= set(schema.get("required", ())):
        return False
    for name, needs in schema.get("dependentRequired", {}).items():
        if name in value and not value.keys() >= set(needs):
            return False
    for name, extra in schema.get("dependentSchemas", {}).items():
        if name in value and not conforms(extra, value, root, depth):
            return False
    names = schema.get("propertyNames", True)
    return all(
        conforms(part, member, root, depth)
        for name, member in value.items()
        for part in _members(schema, name)
    ) and all(conforms(names, name, root, depth) for name in value)


def _members(schema: dict[str, Json], name: str) -> Iterator[Json]:
    """Yield every schema that the property `name` must meet."""
    properties = schema.get("properties", {})
    patterns = [
        part for pattern, part in schema.get("patternProperties", {}).items() if re.search(pattern, name)
    ]
    if name in properties:
        yield properties[name]
    yield from patterns
    if name not in properties and not patterns:
        yield schema.get("additionalProperties", True)


def _array(schema: dict[str, Json], value: list[Json], root: Json, depth: int) -> bool:
    if not _within(schema, "Items", len(value)):
        return False
    if schema.get("uniqueItems") and any(
        same(one, other) for index, one in enumerate(value) for other in value[:index]
    ):
        return False
    first, rest = tuple_items(schema)
    if not all(
        conforms(first[index] if index < len(first) else rest, member, root, depth)
        for index, member in enumerate(value)
    ):
        return False
    if "contains" not in schema:
        return True
    found = sum(conforms(schema["contains"], member, root, depth) for member in value)
    most = schema.get("maxContains")
    return bool(found >= schema.get("minContains", 1) and (most is None or found <= most))


def tuple_items(schema: dict[str, Json]) -> tuple[list[Json], Json]:
    """Return the schemas of an array's first items, and that of the rest; drafts before 2020 too."""
    items = schema.get("items", True)
    if isinstance(items, list):
        return items, schema.get("additionalItems", True)
    return schema.get("prefixItems", []), items


def _logic(schema: dict[str, Json], value: Json, root: Json, depth: int) -> bool:
    """Check references and the words that combine schemas."""

    def holds(part: Json) -> bool:
        return conforms(part, value, root, depth)

    if "$ref" in schema and not holds(target(root, schema["$ref"])):
        return False
    if "if" in schema and not holds(schema.get("then" if holds(schema["if"]) else "else", True)):
        return False
    return (
        all(holds(part) for part in schema.get("allOf", ()))
        and ("anyOf" not in schema or any(holds(part) for part in schema["anyOf"]))
        and ("oneOf" not in schema or sum(holds(part) for part in schema["oneOf"]) == 1)
        and ("not" not in schema or not holds(schema["not"]))
    )
