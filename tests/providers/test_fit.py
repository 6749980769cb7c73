"""Fit: what each ability of a model does to a request, and what it costs."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind, Retry
from dragoman.core.request import (
    Effort,
    Format,
    Media,
    Message,
    Opaque,
    Reasoning,
    Request,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers import Lack, Model, Offer, Provider
from dragoman.providers.catalog import catalog
from dragoman.providers.fit import ANSWER, Fitted, fit
from dragoman.providers.mend import Mend
from dragoman.providers.thinking import BUDGETS, ORDER

HERE = Provider(name="here", dialect="openai_chat")
ASKED = Request("openai_chat", "m", (Message("user", (Text("Hello"),)),))
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def request(dialect: str = "openai_chat", **fields: Any) -> Request:
    """Return a request read from `dialect`."""
    return msgspec.structs.replace(ASKED, dialect=dialect, **fields)


def fitted(asked: Request, dialect: str = "openai_chat", **abilities: Any) -> Fitted:
    """Return `asked` as a model of these abilities can be asked it in `dialect`."""
    return fit(asked, Model(id="m", **abilities), HERE, dialect)


def lost(result: Fitted) -> list[str]:
    """Return the losses in words."""
    return [str(loss) for loss in result.losses]


# ---------------------------------------------------------------------------- nothing to do


def test_an_unknown_model_is_asked_as_the_client_asked() -> None:
    """Nobody knows better than the client what a model without a row can do."""
    asked = request(
        sampling=Sampling(temperature=0.3),
        reasoning=Reasoning(effort="max"),
        format=Format("json_schema", SCHEMA),
        tools=(Tool("f"),),
    )
    assert fit(asked, None, HERE, "openai_chat") == Fitted(asked)


def test_anthropic_gets_a_limit_even_for_an_unknown_model() -> None:
    """``max_tokens`` is mandatory there; giving one loses nothing."""
    result = fit(ASKED, None, HERE, "anthropic")
    assert (result.request.max_output, result.losses) == (4096, ())
    given_one = fit(request(max_output=9), None, HERE, "anthropic")
    assert given_one.request.max_output == 9


def test_a_model_that_can_do_it_all_changes_nothing() -> None:
    """What fits is handed on as it is."""
    asked = request(tools=(Tool("f"),), sampling=Sampling(temperature=0.3), format=Format("json"))
    assert fitted(asked) == Fitted(asked)


# ---------------------------------------------------------------------------- refused


SEARCH = Opaque("openai_responses", "web_search", {"type": "web_search"})


@pytest.mark.parametrize("model", [None, Model(id="m")])
@pytest.mark.parametrize(
    "choice", [None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("required", ("f",))]
)
def test_a_hosted_tool_on_offer_is_dropped_abroad(model: Model | None, choice: ToolChoice | None) -> None:
    """An agent offers all it has; what the model is free not to call is left out, and declared."""
    asked = request(tools=(SEARCH, Tool("f"), SEARCH), tool_choice=choice)
    result = fit(asked, model, HERE, "openai_chat")
    assert lost(result) == ["dropped:tools[0]", "dropped:tools[2]"]
    assert result.request == request(tools=(Tool("f"),), tool_choice=choice)
    assert fit(asked, model, HERE, "openai_responses") == Fitted(asked)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": (SEARCH,)},
        {"tools": (SEARCH, Tool("f")), "tool_choice": ToolChoice("required")},
        {"tools": (SEARCH, Tool("f")), "tool_choice": ToolChoice("required", ("web_search",))},
        {"tools": (SEARCH, Tool("f")), "tool_choice": ToolChoice("auto", ("f", "web_search"))},
    ],
)
def test_a_hosted_tool_that_is_asked_for_stays(more: dict[str, Any]) -> None:
    """Nothing else would be what was asked: the dialect refuses it, with its path."""
    asked = request(**more)
    assert fitted(asked) == Fitted(asked)


@pytest.mark.parametrize("kind", ["image", "audio", "video", "document"])
def test_content_the_model_cannot_read_is_refused_with_its_path(kind: Any) -> None:
    """The model would have answered about something it never saw."""
    part = Media(kind, "base64", "AAAA", mime="x/y")
    asked = request(messages=(Message("user", (Text("a"),)), Message("user", (Text("b"), part))))
    with pytest.raises(Failure) as caught:
        fitted(asked)
    failure = caught.value
    assert (failure.kind, failure.retry, failure.at) == (
        Kind.UNSUPPORTED,
        Retry.NEXT,
        "$.messages[1].content[1]",
    )
    assert fitted(asked, inputs=("text", kind)).losses == ()


def test_content_inside_a_tool_result_is_found() -> None:
    """A picture a tool returned is as invisible as one the user sent."""
    result = ToolResult("c", (Text("x"), Media("image", "url", "https://x.test/a.png")))
    with pytest.raises(Failure) as caught:
        fitted(request(messages=(Message("user", (result,)),)))
    assert caught.value.at == "$.messages[0].content[0].content[1]"


def test_a_document_of_plain_text_is_text() -> None:
    """Every model reads text, whatever part it came in."""
    part = Media("document", "text", "words", mime="text/plain")
    assert fitted(request(messages=(Message("user", (part,)),))).losses == ()


def test_tools_are_refused_where_the_model_has_none() -> None:
    """Without its tools the answer would be another one; an empty list is no tools."""
    with pytest.raises(Failure) as caught:
        fitted(request(tools=(Tool("f"),)), tools=False)
    assert caught.value.at == "$.tools"
    assert fitted(request(tools=()), tools=False).losses == ()


# ---------------------------------------------------------------------------- limits


def test_no_answer_at_all_can_be_asked_at_home_only() -> None:
    """Zero tokens warm a cache there; abroad it would be a fault, or no limit."""
    warm = msgspec.structs.replace(request(max_output=0), dialect="anthropic")
    with pytest.raises(Failure) as refused:
        fit(warm, None, HERE, "openai_chat")
    assert refused.value.at == "$.max_tokens"
    assert fit(warm, None, HERE, "anthropic").request.max_output == 0


def test_a_limit_above_the_models_is_clamped() -> None:
    """The provider would have answered 400."""
    result = fitted(request(max_output=1000), max_output=100)
    assert (result.request.max_output, lost(result)) == (100, ["clamped:max_output"])
    assert lost(fitted(request(max_output=100), max_output=100)) == []


def test_anthropic_gets_the_models_own_limit() -> None:
    """No answer is cut shorter than the model could have written it; elsewhere no limit is needed."""
    assert fitted(ASKED, "anthropic", max_output=64_000).request.max_output == 64_000
    assert fitted(ASKED, "openai_chat", max_output=64_000).request.max_output is None


def test_the_providers_own_limit_counts() -> None:
    """An offer that differs from the row is the one that is fitted to."""
    model = Model(id="m", max_output=1000, offers=(Offer("here", "m", max_output=10),))
    result = fit(request(max_output=500), model, HERE, "openai_chat")
    assert result.request.max_output == 10


# ---------------------------------------------------------------------------- sampling

HOT = Sampling(temperature=0.3, top_p=0.9, top_k=5, frequency_penalty=0.1, presence_penalty=0.2, seed=7)


def test_sampling_is_dropped_where_refused() -> None:
    """Each field is declared; the seed is no sampling and stays."""
    result = fitted(request(sampling=HOT), sampling=False)
    assert result.request.sampling == Sampling(seed=7)
    assert lost(result) == [
        f"dropped:{name}"
        for name in ("temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty")
    ]


def test_dropping_what_says_nothing_loses_nothing() -> None:
    """Clients send the defaults out of habit; no loss is cried over them."""
    neutral = Sampling(temperature=1.0, top_p=1, frequency_penalty=0, presence_penalty=0.0)
    assert fitted(request(sampling=neutral), sampling=False) == Fitted(request(sampling=Sampling()))


def test_sampling_is_dropped_while_the_model_thinks() -> None:
    """GPT-5.4 and Claude 4 take a temperature, but not together with thinking."""
    model: dict[str, Any] = {"reasoning": "effort", "sampling_while_thinking": False}
    warm = Sampling(temperature=0.3)
    assert lost(fitted(request(sampling=warm), **model)) == []
    assert lost(fitted(request(sampling=warm, reasoning=Reasoning(effort="none")), **model)) == []
    assert lost(fitted(request(sampling=warm, reasoning=Reasoning(effort="low")), **model)) == [
        "dropped:temperature"
    ]


def test_an_effort_alone_does_not_make_claude_think() -> None:
    """At home ``output_config.effort`` without ``thinking`` leaves sampling allowed."""
    model: dict[str, Any] = {"reasoning": "adaptive", "sampling_while_thinking": False}
    warm = Sampling(temperature=0.3)
    home = request("anthropic", sampling=warm, reasoning=Reasoning(effort="low"))
    assert lost(fitted(home, "anthropic", **model)) == []
    thinking = request("anthropic", sampling=warm, reasoning=Reasoning(enabled=True))
    assert lost(fitted(thinking, "anthropic", **model)) == ["dropped:temperature"]


# ---------------------------------------------------------------------------- thinking

CLAMPS: list[tuple[Effort, tuple[Effort, ...], Effort]] = [
    ("minimal", ("low", "medium", "high"), "low"),
    ("max", ("low", "medium", "high"), "high"),
    ("xhigh", ("none", "low", "medium", "high", "max"), "max"),
    ("medium", ("low", "high", "max"), "high"),
    ("low", ("none", "high"), "high"),
    ("low", ("high",), "high"),
]


@pytest.mark.parametrize(("asked", "efforts", "got"), CLAMPS)
def test_an_effort_is_clamped_to_the_nearest_level(
    asked: Effort, efforts: tuple[Effort, ...], got: Effort
) -> None:
    """Of two as near the higher is meant, and who asks to think is never told not to."""
    result = fitted(request(reasoning=Reasoning(effort=asked)), reasoning="effort", efforts=efforts)
    assert result.request.reasoning == Reasoning(effort=got)
    assert lost(result) == ["clamped:reasoning.effort"]


def test_levels_nobody_knows_are_not_clamped() -> None:
    """The row says that it thinks, not how: the provider has the last word."""
    asked = request(reasoning=Reasoning(effort="minimal"))
    assert fitted(asked, reasoning="effort") == Fitted(asked)


def test_thinking_is_dropped_where_it_cannot_be_asked_for() -> None:
    """Asking such a model is a 400; asking it not to think costs nothing."""
    result = fitted(request(reasoning=Reasoning(effort="high")))
    assert (result.request.reasoning, lost(result)) == (None, ["dropped:reasoning"])
    assert fitted(request(reasoning=Reasoning(enabled=False))) == Fitted(ASKED)


@pytest.mark.parametrize(
    "off", [Reasoning(enabled=False), Reasoning(effort="none"), Reasoning(enabled=True, budget=0)]
)
def test_thinking_is_turned_off_in_the_targets_words(off: Reasoning) -> None:
    """Three ways to say no, one meaning."""
    asked = request(reasoning=off)
    chat = fitted(asked, reasoning="effort", efforts=("none", "high"))
    assert (chat.request.reasoning, chat.losses) == (Reasoning(enabled=False, effort="none"), ())
    claude = fitted(asked, "anthropic", reasoning="adaptive", efforts=("none", "high"))
    assert (claude.request.reasoning, claude.losses) == (Reasoning(enabled=False), ())
    older = fitted(asked, "anthropic", reasoning="budget", efforts=("low", "high"), max_output=100)
    assert (older.request.reasoning, older.losses) == (Reasoning(enabled=False), ())


def test_a_model_that_always_thinks_thinks_least() -> None:
    """It cannot be turned off; that is declared."""
    for dialect in ("openai_chat", "anthropic"):
        result = fitted(
            request(reasoning=Reasoning(effort="none")),
            dialect,
            reasoning="adaptive",
            efforts=("high", "low", "medium"),
        )
        assert result.request.reasoning == Reasoning(enabled=True, effort="low")
        assert lost(result) == ["clamped:reasoning"]


@pytest.mark.parametrize(
    ("budget", "effort"),
    [
        (1, "minimal"), (1024, "minimal"), (1025, "low"), (4096, "low"), (12288, "medium"), (24576, "high"),
        (49152, "xhigh"), (49153, "max"),
    ],
)  # fmt: skip
def test_a_budget_becomes_the_level_it_stands_for(budget: int, effort: Effort) -> None:
    """Where a model is asked by level, the number of tokens is an approximation."""
    asked = request("anthropic", reasoning=Reasoning(enabled=True, budget=budget))
    result = fitted(asked, reasoning="effort", efforts=ORDER)
    assert result.request.reasoning == Reasoning(enabled=True, effort=effort)
    assert lost(result) == ["approximated:reasoning.budget"]


def test_newer_claude_is_asked_adaptively() -> None:
    """A manual budget is a 400 there, at home too; an effort from abroad asks to think."""
    model: dict[str, Any] = {"reasoning": "adaptive", "efforts": ("low", "medium", "high", "max")}
    home = fitted(
        request("anthropic", reasoning=Reasoning(enabled=True, budget=20_000)), "anthropic", **model
    )
    assert home.request.reasoning == Reasoning(enabled=True, effort="high")
    assert lost(home) == ["approximated:reasoning.budget"]
    abroad = fitted(request(reasoning=Reasoning(effort="xhigh")), "anthropic", **model)
    assert abroad.request.reasoning == Reasoning(enabled=True, effort="max")
    assert lost(abroad) == ["clamped:reasoning.effort"]


def test_claude_between_the_two_takes_a_budget_as_it_is() -> None:
    """Sonnet 4.6 knows both ways: nothing is changed at home."""
    asked = request("anthropic", reasoning=Reasoning(enabled=True, budget=20_000), max_output=30_000)
    model: dict[str, Any] = {"reasoning": "adaptive", "budgets": True, "efforts": ("low", "high")}
    assert fitted(asked, "anthropic", **model) == Fitted(asked)


def test_an_anthropic_effort_at_home_stays_an_effort() -> None:
    """It is Anthropic's own word for "work harder" and does not turn thinking on."""
    asked = request("anthropic", reasoning=Reasoning(effort="low"), max_output=10)
    assert fitted(asked, "anthropic", reasoning="adaptive", efforts=("low", "high")) == Fitted(asked)
    assert fitted(asked, "anthropic", reasoning="budget", efforts=("low", "high")) == Fitted(asked)
    bare = fitted(asked, "anthropic", reasoning="budget")
    assert (bare.request.reasoning, lost(bare)) == (Reasoning(), ["approximated:reasoning.effort"])


