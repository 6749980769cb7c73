"""Threads aside: they are nicer than who serves requests, take turns, and work all the same."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from dragoman.store.aside import NICER, NICEST, Aside, Turns, aside


def niceness() -> int:
    """Return this very thread's."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_they_alone_give_way() -> None:
    """Each of the threads is nicer, and the one that started them is as it was."""
    before = niceness()
    with aside(2, "test") as pool:
        both = threading.Barrier(2)

        def met() -> int:
            both.wait(30)
            return niceness()

        found = [pool.submit(met) for _ in range(2)]
        assert [one.result() for one in found] == [min(NICEST, before + NICER)] * 2
    assert niceness() == before


def test_where_it_is_forbidden_they_work_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not let a thread be nicer still has its work done."""

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    with aside(1, "test") as pool:
        assert pool.submit(sum, (1, 2)).result() == 3


def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a niceness is the whole process's, nobody is asked for one."""
    monkeypatch.setattr(sys, "platform", "darwin")
    before = niceness()
    with aside(1, "test") as pool:
        assert pool.submit(niceness).result() == before


def test_one_waits_for_another_that_is_short() -> None:
    """Who comes second begins when the first has ended, and not before."""
    turns, began, done = Turns(patience_s=60), threading.Event(), []

    def second() -> None:
        began.set()
        with turns.turn():
            done.append("second")

    with turns.turn():
        thread = threading.Thread(target=second)
        thread.start()
        assert began.wait(30)
        done.append("first")
    thread.join(30)
    assert done == ["first", "second"]


def test_one_that_takes_long_holds_up_no_other() -> None:
    """When its time is over others begin beside it; the turn is given on once, by who had it."""
    now = [0.0]
    turns = Turns(patience_s=5, tick=lambda: now[0])
    with turns.turn():
        now[0] = 6.0
        with turns.turn():
            pass
        with turns.turn():
            pass
    with turns.turn():
        now[0] = 12.0
        with turns.turn():
            pass


def test_work_aside_takes_turns() -> None:
    """What is submitted second begins when the first is done, though there is a thread; faults are told."""
    order: list[str] = []
    begun, free = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        free.wait()
        order.append("first")

    with Aside(5, "test", Turns(patience_s=60)) as threads:
        works = [threads.submit(first)]
        assert begun.wait(60)
        works += [threads.submit(order.append, name) for name in ("second", "third", "fourth")]
        failed = threads.submit(int, "none")
        while threads._work_queue.qsize():  # the others have a thread each by then
            threading.Event().wait(0)
        free.set()
        for work in works:
            work.result(60)
        with pytest.raises(ValueError, match="none"):
            failed.result(60)
    assert order[0] == "first"
    assert sorted(order) == ["first", "fourth", "second", "third"]
