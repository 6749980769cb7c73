"""The surfaces over real sockets: every form before every provider's protocol, and every way to fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.house import Answer, House, answer, ask, chat, get, house, post

from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Script, Simulator
from dragoman.simulator.script import read

TEXT = "It is sunny."
JSON = {"accept": "application/json"}


class Form(NamedTuple):
    """One way to ask, and where the text of its answer is.

    Attributes:
        path: Where to.
        body: What of a request's body stands beside the model.
        name: Field of the body, or of the query if it begins with ``?``, that names the model.
        text: Reads the text out of a good answer.
        failed: Reads the message out of an answer that broke off after it began.
        refusal: Fields of a refusal's body.
        books: What the ledger calls the door.
    """

    path: str
    body: dict[str, Any]
    name: str
    text: Callable[[Answer], str]
    failed: Callable[[Answer], str]
    refusal: set[str]
    books: str
    headers: dict[str, str] = {}  # noqa: RUF012  never written to


def events(got: Answer) -> list[tuple[str, Any]]:
    """Return the named events of a stream."""
    blocks = [block.split("\n") for block in got.body.decode().split("\n\n") if block]
    return [(first.removeprefix("event: "), json.loads(data[6:])) for first, data in blocks]


def lines(got: Answer) -> list[Any]:
    """Return the lines of a stream."""
    return [json.loads(line) for line in got.body.splitlines()]


def frames(got: Answer) -> list[Any]:
    """Return the data of a stream's events."""
    return [json.loads(frame) for frame in got.frames]


DETAILED, PLAIN = {"detail", "error"}, {"error"}
FORMS = {
    "prompt": Form(
        "/chat",
        {"prompt": "hi"},
        "?model",
        lambda got: str(got.json["response_text"]),
        lambda got: str(got.json["detail"]),
        DETAILED,
        "prompt",
    ),
    "message": Form(
        "/chat/",
        {"message": "hi"},
        "chat_model_name",
        lambda got: str(got.json["response"]),
        lambda got: str(got.json["detail"]),
        DETAILED,
        "message",
    ),
    "message stream": Form(
        "/chat/",
        {"message": "hi", "stream": True},
        "chat_model_name",
        lambda got: "".join(line["response"] for line in lines(got)),
        lambda got: str(lines(got)[-1]["error"]["message"]),
        DETAILED,
        "message",
    ),
    "stream": Form(
        "/stream",
        {"prompt": "hi"},
        "model",
        lambda got: str(frames(got)[-1]["result"]),
        lambda got: str(frames(got)[-1]["error"]),
        PLAIN,
        "stream",
    ),
    "stream as JSON": Form(
        "/stream",
        {"prompt": "hi"},
        "model",
        lambda got: str(got.json["result"]),
        lambda got: str(got.json["error"]),
        PLAIN,
        "stream",
        JSON,
    ),
    "completions": Form(
        "/v1/chat/completions",
        chat(model=""),
        "model",
        lambda got: str(got.json["choices"][0]["message"]["content"]),
        lambda got: str(got.json["error"]["message"]),
        PLAIN,
        "openai_chat",
    ),
    "named events": Form(
        "/v1/chat/stream",
        chat(model=""),
        "model",
        lambda got: "".join(data["delta"] for name, data in events(got) if name == "message"),
        lambda got: str(dict(events(got))["error"]["error"]["message"]),
        PLAIN,
        "gateway",
    ),
}
STREAMS = ("message stream", "stream", "stream as JSON", "named events")

forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def request(form: Form, model: str, headers: dict[str, str] | None = None) -> bytes:
    """Return the bytes of a request for `model`."""
    sent = {**form.headers, **(headers or {})}
    if form.name.startswith("?"):
        return post(f"{form.path}{form.name}={model}", form.body, sent)
    return post(form.path, {**form.body, form.name: model}, sent)


def run(
    folder: Path, play: Callable[[Simulator, House], Awaitable[None]], script: Any = None, **settings: str
) -> None:
    """Play on a gateway before a simulator."""
    plot = read(script) if script else Script()

    async def staged() -> None:
        async with Simulator(script=plot) as sim, house(folder, sim.url, **settings) as gate:
            await play(sim, gate)

    asyncio.run(staged())


