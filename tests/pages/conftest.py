"""A browser for each module of tests: Playwright's loop must not outlive them in this thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.pages.browser import Browser, Page, chromium, visit


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a running Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page in a fresh profile; it fails the test if it misbehaves."""
    with visit(browser) as visited:
        yield visited
