"""Points: no two of a series at one time, no name that breaks a line, nothing that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sinks.records import AT, row

from dragoman.sinks.points import LONGEST, Points, escaped
from dragoman.store import Meters


def split(**changes: Any) -> tuple[str, dict[str, str], int]:
    """Return an exchange's series, fields and time."""
    series, fields, at = Points().line(row(**changes)).decode().rstrip("\n").split(" ")
    return series, dict(field.split("=") for field in fields.split(",")), int(at)


def test_a_point_has_what_was_booked() -> None:
    """Integers end in i, the rest are floats and booleans; tags are in order."""
    series, fields, at = split()
    assert series == "llm_request,cached=false,key=alice,model=m,provider=p,status=200,stream=true"
    assert fields == {
        "prompt_tokens": "10i",
        "completion_tokens": "20i",
        "cost_usd": "0.001250",
        "latency_ms": "1100.500",
        "ttft_ms": "100.000",
        "chunks": "5i",
        "tokens_per_s": "19.990",
        "fallback": "false",
    }
    assert at // 1_000_000 == int(AT * 1000)


def test_what_nobody_knows_is_left_out() -> None:
    """A refused request has no cost, no speed and no first token; these are not 0."""
    _, fields, _ = split(
        meters=Meters(), first_event_ms=None, latency_ms=None, provider=None, answered_model=None, status=None
    )
    assert fields == {"prompt_tokens": "0i", "completion_tokens": "0i", "chunks": "5i", "fallback": "false"}


def test_speed_is_of_the_answer_alone() -> None:
    """A stream's is from its first piece on, a whole answer's from the request on, a recording has none."""
    assert split(stream=False)[1]["tokens_per_s"] == f"{20 / 1.1005:.3f}"
    assert "tokens_per_s" not in split(cached=True)[1]
    assert "tokens_per_s" not in split(first_event_ms=1100.5)[1]


def test_two_exchanges_never_share_a_time() -> None:
    """Of one series, in one instant: as many times as exchanges, all in its millisecond or hardly after."""
    points = Points()
    times = [int(points.line(row(number, opened_at=AT)).split()[-1]) for number in range(20_000)]
    assert len({*times}) == len(times)
    assert {time // 1_000_000 for time in times} <= {int(AT * 1000), int(AT * 1000) + 1}


def test_times_that_meet_move_apart() -> None:
    """The same exchange twice is two points; another series may have the time."""
    points = Points()
    first, second, other = (points.line(row(key=key)) for key in ("a", "a", "b"))
    assert int(second.split()[-1]) - int(first.split()[-1]) == 1
    assert other.split()[-1] == first.split()[-1]


def test_a_time_is_made_of_the_exchange() -> None:
    """Whoever writes an exchange's point writes the same one."""
    assert Points().line(row(3)) == Points().line(row(3))
    assert split(number=3, opened_at=AT)[2] != split(number=4, opened_at=AT)[2]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a b,c=d", r"a\ b\,c\=d"),
        ("back\\", "back_"),
        ("\\,x=1", r"_\,x\=1"),
        ("line\nbreak\r\u2028\u0085\0", "line_break____"),
        ("", "none"),
        ("日本\tü", "日本_ü"),
        ("x" * 1000, "x" * LONGEST),
        ('"quoted"', '"quoted"'),
    ],
)
def test_a_name_is_one_value(name: str, written: str) -> None:
    """What line protocol knows is escaped, what it cannot have is replaced."""
    assert escaped(name) == written


def test_names_that_nobody_knows_are_one() -> None:
    """A client that makes up models makes no series; one that answered, or is configured, has its own."""

    def model(**changes: Any) -> str:
        points = Points(lambda name: name == "configured")
        return points.line(row(**changes)).decode().split("model=")[1].split(",")[0]

    unasked: dict[str, Any] = {"first_event_ms": None, "provider": None, "answered_model": None}
    assert model(**unasked, model="made up") == "other"
    assert model(**unasked, model="configured") == "configured"
    assert model(first_event_ms=None, answered_model="made up") == "other"
    assert model(first_event_ms=None, answered_model="m", cached=True) == "m"
    assert model(answered_model="anything") == "anything"


def test_half_a_character_costs_no_point() -> None:
    """A lone surrogate is a question mark."""
    assert split(key="\ud800")[0].split("key=")[1].startswith("?")
