"""Recorded provider traffic, read by the vendor's SDK twice: from the provider, and through the gateway.

The simulator serves the recording as it is. What the SDK makes of it directly (text, thinking, tool calls,
why it stopped, usage, the error it ends in) it has to make of the gateway's answer too, in the same
dialect. Where it does not, the recording stands in DIFFERS with what differs and why; a row that is no
longer needed fails. How many were equal is printed at the end of the run.

Nobody has recorded Ollama: the streams written by hand after its documentation stand in for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest
from tests.dialects.corpus import KINDS, RECORDED, Sample
from tests.dialects.tasks import Exchange
from tests.dialects.tasks import recorded as recorded_tasks
from tests.sdks.scene import KEY, Oracles, Scene

from dragoman.simulator import Behaviour, Canned, Match, Rule, Script

COMPARED = ("text", "heard", "thinking", "calls", "stop", "usage", "error")

SDKS = {
    "openai_chat": "openai_chat",
    "openai_responses": "openai_responses",
    "anthropic": "anthropic",
    "gemini": "google_genai",
    "cohere": "cohere",
    "ollama": "ollama",
}
"""The vendor's SDK for each dialect; Groq's own recordings are read by Groq's own."""

OTHER_CALLS = ("ollama/streams/generate", "ollama/streams/generate_thinking")
"""Answers of another endpoint than the one the SDK is asked at."""

DIFFERS: dict[str, tuple[set[str], str]] = {
    "openai_chat/recorded/openai-moderation-stream": (
        {"usage"},
        "a moderation chunk follows the usage, with usage null: the SDK keeps that, the gateway the usage",
    ),
    "openai_chat/recorded/perplexity-stream-perplexity-sonar-supports-streaming-responses": (
        {"stop", "usage"},
        "its last chunk is no chat.completion.chunk and the SDK passes over it; the gateway's is one",
    ),
    "openai_chat/recorded/gemini-compat-compatible-api-with-tool-calls-without-id": (
        {"calls"},
        "its call has no id; the gateway gives it one, so that its result finds home",
    ),
    "ollama/streams/cut_off": (
        {"error"},
        "it ends without its end, which the SDK does not notice; the gateway says so",
    ),
}
"""What the SDK reads otherwise through the gateway, by recording, and why that is right."""

OURS = "the provider refused the gateway's key: that is a fault of ours, 502, and not the client's"

ACCUMULATOR_FAILS = {
    "openai_chat/recorded/openrouter-web-search-annotations-stream": (
        "OpenRouter's annotation deltas have no index"
    ),
    "openai_responses/recorded/bedrock-providers-bedrock-mantle-responses-chat-streams-through-the": (
        "Bedrock's first message part has content_index 1"
    ),
}
"""Recordings that decode, but on which the SDK's own accumulator raises (feature `sdk_accumulator_fails`):
they are compared chunk by chunk."""


def played(kind: str) -> pytest.MarkDecorator:
    """Parametrise a test over the recordings of one kind, as ``sample``."""
    found = [
        pytest.param(sample, id=sample.name)
        for sample in KINDS[kind]()
        if "/recorded/" in sample.name or (sample.dialect == "ollama" and kind == "streams")
        if sample.name not in OTHER_CALLS
    ]
    return pytest.mark.parametrize("sample", [*found, *missing(kind)])


def missing(kind: str) -> list[Any]:
    """Return a skip in the place of the recordings, where there are none."""
    if RECORDED.is_dir():
        return []
    skip = pytest.mark.skip(reason=f"no recorded traffic beside the project: no {kind} replayed")
    return [pytest.param(None, id="recorded", marks=skip)]


