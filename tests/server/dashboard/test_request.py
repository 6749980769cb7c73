"""One request on a page and in the drawer: all of its parts, from the ledger's own rows, and as text."""

from __future__ import annotations

import asyncio
import html
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.house import House, ask, chat, house, post
from tests.server.dashboard.booked import attempt, begin, book, exchange
from tests.server.dashboard.signed import Browser, key_of, signed

from dragoman.accounts.costing import CostLine
from dragoman.accounts.course import Span
from dragoman.server.admin import requests as log
from dragoman.server.dashboard.request import ends, exact, first_of, passed, rate, tale, target_of
from dragoman.simulator import Simulator
from dragoman.simulator.behaviour import Behaviour, Fault
from dragoman.simulator.script import Script
from dragoman.store import AttemptRow, ExchangeRow, Meters, RatingRow

PART = {"hx-request": "true"}
HOSTILE = "<script>alert(1)</script>\"'&\u202e\U0001f600" + "x" * 400
HANGING = Script(default=Behaviour(faults=(Fault("hang", at_frame=2),)))
PRICED = {"DRAGOMAN_PRICES_DEFAULT_INPUT": "2", "DRAGOMAN_PRICES_DEFAULT_OUTPUT": "10"}


async def told(browser: Browser, id_: str, headers: dict[str, str] | None = None, status: int = 200) -> str:
    """Return a request's page, or the drawer."""
    answer = await browser.open(f"/admin/requests/{id_}", headers)
    assert answer.status == status, answer.body.decode()[-2000:]
    return answer.body.decode()


def panel(page: str, name: str) -> str:
    """Return the words of a part of the page, by the id of its heading; "": it has none such."""
    found = re.search(rf'<section class="panel" aria-labelledby="{name}">(.*?)</section>', page, re.DOTALL)
    text = re.sub("<[^>]+>", " ", found[1]) if found else ""
    return re.sub(r"\s+", " ", html.unescape(text)).strip()


async def asked(
    gate: House, secret: str, body: dict[str, Any], path: str = "/v1/chat/completions"
) -> ExchangeRow:
    """Ask something and return its row, once it is settled."""
    before = len(await gate.rows())
    await ask(gate.port, post(path, body, {"authorization": f"Bearer {secret}"}))
    return (await gate.rows(before + 1))[-1]


def test_a_request_is_told_wholly(tmp_path: Path) -> None:
    """Its head, its way, its attempts, what it cost line by line, what was lost, and how to ask again."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, **PRICED) as gate:
            browser = await signed(gate)
            secret = await key_of(gate, "ann")
            row = await asked(gate, secret, chat("a secret", model="sim-anthropic/m", seed=3, max_tokens=9))
            page = await told(browser, row.id)
            assert row.id in panel(page, "who")
            assert 'href="/admin/keys/ann"' in page
            for name in ("admit", "read", "route", "reserve", "attempt 1", "settle"):
                assert f">{name}</text>" in page
            assert f"{row.latency_ms or 0:,.0f} ms" in page or "<1 ms" in page
            [attempt] = await gate.attempts(row)
            assert "1 sim-anthropic/m" in panel(page, "attempts")
            assert "settled" in panel(page, "attempts")
            amounts = re.findall(r'<td data-label="Cost" class="num">\$([0-9.]+)</td>', page)
            assert row.meters.cost_micros
            assert sum(Decimal(one) for one in amounts) * 1_000_000 == row.meters.cost_micros
            assert f"${row.meters.cost_micros / 1e6:.6f}" in panel(page, "bill")
            assert "$2.00 / 1M" in panel(page, "bill")
            assert attempt.price in panel(page, "bill")
            assert "seed was not passed on" in panel(page, "losses")
            assert "curl -s http" in panel(page, "replay")
            assert "$DRAGOMAN_KEY" in panel(page, "replay")
            assert secret not in page
            assert "a secret" not in page

    asyncio.run(play())


def test_the_drawer_is_the_same_part(tmp_path: Path) -> None:
    """What htmx asks for is the part alone, with a heading to focus, a way to close and one to the page."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            row = exchange(1, gate.gateway.services.now() - 5)
            await book(gate, row)
            page, drawer = await told(browser, row.id), await told(browser, row.id, PART)
            assert "<html" in page
            assert "<html" not in drawer
            assert 'id="drawer-title" tabindex="-1"' in drawer
            assert "data-close-drawer" in drawer
            assert f'href="/admin/requests/{row.id}"' in drawer
            for name in ("who", "way", "attempts", "bill", "words", "replay"):
                assert panel(page, name) == panel(drawer, name) != ""
            listed = (await browser.open("/admin/requests")).body.decode()
            assert '<tbody hx-target="#drawer" hx-push-url="true">' in listed
            assert f'hx-get="/admin/requests/{row.id}" aria-haspopup="dialog"' in listed

    asyncio.run(play())


