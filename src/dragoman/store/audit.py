"""The audit log: who changed what of keys, teams, budgets and prices.

An entry is written with its change, or neither is.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class AuditRow(msgspec.Struct, frozen=True):
    """One change.

    Attributes:
        at: Unix seconds.
        actor: The key that made it, or ``command line``.
        action: What was done: ``key.create``, ``budget.change``, ``prices.reprice``.
        subject: To whom or what.
        detail: A JSON object of what there was and is; no secret is in it.
    """

    at: float
    actor: str
    action: str
    subject: str
    detail: bytes = b"{}"


class Audit(Protocol):
    """The audit log. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def write(self, row: AuditRow) -> None:
        """Write down what was done elsewhere; return once it is durable."""

    async def rows(
        self, *, limit: int = 100, before: int | None = None, about: tuple[str, str] | None = None
    ) -> list[tuple[int, AuditRow]]:
        """Return the newest changes first, each with its number.

        Args:
            limit: How many, at most.
            before: Those older than this number.
            about: The beginning of an action (``key.``) and a subject: those of no others.
        """
