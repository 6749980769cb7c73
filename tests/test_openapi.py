"""The published document, held against the server by Schemathesis: bounded, seeded, with keys and without.

Requests are made up from the document's own schemas, right ones and wrong ones. Whatever is sent, nothing may
be a 500, every status, content type and body must be one the document has, and who has no key gets nowhere.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from tests.house import ask
from tests.server.openapi.scene import Document, gate, published

from dragoman.server.openapi.relayed import RELAY

KEY = {"authorization": "Bearer a-test-key"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
EXAMPLES = {GenerationMode.POSITIVE: 2, GenerationMode.NEGATIVE: 2}
"""Requests made up for an operation: right ones, wrong ones."""


@contextmanager
def serving(folder: Path, **given_settings: str) -> Iterator[str]:
    """Run a gateway beside this thread, which Schemathesis keeps busy; yield its address."""
    loop = asyncio.new_event_loop()
    ready, done = threading.Event(), asyncio.Event()
    address: list[str] = []

    async def scene() -> None:
        async with gate(folder, **given_settings) as running:
            address.append(running.url)
            ready.set()
            await done.wait()

    def run() -> None:
        try:
            loop.run_until_complete(scene())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        assert address, "the gateway did not start"
        yield address[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()


def no_bug(_: Any, response: Any, __: Any) -> None:
    """Refuse a 500: a fault of ours that nobody thought of."""
    assert response.status_code != 500, response.text


def can_be_wrong(operation: Any) -> bool:
    """Say whether a wrong request can be made up: it takes more than a path, in which any text is right."""
    return bool(operation.body) or any(
        parameter.location is not ParameterLocation.PATH for parameter in operation.iter_parameters()
    )


class Examiner:
    """Makes up requests for one operation after another, and holds the answers against the document."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        load_all_checks()
        names = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
        self._checks: list[Callable[..., Any]] = [no_bug, *CHECKS.get_by_names(names)]
        self._url = url
        self._headers = headers
        self._session = requests.Session()
        self.seen: Counter[int] = Counter()

    def examine(self, operation: Any, mode: GenerationMode, count: int) -> None:
        """Send `count` requests to an operation."""

        @seed(1291)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def held(case: Any) -> None:
            if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
                for name in {"model", "chat_model_name"} & case.body.keys():
                    case.body[name] = "smollm2-135m"  # so that some get somewhere
            answer = case.call(base_url=self._url, session=self._session, headers=self._headers)
            self.seen[answer.status_code] += 1
            case.validate_response(answer, checks=self._checks, headers=self._headers)

        if mode is GenerationMode.POSITIVE or can_be_wrong(operation):
            held()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


@pytest.mark.parametrize(
    "keys",
    [{"API_KEYS": "a-test-key"}, {"DRAGOMAN_RELAY_ENABLED": "false"}],
    ids=["with keys", "open on loopback"],
)
def test_whatever_is_sent_is_answered_as_described(tmp_path: Path, keys: dict[str, str]) -> None:
    """Statuses, content types and bodies are those of the document, and none is a 500."""
    with (
        serving(tmp_path, **keys) as url,
        closing(Examiner(url, KEY if "API_KEYS" in keys else {})) as examiner,
    ):
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        schema.config.generation.update(with_security_parameters=False)  # whose key it is, is said here
        verbs: set[str] = set()
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            verb = f"{operation.method} {operation.path.rpartition(':')[2]}"
            if RELAY.name in (operation.tags or []) or verb in verbs:
                examiner.examine(operation, GenerationMode.POSITIVE, 1)  # all go one way, wrong ones too
                continue
            if ":" in operation.path:  # Gemini's are below /v1 and /v1beta, for models and for tuned ones
                verbs.add(verb)
            for mode, count in EXAMPLES.items():
                examiner.examine(operation, mode, count)
        assert min(examiner.seen[200], examiner.seen[400]) > 30, "hardly anything was tried"


def test_an_operator_breaks_nothing_either(tmp_path: Path) -> None:
    """The same for the operator's pages, with a key that may change everything."""
    keys = json.dumps({"boss": {"value": "a-test-key", "role": "admin"}})
    with serving(tmp_path, DRAGOMAN_KEYS=keys) as url, closing(Examiner(url, KEY)) as examiner:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json").include(path_regex="^/admin/")
        schema.config.generation.update(with_security_parameters=False)
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            for mode in EXAMPLES:
                examiner.examine(found.ok(), mode, 4)
        assert min(examiner.seen[200], examiner.seen[400]) > 10, "hardly anything was tried"
        assert not examiner.seen.keys() & {401, 403}


def play(folder: Path, hold: Callable[[int, Document], Any], **given_settings: str) -> None:
    """Run `hold` against a gateway's port and document."""

    async def scene() -> None:
        async with gate(folder, **given_settings) as running:
            await hold(running.port, await published(running))

    asyncio.run(scene())


def covers(path: str, real: str) -> bool:
    """Say whether a path with templates in it has a real one."""
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)), real) is not None


def test_a_method_that_is_not_described_is_refused(tmp_path: Path) -> None:
    """405 with the methods there are, for each path but those where any method passes through."""

    async def hold(port: int, document: Document) -> None:
        every: dict[str, Any] = document.raw["paths"]
        for path, item in every.items():
            if any("default" in operation["responses"] for operation in item.values()):
                continue
            real = re.sub(r"\{\w+\}", "abc", path)
            for method in METHODS:
                if any(covers(other, real) and method.lower() in there for other, there in every.items()):
                    continue
                head = f"{method} {real} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n"
                got = await ask(port, head.encode())
                assert got.status == 405, (method, path, got.body)
                allowed = {word.strip().lower() for word in got.headers["allow"].split(",")} - {"head"}
                assert allowed <= {name for one in every if covers(one, real) for name in every[one]}

    play(tmp_path, hold)


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}])
def test_who_has_no_key_gets_nowhere(tmp_path: Path, headers: dict[str, str]) -> None:
    """401 at every operation that asks for a key, whatever else is wrong with the request."""

    async def hold(port: int, document: Document) -> None:
        for key, operation in document.operations():
            method, _, path = key.partition(" ")
            real = re.sub(r"\{\w+\}", "abc", path)
            wanted = [one["name"] for one in operation["parameters"] if one.get("in") == "header"]
            lines = {"host": "127.0.0.1", "content-length": "0", **dict.fromkeys(wanted, "1"), **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            got = await ask(port, f"{method} {real} HTTP/1.1\r\n{head}\r\n".encode())
            assert (got.status == 401) == (operation.get("security") != []), (key, got.status, got.body)

    play(tmp_path, hold, API_KEYS="a-test-key")
