"""However a request ends, it is told once and booked once."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dragoman.accounts.budgets import Budgets
from dragoman.accounts.keys import LOCAL
from dragoman.accounts.limits import Limits, LimitSpec
from dragoman.accounts.sizes import Sizes
from dragoman.core.failure import Failure, Kind, invalid
from dragoman.core.request import Message, Request, Text
from dragoman.core.usage import Price
from dragoman.dialects import Call, Reply
from dragoman.dialects.catalog import DIALECTS
from dragoman.exchange.ending import ending, opened, request_id
from dragoman.exchange.life import Exchange, Relayed, Services
from dragoman.providers.catalog import catalog
from dragoman.providers.prices import PriceList, Quote
from dragoman.routing import Target
from dragoman.sinks import Record
from dragoman.store import AttemptRow, ExchangeRow

FREELY = SimpleNamespace(find=lambda *_: Quote(Price(Decimal(1), Decimal(1)), "operator 1"))


class Out:
    """Notes what is told."""

    def __init__(self) -> None:
        self.begun = False
        self.over = False
        self.told: list[Reply] = []

    async def reply(self, reply: Reply, headers: dict[str, str]) -> None:
        """Note a reply."""
        self.told.append(reply)


class Ledger:
    """Notes what is booked."""

    owner = "me"

    def __init__(self, *, broken: bool = False) -> None:
        self.booked: list[str] = []
        self.settled: list[ExchangeRow] = []
        self.told: list[Record] = []
        self._broken = broken

    async def open(self, exchange: ExchangeRow, attempt: AttemptRow, claim: None) -> None:
        """Note the first attempt."""
        self.booked.append(f"open {exchange.state} {attempt.number}")

    async def next(self, attempt: AttemptRow, claim: None) -> None:
        """Note one more."""
        self.booked.append(f"next {attempt.number}")

    async def settle(self, exchange: ExchangeRow, attempts: list[AttemptRow]) -> None:
        """Note the end."""
        if self._broken:
            raise Failure(Kind.UNAVAILABLE, "disk full")
        self.settled.append(exchange)


def exchange(ledger: Ledger, complaints: list[str]) -> Exchange:
    """Return an exchange whose services only note."""
    services: Any = SimpleNamespace(
        live=lambda: SimpleNamespace(prices=PriceList(catalog())),
        ledger=ledger,
        new_id=lambda: "req_1",
        now=lambda: 1.0,
        tick=lambda: 1.0,
        complain=lambda message, _: complaints.append(message),
        limits=(limits := Limits(LimitSpec(), tick=lambda: 1.0)),
        budgets=Budgets(tuple, lambda: 1.0),
        sizes=Sizes(),
        tell=ledger.told.append,
        under_way={},
    )
    ex = Exchange(cast("Services", services), "relay", None)
    ex.door = DIALECTS["openai_chat"]
    ex.account = LOCAL
    ex.asked = Relayed("m", stream=False)
    ex.stay = limits.stay(LOCAL, ex.id)
    return ex


async def live(ex: Exchange, out: Out, error: BaseException | None) -> None:
    """Live one request that ends in `error`, or well."""
    async with ending(ex, cast("Any", out)):
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "state", "status", "told"),
    [
        (None, "settled", 200, []),
        (invalid("no", "$"), "failed", 400, [400]),
        (ValueError("a bug"), "failed", 500, [500]),
    ],
)
def test_an_end_is_told_and_booked_once(
    error: Exception | None, state: str, status: int, told: list[int]
) -> None:
    """Well, refused, or by a bug of ours, which is complained about."""
    ledger, out, complaints = Ledger(), Out(), list[str]()
    asyncio.run(live(exchange(ledger, complaints), out, error))
    assert [(row.state, row.status) for row in ledger.settled] == [(state, status)]
    assert [record.row for record in ledger.told] == ledger.settled
    assert [reply.status for reply in out.told] == told
    assert complaints == (["request req_1 failed on a bug"] if status == 500 else [])


def test_a_bug_in_who_is_told_costs_no_row() -> None:
    """The ledger has the request before anybody else hears of it."""
    ledger, complaints = Ledger(), list[str]()
    ex = exchange(ledger, complaints)
    ex.services.tell = cast("Any", None)  # type: ignore[misc]
    asyncio.run(live(ex, Out(), None))
    assert [row.state for row in ledger.settled] == ["settled"]
    assert complaints == ["request req_1 could not be told of"]


@pytest.mark.parametrize(("over", "state"), [(False, "cancelled"), (True, "settled")])
def test_a_client_that_leaves_is_a_cancellation_that_goes_on(*, over: bool, state: str) -> None:
    """Unless it had everything already."""
    ledger, out = Ledger(), Out()
    out.over = over
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(live(exchange(ledger, []), out, asyncio.CancelledError()))
    assert [row.state for row in ledger.settled] == [state]
    assert out.told == []


def test_a_bug_after_the_first_byte_is_not_told_as_an_answer() -> None:
    """There is one already; the server breaks it off."""
    ledger, out = Ledger(), Out()
    out.begun = True
    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(live(exchange(ledger, []), out, ValueError("a bug")))
    assert [row.state for row in ledger.settled] == ["failed"]
    assert out.told == []


def test_a_stranger_is_not_booked() -> None:
    """A flood of requests without a key must not grow the ledger."""
    ledger = Ledger()
    ex = exchange(ledger, [])
    ex.account = None
    asyncio.run(live(ex, Out(), invalid("no", "$")))
    assert ledger.settled == []


def test_a_ledger_that_fails_at_the_end_is_complained_about() -> None:
    """The client has its answer all the same."""
    complaints: list[str] = []
    asyncio.run(live(exchange(Ledger(broken=True), complaints), Out(), None))
    assert complaints == ["request req_1 could not be settled in the ledger"]


def test_attempts_are_booked_as_they_open() -> None:
    """The first with its request, in one commit; each further one by itself."""
    ledger = Ledger()
    ex = exchange(ledger, [])

    async def play() -> None:
        for number in (1, 2):
            attempt = await opened(ex, Target("p", "m"))
            assert attempt.number == number

    asyncio.run(play())
    assert ledger.booked == ["open reserved 1", "next 2"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "settled"),
        (Failure(Kind.TIMEOUT, "slow"), "failed"),
        (ValueError("a bug"), "failed"),
        (asyncio.CancelledError(), "cancelled"),
    ],
)
def test_however_it_ends_it_is_the_model_of_who_was_asked_last(
    error: BaseException | None, state: str
) -> None:
    """The route stays what was asked for; the model is the last attempt's, if it has said a word or not."""
    ledger = Ledger()
    ex = exchange(ledger, [])
    ex.asked = Relayed("fast", stream=False)

    async def play() -> None:
        async with ending(ex, cast("Any", Out())):
            for target in (Target("p", "m-1"), Target("q", "n-1")):
                await opened(ex, target)
            if error is not None:
                raise error

    with nullcontext() if state != "cancelled" else pytest.raises(asyncio.CancelledError):
        asyncio.run(play())
    [row] = ledger.settled
    assert (row.state, row.model, row.provider, row.answered_model) == (state, "fast", "q", "n-1")


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1_X", "abc-1_X"), ("a b", None), ("", None), ("x" * 65, None)]
)
def test_a_sane_id_of_the_client_is_taken(given: str, kept: str | None) -> None:
    """Anything else is not."""
    assert request_id(Call("GET", "/", {}, {"x-request-id": given})) == kept


def test_who_leaves_before_anybody_is_asked_owes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows may have been written, and its budget asked; the provider has heard of none of it."""
    ledger = Ledger()
    ex = exchange(ledger, [])
    ex.most = 1_000_000  # what was asked and never answered would be charged for what it read

    async def leave(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(ledger, "open", leave)

    async def play() -> None:
        async with ending(ex, cast("Any", Out())):
            ex.asked = Request("openai_chat", "m", (Message("user", (Text("hello"),)),), max_output=5)
            ex.live = cast("Any", SimpleNamespace(prices=FREELY, catalog=catalog()))
            await opened(ex, Target("p", "m"))

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(play())
    [row] = ledger.settled
    assert (row.state, row.attempts, row.meters.cost_micros) == ("cancelled", 1, 0)
