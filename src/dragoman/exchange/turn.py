"""One request of a Responses client, and what is remembered of it.

The line asks twice. Before the request is read, what came before it is put in front of its input, on the
wire body: to the codec and to every provider the conversation is whole. And before the client can see how
the answer ends, the answer is kept, so that a follow-up sent at once finds it.

An answer that is kept has an id of ours, made of the exchange's: a provider's may repeat. What could not be
kept (too large, no store) is served all the same and says so: ``store`` is false, and the loss is declared.
"""

from __future__ import annotations

from asyncio import Event
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from dragoman.core.extras import Json, Loss
from dragoman.core.failure import Failure, invalid
from dragoman.core.request import Request
from dragoman.dialects import Call, Door, Reply, Surface, Task
from dragoman.dialects.fields import decode, encode
from dragoman.dialects.framing import Frame
from dragoman.dialects.openai_responses_parts import NAME
from dragoman.dialects.openai_responses_state import (
    FINAL,
    GOING,
    PREFIX,
    TELLING,
    begun,
    blamed,
    error_of,
    item_ids,
    read_items,
)
from dragoman.exchange.stored import FULL, Stored
from dragoman.store import ResponseRow

STOPPED = "the gateway stopped before the answer was complete"


class Out(Protocol):
    """What of :class:`~dragoman.exchange.life.Out` stands behind a :class:`Behind`."""

    async def reply(self, reply: Reply, headers: Mapping[str, str]) -> None:
        """Send a whole answer."""


def in_background(stored: Stored, door: Door | Surface, task: Task, body: Json) -> bool:
    """Say whether a request is to be answered later, by the gateway itself."""
    if not stored.on or door.name != NAME or task != "generate" or not isinstance(body, dict):
        return False
    # What only the provider knows cannot be continued here: such a request goes to it as it is.
    alien = body.get("conversation") is not None or body.get("prompt") is not None
    return body.get("background") is True and not alien


async def recall(stored: Stored, door: Door, task: Task, call: Call, *, key: str, id_: str) -> Turn | None:
    """Return the turn a request is; None if there is nothing to remember and nothing was.

    Args:
        stored: What is remembered.
        door: The client's dialect.
        task: What it asks for.
        call: Its request.
        key: The name of its account.
        id_: The exchange's id.

    Raises:
        Failure: INVALID, it names an answer nobody has, or asks for what is not possible.
    """
    body = call.body
    if not stored.on or door.name != NAME or task not in ("generate", "count") or not isinstance(body, dict):
        return None
    new = read_items(body.get("input"))
    previous = body.get("previous_response_id")
    if new is None or body.get("conversation") is not None or not isinstance(previous, str | None):
        return None  # the provider's to resolve, or the codec's to refuse
    background = in_background(stored, door, task, body)
    if background:
        _check(body)
    history = [] if previous is None else await stored.recall(key, previous)
    items = await stored.dereferenced(key, new)
    resolved = {name: value for name, value in body.items() if name != "previous_response_id" or not value}
    if background:
        del resolved["background"]
    if history or not isinstance(body.get("input"), str | None):
        resolved["input"] = [*history, *items]
    call = msgspec.structs.replace(call, body=resolved)
    turn = Turn(stored, call, key, previous=previous, history=history, items=items)
    if task == "generate" and body.get("store") is not False:
        turn.id = PREFIX + id_.rpartition("_")[2]
        turn.keeps = body.get("prompt") is None
    turn.background = background
    return turn


def _check(body: Mapping[str, Json]) -> None:
    """Refuse what cannot be answered later."""
    if body.get("store") is False:
        raise invalid("a background response is kept until it is fetched: store must not be false", "$.store")
    if body.get("stream"):
        words = "a background response is not streamed here: leave out stream, and fetch the answer by its id"
        raise invalid(words, "$.stream")


