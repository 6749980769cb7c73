"""Figures as they are told: names and units, and CSV that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.accounts.rows import DAY, NOW, book, by_chance, play

from dragoman.accounts import figures
from dragoman.accounts.explored import Lost, explored
from dragoman.accounts.figures import cell, changes, iso, table
from dragoman.accounts.reports import read
from dragoman.accounts.times import LAST
from dragoman.store.reports import MEASURES, Spread, Sums
from dragoman.store.spread import bucket
from dragoman.store.sqlite import SqliteStore


def test_every_measure_is_told() -> None:
    """No two figures are the same measure, and none of them is left out."""
    sums = Sums(**{name: 1000 + place for place, name in enumerate(MEASURES)})
    told = figures.figures(sums)
    ours = {
        "requests": sums.requests,
        "errors": sums.failed,
        "cancelled": sums.cancelled,
        "cached": sums.cached,
        "fallback": sums.fallback,
        "streamed": sums.streamed,
        "lossy": sums.lossy,
        "attempts": sums.attempts,
        "tokens": sums.input + sums.output,
        "prompt_tokens": sums.input,
        "cache_read_tokens": sums.cache_read,
        "completion_tokens": sums.output,
        "reasoning_tokens": sums.reasoning,
        "estimated": sums.estimated,
        "cost_usd": sums.cost_micros / 1e6,
        "unknown_cost": sums.unknown_cost,
        "saved_usd": sums.saved_micros / 1e6,
        "avg_latency_ms": round(sums.latency_us / sums.latencies / 1000, 1),
        "avg_first_event_ms": round(sums.first_event_us / sums.first_events / 1000, 1),
    }
    assert told == ours


def test_what_nobody_knows_is_null() -> None:
    """A cost without a known one, a mean and a share of nothing; and no zero in their place."""
    told = figures.figures(Sums(requests=2, unknown_cost=2), Spread())
    unknown = {"cost_usd", "avg_latency_ms", "avg_first_event_ms"}
    unknown |= {f"{name}_{what}_ms" for name in figures.SHARES for what in ("latency", "first_event")}
    assert {name for name, value in told.items() if value is None} == unknown
    partly = figures.figures(Sums(requests=2, unknown_cost=1, cost_micros=5))
    assert (partly["cost_usd"], partly["unknown_cost"]) == (0.000005, 1)


def test_shares_are_of_their_own_spread() -> None:
    """Of a hundred durations, 50, 90, 95 and 99 do not exceed what is told."""
    counts: dict[int, int] = {}
    for ms in range(10, 1010, 10):
        place = bucket(ms * 1000)
        counts[place] = counts.get(place, 0) + 1
    told = figures.shares(Spread(latency=counts, first_event={bucket(7000): 3}))
    for name, ms in (("p50", 500), ("p90", 900), ("p95", 950), ("p99", 990)):
        assert told[f"{name}_latency_ms"] == pytest.approx(ms, rel=0.03)
        assert told[f"{name}_first_event_ms"] == pytest.approx(7, rel=0.03)


@given(st.dictionaries(st.integers(0, 400), st.integers(1, 50)))
def test_shares_are_the_stores_own(counts: dict[int, int]) -> None:
    """However durations are spread, each share is what the store says of it."""
    spread = Spread(latency=counts)
    told = figures.shares(spread)
    for name, share in figures.SHARES.items():
        assert told[f"{name}_latency_ms"] == figures.tenth(spread.latency_ms(share))
        assert told[f"{name}_first_event_ms"] is None


def test_changes_are_of_the_same_figures() -> None:
    """Each is a share of what was; where that was nothing, or nobody knows, it is null."""
    now, then = Sums(requests=3, failed=1, cost_micros=30), Sums(requests=2, cost_micros=40)
    assert changes(now, then) == {
        "requests": 0.5,
        "errors": None,
        "tokens": None,
        "cost_usd": -0.25,
        "avg_latency_ms": None,
        "avg_first_event_ms": None,
    }
    assert changes(Sums(requests=1, unknown_cost=1), then)["cost_usd"] is None


@pytest.mark.parametrize("by", [None, "model", "day"])
def test_csv_and_json_say_the_same(tmp_path: Path, by: str | None) -> None:
    """A row for each group and stretch, whose figures are those of the JSON; the rest has no name."""

    async def scene(db: SqliteStore) -> None:
        await book(db, by_chance(Random(6), 120, back=3 * DAY))
        query = {"period": "week", "compare": "previous"}
        query |= {"group_by": by} if by else {}
        query |= {"interval": "day"} if by != "day" else {}
        query |= {"top": "2"} if by == "model" else {}
        found = await explored(db.reports, read(query, own=None, now=NOW), fine=True)
        told = json.loads(msgspec.json.encode(figures.told(found)))
        rows = list(csv.DictReader(io.StringIO(figures.csv_of(found), newline="")))
        if by != "model":
            assert [{**row} for row in rows] == [texts(point) for point in told["series"]]
            return
        groups = [*told["groups"], told["other"]]
        want = [
            {
                "model": tame(group["model"]) if "model" in group else "",
                "groups": str(group.get("groups", 1)),
                **texts(point),
            }
            for group in groups
            for point in group["series"]
        ]
        assert [{**row} for row in rows] == want
        assert [group["groups"] for group in groups[-1:]] == [found.others]
        assert told["total"]["requests"] == sum(group["requests"] for group in groups)

    play(tmp_path, scene)


def texts(figures_: dict[str, Any]) -> dict[str, str]:
    """Return figures as cells."""
    return {name: cell(value) for name, value in figures_.items()}


def tame(name: str | None) -> str:
    """Return a name as a spreadsheet reads it."""
    return "" if name is None else f"'{name}" if name.startswith("=") else name


def test_csv_without_stretches_begins_where_the_report_does(tmp_path: Path) -> None:
    """One row for each group; of all time its beginning is not known, and empty."""

    async def scene(db: SqliteStore) -> None:
        await book(db, by_chance(Random(7), 40))
        for query, at in (({"period": "all"}, ""), ({"from": "2026-11-01"}, "2026-11-01T00:00:00Z")):
            asked = read({**query, "group_by": "team"}, own=None, now=NOW)
            rows = list(csv.DictReader(io.StringIO(figures.csv_of(await explored(db.reports, asked)))))
            assert {row["team"] for row in rows} == {"", "red", "blue"}
            assert {row["at"] for row in rows} == {at}
        none = read({"from": "2001-01-01", "to": "2001-01-01", "group_by": "team"}, own=None, now=NOW)
        assert figures.csv_of(await explored(db.reports, none)).count("\r\n") == 1

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        (" @sum(a1)", "' @sum(a1)"),
        ("\t-2", "'\t-2"),
        ("\uff1dcmd", "'\uff1dcmd"),
        ("\ufeff=cmd", "'\ufeff=cmd"),
        ("\u200b@cmd", "'\u200b@cmd"),
        ("+", "'+"),
        ('=a,"b"', '"\'=a,""b"""'),
        ("a\r\nb", '"a\r\nb"'),
        ("a\0b", "a\ufffdb"),
        ("a=1", "a=1"),
        (-5, "-5"),
        (0.000001, "0.000001"),
        (12.5, "12.5"),
        (3.0, "3"),
        (None, ""),
        (True, "true"),
        ("", ""),
    ],
)
def test_a_cell_is_text_and_nothing_else(value: figures.Cell, written: str) -> None:
    """What a spreadsheet would run begins with a quote; numbers are exact and without an exponent."""
    assert cell(value) == written


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=2, max_size=2)))
def test_any_text_comes_back(rows: list[list[str]]) -> None:
    """Whatever names are made of, a reader of CSV finds as many rows and cells, and no formula."""
    found = list(csv.reader(io.StringIO(table(("a", "b"), rows), newline="")))
    assert len(found) == len(rows) + 1
    for row, read_ in zip(rows, found[1:], strict=True):
        for text, back in zip(row, read_, strict=True):
            assert back in (text, f"'{text}")
            assert not back.lstrip().startswith(("=", "+", "-", "@"))


def test_losses_are_told() -> None:
    """As JSON with their time, as CSV a row each."""
    found = Lost(None, 3600.0, 4, 2, (("dropped", "seed", 2), ("clamped", "=x", 1)), more=True)
    assert figures.lost(found) == {
        "from": None,
        "to": "1970-01-01T01:00:00Z",
        "requests": 4,
        "lossy": 2,
        "losses": [
            {"how": "dropped", "what": "seed", "requests": 2},
            {"how": "clamped", "what": "=x", "requests": 1},
        ],
        "more": True,
    }
    assert figures.csv_of_lost(found) == "how,what,requests\r\ndropped,seed,2\r\nclamped,'=x,1\r\n"


def test_instants_are_told_to_what_they_are() -> None:
    """Whole seconds where it is one, milliseconds else; the end of all times as its last second."""
    assert (iso(NOW), iso(0)) == ("2026-11-21T15:30:00.500Z", "1970-01-01T00:00:00Z")
    assert iso(LAST) == "9999-12-31T23:59:59Z"
