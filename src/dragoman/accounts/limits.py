"""Limits: how many requests and tokens in a minute and a day, and how many requests at once.

The generic cell rate algorithm (ITU-T I.371): each limit has one number, the time at which it will be whole
again. What is taken moves it on by an even share of the period for each unit, and is refused where that
would lead further than the burst into the future. That is the token bucket the vendors run:

- who has been still may use a whole period's worth at once (unless a smaller ``burst`` is set);
- after that one comes back every ``period / limit`` seconds, not all of them on the minute;
- so in *any* stretch of ``w`` seconds at most ``burst + w * limit / period`` are admitted.

One request is counted in three steps, each all or nothing:

    enter     one request of its key, team and user, and a place among those under way
    reserve   the tokens it may come to, of the same three; and all of that of the target that is asked
    settle    the tokens it did come to take the place of the estimate, and the places are free again

Where the estimate was too low, what is missing is taken as a debt: the limit holds over time, though not for
the moment. Where nobody can count, the request goes on, and that is complained of: limits keep the peace, the
hard line is a budget. Who counts, this process, this machine or Redis, is ``store/counters.py``.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, NoReturn

import msgspec

from dragoman.accounts.keys import Account
from dragoman.accounts.standing import Level, Rule, Standing, Taken, duration, headers, tightest, told
from dragoman.accounts.terms import Count, LimitRules, LimitTerms
from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.store.counters import RENEW_S, Counters, Slot, Stand, Want
from dragoman.store.memory import COMPLAIN_S, LocalCounters

__all__ = ["LimitSpec", "Limits", "Standing", "Stay", "Taken", "duration", "headers"]

PERIODS = (("minute", 60_000_000_000), ("day", 86_400_000_000_000))

WHOLE_NS = 1_000
"""A share from here on is rounded up to whole nanoseconds, so that many small takes are as good as one."""

DEBT_NS = 86_400_000_000_000
"""How far one request can at most set a limit back beyond what it asked for."""

BUSY_S = 1.0
"""When to come back to a limit of requests at once: nobody knows when one of them ends."""

CODE = "rate_limit_exceeded"


class LimitSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much a key may ask for, where it has no limit of its own.

    Attributes:
        requests_per_minute: Requests a key may make in a minute; 0: any number.
        burst: Requests a key that has been still may make at once; 0: those of a whole minute.
        requests_per_day: Requests a key may make in a day; 0: any number.
        tokens_per_minute: Tokens a key may have read and written in a minute; 0: any number.
        tokens_per_day: Tokens a key may have read and written in a day; 0: any number.
        parallel: Requests a key may have under way at once; 0: any number.
    """

    requests_per_minute: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    burst: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    requests_per_day: Count = 0
    tokens_per_minute: Count = 0
    tokens_per_day: Count = 0
    parallel: Count = 0


class Stay:
    """What one request has taken of its limits. Written by :class:`Limits` only.

    Attributes:
        id: The request's: it holds the places.
        rules: The limits of its key, team and user.
        levels: How these stood when they were last seen, by name.
        requests: Requests taken of them: 1 or 0.
        tokens: Tokens taken of them.
        aim: The limits of the target that is asked.
        aimed: Tokens taken of those.
        hits: Requests taken of those: 1 or 0.
        inside: It may have a place.
        sent: A target was let through: the request has been worth something.
        over: Settled or refunded.
    """

    __slots__ = (
        "aim",
        "aimed",
        "hits",
        "id",
        "inside",
        "levels",
        "over",
        "requests",
        "rules",
        "sent",
        "tokens",
    )

    def __init__(self, id_: str, rules: tuple[Rule, ...]) -> None:
        self.id = id_
        self.rules = rules
        self.levels: dict[str, Level] = {}
        self.requests = 0
        self.tokens = 0
        self.aim: tuple[Rule, ...] = ()
        self.aimed = 0
        self.hits = 0
        self.inside = False
        self.sent = False
        self.over = False


