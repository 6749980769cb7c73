"""The ledger's rows: durable before they are acknowledged, and settled exactly once."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters, Part, State
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.rows import ATTEMPT, EXCHANGE

FINAL: tuple[State, ...] = ("settled", "cancelled", "failed", "interrupted")


@asynccontextmanager
async def store(folder: Path, spec: StoreSpec | None = None) -> AsyncIterator[SqliteStore]:
    """Open a store in `folder` and close it again."""
    opened = SqliteStore.open(folder / "dragoman.db", spec)
    try:
        yield opened
    finally:
        await opened.close()


def play(
    folder: Path, scene: Callable[[SqliteStore], Awaitable[None]], spec: StoreSpec | None = None
) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        async with store(folder, spec) as opened:
            await scene(opened)

    asyncio.run(run())


def exchange(name: str = "x", **more: Any) -> ExchangeRow:
    """Return an exchange as it opens."""
    fields: dict[str, Any] = {
        "id": name,
        "request_id": f"req-{name}",
        "owner": "me",
        "key": "key-1",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": True,
        "opened_at": 1000.25,
    }
    return ExchangeRow(**(fields | more))


def attempt(name: str = "x", number: int = 1, **more: Any) -> AttemptRow:
    """Return an attempt as it opens."""
    fields: dict[str, Any] = {"provider": "p", "model": "m", "opened_at": 1000.5, **more}
    return AttemptRow(exchange_id=name, number=number, **fields)


METERS = Meters(input=1, cache_read=2, output=3, reasoning=4, estimated=True, cost_micros=12_345)


def test_every_field_has_its_column(tmp_path: Path) -> None:
    """The tables hold the rows' fields, and what an exchange's claim is; nothing else."""

    async def scene(_: SqliteStore) -> None:
        with closing(sqlite3.connect(tmp_path / "dragoman.db")) as plain:
            claim = ("held_micros", "shares")
            for table, columns in (("exchange", (*EXCHANGE, *claim)), ("attempt", ATTEMPT)):
                found = tuple(row[1] for row in plain.execute(f"pragma table_info({table})"))
                assert sorted(found) == sorted(columns)

    play(tmp_path, scene)


def test_a_request_opens_and_settles(tmp_path: Path) -> None:
    """Rows are there as reserved once opened, and as given once settled."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(exchange(), attempt())
        assert await db.exchanges() == [exchange()]
        assert await db.attempts("x") == [attempt()]
        assert await db.open_owners() == ["me"]
        await db.open_attempt(attempt(number=2))
        ended = exchange(
            state="settled",
            settled_at=1001.5,
            status=200,
            losses=("dropped:seed",),
            attempts=2,
            meters=METERS,
        )
        tries = [
            attempt(state="failed", failure="timeout"),
            attempt(number=2, state="settled", meters=METERS),
        ]
        await db.settle(ended, tries)
        assert await db.exchanges() == [ended]
        assert await db.attempts("x") == tries
        assert await db.open_owners() == []

    play(tmp_path, scene)


def test_a_refusal_is_booked_without_being_opened(tmp_path: Path) -> None:
    """Settling inserts what never was opened."""
    refused = exchange(state="failed", settled_at=2.0, status=404, failure="not_found", attempts=0)

    async def scene(db: SqliteStore) -> None:
        await db.settle(refused, [])
        assert await db.exchanges() == [refused]

    play(tmp_path, scene)


