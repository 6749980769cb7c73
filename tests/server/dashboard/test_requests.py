"""The page of the request log: what it shows is the ledger's, whatever is asked, page by page, as text."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.house import House, chat, house, post
from tests.server.dashboard.booked import begin, book, exchange
from tests.server.dashboard.signed import Browser, key_of, signed

from dragoman.accounts.requests import Asked
from dragoman.server.admin import requests as log
from dragoman.server.dashboard import requests
from dragoman.server.dashboard.requests import SHOWN, beyond, told_of
from dragoman.server.dashboard.words import NONE, UNKNOWN
from dragoman.simulator import Simulator
from dragoman.simulator.behaviour import Behaviour, Fault
from dragoman.simulator.script import Script
from dragoman.store import ExchangeRow, Meters
from dragoman.store.requests import Filters, Page, Spot, cursor, read_cursor

PART = {"hx-request": "true"}
HOSTILE = "<script>alert(1)</script>\"'&\u202e\U0001f600" + "x" * 470
HANGING = Script(default=Behaviour(faults=(Fault("hang", at_frame=2),)))


async def seen(browser: Browser, query: str = "", status: int = 200) -> str:
    """Return the page of a query."""
    answer = await browser.open(f"/admin/requests?{query}")
    assert answer.status == status, answer.body.decode()[-2000:]
    return answer.body.decode()


def ids(page: str) -> list[str]:
    """Return the requests a page shows, in order."""
    return re.findall(r'id="request-([^"]+)"', page)


def cells(page: str, row: ExchangeRow) -> dict[str, str]:
    """Return a row's cells by the names they have on a phone, or in the head where a phone has none."""
    [line] = [one for one in re.findall(r"<tr data-row>.*?</tr>", page, re.DOTALL) if row.id in one]
    found = re.findall(r'<td(?: data-label="([^"]+)")?[^>]*>(.*?)</td>', line, re.DOTALL)
    nameless = iter(("Key", "Model → target", "State", "Notes"))
    found = [(name or next(nameless), text) for name, text in found]
    return {
        name: html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", text))).strip() for name, text in found
    }


def link(page: str, rel: str) -> str:
    """Return the query of a link to the page before or after."""
    [found] = re.findall(rf'href="/admin/requests\?([^"]+)" rel="{rel}"', page)
    return html.unescape(found)


async def row_count(gate: House) -> int | None:
    """Return how many rows the store's log has."""
    return (await gate.gateway.store.requests.page(Filters())).total