class Turn:
    """One request with its history in front of it, and its answer's way into the store.

    Attributes:
        id: What the answer is called; empty: as its provider calls it.
        keeps: Whether the answer is kept.
        background: Whether the client fetches the answer later.
    """

    def __init__(
        self,
        stored: Stored,
        call: Call,
        key: str,
        *,
        previous: str | None,
        history: Sequence[Json],
        items: Sequence[Json],
    ) -> None:
        self.id = ""
        self.keeps = False
        self.background = False
        self._stored = stored
        self._call = call
        self._key = key
        self._previous = previous
        self._history = history
        self._items = items
        self._row: ResponseRow | None = None  # of an answer in the background

    def read(self, door: Door) -> Request:
        """Read the request with its history; a fault is told where it is in the client's own body."""
        try:
            return door.read_request(self._call)
        except Failure as failure:
            failure.at = blamed(failure.at, len(self._history))
            raise

    async def accept(self, request: Request, out: object, headers: Mapping[str, str]) -> None:
        """Answer a background request at once: it is queued, under its final id."""
        if not self.background:
            return
        assert isinstance(out, Behind)
        at = self._stored.now()
        body = {**begun(request, self.id, int(at)), **self._told()}
        self._row = row = self._made(body, encode(body))
        await self._stored.begin(row)
        await out.accept(self, Reply(200, body=body), headers)
        await self._stored.conclude(row, "in_progress")

    async def reply(self, reply: Reply) -> Reply:
        """Return a whole answer as the client sees it, once it is kept."""
        losses = list(reply.losses)
        body = await self._kept(reply.body, losses)
        return msgspec.structs.replace(reply, body=body, losses=tuple(losses))

    async def frames(self, frames: list[Frame], losses: list[Loss]) -> list[Frame]:
        """Return frames of a stream as the client sees them; the last one once the answer is kept."""
        return [await self._frame(frame, losses) if frame.event in TELLING else frame for frame in frames]

    async def fail(self, error: Json) -> None:
        """Write down that an answer in the background will never come."""
        assert self._row is not None
        await self._stored.conclude(self._row, "failed", error)

    async def _frame(self, frame: Frame, losses: list[Loss]) -> Frame:
        value = decode(frame.data)
        if frame.event in FINAL:
            value["response"] = await self._kept(value["response"], losses)
        else:
            value["response"] |= self._told()
        return Frame(encode(value), frame.event)

    def _told(self) -> dict[str, Json]:
        """Return what the answer repeats of the request, which the codec has not seen."""
        told: dict[str, Json] = {"previous_response_id": self._previous}
        return {**told, "store": self.keeps, "background": self.background} if self.id else told

    async def _kept(self, body: Mapping[str, Json], losses: list[Loss]) -> dict[str, Json]:
        """Keep an answer, and return it as the client sees it."""
        body = {**body, **self._told()}
        if not self.id:
            return body
        why = "what the provider adds to the conversation is not known here"
        if self.keeps:
            why = await self._keep(body)
        if why:
            losses.append(Loss("dropped", "store", why))
            body["store"] = False
        return body

    async def _keep(self, body: Mapping[str, Json]) -> str:
        """Write an answer down; return why it could not be, or nothing."""
        stored, data = self._stored, encode(body)
        row = self._made(body, data)
        if row.status in GOING:  # a provider's word; nobody makes this answer any more
            row = msgspec.structs.replace(row, status="completed")
        large = len(data) + len(row.input) > stored.spec.max_bytes
        kept = True
        try:
            if self._row is not None:
                stored.closing(self.id)
                if large:
                    words = f"the answer is larger than the {stored.spec.max_bytes} bytes that are kept"
                    await self.fail({"code": "server_error", "message": words})
                else:
                    await stored.finish(row, item_ids(body))
            elif not large:
                kept = await stored.rows.keep(
                    row, item_ids(body), self._whole, most=stored.spec.max_key_bytes
                )
        except Failure as failure:
            stored.complain(f"the answer {self.id} could not be kept", failure)
            return "the store could not keep it"
        if large:
            return "the answer and its input are too large to be kept"
        return "" if kept else FULL

    def _made(self, body: Mapping[str, Json], data: bytes) -> ResponseRow:
        at = self._stored.now()
        return ResponseRow(
            key=self._key,
            id=self.id,
            previous=self._previous,
            status=str(body.get("status") or "completed"),
            background=self.background,
            owner=self._stored.owner,
            created_at=at,
            expires_at=at + self._stored.spec.retention_s,
            input=encode(self._items),
            body=data,
        )

    def _whole(self) -> bytes:
        return encode([*self._history, *self._items])


class Behind:
    """Where a background answer goes: to its client until it is accepted, then into the store."""

    def __init__(self, out: Out) -> None:
        self.begun = False
        self.over = False
        self.answered = Event()
        self._out = out
        self._turn: Turn | None = None

    async def accept(self, turn: Turn, reply: Reply, headers: Mapping[str, str]) -> None:
        """Tell the client that its answer is queued; what comes from here on is its answer."""
        self._turn = turn
        try:
            await self._out.reply(reply, headers)
        finally:
            self.answered.set()

    async def reply(self, reply: Reply, headers: Mapping[str, str]) -> None:
        """Tell a refusal; of an answer that was accepted, write down that it failed.

        One that succeeded was kept by its turn already.
        """
        if self._turn is None:
            await self._out.reply(reply, headers)
        elif reply.status != 200:
            await self._turn.fail(error_of(reply))
        self.begun = self.over = True
        self.answered.set()

    def expect(self, content_type: str, headers: Mapping[str, str], idle: Callable[[], bytes]) -> None:
        """Do nothing, as :meth:`start`."""

    async def start(self, content_type: str, headers: Mapping[str, str], idle: Callable[[], bytes]) -> None:
        """Do nothing: no background answer is a stream."""

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """Do nothing, as :meth:`start`."""

    async def left(self) -> None:
        """Write down that an accepted answer will never come, if none did."""
        if self._turn is not None and not self.over:
            await self._turn.fail({"code": "server_error", "message": STOPPED})
