"""Limits: how much gets through of whom, who is told what, and that nobody gets more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.counting import Clock

from dragoman.accounts.keys import Account
from dragoman.accounts.limits import BUSY_S, DEBT_NS, Limits, LimitSpec, Standing, Stay, Taken
from dragoman.accounts.terms import LimitRules, LimitTerms
from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.store.counters import LEASE_S, RENEW_S, Counters, Slot, Stand, Want
from dragoman.store.memory import COMPLAIN_S, LocalCounters

ALICE = Account("alice")
NS = 1_000_000_000
FAST = LimitRules(models={"fast": LimitTerms(requests_per_minute=1)})


def clock_at(now: float = 1000.0) -> Clock:
    """Return a clock."""
    return Clock(round(now * NS))


def drive(step: Coroutine[Any, Any, object]) -> None:
    """Run what waits for nothing, as counting in memory does."""
    with pytest.raises(StopIteration):
        step.send(None)


def take(limits: Limits, account: Account = ALICE) -> Standing:
    """Ask once; say how the key stands then, or raise what it was refused with."""
    stay = limits.stay(account, "")
    try:
        limits.enter(stay).send(None)
    except StopIteration:
        return limits.standing(stay)
    raise AssertionError


def look(limits: Limits, account: Account = ALICE) -> Standing:
    """Return how a key stands, counting nothing."""
    stay = limits.stay(account, "")
    counted = [(rule, rule.want(0)) for rule in stay.rules if rule.what != "parallel"]
    drive(limits._take(stay, counted, ()))
    return limits.standing(stay)


def admitted(limits: Limits, account: Account = ALICE) -> bool:
    """Ask once."""
    try:
        take(limits, account)
    except Failure:
        return False
    return True


def refusal(limits: Limits, account: Account = ALICE) -> Failure:
    """Ask once, to be refused."""
    with pytest.raises(Failure) as caught:
        take(limits, account)
    return caught.value


def requests(limits: Limits, account: Account = ALICE) -> Taken:
    """Look how a key stands with its requests."""
    taken = look(limits, account).requests
    assert taken is not None
    return taken


def tokens(limits: Limits, account: Account = ALICE) -> Taken:
    """Look how a key stands with its tokens."""
    taken = look(limits, account).tokens
    assert taken is not None
    return taken


class Asking:
    """One request, step by step."""

    def __init__(self, limits: Limits, account: Account = ALICE, id_: str = "r1") -> None:
        self.limits = limits
        self.stay: Stay = limits.stay(account, id_)

    async def enter(self) -> Failure | None:
        """Enter, or be refused."""
        return await self._tried(self.limits.enter(self.stay))

    async def reserve(
        self, tokens: int, provider: str = "acme", model: str = "m1", asked: str = "best"
    ) -> Failure | None:
        """Reserve, or be refused."""
        return await self._tried(
            self.limits.reserve(self.stay, tokens, provider=provider, model=model, asked=asked)
        )

    @staticmethod
    async def _tried(step: Any) -> Failure | None:
        try:
            await step
        except Failure as failure:
            return failure
        return None


def test_a_key_may_use_its_whole_minute_at_once_and_then_evenly() -> None:
    """Sixty a minute: sixty now, the next one a second later, all of them again after a minute of rest."""
    clock = clock_at()
    limits = Limits(LimitSpec(60), tick=clock)
    assert [admitted(limits) for _ in range(61)] == [True] * 60 + [False]
    clock.now_ns += NS
    assert [admitted(limits) for _ in range(2)] == [True, False]
    clock.now_ns += 60 * NS
    assert sum(admitted(limits) for _ in range(100)) == 60


def test_what_is_taken_is_told() -> None:
    """Every request says what is left and when all of it is back."""
    clock = clock_at()
    limits = Limits(LimitSpec(60), tick=clock)
    assert look(limits) == Standing(Taken(60, 60, 0.0))
    assert take(limits) == Standing(Taken(60, 59, 1.0))
    assert take(limits) == Standing(Taken(60, 58, 2.0))
    clock.now_ns += 3 * NS // 2
    assert look(limits) == Standing(Taken(60, 59, 0.5))


def test_a_refusal_says_when_to_come_back() -> None:
    """It is a 429 of the client's own, with OpenAI's code; looking says the same and counts nothing."""
    limits = Limits(LimitSpec(2), tick=clock_at())
    assert admitted(limits)
    assert admitted(limits)
    failure = refusal(limits)
    assert (failure.kind, failure.source, failure.http_status) == (Kind.RATE_LIMITED, Source.CLIENT, 429)
    assert (failure.code, failure.retry) == ("rate_limit_exceeded", Retry.NEVER)
    assert failure.retry_after_s == 30.001
    assert failure.message == "this key is limited to 2 requests a minute; ask again in 30.001 s"
    assert requests(limits) == Taken(2, 0, 60.0, 30.001)


def test_a_smaller_burst_spreads_requests() -> None:
    """With a burst of one they come evenly spaced from the first."""
    clock = clock_at()
    limits = Limits(LimitSpec(60, burst=1), tick=clock)
    assert [admitted(limits) for _ in range(2)] == [True, False]
    clock.now_ns += NS
    assert [admitted(limits) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("account", "allowed"),
    [
        (Account("alice"), 3),
        (Account("local", anonymous=True), 3),
        (Account("bob", limits=LimitTerms(requests_per_minute=5)), 5),
        (Account("carol", limits=LimitTerms(requests_per_minute=0)), 50),
        (Account("dave", limits=LimitTerms(requests_per_minute=0, requests_per_day=7)), 7),
        (Account("eve", team="crm", team_limits=LimitTerms(requests_per_day=2)), 2),
        (Account("fay", user="fay", user_limits=LimitTerms(requests_per_minute=1)), 1),
        (Account("guy", team="crm", user="guy"), 3),
        (Account("admin", "admin"), 50),
        (Account("admin", "admin", limits=LimitTerms(requests_per_minute=1)), 1),
    ],
    ids=[
        "everybody",
        "keyless",
        "own",
        "unlimited",
        "day",
        "team",
        "user",
        "plain",
        "admin",
        "limited-admin",
    ],
)
def test_whose_limit_holds(account: Account, allowed: int) -> None:
    """A key's own limit goes before everybody's, 0 is none, and its team's and user's hold besides."""
    limits = Limits(LimitSpec(3), tick=clock_at())
    assert sum(admitted(limits, account) for _ in range(50)) == allowed


def test_a_team_shares_its_limit_and_keys_have_their_own() -> None:
    """What one key of a team used, the others cannot; a key of another team is not concerned."""
    limits = Limits(LimitSpec(3), tick=clock_at())
    team = LimitTerms(requests_per_minute=4)
    one, two = (Account(name, team="crm", team_limits=team) for name in "ab")
    assert [admitted(limits, one) for _ in range(4)] == [True] * 3 + [False]
    assert [admitted(limits, two) for _ in range(2)] == [True, False]
    assert "this key's team is limited to 4 requests a minute" in refusal(limits, two).message
    assert admitted(limits, Account("c", team="app", team_limits=team))


def test_a_team_and_a_user_of_one_name_are_two() -> None:
    """Names of different kinds do not meet."""
    limits = Limits(LimitSpec(), tick=clock_at())
    one = LimitTerms(requests_per_minute=1)
    assert admitted(limits, Account("x", limits=one))
    assert admitted(limits, Account("y", team="x", team_limits=one))
    assert admitted(limits, Account("z", user="x", user_limits=one))


def test_without_a_limit_nothing_is_told_or_kept() -> None:
    """There is nothing to say of a key that may ask as often as it likes."""
    counters = LocalCounters(clock_at())
    limits = Limits(LimitSpec(), tick=clock_at(), counters=counters)
    assert take(limits) == look(limits) == Standing()
    assert not counters._whole_at


def test_the_tightest_window_is_told() -> None:
    """Of a minute and a day the one with fewer left; and a refusal waits for the longer of the two."""
    clock = clock_at()
    limits = Limits(LimitSpec(10, requests_per_day=12), tick=clock)
    assert requests(limits).limit == 10
    assert [admitted(limits) for _ in range(11)] == [True] * 10 + [False]
    clock.now_ns += 60 * NS
    assert [admitted(limits) for _ in range(3)] == [True] * 2 + [False]
    assert requests(limits).limit == 12
    failure = refusal(limits)
    assert "12 requests a day" in failure.message
    assert failure.retry_after_s == 7140.001


def test_a_reload_keeps_what_was_used() -> None:
    """A changed limit holds from the next request on, and is no way to begin anew."""
    clock = clock_at()
    limits = Limits(LimitSpec(60), tick=clock)
    for _ in range(30):
        take(limits)
    limits.spec = LimitSpec(120)
    assert requests(limits) == Taken(120, 60, 30.0)
    limits.spec = LimitSpec(2)
    assert requests(limits) == Taken(2, 1, 30.0)
    limits.spec = LimitSpec(60, burst=1)
    assert requests(limits) == Taken(60, 0, 30.0, 30.001)


def test_rules_may_be_replaced() -> None:
    """A limit of a model that comes with a reload holds from the next request on."""

    async def run() -> None:
        limits = Limits(LimitSpec(), tick=clock_at())
        for _ in range(3):
            assert await Asking(limits).reserve(5, asked="fast") is None
        limits.rules = FAST
        assert await Asking(limits).reserve(5, asked="fast") is None
        assert await Asking(limits).reserve(5, asked="fast") is not None

    asyncio.run(run())


def test_tasks_of_one_loop_cannot_overtake_one_another() -> None:
    """Of five hundred that ask at once, exactly as many get through as may."""

    async def play() -> int:
        limits = Limits(LimitSpec(37), tick=clock_at())

        async def one(number: int) -> bool:
            await asyncio.sleep(0)
            return await Asking(limits, id_=f"{number}").enter() is None

        return sum(await asyncio.gather(*(one(number) for number in range(500))))

    assert asyncio.run(play()) == 37


@given(
    limit=st.integers(1, 100_000),
    burst=st.integers(0, 50),
    gaps=st.lists(st.integers(0, 90 * NS) | st.integers(0, NS // 100), max_size=200),
)
def test_no_window_has_more_than_the_law_allows(limit: int, burst: int, gaps: Sequence[int]) -> None:
    """In any stretch of time at most the burst and what came back meanwhile is admitted, to the last one."""
    clock = Clock(0)
    limits = Limits(LimitSpec(limit, burst), tick=clock)
    times = []
    for gap in gaps:
        clock.now_ns += gap
        if admitted(limits):
            times.append(clock.read_ns)
    most = burst or limit
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            window = times[last] - start
            assert last - first + 1 <= most + window * limit // (60 * NS)


@given(
    limit=st.integers(1, 100_000),
    burst=st.integers(0, 5),
    began=st.floats(0, 1e8),
    waits=st.lists(st.floats(0, 3), max_size=20),
)
def test_who_waits_as_told_is_admitted(limit: int, burst: int, began: float, waits: Sequence[float]) -> None:
    """After every refusal, the same key gets through once the time it was told has passed."""
    clock = clock_at(began)
    limits = Limits(LimitSpec(limit, burst), tick=clock)
    for wait in waits:
        clock.now_ns += round(wait * NS)
        for _ in range(8):
            told = requests(limits)
            assert told.retry_after_s <= 60 / limit + 0.002
            assert admitted(limits) == (told.retry_after_s == 0)
            if told.retry_after_s:
                assert refusal(limits).retry_after_s == told.retry_after_s
                clock.now_ns += round(told.retry_after_s * NS)
                assert admitted(limits)


@given(limit=st.integers(1, 1000), steps=st.lists(st.floats(0, 2), min_size=2, max_size=50))
def test_what_is_told_is_true(limit: int, steps: Sequence[float]) -> None:
    """As many as were said to remain are admitted at once, and not one more."""
    clock = clock_at()
    limits = Limits(LimitSpec(limit), tick=clock)
    for before, step in pairwise(steps):
        clock.now_ns += round(step * NS)
        look(limits)
        for _ in range(int(before * 3)):
            admitted(limits)
    told = requests(limits)
    assert sum(admitted(limits) for _ in range(limit + 1)) == told.remaining


def test_tokens_are_reserved_and_settled() -> None:
    """The estimate is taken at once, the truth takes its place, whether it is less or more."""

    async def run() -> None:
        limits = Limits(LimitSpec(tokens_per_minute=1000), tick=clock_at())
        for estimate, truth, left in ((400, 100, 900), (400, 500, 400), (100, None, 300)):
            asking = Asking(limits)
            assert await asking.enter() is None
            before = tokens(limits).remaining
            assert await asking.reserve(estimate) is None
            standing = limits.standing(asking.stay).tokens
            assert standing is not None
            assert standing.remaining == tokens(limits).remaining == before - estimate
            await limits.settle(asking.stay, truth)
            await limits.settle(asking.stay, 0)
            assert tokens(limits).remaining == left

    asyncio.run(run())


def test_an_estimate_that_was_too_low_is_a_debt() -> None:
    """The next one waits until it has come back, so that the limit holds over time."""

    async def run() -> None:
        clock = clock_at()
        limits = Limits(LimitSpec(tokens_per_minute=1000), tick=clock)
        asking = Asking(limits)
        assert await asking.reserve(10) is None
        await limits.settle(asking.stay, 3000)
        failure = await Asking(limits).reserve(500)
        assert failure is not None
        assert failure.retry_after_s == 150.001
        assert failure.message == "this key is limited to 1000 tokens a minute; ask again in 150.001 s"
        clock.now_ns += round(150.001 * NS)
        assert await Asking(limits).reserve(500) is None

    asyncio.run(run())


def test_no_request_sets_a_key_back_for_ever() -> None:
    """Whatever a provider says that it used, a day later the key may ask again."""

    async def run() -> None:
        clock = clock_at()
        limits = Limits(LimitSpec(tokens_per_minute=1000), tick=clock)
        asking = Asking(limits)
        assert await asking.reserve(10) is None
        await limits.settle(asking.stay, 10**30)
        assert await Asking(limits).reserve(1) is not None
        clock.now_ns += DEBT_NS + 60 * NS
        assert await Asking(limits).reserve(1) is None

    asyncio.run(run())


def test_tokens_nobody_reserved_are_counted_all_the_same() -> None:
    """What passes through unread has no estimate: the truth is taken when it is known."""

    async def run() -> None:
        limits = Limits(LimitSpec(tokens_per_minute=1000), tick=clock_at())
        asking = Asking(limits)
        assert await asking.enter() is None
        await limits.settle(asking.stay, 300)
        assert tokens(limits).remaining == 700

    asyncio.run(run())


def test_a_refusal_for_tokens_does_not_count_as_a_request() -> None:
    """All or nothing: a request that was never sent leaves its key's requests as they were."""

    async def run() -> None:
        limits = Limits(LimitSpec(10, tokens_per_minute=100), tick=clock_at())
        first = Asking(limits, id_="1")
        assert await first.enter() is None
        assert await first.reserve(100) is None
        second = Asking(limits, id_="2")
        assert await second.enter() is None
        assert requests(limits).remaining == 8
        failure = await second.reserve(50)
        assert failure is not None
        assert (failure.kind, failure.source, failure.retry) == (
            Kind.RATE_LIMITED,
            Source.CLIENT,
            Retry.NEVER,
        )
        assert failure.retry_after_s == 30.001
        assert limits.standing(second.stay).requests == Taken(10, 9, 6.0)
        await limits.settle(second.stay, 0)
        assert requests(limits).remaining == 9
        assert tokens(limits).remaining == 0

    asyncio.run(run())


