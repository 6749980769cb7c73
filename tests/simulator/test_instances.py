"""Every instance drawn is one jsonschema accepts, formats included."""

from __future__ import annotations

from random import Random
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.simulator.instances import FORMATS, instance
from dragoman.simulator.validity import Unsatisfiable

TREE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#"}, "minItems": 0},
        "parent": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["name", "children", "parent"],
    "additionalProperties": False,
}

SHAPE = {
    "$defs": {
        "circle": {
            "type": "object",
            "properties": {"kind": {"const": "circle"}, "radius": {"type": "number", "exclusiveMinimum": 0}},
            "required": ["kind", "radius"],
            "additionalProperties": False,
        },
        "square": {
            "type": "object",
            "properties": {
                "kind": {"const": "square"},
                "side": {"type": "integer", "minimum": 1, "maximum": 9},
            },
            "required": ["kind", "side"],
            "additionalProperties": False,
        },
    },
    "type": "object",
    "properties": {
        "shapes": {
            "type": "array",
            "minItems": 2,
            "items": {"oneOf": [{"$ref": "#/$defs/circle"}, {"$ref": "#/$defs/square"}]},
        }
    },
    "required": ["shapes"],
}

KNOWN: tuple[Any, ...] = (
    {},
    True,
    TREE,
    SHAPE,
    {"type": ["string", "null"], "minLength": 3},
    {"type": "string", "minLength": 40, "maxLength": 41},
    {"type": "string", "maxLength": 1},
    {"type": "string", "pattern": "^[A-Z]\\d$"},
    {"type": "string", "pattern": "^[a-f0-9]{32}$"},
    {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    {"type": "integer", "minimum": 10, "multipleOf": 7},
    {"type": "integer", "maximum": -3},
    {"type": "number", "multipleOf": 0.01},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "number", "minimum": 5, "maximum": 5},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3},
    {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer"}],
        "items": False,
        "minItems": 2,
    },
    {"type": "array", "contains": {"const": 7}, "items": {"type": "integer"}},
    {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
    {"type": "object", "required": ["x", "y"]},
    {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "dependentRequired": {"a": ["b"]},
        "required": ["a"],
    },
    {"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "integer"}}}]},
    {"allOf": [{"type": "number", "minimum": 3}, {"type": "integer", "maximum": 4}]},
    {"allOf": [{"enum": [1, 2, 3]}, {"enum": [3, 4]}]},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]},
    {"type": "integer", "not": {"multipleOf": 2}},
    {
        "type": "object",
        "properties": {"a": {"type": "boolean"}},
        "required": ["a"],
        "if": {"properties": {"a": {"const": True}}},
        "then": {"required": ["b"]},
        "else": {"required": ["c"]},
    },
    {"properties": {"n": {"type": "integer"}}},
    {"$ref": "#/definitions/n", "definitions": {"n": {"type": "integer", "minimum": 2}}},
    {
        "type": "object",
        "properties": {"p": {"allOf": [{"$ref": "#/$defs/q"}], "description": "as pydantic writes it"}},
        "required": ["p"],
        "$defs": {"q": {"type": "string", "enum": ["red", "green"]}},
    },
)


def check(schema: Any, value: Any) -> None:
    """Fail unless `value` is an instance of `schema`."""
    validator = jsonschema.Draft202012Validator
    validator(schema, format_checker=validator.FORMAT_CHECKER).validate(value)


@pytest.mark.parametrize("schema", KNOWN, ids=lambda schema: str(schema)[:50])
def test_what_is_drawn_is_an_instance(schema: Any) -> None:
    """Schemas of every kind a tool has are met, whatever the seed."""
    for seed in range(30):
        check(schema, instance(schema, Random(seed)))


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_met(name: str) -> None:
    """A string with a format has it, as far as the checker knows the format."""
    schema = {"type": "string", "format": name}
    for seed in range(30):
        check(schema, instance(schema, Random(seed)))


def scalars() -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of values without members."""
    strings: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={"minLength": st.integers(0, 9), "maxLength": st.integers(9, 30)},
    )
    numbers: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": st.integers(-50, 0),
            "maximum": st.integers(10, 90),
            "exclusiveMinimum": st.integers(-50, 0),
            "exclusiveMaximum": st.integers(10, 90),
            "multipleOf": st.sampled_from([1, 2, 5, 0.5]),
        },
    )
    plain: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"const": [1, {"a": None}]}, {"enum": ["x", 2, None]}]
    )
    return strings | numbers | plain


def nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas with members, and choices."""
    objects = st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.fixed_dictionaries({"a": inner}, optional={"b": inner, "c": inner}),
        },
        optional={
            "required": st.sampled_from([["a"], ["a", "z"]]),
            "minProperties": st.integers(0, 2),
            "additionalProperties": inner,
        },
    )
    arrays = st.fixed_dictionaries(
        {"type": st.just("array"), "items": inner},
        optional={"minItems": st.integers(0, 3), "maxItems": st.integers(3, 5)},
    )
    choices = st.builds(lambda one, two: {"anyOf": [one, two]}, inner, inner)
    return objects | arrays | choices | st.builds(lambda part: {"allOf": [part], "description": "d"}, inner)


@settings(max_examples=150)
@given(schema=st.recursive(scalars(), nested, max_leaves=8), seed=st.integers(0, 2**32))
def test_any_satisfiable_schema_has_an_instance(schema: dict[str, Any], seed: int) -> None:
    """Schemas put together at random are met: nothing drawn is invalid, and nothing is given up."""
    check(schema, instance(schema, Random(seed)))


@given(seed=st.integers())
def test_the_same_seed_draws_the_same(seed: int) -> None:
    """An instance depends on the schema and the seed alone."""
    assert instance(SHAPE, Random(seed)) == instance(SHAPE, Random(seed))


def test_seeds_differ() -> None:
    """Instances are not one constant."""
    assert len({str(instance(TREE, Random(seed))) for seed in range(50)}) > 5


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"enum": []},
        {"allOf": [{"const": 1}, {"const": 2}]},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"type": "string", "pattern": "^(?=.*a)(?=.*b).{50}$"},
        {"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True},
        {"properties": 3, "type": "object"},
        {"type": "string", "pattern": "("},
        "no schema",
    ],
    ids=str,
)
def test_what_has_no_instance_is_refused(schema: Any) -> None:
    """A schema nothing was found for raises; no value is made up, and no search runs forever."""
    with pytest.raises(Unsatisfiable):
        instance(schema, Random(1))
