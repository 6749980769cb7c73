"""Whose request a ``POST /chat`` is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.dialects.surfaces.scene import ScriptedDesk, call

from dragoman.core.failure import Failure, Kind
from dragoman.dialects.surfaces import message
from dragoman.dialects.surfaces.chat import SURFACE
from dragoman.dialects.surfaces.prompt import FORMS, THEIRS


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"prompt": "x"}, "prompt"),
        ({"template_id": "friendly"}, "prompt"),
        ({"prompt": "x", "template": "kind"}, "prompt"),
        ({"prompt": "x", "message": None, "chat_model_name": None}, "prompt"),
        ({"message": "x", "chat_model_name": "openai"}, "message"),
        ({"message": "x"}, "message"),
        ({"chat_model_name": "openai"}, "message"),
        ({"message": "x", "chat_model_name": "openai", "prompt": None}, "message"),
    ],
)
def test_the_bodys_fields_say_it(body: dict[str, Any], name: str) -> None:
    """Whatever the path, and a null says nothing."""
    for endpoint in SURFACE.endpoints:
        assert SURFACE.door(call(body, endpoint.path), ScriptedDesk()).name == name


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"prompt": "x", "message": "y"}, {"template_id": "a", "message": "x"}]
)
def test_neither_and_both_are_refused_in_words_that_name_the_two(body: dict[str, Any]) -> None:
    """Nobody guesses."""
    assert THEIRS == message.OWN
    asked = call(body)
    with pytest.raises(Failure) as refused:
        SURFACE.door(asked, ScriptedDesk()).read_request(asked)
    assert (refused.value.kind, refused.value.message) == (Kind.INVALID, FORMS)


@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_what_is_no_object_is_refused(body: Any) -> None:
    """The door is there to say so."""
    asked = call(body)
    with pytest.raises(Failure, match="expected an object"):
        SURFACE.door(asked, ScriptedDesk()).read_request(asked)


def test_a_refusal_before_there_is_a_body_has_the_common_shape() -> None:
    """Nobody knows yet whose it would be."""
    reply = SURFACE.write_failure(Failure(Kind.UNAUTHENTICATED, "a key is required"))
    assert (reply.status, reply.body["detail"]) == (401, "a key is required")
