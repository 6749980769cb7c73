"""The cache as the line uses it: exact, a tenant's own, and never in the way."""

from __future__ import annotations

import asyncio
import sqlite3
from array import array
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from dragoman.cache import Cache, CacheSpec, Question, Recording, Terms
from dragoman.cache.memory import RECHECK_S
from dragoman.cache.semantic import Likeness, Vector
from dragoman.core.events import Append, Close, End, Event, Open, Start, Stop
from dragoman.core.failure import Failure
from dragoman.core.request import Message, Request, Text
from dragoman.store.sqlite import SqliteStore

BOTH = Terms(read=True, record=True)
SIMILAR = Terms(read=True, record=True, similar=True)
SPEC = CacheSpec(ttl_s=1000)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


class Scene:
    """A cache over a store, and what it complained of."""

    def __init__(self, store: SqliteStore, spec: CacheSpec, likeness: Likeness | None) -> None:
        self.store = store
        self.clock = Clock()
        self.complaints: list[str] = []
        self.spec = spec
        self.likeness = likeness
        self.cache = self.another()

    def another(self) -> Cache:
        """Return another process's cache over the same store, which waits for that as long as it takes."""
        cache = Cache(
            self.spec,
            self.store.recordings,
            now=self.clock,
            complain=lambda message, _: self.complaints.append(message),
            likeness=self.likeness,
        )
        cache._shelf._patience_s = 60.0
        return cache

    def ask(self, text: str = "hello", tenant: str = "anna") -> Question:
        """Return a question."""
        return self.cache.question(tenant, request(text), ["a/m"])

    async def tell(self, question: Question, said: str = "hi", cache: Cache | None = None) -> None:
        """Record an answer and wait until it is written."""
        cache = cache or self.cache
        recorder = cache.record(BOTH, question)
        assert recorder is not None
        for event in answer(said):
            recorder.feed(event)
        assert recorder.keep("a", "m")
        await cache._shelf.drained()

    async def heard(self, question: Question, cache: Cache | None = None, terms: Terms = BOTH) -> str | None:
        """Return what is told again, or None."""
        found = await (cache or self.cache).recall(terms, question)
        return None if found is None else words(found)


def play(
    folder: Path,
    act: Callable[[Scene], Awaitable[None]],
    spec: CacheSpec = SPEC,
    likeness: Likeness | None = None,
) -> None:
    """Run `act` on a cache over a store in `folder`."""

    async def run() -> None:
        store = SqliteStore.open(folder / "dragoman.db")
        try:
            await act(Scene(store, spec, likeness))
        finally:
            await store.close()

    asyncio.run(run())


def request(text: str) -> Request:
    """Return a request of one turn."""
    return Request("openai_chat", "m", (Message("user", (Text(text),)),))


def answer(said: str) -> list[Event]:
    """Return an answer."""
    return [Start("id", "m"), Open(0, Text("")), Append(0, said), Close(0), Stop("end"), End()]


def words(recording: Recording) -> str:
    """Return what a recording says."""
    return "".join(event.text for event in recording.events if isinstance(event, Append))


def test_what_was_answered_is_told_again(tmp_path: Path) -> None:
    """From memory, and by a process that has it from the store, with the time it was recorded."""

    async def act(scene: Scene) -> None:
        question = scene.ask()
        assert await scene.heard(question) is None
        await scene.tell(question)
        for cache in (scene.cache, scene.another()):
            found = await cache.recall(BOTH, question)
            assert found is not None
            assert found.events == answer("hi")
            assert (found.provider, found.model, found.recorded_at) == ("a", "m", scene.clock())
        assert scene.cache.counts()["hits"] == scene.cache.counts()["misses"] == 1
        assert scene.complaints == []

    play(tmp_path, act)


def test_it_survives_a_restart(tmp_path: Path) -> None:
    """Another start over the same folder finds it."""

    async def before(scene: Scene) -> None:
        await scene.tell(scene.ask())

    async def after(scene: Scene) -> None:
        assert await scene.heard(scene.ask()) == "hi"

    play(tmp_path, before)
    play(tmp_path, after)


def test_two_tenants_never_share(tmp_path: Path) -> None:
    """The same words of another key are another question, in memory and in the store."""

    async def act(scene: Scene) -> None:
        await scene.tell(scene.ask())
        assert await scene.heard(scene.ask(tenant="bert")) is None
        assert await scene.heard(scene.ask(tenant="bert"), scene.another()) is None

    play(tmp_path, act)


def test_terms_are_kept(tmp_path: Path) -> None:
    """Who may not read gets nothing, who may not record has no recorder, who asks afresh refreshes."""

    async def act(scene: Scene) -> None:
        question = scene.ask()
        await scene.tell(question)
        assert await scene.cache.recall(Terms(read=False, record=True), question) is None
        assert scene.cache.record(Terms(read=True, record=False), question) is None
        await scene.tell(question, "afresh")
        assert await scene.heard(question) == "afresh"
        assert await scene.heard(question, scene.another()) == "afresh"

    play(tmp_path, act)


