"""What the embed and rerank codecs are tested on: exchanges written by hand, and recorded ones beside it.

corpus/<dialect>/tasks/*.json    {"source", "task", "path", "request", "answer"}, "home" if the request
                                 goes home in another shape than it came in
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.dialects.corpus import OWN, RECORDED

from dragoman.core.extras import Json
from dragoman.core.tasks import Embed, Rerank
from dragoman.dialects import Call, Reply, Task, TaskCodec
from dragoman.dialects.catalog import DIALECTS

TASK = re.compile(r"embed|rerank", re.IGNORECASE)


class Exchange(msgspec.Struct, frozen=True):
    """One request of a client, and what its provider answered."""

    dialect: str
    name: str
    task: Task
    path: str
    request: Json
    answer: Json
    home: Json = None
    status: int = 200

    @property
    def codec(self) -> TaskCodec[Any, Any]:
        """Who reads and writes it."""
        codec = DIALECTS[self.dialect].tasks.codec(self.task)
        assert codec is not None
        return codec

    @property
    def call(self) -> Call:
        """The request."""
        return Call("POST", self.path, body=self.request)

    @property
    def reply(self) -> Reply:
        """The answer."""
        return Reply(self.status, body=self.answer)

    def asked(self) -> Embed | Rerank:
        """Return the request as the codec reads it."""
        asked: Embed | Rerank = self.codec.read_request(self.call)
        return asked


def own() -> Iterator[Exchange]:
    """Yield the exchanges written by hand."""
    for name in DIALECTS:
        for path in sorted((OWN / name / "tasks").glob("*.json")):
            data = json.loads(path.read_text())
            del data["source"]
            yield Exchange(name, f"{name}/tasks/{path.stem}", **data)


def recorded() -> Iterator[Exchange]:
    """Yield the recorded exchanges, where they are at hand."""
    for name in DIALECTS:
        for path in sorted((RECORDED / name).glob("*.json")):
            data = json.loads(path.read_text())
            if not TASK.search(data["path"]):
                continue
            home = None
            if data["path"].endswith(":embedContent"):
                model = data["path"].rpartition(":")[0].rpartition("/")[2]
                home = {"requests": [{"model": f"models/{model}", **data["request"]}]}
            task: Task = "rerank" if "rerank" in data["path"] else "embed"
            yield Exchange(
                name,
                f"{name}/recorded/{path.stem}",
                task,
                data["path"],
                data["request"],
                data["response"],
                home,
                data["status"],
            )


def exchanges(*, answered: bool = False) -> pytest.MarkDecorator:
    """Parametrise a test over every exchange, as ``sample``; `answered`: only those that went well."""
    found = [
        pytest.param(sample, id=sample.name)
        for sample in (*own(), *recorded())
        if sample.status == 200 or not answered
    ]
    if not RECORDED.is_dir():
        missing = pytest.mark.skip(reason="no recorded traffic beside the project: tasks untested on it")
        found.append(pytest.param(None, id="recorded", marks=missing))
    return pytest.mark.parametrize("sample", found)
