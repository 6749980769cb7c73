"""The conformance run: every client before every provider, feature by feature, on real sockets.

    matrix = asyncio.run(run(folder))       {feature: {(client, provider): Cell}}

One simulator and one gateway serve the whole run. The client is a codec used the other way round. What the
provider heard is read from the simulator's journal and compared with what the client asked; what the client
understood is compared with what the simulator says it told. A cell is

    =   exact: no loss, no difference
    ~   approximated: the losses declared, or what a word of the other dialect stands for
    x   refused: a 400, and at which field
    -   nothing to carry: the client cannot ask it, or the provider never says it

and anything else is not a cell but :class:`Wrong`: a silent loss, words that went missing, an error without a
name. So no cell can be bought by dropping something quietly.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
from tests.crossing import gist
from tests.house import Answer, House, ask, house, post

from dragoman.core.events import Append, Choice, Event, Reason, Response, Stop, fold, unfold
from dragoman.core.extras import Json, Loss
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import (
    Format,
    Media,
    Message,
    Part,
    Reasoning,
    Request,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    plain_text,
    split_system,
)
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Dialect, Reply
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers.transport import AiohttpTransport
from dragoman.simulator import Simulator
from dragoman.simulator.answers import compose, digest
from dragoman.simulator.behaviour import Behaviour, Canned, Counts, Error, Fault
from dragoman.simulator.script import Match, Rule, Script

Pair = tuple[str, str]
Matrix = dict[str, dict[Pair, "Cell"]]
Play = Callable[["Stage", Dialect, Dialect], Awaitable["Cell"]]
Mark = Literal["=", "~", "x", "-"]


class Wrong(AssertionError):
    """A pair that says something else than what was said, and does not say so."""


class Cell(msgspec.Struct, frozen=True):
    """How one feature fares between a client and a provider, and why it is not exact."""

    mark: Mark
    notes: tuple[str, ...] = ()


EXACT = Cell("=")
MUTE_CLIENT = Cell("-", ("the client's dialect has no words for it",))
MUTE_PROVIDER = Cell("-", ("the provider's dialect has no words for it",))


# --- WHAT IS ASKED ------------------------------------------------------------------------------------

DOT = "iVBORw0KGgo="
WORDS = "Né 😀\u2028 one two three, end."
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOL = Tool("weather", "Say the weather.", WEATHER)
CLOCK = Tool("clock", "Say the time.", {"type": "object", "properties": {}, "additionalProperties": False})
THINK = Reasoning(enabled=True, effort="low", show="full")
HELLO = Message("user", (Text("say hello"),))


def loop(*results: ToolResult) -> tuple[Message, ...]:
    """Return a conversation in which a tool was called and has answered."""
    call = ToolCall("call_a1", "weather", '{"city":"Here","days":2}')
    return (Message("user", (Text("weather?"),)), Message("assistant", (call,)), Message("user", results))


def shown(part: Part) -> tuple[Message, ...]:
    """Return a conversation in which the user shows something."""
    return (Message("user", (Text("look"), part)),)


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One feature: what is asked, what the provider does, and how to see that both happened.

    Attributes:
        ask: Fields of the client's request.
        ask_at: Those that depend on the simulator's address.
        play: What the simulator does with it.
        asked: Whether the client's words say the feature; if not, its dialect has none for it.
        told: Whether the provider's words say it.
    """

    ask: dict[str, Any] = {}
    ask_at: Callable[[str], dict[str, Any]] = lambda _: {}
    play: Behaviour = Behaviour(text="Done.")
    stream: bool = False
    asked: Callable[[Request], bool] = lambda _: True
    told: Callable[[Response], bool] = lambda _: True


def _parts(request: Request) -> list[Part]:
    return [part for message in request.messages for part in message.parts]


def _media(request: Request) -> list[Media]:
    return [part for part in _parts(request) if isinstance(part, Media)]


def _calls(response: Response) -> list[ToolCall]:
    return [part for part in response.choices[0].parts if isinstance(part, ToolCall)]


def _results(request: Request) -> list[ToolResult]:
    return [part for part in _parts(request) if isinstance(part, ToolResult)]


def _ends(reason: Reason) -> Scene:
    return Scene(
        play=Behaviour(text="That is", stop=reason),
        told=lambda told: told.choices[0].stop.reason == reason,
    )


