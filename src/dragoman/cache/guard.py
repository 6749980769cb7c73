"""What two questions must share, word for word, before their likeness counts at all. Pure.

A text model finds "cats" and "dogs", "ascending" and "descending", "from A to B" and "from B to A" more
alike than most paraphrases: no threshold tells them apart (docs/cache.md has the figures). So it is trusted
with the framing of a question only. The *marks* of a question are all its words but those of its framing, in
order:

* numbers, names, nouns, verbs, negations, opposites, units: whatever is no framing, in any language;
* what is quoted, code, and words that are not made of letters only, as they stand;
* who, when, where, why and how; past and future; whether it asks for yes or no, and if it may, must or is.

Framing is what :data:`FRAMING` lists, and what stands around it: "How *do I* ...", "*Can you tell me* ...".
"What is the way to" is "how to". Endings of plurals and verbs are cut off, and a few synonyms are one word.
Questions whose marks differ are never compared. It would rather miss than mislead: a word that nobody thought
of is a mark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

QUOTED = re.compile(
    r"```.*?(?:```|\Z)|`[^`]*`|\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb"
    r"|(?<!\w)['\u2018][^'\u2019]*['\u2019](?!\w)",
    re.DOTALL,
)
WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
EDGES = ".,;:?\u2026"
END = re.compile(r"[.!?:;\u2026]$")

FRAMING = frozenset((
    "a", "an", "the", "of", "to", "is", "are", "what", "what's", "which", "please", "kindly",
    "explain", "describe",
))  # fmt: skip
"""Words that ask without saying what about."""

ASKING = frozenset(["what", "which", "how", "who", "when", "where", "why"])
POLITE = frozenset(["can", "could", "would", "will"])
WHETHER: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(["can", "could", "may", "might"], "may"),
        **dict.fromkeys(["should", "must", "shall", "need"], "must"),
        **dict.fromkeys(["is", "are", "am", "do", "does"], "is"),
    }
)
"""What begins a question for yes or no, and what it asks for."""

BESIDE = frozenset(["do", "can", "could", "should", "would"])
"""Between a question word and "I" or "you", where both are framing."""

SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(["largest", "biggest"], "largest"),
        **dict.fromkeys(["highest", "tallest"], "highest"),
        **dict.fromkeys(["fastest", "quickest"], "fastest"),
        **dict.fromkeys(["write", "compose", "draft"], "write"),
        **dict.fromkeys(["summarize", "summarise", "summary"], "summary"),
        **dict.fromkeys(["calculate", "compute"], "compute"),
        **dict.fromkeys(["delete", "remove"], "remove"),
        **dict.fromkeys(["cannot", "can't", "cant"], "cannot"),
    }
)
WAY = re.compile(
    r"^\s*what(?:['\u2019]s| is| are) the (?:(?:right|proper) )?(?:way|ways|steps|method) (?:to|for|of) ",
    re.IGNORECASE,
)
"""Asks how something is done."""


def marks(text: str) -> tuple[str, ...] | None:
    """Return what another question must have too, in this order; None: it may be compared with no other."""
    if "\x00" in text:
        return None  # the model would read up to here only
    found = [quoted[0] for quoted in QUOTED.finditer(text)]
    words: list[str] = []
    for token in WAY.sub("how to ", QUOTED.sub(' " ', text)).split():
        word = token.rstrip(EDGES + "!")
        # A factorial and an operator are no exclamation.
        words.append(word if WORD.fullmatch(word) else token.rstrip(EDGES) or token)
        if END.search(token):
            found += _sentence(words)
            words = []
    return tuple(found + _sentence(words)) or None


def _sentence(words: list[str]) -> list[str]:
    """Return the marks of one sentence."""
    # A capital is a name's, but for the first word's and for "I".
    low = [word.lower() if place == 0 or word == "I" else word for place, word in enumerate(words)]
    found = []
    for place, word in enumerate(low):
        before = low[place - 1] if place else ""
        asked = place > 1 and before in BESIDE and low[place - 2] in ASKING
        after, beyond = (*low[place + 1 : place + 3], "", "")[:2]
        if place == 0 and word in WHETHER:
            if not (word in POLITE and after == "you"):
                found.append(f"? {WHETHER[word]}")
        elif word in FRAMING or _frames(word, before, after, beyond, asked=asked):
            continue
        else:
            found.append(_mark(word))
    return found


def _frames(word: str, before: str, after: str, beyond: str, *, asked: bool) -> bool:
    """Say whether a word is framing where it stands."""
    match word.lower():
        case "i" | "you" | "we":
            return asked or before in POLITE
        case "tell":
            return after == "me" and beyond not in ("a", "an")
        case "me":
            return before == "tell" and after not in ("a", "an")
        case "do" | "does" | "can" | "could" | "should" | "would":
            return before in ASKING
    return False


def _mark(word: str) -> str:
    """Return what one word stands for."""
    if not WORD.fullmatch(word):
        return word.replace(",", "") if NUMBER.fullmatch(word) else word
    if len(word) > 1 and word.isupper():
        return word  # IT is not it
    stem = word.lower().replace("\u2019", "'").removesuffix("'s")
    if stem in SYNONYMS:
        return SYNONYMS[stem]
    if len(stem) > 3 and stem.endswith("s") and not stem.endswith(("ss", "us", "is")):
        stem = stem[:-1]
    for ending in ("ing", "ed"):
        if stem.endswith(ending) and len(stem) - len(ending) > 3:
            stem = stem.removesuffix(ending)
    return stem[:-1] if len(stem) > 3 and stem.endswith("e") else stem
