"""A browser without a screen: signs in to a house's dashboard, keeps cookies, sends forms with their token.

async with house(folder) as gate:
browser = await signed(gate)
page = await browser.open("/admin/audit")
done = await browser.send("/admin/keys", {"name": "x"})
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.cookies import SimpleCookie
from secrets import token_bytes
from typing import Any
from urllib.parse import urlencode

from tests.house import Answer, House, ask

from dragoman.accounts.issuing import Draft
from dragoman.accounts.sessions import token
from dragoman.server.dashboard import COOKIE

HTML = {"accept": "text/html,application/xhtml+xml"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Browser:
    """What a browser keeps, and how it asks."""

    def __init__(self, gate: House) -> None:
        self.gate = gate
        self.cookies: dict[str, str] = {}

    @property
    def token(self) -> str:
        """What this session's forms send back."""
        return token(self.cookies.get(COOKIE, ""))

    async def open(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a page."""
        return await self._ask("GET", path, {**HTML, **(headers or {})}, b"")

    async def send(
        self,
        path: str,
        form: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        proof: bool = True,
    ) -> Answer:
        """Send a form, with the session's token unless `proof` is False; redirects are not followed."""
        fields = {**({"token": self.token} if proof else {}), **form}
        body = urlencode(fields, doseq=True).encode()
        told = {"origin": self.gate.url, "host": self.gate.url.removeprefix("http://")}
        return await self._ask("POST", path, {**HTML, **FORM, **told, **(headers or {})}, body)

    async def follow(self, answer: Answer) -> Answer:
        """Open the page a redirect leads to."""
        assert answer.status == 303, (answer.status, answer.body[:2000])
        return await self.open(answer.headers["location"])

    async def sign_in(self, key: str, after: str = "") -> Answer:
        """Send the form of the sign-in page."""
        return await self.send("/admin/login", {"key": key, "next": after}, proof=False)

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        sent = {"host": "127.0.0.1", **headers}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method == "POST":
            sent["content-length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        answer = await ask(self.gate.port, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        for line in re.split(r", (?=[a-z_]+=)", answer.headers.get("set-cookie", "")):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer


async def admin_key(gate: House) -> str:
    """Return a key with the role admin: the printed one is known to its first start alone."""
    return await key_of(gate, "the-operator", role="admin")


async def key_of(gate: House, name: str, **terms: Any) -> str:
    """Make a key and return its secret."""
    issuing = gate.gateway.directory.issuing(token_bytes)
    _, secret = await issuing.create("a test", Draft(name=name, **terms))
    return secret


async def signed(gate: House, key: str | None = None) -> Browser:
    """Return a browser that is signed in: with `key`, else as admin."""
    browser = Browser(gate)
    answer = await browser.sign_in(await admin_key(gate) if key is None else key)
    assert answer.status == 303, answer.body[:2000]
    assert COOKIE in browser.cookies
    return browser
