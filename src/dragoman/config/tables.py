"""Tables whose entries the operator names: keys, providers, models, routes and aliases.

Each may stand in ``dragoman.toml`` and in a variable, ``DRAGOMAN_<TABLE>``, as a JSON object whose entries
replace the file's of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from dragoman.accounts.keys import RESERVED, KeySpec
from dragoman.accounts.terms import NAME, NAMED
from dragoman.config.sections import LOCAL_KEY, LOCAL_URL, find, variable
from dragoman.config.sources import Key, Sources, guess
from dragoman.core.failure import Failure
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers import Auth, Model, Offer, Provider
from dragoman.providers.catalog import Catalog, catalog, in_environment
from dragoman.routing import FallbackSpec, RouteSpec

KEY_LIST, KEY_TOKEN = "API_KEYS", "API_TOKEN"
"""Keys under the names that other programs' ``.env`` files use: a comma list, and a single one."""

UNKNOWN = re.compile(r"unknown field `(.+)`")


class Entry(NamedTuple):
    """One entry of a table. ``place``: a key of the file, or a variable's place in words."""

    name: str
    value: Any
    place: Key | str

    def where(self, sources: Sources, *inside: str | int) -> str:
        """Return where the entry is, or something inside it."""
        return self.place if isinstance(self.place, str) else sources.where((*self.place, *inside))


def entries(sources: Sources, table: str) -> Iterator[Entry]:
    """Yield a table's entries, the variable's first."""
    given: dict[str, Any] = {}
    found = sources.variable(variable(table))
    if found is not None:
        try:
            given = msgspec.json.decode(found.value, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError):
            sources.refuse(found.where, f"{table} must be a JSON object here", 'write {"NAME": ...}')
        for name, value in given.items():
            yield Entry(name, value, found.where)
    ours = sources.tree.get(table)
    for name, value in ours.items() if isinstance(ours, Mapping) else ():
        if name not in given:
            yield Entry(name, value, (table, name))


def read_keys(sources: Sources) -> tuple[KeySpec, ...]:
    """Return every key of the configuration, each secret once."""
    found: dict[str, KeySpec] = {}
    names: set[str] = set()
    for entry in _keys(sources):
        name, where = entry.name, entry.where(sources)
        key = _key(sources, entry)
        if key is None:
            continue
        if re.fullmatch(r"[!-~]+", key.value) is None:
            sources.refuse(where, f"the key {name!r} must be printable ASCII text without spaces")
        elif NAME.fullmatch(name) is None:
            sources.refuse(where, f"{name!r} cannot be a key's name", NAMED)
        elif name in RESERVED or name in names:
            why = "two keys have" if name in names else "no key may have"
            sources.refuse(where, f"{why} the name {name}", "choose another")
        else:
            names.add(name)
            found.setdefault(key.value, key)
    return tuple(found.values())


def _key(sources: Sources, entry: Entry) -> KeySpec | None:
    """Return a key, which is its secret alone or a table; a faulty one is noted, and nothing of it shown."""
    given = {"value": entry.value} if isinstance(entry.value, str) else entry.value
    where = entry.where(sources)
    if not isinstance(given, Mapping):
        sources.refuse(where, f"the key {entry.name!r} must be text, or a table with a value")
        return None
    for field in given:
        if field not in KeySpec.__struct_fields__[1:]:
            sources.refuse_unknown(
                entry.where(sources, field), field, "setting of a key", KeySpec.__struct_fields__[1:]
            )
            return None
    try:
        return msgspec.convert({**given, "name": entry.name}, KeySpec)
    except msgspec.ValidationError as error:
        reason, _, inside = str(error).partition(" - at `$.")
        field = inside.rstrip("`")
        wrong = entry.where(sources, field) if field in given else where
        sources.refuse(wrong, f"the key {entry.name!r}: {reason}", 'write value = "..."' if not field else "")
        return None


def read_catalog(sources: Sources, simulator_url: str, dialects: Collection[str] = DIALECTS) -> Catalog:
    """Return the catalogue with the operator's tables, addresses and keys in it."""
    given = {
        kind: {entry.name: entry for entry in entries(sources, kind)} for kind in ("providers", "models")
    }
    tables = {kind: {name: entry.value for name, entry in rows.items()} for kind, rows in given.items()}
    if simulator_url:
        tables["providers"] |= _simulated(simulator_url)
    while True:
        try:
            rows = catalog(tables["providers"], tables["models"])
            break
        except Failure as failure:
            # A stand-in takes the faulty table's place, so that what else is wrong is found as well.
            kind, name, inside = _faulty(failure, given)
            _refuse_row(sources, failure, given[kind][name], kind, inside)
            tables[kind][name] = {"dialect": next(iter(DIALECTS))} if kind == "providers" else {}
    variables = {name: found.value for name, found in sources.variables.items()}
    providers = {name: in_environment(_local(row), variables) for name, row in rows.providers.items()}
    for name, entry in given["providers"].items():
        dialect = providers[name].dialect
        if dialect not in dialects:
            sources.refuse_unknown(entry.where(sources, "dialect"), dialect, "dialect", list(dialects))
    for name, row in providers.items():
        if "@" in urlsplit(row.base_url).netloc:
            where = (
                given["providers"][name].where(sources, "base_url") if name in given["providers"] else name
            )
            sources.refuse(where, f"the address of {name} holds a credential", "set its key instead")
    return rows.placed(providers)


