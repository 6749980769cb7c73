"""Tasks: values like the rest of the core, equal by content and fit to be kept."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.core.request import Media, Text
from dragoman.core.tasks import Embed, Embedded, Rank, Ranked, Rerank, Tokens
from dragoman.core.usage import Usage


@pytest.mark.parametrize(
    "value",
    [
        Embed("d", "m", ((Text("a"), Media("image", "base64", "AA", mime="image/png")), (Tokens((1, 2)),))),
        Embedded("id", "m", ((0.5, -1.0), (0.25, 0.0)), Usage(input=3)),
        Rerank("d", "m", "q", ("one", "two"), top=1),
        Ranked("id", "m", (Rank(1, 0.9), Rank(0, 0.1))),
    ],
    ids=["embed", "embedded", "rerank", "ranked"],
)
def test_a_task_survives_being_stored(value: msgspec.Struct) -> None:
    """Written and read again it is the same value, and no other object."""
    again = msgspec.json.decode(msgspec.json.encode(value), type=type(value))
    assert again == value
    assert again is not value
