"""Who is signed in to the dashboard. A browser holds a session's secret; here is its digest."""

from __future__ import annotations

from typing import Protocol

import msgspec


class SessionRow(msgspec.Struct, frozen=True):
    """One session. Times are Unix seconds.

    Attributes:
        digest: Of the secret the browser sends.
        account: The name of the key that signed in.
        secret: The digest of that key, so that a session ends with what opened it.
        created_at: When it was opened.
        seen_at: When it was last used, to the minute or so.
        expires_at: From when on it is none, however much it is used.
    """

    digest: str
    account: str
    secret: str
    created_at: float
    seen_at: float
    expires_at: float


class Sessions(Protocol):
    """Sessions. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def open(self, row: SessionRow) -> None:
        """Insert a session; return once it is durable."""

    async def find(self, digest: str) -> SessionRow | None:
        """Return a session, whatever its times say; None: there is none."""

    async def touch(self, digest: str, seen_at: float) -> None:
        """Note that a session was used."""

    async def close(self, digest: str) -> bool:
        """Delete a session; return whether it was there."""

    async def sweep(self, now: float, *, idle_s: float) -> int:
        """Delete those past their time or unused for so long; return how many."""
