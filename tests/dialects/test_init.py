"""What every dialect is, whatever it says."""

from __future__ import annotations

import pytest

from dragoman.core.request import Message, Request, Text
from dragoman.dialects import Dialect, framing_of
from dragoman.dialects.catalog import DIALECTS, find
from dragoman.dialects.framing import JsonArray

HELLO = (Message("user", (Text("hello"),)),)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_what_it_writes_is_served_under_its_root(dialect: Dialect) -> None:
    """The path a codec writes, after its root, is one of its own public endpoints."""
    for stream in (False, True):
        call = dialect.write_request(Request(dialect.name, "m", HELLO, max_output=9, stream=stream))
        found = find(call.method, f"{dialect.root}{call.path}")
        assert found is not None
        assert (found[0], found[1].task) == (dialect, "generate")


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_writer_frames_as_its_dialect_does_unless_it_says_otherwise(dialect: Dialect) -> None:
    """A writer with a framing of its own wins."""
    writer = dialect.writer(Request(dialect.name, "m", HELLO, stream=True))
    assert framing_of(dialect, writer) is dialect.framing

    class Array:
        """A writer whose client reads one JSON array."""

        framing = JsonArray()

        def __getattr__(self, name: str) -> object:
            return getattr(writer, name)

    own = Array()
    assert framing_of(dialect, own) is own.framing  # type: ignore[arg-type]  # it is a writer by delegation