def test_a_row_tells_what_the_ledger_has(tmp_path: Path) -> None:
    """Whom it asked, how it ended, its times, tokens and cost; what nobody knows is unknown, never 0."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            now = gate.gateway.services.now()
            plain = exchange(1, now - 60, model="fast", losses=("dropped:seed", "clamped:top_p"))
            told = Meters(input=1200, output=50, estimated=True)
            tried = exchange(2, now - 50, attempts=3, fallback=True, meters=told)
            cached = exchange(3, now - 40, cached=True, meters=Meters(cost_micros=0), saved_micros=7)
            failed = exchange(
                4,
                now - 30,
                state="failed",
                failure="rate_limited",
                first_event_ms=None,
                meters=Meters(),
                message="slow",
            )
            refused = exchange(
                5, now - 20, provider=None, answered_model=None, model="m-9", meters=Meters(cost_micros=0)
            )
            await book(gate, plain, tried, cached, failed, refused)
            page = await seen(browser)
            assert ids(page) == [row.id for row in (refused, failed, cached, tried, plain)]
            assert "5 requests" in page
            assert cells(page, plain) == {
                "Key": "alpha",
                "Model → target": "fast → openai/m-1",
                "State": "settled",
                "First": "100 ms",
                "Total": "900 ms",
                "Read": "120",
                "Written": "50",
                "Cost": "$0.001",
                "Notes": "2 lost",
            }
            assert cells(page, tried) | {"Key": "alpha"} == {
                **cells(page, plain),
                "Model → target": "m-1 → openai",
                "Read": "1.2k",
                "Written": "~50",
                "Cost": "unknown",
                "Notes": "3 tries",
            }
            assert cells(page, cached)["Notes"] == "cached"
            assert cells(page, cached)["Cost"] == "$0"
            assert cells(page, failed)["State"] == "failed rate limited"
            assert [cells(page, failed)[name] for name in ("First", "Read", "Cost")] == [NONE, NONE, UNKNOWN]
            assert cells(page, refused)["Model → target"] == "m-9"

    asyncio.run(play())


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("key=beta", {2}),
        ("team=red", {3}),
        ("user=-&team=-", {1, 2, 4, 5, 6}),
        ("model=m-2", {4}),
        ("asked=fast", {5}),
        ("provider=anthropic", {4}),
        ("route=fast", {5}),
        ("state=failed", {6}),
        ("failure=timeout", {6}),
        ("dialect=gemini", {2}),
        ("stream=no", {3}),
        ("cached=yes", {1}),
        ("fallback=yes", {5}),
        ("lossy=true", {4}),
        ("estimated=yes", {2}),
        ("cost=unknown", {6}),
        ("cost=known&min_cost=0.002", {4}),
        ("min_latency=1000", {5}),
        ("id=req_000000000000000000000003", {3}),
        ("period=day", {2, 3, 4, 5, 6}),
        ("from=2001-09-09&to=2001-09-09", {1}),
        ("period=day&to=2001-09-10", {1}),
        ("key=&model=&state=", {1, 2, 3, 4, 5, 6}),
    ],
)
def test_filters_find_what_they_say(tmp_path: Path, query: str, wanted: set[int]) -> None:
    """Each alone and together; empty ones are none; each that holds is a chip that takes it away."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            at = gate.gateway.services.now() - 60
            rows = [
                exchange(1, 1e9, cached=True, meters=Meters(cost_micros=0)),
                exchange(2, at, key="beta", dialect="gemini", meters=Meters(estimated=True, cost_micros=1)),
                exchange(3, at, team="red", user="ann", stream=False),
                exchange(
                    4, at, answered_model="m-2", provider="anthropic", losses=("dropped:seed",),
                    meters=Meters(output=9, cost_micros=2000),
                ),
                exchange(5, at, model="fast", route="fast", fallback=True, latency_ms=1000.0),
                exchange(6, at, state="failed", failure="timeout", meters=Meters()),
            ]  # fmt: skip
            await book(gate, *rows)
            page = await seen(browser, query)
            assert {int(one.removeprefix("req_"), 16) for one in ids(page)} == wanted
            held = [name for name, _, value in (part.partition("=") for part in query.split("&")) if value]
            chips = page.count("Take this filter away")
            assert chips == len([name for name in held if name != "period"])
            assert f"{len(wanted)} request" in page

    asyncio.run(play())


def test_pages_lead_on_and_back(tmp_path: Path) -> None:
    """Fifty to a page; each row is on one page, either way, while others are added; the count is exact."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            at = gate.gateway.services.now() - 1000
            rows = [exchange(n, at + n // 3) for n in range(2 * SHOWN + 20)]  # some of one instant
            await book(gate, *rows)
            for query, wanted in (("key=alpha", rows[::-1]), ("sort=oldest", rows)):
                names = [row.id for row in wanted]
                first = await seen(browser, query)
                second = await seen(browser, link(first, "next"))
                third = await seen(browser, link(second, "next"))
                assert ids(first) + ids(second) + ids(third) == names
                assert 'rel="prev"' not in first
                assert 'rel="next"' not in third
                assert query in link(third, "prev")
                assert f"{SHOWN} of {len(rows)} requests" in second
                assert ids(await seen(browser, link(third, "prev"))) == ids(second)
                assert ids(await seen(browser, link(second, "prev"))) == ids(first)
            await book(gate, exchange(999, at + 900))
            assert ids(await seen(browser, link(third, "prev"))) == ids(second)
            assert "after=" not in re.sub(
                r'href="[^"]*" rel="\w+"', "", second
            )  # no other link keeps the page

    asyncio.run(play())


def test_cursors_turn_at_their_row() -> None:
    """What is behind a cursor, and what is before it, leave nothing out and share nothing."""
    here = Spot(5.0, 7)
    assert read_cursor("oldest", beyond("newest", cursor("newest", here), "oldest")) == Spot(5.0, 6)
    assert read_cursor("newest", beyond("oldest", cursor("oldest", here), "newest")) == Spot(5.0, 8)
    assert read_cursor("oldest", beyond("newest", cursor("newest", Spot(5.0, 0)), "oldest")) == Spot(5.0, 0)


def test_the_largest_come_first_where_asked(tmp_path: Path) -> None:
    """Headings sort by cost, tokens and times; there are no pages then, and the heading says which it is."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            at = gate.gateway.services.now() - 60
            rows = [exchange(n, at, meters=Meters(output=9 - n, cost_micros=n)) for n in range(4)]
            await book(gate, *rows)
            page = await seen(browser, "sort=cost")
            assert ids(page) == [row.id for row in rows[::-1]]
            assert re.search(r'aria-sort="descending"><a href="/admin/requests">Cost', page)
            assert ids(await seen(browser, "sort=tokens")) == [row.id for row in rows]
            assert "sort=latency" in page

    asyncio.run(play())


