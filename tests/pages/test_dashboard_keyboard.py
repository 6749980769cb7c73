"""The dashboard without a pointer: the essential path by Tab, Enter, Space, Escape and ``/`` alone."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.pages.browser import Browser, visit
from tests.pages.dashboard import AT, Office, fresh, signed_in

SEEN = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  if (one === document.body || one.type === "date") return "";
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return (outlined || style.boxShadow !== "none") && box.width > 1 && box.height > 1 ? "" : one.outerHTML;
}"""
"""Says which focused element is not seen to be; "": it is, or its parts are marked by the browser."""

FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return "";
  return one.labels?.[0]?.textContent.trim() || one.getAttribute("aria-label") || one.textContent.trim();
}"""
"""Says what the focused element is called."""


def tab(page: Page, name: str, *, most: int = 80) -> None:
    """Go on with Tab until something of this name is focused; whatever is on the way is seen to be."""
    passed = []
    for _ in range(most):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(FOCUSED))
        assert page.evaluate(SEEN) == "", passed[-1]
        if passed[-1] == name:
            return
    raise AssertionError(f"{name} is not reached: {passed}")


def heading(page: Page, name: str) -> None:
    """Wait for a page by its heading."""
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()
    page.wait_for_load_state()


def test_everything_goes_without_a_pointer(browser: Browser, tmp_path: Path) -> None:
    """Sign in, skip to the page, make a key and sign out; every step of the focus is seen."""
    with fresh(tmp_path) as office, visit(browser, height=800) as page:
        page.goto(f"{office.url}/admin")
        expect(page.get_by_label("Admin key")).to_be_focused()
        page.keyboard.type(office.keys["admin"])
        page.keyboard.press("Enter")
        heading(page, "Overview")
        tab(page, "Skip to the page", most=2)
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.evaluate("document.activeElement.blur()")
        tab(page, "Keys")
        page.keyboard.press("Enter")
        heading(page, "Keys")
        tab(page, "New key")
        page.keyboard.press("Enter")
        heading(page, "New key")
        tab(page, "Name")
        page.keyboard.type("by-hand")
        tab(page, "Role")
        page.keyboard.press("ArrowDown")
        tab(page, "Make key")
        page.keyboard.press("Space")
        heading(page, "The key by-hand is made")
        tab(page, "Sign out")
        page.keyboard.press("Enter")
        heading(page, "Sign in")


def test_a_request_is_found_and_closed_again(browser: Browser, office: Office) -> None:
    """``/`` is the search, Enter opens a row's drawer, Escape closes it and the row has the focus again."""
    with signed_in(browser, office) as page:
        page.goto(f"{office.url}/admin/requests")
        page.keyboard.press("/")
        expect(page.get_by_label("Request id")).to_be_focused()
        tab(page, "Key", most=1)
        page.keyboard.type("code-review")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("key=code-review"))
        expect(page.get_by_role("list", name="Filters")).to_contain_text("code-review")
        first = page.locator("[data-row] th a").first
        tab(page, first.inner_text())
        expect(first).to_be_focused()
        page.keyboard.press("Enter")
        drawer = page.get_by_role("dialog")
        expect(drawer).to_be_visible()
        assert page.evaluate("document.activeElement.closest('[role=dialog]') !== null")
        tab(page, "Copy", most=10)
        page.keyboard.press("Escape")
        expect(drawer).to_have_count(0)
        expect(first).to_be_focused()
        expect(page).to_have_url(re.compile(r"/admin/requests\?.*key=code-review"))
        assert page.evaluate("Date.now() / 1000") == AT
