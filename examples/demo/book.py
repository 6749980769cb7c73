"""The demo's ledger: everything that happens is booked through the store, as the gateway would have.

    doings        keys, budgets, prices, a repricing: each by its own API, at its own time
    happenings    of a few hours: opened under their claims -> settled -> rated -> alerts looked at

Nothing is written beside the product: keys are issued, budgets grant or refuse, alerts are told when they
were due (three hours late at most), and every sum is the store's own. Only the clock is another one.
"""

from __future__ import annotations

import secrets
from asyncio import gather, to_thread
from collections.abc import Awaitable, Callable, Iterable, Iterator
from decimal import Decimal

import msgspec
from examples.demo.cast import DAYS, DESKS, EXPIRED, GROUPS, REVOKED, ROTATED, SPENT_OUT, Desk
from examples.demo.month import DAY_S, HOUR_S, Happening, Setting, asked_for, month, priced, refused

from dragoman.accounts.alerts import Alerts
from dragoman.accounts.budgeting import put
from dragoman.accounts.budgets import Budgets, BudgetSpec
from dragoman.accounts.issuing import Draft, Issuing
from dragoman.accounts.keys import ADMIN, Account
from dragoman.accounts.repricing import Span, reprice
from dragoman.accounts.tariffs import set_price
from dragoman.accounts.terms import LimitTerms
from dragoman.config import Config
from dragoman.core.usage import Price
from dragoman.providers.prices import PriceList
from dragoman.sinks import Rated, Record
from dragoman.sinks.files import Files
from dragoman.store import AttemptRow, ExchangeRow, RatingRow, Store
from dragoman.store.budgets import BudgetRow, Claim, Share
from dragoman.store.prices import PriceRow

STEP_S = 3 * HOUR_S
"""Happenings of so many seconds are booked together."""

CONTRACT = "mistral"
"""With whom a price was agreed, entered ten days after it had begun to hold."""
CONTRACT_SHARE = Decimal("0.85")

LIKE = ("openai", "gpt-5.4-nano")
"""Whose price the simulated providers have, so that what they answer costs something."""

GONE = "demo-gone"
"""The process that died with two requests under way."""

LOGGED_S = 3 * DAY_S
"""The log of prompts has so many seconds of the month, its last."""

Doing = tuple[float, Callable[[], Awaitable[None]]]


