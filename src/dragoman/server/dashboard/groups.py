"""``/admin/teams`` and ``/admin/users``: what the keys of a team, or of a person, may do and spend."""

from __future__ import annotations

from asyncio import to_thread
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from dragoman.accounts import shown
from dragoman.accounts.figures import cell, iso, usd
from dragoman.accounts.issuing import terms_of
from dragoman.accounts.keys import Account
from dragoman.accounts.reports import check_names, one_of
from dragoman.accounts.spending import Spent, of_month, spending
from dragoman.accounts.terms import Terms
from dragoman.core.failure import Failure
from dragoman.server.dashboard import caps, typed
from dragoman.server.dashboard.key import AUDITED, MONEY, TERMS, known, plot
from dragoman.server.dashboard.keys import NOTHING, limits
from dragoman.server.dashboard.visit import Action, Back, Form, Page, Shown, View, Visit
from dragoman.server.tables import in_csv, split
from dragoman.store.keys import GroupKind, GroupRow
from dragoman.store.reports import Sums

SHOWN = 50
"""Teams or users of one page."""

RAIL = "/admin/keys"
"""Where they are on the rail."""

SORTS = ("name", "spend", "keys")
FILTERS = ("q", "sort", "after")
FIELDS = ("name", "seen", *TERMS)

Shows = Callable[[Visit], Awaitable[Shown]]
Acts = Callable[[Visit, Form], Awaitable[Shown]]


class One(NamedTuple):
    """A team or user. ``keys``: how many that are not revoked belong to it."""

    row: GroupRow
    terms: Terms
    keys: int


class Line(msgspec.Struct, frozen=True):
    """A team or user as the list shows it."""

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


async def _found(visit: Visit, kind: GroupKind, words: str) -> list[One]:
    """Return every team or user whose name or description has some words."""
    held = [one.row for one in await visit.issuing.known() if one.row.revoked_at is None]
    keys = Counter(row.team if kind == "team" else row.user for row in held)
    rows = await visit.issuing.groups(kind)

    def sifted() -> list[One]:
        every = (One(row, terms_of(row.terms), keys[row.name]) for row in rows)
        return [
            one
            for one in every
            if words in one.row.name.casefold() or words in one.terms.description.casefold()
        ]

    return await to_thread(sifted)


def _ordered(found: Iterable[One], order: str, month: Mapping[str, Sums]) -> list[One]:
    def place(one: One) -> tuple[int, str]:
        if order == "spend":
            return -month.get(one.row.name, NOTHING).cost_micros, one.row.name
        return -one.keys if order == "keys" else 0, one.row.name

    return sorted(found, key=place)


async def _list(visit: Visit, kind: GroupKind) -> Shown:
    query, csv = split(visit.query, {})
    check_names(query, (*FILTERS, "new"))
    if query.get("new"):
        return _new(visit, kind, {})
    order = one_of("sort", query.get("sort", "name"), SORTS)
    month: Mapping[str, Sums] = {}
    if csv or order == "spend":  # else what the others spent is not even read
        month = await of_month(visit.gateway.store.reports, kind, now=visit.now)
    found = _ordered(await _found(visit, kind, query.get("q", "").casefold()), order, month)
    if csv:
        return in_csv(await to_thread(_table, found, month), f"{kind}s")
    names = [one.row.name for one in found]
    begin = names.index(query["after"]) + 1 if query.get("after") in names else 0
    page = await _filled(visit, kind, found[begin : begin + SHOWN])
    return View(
        "groups.html",
        {
            "path": RAIL,
            "kind": kind,
            "lines": page,
            "count": len(found),
            "filters": query,
            "sorts": SORTS,
            "after": page[-1].row.name if begin + SHOWN < len(found) else "",
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
    spent = (await spending(store.reports, kind, now=visit.now, among=(row.name,))).of(row.name)
    rows = [one for one in await store.budgets.rows() if one.scope == kind]
    entries = await store.audit.rows(limit=AUDITED, about=(f"{kind}.", row.name))
    held = [
        one
        for one in await visit.issuing.known()
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


async def _filled(visit: Visit, kind: GroupKind, found: Sequence[One]) -> list[Line]:
    """Return those of one page with what they spent and how their budgets stand."""
    names = [one.row.name for one in found]
    own = await caps.of_each(visit, kind, names)
    spent = await spending(visit.gateway.store.reports, kind, now=visit.now, among=names)

    def filled(one: One) -> Line:
        name = one.row.name
        return Line(
            one.row,
            one.terms,
            spent.of(name),
            one.keys,
            address(kind, name),
            limits(one.terms.limits),
            cap=caps.worst(own[name]),
            caps=len(own[name]),
        )

    return [filled(one) for one in found]


def _table(found: Sequence[One], month: Mapping[str, Sums]) -> str:
    rows = ["name,description,keys,created_at,month_requests,month_tokens,month_cost_usd,limits"]
    for one in found:
        sums = month.get(one.row.name, NOTHING)
        values = (one.row.name, one.terms.description, one.keys, iso(one.row.created_at))
        told = (sums.requests, sums.tokens, usd(sums.cost), limits(one.terms.limits))
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
        Page(f"{every}/{{name:path}}", shows(one)),
        Action(every, acts(_create)),
        Action(f"{every}/{{name:path}}/budgets", acts(_put_budget)),
        Action(f"{every}/{{name:path}}/budgets/remove", acts(_remove_budget)),
        Action(f"{every}/{{name:path}}/remove", acts(_remove)),
        Action(f"{every}/{{name:path}}", acts(_change)),  # the last: a path takes slashes
    )


PAGES = (*_of("team"), *_of("user"))
