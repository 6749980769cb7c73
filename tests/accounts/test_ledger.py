"""The ledger: rows that outlive their process, and whose they are."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from dragoman.accounts.ledger import CATCH_UP_S, Ledger, Owner
from dragoman.core.failure import Failure
from dragoman.store import AttemptRow, ExchangeRow
from dragoman.store.budgets import Claim
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite import SqliteStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where owners keep their locks."""
    return tmp_path / "owners"


@pytest.fixture
def owner(folder: Path) -> Iterator[Owner]:
    """Return a living owner."""
    owner = Owner.claim(folder)
    yield owner
    owner.release()


def exchange(name: str, owner: str = "") -> ExchangeRow:
    """Return an exchange as it opens."""
    return ExchangeRow(
        id=name,
        request_id=name,
        owner=owner,
        key="k",
        dialect="d",
        task="generate",
        model="m",
        stream=False,
        opened_at=1.0,
    )


def attempt(name: str, number: int = 1) -> AttemptRow:
    """Return an attempt as it opens."""
    return AttemptRow(exchange_id=name, number=number, provider="p", model="m", opened_at=1.0)


def test_owners_of_one_process_are_alive_apart(folder: Path, owner: Owner) -> None:
    """Two owners of the same process have names of their own, and one's end is not the other's."""
    other = Owner.claim(folder)
    assert owner.id != other.id
    assert Owner.dead(folder, [owner.id, other.id]) == []
    other.release()
    other.release()
    assert Owner.dead(folder, [owner.id, other.id]) == [other.id]
    assert [path.stem for path in folder.iterdir()] == [owner.id]


def test_an_owner_without_a_file_is_dead(folder: Path, owner: Owner) -> None:
    """Whoever is not heard of is gone; a name that leads elsewhere removes nothing there."""
    outside = folder.parent / "precious.lock"
    outside.write_text("keep")
    assert Owner.dead(folder, ["0123456789abcdef", "../precious"]) == ["0123456789abcdef", "../precious"]
    assert outside.read_text() == "keep"
    assert Owner.dead(folder.parent / "nowhere", ["a"]) == ["a"]


def test_a_left_file_is_dead_and_removed(folder: Path, owner: Owner) -> None:
    """A lock file nobody holds is a crashed owner's: it is told and cleared away."""
    (folder / "crashed.lock").write_text("")
    assert Owner.dead(folder, ["crashed", owner.id]) == ["crashed"]
    assert [path.stem for path in folder.iterdir()] == [owner.id]


def test_a_claim_survives_being_taken_for_dead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who looks between the making and the locking of a file does not get a living owner."""
    flock, looks = fcntl.flock, iter([True])

    def watched(descriptor: int, operation: int) -> None:
        if next(looks, False):
            assert Owner.dead(folder, [path.stem for path in folder.iterdir()])
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", watched)
    owner = Owner.claim(folder)
    assert Owner.dead(folder, [owner.id]) == []
    owner.release()


def test_random_names_that_repeat_are_drawn_again(folder: Path) -> None:
    """Two claims never share a name, even if chance gives the same twice."""
    drawn = iter([b"a" * 8, b"a" * 8, b"b" * 8])
    one, two = (Owner.claim(folder, lambda _: next(drawn)) for _ in range(2))
    assert one.id != two.id
    one.release()
    two.release()


CLAIM = """
import sys, time
from pathlib import Path
from dragoman.accounts.ledger import Owner
owner = Owner.claim(Path(sys.argv[1]))
print(owner.id, flush=True)
sys.stdin.read()
"""


def test_f46_a_killed_process_is_known_dead_at_once(folder: Path, owner: Owner) -> None:
    """While it lives nobody sweeps it; from its ``kill -9`` on everybody may."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert Owner.dead(folder, [name, owner.id]) == []
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert Owner.dead(folder, [name, owner.id]) == [name]


def test_the_lock_is_not_inherited(owner: Owner) -> None:
    """A program started by the owner, such as the embedded model, does not keep it alive."""
    assert owner._descriptor is not None
    assert not os.get_inheritable(owner._descriptor)


def test_the_ledger_books_for_its_owner(tmp_path: Path, owner: Owner) -> None:
    """Rows open under the owner's name, attempt by attempt, and end as they are told to."""

    async def run() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        ledger = Ledger(store, owner)
        asked = exchange("x", ledger.owner)
        await ledger.open(asked, attempt("x"))
        await ledger.next(attempt("x", 2))
        assert [(row.owner, row.state) for row in await store.exchanges()] == [(owner.id, "reserved")]
        assert await store.open_owners() == [owner.id]
        tries = [
            replace(attempt("x"), state="failed", settled_at=4.0),
            replace(attempt("x", 2), state="settled", settled_at=5.0),
        ]
        await ledger.settle(replace(asked, state="settled", settled_at=5.0), tries)
        (row,) = await store.exchanges()
        assert (row.state, row.settled_at, row.owner) == ("settled", 5.0, owner.id)
        assert [(row.number, row.settled_at) for row in await store.attempts("x")] == [(1, 4.0), (2, 5.0)]
        await store.close()

    asyncio.run(run())


