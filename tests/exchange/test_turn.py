"""One turn: what is read with its history, and what is kept of its answer before the client sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.ledger import Owner
from dragoman.accounts.living import Locks
from dragoman.core.events import Choice, Response, Stop, unfold
from dragoman.core.extras import Loss
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Request, Text
from dragoman.dialects import Call, Reply
from dragoman.dialects.catalog import DIALECTS
from dragoman.exchange.stored import Stored
from dragoman.exchange.turn import STOPPED, Behind, Turn, in_background, recall
from dragoman.store.spec import ResponsesSpec
from dragoman.store.sqlite import SqliteStore

DOOR = DIALECTS["openai_responses"]
ANSWER = Response("upstream", "m", (Choice((Text("said"),), Stop("end")),), created_at=1)


@asynccontextmanager
async def shelf(folder: Path, **spec: Any) -> AsyncIterator[Stored]:
    """Open what is remembered in `folder`."""
    store = SqliteStore.open(folder / "dragoman.db")
    owner = Owner.claim(folder / "owners")
    rows = ResponsesSpec(**spec)
    stored = Stored(
        store.responses,
        rows,
        owner.id,
        dead=Locks(owner.folder).dead,
        now=lambda: 50.0,
        complain=lambda *_: None,
    )
    try:
        yield stored
    finally:
        await stored.stop()
        await store.close()
        owner.release()


def play(folder: Path, scene: Callable[[Stored], Awaitable[None]], **spec: Any) -> None:
    """Run `scene` on what is remembered in `folder`."""

    async def run() -> None:
        async with shelf(folder, **spec) as stored:
            await scene(stored)

    asyncio.run(run())


async def turn(stored: Stored, task: Any = "generate", id_: str = "req_a1", **body: Any) -> Turn:
    """Return the turn that a request of anna's is."""
    call = Call("POST", "/v1/responses", body={"model": "m", "input": "hi", **body})
    found = await recall(stored, DOOR, task, call, key="anna", id_=id_)
    assert found is not None
    return found


async def answered(one: Turn) -> Reply:
    """Answer a turn, as the line does."""
    request = one.read(DOOR)
    named = msgspec.structs.replace(ANSWER, id=one.id or ANSWER.id)
    return await one.reply(DOOR.write_answer(named, request))


def said(request: Request) -> list[str]:
    """Return the words of a conversation."""
    return [part.text for message in request.messages for part in message.parts if isinstance(part, Text)]


@pytest.mark.parametrize(
    ("door", "task", "body"),
    [
        ("openai_chat", "generate", {"previous_response_id": "resp_1"}),
        ("openai_responses", "embed", {}),
        ("openai_responses", "generate", {"conversation": "conv_1", "previous_response_id": "resp_1"}),
        ("openai_responses", "generate", {"input": 5}),
        ("openai_responses", "generate", {"previous_response_id": 5}),
        ("openai_responses", "generate", []),
    ],
)
def test_what_is_not_ours_to_remember_is_left_alone(tmp_path: Path, door: str, task: Any, body: Any) -> None:
    """Another door, what the provider keeps, and what the codec will refuse."""

    async def scene(stored: Stored) -> None:
        call = Call("POST", "/", body=body)
        assert await recall(stored, DIALECTS[door], task, call, key="anna", id_="req_1") is None

    play(tmp_path, scene)


def test_switched_off_there_is_no_turn(tmp_path: Path) -> None:
    """Ids and background are then the codec's, as if nothing of this existed."""

    async def scene(stored: Stored) -> None:
        body = {"model": "m", "input": "hi", "previous_response_id": "resp_1", "background": True}
        call = Call("POST", "/v1/responses", body=body)
        assert await recall(stored, DOOR, "generate", call, key="anna", id_="req_1") is None
        assert not in_background(stored, DOOR, "generate", body)

    play(tmp_path, scene, retention_s=0)


