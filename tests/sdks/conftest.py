"""Where the official SDKs are tried: a gateway before a simulator, and one before the real model."""

from __future__ import annotations

import pytest

from dragoman.dialects.catalog import DIALECTS

TARGETS = [f"sim-{name}/m" for name in DIALECTS]


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """A model of each upstream dialect."""
    return str(request.param)
