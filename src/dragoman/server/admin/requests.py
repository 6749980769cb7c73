"""``/admin/requests`` and ``/admin/live``: every request, one of them wholly, and those under way.

    GET /admin/requests         rows by filters, page by page; as CSV all that is meant, up to a limit
    GET /admin/requests/{id}    one: attempts, where its time went, what it cost, its words if logged
    GET /admin/live             those under way, in every process
    GET /v1/requests            the first, of the calling key's own

The dashboard shows the same: :func:`drawer`, :func:`streams` and :func:`streaming` are its figures too.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dragoman.accounts import logged
from dragoman.accounts.ratings import Finder, Ledgered
from dragoman.accounts.reports import check_names, sight
from dragoman.accounts.requests import (
    MOST_LIVE,
    UNLOGGED,
    Asked,
    Going,
    Progress,
    Running,
    Told,
    Words,
    listed,
    read_filters,
    still_under_way,
    tell,
    under_way,
)
from dragoman.core.extras import Json
from dragoman.core.usage import Price
from dragoman.exchange.booking import cost_so_far, used_so_far
from dragoman.gateway import Gateway
from dragoman.server.admin.access import PRIVATE, Asking, member, served, viewer
from dragoman.server.tables import TYPE, split
from dragoman.sinks.spoken import spoken
from dragoman.store.ledger import ExchangeRow
from dragoman.store.requests import MOST_ROWS, Page

MOST_LINES = 100_000
"""Rows one table may have."""

MOST_PAGES = 2000
"""Pages that are looked through for one table: many may be short."""


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages."""
    return [
        Route("/admin/requests", served(gateway, _all, may=viewer), methods=["GET"]),
        Route("/admin/requests/{id}", served(gateway, _one, may=viewer), methods=["GET"]),
        Route("/admin/live", served(gateway, _live, may=viewer), methods=["GET"]),
        Route("/v1/requests", served(gateway, _own, may=member), methods=["GET"]),
    ]


async def _all(asking: Asking) -> Json | Response:
    return await _list(asking, None)


async def _own(asking: Asking) -> Json | Response:
    return await _list(asking, sight(asking.account))


async def _list(asking: Asking, own: str | None) -> Json | Response:
    query, table = split(asking.query, asking.request.headers)
    asked = read_filters(query, own=own, now=asking.now)
    if not table:
        return logged.page(await listed(asking.gateway.store, asked))
    return await in_table(asking.gateway, asked)


async def _one(asking: Asking) -> Json:
    check_names(asking.query, ())
    return logged.told(await drawer(asking, asking.request.path_params["id"]))


async def _live(asking: Asking) -> Json:
    check_names(asking.query, ())
    found = await streams(asking, limit=MOST_LIVE)
    return {
        "now": asking.now,
        "total": found.total,
        "live": [logged.running(one) for one in found.oldest],
    }


async def in_table(gateway: Gateway, asked: Asked) -> Response:
    """Return all that a list is of as a file of CSV, up to :data:`MOST_LINES`; raise as :func:`listed`."""
    asked = msgspec.structs.replace(asked, limit=MOST_ROWS)
    first = await listed(gateway.store, asked, count=False)
    saved = {**PRIVATE, "content-disposition": 'attachment; filename="requests.csv"'}
    return StreamingResponse(_lines(gateway, asked, first), 200, saved, media_type=f"{TYPE}; charset=utf-8")


async def drawer(asking: Asking, id_: str) -> Told:
    """Return all there is to know of one request, by its id or its client's word for it; for a viewer.

    Raises:
        Failure: NOT_FOUND; or the store's.
    """
    gateway, services = asking.gateway, asking.gateway.services
    finder = Finder(gateway.store, services.under_way, services.pause)
    # Who was let in without a key, because there is none, may look at everything.
    account = msgspec.structs.replace(asking.account, role="reader")
    ledgered = await finder.show(account, id_)
    ex = services.under_way.get(ledgered.row.id)
    if ex is not None and ledgered.row.state == "reserved":
        # What it has come past so far is booked with its end.
        row = msgspec.structs.replace(ledgered.row, course=tuple(ex.course))
        ledgered = msgspec.structs.replace(ledgered, row=row)
    prices = services.live().prices

    def find(provider: str, model: str, at: float) -> tuple[Price | None, str]:
        quote = prices.find(provider, model, at)
        return quote.price, quote.version

    address = asking.request.base_url
    url = f"{address.scheme}://{address.netloc}"
    return tell(ledgered, find=find, words=await _words(gateway, ledgered), url=url)


async def streams(asking: Asking, *, limit: int) -> Going:
    """Return the exchanges under way: how many there are, and so many of the oldest."""
    gateway = asking.gateway
    return await under_way(gateway.store, partial(progress, gateway), now=asking.now, limit=limit)


async def streaming(asking: Asking, rows: Sequence[ExchangeRow]) -> dict[str, Running]:
    """Return those of some requests that are under way, by their ids."""
    gateway = asking.gateway
    return await still_under_way(gateway.store, rows, partial(progress, gateway), now=asking.now)


def progress(gateway: Gateway, id_: str) -> Progress | None:
    """Return how far an exchange has come; None: it has ended, or is another process's."""
    ex = gateway.services.under_way.get(id_)
    if ex is None:
        return None
    used, last = used_so_far(ex), ex.answering
    chunks = last.chunks if last else 0
    return Progress(chunks, used.total if used else None, cost_so_far(ex) if used else None)


async def _words(gateway: Gateway, ledgered: Ledgered) -> Words:
    """Return what was said in a request, where that was logged and still is."""
    row, files = ledgered.row, gateway.services.live().files
    if row.state == "reserved" or row.settled_at is None:
        return Words(why="it has not ended yet")
    if not files.enabled:
        return Words(why="the log of prompts is off (`files.enabled`)")
    try:
        found = await to_thread(spoken, Path(files.folder), row.id, row.settled_at)
    except OSError:
        return Words(why="the log of prompts cannot be read")
    if found is None:
        return Words(why="the log of prompts has no line of it, or no longer")
    if found.prompt is None and found.response is None:
        return Words(why=UNLOGGED)
    return Words(found.prompt, found.response)


async def _lines(gateway: Gateway, asked: Asked, first: Page) -> AsyncIterator[str]:
    """Yield the lines of a table, a page at a time."""
    page, left = first, MOST_LINES
    yield logged.csv_of(page.rows)
    for _ in range(MOST_PAGES):
        left -= len(page.rows)
        if page.next is None or left <= 0:
            return
        page = await listed(gateway.store, msgspec.structs.replace(asked, after=page.next), count=False)
        rows: tuple[ExchangeRow, ...] = page.rows[:left]
        if rows:
            yield logged.csv_of(rows, head=False)
