"""OpenAI's embeddings and the common rerank endpoint: what is strict, what is lenient, what is spelt how."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.dialects.test_vectors import b64

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.request import Text
from dragoman.core.tasks import Embed, Embedded, Rank, Ranked, Rerank, Tokens
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Reply, TaskCodec
from dragoman.dialects.openai_tasks import TASKS

EMBED: TaskCodec[Embed, Embedded] = TASKS.codec("embed")  # type: ignore[assignment]
RERANK: TaskCodec[Rerank, Ranked] = TASKS.codec("rerank")  # type: ignore[assignment]
ONE = Embed("cohere", "m", ((Text("a"),),))
TWO = Embed("cohere", "m", ((Text("a"),), (Text("b"),)))
RANKING = Rerank("cohere", "m", "q", ("a", "b"))


def asked(value: Json, path: str = "/v1/embeddings", **more: Json) -> Embed:
    """Read an embeddings request."""
    return EMBED.read_request(Call("POST", path, body={"model": "m", "input": value, **more}))


def data(*vectors: Json, **more: Json) -> dict[str, Json]:
    """Return an answer with these vectors in order."""
    items = [{"object": "embedding", "index": n, "embedding": one} for n, one in enumerate(vectors)]
    return {"object": "list", "data": items, "model": "m", **more}


@pytest.mark.parametrize(
    ("value", "inputs"),
    [
        ("a", ((Text("a"),),)),
        (["a"], ((Text("a"),),)),
        ([1, 2], ((Tokens((1, 2)),),)),
        ([[1, 2], [3]], ((Tokens((1, 2)),), (Tokens((3,)),))),
    ],
)
def test_the_four_shapes_of_input(value: Json, inputs: tuple[Any, ...]) -> None:
    """A text, texts, one list of tokens and several are told apart, and go home as they came."""
    request = asked(value)
    assert request.inputs == inputs
    assert EMBED.write_request(request).body["input"] == value


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "$.input"),
        ({"input": None}, "$.input"),
        ({"input": ""}, "$.input"),
        ({"input": []}, "$.input"),
        ({"input": 5}, "$.input"),
        ({"input": {"text": "a"}}, "$.input"),
        ({"input": ["a", ""]}, "$.input[1]"),
        ({"input": ["a", [1]]}, "$.input[1]"),
        ({"input": [[1], []]}, "$.input[1]"),
        ({"input": [1, "a"]}, "$.input[1]"),
        ({"input": [[1, True]]}, "$.input[0][1]"),
        ({"input": [[-1]]}, "$.input[0][0]"),
        ({"input": ["a"] * 2049}, "$.input"),
        ({"input": "a", "dimensions": 0}, "$.dimensions"),
        ({"input": "a", "dimensions": 1.5}, "$.dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "$.encoding_format"),
        ({"input": "a", "user": 5}, "$.user"),
        ({"input": "a", "model": None}, "$.model"),
    ],
    ids=repr,
)
def test_what_is_wrong_with_a_request_is_said_with_its_path(body: dict[str, Json], at: str) -> None:
    """A fault of the client's is a 400 that names the field."""
    with pytest.raises(Failure) as caught:
        EMBED.read_request(Call("POST", "/v1/embeddings", body={"model": "m", **body}))
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_the_limit_itself_is_taken() -> None:
    """2048 inputs are what the vendor allows."""
    assert len(asked(["a"] * 2048).inputs) == 2048


@pytest.mark.parametrize("body", [{"model": "other"}, {}], ids=["both", "path alone"])
def test_a_deployment_in_the_path_is_the_model(body: dict[str, Json]) -> None:
    """Azure names the model in the path, and the path wins."""
    call = Call("POST", "/openai/deployments/team%2Fembed/embeddings", body={"input": "a", **body})
    assert EMBED.read_request(call).model == "team/embed"


