"""What passes through unread is named, every row of it."""

from __future__ import annotations

import re

from dragoman.dialects.relayed import METHODS, PREFIX, ROWS, place_of
from dragoman.server.openapi.relayed import ORIGINS, operations


def test_every_row_has_a_title_and_a_page() -> None:
    """A new row needs a line here, and one that is gone takes its line with it."""
    assert {row.pattern for row in ROWS} == ORIGINS.keys()
    assert all(origin.docs.startswith("https://") for origin in ORIGINS.values())


def test_what_is_promised_is_relayed() -> None:
    """Each operation's path, with any names in it, is one the relay's own table knows."""
    found = list(operations())
    assert len(found) > len(ROWS)
    for key, operation in found:
        method, _, path = key.partition(" ")
        real = re.sub(r"\{(\w+)\}", "abc", path)
        place = place_of(method, real, {operation.header: "1"} if operation.header else {})
        assert place is not None, key
        assert operation.passes


def test_below_a_providers_name_any_method_passes() -> None:
    """The widest row has them all; HEAD is what GET takes as well."""
    widest = {key.partition(" ")[0] for key, _ in operations() if PREFIX in key}
    assert widest == METHODS - {"HEAD"}