def test_a_recording_is_used_until_its_time(tmp_path: Path) -> None:
    """At its time it is told by nobody, and the sweep deletes it."""

    async def act(scene: Scene) -> None:
        await scene.tell(scene.ask())
        scene.clock.at += 999.9
        assert await scene.heard(scene.ask()) == "hi"
        scene.clock.at += 0.1
        assert await scene.heard(scene.ask()) is None
        assert await scene.heard(scene.ask(), scene.another()) is None
        assert await scene.cache.sweep() == 1

    play(tmp_path, act)


def test_memory_and_disk_are_bounded(tmp_path: Path) -> None:
    """What memory has no room for is in the store, and what the store has no room for is gone."""

    async def act(scene: Scene) -> None:
        for number in range(9):
            await scene.tell(scene.ask(str(number)), "x" * 300)
            scene.clock.at += 1
        assert scene.cache.counts()["in_memory"] == 2
        assert await scene.store.recordings.total() <= 5000
        assert await scene.heard(scene.ask("0")) is None
        assert await scene.heard(scene.ask("3")) == "x" * 300

    play(tmp_path, act, msgspec.structs.replace(SPEC, memory_bytes=2000, disk_bytes=5000))


def test_what_another_process_refreshed_is_told_soon(tmp_path: Path) -> None:
    """Memory is believed for a while; then the store's word counts, also where it has nothing any more."""

    async def act(scene: Scene) -> None:
        question, other = scene.ask(), scene.another()
        await scene.tell(question, "old")
        scene.clock.at += 1
        await scene.tell(question, "new", other)
        assert await scene.heard(question) == "old"
        scene.clock.at += RECHECK_S
        assert await scene.heard(question) == "new"
        assert await other.forget("anna") == 1
        assert await scene.heard(question, other) is None
        scene.clock.at += RECHECK_S
        assert await scene.heard(question) is None

    play(tmp_path, act)


def test_a_tenants_recordings_can_be_deleted(tmp_path: Path) -> None:
    """All of them, at once, and nobody else's."""

    async def act(scene: Scene) -> None:
        for text in ("a", "b"):
            await scene.tell(scene.ask(text))
        await scene.tell(scene.ask("a", "bert"))
        assert await scene.cache.forget("anna") == 2
        assert await scene.heard(scene.ask("a")) is None
        assert await scene.heard(scene.ask("a", "bert")) == "hi"

    play(tmp_path, act)


def test_a_damaged_row_is_a_miss_and_removed(tmp_path: Path) -> None:
    """One flipped byte in the file, or another question's answer in its place, is told to nobody."""

    async def act(scene: Scene) -> None:
        for text in ("a", "b"):
            await scene.tell(scene.ask(text), text)
        a, b = scene.ask("a").key, scene.ask("b").key
        with closing(sqlite3.connect(tmp_path / "dragoman.db")) as file, file:
            file.execute("update recording set body = (select body from recording where key = ?)", (b,))
            file.execute("update recording set body = cast(body || x'00' as blob) where key = ?", (b,))
        fresh = scene.another()
        assert await scene.heard(scene.ask("a"), fresh) is None
        assert await scene.heard(scene.ask("b"), fresh) is None
        await fresh.close()
        assert fresh.counts()["damaged"] == 2
        assert await scene.store.recordings.find(a, now=0) is None
        assert await scene.store.recordings.total() == 0

    play(tmp_path, act)


def test_a_store_that_is_down_costs_no_request(tmp_path: Path) -> None:
    """What is in memory is told, the rest is a miss; nothing raises, and a complaint comes once a minute."""

    async def act(scene: Scene) -> None:
        await scene.tell(scene.ask("a"))
        await scene.store.close()
        assert await scene.heard(scene.ask("b")) is None
        assert await scene.heard(scene.ask("c")) is None
        await scene.tell(scene.ask("b"))
        assert len(scene.complaints) == 1
        assert scene.cache.counts()["faults"] == 3
        scene.clock.at += RECHECK_S
        assert await scene.heard(scene.ask("a")) == "hi"
        assert await scene.heard(scene.ask("b")) == "hi"
        assert len(scene.complaints) == 2

    play(tmp_path, act)


