"""SIGTERM under load: what was begun is finished and booked, and the process ends in time."""

from __future__ import annotations

import asyncio
from collections import Counter

from drills import books
from drills.ask import DOORS, Ask, Client, Heard
from drills.figures import Figure, at_most, none, told
from drills.ground import KEY, LENGTHS, Node, collected, environment, provider, quiet
from drills.history import Findings, check
from drills.plan import Plan

CLIENTS = 60
PACE = 80.0
"""Tokens a second: the longest answer takes one."""

DRAIN_S = 10.0


async def run(plan: Plan) -> list[Figure]:
    """Stop a loaded gateway, again and again."""
    rounds = plan.turns(2, 20)
    found, heard, took = Findings(), list[tuple[str, Heard]](), list[float]()
    async with provider(pace=PACE) as simulator:
        settings = environment(simulator) | {"DRAGOMAN_SERVER_DRAIN_S": str(DRAIN_S)}
        node = Node(plan.place("drain"), settings)
        ledger = books.File(node.data / "dragoman.db")
        try:
            for turn in range(rounds):
                node.workers = (1, 4)[turn % 2]
                await node.start()
                began = await books.mark(ledger)
                took.append(await _stopped(node, plan, turn, heard))
                await quiet(simulator)
                found.add(check(collected(simulator.journal), await books.rows(ledger, began), (), {}))
        finally:
            await node.kill()
    ends = Counter(f"{one.end} {one.status}" for _, one in heard)
    cut = [
        f"{id_}: {one}"
        for id_, one in heard
        if one.end in ("broken", "silent") or (one.end == "lost" and one.status)
    ]
    odd = [f"{id_}: {one}" for id_, one in heard if one.status not in (0, 200, 503)]
    return [
        told("drain", "rounds, and how requests ended", f"{rounds}: {dict(ends)}"),
        none("drain", "answers begun and not finished", cut),
        none("drain", "answers other than 200, or 503 from who is leaving", odd),
        none("drain", "usage rows lost, or left open", [*found.lost, *found.stranded]),
        none("drain", "settled requests that cost other than the provider counted", found.wrong),
        at_most("drain", "from SIGTERM to the end, the longest", max(took), DRAIN_S + 5, unit="s"),
    ]


async def _stopped(node: Node, plan: Plan, turn: int, heard: list[tuple[str, Heard]]) -> float:
    """Ask until nobody answers any more; stop the gateway meanwhile, and return how long that took."""
    rng = plan.rng("drain", turn)

    async def press(number: int) -> None:
        client = Client(node.port, plan.watch)
        asked, one = 0, Heard(status=200)
        while one.status == 200:
            door = DOORS[(number + asked) % 3]
            target = f"{('north', 'south', 'west')[asked % 3]}/m{LENGTHS[(number + asked) % 4]}"
            id_ = f"d{turn}-{number}-{asked}"
            one = await client.ask(Ask(id=id_, key=KEY, target=target, door=door, most=100))
            heard.append((id_, one))
            asked += 1
        client.close()

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(press(number))
        await asyncio.sleep(rng.uniform(0.5, 1.5))
        return await node.stop()
