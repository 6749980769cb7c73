"""Issuing: keys, teams and users made, changed, rotated and taken back, each with an entry in the audit log.

A secret is returned by what makes it, once; what is kept is its digest, and what the audit log and every
other answer say of it is its last four characters. A name is a key's for ever: the ledger knows it by that.

**Nobody is locked out by accident.** The admin key of the first start is no row: it cannot be revoked,
changed or expire. Who uses another key with the role admin has to say so (`confirm`) before that very key is
revoked, ends, or loses its role.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from dragoman.accounts.keys import PREFIX, RESERVED, KeySpec, Random, digest, mint
from dragoman.accounts.terms import NAME, NAMED, Terms
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.store import Store
from dragoman.store.audit import AuditRow
from dragoman.store.keys import GroupKind, GroupRow, KeyRow, Role, SecretRow

OVERLAP_S = 86_400.0
"""How long the old secret of a rotated key still holds, unless it is said otherwise."""

LONGEST_S = 366 * 86_400.0
"""How long it may."""

TRIES = 20
"""How often a change is tried while others change the same key."""

MOST_WORDS = 1000
"""Letters of a description, entries of a list."""

_TERMS = msgspec.json.Decoder(Terms)

Status = Literal["active", "expired", "revoked", "unreadable"]


class Held(msgspec.Struct, frozen=True):
    """A key as it may be shown: what it may, and its secrets by their last four characters.

    ``origin``: whether it stands in the configuration, or in the store. ``readable``: whether its terms
    could be read; if not it lets nobody in, and can only be revoked.
    """

    row: KeyRow
    terms: Terms
    secrets: tuple[SecretRow, ...] = ()
    origin: Literal["config", "store"] = "store"
    readable: bool = True

    def status(self, now: float) -> Status:
        """Say whether the key lets in."""
        if self.row.revoked_at is not None:
            return "revoked"
        if not self.readable:
            return "unreadable"
        ends = self.row.expires_at
        return "expired" if ends is not None and now >= ends else "active"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is to be. ``expires_at``: Unix seconds; None: never."""

    name: str
    role: Role = "member"
    user: str = ""
    team: str = ""
    expires_at: float | None = None
    terms: Terms = Terms()


