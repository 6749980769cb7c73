"""How the front end asks a gateway, and what it makes of answers that are none."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from frontend.gateway import Gateway, Trouble
from tests.stage import stage

from dragoman.simulator import Behaviour, Script

Heard = list[tuple[str, str | None]]
"""Path and authorization of each request."""


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, Heard]]:
    """Serve one answer to whatever is asked; yield where, and what was heard."""
    heard: Heard = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append((self.path, self.headers["authorization"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", heard
        finally:
            server.shutdown()
            thread.join()


def test_a_gateway_is_asked_by_its_surface(tmp_path: Path) -> None:
    """A real one answers every question there is, with the key that is sent."""
    script = Script(default=Behaviour(text="Paris."))
    with stage(tmp_path, script, GROQ_API_KEY="x", API_KEYS="a-long-secret") as there:
        gateway = Gateway(f" {there.url}/ ", " a-long-secret ")
        assert "groq" in gateway.health().providers
        assert "llama-3.1-8b-instant" in gateway.models()["available_models"]
        assert "friendly" in [one["id"] for one in gateway.templates()]
        answer = gateway.chat("llama-3.1-8b-instant", {"prompt": "Hello"})
        assert answer["response_text"] == "Paris."
        gateway.rate({"prompt_id": answer["prompt_id"], "model": answer["model_used"], "rating": 4})
        assert gateway.stats()["avg_rating"] == {"llama-3.1-8b-instant": 4}
        assert sum(point["requests"] for point in gateway.series("day", "hour")) >= 1
        with pytest.raises(Trouble, match=r"no-such-model|no route") as caught:
            gateway.chat("no-such-model", {"prompt": "Hello"})
        assert caught.value.status == 404


@pytest.mark.parametrize(
    "url", ["", "nonsense", "file:///etc/passwd", "ftp://host", "http://", "http://[::1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """Only an http address with a host is asked."""
    with pytest.raises(Trouble, match="is no address"):
        Gateway(url, "")


def test_nobody_at_the_address_is_told() -> None:
    """A closed port is told with what to do about it."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Trouble, match="no gateway at") as caught:
            Gateway(url, "").health()
    assert "make run" in caught.value.advice


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, b"<html>a login page</html>", "is no gateway"),
        (401, b'{"detail": "no such key"}', "no such key"),
        (403, b"[]", "Forbidden"),
        (500, b"oops", "Internal Server Error"),
        (502, b'{"error": "no detail"}', "Bad Gateway"),
    ],
)
def test_an_answer_that_is_none_is_told(status: int, body: bytes, message: str) -> None:
    """Whatever comes is a Trouble with words a person can read."""
    with answering(status, body) as (url, _), pytest.raises(Trouble, match=message):
        Gateway(url, "").stats()


def test_a_refusal_keeps_its_status_its_id_and_its_delay() -> None:
    """What a person needs to ask again, or to ask the operator, is there."""
    body = json.dumps({"detail": "no more this minute"}).encode()
    with (
        answering(429, body, retry_after="7", x_request_id="req_1") as (url, _),
        pytest.raises(Trouble) as caught,
    ):
        Gateway(url, "").stats()
    trouble = caught.value
    assert (trouble.message, trouble.status, trouble.id) == ("no more this minute", 429, "req_1")
    assert trouble.advice.endswith("try again in 7 s")


def test_the_key_goes_nowhere_else() -> None:
    """A redirect is not followed: who it leads to would be sent the key."""
    with answering(200, b"{}") as (elsewhere, stolen):
        with (
            answering(302, b"", location=f"{elsewhere}/stats") as (url, heard),
            pytest.raises(Trouble) as caught,
        ):
            Gateway(url, "a-long-secret").stats()
        assert heard == [("/stats", "Bearer a-long-secret")]
        assert stolen == []
        assert caught.value.status == 302


def test_a_connection_that_ends_early_is_told() -> None:
    """Half an answer is no answer."""
    with answering(200, b'{"total', content_type="application/json") as (url, _), pytest.raises(Trouble):
        Gateway(url, "").stats()
