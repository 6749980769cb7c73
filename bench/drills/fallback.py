"""One of two providers is down, in several ways; then all are. Who asks notices as little as can be."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from dragoman.simulator import Simulator
from drills import books
from drills.ask import Ask, Client, Heard
from drills.figures import Figure, at_least, at_most, none, told
from drills.ground import KEY, Node, collected, environment, provider, quiet, running
from drills.history import check
from drills.plan import Plan
from drills.purses import Budget, settings

CLIENTS = 50

TRIES = 2.0
"""How often a target is asked at most (``routing/retry.py``), and there is but one."""

BUDGET = Budget("everything", "all", "", 10**11)

BROKEN = {"match": {"model": "broken"}, "then": {"error": {"status": 503}}}
CUT = {"match": {"model": "cut"}, "then": {"faults": [{"kind": "reset"}]}}


DOWN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"refuses": ("gone", "m12"), "says-503": ("north", "broken"), "resets": ("north", "cut")}
)
"""Each route, and which provider and model come first in it; what comes second works."""


async def run(plan: Plan) -> list[Figure]:
    """Ask with one of two down, then with all."""
    count = plan.size(600, 20_000)
    async with provider(rules=(BROKEN, CUT)) as simulator:
        node = Node(plan.place("fallback"), _environment(simulator))
        ledger = books.File(node.data / "dragoman.db")
        async with running(node):
            heard = await _ask(node, plan, list(DOWN), count)
            await quiet(simulator)
            await books.settled(ledger)
            found = check(collected(simulator.journal), await books.rows(ledger), (), {})
            failed = await _ask(node, plan, ["north/broken"], count // 3)
            await quiet(simulator)
            asked = len(collected(simulator.journal))
            await node.scrape()
    good = sum(one.status == 200 and one.end == "whole" for one in heard)
    statuses = Counter(one.status for one in failed)
    bugs = [one for one in (*heard, *failed) if one.status == 500]
    return [
        at_least("fallback", "answered with 1 of 2 providers down", 100 * good / len(heard), 99.99, unit="%"),
        none("fallback", "calls the provider saw that no attempt was booked for", found.lost),
        none("fallback", "requests left open, or settled at a wrong cost", [*found.stranded, *found.wrong]),
        told("fallback", "statuses while every provider fails", str(dict(statuses))),
        none("fallback", "500s", bugs),
        at_most("fallback", "calls for each request while every provider fails", asked / len(failed), TRIES),
    ]


def _environment(simulator: Simulator) -> dict[str, str]:
    """Return the gateway's configuration."""
    given = environment(simulator, more=list(DOWN.values())) | settings([BUDGET])
    providers = json.loads(given["DRAGOMAN_PROVIDERS"])
    providers["gone"] = {**providers["north"], "base_url": f"http://127.0.0.1:{_closed()}/v1"}
    routes = {name: {"targets": ["/".join(first), "south/m12"]} for name, first in DOWN.items()}
    return given | {"DRAGOMAN_PROVIDERS": json.dumps(providers), "DRAGOMAN_ROUTES": json.dumps(routes)}


async def _ask(node: Node, plan: Plan, models: list[str], count: int) -> list[Heard]:
    """Ask so often, each model in turn; return what was heard."""
    heard: list[Heard] = []
    numbers = iter(range(count))

    async def press() -> None:
        client = Client(node.port, plan.watch)
        for number in numbers:
            model = models[number % len(models)]
            asked = Ask(
                id=f"f-{model.replace('/', '-')}-{number}", key=KEY, target=model, stream=number % 2 == 0
            )
            heard.append(await client.ask(asked))
        client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(press())
    return heard


def _closed() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
