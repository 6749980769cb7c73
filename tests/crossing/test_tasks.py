"""Embed and rerank across: every door before every provider that has the task, over real sockets.

What a vector or a score is to be is what the simulator makes of the words themselves, so a pair that
loses a number, an order or a token fails by name.
"""

from __future__ import annotations

import asyncio
import base64
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, house, post

from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Media, Text
from dragoman.core.tasks import Embed, Embedded, Ranked, Rerank, Tokens
from dragoman.dialects import Dialect, Reply
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Simulator
from dragoman.simulator import tasks as simulated
from dragoman.simulator.script import read
from dragoman.store import ExchangeRow

EMBEDDERS = [name for name, dialect in DIALECTS.items() if dialect.tasks.embed]
RERANKERS = [name for name, dialect in DIALECTS.items() if dialect.tasks.rerank]
EMBED_DOORS = [n for n, d in DIALECTS.items() if any(e.task == "embed" for e in d.endpoints)]
RERANK_DOORS = [n for n, d in DIALECTS.items() if any(e.task == "rerank" for e in d.endpoints)]
TEXTS = ("a red fox", "Né 😀\u2028 two")
DOCUMENTS = ("Paris is in France", "Ruby is a language", "a gem of a language, Ruby", "nothing")
LOSSES = {
    "openai_chat": {"purpose"},
    "openai_responses": {"purpose"},
    "gemini": set[str](),
    "cohere": set[str](),
    "ollama": {"purpose"},
}
"""What a purpose is to each provider."""


def embed(door: str, target: str, **more: Any) -> Embed:
    """Return a request for the vectors of two texts."""
    purpose = "query" if door in ("gemini", "cohere") else None
    fields: dict[str, Any] = {"inputs": tuple((Text(t),) for t in TEXTS), "purpose": purpose, "dimensions": 6}
    return Embed(door, f"sim-{target}/m", **{**fields, **more})


def rerank(door: str, target: str, **more: Any) -> Rerank:
    """Return a request to order four documents."""
    return Rerank(
        door, f"sim-{target}/m", **{"query": "language ruby", "documents": DOCUMENTS, "top": 3, **more}
    )


async def send(gate: House, asked: Embed | Rerank) -> Answer:
    """Send a request as the door's own client would."""
    door, task = DIALECTS[asked.dialect], "rerank" if isinstance(asked, Rerank) else "embed"
    call = door.tasks.codec(task).write_request(asked)  # type: ignore[arg-type,union-attr]
    return await ask(gate.port, post(f"{door.root}{call.path}", call.body))


def cross(
    folder: Path, asked: Embed | Rerank | tuple[str, Any], **default: Any
) -> tuple[Answer, ExchangeRow, list[Any]]:
    """Ask across; return the answer, the ledger's row and the bodies the provider heard."""

    async def one() -> tuple[Answer, ExchangeRow, list[Any]]:
        async with Simulator(read({"default": default})) as sim, house(folder, sim.url) as gate:
            if isinstance(asked, tuple):
                got = await ask(gate.port, post(*asked))
            else:
                got = await send(gate, asked)
            [row] = await gate.rows(1)
            return got, row, [entry.body for entry in sim.journal.entries]

    return asyncio.run(one())


def told(asked: Embed | Rerank, got: Answer) -> Any:
    """Return what the door's own client makes of an answer."""
    assert got.status == 200, got.body
    door = DIALECTS[asked.dialect]
    codec: Any = door.tasks.rerank if isinstance(asked, Rerank) else door.tasks.embed
    return codec.read_answer(Reply(got.status, got.headers, got.json), asked)


def refused(door: Dialect, got: Answer) -> Failure:
    """Return what the door's own client makes of a refusal."""
    assert got.status >= 400, got.body
    return door.read_failure(Reply(got.status, got.headers, got.json))


def expected(asked: Embed) -> tuple[tuple[float, ...], ...]:
    """Return the vectors the simulator gives model ``m`` for the inputs of `asked`."""
    return tuple(simulated.vector(pieces, "m", asked.dimensions) for pieces in asked.inputs)


