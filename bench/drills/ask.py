"""A raw client: one request, at one of three doors, to its end or until the client leaves.

It reads HTTP and no more of the answer than it needs: whether what is there ends as a whole answer of
that dialect does. Every byte of every answer is searched for the secrets it must not hold.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import MappingProxyType
from typing import Any, Literal

import msgspec

MARK = "canary7q"
"""Every secret of a run holds it, and nothing else does."""

Door = Literal["chat", "messages", "responses"]
End = Literal["whole", "broken", "silent", "lost", "left", "unreached"]

PATHS = MappingProxyType(
    {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
)

WHOLE = MappingProxyType(
    {
        "chat": (b"data: [DONE]",),
        "messages": (b"event: message_stop",),
        "responses": (b"event: response.completed", b"event: response.incomplete"),
    }
)
"""What a stream that was not cut short holds near its end."""

BROKEN = MappingProxyType(
    {
        "chat": (b'{"error":{',),
        "messages": (b"event: error",),
        "responses": (b"event: error", b"event: response.failed"),
    }
)
"""What one that was cut short and says so holds there."""

TAIL = 65_536
"""Bytes at an answer's end in which that is looked for: the last event of Responses has the whole text."""

DOORS: tuple[Door, ...] = ("chat", "messages", "responses")

WORDS = 12
"""Words of a prompt."""

INPUT = WORDS + 1
"""Tokens the simulator counts a prompt as: its words, and one for the message."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        id: Told as ``x-request-id``, and said in the prompt, so that the provider's journal has it too.
        key: The secret to ask with.
        target: ``provider/model``.
        most: ``max_tokens``; None: none is said (and then the door is not Anthropic's).
        leave: Leave after so many pieces of the answer; 0: as soon as the request is sent.
    """

    id: str
    key: str
    target: str
    door: Door = "chat"
    stream: bool = True
    most: int | None = None
    leave: int | None = None

    def request(self) -> bytes:
        """Return its bytes."""
        words = f"{MARK} ask:{self.id} " + "word " * (WORDS - 2)
        body: dict[str, Any] = {"model": self.target, "stream": self.stream}
        if self.door == "responses":
            body |= {"input": words.strip(), "store": False}
        else:
            body["messages"] = [{"role": "user", "content": words.strip()}]
        if self.most is not None:
            body["max_output_tokens" if self.door == "responses" else "max_tokens"] = self.most
        raw = json.dumps(body).encode()
        head = (
            f"POST {PATHS[self.door]} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self.key}\r\n"
            f"x-request-id: {self.id}\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        )
        return head.encode() + raw


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request, as its client saw it.

    Attributes:
        status: The HTTP status; 0: none came.
        end: All of the answer, also a refusal; an answer cut short that says so, or that does not; the
            connection lost; left by the client; never connected.
        code: Of a refusal: its error code.
        seconds: From the request to the end.
        left_at: The loop's time when the client left.
    """

    status: int = 0
    end: End = "unreached"
    code: str = ""
    message: str = ""
    retry_after: str | None = None
    seconds: float = 0.0
    left_at: float = 0.0


class Watch:
    """Counts the answers of a run, and those that held a secret."""

    def __init__(self) -> None:
        self.answers = 0
        self.leaks: list[str] = []

    def look(self, id_: str, data: bytes | bytearray | str) -> None:
        """Look through an answer."""
        self.answers += 1
        if MARK.encode() in (data.encode("utf-8", "replace") if isinstance(data, str) else data):
            self.leaks.append(f"the answer to {id_} holds a secret")


class Client:
    """A client with a connection of its own, which it keeps while answers end well."""

    def __init__(self, port: int, watch: Watch) -> None:
        self.port = port
        self._watch = watch
        self._wire: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, asked: Ask) -> Heard:
        """Send one request and hear what becomes of it; never raises for what the gateway does."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            reader, writer = self._wire = self._wire or await self._connected()
        except OSError:
            return Heard(seconds=now() - began)
        status, body = 0, bytearray()
        try:
            writer.write(asked.request())
            if asked.leave == 0:
                return Heard(end="left", left_at=self._leave())
            status, headers = await _head(reader)
            pieces = 0
            async for piece in _body(reader, headers):
                body += piece
                pieces += 1
                if pieces == asked.leave and status == 200:
                    return Heard(status=status, end="left", left_at=self._leave())
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            self._leave()
            return Heard(status=status, end="lost", seconds=now() - began)
        finally:
            self._watch.look(asked.id, body)
        self._watch.look(asked.id, str(headers))
        if headers.get("connection") == "close":
            self._leave()
        code, message = _error(body) if status != 200 else ("", "")
        return Heard(
            status=status,
            end=_end(asked, status, body),
            code=code,
            message=message,
            retry_after=headers.get("retry-after"),
            seconds=now() - began,
        )

    def close(self) -> None:
        """Close the connection."""
        self._leave()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)

    def _leave(self) -> float:
        if self._wire is not None:
            self._wire[1].transport.abort()
            self._wire = None
        return asyncio.get_running_loop().time()


async def ask(port: int, asked: Ask, watch: Watch) -> Heard:
    """Send one request on a connection of its own."""
    client = Client(port, watch)
    try:
        return await client.ask(asked)
    finally:
        client.close()


async def get(port: int, path: str, key: str = "") -> tuple[int, bytes]:
    """Return status and body of a page; 0 where nobody answers."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0, b""
    try:
        signed = f"authorization: Bearer {key}\r\n" if key else ""
        writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{signed}connection: close\r\n\r\n".encode())
        status, headers = await _head(reader)
        return status, b"".join([piece async for piece in _body(reader, headers)])
    except (OSError, EOFError, ValueError):
        return 0, b""
    finally:
        writer.transport.abort()


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> AsyncIterator[bytes]:
    if headers.get("transfer-encoding") != "chunked":
        yield await reader.readexactly(int(headers.get("content-length", "0")))
        return
    while size := int(await reader.readline() or b"-", 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readline()


def _end(asked: Ask, status: int, body: bytearray) -> End:
    """Return how an answer ended whose HTTP body ended in order."""
    if status != 200 or not asked.stream:
        return "whole"
    tail = body[-TAIL:]
    if any(end in tail for end in WHOLE[asked.door]):
        return "whole"
    return "broken" if any(word in tail for word in BROKEN[asked.door]) else "silent"


def _error(body: bytearray) -> tuple[str, str]:
    """Return code and message of a refusal, whichever dialect said it."""
    try:
        error = json.loads(bytes(body)).get("error") or {}
    except (ValueError, AttributeError):
        return "", ""
    if not isinstance(error, dict):
        return "", str(error)
    return str(error.get("code") or error.get("type") or ""), str(error.get("message") or "")
