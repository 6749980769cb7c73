"""Tools of the Responses API: functions, grammars, and namespaces abroad and at home."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.events import Append, Choice, Close, End, Event, Open, Response, Start, Stop
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Opaque, Request, Tool, ToolCall, ToolChoice
from dragoman.dialects import Call, Reply, anthropic, gemini, openai_chat
from dragoman.dialects.border import Crossing
from dragoman.dialects.fields import decode, encode
from dragoman.dialects.framing import Frame
from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.openai_responses_parts import NAME
from dragoman.dialects.openai_responses_tools import (
    called,
    flat,
    full_names,
    natives,
    nested,
    read_tool,
    read_tools,
    write_tool,
    write_tools,
)

SCHEMA = {"type": "object", "properties": {"task": {"type": "string"}}, "required": ["task"]}
SPAWN = {
    "type": "function",
    "name": "spawn",
    "description": "Spawn one.",
    "parameters": SCHEMA,
    "strict": False,
}
WAIT = {"type": "function", "name": "wait", "parameters": {"type": "object", "properties": {}}}
AGENTS = {"type": "namespace", "name": "agents", "description": "Sub-agents.", "tools": [SPAWN, WAIT]}
READ = {"type": "function", "name": "read", "description": None, "parameters": SCHEMA}
SEARCH = {"type": "web_search"}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}


def homeward(*tools: Json) -> list[Json]:
    """Read a client's tools and write them home."""
    out = Crossing(NAME, home=True)
    written = write_tools(read_tools(tools, "$.tools"), out)
    assert not out.losses
    return written


def names(*tools: Json) -> list[str]:
    """Return what tools are called in the core."""
    return [tool.name if isinstance(tool, Tool) else tool.kind for tool in read_tools(tools, "$.tools")]


def asked(**more: Json) -> Request:
    """Return the request of a client that offers a namespace among other tools."""
    body = {"model": "m", "input": "Hi", "tools": [READ, AGENTS, SEARCH], **more}
    return DIALECT.read_request(Call("POST", "/v1/responses", body=body))


# --- one by one -------------------------------------------------------------------------------------------


def test_grammar_has_two_spellings() -> None:
    """Nested in the core, flat here; what is no grammar stays as it is."""
    assert flat(nested(GRAMMAR)) == GRAMMAR
    assert flat(nested({"type": "text"})) == {"type": "text"}
    assert flat(None) is None


def test_hosted_tool_is_opaque_and_goes_home_only() -> None:
    """What the provider runs itself is verbatim."""
    tool = read_tool({"type": "web_search", "search_context_size": "low"}, "$.tools[0]")
    assert tool == Opaque(NAME, "web_search", {"type": "web_search", "search_context_size": "low"})
    assert write_tool(tool, "tools[0]", Crossing(NAME, home=True)) == tool.data


# --- namespaces -------------------------------------------------------------------------------------------


def test_tools_of_a_namespace_are_tools_like_any_other() -> None:
    """Each has one name, and the first one's words begin with what the model is told of the namespace."""
    _, spawn, wait, search = read_tools([READ, AGENTS, SEARCH], "$.tools")
    assert isinstance(spawn, Tool)
    assert isinstance(wait, Tool)
    assert (spawn.name, spawn.description) == ("agents__spawn", "agents: Sub-agents.\n\nSpawn one.")
    assert (spawn.schema, spawn.strict) == (SCHEMA, False)
    assert (wait.name, wait.description) == ("agents__wait", None)
    assert isinstance(search, Opaque)


@pytest.mark.parametrize(
    "tools",
    [
        [AGENTS],
        [READ, AGENTS, SEARCH],
        [AGENTS, {**AGENTS, "name": "others"}, READ, {**AGENTS, "description": None}],
        [AGENTS, AGENTS],
        [{**AGENTS, "tools": [WAIT, SPAWN], "description": "", "loading": {"mode": "late"}}],
        [{**AGENTS, "tools": [{**WAIT, "description": None, "defer_loading": True, "output_schema": None}]}],
        [{**AGENTS, "tools": [SEARCH, SPAWN, SEARCH, {"type": "mcp"}, WAIT, SEARCH]}],
        [
            {
                **AGENTS,
                "tools": [
                    {"type": "custom", "name": "sh"},
                    {"type": "custom", "name": "g", "format": GRAMMAR},
                ],
            }
        ],
        [{**AGENTS, "tools": [SEARCH]}, {**AGENTS, "tools": []}],
        [{"type": "namespace", "name": "x" * 80, "tools": [{"type": "function", "name": "odd name"}]}],
    ],
)
def test_namespaces_go_home_as_they_came(tools: list[Json]) -> None:
    """Their fields, their members and what stands between them are the same JSON again."""
    assert homeward(*tools) == tools


