"""Pictures and documents behind a URL, fetched for a provider that takes bytes only.

A client of OpenAI's or Anthropic's dialect may name a picture by its URL; Gemini and Ollama want it in the
request. The gateway then fetches it: from the public internet only (see ``addresses.py``, asked of the very
socket that is connected), without credentials, within a size and a time. What cannot be had is the
client's fault and told with its path; nothing of what was fetched is kept.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urljoin, urlsplit

import msgspec

from dragoman.core.failure import Failure, Retry, invalid
from dragoman.core.request import Media, Message, Part, Request, ToolResult
from dragoman.providers.transport import AiohttpTransport, Deadlines, Limits, Transport

BYTES_ONLY: Mapping[str, frozenset[str]] = MappingProxyType(
    {"gemini": frozenset(("image", "audio", "video", "document")), "ollama": frozenset(("image",))}
)
"""Dialects that take media as bytes only (``inlineData``, ``images``), and of which kinds."""

KNOWN = re.compile(r"https://(www\.)?(youtube\.com|youtu\.be|generativelanguage\.googleapis\.com)/")
"""What Gemini fetches itself (https://ai.google.dev/gemini-api/docs/file-input-methods, read 2026-11-21)."""

FETCHED = ("image/", "application/pdf", "audio/", "video/", "text/plain")
REDIRECTS = 3


class MediaSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How media behind URLs are fetched for providers that take bytes only.

    Attributes:
        fetch: Fetch them at all; otherwise such a request is refused.
        max_bytes: Bytes those of one request may have together.
        max_count: How many of them one request may have.
        timeout_s: Seconds one of them may take, redirects included.
    """

    fetch: bool = True
    max_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 20 * 1024 * 1024
    max_count: Annotated[int, msgspec.Meta(ge=1)] = 20
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 15.0


class Fetcher:
    """Fetches media from the public internet; no connection is kept and no name of ours is told."""

    def __init__(self, spec: MediaSpec, transport: Transport | None = None) -> None:
        self._spec = spec
        self._transport = transport or AiohttpTransport(limits=Limits(keepalive_s=1), public_only=True)
        self._deadlines = Deadlines(
            connect_s=min(5.0, spec.timeout_s),
            first_byte_s=spec.timeout_s,
            idle_s=spec.timeout_s,
            total_s=spec.timeout_s,
        )

    async def inlined(self, request: Request, dialect: str) -> Request:
        """Return `request` with the media that `dialect` cannot take by URL as bytes.

        Raises:
            Failure: INVALID with the part's path: it cannot be had. Another target may take the URL itself.
        """
        if dialect not in BYTES_ONLY or request.dialect == dialect or not self._spec.fetch:
            return request
        wanted = _wanted(request, BYTES_ONLY[dialect])
        if not wanted:
            return request
        if len(wanted) > self._spec.max_count:
            raise invalid(f"more than {self._spec.max_count} files behind URLs", "$.messages")
        room = _Room(self._spec.max_bytes)
        async with asyncio.TaskGroup() as group:
            tasks = {url: group.create_task(self._caught(url, room)) for url in wanted}
        fetched: dict[str, tuple[str, str]] = {}
        for url, at in wanted.items():
            found = tasks[url].result()
            if isinstance(found, Failure):
                raise _unfetched(found, at)
            fetched[url] = found
        return _replaced(request, fetched)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def _caught(self, url: str, room: _Room) -> tuple[str, str] | Failure:
        """Return the media type and the base64 text behind `url`, or why there is none."""
        try:
            async with asyncio.timeout(self._spec.timeout_s):
                return await self._fetch(url, room)
        except TimeoutError:
            return invalid(f"it took over {self._spec.timeout_s:g} s", "$")
        except Failure as failure:
            return failure

    async def _fetch(self, url: str, room: _Room) -> tuple[str, str]:
        for _ in range(REDIRECTS + 1):
            upstream = await self._transport.send("GET", _checked(url), {}, b"", deadlines=self._deadlines)
            try:
                onward = upstream.headers.get("location")
                if 300 <= upstream.status < 400 and onward:
                    url = _joined(url, onward)
                    continue
                if upstream.status != 200:
                    raise invalid(f"its server answered {upstream.status}", "$")
                mime = upstream.headers.get("content-type", "").partition(";")[0].strip().lower()
                if not mime.startswith(FETCHED):
                    raise invalid("its server does not say that it is a picture or a document", "$")
                pieces: list[bytes] = []
                async for piece in upstream.chunks():
                    room.take(len(piece))
                    pieces.append(piece)
                return mime, b64encode(b"".join(pieces)).decode()
            finally:
                await upstream.close()
        raise invalid("its server redirects too often", "$")


class _Room:
    """The bytes that are left for the files of one request, which are fetched at the same time."""

    __slots__ = ("_left", "_most")

    def __init__(self, most: int) -> None:
        self._left = self._most = most

    def take(self, size: int) -> None:
        """Use `size` bytes; raise Failure if there are not so many."""
        self._left -= size
        if self._left < 0:
            raise invalid(f"the files of one request may have {self._most} bytes together", "$")


def _checked(url: str) -> str:
    """Return `url` as it is called; raise Failure for one that cannot be, or is more than an address."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")  # as the look-up will do, where it is no Failure
    except ValueError:
        host = b""
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise invalid("it is not a plain http or https URL", "$")
    return parts._replace(fragment="").geturl()


