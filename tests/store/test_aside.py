"""Threads aside: they are nicer than who serves requests, and work all the same."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from dragoman.store.aside import NICER, NICEST, aside


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