CALLING: dict[str, Any] = {"tools": (TOOL,)}
PDF = Media("document", "base64", "JVBERi0xLjQK", mime="application/pdf", name="a.pdf")
NOTE = Media("document", "text", "All about it.", mime="text/plain", name="a.txt")
INLINE = Media("image", "base64", DOT, mime="image/png")
LINKED = "/a.gif"
"""Where the simulator serves an image; its bytes are Latin-1, as those of a canned reply are."""
IMAGE = Rule(
    Match(path=LINKED), Behaviour(reply=Canned(headers={"content-type": "image/gif"}, body="GIF89a"))
)

SCENES: dict[str, Scene] = {
    "text": Scene(play=Behaviour(text=WORDS), told=lambda told: plain_text(told.choices[0].parts) == WORDS),
    "text, streamed": Scene(
        play=Behaviour(text=WORDS), stream=True, told=lambda told: plain_text(told.choices[0].parts) == WORDS
    ),
    "system": Scene(
        ask={"messages": (Message("system", (Text("Be brief."),)), HELLO)},
        asked=lambda asked: plain_text(split_system(asked.messages)[0][0].parts) == "Be brief.",
    ),
    "system, in the middle": Scene(
        ask={"messages": (HELLO, Message("system", (Text("Be brief."),)), Message("user", (Text("go on"),)))},
        asked=lambda asked: [message.role for message in asked.messages] == ["user", "system", "user"],
    ),
    "images, inline": Scene(
        ask={"messages": shown(INLINE)}, asked=lambda asked: _media(asked)[0].kind == "image"
    ),
    "images, by URL": Scene(
        ask_at=lambda url: {"messages": shown(Media("image", "url", f"{url}{LINKED}"))},
        asked=lambda asked: [(part.kind, part.source) for part in _media(asked)] == [("image", "url")],
    ),
    "documents, PDF": Scene(
        ask={"messages": shown(PDF)},
        asked=lambda asked: [part.kind for part in _media(asked)] == ["document"],
    ),
    "documents, text": Scene(
        ask={"messages": shown(NOTE)},
        asked=lambda asked: [(part.kind, part.source) for part in _media(asked)] == [("document", "text")],
    ),
    "tools": Scene(
        ask=CALLING,
        play=Behaviour(tool_calls="always"),
        asked=lambda asked: len(asked.tools) == 1,
        told=lambda told: json.loads(_calls(told)[0].arguments).keys() == {"city", "days"},
    ),
    "tools, one demanded": Scene(
        ask={"tools": (TOOL, CLOCK), "tool_choice": ToolChoice("required", ("clock",))},
        asked=lambda asked: asked.tool_choice is not None and asked.tool_choice.names == ("clock",),
        play=Behaviour(tool_calls="always"),
        told=lambda told: [call.name for call in _calls(told)] == ["clock"],
    ),
    "parallel tools": Scene(
        ask=CALLING,
        play=Behaviour(tool_calls="always", calls=2, chunk_size=3),
        stream=True,
        told=lambda told: len(_calls(told)) == 2,
    ),
    "parallel tools, forbidden": Scene(
        ask={**CALLING, "parallel_tools": False},
        play=Behaviour(tool_calls="always"),
        asked=lambda asked: asked.parallel_tools is False,
    ),
    "tool results": Scene(
        ask={**CALLING, "messages": loop(ToolResult("call_a1", (Text("sun and wind"),), name="weather"))},
        asked=lambda asked: plain_text(_results(asked)[0].parts) == "sun and wind",
        play=Behaviour(text="Sunny.", tool_calls="never"),
    ),
    "tool results, failed": Scene(
        ask={
            **CALLING,
            "messages": loop(ToolResult("call_a1", (Text("no such city"),), error=True, name="weather")),
        },
        asked=lambda asked: _results(asked)[0].error,
        play=Behaviour(text="Sorry.", tool_calls="never"),
    ),
    "tool results, images": Scene(
        ask={**CALLING, "messages": loop(ToolResult("call_a1", (Text("map:"), INLINE), name="weather"))},
        asked=lambda asked: any(isinstance(part, Media) for part in _results(asked)[0].parts),
        play=Behaviour(text="I see.", tool_calls="never"),
    ),
    "thinking": Scene(
        ask={"reasoning": THINK},
        play=Behaviour(text="Done.", thinking="always"),
        asked=lambda asked: asked.reasoning is not None,
        told=lambda told: any(isinstance(part, Thinking) and part.text for part in told.choices[0].parts),
    ),
    "thinking, streamed": Scene(
        ask={"reasoning": THINK},
        play=Behaviour(text="Done.", thinking="always"),
        stream=True,
        told=lambda told: any(isinstance(part, Thinking) and part.text for part in told.choices[0].parts),
    ),
    "structured output": Scene(
        ask={"format": Format("json_schema", WEATHER, name="weather")},
        asked=lambda asked: asked.format is not None and asked.format.kind == "json_schema",
        play=Behaviour(),
        told=lambda told: json.loads(plain_text(told.choices[0].parts)).keys() == {"city", "days"},
    ),
    "stop: end": _ends("end"),
    "stop: length": _ends("length"),
    "stop: stop sequence": _ends("stop_sequence"),
    "stop: tool use": Scene(
        ask=CALLING,
        play=Behaviour(tool_calls="always"),
        told=lambda told: told.choices[0].stop.reason == "tool_use",
    ),
    "stop: refusal": _ends("refusal"),
    "stop: filter": _ends("filter"),
    "usage": Scene(
        play=Behaviour(text="Done.", counts=Counts(input=31, output=12, reasoning=5)),
        told=lambda told: (
            told.usage is not None and (told.usage.total_input, told.usage.total_output) == (31, 17)
        ),
    ),
    "usage, streamed": Scene(
        play=Behaviour(text="Done.", counts=Counts(input=31, output=12)),
        stream=True,
        told=lambda told: (
            told.usage is not None and (told.usage.total_input, told.usage.total_output) == (31, 12)
        ),
    ),
    "cached tokens": Scene(
        play=Behaviour(text="Done.", counts=Counts(input=24, cache_read=7, output=3)),
        told=lambda told: told.usage is not None and told.usage.cache_read == 7,
    ),
}


