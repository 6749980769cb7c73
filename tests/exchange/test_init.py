"""The line, as transcripts: what the client asks, what the provider does, what both and the ledger see."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.house import answer, ask, chat, house, message, post

from dragoman.core.failure import Failure, Kind
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Simulator
from dragoman.simulator.script import read
from dragoman.store import AttemptRow, ExchangeRow
from dragoman.store.budgets import Claim

BACKUP = """
[routes.main]
targets = ["sim-openai_chat/first", "sim-anthropic/second"]
[routes.solo]
targets = ["sim-openai_chat/first"]
[routes.careful]
targets = ["sim-anthropic/second"]
strict = true
"""


def script(*rules: dict[str, Any], **default: Any) -> Any:
    """Return a simulator script of `(match, then)` rules."""
    return read({"default": default, "rules": list(rules)})


def when(then: dict[str, Any], **match: Any) -> dict[str, Any]:
    """Return one rule."""
    return {"match": match, "then": then}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "tries"), [(500, 2), (429, 1), (401, 1), (503, 2)], ids=["500", "429", "401", "503"]
)
def test_another_target_answers_when_the_first_refuses(
    tmp_path: Path, *, stream: bool, status: int, tries: int
) -> None:
    """Before the first byte a fault is silent: the client gets the second target's answer, whole."""
    (tmp_path / "dragoman.toml").write_text(BACKUP)
    plot = script(when({"error": {"status": status}}, model="first"), text="from the second")

    async def play() -> None:
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post("/v1/chat/completions", chat(model="main", stream=stream)))
            assert got.status == 200
            assert b"from" in got.body
            assert got.headers["x-dragoman-provider"] == "sim-anthropic"
            assert got.headers["x-dragoman-model"] == "second"
            assert got.headers["x-dragoman-attempts"] == str(tries + 1)
            [row] = await gate.rows(1)
            assert (row.state, row.provider, row.attempts) == ("settled", "sim-anthropic", tries + 1)
            attempts = await gate.attempts(row)
            assert [attempt.state for attempt in attempts] == ["failed"] * tries + ["settled"]
            assert [attempt.status for attempt in attempts] == [status] * tries + [200]

    asyncio.run(play())


def test_an_error_as_the_first_event_of_a_stream_is_still_before_the_commit(tmp_path: Path) -> None:
    """A provider that says 200 and then only an error has not answered: the next target does."""
    (tmp_path / "dragoman.toml").write_text(BACKUP)
    plot = script(when({"error": {"status": 503, "at_frame": 0}}, model="first"), text="rescued")

    async def play() -> None:
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post("/v1/chat/completions", chat(model="main", stream=True)))
            assert got.headers["x-dragoman-model"] == "second"
            assert "".join(got.frames).count("rescued") == 1
            assert got.frames[-1] == "[DONE]"

    asyncio.run(play())


@pytest.mark.parametrize(
    "then",
    [
        {"faults": [{"kind": "reset", "at_frame": 4}]},
        {"faults": [{"kind": "end", "at_frame": 4}]},
        {"faults": [{"kind": "truncate", "at_frame": 4}]},
        {"faults": [{"kind": "malformed", "at_frame": 4}]},
        {"error": {"status": 503, "at_frame": 4}},
    ],
    ids=["reset", "end", "truncate", "malformed", "error"],
)
def test_a_fault_after_the_commit_is_told_in_the_stream(tmp_path: Path, then: dict[str, Any]) -> None:
    """No second target is asked, nothing looks like a clean end, and the tokens so far are booked."""
    (tmp_path / "dragoman.toml").write_text(BACKUP)
    plot = script(when({**then, "tokens": 20}, model="first"))

    async def play() -> None:
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post("/v1/chat/completions", chat(model="main", stream=True)))
            assert got.status == 200
            assert '"error"' in got.frames[-1]
            assert "[DONE]" not in got.frames
            [row] = await gate.rows(1)
            assert row.state == "failed"
            assert row.attempts == 1
            assert row.meters.output > 0
            assert row.meters.estimated
            assert row.failure in ("upstream", "truncated", "overloaded", "unavailable")

    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "body", "ends"),
    [
        ("/v1/chat/completions", chat(stream=True), b"data: [DONE]"),
        ("/v1/messages", message(model="sim-openai_chat/m", stream=True), b'"message_stop"'),
        ("/v1/responses", {"model": "sim-openai_chat/m", "input": "hi", "stream": True}, b'"completed"'),
        ("/stream", {"model": "sim-openai_chat/m", "prompt": "hi"}, b'"type":"done"'),
    ],
)
def test_an_answer_that_has_ended_is_whole_however_its_connection_ends(
    tmp_path: Path, path: str, body: dict[str, Any], ends: bytes
) -> None:
    """Nothing of it is missing: an error behind its end would be a second one."""
    plot = script(faults=[{"kind": "bad_length"}])

    async def play() -> None:
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post(path, body))
            assert ends in got.body
            assert b"broke off" not in got.body
            [row] = await gate.rows(1)
            assert (row.state, row.status, row.failure) == ("settled", 200, None)
            [attempt] = await gate.attempts(row)
            assert (attempt.state, attempt.failure) == ("settled", None)

    asyncio.run(play())


