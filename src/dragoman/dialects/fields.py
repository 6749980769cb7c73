"""Consume a JSON object field by field, keep the rest.

    fields = Fields(body, "$", strict=True)
    model = fields.need_text("model")          # taken
    top_p = fields.number("top_p")             # taken, or None
    extras("anthropic", fields.rest)           # whatever nobody took, verbatim

A field that is absent or null reads as None; a null stays in the rest, so that it goes home as it
came. A field of the wrong type is a 400 with its JSON path when strict (a client's), and is left in
the rest when lenient (a provider's): never a crash, never a guess.

Also the two JSON borders: :func:`parse` for a client's bytes (strict) and :func:`encode`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from dragoman.core.extras import Json
from dragoman.core.failure import Failure, invalid, malformed

MAX_DEPTH = 128
"""Levels a client's JSON may nest."""

MAX_ITEMS = 50_000
"""Turns, texts or tools in one array of a client's: reading as many takes most of a second."""

encode = msgspec.json.encode
"""Write a JSON value as UTF-8 bytes, compact, on one line."""

decode = msgspec.json.decode
"""Read JSON bytes leniently; raises msgspec.DecodeError or UnicodeDecodeError."""


class Fields:
    """The fields of one JSON object, consumed one by one."""

    __slots__ = ("at", "rest", "strict")

    def __init__(self, value: Json, at: str = "$", *, strict: bool = False) -> None:
        """Take a private, shallow copy of `value`; `at` is its JSON path.

        Raises:
            Failure: `value` is not an object.
        """
        if not isinstance(value, dict):
            raise self._refusal(value, at, "an object", strict=strict)
        self.rest: dict[str, Json] = dict(value)
        self.at = at
        self.strict = strict

    def any(self, name: str) -> Json:
        """Take a field of any type but null."""
        if self.rest.get(name) is None:
            return None
        return self.rest.pop(name)

    def text(self, name: str) -> str | None:
        """Take a string."""
        value: str | None = self._take(name, str, "a string")
        return value

    def need_text(self, name: str) -> str:
        """Take a string that must be there; lenient: the empty string stands in."""
        value = self.text(name)
        if value is None:
            self.missing(name)
        return value or ""

    def flag(self, name: str) -> bool | None:
        """Take true or false."""
        value: bool | None = self._take(name, bool, "true or false")
        return value

    def integer(self, name: str, *, least: int | None = None) -> int | None:
        """Take a whole number; a provider's 3.0 counts as one."""
        value = self.rest.get(name)
        if isinstance(value, float) and value.is_integer() and not self.strict:
            self.rest[name] = int(value)
        number: int | None = self._take(name, int, "a whole number")
        if number is not None and least is not None and number < least and self.strict:
            raise invalid(f"{name} must be at least {least}", self.path(name))
        return number

    def number(self, name: str, *, least: float | None = None, most: float | None = None) -> float | None:
        """Take a number; whole ones stay int, so that they go home as they came."""
        number: float | None = self._take(name, (int, float), "a number")
        if number is None or not self.strict:
            return number
        if (least is not None and number < least) or (most is not None and number > most):
            raise invalid(f"{name} must be between {least} and {most}", self.path(name))
        return number

    def object(self, name: str) -> Fields | None:
        """Take an object, as Fields of its own; its rest is then the caller's to keep."""
        value = self._take(name, dict, "an object")
        return None if value is None else Fields(value, self.path(name), strict=self.strict)

    def need_object(self, name: str) -> Fields:
        """Take an object that must be there; lenient: an empty one stands in."""
        inner = self.object(name)
        if inner is None:
            self.missing(name)
        return inner or Fields({}, self.path(name), strict=self.strict)

    def leave(self, name: str, inner: Fields) -> None:
        """Put back what nobody took of the object `name`, if anything is left."""
        if inner.rest:
            self.rest[name] = inner.rest

    def words(self, name: str) -> str | None:
        """Take a string that says something; an empty one stays in the rest."""
        return None if self.rest.get(name) == "" else self.text(name)

    def array(self, name: str) -> list[Json] | None:
        """Take an array."""
        value: list[Json] | None = self._take(name, list, "an array")
        return value

    def need_array(self, name: str) -> list[Json]:
        """Take an array that must be there; lenient: an empty one stands in."""
        value = self.array(name)
        if value is None:
            self.missing(name)
        return value or []

    def one_of(self, name: str, allowed: Iterable[str]) -> str | None:
        """Take a string out of a closed set; lenient: an unknown word stays in the rest."""
        word = self.rest.get(name)
        known = tuple(allowed)
        if word is None or (word in known if isinstance(word, str) else False):
            return self.text(name)
        if self.strict:
            raise invalid(f"{name} must be one of {', '.join(known)}", self.path(name))
        return None

    def strings(self, name: str) -> tuple[str, ...] | None:
        """Take an array of strings."""
        value = self.rest.get(name)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            del self.rest[name]
            return tuple(value)
        if self.strict:
            raise self._refusal(value, self.path(name), "an array of strings", strict=True)
        return None

    def path(self, name: str | int) -> str:
        """Return the JSON path of a field (or array element) of this object."""
        return f"{self.at}[{name}]" if isinstance(name, int) else f"{self.at}.{name}"

    def missing(self, name: str) -> None:
        """Refuse a client's request for want of `name`; a provider may leave it out."""
        if self.strict:
            raise invalid(f"{name} is required", self.path(name))

    def _take(self, name: str, kind: Any, wanted: str) -> Any:
        value = self.rest.get(name)
        if value is None:
            return None
        # bool is an int to Python and not to JSON.
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            del self.rest[name]
            return value
        if self.strict:
            raise self._refusal(value, self.path(name), wanted, strict=True)
        return None

    @staticmethod
    def _refusal(value: Json, at: str, wanted: str, *, strict: bool) -> Failure:
        message = f"expected {wanted}, got {_kind(value)}"
        return invalid(message, at) if strict else malformed(f"the provider's answer at {at}: {message}")