# --- HOW IT IS PLAYED ---------------------------------------------------------------------------------


class Stage:
    """A simulator and a gateway before it, for as long as the run lasts."""

    def __init__(self, sim: Simulator, gate: House) -> None:
        self.sim = sim
        self.gate = gate

    async def send(self, door: Dialect, request: Request, play: Behaviour) -> Answer:
        """Send a request as the door's own client would."""
        return await self.call(door, door.write_request(request), play)

    async def call(self, door: Dialect, call: Call, play: Behaviour) -> Answer:
        """Send a request of the door's words; the journal holds what came of it alone."""
        self.sim.script = Script(default=play, rules=(IMAGE,))
        self.sim.journal.clear()
        query = "&".join(f"{name}={value}" for name, value in call.query.items())
        path = f"{door.root}{call.path}" + (f"?{query}" if query else "")
        got = await ask(self.gate.port, post(path, call.body, call.headers))
        if got.status == 500:
            raise Wrong(f"a bug: {got.body!r}")
        return got

    def heard(self, target: Dialect) -> Request:
        """Return what the provider heard last."""
        entry = self.sim.journal[-1]
        if entry.dialect != target.name:
            raise Wrong(f"{entry.dialect} heard what was meant for {target.name}")
        return target.read_request(Call(entry.method, entry.path, entry.query, entry.headers, entry.body))

    async def losses(self, got: Answer) -> list[Loss]:
        """Return what the ledger says an exchange lost; the header says the same where it can."""
        name, store = got.headers["x-request-id"], self.gate.gateway.store
        while True:
            [row] = await store.exchanges(limit=1)
            if row.request_id == name and row.state != "reserved":
                break
            await asyncio.sleep(0.002)
        header = [loss for loss in got.headers.get("x-dragoman-losses", "").split(", ") if loss]
        if not set(header) <= set(row.losses):
            raise Wrong(f"the header says {header}, the ledger {row.losses}")
        return [_loss(text) for text in row.losses]


def _loss(text: str) -> Loss:
    how, _, at = text.partition(":")
    return msgspec.convert({"how": how, "at": at}, Loss)


def asking(door: Dialect, target: Dialect, *, stream: bool = False, **more: Any) -> Request:
    """Return a request in the core's words."""
    fields = {"messages": (HELLO,), "max_output": 2000, "stream": stream, "stream_usage": stream, **more}
    return Request(door.name, f"sim-{target.name}/m", **fields)


def said(door: Dialect, request: Request) -> Request | None:
    """Return what a client of `door` can say of a request; None if it refuses to."""
    try:
        call = door.write_request(request)
        return door.read_request(Call("POST", f"{door.root}{call.path}", call.query, call.headers, call.body))
    except Failure:
        return None


