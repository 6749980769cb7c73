"""The letter as it is sent: the same figures in each form, and nothing that a mail program must not see."""

from __future__ import annotations

import asyncio
import csv
import email
import re
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace
from tests.accounts.test_letter import TODAY, book, row, written

from dragoman.accounts.budgeting import put
from dragoman.accounts.budgets import BudgetSpec, Standing
from dragoman.accounts.groups import Group, Point
from dragoman.accounts.letter import Letter
from dragoman.server.charts import colour
from dragoman.server.letter import in_csv, in_html, in_mail, in_text, title_of
from dragoman.store import Meters, RatingRow
from dragoman.store.budgets import AlertRow, BudgetRow, Window
from dragoman.store.reports import Sums
from dragoman.store.sqlite import SqliteStore

EVIL = "<script>alert('x')</script>\"&\x1b[31m\n=cmd()"
VOID = {"meta", "br", "hr", "img", "link"}


class Page(HTMLParser):
    """A page's elements, and what is written on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """End the one that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember what is written."""
        if data.strip():
            self.words.append(" ".join(data.split()))


def made(folder: Path, *, evil: bool = False, **filters: str) -> Letter:
    """Return a letter of two weeks, with names nobody should have, if they are to be `evil`."""

    async def run() -> Letter:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await book(db)
            if evil:
                named: dict[str, Any] = {"key": EVIL, "team": EVIL, "model": EVIL, "answered_model": EVIL}
                lost: dict[str, Any] = {"losses": (f"dropped:{EVIL}",), "failure": EVIL, "state": "failed"}
                meters = Meters(cost_micros=10**7)
                await db.settle(row("evil", TODAY - 40.0, **named, **lost, meters=meters), [])
                await db.ratings.keep(RatingRow("evil", EVIL, EVIL, 1, EVIL, TODAY - 1.0))
            return await written(db, **filters)
        finally:
            await db.close()

    return asyncio.run(run())


def test_html_has_the_figures(tmp_path: Path) -> None:
    """What was spent and how that changed, by day, model, team and key; errors, savings, losses."""
    page = Page(in_html(made(tmp_path)))
    assert page.open == []
    said = " ".join(page.words)
    for words in ("Spend $0.07 0%", "Requests 16 +14%", "Errors 1 new", "Saved by recordings $0.0007 new"):
        assert words in said
    for words in ("big $0.063", "shop $0.063", "bob $0.063", "anna $0.007", "timeout 1", "dropped seed 1"):
        assert words in said
    assert said.count("$0.01 ") == 7


def test_bars_are_cells_as_wide_as_their_share(tmp_path: Path) -> None:
    """Each day has a cell of its own colour for each model, of nine tenths and one."""
    page = Page(in_html(made(tmp_path)))
    cells = [at for tag, at in page.elements if tag == "td" and at.get("title")]
    assert len(cells) == 14
    assert [(at["title"], at["width"]) for at in cells[:2]] == [
        ("big: $0.009", "90.00%"),
        ("m: $0.001", "10.00%"),
    ]
    assert {at["bgcolor"] for at in cells} == {colour(0), colour(1)}


@pytest.mark.parametrize("evil", [False, True])
def test_html_asks_for_nothing(tmp_path: Path, *, evil: bool) -> None:
    """No script, no image, no address: a mail program has nothing to block, and nobody to tell."""
    text = in_html(made(tmp_path, evil=evil))
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "svg", "link", "iframe", "form", "object", "a", "video"}
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "href", "srcset", "action"}
    assert not re.search(r"url\(|@import|https?:", text)


def test_names_are_text_in_every_form(tmp_path: Path) -> None:
    """Markup is shown as it was written, what moves a terminal or a line is not, and no cell is run."""
    letter = made(tmp_path, evil=True)
    shown = EVIL.replace("\x1b", "\ufffd").replace("\n", "\ufffd")
    html = in_html(letter)
    assert "<script" not in html
    assert shown in Page(html).words
    text = in_text(letter)
    assert "\x1b" not in text
    assert shown[:28] in text
    cells = [cell for line in csv.reader(in_csv(letter).splitlines()) for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    assert "\x1b" not in in_csv(letter) + html


def test_csv_has_the_same_figures(tmp_path: Path) -> None:
    """One table; its totals are the sums of its days, models and keys, and of its models' days."""
    rows = list(csv.DictReader(in_csv(made(tmp_path)).splitlines()))

    def cost(section: str) -> float:
        return round(sum(float(row["cost_usd"]) for row in rows if row["section"] == section), 6)

    sections = ("total", "total by time", "model", "model by time", "team", "key")
    assert {section: cost(section) for section in sections} == dict.fromkeys(sections, 0.07)
    assert cost("before") == 0.07
    assert [(row["name"], row["requests"]) for row in rows if row["section"] in ("error", "loss")] == [
        ("timeout", "1"),
        ("dropped seed", "1"),
    ]