def test_what_can_never_fit_is_refused_for_good() -> None:
    """No SDK repeats a 413, and its words say why waiting would not help; nothing is taken."""

    async def run() -> None:
        limits = Limits(LimitSpec(tokens_per_minute=1000, tokens_per_day=500), tick=clock_at())
        failure = await Asking(limits).reserve(501)
        assert failure is not None
        assert (failure.kind, failure.http_status, failure.retry) == (Kind.TOO_LARGE, 413, Retry.NEVER)
        assert failure.retry_after_s is None
        assert failure.message.startswith(
            "this key is limited to 500 tokens a day, and this request may need 501"
        )
        assert tokens(limits).remaining == 500
        assert await Asking(limits).reserve(500) is None

    asyncio.run(run())


def test_places_are_taken_and_left() -> None:
    """Two at once: the third is told to come back soon, and gets in when one has settled or was refunded."""

    async def run() -> None:
        limits = Limits(LimitSpec(parallel=2), tick=clock_at())
        asking = [Asking(limits, id_=f"{number}") for number in range(4)]
        assert [await one.enter() is None for one in asking[:2]] == [True, True]
        failure = await asking[2].enter()
        assert failure is not None
        assert failure.message == (
            "this key is limited to 2 requests at once; ask again when one of them has ended"
        )
        assert (failure.kind, failure.retry_after_s) == (Kind.RATE_LIMITED, BUSY_S)
        await limits.settle(asking[2].stay, None)
        await limits.settle(asking[0].stay, None)
        assert await asking[2].enter() is None
        await limits.refund(asking[1].stay)
        assert await asking[3].enter() is None

    asyncio.run(run())


