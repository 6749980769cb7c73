"""The lock is whole: every supported Python and platform finds each dependency in it, hashed."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "sys_platform": system.lower(),
        "platform_system": system,
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    for python, (system, machine) in product(
        ("3.11", "3.12", "3.13", "3.14"), (("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"))
    )
]


def pins(lock: str) -> dict[str, list[str]]:
    """Return what a lock pins: ``name==version`` and how many hashes follow."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (LOCKS / lock).read_text().splitlines():
        if pin := re.match(r"([A-Za-z0-9._-]+)==(\S+)", line):
            current = found.setdefault(canonicalize_name(pin[1]), [pin[2]])
        elif "--hash=sha256:" in line:
            current.append(line.strip())
    return found


def wanted(name: str, extras: frozenset[str]) -> set[str]:
    """Return the names a locked distribution asks for in any supported environment."""
    requirements = [Requirement(text) for text in distribution(name).requires or ()]
    return {
        canonicalize_name(requirement.name)
        for requirement in requirements
        for environment in ENVIRONMENTS
        for extra in extras | {""}
        if requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})
    }


@pytest.mark.parametrize("lock", ["build.txt", "core.txt", "local.txt", "dev.txt", "weights.txt"])
def test_every_pin_is_hashed(lock: str) -> None:
    """A file whose bytes differ from those that were reviewed is not installed."""
    assert pins(lock)
    assert [name for name, (_, *hashes) in pins(lock).items() if not hashes] == []


@pytest.mark.parametrize("lock", ["core.txt", "local.txt", "dev.txt"])
def test_nothing_is_missing_on_any_supported_python(lock: str) -> None:
    """A dependency that only some Python or platform needs is in the lock as well."""
    locked = pins(lock).keys() | pins("build.txt").keys()
    missing: dict[str, set[str]] = {}
    for name in pins(lock):
        try:
            asked = wanted(name, frozenset())
        except PackageNotFoundError:
            continue  # not installed here: the embedded model has no build for this machine
        if asked - locked:
            missing[name] = asked - locked
    assert not missing


def test_the_lock_follows_the_project() -> None:
    """What pyproject.toml asks for is pinned at a version it allows."""
    project = PROJECT["project"]
    asked = {
        "core.txt": project["dependencies"],
        "local.txt": project["dependencies"] + project["optional-dependencies"]["local"],
        "build.txt": PROJECT["build-system"]["requires"],
    }
    for lock, requirements in asked.items():
        for requirement in map(Requirement, requirements):
            version = pins(lock)[canonicalize_name(requirement.name)][0]
            assert requirement.specifier.contains(version), f"{lock}: {requirement} is pinned at {version}"


def test_the_locks_agree() -> None:
    """One environment holds all of them, so no two pin the same name differently."""
    versions: dict[str, set[str]] = {}
    for lock in ("build.txt", "core.txt", "local.txt", "dev.txt"):
        for name, (version, *_) in pins(lock).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
