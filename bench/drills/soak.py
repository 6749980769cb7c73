"""Very many requests, with many keys and many names of models: what a process keeps of them in memory."""

from __future__ import annotations

import asyncio

from drills.ask import MARK, Ask, Client
from drills.figures import Figure, at_most, none, told
from drills.ground import Node, environment, provider, running
from drills.plan import Plan

CLIENTS = 32
KEYS = 1000
WARM = 0.2
"""The share of the requests after which memory is looked at first."""

GROWTH = 5.0
"""Percent that the memory may grow from there."""


async def run(plan: Plan) -> list[Figure]:
    """Ask very often, a new model each time, and watch the memory."""
    requests = plan.size(3_000, 300_000)
    keys = {f"s{number}": f"{MARK}-client-key-{number}" for number in range(KEYS)}
    bad: list[str] = []
    async with provider() as simulator:
        simulator.journal.bodies = False
        node = Node(plan.place("soak"), environment(simulator, keys))
        async with running(node):
            curve: list[float] = []
            part = requests // 20
            for first in range(0, requests, part):
                await _ask(node, plan, range(first, min(requests, first + part)), bad)
                curve.append(node.rss() / 1e6)
                simulator.journal.clear()
            lines = await node.scrape()
    warm = curve[int(len(curve) * WARM) - 1]
    growth = 100 * (curve[-1] / warm - 1)
    found = [
        told("soak", "requests, keys, models", f"{requests:,}, {KEYS:,}, {requests:,}"),
        none("soak", "answers other than 200", bad),
        told(
            "soak",
            "memory, in MB, from the first twentieth to the last",
            ", ".join(f"{n:.0f}" for n in curve),
        ),
        told("soak", "lines of metrics at the end", lines),
    ]
    if plan.full:
        found.append(at_most("soak", "memory grown after the warm-up", growth, GROWTH, unit="%"))
    return found


async def _ask(node: Node, plan: Plan, numbers: range, bad: list[str]) -> None:
    left = iter(numbers)

    async def press() -> None:
        client = Client(node.port, plan.watch)
        for number in left:
            key = f"{MARK}-client-key-{number % KEYS}"
            asked = Ask(id=f"s-{number}", key=key, target=f"north/x{number}", stream=False)
            heard = await client.ask(asked)
            if heard.status != 200:
                bad.append(f"{asked.id}: {heard}")
        client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(press())
