"""Chunks and events: the wire's exact text, the oddities of servers, and what ends an answer."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.dialects.corpus import OWN, read, write

from dragoman.core.events import Append, Close, End, Event, Open, Start, Stop, fold
from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.request import Media, Opaque, Request, Signature, Text, Thinking, ToolCall
from dragoman.core.usage import Usage
from dragoman.dialects.framing import Frame
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat_parts import NAME
from dragoman.dialects.openai_chat_stream import Reader, Writer, read_usage, write_usage

PLAIN = Request("anthropic", "m", stream=True)
COUNTED = Request("anthropic", "m", stream=True, stream_usage=True)


def chunk(delta: Json = None, finish: Json = None, **more: Json) -> Frame:
    """Return one frame of one choice."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return Frame(json.dumps({"id": "c", "model": "m", "created": 1, "choices": [choice], **more}).encode())


def heard(*frames: Frame) -> list[Event]:
    """Read frames, and the end of the stream."""
    reader = Reader()
    events = [event for frame in frames for event in reader.feed(frame)]
    return events + reader.close()


def own(name: str) -> tuple[list[Event], Failure | None]:
    """Read a stream of the corpus."""
    return read(DIALECT, (OWN / NAME / "streams" / f"{name}.sse").read_bytes())


def parts(name: str, choice: int = 0) -> Any:
    """Return the parts a stream of the corpus folds to."""
    events, failure = own(name)
    assert failure is None
    return fold(events).choices[choice].parts


def lines(events: list[Event], request: Request = PLAIN) -> list[str]:
    """Return the data of each frame written."""
    return [line[6:] for line in write(DIALECT, events, request).decode().split("\n\n") if line]


# ---------------------------------------------------------------------------- read


def test_a_text_stream() -> None:
    """A stream is Start, the part in pieces, Stop and End; padding and nulls are not events."""
    events, _ = own("text")
    assert events == [
        Start(
            "chatcmpl-1",
            "gpt-5",
            1790000000,
            extras=Extras(NAME, quiet={"system_fingerprint": "fp_1", "service_tier": "default"}),
        ),
        Open(0, Text("")),
        Append(0, "Hel"),
        Append(0, "lo 🌍\u2028!"),
        Close(0),
        Stop("end", native="stop"),
        End(events[-1].usage),  # type: ignore[union-attr]
    ]


def test_calls_in_parallel_come_one_after_the_other() -> None:
    """Each call is complete before the next begins, in fragments as they came."""
    events, _ = own("tools_in_parallel")
    assert events[1:] == [
        Open(0, ToolCall("call_1", "get_weather")),
        Append(0, '{"ci'),
        Append(0, 'ty":"Oslo"}'),
        Close(0),
        Open(1, ToolCall("call_2", "get_time")),
        Append(1, "{}"),
        Close(1),
        Stop("tool_use", native="tool_calls"),
        End(events[-1].usage),  # type: ignore[union-attr]
    ]


def test_interleaved_calls_wait_for_each_other() -> None:
    """A call that starts while another is incomplete is held back, and nothing of it is lost."""
    assert [(part.id, part.arguments) for part in parts("tools_interleaved")] == [
        ("call_1", '{"x":1}'),
        ("call_2", '{"y":2}'),
        ("call_3", "{}"),
    ]
    events, _ = own("tools_interleaved")
    assert [event.index for event in events if isinstance(event, (Open, Close))] == [0, 0, 1, 1, 2, 2]


def test_calls_without_index_are_told_apart() -> None:
    """A fragment with a name is a new call; an object of arguments is its JSON text."""
    assert [(part.name, part.arguments, part.synthetic) for part in parts("tools_without_index")] == [
        ("a", '{"x":1}', True),
        ("b", '{"y":2}', True),
        ("a", "", True),
    ]
    assert len({part.id for part in parts("tools_without_index")}) == 3


def test_calls_that_share_an_index_are_told_apart_by_id() -> None:
    """Some servers number every call 0."""
    assert [part.id for part in parts("tools_all_index_zero")] == ["call_1", "call_2"]


