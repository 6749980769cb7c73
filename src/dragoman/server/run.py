"""Serve: one process, or a parent that supervises several.

Every serving process is the same: it holds one :class:`Gateway` and accepts on one socket. With
several workers the parent binds the socket and holds a gateway that serves nobody: it prepares the
data folder and runs the embedded model, one of it and not one per worker. Then it starts this same
program again for each worker, handing the socket down. A worker that dies is started again; SIGHUP
goes to every worker and reloads there; SIGTERM and SIGINT stop them all, gracefully,
and so does the death of the parent.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from dragoman.config import Config, ConfigError, load
from dragoman.core.failure import Failure
from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.server.guard import guarded
from dragoman.store.aside import Aside

WORKER_FD = "DRAGOMAN_WORKER_FD"
"""Set by the parent: the number of the listening socket a worker inherits."""

WORKER_PARENT = "DRAGOMAN_WORKER_PARENT"
"""Set by the parent: its process id. By the time a worker could ask, it may have another."""

RESTART_PAUSE_S = 1.0
"""A worker that died is started again after so long, so that a broken one does not spin."""

THREADS = 6
"""Threads for what may wait and would hold up the loop: reports put together, files written."""

SWITCH_S = 0.0005
"""Seconds after which a thread lets others run that wait for the interpreter: a report's loops must not keep
a request waiting at each of its steps. Python's own 5 ms are for programs that nobody waits for."""

log = logging.getLogger("dragoman")


def serve(environ: Mapping[str, str]) -> int:
    """Serve until told to stop; return the process's exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        config = load(environ, Path.cwd())
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    inherited = environ.get(WORKER_FD)
    listening = socket.socket(fileno=int(inherited)) if inherited else _bind(config)
    if listening is None:
        return 1
    with listening:
        if inherited is None and config.server.workers > 1:
            return asyncio.run(_supervise(config, environ, listening))
        return _serve_one(config, environ, listening, first=inherited is None)


def _bind(config: Config) -> socket.socket | None:
    host, port = config.server.host, config.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # or asyncio delays packets
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        sys.stderr.write(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port or PORT\n"
        )
        return None
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening


class _Server(uvicorn.Server):
    """uvicorn's server; tells the gateway that it drains as soon as it is told to stop.

    No request is served in a thread of the loop's own pool: those give way to requests.
    """

    def __init__(self, config: uvicorn.Config, gateway: Gateway, parent: int | None) -> None:
        """Serve `gateway`; stop when `parent`, the supervisor's process id, is gone."""
        super().__init__(config)
        self._gateway = gateway
        self._parent = parent

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, with threads that give way, and with all that is there by then left to itself.

        Modules, catalogues and templates stay as long as the process: to look through them for garbage takes
        tens of milliseconds each time, in which no request goes on.
        """
        asyncio.get_running_loop().set_default_executor(Aside(THREADS, "aside"))
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, whether to stop; nobody would restart or reload an orphan."""
        if self._parent is not None and os.getppid() != self._parent:
            self._gateway.draining = True
            return True
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as the wish to stop; unlike uvicorn's, a drained stop is a success."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._gateway.draining = True
        super().handle_exit(sig, frame)


def _serve_one(config: Config, environ: Mapping[str, str], listening: socket.socket, *, first: bool) -> int:
    """Serve one gateway in this process."""
    sys.setswitchinterval(SWITCH_S)
    gateway = Gateway(
        config,
        load=lambda: load(environ, Path.cwd()),
        announce=_banner if first else log.debug,
        url=_url(config, listening),
    )
    server = config.server
    options = uvicorn.Config(
        App(gateway),
        loop="uvloop",
        http=guarded(server.header_timeout_s),
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=int(server.idle_connection_s),
        timeout_graceful_shutdown=int(server.drain_s),
    )
    running = _Server(options, gateway, None if first else int(environ[WORKER_PARENT]))
    running.run(sockets=[listening])
    return 0 if running.started else 1


async def _supervise(config: Config, environ: Mapping[str, str], listening: socket.socket) -> int:
    """Keep `workers` processes serving until told to stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop.set)
    gateway = Gateway(config, announce=_banner, url=_url(config, listening))
    try:
        await gateway.start()
    except Failure as failure:
        log.error("%s", failure.message)  # noqa: TRY400  a person reads it, and a traceback says nothing more
        return 1
    env = {
        **environ,
        **gateway.embedded(),
        WORKER_FD: str(listening.fileno()),
        WORKER_PARENT: str(os.getpid()),
    }
    workers: dict[int, asyncio.subprocess.Process] = {}

    def reload() -> None:
        for worker in workers.values():
            if worker.returncode is None:
                worker.send_signal(signal.SIGHUP)

    loop.add_signal_handler(signal.SIGHUP, reload)

    async def keep(number: int) -> None:
        while not stop.is_set():
            worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "dragoman", "serve", env=env, pass_fds=[listening.fileno()]
            )
            workers[number] = worker
            code = await worker.wait()
            if not stop.is_set():
                log.error("worker %d ended with code %d and is started again", number, code)
                await asyncio.sleep(RESTART_PAUSE_S)

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(config.server.workers):
                group.create_task(keep(number))
            await stop.wait()
            for worker in workers.values():
                if worker.returncode is None:
                    worker.terminate()
    finally:
        await gateway.stop()
    return 0


def _banner(line: str) -> None:
    """Tell a person; whoever starts the process may read it by line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _url(config: Config, listening: socket.socket) -> str:
    return f"http://{_shown(config.server.host)}:{listening.getsockname()[1]}"


def _shown(host: str) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - shown, not bound
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
