"""``dragoman chat``: ask a running gateway, as any OpenAI client would.

The answer's text goes to stdout as it comes, and one line about it to stderr: who answered, how many
tokens, how fast, and what was lost on the way. Ctrl-C closes the connection, which makes the gateway
cancel the upstream call at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from dragoman.cli.terminal import Trouble, note, paint
from dragoman.core.failure import Failure
from dragoman.dialects.fields import decode, encode
from dragoman.dialects.framing import SSE

URL = "http://127.0.0.1:8080"
READ = 65_536
"""Bytes asked for in one read; a read returns as soon as there are any."""


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model name; `dragoman models` lists them")
    parser.add_argument("text", metavar="TEXT", help="what to say; - reads it from stdin")
    parser.add_argument("--system", metavar="TEXT", help="instructions that go before it")
    parser.add_argument("--no-stream", action="store_true", help="wait for the whole answer")
    parser.add_argument("--url", metavar="URL", help=f"the gateway (default: $DRAGOMAN_URL, or {URL})")
    parser.add_argument("--key", metavar="KEY", help="its key (default: $DRAGOMAN_KEY)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Ask, print the answer; return the exit code."""
    text = sys.stdin.read() if arguments.text == "-" else arguments.text
    messages = [{"role": "system", "content": arguments.system}] if arguments.system else []
    body: dict[str, Any] = {
        "model": arguments.model,
        "messages": [*messages, {"role": "user", "content": text}],
    }
    if not arguments.no_stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    url = (arguments.url or environ.get("DRAGOMAN_URL") or URL).rstrip("/")
    key = arguments.key or environ.get("DRAGOMAN_KEY")
    began = perf_counter()
    connection, response = _ask(url, key, body)
    try:
        if arguments.no_stream:
            usage, first_s = _whole(response), None
        else:
            usage, first_s = _streamed(response, began)
    except BrokenPipeError:  # from the gateway we only read: it is our own reader who has left
        raise
    except (OSError, HTTPException) as error:
        raise Trouble(f"the gateway at {url} broke off: {str(error) or type(error).__name__}") from error
    except (ValueError, TypeError, LookupError, AttributeError, Failure) as error:
        raise Trouble(f"what answers at {url} does not speak Chat Completions") from error
    finally:
        connection.close()
    note(paint(_told(response, usage, perf_counter() - began, first_s), "dim", sys.stderr))
    return 0


def _ask(url: str, key: str | None, body: dict[str, Any]) -> tuple[HTTPConnection, HTTPResponse]:
    """Send the question; return the connection and its 200 answer."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in ("http", "https") or not host:
        raise Trouble(f"{url} is not an http:// or https:// address", code=2)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    connection = kind(host, port)
    try:
        connection.request("POST", f"{parts.path}/v1/chat/completions", encode(body), headers)
        response = connection.getresponse()
        if response.status == 200:
            return connection, response
        refusal = response.read()
    except (OSError, HTTPException) as error:
        connection.close()
        raise Trouble(
            f"nothing answers at {url} ({str(error) or type(error).__name__});"
            " start a gateway with `dragoman serve`, or name another with --url"
        ) from error
    except BaseException:
        connection.close()
        raise
    connection.close()
    raise Trouble(_refused(response.status, refusal, keyed=key is not None))


def _refused(status: int, body: bytes, *, keyed: bool) -> str:
    """Say why the gateway refused."""
    try:
        message = str(decode(body)["error"]["message"])
    except (ValueError, TypeError, KeyError):
        message = body[:200].decode("utf-8", "replace").strip() or "no reason given"
    hint = " (name a key with DRAGOMAN_KEY or --key)" if status == 401 and not keyed else ""
    return f"{message}{hint} [{status}]"


def _whole(response: HTTPResponse) -> dict[str, Any]:
    """Print a whole answer; return its usage."""
    answer = decode(response.read())
    sys.stdout.write(f"{answer['choices'][0]['message'].get('content') or ''}\n")
    return answer.get("usage") or {}


def _streamed(response: HTTPResponse, began: float) -> tuple[dict[str, Any], float | None]:
    """Print an answer as it comes; return its usage, and when its first text came."""
    usage: dict[str, Any] = {}
    first_s: float | None = None
    try:
        for chunk in _chunks(response):
            if "error" in chunk:
                raise Trouble(str(chunk["error"].get("message", "the answer was cut short")))
            usage = chunk.get("usage") or usage
            for choice in chunk.get("choices", ()):
                if piece := choice.get("delta", {}).get("content"):
                    first_s = perf_counter() - began if first_s is None else first_s
                    sys.stdout.write(piece)
                    sys.stdout.flush()
    finally:
        if first_s is not None:
            sys.stdout.write("\n")
    return usage, first_s


def _chunks(response: HTTPResponse) -> Iterator[Any]:
    """Yield the JSON of each frame, up to the one that says it is done."""
    decoder = SSE.decoder()
    while data := response.read1(READ):
        for frame in decoder.feed(data):
            if frame.data == b"[DONE]":
                return
            yield decode(frame.data)
    raise Trouble("the answer was cut short")


def _told(response: HTTPResponse, usage: dict[str, Any], took_s: float, first_s: float | None) -> str:
    """Return the line about an answer."""
    provider, model = (response.getheader(f"x-dragoman-{name}", "?") for name in ("provider", "model"))
    facts = [f"{provider}/{model}"]
    if usage:
        facts.append(f"{usage.get('prompt_tokens', 0)} tokens in, {usage.get('completion_tokens', 0)} out")
    facts.append(f"{took_s:.2f} s" if first_s is None else f"first word {first_s:.2f} s, all {took_s:.2f} s")
    if (attempts := response.getheader("x-dragoman-attempts", "1")) != "1":
        facts.append(f"{attempts} attempts")
    if losses := response.getheader("x-dragoman-losses"):
        facts.append(f"lost: {losses}")
    return " · ".join(facts)
