"""``/admin/keys/{name}``: everything about one key, and what can be done to it.

Its terms, limits and how they stand now, budgets, secrets by their last four characters, spending, and what
was done to it. A key of the configuration is shown and changed there. A new secret of a rotated key is in the
answer to that form, once; a key is revoked by who types its name.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from dragoman.accounts import shown
from dragoman.accounts.figures import iso
from dragoman.accounts.issuing import LONGEST_S, Draft, Held, terms_of
from dragoman.accounts.keys import RESERVED, Account
from dragoman.accounts.reports import one_of
from dragoman.accounts.spending import Spent, spending
from dragoman.accounts.standing import Rule, Taken
from dragoman.accounts.terms import Terms
from dragoman.core.failure import Failure, invalid
from dragoman.server.dashboard import caps, typed
from dragoman.server.dashboard.visit import Action, Back, Form, Page, Shown, View, Visit, lost
from dragoman.server.models import names
from dragoman.store.cover import DAY
from dragoman.store.keys import KeyRow, Role, SecretRow
from dragoman.store.requests import Whose

AUDITED = 30
"""Entries of the audit log that are shown."""

KNOWN = 500
"""Names a form offers, at most."""

TERMS = ("description", "labels", "models", "routes", "text", *typed.LIMITS)
FIELDS = ("name", "role", "team", "user", "expires", "confirm", "seen", *TERMS)
MONEY = ("cap", "period", "hard")

ROLES: tuple[tuple[Role, str], ...] = (
    ("member", "Member: may ask models"),
    ("reader", "Reader: may only look"),
    ("admin", "Admin: may do everything"),
)


class Level(msgspec.Struct, frozen=True):
    """How one limit stands. ``used`` of ``limit`` in its period; None: nobody can say."""

    rule: Rule
    limit: int
    used: int | None
    whole_in_s: float | None = None

    @property
    def share(self) -> float:
        """How much of it is used."""
        return (self.used or 0) / self.limit if self.limit else 1.0

    @property
    def words(self) -> str:
        """What it counts."""
        return (
            "requests at once" if self.rule.what == "parallel" else f"{self.rule.what} a {self.rule.period}"
        )


def address(name: str) -> str:
    """Return the address of a key's page."""
    return f"/admin/keys/{quote(name, safe='')}"


def known(visit: Visit) -> dict[str, Any]:
    """Return what forms offer: teams, users, models, routes."""
    groups = visit.gateway.directory.book.groups
    table = visit.gateway.services.live().table
    every = table.names()
    return {
        "roles": ROLES,
        "teams": sorted(name for kind, name in groups if kind == "team")[:KNOWN],
        "users": sorted(name for kind, name in groups if kind == "user")[:KNOWN],
        "models": [name for name in every if name not in table.routes][:KNOWN],
        "routes": list(table.routes)[:KNOWN],
    }


def role_of(form: Form) -> Role:
    """Return the role that a form chose; raise ``invalid()`` where it is none."""
    word = one_of("role", form.get("role", "member"), [role for role, _ in ROLES])
    return next(role for role, _ in ROLES if role == word)


def ends(row: KeyRow, secret: SecretRow) -> float | None:
    """Return when a secret no longer lets in: its own end, or its key's; None: until it is rotated."""
    known = (secret.expires_at, row.expires_at, row.revoked_at)
    return min((at for at in known if at is not None), default=None)


def example(visit: Visit, held: Held, secret: str) -> str:
    """Return a command that uses a key."""
    url = str(visit.request.base_url).rstrip("/")
    bearer = shlex.quote(f"Authorization: Bearer {secret}")
    if held.row.role == "reader":
        return f"curl {shlex.quote(f'{url}/v1/usage/stats?period=week')} \\\n  -H {bearer}"
    account = visit.gateway.directory.book.named.get(held.row.name)
    may = [] if account is None else names(visit.gateway.services.live(), account)
    may += [name for name in held.terms.models if not name.endswith("*")]
    body = {"model": may[0] if may else "MODEL", "messages": [{"role": "user", "content": "Hello"}]}
    return (
        f"curl {shlex.quote(f'{url}/v1/chat/completions')} \\\n  -H {bearer} \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d {shlex.quote(json.dumps(body))}"
    )


