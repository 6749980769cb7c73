"""What is remembered: found by its key alone, put back together, cancelled from anywhere, swept in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.ledger import Owner
from dragoman.accounts.living import Locks
from dragoman.core.failure import Failure, Kind, Source
from dragoman.exchange.stored import DIED, Stored, output_of
from dragoman.store import ResponseRow
from dragoman.store.spec import ResponsesSpec
from dragoman.store.sqlite import SqliteStore

REFERENCE = {"type": "item_reference", "id": "msg_1"}


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


class Shelf:
    """A Stored over a store of its own, and what it complained of."""

    def __init__(self, store: SqliteStore, owner: Owner, spec: ResponsesSpec) -> None:
        self.store = store
        self.clock = Clock()
        self.complaints: list[str] = []
        self.stored = Stored(
            store.responses,
            spec,
            owner.id,
            dead=Locks(owner.folder).dead,
            now=self.clock,
            complain=lambda message, _: self.complaints.append(message),
        )

    def row(self, id_: str, previous: str | None = None, **more: Any) -> ResponseRow:
        """Return an answer: `said` to `asked`."""
        said = more.pop("output", [{"type": "message", "id": f"msg_{id_[5:]}", "content": f"said {id_}"}])
        fields: dict[str, Any] = {
            "key": "anna",
            "status": "completed",
            "background": False,
            "owner": self.stored.owner,
            "created_at": self.clock.at,
            "expires_at": self.clock.at + 10,
            "input": msgspec.json.encode([{"role": "user", "content": f"asked {id_}"}]),
            "body": msgspec.json.encode({"id": id_, "output": said}),
        }
        return ResponseRow(id=id_, previous=previous, **(fields | more))

    async def put(self, id_: str, previous: str | None = None, **more: Any) -> ResponseRow:
        """Keep an answer, and say where its items are."""
        row = self.row(id_, previous, **more)
        items = [(item["id"], place) for place, item in enumerate(output_of(row)) if "id" in item]
        await self.store.responses.keep(row, items, bytes, most=1 << 30)
        return row


@asynccontextmanager
async def shelf(folder: Path, spec: ResponsesSpec | None = None) -> AsyncIterator[Shelf]:
    """Open a shelf in `folder`."""
    store = SqliteStore.open(folder / "dragoman.db")
    owner = Owner.claim(folder / "owners")
    opened = Shelf(store, owner, spec or ResponsesSpec(retention_s=10))
    try:
        yield opened
    finally:
        await opened.stored.stop()
        await store.close()
        owner.release()


def play(folder: Path, scene: Callable[[Shelf], Awaitable[None]], spec: ResponsesSpec | None = None) -> None:
    """Run `scene` on a shelf in `folder`."""

    async def run() -> None:
        async with shelf(folder, spec) as opened:
            await scene(opened)

    asyncio.run(run())


def words(items: list[Any]) -> list[str]:
    """Return what items say."""
    return [item["content"] for item in items]


def test_a_conversation_is_recalled_in_order(tmp_path: Path) -> None:
    """Input and output of every turn, the oldest first."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1")
        await on.put("resp_2", "resp_1")
        history = await on.stored.recall("anna", "resp_2")
        assert words(history) == ["asked resp_1", "said resp_1", "asked resp_2", "said resp_2"]

    play(tmp_path, scene)


@pytest.mark.parametrize("id_", ["resp_2", "", "resp_1'--", "x" * 10_000, "a\x00b", "resp_1 ", "\u00e4"])
def test_an_unknown_id_is_refused_in_openais_words(tmp_path: Path, id_: str) -> None:
    """Another key's, one that cannot be, and one of any length: nobody has it."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1")
        await on.put("resp_2", key="bert")
        with pytest.raises(Failure) as caught:
            await on.stored.recall("anna", id_)
        fault = caught.value
        assert fault.message == f"Previous response with id '{id_[:128]}' not found."
        assert (fault.kind, fault.at) == (Kind.INVALID, "$.previous_response_id")
        assert fault.code == "previous_response_not_found"
        for ask in (on.stored.find, on.stored.delete, on.stored.cancel, on.stored.input_items):
            with pytest.raises(Failure) as caught:
                await ask("anna", id_)
            assert (caught.value.kind, caught.value.at) == (Kind.NOT_FOUND, None)

    play(tmp_path, scene)


@pytest.mark.parametrize("status", ["queued", "failed", "cancelled"])
def test_what_was_not_answered_cannot_be_continued(tmp_path: Path, status: str) -> None:
    """The status is told, so that the client knows whether to wait."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1", status=status, background=True, owner="gone" if status == "failed" else "me")
        with pytest.raises(Failure, match="its status is") as caught:
            await on.stored.recall("anna", "resp_1")
        assert caught.value.code == "previous_response_not_completed"

    play(tmp_path, scene)


