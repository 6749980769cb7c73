"""Make a request fit a model: keep, drop, clamp, emulate, refuse.

What a model can do is its row in models.toml, and what its provider adds or lacks is a row of catalog.toml.
Each rule below takes one ability and returns the request as that model can be asked, with what it lost;
together they are the policy:

* what only *guides* the model (sampling, effort, limits) is dropped or clamped, and declared;
* what the model would have to *see* or *do* (an image, a tool) is refused, with its path;
* what it *may* do and only another protocol's provider knows (a hosted tool offered beside the client's
  own) is dropped, and declared: agents offer all they have in every request, and ask for none by name;
* the *shape* of the answer is emulated where the model cannot be held to it, and declared: by a tool it is
  made to call, else by words; where it ends, by cutting it. What that leaves to be done to the answer is
  the :class:`~dragoman.providers.mend.Mend`.

A model no row describes is asked as the client asked; only what its protocol makes mandatory is added,
and what its protocol or provider does not know left out.
Pure, and nothing is changed in place: the same request can be fitted to the next target afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from dragoman.core.extras import Loss
from dragoman.core.failure import unsupported
from dragoman.core.request import (
    Format,
    Media,
    Message,
    Opaque,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    split_system,
)
from dragoman.dialects.fields import encode
from dragoman.providers import Lack, Model, Provider
from dragoman.providers.mend import Mend
from dragoman.providers.thinking import UNKNOWN_MAX_OUTPUT, Way, asked, thinks

STOPS: Mapping[str, int] = MappingProxyType(
    {"openai_chat": 4, "openai_responses": 0, "gemini": 5, "cohere": 5}
)
"""Stop sequences a protocol takes; the others take any number.

https://developers.openai.com/api/reference/resources/chat, https://ai.google.dev/api/generate-content,
https://docs.cohere.com/reference/chat [2026-11-21]
"""

CONTINUING = frozenset({"anthropic", "gemini", "ollama"})
"""Protocols in which a last turn of the assistant's is continued."""

ANSWERING = frozenset({"openai_chat", "openai_responses"})
"""Protocols in which it is answered, like any other; Cohere's codec says what it makes of it."""

ANSWER = "final_answer"
"""The tool whose arguments are the answer, where a model is held to a schema by one."""

