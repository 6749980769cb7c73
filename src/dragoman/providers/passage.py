"""What may pass between a client and a provider when nobody reads it: addresses and headers; pure.

    url(...)           the provider's own address for a path, never another origin, never outside its API
    forwarded(...)     the client's headers that go on         returned(...)   the provider's that come back

Both header lists say what passes, not what is held back: a header nobody thought of stays here. A
client's credential is none of the provider's business, and the provider's answer is none of our cookies'.

A path is sent as the client spelt it, so it is looked at as every server on the way may read it: decoded
again and again, until nothing changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote, unquote_plus, urlsplit

from dragoman.core.failure import Failure, invalid
from dragoman.providers import Provider
from dragoman.providers.auth import CREDENTIALS

PLAIN = re.compile(r"[!-~]*")
DECODINGS = 4
"""How often a path is decoded before it counts as a trick."""

_REQUEST = re.compile(
    r"accept|content-type|content-disposition|range|idempotency-key|if-[a-z-]+|(?:openai|anthropic|x-goog)-.+"
)
_ANSWER = re.compile(
    r"content-(?:type|length|disposition|range|language)|accept-ranges|etag|last-modified|retry-after(?:-ms)?"
    r"|x-should-retry|x-ratelimit-.+|(?:openai|anthropic|x-goog)-.+"
)
_PRIVATE = CREDENTIALS | {
    "anthropic-organization-id",
    "openai-organization",
    "openai-project",
    "x-goog-iam-authorization-token",
    "x-goog-user-project",
}
"""Headers that choose or tell whose account it is: the operator's business."""

UPLOAD = ("x-goog-upload-url", "x-goog-upload-control-url")
"""Where a resumable upload goes on (https://ai.google.dev/gemini-api/docs/files, read 2026-11-21)."""

HARMLESS: Mapping[str, str] = MappingProxyType(
    {"x-content-type-options": "nosniff", "content-security-policy": "sandbox; default-src 'none'"}
)
"""Sent with every relayed answer: a file somebody uploaded is no page of ours."""

DEFAULTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"anthropic": MappingProxyType({"anthropic-version": "2023-06-01"})}
)
"""Headers a dialect's providers insist on, where the client left them out."""


def checked(path: str) -> str:
    """Return a path, as the client spelt it, if no reading of it leads elsewhere.

    Raises:
        Failure: INVALID: a ``.`` or ``..`` segment, an empty one, a backslash, a control character, or
            anything that is not printable ASCII, be it spelt out or hidden in percent signs.
    """
    spelt = path
    if PLAIN.fullmatch(path) is None or "?" in path or "#" in path:
        raise _unsafe()
    for _ in range(DECODINGS):
        if "\\" in path or "//" in path or not path.isprintable():
            raise _unsafe()
        # Some servers read what follows a semicolon as a parameter of the segment.
        if any(segment.partition(";")[0] in (".", "..") for segment in path.split("/")):
            raise _unsafe()
        path, before = unquote(path, errors="replace"), path
        if path == before:
            return spelt
    raise _unsafe()


def below(provider: Provider, rest: str, query: str) -> str:
    """Return the address of `rest` below a provider's base URL.

    What `rest` begins with and the base URL ends in already (``v1``) is not said twice, so that a client
    may take ``/relay/openai`` or ``/relay/openai/v1`` for its base URL.
    """
    base = provider.base_url.rstrip("/")
    ends, begins = urlsplit(base).path.split("/")[1:], rest.split("/")
    for length in range(min(len(ends), len(begins)), 0, -1):
        if ends[-length:] == begins[:length]:
            begins = begins[length:]
            break
    return _joined(provider, base, "/".join(begins), query)


def beside(provider: Provider, root: str, path: str, query: str) -> str:
    """Return the address of a vendor's public `path`, version and all, at a provider.

    Args:
        provider: Who is asked.
        root: What its base URL ends in by its dialect (``/v1``).
        path: The vendor's path from the origin (``/v1/files``, ``/upload/v1beta/files``).
        query: As the client spelt it.

    Raises:
        Failure: INVALID: the path is outside `root`, and the base URL does not end in it, so nobody can say
            where it is.
    """
    base = provider.base_url.rstrip("/")
    if path.startswith(f"{root}/"):
        return _joined(provider, base, path[len(root) + 1 :], query)
    if not base.endswith(root):
        raise invalid(f"{provider.name} has no such path: its address does not end in {root}", "path")
    return _joined(provider, base[: -len(root)], path[1:], query)


def forwarded(provider: Provider, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the client's headers that go on to a provider; names are lower case."""
    passed = {
        name: value for name, value in headers.items() if name not in _PRIVATE and _REQUEST.fullmatch(name)
    }
    return {**DEFAULTS.get(provider.dialect, {}), **passed}


def returned(provider: Provider, root: str, headers: Mapping[str, str], *, origin: str) -> dict[str, str]:
    """Return the provider's headers that come back to the client.

    Args:
        provider: Who answered.
        root: What its base URL ends in by its dialect.
        headers: Its headers, names in lower case.
        origin: Ours, as the client called it: where an upload goes on is told as a place of ours, since
            the client has no key for any other.
    """
    passed = {
        name: value for name, value in headers.items() if name not in _PRIVATE and _ANSWER.fullmatch(name)
    }
    for name in UPLOAD:
        if name in passed:
            place = _ours(provider, root, passed.pop(name), origin)
            passed.update({name: place} if place else {})
    return {**passed, **HARMLESS}


def _joined(provider: Provider, base: str, rest: str, query: str) -> str:
    kept = _keyless(query)
    url = f"{base}/{rest}" if rest else base
    there, ours = urlsplit(url), urlsplit(provider.base_url)
    if there[:2] != ours[:2] or PLAIN.fullmatch(kept) is None or "#" in kept:
        raise _unsafe()
    return f"{url}?{kept}" if kept else url


def _keyless(query: str) -> str:
    """Return a query without the client's key, every other byte of it as it was."""
    return "&".join(field for field in query.split("&") if unquote_plus(field.partition("=")[0]) != "key")


def _ours(provider: Provider, root: str, place: str, origin: str) -> str:
    """Return a place at the provider as one of ours; "" if it is not the provider's."""
    base = provider.base_url.rstrip("/").removesuffix(root)
    if not place.startswith(f"{base}/"):
        return ""
    path, _, query = place[len(base) :].partition("?")
    kept = _keyless(query)
    return f"{origin}{path}?{kept}" if kept else f"{origin}{path}"


def _unsafe() -> Failure:
    return invalid(
        "this path is not passed on: it has an empty or dotted segment, a backslash, or what no path holds",
        "path",
    )
