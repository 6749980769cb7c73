"""Webhooks: what happened, POSTed to an address of the operator's, signed after Standard Webhooks.

    POST <url>
    webhook-id: msg_...                     the same however often it is tried
    webhook-timestamp: 1764000000           of this try
    webhook-signature: v1,<base64>          HMAC-SHA256 of "<id>.<timestamp>.<body>", one for each secret

    {"type": "dragoman.batch", "timestamp": "...", "data": [{"type": "exchange.settled", "timestamp": "...",
     "data": {...}}, {"type": "exchange.rated", ...}, {"type": "budget.alert", ...}]}

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (version 1.0.0,
read 2026-11-21), from which also come: a 2xx is success and nothing else is; a redirect is not followed; 410
ends it for good; ``Retry-After`` is heeded; waits double, with jitter.

One batch is under way at a time, so that they come in order. A batch that could not be delivered in
`tries` is dropped, what does not fit the queue as well, and both are counted: a webhook is to be told soon,
the ledger is for counting. Prompts and answers are told only where `text` says so.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from binascii import Error as BinasciiError
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.sinks import Rated, Record, Telling
from dragoman.sinks.complaints import Complaints
from dragoman.sinks.posting import Answer, Post, checked, delay
from dragoman.sinks.telling import dollars, instant, tokens, valid, weight
from dragoman.sinks.waiting import Waiting
from dragoman.store.budgets import Alert

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
"""How long a secret may be, by the specification."""

EVENTS: Final = (
    "exchange.settled",
    "exchange.failed",
    "exchange.cancelled",
    "exchange.rated",
    "budget.alert",
)
"""What may be told, by type."""

MOST_BYTES, BATCH_BYTES = 32 * 1024 * 1024, 1024 * 1024
"""What the words of all that waits, and of a batch, may come to."""
FIRST_S, LONGEST_S = 1.0, 60.0
"""The shortest and the longest wait between two tries."""
CLOSE_S = 1.5
"""Seconds that what is left is given to be sent when the gateway stops."""


class WebhookSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told of every exchange, in signed POSTs.

    Attributes:
        url: Address that is told; empty: nobody is.
        secret: What the POSTs are signed with, `whsec_` and 24 to 64 random bytes in base64; two with a space
            between while one replaces the other.
        events: What is told: "exchange.settled", "exchange.failed", "exchange.cancelled", "exchange.rated",
            "budget.alert".
        text: Whether prompts and answers are told too, where they are logged.
        batch: Records that are sent together, at most.
        flush_s: Seconds a record waits for others.
        timeout_s: Seconds a POST may take.
        tries: Times that one is tried.
        queue: Records that may wait; those beyond are dropped.
    """

    url: str = ""
    secret: str = ""
    events: tuple[str, ...] = EVENTS
    text: bool = False
    batch: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    flush_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 1.0
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=300)] = 15.0
    tries: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    queue: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000

    def __repr__(self) -> str:
        return f"WebhookSpec(events={self.events})"


class Message(msgspec.Struct, frozen=True):
    """A batch as it is sent."""

    id: str
    body: bytes
    records: Sequence[Telling]