@pytest.mark.parametrize("effort", [level for level in ORDER if level != "none"])
def test_older_claude_is_asked_by_budget(effort: Effort) -> None:
    """Each level stands for a number of tokens; ``max`` for all there is room for."""
    result = fitted(
        request(reasoning=Reasoning(effort=effort)), "anthropic", reasoning="budget", max_output=64_000
    )
    budget = BUDGETS.get(effort, 64_000 - 1024)
    assert result.request.reasoning == Reasoning(enabled=True, budget=budget)
    assert lost(result) == ["approximated:reasoning.effort"]


@given(
    st.integers(1, 200_000) | st.none(),
    st.integers(1024, 128_000) | st.none(),
    st.sampled_from([level for level in ORDER if level != "none"]),
)
def test_a_budget_made_by_us_always_fits(asked: int | None, limit: int | None, effort: Effort) -> None:
    """Anthropic wants 1024 <= budget < max_tokens; where there is no room it is not asked to think."""
    result = fitted(
        request(max_output=asked, reasoning=Reasoning(effort=effort)),
        "anthropic",
        reasoning="budget",
        max_output=limit,
    )
    most, thinking = result.request.max_output, result.request.reasoning
    assert most is not None
    if thinking is None:
        assert most < 2048
        assert "dropped:reasoning" in lost(result)
    else:
        assert thinking.budget is not None
        assert 1024 <= thinking.budget < most


