"""``dragoman archive``: what it does to the ledger, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from dragoman.cli import main
from dragoman.cli.archive import day
from dragoman.cli.terminal import Trouble
from dragoman.store import ExchangeRow, Meters
from dragoman.store.sqlite import SqliteStore

DAY = 86_400
OFF = {"DRAGOMAN_LOCAL_ENABLED": "false"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def book(folder: Path, days: Sequence[int]) -> None:
    """Write two requests for each of these days since 1970."""

    async def run() -> None:
        db = SqliteStore.open(folder / "data" / "dragoman.db")
        for number in days:
            for name in (f"{number}-a", f"{number}-b"):
                row = ExchangeRow(
                    id=name,
                    request_id=name,
                    owner="me",
                    key="anna",
                    dialect="openai_chat",
                    task="generate",
                    model="m",
                    stream=False,
                    opened_at=float(number * DAY),
                    state="settled",
                    meters=Meters(input=1, cost_micros=500_000),
                )
                await db.settle(row, [])
        await db.close()

    asyncio.run(run())


def left(folder: Path) -> list[str]:
    """Return the ids of the requests that are in the ledger."""

    async def run() -> list[str]:
        db = SqliteStore.open(folder / "data" / "dragoman.db")
        try:
            return sorted(row.id for row in await db.exchanges())
        finally:
            await db.close()

    return asyncio.run(run())


def test_old_requests_are_archived_and_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a dry run announces is done, and an archive is found to be what it was."""
    book(tmp_path, [10_000, 10_001])
    assert main(["archive", "--dry-run"], OFF) == 0
    assert capsys.readouterr().out == (
        "would archive and delete 4 requests of 2 days, 1997-05-19 to 1997-05-20\n"
    )
    assert len(left(tmp_path)) == 4
    assert main(["archive"], OFF) == 0
    assert capsys.readouterr().out == (
        "4 requests archived, 4 deleted, of 2 days, 1997-05-19 to 1997-05-20\n"
    )
    assert left(tmp_path) == []
    assert main(["archive", "verify"], OFF) == 0
    assert capsys.readouterr().out == "2 parts, 4 requests, 2.000000 USD: 0 wrong\n"
    assert main(["archive"], OFF) == 0
    assert capsys.readouterr().out == "nothing is too old\n"


def test_days_before_one_are_archived(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--until` takes the days before it, also where requests are kept for ever otherwise."""
    book(tmp_path, [10_000, 10_001])
    for_ever = {**OFF, "DRAGOMAN_RETENTION_LEDGER_DAYS": "0"}
    assert main(["archive"], for_ever) == 0
    told = capsys.readouterr()
    assert "for ever" in told.err
    assert len(left(tmp_path)) == 4
    assert main(["archive", "--until", "1997-05-20"], for_ever) == 0
    assert left(tmp_path) == ["10001-a", "10001-b"]


def test_damage_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed file is named, and the exit code says so."""
    book(tmp_path, [10_000])
    main(["archive"], OFF)
    file = tmp_path / "data" / "archive" / "1997" / "exchange-1997-05-19.csv.gz"
    file.write_bytes(file.read_bytes() + b"x")
    capsys.readouterr()
    assert main(["archive", "verify"], OFF) == 1
    told = capsys.readouterr().out
    assert "1997/exchange-1997-05-19.csv.gz" in told
    assert told.endswith("1 wrong\n")


def test_trouble_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that cannot be written, or a damaged manifest, is told without a traceback."""
    book(tmp_path, [10_000])
    (tmp_path / "data" / "archive").write_text("a file")
    assert main(["archive"], OFF) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert len(left(tmp_path)) == 2
    (tmp_path / "data" / "archive").unlink()
    (tmp_path / "data" / "archive").mkdir()
    (tmp_path / "data" / "archive" / "manifest.jsonl").write_text("{")
    for words in (["archive"], ["archive", "verify"]):
        assert main(words, OFF) == 1
        assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "why"), [("soon", "no date"), ("1970-01-03", "not over")])
def test_a_date_must_be_one_that_is_over(text: str, why: str) -> None:
    """Nonsense is refused, and so is a day that has not ended."""
    with pytest.raises(Trouble, match=why) as caught:
        day(text, 1.5 * DAY)
    assert caught.value.code == 2
    assert day("1970-01-02", 1.5 * DAY) == DAY
