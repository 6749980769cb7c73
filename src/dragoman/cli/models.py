"""``dragoman models``: what a gateway with this configuration can be asked for, right now."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from dragoman.cli import configured
from dragoman.cli.terminal import note, say, table
from dragoman.config import Config
from dragoman.core.failure import Failure
from dragoman.routing import Table


class Row(msgspec.Struct, frozen=True):
    """One name that can be asked for.

    Attributes:
        name: What a client says.
        targets: Who answers, in the order they are tried; empty if nobody can now.
        context: Tokens that fit, where known.
        max_output: Tokens an answer may have, where known.
        input: US dollars for a million tokens read, at the first target, where known.
        output: The same for tokens written.
        missing: Why nobody can, in words.
    """

    name: str
    targets: tuple[str, ...] = ()
    context: int | None = None
    max_output: int | None = None
    input: Decimal | None = None
    output: Decimal | None = None
    missing: str = ""


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--all", action="store_true", help="also those that cannot be asked now, and why")
    parser.add_argument("--json", action="store_true", help="one JSON array, for programs")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the table; return the exit code."""
    config = configured.configured(environ, arguments.config)
    names = config.table(configured.wanting(config))
    every = list(rows(config, names))
    shown = [row for row in every if arguments.all or row.targets]
    if arguments.json:
        say(msgspec.json.encode(shown).decode())
        return 0
    if shown:
        say(_written(shown, lacks=arguments.all))
    hidden = len(every) - len(shown)
    if hidden:
        note(f"{hidden} more would need a provider that is not set up: dragoman models --all")
    if not names.ready:
        note("no provider is ready: dragoman doctor says what to do")
    return 0


def rows(config: Config, names: Table) -> Iterator[Row]:
    """Yield every name of the configuration: routes first, then the catalogue's models."""
    for name in dict.fromkeys([*names.routes, *names.offers]):
        try:
            route = names.resolve(name, None)
        except Failure:
            yield Row(name, missing=_missing(names, name))
            continue
        first = route.targets[0]
        model = config.catalog.find_model(first.provider, first.model)
        price = config.catalog.price(first.provider, first.model)
        yield Row(
            name,
            tuple(map(str, route.targets)),
            model.context if model else None,
            model.max_output if model else None,
            price.input if price else None,
            price.output if price else None,
        )


def _missing(names: Table, name: str) -> str:
    """Say what each provider of a name lacks."""
    spec = names.routes.get(name)
    targets = spec.targets if spec else map(str, names.offers[name])
    providers = dict.fromkeys(target.partition("/")[0] for target in targets)
    return "; ".join(f"{provider}: {names.waiting.get(provider, 'unknown')}" for provider in providers)


def _written(shown: list[Row], *, lacks: bool) -> str:
    head = ["MODEL", "ANSWERED BY", "CONTEXT", "OUTPUT", "$/M IN", "$/M OUT", *(["LACKS"] if lacks else [])]
    return table(head, [_cells(row)[: len(head)] for row in shown])


def _cells(row: Row) -> list[str]:
    by = (
        row.targets[0] + (f" +{len(row.targets) - 1}" if len(row.targets) > 1 else "") if row.targets else "-"
    )
    tokens = ("-" if count is None else str(count) for count in (row.context, row.max_output))
    prices = ("-" if price is None else f"{price:f}" for price in (row.input, row.output))
    return [row.name, by, *tokens, *prices, row.missing]
