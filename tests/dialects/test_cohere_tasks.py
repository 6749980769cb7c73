"""Cohere's embed and rerank: purposes, number formats, what is billed, and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from tests.dialects.test_vectors import b64

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.request import Media, Text
from dragoman.core.tasks import Embed, Embedded, Purpose, Rank, Ranked, Rerank, Tokens
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Reply, TaskCodec
from dragoman.dialects.border import Crossing
from dragoman.dialects.cohere_tasks import TASKS, types_asked

EMBED: TaskCodec[Embed, Embedded] = TASKS.codec("embed")  # type: ignore[assignment]
RERANK: TaskCodec[Rerank, Ranked] = TASKS.codec("rerank")  # type: ignore[assignment]
URI = "data:image/png;base64,iVBORw0KGgo="
IMAGE = Media("image", "base64", "iVBORw0KGgo=", "image/png")
TWO = Embed("ollama", "m", ((Text("a"),), (Text("b"),)))


def asked(**body: Json) -> Embed:
    """Read an embed request; of one text, if `body` does not say."""
    what = {} if body.keys() & {"texts", "images", "inputs"} else {"texts": ["a"]}
    whole = {"model": "m", "input_type": "search_document", **what, **body}
    return EMBED.read_request(Call("POST", "/v2/embed", body=whole))


@pytest.mark.parametrize(
    ("word", "purpose"),
    [
        ("search_query", "query"),
        ("search_document", "document"),
        ("classification", "classification"),
        ("clustering", "clustering"),
        ("image", None),
    ],
)
def test_purposes(word: str, purpose: Purpose | None) -> None:
    """Each word has its purpose and goes home; that images are images is no loss abroad."""
    request = asked(input_type=word)
    assert request.purpose == purpose
    assert EMBED.write_request(request).body["input_type"] == word
    out = Crossing("gemini")
    out.own(request.extras, "")
    assert not out.losses


def test_who_says_no_purpose_has_documents_embedded() -> None:
    """The vendor must be told one, and the client is told which."""
    call = EMBED.write_request(Embed("openai_chat", "m", TWO.inputs, dimensions=4, user="u"))
    assert call.body == {
        "model": "m",
        "input_type": "search_document",
        "texts": ["a", "b"],
        "embedding_types": ["float"],
        "output_dimension": 4,
    }
    assert [str(loss) for loss in call.losses] == ["dropped:user", "approximated:purpose"]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"input_type": None}, "$.input_type"),
        ({"input_type": "query"}, "$.input_type"),
        ({"texts": None}, "$.texts"),
        ({"texts": []}, "$.texts"),
        ({"texts": "a"}, "$.texts"),
        ({"texts": ["a", 1]}, "$.texts[1]"),
        ({"texts": ["a"] * 97}, "$.texts"),
        ({"texts": ["a"], "images": [URI]}, "$.images"),
        ({"images": ["https://x/y.png"]}, "$.images[0]"),
        ({"images": ["data:;base64,AAAA"]}, "$.images[0]"),
        ({"inputs": [{"content": []}]}, "$.inputs[0].content"),
        ({"inputs": [{}]}, "$.inputs[0].content"),
        ({"inputs": ["a"]}, "$.inputs[0]"),
        ({"inputs": [{"content": [{"type": "audio"}]}]}, "$.inputs[0].content[0].type"),
        ({"inputs": [{"content": [{"type": "text"}]}]}, "$.inputs[0].content[0].text"),
        (
            {"inputs": [{"content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "$.inputs[0].content[0].image_url.url",
        ),
        ({"embedding_types": "float"}, "$.embedding_types"),
        ({"embedding_types": ["float", "int4"]}, "$.embedding_types[1]"),
        ({"output_dimension": 0}, "$.output_dimension"),
        ({"model": None}, "$.model"),
    ],
    ids=repr,
)
def test_what_is_wrong_with_a_request_is_said_with_its_path(body: dict[str, Json], at: str) -> None:
    """A fault of the client's is a 400 that names the field."""
    with pytest.raises(Failure) as caught:
        asked(**body)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_images_have_no_limit_of_number() -> None:
    """Their size together is limited, which is the vendor's to judge; going home they stay images."""
    request = asked(images=[URI] * 97, input_type="image")
    assert EMBED.write_request(request).body["images"] == [URI] * 97


