"""The prompt surface's codec."""

from __future__ import annotations

from typing import Any

import pytest
from tests.dialects.surfaces.scene import ScriptedDesk, answer, call, parts

from dragoman.core.events import fold
from dragoman.core.extras import Extras
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Message, Request, Sampling, Text, ToolCall, plain_text
from dragoman.core.usage import Usage
from dragoman.dialects.surfaces.prompt import FORMS, NAME, STREAMS, SURFACE, PromptDoor

HELLO = (Message("user", (Text("hello"),)),)
ASKED = Request(NAME, "llama", HELLO)


def door(**facts: Any) -> PromptDoor:
    """Return the door of a new exchange."""
    return PromptDoor(ScriptedDesk(**facts))


def read(body: Any, query: str = "model=llama") -> Request:
    """Return what is read of a body."""
    return door().read_request(call(body, f"/chat?{query}"))


def said(body: Any) -> str:
    """Return what the model is told, and nothing else."""
    [message] = read(body).messages
    assert message.role == "user"
    return plain_text(message.parts)


def refused(body: Any, query: str = "model=llama") -> Failure:
    """Return the refusal of a body."""
    with pytest.raises(Failure) as failure:
        read(body, query)
    return failure.value


def test_it_is_served_at_both_paths() -> None:
    """With and without the last slash, as both sources have it."""
    assert [endpoint.path for endpoint in SURFACE.endpoints] == ["/chat", "/chat/"]
    assert SURFACE.door(call({}), ScriptedDesk()).name == NAME
    assert SURFACE.write_failure(Failure(Kind.UNAUTHENTICATED, "who?")).status == 401


def test_a_prompt_is_a_users_turn() -> None:
    """The smallest request, with the model in the query."""
    assert read({"prompt": "hello"}) == ASKED


def test_all_optional_fields_are_read() -> None:
    """A system message leads; temperature and limit are set; the model may stand in the body."""
    body = {"prompt": "hello", "system": "Be brief.", "temperature": 0, "max_tokens": 9, "model": "llama"}
    assert read(body, "") == Request(
        NAME,
        "llama",
        (Message("system", (Text("Be brief."),)), *HELLO),
        sampling=Sampling(0),
        max_output=9,
    )


@pytest.mark.parametrize("field", ["system", "temperature", "max_tokens", "template_vars", "stream", "model"])
def test_a_null_is_as_good_as_nothing(field: str) -> None:
    """Clients that serialise their empty fields are served."""
    request = read({"prompt": "hello", field: None})
    assert (request.messages, request.sampling, request.max_output) == (HELLO, Sampling(), None)


def test_empty_words_say_nothing() -> None:
    """An empty system message is none; `stream: false` asks for what happens anyway."""
    assert read({"prompt": "hello", "system": "", "stream": False, "template_vars": {}}) == ASKED


def test_strangers_are_ignored_and_go_nowhere_silently() -> None:
    """They stay in the extras of this surface, so any crossing declares them lost."""
    assert read({"prompt": "hello", "user_id": 7}).extras == Extras(NAME, {"user_id": 7})


@pytest.mark.parametrize(
    ("query", "body", "refresh"),
    [
        ("model=llama", {}, False),
        ("model=llama&ignore_cache=true", {}, True),
        ("model=llama&ignore_cache=False", {}, False),
        ("model=llama", {"ignore_cache": True}, True),
    ],
)
def test_the_door_knows_whether_a_recording_will_do(query: str, body: Any, *, refresh: bool) -> None:
    """The line asks the door for it, once the request is read."""
    opened = door()
    assert (opened.recorded, opened.refresh) == (True, False)
    opened.read_request(call({"prompt": "hello", **body}, f"/chat?{query}"))
    assert opened.refresh is refresh


def test_a_template_is_filled_in() -> None:
    """Text goes in as it is, numbers and flags as JSON writes them, and what has no place is ignored."""
    assert said({"template_id": "friendly", "template_vars": {"audience": "kids", "topic": "g"}}) == (
        "Explain g to kids."
    )
    values = {"audience": 3, "topic": True, "extra": "x", "none": None}
    assert said({"template_id": "friendly", "template_vars": values}) == "Explain true to 3."
    assert said({"template_id": "friendly", "template_vars": {"audience": 0.5, "topic": "{{audience}}"}}) == (
        "Explain {{audience}} to 0.5."
    )
    assert said({"template_id": "plain"}) == "Hello."