class Limits:
    """Counts what keys, teams and users ask for, and what is asked of models and providers.

    Args:
        spec: What holds for keys without limits of their own.
        tick: Monotonic clock, seconds.
        counters: Who counts; without one, this process for itself.
        rules: The limits of models and providers.
        complain: Told, once a minute, that nobody could count.
    """

    def __init__(
        self,
        spec: LimitSpec,
        *,
        tick: Callable[[], float],
        counters: Counters | None = None,
        rules: LimitRules | None = None,
        complain: Callable[[str, BaseException], None] = lambda _what, _why: None,
    ) -> None:
        self.spec = spec
        """May be replaced at any time: what was used stays used."""
        self.rules = rules or LimitRules()
        """May be replaced at any time, as `spec`."""
        self._tick = tick
        self._counters: Counters = counters or LocalCounters(tick)
        self._complain = complain
        self._quiet_until = float("-inf")
        self._inside: set[str] = set()

    def stay(self, account: Account, id_: str) -> Stay:
        """Return the stay of a request that has taken nothing yet."""
        return Stay(id_, tuple(self._own(account)))

    async def enter(self, stay: Stay) -> None:
        """Count one request of its key, team and user, and give it a place; look at the tokens.

        Raises:
            Failure: RATE_LIMITED with ``retry_after_s``; nothing is counted.
        """
        wants = [(rule, rule.want(int(rule.what == "requests"))) for rule in _counted(stay.rules)]
        slots = [rule for rule in stay.rules if rule.what == "parallel"]
        short = await self._take(stay, wants, slots)
        if short:
            stay.inside = False
            self._inside.discard(stay.id)
            _refuse(short, Source.CLIENT, Retry.NEVER)
        stay.requests = int(short is not None)

    def weighs(self, stay: Stay, *, provider: str, model: str, asked: str) -> bool:
        """Say whether any limit counts the tokens of a request to a target, so that they have to be known."""
        return any(rule.what == "tokens" for rule in (*stay.rules, *self._aim(provider, model, asked)))

    async def reserve(self, stay: Stay, tokens: int, *, provider: str, model: str, asked: str) -> None:
        """Take the tokens a request may come to, and all it takes of the target that is asked next.

        What an earlier target was given is given back, but for the request it was sent. A request that
        was sent to nobody and is refused here for its key's sake does not count.

        Args:
            stay: The request's.
            tokens: Read and written, as far as anybody can tell; never taken for less than one.
            provider: The target's.
            model: The target's, as its provider calls it.
            asked: The public name that was asked for.

        Raises:
            Failure: RATE_LIMITED, TOO_LARGE where it is more than fits a whole period: of the client's own
                limits, NEVER to be tried again; of the target's, the NEXT may do. Nothing is taken.
        """
        tokens = max(tokens, 1)
        own = [rule for rule in stay.rules if rule.what == "tokens"]
        aim = tuple(self._aim(provider, model, asked))
        await self._turn_away(stay)
        _refuse_too_large(own, tokens, Source.CLIENT, Retry.NEVER)
        _refuse_too_large(aim, tokens, Source.GATEWAY, Retry.NEXT)
        wants = [(rule, rule.want(max(tokens - stay.tokens, 0))) for rule in own]
        wants += [(rule, rule.want(tokens if rule.what == "tokens" else 1)) for rule in _counted(aim)]
        stay.aim = aim
        short = await self._take(stay, wants, [rule for rule in aim if rule.what == "parallel"])
        if short:
            stay.aim = ()
            mine = [(rule, wait) for rule, wait in short if rule in own]
            if not mine:
                _refuse(short, Source.GATEWAY, Retry.NEXT)
            if not stay.sent:
                await self._adjust(stay, _times(stay.rules, requests=-stay.requests))
                stay.requests = 0
            _refuse(mine, Source.CLIENT, Retry.NEVER)
        stay.sent = True
        if short is not None:
            await self._adjust(stay, _times(own, tokens=min(tokens - stay.tokens, 0)))
            stay.tokens, stay.aimed, stay.hits = tokens, tokens, 1

    async def leave(self, stay: Stay) -> None:
        """Give a request's places to others; what it has used is settled later."""
        await self._leave(stay, (*stay.rules, *stay.aim))
        stay.inside = False

    async def settle(self, stay: Stay, tokens: int | None) -> None:
        """Let the tokens a request came to take the place of the estimate, and leave; once.

        Args:
            stay: The request's.
            tokens: Read and written, all its attempts together; None: nobody knows, the estimate stays.
        """
        if stay.over:
            return
        stay.over = True
        wants: list[Want] = []
        if tokens is not None:
            wants += _times(stay.rules, tokens=tokens - stay.tokens)
            wants += _times(stay.aim, tokens=tokens - stay.aimed)
        try:
            await self._adjust(stay, wants)
        finally:  # also where the caller is cancelled meanwhile: nobody else would
            await self._leave(stay, (*stay.rules, *stay.aim))

    async def refund(self, stay: Stay) -> None:
        """Give everything back: the request was refused for another reason, and counts for nothing."""
        if stay.over:
            return
        stay.over = True
        back = _times(stay.rules, requests=-stay.requests, tokens=-stay.tokens)
        back += _times(stay.aim, requests=-stay.hits, tokens=-stay.aimed)
        try:
            await self._adjust(stay, back)
        finally:  # also where the caller is cancelled meanwhile: nobody else would
            await self._leave(stay, (*stay.rules, *stay.aim))

    async def keep(self, pause: Callable[[float], Awaitable[None]]) -> None:
        """Keep the places of requests that still run, for ever."""
        while True:
            await pause(RENEW_S)
            if self._inside:
                await self._try(self._counters.renew(list(self._inside)))

    def standing(self, stay: Stay) -> Standing:
        """Return how a request's key, team and user stand, by what was last seen."""
        now = round(self._tick() * 1e9)
        found: dict[str, list[Taken]] = {"requests": [], "tokens": []}
        for level in stay.levels.values():
            found[level.rule.what].append(level.taken(now))
        return Standing(tightest(found["requests"]), tightest(found["tokens"]))

    async def look(self, account: Account) -> list[tuple[Rule, Taken | None]]:
        """Return how each limit of a key, its team and its user stands, and count nothing.

        None: nobody can say; so it is of requests at once, for which a place is taken or not.
        """
        rules = list(self._own(account))
        counted = _counted(rules)
        stands: list[Stand] = await self._try(self._counters.take([rule.want(0) for rule in counted])) or []
        now = round(self._tick() * 1e9)
        seen = {
            rule.name: Level(rule, stand.used_ns, now) for rule, stand in zip(counted, stands, strict=False)
        }
        return [(rule, seen[rule.name].taken(now) if rule.name in seen else None) for rule in rules]

    def _own(self, account: Account) -> Iterable[Rule]:
        """Yield the limits of a key, its team and its user; the admin has none but its own."""
        terms, everybody = account.limits, LimitSpec() if account.role == "admin" else self.spec
        merged = LimitTerms(
            *(
                getattr(everybody, name) if (own := getattr(terms, name)) is None else own
                for name in LimitTerms.__struct_fields__
            )
        )
        yield from _rules("key", account.name, "this key", merged, burst=self.spec.burst)
        if account.team:
            yield from _rules("team", account.team, "this key's team", account.team_limits)
        if account.user:
            yield from _rules("user", account.user, "this key's user", account.user_limits)

    def _aim(self, provider: str, model: str, asked: str) -> Iterable[Rule]:
        """Yield the limits of a target: of its provider, of itself, and of the name that was asked for."""
        rules = self.rules
        if (terms := rules.providers.get(provider)) is not None:
            yield from _rules("provider", provider, f"the provider {provider}", terms)
        for name in dict.fromkeys((f"{provider}/{model}", asked)):
            if (terms := rules.models.get(name)) is not None:
                yield from _rules("model", name, f"the model {name}", terms)

    async def _take(
        self, stay: Stay, wants: Sequence[tuple[Rule, Want]], places: Sequence[Rule]
    ) -> list[tuple[Rule, int]] | None:
        """Take all of it or nothing; return what there was not enough of, and for how many nanoseconds.

        None: nobody could count.
        """
        if not wants and not places:
            return []
        if places:
            # Noted first: should the client leave while the answer is on its way, the place is given back.
            stay.inside = True
            self._inside.add(stay.id)
        stands: list[Stand] | None = await self._try(
            self._counters.take([want for _, want in wants], [rule.slot() for rule in places], holder=stay.id)
        )
        if stands is None:
            return None
        now = round(self._tick() * 1e9)
        for (rule, _), stand in zip(wants, stands, strict=False):
            if rule in stay.rules:
                stay.levels[rule.name] = Level(rule, stand.used_ns, now)
        asked = [*(rule for rule, _ in wants), *places]
        return [(rule, stand.wait_ns) for rule, stand in zip(asked, stands, strict=True) if stand.wait_ns]

    async def _turn_away(self, stay: Stay) -> None:
        """Give back what the target that was asked before had been given, but the request it was sent."""
        if stay.aim:
            await self._adjust(stay, _times(stay.aim, tokens=-stay.aimed))
            slots = [rule.slot() for rule in stay.aim if rule.what == "parallel"]
            if slots:
                await self._try(self._counters.leave(slots, holder=stay.id))
        stay.aim, stay.aimed, stay.hits = (), 0, 0

    async def _adjust(self, stay: Stay, wants: Sequence[Want]) -> None:
        """Give units back, or take more of them, and note how its limits stand then."""
        if not wants:
            return
        await self._try(self._counters.adjust(wants))
        for want in wants:
            if (level := stay.levels.get(want.name)) is not None:
                used_ns = max(level.used_ns + want.cost_ns, 0)
                stay.levels[want.name] = Level(level.rule, used_ns, level.seen_ns)

    async def _leave(self, stay: Stay, rules: Iterable[Rule]) -> None:
        self._inside.discard(stay.id)
        slots: list[Slot] = [rule.slot() for rule in rules if rule.what == "parallel"]
        if slots and stay.inside:
            await self._try(self._counters.leave(slots, holder=stay.id))

    async def _try(self, counted: Awaitable[Any]) -> Any:
        """Return what counting said; None where nobody can count."""
        try:
            return await counted
        except Failure as failure:
            if self._tick() >= self._quiet_until:
                self._quiet_until = self._tick() + COMPLAIN_S
                self._complain("limits are not counted; requests go on", failure)
            return None