def test_a_turn_is_read_with_what_came_before(tmp_path: Path) -> None:
    """Input, output, input, and no instructions of before; the answer says whom it continues."""

    async def scene(stored: Stored) -> None:
        first = (await answered(await turn(stored, input="one", instructions="Be brief."))).body
        assert (first["id"], first["store"], first["previous_response_id"]) == ("resp_a1", True, None)
        second = await turn(stored, id_="req_a2", input="two", previous_response_id="resp_a1")
        assert said(second.read(DOOR)) == ["one", "said", "two"]
        assert (await answered(second)).body["previous_response_id"] == "resp_a1"
        third = await turn(stored, id_="req_a3", input=None, previous_response_id="resp_a2")
        assert said(third.read(DOOR)) == ["one", "said", "two", "said"]
        counted = await turn(stored, "count", input="how much", previous_response_id="resp_a1")
        assert said(counted.read(DOOR)) == ["one", "said", "how much"]
        assert counted.id == ""

    play(tmp_path, scene)


def test_a_lone_string_stays_one(tmp_path: Path) -> None:
    """Nothing is put in front of it, and it goes home as it came."""

    async def scene(stored: Stored) -> None:
        request = (await turn(stored, previous_response_id=None)).read(DOOR)
        body = DOOR.write_request(request).body
        assert (body["input"], body["model"]) == ("hi", "m")

    play(tmp_path, scene)


def test_a_fault_is_told_where_the_client_made_it(tmp_path: Path) -> None:
    """The history in front of it does not count."""

    async def scene(stored: Stored) -> None:
        await answered(await turn(stored))
        bad = [{"role": "user", "content": "fine"}, {"role": "nobody", "content": "x"}]
        with pytest.raises(Failure) as caught:
            (await turn(stored, input=bad, previous_response_id="resp_a1")).read(DOOR)
        assert caught.value.at == "$.input[1].role"

    play(tmp_path, scene)


def test_store_false_keeps_nothing_and_still_continues(tmp_path: Path) -> None:
    """It goes by the provider's id; what it continues is read and told."""

    async def scene(stored: Stored) -> None:
        await answered(await turn(stored))
        once = await turn(stored, id_="req_b", store=False, previous_response_id="resp_a1")
        body = (await answered(once)).body
        assert (body["id"], body["store"], body["previous_response_id"]) == (
            "resp_upstream",
            False,
            "resp_a1",
        )
        assert await stored.rows.find("anna", "resp_b", now=50) is None

    play(tmp_path, scene)


@pytest.mark.parametrize("why", ["large", "prompt", "away", "full"])
def test_what_cannot_be_kept_is_served_and_says_so(tmp_path: Path, why: str) -> None:
    """``store`` is false and the loss is declared; the answer was paid for."""

    async def scene(stored: Stored) -> None:
        more: dict[str, Any] = {"prompt": {"id": "pmpt_1"}} if why == "prompt" else {}
        one = await turn(stored, input="x" * (2000 if why == "large" else 1), **more)
        if why == "away":

            async def away(*_: object, **__: object) -> None:
                raise Failure(Kind.UNAVAILABLE, "away")

            stored.rows.keep = away  # type: ignore[method-assign,assignment]
        reply = await answered(one)
        assert reply.body["store"] is False
        assert [str(loss) for loss in reply.losses] == ["dropped:store"]
        assert await stored.rows.find("anna", "resp_a1", now=50) is None

    play(tmp_path, scene, max_bytes=1500, max_key_bytes=100 if why == "full" else 1500)


def test_a_stream_ends_once_the_answer_is_kept(tmp_path: Path) -> None:
    """What the last event holds is what is fetched later; the first ones say the same of the request."""

    async def scene(stored: Stored) -> None:
        await answered(await turn(stored))
        one = await turn(stored, id_="req_b", stream=True, previous_response_id="resp_a1")
        writer = DOOR.writer(one.read(DOOR))
        losses: list[Loss] = []
        told = []
        for event in unfold(msgspec.structs.replace(ANSWER, id=one.id)):
            assert await stored.rows.find("anna", "resp_b", now=50) is None
            told += [msgspec.json.decode(f.data) for f in await one.frames(writer.feed(event), losses)]
        row = await stored.rows.find("anna", "resp_b", now=50)
        assert row is not None
        assert msgspec.json.decode(row.body) == told[-1]["response"]
        for value in (told[0], told[1], told[-1]):
            response = value["response"]
            assert (response["previous_response_id"], response["store"]) == ("resp_a1", True)
        assert [value["sequence_number"] for value in told] == list(range(len(told)))
        assert not losses

    play(tmp_path, scene)


