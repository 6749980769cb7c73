# ruff: noqa: INP001 - beside the file that Streamlit runs
"""How the front end asks a gateway: its prompt surface, and the figures, over HTTP and nothing else.

    gateway = Gateway("http://127.0.0.1:8080", key="")
    answer = gateway.chat("gemini-2.5-flash", {"prompt": "Hello"})

Whatever goes wrong is a :class:`Trouble`, whose words tell a person what to do. What a gateway answers is
used as it is: its fields are those of the prompt surface, and one that is missing is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

QUICK_S = 10.0
"""Seconds a page of figures may take to say something."""

PATIENT_S = 600.0
"""Seconds an answer may take: what the gateway itself gives a provider."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Trouble(Exception):
    """A request that was not answered as hoped: what happened, and what may be done about it."""

    def __init__(self, message: str, advice: str = "", *, status: int | None = None, id: str = "") -> None:  # noqa: A002
        """Keep what a person is told; `status` None: nobody answered. `id`: the request's, in the ledger."""
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.status = status
        self.id = id


class Health(NamedTuple):
    """What a gateway says of itself."""

    version: str
    environment: str
    providers: tuple[str, ...]


class Gateway:
    """One gateway, and the key it is asked with."""

    def __init__(self, url: str, key: str) -> None:
        """Prepare to ask.

        Raises:
            Trouble: The address is none.
        """
        self.url = url.strip().rstrip("/")
        self._key = key.strip()
        try:
            parts = urlsplit(self.url)
            host = parts.hostname
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https"):
            raise Trouble(f"“{self.url}” is no address", "write one like http://127.0.0.1:8080")
        self._opener = _opener(host)

    def health(self) -> Health:
        """Return who answers; it needs no key."""
        found = self._ask("GET", "/v1/health", patience_s=QUICK_S)
        return Health(
            str(found.get("version", "")),
            str(found.get("environment", "")),
            tuple(found.get("providers", ())),
        )

    def models(self) -> dict[str, Any]:
        """Return ``available_models``, ``models`` and a ``note``."""
        found: dict[str, Any] = self._ask("GET", "/models", patience_s=QUICK_S)
        return found

    def templates(self) -> list[dict[str, Any]]:
        """Return every prompt template."""
        found: list[dict[str, Any]] = self._ask("GET", "/templates", patience_s=QUICK_S)
        return found

    def chat(self, model: str, body: Mapping[str, Any], *, ignore_cache: bool = False) -> dict[str, Any]:
        """Return the answer to a prompt or a filled template."""
        query = {"model": model, **({"ignore_cache": "true"} if ignore_cache else {})}
        found: dict[str, Any] = self._ask("POST", "/chat", query, body)
        return found

    def rate(self, rating: Mapping[str, Any]) -> None:
        """Keep what a person thinks of an answer."""
        self._ask("POST", "/rate", {}, rating, patience_s=QUICK_S)

    def stats(self) -> dict[str, Any]:
        """Return the figures of the calling key."""
        found: dict[str, Any] = self._ask("GET", "/stats", patience_s=QUICK_S)
        return found

    def series(self, period: str, interval: str) -> list[dict[str, Any]]:
        """Return the figures of a period, one for each hour or day."""
        asked = {"period": period, "interval": interval}
        found: list[dict[str, Any]] = self._ask("GET", "/v1/usage/series", asked, patience_s=QUICK_S)[
            "series"
        ]
        return found

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        patience_s: float = PATIENT_S,
    ) -> Any:
        place = f"{self.url}{path}{f'?{urlencode(query)}' if query else ''}"
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(place, data, headers, method=method)  # noqa: S310 - its scheme was looked at
        try:
            with self._opener.open(request, timeout=patience_s) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise _refused(error) from None
        except URLError as error:
            raise self._unanswered(error.reason) from None
        except (OSError, ValueError, HTTPException) as error:
            raise self._unanswered(error) from None

    def _unanswered(self, reason: object) -> Trouble:
        match reason:
            case TimeoutError():
                return Trouble("no answer in time", f"the gateway at {self.url} is busy, or its provider is")
            case ConnectionRefusedError():
                return Trouble(
                    f"no gateway at {self.url}", "start one with `make run`, or change the address"
                )
            case ValueError() | HTTPException():
                return Trouble(f"what answers at {self.url} is no gateway", "change the address")
            case _:
                return Trouble(f"{self.url} cannot be reached: {reason}", "change the address in the sidebar")


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: the key is for the gateway that was named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return no request to go on with: the redirect is an answer like any other."""


def _opener(host: str) -> OpenerDirector:
    """Return what opens addresses at `host`; a proxy has no business between us and this machine."""
    return build_opener(_Stay, ProxyHandler({})) if host in LOOPBACK else build_opener(_Stay)


ADVICE: Mapping[int, str] = {
    401: "this gateway asks for a key: paste one into the sidebar",
    403: "the key is known, but this is not for it",
    429: "too much at once, or more than this key may spend",
}


def _refused(error: HTTPError) -> Trouble:
    """Return what a gateway's refusal says."""
    try:
        said = json.load(error)
        message = str(said["detail"])
    except (ValueError, KeyError, TypeError):
        message = error.reason or "it was refused without a word"
    advice = ADVICE.get(error.code, "")
    if wait := error.headers.get("retry-after"):
        advice = f"{advice}; try again in {wait} s".removeprefix("; ")
    return Trouble(message, advice, status=error.code, id=error.headers.get("x-request-id") or "")
