"""Who there is, as every process has it in memory.

    store ---- version(), looked at every 250 ms ----> Book ---- by digest ----> Account
                 a revocation somebody told of ---------^

A :class:`Book` is one frozen picture of keys, teams, users, budgets and prices; it is replaced whole when the
store's version is another one. So a change made by any process is known to all within a second, and a request
costs one digest and one look into a dictionary.

**A key that is not in the book** may have been made elsewhere a moment ago: if it is whole (its checksum
holds) the store is looked at once more, by one of all that wait for that, at most every 50 ms. So a flood of
made-up keys costs the store twenty looks a second; anything else is refused before any store.

**While the store cannot answer**, keys in the book go on for a time of grace and then are 503, as a key that
nobody knows is from the first instant: that the store is gone is never told as 401. Keys of the configuration
and the admin key need no store. A revocation that was learned otherwise holds, whatever the book says.
"""

from __future__ import annotations

from asyncio import Event, Lock, timeout, to_thread
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType

import msgspec

from dragoman.accounts.issuing import Issuing
from dragoman.accounts.keys import (
    ADMIN,
    LOCAL,
    LONGEST,
    PREFIX,
    Account,
    KeySpec,
    Random,
    digest,
    refusal,
    well_formed,
)
from dragoman.accounts.terms import Terms
from dragoman.core.failure import Failure, Kind
from dragoman.store import Store
from dragoman.store.budgets import BudgetRow
from dragoman.store.keys import GroupKind, GroupRow, KeyRow, SecretRow
from dragoman.store.prices import PriceRow

WATCH_S = 0.25
"""Seconds between two looks at the store's version."""

GRACE_S = 60.0
"""Seconds for which keys in the book go on while the store cannot answer."""

LOOK_S = 2.0
"""Seconds the store may take to say its version."""

READ_S = 30.0
"""Seconds it may take to be read: a hundred thousand keys take a few."""

APART_S = 0.05
"""Seconds between two looks for keys nobody knows."""

UNKNOWN_S = 1.0
"""Seconds for which a key nobody knew is not looked for again."""

MOST_UNKNOWN = 10_000
"""Such keys that are remembered, and names of keys revoked by word of mouth."""

Groups = Mapping[tuple[GroupKind, str], GroupRow]
"""Teams and users, by kind and name."""

_TERMS = msgspec.json.Decoder(Terms)


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """One picture of who there is.

    Attributes:
        version: The store's, before it was read.
        accounts: Every secret that ever was one, by digest: also of keys that have expired or are revoked.
        named: The store's accounts by name.
        keys: The store's keys, by name.
        groups: Teams and users, by kind and name.
        budgets: By name.
        prices: The oldest first.
        revoked: Names of the keys that were taken back.
        broken: Names of the keys whose terms cannot be read.
    """

    version: int = -1
    accounts: Mapping[str, Account] = MappingProxyType({})
    named: Mapping[str, Account] = MappingProxyType({})
    keys: Mapping[str, KeyRow] = MappingProxyType({})
    groups: Groups = MappingProxyType({})
    budgets: tuple[BudgetRow, ...] = ()
    prices: tuple[PriceRow, ...] = ()
    revoked: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()