@pytest.mark.parametrize("name", ["template", "template_id"])
def test_the_older_form_puts_the_prompt_into_the_template(name: str) -> None:
    """It is put in as it is, and a variable of the same name does not count."""
    assert said({"prompt": "why {prompt}?", name: "kind"}) == "Kindly: why {prompt}?"
    assert said({"prompt": "why?", name: "kind", "template_vars": {"prompt": "no"}}) == "Kindly: why?"


def test_a_template_without_a_place_for_the_prompt_is_refused() -> None:
    """The prompt would be lost, whether the template has other places or none."""
    for template, values in (("plain", {}), ("friendly", {"audience": "a", "topic": "b"})):
        failure = refused({"prompt": "why?", "template": template, "template_vars": values})
        assert (failure.kind, failure.at) == (Kind.INVALID, "$.prompt")


def test_every_missing_variable_is_named() -> None:
    """One answer is enough to mend the request; a null is missing, too."""
    failure = refused({"template_id": "friendly", "template_vars": {"audience": None}})
    assert (failure.kind, failure.at) == (Kind.INVALID, "$.template_vars")
    assert "topic, audience" in failure.message
    assert "topic, audience" in refused({"prompt": "x", "template": "friendly"}).message


@pytest.mark.parametrize("name", ["template", "template_id"])
@pytest.mark.parametrize("more", [{}, {"prompt": "x"}])
def test_an_unknown_template_is_a_404_at_the_field_that_named_it(name: str, more: dict[str, str]) -> None:
    """Whichever form it was."""
    failure = refused({name: "nobody", **more})
    assert (failure.kind, failure.at) == (Kind.NOT_FOUND, f"$.{name}")


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (None, "$"),
        ([], "$"),
        ("hello", "$"),
        ({"prompt": 7}, "$.prompt"),
        ({"prompt": ""}, "$.prompt"),
        ({"prompt": ["a"]}, "$.prompt"),
        ({"template_id": 7}, "$.template_id"),
        ({"template_id": ""}, "$.template_id"),
        ({"template_id": "a", "template": "b"}, "$.template"),
        ({"template_id": "friendly", "template_vars": []}, "$.template_vars"),
        ({"template_id": "friendly", "template_vars": {"topic": {}}}, "$.template_vars.topic"),
        ({"template_id": "friendly", "template_vars": {"topic": ["a"]}}, "$.template_vars.topic"),
        ({"prompt": "x", "template_vars": "a"}, "$.template_vars"),
        ({"prompt": "x", "template_vars": {"topic": "y"}}, "$.template_vars"),
        ({"prompt": "x", "system": 1}, "$.system"),
        ({"prompt": "x", "temperature": "hot"}, "$.temperature"),
        ({"prompt": "x", "temperature": 2.1}, "$.temperature"),
        ({"prompt": "x", "max_tokens": 0}, "$.max_tokens"),
        ({"prompt": "x", "max_tokens": 1.5}, "$.max_tokens"),
        ({"prompt": "x", "max_tokens": True}, "$.max_tokens"),
        ({"prompt": "x", "ignore_cache": "yes"}, "$.ignore_cache"),
        ({"prompt": "x", "stream": "no"}, "$.stream"),
        ({"prompt": "x", "model": 4}, "$.model"),
        ({"prompt": "x", "model": "other"}, "model"),
        ({"prompt": "x", "temprature": 1}, "$.temprature"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(body: Any, at: str) -> None:
    """A client's fault is a 400 that says where."""
    failure = refused(body)
    assert (failure.kind, failure.at) == (Kind.INVALID, at)


def test_a_query_that_says_nothing_clear_is_refused() -> None:
    """A flag that is none, and a model that is missing; the refusal says what to give."""
    assert refused({"prompt": "x"}, "model=llama&ignore_cache=maybe").at == "ignore_cache"
    for query in ("", "model="):
        failure = refused({"prompt": "x"}, query)
        assert (failure.at, "?model=NAME" in failure.message) == ("$.model", True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": [{"role": "user", "content": "x"}]},
        {"prompt": None},
        {"template_vars": {}},
        {"prompt": "x", "message": "y", "chat_model_name": "openai"},
        {"prompt": "x", "chat_model_name": "openai"},
    ],
)
def test_a_body_of_no_clear_form_is_told_both(body: Any) -> None:
    """Neither surface's fields, or both's."""
    failure = refused(body)
    assert (failure.message, failure.at) == (FORMS, "$")
    assert all(name in FORMS for name in ("prompt", "template_id", "message", "chat_model_name"))


