"""Every figure of the dashboard is the ledger's own sum: pages read in the browser, rows added up one by one.

What is expected is reckoned here from the rows of the demo's month, in plain Python
(``tests/accounts/rows``), and put into words by the page's own words. No report of the product is asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page
from tests.accounts.rows import grouped, meant, spread, stretched, sums, value
from tests.pages.browser import Browser
from tests.pages.dashboard import AT, Office, signed_in

from dragoman.server.dashboard import words
from dragoman.server.dashboard.measures import DRAWN, grown
from dragoman.server.dashboard.usage import NAMELESS
from dragoman.store import AttemptRow, ExchangeRow
from dragoman.store.cover import DAY, HOUR, beginning
from dragoman.store.reports import Part, Sums

TODAY, THIS_HOUR = beginning(int(AT), "day"), beginning(int(AT), "hour")
SINCE = {"day": THIS_HOUR - 23 * HOUR, "week": TODAY - 6 * DAY, "month": TODAY - 29 * DAY}
BACK = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY}
FAILED = ("failed", "interrupted")

TABLE = r"""(caption) => {
  const text = (cell) => {
    const found = [], walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const words = walker.currentNode.textContent.replace(/\s+/g, " ").trim();
      if (words && !walker.currentNode.parentElement.closest("svg, progress")) found.push(words);
    }
    return found.join(" ");
  };
  const called = (one) => one.caption.textContent.startsWith(caption);
  const table = [...document.querySelectorAll("table")].find(called);
  return table && [...table.querySelectorAll("tbody tr, tfoot tr")].map((row) => [...row.cells].map(text));
}"""
"""The cells of a table as they are read, without drawings."""

STATS = r"""() => [...document.querySelectorAll(".stat")].map((one) =>
  [...one.querySelectorAll("h2, h3, .label, .figure, .hint")]
    .map((part) => part.textContent.replace(/\s+/g, " ").trim()).join(" | "))"""
"""What the tiles of figures say: name, figure, what stands beneath."""


class Ledger:
    """The rows of the month, and their attempts."""

    def __init__(self, office: Office) -> None:
        self.rows = [row for row in office.rows() if row.state != "reserved"]
        self.attempts: dict[str, list[AttemptRow]] = {row.id: office.attempts(row) for row in self.rows}

    def of(self, since: float | None = None, until: float | None = None, **wanted: str) -> list[ExchangeRow]:
        """Return the rows of a time, and of those who are meant."""
        return meant(self.rows, Part(since, until, **wanted))


@pytest.fixture(scope="module")
def ledger(office: Office) -> Ledger:
    """Return the rows there are."""
    return Ledger(office)


@pytest.fixture(scope="module")
def page(browser: Browser, office: Office) -> Iterator[Page]:
    """Return one page for all tests: they look, and change nothing."""
    with signed_in(browser, office) as visited:
        yield visited


def opened(page: Page, office: Office, path: str, **query: str) -> None:
    """Open a page of the dashboard."""
    answer = page.goto(office.url + path + (f"?{urlencode(query)}" if query else ""))
    assert answer is not None
    assert answer.status == 200, path


def table(page: Page, caption: str) -> list[list[str]]:
    """Return the rows of the table that is called so."""
    found: list[list[str]] | None = page.evaluate(TABLE, caption)
    assert found is not None, caption
    return found


def stats(page: Page) -> list[str]:
    """Return the figures that stand large, each with what stands beneath."""
    found: list[str] = page.evaluate(STATS)
    return found


def cost(of: Sums) -> str:
    """Return a cost as pages tell it: what of it nobody knows is marked."""
    known = words.money(of.cost)
    return f"{known} + ?" if of.unknown_cost and of.cost is not None else known


def pair(half: float | None, most: float | None) -> str:
    """Return two percentiles as pages tell them."""
    return words.NONE if half is None else f"{words.duration(half)} / {words.duration(most)}"


def counted(of: int, word: str) -> str:
    """Return so many of something."""
    return f"{words.count(of)} {word}{'' if of == 1 else 's'}"


def test_spending_is_of_the_calendar(page: Page, office: Office, ledger: Ledger) -> None:
    """Today, this week and this month cost what their rows did, beside the same time of the ones before."""
    opened(page, office, "/admin")
    told = stats(page)
    for place, (every, title, than) in enumerate(
        (
            ("day", "Today", "yesterday by now"),
            ("week", "This week", "last week by now"),
            ("month", "This month", "last month by now"),
        )
    ):
        since = beginning(int(AT), every)  # type: ignore[arg-type]
        then = beginning(since - 1, every)  # type: ignore[arg-type]
        now = sums(ledger.of(since))
        before = sums(ledger.of(then, min(since, then + AT - since)))
        under = (
            f"{grown(now.cost, before.cost)} to {than}" if before.cost else counted(now.requests, "request")
        )
        assert told[place].startswith(f"{title} | {cost(now)} | {under}")


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_the_course_is_of_its_rows(page: Page, office: Office, ledger: Ledger, period: str) -> None:
    """Requests, errors, first token and cache of a time are its rows', and so are its keys and models."""
    opened(page, office, "/admin", period=period)
    rows = ledger.of(SINCE[period])
    all_, wide = sums(rows), spread(rows)
    assert [one.split(" | ")[1:] for one in stats(page)[-5:]] == [
        [words.count(all_.requests), f"{words.count(all_.cancelled)} cancelled"],
        [words.percent(all_.failed / all_.requests), f"{words.count(all_.failed)} failed"],
        [words.duration(wide.first_event_ms(0.5)), "median"],
        [words.duration(wide.first_event_ms(0.95)), "1 in 20 slower"],
        [words.percent(all_.cached / all_.requests), f"{words.money(all_.saved_micros)} saved"],
    ]
    for by in ("key", "model"):
        found = {name or f"no {by}": sums(some) for name, some in grouped(rows, by).items()}
        top = page.locator(f"section[aria-labelledby=top-{by}]")
        told = [
            (row.get_by_role("rowheader").inner_text(), row.get_by_role("cell").last.inner_text())
            for row in top.get_by_role("row").all()[1:]
        ]
        assert [cost(found[name]) for name, _ in told] == [words_ for _, words_ in told]
        dearest = sorted((one.cost_micros for one in found.values()), reverse=True)
        assert [found[name].cost_micros for name, _ in told] == dearest[: len(told)]


