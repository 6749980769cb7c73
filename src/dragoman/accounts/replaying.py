"""A request to send again: a command of curl in the client's own dialect, with neither its key nor its words.

The key is the shell's ``$DRAGOMAN_KEY``. The words are a placeholder, unless they were logged and are given.
What else the request said (tools, sampling, earlier turns) the ledger does not keep: it is the shape, not the
copy. Everything a client named is quoted for the shell. Pure.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import quote

from dragoman.core.extras import Json
from dragoman.store.ledger import ExchangeRow

PLACEHOLDER = "..."

BEARER = "authorization: Bearer $DRAGOMAN_KEY"
VERSION = "2023-06-01"
"""The version of Anthropic's protocol (https://docs.claude.com/en/api/versioning, read 2026-11-21)."""

Body = Callable[[ExchangeRow, str], tuple[str, dict[str, Json]]]


def replay(row: ExchangeRow, url: str, prompt: str | None = None) -> str | None:
    """Return a command that asks as this request did; None: what passed through unread has no shape we know.

    Args:
        row: The request.
        url: Where the gateway is, without a slash at the end.
        prompt: Its words, where they were logged.
    """
    shape = _SHAPES.get((row.dialect, row.task))
    if shape is None:
        return None
    path, body = shape(row, PLACEHOLDER if prompt is None else prompt)
    headers = [_KEYS.get(row.dialect, BEARER)]
    headers += [f"anthropic-version: {VERSION}"] if row.dialect == "anthropic" else []
    flags = "-sN" if row.stream else "-s"
    lines = [f"curl {flags} {shlex.quote(url + path)}"]
    # Only the key's header is in double quotes: it is ours to the letter, and the shell fills it in.
    lines += [f'-H "{header}"' for header in headers]
    lines += [
        "-H 'content-type: application/json'",
        f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
    ]
    return " \\\n  ".join(lines)


def _chat(path: str) -> Body:
    def shape(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
        body: dict[str, Json] = {"model": row.model, "messages": [{"role": "user", "content": prompt}]}
        return path, body | ({"stream": True} if row.stream else {})

    return shape


def _anthropic(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
    path, body = _chat("/v1/messages")(row, prompt)
    return path, body | {"max_tokens": 1024}


def _ollama(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
    path, body = _chat("/api/chat")(row, prompt)
    return path, body | {"stream": row.stream}  # there it streams unless told not to


def _responses(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
    return "/v1/responses", {"model": row.model, "input": prompt} | ({"stream": True} if row.stream else {})


def _gemini(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
    method = "streamGenerateContent?alt=sse" if row.stream else "generateContent"
    path = f"/v1beta/models/{quote(row.model, safe='')}:{method}"
    return path, {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}


def _prompt(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
    return f"/chat?model={quote(row.model, safe='')}", {"prompt": prompt}


def _stream(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
    return "/stream", {"model": row.model, "prompt": prompt}


def _message(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
    return "/chat", {"message": prompt, "chat_model_name": row.model}


def _plain(path: str, words: str) -> Body:
    def shape(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
        listed: Json = [prompt] if words == "texts" else prompt
        more: dict[str, Json] = {"input_type": "search_document"} if words == "texts" else {}
        return path, {"model": row.model, words: listed} | more

    return shape


def _rank(path: str) -> Body:
    def shape(row: ExchangeRow, prompt: str) -> tuple[str, dict[str, Json]]:
        return path, {"model": row.model, "query": prompt, "documents": [PLACEHOLDER]}

    return shape


_KEYS: Mapping[str, str] = MappingProxyType(
    {"anthropic": "x-api-key: $DRAGOMAN_KEY", "gemini": "x-goog-api-key: $DRAGOMAN_KEY"}
)
_SHAPES: Mapping[tuple[str, str], Body] = MappingProxyType(
    {
        ("openai_chat", "generate"): _chat("/v1/chat/completions"),
        ("openai_responses", "generate"): _responses,
        ("anthropic", "generate"): _anthropic,
        ("gemini", "generate"): _gemini,
        ("cohere", "generate"): _chat("/v2/chat"),
        ("ollama", "generate"): _ollama,
        ("prompt", "generate"): _prompt,
        ("message", "generate"): _message,
        ("stream", "generate"): _stream,
        ("gateway", "generate"): _chat("/v1/chat/stream"),
        ("openai_chat", "embed"): _plain("/v1/embeddings", "input"),
        ("ollama", "embed"): _plain("/api/embed", "input"),
        ("cohere", "embed"): _plain("/v2/embed", "texts"),
        ("openai_chat", "rerank"): _rank("/v1/rerank"),
        ("cohere", "rerank"): _rank("/v2/rerank"),
    }
)
"""How each dialect asks for each task."""
