"""A recording tells again exactly what was told, and only what is worth telling again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialects.corpus import Sample, samples, write

from dragoman.cache.recording import Head, Recorder, Recording, read
from dragoman.cache.recording import write as written
from dragoman.core.events import Append, Close, End, Event, Open, Start, Stop, unfold
from dragoman.core.extras import Extras, Loss
from dragoman.core.request import Message, Opaque, Request, Signature, Text, Thinking, ToolCall
from dragoman.core.usage import Usage

KEY = b"k" * 32
START, OPEN, SAID, CLOSE = Start("id", "m"), Open(0, Text("")), Append(0, "hello"), Close(0)
HELLO: list[Event] = [START, OPEN, SAID, CLOSE, Stop("end"), End(Usage(1, output=1))]

EVERYTHING: list[Event] = [
    Start(
        "id",
        "m",
        created_at=1,
        usage=Usage(3, cache_read=2),
        extras=Extras("d", {"n": [1, 1.0, None]}, ("f",)),
    ),
    Open(0, Thinking("", signature=Signature("anthropic", "s", "m", "i"))),
    Append(0, "\u00e9\U0001f600\x00", extras=Extras("openai_chat", {"logprobs": {"x": -0.25}})),
    Close(0, Signature("anthropic", "t"), Extras("d", quiet={"q": True})),
    Open(1, ToolCall("c", "f", "", synthetic=True), choice=1),
    Append(1, '{"a":1}'),
    Close(1),
    Open(2, Opaque("gemini", "k", {"deep": {"big": 2**64 - 1, "small": -(2**63)}})),
    Close(2),
    Stop("tool_use", 1, native="tool_calls"),
    Stop("stop_sequence", sequence="x", extras=Extras("d", {"a": "b"})),
    End(Usage(7, reasoning=2, cost=Decimal("0.000100"), native=Extras("d", {"u": 1})), Extras("d", {"e": 1})),
]


class Kept:
    """A recorder, what it kept, and why it did not."""

    def __init__(self, largest: int = 1 << 20) -> None:
        self.body: bytes | None = None
        self.lost: list[str] = []
        self.recorder = Recorder(KEY, largest=largest, keep=self._keep, lost=self.lost.append)

    def _keep(self, body: Callable[[float], bytes]) -> None:
        assert self.body is None
        self.body = body(12.5)


def kept(events: Iterable[Event], largest: int = 1 << 20) -> Kept:
    """Record `events` and ask that they be kept."""
    made = Kept(largest)
    for event in events:
        made.recorder.feed(event)
    made.recorder.keep("p", "m", losses=[Loss("dropped", "seed", "why")], fallback=True, reason="gone")
    return made


def told(body: bytes | None) -> Recording:
    """Return what a body tells."""
    assert body is not None
    found = read(KEY, body)
    assert found is not None
    return found


def test_every_event_survives() -> None:
    """Each kind of event, with everything it may carry, is equal afterwards, money exactly."""
    found = told(kept(EVERYTHING).body)
    assert found.events == EVERYTHING
    end = found.events[-1]
    assert isinstance(end, End)
    assert end.usage is not None
    assert str(end.usage.cost) == "0.000100"


def test_who_answered_is_told_too() -> None:
    """Provider, model, time, losses and fallback are part of the recording."""
    found = told(kept(HELLO).body)
    assert msgspec.structs.replace(found, events=[]) == Recording(
        [], "p", "m", 12.5, (Loss("dropped", "seed", "why"),), fallback=True, reason="gone"
    )


@given(st.lists(st.text(), max_size=20))
def test_pieces_stay_the_pieces_they_were(pieces: list[str]) -> None:
    """Nothing is joined or split: a stream is replayed in the chunks it came in."""
    said = [Append(0, piece) for piece in pieces]
    events: list[Event] = [START, OPEN, *said, CLOSE, Stop("end"), End()]
    assert told(kept(events).body).events == events


@samples("streams")
def test_a_replayed_stream_is_the_same_bytes(sample: Sample) -> None:
    """What providers really said is replayed byte for byte in their own dialect, if it was done."""
    events, failure = sample.events()
    made = kept(events)
    if failure is not None or made.body is None:
        assert failure is not None or made.lost == ["unfit"]
        return
    asked = Request(sample.dialect, "m", (Message("user", (Text("Hi"),)),), stream=True, stream_usage=True)
    assert told(made.body).events == events
    assert write(sample.codec, told(made.body).events, asked) == write(sample.codec, events, asked)


@samples("answers")
def test_a_replayed_answer_is_the_same(sample: Sample) -> None:
    """Whole answers of every dialect survive as well, if they were done."""
    events = unfold(sample.codec.read_answer(sample.reply))
    made = kept(events)
    if made.body is None:
        assert made.lost == ["unfit"]
    else:
        assert told(made.body).events == events


@pytest.mark.parametrize(
    "events",
    [
        [],
        HELLO[:-1],
        [START, OPEN, SAID, CLOSE, End()],
        [START, Stop("end"), End()],
        HELLO[1:],
        [*HELLO, SAID],
        [START, OPEN, CLOSE, Open(1, Text(""), choice=1), Close(1), Stop("end"), End()],
        *(
            [START, OPEN, CLOSE, Stop(why), End()]
            for why in ("length", "context", "refusal", "filter", "pause")
        ),
        *([START, OPEN, CLOSE, Stop(why), End()] for why in ("bad_tool_call", "error")),
        [START, OPEN, CLOSE, Stop("end"), Stop("length", 1), End()],
    ],
    ids=lambda events: "-".join(type(event).__name__ + getattr(event, "reason", "") for event in events),
)
def test_what_was_cut_or_stopped_for_another_reason_is_not_kept(events: list[Event]) -> None:
    """No end, no stop, nothing said, a limit, a filter, a fault, of any candidate: asked anew next time."""
    made = kept(events)
    assert made.body is None
    assert made.lost == ["unfit"]


@pytest.mark.parametrize("reason", ["end", "stop_sequence", "tool_use"])
def test_what_was_done_is_kept(reason: str) -> None:
    """The reasons that would be the same again."""
    stop = msgspec.convert({"type": "stop", "reason": reason}, Stop)
    assert kept([START, OPEN, CLOSE, stop, End()]).body is not None


def test_what_is_too_large_is_let_go_at_once() -> None:
    """Memory is bounded while the answer still comes, and a failed attempt's size is not the next one's."""
    made = Kept(largest=200)
    large: list[Event] = [START, OPEN, Append(0, "x" * 400)]
    for event in large:
        made.recorder.feed(event)
    assert made.recorder._buffer is None
    assert made.lost == ["too_large"]
    for event in HELLO:
        made.recorder.feed(event)
    assert made.recorder.keep("p", "m")
    assert told(made.body).events == HELLO


def test_another_attempts_start_begins_anew() -> None:
    """What an attempt said before it failed is no part of the answer."""
    assert told(kept([START, OPEN, SAID, *HELLO]).body).events == HELLO


@pytest.mark.parametrize(
    "odd", [2**64, "\ud800", object()], ids=["a large number", "a lone surrogate", "a thing"]
)
def test_what_cannot_be_written_is_not_kept(odd: object) -> None:
    """An extra no format holds costs the recording, not the request."""
    made = kept([Start("id", "m", extras=Extras("d", {"odd": odd})), *HELLO[1:]])
    assert made.body is None
    assert made.lost[0] == "unwritable"


def test_nothing_is_kept_twice() -> None:
    """Keeping ends a recording."""
    made = kept(HELLO)
    assert not made.recorder.keep("p", "m")


@given(st.data())
def test_any_damage_is_noticed(data: st.DataObject) -> None:
    """One wrong byte, a missing end or another's key: there is no recording, and no exception."""
    body = kept(HELLO).body
    assert body is not None
    place = data.draw(st.integers(0, len(body) - 1))
    wrong = body[place] ^ data.draw(st.integers(1, 255))
    assert read(KEY, body[:place] + bytes([wrong]) + body[place + 1 :]) is None
    assert read(KEY, body[:place]) is None
    assert read(b"j" * 32, body) is None


def test_what_another_version_wrote_is_none() -> None:
    """A whole recording of events this version does not know is a miss."""
    strange = msgspec.msgpack.encode({"type": "sang", "index": 0})
    assert read(KEY, written(KEY, Head("p", "m", 1.0), strange, 1)) is None
