"""Pages of reports as they are described: what comes back is what the document says, empty or full."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import msgspec
import pytest
from tests.accounts.rows import book, by_chance
from tests.house import ask
from tests.server.openapi.scene import Case, gate, published
from tests.server.openapi.test_keys import BOSS, KEYS, wrong

from dragoman.server.openapi import pages, usage
from dragoman.store import RatingRow

REPORTS = {
    *usage.OPERATIONS,
    *(key for key in pages.OPERATIONS if "/usage/" in key),
}
QUERIES: tuple[dict[str, str], ...] = (
    {},
    {"group_by": "model", "top": "1", "compare": "previous", "period": "month"},
    {"group_by": "day", "period": "week"},
    {"interval": "week", "group_by": "key", "compare": "previous", "top": "1", "period": "month"},
    {"format": "csv", "period": "day"},
    {"from": "2020-01-01", "to": "2020-01-02"},
)


@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_what_is_told_is_what_is_described(tmp_path: Path, *, full: bool) -> None:
    """Whatever is asked of them: what they take is answered as described, what they do not is refused so."""

    async def play() -> None:
        async with gate(tmp_path, **KEYS) as running:
            if full:
                store, now = running.gateway.store, running.gateway.services.now()
                rows = by_chance(Random(1), 60, until=now)
                await book(store, rows)
                await store.ratings.keep(RatingRow(rows[0].id, "one", "m", 4, "good", now))
            document = await published(running)
            ours = [Case(key, operation) for key, operation in document.operations() if key in REPORTS]
            assert {case.key for case in ours} == REPORTS
            for case in ours:
                got = await ask(running.port, case.request(BOSS))
                assert got.status == 200, (case.key, got.body)
                document.tells(case, got)
                told = set()
                for query in QUERIES:
                    got = await ask(running.port, with_query(case, query).request(BOSS))
                    document.tells(case, got)
                    told.add(got.status)
                assert 200 in told

    asyncio.run(play())


def with_query(case: Case, query: dict[str, str]) -> Case:
    """Return a case with another query."""
    key = f"{case.key}?{urlencode(query)}"
    params = [one for one in case.operation["parameters"] if one.get("in") != "query"]
    return msgspec.structs.replace(case, key=key, operation={**case.operation, "parameters": params})


def test_refusals_are_told_as_described(tmp_path: Path) -> None:
    """Whatever is wrong, the status is one the document has, in its shape."""

    async def play() -> None:
        told: set[int] = set()
        async with gate(tmp_path, **KEYS) as running:
            document = await published(running)
            told_of = document.operations()
            ours = [Case(key, operation) for key, operation in told_of if key in usage.OPERATIONS]
            for case in ours:
                for varied, headers in (*wrong(case), (with_query(case, {"no": "such"}), BOSS)):
                    got = await ask(running.port, varied.request(headers))
                    document.tells(case, got)
                    told.add(got.status)
            await running.gateway.store.close()
            for case in ours:
                got = await ask(running.port, case.request(BOSS))
                document.tells(case, got)
                told.add(got.status)
        assert told >= {200, 400, 401, 403, 503}

    asyncio.run(play())
