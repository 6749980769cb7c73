"""The letter as it is sent: HTML for mail programs, plain text, both in one message, and CSV.

The HTML is one file that asks for nothing: no script, no image, no address. Mail programs are old browsers,
each in its own way, so it is made of tables with attributes and ``style`` of their own elements. Bars are
cells with a background, and neither SVG nor an image: Gmail and Outlook show no SVG at all, an image as
``data:`` is not shown by either, one that is attached only after its reader has allowed it, and then has no
words for who cannot see it. A cell is shown everywhere, and printed. One sheet of style hides columns where
there is no room; a program that drops it shows them all.

Whatever clients and operators have named is escaped, in every form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined

from dragoman.accounts.budgets import Standing
from dragoman.accounts.explored import Explored, Group, change
from dragoman.accounts.figures import cell, figures, iso
from dragoman.accounts.letter import Letter
from dragoman.core.extras import Json
from dragoman.server.charts import COLOURS, OTHERS, colour, sparkline
from dragoman.server.dashboard import words
from dragoman.store.reports import Interval, Sums

LABELS: Mapping[Interval, str] = MappingProxyType(
    {"hour": "%d %b %H:%M", "day": "%a %d %b", "week": "%d %b", "month": "%b %Y"}
)
"""How a stretch is called."""

LARGEST = 100_000
"""Bytes of HTML: Gmail hides what is beyond the first 102 KB of a message."""

MOST, TITLED = 20, 40
"""Budgets and alerts that are told one by one, and characters of a name in the words of a piece of a bar."""

Piece = tuple[str, str, float]
"""A piece of a bar: its colour, its words, and its width in percent."""


def title_of(letter: Letter) -> str:
    """Return what a letter is called: its days and what they cost."""
    first, last = (datetime.fromtimestamp(at, UTC) for at in (letter.since, letter.until - 1))
    begin = f"{first:%d %b}" if first.year == last.year else f"{first:%d %b %Y}"
    days = f"{last:%d %b %Y}" if first.date() == last.date() else f"{begin} to {last:%d %b %Y}"
    whose = "".join(f", {name} {value or 'none'}" for name, value in letter.filters.items())
    return f"Dragoman, {days}{_flat(whose)}"


def in_html(letter: Letter) -> str:
    """Return a letter as one HTML file; where it would be too large, without the words of bars' pieces."""
    template, facts = _environment(autoescape=True).get_template("letter.html"), _facts(letter)
    html = template.render(facts, titled=True)
    return html if len(html.encode()) <= LARGEST else template.render(facts, titled=False)


def in_text(letter: Letter) -> str:
    """Return a letter as plain text, 72 columns wide."""
    return _environment(autoescape=False).get_template("letter.txt").render(_facts(letter))


