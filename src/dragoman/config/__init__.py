"""Configuration: ``dragoman.toml``, the environment and ``.env`` made into one frozen Config.

    sources.py     where values come from, and what is wrong with them
    sections.py    settings with fixed names                     [server] port = 8080
    tables.py      entries the operator names                    [routes.fast] targets = [...]
    bounds.py      what may be spent and asked                [budgets.team] dollars = 25
    listeners.py   who is told afterwards                     [influx] url = "..."
    outsiders.py   the operator's own code                       [dialects] mine = "package.module:DIALECT"
    reference.py   every setting, for the docs

Every setting has an environment name, ``DRAGOMAN_<SECTION>_<NAME>``. The layers below declare what they
need (``RouteSpec``, ``StoreSpec``, ...); this one only composes them. What is unknown is refused with
the name that was perhaps meant, and all that is wrong is told at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec

from dragoman.accounts.budgets import BudgetSpec
from dragoman.accounts.grants import RelaySpec
from dragoman.accounts.keys import KeySpec
from dragoman.accounts.limits import LimitSpec
from dragoman.accounts.loopback import is_loopback
from dragoman.accounts.retention import RetentionSpec
from dragoman.accounts.terms import LimitRules
from dragoman.cache import CacheSpec
from dragoman.config.bounds import read_budgets, read_rules
from dragoman.config.listeners import check_listeners
from dragoman.config.outsiders import read_dialects
from dragoman.config.reference import Setting, render, settings
from dragoman.config.sections import GeneralSpec, ServerSpec, find, read, refuse_unknown
from dragoman.config.sources import ConfigError, Problem, Sources
from dragoman.config.tables import check_fallback, read_catalog, read_keys, read_routes
from dragoman.dialects import Dialect
from dragoman.prompts import PromptsSpec
from dragoman.providers import Model, Provider
from dragoman.providers.catalog import Catalog
from dragoman.providers.local import LocalSpec
from dragoman.providers.media import MediaSpec
from dragoman.providers.prices import PriceSpec
from dragoman.providers.transport import Deadlines
from dragoman.routing import FallbackSpec, RouteSpec, Table, Target
from dragoman.sinks.files import FilesSpec
from dragoman.sinks.influx import InfluxSpec
from dragoman.sinks.otlp import OtlpSpec
from dragoman.sinks.prometheus import MetricsSpec
from dragoman.sinks.webhook import WebhookSpec
from dragoman.store.spec import RedisSpec, ResponsesSpec, StoreSpec

__all__ = ["Config", "ConfigError", "Problem", "ServerSpec", "Setting", "load", "render", "settings"]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration, checked.

    Attributes:
        data: The data folder.
        keys: Who may ask, besides the admin.
        budgets: What may be spent, by name.
        rules: The limits of models and providers.
        dialects: Wire protocols by name: the built-in ones, and the operator's.
        catalog: Models, and providers with their addresses and keys filled in.
        routes: Public names, aliases among them, and their targets.
        pepper: The server's secret, if it is configured.
        templates: The operator's file of prompt templates, there or not.
        sources: Files to watch for changes, whether or not they are there.
    """

    data: Path
    environment: str
    server: ServerSpec
    deadlines: Deadlines
    relay: RelaySpec
    fallback: FallbackSpec
    limits: LimitSpec
    prices: PriceSpec
    cache: CacheSpec
    prompts: PromptsSpec
    files: FilesSpec
    influx: InfluxSpec
    webhook: WebhookSpec
    metrics: MetricsSpec
    otlp: OtlpSpec
    templates: Path
    store: StoreSpec
    retention: RetentionSpec
    redis: RedisSpec
    responses: ResponsesSpec
    local: LocalSpec
    media: MediaSpec
    keys: tuple[KeySpec, ...]
    budgets: Mapping[str, BudgetSpec]
    rules: LimitRules
    dialects: Mapping[str, Dialect]
    catalog: Catalog
    routes: Mapping[str, RouteSpec]
    simulator_url: str
    pepper: str | None
    sources: tuple[Path, ...]

    @property
    def providers(self) -> Mapping[str, Provider]:
        """Every provider by name, ready or not."""
        return self.catalog.providers

    @property
    def models(self) -> Mapping[str, Model]:
        """Every model of the catalogue by its bare name."""
        return self.catalog.models

    def table(self, waiting: Mapping[str, str]) -> Table:
        """Return every name there is to answer to, given the providers that cannot be called and why."""
        models = self.models.values()
        return Table(
            routes=self.routes,
            offers={
                model.id: tuple(Target(offer.provider, offer.name) for offer in model.offers)
                for model in models
                if model.offers
            },
            kinds={model.id: model.task for model in models if model.task != "generate"},
            defaults={name: row.default_model for name, row in self.providers.items() if row.default_model},
            prefixes=tuple((prefix, name) for name, row in self.providers.items() for prefix in row.prefixes),
            fallbacks=self.fallback.providers,
            ready=frozenset(self.providers) - waiting.keys(),
            waiting=waiting,
        )

    def __repr__(self) -> str:
        ready = [name for name, provider in self.providers.items() if provider.ready]
        return f"Config({self.data}, {self.server}, {self.keys}, ready={ready}, routes={[*self.routes]})"