def test_places_of_long_answers_are_kept_and_those_of_the_dead_are_not() -> None:
    """While a process lives it says who is still inside; one that ended without a word is out soon."""

    async def run() -> None:
        clock = clock_at()
        counters = LocalCounters(clock)
        limits, dead = (Limits(LimitSpec(parallel=2), tick=clock, counters=counters) for _ in range(2))
        assert await Asking(dead, id_="dead").enter() is None
        assert await Asking(limits, id_="long").enter() is None

        async def pause(seconds: float) -> None:
            assert seconds == RENEW_S
            clock.now_ns += round(seconds * NS)
            if clock.now_ns > (1000 + 2 * LEASE_S) * NS:
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await limits.keep(pause)
        assert await Asking(limits, id_="next").enter() is None
        assert await Asking(limits, id_="one too many").enter() is not None

    asyncio.run(run())


def test_a_target_that_is_full_is_passed_over() -> None:
    """The limit of a provider or a model is no fault of the client's: the next target may do."""

    async def run() -> None:
        rules = LimitRules(
            models={"acme/m1": LimitTerms(tokens_per_minute=100), "best": LimitTerms(requests_per_day=5)},
            providers={"acme": LimitTerms(requests_per_minute=3)},
        )
        limits = Limits(LimitSpec(10, tokens_per_minute=1000), tick=clock_at(), rules=rules)
        asking = Asking(limits)
        assert await asking.enter() is None
        assert await asking.reserve(90) is None
        other = Asking(limits, id_="r2")
        failure = await other.reserve(20)
        assert failure is not None
        assert (failure.kind, failure.source, failure.retry) == (
            Kind.RATE_LIMITED,
            Source.GATEWAY,
            Retry.NEXT,
        )
        assert "the model acme/m1 is limited to 100 tokens a minute" in failure.message
        assert tokens(limits).remaining == 910
        failure = await other.reserve(101)
        assert failure is not None
        assert (failure.kind, failure.retry) == (Kind.TOO_LARGE, Retry.NEXT)
        assert await other.reserve(20, model="m2") is None
        assert await other.reserve(20, model="m3") is None
        failure = await other.reserve(20, model="m4")
        assert failure is not None
        assert "the provider acme is limited to 3 requests a minute" in failure.message
        assert await other.reserve(20, provider="zeta") is None
        assert await other.reserve(20, provider="zeta") is None
        failure = await other.reserve(20, provider="zeta")
        assert failure is not None
        assert "the model best is limited to 5 requests a day" in failure.message

    asyncio.run(run())


