"""Vectors and ranks: what is the provider's fault, what is refused, what is kept item by item."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from dragoman.core.extras import Extras, Json, Loss
from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.request import Media, Signature, Text
from dragoman.core.tasks import Embed, Rank, Rerank, Tokens
from dragoman.dialects.border import Crossing
from dragoman.dialects.vectors import (
    limited,
    numbers,
    packed,
    put_back,
    ranked,
    set_apart,
    together,
    unsaid,
    whole,
    words,
)

TWO = Embed("ollama", "m", ((Text("a"),), (Text("b"),)))


def b64(*values: float) -> str:
    """Return float32s as base64."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


@pytest.mark.parametrize("value", [[0.5, -1], b64(0.5, -1)], ids=["numbers", "base64"])
def test_a_vector_is_read_in_either_spelling(value: Json) -> None:
    """Numbers and base64 of float32 are the same vector, whole numbers being floats too."""
    vector = numbers(value, "$")
    assert vector == (0.5, -1.0)
    assert {*map(type, vector)} == {float}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "",
        {},
        5,
        [1, "a"],
        [1, None],
        [True],
        [[1.0]],
        [10**400],
        "####",
        "AAAA",
        "AAAAAAA=",
        b64(float("nan")),
    ],
    ids=repr,
)
def test_what_is_no_vector_is_the_providers_fault(value: Json) -> None:
    """Not a number, not finite, not whole float32s or nothing at all: 502, and another may do better."""
    with pytest.raises(Failure, match=r"\$\.x") as caught:
        numbers(value, "$.x")
    assert caught.value.source is Source.UPSTREAM


def test_packing_is_exact_for_float32() -> None:
    """What was base64 is the same base64 again."""
    assert packed(numbers(b64(0.1, -3e38, 1e-45), "$")) == b64(0.1, -3e38, 1e-45)


def test_numbers_beyond_float32_are_not_packed_as_infinity() -> None:
    """A client would otherwise store infinities."""
    with pytest.raises(Failure) as caught:
        packed((1e300,))
    assert caught.value.source is Source.UPSTREAM


@pytest.mark.parametrize(
    ("vectors", "dimensions", "said"),
    [
        ([(1.0,)], None, "1 vectors for 2"),
        ([(1.0,)] * 3, None, "3 vectors for 2"),
        ([(1.0,), (1.0, 2.0)], None, "2 dimensions where 1"),
        ([(1.0,), (2.0,)], 2, "1 dimensions where 2"),
    ],
)
def test_vectors_are_all_that_was_asked(vectors: list[Any], dimensions: int | None, said: str) -> None:
    """One for each input, all of one length, and of the length asked for."""
    asked = Embed("x", "m", TWO.inputs, dimensions=dimensions)
    with pytest.raises(Failure, match=said) as caught:
        whole(vectors, asked)
    assert (caught.value.kind, caught.value.source) == (Kind.UPSTREAM, Source.UPSTREAM)


def test_lengths_may_be_asked_one_by_one() -> None:
    """Where each has a length of its own, each is held to its own."""
    assert whole([(1.0,), (1.0, 2.0)], TWO, [1, None]) == ((1.0,), (1.0, 2.0))
    with pytest.raises(Failure):
        whole([(1.0,), (1.0, 2.0)], TWO, [1, 1])


def test_texts_of_one_input_are_joined_aloud() -> None:
    """Joining is a loss, and so is what was said of a text that nobody else can read."""
    out = Crossing("ollama")
    signed = Text("b", signature=Signature("gemini", "s"), extras=Extras("gemini", {"odd": 1}))
    assert words((Text("a"), signed), "inputs[0]", out) == "a\nb"
    assert [str(loss) for loss in out.losses] == [
        "dropped:inputs[0][1].odd",
        "dropped:inputs[0][1].signature",
        "approximated:inputs[0]",
    ]


@pytest.mark.parametrize(
    "piece", [Tokens((1,)), Media("image", "url", "https://x/y")], ids=["tokens", "image"]
)
def test_what_is_no_text_is_refused(piece: Tokens | Media) -> None:
    """The model would see something else than the client showed it."""
    with pytest.raises(Failure) as caught:
        words((Text("a"), piece), "inputs[3]", Crossing("ollama"))
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "inputs[3][1]")


def test_nothing_and_too_much_are_refused() -> None:
    """Another provider may take what this one does not."""
    for asked, at in ((Embed("x", "m", ()), "inputs"), (TWO, "inputs[1]")):
        with pytest.raises(Failure) as caught:
            limited(asked, Crossing("ollama"), 1)
        assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, at)


def test_only_what_was_said_is_lost() -> None:
    """A field nobody set is no loss."""
    out = Crossing("ollama")
    unsaid(Embed("x", "m", (), "query"), out, "purpose", "user")
    assert out.losses == [Loss("dropped", "purpose", "ollama has no such field")]


ASKED = Rerank("x", "m", "q", ("a", "b", "c"))


def rank(index: Json, score: Json = 0.5, **more: Json) -> dict[str, Json]:
    """Return one result."""
    return {"index": index, "relevance_score": score, **more}


def test_ranks_are_sorted_and_cut() -> None:
    """A server that ignores the limit or the order is put right; equal scores keep their order."""
    given = [rank(0, 0.1), rank(2, 0.9, document={"text": "c"}), rank(1, 0.9, odd=1)]
    assert ranked(given, Rerank("x", "m", "q", ASKED.documents, 2), "x") == (
        Rank(2, 0.9, Extras("x", quiet={"document": {"text": "c"}})),
        Rank(1, 0.9, Extras("x", {"odd": 1})),
    )


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        "x",
        [1],
        [rank(0), rank(1)],
        [rank(0), rank(1), rank(3)],
        [rank(0), rank(1), rank(-1)],
        [rank(0), rank(1), rank(1)],
        [rank(0), rank(1), rank("2")],
        [rank(0), rank(1), rank(2, None)],
        [rank(0), rank(1), rank(2, "high")],
        [rank(0), rank(1), rank(2, True)],
        [rank(0), rank(1), rank(2, 10**400)],
    ],
    ids=repr,
)
def test_ranks_of_no_document_are_the_providers_fault(given: Json) -> None:
    """Missing, unknown, ranked twice or without a score: 502, never a shorter list."""
    with pytest.raises(Failure) as caught:
        ranked(given, ASKED, "x")
    assert caught.value.source is Source.UPSTREAM


def test_what_is_left_of_items_is_named_once_and_put_back() -> None:
    """Each field is one loss abroad, nulls are none, and at home all of it is where it was."""
    left: list[dict[str, Json]] = [{"title": "t"}, {}, {"title": None, "odd": 2, "null": None}]
    rest, quiet = set_apart("items", left)
    assert rest == {"items.title": ["t", None, None], "items.odd": [None, None, 2]}
    own = Extras("x", {"top": 1, **rest}, (), {"echo": 3, **quiet})
    assert put_back("items", own, 3) == left
    assert together("items", own) == {"top": 1, "echo": 3}
    assert set_apart("items", [{}, {}]) == ({}, {})
    assert put_back("items", Extras("x"), 2) == [{}, {}]
