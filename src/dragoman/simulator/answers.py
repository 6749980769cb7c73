"""What is said: a request and a behaviour in, the events of an answer and its usage out.

Nothing here depends on time or on what was asked before: words, ids and dates are drawn from a digest of
the seed and the part of the request that a model would see. A stream and a unary answer to the same
request therefore say the same.

A token is a word; of tool arguments and structured text, four characters. Pseudo-text is drawn as it is
sent, so an answer of a hundred million tokens takes no memory.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import chain, islice
from random import Random

import msgspec

from dragoman.core.events import Append, Close, End, Event, Open, Reason, Start, Stop
from dragoman.core.extras import Json
from dragoman.core.failure import unsupported
from dragoman.core.request import (
    Media,
    Message,
    Opaque,
    Part,
    Request,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    plain_text,
)
from dragoman.core.usage import Usage
from dragoman.simulator.behaviour import Auto, Behaviour, Called, Counts
from dragoman.simulator.instances import instance
from dragoman.simulator.validity import Unsatisfiable

EPOCH = 1_767_225_600
"""2026-01-01T00:00:00Z: answers are dated within a day of it."""

MEDIA_TOKENS = 256
"""What an image, sound or document counts as."""

PLEA = "use the tool"
"""Said by the user, lower or upper case, it makes the model call a tool."""

VOCABULARY = (  # noqa: SIM905 - it reads as text
    "the a of and to in is was that it with as for on by one two many some every river mountain "
    "harbour caravan merchant letter silver paper lantern winter morning market city bridge desert "
    "garden story voyage tongue court envoy carried crossed heard wrote spoke waited opened found "
    "kept turned north south slowly often never again before after under over between quiet bright "
    "distant ancient small"
).split()

_SPACED = tuple(f" {word}" for word in VOCABULARY)
_BLOCK = 64


class Habit(msgspec.Struct, frozen=True):
    """What a dialect's own provider calls things, and as whom it signs its thinking, if it does."""

    answer: str
    call: str
    id_header: str = "x-request-id"
    signs: str = ""


HABITS = {
    "anthropic": Habit("msg_", "toolu_", id_header="request-id", signs="anthropic"),
    "openai_chat": Habit("chatcmpl-", "call_"),
    "openai_responses": Habit("sim_", "call_", signs="openai"),
}
OTHER = Habit("sim_", "call_")


class Passage(msgspec.Struct):
    """One part of an answer to be told: its shell, its text in pieces, and how it closes."""

    shell: Part
    pieces: Iterable[str]
    tokens: int = 0
    signature: Signature | None = None


class Answer(msgspec.Struct):
    """An answer about to be told; `events` can be read once.

    Attributes:
        tokens: How many tokens will be told, over all choices.
    """

    events: Iterator[Event]
    usage: Usage
    tokens: int


def digest(seed: int, request: Request) -> bytes:
    """Return 32 bytes that stand for `seed` and what a model sees of `request`."""
    seen = (
        seed,
        request.dialect,
        request.model,
        request.messages,
        request.tools,
        request.format,
        request.sampling,
    )
    return blake2b(msgspec.json.encode(seen), digest_size=32).digest()


def compose(request: Request, behaviour: Behaviour, mark: bytes, *, at_once: bool = False) -> Answer:
    """Return the answer to `request`; `mark` is its :func:`digest`.

    With `at_once` each part is told in a single Append: the same answer, quicker.

    Raises:
        Failure: A schema in the request is one no instance was found for.
    """
    rng = Random(mark)  # noqa: S311 - reproducible, not secret
    habit = HABITS.get(request.dialect, OTHER)
    told: list[tuple[list[Passage], Stop]] = [
        _choice(request, behaviour, rng, choice) for choice in range(request.candidates or 1)
    ]
    usage = _usage(request, behaviour.counts, [passage for passages, _ in told for passage in passages])
    start = Start(
        f"{habit.answer}{mark.hex()[:24]}",
        behaviour.model or request.model,
        EPOCH + int.from_bytes(mark[:2]),
        msgspec.structs.replace(usage, output=min(usage.output, 1), reasoning=0) if behaviour.usage else None,
    )
    end = End(usage if behaviour.usage else None)
    events = chain((start,), _told(told, at_once=at_once), (end,))
    return Answer(events, usage, sum(passage.tokens for passages, _ in told for passage in passages))


def _told(told: list[tuple[list[Passage], Stop]], *, at_once: bool) -> Iterator[Event]:
    index = 0
    for passages, stop in told:
        for passage in passages:
            yield Open(index, passage.shell, stop.choice)
            for piece in ("".join(passage.pieces),) if at_once else passage.pieces:
                yield Append(index, piece)
            yield Close(index, passage.signature)
            index += 1
        yield stop


