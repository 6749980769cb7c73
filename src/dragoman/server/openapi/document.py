"""The OpenAPI document: what the server answers, and the descriptions of it, put together.

OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.1 (read 2026-11-21). The document is a function of what the
server answers (:mod:`~dragoman.server.openapi.served`), so nothing in it can be out of date; an operation
nobody described is in it too, with what can be said of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from itertools import chain
from types import MappingProxyType
from typing import Any

import msgspec

from dragoman.core.extras import Json
from dragoman.server.openapi import (
    anthropic,
    budgets,
    cohere,
    gemini,
    keys,
    models,
    ollama,
    openai,
    pages,
    prices,
    providers,
    reconcile,
    relayed,
    requests,
    responses,
    settings,
    surfaces,
    usage,
)
from dragoman.server.openapi.faults import MEANINGS, Writer, example, shapes
from dragoman.server.openapi.operation import MODEL, Operation, Param, Tag
from dragoman.server.openapi.schemas import components, reference
from dragoman.server.openapi.served import Served

MODULES = (
    *(openai, responses, anthropic, gemini, cohere, ollama, surfaces, models, pages),
    *(keys, budgets, prices, providers, reconcile, requests, usage, settings),
)
OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {key: operation for module in MODULES for key, operation in module.OPERATIONS.items()}
)
"""Every description but those of what is relayed, which come from the relay's own table."""
TAGS: tuple[Tag, ...] = (*(tag for module in MODULES for tag in module.TAGS), relayed.RELAY)

TITLE = "Dragoman"
TEXT = """\
One gateway in front of every model provider: call it with whatever protocol your client speaks, and it finds
a provider that can answer, in that provider's own.

* **Keys.** `Authorization: Bearer KEY`, or where your SDK puts it: `x-api-key`, `x-goog-api-key`, `api-key`,
  `?key=`. With no key configured, programs on this machine need none.
* **Models.** A route, an alias, a model's name, or `provider/model`; `GET /v1/models` lists them.
* **What was done for you** stands in the answer's `x-dragoman-...` headers, and for good in
  `GET /v1/exchanges/{id}`. What a crossing between two protocols lost is in `x-dragoman-losses`; with
  `x-dragoman-strict: true` it is refused instead.
* **Errors** have the shape of the protocol you call. A method that a path does not take is a 405, whose
  `allow` header names those it does; every path that takes GET takes HEAD.
* **Try it out**: the examples ask the embedded model, or one that is ready here.
"""

SECURITY: Mapping[str, Json] = MappingProxyType(
    {
        "bearer": {"type": "http", "scheme": "bearer", "description": "As OpenAI's clients send it."},
        "x-api-key": {
            "type": "apiKey",
            "in": "header",
            "name": "x-api-key",
            "description": "Anthropic's.",
        },
        "x-goog-api-key": {
            "type": "apiKey",
            "in": "header",
            "name": "x-goog-api-key",
            "description": "As Google's clients send it.",
        },
        "api-key": {"type": "apiKey", "in": "header", "name": "api-key", "description": "As Azure's."},
        "key": {"type": "apiKey", "in": "query", "name": "key", "description": "Google's older."},
    }
)
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "x-request-id": "The request's id: the client's own, if it sent one.",
        "x-dragoman-id": "The exchange's own id, which ratings and the ledger name.",
        "x-dragoman-provider": "Who answered.",
        "x-dragoman-model": "What the model is called there.",
        "x-dragoman-attempts": "How many targets were asked.",
        "x-dragoman-losses": "What the crossing dropped or approximated, if anything.",
        "x-dragoman-cache": "`hit`: a recorded answer; `miss`: there was none; `bypass`: nobody looked.",
        "x-ratelimit-limit": "Of a limited key: requests in a minute, or a day.",
        "x-ratelimit-remaining": "Of a limited key: requests it could make at once.",
        "x-ratelimit-reset": "Of a limited key: seconds until it could make all of them.",
        "x-ratelimit-limit-tokens": "Of a key whose tokens are limited: how many in a minute, or a day.",
        "x-ratelimit-remaining-tokens": "Of such a key: tokens it could use at once.",
        "x-ratelimit-reset-tokens": "Of such a key: how long until it could use all of them, as `6m0s`.",
    }
)
"""What the answers of the line carry."""
SWITCHES: Mapping[str, Json] = MappingProxyType(
    {
        "x-dragoman-strict": {
            "description": "`true`: refuse what cannot be carried over without a loss.",
            "schema": {"type": "string", "enum": ["true", "false"]},
        },
        "x-dragoman-cache": {
            "description": "`on`: a recorded answer will do. `Cache-Control: no-cache` asks afresh.",
            "schema": {"type": "string", "enum": ["on"]},
        },
        "x-dragoman-max-cost": {
            "description": "US dollars that this request may cost at most; its answer is cut there.",
            "schema": {"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,12})?$"},
        },
        "x-request-id": {
            "description": "Your own id for the request; it is told back, and kept.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"},
        },
    }
)
"""What requests on the line may carry."""


