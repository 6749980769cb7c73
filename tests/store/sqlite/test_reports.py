"""Sums over exchanges: exactly the rows', whatever happened to these and whichever time is asked for."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.core.usage import COUNTERS
from dragoman.store import AttemptRow, ExchangeRow, Grouping, Meters, Part, State, Sums
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.reports import BLOCK, DAY, HOUR, cover

FINAL: tuple[State, ...] = ("settled", "cancelled", "failed", "interrupted")
MOST = 10**15
BEGAN = 1_795_000_000.0


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


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
    }
    return ExchangeRow(id=name, opened_at=at, **(fields | more))


def attempt(name: str) -> AttemptRow:
    """Return an exchange's first attempt."""
    return AttemptRow(exchange_id=name, number=1, provider="p", model="m", opened_at=BEGAN)


def read(row: ExchangeRow) -> int:
    """Return all tokens a row says were read."""
    meters = row.meters
    return (
        meters.input + meters.cache_read + meters.cache_write + meters.cache_write_long + meters.audio_input
    )


def counted(row: ExchangeRow) -> Sums:
    """Return what one row adds to the sums, reckoned here and not in SQL."""
    meters = row.meters
    whole = row.state == "settled" and not row.cached
    latency = row.latency_ms if whole else None
    first = row.first_event_ms if whole else None
    return Sums(
        requests=1,
        failed=row.state in ("failed", "interrupted"),
        cancelled=row.state == "cancelled",
        cached=row.cached,
        fallback=row.fallback,
        input=read(row),
        output=meters.output + meters.reasoning + meters.audio_output,
        cost_micros=meters.cost_micros or 0,
        unknown_cost=meters.cost_micros is None,
        latency_us=0 if latency is None else round(latency * 1000),
        latencies=latency is not None,
        first_event_us=0 if first is None else round(first * 1000),
        first_events=first is not None,
    )


def group(row: ExchangeRow, by: Grouping | None) -> str | int | None:
    """Return the group a row is in."""
    match by:
        case None:
            return None
        case "model":
            return row.answered_model or (row.model if row.provider else None) or None
        case "answered":
            return row.answered_model or None
        case "provider":
            return row.provider or None
        case "key":
            return row.key
        case "hour" | "day":
            long = HOUR if by == "hour" else DAY
            return int(row.opened_at) // long * long


def reckoned(rows: Iterable[ExchangeRow], part: Part, by: Grouping | None) -> dict[str | int | None, Sums]:
    """Return the sums over rows, one by one."""
    found: dict[str | int | None, Sums] = {}
    for row in rows:
        asked = row.model if row.provider is not None else ""
        meant = (
            row.state != "reserved"
            and row.task != "count"
            and (part.since is None or row.opened_at >= part.since)
            and (part.until is None or row.opened_at < part.until)
            and part.key in (None, row.key)
            and part.model in (None, asked, row.answered_model)
            and part.provider in (None, row.provider)
        )
        if meant:
            name = group(row, by)
            found[name] = found.get(name, Sums()) + counted(row)
    return found


GROUPINGS: tuple[Grouping | None, ...] = (None, "model", "answered", "provider", "key", "day", "hour")


async def check(db: SqliteStore, parts: Sequence[Part]) -> None:
    """Hold that the sums of parts of the ledger are their rows', however grouped."""
    rows = await db.exchanges(limit=100_000)
    for part in parts:
        for by in GROUPINGS:
            assert await db.reports.sums(part, by) == reckoned(rows, part, by)


def ended(row: ExchangeRow, chance: random.Random) -> ExchangeRow:
    """Return how an exchange ended, by chance."""
    refused = chance.random() < 0.1
    cost = chance.choice((None, 0, chance.randrange(10**7)))
    meters: dict[str, Any] = {name: chance.randrange(1000) for name in COUNTERS}
    return msgspec.structs.replace(
        row,
        state="failed" if refused else chance.choice(FINAL),
        provider=None if refused else chance.choice("pq"),
        answered_model=None if refused else chance.choice((row.model, "m", "o", None)),
        first_event_ms=chance.choice((None, chance.random() * 900)),
        latency_ms=chance.choice((None, chance.random() * 9000)),
        cached=chance.random() < 0.2,
        fallback=chance.random() < 0.2,
        meters=Meters(**meters, cost_micros=cost),
    )


