"""The import contract holds, and would be noticed if it did not."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import COMMANDS

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "dragoman"
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS: dict[str, dict[str, Any]] = {
    contract["name"]: contract for contract in CONFIG["tool"]["importlinter"]["contracts"]
}

HOMES = {
    "aiohttp": ("providers/transport.py", "sinks/"),
    "httpx": ("sinks/",),
    "starlette": ("server/",),
    "jinja2": ("server/",),
    "uvicorn": ("server/",),
    "httptools": ("server/", "simulator/"),
    "sqlite3": ("store/",),
    "asyncpg": ("store/postgres/",),
    "redis": ("store/redis/driver.py",),
    "xllamacpp": ("providers/",),
    "dotenv": ("config/", "config.py"),
    "argparse": ("cli/",),
    "http": ("cli/", "simulator/"),
}
"""Where a foreign module may be imported: an exact file, or a folder."""

LAZY = {
    ("sinks/otlp.py", "dragoman"): "its other half imports the extra `otlp`",
    ("store/opening.py", "dragoman"): "the other store imports the extra `postgres`",
}
"""Imports that stand inside a function, each with its reason."""

PLANTED = {
    "one way down": ("core/usage.py", "from dragoman.dialects import fields"),
    "core, dialects and pure policy do no I/O": ("dialects/framing.py", "import time"),
    "dialects are strangers to each other": (
        "dialects/anthropic.py",
        "from dragoman.dialects import openai_chat",
    ),
    "sinks are strangers to each other": ("sinks/webhook.py", "from dragoman.sinks import prometheus"),
    "a surface stands on no dialect, but the gateway's own on OpenAI's": (
        "dialects/surfaces/stream.py",
        "from dragoman.dialects import anthropic",
    ),
    "commands are strangers to each other": ("cli/chat.py", "from dragoman.cli import doctor"),
}
"""One line for each contract that breaks it."""


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(SRC.rglob("*.py"))


def name(path: Path) -> str:
    """Return a module's path inside the package, with forward slashes."""
    return path.relative_to(SRC).as_posix()


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level name of everything a tree imports from outside the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@cache
def imported(path: Path) -> frozenset[str]:
    """Return what a module imports from outside the package, read once for all who ask."""
    return frozenset(imports(ast.parse(path.read_text())))


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package under `folder`."""
    program = Path(sys.executable).with_name("lint-imports")
    environ = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_import_contract_holds() -> None:
    """Every import goes down the layers, and pure code stays pure."""
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_contract_notices_a_violation(tmp_path: Path) -> None:
    """A contract that cannot fail guards nothing: one planted import breaks each."""
    assert PLANTED.keys() == CONTRACTS.keys()
    shutil.copytree(SRC, tmp_path / "src" / "dragoman", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, line in PLANTED.values():
        with (tmp_path / "src" / "dragoman" / module).open("a") as file:
            file.write(f"\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode == 1, result.stderr
    unbroken = [contract for contract in CONTRACTS if f"{contract} BROKEN" not in result.stdout]
    assert not unbroken, result.stdout


def test_the_contract_names_every_dialect_and_every_command() -> None:
    """A new dialect or command is under the contract from its first day."""
    dialects = {
        path.stem
        for path in (SRC / "dialects").glob("*.py")
        if re.search(r"^DIALECT\b", path.read_text(), re.MULTILINE)
    }
    listed = CONTRACTS["dialects are strangers to each other"]["modules"]
    assert sorted(listed) == sorted(f"dragoman.dialects.{dialect}" for dialect in dialects)
    listed = CONTRACTS["commands are strangers to each other"]["modules"]
    assert sorted(listed) == sorted(f"dragoman.cli.{command}" for command in COMMANDS)
    pure = CONTRACTS["core, dialects and pure policy do no I/O"]["source_modules"]
    assert {"dragoman.core", "dragoman.dialects", "dragoman.routing"} <= set(pure)
    assert {f"dragoman.providers.{policy}" for policy in ("fit", "quirks")} <= set(pure)
    assert CONTRACTS["one way down"]["exhaustive"] is True


def test_a_dialects_parts_are_its_own() -> None:
    """What one dialect is split into, no other dialect imports."""
    dialects = [
        module.rpartition(".")[2] for module in CONTRACTS["dialects are strangers to each other"]["modules"]
    ]
    for path in (SRC / "dialects").glob("*.py"):
        for part in re.findall(r"dragoman\.dialects\.(\w+)", path.read_text()):
            owner = next((dialect for dialect in dialects if part.startswith(f"{dialect}_")), None)
            assert owner is None or path.stem.startswith(owner), f"{path.name} imports {part}"


@pytest.mark.parametrize("foreign", HOMES)
def test_a_foreign_module_is_imported_only_at_home(foreign: str) -> None:
    """The HTTP client, the web framework and the SQL driver each have one home."""
    strays = [
        name(path)
        for path in modules()
        if foreign in imported(path)
        and not any(
            name(path) == home or (home.endswith("/") and name(path).startswith(home))
            for home in HOMES[foreign]
        )
    ]
    assert not strays


def test_imports_stand_at_the_top() -> None:
    """Only an optional extra may be imported inside a function, and each such place is listed."""
    found = {
        (name(path), module)
        for path in modules()
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for module in imports(function)
    }
    assert found == LAZY.keys()
