"""What the project ships in besides a checkout: image, compose files, example environment, dev server.

No container is started here: what can be read of them is read, and what can be run without an engine is run.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # no types come with it, and its data is Any
from dotenv import dotenv_values
from tests.house import spawned

from dragoman.config import ConfigError, load, settings
from dragoman.config.sources import CONFIG
from dragoman.config.tables import KEY_LIST, KEY_TOKEN
from dragoman.providers.catalog import catalog
from dragoman.server.run import WORKER_FD, WORKER_PARENT

ROOT = Path(__file__).parents[1]
COMPOSE = ("docker-compose.yml", "docker-compose.dev.yml")

OURS = {WORKER_FD, WORKER_PARENT, "DRAGOMAN_LOCAL_URL", "DRAGOMAN_LOCAL_KEY", "REDISCLI_AUTH"}
"""Variables that one process sets for another: nobody else has any use for them."""

EVERYBODYS = {"PATH", "HOME", "TERM", "NO_COLOR", "COLUMNS", "CI"}
"""Variables that are the system's."""


# --- The image ---


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions: word, and the rest on one line."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return [(words[0], words[2].strip()) for line in text.splitlines() if (words := line.partition(" "))[0]]


def stages() -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage, without what stands before the first."""
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def last(word: str) -> str:
    """Return what the image's last stage says with an instruction."""
    return [rest for found, rest in stages()[-1] if found == word][-1]


def environment() -> dict[str, str]:
    """Return what the image's last stage sets."""
    return dict(pair.split("=", 1) for pair in shlex.split(last("ENV")))


def test_the_image_stands_on_a_version() -> None:
    """The base is a slim Debian of one Python that the project supports, to the patch."""
    [base] = [rest for word, rest in instructions() if word == "ARG" and rest.startswith("BASE=")]
    found = re.fullmatch(r"BASE=python:(3\.\d+)\.\d+-slim-bookworm", base)
    assert found is not None
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert oldest == f">={found[1]}"
    assert [stage[0][1] for stage in stages()] == ["${BASE} AS build", "${BASE}"]


def test_the_image_copies_what_is_there_and_is_sent() -> None:
    """Every file it copies exists, and .dockerignore lets it through."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let = [line[1:].rstrip("/") for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for word, rest in stages()[0]:
        if word == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                assert (ROOT / source).exists(), source
                assert any(fnmatch(source.rstrip("/"), pattern) for pattern in let), source


def test_nothing_private_is_sent_to_the_builder() -> None:
    """Neither .env nor data nor history can get into a layer."""
    let = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for private in (".env", ".git", "data", "logs", ".venv", "dragoman.toml"):
        assert not any(fnmatch(private, pattern) for pattern in let), private


def test_the_image_installs_only_what_was_reviewed() -> None:
    """Every package that is downloaded is hashed; our own comes from the folder."""
    installs = [
        line for word, rest in stages()[0] if word == "RUN" for line in rest.split(";") if " pip " in line
    ]
    assert len(installs) == 4
    for line in installs:
        assert "--require-hashes" in line or "--no-index" in line, line
    copied = {
        name for word, rest in stages()[0] if word == "COPY" for name in re.findall(r"(\w+)\.txt", rest)
    }
    [parts] = [rest for word, rest in stages()[0] if word == "ARG"]
    assert {"core", "local", "extras", "weights", "build"} == copied
    assert set(re.findall(r"\w+", parts.partition("=")[2])) <= copied


def test_the_wheel_has_every_file_of_the_package() -> None:
    """What the package reads at run time is package data: pages, tables and statements, not only code."""
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "dragoman"
    ]
    package = ROOT / "src" / "dragoman"
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    missing = [
        inside
        for path in files
        if path.suffix != ".py"
        and not any(
            fnmatch(inside := path.relative_to(package).as_posix(), glob.replace("**/", "*"))
            for glob in globs
        )
    ]
    assert missing == []


def test_the_image_runs_as_nobody_in_particular() -> None:
    """Its user is a number that is not root's, and owns the one folder that is written."""
    user, group = last("USER").split(":")
    assert int(user) == int(group) > 0
    assert last("WORKDIR") == last("VOLUME") == "/srv/dragoman"
    assert "install -d -o dragoman -g dragoman" in last("RUN")


