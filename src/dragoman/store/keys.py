"""Keys, teams and users as rows: who there is. What their terms mean is the business of ``accounts``."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from dragoman.store.audit import AuditRow

Role = Literal["admin", "member", "reader"]
GroupKind = Literal["team", "user"]


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One key, without its secret. Times are Unix seconds.

    Attributes:
        name: Unique, for ever: the ledger knows the key by it, also once it is revoked.
        role: What it may: everything, ask models, or only look.
        user: Whose it is; "" nobody's.
        team: The team it belongs to; "" none.
        created_at: When it was made.
        expires_at: From when on it is refused; None: never.
        revoked_at: When it was taken back; None: it was not.
        terms: JSON of ``accounts.terms.Terms``.
    """

    name: str
    role: Role = "member"
    user: str = ""
    team: str = ""
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    terms: bytes = b"{}"


class SecretRow(msgspec.Struct, frozen=True):
    """One secret of a key, as its digest. While a key is rotated it has two.

    ``hint``: its last four characters, so that people can tell which one they hold.
    """

    digest: str
    key: str
    created_at: float
    expires_at: float | None = None
    hint: str = ""


class GroupRow(msgspec.Struct, frozen=True, kw_only=True):
    """A team or a user. ``terms``: JSON of ``accounts.terms.Terms``."""

    kind: GroupKind
    name: str
    created_at: float
    terms: bytes = b"{}"


class Keys(Protocol):
    """Keys, teams and users. All methods raise ``Failure(UNAVAILABLE)`` as the store's do.

    Every change is durable, and in the audit log, when its method returns.
    """

    async def version(self) -> int:
        """Return a number that is another one after any change to keys, groups, budgets or prices."""

    async def keys(self, name: str | None = None) -> list[KeyRow]:
        """Return every key, revoked or not, by name; with `name` the one called so, if there is one."""

    async def secrets(self, key: str | None = None) -> list[SecretRow]:
        """Return every secret of every key, or of the one that is called so."""

    async def groups(self) -> list[GroupRow]:
        """Return every team and user, by kind and name."""

    async def add(self, row: KeyRow, secret: SecretRow, audit: AuditRow) -> bool:
        """Insert a key; return False, and do nothing, where the name was ever used."""

    async def change(self, row: KeyRow, audit: AuditRow, *, was: KeyRow | None = None) -> bool:
        """Replace what is known of a key (by name); return False where there is none, or no longer is `was`.

        Whether it is revoked is no part of that: a revocation stays whoever changes the key.
        """

    async def rotate(self, secret: SecretRow, audit: AuditRow, *, old_until: float) -> bool:
        """Give a key a new secret; the old ones end at `old_until`, or sooner if they did already.

        Returns False, and does nothing, where there is no such key or it is revoked.
        """

    async def revoke(self, name: str, at: float, audit: AuditRow) -> bool:
        """Take a key back; return False where there is none, or it was taken back before."""

    async def put_group(self, row: GroupRow, audit: AuditRow) -> None:
        """Insert a team or user, or replace its terms."""

    async def remove_group(
        self, kind: GroupKind, name: str, audit: AuditRow
    ) -> Literal["done", "none", "used"]:
        """Remove a team or user; not while a key that is not revoked belongs to it."""
