"""Performances: what is kept as bytes, how pace and faults become steps, patches and heads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from dragoman.core.failure import Failure
from dragoman.core.request import Format, Message, Request, Text
from dragoman.dialects import Dialect
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.framing import NDJSON
from dragoman.simulator.answers import digest
from dragoman.simulator.behaviour import Behaviour, Canned, Error, Fault
from dragoman.simulator.performance import (
    KEPT_TOKENS,
    WHOLE,
    Performance,
    Piece,
    head_of,
    noise,
    numbered,
    patched,
    perform,
    spoil,
)

PATCHED = {
    "openai_responses": ("usage", "response"),
    "gemini": ("usageMetadata",),
    "cohere": ("id",),
    "ollama": ("model",),
}
"""Top-level fields of a unary answer and of some chunk, where ``usage`` is not one of both."""


@pytest.fixture(params=sorted(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each dialect in turn."""
    return DIALECTS[request.param]


def asked(dialect: Dialect, **more: Any) -> Request:
    """Return a request for a stream."""
    message = Message("user", (Text("say hello"),))
    return Request(dialect.name, "m", (message,), stream=more.pop("stream", True), **more)


def prepared(dialect: Dialect, behaviour: Behaviour, **more: Any) -> Performance:
    """Return a performance."""
    request = asked(dialect, **more)
    return perform(dialect, request, behaviour, digest(0, request))


def played(performance: Performance) -> bytes:
    """Return every byte of a performance."""
    return b"".join(step.data for step in performance.steps())


@pytest.mark.parametrize("stream", [True, False])
def test_a_plain_answer_is_one_block_of_bytes(dialect: Dialect, *, stream: bool) -> None:
    """It can be played again and again, and counts what it holds."""
    performance = prepared(dialect, Behaviour(tokens=9), stream=stream)
    assert performance.whole == played(performance) == played(performance)
    assert performance.tokens == 9
    lines = b'"done":' if dialect.framing is NDJSON else b"data: "
    assert performance.frames == (performance.whole.count(lines) if stream else 1)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(tokens_per_s=10),
        Behaviour(frames_per_write=1),
        Behaviour(faults=(Fault("raw"),)),
        Behaviour(tokens=KEPT_TOKENS + 1),
        Behaviour(text="x" * WHOLE),
    ],
    ids=["pace", "writes", "fault", "long", "large"],
)
def test_other_answers_are_played_in_steps(dialect: Dialect, behaviour: Behaviour) -> None:
    """What cannot go out at once is the same bytes, time after time."""
    performance = prepared(dialect, behaviour)
    assert performance.whole is None
    assert played(performance) == played(performance)


def test_latency_is_no_pace(dialect: Dialect) -> None:
    """An answer that only starts late still goes out at once."""
    performance = prepared(dialect, Behaviour(latency_s=2))
    assert performance.whole is not None
    assert performance.wait_s == 2


def test_a_stream_waits_for_each_token(dialect: Dialect) -> None:
    """Every token takes its time, nothing else takes any."""
    waits = [step.wait_s for step in prepared(dialect, Behaviour(tokens=4, tokens_per_s=10)).steps()]
    assert [wait for wait in waits if wait] == [0.1] * 4
    assert sum(step.tokens for step in prepared(dialect, Behaviour(tokens=4, tokens_per_s=10)).steps()) == 4


def test_a_unary_answer_takes_as_long_as_its_stream(dialect: Dialect) -> None:
    """Latency and all tokens, before the first byte."""
    behaviour = Behaviour(tokens=4, tokens_per_s=10, latency_s=1)
    assert prepared(dialect, behaviour, stream=False).wait_s == pytest.approx(1.4)


def test_usage_is_told_with_the_end(dialect: Dialect) -> None:
    """Exactly one step tells it, after every token; none does if it is not to be told."""
    steps = list(prepared(dialect, Behaviour(tokens_per_s=10), stream_usage=True).steps())
    [told] = [index for index, step in enumerate(steps) if step.told]
    assert not any(step.tokens for step in steps[told:])
    silent = prepared(dialect, Behaviour(tokens_per_s=10, usage=False))
    assert silent.usage is None
    assert not any(step.told for step in silent.steps())


def test_an_endless_stream_is_made_as_it_is_played(dialect: Dialect) -> None:
    """A billion tokens cost nothing until they are sent."""
    steps = prepared(dialect, Behaviour(tokens=10**9)).steps()
    assert sum(step.frames for step in islice(steps, 100)) == 99