def test_who_need_not_reckon() -> None:
    """Only where a limit of tokens holds, of the key or of the target, has anybody to know how many."""
    rules = LimitRules(
        models={"acme/m1": LimitTerms(tokens_per_day=5), "fast": LimitTerms(requests_per_minute=5)}
    )
    free, limited = (
        Limits(LimitSpec(5), tick=clock_at(), rules=rules),
        Limits(LimitSpec(tokens_per_day=5), tick=clock_at()),
    )
    stay = free.stay(ALICE, "r")
    assert not free.weighs(stay, provider="acme", model="m2", asked="fast")
    assert free.weighs(stay, provider="acme", model="m1", asked="fast")
    assert limited.weighs(limited.stay(ALICE, "r"), provider="acme", model="m2", asked="fast")


def test_a_fallback_takes_the_place_of_what_was_reserved_before() -> None:
    """The first target has its tokens and its place again; the key pays once, for the last estimate."""

    async def run() -> None:
        one = LimitTerms(tokens_per_minute=100, parallel=1, requests_per_minute=10)
        limits = Limits(
            LimitSpec(tokens_per_minute=1000),
            tick=clock_at(),
            rules=LimitRules(providers={"acme": one, "zeta": one}),
        )
        asking = Asking(limits)
        assert await asking.reserve(80) is None
        assert await asking.reserve(60) is None
        assert tokens(limits).remaining == 940
        assert await asking.reserve(90, provider="zeta") is None
        assert tokens(limits).remaining == 910
        other = Asking(limits, id_="r2")
        assert await other.reserve(100) is None
        await limits.settle(asking.stay, 50)
        assert tokens(limits).remaining == 850
        third = Asking(limits, id_="r3")
        assert await third.reserve(51, provider="zeta") is not None
        assert await third.reserve(50, provider="zeta") is None

    asyncio.run(run())


