"""The journal: what was received, and how each answer ended.

Totals are exact for as long as the journal is kept; entries are a ring of the newest. An entry keeps the
request's bytes and reads them only when it is shown. Credentials are never shown: what stands in their
place is a short digest, the same for the same secret, so that a test can say which key arrived.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections import Counter, deque
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Literal
from urllib.parse import parse_qsl

import msgspec

from dragoman.core.extras import Json
from dragoman.core.usage import COUNTERS, Usage

Outcome = Literal[
    "open",
    "completed",
    "failed",
    "refused",
    "cut",
    "reset",
    "hung",
    "cancelled",
    "stopped",
]
"""How an answer ended: still being given; all of it; an error by script; the request was not accepted; cut
off, reset or left hanging by script; the client left; the simulator was closed."""

SECRET = frozenset(
    ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
)
"""Headers that hold credentials."""

SECRET_QUERY = frozenset(("key", "api_key", "api-key", "access_token"))
"""Query fields that hold credentials."""


def masked(secret: str) -> str:
    """Return what stands in the journal for a credential, its scheme ("Bearer") left as it is."""
    scheme, space, token = secret.rpartition(" ")
    return f"{scheme}{space}sha256:{sha256(token.encode()).hexdigest()[:12]}"


class Entry:
    """One request received.

    Attributes:
        n: Its number since the journal began, from 1.
        at_s: When its last byte came, in seconds since the simulator started.
        first_at_s: When the answer's first byte was sent.
        ended_at_s: When the answer ended, or the client left.
        dialect: Whose endpoint it came to, if any.
        rule: Index of the script's rule it fell under.
        status: HTTP status answered, 0 while there is none.
        frames: Frames sent; a unary answer is one.
        tokens: Tokens of the answer sent so far.
        usage: The usage told, once it was sent.
        cancelled_at_frame: Frames sent when the client left, if it left before the end.
    """

    __slots__ = (
        "_body",
        "_headers",
        "_target",
        "_totals",
        "at_s",
        "cancelled_at_frame",
        "dialect",
        "ended_at_s",
        "first_at_s",
        "frames",
        "method",
        "model",
        "n",
        "outcome",
        "path",
        "rule",
        "status",
        "stream",
        "tokens",
        "usage",
    )

    def __init__(self, totals: Totals, at_s: float, method: str, path: str) -> None:
        self._totals = totals
        self.n = totals.requests
        self.at_s = at_s
        self.method = method
        self.path = path
        self.dialect: str | None = None
        self.model = ""
        self.stream = False
        self.rule: int | None = None
        self.status = 0
        self.frames = 0
        self.tokens = 0
        self.usage: Usage | None = None
        self.outcome: Outcome = "open"
        self.cancelled_at_frame: int | None = None
        self.first_at_s: float | None = None
        self.ended_at_s: float | None = None
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self._body = b""
        self._target = b""

    def keep(self, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Keep the request itself."""
        self._target = target
        self._headers = headers
        self._body = body

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case, credentials masked."""
        pairs = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in self._headers)
        return {name: masked(value) if name in SECRET else value for name, value in pairs}

    @property
    def query(self) -> dict[str, str]:
        """The query, credentials masked."""
        pairs = parse_qsl(self._target.partition(b"?")[2].decode("latin-1"))
        return {name: masked(value) if name in SECRET_QUERY else value for name, value in pairs}

    @property
    def body(self) -> Json:
        """The body: decoded if it is JSON, else as text; None if there was none or it was not kept."""
        if not self._body:
            return None
        try:
            return msgspec.json.decode(self._body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._body.decode("utf-8", "replace")

    def record(self) -> dict[str, Json]:
        """Return the entry as JSON."""
        plain = {name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")}
        usage = None if self.usage is None else counters(self.usage)
        return {**plain, "usage": usage, "query": self.query, "headers": self.headers, "body": self.body}


class Totals:
    """Sums over every request since the journal began."""

    __slots__ = ("dialects", "frames", "outcomes", "requests", "tokens", "usage")

    def __init__(self) -> None:
        self.requests = 0
        self.frames = 0
        self.tokens = 0
        self.outcomes: Counter[str] = Counter()
        self.dialects: Counter[str] = Counter()
        self.usage: Counter[str] = Counter()

    def record(self) -> dict[str, Json]:
        """Return the sums as JSON."""
        sums = {name: getattr(self, name) for name in self.__slots__}
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in sums.items()}


class Journal:
    """What was received, newest last.

    Args:
        keep: How many entries are kept.
        bodies: Whether entries keep headers and bodies.
    """

    def __init__(self, *, keep: int = 2_000, bodies: bool = True) -> None:
        self.bodies = bodies
        self.totals = Totals()
        self.began_at = 0.0
        self._entries: deque[Entry] = deque(maxlen=keep)
        self._open = 0
        self._waiting: list[tuple[Callable[[Journal], bool], Future[None]]] = []

    @property
    def entries(self) -> list[Entry]:
        """The newest entries, oldest first."""
        return list(self._entries)

    @property
    def open(self) -> int:
        """How many answers are being given; one left hanging counts until its client leaves."""
        return self._open

    def __len__(self) -> int:
        """Return how many requests there were since the journal began."""
        return self.totals.requests

    def __getitem__(self, index: int) -> Entry:
        """Return one of the entries kept."""
        return self._entries[index]

    def since(self, at_s: float) -> float:
        """Return a time of the loop's clock as an entry has it: in seconds since the simulator started."""
        return at_s - self.began_at

    def begin(self, at_s: float, method: str, path: str) -> Entry:
        """Enter a request."""
        self.totals.requests += 1
        self._open += 1
        entry = Entry(self.totals, self.since(at_s), method, path)
        self._entries.append(entry)
        if self._waiting:
            self._tell()
        return entry

    def hang(self, entry: Entry) -> None:
        """Enter that an answer was left hanging; it ends when its client leaves."""
        entry.outcome = "hung"
        if self._waiting:
            self._tell()

    def end(self, entry: Entry, at_s: float, outcome: Outcome) -> None:
        """Enter how an answer ended. An outcome by script stands, whatever the client does afterwards."""
        if entry.outcome == "open":
            entry.outcome = outcome
        entry.ended_at_s = self.since(at_s)
        totals = entry._totals  # noqa: SLF001 - those it was entered in: the journal may have been cleared since
        self._open -= 1
        totals.frames += entry.frames
        totals.tokens += entry.tokens
        totals.outcomes[entry.outcome] += 1
        totals.dialects[entry.dialect or ""] += 1
        if entry.usage is not None:
            for name in COUNTERS:
                if value := getattr(entry.usage, name):
                    totals.usage[name] += value
        if self._waiting:
            self._tell()

    def clear(self) -> None:
        """Forget everything but what is still open; numbers begin at 1 again."""
        self.totals = Totals()
        self._entries.clear()

    async def until(self, condition: Callable[[Journal], bool]) -> None:
        """Wait until `condition` holds; it is tried when a request comes or an answer ends."""
        if condition(self):
            return
        waiter: Future[None] = get_running_loop().create_future()
        self._waiting.append((condition, waiter))
        try:
            await waiter
        finally:
            self._waiting = [pair for pair in self._waiting if pair[1] is not waiter]

    def _tell(self) -> None:
        for condition, waiter in self._waiting:
            if not waiter.done() and condition(self):
                waiter.set_result(None)

    def summary(self) -> dict[str, Json]:
        """Return the sums as JSON, and how many answers are open."""
        return {**self.totals.record(), "open": self._open}


def counters(usage: Usage) -> dict[str, int]:
    """Return the counters of `usage` that are not zero."""
    return {name: value for name in COUNTERS if (value := getattr(usage, name))}
