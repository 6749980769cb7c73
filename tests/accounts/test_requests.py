"""What may be asked of the log, by whom; and one request told wholly."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dragoman.accounts.ratings import Ledgered
from dragoman.accounts.requests import (
    MOST_LIVE,
    NONE,
    QUERY,
    Asked,
    Progress,
    Words,
    listed,
    losses,
    read_filters,
    still_under_way,
    tell,
    under_way,
)
from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, RatingRow
from dragoman.store.requests import Filters
from dragoman.store.sqlite import SqliteStore

NOW = 1_795_000_000.0


def row(**more: Any) -> ExchangeRow:
    """Return an exchange that has ended."""
    fields: dict[str, Any] = {
        "id": "x",
        "request_id": "x",
        "owner": "me",
        "key": "a",
        "dialect": "prompt",
        "task": "generate",
        "model": "m",
        "stream": False,
        "opened_at": NOW - 10,
        "state": "settled",
        "latency_ms": 5.0,
    }
    return ExchangeRow(**(fields | more))


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ({}, Asked(Filters())),
        ({"key": "", "model": " ", "from": "", "sort": ""}, Asked(Filters())),
        ({"key": "k", "team": NONE, "route": "r"}, Asked(Filters(key="k", team="", route="r"))),
        ({"state": "live"}, Asked(Filters(state="reserved"))),
        ({"state": "failed", "failure": "timeout"}, Asked(Filters(state="failed", failure="timeout"))),
        ({"cached": "TRUE", "lossy": "0"}, Asked(Filters(cached=True, lossy=False))),
        ({"cost": "unknown"}, Asked(Filters(priced=False))),
        ({"cost": "known", "min_cost": "$0.0000015"}, Asked(Filters(priced=True, min_cost_micros=2))),
        ({"min_latency": "1500.5"}, Asked(Filters(min_latency_ms=1500.5))),
        ({"from": "100", "to": "200"}, Asked(Filters(since=100.0, until=200.0))),
        ({"period": "day"}, Asked(Filters(since=(NOW - 86_400) // 3600 * 3600))),
        ({"sort": "cost", "limit": "7"}, Asked(Filters(), "cost", 7)),
        ({"after": "abc", "id": "req"}, Asked(Filters(id="req"), after="abc")),
    ],
)
def test_a_query_is_read(query: dict[str, str], asked: Asked) -> None:
    """Each parameter is a condition; what is empty is none."""
    assert read_filters(query, own=None, now=NOW) == asked


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("frob", "1"),
        ("state", "happy"),
        ("cached", "maybe"),
        ("cost", "free"),
        ("min_cost", "-1"),
        ("min_cost", "nan"),
        ("min_cost", "inf"),
        ("min_cost", "1e999999"),
        ("min_cost", "9" * 31),
        ("min_latency", "1e5"),
        ("min_latency", "-1"),
        ("sort", "random"),
        ("limit", "0"),
        ("limit", "201"),
        ("from", "yesterday"),
        ("period", "decade"),
    ],
)
def test_what_is_none_is_refused_by_name(name: str, words: str) -> None:
    """A fault is the client's, and says which parameter; nothing is guessed."""
    with pytest.raises(Failure) as refused:
        read_filters({name: words}, own=None, now=NOW)
    assert (refused.value.kind, refused.value.at) == (Kind.INVALID, name)


def test_a_member_sees_its_own() -> None:
    """Its key stands whatever it asks; another's, a team's and a user's are refused."""
    assert read_filters({}, own="mine", now=NOW).filters.key == "mine"
    assert read_filters({"key": "mine"}, own="mine", now=NOW).filters.key == "mine"
    for query in ({"key": "other"}, {"key": NONE}, {"team": "t"}, {"user": "u"}):
        with pytest.raises(Failure) as refused:
            read_filters(query, own="mine", now=NOW)
        assert refused.value.kind is Kind.FORBIDDEN


def test_every_parameter_is_a_condition_or_says_how_to_list() -> None:
    """Nothing that may be asked is left unread."""
    values = {"state": "failed", "cost": "known", "min_cost": "1", "min_latency": "1", "sort": "oldest",
              "limit": "3", "from": "5", "to": "9"}  # fmt: skip
    for name in set(QUERY) - {"period"}:
        value = values.get(name, "true")
        assert read_filters({name: value}, own=None, now=NOW) != Asked(Filters()), name


def test_one_request_is_told_wholly() -> None:
    """Its time, cost and losses, what was said, and a command that says it again where that was logged."""
    found = row(losses=("dropped:top_k", "approximated:tools[0]", "odd"))
    attempt = AttemptRow(exchange_id="x", number=1, provider="p", model="m", opened_at=NOW, state="settled")
    rating = RatingRow("x", "a", "m", 4, "", NOW)
    told = tell(
        Ledgered(found, (attempt,), rating),
        find=lambda *_: (None, ""),
        words=Words("Say hi", "hi"),
        url="http://here",
    )
    assert told.spans[-1].end_ms == 5.0
    assert [line.why for line in told.lines] == ["nobody knows what was used"]
    assert [one.words for one in told.losses] == [
        "top_k was not passed on",
        "tools[0] was passed on as nearly as could be",
        "odd was lost",
    ]
    assert told.rating == rating
    assert told.replay is not None
    assert "Say hi" in told.replay
    conversation = tell(Ledgered(row(dialect="openai_chat"), (), None), find=lambda *_: (None, ""),
                        words=Words("user: Say hi"), url="http://here")  # fmt: skip
    assert "Say hi" not in (conversation.replay or "")
    assert losses(row()) == ()


def test_lists_and_what_is_under_way_come_from_the_store(tmp_path: Path) -> None:
    """A list is the store's page; an exchange under way has its age, and its progress where that is known."""

    async def scene() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            for number, key in enumerate("ab"):
                open_ = row(id=key, key=key, state="reserved", latency_ms=None, opened_at=NOW - 10 + number)
                attempt = AttemptRow(exchange_id=key, number=1, provider="p", model="m", opened_at=NOW)
                await store.open_exchange(open_, attempt)
            page = await listed(store, read_filters({"state": "live"}, own=None, now=NOW))
            assert [one.id for one in page.rows] == ["b", "a"]
            known = {"b": Progress(3, 40, None)}
            going = await under_way(store, known.get, now=NOW, limit=MOST_LIVE)
            assert [(one.live.row.id, one.age_s, one.progress) for one in going.oldest] == [
                ("a", 10.0, None),
                ("b", 9.0, known["b"]),
            ]
            assert going.total == 2
            going = await under_way(store, known.get, now=NOW, limit=1)
            assert ([one.live.row.id for one in going.oldest], going.total) == (["a"], 2)
            ended = row(id="ended")
            some = await still_under_way(store, [ended, page.rows[0]], known.get, now=NOW)
            assert [(id_, one.live.attempts[0].provider, one.progress) for id_, one in some.items()] == [
                ("b", "p", known["b"])
            ]
            await store.close()
            assert await still_under_way(store, [ended], known.get, now=NOW) == {}  # nobody is asked
        finally:
            await store.close()

    asyncio.run(scene())
