"""Make a request fit a model: keep, drop, clamp, emulate, refuse.

What a model can do is its row in models.toml. Each rule below takes one ability and returns the request
as that model can be asked, with what it lost; together they are the policy:

* what only *guides* the model (sampling, effort, limits) is dropped or clamped, and declared;
* what the model would have to *see* or *do* (an image, a tool) is refused, with its path;
* the *shape* of the answer is emulated by words where the model cannot be held to it, and declared.

A model no row describes is asked as the client asked; only what its protocol makes mandatory is added.
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
    Effort,
    Format,
    Media,
    Message,
    Reasoning,
    Request,
    Text,
    ToolResult,
    split_system,
)
from dragoman.dialects.fields import encode
from dragoman.providers import Model, Provider

ORDER: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

BUDGETS: Mapping[Effort, int] = MappingProxyType(
    {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
)
"""Thinking tokens an effort stands for; ``max`` is all there is room for. A convention of ours."""

LEVELS: tuple[tuple[int, Effort], ...] = (
    (1024, "minimal"), (4096, "low"), (12288, "medium"), (24576, "high"), (49152, "xhigh"),
)  # fmt: skip
"""The effort a budget of at most so many tokens stands for; beyond the last it is ``max``."""

LEAST_BUDGET = 1024
"""Anthropic: ``budget_tokens`` is at least this, and less than ``max_tokens``."""

UNKNOWN_MAX_OUTPUT = 4096
"""What is asked of a model whose limit nobody knows, where the protocol makes a limit mandatory."""

NEUTRAL = MappingProxyType({"temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0})
"""Sampling values that ask for what the model does anyway."""


class Fitted(msgspec.Struct, frozen=True):
    """A request as a model can be asked it, and what that cost."""

    request: Request
    losses: tuple[Loss, ...] = ()


class Aim(msgspec.Struct, frozen=True):
    """Whom a request is fitted to: a model as its provider serves it, and the protocol it is asked in."""

    model: Model
    dialect: str


def fit(request: Request, model: Model | None, provider: Provider, dialect: str) -> Fitted:
    """Return `request` as `model` can be asked it by `provider`, which speaks `dialect`.

    Raises:
        Failure: UNSUPPORTED, with a path: the model cannot see or do what is asked.
    """
    if model is None:
        return bounded(request, Aim(Model(id=request.model), dialect))
    aim = Aim(model.on(provider.name), dialect)
    losses: tuple[Loss, ...] = ()
    for rule in RULES:
        fitted = rule(request, aim)
        request = fitted.request
        losses += fitted.losses
    return Fitted(request, losses)


def readable(request: Request, aim: Aim) -> Fitted:
    """Refuse content of a kind the model cannot read."""
    for at, media in _media(request):
        # A document of plain text is text to any model.
        if media.kind not in aim.model.inputs and media.source != "text":
            raise unsupported(f"{aim.model.id} does not read {media.kind} content", at)
    return Fitted(request)


def handy(request: Request, aim: Aim) -> Fitted:
    """Refuse tools where the model cannot call them."""
    if request.tools and not aim.model.tools:
        raise unsupported(f"{aim.model.id} does not call tools", "$.tools")
    return Fitted(request)


def bounded(request: Request, aim: Aim) -> Fitted:
    """Clamp the output limit to the model's, and give one where Anthropic's protocol wants one."""
    asked, limit = request.max_output, aim.model.max_output
    if asked is None:
        if aim.dialect != "anthropic":
            return Fitted(request)
        return Fitted(_with(request, max_output=limit or UNKNOWN_MAX_OUTPUT))
    if limit is None or asked <= limit:
        return Fitted(request)
    loss = Loss("clamped", "max_output", f"{aim.model.id} writes at most {limit} tokens")
    return Fitted(_with(request, max_output=limit), (loss,))


def thoughtful(request: Request, aim: Aim) -> Fitted:
    """Ask for thinking the way the model takes it: not at all, by level, by budget, adaptively."""
    asked, model = request.reasoning, aim.model
    if asked is None:
        return Fitted(request)
    if model.reasoning == "none":
        lost = (
            () if _is_off(asked) else (Loss("dropped", "reasoning", f"{model.id} cannot be asked to think"),)
        )
        return Fitted(_with(request, reasoning=None), lost)
    if _is_off(asked):
        return _unthinking(request, asked, aim)
    if aim.dialect == "anthropic" and model.reasoning == "budget":
        return _by_budget(request, asked, model)
    return _by_effort(request, asked, aim)


def sampled(request: Request, aim: Aim) -> Fitted:
    """Drop sampling where the model refuses it, always or while it thinks."""
    asked, model = request.reasoning, aim.model
    if model.sampling and (model.sampling_while_thinking or not _thinks(asked, aim.dialect)):
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
    """Ask in words for a shape the model cannot be held to."""
    shape, model = request.format, aim.model
    if shape is None or shape.kind == "text" or shape.kind in model.formats:
        return Fitted(request)
    words = "Answer with one JSON value and nothing else: no prose, no code fence."
    if shape.kind == "json_schema" and shape.schema is not None:
        words += f" It must be valid against this JSON Schema: {encode(shape.schema).decode()}"
    held = Format("json") if shape.kind == "json_schema" and "json" in model.formats else None
    leading, rest = split_system(request.messages)
    messages = (*leading, Message("system", (Text(words),)), *rest)
    loss = Loss("emulated", "format", f"{model.id} is asked in words: it cannot be held to {shape.kind}")
    return Fitted(_with(request, format=held, messages=messages), (loss,))


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


RULES = (readable, handy, bounded, thoughtful, sampled, shaped, instructed)
"""In order: an output limit before a budget that must fit in it, thinking before sampling."""


# ---------------------------------------------------------------------------- thinking


def _unthinking(request: Request, asked: Reasoning, aim: Aim) -> Fitted:
    """Turn thinking off, or as far down as the model goes."""
    model = aim.model
    if model.efforts and "none" not in model.efforts and model.reasoning != "budget":
        least = min(model.efforts, key=ORDER.index)
        changed = msgspec.structs.replace(asked, enabled=True, effort=least, budget=None)
        loss = Loss("clamped", "reasoning", f"{model.id} always thinks")
        return Fitted(_with(request, reasoning=changed), (loss,))
    if aim.dialect == "anthropic":
        effort = None if asked.effort == "none" else asked.effort
        changed = msgspec.structs.replace(asked, enabled=False, effort=effort, budget=None)
    else:
        changed = msgspec.structs.replace(asked, enabled=False, effort="none", budget=None)
    return Fitted(_with(request, reasoning=changed))


def _by_effort(request: Request, asked: Reasoning, aim: Aim) -> Fitted:
    """Ask by level; a budget becomes the level it stands for, unless the model takes budgets too."""
    model, anthropic = aim.model, aim.dialect == "anthropic"
    if asked.budget is not None and model.budgets and anthropic:
        return Fitted(request)
    losses: list[Loss] = []
    level, enabled = asked.effort, asked.enabled
    if asked.budget is not None:
        level = level or _level(asked.budget)
        losses.append(Loss("approximated", "reasoning.budget", f"{model.id} is asked by level"))
    if anthropic:
        # At home an effort alone is Anthropic's own way to say "work harder"; elsewhere it asks to think.
        enabled = True if losses or request.dialect != "anthropic" else enabled
    elif level is None and enabled and model.efforts:
        level = "medium"
    if level is not None:
        wanted, level = level, _nearest(level, model.efforts)
        if level != wanted:
            losses.append(Loss("clamped", "reasoning.effort", f"{model.id} has {', '.join(model.efforts)}"))
    changed = msgspec.structs.replace(asked, enabled=enabled, effort=level, budget=None)
    return Fitted(_with(request, reasoning=changed), tuple(losses))


def _by_budget(request: Request, asked: Reasoning, model: Model) -> Fitted:
    """Ask by token budget, inside the output limit (which `bounded` has made sure of)."""
    losses: list[Loss] = []
    effort = asked.effort
    if effort is not None and effort not in model.efforts:
        losses.append(Loss("approximated", "reasoning.effort", f"{model.id} is asked by token budget"))
        effort = None
    if asked.enabled is None and asked.budget is None and request.dialect == "anthropic":
        changed = msgspec.structs.replace(asked, effort=effort)
        return Fitted(_with(request, reasoning=changed), tuple(losses))
    room = (request.max_output or UNKNOWN_MAX_OUTPUT) - LEAST_BUDGET
    if room < LEAST_BUDGET and asked.budget is None:
        loss = Loss("dropped", "reasoning", "the output limit leaves no room to think")
        return Fitted(_with(request, reasoning=None), (loss,))
    if asked.budget is None:
        budget = min(BUDGETS.get(asked.effort or "medium", room), room)
    else:
        budget = asked.budget
        if request.max_output is not None and budget >= request.max_output and room >= LEAST_BUDGET:
            budget = room
            losses.append(Loss("clamped", "reasoning.budget", "it must be less than the output limit"))
    changed = msgspec.structs.replace(asked, enabled=True, effort=effort, budget=budget)
    return Fitted(_with(request, reasoning=changed), tuple(losses))


def _thinks(asked: Reasoning | None, dialect: str) -> bool:
    """Whether the model will think: in Anthropic's protocol an effort alone does not make it."""
    if asked is None or _is_off(asked):
        return False
    return dialect != "anthropic" or bool(asked.enabled) or asked.budget is not None


def _is_off(asked: Reasoning) -> bool:
    return asked.enabled is False or asked.effort == "none" or asked.budget == 0


def _level(budget: int) -> Effort:
    return next((level for most, level in LEVELS if budget <= most), "max")


def _nearest(effort: Effort, efforts: tuple[Effort, ...]) -> Effort:
    """Return the accepted level nearest to `effort`, the higher of two; never ``none``."""
    thinking = [level for level in efforts if level != "none"]
    if not thinking or effort in thinking:
        return effort
    wanted = ORDER.index(effort)
    return min(thinking, key=lambda level: (abs(ORDER.index(level) - wanted), -ORDER.index(level)))


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


def _with(request: Request, **changes: Any) -> Request:
    return msgspec.structs.replace(request, **changes)