def test_settling_leaves_alone_what_a_request_was(tmp_path: Path) -> None:
    """Key, owner, model and opening time are the opening's, whatever the settling says."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(exchange(), attempt())
        await db.settle(exchange(key="other", owner="you", opened_at=5.0, model="n", state="settled"), [])
        assert await db.exchanges() == [exchange(state="settled")]

    play(tmp_path, scene)


text = st.text(max_size=20)
count = st.integers(0, 2**53)
number = st.none() | st.floats(0, 1e12)
meters = st.builds(
    Meters,
    **dict.fromkeys(Meters.__struct_fields__[:-2], count),
    estimated=st.booleans(),
    cost_micros=st.none() | count,
)
exchanges = st.builds(
    exchange,
    **dict.fromkeys(("name", "request_id", "owner", "key", "model"), text),
    **dict.fromkeys(("provider", "answered_model", "failure", "message", "stop"), st.none() | text),
    **dict.fromkeys(("settled_at", "first_event_ms", "latency_ms"), number),
    stream=st.booleans(),
    opened_at=st.floats(0, 1e12),
    state=st.sampled_from(FINAL),
    status=st.none() | st.integers(100, 599),
    attempts=st.integers(0, 9),
    losses=st.lists(text, max_size=3).map(tuple),
    meters=meters,
)


@settings(max_examples=40)
@given(rows=st.lists(exchanges, min_size=1, max_size=8, unique_by=lambda row: row.id), tried=meters)
def test_what_is_written_is_read_back(rows: list[ExchangeRow], tried: Meters) -> None:
    """Any row comes back equal, to the last digit of a time and the last micro-dollar."""

    async def scene(db: SqliteStore) -> None:
        for row in rows:
            await db.settle(row, [attempt(row.id, state="settled", meters=tried)])
        found = await db.exchanges(limit=len(rows))
        assert sorted(found, key=lambda row: row.id) == sorted(rows, key=lambda row: row.id)
        assert [row.opened_at for row in found] == sorted((row.opened_at for row in rows), reverse=True)
        assert await db.attempts(rows[0].id) == [attempt(rows[0].id, state="settled", meters=tried)]

    with TemporaryDirectory() as folder:
        play(Path(folder), scene)


steps = st.lists(st.sampled_from((*FINAL, "sweep mine", "sweep other")), max_size=6)


@settings(max_examples=40)
@given(opened=st.booleans(), done=steps)
def test_a_state_leaves_reserved_once(opened: bool, done: list[str]) -> None:  # noqa: FBT001  hypothesis names arguments
    """The first end a request meets is the one it keeps, whoever comes later and how often."""

    async def scene(db: SqliteStore) -> None:
        state: str | None = None
        if opened:
            await db.open_exchange(exchange(), attempt())
            state = "reserved"
        for step in done:
            if step == "sweep other":
                assert await db.interrupt(["other"]) == 0
            elif step == "sweep mine":
                assert await db.interrupt(["me", "other"]) == int(state == "reserved")
                state = "interrupted" if state == "reserved" else state
            else:
                await db.settle(
                    exchange(state=step, message=step, status=len(done)), [attempt(state=step, message=step)]
                )
                state = step if state in (None, "reserved") else state
            assert [row.state for row in await db.exchanges()] == ([state] if state else [])
            assert [row.state for row in await db.attempts("x")] == ([state] if state else [])
        messages = [row.message for row in await db.exchanges()]
        messages += [row.message for row in await db.attempts("x")]
        assert {*messages} <= {state, None}

    with TemporaryDirectory() as folder:
        play(Path(folder), scene)


def test_a_sweep_takes_the_dead_ones_rows_only(tmp_path: Path) -> None:
    """Rows of living owners and settled rows stay; attempts go with their exchange."""

    async def scene(db: SqliteStore) -> None:
        for name, owner in (("a", "dead"), ("b", "alive"), ("c", "dead"), ("d", "dead too")):
            await db.open_exchange(exchange(name, owner=owner), attempt(name))
        await db.settle(exchange("c", state="settled"), [attempt("c", state="settled")])
        assert sorted(await db.open_owners()) == ["alive", "dead", "dead too"]
        assert await db.interrupt([]) == 0
        assert await db.interrupt(["dead", "dead too", "unheard of"]) == 2
        states = {row.id: row.state for row in await db.exchanges()}
        assert states == {"a": "interrupted", "b": "reserved", "c": "settled", "d": "interrupted"}
        assert [(await db.attempts(name))[0].state for name in "abcd"] == [states[name] for name in "abcd"]

    play(tmp_path, scene)


def test_what_a_dead_one_asked_by_a_route_counts_for_whom_it_asked_last(tmp_path: Path) -> None:
    """An interrupted exchange is its last attempt's provider and model; no report has its route's name."""

    async def scene(db: SqliteStore) -> None:
        for name in "ab":
            by_route = exchange(name, owner="dead", model="fast", route="fast", provider="p")
            await db.open_exchange(by_route, attempt(name, model="m-1"))
        await db.open_attempt(attempt("b", 2, provider="q", model="n-1"))
        relayed = exchange("c", owner="dead", model="", provider="p")
        await db.open_exchange(relayed, attempt("c", model=""))
        assert await db.interrupt(["dead"]) == 3
        rows = {row.id: (row.provider, row.answered_model, row.attempts) for row in await db.exchanges()}
        assert rows == {"a": ("p", "m-1", 1), "b": ("q", "n-1", 2), "c": ("p", None, 1)}
        told = {cell.name: cell.sums.requests for cell in await db.reports.cells(Part(), by="model")}
        assert told == {"m-1": 1, "n-1": 1, "": 1}
        told = {cell.name: cell.sums.attempts for cell in await db.reports.cells(Part(), by="provider")}
        assert told == {"p": 2, "q": 2}
        assert {(row.model, row.route) for row in await db.exchanges()} == {("fast", "fast"), ("", "")}

    play(tmp_path, scene)


def test_newest_first_and_by_key(tmp_path: Path) -> None:
    """A list of exchanges is cut at its limit, and to one key if asked."""

    async def scene(db: SqliteStore) -> None:
        for place in range(6):
            await db.settle(
                exchange(str(place), key=f"key-{place % 2}", opened_at=float(place), state="settled"), []
            )
        assert [row.id for row in await db.exchanges(limit=3)] == ["5", "4", "3"]
        assert [row.id for row in await db.exchanges(key="key-0")] == ["4", "2", "0"]

    play(tmp_path, scene)


def test_an_identity_is_used_once(tmp_path: Path) -> None:
    """A second exchange of the same id, or attempt of the same number, is a bug and told as one."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(exchange(), attempt())
        for again in (
            db.open_exchange(exchange(), attempt(number=2)),
            db.open_attempt(attempt()),
            db.open_attempt(attempt("never opened")),
        ):
            with pytest.raises(Failure) as caught:
                await again
            assert caught.value.kind is Kind.INTERNAL
        assert await db.attempts("x") == [attempt()]

    play(tmp_path, scene)