def load(environ: Mapping[str, str], cwd: Path) -> Config:
    """Read the configuration; nothing is touched but the files it is read from.

    Raises:
        ConfigError: With everything that is wrong.
    """
    sources = Sources(environ, cwd)
    refuse_unknown(sources)
    general = read(sources, "", GeneralSpec)
    server = read(sources, "server", ServerSpec)
    deadlines = read(sources, "deadlines", Deadlines)
    relay = read(sources, "relay", RelaySpec)
    fallback = read(sources, "fallback", FallbackSpec)
    limits = read(sources, "limits", LimitSpec)
    prices = read(sources, "prices", PriceSpec)
    cache = read(sources, "cache", CacheSpec)
    prompts = read(sources, "prompts", PromptsSpec)
    files = read(sources, "files", FilesSpec)
    influx = read(sources, "influx", InfluxSpec)
    webhook = read(sources, "webhook", WebhookSpec)
    metrics = read(sources, "metrics", MetricsSpec)
    otlp = read(sources, "otlp", OtlpSpec)
    store = read(sources, "store", StoreSpec)
    retention = read(sources, "retention", RetentionSpec)
    redis = read(sources, "redis", RedisSpec)
    responses = read(sources, "responses", ResponsesSpec)
    local = read(sources, "local", LocalSpec)
    media = read(sources, "media", MediaSpec)
    keys = read_keys(sources)
    dialects = read_dialects(sources)
    catalog = read_catalog(sources, _simulator(sources, general), dialects)
    routes = read_routes(sources, catalog)
    budgets = read_budgets(sources)
    rules = read_rules(sources, catalog, routes)
    check_fallback(sources, fallback, catalog)
    check_listeners(sources, influx, webhook, otlp)
    if not keys and not is_loopback(server.host):
        found = find(sources, "server", "host")
        sources.refuse(
            found.where if found else "server.host",
            f"listening on {server.host} lets other machines in, and no key is configured",
            "set API_KEYS, or listen on 127.0.0.1",
        )
    for section, url, begins in (
        ("store", store.url, ("postgresql://", "postgres://")),
        ("redis", redis.url, ("redis://", "rediss://", "unix://")),
    ):
        if url and not url.startswith(begins):
            found = find(sources, section, "url")
            where = found.where if found else f"{section}.url"
            sources.refuse(where, f"{section}.url does not begin with {begins[0]}", f"write {begins[0]}host")
    if store.url and not general.pepper:
        found = find(sources, "store", "url")
        sources.refuse(
            found.where if found else "store.url",
            "a store that several machines share needs one secret to hash keys with",
            "set DRAGOMAN_PEPPER to the same long secret on each of them",
        )
    if sources.problems:
        raise ConfigError(sources.problems)
    return Config(
        data=_folder(sources, "", "data") / general.data,
        environment=general.environment,
        server=server,
        deadlines=deadlines,
        relay=relay,
        fallback=fallback,
        limits=limits,
        prices=prices,
        cache=cache,
        prompts=prompts,
        files=msgspec.structs.replace(files, folder=str(_folder(sources, "files", "folder") / files.folder)),
        influx=influx,
        webhook=webhook,
        metrics=metrics,
        otlp=otlp,
        templates=_folder(sources, "prompts", "file") / prompts.file,
        store=store,
        retention=retention,
        redis=redis,
        responses=responses,
        local=local,
        media=media,
        keys=keys,
        budgets=budgets,
        rules=rules,
        dialects=dialects,
        catalog=catalog,
        routes=MappingProxyType(routes),
        simulator_url=general.simulator_url,
        pepper=general.pepper or None,
        sources=sources.files,
    )


def _simulator(sources: Sources, general: GeneralSpec) -> str:
    """Return the simulator's address, or nothing where it is none."""
    url = general.simulator_url
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        found = find(sources, "", "simulator_url")
        sources.refuse(found.where if found else "simulator_url", "simulator_url must be an http address")
        return ""
    return url


def _folder(sources: Sources, section: str, name: str) -> Path:
    """Return what a path is relative to: the file that gives it, else the working directory."""
    found = find(sources, section, name)
    return sources.cwd if found is None or found.text else sources.folder
