"""``dragoman archive``: write old rows of the ledger to files and delete them, or read such files once more.

Works on the ledger itself, whether or not a gateway runs; only one process deletes at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from dragoman.accounts.archive import Folder
from dragoman.accounts.retention import DAY, Done, Retention, RetentionSpec
from dragoman.cli.configured import configured
from dragoman.cli.terminal import Trouble, note, say
from dragoman.config import Config
from dragoman.core.failure import Failure
from dragoman.store.opening import open_store


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=["run", "verify"],
        default="run",
        help="run: archive and delete what is too old, now (default); verify: read every archive once more",
    )
    parser.add_argument(
        "--until", metavar="DATE", help="archive the days before this one (UTC), whatever the settings say"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be archived and deleted")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(
    arguments: argparse.Namespace,
    environ: Mapping[str, str],
    now: Callable[[], float] = time.time,  # noqa: TID251 - the clock's entrance
) -> int:
    """Archive, or verify; return 1 if an archive is not what it was."""
    config = configured(environ, arguments.config)
    spec = config.retention
    if arguments.action == "verify":
        return verify(Folder(config.data / spec.folder))
    until = None if arguments.until is None else day(arguments.until, now())
    if until is None and not spec.ledger_days:
        note("requests stay in the ledger for ever ([retention] ledger_days = 0); name a day with --until")
    try:
        done = asyncio.run(_run(config, spec, now, until=until, dry=arguments.dry_run))
    except Failure as failure:
        raise Trouble(failure.message) from failure
    except OSError as error:
        raise Trouble(f"the archive cannot be written: {error}") from error
    for line in told(done, dry=arguments.dry_run):
        say(line)
    return 0


def day(text: str, now: float) -> float:
    """Return the Unix second a day begins at.

    Raises:
        Trouble: It is none, or has not begun.
    """
    try:
        at = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise Trouble(f"{text} is no date such as 2026-01-31", code=2) from error
    if at > now // DAY * DAY:
        raise Trouble(f"{text} is not over yet: today's requests stay in the ledger", code=2)
    return at


async def _run(
    config: Config, spec: RetentionSpec, now: Callable[[], float], *, until: float | None, dry: bool
) -> Done:
    store = await open_store(config.store, config.data, note)

    def complain(message: str, error: BaseException) -> None:
        note(f"{message}: {error}")

    try:
        keeper = Retention(
            store, spec, config.data, holder=f"command-{os.getpid()}", now=now, complain=complain
        )
        return await keeper.run(until=until, dry=dry)
    finally:
        await store.close()


def told(done: Done, *, dry: bool) -> list[str]:
    """Return what was done, in lines."""
    if not done.days:
        return ["nothing is too old"]
    days = f"{len(done.days)} day{'' if len(done.days) == 1 else 's'}, {done.days[0]} to {done.days[-1]}"
    if dry:
        return [f"would archive and delete {done.deleted} requests of {days}"]
    lines = [f"{done.archived} requests archived, {done.deleted} deleted, of {days}"]
    lines += [f"{day} waits: a request of it is under way" for day in done.waiting]
    return lines + [f"{count} {what} deleted" for what, count in done.pruned.items()]


def verify(folder: Folder) -> int:
    """Read every archive once more and say what is wrong; return 1 if anything is."""
    try:
        parts = folder.parts()
    except Failure as failure:
        raise Trouble(failure.message) from failure
    if not parts:
        note(f"there is no archive in {folder.path}")
    wrong = [words for part in parts for words in folder.check(part)]
    for words in wrong:
        say(words)
    rows = sum(part.files[0].rows for part in parts)
    cost = sum(part.cost_micros for part in parts)
    say(f"{len(parts)} parts, {rows} requests, {cost / 1e6:.6f} USD: {len(wrong)} wrong")
    return int(bool(wrong))