def test_base64_is_given_to_who_asked_for_it() -> None:
    """The answer is spelt as the client asked, whatever the provider spelt."""
    answer = EMBED.read_answer(Reply(200, body=data([0.5, -1])), ONE)
    for spelt, wanted in (("base64", b64(0.5, -1)), ("float", [0.5, -1.0]), (None, [0.5, -1.0])):
        told = EMBED.write_answer(answer, asked(["a"], encoding_format=spelt)).body
        assert told["data"][0]["embedding"] == wanted


def test_vectors_are_put_in_the_order_of_their_index() -> None:
    """A server may answer as it finishes."""
    body = data([1.0], [2.0])
    body["data"].reverse()
    assert EMBED.read_answer(Reply(200, body=body), TWO).vectors == ((1.0,), (2.0,))


def test_a_server_that_numbers_nothing_is_taken_at_its_order() -> None:
    """Without any index the order is all there is."""
    body = {"data": [{"embedding": [1.0]}, {"embedding": b64(2.0)}]}
    answer = EMBED.read_answer(Reply(200, body=body), TWO)
    assert (answer.vectors, answer.model, answer.usage) == (((1.0,), (2.0,)), "", None)


@pytest.mark.parametrize(
    "body",
    [
        None,
        "busy",
        [],
        {},
        {"data": None},
        {"data": {"0": []}},
        data([1.0]),
        data([1.0], [2.0], [3.0]),
        data([1.0], [2.0, 3.0]),
        data([1.0], None),
        data([1.0], []),
        data([1.0], ["x"]),
        data([1.0], "?"),
        {"data": [1, 2]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 5, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"embedding": [1.0]}]},
        {"error": {"message": "no such model", "code": 500}},
    ],
    ids=repr,
)
def test_a_malformed_answer_is_the_providers_fault(body: Json) -> None:
    """Whatever is not a vector for each input is a 502, never a shorter answer."""
    with pytest.raises(Failure) as caught:
        EMBED.read_answer(Reply(200, body=body), TWO)
    assert caught.value.source is Source.UPSTREAM


def test_dimensions_asked_for_are_dimensions_given() -> None:
    """A server that ignores them would poison a vector store."""
    with pytest.raises(Failure, match="2 dimensions where 3"):
        EMBED.read_answer(Reply(200, body=data([1.0, 2.0])), Embed("cohere", "m", ONE.inputs, dimensions=3))


@pytest.mark.parametrize(
    ("native", "usage"),
    [
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(8)),
        ({"total_tokens": 41}, Usage(41)),
        ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}, Usage(5)),
        (
            {
                "prompt_tokens": 7,
                "cost": 1.4e-07,
                "is_byok": False,
                "cost_details": {"upstream_inference_cost": 1.4e-07},
            },
            Usage(7, cost=Decimal("1.4E-7")),
        ),
        (
            {
                "prompt_tokens": 7,
                "cost": 1e-06,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 2e-06},
            },
            Usage(7, cost=Decimal("3E-6")),
        ),
        ({"prompt_tokens": -1, "total_tokens": None, "cost": "free"}, Usage()),
    ],
    ids=["OpenAI", "Jina", "Together", "OpenRouter", "own key", "nonsense"],
)
def test_usage(native: dict[str, Json], usage: Usage) -> None:
    """What was read is the input; the provider's own words go home."""
    told = EMBED.read_answer(Reply(200, body=data([1.0], usage=native)), ONE).usage
    assert told is not None
    assert told.native == Extras("openai_chat", native)
    for name in ("input", "output", "reasoning", "cost"):
        assert getattr(told, name) == getattr(usage, name)


def test_another_providers_answer_is_openais_shape() -> None:
    """No id is made up, the model asked for stands where none is named, and the tokens are both totals."""
    foreign = Embedded("e-1", "", ((0.5,),), Usage(4), Extras("cohere", {"odd": 1}, quiet={"texts": ["a"]}))
    reply = EMBED.write_answer(foreign, asked(["a"]))
    assert reply.body == data([0.5], usage={"prompt_tokens": 4, "total_tokens": 4})
    assert [str(loss) for loss in reply.losses] == ["dropped:answer.odd"]