def calls(ledger: Ledger, provider: str) -> list[AttemptRow]:
    """Return the calls of a provider in the hours that are told."""
    return [
        one
        for row in ledger.rows
        for one in ledger.attempts[row.id]
        if one.provider == provider and one.opened_at >= SINCE["day"] and row.task != "count"
    ]


def test_providers_are_told_by_their_calls(page: Page, office: Office, ledger: Ledger) -> None:
    """Each provider's calls and failures are its attempts', on its page and on the overview."""
    opened(page, office, "/admin/providers")
    seen = 0
    for name, *_, called, failed, _half, _most, _models in table(page, "Providers"):
        own = calls(ledger, re.search(r"(\S+) ·", name)[1])  # type: ignore[index]
        bad = [one for one in own if one.state in FAILED]
        seen += len(own)
        if not own:
            assert (called, failed) == (words.NONE, words.NONE)
            continue
        kinds = Counter(one.failure or "unknown" for one in bad)
        first = f"{words.count(len(bad))} · {words.percent(len(bad) / len(own))}"
        assert called == words.count(len(own))
        assert failed.split(" , ")[0].split(" ", 4)[:4] == (
            [*first.split(" "), next(iter(kinds))][:4] if bad else ["0"]
        )
    assert seen == sum(one.opened_at >= SINCE["day"] for some in ledger.attempts.values() for one in some)
    opened(page, office, "/admin")
    for name, _, _, called, failed, _ in table(page, "How providers did"):
        own = calls(ledger, name)
        assert called == words.short(len(own))
        assert failed == words.percent(sum(one.state in FAILED for one in own) / len(own))


