"""Teams and users on the command line: what ``dragoman teams`` and ``dragoman users`` have in common."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import msgspec

from dragoman.accounts import shown
from dragoman.accounts.issuing import Issuing, terms_of
from dragoman.accounts.terms import Terms
from dragoman.cli.accounts import ACTOR, at_work, limit_options, limits, pairs
from dragoman.cli.terminal import note, say, table
from dragoman.store.keys import GroupKind, GroupRow

HEAD = ("NAME", "MAY ASK", "LIMITS", "DESCRIPTION")


def add(parser: argparse.ArgumentParser, kind: GroupKind) -> None:
    """Add the arguments of a command for teams, or for users."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in {
        "list": f"list every {kind}",
        "put": f"make a {kind}, or change what its keys may do together; what is not given stays",
        "remove": f"remove a {kind} no key belongs to",
    }.items():
        action = actions.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        action.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")
        action.add_argument("--json", action="store_true", help="JSON, for programs")
        if name != "list":
            action.add_argument("name", help=f"the {kind}'s name")
        if name == "put":
            action.add_argument("--description", metavar="TEXT", help="what it is for")
            action.add_argument("--label", metavar="NAME=VALUE", action="append", help="may be repeated")
            action.add_argument("--model", metavar="NAME", action="append", help="its keys may ask")
            action.add_argument("--route", metavar="NAME", action="append", help="its keys may ask")
            action.add_argument("--any-model", action="store_true", help="take such restrictions off")
            limit_options(action)


def do(arguments: argparse.Namespace, environ: Mapping[str, str], kind: GroupKind) -> int:
    """Do it; return the exit code."""

    async def act(_: object, issuing: Issuing) -> list[GroupRow]:
        if arguments.action == "put":
            return [await _put(issuing, arguments, kind)]
        if arguments.action == "remove":
            await issuing.remove_group(ACTOR, kind, arguments.name)
            return []
        return await issuing.groups(kind)

    rows = at_work(arguments, environ, act)
    if arguments.action == "remove":
        note(f"{arguments.name} is removed")
    elif arguments.json:
        say(msgspec.json.encode([shown.group(row) for row in rows]).decode())
    elif rows:
        say(table(HEAD, _cells(rows)))
    else:
        note(f"there is no {kind} yet: dragoman {kind}s put NAME")
    return 0


async def _put(issuing: Issuing, arguments: argparse.Namespace, kind: GroupKind) -> GroupRow:
    there = [row for row in await issuing.groups(kind) if row.name == arguments.name]
    old = terms_of(there[0].terms) if there else Terms()
    free = Terms() if arguments.any_model else old
    terms = msgspec.structs.replace(
        old,
        description=old.description if arguments.description is None else arguments.description,
        labels={**old.labels, **pairs(arguments.label)},
        models=free.models if arguments.model is None else tuple(arguments.model),
        routes=free.routes if arguments.route is None else tuple(arguments.route),
        limits=limits(arguments, old.limits),
    )
    return await issuing.put_group(ACTOR, kind, arguments.name, terms)


def _cells(rows: Sequence[GroupRow]) -> list[list[str]]:
    cells = []
    for row in rows:
        terms = terms_of(row.terms)
        set_ = {
            name: value for name, value in msgspec.structs.asdict(terms.limits).items() if value is not None
        }
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in set_.items())
        may = ", ".join((*terms.models, *terms.routes)) or "everything"
        cells.append([row.name, may, told or "-", terms.description])
    return cells