def understood(door: Dialect, got: Answer, *, stream: bool) -> tuple[Response, list[Event]]:
    """Return what the door's own client makes of an answer."""
    if not stream:
        return door.read_answer(Reply(got.status, got.headers, got.json)), []
    decoder, reader = door.framing.decoder(), door.reader()
    events = [event for frame in decoder.feed(got.body) + decoder.close() for event in reader.feed(frame)]
    events += reader.close()
    return fold(events), events


def told_by(target: Dialect, heard: Request, play: Behaviour) -> Response | None:
    """Return what the provider's answer says in the provider's own words; None if that is a failure."""
    answer = fold(compose(heard, play, digest(0, heard)).events)
    try:
        return target.read_answer(target.write_answer(answer, heard))
    except Failure:
        return None


async def cell(stage: Stage, door: Dialect, target: Dialect, scene: Scene) -> Cell:
    """Play one scene between a client and a provider."""
    fields = {**scene.ask, **scene.ask_at(stage.sim.url)}
    request = asking(door, target, stream=scene.stream, **fields)
    asked = said(door, request)
    if asked is None or not _holds(scene.asked, asked):
        return MUTE_CLIENT
    got = await stage.send(door, request, scene.play)
    if got.status == 400:
        return Cell("x", (refusal(door, got),))
    heard, losses = stage.heard(target), await stage.losses(got)
    reached, notes = _fetched(asked, heard, stage)
    _agree(gist.differences(reached, heard, losses))
    told = told_by(target, heard, scene.play)
    if told is None or not _holds(scene.told, told):
        return MUTE_PROVIDER
    if got.status != 200:
        raise Wrong(f"{got.status} {got.body[:300]!r}")
    try:
        answer, _ = understood(door, got, stream=scene.stream)
    except Failure:
        if told.choices[0].stop.reason not in ("filter", "refusal"):
            raise
        notes.append("told as an error")
    else:
        _agree(gist.differences_in_answer(told, answer, losses, told_in=door.name))
        notes += _readings(told, answer)
    why = _reasons(door, target, asked, told)
    return _declared([*notes, *(f"{loss.how} {_plain(loss.at)}{why.get(str(loss), '')}" for loss in losses)])


def _declared(notes: list[str]) -> Cell:
    return Cell("~", tuple(dict.fromkeys(notes))) if notes else EXACT


def _plain(at: str) -> str:
    """Return the path of a loss in code."""
    return f"`{at}`"


def _reasons(door: Dialect, target: Dialect, asked: Request, told: Response) -> dict[str, str]:
    """Return the reason of each loss; it is for people, and neither the header nor the ledger has it."""
    client = Request(door.name, "m", stream=asked.stream, stream_usage=asked.stream)
    writer = door.writer(client)
    try:
        for event in unfold(told):
            writer.feed(event)
        lost = [*target.write_request(asked).losses, *door.write_answer(told, client).losses, *writer.losses]
    except Failure:
        return {}
    return {str(loss): f" ({loss.why})" for loss in lost if loss.why}


def _fetched(asked: Request, heard: Request, stage: Stage) -> tuple[Request, list[str]]:
    """Return what the provider is to hear if the gateway fetched a file for it, and that it did."""
    linked = [part for part in _media(asked) if part.source == "url"]
    inline = [part for part in _media(heard) if part.source == "base64"]
    if not linked or not inline:
        return asked, []
    if not any(entry.path == LINKED for entry in stage.sim.journal.entries):
        raise Wrong("bytes came from nowhere")
    image = Media("image", "base64", b64encode(b"GIF89a").decode(), mime="image/gif")
    return msgspec.structs.replace(asked, messages=shown(image)), [
        "the gateway fetches it and sends the bytes"
    ]


def refusal(door: Dialect, got: Answer) -> str:
    """Return why a request was refused."""
    failure = door.read_failure(Reply(got.status, got.headers, got.json))
    if not re.search(r"messages|tools|format|stop", f"{failure.at} {got.body!r}"):
        raise Wrong(f"a refusal without a field: {got.body!r}")
    return re.sub(r"^[\w.\[\]]+: ", "", failure.message)


def _holds(test: Callable[[Any], bool], value: Any) -> bool:
    try:
        return test(value)
    except (IndexError, KeyError, ValueError):
        return False


def _agree(differences: list[str]) -> None:
    if differences:
        raise Wrong("\n".join(differences))


