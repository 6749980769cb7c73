"""Pages of budgets and prices as they are described: every example is answered so, and so are refusals."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.house import ask
from tests.server.openapi.scene import Case, gate, published
from tests.server.openapi.test_keys import BOSS, KEYS, wrong

from dragoman.server.openapi import budgets, prices
from dragoman.server.openapi.operation import Operations

PAGES = {"budgets": budgets.OPERATIONS, "prices": prices.OPERATIONS}


def order(case: Case) -> tuple[bool, bool]:
    """Return when a case is played: what makes comes first, what takes away last."""
    return case.method == "DELETE", case.method == "GET"


@pytest.mark.parametrize("operations", PAGES.values(), ids=PAGES)
def test_every_example_is_answered_as_described(tmp_path: Path, operations: Operations) -> None:
    """What the document says to send can be sent, and what comes back is what it says."""

    async def play() -> None:
        async with gate(tmp_path, **KEYS) as running:
            document = await published(running)
            ours = [case for case in document.cases(operator=True) if case.key in operations]
            ours += [case for case in document.cases() if case.key in operations]
            assert {case.key for case in ours} == operations.keys()
            for case in sorted(ours, key=order):
                document.asks(case)
                got = await ask(running.port, case.request(BOSS))
                assert got.status == 200, (case.key, got.body)
                document.tells(case, got)

    asyncio.run(play())


@pytest.mark.parametrize("operations", PAGES.values(), ids=PAGES)
def test_refusals_are_told_as_described(tmp_path: Path, operations: Operations) -> None:
    """Whatever is wrong, the status is one the document has, in its shape."""

    async def play() -> None:
        told: set[int] = set()
        async with gate(tmp_path, **KEYS) as running:
            document = await published(running)
            ours = [case for case in document.cases(operator=True) if case.key in operations]
            for case in ours:
                for varied, headers in wrong(case):
                    got = await ask(running.port, varied.request(headers))
                    document.tells(case, got)
                    told.add(got.status)
                if case.body is not None:
                    strange = msgspec.structs.replace(
                        case, body={**case.body, "dollars": "much", "input": "much"}
                    )
                    got = await ask(running.port, strange.request(BOSS))
                    document.tells(case, got)
                    assert got.status == 400
            await running.gateway.store.close()
            for case in ours:
                got = await ask(running.port, case.request(BOSS))
                document.tells(case, got)
                told.add(got.status)
        assert told >= {200, 400, 401, 403, 503}

    asyncio.run(play())
