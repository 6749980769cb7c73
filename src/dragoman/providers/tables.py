"""The catalogue as Markdown: the tables of docs/providers.md are made here, so they cannot be wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from dragoman.core.usage import Price
from dragoman.providers import Model, Provider
from dragoman.providers.catalog import Catalog

UNKNOWN = "?"


def provider_table(catalog: Catalog) -> str:
    """Return a Markdown table of every provider: how to name it, reach it and sign for it."""
    heading = ("Provider", "Name", "Speaks", "Address", "Environment", "Notes")
    return _table(heading, (_provider_row(provider) for provider in catalog.providers.values()))


def model_table(catalog: Catalog) -> str:
    """Return a Markdown table of every model that is still served; prices are of its first offer.

    Snapshots are left out: they are their model under a dated name.
    """
    heading = ("Model", "Offered by", "Context", "Output", "Reads", "Can", "$ in / out per 1M")
    dated = {name for model in catalog.models.values() for name in model.snapshots}
    served = (m for m in catalog.models.values() if not m.retired and m.id not in dated)
    return _table(heading, (_model_row(catalog, model) for model in served))


def _provider_row(provider: Provider) -> tuple[str, ...]:
    title = f"[{provider.title}]({provider.docs})" if provider.docs else provider.title
    names = (*provider.auth.env, *provider.base_url_env)
    return (
        title or provider.name,
        _code(provider.name),
        _code(provider.dialect),
        _code(provider.base_url) if provider.base_url else "yours to set",
        ", ".join(_code(name) for name in names) or "none",
        provider.notes,
    )


def _model_row(catalog: Catalog, model: Model) -> tuple[str, ...]:
    return (
        _code(model.id),
        ", ".join(dict.fromkeys(offer.provider for offer in model.offers)),
        _count(model.context),
        _count(model.max_output),
        ", ".join(model.inputs),
        ", ".join(_abilities(model)) or "text only",
        _price(catalog.price(model.offers[0].provider, model.offers[0].name) if model.offers else None),
    )


def _abilities(model: Model) -> Iterable[str]:
    if model.task != "generate":
        yield model.task
    if model.tools:
        yield "tools"
    if model.formats:
        yield "/".join(shape.replace("_", " ") for shape in model.formats)
    if model.reasoning != "none":
        yield "thinking"


def _price(price: Price | None) -> str:
    if price is None:
        return UNKNOWN
    line = f"{_money(price.input)} / {_money(price.output)}"
    return f"{line}; more above {_count(price.long_after)}" if price.long else line


def _money(amount: Decimal) -> str:
    """Return the amount with no zeros that say nothing: 2.50 is 2.5, and 100 stays 100."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _count(tokens: int | None) -> str:
    return f"{tokens:,}" if tokens is not None else UNKNOWN


def _code(text: str) -> str:
    return f"`{text}`"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