def _readings(told: Response, answer: Response) -> Iterator[str]:
    """Yield what a word of the client's dialect stands for, where it has not the provider's."""
    before, after = told.choices[0].stop.reason, answer.choices[0].stop.reason
    if before != after:
        yield f"told as {after}"
    if told.usage is None or answer.usage is None:
        return
    for name, total in (("cache_read", "input"), ("reasoning", "output")):
        if getattr(told.usage, name) and not getattr(answer.usage, name):
            yield f"{name} is counted as {total}"


# --- WHAT NEEDS MORE THAN ONE LOOK --------------------------------------------------------------------


async def streamed_arguments(stage: Stage, door: Dialect, target: Dialect) -> Cell:
    """Arguments come whole; and in pieces, where both sides have words for pieces."""
    play = Behaviour(tool_calls="always", chunk_size=3)
    request = asking(door, target, stream=True, **CALLING)
    got = await stage.send(door, request, play)
    heard = stage.heard(target)
    told = list(compose(heard, play, digest(0, heard)).events)
    answer, events = understood(door, got, stream=True)
    losses = await stage.losses(got)
    _agree(gist.differences_in_answer(fold(told), answer, losses, told_in=door.name))
    pieces = [
        len([event for event in kind if isinstance(event, Append)]) for kind in (_wired(target, told), events)
    ]
    if pieces[0] <= 1:
        return Cell("-", ("the provider sends them in one piece",))
    return EXACT if pieces[1] == pieces[0] else Cell("~", ("the client gets them in one piece",))


def _wired(codec: Dialect, events: list[Event]) -> list[Event]:
    """Return events as they come through a dialect's stream."""
    writer, reader = codec.writer(asking(codec, codec, stream=True)), codec.reader()
    return [again for event in events for frame in writer.feed(event) for again in reader.feed(frame)]


SIGNERS = {
    "openai_chat": "anthropic",
    "openai_responses": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
}
"""Who signs for each provider; behind a Chat provider it is whoever made the model (OpenRouter)."""


def _signed(target: Dialect) -> Response:
    """Return an answer with a proof where `target` has it: Gemini on the call, the others on the thinking."""
    proof = Signature(SIGNERS[target.name], "c2lnbmVkIGJ5dGVz")
    on_call = target.name == "gemini"
    thinking = Thinking("Look it up.", signature=None if on_call else proof)
    call = ToolCall("call_a1", "weather", '{"city":"Here","days":2}', signature=proof if on_call else None)
    return Response("r1", "m", (Choice((thinking, call), Stop("tool_use")),), Usage(input=3, output=3), 1)


def _proofs(parts: Iterable[Part]) -> list[tuple[str, str]]:
    """Return what is signed and by which bytes."""
    kinds = (Thinking, ToolCall, Text)
    return [
        (type(p).__name__, p.signature.data)
        for p in parts
        if isinstance(p, kinds) and p.signature is not None
    ]


def _echo(body: Json, answer: Json) -> None:
    """Put an answer as it came where it stands in the conversation: second, as clients do it."""
    match answer:
        case {"output": items}:
            body["input"][1:2] = items
        case {"choices": [{"message": message}]} | {"message": message}:
            body["messages"][1] = message
        case {"candidates": [{"content": content}]}:
            body["contents"][1] = content
        case {"content": content}:
            body["messages"][1] = {"role": "assistant", "content": content}


async def signatures(stage: Stage, door: Dialect, target: Dialect) -> Cell:
    """A proof goes out with a call and must come back with its result, byte by byte and in its place."""
    if target.name not in SIGNERS:
        return MUTE_PROVIDER
    body = target.write_answer(_signed(target), asking(target, target)).body
    proofs = _proofs(target.read_answer(Reply(200, {}, body)).choices[0].parts)
    if not proofs:
        raise Wrong(f"{target.name} has signed nothing")
    first = await stage.send(door, asking(door, target, **CALLING), Behaviour(reply=Canned(body=body)))
    answer, _ = understood(door, first, stream=False)
    losses = await stage.losses(first)
    result = ToolResult(_calls(answer)[0].id, (Text("sun"),), name="weather")
    turns = (HELLO, Message("assistant", (_calls(answer)[0],)), Message("user", (result,)))
    again = door.write_request(asking(door, target, **CALLING, messages=turns))
    _echo(again.body, first.json)
    second = await stage.call(door, again, Behaviour(text="Sun."))
    losses += await stage.losses(second)
    if _proofs(_parts(stage.heard(target))) == proofs:
        return EXACT
    lost = [
        f"{loss.how} {_plain(loss.at)}" for loss in losses if re.search(r"signature|parts\[\d+\]$", loss.at)
    ]
    if not lost:
        raise Wrong("a signature is lost and nobody says so")
    return Cell("~", tuple(dict.fromkeys(lost)))


