"""``dragoman doctor``: look at everything a gateway needs, and say what to do.

Every look is a :class:`Finding`: fine, worth knowing, or in the way. Providers are asked one harmless
question each (their list of models), with their key and a short deadline, and only those that are
configured: nobody else learns that this gateway exists.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from dragoman import __version__
from dragoman.cli.configured import configured, wanting
from dragoman.cli.terminal import Style, masked, paint, say
from dragoman.config import Config
from dragoman.core.failure import Failure
from dragoman.dialects.fields import decode
from dragoman.providers import Provider
from dragoman.providers.auth import sign
from dragoman.providers.local import LocalModel
from dragoman.providers.transport import AiohttpTransport, Deadlines, Transport
from dragoman.store.opening import seen
from dragoman.store.redis.wire import dialler
from dragoman.store.sqlite import SqliteStore

DEADLINES = Deadlines(connect_s=3.0, first_byte_s=5.0, idle_s=5.0, total_s=5.0)

PATIENCE_S = 3.0
"""Seconds Redis has to answer."""

MARKS: Mapping[str, Style] = {"ok": "good", "--": "warn", "no": "bad"}


class Finding(msgspec.Struct, frozen=True):
    """What one look found: fine (``ok``), worth knowing (``--``) or in the way (``no``), and what to do."""

    mark: Literal["ok", "--", "no"]
    subject: str
    text: str
    fix: str = ""


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")
    parser.add_argument("--offline", action="store_true", help="ask no provider")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Look, and print what was found; return 1 if anything is in the way."""
    config = configured(environ, arguments.config)
    findings = asyncio.run(look(config, ask=not arguments.offline))
    for line in report(findings):
        say(line)
    return int(any(finding.mark == "no" for finding in findings))


async def look(config: Config, *, ask: bool) -> list[Finding]:
    """Return what there is to know; the providers' answers only if `ask`."""
    ready = [row for row in config.providers.values() if row.ready and not row.twin]
    return [
        Finding("ok", "dragoman", f"{__version__}, Python {platform.python_version()}, {sys.prefix}"),
        _files(config),
        _listening(config),
        _keys(config),
        _folder(config.data),
        await (_shared(config) if config.store.url else _database(config)),
        *([await _redis(config)] if config.redis.url else ()),
        _embedded(config),
        *(await _providers(ready) if ask else ()),
        _answering(config),
    ]


def report(findings: Sequence[Finding]) -> Iterable[str]:
    """Yield the lines that tell the findings."""
    for finding in findings:
        fix = f"; {finding.fix}" if finding.fix else ""
        mark = paint(finding.mark, MARKS[finding.mark], sys.stdout)
        yield f"{mark}  {finding.subject:<14} {finding.text}{fix}"


def _files(config: Config) -> Finding:
    read = [str(path) for path in config.sources if path.is_file()]
    return Finding("ok", "configuration", ", ".join(read) or "no file; the environment and defaults")


def _listening(config: Config) -> Finding:
    """Say whether the port is free, or who has it."""
    host, port = config.server.host, config.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            return Finding(
                "--",
                "address",
                f"{host} port {port}: {error.strerror}",
                "a gateway may be running there already; if not, choose another port with PORT",
            )
    return Finding("ok", "address", f"{host} port {port} is free")


def _keys(config: Config) -> Finding:
    if config.keys:
        named = ", ".join(f"{key.name} ({masked(key.value)})" for key in config.keys)
        return Finding("ok", "keys", named)
    return Finding(
        "--",
        "keys",
        "none is configured: without one in the store, everyone on this machine is served, nobody else",
        "set API_KEYS, or `dragoman keys create NAME`",
    )


def _folder(folder: Path) -> Finding:
    """Say whether data can be written; nothing is made."""
    standing = next(path for path in (folder, *folder.parents) if path.exists())
    if not standing.is_dir():
        return Finding("no", "data", f"{standing} is no folder", "choose another with DRAGOMAN_DATA")
    if not os.access(standing, os.W_OK | os.X_OK):
        return Finding("no", "data", f"{standing} cannot be written", "choose another with DRAGOMAN_DATA")
    return Finding("ok", "data", f"{folder}{'' if standing == folder else ', made at the first start'}")


