"""Write the Windows forms of the commands in this folder, and codes.txt, from the ``*.sh`` files beside them.

    python examples/curl/write.py             write them anew
    python examples/curl/write.py --check     fail if any is stale

The bash form is the one that is edited: a comment with number and title, then one command, then a blank line.
The other two say the same to their shell:

    cmd          knows no single quotes, so JSON goes on one line with its quotes escaped. cmd itself takes
                 every quote for the end or the beginning of a quoted part, escaped or not, so nothing that
                 it would act upon (``& | < > ^ %``) may stand where it sees none: see :func:`for_cmd`.
    PowerShell   5.1 loses the quotes of an argument on its way to a program and 7.3 does not, so JSON comes
                 by standard input, the same in both. ``curl.exe``: ``curl`` is a name of its own there.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent

SURFACES = ("prompt", "gateway", "message", "stream", "messages", "dialects", "operations")
"""The files, in the order of their numbers."""

COMMAND = re.compile(r"^# (\d+)\. (.+)\n((?:.+\n)+)", re.MULTILINE)
ACTED_UPON = frozenset("&|<>^")


class Command(NamedTuple):
    """One command: its number and title, its text in bash, and what it says.

    ``flags`` are curl's own that take no value (``-N``); ``method`` is None where curl chooses it.
    """

    number: int
    title: str
    bash: str
    method: str | None
    url: str
    headers: tuple[str, ...]
    body: str | None
    flags: tuple[str, ...]


def read(surface: str) -> tuple[str, list[Command]]:
    """Return what a surface's file says at its head, and its commands."""
    text = (HERE / f"{surface}.sh").read_text(encoding="utf-8")
    about = text.split("\n")[1].removeprefix("# ")
    return about, [
        _command(int(number), title, bash.strip()) for number, title, bash in COMMAND.findall(text)
    ]


def _command(number: int, title: str, bash: str) -> Command:
    words = shlex.split(bash.replace("\\\n", " "))
    method, url, headers, body, flags = None, "", [], None, []
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "-X":
                method = next(rest)
            case "-H":
                headers.append(next(rest))
            case "-d":
                body = json.dumps(json.loads(next(rest)), ensure_ascii=False)
            case _ if word.startswith("-"):
                flags.append(word)
            case _:
                url = word
    return Command(number, title, bash, method, url, tuple(headers), body, tuple(flags))


def _words(command: Command) -> Iterator[tuple[str, bool]]:
    """Yield the arguments but for the body, and whether each is to be quoted."""
    for flag in command.flags:
        yield flag, False
    if command.method is not None:
        yield "-X", False
        yield command.method, False
    yield command.url, True
    for header in command.headers:
        yield "-H", False
        yield header, True


def for_cmd(command: Command) -> str:
    """Return the command for cmd.

    Raises:
        ValueError: It has something that cmd would act upon.
    """
    words = ["curl", *(f'"{word}"' if quoted else word for word, quoted in _words(command))]
    if command.body is not None:
        escaped = re.sub(r'(\\*)"', r'\1\1\\"', command.body)
        words += ["-d", f'"{escaped}"']
    line = " ".join(words)
    outside = "".join(line.split('"')[::2])
    if "%" in line or ACTED_UPON & set(outside):
        raise ValueError(f"cmd would act upon what stands in: {line}")
    return line


def for_powershell(command: Command) -> str:
    """Return the command for PowerShell."""
    words = ["curl.exe", *(_single(word) if quoted else word for word, quoted in _words(command))]
    if command.body is None:
        return " ".join(words)
    return f"{_single(command.body)} | {' '.join(words)} -d '@-'"


def _single(text: str) -> str:
    """Return `text` between PowerShell's single quotes, where only a quote itself means anything."""
    return "'" + text.replace("'", "''") + "'"


def files() -> dict[Path, str]:
    """Return every file that is written, as it should be."""
    found: dict[Path, str] = {}
    sections = []
    for surface in SURFACES:
        about, commands = read(surface)
        found[HERE / f"{surface}.cmd"] = "@echo off\n" + _listed("rem", about, commands, for_cmd)
        found[HERE / f"{surface}.ps1"] = _listed("#", about, commands, for_powershell)
        sections.append(f"== {surface}: {about}\n\n" + "\n".join(map(_shown, commands)))
    found[HERE / "codes.txt"] = HEAD + "\n".join(sections)
    return found


HEAD = """\
Every command for every surface, for bash, for cmd and for PowerShell.
Written by examples/curl/write.py; the same commands are in the .sh, .cmd and .ps1 files beside it.

They ask a gateway at port 8080 of this machine. As long as no key is configured there, any key will do.

"""


def _listed(mark: str, about: str, commands: Iterable[Command], form: Callable[[Command], str]) -> str:
    return f"{mark} {about}\n" + "".join(
        f"\n{mark} {one.number}. {one.title}\n{form(one)}\n" for one in commands
    )


def _shown(one: Command) -> str:
    return (
        f"### {one.number}. {one.title}\n"
        f"#### Bash (Linux, macOS, Git Bash)\n{one.bash}\n"
        f"#### Windows, cmd\n{for_cmd(one)}\n"
        f"#### Windows, PowerShell\n{for_powershell(one)}\n"
    )


def stale() -> dict[Path, str]:
    """Return each file that is not as it should be, as it should be."""
    return {
        path: text
        for path, text in files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def run() -> int:
    """Write what is stale, or say so."""
    found = stale()
    checking = "--check" in sys.argv
    for path, text in found.items():
        print(f"{path.name} {'is stale' if checking else 'written'}")
        if not checking:
            path.write_text(text, encoding="utf-8", newline="\n")
    return int(checking and bool(found))


if __name__ == "__main__":
    sys.exit(run())
