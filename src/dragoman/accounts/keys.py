"""Keys: how one is proved, without keeping what it is proved with; who holds which is ``directory.py``.

A key is kept as its HMAC-SHA-256 under the server's pepper and found by that digest: what an attacker
could learn from timing is the digest of a guess, which he cannot steer. One extractor reads the
credential from wherever the SDKs put it; two that differ are refused, since an access check and a
log might then each believe another one.

Keys we make look like ``sk-dm-<27 base62><6 checksum>``: scanners recognise them, and a damaged one is
told from an unknown one. Keys of the configuration are taken as they stand, whatever they look like.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from zlib import crc32

import msgspec

from dragoman.accounts.terms import Count, LimitTerms, Terms
from dragoman.accounts.times import WHEN, instant
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.store import Store
from dragoman.store.keys import KeyRow, Role

PREFIX = "sk-dm-"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_BYTES = 20
BODY_LENGTH = 27
CHECKSUM_LENGTH = 6
SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{26,64}}[0-9A-Za-z]{{{CHECKSUM_LENGTH}}}")

LONGEST = 512
"""Characters a credential may have before it is looked at."""

HEADERS = ("x-api-key", "x-goog-api-key", "api-key")
"""Where SDKs put a bare key, besides Authorization and ?key=."""


class Account(msgspec.Struct, frozen=True):
    """Who is asking.

    Attributes:
        name: The key's, in the ledger.
        role: What it may.
        anonymous: Let in without a key, because the gateway is open on loopback.
        text: Whether its prompts and answers are logged; None: as everybody's.
        user: Whose the key is; "" nobody's.
        team: The team it belongs to; "" none.
        labels: The operator's own names and values: the key's, and its team's and user's where it has none.
        models: Models that the key, its team and its user may ask, in this order; see ``accounts/grants.py``.
        routes: Routes that they may.
        limits: How much the key may ask.
        team_limits: How much its team may ask, all its keys together.
        user_limits: How much its user may.
        expires_at: From when on it is refused, in Unix seconds; None: never.
    """

    name: str
    role: Role = "member"
    anonymous: bool = False
    text: bool | None = None
    user: str = ""
    team: str = ""
    labels: Mapping[str, str] = {}
    models: tuple[tuple[str, ...], ...] = ()
    routes: tuple[tuple[str, ...], ...] = ()
    limits: LimitTerms = LimitTerms()
    team_limits: LimitTerms = LimitTerms()
    user_limits: LimitTerms = LimitTerms()
    expires_at: float | None = None

    @property
    def looks(self) -> bool:
        """Whether it sees what all keys do, and not its own alone."""
        return self.role in ("admin", "reader")


ADMIN = "admin"
"""The name of who has the admin key."""

LOCAL = Account("local", anonymous=True)
"""Whoever is let in without a key."""

RESERVED = (ADMIN, LOCAL.name)
"""Names no configured key may have."""

Random = Callable[[int], bytes]
"""So many random bytes."""


class KeySpec(msgspec.Struct, frozen=True):
    """A key of the configuration.

    Attributes:
        name: What it is called in the ledger.
        value: The secret itself.
        text: Whether its prompts and answers are logged (see [files]); as everybody's unless said.
        role: What it may: everything, ask models, or only look.
        user: Whose it is.
        team: The team it belongs to.
        labels: Names and values of your own.
        models: Models it may ask, `openai/*` or `gpt-4o`; empty, with no routes: all.
        routes: Routes and aliases it may ask.
        expires: From when on it is refused: a date or an instant, ISO 8601.
        requests_per_minute: Its own limit (see [limits]); 0: none.
        requests_per_day: The same for a day.
        tokens_per_minute: Tokens read and written in a minute; 0: any number.
        tokens_per_day: The same for a day.
        parallel: Requests under way at once; 0: any number.
    """

    name: str
    value: str
    text: bool | None = None
    role: Role = "member"
    user: str = ""
    team: str = ""
    labels: dict[str, str] = {}
    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    expires: str = ""
    requests_per_minute: Count | None = None
    requests_per_day: Count | None = None
    tokens_per_minute: Count | None = None
    tokens_per_day: Count | None = None
    parallel: Count | None = None

    def __post_init__(self) -> None:
        """Refuse a time that is none, as ValueError: so it is told with its place in the configuration."""
        if self.expires and instant(self.expires) is None:
            raise ValueError(f"expires must be {WHEN}")

    @property
    def expires_at(self) -> float | None:
        """From when on it is refused, in Unix seconds; None: never."""
        return instant(self.expires) if self.expires else None

    @property
    def terms(self) -> Terms:
        """What it may do."""
        limits = LimitTerms(**{name: getattr(self, name) for name in LimitTerms.__struct_fields__})
        return Terms(
            labels=self.labels, models=self.models, routes=self.routes, text=self.text, limits=limits
        )

    @property
    def row(self) -> KeyRow:
        """The key as the store would have it."""
        return KeyRow(
            name=self.name,
            role=self.role,
            user=self.user,
            team=self.team,
            created_at=0.0,
            expires_at=self.expires_at,
            terms=msgspec.json.encode(self.terms),
        )

    def __repr__(self) -> str:
        return f"KeySpec({self.name})"


def credential(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """Return the one credential of a request, or None. Header names are lower case.

    Raises:
        Failure: INVALID, two different ones were sent; UNAUTHENTICATED, an Authorization scheme that is
            not Bearer.
    """
    found = {value.strip() for value in _sent(headers, query)} - {""}
    if len(found) > 1:
        raise invalid(
            "two different API keys were sent at once; send one", "headers", code="conflicting_api_keys"
        )
    return found.pop() if found else None


def mint(random: Random) -> str:
    """Return a new key."""
    body = _base62(int.from_bytes(random(SECRET_BYTES), "big"), BODY_LENGTH)
    return f"{PREFIX}{body}{_checksum(body)}"


def well_formed(key: str) -> bool:
    """Say whether `key` is one we made, undamaged; it may still be unknown."""
    if SHAPE.fullmatch(key) is None:
        return False
    body = key[len(PREFIX) : -CHECKSUM_LENGTH]
    return key.endswith(_checksum(body))


def digest(pepper: bytes, key: str) -> str:
    """Return what is kept of a key."""
    return hmac.digest(pepper, key.encode("utf-8", "surrogatepass"), "sha256").hex()


async def ensure_admin(store: Store, pepper: bytes, random: Random) -> str | None:
    """Make the admin key at first start: return it this once, and None ever after.

    The digest is kept under a name that belongs to the pepper: with another pepper no key could be
    recognised, and a new admin key is made.
    """
    name = _admin_setting(pepper)
    if await store.setting(name) is not None:
        return None
    key = mint(random)
    return key if await store.remember(name, digest(pepper, key), replace=False) else None


async def strange_pepper(store: Store, pepper: bytes) -> str:
    """Return what to tell a person if this store's keys were made with another pepper; "" if not.

    The first pepper a store sees is its own; it is known again by a digest that tells nothing of it.
    """
    mark = hmac.digest(pepper, b"dragoman pepper", "sha256").hex()
    if await store.remember("pepper", mark, replace=False) or await store.setting("pepper") == mark:
        return ""
    return (
        "the pepper is not the one this store was made with: no key that was made under that one is known "
        "here, and none made here is known there; set DRAGOMAN_PEPPER, or restore data/pepper"
    )


async def admin_digest(store: Store, pepper: bytes) -> str | None:
    """Return the admin key's digest, once there is one."""
    return await store.setting(_admin_setting(pepper))


