"""The breaker: when nobody asks any more, and when one tries again."""

from __future__ import annotations

from itertools import pairwise

from tests.store.redis.linked import Clock

from dragoman.store.redis.breaker import FIRST_PAUSE_S, LAST_PAUSE_S, MOST, Breaker


def broken(clock: Clock, chance: float = 0.5) -> Breaker:
    """Return a breaker that has just opened."""
    breaker = Breaker(tick=clock, chance=lambda: chance)
    for _ in range(MOST):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it_and_no_others() -> None:
    """One failure less than enough opens nothing, and an answer in between forgets them."""
    breaker = Breaker(tick=Clock(), chance=lambda: 0.5)
    for _ in range(MOST - 1):
        assert not breaker.failed()
    breaker.passed()
    for _ in range(MOST - 1):
        assert not breaker.failed()
    assert breaker.state == "closed"
    assert breaker.failed()
    assert (breaker.state, breaker.opened) == ("open", 1)


def test_one_call_probes_and_its_success_closes() -> None:
    """After the pause exactly one call goes out; what it finds is what all find."""
    clock = Clock()
    breaker = broken(clock)
    assert not breaker.admits()
    clock.now += FIRST_PAUSE_S
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.passed()
    assert breaker.state == "closed"
    assert breaker.admits()


def pauses(chance: float, count: int) -> list[float]:
    """Return the pauses between probes that all fail."""
    clock = Clock()
    breaker = broken(clock, chance)
    found = []
    for _ in range(count):
        before = clock.now
        while not breaker.admits():
            clock.now += 1 / 128
        found.append(clock.now - before)
        breaker.failed()
    return found


def test_the_pause_grows_up_to_its_most() -> None:
    """Each probe that fails doubles the pause, and none is longer than the last."""
    found = pauses(1 - 2**-53, 12)
    assert found[0] == FIRST_PAUSE_S
    assert found[-1] == LAST_PAUSE_S
    assert all(later in (2 * earlier, LAST_PAUSE_S) for earlier, later in pairwise(found))


def test_chance_is_in_the_pause() -> None:
    """Two processes whose chance differs do not come back together, and none comes at once."""
    assert pauses(0.0, 3) == [pause / 2 for pause in pauses(1 - 2**-53, 3)]


def test_failures_while_it_is_open_change_nothing() -> None:
    """What was under way when it opened neither counts again nor puts the probe off."""
    clock = Clock()
    breaker = broken(clock)
    clock.now += FIRST_PAUSE_S * 0.7
    assert not breaker.failed()
    clock.now += FIRST_PAUSE_S * 0.3
    assert breaker.admits()
    assert breaker.opened == 1
