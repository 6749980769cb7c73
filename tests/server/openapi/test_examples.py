"""The document against reality: every example is sent to a running gateway, and every status is provoked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from tests.house import Answer, House, ask
from tests.server.openapi.scene import Case, Document, gate, prepared, published

from dragoman.dialects.catalog import DIALECTS
from dragoman.server.openapi.document import OPERATIONS
from dragoman.server.openapi.gemini import TUNED
from dragoman.server.openapi.operation import MODEL, RANKER, VECTORS

ELSEWHERE = {
    ("POST /api/show", 504): "a body that comes too slowly: tests/server/test_client.py",
    ("POST /rate", 504): "as above",
}
"""Statuses that are documented and not provoked here, each with where they are."""


def test_every_example_is_answered_as_described(tmp_path: Path) -> None:
    """What the document says to send can be sent, and what comes back is what it says."""

    async def play() -> None:
        async with gate(tmp_path) as running:
            document = await published(running)
            for case in document.cases():
                document.asks(case)
                there = await prepared(running, case)
                got = await ask(running.port, there.request())
                assert got.status == 200, (case.key, case.title, got.body)
                document.tells(case, got)

    asyncio.run(play())


def test_lists_of_models_are_described_in_every_shape(tmp_path: Path) -> None:
    """Whoever asks, the answer is one of those the document has."""

    async def play() -> None:
        async with gate(tmp_path) as running:
            document = await published(running)
            for case in document.cases():
                if case.key.startswith("GET /v1/models"):
                    for name in ("anthropic-version", "x-goog-api-key", "x-fern-sdk-name"):
                        got = await ask(running.port, case.request({name: "cohere"}))
                        assert got.status == 200
                        document.tells(case, got)
                        nobody = aimed(case, "id", "no-such-model")
                        got = await ask(running.port, nobody.request({name: "cohere"}))
                        document.tells(case, got)

    asyncio.run(play())


def test_every_status_is_told_as_described(tmp_path: Path) -> None:
    """Each status the document names is provoked, and is told in the shape it names."""

    async def play() -> None:
        told: set[tuple[str, int]] = set()
        for scene in SCENES:
            async with scene(tmp_path) as (document, told_here):
                told |= told_here
        promised = {
            (case.key, int(status))
            for case in document.cases()
            for status in case.operation["responses"]
            if status != "200"
        }
        assert sorted(promised - told) == sorted(ELSEWHERE)

    asyncio.run(play())


Told = tuple[Document, set[tuple[str, int]]]


@asynccontextmanager
async def faults(
    folder: Path, vary: Callable[[Case], list[tuple[Case, dict[str, str]]]], **settings: str
) -> AsyncIterator[Told]:
    """Send each case as `vary` would have it; yield every status but 200 that was told as described."""
    async with gate(folder, **settings) as running:
        document = await published(running)
        yield document, await provoked(running, document, vary)


async def provoked(
    running: House, document: Document, vary: Callable[[Case], list[tuple[Case, dict[str, str]]]]
) -> set[tuple[str, int]]:
    """Return the statuses that were told, by the first example of each operation."""
    told = set()
    first = {case.key: case for case in reversed(document.cases())}

    async def play(case: Case, headers: dict[str, str]) -> None:
        got: Answer = await ask(running.port, case.request(headers))
        if got.status != 200:
            document.tells(case, got)
            told.add((case.key, got.status))

    # Together, since a provider's failure is followed by a pause before it is asked again.
    async with asyncio.TaskGroup() as group:
        for case in first.values():
            for varied, headers in vary(case):
                group.create_task(play(varied, headers))
    return told


@asynccontextmanager
async def strange(folder: Path) -> AsyncIterator[Told]:
    """No key, where one is needed."""
    async with faults(folder, lambda case: [(case, {})], API_KEYS="k") as told:
        yield told


@asynccontextmanager
async def ordinary(folder: Path) -> AsyncIterator[Told]:
    """A key that may not see everything."""
    key = {"authorization": "Bearer k"}
    async with faults(folder, lambda case: [(case, key)], API_KEYS="k") as told:
        yield told


@asynccontextmanager
async def switched_off(folder: Path) -> AsyncIterator[Told]:
    """What can be switched off is."""
    async with faults(folder, lambda case: [(case, {})], DRAGOMAN_METRICS_ENABLED="false") as told:
        yield told


@asynccontextmanager
async def foreign(folder: Path) -> AsyncIterator[Told]:
    """A page of another site asks."""
    origin = {"origin": "https://example.com"}
    async with faults(folder, lambda case: [(case, origin)]) as told:
        yield told


@asynccontextmanager
async def wrong(folder: Path) -> AsyncIterator[Told]:
    """Bodies, queries, models and ids that cannot be."""

    def vary(case: Case) -> list[tuple[Case, dict[str, str]]]:
        varied = [(case, {"x-api-key": "a", "api-key": "b"})]  # two keys at once
        varied += [(aimed(case, "id", "no-such-thing"), {}), (asking(case, "no-such-model"), {})]
        if case.body is not None:
            varied += [(msgspec.structs.replace(case, body=[]), {})]
            varied += [(msgspec.structs.replace(case, body={"prompt_id": "no-such-thing", "rating": 3}), {})]
        return varied

    async with faults(folder, vary) as told:
        yield told


@asynccontextmanager
async def large(folder: Path) -> AsyncIterator[Told]:
    """A body beyond the operator's limit."""

    def vary(case: Case) -> list[tuple[Case, dict[str, str]]]:
        return [] if case.body is None else [(msgspec.structs.replace(case, body=["long"] * 500), {})]

    async with faults(folder, vary, DRAGOMAN_SERVER_MAX_BODY="1024") as told:
        yield told