def load_pepper(folder: Path, given: str | None = None, random: Random = os.urandom) -> bytes:
    """Return the server's secret: `given` (DRAGOMAN_PEPPER), else ``<folder>/pepper``, made if missing.

    Of several processes that start at once, all get the same one.

    Raises:
        Failure: UNAVAILABLE, the file cannot be made or read, or holds nothing usable.
    """
    if given:
        return given.encode()
    path = folder / "pepper"
    try:
        if not path.exists():
            _publish(path, random(32).hex())
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(Kind.UNAVAILABLE, f"{path}: cannot be used as the server's secret ({error})") from error
    if len(text) < 32:
        raise Failure(
            Kind.UNAVAILABLE,
            f"{path}: too short for the server's secret; restore it, or remove it to make a new one "
            "(keys made under the old one are then lost)",
        )
    return text.encode()


def _publish(path: Path, text: str) -> None:
    """Write a file whole or not at all; the first writer wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link never replaces what another process has put there meanwhile.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _sent(headers: Mapping[str, str], query: Mapping[str, str]) -> Iterator[str]:
    """Yield every credential of a request. A repeated header's values come joined by a comma."""
    for value in headers.get("authorization", "").split(", "):
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            yield token
        elif scheme:
            raise refusal("Authorization must be: Bearer KEY", "invalid_api_key")
    for name in HEADERS:
        yield from headers.get(name, "").split(", ")
    yield query.get("key", "")


def _admin_setting(pepper: bytes) -> str:
    return f"admin_key.{hmac.digest(pepper, b'dragoman admin key', 'sha256').hex()[:12]}"


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def refusal(message: str, code: str) -> Failure:
    """Return the refusal of a credential: 401."""
    return Failure(Kind.UNAUTHENTICATED, message, source=Source.CLIENT, code=code)
