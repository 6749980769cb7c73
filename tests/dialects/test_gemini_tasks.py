"""Gemini's embedContent and batchEmbedContents: batches that agree and that do not, and what is wrong."""

from __future__ import annotations

import pytest

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.request import Media, Text
from dragoman.core.tasks import Embed, Embedded, Tokens
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Reply, TaskCodec
from dragoman.dialects.border import Crossing
from dragoman.dialects.gemini_tasks import TASKS

CODEC: TaskCodec[Embed, Embedded] = TASKS.codec("embed")  # type: ignore[assignment]
BATCH = "/v1beta/models/m:batchEmbedContents"
TWO = Embed("cohere", "m", ((Text("a"),), (Text("b"),)))


def one(text: str = "a", **more: Json) -> dict[str, Json]:
    """Return one request of a batch."""
    return {"model": "models/m", "content": {"parts": [{"text": text}]}, **more}


def batch(*requests: Json, path: str = BATCH) -> Embed:
    """Read a batch."""
    return CODEC.read_request(Call("POST", path, body={"requests": list(requests)}))


@pytest.mark.parametrize(
    ("word", "purpose"),
    [
        ("RETRIEVAL_QUERY", "query"),
        ("RETRIEVAL_DOCUMENT", "document"),
        ("CLASSIFICATION", "classification"),
        ("CLUSTERING", "clustering"),
        ("SEMANTIC_SIMILARITY", None),
        ("CODE_RETRIEVAL_QUERY", None),
        (None, None),
    ],
)
def test_task_types(word: str | None, purpose: str | None) -> None:
    """What others know is a purpose; the rest goes home and is a loss abroad."""
    request = batch(one(taskType=word), one("b", taskType=word))
    assert request.purpose == purpose
    out = Crossing("ollama")
    out.own(request.extras, "")
    odd = word is not None and purpose is None
    assert [str(loss) for loss in out.losses] == (["dropped:requests.taskType"] if odd else [])


def test_what_all_agree_on_is_the_core_s() -> None:
    """Task and length of a batch are one request's, and are written on each."""
    request = batch(
        one(taskType="CLUSTERING", outputDimensionality=3.0),
        one("b", taskType="CLUSTERING", outputDimensionality=3),
    )
    assert (request.purpose, request.dimensions, request.extras) == ("clustering", 3, None)
    changed = CODEC.write_request(Embed("openai_chat", "x", TWO.inputs, "query", 5)).body["requests"]
    assert [(entry["model"], entry["taskType"], entry["outputDimensionality"]) for entry in changed] == [
        ("models/x", "RETRIEVAL_QUERY", 5)
    ] * 2


def test_tasks_that_differ_stay_with_their_texts() -> None:
    """They are lost abroad, in one word."""
    request = batch(one(taskType="CLUSTERING"), one("b"), one("c", title="C"))
    assert request.purpose is None
    out = Crossing("ollama")
    out.own(request.extras, "")
    assert [str(loss) for loss in out.losses] == ["dropped:requests.taskType", "dropped:requests.title"]


def test_lengths_that_differ_bind_the_batch() -> None:
    """Nobody else gives vectors of two lengths: refused abroad, held to each at home."""
    request = batch(one(outputDimensionality=2), one("b", outputDimensionality=1))
    with pytest.raises(Failure) as caught:
        Crossing("cohere").own(request.extras, "")
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "$.outputDimensionality")
    good = {"embeddings": [{"values": [1.0, 2.0]}, {"values": [1.0]}]}
    assert CODEC.read_answer(Reply(200, body=good), request).vectors == ((1.0, 2.0), (1.0,))
    with pytest.raises(Failure):
        CODEC.read_answer(Reply(200, body={"embeddings": [{"values": [1.0]}, {"values": [1.0]}]}), request)


