"""Token counts of our own: exact where the vocabulary is at hand, else near enough, and said which."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialects.corpus import KINDS, RECORDED, read

from dragoman.core.events import fold
from dragoman.core.failure import Failure
from dragoman.core.request import Text, plain_text
from dragoman.providers import tokens
from dragoman.providers.tokens import ASCII, COLUMNS, SLICES, WEIGHTS, WHOLE, count, family_of

EXTRA = pytest.mark.skipif(tokens.BPE is None, reason="the extra `tokens` is not installed")

ENGLISH = (
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and "
    "conscience and should act towards one another in a spirit of brotherhood."
)
RUSSIAN = (
    "Все люди рождаются свободными и равными в своем достоинстве и правах. "  # noqa: RUF001  it is Russian
    "Они наделены разумом и совестью "
    "и должны поступать в отношении друг друга в духе братства."
)
CHINESE = "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。"
CODE = (
    "def fold(events):\n    for event in events:\n        if event.kind == 'append':\n"
    "            parts[event.index] += event.text\n    return Response(parts)\n"
)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-5.2", "o200k"),
        ("openai/gpt-4o-mini", "o200k"),
        ("gpt-4.1-nano", "o200k"),
        ("o3", "o200k"),
        ("azure/o4-mini-2025-04-16", "o200k"),
        ("openai/gpt-oss-120b", "o200k"),
        ("codex-mini-latest", "o200k"),
        ("gpt-4-turbo", "cl100k"),
        ("gpt-3.5-turbo-0125", "cl100k"),
        ("text-embedding-3-small", "cl100k"),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", "claude"),
        ("models/gemini-2.5-flash", "gemini"),
        ("gemma-3-27b-it", "gemini"),
        ("Meta-Llama-3.1-8B", "llama"),
        ("deepseek-r1-distill-llama-70b", "llama"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "qwen"),
        ("deepseek-chat", "deepseek"),
        ("qwq-32b", "qwen"),
        ("mistral-large-latest", "other"),
        ("turbo3", "other"),
        ("", "other"),
    ],
)
def test_a_models_vocabulary_is_known_by_its_name(model: str, family: str) -> None:
    """Whoever serves it and whatever stands before it; a distilled model has its own."""
    assert family_of(model) == family


@EXTRA
@pytest.mark.parametrize(
    ("model", "text", "expected"),
    [
        ("gpt-4o", "hello world", 2),
        ("gpt-4o", "antidisestablishmentarianism", 6),
        ("gpt-4", "antidisestablishmentarianism", 6),
        ("gpt-4", "2 + 2 = 4", 7),
        ("gpt-4o", "お誕生日おめでとう", 8),
        ("gpt-4", "お誕生日おめでとう", 9),
    ],
)
def test_openais_models_are_counted_exactly(model: str, text: str, expected: int) -> None:
    """As in its cookbook (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken)."""
    assert count(model, text) == (expected, "bpe")


@EXTRA
def test_the_words_of_a_special_token_are_words() -> None:
    """A client that writes one has written text."""
    assert count("gpt-4o", "<|endoftext|>") == (7, "bpe")


@EXTRA
@pytest.mark.parametrize(
    ("text", "low", "high"),
    [(ENGLISH, 27, 38), (RUSSIAN, 60, 120), (CHINESE, 30, 80), (CODE, 30, 52)],
    ids=["english", "russian", "chinese", "code"],
)
@pytest.mark.parametrize(
    "model", ["claude-sonnet-5", "gemini-2.5-pro", "llama3", "qwen3", "deepseek-chat", "x"]
)
def test_others_are_guessed_and_said_to_be(model: str, text: str, low: int, high: int) -> None:
    """The text decides more than the family does, and it is never called exact."""
    found, how = count(model, text)
    assert how == "heuristic"
    assert low * 0.5 < found < high * 1.6


@EXTRA
@pytest.mark.parametrize("model", ["gpt-5", "gpt-4"])
def test_the_guess_is_nearer_than_four_characters(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra it is at most a third off on ordinary texts, and nearer than a division by four."""
    texts = (ENGLISH, RUSSIAN, CHINESE, CODE)
    exact = [count(model, text)[0] for text in texts]
    monkeypatch.setattr(tokens, "BPE", None)
    guessed = [count(model, text) for text in texts]
    assert {how for _, how in guessed} == {"heuristic"}
    off = [abs(guess - right) / right for (guess, _), right in zip(guessed, exact, strict=True)]
    four = [abs(len(text) / 4 - right) / right for text, right in zip(texts, exact, strict=True)]
    assert max(off) < 1 / 3
    assert statistics.mean(off) < statistics.mean(four) / 2


