"""JSON Schemas of the structs: their docstrings become descriptions, the fields' too.

Every object is open to further fields, because the protocols are: what the gateway does not know passes on.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dragoman.core.extras import Json

REF = "#/components/schemas/{name}"


def components(types: Iterable[Any]) -> dict[str, Json]:
    """Return the schema of each struct that `types` are made of, by its name."""
    found = msgspec.json.schema_components(list(types), ref_template=REF)[1]
    return {name: described(schema) for name, schema in sorted(found.items())}


def reference(types: Iterable[Any]) -> dict[str, Json]:
    """Return the schema of what is any of `types`, which points to their components."""
    schemas = msgspec.json.schema_components(list(types), ref_template=REF)[0]
    told = [_text() if schema == {"type": "string"} else schema for schema in schemas]
    return told[0] if len(told) == 1 else {"anyOf": [*told]}


def described(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return a struct's schema with what its docstring says, each at its place."""
    text = inspect.cleandoc(str(schema.get("description", "")))
    summary, _, listed = text.partition("Attributes:\n")
    of = {
        name: re.sub(r"\s+", " ", words)
        for name, words in re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", listed, re.MULTILINE)
    }
    properties = schema.get("properties", {})
    assert isinstance(properties, dict)
    fields = {
        name: {**field, "description": of[name]} if name in of and isinstance(field, dict) else field
        for name, field in properties.items()
    }
    return {**schema, "description": " ".join(summary.split()), "properties": fields}


def _text() -> dict[str, Json]:
    return {"type": "string"}