def test_the_image_holds_no_secret() -> None:
    """What it sets are addresses and folders."""
    assert environment().keys() == {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "HOST", "PORT"}
    assert not [
        rest for word, rest in instructions() if word == "ARG" and re.search("KEY|TOKEN|SECRET", rest)
    ]


def test_the_image_refuses_to_serve_strangers_without_a_key(tmp_path: Path) -> None:
    """As it stands it lets other machines in, so it says what to set and does not start."""
    ours = {name: environment()[name] for name in ("HOST", "PORT")}
    with pytest.raises(ConfigError, match="no key is configured; set API_KEYS"):
        load(ours, tmp_path)
    config = load({**ours, "API_KEYS": "one-long-secret"}, tmp_path)
    assert (config.server.host, config.server.port) == ("0.0.0.0", 8080)
    assert last("EXPOSE") == "8080"
    assert load({**ours, "API_KEYS": "k" * 20, "PORT": "3000"}, tmp_path).server.port == 3000


def health(port: int, **more: str) -> int:
    """Run the image's health check here; return its exit code."""
    words = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert words.pop(0) == "python"
    set_ = {"PATH": os.environ["PATH"], "PORT": str(port), "HTTP_PROXY": "http://127.0.0.1:9", **more}
    return subprocess.run([sys.executable, *words], env=set_, capture_output=True, check=False).returncode


def test_the_health_check_follows_the_port(tmp_path: Path) -> None:
    """It finds the gateway where PORT puts it, needs nothing but Python, and fails where nobody serves."""
    with spawned(tmp_path) as gate:
        assert health(gate.port) == 0
        assert health(1, DRAGOMAN_SERVER_PORT=str(gate.port)) == 0
        assert health(gate.port, DRAGOMAN_SERVER_PORT="") == 0
    assert health(gate.port) != 0


# --- The compose files ---


def composed(name: str) -> Any:
    """Return a compose file as data."""
    return yaml.safe_load((ROOT / name).read_text())