# --- rerank


def documents(*values: Json, **more: Json) -> Rerank:
    """Read a rerank request."""
    body = {"model": "m", "query": "q", "documents": list(values), **more}
    return RERANK.read_request(Call("POST", "/v1/rerank", body=body))


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"documents": None}, "$.documents"),
        ({"documents": []}, "$.documents"),
        ({"documents": "a"}, "$.documents"),
        ({"documents": ["a", 1]}, "$.documents[1]"),
        ({"documents": [{"image": "x"}]}, "$.documents[0].text"),
        ({"query": None}, "$.query"),
        ({"query": 1}, "$.query"),
        ({"model": None}, "$.model"),
        ({"top_n": 0}, "$.top_n"),
        ({"return_documents": "yes"}, "$.return_documents"),
    ],
    ids=repr,
)
def test_what_is_wrong_with_a_rerank_is_said_with_its_path(body: dict[str, Json], at: str) -> None:
    """A fault of the client's is a 400 that names the field."""
    with pytest.raises(Failure) as caught:
        RERANK.read_request(
            Call("POST", "/v1/rerank", body={"model": "m", "query": "q", "documents": ["a"], **body})
        )
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_documents_may_be_objects() -> None:
    """Their text is the document; what else they hold goes home and is a loss abroad."""
    request = documents("a", {"text": "b", "title": "B"}, {"text": "c"})
    assert request.documents == ("a", "b", "c")
    assert request.extras is not None
    assert request.extras.rest == {"documents.title": [None, "B", None]}
    assert RERANK.write_request(request).body["documents"] == [
        "a",
        {"text": "b", "title": "B"},
        {"text": "c"},
    ]


def test_documents_are_repeated_where_they_were_wanted() -> None:
    """A provider that does not repeat them leaves it to us; one that does is not corrected."""
    foreign = Ranked("r", "", (Rank(1, 0.9), Rank(0, 0.1)))
    assert [
        one["document"]
        for one in RERANK.write_answer(foreign, documents("a", "b", return_documents=True)).body["results"]
    ] == [
        {"text": "b"},
        {"text": "a"},
    ]
    assert "document" not in RERANK.write_answer(foreign, documents("a", "b")).body["results"][0]
    given = {
        "results": [{"index": 0, "relevance_score": 1, "document": "own"}, {"index": 1, "relevance_score": 0}]
    }
    request = documents("a", "b", return_documents=True)
    told = RERANK.write_answer(RERANK.read_answer(Reply(200, body=given), request), request).body["results"]
    assert [one["document"] for one in told] == ["own", {"text": "b"}]


def test_another_providers_ranks_are_told_whole() -> None:
    """Id, model, results and usage, and what only its owner says is declared lost."""
    rank = Rank(0, 0.5, Extras("cohere", {"relevant_spans": [1]}))
    foreign = Ranked("r", "", (rank, Rank(1, 0.25)), Usage(9), Extras("cohere", quiet={"meta": {}}))
    reply = RERANK.write_answer(foreign, documents("a", "b"))
    assert reply.body == {
        "id": "r",
        "model": "m",
        "results": [{"index": 0, "relevance_score": 0.5}, {"index": 1, "relevance_score": 0.25}],
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }
    assert [str(loss) for loss in reply.losses] == ["dropped:answer.ranks[0].relevant_spans"]


@pytest.mark.parametrize(
    "body", [None, [], {}, {"results": []}, {"error": "down"}, {"results": [{}, {}]}], ids=repr
)
def test_a_malformed_ranking_is_the_providers_fault(body: Json) -> None:
    """Whatever does not rank every document is a 502."""
    with pytest.raises(Failure) as caught:
        RERANK.read_answer(Reply(200, body=body), RANKING)
    assert caught.value.source is Source.UPSTREAM
