"""Budgets: what is held and spent is always what the rows say, and never more than the cap."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters, State
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import AlertRow, BudgetRow, Claim, Share, Short, Window
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.commit import Write

BEGAN = 1_000_000
"""When the windows of these tests begin."""

TEAM = Share("team", "team", "red", BEGAN, 1000)
MINE = Share("each", "key", "ann", BEGAN, 400)
SOFT = Share("soft", "all", "", BEGAN, None)
MODEL = Share("big", "model", "acme/big", 0, 700)
SHARES = (TEAM, MINE, SOFT, MODEL)
AUDIT = AuditRow(1.0, "command line", "budget.change", "x")


def row(id_: str, *, key: str = "ann", at: float = BEGAN + 5.0, owner: str = "me") -> ExchangeRow:
    """Return an exchange that is open."""
    return ExchangeRow(
        id=id_,
        request_id=id_,
        owner=owner,
        key=key,
        dialect="prompt",
        task="generate",
        model="big",
        stream=False,
        opened_at=at,
        provider="acme",
        team="red",
        user="u",
    )


def attempt(id_: str, number: int = 1) -> AttemptRow:
    """Return an attempt that is open."""
    return AttemptRow(exchange_id=id_, number=number, provider="acme", model="big", opened_at=BEGAN + 5.0)


def ended(exchange: ExchangeRow, cost: int | None, state: State = "settled") -> ExchangeRow:
    """Return an exchange as it ends."""
    return msgspec.structs.replace(
        exchange,
        state=state,
        settled_at=exchange.opened_at + 1,
        answered_model="big-0613",
        meters=Meters(cost_micros=cost),
    )


def claim(micros: int, *shares: Share) -> Claim:
    """Return a claim on some windows."""
    return Claim(micros, shares or SHARES)


def budget(name: str = "team", **changes: object) -> BudgetRow:
    """Return a budget, by default the team's."""
    fields = {"scope": "team", "subject": "red", "cap_micros": 1000, "created_at": 1.0, **changes}
    return msgspec.convert({"name": name, **fields}, BudgetRow)


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


async def standing(db: SqliteStore) -> dict[str, tuple[int, int]]:
    """Return what each budget's only window has spent and holds."""
    return {one.budget: (one.spent_micros, one.held_micros) for one in await db.budgets.windows()}


def check(path: Path, shares: Sequence[Share] = SHARES) -> None:
    """Hold the law: windows say what the rows say, and no hard one is beyond its cap."""
    with closing(sqlite3.connect(path)) as plain:
        for share in shares:
            place = (share.budget, share.subject, share.at)
            found = plain.execute(
                "select spent, held from budget_window where (budget, subject, at) = (?, ?, ?)", place
            ).fetchone()
            if found is None:
                continue
            held, spent = plain.execute(
                """
                select ifnull(sum(iif(state = 'reserved', held_micros, 0)), 0),
                       ifnull(sum(iif(state <> 'reserved', cost_micros, 0)), 0)
                from exchange where exists (
                    select 1 from json_each(shares) where json_extract(value, '$[0]') = ?
                    and json_extract(value, '$[1]') = ? and json_extract(value, '$[2]') = ?)
                """,
                place,
            ).fetchone()
            assert found == (spent, held)
            assert share.cap_micros is None or sum(found) <= share.cap_micros


def test_a_claim_is_held_while_its_request_is_open_and_spent_when_it_ends(tmp_path: Path) -> None:
    """Each of its windows holds it, then has spent what it cost; what was too much is free again."""

    async def scene(db: SqliteStore) -> None:
        one = row("1")
        assert await db.open_exchange(one, attempt("1"), claim(300, TEAM, MINE)) is None
        assert await standing(db) == {"team": (0, 300), "each": (0, 300)}
        assert await db.budgets.open_claims() == [("1", 300)]
        assert await db.claim("1", claim(350, TEAM, MINE)) is None
        assert await standing(db) == {"team": (0, 350), "each": (0, 350)}
        await db.settle(ended(one, 20), [])
        await db.settle(ended(one, 400), [])
        assert await standing(db) == {"team": (20, 0), "each": (20, 0)}
        assert await db.budgets.open_claims() == []

    play(tmp_path, scene)