def test_a_message_has_both_forms(tmp_path: Path) -> None:
    """Programs that show no HTML show the text; it is a draft with a subject, and the same each time."""
    letter = made(tmp_path)
    raw = in_mail(letter)
    assert raw == in_mail(letter)
    assert max(map(len, raw.splitlines())) <= 998
    message = email.message_from_bytes(raw, policy=default)
    assert message["subject"] == f"{title_of(letter)}: $0.07"
    assert message["x-unsent"] == "1"
    assert message.get_content_type() == "multipart/alternative"
    plain, html = (cast("EmailMessage", part) for part in message.iter_parts())
    assert plain.get_content().replace("\r\n", "\n").strip() == in_text(letter).strip()
    assert html.get_content().replace("\r\n", "\n").strip() == in_html(letter).strip()


def test_text_fits_a_screen(tmp_path: Path) -> None:
    """It has the same figures, a line for each day, and none that is wider than a terminal."""
    text = in_text(made(tmp_path))
    assert "Spend                                   $0.07       0%" in text
    assert "██" in text
    assert max(map(len, text.splitlines())) <= 72


def test_a_name_that_is_cut_shows_that_it_is(tmp_path: Path) -> None:
    """In text a model is never told by a part of its name that is another model's."""

    async def run() -> str:
        db = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            name = "a-provider-with-a-name/of-a-model-5-5"
            await db.settle(row("a", TODAY - 50.0, model=name, answered_model=name), [])
            spec = BudgetSpec(dollars="5", scope="model", subject=name, period="total")
            await put(db.budgets, "frontier", spec, actor="me", now=TODAY)
            return in_text(await written(db))
        finally:
            await db.close()

    text = asyncio.run(run())
    assert "a-provider-wi~of-a-model-5-5 " in text
    assert "frontier, a-provide~-name/of-a-model-5-5 $0.001 of $5.00" in text
    assert max(map(len, text.splitlines())) <= 72


def crowded(letter: Letter) -> Letter:
    """Return a letter with as much in it as there may be: six weeks of eight models, budgets, alerts."""

    def longer(group: Group, place: int) -> Group:
        sums = Sums(requests=12_345, cost_micros=123_456_789 + place, input=10**9)
        points = tuple(Point(TODAY - (45 - day) * 86_400, sums) for day in range(45))
        return replace(group, name=f"{place}{'&' * 30}{'long-name' * 4}", sums=sums, points=points)

    models = letter.models
    groups = [longer(models.total, place) for place in range(10)]
    told = replace(
        models, groups=groups[:7], other=replace(groups[7], name=None), total=groups[8], previous=None
    )
    budget = BudgetRow(name="b" * 64, scope="key", subject="*", cap_micros=10**9, created_at=0.0)
    window = Window("b" * 64, "k" * 64, 0, 10**8, 0)
    return replace(
        letter,
        models=told,
        teams=replace(told, groups=groups),
        keys=replace(told, groups=groups),
        budgets=(Standing(budget, window, None),) * 100,
        alerts=(AlertRow("b" * 64, "k" * 64, 0, 80, 10**8, 10**9, TODAY - 5.0),) * 400,
    )


def test_no_mail_program_cuts_it(tmp_path: Path) -> None:
    """Gmail hides what is beyond 102 KB: what there may be any number of is told as far as fits."""
    letter = crowded(made(tmp_path))
    html = in_html(letter)
    assert len(html.encode()) < 100_000
    words = Page(html).words
    assert "And 80 more." in words
    assert "And 380 more." in words
    text = in_text(letter)
    assert ("And 80 more." in text, "And 380 more." in text) == (True, True)
    assert in_csv(letter).count("budget,") == 100


def test_a_letter_of_nothing_says_so(tmp_path: Path) -> None:
    """A key that asked nothing has a letter with zeros, and whose it is, in each form."""
    letter = made(tmp_path, key="nobody")
    assert "key nobody" in title_of(letter)
    assert "Spend $0" in " ".join(Page(in_html(letter)).words)
    assert "None." in in_text(letter)
    assert in_csv(letter).splitlines()[1].startswith("total,,")
    assert in_mail(letter)


def test_unknown_costs_are_said(tmp_path: Path) -> None:
    """What nobody knows is in no sum, and that is told."""

    async def run() -> Letter:
        db = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            await db.settle(row("a", TODAY - 50.0, meters=Meters(input=1)), [])
            return await written(db)
        finally:
            await db.close()

    letter = asyncio.run(run())
    assert "Spend unknown" in " ".join(Page(in_html(letter)).words)
    assert "The cost of 1 requests is unknown" in in_text(letter)


def test_a_title_names_its_days(tmp_path: Path) -> None:
    """One day is one date."""

    async def run() -> list[str]:
        db = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            return [title_of(await written(db, period)) for period in ("day", "week")]
        finally:
            await db.close()

    assert asyncio.run(run()) == ["Dragoman, 03 Oct 2024", "Dragoman, 27 Sep to 03 Oct 2024"]