class Directory:
    """Admits whoever has a key, and keeps the book of them.

    Args:
        store: Where keys are kept.
        pepper: The server's secret.
        members: Keys of the configuration.
        admin: The admin key's digest.
        open_to_all: Let in whoever has no known key, as ``local``, as long as the store has no key either.
        now: Wall clock, Unix seconds.
        tick: Monotonic clock, seconds.
        pause: Waits so many seconds.
        complain: Told of rows that cannot be read, and once when the store stops answering.
        grace_s: See the module.
    """

    def __init__(
        self,
        store: Store,
        pepper: bytes,
        members: Iterable[KeySpec] = (),
        *,
        admin: str | None = None,
        open_to_all: bool = False,
        now: Callable[[], float],
        tick: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
        complain: Callable[[str, BaseException], None],
        grace_s: float = GRACE_S,
    ) -> None:
        self.book = Book()
        """Who there is, as of the last look."""
        self.changed: Callable[[Book], None] = lambda _: None
        """Told of every new book."""
        self.tell: Callable[[str], Awaitable[None]] = _nobody
        """Told of every change made here, with the revoked key's name or "": so that other nodes hear."""
        self._store = store
        self._pepper = pepper
        self._members = tuple(members)
        self._admin = admin
        self._open_to_all = open_to_all
        self._now = now
        self._tick = tick
        self._pause = pause
        self._complain = complain
        self._grace_s = grace_s
        self._own, self._own_broken = self._configured({})
        self._begun = self._done = 0
        self._fault: Failure | None = None
        self._looking = Lock()
        self._seen_at: float | None = None
        self._begun_at: float | None = None
        self._hinted = Event()
        self._unknown: dict[str, float] = {}
        self._told: dict[str, None] = {}

    async def refresh(self) -> None:
        """Look at the store, and read it anew if it has changed; of many that ask at once one does it.

        The look began after this was called: what was written before is known when it returns.

        Raises:
            Failure: UNAVAILABLE, the store did not answer; the book stays.
        """
        await self._look_since(self._begun)

    async def following(self) -> None:
        """Look again and again, and at once after :meth:`hint`; returns never."""
        while True:
            with suppress(Failure):  # it was complained of, and whoever asks is told
                await self.refresh()
            try:
                async with timeout(WATCH_S):
                    await self._hinted.wait()
            except TimeoutError:
                continue
            self._hinted.clear()

    def hint(self) -> None:
        """Look at the store now, and not at the next look: somebody says that it has changed."""
        self._hinted.set()

    def revoke(self, name: str) -> None:
        """Refuse a key of the store from now on, whatever the store says: it was heard that it is revoked."""
        self._told[name] = None
        if len(self._told) > MOST_UNKNOWN:
            del self._told[next(iter(self._told))]
        self.hint()

    def issuing(self, random: Random) -> Issuing:
        """Return who changes keys, teams and users, so that a change holds here when it returns."""

        async def heard(revoked: str) -> None:
            if revoked:
                self.revoke(revoked)
            with suppress(Failure):  # what was written is written; the next look will see it
                await self.refresh()
            await self.tell(revoked)

        return Issuing(self._store, self._pepper, self._members, random=random, now=self._now, heard=heard)

    async def admit(self, given: str | None) -> Account:
        """Return whose credential this is; where the gateway is open to all, a stranger is ``local``.

        Raises:
            Failure: UNAUTHENTICATED, with the code ``missing_api_key``, ``invalid_api_key``,
                ``expired_api_key`` or ``revoked_api_key``; UNAVAILABLE, nobody can say now.
        """
        found = await self._find(given) if given and len(given) <= LONGEST else None
        if found is not None:
            return found
        if self._open_to_all and not self.book.keys and self.book.version >= 0:
            return LOCAL
        if not given:
            raise refusal("an API key is required: send Authorization: Bearer KEY", "missing_api_key")
        if given.startswith(PREFIX) and not well_formed(given):
            raise refusal("the API key is damaged; copy it again, from end to end", "invalid_api_key")
        raise refusal("the API key is not known here", "invalid_api_key")

    def mark(self, given: str) -> str:
        """Return the digest by which a credential is known here, and :meth:`recall` knows it again."""
        return digest(self._pepper, given)

    async def recall(self, known: str) -> Account | None:
        """Return whose credential it was that had this digest; None: nobody's any more.

        Raises:
            Failure: As :meth:`admit`, where it has expired or was revoked, or nobody can say now.
        """
        return await self._known(known, seek=True)

    async def _find(self, given: str) -> Account | None:
        """Return whose credential this is; None: nobody's. Raises as :meth:`admit`."""
        return await self._known(digest(self._pepper, given), seek=well_formed(given))

    async def _known(self, known: str, *, seek: bool) -> Account | None:
        """Return whose digest this is; `seek`: look into the store where the book does not know it."""
        account = self._own.get(known)
        if account is None:
            account = self.book.accounts.get(known)
            if account is not None:
                account = await self._fresh(known, account)
            elif seek:
                account = await self._sought(known)
            if account is None:
                return None
            self._check(account.name)
        elif account.name in self._own_broken:
            raise _unreadable()
        if account.expires_at is not None and self._now() >= account.expires_at:
            raise refusal("the API key has expired; ask for a new one", "expired_api_key")
        return account

    def _check(self, name: str) -> None:
        if name in self._told or name in self.book.revoked:
            raise refusal("the API key was revoked", "revoked_api_key")
        if name in self.book.broken:
            raise _unreadable()

    async def _fresh(self, known: str, account: Account) -> Account | None:
        """Return an account of the book, if that is young enough."""
        assert self._seen_at is not None
        if self._tick() - self._seen_at <= self._grace_s:
            return account
        await self._look_apart()
        return self.book.accounts.get(known)

    async def _sought(self, known: str) -> Account | None:
        """Look for a key that is not in the book."""
        at = self._unknown.get(known)
        if at is None or self._tick() - at > UNKNOWN_S:
            await self._look_apart()
            if (found := self.book.accounts.get(known)) is not None:
                return found
            self._unknown.pop(known, None)
            self._unknown[known] = self._tick()
            if len(self._unknown) > MOST_UNKNOWN:
                del self._unknown[next(iter(self._unknown))]
        return None

    async def _look_apart(self) -> None:
        """Refresh as :meth:`refresh`, a little after the last time that began."""
        begun = self._begun
        if self._begun_at is not None and (rest := self._begun_at + APART_S - self._tick()) > 0:
            await self._pause(rest)
        await self._look_since(begun)

    async def _look_since(self, begun: int) -> None:
        """Look, unless a look after the `begun`-th has ended by the time it is our turn."""
        async with self._looking:
            if self._done <= begun:
                self._begun += 1
                number, self._begun_at = self._begun, self._tick()
                fault = await self._look()
                if fault is None:
                    self._seen_at = self._begun_at
                elif self._fault is None:
                    self._complain("keys cannot be looked up", fault)
                # A look whose caller left is none that has ended: the next one looks for itself.
                self._done, self._fault = number, fault
            if self._fault is not None:
                raise self._fault

    async def _look(self) -> Failure | None:
        """Bring the book up to date; return why that cannot be done."""
        try:
            async with timeout(LOOK_S):
                version = await self._store.keys.version()
            if version != self.book.version:
                async with timeout(READ_S):
                    self._take(await self._read(version))
        except TimeoutError:
            return _unavailable("the store does not answer")
        except Failure as failure:
            return _unavailable(failure.message, failure.retry_after_s)
        except Exception as error:  # noqa: BLE001  a row nobody can read must not end the watch
            self._complain("keys cannot be read", error)
            return _unavailable("the store holds what cannot be read; the log says what")
        return None

    async def _read(self, version: int) -> Book:
        """Return what the store has. `version` was read before: what changes meanwhile is seen later."""
        keys = {row.name: row for row in await self._store.keys.keys()}
        secrets = await self._store.keys.secrets()
        groups = {(row.kind, row.name): row for row in await self._store.keys.groups()}
        budgets, prices = await self._store.budgets.rows(), await self._store.prices.rows()
        named, broken = await to_thread(self._named, keys, groups)
        return Book(
            version=version,
            accounts=await to_thread(_by_digest, named, secrets),
            named=named,
            keys=keys,
            groups=groups,
            budgets=tuple(budgets),
            prices=tuple(prices),
            revoked=frozenset(name for name, row in keys.items() if row.revoked_at is not None),
            broken=frozenset(broken),
        )

    def _take(self, book: Book) -> None:
        self._own, self._own_broken = self._configured(book.groups)
        self.book = book
        for name in [name for name in self._told if name in book.revoked]:
            del self._told[name]
        self.changed(book)

    def _named(self, keys: Mapping[str, KeyRow], groups: Groups) -> tuple[dict[str, Account], set[str]]:
        """Return the account of each key, and the names of those whose terms cannot be read.

        What is as it was is not made again: with many keys that is most of the work.
        """
        old = self.book
        same = old.groups == groups
        named: dict[str, Account] = {}
        broken: set[str] = set()
        for name, row in keys.items():
            if same and name not in old.broken and old.keys.get(name) == row:
                named[name] = old.named[name]
                continue
            try:
                named[name] = _account(row, groups)
            except msgspec.MsgspecError as error:
                self._complain(f"the terms of the key {name} cannot be read", error)
                named[name] = Account(name, expires_at=row.expires_at)
                broken.add(name)
        return named, broken

    def _configured(self, groups: Groups) -> tuple[dict[str, Account], set[str]]:
        """Return the accounts that need no store: of the configuration, and the admin key's; and as above."""
        rows = [(digest(self._pepper, key.value), key.row) for key in self._members]
        accounts: dict[str, Account] = {}
        broken: set[str] = set()
        for known, row in rows:
            try:
                accounts[known] = _account(row, groups)
            except msgspec.MsgspecError as error:
                self._complain(f"the terms of the key {row.name} cannot be read", error)
                accounts[known] = Account(row.name)
                broken.add(row.name)
        if self._admin is not None:
            accounts[self._admin] = Account(ADMIN, "admin")
        return accounts, broken


