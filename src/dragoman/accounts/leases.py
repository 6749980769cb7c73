"""Money put by: what a process may spend of budgets while it cannot ask the store.

While the store answers, every claim is granted there, and leases are only kept ready: of each hard window
that requests of this process claimed from in the last minute, a small slice. While it does not, claims are
paid from those, here, until they are used up; what a request cost is booked against the lease afterwards
(``store/leases.py``). What is leased counts as held, so nobody else spends it meanwhile.

A lease must not cost anybody a request that there is money for. So it is

    taken        where at most half of the window is spent and held, the slice included
    given back   where more than three quarters are; where somebody was refused for what is leased; when
                 nobody claimed for a minute; when the process stops

which is looked at every second. One of a process that died goes when its machine has carried over what it
kept, at once where that is seen; else ten minutes after the last instant at which it could be drawn from:
without a sign of life to the store that ends, too, with the time of grace. Who ends those has to have been
heard by the store for ten minutes himself: after an outage everybody has that time to come back with what he
spent. What is booked still later finds no lease, and is spent all the same: by so much a window can pass its
cap.

    granted                      what the store says is ours
    - drawn, of open requests    - owed, of ended ones that wait in the spool
    = free                       what may be drawn
"""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress

import msgspec

from dragoman.core.failure import Failure
from dragoman.store.budgets import Claim, Share
from dragoman.store.leases import Leases, Place, Slice, Stand
from dragoman.store.spool import Spool, Spooled

LOOK_S = 1.0
"""Seconds between two looks at the windows that are leased from."""

IDLE_S = 60.0
"""Seconds without a claim after which a lease is given back."""

RENEW_S = 30.0
"""Seconds between two signs that leases are still wanted."""

FAIR_S = 600.0
"""Seconds a dead process's machine has to carry over what was paid from its leases."""

MOST = 1000
"""Windows that are leased from at a time."""

TAKE_PERCENT = 50
"""Percent of a window that may be spent and held with a slice that is taken."""

GIVE_PERCENT = 75
"""Percent spent and held beyond which leases are given back."""


class _Seen(msgspec.Struct, frozen=True):
    """What was claimed from a window last, and when."""

    share: Share
    cap_micros: int
    micros: int
    at: float


