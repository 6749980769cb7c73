"""Figures and ratings over the wire: the numbers of one's own exchanges, and of nobody else's."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, chat, get, house, post

from dragoman.accounts.keys import Account, digest
from dragoman.simulator import Behaviour, Fault, Script, Simulator
from dragoman.sinks import Rated, Telling
from dragoman.store import ExchangeRow, Meters

ONE, TWO = {"authorization": "Bearer one"}, {"authorization": "Bearer two"}
ADMIN = {"x-api-key": "the-admins"}
CHAT = "sim-openai_chat/m"


class Listener:
    """A sink that keeps what it was told."""

    name = "listener"

    def __init__(self) -> None:
        self.told: list[Telling] = []

    def emit(self, record: Telling) -> None:
        """Keep one record."""
        self.told.append(record)

    async def run(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    def counts(self) -> dict[str, int]:
        """Return nothing."""
        return {}


def let_in_the_admin(gate: House) -> None:
    """Let a gateway know its admin's key; its own was shown once, to nobody."""
    directory = gate.gateway.directory
    directory._own = {**directory._own, digest(directory._pepper, "the-admins"): Account("admin", "admin")}


def play(
    folder: Path,
    scene: Callable[[House], Awaitable[None]],
    *,
    script: Script | None = None,
    keys: str = "one,two",
) -> None:
    """Play against a gateway with two keys and an admin's, whose provider is simulated."""

    async def run() -> None:
        async with Simulator(script=script or Script()) as sim, house(folder, sim.url, API_KEYS=keys) as gate:
            let_in_the_admin(gate)
            await scene(gate)

    asyncio.run(run())


async def asked(gate: House, headers: dict[str, str], **more: Any) -> Answer:
    """Have a question answered."""
    answer = await ask(gate.port, post("/v1/chat/completions", chat("hello", CHAT, **more), headers))
    assert answer.status == 200, answer.body
    return answer


async def told(gate: House, path: str, headers: dict[str, str] | None = None) -> Any:
    """Return what a page says."""
    answer = await ask(gate.port, get(path, headers or ONE))
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store"
    return answer.json


async def refused(gate: House, request: bytes) -> tuple[int, str | None, str | None]:
    """Return how a page refuses: status, type and place, told in the pages' own shape."""
    answer = await ask(gate.port, request)
    body = answer.json
    assert body.keys() == {"detail", "error"}
    assert body["error"].keys() == {"message", "type", "code", "at"}
    assert body["detail"] == body["error"]["message"]
    return answer.status, body["error"]["type"], body["error"]["at"]


def test_a_life_in_figures(tmp_path: Path) -> None:
    """What was asked, rated and failed is in every page, to the token; and is another key's in none."""

    async def scene(gate: House) -> None:
        first = await asked(gate, ONE)
        await asked(gate, TWO)
        missing = post("/v1/chat/completions", chat("hello", "nobody-has-this"), ONE)
        assert (await ask(gate.port, missing)).status == 404
        usage = first.json["usage"]
        await gate.rows(3)
        name = first.headers["x-dragoman-id"]
        rating = {"prompt_id": name, "model": CHAT, "rating": 4, "feedback": "good"}
        rated = await ask(gate.port, post("/rate", rating, ONE))
        assert (rated.status, rated.json) == (200, {"status": "ok", **rating})

        stats = await told(gate, "/stats")
        latency = stats.pop("avg_latency")
        assert [*latency] == ["m"]
        assert 0 < latency["m"] < 60
        assert stats == {
            "model_usage": {"m": 1},
            "avg_rating": {"m": 4.0},
            "total_fallbacks": 0,
            "fallback_count": 0,
            "total_prompts": 2,
            "cache_hits": 0,
            "tokens": usage["total_tokens"],
            "cost_usd": None,
        }
        sums = await told(gate, "/v1/usage/stats?group_by=model")
        groups = {group["model"]: group["total_requests"] for group in sums["groups"]}
        assert groups == {"m": 1, None: 1}
        numbers = {
            "total_requests": 2,
            "total_tokens": usage["total_tokens"],
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": usage["completion_tokens"],
            "unknown_cost_requests": 1,
            "cached_requests": 0,
            "failed_requests": 1,
        }
        assert {field: sums[field] for field in numbers} == numbers
        assert (sums["period"], sums["from"]) == ("all", None)
        drawn = await told(gate, "/v1/usage/series?period=day")
        assert (drawn["interval"], len(drawn["series"]) in (24, 25)) == ("hour", True)
        assert sum(point["requests"] for point in drawn["series"]) == 2
        assert sum(point["errors"] for point in drawn["series"]) == 1
        assert (await told(gate, "/stats", TWO))["avg_rating"] == {}
        assert (await told(gate, "/v1/usage/stats", TWO))["total_requests"] == 1
        assert (await told(gate, "/v1/usage/stats", ADMIN))["total_requests"] == 3
        assert (await told(gate, "/v1/usage/stats?key=key-2", ADMIN))["total_requests"] == 1
        by_key = (await told(gate, "/v1/usage/stats?group_by=key", ADMIN))["groups"]
        assert {group["key"]: group["total_requests"] for group in by_key} == {"key-1": 2, "key-2": 1}
        assert (await told(gate, "/stats?key=key-1", ADMIN))["avg_rating"] == {"m": 4.0}

    play(tmp_path, scene)


