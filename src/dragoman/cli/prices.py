"""``dragoman prices``: what holds now and by whose word, prices of one's own, and history priced anew.

A price that is set holds for what is asked from then on; what was booked stays as it was booked until
``dragoman prices reprice``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from dragoman.accounts.issuing import Issuing
from dragoman.accounts.repricing import Line, Repriced, Span, preview, reprice, summary
from dragoman.accounts.tariffs import check, set_price, told
from dragoman.accounts.times import told as dated
from dragoman.cli.accounts import ACTOR, at_work, before, moment, now
from dragoman.cli.configured import configured
from dragoman.cli.terminal import Trouble, note, say, table
from dragoman.core.failure import Failure
from dragoman.core.usage import Price
from dragoman.providers.prices import Entry, PriceList
from dragoman.store import Store
from dragoman.store.prices import PriceRow

RATES = (
    "cache_read",
    "cache_write",
    "cache_write_long",
    "reasoning",
    "audio_input",
    "audio_output",
    "request",
)
"""What a price may have besides input and output."""

HEAD = ("MODEL", "$/M IN", "$/M OUT", "CACHE READ", "CACHE WRITE", "MORE", "BY")
CHANGED = ("MODEL", "WAS", "NOW", "ATTEMPTS", "$ BEFORE", "$ AFTER")


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in {
        "list": "list what holds now, and by whose word",
        "set": "set a price of your own",
        "unset": "take a price of your own back: what ships holds again",
        "reprice": "price what was booked anew, as of when it was asked",
    }.items():
        action = actions.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        action.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")
        action.add_argument("--json", action="store_true", help="JSON, for programs")
        if name in ("list", "reprice"):
            action.add_argument("--provider", metavar="NAME", default="", help="only this provider's")
            action.add_argument("--model", metavar="NAME", default="", help="only this model's")
        else:
            action.add_argument("target", metavar="PROVIDER/MODEL", help="PROVIDER/*: all its other models")
            action.add_argument("--from", metavar="TIME", dest="since", help="from when on (default: now)")
        if name == "list":
            action.add_argument("--all", action="store_true", help="of every provider, set up or not")
        elif name == "set":
            _rate_options(action)
        elif name == "reprice":
            action.add_argument("--since", metavar="TIME", help="only what was asked then or later; 7d: ago")
            action.add_argument("--until", metavar="TIME", help="only what was asked before (default: now)")
            action.add_argument("--dry-run", action="store_true", help="only say what would change")


def _rate_options(parser: argparse.ArgumentParser) -> None:
    for name, words in {
        "input": "US dollars for a million tokens read",
        "output": "the same for written ones",
    }.items():
        parser.add_argument(f"--{name}", metavar="USD", type=_rate, help=words)
    for name in RATES:
        words = (
            "US dollars for one request, or one search"
            if name == "request"
            else f"the same, {name.replace('_', ' ')}"
        )
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="USD", type=_rate, help=words)
    parser.add_argument(
        "--price", metavar="JSON", help="a whole price, instead: docs/prices.md says its fields"
    )


def _rate(words: str) -> Decimal:
    try:
        return Decimal(words)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{words!r} is no amount") from None


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do it; return the exit code."""
    config = configured(environ, arguments.config)

    async def prices(store: Store) -> PriceList:
        rows = tuple(await store.prices.rows())
        return PriceList(config.catalog, config.prices, lambda: rows)

    async def listed(store: Store, _: Issuing) -> list[Entry]:
        found = await prices(store)
        asked = {"provider": arguments.provider, "model": arguments.model, "everything": arguments.all}
        return list(found.entries(now(), **asked))

    async def kept(store: Store, _: Issuing) -> PriceRow:
        provider, _slash, model = arguments.target.partition("/")
        since = now() if arguments.since is None else moment(arguments.since)
        price = given(arguments) if arguments.action == "set" else None
        who: dict[str, Any] = {"actor": ACTOR, "provider": provider, "model": model}
        return await set_price(
            store.prices, config.catalog.providers, **who, price=price, since=since, now=now()
        )

    async def repriced(store: Store, _: Issuing) -> Repriced:
        since = 0.0 if arguments.since is None else before(arguments.since)
        until = now() if arguments.until is None else before(arguments.until)
        span = Span(since, until, arguments.provider, arguments.model)
        find = (await prices(store)).find
        if arguments.dry_run:
            return await preview(store.prices, find=find, span=span)
        return await reprice(store.prices, store.audit, find=find, span=span, actor=ACTOR, now=now())

    match arguments.action:
        case "list":
            _listed(at_work(arguments, environ, listed), arguments)
        case "reprice":
            _repriced(at_work(arguments, environ, repriced), arguments)
        case _:
            _kept(at_work(arguments, environ, kept), arguments)
    return 0


