"""Recorded answers in the line: one is told again instead of asking, or taken down as it passes.

A recording stands where an attempt would: its events are delivered like any provider's, so each client gets
them in its own dialect, whole or as a stream. It is no attempt, though: nobody was asked, nothing was spent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from dragoman.cache import Recording
from dragoman.cache import asked as terms_of
from dragoman.core.events import Event
from dragoman.core.request import Request
from dragoman.core.tasks import Asked
from dragoman.dialects import Call
from dragoman.exchange.life import Attempt, Exchange
from dragoman.routing import Target, plan

BATCH = 64
"""Events of a recording that are written at once."""


async def recalled(ex: Exchange, asked: Asked, call: Call, *, strict: bool) -> Attempt | None:
    """Return the recorded answer if there is one; else begin to record, where that is wanted.

    One whose request lost something on its way is not for a client that asks strictly.
    """
    if not isinstance(asked, Request):
        return None
    assert ex.account is not None
    assert ex.route is not None
    cache, door = ex.services.cache, ex.door
    terms = terms_of(
        ex.live.cache,
        call.headers,
        by_default=getattr(door, "recorded", False),
        refresh=getattr(door, "refresh", False),
    )
    ex.cache = "miss" if terms.read else "bypass"
    if not terms.read and not terms.record:
        return None
    question = cache.question(ex.account.name, asked, [str(target) for target in plan(ex.route)])
    recording = await cache.recall(terms, question)
    ex.passed("recall")
    if recording is None or (strict and recording.losses):
        ex.recorder = cache.record(terms, question)
        return None
    return _replayed(ex, recording)


def keep(ex: Exchange) -> None:
    """Keep what was taken down of an answer that has ended, if it is of the model that was asked for."""
    recorder, ex.recorder = ex.recorder, None
    if recorder is None:
        return
    assert ex.route is not None
    if ex.stood_in and ex.route.targets:
        return
    last = ex.attempts[-1]
    who = (last.target.provider, last.target.model)
    try:
        recorder.keep(*who, losses=last.losses, fallback=ex.stood_in, reason=ex.reason)
    except Exception as bug:  # noqa: BLE001  whatever it is, the answer is there and goes to its client
        ex.services.complain(f"the answer to request {ex.request_id} could not be recorded", bug)


def _replayed(ex: Exchange, recording: Recording) -> Attempt:
    """Return a recording in place of an attempt that begins to answer."""
    ex.cache, ex.similarity = "hit", recording.similarity
    ex.fallback, ex.reason = recording.fallback, recording.reason
    ex.losses = dict.fromkeys(recording.losses)
    now, prices = ex.services.now(), ex.live.prices
    quote = prices.find(recording.provider, recording.model, now)
    attempt = Attempt(0, Target(recording.provider, recording.model), now, quote)
    ex.replayed = attempt
    attempt.batches = _batches(recording.events)
    attempt.first_at = ex.services.tick()
    return attempt


async def _batches(events: Sequence[Event]) -> AsyncIterator[list[Event]]:
    for start in range(0, len(events), BATCH):
        yield list(events[start : start + BATCH])