def test_a_budget_that_no_longer_fits_is_clamped() -> None:
    """The limit was clamped to the model's, so the client's own budget has to follow."""
    asked = request("anthropic", max_output=200_000, reasoning=Reasoning(enabled=True, budget=100_000))
    result = fitted(asked, "anthropic", reasoning="budget", max_output=64_000)
    assert result.request.reasoning == Reasoning(enabled=True, budget=62_976)
    assert lost(result) == ["clamped:max_output", "clamped:reasoning.budget"]


def test_thinking_without_a_level_gets_the_middle_one() -> None:
    """Anthropic's bare "think" must turn on a model whose default is not to."""
    asked = request("anthropic", reasoning=Reasoning(enabled=True))
    result = fitted(asked, reasoning="effort", efforts=("none", "low", "medium", "high"))
    assert (result.request.reasoning, result.losses) == (Reasoning(enabled=True, effort="medium"), ())
    older = fitted(asked, "anthropic", reasoning="budget", max_output=64_000)
    assert (older.request.reasoning, older.losses) == (Reasoning(enabled=True, budget=8192), ())


# ---------------------------------------------------------------------------- shape and voice


def test_a_schema_becomes_json_and_words() -> None:
    """A model with a JSON mode is held to JSON and told the schema, after the client's own system text."""
    system = Message("system", (Text("Be brief."),))
    asked = request(messages=(system, *ASKED.messages), format=Format("json_schema", SCHEMA, name="x"))
    result = fitted(asked, formats=("json",))
    first, added, last = result.request.messages
    assert (first, last) == (system, ASKED.messages[0])
    assert added.role == "system"
    words = added.parts[0]
    assert isinstance(words, Text)
    assert '{"type":"object","properties":{"a":{"type":"string"}}}' in words.text
    assert (result.request.format, lost(result)) == (Format("json"), ["emulated:format"])