USAGE: tuple[dict[str, str], ...] = (
    {},
    {"period": "day", "group_by": "provider"},
    {"period": "week", "group_by": "key", "compare": "previous"},
    {"period": "all", "group_by": "team"},
    {"group_by": "user", "interval": "week"},
    {"group_by": "route", "state": "settled"},
    {"group_by": "state", "key": "support-bot"},
    {"group_by": "failure", "interval": "month", "top": "50"},
    {"group_by": "dialect", "provider": "openai", "model": "gpt-5.4-mini"},
    {"group_by": "model", "team": "search", "from": "2026-11-02", "to": "2026-11-09"},
    {"group_by": "none", "failure": "-", "user": "night-operator"},
)
DIMENSIONS = ("key", "team", "user", "model", "provider", "route", "state", "failure", "dialect")
FORMS = {"hour": "%a %-d %b, %H:%M", "day": "%a %-d %b %Y", "week": "week of %-d %b %Y", "month": "%B %Y"}


def span(query: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Return the time that a query of the explorer means."""
    if "from" in query:
        ends = [
            datetime.fromisoformat(query[name]).replace(tzinfo=UTC).timestamp() for name in ("from", "to")
        ]
        return ends[0], ends[1] + DAY  # the last day is one of them
    period = query.get("period", "month")
    return (None if period == "all" else (AT - BACK[period]) // HOUR * HOUR), None


def filters(query: Mapping[str, str]) -> dict[str, str]:
    """Return whom a query means."""
    return {name: "" if text == "-" else text for name, text in query.items() if name in DIMENSIONS}


@pytest.mark.parametrize("query", USAGE, ids=lambda query: urlencode(query) or "default")
def test_usage_is_the_sum_of_its_rows(
    page: Page, office: Office, ledger: Ledger, query: dict[str, str]
) -> None:
    """The explorer's measures, groups, total, course and errors are those of the rows that are meant."""
    opened(page, office, "/admin/usage", **query)
    since, until = span(query)
    rows = ledger.of(since, until, **filters(query))
    before = None
    if "compare" in query and since is not None:
        before = ledger.of(since - (AT - since), since, **filters(query))
    measures_match(page, rows, before)
    groups_match(page, rows, before, query)
    course_matches(page, rows, query)
    kinds = Counter(row.failure or "ended with its process" for row in rows if row.state in FAILED)
    if kinds:
        told = [
            (kind, number) for kind, _, number in table(page, "Kinds of failure") if kind != "other kinds"
        ]
        assert dict(told) == {kind: words.count(kinds[kind]) for kind, _ in told}
        assert [kinds[kind] for kind, _ in told] == sorted(kinds.values(), reverse=True)[: len(told)]


def measures_match(page: Page, rows: list[ExchangeRow], before: list[ExchangeRow] | None) -> None:
    """Hold the row of measures against rows."""
    all_, wide = sums(rows), spread(rows)
    told = [one.split(" | ") for one in stats(page)]
    assert [figure for _, figure, _ in told] == [
        words.money(all_.cost),
        words.count(all_.requests),
        words.short(all_.tokens),
        words.count(all_.failed),
        words.duration(wide.first_event_ms(0.95)),
        words.duration(wide.latency_ms(0.95)),
        words.money(all_.saved_micros),
    ]
    under = [hint for _, _, hint in told]
    if before is None:
        known = f"{words.short(all_.unknown_cost)} unknown" if all_.unknown_cost else "all of it known"
        assert under == [
            known,
            f"{words.short(all_.streamed)} streamed",
            f"{words.short(all_.input)} in, {words.short(all_.output)} out",
            f"{words.percent(all_.failed / all_.requests)} of requests",
            f"median {words.duration(wide.first_event_ms(0.5))}",
            f"median {words.duration(wide.latency_ms(0.5))}",
            f"{words.short(all_.cached)} recalled",
        ]
    else:
        was = sums(before)
        assert under[0] == f"{grown(all_.cost, was.cost)}, was {words.money(was.cost)}"
        assert under[1] == f"{grown(all_.requests, was.requests)}, was {words.count(was.requests)}"


def groups_match(
    page: Page, rows: list[ExchangeRow], before: list[ExchangeRow] | None, query: Mapping[str, str]
) -> None:
    """Hold the table of groups against rows: each group, the others together, and the total."""
    by = query.get("group_by", "model")
    *groups, total = table(page, f"By {by}" if by != "none" else "All together: what")
    assert total == ["Total", *cells(rows, before, rows)]
    if by == "none":
        return
    was = grouped(before, by) if before is not None else {}
    known: dict[str, list[ExchangeRow]] = {**{name: [] for name in was}, **grouped(rows, by)}
    names = {name or NAMELESS[by]: name for name in known}  # type: ignore[index]
    rest = set(known)
    for name, *told in groups:
        if name.endswith(" others"):
            some = [row for row in rows if value(row, by) in rest]
            earlier = None
            if before is not None:
                earlier = [row for row in before if value(row, by) not in set(known) - rest]
            assert name == f"{len(rest)} others"
        else:
            some = known[names[name]]
            earlier = None if before is None else was.get(names[name], [])
            rest.discard(names[name])
        assert told == cells(some, earlier, rows), name
    most = int(query.get("top", DRAWN))
    assert len(groups) == min(len(known), most + 1)
    costs = sorted((sums(some).cost_micros for some in known.values()), reverse=True)
    assert [sums(known[names[name]]).cost_micros for name, *_ in groups[:most]] == costs[:most]


def cells(rows: list[ExchangeRow], before: list[ExchangeRow] | None, every: list[ExchangeRow]) -> list[str]:
    """Return what a line of the explorer tells of rows."""
    own, wide, all_ = sums(rows), spread(rows), sums(every)
    was = None if before is None else sums(before)

    def changed(figure: Callable[[Sums], float | None]) -> str:
        return "" if was is None else f" {grown(figure(own), figure(was))}"

    share = own.cost / all_.cost if own.cost is not None and all_.cost else None
    if rows is every:
        share = 1.0 if all_.requests else None
    return [
        cost(own) + changed(lambda of: of.cost),
        words.percent(share),
        words.count(own.requests) + changed(lambda of: of.requests),
        words.count(own.failed) + changed(lambda of: of.failed),
        words.short(own.input) + changed(lambda of: of.input),
        words.short(own.cache_read),
        words.short(own.output) + changed(lambda of: of.output),
        pair(wide.first_event_ms(0.5), wide.first_event_ms(0.95)),
        pair(wide.latency_ms(0.5), wide.latency_ms(0.95)),
        words.money(own.saved_micros),
    ]


def course_matches(page: Page, rows: list[ExchangeRow], query: Mapping[str, str]) -> None:
    """Hold the table of the course against rows: every stretch that has any, and nothing in the others."""
    every: Any = query.get("interval", "hour" if query.get("period") == "day" else "day")
    known = {
        datetime.fromtimestamp(at, UTC).strftime(FORMS[every]): sums(some)
        for at, some in stretched(rows, every).items()
    }
    told = table(page, "All together, each")
    assert set(known) <= {begins for begins, *_ in told}
    for begins, *figures in told:
        own = known.get(begins, Sums())
        assert figures == [
            cost(own),
            words.count(own.requests),
            words.short(own.tokens),
            words.count(own.failed),
            words.money(own.saved_micros),
        ]


def test_losses_are_counted_in_requests(page: Page, office: Office, ledger: Ledger) -> None:
    """What was lost most often stands with in how many requests it was."""
    opened(page, office, "/admin/usage", period="week")
    rows = ledger.of((AT - BACK["week"]) // HOUR * HOUR)
    lost = Counter(word for row in rows for word in {re.sub(r"\[\d+\]", "[]", word) for word in row.losses})
    told = table(page, "What crossings")
    known = {word.replace(":", " ", 1): words.count(number) for word, number in lost.items()}
    assert told == [[what, known[what]] for what, _ in told]
    assert [number for _, number in told] == [
        words.count(number) for _, number in lost.most_common(len(told))
    ]
    heading = page.locator("section[aria-labelledby=lost] header a").inner_text()
    assert heading == counted(sum(bool(row.losses) for row in rows), "request")


@pytest.mark.parametrize("by", ["key", "team", "user"])
def test_who_spent_what(page: Page, office: Office, ledger: Ledger, by: str) -> None:
    """Lists of keys, teams and users tell what each spent this month; a page of one has its days."""
    opened(page, office, f"/admin/{by}s", **({"status": "all"} if by == "key" else {}))
    month = beginning(int(AT), "month")
    told = {row[0].split(" ")[0]: row for row in table(page, f"{by.capitalize()}s")}
    known = {name: sums(rows) for name, rows in grouped(ledger.of(month), by).items() if name}
    assert set(known) <= set(told)
    for name, row in told.items():
        assert row[4 if by == "key" else 2] == words.money(known.get(name, Sums()).cost), name
    for name in sorted(known)[:2]:
        opened(page, office, f"/admin/{by}s/{name}")
        own = known[name]
        spent, tokens, *_ = stats(page)
        assert spent == f"Spend this month | {words.money(own.cost)} | {words.count(own.requests)} requests"
        assert tokens == f"Tokens this month | {words.short(own.tokens)} | {words.count(own.failed)} errors"
        days = stretched(ledger.of(SINCE["month"], None, **{by: name}), "day")
        assert table(page, "Spend and requests day by day") == [
            [
                datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d"),
                words.money(day.cost),
                words.count(day.requests),
                words.count(day.tokens),
                words.count(day.failed),
            ]
            for at, day in ((at, sums(days[at])) for at in sorted(days, reverse=True))
        ]


def test_budgets_have_spent_what_their_rows_cost(page: Page, office: Office, ledger: Ledger) -> None:
    """Each budget's window has spent what the requests cost that it is about; what is left is the rest."""
    opened(page, office, "/admin/budgets")
    kept = {row.name: row for row in office.there.run(office.there.gate.gateway.store.budgets.rows())}
    told = {row[0].removesuffix(" config"): row for row in table(page, "Budgets")}
    assert set(told) == set(kept)
    for name, row in kept.items():
        if row.subject == "*":
            continue  # each of its own: the next test's
        since = 0 if row.period == "total" else beginning(int(AT), row.period)
        spent = sum(one.meters.cost_micros or 0 for one in ledger.of(since) if about(ledger, one, row))
        left = max(0, row.cap_micros - spent)
        _, _, figure, state, rest, cap, *_ = told[name]
        assert figure == f"{words.money(spent)} {words.percent(spent / row.cap_micros)}"
        assert state == (
            "used up" if not left else "nearly used up" if spent >= row.cap_micros * 0.8 else "fine"
        )
        assert rest == words.money(left)
        assert cap.startswith(words.money(row.cap_micros))


def test_each_has_spent_what_its_own_rows_cost(page: Page, office: Office, ledger: Ledger) -> None:
    """Of a budget for each, list, its page and the page of each say the same, also before anybody asked."""
    rows = office.there.run(office.there.gate.gateway.store.budgets.rows())
    [row] = [one for one in rows if one.subject == "*"]
    assert row.scope == "user"
    assert row.period == "day"
    month = {name for name in grouped(ledger.rows, "user") if name}
    today = grouped(ledger.of(TODAY), "user")
    spent = {name: sums(today.get(name, [])).cost_micros for name in month}
    assert len([name for name in spent if spent[name]]) > 1
    assert any(not micros for micros in spent.values())
    opened(page, office, f"/admin/budgets/{row.name}")
    told = {whom.removeprefix("user "): rest for whom, *rest in table(page, "The windows")}
    assert set(told) >= month
    for name, (figure, _, held, left, _) in told.items():
        own = spent.get(name, 0)
        assert figure == f"{words.money(own)} of {words.money(row.cap_micros)}", name
        assert (held, left) == (words.money(0), words.money(max(0, row.cap_micros - own))), name
    most = max(spent.values())
    assert spent[next(iter(told))] == most
    opened(page, office, "/admin/budgets")
    [(_, whom, figure, *_)] = [line for line in table(page, "Budgets") if line[0].startswith(row.name)]
    assert whom.startswith(f"each of {words.count(len(told))} users most by ")
    assert spent[whom.rpartition(" ")[2]] == most
    assert figure == f"{words.money(most)} {words.percent(most / row.cap_micros)}"
    opened(page, office, "/admin/users")
    budgets_of = {line[0].split(" ")[0]: line for line in table(page, "Users")}
    for name in month:
        assert f"{words.money(spent[name])} of {words.money(row.cap_micros)} a day" in budgets_of[name], name


def about(ledger: Ledger, row: ExchangeRow, budget: Any) -> bool:
    """Say whether a budget is about a request."""
    if budget.scope == "all":
        return True
    if budget.scope != "model":
        return bool(getattr(row, budget.scope) == budget.subject)
    names = {f"{one.provider}/{one.model}" for one in ledger.attempts[row.id]}
    names |= {one.model for one in ledger.attempts[row.id]}
    return budget.subject in {row.model, *names}


def test_alerts_are_those_that_were_told(page: Page, office: Office) -> None:
    """The page has every alert of the store, with what was spent then."""
    opened(page, office, "/admin/alerts")
    rows = office.there.run(office.there.gate.gateway.store.budgets.alerts(limit=1000))
    assert len(rows) > 5
    assert [(budget, *figures) for _, budget, _, *figures, _ in table(page, "Alerts")] == [
        (row.budget, f"{row.percent} %", words.money(row.spent_micros), words.money(row.cap_micros))
        for row in rows
    ]


def test_models_are_told_by_their_rows(page: Page, office: Office, ledger: Ledger) -> None:
    """A model's requests and cost of 30 days are those it answered; a route's those that took it."""
    rows = ledger.of(AT - BACK["month"])
    opened(page, office, "/admin/models", can="all")
    catalogue = office.there.gate.gateway.services.live().catalog.models
    seen = Counter[str]()
    for title, _, _, _, requests, spent, first, _ in table(page, "Models"):
        name, kind = title.split(" ")[0], "route" if title.endswith(" route") else "model"
        offers = catalogue[name].offers if name in catalogue else ()
        names = {name, *(offer.name for offer in offers)} if kind == "model" else {name}
        own = [row for row in rows if value(row, kind) in names]
        if requests == "0":
            assert not own
            continue
        wide = spread(own)
        assert (requests, spent) == (words.count(len(own)), cost(sums(own))), name
        assert first == pair(wide.first_event_ms(0.5), wide.first_event_ms(0.95)), name
        seen[kind] += len(own)
    assert seen["route"] == sum(bool(row.route) for row in rows)
    assert seen["model"] == sum(value(row, "model") != "" for row in rows)
    asked = [row for row in rows if row.provider is not None]
    assert not {value(row, "model") for row in asked} & {row.route for row in asked}


def test_ratings_stand_beside_what_was_paid(page: Page, office: Office, ledger: Ledger) -> None:
    """Stars are counted one by one; a request costs what the known costs come to on average."""
    opened(page, office, "/admin/ratings")
    ratings = office.there.run(office.there.gate.gateway.store.ratings.newest(10_000))
    told = {row[0]: row[1:] for row in table(page, "Ratings by model")}
    assert set(told) == {row.model for row in ratings}
    for model, figures in told.items():
        stars = [row.rating for row in ratings if row.model == model]
        own = sums(ledger.of(model=model))
        mean = sum(stars) / len(stars)
        known = own.requests - own.unknown_cost
        each = own.cost_micros / known if known else None
        assert figures == [
            f"{mean:.2f}",
            words.count(len(stars)),
            *(words.count(stars.count(star)) for star in range(1, 6)),
            words.count(own.requests),
            words.money(each),
            words.money(None if each is None else each / mean),
        ]
    assert len(table(page, "The newest ratings")) == min(50, len(ratings))


def _exhausted(row: ExchangeRow) -> bool:
    return row.failure == "exhausted" and row.key == "prototype-lab"


def _this_week(row: ExchangeRow) -> bool:
    return row.provider == "anthropic" and row.opened_at >= AT - 7 * DAY


REQUESTS: tuple[tuple[dict[str, str], Callable[[ExchangeRow], bool]], ...] = (
    ({}, lambda _: True),
    ({"key": "code-review"}, lambda row: row.key == "code-review"),
    ({"state": "failed"}, lambda row: row.state == "failed"),
    ({"provider": "anthropic", "period": "week"}, _this_week),
    ({"failure": "exhausted", "key": "prototype-lab"}, _exhausted),
    ({"cost": "unknown"}, lambda row: row.meters.cost_micros is None),
    ({"cached": "yes"}, lambda row: row.cached),
    ({"lossy": "yes", "dialect": "gemini"}, lambda row: bool(row.losses) and row.dialect == "gemini"),
    ({"sort": "cost"}, lambda _: True),
)


@pytest.mark.parametrize(
    ("query", "is_meant"), REQUESTS, ids=[urlencode(query) or "all" for query, _ in REQUESTS]
)
def test_the_log_has_the_rows_that_are_meant(
    page: Page,
    office: Office,
    ledger: Ledger,
    query: dict[str, str],
    is_meant: Callable[[ExchangeRow], bool],
) -> None:
    """A list tells how many requests meet its filters, as far as it knows, and each row's own figures."""
    opened(page, office, "/admin/requests", **query)
    wanted = [row for row in ledger.rows if is_meant(row)]
    told = table(page, "Requests")
    words_ = page.locator("nav.pager p").inner_text()
    assert len(told) == min(50, len(wanted))
    if found := re.match(r"(?:([\d,]+) of )?([\d,]+) requests?$", words_):
        assert found[2] == words.count(len(wanted)), words_
    ids = page.evaluate("[...document.querySelectorAll('[data-row] th a')].map((one) => one.id.slice(8))")
    known = {row.id: row for row in ledger.rows}
    if "sort" in query:
        dearest = sorted((row.meters.cost_micros or 0 for row in wanted), reverse=True)[:50]
        assert [known[id_].meters.cost_micros for id_ in ids] == dearest
    else:
        assert ids == [row.id for row in wanted[:50]]
    for id_, (_, key, _, state, first, whole, read, written, spent, _) in zip(ids, told, strict=True):
        row = known[id_]
        all_ = sums([row])
        assert (key, state.split(" ")[0]) == (row.key or words.NONE, row.state)
        assert (first, whole) == (words.duration(row.first_event_ms), words.duration(row.latency_ms))
        assert spent == words.money(row.meters.cost_micros)
        if all_.tokens or row.meters.cost_micros is not None:
            assert (read, written.removeprefix("~")) == (words.short(all_.input), words.short(all_.output))


def some(rows: Iterable[ExchangeRow], ledger: Ledger) -> list[ExchangeRow]:
    """Return one request of each kind that is told differently."""
    kinds: tuple[Callable[[ExchangeRow], object], ...] = (
        lambda row: row.meters.cost_micros and row.meters.cache_read and row.state == "settled",
        lambda row: row.meters.reasoning and row.meters.cost_micros,
        lambda row: len(ledger.attempts[row.id]) > 1 and row.meters.cost_micros,
        lambda row: row.meters.cost_micros is None and row.state == "settled",
        lambda row: row.cached,
        lambda row: row.state == "cancelled" and row.meters.cost_micros,
        lambda row: row.failure == "exhausted",
        lambda row: row.state == "interrupted",
    )
    return [next(row for row in rows if kind(row)) for kind in kinds]


def test_a_bill_adds_up_to_what_was_booked(page: Page, office: Office, ledger: Ledger) -> None:
    """A request's lines come to its cost, its attempts' costs are the rows', and its tokens are counted."""
    for row in some(ledger.rows, ledger):
        opened(page, office, f"/admin/requests/{row.id}")
        told = [one.split(" | ") for one in stats(page)]
        own = sums([row])
        assert told[4][1] == words.money(row.meters.cost_micros)
        if own.tokens:
            figures = told[3][1].replace("~", "")
            assert figures == f"{words.count(own.input)} / {words.count(own.output)}"
        attempts = ledger.attempts[row.id]
        if not attempts:
            continue
        costs = [line[5] for line in table(page, "Whom it asked")]
        assert costs == [words.money(one.meters.cost_micros) for one in attempts]
        *lines, booked = table(page, "Its cost, line by line")
        assert booked[-1] == words.exact_money(row.meters.cost_micros)
        amounts = [float(line[-1].strip("$").replace(",", "")) for line in lines if line[-1].startswith("$")]
        assert sum(amounts) * 1_000_000 == pytest.approx(
            row.meters.cost_micros or 0, abs=0.51 * len(attempts)
        )


def test_the_figures_were_something(ledger: Ledger) -> None:
    """The month that is compared has enough of everything: hundreds of requests, failures, unknown costs."""
    all_ = sums(ledger.rows)
    assert all_.requests > 1000
    assert min(all_.failed, all_.cancelled, all_.cached, all_.unknown_cost, all_.lossy) > 3
    assert all_.cost_micros > 1_000_000
