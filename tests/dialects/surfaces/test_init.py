"""What every surface is."""

from __future__ import annotations

import pytest
from tests.dialects.surfaces.scene import ScriptedDesk, call

from dragoman.core.failure import Failure, Kind
from dragoman.dialects import Dialect, Surface
from dragoman.dialects.catalog import DIALECTS, Doors
from dragoman.dialects.surfaces import SURFACES

NAMES = [surface.name for surface in SURFACES]


def test_each_path_is_answered_once() -> None:
    """No two surfaces meet at a path, and all paths of the documents are there."""
    paths = [(endpoint.method, endpoint.path) for surface in SURFACES for endpoint in surface.endpoints]
    assert sorted(paths) == [
        ("POST", "/chat"),
        ("POST", "/chat/"),
        ("POST", "/stream"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/chat/stream"),
    ]


def test_a_surface_comes_before_the_dialect_of_its_path() -> None:
    """And leaves the dialect all its other paths."""
    doors: Doors[Dialect | Surface] = Doors([*DIALECTS.values(), *SURFACES])
    found = doors.find("POST", "/v1/chat/completions")
    assert found is not None
    assert found[0] is SURFACES[0]
    embeddings = doors.find("POST", "/v1/embeddings")
    assert embeddings is not None
    assert embeddings[0] is DIALECTS["openai_chat"]


@pytest.mark.parametrize("surface", SURFACES, ids=NAMES)
@pytest.mark.parametrize("kind", Kind)
def test_every_refusal_is_told_alike_before_and_in_an_exchange(surface: Surface, kind: Kind) -> None:
    """Whoever refuses, the client reads one shape and one status."""
    failure = Failure(kind, "no", retry_after_s=1, at="$.x")
    door = surface.door(call({}), ScriptedDesk())
    assert surface.write_failure(failure) == door.write_failure(failure)
    assert surface.write_failure(failure).status == failure.http_status