def _joined(url: str, onward: str) -> str:
    try:
        return urljoin(url, onward)
    except ValueError:
        raise invalid("its server redirects to what is no URL", "$") from None


def _unfetched(failure: Failure, at: str) -> Failure:
    """Return what a file that cannot be had means; the words of the other side are not repeated."""
    why = failure.message.replace("the provider", "its server")
    if failure.code == "upstream_unreachable":
        why = "its server cannot be reached"  # why not would tell what names and addresses there are inside
    refusal = invalid(f"this file cannot be fetched: {why}", at, code="media_unreachable")
    refusal.retry = Retry.NEXT
    return refusal


def _wanted(request: Request, kinds: Collection[str]) -> dict[str, str]:
    """Return the URLs of media of these kinds, each with the path of the first part that names it."""
    found: dict[str, str] = {}
    for i, message in enumerate(request.messages):
        for j, part in enumerate(message.parts):
            at = f"$.messages[{i}].content[{j}]"
            inside = part.parts if isinstance(part, ToolResult) else (part,)
            for one in inside:
                if isinstance(one, Media) and one.kind in kinds and _is_foreign(one):
                    found.setdefault(one.data, at)
    return found


def _is_foreign(part: Media) -> bool:
    """Say whether a part is a URL that only the gateway can fetch."""
    return part.source == "url" and part.data.startswith(("http:", "https:")) and not KNOWN.match(part.data)


def _replaced(request: Request, fetched: Mapping[str, tuple[str, str]]) -> Request:
    messages = tuple(_message(message, fetched) for message in request.messages)
    return msgspec.structs.replace(request, messages=messages)


def _message(message: Message, fetched: Mapping[str, tuple[str, str]]) -> Message:
    return msgspec.structs.replace(message, parts=tuple(_part(part, fetched) for part in message.parts))


def _part(part: Part, fetched: Mapping[str, tuple[str, str]]) -> Part:
    if isinstance(part, ToolResult):
        inside = tuple(_media(one, fetched) if isinstance(one, Media) else one for one in part.parts)
        return msgspec.structs.replace(part, parts=inside)
    return _media(part, fetched) if isinstance(part, Media) else part


def _media(part: Media, fetched: Mapping[str, tuple[str, str]]) -> Media:
    if part.source != "url" or part.data not in fetched:
        return part
    mime, data = fetched[part.data]
    return msgspec.structs.replace(part, source="base64", data=data, mime=mime)
