"""``dragoman reconcile``: what it prints, and when it fails."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.accounts.reconcile.test_openai import FIRST, SAMPLES

from dragoman.accounts.reconcile import Reconciled, Row
from dragoman.cli import main
from dragoman.cli.reconcile import tell
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.sqlite import SqliteStore

OFF = {"DRAGOMAN_LOCAL_ENABLED": "false"}
USAGE, COSTS = str(SAMPLES / "openai-usage.csv"), str(SAMPLES / "openai-costs.csv")
BIG, MINI = "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def book(folder: Path, *, output: int = 200) -> None:
    """Write calls that are those of the samples, but for the output of one model."""

    async def run() -> None:
        db = SqliteStore.open(folder / "data" / "dragoman.db")
        big = Meters(input=3500, cache_read=500, output=output, cost_micros=11_375)
        mini = Meters(input=100, output=10, cost_micros=21)
        row = ExchangeRow(
            id="e",
            request_id="e",
            owner="me",
            key="anna",
            dialect="openai_chat",
            task="generate",
            model="gpt-4o",
            stream=False,
            opened_at=FIRST + 60.0,
            state="settled",
        )
        calls = [(BIG, big), (BIG, Meters(input=0, output=0, cost_micros=0)), *[(MINI, mini)] * 4]
        calls.append((BIG, Meters(cost_micros=0)))
        attempts = [
            AttemptRow(
                exchange_id="e",
                number=number,
                provider="openai",
                model=model,
                opened_at=FIRST + 61.0,
                state="settled",
                meters=meters,
            )
            for number, (model, meters) in enumerate(calls, 1)
        ]
        await db.settle(row, attempts)
        await db.close()

    asyncio.run(run())


def test_what_agrees_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to look into: no table, a sentence on stderr, and 0."""
    book(tmp_path)
    assert main(["reconcile", USAGE, COSTS, "--provider", "openai"], OFF) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "openai, 2026-03-01 to 2026-03-02: of 2 days and models 2 are equal, 0 within 1%, 0 beyond\n"
    )
    assert main(["reconcile", USAGE, COSTS, "--provider", "openai", "--all"], OFF) == 0
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["2026-03-01", BIG, "equal"],
        ["2026-03-01", MINI, "equal"],
    ]


def test_a_drift_is_a_table_and_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The day, the model, who has more, both figures; 1. With more tolerance it is 0."""
    book(tmp_path, output=220)
    assert main(["reconcile", USAGE, COSTS, "--provider", "openai"], OFF) == 1
    told = capsys.readouterr()
    [line] = told.out.splitlines()[1:]
    assert line.startswith(f"2026-03-01  {BIG}  we have more")
    assert "200 -> 220 (+10.00%)" in line
    assert "$0.011375" in line
    assert "1 beyond" in told.err
    assert main(["reconcile", USAGE, COSTS, "--provider", "openai", "--tolerance", "10%"], OFF) == 0


def test_programs_get_json_or_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same comparison, whole, for those who read no tables."""
    book(tmp_path, output=220)
    assert main(["reconcile", USAGE, "--provider", "openai", "--json"], OFF) == 1
    assert [row["verdict"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["ours_more", "equal"]
    assert main(["reconcile", USAGE, "--provider", "openai", "--csv"], OFF) == 1
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_an_export_may_come_from_stdin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``-`` is what another program writes."""
    book(tmp_path)
    piped = SimpleNamespace(buffer=io.BytesIO(Path(USAGE).read_bytes()))
    monkeypatch.setattr("sys.stdin", piped)
    assert main(["reconcile", "-", "--provider", "openai"], OFF) == 0
    assert "2 are equal" in capsys.readouterr().err


def test_the_wrong_provider_has_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is only theirs, and the name is doubted."""
    book(tmp_path)
    assert main(["reconcile", USAGE, "--provider", "openai-eu"], OFF) == 1
    told = capsys.readouterr()
    assert told.out.count("only theirs") == 2
    assert "the ledger has nothing of 'openai-eu' in this time" in told.err
    assert main(["reconcile", USAGE, "--provider", "openai"], OFF) == 0
    assert "nothing of" not in capsys.readouterr().err


def test_a_long_name_is_cut_in_the_table_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model's name takes 40 columns at most; CSV has it whole."""
    name = "m" * 150
    rows = f"start_time,model,input_tokens,num_model_requests\n1772323200,{name},1,1\n"
    (tmp_path / "long.csv").write_text(rows)
    words = ["reconcile", str(tmp_path / "long.csv"), "--provider", "openai"]
    assert main(words, OFF) == 1
    assert max(map(len, capsys.readouterr().out.splitlines())) < 150
    assert main([*words, "--csv"], OFF) == 1
    assert name in capsys.readouterr().out


def test_a_terminal_obeys_no_models_name(capsys: pytest.CaptureFixture[str]) -> None:
    """What a client called a model is written, and not done, also where names are taken for the same."""
    row = Row(FIRST, BIG, f"\x1b[2Jbig is taken for {BIG}", {}, "equal")
    tell(Reconciled("openai", (), FIRST, FIRST + 1.0, Decimal(1), (row,), (row,), ("\x07",)), [])
    assert capsys.readouterr().err.splitlines()[1:] == [f"?[2Jbig is taken for {BIG}", "?"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["none.csv"], 2, "none.csv: No such file"),
        (["."], 2, ".: Is a directory"),
        ([USAGE, "--provider", ""], 2, "--provider is empty"),
        ([USAGE, "--tolerance", "much"], 2, "tolerance must be a percentage"),
        (["broken.csv"], 2, "broken.csv:2, column input_tokens: 'x' is no number"),
    ],
)
def test_faults_are_one_line(
    words: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, no provider, a tolerance that is none, a cell that is no number: none of them is a drift."""
    broken = "start_time,input_tokens,num_model_requests\n1772323200,x,1\n"
    (tmp_path / "broken.csv").write_text(broken)
    assert main(["reconcile", "--provider", "openai", *words], OFF) == code
    assert said in capsys.readouterr().err


def test_what_gzip_made_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file or stdin, and JSON as well as CSV; one that was cut off is no export."""
    book(tmp_path)
    packed = gzip.compress(Path(USAGE).read_bytes())
    Path("usage.csv.gz").write_bytes(packed)
    Path("usage.json.gz").write_bytes(gzip.compress((SAMPLES / "openai-usage.json").read_bytes()))
    for name in ("usage.csv.gz", "usage.json.gz", "-"):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(packed)))
        main(["reconcile", name, "--provider", "openai", "--all"], OFF)
        assert BIG in capsys.readouterr().out
    for broken in (packed[:-12], packed[:40] + b"\xff" * 40, packed[:12]):
        Path("broken.gz").write_bytes(broken)
        assert main(["reconcile", "broken.gz", "--provider", "openai"], OFF) == 2
        assert capsys.readouterr().err.startswith("dragoman: ")
