"""Vectors and ranks of the simulator: deterministic, alike in every dialect, under the script as all is."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from typing import Any

import pytest
from tests.dialects.tasks import Exchange, own
from tests.simulator.raw import once, play, post, until_end

from dragoman.core.extras import Extras
from dragoman.core.request import Media, Text
from dragoman.core.tasks import Embed, Rerank, Tokens
from dragoman.dialects import Reply
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Behaviour, Canned, Counts, Error, Fault, Match, Rule, Script, Simulator
from dragoman.simulator.tasks import all_words, answer, digest, quantised, ranks, usage_of, vector

FOX = (Text("a red fox"),)
ASKED = Embed("openai_chat", "m", (FOX, (Text("b"),)))


async def told(simulator: Simulator, path: str, body: Any) -> tuple[int, Any]:
    """Send one request; return the status and the body of the answer."""
    heard = await once(simulator, post(path, body))
    return heard.status, json.loads(heard.body)


def test_a_vector_has_unit_length_and_the_dimensions_asked_for() -> None:
    """Eight numbers unless the request says; each is a float32, so base64 tells them exactly."""
    for dimensions in (None, 1, 3, 1536):
        numbers = vector(FOX, "m", dimensions)
        assert len(numbers) == (dimensions or 8)
        assert math.isclose(math.hypot(*numbers), 1.0, rel_tol=1e-5)
        assert struct.unpack(f"<{len(numbers)}f", struct.pack(f"<{len(numbers)}f", *numbers)) == numbers


def test_a_vector_hangs_on_seed_model_and_input_alone() -> None:
    """The same text has the same vector anywhere; another text, model or seed has another."""
    first = vector(FOX, "m")
    assert vector((Text("a red fox", extras=Extras("cohere", {"odd": 1})),), "m") == first
    others = [
        vector((Text("a red foxes"),), "m"),
        vector(FOX, "m", seed=1),
        vector(FOX, "n"),
        vector((Tokens((1,)),), "m"),
    ]
    assert len({first, *others}) == 5


def test_ranks_follow_the_words_in_common() -> None:
    """The order means something: most overlap first, equals in their own order, and only the best wanted."""
    asked = Rerank("x", "m", "Red fox!", ("blue whale", "a red fox", "fox", "the fox, red"))
    assert [rank.index for rank in ranks(asked)] == [1, 3, 2, 0]
    assert [rank.index for rank in ranks(Rerank("x", "m", "Red fox!", asked.documents, 1))] == [1]
    assert [rank.score for rank in ranks(Rerank("x", "m", "", ("", "a")))] == [0.0, 0.0]


def test_usage_is_words_images_and_tokens() -> None:
    """What is read is counted; a query is read with every document; a behaviour may say otherwise."""
    image = Media("image", "base64", "AAAA", "image/png")
    assert (
        usage_of(Embed("x", "m", (FOX, (Text("b"), image), (Tokens((1, 2)),))), Behaviour()).input
        == 3 + 1 + 256 + 2
    )
    assert usage_of(Rerank("x", "m", "red fox", ("a b", "c")), Behaviour()).input == 4 + 3
    assert usage_of(ASKED, Behaviour(counts=Counts(input=99))).input == 99


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("int8", [127, -127, 0, 64, 0, 0, 0, 0, 127]),
        ("uint8", [255, 1, 128, 192, 128, 128, 128, 128, 255]),
        ("ubinary", [0b10010000, 0b10000000]),
        ("binary", [0b10010000 - 128, 0]),
    ],
)
def test_integer_formats(kind: str, expected: list[int]) -> None:
    """Rounded, or one bit for each number's sign, as Cohere packs them."""
    assert quantised([1.0, -1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 1.0], kind) == expected


def test_what_is_asked_is_told_apart() -> None:
    """A digest hangs on the seed and on all that is asked; the words are those of texts and documents."""
    marks = {digest(0, ASKED), digest(1, ASKED), digest(0, Rerank("x", "m", "q", ("d",)))}
    assert len(marks) == 3
    assert all_words(Embed("x", "m", (FOX, (Tokens((1,)), Text("b"))))) == "a red fox\nb"
    assert all_words(Rerank("x", "m", "q", ("d", "e"))) == "q\nd\ne"


@pytest.mark.parametrize("sample", [pytest.param(one, id=one.name) for one in own()])
def test_every_shape_is_answered_so_that_its_own_codec_reads_it(sample: Exchange) -> None:
    """Whatever a client may send has an answer its provider might give."""
    asked = sample.asked()
    reply, _ = answer(DIALECTS[sample.dialect], asked, Behaviour(), seed=0)
    assert sample.codec.read_answer(Reply(200, body=json.loads(json.dumps(reply.body))), asked)


