"""Gateways as an operator runs them, and the simulated provider they all ask.

A :class:`Node` is ``dragoman serve`` in a process group of its own, so that a drill can kill all of it at
once. Everything it is configured with is in its environment, secrets too: whatever of them is found in a
file afterwards was written there by the gateway.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from dragoman.core.extras import Json
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Script, Simulator
from dragoman.simulator import script as scripts
from dragoman.simulator.journal import Journal
from drills.ask import INPUT, MARK, get
from drills.history import READ_MICROS, WROTE_MICROS, Seen
from drills.waiting import until

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {"north": "openai_chat", "south": "anthropic", "west": "gemini"}
)
"""Each provider of the drills, and the dialect it speaks."""

LENGTHS = (4, 12, 30, 80)
"""Tokens of an answer; the model ``mN`` of every provider says N."""

KEY = f"{MARK}-client-key"
"""The client's secret, where one will do."""

START_S = 60.0
"""Seconds a gateway is given to start, on a machine that has other things to do."""

PASSED = ("PATH", "PYTHONPATH")
"""What a gateway gets of this program's own environment."""

KEPT = 400_000
"""Requests a provider's journal keeps."""

PROBE = Path(__file__).with_name("probe.py")

SEEN_ID = re.compile(r"ask:([A-Za-z0-9_-]+)")


def script(*, pace: float | None, latency_s: float = 0.0, rules: Iterable[Json] = ()) -> Script:
    """Return what the provider does: a model's name says how long it talks, `pace` tokens a second."""
    lengths: list[Json] = [{"match": {"model": f"m{n}"}, "then": {"tokens": n}} for n in LENGTHS]
    ground: dict[str, Json] = {"latency_s": latency_s}
    if pace is not None:
        ground["tokens_per_s"] = pace
    return scripts.read({"default": ground, "rules": [*rules, *lengths]})


def provider(pace: float | None = None, *, latency_s: float = 0.0, rules: Iterable[Json] = ()) -> Simulator:
    """Return a simulated provider whose journal keeps everything of a drill."""
    return Simulator(script(pace=pace, latency_s=latency_s, rules=rules), keep=KEPT)


def environment(
    simulator: Simulator, keys: Mapping[str, str] | None = None, more: Sequence[tuple[str, str]] = ()
) -> dict[str, str]:
    """Return a gateway's configuration: providers, prices, keys (name to secret).

    `more`: providers and models besides that have the price of all.
    """
    given = keys or {"drill": KEY}
    price = {"input": str(READ_MICROS), "output": str(WROTE_MICROS)}
    rows = {
        name: {
            "dialect": dialect,
            "base_url": f"{simulator.url}{DIALECTS[dialect].root}",
            "auth": {"scheme": "bearer", "env": [f"{name.upper()}_KEY"]},
        }
        for name, dialect in PROVIDERS.items()
    }
    models = {
        f"drill-{n}": {
            "offers": [{"provider": name, "name": f"m{n}", "price": price} for name in PROVIDERS],
            "max_output": 400,
        }
        for n in LENGTHS
    }
    models |= {
        f"drill-{name}-{model}": {"offers": [{"provider": name, "name": model, "price": price}]}
        for name, model in more
    }
    return {
        "DRAGOMAN_KEYS": json.dumps(given),
        "DRAGOMAN_PROVIDERS": json.dumps(rows),
        "DRAGOMAN_MODELS": json.dumps(models),
        "DRAGOMAN_PEPPER": f"{MARK}-pepper-0123456789abcdef0123456789abcdef",
        "DRAGOMAN_LOCAL_ENABLED": "false",
        "DRAGOMAN_METRICS_OPEN": "true",
        **{f"{name.upper()}_KEY": f"{MARK}-key-of-{name}" for name in PROVIDERS},
    }


