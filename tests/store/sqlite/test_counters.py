"""Counters in one file: the laws, several processes at once, other boots, damage and trouble."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from tests.store.counting import LAWS, Bench, Clock, Law, Step, hourly, named, play, schedules

from dragoman.core.failure import Failure, Kind
from dragoman.store.counters import LEASE_S, Counters, Slot, Want
from dragoman.store.sqlite.counters import SWEEP_S, SqliteCounters, boot_id

WORKER = """
import asyncio, sys, time
from pathlib import Path
from dragoman.store.counters import Slot, Want
from dragoman.store.sqlite.counters import SqliteCounters

async def main():
    counters = SqliteCounters.open(Path(sys.argv[1]), tick=time.monotonic, busy_s=60)
    print("ready", flush=True)
    sys.stdin.readline()
    if sys.argv[2] == "take":
        hour = 3600 * 10**9
        want, other = Want("a", 1, hour // 500, hour), Want("b", 3, hour // 900, hour)
        async def one():
            stands = await counters.take([want, other])
            return not any(stand.wait_ns for stand in stands)
        got = 0
        for _ in range(5):
            got += sum(await asyncio.gather(*(one() for _ in range(60))))
        print(got, flush=True)
    else:
        await counters.take([], [Slot("inside", 1)], holder="killed")
        print("inside", flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


@contextmanager
def opened(
    path: Path, *, tick: Callable[[], float] | None = None, boot: str = "this", busy_s: float = 5
) -> Iterator[Bench]:
    """Open counters, with a clock of their own if they are given none."""
    clock = Clock()
    counters = SqliteCounters.open(path, tick=tick or clock, boot=boot, busy_s=busy_s)
    try:
        yield Bench(counters, clock)
    finally:
        asyncio.run(counters.close())


@contextmanager
def worker(path: Path, what: str) -> Iterator[subprocess.Popen[str]]:
    """Run another process on the file."""
    child = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def said(child: subprocess.Popen[str]) -> str:
    """Read one line."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


def go(child: subprocess.Popen[str]) -> None:
    """Let it begin."""
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


@pytest.mark.parametrize("law", LAWS, ids=named)
def test_laws(law: Law, tmp_path: Path) -> None:
    """Every law of counting holds in a file."""
    with opened(tmp_path / "limits.db") as bench:
        asyncio.run(law(bench))


@settings(max_examples=25)
@given(schedules())
def test_schedules(schedule: Sequence[Step]) -> None:
    """Whatever is taken and given back, and when: it is as the model says, and no window has too much."""
    with TemporaryDirectory() as folder, opened(Path(folder) / "limits.db") as bench:
        asyncio.run(play(bench, schedule))


def test_processes_share_one_limit_exactly(tmp_path: Path) -> None:
    """Four that ask 1200 times at once get what one would have got: all of the tighter limit, and no more."""
    path = tmp_path / "limits.db"
    with ExitStack() as stack:
        children = [stack.enter_context(worker(path, "take")) for _ in range(4)]
        for child in children:
            go(child)
        got = [int(said(child)) for child in children]
    # 900 of b in threes are 300: of the 500 of a, 200 are left.
    assert sum(got) == 300
    with opened(path, tick=time.monotonic, boot=boot_id()) as bench:
        hour = 3600 * 10**9
        [stand] = asyncio.run(bench.counters.take([Want("a", 0, hour // 500, hour)]))
        assert abs(stand.used_ns - hour * 300 // 500) < 120 * 10**9


def test_a_killed_process_strands_nothing(tmp_path: Path) -> None:
    """Its place is taken until the lease ends, and free from then on."""
    path = tmp_path / "limits.db"
    slot = Slot("inside", 1)
    with worker(path, "enter") as child:
        go(child)
        assert said(child) == "inside"
        child.kill()
    with opened(path, tick=time.monotonic, boot=boot_id()) as bench:
        assert not asyncio.run(bench.granted(slots=[slot], holder="next"))
    with opened(path, tick=lambda: time.monotonic() + LEASE_S, boot=boot_id()) as bench:
        assert asyncio.run(bench.granted(slots=[slot], holder="next"))


def test_a_restart_keeps_what_was_used_and_a_boot_does_not(tmp_path: Path) -> None:
    """The clock goes on from one process to the next, but not from boot to boot, nor from an unknown one."""
    path = tmp_path / "limits.db"
    slot = Slot("inside", 1)
    left = []
    for boot in ("one", "one", "two", "", ""):
        with opened(path, boot=boot) as bench:
            left.append(asyncio.run(bench.granted(hourly("a", 10), slots=[slot])))
    assert left == [True, False, True, True, True]


def test_linux_says_which_boot_it_is() -> None:
    """The same one every time."""
    assert boot_id() == boot_id()
    assert len(boot_id()) == 36


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    """Nothing is owed for it: whoever opens it begins with nothing used."""
    path = tmp_path / "limits.db"
    path.write_bytes(b"this is no database" * 1000)
    with opened(path) as bench:
        assert asyncio.run(bench.granted(hourly("a", 10)))


def test_a_file_that_cannot_be_used_says_which(tmp_path: Path) -> None:
    """Whoever starts the gateway reads the path and why."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Failure) as caught, opened(tmp_path / "file" / "limits.db"):
        pass
    assert caught.value.kind is Kind.UNAVAILABLE
    assert "limits.db" in caught.value.message


def test_a_file_that_is_locked_is_trouble_and_no_refusal(tmp_path: Path) -> None:
    """It is UNAVAILABLE for everybody who asks, and over when the lock is."""

    async def run(bench: Bench, other: sqlite3.Connection) -> None:
        other.execute("begin immediate")
        slot = Slot("inside", 1)
        counters = bench.counters
        for asked in (
            counters.take([hourly("a", 1)]),
            counters.adjust([hourly("a", 1)]),
            counters.leave([slot], holder="x"),
            counters.renew(["x"]),
        ):
            with pytest.raises(Failure) as caught:
                await asked
            assert caught.value.kind is Kind.UNAVAILABLE
        other.execute("rollback")
        assert await bench.granted(hourly("a", 10))

    path = tmp_path / "limits.db"
    with opened(path, busy_s=0) as bench, closing(sqlite3.connect(path, isolation_level=None)) as other:
        asyncio.run(run(bench, other))


def test_what_nobody_needs_is_removed(tmp_path: Path) -> None:
    """Now and then levels that are whole and leases that have ended go, and the file does not grow."""
    path = tmp_path / "limits.db"

    async def run(bench: Bench) -> None:
        for number in range(50):
            assert await bench.granted(
                Want(f"n{number}", 1, 10**9, 10**9), slots=[Slot("s", 50)], holder=f"{number}"
            )
        assert await bench.granted(hourly("a", 1))
        bench.pass_s(SWEEP_S)
        assert await bench.granted(hourly("a", 1))

    with opened(path) as bench:
        asyncio.run(run(bench))
        with closing(sqlite3.connect(path)) as plain:
            assert plain.execute("select name from level").fetchall() == [("a",)]
            assert plain.execute("select count(*) from slot").fetchone() == (0,)


def test_who_asks_after_the_end_is_told(tmp_path: Path) -> None:
    """Closed is closed, and may be said twice."""

    async def run(counters: Counters) -> None:
        with pytest.raises(Failure) as caught:
            await counters.take([hourly("a", 1)])
        assert caught.value.kind is Kind.UNAVAILABLE

    with opened(tmp_path / "limits.db") as bench:
        assert isinstance(bench.counters, SqliteCounters)
        asyncio.run(bench.counters.close())
        asyncio.run(run(bench.counters))


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """It holds the names of keys."""
    with opened(tmp_path / "limits.db"):
        assert (tmp_path / "limits.db").stat().st_mode & 0o077 == 0
