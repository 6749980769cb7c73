"""Who may look and who may change, and what a page of the operator's is.

    member    any key
    viewer    the admin, and a key that may only look (``reader``)
    editor    the admin

While no key exists at all, whoever is on this machine may look, and change nothing: for that there is the
admin key, and the command line. A page is a function of an :class:`Asking` that returns JSON, or an answer of
its own; :func:`served` lets in, reads nothing before that, and tells failures in the words of the surfaces.
No answer is kept by a proxy.
"""

from __future__ import annotations

import re
from asyncio import timeout
from collections.abc import Awaitable, Callable
from contextlib import suppress
from secrets import token_bytes
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import inspect
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dragoman.accounts.issuing import Issuing
from dragoman.accounts.keys import Account, credential
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.dialects import Call
from dragoman.dialects.fields import parse
from dragoman.gateway import Gateway
from dragoman.server.answers import in_json, refused
from dragoman.server.client import UNREAD, headers_of, taken_in

T = TypeVar("T")

LARGEST = 1 << 20
"""Bytes a body may have."""

BODY_S = 10.0
"""Seconds a body may take."""

LONGEST_NAME = 64
"""Characters of a field's name that are said of one there is not."""

PRIVATE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

_MEMBER = re.compile(r"\.([A-Za-z_]+)")


class Asking(NamedTuple):
    """One request of somebody who may ask, and what it needs to be answered."""

    gateway: Gateway
    account: Account
    request: Request

    @property
    def query(self) -> dict[str, str]:
        """The parameters, without the one that may have let its client in."""
        entered = _entered(self.request)
        return {name: value for name, value in _query(self.request).items() if name != "key" or not entered}

    @property
    def name(self) -> str:
        """What stands at ``{name}`` in the path."""
        name: str = self.request.path_params["name"]
        return name

    @property
    def issuing(self) -> Issuing:
        """Who changes keys, teams and users."""
        return self.gateway.directory.issuing(token_bytes)

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.gateway.services.now()

    async def body(self, kind: type[T]) -> T:
        """Return the body, strictly read as `kind`; none at all is read as ``{}``.

        Raises:
            Failure: INVALID with the JSON path of the fault; TOO_LARGE; TIMEOUT.
        """
        raw = await self.raw()
        return converted(parse(raw) if raw.strip() else {}, kind)

    async def raw(self, largest: int = LARGEST) -> bytes:
        """Return the body as it is, of `largest` bytes at most.

        Raises:
            Failure: INVALID, it is compressed; TOO_LARGE; TIMEOUT.
        """
        return await _read(self.request, largest)


Page = Callable[[Asking], Awaitable[Json | Response]]
May = Callable[[Gateway, Request], Awaitable[Account]]


async def member(gateway: Gateway, request: Request) -> Account:
    """Return who asks, whoever it is: for pages that tell a key of itself.

    Raises:
        Failure: UNAUTHENTICATED.
    """
    return await gateway.services.admit(_call(request))


async def viewer(gateway: Gateway, request: Request) -> Account:
    """Return who asks, if it may look at what all keys do.

    Raises:
        Failure: UNAUTHENTICATED; FORBIDDEN, it may not.
    """
    account = await gateway.services.admit(_call(request))
    if account.role in ("admin", "reader") or account.anonymous:
        return account
    message = "this page tells of every key: it wants the admin key, or a key with the role reader"
    raise Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, code="admin_only")


async def editor(gateway: Gateway, request: Request) -> Account:
    """Return who asks, if it may change what others may do.

    Raises:
        Failure: UNAUTHENTICATED; FORBIDDEN, it may not.
    """
    account = await gateway.services.admit(_call(request))
    if account.role == "admin":
        return account
    message = "only the admin key, or a key with the role admin, may change this; so may the command line"
    raise Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, code="admin_only")


def served(gateway: Gateway, page: Page, *, may: May) -> Callable[[Request], Awaitable[Response]]:
    """Return a page as a route serves it: to whom `may` lets in (:func:`viewer`, :func:`editor`)."""

    async def serve(request: Request) -> Response:
        try:
            account = await _let_in(gateway, request, may)
            told = await page(Asking(gateway, account, request))
            if may is editor:
                await settled(gateway)
            return told if isinstance(told, Response) else in_json(told, headers=PRIVATE)
        except Failure as failure:
            close = {"connection": "close"} if failure.kind in UNREAD else {}
            return refused(failure, {**PRIVATE, **close})

    return serve


async def settled(gateway: Gateway) -> None:
    """Have what was just changed hold here before its author is told; elsewhere it does within a second."""
    with suppress(Failure):  # it is written: the next look sees it
        await gateway.directory.refresh()


async def _let_in(gateway: Gateway, request: Request, may: May) -> Account:
    """Return who asks; whoever may not has his body taken in first, if it is small."""
    try:
        return await may(gateway, request)
    except Failure:
        await taken_in(headers_of(request.scope), request.receive)
        raise


def converted(value: Json, kind: type[T]) -> T:
    """Return a JSON value as what it should be.

    Raises:
        Failure: INVALID with the JSON path of the fault.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `")
        at = place.rstrip("`") or "$"
        raise invalid(_said(reason, inspect.type_info(kind), at), at) from None


def _said(reason: str, kind: inspect.Type, at: str) -> str:
    """Return why a value cannot be read, and what may stand there; what does may be long, or a secret.

    Args:
        reason: What msgspec says.
        kind: What the whole value should be.
        at: The path in it.
    """
    for name in _MEMBER.findall(at):
        fields = kind.fields if isinstance(kind, inspect.StructType) else ()
        kind = next((field.type for field in fields if field.encode_name == name), kind)
    if reason.startswith("Invalid enum value") and isinstance(kind, inspect.LiteralType):
        return f"this must be one of {', '.join(map(str, kind.values))}"
    if reason.startswith("Object contains unknown field") and isinstance(kind, inspect.StructType):
        field = reason.partition("`")[2].rstrip("`")
        names = ", ".join(one.encode_name for one in kind.fields)
        return f"there is no field `{field[:LONGEST_NAME]}`; there are {names}"
    return reason[:1].lower() + reason[1:]


def _query(request: Request) -> dict[str, str]:
    params = request.query_params
    return {name: ",".join(params.getlist(name)) for name in params}


def _entered(request: Request) -> bool:
    """Say whether ``?key=`` is what lets a client in: it sends no other credential. Else it names a key."""
    return credential(headers_of(request.scope), {}) is None


def _call(request: Request) -> Call:
    """Return a request as it asks to be let in."""
    headers = headers_of(request.scope)
    if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
        headers.setdefault("content-type", "application/json")  # without a body nothing need be declared
    query = {name: value for name, value in _query(request).items() if name != "key" or _entered(request)}
    return Call(request.method, request.scope["path"], query, headers)


async def _read(request: Request, largest: int) -> bytes:
    body = bytearray()
    if request.headers.get("content-encoding", "identity") != "identity":
        raise invalid("compressed request bodies are not accepted; send it as it is", "content-encoding")
    try:
        async with timeout(BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > largest:
                    message = f"the request body is larger than {largest} bytes"
                    raise Failure(Kind.TOO_LARGE, message, source=Source.CLIENT, code="request_too_large")
    except TimeoutError:
        message = f"the request body was not sent within {BODY_S:g} s"
        raise Failure(Kind.TIMEOUT, message, source=Source.CLIENT) from None
    except ClientDisconnect:
        raise Failure(Kind.CANCELLED, "the client left", source=Source.CLIENT) from None
    return bytes(body)