def test_a_refused_claim_leaves_no_row_and_holds_nothing_anywhere(tmp_path: Path) -> None:
    """Where one of its windows is short, no other holds anything, and the request was never there."""

    async def scene(db: SqliteStore) -> None:
        assert await db.open_exchange(row("1"), attempt("1"), claim(300)) is None
        short = await db.open_exchange(row("2"), attempt("2"), claim(101))
        assert short == Short(MINE, 0, 300)
        assert await db.exchange("2") is None
        assert await db.attempts("2") == []
        assert {held for _, held in (await standing(db)).values()} == {300}
        assert await db.open_exchange(row("3"), attempt("3"), claim(100)) is None

    play(tmp_path, scene)


def test_a_claim_that_may_not_grow_stays_as_it_was(tmp_path: Path) -> None:
    """A refused raise and a refused second attempt change nothing; a smaller claim is always granted."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(row("1"), attempt("1"), claim(300, MINE))
        assert await db.claim("1", claim(401, MINE)) == Short(MINE, 0, 0)
        assert await db.open_attempt(attempt("1", 2), claim(401, MINE)) == Short(MINE, 0, 0)
        assert len(await db.attempts("1")) == 1
        assert await standing(db) == {"each": (0, 300)}
        assert await db.open_attempt(attempt("1", 2), claim(400, MINE)) is None
        assert len(await db.attempts("1")) == 2
        lowered = msgspec.structs.replace(MINE, cap_micros=10)
        assert await db.claim("1", claim(200, lowered)) is None
        assert await db.claim("1", claim(150)) is None
        assert await standing(db) == {"each": (0, 150), "team": (0, 150), "soft": (0, 150), "big": (0, 150)}
        assert await db.claim("1", claim(150, TEAM)) is None
        assert {held for name, (_, held) in (await standing(db)).items() if name != "team"} == {0}

    play(tmp_path, scene)


def test_what_has_ended_holds_nothing(tmp_path: Path) -> None:
    """A claim or an attempt that comes after the end is not taken up; nobody would ever release it."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(row("1"), attempt("1"), claim(300, MINE))
        await db.settle(ended(row("1"), 5), [])
        assert await db.claim("1", claim(100, MINE)) is None
        assert await db.open_attempt(attempt("1", 2), claim(100, MINE)) is None
        assert await standing(db) == {"each": (5, 0)}
        assert [one.number for one in await db.attempts("1")] == [1]

    play(tmp_path, scene)


def test_a_caller_that_leaves_while_it_asks_holds_nothing(tmp_path: Path) -> None:
    """Though its end comes in the same commit, before or after what it asked for: all is released."""

    async def scene(db: SqliteStore) -> None:
        go = Event()
        waiting = asyncio.ensure_future(db._writer.write(Write(act=lambda _: go.wait())))
        opening = asyncio.ensure_future(db.open_exchange(row("1"), attempt("1"), claim(300, MINE)))
        more = asyncio.ensure_future(db.open_attempt(attempt("1", 2), claim(350, MINE)))
        raised = asyncio.ensure_future(db.claim("1", claim(400, MINE)))
        settling = asyncio.ensure_future(db.settle(ended(row("1"), 9, "cancelled"), []))
        await asyncio.sleep(0)
        for asked in (opening, more, raised):
            asked.cancel()
        go.set()
        await waiting
        await settling
        found = await db.exchange("1")
        assert found is not None
        assert found.state == "cancelled"
        assert await standing(db) == {"each": (9, 0)}

    play(tmp_path, scene)


def test_a_name_that_is_no_text_is_a_window_too(tmp_path: Path) -> None:
    """Half a character in a model's name is replaced, and nothing fails for it."""

    async def scene(db: SqliteStore) -> None:
        odd = Share("each", "model", "acme/\ud800", BEGAN, 1000)
        assert await db.open_exchange(row("1"), attempt("1"), claim(300, odd)) is None
        assert await db.claim("1", claim(400, odd)) is None
        assert (await db.budgets.window(odd)).held_micros == 400
        await db.settle(ended(row("1"), 5), [])
        assert await standing(db) == {"each": (5, 0)}

    play(tmp_path, scene)


def test_others_of_a_group_do_not_notice_a_refusal(tmp_path: Path) -> None:
    """Of many that are committed together exactly those that fit are granted, and the rest is written."""

    async def scene(db: SqliteStore) -> None:
        asked = [db.open_exchange(row(str(n)), attempt(str(n)), claim(100, MINE)) for n in range(20)]
        free = [db.open_exchange(row(f"free-{n}"), attempt(f"free-{n}")) for n in range(5)]
        results = await asyncio.gather(*asked, *free)
        assert sum(one is None for one in results[:20]) == 4
        assert results[20:] == [None] * 5
        assert len(await db.exchanges()) == 9
        assert await standing(db) == {"each": (0, 400)}

    play(tmp_path, scene)