@forms
def test_every_form_is_answered_by_every_protocol(tmp_path: Path, form: Form) -> None:
    """The same text, with nothing lost, booked under the form's own name; the headers say who it was."""

    async def play(_: Simulator, gate: House) -> None:
        for dialect in DIALECTS:
            got = await ask(gate.port, request(form, f"sim-{dialect}/m"))
            assert (got.status, form.text(got)) == (200, TEXT), dialect
            assert got.headers["x-dragoman-provider"] == f"sim-{dialect}"
            assert "x-dragoman-losses" not in got.headers
        rows = await gate.rows(len(DIALECTS))
        assert {(row.state, row.dialect, row.losses) for row in rows} == {("settled", form.books, ())}

    run(tmp_path, play, {"default": {"text": TEXT}})


@forms
def test_a_refusal_has_its_forms_own_shape(tmp_path: Path, form: Form) -> None:
    """An unknown model, a body that is no JSON, a wrong method: each is a status and one shape."""

    async def play(_: Simulator, gate: House) -> None:
        unknown = await ask(gate.port, request(form, "nobody-knows-it"))
        broken = await ask(gate.port, post(form.path, b"{", form.headers))
        method = await ask(gate.port, get(form.path))
        told = [(got.status, set(got.json)) for got in (unknown, broken, method)]
        assert told == [(404, form.refusal), (400, form.refusal), (405, form.refusal)]

    run(tmp_path, play)


@forms
def test_who_has_no_key_is_told_so(tmp_path: Path, form: Form) -> None:
    """401, in the form's own shape; with the key it is served."""

    async def play(_: Simulator, gate: House) -> None:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            got = await ask(gate.port, request(form, "sim-ollama/m", headers))
            assert got.status == 401
            assert set(got.json) == ({"message"} if form.path == "/stream" else form.refusal)
        got = await ask(gate.port, request(form, "sim-ollama/m", {"authorization": "Bearer right"}))
        assert got.status == 200

    run(tmp_path, play, API_KEYS="right")


@forms
@pytest.mark.parametrize(("told", "status"), [(400, 400), (401, 502), (429, 429), (500, 502), (503, 503)])
def test_a_providers_refusal_has_a_status(tmp_path: Path, form: Form, told: int, status: int) -> None:
    """Nothing has left before the provider spoke, so streams have one, too; it is never a 500 of ours."""

    async def play(_: Simulator, gate: House) -> None:
        got = await ask(gate.port, request(form, "sim-openai_chat/m"))
        assert (got.status, set(got.json)) == (status, form.refusal)
        [row] = await gate.rows(1)
        assert (row.state, row.status) == ("failed", status)

    run(tmp_path, play, {"default": {"error": {"status": told}}})


@forms
def test_an_answer_that_breaks_off_is_never_a_good_one(tmp_path: Path, form: Form) -> None:
    """Streams end in their error, whole answers are a refusal; the ledger says failed."""

    async def play(_: Simulator, gate: House) -> None:
        got = await ask(gate.port, request(form, "sim-openai_chat/m"))
        assert "broke" in form.failed(got)
        [row] = await gate.rows(1)
        assert row.state == "failed"

    run(tmp_path, play, {"default": {"error": {"status": 503, "at_frame": 4, "message": "it broke"}}})


@pytest.mark.parametrize("name", STREAMS)
def test_a_client_that_leaves_ends_the_providers_answer(tmp_path: Path, name: str) -> None:
    """The upstream connection is closed, and the ledger says cancelled."""
    form = FORMS[name]

    async def play(sim: Simulator, gate: House) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(request(form, "sim-anthropic/m"))
        await reader.readuntil(b"\r\n\r\n")
        await sim.journal.until(lambda journal: any(one.outcome == "hung" for one in journal.entries))
        writer.close()
        await writer.wait_closed()
        await sim.journal.until(lambda journal: journal.open == 0)
        [row] = await gate.rows(1)
        assert row.state == "cancelled"

    run(tmp_path, play, {"default": {"text": TEXT, "faults": [{"kind": "hang", "at_frame": 5}]}})


