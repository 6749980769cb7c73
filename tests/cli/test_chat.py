"""``dragoman chat``, against a gateway whose bytes are written here."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from dragoman.cli import UNREAD, main

HEAD = (
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
    "x-dragoman-provider: local\r\nx-dragoman-model: smollm2-135m\r\n"
    "x-dragoman-attempts: 2\r\nx-dragoman-losses: dropped:seed\r\n\r\n"
)


class Peer:
    """A gateway that answers one connection with prepared bytes, and keeps what it was asked."""

    def __init__(self, answer: bytes, *, linger: bool = False) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.asked = b""
        self.left = False
        self._answer = answer
        self._linger = linger
        self.thread = Thread(target=self._serve)

    def _serve(self) -> None:
        connection, _ = self.listening.accept()
        with connection:
            connection.settimeout(30)
            while b"\r\n\r\n" not in self.asked or len(self.asked) < self._length():
                self.asked += connection.recv(65536)
            connection.sendall(self._answer)
            if self._linger:
                self.left = connection.recv(1) == b""

    def _length(self) -> int:
        head, _, _ = self.asked.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return len(head) + 4 + int(lengths[0].split(b":")[1])

    @property
    def body(self) -> Any:
        """The JSON it was sent."""
        return json.loads(self.asked.partition(b"\r\n\r\n")[2])


@contextmanager
def peer(answer: str, *, linger: bool = False) -> Iterator[Peer]:
    """Run a gateway that gives `answer` to one question."""
    one = Peer(answer.encode(), linger=linger)
    one.thread.start()
    try:
        yield one
    finally:
        one.thread.join()
        one.listening.close()


def frames(*chunks: Any, done: bool = True) -> str:
    """Write chunks as a stream of Chat Completions."""
    data = [json.dumps(chunk) for chunk in chunks] + (["[DONE]"] if done else [])
    return HEAD + "".join(f"data: {one}\n\n" for one in data)


def said(text: str) -> dict[str, Any]:
    """Return a chunk that says `text`."""
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}


def test_a_stream_is_printed_as_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    """The text is the result; who answered, with what and at what loss is a remark."""
    with peer(frames(said("Hel"), said("lo"), USAGE)) as gateway:
        assert main(["chat", "a-model", "hi", "--system", "be brief", "--url", gateway.url], {}) == 0
    shown = capsys.readouterr()
    assert shown.out == "Hello\n"
    assert shown.err.startswith("local/smollm2-135m · 5 tokens in, 2 out · first word ")
    assert shown.err.endswith(" · 2 attempts · lost: dropped:seed\n")
    assert gateway.body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]
    assert gateway.body["stream"] is True


def test_a_whole_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without streaming the same is said; the address, the key and the text may come from around."""
    answer = json.dumps({"choices": [{"message": {"content": "Hello"}}], "usage": USAGE["usage"]})
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe"))
    with peer(HEAD + answer) as gateway:
        environ = {"DRAGOMAN_URL": f"{gateway.url}/", "DRAGOMAN_KEY": "sk-1"}
        assert main(["chat", "a-model", "--no-stream", "-"], environ) == 0
    assert capsys.readouterr().out == "Hello\n"
    assert gateway.body == {"model": "a-model", "messages": [{"role": "user", "content": "from a pipe"}]}
    assert b"authorization: Bearer sk-1\r\n" in gateway.asked


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (frames(said("Hel"), {"error": {"message": "it broke"}}, done=False), "it broke"),
        (frames(said("Hel"), done=False), "the answer was cut short"),
        (frames(said("Hel"), []), "what answers at URL does not speak Chat Completions"),
    ],
)
def test_an_answer_cut_short_is_a_failure(
    answer: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came is printed, and nobody takes it for the whole."""
    with peer(answer) as gateway:
        assert main(["chat", "a-model", "hi", "--url", gateway.url], {}) == 1
    shown = capsys.readouterr()
    assert shown.out == "Hel\n"
    assert shown.err == f"dragoman: {complaint}\n".replace("URL", gateway.url)


def test_a_refusal_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway's own words, and what to do about a missing key."""
    body = json.dumps({"error": {"message": "a key is needed"}})
    with peer(f"HTTP/1.1 401 Unauthorized\r\ncontent-length: {len(body)}\r\n\r\n{body}") as gateway:
        assert main(["chat", "a-model", "hi", "--url", gateway.url], {}) == 1
    assert capsys.readouterr().err == (
        "dragoman: a key is needed (name a key with DRAGOMAN_KEY or --key) [401]\n"
    )


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway that is not running is started with one command, which is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert main(["chat", "a-model", "hi", "--url", f"http://127.0.0.1:{port}"], {}) == 1
    shown = capsys.readouterr().err
    assert f"nothing answers at http://127.0.0.1:{port}" in shown
    assert "dragoman serve" in shown


def test_an_interrupt_closes_the_connection() -> None:
    """Ctrl-C ends the answer at once: the gateway sees its client leave."""
    with peer(frames(said("Hello"), done=False), linger=True) as gateway:
        asking = subprocess.Popen(
            [sys.executable, "-m", "dragoman", "chat", "a-model", "hi", "--url", gateway.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert asking.stdout is not None
        assert asking.stdout.read(5) == b"Hello"
        asking.send_signal(signal.SIGINT)
        out, err = asking.communicate(timeout=30)
    assert (asking.returncode, out, err) == (130, b"\n", b"")
    assert gateway.left


def test_a_reader_that_left_is_no_gateway_that_broke_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``| head`` ends the answer: nothing is said of the gateway, which did nothing wrong."""
    reading, writing = os.pipe()
    os.close(reading)
    with peer(frames(said("Hel"), said("lo"), USAGE)) as gateway, os.fdopen(writing, "w") as unread:
        monkeypatch.setattr(sys, "stdout", unread)
        assert main(["chat", "a-model", "hi", "--url", gateway.url], {}) == UNREAD
    assert capsys.readouterr().err == ""
