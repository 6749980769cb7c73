"""The whole, on real sockets: each dialect with its official SDK, the script and the journal over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import anthropic
import jsonschema  # type: ignore[import-untyped]
import openai
import pytest
from tests.simulator.raw import PATHS, ask, body, line, once, play, post, until_end

from dragoman.core.request import Message, Request, Text
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Behaviour, Canned, Counts, Error, Fault, Match, Rule, Script, Simulator
from dragoman.simulator.server import REMEMBERED

WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
        "unit": {"$ref": "#/$defs/unit"},
    },
    "required": ["city", "days", "unit"],
    "additionalProperties": False,
    "$defs": {"unit": {"enum": ["C", "F"]}},
}


@asynccontextmanager
async def chat(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    """Open an OpenAI client."""
    async with openai.AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


@asynccontextmanager
async def claude(simulator: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Open an Anthropic client."""
    async with anthropic.AsyncAnthropic(base_url=simulator.url, api_key="sk-test", max_retries=0) as client:
        yield client


def asked(name: str, *, stream: bool = False) -> bytes:
    """Return the bytes of a request as the dialect's own codec writes it."""
    dialect = DIALECTS[name]
    hello = Message("user", (Text("say hello"),))
    call = dialect.write_request(Request(name, "m", (hello,), max_output=100, stream=stream))
    query = "&".join(f"{key}={value}" for key, value in call.query.items())
    return post(f"{dialect.root}{call.path}" + (f"?{query}" if query else ""), call.body)


def test_every_dialect_is_served() -> None:
    """Each built dialect answers at its own paths."""

    async def one() -> None:
        async with Simulator() as simulator:
            for name in DIALECTS:
                assert (await once(simulator, asked(name))).status == 200
                assert (await once(simulator, asked(name, stream=True))).status == 200
            assert simulator.journal.totals.dialects == dict.fromkeys(DIALECTS, 2)

    play(one())


def test_openai_text() -> None:
    """The SDK reads the same text, stop and usage from an answer and from a stream."""

    async def one() -> None:
        behaviour = Behaviour(tokens=12, counts=Counts(cache_read=1))
        async with Simulator(behaviour) as simulator, chat(simulator) as client:
            asked: Any = {"model": "gpt-x", "messages": [{"role": "user", "content": "say hello"}]}
            answer = await client.chat.completions.create(**asked)
            assert answer.model == "gpt-x"
            assert answer.choices[0].finish_reason == "stop"
            assert len((answer.choices[0].message.content or "").split()) == 12
            assert answer.usage is not None
            assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 12)
            assert answer.usage.prompt_tokens_details is not None
            assert answer.usage.prompt_tokens_details.cached_tokens == 1
            stream = await client.chat.completions.create(
                **asked, stream=True, stream_options={"include_usage": True}
            )
            text, usage = "", None
            async for chunk in stream:
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
                usage = chunk.usage or usage
            assert text == answer.choices[0].message.content
            assert usage == answer.usage

    play(one())


def test_anthropic_text() -> None:
    """The SDK reads the same text, stop and usage from an answer and from a stream."""

    async def one() -> None:
        behaviour = Behaviour(tokens=12, counts=Counts(cache_read=1))
        async with Simulator(behaviour) as simulator, claude(simulator) as client:
            asked: Any = {
                "model": "claude-x",
                "max_tokens": 100,
                "messages": [{"role": "user", "content": "say hello"}],
            }
            answer = await client.messages.create(**asked)
            assert (answer.model, answer.stop_reason) == ("claude-x", "end_turn")
            assert answer.content[0].type == "text"
            assert len(answer.content[0].text.split()) == 12
            usage = answer.usage
            assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (2, 1, 12)
            async with client.messages.stream(**asked) as stream:
                text = "".join([piece async for piece in stream.text_stream])
                final = await stream.get_final_message()
            assert text == answer.content[0].text
            assert final.usage.output_tokens == 12
            counted = await client.messages.count_tokens(model="claude-x", messages=asked["messages"])
            assert counted.input_tokens == 3

    play(one())