def test_names_that_meet_stay_apart() -> None:
    """The client's own names are kept; a namespace's that is taken gets a mark, the same every time."""
    own = {"type": "function", "name": "agents__spawn"}
    first, marked, wait = names(own, AGENTS)
    assert (first, wait) == ("agents__spawn", "agents__wait")
    assert marked.startswith("agents__spawn_")
    assert names(AGENTS, own) == [marked, wait, first]
    twins = [
        {"type": "namespace", "name": "a__b", "tools": [{"type": "function", "name": "c"}]},
        {"type": "namespace", "name": "a", "tools": [{"type": "function", "name": "b__c"}]},
    ]
    assert len(set(names(*twins))) == 2
    assert homeward(*twins, own, AGENTS) == [*twins, own, AGENTS]
    tools = read_tools([*twins, own, AGENTS], "$.tools")
    assert {natives(tools)[name]["namespace"] for name in full_names(tools).values()} == {
        "a",
        "a__b",
        "agents",
    }


def test_what_is_not_the_clients_in_a_namespace_is_left_behind_and_declared() -> None:
    """Its unknown members and fields go home only; a namespace of nothing else is Opaque."""
    odd = {
        **AGENTS,
        "tools": [SEARCH, SPAWN, {"type": "custom", "name": "g", "format": GRAMMAR}],
        "mode": "x",
    }
    call = anthropic.DIALECT.write_request(asked(tools=[odd], max_output_tokens=64))
    assert [tool["name"] for tool in call.body["tools"]] == ["agents__spawn"]
    assert {str(loss) for loss in call.losses} == {
        "dropped:tools[0].namespace.mode",
        "dropped:tools[0].namespace.tools[0]",
        "dropped:tools[0].namespace.tools[2]",
    }
    assert read_tools([{**AGENTS, "tools": [SEARCH]}], "$.tools") == (
        Opaque(NAME, "namespace", {**AGENTS, "tools": [SEARCH]}),
    )


@pytest.mark.parametrize(
    ("tool", "at"),
    [
        ({**AGENTS, "name": None}, "$.tools[0].name"),
        ({**AGENTS, "tools": None}, "$.tools[0].tools"),
        ({**AGENTS, "tools": [3]}, "$.tools[0].tools[0]"),
        ({**AGENTS, "tools": [SPAWN, {"type": "function"}]}, "$.tools[0].tools[1].name"),
        ({**AGENTS, "description": 3}, "$.tools[0].description"),
    ],
)
def test_faulty_namespace_is_refused_with_its_path(tool: Json, at: str) -> None:
    """A namespace is read as strictly as a function."""
    with pytest.raises(Failure) as caught:
        read_tools([tool], "$.tools")
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


# --- choices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "called_by"),
    [
        ({"type": "function", "name": "spawn", "namespace": "agents"}, ("agents__spawn",)),
        ({"type": "function", "name": "spawn"}, ("agents__spawn",)),
        ({"type": "function", "name": "read"}, ("read",)),
        ({"type": "function", "name": "read", "namespace": "read"}, ("read",)),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "namespace", "name": "agents"}, {"type": "function", "name": "read"}],
            },
            ("agents__spawn", "agents__wait", "read"),
        ),
    ],
)
def test_choice_of_a_namespaces_tools_is_carried(choice: Json, called_by: tuple[str, ...]) -> None:
    """However it names them, they are meant abroad, and at home it is as it came."""
    request = asked(tool_choice=choice)
    assert isinstance(request.tool_choice, ToolChoice)
    assert request.tool_choice.names == called_by
    assert DIALECT.write_request(request).body["tool_choice"] == choice
    losses = openai_chat.DIALECT.write_request(asked(tool_choice=choice, tools=[READ, AGENTS])).losses
    assert not losses


def test_bare_name_that_two_namespaces_have_means_neither() -> None:
    """It stays what it is, and so does what is no name."""
    tools = read_tools([AGENTS, {**AGENTS, "name": "others"}], "$.tools")
    assert called({"type": "function", "name": "spawn"}, tools) == ["spawn"]
    assert called({"type": "function", "name": "spawn", "namespace": "others"}, tools) == ["others__spawn"]
    assert called({"type": "image_generation"}, tools) == []


