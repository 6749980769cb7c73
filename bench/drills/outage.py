"""Databases that go away under load: PostgreSQL stopped as by a crash, Redis hanging, Redis killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from drills import books
from drills.ask import DOORS, MARK, Ask, Client, Heard
from drills.figures import Figure, at_least, at_most, missing, none, percentile, told
from drills.ground import KEY, Node, collected, environment, provider, quiet, running, targets
from drills.history import Findings, Seen, check
from drills.plan import Plan
from drills.purses import Budget, settings
from drills.servers import Postgres, Redis

CLIENTS = 40

PAID = f"{MARK}-client-key-paid"
"""The secret of a key with a budget; the other key has none, and need not wait for the ledger."""

BUDGET = Budget("paid", "key", "paid", 10**7)

LEASE_PERCENT = "0.1"
"""What each worker puts by of it: enough for some requests, and used up before PostgreSQL is back."""

PACE = 200.0

BLAMED = (401, 402, 403, 404, 429, 500)
"""What nobody may hear because a database is away."""

AWAY_S = 3.0
"""Seconds PostgreSQL is away."""

BACK_S = 10.0
"""Seconds after which everybody must be served again, once it is back."""

ARRIVE_S = 30.0
"""Seconds in which what was booked elsewhere meanwhile has to be in PostgreSQL."""

ADDED_S = 0.05
"""Seconds that Redis may cost a request, whatever becomes of it."""


async def run(plan: Plan) -> list[Figure]:
    """Stop PostgreSQL under load, start it again, and see."""
    folder = plan.place("outage")
    postgres = Postgres(folder)
    heard: list[tuple[float, str, Heard]] = []
    times = plan.turns(1, 5)
    found, back = Findings(), list[float]()
    try:
        await postgres.create()
        async with provider(PACE) as simulator:
            given = environment(simulator, {"drill": KEY, "paid": PAID}) | settings([BUDGET])
            given |= {"DRAGOMAN_STORE_URL": postgres.url, "DRAGOMAN_STORE_LEASE_PERCENT": LEASE_PERCENT}
            node = Node(folder / "node", given, workers=2)
            ledger = books.Shared(postgres.url)
            async with running(node):
                for turn in range(times):
                    began = await books.mark(ledger)
                    back.append(await _stopped(node, plan, postgres, heard, turn))
                    await quiet(simulator)
                    found.add(await _caught_up(ledger, collected(simulator.journal), began))
                await node.scrape()
                (folder / "ledger.dump").write_bytes(await ledger.dump())
    finally:
        await postgres.close()
    statuses = Counter(f"{one.end} {one.status}" for _, _, one in heard)
    blamed = [f"{id_}: {one}" for _, id_, one in heard if one.status in BLAMED]
    hasty = [f"{id_}: {one}" for _, id_, one in heard if one.status == 503 and not one.retry_after]
    silent = [f"{id_}: {one}" for _, id_, one in heard if one.end in ("silent", "lost", "unreached")]
    return [
        told(
            "outage",
            "PostgreSQL stopped under load, how often; what clients heard",
            f"{times}: {dict(statuses)}",
        ),
        at_least("outage", "503s", sum(one.status == 503 for _, _, one in heard), 1),
        none("outage", "401, 402, 403, 404, 429 or 500", blamed),
        none("outage", "503 without Retry-After", hasty),
        none("outage", "answers cut short without a word", silent),
        at_most("outage", "everybody is served again after", max(back), BACK_S, unit="s"),
        none("outage", "usage rows lost", found.lost),
        none("outage", "reservations stranded", found.stranded),
        none("outage", "settled requests that cost other than the provider counted", found.wrong),
    ]


async def _stopped(
    node: Node, plan: Plan, postgres: Postgres, heard: list[tuple[float, str, Heard]], turn: int
) -> float:
    """Load the gateway while PostgreSQL goes and comes; return after how long everybody was served again."""
    done = asyncio.Event()
    now = asyncio.get_running_loop().time
    rng = plan.rng("outage", turn)

    async def press(number: int) -> None:
        client = Client(node.port, plan.watch)
        asked = 0
        while not done.is_set():
            target = targets()[(number + asked) % len(targets())]
            id_ = f"o{turn}-{number}-{asked}"
            one = await client.ask(
                Ask(id=id_, key=(KEY, PAID)[number % 2], target=target, door=DOORS[asked % 3], most=100)
            )
            heard.append((now(), id_, one))
            asked += 1
            if one.status != 200:
                await asyncio.sleep(0.1)
        client.close()

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(press(number))
        await asyncio.sleep(rng.uniform(1.0, 2.0))
        await postgres.stop()
        await asyncio.sleep(AWAY_S)
        await postgres.start()
        returned = now()
        await asyncio.sleep(BACK_S + 2.0)
        done.set()
    return max([at - returned for at, _, one in heard if one.status != 200 and at > returned], default=0.0)


async def _caught_up(ledger: books.Books, seen: list[Seen], began: float) -> Findings:
    """Return what is wrong in the ledger; what was booked beside it meanwhile has some time to arrive."""
    until = asyncio.get_running_loop().time() + ARRIVE_S
    while True:
        found = check(seen, await books.rows(ledger, began), (), {})
        if not (found.lost or found.stranded) or asyncio.get_running_loop().time() > until:
            return found
        await asyncio.sleep(0.2)


async def slow(plan: Plan) -> list[Figure]:
    """Measure what Redis costs a request while it answers, hangs, and is gone."""
    folder = plan.place("slow-redis")
    redis = Redis(folder)
    await redis.start()
    count = plan.size(1000, 5000)
    found: dict[str, list[float]] = {}
    heard: list[Heard] = []
    try:
        async with provider() as simulator:
            given = environment(simulator) | {
                "DRAGOMAN_REDIS_URL": redis.url,
                "DRAGOMAN_LIMITS_REQUESTS_PER_MINUTE": "1000000",
            }
            node = Node(folder / "node", given, workers=2)
            async with running(node):
                await _timed(node, plan, "w", count, heard)
                clients = await redis.clients()
                for name, act in _fates(redis):
                    await act()
                    found[name] = await _timed(node, plan, name.split()[0], count, heard)
                await node.scrape()
    finally:
        redis.go_on()
        await redis.kill()
    bad = [one for one in heard if one.status != 200]
    calm = percentile(found["answers"], 0.99) * 1000
    lines = [
        at_least("redis", "connections of two workers to it", clients, 2),
        told("redis", "p99 while it answers", calm, unit="ms"),
    ]
    for name in ("hangs", "is killed"):
        added = percentile(found[name], 0.99) * 1000 - calm
        lines.append(at_most("redis", f"p99 added while it {name}", added, ADDED_S * 1000, unit="ms"))
    if not heard:
        lines.append(missing("redis", "answers", "nobody was asked"))
    return [*lines, none("redis", "answers other than 200", bad)]


def _fates(redis: Redis) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
    async def nothing() -> None:
        return

    async def hold() -> None:
        redis.hold()

    async def kill() -> None:
        redis.go_on()
        await redis.kill()

    return [("answers", nothing), ("hangs", hold), ("is killed", kill)]


async def _timed(node: Node, plan: Plan, name: str, count: int, heard: list[Heard]) -> list[float]:
    """Ask short questions, four at a time; return how long each took."""
    took: list[float] = []
    numbers = iter(range(count))

    async def press() -> None:
        client = Client(node.port, plan.watch)
        for number in numbers:
            id_ = f"{name}-{number}"
            one = await client.ask(Ask(id=id_, key=KEY, target="north/m4", stream=False))
            took.append(one.seconds)
            heard.append(one)
        client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(press())
    return took
