"""What happens in an hour of the demo's month: exchanges as the line would have booked them.

    hour(seed, at, ...)  ->  Happening, ...  ->  priced(happening, find)  ->  the ledger's rows

Pure, and a function of the seed and the hour alone: the same hour has the same traffic whenever it is made,
so that a demo that is started again goes on where it was. Nothing here costs anything yet: what an attempt
costs is what the price list says of its meters (:func:`priced`), at the instant it was opened.

Rows are what ``exchange/booking.py`` makes of an exchange: marks of the course in their order, an attempt's
first event counted from the exchange's beginning, everything settled in one instant at its end.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec
from examples.demo.cast import (
    BOUND,
    DAYS,
    DESKS,
    FEEDBACK,
    INCIDENT_DAYS,
    INCIDENT_PROVIDER,
    LOSSES,
    PLACES,
    ROUTES,
    THINKING,
    WORDS,
    Desk,
    Rhythm,
)

from dragoman.core.failure import Failure, Kind, Retry, Source, truncated
from dragoman.core.usage import COUNTERS, Usage
from dragoman.providers.prices import Quote, booked
from dragoman.routing import Target
from dragoman.routing.retry import decide
from dragoman.store import AttemptRow, ExchangeRow, Meters, State

HOUR_S, DAY_S = 3600, 86_400
INCIDENT_S = 1.2 * HOUR_S

OWNER = "demo"
"""Who is said to have served the generated rows: no process that lives."""

RHYTHMS: Mapping[Rhythm, tuple[float, ...]] = MappingProxyType(
    {
        "office": (
            *[0.05] * 6,
            0.2,
            0.6,
            1.4,
            2.2,
            2.6,
            2.5,
            1.7,
            2.2,
            2.6,
            2.5,
            2.1,
            1.4,
            *[0.5] * 2,
            *[0.2] * 4,
        ),
        "always": (
            *[0.4] * 6,
            0.6,
            0.9,
            1.2,
            1.4,
            1.5,
            1.5,
            1.3,
            1.4,
            1.5,
            1.5,
            1.4,
            1.3,
            *[1.2] * 3,
            0.9,
            *[0.6] * 2,
        ),
        "night": (2.0, 5.0, 7.0, 5.5, 2.0, *[0.15] * 17, 0.4, 1.0),
    }
)
"""How much of a day's traffic each hour (UTC) has."""

WEEKEND: Mapping[Rhythm, float] = MappingProxyType({"office": 0.12, "always": 0.65, "night": 0.9})

FAULTS = (
    (Kind.RATE_LIMITED, 429, "rate limit reached for requests per minute", 3),
    (Kind.OVERLOADED, 529, "the service is overloaded; try again later", 2),
    (Kind.UPSTREAM, 500, "the server had an error while processing the request", 3),
    (Kind.TIMEOUT, None, "the provider did not answer in time", 2),
)
"""How calls fail: kind, the provider's status, in its words, how often."""

REFUSALS = (
    (Kind.INVALID, "expected a number from 0 to 2, got 7"),
    (Kind.INVALID, "expected at least one message, got none"),
    (
        Kind.NOT_FOUND,
        "no route, provider or catalogue model has the name asked for; did you mean gpt-5.4-mini?",
    ),
)
"""What is refused before anybody is asked."""

LIMITED = "the limit of 60 requests a minute of this key is reached"
MODEL_OF = MappingProxyType(
    {
        "claude-haiku-5-5": "anthropic",
        "claude-sonnet-5-5": "anthropic",
        "gemini-3.8-flash": "gemini",
        "gemini-3.5-flash-lite": "gemini",
        "gpt-5.4-mini": "openai",
        "gpt-4.1-mini": "openai",
        "gpt-6.1-terra": "openai",
        "mistral-small-2603": "mistral",
        "deepseek-flash": "deepseek",
        "command-a-plus-05-2026": "cohere",
    }
)
"""Who is asked for a model by its bare name."""

Find = Callable[[str, str, float], Quote]


