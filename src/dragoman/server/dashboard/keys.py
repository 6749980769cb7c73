"""``/admin/keys``: every key with what it spent, its budgets and limits; and the form that makes one.

A new key's secret is in the answer to that form, once. What one key is and does has a page of its own
(:mod:`dragoman.server.dashboard.key`).
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from typing import get_args

import msgspec

from dragoman.accounts.figures import Cell, cell, iso, usd
from dragoman.accounts.issuing import Draft, Held, Status
from dragoman.accounts.reports import check_names, one_of
from dragoman.accounts.spending import Spent, of_month, spending
from dragoman.accounts.terms import LimitTerms
from dragoman.core.failure import Failure
from dragoman.server.dashboard import caps, typed
from dragoman.server.dashboard.key import (
    FIELDS,
    KNOWN,
    MONEY,
    ROLES,
    address,
    example,
    known,
    last_used,
    role_of,
)
from dragoman.server.dashboard.visit import Action, Form, Page, Shown, View, Visit
from dragoman.server.dashboard.words import short
from dragoman.server.tables import in_csv, split
from dragoman.store.reports import Sums

SHOWN = 50
"""Keys of one page."""

NOTHING = Sums()
"""What somebody spent who is not among those who spent anything."""

CHOICES = 100
"""Teams or users that are chosen from; more are typed, and the first of them offered."""

STATUSES: tuple[str, ...] = (*get_args(Status), "all")
SORTS = ("name", "spend", "created")
FILTERS = ("q", "team", "user", "role", "status", "sort", "after")

PREFILLED: tuple[str, ...] = ("team", "user")
"""What a link to the form of a new key may say of it."""

COLUMNS = (
    "name",
    "status",
    "role",
    "team",
    "user",
    "description",
    "created_at",
    "expires_at",
    "month_requests",
    "month_tokens",
    "month_cost_usd",
    "limits",
    "origin",
)
"""Of the CSV."""

_SHORT = (
    ("requests_per_minute", "a min"),
    ("requests_per_day", "a day"),
    ("tokens_per_minute", "tok a min"),
    ("tokens_per_day", "tok a day"),
    ("parallel", "at once"),
)


class Line(msgspec.Struct, frozen=True):
    """A key as the list shows it. ``cap``: the budget of its own that is used furthest."""

    held: Held
    status: Status
    spent: Spent
    href: str
    limits: str
    cap: caps.Cap | None = None
    caps: int = 0
    last_at: float | None = None


async def _list(visit: Visit) -> Shown:
    query, csv = split(visit.query, {})
    check_names(query, (*FILTERS, "new"))
    if query.get("new"):
        chosen = {name: query[name] for name in PREFILLED if name in query}
        return await _new(visit, {"role": "member", "period": "month", **chosen})
    order = one_of("sort", query.get("sort", "name"), SORTS)
    found = await visit.issuing.known()
    month: Mapping[str, Sums] = {}
    if csv or order == "spend":  # else what the others spent is not even read
        month = await of_month(visit.gateway.store.reports, "key", now=visit.now)
    wanted, revoked = await to_thread(_sifted, found, query, order, month=month, now=visit.now)
    if csv:
        return in_csv(await to_thread(_table, wanted, month, visit.now), "keys")
    names = [held.row.name for held in wanted]
    begin = names.index(query["after"]) + 1 if query.get("after") in names else 0
    page = await _filled(visit, wanted[begin : begin + SHOWN])
    book = visit.gateway.directory.book
    return View(
        "keys.html",
        {
            "lines": page,
            "count": len(wanted),
            "every": len(found),
            "revoked": revoked,
            "filters": query,
            "teams": sorted(name for kind, name in book.groups if kind == "team"),
            "users": sorted(name for kind, name in book.groups if kind == "user"),
            "choices": CHOICES,
            "offered": KNOWN,
            "roles": [role for role, _ in ROLES],
            "statuses": STATUSES,
            "sorts": SORTS,
            "after": page[-1].held.row.name if begin + SHOWN < len(wanted) else "",
            "begun": begin > 0,
        },
    )


async def _create(visit: Visit, form: Form) -> Shown:
    """Make a key, and its first budget where one was typed; show its secret."""
    name = form.get("name", "").strip()
    try:
        draft = Draft(
            name=name,
            role=role_of(form),
            user=form.get("user", "").strip(),
            team=form.get("team", "").strip(),
            expires_at=typed.when(form, "expires"),
            terms=typed.terms(form),
        )
        budgeted = bool(form.get("cap", "").strip())
        if budgeted:
            caps.first_of(form, "key", name or "-")  # refused before there is a key, if at all
        held, secret = await visit.issuing.create(visit.account.name, draft)
    except Failure as failure:
        return await _new(visit, form, typed.fault_of(failure, (*FIELDS, *MONEY)))
    said = f"The key {held.row.name} is made"
    if budgeted:
        try:
            await caps.put_about(visit, {name: form.get(name, "") for name in MONEY}, "key", held.row.name)
        except Failure as failure:  # the key is there, and its secret is told now or never
            said += f", and has no budget yet: {failure.message}"
    return View(
        "keys_made.html",
        {
            "held": held,
            "secret": secret,
            "href": address(held.row.name),
            "curl": example(visit, held, secret),
            "said_first": said,
            "ended": False,
            "old_until": None,
        },
    )


async def _new(visit: Visit, form: Form, fault: typed.Fault | None = None) -> View:
    facts = {**known(visit), "periods": caps.PERIODS, "typed": form, "fault": fault}
    return View("keys_new.html", facts, fault.status if fault else 200)


def limits(terms: LimitTerms) -> str:
    """Return a key's own limits in few words: ``60 a min, 200k tok a day, 4 at once``."""
    found = ((getattr(terms, name), words) for name, words in _SHORT)
    return ", ".join(
        f"{short(value)} {words}" if value else f"any {words}" for value, words in found if value is not None
    )


