"""Behaviours as values: what is refused, and what an error becomes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.core.failure import Kind, Source
from dragoman.simulator.behaviour import Behaviour, Error


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ({"tokens": -1}, "$.tokens"),
        ({"tokens_per_s": 0}, "$.tokens_per_s"),
        ({"latency_s": -0.1}, "$.latency_s"),
        ({"chunk_size": 0}, "$.chunk_size"),
        ({"tool_calls": "maybe"}, "$.tool_calls"),
        ({"speed": 3}, "speed"),
        ({"echo": "user"}, "$.echo"),
        ({"call": [{"arguments": {}}]}, "$.call[0]"),
        ({"error": {"status": 200}}, "$.error.status"),
        ({"faults": [{"kind": "explode"}]}, "$.faults[0].kind"),
        ({"faults": [{"kind": "end"}]}, "needs an at_frame"),
        ({"faults": [{"kind": "bomb", "at_frame": 3}]}, "takes no at_frame"),
        ({"faults": [{"kind": "raw", "data": "\u20ac"}]}, "U+00FF"),
    ],
)
def test_what_makes_no_sense_is_refused(value: dict[str, Any], at: str) -> None:
    """A wrong behaviour is refused with the place of the fault."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Behaviour)
    assert at in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "source"),
    [
        (400, Kind.INVALID, Source.CLIENT),
        (429, Kind.RATE_LIMITED, Source.CLIENT),
        (500, Kind.INTERNAL, Source.GATEWAY),
        (529, Kind.OVERLOADED, Source.GATEWAY),
        (418, Kind.INTERNAL, Source.CLIENT),
    ],
)
def test_an_error_is_of_the_kind_its_status_suggests(status: int, kind: Kind, source: Source) -> None:
    """A script need only say a status."""
    failure = Error(status=status, code="word", retry_after_s=2).failure()
    assert (failure.kind, failure.source, failure.code, failure.retry_after_s) == (kind, source, "word", 2)


def test_an_error_may_say_its_kind() -> None:
    """The kind named wins over the status."""
    assert Error(status=400, kind=Kind.CONTEXT_LENGTH).failure().kind is Kind.CONTEXT_LENGTH
