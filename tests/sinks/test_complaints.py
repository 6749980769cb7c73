"""A fault that lasts is told of once in a while, and anew once it was over."""

from __future__ import annotations

from tests.sinks.records import Complaints as Told

from dragoman.sinks.complaints import AGAIN_S, Complaints


def test_a_fault_that_lasts_is_told_of_now_and_then() -> None:
    """Each kind for itself."""
    told, clock = Told(), [1000.0]
    complaints = Complaints(told, lambda: clock[0])
    for later in (0.0, 1.0, AGAIN_S - 1.5, 1.0, 1.0):
        clock[0] += later
        complaints.tell("disk", "the disk is full", OSError("28"))
        complaints.tell("server", "the server is down", OSError("111"))
    assert told == ["the disk is full: 28", "the server is down: 111"] * 2


def test_a_fault_that_was_over_is_told_of_at_once() -> None:
    """It is another one."""
    told = Told()
    complaints = Complaints(told, lambda: 0.0)
    for _ in range(2):
        complaints.tell("disk", "the disk is full", OSError("28"))
        complaints.over("disk")
    complaints.over("never began")
    assert len(told) == 2
