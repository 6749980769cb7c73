"""What was asked, what it cost and what it was worth: figures of one's own exchanges, and ratings of them.

    POST /rate                  rate an answer
    GET  /stats                 every model that answered: how often, how fast, how good
    GET  /v1/usage/stats        requests, tokens and cost of a time, and by what they are grouped by
    GET  /v1/usage/series       the same, hour by hour or day by day
    GET  /v1/exchanges/{id}     the ledger's row of one exchange

What may be asked, and of whom, is :mod:`dragoman.accounts.reports`'s business, and what is told of it
:mod:`dragoman.accounts.figures`'s; here are the names that are older.
What is unknown is null, never 0; money is US dollars.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman.accounts.explored import Explored, explored
from dragoman.accounts.figures import (
    csv_of,
    figures,
    groups,
    iso,
    kinds,
    other,
    points,
    previous,
    span,
    tenth,
)
from dragoman.accounts.keys import Account, credential
from dragoman.accounts.logged import course
from dragoman.accounts.ratings import Finder, Ledgered, Opinion
from dragoman.accounts.reports import TOTALS, check_names, read, sight, whose
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, invalid
from dragoman.dialects import Call
from dragoman.dialects.fields import Fields, parse
from dragoman.dialects.surfaces.asked import refuse_misspelt
from dragoman.dialects.surfaces.told import dollars
from dragoman.gateway import Gateway
from dragoman.server.answers import in_json, refused
from dragoman.server.client import UNREAD, Edge, headers_of, taken_in
from dragoman.server.tables import in_csv, split
from dragoman.sinks import Rated
from dragoman.store.reports import Cell, Part, Spread, Sums

RATING = ("prompt_id", "model", "rating", "feedback")
OLDER = ("prompt_id", "model", "score", "feedback")
"""A rating's fields: in a body, and in the older form, which has them in the query."""


PRIVATE = {"cache-control": "no-store"}
"""No proxy keeps what is one key's own."""


class Asking(NamedTuple):
    """One request of somebody who may ask."""

    account: Account
    call: Call
    request: Request


Page = Callable[[Asking], Awaitable[Json | Response]]


def routes(gateway: Gateway, edge: Edge, *, tell: Callable[[Rated], None] = lambda _: None) -> list[Route]:
    """Return the pages.

    Args:
        gateway: Whose ledger they tell of.
        edge: Reads bodies.
        tell: Told of every rating, once it is kept.
    """

    def finder() -> Finder:
        services = gateway.services
        return Finder(gateway.store, services.under_way, services.pause)

    async def rate(asking: Asking) -> Json:
        opinion = _opinion(asking.call, await edge.body(asking.call, asking.request.receive) or b"")
        kept = await finder().rate(asking.account, opinion, now=gateway.services.now())
        tell(Rated(**msgspec.structs.asdict(kept)))
        return {
            "status": "ok",
            "prompt_id": kept.exchange_id,
            "model": opinion.model or kept.model,
            "rating": kept.rating,
            "feedback": kept.feedback or None,
        }

    async def stats(asking: Asking) -> Json:
        query = asking.call.query
        check_names(query, ("key",))
        key = whose(asking.account, query.get("key"))
        found = await gateway.store.reports.cells(Part(key=key), by="model")
        return _statistics(found, await gateway.store.ratings.averages(key))

    async def used(asking: Asking) -> Json | Response:
        return await told(asking, _usage, default="all", known=TOTALS)

    async def drawn(asking: Asking) -> Json | Response:
        return await told(asking, _series, default="month", interval=True)

    async def told(asking: Asking, write: Callable[[Explored], Json], **terms: Any) -> Json | Response:
        now, own = gateway.services.now(), sight(asking.account)
        query, table = split(asking.call.query, asking.call.headers)
        found = await explored(gateway.store.reports, read(query, own=own, now=now, **terms), fine=table)
        # A thousand points of many figures take a while to write, which no request waits for.
        if table:
            return in_csv(await to_thread(csv_of, found), "usage", PRIVATE)
        return await to_thread(write, found)

    async def exchange(asking: Asking) -> Json:
        check_names(asking.call.query, ())
        return _exchange(await finder().show(asking.account, asking.request.path_params["id"]))

    return [
        Route("/rate", _served(gateway, rate), methods=["POST"]),
        Route("/stats", _served(gateway, stats), methods=["GET"]),
        Route("/v1/usage/stats", _served(gateway, used), methods=["GET"]),
        Route("/v1/usage/series", _served(gateway, drawn), methods=["GET"]),
        Route("/v1/exchanges/{id}", _served(gateway, exchange), methods=["GET"]),
    ]


