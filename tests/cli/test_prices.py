"""``dragoman prices``: what holds, prices of one's own, and history priced anew."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import main
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.audit import AuditRow
from dragoman.store.sqlite import SqliteStore

ENVIRON = {"DRAGOMAN_LOCAL_ENABLED": "false", "OPENAI_API_KEY": "sk-1", "DRAGOMAN_DATA": "data"}
SET = ("set", "openai/gpt-5.5", "--input", "1", "--output", "2")
THEN = 1_795_000_000.0
"""18 November 2026."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run ``dragoman prices``; return what went to stdout."""
    assert main(["prices", *words], ENVIRON) == code
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Run it for programs; return its JSON."""
    return json.loads(said(capsys, *words, "--json"))


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    """Run what cannot be done; return what is said of it."""
    assert main(["prices", *words], ENVIRON) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err


def by(capsys: pytest.CaptureFixture[str]) -> str:
    """Return by whose word GPT-5.5 has its price."""
    [entry] = told(capsys, "list", "--provider", "openai", "--model", "gpt-5.5")
    word: str = entry["by"]
    return word


def kept(*rows: AttemptRow) -> None:
    """Write attempts, each of an exchange of its own, as a gateway would have."""

    async def run() -> None:
        db = SqliteStore.open(Path("data/dragoman.db"))
        try:
            for row in rows:
                exchange = ExchangeRow(
                    id=row.exchange_id,
                    request_id=row.exchange_id,
                    owner="me",
                    key="a",
                    dialect="prompt",
                    task="generate",
                    model="m",
                    stream=False,
                    opened_at=row.opened_at,
                    state="settled",
                    meters=row.meters,
                )
                await db.settle(exchange, [row])
        finally:
            await db.close()

    Path("data").mkdir(exist_ok=True)
    asyncio.run(run())


def attempt(name: str, cost: int | None, price: str, *, at: float = THEN) -> AttemptRow:
    """Return an attempt that read 1000 tokens and wrote as many."""
    meters = Meters(input=1000, output=1000, cost_micros=cost)
    fields: dict[str, Any] = {"provider": "openai", "model": "gpt-5.5", "state": "settled", "price": price}
    return AttemptRow(exchange_id=name, number=1, opened_at=at, **fields, meters=meters)


def costs(*names: str) -> list[int | None]:
    """Return what exchanges are booked at."""

    async def run() -> list[int | None]:
        db = SqliteStore.open(Path("data/dragoman.db"))
        try:
            found = [await db.exchange(name) for name in names]
            return [row.meters.cost_micros for row in found if row is not None]
        finally:
            await db.close()

    return asyncio.run(run())


def log() -> list[AuditRow]:
    """Return the audit log, the newest first."""

    async def run() -> list[AuditRow]:
        db = SqliteStore.open(Path("data/dragoman.db"))
        try:
            return [row for _, row in await db.audit.rows()]
        finally:
            await db.close()

    return asyncio.run(run())


def test_what_holds_now_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Of providers that are set up; with the long price, and by whose word."""
    lines = said(capsys, "list").splitlines()
    assert lines[0].split("  ")[0] == "MODEL"
    row = next(line for line in lines if line.startswith("openai/gpt-5.5 "))
    assert row.split()[1:4] == ["5", "30", "0.5"]
    assert "above 272000: 10 / 45" in row
    assert "genai-prices" in row
    assert not [line for line in lines if line.startswith("anthropic/")]
    assert [line for line in said(capsys, "list", "--all").splitlines() if line.startswith("anthropic/")]


