"""Whatever anybody writes stays text: a corpus of markup in every name, prompt, label and error there is.

It is seeded through the real APIs, and then every page, drawer and table is looked at, wide and on a phone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from tests.pages.browser import Browser, wide
from tests.pages.dashboard import PLACES, Office, call, fresh, signed_in
from tests.pages.hostile import CORPUS, FORMULAS, MARKUP

from dragoman.simulator import Behaviour, Error, Match, Rule, Script

ECHO, DOWN = "sim-openai_chat/echo", "sim-anthropic/down-{}"

SCRIPT = Script(
    rules=tuple(
        Rule(Match(model=f"down-{place}"), Behaviour(error=Error(status=400, message=text, code=text[:60])))
        for place, text in enumerate(CORPUS)
    ),
    default=Behaviour(echo=True),
)

PATHS = {
    **PLACES,
    "key": "/admin/keys/k0",
    "team": "/admin/teams/t0",
    "user": "/admin/users/u0",
    "budget": "/admin/budgets/b0",
    "requests by key": "/admin/requests?key=k0",
    "usage by model": "/admin/usage?period=day&group_by=model&top=50",
    "usage by failure": "/admin/usage?period=day&group_by=failure",
    **{f"searched {place}": f"/admin/keys?q={quote(text)}" for place, text in enumerate(MARKUP[:4])},
    "filtered": f"/admin/requests?model={quote(MARKUP[3])}&asked={quote(MARKUP[4])}&id={quote(MARKUP[0])}",
    "a measure": f"/admin/usage?model={quote(MARKUP[3])}&key={quote(MARKUP[5])}",
    "wrongly": f"/admin/requests?min_cost={quote(MARKUP[1])}",
    "another name": f"/admin/usage?{quote(MARKUP[3])}=1",
    "reached": f"/admin/routes?name={quote(MARKUP[1])}",
    "not there": f"/admin/keys/{quote(MARKUP[1], safe='')}",
    "no page": f"/admin/{quote(MARKUP[0])}",
    "the door": f"/admin/login?next={quote(MARKUP[7])}",
}

OWNED = """() => [
  ...document.querySelectorAll("#owned, [onerror], [onload], [onfocus], [onmouseover], [srcdoc]"),
  ...document.querySelectorAll("[href^=javascript]"),
  ...document.querySelectorAll("script:not([src])"),
].map((one) => one.outerHTML).concat(window.owned === undefined ? [] : ["a script ran"])"""
"""Says what was made of a text."""


def told(office: Office, path: str, body: Any, key: str, *statuses: int, method: str = "POST") -> Any:
    """Ask; return the answer's JSON."""
    with call(office, path, body, key, method=method) as answer:
        raw = answer.read()
        assert answer.status in (statuses or (200, 201)), raw[:500]
        return json.loads(raw)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Return a gateway in which everything that can be written is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    templates = [{"id": f"t{place}", "title": text[:80], "prompt": text} for place, text in enumerate(CORPUS)]
    (folder / "prompt_templates.json").write_text(json.dumps(templates), encoding="utf-8")
    with fresh(folder, SCRIPT, DRAGOMAN_FILES_TEXT="all") as served:
        seed(served)
        yield served


def seed(office: Office) -> None:
    """Write the corpus wherever a client, a provider or an operator may write."""
    admin = office.keys["admin"]
    groups(office)
    made = [
        told(office, "/admin/keys", draft(place, text), admin)["secret"] for place, text in enumerate(CORPUS)
    ]
    for place, text in enumerate(CORPUS):
        key = made[place]
        asked = {"messages": [{"role": "user", "content": text}]}
        with call(office, "/v1/chat/completions", {**asked, "model": ECHO}, key) as answer:
            answer.read()
        rating = {"prompt_id": answer.headers["x-dragoman-id"], "rating": 3, "feedback": text}
        told(office, "/rate", rating, key)
        told(office, "/v1/chat/completions", {**asked, "model": DOWN.format(place)}, key, 400, 502, 422)
        told(office, "/v1/chat/completions", {**asked, "model": text}, key, 400, 404)
    price = {"input": "1", "output": "1"}
    with call(office, "/admin/prices", {"provider": "sim-openai_chat", "model": MARKUP[0], **price}, admin):
        pass