def test_a_window_begins_with_what_the_ledger_says(tmp_path: Path) -> None:
    """What ended since it began is spent in it, by scope, whenever the budget was made."""

    async def scene(db: SqliteStore) -> None:
        for name, at, cost in (("0", BEGAN - 1.0, 1), ("1", BEGAN + 5.0, 10)):
            await db.open_exchange(row(name, at=at), attempt(name))
            await db.settle(ended(row(name, at=at), cost), [])
        await db.open_exchange(row("2", key="bob", at=BEGAN + 90_000.0), attempt("2"))
        await db.settle(ended(row("2", key="bob", at=BEGAN + 90_000.0), 100), [])
        await db.settle(ended(row("3"), None), [])
        shares = [
            (SOFT, 110),
            (MINE, 10),
            (TEAM, 110),
            (Share("u", "user", "u", BEGAN, None), 110),
            (Share("v", "user", "", BEGAN, None), 0),
            (MODEL, 111),
            (Share("m", "model", "big", BEGAN, None), 110),
            (Share("n", "model", "small", BEGAN, None), 0),
        ]
        for share, spent in shares:
            assert await db.budgets.window(share) == Window(share.budget, share.subject, share.at, spent, 0)
        assert await db.budgets.windows() == []
        await db.open_exchange(row("4"), attempt("4"), Claim(7, tuple(share for share, _ in shares)))
        assert await standing(db) == {share.budget: (spent, 7) for share, spent in shares}
        assert (await db.budgets.window(MINE)).held_micros == 7

    play(tmp_path, scene)


def test_a_budget_counts_what_ran_before_it_was_made(tmp_path: Path) -> None:
    """Requests it finds under way are counted in it when they end, with or without a claim of their own."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(row("plain"), attempt("plain"))
        await db.open_exchange(row("other"), attempt("other"), claim(50, MINE))
        await db.open_exchange(row("old", at=BEGAN - 1.0), attempt("old"))
        await db.open_exchange(row("new"), attempt("new"), claim(5, TEAM, MODEL))
        assert await standing(db) == {"each": (0, 50), "team": (0, 55), "big": (0, 55)}
        assert await db.claim("other", claim(60, MINE)) is None
        assert await standing(db) == {"each": (0, 60), "team": (0, 65), "big": (0, 65)}
        for name, cost in (("plain", 30), ("other", 20), ("old", 1000), ("new", 4)):
            await db.settle(ended(row(name), cost), [])
        assert await standing(db) == {"each": (50, 0), "team": (54, 0), "big": (1054, 0)}

    play(tmp_path, scene)


def test_a_budget_removed_and_made_again_is_right_at_once(tmp_path: Path) -> None:
    """Its windows are gone with it; a new one of the name says what the ledger and the open claims say."""

    async def scene(db: SqliteStore) -> None:
        await db.budgets.put(budget(), AUDIT)
        await db.open_exchange(row("1"), attempt("1"), claim(300, TEAM))
        await db.open_exchange(row("2"), attempt("2"), claim(100, TEAM))
        assert await db.budgets.remove("team", AUDIT)
        assert not await db.budgets.remove("team", AUDIT)
        assert await db.budgets.windows() == []
        await db.settle(ended(row("1"), 250), [])
        assert await db.open_exchange(row("3"), attempt("3"), claim(651, TEAM)) == Short(TEAM, 250, 100)
        assert await db.open_exchange(row("3"), attempt("3"), claim(650, TEAM)) is None
        await db.settle(ended(row("2"), 1), [])
        await db.settle(ended(row("3"), 2), [])
        assert await standing(db) == {"team": (253, 0)}

    play(tmp_path, scene)


def test_another_calendar_counts_anew_and_another_cap_does_not(tmp_path: Path) -> None:
    """A changed cap leaves the windows; a changed period begins them again from the ledger."""

    async def scene(db: SqliteStore) -> None:
        await db.budgets.put(budget(), AUDIT)
        await db.open_exchange(row("1"), attempt("1"), claim(300, TEAM))
        await db.budgets.put(budget(cap_micros=5, alerts=[10], hard=False), AUDIT)
        assert await standing(db) == {"team": (0, 300)}
        assert await db.budgets.rows() == [budget(cap_micros=5, alerts=[10], hard=False)]
        await db.budgets.put(budget(period="day"), AUDIT)
        assert await standing(db) == {}
        await db.budgets.put(budget("all", period="total", scope="all", subject=""), AUDIT)
        await db.open_exchange(row("2"), attempt("2"), claim(1, Share("all", "all", "", 0, 5000), TEAM))
        assert [one.budget for one in await db.budgets.windows(at=[0])] == ["all"]
        assert [one.name for one in await db.budgets.rows()] == ["all", "team"]

    play(tmp_path, scene)


def test_an_alert_is_told_once(tmp_path: Path) -> None:
    """Whoever writes it down first tells it; the newest is listed first."""

    async def scene(db: SqliteStore) -> None:
        first, second = (
            AlertRow("team", "red", 0, 50, 501, 1000, 1.0),
            AlertRow("team", "red", 0, 80, 801, 1000, 2.0),
        )
        told = await asyncio.gather(*(db.budgets.tell(first) for _ in range(8)))
        assert sum(told) == 1
        assert await db.budgets.tell(second)
        assert await db.budgets.alerts() == [second, first]
        assert await db.budgets.alerts(limit=1) == [second]
        other = AlertRow("other", "", 0, 50, 501, 1000, 3.0)
        assert await db.budgets.tell(other)
        assert await db.budgets.alerts(limit=1, budget="team") == [second]
        assert await db.budgets.alerts(limit=None, since=2.0) == [other, second]

    play(tmp_path, scene)


def test_a_dead_process_is_booked_at_what_it_held(tmp_path: Path) -> None:
    """Its requests cost what they could have cost, as an estimate, all of it in the last attempt's row."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(row("1", owner="dead"), attempt("1"), claim(30, MINE))
        await db.open_attempt(attempt("1", 2), claim(40, MINE))
        await db.open_exchange(row("2", owner="dead"), attempt("2"))
        await db.open_exchange(row("3"), attempt("3"), claim(7, MINE))
        assert await db.interrupt(["dead"]) == 2
        assert await db.interrupt(["dead"]) == 0
        one, two = await db.exchange("1"), await db.exchange("2")
        assert one is not None
        assert two is not None
        assert (one.state, one.meters, two.state, two.meters) == (
            "interrupted",
            Meters(cost_micros=40, estimated=True),
            "interrupted",
            Meters(),
        )
        assert one.settled_at is not None
        attempts = await db.attempts("1")
        assert [(a.state, a.meters.cost_micros, a.meters.estimated) for a in attempts] == [
            ("interrupted", 0, True),
            ("interrupted", 40, True),
        ]
        assert await standing(db) == {"each": (40, 7)}

    play(tmp_path, scene)


