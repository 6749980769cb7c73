"""The history checker of ``make faults`` finds what it is there to find: each fault is made up, and found."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from drills.ask import DOORS, INPUT, MARK, PATHS, Ask, Door, Watch
from drills.books import File, rows, stands
from drills.figures import at_least, at_most, missing, none, table, told
from drills.history import Booked, Findings, Place, Seen, Stand, check, price
from drills.plan import Plan
from faults import written
from msgspec.structs import replace

from dragoman.dialects import Call
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.fields import parse
from dragoman.simulator.answers import input_tokens
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.budgets import Claim, Share
from dragoman.store.sqlite import SqliteStore
from drills import canary

PLACE = ("purse", "anna", 0)
CAPS = {"purse": 1000}
SEEN = Seen(id="a", read=10, sent=20, told=(10, 20))
ROW = Booked(id="a", key="anna", state="settled", attempts=1, cost=price(10, 20), held=300, shares=(PLACE,))
STAND = Stand(PLACE, spent=price(10, 20), held=0)
NOTHING = Findings()


def found(*, seen: Seen = SEEN, row: Booked = ROW, stand: Stand = STAND) -> Findings:
    """Check one request."""
    return check([seen], [row], [stand], CAPS)


def only(findings: Findings, *names: str) -> bool:
    """Say whether something was found of these kinds, and of no other."""
    return {name for name in findings.__struct_fields__ if getattr(findings, name)} == set(names)


def test_what_is_right_is_found_right() -> None:
    """A settled request at the provider's price leaves nothing to say."""
    assert found() == NOTHING


def test_a_lost_row_is_found() -> None:
    """A request the provider saw has a row, or it is lost."""
    assert only(check([SEEN], [], [], CAPS), "lost")


def test_a_call_without_an_attempt_is_found() -> None:
    """Two calls under one attempt are one too many."""
    twice = check([replace(SEEN, told=None), SEEN], [ROW], [STAND], CAPS)
    assert twice.lost == ["a reached the provider 2 times and has 1 attempts"]


def test_a_row_the_provider_never_saw_is_none_of_its_business() -> None:
    """A gateway that was killed between its commit and its call has booked too much, and lost nothing."""
    row = replace(ROW, state="interrupted", cost=300)
    assert check([], [row], [Stand(PLACE, 300, 0)], CAPS) == NOTHING


@pytest.mark.parametrize("more", [-1, 1])
def test_a_cost_that_is_off_by_one_is_found(more: int) -> None:
    """Micro-dollars are exact."""
    row, stand = replace(ROW, cost=price(10, 20) + more), replace(STAND, spent=STAND.spent + more)
    assert only(found(row=row, stand=stand), "wrong")


def test_a_cost_nobody_knows_is_found() -> None:
    """The provider said what it counted; a settled row must say what that costs."""
    assert only(found(row=replace(ROW, cost=None), stand=replace(STAND, spent=0)), "wrong")


@pytest.mark.parametrize(
    ("cost", "shares", "right"),
    [(None, (), True), (None, (PLACE,), False), (price(10, 20), (), True), (price(10, 20) - 1, (), False)],
)
def test_a_call_that_broke_off_may_leave_the_cost_unknown(
    cost: int | None, shares: tuple[Place, ...], *, right: bool
) -> None:
    """Nobody knows what it costs, and a row may say so; under a budget it may not."""
    reset = Seen(id="a", read=10, sent=0, outcome="reset")
    row = replace(ROW, attempts=2, cost=cost, shares=shares)
    assert (check([reset, SEEN], [row], [], CAPS) == NOTHING) is right


def test_an_open_row_and_held_money_are_found() -> None:
    """Where nothing runs, nothing is reserved and nothing is held."""
    row, stand = replace(ROW, state="reserved", cost=None), Stand(PLACE, 0, 300)
    assert only(found(row=row, stand=stand), "stranded")


@pytest.mark.parametrize(("cost", "held"), [(None, 300), (price(10, 20) - 1, 300), (299, 300)])
def test_an_interrupted_request_booked_too_low_is_found(cost: int | None, held: int) -> None:
    """It costs what was held for it, which was no less than what the provider had sent."""
    row = replace(ROW, state="interrupted", cost=cost, held=held)
    assert only(found(row=row, stand=replace(STAND, spent=cost or 0)), "below")


def test_a_window_that_forgot_something_is_found() -> None:
    """What a window says is spent is what its rows sum up to."""
    assert only(found(stand=replace(STAND, spent=STAND.spent - 1)), "drift")


def test_an_overshoot_is_found() -> None:
    """A window that has more than its cap is over it, be it spent or held."""
    row = replace(ROW, cost=1001)
    assert found(row=row, stand=Stand(PLACE, 1001, 0)).over
    assert found(stand=replace(STAND, held=1000)).over