@pytest.mark.parametrize("stream", [True, False])
def test_openai_tools(*, stream: bool) -> None:
    """Parallel calls with arguments the schema allows, and no call once the result is there."""

    async def one() -> None:
        async with Simulator(Behaviour(calls=2)) as simulator, chat(simulator) as client:
            messages: list[Any] = [{"role": "user", "content": "use the tool"}]
            tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
            if stream:
                async with client.chat.completions.stream(
                    model="m", messages=messages, tools=tools
                ) as events:
                    answer: Any = await events.get_final_completion()
            else:
                answer = await client.chat.completions.create(model="m", messages=messages, tools=tools)
            assert answer.choices[0].finish_reason == "tool_calls"
            calls = answer.choices[0].message.tool_calls
            assert len({call.id for call in calls}) == 2
            for call in calls:
                jsonschema.validate(json.loads(call.function.arguments), WEATHER)
            said = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": "{}"},
                }
                for call in calls
            ]
            messages.append({"role": "assistant", "tool_calls": said})
            messages += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
            final = await client.chat.completions.create(model="m", messages=messages, tools=tools)
            assert final.choices[0].finish_reason == "stop"

    play(one())


@pytest.mark.parametrize("stream", [True, False])
def test_anthropic_tools(*, stream: bool) -> None:
    """Thinking with its signature, then calls with arguments the schema allows."""

    async def one() -> None:
        async with Simulator(Behaviour(calls=2)) as simulator, claude(simulator) as client:
            asked: Any = {
                "model": "m",
                "max_tokens": 4000,
                "messages": [{"role": "user", "content": "hello"}],
                "tools": [{"name": "weather", "input_schema": WEATHER}],
                "tool_choice": {"type": "any"},
                "thinking": {"type": "adaptive", "display": "summarized"},
            }
            if stream:
                async with client.messages.stream(**asked) as events:
                    answer: Any = await events.get_final_message()
            else:
                answer = await client.messages.create(**asked)
            assert [block.type for block in answer.content] == ["thinking", "tool_use", "tool_use"]
            assert len(answer.content[0].thinking.split()) == 8
            assert answer.content[0].signature
            assert answer.stop_reason == "tool_use"
            for block in answer.content[1:]:
                jsonschema.validate(block.input, WEATHER)

    play(one())


def test_openai_structured_output() -> None:
    """The answer is an instance of the schema."""

    async def one() -> None:
        async with Simulator() as simulator, chat(simulator) as client:
            form: Any = {
                "type": "json_schema",
                "json_schema": {"name": "forecast", "schema": WEATHER, "strict": True},
            }
            answer = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hello"}], response_format=form
            )
            jsonschema.validate(json.loads(answer.choices[0].message.content or ""), WEATHER)

    play(one())


def test_anthropic_structured_output() -> None:
    """The answer is an instance of the schema."""

    async def one() -> None:
        async with Simulator() as simulator, claude(simulator) as client:
            answer: Any = await client.messages.create(
                model="m",
                max_tokens=100,
                messages=[{"role": "user", "content": "hello"}],
                output_config={"format": {"type": "json_schema", "schema": WEATHER}},
            )
            jsonschema.validate(json.loads(answer.content[0].text), WEATHER)

    play(one())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
        (529, "InternalServerError"),
    ],
)
def test_errors_are_what_the_sdks_expect(status: int, error: str) -> None:
    """Every status becomes the SDK's own exception, with the message and the delay."""

    async def one() -> None:
        behaviour = Behaviour(error=Error(status=status, message="as scripted", retry_after_s=3))
        async with Simulator(behaviour) as simulator, chat(simulator) as first, claude(simulator) as second:
            messages: Any = [{"role": "user", "content": "hello"}]
            with pytest.raises(getattr(openai, error), match="as scripted") as caught:
                await first.chat.completions.create(model="m", messages=messages)
            assert caught.value.status_code == status
            assert caught.value.response.headers["retry-after"] == "3"
            with pytest.raises(anthropic.APIStatusError, match="as scripted") as other:
                await second.messages.create(model="m", max_tokens=9, messages=messages)
            assert other.value.status_code == status

    play(one())


def test_an_error_in_a_stream_raises() -> None:
    """No SDK takes a stream that failed for one that ended."""

    async def one() -> None:
        behaviour = Behaviour(error=Error(status=503, message="in the middle", at_frame=5))
        async with Simulator(behaviour) as simulator, chat(simulator) as first, claude(simulator) as second:
            messages: Any = [{"role": "user", "content": "hello"}]
            chunks = await first.chat.completions.create(model="m", messages=messages, stream=True)
            with pytest.raises(openai.APIError, match="in the middle"):
                _ = [chunk async for chunk in chunks]
            events = await second.messages.create(model="m", max_tokens=9, messages=messages, stream=True)
            with pytest.raises(anthropic.APIError, match="in the middle"):
                _ = [event async for event in events]

    play(one())


