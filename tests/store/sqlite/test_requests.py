"""The log of requests: what a naive look at all rows finds, page by page, whatever is asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from threading import get_ident
from typing import Any, cast

import msgspec
import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters, State, looking, stretches
from dragoman.store.cover import DAY, HOUR
from dragoman.store.postgres import rows as postgres_rows
from dragoman.store.requests import ORDERS, SORTED, Filters, Order, Page, Whose, figure
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite import requests as sqlite_requests
from dragoman.store.sqlite import rows as sqlite_rows

BEGAN = 1_795_000_000.0
NASTY = "=cmd|' /C calc'!A0<script>alert(1)</script>"


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


@contextmanager
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let everything that is bounded be bounded soon, so that few rows show what many would."""
    with monkeypatch.context() as patched:
        patched.setattr(looking, "FIRST_LOOK", 3)
        patched.setattr(looking, "QUIET", 2)
        patched.setattr(looking, "MOST_LOOKED", 25)
        patched.setattr(stretches, "CHUNK", 4)
        yield


def exchange(name: str, at: float = BEGAN, **more: Any) -> ExchangeRow:
    """Return an exchange; settled, unless said otherwise."""
    fields: dict[str, Any] = {
        "request_id": name,
        "owner": "me",
        "key": "a",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": False,
        "provider": "p",
        "answered_model": "m",
        "state": "settled",
        "settled_at": at + 1,
    }
    return ExchangeRow(id=name, opened_at=at, **(fields | more))


def chanced(name: str, chance: random.Random, at: float) -> ExchangeRow:
    """Return an exchange of any kind."""
    state = cast(
        State,
        chance.choices(["settled", "failed", "cancelled", "interrupted", "reserved"], [9, 2, 2, 1, 1])[0],
    )
    ended = state != "reserved"
    asked = chance.random() < 0.9 or not ended
    cost = chance.choice([None, 0, 5, 50, 500])
    return exchange(
        name,
        at,
        request_id=chance.choice([name, name, f"client-{chance.randrange(5)}"]),
        key=chance.choice(["a", "b", NASTY]),
        team=chance.choice(["", "t"]),
        user=chance.choice(["", "u", "v"]),
        dialect=chance.choice(["openai_chat", "anthropic"]),
        task=chance.choices(["generate", "embed", "count"], [8, 1, 1])[0],
        model=chance.choice(["m", "n", "x" * 200]),
        stream=chance.random() < 0.5,
        provider=chance.choice(["p", "q"]) if asked else None,
        answered_model=chance.choice(["m", "n", "", "y" * 300]) if asked and ended else None,
        route=chance.choice(["", "r"]),
        state=state,
        settled_at=at + 1 if ended else None,
        failure=chance.choice(["rate_limited", "invalid"]) if state == "failed" else None,
        losses=chance.choice([(), ("dropped:seed",)]) if ended else (),
        latency_ms=chance.choice([None, 10.0, 5000.0]) if ended else None,
        first_event_ms=chance.choice([None, 5.0, 500.0]) if ended else None,
        cached=ended and chance.random() < 0.2,
        fallback=ended and chance.random() < 0.2,
        meters=Meters(
            input=chance.randrange(100),
            estimated=ended and chance.random() < 0.2,
            cost_micros=cost if ended else None,
        ),
    )


async def keep(store: SqliteStore, row: ExchangeRow) -> None:
    """Write a row, opened first where it is still under way."""
    if row.state == "reserved":
        attempt = AttemptRow(exchange_id=row.id, number=1, provider="p", model="m", opened_at=row.opened_at)
        await store.open_exchange(row, attempt)
    else:
        await store.settle(row, [])


