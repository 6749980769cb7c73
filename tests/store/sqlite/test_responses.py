"""Kept answers as rows: chains that do not break, keys that do not meet, statuses that change once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.store import ResponseRow
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.responses import STEP, SqliteResponses

MOST = 1 << 30

Scene = Callable[[SqliteResponses], Awaitable[None]]


def play(folder: Path, scene: Scene) -> None:
    """Run `scene` on the kept answers of a store in `folder`."""

    async def run() -> None:
        store = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(store.responses)
        finally:
            await store.close()

    asyncio.run(run())


def row(id_: str, previous: str | None = None, **more: Any) -> ResponseRow:
    """Return an answer that is kept until 100."""
    fields: dict[str, Any] = {
        "key": "anna",
        "status": "completed",
        "background": False,
        "owner": "me",
        "created_at": 1.0,
        "expires_at": 100.0,
        "input": b'["in"]',
        "body": b'{"output":["out"]}',
    }
    return ResponseRow(id=id_, previous=previous, **(fields | more))


async def put(rows: SqliteResponses, *kept: ResponseRow) -> None:
    """Keep rows one after the other."""
    for one in kept:
        await rows.keep(one, (), lambda: b'["whole"]', most=MOST)


async def ids(rows: SqliteResponses, id_: str, now: float = 2) -> list[str]:
    """Return the ids of a chain."""
    return [one.id for one in await rows.history("anna", id_, now=now)]


def test_an_answer_is_found_as_it_was_kept(tmp_path: Path) -> None:
    """Every field survives, and the items say where they are."""

    async def scene(rows: SqliteResponses) -> None:
        kept = row("a", background=True, status="incomplete")
        await rows.keep(kept, [("msg_1", 0), ("fc_1", 1)], bytes, most=MOST)
        assert await rows.find("anna", "a", now=99.9) == kept
        assert await rows.holders("anna", "fc_1", now=2) == [(kept, 1)]
        assert await rows.holders("anna", "fc_2", now=2) == []

    play(tmp_path, scene)


def test_another_keys_rows_are_not_there(tmp_path: Path) -> None:
    """The same id may be two keys', and no method crosses over."""

    async def scene(rows: SqliteResponses) -> None:
        await put(rows, row("a", key="bert", status="queued"))
        assert await rows.find("anna", "a", now=2) is None
        assert await rows.history("anna", "a", now=2) == []
        assert await rows.weigh("anna", "a", now=2) == 0
        assert not await rows.delete("anna", "a", now=2)
        assert not await rows.change("anna", "a", status="failed", body=b"", expires_at=3)
        await put(rows, row("a"), row("b", "a", key="bert"))
        assert [one.key for one in await rows.history("bert", "b", now=2)] == ["bert", "bert"]
        assert await rows.delete("anna", "a", now=2)
        assert await rows.find("bert", "a", now=2) is not None

    play(tmp_path, scene)


def test_a_chain_is_the_history_and_branches_do_not_mix(tmp_path: Path) -> None:
    """Oldest first; two that continue one answer have it in common and nothing else."""

    async def scene(rows: SqliteResponses) -> None:
        await put(rows, row("a"), row("b", "a"), row("c", "b"), row("d", "a"))
        assert await ids(rows, "c") == ["a", "b", "c"]
        assert await ids(rows, "d") == ["a", "d"]
        one = len(row("a").input) + len(row("a").body)
        assert await rows.weigh("anna", "c", now=2) == 3 * one

    play(tmp_path, scene)


def test_a_deleted_answer_stays_in_the_history_of_those_that_continue_it(tmp_path: Path) -> None:
    """It cannot be asked for any more, and it goes with the last one that needs it."""

    async def scene(rows: SqliteResponses) -> None:
        await put(rows, row("a"), row("b", "a"), row("c", "b"), row("d", "a"))
        assert await rows.delete("anna", "a", now=2)
        assert await rows.delete("anna", "b", now=2)
        assert await rows.find("anna", "a", now=2) is None
        assert not await rows.delete("anna", "a", now=2)
        assert await ids(rows, "c") == ["a", "b", "c"]
        assert await rows.delete("anna", "c", now=2)
        assert await ids(rows, "d") == ["a", "d"]
        assert await rows.delete("anna", "d", now=2)

    play(tmp_path, scene)
    with closing(sqlite3.connect(tmp_path / "dragoman.db")) as plain:
        assert plain.execute("select count(*) from response").fetchone() == (0,)


def test_an_answer_whose_predecessor_went_meanwhile_has_the_whole_history(tmp_path: Path) -> None:
    """What was deleted while an answer was being made is still what led to it."""

    async def scene(rows: SqliteResponses) -> None:
        await put(rows, row("b", "gone"))
        found = await rows.find("anna", "b", now=2)
        assert found is not None
        assert (found.previous, found.input) == (None, b'["whole"]')

    play(tmp_path, scene)


def test_past_its_time_an_answer_is_gone_at_once_and_swept_later(tmp_path: Path) -> None:
    """Nobody finds it; as history of a younger one it stays until that one has gone too."""

    async def scene(rows: SqliteResponses) -> None:
        await put(rows, row("a"), row("b", "a", expires_at=200.0), row("c"))
        assert await rows.find("anna", "a", now=100) is None
        assert await ids(rows, "b", 150) == ["a", "b"]
        assert await rows.sweep(150) == 1
        assert await rows.sweep(150) == 0
        assert await ids(rows, "b", 150) == ["a", "b"]
        assert await rows.sweep(200) == 2

    play(tmp_path, scene)


