"""What pages answer with."""

from __future__ import annotations

import json

from dragoman.core.failure import Failure, Kind, invalid
from dragoman.server.answers import in_json, refused


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