def test_bytes_that_are_no_text_do_not_lose_a_row(tmp_path: Path) -> None:
    """What a provider's header may smuggle in is replaced, and the row written."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(exchange(), attempt())
        await db.settle(
            exchange(state="failed", message="a\udcffb", losses=("dropped:\ud800",)),
            [attempt(state="failed", upstream_id="\udcffé\x00")],
        )
        (row,) = await db.exchanges()
        assert (row.message, row.losses) == ("a?b", ("dropped:?",))
        assert (await db.attempts("x"))[0].upstream_id == "?é\x00"

    play(tmp_path, scene)


def test_many_callers_share_commits(tmp_path: Path) -> None:
    """Two hundred requests at once cost far fewer commits than writes."""

    async def scene(db: SqliteStore) -> None:
        async def one(name: str) -> None:
            await db.open_exchange(exchange(name), attempt(name))
            await db.settle(exchange(name, state="settled"), [attempt(name, state="settled")])

        before = db.commits
        await asyncio.gather(*(one(str(place)) for place in range(200)))
        assert db.commits - before < 200
        assert {row.state for row in await db.exchanges(limit=500)} == {"settled"}

    play(tmp_path, scene)


def test_a_cancelled_opening_is_settled_in_order(tmp_path: Path) -> None:
    """A caller that leaves while its row is being opened still settles it: nothing stays reserved."""

    async def scene(db: SqliteStore) -> None:
        async def one(name: str) -> None:
            try:
                await db.open_exchange(exchange(name), attempt(name))
            finally:
                await db.settle(exchange(name, state="cancelled"), [attempt(name, state="cancelled")])

        tasks = [asyncio.ensure_future(one(str(place))) for place in range(50)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        rows = await db.exchanges(limit=100)
        assert [row.state for row in rows] == ["cancelled"] * 50
        assert [(await db.attempts(row.id))[0].state for row in rows] == ["cancelled"] * 50

    play(tmp_path, scene)


def test_closing_finishes_pending_writes(tmp_path: Path) -> None:
    """What was asked for before close is there after it; what is asked for later is refused."""

    async def run() -> None:
        async with store(tmp_path) as db:
            tasks = [
                asyncio.ensure_future(db.settle(exchange(str(place), state="settled"), []))
                for place in range(50)
            ]
            await asyncio.sleep(0)
            await db.close()
            await asyncio.gather(*tasks)
            for late in (db.exchanges(), db.settle(exchange("late"), [])):
                with pytest.raises(Failure) as caught:
                    await late
                assert caught.value.kind is Kind.UNAVAILABLE
        assert not (tmp_path / "dragoman.db-wal").exists()
        async with store(tmp_path) as db:
            assert len(await db.exchanges()) == 50

    asyncio.run(run())


def test_settings_are_kept(tmp_path: Path) -> None:
    """A setting is replaced when asked, and otherwise belongs to whoever wrote it first."""

    async def run() -> None:
        async with store(tmp_path) as one, store(tmp_path) as two:
            assert await one.setting("a") is None
            wrote = await asyncio.gather(
                one.remember("a", "one", replace=False), two.remember("a", "two", replace=False)
            )
            assert sorted(wrote) == [False, True]
            assert await one.setting("a") == await two.setting("a") == ("one" if wrote[0] else "two")
            assert await two.remember("a", "three")
            assert await one.setting("a") == "three"

    asyncio.run(run())


def test_f48_a_full_disk_is_an_outage_that_heals(tmp_path: Path) -> None:
    """With no room for a row nothing is acknowledged, and reports are told; with room the store goes on."""

    async def scene(db: SqliteStore) -> None:
        for place in range(100):
            await db.settle(exchange(f"ended {place}", key=f"k{place}", state="settled"), [])
        connection = db._writer._connection
        (pages,) = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count = {pages}")
        tries = (db.open_exchange(exchange(str(place)), attempt(str(place))) for place in range(200))
        with pytest.raises(Failure) as caught:
            await asyncio.gather(*tries)
        assert caught.value.kind is Kind.UNAVAILABLE
        assert "full" in caught.value.message
        with pytest.raises(Failure):
            await db.reports.post()
        (cell,) = await db.reports.cells(Part())
        assert cell.sums.requests == 100
        booked = len(await db.exchanges(limit=1000))
        connection.execute("pragma max_page_count = 100000")
        assert await db.reports.cells(Part()) == [cell]
        await db.open_exchange(exchange("healed"), attempt("healed"))
        assert len(await db.exchanges(limit=1000)) == booked + 1

    play(tmp_path, scene)


def test_f49_a_locked_database_is_waited_for_and_no_longer(tmp_path: Path) -> None:
    """A write waits its time for another process and then fails; reading goes on meanwhile."""

    async def scene(db: SqliteStore) -> None:
        await db.settle(exchange("a", state="settled"), [])
        with closing(sqlite3.connect(tmp_path / "dragoman.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            with pytest.raises(Failure) as caught:
                await db.open_exchange(exchange(), attempt())
            assert (caught.value.kind, caught.value.http_status) == (Kind.UNAVAILABLE, 503)
            assert len(await db.exchanges()) == 1
            other.execute("rollback")
        await db.open_exchange(exchange(), attempt())

    play(tmp_path, scene, StoreSpec(busy_timeout_s=0.05))


def test_a_waiting_write_does_not_stop_the_loop(tmp_path: Path) -> None:
    """While a write waits for another process, the event loop turns and reads are answered."""

    async def scene(db: SqliteStore) -> None:
        with closing(sqlite3.connect(tmp_path / "dragoman.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            writing = asyncio.ensure_future(db.open_exchange(exchange(), attempt()))
            for _ in range(20):
                assert await db.exchanges() == []
            assert not writing.done()
            other.execute("rollback")
        await writing

    play(tmp_path, scene, StoreSpec(busy_timeout_s=60))


OPEN_FOR_EVER = """
import asyncio, sys
from pathlib import Path
import test_init as t

