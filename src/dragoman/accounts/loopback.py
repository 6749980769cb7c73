"""Open on loopback: who may use a gateway without keys.

With no key configured the gateway listens on this machine only and serves whoever is on it. The one
stranger who could still reach it is a web page in the user's own browser, so what a page can send is
refused: a Host that is not a loopback name (DNS rebinding), a cross-site Origin or Sec-Fetch-Site, and
a body that is not declared JSON (the only kinds a page may post without asking first). A request with
a header that a page may only send after asking, and nobody here ever says yes, is no page's: SDKs send
their key even where none is needed, so they may post files.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from dragoman.core.failure import Failure, Kind, Source

ASKED_FIRST = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
"""Headers that make a browser ask before it sends a request elsewhere
(https://fetch.spec.whatwg.org/#cors-safelisted-request-header, read 2026-11-21)."""


def check(method: str, headers: Mapping[str, str]) -> None:
    """Refuse a keyless request that a web page may have sent.

    Raises:
        Failure: FORBIDDEN, saying which header gave it away and that a key would do.
    """
    if not is_loopback(_host(f"//{headers.get('host', '')}")):
        raise _refusal("the Host header is not a loopback name")
    origin = headers.get("origin")
    if origin is not None and not is_loopback(_host(origin)):
        raise _refusal("the Origin header names another site")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise _refusal("the Sec-Fetch-Site header says a page of another site sent this")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    simple = kind != "application/json" and not any(headers.get(name) for name in ASKED_FIRST)
    if simple and method in ("POST", "PUT", "PATCH"):
        raise _refusal("the content-type is not application/json")


def is_loopback(host: str) -> bool:
    """Say whether a host name or address can only mean this machine."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _host(address: str) -> str:
    """Return the name in an address, without its port; "" where it is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _refusal(why: str) -> Failure:
    return Failure(
        Kind.FORBIDDEN,
        f"refused without a key: {why}; configure a key (API_KEYS) to be served from elsewhere",
        source=Source.CLIENT,
        code="loopback_only",
    )
