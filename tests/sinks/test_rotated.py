"""Files of several writers that never grow beyond a size: every line is in one of them, once and whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.sinks import rotated as module
from dragoman.sinks.rotated import Form, Rotated

FORMS = {"a.json": Form(b"\n"), "a.csv": Form(b"\r\n", b"name\r\n")}


def files(folder: Path, rotate_bytes: int = 10_000, keep: int = 3) -> Rotated:
    """Return a writer."""
    return Rotated(folder, FORMS, rotate_bytes=rotate_bytes, keep=keep)


def write(to: Rotated, *words: str) -> None:
    """Append each word to both files, by itself."""
    for word in words:
        to.append({"a.json": f"{word}\n".encode(), "a.csv": f"{word}\r\n".encode()})


def contents(folder: Path) -> dict[str, bytes]:
    """Return what every file holds."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def test_lines_are_appended(tmp_path: Path) -> None:
    """To what is there already; a header stands at the top once."""
    write(files(tmp_path / "new"), "one", "two")
    write(files(tmp_path / "new"), "three")
    assert contents(tmp_path / "new") == {
        "a.json": b"one\ntwo\nthree\n",
        "a.csv": b"name\r\none\r\ntwo\r\nthree\r\n",
    }


def test_files_are_for_nobody_else(tmp_path: Path) -> None:
    """They hold what people asked."""
    write(files(tmp_path / "new"), "one")
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "new", *(tmp_path / "new").iterdir())} == {0}


def test_a_full_file_is_put_aside(tmp_path: Path) -> None:
    """Each by its own size, the newest as number 1; of the oldest only so many are kept."""
    to = files(tmp_path, rotate_bytes=16, keep=2)
    write(to, *(f"w{number:04d}" for number in range(12)))
    assert contents(tmp_path) == {
        "a.json": b"w0010\nw0011\n",
        "a.1.json": b"w0008\nw0009\n",
        "a.2.json": b"w0006\nw0007\n",
        "a.csv": b"name\r\nw0011\r\n",
        "a.1.csv": b"name\r\nw0010\r\n",
        "a.2.csv": b"name\r\nw0009\r\n",
    }
    write(files(tmp_path, rotate_bytes=16, keep=0), "x", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy")
    assert contents(tmp_path) == {
        "a.json": b"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n",
        "a.csv": b"name\r\nyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
    }


@pytest.mark.parametrize(
    "strange",
    [
        b"name\r\nhalf a li",
        b'name\r\n"half a cell\n',
        b"other,columns\r\n1,2\r\n",
        b"name\nsaved by somebody\n",
    ],
)
def test_a_file_that_is_not_whole_is_put_aside(tmp_path: Path, strange: bytes) -> None:
    """Half a line, other columns, or other line ends: nothing is cut, and nothing is glued to it."""
    (tmp_path / "a.csv").write_bytes(strange)
    write(files(tmp_path), "one")
    assert contents(tmp_path) == {"a.json": b"one\n", "a.csv": b"name\r\none\r\n", "a.1.csv": strange}


def test_all_files_get_a_line_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second cannot be written the first is taken back."""
    to = files(tmp_path)
    write(to, "one")
    before = contents(tmp_path)
    calls: list[bytes] = []

    def full(descriptor: int, data: bytes) -> None:
        calls.append(data)
        os.write(descriptor, data[:2] if len(calls) == 2 else data)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(OSError, match="full"):
        write(to, "two")
    assert (len(calls), contents(tmp_path)) == (2, before)
    write(to, "three")
    assert contents(tmp_path)["a.csv"] == b"name\r\none\r\nthree\r\n"


def test_several_processes_lose_no_line_at_a_rotation(tmp_path: Path) -> None:
    """Four write at once while files are put aside all the time: each line is somewhere, once."""
    program = (
        "import sys; from pathlib import Path; from tests.sinks.test_rotated import files, write\n"
        "to = files(Path(sys.argv[1]), rotate_bytes=2000, keep=900)\n"
        "sys.stdin.readline()\n"
        "write(to, *(f'{sys.argv[2]}{number:05d}' for number in range(300)))\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), name],
            stdin=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for name in "abcd"
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=120)
        assert child.returncode == 0
    wanted = sorted(f"{name}{number:05d}".encode() for name in "abcd" for number in range(300))
    for suffix, header in ((".json", b""), (".csv", b"name")):
        paths = [path for path in tmp_path.iterdir() if path.suffix == suffix]
        lines = [line for path in paths for line in path.read_bytes().splitlines() if line != header]
        assert len(paths) > 4
        assert max(path.stat().st_size for path in paths) <= 2000
        assert sorted(lines) == wanted


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Nobody waits for whoever should read it, and the other file gets no line either."""
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(OSError, match="this is a pipe"):
        write(files(tmp_path), "one")
    assert (tmp_path / "a.json").read_bytes() == b""
