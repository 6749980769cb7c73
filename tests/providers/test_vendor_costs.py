"""What vendors say an answer used, read by the dialect it came in, and what that costs to the micro-dollar.

Each figure is worked out by hand from the vendor's price as it ships, at noon (UTC) of 21 November 2026; the
arithmetic stands beside it. Usage objects are in the shapes the vendors document and were recorded in. Each
is read three times: from a whole answer, from the stream of it, and by the meter of what is relayed.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec
import pytest

from dragoman.core.events import fold, unfold
from dragoman.core.extras import Json
from dragoman.core.request import Request, Text
from dragoman.core.tasks import Embed, Rerank
from dragoman.core.usage import Price, Usage
from dragoman.dialects import Dialect, Reply
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers.catalog import catalog
from dragoman.providers.meter import Meter
from dragoman.providers.prices import PriceList, Quote, booked

ASKED = Embed("ollama", "m", ((Text("a"),),))
NOON = 1_795_262_400.0
TABLES = catalog()
PRICES = PriceList(TABLES)
SHIPPED = TABLES.shipped.version


class Example(NamedTuple):
    """A usage object, of whom, and what it costs: micro-dollars, by whose word; what stands beside it."""

    target: str
    usage: dict[str, Any]
    micros: int | None
    by: str = SHIPPED
    beside: dict[str, Any] = {}  # noqa: RUF012  never changed


CACHED = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
}
THOUGHT = {
    "input_tokens": 75,
    "input_tokens_details": {"cached_tokens": 32},
    "output_tokens": 1186,
    "output_tokens_details": {"reasoning_tokens": 1024},
    "total_tokens": 1261,
}
BOTH = {
    "input_tokens": 50,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 10,
}
SPOKEN = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
SHORT = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}

TIERED = {
    # developers.openai.com/api/docs/guides/priority-processing: 86 x 12.5 + 1920 x 1.25 + 300 x 75
    "openai: priority": Example("openai/gpt-5.5", CACHED, 25_975, beside={"service_tier": "priority"}),
    # developers.openai.com/api/docs/guides/flex-processing: 86 x 2.5 + 1920 x 0.25 + 300 x 15
    "openai: flex": Example("openai/gpt-5.5", CACHED, 5195, beside={"service_tier": "flex"}),
    "openai: flex and long": Example(  # 272001 x 5 + 1000 x 22.5
        "openai/gpt-5.5",
        {"prompt_tokens": 272_001, "completion_tokens": 1000, "total_tokens": 273_001},
        1_382_505,
        beside={"service_tier": "flex"},
    ),
    "openai: asked for priority, served as default": Example(
        "openai/gpt-5.5", CACHED, 10_390, beside={"service_tier": "default"}
    ),
    "openai: a tier nobody has a price of": Example(
        "openai/gpt-5.5", CACHED, None, "", beside={"service_tier": "ultrafast"}
    ),
    # 43 x 5 + 32 x 0.5 + 1186 x 30 = 35811
    "responses: priority": Example(
        "openai-responses/gpt-5.4", THOUGHT, 35_811, beside={"service_tier": "priority"}
    ),
    # OpenAI's tiers are not Azure's: what is dearer is unknown, what is cheaper costs the standard at most
    "azure: priority": Example("azure/gpt-5.4-mini", SHORT, None, "", beside={"service_tier": "priority"}),
    "azure: flex": Example("azure/gpt-5.4-mini", SHORT, 1200, beside={"service_tier": "flex"}),
    # platform.claude.com/docs/en/build-with-claude/fast-mode, twice all of it:
    # 50 x 8 + 1000 x 0.4 + 100 x 10 + 100 x 16 + 10 x 40
    "anthropic: fast": Example(
        "anthropic/claude-opus-5-5", {**BOTH, "service_tier": "standard", "speed": "fast"}, 3800
    ),
    # platform.claude.com/docs/en/build-with-claude/batch-processing: half of each, the cache's too
    "anthropic: batch": Example("anthropic/claude-opus-5-5", {**BOTH, "service_tier": "batch"}, 950),
    # platform.claude.com/docs/en/api/service-tiers: capacity paid beforehand, booked as if it were not
    "anthropic: priority": Example("anthropic/claude-opus-5-5", {**BOTH, "service_tier": "priority"}, 1900),
    # ai.google.dev/gemini-api/docs/priority-inference: 1000 x 0.9 + 100 x 16.2, and 1000 x 0.25 + 100 x 4.5
    "gemini: priority": Example("gemini/gemini-3.8-flash-tts", {**SPOKEN, "serviceTier": "priority"}, 2520),
    "gemini: flex": Example("gemini/gemini-3.8-flash-tts", {**SPOKEN, "serviceTier": "flex"}, 700),
    "vertex: priority": Example(
        "gemini/gemini-3.8-flash-tts", {**SPOKEN, "trafficType": "ON_DEMAND_PRIORITY"}, 2520
    ),
    # console.groq.com/docs/flex-processing: "Pricing matches the on-demand tier": 1000 x 0.15 + 100 x 0.6
    "groq: flex": Example("groq/openai/gpt-oss-120b", SHORT, 210, beside={"service_tier": "flex"}),
    "groq: on demand": Example("groq/openai/gpt-oss-120b", SHORT, 210, beside={"service_tier": "on_demand"}),
}

EXAMPLES = TIERED | {
    # platform.openai.com/docs/guides/prompt-caching: 86 x 5 + 1920 x 0.5 + 300 x 30; thinking is in the 300
    "openai: cached and thought": Example(
        "openai/gpt-5.5",
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
        },
        10_390,
    ),
    # Up to 272 000 tokens the short price: 272000 x 5 + 1000 x 30; one more, and all of it is long
    "openai: just not long": Example(
        "openai/gpt-5.5",
        {"prompt_tokens": 272_000, "completion_tokens": 1000, "total_tokens": 273_000},
        1_390_000,
    ),
    "openai: just long": Example(  # 272001 x 10 + 1000 x 45
        "openai/gpt-5.5",
        {"prompt_tokens": 272_001, "completion_tokens": 1000, "total_tokens": 273_001},
        2_765_010,
    ),
    "openai: heard and spoken": Example(  # 40 x 2.5 + 60 x 32 + 10 x 10 + 40 x 64
        "openai/gpt-audio",
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 60},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 40},
        },
        4680,
    ),
    # platform.openai.com/docs/api-reference/responses: 43 x 2.5 + 32 x 0.25 + 1186 x 15 = 17905.5, to even
    "responses: cached and thought": Example(
        "openai-responses/gpt-5.4",
        {
            "input_tokens": 75,
            "input_tokens_details": {"cached_tokens": 32},
            "output_tokens": 1186,
            "output_tokens_details": {"reasoning_tokens": 1024},
            "total_tokens": 1261,
        },
        17_906,
    ),
    # docs.anthropic.com/en/docs/build-with-claude/prompt-caching:
    # 50 x 5 + 100000 x 0.5 + 356 x 6.25 (5 min) + 100 x 10 (1 h) + 503 x 25
    "anthropic: both lifetimes of the cache": Example(
        "anthropic/claude-opus-4-8",
        {
            "input_tokens": 50,
            "cache_read_input_tokens": 100_000,
            "cache_creation_input_tokens": 456,
            "cache_creation": {"ephemeral_5m_input_tokens": 356, "ephemeral_1h_input_tokens": 100},
            "output_tokens": 503,
        },
        66_050,
    ),
    "anthropic: long with its cache": Example(  # 150000 x 6 + 60000 x 0.6 + 1000 x 22.5
        "anthropic/claude-sonnet-4-5",
        {
            "input_tokens": 150_000,
            "cache_read_input_tokens": 60_000,
            "cache_creation_input_tokens": 0,
            "output_tokens": 1000,
        },
        958_500,
    ),
    # As ai.google.dev/api/generate-content tells them: 600 x 0.3 + 400 x 0.03 + 300 x 2.5; thinking is beside
    "gemini: cached and thought": Example(
        "gemini/gemini-2.5-flash",
        {
            "promptTokenCount": 1000,
            "cachedContentTokenCount": 400,
            "candidatesTokenCount": 200,
            "thoughtsTokenCount": 100,
            "totalTokenCount": 1300,
        },
        942,
    ),
    "gemini: heard": Example(  # 100 x 0.3 + 1000 x 1 + 10 x 2.5
        "gemini/gemini-2.5-flash",
        {
            "promptTokenCount": 1100,
            "candidatesTokenCount": 10,
            "totalTokenCount": 1110,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 100},
                {"modality": "AUDIO", "tokenCount": 1000},
            ],
        },
        1055,
    ),
    "gemini: long": Example(  # 250000 x 2.5 + (1000 + 500) x 15
        "gemini/gemini-2.5-pro",
        {
            "promptTokenCount": 250_000,
            "candidatesTokenCount": 1000,
            "thoughtsTokenCount": 500,
            "totalTokenCount": 251_500,
        },
        647_500,
    ),
    # docs.cohere.com/reference/chat, recorded: what is billed, not what was read: 181 x 2.5 + 34 x 10 = 792.5
    "cohere: billed units": Example(
        "cohere/command-a-03-2025",
        {
            "billed_units": {"input_tokens": 181, "output_tokens": 34},
            "tokens": {"input_tokens": 1698, "output_tokens": 66},
            "cached_tokens": 1616,
        },
        792,
    ),
    # docs.ollama.com/api/chat: on one's own machine nobody is paid
    "ollama: counts": Example(
        "ollama/llama3.2",
        {"prompt_eval_count": 26, "eval_count": 298, "eval_duration": 4_799_921_000},
        0,
        "free",
    ),
    # openrouter.ai/docs/use-cases/usage-accounting: the bill, whatever the tokens would cost
    "openrouter: its own bill": Example(
        "openrouter/openai/gpt-5.5",
        {
            "prompt_tokens": 194,
            "completion_tokens": 2,
            "total_tokens": 196,
            "cost": 0.95,
            "cost_details": {"upstream_inference_cost": 19},
        },
        950_000,
        "provider",
    ),
    "openrouter: on the customer's own key": Example(  # its fee, and the provider's bill on top
        "openrouter/openai/gpt-5.5",
        {
            "prompt_tokens": 194,
            "completion_tokens": 2,
            "total_tokens": 196,
            "cost": 0.01,
            "is_byok": True,
            "cost_details": {"upstream_inference_cost": 0.2},
        },
        210_000,
        "provider",
    ),
    "requesty: its own bill": Example(
        "requesty/openai/gpt-4o",
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.000075},
        75,
        "provider",
    ),
    "requesty: its own bill in Anthropic's words": Example(
        "requesty-anthropic/anthropic/claude-sonnet-4-5",
        {"input_tokens": 10, "output_tokens": 5, "cost": 0.000105},
        105,
        "provider",
    ),
    # api-docs.deepseek.com/guides/kv_cache: 736 x 0.66 + 1024 x 0.022 + 100 x 1.98 = 706.288
    "deepseek: cache hit": Example(
        "deepseek/deepseek-v4-pro",
        {
            "prompt_tokens": 1760,
            "completion_tokens": 100,
            "total_tokens": 1860,
            "prompt_cache_hit_tokens": 1024,
            "prompt_cache_miss_tokens": 736,
        },
        706,
    ),
    # docs.x.ai/developers/cost-tracking: 37756000 ticks of 10^-10 dollars = 3775.6 micro-dollars
    "xai: ticks": Example(
        "xai/grok-4.3",
        {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135, "cost_in_usd_ticks": 37_756_000},
        3776,
        "provider",
    ),
    "xai: ticks in Responses": Example(
        "xai-responses/grok-4.3",
        {"input_tokens": 32, "output_tokens": 103, "total_tokens": 135, "cost_in_usd_ticks": 37_756_000},
        3776,
        "provider",
    ),
    # Thinking is beside the completion: 24 x 1.25 + 8 x 0.2 + (9 + 94) x 2.5 = 289.1
    "xai: thought beside": Example(
        "xai/grok-4.3",
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "prompt_tokens_details": {"text_tokens": 32, "cached_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 94},
        },
        289,
    ),
    # console.groq.com/docs/prompt-caching: 3389 x 0.15 + 4608 x 0.075 + 15 x 0.6 = 862.95
    "groq: cached": Example(
        "groq/openai/gpt-oss-120b",
        {
            "queue_time": 0.02,
            "prompt_tokens": 7997,
            "completion_tokens": 15,
            "total_tokens": 8012,
            "prompt_tokens_details": {"cached_tokens": 4608},
        },
        863,
    ),
    # docs.mistral.ai/api: 16 x 2 + 34 x 6
    "mistral: plain": Example(
        "mistral/mistral-large-latest",
        {"prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50},
        236,
    ),
    "cerebras: plain": Example(  # 1000 x 0.35 + 100 x 0.75
        "cerebras/gpt-oss-120b",
        {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        425,
    ),
    # docs.together.ai: cached_tokens beside the rest; it is charged as any: 1000 x 0.15 + 100 x 0.6
    "together: cached at the full price": Example(
        "together/openai/gpt-oss-120b",
        {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "cached_tokens": 600},
        210,
    ),
    "fireworks: cached": Example(  # 400 x 0.15 + 600 x 0.015 + 100 x 0.6
        "fireworks/accounts/fireworks/models/gpt-oss-120b",
        {
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "total_tokens": 1100,
            "prompt_tokens_details": {"cached_tokens": 600},
        },
        129,
    ),
    "azure: at OpenAI's price": Example(  # 1000 x 0.75 + 100 x 4.5
        "azure/gpt-5.4-mini",
        {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        1200,
    ),
}

ANSWERS: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    },
    "openai_responses": {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
            }
        ],
    },
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    },
    "gemini": {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP", "index": 0}
        ],
        "modelVersion": "m",
    },
    "cohere": {
        "id": "c",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},
    },
    "ollama": {
        "model": "m",
        "created_at": "2026-11-21T12:00:00Z",
        "message": {"role": "assistant", "content": "Hi"},
        "done": True,
        "done_reason": "stop",
    },
}
"""A whole answer of each dialect, without its usage."""


def target(example: Example) -> tuple[str, str, Dialect]:
    """Return an example's provider, model and dialect."""
    provider, _, model = example.target.partition("/")
    return provider, model, DIALECTS[TABLES.providers[provider].dialect]


