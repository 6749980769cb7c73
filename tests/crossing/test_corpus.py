"""Every sample through every other dialect: what is understood there, and what that loses.

The losses are compared with those in golden/, so that one more or one less is seen in a review. A difference
that no loss names fails before it can get there: see gist.py.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.crossing import gist, golden
from tests.dialects.corpus import RECORDED, Sample, samples

from dragoman.core.extras import Loss
from dragoman.core.request import Message, Request, Sampling, Text, Thinking, ToolCall


@cache
def kept(path: Path) -> dict[str, dict[str, str]]:
    """Return a golden file."""
    found: dict[str, dict[str, str]] = json.loads(path.read_text())
    return found


def check(kind: str, sample: Sample) -> None:
    """Compare what a sample loses with what is kept."""
    expected = kept(golden.file_of(sample)).get(golden.key_of(kind, sample), {})
    assert golden.entry(kind, sample) == expected, "if it is meant: python tests/crossing/golden.py"


@samples("requests")
def test_a_request_is_understood_elsewhere(sample: Sample) -> None:
    """The other side reads what was asked; what it does not is a declared loss, and a known one."""
    check("requests", sample)


@samples("answers")
def test_an_answer_is_understood_elsewhere(sample: Sample) -> None:
    """The other side's client reads what was answered; what it does not is a loss, and a known one."""
    check("answers", sample)


@samples("streams")
def test_a_stream_is_understood_elsewhere(sample: Sample) -> None:
    """So it is when it is streamed; and a stream that failed fails there too."""
    check("streams", sample)


def test_no_entry_is_left_over() -> None:
    """A golden entry belongs to a sample; what recordings there are says which can be looked at."""
    names = {golden.key_of(kind, sample) for kind, sample in golden.all_samples()}
    files = ["own.json", *(["recorded.json"] if RECORDED.is_dir() else [])]
    assert [name for file in files for name in kept(golden.FOLDER / file) if name not in names] == []


TALK = Request(
    "anthropic",
    "m",
    (
        Message("user", (Text("What is it like?"),)),
        Message("assistant", (Thinking("Look."), ToolCall("a", "look", '{"at":1}'))),
    ),
    sampling=Sampling(top_k=5),
)


def changed(**fields: Any) -> Request:
    """Return TALK otherwise."""
    return msgspec.structs.replace(TALK, **fields)


@pytest.mark.parametrize(
    ("after", "field", "excuse"),
    [
        (changed(sampling=Sampling()), "top_k", "top_k"),
        (changed(messages=TALK.messages[:1]), "calls", "messages[1].parts[1]"),
        (
            changed(messages=(Message("user", (Text("What?"),)), TALK.messages[1])),
            "words",
            "messages[0].parts[0]",
        ),
        (
            changed(messages=(TALK.messages[0], Message("assistant", TALK.messages[1].parts[1:]))),
            "thinking",
            "messages[1]",
        ),
    ],
)
def test_a_silent_loss_is_seen(after: Request, field: str, excuse: str) -> None:
    """What differs is told, unless a loss names that very part; one at another part is no excuse."""
    found = gist.differences(TALK, after, ())
    assert any(line.startswith(field) for line in found)
    left = gist.differences(TALK, after, (Loss("dropped", excuse),))
    assert not any(line.startswith(field) for line in left)
    elsewhere = gist.differences(
        TALK, after, (Loss("dropped", "messages[7].parts[0]"), Loss("dropped", "seed"))
    )
    assert any(line.startswith(field) for line in elsewhere)
