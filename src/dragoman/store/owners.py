"""Who is alive, where no file could tell: the processes of other machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class Owners(Protocol):
    """When owners were last heard of. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def beat(self, owner: str) -> None:
        """Write down that an owner is alive, by the database's clock."""

    async def silent(self, owners: Sequence[str], *, lease_s: float) -> list[str]:
        """Return those of `owners` that have not been heard of for `lease_s` seconds, or ever."""
