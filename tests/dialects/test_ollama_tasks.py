"""Ollama's embed and embeddings: which endpoint, nothing to embed, and what is wrong."""

from __future__ import annotations

import pytest

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.request import Media, Text
from dragoman.core.tasks import Embed, Embedded, Tokens
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Reply, TaskCodec
from dragoman.dialects.ollama_tasks import TASKS

CODEC: TaskCodec[Embed, Embedded] = TASKS.codec("embed")  # type: ignore[assignment]
TWO = Embed("cohere", "m", ((Text("a"),), (Text("b"),)))


def asked(path: str = "/api/embed", **body: Json) -> Embed:
    """Read an embed request."""
    return CODEC.read_request(Call("POST", path, body={"model": "m", **body}))


def test_each_endpoint_goes_home_to_itself() -> None:
    """Only the newer scales its vectors, so the older is not answered by it; strangers ask the newer."""
    assert CODEC.write_request(asked(input=["a"])).path == "/embed"
    assert CODEC.write_request(asked("/api/embeddings", prompt="a")).path == "/embeddings"
    call = CODEC.write_request(TWO)
    assert (call.path, call.body) == ("/embed", {"model": "m", "input": ["a", "b"]})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/embed", {}),
        ("/api/embed", {"input": ""}),
        ("/api/embed", {"input": []}),
        ("/api/embed", {"input": None}),
        ("/api/embeddings", {}),
        ("/api/embeddings", {"prompt": ""}),
    ],
)
def test_nothing_to_embed_loads_the_model(path: str, body: dict[str, Json]) -> None:
    """At home it goes as it came and is answered with no vectors; abroad there is no such thing."""
    request = asked(path, keep_alive="1m", **body)
    assert request.inputs == ()
    assert CODEC.write_request(request).body == {"model": "m", "keep_alive": "1m", **body}
    empty = {"embedding": []} if path.endswith("embeddings") else {"model": "m", "embeddings": []}
    answer = CODEC.read_answer(Reply(200, body=empty), request)
    assert CODEC.write_answer(answer, request).body == empty
    with pytest.raises(Failure) as caught:
        CODEC.write_request(Embed("gemini", "m", ()))
    assert caught.value.kind is Kind.UNSUPPORTED


@pytest.mark.parametrize(
    ("path", "body", "at"),
    [
        ("/api/embed", {"input": 5}, "$.input"),
        ("/api/embed", {"input": {"a": 1}}, "$.input"),
        ("/api/embed", {"input": ["a", 5]}, "$.input[1]"),
        ("/api/embed", {"input": [[1, 2]]}, "$.input[0]"),
        ("/api/embed", {"input": "a", "dimensions": -1}, "$.dimensions"),
        ("/api/embed", {"input": "a", "dimensions": "8"}, "$.dimensions"),
        ("/api/embed", {"input": "a", "model": None}, "$.model"),
        ("/api/embeddings", {"prompt": ["a"]}, "$.prompt"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_with_its_path(
    path: str, body: dict[str, Json], at: str
) -> None:
    """A fault of the client's is a 400 that names the field."""
    with pytest.raises(Failure) as caught:
        asked(path, **body)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_a_purpose_and_a_user_are_lost() -> None:
    """Neither has a field; a length has one."""
    call = CODEC.write_request(Embed("cohere", "m", TWO.inputs, "query", 4, "u"))
    assert call.body == {"model": "m", "input": ["a", "b"], "dimensions": 4}
    assert [str(loss) for loss in call.losses] == ["dropped:purpose", "dropped:user"]


@pytest.mark.parametrize(
    "piece", [Tokens((1,)), Media("image", "base64", "AAAA", "image/png")], ids=["tokens", "image"]
)
def test_text_alone_is_embedded(piece: Tokens | Media) -> None:
    """What is no text is refused with its place."""
    with pytest.raises(Failure) as caught:
        CODEC.write_request(Embed("x", "m", ((Text("a"),), (piece,))))
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "inputs[1][0]")


def test_only_its_own_clients_take_a_shorter_vector() -> None:
    """Ollama cuts, and does not stretch: its clients know, and nobody else does."""
    body = {"model": "m", "embeddings": [[1.0, 2.0]]}
    assert CODEC.read_answer(Reply(200, body=body), asked(input="a", dimensions=8)).vectors == ((1.0, 2.0),)
    with pytest.raises(Failure):
        CODEC.read_answer(Reply(200, body=body), Embed("openai_chat", "m", ((Text("a"),),), dimensions=8))


@pytest.mark.parametrize(
    "body",
    [
        None,
        "busy",
        {},
        {"embeddings": None},
        {"embeddings": []},
        {"embedding": [1.0]},
        {"embedding": []},
        {"embeddings": [[1.0]]},
        {"embeddings": [[1.0], []]},
        {"embeddings": [[1.0], None]},
        {"embeddings": [[1.0], ["x"]]},
        {"embeddings": [[1.0], [1.0, 2.0]]},
        {"embeddings": [[1.0]] * 3},
        {"error": "model is loading"},
    ],
    ids=repr,
)
def test_a_malformed_answer_is_the_providers_fault(body: Json) -> None:
    """Whatever is not a vector for each input is a 502, never a shorter answer."""
    with pytest.raises(Failure) as caught:
        CODEC.read_answer(Reply(200, body=body), TWO)
    assert caught.value.source is Source.UPSTREAM


def test_usage_is_what_the_prompt_counted() -> None:
    """Metrics go home; other providers' tokens are told in the same word."""
    body = {"model": "m", "embeddings": [[1.0], [2.0]], "prompt_eval_count": 2, "total_duration": 14}
    usage = CODEC.read_answer(Reply(200, body=body), TWO).usage
    assert usage == Usage(2, native=Extras("ollama", {"prompt_eval_count": 2, "total_duration": 14}))
    foreign = Embedded("e", "", ((0.5,),), Usage(4), Extras("openai_chat", {"odd": 1}))
    reply = CODEC.write_answer(foreign, asked(input="a"))
    assert reply.body == {"model": "m", "embeddings": [[0.5]], "prompt_eval_count": 4}
    assert [str(loss) for loss in reply.losses] == ["dropped:answer.odd"]
    assert CODEC.write_answer(
        Embedded("e", "x", ((0.5,),), Usage(4)), asked("/api/embeddings", prompt="a")
    ).body == {"embedding": [0.5]}
