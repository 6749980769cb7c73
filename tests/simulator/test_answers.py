"""What is said: words, tools, formats, thinking and usage, before any dialect."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest

from dragoman.core.events import Append, End, Event, Open, Start, Stop, fold
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import (
    Format,
    Media,
    Message,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    plain_text,
)
from dragoman.core.usage import Usage
from dragoman.simulator.answers import MEDIA_TOKENS, compose, digest, input_tokens
from dragoman.simulator.behaviour import Behaviour, Called, Counts

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER = Tool("weather", schema=SCHEMA)
CLOCK = Tool("clock", schema={"type": "object", "properties": {}})


def asked(text: str = "say hello", dialect: str = "openai_chat", **more: Any) -> Request:
    """Return a request."""
    return Request(dialect, "m", (Message("user", (Text(text),)),), **more)


def told(request: Request, behaviour: Behaviour | None = None, seed: int = 0) -> list[Event]:
    """Return the events of an answer."""
    return list(compose(request, behaviour or Behaviour(), digest(seed, request)).events)


def text_of(request: Request, behaviour: Behaviour | None = None) -> str:
    """Return the words of an answer."""
    return plain_text(fold(told(request, behaviour)).choices[0].parts)


def stop_of(request: Request, behaviour: Behaviour | None = None) -> Stop:
    """Return why an answer stopped."""
    return fold(told(request, behaviour)).choices[0].stop


def test_the_same_request_is_answered_the_same() -> None:
    """Every word, id and date depends on the seed and the request alone."""
    assert told(asked()) == told(asked())
    assert told(asked()) != told(asked(), seed=1)
    assert told(asked()) != told(asked("say goodbye"))


def test_a_stream_says_what_a_unary_answer_says() -> None:
    """How the answer is to be sent does not change it."""
    assert told(asked(stream=True, stream_usage=True)) == told(asked())


def test_an_answer_told_at_once_is_the_same() -> None:
    """How many Appends there are does not change what they fold to."""
    request = asked("use the tool", tools=(WEATHER,), reasoning=Reasoning(effort="low"), candidates=2)
    behaviour = Behaviour(tokens=100, text="first")
    whole = fold(compose(request, behaviour, bytes(32), at_once=True).events)
    assert whole == fold(compose(request, behaviour, bytes(32)).events)


@pytest.mark.parametrize("tokens", [0, 1, 7, 300])
def test_tokens_are_words_and_appends(tokens: int) -> None:
    """An answer of n tokens has n words in n Appends and costs n output tokens."""
    events = told(asked(), Behaviour(tokens=tokens))
    assert sum(isinstance(event, Append) for event in events) == tokens
    assert len(text_of(asked(), Behaviour(tokens=tokens)).split()) == tokens
    end = events[-1]
    assert isinstance(end, End)
    assert end.usage == Usage(input=3, output=tokens)


def test_chunks_have_the_size_asked_for() -> None:
    """All but the last Append have exactly so many characters, and the text is the same."""
    pieces = [e.text for e in told(asked(), Behaviour(chunk_size=5)) if isinstance(e, Append)]
    assert {len(piece) for piece in pieces[:-1]} == {5}
    assert "".join(pieces) == text_of(asked())


def test_fixed_text_and_echo() -> None:
    """What is said can be given, or be what the user said; space is kept."""
    said = "  two\nlines,  of  text "
    assert text_of(asked(), Behaviour(text=said)) == said
    assert text_of(asked(said), Behaviour(echo=True)) == said


def test_a_limit_cuts_the_answer() -> None:
    """The client's token limit holds, and the answer says that it was cut."""
    assert len(text_of(asked(max_output=5)).split()) == 5
    assert stop_of(asked(max_output=5)).reason == "length"
    assert stop_of(asked(max_output=16)).reason == "end"
    assert text_of(asked(max_output=2), Behaviour(text="one two three")) == "one two "


def test_a_stop_sequence_stops() -> None:
    """Text ends before the first stop sequence in it, and the sequence is named."""
    request = asked(stop=("nothing", "three", "two"))
    assert text_of(request, Behaviour(text="one two three")) == "one "
    stop = stop_of(request, Behaviour(text="one two three"))
    assert (stop.reason, stop.sequence) == ("stop_sequence", "two")


def test_candidates_are_told_one_after_the_other() -> None:
    """As many choices as asked for, part indices running on, usage over all."""
    events = told(asked(candidates=3), Behaviour(tokens=2))
    assert [(e.index, e.choice) for e in events if isinstance(e, Open)] == [(0, 0), (1, 1), (2, 2)]
    answer = fold(events)
    assert len({plain_text(choice.parts) for choice in answer.choices}) == 3
    assert answer.usage is not None
    assert answer.usage.output == 6


