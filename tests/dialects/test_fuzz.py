"""Every reader of the wire on nonsense, a little of it and always the same; `make fuzz` goes on longer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dialects.fuzz import Vocabulary, mutate, nodes, targets, wire

from dragoman.core.failure import Failure
from dragoman.dialects.fields import parse

TARGETS = targets(recorded=False)
EXAMPLES = 60


@pytest.mark.parametrize("name", TARGETS)
def test_nonsense_is_a_failure_or_read(name: str) -> None:
    """A reader raises Failure or nothing, and what it accepted can be written everywhere."""

    @settings(max_examples=EXAMPLES, derandomize=True, database=None)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        TARGETS[name](data.draw)

    run()


def test_every_reader_is_a_target() -> None:
    """Requests, answers, failures, streams and bytes of every dialect, and its other tasks."""
    kinds = {"any_request", "request", "answer", "any_answer", "failure", "stream", "data", "task"}
    dialects = {"openai_chat", "openai_responses", "anthropic", "gemini", "cohere", "ollama"}
    assert set(TARGETS) == {f"{dialect}.{kind}" for dialect in dialects for kind in kinds}


def test_a_mutation_changes_the_copy_only() -> None:
    """The corpus stays as it is, and what was made of it is not."""
    body = {"a": [1, {"b": "c"}], "d": None}
    seen = set()

    @settings(max_examples=100, derandomize=True, database=None)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        seen.add(wire(mutate(data.draw, body, Vocabulary([body]))))

    run()
    assert body == {"a": [1, {"b": "c"}], "d": None}
    assert len(seen) > 10
    assert len([*nodes(body)]) == 6


def test_a_lone_surrogate_stops_at_the_border() -> None:
    """Nothing behind the border has to fear text that is no text."""
    with pytest.raises(Failure):
        parse(wire({"model": "\ud800"}))
