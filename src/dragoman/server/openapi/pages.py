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


class Figures(Struct, kw_only=True):
    """What is told of sums over exchanges. Money is US dollars; null: nobody knows.

    Attributes:
        errors: Those that ended in an error, or with their process.
        cancelled: Those whose client left.
        cached: Those answered from a recording.
        fallback: Those another model answered than the one asked for.
        streamed: Those asked for as a stream.
        lossy: Those in which a crossing between protocols dropped or approximated anything.
        attempts: Calls of providers, for all of them.
        prompt_tokens: Cached ones included.
        completion_tokens: Thinking included.
        estimated: Those whose tokens are estimates.
        cost_usd: Of those whose cost is known.
        unknown_cost: Those whose cost is not.
        saved_usd: What recorded answers would have cost, as far as that is known.
        avg_latency_ms: Of whole answers that were no recordings.
        avg_first_event_ms: Of the same, to the first token.
    """

    requests: int
    errors: int
    cancelled: int
    cached: int
    fallback: int
    streamed: int
    lossy: int
    attempts: int
    tokens: int
    prompt_tokens: int
    cache_read_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    estimated: int
    cost_usd: float | None
    unknown_cost: int
    saved_usd: float | None
    avg_latency_ms: float | None
    avg_first_event_ms: float | None


class Shares(Figures, kw_only=True):
    """Figures, and how durations are spread: what 50, 90, 95 and 99 of 100 do not exceed, within 2.2 %."""

    p50_latency_ms: float | None
    p90_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    p50_first_event_ms: float | None
    p90_first_event_ms: float | None
    p95_first_event_ms: float | None
    p99_first_event_ms: float | None


class FailureKind(Struct):
    """How many failed so; null: of no kind, as with the process itself."""

    failure: str | None
    requests: int


class UsagePoint(Figures, kw_only=True):
    """Figures of one hour, day, week or month. Percentiles are missing where there are groups.

    Attributes:
        at: When it begins.
    """

    at: str
    p50_latency_ms: Maybe[float | None] = UNSET
    p90_latency_ms: Maybe[float | None] = UNSET
    p95_latency_ms: Maybe[float | None] = UNSET
    p99_latency_ms: Maybe[float | None] = UNSET
    p50_first_event_ms: Maybe[float | None] = UNSET
    p90_first_event_ms: Maybe[float | None] = UNSET
    p95_first_event_ms: Maybe[float | None] = UNSET
    p99_first_event_ms: Maybe[float | None] = UNSET


class Changes(Struct):
    """By which share figures grew: 0.25 is a quarter more; null: from nothing, or nobody knows."""

    requests: float | None
    errors: float | None
    tokens: float | None
    cost_usd: float | None
    avg_latency_ms: float | None
    avg_first_event_ms: float | None


class UsageGroup(Shares, kw_only=True):
    """Figures of one group, whose name stands under what they are grouped by; null: it has no such thing.

    Attributes:
        groups: Of the rest beyond the top: how many groups it is.
        series: Where stretches were asked for.
        previous: Of the time before, where that was asked for.
    """

    groups: Maybe[int] = UNSET
    series: Maybe[list[UsagePoint]] = UNSET
    previous: Maybe[Figures] = UNSET
    change: Maybe[Changes] = UNSET


class UsageBefore(Figures, kw_only=True):
    """Figures of the time just before, as long as the report's own, and what changed since."""

    begin: str = field(name="from")
    to: str
    series: list[UsagePoint]
    change: Changes


