"""Ask a model to think the way it takes it: not at all, by level, by token budget, adaptively; pure.

Clients say it in levels, in tokens, or not at all; models take one way or two, and their rows say which. What
a level stands for in tokens, and the other way round, is a convention of ours and no standard. Which words a
protocol has for what comes out is its codec's business: none gets a level *and* a budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from dragoman.core.extras import Loss
from dragoman.core.request import Effort, Reasoning
from dragoman.providers import Model

ORDER: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

BUDGETS: Mapping[Effort, int] = MappingProxyType(
    {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
)
"""Thinking tokens an effort stands for with Anthropic; ``max`` is all there is room for."""

TOKENS: Mapping[str, Mapping[Effort, int]] = MappingProxyType(
    {
        "gemini": MappingProxyType(
            {"minimal": 512, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576}
        ),
        "cohere": MappingProxyType(
            {"minimal": 512, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
        ),
    }
)
"""The same where thinking may be left to the model: that is what ``max`` is there."""

LEVELS: tuple[tuple[int, Effort], ...] = (
    (1024, "minimal"), (4096, "low"), (12288, "medium"), (24576, "high"), (49152, "xhigh"),
)  # fmt: skip
"""The effort a budget of at most so many tokens stands for; beyond the last it is ``max``."""

LEAST_BUDGET = 1024
"""Anthropic: ``budget_tokens`` is at least this, and less than ``max_tokens``."""

UNKNOWN_MAX_OUTPUT = 4096
"""What is asked of a model whose limit nobody knows, where the protocol makes a limit mandatory."""

Asked = tuple[Reasoning | None, tuple[Loss, ...]]
"""What is asked of the model, and what that lost."""


class Way(msgspec.Struct, frozen=True):
    """Who is asked, and how.

    Attributes:
        model: The model, as its provider serves it.
        speaks: The dialect it is asked in.
        heard: The dialect the client asked in.
        limit: Tokens the answer may have, thinking included.
    """

    model: Model
    speaks: str
    heard: str
    limit: int | None = None

    @property
    def home(self) -> bool:
        """Whether the client spoke the model's own protocol."""
        return self.speaks == self.heard


def asked(want: Reasoning, way: Way) -> Asked:
    """Return `want` as the model takes it."""
    model = way.model
    if model.reasoning == "none":
        lost = () if is_off(want) else (Loss("dropped", "reasoning", f"{model.id} cannot be asked to think"),)
        return None, lost
    if is_off(want):
        return _off(want, way)
    if model.reasoning == "budget" and way.speaks == "anthropic":
        return _by_budget(want, way)
    if model.reasoning == "budget" and way.speaks in TOKENS:
        return _by_tokens(want, way)
    return _by_effort(want, way)


def thinks(want: Reasoning | None, speaks: str) -> bool:
    """Whether a model asked so will think: in Anthropic's protocol an effort alone does not make it."""
    if want is None or is_off(want):
        return False
    return speaks != "anthropic" or bool(want.enabled) or want.budget is not None


def is_off(want: Reasoning) -> bool:
    """Whether it is asked not to think; there are three ways to say so."""
    return want.enabled is False or want.effort == "none" or want.budget == 0


def _off(want: Reasoning, way: Way) -> Asked:
    """Turn thinking off, or as far down as the model goes."""
    model, by_budget = way.model, way.model.reasoning == "budget"
    stays = bool(model.efforts) and "none" not in model.efforts
    if stays and not (by_budget and way.speaks == "anthropic"):
        loss = Loss("clamped", "reasoning", f"{model.id} always thinks")
        if by_budget and way.speaks in TOKENS:
            least = model.budget_limits[0] if model.budget_limits else TOKENS[way.speaks]["minimal"]
            changed = _replaced(want, enabled=True, effort=None, budget=least)
        else:
            level = min(model.efforts, key=ORDER.index)
            changed = _replaced(want, enabled=True, effort=level, budget=None)
        if way.speaks == "gemini":
            # Gemini shows thoughts to whom asks for them; who asked for none gets none to see.
            changed = _replaced(changed, show=want.show or "none")
        return changed, (loss,)
    effort = "none" if way.speaks != "anthropic" else None if want.effort == "none" else want.effort
    return _replaced(want, enabled=False, effort=effort, budget=None), ()


