"""What a description is made of: one operation of the API, its parameters, its bodies and its answers.

A description is a value, written beside the structs of its bodies, one module for each vendor's protocol.
Where an operation is served is not said here: :mod:`~dragoman.server.openapi.served` asks the server, and
what is described but not served, or served but not described, is a fault that a test tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from dragoman.core.extras import Json

T = TypeVar("T")

Maybe: TypeAlias = T | msgspec.UnsetType
"""A field that may be missing; ``Maybe[int | None]`` may also be null."""

MODEL = "smollm2-135m"
"""The model the examples ask: the embedded one. Another stands in for it where that is not there."""

VECTORS = "text-embedding-3-small"
RANKER = "rerank-v3.5"
"""The models of the other tasks' examples; the embedded one has neither."""

ASKED = "Who was Marco Polo? One sentence."
"""What the examples ask."""

Access = Literal["none", "key", "own", "ask", "grant", "view", "edit"]
"""Who may:

    none     anybody
    key      any key, for what is its own or everybody's
    own      the same, but no reader's: it changes something
    ask      any key but a reader's, and of a restricted one's what it may ask
    grant    keys that were granted it, and the admin's
    view     the admin's and readers'
    edit     the admin's

While there is no key at all, everybody on this machine may, but for ``edit``.
"""

DATA = (400, 401, 402, 403, 404, 409, 413, 429, 502, 503, 504)
"""How a request on the data path can fail: the client's fault, the provider's, ours."""

COUNTING = tuple(status for status in DATA if status != 402)
"""How counting tokens can fail, which costs nothing."""

PAGE = (400, 401, 403)
"""How a page can fail that only looks something up."""


class Tag(msgspec.Struct, frozen=True):
    """A group of operations.

    Attributes:
        name: Its title.
        text: One paragraph, in Markdown.
        docs: The vendor's own reference.
    """

    name: str
    text: str
    docs: str = ""


class Param(msgspec.Struct, frozen=True):
    """A parameter of the query or the path.

    Attributes:
        text: What it says, one sentence.
        kind: The type its value has.
        example: A value that works.
        required: Whether it has to be there; what stands in a path always has to.
    """

    name: str
    text: str
    kind: Any = str
    example: Json = None
    required: bool = False


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method at one path.

    Attributes:
        tag: The name of its group.
        title: A few words, shown in the list.
        text: What it does, in Markdown.
        asks: What its body may be: any of these.
        asked: Bodies that work, by what they show.
        optional: Whether the body may be missing.
        takes: Content types of a body that is read as it is, and is none of `asks`.
        tells: What a whole answer may be: any of these. Text, if it is ``str``.
        form: The content type of a whole answer.
        also: Other content types of a text.
        streams: The content type of an answer that comes in pieces; "": it never does.
        event: What one piece of such an answer may be: any of these.
        params: Query parameters, and what is to be said of those in the path.
        statuses: How it can fail.
        words: Whose errors it tells: see :mod:`~dragoman.server.openapi.faults`.
        access: Who may: see :data:`Access`.
        line: Whether it goes along the whole line, with its headers.
        passes: Whether bodies and answers pass through unread.
        header: A header without which nothing is served there; "": none.
    """

    tag: str
    title: str
    text: str
    asks: tuple[Any, ...] = ()
    asked: Mapping[str, Json] = {}
    optional: bool = False
    takes: tuple[str, ...] = ()
    tells: tuple[Any, ...] = ()
    form: str = "application/json"
    also: tuple[str, ...] = ()
    streams: str = ""
    event: tuple[Any, ...] = ()
    params: tuple[Param, ...] = ()
    statuses: tuple[int, ...] = DATA
    words: str = "openai_chat"
    access: Access = "ask"
    line: bool = True
    passes: bool = False
    header: str = ""


def nameless(bodies: Mapping[str, Json]) -> dict[str, Json]:
    """Return bodies without their model: where it stands in the path."""
    return {title: {k: v for k, v in body.items() if k != "model"} for title, body in bodies.items()}


Operations = Mapping[str, Operation]
"""By method and path, as in ``POST /v1/rerank``; the path's templates are OpenAPI's."""
