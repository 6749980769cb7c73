"""An operator's browser before a gateway's dashboard: what tests of pages that change things begin with.

play(tmp_path, scene)        scene(office): office.browser is signed in as ``boss``, an admin's key
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from html import unescape
from pathlib import Path
from secrets import token_bytes
from typing import Any

import msgspec
from tests.accounts.rows import exchange
from tests.house import House, ask, chat, house, post
from tests.server.dashboard.signed import Browser, signed

from dragoman.accounts import budgeting
from dragoman.accounts.budgets import BudgetSpec
from dragoman.accounts.issuing import Draft, Held, Issuing
from dragoman.accounts.terms import Terms
from dragoman.simulator import Simulator
from dragoman.store import Meters

KEYS = {"boss": {"value": "sk-boss", "role": "admin"}, "eye": {"value": "sk-eye", "role": "reader"}}
HOSTILE = "<script>alert(1)</script>\"'&\u202e 🦉"


class Office:
    """A gateway, and who has its pages open."""

    def __init__(self, gate: House, browser: Browser) -> None:
        self.gate = gate
        self.browser = browser

    @property
    def issuing(self) -> Issuing:
        """Who makes keys, teams and users."""
        return self.gate.gateway.directory.issuing(token_bytes)

    async def page(self, path: str) -> str:
        """Return the HTML of a page."""
        answer = await self.browser.open(path)
        assert answer.status == 200, (answer.status, answer.body.decode()[:3000])
        return answer.body.decode()

    async def refused(self, path: str, form: dict[str, Any], *, status: int = 400) -> str:
        """Send a form that is not taken; return the page that says so."""
        answer = await self.browser.send(path, form)
        assert answer.status == status, (answer.status, answer.body.decode()[:3000])
        return answer.body.decode()

    async def done(self, path: str, form: dict[str, Any]) -> str:
        """Send a form that is taken; return the page it leads to."""
        answer = await self.browser.follow(await self.browser.send(path, form))
        assert answer.status == 200, answer.body.decode()[:3000]
        return answer.body.decode()

    async def key(self, name: str, **more: Any) -> tuple[Held, str]:
        """Make a key; return it with its secret."""
        return await self.issuing.create("a test", Draft(name=name, **more))

    async def group(self, kind: Any, name: str, **terms: Any) -> None:
        """Make a team or user."""
        await self.issuing.put_group("a test", kind, name, Terms(**terms))

    async def budget(self, name: str, **spec: Any) -> None:
        """Make a budget."""
        gateway = self.gate.gateway
        found = msgspec.convert(spec, BudgetSpec)
        await budgeting.put(gateway.store.budgets, name, found, actor="a test", now=gateway.services.now())

    async def spend(self, micros: int | None, *, ago_s: float = 0.0, **more: Any) -> None:
        """Book a request that cost so much."""
        at = self.gate.gateway.services.now() - ago_s
        name = token_bytes(8).hex()
        await self.gate.gateway.store.settle(
            exchange(name, at, meters=Meters(cost_micros=micros), **more), []
        )

    async def asked(self, secret: str) -> int:
        """Return what becomes of a request with a key."""
        told = {"authorization": f"Bearer {secret}"}
        return (await ask(self.gate.port, post("/v1/chat/completions", chat(), told))).status


def play(
    folder: Path, scene: Callable[[Office], Awaitable[None]], *, key: str = "sk-boss", **more: str
) -> None:
    """Run `scene` in the office of a gateway; `more`: its settings, as environment names."""

    async def run() -> None:
        keys = json.dumps(KEYS)
        async with Simulator() as sim, house(folder, sim.url, **{"DRAGOMAN_KEYS": keys, **more}) as gate:
            await scene(Office(gate, await signed(gate, key)))

    asyncio.run(asyncio.wait_for(run(), 60))


def words(page: str) -> str:
    """Return a page's HTML with its blanks made one, to look for what stands in it."""
    return " ".join(unescape(page).split())