def test_what_is_not_there_is_a_404(tmp_path: Path) -> None:
    """An unknown id has a page that says so, and a drawer that does and can be closed."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            for headers in (None, PART):
                page = await told(browser, "req_nobody", headers, 404)
                assert ("<html" in page) is (headers is None)
                assert "there is no request of this id" in page.lower()
            assert "data-close-drawer" in page
            assert (await browser.open("/admin/requests/x?frob=1")).status == 400

    asyncio.run(play())


def test_words_are_there_only_where_they_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked and answered as text, hostile or not; where it was not logged, why there is none."""
    monkeypatch.chdir(tmp_path)

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            browser = await signed(gate)
            secret = await key_of(gate, "ann")
            row = await asked(gate, secret, {"prompt": HOSTILE}, "/chat?model=sim-openai_chat/m")
            while "no line of it" in (page := await told(browser, row.id)):
                await asyncio.sleep(0.02)  # the line is written behind
            assert HOSTILE in panel(page, "words")
            assert "<script>alert" not in page
            assert HOSTILE[:25] in panel(page, "replay")
        async with house(tmp_path, DRAGOMAN_FILES_ENABLED="false") as gate:
            page = await told(await signed(gate, await key_of(gate, "eye", role="reader")), row.id)
            assert re.search("Not shown: .* is off", panel(page, "words"))
            assert HOSTILE not in html.unescape(page)

    asyncio.run(play())


def test_what_others_wrote_is_text(tmp_path: Path) -> None:
    """Names, messages, losses and a rating's words are no markup in any part, nor in the drawing."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            row = exchange(
                1, gate.gateway.services.now() - 5, model=HOSTILE, answered_model=HOSTILE, key=HOSTILE[:60],
                team=HOSTILE[:60], route=HOSTILE, state="failed", failure="upstream", message=HOSTILE,
                losses=(f"dropped:{HOSTILE}",), stop=HOSTILE,
            )  # fmt: skip
            await book(gate, row)
            rating = RatingRow(row.id, row.key, HOSTILE, 2, HOSTILE, 1e9)
            await gate.gateway.store.ratings.keep(rating)
            for headers in (None, PART):
                page = await told(browser, row.id, headers)
                assert "<script>alert" not in page
                for name in ("who", "way", "attempts", "losses", "replay"):
                    assert "<script>alert(1)" in panel(page, name)
                assert "2 of 5" in page
            assert "/admin/keys/%3Cscript%3E" in page

    asyncio.run(play())


def test_failed_attempts_and_fallbacks_are_told(tmp_path: Path) -> None:
    """Each attempt has its own line with why it failed; the bar is red, and the page says how it went."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            at = gate.gateway.services.now() - 5
            course = (
                ("admit", 1.0),
                ("reserve", 2.0),
                ("fault", 200.0),
                ("reserve", 202.0),
                ("first", 500.0),
            )
            row = exchange(1, at, attempts=2, fallback=True, course=(*course, ("deliver", 890.0)))
            tries = [
                AttemptRow(
                    exchange_id=row.id, number=1, provider="groq", model="m-0", opened_at=at, state="failed",
                    status=429, failure="rate_limited", message="slow down", meters=Meters(cost_micros=0),
                ),
                AttemptRow(
                    exchange_id=row.id, number=2, provider="openai", model="m-1", opened_at=at,
                    state="settled", tier="flex", price="operator 7", meters=row.meters, first_event_ms=500.0,
                ),
            ]  # fmt: skip
            await gate.gateway.store.settle(row, tries)
            page = await told(browser, row.id)
            told_ = panel(page, "attempts")
            assert told_.startswith("2 attempts")
            for words in ("groq/m-0", "rate limited: slow down", "429", "openai/m-1", "flex"):
                assert words in told_
            assert 'data-label="First token" class="num">298 ms</td>' in page  # its own, not its client's 500
            assert "groq/m-0 · rate limited" in panel(page, "way")
            assert page.count('class="span attempt fault"') == 1
            assert page.count('class="first"') == 1
            assert "Another model answered" in panel(page, "who")
            assert "One attempt failed" in panel(page, "who")
            assert "by operator 7, which is no longer the price" in panel(page, "bill")
            assert "$0.001000" in panel(page, "bill")

    asyncio.run(play())


