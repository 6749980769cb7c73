"""A load generator that costs little: raw HTTP/1.1 over asyncio protocols, one connection a client.

It must never be the bottleneck of what it measures, so it parses no more than it needs: the status, and
where a body ends. Every answer is checked: its status, and for streams that the terminator came.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, cast


class Result(NamedTuple):
    """What one run measured. Latencies in seconds, sorted."""

    requests: int
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """Return the latency that `share` of the requests did not exceed, in milliseconds."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))] * 1000


class Client(asyncio.Protocol):
    """One keep-alive connection that asks the same thing again and again."""

    def __init__(self, request: bytes, must_hold: bytes, pace_s: float = 0.0) -> None:
        self._pace_s = pace_s
        self.latencies: list[float] = []
        self._request = request
        self._must_hold = must_hold
        self._buffer = bytearray()
        self._end = -1
        self._began = 0.0
        self._left = 0
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        # uvloop's transport is not asyncio's class, but its equal.
        self._transport = cast("asyncio.Transport", transport)

    async def run(self, requests: int) -> None:
        """Ask so many times, one after another."""
        self._left = requests
        self._ask()
        await self._done

    def data_received(self, data: bytes) -> None:
        """Take bytes; when an answer is whole, ask again."""
        buffer = self._buffer
        buffer += data
        if self._end < 0:
            head = buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            lines = bytes(buffer[:head]).lower()
            if not lines.startswith(b"http/1.1 200"):
                self._fail(f"the answer was not a 200: {bytes(buffer[:300])!r}")
                return
            found = lines.find(b"content-length:")
            # 0: in chunks, up to the last chunk
            self._end = head + 4 + int(lines[found + 15 :].split(b"\r\n", 1)[0]) if found >= 0 else 0
        if len(buffer) >= self._end if self._end else buffer.endswith(b"0\r\n\r\n"):
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that goes before its work is done is a failed run."""
        if not self._done.done():
            self._fail(f"the connection was lost: {exc}")

    def _answered(self) -> None:
        self.latencies.append(time.perf_counter() - self._began)
        if self._must_hold not in self._buffer:
            self._fail(f"an answer ended without {self._must_hold!r}")
            return
        self._left -= 1
        if self._left:
            # What took longer than the pace is followed at once, but is made up for by nobody.
            pause = self._began + self._pace_s - time.perf_counter()
            if pause > 0:
                asyncio.get_running_loop().call_later(pause, self._ask)
            else:
                self._ask()
            return
        self._done.set_result(None)
        assert self._transport is not None
        self._transport.close()

    def _ask(self) -> None:
        self._buffer.clear()
        self._end = -1
        self._began = time.perf_counter()
        assert self._transport is not None
        self._transport.write(self._request)

    def _fail(self, why: str) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(why))


async def load(
    port: int, request: bytes, *, clients: int, requests: int, must_hold: bytes = b"", pace_s: float = 0.0
) -> Result:
    """Send `requests` requests over `clients` connections and return what it took.

    `pace_s`: seconds from one request of a connection to its next; 0: each follows the last answer at once.
    """
    loop = asyncio.get_running_loop()
    made = []
    for _ in range(clients):
        _, client = await loop.create_connection(
            lambda: Client(request, must_hold, pace_s), "127.0.0.1", port
        )
        made.append(client)
    began = time.perf_counter()
    await asyncio.gather(*(client.run(requests // clients) for client in made))
    seconds = time.perf_counter() - began
    latencies = sorted(latency for client in made for latency in client.latencies)
    return Result(len(latencies), seconds, latencies)
