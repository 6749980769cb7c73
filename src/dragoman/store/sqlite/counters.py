"""Counters in a file that the processes of one machine share.

What is counted is worth a minute or a day, and nothing is owed for it: the file is written without waiting
for the disk (``synchronous = off``), is no part of the ledger, and may be removed while nothing runs. Takes
of the same instant share a transaction (``commit.py``), and what they cost is decided inside it, so that the
processes cannot overtake one another.

Levels are readings of the monotonic clock, which all processes of one boot share. The file says which boot
it belongs to; a later one begins anew, as it does where nobody can say which boot this is. A slot is a lease:
a process that is killed strands nothing.
"""

from __future__ import annotations

import fcntl
import sqlite3
from asyncio import to_thread
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from dragoman.core.failure import Failure, Kind
from dragoman.store.counters import LEASE_S, Slot, Stand, Want, weigh
from dragoman.store.sqlite.commit import Write, Writer

BUSY_S = 2.0
"""Seconds a transaction waits for those of other processes, each of which takes a millisecond or less."""

SWEEP_S = 60.0
"""Seconds after which levels that are whole again are removed."""

LEASE_NS = round(LEASE_S * 1e9)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Linux: "a UUID that is generated once" at boot (random(4), read 2026-11-21)."""

SCHEMA = """
    create table if not exists level (name text primary key, whole_at integer not null) without rowid;
    create table if not exists slot (
        name text not null, holder text not null, until integer not null, primary key (name, holder)
    ) without rowid;
    create index if not exists slot_holder on slot (holder);
    create table if not exists boot (id text not null);
