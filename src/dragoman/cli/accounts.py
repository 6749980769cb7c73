"""The store and who may ask, for commands that change them: whether a gateway runs or not.

A gateway that runs sees every change within a second: it looks at the store four times as often.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from dragoman.accounts.issuing import Issuing
from dragoman.accounts.keys import load_pepper, strange_pepper
from dragoman.accounts.terms import MOST, LimitTerms
from dragoman.accounts.times import LAST, WHEN, instant, length
from dragoman.cli.configured import configured
from dragoman.cli.terminal import Trouble, note
from dragoman.core.failure import Failure, Kind
from dragoman.store import Store
from dragoman.store.opening import open_store

ACTOR = "command line"
"""Who the audit log says it was."""

T = TypeVar("T")


def at_work(
    arguments: argparse.Namespace,
    environ: Mapping[str, str],
    act: Callable[[Store, Issuing], Awaitable[T]],
) -> T:
    """Open the configured store, do something with it, close it; return what was returned.

    A folder that was not there is told: whoever looks for a ledger in the wrong one finds nothing otherwise.

    Raises:
        Trouble: It could not be done; says why.
    """
    config = configured(environ, arguments.config)

    async def work() -> T:
        new = not config.data.exists()
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = await open_store(config.store, config.data)
        try:
            pepper = load_pepper(config.data, config.pepper)
            if strange := await strange_pepper(store, pepper):
                note(strange)
            found = await act(store, Issuing(store, pepper, config.keys, random=secrets.token_bytes, now=now))
            if new:
                note(f"{config.data} is new: nothing was kept there before")
            return found
        finally:
            await store.close()

    try:
        return asyncio.run(work())
    except Failure as failure:
        # What was asked for cannot be meant: the command line is wrong.
        raise Trouble(failure.message, code=2 if failure.kind is Kind.INVALID else 1) from failure


def now() -> float:
    """Return the time, in Unix seconds."""
    return time.time()  # noqa: TID251 - a command's only clock


def moment(words: str) -> float:
    """Return a time that was given as one, or as how long from now; raise Trouble where it is none."""
    return _moment(words, 1, "how long from now, such as 30d")


def before(words: str) -> float:
    """Return a time that was given as one, or as how long ago; raise Trouble where it is none."""
    return _moment(words, -1, "how long ago, such as 24h")


def _moment(words: str, sign: int, or_how_long: str) -> float:
    found = instant(words)
    if found is None and (apart := length(words)) is not None:
        found = max(0.0, now() + sign * apart)
    if found is None or found > LAST:
        raise Trouble(f"{words!r} is no time: give {WHEN}, or {or_how_long}", code=2)
    return found


def pairs(words: list[str] | None) -> dict[str, str]:
    """Return ``NAME=VALUE`` words as a dictionary; raise Trouble where one is not."""
    found = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals:
            raise Trouble(f"{word!r} is no label: write NAME=VALUE", code=2)
        found[name] = value
    return found


def limit_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that set limits."""
    for name in LimitTerms.__struct_fields__:
        words = name.replace("_", " ")
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, metavar="N", help=f"{words}; 0: any number"
        )


def limits(arguments: argparse.Namespace, old: LimitTerms) -> LimitTerms:
    """Return the limits that are given, and of the rest the old ones; raise Trouble where one is none."""
    given = {name: getattr(arguments, name) for name in LimitTerms.__struct_fields__}
    if any(value is not None and not 0 <= value <= MOST for value in given.values()):
        raise Trouble(f"a limit is 0 (any number) or more, and at most {MOST}", code=2)
    return LimitTerms(
        **{name: getattr(old, name) if value is None else value for name, value in given.items()}
    )
