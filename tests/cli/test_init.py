"""The command line as a whole: help, exit codes, and what it does not load."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.accounts.rows import exchange

from dragoman import __version__
from dragoman.cli import COMMANDS, UNREAD, build, main
from dragoman.store.sqlite import SqliteStore

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


BILL = Path(__file__).parents[1] / "accounts/reconcile/samples/openai-usage.csv"
TELLING = {
    "models": ["models"],
    "keys": ["keys", "create", "another"],
    "teams": ["teams", "list"],
    "users": ["users", "list"],
    "budget": ["budget", "list"],
    "prices": ["prices", "list"],
    "usage": ["usage"],
    "report": ["report"],
    "reconcile": ["reconcile", str(BILL), "--provider", "p"],
    "logs": ["logs"],
    "top": ["top", "--once"],
    "audit": ["audit"],
    "config": ["config", "check"],
    "archive": ["archive", "--dry-run"],
    "doctor": ["doctor", "--offline"],
}
"""What makes each command say something; the others serve, or ask one that does."""


@contextmanager
def unread(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[None]:
    """Let nobody read the streams of these names."""
    with ExitStack() as opened:
        for name in names:
            reading, writing = os.pipe()
            os.close(reading)
            monkeypatch.setattr(sys, name, opened.enter_context(os.fdopen(writing, "w")))
        yield


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment of a folder in which there is something to tell of everything."""
    monkeypatch.chdir(tmp_path)
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data"), "GROQ_API_KEY": "gsk", "OPENAI_API_KEY": "sk"}

    async def asked() -> None:
        store = SqliteStore.open(tmp_path / "data" / "dragoman.db")
        await store.settle(exchange("asked"), [])
        await store.close()

    asyncio.run(asked())
    for words in (["keys", "create", "k"], ["teams", "put", "t"], ["users", "put", "u"]):
        assert main(words, environ) == 0
    assert main(["budget", "set", "b", "--dollars", "1"], environ) == 0
    return environ


def test_every_command_that_tells_is_asked() -> None:
    """A new command is in the table, or named here with those that serve and those that ask them."""
    assert {*TELLING} == {*COMMANDS} - {"serve", "simulate", "chat"}


@pytest.mark.parametrize("name", [*TELLING, "--version", "--help"])
def test_a_reader_that_left_is_no_fault(
    told: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is said to nobody, the exit code is SIGPIPE's and nothing is complained of."""
    capsys.readouterr()
    with unread(monkeypatch, "stdout"):
        assert main(TELLING.get(name, [name]), told) == UNREAD
    assert "roken" not in capsys.readouterr().err


def test_a_fault_is_told_to_whoever_is_left(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What went wrong has its own exit code, and its line where somebody still reads; with nobody, none."""
    capsys.readouterr()
    with unread(monkeypatch, "stdout"):
        assert main(["keys", "revoke", "nobody"], told) == 1
    assert "no key of this name" in capsys.readouterr().err
    with unread(monkeypatch, "stdout", "stderr"):
        assert main(["keys", "revoke", "nobody"], told) == UNREAD


def test_a_program_whose_reader_left_ends_in_silence(told: dict[str, str]) -> None:
    """Not even the interpreter complains, as it ends, of what it could not write; a full disk is a fault."""
    command = [sys.executable, "-m", "dragoman", "keys", "list"]
    environ = {**os.environ, **told}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command, env=environ, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (UNREAD, "")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert (done.returncode, done.stderr) == (1, "dragoman: No space left on device\n")


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