def test_a_conversation_may_not_grow_for_ever(tmp_path: Path) -> None:
    """Together no larger than one body may be: else 400, as for any input too long."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1")
        assert await on.stored.recall("anna", "resp_1")
        await on.put("resp_2", "resp_1", output=[{"content": "x" * 1000}])
        with pytest.raises(Failure) as caught:
            await on.stored.recall("anna", "resp_2")
        assert (caught.value.kind, caught.value.at) == (Kind.CONTEXT_LENGTH, "$.previous_response_id")

    play(tmp_path, scene, ResponsesSpec(max_bytes=1024))


def test_references_are_put_back_where_one_item_is_meant(tmp_path: Path) -> None:
    """By the id of an answer's item or of a listed input; two that differ, unknown and other keys' stay."""

    async def scene(on: Shelf) -> None:
        row = await on.put("resp_1")
        (item,) = output_of(row)
        listed = await on.stored.input_items("anna", "resp_1")
        mine = {"type": "item_reference", "id": listed[0]["id"]}
        user = {"role": "user", "content": "asked resp_1"}
        assert await on.stored.dereferenced("anna", [REFERENCE, mine, user]) == [item, user, user]
        assert await on.stored.dereferenced("bert", [REFERENCE, mine]) == [REFERENCE, mine]
        odd = [{"id": "nobody"}, {"id": "x" * 1000}, {"id": "msg_dragoman_1_i7"}, 5]
        assert await on.stored.dereferenced("anna", odd) == odd
        await on.put("resp_2", output=[{"type": "message", "id": "msg_1", "content": "another"}])
        assert await on.stored.dereferenced("anna", [REFERENCE]) == [REFERENCE]

    play(tmp_path, scene)


def test_input_items_are_all_that_led_to_an_answer(tmp_path: Path) -> None:
    """The history and the new input, each with an id that stays the same; not the answer itself."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1")
        await on.put("resp_2", "resp_1")
        items = await on.stored.input_items("anna", "resp_2")
        assert [item["id"] for item in items] == ["msg_dragoman_1_i0", "msg_1", "msg_dragoman_2_i0"]
        assert items == await on.stored.input_items("anna", "resp_2")

    play(tmp_path, scene)


def test_only_background_answers_are_cancelled(tmp_path: Path) -> None:
    """One that is over stays as it is; one that was synchronous is refused."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1")
        with pytest.raises(Failure, match="Cannot cancel a synchronous response"):
            await on.stored.cancel("anna", "resp_1")
        done = await on.put("resp_2", background=True)
        assert await on.stored.cancel("anna", "resp_2") == done

    play(tmp_path, scene)


async def begin(on: Shelf) -> asyncio.Event:
    """Have an answer made in the background that never ends; return what is set when it is cancelled."""
    answered, left = asyncio.Event(), asyncio.Event()

    async def make() -> None:
        await on.stored.begin(on.row("resp_1", status="queued", background=True))
        answered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    await on.stored.aside(make(), answered)
    return left


@pytest.mark.parametrize("how", ["cancel", "delete", "stop"])
def test_an_answer_under_way_is_ended(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its client's word or with the gateway, at once; whoever began it is long gone."""
    monkeypatch.setattr("dragoman.exchange.stored.LOOK_S", 1e6)

    async def scene(on: Shelf) -> None:
        left = await begin(on)
        assert (await on.stored.find("anna", "resp_1")).status == "queued"
        if how == "cancel":
            row = await on.stored.cancel("anna", "resp_1")
            assert row.status == msgspec.json.decode(row.body)["status"] == "cancelled"
        elif how == "delete":
            await on.stored.delete("anna", "resp_1")
        else:
            await on.stored.stop()
        await left.wait()

    play(tmp_path, scene)