def test_a_stream_that_failed_is_kept_as_failed(tmp_path: Path) -> None:
    """Whoever fetches it sees how it ended, and cannot continue it."""

    async def scene(stored: Stored) -> None:
        one = await turn(stored, stream=True)
        writer = DOOR.writer(one.read(DOOR))
        writer.feed(unfold(msgspec.structs.replace(ANSWER, id=one.id))[0])
        await one.frames(writer.fail(Failure(Kind.UPSTREAM, "gone")), [])
        row = await stored.find("anna", "resp_a1")
        assert row.status == "failed"
        assert msgspec.json.decode(row.body)["error"]["message"] == "gone"

    play(tmp_path, scene)


@pytest.mark.parametrize(("field", "value"), [("store", False), ("stream", True)])
def test_some_things_do_not_go_with_the_background(tmp_path: Path, field: str, value: Any) -> None:
    """Each is refused where it stands."""

    async def scene(stored: Stored) -> None:
        with pytest.raises(Failure) as caught:
            await turn(stored, background=True, **{field: value})
        assert (caught.value.http_status, caught.value.at) == (400, f"$.{field}")

    play(tmp_path, scene)


class Client:
    """A client that keeps what it was told."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    async def reply(self, reply: Reply, headers: Mapping[str, str]) -> None:
        """Take an answer."""
        self.replies.append(reply)


@pytest.mark.parametrize("end", ["answered", "refused", "left", "large"])
def test_a_background_answer_is_queued_and_then_ends_in_the_store(tmp_path: Path, end: str) -> None:
    """The client is told once; an answer, a failure, and the end of the gateway are all written down."""

    async def scene(stored: Stored) -> None:
        client = Client()
        behind = Behind(client)
        one = await turn(stored, background=True, metadata={"a": "b"})
        request = one.read(DOOR)
        assert "background" not in DOOR.write_request(request).body
        await one.accept(request, behind, {})
        (told,) = client.replies
        assert (told.body["id"], told.body["status"]) == ("resp_a1", "queued")
        assert (told.body["background"], told.body["store"]) == (True, True)
        assert behind.answered.is_set()
        assert not behind.over
        assert (await stored.find("anna", "resp_a1")).status == "in_progress"
        words: str | None = None
        if end in ("answered", "large"):
            more = Text("x" * 3000 if end == "large" else "said")
            answer = msgspec.structs.replace(ANSWER, id=one.id, choices=(Choice((more,), Stop("end")),))
            await behind.reply(await one.reply(DOOR.write_answer(answer, request)), {})
            words = "the answer is larger than the 3000 bytes that are kept" if end == "large" else None
        elif end == "refused":
            words = "no more"
            refusal = {"error": {"message": words, "type": "x", "param": None, "code": None}}
            await behind.reply(Reply(429, body=refusal), {})
        else:
            words = STOPPED
        await behind.left()
        assert client.replies == [told]
        body = msgspec.json.decode((await stored.find("anna", "resp_a1")).body)
        assert body["status"] == ("failed" if words else "completed")
        assert (body["error"] or {}).get("message") == words
        assert body["metadata"] == {"a": "b"}
        if end == "answered":
            await stored.delete("anna", "resp_a1")
            await asyncio.sleep(
                0
            )  # at its end a task is not cancelled any more: this one has made the answer

    play(tmp_path, scene, max_bytes=3000)


def test_a_refusal_before_it_is_queued_is_the_clients(tmp_path: Path) -> None:
    """Nothing is written down then."""

    async def scene(stored: Stored) -> None:
        client = Client()
        behind = Behind(client)
        await behind.reply(Reply(400, body={}), {})
        await behind.left()
        assert [reply.status for reply in client.replies] == [400]
        assert behind.answered.is_set()
        assert behind.over

    play(tmp_path, scene)


def test_a_whole_answer_is_over_whatever_its_provider_calls_it(tmp_path: Path) -> None:
    """One kept as if it were still being made would never end, and never be swept."""

    async def scene(stored: Stored) -> None:
        one = await turn(stored)
        reply = await answered(one)
        for status in ("queued", "in_progress"):
            other = await turn(stored, id_=f"req_{status[0]}2")
            await other.reply(Reply(200, body={**reply.body, "status": status}))
            row = await stored.rows.find("anna", f"resp_{status[0]}2", now=50)
            assert row is not None
            assert row.status == "completed"

    play(tmp_path, scene)
