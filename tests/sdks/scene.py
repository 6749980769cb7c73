"""Where the official SDKs are judges: a gateway before a simulator, and a process for each SDK.

    scene.play(text="Hello.")                                      what the simulator is to do
    oracles.ask("cohere", do="answer", base_url=scene.url, ...)    what the SDK makes of it

One scene serves a whole run: the gateway and the simulator in a thread of their own, and every oracle
(``oracles/``) in a process of its SDK's environment, started when it is first asked. An environment that
is missing, or made from another lock, is never made here: the test is skipped and says by which command
it is made; where ``CI`` is true it fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import pytest
from tests.house import House, house

from dragoman.simulator import Script, Simulator
from dragoman.simulator.script import read

ROOT = Path(__file__).parents[2]

ORACLES = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "anthropic": "anthropic",
    "google_genai": "google-genai",
    "cohere": "cohere",
    "ollama": "ollama",
    "groq": "groq",
}
"""Every oracle, and the environment it lives in."""

KEY = "right"
KEEPALIVE_S = 0.05

Got = TypeVar("Got")


class Scene:
    """A gateway and a simulator, running in a thread.

    Attributes:
        sim: The simulator; between answers it may be looked at from here.
        gate: The gateway.
    """

    sim: Simulator
    gate: House

    def __init__(self, folder: Path) -> None:
        (folder / "dragoman.toml").write_text('[routes.listed]\ntargets = ["sim-openai_chat/m"]\n')
        self._folder = folder
        self._begun: Future[None] = Future()
        self._thread = Thread(target=lambda: asyncio.run(self._run()), name="scene")

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self.gate.url

    def open(self) -> None:
        """Start, and wait until both serve."""
        self._thread.start()
        self._begun.result()

    def close(self) -> None:
        """Stop, and wait until both have stopped."""
        if self._begun.exception() is None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _run(self) -> None:
        settings = {"API_KEYS": KEY, "DRAGOMAN_SERVER_KEEPALIVE_S": str(KEEPALIVE_S)}
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with Simulator() as self.sim, house(self._folder, self.sim.url, **settings) as self.gate:
                self._begun.set_result(None)
                await self._over.wait()
        except BaseException as error:
            if self._begun.done():
                raise
            self._begun.set_exception(error)

    def do(self, act: Callable[[], Got]) -> Got:
        """Return what `act` returns in the thread of the servers."""

        async def acted() -> Got:
            return act()

        return asyncio.run_coroutine_threadsafe(acted(), self._loop).result()

    def play(self, **default: Any) -> None:
        """Set what the simulator does from now on, and forget what it was asked."""
        self.direct(read({"default": default}))

    def direct(self, script: Script) -> None:
        """Set the simulator's script, and forget what it was asked."""

        def act() -> None:
            self.sim.script = script
            self.sim.journal.clear()

        self.do(act)

    def heard(self) -> list[Any]:
        """Return the bodies the simulator was sent."""
        return [entry.body for entry in self.sim.journal.entries]


class Oracles:
    """The processes, each started when it is first asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[str]] = {}

    def ask(self, name: str, **command: Any) -> dict[str, Any]:
        """Return what one oracle says to a command.

        Raises:
            AssertionError: It died; with what it said last.
        """
        if name not in self._running:
            self._running[name] = self._start(name)
        running = self._running[name]
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(json.dumps(command) + "\n")
        running.stdin.flush()
        line = running.stdout.readline()
        if not line:
            del self._running[name]
            self._end(running)
            raise AssertionError(f"the oracle {name} died: {self._log(name).read_text()[-2000:]}")
        said: dict[str, Any] = json.loads(line)
        return said

    def close(self) -> None:
        """End every process: each ends with its input."""
        for running in self._running.values():
            assert running.stdin is not None
            running.stdin.close()
        for running in self._running.values():
            self._end(running)

    def _start(self, name: str) -> subprocess.Popen[str]:
        environment = ROOT / ".venvs" / ORACLES[name]
        missing = why_not(ORACLES[name])
        if missing and os.environ.get("CI") == "true":
            pytest.fail(missing)
        if missing:
            pytest.skip(missing)
        with self._log(name).open("w") as log:
            return subprocess.Popen(
                [environment / "bin" / "python", "-m", f"tests.sdks.oracles.{name}"],
                cwd=ROOT,
                env={"PYTHONUTF8": "1"},  # nothing of ours: no key, no proxy, no path
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _end(self, running: subprocess.Popen[str]) -> None:
        for pipe in (running.stdin, running.stdout):
            assert pipe is not None
            pipe.close()
        running.wait()


def why_not(sdk: str) -> str | None:
    """Say why there is no environment to ask this SDK in; None: there is one."""
    made, lock = ROOT / ".venvs" / sdk / "ready", ROOT / "requirements" / "sdks" / f"{sdk}.txt"
    if not made.is_file():
        return f"the official {sdk} SDK has no environment here: make sdks"
    if made.read_bytes() != lock.read_bytes():
        return f"the official {sdk} SDK's environment was made from another lock: make sdks"
    return None
