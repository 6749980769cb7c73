"""Coding agents that speak one protocol, before a provider that speaks another: do they finish their work?

    .venv/bin/python examples/agents/run.py                          all of them
    .venv/bin/python examples/agents/run.py codex --model sim-gemini/m

Each agent is asked for the secret word in a file. The provider is ``dragoman simulate``: it has the agent
call its own tool for reading that file, and says back what the tool answered. The word is new in every run
and stands nowhere but in the file, so an agent that ends by saying it has been through the whole loop: the
offer of its tools, the call, the result, the last words, each translated by ``dragoman serve`` between them.

Nothing leaves this machine: no account, no key, a home folder of its own for each agent. What npm has to
install is installed first, as package-lock.json has it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
PACKAGES = HERE / "node_modules"
BIN = PACKAGES / ".bin"

PATIENCE_S = 180.0
"""How long one agent may take; it takes a second or three."""

OK = 200

OLDEST_NODE = 20
"""The Node.js that Gemini CLI asks for; the other two bring programs of their own."""


@dataclass(frozen=True)
class Errand:
    """What an agent is sent to do: whom to ask where, what to read, and where to live meanwhile."""

    url: str
    model: str
    file: Path
    home: Path

    @property
    def prompt(self) -> str:
        """What the user says."""
        return f"Read the file {self.file} and tell me the secret word in it."


@dataclass(frozen=True)
class Agent:
    """A command line agent.

    Attributes:
        model: Whom it asks unless told otherwise: a provider of another dialect than its own.
        tool: Its tool for reading a file, and the arguments that make it read one.
        start: Settle it in the errand's home; return its command line and what its environment has besides.
    """

    name: str
    model: str
    tool: Callable[[str], tuple[str, dict[str, str]]]
    start: Callable[[Errand], tuple[list[str], dict[str, str]]]


def claude(errand: Errand) -> tuple[list[str], dict[str, str]]:
    """Claude Code: everything is in the environment."""
    settings = {
        "ANTHROPIC_BASE_URL": errand.url,
        "ANTHROPIC_API_KEY": "any",
        "ANTHROPIC_MODEL": errand.model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": errand.model,  # what it uses for small side jobs
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    # Its wrapper finds the program for this machine; npm's link to it wants an install script to have run.
    wrapper = PACKAGES / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
    return ["node", str(wrapper), "-p", errand.prompt], settings


def codex(errand: Errand) -> tuple[list[str], dict[str, str]]:
    """Codex: a provider in its config.toml."""
    config = f"""
model = "{errand.model}"
model_provider = "dragoman"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.dragoman]
name = "Dragoman"
base_url = "{errand.url}/v1"
wire_api = "responses"
env_key = "DRAGOMAN_KEY"
"""
    (errand.home / "config.toml").write_text(config)
    # Its sandbox needs rights that containers seldom give; what it runs here is one `cat` of our own script.
    flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    settings = {"CODEX_HOME": str(errand.home), "DRAGOMAN_KEY": "any"}
    return [str(BIN / "codex"), "exec", *flags, errand.prompt], settings


def gemini(errand: Errand) -> tuple[list[str], dict[str, str]]:
    """Gemini CLI: how it signs in is in its settings.json, the rest in the environment."""
    config = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
    }
    folder = errand.home / ".gemini"
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps(config))
    settings = {"GOOGLE_GEMINI_BASE_URL": errand.url, "GEMINI_API_KEY": "any"}
    return [str(BIN / "gemini"), "--skip-trust", "-m", errand.model, "-p", errand.prompt], settings


AGENTS: Mapping[str, Agent] = MappingProxyType(
    {
        agent.name: agent
        for agent in (
            Agent("claude", "sim-openai_chat/m", lambda file: ("Read", {"file_path": file}), claude),
            Agent("codex", "sim-anthropic/m", lambda file: ("exec_command", {"cmd": f"cat '{file}'"}), codex),
            Agent("gemini", "sim-openai_chat/m", lambda file: ("read_file", {"file_path": file}), gemini),
        )
    }
)


@dataclass(frozen=True)
class Result:
    """How an errand went: what is wrong, if anything, and what was seen.

    Attributes:
        said: The agent's last words.
        losses: What its requests lost in translation, as the ledger has it.
    """

    agent: str
    model: str
    faults: tuple[str, ...]
    said: str
    losses: tuple[str, ...]


def lacking(agent: str) -> str | None:
    """Say what this machine lacks for an agent; None: nothing."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "there is no Node.js with npm"
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    found = re.match(r"v(\d+)", said)
    if agent == "gemini" and (found is None or int(found[1]) < OLDEST_NODE):
        return f"Gemini CLI asks for Node.js {OLDEST_NODE}, and this is {said.strip() or 'none'}"
    return None


def installed() -> bool:
    """Say whether node_modules holds what the lock says."""
    ready = PACKAGES / "ready"
    return ready.is_file() and ready.read_bytes() == (HERE / "package-lock.json").read_bytes()


def install() -> None:
    """Install what the lock says, unless it is there."""
    if not installed():
        subprocess.run([HERE.parents[1] / "scripts" / "setup_peers", "examples/agents"], check=True)


