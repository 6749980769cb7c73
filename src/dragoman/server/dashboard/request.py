"""``/admin/requests/{id}``: one request wholly, as a page of its own and as the drawer beside the list.

What happened, where its time went, who was asked, what it cost line by line, what was lost, what was said if
that was logged, and a command that asks again. While it is under way it looks again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from dragoman.accounts.costing import BOOKED, FEE, CostLine
from dragoman.accounts.course import Span
from dragoman.accounts.logged import counted
from dragoman.accounts.reports import check_names, one_of
from dragoman.accounts.requests import Told
from dragoman.core.failure import Failure
from dragoman.server.admin.access import Asking
from dragoman.server.admin.requests import drawer, progress
from dragoman.server.dashboard import words
from dragoman.server.dashboard.visit import Page, View, Visit
from dragoman.store.ledger import AttemptRow, ExchangeRow

PATH = "/admin/requests/{id}"

METERS: Mapping[str, str] = MappingProxyType(
    {
        "input": "Read",
        "cache_read": "Read from the cache",
        "cache_write": "Written to the cache",
        "cache_write_long": "Written to the cache, for long",
        "audio_input": "Heard",
        "output": "Written",
        "reasoning": "Thought",
        "audio_output": "Spoken",
        FEE: "The request itself",
        BOOKED: "Booked as a whole",
    }
)
"""What the lines of a cost are called."""

COUNTED: Mapping[str, str] = MappingProxyType(
    {
        "provider": "counted by the provider",
        "bpe": "counted here, by the model's own tokenizer",
        "heuristic": "estimated here, by their length",
    }
)
"""Who counted the tokens, in words."""

STOPS: Mapping[str, str] = MappingProxyType(
    {
        "end": "came to its end",
        "stop_sequence": "stopped at a word that was to end it",
        "length": "was cut at the length it might have",
        "context": "was cut at the end of the model's context",
        "tool_use": "ended with a call of tools",
        "refusal": "the model refused",
        "filter": "a filter withheld it",
        "pause": "the model paused",
        "bad_tool_call": "ended with a call of tools that is none",
        "error": "ended in a fault",
    }
)
"""Why answers end, in words."""


class Bill(NamedTuple):
    """What one attempt cost: its lines, and what was booked; None: nobody knows."""

    attempt: AttemptRow
    lines: list[CostLine]

    @property
    def booked(self) -> int | None:
        """Micro-dollars."""
        return self.attempt.meters.cost_micros


async def _show(visit: Visit) -> View:
    try:
        return await _one(visit)
    except Failure as failure:
        if not visit.partial:
            raise
        told = {"failure": failure, "code": failure.http_status, "again": ""}
        return View("request_trouble.html", told, failure.http_status)


async def _one(visit: Visit) -> View:
    check_names(visit.query, ("part",))
    part = one_of("part", visit.query.get("part", "drawer"), ("drawer", "body"))
    asking = Asking(visit.gateway, visit.account, visit.request)
    told = await drawer(asking, visit.named("id"))
    so_far = progress(visit.gateway, told.row.id) if told.row.state == "reserved" else None
    facts = {**facts_of(told, now=visit.now), "progress": so_far}
    if not visit.partial:
        return View("request.html", facts)
    return View("request_body.html" if part == "body" else "request_drawer.html", facts)


def facts_of(told: Told, *, now: float) -> dict[str, Any]:
    """Return what a request's templates are filled in with."""
    row = told.row
    age_ms = max(0.0, (now - row.opened_at) * 1000)
    usage = counted(row.meters)
    known = row.state != "reserved" and (usage.total > 0 or row.meters.cost_micros is not None)
    return {
        "told": told,
        "row": row,
        "until_ms": max([age_ms, *(span.start_ms for span in told.spans)]),
        "age_ms": age_ms,
        "target": target_of(row, told.attempts),
        "usage": usage if known else None,
        "ends": ends(row),
        "tale": tale(row, told.attempts),
        "bills": bills(told),
        "meters": METERS,
        "counted": COUNTED.get(row.counted, ""),
        "tokens_of": counted,
        "first_of": partial(first_of, row, told.spans),
        "exact": exact,
        "rate": rate,
        "passed": passed,
    }


def first_of(row: ExchangeRow, spans: Sequence[Span], attempt: AttemptRow) -> float | None:
    """Return the milliseconds an attempt took to its first content; None: there was none.

    The ledger counts them from the request's beginning, as its client does.
    """
    if attempt.first_event_ms is None:
        return None
    own = (one.start_ms for one in spans if one.name == "attempt" and one.attempt == attempt.number)
    began = next(own, (attempt.opened_at - row.opened_at) * 1000)
    return max(0.0, attempt.first_event_ms - began)


def target_of(row: ExchangeRow, attempts: Sequence[AttemptRow]) -> str:
    """Return who answered, or was asked last, as ``provider/model``; "": nobody was."""
    provider, model = row.provider or "", row.answered_model or ""
    if attempts and not (provider and model):
        provider, model = attempts[-1].provider, attempts[-1].model
    return "/".join(part for part in (provider, model) if part)


def tale(row: ExchangeRow, attempts: Sequence[AttemptRow]) -> list[str]:
    """Return how a request came to its answer, where that is not the plain way."""
    said = []
    if row.cached:
        worth = words.UNKNOWN if row.saved_micros is None else words.money(row.saved_micros)
        said.append(f"Told again from a recording: nobody was asked, and {worth} was saved.")
    if row.fallback:
        said.append("Another model answered than the one that was asked for.")
    failed = sum(attempt.state in ("failed", "interrupted") for attempt in attempts)
    if failed and row.state == "settled":
        times = "One attempt" if failed == 1 else f"{failed} attempts"
        said.append(f"{times} failed before the answer began; the client saw nothing of that.")
    if row.state == "cancelled":
        said.append("The client left before the answer had ended; what had been made by then was booked.")
    if row.state == "interrupted":
        said.append("The process that served it ended before it had.")
    return said


def ends(row: ExchangeRow) -> str:
    """Return why an answer ended and in how many pieces it came, as far as that is known."""
    said = [STOPS.get(row.stop, f"stopped: {row.stop}")] if row.stop else []
    if row.chunks:
        said.append("in one piece" if row.chunks == 1 else f"in {words.count(row.chunks)} pieces")
    return ", ".join(said)


def bills(told: Told) -> list[Bill]:
    """Return what each attempt cost, line by line."""
    lines: dict[int, list[CostLine]] = {}
    for line in told.lines:
        lines.setdefault(line.attempt, []).append(line)
    return [Bill(one, lines[one.number]) for one in told.attempts if one.number in lines]


def exact(micros: Decimal | None) -> str:
    """Return micro-dollars with every digit there is: ``$0.00000465``."""
    if not micros:
        return words.UNKNOWN if micros is None else "$0"
    whole, _, rest = f"{micros / 1_000_000:,f}".partition(".")
    return f"${whole}.{rest.rstrip('0').ljust(2, '0')}"


def rate(line: CostLine) -> str:
    """Return what a line was charged by: ``$0.15 / 1M``; a dash: by nothing that is known."""
    if line.rate is None:
        return words.NONE
    dollars = exact(line.rate * 1_000_000)
    return f"{dollars} / 1M" if line.tokens is not None else f"{dollars} each"


def passed(ms: float | None) -> str:
    """Return milliseconds to a tenth, as a table of spans has them."""
    return words.NONE if ms is None else f"{ms:,.1f} ms"


PAGES = (Page(PATH, _show),)
