"""Points for InfluxDB: one for each exchange, on disk before it is sent, and there until it has arrived.

    emit -> memory, a tenth of a second -> spool -> POST, every second or so -> gone from the spool

A server that is down, slow or overloaded costs no request and no point: points are always spooled first
(:mod:`dragoman.sinks.spool`), so there is one way and it is always in use. What `kill -9` can take are the
points of the last :data:`LINGER_S` and those being written to disk; the ledger has them all the same.

**Once.** A piece of the spool is sent whole and removed when the server said 2xx. Where that word was lost
(a timeout, a death in between) it is sent again, with the same times (:mod:`dragoman.sinks.points`):
InfluxDB keeps one of equal points. VictoriaMetrics, which takes the same lines, keeps both.

**Whose fault.** 400 and 422 say that the data are bad, 413 that they are too much: sent again they would be
refused again, for ever, so the piece is put aside under ``rejected/`` and the next one sent. Everything else
(a wrong token, a missing database, 429, 5xx) is trouble that somebody ends: the points wait
(https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/, read 2026-11-21).

The API of 2.x is spoken where a token or a bucket is set, else that of 1.x.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.sinks import Record, Telling
from dragoman.sinks.complaints import Complaints
from dragoman.sinks.points import Points
from dragoman.sinks.posting import Answer, Post, checked, delay
from dragoman.sinks.spool import Spool
from dragoman.sinks.waiting import Waiting
from dragoman.store import ExchangeRow

LINGER_S = 0.1
"""Seconds a point waits in memory for others, to be written with them."""
AT_ONCE = 256
"""Points that are written to disk together."""
MOST = 20_000
"""Points that wait in memory while the disk is slow or full; those beyond are dropped."""
RETRY_S = 5.0
"""Seconds after which a disk that could not be written is tried again."""
FIRST_S, LONGEST_S = 1.0, 30.0
"""The shortest and the longest wait for a server that did not take points."""
ADOPT_S = 15.0
"""Seconds between two looks for points of processes that died."""
CLOSE_S = 1.5
"""Seconds that what is left is given to be sent when the gateway stops; the rest waits on disk."""


class InfluxSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a point of every exchange is written.

    Attributes:
        url: Address of an InfluxDB, or of what speaks its language, `http://127.0.0.1:8086`; empty: no points
            are written.
        token: API token, for 2.x.
        org: Organisation, for 2.x.
        bucket: Bucket, for 2.x.
        db: Database, for 1.x; it must be there.
        user: User, for 1.x.
        password: The user's password, for 1.x.
        flush_s: Seconds between two writes.
        timeout_s: Seconds a write may take.
        batch_bytes: Bytes that are written at once, about.
        spool_bytes: Bytes of points each serving process keeps on disk while they cannot be written; beyond
            that the oldest are dropped.
    """

    url: str = ""
    token: str = ""
    org: str = ""
    bucket: str = ""
    db: str = ""
    user: str = ""
    password: str = ""
    flush_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 1.0
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=300)] = 10.0
    batch_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=16_777_216)] = 524_288
    spool_bytes: Annotated[int, msgspec.Meta(ge=1_048_576)] = 268_435_456

    def __repr__(self) -> str:
        return f"InfluxSpec({self.url}, bucket={self.bucket}, db={self.db})"