class Books:
    """Books a month, and what comes after it.

    Args:
        store: Where.
        pepper: The server's secret, with which keys are kept.
        config: The demo's configuration.
        setting: What the month depends on.
        announce: Told how far it is.
    """

    def __init__(
        self, store: Store, pepper: bytes, config: Config, setting: Setting, announce: Callable[[str], None]
    ) -> None:
        self.secrets: dict[str, str] = {}
        """The secret of each key that was made."""
        self._store = store
        self._config = config
        self._setting = setting
        self._announce = announce
        self._at = setting.anchor
        self._rows: tuple[BudgetRow, ...] = ()
        self._set: tuple[PriceRow, ...] = ()
        self._issuing = Issuing(store, pepper, random=secrets.token_bytes, now=self._now)
        self._budgets = Budgets(lambda: self._rows, self._now)
        self._prices = PriceList(config.catalog, config.prices, lambda: self._set)
        self._accounts = {desk.name: _account(desk) for desk in DESKS}
        self._alerts = Alerts(
            lambda: self._rows, store.budgets, lambda _: None, now=self._now, complain=_raise
        )
        self._files = Files(
            msgspec.structs.replace(config.files, enabled=True), tick=self._now, complain=_raise
        )

    def _now(self) -> float:
        return self._at

    async def first(self) -> int:
        """Book the month up to the anchor, and who there was; return how many exchanges."""
        anchor = self._setting.anchor
        since = anchor - DAYS * DAY_S
        self._announce(f"a month of about {self._setting.exchanges:,} exchanges is booked ...")
        spent = _spent(self._setting, since, anchor, self._prices)
        count = await self._book(since, anchor, self._doings(spent))
        self._announce(f"{count:,} exchanges booked")
        return count

    async def since(self, since: float, until: float) -> int:
        """Book what happened while nobody ran the demo; return how many exchanges."""
        self._rows = tuple(await self._store.budgets.rows())
        self._set = tuple(await self._store.prices.rows())
        self._at = since
        await self._lift(_spent(self._setting, since, until, self._prices)["support"])
        return await self._book(since, until, [])

    async def _book(self, since: float, until: float, doings: list[Doing]) -> int:
        count, told = 0, 0
        for end, batch in _steps(month(self._setting, since, until), until):
            while doings and doings[0][0] < end:
                self._at, do = doings.pop(0)
                await do()
            # The end is the clock's: what a budget refuses is refused in its own instant all the same.
            self._at = end
            done = await gather(*map(self._opened, batch))
            await gather(*(self._store.settle(one.exchange, one.attempts) for one in done))
            await self._rated(done, until)
            await self._alerts.look()
            if end > until - LOGGED_S:
                await to_thread(self._log, done, until)
            count += len(done)
            if count - told >= 5000:
                told = count
                self._announce(f"{count:,} so far")
        return count

    async def _opened(self, one: Happening) -> Happening:
        """Open an exchange under its budgets; return it with its cost, or as the refusal it became."""
        one = priced(one, self._prices.find)
        if not one.attempts:
            return one
        row, first = one.exchange, one.attempts[0]
        account = self._accounts[row.key]
        _, targets = asked_for(row.model)
        names = (row.model, *(name for target in targets for name in (target.model, str(target))))
        shares = self._budgets.shares(account, names, at=row.opened_at)
        claim = Claim(row.meters.cost_micros or 0, shares)
        short = await self._store.open_exchange(*_opening(row, first), claim)
        if short is None:
            return one
        return refused(one, self._budgets.refusal(short, claim, row.opened_at, account=account))

    async def _rated(self, done: Iterable[Happening], until: float) -> None:
        rows = [_rating(one) for one in done if one.rate and one.exchange.state == "settled"]
        await gather(*(self._store.ratings.keep(row) for row in rows if row.rated_at <= until))

    def _log(self, done: Iterable[Happening], until: float) -> None:
        """Write the log's lines, as the sink does; words only of the key whose words are logged."""
        records: list[Record | Rated] = []
        for one in sorted(done, key=lambda one: one.ends_at):
            prompt, response = one.words or (None, None)
            records.append(Record(one.exchange, prompt, response))
            if one.rate is not None and (row := _rating(one)).rated_at <= until:
                records.append(Rated(*msgspec.structs.astuple(row)))
        if records:
            self._files.append(records)

    def _doings(self, spent: dict[str, int]) -> list[Doing]:
        """Return what was done in the month, in order."""
        anchor = self._setting.anchor
        doings: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (31.0, self._found),
            (30.9, self._price_simulated),
            (30.5, lambda: self._budget(spent)),
            (14.0, lambda: self._make(14.0)),
            (11.2, self._rotate),
            (10.1, self._contract),
            (9.4, self._crash),
            (8.0, self._revoke),
            (6.3, self._widen),
            (4.2, self._close),
        ]
        return [(anchor - days * DAY_S, do) for days, do in doings]

    async def _found(self) -> None:
        for kind, name, terms in GROUPS:
            await self._issuing.put_group(ADMIN, kind, name, terms)
        await self._make(31.0)

    async def _make(self, days: float) -> None:
        """Make the keys that were made so many days before the end."""
        for desk in DESKS:
            if desk.made == days:
                ends = self._setting.anchor - desk.until * DAY_S if desk.name == EXPIRED else None
                draft = Draft(
                    name=desk.name,
                    role=desk.role,
                    user=desk.user,
                    team=desk.team,
                    expires_at=ends,
                    terms=desk.terms,
                )
                _, self.secrets[desk.name] = await self._issuing.create(ADMIN, draft)

    async def _budget(self, spent: dict[str, int]) -> None:
        """Set budgets by what the month will have spent: one is used up midway, one nearly at the end."""
        specs = {
            "everything": BudgetSpec(_dollars(spent["all"], 1.3)),
            "support-pilot": _pilot(spent["support"]),
            "prototypes": BudgetSpec(
                _dollars(spent[SPENT_OUT], 0.6), scope="key", subject=SPENT_OUT, period="total"
            ),
            "frontier-models": BudgetSpec(
                _dollars(spent["opus"], 0.28),
                scope="model",
                subject="anthropic/claude-opus-5-5",
                period="week",
            ),
        }
        for name, spec in specs.items():
            soft = name in ("everything", "frontier-models")
            wanted = msgspec.structs.replace(spec, hard=not soft)
            await put(self._store.budgets, name, wanted, actor=ADMIN, now=self._at)
        self._rows = tuple(await self._store.budgets.rows())

    async def _close(self) -> None:
        """Lower a budget to what it has spent: what was left of it paid for nothing any more."""
        row = next(row for row in self._rows if row.name == "prototypes")
        window = await self._store.budgets.window(Share(row.name, row.scope, row.subject, 0, None))
        spent = f"{max(1, window.spent_micros) / 1_000_000:.6f}"
        spec = BudgetSpec(spent, scope="key", subject=SPENT_OUT, period="total")
        await put(self._store.budgets, row.name, spec, actor=ADMIN, now=self._at)
        self._rows = tuple(await self._store.budgets.rows())

    async def _lift(self, more: int) -> None:
        """Raise the pilot's budget where so many micro-dollars more would use it up."""
        row = next((row for row in self._rows if row.name == "support-pilot"), None)
        if row is None:
            return  # somebody has removed it
        window = await self._store.budgets.window(Share(row.name, row.scope, row.subject, 0, None))
        spent = window.spent_micros + more
        if spent * 1.05 > row.cap_micros:
            await put(self._store.budgets, row.name, _pilot(spent), actor=ADMIN, now=self._at)
            self._rows = tuple(await self._store.budgets.rows())

    async def _price_simulated(self) -> None:
        price = self._prices.find(*LIKE, self._at).price
        for name in self._config.providers:
            if name.startswith("sim-"):
                await self._price(name, "*", price, self._at)

    async def _contract(self) -> None:
        """Enter a price that holds since ten days ago, and price what was booked meanwhile anew."""
        model, since = "mistral-small-2603", self._at - 10 * DAY_S
        listed = self._prices.find(CONTRACT, model, self._at).price
        assert listed is not None
        agreed = Price(listed.input * CONTRACT_SHARE, listed.output * CONTRACT_SHARE)
        await self._price(CONTRACT, model, agreed, since)
        await reprice(
            self._store.prices,
            self._store.audit,
            find=self._prices.find,
            span=Span(since, self._at, CONTRACT, model),
            actor=ADMIN,
            now=self._at,
        )

    async def _price(self, provider: str, model: str, price: Price | None, since: float) -> None:
        await set_price(
            self._store.prices,
            self._config.providers,
            actor=ADMIN,
            provider=provider,
            model=model,
            price=price,
            since=since,
            now=self._at,
        )
        self._set = tuple(await self._store.prices.rows())

    async def _rotate(self) -> None:
        _, self.secrets[ROTATED] = await self._issuing.rotate(ADMIN, ROTATED, overlap_s=2 * DAY_S)

    async def _revoke(self) -> None:
        await self._issuing.revoke(ADMIN, REVOKED)
        del self.secrets[REVOKED]

    async def _widen(self) -> None:
        """Let a key ask more than before."""
        desk = next(desk for desk in DESKS if desk.name == "search-backend")
        terms = msgspec.structs.replace(desk.terms, limits=LimitTerms(requests_per_minute=900))
        draft = Draft(name=desk.name, user=desk.user, team=desk.team, terms=terms)
        await self._issuing.change(ADMIN, draft)

    async def _crash(self) -> None:
        """Leave two requests open, and sweep them as the next start does."""
        rows = [one.exchange for one in month(self._setting, self._at, self._at + DAY_S) if one.attempts][:2]
        for place, row in enumerate(rows):
            left = msgspec.structs.replace(row, id=f"req_{'0' * 23}{place}", owner=GONE, opened_at=self._at)
            attempt = AttemptRow(
                exchange_id=left.id,
                number=1,
                provider=row.provider or "",
                model=row.answered_model or "",
                opened_at=self._at,
            )
            opened, _ = _opening(left, attempt)
            await self._store.open_exchange(msgspec.structs.replace(opened, request_id=left.id), attempt)
        await self._store.interrupt([GONE])