class UsageStats(Shares, kw_only=True):
    """Sums over a time.

    Attributes:
        total_requests: The same as `requests`.
        total_tokens: The same as `tokens`.
        estimated_cost_usd: The same as `cost_usd`.
        unknown_cost_requests: The same as `unknown_cost`.
        cached_requests: The same as `cached`.
        failed_requests: The same as `errors`.
        period: As it was asked for; null: the time has ends of its own.
        from: Null: from the first request on.
        errors_by_kind: Kinds of failure, the most frequent first.
        groups: The same figures for each value of `group_by`, which stands under its own name.
        other: The groups beyond `top`, as one.
        previous: The time before; null: that was not asked for.
    """

    total_requests: int
    total_tokens: int
    estimated_cost_usd: float | None
    unknown_cost_requests: int
    cached_requests: int
    failed_requests: int
    period: str | None
    begin: str | None = field(name="from")
    to: str
    errors_by_kind: list[FailureKind]
    groups: list[dict[str, Any]]
    other: UsageGroup | None
    previous: UsageBefore | None


class UsageSeries(Struct):
    """Figures of one hour, day, week or month after another, without gaps.

    Attributes:
        groups: The same for each group, where any were asked for.
        other: The groups beyond `top`, as one.
        previous: The time before, where that was asked for.
    """

    interval: Literal["hour", "day", "week", "month"]
    begin: str = field(name="from")
    to: str
    series: list[UsagePoint]
    groups: Maybe[list[UsageGroup]] = UNSET
    other: Maybe[UsageGroup | None] = UNSET
    previous: Maybe[UsageBefore] = UNSET


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
OF_KEY = Param("key", "The admin and readers: only of the key of this name.")
FILTERS = (
    OF_KEY,
    Param("team", "The admin and readers: only of this team's keys; empty: of none."),
    Param("user", "The admin and readers: only of this user's keys; empty: of nobody."),
    Param("model", "Only what this model answered or, where none did, was asked for."),
    Param("provider", "Only what this provider was asked for last."),
    Param("route", "Only what was asked by this route; empty: by none."),
    Param("state", "Only what ended so.", Literal["settled", "cancelled", "failed", "interrupted"]),
    Param("failure", "Only what failed so; empty: what did not fail."),
    Param("dialect", "Only what was asked in this protocol."),
)
COMMON = (
    Param("top", "Name so many groups, and tell the rest as one; 1 to 100.", kind=int),
    Param("order", "What groups come first by.", Literal["requests", "cost", "tokens", "errors"]),
    Param("compare", "With the time just before, as long as this one.", Literal["previous"]),
    Param("format", "As JSON, or as CSV (as does `Accept: text/csv`).", Literal["json", "csv"]),
)
CSV = ("text/csv",)
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
        text="Return requests, tokens, cost, errors and speed of a period, in sum and by group.",
        tells=(UsageStats,),
        also=CSV,
        params=(
            PERIOD,
            FROM,
            TO,
            Param(
                "group_by",
                "Figures for each value of it; `key`, `team` and `user` for the admin and readers.",
                Literal[
                    "model",
                    "provider",
                    "route",
                    "state",
                    "failure",
                    "dialect",
                    "hour",
                    "day",
                    "week",
                    "month",
                    "key",
                    "team",
                    "user",
                ],
                example="model",
            ),
            *COMMON,
            *FILTERS,
        ),
        statuses=REPORTED,
        words="chat",
        access="key",
        line=False,
    ),
    "GET /v1/usage/series": Operation(
        tag=USAGE.name,
        title="Usage over time",
        text="Return the same hour by hour, or by day, week or month, without gaps; 1000 at most.",
        tells=(UsageSeries,),
        also=CSV,
        params=(
            Param("interval", "Of one point.", Literal["hour", "day", "week", "month"], example="day"),
            PERIOD,
            FROM,
            TO,
            Param(
                "group_by",
                "A series for each value of it; `key`, `team` and `user` for the admin and readers.",
                Literal["model", "provider", "route", "state", "failure", "dialect", "key", "team", "user"],
            ),
            *COMMON,
            *FILTERS,
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
        text="Say whether to send traffic here; if not (503), what is missing: the database does not answer, "
        "or its disk is full or read-only. It heals by itself.",
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
