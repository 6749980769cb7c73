"""The explorer: rows add up to totals, both to the ledger; the address says all, wrong words are told."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import json
import re
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.house import House, house
from tests.server.dashboard.booked import book, exchange
from tests.server.dashboard.signed import key_of, signed

from dragoman.accounts import figures
from dragoman.accounts.explored import Explored
from dragoman.server.dashboard.overview import instant
from dragoman.server.dashboard.usage import day_of, interval
from dragoman.store import ExchangeRow, Meters
from dragoman.store.cover import DAY

HOSTILE = "<script>alert(1)</script>\"'&\u202e" + "🐉" * 200


def cells(page: str, label: str) -> list[str]:
    """Return one column of the table of groups, its footer last."""
    table = page[page.index('<table class="list names explored">') :]
    found = re.findall(
        rf'<td data-label="{label}" class="num">(.*?)</td>', table[: table.index("</table>")], re.DOTALL
    )
    return [html.unescape(re.sub("<[^>]+>", " ", one)).split()[0] for one in found]


def drawn(page: str) -> Any:
    """Return what the chart draws."""
    found = re.search(r'data-plot="([^"]*)"', page)
    assert found is not None
    return json.loads(html.unescape(found[1]))


def chips(page: str) -> list[str]:
    """Return where the chips lead to."""
    return [html.unescape(one) for one in re.findall(r'<a class="chip" href="([^"]+)"', page)]


async def seeded(gate: House) -> list[ExchangeRow]:
    """Book a month of all kinds of exchanges."""
    now = gate.gateway.services.now()
    rows = []
    for n in range(60):
        more: dict[str, Any] = {
            "key": f"key-{n % 12:02}",
            "team": "a" if n % 3 else "",
            "model": f"m-{n % 4}",
        }
        more |= {
            "answered_model": more["model"],
            "first_event_ms": 10.0 * (n + 1),
            "latency_ms": 100.0 * (n + 1),
        }
        if n % 10 == 0:
            more |= {"state": "failed", "failure": "timeout" if n % 20 else "overloaded"}
        cost = None if n % 15 == 7 else 1000 * n
        more["meters"] = Meters(input=n, cache_read=2 * n, output=3 * n, cost_micros=cost)
        if n % 6 == 5:
            more["losses"] = ("dropped:top_k",)
        rows.append(exchange(n, now - n * DAY / 3 - 1, **more))
    await book(gate, *rows)
    return rows


@pytest.mark.parametrize("by", ["key", "team", "model", "provider", "route", "state", "failure", "dialect"])
def test_rows_add_up_to_the_total_and_to_the_ledger(tmp_path: Path, by: str) -> None:
    """By whatever it is grouped, the column of requests is the footer, and that is the ledger's rows."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            rows = await seeded(gate)
            page = (await (await signed(gate)).open(f"/admin/usage?group_by={by}&period=month")).body.decode()
            for label, most in (
                ("Requests", len(rows)),
                ("Errors", sum(row.state == "failed" for row in rows)),
            ):
                *parts, total = [int(one.replace(",", "")) for one in cells(page, label)]
                assert sum(parts) == total == most
            told = drawn(page)
            spent = sum(row.meters.cost_micros or 0 for row in rows)
            assert sum(sum(filter(None, one["values"])) for one in told["series"]) == pytest.approx(
                spent / 1e6
            )

    asyncio.run(play())


