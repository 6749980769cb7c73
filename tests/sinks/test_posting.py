"""A POST goes where it was sent and nowhere else, and what comes back is never an exception."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from tests.sinks.listener import NEVER, listening, reply

from dragoman.core.failure import Failure
from dragoman.sinks.posting import LONGEST_WAIT_S, WORDS, Answer, Post, _trouble, checked, delay


def told(*answers: bytes, times: int = 1, timeout_s: float = 20) -> tuple[list[Answer], list[str]]:
    """Return what some POSTs were answered, and the request lines that came."""

    async def play() -> tuple[list[Answer], list[str]]:
        async with listening(*answers) as listener:
            post = Post(f"{listener.url}/x?a=b", timeout_s=timeout_s)
            found = [await post.send(b"body") for _ in range(times)]
            await post.close()
            assert all(request.body == b"body" for request in listener.requests)
            assert not [request for request in listener.requests if "cookie" in request.headers]
            return found, [request.line for request in listener.requests]

    return asyncio.run(play())


def test_an_answer_is_told() -> None:
    """Its status, the beginning of its words, and when to come back."""
    [answer], lines = told(reply(429, headers="retry-after: 7\r\n", body="slow\n  down"))
    assert answer == Answer(429, "slow down", 7.0)
    assert lines == ["POST /x?a=b HTTP/1.1"]


def test_a_redirect_is_not_followed() -> None:
    """It is an answer like any other."""
    answers, lines = told(reply(307, headers="location: /y\r\n"))
    assert (answers[0].status, len(lines)) == (307, 1)


def test_no_cookie_is_kept() -> None:
    """The next POST knows nothing of the one before."""
    answers, _ = told(reply(204, headers="set-cookie: a=1\r\n"), times=2)
    assert [answer.status for answer in answers] == [204, 204]


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent is nobody else's business."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert told(reply(204))[0] == [Answer(204)]


def test_a_long_answer_is_not_read() -> None:
    """The beginning is enough, however long it says to be."""
    [answer], _ = told(reply(500, body="x" * 100_000))
    assert answer.status == 500
    assert 0 < len(answer.words) <= WORDS


@pytest.mark.parametrize("date", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1e9", "9" * 40])
def test_an_odd_retry_after_says_nothing(date: str) -> None:
    """Then our own wait is waited."""
    assert told(reply(503, headers=f"retry-after: {date}\r\n"))[0][0].retry_after_s == 0


def test_nobody_there_is_an_answer_too() -> None:
    """Refused, silent, or talking nonsense: status 0, and words that say why."""

    async def refused(url: str) -> Answer:
        post = Post(url, timeout_s=20)
        answer = await post.send(b"")
        await post.close()
        return answer

    for url in ("http://127.0.0.1:9", "http://", "http://127.0.0.1:9/\x00"):
        answer = asyncio.run(refused(url))
        assert answer.status == 0
        assert answer.words
    [nonsense], _ = told(b"nonsense\r\n\r\n")
    [silent], _ = told(NEVER, timeout_s=0.05)
    assert (nonsense.status, silent) == (0, Answer(0, "no answer within 0.05 s"))


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 2 X\r\ncontent-length: x\r\n\r\n"])
def test_the_address_is_not_in_what_went_wrong(answer: bytes) -> None:
    """Many an address has its secret in its path or its query."""

    async def play() -> list[Answer]:
        async with listening(answer) as listener:
            post = Post(f"{listener.url}/canary?token=canary", timeout_s=20)
            nonsense = await post.send(b"body")
        nobody = await post.send(b"body")
        await post.close()
        return [nonsense, nobody]

    for found in [*asyncio.run(play()), Answer(0, _trouble(aiohttp.ClientOSError(None, "at canary")))]:
        assert found.status == 0
        assert found.words
        assert "canary" not in found.words


def test_what_a_terminal_would_obey_is_blank() -> None:
    """A server's words end in a log that somebody looks at."""
    [answer], _ = told(reply(500, body="a\x1b[2Jb\x00c"))
    assert answer.words == "a [2Jb c"


@pytest.mark.parametrize(
    "url", ["", "h:1", "ftp://h", "http://", "http://h:99999", "http://h/a b", "http://h\n"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """The setting is named."""
    with pytest.raises(Failure, match=r"some\.setting must be an address"):
        checked(url, "some.setting")


def test_an_address_holds_no_password() -> None:
    """It would stand in every log; the message does not repeat it."""
    with pytest.raises(Failure) as caught:
        checked("https://user:canary@h", "some.setting")
    assert "canary" not in caught.value.message
    assert checked("https://h/path?token=x", "some.setting") == "https://h/path?token=x"


def test_waits_double_up_to_a_bound() -> None:
    """A random half to all of them; what a server asks for is waited for, within reason."""

    def waits(chance: float, asked_s: float = 0.0) -> list[float]:
        return [
            delay(tries, asked_s, first_s=1, most_s=10, chance=lambda: chance) for tries in (1, 2, 3, 9, 9999)
        ]

    assert waits(1.0) == [1, 2, 4, 10, 10]
    assert waits(0.0) == [0.5, 1, 2, 5, 5]
    assert waits(1.0, 7) == [7, 7, 7, 10, 10]
    assert waits(1.0, 1e9) == [LONGEST_WAIT_S] * 5
