"""The official SDKs as judges of what is no conversation: vectors, ranks, token counts, lists of models.

As in test_oracles.py: each SDK in an environment of its own, before a provider of every dialect. Where a
provider's dialect has no words for a task, the SDK is told so; those cells are in CANNOT, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.sdks.scene import KEY, Oracles, Scene

from dragoman.core.request import Text
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator.tasks import vector

Do = Callable[..., dict[str, Any]]

TEXTS = ["the merchant carried a letter", "a quiet harbour"]
QUERY = "a letter"

EMBEDDERS = ("openai_chat", "google_genai", "cohere", "ollama", "groq")
COUNTERS = ("openai_responses", "anthropic", "google_genai")

CANNOT: dict[tuple[str, str], str] = {
    ("embed", "anthropic"): "Anthropic has no embeddings",
    ("rerank", "anthropic"): "Anthropic ranks nothing",
    ("rerank", "gemini"): "the Gemini API ranks nothing",
    ("rerank", "ollama"): "Ollama ranks nothing",
}
"""Tasks that a provider's dialect has no words for, and why."""

REFUSALS = {
    "openai_chat": "openai.BadRequestError",
    "google_genai": "google.ClientError",
    "cohere": "cohere.BadRequestError",
    "ollama": "ollama.ResponseError",
    "groq": "groq.BadRequestError",
}

BILLED = {
    "openai_chat": {"prompt_tokens": 7, "total_tokens": 7},
    "google_genai": None,
    "cohere": {"input_tokens": 7.0},
    "ollama": {"prompt_eval_count": 7},
    "groq": {"prompt_tokens": 7, "total_tokens": 7},
}
"""What seven tokens of input are in each SDK's words; Google's has none for the developer API."""

FOUND: dict[str, Any] = {
    "openai_chat": "listed",
    "anthropic": "listed",
    "google_genai": "models/listed",
    "cohere": "listed",
    "ollama": ["completion"],
    "groq": "listed",
}
"""What each SDK says of a model it asks for by name: how it is called; Ollama's, what it can do."""


@pytest.fixture(params=DIALECTS)
def upstream(request: pytest.FixtureRequest) -> str:
    """The dialect of the provider."""
    return str(request.param)


@pytest.fixture
def do(scene: Scene, oracles: Oracles) -> Do:
    """Have an SDK do something with a provider's model."""

    def done(sdk: str, task: str, model: str, **more: Any) -> dict[str, Any]:
        return oracles.ask(sdk, do=task, base_url=scene.url, key=KEY, model=model, **more)

    return done


def refused(said: dict[str, Any], sdk: str, task: str, upstream: str) -> bool:
    """Say whether a cell is one of CANNOT; if so it has to be refused, naming who cannot."""
    if (task, upstream) not in CANNOT:
        assert "error" not in said, said
        return False
    assert (said["error"]["class"], said["error"]["status"]) == (REFUSALS[sdk], 400)
    assert f"{upstream}, which sim-{upstream} speaks, cannot {task}" in said["error"]["message"]
    return True


@pytest.mark.parametrize("sdk", EMBEDDERS)
def test_vectors(scene: Scene, do: Do, sdk: str, upstream: str) -> None:
    """The provider's vectors arrive number for number and in order, with what they consumed."""
    scene.play(counts={"input": 7})
    said = do(sdk, "embed", f"sim-{upstream}/m", texts=TEXTS)
    if refused(said, sdk, "embed", upstream):
        return
    expected = [list(vector((Text(text),), "m")) for text in TEXTS]
    got = said["got"]["vectors"]
    assert [pytest.approx(numbers, abs=1e-6) for numbers in expected] == got
    assert said["got"]["usage"] == BILLED[sdk]


def test_one_vector_at_ollamas_older_endpoint(scene: Scene, do: Do, upstream: str) -> None:
    """``embeddings`` is served beside ``embed``, with the same numbers."""
    scene.play()
    said = do("ollama", "embed_one", f"sim-{upstream}/m", texts=TEXTS)
    if refused(said, "ollama", "embed", upstream):
        return
    both = do("ollama", "embed", f"sim-{upstream}/m", texts=TEXTS)
    assert said["got"]["vectors"] == both["got"]["vectors"][:1]


def test_ranks(scene: Scene, do: Do, upstream: str) -> None:
    """Documents come back in the order of their scores, by their index in the request."""
    scene.play()
    said = do("cohere", "rerank", f"sim-{upstream}/m", words=QUERY, texts=[*reversed(TEXTS)])
    if refused(said, "cohere", "rerank", upstream):
        return
    [(first, high), (second, low)] = said["got"]["ranked"]
    assert (first, second) == (1, 0)
    assert high > low


@pytest.mark.parametrize("sdk", COUNTERS)
def test_counting(scene: Scene, do: Do, sdk: str, upstream: str) -> None:
    """Every target has a number: counted where its dialect can, estimated where not."""
    scene.play()
    said = do(sdk, "count", f"sim-{upstream}/m", words="one two three four")
    assert 0 < said["got"] < 20


def test_a_completion_is_no_conversation(scene: Scene, do: Do, upstream: str) -> None:
    """Ollama's ``generate`` is served for every provider."""
    scene.play(text="Once upon a time.")
    said = do("ollama", "generate", f"sim-{upstream}/m", words="Tell me.", system="Be brief.")
    assert said["got"] == {"text": "Once upon a time.", "stop": "stop"}
    assert "Be brief." in str(scene.heard()[-1])


@pytest.mark.parametrize("sdk", FOUND)
def test_models_are_listed_and_found(scene: Scene, do: Do, sdk: str) -> None:
    """The route that is configured is in the list, and found by its name."""
    assert [name.removeprefix("models/") for name in do(sdk, "models", "none")["got"]] == ["listed"]
    assert do(sdk, "model", "listed")["got"] == FOUND[sdk]
