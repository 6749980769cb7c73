"""What every oracle is: a program in an official SDK's environment, to say what the SDK makes of a server.

    {"do": "answer", "base_url": "http://...", "model": "m", "words": "Hi", "stream": true}      in, a line
    {"turns": [{"text": "Hello.", "pieces": 1, "calls": [], "stop": "end_turn", ...}]}           out, a line

Commands are the same for all; how a vendor's client is asked for that, and where it keeps the answer, is in
the module named after it. What it says in its own words (why it stopped, the usage, an exception's class) is
passed on in those words: what they should be is for the tests to know. Standard library and SDK only.

    do          answer, loop (tools called, their results brought back), and what else the SDK has a call for
    base_url    the server, without any path; key: the credential
    stream      through the SDK's streaming helper; plain: without it, chunk by chunk
    tools       [{"name", "description", "schema"}]; parse: City, by the SDK's own means
    system, image (base64 PNG), think, max_tokens: as they are named
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Protocol

import pydantic

PATIENCE_S = 60
"""How long an SDK waits for a byte."""


class City(pydantic.BaseModel):
    """What a structured answer has to be."""

    name: str
    people: int


@dataclass
class Called:
    """A tool call; `raw` is the text of its arguments where the SDK shows one."""

    id: str | None
    name: str | None
    args: Any
    raw: str | None = None


@dataclass
class Turn:
    """One answer, as far as it came: it is filled while it is read.

    Attributes:
        text: The text of the message the SDK ended up with; `heard`: what its deltas were, in a row.
        pieces: Deltas of text that were not empty.
        fragments: Deltas of tool arguments that were not empty.
        stop: Why it ended, in the SDK's words.
        usage: What it consumed, in the SDK's words.
        parsed: What the SDK made of a structured answer.
        error: The exception it ended in, or what the SDK shows instead of one.
    """

    text: str = ""
    heard: str = ""
    pieces: int = 0
    thinking: str = ""
    calls: list[Called] = field(default_factory=list)
    fragments: int = 0
    stop: str | None = None
    usage: dict[str, Any] | None = None
    parsed: Any = None
    error: dict[str, Any] | None = None

    def say(self, text: str | None) -> None:
        """Take a delta of text."""
        self.text += text or ""
        self.heard += text or ""
        self.pieces += bool(text)

    def think(self, text: str | None) -> None:
        """Take a delta of thinking."""
        self.thinking += text or ""


class Oracle(Protocol):
    """A vendor's client; what else it can do is a method of the command's name: (client, asked) -> JSON."""

    def connect(self, base_url: str, key: str) -> Any:
        """Return a client that retries nothing."""

    def opening(self, asked: Mapping[str, Any]) -> list[Any]:
        """Return the messages a conversation begins with."""

    def answer(self, client: Any, asked: Mapping[str, Any], history: list[Any], turn: Turn) -> list[Any]:
        """Ask, fill `turn`, and return the answer as messages of the history."""

    def results(self, calls: list[Called], told: list[str]) -> list[Any]:
        """Return what the tools have told as messages of the history."""


def loads(raw: str | None) -> Any:
    """Return arguments as JSON; what is none is left as the text it is."""
    try:
        return json.loads(raw or "{}")
    except ValueError:
        return raw


def serve(oracle: Oracle) -> None:
    """Do what each line of the input says, until it ends."""
    connect = cache(oracle.connect)
    for line in sys.stdin:
        asked = json.loads(line)
        client = connect(asked["base_url"], asked.get("key", "any"))
        print(json.dumps(_done(oracle, client, asked), default=str), flush=True)  # noqa: T201 - the result


def _done(oracle: Oracle, client: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    if asked["do"] in ("answer", "loop"):
        return {"turns": [asdict(turn) for turn in _turns(oracle, client, asked)]}
    try:
        return {"got": getattr(oracle, asked["do"])(client, asked)}
    except Exception as error:  # noqa: BLE001 - whatever it raises is what is asked for
        return {"error": _told(error)}


def _turns(oracle: Oracle, client: Any, asked: Mapping[str, Any]) -> list[Turn]:
    """Return one turn, or as many as it takes until no tool is called any more."""
    history = oracle.opening(asked)
    turns: list[Turn] = []
    while len(turns) < 3:
        turn = Turn()
        turns.append(turn)
        try:
            history += oracle.answer(client, asked, history, turn)
        except Exception as error:  # noqa: BLE001 - whatever it raises is what is asked for
            turn.error = _told(error)
            break
        if asked["do"] == "answer" or not turn.calls:
            break
        history += oracle.results(turn.calls, [f"sun {index}" for index in range(len(turn.calls))])
    return turns


def _told(error: Exception) -> dict[str, Any]:
    """Return an exception as data; which SDK's it is, is the first part of its module."""
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    headers = (
        getattr(getattr(error, "response", None), "headers", None) or getattr(error, "headers", None) or {}
    )
    return {
        "class": f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}",
        "status": status if isinstance(status, int) else None,
        "message": str(error),
        "retry_after": dict(headers).get("retry-after"),
    }
