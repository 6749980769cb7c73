"""The life of a relayed request: one attempt, one row, each read passed on before the next is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.house import ask, house, post

from dragoman.exchange.life import Attempt, Exchange
from dragoman.exchange.relay import RelayOut, _passed
from dragoman.providers.meter import Meter
from dragoman.providers.transport import Upstream
from dragoman.routing import Target
from dragoman.simulator import Simulator
from dragoman.simulator.script import read

MODERATIONS = "/v1/moderations"


def replying(**reply: Any) -> Any:
    """Return a script for one path."""
    return read({"rules": [{"match": {"path": MODERATIONS}, "then": reply}]})


def test_nothing_is_taken_that_was_not_passed_on(tmp_path: Path) -> None:
    """A client that does not read stops the reading: one chunk is on its way at a time."""
    taken: list[bytes] = []
    sent: list[bytes] = []

    class Source:
        """Three chunks, and a note of each that was taken."""

        async def chunks(self) -> AsyncIterator[bytes]:
            for chunk in (b"one", b"two", b"three"):
                taken.append(chunk)
                yield chunk

    async def play() -> None:
        gate = asyncio.Semaphore(0)

        class Slow:
            """A client that takes a chunk when it is let."""

            async def send(self, data: bytes, *, last: bool = False) -> None:
                await gate.acquire()
                sent.append(data)

        ex = cast("Exchange", SimpleNamespace(services=SimpleNamespace(tick=lambda: 1.0), failure=None))
        attempt = Attempt(1, Target("p", "m"), 0.0)
        work = asyncio.get_running_loop().create_task(
            _passed(
                ex, attempt, cast("Upstream", Source()), cast("RelayOut", Slow()), Meter("openai_chat", "")
            )
        )
        for count in range(1, 4):
            while len(taken) < count:
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(taken) == count
            gate.release()
        gate.release()
        await work

    asyncio.run(asyncio.wait_for(play(), 30))
    assert sent == [b"one", b"two", b"three", b""]


def test_a_provider_that_is_not_there_cost_nothing(tmp_path: Path) -> None:
    """A 502 in the path's dialect; no request left, so the row says zero."""

    async def play() -> None:
        async with house(tmp_path, "http://127.0.0.1:9") as gate:
            got = await ask(gate.port, post(MODERATIONS, {"model": "sim-openai_chat/m", "input": "x"}))
            assert (got.status, got.json["error"]["type"]) == (502, "server_error")
            [row] = await gate.rows(1)
            assert (row.state, row.failure, row.attempts) == ("failed", "upstream", 1)
            assert row.meters.cost_micros == 0

    asyncio.run(play())


def test_a_lost_answer_is_not_asked_for_again(tmp_path: Path) -> None:
    """The provider may have done the work: one attempt, and what it cost is unknown."""

    async def play() -> None:
        plot = replying(faults=[{"kind": "reset"}], reply={"body": {}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post(MODERATIONS, {"model": "sim-openai_chat/m", "input": "x"}))
            assert got.status == 502
            [row] = await gate.rows(1)
            assert (row.state, row.attempts, row.meters.cost_micros) == ("failed", 1, None)
            assert len(sim.journal.entries) == 1

    asyncio.run(play())


def test_nothing_is_sent_that_cannot_be_booked(tmp_path: Path) -> None:
    """A ledger that cannot write is a 503, and the provider hears nothing."""

    async def play() -> None:
        async with Simulator(script=replying(reply={"body": {}})) as sim, house(tmp_path, sim.url) as gate:
            await gate.gateway.store.close()
            got = await ask(gate.port, post(MODERATIONS, {"input": "x"}))
            assert got.status == 503
            assert sim.journal.entries == []

    asyncio.run(play())


def test_what_is_told_about_the_passage(tmp_path: Path) -> None:
    """The request's own id, who answered, and the provider's id in the ledger."""

    async def play() -> None:
        plot = replying(reply={"body": {}, "headers": {"x-request-id": "theirs"}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post(MODERATIONS, {"input": "x"}, {"x-request-id": "mine"}))
            assert got.headers["x-request-id"] == "mine"
            assert got.headers["x-dragoman-provider"] == "sim-openai_chat"
            assert "x-dragoman-model" not in got.headers
            [row] = await gate.rows(1)
            assert (row.request_id, row.model, row.answered_model) == ("mine", "", None)
            [attempt] = await gate.attempts(row)
            assert attempt.upstream_id == "theirs"

    asyncio.run(play())