def test_a_stream_that_comes_slowly_is_kept_alive(tmp_path: Path) -> None:
    """Each stream's sign of life comes while nothing else does, and its own parser takes no notice."""

    async def play(sim: Simulator, gate: House) -> None:
        signs = {"message stream": b'{"response":""}', "stream": b": ka", "named events": b": ka"}
        for name, sign in signs.items():
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(request(FORMS[name], "sim-anthropic/m"))
            await reader.readuntil(sign)
            writer.close()
            await writer.wait_closed()
        await sim.journal.until(lambda journal: journal.open == 0)

    hang = {"default": {"text": TEXT, "faults": [{"kind": "hang", "at_frame": 5}]}}
    run(tmp_path, play, hang, DRAGOMAN_SERVER_KEEPALIVE_S="0.02")


def test_a_pinned_provider_answers_alone(tmp_path: Path) -> None:
    """At both of the gateway surface's paths; the field reaches nobody, a strange name is refused."""

    async def play(sim: Simulator, gate: House) -> None:
        for path in ("/v1/chat/completions", "/v1/chat/stream"):
            got = await ask(gate.port, post(path, chat(model="m", provider="sim-openai_chat")))
            assert (got.status, got.headers["x-dragoman-provider"]) == (200, "sim-openai_chat")
            got = await ask(gate.port, post(path, chat(model="m", provider="nobody")))
            assert (got.status, set(got.json)) == (400, {"error"})
        assert all("provider" not in entry.body for entry in sim.journal.entries)

    run(tmp_path, play)


def test_named_events_carry_tool_calls_of_every_protocol(tmp_path: Path) -> None:
    """Whoever is asked, the call comes in OpenAI's pieces beside an empty delta."""
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}

    async def play(_: Simulator, gate: House) -> None:
        for dialect in DIALECTS:
            body = chat(model=f"sim-{dialect}/m", tools=[tool])
            got = await ask(gate.port, post("/v1/chat/stream", body))
            *said, (last, done) = events(got)
            pieces = [one["tool_calls"][0] for _, one in said if "tool_calls" in one]
            assert pieces[0]["function"]["name"] == "look", dialect
            json.loads("".join(piece["function"]["arguments"] for piece in pieces if "function" in piece))
            assert said[-1][1]["finish_reason"] == "tool_calls"
            assert (last, done["status"], done["chunks"]) == ("done", "complete", len(said))

    run(tmp_path, play, {"default": {"tool_calls": "always"}})


def test_prompts_say_what_the_gateway_did(tmp_path: Path) -> None:
    """The id is the ledger's, so that a rating can name it; tokens are those that were booked."""

    async def play(_: Simulator, gate: House) -> None:
        got = await ask(gate.port, request(FORMS["prompt"], "sim-gemini/m"))
        [row] = await gate.rows(1)
        assert got.json["prompt_id"] == row.id == got.headers["x-dragoman-id"]
        assert got.json["token_count"] == row.meters.input + row.meters.output
        assert (got.json["provider"], got.json["requested_model"]) == ("sim-gemini", "sim-gemini/m")

    run(tmp_path, play)


def test_a_template_reaches_the_model_filled_in(tmp_path: Path) -> None:
    """Values with braces in them are words."""

    async def play(sim: Simulator, gate: House) -> None:
        values = {"audience": "kids {{topic}}", "topic": "gravity"}
        body = {"template_id": "friendly", "template_vars": values}
        got = await ask(gate.port, post("/chat?model=sim-openai_chat/m", body))
        assert got.status == 200
        [entry] = sim.journal.entries
        assert "Explain gravity to kids {{topic}} in" in entry.body["messages"][0]["content"]

    run(tmp_path, play)


def test_what_a_surface_does_not_know_is_declared(tmp_path: Path) -> None:
    """A stranger in the body is ignored, and named as any loss."""

    async def play(_: Simulator, gate: House) -> None:
        for name in ("prompt", "message", "stream"):
            form = FORMS[name]
            strange = form._replace(body={**form.body, "session_id": "s"})
            got = await ask(gate.port, request(strange, "sim-openai_chat/m"))
            assert (got.status, got.headers["x-dragoman-losses"]) == (200, "dropped:session_id")

    run(tmp_path, play)


def test_a_connection_serves_one_surface_after_another(tmp_path: Path) -> None:
    """Nothing of one answer is left on the wire for the next."""

    async def play(_: Simulator, gate: House) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        for form in FORMS.values():
            writer.write(request(form, "sim-cohere/m"))
            got = await answer(reader)
            assert (got.status, form.text(got)) == (200, TEXT)
        writer.close()
        await writer.wait_closed()

    run(tmp_path, play, {"default": {"text": TEXT}})
