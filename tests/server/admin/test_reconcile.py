"""``POST /admin/reconcile``: a provider's bill beside the ledger, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.house import Answer, House, ask, chat, house, post

from dragoman.server.admin import reconcile
from dragoman.server.openapi import reconcile as described
from dragoman.simulator import Behaviour, Counts, Script, Simulator

KEYS = {
    "boss": {"value": "the-admins-own", "role": "admin"},
    "eye": {"value": "the-readers-own", "role": "reader"},
    "ann": {"value": "the-members-own"},
}
BOSS, EYE, ANN = ({"x-api-key": str(key["value"])} for key in KEYS.values())
SCRIPT = Script(default=Behaviour(counts=Counts(input=1000, output=200)))
HEAD = "start_time,end_time,num_model_requests,input_tokens,output_tokens,model"


def play(folder: Path, scene: Callable[[House], Awaitable[None]]) -> None:
    """Play against a gateway with three keys, whose provider is simulated and says 1000 and 200 tokens."""

    async def run() -> None:
        async with (
            Simulator(script=SCRIPT) as sim,
            house(folder, sim.url, DRAGOMAN_KEYS=json.dumps(KEYS)) as gate,
        ):
            await scene(gate)

    asyncio.run(run())


async def sent(gate: House, export: str, query: str, headers: dict[str, str] = EYE) -> Answer:
    """Send an export; return the answer."""
    told = {**headers, "content-type": "text/csv"}
    return await ask(gate.port, post(f"/admin/reconcile?{query}", export.encode(), told))


async def asked(gate: House, output: int) -> str:
    """Ask twice, and return an export of just that, which says so many tokens of output."""
    for _ in range(2):
        assert (await ask(gate.port, post("/v1/chat/completions", chat("hi"), ANN))).status == 200
    [row, _] = await gate.rows(2)
    [attempt] = await gate.attempts(row)
    day = int(datetime.fromtimestamp(row.opened_at, UTC).replace(hour=0, minute=0, second=0).timestamp())
    return f"{HEAD}\n{day},{day + 86_400},2,2000,{output},{attempt.model}\n"


def test_a_bill_is_compared_with_what_was_really_asked(tmp_path: Path) -> None:
    """What two requests used is what the bill says, and what it says too much is found, as described."""

    async def scene(gate: House) -> None:
        export = await asked(gate, 400)
        answer = await sent(gate, export, "provider=sim-openai_chat")
        assert answer.status == 200
        found = msgspec.convert(answer.json, described.BillCompared, strict=True)
        assert [(row.verdict, row.said) for row in found.rows] == [("equal", "")]
        assert (found.beyond, found.exports) == (0, ["OpenAI's usage"])
        assert answer.headers["cache-control"] == "no-store"
        more = await sent(gate, export.replace(",400,", ",500,"), "provider=sim-openai_chat&tolerance=5%25")
        [row] = msgspec.convert(more.json, described.BillCompared, strict=True).rows
        assert row.verdict == "theirs_more"
        assert row.output == described.Compared(500, 400, -100, -20.0, beyond=True)
        table = await sent(gate, export, "provider=sim-openai_chat&format=csv", BOSS)
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        assert table.body.decode().splitlines()[1].split(",")[2] == "equal"

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("query", "export", "said"),
    [
        ("", HEAD, "provider is missing"),
        ("provider=p&what=ever", HEAD, "unknown parameter"),
        ("provider=p&tolerance=x", HEAD, "tolerance must be a percentage"),
        ("provider=p&format=xml", HEAD, "format must be one of json, csv"),
        ("provider=p", "", "export: the file is empty"),
        ("provider=p", f"{HEAD}\n1772323200,,1,x,1,m\n", "export:2, column input_tokens: 'x' is no number"),
        ("provider=p", "a,b\n1,2\n", "export:2: this is no export that is known"),
    ],
)
def test_what_cannot_be_compared_is_refused(query: str, export: str, said: str, tmp_path: Path) -> None:
    """A fault in the query or the file is a 400 that says where."""

    async def scene(gate: House) -> None:
        answer = await sent(gate, export, query)
        assert answer.status == 400
        assert said in answer.json["detail"]

    play(tmp_path, scene)


def test_members_and_strangers_see_no_bill(tmp_path: Path) -> None:
    """It tells of every key: it is for the admin and readers."""

    async def scene(gate: House) -> None:
        assert (await sent(gate, HEAD, "provider=p", ANN)).status == 403
        assert (await sent(gate, HEAD, "provider=p", {"x-api-key": "nobody"})).status == 401

    play(tmp_path, scene)


def test_an_export_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger is refused before it is read."""
    monkeypatch.setattr(reconcile, "LARGEST", 100)

    async def scene(gate: House) -> None:
        assert (await sent(gate, "x" * 101, "provider=p")).status == 413

    play(tmp_path, scene)


def test_without_a_key_a_file_is_declared_as_json(tmp_path: Path) -> None:
    """On this machine, a page of another site could send a file, but none that says it is JSON."""

    async def run() -> None:
        async with house(tmp_path) as gate:
            export = f"{HEAD}\n1772323200,1772409600,2,2000,400,m\n".encode()
            answer = await ask(gate.port, post("/admin/reconcile?provider=p", export))
            assert answer.status == 200
            assert answer.json["rows"][0]["verdict"] == "only_theirs"
            told = {"content-type": "text/csv"}
            assert (await ask(gate.port, post("/admin/reconcile?provider=p", export, told))).status == 403

    asyncio.run(run())


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize(
    "times", ["9999-12-31,", "253402300800,253402300800", "9999-12-31T23:59:59Z,9999-12-31"]
)
def test_the_last_day_there_is_can_be_told(times: str, form: str, tmp_path: Path) -> None:
    """An export of the end of all times, which is in the year 10000, is a comparison and no bug."""

    async def scene(gate: House) -> None:
        answer = await sent(gate, f"{HEAD}\n{times},1,1,1,m\n", f"provider=p&format={form}")
        assert answer.status == 200, answer.body
        assert b"9999-12-31" in answer.body

    play(tmp_path, scene)
