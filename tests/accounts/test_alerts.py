"""Alerts: told when a share is spent, once a window, whoever looks and however often."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.alerts import LAST_S, WATCH_S, Alerts
from dragoman.core.failure import Failure
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import Alert, BudgetRow, Claim, Share, Window
from dragoman.store.sqlite import SqliteStore

NOON, DAY = 1_795_262_400.0, 1_795_219_200
"""2026-11-21T12:00:00Z, and when that day begins."""


class Scene:
    """A store, two processes that look at it, their clock, and what they told."""

    def __init__(self, db: SqliteStore, *rows: BudgetRow) -> None:
        self.db = db
        self.now = NOON
        self.rows = rows
        self.told: list[Alert] = []
        self.faults: list[str] = []
        self.looks = 0
        self.watchers = [self.process() for _ in range(2)]
        self.spent = 0

    def process(self) -> Alerts:
        """Return another process that looks."""
        return Alerts(
            lambda: self.rows,
            self.db.budgets,
            self.told.append,
            now=lambda: self.now,
            complain=lambda words, _: self.faults.append(words),
            pause=self.pause,
        )

    async def pause(self, seconds: float) -> None:
        """Let a look be over; the third ends the watch."""
        assert seconds == WATCH_S
        self.looks += 1
        if self.looks == 3:
            raise asyncio.CancelledError

    async def spend(self, micros: int, *shares: Share) -> None:
        """Let a request end that cost so much."""
        self.spent += 1
        row = ExchangeRow(
            id=str(self.spent),
            request_id="r",
            owner="me",
            key="ann",
            dialect="prompt",
            task="generate",
            model="m",
            stream=False,
            opened_at=self.now,
        )
        attempt = AttemptRow(exchange_id=row.id, number=1, provider="p", model="m", opened_at=self.now)
        assert await self.db.open_exchange(row, attempt, Claim(micros, shares)) is None
        ended = msgspec.structs.replace(row, state="settled", meters=Meters(cost_micros=micros))
        await self.db.settle(ended, [])

    async def look(self) -> list[tuple[str, str, int]]:
        """Let every process look at once; return what was told meanwhile."""
        before = len(self.told)
        await asyncio.gather(*(watcher.look() for watcher in self.watchers))
        return [(one.budget, one.subject, one.percent) for one in self.told[before:]]


def row(name: str, **changes: Any) -> BudgetRow:
    """Return a budget of a hundred micro-dollars a day for each key."""
    fields = {"scope": "key", "subject": "*", "cap_micros": 100, "period": "day", "created_at": 0.0}
    return msgspec.convert({"name": name, **fields, **changes}, BudgetRow)


HARD, SOFT = row("hard"), row("soft", hard=False, alerts=[80, 150])
ANN, ANN_SOFT = Share("hard", "key", "ann", DAY, 100), Share("soft", "key", "ann", DAY, None)


def play(folder: Path, act: Callable[[Scene], Awaitable[None]], *rows: BudgetRow) -> None:
    """Run `act` on a scene with budgets."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await act(Scene(db, *rows))
        finally:
            await db.close()

    asyncio.run(run())