def test_csv_has_all_that_is_meant(tmp_path: Path) -> None:
    """The link of a filtered page gives every row of all its pages, as the JSON's address does."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            at = gate.gateway.services.now() - 1000
            rows = [exchange(n, at + n, key="alpha" if n % 2 else "beta") for n in range(3 * SHOWN)]
            await book(gate, *rows)
            page = await seen(browser, "key=alpha")
            [path] = re.findall(r'href="([^"]*format=csv[^"]*)"', page)
            answer = await browser.open(html.unescape(path))
            assert answer.headers["content-type"].startswith("text/csv")
            assert answer.headers["cache-control"] == "no-store"
            lines = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
            assert [one["id"] for one in lines] == [row.id for row in reversed(rows) if row.key == "alpha"]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ("min_latency=soon", "min_latency"),
        ("min_cost=-1", "min_cost"),
        ("state=gone", "state"),
        ("sort=nicest", "sort"),
        ("after=nonsense", "after"),
        ("before=nonsense", "after"),
        ("from=2026-12-01&to=2026-11-01", "from"),
        ("frob=1", "frob"),
        ("live=maybe", "live"),
        ("format=xml", "format"),
    ],
)
def test_what_is_typed_wrongly_is_told_and_kept(tmp_path: Path, query: str, at: str) -> None:
    """A 400 that names the field, with everything else still in the form."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            page = await seen(browser, f"{query}&team={quote(HOSTILE)}", 400)
            assert f"<code>{at}</code>" in page
            if at != "format":  # nobody types that
                assert (
                    html.escape(HOSTILE, quote=True).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
                    in page
                )
            assert "<script>alert" not in page

    asyncio.run(play())


def test_of_many_names_some_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page does not grow with the keys there are; any of them is found by its name all the same."""
    monkeypatch.setattr(requests, "KNOWN", 2)

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            for name in ("ann", "bob", "zoe"):
                await key_of(gate, name)
            row = exchange(1, gate.gateway.services.now() - 60, key="zoe")
            await book(gate, row)
            page = await seen(browser, "key=zoe")
            [offered] = re.findall(r'<datalist id="known-key">(.*?)</datalist>', page)
            assert re.findall(r'value="([^"]*)"', offered) == ["ann", "bob", "-"]
            assert (ids(page), 'value="zoe"' in page) == ([row.id], True)

    asyncio.run(play())


def test_rows_are_lean(tmp_path: Path) -> None:
    """With names, a target and notes, fifty of them take few bytes: what all share is said once."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            at = gate.gateway.services.now() - 60
            rows = [
                exchange(number, at + number / 100, key="support-triage", model="assistant", attempts=2,
                         provider="anthropic", answered_model="claude-sonnet-4-5", losses=("dropped:seed",))
                for number in range(SHOWN)
            ]  # fmt: skip
            await book(gate, *rows)
            [body] = re.findall(r"<tbody.*?</tbody>", await seen(browser), re.DOTALL)
            assert body.count("<tr data-row>") == SHOWN
            assert len(body) / SHOWN < 1000

    asyncio.run(play())


def test_tokens_are_sorted_by_both(tmp_path: Path) -> None:
    """The heading that sorts stands over both columns: the order is that of what was read and written."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            at = gate.gateway.services.now() - 60
            read = exchange(1, at, meters=Meters(input=900, output=1, cost_micros=1))
            wrote = exchange(2, at + 1, meters=Meters(input=500, output=700, cost_micros=1))
            await book(gate, read, wrote)
            page = await seen(browser, "sort=tokens")
            assert ids(page) == [wrote.id, read.id]
            [head] = re.findall(r'<th scope="colgroup"([^>]*)><a[^>]*>(.*?)</a>', page)
            assert ('colspan="2"' in head[0], 'aria-sort="descending"' in head[0]) == (True, True)
            assert head[1].startswith("Read + written")

    asyncio.run(play())


def test_what_clients_wrote_is_text(tmp_path: Path) -> None:
    """Names of models, kinds and messages are no markup, however long, in cells, titles and chips."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            at = gate.gateway.services.now() - 60
            row = exchange(
                1, at, model=HOSTILE, answered_model=HOSTILE, provider=HOSTILE[:60], key=HOSTILE[:60],
                route=HOSTILE, state="failed", failure="upstream", message=HOSTILE,
                losses=(f"dropped:{HOSTILE}",),
            )  # fmt: skip
            await book(gate, row)
            for query in (
                "",
                f"asked={quote(HOSTILE)}",
                f"key={quote(HOSTILE[:60])}",
                f"route={quote(HOSTILE)}",
            ):
                page = await seen(browser, query)
                assert ids(page) == [row.id]
                assert "<script>alert" not in page
                assert '"><script' not in page
                assert "&lt;script&gt;alert(1)" in page

    asyncio.run(play())