def test_many_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Hundreds of questions recorded and recalled at a time each have their own answer."""

    async def act(scene: Scene) -> None:
        async def one(number: int) -> None:
            question = scene.ask(str(number))
            assert await scene.heard(question) is None
            recorder = scene.cache.record(BOTH, question)
            assert recorder is not None
            for event in answer(str(number)):
                recorder.feed(event)
                await asyncio.sleep(0)
            recorder.keep("a", "m")

        await asyncio.gather(*map(one, range(300)))
        await scene.cache.close()
        other = scene.another()
        heard = await asyncio.gather(*(scene.heard(scene.ask(str(n)), other) for n in range(300)))
        assert heard == [str(number) for number in range(300)]

    play(tmp_path, act)


def test_what_is_forgotten_during_a_look_is_not_held(tmp_path: Path) -> None:
    """A look that began before the word to forget brings nothing back into memory."""

    async def act(scene: Scene) -> None:
        await scene.tell(scene.ask())
        fresh = scene.another()
        looking = asyncio.get_running_loop().create_task(fresh.recall(BOTH, scene.ask()))
        await asyncio.sleep(0)
        await fresh.forget("anna")
        await looking
        assert fresh.counts()["in_memory"] == 0
        assert await scene.heard(scene.ask(), fresh) is None

    play(tmp_path, act)


def test_what_is_too_large_is_counted_and_not_recorded(tmp_path: Path) -> None:
    """The bound of one recording holds."""

    async def act(scene: Scene) -> None:
        recorder = scene.cache.record(BOTH, scene.ask())
        assert recorder is not None
        for event in answer("x" * 2000):
            recorder.feed(event)
        assert not recorder.keep("a", "m")
        assert scene.cache.counts()["too_large"] == 1
        assert await scene.heard(scene.ask()) is None

    play(tmp_path, act, msgspec.structs.replace(SPEC, largest_bytes=1000))


def embed(text: str) -> Vector:
    """Return a vector that knows a question by its first letter."""
    side = {"W": (1.0, 0.0), "E": (0.99, 0.14), "T": (0.0, 1.0)}[text[0]]
    return array("f", side).tobytes()


ALIKE = CacheSpec(ttl_s=1000, semantic=True, similarity=0.98)


def test_a_similar_question_is_answered(tmp_path: Path) -> None:
    """A near one with the same marks is, also by another process; a far one is not; nor is an exact wish."""

    async def act(scene: Scene) -> None:
        await scene.tell(scene.ask("What is gravity?"), "it pulls")
        near = scene.ask("Explain gravity.")
        for cache in (scene.cache, scene.another()):
            found = await cache.recall(SIMILAR, near)
            assert found is not None
            assert words(found) == "it pulls"
            assert found.similarity is not None
            assert round(found.similarity, 2) == 0.99
        assert scene.cache.counts()["similar"] == 1
        assert await scene.heard(near, terms=BOTH) is None
        assert await scene.heard(scene.ask("Tell me what gravity is."), terms=SIMILAR) is None
        assert await scene.heard(scene.ask("Explain levity."), terms=SIMILAR) is None
        assert await scene.heard(scene.ask("Explain gravity.", "bert"), terms=SIMILAR) is None
        scene.clock.at += 1000
        assert await scene.heard(near, terms=SIMILAR) is None

    play(tmp_path, act, ALIKE, Likeness(lambda: embed))


def test_a_model_that_fails_costs_no_request(tmp_path: Path) -> None:
    """What cannot be compared is asked anew, and recorded under its own key."""

    def broken(text: str) -> Vector:
        raise OSError(text)

    async def act(scene: Scene) -> None:
        await scene.tell(scene.ask("What is gravity?"))
        assert await scene.heard(scene.ask("Explain gravity."), terms=SIMILAR) is None
        assert await scene.heard(scene.ask("What is gravity?"), terms=SIMILAR) == "hi"
        assert len(scene.complaints) == 1

    play(tmp_path, act, ALIKE, Likeness(lambda: broken))


def test_only_short_plain_questions_are_compared(tmp_path: Path) -> None:
    """Where nothing may be compared, nothing is embedded."""

    async def act(scene: Scene) -> None:
        assert scene.ask("What is gravity?").scope is not None
        assert scene.ask("What is gravity? " * 100).scope is None
        assert scene.ask("What is").scope is None
        scene.cache.spec = SPEC
        assert scene.ask("What is gravity?").scope is None

    play(tmp_path, act, ALIKE, Likeness(lambda: embed))


def test_sweeping_goes_on_after_a_fault(tmp_path: Path) -> None:
    """A store that is down for a while is complained of, and the sweep is still there."""

    async def act(scene: Scene) -> None:
        await scene.store.close()
        sweeping = asyncio.get_running_loop().create_task(scene.cache.sweeping())
        while not scene.complaints:
            await asyncio.sleep(0)
        assert not sweeping.done()
        sweeping.cancel()

    play(tmp_path, act)


def test_a_word_to_forget_that_fails_is_told(tmp_path: Path) -> None:
    """Who wants recordings deleted hears that they were not."""

    async def act(scene: Scene) -> None:
        await scene.tell(scene.ask())
        await scene.store.close()
        with pytest.raises(Failure, match="closed"):
            await scene.cache.forget("anna")

    play(tmp_path, act)