def test_each_share_is_told_once_by_one_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However often two processes look, an alert is in the sinks, the log and the store once."""

    async def act(scene: Scene) -> None:
        assert await scene.look() == []
        await scene.spend(49, ANN)
        assert await scene.look() == []
        await scene.spend(1, ANN)
        assert await scene.look() == [("hard", "ann", 50)]
        assert await scene.look() == []
        await scene.spend(50, ANN)
        assert sorted(await scene.look()) == [("hard", "ann", 80), ("hard", "ann", 100)]
        scene.watchers.append(scene.process())
        assert await scene.look() == []
        assert len(await scene.db.budgets.alerts()) == 3

    with caplog.at_level(logging.WARNING, "dragoman"):
        play(tmp_path, act, HARD)
    assert "budget hard (key ann): 50% is spent, $0.00005 of $0.0001" in caplog.messages
    assert len(caplog.messages) == 3


def test_a_soft_budget_tells_also_beyond_its_cap(tmp_path: Path) -> None:
    """It refuses nothing; a share above the whole is told as any other, with all that is known of it."""

    async def act(scene: Scene) -> None:
        await scene.spend(151, ANN_SOFT)
        assert sorted(await scene.look()) == [("soft", "ann", 80), ("soft", "ann", 150)]
        assert scene.told[1] == Alert(
            budget="soft",
            scope="key",
            subject="ann",
            hard=False,
            percent=150,
            spent_micros=151,
            cap_micros=100,
            began_at=DAY,
            ends_at=DAY + 86_400,
            told_at=NOON,
        )

    play(tmp_path, act, SOFT)


def test_every_window_tells_anew(tmp_path: Path) -> None:
    """The next day is another, and what ends just after midnight is told of the day it was asked in."""

    async def act(scene: Scene) -> None:
        await scene.spend(60, ANN)
        assert await scene.look() == [("hard", "ann", 50)]
        await scene.spend(20, ANN)
        scene.now = DAY + 86_400 + LAST_S - 1
        assert await scene.look() == [("hard", "ann", 80)]
        await scene.spend(20, ANN)
        scene.now += 3600
        assert await scene.look() == []
        await scene.spend(50, msgspec.structs.replace(ANN, at=DAY + 86_400))
        assert await scene.look() == [("hard", "ann", 50)]

    play(tmp_path, act, HARD)


def test_old_windows_are_not_read(tmp_path: Path) -> None:
    """Beside a budget for good, which began with the first second, no other day is read again."""

    async def act(scene: Scene) -> None:
        await scene.spend(90, ANN, Share("ever", "all", "", 0, 100))
        await scene.db.budgets.put(scene.rows[1], AuditRow(0.0, "", "", ""))
        asked: list[Collection[int]] = []
        kept = scene.db.budgets.windows

        async def windows(*, at: Collection[int] | None = None) -> list[Window]:
            asked.append(at or ())
            return await kept(at=at)

        scene.db.budgets.windows = windows  # type: ignore[method-assign]
        told = [(name, who, percent) for name, who in (("ever", ""), ("hard", "ann")) for percent in (50, 80)]
        assert sorted(await scene.look()) == told
        assert asked == [{0, DAY}] * 2

    play(tmp_path, act, HARD, row("ever", scope="all", subject="", period="total"))


def test_what_is_held_wakes_nobody(tmp_path: Path) -> None:
    """Only what is spent counts; what is held may come back."""

    async def act(scene: Scene) -> None:
        one = ExchangeRow(
            id="x",
            request_id="r",
            owner="me",
            key="ann",
            dialect="prompt",
            task="generate",
            model="m",
            stream=False,
            opened_at=NOON,
        )
        attempt = AttemptRow(exchange_id="x", number=1, provider="p", model="m", opened_at=NOON)
        await scene.db.open_exchange(one, attempt, Claim(100, (ANN,)))
        assert await scene.look() == []

    play(tmp_path, act, HARD)


def test_a_window_of_another_subject_is_not_the_budgets(tmp_path: Path) -> None:
    """One that was for each key and is for one now tells of that one; nor does a cap of nothing tell."""

    async def act(scene: Scene) -> None:
        await scene.spend(60, ANN, msgspec.structs.replace(ANN, budget="none"))
        scene.rows = (row("hard", subject="bob"), row("none", cap_micros=0), row("quiet", alerts=[]))
        assert await scene.look() == []
        scene.rows = (row("hard", subject="ann"),)
        assert await scene.look() == [("hard", "ann", 50)]

    play(tmp_path, act, HARD)


def test_a_store_that_is_away_is_told_once_and_looked_at_again(tmp_path: Path) -> None:
    """The watch goes on; what was not told is told when the store is back."""

    async def act(scene: Scene) -> None:
        await scene.db.close()
        with pytest.raises(asyncio.CancelledError):
            await scene.watchers[0].watching()
        assert scene.faults == ["budgets cannot be looked at; alerts come when they can"]
        with pytest.raises(Failure):
            await scene.watchers[0].look()

    play(tmp_path, act, HARD)


def test_a_budget_of_a_zone_that_is_unknown_here_silences_no_other(tmp_path: Path) -> None:
    """It is complained of once, until it can be looked at again; the others tell as ever."""

    async def act(scene: Scene) -> None:
        lost = row("lost", zone="Mars/Olympus_Mons")
        scene.rows = (lost, HARD)
        await scene.spend(50, ANN)
        assert await scene.look() == [("hard", "ann", 50)]
        await scene.spend(30, ANN)
        assert await scene.look() == [("hard", "ann", 80)]
        words = "the budget lost cannot be looked at here: it tells no alerts"
        assert scene.faults == [words] * 2  # each process
        scene.rows = (msgspec.structs.replace(lost, zone="UTC"), HARD)
        assert await scene.look() == []
        scene.rows = (lost, HARD)
        assert await scene.look() == []
        assert scene.faults == [words] * 4

    play(tmp_path, act)
