"""The validator against jsonschema, which has nothing in common with it."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.simulator.validity import Unsatisfiable, conforms, same, target

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([0.5, 1.0, 2.5])
    | st.sampled_from(["", "a", "ab", "abc"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)

SCHEMAS: tuple[Any, ...] = (
    True,
    False,
    {"type": "integer"},
    {"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 3},
    {"type": "number", "multipleOf": 0.5, "exclusiveMinimum": -1, "maximum": 2.5},
    {"minLength": 1, "maxLength": 2},
    {"pattern": "^a"},
    {"enum": [1, True, "a", None, [1]]},
    {"const": {"a": 1}},
    {"properties": {"a": {"type": "integer"}, "b": True}, "required": ["a"], "additionalProperties": False},
    {"patternProperties": {"^a": {"type": "string"}}, "additionalProperties": {"type": "integer"}},
    {"minProperties": 1, "maxProperties": 2, "propertyNames": {"enum": ["a", "b"]}},
    {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"b": {"required": ["c"]}}},
    {"items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": True},
    {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    {"contains": {"type": "integer"}, "minContains": 1, "maxContains": 2},
    {"allOf": [{"type": "integer"}, {"minimum": 2}]},
    {"anyOf": [{"type": "string"}, {"type": "array"}]},
    {"oneOf": [{"type": "integer"}, {"minimum": 2}]},
    {"not": {"type": "object"}},
    {"if": {"type": "integer"}, "then": {"minimum": 2}, "else": {"type": "string"}},
    {"$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "$ref": "#/$defs/tree"},
)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: str(schema)[:40])
@given(value=VALUES)
def test_it_agrees_with_jsonschema(schema: Any, value: Any) -> None:
    """Whatever jsonschema accepts is accepted, and nothing else."""
    assert conforms(schema, value, schema) == jsonschema.Draft202012Validator(schema).is_valid(value)


def test_equality_is_that_of_json() -> None:
    """1 is 1.0, and neither is true; members are compared like this, too."""
    assert same(1, 1.0)
    assert not same(1, True)
    assert same({"a": [1]}, {"a": [1.0]})
    assert not same([0], [False])


def test_a_pointer_is_followed_as_escaped() -> None:
    """``~1`` is a slash and ``~0`` a tilde; array steps are numbers."""
    root = {"a/b": [{"c~d": "found"}]}
    assert target(root, "#/a~1b/0/c~0d") == "found"
    assert target(root, "#") is root


@pytest.mark.parametrize("pointer", ["#/nowhere", "#/list/7", "other.json#/a", "#anchor"])
def test_a_reference_that_leads_nowhere_is_said(pointer: str) -> None:
    """A schema that cannot be read is refused, not taken for true."""
    with pytest.raises(Unsatisfiable):
        conforms({"$ref": pointer}, 1, {"list": []})


def test_endless_references_end() -> None:
    """A reference to itself is an error and not a hang."""
    schema = {"$ref": "#"}
    with pytest.raises(Unsatisfiable, match="levels"):
        conforms(schema, 1, schema)