def test_a_request_at_fault_is_refused_once(tmp_path: Path) -> None:
    """A 400 of the provider is the client's to know: nobody else is asked."""
    (tmp_path / "dragoman.toml").write_text(BACKUP)
    plot = script(when({"error": {"status": 400, "message": "bad thing"}}, model="first"))

    async def play() -> None:
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post("/v1/chat/completions", chat(model="main")))
            assert got.status == 400
            assert "bad thing" in got.json["error"]["message"]
            assert len(sim.journal.entries) == 1
            [row] = await gate.rows(1)
            assert (row.state, row.status, row.attempts) == ("failed", 400, 1)
            assert row.meters.cost_micros == 0

    asyncio.run(play())


def test_a_provider_that_refuses_our_key_is_not_the_clients_fault(tmp_path: Path) -> None:
    """Its 401 is our 502: a client must not think that its own key is wrong."""
    (tmp_path / "dragoman.toml").write_text(BACKUP)

    async def play() -> None:
        plot = script(error={"status": 401})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post("/v1/chat/completions", chat(model="solo")))
            assert got.status == 502

    asyncio.run(play())


def test_every_refusal_keeps_a_row_but_strangers(tmp_path: Path) -> None:
    """A known key's bad request and unknown model are in the ledger; a flood without keys is not."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="secret-one") as gate:
            good = {"authorization": "Bearer secret-one"}
            assert (await ask(gate.port, post("/v1/chat/completions", chat()))).status == 401
            wrong = await ask(gate.port, post("/v1/chat/completions", chat(), {"x-api-key": "nope"}))
            assert wrong.status == 401
            bad = await ask(gate.port, post("/v1/chat/completions", {"model": 5}, good))
            assert bad.status == 400
            assert bad.json["error"]["param"] == "$.model"
            unknown = await ask(gate.port, post("/v1/chat/completions", chat(model="nope"), good))
            assert unknown.status == 404
            assert unknown.json["error"]["code"] == "model_not_found"
            rows = await gate.rows(2)
            assert [(row.state, row.status, row.key) for row in rows] == [
                ("failed", 400, "key-1"),
                ("failed", 404, "key-1"),
            ]
            assert not sim.journal.entries

    asyncio.run(play())


def test_strict_refuses_what_would_be_lost(tmp_path: Path) -> None:
    """By header or by route: the loss is named in a 400 and nothing is sent."""
    (tmp_path / "dragoman.toml").write_text(BACKUP)

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            body = chat(model="sim-anthropic/m", seed=7)
            lax = await ask(gate.port, post("/v1/chat/completions", body))
            assert lax.status == 200
            assert "dropped:seed" in lax.headers["x-dragoman-losses"]
            by_header = await ask(
                gate.port, post("/v1/chat/completions", body, {"x-dragoman-strict": "true"})
            )
            by_route = await ask(gate.port, post("/v1/chat/completions", {**body, "model": "careful"}))
            for refused in (by_header, by_route):
                assert refused.status == 400
                assert "dropped:seed" in refused.json["error"]["message"]
            assert len(sim.journal.entries) == 1
            rows = await gate.rows(3)
            assert rows[0].losses == ("dropped:seed",)

    asyncio.run(play())


def test_the_ledger_is_durable_before_the_provider_hears_of_it(tmp_path: Path) -> None:
    """When the simulator has the request, the reserved row is already there."""

    async def play() -> None:
        plot = script(faults=[{"kind": "hang"}])
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(post("/v1/chat/completions", chat()))
            await sim.journal.until(lambda journal: len(journal.entries) == 1)
            [row] = await gate.rows()
            assert (row.state, row.provider) == ("reserved", "sim-openai_chat")
            writer.close()
            await writer.wait_closed()
            [row] = await gate.rows(1)
            assert (row.state, row.status) == ("cancelled", 499)
            assert reader.at_eof() or await reader.read() == b""

    asyncio.run(play())


def test_a_ledger_that_cannot_write_lets_nothing_through(tmp_path: Path) -> None:
    """No durable row, no upstream call: 503 with a Retry-After, never a 401 or a silent pass."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:

            async def broken(exchange: ExchangeRow, attempt: AttemptRow, claim: Claim | None = None) -> None:
                raise Failure(Kind.UNAVAILABLE, f"row {attempt.number} cannot be written", retry_after_s=1)

            gate.gateway.store.open_exchange = broken  # type: ignore[method-assign]
            got = await ask(gate.port, post("/v1/chat/completions", chat()))
            assert got.status == 503
            assert got.headers["retry-after"] == "1"
            assert not sim.journal.entries

    asyncio.run(play())


