"""What passes unread: never to another place, never with somebody's credential."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.providers import Provider
from dragoman.providers.passage import HARMLESS, below, beside, checked, forwarded, returned

OPENAI = Provider(name="openai", dialect="openai_chat", base_url="https://api.openai.com/v1")
GROQ = Provider(name="groq", dialect="openai_chat", base_url="https://api.groq.com/openai/v1/")
BARE = Provider(name="bare", dialect="openai_chat", base_url="https://api.deepseek.com")
GEMINI = Provider(name="gemini", dialect="gemini", base_url="https://g.example/v1beta")

CLIMBS = [
    "/relay/openai/../secret",
    "/relay/openai/v1/..",
    "/relay/openai/./v1",
    "/relay/openai/%2e%2e/secret",
    "/relay/openai/.%2E/secret",
    "/relay/openai/%252e%252e/secret",
    "/relay/openai/%25252e./secret",
    "/relay/openai/x%2f..%2fsecret",
    "/relay/openai/x%5c..%5csecret",
    "/relay/openai/x\\y",
    "/relay/openai/..;a=1/secret",
    "/relay/openai//evil.example/x",
    "/relay/openai/%2f/evil.example",
    "/relay/openai/https://evil.example/x",
    "/relay/openai/https:%2f%2fevil.example/x",
    "/relay/openai/a%0d%0ax-evil:1",
    "/relay/openai/a%00",
    "/relay/openai/a b",
    "/relay/openai/\u00e9",
    "/relay/openai/a?b",
    "/relay/openai/a#b",
    "/relay/openai/a%252525252541",
]


@pytest.mark.parametrize("path", CLIMBS)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    """However it is spelt, and however often it has to be decoded to be seen."""
    with pytest.raises(Failure) as caught:
        checked(path)
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    "path",
    ["/v1/files/file-1", "/v1/files/", "/v1/a%20b", "/v1/...", "/v1/.hidden", "/v1/a@b:c", "/v1/x%2fy", "/"],
)
def test_any_other_path_stays_as_it_is_spelt(path: str) -> None:
    """Ids may hold nearly anything."""
    assert checked(path) == path


@pytest.mark.parametrize(
    ("provider", "rest", "url"),
    [
        (OPENAI, "files", "https://api.openai.com/v1/files"),
        (OPENAI, "v1/files", "https://api.openai.com/v1/files"),
        (OPENAI, "v1/v1/files", "https://api.openai.com/v1/v1/files"),
        (OPENAI, "v1beta/files", "https://api.openai.com/v1/v1beta/files"),
        (OPENAI, "", "https://api.openai.com/v1"),
        (OPENAI, "v1", "https://api.openai.com/v1"),
        (OPENAI, "v1/", "https://api.openai.com/v1"),
        (GROQ, "v1/models", "https://api.groq.com/openai/v1/models"),
        (GROQ, "openai/v1/models", "https://api.groq.com/openai/v1/models"),
        (GROQ, "openai/models", "https://api.groq.com/openai/v1/openai/models"),
        (BARE, "v1/models", "https://api.deepseek.com/v1/models"),
        (OPENAI, "@evil.example/x", "https://api.openai.com/v1/@evil.example/x"),
    ],
)
def test_a_version_is_not_said_twice(provider: Provider, rest: str, url: str) -> None:
    """With or without it, a client finds the same place."""
    assert below(provider, rest, "") == url


@pytest.mark.parametrize(
    ("provider", "root", "path", "url"),
    [
        (OPENAI, "/v1", "/v1/files", "https://api.openai.com/v1/files"),
        (GROQ, "/v1", "/v1/files", "https://api.groq.com/openai/v1/files"),
        (BARE, "/v1", "/v1/completions", "https://api.deepseek.com/completions"),
        (GEMINI, "/v1beta", "/v1beta/files", "https://g.example/v1beta/files"),
        (GEMINI, "/v1beta", "/upload/v1beta/files", "https://g.example/upload/v1beta/files"),
        (GEMINI, "/v1beta", "/v1/models/x:predict", "https://g.example/v1/models/x:predict"),
    ],
)
def test_a_vendors_path_finds_its_place(provider: Provider, root: str, path: str, url: str) -> None:
    """Inside its version or beside it."""
    assert beside(provider, root, path, "") == url


def test_a_place_nobody_knows_is_refused() -> None:
    """Where the address does not end in the version, what is beside the version cannot be said."""
    with pytest.raises(Failure) as caught:
        beside(BARE, "/v1beta", "/upload/v1beta/files", "")
    assert "does not end in /v1beta" in caught.value.message


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", ""),
        ("key=secret", ""),
        ("a=1&key=secret&b=%20+", "a=1&b=%20+"),
        ("k%65y=secret&a", "a"),
        ("keys=1&alt=media", "keys=1&alt=media"),
        ("key", ""),
    ],
)
def test_a_query_passes_without_the_clients_key(query: str, kept: str) -> None:
    """Every other byte of it stays."""
    assert below(OPENAI, "files", query) == "https://api.openai.com/v1/files" + (f"?{kept}" if kept else "")


@pytest.mark.parametrize("query", ["a=\u00e9", "a=1#b", "a=1 2", "a=\x00"])
def test_a_query_that_is_none_is_refused(query: str) -> None:
    """It would be read differently by whoever reads it next."""
    with pytest.raises(Failure):
        below(OPENAI, "files", query)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_an_address_never_leaves_its_origin(rest: str) -> None:
    """Whatever a client writes, it is refused or goes to the provider, below its path."""
    try:
        url = below(OPENAI, checked(f"/relay/openai/{rest}")[len("/relay/openai/") :], "")
    except Failure:
        return
    parts = urlsplit(url)
    assert parts[:2] == ("https", "api.openai.com")
    assert parts.path == "/v1" or parts.path.startswith("/v1/")


def test_headers_go_on_by_a_list() -> None:
    """The protocol's pass; credentials, cookies, connection and everything unknown stay."""
    passes = {
        "content-type": "multipart/form-data; boundary=x",
        "accept": "*/*",
        "content-disposition": "inline",
        "range": "bytes=0-1",
        "idempotency-key": "i",
        "if-none-match": '"e"',
        "openai-beta": "assistants=v2",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "files-api-2025-04-14",
        "x-goog-upload-command": "start",
    }
    stays = {
        "authorization": "Bearer client",
        "x-api-key": "client",
        "x-goog-api-key": "client",
        "api-key": "client",
        "cookie": "c=1",
        "proxy-authorization": "x",
        "host": "gateway",
        "connection": "keep-alive",
        "content-length": "3",
        "accept-encoding": "gzip",
        "x-forwarded-for": "10.0.0.1",
        "forwarded": "for=10.0.0.1",
        "x-dragoman-provider": "openai",
        "x-stainless-os": "Linux",
        "user-agent": "sdk",
        "openai-organization": "org-other",
        "openai-project": "proj-other",
        "x-goog-user-project": "other",
        "x-unknown": "1",
    }
    assert forwarded(OPENAI, {**passes, **stays}) == passes