@pytest.mark.parametrize("target", EMBEDDERS)
@pytest.mark.parametrize("door", EMBED_DOORS)
def test_vectors(tmp_path: Path, door: str, target: str) -> None:
    """Each input's own vector, in order and to the last bit; tokens, task and losses in the ledger."""
    asked = embed(door, target)
    got, row, [heard] = cross(tmp_path, asked)
    answer = told(asked, got)
    assert isinstance(answer, Embedded)
    assert answer.vectors == expected(asked)
    assert answer.usage is not None
    assert answer.usage.total == 6
    assert (row.state, row.dialect, row.task, row.answered_model) == ("settled", door, "embed", "m")
    assert (row.meters.input, row.meters.output, row.meters.estimated) == (6, 0, False)
    purpose = {f"dropped:{name}" for name in LOSSES[target]} if asked.purpose else set()
    guessed = {"approximated:purpose"} if target == "cohere" and not asked.purpose else set()
    assert set(row.losses) == purpose | guessed
    assert "m" in str(heard)


@pytest.mark.parametrize("target", EMBEDDERS)
@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (
            "/v1beta/models/{}:embedContent",
            {"content": {"parts": [{"text": "a red fox"}]}},
            ("embedding", "values"),
        ),
        ("/api/embeddings", {"model": "{}", "prompt": "a red fox"}, ("embedding",)),
    ],
    ids=["gemini", "ollama"],
)
def test_one_vector_alone(
    tmp_path: Path, path: str, body: dict[str, Any], where: tuple[str, ...], target: str
) -> None:
    """The endpoints for one text answer one vector, whoever made it."""
    model = f"sim-{target}/m"
    body = {**body, "model": model} if "model" in body else body
    got, row, _ = cross(tmp_path, (path.format(model), body))
    assert got.status == 200, got.body
    value = got.json
    for name in where:
        value = value[name]
    [vector] = expected(Embed("", "m", ((Text("a red fox"),),)))
    assert tuple(value) == vector
    assert row.state == "settled"


@pytest.mark.parametrize("target", EMBEDDERS)
def test_base64_is_given_for_any_provider(tmp_path: Path, target: str) -> None:
    """A client that asks for base64, as OpenAI's SDK does, gets the same numbers in it."""
    body = {"model": f"sim-{target}/m", "input": "a red fox", "encoding_format": "base64", "dimensions": 6}
    got, _, [heard] = cross(tmp_path, ("/v1/embeddings", body))
    data = base64.b64decode(got.json["data"][0]["embedding"])
    [vector] = expected(Embed("", "m", ((Text("a red fox"),),), dimensions=6))
    assert struct.unpack("<6f", data) == vector
    assert ("encoding_format" in heard) is target.startswith("openai")


@pytest.mark.parametrize("target", RERANKERS)
@pytest.mark.parametrize("door", RERANK_DOORS)
def test_ranks(tmp_path: Path, door: str, target: str) -> None:
    """The best documents by their index, best first, and no more than were wanted."""
    asked = rerank(door, target)
    got, row, [heard] = cross(tmp_path, asked)
    answer = told(asked, got)
    assert isinstance(answer, Ranked)
    assert [(rank.index, rank.score) for rank in answer.ranks] == [(1, 0.5), (2, 0.4), (0, 0.0)]
    assert (row.state, row.task, row.losses) == ("settled", "rerank", ())
    assert heard["documents"] == list(DOCUMENTS)
    assert heard["top_n"] == 3
    # Cohere bills searches, not tokens: what it read is a guess, and the row says so.
    assert row.meters.estimated is (target == "cohere")
    assert row.meters.input > 0


@pytest.mark.parametrize("target", RERANKERS)
def test_documents_come_back_where_they_are_wanted(tmp_path: Path, target: str) -> None:
    """A provider that does not repeat the documents costs the client nothing."""
    body = {
        "model": f"sim-{target}/m",
        "query": "ruby",
        "documents": list(DOCUMENTS),
        "return_documents": True,
    }
    got, _, _ = cross(tmp_path, ("/v1/rerank", body))
    assert all(one["document"]["text"] == DOCUMENTS[one["index"]] for one in got.json["results"])


