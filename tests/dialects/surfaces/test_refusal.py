"""How a refusal is told by the surfaces and the JSON pages."""

from __future__ import annotations

import pytest

from dragoman.core.failure import STATUS, Failure, Kind, invalid
from dragoman.dialects.surfaces.refusal import delay, described, write_refusal


def test_a_refusal_is_readable_by_fastapi_clients_and_by_scripts() -> None:
    """`detail` is the message, and the error says kind, code and place."""
    reply = write_refusal(invalid("expected a string, got a number", "$.prompt", code="odd"))
    message = "expected a string, got a number"
    assert (reply.status, reply.headers) == (400, {})
    assert reply.body == {
        "detail": message,
        "error": {"message": message, "type": "invalid", "code": "odd", "at": "$.prompt"},
    }


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_status_and_its_name(kind: Kind) -> None:
    """A client can tell whose fault it is by the status, and what it is by the type."""
    reply = write_refusal(Failure(kind, "no"))
    assert reply.status == STATUS[kind]
    assert reply.body["error"] == described(Failure(kind, "no"))
    assert reply.body["error"]["type"] == kind.value
    assert reply.body["error"]["at"] is None


@pytest.mark.parametrize(
    ("wait", "told"), [(None, {}), (0.2, {"retry-after": "1"}), (7.0, {"retry-after": "7"})]
)
def test_when_to_come_back_is_in_whole_seconds(wait: float | None, told: dict[str, str]) -> None:
    """The header never says less than what was asked for."""
    failure = Failure(Kind.RATE_LIMITED, "slowly", retry_after_s=wait)
    assert delay(failure) == told
    assert write_refusal(failure).headers == told
