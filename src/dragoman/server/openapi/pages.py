"""What belongs to no vendor's protocol: models and templates, usage and ratings, health, this document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, field

from dragoman.core.extras import Json
from dragoman.server.openapi.operation import MODEL, PAGE, Maybe, Operation, Operations, Param, Tag

CATALOG = Tag(
    "Catalogue",
    "What can be asked with what: every model that can be answered, with its context and price, and the "
    "templates of prompts.",
)
USAGE = Tag(
    "Usage and ratings",
    "What was asked, what it cost and how good it was. A key sees its own exchanges; the admin's sees all. A "
    "cost nobody knows is null, and counted apart: never 0.",
)
HEALTH = Tag(
    "Health and pages",
    "Whether to send traffic here, whether to restart, figures for a monitoring system, and the pages for "
    "people. Health and pages need no key.",
)


class ModelOffered(Struct):
    """A model that can be asked now, by whoever answers first; null: nobody knows.

    Attributes:
        context: Tokens input and output may have together.
        inputs: Kinds of content it reads.
        retired: Its provider serves it no longer; another answers.
        prices: US dollars for a million tokens, by kind.
    """

    id: str
    provider: str
    title: str | None
    context: int | None
    max_output: int | None
    inputs: list[str] | None
    tools: bool | None
    reasoning: bool | None
    retired: bool
    prices: dict[str, Any] | None


class Models(Struct):
    """Every model that can be asked now.

    Attributes:
        available_models: Their names.
        note: What a person should know, such as that no provider is configured.
    """

    available_models: list[str]
    models: list[ModelOffered]
    note: Maybe[str | None] = UNSET


class Template(Struct):
    """A prompt with places for variables, written `{{name}}`."""

    id: str
    title: str
    prompt: str
    tags: list[str]
    category: str
    variables: list[str]


class RateRequest(Struct):
    """What an answer was worth.

    Attributes:
        prompt_id: The exchange's id, as it was told: `prompt_id`, or the header `x-dragoman-id`.
        model: One that was asked or answered, to be sure that it is the right exchange.
        rating: 1 (bad) to 5.
    """

    prompt_id: str
    rating: Annotated[int, Meta(ge=1, le=5)]
    model: Maybe[str | None] = UNSET
    feedback: Maybe[str | None] = UNSET


class RatingKept(Struct):
    """The rating, as it is kept now."""

    status: Literal["ok"]
    prompt_id: str
    model: str
    rating: int
    feedback: str | None


class Stats(Struct):
    """Sums over every exchange the key may see, by the model that answered.

    Attributes:
        avg_latency: Seconds.
        fallback_count: The same as `total_fallbacks`.
        cost_usd: US dollars; null: nobody knows.
    """

    model_usage: dict[str, int]
    avg_latency: dict[str, float]
    avg_rating: dict[str, float]
    total_fallbacks: int
    total_prompts: int
    fallback_count: int
    cache_hits: int
    tokens: int
    cost_usd: float | None


class UsageStats(Struct):
    """Sums over a time.

    Attributes:
        estimated_cost_usd: US dollars; null: nobody knows.
        unknown_cost_requests: Requests whose cost nobody knows; the estimate is without them.
        period: As it was asked for; null: the time has ends of its own.
        from: Null: from the first request on.
        groups: The same sums for each value of `group_by`, which stands under its own name.
    """

    total_requests: int
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    estimated_cost_usd: float | None
    unknown_cost_requests: int
    cached_requests: int
    failed_requests: int
    period: str | None
    begin: str | None = field(name="from")
    to: str
    groups: list[dict[str, Any]]


class UsagePoint(Struct):
    """Sums over one hour or day, for a chart.

    Attributes:
        at: When it begins.
    """

    at: str
    requests: int
    tokens: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    errors: int
    cached: int
    avg_latency_ms: float | None
    avg_first_event_ms: float | None


class UsageSeries(Struct):
    """Sums over one hour or day after another, without gaps."""

    interval: Literal["hour", "day"]
    begin: str = field(name="from")
    to: str
    series: list[UsagePoint]


class ExchangeUsage(Struct):
    """Tokens; `estimated` where the gateway counted them, or the provider charges for more than them."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    estimated: bool


