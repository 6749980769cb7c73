"""``/admin/prices``: what holds, prices of the operator's own, and history priced anew, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.house import Answer, House, ask, chat, get, house, post

from dragoman.server.openapi import prices as described
from dragoman.simulator import Behaviour, Counts, Script, Simulator

KEYS = {
    "boss": {"value": "the-admins-own", "role": "admin"},
    "eye": {"value": "the-readers-own", "role": "reader"},
    "ann": {"value": "the-members-own"},
}
BOSS, EYE, ANN = ({"x-api-key": str(key["value"])} for key in KEYS.values())
NAMED: dict[str, Any] = {"provider": "sim-openai_chat", "model": "m"}
OWN = {**NAMED, "price": {"input": "1", "output": "2"}}
SCRIPT = Script(default=Behaviour(counts=Counts(input=1000, output=200)))


def play(folder: Path, scene: Callable[[House], Awaitable[None]]) -> None:
    """Play against a gateway with three keys, whose provider is simulated and says 1000 and 200 tokens."""

    async def run() -> None:
        async with (
            Simulator(script=SCRIPT) as sim,
            house(folder, sim.url, DRAGOMAN_KEYS=json.dumps(KEYS)) as gate,
        ):
            await scene(gate)

    asyncio.run(run())


async def told(gate: House, path: str, body: Any, headers: dict[str, str] = BOSS) -> Answer:
    """Send a change; return the answer."""
    return await ask(gate.port, post(path, body, headers))


def test_a_price_is_set_and_holds_for_the_next_request(tmp_path: Path) -> None:
    """It is there as the document describes it, in what is booked from then on, and in the audit log."""

    async def scene(gate: House) -> None:
        answer = await told(gate, "/admin/prices", OWN)
        assert answer.status == 200
        row = msgspec.convert(answer.json, described.OwnPrice, strict=True)
        assert (row.number, row.provider, row.model, row.price) == (1, *NAMED.values(), OWN["price"])
        shown = await ask(gate.port, get("/admin/prices?provider=sim-openai_chat", EYE))
        table = msgspec.convert(shown.json, described.PriceTable, strict=True)
        assert [(entry.model, entry.price, entry.by) for entry in table.prices] == [
            ("m", OWN["price"], "operator 1")
        ]
        assert table.own == [row]
        assert shown.headers["cache-control"] == "no-store"
        assert (await ask(gate.port, post("/v1/chat/completions", chat("hi"), ANN))).status == 200
        [exchange] = await gate.rows(1)
        [attempt] = await gate.attempts(exchange)
        assert (attempt.meters.cost_micros, attempt.price) == (1400, "operator 1")
        [(_, entry)] = await gate.gateway.store.audit.rows()
        assert (entry.actor, entry.action, entry.subject) == ("boss", "prices.set", "sim-openai_chat/m")

    play(tmp_path, scene)


def test_history_is_priced_anew(tmp_path: Path) -> None:
    """What nobody knew is known; first it can be seen what would change."""

    async def scene(gate: House) -> None:
        assert (await ask(gate.port, post("/v1/chat/completions", chat("hi"), ANN))).status == 200
        [row] = await gate.rows(1)
        assert row.meters.cost_micros is None
        await told(gate, "/admin/prices", {**OWN, "since": 0})
        for dry in (True, False):
            answer = await told(gate, "/admin/prices/reprice", {"dry_run": dry, "since": "2026-01-01"})
            found = msgspec.convert(answer.json, described.RepricedSummary, strict=True)
            assert (found.seen, found.rows, found.unknown, found.after_micros) == (1, 1, 1, 1400)
            [row] = await gate.rows(1)
            assert row.meters.cost_micros == (None if dry else 1400)
        again = await told(gate, "/admin/prices/reprice", {})
        assert (again.json["seen"], again.json["rows"]) == (1, 0)
        log = [entry.action for _, entry in await gate.gateway.store.audit.rows()]
        assert log == ["prices.reprice", "prices.reprice", "prices.set"]

    play(tmp_path, scene)


def test_what_ships_is_listed_on_request(tmp_path: Path) -> None:
    """A provider that is not set up is shown where it is named, and all where all are asked for."""

    async def scene(gate: House) -> None:
        found = (await ask(gate.port, get("/admin/prices?provider=openai&model=gpt-5.5", EYE))).json["prices"]
        assert [(entry["price"]["input"], entry["by"].split()[0]) for entry in found] == [
            ("5", "genai-prices")
        ]
        assert (await ask(gate.port, get("/admin/prices", EYE))).json == {"prices": [], "own": []}
        every = (await ask(gate.port, get("/admin/prices?all=true", EYE))).json["prices"]
        assert {entry["provider"] for entry in every} >= {"openai", "anthropic", "gemini", "cohere"}

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "$"),
        ({**OWN, "provider": "nobody"}, "provider"),
        ({**OWN, "model": ""}, "model"),
        ({**OWN, "price": {"input": "-1", "output": "1"}}, "price.input"),
        ({**OWN, "price": {"input": "x", "output": "1"}}, "$.price.input"),
        ({**OWN, "price": {"input": "1"}}, "$.price"),
        ({**OWN, "price": {"input": "1", "output": "1", "in": "1"}}, "$.price"),
        ({**OWN, "since": "soon"}, "$.since"),
        ({**OWN, "until": "soon"}, "$"),
    ],
)
def test_what_is_no_price_is_refused(tmp_path: Path, body: dict[str, Any], at: str) -> None:
    """With a 400 that says where, and nothing is kept."""

    async def scene(gate: House) -> None:
        answer = await told(gate, "/admin/prices", body)
        assert (answer.status, answer.json["error"]["at"]) == (400, at)
        assert await gate.gateway.store.prices.rows() == []

    play(tmp_path, scene)


def test_only_who_may_looks_and_changes(tmp_path: Path) -> None:
    """A reader looks, an admin changes, and a key of its own business does neither."""

    async def scene(gate: House) -> None:
        for headers, seen, changed in ((BOSS, 200, 200), (EYE, 200, 403), (ANN, 403, 403), ({}, 401, 401)):
            assert (await ask(gate.port, get("/admin/prices", headers))).status == seen
            assert (await told(gate, "/admin/prices", OWN, headers)).status == changed
            assert (await told(gate, "/admin/prices/reprice", {}, headers)).status == changed

    play(tmp_path, scene)


def test_a_misspelt_filter_is_refused(tmp_path: Path) -> None:
    """A list without its filter would look like one with it."""

    async def scene(gate: House) -> None:
        for query in ("vendor=openai", "all=yes"):
            assert (await ask(gate.port, get(f"/admin/prices?{query}", BOSS))).status == 400

    play(tmp_path, scene)
