"""kill -9 under load: whatever reached a provider is in the ledger, and the next start sweeps it."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.house import Spawned, ask, chat, get, post, spawned

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

ROUNDS = 3
STREAMS = 60


def rows(folder: Path) -> dict[str, tuple[str, int]]:
    """Return request id -> (state, number of attempt rows in the same state)."""
    with closing(sqlite3.connect(folder / "data" / "dragoman.db")) as ledger:
        found = ledger.execute(
            "select request_id, e.state, count(a.number) from exchange e "
            "left join attempt a on a.exchange_id = e.id and a.state = e.state group by e.id"
        )
        return {request_id: (state, attempts) for request_id, state, attempts in found}


async def pressed(gate: Spawned, sim: Simulator, number: int) -> set[str]:
    """Load the gateway, kill it mid-stream, and return the request ids the simulator received."""
    before = len(sim.journal.entries)

    async def stream(index: int) -> None:
        headers = {"x-request-id": f"r{number}-{index}"}
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        try:
            writer.write(post("/v1/chat/completions", chat(f"r{number}-{index}", stream=True), headers))
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        for index in range(STREAMS):
            group.create_task(stream(index))
        await sim.journal.until(lambda journal: len(journal.entries) - before >= STREAMS // 2)
        gate.child.send_signal(signal.SIGKILL)
    return {entry.body["messages"][0]["content"] for entry in list(sim.journal.entries)[before:]}


def test_kill_9_under_load_loses_no_row(tmp_path: Path) -> None:
    """Every request the simulator saw has a row; after the restart none is open."""

    async def play() -> None:
        plot = read({"default": {"tokens": 1_000_000, "tokens_per_s": 100}})
        async with Simulator(script=plot) as sim:
            seen: set[str] = set()
            for number in range(ROUNDS):
                with spawned(tmp_path, DRAGOMAN_SIMULATOR_URL=sim.url) as gate:
                    seen |= await pressed(gate, sim, number)
                assert len(seen) >= (number + 1) * STREAMS // 2
                found = rows(tmp_path)
                assert seen <= found.keys(), "a request reached the provider without a durable row"
            with spawned(tmp_path, DRAGOMAN_SIMULATOR_URL=sim.url) as gate:
                assert (await ask(gate.port, get("/health/ready"))).status == 200
            swept = rows(tmp_path)
            assert {swept[one] for one in seen} == {("interrupted", 1)}
            assert not any(state == "reserved" for state, _ in swept.values())

    asyncio.run(asyncio.wait_for(play(), 120))
