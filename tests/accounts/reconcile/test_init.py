"""A bill beside the ledger: each drift is found, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from tests.accounts.reconcile.test_openai import FIRST, HEAD, SECOND, read

from dragoman.accounts.reconcile import BEYOND, Reconciled, Row, read_tolerance, reconciled
from dragoman.accounts.reconcile import names as pairing
from dragoman.accounts.reconcile.exports import ALL, DAY, Export, Line
from dragoman.accounts.reconcile.names import Pairing
from dragoman.core.failure import Failure
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.bills import Bill
from dragoman.store.sqlite import SqliteStore

BIG, MINI = "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"
USAGE = HEAD + b",num_model_requests,input_tokens,output_tokens,model\n"


class Asked:
    """The ledger's side, made up."""

    def __init__(self, *bills: Bill) -> None:
        self.bills = list(bills)
        self.times: list[tuple[float, float]] = []

    async def bill(self, provider: str, since: float, until: float) -> list[Bill]:
        """Return them."""
        self.times.append((since, until))
        return self.bills


def of(model: str, *, day: int = FIRST, task: str = "generate", cost: int = 0, **more: int) -> Bill:
    """Return what the ledger has of a day and model."""
    counts = {"requests": 1, "input": 0, "cache_read": 0, "cache_write": 0, "output": 0, **more}
    attempts = counts.pop("attempts", counts["requests"])
    unknown, estimated = counts.pop("unknown", 0), counts.pop("estimated", 0)
    return Bill(
        day, model, task, attempts, **counts, cost_micros=cost, unknown_cost=unknown, estimated=estimated
    )


def compare(export: Export, *ours: Bill, tolerance: str = "1%") -> Reconciled:
    """Return a comparison with what the ledger has."""
    return asyncio.run(
        reconciled(Asked(*ours), export, provider="openai", tolerance=read_tolerance(tolerance))
    )


def verdicts(found: Reconciled) -> dict[tuple[int, str], str]:
    """Return what is said of each day and model."""
    return {((row.day or 0) // DAY * DAY, row.model): row.verdict for row in found.rows}


def usage(*rows: str) -> Export:
    """Return an export of usage: requests, input, output, model."""
    lines = "".join(f"1772323200,1772409600,,,{row}\n" for row in rows)
    return read(("usage.csv", USAGE + lines.encode()))


def test_what_is_equal_is_equal() -> None:
    """The same figures on both sides are no drift, in any of them."""
    found = compare(
        read("openai-usage.csv", "openai-costs.csv"),
        of(BIG, requests=3, input=4000, cache_read=500, output=200, cost=11_375),
        of(MINI, requests=4, input=400, output=40, cost=84),
    )
    assert set(verdicts(found).values()) == {"equal"}
    assert found.beyond == 0
    assert set(found.rows[0].figures) == {"requests", "input", "cache_read", "output", "cost"}
    assert all(one.drift == 0 and one.percent == 0 for one in found.rows[0].figures.values())


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (of("m", requests=100, input=1000, output=100), "equal"),
        (of("m", requests=100, input=1010, output=100), "within"),
        (of("m", requests=100, input=1011, output=100), "ours_more"),
        (of("m", requests=98, input=1000, output=100), "theirs_more"),
        (of("m", requests=100, input=1020, output=50), "theirs_more"),
        (of("m", requests=0, attempts=3), "only_theirs"),
    ],
)
def test_each_verdict_is_what_the_figures_say(ours: Bill, verdict: str) -> None:
    """A percent more is within a tolerance of one; beyond it, the figure furthest apart decides."""
    [row] = compare(usage("100,1000,100,m"), ours).rows
    assert row.verdict == verdict


def test_money_decides_before_tokens() -> None:
    """Where a cost is apart, who has more money has more, whoever has more tokens."""
    export = read("openai-usage.json", "openai-costs.json")
    found = compare(
        export,
        of(BIG, requests=3, input=1, cache_read=500, output=200, cost=20_000),
        of(MINI, requests=4, input=400, output=40, cost=84),
    )
    assert verdicts(found) == {(FIRST, BIG): "ours_more", (FIRST, MINI): "equal"}


def test_a_drift_is_told_in_numbers_and_percent() -> None:
    """Ours less theirs, and in percent of theirs; of nothing there is no percent."""
    [row] = compare(usage("10,200,0,m"), of("m", requests=10, input=150, output=3)).rows
    figures = row.figures
    assert (figures["input"].drift, figures["input"].percent, figures["input"].beyond) == (-50, -25, True)
    assert (figures["output"].drift, figures["output"].percent, figures["output"].beyond) == (3, None, True)


def test_what_one_side_alone_has_is_named() -> None:
    """A model nobody told us of, one the bill has not, and a day on which only we have anything."""
    found = compare(
        read("openai-usage.csv"),
        of(BIG, requests=3, input=4000, cache_read=500, output=200),
        of("o3", input=7),
        of(BIG, day=SECOND, input=9),
    )
    assert verdicts(found) == {
        (FIRST, BIG): "equal",
        (FIRST, MINI): "only_theirs",
        (FIRST, "o3"): "only_ours",
        (SECOND, BIG): "only_ours",
    }
    assert found.beyond == 3
    assert {row.model: row.verdict for row in found.models} == {
        BIG: "ours_more",
        MINI: "only_theirs",
        "o3": "only_ours",
    }


