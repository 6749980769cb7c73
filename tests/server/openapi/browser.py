"""A real browser before a page: Debian's Chromium, driven by Playwright.

Where it is not installed the tests say so loudly and are skipped; on CI (``CI=true``) that is a failure.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

CHROMIUM = Path("/usr/bin/chromium")
THERE = CHROMIUM.exists()
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WATCH = """
window.reports = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.reports.push(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
});
"""


@asynccontextmanager
async def opened(**context: Any) -> AsyncIterator[Page]:
    """Open an empty page that notes what its content security policy forbids."""
    if not THERE:
        if os.environ.get("CI"):
            pytest.fail(f"there is no {CHROMIUM}, so nobody has seen the page")
        pytest.skip(f"SKIPPED: no {CHROMIUM}; nobody has seen the page (apt install chromium)")
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        page = await browser.new_page(**context)
        await page.add_init_script(WATCH)
        try:
            yield page
        finally:
            await browser.close()