FAULTS: dict[int, tuple[int, Kind]] = {
    400: (400, Kind.INVALID),
    401: (502, Kind.UPSTREAM),
    404: (404, Kind.NOT_FOUND),
    429: (429, Kind.RATE_LIMITED),
    500: (502, Kind.UPSTREAM),
}
"""What a provider's error is to the client: its status, and what the client's own reader makes of it."""
WAIT_S = 7


def error(status: int) -> Play:
    """Return the play of one status."""

    async def play(stage: Stage, door: Dialect, target: Dialect) -> Cell:
        scripted = Error(status=status, retry_after_s=WAIT_S if status == 429 else None)
        got = await stage.send(door, asking(door, target), Behaviour(error=scripted))
        failure = door.read_failure(Reply(got.status, got.headers, got.json))
        expected = FAULTS[status]
        if (got.status, failure.kind) != expected:
            raise Wrong(f"{status} became {got.status}, {failure!r} instead of {expected}")
        if status == 429 and (failure.retry_after_s, got.headers.get("retry-after")) != (WAIT_S, str(WAIT_S)):
            raise Wrong(f"the delay is {failure.retry_after_s}, {got.headers}")
        stage.heard(target)
        return EXACT

    return play


def cut(play: Behaviour, kinds: tuple[Kind, ...]) -> Play:
    """Return the play of a stream that fails in its middle."""

    async def run(stage: Stage, door: Dialect, target: Dialect) -> Cell:
        got = await stage.send(door, asking(door, target, stream=True), play)
        if got.status != 200:
            raise Wrong(f"it failed before its middle: {got.status} {got.body[:200]!r}")
        decoder, reader, events = door.framing.decoder(), door.reader(), list[Event]()
        try:
            for frame in decoder.feed(got.body) + decoder.close():
                events += reader.feed(frame)
            reader.close()
        except Failure as failure:
            if failure.kind not in kinds:
                raise Wrong(f"{failure!r} is none of {kinds}") from failure
            if not any(isinstance(event, Append) for event in events):
                raise Wrong("what came before the fault is lost") from failure
            return EXACT
        raise Wrong("half an answer looks like a whole one")

    return run


def scene(name: str) -> Play:
    """Return the play of a scene."""

    async def play(stage: Stage, door: Dialect, target: Dialect) -> Cell:
        return await cell(stage, door, target, SCENES[name])

    return play


PLAYS: dict[str, Play] = {
    **{name: scene(name) for name in SCENES},
    "streaming arguments": streamed_arguments,
    "signatures": signatures,
    **{f"errors: {status}": error(status) for status in FAULTS},
    "mid-stream errors: told": cut(
        Behaviour(tokens=40, error=Error(status=500, at_frame=12)),
        (Kind.UPSTREAM, Kind.INTERNAL, Kind.OVERLOADED),
    ),
    "mid-stream errors: cut off": cut(
        Behaviour(tokens=40, faults=(Fault("reset", at_frame=12),)), (Kind.UPSTREAM, Kind.TRUNCATED)
    ),
}
"""Every feature, by name."""


async def run(folder: Path) -> tuple[Matrix, dict[str, str]]:
    """Play everything before everybody; return the cells, and by name what is none."""
    matrix: Matrix = {name: {} for name in PLAYS}
    wrong: dict[str, str] = {}
    async with Simulator() as sim, house(folder, sim.url) as gate:
        await _near(gate)
        stage = Stage(sim, gate)
        for name, play in PLAYS.items():
            for door, target in product(DIALECTS.values(), repeat=2):
                try:
                    matrix[name][door.name, target.name] = await play(stage, door, target)
                except (Wrong, Failure) as fault:
                    wrong[f"{name}: {door.name} > {target.name}"] = str(fault)
    return matrix, wrong


async def _near(gate: House) -> None:
    """Let the gateway fetch files from this machine, which it does for nobody otherwise."""
    fetcher = gate.gateway._media
    assert fetcher is not None
    await fetcher.close()
    fetcher._transport = AiohttpTransport()


def perform() -> tuple[Matrix, dict[str, str]]:
    """Run in a folder of its own."""
    with TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder)))