def _choice(request: Request, behaviour: Behaviour, rng: Random, choice: int) -> tuple[list[Passage], Stop]:
    """Return one candidate answer: thinking if any, then either tool calls or text."""
    passages: list[Passage] = []
    if _thinks(request, behaviour.thinking):
        passages.append(_thinking(request, behaviour, rng))
    if calls := _calls(request, behaviour, rng):
        if behaviour.text is not None:
            passages.append(_words(behaviour.text, behaviour))
        return [*passages, *calls], Stop(behaviour.stop or "tool_use", choice)
    passage, reason, sequence = _answer(request, behaviour, rng, sum(part.tokens for part in passages))
    passages.append(passage)
    return passages, Stop(behaviour.stop or reason, choice, sequence)


def _thinks(request: Request, wish: Auto) -> bool:
    asked = request.reasoning
    if wish != "auto" or asked is None:
        return wish == "always"
    return asked.enabled is not False and asked.effort != "none"


def _thinking(request: Request, behaviour: Behaviour, rng: Random) -> Passage:
    signature = None
    if signer := HABITS.get(request.dialect, OTHER).signs:
        proof = b64encode(rng.randbytes(48)).decode()
        signature = Signature(signer, proof, request.model)
    tokens = behaviour.thinking_tokens
    pieces = _regrouped(_drawn(rng, tokens), behaviour.chunk_size)
    if request.reasoning is not None and request.reasoning.show == "none":
        pieces = iter(())
    return Passage(Thinking(), pieces, tokens, signature)


def _calls(request: Request, behaviour: Behaviour, rng: Random) -> list[Passage]:
    """Return the calls to make now, none if none is to be made."""
    choice, wish = request.tool_choice, behaviour.tool_calls
    if wish == "never" or (choice is not None and choice.mode == "none"):
        return []
    tools = [
        tool
        for tool in request.tools
        if isinstance(tool, Tool) and (choice is None or not choice.names or tool.name in choice.names)
    ]
    calls = 1 if request.parallel_tools is False else behaviour.calls
    if behaviour.call:
        due = islice(_due(request, behaviour.call, {tool.name: tool for tool in tools}), calls)
        return [_call(request, tool, text, behaviour, rng) for tool, text in due]
    must = wish == "always" or (choice is not None and choice.mode == "required")
    if not tools or not (must or (PLEA in last_words(request).casefold() and not _answered(request))):
        return []
    drawn = (tools[number % len(tools)] for number in range(calls))
    return [_call(request, tool, None, behaviour, rng) for tool in drawn]


def _due(request: Request, calls: tuple[Called, ...], tools: dict[str, Tool]) -> Iterator[tuple[Tool, str]]:
    """Yield the calls that are not made yet; a client may have respelt the arguments of those that are."""
    made = Counter(
        part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall)
    )
    for call in calls:
        if made[call.name]:
            made[call.name] -= 1
        elif call.name in tools:
            yield tools[call.name], call.text


def _answered(request: Request) -> bool:
    """Say whether a tool has answered since the user last said something."""
    for message in reversed(request.messages):
        if message.role == "user":
            if any(isinstance(part, ToolResult) for part in message.parts):
                return True
            if plain_text(message.parts):
                return False
    return False


def _call(request: Request, tool: Tool, text: str | None, behaviour: Behaviour, rng: Random) -> Passage:
    """Return a call; `text`: its arguments, None: drawn to fit the tool's schema."""
    call_id = f"{HABITS.get(request.dialect, OTHER).call}{rng.randbytes(12).hex()}"
    if text is None and tool.custom:
        text = "".join(_drawn(rng, 4))
    elif text is None:
        text = _json(
            tool.schema if tool.schema is not None else {"type": "object"}, rng, f"tools.{tool.name}"
        )
    shell = ToolCall(call_id, tool.name, custom=tool.custom)
    return Passage(shell, _cut(text, behaviour.chunk_size or 8), _fours(text))


def _answer(
    request: Request, behaviour: Behaviour, rng: Random, spent: int
) -> tuple[Passage, Reason, str | None]:
    """Return the text of an answer, and why it ends; `spent` tokens were used up by thinking."""
    limit = None if request.max_output is None else max(0, request.max_output - spent)
    format_ = request.format
    text = _given(request, behaviour)
    if text is None and format_ is not None and format_.kind != "text":
        schema = format_.schema if format_.kind == "json_schema" else _ANY_OBJECT
        text = _json(schema, rng, "format.schema")
        return Passage(Text(""), _cut(text, behaviour.chunk_size or 8), _fours(text)), "end", None
    if text is None:
        tokens = behaviour.tokens if limit is None else min(behaviour.tokens, limit)
        pieces = _regrouped(_drawn(rng, tokens), behaviour.chunk_size)
        return Passage(Text(""), pieces, tokens), "end" if tokens == behaviour.tokens else "length", None
    text, sequence = _stopped(text, request.stop)
    words = _split(text)
    reason: Reason = "stop_sequence" if sequence is not None else "end"
    if limit is not None and len(words) > limit:
        text, sequence, reason = "".join(words[:limit]), None, "length"
    return _words(text, behaviour), reason, sequence