def test_counting_asks_the_target_where_it_can_and_estimates_where_it_cannot(tmp_path: Path) -> None:
    """An Anthropic target counts; for another the figure is ours, and said to be."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            asked = message("one two three four")
            del asked["max_tokens"]
            counted = await ask(gate.port, post("/v1/messages/count_tokens", asked))
            assert counted.json["input_tokens"] > 0
            assert "x-dragoman-losses" not in counted.headers
            guessed = await ask(
                gate.port, post("/v1/messages/count_tokens", {**asked, "model": "sim-openai_chat/m"})
            )
            assert guessed.json["input_tokens"] == 5
            assert guessed.headers["x-dragoman-losses"] == "approximated:answer.input_tokens"
            assert [row.task for row in await gate.rows(2)] == ["count", "count"]

    asyncio.run(play())


def test_the_ledger_books_what_the_provider_counted(tmp_path: Path) -> None:
    """The same counters whether the answer was streamed or not, in both dialects."""

    async def play() -> None:
        plot = script(text="one two three", counts={"input": 90, "cache_read": 30, "output": 12})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            for stream in (False, True):
                for model in ("sim-openai_chat/m", "sim-anthropic/m"):
                    await ask(gate.port, post("/v1/chat/completions", chat(model=model, stream=stream)))
                    await ask(gate.port, post("/v1/messages", message(model=model, stream=stream)))
            rows = await gate.rows(8)
            meters = {row.meters for row in rows}
            assert len(meters) == 1
            [one] = meters
            assert (one.input, one.cache_read, one.output) == (90, 30, 12)
            assert not one.estimated
            assert one.cost_micros is None, "nobody knows what a simulated model costs"

    asyncio.run(play())


@pytest.mark.parametrize(
    ("extra", "reason"), [({}, "load"), ({"keep_alive": 0}, "unload")], ids=["load", "unload"]
)
def test_a_request_that_says_nothing_is_answered_here(
    tmp_path: Path, extra: dict[str, Any], reason: str
) -> None:
    """Ollama's clients ask for a model to be loaded; nobody upstream is asked, nothing is spent."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            got = await ask(
                gate.port, post("/api/chat", {"model": "sim-anthropic/m", "messages": [], **extra})
            )
            assert got.status == 200
            assert (got.json["done"], got.json["done_reason"]) == (True, reason)
            assert not sim.journal.entries
            [row] = await gate.rows(1)
            assert (row.state, row.attempts, row.meters.cost_micros) == ("settled", 0, 0)

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "gemini", "cohere", "ollama"])
def test_a_provider_that_quotes_our_key_is_not_repeated(
    tmp_path: Path, dialect: str, status: int, *, stream: bool
) -> None:
    """Neither to the client nor in the ledger, whatever the status and wherever in the answer it stands."""
    key = "sk-canary-0123456789"
    (tmp_path / "dragoman.toml").write_text(
        f'[providers.far]\ndialect = "{dialect}"\nbase_url = "{{url}}"\nkey = "{key}"\n'
    )

    async def play() -> None:
        plot = script(
            error={"status": status, "message": f"bad key {key} here", **({"at_frame": 4} if stream else {})}
        )
        async with Simulator(script=plot) as sim:
            toml = tmp_path / "dragoman.toml"
            toml.write_text(toml.read_text().replace("{url}", f"{sim.url}{DIALECTS[dialect].root}"))
            async with house(tmp_path) as gate:
                got = await ask(gate.port, post("/v1/chat/completions", chat(model="far/m", stream=stream)))
                assert (got.status >= 400) is not stream
                assert b"error" in got.body
                assert key not in got.body.decode()
                [row] = await gate.rows(1)
                assert key not in f"{row}{await gate.attempts(row)}"
                assert sim.journal

    asyncio.run(play())


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/images/generations", "/relay/openai/x", "/api/show"]
)
def test_a_stranger_is_refused_before_his_body_is_read(tmp_path: Path, path: str) -> None:
    """The head alone is answered, and the connection closed: the body never need come."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="one-key-of-some-length") as gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            head = post(path, chat()).partition(b"\r\n\r\n")[0]
            writer.write(head + b"\r\n\r\n")
            got = await answer(reader)
            assert (got.status, got.headers["connection"]) == (401, "close")
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            assert await gate.rows() == []

    asyncio.run(play())
