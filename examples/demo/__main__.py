"""Run Dragoman with a month of traffic to look at, and some that goes on.

    make demo                   or: python -m examples.demo [--port N] [--data FOLDER] [--fresh] ...

The month is generated and booked once; what moves while the demo runs are real requests through the real
gateway to a simulated provider. Everything is in a folder of its own, on this machine only. Started again it
goes on there: the time since is filled up.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
from examples.demo.filling import fill
from examples.demo.live import Client
from examples.demo.month import Setting

from dragoman.config import load
from dragoman.core.failure import Failure
from dragoman.server.run import WORKER_FD, WORKER_PARENT
from dragoman.simulator import Simulator
from dragoman.simulator.script import load as load_script

HERE = Path(__file__).parent

MARK = "THIS-IS-A-DEMO"
"""The file that says a folder is a demo's: no other folder is written to, or removed."""

PATIENCE_S = 10.0
"""Seconds the gateway is given to end."""


class Trouble(Exception):
    """What a person can mend."""


def count(words: str) -> int:
    """Return how many exchanges a month is to have."""
    if (found := int(words)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return found


def rate(words: str) -> float:
    """Return how many requests a second are to be asked."""
    if not 0 <= (found := float(words)) <= 1000:
        raise argparse.ArgumentTypeError("from 0 to 1000")
    return found


def options() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    parser = argparse.ArgumentParser(prog="make demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8081, metavar="N", help="port (default: 8081; 0: any)")
    parser.add_argument(
        "--data", type=Path, default=Path("demo-data"), metavar="FOLDER", help="its own folder"
    )
    parser.add_argument("--fresh", action="store_true", help="begin anew: remove what an earlier demo kept")
    parser.add_argument("--exchanges", type=count, default=20_000, metavar="N", help="in the month, about")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="another one is another month")
    parser.add_argument(
        "--rate", type=rate, default=0.5, metavar="N", help="live requests a second (default: 0.5)"
    )
    return parser


def say(line: str = "") -> None:
    """Tell a person; whoever starts this may read it by line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def ground(folder: Path, *, fresh: bool) -> Iterator[Path]:
    """Hold a folder that is a demo's, or becomes one, while nobody else does.

    Raises:
        Trouble: It is somebody else's, or in use.
    """
    mark = folder / MARK
    if folder.exists() and any(folder.iterdir()) and not mark.is_file():
        raise Trouble(f"{folder} is not a demo's folder, and is left alone; choose another with --data")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with mark.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(f"another demo runs in {folder}; stop it, or choose another with --data") from None
        if fresh:
            for path in folder.iterdir():
                if path != mark:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield folder


def listening(port: int) -> socket.socket:
    """Return a socket that listens on this machine only.

    Raises:
        Trouble: The port is taken.
    """
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        found.close()
        why = error.strerror if isinstance(error, OSError) else "it is no port"
        raise Trouble(f"cannot listen on port {port}: {why}; choose another with --port") from None
    found.listen(2048)
    return found


def environment(folder: Path, simulator_url: str, port: int) -> dict[str, str]:
    """Return the gateway's environment: nothing of the operator's own is in it, and so no key of his."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "DRAGOMAN_CONFIG": str(HERE / "dragoman.toml"),
        "DRAGOMAN_DATA": str(folder / "data"),
        "DRAGOMAN_FILES_FOLDER": str(folder / "logs"),
        "DRAGOMAN_SIMULATOR_URL": simulator_url,
        "DRAGOMAN_SERVER_PORT": str(port),
    }


async def run(arguments: argparse.Namespace, folder: Path, bound: socket.socket) -> int:
    """Fill the ledger, serve it and keep it moving until told to stop; return the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = bound.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with Simulator(
        load_script(HERE / "simulator.toml"), seed=arguments.seed, journal_bodies=False
    ) as provider:
        environ = environment(folder, provider.url, port)
        setting = Setting(arguments.seed, arguments.exchanges, time.time())  # noqa: TID251  its clock's one entrance
        known = await fill(load(environ, folder), setting, say)
        if stop.is_set():
            return 0
        gateway = await _serving(environ, folder, bound)
        try:
            if not await _ready(gateway, url):
                say("the gateway did not start")
                return 1
            say()
            say("Dragoman, demo: the month is generated, and what moves is simulated.")
            say(f"dashboard  {url}/admin")
            say(f"admin key  {known['admin']}")
            say("Ctrl-C ends it; the next start goes on here, `make demo ARGS=--fresh` begins anew.")
            client = Client(url, known, rate=arguments.rate, chance=random.Random())  # noqa: S311  as the month's
            return await _until(stop, gateway, client)
        finally:
            await _ended(gateway)


async def _until(stop: asyncio.Event, gateway: asyncio.subprocess.Process, client: Client) -> int:
    """Let the client ask until told to stop, or until the gateway ends by itself."""
    loop = asyncio.get_running_loop()
    asking = loop.create_task(client.run())
    told, gone = loop.create_task(stop.wait()), loop.create_task(gateway.wait())
    watched = {told, gone, asking} if client.asks else {told, gone}
    await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
    for task in (asking, told, gone):
        task.cancel()
    await asyncio.wait({asking, told, gone})
    if not asking.cancelled():
        asking.result()  # a fault of the client's is a fault
    if not stop.is_set():
        say(f"the gateway ended with code {gateway.returncode}")
        return 1
    return 0


async def _serving(
    environ: Mapping[str, str], folder: Path, bound: socket.socket
) -> asyncio.subprocess.Process:
    """Start the gateway as a worker of this process: it takes the socket, and ends if this process does.

    In a session of its own, so that a Ctrl-C reaches it by us only, once its clients have left.
    """
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dragoman", "serve"),
        cwd=folder,
        env={**environ, WORKER_FD: str(bound.fileno()), WORKER_PARENT: str(os.getpid())},
        pass_fds=[bound.fileno()],
        start_new_session=True,
    )


async def _ready(gateway: asyncio.subprocess.Process, url: str) -> bool:
    """Wait until the gateway answers, or has ended; the socket keeps who comes early."""
    loop = asyncio.get_running_loop()
    gone, answer = loop.create_task(gateway.wait()), loop.create_task(_health(url))
    await asyncio.wait({gone, answer}, return_when=asyncio.FIRST_COMPLETED)
    ready = answer.done() and not answer.cancelled() and answer.exception() is None
    for task in (gone, answer):
        task.cancel()
    await asyncio.wait({gone, answer})
    return ready


async def _health(url: str) -> None:
    async with aiohttp.ClientSession(url) as session, session.get("/health") as answer:
        answer.raise_for_status()


async def _ended(gateway: asyncio.subprocess.Process) -> None:
    if gateway.returncode is None:
        gateway.terminate()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await gateway.wait()
    except TimeoutError:
        gateway.kill()
        await gateway.wait()


def main() -> int:
    """Run the demo; return the process's exit code."""
    arguments = options().parse_args()
    logging.getLogger("dragoman").addHandler(logging.NullHandler())  # alerts of long ago are no news
    try:
        with (
            ground(arguments.data.resolve(), fresh=arguments.fresh) as folder,
            listening(arguments.port) as bound,
        ):
            return asyncio.run(run(arguments, folder, bound))
    except Trouble as trouble:
        sys.stderr.write(f"demo: {trouble}\n")
    except Failure as failure:
        sys.stderr.write(f"demo: {failure.message}\n")
    except OSError as error:  # a folder that is none, a disk that is full
        sys.stderr.write(
            f"demo: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}\n"
        )
    except KeyboardInterrupt:
        return 130
    return 1


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
