"""How many tokens a text is, where the provider did not say.

    count("gpt-5-mini", text) -> (tokens, "bpe")           the model's own encoding, offline
    count("claude-sonnet-5", text) -> (tokens, "heuristic")  a guess, from what is measured of its family

With the extra ``tokens`` OpenAI's two encodings are at hand, and count its models exactly. Of everybody else
a guess is made from the characters: how many there are of each script, weighed with what a character of it
costs in the family's vocabulary. With the extra, that weight corrects an exact count in OpenAI's encoding
(how much more or less would this family need for such a mixture?), which is better than either alone.

The weights (:data:`WEIGHTS`) were fitted on one half, and the errors in docs/token-counts.md measured on the
other, of: the Universal Declaration of Human Rights in 36 languages, code in four languages, JSON, Markdown,
prose and recorded chats; against the published vocabularies of o200k, cl100k, Llama 3, Gemini, Qwen 3,
DeepSeek V3 and Claude 2. Claude's present vocabulary is not published: its row is scaled to what its
newer models charged for recorded answers.

Nothing is remembered between calls. Of a long text only :data:`SLICES` slices are looked at, one of each
part, so that none holds the event loop for more than some milliseconds.
"""

from __future__ import annotations

import importlib.util
import math
import re
import sys
from bisect import bisect_right
from collections import Counter
from hashlib import shake_128
from importlib.machinery import PathFinder
from types import MappingProxyType
from typing import Any, Literal

How = Literal["bpe", "heuristic"]
"""By the model's own encoding, or guessed."""

WHOLE = 131_072
"""Characters up to which a text is counted whole; of a longer one so many are looked at."""
SLICES = 64

FAMILIES = (
    ("llama", re.compile(r"llama")),
    ("qwen", re.compile(r"qwen|qwq")),
    ("o200k", re.compile(r"gpt-(?:4o|4\.[15]|[5-9]|oss)|\bo[1-9]\b|codex")),
    ("cl100k", re.compile(r"gpt-(?:4|3\.5|35)|text-embedding-(?:3|ada-002)")),
    ("claude", re.compile(r"claude")),
    ("gemini", re.compile(r"gemini|gemma")),
    ("deepseek", re.compile(r"deepseek")),
)
"""Which vocabulary a model has, by its name: the first that fits. A distilled model has its own (Llama's),
not its teacher's. OpenAI's are listed in https://github.com/openai/tiktoken/blob/main/tiktoken/model.py (read
2026-11-21)."""

COLUMNS = ("o200k", "cl100k", "llama", "gemini", "claude", "qwen", "deepseek", "other")

WEIGHTS = MappingProxyType(
    {
        "english": (-0.58, -1.30, -1.51, -0.52, -1.76, -2.06, -0.99, -1.26),
        "pair": (-0.39, -0.44, -0.49, -0.33, -0.41, -0.54, -0.23, -0.39),
        "lower": (0.18, 0.22, 0.22, 0.17, 0.27, 0.25, 0.22, 0.21),
        "upper": (0.41, 0.38, 0.38, 0.52, 0.62, 0.35, 0.49, 0.44),
        "digit": (0.69, 0.69, 0.69, 1.32, 0.53, 1.40, 0.70, 1.04),
        "space": (0.33, 0.35, 0.38, 0.33, 0.27, 0.39, 0.22, 0.32),
        "line": (0.54, 0.43, 0.41, 0.82, 0.77, 0.38, 0.43, 0.51),
        "mark": (0.43, 0.36, 0.34, 0.55, 0.46, 0.26, 0.53, 0.42),
        "latin": (1.20, 1.83, 1.15, 1.01, 2.18, 0.31, 1.55, 1.13),
        "greek": (0.35, 1.01, 0.37, 0.37, 1.39, 0.94, 0.50, 0.55),
        "cyrillic": (0.28, 0.56, 0.34, 0.28, 0.69, 0.40, 0.36, 0.35),
        "hebrew": (0.40, 1.14, 1.13, 0.44, 1.13, 0.39, 0.52, 0.62),
        "arabic": (0.31, 0.80, 0.35, 0.32, 1.17, 0.41, 0.39, 0.38),
        "devanagari": (0.28, 1.12, 0.55, 0.35, 1.37, 1.05, 0.60, 0.64),
        "indic": (0.34, 1.45, 1.44, 0.51, 2.20, 1.18, 0.50, 0.92),
        "thai": (0.42, 0.99, 0.46, 0.38, 1.94, 0.56, 0.36, 0.44),
        "ethiopic": (2.00, 2.98, 2.98, 1.00, 3.18, 1.12, 2.28, 1.85),
        "rare": (0.33, 2.09, 2.08, 0.77, 1.20, 1.24, 0.85, 1.25),
        "hangul": (0.66, 1.25, 0.67, 0.76, 1.55, 0.70, 0.79, 0.73),
        "kana": (0.87, 1.04, 0.61, 0.43, 1.06, 0.73, 0.71, 0.62),
        "han": (0.83, 1.27, 0.84, 0.70, 1.31, 0.66, 0.60, 0.70),
        "symbol": (1.05, 0.87, 1.02, 1.01, 1.30, 1.16, 1.04, 1.02),
        "emoji": (1.75, 2.25, 2.19, 1.69, 2.99, 2.11, 2.13, 2.04),
    }
)
"""Tokens a character of each kind costs, by family (:data:`COLUMNS`). ``english`` is for each word of
:data:`ENGLISH`, which says that the letters around it are cheap ones; ``pair`` for two spaces in a row."""