def _served(gateway: Gateway, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def served(request: Request) -> Response:
        try:
            sent = _call(request)
            account = await _let_in(gateway, sent, request)
            # A key in the query that let its client in is no parameter of a report.
            entered = "key" in sent.query
            query = {name: value for name, value in _query(request).items() if name != "key" or not entered}
            # Edge.body asks for admission once more, so the call it sees still holds what lets in.
            call = sent if request.method == "POST" else msgspec.structs.replace(sent, query=query)
            told = await page(Asking(account, call, request))
            return told if isinstance(told, Response) else in_json(told, headers=PRIVATE)
        except Failure as failure:
            close = {"connection": "close"} if failure.kind in UNREAD else {}
            return refused(failure, {**PRIVATE, **close})

    return served


async def _let_in(gateway: Gateway, sent: Call, request: Request) -> Account:
    """Return who asks; a stranger's body is taken in first, if it is small."""
    try:
        return await gateway.services.admit(sent)
    except Failure:
        await taken_in(sent.headers, request.receive)
        raise


def _query(request: Request) -> dict[str, str]:
    params = request.query_params
    return {name: ",".join(params.getlist(name)) for name in params}


def _call(request: Request) -> Call:
    """Return a request as it asks to be let in.

    ``?key=`` is the client's credential where it sends no other, else the name of the key it asks about.
    And a POST without a body need not declare what the body is.
    """
    headers, query = headers_of(request.scope), _query(request)
    if "key" in query and credential(headers, {}) is not None:
        del query["key"]
    if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
        headers.setdefault("content-type", "application/json")
    return Call(request.method, request.scope["path"], query, headers)


def _opinion(call: Call, body: bytes) -> Opinion:
    """Read a rating, from the body or, if there is none, from the query."""
    if body.strip():
        fields = Fields(parse(body), strict=True)
        refuse_misspelt(fields, RATING)
        id_, model = fields.need_text("prompt_id"), fields.text("model")
        feedback = fields.text("feedback")
        if "rating" not in fields.rest:
            raise invalid("rating is required", "$.rating")
        return Opinion(id_, fields.rest["rating"], model, feedback)
    query = call.query
    if not any(name in query for name in OLDER):
        raise invalid('the request has no body; send {"prompt_id": ..., "model": ..., "rating": 1 to 5}', "$")
    check_names(query, (*OLDER, "rating", "key"))
    if "prompt_id" not in query:
        raise invalid("prompt_id is required", "prompt_id")
    name = "rating" if "rating" in query else "score"
    if name not in query:
        raise invalid("score is required", "score")
    text = query[name].strip()
    rating = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else text
    at = (name, "prompt_id", "model", "feedback")
    return Opinion(query["prompt_id"], rating, query.get("model"), query.get("feedback"), at)


def _statistics(found: Sequence[Cell], ratings: dict[str, float]) -> Json:
    """Write the sums by model; a request that failed was answered by none."""
    total = sum((cell.sums for cell in found), Sums())
    models = {cell.name: cell.sums for cell in found if cell.name}
    answered = {name: sums.requests - sums.failed for name, sums in models.items()}
    latencies = {name: sums.latency_ms for name, sums in models.items()}
    return {
        "model_usage": {name: count for name, count in _most(answered) if count},
        "avg_latency": {name: round(ms / 1000, 4) for name, ms in latencies.items() if ms is not None},
        "avg_rating": {name: round(mean, 3) for name, mean in ratings.items()},
        "total_fallbacks": total.fallback,
        "fallback_count": total.fallback,
        "total_prompts": total.requests,
        "cache_hits": total.cached,
        "tokens": total.tokens,
        "cost_usd": dollars(total.cost),
    }


def _most(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return counts by name, the highest first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _usage(found: Explored) -> Json:
    before = found.previous
    return {
        **_sums(found.total.sums, found.total.spread),
        **span(found),
        "errors_by_kind": kinds(found.errors),
        "groups": _groups(found),
        "other": other(found),
        "previous": None if before is None else previous(found),
    }


def _groups(found: Explored) -> list[Json]:
    """Write the groups; times in their order, without those in which nothing was asked."""
    asked = found.asked
    if asked.by is not None:
        told = zip(groups(found), found.groups, strict=True)
        return [{**_older(group.sums), **cast("dict[str, Json]", one)} for one, group in told]
    if asked.grouped is None:
        return []
    return [
        {asked.grouped: _time(asked.grouped, point.at), **_sums(point.sums, point.spread)}
        for point in found.total.points
        if point.sums.requests
    ]


def _sums(sums: Sums, spread: Spread | None) -> dict[str, Json]:
    return {**_older(sums), **figures(sums, spread)}


def _older(sums: Sums) -> dict[str, Json]:
    """Write what has another name here than elsewhere."""
    return {
        "total_requests": sums.requests,
        "total_tokens": sums.tokens,
        "estimated_cost_usd": dollars(sums.cost),
        "unknown_cost_requests": sums.unknown_cost,
        "cached_requests": sums.cached,
        "failed_requests": sums.failed,
    }


def _time(by: str, at: int) -> Json:
    """Write the beginning of a stretch: an hour's as an instant, any other's as a date."""
    return iso(at) if by == "hour" else iso(at)[:10]


def _series(found: Explored) -> Json:
    since = found.until if found.since is None else found.since
    told: dict[str, Json] = {
        "interval": found.asked.interval,
        "from": iso(since),
        "to": iso(found.until),
        "series": points(found.total.points),
    }
    if found.asked.by is not None:
        told |= {"groups": groups(found), "other": other(found)}
    return {**told, "previous": previous(found)} if found.previous is not None else told


def _exchange(found: Ledgered) -> Json:
    row, rating = found.row, found.rating
    return {
        **{name: getattr(row, name) for name in ("id", "request_id", "key", "dialect", "task", "model")},
        **{name: getattr(row, name) for name in ("answered_model", "provider", "state", "status", "stream")},
        **{name: getattr(row, name) for name in ("cached", "fallback", "chunks", "counted", "stop")},
        "losses": list(row.losses),
        **course(row),
        "latency_ms": tenth(row.latency_ms),
        "rating": None if rating is None else {"rating": rating.rating, "feedback": rating.feedback or None},
        "attempts": [
            {
                **{name: getattr(one, name) for name in ("number", "provider", "model", "state", "status")},
                **course(one),
                "tier": one.tier or None,
            }
            for one in found.attempts
        ],
    }