def last_used(latest: Mapping[str, float], name: str, spent: Spent) -> float | None:
    """Return when a key's last request began, or at least its day; None: there is none."""
    day = None if spent.last is None else float(spent.last)
    return max((at for at in (day, latest.get(name)) if at is not None), default=None)


async def _show(visit: Visit) -> Shown:
    name = visit.named()
    if name in RESERVED:
        raise lost(f"key to manage called {name}: it is the gateway's own")
    return await _one(visit, await visit.issuing.show(name))


async def _change(visit: Visit, form: Form) -> Shown:
    """Make of a key what the form says, if it is still the one the form was made of."""
    held = await visit.issuing.show(visit.named())

    def drafted(now: Held) -> Draft:
        typed.check_seen(form, now.row)
        return Draft(
            name=now.row.name,
            role=role_of(form),
            user=form.get("user", "").strip(),
            team=form.get("team", "").strip(),
            expires_at=typed.when(form, "expires"),
            terms=typed.terms(form),
        )

    try:
        confirm = form.get("confirm", "").strip()
        await visit.issuing.amend(visit.account.name, held.row.name, drafted, confirm=confirm)
    except Failure as failure:
        fault = typed.fault_of(failure, FIELDS)
        if fault.field == "confirm":
            words = "this is the key you signed in with; type its name to change its role or end"
            fault = typed.Fault("confirm", words)
        return await _one(visit, held, form, fault, at="terms")
    return Back(address(held.row.name), f"The key {held.row.name} is changed")


async def _rotate(visit: Visit, form: Form) -> Shown:
    """Give a key a new secret, and show it."""
    name = visit.named()
    try:
        hours = typed.whole(form, "overlap")
        overlap_s = (24 if hours is None else hours) * 3600.0
        if overlap_s > LONGEST_S:
            raise invalid(f"the overlap is {LONGEST_S / 3600:,.0f} hours at most", "overlap")
        held, secret = await visit.issuing.rotate(visit.account.name, name, overlap_s=overlap_s)
    except Failure as failure:
        fault = typed.fault_of(failure, ("overlap",))
        return await _one(visit, await visit.issuing.show(name), form, fault, at="rotate")
    return View(
        "keys_made.html",
        {
            "held": held,
            "secret": secret,
            "href": address(name),
            "curl": example(visit, held, secret),
            "said_first": f"The key {name} has a new secret",
            "ended": held.status(visit.now) == "expired",
            "old_until": visit.now + overlap_s,
        },
    )


async def _revoke(visit: Visit, form: Form) -> Shown:
    """Take a key back, where its name was typed."""
    name, said = visit.named(), form.get("confirm", "").strip()
    held = await visit.issuing.show(name)
    try:
        if said != name:
            raise invalid(f"type the key's name, {name}, to revoke it", "revoke")
        await visit.issuing.revoke(visit.account.name, name, confirm=said)
    except Failure as failure:
        return await _one(visit, held, form, typed.fault_of(failure, ("revoke",)), at="revoke")
    return Back(address(name), f"The key {name} is revoked: every process refuses it within a second", "warn")


async def _put_budget(visit: Visit, form: Form) -> Shown:
    held = await visit.issuing.show(visit.named())
    try:
        name = await caps.put_about(visit, form, "key", held.row.name)
    except Failure as failure:
        return await _one(visit, held, form, typed.fault_of(failure, MONEY), at="budget")
    return Back(f"{address(held.row.name)}#budgets", f"The budget {name} holds from now on")


async def _remove_budget(visit: Visit, form: Form) -> Shown:
    name = visit.named()
    await caps.remove_about(visit, form.get("budget", ""), "key", name)
    return Back(f"{address(name)}#budgets", "The budget is removed; what was spent stays in the ledger")


