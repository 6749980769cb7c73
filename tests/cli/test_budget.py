"""``dragoman budget``: what may be spent, set and shown whether or not a gateway runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.accounts.rows import exchange

from dragoman.accounts.budgeting import enter
from dragoman.accounts.budgets import BudgetSpec
from dragoman.cli import main
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.budgets import Claim, Share
from dragoman.store.sqlite import SqliteStore

ENVIRON = {"DRAGOMAN_LOCAL_ENABLED": "false", "DRAGOMAN_DATA": "data"}

TOLD = "50,80,100%"
"""When somebody is told, unless said otherwise."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Run a command that succeeds; return the JSON it prints."""
    assert main(["budget", *words, "--json"], ENVIRON) == 0
    return json.loads(capsys.readouterr().out)


def test_a_budget_is_set_shown_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not given of an old one stays; the audit log says it was the command line."""
    made = told(capsys, "set", "red", "--dollars", "25", "--scope", "team", "--subject", "red", "--soft")
    assert (made["dollars"], made["scope"], made["hard"], made["period"]) == (25.0, "team", False, "month")
    changed = told(capsys, "set", "red", "--dollars", "0.000001", "--alert", "90", "--alert", "10", "--hard")
    assert (changed["dollars"], changed["subject"], changed["hard"]) == (1e-6, "red", True)
    assert changed["alerts"] == [10, 90]
    assert told(capsys, "set", "red", "--zone", "Europe/Rome")["dollars"] == 1e-6
    assert told(capsys, "show", "red")["zone"] == "Europe/Rome"
    assert [one["name"] for one in told(capsys, "list")] == ["red"]
    assert told(capsys, "set", "red", "--scope", "all")["subject"] == ""
    assert main(["budget", "remove", "red"], ENVIRON) == 0
    assert told(capsys, "list") == []
    assert main(["audit", "--json"], ENVIRON) == 0
    assert "command line" in capsys.readouterr().out


def test_the_table_says_how_each_window_stands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Spent, held, left and when it ends."""
    told(capsys, "set", "each", "--dollars", "1", "--scope", "key", "--subject", "*", "--period", "total")
    told(capsys, "set", "all", "--dollars", "2", "--period", "day")

    async def hold() -> None:
        db = SqliteStore.open(tmp_path / "data" / "dragoman.db")
        row = ExchangeRow(
            id="x",
            request_id="r",
            owner="me",
            key="ann",
            dialect="prompt",
            task="generate",
            model="m",
            stream=False,
            opened_at=1.0,
        )
        attempt = AttemptRow(exchange_id="x", number=1, provider="p", model="m", opened_at=1.0)
        share = Share("each", "key", "ann", 0, 1_000_000)
        assert await db.open_exchange(row, attempt, Claim(250_000, (share,))) is None
        await db.close()

    assert main(["budget", "list"], ENVIRON) == 0
    assert any(line.split()[:2] == ["each", "each"] for line in capsys.readouterr().out.splitlines())
    asyncio.run(hold())
    assert main(["budget", "list"], ENVIRON) == 0
    head, whole, mine = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head == ["NAME", "ABOUT", "SUBJECT", "CAP", "SPENT", "HELD", "LEFT", "ENDS", "HARD", "ALERTS"]
    assert whole[:2] + whole[4:7] == ["all", "everything,", "$2.00", "$0.00", "$0.00"]
    assert mine[-7:] == ["$1.00", "$0.00", "$0.25", "$0.75", "never", "yes", TOLD]
    assert "ann" in mine


def test_a_budget_for_each_is_listed_as_the_one_used_furthest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With how many more there are; shown alone, everybody it holds for has a line, who has asked or not."""
    for name in ("ann", "bob", "zoe"):
        assert main(["keys", "create", name], ENVIRON) == 0
    capsys.readouterr()
    told(capsys, "set", "each", "--dollars", "1", "--scope", "key", "--subject", "*", "--period", "total")

    async def spend() -> None:
        db = SqliteStore.open(tmp_path / "data" / "dragoman.db")
        await db.settle(exchange("x", key="zoe", meters=Meters(cost_micros=250_000)), [])
        await db.close()

    asyncio.run(spend())
    assert main(["budget", "list"], ENVIRON) == 0
    _, line = capsys.readouterr().out.splitlines()
    assert line.split()[4:] == [
        "zoe",
        "and",
        "2",
        "more",
        "$1.00",
        "$0.25",
        "$0.00",
        "$0.75",
        "never",
        "yes",
        TOLD,
    ]
    assert main(["budget", "show", "each"], ENVIRON) == 0
    _, *lines = (line.split() for line in capsys.readouterr().out.splitlines())
    assert [(line[4], line[6], line[8]) for line in lines] == [
        ("zoe", "$0.25", "$0.75"),
        ("ann", "$0.00", "$1.00"),
        ("bob", "$0.00", "$1.00"),
    ]
    shown = told(capsys, "show", "each")
    assert [one["spent_usd"] for one in shown["windows"]] == [0.25, 0, 0]
    assert told(capsys, "list") == [shown]


def test_without_a_budget_it_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    """The remark goes to stderr: a pipe gets nothing."""
    assert main(["budget", "list"], ENVIRON) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "dragoman budget set" in shown.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["set", "x"], 2, "wants --dollars"),
        (["set", "x", "--dollars", "much"], 2, "no amount"),
        (["set", "x", "--dollars", "1", "--scope", "key"], 2, "each has its own"),
        (["set", "x", "--dollars", "1", "--subject", "a"], 2, "no subject"),
        (["set", "x", "--dollars", "1", "--zone", "Mars"], 2, "no time zone"),
        (["set", "x", "--dollars", "1", "--alert", "0"], 2, "from 1 to 1000"),
        (["set", "a b", "--dollars", "1"], 2, "letters, digits"),
        (["show", "x"], 1, "no budget of this name"),
        (["remove", "x"], 1, "no budget of this name"),
        (["set", "x", "--dollars", "1", "--hard", "--soft"], 2, "not allowed with"),
    ],
)
def test_what_cannot_be_is_one_line_that_says_why(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code tells a faulty command line from one that did not succeed."""
    assert main(["budget", *words], ENVIRON) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_the_configurations_budgets_are_changed_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One that a start took from the file is not changed by hand."""
    told(capsys, "set", "red", "--dollars", "1")

    async def configure() -> None:
        db = SqliteStore.open(tmp_path / "data" / "dragoman.db")
        await enter({"red": BudgetSpec(dollars=1)}, db.budgets, 1.0)
        await db.close()

    asyncio.run(configure())
    assert main(["budget", "remove", "red"], ENVIRON) == 1
    assert "stands in the configuration" in capsys.readouterr().err


def test_a_budget_of_nobody_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """It may be misspelt; of who is there, of everybody, of each and of a model nothing is said."""
    assert main(["keys", "create", "alice"], ENVIRON) == 0
    capsys.readouterr()
    for scope, subject in (("key", "alice"), ("key", "*"), ("model", "gpt-4o"), ("all", "")):
        assert (
            main(["budget", "set", "b", "--dollars", "5", "--scope", scope, "--subject", subject], ENVIRON)
            == 0
        )
        assert capsys.readouterr().err == ""
    assert main(["budget", "set", "b", "--scope", "key", "--subject", "alcie", "--alert", "80"], ENVIRON) == 0
    told = capsys.readouterr()
    assert "there is no key 'alcie' now" in told.err
    assert told.out.splitlines()[1].endswith("yes   80%")
    assert main(["budget", "set", "b", "--alert", "0"], ENVIRON) == 2
    assert "from 1 to 1000" in capsys.readouterr().err
