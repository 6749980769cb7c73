"""Every request: rows by filters, one of them wholly, and those under way."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from dragoman.server.openapi.operation import PAGE, Operation, Operations, Param, Tag
from dragoman.server.openapi.pages import ExchangeRating, ExchangeUsage
from dragoman.store.ledger import State

LOG = Tag(
    "Requests",
    "The log of requests: every row of the ledger, found by what is said of it. `/admin/requests` has those "
    "of all keys, for the admin key and keys with the role reader; `/v1/requests` those of the key that "
    "asks. Times are Unix seconds; a cost nobody knows is null, never 0.",
)


class Request(Struct):
    """A row of the log. Times are Unix seconds; null: unknown.

    Attributes:
        key: Whose it is, by its name; so `team` and `user`, "" for none.
        model: What was asked for.
        answered_model: What answered, or was asked last.
        route: The configuration's route; "": none.
        state: `reserved` while it runs.
        attempts: How many targets were asked.
        counted: Who counted the tokens; "": nobody yet.
        losses: What crossing from one protocol to another dropped or approximated.
        saved_usd: What a recorded answer would have cost.
        cost_usd: US dollars.
    """

    id: str
    request_id: str
    key: str
    team: str
    user: str
    dialect: str
    task: str
    model: str
    answered_model: str | None
    provider: str | None
    route: str
    state: State
    status: int | None
    stream: bool
    cached: bool
    fallback: bool
    attempts: int
    chunks: int
    counted: str
    stop: str | None
    losses: list[str]
    opened_at: float
    settled_at: float | None
    first_event_ms: float | None
    usage: ExchangeUsage | None
    cost_usd: float | None
    failure: str | None
    message: str | None
    latency_ms: float | None
    saved_usd: float | None


class LookedThrough(Struct):
    """What a page was taken from: so many rows, of this time at most; null: without an end."""

    rows: int
    since: float | None = field(name="from")
    until: float | None = field(name="to")


class RequestPage(Struct):
    """Some requests, in order.

    Attributes:
        next: Give it as `after` for the next page; null: there is no more.
        total: How many there are on all pages; null: that cannot be told without looking at each.
        at_most: How many there may be, where `total` is null.
        looked: What was looked through. A page looks through a bounded number of rows, so that one of rare
            rows may be short, or empty, and still have a `next`.
    """

    requests: list[Request]
    next: str | None
    total: int | None
    at_most: int | None
    looked: LookedThrough


class RequestAttempt(Struct):
    """One target that was asked; null: it does not say, or nobody knows.

    Attributes:
        tier: What the provider says it served it as.
        price: By whose price it was booked.
        upstream_id: The provider's own id of it.
    """

    number: int
    provider: str
    model: str
    state: State
    status: int | None
    opened_at: float
    settled_at: float | None
    first_event_ms: float | None
    usage: ExchangeUsage | None
    cost_usd: float | None
    failure: str | None
    message: str | None
    tier: str | None
    price: str | None
    upstream_id: str | None


class RequestSpan(Struct):
    """A part of a request's time, in milliseconds from its beginning; null: it lasts, or is of no attempt.

    Attributes:
        first: Whether it ends with the first content.
        fault: How it ended, if badly.
    """

    name: Literal["admit", "read", "route", "recall", "reserve", "attempt", "deliver", "settle"]
    start_ms: float
    end_ms: float | None
    attempt: int | None
    target: str | None
    first: bool
    fault: str | None


class CostTold(Struct):
    """A line of what an attempt cost; null: unknown, or no part of it.

    Attributes:
        meter: What was counted; `request`, where each costs something; `booked`, what was booked as it is.
        why: By whose word, or why nobody knows.
    """

    attempt: int
    meter: str
    tokens: int | None
    usd_per_million: float | None
    cost_usd: float | None
    why: str | None


class LossTold(Struct):
    """One thing that was lost, also in words."""

    how: str
    what: str
    words: str


class WordsTold(Struct):
    """What was asked and answered; null: it is not logged, and `why` says so."""

    prompt: str | None
    response: str | None
    why: str | None


class RequestTold(Struct):
    """All there is to know of one request. Times are Unix seconds; null: unknown.

    Attributes:
        spans: Where its time went, one after another.
        cost_lines: What it cost; each attempt's add up to what was booked for it.
        lost: What was lost, in words.
        replay: A command that asks again, without key and words; null: it passed through unread.
    """

    id: str
    request_id: str
    key: str
    team: str
    user: str
    dialect: str
    task: str
    model: str
    answered_model: str | None
    provider: str | None
    route: str
    state: State
    status: int | None
    stream: bool
    cached: bool
    fallback: bool
    chunks: int
    counted: str
    stop: str | None
    losses: list[str]
    opened_at: float
    settled_at: float | None
    first_event_ms: float | None
    usage: ExchangeUsage | None
    cost_usd: float | None
    failure: str | None
    message: str | None
    latency_ms: float | None
    saved_usd: float | None
    attempts: list[RequestAttempt]
    lost: list[LossTold]
    rating: ExchangeRating | None
    spans: list[RequestSpan]
    cost_lines: list[CostTold]
    words: WordsTold
    replay: str | None


class LiveRequest(Struct):
    """A request under way; null: nobody knows, as of one in another process.

    Attributes:
        age_s: Seconds since it began.
        attempts: How many targets were asked so far.
        provider: Who is asked now; so `target`, its name for the model.
        held_usd: What is held for it.
        here: Whether it is in the process that answers.
        chunks: Pieces that came so far; so `tokens` and `cost_usd`.
    """

    id: str
    request_id: str
    key: str
    team: str
    user: str
    dialect: str
    task: str
    model: str
    route: str
    stream: bool
    opened_at: float
    age_s: float
    attempts: int
    provider: str | None
    target: str | None
    held_usd: float | None
    here: bool
    chunks: int | None
    tokens: int | None
    cost_usd: float | None


class LiveRequests(Struct):
    """The requests under way, the oldest first. ``now``: Unix seconds; ``total``: how many there are."""

    now: float
    total: int
    live: list[LiveRequest]


NONE = " `-`: those that have none."

PARAMS = (
    Param("period", "`day`, `week`, `month` (30 days) or `all`; ends now.", example="all"),
    Param("from", "Those that began then or later: a date, an instant or Unix seconds."),
    Param("to", "Those that began before; of a date, all of it."),
    Param("model", f"The model that answered, or was asked where none did.{NONE}"),
    Param("asked", "The model that was asked for."),
    Param("provider", f"Who was asked last.{NONE}"),
    Param("route", f"The configuration's route.{NONE}"),
    Param("state", "`live`, `settled`, `cancelled`, `failed` or `interrupted`."),
    Param("failure", f"The kind of failure.{NONE}"),
    Param("dialect", "The client's protocol."),
    Param("stream", "Whether asked for as a stream.", bool),
    Param("cached", "Whether answered from a recording.", bool),
    Param("fallback", "Whether another model answered.", bool),
    Param("lossy", "Whether anything was lost in translation.", bool),
    Param("estimated", "Whether the tokens are estimates.", bool),
    Param("cost", "`known` or `unknown`."),
    Param("min_cost", "They cost so much or more, in US dollars.", float),
    Param("min_latency", "They took so long or longer, in milliseconds.", float),
    Param("id", "The id of one, or its client's word for it."),
    Param(
        "sort",
        "`newest`, `oldest`; or `cost`, `latency`, `first_event`, `tokens`: the largest first, of the newest "
        "rows that one page looks through, without further pages.",
        example="newest",
    ),
    Param(
        "limit",
        "At most so many, 200 or fewer; a table has as many as there are, up to 100,000.",
        int,
        example=20,
    ),
    Param("after", "The `next` of the page before."),
    Param("format", "`csv` for a table; so does `Accept: text/csv`.", example="json"),
)
"""Parameters of both lists."""

WHOSE = tuple(Param(name, f"Of this {name}.{NONE}") for name in ("key", "team", "user"))


def _page(title: str, text: str, tells: type, **more: Any) -> Operation:
    fields = {"statuses": (*PAGE, 503), "access": "view", **more}
    return Operation(
        tag=LOG.name,
        title=title,
        text=text,
        tells=(tells,),
        words="chat",
        line=False,
        **fields,
    )


TAGS = (LOG,)
OPERATIONS: Operations = {
    "GET /admin/requests": _page(
        "Requests",
        "Return requests of all keys that meet every condition, in order, page by page. A cursor holds while "
        "requests are added.",
        RequestPage,
        params=(*WHOSE, *PARAMS),
    ),
    "GET /admin/requests/{id}": _page(
        "One request, wholly",
        "Return all there is to know of one request: its attempts, where its time went, what it cost line by "
        "line, what was lost, and its words where they are logged.",
        RequestTold,
        params=(Param("id", "The exchange's id, or its request's.", example="req_0"),),
        statuses=(*PAGE, 404, 503),
    ),
    "GET /admin/live": _page(
        "Requests under way",
        "Return the requests under way in every process that shares the store, the oldest first: a thousand "
        "at most, and how many there are in all.",
        LiveRequests,
    ),
    "GET /v1/requests": _page(
        "My requests",
        "Return requests of the key that asks, as `/admin/requests` does. The admin key and readers see all.",
        RequestPage,
        params=PARAMS,
        access="key",
    ),
}
