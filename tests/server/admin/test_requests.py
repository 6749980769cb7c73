"""The log over HTTP: who sees what, tables, one request wholly, and those under way while they are."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from tests.house import House, ask, chat, get, house, post
from tests.server.dashboard.booked import begin

from dragoman.core.usage import MILLION
from dragoman.server.admin import requests as module
from dragoman.server.openapi.requests import LiveRequests
from dragoman.simulator import Simulator
from dragoman.simulator.behaviour import Behaviour, Fault
from dragoman.simulator.script import Script

KEYS = {"boss": {"value": "sk-boss", "role": "admin"}, "ann": {"value": "sk-ann"}, "bob": {"value": "sk-bob"},
        "eye": {"value": "sk-eye", "role": "reader"}}  # fmt: skip
PRICED = {"DRAGOMAN_PRICES_DEFAULT_INPUT": "2", "DRAGOMAN_PRICES_DEFAULT_OUTPUT": "10"}
HANGING = Script(default=Behaviour(faults=(Fault("hang", at_frame=2),)))
NASTY = "=1+1<script>alert(1)</script>"


def as_(name: str) -> dict[str, str]:
    """Return the headers of a key."""
    return {"authorization": f"Bearer sk-{name}"}


async def said(running: House, name: str, **more: Any) -> None:
    """Ask something as a key."""
    body = chat(model=more.pop("model", "sim-openai_chat/m"), **more)
    await ask(running.port, post("/v1/chat/completions", body, as_(name)))


async def listed(
    running: House, query: str = "", *, name: str = "boss", path: str = "/admin/requests"
) -> Any:
    """Return a page of the log."""
    got = await ask(running.port, get(f"{path}?{query}", as_(name)))
    assert got.status == 200, got.body
    return got.json


def test_everyone_sees_what_he_may(tmp_path: Path) -> None:
    """The admin's key and a reader's see all, a member its own; unknown words are a 400."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, DRAGOMAN_KEYS=json.dumps(KEYS)) as running:
            for name in ("ann", "ann", "bob"):
                await said(running, name)
            await running.rows(3)
            for name in ("boss", "eye"):
                page = await listed(running, name=name)
                assert [one["key"] for one in page["requests"]] == ["bob", "ann", "ann"]
                assert (page["total"], page["next"]) == (3, None)
            assert len((await listed(running, "key=ann"))["requests"]) == 2
            mine = await listed(running, name="ann", path="/v1/requests")
            assert [one["key"] for one in mine["requests"]] == ["ann", "ann"]
            assert (await listed(running, "key=bob", path="/v1/requests"))["total"] == 1
            for query in ("key=bob", "team=t"):
                assert (await ask(running.port, get(f"/v1/requests?{query}", as_("ann")))).status == 403
            theirs = page["requests"][0]["id"]
            for path in ("/admin/requests", "/admin/live", f"/admin/requests/{theirs}"):
                assert (await ask(running.port, get(path, as_("ann")))).status == 403
            for query in ("frob=1", "after=nonsense", "limit=1000", "format=xml"):
                got = await ask(running.port, get(f"/admin/requests?{query}", as_("boss")))
                assert (got.status, got.json["error"]["at"]) == (400, query.partition("=")[0])
            assert (await ask(running.port, get("/admin/requests/nobody", as_("boss")))).status == 404

    asyncio.run(play())


def test_pages_follow_each_other(tmp_path: Path) -> None:
    """By the cursor each request is on one page, newest first and oldest first."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, DRAGOMAN_KEYS=json.dumps(KEYS)) as running:
            for _ in range(5):
                await said(running, "ann")
            rows = [row.id for row in await running.rows(5)]
            for sort, wanted in (("newest", rows[::-1]), ("oldest", rows)):
                found: list[str] = []
                after = ""
                while True:
                    page = await listed(running, f"sort={sort}&limit=2&after={after}")
                    found += [one["id"] for one in page["requests"]]
                    if page["next"] is None:
                        break
                    after = page["next"]
                assert found == wanted

    asyncio.run(play())


def test_a_table_has_every_row_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CSV all that is meant, over as many pages as it takes, up to a limit; no cell is a formula."""
    monkeypatch.setattr(module, "MOST_ROWS", 2)

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, DRAGOMAN_KEYS=json.dumps(KEYS)) as running:
            for number in range(5):
                await said(running, "ann", model=NASTY if number == 2 else "sim-openai_chat/m")
            rows = await running.rows(5)
            for raw in (
                get("/admin/requests?format=csv", as_("boss")),
                get("/v1/requests", {**as_("ann"), "accept": "text/csv"}),
            ):
                got = await ask(running.port, raw)
                assert got.headers["content-type"].startswith("text/csv")
                assert "attachment" in got.headers["content-disposition"]
                lines = list(csv.DictReader(io.StringIO(got.body.decode(), newline="")))
                assert [one["id"] for one in lines] == [row.id for row in reversed(rows)]
                assert lines[2]["model"] == f"'{NASTY}"
            monkeypatch.setattr(module, "MOST_LINES", 3)
            got = await ask(running.port, get("/admin/requests?format=csv", as_("boss")))
            assert len(got.body.decode().splitlines()) == 4
            page = await ask(running.port, get(f"/admin/requests?asked={quote(NASTY)}", as_("boss")))
            assert page.headers["content-type"] == "application/json"
            assert [one["model"] for one in page.json["requests"]] == [NASTY]

    asyncio.run(play())