class Node:
    """A gateway in a process group of its own.

    Args:
        folder: Its own; the data folder is in it, and ``NAME.log`` all that it says.
        settings: Environment names and values.
        probed: Count tasks and open files when asked (:meth:`probe`); only of a single process.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        workers: int = 1,
        name: str = "gateway",
        probed: bool = False,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / f"{name}.log"
        self.workers = workers
        self.port = 0
        self.settings = dict(settings)
        self._probed = probed
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The process that was started: the only one, or the supervisor."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start, on the port of the last start if there was one, and wait until it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environ = {
            **{name: os.environ[name] for name in PASSED if name in os.environ},
            "DRAGOMAN_DATA": str(self.data),
            "DRAGOMAN_SERVER_PORT": str(self.port),
            "DRAGOMAN_SERVER_WORKERS": str(self.workers),
            "DRILL_PROBE": str(self.folder / "probe.json"),
            **self.settings,
        }
        begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *([str(PROBE)] if self._probed else ["-m", "dragoman"]),
                "serve",
                cwd=self.folder,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        async with asyncio.timeout(START_S):
            while not (found := re.search(rb"listens on http://[^ ]*:(\d+)", self._said(begun))):
                if self._process.returncode is not None:
                    raise RuntimeError(f"the gateway ended: {self._said(begun).decode(errors='replace')}")
                await asyncio.sleep(0.01)
            self.port = int(found[1])
        await until(self._ready, limit_s=START_S)

    async def kill(self) -> None:
        """Kill every process of it at once, and wait until none is left."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> float:
        """Ask it to stop; return the seconds that took."""
        began = asyncio.get_running_loop().time()
        await self._end(signal.SIGTERM)
        return asyncio.get_running_loop().time() - began

    def siblings(self) -> list[int]:
        """Return its serving processes: the workers, or the only one."""
        found = _members(self.pid)
        return [pid for pid in found if pid != self.pid] if self.workers > 1 else found

    async def probe(self) -> Mapping[str, int]:
        """Return how many tasks and open files the process has now."""
        told = self.folder / "probe.json"
        told.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR2)
        await until(told.exists, limit_s=START_S)
        found: dict[str, int] = json.loads(told.read_text())
        return found

    async def scrape(self) -> int:
        """Keep what the metrics say among the node's files, to be searched; return how many lines it has."""
        _, told = await get(self.port, "/metrics", KEY)
        self.log.with_suffix(".metrics").write_bytes(told)
        return told.count(b"\n")

    def rss(self) -> int:
        """Return the bytes its serving processes have in memory."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.siblings())
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def _ready(self) -> bool:
        return (await get(self.port, "/health/ready"))[0] == 200

    def _said(self, begun: int) -> bytes:
        with self.log.open("rb") as log:
            log.seek(begun)
            return log.read()

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(process.pid, number)
            elif process.returncode is None:
                process.send_signal(number)
        await process.wait()
        await until(lambda: not _members(process.pid), limit_s=START_S)
        self._process = None


@asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    """Start nodes, and see to it that nothing of them is left."""
    try:
        for node in nodes:
            await node.start()
        yield
    finally:
        for node in nodes:
            await node.kill()


def collected(journal: Journal) -> list[Seen]:
    """Return what the provider saw, and forget it; nothing may be open."""
    found = [
        Seen(
            id=id_[1],
            read=INPUT,
            sent=entry.tokens,
            told=(entry.usage.total_input, entry.usage.total_output) if entry.usage else None,
            ended_s=entry.ended_at_s,
            outcome=entry.outcome,
        )
        for entry in journal.entries
        if (id_ := SEEN_ID.search(str(entry.body))) is not None
    ]
    journal.clear()
    return found


async def quiet(simulator: Simulator, limit_s: float = 30.0) -> None:
    """Wait until the provider gives no answer any more."""
    async with asyncio.timeout(limit_s):
        await simulator.journal.until(lambda journal: journal.open == 0)


def targets() -> Sequence[str]:
    """Return every ``provider/model`` there is."""
    return [f"{name}/m{n}" for name in PROVIDERS for n in LENGTHS]


def _members(group: int) -> list[int]:
    """Return the living processes of a group."""
    found = []
    for path in Path("/proc").iterdir():
        if not path.name.isdecimal():
            continue
        with suppress(OSError):
            state, _, of = (path / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                found.append(int(path.name))
    return sorted(found)
