"""The command line as a whole: help, exit codes, and what it does not load."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman import __version__
from dragoman.cli import COMMANDS, build, main

HEAVY = (
    "aiohttp",
    "starlette",
    "uvicorn",
    "sqlite3",
    "asyncio",
    "msgspec",
    "dragoman.server",
    "dragoman.gateway",
)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """What can be done is said in one screen."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        assert f"  {name} " in shown
        assert summary in " ".join(shown.split())


def test_help_loads_no_command() -> None:
    """Help is quick, because nothing that serves or asks is imported for it."""
    program = (
        "import sys; from dragoman.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {*HEAVY} & {*done.stderr.split()}


def test_the_module_is_the_program() -> None:
    """``python -m dragoman`` is ``dragoman``."""
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == f"dragoman {__version__}\n"


@pytest.mark.parametrize("words", [[], ["frobnicate"], ["chat"], ["serve", "--frobnicate"]])
def test_a_wrong_command_line_is_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A usage error goes to stderr, so that no pipe takes it for a result."""
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "usage: dragoman" in shown.err


def test_trouble_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What a person can mend is said in one line, without a traceback."""
    assert main(["chat", "m", "hello", "--url", "ftp://nowhere"], {}) == 2
    assert capsys.readouterr().err == "dragoman: ftp://nowhere is not an http:// or https:// address\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command has its own help, and says what each of its options does."""
    assert main([name, "--help"]) == 0
    assert f"usage: dragoman {name}" in capsys.readouterr().out
    parser, commands = build([name])
    assert list(commands) == [name]
    assert parser.format_help()


def test_an_argument_that_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are no UTF-8 reach no store."""
    assert main(["keys", "create", "a", "--description", "\udcff"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_terminal_that_cannot_show_a_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the letter's number."""
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, "ascii"))
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data")}
    assert main(["teams", "put", "t", "--description", "\u00e9"], environ) == 0
    sys.stdout.flush()
    assert b"\\xe9" in shown.getvalue()