class Webhook:
    """Tells an address of what happened.

    Args:
        spec: Who is told of what.
        now: Wall clock, Unix seconds.
        tick: Monotonic clock, seconds.
        chance: Random numbers in [0, 1).
        complain: Told of faults, now and then.
        pause: Waits so many seconds.

    Raises:
        Failure: INVALID, an address, a secret or an event is none.
    """

    name = "webhook"

    def __init__(
        self,
        spec: WebhookSpec,
        *,
        now: Callable[[], float],
        tick: Callable[[], float],
        chance: Callable[[], float],
        complain: Callable[[str, BaseException], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if unknown := [event for event in spec.events if event not in EVENTS]:
            raise Failure(Kind.INVALID, f"webhook.events has {unknown[0]}; there are {', '.join(EVENTS)}")
        self._spec = spec
        self._secrets = secrets(spec.secret)
        json = {"content-type": "application/json", "user-agent": "Dragoman"}
        self._post = Post(checked(spec.url, "webhook.url"), headers=json, timeout_s=spec.timeout_s)
        self._waiting: Waiting[Telling] = Waiting(spec.queue, MOST_BYTES, weight)
        self._now = now
        self._chance = chance
        self._complaints = Complaints(complain, tick)
        self._pause = pause
        self._message: Message | None = None
        self._tries = 0
        self._gone = False
        self._trying: asyncio.Future[float] | None = None

    def emit(self, record: Telling) -> None:
        """Take one record, if it is of what is to be told; never waits, never raises."""
        if _type(record) in self._spec.events:
            if isinstance(record, Record) and not self._spec.text:
                record = Record(record.row)
            self._waiting.put(record)

    async def run(self) -> None:
        """Deliver what was taken, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if self._message is None:
                await self._waiting.some()
                await self._pause(self._spec.flush_s)
            # A cancellation ends the waiting for it, not the POST itself: see close.
            self._trying = loop.create_task(self._try())
            wait_s = await asyncio.shield(self._trying)
            if wait_s:
                await self._pause(wait_s)

    async def close(self) -> None:
        """Deliver what is left, within :data:`CLOSE_S`; what cannot be is dropped."""
        try:
            async with asyncio.timeout(CLOSE_S):
                if self._trying is not None:
                    await self._trying
                while (self._waiting or self._message) and not await self._try():
                    pass
        except TimeoutError:
            pass
        self._drop()
        self._waiting.dropped(self._waiting.take(self._spec.queue))
        await self._post.close()

    def counts(self) -> Mapping[str, int]:
        """Return how many records were taken, delivered, dropped, and are waiting."""
        return self._waiting.counts()

    async def _try(self) -> float:
        """Send the batch under way, or the next, once; return the seconds to wait before it is sent again."""
        message = self._message or await self._next()
        if message is None:
            return 0.0
        if self._gone:
            self._drop()
            return 0.0
        self._tries += 1
        answer = await self._post.send(message.body, signed(message, int(self._now()), self._secrets))
        if 200 <= answer.status < 300:
            self._message = None
            self._waiting.delivered(message.records)
            self._complaints.over("server")
            return 0.0
        return self._failed(answer)

    async def _next(self) -> Message | None:
        """Make a batch of the records that wait longest the one under way."""
        records = self._waiting.take(self._spec.batch, BATCH_BYTES)
        self._tries = 0
        try:
            self._message = await asyncio.to_thread(packed, records, self._now())
        except Exception as error:  # noqa: BLE001  a bug in one record must not be the end of all
            self._waiting.dropped(records)
            self._complaints.tell("bug", f"{len(records)} record(s) of the webhook are lost to a bug", error)
        return self._message

    def _failed(self, answer: Answer) -> float:
        """Note that a try failed; return the seconds to wait before the next, 0 where there is none."""
        # What the other side says goes nowhere: it may repeat a prompt.
        error = ConnectionError(f"status {answer.status}" if answer.status else answer.words)
        if answer.status == 410:
            self._gone = True
            self._complaints.tell("gone", "the webhook's address wants no more; until a restart", error)
        if answer.status == 410 or self._tries >= self._spec.tries:
            self._drop()
            self._complaints.tell("dropped", "records are dropped: the webhook cannot be delivered", error)
            return 0.0
        self._complaints.tell("server", "the webhook is not delivered yet", error)
        return delay(
            self._tries, answer.retry_after_s, first_s=FIRST_S, most_s=LONGEST_S, chance=self._chance
        )

    def _drop(self) -> None:
        """Give up the batch under way."""
        if self._message is not None:
            self._waiting.dropped(self._message.records)
            self._message = None


def secrets(text: str) -> list[bytes]:
    """Return the secrets that POSTs are signed with.

    Raises:
        Failure: INVALID, there is none, or one is not what the specification wants.
    """
    found = []
    for word in text.split():
        try:
            key = base64.b64decode(word.removeprefix(PREFIX), validate=True)
        except BinasciiError:
            key = b""
        if not word.startswith(PREFIX) or len(key) not in SECRET_BYTES:
            raise Failure(Kind.INVALID, "webhook.secret must be whsec_ and 24 to 64 bytes in base64")
        found.append(key)
    if not found:
        raise Failure(Kind.INVALID, "webhook.url wants webhook.secret too")
    return found


def signed(message: Message, at: int, keys: Sequence[bytes]) -> dict[str, str]:
    """Return the headers that say who sends a message and when, one signature for each key."""
    content = f"{message.id}.{at}.".encode() + message.body
    macs = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{mac}" for mac in macs),
    }


def packed(records: Sequence[Telling], at: float) -> Message:
    """Return records as a message; its id is made of its body, and so the same whenever it is sent."""
    data = [
        {"type": _type(record), "timestamp": instant(_at(record)), "data": _told(record)}
        for record in records
    ]
    body = msgspec.json.encode({"type": "dragoman.batch", "timestamp": instant(at), "data": data})
    return Message(f"msg_{hashlib.sha256(body).hexdigest()[:32]}", body, records)


def _told(record: Telling) -> dict[str, Any]:
    """Return what is told of a record; its names are those of ``GET /v1/exchanges/{id}``."""
    if isinstance(record, Rated):
        return {
            "id": record.exchange_id,
            "key": _valid(record.key),
            "model": _valid(record.model),
            "rating": record.rating,
            "feedback": _valid(record.feedback),
            "rated_at": record.rated_at,
        }
    if isinstance(record, Alert):
        return _alert(record)
    row, counted = record.row, tokens(record.row.meters)
    told: dict[str, Any] = {
        name: getattr(row, name)
        for name in (
            *("id", "request_id", "key", "dialect", "task", "model", "answered_model", "provider", "state"),
            *("status", "stream", "cached", "fallback", "chunks", "counted", "stop", "losses", "attempts"),
            *("opened_at", "settled_at", "first_event_ms", "latency_ms", "failure"),
        )
    }
    told["usage"] = {
        "input_tokens": counted.read,
        "cached_tokens": counted.cached,
        "output_tokens": counted.wrote,
        "reasoning_tokens": counted.reasoning,
        "total_tokens": counted.read + counted.wrote,
        "estimated": row.meters.estimated,
    }
    told["cost_usd"] = dollars(row.meters)
    if record.prompt is not None:
        told["prompt"], told["response"] = record.prompt, record.response
    return {name: _valid(value) for name, value in told.items()}


def _alert(alert: Alert) -> dict[str, Any]:
    """Return what is told of an alert; its names are those of ``GET /admin/alerts``."""
    return {
        "budget": _valid(alert.budget),
        "scope": alert.scope,
        "subject": _valid(alert.subject),
        "hard": alert.hard,
        "percent": alert.percent,
        "spent_usd": alert.spent_micros / 1_000_000,
        "dollars": alert.cap_micros / 1_000_000,
        "began_at": alert.began_at,
        "ends_at": alert.ends_at,
        "told_at": alert.told_at,
    }


def _type(record: Telling) -> str:
    if isinstance(record, Alert):
        return "budget.alert"
    return "exchange.rated" if isinstance(record, Rated) else f"exchange.{record.row.state}"


def _at(record: Telling) -> float:
    if isinstance(record, Rated):
        return record.rated_at
    if isinstance(record, Alert):
        return record.told_at
    return record.row.opened_at if record.row.settled_at is None else record.row.settled_at


def _valid(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_valid(one) for one in value]
    return valid(value) if isinstance(value, str) else value