NEUTRAL = MappingProxyType({"temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0})
"""Sampling values that ask for what the model does anyway."""


class Fitted(msgspec.Struct, frozen=True):
    """A request as a model can be asked it, what that cost, and what it leaves to be done to the answer."""

    request: Request
    losses: tuple[Loss, ...] = ()
    mend: Mend = Mend()


class Aim(msgspec.Struct, frozen=True):
    """Whom a request is fitted to.

    Attributes:
        model: The model, as its provider serves it.
        dialect: The protocol it is asked in.
        lacks: What the model or its provider cannot do.
    """

    model: Model
    dialect: str
    lacks: frozenset[Lack] = frozenset()


def fit(request: Request, model: Model | None, provider: Provider, dialect: str) -> Fitted:
    """Return `request` as `model` can be asked it by `provider`, which speaks `dialect`.

    Raises:
        Failure: UNSUPPORTED, with a path: the model cannot see or do what is asked.
    """
    row = Model(id=request.model) if model is None else model.on(provider.name)
    aim = Aim(row, dialect, frozenset((*row.lacks, *provider.lacks)))
    losses: tuple[Loss, ...] = ()
    mend = Mend()
    for rule in UNKNOWN_RULES if model is None else RULES:
        fitted = rule(request, aim)
        request = fitted.request
        losses += fitted.losses
        mend = Mend(mend.called or fitted.mend.called, mend.stops or fitted.mend.stops)
    return Fitted(request, losses, mend)


def readable(request: Request, aim: Aim) -> Fitted:
    """Refuse content of a kind the model cannot read."""
    for at, media in _media(request):
        # A document of plain text is text to any model.
        if media.kind not in aim.model.inputs and media.source != "text":
            raise unsupported(f"{aim.model.id} does not read {media.kind} content", at)
    return Fitted(request)


def offered(request: Request, aim: Aim) -> Fitted:
    """Drop hosted tools of another protocol that are on offer beside the client's own.

    What must be called, or is all there is to call, is what was asked for: it stays, for the dialect to
    refuse.
    """
    kept = tuple(tool for tool in request.tools if isinstance(tool, Tool) or tool.dialect == aim.dialect)
    names = {tool.name for tool in kept if isinstance(tool, Tool)}
    choice = request.tool_choice
    must = choice is not None and choice.mode == "required" and not choice.names
    if not names or must or (choice is not None and not names.issuperset(choice.names)):
        return Fitted(request)
    losses = tuple(
        Loss("dropped", f"tools[{place}]", f"only {tool.dialect} has the tool {tool.kind}")
        for place, tool in enumerate(request.tools)
        if isinstance(tool, Opaque) and tool.dialect != aim.dialect
    )
    return Fitted(_with(request, tools=kept) if losses else request, losses)


def handy(request: Request, aim: Aim) -> Fitted:
    """Refuse tools where the model cannot call them."""
    if request.tools and not aim.model.tools:
        raise unsupported(f"{aim.model.id} does not call tools", "$.tools")
    return Fitted(request)


def chosen(request: Request, aim: Aim) -> Fitted:
    """Leave the choice of a tool to the model where it cannot be made to call one, or one by name."""
    choice, tools = request.tool_choice, request.tools
    if choice is None or not tools:
        return Fitted(request)
    if choice.mode == "none":
        if "forced_tools" not in aim.lacks:
            return Fitted(request)
        loss = Loss("emulated", "tool_choice", "no tools are offered")
        return Fitted(_with(request, tools=(), tool_choice=None, parallel_tools=None), (loss,))
    if choice.names and not aim.lacks.isdisjoint(("forced_tools", "named_tools")):
        kept = tuple(tool for tool in tools if isinstance(tool, Tool) and tool.name in choice.names)
        if not kept:
            raise unsupported("the tools that may be called are not among those offered", "$.tool_choice")
        request = _with(request, tools=kept, tool_choice=ToolChoice(choice.mode))
        loss = Loss("approximated", "tool_choice", "only the tools that may be called are offered")
        if choice.mode == "auto" or "forced_tools" not in aim.lacks:
            return Fitted(request, (loss,))
    elif choice.mode == "auto" or "forced_tools" not in aim.lacks:
        return Fitted(request)
    loss = Loss("approximated", "tool_choice", f"{aim.model.id} is free to call a tool or none")
    return Fitted(_with(request, tool_choice=None), (loss,))


def single(request: Request, aim: Aim) -> Fitted:
    """Refuse to ask for several answers where there is one."""
    if (request.candidates or 1) > 1 and "candidates" in aim.lacks:
        raise unsupported(f"{aim.model.id} gives one answer to a request here", "candidates")
    return Fitted(request)


def continued(request: Request, aim: Aim) -> Fitted:
    """Refuse a last turn of the assistant's where it must not be one; say so where it is not continued.

    At home it is the client's own affair: its provider may have paused there.
    """
    if not _prefilled(request) or request.dialect == aim.dialect:
        return Fitted(request)
    place = len(request.messages) - 1
    if "prefill" in aim.lacks:
        why = f"{aim.model.id} takes no conversation that ends with the assistant's words"
        raise unsupported(why, f"$.messages[{place}]")
    if request.dialect in CONTINUING and aim.dialect in ANSWERING:
        loss = Loss("approximated", f"messages[{place}]", "the last turn is answered, not continued")
        return Fitted(request, (loss,))
    return Fitted(request)


def bounded(request: Request, aim: Aim) -> Fitted:
    """Clamp the output limit to the model's, and give one where Anthropic's protocol wants one."""
    asked, limit = request.max_output, aim.model.max_output
    if asked is None:
        if aim.dialect != "anthropic":
            return Fitted(request)
        return Fitted(_with(request, max_output=limit or UNKNOWN_MAX_OUTPUT))
    if asked == 0 and aim.dialect != request.dialect:
        # Anthropic: 0 fills the prompt cache and answers nothing. Others take no 0, or answer without limit.
        raise unsupported(f"only {request.dialect} can be asked for no answer at all", "$.max_tokens")
    if limit is None or asked <= limit:
        return Fitted(request)
    loss = Loss("clamped", "max_output", f"{aim.model.id} writes at most {limit} tokens")
    return Fitted(_with(request, max_output=limit), (loss,))


def thoughtful(request: Request, aim: Aim) -> Fitted:
    """Ask for thinking the way the model takes it: not at all, by level, by budget, adaptively."""
    if request.reasoning is None:
        return Fitted(request)
    way = Way(aim.model, aim.dialect, request.dialect, request.max_output)
    reasoning, losses = asked(request.reasoning, way)
    if aim.dialect == "anthropic" and _prefilled(request) and thinks(reasoning, aim.dialect):
        if request.dialect == aim.dialect:
            return Fitted(_with(request, reasoning=reasoning), losses)
        # "You cannot pre-fill responses when thinking is enabled" (docs, extended-thinking) [2026-11-21].
        loss = Loss("dropped", "reasoning", "an answer that is begun already is not thought about")
        return Fitted(_with(request, reasoning=None), (loss,))
    return Fitted(_with(request, reasoning=reasoning), losses)


def sampled(request: Request, aim: Aim) -> Fitted:
    """Drop sampling where the model refuses it, always or while it thinks."""
    model = aim.model
    if model.sampling and (model.sampling_while_thinking or not thinks(request.reasoning, aim.dialect)):
        return Fitted(request)
    why = f"{model.id} does not take it" + (" while it thinks" if model.sampling else "")
    named = ("temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty")
    given = {name: value for name in named if (value := getattr(request.sampling, name)) is not None}
    if not given:
        return Fitted(request)
    losses = tuple(Loss("dropped", name, why) for name, value in given.items() if NEUTRAL.get(name) != value)
    sampling = msgspec.structs.replace(request.sampling, **dict.fromkeys(given))
    return Fitted(_with(request, sampling=sampling), losses)


def shaped(request: Request, aim: Aim) -> Fitted:
    """Hold the model to a shape it has no mode for: by a tool it must call, else by words."""
    shape, model = request.format, aim.model
    if shape is None or shape.kind == "text":
        return Fitted(request)
    beside = bool(request.tools) and "format_with_tools" in aim.lacks
    if shape.kind in model.formats and not beside:
        return Fitted(request)
    if _callable(request, aim):
        return _as_call(request, shape, model)
    words = "Answer with one JSON value and nothing else: no prose, no code fence."
    if shape.kind == "json_schema" and shape.schema is not None:
        words += f" It must be valid against this JSON Schema: {encode(shape.schema).decode()}"
    held = Format("json") if shape.kind == "json_schema" and "json" in model.formats and not beside else None
    leading, rest = split_system(request.messages)
    messages = (*leading, Message("system", (Text(words),)), *rest)
    why = "while it has tools" if beside else f"to {shape.kind}"
    loss = Loss("emulated", "format", f"{model.id} is asked in words: it cannot be held {why}")
    return Fitted(_with(request, format=held, messages=messages), (loss,))


def _callable(request: Request, aim: Aim) -> bool:
    """Say whether the answer can be had as the arguments of a tool the model must call.

    Not beside the client's own tools, nor where a JSON mode promises more, nor where being made to call
    would cost the client its thinking (Anthropic refuses the two together, unless thinking is adaptive).
    """
    shape, model = request.format, aim.model
    if shape is None or not isinstance(shape.schema, dict) or shape.schema.get("type") != "object":
        return False
    if request.tools or _prefilled(request) or "json" in model.formats:
        return False
    if not model.tools or aim.dialect == "ollama" or "forced_tools" in aim.lacks:
        return False
    manual = request.reasoning is not None and request.reasoning.budget is not None
    return not (aim.dialect == "anthropic" and manual and thinks(request.reasoning, aim.dialect))


def _as_call(request: Request, shape: Format, model: Model) -> Fitted:
    described = shape.description or "The answer. Call this tool once, with all of it."
    changed = _with(
        request,
        format=None,
        tools=(Tool(ANSWER, described, shape.schema),),
        tool_choice=ToolChoice("required"),
        parallel_tools=None,
    )
    loss = Loss("emulated", "format", f"{model.id} answers by calling a tool: it cannot be held to a schema")
    return Fitted(changed, (loss,), Mend(called=True))


def halted(request: Request, aim: Aim) -> Fitted:
    """Leave the stop sequences a provider does not take to the gateway, which cuts the answer there."""
    most = 0 if "stop" in aim.lacks else STOPS.get(aim.dialect, len(request.stop))
    if request.dialect == aim.dialect and most:
        return Fitted(request)
    # Anthropic: a stop sequence needs more than white space.
    taken = tuple(stop for stop in request.stop if stop.strip() or aim.dialect != "anthropic")[:most]
    cut = tuple(stop for stop in request.stop if stop and stop not in taken)
    if not cut:
        return Fitted(request)
    loss = Loss("emulated", "stop", f"the gateway cuts the answer where {aim.model.id} would not stop")
    return Fitted(_with(request, stop=taken), (loss,), Mend(stops=cut))


def instructed(request: Request, aim: Aim) -> Fitted:
    """Give system messages in the user's voice where the model knows no other."""
    if aim.model.system or all(message.role != "system" for message in request.messages):
        return Fitted(request)
    messages = tuple(
        msgspec.structs.replace(message, role="user") if message.role == "system" else message
        for message in request.messages
    )
    loss = Loss("emulated", "system", f"{aim.model.id} takes no system message")
    return Fitted(_with(request, messages=messages), (loss,))


RULES = (
    readable, offered, handy, chosen, single, continued,
    bounded, thoughtful, sampled, shaped, instructed, halted,
)  # fmt: skip
"""In order: tools left out before tools refused, an output limit before a budget that must fit in it,
thinking before sampling and before a tool that would forbid it."""

UNKNOWN_RULES = (offered, chosen, single, continued, bounded, shaped, halted)
"""What is done for a model that no row describes."""


# ---------------------------------------------------------------------------- walking a request


def _media(request: Request) -> Iterator[tuple[str, Media]]:
    """Yield every media part with its path, those inside tool results included."""
    for i, message in enumerate(request.messages):
        for j, part in enumerate(message.parts):
            at = f"$.messages[{i}].content[{j}]"
            if isinstance(part, Media):
                yield at, part
            elif isinstance(part, ToolResult):
                for k, inner in enumerate(part.parts):
                    if isinstance(inner, Media):
                        yield f"{at}.content[{k}]", inner


def _prefilled(request: Request) -> bool:
    """Say whether the conversation ends with words of the assistant's, for the model to continue."""
    last = request.messages[-1] if request.messages else None
    return (
        last is not None
        and last.role == "assistant"
        and not any(isinstance(part, (ToolCall, Opaque)) for part in last.parts)
    )


def _with(request: Request, **changes: Any) -> Request:
    return msgspec.structs.replace(request, **changes)