def _given(request: Request, behaviour: Behaviour) -> str | None:
    """Return the text that is to be said, None if it is to be drawn."""
    if behaviour.text is not None:
        return behaviour.text
    if behaviour.echo == "tool":
        return last_result(request)
    return last_words(request) if behaviour.echo else None


_ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


def _stopped(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """Return `text` up to the first stop sequence in it, and that sequence."""
    found = min(((text.find(stop), stop) for stop in stops if stop and stop in text), default=None)
    return (text, None) if found is None else (text[: found[0]], found[1])


def _json(schema: Json, rng: Random, at: str) -> str:
    try:
        return msgspec.json.encode(instance(schema, rng)).decode()
    except Unsatisfiable as miss:
        raise unsupported(f"the simulator has no instance of this schema: {miss}", f"$.{at}") from None


def _words(text: str, behaviour: Behaviour) -> Passage:
    words = _split(text)
    return Passage(Text(""), _regrouped(words, behaviour.chunk_size), len(words))


def _split(text: str) -> list[str]:
    """Return the words of `text`, each with the space that follows it; joined they are `text`."""
    return re.findall(r"\S+\s*|^\s+", text)


def _drawn(rng: Random, tokens: int) -> Iterator[str]:
    """Return pseudo-text, drawn as it is read; how far it is read changes nothing else."""
    own = Random(rng.getrandbits(64))  # noqa: S311 - reproducible, not secret

    def draw() -> Iterator[str]:
        for drawn in range(0, tokens, _BLOCK):
            words = own.choices(_SPACED, k=min(_BLOCK, tokens - drawn))
            yield from words if drawn else [words[0].lstrip(), *words[1:]]

    return draw()


def _regrouped(pieces: Iterable[str], size: int | None) -> Iterator[str]:
    """Yield the same text, `size` characters at a time; None: as it is."""
    if size is None:
        yield from pieces
        return
    rest = ""
    for piece in pieces:
        rest += piece
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if rest:
        yield rest


def _cut(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def _fours(text: str) -> int:
    return (len(text) + 3) // 4


def _usage(request: Request, counts: Counts, passages: list[Passage]) -> Usage:
    """Return what the answer consumes: counted, unless the behaviour says otherwise."""
    reasoning = sum(part.tokens for part in passages if isinstance(part.shell, Thinking))
    output = sum(part.tokens for part in passages) - reasoning
    read = input_tokens(request)
    cached = counts.cache_read + counts.cache_write
    return Usage(
        input=max(0, read - cached) if counts.input is None else counts.input,
        cache_read=counts.cache_read,
        cache_write=counts.cache_write,
        output=output if counts.output is None else counts.output,
        reasoning=reasoning if counts.reasoning is None else counts.reasoning,
    )


def last_words(request: Request) -> str:
    """Return the last text the user said."""
    for message in reversed(request.messages):
        if message.role == "user" and (text := plain_text(message.parts)):
            return text
    return ""


def last_result(request: Request) -> str | None:
    """Return the words a tool answered last; None if none has."""
    for message in reversed(request.messages):
        for part in reversed(message.parts):
            if isinstance(part, ToolResult):
                return plain_text(part.parts)
    return None


def all_words(request: Request) -> str:
    """Return every text of the conversation, one to a line."""
    return "\n".join(text for message in request.messages for part in message.parts if (text := _text(part)))


def input_tokens(request: Request) -> int:
    """Return how many tokens the model reads: words, plus a flat figure for media and for each message."""
    return sum(_read(message) for message in request.messages) + sum(
        len(msgspec.json.encode(tool).split(b",")) for tool in request.tools
    )


def _read(message: Message) -> int:
    media = sum(isinstance(part, Media) and part.source != "text" for part in message.parts)
    return 1 + MEDIA_TOKENS * media + sum(len(_text(part).split()) for part in message.parts)


def _text(part: Part) -> str:
    match part:
        case Text() | Thinking():
            return part.text
        case ToolCall():
            return f"{part.name} {part.arguments}"
        case ToolResult():
            return "\n".join(_text(inner) for inner in part.parts)
        case Media():
            return part.data if part.source == "text" else ""
        case Opaque():
            return ""