class Recording(msgspec.Struct, frozen=True):
    """An answer that a gateway really gave to an example.

    Attributes:
        form: Its content type.
        body: JSON, or the text of a stream or page.
    """

    form: str
    body: Json


class Facts(msgspec.Struct, frozen=True):
    """What a document says of one gateway beside what it answers.

    Attributes:
        version: The gateway's.
        model: What the examples ask.
        open: Whether a stranger on this machine needs no key.
        writers: Who writes failures, by name.
        recorded: Answers to the examples, by operation and by the example's title ("": it has no body).
    """

    version: str
    model: str
    open: bool
    writers: Mapping[str, Writer]
    recorded: Mapping[str, Mapping[str, Recording]] = {}


def document(answered: Iterable[Served], facts: Facts) -> dict[str, Json]:
    """Return the OpenAPI document of a gateway."""
    found = {one.key: _operation(one) for one in answered}
    paths: dict[str, dict[str, Json]] = {}
    for key, operation in found.items():
        method, _, path = key.partition(" ")
        paths.setdefault(path, {})[method.lower()] = _written(key, operation, facts)
    every = found.values()
    errors = {(one.words, status) for one in every for status in one.statuses if not one.passes}
    types = {
        *chain.from_iterable((*one.asks, *one.tells, *one.event) for one in every),
        *chain.from_iterable(shapes(words, status) for words, status in errors),
    }
    named = {one.tag for one in every}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": facts.version,
            "description": TEXT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": _security(facts),
        "tags": [
            *(_tag(tag) for tag in TAGS if tag.name in named),
            *({"name": name} for name in sorted(named - {tag.name for tag in TAGS})),
        ],
        "paths": paths,
        "components": {
            "schemas": components(sorted(types, key=str)),
            "securitySchemes": {**SECURITY},
            "headers": {
                name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
            },
            "parameters": {
                name: {"name": name, "in": "header", **switch}
                for name, switch in SWITCHES.items()
                if isinstance(switch, dict)
            },
            "responses": {
                _named(words, status): _refusal(words, status, facts) for words, status in sorted(errors)
            },
        },
    }


def undescribed(one: Served) -> Operation:
    """Return what can be said of an operation nobody described, such as an outside dialect's."""
    method, _, path = one.key.partition(" ")
    title = f"{method} {path}"
    return Operation(
        tag=one.owner or pages.HEALTH.name,
        title=title,
        text="Described by whoever added it.",
        tells=(dict[str, Any],),
        words=one.owner or "openai_chat",
        line=bool(one.owner),
    )


def _operation(one: Served) -> Operation:
    return one.operation or OPERATIONS.get(one.key) or undescribed(one)


def _written(key: str, operation: Operation, facts: Facts) -> dict[str, Json]:
    """Return one operation as the document has it."""
    method, _, path = key.partition(" ")
    told: dict[str, Json] = {
        "tags": [operation.tag],
        "summary": operation.title,
        "description": operation.text,
        "operationId": re.sub(r"\W+", "_", key.replace("}", "")).lower(),
        "x-dragoman-access": operation.access,
        "parameters": [*_parameters(path, operation, facts.model)],
        "responses": _responses(operation, facts.recorded.get(key, {})),
    }
    if operation.asks:
        examples = {
            title: {"summary": title, "value": aimed(body, facts.model)}
            for title, body in operation.asked.items()
        }
        body: Json = {"schema": reference(operation.asks), "examples": examples}
        told["requestBody"] = {"required": not operation.optional, "content": {"application/json": body}}
    elif operation.takes:
        told["requestBody"] = {
            "required": True,
            "content": {form: {"schema": {}} for form in operation.takes},
        }
    elif operation.passes and method in ("POST", "PUT", "PATCH"):
        told["requestBody"] = {"content": {"application/json": {"schema": {}}}}
    if operation.access == "none":
        told["security"] = []
    return told


