"""200 requests at once against a budget for about 50, in four processes: never beyond it, never short of it.

Every round has a key and a hard budget of its own. Its requests say how long an answer may be, or do not;
are streams or whole; some of their clients leave, and now and then a worker is killed in their midst. Who
is told that the money is only held by others (429) asks again; who is told that there is none left (402)
does not. At the end of a round the ledger, and the provider's own count, must lie within the cap; and some
of those who were refused ask once more, alone: had the money been there, they would be served now.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random

import msgspec

from dragoman.simulator import Simulator
from drills import books
from drills.ask import DOORS, INPUT, MARK, Ask, Heard, ask
from drills.figures import Figure, at_least, none, told
from drills.ground import LENGTHS, PROVIDERS, Node, collected, environment, provider, quiet, running
from drills.history import Findings, Seen, check, price
from drills.plan import Plan
from drills.purses import Budget, settings
from drills.servers import Postgres, Redis

CLIENTS = 200
PAYS_FOR = 50

PACE = 400.0
"""Tokens a second: the longest answer takes a fifth of one."""

PATIENCE_S = 20.0
"""Seconds for which a client asks again for money that others hold: much longer than a killed worker's is."""

LEASE_S = 60.0
"""Seconds after which a whole node that is gone counts as dead to the others."""

WAITS_S = (0.1, 0.6)
"""The shortest and the longest pause between two tries; each is half as long again as the one before."""

AGAIN = 4
"""Refused requests of a round that are asked once more at its end."""

KILLS = 0.2
"""The share of the rounds in which a worker is killed."""

LEAVES = 0.15
"""The share of the clients that leave."""


class Hall(msgspec.Struct, kw_only=True):
    """Where the rounds take place: the nodes, their ledger, the provider, and what all rounds came to.

    Attributes:
        kills: The rounds in which a worker is killed.
        doomed: The round in which a whole node is killed, for good.
        patience_s: How long money may be held for nobody.
        halfway: Called once half of the rounds are over.
        more: Figures of its own.
    """

    name: str
    plan: Plan
    simulator: Simulator
    nodes: Sequence[Node]
    ledger: books.Books
    caps: dict[str, int]
    kills: frozenset[int]
    doomed: int = -1
    patience_s: float = PATIENCE_S
    halfway: Callable[[], Awaitable[None]] | None = None
    more: list[Figure] = msgspec.field(default_factory=list)
    found: Findings = msgspec.field(default_factory=Findings)
    early: list[str] = msgspec.field(default_factory=list)
    stuck: list[str] = msgspec.field(default_factory=list)
    heard: Counter[str] = msgspec.field(default_factory=Counter)
    left: list[int] = msgspec.field(default_factory=list)

    def rng(self, turn: int) -> Random:
        """Return the source of chance of a round."""
        return self.plan.rng(self.name, turn)


async def run(plan: Plan) -> list[Figure]:
    """Play the rounds on one machine: four workers on a SQLite file."""
    rounds = plan.turns(15, 1000)
    caps = _caps(plan, rounds)
    async with provider(PACE) as simulator:
        node = Node(plan.place("purse"), _environment(simulator, caps), workers=4)
        hall = Hall(
            name="purse",
            plan=plan,
            simulator=simulator,
            nodes=[node],
            ledger=books.File(node.data / "dragoman.db"),
            caps=caps,
            kills=_kills(plan, rounds),
        )
        async with running(node):
            await _play(hall, rounds)
    return _figures(hall, rounds)


