"""How operations fail, told by those who tell it."""

from __future__ import annotations

import pytest

from dragoman.dialects import Dialect, Surface
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.surfaces import SURFACES
from dragoman.server.openapi.faults import MEANINGS, SHAPES, example, sample, shapes
from dragoman.server.openapi.schemas import reference

DOORS: list[Dialect | Surface] = [*DIALECTS.values(), *SURFACES]
WRITERS = {door.name: door.write_failure for door in DOORS}


def test_everybody_who_fails_has_a_shape() -> None:
    """A new dialect or surface says how it fails; a strange one's errors are any object."""
    assert WRITERS.keys() - SHAPES.keys() == set()
    assert reference(shapes("acme", 400)) == {"type": "object"}


@pytest.mark.parametrize("status", sorted(MEANINGS))
def test_a_sample_has_the_status_it_is_shown_for(status: int) -> None:
    """What is shown as a 404 would be one."""
    dialect = "anthropic" if status == 529 else "openai_chat"
    assert WRITERS[dialect](sample(status)).status == status


@pytest.mark.parametrize("words", sorted(SHAPES))
def test_an_example_is_written_by_who_would_tell_it(words: str) -> None:
    """The words are a real refusal's; only what is not ready says something else."""
    told = example(words, 401, WRITERS)
    if words == "not ready":
        assert told == {"status": "not ready", "missing": ["the gateway is starting"]}
    else:
        writer = WRITERS.get(words, WRITERS["openai_chat"])
        assert told == writer(sample(401)).body


def test_the_stream_surface_says_message_to_a_stranger() -> None:
    """Its one odd shape is documented where it is told."""
    [kind] = shapes("stream", 401)
    assert kind.__struct_fields__ == ("message",)
    [kind] = shapes("stream", 400)
    assert kind.__struct_fields__ == ("error",)
