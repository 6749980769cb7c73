"""Group commit: many writes in few commits, in order, each at fault alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store.postgres.commit import MOST, Writer


class Note(msgspec.Struct, frozen=True):
    """A write of this test's."""

    about: str
    text: str = ""


class Book:
    """What is committed, and how."""

    def __init__(self) -> None:
        self.groups: list[list[Note]] = []
        self.away = False

    async def commit(self, group: Sequence[Note]) -> list[str]:
        """Commit a group; not while the book is away, and never what is bad."""
        await asyncio.sleep(0)
        if self.away:
            raise Failure(Kind.UNAVAILABLE, "away")
        if any(note.text == "bad" for note in group):
            raise Failure(Kind.INTERNAL, "bad")
        self.groups.append([*group])
        return [note.about for note in group]


def test_what_waits_shares_a_commit() -> None:
    """While one group is written the next gathers, up to a bound."""

    async def scene() -> None:
        book = Book()
        writer = Writer(book.commit)
        found = await asyncio.gather(*(writer.write(Note(str(n))) for n in range(MOST + 10)))
        assert found == [str(n) for n in range(MOST + 10)]
        assert [len(group) for group in book.groups] == [MOST, 10]
        assert writer.commits == 2

    asyncio.run(scene())


def test_no_group_has_two_about_the_same() -> None:
    """The later comes in a later group, and nothing overtakes it."""

    async def scene() -> None:
        book = Book()
        writer = Writer(book.commit)
        notes = [Note("a", "1"), Note("b"), Note("a", "2"), Note("c"), Note("a", "3")]
        await asyncio.gather(*(writer.write(note) for note in notes))
        assert book.groups == [notes[:2], notes[2:4], notes[4:]]

    asyncio.run(scene())


def test_a_write_at_fault_fails_alone_and_an_outage_together() -> None:
    """The others of the group are written one by one; while nothing can be written all hear of it."""

    async def scene() -> None:
        book = Book()
        writer = Writer(book.commit)
        notes = [Note("a"), Note("b", "bad"), Note("c")]
        found = await asyncio.gather(*(writer.write(note) for note in notes), return_exceptions=True)
        assert [getattr(one, "kind", one) for one in found] == ["a", Kind.INTERNAL, "c"]
        book.away = True
        found = await asyncio.gather(*(writer.write(note) for note in notes), return_exceptions=True)
        assert [getattr(one, "kind", one) for one in found] == [Kind.UNAVAILABLE] * 3
        book.away = False
        assert await writer.write(Note("d")) == "d"

    asyncio.run(scene())


def test_whoever_leaves_has_written() -> None:
    """A cancelled caller's write is committed; closing finishes the queue, and refuses what comes later."""

    async def scene() -> None:
        book = Book()
        writer = Writer(book.commit)
        tasks = [asyncio.ensure_future(writer.write(Note(str(n), "bad" if n else ""))) for n in range(3)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await writer.close()
        assert book.groups == [[Note("0")]]
        with pytest.raises(Failure) as caught:
            await writer.write(Note("late"))
        assert caught.value.kind is Kind.UNAVAILABLE

    asyncio.run(scene())
