"""Vectors and ranks: what is answered at once and whole, made of nothing but the request.

* A vector is drawn from a digest of the seed, the model and its input, and scaled to unit length. The same
  input has the same vector in every dialect, at any place in a request. Its numbers are float32, so that
  base64 tells them exactly.
* A document's score is the share of words it has in common with the query: the order means something.
* A token is a word, as in an answer; images count as there.

Formats only Cohere has (int8, binary and so on) are made of the same vector by rounding, and by sign.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from hashlib import blake2b
from random import Random

import msgspec

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import invalid
from dragoman.core.request import Media, Text
from dragoman.core.tasks import Embed, Embedded, Input, Rank, Ranked, Rerank, Tokens
from dragoman.core.usage import Usage
from dragoman.dialects import Dialect, Reply
from dragoman.dialects.cohere_tasks import types_asked
from dragoman.dialects.gemini_tasks import lengths_asked
from dragoman.simulator.answers import MEDIA_TOKENS, OTHER
from dragoman.simulator.behaviour import Behaviour

DIMENSIONS = 8
"""How long a vector is, unless the request says."""

LONGEST = 8192
"""Dimensions beyond which no model goes; a vector of more is refused, as vendors do."""

SEARCHED = 100
"""Documents of one search unit, as Cohere bills them (cohere.com/pricing, 2026-11-21)."""


def digest(seed: int, asked: Embed | Rerank) -> bytes:
    """Return 32 bytes that stand for `seed` and what is asked."""
    return blake2b(msgspec.json.encode((seed, asked)), digest_size=32).digest()


def answer(
    dialect: Dialect, asked: Embed | Rerank, behaviour: Behaviour, *, seed: int
) -> tuple[Reply, Usage | None]:
    """Return the answer to `asked` in the words of `dialect`, and the usage it tells."""
    id_, model = f"{OTHER.answer}{digest(seed, asked).hex()[:24]}", behaviour.model or asked.model
    usage = usage_of(asked, behaviour) if behaviour.usage else None
    if isinstance(asked, Rerank):
        assert dialect.tasks.rerank is not None
        searched = _searched(asked) if dialect.name == "cohere" else None
        usage = None if searched else usage
        ranked = Ranked(id_, model, ranks(asked), usage, searched)
        return dialect.tasks.rerank.write_answer(ranked, asked), usage
    assert dialect.tasks.embed is not None
    lengths = lengths_asked(asked)
    if any(length is not None and length > LONGEST for length in lengths):
        return dialect.write_failure(invalid(f"at most {LONGEST} dimensions", "$.dimensions")), None
    vectors = tuple(
        vector(pieces, asked.model, length, seed=seed)
        for pieces, length in zip(asked.inputs, lengths, strict=True)
    )
    reply = dialect.tasks.embed.write_answer(Embedded(id_, model, vectors, usage), asked)
    if dialect.name == "cohere":
        for kind in types_asked(asked):
            reply.body["embeddings"].setdefault(kind, [quantised(one, kind) for one in vectors])
    # Ollama's older endpoint tells a vector and nothing else.
    return reply, None if dialect.name == "ollama" and "embedding" in reply.body else usage


def vector(pieces: Input, model: str, length: int | None = None, *, seed: int = 0) -> tuple[float, ...]:
    """Return what `model` makes of one input: unit length, to the precision of a float32."""
    seen = [
        piece if isinstance(piece, Tokens) else msgspec.structs.replace(piece, extras=None)
        for piece in pieces
    ]
    rng = Random(msgspec.json.encode((seed, model, seen)))  # noqa: S311 - reproducible, not secret
    drawn = [rng.gauss() for _ in range(length or DIMENSIONS)]
    norm = math.hypot(*drawn)
    data = struct.pack(f"<{len(drawn)}f", *(number / norm for number in drawn))
    return struct.unpack(f"<{len(drawn)}f", data)


def quantised(numbers: Sequence[float], kind: str) -> list[int]:
    """Return a vector in one of Cohere's integer formats; eight signs make a byte of the binary ones."""
    if not kind.endswith("binary"):
        low = -128 if kind == "int8" else 0
        return [max(0, min(255, round(number * 127) + 128)) + low for number in numbers]
    signs = "".join("1" if number > 0 else "0" for number in numbers)
    packed = [int(signs[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(signs), 8)]
    return packed if kind == "ubinary" else [byte - 128 for byte in packed]


def ranks(asked: Rerank) -> tuple[Rank, ...]:
    """Return the documents by their overlap with the query, those of equal score in their own order."""
    query = _words(asked.query)
    scored = []
    for index, document in enumerate(asked.documents):
        words = _words(document)
        score = len(query & words) / len(query | words) if query | words else 0.0
        scored.append(Rank(index, round(score, 6)))
    return tuple(sorted(scored, key=lambda rank: -rank.score)[: asked.top])


def usage_of(asked: Embed | Rerank, behaviour: Behaviour) -> Usage:
    """Return what is read: counted, unless the behaviour says otherwise."""
    if behaviour.counts.input is not None:
        return Usage(input=behaviour.counts.input)
    if isinstance(asked, Rerank):
        # Every document is read together with the query.
        return Usage(input=sum(len(f"{asked.query} {document}".split()) for document in asked.documents))
    return Usage(input=sum(_tokens(piece) for pieces in asked.inputs for piece in pieces))


def all_words(asked: Embed | Rerank) -> str:
    """Return every text of a request, one to a line."""
    if isinstance(asked, Rerank):
        return "\n".join((asked.query, *asked.documents))
    return "\n".join(piece.text for pieces in asked.inputs for piece in pieces if isinstance(piece, Text))


def _tokens(piece: Text | Media | Tokens) -> int:
    match piece:
        case Text():
            return len(piece.text.split())
        case Tokens():
            return len(piece.ids)
        case Media():
            return MEDIA_TOKENS


def _words(text: str) -> set[str]:
    return {word.strip(".,;:!?\"'()") for word in text.casefold().split()} - {""}


def _searched(asked: Rerank) -> Extras:
    """Return what Cohere bills for a rerank: search units, and no tokens."""
    billed: dict[str, Json] = {"search_units": -(-len(asked.documents) // SEARCHED)}
    return Extras("cohere", quiet={"meta": {"api_version": {"version": "2"}, "billed_units": billed}})
