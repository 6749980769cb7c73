"""What the tests of the dashboard are played on: a gateway nobody has used yet, and the demo's month.

The month has a fixed end and seed, and its gateway's clock stands at that end: figures, times and pictures
are the same at every run. Pages are used as people use them, by what their fields and buttons are called.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from examples.demo.__main__ import HERE, environment
from examples.demo.filling import fill
from examples.demo.month import Setting
from playwright.sync_api import Locator, Page, expect
from tests.pages.browser import Browser, visit
from tests.stage import Stage, stage, stage_of

from dragoman.accounts.keys import ADMIN, ensure_admin, load_pepper
from dragoman.config import load
from dragoman.simulator import Script
from dragoman.simulator.script import load as load_script
from dragoman.store import AttemptRow, ExchangeRow
from dragoman.store.opening import open_store

expect.set_options(timeout=20_000)

AT = 1_795_106_400.0
"""Thursday, 19 November 2026, 16:40 UTC: where the month ends, and the clock of its gateway stands."""

SEED, EXCHANGES = 7, 1500

NOBODY = "http://127.0.0.1:9"
"""Where no simulator is: the month is booked without asking one."""

T = TypeVar("T")


class Office(NamedTuple):
    """A gateway and who may sign in to it: the secret of each key by its name, ``admin`` the operator's."""

    there: Stage
    keys: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self.there.url

    def rows(self) -> list[ExchangeRow]:
        """Return every exchange of the ledger, the newest first."""
        return self.there.run(self.there.gate.gateway.store.exchanges(limit=100_000))

    def attempts(self, row: ExchangeRow) -> list[AttemptRow]:
        """Return the attempts of one."""
        return self.there.run(self.there.gate.gateway.store.attempts(row.id))


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, run in a thread of its own: in this one is Playwright's loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _admin(folder: Path) -> str:
    """Start a data folder, as a gateway's first start does; return the admin key it prints."""
    config = load({"DRAGOMAN_DATA": str(folder / "data")}, folder)
    config.data.mkdir(parents=True)
    store = await open_store(config.store, config.data)
    try:
        found = await ensure_admin(store, load_pepper(config.data, config.pepper), lambda size: b"\7" * size)
    finally:
        await store.close()
    assert found is not None
    return found


@contextmanager
def fresh(folder: Path, script: Script | None = None, **settings: str) -> Iterator[Office]:
    """Serve a gateway nobody has used until the block ends; `settings` are environment names."""
    admin = apart(_admin(folder))
    with stage(folder, script, **settings) as there:
        yield Office(there, {ADMIN: admin})


def book_month(folder: Path, exchanges: int = EXCHANGES) -> dict[str, str]:
    """Fill a folder's ledger with the demo's month; return the secret of each of its keys."""
    config = load(environment(folder, NOBODY, 0), folder)
    return apart(fill(config, Setting(SEED, exchanges, AT), lambda _: None))


@contextmanager
def looking(
    folder: Path, keys: Mapping[str, str], *, now: Callable[[], float] = lambda: AT
) -> Iterator[Office]:
    """Serve the month that a folder has until the block ends, by a clock that stands unless `now` goes on."""
    settings = environment(folder, NOBODY, 0)
    del settings["DRAGOMAN_SIMULATOR_URL"]
    settings["DRAGOMAN_PROVIDERS"] = ""  # none is at the simulator but those that are it
    with stage_of(folder, load_script(HERE / "simulator.toml"), settings, now=now) as there:
        yield Office(there, keys)


def sign_in(page: Page, office: Office, name: str = ADMIN) -> None:
    """Sign in with a key, as a person does."""
    page.goto(f"{office.url}/admin/login")
    page.get_by_label("Admin key").fill(office.keys[name])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Overview")).to_be_visible()


@contextmanager
def signed_in(
    browser: Browser,
    office: Office,
    name: str = ADMIN,
    *,
    width: int = 1280,
    height: int = 800,
    scheme: Literal["light", "dark"] = "light",
    at: float | None = AT,
    **options: Any,
) -> Iterator[Page]:
    """Open a page whose profile is signed in; `at` is where its clock stands, None: it is the world's."""
    with visit(browser, width=width, height=height, scheme=scheme, **options) as page:
        if at is not None:
            page.clock.set_fixed_time(at)
        sign_in(page, office, name)
        yield page


PLACES: Mapping[str, str] = {
    "overview": "/admin",
    "requests": "/admin/requests",
    "usage": "/admin/usage",
    "keys": "/admin/keys",
    "key": "/admin/keys/support-bot",
    "key-new": "/admin/keys?new=key",
    "teams": "/admin/teams",
    "team": "/admin/teams/support",
    "team-new": "/admin/teams?new=team",
    "users": "/admin/users",
    "user": "/admin/users/support-lead",
    "user-new": "/admin/users?new=user",
    "budgets": "/admin/budgets",
    "budget": "/admin/budgets/everything",
    "budget-new": "/admin/budgets?new=budget",
    "alerts": "/admin/alerts",
    "models": "/admin/models",
    "providers": "/admin/providers",
    "routes": "/admin/routes?name=assistant",
    "prices": "/admin/prices",
    "templates": "/admin/templates",
    "ratings": "/admin/ratings",
    "audit": "/admin/audit",
    "settings": "/admin/settings",
}
"""Every page by its name, filled by the month; one request's page is besides."""


def call(office: Office, path: str, body: Any, secret: str, *, method: str = "POST") -> HTTPResponse:
    """Ask as a program does, without a body by GET; return the answer, of which its head alone is read."""
    line = HTTPConnection("127.0.0.1", office.there.gate.port, timeout=60)
    sent = {"connection": "close", "content-type": "application/json", "authorization": f"Bearer {secret}"}
    if body is None:
        line.request("GET", path, headers=sent)
    else:
        line.request(method, path, json.dumps(body), sent)
    return line.getresponse()


class Valve:
    """A way to a server that lets the beginning of each answer through, and the rest once it is opened."""

    def __init__(self, most: int) -> None:
        self.port = 0
        self.most = most
        self.opened = threading.Event()
        self._door = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._door]
        self._threads = [self._run(self._accept)]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._door.getsockname()[1]}"

    def close(self) -> None:
        """Let nothing through any more."""
        self.opened.set()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, name="valve")
        thread.start()
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.create_connection(("127.0.0.1", self.port))
                self._open += (near, far)
                self._threads += (self._run(self._there, near, far), self._run(self._back, far, near))

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while piece := near.recv(65_536):
                far.sendall(piece)
            far.shutdown(socket.SHUT_WR)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            near.sendall(far.recv(self.most))
            self.opened.wait()
            while piece := far.recv(65_536):
                near.sendall(piece)
            near.shutdown(socket.SHUT_WR)


@contextmanager
def valve(most: int = 2000) -> Iterator[Valve]:
    """Keep a valve until the block ends, of which `most` bytes of an answer come through while it is shut."""
    made = Valve(most)
    try:
        yield made
    finally:
        made.close()


def until(page: Page, there: Locator, *, within_s: float = 30.0) -> None:
    """Load a page again until something stands on it that comes by itself."""
    ends = time.monotonic() + within_s
    while not there.count():
        assert time.monotonic() < ends, f"{there} did not come"
        page.reload()
