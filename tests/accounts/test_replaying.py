"""The command that asks again: of every dialect, without a key, and with nothing a shell would run."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.replaying import _SHAPES, replay
from dragoman.store import ExchangeRow

NASTY = "m'; rm -rf ~ #`$(id)`\n\"<script>"


def row(dialect: str = "openai_chat", task: str = "generate", **more: Any) -> ExchangeRow:
    """Return an exchange."""
    fields: dict[str, Any] = {"model": "m", "stream": False} | more
    return ExchangeRow(id="x", request_id="x", owner="me", key="secretive", dialect=dialect, task=task,
                       opened_at=1.0, **fields)  # fmt: skip


def words(command: str) -> list[str]:
    """Return a command's words as a shell takes them, where `$DRAGOMAN_KEY` is `KEY`."""
    return shlex.split(command.replace("\\\n", " ").replace("$DRAGOMAN_KEY", "KEY"))


@pytest.mark.parametrize(("dialect", "task"), sorted(_SHAPES))
@pytest.mark.parametrize("stream", [True, False])
def test_every_dialect_is_asked_in_its_own_words(dialect: str, task: str, stream: bool) -> None:  # noqa: FBT001  as above
    """The path is one this dialect serves, the body JSON, and the key the shell's."""
    command = replay(row(dialect, task, stream=stream), "http://here:1")
    assert command is not None
    curl, *rest = words(command)
    assert curl == "curl"
    assert sum("KEY" in word for word in rest) == 1
    assert rest[1].startswith("http://here:1/")
    body = json.loads(rest[rest.index("-d") + 1])
    assert isinstance(body, dict)
    assert "secretive" not in command


@given(st.text(min_size=1, max_size=30), st.text(max_size=30))
def test_no_name_and_no_word_leaves_its_quotes(model: str, prompt: str) -> None:
    """What a client said is one word of the command, to the letter, whatever it holds."""
    model, prompt = (text.replace("$DRAGOMAN_KEY", "").replace("\\\n", "") for text in (model, prompt))
    command = replay(row(model=model), "http://here:1", prompt)
    assert command is not None
    body = json.loads(words(command)[-1])
    assert (body["model"], body["messages"][0]["content"]) == (model, prompt)


@pytest.mark.parametrize("dialect", ["gemini", "prompt"])
def test_a_model_in_the_path_stays_there(dialect: str) -> None:
    """It is escaped, so that it is neither another path nor another command."""
    command = replay(row(dialect, model=NASTY), "http://here:1")
    assert command is not None
    assert "rm -rf" not in command
    assert len([word for word in words(command) if word.startswith("http")]) == 1


def test_what_passed_through_has_no_shape() -> None:
    """Nobody read it, so nobody can say it again."""
    assert replay(row("relay", "relay"), "http://here:1") is None


def test_words_stay_out_unless_given() -> None:
    """A placeholder stands for them."""
    assert json.loads(words(replay(row(), "http://here:1") or "")[-1])["messages"][0]["content"] == "..."