def test_a_refund_gives_everything_back() -> None:
    """A request that a budget refuses has used nothing of any limit."""

    async def run() -> None:
        terms = LimitTerms(requests_per_minute=1, tokens_per_minute=100, parallel=1)
        limits = Limits(
            LimitSpec(1, tokens_per_minute=100, parallel=1),
            tick=clock_at(),
            rules=LimitRules(models={"best": terms}),
        )
        for number in range(3):
            asking = Asking(limits, id_=f"{number}")
            assert await asking.enter() is None
            assert await asking.reserve(100) is None
            await limits.refund(asking.stay)
            await limits.refund(asking.stay)
            await limits.settle(asking.stay, 100)
        assert look(limits) == Standing(Taken(1, 1, 0.0), Taken(100, 100, 0.0))

    asyncio.run(run())


def test_a_client_that_leaves_while_it_is_counted_strands_no_place() -> None:
    """The place it may have got is given back when its stay is settled."""

    async def run() -> None:
        counters = Slow(clock_at())
        limits = Limits(LimitSpec(parallel=1), tick=clock_at(), counters=counters)
        asking = Asking(limits, id_="left")
        task = asyncio.get_running_loop().create_task(asking.enter())
        await counters.taken.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await Asking(limits, id_="next").enter() is not None
        await limits.settle(asking.stay, None)
        assert await Asking(limits, id_="next").enter() is None

    asyncio.run(run())