@contextmanager
def running(*command: str, said: str, folder: Path, **settings: str) -> Iterator[str]:
    """Run a `dragoman` command in `folder` and give the address it says that it listens on."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
    with subprocess.Popen(
        [sys.executable, "-m", "dragoman", *command],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            line = next((line for line in child.stdout if re.search(said, line)), None)
            if line is None:
                raise SystemExit(f"dragoman {command[0]} did not start")
            found = re.search(r"http://[^\s]+:\d+", line)
            assert found is not None
            yield found[0]
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(20)
            child.kill()


def script(file: Path) -> dict[str, Any]:
    """Return what the simulator does: call the reading tool that is on offer, then say what it answered."""
    tools = [agent.tool(str(file)) for agent in AGENTS.values()]
    calls = [{"name": name, "arguments": arguments} for name, arguments in tools]
    return {"default": {"tokens": 8, "call": calls, "echo": "tool"}}


def run(names: Iterable[str], models: Sequence[str] = ()) -> Iterator[Result]:
    """Send each agent to each model, its own if none is named, one after the other."""
    install()
    with TemporaryDirectory(prefix="dragoman-agents-") as name:
        folder = Path(name).resolve()
        desk = folder / "desk"
        desk.mkdir()
        file = desk / "secret.txt"
        (folder / "script.json").write_text(json.dumps(script(file)))
        serve = {"DRAGOMAN_SERVER_PORT": "0", "DRAGOMAN_LOCAL_ENABLED": "false", "DRAGOMAN_DATA": "data"}
        with (
            running("simulate", "--script", "script.json", said="http", folder=folder) as provider,
            running(
                "serve", said="listens on", folder=folder, DRAGOMAN_SIMULATOR_URL=provider, **serve
            ) as url,
        ):
            for agent in map(AGENTS.__getitem__, names):
                for number, model in enumerate(models or (agent.model,)):
                    home = folder / f"{agent.name}-{number}"
                    home.mkdir()
                    word = f"marzipan-{secrets.token_hex(8)}"
                    file.write_text(f"The secret word is {word}.\n")
                    errand = Errand(url, model, file, home)
                    yield judge(agent, errand, word, provider, folder / "data" / "dragoman.db")


def judge(agent: Agent, errand: Errand, word: str, provider: str, ledger: Path) -> Result:
    """Run one agent and say how it went."""
    before = len(asked_of(provider))
    code, said, complaints = play(*agent.start(errand), errand)
    asked = asked_of(provider)[before:]
    booked = booked_in(ledger)[before:]
    told = [word in json.dumps(entry["body"]) for entry in asked]
    faults = []
    if code != 0:
        faults.append(f"it ended with {code}: {complaints.strip()[-2000:]}")
    if word not in said:
        faults.append(f"it did not say the word, but {said.strip()[-500:]!r}")
    if not any(told) or told[0]:
        faults.append("the word did not reach the provider as what a tool answered")
    if len(booked) != len(asked):
        faults.append(f"{len(booked)} requests were booked, and {len(asked)} reached the provider")
    faults += [f"the provider answered {entry['status']}" for entry in asked if entry["status"] != OK]
    faults += [f"the gateway answered {status}: {message}" for status, message, _ in booked if status != OK]
    losses = dict.fromkeys(loss for _, _, lost in booked for loss in lost)
    return Result(agent.name, errand.model, tuple(faults), said.strip(), tuple(losses))


def play(command: list[str], settings: Mapping[str, str], errand: Errand) -> tuple[int, str, str]:
    """Run an agent's command to its end, and end whatever it leaves behind; return its code and words."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(errand.home), "TERM": "dumb", **settings}
    with subprocess.Popen(
        command,
        cwd=errand.file.parent,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            said, complaints = child.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            said, complaints = child.communicate()
            complaints += f"\nit was stopped after {PATIENCE_S:.0f} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return child.returncode, said, complaints


def asked_of(provider: str) -> list[dict[str, Any]]:
    """Return the simulator's journal: every request it was asked, and how it answered."""
    with urlopen(f"{provider}/_journal") as answer:  # noqa: S310 - our own simulator
        journal: list[dict[str, Any]] = json.load(answer)
    return journal


def booked_in(ledger: Path) -> list[tuple[int | None, str | None, list[str]]]:
    """Return the status, message and losses of every request in the ledger, once all are settled."""
    query = "select status, message, losses, state from exchange order by opened_at"
    until = time.monotonic() + PATIENCE_S
    while True:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as database:
            rows = database.execute(query).fetchall()
        if all(state != "reserved" for *_, state in rows) or time.monotonic() > until:
            return [(status, message, json.loads(losses)) for status, message, losses, _ in rows]
        time.sleep(0.05)


def main() -> int:
    """Run the agents that are asked for; return 1 if one failed."""
    parser = argparse.ArgumentParser(
        description="Run coding agents through Dragoman, before a simulated provider."
    )
    parser.add_argument("agent", nargs="*", help=f"which: {', '.join(AGENTS)} (default: all)")
    parser.add_argument("--model", action="append", default=[], help="whom they ask, sim-DIALECT/any")
    arguments = parser.parse_args()
    if unknown := set(arguments.agent) - AGENTS.keys():
        parser.error(f"there is no agent {', '.join(sorted(unknown))}")
    failed = False
    ready: list[str] = []
    for name in arguments.agent or AGENTS:
        if (miss := lacking(name)) is None:
            ready.append(name)
        else:
            failed = True
            print(f"FAIL {name}: {miss}")
    for result in run(ready, arguments.model) if ready else ():
        failed |= bool(result.faults)
        print(f"{'FAIL' if result.faults else 'PASS'} {result.agent} -> {result.model}: {result.said!r}")
        for fault in result.faults:
            print(f"     {fault}")
        if result.losses:
            print(f"     lost in translation: {', '.join(result.losses)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
