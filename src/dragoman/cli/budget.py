"""``dragoman budget``: what may be spent, and what is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dragoman.accounts import budgeting
from dragoman.accounts.budgeted import LISTED, Known, Stands, known, stand
from dragoman.accounts.budgets import BudgetSpec, Standing, about, instant, micros_of, money
from dragoman.accounts.issuing import Issuing
from dragoman.cli.accounts import ACTOR, at_work, now
from dragoman.cli.terminal import Trouble, note, say, table
from dragoman.store import Store
from dragoman.store.budgets import EACH, BudgetRow

HEAD = ("NAME", "ABOUT", "SUBJECT", "CAP", "SPENT", "HELD", "LEFT", "ENDS", "HARD", "ALERTS")
ALERT = "tell at so much spent (default: 50, 80 and 100); may be repeated, for others"
ACTIONS: Mapping[str, str] = {
    "list": "list every budget, and how it stands",
    "show": "show one budget, and how it stands",
    "set": "make a budget, or change one; what is not given stays",
    "remove": "remove a budget; the ledger stays as it is",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in ACTIONS.items():
        action = actions.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        action.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")
        action.add_argument("--json", action="store_true", help="JSON, for programs")
        if name != "list":
            action.add_argument("name", help="the budget's name")
        if name == "set":
            _set_options(action)


def _set_options(action: argparse.ArgumentParser) -> None:
    action.add_argument("--dollars", metavar="N", help="US dollars of one window, such as 25 or 0.50")
    action.add_argument("--scope", choices=("all", "key", "team", "user", "model"), help="whose spending")
    action.add_argument(
        "--subject", metavar="NAME", help="the key's, team's, user's or model's name; * for each"
    )
    action.add_argument("--period", choices=("day", "week", "month", "total"), help="how long a window is")
    action.add_argument("--zone", metavar="ZONE", help="time zone it begins in, such as Europe/Rome")
    action.add_argument("--alert", metavar="PERCENT", type=int, action="append", help=ALERT)
    kind = action.add_mutually_exclusive_group()
    kind.add_argument("--hard", action="store_true", default=None, help="refuse what would go beyond")
    kind.add_argument("--soft", dest="hard", action="store_false", help="only tell")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do it; return the exit code."""

    async def act(store: Store, issuing: Issuing) -> tuple[list[dict[str, Any]], list[list[str]]]:
        kept, at = store.budgets, now()
        if arguments.action == "remove":
            await budgeting.remove(kept, arguments.name, actor=ACTOR, now=at)
            return [], []
        if arguments.action == "set":
            there = {row.name: row for row in await kept.rows()}
            spec = wanted(arguments, there.get(arguments.name))
            rows: Sequence[BudgetRow] = [await budgeting.put(kept, arguments.name, spec, actor=ACTOR, now=at)]
        elif arguments.action == "show":
            rows = [await budgeting.find(kept, arguments.name)]
        else:
            rows = await kept.rows()
        most, there_is = LISTED if arguments.action == "list" else None, await known(issuing)
        if arguments.action == "set":
            note_strange(rows[0], there_is)
        found = await stand(store, rows, at, who=there_is)
        lines = [line for one in found for line in (summed(one) if most else cells(one))]
        return [budgeting.budget(one.budget, one.windows, most=most) for one in found], lines

    shown, lines = at_work(arguments, environ, act)
    if arguments.action == "remove":
        note(f"{arguments.name} is removed")
    elif arguments.json:
        say(msgspec.json.encode(shown if arguments.action == "list" else shown[0]).decode())
    elif lines:
        say(table(HEAD, lines))
    else:
        note("there is no budget yet: dragoman budget set NAME --dollars 25")
    return 0


def note_strange(row: BudgetRow, there_is: Known) -> None:
    """Say that a budget is of somebody who is not there: it may be meant so, or be misspelt."""
    if row.subject and row.subject != EACH and row.subject not in there_is.get(row.scope, (row.subject,)):
        note(f"there is no {row.scope} {row.subject!r} now: this budget holds for nobody until there is")


def wanted(arguments: argparse.Namespace, old: BudgetRow | None) -> BudgetSpec:
    """Return what a budget is to be: what is given, and of the rest what it was.

    Raises:
        Trouble: It would be no budget.
    """
    known: dict[str, Any] = {}
    if old is not None:
        known = {
            name: getattr(old, name) for name in ("scope", "subject", "period", "zone", "hard", "alerts")
        }
        known["dollars"] = f"{old.cap_micros // 1_000_000}.{old.cap_micros % 1_000_000:06d}"
    given = {"scope", "subject", "period", "zone", "hard", "dollars"}
    known |= {name: value for name in given if (value := getattr(arguments, name)) is not None}
    if arguments.scope == "all":
        known["subject"] = arguments.subject or ""
    if arguments.alert is not None:
        known["alerts"] = arguments.alert
    if any(not 1 <= percent <= 1000 for percent in arguments.alert or ()):
        raise Trouble("--alert is a percentage of what may be spent, from 1 to 1000", code=2)
    if "dollars" not in known:
        raise Trouble("a new budget wants --dollars", code=2)
    if micros_of(known["dollars"]) is None:
        raise Trouble(f"{known['dollars']!r} is no amount of dollars: write 25 or 0.50", code=2)
    try:
        return msgspec.convert(known, BudgetSpec)
    except msgspec.ValidationError as error:
        raise Trouble(str(error).partition(" - at ")[0], code=2) from None


def cells(found: Stands) -> list[list[str]]:
    """Return the lines of a table of one budget: one for each of its windows."""
    return [_line(found, one, one.window.subject or "-") for one in found.windows] or [_line(found)]


def summed(found: Stands) -> list[list[str]]:
    """Return a budget's line in a list: how the window used furthest stands, and how many more there are."""
    if len(found.windows) < 2:
        return cells(found)
    furthest, *others = found.windows
    return [_line(found, furthest, f"{furthest.window.subject} and {len(others)} more")]


def _line(found: Stands, one: Standing | None = None, subject: str = "*") -> list[str]:
    row = found.budget
    amounts, ends = ["-"] * 3, "-"
    if one is not None:
        amounts = [money(of) for of in (one.window.spent_micros, one.window.held_micros, one.left_micros)]
        ends = instant(one.ends_at) if one.ends_at is not None else "never"
    what, hard = f"{about(row)}, {row.period}", "yes" if row.hard else "no"
    alerts = f"{','.join(map(str, row.alerts))}%" if row.alerts else "-"
    return [row.name, what, subject, money(row.cap_micros), *amounts, ends, hard, alerts]
