"""A gateway without keys serves this machine and no web page."""

from __future__ import annotations

import pytest

from dragoman.accounts.loopback import check, is_loopback
from dragoman.core.failure import Failure, Kind

GOOD = {"host": "127.0.0.1:8080", "content-type": "application/json"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3:80", "localhost:8080", "[::1]:8080", "a.localhost", "LOCALHOST."]
)
def test_loopback_hosts_are_served(host: str) -> None:
    """Any name or address that can only mean this machine."""
    check("POST", {**GOOD, "host": host})


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "localhost@evil.example"},
        {"host": ""},
        {"host": "[::1"},
        {"host": "0.0.0.0"},
        {"host": "2130706433"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
    ],
)
def test_what_a_web_page_may_send_is_refused(headers: dict[str, str]) -> None:
    """Rebinding, cross-site posts and simple content types get 403 with the header's name."""
    with pytest.raises(Failure) as caught:
        check("POST", {**GOOD, **headers})
    assert caught.value.kind is Kind.FORBIDDEN
    assert next(iter(headers)) in caught.value.message.lower()


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "x-goog-api-key", "api-key"])
def test_what_a_page_may_not_send_unasked_is_no_pages(name: str) -> None:
    """An SDK sends a key even where none is needed: it may post files. Host and Origin hold all the same."""
    upload = {"host": "localhost", "content-type": "multipart/form-data; boundary=x"}
    check("POST", {**upload, name: "any"})
    for headers in ({**upload, name: ""}, {**upload, name: "any", "origin": "https://evil.example"}):
        with pytest.raises(Failure):
            check("POST", headers)


def test_a_local_page_may_ask() -> None:
    """The playground is served from the same origin."""
    check("POST", {**GOOD, "origin": "http://localhost:8080", "sec-fetch-site": "same-origin"})
    check("GET", {"host": "localhost"})


def test_names_that_are_not_addresses_are_not_loopback() -> None:
    """Nothing is resolved: a name that DNS points here is still foreign."""
    assert not is_loopback("example.com")
    assert not is_loopback("10.0.0.1")