def test_an_export_of_nothing_is_compared_as_well() -> None:
    """Where they charged for nothing, everything we have is ours alone."""
    export = read(("empty.csv", HEAD + b"\n1772323200,1772409600,,\n"))
    found = compare(export, of("m", input=7, cost=5))
    assert verdicts(found) == {(FIRST, "m"): "only_ours"}
    assert found.rows[0].figures["cost"].ours == 5
    assert compare(export).rows == ()


def test_a_cost_nobody_knows_is_no_agreement() -> None:
    """The tokens agree, but of what they charge we cannot say that it is right."""
    export = read("openai-usage.csv", "openai-costs.csv")
    ours = of(BIG, requests=3, input=4000, cache_read=500, output=200, cost=5, unknown=1)
    found = compare(export, ours, of(MINI, requests=4, input=400, output=40, cost=84))
    [row] = [row for row in found.rows if row.model == BIG]
    assert row.verdict == "unknown"
    assert row.verdict in BEYOND
    assert (row.figures["cost"].ours, row.figures["cost"].drift) == (None, None)
    assert any("costs are not known" in words for words in found.notes)


def test_rounding_of_micro_dollars_is_no_drift() -> None:
    """A thousand calls of less than a micro-dollar are rounded a thousand times."""
    rows = HEAD + b",amount_value,amount_currency,line_item\n1772323200,1772409600,,,0.0004,usd,m\n"
    export = read(("c.csv", rows))
    assert verdicts(compare(export, of("m", requests=1000, cost=0, input=5))) == {(FIRST, "m"): "within"}
    assert verdicts(compare(export, of("m", requests=100, cost=0, input=5))) == {(FIRST, "m"): "theirs_more"}


def test_other_tasks_are_not_in_an_export_of_one() -> None:
    """Embeddings are in no export of completions, and that is said; their costs are in one of costs."""
    ours = of("text-embedding-3-small", task="embed", input=50, cost=1)
    big = of(BIG, requests=3, input=4000, cache_read=500, output=200, cost=11_375)
    mini = of(MINI, requests=4, input=400, output=40, cost=84)
    found = compare(read("openai-usage.csv"), big, mini, ours)
    assert found.beyond == 0
    assert "not in the export, and so not compared: embed" in found.notes
    both = compare(read("openai-usage.csv", "openai-costs.csv"), big, mini, ours)
    assert verdicts(both)[FIRST, "text-embedding-3-small"] == "only_ours"
    [row] = [row for row in both.rows if row.model.startswith("text")]
    assert (row.figures["cost"].ours, row.figures["input"].ours) == (1, 0)


def test_models_that_are_not_told_apart_are_compared_together() -> None:
    """Costs without line items are one amount a day; it is compared with all of ours, tokens by model."""
    rows = HEAD + b",amount_value,amount_currency\n1772323200,1772409600,,,0.011459,usd\n"
    big = of(BIG, requests=3, input=4000, cache_read=500, output=200, cost=11_375)
    found = compare(
        read("openai-usage.csv", ("c.csv", rows)), big, of(MINI, requests=4, input=400, output=40, cost=84)
    )
    assert verdicts(found) == {(FIRST, ALL): "equal", (FIRST, BIG): "equal", (FIRST, MINI): "equal"}
    together = next(row for row in found.rows if row.model == ALL)
    assert (set(together.figures), together.figures["cost"].ours) == ({"cost"}, 11_459)
    alone = compare(read(("c.csv", rows)), big)
    assert verdicts(alone) == {(FIRST, ALL): "within"}


def test_names_that_are_taken_for_the_same_are_said() -> None:
    """An alias is found by its date, and whoever reads the table is told so."""
    [row] = compare(usage(f"1,10,2,{BIG}"), of("gpt-4o", input=10, output=2)).rows
    assert (row.model, row.verdict) == ("gpt-4o", "equal")
    assert row.said == f"{BIG} on the bill is taken for gpt-4o"


def test_a_dead_call_is_told_and_no_drift() -> None:
    """Calls that were refused cost nothing; they are counted, beside those that were."""
    [row] = compare(usage("1,10,2,m"), of("m", attempts=4, input=10, output=2, estimated=1)).rows
    assert (row.verdict, row.unanswered, row.estimated) == ("equal", 3, 1)


@pytest.mark.parametrize(
    ("words", "percent"), [("1%", "1"), ("0.5 %", "0.5"), ("2", "2"), ("0", "0"), ("100%", "100")]
)
def test_a_tolerance_is_a_percentage(words: str, percent: str) -> None:
    """With its sign or without."""
    assert read_tolerance(words) == Decimal(percent)