def test_a_request_under_way_is_live(tmp_path: Path) -> None:
    """Whom it asks and what came so far, in a list that looks again by itself; its row ends as it does."""

    async def play() -> None:
        async with Simulator(script=HANGING) as sim, house(tmp_path, sim.url) as gate:
            browser = await signed(gate)
            key = await key_of(gate, "ann")
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            body = chat(model="sim-openai_chat/m", stream=True)
            writer.write(post("/v1/chat/completions", body, {"authorization": f"Bearer {key}"}))
            while b"data: " not in await reader.readline():
                pass
            page = await seen(browser, "live=1")
            [row] = await gate.gateway.store.exchanges()
            assert 'hx-get="/admin/requests?live=1" hx-trigger="tick from:body"' in page
            told = cells(page, row)
            assert (told["State"], told["Model → target"]) == ("live", "sim-openai_chat/m")
            assert "Cost" in told
            part = (await browser.open("/admin/requests?live=1&state=live", PART)).body.decode()
            assert ids(part) == [row.id]
            assert "<html" not in part
            writer.close()
            await writer.wait_closed()
            await gate.rows(1)
            part = (await browser.open("/admin/requests?live=1", PART)).body.decode()
            assert cells(part, row)["State"] == "cancelled"
            assert "hx-trigger" not in await seen(browser)

    asyncio.run(play())


def test_whatever_else_is_under_way_a_row_tells_whom_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where more began before it than are told of one by one."""
    monkeypatch.setattr(log, "MOST_LIVE", 1)

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            now = gate.gateway.services.now()
            rows = [await begin(gate, number, now - 9 + number, model="fast") for number in range(4)]
            page = await seen(browser, "limit=2")
            assert ids(page) == [rows[3].id, rows[2].id]
            for row in rows[2:]:
                told = cells(page, row)
                assert (told["State"], told["Model → target"]) == ("live", "fast → openai/m-1")

    asyncio.run(play())


def test_an_empty_list_teaches(tmp_path: Path) -> None:
    """With nothing in the ledger there is a command for this very server; with filters, a way out."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            browser = await signed(gate)
            where = gate.url.removeprefix("http://")
            answer = await browser.open("/admin/requests", {"host": where})
            page = html.unescape(answer.body.decode())
            assert f"curl -N {gate.url}/v1/chat/completions" in page
            assert "Bearer $DRAGOMAN_KEY" in page
            page = await seen(browser, "key=nobody")
            assert "No request is like that" in page
            assert "curl" not in page
            assert '<a class="button" href="/admin/requests">' in page
            assert await row_count(gate) == 0

    asyncio.run(play())


def test_who_may_look_sees_it_all(tmp_path: Path) -> None:
    """A reader sees every key's requests; who is not signed in is sent to sign in first."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            row = exchange(1, gate.gateway.services.now() - 5)
            await book(gate, row)
            reader = await signed(gate, await key_of(gate, "eye", role="reader"))
            assert ids(await seen(reader)) == [row.id]
            assert (await Browser(gate).open("/admin/requests?key=a")).status == 303

    asyncio.run(play())


def test_what_is_known_of_a_count_is_said() -> None:
    """Exactly where it is known; where it is not, how many at most, or how many are shown."""
    row = exchange(1, 1e9)
    asked = Asked(Filters())
    assert told_of(Page((row,), total=1), asked) == "1 request"
    assert told_of(Page((row,), total=12_345), asked) == "1 of 12,345 requests"
    assert told_of(Page((row,), at_most=40), asked) == "1 of at most 40 requests"
    assert told_of(Page((row,)), asked) == "1 request shown"
