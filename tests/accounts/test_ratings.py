"""Ratings: who may rate what, what a rating is, and an exchange that is only just being settled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container
from pathlib import Path
from typing import Any

import pytest

from dragoman.accounts.keys import Account
from dragoman.accounts.ratings import LONGEST, PAUSES_S, Finder, Opinion
from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, RatingRow
from dragoman.store.sqlite import SqliteStore

ADMIN, ONE, TWO = Account("admin", "admin"), Account("one"), Account("two")


def row(name: str = "x", **more: Any) -> ExchangeRow:
    """Return an exchange of the key `one`."""
    fields: dict[str, Any] = {
        "request_id": f"asked-{name}",
        "owner": "me",
        "key": "one",
        "dialect": "prompt",
        "task": "generate",
        "model": "asked",
        "stream": False,
        "opened_at": 1.0,
        "state": "settled",
        "provider": "p",
        "answered_model": "told",
    }
    return ExchangeRow(id=name, **(fields | more))


def attempt(name: str = "x", **more: Any) -> AttemptRow:
    """Return an attempt."""
    return AttemptRow(exchange_id=name, number=1, provider="p", model="sent", opened_at=1.0, **more)


Scene = Callable[[SqliteStore, Finder], Awaitable[None]]


def play(
    folder: Path,
    scene: Scene,
    *,
    under_way: Container[str] = (),
    meanwhile: Callable[[SqliteStore, int], Awaitable[None]] | None = None,
) -> list[float]:
    """Run `scene`; return how long was waited. `meanwhile` happens in each wait, which is told its place."""
    waits: list[float] = []

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")

        async def pause(seconds: float) -> None:
            waits.append(seconds)
            if meanwhile is not None:
                await meanwhile(db, len(waits))

        try:
            await scene(db, Finder(db, under_way, pause))
        finally:
            await db.close()

    asyncio.run(run())
    return waits


async def refused(work: Awaitable[object]) -> Failure:
    """Return how something is refused."""
    with pytest.raises(Failure) as caught:
        await work
    return caught.value


def test_a_rating_is_kept_and_replaced(tmp_path: Path) -> None:
    """It stands for the model that answered, under whichever name it was rated; the last one counts."""

    async def scene(db: SqliteStore, finder: Finder) -> None:
        await db.settle(row(), [attempt(state="settled")])
        for place, model in enumerate((None, "asked", "told", "sent")):
            kept = await finder.rate(ONE, Opinion("x", place + 1, model, "well"), now=float(place))
            assert kept == RatingRow("x", "one", "told", place + 1, "well", float(place))
            assert await db.ratings.of("x") == [kept]
        assert (await finder.rate(ONE, Opinion("asked-x", 5.0), now=9.0)).exchange_id == "x"
        assert await db.ratings.averages("one") == {"told": 5.0}

    assert play(tmp_path, scene) == []


@pytest.mark.parametrize("rating", [0, 6, -1, 2.5, "5", "", None, True, [], {}, float("inf"), 10**30])
def test_what_is_no_rating_is_refused(tmp_path: Path, rating: object) -> None:
    """Only a whole number from 1 to 5 is a rating; else nothing is kept, and the fault's place is told."""

    async def scene(db: SqliteStore, finder: Finder) -> None:
        await db.settle(row(), [])
        failure = await refused(finder.rate(ONE, Opinion("x", rating), now=1.0))
        assert (failure.kind, failure.at) == (Kind.INVALID, "$.rating")
        assert "from 1 to 5" in failure.message
        assert await db.ratings.of("x") == []

    play(tmp_path, scene)


def test_another_keys_answer_is_not_there(tmp_path: Path) -> None:
    """To rate or to see it is a 404, the same as for one that never was; the admin may do both."""

    async def scene(db: SqliteStore, finder: Finder) -> None:
        await db.settle(row(), [attempt(state="settled")])
        told = []
        for id_ in ("x", "asked-x", "unheard of", ""):
            for work in (finder.rate(TWO, Opinion(id_, 5), now=1.0), finder.show(TWO, id_)):
                failure = await refused(work)
                told.append((failure.kind, failure.message, failure.code))
        assert len({*told}) == 1
        assert told[0][0] is Kind.NOT_FOUND
        assert await db.ratings.of("x") == []
        assert (await finder.rate(ADMIN, Opinion("x", 2), now=1.0)).key == "admin"
        assert (await finder.show(ADMIN, "x")).row.key == "one"

    play(tmp_path, scene)