"""

KEEP = "insert into level values (?, ?) on conflict do update set whole_at = excluded.whole_at"
ENTER = "insert into slot values (?, ?, ?) on conflict do update set until = excluded.until"


class SqliteCounters:
    """Counts for one machine, as :class:`~dragoman.store.counters.Counters`.

    Args:
        writing: A connection for the thread that writes.
        folding: One for the thread that folds the log into the file.
        tick: The clock that all processes of a boot share, seconds; asked by another thread.
    """

    def __init__(
        self, writing: sqlite3.Connection, folding: sqlite3.Connection, *, tick: Callable[[], float]
    ) -> None:
        self._writer = Writer(writing, folding)
        self._tick = tick
        self._sweep_at = 0

    @classmethod
    def open(
        cls, path: Path, *, tick: Callable[[], float], boot: str | None = None, busy_s: float = BUSY_S
    ) -> SqliteCounters:
        """Open the file at `path`, made if need be, and made anew if it is damaged. Blocks.

        Args:
            path: The file.
            tick: As of the class.
            boot: Which boot of the machine this is; without it the system is asked.
            busy_s: Seconds a transaction waits for those of other processes.

        Raises:
            Failure: UNAVAILABLE, the file cannot be used.
        """
        boot = boot_id() if boot is None else boot
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            # Who comes second finds the file as the first has made it.
            with path.with_name(f"{path.name}-open").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                try:
                    _make(path, boot, busy_s)
                except sqlite3.DatabaseError as error:
                    if isinstance(error, sqlite3.OperationalError):
                        raise
                    for end in ("", "-wal", "-shm"):
                        path.with_name(path.name + end).unlink(missing_ok=True)
                    _make(path, boot, busy_s)
            return cls(_connect(path, busy_s), _connect(path, busy_s), tick=tick)
        except (sqlite3.Error, OSError) as error:
            raise Failure(
                Kind.UNAVAILABLE,
                f"{path}: limits cannot be counted there ({error})",
                code="store_unavailable",
            ) from error

    async def take(
        self, wants: Sequence[Want], slots: Sequence[Slot] = (), *, holder: str = ""
    ) -> list[Stand]:
        """Take all of it or nothing; return how each stands now, the slots last.

        Raises:
            Failure: UNAVAILABLE, the file cannot be read or written.
        """

        def act(connection: sqlite3.Connection) -> list[Stand]:
            now = self._now(connection)
            stands = weigh(
                wants,
                slots,
                used_ns={want.name: _used(connection, want.name, now) for want in wants},
                inside={slot.name: _inside(connection, slot.name, holder, now) for slot in slots},
            )
            if any(stand.wait_ns for stand in stands):
                return stands
            # Of a name that is wanted twice the last stand holds both.
            taken = [(want, stand) for want, stand in zip(wants, stands, strict=False) if want.units]
            connection.executemany(KEEP, [(want.name, now + stand.used_ns) for want, stand in taken])
            connection.executemany(ENTER, [(slot.name, holder, now + LEASE_NS) for slot in slots])
            return stands

        found: list[Stand] = await self._writer.write(Write(act=act))
        return found

    async def adjust(self, wants: Sequence[Want]) -> None:
        """Give back units, or take more than was asked for, whatever the limit says.

        Raises:
            Failure: UNAVAILABLE, the file cannot be read or written.
        """

        def act(connection: sqlite3.Connection) -> None:
            now = self._now(connection)
            for want in wants:
                used = max(_used(connection, want.name, now) + want.cost_ns, 0)
                connection.execute(KEEP, (want.name, now + used))

        await self._writer.write(Write(act=act))

    async def leave(self, slots: Sequence[Slot], *, holder: str) -> None:
        """Give slots back.

        Raises:
            Failure: UNAVAILABLE, the file cannot be written.
        """
        rows = [(slot.name, holder) for slot in slots]

        def act(connection: sqlite3.Connection) -> None:
            connection.executemany("delete from slot where name = ? and holder = ?", rows)

        await self._writer.write(Write(act=act))

    async def renew(self, holders: Sequence[str]) -> None:
        """Keep the slots of requests that still run.

        Raises:
            Failure: UNAVAILABLE, the file cannot be written.
        """

        def act(connection: sqlite3.Connection) -> None:
            now = self._now(connection)
            rows = [(now + LEASE_NS, holder, now) for holder in holders]
            connection.executemany("update slot set until = ? where holder = ? and until > ?", rows)

        await self._writer.write(Write(act=act))

    async def close(self) -> None:
        """Finish what is queued and close the file. May be called again."""
        await to_thread(self._writer.close)

    def _now(self, connection: sqlite3.Connection) -> int:
        """Return the time, inside the transaction: no other process can be ahead of it there.

        Now and then, what nobody needs any more is removed on the way.
        """
        now = round(self._tick() * 1e9)
        if now >= self._sweep_at:
            self._sweep_at = now + round(SWEEP_S * 1e9)
            connection.execute("delete from level where whole_at <= ?", (now,))
            connection.execute("delete from slot where until <= ?", (now,))
        return now


def boot_id() -> str:
    """Return which boot of the machine this is; "": the system does not say."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _make(path: Path, boot: str, busy_s: float) -> None:
    """Make the tables, and empty them if they are another boot's."""
    with closing(_connect(path, busy_s)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.executescript(f"begin immediate; {SCHEMA} commit;")
        found = connection.execute("select id from boot").fetchone()
        if not boot or found != (boot,):
            connection.executescript(
                "begin immediate; delete from level; delete from slot; delete from boot;"
            )
            connection.execute("insert into boot values (?)", (boot,))
            connection.execute("commit")


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    connection.execute("pragma synchronous = off")
    return connection


def _used(connection: sqlite3.Connection, name: str, now: int) -> int:
    row = connection.execute("select whole_at from level where name = ?", (name,)).fetchone()
    return max(row[0] - now, 0) if row else 0


def _inside(connection: sqlite3.Connection, name: str, holder: str, now: int) -> tuple[int, bool]:
    sql = "select count(*), total(holder = ?) > 0 from slot where name = ? and until > ?"
    count, known = connection.execute(sql, (holder, name, now)).fetchone()
    return count, bool(known)