def asked(chance: random.Random, times: list[float]) -> Filters:
    """Return conditions of any kind, one to three of them."""
    ends = sorted(chance.choice([0.0, chance.choice(times), chance.uniform(times[0], times[-1])])
                  for _ in range(2))  # fmt: skip
    some: dict[str, list[Any]] = {
        "since": [ends[0]],
        "until": [ends[1] or None],
        "key": ["a", "b", NASTY, "nobody"],
        "team": ["", "t"],
        "user": ["", "u"],
        "model": ["m", "", "y" * 300, "x" * 160],
        "asked": ["m", "n", "x" * 200],
        "provider": ["p", ""],
        "route": ["", "r"],
        "state": ["settled", "failed", "cancelled", "reserved", "interrupted"],
        "failure": ["rate_limited", "", "timeout"],
        "dialect": ["anthropic"],
        "stream": [True, False],
        "cached": [True, False],
        "fallback": [True, False],
        "lossy": [True, False],
        "estimated": [True, False],
        "priced": [True, False],
        "min_cost_micros": [0, 50, 501],
        "min_latency_ms": [10.0, 4000.0],
        "id": ["12", "client-3"],
    }
    names = chance.sample(sorted(set(some) - {"id"}), chance.choice([0, 1, 1, 2, 3]))
    names += ["id"] if chance.random() < 0.05 else []
    return Filters(**{name: chance.choice(some[name]) for name in names})


def meets(filters: Filters, row: ExchangeRow) -> bool:
    """Say whether a row meets the conditions, in words as simple as they can be."""
    model = "" if row.provider is None else row.answered_model or row.model
    cost, ended = row.meters.cost_micros, row.state != "reserved"
    told: dict[str, Any] = {
        "key": row.key,
        "team": row.team,
        "user": row.user,
        "model": model,
        "asked": row.model,
        "provider": row.provider or "",
        "route": row.route,
        "state": row.state,
        "failure": row.failure or "",
        "dialect": row.dialect,
        "stream": row.stream,
        "cached": row.cached,
        "fallback": row.fallback,
        "lossy": bool(row.losses),
        "estimated": row.meters.estimated,
    }
    for name, value in told.items():
        wanted = getattr(filters, name)
        if wanted is None:
            continue
        cut = isinstance(value, str) and name not in ("key", "team", "user")
        if (wanted[:160] != value[:160]) if cut else wanted != value:
            return False
    return (
        row.task != "count"
        and (filters.since is None or row.opened_at >= filters.since)
        and (filters.until is None or row.opened_at < filters.until)
        and (filters.priced is None or (ended and (cost is not None) == filters.priced))
        and (filters.min_cost_micros is None or (cost or 0) >= filters.min_cost_micros)
        and (filters.min_latency_ms is None or (row.latency_ms or 0) >= filters.min_latency_ms)
        and (filters.id is None or filters.id in (row.id, row.request_id))
    )


async def pages(
    store: SqliteStore, filters: Filters, *, order: Order = "newest", limit: int = 5
) -> tuple[list[str], list[Page]]:
    """Return the ids of all pages, and the pages."""
    ids: list[str] = []
    found: list[Page] = []
    after: str | None = None
    while after is not None or not found:
        page = await store.requests.page(filters, order=order, limit=limit, after=after)
        assert len(page.rows) <= limit
        ids += [row.id for row in page.rows]
        found.append(page)
        after = page.next
    return ids, found


