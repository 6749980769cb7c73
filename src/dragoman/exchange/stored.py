"""What is remembered of clients of the Responses API: answers they may fetch, continue, cancel, delete.

One :class:`Stored` belongs to a gateway. It answers for the rows in the store, always of one key: an id
of another key's is an id that nobody has. And it runs answers *in the background*: the exchange goes down
the ordinary line in a task of its own, and its client asks for it later.

Several processes share the rows. Whoever cancels marks the row; the process that makes the answer looks
at its own rows every :data:`LOOK_S` and ends the task of one that is not being made any more. An answer
whose process died is found to be dead (see ``accounts/living.py``) by whoever asks for it.
"""

from __future__ import annotations

import re
from asyncio import (
    FIRST_COMPLETED,
    CancelledError,
    Event,
    Task,
    current_task,
    gather,
    get_running_loop,
    sleep,
    wait,
)
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import msgspec

from dragoman.accounts.ledger import Dead
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.dialects.fields import decode, encode
from dragoman.dialects.openai_responses_state import (
    ANSWERED,
    GOING,
    ended,
    placed,
    referred,
    shown,
)
from dragoman.store import ResponseRow, Responses
from dragoman.store.spec import ResponsesSpec

LOOK_S = 0.5
"""Seconds between two looks at whether an answer under way was cancelled elsewhere."""

SWEEP_S = 3600.0
"""Seconds between two sweeps of what is past its time."""

ID = re.compile(r"[0-9A-Za-z_-]{1,128}")
"""What an id may look like; any other is nobody's, and need not be looked for."""

BUSY_S = 1.0
"""When a client may come back that asked for one answer too many in the background."""

FULL = "as much is kept of this key as may be; what is deleted, or past its time, makes room"

DIED = "this answer is lost: the process that made it has died, or could not write it down"