def given(arguments: argparse.Namespace) -> Price:
    """Return the price that the arguments say; raise Trouble where they say none."""
    rates = {name: getattr(arguments, name) for name in ("input", "output", *RATES)}
    said = {name: rate for name, rate in rates.items() if rate is not None}
    try:
        if arguments.price is not None:
            if said:
                raise Trouble("give --price or single rates, not both", code=2)
            return check(msgspec.json.decode(arguments.price, type=Price))
        if "input" not in said or "output" not in said:
            raise Trouble("a price needs --input and --output; 0 is a price too", code=2)
        return check(Price(**said))
    except msgspec.MsgspecError as error:
        raise Trouble(f"--price is no price: {error}", code=2) from error
    except Failure as failure:
        raise Trouble(failure.message, code=2) from failure


def _listed(found: list[Entry], arguments: argparse.Namespace) -> None:
    if arguments.json:
        say(msgspec.json.encode(found).decode())
    elif found:
        say(table(HEAD, [_cells(entry) for entry in found]))
    else:
        note("there is no such model: dragoman prices list --all")
    unknown = sum(entry.price is None for entry in found)
    if unknown:
        note(f"{unknown} have no price: dragoman prices set, or default_input under [prices]")


def _cells(entry: Entry) -> tuple[str, ...]:
    name, price = f"{entry.provider}/{entry.model}", entry.price
    if price is None:
        return (name, *("-" * 5), "nobody")
    rates = (price.input, price.output, price.cache_read, price.cache_write)
    return (name, *("-" if rate is None else f"{rate:f}" for rate in rates), _more(price), entry.by)


def _more(price: Price) -> str:
    """Return in a few words what else a price has."""
    shown = [
        f"{name.replace('_', ' ')} {rate:f}"
        for name in RATES[2:]
        if (rate := getattr(price, name)) is not None
    ]
    if price.long is not None:
        shown.append(f"above {price.long_after}: {price.long.input:f} / {price.long.output:f}")
    shown += [f"{name}: {own.input:f} / {own.output:f}" for name, own in price.tiers.items()]
    return ", ".join(shown) or "-"


def _kept(row: PriceRow, arguments: argparse.Namespace) -> None:
    if arguments.json:
        say(msgspec.json.encode(told(row)).decode())
        return
    say(f"operator {row.number}")
    name, since = f"{row.provider}/{row.model}", dated(row.since)
    words = "what ships holds again" if row.price == b"null" else row.price.decode()
    note(f"{name} from {since} UTC on: {words}")
    note("what was asked since then keeps its cost until: dragoman prices reprice")


def _repriced(found: Repriced, arguments: argparse.Namespace) -> None:
    if arguments.json:
        say(msgspec.json.encode(summary(found)).decode())
        return
    if found.lines:
        say(table(CHANGED, [_line(line) for line in found.lines]))
    would = "would change" if arguments.dry_run else "changed"
    before, after = _dollars(found.before_micros), _dollars(found.after_micros)
    note(f"{found.rows} of {found.seen} attempts {would}: ${before} -> ${after}")
    for count, words in (
        (found.unknown, "had no known cost before"),
        (found.kept, "stay: the provider said what they cost, or may have"),
        (found.bare, "stay: they have no tokens, or searches"),
        (found.unpriced, "stay: nobody knows their price"),
    ):
        if count:
            note(f"{count} {words}")


def _line(line: Line) -> tuple[str, ...]:
    cells = (line.was or "unknown", line.now, str(line.rows))
    return (
        f"{line.provider}/{line.model}",
        *cells,
        _dollars(line.before_micros),
        _dollars(line.after_micros),
    )


def _dollars(micros: int) -> str:
    return f"{Decimal(micros) / 1_000_000:.6f}"
