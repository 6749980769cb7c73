"""Two gateways, each with a data folder of its own, over one PostgreSQL."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

from tests.house import House, ask, get, house, post
from tests.servers import PostgresServer

from dragoman.accounts.keys import mint
from dragoman.simulator import Simulator

KEY = {"authorization": "Bearer sk-test-anna"}
BODY = {"model": "sim-openai_chat/x", "messages": [{"role": "user", "content": "hi"}]}


def test_f56_two_machines_go_on_while_their_database_restarts(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    """Nobody is told 401 or 500, each machine's rows arrive once, and each sees the other's."""

    async def status(gate: House, key: str = KEY["authorization"]) -> int:
        return (await ask(gate.port, post("/v1/chat/completions", BODY, {"authorization": key}))).status

    async def scene() -> None:
        settings = {"DRAGOMAN_STORE_URL": url, "DRAGOMAN_PEPPER": "p" * 32, "API_KEYS": "sk-test-anna"}
        one_folder, two_folder = tmp_path / "one", tmp_path / "two"
        one_folder.mkdir()
        two_folder.mkdir()
        async with (
            Simulator() as sim,
            house(one_folder, sim.url, **settings) as one,
            house(two_folder, sim.url, **settings) as two,
        ):
            assert [await status(one), await status(two)] == [200, 200]
            await asyncio.to_thread(server.stop, "immediate")
            try:
                assert Counter([await status(gate) for gate in (one, two) for _ in range(5)]) == {200: 10}
                # A key that may have been made a moment ago, for all anybody knows.
                assert await status(one, f"Bearer {mint(os.urandom)}") == 503
                report = await ask(one.port, get("/v1/usage", KEY))
                assert report.status not in (401, 500)
            finally:
                await asyncio.to_thread(server.start)
            for gate in (one, two):
                while await gate.gateway.services.ledger.catch_up():
                    await asyncio.sleep(0.01)
            assert [await status(one), await status(two)] == [200, 200]
            while await one.gateway.store.open_owners():
                await asyncio.sleep(0.01)  # an answer is told before its end is booked
            for gate in (one, two):
                rows = await gate.gateway.store.exchanges()
                assert Counter(row.state for row in rows) == {"settled": 14}
                assert len({row.owner for row in rows}) == 2

    asyncio.run(scene())
