"""How pages stand: at one glance, on a phone, without scripts, in both shades, and within their weight."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.pages.browser import Browser, visit, wide
from tests.pages.dashboard import PLACES, Office, fresh, sign_in, signed_in

MOST_BYTES = 100_000
"""Of HTML, and of styles as they are sent, until a page is first painted."""

WEIGHT = """() => [
  performance.getEntriesByType("navigation")[0].decodedBodySize,
  performance.getEntriesByType("resource").filter((one) => one.name.endsWith(".css"))
    .reduce((sum, one) => sum + one.encodedBodySize, 0),
]"""


def test_the_overview_is_one_glance(browser: Browser, office: Office) -> None:
    """At 1280 by 800 nothing of it is scrolled for, whatever time it tells of."""
    with signed_in(browser, office, width=1280, height=800) as page:
        for period in ("day", "week", "month"):
            page.goto(f"{office.url}/admin?period={period}")
            assert page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0, period


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(browser: Browser, office: Office, width: int) -> None:
    """On a phone, or wide, no page scrolls sideways, nor does a request, in the drawer or by itself."""
    with signed_in(browser, office, width=width) as page:
        for name, path in PLACES.items():
            page.goto(office.url + path)
            assert wide(page) <= 0, name
        page.goto(f"{office.url}/admin/requests?min_cost=0.01")
        page.get_by_role("row").nth(1).get_by_role("link").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert wide(page) <= 0
        page.get_by_role("link", name="Open", exact=True).click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert wide(page) <= 0


def test_the_menu_unfolds_on_a_phone(browser: Browser, office: Office) -> None:
    """On a phone the rail is behind a button, and leads to every page."""
    with signed_in(browser, office, width=360, height=740) as page:
        expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()
        page.get_by_text("Menu", exact=True).click()
        page.get_by_role("navigation", name="Menu").get_by_role("link", name="Budgets").click()
        expect(page.get_by_role("heading", level=1, name="Budgets")).to_be_visible()


def test_a_page_is_light_until_it_is_painted(browser: Browser, office: Office) -> None:
    """HTML and styles of each page are less than 100 kB; nothing else holds the paint up."""
    with signed_in(browser, office, at=None) as page:
        weights = {}
        for name, path in PLACES.items():
            page.goto(office.url + path)
            html, styles = page.evaluate(WEIGHT)
            assert styles > 5_000, name
            weights[name] = html + styles
        assert {name: weight for name, weight in weights.items() if weight >= MOST_BYTES} == {}


def test_the_shade_is_kept(browser: Browser, office: Office) -> None:
    """The switch goes from the system's shade to light to dark, and what was chosen holds on every page."""
    with signed_in(browser, office, scheme="light") as page:
        switch = page.locator("#theme")
        expect(switch).to_contain_text("Auto")
        switch.click()
        switch.click()
        expect(switch).to_contain_text("Dark")
        page.goto(f"{office.url}/admin/keys")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
        expect(page.locator("#theme")).to_contain_text("Dark")


def test_every_page_reads_without_scripts(browser: Browser, office: Office) -> None:
    """Without JavaScript every page has its heading, its figures and its table; filters are forms."""
    with signed_in(browser, office, at=None, java_script_enabled=False) as page:
        for name, path in PLACES.items():
            page.goto(office.url + path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.get_by_role("main").inner_text().strip(), name
        page.goto(f"{office.url}/admin/requests")
        page.get_by_label("Key", exact=True).fill("code-review")
        page.get_by_role("button", name="Apply").click()
        expect(page).to_have_url(re.compile("key=code-review"))
        rows = page.locator("[data-row]")
        expect(rows.first).to_contain_text("code-review")
        rows.first.get_by_role("link").click()
        expect(page.get_by_role("heading", name="The way it took")).to_be_visible()
        page.goto(f"{office.url}/admin/usage")
        page.get_by_text("Each day as a table").click()
        expect(page.get_by_role("table", name="All together, each day")).to_be_visible()


def test_forms_work_without_scripts(browser: Browser, tmp_path: Path) -> None:
    """Without JavaScript a key is made, and revoked by its name."""
    with fresh(tmp_path) as office, visit(browser, java_script_enabled=False) as page:
        sign_in(page, office)
        page.goto(f"{office.url}/admin/keys?new=key")
        page.get_by_label("Name", exact=True).fill("still")
        page.get_by_role("button", name="Make key").click()
        expect(page.locator("#secret")).to_contain_text("sk-dm-")
        page.get_by_role("link", name="To the key").click()
        page.locator("#revoke-name").fill("still")
        page.get_by_role("button", name="Revoke this key").click()
        expect(page.get_by_role("status").first).to_contain_text("revoked")
        gone(page, office)


def gone(page: Page, office: Office) -> None:
    """See that no key is left that holds."""
    page.goto(f"{office.url}/admin/keys")
    expect(page.get_by_role("row").filter(has_text="still")).to_have_count(0)
