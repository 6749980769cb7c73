"""What every dialect does alike at its border, whatever its words.

A request or an answer that leaves its dialect loses things, and each loss is declared
(:class:`Crossing`). Ids must be spelt in the other side's letters (:func:`safe`), tool arguments may
not be an object (:func:`as_object`), an image may hide in a data URI (:func:`inlined`), a schema may
be open where only closed ones are taken (:func:`closed`). And a provider's HTTP status means the same
to the gateway in every dialect (:func:`judged`, :func:`delay_s`).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Literal, NoReturn

import msgspec

from dragoman.core.extras import Extras, Json, Loss, at_home, foreign
from dragoman.core.failure import Kind, Retry, Source, unsupported
from dragoman.core.request import Media, Request, Signature
from dragoman.dialects.fields import decode

BINDING = "binding: "
"""Begins an entry of a form that names a field the model's view or the answer's shape depends on."""
ODD = re.compile(r"[^A-Za-z0-9_-]")
MAGIC = {
    "/9j/": "image/jpeg",
    "iVBOR": "image/png",
    "R0lG": "image/gif",
    "UklG": "image/webp",
    "JVBE": "application/pdf",
}
"""How the base64 text of common types begins."""


def says_nothing(request: Request) -> bool:
    """Say whether `request` gives the model nothing at all: no turn, and nothing that stands for one."""
    form = request.extras.form if request.extras is not None else ()
    return not request.messages and not any(word.startswith(BINDING) for word in form)


class Crossing:
    """One translation on its way out: whether it goes home, and what it has lost so far."""

    __slots__ = ("_lost", "dialect", "home", "losses")

    def __init__(self, dialect: str, *, home: bool = False) -> None:
        self.dialect = dialect
        self.home = home
        self.losses: list[Loss] = []
        self._lost: set[Loss] = set()  # the same: a client's body may have fields by the hundred thousand

    def lose(self, how: Literal["dropped", "approximated", "clamped", "emulated"], at: str, why: str) -> None:
        """Declare one loss; the same one twice is one."""
        if (loss := Loss(how, at, why)) not in self._lost:
            self._lost.add(loss)
            self.losses.append(loss)

    def own(self, value: Extras | None, at: str) -> Extras:
        """Return the dialect's own extras of a value; another dialect's are declared lost.

        Raises:
            Failure: UNSUPPORTED; one of the lost fields is binding.
        """
        if value is not None and value.dialect != self.dialect:
            for word in value.form:
                if word.startswith(BINDING):
                    name = word.removeprefix(BINDING)
                    raise unsupported(f"only {value.dialect} has {name}", f"$.{name}")
        for loss in foreign(value, self.dialect, at):
            self.lose(loss.how, loss.at, loss.why)
        return at_home(value, self.dialect)

    def unsign(self, signature: Signature | None, at: str) -> None:
        """Declare a signature lost that another dialect's provider made."""
        if signature is not None and signature.origin != self.dialect:
            self.lose("dropped", f"{at}.signature", f"only {signature.origin} can check it")


def is_safe(name: str) -> bool:
    """Say whether `name` is made of letters, digits, ``-`` and ``_`` only, and not empty."""
    return bool(name) and not ODD.search(name)


def safe(name: str) -> str:
    """Return `name` in letters every API takes: the same for the same name, and two stay two."""
    return name if is_safe(name) else f"{ODD.sub('_', name)}_{zlib.crc32(name.encode()):08x}"


def as_object(arguments: str) -> dict[str, Json] | None:
    """Return a call's arguments as an object: empty ones are ``{}``; None if they are not one."""
    if not arguments.strip():
        return {}
    try:
        value = decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def inlined(part: Media, at: str) -> Media:
    """Return `part` with a data URI read as base64, and the type of base64 told by its first bytes."""
    source, data, mime = part.source, part.data, part.mime
    if source == "url" and data.startswith("data:"):
        head, _, data = data.partition(",")
        if not head.endswith(";base64"):
            raise unsupported("a data URI must be base64", at)
        source, mime = "base64", head[len("data:") :].split(";")[0]
    if source == "base64" and not mime:
        mime = next((kind for start, kind in MAGIC.items() if data.startswith(start)), None)
    return msgspec.structs.replace(part, source=source, data=data, mime=mime)


def closed(schema: Json) -> Json:
    """Return `schema` with every object that does not say so closed to other properties."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    data = ("enum", "const", "default", "examples")
    done = {name: value if name in data else closed(value) for name, value in schema.items()}
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        done.setdefault("additionalProperties", False)
    return done


def uncountable(_: Request) -> None:
    """Write no request to count tokens: the protocol has none."""


def uncounted(_: object) -> NoReturn:
    """Refuse to read or write a count of tokens: the protocol has none."""
    raise unsupported("this protocol cannot count tokens", "$")


VERDICTS: dict[int, tuple[Kind, Source, Retry]] = {
    401: (Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT),
    402: (Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT),
    403: (Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT),
    404: (Kind.NOT_FOUND, Source.UPSTREAM, Retry.NEXT),
    408: (Kind.TIMEOUT, Source.UPSTREAM, Retry.AGAIN),
    409: (Kind.CONFLICT, Source.UPSTREAM, Retry.AGAIN),
    413: (Kind.TOO_LARGE, Source.CLIENT, Retry.NEXT),
    429: (Kind.RATE_LIMITED, Source.UPSTREAM, Retry.AGAIN),
    503: (Kind.OVERLOADED, Source.UPSTREAM, Retry.AGAIN),
    504: (Kind.TIMEOUT, Source.UPSTREAM, Retry.AGAIN),
    529: (Kind.OVERLOADED, Source.UPSTREAM, Retry.AGAIN),
}
"""What a provider's status says. 401, 402 and 403 are about the gateway's credentials."""


def judged(status: int) -> tuple[Kind, Source, Retry]:
    """Return what a provider's HTTP status says about the fault, and what may be tried next."""
    if status in VERDICTS:
        return VERDICTS[status]
    if 400 <= status < 500:
        return Kind.INVALID, Source.CLIENT, Retry.NEVER
    return Kind.UPSTREAM, Source.UPSTREAM, Retry.AGAIN if status >= 500 else Retry.NEXT


LONGEST_S = 365 * 86_400
"""A delay beyond this is none: nobody waits a year, and infinity is no number of seconds."""


def delay_s(headers: Mapping[str, str]) -> float | None:
    """Return how long a provider asks to wait, in seconds; a date would need a clock and is ignored."""
    for name, scale in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            wait = float(headers.get(name, "")) / scale
        except ValueError:
            continue
        if 0 <= wait <= LONGEST_S:
            return wait
    return None


def merged(first: Mapping[str, Json], second: Mapping[str, Json]) -> dict[str, Json]:
    """Return `second` laid over `first`, object into object."""
    both = {**first, **second}
    for name in first.keys() & second.keys():
        if isinstance(first[name], dict) and isinstance(second[name], dict):
            both[name] = merged(first[name], second[name])
    return both


def hushed(rest: dict[str, Json], *names: str) -> dict[str, Json]:
    """Take fields off `rest` that are empty or false: they go home, and nobody else misses them."""
    return {name: rest.pop(name) for name in names if rest.get(name) in ("", False)}
