"""Addresses: what the links of tabs, chips and headings lead to: the same page with other parameters.

Everything a page shows follows from its address, so that it can be kept, shared and gone back to.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec


class Address(msgspec.Struct, frozen=True):
    """A page and its parameters."""

    path: str
    query: Mapping[str, str]

    def to(self, **changes: str | None) -> str:
        """Return the same page with other parameters; None: without that one."""
        return self.at(self.path, **changes)

    def at(self, path: str, **changes: str | None) -> str:
        """Return another page with these parameters, changed."""
        return link(path, {**self.query, **changes})

    def others(self, *names: str) -> list[tuple[str, str]]:
        """Return the parameters but those named: what a form that has fields for these carries along."""
        return [(name, value) for name, value in self.query.items() if name not in names]


def link(path: str, query: Mapping[str, str | None]) -> str:
    """Return a page's address; parameters that are None are none."""
    known = {name: value for name, value in query.items() if value is not None}
    # As people write them: dates, names of models and lists are legible in an address.
    return f"{path}?{urlencode(known, safe='/:,', quote_via=quote)}" if known else path
