"""Sessions of the dashboard: who signed in with a key stays so, without the browser having the key.

A browser gets a random secret in a cookie; the store has its digest, and the digest of the key that signed
in. So a session is worth nothing to who reads the store, ends when its key is revoked, expires or is rotated
away, and is known to every process of a gateway at once.

* Every sign-in makes a new secret, whatever the browser sent: nobody can hand anybody a session of his own.
* A session ends :data:`IDLE_S` after it was last used, :data:`LASTS_S` after it began, or when its holder
  says so.
* What a form must send back (:func:`token`) is made of the secret: another site cannot read or guess it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

import msgspec

from dragoman.accounts.directory import Directory
from dragoman.accounts.keys import Account
from dragoman.core.failure import Failure, Kind, Source
from dragoman.store.audit import Audit, AuditRow
from dragoman.store.sessions import SessionRow
from dragoman.store.sessions import Sessions as Rows

SECRET_BYTES = 32

LASTS_S = 24 * 3600.0
"""Seconds a session lasts at most."""

IDLE_S = 2 * 3600.0
"""Seconds without a request after which a session is over."""

TOUCH_S = 60.0
"""Seconds between two notes that a session is in use: not every page writes."""


class Session(msgspec.Struct, frozen=True):
    """Somebody who is signed in.

    Attributes:
        account: Who, as of now.
        token: What a form has to send back.
        expires_at: When the session ends at the latest, in Unix seconds.
    """

    account: Account
    token: str
    expires_at: float


class Sessions:
    """Opens, finds and closes sessions.

    Args:
        rows: Where they are kept.
        audit: Told of every sign-in and sign-out.
        directory: Who there is.
        random: So many random bytes.
        now: Wall clock, Unix seconds.
    """

    def __init__(
        self,
        rows: Rows,
        audit: Audit,
        directory: Directory,
        *,
        random: Callable[[int], bytes],
        now: Callable[[], float],
    ) -> None:
        self._rows = rows
        self._audit = audit
        self._directory = directory
        self._random = random
        self._now = now

    async def open(self, key: str) -> tuple[str, Session]:
        """Sign in with a key; return the session's secret, which nobody is told again.

        Raises:
            Failure: UNAUTHENTICATED; FORBIDDEN, the key may not look at what others do; UNAVAILABLE.
        """
        account = await self._directory.admit(key)
        if account.anonymous:
            message = "this is no key of this gateway; sign in with the admin key or a reader's"
            raise Failure(Kind.UNAUTHENTICATED, message, source=Source.CLIENT, code="invalid_api_key")
        if not account.looks:
            message = "the dashboard tells of every key: it wants the admin key, or one with the role reader"
            raise Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, code="admin_only")
        now = self._now()
        await self._rows.sweep(now, idle_s=IDLE_S)
        secret = self._random(SECRET_BYTES).hex()
        known = self._directory.mark(key)
        await self._rows.open(SessionRow(_digest(secret), account.name, known, now, now, now + LASTS_S))
        await self._audit.write(AuditRow(now, account.name, "session.open", account.name))
        return secret, Session(account, token(secret), now + LASTS_S)

    async def find(self, secret: str) -> Session | None:
        """Return who holds a session; None: it is over, or never was one.

        Raises:
            Failure: UNAVAILABLE, nobody can say now.
        """
        if not _shaped(secret):
            return None
        row, now = await self._rows.find(_digest(secret)), self._now()
        if row is None:
            return None
        if now >= row.expires_at or now >= row.seen_at + IDLE_S:
            await self._rows.close(row.digest)
            return None
        account = await self._holder(row)
        if account is None:
            await self._rows.close(row.digest)
            return None
        if now >= row.seen_at + TOUCH_S:
            await self._rows.touch(row.digest, now)
        return Session(account, token(secret), row.expires_at)

    async def close(self, secret: str, account: Account) -> None:
        """End a session; whoever comes with its secret from now on is a stranger."""
        if _shaped(secret) and await self._rows.close(_digest(secret)):
            await self._audit.write(AuditRow(self._now(), account.name, "session.close", account.name))

    async def _holder(self, row: SessionRow) -> Account | None:
        """Return whose session it is, if the key that opened it still may look."""
        try:
            account = await self._directory.recall(row.secret)
        except Failure as failure:
            if failure.kind is Kind.UNAUTHENTICATED:
                return None
            raise
        return account if account is not None and account.name == row.account and account.looks else None


def token(secret: str) -> str:
    """Return what the forms of a session send back."""
    return hmac.digest(secret.encode(), b"dragoman form", "sha256").hex()


def matches(session: Session, sent: str) -> bool:
    """Say whether a form sent back what it was given."""
    return hmac.compare_digest(session.token.encode(), sent.encode("utf-8", "replace"))


def _digest(secret: str) -> str:
    """Return what is kept of a secret: it has 256 random bits, so that a plain digest tells nothing of it."""
    return sha256(secret.encode()).hexdigest()


def _shaped(secret: str) -> bool:
    return len(secret) == 2 * SECRET_BYTES and secret.isascii() and secret.isalnum()