def test_the_top_is_told_and_the_rest_counted(tmp_path: Path) -> None:
    """Eight groups have a row and a colour each, the others one together which says how many they are."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            await seeded(gate)
            browser = await signed(gate)
            page = (await browser.open("/admin/usage?group_by=key")).body.decode()
            assert "12 keys" in page
            assert "4 others" in page
            assert len(cells(page, "Requests")) == 8 + 1 + 1
            every = (await browser.open("/admin/usage?group_by=key&top=100")).body.decode()
            assert len(cells(every, "Requests")) == 12 + 1
            assert len(drawn(every)["series"]) == 9

    asyncio.run(play())


def test_a_name_adds_its_filter_and_a_chip_takes_it_away(tmp_path: Path) -> None:
    """A row leads to the page with its filter, whose total is that row; the chip leads back."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            await seeded(gate)
            browser = await signed(gate)
            page = (await browser.open("/admin/usage?measure=requests&period=month")).body.decode()
            table = page[page.index('<table class="list names explored">') :]
            first = html.unescape(re.findall(r'<th scope="row"><a href="([^"]+)"', table)[0])
            asked = dict(parse_qsl(urlsplit(first).query))
            assert asked["group_by"] == "key"
            assert asked["model"].startswith("m-")
            assert asked["measure"] == "requests"
            inside = (await browser.open(first)).body.decode()
            assert cells(inside, "Requests")[-1] == "15"
            assert "model" not in dict(parse_qsl(urlsplit(chips(inside)[0]).query))

    asyncio.run(play())


def test_those_that_have_none_can_be_asked_for(tmp_path: Path) -> None:
    """A filter `-` is those without: here of a team, and of a failure."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            await seeded(gate)
            browser = await signed(gate)
            page = (await browser.open("/admin/usage?team=-&failure=-")).body.decode()
            assert cells(page, "Requests")[-1] == "18"
            assert "team: no team" in page

    asyncio.run(play())


@pytest.mark.parametrize("period", ["day", "week", "month", "quarter", "calendar", "year", "all"])
def test_every_tab_is_a_time(tmp_path: Path, period: str) -> None:
    """Each tab shows what began since; what it is called stays the one that is marked."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            now = gate.gateway.services.now()
            ages = (0.5, 5, 25, 80, 300, 700)
            await book(gate, *(exchange(n, now - age * DAY) for n, age in enumerate(ages)))
            page = (await (await signed(gate)).open(f"/admin/usage?period={period}")).body.decode()
            told = {"day": 1, "week": 2, "month": 3, "quarter": 4, "year": 5, "all": 6}
            if period in told:
                assert cells(page, "Requests")[-1] == str(told[period])
            marked = re.search(r'period=(\w+)[^"]*" aria-current="true">', page)
            assert marked is not None
            assert marked[1] == period

    asyncio.run(play())


def test_two_times_are_asked_for(tmp_path: Path) -> None:
    """From and to leave what began between; they win over a period, and each has a chip."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            base = 1_790_000_000 // DAY * DAY
            await book(gate, *(exchange(n, base + n * DAY) for n in range(5)))
            day = instant(base + DAY), instant(base + 2 * DAY)
            browser = await signed(gate)
            page = (await browser.open(f"/admin/usage?from={day[0]}&to={day[1]}&period=week")).body.decode()
            assert cells(page, "Requests")[-1] == "2"
            assert f'value="{day[0]}"' in page
            assert len(chips(page)) == 2

    asyncio.run(play())


def test_the_time_before_is_compared(tmp_path: Path) -> None:
    """Each row and the total say how they changed; without being asked nothing is compared."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            now = gate.gateway.services.now()
            await book(gate, *(exchange(n, now - DAY) for n in range(3)))
            await book(gate, *(exchange(n, now - 8 * DAY) for n in range(10, 12)))
            browser = await signed(gate)
            page = (await browser.open("/admin/usage?period=week&compare=previous")).body.decode()
            assert "+50 %, was 2" in page
            assert page.count("+50 %") >= 5
            assert "+50 %" not in (await browser.open("/admin/usage?period=week")).body.decode()

    asyncio.run(play())


