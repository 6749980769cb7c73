"""The official SDK accepts what this codec writes, and this codec reads what the SDK sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import openai
import pytest
from openai.types.responses import Response as SdkResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from dragoman.core.events import Event, Response, Stop, fold, unfold
from dragoman.core.failure import Failure, Kind, malformed
from dragoman.core.request import Message, Request, Text, Thinking, ToolCall
from dragoman.dialects import Call, Dialect, Reply, anthropic, openai_chat
from dragoman.dialects.framing import SSE
from dragoman.dialects.openai_responses import DIALECT

CORPUS = Path(__file__).parent / "corpus"
ASKED = Request(DIALECT.name, "m", (Message("user", (Text("Hi"),)),), stream=True)
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
DIALECTS = (anthropic.DIALECT, openai_chat.DIALECT, DIALECT)


class Provider:
    """A server that says what it was told to say, and remembers what it heard."""

    def __init__(self) -> None:
        self.says: tuple[int, str, bytes] = (200, "application/json", b"{}")
        self.heard: list[tuple[str, Any]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                provider.heard.append((self.path, json.loads(body)))
                status, kind, data = provider.says
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def answer(self, reply: Reply) -> None:
        """Answer the next request with `reply`."""
        self.says = (reply.status, "application/json", msgspec.json.encode(reply.body))

    def stream(self, events: list[Event], failure: Failure | None = None) -> bytes:
        """Answer the next request with a stream of `events`; return its bytes."""
        writer = DIALECT.writer(ASKED)
        frames = [frame for event in events for frame in writer.feed(event)]
        frames += writer.fail(failure) if failure is not None else []
        data = writer.keepalive() + b"".join(map(SSE.encode, frames))
        self.says = (200, SSE.content_type, data)
        return data

    def call(self) -> Call:
        """Return the last request as a codec is given it."""
        path, body = self.heard[-1]
        return Call("POST", path, body=body)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """Run a provider."""
    provider = Provider()
    thread = Thread(target=provider.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def client(provider: Provider) -> Iterator[openai.OpenAI]:
    """Open the SDK's client on the provider."""
    url = f"http://127.0.0.1:{provider.server.server_port}/v1"
    with openai.OpenAI(api_key="k", base_url=url, max_retries=0) as client:
        yield client


def heard(codec: Dialect, path: Path) -> tuple[list[Event], Failure | None]:
    """Return the events of a stream of the corpus, and the failure it ends in."""
    decoder, reader = codec.framing.decoder(), codec.reader()
    events: list[Event] = []
    try:
        for frame in [*decoder.feed(path.read_bytes()), *decoder.close()]:
            events += reader.feed(frame)
        events += reader.close()
    except Failure as failure:
        return events, failure
    return events, None


def corpus(kind: str, ending: str) -> list[Any]:
    """Return every file of one kind, with its dialect."""
    return [
        pytest.param(codec, path, id=f"{codec.name}/{path.stem}")
        for codec in DIALECTS
        for path in sorted((CORPUS / codec.name / kind).glob(f"*.{ending}"))
    ]


def words(answer: Response) -> str:
    """Return what the SDK calls the text of an answer."""
    parts = answer.choices[0].parts if answer.choices else ()
    return "".join(part.text for part in parts if isinstance(part, Text) and not part.refusal)


# The SDK itself warns of an item whose type it does not know.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@pytest.mark.parametrize(("codec", "path"), corpus("streams", "sse"))
def test_stream_is_accepted(codec: Dialect, path: Path, provider: Provider, client: openai.OpenAI) -> None:
    """Whoever spoke, the strict helper follows the stream to its end and gives the same answer."""
    events, failure = heard(codec, path)
    provider.stream(events, failure)
    stop = next((event for event in events if isinstance(event, Stop)), None)
    broken = failure is not None or stop is None or stop.reason == "error"
    try:
        with client.responses.stream(model="m", input="Hi") as stream:
            kinds = [event.type for event in stream]
            ended = None if kinds[-1] != "response.completed" else stream.get_final_response()
    except openai.APIError:
        assert not events  # nothing was begun, so there was no response to fail
        return
    assert (kinds[-1] == "response.failed") is broken
    if ended is not None:
        assert ended.output_text == words(fold(events))
        calls = [item.call_id for item in ended.output if item.type in ("function_call", "custom_tool_call")]
        said = fold(events).choices[0].parts
        assert calls == [part.id for part in said if isinstance(part, ToolCall)]


@pytest.mark.parametrize(("codec", "path"), corpus("streams", "sse"))
def test_events_are_of_the_sdks_types(codec: Dialect, path: Path, provider: Provider) -> None:
    """Every event written for another dialect's answer is valid, field by field."""
    events, failure = heard(codec, path)
    if codec is DIALECT or failure is not None:
        return  # a client at home gets what its server sent; codes of failures are freer than their type
    for line in provider.stream(events).splitlines():
        if line.startswith(b"data: ") and b'"type":"response.failed"' not in line:
            EVENTS.validate_json(line.removeprefix(b"data: "))