def _steps(happenings: Iterable[Happening], until: float) -> Iterator[tuple[float, list[Happening]]]:
    """Yield happenings in batches, each with the instant it is booked at."""
    batch: list[Happening] = []
    end = 0.0
    for one in happenings:
        begins = one.exchange.opened_at
        if begins >= end:
            if batch:
                yield min(end, until), batch
            batch, end = [], begins // STEP_S * STEP_S + STEP_S
        batch.append(one)
    yield until, batch


def _opening(row: ExchangeRow, attempt: AttemptRow) -> tuple[ExchangeRow, AttemptRow]:
    """Return the rows as they were before anybody was asked."""
    fixed = ("id", "request_id", "owner", "key", "dialect", "task", "model", "stream", "opened_at")
    known = {name: getattr(row, name) for name in (*fixed, "team", "user", "route")}
    return (
        ExchangeRow(**known, attempts=1, provider=attempt.provider),
        AttemptRow(
            exchange_id=row.id,
            number=attempt.number,
            provider=attempt.provider,
            model=attempt.model,
            opened_at=attempt.opened_at,
        ),
    )


def _spent(setting: Setting, since: float, until: float, prices: PriceList) -> dict[str, int]:
    """Return micro-dollars of a coming time: of all, of a team, of a key, of the dearest model."""
    found = {"all": 0, "support": 0, SPENT_OUT: 0, "opus": 0}
    for one in month(setting, since, until):
        row = priced(one, prices.find).exchange
        for name in ("all", row.team, row.key, "opus" if row.answered_model == "claude-opus-5-5" else ""):
            if name in found:
                found[name] += row.meters.cost_micros or 0
    return found


def _rating(one: Happening) -> RatingRow:
    row, rate = one.exchange, one.rate
    assert rate is not None
    model = row.answered_model or row.model
    return RatingRow(row.id, row.key, model, rate.rating, rate.feedback, one.ends_at + rate.after_s)


def _account(desk: Desk) -> Account:
    return Account(desk.name, team=desk.team, user=desk.user)


def _pilot(spent: int) -> BudgetSpec:
    """Return the budget of which so many micro-dollars are nearly all."""
    return BudgetSpec(_dollars(spent, 1.07), scope="team", subject="support", period="total")


def _dollars(micros: int, share: float) -> str:
    """Return a share of an amount in dollars and cents, a cent at least."""
    return f"{max(0.01, micros * share / 1_000_000):.2f}"


def _raise(message: str, error: BaseException) -> None:
    raise RuntimeError(message) from error