def test_one_request_wholly(tmp_path: Path) -> None:
    """Spans that add up to its latency, lines to its cost; its losses, and a command to replay it."""

    async def play() -> None:
        given = {"DRAGOMAN_KEYS": json.dumps(KEYS), **PRICED}
        async with Simulator() as sim, house(tmp_path, sim.url, **given) as running:
            body = {"model": "sim-openai_chat/m", "max_tokens": 9, "top_k": 3,
                    "messages": [{"role": "user", "content": "a secret of mine"}]}  # fmt: skip
            await ask(running.port, post("/v1/messages", body, as_("ann")))
            (row,) = await running.rows(1)
            for name in (row.id, row.request_id):
                told = (await ask(running.port, get(f"/admin/requests/{name}", as_("eye")))).json
                assert told["id"] == row.id
            spans = told["spans"]
            assert [one["name"] for one in spans][-3:] == ["attempt", "deliver", "settle"]
            assert spans[0]["start_ms"] == 0
            assert spans[-1]["end_ms"] == pytest.approx(row.latency_ms, abs=0.01)
            assert all(one["end_ms"] == then["start_ms"] for one, then in pairwise(spans))
            amounts = sum(line["cost_usd"] for line in told["cost_lines"])
            assert row.meters.cost_micros
            assert round(amounts * float(MILLION)) == row.meters.cost_micros
            assert told["cost_usd"] == row.meters.cost_micros / 1_000_000
            assert {"how": "dropped", "what": "top_k", "words": "top_k was not passed on"} in told["lost"]
            assert told["words"]["prompt"] is None
            assert told["words"]["why"]
            assert "a secret" not in json.dumps(told)
            assert "sk-" not in told["replay"]
            replayed = shlex.split(told["replay"].replace("\\\n", " "))
            assert json.loads(replayed[-1])["model"] == "sim-openai_chat/m"

    asyncio.run(play())


def test_words_are_told_where_they_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of the log of prompts; without it, or before it has ended, null and why."""
    monkeypatch.chdir(tmp_path)

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, DRAGOMAN_KEYS=json.dumps(KEYS)) as running:
            await ask(running.port, post("/chat?model=sim-openai_chat/m", {"prompt": "Say hi"}, as_("ann")))
            (row,) = await running.rows(1)
            while True:
                told = (await ask(running.port, get(f"/admin/requests/{row.id}", as_("boss")))).json
                if told["words"]["prompt"] is not None:
                    break
                assert "no line of it" in told["words"]["why"]
                await asyncio.sleep(0.02)
            assert told["words"]["prompt"] == "Say hi"
            assert told["words"]["response"]
            assert "Say hi" in told["replay"]
        given = {"DRAGOMAN_KEYS": json.dumps(KEYS), "DRAGOMAN_FILES_ENABLED": "false"}
        async with house(tmp_path, "", **given) as running:
            told = (await ask(running.port, get(f"/admin/requests/{row.id}", as_("boss")))).json
            assert told["words"]["prompt"] is None
            assert "off" in told["words"]["why"]

    asyncio.run(play())


def test_what_is_under_way_is_told_while_it_is(tmp_path: Path) -> None:
    """A stream is live with its age and what came so far, in the list as well; not when it has ended."""

    async def play() -> None:
        async with (
            Simulator(script=HANGING) as sim,
            house(tmp_path, sim.url, DRAGOMAN_KEYS=json.dumps(KEYS)) as running,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            body = chat(model="sim-openai_chat/m", stream=True)
            writer.write(post("/v1/chat/completions", body, as_("ann")))
            while b"data: " not in await reader.readline():
                pass
            live = (await ask(running.port, get("/admin/live", as_("boss")))).json["live"]
            assert [(one["key"], one["provider"], one["here"], one["attempts"]) for one in live] == [
                ("ann", "sim-openai_chat", True, 1)
            ]
            assert live[0]["chunks"] >= 1
            assert live[0]["age_s"] >= 0
            page = await listed(running, "state=live")
            assert [one["id"] for one in page["requests"]] == [live[0]["id"]]
            told = (await ask(running.port, get(f"/admin/requests/{live[0]['id']}", as_("boss")))).json
            assert told["spans"][-1]["end_ms"] is None
            assert told["words"]["why"] == "it has not ended yet"
            writer.close()
            await writer.wait_closed()
            await running.rows(1)
            assert (await ask(running.port, get("/admin/live", as_("boss")))).json["live"] == []

    asyncio.run(play())


def test_there_are_as_many_under_way_as_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are told one by one, as many as may be, and all of them are counted."""
    monkeypatch.setattr(module, "MOST_LIVE", 2)

    async def play() -> None:
        async with house(tmp_path, "", DRAGOMAN_KEYS=json.dumps(KEYS)) as running:
            now = running.gateway.services.now()
            for number in range(5):
                await begin(running, number, now - 9 + number)
            found = (await ask(running.port, get("/admin/live", as_("boss")))).json
            assert msgspec.convert(found, LiveRequests, strict=True).total == 5
            assert [one["id"][-1] for one in found["live"]] == ["0", "1"]
            assert [one["target"] for one in found["live"]] == ["m-1", "m-1"]

    asyncio.run(play())
