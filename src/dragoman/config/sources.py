"""Where settings come from: the environment, ``.env`` and ``dragoman.toml``, each value with its place.

Precedence: real environment, ``.env``, ``dragoman.toml``, default. A variable that is empty says nothing.
Every problem is collected with its place (``dragoman.toml:12``, ``.env:3``, or a variable's name), so
that an operator sees all of them at once.
"""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from dotenv.parser import parse_stream

CONFIG = "DRAGOMAN_CONFIG"
"""Names the configuration file."""

Key = tuple[str | int, ...]
"""Where a value is in a TOML document: table names, keys, places in lists."""


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with a configuration: where, what, and what to do about it."""

    where: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f"; {self.fix}" if self.fix else "")


class ConfigError(Exception):
    """A configuration that cannot be used, with all that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Found(NamedTuple):
    """A value and its place. ``text``: it comes from a variable, where everything is text."""

    value: Any
    where: str
    text: bool


class Sources:
    """Everything that was configured, not yet understood.

    Attributes:
        problems: What is wrong so far; whoever understands a value adds to it.
        files: Files this was read from, or would have been had they been there.
        cwd: What paths in variables are relative to.
        folder: What paths in the file are relative to.
    """

    def __init__(self, environ: Mapping[str, str], cwd: Path) -> None:
        """Read ``.env`` and the configuration file."""
        self.problems: list[Problem] = []
        self.cwd = cwd
        real = {
            name: Found(value, f"environment variable {name}", text=True)
            for name, value in environ.items()
            if value.strip()
        }
        dotenv = cwd / ".env"
        self._layers = (real, self._dotenv(dotenv))
        chosen = self.variable(CONFIG)
        path = cwd / (chosen.value if chosen else "dragoman.toml")
        self.folder = path.parent
        self.files = (path, dotenv)
        self._toml = self._read_toml(path, chosen)

    @property
    def variables(self) -> dict[str, Found]:
        """All variables, those of the real environment over those of ``.env``."""
        return {name: found for layer in reversed(self._layers) for name, found in layer.items()}

    @property
    def tree(self) -> Mapping[str, Any]:
        """The configuration file's content."""
        return self._toml.tree

    def variable(self, *names: str) -> Found | None:
        """Return the first of `names` that is set; the real environment comes before ``.env``."""
        for layer in self._layers:
            for name in names:
                if name in layer:
                    return layer[name]
        return None

    def setting(self, key: Key, *names: str) -> Found | None:
        """Return a setting: from a variable of these names, else from the file at `key`."""
        found = self.variable(*names)
        if found is not None:
            return found
        value: Any = self.tree
        for part in key:
            if not isinstance(value, Mapping) or part not in value:
                return None
            value = value[part]
        return Found(value, self.where(key), text=False)

    def where(self, key: Key) -> str:
        """Return the file and line of `key`, or of what encloses it."""
        return self._toml.where(key)

    def refuse(self, where: str, message: str, fix: str = "") -> None:
        """Note a problem."""
        self.problems.append(Problem(where, message, fix))

    def refuse_unknown(self, where: Key | str, word: str, kind: str, known: Sequence[str]) -> None:
        """Note a word that is none of `known`, and the one that was perhaps meant."""
        place = where if isinstance(where, str) else self.where(where)
        self.refuse(place, f"unknown {kind} {word}", guess(word, known))

    def _dotenv(self, path: Path) -> dict[str, Found]:
        text = self._read(path)
        found: dict[str, Found] = {}
        for binding in parse_stream(io.StringIO(text or "")):
            # A binding begins with the blank lines before it.
            blank = binding.original.string.partition(binding.original.string.strip() or "\0")[0]
            where = f"{path.name}:{binding.original.line + blank.count(chr(10))}"
            if binding.error:
                self.refuse(where, "this line is not NAME=value", "quote the value, or start the line with #")
            elif binding.key is not None and (binding.value or "").strip():
                found[binding.key] = Found(binding.value, where, text=True)
        return found

    def _read_toml(self, path: Path, chosen: Found | None) -> _Toml:
        text = self._read(path)
        if text is None:
            if chosen is not None and not path.is_file():
                self.refuse(chosen.where, f"there is no file {chosen.value}", "name one that exists, or none")
            return _Toml(path.name, "", {})
        try:
            return _Toml(path.name, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            message, line = _syntax(str(error), text)
            self.refuse(f"{path.name}:{line}", message)
            return _Toml(path.name, "", {})

    def _read(self, path: Path) -> str | None:
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.refuse(path.name, f"cannot be read: {error.strerror}")
            return None
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            self.refuse(f"{path.name}:{line}", "this line is not UTF-8", "save the file as UTF-8")
            return None


class _Toml:
    """A TOML document that knows its lines."""

    def __init__(self, name: str, text: str, tree: Mapping[str, Any]) -> None:
        self.name = name
        self.tree = tree
        self._text = text
        self._lines: dict[Key, int] | None = None

    def where(self, key: Key) -> str:
        if self._lines is None:
            self._lines = _lines(self._text)
        for length in range(len(key), 0, -1):
            if (line := self._lines.get(key[:length])) is not None:
                return f"{self.name}:{line}"
        return self.name


def guess(word: str, known: Sequence[str]) -> str:
    """Return a question after the one of `known` that `word` is closest to, or nothing."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else ""


def _lines(text: str) -> dict[Key, int]:
    """Return the line each key of a TOML document begins on.

    What parses with a line and did not without it was said by that line, or by the lines since the
    document last parsed: exact for every syntax TOML has, and needed only when something is wrong.
    """
    found: dict[Key, int] = {}
    start, prefix = 1, ""
    for number, line in enumerate(text.split("\n"), 1):
        prefix += f"{line}\n"
        try:
            tree = tomllib.loads(prefix)
        except tomllib.TOMLDecodeError:
            continue
        for key in _keys(tree, ()):
            found.setdefault(key, start)
        start = number + 1
    return found


def _keys(value: Any, at: Key) -> Iterator[Key]:
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for name, member in members:
        yield (*at, name)
        yield from _keys(member, (*at, name))


def _syntax(message: str, text: str) -> tuple[str, int]:
    """Split the parser's message into what is wrong and the line."""
    at = re.search(r" \(at line (\d+), column \d+\)$", message)
    if at is None:
        return message.replace(" (at end of document)", ""), text.count("\n") + 1
    return message[: at.start()], int(at[1])
