"""However a request ends: told to the client, and booked exactly once.

    async with ending(ex, out):
        ...                          whatever this raises is the end

A :class:`Failure` is told in the door's dialect, a cancellation is the client that left, anything else is
a bug of ours and still an answer. Whichever it is, what is open is closed and the ledger is settled.
"""

from __future__ import annotations

import re
from asyncio import CancelledError
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dragoman.core.failure import Failure, Kind
from dragoman.dialects import Call
from dragoman.exchange.booking import NOTHING, attempt_row, exchange_row, record
from dragoman.exchange.early import fail_begun
from dragoman.exchange.holding import book, leave, let_go
from dragoman.exchange.life import Attempt, Exchange, Out
from dragoman.routing import Target
from dragoman.store import ExchangeRow


@asynccontextmanager
async def ending(ex: Exchange, out: Out) -> AsyncIterator[None]:
    """Live one request, and see to its end.

    Raises:
        CancelledError: The client left, or the process stops; everything is closed and booked.
    """
    ex.services.under_way[ex.id] = ex
    try:
        yield
        ex.state = "failed" if ex.failure else "settled"
    except Failure as failure:
        ex.failure, ex.state = failure, "failed"
        await leave(ex)
        if out.begun:
            await fail_begun(ex, failure, out)
        else:
            await out.reply(ex.door.write_failure(failure), ex.headers())
    except CancelledError:
        ex.state = "settled" if out.over else "cancelled"
        raise
    except Exception as bug:  # the last resort: told with the request's id, never a silent 500
        ex.services.complain(f"request {ex.request_id} failed on a bug", bug)
        ex.failure, ex.state = Failure(Kind.INTERNAL, f"internal error, request {ex.request_id}"), "failed"
        if out.begun:
            raise
        await out.reply(ex.door.write_failure(ex.failure), ex.headers())
    finally:
        del ex.services.under_way[ex.id]
        await _settle(ex)


async def opened(ex: Exchange, target: Target) -> Attempt:
    """Note an attempt in the ledger, with room and money for it; when this returns, it survives a crash.

    Raises:
        Failure: There is none; nothing of the attempt is written then.
    """
    at = ex.services.now()
    quote = ex.live.prices.find(target.provider, target.model, at)
    attempt = Attempt(len(ex.attempts) + 1, target, at, quote)
    ex.attempts.append(attempt)
    try:
        await book(ex, attempt)
    except Failure as failure:
        if failure.kind is Kind.UNAVAILABLE:
            attempt.failure = failure  # it may have been written all the same: its end is booked like any
        else:
            ex.attempts.remove(attempt)
        raise
    except CancelledError:
        attempt.priced = NOTHING, ""  # whoever left while it was written down was never asked for
        raise
    ex.passed("reserve")
    return attempt


def request_id(call: Call) -> str | None:
    """Return the client's own request id if it is one, so that it cannot smuggle anything anywhere."""
    asked = call.headers.get("x-request-id", "")
    return asked if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", asked) else None


async def _settle(ex: Exchange) -> None:
    """Close what is open and book what it cost.

    A request without a known key is not booked: a flood of them must not grow the ledger. The store
    writes what it was given even if this task is cancelled while it waits for the commit.
    """
    try:
        for attempt in ex.attempts:
            if attempt.answer is not None:
                _glean(ex, attempt)
                await attempt.answer.close()
    finally:
        if ex.account is not None:
            at = ex.services.now()
            rows = [attempt_row(ex, attempt, at) for attempt in ex.attempts]
            row = exchange_row(ex, at, rows)
            try:
                await ex.services.ledger.settle(row, rows)
            except Failure as failure:
                ex.services.complain(f"request {ex.request_id} could not be settled in the ledger", failure)
            finally:
                _tell(ex, row)
                await let_go(ex, row.meters)


def _glean(ex: Exchange, attempt: Attempt) -> None:
    """Count what had come of an answer when its client left, though nobody told it."""
    if ex.state == "cancelled" and attempt.answer is not None and attempt.failure is None:
        for event in attempt.answer.rest():
            attempt.folder.feed(event)


def _tell(ex: Exchange, row: ExchangeRow) -> None:
    """Tell the sinks: afterwards, so that a bug in one costs no row."""
    try:
        ex.services.tell(record(ex, row))
    except Exception as bug:  # noqa: BLE001  as above: the request is over, and this is not its business
        ex.services.complain(f"request {ex.request_id} could not be told of", bug)