def _parameters(path: str, operation: Operation, model: str) -> Iterable[Json]:
    said = {param.name: param for param in operation.params}
    placed = re.findall(r"\{(\w+)\}", path)
    for name in placed:
        param = said.pop(name, None) or Param(name, "A part of the path.")
        yield {**_parameter(param, model), "in": "path", "required": True}
    for param in said.values():
        yield {**_parameter(param, model), "in": "query", "required": param.required}
    if operation.header:
        text = {"type": "string"}
        yield {"name": operation.header, "in": "header", "required": True, "schema": text}
    if operation.line:
        yield from ({"$ref": f"#/components/parameters/{name}"} for name in SWITCHES)


def _parameter(param: Param, model: str) -> dict[str, Json]:
    example_ = {} if param.example is None else {"example": aimed(param.example, model)}
    return {
        "name": param.name,
        "description": param.text,
        "schema": reference((param.kind,)),
        **example_,
    }


def _responses(operation: Operation, recorded: Mapping[str, Recording]) -> dict[str, Json]:
    if operation.passes:
        text = "The provider's own answer, whatever it is; or a refusal, in the words of the path's protocol."
        return {"default": {"description": text}}
    content: dict[str, Json] = {}
    for form in (operation.form, *operation.also) if operation.tells else ():
        examples: Json = {
            title: {"summary": title, "value": one.body}
            for title, one in recorded.items()
            if one.form.partition(";")[0] == form
        }
        content[form] = {
            # What comes in another form than the first is text: a table of the same.
            "schema": reference((str,) if form in operation.also else operation.tells),
            **({"examples": examples} if examples else {}),
        }
    if operation.streams:
        streamed = [one.body for one in recorded.values() if one.form.partition(";")[0] == operation.streams]
        content[operation.streams] = {
            # A schema would be of the whole; OpenAPI 3.1 has none for a piece (3.2: itemSchema).
            "x-event": reference(operation.event),
            **({"example": streamed[0]} if streamed else {}),
        }
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS} if operation.line else {}
    good: Json = {
        "description": "The answer.",
        "content": content,
        **({"headers": headers} if headers else {}),
    }
    refused = {
        str(status): {"$ref": f"#/components/responses/{_named(operation.words, status)}"}
        for status in sorted(operation.statuses)
    }
    return {"200": good, **refused}


def _refusal(words: str, status: int, facts: Facts) -> dict[str, Json]:
    """Return how one status is told in somebody's words."""
    body = {
        "schema": reference(shapes(words, status)),
        "example": example(words, status, facts.writers),
    }
    wait = {"retry-after": {"description": "Seconds to wait.", "schema": {"type": "string"}}}
    return {
        "description": MEANINGS[status],
        "content": {"application/json": body},
        **({"headers": wait} if status == 429 else {}),
    }


def _named(words: str, status: int) -> str:
    return f"{words.replace(' ', '_')}_{status}"


def _security(facts: Facts) -> list[Json]:
    return [*({name: []} for name in SECURITY), *([{}] if facts.open else [])]


def _tag(tag: Tag) -> dict[str, Json]:
    more = {"externalDocs": {"url": tag.docs, "description": "the vendor's reference"}} if tag.docs else {}
    return {"name": tag.name, "description": tag.text, **more}


def aimed(body: Json, model: str) -> Json:
    """Return an example that asks `model` instead of the embedded one."""
    match body:
        case str():
            return model if body == MODEL else body
        case dict():
            return {name: aimed(value, model) for name, value in body.items()}
        case list():
            return [aimed(value, model) for value in body]
        case _:
            return body


def recordings() -> Mapping[str, Mapping[str, Recording]]:
    """Return what a gateway answered to the examples; see :class:`Facts`."""
    raw = (files(__package__) / "recorded.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, dict[str, Recording]])