def services() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every service: its file, its name, and what is said of it."""
    for file in COMPOSE:
        for name, service in composed(file)["services"].items():
            yield file, name, service


every = pytest.mark.parametrize(
    "service", [pytest.param(found, id=f"{file}-{name}") for file, name, found in services()]
)


@every
def test_a_service_is_published_on_this_machine_only(service: dict[str, Any]) -> None:
    """No port can be reached from another machine unless somebody writes so."""
    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@every
def test_a_service_says_whether_it_is_well(service: dict[str, Any]) -> None:
    """Each has a health check: its own, or its image's."""
    ours = "build" in service and "healthcheck" not in service
    assert ours or {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()


@every
def test_a_service_stands_on_a_version(service: dict[str, Any]) -> None:
    """An image that is not built here is pinned to a patch."""
    assert "build" in service or re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?(-\w+)?", service["image"])


@every
def test_the_volumes_of_a_service_are_there(service: dict[str, Any]) -> None:
    """A named volume is declared in its file, a folder exists."""
    declared = {name for file in COMPOSE for name in composed(file)["volumes"]}
    for volume in service.get("volumes", ()):
        source = volume.partition(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in declared


def test_only_the_gateway_runs_unless_asked() -> None:
    """What the gateway can do without is behind a profile."""
    plain = [name for name, service in composed(COMPOSE[0])["services"].items() if "profiles" not in service]
    assert plain == ["gateway"]
    assert {"influxdb", "postgres", "redis"} < composed(COMPOSE[0])["services"].keys()


def test_the_gateway_in_compose_wants_a_key() -> None:
    """Compose itself refuses to start it without one, and says what to set."""
    gateway = composed(COMPOSE[0])["services"]["gateway"]
    assert gateway["environment"]["API_KEYS"].startswith("${API_KEYS:-${API_TOKEN:?set API_KEYS")
    assert gateway["env_file"] == ".env"
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("given", [{"API_KEYS": "tok"}, {"API_KEYS": "tok", "API_TOKEN": "tok"}])
def test_what_compose_sets_is_a_configuration(given: dict[str, str], tmp_path: Path) -> None:
    """The gateway starts with it, also where API_KEYS repeats what API_TOKEN says."""
    gateway = composed(COMPOSE[0])["services"]["gateway"]["environment"]
    config = load({**environment(), **gateway, **given}, tmp_path)
    assert (config.server.host, config.server.port) == ("0.0.0.0", 8080)
    assert len(config.keys) == 1


def test_the_gateway_in_compose_may_drain() -> None:
    """It is killed later than it gives up waiting for answers under way."""
    grace = composed(COMPOSE[0])["services"]["gateway"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > load({}, ROOT / "docs").server.drain_s


def test_the_simulator_of_the_dev_file_is_the_one_the_gateway_asks() -> None:
    """Its port is the one in DRAGOMAN_SIMULATOR_URL, and the command line takes its words."""
    services = composed(COMPOSE[1])["services"]
    command = services["simulator"]["command"]
    url = services["gateway"]["environment"]["DRAGOMAN_SIMULATOR_URL"]
    assert url == f"http://simulator:{command[command.index('--port') + 1]}"
    shown = subprocess.run(
        [sys.executable, "-m", "dragoman", *command, "--help"], capture_output=True, check=False
    )
    assert shown.returncode == 0


# --- The example environment ---


def example() -> dict[str, str]:
    """Return what .env.example would say were nothing of it a comment: name and value."""
    found = re.findall(r"^# ?([A-Z][A-Z0-9_]*=.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(found) == len({line.partition("=")[0] for line in found})
    return {name: value for name, _, value in (line.partition("=") for line in found)}


def read_by_the_code() -> set[str]:
    """Return every name that a program of ours looks up in its environment."""
    found: set[str] = set()
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "frontend").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case (
                    ast.Subscript(
                        value=ast.Name("environ") | ast.Attribute(attr="environ"),
                        slice=ast.Constant(str(name)),
                    )
                    | ast.Call(
                        func=ast.Attribute(
                            value=ast.Name("environ") | ast.Attribute(attr="environ"), attr="get"
                        ),
                        args=[ast.Constant(str(name)), *_],
                    )
                    | ast.Call(func=ast.Attribute(attr="getenv"), args=[ast.Constant(str(name)), *_])
                ):
                    found.add(name)
    return found


def read_by_the_files() -> set[str]:
    """Return every name that the compose files and the dev server look up."""
    text = "\n".join((ROOT / name).read_text() for name in COMPOSE)
    found = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", text))
    return found | set(
        re.findall(r"\$\{(DEV_[A-Z_]+|DRAGOMAN_[A-Z_]+)", (ROOT / "bin" / "dev-server").read_text())
    )


def read_by_the_configuration() -> set[str]:
    """Return every name that means something to the gateway."""
    rows = catalog().providers.values()
    found = {name for row in rows for name in (*row.auth.env, *row.base_url_env)}
    return found | {name for one in settings() for name in one.env} | {CONFIG, KEY_LIST, KEY_TOKEN}


def test_the_example_names_every_variable() -> None:
    """Whatever any part reads is in .env.example, and what is there is read by some part."""
    text = (ROOT / ".env.example").read_text()
    read = (read_by_the_configuration() | read_by_the_code() | read_by_the_files()) - OURS - EVERYBODYS
    assert {name for name in read if not re.search(rf"\b{name}\b", text)} == set()
    compose = {"COMPOSE_PROFILES"}  # Docker Compose's own
    assert example().keys() - read - compose == set()


def test_the_example_is_fresh() -> None:
    """Its generated part says what this code says; python docs/environment.py writes it anew."""
    made = run_path(str(ROOT / "docs" / "environment.py"))
    text = made["EXAMPLE"].read_text()
    assert made["fresh"](text) == text


def test_a_copied_example_changes_nothing(tmp_path: Path) -> None:
    """`cp .env.example .env` sets nothing, so everything works as without it."""
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    assert not dotenv_values(tmp_path / ".env")
    assert load({}, tmp_path).server.port == load({}, tmp_path / "none").server.port


def test_what_the_example_shows_is_taken(tmp_path: Path) -> None:
    """Every line of it can be uncommented as it stands: what it shows is a default, or a valid example."""
    lines = [f"{name}={value}" for name, value in example().items() if name != CONFIG]
    (tmp_path / ".env").write_text("\n".join(lines))
    made: dict[str, Any] = {}
    try:
        load({}, tmp_path)
    except ConfigError as error:
        made = {str(problem): problem for problem in error.problems}
    # The example of a dialect of one's own names code that nobody has.
    assert [text for text in made if "dialects.mine" not in text] == []


def test_the_environments_of_the_sources_are_taken(tmp_path: Path) -> None:
    """The .env that each source document shows works as it stands."""
    for text in (
        "GROQ_API_KEY=your_api_key\nGEMINI_API_KEY=your_api_key\n",
        "API_KEYS=a-key,another\nOPENROUTER_API_KEY=x\nOLLAMA_BASE_URL=http://localhost:11434\n",
        "OPENAI_API_KEY='<your_openai_api_key>'\nANTHROPIC_API_KEY='<your>'\nCOHERE_API_KEY='<your>'\n",
        "# Server\nAPI_TOKEN=secure\n\n# API Keys\nANTHROPIC_API_KEY=x\nGOOGLE_API_KEY=x\nPORT=3000\n",
    ):
        (tmp_path / ".env").write_text(text)
        config = load({}, tmp_path)
        assert config.server.port in (8080, 3000)
        assert any(row.key for row in config.providers.values())


# --- The dev server ---


def test_the_dev_server_starts_again_when_the_source_changes(tmp_path: Path) -> None:
    """It serves where DEV_PORT says, in development, and after a change another process takes over."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    script = tmp_path / "bin" / "dev-server"
    script.write_text((ROOT / "bin" / "dev-server").read_text())
    program = tmp_path / ".venv" / "bin" / "dragoman"
    program.write_text(
        f'#!/bin/sh\necho "$DRAGOMAN_ENVIRONMENT as $$"\nexec {sys.executable} -m dragoman "$@"\n'
    )
    program.chmod(0o755)
    child = subprocess.Popen(
        ["bash", script],
        env={"PATH": os.environ["PATH"], "DEV_PORT": "0", "DRAGOMAN_LOCAL_ENABLED": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        first = served(child)
        (tmp_path / "src" / "new.py").write_text("changed = True\n")
        second = served(child)
    finally:
        child.send_signal(signal.SIGTERM)
        rest, _ = child.communicate()
    assert first != second
    assert child.returncode == 0
    assert "listens on" not in rest
    assert not any(Path(f"/proc/{process}").exists() for process in (first, second))


def served(child: subprocess.Popen[str]) -> str:
    """Wait until the dev server's gateway listens; return its process id."""
    process = ""
    assert child.stdout is not None
    for line in child.stdout:
        if found := re.fullmatch(r"development as (\d+)\n", line):
            process = found[1]
        if re.search(r"listens on http://127\.0\.0\.1:\d+", line):
            return process
    raise AssertionError("the dev server ended")


def test_the_dev_server_is_at_5500() -> None:
    """Unless DEV_PORT says otherwise, it is where the clients of the stream surface look for it."""
    text = (ROOT / "bin" / "dev-server").read_text()
    assert '--port "${DEV_PORT:-5500}"' in text
    assert os.access(ROOT / "bin" / "dev-server", os.X_OK)