def test_who_is_cancelled_while_settling_strands_no_place() -> None:
    """The place is given back all the same."""

    async def run() -> None:
        counters = Stuck(clock_at())
        limits = Limits(LimitSpec(parallel=1, tokens_per_day=100), tick=clock_at(), counters=counters)
        for settles in (True, False):
            asking = Asking(limits, id_="left")
            assert await asking.enter() is None
            assert await asking.reserve(10) is None
            ending = limits.settle(asking.stay, 5) if settles else limits.refund(asking.stay)
            counters.adjusting.clear()
            task = asyncio.get_running_loop().create_task(ending)
            await counters.adjusting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        assert await Asking(limits, id_="next").enter() is None

    asyncio.run(run())


class Stuck(LocalCounters):
    """Counters that never come to an end with what is given back."""

    def __init__(self, tick: Clock) -> None:
        super().__init__(tick)
        self.adjusting = asyncio.Event()

    async def adjust(self, wants: Sequence[Want]) -> None:
        """Begin, and say so."""
        self.adjusting.set()
        await asyncio.Event().wait()


class Slow(LocalCounters):
    """Counters whose first answer never arrives."""

    def __init__(self, tick: Clock) -> None:
        super().__init__(tick)
        self.taken = asyncio.Event()

    async def take(
        self, wants: Sequence[Want], slots: Sequence[Slot] = (), *, holder: str = ""
    ) -> list[Stand]:
        """Take, and say so only from the second time on."""
        stands = await super().take(wants, slots, holder=holder)
        if not self.taken.is_set():
            self.taken.set()
            await asyncio.Event().wait()
        return stands


class Away:
    """Counters that cannot be had."""

    async def take(
        self, wants: Sequence[Want], slots: Sequence[Slot] = (), *, holder: str = ""
    ) -> list[Stand]:
        """Fail."""
        raise Failure(Kind.UNAVAILABLE, "nobody counts")

    async def adjust(self, wants: Sequence[Want]) -> None:
        """Fail."""
        raise Failure(Kind.UNAVAILABLE, "nobody counts")

    async def leave(self, slots: Sequence[Slot], *, holder: str) -> None:
        """Fail."""
        raise Failure(Kind.UNAVAILABLE, "nobody counts")

    async def renew(self, holders: Sequence[str]) -> None:
        """Fail."""
        raise Failure(Kind.UNAVAILABLE, "nobody counts")