def test_unknown_is_said(tmp_path: Path) -> None:
    """Tokens and money that nobody knows are unknown in every part, and never 0."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            row = exchange(1, 1e9, state="failed", failure="timeout", meters=Meters())
            await book(gate, row)
            page = await told(browser, row.id)
            assert panel(page, "bill").count("unknown") == 2
            assert "nobody knows what was used" in panel(page, "bill")
            assert "$0" not in panel(page, "bill") + panel(page, "attempts")

    asyncio.run(play())


def test_while_it_is_under_way_it_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live request's part asks for itself until it has ended, and then no more; whatever else is live."""
    monkeypatch.setattr(log, "MOST_LIVE", 1)

    async def play() -> None:
        async with Simulator(script=HANGING) as sim, house(tmp_path, sim.url) as gate:
            browser = await signed(gate)
            secret = await key_of(gate, "ann")
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            body = chat(model="sim-openai_chat/m", stream=True)
            writer.write(post("/v1/chat/completions", body, {"authorization": f"Bearer {secret}"}))
            while b"data: " not in await reader.readline():
                pass
            [row] = await gate.gateway.store.exchanges()
            for number in range(3):  # another process's, which began before it
                await begin(gate, number, row.opened_at - 9)
            page = await told(browser, row.id)
            assert re.search(r"Tokens read / written</h2><p[^>]*>\d+ so far<", page)
            again = f"/admin/requests/{row.id}?part=body"
            assert f'hx-get="{again}" hx-trigger="tick from:body" hx-swap="outerHTML"' in page
            assert "it has not ended yet" in panel(page, "words")
            assert 'class="span deliver open"' in page  # its first content has come
            assert ">route</text>" in page
            writer.close()
            await writer.wait_closed()
            await gate.rows(1)
            part = (await browser.open(again, PART)).body.decode()
            assert part.lstrip().startswith('<div id="request-body"')
            assert "hx-trigger" not in part
            assert "The client left" in panel(part, "who")

    asyncio.run(play())


def test_figures_are_exact() -> None:
    """Amounts have every digit there is; rates say what they are for; spans are told to a tenth."""
    assert [exact(Decimal(one)) for one in ("4.65", "0", "1979", "12345678000000")] == [
        "$0.00000465",
        "$0",
        "$0.001979",
        "$12,345,678.00",
    ]
    assert exact(None) == "unknown"
    assert rate(CostLine(1, "input", 10, Decimal("0.15"), Decimal("1.5"))) == "$0.15 / 1M"
    assert rate(CostLine(1, "request", None, Decimal("0.005"), Decimal(5000))) == "$0.005 each"
    assert rate(CostLine(1, "input", 10, None, None)) == "\u2013"
    assert passed(1234.56) == "1,234.6 ms"


def test_an_attempt_has_its_own_first_content() -> None:
    """From when it was made: by the bar it has, by the clock where it has none; never less than nothing."""
    row = exchange(1, 100.0)
    tried = msgspec.structs.replace(attempt(row), number=2, opened_at=100.2, first_event_ms=500.0)
    bar = Span("attempt", 250.0, 500.0, attempt=2)
    assert first_of(row, [Span("attempt", 0.0, 240.0, attempt=1), bar], tried) == 250.0
    assert first_of(row, [], tried) == pytest.approx(300.0)
    assert first_of(row, [], msgspec.structs.replace(tried, opened_at=101.0)) == 0.0
    assert first_of(row, [bar], msgspec.structs.replace(tried, first_event_ms=None)) is None


def test_how_it_came_to_its_answer_is_in_words() -> None:
    """A recording and what it saved, a client that left, a process that ended; nothing where it was plain."""
    plain = exchange(1, 1e9)
    assert tale(plain, []) == []
    [recorded] = tale(exchange(2, 1e9, cached=True, saved_micros=1500), [])
    assert "$0.0015 was saved" in recorded
    [unpriced] = tale(exchange(2, 1e9, cached=True, saved_micros=None), [])
    assert "unknown was saved" in unpriced
    assert "left" in tale(exchange(3, 1e9, state="cancelled"), [])[0]
    assert "process" in tale(exchange(4, 1e9, state="interrupted"), [])[0]
    assert ends(exchange(5, 1e9, stop="end", chunks=1)) == "came to its end, in one piece"
    assert ends(exchange(5, 1e9, stop="odd", chunks=1200)) == "stopped: odd, in 1,200 pieces"
    assert target_of(exchange(6, 1e9, provider=None, answered_model=None), []) == ""
    assert target_of(plain, []) == "openai/m-1"
