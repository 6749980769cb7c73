"""A gateway that can answer every example of the document: what its tests and its recordings are played on.

The document's examples ask the embedded model and two of OpenAI's and Cohere's; here a simulated provider
answers to all three names, so each example is sent as it is published.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from tests.house import Answer, House, ask, get, house

from dragoman.core.failure import Kind
from dragoman.simulator import Behaviour, Error, Match, Rule, Script, Simulator

TEXT = "A merchant of Venice."
ALIASES = {
    "smollm2-135m": "sim-openai_chat/smollm2-135m",
    "text-embedding-3-small": "sim-openai_chat/text-embedding-3-small",
    "rerank-v3.5": "sim-cohere/rerank-v3.5",
    "tunedModels/storyteller": "sim-gemini/storyteller",
}
FAILING = {
    409: Error(409, kind=Kind.CONFLICT),
    413: Error(413, kind=Kind.TOO_LARGE),
    429: Error(429, retry_after_s=0.01),
    502: Error(500),
    503: Error(503),
    504: Error(504),
}
"""What a provider says when it is asked for a model called ``fails-with-<status>``."""
SCRIPT = Script(
    default=Behaviour(text=TEXT),
    rules=(
        *(
            Rule(Match(model=f"*fails-with-{status}"), Behaviour(error=error))
            for status, error in FAILING.items()
        ),
        Rule(Match(contains="take your time"), Behaviour(latency_s=30)),
        Rule(Match(contains="a city and its country"), Behaviour()),
    ),
)


@asynccontextmanager
async def gate(folder: Path, **settings: str) -> AsyncIterator[House]:
    """Run the gateway; it has no keys unless `settings` say so."""
    tuned = {f"tunedModels/fails-with-{status}": f"sim-gemini/fails-with-{status}" for status in FAILING}
    lines = [f'"{name}" = "{target}"' for name, target in {**ALIASES, **tuned}.items()]
    (folder / "dragoman.toml").write_text("[aliases]\n" + "\n".join(lines) + "\n")
    async with Simulator(script=SCRIPT, seed=7) as sim, house(folder, sim.url, **settings) as running:
        yield running


class Case(msgspec.Struct, frozen=True):
    """One way to call one operation: an example of its body, or the call without one.

    Attributes:
        key: As in ``POST /v1/rerank``.
        operation: As the document has it.
        title: The example's; "": there is no body.
        body: The example.
    """

    key: str
    operation: dict[str, Any]
    title: str = ""
    body: Any = None

    @property
    def method(self) -> str:
        """The method."""
        return self.key.partition(" ")[0]

    def target(self) -> str:
        """Return path and query, parameters filled in with their examples."""
        path = self.key.partition(" ")[2]
        query = []
        for param in self.operation["parameters"]:
            name, value = param.get("name"), param.get("example")
            if param.get("in") == "path":
                path = path.replace(f"{{{name}}}", str(value))
            elif param.get("in") == "query" and value is not None:
                query.append(f"{name}={quote(json.dumps(value).strip(chr(34)))}")
        return path + (f"?{'&'.join(query)}" if query else "")

    def request(self, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the bytes of the request."""
        raw = b"" if self.body is None else json.dumps(self.body).encode()
        lines = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(len(raw))}
        lines |= headers or {}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{self.method} {self.target()} HTTP/1.1\r\n{head}\r\n".encode() + raw


class Document:
    """A published document, and what it says of requests and answers."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    def operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every operation by method and path."""
        for path, item in self.raw["paths"].items():
            for method, operation in item.items():
                yield f"{method.upper()} {path}", operation

    def cases(self, *, operator: bool = False) -> list[Case]:
        """Return every example, and every operation without one; not what passes through.

        What wants an operator's key is a matter of its own: all of that, and nothing else, if `operator`.
        """
        return [
            case
            for key, operation in self.operations()
            if "default" not in operation["responses"]
            and key.partition(" ")[2].startswith("/admin/") == operator
            for case in self._of(key, operation)
        ]

    def asks(self, case: Case) -> None:
        """Hold that a case's body is what the document says it may be."""
        if case.title:
            self.check(case.operation["requestBody"]["content"]["application/json"]["schema"], case.body)

    def tells(self, case: Case, got: Answer) -> None:
        """Hold that an answer is one the document describes: its status, its type, its content."""
        told = self.response(case, got.status)
        assert told is not None, f"{case.key} answers {got.status}, and nobody said so: {got.body!r}"
        form = got.headers.get("content-type", "").partition(";")[0]
        assert form in told["content"], f"{case.key} answers {got.status} as {form}: {got.body!r}"
        described = told["content"][form]
        if "x-event" in described:
            pieces = events(form, got.body)
            assert pieces, got.body
            for piece in pieces:
                self.check(described["x-event"], piece)
        elif form == "application/json":
            self.check(described["schema"], got.json)

    def response(self, case: Case, status: int) -> Any:
        """Return what the document says of a status; None: nothing."""
        found = case.operation["responses"].get(str(status))
        if found is None or "$ref" not in found:
            return found
        return self.raw["components"]["responses"][found["$ref"].rpartition("/")[2]]

    def check(self, schema: dict[str, Any], value: Any) -> None:
        """Hold that a value is what a schema says."""
        whole = {**schema, "components": self.raw["components"]}
        faults = [
            f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(whole).iter_errors(value)
        ]
        assert faults == [], f"{faults} in {value}"

    def _of(self, key: str, operation: dict[str, Any]) -> Iterator[Case]:
        body = operation.get("requestBody")
        if body is None:
            yield Case(key, operation)
            return
        # A body that is read as it is, such as a bill, has no example in JSON; its own tests send some.
        for title, example in body["content"]["application/json"].get("examples", {}).items():
            yield Case(key, operation, title, example["value"])


async def published(running: House) -> Document:
    """Return the document a gateway publishes."""
    got = await ask(running.port, get("/openapi.json"))
    assert got.status == 200, got.body
    return Document(got.json)


def events(form: str, body: bytes) -> list[Any]:
    """Return the pieces of a stream."""
    lines = body.decode().splitlines()
    if form == "application/x-ndjson":
        return [json.loads(line) for line in lines]
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(piece) for piece in data if piece != "[DONE]"]


async def prepared(running: House, case: Case) -> Case:
    """Return a case that names what is there: an answer that was kept, an exchange that was."""
    operation, body = case.operation, case.body
    if "/responses/{id}" in case.key:
        background = case.key.endswith("/cancel")
        words = "take your time" if background else "Hi"
        made = {"model": "smollm2-135m", "input": words, "background": background}
        kept = (await ask(running.port, _post("/v1/responses", made))).json["id"]
        operation = _named(operation, kept)
    elif "/exchanges/{id}" in case.key or case.key == "POST /rate":
        asked = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "Hi"}]}
        got = await ask(running.port, _post("/v1/chat/completions", asked))
        id_ = got.headers.get("x-dragoman-id", "")
        operation = _named(operation, id_)
        body = {**body, "prompt_id": id_} if body else None
        await running.rows(1)
    return msgspec.structs.replace(case, operation=operation, body=body)


def _post(path: str, body: Any) -> bytes:
    return Case(f"POST {path}", {"parameters": []}, "made", body).request()


def _named(operation: dict[str, Any], id_: str) -> dict[str, Any]:
    params = [{**one, "example": id_} if one.get("name") == "id" else one for one in operation["parameters"]]
    return {**operation, "parameters": params}
