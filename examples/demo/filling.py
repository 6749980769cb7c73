"""Filling a demo's data folder: with a month at first, and later with the time since it last ran."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from examples.demo.book import Books
from examples.demo.month import Setting

from dragoman.accounts.keys import ADMIN, ensure_admin, load_pepper
from dragoman.config import Config
from dragoman.core.failure import Failure, Kind
from dragoman.store import Store
from dragoman.store.opening import open_store

SECRETS = "secrets.json"
"""In the data folder: the demo's own keys by name, the admin's among them, for its next start."""

SETTING, UNTIL = "demo", "demo until"
"""Under these names the store remembers what its month depends on, and up to when it was generated."""


async def fill(config: Config, setting: Setting, announce: Callable[[str], None]) -> dict[str, str]:
    """Book a month, or the time since; return the secret of each of the demo's keys by name.

    Args:
        config: The demo's configuration; its data folder is filled, and no gateway may run there.
        setting: What the month depends on; its anchor is now. Of a month that is there, only now matters.
        announce: Told how it goes.

    Raises:
        Failure: The store's; CONFLICT, what was begun there was never finished.
    """
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    pepper = load_pepper(config.data, config.pepper)
    kept = config.data / SECRETS
    store = await open_store(config.store, config.data)
    try:
        remembered, until = await store.setting(SETTING), await store.setting(UNTIL)
        if until == "" or (remembered is None and kept.exists()):
            raise Failure(Kind.CONFLICT, "a month was begun here and not finished; begin anew with --fresh")
        since = await _last(store, float(until or 0))
        await store.remember(UNTIL, "")
        if remembered is None:
            await _first(Books(store, pepper, config, setting, announce), store, pepper, kept)
            await store.remember(SETTING, msgspec.json.encode(setting).decode())
        else:
            old = msgspec.json.decode(remembered, type=Setting)
            books = Books(store, pepper, config, old, announce)
            count = await books.since(since, setting.anchor)
            announce(f"{count:,} exchanges booked for the time since the last start")
        await store.remember(UNTIL, repr(setting.anchor))
        while await store.reports.post():
            pass  # so that the first report has nothing to catch up with
        return msgspec.json.decode(kept.read_bytes(), type=dict[str, str])
    finally:
        await store.close()


async def _first(books: Books, store: Store, pepper: bytes, kept: Path) -> None:
    admin = await ensure_admin(store, pepper, secrets.token_bytes)
    assert admin is not None
    await books.first()
    _keep(kept, {**books.secrets, ADMIN: admin})


async def _last(store: Store, until: float) -> float:
    """Return up to when there is something: what was generated, or what was asked while the demo ran."""
    return max([until, *(row.opened_at for row in await store.exchanges(limit=1))])


def _keep(path: Path, known: Mapping[str, str]) -> None:
    """Write secrets for nobody else's eyes."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(dict(known))))
