"""kill -9 under load, again and again on the same data: what was seen is booked, what was held is free.

In turn a single process and four workers serve 200 clients, each of which asks as soon as it has been
answered. At a random moment every process of the gateway is killed at once. What the provider saw by then
must have its rows, before anything is started again; after the next start nothing may be open or held,
what was settled costs what the provider counted, and what was interrupted costs what it held.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import msgspec

from drills import books
from drills.ask import DOORS, Ask, Client
from drills.figures import Figure, at_least, none, told
from drills.ground import KEY, Node, collected, environment, provider, quiet, targets
from drills.history import Findings, Seen, check
from drills.plan import Plan
from drills.purses import Budget, settings

CLIENTS = 200
PACE = 250.0
"""Tokens a second of each stream: the longest takes a third of a second."""

LONGEST_S = 2.5
"""A round is cut at a random moment before this."""

SWEEP_S = 5.0
"""Seconds after which what a dead process left open counts as stranded."""

BUDGET = Budget("everything", "all", "", 10**11)


class Round(msgspec.Struct, frozen=True):
    """A round that was cut: when it began, in the ledger's time, and what the provider saw of it."""

    began: float
    seen: list[Seen]


class Tally(msgspec.Struct):
    """What all rounds came to."""

    found: Findings = msgspec.field(default_factory=Findings)
    states: Counter[str] = msgspec.field(default_factory=Counter)
    requests: int = 0


async def run(plan: Plan) -> list[Figure]:
    """Play the rounds and return their figures."""
    rounds = plan.turns(4, 200)
    tally, cut = Tally(), None
    async with provider(pace=PACE) as simulator:
        node = Node(plan.place("crash"), environment(simulator) | settings([BUDGET]))
        ledger = books.File(node.data / "dragoman.db")
        try:
            for turn in range(rounds):
                node.workers = (1, 4)[turn % 2]
                await _started(node, ledger, tally, cut)
                began = await books.mark(ledger)
                await _pressed(node, plan, turn)
                await quiet(simulator)
                cut = Round(began, collected(simulator.journal))
                plan.note("crash", cut.seen)
                rows = await books.rows(ledger, began)
                tally.found.lost += check(cut.seen, rows, (), {}).lost
            await _started(node, ledger, tally, cut)
            stands, rows = await books.stands(ledger), await books.rows(ledger)
        finally:
            await node.kill()
    last = check((), rows, stands, {BUDGET.name: BUDGET.cap})
    tally.found.stranded += [one for one in last.stranded if one not in tally.found.stranded]
    tally.found.drift += last.drift
    return _figures(tally, rounds)


def _figures(tally: Tally, rounds: int) -> list[Figure]:
    found = tally.found
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(tally.states.items()))
    return [
        told("crash", "rounds, and clients in each", f"{rounds} x {CLIENTS}"),
        at_least("crash", "requests the provider saw", tally.requests, rounds * CLIENTS // 4),
        told("crash", "rows by state", states),
        none("crash", "usage rows lost", found.lost),
        none("crash", "reservations stranded after the restart", found.stranded),
        none("crash", "settled requests that cost other than the provider counted", found.wrong),
        none("crash", "interrupted requests booked below what was sent, or not at their hold", found.below),
        none("crash", "budget windows that differ from the ledger's sum", found.drift),
    ]


async def _started(node: Node, ledger: books.Books, tally: Tally, cut: Round | None) -> None:
    """Start the gateway, and hold against each other what is left of the round that was cut."""
    await node.start()
    if cut is None:
        return
    await books.settled(ledger, SWEEP_S)
    rows = await books.rows(ledger, cut.began)
    found = check(cut.seen, rows, (), {})
    found.lost = [one for one in found.lost if one not in tally.found.lost]
    tally.found.add(found)
    tally.requests += len(cut.seen)
    tally.states.update(row.state for row in rows)


async def _pressed(node: Node, plan: Plan, turn: int) -> None:
    """Let every client ask again and again, and kill the gateway at a random moment."""
    rng = plan.rng("crash", turn)
    dead = asyncio.Event()

    async def press(number: int, chance: Random) -> None:
        client = Client(node.port, plan.watch)
        asked = 0
        while not dead.is_set():
            door = chance.choice(DOORS)
            most = chance.choice((100, 200, None) if door != "messages" else (100, 200))
            heard = await client.ask(
                Ask(
                    id=f"c{turn}-{number}-{asked}",
                    key=KEY,
                    target=chance.choice(targets()),
                    door=door,
                    most=most,
                )
            )
            asked += 1
            if heard.end in ("lost", "unreached"):
                break
        client.close()

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(press(number, Random(rng.random())))  # noqa: S311 - as the plan's
        await asyncio.sleep(rng.uniform(0.2, LONGEST_S))
        await node.kill()
        dead.set()
