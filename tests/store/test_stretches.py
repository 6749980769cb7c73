"""The log's SQL, without a database: which queries are asked of which rows, and when it is enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dragoman.store import stretches
from dragoman.store.requests import Filters, Spot
from dragoman.store.stretches import Look, Looked, Query, Stretch, Tongue, look_through

TONGUE = Tongue(mark="?", place="rowid", by="indexed by {}")


def looked(look: Look, answers: Sequence[Sequence[Sequence[Any]]]) -> tuple[list[Query], Looked]:
    """Look through an hour, with these rows for the queries in order; return these and what was found."""
    looking = look_through(look, [Stretch(0.0, 3600.0)], TONGUE)
    queries = [next(looking)]
    left = list(answers)
    while True:
        try:
            queries.append(looking.send(left.pop(0)))
        except StopIteration as done:
            assert not left
            return queries, done.value


def look(*, take: int = 5, rows: int = 100, **conditions: Any) -> Look:
    """Return what is looked for, from the newest on."""
    return Look(Filters(**conditions), "newest", None, take, rows)


def test_a_stretch_without_rows_costs_two_looks_at_an_index() -> None:
    """Where it ends, and how many there are: no row is read."""
    queries, found = looked(look(), [[], [(0,)]])
    assert found == Looked([], 0, None)
    assert [query.sql.split()[1] for query in queries] == ["opened_at,", "count(*)"]


def test_what_is_found_is_taken_until_it_is_enough() -> None:
    """With as many as suffice the last of them is where it stopped; the values go with their places."""
    hits = [(0, 50.0 - place, place) for place in range(5)]
    queries, found = looked(look(key="a"), [[], [(9,)], hits])
    assert found.stopped == Spot(46.0, 4)
    assert [one.spot for one in found.seen] == [Spot(at, place) for _, at, place in hits]
    assert "a" in queries[-1].values
    assert "'a'" not in queries[-1].sql


def test_it_is_looked_through_chunk_by_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a chunk's end is not the stretch's, the next begins there; the budget ends it."""
    monkeypatch.setattr(stretches, "CHUNK", 4)
    ends = [[(40.0, 4)], [], [(30.0, 3)], []]
    queries, found = looked(look(rows=8), ends)
    assert found == Looked([], 8, Spot(30.0, 3))
    assert queries[2].values[:2] == (40.0, 4)


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ({}, "exchange_opened_at"),
        ({"key": "a", "team": "t"}, "exchange_key"),
        ({"team": "t", "user": "u"}, "exchange_user"),
        ({"team": ""}, "exchange_opened_at"),
        ({"state": "failed"}, "exchange_ended_badly"),
        ({"failure": "timeout"}, "exchange_ended_badly"),
        ({"failure": ""}, "exchange_opened_at"),
        ({"state": "settled"}, "exchange_opened_at"),
    ],
)
def test_the_index_that_leaves_fewest_is_taken(conditions: dict[str, Any], index: str) -> None:
    """A key's rows by the key, failures by theirs, the rest by time."""
    queries, _ = looked(look(**conditions), [[], [(0,)]])
    assert all(f"indexed by {index} " in query.sql for query in queries)
