"""Every client before every provider: what an answer costs is booked, the same streamed as whole.

Real sockets, the real gateway, and a simulated provider that says what was used, or keeps it to itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from tests.crossing.conformance import Stage, asking
from tests.house import House, ask, house, post

from dragoman.accounts.tariffs import set_price
from dragoman.core.request import Request
from dragoman.core.usage import Price
from dragoman.dialects import Dialect
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Behaviour, Counts, Simulator
from dragoman.store import AttemptRow, ExchangeRow

PRICE = msgspec.json.decode(b'{"input":"1","output":"2","cache_read":"0.5","cache_write":"4"}', type=Price)
PLAIN = Behaviour(counts=Counts(input=1000, output=200))
DETAILED = Behaviour(counts=Counts(input=1000, cache_read=300, output=200, reasoning=50))
SILENT = Behaviour(usage=False, text="Nobody says what this was worth, and all the same it was not free.")

Row = tuple[ExchangeRow, AttemptRow]


def styles(door: Dialect, target: Dialect) -> list[Request]:
    """Return one question, asked whole, streamed, and streamed without asking for the usage."""
    streamed = asking(door, target, stream=True)
    return [asking(door, target), streamed, msgspec.structs.replace(streamed, stream_usage=False)]


def play(folder: Path, scene: Callable[[Stage], Awaitable[None]]) -> None:
    """Run `scene` before simulated providers with a price."""

    async def run() -> None:
        async with Simulator() as sim, house(folder, sim.url) as gate:
            for name in DIALECTS:
                await priced(gate, f"sim-{name}", "*", PRICE)
            await scene(Stage(sim, gate))

    asyncio.run(run())


async def priced(gate: House, provider: str, model: str, price: Price) -> None:
    """Set an operator's price that holds for everything."""
    gateway = gate.gateway
    who = {"actor": "a test", "provider": provider, "model": model}
    known = gateway.services.live().catalog.providers
    await set_price(gateway.store.prices, known, **who, price=price, since=0.0, now=0.0)
    await gateway.directory.refresh()


async def booked(stage: Stage, door: Dialect, request: Request, does: Behaviour) -> Row:
    """Send a request; return its exchange and its only attempt, once they are settled."""
    got = await stage.send(door, request, does)
    assert got.status == 200, (door.name, request.model, got.body)
    await stage.losses(got)
    [row] = await stage.gate.gateway.store.exchanges(limit=1)
    [attempt] = await stage.gate.attempts(row)
    return row, attempt


@pytest.mark.parametrize("door", DIALECTS.values(), ids=DIALECTS)
def test_what_was_counted_is_charged_to_the_micro_dollar(door: Dialect, tmp_path: Path) -> None:
    """1000 x 1 + 200 x 2, before every provider, however it is asked; by the operator's price."""

    async def scene(stage: Stage) -> None:
        for number, target in enumerate(DIALECTS.values(), 1):
            for request in styles(door, target):
                row, attempt = await booked(stage, door, request, PLAIN)
                where = (target.name, request.stream, request.stream_usage)
                assert (attempt.meters.cost_micros, attempt.price) == (1400, f"operator {number}"), where
                assert (row.meters.cost_micros, row.counted) == (1400, "provider"), where

    play(tmp_path, scene)


@pytest.mark.parametrize("door", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("does", [DETAILED, SILENT], ids=["detailed", "silent"])
def test_a_stream_costs_what_the_whole_answer_does(door: Dialect, does: Behaviour, tmp_path: Path) -> None:
    """More than nothing, the same meters and the same money, whether the provider counted or we did."""

    async def scene(stage: Stage) -> None:
        for target in DIALECTS.values():
            rows = [await booked(stage, door, request, does) for request in styles(door, target)]
            costs = {row.meters.cost_micros for row, _ in rows}
            meters = {attempt.meters for _, attempt in rows}
            assert len(costs) == len(meters) == 1, (target.name, meters)
            assert costs.pop(), target.name
            assert meters.pop().estimated is (does is SILENT), target.name

    play(tmp_path, scene)


def test_a_ranking_is_charged_by_its_searches(tmp_path: Path) -> None:
    """150 documents are two units of a search: twice the fee, and tokens that are counted cost nothing."""
    fee = msgspec.json.decode(b'{"input":"0","output":"0","request":"0.002"}', type=Price)

    async def scene(stage: Stage) -> None:
        await priced(stage.gate, "sim-cohere", "ranker", fee)
        body = {"model": "sim-cohere/ranker", "query": "q", "documents": ["d"] * 150}
        got = await ask(stage.gate.port, post("/v2/rerank", body))
        assert got.status == 200, got.body
        [row] = await stage.gate.rows(1)
        assert (row.task, row.meters.cost_micros) == ("rerank", 4000)

    play(tmp_path, scene)