def answers() -> Iterator[tuple[str, str, int]]:
    """Yield model, text and tokens of recorded answers that are text alone."""
    for sample in [*KINDS["answers"](), *KINDS["streams"]()]:
        if "/recorded/" not in sample.name:
            continue
        try:
            if sample.stream:
                events, failure = read(sample.codec, sample.stream)
                if failure is not None:
                    continue
                response = fold(events)
            else:
                response = sample.codec.read_answer(sample.reply)
        except Failure:
            continue
        usage, choices = response.usage, response.choices
        if usage is None or len(choices) != 1 or usage.reasoning:
            continue
        text = plain_text(choices[0].parts)
        if len(text) >= 80 and all(isinstance(part, Text) for part in choices[0].parts):
            yield response.model or "", text, usage.output


@pytest.mark.parametrize(
    "extra", [pytest.param(True, marks=EXTRA, id="bpe"), pytest.param(False, id="heuristic")]
)
def test_what_providers_charged_is_met(monkeypatch: pytest.MonkeyPatch, *, extra: bool) -> None:
    """On recorded answers the median is a tenth off at most, and the sum too; four characters are not."""
    if not RECORDED.is_dir():
        pytest.skip("no recorded traffic beside the project: counts are not compared with what was charged")
    if not extra:
        monkeypatch.setattr(tokens, "BPE", None)
    found = [(count(model, text)[0], len(text) / 4, charged) for model, text, charged in answers()]
    assert len(found) >= 20
    off = [abs(ours - charged) / charged for ours, _, charged in found]
    four = [abs(divided - charged) / charged for _, divided, charged in found]
    assert statistics.median(off) <= 0.1
    assert statistics.mean(off) < statistics.mean(four)
    assert sum(ours for ours, _, _ in found) == pytest.approx(sum(charged for *_, charged in found), rel=0.1)


@pytest.mark.parametrize(
    "extra", [pytest.param(True, marks=EXTRA, id="bpe"), pytest.param(False, id="heuristic")]
)
def test_a_long_text_is_sampled(monkeypatch: pytest.MonkeyPatch, *, extra: bool) -> None:
    """It is looked at in slices from end to end, so the guess fits all of it, and is called one."""
    if not extra:
        monkeypatch.setattr(tokens, "BPE", None)
    words = [*ENGLISH.split(), *RUSSIAN.split()]
    chance = random.Random(1)
    text = " ".join(chance.choice(words) for _ in range(WHOLE // 2))
    assert len(text) > 2 * WHOLE
    looked_at, times = tokens._sample(text)
    assert WHOLE - SLICES <= len(looked_at) <= WHOLE
    assert len(looked_at) * times == pytest.approx(len(text))
    found, how = count("gpt-5", text)
    assert how == "heuristic"
    parts = sum(count("gpt-5", text[at : at + WHOLE])[0] for at in range(0, len(text), WHOLE))
    assert found == pytest.approx(parts, rel=0.02)


@pytest.mark.parametrize(
    "extra", [pytest.param(True, marks=EXTRA, id="bpe"), pytest.param(False, id="heuristic")]
)
@given(
    text=st.text(st.characters(), max_size=200),
    model=st.sampled_from(["gpt-5", "gpt-4", "claude", "gemini", "x"]),
)
def test_any_text_has_a_count(text: str, model: str, *, extra: bool) -> None:
    """Lone surrogates included; nothing is nothing, something is something, and no character is 20 tokens."""
    with pytest.MonkeyPatch.context() as patch:
        if not extra:
            patch.setattr(tokens, "BPE", None)
        found, _ = count(model, text)
        assert (found > 0) == bool(text)
        assert found <= 20 * len(text)
        assert count(model, text) == (found, count(model, text)[1])


def test_weights_are_complete() -> None:
    """Every kind of character has a weight in every family; only words and pairs make a text cheaper."""
    assert all(len(row) == len(COLUMNS) for row in WEIGHTS.values())
    assert {*ASCII, *(kind for _, kind in tokens.BEYOND)} <= WEIGHTS.keys()
    assert {kind for kind, row in WEIGHTS.items() if min(row) < 0} == {"english", "pair"}
    assert list(tokens.STARTS) == sorted(tokens.STARTS)


def test_no_long_text_is_cheap_just_where_it_is_looked_at() -> None:
    """One whose cheap places are where slices began when they were evenly spaced is counted as dear."""
    step, size = 20_000, WHOLE // SLICES
    text = ("a" * size + "\u1200" * (step - size)) * SLICES
    parts = sum(count("x", text[at : at + WHOLE])[0] for at in range(0, len(text), WHOLE))
    assert count("x", text)[0] == pytest.approx(parts, rel=0.15)
