"""Posting in the background: all there is, again and again, whatever the store does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from tests.store.sums import exchange

from dragoman.accounts.posting import BETWEEN_S, TURN_S, Posting
from dragoman.core.failure import Failure, Kind
from dragoman.store import Part, Reports
from dragoman.store.sqlite import SqliteStore

AWAY = Failure(Kind.UNAVAILABLE, "the database is away")


class Ended(Exception):
    """The test has seen enough."""


class Play:
    """Reports that post as they are told, and what was done around them."""

    def __init__(self, posts: Sequence[int | Failure], turns: int) -> None:
        self.posts = list(posts)
        self.turns = turns
        self.pauses: list[float] = []
        self.said: list[BaseException] = []

    async def post(self) -> int:
        """Post as it is told; nothing is left in the end."""
        match self.posts.pop(0) if self.posts else 0:
            case Failure() as failure:
                raise failure
            case int(count):
                return count

    async def pause(self, seconds: float) -> None:
        """End the play after so many turns."""
        self.pauses.append(seconds)
        if self.pauses.count(TURN_S) == self.turns:
            raise Ended

    def complain(self, _: str, failure: BaseException) -> None:
        """Note what was complained of."""
        self.said.append(failure)

    def run(self) -> None:
        """Keep posting until the play ends."""
        posting = Posting(cast("Reports", self), complain=self.complain, pause=self.pause)
        with pytest.raises(Ended):
            asyncio.run(posting.keeping())


def test_a_turn_posts_until_nothing_is_left() -> None:
    """Slice after slice with a short pause between, and then a longer one."""
    play = Play([128, 128, 3, 0, 1], turns=2)
    play.run()
    assert play.posts == []
    assert play.pauses == [BETWEEN_S, BETWEEN_S, BETWEEN_S, TURN_S, BETWEEN_S, TURN_S]
    assert play.said == []


def test_a_store_that_is_away_is_complained_of_once() -> None:
    """Until it has been back: then once more."""
    play = Play([AWAY, AWAY, 5, AWAY, 0, AWAY, AWAY], turns=7)
    play.run()
    assert play.said == [AWAY, AWAY]


def test_what_was_booked_is_posted(tmp_path: Path) -> None:
    """After a turn the sums are there, and a report has nothing to post."""

    async def scene() -> None:
        store = SqliteStore.open(tmp_path / "x.db")
        try:
            for place in range(300):
                await store.settle(exchange(str(place)), [])
            posting = Posting(store.reports, complain=lambda *_: None)
            assert await posting.turn() == 300
            assert await store.reports.post() == 0
            (cell,) = await store.reports.cells(Part())
            assert cell.sums.requests == 300
        finally:
            await store.close()

    asyncio.run(scene())