@pytest.mark.parametrize("shape", [Format("json"), Format("json_schema", SCHEMA)])
def test_a_shape_becomes_words_alone_where_there_is_no_mode(shape: Format) -> None:
    """The model is asked as clearly as words can; that it is only words is declared."""
    result = fitted(request(format=shape), formats=(), tools=False)
    assert result.request.format is None
    assert result.request.messages[0].role == "system"
    assert lost(result) == ["emulated:format"]


def test_json_is_not_promised_by_a_schema_mode() -> None:
    """Claude is held to schemas only; plain JSON is asked of it in words."""
    result = fitted(request(format=Format("json")), "anthropic", formats=("json_schema",))
    assert (result.request.format, lost(result)) == (None, ["emulated:format"])


OF_SCHEMA = Format("json_schema", SCHEMA, name="x", strict=True)


@pytest.mark.parametrize("dialect", ["anthropic", "openai_chat", "openai_responses", "gemini", "cohere"])
def test_a_schema_becomes_a_tool_the_model_must_call(dialect: str) -> None:
    """Its arguments are the answer; that the answer has to be mended goes with the request."""
    result = fitted(request(format=OF_SCHEMA, max_output=9), dialect, formats=())
    [tool] = result.request.tools
    assert isinstance(tool, Tool)
    assert (tool.name, tool.schema) == (ANSWER, SCHEMA)
    assert result.request.tool_choice == ToolChoice("required")
    assert result.request.format is None
    assert result.request.messages == ASKED.messages
    assert (lost(result), result.mend) == (["emulated:format"], Mend(called=True))


