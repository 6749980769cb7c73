"""What is told of a bill beside the ledger."""

from __future__ import annotations

import csv

from tests.accounts.reconcile.test_init import BIG, MINI, compare, of
from tests.accounts.reconcile.test_openai import FIRST, HEAD, read

from dragoman.accounts.reconcile import Reconciled
from dragoman.accounts.reconcile.told import WORDS, in_csv, in_json


def found() -> Reconciled:
    """Return a comparison in which money and tokens drift, and one cost is not known."""
    export = read("openai-usage.csv", "openai-costs.csv")
    return compare(
        export,
        of(BIG, requests=3, input=4400, cache_read=500, output=200, cost=12_375),
        of(MINI, requests=4, input=400, output=40, cost=0, unknown=4),
    )


def test_json_has_both_sides_of_each_figure() -> None:
    """Money is dollars, days are dates, and what an export does not say is null."""
    told = in_json(found())
    assert (told["provider"], told["beyond"], told["tolerance_percent"]) == ("openai", 2, 1.0)
    assert (told["since"], told["until"]) == ("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z")
    big, mini = told["rows"]
    assert (big["day"], big["model"], big["verdict"]) == ("2026-03-01", BIG, "ours_more")
    assert big["input"] == {"theirs": 4000, "ours": 4400, "drift": 400, "percent": 10.0, "beyond": True}
    assert big["cost_usd"] == {
        "theirs": 0.011375,
        "ours": 0.012375,
        "drift": 0.001,
        "percent": 8.7912,
        "beyond": True,
    }
    assert big["cache_write"] is None
    assert (mini["verdict"], mini["cost_usd"]["ours"]) == ("unknown", None)
    assert [row["day"] for row in told["models"]] == [None, None]


def test_csv_has_a_row_for_each_day_and_model() -> None:
    """Every figure has its four columns; a spreadsheet runs nothing that somebody named."""
    rows = list(csv.DictReader(in_csv(found())))
    assert [row["model"] for row in rows] == [BIG, MINI]
    assert (rows[0]["input_theirs"], rows[0]["input_ours"], rows[0]["input_drift"]) == ("4000", "4400", "400")
    assert (rows[0]["cost_usd_drift"], rows[1]["cost_usd_ours"]) == ("0.001", "")
    evil = HEAD + b',num_model_requests,input_tokens,output_tokens,model\n%d,,,,1,1,1,"=cmd()"\n' % FIRST
    [row] = csv.DictReader(in_csv(compare(read(("a.csv", evil)))))
    assert row["model"] == "'=cmd()"


def test_every_verdict_has_its_words() -> None:
    """None is told as the program calls it."""
    assert {row.verdict for row in found().rows} <= set(WORDS)
    assert len(set(WORDS.values())) == len(WORDS) == 7