class Purse:
    """The leases of one process. Money is drawn without waiting, so two requests never draw the same.

    Args:
        leases: Where they are kept.
        owner: Whose they are.
        spool: Where requests wait that were paid from them.
        percent: Percent of a window's cap that is kept ready.
        grace_s: Seconds for which leases are spent while the store is away.
        tick: Monotonic clock, seconds.
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        leases: Leases,
        owner: str,
        spool: Spool,
        *,
        percent: float,
        grace_s: float,
        tick: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = sleep,
    ) -> None:
        self.kept = leases
        self._owner = owner
        self._spool = spool
        self._percent = percent
        self._drawn_s = grace_s + 2 * RENEW_S
        self._tick = tick
        self._pause = pause
        self._seen: dict[Place, _Seen] = {}
        self._granted: dict[Place, int] = {}
        self._used: dict[Place, int] = {}
        self._drawn: dict[str, Claim] = {}
        self._owed: dict[str, Claim] = {}
        self._unsure: set[Place] = set()
        self._turn = 0
        self._heard: float | None = None
        self._renewed: float | None = None
        self._good: float | None = None

    def note(self, claim: Claim) -> None:
        """Remember that the store granted a claim: more of its kind will come."""
        now = self._tick()
        for share in claim.shares:
            place = _place(share)
            if place not in self._seen and len(self._seen) >= MOST:
                continue
            if share.cap_micros is not None and self._percent:
                self._seen[place] = _Seen(share, share.cap_micros, claim.micros, now)

    def draw(self, exchange_id: str, claim: Claim) -> bool:
        """Let a claim take the place of what a request holds of our leases, if every hard window pays."""
        before = self._drawn.get(exchange_id)
        self._use(before, -1)
        held = {} if before is None else dict.fromkeys(_places(before), before.micros)
        more = [place for place in _places(claim) if claim.micros > held.get(place, 0)]
        if not all(self._pays(place, claim.micros) for place in more):
            self._use(before, 1)
            return False
        self._use(claim, 1)
        self._drawn[exchange_id] = claim
        return True

    def drawn(self, exchange_id: str) -> Claim | None:
        """Return what a request holds; None: it was not paid from leases."""
        return self._drawn.get(exchange_id)

    def free(self, place: Place) -> int:
        """Return the micro-dollars of a window that nobody has drawn."""
        return self._granted.get(place, 0) - self._used.get(place, 0)

    def booked(self, exchange_id: str, cost_micros: int) -> None:
        """Note that what a request cost is in the store: the rest of what it held is free again."""
        self._spent(self._end(exchange_id), cost_micros)

    def owe(self, exchange_id: str, cost_micros: int) -> None:
        """Note that a request has ended, and its end waits in the spool."""
        claim = self._end(exchange_id)
        if claim is not None:
            self._owed[exchange_id] = Claim(cost_micros, claim.shares)
            self._use(self._owed[exchange_id], 1)

    async def charge(self, ended: Sequence[Spooled]) -> None:
        """Book what was paid from leases, whosever they are.

        Raises:
            Failure: UNAVAILABLE; or INTERNAL, and nothing is booked.
        """
        if ended:
            await self.kept.charge(ended)

    async def look(self) -> None:
        """Give back what is too much, take what is missing.

        Raises:
            Failure: UNAVAILABLE; the rest is done at the next look.
        """
        try:
            await self._carried()
            await self._reckon()
            await self._stay()
            await self._tend()
        except Failure:
            self._heard = self._renewed = None
            raise

    async def looking(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._pause(LOOK_S)
            with suppress(Failure):
                await self.look()

    async def release(self, gone: set[str]) -> None:
        """End the leases of owners that died on this machine, where the spool has nothing of theirs any more.

        Those are taken out of `gone`.

        Raises:
            Failure: UNAVAILABLE.
        """
        if gone:
            done = sorted(gone - {owner for owner, _ in await self._spool.waiting(sorted(gone))})
            if done:
                await self.kept.release(done)
                gone.difference_update(done)

    async def leave(self) -> None:
        """Give everything back, but for what waits in the spool to be booked.

        Where the store is away that is left to whoever starts next, and to time.
        """
        self._seen.clear()
        with suppress(Failure):
            await self._carried()
            if self._drawn or self._owed:
                await self._give({place: self.free(place) for place in self._granted})
            else:
                await self.kept.release([self._owner])
                self._granted.clear()

    async def _carried(self) -> None:
        """Forget what is no longer in the spool: it is booked, by us or by a neighbour."""
        if self._owed:
            waiting = {id_ for _, id_ in await self._spool.waiting([self._owner])}
            for id_ in [id_ for id_ in self._owed if id_ not in waiting]:
                claim = self._owed.pop(id_)
                self._use(claim, -1)
                self._spent(claim, claim.micros)

    async def _reckon(self) -> None:
        """Ask what is ours where we cannot know: a change was under way when the store went, say."""
        if not self._unsure or self._drawn or self._owed:
            return
        turn = self._turn
        mine = await self.kept.mine(self._owner)
        if turn == self._turn:
            self._granted = dict(mine)
            self._unsure.clear()

    async def _tend(self) -> None:
        now = self._tick()
        self._seen = {place: one for place, one in self._seen.items() if now - one.at <= IDLE_S}
        self._granted = {
            place: micros for place, micros in self._granted.items() if micros or self._holds(place)
        }
        places = {*self._seen, *self._granted}
        if not places:
            return
        stands = await self.kept.standing(places)
        give, take = {}, []
        for place in places:
            one, stand = self._seen.get(place), stands.get(place)
            if one is None or stand is None or _in_the_way(one, stand):
                give[place] = self.free(place)
            elif (slice_ := self._wants(place, one)) is not None:
                take.append(slice_)
        await self._give(give)
        await self._take(take)

    def _wants(self, place: Place, one: _Seen) -> Slice | None:
        """Return what is missing of a lease; a slice that pays for no request is none."""
        whole = int(one.cap_micros * self._percent / 100)
        granted = self._granted.get(place, 0)
        if place in self._unsure or whole < max(1, one.micros) or granted * 2 > whole:
            return None
        return Slice(one.share, whole - granted, one.cap_micros * TAKE_PERCENT // 100)

    async def _give(self, amounts: dict[Place, int]) -> None:
        amounts = {place: micros for place, micros in amounts.items() if micros > 0}
        if not amounts:
            return
        # Before the store is asked, so that nobody draws it meanwhile.
        self._add(amounts, -1)
        try:
            await self.kept.give(self._owner, amounts)
        except Failure:
            self._unsure |= amounts.keys()
            raise

    async def _take(self, slices: Sequence[Slice]) -> None:
        if not slices:
            return
        try:
            taken = await self.kept.take(self._owner, slices, lasts_s=FAIR_S + self._drawn_s)
        except Failure:
            self._unsure |= {_place(slice_.share) for slice_ in slices}
            raise
        self._add(dict(taken), 1)

    async def _stay(self) -> None:
        """Renew our leases; end those of others that have lasted too long."""
        now = self._tick()
        if self._renewed is not None and now - self._renewed < RENEW_S:
            return
        await self.kept.renew(self._owner, lasts_s=FAIR_S + self._drawn_s)
        self._renewed = self._good = now
        if self._heard is None:
            self._heard = now
        if now - self._heard >= FAIR_S:
            await self.kept.expire()

    def _pays(self, place: Place, micros: int) -> bool:
        """Say whether a window's lease has so much, and is certainly ours still."""
        is_ours = self._good is not None and self._tick() - self._good <= self._drawn_s
        return is_ours and micros <= self.free(place)

    def _end(self, exchange_id: str) -> Claim | None:
        claim = self._drawn.pop(exchange_id, None)
        self._use(claim, -1)
        self._turn += 1
        return claim

    def _spent(self, claim: Claim | None, micros: int) -> None:
        """Take off what the store has taken off our leases; it knows better, so we ask when it is quiet."""
        if claim is not None:
            self._add(dict.fromkeys(_places(claim), micros), -1)
            self._unsure |= set(_places(claim))
            self._turn += 1

    def _use(self, claim: Claim | None, sign: int) -> None:
        for place in () if claim is None else _places(claim):
            self._used[place] = self._used.get(place, 0) + sign * _micros(claim)
            if not self._used[place]:
                del self._used[place]

    def _add(self, amounts: dict[Place, int], sign: int) -> None:
        for place, micros in amounts.items():
            self._granted[place] = self._granted.get(place, 0) + sign * micros

    def _holds(self, place: Place) -> bool:
        return place in self._used or place in self._unsure


def _in_the_way(one: _Seen, stand: Stand) -> bool:
    used = stand.spent_micros + stand.held_micros
    return stand.wanted or used * 100 > one.cap_micros * GIVE_PERCENT


def _micros(claim: Claim | None) -> int:
    return 0 if claim is None else claim.micros


def _places(claim: Claim) -> Iterator[Place]:
    """Yield the windows that refuse; the others count, and nothing has to be put by for them."""
    return (_place(share) for share in claim.shares if share.cap_micros is not None)


def _place(share: Share) -> Place:
    return share.budget, share.subject, share.at