PREFILLED = (*ASKED.messages, Message("assistant", (Text("{"),)))
THOUGHTFUL = Reasoning(enabled=True, budget=2048)

WORDS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("tools of its own", "anthropic", {"tools": (Tool("f"),)}, {}),
    ("no tools", "anthropic", {}, {"tools": False}),
    ("tools it is free to call", "cohere", {}, {"lacks": ("forced_tools",)}),
    ("no choice of tools", "ollama", {}, {}),
    ("manual thinking", "anthropic", {"reasoning": THOUGHTFUL}, {"reasoning": "budget"}),
    ("an answer begun", "anthropic", {"messages": PREFILLED}, {}),
    ("a list", "anthropic", {"format": Format("json_schema", {"type": "array"})}, {}),
    ("a JSON mode", "openai_chat", {}, {"formats": ("json",)}),
]


@pytest.mark.parametrize(("why", "dialect", "asked", "row"), WORDS, ids=[row[0] for row in WORDS])
def test_a_schema_becomes_words_where_a_tool_would_cost_more(
    why: str, dialect: str, asked: dict[str, Any], row: dict[str, Any]
) -> None:
    """A tool is for whom nothing else is lost by it."""
    model = {"formats": (), "max_output": 8192, **row}
    result = fitted(request(dialect, **{"format": OF_SCHEMA, **asked}), dialect, **model)
    assert result.request.tools == asked.get("tools", ()), why
    assert result.request.messages[0].role == "system"
    assert (lost(result), result.mend) == (["emulated:format"], Mend())


