"""Read the two tables, and an operator's own over them, into one frozen catalogue.

An operator's table overrides ours field by field; a table in it (``auth``, ``headers``) likewise; a list
replaces ours. Everything is checked here, once: a wrong type, an unknown field or quirk, a quirk
of another protocol, an offer of a provider nobody knows. What comes out can be trusted on every request.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.usage import Price
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers import Model, Offer, Provider
from dragoman.providers.quirks import ANSWER, DIALECT, REQUEST
from dragoman.providers.shipped import Shipped, shipped

Tables = Mapping[str, Mapping[str, Json]]
"""TOML tables by name, decoded but not checked."""

Row = TypeVar("Row", Provider, Model)


class Catalog(msgspec.Struct, frozen=True):
    """Every provider and model known to one configuration.

    Attributes:
        providers: By name, in the order of the tables.
        models: By bare name, snapshots included, in the order of the tables.
        targets: (provider, the model's name there) -> the model, for what names a target directly.
        homes: (provider, dialect) -> its twin that speaks the dialect, where both are at their vendor's
            address; elsewhere nobody knows whether both protocols are served.
        shipped: The prices that come with this version.
    """

    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    targets: Mapping[tuple[str, str], Model]
    shipped: Shipped
    homes: Mapping[tuple[str, str], str] = MappingProxyType({})

    def placed(self, providers: Mapping[str, Provider]) -> Catalog:
        """Return the catalogue with these rows, which have their addresses and keys."""
        homes = {
            (row.twin, row.dialect): name
            for name, row in providers.items()
            if row.twin and row.ready and row.base_url == self.providers[name].base_url
        }
        frozen = MappingProxyType(dict(providers))
        return msgspec.structs.replace(self, providers=frozen, homes=MappingProxyType(homes))

    def find_model(self, provider: str, name: str) -> Model | None:
        """Return the model that `provider` calls `name`, as it serves it; None when no row says."""
        model = self.targets.get((provider, name))
        return model.on(self._seller(provider, model)) if model is not None else None

    def price(self, provider: str, name: str, *, at: float | None = None) -> Price | None:
        """Return what `provider` charges for the model it calls `name`; None when nobody knows.

        Args:
            provider: Who.
            name: The model's name there.
            at: Unix second; None: when the shipped prices were read.
        """
        if (offered := self.offered(provider, name)) is not None:
            return offered
        moment = self.shipped.read_at if at is None else at
        sold = filter(None, (self.shipped.find(seller, name) for seller in self.sellers(provider)))
        return next((model.price(moment) for model in sold), None)

    def sellers(self, provider: str) -> tuple[str, ...]:
        """Return under which names a provider's prices may stand: its own, then its twin's."""
        row = self.providers.get(provider)
        return (provider, row.twin) if row is not None and row.twin else (provider,)

    def offered(self, provider: str, name: str) -> Price | None:
        """Return the price in the tables of models, the operator's own or ours; None: there is none."""
        model = self.targets.get((provider, name))
        if model is None:
            return None
        seller = self._seller(provider, model)
        found = (offer.price for offer in model.offers if (offer.provider, offer.name) == (seller, name))
        return next(found, None)

    def _seller(self, provider: str, model: Model) -> str:
        """Return whose offer of `model` holds at `provider`: its own, else its twin's."""
        own = any(offer.provider == provider for offer in model.offers)
        return provider if own else self.providers[provider].twin or provider


def catalog(providers: Tables = MappingProxyType({}), models: Tables = MappingProxyType({})) -> Catalog:
    """Return the shipped catalogue with an operator's own tables laid over it.

    Raises:
        Failure: A table is wrong; ``at`` is its path (``providers.groq.quirks``).
    """
    rows = _rows("providers", "name", Provider, _laid(_shipped("catalog.toml"), providers))
    for provider in rows.values():
        _check_provider(provider)
        if provider.twin and (provider.twin not in rows or rows[provider.twin].twin):
            raise _wrong(
                f"{provider.twin} is no provider that can have a twin", f"providers.{provider.name}.twin"
            )
    found = _with_snapshots(_rows("models", "id", Model, _laid(_shipped("models.toml"), models)))
    targets: dict[tuple[str, str], Model] = {}
    for model in found.values():
        for offer in model.offers:
            if offer.provider not in rows:
                raise _wrong(f"no provider is named {offer.provider}", f"models.{model.id}.offers")
            # Two rows may name one target (an alias and its model): the first is the one meant.
            targets.setdefault((offer.provider, offer.name), model)
    for provider in rows.values():
        if provider.twin:
            sold = [(name, model) for (seller, name), model in targets.items() if seller == provider.twin]
            for name, model in sold:
                targets.setdefault((provider.name, name), model)
    return Catalog(MappingProxyType(rows), MappingProxyType(found), MappingProxyType(targets), shipped())


def in_environment(provider: Provider, environ: Mapping[str, str]) -> Provider:
    """Return `provider` with the address and key that `environ` names; a configured key stays.

    Raises:
        Failure: The environment's address is none; ``at`` is the name it is under.
    """
    base_url, key = provider.base_url, provider.key
    if (given := _first(environ, provider.base_url_env)) is not None:
        name, value = given
        _check_address(value, name)
        base_url = value.rstrip("/")
        if not base_url.endswith(provider.base_url_suffix):
            ending = next((end for end in provider.base_url_instead if base_url.endswith(end)), "")
            base_url = base_url.removesuffix(ending) + provider.base_url_suffix
    if key is None and (given := _first(environ, provider.auth.env)) is not None:
        key = given[1]
    return msgspec.structs.replace(provider, base_url=base_url, key=key)


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the first name and value that say anything; ``NAME=`` in a .env file says nothing."""
    return next(((name, value) for name in names if (value := environ.get(name, "").strip())), None)


def _shipped(name: str) -> dict[str, dict[str, Json]]:
    return tomllib.loads(files("dragoman.providers").joinpath(name).read_text(encoding="utf-8"))


def _laid(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return `theirs` laid over `ours`, tables within tables included."""
    merged = dict(ours)
    for name, value in theirs.items():
        under = merged.get(name)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[name] = _laid(under, value)
        else:
            merged[name] = value
    return merged


def _rows(kind: str, key: str, row: type[Row], tables: Tables) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise _wrong("a table is wanted", f"{kind}.{name}")
        if table.get(key, name) != name:
            raise _wrong("a table is named by its heading only", f"{kind}.{name}.{key}")
        try:
            rows[name] = msgspec.convert({**table, key: name}, row)
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at `$")
            raise _wrong(reason, f"{kind}.{name}{path.rstrip('`')}") from None
    return rows


def _check_provider(provider: Provider) -> None:
    at = f"providers.{provider.name}"
    for quirk in provider.quirks:
        if quirk not in REQUEST and quirk not in ANSWER:
            raise _wrong(f"no quirk is named {quirk}", f"{at}.quirks")
    if provider.quirks and provider.dialect != DIALECT and provider.dialect in DIALECTS:
        why = f"quirks are of {DIALECT}, and it speaks {provider.dialect}"
        raise _wrong(why, f"{at}.quirks")
    if provider.base_url:
        _check_address(provider.base_url, f"{at}.base_url")
    if provider.auth.scheme == "header" and not provider.auth.header:
        raise _wrong("the scheme `header` wants the header's name", f"{at}.auth.header")


def _check_address(value: str, at: str) -> None:
    if not value.startswith(("https://", "http://")):
        raise _wrong("an http or https address is wanted", at)


def _with_snapshots(models: Mapping[str, Model]) -> dict[str, Model]:
    """Return `models` with a model of its own for each dated name."""
    found: dict[str, Model] = {}
    for model in models.values():
        found[model.id] = model
        for name in model.snapshots:
            if name not in models:
                found[name] = _snapshot(model, name)
    return found


def _snapshot(model: Model, name: str) -> Model:
    offers = tuple(_dated(model, name))
    return msgspec.structs.replace(model, id=name, offers=offers, snapshots=())


def _dated(model: Model, name: str) -> Iterator[Offer]:
    for offer in model.offers:
        if offer.name == model.id:
            yield msgspec.structs.replace(offer, name=name)


def _wrong(message: str, at: str) -> Failure:
    return Failure(Kind.INVALID, f"{at}: {message}", source=Source.GATEWAY, at=at)