def test_where_nobody_counts_requests_go_on() -> None:
    """Every step passes, nothing is told of limits, and there is one complaint a minute."""

    async def run() -> None:
        clock, complaints = clock_at(), list[BaseException]()
        away: Counters = Away()
        limits = Limits(
            LimitSpec(1, tokens_per_minute=10, parallel=1),
            tick=clock,
            counters=away,
            rules=FAST,
            complain=lambda _, why: complaints.append(why),
        )
        for number in range(4):
            asking = Asking(limits, id_=f"{number}")
            assert await asking.enter() is None
            assert await asking.reserve(5, asked="fast") is None
            assert limits.standing(asking.stay) == Standing()
            await (limits.settle(asking.stay, 5) if number % 2 else limits.refund(asking.stay))
        assert len(complaints) == 1
        clock.now_ns += round(COMPLAIN_S * NS)
        await Asking(limits).enter()
        assert len(complaints) == 2

    asyncio.run(run())


def test_what_nobody_counted_is_not_given_back() -> None:
    """A refund after trouble does not make a limit wider than it is."""

    async def run() -> None:
        counters = LocalCounters(clock_at())
        away: Counters = Away()
        limits = Limits(LimitSpec(5, tokens_per_minute=100), tick=clock_at(), counters=counters, rules=FAST)
        used = Asking(limits, id_="0")
        assert await used.enter() is None
        assert await used.reserve(60, asked="fast") is None
        asking = Asking(limits, id_="1")
        limits._counters = away
        assert await asking.enter() is None
        assert await asking.reserve(50, asked="fast") is None
        limits._counters = counters
        await limits.refund(asking.stay)
        assert look(limits) == Standing(Taken(5, 4, 12.0), Taken(100, 40, 36.0))

    asyncio.run(run())


def test_a_look_counts_nothing() -> None:
    """All limits of a key and its team are told, as often as one looks; of places nobody can say."""
    account = Account(
        "alice",
        team="red",
        limits=LimitTerms(requests_per_minute=5, parallel=2),
        team_limits=LimitTerms(tokens_per_day=100),
    )

    async def run() -> None:
        limits = Limits(LimitSpec(), tick=clock_at())
        asking = Asking(limits, account)
        assert await asking.enter() is None
        assert await asking.reserve(40) is None
        for _ in range(3):
            found = {rule.name: taken for rule, taken in await limits.look(account)}
            assert found == {
                "key:alice:requests/minute": Taken(5, 4, 12.0),
                "key:alice:parallel": None,
                "team:red:tokens/day": Taken(100, 60, 34560.0),
            }
        away: Counters = Away()
        limits._counters = away
        assert [taken for _, taken in await limits.look(account)] == [None, None, None]
        assert await limits.look(ALICE) == []

    asyncio.run(run())


@given(
    limit=st.integers(1, 10**12),
    steps=st.lists(st.tuples(st.integers(0, 90 * NS), st.integers(1, 10**6), st.booleans()), max_size=40),
)
def test_no_window_has_more_tokens_than_the_law_allows(
    limit: int, steps: Sequence[tuple[int, int, bool]]
) -> None:
    """Whatever the limit, in any stretch of time at most it and what came back meanwhile is reserved."""

    async def run() -> None:
        clock = Clock(0)
        limits = Limits(LimitSpec(tokens_per_minute=limit), tick=clock)
        taken: list[tuple[int, int]] = []
        for number, (gap, size, large) in enumerate(steps):
            clock.now_ns += gap
            units = min(max(limit // size if large else size, 1), limit)
            asking = Asking(limits, id_=f"{number}")
            if await asking.reserve(units) is None:
                taken.append((clock.read_ns, units))
        for first, (start, _) in enumerate(taken):
            total = 0
            for at, units in taken[first:]:
                total += units
                assert (total - limit) * 60 * NS <= (at - start) * limit + limit

    asyncio.run(run())