def test_an_exchange_is_told_whole(tmp_path: Path) -> None:
    """The ledger's row by either id, its attempts and its rating; null where nobody knows; nobody else's."""

    async def scene(gate: House) -> None:
        answer = await asked(gate, ONE | {"x-request-id": "mine-1"})
        await gate.rows(1)
        name = answer.headers["x-dragoman-id"]
        shown = await told(gate, f"/v1/exchanges/{name}")
        assert await told(gate, "/v1/exchanges/mine-1") == shown
        assert await told(gate, f"/v1/exchanges/{name}", ADMIN) == shown
        usage = answer.json["usage"]
        assert shown.pop("usage") == {
            "input_tokens": usage["prompt_tokens"],
            "cached_tokens": 0,
            "output_tokens": usage["completion_tokens"],
            "reasoning_tokens": 0,
            "total_tokens": usage["total_tokens"],
            "estimated": False,
        }
        (attempt,) = shown.pop("attempts")
        for times in (shown, attempt):
            assert times.pop("settled_at") >= times.pop("opened_at") > 0
            assert times.pop("first_event_ms") >= 0
        assert shown.pop("latency_ms") > 0
        assert attempt.pop("usage")["total_tokens"] == usage["total_tokens"]
        assert attempt == {
            "number": 1,
            "provider": "sim-openai_chat",
            "model": "m",
            "state": "settled",
            "status": 200,
            "failure": None,
            "message": None,
            "cost_usd": None,
            "tier": None,
        }
        assert shown == {
            "id": name,
            "request_id": "mine-1",
            "key": "key-1",
            "dialect": "openai_chat",
            "task": "generate",
            "model": CHAT,
            "answered_model": "m",
            "provider": "sim-openai_chat",
            "state": "settled",
            "status": 200,
            "stream": False,
            "cached": False,
            "fallback": False,
            "chunks": shown["chunks"],
            "counted": "provider",
            "stop": "end",
            "losses": [],
            "cost_usd": None,
            "failure": None,
            "message": None,
            "rating": None,
        }
        await ask(gate.port, post("/rate", {"prompt_id": "mine-1", "rating": 2}, ONE))
        assert (await told(gate, f"/v1/exchanges/{name}"))["rating"] == {"rating": 2, "feedback": None}
        for id_ in (name, "mine-1", "unheard-of"):
            assert await refused(gate, get(f"/v1/exchanges/{id_}", TWO)) == (404, "not_found", "id")

    play(tmp_path, scene)


def test_an_exchange_under_way_is_told_as_such(tmp_path: Path) -> None:
    """While it runs its end is unknown: null, and no zeros; and nobody rates it."""
    hanging = Script(default=Behaviour(faults=(Fault("hang", at_frame=2),)))

    async def scene(gate: House) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(
            post("/v1/chat/completions", chat("hello", CHAT, stream=True), ONE | {"x-request-id": "slow"})
        )
        await reader.readuntil(b"data: ")
        shown = await told(gate, "/v1/exchanges/slow")
        unknown = ("status", "settled_at", "usage", "cost_usd", "latency_ms", "answered_model", "rating")
        assert (shown["state"], [shown[name] for name in unknown]) == ("reserved", [None] * len(unknown))
        assert shown["attempts"][0]["usage"] is None
        rating = post("/rate", {"prompt_id": "slow", "rating": 5}, ONE)
        assert await refused(gate, rating) == (409, "conflict", "$.prompt_id")
        assert (await told(gate, "/stats"))["total_prompts"] == 0
        writer.close()
        await gate.rows(1)
        assert (await told(gate, "/v1/exchanges/slow"))["state"] == "cancelled"
        assert (await told(gate, "/stats"))["model_usage"] == {"m": 1}

    play(tmp_path, scene, script=hanging)