class AttemptTold(Struct):
    """One target that was asked; `tier`: what it says it served it as; null: it does not say."""

    number: int
    provider: str
    model: str
    state: str
    status: int | None
    failure: str | None
    message: str | None
    opened_at: float
    settled_at: float | None
    first_event_ms: float | None
    usage: ExchangeUsage | None
    cost_usd: float | None
    tier: str | None


class ExchangeRating(Struct):
    """What the key thought of the answer."""

    rating: int
    feedback: str | None


class ExchangeTold(Struct):
    """The ledger's own row of one request. Times are Unix seconds; null: unknown.

    Attributes:
        state: `reserved` while it runs.
        counted: Who counted the tokens; "": nobody yet.
        losses: What crossing from one protocol to another dropped or approximated.
        cost_usd: US dollars; null: nobody knows.
    """

    id: str
    request_id: str
    key: str
    dialect: str
    task: str
    model: str
    answered_model: str | None
    provider: str | None
    state: str
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
    latency_ms: float | None
    usage: ExchangeUsage | None
    cost_usd: float | None
    failure: str | None
    message: str | None
    rating: ExchangeRating | None
    attempts: list[AttemptTold]


class Healthy(Struct):
    """The gateway is there."""

    status: str


class NotReady(Struct):
    """What keeps the gateway from serving."""

    status: str
    missing: list[str]


class Health(Struct):
    """The gateway, and who may answer."""

    status: str
    version: str
    environment: str
    providers: list[str]
    models: Maybe[int] = UNSET
    redis: Maybe[str] = UNSET


PERIOD = Param("period", "How far back from now.", Literal["day", "week", "month", "all"], example="week")
FROM = Param("from", "Instead of a period: from this date or instant (ISO 8601) or Unix second on.")
TO = Param("to", "Instead of a period: until this date (with it), instant or Unix second.")
OF_MODEL = Param("model", "Only of this model.")
OF_PROVIDER = Param("provider", "Only of this provider.")
OF_KEY = Param("key", "The admin: only of the key of this name.")
RATING: dict[str, Json] = {
    "Good": {
        "prompt_id": "req_5d0c1d6e2a7f4b9c8e3a6f10",
        "model": MODEL,
        "rating": 5,
        "feedback": "Short and right.",
    }
}
REPORTED = (*PAGE, 503)
ID = Param(
    "id",
    "The exchange's id (`x-dragoman-id`), or the request's (`x-request-id`).",
    example="req_5d0c1d6e2a7f4b9c8e3a6f10",
)

