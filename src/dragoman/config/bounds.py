"""Tables of what may be spent and asked: budgets, and the limits of models and providers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TypeVar, get_type_hints

import msgspec

from dragoman.accounts.budgets import BudgetSpec
from dragoman.accounts.terms import NAME, NAMED, LimitRules, LimitTerms
from dragoman.config.sections import wanted
from dragoman.config.sources import Sources, guess
from dragoman.config.tables import UNKNOWN, Entry, entries
from dragoman.providers.catalog import Catalog

Row = TypeVar("Row", bound=msgspec.Struct)


def read_budgets(sources: Sources) -> Mapping[str, BudgetSpec]:
    """Return every budget of the configuration by name."""
    found: dict[str, BudgetSpec] = {}
    for entry in entries(sources, "budgets"):
        if NAME.fullmatch(entry.name) is None:
            where = entry.where(sources)
            sources.refuse(where, f"{entry.name!r} cannot be a budget's name", NAMED)
        elif (row := _row(sources, entry, "budgets", BudgetSpec)) is not None:
            found[entry.name] = row
    return MappingProxyType(found)


def read_rules(sources: Sources, rows: Catalog, routes: Collection[str]) -> LimitRules:
    """Return the limits of models and providers; names nobody has are noted."""
    found: dict[str, dict[str, LimitTerms]] = {"model_limits": {}, "provider_limits": {}}
    for table, limits in found.items():
        for entry in entries(sources, table):
            if (row := _row(sources, entry, table, LimitTerms)) is not None:
                limits[entry.name] = row
                _check(sources, entry, table, rows, routes)
    return LimitRules(found["model_limits"], found["provider_limits"])


def _check(sources: Sources, entry: Entry, table: str, rows: Catalog, routes: Collection[str]) -> None:
    if table == "provider_limits":
        if entry.name not in rows.providers:
            sources.refuse_unknown(entry.where(sources), entry.name, "provider", list(rows.providers))
        return
    provider, slash, model = entry.name.partition("/")
    known = entry.name in rows.models or entry.name in routes
    if not known and not (slash and model and provider in rows.providers):
        sources.refuse_unknown(entry.where(sources), entry.name, "model", [*routes, *rows.models])


def _row(sources: Sources, entry: Entry, table: str, kind: type[Row]) -> Row | None:
    """Return an entry of a table; a faulty one is noted."""
    try:
        return msgspec.convert(entry.value, kind)
    except msgspec.ValidationError as error:
        reason, _, inside = str(error).partition(" - at ")
        field, fix = next(iter(re.findall(r"[a-z_]+", inside)), ""), ""
        if unknown := UNKNOWN.search(reason):
            field = unknown[1]
            reason, fix = f"unknown setting {field}", guess(field, kind.__struct_fields__)
        elif field:
            reason = f"{field} must be {wanted(get_type_hints(kind, include_extras=True)[field])}"
        where = entry.where(sources, field) if field else entry.where(sources)
        sources.refuse(where, f"{table}.{entry.name}: {reason}", fix)
        return None