# --- calls ------------------------------------------------------------------------------------------------


HISTORY: list[Json] = [
    {"role": "user", "content": "Hi"},
    {"type": "function_call", "call_id": "c1", "name": "spawn", "namespace": "agents", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "done"},
]


@pytest.mark.parametrize("clash", [False, True])
def test_history_calls_a_tool_by_the_name_it_is_offered_by(*, clash: bool) -> None:
    """Every provider sees one name for a tool, in what is offered and in what was called."""
    own = [{"type": "function", "name": "agents__spawn"}] if clash else []
    request = asked(input=HISTORY, tools=[AGENTS, *own], max_output_tokens=64)
    name = names(AGENTS, *own)[0]
    chat = openai_chat.DIALECT.write_request(request).body
    assert chat["messages"][1]["tool_calls"][0]["function"]["name"] == name
    assert chat["tools"][0]["function"]["name"] == name
    claude = anthropic.DIALECT.write_request(request).body
    assert claude["messages"][1]["content"][0]["name"] == claude["tools"][0]["name"] == name
    google = gemini.DIALECT.write_request(request).body
    parts = [part for content in google["contents"] for part in content["parts"]]
    told = [
        part[kind]["name"] for part in parts for kind in ("functionCall", "functionResponse") if kind in part
    ]
    assert told == [name, name]
    assert DIALECT.write_request(request).body["input"] == HISTORY


CALL = ToolCall("toolu_1", "agents__spawn", '{"task":"x"}')
STOP = Stop("tool_use")


def test_whole_answers_call_names_the_namespace() -> None:
    """The client gets the two fields it knows the tool by, and nothing is lost."""
    reply = DIALECT.write_answer(Response("msg_1", "m", (Choice((CALL,), STOP),)), asked())
    (item,) = reply.body["output"]
    assert (item["name"], item["namespace"]) == ("spawn", "agents")
    assert (item["call_id"], item["arguments"]) == ("toolu_1", '{"task":"x"}')
    assert reply.body["tools"] == [READ, AGENTS, SEARCH], "the echo is the client's own"
    assert not reply.losses


def test_streamed_answers_call_names_the_namespace() -> None:
    """So does every event of a stream that tells the item."""
    writer = DIALECT.writer(asked(stream=True))
    shell = ToolCall(CALL.id, CALL.name)
    events: list[Event] = [
        Start("msg_1", "m"),
        Open(0, shell),
        Append(0, CALL.arguments),
        Close(0),
        STOP,
        End(),
    ]
    data: list[dict[str, Any]] = [decode(frame.data) for event in events for frame in writer.feed(event)]
    items = [value["item"] for value in data if "item" in value] + data[-1]["response"]["output"]
    assert [(item["name"], item["namespace"]) for item in items] == [("spawn", "agents")] * 3
    assert not writer.losses


@pytest.mark.parametrize("late", [False, True])
def test_streamed_call_of_the_providers_goes_home(*, late: bool) -> None:
    """A namespace that comes with the item, or only when it is done, is told again in the same place."""
    item = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "spawn", "arguments": ""}
    done = {**item, "arguments": "{}", "status": "completed", "namespace": "agents"}
    added = {**item, "status": "in_progress"} | ({} if late else {"namespace": "agents"})
    response = {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": [done]}
    frames: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": added},
        {
            "type": "response.function_call_arguments.delta",
            "item_id": "fc_1",
            "output_index": 0,
            "delta": "{}",
        },
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": response},
    ]
    reader, writer = DIALECT.reader(), DIALECT.writer(asked(stream=True))
    events = [event for frame in frames for event in reader.feed(Frame(encode(frame)))]
    told = [decode(frame.data) for event in events for frame in writer.feed(event)]
    items = [value["item"] for value in told if "item" in value]
    assert items == [added, done]
    assert told[-1]["response"]["output"] == [done]


def test_providers_namespace_is_not_in_a_name_that_others_see() -> None:
    """Who asked in another protocol offered no namespace, and is told the name that it knows."""
    item = {"type": "function_call", "call_id": "c", "name": "read", "namespace": "read_1", "arguments": "{}"}
    answer = DIALECT.read_answer(Reply(200, body={"object": "response", "output": [item]}))
    reply = openai_chat.DIALECT.write_answer(answer, Request("openai_chat", "m"))
    assert reply.body["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "read"
    assert {str(loss) for loss in reply.losses} == {"dropped:answer.parts[0].namespace"}
    assert DIALECT.write_answer(answer, asked()).body["output"] == [item]
