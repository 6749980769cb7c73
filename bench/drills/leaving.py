"""Clients that leave in the middle of an answer, and clients that never finish asking.

After thousands have left, the provider must be giving nobody an answer any more, and the gateway's process
have no more tasks, open files and connections than before. A connection whose request never arrives whole
must be closed in time, and not be felt by those who ask.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from drills import books
from drills.ask import DOORS, Ask, Client, Heard, ask
from drills.figures import Figure, at_least, at_most, none, percentile, told
from drills.ground import KEY, Node, collected, environment, provider, quiet, running
from drills.history import check
from drills.plan import Plan

AT_ONCE = 100
PACE = 25.0
"""Tokens a second: an answer of 80 takes three, and nobody stays for its end."""

BACK_S = 2.0
"""Seconds after which everything must be as it was before."""

HEADER_S = 6.0
"""Seconds the gateway of the slow clients gives a request's head."""

PARTIAL = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "


async def run(plan: Plan) -> list[Figure]:
    """Leave, and see what stays."""
    return [*await _left(plan), *await _slow(plan)]


async def _left(plan: Plan) -> list[Figure]:
    async with provider(pace=PACE) as simulator:
        node = Node(plan.place("leaving"), environment(simulator), probed=True)
        ledger = books.File(node.data / "dragoman.db")
        async with running(node):
            await _warm(node, plan, "warm")
            await quiet(simulator)
            collected(simulator.journal)
            began, before, idle = await books.mark(ledger), await node.probe(), simulator.connections
            heard = await _leave(node, plan)
            await quiet(simulator, BACK_S)
            seconds = {id_: simulator.journal.since(one.left_at) for id_, one in heard.items()}
            after = await _back(node, before)
            connections = simulator.connections
            open_ = simulator.journal.open
            seen = collected(simulator.journal)
            await books.settled(ledger)
            rows = await books.rows(ledger, began)
            await node.scrape()
    gone = [one.ended_s - seconds[one.id] for one in seen if one.ended_s and one.outcome == "cancelled"]
    wrong = [f"{id_}: {one}" for id_, one in heard.items() if one.end != "left"]
    found = check(seen, rows, (), {})
    more = {name: after[name] - before[name] for name in before}
    return [
        at_least("leaving", "clients that left mid-stream", len(gone), len(heard)),
        none("leaving", "clients that could not", wrong),
        at_most("leaving", "leaked upstream connections", max(0, connections - idle) + open_, 0),
        at_most("leaving", "leaked tasks", max(0, more["tasks"]), 0),
        at_most("leaving", "leaked files", max(0, more["files"] - (connections - idle)), 0),
        at_most(
            "leaving", "upstream closed after the client left, p99", percentile(gone, 0.99), 1.0, unit="s"
        ),
        none("leaving", "usage rows lost, or left open", [*found.lost, *found.stranded]),
    ]


async def _leave(node: Node, plan: Plan) -> dict[str, Heard]:
    """Let clients come and leave, so many at once; return what each heard, by its request."""
    rng = plan.rng("leaving")
    asks = [
        Ask(
            id=f"l-{number}",
            key=KEY,
            target=f"{rng.choice(('north', 'south', 'west'))}/m80",
            door=(door := rng.choice(DOORS)),
            most=100 if door == "messages" else None,
            leave=rng.randint(1, 4),
        )
        for number in range(plan.size(500, 10_000))
    ]
    heard: dict[str, Heard] = {}
    left = iter(asks)

    async def client() -> None:
        for asked in left:
            heard[asked.id] = await ask(node.port, asked, plan.watch)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(client())
    return heard


async def _back(node: Node, before: Mapping[str, int]) -> Mapping[str, int]:
    """Return the counts once they are as before, or after as long as that may take."""
    until = time.monotonic() + BACK_S
    while True:
        now = await node.probe()
        if all(now[name] <= before[name] for name in before) or time.monotonic() > until:
            return now
        await asyncio.sleep(0.05)


async def _slow(plan: Plan) -> list[Figure]:
    count = plan.size(200, 2000)
    async with provider() as simulator:
        settings = environment(simulator) | {"DRAGOMAN_SERVER_HEADER_TIMEOUT_S": str(HEADER_S)}
        node = Node(plan.place("slow"), settings)
        async with running(node):
            await _warm(node, plan, "w")
            calm = await _best(node, plan, "a")
            connected = [asyncio.Event() for _ in range(count)]
            slow = [asyncio.ensure_future(_partial(node.port, one)) for one in connected]
            await asyncio.gather(*(one.wait() for one in connected))
            pressed = await _best(node, plan, "b")
            closed = await asyncio.gather(*slow)
    return [
        told("leaving", "connections that never send a whole head", count),
        at_most("leaving", "the last of them is closed after", max(closed), HEADER_S + 2, unit="s"),
        told("leaving", "p99 of normal requests without them", calm, unit="ms"),
        at_most("leaving", "and beside them", pressed, max(calm * 1.1, calm + 20), unit="ms"),
    ]


async def _best(node: Node, plan: Plan, name: str) -> float:
    """Return the 99th percentile in milliseconds, the best of three: the rest is the machine."""
    return min([percentile(await _warm(node, plan, f"{name}{turn}"), 0.99) * 1000 for turn in range(3)])


async def _partial(port: int, connected: asyncio.Event) -> float:
    """Send half a head; return the seconds until the gateway closes the connection."""
    began = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = time.monotonic()
        writer.write(PARTIAL)
        connected.set()
        await reader.read()
        writer.close()
    except OSError:
        connected.set()
    return time.monotonic() - began


async def _warm(node: Node, plan: Plan, name: str) -> Sequence[float]:
    """Ask some short questions, four at a time; return how long each took."""
    took: list[float] = []

    async def client(number: int) -> None:
        one = Client(node.port, plan.watch)
        for turn in range(50):
            id_ = f"{name}-{number}-{turn}"
            heard = await one.ask(Ask(id=id_, key=KEY, target="north/m4", stream=False))
            if heard.status != 200:
                raise RuntimeError(f"{id_} was answered with {heard}")
            took.append(heard.seconds)
        one.close()

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(client(number))
    return took