TAGS = (CATALOG, USAGE, HEALTH)
OPERATIONS: Operations = {
    "GET /models": Operation(
        tag=CATALOG.name,
        title="List models",
        text="Return every model that can be asked now. Where no provider is configured, the catalogue's "
        "own, and a note that says so.",
        tells=(Models,),
        statuses=PAGE,
        words="chat",
        access="key",
        line=False,
    ),
    "GET /templates": Operation(
        tag=CATALOG.name,
        title="List templates",
        text="Return the templates `POST /chat` can fill in.",
        tells=(list[Template],),
        statuses=PAGE,
        words="chat",
        access="key",
        line=False,
    ),
    "POST /rate": Operation(
        tag=USAGE.name,
        title="Rate an answer",
        text="Say what an answer was worth. A second rating by the same key replaces the first. The older "
        "form has it in the query.",
        asks=(RateRequest,),
        asked=RATING,
        tells=(RatingKept,),
        optional=True,
        params=(
            Param("prompt_id", "The older form: the exchange's id."),
            Param("score", "The older form: 1 to 5.", int),
            Param("model", "The older form: one that was asked or answered."),
            Param("feedback", "The older form: in words."),
        ),
        statuses=(*PAGE, 404, 409, 413, 503, 504),
        words="chat",
        access="own",
        line=False,
    ),
    "GET /stats": Operation(
        tag=USAGE.name,
        title="Statistics",
        text="Return how often each model answered, how fast, and how well it was rated.",
        tells=(Stats,),
        params=(OF_KEY,),
        statuses=REPORTED,
        words="chat",
        access="key",
        line=False,
    ),
    "GET /v1/usage/stats": Operation(
        tag=USAGE.name,
        title="Usage",
        text="Return requests, tokens and cost of a period, in sum and by group.",
        tells=(UsageStats,),
        params=(
            PERIOD,
            FROM,
            TO,
            Param(
                "group_by",
                "Sums for each value of it.",
                Literal["model", "provider", "day", "hour", "key"],
                example="model",
            ),
            OF_KEY,
        ),
        statuses=REPORTED,
        words="chat",
        access="key",
        line=False,
    ),
    "GET /v1/usage/series": Operation(
        tag=USAGE.name,
        title="Usage over time",
        text="Return requests, tokens, cost and speed hour by hour or day by day.",
        tells=(UsageSeries,),
        params=(
            Param("interval", "Of one point.", Literal["hour", "day"], example="day"),
            PERIOD,
            FROM,
            TO,
            OF_MODEL,
            OF_PROVIDER,
            OF_KEY,
        ),
        statuses=REPORTED,
        words="chat",
        access="key",
        line=False,
    ),
    "GET /v1/exchanges/{id}": Operation(
        tag=USAGE.name,
        title="One exchange",
        text="Return the ledger's own row of a request: who answered, each attempt, tokens, cost, losses.",
        tells=(ExchangeTold,),
        params=(ID,),
        statuses=(*PAGE, 404, 503),
        words="chat",
        access="key",
        line=False,
    ),
    "GET /health": Operation(
        tag=HEALTH.name,
        title="Health",
        text="Say that the gateway is there.",
        tells=(Healthy,),
        statuses=(),
        access="none",
        line=False,
    ),
    "GET /health/live": Operation(
        tag=HEALTH.name,
        title="Is it alive?",
        text="Say that the process answers; if it does not, restart it.",
        tells=(Healthy,),
        statuses=(),
        access="none",
        line=False,
    ),
    "GET /health/ready": Operation(
        tag=HEALTH.name,
        title="Is it ready?",
        text="Say whether to send traffic here; if not (503), what is missing.",
        tells=(Healthy,),
        statuses=(503,),
        words="not ready",
        access="none",
        line=False,
    ),
    "GET /v1/health": Operation(
        tag=HEALTH.name,
        title="Health and providers",
        text="Return the version, and the providers that are ready.",
        tells=(Health,),
        statuses=(),
        access="none",
        line=False,
    ),
    "GET /metrics": Operation(
        tag=HEALTH.name,
        title="Metrics",
        text="Return counters and histograms for Prometheus, or in OpenMetrics' format for who accepts it. "
        "With keys, for the admin's, a reader's or one that `[metrics] readers` names; 404: metrics are off.",
        tells=(str,),
        form="text/plain",
        also=("application/openmetrics-text",),
        statuses=(*PAGE, 404),
        words="chat",
        access="view",
        line=False,
    ),
    "GET /": Operation(
        tag=HEALTH.name,
        title="Playground",
        text="The playground, for a browser; `Ollama is running` for any other client, as Ollama's expect.",
        tells=(str,),
        form="text/plain",
        also=("text/html",),
        statuses=(),
        access="none",
        line=False,
    ),
    "GET /openapi.json": Operation(
        tag=HEALTH.name,
        title="This document",
        text="Return this document: OpenAPI 3.1.",
        tells=(dict[str, Any],),
        statuses=(),
        access="none",
        line=False,
    ),
    "GET /docs": Operation(
        tag=HEALTH.name,
        title="This page",
        text="Swagger UI over this document.",
        tells=(str,),
        form="text/html",
        statuses=(),
        access="none",
        line=False,
    ),
}
