"""Where to look: what the sums rule out, whatever database has the rows (which tests/store/sqlite asks)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from dragoman.store import AttemptRow, ExchangeRow, looking
from dragoman.store.cover import DAY, HOUR
from dragoman.store.looking import bound
from dragoman.store.reports import Sums
from dragoman.store.requests import Filters, Found
from dragoman.store.sqlite import SqliteStore

SUMS = Sums(requests=10, cached=3, lossy=4, unknown_cost=6, streamed=10, cost_micros=500)


@pytest.mark.parametrize(
    ("filters", "most"),
    [
        (Filters(), 10),
        (Filters(cached=True), 3),
        (Filters(cached=False), 7),
        (Filters(lossy=True, cached=True), 3),
        (Filters(priced=False), 6),
        (Filters(priced=True), 4),
        (Filters(stream=False), 0),
        (Filters(min_cost_micros=500), 10),
        (Filters(min_cost_micros=501), 0),
        (Filters(asked="anything"), 10),
    ],
)
def test_a_sum_bounds_what_its_rows_may_be(filters: Filters, most: int) -> None:
    """No more rows meet the conditions than the measures say; of what they do not know, all may."""
    assert bound(filters, SUMS) == most


def row(name: str, at: float, team: str = "") -> ExchangeRow:
    """Return an exchange that was answered within a second."""
    return ExchangeRow(
        id=name,
        request_id=name,
        owner="me",
        key="a",
        team=team,
        dialect="prompt",
        task="generate",
        model="m",
        stream=False,
        opened_at=at,
        state="settled",
        settled_at=at + 1,
    )


@pytest.mark.parametrize(("team", "looked"), [("", 3 + 7), ("rare", 1), ("busy", 50)])
def test_a_busy_day_is_looked_through_by_its_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, team: str, looked: int
) -> None:
    """It is busy by the rows of the index that is gone through: who has no team is among everybody's."""
    monkeypatch.setattr(looking, "FIRST_LOOK", 3)
    monkeypatch.setattr(looking, "QUIET", 10)
    began = 20_000.0 * DAY

    async def scene() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            for hour in range(10):
                for place in range(5):
                    await store.settle(row(f"{hour}-{place}", began + hour * HOUR + place, "busy"), [])
            await store.settle(row("none", began + 2 * HOUR + 9), [])
            await store.settle(row("rare", began + 2 * HOUR + 8, "rare"), [])
            page = await store.requests.page(Filters(team=team), limit=100)
            assert len(page.rows) == {"busy": 50}.get(team, 1)
            assert page.looked == looked
        finally:
            await store.close()

    asyncio.run(scene())


def test_what_is_under_way_is_read_only_where_it_is_needed(tmp_path: Path) -> None:
    """A page that the newest rows fill asks for no other; the rest of a list, and its count, want them."""

    async def scene() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            asked: list[int] = []
            kept = store.requests.reserved

            async def reserved() -> list[Found]:
                found = await kept()
                asked.append(len(found))
                return found

            store.requests.reserved = reserved  # type: ignore[method-assign]
            for place in range(9):
                await store.settle(row(str(place), 1000.0 + place), [])
            attempt = AttemptRow(exchange_id="open", number=1, provider="p", model="m", opened_at=500.0)
            opened = msgspec.structs.replace(row("open", 500.0), state="reserved", settled_at=None)
            await store.open_exchange(opened, attempt)
            first = await store.requests.page(Filters(), limit=2, count=False)
            assert ([one.id for one in first.rows], asked) == (["8", "7"], [])
            whole = await store.requests.page(Filters(), limit=20, after=first.next)
            assert ([one.id for one in whole.rows][-2:], whole.total, asked) == (["0", "open"], 10, [1])
            live = await store.requests.page(Filters(state="reserved"))
            assert ([one.id for one in live.rows], live.total) == (["open"], 1)
        finally:
            await store.close()

    asyncio.run(scene())
