"""The document: it says what is served, all of it, and nothing else; and what it shows is what happened."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from tests.house import ask, get
from tests.server.openapi.record import SETTINGS, recorded
from tests.server.openapi.scene import Document, gate, published

from dragoman.dialects import Dialect, Surface
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.surfaces import SURFACES
from dragoman.server.openapi.document import (
    HEADERS,
    OPERATIONS,
    TAGS,
    Facts,
    Recording,
    aimed,
    document,
    recordings,
    undescribed,
)
from dragoman.server.openapi.served import Served

DOORS: list[Dialect | Surface] = [*DIALECTS.values(), *SURFACES]
WRITERS = {door.name: door.write_failure for door in DOORS}
FACTS = Facts("1.2.3", "m", open=False, writers=WRITERS)


def of(folder: Path, **settings: str) -> Document:
    """Return the document of a gateway with these settings."""

    async def play() -> Document:
        async with gate(folder, **settings) as running:
            return await published(running)

    return asyncio.run(play())


def test_everything_served_is_described_and_the_other_way_round(tmp_path: Path) -> None:
    """A new route needs a description here; one that is gone takes its description with it."""
    served = dict(of(tmp_path).operations())
    passing = {key for key, operation in served.items() if "default" in operation["responses"]}
    assert served.keys() - passing - OPERATIONS.keys() == set()
    assert OPERATIONS.keys() - served.keys() == set()
    assert passing & OPERATIONS.keys() == set()


def test_what_is_relayed_is_there_only_while_it_is(tmp_path: Path) -> None:
    """With relaying off, no path is promised that nobody answers."""
    tag = TAGS[-1].name
    for enabled in ("true", "false"):
        found = of(tmp_path, DRAGOMAN_RELAY_ENABLED=enabled)
        relayed = [key for key, operation in found.operations() if operation["tags"] == [tag]]
        assert (relayed != []) == (enabled == "true")
        assert (tag in [one["name"] for one in found.raw["tags"]]) == (enabled == "true")


def test_the_document_hangs_together(tmp_path: Path) -> None:
    """Ids are unique, references lead somewhere, schemas are schemas, every group has words."""
    found = of(tmp_path)
    operations = dict(found.operations())
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(ids) == len(set(ids))
    told = {tag["name"]: tag["description"] for tag in found.raw["tags"]}
    assert {operation["tags"][0] for operation in operations.values()} == told.keys()
    assert all(told.values())
    references = list(pointed(found.raw))
    assert references
    for reference in references:
        assert looked_up(found.raw, reference), reference
    for schema in found.raw["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
        assert schema["description"], schema
        assert schema.get("additionalProperties") in (None, False), "open, or a body we read strictly"


def pointed(value: Any) -> list[str]:
    """Return every reference in a document."""
    match value:
        case {"$ref": str(reference)}:
            return [reference]
        case dict():
            return [one for inner in value.values() for one in pointed(inner)]
        case list():
            return [one for inner in value for one in pointed(inner)]
        case _:
            return []


def looked_up(raw: dict[str, Any], reference: str) -> Any:
    """Return what a reference points to."""
    found: Any = raw
    for name in reference.removeprefix("#/").split("/"):
        found = found.get(name, {})
    return found


def test_a_key_is_asked_for_where_it_is(tmp_path: Path) -> None:
    """Five ways to send one; without keys none is needed, and health and pages never need one."""
    keyed, open_ = of(tmp_path, API_KEYS="k"), of(tmp_path)
    assert {} not in keyed.raw["security"]
    assert {} in open_.raw["security"]
    schemes = keyed.raw["components"]["securitySchemes"]
    assert [name for one in keyed.raw["security"] for name in one] == list(schemes)
    assert [schemes[name].get("name") for name in schemes] == [
        None,
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "key",
    ]
    keyless = {key for key, operation in keyed.operations() if operation.get("security") == []}
    assert keyless == {key for key, operation in OPERATIONS.items() if operation.access == "none"}


def test_an_operation_nobody_described_is_in_it_all_the_same() -> None:
    """A dialect from outside has its paths in the document, with its own errors."""
    stranger = Served("POST /acme/{model}/ask", "acme")
    assert undescribed(stranger).tag == "acme"
    found = document([stranger], FACTS)
    [operation] = found["paths"]["/acme/{model}/ask"].values()
    assert operation["tags"] == ["acme"]
    assert operation["parameters"][0]["name"] == "model"
    assert found["tags"] == [{"name": "acme"}]


def test_the_examples_ask_a_model_that_is_there() -> None:
    """Wherever the embedded model stands in an example, another can stand."""
    body = {"model": "smollm2-135m", "messages": [{"content": "smollm2-135m?"}], "n": 1, "x": None}
    assert aimed(body, "other") == {**body, "model": "other"}
    found = document([Served("POST /v1/chat/completions")], FACTS)
    content = found["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    assert {example["value"]["model"] for example in examples.values()} == {"m"}


def test_recorded_answers_are_shown_where_they_belong() -> None:
    """JSON beside JSON, a stream beside the stream."""
    key = "POST /v1/chat/completions"
    told = {
        "Whole": Recording("application/json", {"a": 1}),
        "Pieces": Recording("text/event-stream; charset=utf-8", "data: 1\n\n"),
    }
    facts = msgspec.structs.replace(FACTS, recorded={key: told})
    found = document([Served(key)], facts)
    content = found["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    assert content["application/json"]["examples"]["Whole"]["value"] == {"a": 1}
    assert content["text/event-stream"]["example"] == "data: 1\n\n"


def test_recordings_are_what_a_gateway_answers_now(tmp_path: Path) -> None:
    """If this fails, the API changed: look at it, then run ``python tests/server/openapi/record.py``."""

    async def play() -> None:
        async with gate(tmp_path, **SETTINGS) as running:
            now = await recorded(running)
        kept = msgspec.to_builtins(recordings())
        stale = sorted(key for key in now.keys() | kept.keys() if now.get(key) != kept.get(key))
        assert stale == []

    asyncio.run(play())


@pytest.mark.parametrize("name", HEADERS)
def test_answers_of_the_line_carry_the_headers_that_are_promised(tmp_path: Path, name: str) -> None:
    """Each header the document names is one that an answer has; those of a limit, where there is one."""
    limit = {"DRAGOMAN_LIMITS_REQUESTS_PER_MINUTE": "9", "DRAGOMAN_LIMITS_TOKENS_PER_DAY": "99999"}
    limit = limit if "ratelimit" in name else {}

    async def play() -> None:
        async with gate(tmp_path, **limit) as running:
            found = await published(running)
            case = next(case for case in found.cases() if case.key == "POST /v1/messages")
            body = {**case.body, "top_k": 5}  # OpenAI's protocol has no word for it
            got = await ask(running.port, msgspec.structs.replace(case, body=body).request())
            assert got.status == 200, got.body
            assert got.headers.get(name)

    asyncio.run(play())


def test_every_get_takes_head(tmp_path: Path) -> None:
    """As the document says in words."""

    async def play() -> None:
        async with gate(tmp_path) as running:
            for key in ("GET /health", "GET /openapi.json", "GET /v1/models"):
                asked = get(key.partition(" ")[2]).replace(b"GET", b"HEAD", 1)
                reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(asked)
                assert (await reader.readline()).split()[1] == b"200", key
                writer.close()

    asyncio.run(play())
