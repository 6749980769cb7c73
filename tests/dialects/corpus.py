"""What the dialects are tested on: a hand-written corpus, and recorded traffic where it is at hand.

    corpus/<dialect>/requests/*.json    {"source", "headers", "body"}, "path" if it is not the first one
    corpus/<dialect>/answers/*.json     {"source", "status", "body"}
    corpus/<dialect>/failures/*.json    {"source", "status", "headers", "body"}
    corpus/<dialect>/streams/*          bytes as they come: .sse, or .ndjson

Recorded traffic is not part of the project. It is looked for beside it; where it is missing, the tests on
it say so by one skip each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.core.events import Event
from dragoman.core.extras import Json
from dragoman.core.failure import Failure
from dragoman.core.request import Request
from dragoman.dialects import Call, Dialect, Reply, framing_of
from dragoman.dialects.catalog import DIALECTS

OWN = Path(__file__).parent / "corpus"
RECORDED = Path(__file__).parents[2].parent / "shared" / "corpus"
OTHER_TASKS = re.compile(r"embed|rerank|compact|count", re.IGNORECASE)


class Sample(msgspec.Struct, frozen=True):
    """One thing of the wire: a request, an answer, a failure or a stream."""

    dialect: str
    name: str
    path: str = ""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    status: int = 200
    body: Json = None
    stream: bytes = b""
    asked: Json = None
    """The request that a recorded answer answers."""

    @property
    def codec(self) -> Dialect:
        """The dialect it is in."""
        return DIALECTS[self.dialect]

    @property
    def call(self) -> Call:
        """It as a request."""
        return Call("POST", self.path, self.query, self.headers, self.body)

    @property
    def reply(self) -> Reply:
        """It as an answer."""
        return Reply(self.status, self.headers, self.body)

    def events(self) -> tuple[list[Event], Failure | None]:
        """Return what its stream says, and the failure it ends in, if it does."""
        return read(self.codec, self.stream)


def own(kind: str, *endings: str) -> Iterator[Sample]:
    """Yield the hand-written samples of one kind."""
    for name, dialect in DIALECTS.items():
        for path in sorted(p for ending in endings for p in (OWN / name / kind).glob(f"*.{ending}")):
            label, served = f"{name}/{kind}/{path.stem}", dialect.endpoints[0].path
            if path.suffix == ".json":
                data = json.loads(path.read_text())
                fields = {field: data[field] for field in ("headers", "status", "body") if field in data}
                yield Sample(name, label, data.get("path", served), **fields)
            else:
                yield Sample(name, label, served, stream=path.read_bytes())


def _recorded() -> Iterator[dict[str, Any]]:
    for name in DIALECTS:
        for path in sorted((RECORDED / name).glob("*.json")):
            data = json.loads(path.read_text())
            asked = data["method"] == "POST" and isinstance(data["request"], dict)
            if asked and not OTHER_TASKS.search(data["path"]):
                yield {**data, "dialect": name, "name": f"{name}/recorded/{path.stem}"}


def _requests() -> Iterator[Sample]:
    yield from own("requests", "json")
    for data in _recorded():
        if data["path"].endswith("/invoke"):
            continue  # Bedrock's own endpoint: the model is in its path
        query = data["query"] if isinstance(data["query"], dict) else {}
        yield Sample(data["dialect"], data["name"], data["path"], query, body=data["request"])


def _answers() -> Iterator[Sample]:
    yield from own("answers", "json")
    for data in _recorded():
        if data["status"] == 200 and "response" in data:
            yield _sample(data, body=data["response"])


def _failures() -> Iterator[Sample]:
    yield from own("failures", "json")
    for data in _recorded():
        if data["status"] != 200:
            yield _sample(data, body=data["response"])


def _streams() -> Iterator[Sample]:
    yield from own("streams", "sse", "ndjson")
    for data in _recorded():
        if data["status"] == 200 and "stream" in data:
            yield _sample(data, stream=data["stream"].encode())


def _sample(data: dict[str, Any], **fields: Any) -> Sample:
    headers, status = data["response_headers"], data["status"]
    return Sample(
        data["dialect"],
        data["name"],
        data["path"],
        headers=headers,
        status=status,
        asked=data["request"],
        **fields,
    )


KINDS: dict[str, Callable[[], Iterator[Sample]]] = {
    "requests": _requests,
    "answers": _answers,
    "failures": _failures,
    "streams": _streams,
}


def samples(kind: str) -> pytest.MarkDecorator:
    """Parametrise a test over every sample of one kind, as ``sample``."""
    found = [pytest.param(sample, id=sample.name) for sample in KINDS[kind]()]
    if not RECORDED.is_dir():
        missing = pytest.mark.skip(reason=f"no recorded traffic beside the project: {kind} untested on it")
        found.append(pytest.param(None, id="recorded", marks=missing))
    return pytest.mark.parametrize("sample", found)


def read(codec: Dialect, data: bytes, *, cut: int | None = None) -> tuple[list[Event], Failure | None]:
    """Read a whole stream, in one piece or in pieces of `cut` bytes."""
    size = cut or max(len(data), 1)
    decoder, reader = codec.framing.decoder(), codec.reader()
    events: list[Event] = []
    try:
        for start in range(0, len(data), size):
            for frame in decoder.feed(data[start : start + size]):
                events += reader.feed(frame)
        for frame in decoder.close():
            events += reader.feed(frame)
        events += reader.close()
    except Failure as failure:
        return events, failure
    return events, None


def write(codec: Dialect, events: list[Event], request: Request) -> bytes:
    """Write events as a stream."""
    writer = codec.writer(request)
    framing = framing_of(codec, writer)
    return b"".join(framing.encode(frame) for event in events for frame in writer.feed(event))