def test_what_a_dialects_provider_insists_on_is_added() -> None:
    """Anthropic wants a version; a client's own stays."""
    claude = Provider(name="anthropic", dialect="anthropic")
    assert forwarded(claude, {})["anthropic-version"] == "2023-06-01"
    assert forwarded(claude, {"anthropic-version": "2099-01-01"})["anthropic-version"] == "2099-01-01"


def test_headers_come_back_by_a_list() -> None:
    """What describes the answer passes; cookies, redirects and whose account it is stay."""
    passes = {
        "content-type": "audio/mpeg",
        "content-length": "3",
        "content-disposition": 'attachment; filename="a"',
        "content-range": "bytes 0-1/3",
        "accept-ranges": "bytes",
        "etag": '"e"',
        "retry-after": "3",
        "x-ratelimit-remaining-requests": "0",
        "openai-processing-ms": "5",
        "anthropic-ratelimit-requests-limit": "9",
    }
    stays = {
        "set-cookie": "s=1",
        "location": "https://elsewhere.example",
        "server": "x",
        "transfer-encoding": "chunked",
        "connection": "close",
        "access-control-allow-origin": "*",
        "openai-organization": "org-ours",
        "anthropic-organization-id": "ours",
        "x-dragoman-model": "forged",
    }
    assert returned(OPENAI, "/v1", {**passes, **stays}, origin="http://here") == {**passes, **HARMLESS}


@pytest.mark.parametrize(
    ("told", "ours"),
    [
        (
            "https://g.example/upload/v1beta/files?upload_id=7&key=k",
            "http://here/upload/v1beta/files?upload_id=7",
        ),
        ("https://elsewhere.example/upload?upload_id=7", None),
        ("https://g.example.evil/upload", None),
    ],
)
def test_an_upload_goes_on_at_the_gateway(told: str, ours: str | None) -> None:
    """The client has no key for the provider; a place that is not the provider's is not told at all."""
    back = returned(GEMINI, "/v1beta", {"x-goog-upload-url": told}, origin="http://here")
    assert back.get("x-goog-upload-url") == ours