async def main():
    db = t.SqliteStore.open(Path(sys.argv[1]) / "dragoman.db")
    async def one(lane):
        for place in range(10**9):
            name = f"{sys.argv[2]}-{lane}-{place}"
            await db.open_exchange(t.exchange(name, owner=sys.argv[2]), t.attempt(name))
            print(name, flush=True)
    await asyncio.gather(*(one(lane) for lane in range(8)))

asyncio.run(main())
"""


def writing_process(folder: Path, name: str) -> subprocess.Popen[str]:
    """Start a process that opens exchanges as `name` until killed, printing each once acknowledged."""
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {here!r})\n{OPEN_FOR_EVER}",
            str(folder),
            name,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_f46_kill_9_loses_no_acknowledged_row(tmp_path: Path) -> None:
    """Two processes write to one file and are killed; every row either acknowledged is there."""
    writers = [writing_process(tmp_path, name) for name in ("one", "two")]
    told: list[str] = []
    for process in writers:
        assert process.stdout is not None
        told += [process.stdout.readline().strip() for _ in range(100)]
    for process in writers:
        process.send_signal(signal.SIGKILL)
    for process in writers:
        rest, _ = process.communicate()
        # The last line may be cut short by the kill.
        told += [line for line in rest.split("\n")[:-1] if line]

    async def scene(db: SqliteStore) -> None:
        found = await db.exchanges(limit=10**6)
        assert set(told) <= {row.id for row in found}
        assert {row.state for row in found} == {"reserved"}
        assert sorted(await db.open_owners()) == ["one", "two"]
        assert await db.interrupt(["one", "two"]) == len(found)

    assert len(told) >= 200
    play(tmp_path, scene)