def test_a_price_changed_afterwards_changes_what_is_spent(tmp_path: Path) -> None:
    """An exchange that costs another sum than was booked moves its windows by the difference."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(row("1"), attempt("1"), claim(30, MINE))
        await db.settle(ended(row("1"), 20), [])

    play(tmp_path, scene)
    with closing(sqlite3.connect(tmp_path / "dragoman.db")) as plain, plain:
        plain.execute("update exchange set cost_micros = 33 where id = '1'")
    with closing(sqlite3.connect(tmp_path / "dragoman.db")) as plain:
        assert plain.execute("select spent, held from budget_window").fetchall() == [(33, 0)]


def test_a_claim_on_a_store_that_is_closed_is_the_stores_failure(tmp_path: Path) -> None:
    """It is UNAVAILABLE, as every other write: nobody is told that money is short."""

    async def scene(db: SqliteStore) -> None:
        await db.close()
        with pytest.raises(Failure) as caught:
            await db.open_exchange(row("1"), attempt("1"), claim(1))
        assert caught.value.kind is Kind.UNAVAILABLE

    play(tmp_path, scene)


Step = tuple[str, int, int, tuple[int, ...], int]
"""What is done, to which of the exchanges, with how much money, in which windows, by which store."""

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "open", "claim", "next", "settle", "cancel", "die"]),
        st.integers(0, 5),
        st.integers(0, 500),
        st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True).map(tuple),
        st.integers(0, 1),
    ),
    max_size=25,
)


class Walk:
    """A run of steps on two stores of one file, and what must be so after each."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "dragoman.db"
        self.stores = [SqliteStore.open(self.path) for _ in range(2)]
        self.open: dict[int, tuple[int, str, int]] = {}
        self.attempts: dict[str, int] = {}
        self.opened = 0

    async def take(self, step: Step) -> None:
        """Do one step."""
        what, who, micros, places, of = step
        store, asked = self.stores[of], Claim(micros, tuple(SHARES[place] for place in places))
        if what == "open" and who not in self.open:
            id_ = str(self.opened)
            self.opened += 1
            exchange = row(id_, owner=f"store-{of}")
            if await store.open_exchange(exchange, attempt(id_), asked) is None:
                self.open[who] = (micros, id_, of)
                self.attempts[id_] = 1
            return
        if what == "die":
            await self.stores[1 - of].interrupt([f"store-{of}"])
            self.open = {name: one for name, one in self.open.items() if one[2] != of}
            return
        if who not in self.open:
            return
        held, id_, owner = self.open[who]
        if what == "claim" and await store.claim(id_, asked) is None:
            self.open[who] = (micros, id_, owner)
        if what == "next":
            number = self.attempts[id_] + 1
            if await store.open_attempt(attempt(id_, number), asked) is None:
                self.open[who] = (micros, id_, owner)
                self.attempts[id_] = number
        if what in ("settle", "cancel"):
            state: State = "settled" if what == "settle" else "cancelled"
            await store.settle(ended(row(id_), min(held, micros), state), [])
            del self.open[who]

    async def walk(self, steps: list[Step]) -> None:
        """Do every step, and hold the law after each."""
        try:
            await self.take(("open", 0, 0, (0, 1, 2, 3), 0))  # so that all windows are there and adopt nobody
            for step in steps:
                await self.take(step)
                check(self.path)
                claims = {id_: held for held, id_, _ in self.open.values() if held}
                assert dict(await self.stores[0].budgets.open_claims()) == claims
        finally:
            for store in self.stores:
                await store.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_windows_say_what_the_rows_say_at_every_instant(steps: list[Step]) -> None:
    """Whatever two stores of one file do in whatever order, held and spent are exact and within the cap."""
    with TemporaryDirectory() as folder:
        asyncio.run(Walk(Path(folder)).walk(steps))