def test_csv_is_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has the page's groups, stretches and requests; a thread of its own writes it."""
    write = figures.csv_of

    def written(found: Explored) -> str:
        assert threading.current_thread() is not threading.main_thread(), "it has requests to serve"
        return write(found)

    monkeypatch.setattr(figures, "csv_of", written)

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            await seeded(gate)
            browser = await signed(gate)
            page = (await browser.open("/admin/usage?group_by=key&model=m-1")).body.decode()
            link = re.search(r'<a class="button quiet csv" href="([^"]+)"', page)
            assert link is not None
            answer = await browser.open(html.unescape(link[1]))
            assert answer.headers["content-type"].startswith("text/csv")
            rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
            assert sum(int(row["requests"]) for row in rows) == int(cells(page, "Requests")[-1])

    asyncio.run(play())


def test_losses_and_errors_are_told(tmp_path: Path) -> None:
    """What was lost in translation and how requests failed stand beneath, with how often."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            await seeded(gate)
            page = (await (await signed(gate)).open("/admin/usage?period=month")).body.decode()
            assert "<code>top_k</code>" in page
            assert re.search(r'href="[^"]*failure=timeout[^"]*">timeout</a>', page)
            assert re.search(r'href="[^"]*failure=overloaded[^"]*">overloaded</a>', page)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("from=2026-11-02&to=2026-11-01", "from"),
        ("period=fortnight", "period"),
        ("group_by=colour", "group_by"),
        ("measure=joy", "measure"),
        ("top=0", "top"),
        ("period=year&interval=hour", "interval"),
        ("period=all&compare=previous", "compare"),
        ("sort=cost", "sort"),
    ],
)
def test_what_cannot_be_read_is_told_above_the_fields(tmp_path: Path, query: str, field: str) -> None:
    """A wrong parameter is a 400 that names it, on the page itself, with everything that was typed."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            answer = await browser.open(f"/admin/usage?key=kept-here&{query}")
            page = answer.body.decode()
            assert answer.status == 400
            assert f"<code>{field}</code>" in page
            assert 'value="kept-here"' in page

    asyncio.run(play())


def test_names_are_text(tmp_path: Path) -> None:
    """A model of markup, quotes and direction marks is a row, a filter and a series of the chart, as text."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            now = gate.gateway.services.now()
            await book(gate, exchange(1, now - 5, model=HOSTILE, answered_model=HOSTILE))
            page = (await browser.open("/admin/usage")).body.decode()
            assert "<script>alert" not in page
            name = drawn(page)["series"][0]["name"]
            assert HOSTILE.startswith(name)
            table = page[page.index('<table class="list names explored">') :]
            inside = html.unescape(re.findall(r'<th scope="row"><a href="([^"]+)"', table)[0])
            found = (await browser.open(inside)).body.decode()
            assert "<script>alert" not in found
            assert cells(found, "Requests")[-1] == "1"

    asyncio.run(play())


def test_a_reader_may_look_and_an_empty_ledger_teaches(tmp_path: Path) -> None:
    """With nothing to show the page says where to begin; a filter that leaves nothing says so instead."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate, await key_of(gate, "looker", role="reader"))
            assert "No requests yet" in (await browser.open("/admin/usage")).body.decode()
            await book(gate, exchange(1, gate.gateway.services.now() - 5))
            page = (await browser.open("/admin/usage?model=else")).body.decode()
            assert "No requests yet" not in page
            assert "Nothing was asked in this time" in page

    asyncio.run(play())


@pytest.mark.parametrize(
    ("days", "name"), [(1, "hour"), (2, "hour"), (7, "day"), (92, "day"), (365, "week"), (1000, "month")]
)
def test_a_time_is_told_by_stretches_that_suit_it(days: int, name: str) -> None:
    """A day is told by hours, a month by days, a year by weeks, more by months."""
    assert interval(days * DAY) == name


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-01", "2026-11-01"),
        ("2026-11-01T23:30:00Z", "2026-11-01"),
        ("1790000000", "2026-09-21"),
        ("253402300800", "9999-12-31"),
        ("bad", ""),
        ("9" * 30, ""),
    ],
)
def test_a_field_of_dates_has_the_day_that_is_meant(text: str, day: str) -> None:
    """Whatever an address says of a time, the field beside it has its day, or nothing where it means none."""
    assert day_of(text) == day