def test_other_dialects_images_are_inputs() -> None:
    """Text and images of one input stay one input; an image that is no data is refused."""
    call = EMBED.write_request(Embed("gemini", "m", ((Text("a"), IMAGE), (Text("b"),)), "query"))
    assert call.body["inputs"] == [
        {"content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": URI}}]},
        {"content": [{"type": "text", "text": "b"}]},
    ]
    assert not call.losses
    pieces: list[Any] = [
        Tokens((1,)),
        Media("image", "url", "https://x/y.png"),
        Media("audio", "base64", "AAAA", "audio/wav"),
        Media("image", "base64", "AAAA"),
    ]
    for piece in pieces:
        with pytest.raises(Failure) as caught:
            EMBED.write_request(Embed("gemini", "m", ((Text("a"), piece),)))
        assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "inputs[0][1]")


@pytest.mark.parametrize("count", [0, 97])
def test_a_call_has_its_limits(count: int) -> None:
    """Nothing, and more than a call holds, is refused before it is sent."""
    with pytest.raises(Failure) as caught:
        EMBED.write_request(Embed("ollama", "m", ((Text("a"),),) * count))
    assert caught.value.kind is Kind.UNSUPPORTED


@pytest.mark.parametrize(
    ("types", "binding"),
    [
        (None, False),
        ([], False),
        (["float"], False),
        (["base64", "float"], False),
        (["int8"], True),
        (["float", "binary"], True),
    ],
)
def test_only_spellings_of_a_vector_leave_home(types: Json, *, binding: bool) -> None:
    """A format nobody else makes refuses the crossing, even beside one that others make."""
    request = asked(embedding_types=types)
    if not binding:
        Crossing("gemini").own(request.extras, "")
        return
    with pytest.raises(Failure) as caught:
        Crossing("gemini").own(request.extras, "")
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "$.embedding_types")


@pytest.mark.parametrize(
    ("types", "embeddings"),
    [
        (None, {"float": [[0.5, -1.0]]}),
        (["base64"], {"base64": [b64(0.5, -1)]}),
        (["float", "base64"], {"float": [[0.5, -1.0]], "base64": [b64(0.5, -1)]}),
    ],
)
def test_another_providers_vectors_are_spelt_as_asked(types: Json, embeddings: Json) -> None:
    """Floats and base64 can be given for anybody's vectors; the texts are repeated as Cohere does."""
    foreign = Embedded("e", "x", ((0.5, -1.0),), Usage(3), Extras("gemini", {"metadata": {"n": 1}}))
    reply = EMBED.write_answer(foreign, asked(embedding_types=types))
    assert reply.body == {
        "id": "e",
        "response_type": "embeddings_by_type",
        "embeddings": embeddings,
        "texts": ["a"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 3}},
    }
    assert [str(loss) for loss in reply.losses] == ["dropped:answer.metadata"]


def test_types_asked() -> None:
    """Floats, unless a client of this dialect says otherwise."""
    assert types_asked(TWO) == types_asked(asked()) == ("float",)
    assert types_asked(asked(embedding_types=["int8", "float"])) == ("int8", "float")


def test_base64_alone_is_a_vector_too() -> None:
    """What goes home as base64 is known to the core as numbers."""
    body = {"id": "e", "embeddings": {"base64": [b64(0.5, -1)]}}
    assert EMBED.read_answer(Reply(200, body=body), asked(embedding_types=["base64"])).vectors == (
        (0.5, -1.0),
    )


@pytest.mark.parametrize(
    "body",
    [
        None,
        "busy",
        [],
        {},
        {"embeddings": [[1.0], [2.0]]},
        {"embeddings": {}},
        {"embeddings": {"int8": [[1], [2]]}},
        {"embeddings": {"float": [[1.0]]}},
        {"embeddings": {"float": [[1.0]] * 3}},
        {"embeddings": {"float": [[1.0], None]}},
        {"embeddings": {"float": [[1.0], []]}},
        {"embeddings": {"float": [[1.0], ["x"]]}},
        {"embeddings": {"float": [[1.0], [1.0, 2.0]]}},
        {"message": "internal server error"},
    ],
    ids=repr,
)
def test_a_malformed_answer_is_the_providers_fault(body: Json) -> None:
    """Whatever is not a vector for each input is a 502, never a shorter answer."""
    with pytest.raises(Failure) as caught:
        EMBED.read_answer(Reply(200, body=body), TWO)
    assert caught.value.source is Source.UPSTREAM