def _wanted(held: Held, query: Mapping[str, str], now: float) -> bool:
    row, status = held.row, held.status(now)
    asked = one_of("status", query["status"], STATUSES) if "status" in query else None
    if "role" in query:
        one_of("role", query["role"], [role for role, _ in ROLES])
    words = query.get("q", "").casefold()
    texts = (row.name, row.user, row.team, held.terms.description, *held.terms.labels.values())
    return (
        any(words in text.casefold() for text in texts)
        and query.get("team", row.team) in (row.team, "-" if not row.team else row.team)
        and query.get("user", row.user) in (row.user, "-" if not row.user else row.user)
        and query.get("role", row.role) == row.role
        and (asked in (status, "all") if asked else status != "revoked")
    )


def _sifted(
    found: Sequence[Held], query: Mapping[str, str], order: str, *, month: Mapping[str, Sums], now: float
) -> tuple[list[Held], int]:
    """Return the keys that meet the filters, in order, and how many revoked ones would; in a thread."""
    revoked = sum(_wanted(held, {**query, "status": "revoked"}, now) for held in found)
    return _ordered([held for held in found if _wanted(held, query, now)], order, month), revoked


def _ordered(found: Sequence[Held], order: str, month: Mapping[str, Sums]) -> list[Held]:
    def place(held: Held) -> tuple[float, str]:
        row = held.row
        if order == "spend":
            return -float(month.get(row.name, NOTHING).cost_micros), row.name
        return -row.created_at if order == "created" else 0.0, row.name

    return sorted(found, key=place)


async def _filled(visit: Visit, found: Sequence[Held]) -> list[Line]:
    """Return the keys of one page with what the store is asked for."""
    names, store = [held.row.name for held in found], visit.gateway.store
    every = await caps.of_each(visit, "key", names)
    latest = await store.requests.latest(names)
    spent = await spending(store.reports, "key", now=visit.now, among=names)

    def filled(held: Held) -> Line:
        name, own = held.row.name, spent.of(held.row.name)
        return Line(
            held,
            held.status(visit.now),
            own,
            address(name),
            limits(held.terms.limits),
            cap=caps.worst(every[name]),
            caps=len(every[name]),
            last_at=last_used(latest, name, own),
        )

    return [filled(held) for held in found]


def _table(found: Sequence[Held], month: Mapping[str, Sums], now: float) -> str:
    rows = (_cells(held, month.get(held.row.name, NOTHING), now) for held in found)
    return "\r\n".join([",".join(COLUMNS), *(",".join(map(cell, row)) for row in rows), ""])


def _cells(held: Held, month: Sums, now: float) -> tuple[Cell, ...]:
    """Return what :data:`COLUMNS` say of a key."""
    row = held.row
    return (
        row.name,
        held.status(now),
        row.role,
        row.team,
        row.user,
        held.terms.description,
        iso(row.created_at) if held.origin == "store" else None,
        None if row.expires_at is None else iso(row.expires_at),
        month.requests,
        month.tokens,
        usd(month.cost),
        limits(held.terms.limits),
        held.origin,
    )


PAGES = (Page("/admin/keys", _list), Action("/admin/keys", _create))