@pytest.mark.parametrize("door", EMBED_DOORS)
def test_who_has_no_embeddings_says_so(tmp_path: Path, door: str) -> None:
    """A target without the task is a 400 in the door's words, and nothing is sent."""
    got, row, heard = cross(tmp_path, embed(door, "anthropic"))
    assert got.status == 400
    assert "cannot embed" in refused(DIALECTS[door], got).message
    assert (row.state, row.failure, heard) == ("failed", "unsupported", [])


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (embed("openai_chat", "gemini", inputs=((Tokens((1, 2)),),)), "inputs[0][0]"),
        (embed("openai_chat", "cohere", inputs=((Text("a"),) * 1, (Text("b"),)) * 50), "inputs[96]"),
        (
            embed("cohere", "ollama", inputs=((Media("image", "base64", "iVBORw0KGgo=", "image/png"),),)),
            "inputs[0][0]",
        ),
    ],
    ids=["tokens", "too many", "image"],
)
def test_what_cannot_be_said_is_refused(tmp_path: Path, asked: Embed, where: str) -> None:
    """What a provider would not see as it is, or not take, never leaves; the client is told where."""
    got, row, heard = cross(tmp_path, asked)
    assert got.status == 400
    assert where in got.body.decode()
    assert (row.failure, heard) == ("unsupported", [])


def test_integer_vectors_are_cohere_s_alone(tmp_path: Path) -> None:
    """They go home verbatim, and abroad the request is refused."""
    body = {
        "model": "sim-cohere/m",
        "input_type": "search_query",
        "texts": ["a"],
        "embedding_types": ["int8", "ubinary"],
    }
    got, row, [heard] = cross(tmp_path / "home", ("/v2/embed", body))
    assert got.json["embeddings"].keys() == {"int8", "ubinary"}
    assert heard["embedding_types"] == ["int8", "ubinary"]
    assert row.losses == ()
    got, _, heard = cross(tmp_path / "abroad", ("/v2/embed", {**body, "model": "sim-gemini/m"}))
    assert (got.status, heard) == (400, [])
    assert "embedding_types" in got.body.decode()


@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.parametrize("target", EMBEDDERS)
@pytest.mark.parametrize("door", EMBED_DOORS)
def test_errors(tmp_path: Path, door: str, target: str, status: int) -> None:
    """A provider's error means the same on the other side."""
    got, row, _ = cross(tmp_path, embed(door, target), error={"status": status})
    kinds = {
        400: {Kind.INVALID},
        429: {Kind.RATE_LIMITED},
        500: {Kind.UPSTREAM, Kind.OVERLOADED, Kind.INTERNAL},
    }
    assert refused(DIALECTS[door], got).kind in kinds[status]
    assert row.state == "failed"


SHORT: dict[str, Any] = {
    "openai_chat": {"data": []},
    "openai_responses": {"data": []},
    "gemini": {"embeddings": []},
    "cohere": {"embeddings": {"float": []}},
    "ollama": {"embeddings": [[1.0]]},
}


@pytest.mark.parametrize("target", EMBEDDERS)
def test_a_vector_too_few_is_the_providers_fault(tmp_path: Path, target: str) -> None:
    """A shorter answer never looks like a good one: 502, and nothing of it reaches the client."""
    got, row, _ = cross(tmp_path, embed("openai_chat", target), patch=SHORT[target])
    assert got.status == 502
    assert row.failure == "upstream"


def test_a_fault_is_retried_elsewhere(tmp_path: Path) -> None:
    """The next target of a route answers, and the client never knows."""
    (tmp_path / "dragoman.toml").write_text(
        '[routes.vectors]\ntargets = ["sim-openai_chat/m", "sim-cohere/n"]\n'
    )
    rules = [
        {"match": {"dialect": "openai_chat"}, "then": {"reply": {"status": 200, "body": {"data": "none"}}}}
    ]

    async def one() -> None:
        async with Simulator(read({"rules": rules})) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post("/v1/embeddings", {"model": "vectors", "input": "a red fox"}))
            assert got.status == 200, got.body
            [row] = await gate.rows(1)
            assert (row.attempts, row.provider, row.state) == (2, "sim-cohere", "settled")

    asyncio.run(one())