@pytest.mark.parametrize("stream", [True, False])
def test_an_error_is_said_by_the_dialect(dialect: Dialect, *, stream: bool) -> None:
    """Status, code and delay arrive as the dialect's own reader understands them."""
    error = Error(status=429, message="slow down", retry_after_s=7, headers={"x-should-retry": "false"})
    performance = prepared(dialect, Behaviour(error=error), stream=stream)
    assert (performance.status, performance.outcome) == (429, "failed")
    said = played(performance)
    assert said.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"retry-after: 7\r\n" in said
    assert b"x-should-retry: false\r\n" in said
    assert b"slow down" in said


def test_an_errors_body_can_be_anything(dialect: Dialect) -> None:
    """Text or JSON in place of the dialect's shape."""
    assert played(prepared(dialect, Behaviour(error=Error(body="<h1>oops</h1>")))).endswith(
        b"\n<h1>oops</h1>"
    )
    assert played(prepared(dialect, Behaviour(error=Error(body={"a": 1})))).endswith(b'\n{"a":1}')


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Canned(302, {"location": "http://192.0.2.1/"}), "failed"),
        (Canned(200, {"content-type": "text/html"}, "<html>"), "completed"),
        (Canned(200, {}, {"error": {"message": "not really"}}), "completed"),
    ],
)
def test_a_reply_is_said_word_for_word(dialect: Dialect, reply: Canned, outcome: str) -> None:
    """A redirect, a login page, an error in a 200."""
    performance = prepared(dialect, Behaviour(reply=reply))
    assert (performance.status, performance.outcome) == (reply.status, outcome)
    for name, value in reply.headers.items():
        assert f"\r\n{name}: {value}\r\n".encode() in played(performance)


def test_headers_replace_those_of_a_good_answer(dialect: Dialect) -> None:
    """A wrong content type is a header away, streaming or not."""
    for stream in (True, False):
        said = played(prepared(dialect, Behaviour(headers={"content-type": "text/html"}), stream=stream))
        assert said.count(b"content-type: ") == 1
        assert b"content-type: text/html\r\n" in said


def test_what_has_no_instance_is_refused(dialect: Dialect) -> None:
    """A request the simulator cannot meet raises before anything is said."""
    with pytest.raises(Failure):
        prepared(dialect, Behaviour(), format=Format("json_schema", {"enum": []}))


def test_a_patch_reaches_answers_and_chunks(dialect: Dialect) -> None:
    """Usage can be made as wrong as a provider makes it."""
    patch = {field: {"total": "many"} for field in PATCHED.get(dialect.name, ("usage",))}
    unary = played(prepared(dialect, Behaviour(patch=patch), stream=False))
    stream = played(prepared(dialect, Behaviour(patch=patch), stream_usage=True))
    assert b'"total":"many"' in unary
    assert b'"total":"many"' in stream


@pytest.mark.parametrize(
    ("value", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_that_of_the_rfc(value: Any, patch: Any, result: Any) -> None:
    """The examples of RFC 7396, appendix A."""
    assert patched(value, patch) == result


def pieces(count: int) -> Iterator[Piece]:
    """Yield pieces named by number."""
    return (Piece(str(number).encode()) for number in range(count))


def test_pieces_are_numbered_from_both_ends() -> None:
    """The last ones know how far they are from the end, as soon as the end is known."""
    found = [(index, back) for index, back, _ in numbered(pieces(5), 2)]
    assert found == [(0, None), (1, None), (2, None), (3, -2), (4, -1)]
    assert [back for _, back, _ in numbered(pieces(1), 3)] == [-1]


def test_noise_is_no_text_from_the_first_byte() -> None:
    """Any length of it is the same each time, and never decodes."""
    for size in (1, 2, 63, 64, 65, 1000):
        assert len(noise(size)) == size
        assert noise(size)[0] == 0xFF
        assert b"\n" not in noise(size)


def test_a_spoilt_piece_keeps_its_length_and_end() -> None:
    """Frames stay frames."""
    data = b'data: {"a":1}\n\n'
    assert spoil(Fault("malformed", 0), data) == b'data: {"a":  \n\n'
    garbage = spoil(Fault("garbage", 0), data)
    assert garbage is not None
    assert (len(garbage), garbage[:6], garbage[-2:]) == (len(data), b"data: ", b"\n\n")
    assert spoil(Fault("close", 0), data) is None


def test_a_head_names_the_status_if_it_has_a_name() -> None:
    """529 has none, and is sent all the same."""
    assert head_of(404, {"a": "b"}) == b"HTTP/1.1 404 Not Found\r\na: b\r\n\r\n"
    assert head_of(529, {}) == b"HTTP/1.1 529 \r\n\r\n"