def test_a_sweep_settles_the_dead_and_spares_the_living(tmp_path: Path, folder: Path, owner: Owner) -> None:
    """Open rows of a crashed sibling become interrupted, those of a living one and our own stay."""

    async def run() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        sibling, crashed = Owner.claim(folder), Owner.claim(folder)
        for one in (owner, sibling, crashed):
            await Ledger(store, one).open(exchange(one.id, one.id), attempt(one.id))
        ledger = Ledger(store, owner)
        assert await ledger.sweep() == 0
        crashed.release()
        assert await ledger.sweep() == 1
        assert await ledger.sweep() == 0
        states = {row.owner: row.state for row in await store.exchanges()}
        assert states == {owner.id: "reserved", sibling.id: "reserved", crashed.id: "interrupted"}
        sibling.release()
        await store.close()

    asyncio.run(run())


def test_what_could_not_be_booked_is_booked_late(tmp_path: Path, owner: Owner) -> None:
    """A store that is locked as a request ends has its row when it is free again, once and as it was."""

    async def scene() -> None:
        path = tmp_path / "dragoman.db"
        store = SqliteStore.open(path, StoreSpec(busy_timeout_s=0))
        ledger = Ledger(store, owner)
        row = exchange("a", owner.id)
        await ledger.open(row, attempt("a"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin immediate")
            ends = [replace(exchange(name, owner.id), state="settled", settled_at=2.0) for name in "ab"]
            for end in ends:
                with pytest.raises(Failure):
                    await ledger.settle(end, [replace(attempt(end.id), state="settled")])
            assert await ledger.catch_up() == 2
            other.execute("rollback")
        assert await ledger.catch_up() == 0
        found = {row.id: (row.state, row.settled_at) for row in await store.exchanges()}
        assert found == {"a": ("settled", 2.0), "b": ("settled", 2.0)}
        await store.close()

    asyncio.run(scene())


def test_an_end_nobody_waits_for_fails_in_silence(tmp_path: Path, owner: Owner) -> None:
    """The client has left and the store is away: that is booked late, and no task is complained of."""
    heard: list[object] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: heard.append(context))
        path = tmp_path / "dragoman.db"
        store = SqliteStore.open(path, StoreSpec(busy_timeout_s=0))
        ledger = Ledger(store, owner)
        end = replace(exchange("a", owner.id), state="cancelled", settled_at=2.0)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin immediate")
            waiting = loop.create_task(ledger.settle(end, []))
            await asyncio.sleep(0)
            waiting.cancel()
            assert await ledger.catch_up() == 1
            other.execute("rollback")
        assert await ledger.catch_up() == 0
        await store.close()

    asyncio.run(scene())
    gc.collect()
    assert heard == []


def test_what_was_not_taken_is_trouble_until_something_is(tmp_path: Path, owner: Owner) -> None:
    """Every write that failed is; a request that is opened ends it, or a proof, which leaves nothing."""

    async def scene() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        ledger, writing = Ledger(store, owner), store._writer._connection
        await ledger.open(exchange("a", owner.id), attempt("a"))
        end = replace(exchange("a", owner.id), state="settled", settled_at=2.0)
        writes: list[Callable[[], Awaitable[object]]] = [
            lambda: ledger.open(exchange("b", owner.id), attempt("b")),
            lambda: ledger.next(attempt("a", 2)),
            lambda: ledger.claim("a", Claim(1, ())),
            lambda: ledger.settle(end, []),
        ]
        for name, refused in enumerate(writes):
            assert await ledger.trouble() is None
            writing.execute("pragma query_only = on")
            with pytest.raises(Failure):
                await refused()
            await ledger.prove()
            assert (trouble := await ledger.trouble()) is not None
            assert trouble.message == "the database is read-only"
            writing.execute("pragma query_only = off")
            assert await ledger.trouble() is not None
            if name % 2:
                await ledger.prove()
                assert await store.setting("alive") == ""
            else:
                await ledger.open(exchange(f"new {name}", owner.id), attempt(f"new {name}"))
        assert await ledger.trouble() is None
        await store.close()

    asyncio.run(scene())


def test_f48_room_for_a_word_proves_nothing(tmp_path: Path, owner: Owner) -> None:
    """A disk without room for a request is no whole one because a page that is there takes a byte."""

    async def scene() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        ledger, writing = Ledger(store, owner), store._writer._connection
        (pages,) = writing.execute("pragma page_count").fetchone()
        writing.execute(f"pragma max_page_count = {pages}")
        tries = (ledger.open(exchange(str(place), owner.id), attempt(str(place))) for place in range(200))
        ends = await asyncio.gather(*tries, return_exceptions=True)  # none is under way after this
        assert any(isinstance(end, Failure) for end in ends)
        assert await store.remember("word", "a")
        await ledger.prove()
        assert (trouble := await ledger.trouble()) is not None
        assert trouble.message == "the disk that holds the database is full"
        writing.execute("pragma max_page_count = 100000")
        await ledger.prove()
        assert await ledger.trouble() is None
        await store.close()

    asyncio.run(scene())


def test_the_late_are_looked_after_until_the_end(tmp_path: Path, owner: Owner) -> None:
    """Between two tries there is a pause; nothing is tried that is not late."""

    async def scene() -> None:
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                raise asyncio.CancelledError

        store = SqliteStore.open(tmp_path / "dragoman.db")
        with pytest.raises(asyncio.CancelledError):
            await Ledger(store, owner, pause=pause).catching_up()
        assert pauses == [CATCH_UP_S] * 3
        await store.close()

    asyncio.run(scene())
