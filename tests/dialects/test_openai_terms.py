"""What OpenAI's two protocols say in the same words."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.border import Crossing
from dragoman.dialects.fields import Fields
from dragoman.dialects.openai_terms import effort_of, is_closed, read_breakpoint, strictly, write_breakpoint


@pytest.mark.parametrize(
    ("budget", "effort"),
    [(0, "none"), (1024, "minimal"), (1025, "low"), (8192, "medium"), (24576, "high"), (49153, "max")],
)
def test_budget_stands_for_an_effort(budget: int, effort: str) -> None:
    """Each budget has the effort whose bound it does not exceed."""
    assert effort_of(budget) == effort


@pytest.mark.parametrize("ttl", [0, 1800, 43200])
def test_breakpoint_is_read_as_it_is_written(ttl: int) -> None:
    """Every lifetime there is survives, and nothing is lost."""
    out = Crossing("here")
    fields = Fields(write_breakpoint(ttl, "p", out))
    assert read_breakpoint(fields) == ttl
    assert not fields.rest
    assert not out.losses


@pytest.mark.parametrize(("ttl", "word"), [(300, "30m"), (3600, "30m"), (50000, "12h")])
def test_other_lifetimes_are_approximated(ttl: int, word: str) -> None:
    """A lifetime that does not exist becomes the longest that is not above it, or the shortest."""
    out = Crossing("here")
    assert write_breakpoint(ttl, "p", out) == {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": word}}
    assert [str(loss) for loss in out.losses] == ["approximated:p.cache_ttl_s"]


@pytest.mark.parametrize("mark", [None, {"mode": "implicit"}, {"mode": "explicit", "ttl": "1h"}, "now"])
def test_odd_breakpoint_stays(mark: Any) -> None:
    """A breakpoint that is not modelled is left in the rest."""
    fields = Fields({"prompt_cache_breakpoint": mark})
    assert read_breakpoint(fields) is None
    assert fields.rest == {"prompt_cache_breakpoint": mark}
    assert write_breakpoint(None, "p", Crossing("here")) == {}


CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "integer"}}},
    "required": ["a", "b"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (CLOSED, True),
        ({**CLOSED, "required": ["a"]}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({"anyOf": [CLOSED, {"type": "object"}]}, False),
        ({"enum": [{"type": "object"}]}, True),
        (True, True),
        (
            {"type": "object", "additionalProperties": False, "properties": {"a": {}}, "required": [["a"]]},
            False,
        ),
        ({"type": "object", "additionalProperties": False, "properties": {"a": {}}, "required": "a"}, False),
        ({"type": "object", "additionalProperties": False, "properties": ["a"]}, False),
    ],
)
def test_schema_is_closed_if_every_object_is(schema: Any, *, closed: bool) -> None:
    """Strictness needs every object closed and every property required, at any depth."""
    out = Crossing("here")
    assert is_closed(schema) is closed
    assert strictly(schema, "t", out, strict=True) is closed
    assert [str(loss) for loss in out.losses] == ([] if closed else ["approximated:t.strict"])
    assert strictly(schema, "t", Crossing("here"), strict=False) is False
    assert strictly(schema, "t", Crossing("here"), strict=None) is None
