"""The name of a question: a digest of everything that changes its answer. Pure.

    key = SHA-256( version, tenant, targets, request )

Two questions share a key exactly if they are the same to the same providers for the same tenant. What only
says how it was put is left out: the dialect it came in, whether and how it streams, the spelling (``form``)
and what is ``quiet``. What only one dialect understands (``rest``) counts, together with that dialect's name.
So one question put in two dialects has one key, as far as the core says it.

**The encoding is injective**: each value begins with its type, and texts and containers with their length or
an end, so that no value is the beginning of another and none can pass for a neighbour (``1`` and ``1.0``,
``"a"`` and ``b"a"``, ``["ab"]`` and ``["a", "b"]``). The order of an object's members says nothing in JSON
and nothing here. A field at its default is left out, so a field that the core learns later leaves all keys as
they are where it is not used.

Which structs there are, and which of their fields are floats, is read off the core's own types: a field
cannot be forgotten.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import NODEFAULT, inspect

from dragoman.core.extras import Extras
from dragoman.core.request import Message, Request, Text

VERSION = b"\x01"
"""Begins what is hashed; another encoding is another version, and its keys meet none of these."""

UNSAID: Mapping[type, frozenset[str]] = MappingProxyType(
    {Request: frozenset({"dialect", "stream", "stream_usage"}), Extras: frozenset({"form", "quiet"})}
)
"""Fields that say how something was put, and not what."""


class Field(NamedTuple):
    """How one field of a struct is written."""

    name: str
    label: bytes
    default: Any
    real: bool
    """A float, which may be given as a whole number."""


def key(tenant: str, request: Request, targets: Sequence[str]) -> bytes:
    """Return the 32 bytes under which the answer to `request` is recorded.

    Args:
        tenant: Whose it is; another tenant's keys are others.
        request: What is asked.
        targets: Who the route's name stands for now, in order: a name that comes to stand for others asks
            another question.
    """
    out = bytearray(VERSION)
    _write(out, (tenant, tuple(targets), _normal(request)))
    return sha256(out).digest()


def last_words(request: Request) -> str | None:
    """Return the text that `request` ends in, if it ends in a user's plain text; tools make it None."""
    if not request.messages or request.tools:
        return None
    last = request.messages[-1]
    if last.role != "user" or len(last.parts) != 1 or last.extras is not None:
        return None
    part = last.parts[0]
    plain = isinstance(part, Text) and part == Text(part.text)
    return part.text if plain and isinstance(part, Text) else None


def scope(tenant: str, request: Request, targets: Sequence[str], marks: Sequence[str]) -> bytes:
    """Return the digest of all that `request` says but its last words, and of the `marks` of these."""
    before = (*request.messages[:-1], Message("user"))
    out = bytearray(VERSION + b"scope")
    request = msgspec.structs.replace(request, messages=before)
    _write(out, (tenant, tuple(targets), _normal(request), tuple(marks)))
    return sha256(out).digest()


def _normal(request: Request) -> Request:
    """Return `request` with one spelling for what can be said in two: one answer is what nobody said, too."""
    return msgspec.structs.replace(request, candidates=None) if request.candidates == 1 else request


def _write(out: bytearray, value: Any) -> None:
    """Append the encoding of `value`."""
    kind = type(value)
    if kind is str:
        data = value.encode("utf-8", "surrogatepass")
        out += b"s%d:" % len(data)
        out += data
    elif kind in FIELDS:
        _write_struct(out, value, kind)
    elif value is None:
        out += b"n"
    elif kind is bool:
        out += b"t" if value else b"f"
    elif kind is int:
        out += b"i%x;" % value
    elif kind is float:
        out += b"d"
        out += struct.pack(">d", value)
    elif kind is tuple or kind is list:
        out += b"l"
        for item in value:
            _write(out, item)
        out += b"e"
    elif kind is dict:
        out += b"m"
        for name in sorted(value):
            _write(out, name)
            _write(out, value[name])
        out += b"e"
    elif kind is bytes:
        out += b"b%d:" % len(value)
        out += value
    elif isinstance(value, str | int):
        # A subclass (a key of a parsed body, an enumeration's word) is what it is a kind of.
        _write(out, str.__str__(value) if isinstance(value, str) else int(value))
    else:
        raise TypeError(f"nothing of this kind is asked: {kind.__name__}")


def _write_struct(out: bytearray, value: Any, kind: type) -> None:
    if kind is Extras and not value.rest:
        out += b"n"
        return
    name, fields = FIELDS[kind]
    out += name
    for field in fields:
        said = getattr(value, field.name)
        if said is None or said == field.default:
            continue
        if type(said) is Extras and not said.rest:
            continue
        out += field.label
        _write(out, float(said) + 0.0 if field.real else said)
    out += b"e"


def _fields(kind: type) -> tuple[bytes, tuple[Field, ...]]:
    """Return how a struct begins, and its fields that count, by name."""
    fields = sorted(
        Field(
            field.name,
            b"%d:%s" % (len(field.name), field.name.encode()),
            None if field.default is NODEFAULT else field.default,
            any(isinstance(one, inspect.FloatType) for one in getattr(field.type, "types", (field.type,))),
        )
        for field in inspect.type_info(kind).fields  # type: ignore[attr-defined]  # of a struct
        if field.name not in UNSAID.get(kind, frozenset())
    )
    return b"o%d:%s" % (len(kind.__name__), kind.__name__.encode()), tuple(fields)


def _structs(info: Any) -> Iterator[type]:
    """Yield every struct that a type is made of."""
    if isinstance(info, inspect.StructType):
        yield info.cls
        for field in info.fields:
            yield from _structs(field.type)
    elif isinstance(info, inspect.UnionType):
        for one in info.types:
            yield from _structs(one)
    elif isinstance(info, inspect.VarTupleType):
        yield from _structs(info.item_type)


FIELDS: Mapping[type, tuple[bytes, tuple[Field, ...]]] = MappingProxyType(
    {kind: _fields(kind) for kind in _structs(inspect.type_info(Request))}
)
"""Every struct a request is made of, and how it is written."""
