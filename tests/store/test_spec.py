"""Settings of what is durable: they hold secrets, and do not show them."""

from __future__ import annotations

import pytest

from dragoman.store.spec import RedisSpec, StoreSpec


@pytest.mark.parametrize(
    "spec",
    [
        StoreSpec(url="postgresql://me:s3cret-canary@db/x"),
        RedisSpec(url="redis://:s3cret-canary@cache:6379/0"),
    ],
)
def test_f52_an_address_is_not_shown(spec: StoreSpec | RedisSpec) -> None:
    """Printed, in a log or in a traceback, a setting says nothing of the password in its url."""
    assert "s3cret-canary" not in f"{spec!r} {spec}"
