"""What the simulator does with one request, as a value: words, pace, tools, errors and faults.

    Behaviour                      everything defaults to a quick, short, well-formed answer
      tokens, text, echo, ...      what is said
      latency_s, tokens_per_s      when
      error                        said in the dialect's own words, instead of an answer or in its middle
      reply                        any status, headers and body, instead of everything else
      faults                       what no framework allows: see :class:`Fault`

The values are decoded from a script (``script.py``) and checked there, or written in Python. They say
what happens; ``answers.py`` makes the words, ``performance.py`` the bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from dragoman.core.events import Reason
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Retry, Source

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Auto = Literal["auto", "always", "never"]

FaultKind = Literal[
    "hang",
    "reset",
    "close",
    "end",
    "truncate",
    "malformed",
    "garbage",
    "drip",
    "raw",
    "inject",
    "bad_chunk",
    "bad_length",
    "big_header",
    "bomb",
]
_HEAD_ONLY = ("bad_length", "big_header", "bomb")
_BODY_ONLY = ("end", "inject", "bad_chunk")


class Fault(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that goes wrong, and where.

    ``at_frame`` None is before the headers, 0 is after them and before the first frame, k is after k
    frames, -1 is before the last one. A unary answer is one frame, wherever `at_frame` points.

    ======================= ===============================================================
    ``hang``                nothing more is sent; the connection stays open
    ``reset``               the connection is reset (TCP RST)
    ``close``               the connection is closed in order, whatever is missing
    ``end``                 the HTTP body ends in order, the frames that are missing stay missing
    ``truncate``            half of the next frame (or of the headers), then ``close``
    ``malformed``           the next frame's JSON lacks its end (headers: the status line is none)
    ``garbage``             half of the next frame is no UTF-8 (headers: nothing but that, then ``close``)
    ``drip``                from here on a byte at a time, every `interval_s`
    ``raw``                 `data` on the socket as it is, then on with the answer
    ``inject``              `data` as part of the body (a chunk of its own), then on
    ``bad_chunk``           a chunk size that is no number, then ``close``
    ``bad_length``          Content-Length promises `size` bytes too many, then ``close``
    ``big_header``          one header of `size` bytes
    ``bomb``                a gzip body that unpacks to `size` bytes before anything else
    ======================= ===============================================================

    Attributes:
        data: Bytes for ``raw`` and ``inject``, one for each character (Latin-1).
    """

    kind: FaultKind
    at_frame: int | None = None
    data: str = ""
    interval_s: Seconds = 0.05
    size: Count = 1 << 20

    def __post_init__(self) -> None:
        """Refuse what cannot happen."""
        if self.kind in _HEAD_ONLY and self.at_frame is not None:
            raise ValueError(f"{self.kind} concerns the headers: it takes no at_frame")
        if self.kind in _BODY_ONLY and self.at_frame is None:
            raise ValueError(f"{self.kind} concerns the body: it needs an at_frame")
        try:
            self.data.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError("data has a character beyond U+00FF; write its UTF-8 bytes instead") from None


KINDS: dict[int, Kind] = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    402: Kind.EXHAUSTED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    409: Kind.CONFLICT,
    413: Kind.TOO_LARGE,
    429: Kind.RATE_LIMITED,
    502: Kind.UPSTREAM,
    503: Kind.UNAVAILABLE,
    504: Kind.TIMEOUT,
    529: Kind.OVERLOADED,
}
"""The kind an error of each status has, unless it says another; any other status is INTERNAL."""


class Error(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An error, said as the dialect says it.

    Attributes:
        status: HTTP status; it stands whatever the dialect would choose.
        kind: What went wrong; by default what `status` suggests.
        code: The provider's finer word (``insufficient_quota``).
        retry_after_s: Sent as the dialect sends it.
        headers: Sent besides (``retry-after-ms``, ``retry-after`` as a date, ``x-should-retry``).
        body: Replaces the dialect's body.
        at_frame: None: instead of an answer. k: in a stream, after k frames (a unary answer fails whole).
    """

    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    kind: Kind | None = None
    message: str = "a simulated error"
    code: str | None = None
    retry_after_s: Seconds | None = None
    headers: dict[str, str] = {}
    body: Json = None
    at_frame: Count | None = None

    def failure(self) -> Failure:
        """Return the failure a dialect writes this error from."""
        kind = self.kind or KINDS.get(self.status, Kind.INTERNAL)
        return Failure(
            kind,
            self.message,
            source=Source.CLIENT if self.status < 500 else Source.GATEWAY,
            retry=Retry.NEVER,
            code=self.code,
            status=self.status,
            retry_after_s=self.retry_after_s,
        )


class Canned(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A reply said word for word: a redirect, a login page, an error in a 200. A str body is sent raw."""

    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 200
    headers: dict[str, str] = {}
    body: Json = ""


class Counts(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Token counts that replace the counted ones. ``cache_*`` tokens are taken from the input."""

    input: Count | None = None
    cache_read: Count = 0
    cache_write: Count = 0
    output: Count | None = None
    reasoning: Count | None = None


class Called(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One tool called by its name. Arguments that are a string are sent as they are, valid or not."""

    name: str
    arguments: Json = {}

    @property
    def text(self) -> str:
        """The arguments as a call carries them."""
        whole = self.arguments
        return whole if isinstance(whole, str) else msgspec.json.encode(whole).decode()


class Behaviour(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What to do with one request.

    Attributes:
        latency_s: Time before the first byte.
        tokens: Words of pseudo-text, if neither `text` nor `echo` nor a format asks for other text.
        tokens_per_s: Pace of a stream, one Append a token; a unary answer takes as long as its stream.
        chunk_size: Characters of one Append; None: a word.
        frames_per_write: Frames handed to the socket at once; 0: all that are due.
        text: What is said.
        echo: Say what the user said last; ``tool``: what a tool answered last, if one has.
        thinking: ``auto``: if the request asks for it.
        thinking_tokens: Words of thinking.
        tool_calls: ``auto``: if a tool is required, or the last user text says "use the tool" and no
            result has come since.
        call: Tools to call by name, whatever the user said: in this order, `calls` at a time, each once
            in a conversation. One that the request does not offer is passed over; none left: words.
        calls: Parallel tool calls at a time.
        stop: Why the answer stops; None: what fits.
        model: The model name told; None: the one asked for.
        usage: Tell the usage at all.
        counts: Token counts that replace the counted ones.
        headers: Sent with a good answer, replacing its own (``content-type``).
        patch: JSON merge patch (RFC 7396) of a unary answer, and of each chunk for those of its
            top-level fields that the chunk has and that are not null.
    """

    latency_s: Seconds = 0.0
    tokens: Count = 16
    tokens_per_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    chunk_size: Positive | None = None
    frames_per_write: Count = 0
    text: str | None = None
    echo: bool | Literal["tool"] = False
    thinking: Auto = "auto"
    thinking_tokens: Count = 8
    tool_calls: Auto = "auto"
    call: tuple[Called, ...] = ()
    calls: Positive = 1
    stop: Reason | None = None
    model: str | None = None
    usage: bool = True
    counts: Counts = Counts()
    error: Error | None = None
    reply: Canned | None = None
    faults: tuple[Fault, ...] = ()
    headers: dict[str, str] = {}
    patch: dict[str, Json] | None = None
