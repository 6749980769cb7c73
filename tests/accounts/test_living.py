"""Who is alive: by files at once, across machines by a lease that nobody loses to an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dragoman.accounts.ledger import Owner
from dragoman.accounts.living import BEAT_S, LEASE_S, Heart, Locks
from dragoman.core.failure import Failure, Kind


class Machines:
    """What the store knows of all owners, and whether it can be asked."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.heard: dict[str, float] = {}
        self.away = False

    async def beat(self, owner: str) -> None:
        """Write down that an owner is alive."""
        if self.away:
            raise Failure(Kind.UNAVAILABLE, "away")
        self.heard[owner] = self.now

    async def silent(self, owners: Sequence[str], *, lease_s: float) -> list[str]:
        """Return who was not heard of."""
        return [owner for owner in owners if self.heard.get(owner, 0) <= self.now - lease_s]

    def tick(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    """Return a living owner."""
    owner = Owner.claim(tmp_path / "owners")
    yield owner
    owner.release()


async def pass_time(machines: Machines, heart: Heart, seconds: float) -> None:
    """Let time pass, with a beat in each of its steps."""
    for _ in range(int(seconds / BEAT_S)):
        machines.now += BEAT_S
        try:
            await heart.beat()
        except Failure:
            continue


def test_locks_tell_at_once(owner: Owner) -> None:
    """On one machine whoever's file is free, or gone, is dead; a living one need not do anything."""

    async def scene() -> None:
        living = Locks(owner.folder)
        await living.beating()
        assert await living.dead([owner.id, "gone"]) == ["gone"]

    asyncio.run(scene())


def test_a_lease_ends_once_we_were_heard_for_as_long(owner: Owner) -> None:
    """Nobody is dead for a process that has just come; later, who has been silent for a lease is."""
    machines = Machines()
    heart = Heart(machines, owner, tick=machines.tick)

    async def scene() -> None:
        await machines.beat("theirs")
        assert await heart.dead(["theirs", "never"]) == []
        await heart.beat()
        await pass_time(machines, heart, LEASE_S - BEAT_S)
        assert await heart.dead(["theirs", "never"]) == []
        await pass_time(machines, heart, BEAT_S)
        assert await heart.dead(["theirs", "never", owner.id]) == ["theirs", "never"]
        await machines.beat("theirs")
        assert await heart.dead(["theirs"]) == []

    asyncio.run(scene())


def test_an_outage_takes_nobodys_life(owner: Owner) -> None:
    """After the store was away everybody has a lease's time to be heard again, however long it was."""
    machines = Machines()
    heart = Heart(machines, owner, tick=machines.tick)

    async def scene() -> None:
        await machines.beat("theirs")
        await heart.beat()
        machines.away = True
        await pass_time(machines, heart, 10 * LEASE_S)
        machines.away = False
        assert await heart.dead(["theirs"]) == []
        await pass_time(machines, heart, BEAT_S)
        assert await heart.dead(["theirs"]) == []
        await pass_time(machines, heart, LEASE_S)
        assert await heart.dead(["theirs"]) == ["theirs"]

    asyncio.run(scene())


def test_whose_file_was_left_here_is_dead_at_once(owner: Owner) -> None:
    """A crash on our own machine is seen by its file; a file that is held, or elsewhere, says nothing."""
    machines = Machines()
    heart = Heart(machines, owner, tick=machines.tick)
    crashed, sibling = (owner.folder / "crashed.lock", Owner.claim(owner.folder))
    crashed.write_text("")
    assert asyncio.run(heart.dead(["crashed", sibling.id, "elsewhere", owner.id])) == ["crashed"]
    sibling.release()


def test_it_beats_until_it_is_stopped(owner: Owner) -> None:
    """Every few seconds, whether or not the store hears it."""
    machines = Machines()
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        machines.away = len(pauses) == 2
        if len(pauses) == 4:
            raise asyncio.CancelledError

    async def scene() -> None:
        with pytest.raises(asyncio.CancelledError):
            await Heart(machines, owner, tick=machines.tick, pause=pause).beating()

    asyncio.run(scene())
    assert pauses == [BEAT_S] * 4
    assert machines.heard == {owner.id: 1000.0}