async def _database(config: Config) -> Finding:
    path = config.data / "dragoman.db"
    try:
        if not path.is_file():
            return Finding("ok", "database", "made at the first start")
        store = SqliteStore.open(path, config.store)
        try:
            owners = await store.open_owners()
        finally:
            await store.close()
    except OSError as error:
        return Finding("no", "database", f"{path}: {error.strerror}")
    except Failure as failure:
        return Finding("no", "database", failure.message)
    busy = (
        f"{len(owners)} process{'' if len(owners) == 1 else 'es'} with requests under way"
        if owners
        else "sound"
    )
    return Finding("ok", "database", f"{path}, {path.stat().st_size / 1e6:.1f} MB, {busy}")


async def _shared(config: Config) -> Finding:
    """Look at the database that several machines share; nothing is made there."""
    try:
        return Finding("ok", "database", f"PostgreSQL {await seen(config.store)}")
    except Failure as failure:
        return Finding("no", "database", failure.message, "check [store] url and the network")


async def _redis(config: Config) -> Finding:
    """Ask Redis for an answer. Without it requests are served all the same."""
    try:
        wire = dialler(config.redis)(None)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await wire.open()
                await wire.ask([("PING",)])
        finally:
            wire.close()
    except Failure as failure:
        return Finding("--", "redis", failure.message, "check [redis] url and the network")
    except TimeoutError:
        return Finding("--", "redis", f"does not answer within {PATIENCE_S:g} s")
    return Finding("ok", "redis", "answers")


def _embedded(config: Config) -> Finding:
    if not config.local.enabled:
        return Finding("--", "local", "the embedded model is switched off")
    if why := LocalModel.why_not(config.local):
        return Finding("--", "local", why)
    return Finding("ok", "local", "the embedded model can be started")


async def _providers(ready: Sequence[Provider]) -> list[Finding]:
    """Ask every provider at once."""
    transport = AiohttpTransport()
    try:
        return await asyncio.gather(*(_asked(transport, row) for row in ready))
    finally:
        await transport.close()


async def _asked(transport: Transport, row: Provider) -> Finding:
    """Ask one provider for its models."""
    where = f"{row.base_url}{f', key {masked(row.key)}' if row.key else ''}"
    try:
        answer = await transport.send("GET", _models_of(row), sign(row, {}), b"", deadlines=DEADLINES)
        try:
            status, body = answer.status, await answer.read()
        finally:
            await answer.close()
    except Failure as failure:
        return Finding("no", row.name, f"{where}: {failure.message}", "check the address and the network")
    if status in (401, 403):
        return Finding("no", row.name, f"{where}: refuses the key ({status})", "check the key")
    if status >= 500:
        return Finding("--", row.name, f"{where}: answers with an error of its own ({status})")
    return Finding("ok", row.name, f"{where}: answers{_count(body) if status == 200 else ''}")


def _models_of(row: Provider) -> str:
    """Return where a provider lists its models."""
    match row.dialect:
        case "ollama":
            return f"{row.base_url}/tags"
        case "cohere":
            return f"{row.base_url.removesuffix('/v2')}/v1/models"
        case _:
            return f"{row.base_url}/models"


def _count(body: bytes) -> str:
    """Return how many models an answer lists, in words."""
    try:
        listed = decode(body)
        return f", {len(listed['data'] if 'data' in listed else listed['models'])} models"
    except (ValueError, TypeError, LookupError):
        return ""


def _answering(config: Config) -> Finding:
    """Say who would answer a request, which is what it is all for."""
    waiting = wanting(config)
    able = [name for name in config.providers if name not in waiting]
    if able:
        more = (
            f"; {len(waiting)} more are known, `dragoman models --all` says what they lack" if waiting else ""
        )
        return Finding("ok", "answers", f"{', '.join(able)}{more}")
    fix = "run `make setup` for the embedded model, or set a provider's key such as OPENAI_API_KEY"
    return Finding("no", "answers", "nobody: no provider is ready", fix)