async def book(gate: House, name: str, **more: Any) -> None:
    """Book an exchange of the key `key-1`."""
    fields: dict[str, Any] = {
        "request_id": name,
        "owner": "me",
        "key": "key-1",
        "dialect": "prompt",
        "task": "generate",
        "model": "asked",
        "stream": False,
        "opened_at": 1_795_219_200.0,
        "state": "settled",
        "provider": "p",
        "answered_model": "told",
        "meters": Meters(input=7, cache_read=2, output=3, reasoning=1, cost_micros=1_500_000),
    }
    await gate.gateway.store.settle(ExchangeRow(id=name, **(fields | more)), [])


def test_both_forms_of_a_rating_are_taken(tmp_path: Path) -> None:
    """The body, and the older form in the query, with or without a declared body; the last one counts."""

    async def scene(gate: House) -> None:
        listener = Listener()
        gate.gateway.sinks.sinks = (listener,)
        await book(gate, "x")
        ways = (
            (post("/rate", {"prompt_id": "x", "model": "asked", "rating": 1}, ONE), "asked", 1, None),
            (post("/rate?prompt_id=x&score=2", b"", ONE), "told", 2, None),
            (post("/rate?prompt_id=x&score=3&model=told&feedback=so%20so&key=one", b""), "told", 3, "so so"),
            (post("/rate?prompt_id=x&rating=4", b" \n", ONE), "told", 4, None),
            (
                post("/rate", {"prompt_id": "x", "rating": 5.0, "feedback": None, "more": 1}, ONE),
                "told",
                5,
                None,
            ),
        )
        for request, model, rating, feedback in ways:
            answer = await ask(gate.port, request)
            said = {"status": "ok", "prompt_id": "x", "model": model, "rating": rating, "feedback": feedback}
            assert (answer.status, answer.json) == (200, said)
            shown = (await told(gate, "/v1/exchanges/x"))["rating"]
            assert shown == {"rating": rating, "feedback": feedback}
            assert (await told(gate, "/stats"))["avg_rating"] == {"told": float(rating)}
        rated = [record for record in listener.told if isinstance(record, Rated)]
        assert [(record.rating, record.model, record.key) for record in rated] == [
            (stars, "told", "key-1") for stars in range(1, 6)
        ]
        assert (rated[2].feedback, rated[2].exchange_id) == ("so so", "x")

    play(tmp_path, scene)


def test_the_older_form_needs_no_body_where_there_are_no_keys(tmp_path: Path) -> None:
    """On loopback without keys a script may rate with a bare POST; a page of another site may not."""

    async def scene(gate: House) -> None:
        await book(gate, "x", key="local")
        line = "POST /rate?prompt_id=x&score=5 HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        bare = await ask(gate.port, f"{line}content-length: 0\r\n\r\n".encode())
        assert (bare.status, bare.json["rating"]) == (200, 5)
        assert (await ask(gate.port, f"{line}\r\n".encode())).status == 200
        for header in (
            "origin: https://elsewhere.example",
            "content-type: text/plain",
            "sec-fetch-site: cross-site",
        ):
            refusal = await refused(gate, f"{line}{header}\r\ncontent-length: 0\r\n\r\n".encode())
            assert refusal[:2] == (403, "forbidden")
        assert await refused(gate, get("/stats", {"host": "elsewhere.example"})) == (403, "forbidden", None)

    play(tmp_path, scene, keys="")