def _by_digest(named: Mapping[str, Account], secrets: Iterable[SecretRow]) -> dict[str, Account]:
    """Return the account of each secret, which may end before its key does."""
    accounts = {}
    for secret in secrets:
        account = named.get(secret.key)
        if account is None:  # it was made after the keys were read: the next look has both
            continue
        ends = account.expires_at
        if secret.expires_at is not None and (ends is None or secret.expires_at < ends):
            account = msgspec.structs.replace(account, expires_at=secret.expires_at)
        accounts[secret.digest] = account
    return accounts


def _account(row: KeyRow, groups: Groups) -> Account:
    """Return what a key may, with what its team and user may.

    Raises:
        MsgspecError: The terms of one of them are none.
    """
    own = _TERMS.decode(row.terms)
    team, user = _terms(groups, "team", row.team), _terms(groups, "user", row.user)
    every = (own, team, user)
    restricted = any(terms.models or terms.routes for terms in every)
    said = (terms.text for terms in (own, user, team) if terms.text is not None)
    return Account(
        row.name,
        row.role,
        text=next(said, None),
        user=row.user,
        team=row.team,
        labels={**team.labels, **user.labels, **own.labels},
        models=tuple(terms.models for terms in every) if restricted else (),
        routes=tuple(terms.routes for terms in every) if restricted else (),
        limits=own.limits,
        team_limits=team.limits,
        user_limits=user.limits,
        expires_at=row.expires_at,
    )


def _terms(groups: Groups, kind: GroupKind, name: str) -> Terms:
    row = groups.get((kind, name))
    return _TERMS.decode(row.terms) if row is not None else Terms()


def _unavailable(message: str, retry_after_s: float | None = None) -> Failure:
    return Failure(Kind.UNAVAILABLE, message, code="store_unavailable", retry_after_s=retry_after_s or 1.0)


def _unreadable() -> Failure:
    return _unavailable("what this key may do cannot be read; the log says why")


async def _nobody(_: str) -> None:
    """Tell nobody."""
