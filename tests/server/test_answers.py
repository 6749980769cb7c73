"""What pages answer with."""

from __future__ import annotations

import json

import pytest
from starlette.responses import Response
from starlette.routing import Route

from dragoman.core.failure import Failure, Kind, invalid
from dragoman.server.answers import in_json, refused, slashless


def test_an_answer_is_json_with_its_status() -> None:
    """Bytes, kind and headers."""
    got = in_json({"ä": 1}, 201, {"x-mine": "yes"})
    assert (got.status_code, got.headers["content-type"]) == (201, "application/json")
    assert (json.loads(bytes(got.body)), got.headers["x-mine"]) == ({"ä": 1}, "yes")


def test_a_refusal_has_both_forms_of_its_message_and_when_to_come_back() -> None:
    """The status of its kind; ``detail`` for one kind of client, ``error`` for the others."""
    got = refused(Failure(Kind.RATE_LIMITED, "slower", retry_after_s=2.2), {"connection": "close"})
    assert (got.status_code, got.headers["retry-after"], got.headers["connection"]) == (429, "3", "close")
    body = json.loads(bytes(refused(invalid("no", "$.a")).body))
    assert (body["detail"], body["error"]["at"]) == ("no", "$.a")


@pytest.mark.parametrize(
    ("path", "query", "there"),
    [
        ("/here/", b"", "/here"),
        ("/here//", b"a=%2F&b", "/here?a=%2F&b"),
        ("/here/\u00fc b/", b"", "/here/%C3%BC%20b"),
        ("/here", b"", ""),
        ("/nowhere/", b"", ""),
        ("//here/", b"", ""),
        ("/", b"", ""),
    ],
)
def test_a_slash_too_many_leads_to_where_something_is(path: str, query: bytes, there: str) -> None:
    """To a path of this server and to no other: two slashes would be another host."""
    routes = [Route("/here", Response), Route("/here/{more}", Response), Route("//{host:path}", Response)]
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "query_string": query}
    assert slashless(scope, routes) == there
