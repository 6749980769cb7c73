"""The audit log in SQLite: in order, in pages, and never changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dragoman.store.audit import AuditRow
from dragoman.store.sqlite import SqliteStore

ABOUT = (
    ("key.create", "a%"),
    ("key.create", "ab"),
    ("keys.other", "a%"),
    ("team.put", "a%"),
    ("key.revoke", "a%"),
)


def test_the_newest_come_first_and_in_pages(tmp_path: Path) -> None:
    """Each entry has a number; `before` goes on where a page ended, and nothing is told twice or lost."""

    async def play() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            rows = [
                AuditRow(float(at), "command line", "key.create", f"k{at}", b'{"is":1}') for at in range(7)
            ]
            for row in rows:
                await store.audit.write(row)
            assert await store.audit.rows(limit=0) == []
            first = await store.audit.rows(limit=4)
            rest = await store.audit.rows(limit=4, before=first[-1][0])
            assert [number for number, _ in (*first, *rest)] == [7, 6, 5, 4, 3, 2, 1]
            assert [row for _, row in (*first, *rest)] == rows[::-1]
        finally:
            await store.close()

    asyncio.run(play())


def test_entries_of_one_subject(tmp_path: Path) -> None:
    """`about` finds what was done to one subject by one kind of action: to the letter, and in pages too."""

    async def play() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            for at, (action, subject) in enumerate(ABOUT):
                await store.audit.write(AuditRow(float(at), "me", action, subject))
            found = await store.audit.rows(about=("key.", "a%"))
            assert [(row.action, row.subject) for _, row in found] == [
                ("key.revoke", "a%"),
                ("key.create", "a%"),
            ]
            assert await store.audit.rows(about=("key.", "a%"), limit=1) == found[:1]
            assert await store.audit.rows(about=("key.", "a%"), before=found[0][0]) == found[1:]
            assert await store.audit.rows(about=("k_y.", "a%")) == []
        finally:
            await store.close()

    asyncio.run(play())