class Stored:
    """The remembered answers of one gateway.

    Args:
        rows: Where they are kept.
        spec: How long, and how large.
        owner: This process, as its rows name it.
        dead: Tells which other processes are dead.
        now: Wall clock, Unix seconds.
        complain: Told what went wrong and could not be told to a client.
    """

    def __init__(
        self,
        rows: Responses,
        spec: ResponsesSpec,
        owner: str,
        *,
        dead: Dead,
        now: Callable[[], float],
        complain: Callable[[str, BaseException], None],
    ) -> None:
        self.rows = rows
        self.spec = spec
        self.owner = owner
        self._dead = dead
        self.now = now
        self.complain = complain
        self._tasks: set[Task[None]] = set()
        # By id; None: at its very begin or end, not to be cancelled.
        self._going: dict[str, Task[Any] | None] = {}
        self._whose: dict[str, str] = {}  # the key each of these is made for
        self._looking: Task[None] | None = None

    @property
    def on(self) -> bool:
        """Whether anything is remembered at all."""
        return self.spec.retention_s > 0

    # what clients ask

    async def find(self, key: str, id_: str) -> ResponseRow:
        """Return an answer of `key`.

        Raises:
            Failure: NOT_FOUND, in OpenAI's words.
        """
        row = await self._find(key, id_)
        if row is None:
            raise _unknown(id_)
        return row

    async def is_going(self, key: str, id_: str) -> bool:
        """Say whether an answer is still being made, without a look at what it holds."""
        state = await self.rows.state(key, id_, now=self.now())
        return state is not None and state[0] in GOING and not await self._is_lost(id_, state[1])

    async def delete(self, key: str, id_: str) -> None:
        """Delete an answer, and end its making."""
        await self.find(key, id_)
        if not await self.rows.delete(key, id_, now=self.now()):
            raise _unknown(id_)
        self._end(id_)

    async def cancel(self, key: str, id_: str) -> ResponseRow:
        """End the making of an answer in the background, and return it; one that is over stays as it is."""
        row = await self.find(key, id_)
        if not row.background:
            raise invalid("Cannot cancel a synchronous response.", "response_id")
        if row.status in GOING:
            await self.conclude(row, "cancelled")
            self._end(id_)
        return await self.find(key, id_)

    async def input_items(self, key: str, id_: str) -> list[Json]:
        """Return every item that led to an answer, the oldest first, as the API lists them."""
        await self.find(key, id_)
        rows = await self._history(key, id_)
        listed: list[Json] = []
        for row in rows:
            listed += shown(decode(row.input), row.id)
            listed += output_of(row) if row is not rows[-1] else ()
        return listed

    # what the line asks

    async def recall(self, key: str, id_: str) -> list[Json]:
        """Return the conversation up to and with an answer, as input items.

        Raises:
            Failure: INVALID at ``$.previous_response_id``; CONTEXT_LENGTH, it is larger than allowed.
        """
        row = await self._find(key, id_)
        rows = await self._history(key, id_) if row is not None else []
        if not rows:
            words = f"Previous response with id '{id_[:128]}' not found."
            raise invalid(words, "$.previous_response_id", code="previous_response_not_found")
        if rows[-1].status not in ANSWERED:
            words = f"Previous response with id '{id_}' cannot be continued: its status is {rows[-1].status}."
            raise invalid(words, "$.previous_response_id", code="previous_response_not_completed")
        return [item for row in rows for item in (*decode(row.input), *output_of(row))]

    async def dereferenced(self, key: str, items: Sequence[Json]) -> list[Json]:
        """Return `items` with those referred to put in place of the references; unknown ones stay.

        Raises:
            Failure: CONTEXT_LENGTH at ``$.input``, what is referred to is larger than a history may be.
        """
        ids = list(map(referred, items))
        known = await self._held(key, {id_ for id_ in ids if ID.fullmatch(id_)})
        sizes = {id_: len(encode(item)) for id_, item in known.items()}
        if sum(sizes.get(id_, 0) for id_ in ids) > self.spec.max_bytes:
            raise self._too_long("$.input")
        return [known.get(id_, item) for id_, item in zip(ids, items, strict=True)]

    async def _held(self, key: str, ids: Iterable[str]) -> dict[str, Json]:
        """Return the items of these ids; not those of which none is known, or two that differ."""
        known: dict[str, Json] = {}
        wanted: dict[str, list[tuple[str, int]]] = {}
        for item_id in ids:
            if (where := placed(item_id)) is not None:
                wanted.setdefault(where[0], []).append((item_id, where[1]))
                continue
            found = [output_of(row)[at] for row, at in await self.rows.holders(key, item_id, now=self.now())]
            if found and all(item == found[0] for item in found):
                known[item_id] = found[0]
        for id_, places in wanted.items():  # each answer is looked at once, however often it is referred to
            row = await self.rows.find(key, id_, now=self.now())
            items = decode(row.input) if row is not None else []
            known.update((item_id, items[at]) for item_id, at in places if at < len(items))
        return known

    # answers in the background

    async def aside(self, work: Coroutine[Any, Any, None], answered: Event) -> None:
        """Run `work` in a task of its own; return once `answered` is set or it is over."""
        loop = get_running_loop()
        task, first = loop.create_task(work), loop.create_task(answered.wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await wait((task, first), return_when=FIRST_COMPLETED)
        finally:
            first.cancel()
            if not answered.is_set():
                task.cancel()
        if task.done() and not task.cancelled():
            task.result()

    async def begin(self, row: ResponseRow) -> None:
        """Write down an answer that the current task makes; from here on it can be cancelled.

        Raises:
            Failure: RATE_LIMITED, too many are under way, or as much is kept of the key as may be.
        """
        task = current_task()
        assert task is not None
        self._admit(row.key)
        self._going[row.id] = None
        self._whose[row.id] = row.key
        task.add_done_callback(lambda _: self._forget(row.id))
        try:
            kept = await self.rows.keep(row, (), lambda: row.input, most=self.spec.max_key_bytes)
        except CancelledError:
            # The client left before it was told the id, and the row is written all the same.
            await self.rows.delete(row.key, row.id, now=self.now())
            raise
        if not kept:
            raise Failure(
                Kind.RATE_LIMITED, FULL, source=Source.CLIENT, code="storage_full", retry_after_s=SWEEP_S
            )
        self._going[row.id] = task
        if self._looking is None or self._looking.done():
            self._looking = get_running_loop().create_task(self._look())

    def _admit(self, key: str) -> None:
        """Refuse one more answer in the background where there are as many as there may be."""
        mine = sum(other == key for other in self._whose.values())
        if len(self._whose) < self.spec.max_background and mine < self.spec.max_background_per_key:
            return
        words = "too many answers are being made in the background; come back when some have ended"
        raise Failure(
            Kind.RATE_LIMITED,
            words,
            source=Source.CLIENT,
            code="too_many_background_responses",
            retry_after_s=BUSY_S,
        )

    def _forget(self, id_: str) -> None:
        del self._going[id_], self._whose[id_]

    def closing(self, id_: str) -> None:
        """Note that an answer is about to be written down: its task is not to be cancelled any more."""
        if id_ in self._going:
            self._going[id_] = None

    async def finish(self, row: ResponseRow, items: Sequence[tuple[str, int]] = ()) -> None:
        """Write down how far an answer is, unless it has ended already."""
        until = self.now() + self.spec.retention_s
        await self.rows.change(
            row.key, row.id, status=row.status, body=row.body, expires_at=until, items=items
        )

    async def conclude(self, row: ResponseRow, status: str, error: Json = None) -> None:
        """Write down a status without an answer, unless it has ended already."""
        body = encode(ended(decode(row.body), status, error))
        await self.finish(msgspec.structs.replace(row, status=status, body=body))

    async def sweep(self) -> int:
        """Delete what is past its time, in small steps; return how many answers."""
        owners = [owner for owner in await self.rows.owners() if owner != self.owner]
        dead = await self._dead(owners)
        await self._bury([*dead, self.owner])
        deleted = 0
        while step := await self.rows.sweep(self.now()):
            deleted += step
        return deleted

    async def sweeping(self) -> None:
        """Sweep now and every hour."""
        while True:
            try:
                await self.sweep()
            except Failure as failure:
                self.complain("answers past their time could not be deleted", failure)
            await sleep(SWEEP_S)

    async def stop(self) -> None:
        """End every answer under way, and wait until each is booked and written down as failed."""
        if self._looking is not None:
            self._looking.cancel()
        for task in list(self._tasks):
            task.cancel()
        await gather(*self._tasks, *filter(None, [self._looking]), return_exceptions=True)

    async def _look(self) -> None:
        """End the tasks of answers that were cancelled or deleted by another process."""
        while self._going:
            await sleep(LOOK_S)
            known = [id_ for id_, task in self._going.items() if task is not None]
            try:
                going = await self.rows.under_way(self.owner)
            except Failure as failure:
                self.complain("nobody could look for cancelled answers", failure)
                continue
            for id_ in set(known) - going:
                self._end(id_)

    def _end(self, id_: str) -> None:
        if (task := self._going.get(id_)) is not None:
            task.cancel()

    async def _find(self, key: str, id_: str) -> ResponseRow | None:
        if not self.on or not ID.fullmatch(id_):
            return None
        row = await self.rows.find(key, id_, now=self.now())
        if row is None or row.status not in GOING or not await self._is_lost(row.id, row.owner):
            return row
        await self.conclude(row, "failed", {"code": "server_error", "message": DIED})
        return await self.rows.find(key, id_, now=self.now())

    async def _is_lost(self, id_: str, owner: str) -> bool:
        """Say whether nobody makes an answer any more."""
        if owner == self.owner:
            return id_ not in self._going
        return bool(await self._dead([owner]))

    async def _bury(self, owners: Iterable[str]) -> None:
        """Write down as failed what dead processes have left, and this one lost (its store was away)."""
        for owner in owners:
            for row in await self.rows.going(owner):
                if row.id not in self._going:
                    await self.conclude(row, "failed", {"code": "server_error", "message": DIED})

    async def _history(self, key: str, id_: str) -> list[ResponseRow]:
        """Return an answer and all it continues, the oldest first."""
        if await self.rows.weigh(key, id_, now=self.now()) > self.spec.max_bytes:
            raise self._too_long("$.previous_response_id")
        return await self.rows.history(key, id_, now=self.now())

    def _too_long(self, at: str) -> Failure:
        words = f"the conversation has grown beyond {self.spec.max_bytes} bytes"
        return Failure(Kind.CONTEXT_LENGTH, words, source=Source.CLIENT, at=at)


def output_of(row: ResponseRow) -> list[Json]:
    """Return the items of an answer."""
    output = decode(row.body).get("output")
    return output if isinstance(output, list) else []


def _unknown(id_: str) -> Failure:
    words = f"Response with id '{id_[:128]}' not found."
    return Failure(Kind.NOT_FOUND, words, source=Source.CLIENT, code="response_not_found")
