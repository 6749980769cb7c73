"""A browser for each module of tests: Playwright's loop must not outlive them in this thread.

The demo's month is booked once, and each module that looks at it has a gateway of its own over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pages.browser import Browser, Page, chromium, visit
from tests.pages.dashboard import Office, book_month, looking


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


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return a folder with the demo's month, and its keys; nobody may change what is in it."""
    folder = tmp_path_factory.mktemp("month")
    return folder, book_month(folder)


@pytest.fixture(scope="module")
def office(month: tuple[Path, dict[str, str]]) -> Iterator[Office]:
    """Return a gateway over the month, whose clock stands."""
    with looking(*month) as served:
        yield served