def test_an_overshoot_by_the_providers_own_count_is_found() -> None:
    """A ledger that books too little does not hide what the provider charges."""
    seen = Seen(id="a", read=10, sent=200, outcome="cancelled")
    row = replace(ROW, state="cancelled", estimated=True)
    assert only(found(seen=seen, row=row), "beyond")


async def _booked(path: Path) -> None:
    """Book one request under a budget, as the gateway does."""
    store = SqliteStore.open(path)
    exchange = ExchangeRow(
        id="req_1",
        request_id="a",
        owner="me",
        key="anna",
        dialect="openai_chat",
        task="generate",
        model="m",
        stream=True,
        opened_at=1.0,
    )
    attempt = AttemptRow(exchange_id="req_1", number=1, provider="north", model="m", opened_at=1.0)
    claim = Claim(300, (Share("purse", "key", "anna", 0, 1000),))
    assert await store.open_exchange(exchange, attempt, claim) is None
    meters = Meters(input=10, output=20, cost_micros=price(10, 20))
    await store.settle(
        replace(exchange, state="settled", settled_at=2.0, meters=meters),
        [replace(attempt, state="settled", settled_at=2.0, meters=meters)],
    )
    await store.close()


def test_the_books_are_read_as_they_were_written(tmp_path: Path) -> None:
    """What the store wrote is what the drills read, past it."""
    path = tmp_path / "dragoman.db"

    async def play() -> None:
        await _booked(path)
        books = File(path)
        assert await rows(books) == [ROW]
        assert await rows(books, since=1.0) == []
        assert await stands(books) == [STAND]
        assert b"anna" in await books.dump()

    asyncio.run(play())


def test_a_secret_that_was_written_down_is_found(tmp_path: Path) -> None:
    """One file with the word is enough; a foreign server's own files are not ours to judge."""
    plan = Plan(tmp_path, seed=1)
    (plan.place("crash") / "gateway.log").write_text("INFO: nothing to see")
    (plan.place("outage/postgres") / "server.conf").write_text(MARK)
    assert all(figure.ok for figure in canary.search(plan))
    (plan.place("crash") / "gateway.log").write_text(f"INFO: {MARK}-client-key")
    assert [figure.notes for figure in canary.search(plan) if not figure.ok] == [
        ("crash/gateway.log holds a secret",)
    ]


def test_a_secret_in_an_answer_is_found(tmp_path: Path) -> None:
    """Every answer is looked through, and every head."""
    watch = Watch()
    watch.look("a", b"nothing")
    watch.look("b", f"x-echo: {MARK}")
    assert (watch.answers, watch.leaks) == (2, ["the answer to b holds a secret"])
    assert not all(figure.ok for figure in canary.search(Plan(tmp_path, seed=1, watch=watch)))


def test_figures_can_fail() -> None:
    """A figure beyond its target is shown as a failure; one that is only told never is."""
    figures = [
        none("d", "a", []),
        none("d", "b", ["x"]),
        at_most("d", "c", 2.0, 1.0),
        at_least("d", "e", 1, 2),
        missing("d", "f", "no server"),
        told("d", "g", 3),
    ]
    assert [figure.ok for figure in figures] == [True, False, False, False, False, True]
    assert table(figures).count("**NO**") == 4


def test_figures_are_written_between_their_marks(tmp_path: Path) -> None:
    """The rest of the page stays as it is."""
    page = "before\n<!-- measured: faults -->\nold\n<!-- end -->\nafter\n"
    new = written(page, [none("d", "a", [])], Plan(tmp_path, seed=7))
    assert new.startswith("before\n<!-- measured: faults -->\n")
    assert new.endswith("<!-- end -->\nafter\n")
    assert "seed 7" in new
    assert "old" not in new


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    """A run is played again by its seed; what is named differently draws differently."""
    one, same, other = (Plan(tmp_path, seed=seed) for seed in (1, 1, 2))
    drawn = [plan.rng("crash", 3).random() for plan in (one, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert one.rng("crash", 4).random() != drawn[0]


@pytest.mark.parametrize("door", DOORS)
def test_the_provider_counts_a_prompt_as_the_drills_do(door: Door) -> None:
    """What an interrupted request had read is known without the provider's word for it."""
    asked = Ask(id="a", key="k", target="m", door=door, most=5)
    body = parse(asked.request().partition(b"\r\n\r\n")[2])
    dialect = DIALECTS[
        {"chat": "openai_chat", "messages": "anthropic", "responses": "openai_responses"}[door]
    ]
    assert input_tokens(dialect.read_request(Call("POST", PATHS[door], {}, {}, body))) == INPUT