def test_models_are_listed_for_both() -> None:
    """Each SDK gets the list in its own shape, with the script's names."""

    async def one() -> None:
        script = Script(models=("one", "two"))
        async with Simulator(script) as simulator, chat(simulator) as first, claude(simulator) as second:
            assert [model.id async for model in first.models.list()] == ["one", "two"]
            assert [model.id async for model in second.models.list()] == ["one", "two"]

    play(one())


def test_a_bad_request_is_refused_as_a_provider_would() -> None:
    """The codec's strictness is the provider's; the journal tells a refusal from a fault."""

    async def one() -> None:
        async with Simulator() as simulator:
            for dialect, path in PATHS.items():
                answer = await once(simulator, post(path, body(dialect, messages="none")))
                assert answer.status == 400
                assert "messages" in answer.json["error"]["message"] + str(answer.json["error"].get("param"))
            assert (await once(simulator, post(PATHS["openai_chat"], b"{"))).status == 400
            impossible = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"enum": []}}}
            assert (await once(simulator, ask(response_format=impossible))).status == 400
            assert simulator.journal.totals.outcomes == {"refused": 4}

    play(one())


def test_elsewhere_there_is_nothing_unless_the_script_says_so() -> None:
    """A rule with a path takes any request; without one unknown paths are 404."""

    async def one() -> None:
        rules = (
            Rule(Match(path="/login*"), Behaviour(reply=Canned(302, {"location": "/elsewhere"}))),
            Rule(Match(path="/v1/models", nth=1), Behaviour(error=Error(status=401, message="who?"))),
            Rule(Match(path="/gone"), Behaviour(faults=(Fault("close"),))),
            Rule(Match(), Behaviour(text="not for paths outside the dialects")),
        )
        async with Simulator(Script(rules=rules)) as simulator:
            answers = [
                await once(simulator, post(path, b"", method="GET"))
                for path in ("/login/here", "/v1/models", "/v1/models", "/nowhere")
            ]
            assert [answer.status for answer in answers] == [302, 401, 200, 404]
            assert answers[0].header("location") == "/elsewhere"
            assert answers[1].json["error"]["message"] == "who?"
            assert (await until_end(simulator, post("/gone", b""))).data == b""
            assert simulator.journal.totals.dialects == {"": 5}

    play(one())


@pytest.mark.parametrize("dialect", sorted(PATHS))
@pytest.mark.parametrize("stream", [True, False])
def test_the_same_seed_and_request_give_the_same_bytes(dialect: str, *, stream: bool) -> None:
    """Ids, dates, words and their order: nothing depends on time, process or history."""

    async def bytes_of(seed: int, text: str = "hello") -> bytes:
        async with Simulator(seed=seed) as simulator:
            await once(simulator, ask(dialect, "something before"))
            first = await once(simulator, ask(dialect, text, stream=stream))
            again = await once(simulator, ask(dialect, text, stream=stream))
            assert again == first
            return first.head + first.body

    async def one() -> None:
        assert await bytes_of(1) == await bytes_of(1)
        assert await bytes_of(1) != await bytes_of(2)
        assert await bytes_of(1) != await bytes_of(1, "hallo")

    play(one())


def test_rules_are_counted_over_connections() -> None:
    """The third request fails, whoever sends it; a new script begins to count anew."""

    async def one() -> None:
        rules = (Rule(Match(nth=3), Behaviour(error=Error(status=503))),)
        async with Simulator(Script(rules=rules)) as simulator:
            assert [(await once(simulator, ask())).status for _ in range(4)] == [200, 200, 503, 200]
            assert [entry.rule for entry in simulator.journal.entries] == [None, None, 0, None]
            simulator.script = Script(rules=rules)
            assert [(await once(simulator, ask())).status for _ in range(3)] == [200, 200, 503]
            simulator.script = Behaviour(text="new")
            assert b"new" in (await once(simulator, ask())).body

    play(one())


def test_the_script_over_http() -> None:
    """It can be read, replaced and put back; a wrong one changes nothing and says what is wrong."""

    async def one() -> None:
        async with Simulator(Behaviour(text="first")) as simulator, line(simulator) as client:

            async def script(method: str, value: Any = b"") -> tuple[int, Any]:
                client.send(post("/_script", value, method=method))
                answer = await client.answer()
                return answer.status, answer.json

            assert await script("GET") == (200, {"default": {"text": "first"}})
            status, said = await script("PUT", {"default": {"text": "second"}})
            assert (status, said) == (200, {"default": {"text": "second"}})
            assert b"second" in (await once(simulator, ask())).body
            status, said = await script("PUT", {"rules": [{"match": {"nth": "x"}, "then": {}}]})
            assert (status, said["error"]["at"]) == (400, "$.rules[0].match.nth")
            assert b"second" in (await once(simulator, ask())).body
            await script("DELETE")
            assert b"first" in (await once(simulator, ask())).body
            assert (await script("PATCH"))[0] == 404

    play(one())


