"""Who makes wires, and what is said where nobody can."""

from __future__ import annotations

import importlib.util

import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store.redis.wire import dialler, unavailable
from dragoman.store.spec import RedisSpec


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redis-py the failure says what to install."""
    monkeypatch.setattr("dragoman.store.redis.wire.find_spec", lambda name: None)
    with pytest.raises(Failure, match=r"pip install 'dragoman\[redis\]'") as caught:
        dialler(RedisSpec(url="redis://127.0.0.1:1/0"))
    assert caught.value.kind is Kind.UNAVAILABLE
    assert importlib.util.find_spec("redis") is not None


def test_a_wire_is_made_without_asking_anybody() -> None:
    """Where nobody listens a wire can still be made: only opening it fails."""
    wire = dialler(RedisSpec(url="redis://127.0.0.1:1/0"))(None)
    wire.close()


def test_every_failure_is_a_503_with_one_code() -> None:
    """An infrastructure fault is never told as a client's."""
    failure = unavailable("away")
    assert (failure.http_status, failure.code) == (503, "redis_unavailable")
