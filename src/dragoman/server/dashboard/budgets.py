"""``/admin/budgets``: what may be spent, what is, and when it begins anew; made, changed and removed."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dragoman.accounts import budgeting, shown
from dragoman.accounts.budgeted import Stands, known, stand
from dragoman.accounts.figures import cell, iso
from dragoman.accounts.reports import check_names, one_of
from dragoman.core.failure import Failure
from dragoman.server.dashboard import caps, typed
from dragoman.server.dashboard.caps import Cap
from dragoman.server.dashboard.visit import Action, Back, Form, Page, Shown, View, Visit
from dragoman.server.tables import in_csv, split
from dragoman.store.budgets import EACH, BudgetRow

SHOWN = 100
"""Windows of one page."""

STATES = ("used up", "nearly used up", "fine")
SORTS = ("used", "name", "cap")

FILTERS = ("q", "scope", "state", "sort", "after")

PREFILLED: tuple[str, ...] = ("scope", "subject")
"""What a link to the form of a new budget may say of it."""

ZONES = (
    "UTC",
    "America/Los_Angeles",
    "America/Denver",
    "America/Chicago",
    "America/New_York",
    "America/Toronto",
    "America/Mexico_City",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Madrid",
    "Europe/Paris",
    "Europe/Berlin",
    "Europe/Rome",
    "Europe/Zurich",
    "Europe/Amsterdam",
    "Europe/Stockholm",
    "Europe/Warsaw",
    "Europe/Athens",
    "Europe/Kyiv",
    "Europe/Istanbul",
    "Africa/Cairo",
    "Africa/Lagos",
    "Africa/Johannesburg",
    "Asia/Jerusalem",
    "Asia/Dubai",
    "Asia/Karachi",
    "Asia/Kolkata",
    "Asia/Bangkok",
    "Asia/Jakarta",
    "Asia/Singapore",
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Tokyo",
    "Asia/Seoul",
    "Australia/Perth",
    "Australia/Sydney",
    "Pacific/Auckland",
)
"""Time zones that are offered; any other may be typed."""

FEW = 20
"""Windows of one budget that need no search."""

NO_QUERY: Mapping[str, str] = MappingProxyType({})

AUDITED, ALERTED = 20, 1000
"""Entries of the audit log that are shown, and alerts that are looked through."""


async def _list(visit: Visit) -> Shown:
    query, csv = split(visit.query, {})
    check_names(query, (*FILTERS, "new", "subject"))
    if query.get("new"):
        chosen = {name: query[name] for name in PREFILLED if name in query}
        return await _new(visit, {"scope": "all", "period": "month", "alerts": "50, 80, 100", **chosen})
    kept = visit.gateway.store.budgets
    rows = await kept.rows()
    stands = await _stands(visit, rows)
    every = [cap for one in stands for cap in caps.windows(one)]
    lines = every if csv else _lines(stands, query)
    found = _ordered(_found(lines, query), one_of("sort", query.get("sort", "used"), SORTS))
    if csv:
        return in_csv(await to_thread(_table, found), "budgets")  # of thousands of keys, each has its own
    begin = _place(found, query.get("after", ""))
    page = found[begin : begin + SHOWN]
    return View(
        "budgets.html",
        {
            "caps": page,
            "count": len(found),
            "budgets": rows,
            "windows": len(every),
            "chosen": bool({"q", "scope", "state"} & query.keys()),
            "states": [(state, sum(cap.state == state for cap in every)) for state in STATES],
            "scopes": caps.SCOPES,
            "sorts": SORTS,
            "filters": query,
            "after": page[-1].mark if page and begin + SHOWN < len(found) else "",
            "begun": begin > 0,
        },
    )


async def _show(visit: Visit) -> Shown:
    row = await budgeting.find(visit.gateway.store.budgets, visit.named())
    query, csv = split(visit.query, {})
    check_names(query, ("q", "after"))
    if csv:
        [stands] = await _stands(visit, [row])
        return in_csv(await to_thread(_table, _about(stands, query)), row.name)
    return await _one(visit, row, query=query)


async def _create(visit: Visit, form: Form) -> Shown:
    """Make a budget; one that is there already is not replaced from here."""
    kept = visit.gateway.store.budgets
    try:
        spec = caps.spec_of(form)
        name = form.get("name", "").strip() or await caps.free_name(
            visit, *_words(spec.scope, spec.subject), spec.period
        )
        typed.check_free(name, [row.name for row in await kept.rows()], "budget")
        await budgeting.put(kept, name, spec, actor=visit.account.name, now=visit.now)
    except Failure as failure:
        return await _new(visit, form, typed.fault_of(failure, caps.FIELDS))
    return Back(caps.page(name), f"The budget {name} is made")


async def _change(visit: Visit, form: Form) -> Shown:
    kept = visit.gateway.store.budgets
    row = await budgeting.find(kept, visit.named())
    try:
        typed.check_seen(form, row)
        spec = caps.spec_of(form)
        await budgeting.put(kept, row.name, spec, actor=visit.account.name, now=visit.now)
    except Failure as failure:
        return await _one(visit, row, form, typed.fault_of(failure, caps.FIELDS))
    return Back(caps.page(row.name), f"The budget {row.name} is changed")


async def _remove(visit: Visit, _: Form) -> Shown:
    name = visit.named()
    kept = visit.gateway.store.budgets
    await budgeting.remove(kept, name, actor=visit.account.name, now=visit.now)
    return Back("/admin/budgets", f"The budget {name} is removed; what was spent stays in the ledger")


async def _new(visit: Visit, form: Form, fault: typed.Fault | None = None) -> View:
    facts = {**await _known(visit), "typed": form, "fault": fault}
    return View("budgets_new.html", facts, fault.status if fault else 200)


async def _one(
    visit: Visit,
    row: BudgetRow,
    form: Form | None = None,
    fault: typed.Fault | None = None,
    *,
    query: Mapping[str, str] = NO_QUERY,
) -> View:
    """Return a budget's page: those of its windows that `query` means, a form, and what was done to it."""
    store = visit.gateway.store
    told = await store.budgets.alerts(limit=ALERTED, budget=row.name)
    entries = await store.audit.rows(limit=AUDITED, about=("budget.", row.name))
    [stands] = await _stands(visit, [row])
    found = _about(stands, query)
    begin = _place(found, query.get("after", ""))
    page = found[begin : begin + SHOWN]
    facts: dict[str, Any] = {
        **await _known(visit),
        "row": row,
        "caps": page,
        "count": len(found),
        "stands": stands,
        "searched": len(stands.windows) > FEW,
        "filters": query,
        "after": page[-1].mark if page and begin + SHOWN < len(found) else "",
        "begun": begin > 0,
        "alerts": told[:AUDITED],
        "entries": [shown.entry(number, one) for number, one in entries],
        "typed": caps.typed_cap(row) if form is None else form,
        "fault": fault,
        "address": caps.page(row.name),
    }
    return View("budgets_one.html", facts, fault.status if fault else 200)


