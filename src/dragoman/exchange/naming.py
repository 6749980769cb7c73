"""The model a request names, in a body nobody else reads: find it, and put another name in its place.

    JSON         the top-level field ``model``              multipart/form-data   the field ``model``

Every other byte stays as it came: a JSON body is cut at the value, a multipart body at the field's content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from dragoman.core.failure import invalid
from dragoman.dialects.fields import encode, parse

KEY = re.compile(rb'[\s{,]*+"(?:[^"\\]++|\\.)*+"\s*+:\s*+', re.DOTALL)
"""What stands before a top-level value; possessive, since a key may have millions of characters."""

BOUNDARY = re.compile(r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
DISPOSITION = re.compile(rb"\r\ncontent-disposition:[ \t]*+form-data[ \t]*+(;[^\r\n]*+)", re.IGNORECASE)
PARAMETER = re.compile(rb';[ \t]*+([^\s=;"]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]++|\\.)*+)"|([^\s;"]*+))')
MOST_PARTS = 1000
"""Parts of a form that are looked through."""


class Named(msgspec.Struct, frozen=True):
    """What a body says about whom it is for.

    Attributes:
        model: The name; "" where there is none.
        stream: A stream is asked for.
        begin: Where the name is in the body, quotes included.
        end: Where it ends.
    """

    model: str = ""
    stream: bool = False
    begin: int = 0
    end: int = 0


def named(content_type: str, body: bytes) -> Named:
    """Return what a body says; one of any other kind says nothing.

    Raises:
        Failure: INVALID: it is declared JSON or a form and is none, or names a model twice.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" and body.strip():
        return _in_json(body)
    if kind == "multipart/form-data":
        return _in_form(content_type, body)
    return Named()


def glimpsed(content_type: str, body: bytes) -> Named:
    """Return what a body says, if that can be read at all: for the ledger, where nothing depends on it."""
    try:
        told = msgspec.json.decode(body, type=dict[str, msgspec.Raw]) if "json" in content_type else {}
        return Named(_text(told), _streams(told))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Named()


def renamed(content_type: str, body: bytes, told: Named, model: str) -> bytes:
    """Return `body` with the name at `told` replaced."""
    in_json = content_type.partition(";")[0].strip().lower() == "application/json"
    return body[: told.begin] + (encode(model) if in_json else model.encode()) + body[told.end :]


def _in_json(body: bytes) -> Named:
    value = parse(body)
    if "model" not in value:
        return Named(stream=value.get("stream") is True)
    if not isinstance(value["model"], str):
        raise invalid("model must be a string", "$.model")
    at = 0
    for key, raw in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items():
        before = KEY.match(body, at)
        assert before is not None
        at = before.end()
        if key == "model":
            return Named(value["model"], value.get("stream") is True, at, at + len(bytes(raw)))
        at += len(bytes(raw))
    raise AssertionError


def _in_form(content_type: str, body: bytes) -> Named:
    found = BOUNDARY.search(content_type)
    if found is None:
        raise invalid("a multipart body needs a boundary in its content-type", "content-type")
    places = list(_fields(body, b"--" + (found[1] or found[2]).encode("latin-1", "replace")))
    if len(places) > 1:
        raise invalid("the field is given twice", "$.model")
    for begin, end in places:
        try:
            return Named(body[begin:end].decode(), begin=begin, end=end)
        except UnicodeDecodeError:
            raise invalid("the field is not valid UTF-8", "$.model") from None
    return Named()


def _fields(body: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the content of each field called ``model`` begins and ends (RFC 7578, RFC 2046)."""
    at = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter) + 2
    if at < 2 and not body.startswith(delimiter):
        raise invalid("the multipart body does not hold its boundary", "$")
    for _ in range(MOST_PARTS + 1):
        head = at + len(delimiter)
        end = body.find(b"\r\n" + delimiter, head)
        if end < 0:
            return
        blank = body.find(b"\r\n\r\n", head, end)
        if blank >= 0 and _is_model(body, head, blank):
            yield blank + 4, end
        at = end + 2
    raise invalid(f"the multipart body has more than {MOST_PARTS} parts", "$")


def _is_model(body: bytes, head: int, blank: int) -> bool:
    """Say whether the head of a part calls it ``model``; what a quoted file name says does not count."""
    found = DISPOSITION.search(body, head, blank)
    if found is None:
        return False
    said = PARAMETER.finditer(body, found.start(1), found.end(1))
    return any(one[1].lower() == b"name" and b"model" in (one[2], one[3]) for one in said)


def _text(told: Mapping[str, msgspec.Raw]) -> str:
    value = msgspec.json.decode(told.get("model", b'""'))
    return value if isinstance(value, str) else ""


def _streams(told: Mapping[str, msgspec.Raw]) -> bool:
    return bytes(told.get("stream", b"")) == b"true"