async def shared(plan: Plan) -> list[Figure]:
    """Play them on two nodes of two workers that share PostgreSQL and Redis.

    Half-way Redis is killed. At full size one of the nodes is killed in a last round, and stays dead: what it
    held must be free once its lease is over.
    """
    rounds = plan.turns(8, 1000)
    caps = _caps(plan, rounds + 1)
    folder = plan.place("shared")
    postgres, redis = Postgres(folder), Redis(folder)
    try:
        await postgres.create()
        await redis.start()
        async with provider(PACE) as simulator:
            given = _environment(simulator, caps) | {
                "DRAGOMAN_STORE_URL": postgres.url,
                "DRAGOMAN_REDIS_URL": redis.url,
            }
            nodes = [Node(folder / name, given, workers=2, name=name) for name in ("first", "second")]
            ledger = books.Shared(postgres.url)
            hall = Hall(
                name="shared",
                plan=plan,
                simulator=simulator,
                nodes=nodes,
                ledger=ledger,
                caps=caps,
                kills=_kills(plan, rounds),
                doomed=rounds if plan.full else -1,
                patience_s=LEASE_S + PATIENCE_S,
                halfway=redis.kill,
            )
            async with running(*nodes):
                hall.more += [
                    at_least("shared", "connections of two nodes to Redis", await redis.clients(), 2)
                ]
                await _play(hall, rounds + plan.full)
            (folder / "ledger.dump").write_bytes(await ledger.dump())
    finally:
        await redis.kill()
        await postgres.close()
    return _figures(hall, rounds)


async def _play(hall: Hall, rounds: int) -> None:
    for turn in range(rounds):
        if hall.halfway is not None and turn == rounds // 2:
            await hall.halfway()
        await _round(hall, turn)
    for node in hall.nodes:
        await node.scrape()


async def _round(hall: Hall, turn: int) -> None:
    """Play one round, and hold against each other what came of it."""
    rng = hall.rng(turn)
    began = await books.mark(hall.ledger)
    refused: list[Ask] = []
    async with asyncio.TaskGroup() as group:
        clients = [
            group.create_task(_buy(hall, _drawn(rng, turn, number), Random(rng.random())))  # noqa: S311 - as the plan's
            for number in range(CLIENTS)
        ]
        watching = group.create_task(_watching(hall, turn))
        if turn in hall.kills:
            await asyncio.sleep(rng.uniform(0.1, 1.5))
            os.kill(rng.choice(rng.choice(hall.nodes).siblings()), signal.SIGKILL)
        elif turn == hall.doomed:
            await asyncio.sleep(rng.uniform(0.1, 1.5))
            await hall.nodes[-1].kill()
        refused = [asked for client in clients if (asked := await client) is not None]
        watching.cancel()
    await _rested(hall, turn)
    seen = collected(hall.simulator.journal)
    if refused:
        await _again(hall, refused, rng)
        await _rested(hall, turn)
        seen += collected(hall.simulator.journal)
    await _checked(hall, turn, began, seen, short=bool(refused))


async def _rested(hall: Hall, turn: int) -> None:
    await quiet(hall.simulator)
    if not await books.settled(hall.ledger, hall.patience_s):
        hall.found.stranded += [f"round {turn}: a row is open after {hall.patience_s:g} s"]


async def _checked(hall: Hall, turn: int, began: float, seen: list[Seen], *, short: bool) -> None:
    hall.plan.note(hall.name, seen)
    name = f"b{turn}"
    rows = await books.rows(hall.ledger, began)
    stands = [one for one in await books.stands(hall.ledger) if one.place[0] == name]
    hall.found.add(check(seen, rows, stands, hall.caps))
    if short and stands:
        hall.left.append(hall.caps[name] - stands[0].spent)


async def _buy(hall: Hall, asked: Ask, chance: Random) -> Ask | None:
    """Ask until it is served, or there is no money left: then return what was refused."""
    now = asyncio.get_running_loop().time
    until, pause, turn = now() + hall.patience_s, WAITS_S[0], 0
    while now() < until:
        port = chance.choice(hall.nodes).port
        one = msgspec.structs.replace(asked, id=f"{asked.id}-{turn}")
        heard = await ask(port, one, hall.plan.watch)
        hall.heard[_word(heard)] += 1
        if heard.status == 402:
            return one
        if heard.status not in (429, 503):
            return None
        await asyncio.sleep(chance.uniform(pause / 2, pause))
        pause, turn = min(WAITS_S[1], pause * 1.5), turn + 1
    hall.stuck.append(f"{asked.id} was put off {turn} times")
    return None