def test_an_answer_at_its_end_is_not_cancelled_any_more(tmp_path: Path) -> None:
    """Its task has only to write it down, and does; the status says who was first."""

    async def scene(on: Shelf) -> None:
        left = await begin(on)
        on.stored.closing("resp_1")
        row = await on.stored.cancel("anna", "resp_1")
        assert row.status == "cancelled"
        await on.stored.finish(msgspec.structs.replace(row, status="completed"))
        assert (await on.stored.find("anna", "resp_1")).status == "cancelled"
        assert not left.is_set()

    play(tmp_path, scene)


def test_another_process_cancels_by_marking_the_row(tmp_path: Path) -> None:
    """Whoever makes the answer looks at its rows, and sees that it is not wanted any more."""

    async def scene(on: Shelf) -> None:
        left = await begin(on)
        async with shelf(tmp_path) as other:
            assert other.stored.owner != on.stored.owner
            other.clock.at = on.clock.at
            assert (await other.stored.find("anna", "resp_1")).status == "queued", "its maker lives"
            await other.stored.cancel("anna", "resp_1")
        await left.wait()

    play(tmp_path, scene)


def test_an_answer_whose_maker_died_has_failed(tmp_path: Path) -> None:
    """Whoever asks is told, also by the process that forgot it; a sweep finds what nobody asks for."""

    async def scene(on: Shelf) -> None:
        for id_, owner in (("resp_1", "0" * 16), ("resp_2", on.stored.owner), ("resp_3", "1" * 16)):
            await on.put(id_, status="in_progress", background=True, owner=owner)
        for id_ in ("resp_1", "resp_2"):
            row = await on.stored.find("anna", id_)
            assert row.status == "failed"
            assert msgspec.json.decode(row.body)["error"] == {"code": "server_error", "message": DIED}
        assert await on.stored.sweep() == 0
        assert await on.store.responses.going("1" * 16) == []

    play(tmp_path, scene)


def test_a_sweep_takes_what_is_past_its_time(tmp_path: Path) -> None:
    """All of it, and nothing before."""

    async def scene(on: Shelf) -> None:
        for number in range(150):
            await on.put(f"resp_{number}")
        on.clock.at += 9.9
        assert await on.stored.sweep() == 0
        on.clock.at += 0.1
        with pytest.raises(Failure):
            await on.stored.find("anna", "resp_1")
        assert await on.stored.sweep() == 150

    play(tmp_path, scene)


def test_a_sweep_that_cannot_go_is_told_and_tried_again(tmp_path: Path) -> None:
    """A store that is away stops nothing."""

    async def scene(on: Shelf) -> None:
        await on.store.close()
        sweeping = asyncio.get_running_loop().create_task(on.stored.sweeping())
        while not on.complaints:
            await asyncio.sleep(0)
        assert not sweeping.done()
        sweeping.cancel()

    play(tmp_path, scene)


def test_who_leaves_before_being_answered_ends_the_work(tmp_path: Path) -> None:
    """Until it is accepted a background request is like any other."""

    async def scene(on: Shelf) -> None:
        begun, left = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()

        waiting = asyncio.get_running_loop().create_task(on.stored.aside(work(), asyncio.Event()))
        await begun.wait()
        waiting.cancel()
        await left.wait()

    play(tmp_path, scene)


def test_a_bug_in_the_work_is_not_swallowed(tmp_path: Path) -> None:
    """Before the client was answered it is raised where it would have been."""

    async def scene(on: Shelf) -> None:
        async def work() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await on.stored.aside(work(), asyncio.Event())

    play(tmp_path, scene)


def test_nothing_is_remembered_where_it_is_switched_off(tmp_path: Path) -> None:
    """Not even what an earlier start has kept can be asked for; it is swept when its time comes."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1")
        assert not on.stored.on
        with pytest.raises(Failure):
            await on.stored.find("anna", "resp_1")
        on.clock.at += 11
        assert await on.stored.sweep() == 1

    play(tmp_path, scene, ResponsesSpec(retention_s=0))


def test_references_cannot_make_a_request_larger_than_a_history(tmp_path: Path) -> None:
    """A reference is short, and what it stands for may be long: a thousand of them are a thousand copies."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1", input=msgspec.json.encode([{"role": "user", "content": "z" * 100_000}]))
        refer = {"type": "item_reference", "id": "msg_dragoman_1_i0"}
        assert len(await on.stored.dereferenced("anna", [refer] * 10)) == 10
        with pytest.raises(Failure) as refused:
            await on.stored.dereferenced("anna", [refer] * 400)
        failure = refused.value
        assert (failure.kind, failure.at, failure.source) == (Kind.CONTEXT_LENGTH, "$.input", Source.CLIENT)

    play(tmp_path, scene)