def test_more_of_a_complete_call_is_a_fault() -> None:
    """Arguments that go on after their object has closed, with another call begun, cannot be told."""
    frames = [
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}}]}),
    ]
    late = {"index": 0, "function": {"arguments": ""}}
    assert heard(*frames, chunk({"tool_calls": [late]}), chunk(finish="tool_calls"))
    late = {"index": 0, "function": {"arguments": "x"}}
    with pytest.raises(Failure, match="complete"):
        heard(*frames, chunk({"tool_calls": [late]}))


def test_words_wait_for_an_open_call() -> None:
    """Text in the middle of a call follows it."""
    events = heard(
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x'}}]}),
        chunk({"content": "meanwhile"}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '":1}'}}]}),
        chunk(finish="tool_calls"),
    )
    assert [type(part) for part in fold(events).choices[0].parts] == [ToolCall, Text]


def test_a_call_cut_off_keeps_its_text() -> None:
    """Arguments that never became JSON are told as they are."""
    (call,) = parts("tool_cut_off")
    assert call.arguments == '{"x":'
    assert fold(own("tool_cut_off")[0]).choices[0].stop.reason == "length"


def test_thinking_in_all_its_spellings() -> None:
    """Strings, details and content parts are all thinking; what signs it is on it."""
    assert parts("reasoning_content")[0] == Thinking("Hm.")
    text, hidden, summary, odd, words = parts("reasoning_details")
    assert (text.text, text.signature) == ("Hm.", Signature("anthropic", "c2ln"))
    assert text.extras.quiet == {"format": "anthropic-claude-v1", "index": 0, "id": "t1"}
    assert (hidden.redacted, hidden.signature) == (True, Signature("anthropic", "ZW5j"))
    assert (summary.text, summary.summary) == ("Sum", True)
    assert odd == Opaque(NAME, "delta", {"reasoning_details": [{"type": "reasoning.odd", "x": 1}]})
    assert words == Text("Yes")
    assert [part.text for part in parts("mistral_thinking") if not isinstance(part, Opaque)] == ["Hm", "Yes!"]
    assert parts("groq")[0].text == "Hm"


def test_a_later_signature_is_on_the_call() -> None:
    """Gemini's signature may come after the call; the last one counts."""
    (call,) = parts("gemini_signature")
    assert call.signature == Signature("gemini", "TGF0ZXI=")


def test_two_choices_are_kept_apart() -> None:
    """Chunks of several choices interleave; parts are numbered over all of them."""
    answer = fold(own("two_choices")[0])
    assert [choice.stop.reason for choice in answer.choices] == ["end", "tool_use"]
    assert [[getattr(part, "text", "call") for part in choice.parts] for choice in answer.choices] == [
        ["A1A2"],
        ["B1B2", "call"],
    ]


def test_what_comes_with_words_rides_on_them() -> None:
    """Log probabilities are on the Append they belong to, and the choice's own fields are Stop's."""
    events, _ = own("logprobs")
    found = [event.extras.rest for event in events if isinstance(event, Append) and event.extras]
    assert [extra["logprobs"]["content"][0]["token"] for extra in found] == ["A", "B"]
    stop = fold(events).choices[0].stop
    assert stop.extras == Extras(NAME, quiet={"native_finish_reason": "completed"})


def test_what_comes_alone_is_a_part() -> None:
    """Annotations between words are an Opaque part, and are the message's again when folded."""
    answer = fold(own("annotations")[0])
    body = DIALECT.write_answer(answer, PLAIN).body
    message = body["choices"][0]["message"]
    assert message["content"] == "Rain!"
    assert message["annotations"][0]["url_citation"]["url"] == "https://example.com"
    assert body["moderation"] == {"flagged": False}


def test_what_azure_sends_first_is_of_the_answer() -> None:
    """A chunk without choices and id does not begin the answer; what it brought is Start's."""
    events, _ = own("azure")
    start = events[0]
    assert isinstance(start, Start)
    assert start.id == "chatcmpl-1"
    assert start.extras is not None
    assert "prompt_filter_results" in start.extras.rest
    stop = fold(events).choices[0].stop
    assert stop.extras is not None
    assert set(stop.extras.rest) == {"content_filter_results", "content_filter_offsets"}


