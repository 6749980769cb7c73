"""Paths that no codec reads and that pass through as they are: whose they are, and what they reach.

A row is data: a pattern, the dialect that words refusals, the dialects whose providers serve it, and what it
reaches. ``model``: it asks a model and keeps nothing, any key may. ``shared``: it reaches what all keys
share in the operator's account there (files, batches, ...), and is granted key by key. A path that a codec
does read is looked for first, so the patterns here may be wide.

    /v1/moderations        exactly this path
    /v1/files/*            /v1/files and all below it
    /v1beta/models/{model}:*   any method of any model; the model stands in the path

Read 2026-11-21: https://platform.openai.com/docs/api-reference, https://platform.claude.com/docs/en/api,
https://ai.google.dev/api, https://docs.cohere.com/reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from dragoman.dialects.catalog import MODEL

PREFIX = "/relay/"
"""Where any path of any provider is found: ``/relay/{provider}/{rest}``."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
"""What may be relayed; OPTIONS is a browser asking us, CONNECT and TRACE are nobody's."""

Reach = Literal["model", "shared"]


class Row(msgspec.Struct, frozen=True):
    """Paths of one kind.

    Attributes:
        pattern: See the module.
        reach: What it reaches.
        dialect: Words refusals; its providers are asked.
        others: Dialects whose providers serve it as well.
        vendor: The provider asked if nobody is named.
        header: It counts only for requests that have this header.
        methods: It counts only for these; empty: for all.
    """

    pattern: str
    reach: Reach
    dialect: str
    vendor: str
    others: tuple[str, ...] = ()
    header: str = ""
    methods: tuple[str, ...] = ()


def _rows(
    reach: Reach, dialect: str, vendor: str, patterns: str, *others: str, header: str = ""
) -> Iterator[Row]:
    methods = ("POST",) if reach == "model" else ()
    for pattern in patterns.split():
        yield Row(pattern, reach, dialect, vendor, others, header, methods)


_OPENAI_MODEL = """
    /v1/images/generations /v1/images/edits /v1/images/variations
    /v1/audio/speech /v1/audio/transcriptions /v1/audio/translations
    /v1/moderations /v1/completions
"""
_OPENAI_SHARED = """
    /v1/images/* /v1/audio/* /v1/videos/* /v1/files/* /v1/uploads/* /v1/batches/* /v1/fine_tuning/*
    /v1/vector_stores/* /v1/conversations/* /v1/containers/* /v1/evals/* /v1/assistants/* /v1/threads/*
"""
_GEMINI_SHARED = """
    /v1beta/files/* /upload/v1beta/files/* /download/v1beta/files/* /v1beta/cachedContents/* /v1beta/batches/*
    /v1beta/operations/* /v1beta/models/{model}/operations/* /v1/models/{model}/operations/*
    /v1beta/tunedModels/* /v1beta/fileSearchStores/* /upload/v1beta/fileSearchStores/*
    /v1beta/generatedFiles/* /v1beta/corpora/*
    /v1beta/models/{model}:batchGenerateContent /v1/models/{model}:batchGenerateContent
    /v1beta/models/{model}:asyncBatchEmbedContent /v1/models/{model}:asyncBatchEmbedContent
    /v1beta/models/{model}:predictLongRunning /v1/models/{model}:predictLongRunning
"""

ROWS: tuple[Row, ...] = (
    *_rows("shared", "anthropic", "anthropic", "/v1/messages/batches/*"),
    *_rows("shared", "anthropic", "anthropic", "/v1/files/* /v1/skills/*", header="anthropic-version"),
    *_rows("model", "openai_chat", "openai", _OPENAI_MODEL, "openai_responses"),
    *_rows("model", "openai_responses", "openai", "/v1/responses/compact", "openai_chat"),
    *_rows("shared", "openai_chat", "openai", _OPENAI_SHARED, "openai_responses"),
    *_rows("shared", "gemini", "gemini", _GEMINI_SHARED),
    *_rows("model", "gemini", "gemini", "/v1beta/models/{model}:* /v1/models/{model}:*"),
    *_rows(
        "model", "cohere", "cohere", "/v1/classify /v1/tokenize /v1/detokenize /v1/summarize /v1/generate"
    ),
    *_rows(
        "shared",
        "cohere",
        "cohere",
        "/v1/embed-jobs/* /v1/datasets/* /v1/connectors/* /v1/finetuning/* /v2/*",
    ),
)
"""Every path that is relayed without its provider's name in it, first match wins."""

_PATTERNS: tuple[tuple[re.Pattern[str], Row], ...] = tuple(
    (
        re.compile(
            re.escape(row.pattern)
            .replace(re.escape(MODEL), "(?P<model>.+)")
            .replace(r":\*", r":[A-Za-z]+")
            .replace(r"/\*", r"(?:/.*)?"),
            re.DOTALL,
        ),
        row,
    )
    for row in ROWS
)


class Place(msgspec.Struct, frozen=True):
    """Where a relayed request was sent to.

    Attributes:
        provider: The provider named in the path; "": none is.
        row: The row it falls under; None below a provider's name if none does.
        model: The model named in the path, as it is there; "": none is.
    """

    provider: str
    row: Row | None
    model: str = ""


def place_of(method: str, path: str, headers: Mapping[str, str]) -> Place | None:
    """Return where a request to the decoded public `path` is relayed; None: it is not."""
    if method not in METHODS:
        return None
    if path.startswith(PREFIX):
        provider, _, rest = path[len(PREFIX) :].partition("/")
        row = _row(method, f"/{rest}", headers)[0] or _row(method, f"/v1/{rest}", headers)[0]
        return Place(provider, row) if provider else None
    row, model = _row(method, path, headers)
    return None if row is None else Place("", row, model)


def _row(method: str, path: str, headers: Mapping[str, str]) -> tuple[Row | None, str]:
    for pattern, row in _PATTERNS:
        if (row.methods and method not in row.methods) or (row.header and row.header not in headers):
            continue
        if (found := pattern.fullmatch(path)) is not None:
            return row, found.groupdict().get("model") or ""
    return None, ""
