"""A queue with an end: nothing is counted twice, nothing is forgotten."""

from __future__ import annotations

import asyncio

from dragoman.sinks.waiting import Waiting


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    """Room is for what waits and for what is in somebody's hands."""
    waiting: Waiting[int] = Waiting(3)
    for number in range(4):
        waiting.put(number)
    taken = waiting.take(2)
    waiting.put(4)
    assert waiting.counts() == {"taken": 5, "delivered": 0, "dropped": 2, "waiting": 3}
    waiting.delivered(taken)
    waiting.put(5)
    assert waiting.take(9) == [2, 5]
    assert waiting.counts() == {"taken": 6, "delivered": 2, "dropped": 2, "waiting": 2}


def test_weight_is_bounded_too() -> None:
    """What is heavy takes the room of many; what leaves gives it back."""
    waiting: Waiting[str] = Waiting(100, 10, len)
    for word in ("aaaa", "bbbb", "cccc", "dd"):
        waiting.put(word)
    assert waiting.counts()["dropped"] == 1
    waiting.dropped(waiting.take(1))
    waiting.put("eeee")
    assert waiting.take(9) == ["bbbb", "dd", "eeee"]
    assert waiting.counts() == {"taken": 5, "delivered": 0, "dropped": 2, "waiting": 3}


def test_so_many_are_taken_as_weigh_so_much() -> None:
    """One that is too heavy by itself is taken alone."""
    waiting: Waiting[str] = Waiting(100, weigh=len)
    for word in ("aaaaaa", "bb", "cc", "d"):
        waiting.put(word)
    assert [waiting.take(9, 4), waiting.take(9, 4), waiting.take(9, 4)] == [["aaaaaa"], ["bb", "cc"], ["d"]]


def test_what_is_put_back_is_where_it_was() -> None:
    """In front, in order, and not counted anew."""
    waiting: Waiting[int] = Waiting(10)
    for number in range(4):
        waiting.put(number)
    waiting.back(waiting.take(2))
    assert waiting.take(9) == [0, 1, 2, 3]
    assert waiting.counts() == {"taken": 4, "delivered": 0, "dropped": 0, "waiting": 4}


def test_who_waits_is_woken() -> None:
    """By what is put and by what is put back, and at once where something is there."""

    async def play() -> None:
        waiting: Waiting[int] = Waiting(10)
        taken: list[int] = []

        def put() -> None:
            waiting.put(1)

        def put_back() -> None:
            waiting.back(taken)

        for give in (put, put_back):
            woken = asyncio.get_running_loop().create_task(waiting.some())
            await asyncio.sleep(0)
            assert not woken.done()
            give()
            async with asyncio.timeout(20):
                await woken
                await waiting.some()
            taken += waiting.take(1)

    asyncio.run(play())