def test_a_format_beside_tools_becomes_words_where_the_two_do_not_go_together() -> None:
    """Gemini 2.5 and Cohere take one or the other; without tools nothing is emulated."""
    alone = fitted(request(format=OF_SCHEMA), lacks=("format_with_tools",))
    assert alone == Fitted(request(format=OF_SCHEMA))
    beside = fitted(request(format=OF_SCHEMA, tools=(Tool("f"),)), lacks=("format_with_tools",))
    assert beside.request.format is None
    assert beside.request.tools == (Tool("f"),)
    assert lost(beside) == ["emulated:format"]


def test_what_the_provider_lacks_holds_for_models_without_a_row() -> None:
    """A provider's own limit needs no row of the model."""
    cohere = catalog().providers["cohere"]
    asked = request(format=OF_SCHEMA, tools=(Tool("f"),))
    assert lost(fit(asked, None, cohere, "cohere")) == ["emulated:format"]
    with pytest.raises(Failure) as caught:
        fit(request(candidates=2), None, catalog().providers["groq"], "openai_chat")
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "candidates")


# ---------------------------------------------------------------------------- the choice of a tool

F, G = Tool("f"), Tool("g")
HOSTED = Opaque("openai_chat", "web_search", {"type": "web_search"})

CHOICES: list[tuple[ToolChoice, tuple[Lack, ...], tuple[Any, ...], ToolChoice | None, list[str]]] = [
    (ToolChoice("required"), (), (F, G), ToolChoice("required"), []),
    (ToolChoice("required", ("f",)), (), (F, G), ToolChoice("required", ("f",)), []),
    (ToolChoice("required"), ("named_tools",), (F, G), ToolChoice("required"), []),
    (
        ToolChoice("required", ("f",)),
        ("named_tools",),
        (F,),
        ToolChoice("required"),
        ["approximated:tool_choice"],
    ),
    (ToolChoice("auto", ("f",)), ("named_tools",), (F,), ToolChoice("auto"), ["approximated:tool_choice"]),
    (ToolChoice("required"), ("forced_tools",), (F, G), None, ["approximated:tool_choice"]),
    (ToolChoice("required", ("f",)), ("forced_tools",), (F,), None, ["approximated:tool_choice"]),
    (ToolChoice("none"), ("forced_tools",), (), None, ["emulated:tool_choice"]),
    (ToolChoice("none"), ("named_tools",), (F, G), ToolChoice("none"), []),
    (ToolChoice("auto"), ("forced_tools",), (F, G), ToolChoice("auto"), []),
]


