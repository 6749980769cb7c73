"""``/admin/budgets``, ``/admin/alerts`` and ``/v1/budgets``: who may see and change what may be spent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.accounts.rows import exchange
from tests.house import JSON, Answer, House, ask, get, house

from dragoman.dialects import Call
from dragoman.server.openapi import budgets as described
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.budgets import AlertRow, Claim

KEYS = {
    "boss": {"value": "the-admins-own", "role": "admin"},
    "eye": {"value": "the-readers-own", "role": "reader"},
    "ann": {"value": "the-members-own", "team": "red", "user": "ann.b"},
}
BOSS, EYE, ANN = ({"x-api-key": str(key["value"])} for key in KEYS.values())
DAILY = {"scope": "key", "subject": "*", "dollars": "2.50", "period": "day", "alerts": [50]}


def play(folder: Path, scene: Callable[[House], Awaitable[None]]) -> None:
    """Play against a gateway with three keys."""

    async def run() -> None:
        async with house(folder, DRAGOMAN_KEYS=json.dumps(KEYS)) as gate:
            await scene(gate)

    asyncio.run(run())


async def send(gate: House, method: str, path: str, headers: dict[str, str], body: Any = None) -> Answer:
    """Send a request with another method than GET."""
    raw = b"" if body is None else json.dumps(body).encode()
    lines = {"host": "127.0.0.1", **JSON, "content-length": str(len(raw)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return await ask(gate.port, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + raw)


async def spend(gate: House, key: str, micros: int, held: int = 0) -> None:
    """Let requests of a key cost and hold so much, as the line would."""
    account = await gate.gateway.services.admit(Call("GET", "/", {}, {"x-api-key": str(KEYS[key]["value"])}))
    shares = gate.gateway.services.budgets.shares(account)
    for number, amount in enumerate((micros, held)):
        now = gate.gateway.services.now()
        row = ExchangeRow(
            id=f"{key}-{number}",
            request_id="r",
            owner=gate.gateway.services.ledger.owner,
            key=key,
            dialect="prompt",
            task="generate",
            model="m",
            stream=False,
            opened_at=now,
        )
        attempt = AttemptRow(exchange_id=row.id, number=1, provider="p", model="m", opened_at=now)
        assert await gate.gateway.store.open_exchange(row, attempt, Claim(amount, shares)) is None
        if number == 0:
            await gate.gateway.store.settle(
                msgspec.structs.replace(row, state="settled", meters=Meters(cost_micros=amount)), []
            )


def test_a_budget_is_put_shown_and_removed(tmp_path: Path) -> None:
    """It is there with the next request, as the document describes it, and in the audit log."""

    async def scene(gate: House) -> None:
        put = await send(gate, "PUT", "/admin/budgets/daily", BOSS, DAILY)
        assert put.status == 200
        shown = msgspec.convert(put.json, described.BudgetShown, strict=True)
        assert (shown.name, shown.dollars, shown.period, shown.origin) == ("daily", 2.5, "day", "admin")
        assert [(one.subject, one.spent_usd, one.left_usd) for one in shown.windows] == [
            (key, 0.0, 2.5) for key in ("ann", "boss", "eye")
        ]
        assert (shown.subjects, shown.used_up) == (3, 0)
        assert (await ask(gate.port, get("/admin/budgets/daily", EYE))).json == put.json
        every = await ask(gate.port, get("/admin/budgets", EYE))
        assert every.json == {"budgets": [put.json]}
        assert every.headers["cache-control"] == "no-store"
        gone = await send(gate, "DELETE", "/admin/budgets/daily", BOSS)
        assert (gone.status, gone.json) == (200, {"removed": "daily"})
        assert (await ask(gate.port, get("/admin/budgets", EYE))).json == {"budgets": []}
        log = [row.action for _, row in await gate.gateway.store.audit.rows()]
        assert log == ["budget.remove", "budget.create"]

    play(tmp_path, scene)


def test_how_it_stands_is_as_true_as_the_ledger(tmp_path: Path) -> None:
    """What is spent, held and left of every key, those used furthest first."""

    async def scene(gate: House) -> None:
        await send(gate, "PUT", "/admin/budgets/daily", BOSS, DAILY)
        await gate.gateway.directory.refresh()
        await spend(gate, "ann", 1_500_000, 250_000)
        [shown] = (await ask(gate.port, get("/admin/budgets", EYE))).json["budgets"]
        window, *others = shown["windows"]
        assert [(one["subject"], one["spent_usd"]) for one in others] == [("boss", 0), ("eye", 0)]
        assert window["ends_at"] - window["began_at"] == 86_400
        assert {name: window[name] for name in ("subject", "spent_usd", "held_usd", "left_usd")} == {
            "subject": "ann",
            "spent_usd": 1.5,
            "held_usd": 0.25,
            "left_usd": 0.75,
        }
        [mine] = (await ask(gate.port, get("/v1/budgets", ANN))).json["budgets"]
        assert msgspec.convert(mine, described.OwnBudget).left_usd == 0.75

    play(tmp_path, scene)


def test_a_list_has_the_furthest_of_many(tmp_path: Path) -> None:
    """Of a budget for each ten windows and how many there are; its own page has them all."""

    async def scene(gate: House) -> None:
        for number in range(20):
            at, meters = gate.gateway.services.now(), Meters(cost_micros=200_000 * number)
            await gate.gateway.store.settle(
                exchange(f"x{number}", at, key=f"key-{number}", meters=meters), []
            )
        await send(gate, "PUT", "/admin/budgets/daily", BOSS, DAILY)
        [listed] = (await ask(gate.port, get("/admin/budgets", EYE))).json["budgets"]
        assert (listed["subjects"], listed["used_up"]) == (23, 7)
        assert [one["subject"] for one in listed["windows"]] == [f"key-{19 - place}" for place in range(10)]
        whole = (await ask(gate.port, get("/admin/budgets/daily", EYE))).json
        assert len(whole["windows"]) == 23
        assert whole["windows"][:10] == listed["windows"]
        assert sum(one["spent_usd"] for one in whole["windows"]) == pytest.approx(0.2 * sum(range(20)))

    play(tmp_path, scene)


def test_a_member_sees_its_own_and_no_others_figures(tmp_path: Path) -> None:
    """Of a team's budget and everybody's it learns that they are there; another key's is not told at all."""

    async def scene(gate: House) -> None:
        for name, body in {
            "all": {"dollars": 0},
            "red": {"dollars": 5, "scope": "team", "subject": "red"},
            "blue": {"dollars": 5, "scope": "team", "subject": "blue"},
            "ann": {"dollars": 1, "scope": "key", "subject": "ann"},
            "eye": {"dollars": 1, "scope": "key", "subject": "eye"},
        }.items():
            assert (await send(gate, "PUT", f"/admin/budgets/{name}", BOSS, body)).status == 200
        own = (await ask(gate.port, get("/v1/budgets", ANN))).json["budgets"]
        assert {one["name"]: (one["dollars"], one["left_usd"], one["exhausted"]) for one in own} == {
            "all": (None, None, True),
            "ann": (1.0, 1.0, False),
            "red": (None, None, False),
        }
        seen = (await ask(gate.port, get("/v1/budgets", EYE))).json["budgets"]
        assert {one["name"]: one["dollars"] for one in seen} == {"all": 0.0, "eye": 1.0}

    play(tmp_path, scene)


