"""Webhooks: signed as the specification says, tried again within bounds, and nobody waits for them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from tests.sinks.listener import NEVER, Listener, Request, listening, reply
from tests.sinks.records import ALERTED, AT, RATED, Complaints, Pace, record, row, run

from dragoman.core.failure import Failure, Kind
from dragoman.sinks import Record, Sink
from dragoman.sinks.webhook import EVENTS, LONGEST_S, Message, Webhook, WebhookSpec, secrets, signed
from dragoman.store import Meters

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
OTHER = f"whsec_{base64.b64encode(KEY[::-1]).decode()}"
OK = reply(200)


class Scene:
    """A sink, what it complains of, its clock and its pace."""

    def __init__(self, url: str, **changes: Any) -> None:
        self.complaints = Complaints()
        self.pace = Pace()
        self.now = AT
        spec = WebhookSpec(url=url, secret=SECRET, flush_s=0.25, **changes)
        self.sink = Webhook(
            spec,
            now=lambda: self.now,
            tick=lambda: 0.0,
            chance=lambda: 1.0,
            complain=self.complaints,
            pause=self.pace,
        )

    async def until(self, **counts: int) -> None:
        """Run until the sink counts so many."""
        await run(self.sink, self.pace, lambda: counts.items() <= {**self.sink.counts()}.items())


def verified(request: Request, key: bytes = KEY) -> Any:
    """Return what a request tells, as a receiver would: only with a signature that is right."""
    content = (
        f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    )
    mac = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert f"v1,{mac}" in request.headers["webhook-signature"].split(" ")
    return json.loads(request.body)


def told(listener: Listener) -> list[str]:
    """Return the ids of what was told, in order."""
    return [one["data"]["id"] for request in listener.requests for one in verified(request)["data"]]


def test_the_signature_is_the_specifications() -> None:
    """The known message of the reference libraries' tests has the signature it has there."""
    message = Message("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', [])
    keys = secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signed(message, 1_614_265_330, keys) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_what_happened_is_told_once_in_order() -> None:
    """In batches that a receiver can trust."""

    async def play() -> None:
        async with listening(OK) as listener:
            scene = Scene(listener.url, batch=10)
            for number in range(25):
                scene.sink.emit(record(number))
            await scene.until(delivered=25)
            await scene.sink.close()
            assert told(listener) == [f"req_{number}" for number in range(25)]
            assert [len(verified(request)["data"]) for request in listener.requests] == [10, 10, 5]
            assert len({request.headers["webhook-id"] for request in listener.requests}) == 3
            assert {request.headers["content-type"] for request in listener.requests} == {"application/json"}
            assert scene.sink.counts() == {"taken": 25, "delivered": 25, "dropped": 0, "waiting": 0}

    asyncio.run(play())


def test_a_record_says_what_the_ledger_says() -> None:
    """Under the ledger page's names; no prompt, no answer, no error's words."""

    async def play() -> None:
        async with listening(OK) as listener:
            scene = Scene(listener.url)
            scene.sink.emit(record(losses=("drop:x",), message="a secret message"))
            scene.sink.emit(RATED)
            await scene.sink.close()
            batch = verified(listener.requests[0])
            assert b"question" not in listener.requests[0].body
            assert b"secret" not in listener.requests[0].body
            assert (batch["type"], batch["timestamp"]) == ("dragoman.batch", "2025-11-24T16:00:00.123Z")
            exchange, rating = batch["data"]
            assert exchange["type"] == "exchange.settled"
            assert exchange["timestamp"] == "2025-11-24T16:00:01.123Z"
            assert exchange["data"] == {
                "id": "req_0",
                "request_id": "theirs_0",
                "key": "alice",
                "dialect": "openai_chat",
                "task": "generate",
                "model": "fast",
                "answered_model": "m",
                "provider": "p",
                "state": "settled",
                "status": 200,
                "stream": True,
                "cached": False,
                "fallback": False,
                "chunks": 5,
                "counted": "provider",
                "stop": "end",
                "losses": ["drop:x"],
                "attempts": 1,
                "opened_at": AT,
                "settled_at": AT + 1,
                "first_event_ms": 100.0,
                "latency_ms": 1100.5,
                "failure": None,
                "usage": {
                    "input_tokens": 10,
                    "cached_tokens": 3,
                    "output_tokens": 20,
                    "reasoning_tokens": 5,
                    "total_tokens": 30,
                    "estimated": False,
                },
                "cost_usd": 0.00125,
            }
            assert rating["type"] == "exchange.rated"
            assert rating["data"]["id"] == "req_7"
            assert (rating["data"]["rating"], rating["data"]["feedback"]) == (4, "good")

    asyncio.run(play())


def test_words_are_told_where_that_is_wanted() -> None:
    """And logged at all; half a character costs no batch, and an unknown cost is null."""

    async def play() -> None:
        async with listening(OK) as listener:
            scene = Scene(listener.url, text=True)
            scene.sink.emit(Record(row(meters=Meters(), key="\ud800"), prompt="\ud800?", response="é"))
            scene.sink.emit(Record(row()))
            await scene.sink.close()
            first, second = (one["data"] for one in verified(listener.requests[0])["data"])
            assert (first["prompt"], first["response"], first["cost_usd"]) == ("\ufffd?", "é", None)
            assert "prompt" not in second

    asyncio.run(play())


def test_an_alert_is_told_signed() -> None:
    """With whose money is spent, how much of it, and when it begins anew."""

    async def play() -> None:
        async with listening(OK) as listener:
            scene = Scene(listener.url)
            scene.sink.emit(ALERTED)
            await scene.sink.close()
            [alert] = verified(listener.requests[0])["data"]
            assert (alert["type"], alert["timestamp"]) == ("budget.alert", "2025-11-24T16:00:00.123Z")
            assert alert["data"] == {
                "budget": "research",
                "scope": "team",
                "subject": "red",
                "hard": True,
                "percent": 80,
                "spent_usd": 2.000001,
                "dollars": 2.5,
                "began_at": 1_793_491_200,
                "ends_at": 1_796_083_200,
                "told_at": AT,
            }

    asyncio.run(play())


def test_only_what_is_wanted_is_told() -> None:
    """Other events are not even taken."""

    async def play() -> None:
        async with listening(OK) as listener:
            scene = Scene(listener.url, events=("exchange.failed", "exchange.rated"))
            for state in ("settled", "failed", "cancelled", "interrupted"):
                scene.sink.emit(record(state=state))
            scene.sink.emit(RATED)
            await scene.sink.close()
            types = [one["type"] for one in verified(listener.requests[0])["data"]]
            assert types == ["exchange.failed", "exchange.rated"]
            assert scene.sink.counts()["taken"] == 2

    asyncio.run(play())


@pytest.mark.parametrize(
    "answer",
    [reply(500), reply(404), reply(400), reply(302, headers="location: /x\r\n"), b"nonsense\r\n\r\n"],
)
def test_what_fails_is_tried_again(answer: bytes) -> None:
    """The same message, signed anew for its time; a redirect leads nowhere; waits double."""

    async def play() -> None:
        async with listening(answer, answer, answer, OK) as listener:
            scene = Scene(listener.url)

            def later() -> None:
                scene.now += 10

            listener.told = later
            scene.sink.emit(record())
            await scene.until(delivered=1)
            await scene.sink.close()
            assert len(listener.requests) == 4
            assert len({(request.headers["webhook-id"], request.body) for request in listener.requests}) == 1
            times = [int(request.headers["webhook-timestamp"]) for request in listener.requests]
            assert times == [int(AT) + 10 * number for number in range(4)]
            assert [verified(request)["type"] for request in listener.requests] == ["dragoman.batch"] * 4
            assert scene.pace.waits[:4] == [0.25, 1, 2, 4]
            assert len(scene.complaints) == 1

    asyncio.run(play())


def test_what_fails_for_long_is_dropped() -> None:
    """After so many tries, within bounded waits; the next batch is not."""

    async def play() -> None:
        async with listening(*[reply(503)] * 9, OK) as listener:
            scene = Scene(listener.url, tries=9, batch=2)
            for number in range(3):
                scene.sink.emit(record(number))
            await scene.until(delivered=1)
            await scene.sink.close()
            assert scene.sink.counts() == {"taken": 3, "delivered": 1, "dropped": 2, "waiting": 0}
            assert max(scene.pace.waits) == LONGEST_S
            assert told(listener)[-1] == "req_2"
            assert "dropped" in scene.complaints[-1]

    asyncio.run(play())


def test_who_says_when_is_asked_then() -> None:
    """Retry-After is heeded."""

    async def play() -> None:
        async with listening(reply(429, headers="retry-after: 33\r\n"), OK) as listener:
            scene = Scene(listener.url)
            scene.sink.emit(record())
            await scene.until(delivered=1)
            await scene.sink.close()
            assert 33 in scene.pace.waits

    asyncio.run(play())


def test_who_is_gone_is_told_no_more() -> None:
    """410 ends it: that batch and all after it are dropped and counted, and nothing is sent."""

    async def play() -> None:
        async with listening(reply(410)) as listener:
            scene = Scene(listener.url)
            scene.sink.emit(record(0))
            await scene.until(dropped=1)
            scene.sink.emit(record(1))
            await scene.until(dropped=2)
            await scene.sink.close()
            assert len(listener.requests) == 1
            assert "wants no more" in scene.complaints[0]

    asyncio.run(play())


def test_who_never_answers_holds_nobody() -> None:
    """The try ends after its time; what cannot be sent at the end is dropped, and the queue has one."""

    async def play() -> None:
        async with listening(NEVER) as listener:
            scene = Scene(listener.url, timeout_s=0.05, queue=3, batch=2)
            for number in range(5):
                scene.sink.emit(record(number))
            await run(scene.sink, scene.pace, lambda: len(listener.requests) > 1)
            assert scene.sink.counts() == {"taken": 5, "delivered": 0, "dropped": 2, "waiting": 3}
            await scene.sink.close()
            assert scene.sink.counts() == {"taken": 5, "delivered": 0, "dropped": 5, "waiting": 0}
            assert "no answer within 0.05 s" in scene.complaints[0]

    asyncio.run(play())


def test_nobody_there_costs_nothing() -> None:
    """A refused connection is a failure like any other; what an answer says is not repeated."""

    async def play() -> None:
        scene = Scene("http://127.0.0.1:9", tries=2)
        scene.sink.emit(record())
        await scene.until(dropped=1)
        await scene.sink.close()
        async with listening(reply(500, body="question 0 was asked")) as listener:
            scene = Scene(listener.url, tries=1)
            scene.sink.emit(record())
            await scene.until(dropped=1)
            await scene.sink.close()
            assert "question" not in "".join(scene.complaints)

    asyncio.run(play())


def test_a_bug_in_one_record_is_not_the_end() -> None:
    """Its batch is lost and counted, the next arrives."""

    async def play() -> None:
        async with listening(OK) as listener:
            scene = Scene(listener.url, batch=1)
            scene.sink.emit(record(0, settled_at=float("nan")))
            scene.sink.emit(record(1))
            await scene.until(delivered=1)
            await scene.sink.close()
            assert scene.sink.counts() == {"taken": 2, "delivered": 1, "dropped": 1, "waiting": 0}
            assert told(listener) == ["req_1"]
            assert "bug" in scene.complaints[0]

    asyncio.run(play())


def test_a_secret_can_be_replaced() -> None:
    """With two of them a message has two signatures, and a receiver that knows either trusts it."""
    message = Message("msg_1", b"{}", [])
    headers = signed(message, 5, secrets(f"{SECRET} {OTHER}"))
    request = Request("POST / HTTP/1.1", headers, b"{}")
    assert verified(request) == verified(request, KEY[::-1]) == {}


@pytest.mark.parametrize(
    "secret",
    [
        "",
        " ",
        "canary",
        "whsec_",
        "whsec_canary!",
        f"whsec_{base64.b64encode(bytes(23)).decode()}",
        f"whsec_{base64.b64encode(bytes(65)).decode()}",
        base64.b64encode(bytes(32)).decode(),
        f"{SECRET} canary",
    ],
)
def test_without_a_good_secret_nothing_is_sent(secret: str) -> None:
    """Neither empty, nor short, nor no secret at all; it is not repeated."""
    with pytest.raises(Failure, match=r"webhook\.secret") as caught:
        Webhook(
            WebhookSpec(url="https://h", secret=secret),
            now=float,
            tick=float,
            chance=float,
            complain=Complaints(),
        )
    assert caught.value.kind is Kind.INVALID
    assert "canary" not in caught.value.message
    assert SECRET not in repr(WebhookSpec(url="https://h?canary", secret=SECRET))


def test_an_event_that_is_none_is_refused() -> None:
    """With those there are."""
    with pytest.raises(Failure, match=r"exchange\.rated"):
        Scene("https://h", events=("exchange.exploded",))
    assert {*WebhookSpec().events} == {*EVENTS}


def test_an_address_that_is_none_is_refused() -> None:
    """With the setting's name; and one that is told nothing sends nothing."""
    with pytest.raises(Failure, match=r"webhook\.url"):
        Scene("h:80")
    sink: Sink = Scene("http://127.0.0.1:9").sink
    asyncio.run(sink.close())