@pytest.mark.parametrize(("choice", "lacks", "tools", "left", "losses"), CHOICES)
def test_a_choice_that_cannot_be_made_is_left_to_the_model(
    choice: ToolChoice,
    lacks: tuple[Lack, ...],
    tools: tuple[Any, ...],
    left: ToolChoice | None,
    losses: list[str],
) -> None:
    """As near as the tools on offer can bring it, and declared."""
    result = fitted(request(tools=(F, G), tool_choice=choice), lacks=lacks)
    assert (result.request.tools, result.request.tool_choice) == (tools, left)
    assert lost(result) == losses


def test_a_choice_of_a_tool_that_is_not_there_is_refused() -> None:
    """With nothing left to offer the request would be another one."""
    asked = request(tools=(F, HOSTED), tool_choice=ToolChoice("required", ("web_search",)))
    with pytest.raises(Failure) as caught:
        fitted(asked, lacks=("named_tools",))
    assert caught.value.at == "$.tool_choice"


def test_several_answers_are_refused_where_there_is_one() -> None:
    """One where two were asked is another shape of answer; one is what everybody gives."""
    assert fitted(request(candidates=1), lacks=("candidates",)).losses == ()
    assert fitted(request(candidates=2)).losses == ()
    with pytest.raises(Failure) as caught:
        fitted(request(candidates=2), lacks=("candidates",))
    assert (caught.value.kind, caught.value.retry) == (Kind.UNSUPPORTED, Retry.NEXT)


# ---------------------------------------------------------------------------- the last turn

PREFILLS = [
    ("openai_chat", "anthropic", (), []),
    ("anthropic", "gemini", (), []),
    ("anthropic", "openai_chat", (), ["approximated:messages[1]"]),
    ("gemini", "openai_responses", (), ["approximated:messages[1]"]),
    ("ollama", "openai_chat", (), ["approximated:messages[1]"]),
    ("ollama", "cohere", (), []),
    ("openai_chat", "openai_responses", (), []),
    ("anthropic", "anthropic", ("prefill",), []),
    ("openai_chat", "anthropic", ("prefill",), None),
    ("anthropic", "gemini", ("prefill",), None),
]


@pytest.mark.parametrize(("heard", "speaks", "lacks", "losses"), PREFILLS)
def test_an_answer_begun_is_continued_answered_or_refused(
    heard: str, speaks: str, lacks: tuple[Lack, ...], losses: list[str] | None
) -> None:
    """Continued where that is what it means, declared where it is not, refused where it is a 400."""
    asked = request(heard, messages=PREFILLED, max_output=9)
    if losses is not None:
        assert lost(fitted(asked, speaks, lacks=lacks)) == losses
        return
    with pytest.raises(Failure) as caught:
        fitted(asked, speaks, lacks=lacks)
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "$.messages[1]")


def test_a_turn_that_ends_in_a_call_is_no_beginning() -> None:
    """Nor is one the provider paused in its own tools."""
    for part in (ToolCall("c", "f", "{}"), HOSTED):
        messages = (*ASKED.messages, Message("assistant", (Text("x"), part)))
        asked = request("gemini", messages=messages)
        assert fitted(asked, lacks=("prefill",)).losses == ()


def test_older_claude_does_not_think_about_an_answer_begun() -> None:
    """The two together are a 400; at home that is the client's own affair."""
    model: dict[str, Any] = {"reasoning": "budget", "max_output": 64_000}
    asked = request(messages=PREFILLED, reasoning=Reasoning(effort="high"))
    result = fitted(asked, "anthropic", **model)
    assert (result.request.reasoning, lost(result)) == (None, ["dropped:reasoning"])
    home = request("anthropic", messages=PREFILLED, reasoning=THOUGHTFUL, max_output=9000)
    assert fitted(home, "anthropic", **model) == Fitted(home)


# ---------------------------------------------------------------------------- stop sequences

SIX = ("a", "b", "c", "d", "e", "f")