@asynccontextmanager
async def unlucky(folder: Path) -> AsyncIterator[Told]:
    """The provider fails, in each way it can."""

    def vary(case: Case) -> list[tuple[Case, dict[str, str]]]:
        return [(asking(case, f"fails-with-{status}"), {}) for status in (409, 429, 502, 503, 504)]

    async with faults(folder, vary) as told:
        yield told


@asynccontextmanager
async def broken(folder: Path) -> AsyncIterator[Told]:
    """The store is away."""
    async with gate(folder) as running:
        document = await published(running)
        await running.gateway.store.close()

        def vary(case: Case) -> list[tuple[Case, dict[str, str]]]:
            return [(case, {}), (asking(case, "m"), {})]

        yield document, await provoked(running, document, vary)


@asynccontextmanager
async def poor(folder: Path) -> AsyncIterator[Told]:
    """The client would pay less than any answer costs."""
    least = {"x-dragoman-max-cost": "0.000001", "cache-control": "no-store"}
    async with faults(folder, lambda case: [(case, least)], DRAGOMAN_PRICES_DEFAULT_INPUT="1000") as told:
        yield told


@asynccontextmanager
async def hasty(folder: Path) -> AsyncIterator[Told]:
    """An answer is rated that has not ended yet."""
    async with gate(folder) as running:
        document = await published(running)
        cases = {case.key: case for case in document.cases()}
        slow = {"model": MODEL, "input": "take your time", "background": True}
        got = await ask(
            running.port, msgspec.structs.replace(cases["POST /v1/responses"], body=slow).request()
        )
        rating = cases["POST /rate"]
        body = {**rating.body, "prompt_id": got.headers["x-dragoman-id"]}
        got = await ask(running.port, msgspec.structs.replace(rating, body=body).request())
        document.tells(rating, got)
        yield document, {(rating.key, got.status)}


SCENES = (strange, ordinary, switched_off, foreign, wrong, large, unlucky, broken, poor, hasty)


def asking(case: Case, model: str) -> Case:
    """Return a case that asks another model of a provider in its own protocol."""
    words = OPERATIONS[case.key].words if case.key in OPERATIONS else ""
    home = "cohere" if RANKER in str(case.body) else words if words in DIALECTS else "openai_chat"
    tuned = "tunedModels" in case.key
    name = model if tuned or model.startswith("no-") else f"sim-{home}/{model}"
    found = aimed(case, "model", name)
    return msgspec.structs.replace(found, body=_swapped(case.body, name))


def _swapped(body: Any, name: str) -> Any:
    match body:
        case str():
            kind = body.rpartition("odels/")[0] + "odels/" if "odels/" in body else ""
            asked = body.removeprefix(kind)
            return f"{kind}{name}" if asked in (MODEL, VECTORS, RANKER, TUNED.example) else body
        case dict():
            return {field: _swapped(value, name) for field, value in body.items()}
        case list():
            return [_swapped(value, name) for value in body]
        case _:
            return body


def aimed(case: Case, name: str, value: str) -> Case:
    """Return a case with another value of a path's parameter."""
    params = [
        {**one, "example": value} if one.get("name") == name and one.get("in") == "path" else one
        for one in case.operation["parameters"]
    ]
    return msgspec.structs.replace(case, operation={**case.operation, "parameters": params})
