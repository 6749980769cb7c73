"""The page of alerts: what was told, and how to be told."""

from __future__ import annotations

import csv
import html
import io
import re
from pathlib import Path

from tests.server.dashboard.office import HOSTILE, Office, play, words

from dragoman.store.budgets import AlertRow

SECRET = "whsec_" + "A" * 32


async def tell(office: Office, count: int, budget: str = "each", subject: str = "apple") -> None:
    """Write alerts down."""
    kept = office.gate.gateway.store.budgets
    for place in range(count):
        await kept.tell(AlertRow(budget, subject, place, 80, 2_000_001, 2_500_000, 1e9 + place))


def test_the_newest_come_first(tmp_path: Path) -> None:
    """When, of which budget and whom, how much of what; of one that is gone it says so, and all is text."""

    async def scene(office: Office) -> None:
        await office.budget("each", dollars="2.5", scope="key", subject="*")
        await tell(office, 2)
        await tell(office, 1, "gone", HOSTILE)
        page = await office.page("/admin/alerts")
        rows = [words(row) for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)[1:]]
        assert len(rows) == 3
        assert [row for row in rows if "removed" in row] == [row for row in rows if "gone" in row]
        apple = next(row for row in rows if "apple" in row)
        assert 'href="/admin/keys/apple"' in apple
        assert 'href="/admin/budgets/each"' in apple
        assert 'title="$2.000001">$2.00<' in apple
        assert ">80 %</span>" in apple
        assert "2001-09-09T01:46:41" in apple
        assert "<script>alert" not in page
        only = await office.page("/admin/alerts?budget=gone")
        assert HOSTILE in words(only)
        assert "/admin/keys/apple" not in only
        answer = await office.browser.open("/admin/alerts?format=csv&budget=each")
        found = list(csv.DictReader(io.StringIO(answer.body.decode())))
        assert [(row["subject"], row["percent"], row["spent_usd"]) for row in found] == [
            ("apple", "80", "2.000001")
        ] * 2

    play(tmp_path, scene)


def told_at(page: str) -> list[str]:
    """Return when each alert of a page was told."""
    return re.findall(r'data-label="When"><time datetime="([^"]+)"', page)


def test_pages_follow_each_other(tmp_path: Path) -> None:
    """However many are asked for, a page is a page: none is missing, none there twice, all are in the CSV."""

    async def scene(office: Office) -> None:
        await tell(office, 250)
        seen: list[str] = []
        path, pages = "/admin/alerts?limit=1000", 0
        while path:
            page = await office.page(path)
            assert len(page) < 100_000
            seen, pages = seen + told_at(page), pages + 1
            older = re.search(r'href="([^"]+)" rel="next"', page)
            path = html.unescape(older[1]) if older else ""
        assert (pages, len(seen)) == (3, 250)
        assert seen == sorted(set(seen), reverse=True)
        assert "201 to 250 of 250 alerts" in page
        assert 'rel="prev"' in page
        first = await office.page("/admin/alerts")
        assert told_at(first) == seen[:100]
        assert "1 to 100 of 250 alerts" in first
        answer = await office.browser.open("/admin/alerts?format=csv")
        assert len(list(csv.DictReader(io.StringIO(answer.body.decode())))) == 250
        assert "There are no older alerts" in await office.page("/admin/alerts?after=250")

    play(tmp_path, scene)


def test_as_many_as_are_asked_for(tmp_path: Path) -> None:
    """The newest so many, which says that they are; and no odd number is taken."""

    async def scene(office: Office) -> None:
        await tell(office, 5)
        page = await office.page("/admin/alerts?limit=3")
        assert len(told_at(page)) == 3
        assert "3 alerts" in page
        assert "rel=" + '"next"' not in page
        assert len(told_at(await office.page("/admin/alerts?limit=2&after=1"))) == 1
        for query in (
            "limit=0",
            "limit=many",
            "limit=1001",
            "colour=red",
            "after=x",
            "after=-1",
            "after=1001",
        ):
            assert (await office.browser.open(f"/admin/alerts?{query}")).status == 400

    play(tmp_path, scene)


def test_the_empty_page_teaches(tmp_path: Path) -> None:
    """How to set an alert and a webhook, until there is one; a webhook that does not hear of them is none."""

    async def scene(office: Office) -> None:
        page = await office.page("/admin/alerts")
        assert "Nobody was told anything yet" in page
        assert "dragoman budget set" in page
        assert 'id="webhook"' in page
        assert "Nothing was told of this budget" in await office.page("/admin/alerts?budget=none")

    async def hooked(office: Office) -> None:
        page = await office.page("/admin/alerts")
        assert "over the webhook" in page
        assert 'id="webhook"' not in page

    async def deaf(office: Office) -> None:
        assert 'id="webhook"' in await office.page("/admin/alerts")

    hook = {"DRAGOMAN_WEBHOOK_URL": "http://127.0.0.1:9/hook", "DRAGOMAN_WEBHOOK_SECRET": SECRET}
    play(tmp_path / "a", scene)
    play(tmp_path / "b", hooked, **hook)
    play(tmp_path / "c", deaf, **hook, DRAGOMAN_WEBHOOK_EVENTS="exchange.settled")
