"""Ratings: what whoever asked thinks of an answer, and one exchange shown to whoever may see it.

A key rates its own exchanges, the admin any. The last word counts: a second rating by the same key replaces
the first. A rating is booked for the model that answered, whichever of its names was said, so that it stands
beside that model's other figures.

A client has its answer a moment before the ledger has it settled, and can be back by then. So an exchange
that is just being settled is waited for, shortly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container

import msgspec

from dragoman.accounts.grants import refuse_reader
from dragoman.accounts.keys import Account
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.store import AttemptRow, ExchangeRow, RatingRow, Store

LEAST, MOST = 1, 5

LONGEST = 4000
"""Characters a feedback may have."""

PAUSES_S = (0.01, 0.02, 0.04, 0.08, 0.16)
"""Seconds to wait, one after another, for an exchange to be settled."""


class Opinion(msgspec.Struct, frozen=True):
    """What a client says of an answer.

    Attributes:
        exchange_id: The answer's, or the request's own.
        rating: Anything; only a whole number from 1 to 5 is one.
        at: Where the client said the rating, the exchange and the model, for refusals.
    """

    exchange_id: str
    rating: object
    model: str | None = None
    feedback: str | None = None
    at: tuple[str, str, str, str] = ("$.rating", "$.prompt_id", "$.model", "$.feedback")


class Ledgered(msgspec.Struct, frozen=True):
    """All that is booked of one exchange: its row, its attempts, what its key thinks of the answer."""

    row: ExchangeRow
    attempts: tuple[AttemptRow, ...]
    rating: RatingRow | None


class Finder(msgspec.Struct, frozen=True):
    """Finds exchanges for accounts, each only what it may see.

    Attributes:
        store: Where they are.
        under_way: Ids of those this process still works on: for these nobody waits.
        pause: Waits so many seconds.
    """

    store: Store
    under_way: Container[str]
    pause: Callable[[float], Awaitable[None]]

    async def find(self, account: Account, id_: str, *, at: str) -> ExchangeRow:
        """Return an exchange by its id, or by its request's.

        Raises:
            Failure: NOT_FOUND, there is none, or it is another key's: who may not see it learns nothing.
        """
        key = None if account.looks else account.name
        for pause_s in (*PAUSES_S, None):
            row = await self.store.exchange(id_, key=key)
            running = id_ in self.under_way or (row is not None and row.id in self.under_way)
            if row is not None and (running or row.state != "reserved"):
                return row
            if pause_s is None:
                break
            await self.pause(pause_s)
        if row is None:
            known = "there is no request of this id"  # who sees all of them is told so
            message = known if account.looks else "no exchange of this id is known to this key"
            raise Failure(Kind.NOT_FOUND, message, source=Source.CLIENT, at=at, code="exchange_not_found")
        return row

    async def show(self, account: Account, id_: str) -> Ledgered:
        """Return all that is booked of one exchange; raise as :meth:`find`."""
        row = await self.find(account, id_, at="id")
        ratings = await self.store.ratings.of(row.id)
        own = [rating for rating in ratings if rating.key == row.key]
        rated = own or [rating for rating in ratings if rating.key == account.name]
        return Ledgered(row, tuple(await self.store.attempts(row.id)), rated[0] if rated else None)

    async def rate(self, account: Account, opinion: Opinion, *, now: float) -> RatingRow:
        """Keep what an account thinks of an answer; return it as it is kept.

        Raises:
            Failure: INVALID, NOT_FOUND; FORBIDDEN, a reader changes nothing; CONFLICT, the answer has not
                ended yet.
        """
        refuse_reader(account)
        at_rating, at_id, at_model, at_feedback = opinion.at
        rating = _stars(opinion.rating, at_rating)
        feedback = opinion.feedback or ""
        if len(feedback) > LONGEST:
            raise invalid(f"feedback may have {LONGEST} characters at most", at_feedback)
        row = await self.find(account, opinion.exchange_id, at=at_id)
        if row.state == "reserved":
            message = "this answer is still under way; rate it when it has ended"
            raise Failure(Kind.CONFLICT, message, source=Source.CLIENT, at=at_id, code="exchange_not_ended")
        if opinion.model is not None:
            await self._check_model(row, opinion.model, at_model)
        model = row.answered_model or row.model
        kept = RatingRow(row.id, account.name, model, rating, feedback, now)
        await self.store.ratings.keep(kept)
        return kept

    async def _check_model(self, row: ExchangeRow, model: str, at: str) -> None:
        """Refuse a model that has no part in an exchange: the rating is meant for another."""
        if model in (row.model, row.answered_model):
            return
        if model not in [attempt.model for attempt in await self.store.attempts(row.id)]:
            raise invalid("this model was neither asked nor did it answer in this exchange", at)


def _stars(rating: object, at: str) -> int:
    """Return a rating that is one."""
    number = int(rating) if isinstance(rating, float) and rating.is_integer() else rating
    if not isinstance(number, int) or isinstance(number, bool) or not LEAST <= number <= MOST:
        raise invalid(f"rating must be a whole number from {LEAST} to {MOST}", at)
    return number