def draft(place: int, text: str) -> dict[str, Any]:
    """Return a key whose every free text is hostile."""
    return {
        "name": f"k{place}",
        "team": "t0",
        "user": "u0",
        "description": text,
        "labels": labels(place, text),
    }


def labels(place: int, text: str) -> dict[str, str]:
    """Return a label with a text, if it may have that one."""
    return {f"label{place}": text[:100]} if text.isprintable() else {}


def groups(office: Office) -> None:
    """Make teams and users, and budgets of models that are none."""
    admin = office.keys["admin"]
    for place, text in enumerate(CORPUS[:6]):
        terms = {"description": text, "labels": labels(place, text)}
        for kind in ("team", "user"):
            told(office, f"/admin/{kind}s/{kind[0]}{place}", terms, admin, method="PUT")
        budget = {"dollars": 1, "scope": "model", "subject": text[:200]}
        told(office, f"/admin/budgets/b{place}", budget, admin, method="PUT")


def amiss(page: Page) -> list[str]:
    """Return what was made of a text, or by how much something sticks out of the page."""
    found: list[str] = page.evaluate(OWNED)
    over = wide(page)
    return [*found, *([f"{over} pixels too wide"] if over > 0 else [])]


@pytest.mark.parametrize("width", [1280, 360])
def test_no_page_takes_a_text_for_markup(browser: Browser, office: Office, width: int) -> None:
    """Every page shows the corpus as text: no element of it, no dialog, no breach, nothing too wide."""
    found = {}
    with signed_in(browser, office, width=width, at=None) as page:
        for name, path in PATHS.items():
            page.goto(office.url + path)
            found[name] = amiss(page)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_every_request_is_harmless(browser: Browser, office: Office) -> None:
    """Prompts, answers and errors are shown as they were written, in the drawer and on their page."""
    found = {}
    with signed_in(browser, office, at=None, width=360) as page:
        for place, row in enumerate(row for row in office.rows() if row.provider):
            if place % 8 == 0:
                page.goto(f"{office.url}/admin/requests?id={row.id}")
                page.locator(f"[id='request-{row.id}']").click()
                expect(page.get_by_role("dialog")).to_be_visible()
                found[f"{row.id} in the drawer"] = amiss(page)
            page.goto(f"{office.url}/admin/requests/{row.id}")
            found[row.id] = amiss(page)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert len(found) > len(CORPUS)


def test_texts_are_legible(browser: Browser, office: Office) -> None:
    """What was written can be read, to the letter, where it belongs."""
    with signed_in(browser, office, at=None) as page:
        page.goto(f"{office.url}/admin/keys")
        for text in MARKUP:
            expect(page.get_by_text(text, exact=True).first).to_be_attached()
        page.goto(f"{office.url}/admin/ratings")
        for text in MARKUP:
            expect(page.get_by_text(text, exact=True).first).to_be_visible()
        page.goto(f"{office.url}/admin/templates")
        assert "49" not in page.get_by_role("main").inner_text().split()


@pytest.mark.parametrize(
    "path", ["keys?status=all", "requests?sort=oldest", "usage?group_by=model", "budgets", "teams"]
)
def test_tables_are_no_formulas(browser: Browser, office: Office, path: str) -> None:
    """A cell of a CSV never begins as a spreadsheet's formula does."""
    with signed_in(browser, office, at=None) as page:
        url = f"{office.url}/admin/{path}{'&' if '?' in path else '?'}format=csv"
        answer = page.request.get(url, headers={"accept": "text/html"})
        assert "attachment" in answer.headers["content-disposition"]
        cells = [cell for row in csv.reader(StringIO(answer.text())) for cell in row]
        assert len(cells) > 20
        assert [cell for cell in cells if cell.startswith(("=", "+", "@", "\t")) or cell in FORMULAS] == []