@pytest.mark.parametrize(("codec", "path"), corpus("answers", "json"))
def test_answer_is_accepted(codec: Dialect, path: Path, provider: Provider, client: openai.OpenAI) -> None:
    """Whoever spoke, the whole answer is a Response with the same words."""
    answer = codec.read_answer(Reply(200, body=json.loads(path.read_text())["body"]))
    if any(choice.stop.reason in ("error", "bad_tool_call") for choice in answer.choices[:1]):
        return
    provider.answer(DIALECT.write_answer(answer, ASKED))
    if codec is not DIALECT:
        SdkResponse.model_validate_json(provider.says[2])
        assert client.responses.create(model="m", input="Hi").output_text == words(answer)


class City(BaseModel):
    """What the model is held to."""

    name: str


def test_parsed_answer(provider: Provider, client: openai.OpenAI) -> None:
    """The helper for structured output sends a strict schema and parses the words."""
    path = CORPUS / "anthropic" / "answers" / "text.json"
    answer = anthropic.DIALECT.read_answer(Reply(200, body=json.loads(path.read_text())["body"]))
    choice = msgspec.structs.replace(answer.choices[0], parts=(Text('{"name":"Ghent"}'),))
    answer = msgspec.structs.replace(answer, choices=(choice,))
    provider.answer(DIALECT.write_answer(answer, ASKED))
    parsed = client.responses.parse(model="m", input="A city.", text_format=City)
    assert parsed.output_parsed == City(name="Ghent")
    asked = DIALECT.read_request(provider.call()).format
    assert asked is not None
    assert (asked.kind, asked.name, asked.strict) == ("json_schema", "City", True)
    provider.stream(unfold(answer))
    with client.responses.stream(model="m", input="A city.", text_format=City) as stream:
        assert stream.get_final_response().output_parsed == City(name="Ghent")


def test_history_comes_back(provider: Provider, client: openai.OpenAI) -> None:
    """What a client of the SDK sends back is what was thought, said and called."""
    events, _ = heard(anthropic.DIALECT, CORPUS / "anthropic" / "streams" / "thinking.sse")
    provider.stream(events)
    with client.responses.stream(model="m", input="Hi") as stream:
        output = stream.get_final_response().output
    history: list[Any] = [{"role": "user", "content": "Hi"}]
    history += [item.to_dict() for item in output]
    client.responses.create(model="m", input=[*history, {"role": "user", "content": "So?"}])
    back = DIALECT.read_request(provider.call()).messages[1].parts
    said = fold(events).choices[0].parts
    assert [type(part) for part in back] == [type(part) for part in said]
    proofs = [part.signature.data for part in said if isinstance(part, Thinking) and part.signature]
    assert proofs
    assert [part.signature.data for part in back if isinstance(part, Thinking) and part.signature] == proofs
    body = anthropic.DIALECT.write_request(DIALECT.read_request(provider.call())).body
    assert body["messages"][1]["content"][0]["signature"] == proofs[0]


def test_tokens_are_counted(provider: Provider, client: openai.OpenAI) -> None:
    """The count endpoint has the SDK's path and type."""
    provider.answer(DIALECT.write_counted(17))
    assert client.responses.input_tokens.count(model="m", input="Hi").input_tokens == 17
    assert provider.call().path == DIALECT.endpoints[1].path
    assert DIALECT.read_request(provider.call()).model == "m"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.INVALID, openai.BadRequestError),
        (Kind.UNAUTHENTICATED, openai.AuthenticationError),
        (Kind.FORBIDDEN, openai.PermissionDeniedError),
        (Kind.NOT_FOUND, openai.NotFoundError),
        (Kind.RATE_LIMITED, openai.RateLimitError),
        (Kind.OVERLOADED, openai.InternalServerError),
    ],
)
def test_failure_is_the_sdks_own_exception(
    kind: Kind, error: type[openai.APIStatusError], provider: Provider, client: openai.OpenAI
) -> None:
    """Each kind is raised as the class its status has, with our words and path."""
    provider.answer(DIALECT.write_failure(Failure(kind, "words", at="$.input")))
    with pytest.raises(error, match="words") as caught:
        client.responses.create(model="m", input="Hi")
    assert caught.value.param == "$.input"


def test_failure_before_anything_is_raised(provider: Provider, client: openai.OpenAI) -> None:
    """An error event at the very start is an exception to the plain iterator too."""
    provider.stream([], malformed("gone"))
    with (
        client.responses.create(model="m", input="Hi", stream=True) as stream,
        pytest.raises(openai.APIError, match="gone"),
    ):
        list(stream)