def test_usage_comes_in_many_places() -> None:
    """With the finish, after it, in every chunk, or inside Groq's own object: the last one counts."""
    names = ("text", "mistral_thinking", "perplexity", "groq", "reasoning_content")
    usages = {name: fold(own(name)[0]).usage for name in names}
    assert {name: usage and usage.total for name, usage in usages.items()} == {
        "text": 29,
        "mistral_thinking": 11,
        "perplexity": 3,
        "groq": 11,
        "reasoning_content": 27,
    }
    assert fold(own("crlf_comments")[0]).usage is None


def test_what_is_said_after_finishing_counts() -> None:
    """A server that finishes twice is believed the last time."""
    answer = fold(own("finishes_twice")[0])
    assert answer.choices[0].parts == (Text("ABC"),)
    assert answer.choices[0].stop.native == "stop"


def test_a_terminator_stands_for_a_finish_reason() -> None:
    """[DONE] ends an answer whose server never says why it stopped."""
    stop = fold(own("no_finish_reason")[0]).choices[0].stop
    assert (stop.reason, stop.native) == ("end", None)


@pytest.mark.parametrize("name", ["truncated", "one_choice_unfinished", "no_answer"])
def test_a_stream_that_just_stops_is_cut_off(name: str) -> None:
    """Without a terminator every choice must have finished; an answer without any choice is none."""
    failure = own(name)[1]
    assert failure is not None
    assert (failure.kind, failure.source) == (Kind.TRUNCATED, Source.UPSTREAM)


def test_a_stream_may_close_once_it_has_finished() -> None:
    """A finish reason for every choice is as good as a terminator."""
    assert own("perplexity")[1] is None
    with pytest.raises(Failure):
        heard()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("error_in_the_middle", Kind.UPSTREAM, "had an error"),
        ("error_event", Kind.INVALID, "validation failed"),
        ("error_openrouter", Kind.UPSTREAM, "disconnected"),
        ("error_in_choice", Kind.RATE_LIMITED, "Rate limited"),
        ("error_groq", Kind.UPSTREAM, "over capacity"),
        ("not_json", Kind.UPSTREAM, "not JSON"),
    ],
)
def test_an_error_in_a_stream_is_raised(name: str, kind: Kind, words: str) -> None:
    """What came before it was really said; the error itself is a Failure, wherever the server puts it."""
    events, failure = own(name)
    assert failure is not None
    assert (failure.kind, words in failure.message) == (kind, True)
    assert fold(events).choices[0].parts == (Text("A"),)


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices":null}',
        b'{"choices":[null,"x",{}]}',
        b'{"choices":[{"index":"x","delta":null,"finish_reason":7}]}',
        b'{"choices":[{"delta":{"content":7,"tool_calls":[7,{"function":7,"id":7,"index":"x"}]}}]}',
        b'{"choices":[{"delta":{"content":[7,{"type":"text"},{"type":"thinking"}],"function_call":7}}]}',
        b'{"choices":[{"delta":{"reasoning":7,"reasoning_details":7,"tool_calls":{}}}],"usage":7}',
        b'{"choices":[{"delta":{"reasoning_details":[7,{"type":7},{"type":"reasoning.text","text":7}]}}]}',
        b'{"choices":[{"delta":{"tool_calls":[{"extra_content":{"google":7}}]}}],"created":"x","id":7}',
        b'{"x_groq":7,"id":null}',
    ],
)
def test_nonsense_is_survived(data: bytes) -> None:
    """A provider's wrong type is never a crash."""
    reader = Reader()
    reader.feed(Frame(data))
    try:
        reader.feed(Frame(b"[DONE]"))
    except Failure as failure:
        assert failure.kind is Kind.TRUNCATED  # noqa: PT017  either outcome will do


def test_a_quirk_sees_each_chunk_first() -> None:
    """`amend` rewrites a chunk before it is read."""
    reader = DIALECT.reader(lambda body: {**body, "model": "amended"})
    (start, *_) = reader.feed(chunk({"content": "x"}))
    assert isinstance(start, Start)
    assert start.model == "amended"


# ---------------------------------------------------------------------------- written


