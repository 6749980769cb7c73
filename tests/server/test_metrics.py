"""Who may read the metrics, in which format they come, and that they tell of what was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.house import House, ask, chat, get, house, post

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

BOB = {"authorization": "Bearer bobs-key-of-some-length"}
KEYS = {"DRAGOMAN_KEYS": json.dumps({"bob": "bobs-key-of-some-length"})}
PLOT = {"default": {"text": "Hi.", "counts": {"input": 10, "output": 5}}}


def at_home(folder: Path, play: Callable[[House], Awaitable[None]], **settings: str) -> None:
    """Play with a gateway and a simulated provider."""

    async def scene() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(folder, sim.url, **settings) as gate:
            await play(gate)

    asyncio.run(scene())


async def counted(gate: House) -> str:
    """Return what a scraper is told once a request was counted, which is after its row was settled."""
    while True:
        text = (await ask(gate.port, get("/metrics"))).body.decode()
        if "dragoman_requests_total{" in text:
            return text
        await asyncio.sleep(0.005)


def test_a_key_may_not_read_unless_it_is_named(tmp_path: Path) -> None:
    """No key is refused, and any key is not enough: the refusal says what would be."""

    async def play(gate: House) -> None:
        assert (await ask(gate.port, get("/metrics"))).status == 401
        refused = await ask(gate.port, get("/metrics", BOB))
        assert refused.status == 403
        assert refused.json["error"]["code"] == "metrics_not_granted"
        assert 'readers = ["bob"]' in refused.json["error"]["message"]

    at_home(tmp_path, play, **KEYS)


def test_a_reader_may_read(tmp_path: Path) -> None:
    """A scraper has a key of its own, not the admin's."""

    async def play(gate: House) -> None:
        assert (await ask(gate.port, get("/metrics", BOB))).status == 200
        assert (await ask(gate.port, get("/metrics"))).status == 401

    at_home(tmp_path, play, DRAGOMAN_METRICS_READERS="bob", **KEYS)


def test_an_open_page_needs_no_key(tmp_path: Path) -> None:
    """Where somebody else keeps strangers out."""

    async def play(gate: House) -> None:
        assert (await ask(gate.port, get("/metrics", {"host": "gate.example"}))).status == 200

    at_home(tmp_path, play, DRAGOMAN_METRICS_OPEN="true", **KEYS)


def test_without_keys_this_machine_may_read(tmp_path: Path) -> None:
    """But no web page may have it fetched, as everywhere."""

    async def play(gate: House) -> None:
        got = await ask(gate.port, get("/metrics", {"accept": "*/*"}))
        assert (got.status, got.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert got.headers["cache-control"] == "no-store"
        assert (await ask(gate.port, get("/metrics", {"host": "evil.example"}))).status == 403

    at_home(tmp_path, play)


def test_openmetrics_is_served_to_who_accepts_it(tmp_path: Path) -> None:
    """As Prometheus asks for it."""
    accept = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

    async def play(gate: House) -> None:
        got = await ask(gate.port, get("/metrics", {"accept": accept}))
        assert got.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert got.body.endswith(b"# EOF\n")

    at_home(tmp_path, play)


def test_switched_off_there_is_no_page(tmp_path: Path) -> None:
    """It is not found, as any path that nobody serves."""

    async def play(gate: House) -> None:
        assert (await ask(gate.port, get("/metrics"))).status == 404

    at_home(tmp_path, play, DRAGOMAN_METRICS_ENABLED="false")


def test_what_was_asked_is_told(tmp_path: Path) -> None:
    """A request through the whole gateway is one in the metrics, with its tokens."""

    async def play(gate: House) -> None:
        assert (await ask(gate.port, post("/v1/chat/completions", chat("a secret")))).status == 200
        text = await counted(gate)
        [line] = [one for one in text.splitlines() if one.startswith("dragoman_requests_total{")]
        assert 'provider="sim-openai_chat"' in line
        assert line.endswith(" 1.0")
        assert 'kind="input",model="m",provider="sim-openai_chat"} 10.0' in text
        assert "\ndragoman_requests_in_flight " in text
        assert "secret" not in text

    at_home(tmp_path, play)


def test_workers_tell_the_sum_from_their_folder(tmp_path: Path) -> None:
    """Where there are to be several, each writes into the data folder what it has counted."""

    async def play(gate: House) -> None:
        assert (await ask(gate.port, post("/v1/chat/completions", chat()))).status == 200
        assert 'status="2xx"' in await counted(gate)
        assert len(list((tmp_path / "data" / "metrics").glob("*.counts"))) == 1

    at_home(tmp_path, play, DRAGOMAN_SERVER_WORKERS="2")


def test_a_folder_that_cannot_be_used_is_a_fault_of_ours(tmp_path: Path) -> None:
    """A scraper that is told 503 keeps the numbers it has."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "metrics").write_text("")

    async def play(gate: House) -> None:
        got = await ask(gate.port, get("/metrics"))
        assert got.status == 503
        assert str(tmp_path) not in got.body.decode()

    at_home(tmp_path, play, DRAGOMAN_SERVER_WORKERS="2")
