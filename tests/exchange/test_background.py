"""The line's front: at once, or in the background."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.house import ask, get, house, post

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

HANG = {"default": {"faults": [{"kind": "hang", "at_frame": 0}]}}


def test_a_background_request_is_answered_while_its_exchange_runs(tmp_path: Path) -> None:
    """The client has its answer's id while the provider has not said a word; one row in the ledger."""

    async def play() -> None:
        async with Simulator(script=read(HANG)) as sim, house(tmp_path, sim.url) as gate:
            body = {"model": "sim-anthropic/m", "input": "hi", "background": True}
            got = await ask(gate.port, post("/v1/responses", body))
            assert (got.status, got.json["status"]) == (200, "queued")
            assert got.headers["x-request-id"].removeprefix("req_") == got.json["id"].removeprefix("resp_")
            await sim.journal.until(lambda journal: journal.open == 1)
            [row] = await gate.rows()
            assert (row.state, row.provider) == ("reserved", "sim-anthropic")
            shown = await ask(gate.port, get(f"/v1/responses/{got.json['id']}"))
            assert shown.json["status"] == "in_progress"

    asyncio.run(play())


def test_a_background_request_at_fault_is_refused_at_once(tmp_path: Path) -> None:
    """As any other: with its path, booked as failed, and nothing is left behind."""

    async def play() -> None:
        async with house(tmp_path, "http://127.0.0.1:9") as gate:
            for body, status, at in (
                ({"model": "none", "input": "hi"}, 404, None),
                ({"model": "sim-anthropic/m", "input": [{"role": "x"}]}, 400, "$.input[0].role"),
                ({"model": "sim-anthropic/m", "input": "hi", "store": False}, 400, "$.store"),
            ):
                got = await ask(gate.port, post("/v1/responses", {**body, "background": True}))
                assert got.status == status
                assert at is None or got.json["error"]["param"] == at
            rows = await gate.rows(3)
            assert [row.state for row in rows] == ["failed"] * 3
            assert await gate.gateway.store.responses.owners() == []

    asyncio.run(play())
