"""Each transport on each kind of event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.providers.wire import LOOPS, TRANSPORTS, Bench


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Each kind of event loop in turn."""
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param
    return factory


@pytest.fixture(params=TRANSPORTS, ids=lambda make: make.__name__)
def bench(request: pytest.FixtureRequest, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Bench:
    """Each transport in turn, on each kind of event loop."""
    return Bench(request.param, loop_factory)
