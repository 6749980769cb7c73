"""A simulation of the accounts: real ledger, budgets, limits and SQL; made up are clients, time and trouble.

Several processes share one database. A seed decides what clients ask, which write is committed next and in
which company, who is cancelled, when a process dies and who sweeps after it, how clocks jump, and what a
budget is raised to. One schedule is then run again and again, each time with one commit that fails: before it
is written, or after (its callers hear of an error all the same), or with the process that made it. After
every commit the books are checked, and once more when all is over.

Nothing here waits for a thread or a clock, so a seed always runs alike:

    python tests/accounts/simulation.py 1000                 a thousand seeds, each commit failing in each way
    python tests/accounts/simulation.py 17:4:fail_after      one of these runs
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Literal, Self

import msgspec

from dragoman.accounts.budgets import Budgets
from dragoman.accounts.keys import Account
from dragoman.accounts.ledger import Ledger, Owner
from dragoman.accounts.limits import Limits, LimitSpec, Stay
from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters, State
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import BudgetRow, Claim, Share
from dragoman.store.prices import Priced
from dragoman.store.sqlite import SqliteStore, database
from dragoman.store.sqlite.budgets import SqliteBudgets
from dragoman.store.sqlite.commit import Write, Writer
from dragoman.store.sqlite.prices import SqlitePrices
from dragoman.store.sqlite.reports import SqliteReports

Way = Literal["", "fail_before", "fail_after", "die_before", "die_after"]
WAYS: tuple[Way, ...] = ("fail_before", "fail_after", "die_before", "die_after")

MIDNIGHT = 1_700_006_400.0
"""A midnight (UTC) that schedules begin a little before."""

KEYS, MODELS = ("anna", "ben"), ("p/large", "p/small", "q/large")
SPEC = LimitSpec(requests_per_minute=6, burst=3, tokens_per_minute=400, parallel=3)
CAPS: Mapping[str, int] = MappingProxyType({"all": 400, "each": 250, "ever": 700, "model": 300})


class Broken(AssertionError):
    """The books are wrong."""


class Fault(msgspec.Struct, frozen=True):
    """Which commit of a schedule goes wrong, counted from 1, and how; 0: none does."""

    at: int = 0
    way: Way = ""


class Try(msgspec.Struct, frozen=True):
    """One attempt: what is claimed for it, what it costs bit by bit, and whether it fails in the end.

    ``near``: the claim is what fits into its windows just now, and so much more.
    """

    model: str
    claim: int
    near: int | None
    costs: tuple[int, ...]
    fails: bool


class Wish(msgspec.Struct, frozen=True):
    """What one client wants."""

    id: str
    key: str
    tokens: int
    tries: tuple[Try, ...]


class Connection:
    """The one connection of all processes, which breaks at one commit."""

    def __init__(self, connection: sqlite3.Connection, fault: Fault) -> None:
        self.inner = connection
        self.commits = 0
        self.struck = False
        self._fault = fault

    @property
    def in_transaction(self) -> bool:
        """As sqlite3's."""
        return self.inner.in_transaction

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """As sqlite3's, but for the commit that is to break."""
        if sql != "commit":
            return self.inner.execute(sql, values)
        self.commits += 1
        if not self._fault.way or self.commits != self._fault.at:
            return self.inner.execute(sql)
        self.struck = True
        if self._fault.way.endswith("after"):
            self.inner.execute(sql)
        raise sqlite3.OperationalError("disk I/O error")

    def executemany(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        """As sqlite3's."""
        return self.inner.executemany(sql, values)


class Hand(Writer):
    """The store's writer without its thread: a group is committed when the schedule says so."""

    def __init__(self, connection: Connection) -> None:
        self.commits = 0
        self.waiting: deque[Write] = deque()
        self.dead = False
        self._connection = connection  # type: ignore[assignment]
        self._unfolded = -(1 << 60)  # nothing is ever folded

    async def write(self, write: Write) -> Any:
        """Queue a write; a dead process's goes nowhere."""
        if self.dead:
            raise Failure(Kind.UNAVAILABLE, "this process is dead")
        self.waiting.append(write)
        return await write.future

    def commit(self, most: int) -> None:
        """Commit the first few writes in one transaction."""
        group = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        self._commit(group)


class HandStore(SqliteStore):
    """The store with its SQL, and neither threads nor files."""

    def __init__(self, connection: Connection) -> None:
        self.hand = self._writer = Hand(connection)
        self._plain = connection.inner
        self._closed = False
        self._reports = SqliteReports(self.hand.write, self._report)
        self._budgets = SqliteBudgets(self.hand.write, self._read, self._report)
        self._prices = SqlitePrices(self.hand.write, self._read, self._report)

    async def _read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        return self._plain.execute(sql, values).fetchall()

    async def _report(self, act: Callable[[sqlite3.Connection], Any]) -> Any:
        return act(self._plain)


class Process:
    """One process: its store, ledger and limits, and the requests it serves."""

    def __init__(self, sim: Simulation, name: int) -> None:
        self.name = name
        self.dead = False
        self.store = HandStore(sim.connection)
        self.owner = Owner.claim(sim.folder, sim.random.randbytes)
        self.ledger = Ledger(self.store, self.owner, dead=self._dead)
        self.limits = Limits(SPEC, tick=lambda: sim.tick)
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.admitted: dict[str, list[float]] = {key: [] for key in KEYS}
        self.refunds: dict[str, list[float]] = {key: [] for key in KEYS}
        self.inside: dict[str, set[str]] = {key: set() for key in KEYS}

    async def _dead(self, owners: Sequence[str]) -> list[str]:
        return Owner.dead(self.owner.folder, owners)

    def die(self) -> None:
        """Be gone, as by `kill -9`: nothing runs on, and the kernel lets go of the lock."""
        self.dead = self.store.hand.dead = True
        self.store.hand.waiting.clear()
        if self.owner._descriptor is not None:
            os.close(self.owner._descriptor)
            self.owner._descriptor = None


class Simulation:
    """One schedule.

    Args:
        seed: What happens.
        fault: What goes wrong besides.
        plain: An empty database, as :class:`World` makes it.
        folder: For the owners' locks.
    """

    def __init__(self, seed: int, fault: Fault, plain: sqlite3.Connection, folder: Path) -> None:
        self.random = Random(seed)
        self.fault = fault
        self.folder = folder
        self.plain = plain
        self.connection = Connection(plain, fault)
        self.now = MIDNIGHT - self.random.choice((5.0, 40.0, 4000.0))
        self.tick = 1000.0
        self.caps = dict(CAPS)
        self.rows = self._budget_rows()
        self.processes = [Process(self, number) for number in range(2)]
        self.gates: dict[str, asyncio.Future[None]] = {}
        self.opened: set[tuple[str, int]] = set()
        self.truth: dict[str, int] = {}
        self.repriced: set[str] = set()
        self.bases: dict[str, int] = {}
        self.finished: dict[str, Process] = {}
        self.cancels: dict[str, int] = {}
        self.wishes = deque(self._wish(number) for number in range(self.random.randint(4, 8)))

    # What clients want

    def _wish(self, number: int) -> Wish:
        random = self.random
        tries = tuple(
            Try(
                random.choice(MODELS),
                random.choice((5, 40, 90, 160)),
                random.choice((None, None, None, 0, 1, 1, -3)),
                tuple(random.choice((0, 3, 20, 50)) for _ in range(random.randint(0, 4))),
                random.random() < 0.35,
            )
            for _ in range(random.randint(1, 3))
        )
        return Wish(f"x{number}", random.choice(KEYS), random.choice((1, 30, 120)), tries)

    def _budget_rows(self) -> list[BudgetRow]:
        def row(name: str, scope: str, subject: str, period: str) -> BudgetRow:
            fields = {"name": name, "scope": scope, "subject": subject, "period": period}
            return msgspec.convert({**fields, "cap_micros": self.caps[name], "created_at": 1.0}, BudgetRow)

        return [
            row("all", "all", "", "day"),
            row("each", "key", "*", "day"),
            row("ever", "key", "anna", "total"),
            row("model", "model", "*", "week"),
        ]

    async def _request(self, process: Process, wish: Wish) -> None:
        """Be served: what the line of an exchange does with the ledger, its budgets and its limits."""
        account = Account(wish.key, "member")
        stay = process.limits.stay(account, wish.id)
        row = ExchangeRow(
            id=wish.id,
            request_id=wish.id,
            owner=process.ledger.owner,
            key=wish.key,
            dialect="openai_chat",
            task="generate",
            model="public",
            stream=True,
            opened_at=self.now,
            provider="p",
        )
        attempts: list[AttemptRow] = []
        state: State = "failed"
        try:
            await process.limits.enter(stay)
            self._enters(process, wish, stay)
            if await self._attempts(process, wish, stay, row, attempts):
                state = "settled"
        except asyncio.CancelledError:
            state = "cancelled"
            raise
        except Failure:
            state = "failed"
        finally:
            process.inside[wish.key].discard(wish.id)
            ended = [_ended(attempt, state, self.now) for attempt in attempts]
            last = attempts[-1] if attempts else None
            booked = msgspec.structs.replace(
                row,
                state=state,
                settled_at=self.now,
                answered_model=last.model if last else None,
                provider=last.provider if last else None,
                meters=Meters(cost_micros=self.truth.get(wish.id, 0)),
            )
            with suppress(Failure):
                await process.ledger.settle(booked, ended)
            if attempts or not stay.requests:
                await process.limits.settle(stay, wish.tokens if attempts else 0)
            else:
                process.refunds[wish.key].append(self.tick)
                await process.limits.refund(stay)
            if not process.dead:
                self.finished[wish.id] = process

    async def _attempts(
        self, process: Process, wish: Wish, stay: Stay, row: ExchangeRow, attempts: list[AttemptRow]
    ) -> bool:
        """Ask one target after the other; return whether one answered."""
        shares: dict[tuple[str, str], Share] = {}
        budgets = Budgets(lambda: self.rows, lambda: self.now)
        account = Account(wish.key, "member")
        spent = 0
        for number, one in enumerate(wish.tries, 1):
            await self._gate(wish)
            provider, _, model = one.model.partition("/")
            found = budgets.shares(account, ("public", model, one.model))
            shares |= {(share.budget, share.subject): share for share in found}
            await process.limits.reserve(stay, wish.tokens, provider=provider, model=model, asked="public")
            attempt = AttemptRow(
                exchange_id=wish.id, number=number, provider=provider, model=model, opened_at=self.now
            )
            asked = one.claim if one.near is None else await self._room(process, found) - spent + one.near
            claim = Claim(spent + max(asked, 1), tuple(shares.values()))
            attempts.append(attempt)  # whether it was written is not known before the store has said so
            opening = (
                process.ledger.open(row, attempt, claim)
                if number == 1
                else process.ledger.next(attempt, claim)
            )
            if (short := await opening) is not None:
                attempts.pop()
                self._justified(short, claim)
                return False
            self.opened.add((wish.id, number))
            held = claim.micros
            for cost in one.costs:
                await self._gate(wish)
                if spent + cost > held:
                    more = Claim(spent + cost + 10, tuple(shares.values()))
                    if (short := await process.ledger.claim(wish.id, more)) is not None:
                        self._justified(short, more)
                        return True  # cut, with an honest end
                    held = more.micros
                spent += cost
                self.truth[wish.id] = spent
                before = sum(row.meters.cost_micros or 0 for row in attempts[:-1])
                attempts[-1] = msgspec.structs.replace(attempt, meters=Meters(cost_micros=spent - before))
            if not one.fails:
                return True
        return False

    async def _room(self, process: Process, shares: Sequence[Share]) -> int:
        """Return what fits into the tightest window, as far as one can tell before asking."""
        windows = [(share, await process.store.budgets.window(share)) for share in shares]
        return min((share.cap_micros or 0) - one.spent_micros - one.held_micros for share, one in windows)

    async def _gate(self, wish: Wish) -> None:
        """Wait until the schedule lets the request go on."""
        gate = self.gates[wish.id] = asyncio.get_running_loop().create_future()
        await gate

    # What is watched on the way

    def _enters(self, process: Process, wish: Wish, stay: Stay) -> None:
        """Note an admission; so many in any stretch of time, and no more."""
        times = process.admitted[wish.key]
        times.append(self.tick)
        for number, since in enumerate(times):
            given_back = sum(since <= at for at in process.refunds[wish.key])
            most = SPEC.burst + (self.tick - since) * SPEC.requests_per_minute / 60 + given_back
            if len(times) - number > most + 1e-6:
                raise Broken(f"{wish.key} made {len(times) - number} requests in {self.tick - since} s")
        inside = process.inside[wish.key]
        inside.add(wish.id)
        if len(inside) > SPEC.parallel:
            raise Broken(f"{wish.key} has {len(inside)} requests under way")

    def _justified(self, short: Any, claim: Claim) -> None:
        if short.spent_micros + short.held_micros + claim.micros <= (short.share.cap_micros or 0):
            raise Broken(f"refused although it fits: {claim} {short}")

    def check(self) -> None:
        """Compare what windows say with what the rows say.

        A clock that is set back may come to a window nobody has claimed from yet. That counts all that began
        since: more than its own, never less.
        """
        query = """
            select w.budget, w.subject, w.at, w.spent, w.held,
                ifnull(sum(e.cost_micros) filter (where e.state <> 'reserved'), 0),
                ifnull(sum(e.held_micros) filter (where e.state = 'reserved'), 0),
                ifnull(sum(adopted), 0)
            from budget_window w left join (
                select e.*, json_extract(value, '$[0]') as b, json_extract(value, '$[1]') as s,
                    json_extract(value, '$[2]') as a, json_array_length(value) = 4 as adopted
                from exchange e, json_each(e.shares)
            ) e on e.b = w.budget and e.s = w.subject and e.a = w.at
            group by 1, 2, 3
        """
        for budget, subject, at, spent, held, cost, claims, adopted in self.plain.execute(query):
            place = f"{budget}/{subject}/{at}"
            base = self.bases.setdefault(place, spent - cost)
            if base < 0 or (spent - base, held) != (cost, claims):
                raise Broken(
                    f"{place} says spent {spent} from {base} on, held {held}; the rows {cost}, {claims}"
                )
            if spent + held > self.caps[budget] and not (base or adopted):
                raise Broken(f"{place} is over its cap: {spent} + {held} > {self.caps[budget]}")
        if found := self.plain.execute("select * from passed where was <> 'reserved'").fetchall():
            raise Broken(f"ended twice: {found}")
        if found := self.plain.execute(
            "select a.exchange_id, a.number from attempt a join exchange e on e.id = a.exchange_id "
            "where a.state = 'reserved' and e.state <> 'reserved'"
        ).fetchall():
            raise Broken(f"attempts still open of requests that have ended: {found}")

    def check_end(self) -> None:
        """Say what is wrong when all is over: every process idle or dead, and swept after."""
        self.check()
        rows = {
            row[0]: row[1:]
            for row in self.plain.execute(
                "select id, state, cost_micros, held_micros, "
                "(select sum(cost_micros) from attempt where exchange_id = id) from exchange"
            )
        }
        tried = set(self.plain.execute("select exchange_id, number from attempt"))
        if not self.opened <= tried:
            raise Broken(f"lost: {sorted(self.opened - tried)}")
        if lost := {id_ for id_, process in self.finished.items() if not process.dead} - rows.keys():
            raise Broken(f"requests that were served are not booked: {sorted(lost)}")
        for id_, (state, cost, held, tried_cost) in rows.items():
            truth = self.truth.get(id_, 0)
            if cost != (tried_cost or 0):
                raise Broken(f"{id_} is booked at {cost}, its attempts at {tried_cost}")
            if state == "reserved":
                raise Broken(f"{id_} is stranded")
            if state == "interrupted" and (cost != held or cost < truth):
                raise Broken(f"{id_} died holding {held}, had cost {truth}, and is booked at {cost}")
            if state != "interrupted" and cost != truth and not (id_ in self.repriced and cost <= truth):
                raise Broken(f"{id_} has cost {truth} and is booked at {cost}")
        if found := self.plain.execute("select * from budget_window where held <> 0").fetchall():
            raise Broken(f"money is held by nobody: {found}")

    # What happens

    async def run(self) -> int:
        """Play the schedule; return how many commits there were."""
        try:
            await self._prepare()
            for _ in range(self.random.randint(60, 140)):
                await self._step()
            await self._finish()
        finally:
            # Whoever still waits for a commit is told that there will be none.
            for process in self.processes:
                process.store.hand.dead = True
                process.owner.release()
        return self.connection.commits

    async def _prepare(self) -> None:
        """Make the budgets, before anything can go wrong."""
        store, audit = self.processes[0].store, AuditRow(1.0, "anna", "budget.create", "b")
        self.connection.commits = -len(self.rows)
        for row in self.rows:
            making = asyncio.ensure_future(store.budgets.put(row, audit))
            await _idle()
            store.hand.commit(1)
            await making

    async def _step(self) -> None:
        random = self.random
        alive = [process for process in self.processes if not process.dead]
        process = random.choice(alive)
        chance = random.random()
        size = random.choice((1, 1, 2, 5))
        if chance < 0.45:
            self._commit(process, size)
        elif chance < 0.70:
            self._release()
        elif chance < 0.82:
            self._start(process)
        elif chance < 0.86:
            self._cancel(process)
        elif chance < 0.93:
            await self._pass_time()
        elif chance < 0.95:
            await self._beside(process, process.ledger.sweep())
        elif chance < 0.97:
            await self._beside(process, process.ledger.catch_up())
        elif chance < 0.98:
            await self._raise_cap(process)
        elif chance < 0.99:
            await self._reprice(process)
        elif chance < 0.995 and len(self.processes) < 5:
            self._kill(process)
        await _idle()

    def _commit(self, process: Process, most: int) -> None:
        """Commit a few of a process's writes, unless this is where it breaks."""
        if process.dead or not process.store.hand.waiting:
            return
        struck = self.connection.struck
        process.store.hand.commit(most)
        if self.connection.struck and not struck and self.fault.way.startswith("die"):
            self._kill(process)
        self.check()

    def _release(self) -> None:
        """Let one waiting request go on."""
        ready = [
            (id_, gate)
            for process in self.processes
            for id_ in process.tasks
            if not process.dead and (gate := self.gates.get(id_)) is not None and not gate.done()
        ]
        if ready:
            id_, gate = self.random.choice(ready)
            del self.gates[id_]
            gate.set_result(None)

    def _start(self, process: Process) -> None:
        if self.wishes and not process.dead:
            wish = self.wishes.popleft()
            task = asyncio.get_running_loop().create_task(self._request(process, wish))
            process.tasks[wish.id] = task

    def _cancel(self, process: Process) -> None:
        """Have a client leave; now and then the process is told to stop as well."""
        running = [id_ for id_, task in process.tasks.items() if not task.done() and id_.startswith("x")]
        if running:
            id_ = self.random.choice(running)
            self.cancels[id_] = self.cancels.get(id_, 0) + 1
            self.gates.pop(id_, None)
            process.tasks[id_].cancel()

    async def _pass_time(self) -> None:
        seconds = self.random.choice((0.01, 1.0, 4.0, 9.0))
        self.tick += seconds
        self.now += seconds + self.random.choice((0.0,) * 8 + (-3600.0, 3600.0, 86_400.0, -90_000.0))
        for process in self.processes:
            if not process.dead:
                await process.limits._counters.renew(list(process.limits._inside))

    async def _beside(self, process: Process, work: Any) -> None:
        """Have a process do something beside its requests."""
        task = asyncio.ensure_future(work)
        process.tasks[f"work {len(process.tasks)}"] = task
        await _idle()

    async def _raise_cap(self, process: Process) -> None:
        """Give a budget more: everybody knows it at once, and nobody less than what is written."""
        number = self.random.randrange(len(self.rows))
        row = self.rows[number]
        more = msgspec.structs.replace(row, cap_micros=row.cap_micros + self.random.choice((50, 400)))
        self.caps[row.name] = more.cap_micros
        self.rows = [*self.rows[:number], more, *self.rows[number + 1 :]]
        await self._beside(process, process.store.budgets.put(more, AuditRow(1.0, "a", "budget.change", "b")))

    async def _reprice(self, process: Process) -> None:
        """Price an attempt anew, for a little less."""
        rows = self.plain.execute(
            "select exchange_id, number, a.cost_micros from attempt a join exchange e on e.id = exchange_id "
            "where a.cost_micros > 0 and e.state = 'settled' and a.state <> 'reserved' order by 1, 2"
        ).fetchall()
        if rows:
            id_, number, cost = self.random.choice(rows)
            work = process.store.prices.reprice([Priced(id_, number, cost - 1, "operator 1")])
            self.repriced.add(id_)
            await self._beside(process, work)

    def _kill(self, process: Process) -> None:
        """Have a process die, and another one begin."""
        process.die()
        for id_ in process.tasks:
            self.gates.pop(id_, None)
        self.processes.append(Process(self, len(self.processes)))

    async def _finish(self) -> None:
        """Let everybody end, and sweep after the dead."""
        for _ in range(400):
            alive = [process for process in self.processes if not process.dead]
            for process in alive:
                self._start(process)
                self._commit(process, 3)
            self._release()
            await _idle()
            busy = any(not task.done() for process in alive for task in process.tasks.values())
            if not busy and not self.wishes and not any(process.store.hand.waiting for process in alive):
                break
        else:
            raise Broken("it does not come to an end")
        for process in [process for process in self.processes if not process.dead]:
            for work in (process.ledger.catch_up, process.ledger.catch_up, process.ledger.sweep):
                await self._beside(process, work())
                while process.store.hand.waiting:
                    self._commit(process, 3)
                    await _idle()
        if self.connection.struck and any(process.ledger._late for process in self._alive()):
            raise Broken("ends are late though the store answers")
        self._settle_dead_tasks()
        self.check_end()

    def _alive(self) -> list[Process]:
        return [process for process in self.processes if not process.dead]

    def _settle_dead_tasks(self) -> None:
        for process in self.processes:
            for task in process.tasks.values():
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    if isinstance(error, Failure):
                        continue
                    raise error
                task.cancel()


def _ended(attempt: AttemptRow, state: State, at: float) -> AttemptRow:
    """Return an attempt as it is booked in the end; one that never cost anything has cost nothing."""
    cost = attempt.meters.cost_micros or 0
    return msgspec.structs.replace(attempt, state=state, settled_at=at, meters=Meters(cost_micros=cost))


async def _idle() -> None:
    """Let everything happen that can happen without a commit."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    while ready:
        await asyncio.sleep(0)


class World:
    """A database in memory, as the migrations make it, and a folder for locks; empty before each schedule."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.folder = Path(self._folder.name)
        self.plain = sqlite3.connect(":memory:", isolation_level=None, cached_statements=512)
        database._migrate(self.plain, Path("memory"), lambda _: None)
        names = self.plain.execute(
            "select name from sqlite_schema where type = 'table' and name not like 'sqlite%'"
        ).fetchall()
        self._filled = {name: self.plain.execute(f"select * from {name}").fetchall() for (name,) in names}
        self.plain.execute("create temp table passed (id text, was text, state text)")
        self.plain.execute(
            "create temp trigger watched after update of state on main.exchange begin "
            "insert into passed values (new.id, old.state, new.state); end"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.plain.close()
        self._folder.cleanup()

    def empty(self) -> None:
        """Take everything out that a schedule has left."""
        for lock in self.folder.iterdir():
            lock.unlink()
        self.plain.execute("pragma foreign_keys = off")
        for name, rows in {**self._filled, "passed": []}.items():
            self.plain.execute(f"delete from {name}")
            for row in rows:
                self.plain.execute(f"insert into {name} values ({', '.join('?' * len(row))})", row)
        self.plain.execute("pragma foreign_keys = on")


def play(seed: int, fault: Fault, world: World) -> int:
    """Run one schedule; return its commits.

    Raises:
        Broken: The books are wrong; says how to run exactly this again.
    """
    world.empty()

    async def run() -> int:
        return await Simulation(seed, fault, world.plain, world.folder).run()

    try:
        return asyncio.run(run())
    except Exception as error:
        where = f"{seed}:{fault.at}:{fault.way}" if fault.at else f"{seed}:0:"
        again = f"SIMULATION_SEED={where} pytest tests/accounts/test_simulation.py"
        raise Broken(f"{error}\nto see it again: {again}") from error


def play_all(seed: int, world: World) -> int:
    """Run a seed's schedule, and again with each commit failing in each way; return how many runs it was."""
    commits = play(seed, Fault(), world)
    faults = [Fault(at, way) for at in range(1, commits + 1) for way in WAYS]
    for fault in faults:
        play(seed, fault, world)
    return 1 + len(faults)


def parse(text: str) -> tuple[int, Fault]:
    """Return the seed and the fault of ``17:4:fail_after``; of ``17:0:``: without a fault."""
    seed, at, way = text.split(":")
    return int(seed), msgspec.convert({"at": int(at), "way": way}, Fault)


def main(words: Sequence[str]) -> None:
    """Run many seeds, or one."""
    began = time.process_time()
    with World() as world:
        if ":" in words[0]:
            play(*parse(words[0]), world)
            runs = 1
        else:
            runs = sum(play_all(seed, world) for seed in range(int(words[0])))
    took = time.process_time() - began
    sys.stdout.write(f"{runs} schedules in {took:.1f} s: {runs / took * 60:.0f} a minute, none failed\n")


if __name__ == "__main__":
    main(sys.argv[1:])
