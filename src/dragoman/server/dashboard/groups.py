"""``/admin/teams`` and ``/admin/users``: what the keys of a team, or of a person, may do and spend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from dragoman.accounts import shown
from dragoman.accounts.figures import cell, iso, usd
from dragoman.accounts.issuing import terms_of
from dragoman.accounts.keys import Account
from dragoman.accounts.reports import check_names, one_of
from dragoman.accounts.spending import Spent, spending
from dragoman.accounts.terms import Terms
from dragoman.core.failure import Failure
from dragoman.server.dashboard import caps, typed
from dragoman.server.dashboard.key import AUDITED, MONEY, TERMS, known, plot
from dragoman.server.dashboard.keys import limits
from dragoman.server.dashboard.visit import Action, Back, Form, Page, Shown, View, Visit
from dragoman.server.tables import in_csv, split
from dragoman.store.keys import GroupKind, GroupRow

SHOWN = 100
"""Teams or users of one page."""

RAIL = "/admin/keys"
"""Where they are on the rail."""

SORTS = ("name", "spend", "keys")
FILTERS = ("q", "sort", "after")
FIELDS = ("name", "seen", *TERMS)

Shows = Callable[[Visit], Awaitable[Shown]]
Acts = Callable[[Visit, Form], Awaitable[Shown]]


class Line(msgspec.Struct, frozen=True):
    """A team or user as the list shows it. ``keys``: how many that are not revoked belong to it."""

    row: GroupRow
    terms: Terms
    spent: Spent
    keys: int
    href: str
    limits: str
    cap: caps.Cap | None = None
    caps: int = 0


def address(kind: GroupKind, name: str) -> str:
    """Return the address of a team's or user's page."""
    return f"/admin/{kind}s/{quote(name, safe='')}"


def _account(kind: GroupKind, name: str) -> Account:
    return Account("", team=name) if kind == "team" else Account("", user=name)


async def _lines(visit: Visit, kind: GroupKind, words: str) -> list[Line]:
    """Return every team or user whose name or description has some words."""
    spent = await spending(visit.gateway.store.reports, kind, now=visit.now)
    held = [one.row for one in await visit.issuing.keys() if one.row.revoked_at is None]
    found = []
    for row in await visit.issuing.groups(kind):
        terms = terms_of(row.terms)
        keys = sum((key.team if kind == "team" else key.user) == row.name for key in held)
        if words in row.name.casefold() or words in terms.description.casefold():
            href, short = address(kind, row.name), limits(terms.limits)
            found.append(Line(row, terms, spent.of(row.name), keys, href, short))
    return found


async def _list(visit: Visit, kind: GroupKind) -> Shown:
    query, csv = split(visit.query, {})
    check_names(query, (*FILTERS, "new"))
    if query.get("new"):
        return _new(visit, kind, {})
    order = one_of("sort", query.get("sort", "name"), SORTS)
    lines = sorted(
        await _lines(visit, kind, query.get("q", "").casefold()),
        key=lambda line: (
            {"spend": -line.spent.month.cost_micros, "keys": -line.keys}.get(order, 0),
            line.row.name,
        ),
    )
    if csv:
        return in_csv(_table(lines), f"{kind}s")
    names = [line.row.name for line in lines]
    begin = names.index(query["after"]) + 1 if query.get("after") in names else 0
    page = await _filled(visit, kind, lines[begin : begin + SHOWN])
    return View(
        "groups.html",
        {
            "path": RAIL,
            "kind": kind,
            "lines": page,
            "count": len(lines),
            "filters": query,
            "sorts": SORTS,
            "after": page[-1].row.name if begin + SHOWN < len(lines) else "",
            "begun": begin > 0,
        },
    )


async def _create(visit: Visit, kind: GroupKind, form: Form) -> Shown:
    """Make a team or user; one that is there already is not replaced from here."""
    name = form.get("name", "").strip()
    try:
        typed.check_free(name, [row.name for row in await visit.issuing.groups(kind)], kind)
        await visit.issuing.put_group(visit.account.name, kind, name, typed.terms(form))
    except Failure as failure:
        return _new(visit, kind, form, typed.fault_of(failure, FIELDS))
    return Back(address(kind, name), f"The {kind} {name} is made")


async def _change(visit: Visit, kind: GroupKind, form: Form) -> Shown:
    row = await visit.issuing.group(kind, visit.named())
    try:
        typed.check_seen(form, row)
        await visit.issuing.put_group(visit.account.name, kind, row.name, typed.terms(form))
    except Failure as failure:
        return await _one(visit, row, form, typed.fault_of(failure, FIELDS), at="terms")
    return Back(address(kind, row.name), f"The {kind} {row.name} is changed")


async def _remove(visit: Visit, kind: GroupKind, _: Form) -> Shown:
    row = await visit.issuing.group(kind, visit.named())
    try:
        await visit.issuing.remove_group(visit.account.name, kind, row.name)
    except Failure as failure:
        return await _one(visit, row, {}, typed.fault_of(failure, ()), at="remove")
    return Back(f"/admin/{kind}s", f"The {kind} {row.name} is removed")


async def _put_budget(visit: Visit, kind: GroupKind, form: Form) -> Shown:
    row = await visit.issuing.group(kind, visit.named())
    try:
        name = await caps.put_about(visit, form, kind, row.name)
    except Failure as failure:
        return await _one(visit, row, form, typed.fault_of(failure, MONEY), at="budget")
    return Back(f"{address(kind, row.name)}#budgets", f"The budget {name} holds from now on")


async def _remove_budget(visit: Visit, kind: GroupKind, form: Form) -> Shown:
    name = visit.named()
    await caps.remove_about(visit, form.get("budget", ""), kind, name)
    return Back(f"{address(kind, name)}#budgets", "The budget is removed; what was spent stays in the ledger")


def _new(visit: Visit, kind: GroupKind, form: Form, fault: typed.Fault | None = None) -> View:
    facts = {**known(visit), "path": RAIL, "kind": kind, "typed": form, "fault": fault}
    return View("groups_new.html", facts, fault.status if fault else 200)


async def _one(
    visit: Visit, row: GroupRow, form: Form | None = None, fault: typed.Fault | None = None, *, at: str = ""
) -> View:
    """Return a team's or user's page. `fault`: of the form called `at`, which has what was typed."""
    store, kind = visit.gateway.store, row.kind
    terms = terms_of(row.terms)
    spent = (await spending(store.reports, kind, now=visit.now, name=row.name)).of(row.name)
    rows = [one for one in await store.budgets.rows() if one.scope == kind]
    entries = await store.audit.rows(limit=AUDITED, about=(f"{kind}.", row.name))
    held = [
        one
        for one in await visit.issuing.keys()
        if (one.row.team if kind == "team" else one.row.user) == row.name
    ]
    facts: dict[str, Any] = {
        **known(visit),
        "path": RAIL,
        "kind": kind,
        "row": row,
        "terms": terms,
        "limits": limits(terms.limits),
        "spent": spent,
        "plot": plot(spent),
        "keys": [(one, one.status(visit.now)) for one in held],
        "caps": await caps.about(visit, _account(kind, row.name), rows),
        "whom": (kind, row.name),
        "periods": caps.PERIODS,
        "entries": [shown.entry(number, one) for number, one in entries],
        "typed": form if form and at == "terms" else {**typed.typed_terms(terms), "seen": typed.seen(row)},
        "budget_typed": form if form and at == "budget" else {"period": "month"},
        "fault": fault,
        "fault_at": at if fault is not None else "",
        "address": address(kind, row.name),
    }
    return View("groups_one.html", facts, fault.status if fault else 200)


async def _filled(visit: Visit, kind: GroupKind, lines: Sequence[Line]) -> list[Line]:
    """Return the lines of one page with how their budgets stand."""
    own = await caps.of_each(visit, kind, [line.row.name for line in lines])
    return [
        msgspec.structs.replace(line, cap=caps.worst(found), caps=len(found))
        for line in lines
        for found in (own[line.row.name],)
    ]


def _table(lines: Sequence[Line]) -> str:
    rows = ["name,description,keys,created_at,month_requests,month_tokens,month_cost_usd,limits"]
    for line in lines:
        month = line.spent.month
        values = (line.row.name, line.terms.description, line.keys, iso(line.row.created_at))
        told = (month.requests, month.tokens, usd(month.cost), line.limits)
        rows.append(",".join(cell(value) for value in (*values, *told)))
    return "\r\n".join([*rows, ""])


def _of(kind: GroupKind) -> tuple[Page | Action, ...]:
    """Return the pages of teams, or of users."""

    def shows(show: Callable[[Visit, GroupKind], Awaitable[Shown]]) -> Shows:
        return lambda visit: show(visit, kind)

    def acts(act: Callable[[Visit, GroupKind, Form], Awaitable[Shown]]) -> Acts:
        return lambda visit, form: act(visit, kind, form)

    async def one(visit: Visit, kind: GroupKind) -> Shown:
        return await _one(visit, await visit.issuing.group(kind, visit.named()))

    every = f"/admin/{kind}s"
    return (
        Page(every, shows(_list)),
        Page(f"{every}/{{name}}", shows(one)),
        Action(every, acts(_create)),
        Action(f"{every}/{{name}}", acts(_change)),
        Action(f"{every}/{{name}}/remove", acts(_remove)),
        Action(f"{every}/{{name}}/budgets", acts(_put_budget)),
        Action(f"{every}/{{name}}/budgets/remove", acts(_remove_budget)),
    )


PAGES = (*_of("team"), *_of("user"))