STOPPED: list[tuple[tuple[str, str], tuple[str, ...], tuple[Lack, ...], tuple[str, ...], tuple[str, ...]]] = [
    (("anthropic", "openai_chat"), SIX, (), SIX[:4], SIX[4:]),
    (("anthropic", "gemini"), SIX, (), SIX[:5], SIX[5:]),
    (("anthropic", "cohere"), SIX, (), SIX[:5], SIX[5:]),
    (("openai_chat", "openai_responses"), ("a",), (), (), ("a",)),
    (("openai_chat", "ollama"), SIX, (), SIX, ()),
    (("openai_chat", "anthropic"), ("a", "\n"), (), ("a",), ("\n",)),
    (("anthropic", "openai_chat"), ("a", ""), (), ("a", ""), ()),
    (("anthropic", "openai_responses"), ("a", ""), (), (), ("a",)),
    (("openai_chat", "openai_chat"), SIX, (), SIX, ()),
    (("openai_chat", "openai_chat"), ("a", "b"), ("stop",), (), ("a", "b")),
]


@pytest.mark.parametrize(("pair", "stops", "lacks", "sent", "cut"), STOPPED)
def test_the_gateway_cuts_where_the_provider_would_not_stop(
    pair: tuple[str, str],
    stops: tuple[str, ...],
    lacks: tuple[Lack, ...],
    sent: tuple[str, ...],
    cut: tuple[str, ...],
) -> None:
    """As many as are taken are sent, the others are left to the gateway; at home all are sent."""
    heard, speaks = pair
    result = fitted(request(heard, stop=stops, max_output=9), speaks, lacks=lacks)
    assert (result.request.stop, result.mend) == (sent, Mend(stops=cut))
    assert lost(result) == (["emulated:stop"] if cut else [])
    unknown = fit(request(heard, stop=stops), None, msgspec.structs.replace(HERE, lacks=lacks), speaks)
    assert (unknown.request.stop, unknown.mend) == (sent, Mend(stops=cut))


def test_plain_text_needs_no_mode() -> None:
    """``text`` is what every model writes."""
    asked = request(format=Format("text"))
    assert fitted(asked, formats=()) == Fitted(asked)


def test_system_text_is_given_in_the_users_voice() -> None:
    """Also the words of another rule, which come as system text."""
    result = fitted(request(format=Format("json")), formats=(), system=False)
    assert [message.role for message in result.request.messages] == ["user", "user"]
    assert lost(result) == ["emulated:format", "emulated:system"]


# ---------------------------------------------------------------------------- all of it


def test_fitting_one_target_leaves_the_request_for_the_next() -> None:
    """Fallback fits the very request the client sent."""
    asked = request(sampling=HOT, max_output=10**6, format=Format("json"), reasoning=Reasoning(effort="max"))
    before = msgspec.json.encode(asked)
    fitted(asked, sampling=False, max_output=1, formats=(), system=False)
    assert msgspec.json.encode(asked) == before


def test_every_shipped_model_can_be_fitted() -> None:
    """A full but plain request never crashes, and what comes out fits without further loss."""
    shipped = catalog()
    asked = request(
        sampling=HOT,
        max_output=10**6,
        reasoning=Reasoning(effort="xhigh"),
        format=Format("json_schema", SCHEMA),
        stop=SIX,
        messages=(Message("system", (Text("s"),)), *ASKED.messages),
    )
    for model, dialect in itertools.product(shipped.models.values(), DIALECTS):
        for offer in model.offers:
            provider = shipped.providers[offer.provider]
            once = fit(asked, model, provider, dialect)
            again = fit(once.request, model, provider, dialect)
            assert again.losses == (), (model.id, dialect)
            assert again.request == once.request, (model.id, dialect)


def test_every_shipped_target_can_be_asked() -> None:
    """What fit makes of a full request, the provider's own codec can write."""
    shipped = catalog()
    asked = request(
        sampling=HOT,
        reasoning=Reasoning(effort="max"),
        format=Format("json_schema", {**SCHEMA, "required": ["a"], "additionalProperties": False}),
        stop=SIX,
    )
    for (name, _), model in shipped.targets.items():
        provider = shipped.providers[name]
        done = fit(asked, model, provider, provider.dialect)
        assert DIALECTS[provider.dialect].write_request(done.request).body, (name, model.id)
