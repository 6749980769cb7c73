"""Recorded answers: what was answered once may be told again.

    terms.py      may this request be answered from a recording, and recorded?      pure
    key.py        the name of a question: a digest of all that changes its answer   pure
    recording.py  an answer's events as bytes, taken down as they pass              sans-io
    memory.py     what was used last, up to a number of bytes                       pure
    durable.py    the store behind it: survives a restart, shared by processes
    guard.py, semantic.py   questions that are put differently and mean the same    optional

    question = cache.question(tenant, request, targets)
    recording = await cache.recall(terms, question)          None: ask a provider, and
    recorder = cache.record(terms, question)                 feed() each event, then keep()

**No request fails or waits because of this.** A store that cannot answer is a miss; a recording is written
after the last byte has left; a damaged one is a miss and removed. Trouble is counted, and complained of once
a minute at most.

**A tenant's recordings are its own.** The tenant is part of every key and every scope, so that another
tenant's question is another question.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from dragoman.cache.durable import Shelf
from dragoman.cache.guard import marks
from dragoman.cache.key import key, last_words, scope
from dragoman.cache.memory import RECHECK_S, Held, Memory
from dragoman.cache.recording import Recorder, Recording, read
from dragoman.cache.semantic import LONGEST, Likeness, available
from dragoman.cache.terms import CacheSpec, Terms, asked
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Request
from dragoman.store import RecordingRow, Recordings

__all__ = ["Cache", "CacheSpec", "Question", "Recorder", "Recording", "Terms", "asked", "key"]

SWEEP_S = 600.0
"""Seconds between two sweeps."""

COMPLAIN_S = 60.0
"""Seconds between two complaints."""

MISSING = "[cache] semantic needs an extra: pip install 'dragoman[semantic]'"

ROW = 256
"""Bytes a row takes beside its body, about."""


class Question(msgspec.Struct, frozen=True):
    """What is asked, as far as recordings go.

    Attributes:
        tenant: Who asks.
        key: Under which its answer is recorded.
        scope: Which other questions it may be compared with; None: none.
        words: What is compared.
    """

    tenant: str
    key: bytes
    scope: bytes | None = None
    words: str = ""


class Cache:
    """The recorded answers of one gateway, as one process sees them."""

    def __init__(
        self,
        spec: CacheSpec,
        rows: Recordings,
        *,
        now: Callable[[], float],
        complain: Callable[[str, BaseException], None],
        likeness: Likeness | None = None,
    ) -> None:
        """Begin with nothing in memory.

        Args:
            spec: What is recorded; may be replaced at any time.
            rows: Where recordings survive.
            now: Wall clock, Unix seconds.
            complain: Told what went wrong and cost no request.
            likeness: Compares questions; None: the model of the extra ``semantic``, where that is installed.
        """
        self.spec = spec
        self._now = now
        self._complain = complain
        self._memory = Memory()
        self._shelf = Shelf(rows, self._trouble)
        self._likeness = likeness or (Likeness() if available() else None)
        self._counts: Counter[str] = Counter()
        self._complain_at = -math.inf
        self._era = 0
        """Counts what was forgotten, so that a look which began before brings nothing back."""
        if spec.semantic and self._likeness is None:
            self._complain("similar questions are not compared", Failure(Kind.UNAVAILABLE, MISSING))

    def question(self, tenant: str, request: Request, targets: Sequence[str]) -> Question:
        """Return the name of what is asked.

        Args:
            tenant: Whose recordings may answer it.
            request: What is asked.
            targets: Who the route's name stands for, in the route's own order.
        """
        name = key(tenant, request, targets)
        words = last_words(request) if self.spec.semantic and self._likeness is not None else None
        if words is None or not 0 < len(words) <= LONGEST or (found := marks(words)) is None:
            return Question(tenant, name)
        return Question(tenant, name, scope(tenant, request, targets, found), words)

    async def recall(self, terms: Terms, question: Question) -> Recording | None:
        """Return a recorded answer, or None where there is none, it may not be used, or the store is down."""
        if not terms.read:
            return None
        now = self._now()
        recording = await self._found(question.key, now)
        if recording is None and terms.similar and question.scope is not None:
            recording = await self._similar(question, question.scope, now)
        self._counts["misses" if recording is None else "hits"] += 1
        return recording

    def record(self, terms: Terms, question: Question) -> Recorder | None:
        """Return who takes down the answer, or None where it may not be recorded."""
        if not terms.record:
            return None

        def keep(write: Callable[[float], bytes]) -> None:
            self._keep(question, write)

        return Recorder(question.key, largest=self.spec.largest_bytes, keep=keep, lost=self._lost)

    async def forget(self, tenant: str) -> int:
        """Delete all recordings of a tenant; return how many the store had.

        Another process that has one in memory may use it for :data:`~dragoman.cache.memory.RECHECK_S` more.

        Raises:
            Failure: UNAVAILABLE; those in the store are not deleted.
        """
        self._era += 1
        self._memory.forget(tenant)
        return await self._shelf.forget(tenant)

    async def sweep(self) -> int:
        """Delete what is past its time or beyond the bound; return how many; raise Failure."""
        return await self._shelf.sweep(self._now(), self.spec.disk_bytes)

    async def sweeping(self) -> None:
        """Sweep now and again, until cancelled."""
        while True:
            try:
                await self.sweep()
            except Failure as failure:
                self._trouble(failure)
            await asyncio.sleep(SWEEP_S)

    async def close(self) -> None:
        """Write what is waiting. The store must still be open."""
        await self._shelf.drained()
        if self._likeness is not None:
            self._likeness.close()

    def counts(self) -> Mapping[str, int]:
        """Return what happened so far, and what is in memory now.

        ``hits`` (of which ``similar`` by meaning), ``misses``, ``recorded``; ``unfit``, ``too_large``,
        ``unwritable`` and ``crowded`` were not recorded; ``damaged`` were removed; ``faults`` of the store or
        of the model.
        """
        return {**self._counts, "in_memory": len(self._memory), "memory_bytes": self._memory.bytes}

    async def _found(self, name: bytes, now: float) -> Recording | None:
        """Return the recording of exactly this question."""
        held = self._memory.get(name, now)
        if held is None or held.recheck_at <= now:
            held = await self._fetched(name, held, now)
        if held is None:
            return None
        recording = read(name, held.body)
        if recording is None:
            self._remove(name, held.recorded_at)
        return recording

    async def _fetched(self, name: bytes, stale: Held | None, now: float) -> Held | None:
        """Return what the store has, in memory from now on; where it cannot say, what is in memory."""
        era = self._era
        try:
            row = await self._shelf.find(name, now)
        except Failure as failure:
            self._trouble(failure)
            return stale
        if row is None:
            if stale is not None:
                self._memory.drop(name)
            return None
        held = Held(row.body, row.tenant, row.recorded_at, row.expires_at, now + RECHECK_S)
        if era == self._era:
            self._memory.put(name, held, self.spec.memory_bytes)
        return held

    async def _similar(self, question: Question, where: bytes, now: float) -> Recording | None:
        """Return the recording of a question that means the same."""
        assert self._likeness is not None
        try:
            rows = await self._shelf.alike(where, now, self.spec.semantic_per_scope)
            if not rows:
                return None
            vector = await self._likeness.vector(question.words)
            place, cosine = await self._likeness.nearest(vector, [other for _, other in rows])
        except Failure as failure:
            self._trouble(failure)
            return None
        except Exception as error:  # noqa: BLE001  a foreign model: whatever it is, the question is asked anew
            self._trouble(error)
            return None
        if cosine < self.spec.similarity:
            return None
        recording = await self._found(rows[place][0], now)
        if recording is None:
            return None
        self._counts["similar"] += 1
        return msgspec.structs.replace(recording, similarity=cosine)

    def _keep(self, question: Question, write: Callable[[float], bytes]) -> None:
        """Hold a recording in memory, and have it written behind the answer."""
        now, spec = self._now(), self.spec
        body = write(now)
        row = RecordingRow(
            key=question.key, tenant=question.tenant, recorded_at=now, expires_at=now + spec.ttl_s, body=body
        )

        async def put(rows: Recordings) -> None:
            kept = await self._placed(row, question)
            await rows.keep(kept, most=spec.disk_bytes, alike=spec.semantic_per_scope)

        held = Held(body, question.tenant, now, row.expires_at, now + RECHECK_S)
        self._memory.put(question.key, held, spec.memory_bytes)
        self._counts["recorded" if self._shelf.put(len(body) + ROW, put) else "crowded"] += 1

    async def _placed(self, row: RecordingRow, question: Question) -> RecordingRow:
        """Return `row` with its place among questions that mean nearly the same, if it has one."""
        if question.scope is None or self._likeness is None:
            return row
        try:
            vector = await self._likeness.vector(question.words)
        except Exception as error:  # noqa: BLE001  as above: it is recorded all the same
            self._trouble(error)
            return row
        return msgspec.structs.replace(row, scope=question.scope, vector=vector)

    def _remove(self, name: bytes, recorded_at: float) -> None:
        """Remove a damaged recording."""
        self._counts["damaged"] += 1
        self._memory.drop(name)

        async def delete(rows: Recordings) -> None:
            await rows.delete(name, recorded_at=recorded_at)

        self._shelf.put(0, delete)

    def _lost(self, why: str) -> None:
        self._counts[why] += 1

    def _trouble(self, error: BaseException) -> None:
        """Count what went wrong, and complain of it now and then."""
        self._counts["faults"] += 1
        now = self._now()
        if not self._complain_at <= now < self._complain_at + COMPLAIN_S:
            self._complain_at = now
            count = self._counts["faults"]
            self._complain(f"recorded answers are not to be had ({count} faults so far)", error)
