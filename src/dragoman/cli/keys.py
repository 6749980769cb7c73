"""``dragoman keys``: who may ask: make, list, show, change, rotate and revoke keys.

A secret goes to stdout, alone, and everything said about it to stderr: ``KEY=$(dragoman keys create alice)``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from dragoman.accounts import shown
from dragoman.accounts.issuing import Draft, Held, Issuing
from dragoman.accounts.terms import Terms
from dragoman.accounts.times import LONG, length, told
from dragoman.cli.accounts import ACTOR, at_work, limit_options, limits, moment, now, pairs
from dragoman.cli.terminal import Trouble, note, say, table
from dragoman.store import Store
from dragoman.store.keys import Role

ROLES = ("admin", "member", "reader")
HEAD = ("NAME", "STATUS", "ROLE", "TEAM", "USER", "EXPIRES", "MAY ASK", "SECRET")


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in {
        "create": "make a key and show its secret, this once",
        "list": "list every key",
        "show": "show one key",
        "change": "change what a key may do; what is not given stays",
        "rotate": "give a key a new secret and show it, this once",
        "revoke": "take a key back, for ever",
    }.items():
        action = actions.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        action.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")
        action.add_argument("--json", action="store_true", help="JSON, for programs")
        if name != "list":
            action.add_argument("name", help="the key's name")
        if name in ("create", "change"):
            _terms_options(action)
        if name == "rotate":
            action.add_argument(
                "--overlap",
                metavar="TIME",
                default="24h",
                help="how long the old secret holds (default: 24h)",
            )


def _terms_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", choices=ROLES, help="what it may: all, ask models (default), only look")
    parser.add_argument("--user", metavar="NAME", help="whose it is; '' nobody's")
    parser.add_argument("--team", metavar="NAME", help="the team it belongs to; '' none")
    parser.add_argument(
        "--expires", metavar="TIME", help="a date, an instant, or how long from now: 30d; never: no end"
    )
    parser.add_argument("--description", metavar="TEXT", help="what it is for")
    parser.add_argument("--label", metavar="NAME=VALUE", action="append", help="may be repeated")
    parser.add_argument("--model", metavar="NAME", action="append", help="it may ask; may be repeated")
    parser.add_argument("--route", metavar="NAME", action="append", help="it may ask; may be repeated")
    parser.add_argument("--any-model", action="store_true", help="take restrictions of models and routes off")
    parser.add_argument("--text", choices=("on", "off"), help="whether its prompts and answers are logged")
    limit_options(parser)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do it; return the exit code."""
    match arguments.action:
        case "list":
            _listed(at_work(arguments, environ, lambda _, issuing: issuing.keys()), as_json=arguments.json)
        case "show":
            found = at_work(arguments, environ, lambda _, issuing: issuing.show(arguments.name))
            _one(found, as_json=arguments.json)
        case "revoke":
            revoked = at_work(arguments, environ, lambda _, issuing: issuing.revoke(ACTOR, arguments.name))
            _one(revoked, as_json=arguments.json)
        case "change":
            changed = at_work(arguments, environ, lambda _, issuing: _changed(issuing, arguments))
            _one(changed, as_json=arguments.json)
        case "create":
            draft = drafted(arguments, None)
            _made(*at_work(arguments, environ, lambda _, issuing: issuing.create(ACTOR, draft)), arguments)
        case _:
            overlap_s = length(arguments.overlap)
            if overlap_s is None:
                raise Trouble(f"--overlap must be {LONG}", code=2)

            async def rotated(_: Store, issuing: Issuing) -> tuple[Held, str]:
                return await issuing.rotate(ACTOR, arguments.name, overlap_s=overlap_s)

            _made(*at_work(arguments, environ, rotated), arguments)
    return 0


def drafted(arguments: argparse.Namespace, held: Held | None) -> Draft:
    """Return what a key is to be: what is given, and of the rest what it is."""
    row, old = (held.row, held.terms) if held is not None else (None, Terms())
    free = arguments.any_model
    text = {"on": True, "off": False, None: old.text}[arguments.text]
    expires_at = row.expires_at if row is not None else None
    if arguments.expires is not None:
        expires_at = None if arguments.expires == "never" else moment(arguments.expires)
    return Draft(
        name=arguments.name,
        role=cast("Role", arguments.role or (row.role if row is not None else "member")),
        user=_given(arguments.user, row.user if row is not None else ""),
        team=_given(arguments.team, row.team if row is not None else ""),
        expires_at=expires_at,
        terms=Terms(
            description=_given(arguments.description, old.description),
            labels={**old.labels, **pairs(arguments.label)},
            models=_names(arguments.model, () if free else old.models),
            routes=_names(arguments.route, () if free else old.routes),
            text=text,
            limits=limits(arguments, old.limits),
        ),
    )


async def _changed(issuing: Issuing, arguments: argparse.Namespace) -> Held:
    return await issuing.amend(ACTOR, arguments.name, lambda held: drafted(arguments, held))


def _given(word: str | None, old: str) -> str:
    return old if word is None else word


def _names(words: Sequence[str] | None, old: tuple[str, ...]) -> tuple[str, ...]:
    return old if words is None else tuple(words)


def _made(held: Held, secret: str, arguments: argparse.Namespace) -> None:
    """Show a secret."""
    if arguments.json:
        say(msgspec.json.encode({"secret": secret, "key": shown.key(held, now=now())}).decode())
        return
    note(f"{held.row.name}: this secret is shown only this once")
    say(secret)


def _one(held: Held, *, as_json: bool) -> None:
    if as_json:
        say(msgspec.json.encode(shown.key(held, now=now())).decode())
        return
    _listed([held], as_json=False)


def _listed(every: Sequence[Held], *, as_json: bool) -> None:
    if as_json:
        say(msgspec.json.encode([shown.key(held, now=now()) for held in every]).decode())
    elif every:
        say(table(HEAD, [_cells(held) for held in every]))
    else:
        note("there is no key yet: dragoman keys create NAME")


def _cells(held: Held) -> list[str]:
    row, terms = held.row, held.terms
    ends = "never" if row.expires_at is None else told(row.expires_at)
    may = ", ".join((*terms.models, *terms.routes)) or ("nothing" if row.role == "reader" else "everything")
    hints = ", ".join(f"...{one.hint}" for one in held.secrets) or "(configuration)"
    status = held.status(now())
    return [row.name, status, row.role, row.team or "-", row.user or "-", ends, may, hints]
