"""The front page: its figures are the ledger's own, it looks again by itself, and it teaches who is new."""

from __future__ import annotations

import asyncio
import html
import re
from pathlib import Path

import msgspec
import pytest
from tests.house import ask, chat, house, post
from tests.server.dashboard.booked import attempt, begin, book, exchange
from tests.server.dashboard.signed import key_of, signed

from dragoman.accounts.budgeting import put
from dragoman.accounts.budgets import BudgetSpec
from dragoman.server.dashboard.overview import PERIODS, SHOWN, instant
from dragoman.simulator import Simulator
from dragoman.store import Meters

PART = {"hx-request": "true"}
HOSTILE = "<script>alert(1)</script>\"'&\u202e" + "x" * 300


def figures(page: str) -> dict[str, str]:
    """Return the figure beneath each heading of the page."""
    found = re.findall(r'<h2><a id="[a-z]+-\w+" [^>]*>([^<]+)</a></h2>\s*<p class="figure">(.*?)</p>', page)
    return {name: html.unescape(re.sub("<[^>]+>", "", words)) for name, words in found}


def test_figures_are_the_ledgers(tmp_path: Path) -> None:
    """Requests, errors, recalled answers and spending are sums over the rows, whatever their state."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            now = gate.gateway.services.now()
            rows = [exchange(n, now - 1) for n in range(6)]
            rows += [exchange(6, now - 1, state="failed", failure="timeout", meters=Meters(cost_micros=0))]
            rows += [exchange(7, now - 1, cached=True, saved_micros=1234, meters=Meters(cost_micros=0))]
            rows += [exchange(8, now - 40 * 86_400)]
            await book(gate, *rows)
            page = (await browser.open("/admin")).body.decode()
            told = figures(page)
            assert told["Requests"] == "8"
            assert told["Errors"] == "12 %"
            assert told["From the cache"] == "12 %"
            assert "$0.0012 saved" in page
            assert told["This month"].startswith("$0.006")
            assert "No requests yet" not in page
            for period in PERIODS:
                other = (await browser.open(f"/admin?period={period}")).body.decode()
                assert figures(other)["Requests"] == "8"

    asyncio.run(play())


def test_a_first_request_is_taught(tmp_path: Path) -> None:
    """With nothing in the ledger there is a command for this very server, which works as it stands."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            browser = await signed(gate)
            where = gate.url.removeprefix("http://")
            page = html.unescape((await browser.open("/admin", {"host": where})).body.decode())
            assert f"curl -N {gate.url}/v1/chat/completions" in page
            assert "Bearer $DRAGOMAN_KEY" in page
            assert 'href="/admin/keys"' in page
            strange = html.unescape((await browser.open("/admin", {"host": "x;rm -rf"})).body.decode())
            assert "rm -rf" not in strange

    asyncio.run(play())


def test_who_has_no_provider_is_told_so(tmp_path: Path) -> None:
    """Where nothing can be asked there is no command that would fail, but what is missing."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            page = (await (await signed(gate)).open("/admin")).body.decode()
            assert "curl" not in page
            assert 'href="/admin/models?can=missing"' in page

    asyncio.run(play())


def test_budgets_stand_beside_the_time_they_are_of(tmp_path: Path) -> None:
    """A budget of everything has its meter at its period, and one of a key is no business of this page."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            kept, now = gate.gateway.store.budgets, gate.gateway.services.now()
            await put(kept, "all-month", BudgetSpec("0.01"), actor="a test", now=now)
            await put(kept, "ever", BudgetSpec("5", period="total"), actor="a test", now=now)
            spec = BudgetSpec("1", scope="key", subject="alpha")
            await put(kept, "of-alpha", spec, actor="a test", now=now)
            await book(gate, *(exchange(n, now - 1) for n in range(4)))
            page = (await browser.open("/admin")).body.decode()
            assert 'aria-label="Budget all-month"' in page
            assert "of $0.01" in page
            assert 'aria-label="Budget ever"' in page
            assert "of-alpha" not in page

    asyncio.run(play())


def test_parts_ask_for_themselves(tmp_path: Path) -> None:
    """What looks again gets its own part and no frame; asked without scripts it is the page."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            browser = await signed(gate)
            await ask(gate.port, post("/v1/chat/completions", chat(), {"authorization": "Bearer right"}))
            row = (await gate.rows(1))[0]
            live = (await browser.open("/admin?part=live", PART)).body.decode()
            assert row.id in live
            assert "settled" in live
            assert "<html" not in live
            part = (await browser.open("/admin?part=figures&period=week", PART)).body.decode()
            assert "<html" not in part
            assert figures(part)["Requests"] == "1"
            assert "<html" in (await browser.open("/admin?part=live")).body.decode()
            assert (await browser.open("/admin?part=else")).status == 400
            assert (await browser.open("/admin?period=else")).status == 400

    asyncio.run(play())


def test_what_is_under_way_is_seen(tmp_path: Path) -> None:
    """A request that has not ended is on the page with its key and its target, until it has."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            store, now = gate.gateway.store, gate.gateway.services.now()
            row = msgspec.structs.replace(exchange(1, now, state="reserved"), settled_at=None)
            await store.open_exchange(row, attempt(row))
            live = (await browser.open("/admin?part=live", PART)).body.decode()
            assert f'id="live-{row.id}"' in live
            assert '<span class="badge live">live</span>' in live

    asyncio.run(play())


def test_all_that_is_under_way_is_counted(tmp_path: Path) -> None:
    """The oldest are told, with how many there are beside them."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            now = gate.gateway.services.now()
            rows = [await begin(gate, number, now - 20 + number) for number in range(SHOWN + 3)]
            live = (await browser.open("/admin?part=live", PART)).body.decode()
            assert re.findall(r'id="live-([^"]+)"', live) == [row.id for row in rows[:SHOWN]]
            assert "and 3 more under way" in live

    asyncio.run(play())


def test_names_are_text(tmp_path: Path) -> None:
    """A model and a key of markup, quotes and direction marks are shown to the letter and do nothing."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            now = gate.gateway.services.now()
            names = {"model": HOSTILE, "answered_model": HOSTILE, "key": HOSTILE, "provider": HOSTILE}
            await book(gate, exchange(1, now - 1, **names))
            page = (await browser.open("/admin")).body.decode()
            assert "<script>alert" not in page
            assert html.escape("<script>alert(1)</script>") in page

    asyncio.run(play())


def test_a_reader_sees_the_page(tmp_path: Path) -> None:
    """Who may only look sees the figures, and is not told to make keys."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            browser = await signed(gate, await key_of(gate, "looker", role="reader"))
            page = (await browser.open("/admin")).body.decode()
            assert "No requests yet" in page
            assert "Make a key" not in page

    asyncio.run(play())


@pytest.mark.parametrize(
    ("at", "word"), [(0, "1970-01-01"), (86_400, "1970-01-02"), (90_000, "1970-01-02T01:00Z")]
)
def test_an_instant_in_an_address(at: float, word: str) -> None:
    """The beginning of a day is its date, any other hour is told with its time."""
    assert instant(at) == word