def test_it_is_served_read_and_entered() -> None:
    """Over a socket: the answer, and an entry with dialect and model; the same bytes have the same answer."""

    async def script() -> None:
        async with Simulator() as simulator:
            body = {"model": "m", "input": ["a red fox", "b"], "encoding_format": "float"}
            status, first = await told(simulator, "/v1/embeddings", body)
            assert status == 200
            assert first["data"][0]["embedding"] == list(vector(FOX, "m"))
            assert first["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
            assert (await told(simulator, "/v1/embeddings", body))[1] == first
            entry = simulator.journal.entries[0]
            assert (entry.dialect, entry.model, entry.stream, entry.outcome) == (
                "openai_chat",
                "m",
                False,
                "completed",
            )
            assert entry.record()["body"] == body

    play(script())


def test_what_is_wrong_is_refused_as_the_dialect_refuses() -> None:
    """The codec is the vendor's strictness here too."""

    async def script() -> None:
        async with Simulator() as simulator:
            status, body = await told(simulator, "/v2/embed", {"model": "m", "texts": ["a"]})
            assert (status, "input_type" in body["message"]) == (400, True)
            assert simulator.journal.entries[0].outcome == "refused"

    play(script())


def test_the_script_holds_for_tasks() -> None:
    """Rules match their words; errors, canned replies, patches, headers and names are as anywhere."""
    rules = (
        Rule(
            Match(contains="fox", nth=1),
            Behaviour(error=Error(status=429, message="slow down", retry_after_s=2)),
        ),
        Rule(Match(contains="whale"), Behaviour(reply=Canned(status=200, body={"data": "none"}))),
        Rule(
            Match(model="odd"),
            Behaviour(patch={"object": "odd"}, headers={"x-odd": "1"}, model="own", usage=False),
        ),
    )

    async def script() -> None:
        async with Simulator(Script(rules=rules)) as simulator:
            path = "/v1/embeddings"
            slow = await once(simulator, post(path, {"model": "m", "input": "a fox"}))
            assert (slow.status, slow.header("retry-after")) == (429, "2")
            status, body = await told(simulator, path, {"model": "m", "input": "a fox"})
            assert (status, len(body["data"])) == (200, 1)
            assert (await told(simulator, path, {"model": "m", "input": "a whale"}))[1] == {"data": "none"}
            heard = await once(simulator, post(path, {"model": "odd", "input": "a"}))
            odd = json.loads(heard.body)
            assert (odd["object"], odd["model"], "usage" in odd) == ("odd", "own", False)
            assert heard.header("x-odd") == "1"
            assert [entry.rule for entry in simulator.journal.entries] == [0, None, 1, 2]

    play(script())


def test_faults_hold_for_tasks() -> None:
    """A vector may break on its way like any other answer."""

    async def script() -> None:
        async with Simulator(Behaviour(faults=(Fault("truncate", at_frame=0),))) as simulator:
            heard = await until_end(simulator, post("/api/embed", {"model": "m", "input": "a"}))
            with pytest.raises(json.JSONDecodeError):
                json.loads(heard.body)

    play(script())


def test_a_rerank_bills_as_its_vendor_does() -> None:
    """Cohere counts searches of a hundred documents; the others count tokens."""
    documents = tuple(map(str, range(101)))
    reply, usage = answer(DIALECTS["cohere"], Rerank("cohere", "m", "1", documents), Behaviour(), seed=0)
    assert reply.body["meta"]["billed_units"] == {"search_units": 2}
    assert usage is None
    reply, usage = answer(
        DIALECTS["openai_chat"], Rerank("openai_chat", "m", "1", documents), Behaviour(), seed=0
    )
    assert reply.body["usage"] == {"prompt_tokens": 202, "total_tokens": 202}
    assert usage is not None
    assert usage.input == 202


def test_two_at_once_do_not_meet() -> None:
    """Concurrent requests for different texts get each their own vectors."""

    async def script() -> None:
        async with Simulator() as simulator:
            bodies = [{"model": "m", "input": [f"text {n}"]} for n in range(8)]
            answers = await asyncio.gather(*(told(simulator, "/v1/embeddings", body) for body in bodies))
            for n, (_, body) in enumerate(answers):
                assert body["data"][0]["embedding"] == list(vector((Text(f"text {n}"),), "m"))

    play(script())


def test_a_vector_without_end_is_refused() -> None:
    """A client cannot make the simulator fill the machine's memory with one number."""
    asked = Embed("openai_chat", "m", ((Text("x"),),), dimensions=2**63)
    reply, usage = answer(DIALECTS["openai_chat"], asked, Behaviour(), seed=0)
    assert (reply.status, usage) == (400, None)
    assert "at most 8192 dimensions" in reply.body["error"]["message"]