class Rate(msgspec.Struct, frozen=True):
    """What somebody will say of an answer, and how many seconds after its end."""

    rating: int
    feedback: str
    after_s: float


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange and its attempts, all but what they cost.

    Attributes:
        exchange: How it ends; its meters are the sums of its attempts', once they are priced.
        attempts: In order.
        spared: What a recording's answer would have taken, and of whom; None: it is none.
        words: What was said, where that is to be logged.
        rate: What is thought of it.
    """

    exchange: ExchangeRow
    attempts: tuple[AttemptRow, ...] = ()
    spared: tuple[Target, Usage] | None = None
    words: tuple[str, str] | None = None
    rate: Rate | None = None

    @property
    def ends_at(self) -> float:
        """When it is booked."""
        assert self.exchange.settled_at is not None
        return self.exchange.settled_at


class Setting(msgspec.Struct, frozen=True):
    """What a month depends on.

    Attributes:
        seed: Another one is another month.
        exchanges: About how many a month of 30 days has.
        anchor: The end of the first month, in Unix seconds: what was days ago is reckoned from here.
    """

    seed: int
    exchanges: int
    anchor: float

    @property
    def incident_at(self) -> float:
        """When a provider's bad time began: in the afternoon (UTC), when everybody is at work."""
        day = (self.anchor - INCIDENT_DAYS * DAY_S) // DAY_S * DAY_S
        return day + 13.4 * HOUR_S