def read_routes(sources: Sources, rows: Catalog) -> dict[str, RouteSpec]:
    """Return routes, and aliases as routes of one target."""
    routes: dict[str, RouteSpec] = {}
    for entry in entries(sources, "routes"):
        try:
            spec = msgspec.convert(entry.value, RouteSpec)
        except msgspec.ValidationError as error:
            _refuse_route(sources, str(error), entry)
            continue
        if not spec.targets:
            sources.refuse(entry.where(sources, "targets"), f"the route {entry.name} has no targets")
        for place, target in enumerate(spec.targets):
            _check_target(sources, rows, target, entry.where(sources, "targets", place))
        routes[entry.name] = spec
    for entry in entries(sources, "aliases"):
        if entry.name in routes:
            sources.refuse(entry.where(sources), f"{entry.name} is a route already", "choose another name")
        elif not isinstance(entry.value, str):
            sources.refuse(
                entry.where(sources), f"the alias {entry.name} must be text", 'write "provider/model"'
            )
        else:
            _check_target(sources, rows, entry.value, entry.where(sources))
            routes[entry.name] = RouteSpec((entry.value,))
    return routes


def check_fallback(sources: Sources, spec: FallbackSpec, rows: Catalog) -> None:
    """Note a fallback to a provider nobody knows, or that has no default model."""
    for name in spec.providers:
        if name in rows.providers and rows.providers[name].default_model:
            continue
        found = find(sources, "fallback", "providers")
        where = found.where if found else "fallback.providers"
        if name in rows.providers:
            fix = f'write default_model = "..." under [providers.{name}]'
            sources.refuse(where, f"the provider {name} has no default model to fall back to", fix)
        else:
            sources.refuse_unknown(where, name, "provider", list(rows.providers))


def _keys(sources: Sources) -> Iterator[Entry]:
    yield from entries(sources, "keys")
    if (listed := sources.variable(KEY_LIST)) is not None:
        for place, value in enumerate(filter(None, map(str.strip, listed.value.split(","))), 1):
            yield Entry(f"key-{place}", value, listed.where)
    if (token := sources.variable(KEY_TOKEN)) is not None:
        yield Entry("api-token", token.value.strip(), token.where)


def _simulated(url: str) -> dict[str, Any]:
    """Return a provider for each dialect of the simulator."""
    row = {"title": "Simulator", "keyless": True, "auth": {"scheme": "none"}}
    return {
        f"sim-{name}": {**row, "dialect": name, "base_url": f"{url.rstrip('/')}{dialect.root}"}
        for name, dialect in DIALECTS.items()
    }


def _local(row: Provider) -> Provider:
    """Let the provider `local` be told where the embedded model already runs."""
    if row.name != "local":
        return row
    auth = Auth(row.auth.scheme, (LOCAL_KEY,), row.auth.header)
    return msgspec.structs.replace(row, base_url_env=(LOCAL_URL,), auth=auth)


def _faulty(failure: Failure, given: Mapping[str, Mapping[str, Entry]]) -> tuple[str, str, tuple[str, ...]]:
    """Return which of the operator's tables a failure of the catalogue is about, and where inside.

    Raises:
        Failure: None of them; the shipped catalogue itself is wrong.
    """
    at = failure.at or ""
    for kind, rows in given.items():
        for name in sorted(rows, key=len, reverse=True):
            whole = f"{kind}.{name}"
            if at == whole or at.startswith((f"{whole}.", f"{whole}[")):
                return kind, name, tuple(re.findall(r"[^.\[\]]+", at.removeprefix(whole)))
    raise failure


def _refuse_row(sources: Sources, failure: Failure, entry: Entry, kind: str, inside: tuple[str, ...]) -> None:
    """Note what is wrong with a provider's or a model's table."""
    message, fix = failure.message.removeprefix(f"{failure.at}: "), ""
    if unknown := UNKNOWN.search(message):
        rows = {"auth": Auth, "offers": Offer}
        row = next(
            (rows[part] for part in inside if part in rows), Provider if kind == "providers" else Model
        )
        message, fix = f"unknown setting {unknown[1]}", guess(unknown[1], row.__struct_fields__)
        inside = (*inside, unknown[1])
    where = entry.where(sources, *(int(part) if part.isdecimal() else part for part in inside))
    sources.refuse(where, f"{kind}.{entry.name}: {message}", fix)


def _refuse_route(sources: Sources, message: str, entry: Entry) -> None:
    """Note what is wrong with a route's table."""
    reason, _, inside = message.partition(" - at ")
    if unknown := UNKNOWN.search(message):
        where, fix = entry.where(sources, unknown[1]), guess(unknown[1], RouteSpec.__struct_fields__)
        sources.refuse(where, f"routes.{entry.name}: unknown setting {unknown[1]}", fix)
        return
    where = entry.where(sources, *re.findall(r"[a-z_]+", inside))
    sources.refuse(where, f"routes.{entry.name}: {reason}", 'write targets = ["provider/model", ...]')


def _check_target(sources: Sources, rows: Catalog, target: str, where: str) -> None:
    name, _, model = target.partition("/")
    provider = rows.providers.get(name)
    if not model:
        sources.refuse(where, f"{target!r} is no target", "write provider/model")
    elif provider is None:
        sources.refuse_unknown(where, name, "provider", list(rows.providers))
    elif not provider.open_models and rows.find_model(name, model) is None:
        known = [f"{name}/{offered}" for provider, offered in rows.targets if provider == name]
        sources.refuse_unknown(where, target, "target", known)