def test_a_turn_s_role_is_no_loss() -> None:
    """The SDK sends ``user`` with every text; it says nothing to anybody else."""
    request = batch({"model": "models/m", "content": {"parts": [{"text": "a"}], "role": "user"}})
    out = Crossing("ollama")
    out.own(request.extras, "")
    assert not out.losses


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "$.requests"),
        ({"requests": []}, "$.requests"),
        ({"requests": {}}, "$.requests"),
        ({"requests": [one()] * 101}, "$.requests"),
        ({"requests": [one(), 5]}, "$.requests[1]"),
        ({"requests": [one(), one(model="models/other")]}, "$.requests[1].model"),
        ({"requests": [one(model="m")]}, "$.requests[0].model"),
        ({"requests": [one(model=None)]}, "$.requests[0].model"),
        ({"requests": [{"model": "models/m"}]}, "$.requests[0].content"),
        ({"requests": [one(content={})]}, "$.requests[0].content.parts"),
        ({"requests": [one(content={"parts": []})]}, "$.requests[0].content.parts"),
        ({"requests": [one(content={"parts": [{"text": 1}]})]}, "$.requests[0].content.parts[0].text"),
        (
            {"requests": [one(content={"parts": [{"functionCall": {"name": "f"}}]})]},
            "$.requests[0].content.parts[0]",
        ),
        (
            {"requests": [one(content={"parts": [{"text": "t", "thought": True}]})]},
            "$.requests[0].content.parts[0]",
        ),
        ({"requests": [one(taskType=5)]}, "$.requests[0].taskType"),
        ({"requests": [one(), one(outputDimensionality=0)]}, "$.requests[1].outputDimensionality"),
        ({"requests": [one(task_type="CLUSTERING", taskType="CLUSTERING")]}, "$.requests[0].taskType"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_batch_is_said_with_its_path(body: Json, at: str) -> None:
    """A fault of the client's is a 400 that names the field."""
    with pytest.raises(Failure) as caught:
        CODEC.read_request(Call("POST", BATCH, body=body))
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_a_single_request_needs_no_model_and_may_not_contradict_the_path() -> None:
    """A single request names its model in the path; a body that names another is a fault."""
    path = "/v1/tunedModels/t:embedContent"
    request = CODEC.read_request(Call("POST", path, body={"content": {"parts": [{"text": "a"}]}}))
    assert request.model == "tunedModels/t"
    call = CODEC.write_request(request)
    assert (call.path, call.body["requests"][0]["model"]) == (
        "/tunedModels/t:batchEmbedContents",
        "tunedModels/t",
    )
    with pytest.raises(Failure) as caught:
        CODEC.read_request(
            Call("POST", path, body={"model": "models/t", "content": {"parts": [{"text": "a"}]}})
        )
    assert caught.value.at == "$.model"


def test_other_dialects_inputs_are_parts() -> None:
    """Texts and images of one input are parts of one content; an image by its address is refused."""
    image = Media("image", "base64", "iVBORw0KGgo=", "image/png")
    call = CODEC.write_request(Embed("cohere", "m", ((Text(""), image),), user="u"))
    assert call.body["requests"][0]["content"] == {
        "parts": [{"text": ""}, {"inlineData": {"data": "iVBORw0KGgo=", "mimeType": "image/png"}}]
    }
    assert [str(loss) for loss in call.losses] == ["dropped:user"]
    for piece in (Tokens((1,)), Media("image", "url", "https://x/y.png")):
        with pytest.raises(Failure) as caught:
            CODEC.write_request(Embed("x", "m", ((Text("a"), piece),)))
        assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "inputs[0][1]")


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_its_limits(count: int) -> None:
    """Nothing, and more than a batch holds, is refused before it is sent."""
    with pytest.raises(Failure) as caught:
        CODEC.write_request(Embed("ollama", "m", ((Text("a"),),) * count))
    assert caught.value.kind is Kind.UNSUPPORTED


@pytest.mark.parametrize(
    "body", [{"embedding": {"values": [0.5]}}, {"embeddings": [{"values": [0.5]}]}], ids=list
)
def test_an_answer_is_read_in_either_form(body: Json) -> None:
    """Whichever endpoint answered, there is one vector, and each client gets the form it asked for."""
    asked = Embed("openai_chat", "m", ((Text("a"),),))
    answer = CODEC.read_answer(Reply(200, body=body), asked)
    assert answer.vectors == ((0.5,),)
    call = Call("POST", "/v1/models/m:embedContent", body={"content": {"parts": [{"text": "a"}]}})
    assert CODEC.write_answer(answer, CODEC.read_request(call)).body == {"embedding": {"values": [0.5]}}
    assert CODEC.write_answer(answer, batch(one())).body == {"embeddings": [{"values": [0.5]}]}


@pytest.mark.parametrize(
    "body",
    [
        None,
        "busy",
        [],
        {},
        {"embeddings": None},
        {"embeddings": {"values": [1.0]}},
        {"embeddings": [{"values": [1.0]}]},
        {"embeddings": [{"values": [1.0]}, {}]},
        {"embeddings": [{"values": [1.0]}, {"values": []}]},
        {"embeddings": [{"values": [1.0]}, {"values": ["x"]}]},
        {"embeddings": [{"values": [1.0]}, {"values": [1.0, 2.0]}]},
        {"embeddings": [{"values": [1.0]}, [1.0]]},
        {"embeddings": [{"values": [1.0]}] * 3},
        {"embedding": {"values": [1.0]}},
        {"error": {"code": 503, "message": "later", "status": "UNAVAILABLE"}},
    ],
    ids=repr,
)
def test_a_malformed_answer_is_the_providers_fault(body: Json) -> None:
    """Whatever is not a vector for each input is a 502, never a shorter answer."""
    with pytest.raises(Failure) as caught:
        CODEC.read_answer(Reply(200, body=body), TWO)
    assert caught.value.source is Source.UPSTREAM


def test_usage_is_what_the_prompt_counted() -> None:
    """Every modality is input, and other providers' totals are told in these words."""
    native = {"promptTokenCount": 261, "promptTokenDetails": [{"modality": "IMAGE", "tokenCount": 258}]}
    body = {"embeddings": [{"values": [0.5]}], "usageMetadata": native}
    usage = CODEC.read_answer(Reply(200, body=body), Embed("x", "m", ((Text("a"),),))).usage
    assert usage == Usage(261, native=Extras("gemini", native))
    foreign = Embedded("", "", ((0.5,),), Usage(4))
    assert CODEC.write_answer(foreign, batch(one())).body["usageMetadata"] == {
        "promptTokenCount": 4,
        "totalTokenCount": 4,
    }


def test_what_only_gemini_says_of_an_answer_is_declared() -> None:
    """Statistics of a text go home only."""
    body = {
        "embeddings": [{"values": [0.5], "statistics": {"tokenCount": 1}}],
        "metadata": {"billableCharacterCount": 1},
    }
    answer = CODEC.read_answer(Reply(200, body=body), Embed("x", "m", ((Text("a"),),)))
    out = Crossing("ollama")
    out.own(answer.extras, "answer")
    assert [str(loss) for loss in out.losses] == [
        "dropped:answer.metadata",
        "dropped:answer.embeddings.statistics",
    ]