@pytest.mark.parametrize(
    ("path", "body", "status", "at"),
    [
        ("", {"prompt_id": "unheard of", "rating": 5}, 404, "$.prompt_id"),
        ("", {"prompt_id": "theirs", "rating": 5}, 404, "$.prompt_id"),
        ("?prompt_id=theirs&score=5", b"", 404, "prompt_id"),
        ("", {"prompt_id": "x", "rating": 0}, 400, "$.rating"),
        ("", {"prompt_id": "x", "rating": 6}, 400, "$.rating"),
        ("", {"prompt_id": "x", "rating": "5"}, 400, "$.rating"),
        ("", {"prompt_id": "x", "rating": 4.5}, 400, "$.rating"),
        ("", {"prompt_id": "x", "rating": True}, 400, "$.rating"),
        ("", {"prompt_id": "x"}, 400, "$.rating"),
        ("", {"rating": 5}, 400, "$.prompt_id"),
        ("", {"prompt_id": 7, "rating": 5}, 400, "$.prompt_id"),
        ("", {"prompt_id": "x", "rating": 5, "model": "other"}, 400, "$.model"),
        ("", {"prompt_id": "x", "rating": 5, "feedback": ["good"]}, 400, "$.feedback"),
        ("", {"prompt_id": "x", "rating": 5, "feedbak": "good"}, 400, "$.feedbak"),
        ("", {"prompt_id": "x", "rating": 5, "feedback": "!" * 4001}, 400, "$.feedback"),
        ("?prompt_id=x&score=five", b"", 400, "score"),
        ("?prompt_id=x&score=%D9%A3", b"", 400, "score"),
        ("?prompt_id=x&score=9999999999999", b"", 400, "score"),
        ("?prompt_id=x&score=5&model=other", b"", 400, "model"),
        ("?prompt_id=x&stars=5", b"", 400, "stars"),
        ("?prompt_id=x", b"", 400, "score"),
        ("?score=5", b"", 400, "prompt_id"),
        ("", b"", 400, "$"),
        ("", b"[]", 400, "$"),
        ("", b'{"prompt_id": "x", "rating": 5, "rating": 1}', 400, "$.rating"),
    ],
)
def test_a_rating_that_is_none_is_refused(tmp_path: Path, path: str, body: Any, status: int, at: str) -> None:
    """Each fault is told with its place, and nothing is kept."""

    async def scene(gate: House) -> None:
        await book(gate, "x")
        await book(gate, "theirs", key="key-2")
        found = await refused(gate, post(f"/rate{path}", body, ONE))
        assert found == (status, "not_found" if status == 404 else "invalid", at)
        assert (await told(gate, "/stats", ADMIN))["avg_rating"] == {}

    play(tmp_path, scene)


PAGES = ("/stats", "/v1/usage/stats", "/v1/usage/series", "/v1/exchanges/x")