def test_a_model_that_had_no_part_is_refused(tmp_path: Path) -> None:
    """A rating of another model is meant for another answer."""

    async def scene(db: SqliteStore, finder: Finder) -> None:
        await db.settle(row(), [attempt(state="settled")])
        failure = await refused(finder.rate(ONE, Opinion("x", 5, "other"), now=1.0))
        assert (failure.kind, failure.at) == (Kind.INVALID, "$.model")

    play(tmp_path, scene)


def test_feedback_has_an_end(tmp_path: Path) -> None:
    """As many characters as may be are kept, and one more is refused."""

    async def scene(db: SqliteStore, finder: Finder) -> None:
        await db.settle(row(), [])
        longest = "ü" * LONGEST
        assert (await finder.rate(ONE, Opinion("x", 5, None, longest), now=1.0)).feedback == longest
        failure = await refused(finder.rate(ONE, Opinion("x", 1, None, longest + "!"), now=2.0))
        assert (failure.kind, failure.at) == (Kind.INVALID, "$.feedback")
        assert [rating.rating for rating in await db.ratings.of("x")] == [5]

    play(tmp_path, scene)


def test_an_answer_that_was_just_given_is_waited_for(tmp_path: Path) -> None:
    """A client that is faster than the ledger's commit can rate all the same."""

    async def settle(db: SqliteStore, place: int) -> None:
        if place == 2:
            await db.settle(row(), [])

    async def scene(db: SqliteStore, finder: Finder) -> None:
        await db.open_exchange(row(state="reserved", answered_model=None), attempt())
        assert (await finder.rate(ONE, Opinion("x", 5, "told"), now=1.0)).model == "told"

    assert play(tmp_path, scene, meanwhile=settle) == [*PAUSES_S[:2]]


def test_a_recorded_answer_that_was_just_given_is_waited_for(tmp_path: Path) -> None:
    """An exchange that is booked only when it has ended is waited for, too."""

    async def settle(db: SqliteStore, place: int) -> None:
        if place == 1:
            await db.settle(row(cached=True), [])

    async def scene(_: SqliteStore, finder: Finder) -> None:
        assert (await finder.rate(ONE, Opinion("x", 4), now=1.0)).rating == 4

    assert play(tmp_path, scene, meanwhile=settle) == [*PAUSES_S[:1]]


def test_an_answer_under_way_is_shown_and_not_rated(tmp_path: Path) -> None:
    """While it runs nobody waits: it is shown as it is, and rating it is a conflict."""

    async def scene(db: SqliteStore, finder: Finder) -> None:
        await db.open_exchange(row(state="reserved"), attempt())
        for id_ in ("x", "asked-x"):
            assert (await finder.show(ONE, id_)).row.state == "reserved"
        failure = await refused(finder.rate(ONE, Opinion("x", 5), now=1.0))
        assert (failure.kind, failure.at) == (Kind.CONFLICT, "$.prompt_id")

    assert play(tmp_path, scene, under_way={"x"}) == []


def test_another_process_exchange_is_shown_as_it_is(tmp_path: Path) -> None:
    """One that a sibling still works on is waited for in vain, and then shown."""

    async def scene(db: SqliteStore, finder: Finder) -> None:
        await db.open_exchange(row(state="reserved"), attempt())
        assert (await finder.show(ONE, "x")).row.state == "reserved"

    assert play(tmp_path, scene) == [*PAUSES_S]


def test_an_exchange_is_shown_with_its_keys_rating(tmp_path: Path) -> None:
    """What its own key thought of it comes first, also for the admin; else what who asks thought."""

    async def scene(db: SqliteStore, finder: Finder) -> None:
        await db.settle(row(), [attempt(state="settled")])
        shown = await finder.show(ONE, "asked-x")
        assert (shown.row, shown.attempts, shown.rating) == (row(), (attempt(state="settled"),), None)
        by_admin = await finder.rate(ADMIN, Opinion("x", 1), now=5.0)
        assert (await finder.show(ONE, "x")).rating is None
        assert (await finder.show(ADMIN, "x")).rating == by_admin
        own = await finder.rate(ONE, Opinion("x", 5), now=1.0)
        assert [(await finder.show(account, "x")).rating for account in (ONE, ADMIN)] == [own, own]

    play(tmp_path, scene)