def _by_effort(want: Reasoning, way: Way) -> Asked:
    """Ask by level; a budget becomes the level it stands for, unless the model takes budgets too."""
    model, anthropic = way.model, way.speaks == "anthropic"
    if want.budget is not None and model.budgets and anthropic:
        return want, ()
    if way.home and way.speaks == "gemini" and want.effort is None:
        # A budget, or "as it will": its own words for older models, which Gemini 3 takes as well.
        return want, ()
    losses: list[Loss] = []
    level, enabled = want.effort, want.enabled
    if want.budget is not None:
        level = level or _level(want.budget)
        losses.append(Loss("approximated", "reasoning.budget", f"{model.id} is asked by level"))
    if anthropic:
        # At home an effort alone is Anthropic's own way to say "work harder"; elsewhere it asks to think.
        enabled = True if losses or not way.home else enabled
    elif level is None and enabled and model.efforts and way.speaks not in ("cohere", "ollama"):
        level = "medium"  # the others have no word for thinking as such
    if level is not None:
        wanted, level = level, _nearest(level, model.efforts)
        if level != wanted:
            losses.append(Loss("clamped", "reasoning.effort", f"{model.id} has {', '.join(model.efforts)}"))
    return _replaced(want, enabled=enabled, effort=level, budget=None), tuple(losses)


def _by_budget(want: Reasoning, way: Way) -> Asked:
    """Ask by token budget, inside the output limit (which `bounded` has made sure of)."""
    losses: list[Loss] = []
    effort, limit = want.effort, way.limit
    if effort is not None and effort not in way.model.efforts:
        losses.append(Loss("approximated", "reasoning.effort", f"{way.model.id} is asked by token budget"))
        effort = None
    if want.enabled is None and want.budget is None and way.home:
        return _replaced(want, effort=effort), tuple(losses)
    room = (limit or UNKNOWN_MAX_OUTPUT) - LEAST_BUDGET
    if room < LEAST_BUDGET and want.budget is None:
        return None, (Loss("dropped", "reasoning", "the output limit leaves no room to think"),)
    if want.budget is None:
        budget = min(BUDGETS.get(want.effort or "medium", room), room)
    else:
        budget = want.budget
        if limit is not None and budget >= limit and room >= LEAST_BUDGET:
            budget = room
            losses.append(Loss("clamped", "reasoning.budget", "it must be less than the output limit"))
    return _replaced(want, enabled=True, effort=effort, budget=budget), tuple(losses)


def _by_tokens(want: Reasoning, way: Way) -> Asked:
    """Ask by token budget where none means "as the model will"."""
    model, budget = way.model, want.budget
    losses: list[Loss] = []
    if want.effort is not None:
        losses.append(Loss("approximated", "reasoning.effort", f"{model.id} is asked by token budget"))
        budget = TOKENS[way.speaks].get(want.effort) if budget is None else budget
    elif budget is None:
        return want, ()
    if budget is not None and model.budget_limits is not None:
        least, most = model.budget_limits
        if not least <= budget <= most:
            losses.append(Loss("clamped", "reasoning.budget", f"{model.id} takes {least} to {most}"))
            budget = min(max(budget, least), most)
    return _replaced(want, enabled=True, effort=None, budget=budget), tuple(losses)


def _level(budget: int) -> Effort:
    return next((level for most, level in LEVELS if budget <= most), "max")


def _nearest(effort: Effort, efforts: tuple[Effort, ...]) -> Effort:
    """Return the accepted level nearest to `effort`, the higher of two; never ``none``."""
    thinking = [level for level in efforts if level != "none"]
    if not thinking or effort in thinking:
        return effort
    wanted = ORDER.index(effort)
    return min(thinking, key=lambda level: (abs(ORDER.index(level) - wanted), -ORDER.index(level)))


def _replaced(want: Reasoning, **changes: object) -> Reasoning:
    return msgspec.structs.replace(want, **changes)
