"""The lock is whole: every supported Python and platform finds each dependency in it, hashed."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SDKS = sorted(path.stem for path in (LOCKS / "sdks").glob("*.in"))
"""The official SDKs, each with a lock and an environment (scripts/setup_sdks) of its own."""

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


def wanted(installed: Distribution) -> set[str]:
    """Return the names a locked distribution asks for in any supported environment."""
    requirements = [Requirement(text) for text in installed.requires or ()]
    return {
        canonicalize_name(requirement.name)
        for requirement in requirements
        for environment in ENVIRONMENTS
        if requirement.marker is None or requirement.marker.evaluate({**environment, "extra": ""})
    }


@pytest.mark.parametrize(
    "lock",
    ["build.txt", "core.txt", "local.txt", "dev.txt", "weights.txt", *(f"sdks/{sdk}.txt" for sdk in SDKS)],
)
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
            asked = wanted(distribution(name))
        except PackageNotFoundError:
            continue  # not installed here: the embedded model has no build for this machine
        if asked - locked:
            missing[name] = asked - locked
    assert not missing


@pytest.mark.parametrize("sdk", SDKS)
def test_nothing_is_missing_beside_an_sdk(sdk: str) -> None:
    """The same of an SDK's own lock; what it may bring in exceptional cases (extras) is not asked for."""
    folders = [*(ROOT / ".venvs" / sdk / "lib").glob("python*/site-packages")]
    if not folders:
        pytest.skip(f"the official {sdk} SDK has no environment here: make sdks")
    locked = pins(f"sdks/{sdk}.txt")
    installed = {canonicalize_name(found.name): found for found in distributions(path=[*map(str, folders)])}
    assert installed.keys() <= locked.keys()
    assert sdk in installed
    assert {name: found.version for name, found in installed.items()}.items() <= {
        name: version for name, (version, *_) in locked.items()
    }.items()
    missing = {name: wanted(found) - locked.keys() for name, found in installed.items()}
    assert {name: names for name, names in missing.items() if names} == {}


def test_every_sdk_is_pinned_at_a_version_it_is_asked_for() -> None:
    """What an SDK's .in file asks for is pinned in its lock; no lock is left behind."""
    assert sorted(path.stem for path in (LOCKS / "sdks").glob("*.txt")) == SDKS
    for sdk in SDKS:
        lines = (LOCKS / "sdks" / f"{sdk}.in").read_text().splitlines()
        [requirement] = [Requirement(line) for line in lines if line and not line.startswith("#")]
        assert requirement.name == sdk
        assert requirement.specifier.contains(pins(f"sdks/{sdk}.txt")[sdk][0])


def test_the_lock_follows_the_project() -> None:
    """What pyproject.toml asks for is pinned at a version it allows."""
    project = PROJECT["project"]
    asked = {
        "core.txt": project["dependencies"],
        "local.txt": project["dependencies"] + project["optional-dependencies"]["local"],
        "extras.txt": [
            *project["optional-dependencies"]["semantic"],
            *project["optional-dependencies"]["tokens"],
        ],
        "dev.txt": project["optional-dependencies"]["otlp"],
        "sdks/streamlit.txt": project["optional-dependencies"]["streamlit"],
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