def _rules(kind: str, name: str, whose: str, terms: LimitTerms, *, burst: int = 0) -> Iterable[Rule]:
    """Yield the limits that terms set; `burst` is of the requests in a minute."""
    for what in ("requests", "tokens"):
        for period, period_ns in PERIODS:
            limit: int = getattr(terms, f"{what}_per_{period}") or 0
            if limit:
                share = -(-period_ns // limit)
                share_ns = share if share >= WHOLE_NS else period_ns / limit
                most = burst if burst and (what, period) == ("requests", "minute") else limit
                counter = f"{kind}:{name}:{what}/{period}"
                yield Rule(counter, whose, what, limit, most, period, share_ns, math.ceil(share_ns * most))
    if terms.parallel:
        yield Rule(f"{kind}:{name}:parallel", whose, "parallel", terms.parallel)


def _counted(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.what != "parallel"]


def _times(rules: Iterable[Rule], *, requests: int = 0, tokens: int = 0) -> list[Want]:
    """Return so many requests and tokens of each limit, without those that come to nothing."""
    wants = []
    for rule in _counted(rules):
        units = requests if rule.what == "requests" else tokens
        units = min(units, int(DEBT_NS // rule.share_ns))
        if units:
            wants.append(rule.want(units))
    return wants


def _refuse(short: Sequence[tuple[Rule, int]], source: Source, retry: Retry) -> NoReturn:
    """Refuse what there was not enough of; of several limits, by the one that takes longest."""
    rule, wait_ns = max(short, key=lambda one: one[1] if one[0].what != "parallel" else 1)
    if rule.what == "parallel":
        wait_s, when = BUSY_S, "ask again when one of them has ended"
    else:
        wait_s = told(wait_ns)
        when = f"ask again in {wait_s:g} s"
    raise Failure(
        Kind.RATE_LIMITED, f"{rule}; {when}", source=source, retry=retry, code=CODE, retry_after_s=wait_s
    )


def _refuse_too_large(rules: Iterable[Rule], tokens: int, source: Source, retry: Retry) -> None:
    """Refuse what no waiting would help.

    It is a 413 with the code of a limit, as Groq's is (https://github.com/continuedev/continue/issues/10218,
    read 2026-11-21): a 429 would be sent again by every SDK.
    """
    for rule in rules:
        if rule.what == "tokens" and tokens > rule.burst:
            raise Failure(
                Kind.TOO_LARGE,
                f"{rule}, and this request may need {tokens}: it would wait for ever; "
                "shorten it, or let it answer with fewer tokens",
                source=source,
                retry=retry,
                code=CODE,
            )
