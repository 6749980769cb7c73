"""Whom a relayed request goes to, and what goes there: decided from what it names, and never guessed.

    /relay/{provider}/...                   that provider, and the body as it is
    a model in the path, body or form       its target, as for every endpoint; its name there takes its place
    the header x-dragoman-provider          that provider
    nothing                                 the vendor whose path it is, else the one provider that serves it

Pure: no socket, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote

import msgspec

from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.dialects import Call, Dialect
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.relayed import PREFIX, Place, Row
from dragoman.exchange.life import Snapshot
from dragoman.exchange.naming import Named, glimpsed, named, renamed
from dragoman.providers import Provider
from dragoman.providers.passage import below, beside, checked
from dragoman.routing import Target

CHOOSE = "x-dragoman-provider"
"""The header a client names a provider in."""

MODELS = "models/"
"""What Gemini puts before a model's name in a body."""


class Incoming(msgspec.Struct, frozen=True):
    """A request as it came.

    Attributes:
        call: Its method, decoded path and query, and headers; no body.
        path: As the client spelt it.
        query: As the client spelt it.
        body: Its bytes.
        origin: Ours, as the client called it: ``http://127.0.0.1:8080``.
    """

    call: Call
    path: str
    query: str
    body: bytes
    origin: str

    @property
    def content_type(self) -> str:
        """What the body is declared to be."""
        return self.call.headers.get("content-type", "")


class Aim(msgspec.Struct, frozen=True):
    """Where a request goes, and what goes there. ``model``: the name there, "" where none is known."""

    provider: Provider
    model: str
    url: str
    body: bytes


def door_of(live: Snapshot, place: Place) -> Dialect:
    """Return the dialect a refusal is told in."""
    if place.row is not None and not place.provider:
        return DIALECTS[place.row.dialect]
    provider = live.providers.get(place.provider)
    return DIALECTS["openai_chat"] if provider is None else live.dialects[provider.dialect]


def told_of(place: Place, incoming: Incoming) -> Named:
    """Return what a request says about whom it is for."""
    if place.provider:
        return glimpsed(incoming.content_type, incoming.body)
    return named(incoming.content_type, incoming.body)


def aimed(live: Snapshot, place: Place, incoming: Incoming, told: Named) -> Aim:
    """Return where a request goes.

    Raises:
        Failure: NOT_FOUND or INVALID, saying how to choose; INVALID, the path leads elsewhere.
    """
    path = checked(incoming.path)
    if place.provider:
        provider = _ready(live, place.provider)
        begin = f"{PREFIX}{place.provider}"
        if not f"{path}/".startswith(f"{begin}/"):
            raise invalid("the provider's name must be spelt out in the path", "path")
        return Aim(
            provider, told.model, below(provider, path[len(begin) + 1 :], incoming.query), incoming.body
        )
    assert place.row is not None
    if unquote(path) != incoming.call.path:
        raise invalid("what leads to this path must be spelt out", "path")
    asked = place.model or told.model
    target = _target(live, place.row, asked, incoming.call.headers.get(CHOOSE, ""))
    provider, body = live.providers[target.provider], incoming.body
    if target.model != asked and place.model:
        # The path before the model's name may hold the same word.
        before, slash, after = incoming.call.path.partition(f"/{MODELS}")
        path = quote(f"{before}{slash}{after.replace(asked, target.model, 1)}", safe="/:@!$&'()*+,;=-._~")
    elif target.model != asked:
        body = renamed(incoming.content_type, body, told, target.model)
    root = live.dialects[provider.dialect].root
    model = target.model.removeprefix(MODELS)
    return Aim(provider, model, beside(provider, root, path, incoming.query), body)


def _target(live: Snapshot, row: Row, asked: str, chosen: str) -> Target:
    """Return who is asked, and the model's name there as the request has to say it."""
    if chosen:
        _ready(live, chosen)
    plain = asked.removeprefix(MODELS)
    provider, slash, _ = plain.partition("/")
    known = plain in live.table.routes or plain in live.table.offers or (slash and provider in live.providers)
    if not known:
        # No row and no route says whose it is; its provider will know it, or say that it does not.
        return Target(chosen or _only(live, row), asked)
    for target in live.table.resolve(plain, None).targets:
        if chosen in ("", target.provider) and _serves(live, row, target.provider):
            return Target(target.provider, f"{MODELS if plain != asked else ''}{target.model}")
    if chosen:
        raise invalid(f"{CHOOSE} and the model name two different providers", "$.model")
    raise invalid(f"no target of this model serves the path: it is one of {row.vendor}'s protocol", "$.model")


def _serves(live: Snapshot, row: Row, name: str) -> bool:
    return live.providers[name].dialect in (row.dialect, *row.others)


def _only(live: Snapshot, row: Row) -> str:
    """Return the provider asked where nobody is named."""
    serving = sorted(name for name in live.table.ready if _serves(live, row, name))
    if row.vendor in serving:
        return row.vendor
    native = [name for name in serving if live.providers[name].dialect == row.dialect]
    found = native or serving
    if len(found) == 1:
        return found[0]
    if found:
        raise invalid(
            f"several providers could be meant ({_list(found)}): name one in the header {CHOOSE}, "
            "or call the model provider/model",
            CHOOSE,
        )
    raise _nobody(
        f"no provider that is ready speaks {row.dialect}, whose path this is; set {row.vendor}'s key, or "
        f'configure a provider with dialect = "{row.dialect}"'
    )


def _ready(live: Snapshot, name: str) -> Provider:
    if name in live.table.ready:
        return live.providers[name]
    if name in live.table.waiting:
        why = live.table.waiting[name]
        raise _nobody(f"the provider {name} cannot be asked: {why}" if why else f"{name} cannot be asked")
    raise _nobody(f"no provider has this name; ready are {_list(sorted(live.table.ready)) or 'none'}")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _nobody(message: str) -> Failure:
    return Failure(Kind.NOT_FOUND, message, source=Source.CLIENT, code="provider_not_found")