@pytest.mark.parametrize("seed", range(4))
def test_pages_and_counts_are_those_of_a_naive_look_at_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever is asked, all pages together are the rows that meet it, in order, and the count is theirs."""
    chance = random.Random(seed)
    times = sorted(BEGAN + chance.choice([chance.uniform(0, 100 * DAY), HOUR * chance.randrange(2000)])
                   for _ in range(90))  # fmt: skip
    rows = [chanced(str(place), chance, at) for place, at in enumerate(times)]

    async def scene(store: SqliteStore) -> None:
        for row in rows:
            await keep(store, row)
        for _ in range(60):
            filters = asked(chance, times)
            order = cast(Order, chance.choice(["newest", "oldest"]))
            met = [row.id for row in rows if meets(filters, row)]
            ids, found = await pages(store, filters, order=order, limit=chance.choice([1, 4, 200]))
            assert ids == (met if order == "oldest" else met[::-1]), filters
            for page in found:
                assert page.total in (None, len(met)), filters
                assert page.total is not None or page.at_most is None or page.at_most >= len(met), filters
                assert page.looked <= 25 + len(rows) * (filters.id is not None or filters.state == "reserved")
        newest = {row.key: row.opened_at for row in rows}
        assert await store.requests.latest([*newest, "nobody"]) == newest

    with small(monkeypatch):
        play(tmp_path, scene)


def test_a_count_is_exact_where_the_sums_know(tmp_path: Path) -> None:
    """By any names, any time and one flag it is a number; by two flags only if all were looked through."""
    chance = random.Random(3)
    rows = [chanced(str(place), chance, BEGAN + place * 977.0) for place in range(60)]

    async def scene(store: SqliteStore) -> None:
        for row in rows:
            await keep(store, row)
        for filters in (
            Filters(),
            Filters(key="a", provider="p", since=rows[7].opened_at, until=rows[50].opened_at),
            Filters(model="m", cached=False),
            Filters(priced=False, state="failed"),
            Filters(lossy=True, cached=False, min_latency_ms=10.0, asked="m"),
        ):
            page = await store.requests.page(filters, limit=200)
            assert page.total == sum(meets(filters, row) for row in rows), filters
        page = await store.requests.page(Filters(lossy=False, stream=False), limit=1)
        met = sum(meets(Filters(lossy=False, stream=False), row) for row in rows)
        assert page.total is None
        assert page.at_most is not None
        assert met <= page.at_most < len(rows)
        assert (await store.requests.page(Filters(), count=False)).total is None

    play(tmp_path, scene)


def test_a_cursor_holds_while_rows_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there with the first page is told once, though rows come before, between and after."""
    chance = random.Random(9)
    times = [BEGAN + 60.0 * (place // 2) for place in range(30)]  # two of each instant
    rows = [chanced(str(place), chance, at) for place, at in enumerate(times)]
    filters = Filters(min_latency_ms=0.0)

    async def scene(store: SqliteStore) -> None:
        for row in rows:
            await keep(store, row)
        for order in cast(tuple[Order, ...], ("newest", "oldest")):
            told: list[str] = []
            after: str | None = None
            number = 0
            while True:
                page = await store.requests.page(filters, order=order, limit=3, after=after)
                told += [row.id for row in page.rows]
                for _ in range(3):
                    at = chance.choice([*times, times[-1] + chance.uniform(0, 100)])
                    await keep(store, exchange(f"{order}-new-{number}", at))
                    number += 1
                after = page.next
                if after is None or number > 300:
                    break
            was_there = [row.id for row in rows if meets(filters, row)]
            mine = [id_ for id_ in told if "new" not in id_]
            assert mine == (was_there if order == "oldest" else was_there[::-1])
            assert len(told) == len(set(told))

    with small(monkeypatch):
        play(tmp_path, scene)


@pytest.mark.parametrize("order", sorted(SORTED))
def test_the_largest_come_first(tmp_path: Path, order: Order) -> None:
    """By a figure the rows come from the largest on, those that have none last, and there is no next page."""
    chance = random.Random(5)
    rows = [chanced(str(place), chance, BEGAN + place) for place in range(50)]

    async def scene(store: SqliteStore) -> None:
        for row in rows:
            await keep(store, row)
        for filters in (Filters(), Filters(key="b"), Filters(state="reserved"), Filters(id="client-1")):
            page = await store.requests.page(filters, order=order, limit=7)
            met = [figure(order, row) for row in rows if meets(filters, row)]
            best = sorted((value for value in met if value is not None), reverse=True)
            assert [figure(order, row) for row in page.rows] == [*best, *[None] * met.count(None)][:7]
            assert page.next is None
            assert page.total == len(met)

    play(tmp_path, scene)


def test_a_short_page_says_how_far_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not among the rows one page looks through is found by its cursor, and the page says so."""
    rows = [exchange(str(place), BEGAN + place, latency_ms=10.0) for place in range(80)]
    rows[2] = msgspec.structs.replace(rows[2], latency_ms=99.0)

    async def scene(store: SqliteStore) -> None:
        for row in rows:
            await keep(store, row)
        first = await store.requests.page(Filters(min_latency_ms=50.0))
        assert not first.rows
        assert first.next is not None
        assert (first.looked, first.at_most) == (25, 80)
        assert first.looked_since == BEGAN + 80 - 25
        ids, found = await pages(store, Filters(min_latency_ms=50.0))
        assert ids == ["2"]
        assert [page.looked for page in found] == [25, 25, 25, 5]

    with small(monkeypatch):
        play(tmp_path, scene)


def test_what_the_sums_rule_out_is_not_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row of a year ago is found at once, and what nobody has is nowhere looked for."""
    rows = [exchange(str(place), BEGAN + place * DAY / 4) for place in range(400)]
    rows[1] = msgspec.structs.replace(rows[1], provider="rare", meters=Meters(cost_micros=7_000_000))

    async def scene(store: SqliteStore) -> None:
        for row in rows:
            await keep(store, row)
        for filters in (Filters(provider="rare"), Filters(min_cost_micros=1_000_000)):
            page = await store.requests.page(filters)
            assert [row.id for row in page.rows] == ["1"]
            assert page.looked < 10
        nothing = await store.requests.page(Filters(provider="nobody"))
        assert (nothing.rows, nothing.next, nothing.total) == ((), None, 0)
        assert nothing.looked < 10

    with small(monkeypatch):
        play(tmp_path, scene)


def test_what_is_no_cursor_is_refused(tmp_path: Path) -> None:
    """A word that no page gave is refused by name, whatever it is."""
    words = ("?", "x", "bjE6", "bm5hbjow", "b2luZjow", "bjE6LTU", "\u00e9", "b" * 5000)

    async def scene(store: SqliteStore) -> None:
        for order, after in product(ORDERS, words):
            with pytest.raises(Failure) as refused:
                await store.requests.page(Filters(), order=order, after=after)
            assert (refused.value.kind, refused.value.at) == (Kind.INVALID, "after"), (order, after)

    play(tmp_path, scene)


def test_what_is_under_way_is_told_with_its_attempts(tmp_path: Path) -> None:
    """Exchanges under way are told the oldest first, each with its attempts and what is held for it."""

    async def scene(store: SqliteStore) -> None:
        await keep(store, exchange("young", BEGAN + 5, state="reserved", settled_at=None))
        await keep(store, exchange("old", BEGAN, state="reserved", settled_at=None))
        await keep(store, exchange("ended", BEGAN + 1))
        live = await store.requests.live(limit=9)
        assert [(one.row.id, one.held_micros, len(one.attempts)) for one in live.oldest] == [
            ("old", 0, 1),
            ("young", 0, 1),
        ]
        assert live.total == 2

    play(tmp_path, scene)


def test_what_is_under_way_is_counted_however_much_it_is(tmp_path: Path) -> None:
    """Of more than are told the oldest are, with how many there are; a key, team and user has its number."""

    async def scene(store: SqliteStore) -> None:
        for place, (key, team) in enumerate((("a", ""), ("b", "red"), ("a", "red"), ("a", "blue"))):
            whose = {"key": key, "team": team, "user": "=ann' --"}
            await keep(store, exchange(str(place), BEGAN + place, state="reserved", settled_at=None, **whose))
        await keep(store, exchange("ended", BEGAN + 9, key="a", team="red", user="=ann' --"))
        live = await store.requests.live(limit=2)
        assert ([one.row.id for one in live.oldest], live.total) == (["0", "1"], 4)
        asked: tuple[tuple[Whose, str], ...] = (
            ("key", "a"), ("key", "b"), ("key", "nobody"), ("team", "red"), ("user", "=ann' --")
        )  # fmt: skip
        assert [await store.requests.live_of(*one) for one in asked] == [3, 1, 0, 2, 4]

    play(tmp_path, scene)


def test_those_under_way_are_found_by_their_ids(tmp_path: Path) -> None:
    """Of some exchanges those that have not ended, the oldest first, with their attempts, and no others."""

    async def scene(store: SqliteStore) -> None:
        for place in range(4):
            await keep(store, exchange(str(place), BEGAN + place, state="reserved", settled_at=None))
        await keep(store, exchange("ended", BEGAN + 1))
        found = await store.requests.live_among(["3", "ended", "nobody", "1"])
        assert [(one.row.id, one.held_micros, len(one.attempts)) for one in found] == [
            ("1", 0, 1),
            ("3", 0, 1),
        ]
        assert await store.requests.live_among([]) == []

    play(tmp_path, scene)


def test_rows_are_made_beside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands may be found at once: no request waits while they are made of what the database gave."""
    made: list[int] = []

    def seen(make: Callable[[Any], ExchangeRow]) -> Callable[[Any], ExchangeRow]:
        def making(row: Any) -> ExchangeRow:
            made.append(get_ident())
            return make(row)

        return making

    async def scene(store: SqliteStore) -> None:
        await keep(store, exchange("open", BEGAN, state="reserved", settled_at=None))
        await keep(store, exchange("ended", BEGAN + 1))
        monkeypatch.setattr(sqlite_requests, "exchange_of", seen(sqlite_rows.exchange_of))
        monkeypatch.setattr(postgres_rows, "exchange", seen(postgres_rows.exchange))
        await store.requests.page(Filters())
        await store.requests.page(Filters(state="reserved"))
        await store.requests.live(limit=9)
        await store.requests.live_among(["open"])
        assert len(made) >= 5
        assert get_ident() not in made

    play(tmp_path, scene)


def test_what_came_lately_is_found_by_its_spot(tmp_path: Path) -> None:
    """Rows are followed by where they are: in order, the newest where there are too many."""

    async def scene(store: SqliteStore) -> None:
        for place in range(6):
            await keep(store, exchange(str(place), BEGAN + place))
        spots = await store.requests.spots(BEGAN + 1, limit=3)
        assert [spot.opened_at for spot in spots] == [BEGAN + 3, BEGAN + 4, BEGAN + 5]
        assert [found.row.id for found in await store.requests.at(spots[1:])] == ["4", "5"]
        assert await store.requests.at([]) == []

    play(tmp_path, scene)


def test_rates_are_reckoned_from_what_has_ended(tmp_path: Path) -> None:
    """What began since then and has ended is told in figures, the newest first; nothing else is."""

    async def scene(store: SqliteStore) -> None:
        await keep(store, exchange("early", BEGAN - 1))
        await keep(
            store, exchange("a", BEGAN, meters=Meters(input=3, output=4, cost_micros=9), first_event_ms=7.0)
        )
        await keep(store, exchange("b", BEGAN + 1, cached=True))
        await keep(store, exchange("open", BEGAN + 2, state="reserved", settled_at=None))
        await keep(store, exchange("counted", BEGAN + 3, task="count"))
        found = await store.requests.ended(BEGAN, limit=10)
        assert [(one.opened_at, one.tokens, one.cost_micros, one.cached) for one in found] == [
            (BEGAN + 1, 0, None, True),
            (BEGAN, 7, 9, False),
        ]
        assert found[1].first_event_ms == 7.0
        assert len(await store.requests.ended(BEGAN, limit=1)) == 1

    play(tmp_path, scene)


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """After the store is closed every question is UNAVAILABLE."""

    async def scene(store: SqliteStore) -> None:
        await store.close()
        for question in (
            store.requests.page(Filters()),
            store.requests.live(limit=9),
            store.requests.live_among(["x"]),
            store.requests.live_of("key", "a"),
            store.requests.at([]),
        ):
            with pytest.raises(Failure) as refused:
                await question
            assert refused.value.kind is Kind.UNAVAILABLE

    play(tmp_path, scene)