async def _one(
    visit: Visit, held: Held, form: Form | None = None, fault: typed.Fault | None = None, *, at: str = ""
) -> View:
    """Return a key's page. `fault`: of the form called `at`, which has what was typed."""
    store, row = visit.gateway.store, held.row
    spent = (await spending(store.reports, "key", now=visit.now, among=(row.name,))).of(row.name)
    account = _account(visit, held)
    entries = await store.audit.rows(limit=AUDITED, about=("key.", row.name))
    form = form or {}
    facts: dict[str, Any] = {
        **known(visit),
        "held": held,
        "status": held.status(visit.now),
        "ends": partial(ends, row),
        "spent": spent,
        "plot": plot(spent),
        "last_at": last_used(await store.requests.latest([row.name]), row.name, spent),
        "levels": await _levels(visit, account),
        "caps": await caps.about(visit, account, await store.budgets.rows()),
        "whom": ("key", row.name),
        "periods": caps.PERIODS,
        "entries": [shown.entry(number, one) for number, one in entries],
        "typed": form if at == "terms" else _typed(held),
        "budget_typed": form if at == "budget" else {"period": "month"},
        "rotate_typed": form if at == "rotate" else {"overlap": "24"},
        "revoke_typed": {"revoke": form.get("confirm", "")} if at == "revoke" else {},
        "fault": fault,
        "fault_at": at if fault is not None else "",
        "address": address(row.name),
        "changeable": visit.edits and held.origin == "store" and row.revoked_at is None,
        "mine": visit.account.name == row.name,
    }
    return View("keys_one.html", facts, fault.status if fault else 200)


def plot(spent: Spent) -> dict[str, Any]:
    """Return what somebody spent, day by day, as a chart is drawn from: dollars."""
    return {
        "x": [day.at for day in spent.days],
        "series": [
            {"name": "Spend", "values": [None if cost is None else cost / 1_000_000 for cost in spent.course]}
        ],
        "unit": "usd",
        "kind": "bars",
    }


def _typed(held: Held) -> Mapping[str, str]:
    row = held.row
    return {
        "role": row.role,
        "team": row.team,
        "user": row.user,
        "expires": "" if row.expires_at is None else written(row.expires_at),
        "seen": typed.seen(row),
        **typed.typed_terms(held.terms),
    }


def written(at: float) -> str:
    """Return a time as :func:`typed.when` reads it again: a date, where it is the beginning of one."""
    if at % 1:
        return f"{at:f}"
    text = iso(at)
    return text[:10] if at % DAY == 0 else f"{text[:19]}Z"


def _account(visit: Visit, held: Held) -> Account:
    """Return a key with what its limits and budgets are reckoned by."""
    row = held.row
    groups = visit.gateway.directory.book.groups
    team, user = groups.get(("team", row.team)), groups.get(("user", row.user))
    return Account(
        row.name,
        row.role,
        team=row.team,
        user=row.user,
        limits=held.terms.limits,
        team_limits=_terms(team.terms if team else b"{}").limits,
        user_limits=_terms(user.terms if user else b"{}").limits,
    )


def _terms(raw: bytes) -> Terms:
    try:
        return terms_of(raw)
    except Failure:
        return Terms()  # the key's page is no place to be refused for its team's sake


async def _levels(visit: Visit, account: Account) -> list[Level]:
    """Return how the limits of a key, its team and user stand now."""
    found = await visit.gateway.services.limits.look(account)
    of: dict[Whose, str] = {"key": account.name, "team": account.team, "user": account.user}
    limited = {rule.name for rule, _ in found if rule.what == "parallel"}
    inside = {
        rule: await visit.gateway.store.requests.live_of(whose, name)
        for whose, name in of.items()
        if (rule := f"{whose}:{name}:parallel") in limited
    }
    return [_level(rule, taken, inside.get(rule.name, 0)) for rule, taken in found]


def _level(rule: Rule, taken: Taken | None, inside: int) -> Level:
    if rule.what == "parallel":
        return Level(rule, rule.limit, inside)
    if taken is None:
        return Level(rule, rule.limit, None)
    return Level(rule, rule.burst, rule.burst - taken.remaining, taken.reset_s)


PAGES = (
    Page("/admin/keys/{name:path}", _show),
    Action("/admin/keys/{name:path}/rotate", _rotate),
    Action("/admin/keys/{name:path}/revoke", _revoke),
    Action("/admin/keys/{name:path}/budgets", _put_budget),
    Action("/admin/keys/{name:path}/budgets/remove", _remove_budget),
    Action("/admin/keys/{name:path}", _change),  # the last: a path takes slashes
)