def answered(example: Example) -> dict[str, Any]:
    """Return the whole answer that holds an example's usage."""
    name = target(example)[2].name
    if name == "ollama":
        return {**ANSWERS[name], **example.usage}
    told = {"usageMetadata" if name == "gemini" else "usage": example.usage}
    return {**ANSWERS[name], **example.beside, **told}


def streamed(example: Example) -> bytes:
    """Return the same answer as its vendor streams it, its usage verbatim."""
    dialect = target(example)[2]
    response = dialect.read_answer(Reply(200, body=answered(example)))
    writer = dialect.writer(Request(dialect.name, "m", stream=True, stream_usage=True))
    frames = [frame for event in unfold(response) for frame in writer.feed(event)]
    return b"".join(dialect.framing.encode(frame) for frame in frames)


def priced(example: Example, usage: Usage | None) -> tuple[int | None, str]:
    """Return what a usage costs at an example's target."""
    assert usage is not None
    provider, model, _ = target(example)
    return booked(usage, PRICES.find(provider, model, NOON))


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_a_whole_answer_costs_what_the_vendor_charges(example: Example) -> None:
    """Exactly, in integer micro-dollars, and by whose word."""
    usage = target(example)[2].read_answer(Reply(200, body=answered(example))).usage
    assert priced(example, usage) == (example.micros, example.by)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_a_stream_costs_what_the_whole_answer_does(example: Example) -> None:
    """No counter is lost or counted twice on the way."""
    dialect = target(example)[2]
    decoder, reader = dialect.framing.decoder(), dialect.reader()
    events = [
        event for frame in decoder.feed(streamed(example)) + decoder.close() for event in reader.feed(frame)
    ]
    usage = fold([*events, *reader.close()]).usage
    assert priced(example, usage) == (example.micros, example.by)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_what_is_relayed_costs_the_same(example: Example) -> None:
    """The meter that watches bytes go by reads the same figures, whole and streamed."""
    dialect = target(example)[2]
    for kind, body in (
        ("application/json", json.dumps(answered(example)).encode()),
        (dialect.framing.content_type, streamed(example)),
    ):
        meter = Meter(dialect.name, kind)
        for place in range(0, len(body), 7):
            meter.feed(body[place : place + 7])
        assert priced(example, meter.close()) == (example.micros, example.by), kind


