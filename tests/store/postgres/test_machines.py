"""Two gateways, each with a data folder of its own, over one PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.house import House, ask, get, house, post
from tests.servers import PostgresServer

from dragoman.accounts.keys import mint
from dragoman.core.failure import Failure
from dragoman.simulator import Simulator
from dragoman.store.leases import Leasing

BUDGET = {"all": {"dollars": 1, "period": "total"}}
KEY = {"authorization": "Bearer sk-test-anna"}
BODY = {"model": "sim-openai_chat/x", "messages": [{"role": "user", "content": "hi"}]}


async def back(gate: House) -> None:
    """Wait until a machine has booked what is late and finds the database, however it asks for it.

    Each of its pools looks for itself: the one that books may have found it before the others.
    """
    while await gate.gateway.services.ledger.catch_up():
        await asyncio.sleep(0.01)
    while True:
        with suppress(Failure):
            await gate.gateway.store.open_owners()
            return
        await asyncio.sleep(0.01)


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
                await back(gate)
            assert [await status(one), await status(two)] == [200, 200]
            while await one.gateway.store.open_owners():
                await asyncio.sleep(0.01)  # an answer is told before its end is booked
            for gate in (one, two):
                rows = await gate.gateway.store.exchanges()
                assert Counter(row.state for row in rows) == {"settled": 14}
                assert len({row.owner for row in rows}) == 2

    asyncio.run(scene())


def test_f56_budgets_are_served_from_leases_while_the_database_is_away(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    """Each machine serves what it has put by and then says 503; the window is the ledger's sum afterwards."""
    body = {**BODY, "max_tokens": 20}

    async def status(gate: House) -> int:
        answer = await ask(gate.port, post("/v1/chat/completions", body, KEY))
        assert answer.status != 503 or "retry-after" in answer.headers
        return answer.status

    async def scene() -> None:
        settings = {
            "DRAGOMAN_STORE_URL": url,
            "DRAGOMAN_PEPPER": "p" * 32,
            "API_KEYS": "sk-test-anna",
            "DRAGOMAN_BUDGETS": json.dumps(BUDGET),
            "DRAGOMAN_PRICES_DEFAULT_INPUT": "20",
            "DRAGOMAN_PRICES_DEFAULT_OUTPUT": "100",
        }
        one_folder, two_folder = tmp_path / "one", tmp_path / "two"
        one_folder.mkdir()
        two_folder.mkdir()
        async with Simulator() as sim, house(one_folder, sim.url, **settings) as one:
            async with house(two_folder, sim.url, **settings) as two:
                assert [await status(one), await status(two)] == [200, 200]
                leases = one.gateway.store
                assert isinstance(leases, Leasing)
                while len(await leases.leases.owners()) < 2:
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(server.stop, "immediate")
                try:
                    for gate in (one, two):
                        heard = [await status(gate)]
                        while heard[-1] == 200:
                            heard.append(await status(gate))
                        assert len(heard) > 1
                        assert heard[-1] == 503
                finally:
                    await asyncio.to_thread(server.start)
                for gate in (one, two):
                    await back(gate)
                assert [await status(one), await status(two)] == [200, 200]
            store = one.gateway.store
            assert len(await leases.leases.owners()) <= 1, "who stops gives back what he has put by"
            await one.gateway.services.ledger.leave()
            while await store.open_owners():
                await asyncio.sleep(0.01)
            (window,) = await store.budgets.windows()
            spent = sum(row.meters.cost_micros or 0 for row in await store.exchanges(limit=10**6))
            assert window.spent_micros == spent > 0
            assert window.spent_micros + window.held_micros <= 10**6

    asyncio.run(scene())