async def _known(visit: Visit) -> dict[str, Any]:
    """Return what forms offer: names, zones, periods."""
    book = visit.gateway.directory.book
    held = [one.row.name for one in await visit.issuing.keys()]
    return {
        "scopes": caps.SCOPES,
        "periods": caps.PERIODS,
        "zones": ZONES,
        "subjects": [
            (EACH, "each has its own"),
            *((name, "key") for name in held[:500]),
            *((name, kind) for kind, name in sorted(book.groups)[:500]),
            *((name, "model") for name in visit.gateway.services.live().table.names()[:500]),
        ],
    }


async def _stands(visit: Visit, rows: Sequence[BudgetRow]) -> list[Stands]:
    """Return how budgets stand, those for each with everybody they hold for."""
    return await stand(visit.gateway.store, rows, visit.now, who=await known(visit.issuing))


def _lines(stands: Sequence[Stands], query: Mapping[str, str]) -> list[Cap]:
    """Return the lines of a list: a budget is one, but where windows are looked for it is each of them."""
    words = query.get("q", "").casefold()
    found = []
    for one in stands:
        if "state" in query or words not in one.budget.name.casefold():
            found += caps.windows(one)
        else:
            found.append(caps.together(one))
    return found


def _found(every: Sequence[Cap], query: Mapping[str, str]) -> list[Cap]:
    words = query.get("q", "").casefold()
    scope, state = query.get("scope"), query.get("state")
    if state is not None:
        one_of("state", state, STATES)
    if scope is not None:
        one_of("scope", scope, [value for value, _ in caps.SCOPES])
    return [
        cap
        for cap in every
        if (words in cap.row.name.casefold() or words in cap.subject.casefold())
        and scope in (None, cap.row.scope)
        and state in (None, cap.state)
    ]


def _about(stands: Stands, query: Mapping[str, str]) -> list[Cap]:
    """Return the windows of one budget, of those whose names have the words that are looked for."""
    words = query.get("q", "").casefold()
    return [cap for cap in caps.windows(stands) if words in cap.subject.casefold()]


def _ordered(found: Sequence[Cap], order: str) -> list[Cap]:
    def place(cap: Cap) -> tuple[float, str, str]:
        first = {"used": -cap.share, "cap": -float(cap.row.cap_micros)}.get(order, 0.0)
        return first, cap.row.name, cap.subject

    return sorted(found, key=place)


def _place(found: Sequence[Cap], after: str) -> int:
    """Return the place after the one a page ended with; 0: it is gone."""
    return next((place + 1 for place, cap in enumerate(found) if cap.mark == after), 0)


def _words(scope: str, subject: str) -> tuple[str, ...]:
    return (scope, "each" if subject == EACH else subject) if subject else ("everything",)


def _table(found: Sequence[Cap]) -> str:
    head = "budget,scope,subject,dollars,period,zone,hard,alerts,origin,spent_usd,held_usd,left_usd,resets_at"
    rows = [
        ",".join(
            cell(value)
            for value in (
                cap.row.name,
                cap.row.scope,
                cap.subject,
                cap.row.cap_micros / 1_000_000,
                cap.row.period,
                cap.row.zone,
                cap.row.hard,
                " ".join(map(str, cap.row.alerts)),
                cap.row.origin,
                cap.spent / 1_000_000,
                cap.held / 1_000_000,
                cap.left / 1_000_000,
                None if cap.ends_at is None else iso(cap.ends_at),
            )
        )
        for cap in found
    ]
    return "\r\n".join([head, *rows, ""])


PAGES = (
    Page("/admin/budgets", _list),
    Page("/admin/budgets/{name:path}", _show),
    Action("/admin/budgets", _create),
    Action("/admin/budgets/{name}", _change),
    Action("/admin/budgets/{name}/remove", _remove),
)