def test_a_search_of_the_providers_own_is_no_exact_cost() -> None:
    """Its fee is in no counter of tokens: what is booked says it is not all, unless the provider told all."""
    searched = {"tool_usage": {"web_search": {"num_requests": 1}}}
    for example, estimated in (
        (
            Example(
                "anthropic/claude-opus-5-5", {**BOTH, "server_tool_use": {"web_search_requests": 2}}, 1900
            ),
            True,
        ),
        (
            Example(
                "anthropic/claude-opus-5-5", {**BOTH, "server_tool_use": {"web_search_requests": 0}}, 1900
            ),
            False,
        ),
        (Example("openai-responses/gpt-5.4", THOUGHT, 17_906, beside=searched), True),
        (Example("openai-responses/gpt-5.4", {**THOUGHT, "cost": 0.5}, 500_000, "provider", searched), False),
    ):
        usage = target(example)[2].read_answer(Reply(200, body=answered(example))).usage
        assert priced(example, usage) == (example.micros, example.by)
        assert usage is not None
        assert usage.estimated is estimated


@pytest.mark.parametrize("example", TIERED.values(), ids=TIERED)
def test_what_an_answer_says_of_its_tier_goes_home(example: Example) -> None:
    """Word for word, in the envelope or in the usage."""
    dialect = target(example)[2]
    body = answered(example)
    written = dialect.write_answer(
        dialect.read_answer(Reply(200, body=body)), Request(dialect.name, "m")
    ).body
    for name in ("service_tier", "usage", "usageMetadata"):
        assert written.get(name) == body.get(name)