@pytest.mark.parametrize("words", ["", "%", "-1%", "101%", "1e2", "nan", "much", "1.2.3", "٣", "1" * 99])
def test_what_is_no_tolerance_is_refused(words: str) -> None:
    """Nothing that is not a plain percentage is guessed at."""
    with pytest.raises(Failure, match="must be a percentage"):
        read_tolerance(words)


def test_too_long_a_time_is_refused() -> None:
    """Years of rows are not read at once; the ledger is asked for exactly the export's time otherwise."""
    rows = "".join(f"{at},{at + 60},,,1,1,1,m\n" for at in (FIRST, FIRST + 400 * DAY))
    with pytest.raises(Failure, match="400 days, of at most 366"):
        compare(read(("a.csv", USAGE + rows.encode())))
    asked = Asked()
    asyncio.run(reconciled(asked, read("openai-usage.csv"), provider="openai"))
    assert asked.times == [(FIRST, SECOND + DAY)]


def test_a_real_ledger_has_exactly_the_drift_that_was_made(tmp_path: Path) -> None:
    """Of exchanges, retries, a client that left and a call that died, only what was changed is found."""

    async def play() -> Reconciled:
        db = SqliteStore.open(tmp_path / "dragoman.db")
        big = AttemptRow(
            exchange_id="", number=1, provider="openai", model=BIG, opened_at=FIRST + 5.0, state="settled"
        )
        cut = Meters(input=1000, output=30, cost_micros=2_800)
        calls = {
            "a": [_changed(big, meters=Meters(input=2000, cache_read=500, output=150, cost_micros=7_125))],
            "b": [
                _changed(big, state="failed", meters=Meters(cost_micros=0)),
                _changed(big, state="cancelled", meters=cut),
            ],
            "c": [_changed(big, meters=Meters(input=500, output=20, cost_micros=1_450))],
            "d": [_changed(big, provider="other", meters=Meters(input=999, cost_micros=999))],
            "e": [_changed(big, model=MINI, meters=Meters(input=100, output=11, cost_micros=21))] * 4,
        }
        for name, tried in calls.items():
            attempts = [_changed(one, exchange_id=name, number=number) for number, one in enumerate(tried, 1)]
            row = ExchangeRow(
                id=name,
                request_id=name,
                owner="me",
                key="anna",
                dialect="openai_chat",
                task="generate",
                model="gpt",
                stream=True,
                opened_at=FIRST + 1.0,
                state="settled",
            )
            await db.settle(row, attempts)
        try:
            export = read("openai-usage.csv", "openai-costs.csv")
            return await reconciled(db.bills, export, provider="openai")
        finally:
            await db.close()

    found = asyncio.run(play())
    assert verdicts(found) == {(FIRST, BIG): "equal", (FIRST, MINI): "ours_more"}
    drifts = {(row.model, name): one.drift for row in found.rows for name, one in row.figures.items()}
    assert {what: drift for what, drift in drifts.items() if drift} == {(MINI, "output"): 4}
    assert _row(found, BIG).unanswered == 1


def _changed(row: AttemptRow, **more: Any) -> AttemptRow:
    return msgspec.structs.replace(row, **more)


def _row(found: Reconciled, model: str) -> Row:
    return next(row for row in found.rows if row.model == model)


def test_what_makes_days_drift_is_said() -> None:
    """Files that overlap, and days of another zone: neither is a drift of anybody's books."""
    export = usage("1,10,5,m")
    assert not compare(export, of("m", input=10, output=5)).notes
    twice = compare(msgspec.structs.replace(export, twice=(FIRST, SECOND)), of("m"))
    assert "several files tell of 2 days, from 2026-03-01 on: what is in more" in twice.notes[0]
    shifted = compare(msgspec.structs.replace(export, shifted=True), of("m"))
    assert "do not begin at midnight UTC" in shifted.notes[0]


class Counted(str):
    """A name that counts how often it is compared with another one."""

    __slots__ = ()
    times: ClassVar[list[int]] = [0]
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        """Say whether it is the same."""
        self.times[0] += 1
        return str.__eq__(self, other)


def test_many_models_are_not_looked_for_among_each_other_nor_by_the_thread_that_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two thousand models on both sides a name is compared a few times, in a thread aside."""
    names = [Counted(f"m{number}") for number in range(2000)]
    lines = tuple(Line(FIRST, name, {"requests": 1}) for name in names)
    export = msgspec.structs.replace(usage("1,1,1,m"), lines=lines)
    aside: list[bool] = []
    pairs = pairing.paired

    def paired(theirs: Collection[str], ours: Collection[str]) -> list[Pairing]:
        aside.append(threading.current_thread() is not threading.main_thread())
        return pairs(theirs, ours)

    monkeypatch.setattr("dragoman.accounts.reconcile.paired", paired)
    found = compare(export, *(of(name) for name in names))
    assert [row.verdict for row in found.rows] == ["equal"] * 2000
    assert Counted.times[0] < 20 * len(names)
    assert aside == [True]