def month(setting: Setting, since: float, until: float) -> Iterator[Happening]:
    """Yield everything that ends after `since` and not after `until` (Unix seconds), hour by hour."""
    for at in range(int(since) // HOUR_S * HOUR_S - HOUR_S, math.ceil(until), HOUR_S):
        yield from (one for one in hour(setting, at) if since < one.ends_at <= until)


def hour(setting: Setting, at: int) -> list[Happening]:
    """Return what begins in the hour at this Unix second, by when it begins."""
    found = []
    for desk in DESKS:
        chance = random.Random(f"{setting.seed}:{desk.name}:{at}")  # noqa: S311  traffic, no secrets
        for _ in range(_count(chance, _expected(setting, desk, at))):
            opened_at = round(at + chance.random() * HOUR_S, 3)
            days = (setting.anchor - opened_at) / DAY_S
            if desk.until < days < desk.made or (not desk.until and days <= 0):
                found.append(_Line(setting, desk, opened_at, chance).live())
    return sorted(found, key=lambda one: one.exchange.opened_at)


def priced(one: Happening, find: Find) -> Happening:
    """Return a happening with what it costs, by the prices of the instant each attempt was opened."""
    attempts = tuple(_priced(row, find) for row in one.attempts)
    costs = [row.meters.cost_micros for row in attempts]
    known = [cost for cost in costs if cost is not None]
    meters = Meters(
        **{name: sum(getattr(row.meters, name) for row in attempts) for name in COUNTERS},
        estimated=any(row.meters.estimated for row in attempts),
        cost_micros=sum(known) if len(known) == len(costs) else None,
    )
    exchange = msgspec.structs.replace(one.exchange, meters=meters)
    if one.spared is not None:
        target, usage = one.spared
        saved, _ = booked(usage, find(target.provider, target.model, exchange.opened_at))
        exchange = msgspec.structs.replace(exchange, saved_micros=saved)
    return msgspec.structs.replace(one, exchange=exchange, attempts=attempts)


def refused(one: Happening, failure: Failure) -> Happening:
    """Return what becomes of a happening that a budget has no money for: nobody is asked."""
    row = one.exchange
    marks = tuple(mark for mark in row.course if mark[0] in ("admit", "read", "route", "recall"))
    latency_ms = round(marks[-1][1] + 1.1, 3)
    exchange = msgspec.structs.replace(
        row,
        state="failed",
        settled_at=row.opened_at + latency_ms / 1000,
        provider=None,
        answered_model=None,
        attempts=0,
        status=failure.http_status,
        failure=str(failure.kind),
        message=failure.message,
        stop=None,
        losses=(),
        first_event_ms=None,
        latency_ms=latency_ms,
        fallback=False,
        chunks=0,
        counted="",
        course=marks,
        meters=Meters(cost_micros=0),
    )
    return Happening(exchange=exchange)


def asked_for(name: str) -> tuple[str, tuple[Target, ...]]:
    """Return the route a name stands for, or "", and who answers to it, in order."""
    if name in ROUTES:
        return name, tuple(_target(target) for target in ROUTES[name])
    return "", (Target(MODEL_OF[name], name) if name in MODEL_OF else _target(name),)


class _Line:
    """One request on its way."""

    def __init__(self, setting: Setting, desk: Desk, opened_at: float, chance: random.Random) -> None:
        self.desk = desk
        self.chance = chance
        self.opened_at = opened_at
        self.incident = setting.incident_at
        names, weights = zip(*desk.asks, strict=True)
        [self.model] = chance.choices(names, weights)
        self.route, self.targets = asked_for(self.model)
        self.stream = chance.random() < desk.stream
        self.read = max(8, round(desk.read * chance.lognormvariate(0, 0.7)))
        self.wrote = max(1, round(desk.wrote * chance.lognormvariate(0, 0.6)))
        self.id = f"req_{chance.getrandbits(96):024x}"
        self.ms = 0.0
        self.course: list[tuple[str, float]] = []
        self.attempts: list[AttemptRow] = []
        for mark, least, most in (("admit", 0.15, 0.7), ("read", 0.1, 0.5), ("route", 0.02, 0.08)):
            self.pass_(mark, least, most)

    def pass_(self, mark: str, least: float, most: float) -> None:
        """Note a mark, some milliseconds after the one before."""
        self.ms = round(self.ms + self.chance.uniform(least, most), 3)
        self.course.append((mark, self.ms))

    def live(self) -> Happening:
        """Return how it ended."""
        chance = self.chance.random()
        if chance < 0.012:
            return self._refused()
        if self.desk.name == "nightly-batch" and self.chance.random() < 0.035:
            return self._limited()
        if self.desk.recorded:
            self.pass_("recall", 0.1, 0.9)
            if self.chance.random() < self.desk.recorded:
                return self._recorded()
        failure = self._asked()
        return self._failed(failure) if failure is not None else self._answered()

    def _refused(self) -> Happening:
        kind, message = self.chance.choice(REFUSALS)
        self.course = self.course[:1] if kind is Kind.INVALID else self.course[:2]
        self.ms = self.course[-1][1]
        model = "" if kind is Kind.INVALID else f"{self.model}-preview"  # what was not read has no model
        return self._ended(Failure(kind, message, source=Source.CLIENT), route="", model=model)

    def _limited(self) -> Happening:
        self.course = []
        self.ms = 0.3
        return self._ended(Failure(Kind.RATE_LIMITED, LIMITED, source=Source.CLIENT), route="", model="")

    def _recorded(self) -> Happening:
        target = self.targets[0]
        usage = Usage(input=self.read, output=self.wrote)
        first = self.ms
        self.pass_("deliver", 0.3, 2.5)
        happened = self._ended(None, target=target, first_ms=first, wrote=self.wrote)
        row = msgspec.structs.replace(happened.exchange, cached=True, attempts=0)
        return msgspec.structs.replace(happened, exchange=row, spared=(target, usage), rate=None)

    def _asked(self) -> Failure | None:
        """Ask target after target as the line does; return why nobody answered, if so."""
        failure = None
        for place, target in enumerate(self.targets):
            verdict, tries = "again", 0
            while verdict == "again":
                if tries:
                    self.ms += self.chance.random() * 200
                self.pass_("reserve", 0.4, 2.2)
                opened_at = self.opened_at + self.ms / 1000
                failure = self._fault(target)
                if failure is None:
                    self.attempts.append(self._attempt(target, opened_at))
                    return None
                tries += 1
                self.attempts.append(self._attempt(target, opened_at, failure))
                verdict = decide(failure, tries=tries, more=place + 1 < len(self.targets))
            if verdict == "stop":
                break
        return failure

    def _fault(self, target: Target) -> Failure | None:
        """Let a target fail, or not, and note when."""
        place, chance = PLACES[target.provider], self.chance
        incident = self._incident(target.provider)
        first = place.first_ms * chance.lognormvariate(0, place.spread) * (1 + self.read / 40_000)
        if target.model in THINKING:
            first *= 1.9
        if chance.random() >= (0.62 if incident else place.faults):
            self.pass_("first", first * (4 if incident else 1), first * (5 if incident else 1) + 1)
            return None
        weights = [weight * (6 if incident and status == 529 else 1) for _, status, _, weight in FAULTS]
        [(kind, status, message, _)] = chance.choices(FAULTS, weights)
        waited = 30_000.0 if kind is Kind.TIMEOUT else first * 0.4
        self.pass_("fault", waited, waited * 1.05)
        retry_after_s = 8.0 if status == 429 else None
        return Failure(
            kind,
            f"{target.provider}: {message}",
            source=Source.UPSTREAM,
            retry=Retry.NEXT if kind is Kind.TIMEOUT else Retry.AGAIN,
            status=status,
            retry_after_s=retry_after_s,
        )

    def _incident(self, provider: str) -> bool:
        return provider == INCIDENT_PROVIDER and self.incident <= self.opened_at < self.incident + INCIDENT_S

    def _attempt(self, target: Target, opened_at: float, failure: Failure | None = None) -> AttemptRow:
        """Return an attempt's row; it is settled with its exchange."""
        unread = failure is not None and failure.status is None and self.desk.name in BOUND
        return AttemptRow(
            exchange_id=self.id,
            number=len(self.attempts) + 1,
            provider=target.provider,
            model=target.model,
            opened_at=opened_at,
            state="failed" if failure else "settled",
            status=failure.status if failure else 200,
            failure=str(failure.kind) if failure else None,
            message=failure.message if failure else None,
            upstream_id=f"up-{self.chance.getrandbits(64):016x}" if not failure or failure.status else None,
            first_event_ms=None if failure else self.ms,
            meters=Meters(input=self.read, estimated=True) if unread else Meters(),
        )

    def _failed(self, failure: Failure) -> Happening:
        return self._ended(failure, target=_of(self.attempts[-1]))

    def _answered(self) -> Happening:
        """Write the answer, unless its client leaves or its provider breaks off."""
        last = self.attempts[-1]
        target, first_ms = _of(last), self.ms
        place = PLACES[target.provider]
        left = self.stream and self.chance.random() < self.desk.hurry
        broken = not left and self.stream and self.chance.random() < 0.002
        share = self.chance.uniform(0.05, 0.8) if left or broken else 1.0
        wrote = max(1, round(self.wrote * share))
        thought = round(self.wrote * self.chance.uniform(0.4, 1.6)) if target.model in THINKING else 0
        speed = place.tokens_per_s * self.chance.lognormvariate(0, 0.18)
        self.ms = round(self.ms + wrote / speed * 1000, 3)
        if not left and not broken:
            self.pass_("deliver", 0.1, 0.9)
        cached = round(self.read * place.caches) if self.read > 1024 and self.chance.random() < 0.6 else 0
        state: State = "cancelled" if left else "failed" if broken else "settled"
        failure = truncated() if broken else None
        self.attempts[-1] = msgspec.structs.replace(
            last,
            state=state,
            status=None if broken else 200,
            failure=str(failure.kind) if failure else None,
            message=failure.message if failure else None,
            meters=Meters(
                input=self.read - cached,
                cache_read=cached,
                output=wrote,
                reasoning=thought,
                estimated=left or broken,
            ),
        )
        return self._ended(failure, target=target, first_ms=first_ms, wrote=wrote, left=left)

    def _ended(
        self,
        failure: Failure | None,
        *,
        target: Target | None = None,
        first_ms: float | None = None,
        wrote: int = 0,
        left: bool = False,
        route: str | None = None,
        model: str | None = None,
    ) -> Happening:
        """Return the exchange and its attempts, all settled now."""
        if not left:
            self.ms = round(self.ms + self.chance.uniform(0.02, 0.2), 3)
        settled_at = self.opened_at + self.ms / 1000
        state: State = "cancelled" if left else "failed" if failure else "settled"
        refused = failure is not None and not self.attempts
        estimated = left or (failure is not None and wrote > 0)
        exchange = ExchangeRow(
            id=self.id,
            request_id=self.id,
            owner=OWNER,
            key=self.desk.name,
            dialect=self.desk.dialect,
            task="generate",
            model=self.model if model is None else model,
            stream=self.stream and not refused,
            opened_at=self.opened_at,
            state=state,
            settled_at=settled_at,
            provider=target.provider if target else None,
            answered_model=target.model if target else None,
            attempts=len(self.attempts),
            status=failure.http_status if failure else 499 if left else 200,
            failure=str(failure.kind) if failure else None,
            message=failure.message if failure else None,
            stop=self._stop() if wrote and state == "settled" else None,
            losses=self._losses(target),
            first_event_ms=first_ms,
            latency_ms=self.ms,
            fallback=failure is None and target is not None and target != self.targets[0],
            chunks=(wrote if self.stream else 1) if wrote else 0,
            counted=("bpe" if estimated else "provider") if wrote else "",
            team=self.desk.team,
            user=self.desk.user,
            route=self.route if route is None else route,
            course=tuple(self.course),
        )
        return Happening(
            exchange=exchange,
            attempts=tuple(msgspec.structs.replace(row, settled_at=settled_at) for row in self.attempts),
            words=self._words() if state == "settled" else None,
            rate=self._rate() if state == "settled" else None,
        )

    def _stop(self) -> str:
        return self.chance.choices(("end", "length", "tool_use"), (90, 4, 6))[0]

    def _losses(self, target: Target | None) -> tuple[str, ...]:
        known = LOSSES[self.desk.dialect].get(target.provider, ()) if target else ()
        lossy = self.chance.random() < 0.3
        return tuple(word for word in known if self.chance.random() < 0.5) if lossy else ()

    def _words(self) -> tuple[str, str] | None:
        said = self.chance.choice(WORDS)
        return said if self.desk.terms.text else None

    def _rate(self) -> Rate | None:
        """Let some answers be rated, those of a careful client more often."""
        if not self.desk.rating or self.chance.random() >= 0.04:
            return None
        rating = min(5, max(1, round(self.chance.gauss(self.desk.rating, 0.9))))
        wordy = self.chance.random() < 0.4
        return Rate(
            rating, self.chance.choice(FEEDBACK[rating]) if wordy else "", self.chance.uniform(5, 600)
        )


def _priced(row: AttemptRow, find: Find) -> AttemptRow:
    """Return an attempt with what it costs; nothing, where nobody read it; unknown, where nobody can say."""
    counters = {name: getattr(row.meters, name) for name in COUNTERS}
    if not any(counters.values()):
        answered_in_words = row.status is not None
        return msgspec.structs.replace(row, meters=Meters(cost_micros=0 if answered_in_words else None))
    usage = Usage(**counters, estimated=row.meters.estimated)
    spent, price = booked(usage, find(row.provider, row.model, row.opened_at))
    return msgspec.structs.replace(
        row, price=price, meters=msgspec.structs.replace(row.meters, cost_micros=spent)
    )


def _expected(setting: Setting, desk: Desk, at: int) -> float:
    """Return how many requests a key sends on average in the hour at this Unix second."""
    begins = datetime.fromtimestamp(at, UTC)
    rhythm, weekend = RHYTHMS[desk.rhythm], WEEKEND[desk.rhythm]
    day = weekend if begins.weekday() >= 5 else 1.0
    a_day = setting.exchanges * desk.share / sum(one.share for one in DESKS) / DAYS
    return a_day * rhythm[begins.hour] / sum(rhythm) * day * 7 / (5 + 2 * weekend)


def _count(chance: random.Random, mean: float) -> int:
    """Return a number after Poisson's distribution; beyond 50, after the normal one it comes near to."""
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    found, left, least = 0, chance.random(), math.exp(-mean)
    while left > least:
        found += 1
        left *= chance.random()
    return found


def _of(row: AttemptRow) -> Target:
    return Target(row.provider, row.model)


def _target(text: str) -> Target:
    provider, _, model = text.partition("/")
    return Target(provider, model)