class Influx:
    """Writes points to an InfluxDB.

    Args:
        spec: Where to.
        folder: Where points wait: one for all processes that share it.
        owner: This process's name among them.
        dead: Returns those of some names whose process is gone.
        now: Wall clock, Unix seconds.
        tick: Monotonic clock, seconds.
        chance: Random numbers in [0, 1).
        complain: Told of faults, now and then.
        known: Says whether somebody configured a model of this name.
        pause: Waits so many seconds.

    Raises:
        Failure: INVALID, something is missing that a write needs.
    """

    name = "influx"

    def __init__(
        self,
        spec: InfluxSpec,
        folder: Path,
        *,
        owner: str,
        dead: Callable[[Iterable[str]], list[str]],
        now: Callable[[], float],
        tick: Callable[[], float],
        chance: Callable[[], float],
        complain: Callable[[str, BaseException], None],
        known: Callable[[str], bool] = lambda _: False,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._post = _post(spec)
        self._secrets = [secret for secret in (spec.token, spec.password, _pair(spec)) if secret]
        self._flush_s = spec.flush_s
        self._spool = Spool(
            folder,
            owner,
            dead=dead,
            now=now,
            most_bytes=spec.spool_bytes,
            piece_bytes=spec.batch_bytes,
        )
        self._points = Points(known)
        self._waiting: Waiting[ExchangeRow] = Waiting(MOST)
        self._tick = tick
        self._chance = chance
        self._complaints = Complaints(complain, tick)
        self._pause = pause
        self._tries = 0
        self._asked_s = 0.0
        self._looked_at = float("-inf")
        self._delivered = self._rejected = 0
        self._spooling: asyncio.Future[bool] | None = None
        self._sending: asyncio.Future[None] | None = None

    def emit(self, record: Telling) -> None:
        """Take one exchange; never waits, never raises. A rating is no point, nor is an alert."""
        if isinstance(record, Record):
            self._waiting.put(record.row)

    async def run(self) -> None:
        """Deliver what was taken, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_spooling())
            group.create_task(self._run_sending())

    async def close(self) -> None:
        """Deliver what is left, within :data:`CLOSE_S`; what cannot be stays on disk for the next start."""
        if self._spooling is not None:
            await self._spooling
        while self._waiting and await self._spool_some():
            pass
        sending = self._sending
        try:
            async with asyncio.timeout(CLOSE_S):
                if sending is not None:
                    await sending
                await self._send()
        except TimeoutError:
            pass
        await self._post.close()
        await asyncio.to_thread(self._spool.close)

    def counts(self) -> Mapping[str, int]:
        """Return how many points were taken, delivered, dropped, and are waiting, here or on disk.

        Points that an earlier process left on disk are delivered, or dropped, by this one without having been
        taken by it.
        """
        here = self._waiting.counts()
        return {
            "taken": here["taken"],
            "delivered": self._delivered,
            "dropped": here["dropped"] + self._spool.lost + self._rejected,
            "waiting": here["waiting"] + self._spool.waiting,
        }

    async def _run_spooling(self) -> None:
        """Write what was taken to disk, shortly after."""
        loop = asyncio.get_running_loop()
        while True:
            await self._waiting.some()
            if len(self._waiting) < AT_ONCE:
                await self._pause(LINGER_S)
            # A cancellation ends the waiting for it, not the writing itself: see close.
            self._spooling = loop.create_task(self._spool_some())
            if not await asyncio.shield(self._spooling):
                await self._pause(RETRY_S)

    async def _run_sending(self) -> None:
        """Send what is on disk, now and then."""
        loop = asyncio.get_running_loop()
        while True:
            self._sending = loop.create_task(self._send())
            await asyncio.shield(self._sending)
            await self._pause(self._wait_s())

    async def _spool_some(self) -> bool:
        """Write the points that wait longest to disk; return whether it could be written."""
        rows = self._waiting.take(AT_ONCE)
        try:
            await asyncio.to_thread(self._write, rows)
        except OSError as error:
            self._waiting.back(rows)
            self._complaints.tell("disk", "points for InfluxDB cannot be written to disk", error)
            return False
        except Exception as error:  # noqa: BLE001  a bug in one point must not be the end of all
            self._waiting.dropped(rows)
            self._complaints.tell("bug", f"{len(rows)} point(s) for InfluxDB are lost to a bug", error)
            return True
        self._waiting.delivered(rows)
        self._complaints.over("disk")
        return True

    def _write(self, rows: Iterable[ExchangeRow]) -> None:
        self._spool.append([self._points.line(row) for row in rows])

    async def _send(self) -> None:
        """Send all that is on disk, until the server does not take it."""
        try:
            if self._tick() - self._looked_at >= ADOPT_S:
                self._looked_at = self._tick()
                await asyncio.to_thread(self._spool.adopt)
            while (found := await asyncio.to_thread(self._spool.oldest)) is not None:
                piece, lines = found
                answer = await self._post.send(lines)
                if 200 <= answer.status < 300:
                    self._delivered += piece.count
                    await asyncio.to_thread(self._spool.done, piece)
                elif answer.status in (400, 413, 422):
                    self._rejected += piece.count
                    aside = await asyncio.to_thread(self._spool.reject, piece)
                    what = f"{piece.count} point(s) that InfluxDB will not have were put into {aside.parent}"
                    self._complaints.tell("rejected", what, self._words(answer))
                else:
                    self._tries += 1
                    self._asked_s = answer.retry_after_s
                    self._complaints.tell("server", "points for InfluxDB wait on disk", self._words(answer))
                    return
                self._tries = 0
                self._complaints.over("server")
        except OSError as error:
            self._tries += 1
            self._complaints.tell("folder", "points for InfluxDB cannot be read from disk", error)

    def _wait_s(self) -> float:
        """Return how long to wait before sending again."""
        if not self._tries:
            return self._flush_s
        wait = delay(self._tries, self._asked_s, first_s=FIRST_S, most_s=LONGEST_S, chance=self._chance)
        return max(self._flush_s, wait)

    def _words(self, answer: Answer) -> ConnectionError:
        """Return what a server said, without what it may have repeated of ours."""
        words = answer.words
        for secret in self._secrets:
            words = words.replace(secret, "***")
        words = words[:300]
        return ConnectionError(f"{answer.status}: {words}" if answer.status else words)


def _post(spec: InfluxSpec) -> Post:
    """Return what writes to the server.

    https://docs.influxdata.com/influxdb/v2/api/ and
    https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint (read 2026-11-21).
    """
    url = checked(spec.url, "influx.url").rstrip("/")
    if "?" in url or "#" in url:
        raise Failure(Kind.INVALID, "influx.url must end with its path")
    text = {"content-type": "text/plain; charset=utf-8"}
    if spec.token or spec.bucket:
        if not spec.bucket:
            raise Failure(Kind.INVALID, "influx.token is of 2.x, which wants influx.bucket too")
        query = {"org": spec.org, "bucket": spec.bucket, "precision": "ns"}
        if spec.token:
            text["authorization"] = f"Token {spec.token}"
        return Post(f"{url}/api/v2/write", query=query, headers=text, timeout_s=spec.timeout_s)
    if not spec.db:
        raise Failure(Kind.INVALID, "influx.url wants influx.bucket (2.x) or influx.db (1.x) too")
    if spec.user:
        text["authorization"] = f"Basic {_pair(spec)}"
    query = {"db": spec.db, "precision": "ns"}
    return Post(f"{url}/write", query=query, headers=text, timeout_s=spec.timeout_s)


def _pair(spec: InfluxSpec) -> str:
    """Return user and password as they are sent."""
    return base64.b64encode(f"{spec.user}:{spec.password}".encode()).decode() if spec.user else ""