@pytest.mark.parametrize(
    ("reasoning", "wish", "thinks"),
    [
        (None, "auto", False),
        (None, "always", True),
        (Reasoning(effort="high"), "auto", True),
        (Reasoning(effort="none"), "auto", False),
        (Reasoning(enabled=False), "auto", False),
        (Reasoning(budget=1024), "never", False),
    ],
)
def test_thinking_comes_when_asked_for(reasoning: Reasoning | None, wish: Any, *, thinks: bool) -> None:
    """Thinking leads the answer, and is counted as reasoning and not as output."""
    answer = fold(told(asked(reasoning=reasoning), Behaviour(thinking=wish, thinking_tokens=4)))
    assert isinstance(answer.choices[0].parts[0], Thinking) is thinks
    assert answer.usage is not None
    assert (answer.usage.reasoning, answer.usage.output) == (4 if thinks else 0, 16)


def test_anthropic_signs_its_thinking() -> None:
    """The signature is there even if the thinking is not to be seen; others do not sign."""
    for show in ("full", "none"):
        request = asked(dialect="anthropic", reasoning=Reasoning(enabled=True, show=show))
        part = fold(told(request)).choices[0].parts[0]
        assert isinstance(part, Thinking)
        assert bool(part.text) is (show == "full")
        assert part.signature is not None
        assert part.signature.origin == "anthropic"
    plain = fold(told(asked(reasoning=Reasoning(enabled=True)))).choices[0].parts[0]
    assert isinstance(plain, Thinking)
    assert plain.signature is None


RESULT = Message("user", (ToolResult("call_1", (Text("sunny"),)),))
CALL = Message("assistant", (ToolCall("call_1", "weather", "{}"),))
PLEA = Message("user", (Text("Please USE THE TOOL."),))


@pytest.mark.parametrize(
    ("messages", "choice", "wish", "names"),
    [
        ((PLEA,), None, "auto", ["weather"]),
        ((PLEA,), ToolChoice("none"), "auto", []),
        ((PLEA,), None, "never", []),
        ((PLEA, CALL, RESULT), None, "auto", []),
        ((PLEA, CALL, RESULT, PLEA), None, "auto", ["weather"]),
        ((Message("user", (Text("hello"),)),), None, "auto", []),
        ((Message("user", (Text("hello"),)),), None, "always", ["weather"]),
        ((Message("user", (Text("hello"),)),), ToolChoice("required"), "auto", ["weather"]),
        ((Message("user", (Text("hello"),)),), ToolChoice("required", ("clock",)), "auto", ["clock"]),
        ((PLEA,), ToolChoice("auto", ("clock",)), "auto", ["clock"]),
    ],
)
def test_tools_are_called_when_they_should_be(
    messages: tuple[Message, ...], choice: ToolChoice | None, wish: Any, names: list[str]
) -> None:
    """A tool is called when it is required, or when the user asks and no result has come since."""
    request = Request("openai_chat", "m", messages, (WEATHER, CLOCK), choice)
    answer = fold(told(request, Behaviour(tool_calls=wish))).choices[0]
    calls = [part for part in answer.parts if isinstance(part, ToolCall)]
    assert [call.name for call in calls] == names
    assert answer.stop.reason == ("tool_use" if names else "end")


def test_arguments_are_valid_and_come_in_pieces() -> None:
    """Parallel calls have ids of their own and arguments their schemas allow, told bit by bit."""
    request = asked("use the tool", tools=(WEATHER, CLOCK))
    events = told(request, Behaviour(calls=3))
    calls = [part for part in fold(events).choices[0].parts if isinstance(part, ToolCall)]
    assert [call.name for call in calls] == ["weather", "clock", "weather"]
    assert len({call.id for call in calls}) == 3
    for call in calls:
        schema = SCHEMA if call.name == "weather" else CLOCK.schema
        jsonschema.validate(msgspec.json.decode(call.arguments), schema)
    assert sum(isinstance(event, Append) and event.index == 0 for event in events) > 1


def test_one_call_if_parallel_ones_are_forbidden() -> None:
    """The client's wish wins over the script's."""
    request = asked("use the tool", tools=(WEATHER, CLOCK), parallel_tools=False)
    assert len(fold(told(request, Behaviour(calls=3))).choices[0].parts) == 1


def test_a_custom_tool_gets_words() -> None:
    """A tool without a schema that takes free text gets free text."""
    part = fold(told(asked("use the tool", tools=(Tool("shell", custom=True),)))).choices[0].parts[0]
    assert isinstance(part, ToolCall)
    assert part.custom
    assert len(part.arguments.split()) == 4


READ = Called("read", {"path": "a.txt", "lines": [1, 2]})
LIST = Called("list")
FILES = (Tool("list", schema={"type": "object"}), Tool("read", schema={"type": "object"}))


def called(request: Request, behaviour: Behaviour) -> list[ToolCall]:
    """Return the tools an answer calls."""
    parts = fold(told(request, behaviour)).choices[0].parts
    return [part for part in parts if isinstance(part, ToolCall)]


def answered(request: Request, calls: list[ToolCall], said: str = "done") -> Request:
    """Return `request` with `calls` made, answered, and followed by a word of the user's."""
    results = tuple(ToolResult(call.id, (Text(f"{said} {call.name}"),)) for call in calls)
    messages = (
        *request.messages,
        Message("assistant", tuple(calls)),
        Message("user", (*results, Text("go on"))),
    )
    return msgspec.structs.replace(request, messages=messages)