class Twice(Protocol):
    """Has the SDK read a recording, from the simulator and through the gateway."""

    def __call__(self, sample: Sample, *, plain: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what it read; `plain`: chunk by chunk, without the SDK's accumulator."""


@pytest.fixture
def twice(scene: Scene, oracles: Oracles) -> Twice:
    """Have the SDK read a recording from the simulator, and through the gateway."""

    def replayed(sample: Sample, *, plain: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        body = sample.stream.decode() if sample.stream else sample.body
        kept = {name: value for name, value in sample.headers.items() if name.lower() == "content-type"}
        if sample.stream and not kept:
            kept = {"content-type": sample.codec.framing.content_type}
        scene.direct(saying(Canned(sample.status, kept, body)))
        sdk = "groq" if "/groq-" in sample.name else SDKS[sample.dialect]
        asked = {"do": "answer", "words": "Hi", "think": True, "stream": bool(sample.stream), "plain": plain}
        direct = oracles.ask(sdk, **asked, base_url=scene.sim.url, model="m")
        model = f"sim-{sample.dialect}/m"
        crossed = oracles.ask(sdk, **asked, base_url=scene.url, model=model, key=KEY)
        return compared(direct["turns"][0]), compared(crossed["turns"][0])

    return replayed


def saying(reply: Canned) -> Script:
    """Return the script of a provider that says this at any path; Groq's SDK has paths of its own."""
    return Script(rules=(Rule(Match(path="*"), Behaviour(reply=reply)),))


def compared(turn: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared of an answer; of an error, what the SDK tells it apart by."""
    error = turn["error"] and (turn["error"]["class"], turn["error"]["status"])
    return {**{name: turn[name] for name in COMPARED}, "error": error}


def judge(sample: Sample, twice: Twice, record: Callable[[str, object], None], what: str) -> None:
    """Compare, hold the table of differences to what differs, and count."""
    direct, crossed = twice(sample)
    if sample.name in ACCUMULATOR_FAILS:
        assert direct["error"], "the SDK's accumulator survives it now: take it out of ACCUMULATOR_FAILS"
        record(
            "replay note", f"the SDK's accumulator fails on {sample.name}: {ACCUMULATOR_FAILS[sample.name]}"
        )
        direct, crossed = twice(sample, plain=True)
    assert direct["error"] or direct["stop"] or direct["text"] or direct["calls"], "the SDK read nothing"
    differs = {name for name in COMPARED if direct[name] != crossed[name]}
    expected, why = DIFFERS.get(sample.name, (set(), ""))
    told = {name: (direct[name], crossed[name]) for name in differs}
    assert differs == expected, f"directly, and through the gateway: {told}"
    if differs:
        record("replay note", f"{', '.join(sorted(differs))} of {sample.name}: {why}")
    origin = "recorded" if "/recorded/" in sample.name else "hand-written Ollama"
    record("replayed", f"{origin} {what}: {'differ as listed' if differs else 'equal'}")


@played("streams")
def test_a_recorded_stream_says_the_same(
    sample: Sample, twice: Twice, record_property: Callable[[str, object], None]
) -> None:
    """Every recorded stream is read the same from the provider and through the gateway."""
    judge(sample, twice, record_property, "streams")


@played("answers")
def test_a_recorded_answer_says_the_same(
    sample: Sample, twice: Twice, record_property: Callable[[str, object], None]
) -> None:
    """Every recorded whole answer is read the same from the provider and through the gateway."""
    judge(sample, twice, record_property, "answers")


@played("failures")
def test_a_recorded_failure_raises_the_same(
    sample: Sample, twice: Twice, record_property: Callable[[str, object], None]
) -> None:
    """Every recorded error raises the same exception, unless it was the gateway's key that was refused."""
    direct, crossed = twice(sample)
    assert direct["error"]
    assert crossed["error"]
    ours = sample.status == 401 or "API_KEY_INVALID" in str(sample.body)
    assert (crossed["error"][1] == 502) if ours else (crossed == direct), (OURS, direct, crossed)
    record_property("replayed", f"recorded errors: {'the gateway key refused, so 502' if ours else 'equal'}")


@pytest.mark.parametrize(
    "exchange",
    [
        *(
            pytest.param(exchange, id=exchange.name)
            for exchange in recorded_tasks()
            if not exchange.path.endswith(":embedContent")  # its SDK asks at :batchEmbedContents alone
        ),
        *missing("vectors and ranks"),
    ],
)
def test_recorded_vectors_and_ranks_are_the_same(
    exchange: Exchange, scene: Scene, oracles: Oracles, record_property: Callable[[str, object], None]
) -> None:
    """Every recorded vector is read to the precision of a float32, every rank and every error as it was."""
    scene.direct(saying(Canned(exchange.status, body=exchange.answer)))
    told = exchange.answer.get("data") or exchange.answer.get("embeddings") or ["one"]
    texts = exchange.request.get("documents") or ["Ruby is great"] * len(told)
    asked = {"do": exchange.task, "words": "ruby", "texts": texts}
    asked |= {"top": exchange.request["top_n"]} if "top_n" in exchange.request else {}
    sdk = SDKS[exchange.dialect]
    direct = oracles.ask(sdk, **asked, base_url=scene.sim.url, model="m")
    crossed = oracles.ask(sdk, **asked, base_url=scene.url, model=f"sim-{exchange.dialect}/m", key=KEY)
    if "error" in direct:
        assert {**direct["error"], "message": ""} == {**crossed["error"], "message": ""}
    else:
        near = [pytest.approx(numbers, rel=1e-6) for numbers in direct["got"].pop("vectors", ())]
        assert near == crossed["got"].pop("vectors", [])
        assert direct["got"] == crossed["got"]
        assert near or direct["got"]["ranked"]
    record_property("replayed", "recorded vectors and ranks: equal")
