"""``dragoman report``: what it writes, and where."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.accounts.test_letter import NOW, book

from dragoman.cli import main, report
from dragoman.store.sqlite import SqliteStore

OFF = {"DRAGOMAN_LOCAL_ENABLED": "false"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "now", lambda: NOW)

    async def run() -> None:
        (tmp_path / "data").mkdir()
        db = SqliteStore.open(tmp_path / "data" / "dragoman.db")
        await book(db)
        await db.close()

    asyncio.run(run())


def test_html_goes_to_stdout(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without a file the page is the result, and what is said of it is on stderr."""
    assert main(["report"], OFF) == 0
    told = capsysbinary.readouterr()
    assert told.out.startswith(b"<!DOCTYPE html>")
    assert told.err == b"Dragoman, 27 Sep to 03 Oct 2024: 16 requests, $0.07\n"


def test_every_form_is_written_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file has its form, of the same figures."""
    words = [word for form in ("out", "csv", "text", "eml") for word in (f"--{form}", f"week.{form}")]
    assert main(["report", *words], OFF) == 0
    assert capsys.readouterr().out == ""
    begins = {form: (tmp_path / f"week.{form}").read_bytes()[:9] for form in ("out", "csv", "text", "eml")}
    assert begins == {"out": b"<!DOCTYPE", "csv": b"section,n", "text": b"Dragoman,", "eml": b"Subject: "}


def test_a_part_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """One key's month, and two days of a team."""
    assert main(["report", "--period", "month", "--key", "bob", "--text", "-"], OFF) == 0
    told = capsys.readouterr()
    assert "key bob" in told.out
    assert told.err.endswith("14 requests, $0.13\n")
    assert (
        main(["report", "--from", "2024-10-02", "--to", "2024-10-03", "--team", "shop", "--csv", "-"], OFF)
        == 0
    )
    assert capsys.readouterr().err.endswith("2 requests, $0.018\n")
    said = []
    for none in ("-", ""):
        assert main(["report", "--team", none, "--text", "-"], OFF) == 0
        said.append(capsys.readouterr().err)
    assert said == ["Dragoman, 27 Sep to 03 Oct 2024, team none: 9 requests, $0.007\n"] * 2


def test_faults_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A time that is none is the command line's fault; a folder that is not there is the disk's."""
    assert main(["report", "--from", "soon"], OFF) == 2
    assert "from must be" in capsys.readouterr().err
    assert main(["report", "--period", "day", "--from", "2024-10-01"], OFF) == 2
    assert "both say when it begins" in capsys.readouterr().err
    assert main(["report", "--out", "none/week.html"], OFF) == 1
    assert "No such file" in capsys.readouterr().err
