"""What commands that change accounts share: times, labels, limits, and a store that may not be there."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from dragoman.accounts.terms import LimitTerms
from dragoman.cli import main
from dragoman.cli.accounts import before, limit_options, limits, moment, now, pairs
from dragoman.cli.terminal import Trouble


def test_a_time_is_one_or_how_long_from_now() -> None:
    """A date is itself; a length is added to the clock; anything else is the command line's fault."""
    assert moment("2027-01-01") == 1_798_761_600.0
    earliest = now()
    assert earliest + 86_400 <= moment("1d") <= now() + 86_400
    with pytest.raises(Trouble, match="no time") as caught:
        moment("soon")
    assert caught.value.code == 2


def test_history_is_of_how_long_ago() -> None:
    """Where a time lies behind, a length is taken from the clock, and never beyond where time begins."""
    earliest = now()
    assert earliest - 86_400 <= before("1d") <= now() - 86_400
    assert (before("2027-01-01"), before("999999999d")) == (1_798_761_600.0, 0.0)
    with pytest.raises(Trouble, match="how long ago"):
        before("soon")


def test_labels_are_pairs() -> None:
    """The first = divides; without one it is refused."""
    assert pairs(["a=b", "c=d=e", "f="]) == {"a": "b", "c": "d=e", "f": ""}
    assert pairs(None) == {}
    with pytest.raises(Trouble, match="NAME=VALUE"):
        pairs(["a"])


def test_limits_keep_what_is_not_given() -> None:
    """Each has an option; 0 is a limit that is said."""
    parser = argparse.ArgumentParser()
    limit_options(parser)
    given = parser.parse_args(["--parallel", "0", "--tokens-per-minute", "7"])
    old = LimitTerms(parallel=3, requests_per_day=9)
    assert limits(given, old) == LimitTerms(parallel=0, tokens_per_minute=7, requests_per_day=9)


def test_a_damaged_store_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the file and what to do, and never a traceback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dragoman.db").write_bytes(b"not a database at all" * 100)
    assert main(["keys", "list"], {"DRAGOMAN_DATA": str(tmp_path / "data")}) == 1
    said = capsys.readouterr().err
    assert "dragoman.db" in said
    assert len(said.splitlines()) == 1


def test_another_pepper_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key made under it is known to nobody else: so it is said, each time; the first one is the store's."""
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data")}
    (tmp_path / "data").mkdir()
    for pepper, told in (("a" * 40, False), ("a" * 40, False), ("b" * 40, True), ("a" * 40, False)):
        assert main(["keys", "list"], {**environ, "DRAGOMAN_PEPPER": pepper}) == 0
        assert ("pepper" in capsys.readouterr().err) is told


def test_a_folder_that_was_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever looks for a ledger in the wrong folder finds an empty one, and is told where it is; once."""
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data")}
    for new in (True, False):
        assert main(["usage"], environ) == 0
        assert (f"{tmp_path / 'data'} is new" in capsys.readouterr().err) is new


def test_a_folder_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file stands where the data folder should be: it is named, without a traceback."""
    (tmp_path / "data").write_text("")
    for words in (("keys", "list"), ("archive", "verify")):
        assert main(words, {"DRAGOMAN_DATA": str(tmp_path / "data")}) == 1
        said = capsys.readouterr().err
        assert str(tmp_path / "data") in said
        assert said.count("\n") == 1
