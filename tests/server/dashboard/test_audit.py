"""The page of the audit log: entries with all they say, in pages, as text."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from pathlib import Path

from tests.house import house
from tests.server.dashboard.signed import signed

from dragoman.store.audit import AuditRow


def test_entries_come_in_pages_as_text(tmp_path: Path) -> None:
    """Fifty to a page, the newest first; whatever was written stands there as text."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            audit = gate.gateway.store.audit
            for n in range(60):
                await audit.write(
                    AuditRow(1e9 + n, "<b>me</b>", "key.create", f"key-{n:03}", b'{"is":"<i>"}')
                )
            first = (await browser.open("/admin/audit")).body.decode()
            assert first.count("<tr>") == 51
            assert "key-059" in first
            assert "<b>me</b>" not in first
            assert "&lt;b&gt;me" in first
            number = (await audit.rows(limit=50))[-1][0]
            assert f'href="/admin/audit?before={number}"' in first
            second = (await browser.open(f"/admin/audit?before={number}")).body.decode()
            assert "key-000" in second
            assert "key-059" not in second
            assert 'rel="next"' not in second
            assert f'href="/admin/audit?format=csv&amp;before={number}"' in second

    asyncio.run(play())


def test_an_entry_says_which_fields_it_is_about(tmp_path: Path) -> None:
    """Those within others as well: what was changed is a limit, and not its terms."""
    details = {
        b'{"was":{"terms":{"limits":{"parallel":1},"models":["m"]}},"is":{"terms":{"models":["m"]}}}': (
            "requests at once"
        ),
        b'{"was":{"role":"user"},"is":{"role":"user"}}': "as it was",
        b'{"is":{"cap_micros":5,"team":""}}': "cap",
        b'{"is":{}}': "nothing set",
    }

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            for detail in details:
                await gate.gateway.store.audit.write(AuditRow(2e9, "me", "key.change", "red", detail))
            page = (await browser.open("/admin/audit")).body.decode()
            told = re.findall(r"<details><summary>([^<]*)</summary><pre", page)[: len(details)]
            assert told == [*details.values()][::-1]

    asyncio.run(play())


def test_a_page_as_csv(tmp_path: Path) -> None:
    """What is shown, as a file, each entry with all it says; nothing in it is run by a spreadsheet."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            audit = gate.gateway.store.audit
            for n in range(60):
                await audit.write(AuditRow(1e9 + n, "=me()", "key.create", f"key-{n:03}", b'{"is":"<i>"}'))
            answer = await browser.open("/admin/audit?format=csv")
            assert answer.headers["content-type"].startswith("text/csv")
            assert answer.headers["cache-control"] == "no-store"
            rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
            assert len(rows) == 50
            assert rows[0]["at"].startswith("2001-09-09T01:47:39")
            assert {name: rows[0][name] for name in ("actor", "subject", "detail")} == {
                "actor": "'=me()",
                "subject": "key-059",
                "detail": '{"is":"<i>"}',
            }

    asyncio.run(play())