def test_every_dialect_and_provider_that_charges_has_an_example() -> None:
    """A provider that is added is pinned too; those that ask for no money have no vendor's figures."""
    shown = {target(example)[0] for example in EXAMPLES.values()}
    assert shown >= {name for name, row in TABLES.providers.items() if not row.free}
    assert {target(example)[2].name for example in EXAMPLES.values()} == set(ANSWERS)


def read(dialect: str, body: Json, asked: Embed | Rerank) -> Usage:
    """Return the usage of another task's answer."""
    codec = DIALECTS[dialect].tasks.codec("embed" if isinstance(asked, Embed) else "rerank")
    assert codec is not None
    usage: Usage | None = codec.read_answer(Reply(200, body=body), asked).usage
    assert usage is not None
    return usage


def test_vectors_cost_what_was_read() -> None:
    """OpenAI: 8 x 0.02 = 0.16, which is no micro-dollar; 1000 are 20. Cohere bills what it says it bills."""
    vectors = [{"object": "embedding", "index": 0, "embedding": [1.0]}]
    quote = PRICES.find("openai", "text-embedding-3-small", NOON)
    for tokens, cost in ((8, 0), (1000, 20)):
        counted = {"prompt_tokens": tokens, "total_tokens": tokens}
        told: dict[str, Any] = {"object": "list", "data": vectors, "model": "m", "usage": counted}
        assert booked(read("openai_chat", told, ASKED), quote) == (cost, SHIPPED)
    body: Json = {"embeddings": {"float": [[1.0]]}, "meta": {"billed_units": {"input_tokens": 1000}}}
    assert booked(read("cohere", body, ASKED), PRICES.find("cohere", "embed-v4.0", NOON)) == (120, SHIPPED)


def test_a_search_costs_its_units() -> None:
    """Cohere bills a rerank by units of 100 documents; an operator's fee is charged for each."""
    body: Json = {
        "results": [{"index": 0, "relevance_score": 1}],
        "meta": {"billed_units": {"search_units": 3}},
    }
    usage = read("cohere", body, Rerank("cohere", "m", "q", ("a",)))
    fee = msgspec.json.decode(b'{"input":"0","output":"0","request":"0.002"}', type=Price)
    assert booked(usage, Quote(fee, "operator 1")) == (6000, "operator 1")
    assert booked(usage, PRICES.find("cohere", "rerank-v3.5", NOON)) == (None, "")