def test_the_journal_over_http() -> None:
    """Everything that was received is told, without a credential; then it can be forgotten."""

    async def one() -> None:
        async with Simulator(Behaviour(tokens=4)) as simulator:
            key = {"authorization": "Bearer sk-secret"}
            await once(simulator, post("/v1/chat/completions?beta=true", body(stream=True), key))
            answer = await once(simulator, post("/_journal", b"", method="GET"))
            assert b"sk-secret" not in answer.body
            [entry] = answer.json
            assert (
                entry["headers"]["authorization"] == f"Bearer sha256:{sha256(b'sk-secret').hexdigest()[:12]}"
            )
            assert entry["body"] == body(stream=True)
            assert (entry["n"], entry["dialect"], entry["path"]) == (1, "openai_chat", "/v1/chat/completions")
            assert (entry["model"], entry["stream"], entry["query"]) == ("m", True, {"beta": "true"})
            assert (entry["outcome"], entry["status"], entry["tokens"]) == ("completed", 200, 4)
            assert entry["usage"] == {"input": 3, "output": 4}
            assert 0 <= entry["at_s"] <= entry["first_at_s"] <= entry["ended_at_s"] < 3600
            summary = await once(simulator, post("/_journal?summary=1", b"", method="GET"))
            assert summary.json["requests"] == 1
            assert summary.json["usage"] == {"input": 3, "output": 4}
            await once(simulator, post("/_journal", b"", method="DELETE"))
            assert (await once(simulator, post("/_journal", b"", method="GET"))).json == []

    play(one())


def test_a_journal_without_bodies_counts_all_the_same() -> None:
    """For benches: no header and no body is kept, every total is."""

    async def one() -> None:
        async with Simulator(journal_bodies=False) as simulator:
            await once(simulator, ask())
            entry = simulator.journal[0]
            assert (entry.body, entry.headers, entry.model) == (None, {}, "m")
            assert simulator.journal.totals.usage == {"input": 3, "output": 16}

    play(one())


def test_what_is_remembered_is_bounded() -> None:
    """Requests that never repeat do not pile up."""

    async def one() -> None:
        async with Simulator() as simulator, line(simulator) as client:
            for number in range(REMEMBERED + 10):
                client.send(ask(text=f"number {number}"))
                await client.answer()
            assert len(simulator._remembered) == REMEMBERED

    play(one())


def test_two_hundred_streams_at_once() -> None:
    """Each gets all its own bytes at its own pace, and no connection is left over."""

    async def one() -> None:
        behaviour = Behaviour(tokens=20, tokens_per_s=200, echo=False)
        async with Simulator(behaviour) as simulator:
            requests = [ask(sorted(PATHS)[n % 2], f"number {n}", stream=True) for n in range(200)]
            answers = await asyncio.gather(*(once(simulator, request) for request in requests))
            simulator.script = Behaviour(tokens=20)
            for request, answer in zip(requests, answers, strict=True):
                assert (await once(simulator, request)).body == answer.body
            assert len({answer.body for answer in answers}) == 200
            await simulator.journal.until(lambda journal: journal.totals.outcomes["completed"] == 400)
            while simulator.connections:
                await asyncio.sleep(0)
            assert simulator.journal.open == 0

    play(one())


def test_two_simulators_do_not_meet() -> None:
    """Each has its own port, script and journal."""

    async def one() -> None:
        async with Simulator(Behaviour(text="one")) as first, Simulator(Behaviour(text="two")) as second:
            assert first.url != second.url
            assert b"two" in (await once(second, ask())).body
            assert (len(first.journal), len(second.journal)) == (0, 1)

    play(one())


def test_a_port_can_be_chosen_and_must_be_free() -> None:
    """It listens on 127.0.0.1 alone, and a port that is taken is an error."""

    async def one() -> None:
        async with Simulator() as first:
            assert first.url == f"http://127.0.0.1:{first.port}"
            with pytest.raises(OSError, match="in use"):
                await Simulator(port=first.port).start()

    play(one())
