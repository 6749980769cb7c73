"""Requests a minute: how many get through, who is told what, and that nobody gets more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dragoman.accounts.keys import Account
from dragoman.accounts.limits import Limits, LimitSpec, Taken, duration, headers
from dragoman.core.failure import Failure, Kind, Source

ALICE = Account("alice")
NS = 1_000_000_000


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def admitted(limits: Limits, account: Account = ALICE) -> bool:
    """Ask once."""
    try:
        limits.take(account)
    except Failure:
        return False
    return True


def refusal(limits: Limits, account: Account = ALICE) -> Failure:
    """Ask once, to be refused."""
    with pytest.raises(Failure) as caught:
        limits.take(account)
    return caught.value


def test_a_key_may_use_its_whole_minute_at_once_and_then_evenly() -> None:
    """Sixty a minute: sixty now, the next one a second later, all of them again after a minute of rest."""
    clock = Clock()
    limits = Limits(LimitSpec(60), tick=clock)
    assert [admitted(limits) for _ in range(61)] == [True] * 60 + [False]
    clock.now += 1
    assert [admitted(limits) for _ in range(2)] == [True, False]
    clock.now += 60
    assert sum(admitted(limits) for _ in range(100)) == 60


def test_what_is_taken_is_told() -> None:
    """Every request says what is left and when all of it is back."""
    clock = Clock()
    limits = Limits(LimitSpec(60), tick=clock)
    assert limits.look(ALICE) == Taken(60, 60, 0.0)
    assert limits.take(ALICE) == Taken(60, 59, 1.0)
    assert limits.take(ALICE) == Taken(60, 58, 2.0)
    clock.now += 1.5
    assert limits.look(ALICE) == Taken(60, 59, 0.5)


def test_a_refusal_says_when_to_come_back() -> None:
    """It is a 429 of the client's own, with OpenAI's code; looking says the same and counts nothing."""
    clock = Clock()
    limits = Limits(LimitSpec(2), tick=clock)
    assert admitted(limits)
    assert admitted(limits)
    failure = refusal(limits)
    assert (failure.kind, failure.source, failure.http_status) == (Kind.RATE_LIMITED, Source.CLIENT, 429)
    assert failure.code == "rate_limit_exceeded"
    assert failure.retry_after_s == 30.001
    assert "2 requests a minute" in failure.message
    assert limits.look(ALICE) == Taken(2, 0, 60.0, 30.001)


def test_a_smaller_burst_spreads_requests() -> None:
    """With a burst of one they come evenly spaced from the first."""
    clock = Clock()
    limits = Limits(LimitSpec(60, burst=1), tick=clock)
    assert [admitted(limits) for _ in range(2)] == [True, False]
    clock.now += 1
    assert [admitted(limits) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("account", "allowed"),
    [
        (Account("alice"), 3),
        (Account("local", anonymous=True), 3),
        (Account("bob", requests_per_minute=5), 5),
        (Account("carol", requests_per_minute=0), 50),
        (Account("admin", "admin"), 50),
        (Account("admin", "admin", requests_per_minute=1), 1),
    ],
    ids=["everybody", "keyless", "its-own", "unlimited", "admin", "limited-admin"],
)
def test_whose_limit_holds(account: Account, allowed: int) -> None:
    """A key's own limit goes before everybody's, 0 is none, and the admin has none unless it is given one."""
    limits = Limits(LimitSpec(3), tick=Clock())
    assert sum(admitted(limits, account) for _ in range(50)) == allowed


def test_without_a_limit_nothing_is_told_or_kept() -> None:
    """There is nothing to say of a key that may ask as often as it likes."""
    limits = Limits(LimitSpec(), tick=Clock())
    assert limits.take(ALICE) is None
    assert limits.look(ALICE) is None
    assert headers(None, dialect="anthropic", now=0) == {}
    assert not limits._whole_at


def test_keys_do_not_share() -> None:
    """One that has used all of its own leaves the others theirs."""
    limits = Limits(LimitSpec(1), tick=Clock())
    assert [admitted(limits, Account(name)) for name in ("a", "b", "a", "b", "c")] == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_a_reload_keeps_what_was_used() -> None:
    """A changed limit holds from the next request on, and is no way to begin anew."""
    clock = Clock()
    limits = Limits(LimitSpec(60), tick=clock)
    for _ in range(30):
        limits.take(ALICE)
    limits.spec = LimitSpec(120)
    assert limits.look(ALICE) == Taken(120, 60, 30.0)
    limits.spec = LimitSpec(2)
    assert limits.look(ALICE) == Taken(2, 1, 30.0)
    limits.spec = LimitSpec(60, burst=1)
    assert limits.look(ALICE) == Taken(60, 0, 1.0, 1.001)


def test_levels_of_keys_that_rest_are_forgotten() -> None:
    """A level that is whole again is the same as none, so it is not kept."""
    clock = Clock()
    limits = Limits(LimitSpec(60), tick=clock)
    for number in range(100):
        limits.take(Account(f"key-{number}"))
    assert len(limits._whole_at) == 100
    clock.now += 2
    limits.take(ALICE)
    assert list(limits._whole_at) == ["alice"]


def test_no_more_keys_are_kept_than_allowed() -> None:
    """Past the bound the key that asked longest ago is forgotten first, one that asks stays."""
    limits = Limits(LimitSpec(2), tick=Clock(), most=3)
    for name in ("a", "b", "c", "a", "d", "e"):
        assert admitted(limits, Account(name))
    assert set(limits._whole_at) == {"a", "d", "e"}
    assert not admitted(limits, Account("a"))


def test_tasks_of_one_loop_cannot_overtake_one_another() -> None:
    """Of five hundred that ask at once, exactly as many get through as may."""

    async def play() -> int:
        limits = Limits(LimitSpec(37), tick=Clock())

        async def one() -> bool:
            await asyncio.sleep(0)
            return admitted(limits)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(500)]
        return sum(task.result() for task in tasks)

    assert asyncio.run(play()) == 37


@given(
    limit=st.integers(1, 100_000),
    burst=st.integers(0, 50),
    gaps=st.lists(st.integers(0, 90 * NS) | st.integers(0, NS // 100), max_size=200),
)
def test_no_window_has_more_than_the_law_allows(limit: int, burst: int, gaps: Sequence[int]) -> None:
    """In any stretch of time at most the burst and what came back meanwhile is admitted, to the last one."""
    clock = Clock(0.0)
    limits = Limits(LimitSpec(limit, burst), tick=clock)
    now, times = 0, []
    for gap in gaps:
        now += gap
        clock.now = now / 1e9
        if admitted(limits):
            times.append(round(clock.now * 1e9))
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
    clock = Clock(began)
    limits = Limits(LimitSpec(limit, burst), tick=clock)
    for wait in waits:
        clock.now += wait
        for _ in range(8):
            told = limits.look(ALICE)
            assert told is not None
            assert told.retry_after_s <= 60 / limit + 0.002
            assert admitted(limits) == (told.retry_after_s == 0)
            if told.retry_after_s:
                assert refusal(limits).retry_after_s == told.retry_after_s
                clock.now += told.retry_after_s
                assert admitted(limits)


@given(limit=st.integers(1, 1000), steps=st.lists(st.floats(0, 2), min_size=2, max_size=50))
def test_what_is_told_is_true(limit: int, steps: Sequence[float]) -> None:
    """As many as were said to remain are admitted at once, and not one more."""
    clock = Clock()
    limits = Limits(LimitSpec(limit), tick=clock)
    for before, step in pairwise(steps):
        clock.now += step
        limits.look(ALICE)
        for _ in range(int(before * 3)):
            admitted(limits)
    told = limits.look(ALICE)
    assert told is not None
    assert sum(admitted(limits) for _ in range(limit + 1)) == told.remaining


def test_headers_have_every_clients_names() -> None:
    """The common three and OpenAI's go to everybody, in whole seconds and in OpenAI's durations."""
    assert headers(Taken(60, 59, 0.98), dialect="openai_chat", now=0) == {
        "x-ratelimit-limit": "60",
        "x-ratelimit-remaining": "59",
        "x-ratelimit-reset": "1",
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "980ms",
    }


def test_an_anthropic_client_gets_its_own_as_well() -> None:
    """Its reset is a time that RFC 3339 knows, never before the limit is whole again."""
    now = 1_795_262_400.5
    told = headers(Taken(60, 0, 60.0), dialect="anthropic", now=now)
    assert told["anthropic-ratelimit-requests-limit"] == "60"
    assert told["anthropic-ratelimit-requests-remaining"] == "0"
    assert told["anthropic-ratelimit-requests-reset"] == "2026-11-21T12:01:01Z"
    assert (
        now + 60 <= datetime.fromisoformat(told["anthropic-ratelimit-requests-reset"]).timestamp() < now + 61
    )


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0s"),
        (0.012, "12ms"),
        (0.0001, "1ms"),
        (0.9999, "1s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9991, "1m0s"),
        (60, "1m0s"),
        (90.25, "1m30.25s"),
        (360, "6m0s"),
        (3600, "1h0m0s"),
        (3661, "1h1m1s"),
    ],
)
def test_durations_are_openais(seconds: float, told: str) -> None:
    """As its documentation shows them, rounded up to the millisecond."""
    assert duration(seconds) == told


def test_levels_are_values() -> None:
    """What was told cannot be changed afterwards."""
    taken = Taken(1, 0, 60.0)
    with pytest.raises(AttributeError):
        taken.limit = 2  # type: ignore[misc]
    assert replace(taken, limit=2) == Taken(2, 0, 60.0)
