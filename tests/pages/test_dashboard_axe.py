"""Accessibility of every page, audited by axe-core: light and dark, wide and on a phone, at rest and in use.

axe-core comes from npm, pinned beside the foreign mock (``tests/mocks``), and is run in the page's own world.
What it has no rules for (a keyboard that leads everywhere) is in ``test_dashboard_keyboard.py``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect
from tests.pages.browser import Browser, visit
from tests.pages.dashboard import AT, PLACES, Office, signed_in

AXE = Path(__file__).parents[1] / "mocks" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
SEEN = ("color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block")
"""Rules of what a page looks like; the others do not change with its shade and width."""

Scheme = Literal["light", "dark"]

RUN = """async ([options]) => (await axe.run(document, options)).violations.map((one) => [
  `${one.id}: ${one.help}`,
  ...one.nodes.map((node) => `${node.target} ${node.failureSummary}`),
].join("\\n  "))"""


@pytest.fixture(scope="module")
def axe() -> str:
    """Return axe-core; skip loudly where it is not installed. Where CI has npm, it has to be."""
    if not AXE.exists():
        assert os.environ.get("CI") != "true" or shutil.which("npm") is None, (
            "axe-core is missing: make peers"
        )
        pytest.skip("accessibility is not audited: axe-core is not installed (make peers)")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    """Return a shade."""
    found: Scheme = request.param
    return found


@pytest.fixture(scope="module")
def page(browser: Browser, office: Office, scheme: Scheme) -> Iterator[Page]:
    """Return one page for each shade; the audits change nothing."""
    with signed_in(browser, office, scheme=scheme) as visited:
        yield visited


def audit(page: Page, axe: str, *rules: str) -> None:
    """Hold what is shown against all rules, or some."""
    chosen: dict[str, Any] = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
    page.evaluate(axe)
    options = {"runOnly": chosen, "resultTypes": ["violations"], "elementRef": False}
    found = page.evaluate(RUN, [options])
    assert not found, "\n".join([page.url, *found])


@pytest.mark.parametrize("name", PLACES)
def test_pages_are_accessible(page: Page, office: Office, axe: str, scheme: Scheme, name: str) -> None:
    """No page breaks a rule: all of them in light, those of looks in dark and on a phone."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(office.url + PLACES[name])
    audit(page, axe, *(SEEN if scheme == "dark" else ()))
    page.set_viewport_size({"width": 360, "height": 740})
    audit(page, axe, *SEEN)


def test_a_drawer_is_accessible(page: Page, office: Office, axe: str) -> None:
    """So is a request beside the list, and on a page of its own."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{office.url}/admin/requests?min_cost=0.05")
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    audit(page, axe)
    page.get_by_role("link", name="Open", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    audit(page, axe)


FAULTS: Mapping[str, tuple[str, dict[str, str]]] = {
    "Make key": ("/admin/keys?new=key", {"name": "support-bot", "requests_per_minute": "many"}),
    "Set budget": ("/admin/budgets?new=budget", {"cap": "-1", "subject": "x"}),
    "Make team": ("/admin/teams?new=team", {"name": "not a name!"}),
    "Revoke this key": ("/admin/keys/support-bot", {"confirm": "another"}),
}
"""Forms by their button: where they are, and what is typed wrongly."""


@pytest.mark.parametrize("button", FAULTS)
def test_a_form_with_a_fault_is_accessible(page: Page, office: Office, axe: str, button: str) -> None:
    """What was typed wrongly is told beside its field, to everybody."""
    page.set_viewport_size({"width": 1280, "height": 800})
    path, typed = FAULTS[button]
    page.goto(office.url + path)
    for name, text in typed.items():
        page.locator(f"[name={name}]:visible").last.fill(text)
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.locator("[aria-invalid=true]")).not_to_have_count(0)
    audit(page, axe)


def test_faults_of_filters_are_accessible(page: Page, office: Office, axe: str) -> None:
    """A filter that cannot be read, a page that is not there, a list without rows."""
    page.set_viewport_size({"width": 1280, "height": 800})
    for path in (
        "/admin/requests?min_cost=much",
        "/admin/usage?from=never",
        "/admin/none",
        "/admin/keys?q=zzz",
    ):
        page.goto(office.url + path)
        audit(page, axe)


def test_the_door_is_accessible(browser: Browser, office: Office, axe: str, scheme: Scheme) -> None:
    """So is signing in, and being refused."""
    with visit(browser, scheme=scheme) as page:
        page.clock.set_fixed_time(AT)
        page.goto(f"{office.url}/admin/login")
        audit(page, axe)
        page.get_by_label("Admin key").fill("sk-none")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        audit(page, axe)