def test_an_answer_is_looked_up_once_however_often_it_is_referred_to(tmp_path: Path) -> None:
    """References cost as much as there are answers, not as there are references."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1")
        looked: list[str] = []
        find = on.stored.rows.find

        async def finding(key: str, id_: str, *, now: float) -> ResponseRow | None:
            looked.append(id_)
            return await find(key, id_, now=now)

        on.stored.rows.find = finding  # type: ignore[method-assign]
        refer = {"type": "item_reference", "id": "msg_dragoman_1_i0"}
        found = await on.stored.dereferenced("anna", [refer] * 50)
        assert words(found) == ["asked resp_1"] * 50
        assert looked == ["resp_1"]

    play(tmp_path, scene)


@pytest.mark.parametrize("key", ["anna", "bert"])
def test_only_so_many_are_made_in_the_background(tmp_path: Path, key: str) -> None:
    """For one key, and for all; it is refused as too many requests are, and there is room again."""

    async def scene(on: Shelf) -> None:
        ends: list[asyncio.Event] = []

        async def make(id_: str, whose: str, answered: asyncio.Event, end: asyncio.Event) -> None:
            await on.stored.begin(on.row(id_, key=whose, status="queued", background=True))
            answered.set()
            await end.wait()

        async def begin_one(id_: str, whose: str) -> None:
            answered, end = asyncio.Event(), asyncio.Event()
            await on.stored.aside(make(id_, whose, answered, end), answered)
            ends.append(end)

        await begin_one("resp_1", "anna")
        await begin_one("resp_2", "anna")
        if key == "bert":
            await begin_one("resp_3", "carl")
        with pytest.raises(Failure) as refused:
            await begin_one("resp_4", key)
        failure = refused.value
        assert (failure.kind, failure.source, failure.http_status) == (Kind.RATE_LIMITED, Source.CLIENT, 429)
        assert failure.retry_after_s
        assert await on.stored.rows.find(key, "resp_4", now=on.clock.at) is None
        ends[0].set()
        while "resp_1" in on.stored._going:
            await asyncio.sleep(0)
        await begin_one("resp_5", key)

    play(tmp_path, scene, ResponsesSpec(retention_s=10, max_background=3, max_background_per_key=2))


def test_what_could_not_be_kept_is_not_begun_in_the_background(tmp_path: Path) -> None:
    """A client could never fetch it."""

    async def scene(on: Shelf) -> None:
        await on.put("resp_1", input=b"[" + b" " * 1024 + b"]")
        with pytest.raises(Failure) as refused:
            await on.stored.begin(on.row("resp_2", status="queued", background=True))
        assert (refused.value.code, refused.value.http_status) == ("storage_full", 429)

    play(tmp_path, scene, ResponsesSpec(retention_s=10, max_key_bytes=1024))


def test_who_leaves_while_the_answer_is_written_down_leaves_no_row(tmp_path: Path) -> None:
    """The write happens all the same; nobody was told its id, and nobody would ever end it."""

    async def scene(on: Shelf) -> None:
        making = asyncio.get_running_loop().create_task(
            on.stored.begin(on.row("resp_1", status="queued", background=True))
        )
        await asyncio.sleep(0)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        assert await on.stored.rows.under_way(on.stored.owner) == set()

    play(tmp_path, scene)


def test_a_sweep_ends_what_this_process_lost_itself(tmp_path: Path) -> None:
    """An answer whose end could not be written down does not stay for ever; one under way is left alone."""

    async def scene(on: Shelf) -> None:
        left = await begin(on)
        await on.put("resp_2", status="in_progress", background=True)
        await on.stored.sweep()
        assert await on.stored.rows.under_way(on.stored.owner) == {"resp_1"}
        assert not left.is_set()

    play(tmp_path, scene)
