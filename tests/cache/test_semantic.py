"""What is nearest, and what the real model says where it is installed."""

from __future__ import annotations

import asyncio
import threading
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.cache.semantic import MEMO, Likeness, Vector, available, load, nearest
from dragoman.cache.terms import SIMILARITY


def vector(*values: float) -> Vector:
    """Return a vector."""
    return array("f", values).tobytes()


def test_the_nearest_is_found() -> None:
    """The greatest cosine wins, the first of equals."""
    others = [vector(0, 1), vector(1, 0), vector(1, 0), vector(-1, 0)]
    assert nearest(vector(1, 0), others) == (1, 1.0)


def test_another_models_vector_is_far_off() -> None:
    """A vector of another length is never the nearest, and never near."""
    assert nearest(vector(1, 0), [vector(1, 0, 0), vector(-0.5, 0)]) == (1, -0.5)
    assert nearest(vector(1, 0), [b"odd"])[1] == -1.0


@given(st.lists(st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)), min_size=1, max_size=9))
def test_nothing_is_nearer_than_the_nearest(points: list[tuple[float, float]]) -> None:
    """It is the maximum of the dot products."""
    _, cosine = nearest(vector(0.5, -0.5), [vector(*point) for point in points])
    assert cosine == max(*(0.5 * x - 0.5 * y for x, y in points), -1.0)


def test_a_thread_of_its_own_does_the_work_and_remembers_it() -> None:
    """The event loop's thread never embeds; the same words are embedded once; memory is bounded."""
    asked: list[str] = []
    threads: set[int] = set()

    def embed(text: str) -> Vector:
        asked.append(text)
        threads.add(threading.get_ident())
        return vector(1, 0)

    async def scene() -> None:
        likeness = Likeness(lambda: embed)
        assert await likeness.vector("a") == await likeness.vector("a") == vector(1, 0)
        assert asked == ["a"]
        for number in range(MEMO):
            await likeness.vector(str(number))
        await likeness.vector("a")
        assert asked[-1] == "a"
        assert len(likeness._memo) == MEMO
        assert await likeness.nearest(vector(1, 0), [vector(1, 0)]) == (0, 1.0)
        likeness.close()

    asyncio.run(scene())
    assert threads - {threading.get_ident()} == threads


@pytest.mark.skipif(
    not available(), reason="the extra 'semantic' is not installed: the real model is untested"
)
def test_the_real_model_finds_a_paraphrase_near() -> None:
    """Two framings of one question are nearer than the threshold, two capitals are not."""
    embed = load()
    one = embed("What is the difference between TCP and UDP?")
    assert nearest(one, [embed("Explain the difference between TCP and UDP.")])[1] >= SIMILARITY
    france = embed("What is the capital of France?")
    assert nearest(france, [embed("What is the capital of Germany?")])[1] < SIMILARITY