def ask(chance: random.Random, times: list[float]) -> Part:
    """Return a part of the ledger, by chance; often from or to a whole hour, or exactly an exchange."""

    def end() -> float | None:
        at = chance.choice(times) + chance.choice((0, 0, 1e-3, chance.uniform(-DAY, DAY)))
        return chance.choice((None, at, at // HOUR * HOUR, at // DAY * DAY, at // BLOCK * BLOCK))

    return Part(
        end(),
        end(),
        chance.choice((None, "a", "b", "nobody")),
        chance.choice((None, None, "m", "n")),
        chance.choice((None, None, "p")),
    )


async def change(db: SqliteStore, sql: str, *values: object) -> None:
    """Change rows as nobody does today: what was booked before is booked otherwise."""

    def act(connection: sqlite3.Connection) -> None:
        connection.execute(sql, values)

    await db._writer.write(Write(act=act))


@pytest.mark.parametrize("seed", range(3))
def test_the_sums_are_the_rows(tmp_path: Path, seed: int) -> None:
    """After thousands of openings, ends, sweeps and repricings every sum is that of the rows, to the unit."""
    chance = random.Random(seed)

    async def scene(db: SqliteStore) -> None:
        times: list[float] = []
        for step in range(900):
            at = BEGAN + chance.choice((chance.uniform(0, 3 * HOUR), chance.uniform(0, 80 * DAY)))
            times.append(at)
            row = exchange(
                str(step),
                at,
                state="reserved",
                key=chance.choice("abc"),
                model=chance.choice("mno"),
                task=chance.choice(("generate", "embed", "relay", "count")),
                owner=chance.choice(("me", "dead")),
                answered_model=None,
            )
            if chance.random() < 0.7:
                await db.open_exchange(row, attempt(row.id))
            if chance.random() < 0.8:
                await db.settle(ended(row, chance), [])
            for again in chance.sample(range(step + 1), min(step, 2)):
                if chance.random() < 0.2 and again != step:
                    await change(
                        db,
                        "update exchange set cost_micros = ? where id = ?",
                        chance.choice((None, 7)),
                        str(again),
                    )
            if chance.random() < 0.01:
                await db.interrupt(["dead"])
        await db.settle(exchange("0", state="cancelled", fallback=True), [])
        await change(
            db, "update exchange set cost_micros = 2 * cost_micros, input = input + 1 where key = 'a'"
        )
        await check(db, [Part(), *(ask(chance, times) for _ in range(40))])

    play(tmp_path, scene)


steps = st.lists(
    st.tuples(
        st.sampled_from(("open", *FINAL, "reprice", "move", "interrupt")),
        st.integers(0, 3),
        st.integers(0, 10**6) | st.none(),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(done=steps)
def test_any_order_of_events_keeps_them_equal(done: list[tuple[str, int, int | None]]) -> None:
    """Opening, settling, repricing, even moving a row in time: in any order the sums stay the rows'."""

    async def scene(db: SqliteStore) -> None:
        for what, place, cost in done:
            row = exchange(
                str(place),
                BEGAN + place * HOUR,
                key="ab"[place % 2],
                meters=Meters(input=place, cost_micros=cost),
            )
            if what == "open" and await db.exchange(row.id) is None:
                await db.open_exchange(msgspec.structs.replace(row, state="reserved"), attempt(row.id))
            elif what in FINAL:
                await db.settle(msgspec.structs.replace(row, state=what), [])
            elif what == "reprice":
                await change(db, "update exchange set cost_micros = ? where id = ?", cost, row.id)
            elif what == "move":
                await change(
                    db, "update exchange set opened_at = opened_at + 90000, key = 'c' where id = ?", row.id
                )
            elif what == "interrupt":
                await db.interrupt(["me"])
        await check(db, [Part(), Part(BEGAN + HOUR, BEGAN + 3 * HOUR + 1, "a")])

    with TemporaryDirectory() as folder:
        play(Path(folder), scene)


@given(
    since=st.floats(0, 1e10),
    long=st.floats(0, 400 * DAY),
    longest=st.sampled_from((HOUR, DAY, BLOCK)),
    whole=st.booleans(),
)
def test_a_time_is_covered_once(since: float, long: float, longest: int, whole: bool) -> None:  # noqa: FBT001  hypothesis names arguments
    """The pieces follow one another from end to end, of whole spans; rows are only within an hour of it."""
    if whole:
        since = since // HOUR * HOUR
    until = since + long
    pieces = list(cover(since, until, longest))
    ends = [since, *(piece.hi for piece in pieces)]
    assert [piece.lo for piece in pieces] == ends[:-1]
    assert ends[-1] == until or not pieces
    for piece in pieces:
        assert piece.lo < piece.hi
        assert piece.span <= longest
        if piece.span:
            assert (piece.lo % piece.span, piece.hi % piece.span) == (0, 0)
        else:
            assert piece.hi - piece.lo < 2 * HOUR
    spans = [piece.span for piece in pieces]
    top = spans.index(max(spans)) if spans else 0
    assert spans == sorted(spans[: top + 1]) + sorted(spans[top + 1 :], reverse=True)
    assert [span for span in spans if span == 0][2:] == []


def test_a_long_time_is_read_from_few_sums(tmp_path: Path) -> None:
    """Rows that vanish from the ledger stay counted, but for those of an hour that is asked for in part."""

    async def scene(db: SqliteStore) -> None:
        for place in range(100):
            await db.settle(exchange(str(place), BEGAN // DAY * DAY + place * 600), [])
        await change(db, "delete from exchange")
        begin = BEGAN // DAY * DAY
        assert (await db.reports.sums(Part()))[None].requests == 100
        assert (await db.reports.sums(Part(begin, begin + 2 * HOUR)))[None].requests == 12
        assert (await db.reports.sums(Part(begin + 1, begin + 2 * HOUR)))[None].requests == 6

    play(tmp_path, scene)


def test_ends_are_exact_to_the_instant(tmp_path: Path) -> None:
    """The beginning is part of a time and its end is not, within an hour as at its edge."""

    async def scene(db: SqliteStore) -> None:
        hour = BEGAN // HOUR * HOUR
        for place, at in enumerate((hour, hour + 0.5, hour + HOUR - 0.001, hour + HOUR)):
            await db.settle(exchange(str(place), at), [])

        async def found(since: float, until: float) -> int:
            sums = await db.reports.sums(Part(since, until))
            return sums[None].requests if sums else 0

        assert await found(hour, hour + HOUR) == 3
        assert await found(hour, hour) == 0
        assert await found(hour + 0.5, hour + HOUR) == 2
        assert await found(hour + 0.501, hour + HOUR + 0.001) == 2
        assert await found(hour + 1, hour) == 0
        assert await found(0, 1e12) == 4

    play(tmp_path, scene)


def test_what_is_open_and_what_was_only_counted_does_not_count(tmp_path: Path) -> None:
    """Neither an exchange under way nor one that had tokens counted is in any sum."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(exchange("x", state="reserved"), attempt("x"))
        await db.settle(exchange("y", task="count"), [])
        assert await db.reports.sums(Part()) == {}
        assert await db.reports.sums(Part(BEGAN - 1, BEGAN + 1), "model") == {}

    play(tmp_path, scene)


def test_a_word_that_nobody_was_asked_for_makes_no_group(tmp_path: Path) -> None:
    """Names that were refused do not fill the sums, however many there are."""

    async def scene(db: SqliteStore) -> None:
        for place in range(50):
            refused = exchange(
                str(place), model=f"typo-{place}", provider=None, answered_model=None, state="failed"
            )
            await db.settle(refused, [])
        assert await db.reports.sums(Part(), "model") == {None: Sums(requests=50, failed=50, unknown_cost=50)}
        assert len(await db._read("select 1 from usage")) == 6

    play(tmp_path, scene)


def test_a_providers_nonsense_breaks_no_sum(tmp_path: Path) -> None:
    """A figure out of all range counts as a lot; rows after it are booked, and summed, as ever."""
    absurd = Meters(input=2**63 - 1, cache_read=2**63 - 1, output=2**63 - 1, cost_micros=2**63 - 1)

    async def scene(db: SqliteStore) -> None:
        for place in range(20):
            await db.settle(exchange(str(place), BEGAN + place, meters=absurd), [])
        for part in (Part(), Part(BEGAN + 0.5, BEGAN + 15.5)):
            (sums,) = (await db.reports.sums(part)).values()
            assert MOST <= sums.input <= 20 * MOST
            assert MOST <= sums.cost_micros <= 20 * MOST
        await db.settle(exchange("z", BEGAN + DAY, meters=Meters(input=1, cost_micros=1)), [])
        day = int(BEGAN + DAY) // DAY * DAY
        assert (await db.reports.sums(Part(), "day"))[day].input == 1

    play(tmp_path, scene)


def test_the_first_exchange_is_found(tmp_path: Path) -> None:
    """A key's first exchange, and the first of all, or nothing."""

    async def scene(db: SqliteStore) -> None:
        assert await db.reports.first(None) is None
        for place, key in enumerate("bba"):
            await db.settle(exchange(str(place), BEGAN + place, key=key), [])
        assert await db.reports.first(None) == BEGAN
        assert await db.reports.first("a") == BEGAN + 2
        assert await db.reports.first("nobody") is None

    play(tmp_path, scene)


def test_a_ledger_that_was_there_is_summed_up(tmp_path: Path) -> None:
    """Rows of a ledger older than the sums are in them once it is opened."""
    scripts = sorted(
        (file for file in (resources.files("dragoman.store.sqlite") / "migrations").iterdir()),
        key=lambda file: file.name,
    )
    rows = [exchange(str(place), BEGAN + place * DAY, key="ab"[place % 2]) for place in range(40)]

    async def fill(db: SqliteStore) -> None:
        for row in rows:
            await db.settle(row, [])

    async def scene(db: SqliteStore) -> None:
        await check(db, [Part(), Part(BEGAN + 0.5, key="a")])

    old = tmp_path / "old"
    old.mkdir()
    with closing(sqlite3.connect(old / "dragoman.db")) as plain:
        for script in scripts[:4]:
            plain.executescript(script.read_text("utf-8"))
        plain.execute("pragma user_version = 4")
        play(tmp_path, fill)
        plain.execute("attach ? as new", (str(tmp_path / "dragoman.db"),))
        columns = ", ".join(row[1] for row in plain.execute("pragma main.table_info(exchange)"))
        plain.execute(f"insert into main.exchange ({columns}) select {columns} from new.exchange")
        plain.commit()
    play(old, scene)


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """A report of a store that is closed is a 503, no crash."""

    async def scene(db: SqliteStore) -> None:
        await db.close()
        with pytest.raises(Failure) as caught:
            await db.reports.sums(Part())
        assert caught.value.kind is Kind.UNAVAILABLE

    play(tmp_path, scene)


def test_a_database_that_cannot_answer_is_unavailable(tmp_path: Path) -> None:
    """An error of the database is told as the store's, and the next report is made."""

    async def scene(db: SqliteStore) -> None:
        db._reporting.execute("pragma query_only = off")
        db._reporting.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
        with pytest.raises(Failure) as caught:
            await db.reports.first(None)
        assert caught.value.kind is Kind.UNAVAILABLE
        db._reporting.set_authorizer(None)
        assert await db.reports.first(None) is None

    play(tmp_path, scene)