ROUTES = (
    ("GET", "/admin/budgets"),
    ("GET", "/admin/budgets/x"),
    ("PUT", "/admin/budgets/x"),
    ("DELETE", "/admin/budgets/x"),
    ("GET", "/admin/alerts"),
)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_member_may_neither_look_nor_change(tmp_path: Path, method: str, path: str) -> None:
    """What others may spend is for the operator's keys; without a key nothing is told to anybody."""

    async def scene(gate: House) -> None:
        assert (await send(gate, method, path, ANN, DAILY)).status == 403
        assert (await send(gate, method, path, {}, DAILY)).status == 401
        if method != "GET":
            assert (await send(gate, method, path, EYE, DAILY)).status == 403
        assert await gate.gateway.store.budgets.rows() == []

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"dollars": "much"}, "dollars must be an amount"),
        ({}, "dollars"),
        ({"dollars": 1, "zone": "Mars"}, "time zone"),
        ({"dollars": 1, "period": "year"}, "one of"),
        ({"dollars": 1, "spent": 0}, "spent"),
    ],
)
def test_what_is_no_budget_is_refused(tmp_path: Path, body: Any, at: str) -> None:
    """It is 400, says what is wrong, and nothing is kept."""

    async def scene(gate: House) -> None:
        got = await send(gate, "PUT", "/admin/budgets/x", BOSS, body)
        assert got.status == 400
        assert at in got.json["error"]["message"]
        assert await gate.gateway.store.budgets.rows() == []

    play(tmp_path, scene)