def test_every_type_asked_for_must_come() -> None:
    """Integers are not looked into, but there is one of them for each input."""
    request = asked(texts=["a", "b"], embedding_types=["float", "int8"])
    for embeddings in ({"float": [[1.0], [2.0]]}, {"float": [[1.0], [2.0]], "int8": [[1]]}):
        with pytest.raises(Failure, match="int8"):
            EMBED.read_answer(Reply(200, body={"embeddings": embeddings}), request)


@pytest.mark.parametrize(
    ("meta", "read"),
    [
        ({"billed_units": {"input_tokens": 3.0}}, 3),
        ({"billed_units": {"input_tokens": 3, "image_tokens": 258}}, 261),
        ({"billed_units": {"input_tokens": 3}, "tokens": {"input_tokens": 5}}, 3),
        ({"billed_units": {"images": 1}}, None),
        ({"billed_units": {"search_units": 1}}, 0),
        ({"api_version": {"version": "2"}}, None),
        ({"billed_units": "free"}, None),
    ],
    ids=repr,
)
def test_usage(meta: dict[str, Json], read: int | None) -> None:
    """Tokens are input; where none are counted nothing is known, and that is not zero."""
    body = {"embeddings": {"float": [[1.0], [2.0]]}, "meta": meta}
    usage = EMBED.read_answer(Reply(200, body=body), TWO).usage
    assert (usage and usage.input) == read
    assert usage is None or usage.native == Extras("cohere", meta)


# --- rerank


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"documents": None}, "$.documents"),
        ({"documents": []}, "$.documents"),
        ({"documents": "a"}, "$.documents"),
        ({"documents": ["a", {"text": "b"}]}, "$.documents[1]"),
        ({"query": None}, "$.query"),
        ({"model": None}, "$.model"),
        ({"top_n": 0}, "$.top_n"),
    ],
    ids=repr,
)
def test_what_is_wrong_with_a_rerank_is_said_with_its_path(body: dict[str, Json], at: str) -> None:
    """A fault of the client's is a 400 that names the field."""
    with pytest.raises(Failure) as caught:
        RERANK.read_request(
            Call("POST", "/v2/rerank", body={"model": "m", "query": "q", "documents": ["a"], **body})
        )
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_another_dialects_documents_are_strings() -> None:
    """What else an object held is lost aloud; a wish to have documents back is ours to grant."""
    kept = Extras(
        "openai_chat",
        {"documents.title": ["A", None]},
        (),
        {"return_documents": True, "documents": [{}, "b"]},
    )
    call = RERANK.write_request(Rerank("openai_chat", "m", "q", ("a", "b"), 1, kept))
    assert call.body == {"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 1}
    assert [str(loss) for loss in call.losses] == ["dropped:documents.title"]


def test_another_providers_ranks_are_told_whole() -> None:
    """Id and results; tokens somebody else counted are told as what was billed."""
    rank = Rank(1, 0.5, Extras("openai_chat", {"logit": 1.0}, quiet={"document": {"text": "b"}}))
    reply = RERANK.write_answer(
        Ranked("r", "m", (rank,), Usage(7)), Rerank("cohere", "m", "q", ("a", "b"), 1)
    )
    assert reply.body == {
        "id": "r",
        "results": [{"index": 1, "relevance_score": 0.5}],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}},
    }
    assert [str(loss) for loss in reply.losses] == ["dropped:answer.ranks[0].logit"]


def test_searches_are_no_tokens() -> None:
    """What Cohere bills for a rerank goes home, is counted apart, is no loss abroad and no token count."""
    body = {
        "id": "r",
        "results": [{"index": 0, "relevance_score": 1}],
        "meta": {"billed_units": {"search_units": 2}},
    }
    answer = RERANK.read_answer(Reply(200, body=body), Rerank("x", "m", "q", ("a",)))
    assert answer.usage is not None
    assert (answer.usage.searches, answer.usage.total) == (2, 0)
    out = Crossing("openai_chat")
    out.own(answer.extras, "answer")
    assert not out.losses


@pytest.mark.parametrize(
    "body", [None, [], {}, {"results": []}, {"message": "down"}, {"results": [{}, {}]}], ids=repr
)
def test_a_malformed_ranking_is_the_providers_fault(body: Json) -> None:
    """Whatever does not rank every document is a 502."""
    with pytest.raises(Failure) as caught:
        RERANK.read_answer(Reply(200, body=body), Rerank("x", "m", "q", ("a", "b")))
    assert caught.value.source is Source.UPSTREAM
