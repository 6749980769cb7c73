"""A real browser before a real gateway: what the tests of the pages, and their screenshots, are played on.

    with chromium() as browser, visit(browser) as page:
        page.goto(there.url)

Debian's Chromium is driven through Playwright. Where either is missing the tests are skipped, and say so; on
CI (`CI=true`) that is a failure. Whatever a page does that it must not (an error, a dialog, a breach of its
own policy, a request to somebody else) fails the visit when it ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Dialog, Error, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

BREACHES = """
window.breaches = [];
addEventListener("securitypolicyviolation", (event) => {
  const where = `${event.sourceFile}:${event.lineNumber}`;
  window.breaches.push(`${event.violatedDirective}: ${event.blockedURI} ${where}`);
});
"""
"""Put into every page before its own scripts: remembers what the policy forbade."""

POLICY = "Content Security Policy"
"""What a line of the console has that tells of a breach, of whichever document."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium until the block ends, or skip the test loudly."""
    if not CHROMIUM.exists():
        missing(f"there is no {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def missing(what: str) -> None:
    """Skip the test because something is not there; on CI, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def visit(
    browser: Browser,
    *,
    width: int = 1280,
    height: int = 900,
    scheme: Literal["light", "dark"] = "light",
    **options: Any,
) -> Iterator[Page]:
    """Open a page with a profile of its own; when the block ends, fail if it misbehaved."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce", **options
    )
    context.add_init_script(BREACHES)
    page = context.new_page()
    faults: list[str] = []
    asked: set[str] = set()
    page.on("pageerror", lambda error: faults.append(f"an error: {error}"))
    page.on("request", lambda request: asked.add(request.url))
    page.on("console", lambda line: faults.extend([line.text] if POLICY in line.text else []))
    page.on("dialog", lambda dialog: _asked_by(dialog, faults))
    try:
        yield page
        faults += [f"a breach of its policy: {words}" for words in page.evaluate("window.breaches ?? []")]
        home = "/".join(page.url.split("/")[:3])
        faults += [f"a request to somebody else: {url}" for url in sorted(asked) if not url.startswith(home)]
        assert not faults, faults
    finally:
        context.close()


def _asked_by(dialog: Dialog, faults: list[str]) -> None:
    """Close a dialog, which no page of ours opens."""
    faults.append(f"a dialog: {dialog.message}")
    dialog.dismiss()


OVERHANG = """() => [...document.querySelectorAll(".card *")]
    .filter((one) => one.checkVisibility() && !one.closest("pre, .scroll, .sr, .popup, svg, .tabs"))
    .map((one) => one.getBoundingClientRect().right - one.closest(".card").getBoundingClientRect().right)
    .concat(document.documentElement.scrollWidth - innerWidth)
    .reduce((a, b) => Math.max(a, b), 0)"""


def wide(page: Page) -> float:
    """Return how many pixels stick out: of the page out of its window, of anything out of its card."""
    over: float = page.evaluate(OVERHANG)
    return over


__all__ = ["CHROMIUM", "Browser", "Error", "Page", "chromium", "missing", "visit", "wide"]