def test_what_is_not_there_or_not_ours_to_change(tmp_path: Path) -> None:
    """404 for a budget nobody made, 409 for one of the configuration, 400 for a name that is none."""
    (tmp_path / "dragoman.toml").write_text("[budgets.fixed]\ndollars = 25\n")

    async def scene(gate: House) -> None:
        assert (await ask(gate.port, get("/admin/budgets/none", EYE))).status == 404
        assert (await send(gate, "DELETE", "/admin/budgets/none", BOSS)).status == 404
        assert (await send(gate, "PUT", "/admin/budgets/-x", BOSS, DAILY)).status == 400
        assert (await ask(gate.port, get("/admin/budgets/fixed", EYE))).json["origin"] == "config"
        assert (await send(gate, "PUT", "/admin/budgets/fixed", BOSS, DAILY)).status == 409
        assert (await send(gate, "DELETE", "/admin/budgets/fixed", BOSS)).status == 409

    play(tmp_path, scene)


def test_alerts_are_listed_newest_first(tmp_path: Path) -> None:
    """As many as are asked for; a number that is none is 400."""

    async def scene(gate: House) -> None:
        for percent in (50, 80):
            await gate.gateway.store.budgets.tell(
                AlertRow("daily", "ann", 0, percent, percent, 100, float(percent))
            )
        told = (await ask(gate.port, get("/admin/alerts", EYE))).json
        assert [one["percent"] for one in told["alerts"]] == [80, 50]
        assert msgspec.convert(told, described.AlertList).alerts[0].spent_usd == 0.00008
        assert len((await ask(gate.port, get("/admin/alerts?limit=1", EYE))).json["alerts"]) == 1
        for limit in ("0", "x", "1001", "-1", "9" * 4000, "000000001" + "9" * 30, "%D9%A1"):
            assert (await ask(gate.port, get(f"/admin/alerts?limit={limit}", EYE))).status == 400

    play(tmp_path, scene)


def test_every_page_is_described() -> None:
    """The document has what is served here, and nothing else."""
    assert {(key.partition(" ")[0], key.partition(" ")[2]) for key in described.OPERATIONS} == {
        *((method, path.replace("/x", "/{name}")) for method, path in ROUTES),
        ("GET", "/v1/budgets"),
    }


def test_a_budget_holds_once_it_is_set(tmp_path: Path) -> None:
    """Who asks right after a budget was set here is under it, and right after it was removed is not."""

    async def scene(gate: House) -> None:
        spec = {"scope": "key", "subject": "ann", "dollars": "1", "period": "day"}
        account = await gate.gateway.services.admit(Call("GET", "/", {}, ANN))
        for method, body, shares in (("PUT", spec, ["mine"]), ("DELETE", None, [])):
            assert (await send(gate, method, "/admin/budgets/mine", BOSS, body)).status == 200
            found = gate.gateway.services.budgets.shares(account)
            assert [share.budget for share in found] == shares

    play(tmp_path, scene)