def in_mail(letter: Letter) -> bytes:
    """Return a letter as a message with both, to be addressed and sent: nothing is sent here."""
    html = in_html(letter)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = f"{title_of(letter)}: {words.money(letter.models.total.sums.cost)}"
    message["X-Unsent"] = "1"  # mail programs open it as a draft
    message.set_content(in_text(letter), cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{hashlib.sha256(html.encode()).hexdigest()[:32]}")
    return message.as_bytes()


def in_csv(letter: Letter) -> str:
    """Return a letter's figures as CSV: one table, of which ``section`` says what a row is of."""
    rows = list(_rows(letter))
    names = list(dict.fromkeys(name for *_, told in rows for name in told))
    lines = [",".join(("section", "name", "begins_at", *names))]
    for section, name, at, told in rows:
        begins = None if at is None else iso(at)
        lines.append(
            ",".join((cell(section), cell(name), cell(begins), *(cell(told.get(one)) for one in names)))
        )
    return "\r\n".join([*lines, ""])


def _rows(letter: Letter) -> Iterator[tuple[str, str | None, float | None, dict[str, Json]]]:
    """Yield the rows of a letter: section, name, beginning, figures."""
    models = letter.models
    total, before = models.total, models.previous
    yield "total", None, letter.since, figures(total.sums, total.spread)
    if before is not None:
        yield "before", None, before.since, figures(before.sums)
    for point in total.points:
        yield "total by time", None, point.at, figures(point.sums, point.spread)
    for section, report in (("model", models), ("team", letter.teams), ("key", letter.keys)):
        for group in _all(report) if report is not None else ():
            yield section, _name(group), letter.since, figures(group.sums, group.spread)
            for point in group.points:
                yield f"{section} by time", _name(group), point.at, figures(point.sums)
    for kind, failed in models.errors:
        yield "error", _flat(kind) or "without a kind", letter.since, {"requests": failed}
    for how, what, requests in letter.lost.words if letter.lost is not None else ():
        yield "loss", _flat(f"{how} {what}"), letter.since, {"requests": requests}
    for one in letter.rated:
        yield "rating", _flat(one.model), None, {"ratings": one.ratings, "rating": round(one.mean, 4)}
    for standing in letter.budgets:
        told: dict[str, Json] = {
            "cost_usd": standing.window.spent_micros / 1_000_000,
            "cap_usd": standing.budget.cap_micros / 1_000_000,
        }
        yield (
            "budget",
            _flat(_budget(standing.budget.name, standing.window.subject)),
            standing.window.at,
            told,
        )


def _facts(letter: Letter) -> dict[str, object]:
    """Return what the templates use."""
    models = letter.models
    total, previous = models.total.sums, models.previous
    budgets = [
        (_budget(one.budget.name, one.window.subject), one, min(100.0, _used(one))) for one in letter.budgets
    ]
    budgets.sort(key=lambda one: -one[2])
    assert models.asked.interval is not None or not models.total.points
    colours = {_name(group): colour(place) for place, group in enumerate(models.groups)}
    return {
        "letter": letter,
        "title": title_of(letter),
        "total": total,
        "spread": models.total.spread,
        "before": previous.sums if previous is not None else None,
        "tiles": _tiles(models.total, previous.sums if previous is not None else None),
        "legend": [(tint, name) for name, tint in colours.items()]
        + ([(COLOURS[-1], OTHERS)] if models.other else []),
        "bars": list(_bars(models)),
        "spark": sparkline([point.sums.cost for point in models.total.points], width=60),
        "tables": [
            (head, list(_lines(report)))
            for head, report in (("Model", models), ("Team", letter.teams), ("Key", letter.keys))
            if report is not None and report.groups
        ],
        "losses": letter.lost.words if letter.lost is not None else (),
        "budgets": budgets[:MOST],
        "more_budgets": max(0, len(budgets) - MOST),
        "alerts": [(_budget(row.budget, row.subject), row) for row in letter.alerts[:MOST]],
        "more_alerts": max(0, len(letter.alerts) - MOST),
        "interval": models.asked.interval,
    }


def _tiles(now: Group, before: Sums | None) -> list[tuple[str, str, str]]:
    """Return the figures on top: what, how much, and how that has changed."""
    sums, spread = now.sums, now.spread

    def tile(name: str, shown: str, of: Callable[[Sums], float | None]) -> tuple[str, str, str]:
        return name, shown, _grown(of(sums), None if before is None else of(before))

    p50, p95 = (None if spread is None else spread.latency_ms(share) for share in (0.5, 0.95))
    return [
        tile("Spend", words.money(sums.cost), lambda one: one.cost),
        tile("Requests", words.count(sums.requests), lambda one: one.requests),
        tile("Errors", words.count(sums.failed), lambda one: one.failed),
        tile("Tokens", words.short(sums.tokens), lambda one: one.tokens),
        tile("Saved by recordings", words.money(sums.saved_micros), lambda one: one.saved_micros),
        ("Latency, p50 / p95", f"{words.duration(p50)} / {words.duration(p95)}", ""),
    ]


def _bars(models: Explored) -> Iterator[tuple[str, str, list[Piece]]]:
    """Yield a bar for each stretch: its label, what it cost, and its pieces; the longest is 100 wide."""
    groups = list(_all(models))
    tints = [*(colour(place) for place in range(len(models.groups))), COLOURS[-1]]
    top = max((point.sums.cost_micros for point in models.total.points), default=0)
    for place, point in enumerate(models.total.points):
        label = datetime.fromtimestamp(point.at, UTC).strftime(LABELS[models.asked.interval or "day"])
        pieces: list[Piece] = []
        for tint, group in zip(tints, groups, strict=False):
            cost = group.points[place].sums.cost_micros if group.points else 0
            if cost > 0:
                pieces.append((tint, f"{_cut(_name(group), TITLED)}: {words.money(cost)}", _share(cost, top)))
        yield label, words.money(point.sums.cost), pieces


def _lines(report: Explored) -> Iterator[tuple[str, Group, str]]:
    """Yield the groups of a table, with how their cost has changed."""
    for group in _all(report):
        yield _name(group), group, _grown(group.sums.cost, group.before.cost if group.before else None)


def _grown(now: float | None, before: float | None) -> str:
    """Return by how much a figure grew; "": nobody knows, or there is nothing to compare it with."""
    if before == 0 and now:
        return "new"
    grown = change(now, before)
    return "" if grown is None else f"{grown:+.0%}".replace("-0%", "0%").replace("+0%", "0%")


def _all(report: Explored) -> Sequence[Group]:
    return [*report.groups, *([report.other] if report.other is not None else [])]


def _name(group: Group) -> str:
    if group.name is None:
        return OTHERS
    return _flat(group.name) or "none"


def _budget(name: str, subject: str) -> str:
    return f"{name}, {subject}" if subject else name


def _used(one: Standing) -> float:
    """Return by how many percent a budget is used up."""
    return _share(one.window.spent_micros, one.budget.cap_micros)


def _share(part: int, whole: int) -> float:
    return part / whole * 100 if whole > 0 else 0.0


def _cut(text: str, most: int) -> str:
    """Return a text in `most` characters; what is too much is taken from its middle, and that is seen.

    Names of models differ at their ends: one without its last letters is another model's.
    """
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}~{text[len(text) - (most - 1 - head) :]}"


def _flat(text: str) -> str:
    """Return a name on one line, of letters that can be shown."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _environment(*, autoescape: bool) -> Environment:
    found = Environment(
        loader=PackageLoader("dragoman.server", "web/letter"),
        autoescape=autoescape,  # noqa: S701  plain text has nothing to escape
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "money": words.money,
        "count": words.count,
        "short": words.short,
        "duration": words.duration,
        "percent": words.percent,
        "instant": words.instant,
        "flat": _flat,
        "left": lambda text, width: f"{_cut(text, width):<{width}}",
        "right": lambda text, width: f"{text:>{width}}",
    }
    return found