class Issuing:
    """Makes and changes keys, teams and users.

    Args:
        store: Where they are kept.
        pepper: The server's secret.
        members: Keys of the configuration, whose names are taken.
        random: Where secrets come from.
        now: Wall clock, Unix seconds.
        heard: Told of every change once it is durable, with the name of the key that was revoked, if one was:
            so that it holds in this process at once, and others may be told.
    """

    def __init__(
        self,
        store: Store,
        pepper: bytes,
        members: Sequence[KeySpec] = (),
        *,
        random: Random,
        now: Callable[[], float],
        heard: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._heard = heard
        self._store = store
        self._pepper = pepper
        self._members = {key.name: key for key in members}
        self._random = random
        self._now = now

    async def keys(self) -> list[Held]:
        """Return every key, revoked or not, by name: the configuration's as well."""
        rows, secrets = await self._store.keys.keys(), await self._store.keys.secrets()
        return await to_thread(self._all, rows, secrets)

    async def known(self) -> list[Held]:
        """Return every key as :meth:`keys` does, without its secrets: for who looks at many."""
        return await to_thread(self._all, await self._store.keys.keys(), ())

    def _all(self, rows: Sequence[KeyRow], secrets: Sequence[SecretRow]) -> list[Held]:
        """Return keys of the store and of the configuration; in a thread, since they may be many."""
        held = _with_secrets(rows, secrets)
        held += [_configured(key) for key in self._members.values()]
        return sorted(held, key=lambda one: one.row.name)

    async def show(self, name: str) -> Held:
        """Return one key; raise NOT_FOUND where there is none."""
        kept = self._store.keys
        if found := _with_secrets(await kept.keys(name), await kept.secrets(name)):
            return found[0]
        if name in self._members:
            return _configured(self._members[name])
        raise _none("key")

    async def create(self, actor: str, draft: Draft) -> tuple[Held, str]:
        """Make a key; return it with its secret, which nobody can ask for again.

        Raises:
            Failure: INVALID; CONFLICT, the name is taken, or was once.
        """
        await self._check_name(draft.name)
        await self._check(draft)
        now = self._now()
        row = KeyRow(
            name=draft.name,
            role=draft.role,
            user=draft.user,
            team=draft.team,
            created_at=now,
            expires_at=draft.expires_at,
            terms=msgspec.json.encode(draft.terms),
        )
        secret, kept = self._minted(draft.name, now)
        audit = _entry(now, actor, "key.create", draft.name, {"is": _told(row), "hint": kept.hint})
        if not await self._store.keys.add(row, kept, audit):
            raise _conflict("a key of this name exists, or did; names are never used again", "$.name")
        await self._tell()
        return Held(row, draft.terms, (_faceless(kept),)), secret

    async def change(self, actor: str, draft: Draft, *, confirm: str = "") -> Held:
        """Replace what a key may do; return it as it is now. Raises as :meth:`amend`."""
        return await self.amend(actor, draft.name, lambda _: draft, confirm=confirm)

    async def amend(
        self, actor: str, name: str, drafted: Callable[[Held], Draft], *, confirm: str = ""
    ) -> Held:
        """Make of a key what `drafted` makes of it as it is; return it as it is now.

        Where somebody else changes it at that moment, it is drafted anew: no change undoes another one.

        Raises:
            Failure: INVALID; NOT_FOUND; CONFLICT, the key is revoked, or stands in the configuration.
        """
        for _ in range(TRIES):
            held = await self._changeable(name)
            if await self._change(actor, held, drafted(held), confirm=confirm):
                await self._tell()
                return await self.show(name)
        raise _conflict("this key is being changed by others; ask again", "name")

    async def _change(self, actor: str, held: Held, draft: Draft, *, confirm: str) -> bool:
        """Change a key; return False where it is no longer as it was."""
        await self._check(draft, past=held.row.expires_at)
        if draft.role != "admin" or draft.expires_at != held.row.expires_at:
            _confirm(actor, draft.name, confirm, doing="change its role or end")
        row = msgspec.structs.replace(
            held.row,
            role=draft.role,
            user=draft.user,
            team=draft.team,
            expires_at=draft.expires_at,
            terms=msgspec.json.encode(draft.terms),
        )
        audit = _entry(
            self._now(), actor, "key.change", draft.name, {"was": _told(held.row), "is": _told(row)}
        )
        return await self._store.keys.change(row, audit, was=held.row)

    async def rotate(self, actor: str, name: str, *, overlap_s: float = OVERLAP_S) -> tuple[Held, str]:
        """Give a key a new secret, and return it; the old ones hold for `overlap_s` more seconds.

        Raises:
            Failure: INVALID; NOT_FOUND; CONFLICT, the key is revoked, or stands in the configuration.
        """
        if not 0 <= overlap_s <= LONGEST_S:
            raise invalid("the overlap must be between 0 and 366 days", "$.overlap_s")
        await self._changeable(name)
        now = self._now()
        secret, kept = self._minted(name, now)
        detail: dict[str, Json] = {"hint": kept.hint, "old_until": now + overlap_s}
        audit = _entry(now, actor, "key.rotate", name, detail)
        if not await self._store.keys.rotate(kept, audit, old_until=now + overlap_s):
            raise _conflict("the key was revoked meanwhile", "name")
        await self._tell()
        return await self.show(name), secret

    async def revoke(self, actor: str, name: str, *, confirm: str = "") -> Held:
        """Take a key back, for ever; one that was taken back before stays as it is.

        Raises:
            Failure: NOT_FOUND; CONFLICT, it stands in the configuration; INVALID, it is the actor's own, and
                `confirm` does not name it.
        """
        held = await self._known(name)
        if held.row.revoked_at is None:
            _confirm(actor, name, confirm, doing="revoke it")
            now = self._now()
            await self._store.keys.revoke(name, now, _entry(now, actor, "key.revoke", name, {}))
            await self._tell(name)
        return await self.show(name)

    async def groups(self, kind: GroupKind) -> list[GroupRow]:
        """Return every team, or every user, by name."""
        return [row for row in await self._store.keys.groups() if row.kind == kind]

    async def group(self, kind: GroupKind, name: str) -> GroupRow:
        """Return one; raise NOT_FOUND where there is none."""
        for row in await self.groups(kind):
            if row.name == name:
                return row
        raise _none(kind)

    async def put_group(self, actor: str, kind: GroupKind, name: str, terms: Terms) -> GroupRow:
        """Make a team or user, or replace its terms; return it.

        Raises:
            Failure: INVALID.
        """
        if NAME.fullmatch(name) is None:
            raise invalid(f"this cannot be a {kind}'s name; {NAMED}", "name")
        check_terms(terms)
        now = self._now()
        old = next((row for row in await self.groups(kind) if row.name == name), None)
        row = GroupRow(kind=kind, name=name, created_at=now, terms=msgspec.json.encode(terms))
        was: Json = None if old is None else msgspec.json.decode(old.terms)
        audit = _entry(now, actor, f"{kind}.put", name, {"was": was, "is": msgspec.json.decode(row.terms)})
        await self._store.keys.put_group(row, audit)
        await self._tell()
        return await self.group(kind, name)

    async def remove_group(self, actor: str, kind: GroupKind, name: str) -> None:
        """Remove a team or user.

        Raises:
            Failure: NOT_FOUND; CONFLICT, a key that is not revoked belongs to it.
        """
        old = await self.group(kind, name)
        was: dict[str, Json] = {"was": msgspec.json.decode(old.terms)}
        done = await self._store.keys.remove_group(
            kind, name, _entry(self._now(), actor, f"{kind}.remove", name, was)
        )
        if done == "used":
            raise _conflict(f"keys belong to this {kind}; revoke them or move them first", "name")
        if done == "none":
            raise _none(kind)
        await self._tell()

    async def _tell(self, revoked: str = "") -> None:
        if self._heard is not None:
            await self._heard(revoked)

    def _minted(self, name: str, now: float) -> tuple[str, SecretRow]:
        secret = mint(self._random)
        return secret, SecretRow(digest(self._pepper, secret), name, now, hint=secret[-4:])

    async def _known(self, name: str) -> Held:
        """Return a key of the store; refuse one of the configuration."""
        held = await self.show(name)
        if held.origin == "config":
            raise _conflict("this key stands in the configuration: change it there", "name")
        return held

    async def _changeable(self, name: str) -> Held:
        held = await self._known(name)
        if held.row.revoked_at is not None:
            raise _conflict("this key is revoked, and stays so; make another", "name")
        if not held.readable:
            raise _conflict("what this key may do cannot be read; revoke it and make another", "name")
        return held

    async def _check_name(self, name: str) -> None:
        if NAME.fullmatch(name) is None:
            raise invalid(f"this cannot be a key's name; {NAMED}", "$.name")
        known = {digest(self._pepper, key.value) for key in self._members.values()}
        known |= {secret.digest for secret in await self._store.keys.secrets()}
        if name.startswith(PREFIX) or digest(self._pepper, name) in known:
            raise invalid("this is a secret, and no name: whoever sees the ledger would see it", "$.name")
        if name in RESERVED:
            raise _conflict("no key may have this name: the gateway itself uses it", "$.name")
        if name in self._members:
            raise _conflict("a key of the configuration has this name", "$.name")

    async def _check(self, draft: Draft, *, past: float | None = None) -> None:
        """Refuse a key that could not work; `past` is an end it has already."""
        check_terms(draft.terms)
        if draft.expires_at is not None and draft.expires_at != past and draft.expires_at <= self._now():
            raise invalid("this time has passed already", "$.expires")
        there = {(row.kind, row.name) for row in await self._store.keys.groups()}
        if draft.team and ("team", draft.team) not in there:
            raise invalid("there is no team of this name; make it first", "$.team")
        if draft.user and ("user", draft.user) not in there:
            raise invalid("there is no user of this name; make it first", "$.user")


def terms_of(raw: bytes) -> Terms:
    """Return terms as they are kept; raise UNAVAILABLE where they are none."""
    try:
        return _TERMS.decode(raw)
    except msgspec.MsgspecError as error:
        raise Failure(Kind.UNAVAILABLE, f"terms in the store cannot be read: {error}") from error


def check_terms(terms: Terms) -> None:
    """Refuse terms that cannot be meant, or not be read again; raise ``invalid()`` with the place."""
    try:
        msgspec.convert(msgspec.to_builtins(terms), Terms)
    except msgspec.ValidationError as error:
        reason, _, at = str(error).partition(" - at `")
        raise invalid(reason[:1].lower() + reason[1:], at.rstrip("`") or "$") from None
    if len(terms.description) > MOST_WORDS:
        raise invalid(f"a description may have {MOST_WORDS} letters", "$.description")
    for name, words in terms.labels.items():
        if NAME.fullmatch(name) is None or len(words) > 256 or not words.isprintable():
            at = f"$.labels.{name}" if NAME.fullmatch(name) else "$.labels"
            raise invalid(f"a label is a name and up to 256 letters; {NAMED}", at)
    for field in ("models", "routes"):
        for place, word in enumerate(getattr(terms, field)):
            if not word.strip() or len(word) > 256 or "*" in word[:-1] or not word.isprintable():
                message = "this is no name; only at its end a * stands for any end"
                raise invalid(message, f"$.{field}[{place}]")


def _configured(key: KeySpec) -> Held:
    return Held(key.row, key.terms, origin="config")


def _with_secrets(rows: Iterable[KeyRow], secrets: Iterable[SecretRow]) -> list[Held]:
    """Return keys of the store, each with its secrets, the oldest first."""
    of: dict[str, list[SecretRow]] = {}
    for secret in sorted(secrets, key=lambda one: one.created_at):
        of.setdefault(secret.key, []).append(_faceless(secret))
    return [_held(row, tuple(of.get(row.name, ()))) for row in rows]


def _held(row: KeyRow, secrets: tuple[SecretRow, ...]) -> Held:
    """Return a key of the store. One that nobody can read hides no other, and can be revoked."""
    try:
        return Held(row, terms_of(row.terms), secrets)
    except Failure:
        return Held(row, Terms(), secrets, readable=False)


def _confirm(actor: str, name: str, confirm: str, *, doing: str) -> None:
    if actor == name and confirm != name:
        message = f'this is the key you are using; to {doing} all the same, send "confirm": "{name}" as well'
        raise invalid(message, "$.confirm")


def _faceless(secret: SecretRow) -> SecretRow:
    return msgspec.structs.replace(secret, digest="")


def _told(row: KeyRow) -> dict[str, Json]:
    """Return what the audit log says of a key."""
    terms: Json = msgspec.json.decode(row.terms)
    return {
        "role": row.role,
        "user": row.user,
        "team": row.team,
        "expires_at": row.expires_at,
        "terms": terms,
    }


def _entry(at: float, actor: str, action: str, subject: str, detail: Mapping[str, Json]) -> AuditRow:
    return AuditRow(at, actor, action, subject, msgspec.json.encode(detail))


def _none(kind: str) -> Failure:
    """Return that there is none; whatever was asked for is not repeated: it may have been a secret."""
    message = f"there is no {kind} of this name"
    return Failure(Kind.NOT_FOUND, message, source=Source.CLIENT, at="name", code=f"{kind}_not_found")


def _conflict(message: str, at: str) -> Failure:
    return Failure(Kind.CONFLICT, message, source=Source.CLIENT, at=at, code="conflict")
