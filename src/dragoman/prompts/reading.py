"""Read a file of templates: what it may hold, and where it is wrong.

    [{"id", "title"?, "prompt", "tags"?, "category"?, "variables"?}, ...]      what GET /templates shows
    {"id": "text", ...}                                                        the short form

A fault is told with the file's name; one of JSON with line and column, any other with the path of the value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, NoReturn

import msgspec

from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind
from dragoman.prompts.template import Template, places

MOST_BYTES = 4 * 1024 * 1024
"""Bytes a file may have."""

GENERAL = "General"
"""The category of a template that names none."""

Words = Annotated[str, msgspec.Meta(min_length=1)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Entry(msgspec.Struct, frozen=True):
    """One template as a person writes it; fields it does not have are ignored."""

    id: Id
    prompt: Words
    title: str = ""
    tags: tuple[str, ...] = ()
    category: str = ""
    variables: tuple[Words, ...] = ()


def read(raw: bytes, name: str) -> Mapping[str, Template]:
    """Return the templates of a file called `name`, by id, in its order.

    Raises:
        Failure: INVALID; the message begins with where the fault is.
    """
    if len(raw) > MOST_BYTES:
        raise _fault(name, f"the file has more than {MOST_BYTES} bytes")
    value = _parsed(raw, name)
    try:
        if isinstance(value, dict):
            texts = msgspec.convert(value, dict[Id, Words])
            entries = [_Entry(id_, text) for id_, text in texts.items()]
        else:
            entries = msgspec.convert(value, list[_Entry])
    except msgspec.ValidationError as error:
        raise _fault(name, str(error)) from None
    found: dict[str, Template] = {}
    for entry in entries:
        if entry.id in found:
            raise _fault(name, f"two templates have the id {entry.id}")
        found[entry.id] = _template(entry)
    return MappingProxyType(found)


def _parsed(raw: bytes, name: str) -> Json:
    """Return the file's JSON value; the standard library's reader says where a fault is."""
    try:
        text = raw.decode("utf-8-sig")  # some editors write a mark at the beginning
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise _fault(f"{name}:{line}:{column}", "this is not UTF-8") from None
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
        msgspec.json.encode(value)  # what cannot be told to a client is no template
    except json.JSONDecodeError as error:
        raise _fault(f"{name}:{error.lineno}:{error.colno}", error.msg) from None
    except RecursionError:
        raise _fault(name, "the JSON nests too deeply") from None
    except UnicodeEncodeError:
        raise _fault(name, "a string holds a lone surrogate") from None
    except ValueError as error:  # a key twice, or a number that is none
        raise _fault(name, str(error)) from None
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key} is given twice in one object")
        found[key] = value
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _template(entry: _Entry) -> Template:
    title = entry.title or entry.id.replace("_", " ").replace("-", " ").capitalize()
    variables = tuple(dict.fromkeys((*entry.variables, *places(entry.prompt))))
    return Template(entry.id, title, entry.prompt, entry.tags, entry.category or GENERAL, variables)


def _fault(where: str, message: str) -> Failure:
    return Failure(Kind.INVALID, f"{where}: {message}")