async def _again(hall: Hall, refused: Sequence[Ask], rng: Random) -> None:
    """Ask some of those once more, now that nothing runs: a refusal that was right is one still."""
    for asked in rng.sample(refused, min(AGAIN, len(refused))):
        # Word for word the same: a name one token longer might be one that the money does not pay for.
        one = msgspec.structs.replace(asked, leave=None)
        heard = await ask(hall.nodes[0].port, one, hall.plan.watch)
        if heard.status != 402:
            hall.early.append(f"{asked.id} was refused for ever, and later heard {heard.status} {heard.code}")
            return


async def _watching(hall: Hall, turn: int) -> None:
    """Look at the window while the round runs: it may at no time hold and have spent more than its cap."""
    query = f"select spent, held from budget_window where budget = 'b{turn}'"  # noqa: S608 - a name of ours
    cap = hall.caps[f"b{turn}"]
    while True:
        await asyncio.sleep(0.05)
        for spent, held in await hall.ledger.query(query):
            if spent + held > cap:
                hall.found.over.append(f"b{turn} has spent {spent} and holds {held}, of {cap}")


def _drawn(rng: Random, turn: int, number: int) -> Ask:
    """Draw a request."""
    stream = rng.random() < 0.7
    limits = (8, 20, 50, 100)
    most = rng.choice((*limits, None, None))
    door = rng.choice(DOORS)
    return Ask(
        id=f"b{turn}-{number}",
        key=_secret(turn),
        target=f"{rng.choice(list(PROVIDERS))}/m{rng.choice(LENGTHS)}",
        door=door,
        stream=stream,
        most=most if most is not None or door != "messages" else rng.choice(limits),
        leave=(rng.randint(0, 6) if stream else 0) if rng.random() < LEAVES else None,
    )


def _word(heard: Heard) -> str:
    return f"{heard.status}" if heard.end == "whole" else f"{heard.end} {heard.status}"


def _environment(simulator: Simulator, caps: Mapping[str, int]) -> dict[str, str]:
    """Return the gateway's configuration: a key for each round, and a budget for each key."""
    keys = {f"p{turn}": _secret(turn) for turn in range(len(caps))}
    budgets = [Budget(name, "key", f"p{name[1:]}", cap) for name, cap in caps.items()]
    return environment(simulator, keys) | settings(budgets)


def _kills(plan: Plan, rounds: int) -> frozenset[int]:
    """Return the rounds in which a worker is killed."""
    rng = plan.rng("kills")
    return frozenset(turn for turn in range(rounds) if rng.random() < KILLS)


def _secret(turn: int) -> str:
    return f"{MARK}-client-key-{turn}"


def _caps(plan: Plan, rounds: int) -> dict[str, int]:
    """Return each budget's cap: about fifty mean answers, some more, some less."""
    mean = price(INPUT, sum(LENGTHS) // len(LENGTHS))
    rng = plan.rng("caps")
    return {f"b{turn}": int(mean * PAYS_FOR * rng.uniform(0.8, 1.2)) for turn in range(rounds)}


def _figures(hall: Hall, rounds: int) -> list[Figure]:
    name, found = hall.name, hall.found
    heard = ", ".join(f"{count:,} x {word}" for word, count in sorted(hall.heard.items()))
    return [
        *hall.more,
        told(name, "rounds, requests in each, workers killed", f"{rounds} x {CLIENTS}, {len(hall.kills)}"),
        told(name, "what clients heard", heard),
        at_least(name, "refusals for good (402)", hall.heard["402"], rounds),
        none(name, "budgets overshot, by the ledger, at any moment", found.over),
        none(name, "budgets overshot, by the provider's own count of all it sent", found.beyond),
        none(name, "refused for good while money remained", hall.early),
        none(name, "put off for ever", hall.stuck),
        told(name, "most left of a budget that refused", max(hall.left, default=0), unit="micro-dollars"),
        none(name, "usage rows lost", found.lost),
        none(name, "reservations stranded", found.stranded),
        none(name, "settled requests that cost other than the provider counted", found.wrong),
        none(name, "interrupted requests booked below what was sent, or not at their hold", found.below),
        none(name, "budget windows that differ from the ledger's sum", found.drift),
    ]