ENGLISH = (" the ", " of ", " and ", " to ", " in ", " is ", " that ", " for ")

BEYOND = (
    (0x0080, "latin"),
    (0x0370, "greek"),
    (0x0400, "cyrillic"),
    (0x0530, "rare"),
    (0x0590, "hebrew"),
    (0x0600, "arabic"),
    (0x0700, "rare"),
    (0x0900, "devanagari"),
    (0x0980, "indic"),
    (0x0E00, "thai"),
    (0x0E80, "rare"),
    (0x1100, "hangul"),
    (0x1200, "ethiopic"),
    (0x13A0, "rare"),
    (0x1E00, "latin"),
    (0x1F00, "greek"),
    (0x2000, "symbol"),
    (0x2E80, "han"),
    (0x3040, "kana"),
    (0x3100, "han"),
    (0xAC00, "hangul"),
    (0xD7B0, "rare"),
    (0xF900, "han"),
    (0xFB00, "rare"),
    (0xFF00, "kana"),
    (0xFFF0, "rare"),
    (0x1F000, "emoji"),
)
"""Where each kind of character begins beyond ASCII (https://www.unicode.org/charts/, read 2026-11-21)."""

STARTS = tuple(start for start, _ in BEYOND)

ASCII = tuple(
    "lower"
    if one.islower()
    else "upper"
    if one.isupper()
    else "digit"
    if one.isdigit()
    else "space"
    if one == " "
    else "line"
    if one in "\t\n\r"
    else "mark"
    for one in map(chr, range(128))
)
"""The kind of each character of ASCII."""


def count(model: str, text: str) -> tuple[int, How]:
    """Return how many tokens `text` is to `model`, and how that is known."""
    if not text:
        return 0, "heuristic"
    family = family_of(model)
    looked_at, times = _sample(text)
    exact = _encoded("cl100k_base" if family == "cl100k" else "o200k_base", looked_at)
    if exact is not None and family in ("o200k", "cl100k"):
        return math.ceil(exact * times), "bpe" if times == 1 else "heuristic"
    kinds = _kinds(looked_at)
    guess = _weighed(kinds, family)
    if exact is not None:
        guess *= exact / _weighed(kinds, "o200k")
    return math.ceil(guess * times), "heuristic"


def family_of(model: str) -> str:
    """Return whose vocabulary a model has, by its name: one of :data:`COLUMNS`."""
    name = model.lower()
    return next((family for family, pattern in FAMILIES if pattern.search(name)), "other")


def _sample(text: str) -> tuple[str, float]:
    """Return what of `text` is looked at, and how many times that the whole is."""
    if len(text) <= WHOLE:
        return text, 1
    size, step = WHOLE // SLICES, len(text) // SLICES
    # Where they begin the text itself decides, so that nobody can write one that is cheap just there.
    chance = shake_128(text.encode("utf-8", "replace")).digest(4 * SLICES)
    offsets = (int.from_bytes(chance[4 * at : 4 * at + 4]) % (step - size + 1) for at in range(SLICES))
    starts = (at * step + offset for at, offset in enumerate(offsets))
    return "".join(text[start : start + size] for start in starts), len(text) / (size * SLICES)


def _encoded(encoding: str, text: str) -> int | None:
    """Return the exact count in one of OpenAI's encodings; None without the extra."""
    if BPE is None:
        return None
    try:
        return int(BPE.tokenizer_for_encoding(encoding).count(text))
    except UnicodeEncodeError:  # half of a pair of surrogates
        return _encoded(encoding, text.encode("utf-8", "replace").decode())


def _kinds(text: str) -> Counter[str]:
    """Count what :data:`WEIGHTS` tells apart."""
    kinds: Counter[str] = Counter()
    for character, times in Counter(text).items():
        code = ord(character)
        kinds[ASCII[code] if code < 128 else BEYOND[bisect_right(STARTS, code) - 1][1]] += times
    kinds["english"] = sum(map(text.count, ENGLISH))
    kinds["pair"] = text.count("  ")
    return kinds


def _weighed(kinds: Counter[str], family: str) -> float:
    """Return about how many tokens a family has for such a text; at least one for 16 characters."""
    column = COLUMNS.index(family)
    characters = kinds.total() - kinds["english"] - kinds["pair"]
    return max(sum(times * WEIGHTS[kind][column] for kind, times in kinds.items()), characters / 16)


def _bindings() -> Any:
    """Return the compiled half of the package ``bpe_openai``; None where it is not installed.

    The other half would read whole vocabularies into Python when it is imported, for 0.8 s and 60 MB, and
    make a list of all tokens to count them. This one counts, in linear time whatever the text; it loads an
    encoding when it is first asked for, in some 50 ms, and keeps it.
    """
    name = "bpe_openai._bindings"
    package = importlib.util.find_spec("bpe_openai")
    if package is None or name in sys.modules:
        return sys.modules.get(name)
    spec = PathFinder.find_spec(name, package.submodule_search_locations)
    if spec is None or spec.loader is None:
        return None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BPE = _bindings()
"""What counts exactly; None without the extra."""