def test_a_slip_in_the_only_field_is_told_as_one() -> None:
    """`promt` is told rather than that nothing was given."""
    assert "did you mean prompt" in refused({"promt": "x"}).message


def test_streams_are_elsewhere() -> None:
    """A client that asks for one is sent there."""
    failure = refused({"prompt": "x", "stream": True})
    assert (failure.kind, failure.message, failure.at) == (Kind.UNSUPPORTED, STREAMS, "$.stream")
    assert "/stream" in STREAMS
    with pytest.raises(Failure, match="to stream"):
        door().writer(ASKED)
    with pytest.raises(Failure, match="count"):
        door().write_counted(3)


def test_an_answer_tells_all_the_gateway_knows() -> None:
    """Every field, by its exact name and in the documented order."""
    reply = door().write_answer(fold(answer("Hel", "lo")), ASKED)
    assert (reply.status, reply.losses) == (200, ())
    wanted = {
        "prompt_id": "req_1",
        "model_used": "m-1",
        "response_text": "Hello",
        "latency_ms": 12.3,
        "token_count": 19,
        "from_cache": False,
        "fallback_used": False,
        "error_message": None,
        "provider": "groq",
        "usage": {"prompt_tokens": 13, "completion_tokens": 6, "total_tokens": 19},
        "cost_usd": 0.0015,
        "requested_model": "llama",
    }
    assert reply.body == wanted
    assert list(reply.body) == list(wanted)


def test_what_nobody_knows_is_null() -> None:
    """No usage, no price, no provider: null, and never zero."""
    reply = door(provider="", cost_micros=None).write_answer(fold(answer("Hi", usage=None)), ASKED)
    names = ("token_count", "usage", "cost_usd", "provider")
    assert [reply.body[name] for name in names] == [None] * 4


def test_what_the_gateway_counted_stands_in_for_what_nobody_told() -> None:
    """Only where the provider tells nothing."""
    counted = door(usage=Usage(input=1, output=2))
    assert counted.write_answer(fold(answer("Hi", usage=None)), ASKED).body["token_count"] == 3
    told = counted.write_answer(fold(answer("Hi")), ASKED)
    assert (told.body["token_count"], told.body["usage"]["total_tokens"]) == (19, 19)


def test_a_fallback_says_why() -> None:
    """The reason is told only where another model answers."""
    told = door(fallback=True, reason="groq has no key", cached=True).write_answer(fold(answer("Hi")), ASKED)
    assert (told.body["fallback_used"], told.body["error_message"]) == (True, "groq has no key")
    assert told.body["from_cache"] is True
    quiet = door(fallback=False, reason="a first try failed").write_answer(fold(answer("Hi")), ASKED)
    assert quiet.body["error_message"] is None


def test_what_the_answer_has_beside_text_is_declared() -> None:
    """A call has no place; an answer that was broken off is a failure."""
    reply = door().write_answer(parts(ToolCall("c", "f"), Text("Hi")), ASKED)
    assert (reply.body["response_text"], list(map(str, reply.losses))) == ("Hi", ["dropped:answer.parts[0]"])
    with pytest.raises(Failure, match="stopped with an error"):
        door().write_answer(parts(Text("Hi"), reason="error"), ASKED)


def test_a_failure_is_told_in_detail() -> None:
    """By the door as by the surface."""
    failure = Failure(Kind.OVERLOADED, "busy", retry_after_s=3)
    assert door().write_failure(failure) == SURFACE.write_failure(failure)
    assert door().write_failure(failure).body["detail"] == "busy"