CROWD = """
import asyncio, sys
from pathlib import Path
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.commit import Write
sys.path.insert(0, {tests!r})
from test_budgets import attempt, claim, ended, row, MINE, TEAM

async def main(name):
    db = SqliteStore.open(Path({path!r}))
    print("ready", flush=True)
    sys.stdin.readline()
    async def one(n):
        id_ = f"{{name}}-{{n}}"
        exchange = row(id_, owner=name)
        if await db.open_exchange(exchange, attempt(id_), claim(10, TEAM)) is None:
            print(id_, flush=True)
            if {settle}:
                await db.settle(ended(exchange, 10), [])
    await asyncio.gather(*(one(n) for n in range(200)))
    await asyncio.sleep({stay})
    await db.close()

asyncio.run(main(sys.argv[1]))
"""


def crowd(path: Path, name: str, *, settle: bool, stay: float) -> subprocess.Popen[str]:
    """Start a process that asks two hundred times for ten of the team's thousand."""
    code = CROWD.format(path=str(path), tests=str(Path(__file__).parent), settle=settle, stay=stay)
    process = subprocess.Popen(
        [sys.executable, "-c", code, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_at_once_are_granted_exactly_the_cap(tmp_path: Path) -> None:
    """Of four hundred that ask at once for a hundredth of it, a hundred get it, exactly."""
    path = tmp_path / "dragoman.db"
    play(tmp_path, lambda _: asyncio.sleep(0))
    crowds = [crowd(path, name, settle=True, stay=0) for name in ("a", "b")]
    granted = 0
    for process in crowds:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in crowds:
        granted += len(process.communicate()[0].split())
        assert process.returncode == 0
    assert granted == 100
    check(path)


def test_kill_9_in_the_middle_strands_nothing(tmp_path: Path) -> None:
    """What a killed process held is booked when it is swept; nothing stays held or is beyond the cap."""
    path = tmp_path / "dragoman.db"
    play(tmp_path, lambda _: asyncio.sleep(0))
    process = crowd(path, "dead", settle=False, stay=600)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        seen = [process.stdout.readline().strip() for _ in range(50)]
        os.kill(process.pid, signal.SIGKILL)
        process.stdin.close()
    check(path)

    async def scene(db: SqliteStore) -> None:
        written = {one.id for one in await db.exchanges(limit=1000)}
        assert set(seen) <= written
        assert await db.interrupt(["dead"]) == len(written)
        assert await standing(db) == {"team": (10 * len(written), 0)}

    play(tmp_path, scene)
    check(path)
