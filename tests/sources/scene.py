"""A gateway as one of the five source documents has it: its .env, its commands, and who stands behind.

    Simulator    every provider whose key the .env has, in its own dialect
    real model   a second gateway in front of the embedded model stands where the providers do

A command is what the document prints. It is sent as curl would send it, byte for byte, and nothing of it is
changed but the place the bytes go to.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.house import Answer, House, ask, house

from dragoman.dialects.catalog import DIALECTS
from dragoman.providers.catalog import catalog
from dragoman.providers.local import MODEL, LocalModel, LocalSpec
from dragoman.simulator import Script, Simulator
from dragoman.simulator.script import read

GUARD_S = 300
"""Seconds after which a test that hangs is ended; none is near it."""

CURL = {"User-Agent": "curl/8.14.1", "Accept": "*/*"}
"""What curl says of itself, unasked (curl 8.14.1, ``curl -v``)."""

SHORT = 8
"""Tokens the real model may write: enough to be words."""


class Command(NamedTuple):
    """One curl command, as read by the shell it is written for."""

    method: str
    target: str
    headers: dict[str, str]
    body: str | None

    @property
    def raw(self) -> bytes:
        """The bytes curl sends."""
        data = (self.body or "").encode()
        lines = dict(self.headers)
        if self.body is not None:
            lines["Content-Length"] = str(len(data))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{self.method} {self.target} HTTP/1.1\r\n{head}\r\n".encode() + data

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body or "")


def command(text: str, **more: str) -> Command:
    """Read a document's curl command; `more` are headers to send besides, or instead.

    The documents' Windows forms have double quotes, and such quotes behind a backslash, and no more: a POSIX
    shell and the C run time read them alike. Where they differ tests/examples/test_curl.py is the judge.
    """
    words = iter(shlex.split(text.replace("\\\n", " ")))
    assert next(words) == "curl"
    method, place, headers, body = "", "", dict(CURL), None
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(":")
                headers[name] = value.strip()
            case "-d":
                body = next(words).replace("\r", "").replace("\n", "")  # as curl does with -d
            case _:
                assert not word.startswith("-"), word
                place = word
    url = urlsplit(place)
    target = url.path + (f"?{url.query}" if url.query else "")
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return Command(method, target, {"Host": url.netloc, **headers, **named}, body)


class Scene(NamedTuple):
    """A gateway and who stands behind it."""

    sim: Simulator
    gate: House

    async def run(self, text: str, **more: str) -> Answer:
        """Run a document's command."""
        return await ask(self.gate.port, command(text, **more).raw)


def elsewhere(url: str, **own: dict[str, Any]) -> str:
    """Return DRAGOMAN_PROVIDERS: every provider that has an address, at `url` instead; and `own`."""
    rows = (row for row in catalog().providers.values() if row.base_url)
    return json.dumps({row.name: {"base_url": url + DIALECTS[row.dialect].root} for row in rows} | own)


def _lay(folder: Path, dotenv: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / ".env").write_text(dotenv)


@asynccontextmanager
async def scene(folder: Path, dotenv: str, script: Any = None, **settings: str) -> AsyncIterator[Scene]:
    """Serve with a document's .env before the simulator; `settings` are environment names."""
    _lay(folder, dotenv)
    async with Simulator(read(script) if script else Script()) as sim:
        there = {"DRAGOMAN_PROVIDERS": elsewhere(sim.url), **settings}
        async with house(folder, **there) as gate:
            yield Scene(sim, gate)


def play(
    folder: Path,
    dotenv: str,
    act: Callable[[Scene], Awaitable[None]],
    script: Any = None,
    **settings: str,
) -> None:
    """Play one act at a gateway before the simulator."""

    async def staged() -> None:
        async with scene(folder, dotenv, script, **settings) as there:
            await act(there)

    asyncio.run(asyncio.wait_for(staged(), GUARD_S))


def play_real(
    folder: Path,
    dotenv: str,
    names: Iterable[str],
    act: Callable[[House], Awaitable[None]],
    **settings: str,
) -> None:
    """Play one act at a gateway whose providers are all the embedded model, by the `names` they call it.

    Skips where the model is not installed; under CI=true that is a failure.
    """
    if not LocalModel.available(LocalSpec()):
        why = f"no real model: {LocalModel.why_not(LocalSpec())}"
        assert os.environ.get("CI") != "true", why
        pytest.skip(why)
    here, behind = folder / "gateway", folder / "model"
    _lay(here, dotenv)
    _lay(behind, "")

    async def staged() -> None:
        model = LocalModel(LocalSpec(context=512, threads=1))
        await model.start()
        try:
            async with AsyncExitStack() as stack:
                there = await stack.enter_async_context(house(behind, **_short(model, names)))
                places = {"DRAGOMAN_PROVIDERS": elsewhere(there.url), **settings}
                await act(await stack.enter_async_context(house(here, **places)))
        finally:
            await model.stop()

    asyncio.run(asyncio.wait_for(staged(), GUARD_S))


def _short(model: LocalModel, names: Iterable[str]) -> dict[str, str]:
    """Return a gateway's settings in which `names` are the real model, whose answers are short.

    Anthropic's protocol always says how long an answer may be, so the gateway fills in the model's limit.
    """
    auth = {"scheme": "bearer", "env": ["MODEL_KEY"]}
    row = {"dialect": "anthropic", "base_url": model.base_url, "auth": auth}
    offers = [{"provider": "short", "name": MODEL}]
    return {
        "MODEL_KEY": model.key,
        "DRAGOMAN_PROVIDERS": json.dumps({"short": row}),
        "DRAGOMAN_MODELS": json.dumps({"short": {"max_output": SHORT, "context": 512, "offers": offers}}),
        "DRAGOMAN_ALIASES": json.dumps(dict.fromkeys(names, f"short/{MODEL}")),
    }


def events(got: Answer) -> list[tuple[str, Any]]:
    """Return a stream's events: their names, "" if they have none, and their data."""
    found = []
    for block in got.body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if lines:
            data = lines["data"]
            found.append((lines.get("event", ""), json.loads(data) if data.startswith("{") else data))
    return found


def lines(got: Answer) -> list[Any]:
    """Return the lines of an answer, each as JSON."""
    return [json.loads(line) for line in got.body.decode().splitlines()]