@pytest.mark.parametrize("chained", [False, True])
def test_a_sweep_goes_in_small_steps(tmp_path: Path, *, chained: bool) -> None:
    """No step deletes more than a few, be they one long chain or many short ones."""
    count = 2 * STEP + 5

    async def scene(rows: SqliteResponses) -> None:
        kept = [row(str(n), str(n - 1) if n and chained else None) for n in range(count)]
        await asyncio.gather(*(rows.keep(one, (), bytes, most=MOST) for one in kept))
        steps = []
        while step := await rows.sweep(100):
            steps.append(step)
        assert (sum(steps), max(steps)) == (count, STEP)

    play(tmp_path, scene)


def test_a_status_leaves_the_making_once(tmp_path: Path) -> None:
    """Whoever is first is believed; an answer under way is neither swept nor past its time."""

    async def scene(rows: SqliteResponses) -> None:
        await put(rows, row("a", status="queued"), row("b", status="in_progress", owner="you"))
        assert await rows.sweep(1000) == 0
        assert await rows.find("anna", "a", now=1000) is not None
        assert sorted(await rows.owners()) == ["me", "you"]
        assert [one.id for one in await rows.going("you")] == ["b"]
        change = {"body": b"{}", "expires_at": 300.0}
        assert await rows.change("anna", "a", status="in_progress", **change)  # type: ignore[arg-type]
        assert await rows.change("anna", "a", status="cancelled", **change)  # type: ignore[arg-type]
        late = await rows.change("anna", "a", status="completed", items=[("m", 0)], **change)  # type: ignore[arg-type]
        assert not late
        assert await rows.holders("anna", "m", now=2) == []
        found = await rows.find("anna", "a", now=299)
        assert found is not None
        assert found.status == "cancelled"
        assert await rows.going("me") == []

    play(tmp_path, scene)


def test_items_go_with_their_answer(tmp_path: Path) -> None:
    """An item of a deleted answer cannot be referred to, also while it is others' history."""

    async def scene(rows: SqliteResponses) -> None:
        await rows.keep(row("a"), [("m", 0)], bytes, most=MOST)
        await rows.keep(row("b", "a"), [("m", 0), ("n", 1)], bytes, most=MOST)
        await rows.keep(row("c", "b"), [("m", 0)], bytes, most=MOST)
        assert len(await rows.holders("anna", "m", now=2)) == 2, "two are enough to see that they differ"
        assert await rows.delete("anna", "b", now=2)
        assert await rows.holders("anna", "n", now=2) == []
        assert await rows.delete("anna", "c", now=2)
        assert [found.id for found, _ in await rows.holders("anna", "m", now=2)] == ["a"]

    play(tmp_path, scene)


def test_an_id_is_given_once(tmp_path: Path) -> None:
    """A second answer of the same id is refused, and the first stays as it was."""

    async def scene(rows: SqliteResponses) -> None:
        await put(rows, row("a"))
        with pytest.raises(Exception, match="refused a row"):
            await put(rows, row("a", body=b"{}"))
        assert await rows.find("anna", "a", now=2) == row("a")
        assert msgspec.json.decode(row("a").body)

    play(tmp_path, scene)


def test_a_key_has_only_so_much_kept(tmp_path: Path) -> None:
    """What is inserted, changed, hidden and deleted is counted, for each key by itself."""

    async def scene(rows: SqliteResponses) -> None:
        one = row("a", input=b"[]", body=b"x" * 98)
        assert await rows.keep(one, (), bytes, most=250)
        going = msgspec.structs.replace(one, id="b", previous="a", status="queued")
        assert await rows.keep(going, (), bytes, most=250)
        third = msgspec.structs.replace(one, id="c")
        assert not await rows.keep(third, (), bytes, most=250)
        assert await rows.find("anna", "c", now=2) is None
        assert await rows.keep(msgspec.structs.replace(third, key="bert"), (), bytes, most=250)
        await rows.change("anna", "b", status="completed", body=b"{}", expires_at=100)
        assert await rows.keep(third, (), bytes, most=250)
        assert await rows.delete("anna", "a", now=2), "hidden: b continues it, and its bytes are there"
        assert not await rows.keep(msgspec.structs.replace(one, id="d"), (), bytes, most=250)
        assert await rows.delete("anna", "b", now=2)
        assert await rows.keep(msgspec.structs.replace(one, id="d"), (), bytes, most=250)
        assert await rows.sweep(1000) == 3
        assert await rows.keep(msgspec.structs.replace(one, id="e"), (), bytes, most=100)

    play(tmp_path, scene)


def test_who_only_waits_is_told_no_more_than_the_status(tmp_path: Path) -> None:
    """Whoever looks again and again does not read prompts again and again."""

    async def scene(rows: SqliteResponses) -> None:
        await put(rows, row("a", status="queued"), row("b"))
        assert await rows.state("anna", "a", now=2) == ("queued", "me")
        assert await rows.state("anna", "b", now=200) is None
        assert await rows.state("bert", "a", now=2) is None
        assert await rows.under_way("me") == {"a"}
        assert await rows.under_way("you") == set()

    play(tmp_path, scene)