def test_tools_are_called_by_name_one_after_the_other() -> None:
    """A script of calls is made in order, each once, whatever the user says; then words are said."""
    request, behaviour = asked(tools=FILES), Behaviour(call=(READ, LIST, READ))
    names = []
    while calls := called(request, behaviour):
        assert stop_of(request, behaviour).reason == "tool_use"
        names += [(call.name, call.arguments) for call in calls]
        # A client may respell what it repeats.
        request = answered(request, [msgspec.structs.replace(call, arguments="{}") for call in calls])
    assert names == [
        ("read", '{"path":"a.txt","lines":[1,2]}'),
        ("list", "{}"),
        ("read", '{"path":"a.txt","lines":[1,2]}'),
    ]
    assert stop_of(request, behaviour).reason == "end"


def test_tools_are_called_by_name_several_at_a_time() -> None:
    """As many as `calls` says, and one if parallel calls are forbidden."""
    behaviour = Behaviour(call=(READ, LIST, READ), calls=2)
    first = called(asked(tools=FILES), behaviour)
    assert [call.name for call in first] == ["read", "list"]
    assert len({call.id for call in first}) == 2
    assert [call.name for call in called(answered(asked(tools=FILES), first), behaviour)] == ["read"]
    assert [call.name for call in called(asked(tools=FILES, parallel_tools=False), behaviour)] == ["read"]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"tools": (WEATHER,)},
        {"tools": FILES, "tool_choice": ToolChoice("none")},
        {"tools": FILES, "tool_choice": ToolChoice("required", ("list",))},
    ],
)
def test_a_tool_that_is_not_offered_is_not_called(more: dict[str, Any]) -> None:
    """A named call is made only where the request allows it."""
    assert called(asked(**more), Behaviour(call=(READ,))) == []
    assert called(asked(tools=FILES), Behaviour(call=(READ,), tool_calls="never")) == []


def test_arguments_may_be_any_text() -> None:
    """A string is sent as it is: what a custom tool takes, or what is no JSON at all."""
    tools = (Tool("patch", custom=True),)
    [call] = called(asked(tools=tools), Behaviour(call=(Called("patch", "*** Begin"),)))
    assert (call.arguments, call.custom) == ("*** Begin", True)
    [call] = called(asked(tools=FILES), Behaviour(call=(Called("read", '{"path":'),)))
    assert call.arguments == '{"path":'


def test_what_a_tool_answered_is_said_back() -> None:
    """Echo of a tool proves that its result arrived; before there is one, other words are said."""
    behaviour = Behaviour(call=(READ,), echo="tool", tokens=3)
    request = asked(tools=FILES)
    result = answered(request, called(request, behaviour), "the word of")
    assert text_of(result, behaviour) == "the word of read"
    assert len(text_of(asked(), behaviour).split()) == 3
    assert text_of(asked(format=Format("json")), behaviour).startswith("{")


def test_structured_output_is_valid() -> None:
    """Text for a JSON Schema conforms to it; text for JSON is an object; given text is left alone."""
    held = asked(format=Format("json_schema", SCHEMA, "forecast"))
    jsonschema.validate(msgspec.json.decode(text_of(held)), SCHEMA)
    assert isinstance(msgspec.json.decode(text_of(asked(format=Format("json")))), dict)
    assert text_of(held, Behaviour(text="no json")) == "no json"


def test_a_schema_without_an_instance_is_refused() -> None:
    """The simulator says what it cannot do, and where."""
    with pytest.raises(Failure) as caught:
        told(asked(format=Format("json_schema", {"enum": []})))
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "$.format.schema")


def test_usage_can_be_said() -> None:
    """Cached tokens come out of the input; what is given replaces what was counted; or nothing is told."""
    events = told(
        asked("one two three four"), Behaviour(counts=Counts(cache_read=2, cache_write=1, output=99))
    )
    start, end = events[0], events[-1]
    assert isinstance(start, Start)
    assert isinstance(end, End)
    assert end.usage == Usage(input=2, cache_read=2, cache_write=1, output=99)
    assert start.usage == Usage(input=2, cache_read=2, cache_write=1, output=1)
    silent = told(asked(), Behaviour(usage=False))
    assert isinstance(silent[0], Start)
    assert silent[0].usage is None
    assert silent[-1] == End()


def test_input_is_words_media_and_tools() -> None:
    """Tokens read grow with each thing the model reads, and with nothing else."""
    plain = input_tokens(asked("one two three"))
    assert plain == 4
    pictured = Request("x", "m", (Message("user", (Text("one two three"), Media("image", "url", "u"))),))
    assert input_tokens(pictured) == plain + MEDIA_TOKENS
    assert input_tokens(asked("one two three", tools=(WEATHER,))) > plain
    assert input_tokens(asked("one two three", user="someone", max_output=7)) == plain


def test_an_endless_answer_takes_no_memory() -> None:
    """Pseudo-text is drawn as it is read."""
    events = compose(asked(), Behaviour(tokens=10**9), bytes(32)).events
    assert isinstance(next(events), Start)
    assert isinstance(next(events), Open)
    assert isinstance(next(events), Append)