def test_the_wire_of_a_text() -> None:
    """Role first, then the words, the finish, usage because it was asked for, and the terminator."""
    head = '{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":'
    delta = '[{"index":0,"delta":%s,"finish_reason":%s}],"usage":null}'
    events: list[Event] = [
        Start("c", "m", 7),
        Open(0, Text("")),
        Append(0, "Hé\u2028"),
        Close(0),
        Stop("end"),
        End(Usage(input=1, output=2)),
    ]
    assert lines(events, COUNTED) == [
        head + delta % ('{"role":"assistant","content":""}', "null"),
        head + delta % ('{"content":"Hé\u2028"}', "null"),
        head + delta % ("{}", '"stop"'),
        head + '[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,'
        '"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,"audio_tokens":0},'
        '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}',
        "[DONE]",
    ]
    assert len(lines(events)) == 4
    assert "usage" not in "".join(lines(events))


def deltas(*events: Event) -> list[Json]:
    """Return the deltas that parts of an answer are written as."""
    chunks = [json.loads(line) for line in lines([Start("c", "m"), *events])]
    return [found["choices"][0]["delta"] for found in chunks]


def test_the_wire_of_a_call() -> None:
    """Id and name come once; the role's content is null; no arguments at all are an empty object."""
    assert deltas(
        Open(0, ToolCall("a", "f")),
        Append(0, '{"x":'),
        Append(0, "1}"),
        Close(0),
        Open(1, ToolCall("b", "g")),
        Close(1),
        Open(2, ToolCall("c", "h", custom=True, signature=Signature("gemini", "Zw=="))),
        Append(2, "ls"),
        Close(2),
    ) == [
        {"role": "assistant", "content": None},
        {
            "tool_calls": [
                {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
        {
            "tool_calls": [
                {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {
            "tool_calls": [
                {
                    "index": 2,
                    "id": "c",
                    "type": "custom",
                    "custom": {"name": "h", "input": ""},
                    "extra_content": {"google": {"thought_signature": "Zw=="}},
                }
            ]
        },
        {"tool_calls": [{"index": 2, "custom": {"input": "ls"}}]},
    ]


def test_the_wire_of_foreign_thinking() -> None:
    """Thinking is a string; what signs it comes last, with the whole text, and is read back as one part."""
    events: list[Event] = [
        Start("c", "m"),
        Open(0, Thinking()),
        Append(0, "H"),
        Append(0, "m"),
        Close(0, Signature("anthropic", "c2ln")),
        Open(1, Text("")),
        Append(1, "Yes"),
        Close(1),
        Stop("end", native="stop"),
        End(),
    ]
    detail = {"type": "reasoning.text", "text": "Hm", "signature": "c2ln", "format": "anthropic-claude-v1"}
    assert deltas(*events[1:5])[1:] == [
        {"reasoning_content": "H"},
        {"reasoning_content": "m"},
        {"reasoning_details": [{**detail, "index": 0}]},
    ]
    assert read(DIALECT, write(DIALECT, events, PLAIN)) == (events, None)


def test_thinking_that_is_signed_at_its_end_is_read_back_once() -> None:
    """Of several texts only the last is signed: the detail that signs it stands for all of them."""
    proof = Signature("openai", "gAAAAA")
    thoughts = (Open(0, Thinking()), Append(0, "First."), Close(0), Open(1, Thinking()), Append(1, "Then."))
    events: list[Event] = [Start("c", "m"), *thoughts, Close(1, proof), Stop("end", native="stop"), End()]
    back, failure = read(DIALECT, write(DIALECT, events, PLAIN))
    assert failure is None
    assert [event.text for event in back if isinstance(event, Append)] == ["First.", "Then."]
    assert [event.signature for event in back if isinstance(event, Close)] == [proof]


def test_the_wire_of_hidden_thinking() -> None:
    """Encrypted thinking is a detail of its own."""
    shell = Thinking(redacted=True, signature=Signature("openai", "ZW5j", id="rs_1"))
    assert deltas(Open(0, shell), Close(0))[1]["reasoning_details"][0]["data"] == "ZW5j"


def test_the_wire_of_a_refusal() -> None:
    """A refusal is a field of its own, and the reason is ``stop``."""
    found = deltas(Open(0, Text("", refusal=True)), Append(0, "No."), Close(0))
    assert found[1:] == [{"refusal": "No."}]
    assert deltas(Stop("refusal"))[1:] == [{"refusal": "The model refused to answer."}]


def test_every_choice_has_its_role() -> None:
    """With several choices each begins with its role, and calls are numbered for each."""
    events: list[Event] = [Start("c", "m")]
    for choice in (0, 1):
        events += [Open(choice, ToolCall(f"c{choice}", "f", "{}"), choice), Close(choice)]
    found = [json.loads(line)["choices"][0] for line in lines(events)]
    assert [(choice["index"], "role" in choice["delta"]) for choice in found] == [
        (0, True),
        (0, False),
        (1, True),
        (1, False),
    ]
    assert [c["delta"]["tool_calls"][0]["index"] for c in found if "tool_calls" in c["delta"]] == [0, 0]


def test_an_empty_answer_still_has_its_role() -> None:
    """A choice without any part is begun before it finishes."""
    events: list[Event] = [Start("c", "m"), Stop("length"), End()]
    found = [json.loads(line)["choices"][0] for line in lines(events)[:-1]]
    assert found[0]["delta"] == {"role": "assistant", "content": ""}
    assert found[1]["finish_reason"] == "length"


def test_foreign_parts_of_a_stream_are_declared() -> None:
    """What only another dialect has is dropped and named; an image is shown as OpenRouter does."""
    writer = Writer(PLAIN)
    foreign = Extras("anthropic", {"x": 1})
    told: list[Event] = [
        Start("c", "m", extras=foreign),
        Open(0, Opaque("anthropic", "search", {})),
        Close(0),
        Open(1, Media("image", "base64", "AA==", mime="image/png")),
        Close(1),
        Open(2, Text("")),
        Append(2, "x", Extras("anthropic", {"y": 1})),
        Close(2, Signature("gemini", "s"), Extras("anthropic", {"citations": [1]})),
        Stop("stop_sequence", sequence="X", extras=Extras("anthropic", {"z": 1})),
        End(extras=Extras("anthropic", {"w": 1})),
    ]
    data = b"".join(frame.data for event in told for frame in writer.feed(event))
    assert b"data:image/png;base64,AA==" in data
    assert [str(loss) for loss in writer.losses] == [
        "dropped:answer.x",
        "dropped:answer.parts[0]",
        "emulated:answer.parts[1]",
        "dropped:answer.parts[2].y",
        "dropped:answer.parts[2].citations",
        "dropped:answer.parts[2].signature",
        "dropped:answer.z",
        "dropped:answer.stop_sequence",
        "dropped:answer.w",
    ]


def test_a_failure_in_a_stream_has_no_clean_end() -> None:
    """An error chunk and nothing after it: the SDK raises."""
    writer = Writer(PLAIN)
    writer.feed(Start("c", "m"))
    (frame,) = writer.fail(Failure(Kind.TRUNCATED, "cut off", source=Source.UPSTREAM))
    assert json.loads(frame.data) == {
        "error": {"message": "cut off", "type": "server_error", "param": None, "code": "upstream_error"}
    }


# ---------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("native", "usage"),
    [
        pytest.param(
            {
                "prompt_tokens": 2006,
                "completion_tokens": 300,
                "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 50, "audio_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 100},
            },
            Usage(30, 1920, 50, 0, 6, 72, 128, 100),
            id="openai",
        ),
        pytest.param(
            {
                "prompt_tokens": 2649,
                "completion_tokens": 100,
                "total_tokens": 2749,
                "cost": 0.00256995,
                "is_byok": False,
                "cost_details": {"upstream_inference_cost": 0.00256995},
                "prompt_tokens_details": {"cache_write_tokens": 79, "cached_tokens": 2569},
            },
            Usage(1, 2569, 79, output=100, cost=Decimal("0.00256995")),
            id="openrouter",
        ),
        pytest.param(
            {
                "prompt_tokens": 1,
                "completion_tokens": 1,
                "cost": 0.05,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 0.95},
            },
            Usage(1, output=1, cost=Decimal("1.00")),
            id="openrouter, own key",
        ),
        pytest.param(
            {"queue_time": 0.2, "prompt_tokens": 304, "completion_tokens": 49, "total_tokens": 353},
            Usage(304, output=49),
            id="groq",
        ),
        pytest.param(
            {
                "prompt_tokens": 540,
                "completion_tokens": 45,
                "total_tokens": 585,
                "prompt_cache_hit_tokens": 512,
                "prompt_cache_miss_tokens": 28,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(28, 512, output=25, reasoning=20),
            id="deepseek",
        ),
        pytest.param(
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "prompt_tokens_details": {"text_tokens": 32, "cached_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            Usage(26, 6, output=9, reasoning=94),
            id="xai: reasoning beside the completion",
        ),
        pytest.param(
            {
                "prompt_tokens": 347,
                "completion_tokens": 18,
                "total_tokens": 365,
                "prompt_tokens_details": {"text_tokens": 347, "cached_tokens": 403},
            },
            Usage(0, 347, output=18),
            id="azure grok: more cached than read",
        ),
        pytest.param(
            {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
            Usage(35, output=12, reasoning=62),
            id="gemini: reasoning only in the total",
        ),
        pytest.param(
            {"prompt_tokens": 254, "completion_tokens": 93, "total_tokens": 347, "num_cached_tokens": 48},
            Usage(206, 48, output=93),
            id="mistral",
        ),
        pytest.param(
            {"prompt_tokens": 4, "completion_tokens": 100, "total_tokens": 104, "cached_tokens": 1},
            Usage(3, 1, output=100),
            id="together",
        ),
        pytest.param(
            {
                "prompt_tokens": 8,
                "completion_tokens": 5,
                "total_tokens": 13,
                "cost": {"input_tokens_cost": 1e-05, "request_cost": 0.005, "total_cost": 0.00501},
            },
            Usage(8, output=5, cost=Decimal("0.00501")),
            id="perplexity",
        ),
        pytest.param(
            {
                "prompt_tokens": 43,
                "completion_tokens": 10,
                "total_tokens": 53,
                "cost": 0,
                "completion_tokens_details": {"reasoning_tokens": 11},
            },
            Usage(43, reasoning=10, cost=Decimal(0)),
            id="more reasoning than completion",
        ),
        pytest.param(
            {"prompt_tokens": None, "completion_tokens": "x", "prompt_tokens_details": None, "cost": "x"},
            Usage(),
            id="nonsense",
        ),
    ],
)
def test_usage_is_taken_apart(native: Json, usage: Usage) -> None:
    """Each vendor's figures become disjoint counters, and are written back verbatim at home."""
    found = read_usage(native)
    counted = {name: getattr(found, name) for name in usage.__struct_fields__ if name != "native"}
    assert counted == {name: getattr(usage, name) for name in counted}
    assert found.total_input == (native.get("prompt_tokens") or 0)
    assert write_usage(found) == native


def test_foreign_usage_is_written_the_inclusive_way() -> None:
    """Cached tokens are in the prompt and reasoning in the completion; the cost is a number."""
    usage = Usage(1, 2, 3, 4, 5, 6, 7, 8, Decimal("0.000123"), native=Extras("anthropic", {"x": 1}))
    assert write_usage(usage) == {
        "prompt_tokens": 15,
        "completion_tokens": 21,
        "total_tokens": 36,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 7, "audio_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 8},
        "cost": 0.000123,
    }
    back = read_usage(write_usage(usage))
    assert (back.total_input, back.total_output, back.cost) == (15, 21, Decimal("0.000123"))


def test_what_came_with_an_unasked_usage_stays_with_it() -> None:
    """A client that asked for no usage never sees a chunk without choices."""
    extras = Extras(NAME, {"timings": {"n": 1}})
    events: list[Event] = [
        Start("c", "m"),
        Open(0, Text("")),
        Append(0, "hi"),
        Close(0),
        Stop("end"),
        End(Usage(input=1, output=1), extras),
    ]
    writer = Writer(PLAIN)
    told = [frame.data for event in events for frame in writer.feed(event)]
    assert told[-1] == b"[DONE]"
    assert all(json.loads(data)["choices"] for data in told[:-1])
