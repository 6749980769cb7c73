"""``dragoman simulate``: serve a scriptable provider, for tests and trials."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from dragoman.cli.terminal import Trouble, say
from dragoman.core.extras import Json
from dragoman.core.failure import Failure
from dragoman.simulator import Script, Simulator
from dragoman.simulator import script as scripts

try:
    import uvloop
except ImportError:  # there is none on Windows
    LOOP: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    LOOP = uvloop.new_event_loop


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--host", default="127.0.0.1", metavar="NAME", help="address (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port (default: any that is free)")
    parser.add_argument("--script", type=Path, metavar="FILE", help="what to do, as TOML or JSON")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="what answers are drawn from")
    parser.add_argument("--latency-ms", type=float, metavar="N", help="time before the first byte")
    parser.add_argument("--tokens", type=int, metavar="N", help="words of an answer")
    parser.add_argument("--tokens-per-s", type=float, metavar="N", help="pace of a stream")
    parser.add_argument("--chunk-size", type=int, metavar="N", help="characters of a chunk (default: a word)")
    parser.add_argument(
        "--frames-per-write", type=int, metavar="N", help="frames sent at once (default: all)"
    )
    parser.add_argument("--text", metavar="WORDS", help="what is said")
    parser.add_argument("--echo", action="store_true", default=None, help="say what the user said last")
    parser.add_argument("--no-bodies", action="store_true", help="keep no bodies in the journal")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:  # noqa: ARG001 - a command's shape
    """Serve until told to stop; return the exit code."""
    script = _script(arguments)
    with asyncio.Runner(loop_factory=LOOP) as runner:
        runner.run(_serve(arguments, script))
    return 0


def _script(arguments: argparse.Namespace) -> Script:
    """Return the script, its default behaviour as the options say."""
    names = ("tokens", "tokens_per_s", "chunk_size", "frames_per_write", "text", "echo")
    said: dict[str, Json] = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    if arguments.latency_ms is not None:
        said["latency_s"] = arguments.latency_ms / 1000
    try:
        return scripts.read({}, said) if arguments.script is None else scripts.load(arguments.script, said)
    except Failure as failure:
        raise Trouble(f"{failure.message} ({failure.at})", code=2) from None


async def _serve(arguments: argparse.Namespace, script: Script) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    simulator = Simulator(
        script,
        seed=arguments.seed,
        host=arguments.host,
        port=arguments.port,
        journal_bodies=not arguments.no_bodies,
    )
    try:
        await simulator.start()
    except OSError as error:
        raise Trouble(f"cannot listen on {arguments.host} port {arguments.port}: {error.strerror}") from None
    say(simulator.url)
    sys.stdout.flush()  # whoever started this waits for the line
    await stop.wait()
    await simulator.close()