class _Key(str):
    """A top-level key; a type of its own so that the decoder shows each one it meets."""

    __slots__ = ()


def parse(body: bytes) -> dict[str, Json]:
    """Read a client's body, strictly.

    Raises:
        Failure: Not one JSON object of valid UTF-8; NaN or a number out of range; a lone surrogate;
            nested deeper than :data:`MAX_DEPTH`; more than :data:`MAX_ITEMS` entries in one array, since
            each is work before anybody can be asked to pay; or a top-level key given twice, since an access
            check and the provider might then see different values. Says where, never what: the
            body may hold secrets.
    """
    if not body.strip():
        raise invalid("the request has no body; a JSON object is required", "$")
    keys: list[str] = []

    def meet(_: type, key: str) -> _Key:
        keys.append(key)
        return _Key(key)

    try:
        msgspec.json.decode(body, type=dict[_Key, msgspec.Raw], dec_hook=meet)
        value: dict[str, Json] = decode(body)
    except RecursionError:
        raise invalid(f"the JSON nests deeper than {MAX_DEPTH} levels", "$") from None
    except UnicodeDecodeError:
        raise invalid("the body is not valid UTF-8", "$") from None
    except msgspec.MsgspecError as error:
        raise invalid(f"the body is not a valid JSON object: {_reason(body, error)}", "$") from None
    if len(keys) != len(value):
        twice = next(key for key, times in Counter(keys).items() if times > 1)
        raise invalid("the key is given twice", f"$.{_Key(twice)[:64]}")
    if _too_deep(body, value):
        raise invalid(f"the JSON nests deeper than {MAX_DEPTH} levels", "$")
    for name, field in value.items():
        if isinstance(field, list) and len(field) > MAX_ITEMS and isinstance(field[0], (dict, str)):
            raise invalid(f"more than {MAX_ITEMS} entries in one array", f"$.{name[:64]}")
    return value


def _reason(body: bytes, error: Exception) -> str:
    """Return what is wrong in words; msgspec calls a lone surrogate "truncated"."""
    text = str(error)
    if "truncated" in text and b"\\u" in body:
        return "it is cut short, or a string holds a lone surrogate"
    return text


def _too_deep(body: bytes, value: Json) -> bool:
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Json] = []
        for item in level:
            members = item.values() if isinstance(item, dict) else item
            below.extend(member for member in members if isinstance(member, (dict, list)))
        if not below:
            return False
        level = below
    return True


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"