def test_nobody_is_told_without_a_key(tmp_path: Path) -> None:
    """Every page asks for a key, and a known one; a body behind an unknown one is not even read."""

    async def scene(gate: House) -> None:
        await book(gate, "x")
        for path in PAGES:
            assert (await refused(gate, get(path)))[0] == 401
            assert (await refused(gate, get(path, {"authorization": "Bearer three"})))[0] == 401
            assert (await refused(gate, get(f"{path}?key=three")))[0] == 401
            assert (await ask(gate.port, get(f"{path}?key=one"))).status == 200
        unread = await ask(
            gate.port, post("/rate", {"prompt_id": "x", "rating": 5}, {"authorization": "Bearer three"})
        )
        assert (unread.status, unread.headers["connection"]) == (401, "close")
        packed = post("/rate", {"prompt_id": "x", "rating": 5}, ONE | {"content-encoding": "gzip"})
        assert await refused(gate, packed) == (400, "invalid", "content-encoding")

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("path", "status", "at"),
    [
        ("/stats?period=day", 400, "period"),
        ("/stats?key=key-2", 403, "key"),
        ("/v1/usage/stats?key=key-2", 403, "key"),
        ("/v1/usage/series?key=key-2", 403, "key"),
        ("/v1/usage/stats?period=year", 400, "period"),
        ("/v1/usage/stats?period=day&period=week", 400, "period"),
        ("/v1/usage/stats?from=then", 400, "from"),
        ("/v1/usage/stats?from=2026-11-02&to=2026-11-01", 400, "from"),
        ("/v1/usage/stats?group_by=key", 400, "group_by"),
        ("/v1/usage/stats?groupby=model", 400, "groupby"),
        ("/v1/usage/stats?team=red", 403, "team"),
        ("/v1/usage/series?user=ann", 403, "user"),
        ("/v1/usage/stats?interval=day", 400, "interval"),
        ("/v1/usage/stats?format=xml", 400, "format"),
        ("/v1/usage/series?group_by=team", 400, "group_by"),
        ("/v1/usage/series?group_by=model&top=none", 400, "top"),
        ("/v1/usage/stats?compare=previous", 400, "compare"),
        ("/v1/usage/series?interval=minute", 400, "interval"),
        ("/v1/usage/series?interval=hour&from=2020-01-01", 400, "interval"),
        ("/v1/exchanges/x?verbose=1", 400, "verbose"),
        ("/v1/exchanges/%00", 404, "id"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, path: str, status: int, at: str) -> None:
    """A bad parameter is a 400 that names it; another key's figures are a 403."""

    async def scene(gate: House) -> None:
        kind = {400: "invalid", 403: "forbidden", 404: "not_found"}[status]
        assert await refused(gate, get(path, ONE)) == (status, kind, at)

    play(tmp_path, scene)


def test_the_wire_is_exact(tmp_path: Path) -> None:
    """Every field of the usage pages has its name and number; what is unknown is null or counted apart."""
    day = 1_795_219_200

    async def scene(gate: House) -> None:
        await book(gate, "a", latency_ms=1500.0, first_event_ms=250.0)
        recorded = Meters(input=4, output=1, estimated=True, cost_micros=0)
        await book(gate, "b", cached=True, meters=recorded, saved_micros=250_000, stream=True)
        lost = ("dropped:seed",)
        await book(gate, "c", state="failed", failure="timeout", meters=Meters(), losses=lost)
        await book(
            gate,
            "d",
            opened_at=day + 3600.0,
            fallback=True,
            answered_model="other",
            provider="q",
            meters=Meters(),
        )
        span = "from=2026-11-21&to=2026-11-21"
        found = await told(gate, f"/v1/usage/stats?{span}&group_by=day")
        older = {
            "total_requests": 4,
            "total_tokens": 18,
            "estimated_cost_usd": 1.5,
            "unknown_cost_requests": 2,
            "cached_requests": 1,
            "failed_requests": 1,
        }
        figures = {
            "requests": 4,
            "errors": 1,
            "cancelled": 0,
            "cached": 1,
            "fallback": 1,
            "streamed": 1,
            "lossy": 1,
            "attempts": 4,
            "tokens": 18,
            "prompt_tokens": 13,
            "cache_read_tokens": 2,
            "completion_tokens": 5,
            "reasoning_tokens": 1,
            "estimated": 1,
            "cost_usd": 1.5,
            "unknown_cost": 2,
            "saved_usd": 0.25,
            "avg_latency_ms": 1500.0,
            "avg_first_event_ms": 250.0,
        }
        shares = {f"{name}_latency_ms": 1479.9 for name in ("p50", "p90", "p95", "p99")}
        shares |= {f"{name}_first_event_ms": 250.5 for name in ("p50", "p90", "p95", "p99")}
        sums = {**older, **figures, **shares}
        times = {"period": None, "from": "2026-11-21T00:00:00Z", "to": "2026-11-22T00:00:00Z"}
        assert found == {
            **sums,
            **times,
            "errors_by_kind": [{"failure": "timeout", "requests": 1}],
            "groups": [{"day": "2026-11-21", **sums}],
            "other": None,
            "previous": None,
        }
        hours = (await told(gate, f"/v1/usage/stats?{span}&group_by=hour"))["groups"]
        assert [group["hour"] for group in hours] == ["2026-11-21T00:00:00Z", "2026-11-21T01:00:00Z"]
        assert (hours[1]["total_requests"], hours[1]["estimated_cost_usd"]) == (1, None)
        weeks = (await told(gate, f"/v1/usage/stats?{span}&group_by=week"))["groups"]
        assert [(group["week"], group["requests"]) for group in weeks] == [("2026-11-16", 4)]
        providers = (await told(gate, f"/v1/usage/stats?{span}&group_by=provider"))["groups"]
        assert [(group["provider"], group["total_requests"]) for group in providers] == [("p", 3), ("q", 1)]
        none = await told(gate, "/v1/usage/stats?from=2026-11-20&to=2026-11-20")
        assert (none["total_requests"], none["estimated_cost_usd"], none["groups"]) == (0, 0.0, [])
        exact = "from=1795219200.5&to=2026-11-21T01:00:00.25Z"
        assert (await told(gate, f"/v1/usage/stats?{exact}"))["from"] == "2026-11-21T00:00:00.500Z"
        drawn = await told(gate, f"/v1/usage/series?{span}&interval=day")
        assert drawn == {
            "interval": "day",
            "from": "2026-11-21T00:00:00Z",
            "to": "2026-11-22T00:00:00Z",
            "series": [{"at": "2026-11-21T00:00:00Z", **figures, **shares}],
        }
        hourly = await told(gate, f"/v1/usage/series?{span}&model=other")
        assert [(point["requests"], point["cost_usd"]) for point in hourly["series"]] == [
            (0, 0.0),
            (1, None),
        ] + [(0, 0.0)] * 22
        assert await told(gate, "/stats") == {
            "model_usage": {"told": 2, "other": 1},
            "avg_latency": {"told": 1.5},
            "avg_rating": {},
            "total_fallbacks": 1,
            "fallback_count": 1,
            "total_prompts": 4,
            "cache_hits": 1,
            "tokens": 18,
            "cost_usd": 1.5,
        }

    play(tmp_path, scene)


def test_a_series_may_be_grouped_filtered_and_compared(tmp_path: Path) -> None:
    """By what the key may know, the rest as one, beside the day before; each filter leaves its own."""

    async def scene(gate: House) -> None:
        day = 1_795_219_200.0
        for place, (key, model) in enumerate(
            (("key-1", "a"), ("key-1", "b"), ("key-1", "a"), ("key-2", "c"))
        ):
            await book(gate, f"x{place}", key=key, answered_model=model, route="fast")
        await book(gate, "y", opened_at=day - 60, answered_model="z", state="failed", failure="timeout")
        span = "from=2026-11-21&to=2026-11-21"
        path = f"/v1/usage/series?{span}&interval=day&group_by=model&top=1&compare=previous"
        drawn = await told(gate, path)
        (first,) = drawn["groups"]
        assert (first["model"], first["requests"], first["series"][0]["requests"]) == ("a", 2, 2)
        assert (first["previous"]["requests"], first["change"]["requests"]) == (0, None)
        assert (drawn["other"]["groups"], drawn["other"]["requests"]) == (2, 1)
        assert drawn["series"][0]["requests"] == 3
        before = drawn["previous"]
        assert (before["from"], before["requests"], before["errors"]) == ("2026-11-20T00:00:00Z", 1, 1)
        assert before["change"]["requests"] == 2.0
        for asked, count in (
            ("model=a", 2),
            ("route=fast&state=settled", 3),
            ("route=", 0),
            ("failure=&dialect=prompt", 3),
            ("provider=q", 0),
            ("key=key-1", 3),
        ):
            assert (await told(gate, f"/v1/usage/stats?{span}&{asked}"))["requests"] == count
        for asked, count in (("key=key-2", 1), ("team=", 4), ("user=ann", 0)):
            assert (await told(gate, f"/v1/usage/stats?{span}&{asked}", ADMIN))["requests"] == count

    play(tmp_path, scene)


def test_the_same_is_told_as_csv(tmp_path: Path) -> None:
    """Where the query or the Accept header asks for it, as a file; of the key's own alone."""

    async def scene(gate: House) -> None:
        await book(gate, "x", answered_model="=1+1", meters=Meters())
        await book(gate, "theirs", key="key-2")
        path = "/v1/usage/stats?from=2026-11-21&to=2026-11-21&group_by=model"
        for answer in (
            await ask(gate.port, get(f"{path}&format=csv", ONE)),
            await ask(gate.port, get(path, ONE | {"accept": "text/csv"})),
        ):
            assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
            assert answer.headers["content-disposition"] == 'attachment; filename="usage.csv"'
            assert answer.headers["cache-control"] == "no-store"
            (row,) = csv.DictReader(io.StringIO(answer.body.decode()))
            assert (row["model"], row["requests"], row["cost_usd"]) == ("'=1+1", "1", "")
        both = await ask(gate.port, get(f"{path}&format=json", ONE | {"accept": "text/csv"}))
        assert both.json["requests"] == 1
        series = await ask(gate.port, get("/v1/usage/series?period=week&format=csv", ONE))
        assert len(list(csv.DictReader(io.StringIO(series.body.decode())))) == 8

    play(tmp_path, scene)


def test_the_end_of_all_times_can_be_told(tmp_path: Path) -> None:
    """The last date that may be asked for is answered."""

    async def scene(gate: House) -> None:
        found = await told(gate, "/v1/usage/stats?from=1970-01-01&to=9999-12-31")
        assert (found["from"], found["to"]) == ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z")

    play(tmp_path, scene)


def test_a_store_that_cannot_answer_is_a_503(tmp_path: Path) -> None:
    """An outage of the ledger is told as one, in the pages' own shape."""

    async def scene(gate: House) -> None:
        await gate.gateway.store.close()
        for path in PAGES:
            assert (await refused(gate, get(path, ONE)))[:2] == (503, "unavailable")
        assert (await refused(gate, post("/rate", {"prompt_id": "x", "rating": 5}, ONE)))[:2] == (
            503,
            "unavailable",
        )

    play(tmp_path, scene)