def test_what_nobody_knows_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A model without a price is no model that costs nothing."""
    assert main(["prices", "list", "--provider", "cohere", "--model", "rerank-v3.5"], ENVIRON) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[1].split() == ["cohere/rerank-v3.5", "-", "-", "-", "-", "-", "nobody"]
    assert "1 have no price" in shown.err
    assert main(["prices", "list", "--model", "nobody"], ENVIRON) == 0
    assert "no such model" in capsys.readouterr().err


def test_a_price_of_ones_own_is_set_and_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    """Its number is the result; it holds from now on, until what ships holds again."""
    assert said(capsys, *SET, "--cache-read", "0.1") == "operator 1\n"
    [entry] = told(capsys, "list", "--provider", "openai", "--model", "gpt-5.5")
    assert entry["price"] == {"input": "1", "output": "2", "cache_read": "0.1"}
    assert entry["by"] == "operator 1"
    assert said(capsys, "unset", "openai/gpt-5.5") == "operator 2\n"
    assert by(capsys).startswith("genai-prices")
    assert [(row.actor, row.action) for row in log()] == [
        ("command line", "prices.unset"),
        ("command line", "prices.set"),
    ]


def test_a_price_may_begin_later(capsys: pytest.CaptureFixture[str]) -> None:
    """Until then the old one holds."""
    row = told(capsys, *SET, "--from", "2099-01-01")
    assert (row["number"], row["since"], row["price"]) == (1, 4_070_908_800.0, {"input": "1", "output": "2"})
    assert by(capsys).startswith("genai-prices")


def test_a_whole_price_is_given_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With a fee, and prices of its own for long prompts and for tiers."""
    price = {
        "input": "1",
        "output": "2",
        "request": "0.01",
        "long_after": 5,
        "long": {"input": "3", "output": "4"},
        "tiers": {"flex": {"input": "0.5", "output": "1"}},
    }
    said(capsys, "set", "openai/*", "--price", json.dumps(price))
    row = next(line for line in said(capsys, "list").splitlines() if line.startswith("openai/gpt-5.5 "))
    assert "request 0.01, above 5: 3 / 4, flex: 0.5 / 1" in row
    assert row.endswith("operator 1")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set", "openai/gpt-5.5"), "--input and --output"),
        (("set", "openai/gpt-5.5", "--input", "1"), "--input and --output"),
        (("set", "openai/gpt-5.5", "--input", "x", "--output", "1"), "'x' is no amount"),
        (("set", "openai/gpt-5.5", "--input", "-1", "--output", "1"), "from 0 to"),
        ((*SET, "--price", "{}"), "not both"),
        (("set", "openai/gpt-5.5", "--price", "{}"), "--price is no price"),
        (("set", "openai/gpt-5.5", "--price", "{"), "--price is no price"),
        ((*SET, "--from", "soon"), "no time"),
        (("reprice", "--since", "soon"), "no time"),
    ],
)
def test_what_is_no_price_is_refused(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    """In one line that says what is wrong, before anything is written."""
    try:
        assert says in refused(capsys, *words)
    except SystemExit as exit_:  # argparse's own refusal
        assert exit_.code == 2  # noqa: PT017  either way of refusing will do
        assert says in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nobody/m", "openai", "openai/"])
def test_a_price_is_of_a_model_of_a_provider(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Who is misspelt would never be charged by it."""
    said_of_it = refused(capsys, "set", name, "--input", "1", "--output", "1", code=2)
    assert "no provider is named nobody" in said_of_it or "name of a model" in said_of_it


def test_history_is_priced_anew(capsys: pytest.CaptureFixture[str]) -> None:
    """First it is said what would change, then it changes; the log says by how much."""
    kept(attempt("a", 35_000, "genai-prices 0.2.3"), attempt("b", None, ""), attempt("c", 9, "provider"))
    said(capsys, *SET, "--from", "2026-11-01")
    wanted = {"seen": 3, "rows": 2, "kept": 1, "unknown": 1, "before_micros": 35_000, "after_micros": 6000}
    assert told(capsys, "reprice", "--dry-run").items() >= wanted.items()
    assert costs("a", "b", "c") == [35_000, None, 9]
    assert main(["prices", "reprice"], ENVIRON) == 0
    shown = capsys.readouterr()
    assert "openai/gpt-5.5  genai-prices 0.2.3  operator 1  1         0.035000  0.003000" in shown.out
    assert "2 of 3 attempts changed: $0.035000 -> $0.006000" in shown.err
    assert "1 stay: the provider said" in shown.err
    assert costs("a", "b", "c") == [3000, 3000, 9]
    assert log()[0].action == "prices.reprice"


def test_only_a_part_of_history_is_priced_anew(capsys: pytest.CaptureFixture[str]) -> None:
    """From a day on, and to another; of one provider, of one model."""
    kept(attempt("a", 1, "x"), attempt("b", 1, "x", at=THEN + 86_400))
    said(capsys, *SET, "--from", "2026-01-01")
    for words in (
        ("--provider", "groq"),
        ("--model", "n"),
        ("--until", str(THEN)),
        ("--since", "2026-11-20"),
    ):
        assert told(capsys, "reprice", *words)["seen"] == 0
    assert told(capsys, "reprice", "--until", str(THEN + 1), "--provider", "openai")["rows"] == 1
    assert costs("a", "b") == [3000, 1]
