"""What commands say, and how."""

from __future__ import annotations

import io

import pytest

from dragoman.cli.terminal import masked, note, paint, say, shows, table


class Screen(io.StringIO):
    """A stream somebody looks at."""

    def isatty(self) -> bool:
        """Say that it is a terminal."""
        return True


def test_results_and_remarks_part_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """Results are on stdout alone."""
    say("result")
    note("remark")
    assert capsys.readouterr() == ("result\n", "remark\n")


def test_colour_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe, NO_COLOR and a dumb terminal get plain text."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert paint("x", "good", io.StringIO()) == "x"
    assert paint("x", "good", Screen()) == "\033[32mx\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("x", "good", Screen()) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert paint("x", "good", Screen()) == "x"


@pytest.mark.parametrize(
    ("secret", "shown"), [("", "..."), ("short", "..."), ("sk-0123456789abcdef", "...cdef")]
)
def test_a_secret_is_never_shown_whole(secret: str, shown: str) -> None:
    """Four characters tell two long keys apart; of a short one nothing is shown."""
    assert masked(secret) == shown


def test_a_table_lines_up() -> None:
    """Columns are as wide as their widest cell, and no line ends in spaces."""
    assert table(["a", "bb"], [["longer", "x"], ["s", ""]]) == "a       bb\nlonger  x\ns"


def test_a_table_lines_up_by_columns() -> None:
    """A letter may take two columns of a terminal, or none: what follows it stands where it should."""
    assert (
        table(["name", "x"], [["日本語", "1"], ["e\u0301", "2"]]) == "name    x\n日本語  1\ne\u0301       2"
    )


def test_a_cell_is_no_command_to_the_terminal() -> None:
    """What ends a line or moves the cursor is a question mark."""
    assert table(["a"], [["\x1b[31mred\nnew"]]) == "a\n?[31mred?new"


def test_what_a_terminal_has_letters_for() -> None:
    """An encoding without block characters shows none; where no encoding is said it is UTF-8."""
    assert shows("▁█", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    assert not shows("▁█", io.TextIOWrapper(io.BytesIO(), "latin-1"))
    assert shows("▁█", io.StringIO())
