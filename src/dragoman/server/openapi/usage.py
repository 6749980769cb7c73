"""What everybody asked, what it cost and what it was worth: the operator's reports."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from dragoman.server.openapi.budgets import BudgetShown
from dragoman.server.openapi.operation import PAGE, Operation, Operations, Param, Tag
from dragoman.server.openapi.pages import (
    COMMON,
    CSV,
    FILTERS,
    FROM,
    PERIOD,
    TO,
    Changes,
    FailureKind,
    Figures,
    Shares,
    UsageBefore,
    UsageGroup,
    UsagePoint,
)

REPORTS = Tag(
    "Reports",
    "What was asked, by everybody and by anything: the figures of the dashboard, for the admin and readers. "
    "All times are UTC: days have 24 hours, weeks begin on Mondays. A cost nobody knows is null, and counted "
    "apart.",
)


class UsageTold(Struct):
    """A report.

    Attributes:
        period: As it was asked for; null: the time has ends of its own.
        from: Null: from the first request on.
        interval: What it is told by; null: it is told in sum.
        group_by: What it is grouped by.
        errors_by_kind: Kinds of failure, the most frequent first.
        groups: By what was asked for, the most first.
        other: The groups beyond `top`, as one.
        series: Stretch by stretch, without gaps.
        previous: The time before; null: that was not asked for.
    """

    period: str | None
    begin: str | None = field(name="from")
    to: str
    interval: Literal["hour", "day", "week", "month"] | None
    group_by: str | None
    total: Shares
    errors_by_kind: list[FailureKind]
    groups: list[UsageGroup]
    other: UsageGroup | None
    series: list[UsagePoint]
    previous: UsageBefore | None


class LossCounted(Struct):
    """What was lost, as the ledger has it; places in lists are written `[]`."""

    how: str
    what: str
    requests: int


class LossList(Struct):
    """What crossings between protocols lost, the most frequent first; of whole hours.

    Attributes:
        requests: All there were.
        lossy: Those in which anything was lost.
        more: Whether there are others, which are rarer.
    """

    begin: str | None = field(name="from")
    to: str
    requests: int
    lossy: int
    losses: list[LossCounted]
    more: bool


class ModelRated(Figures, kw_only=True):
    """What is thought of one model, and figures of all it answered, rated or not.

    Attributes:
        mean: The mean rating, 1 to 5.
        stars: How many gave it each.
        cost_per_request_usd: Of a request whose cost is known.
        cost_per_point_usd: The same for each point of the mean rating.
    """

    model: str
    ratings: int
    mean: float
    stars: dict[str, int]
    cost_per_request_usd: float | None
    cost_per_point_usd: float | None


class RatingTold(Struct):
    """One rating."""

    exchange_id: str
    key: str
    model: str
    rating: int
    feedback: str | None
    rated_at: str


class RatingList(Struct):
    """What models are thought of, the best first, and the newest ratings."""

    models: list[ModelRated]
    newest: list[RatingTold]


class Spent(Figures, kw_only=True):
    """Figures of a day, week or month until now.

    Attributes:
        previous: Of the one before it, as far as it had come at this time of it.
    """

    since: str
    previous: Figures
    change: Changes


class Course(Shares, kw_only=True):
    """Figures of some hours or days, and of each; the last is still running."""

    series: list[UsagePoint]


class TopKey(Figures, kw_only=True):
    """Figures of one key."""

    key: str | None


class TopModel(Figures, kw_only=True):
    """Figures of one model."""

    model: str | None


class CallFailures(Struct):
    """How many calls failed so."""

    failure: str | None
    calls: int


class ProviderHour(Struct):
    """Calls of one hour."""

    at: str
    calls: int
    failed: int


class ProviderShown(Struct):
    """How a provider did in the last 24 hours; calls it was stood in for count too.

    Attributes:
        failed: Calls it gave no answer to.
        recent_calls: Those of this hour and the one before.
    """

    provider: str
    calls: int
    failed: int
    recent_calls: int
    recent_failed: int
    failures: list[CallFailures]
    p50_first_event_ms: float | None
    p95_first_event_ms: float | None
    hours: list[ProviderHour]


class OverviewTold(Struct):
    """What happened and what it cost, at one glance.

    Attributes:
        live: Requests under way in this process.
        budgets: Those of everything.
        day: The last 24 hours, hour by hour.
        days: The last 30 days, day by day.
        errors_by_kind: Of the last 24 hours.
        keys: Who spent most today.
        models: What most was spent on today.
    """

    at: str
    live: int
    today: Spent
    week: Spent
    month: Spent
    budgets: list[BudgetShown]
    day: Course
    days: Course
    errors_by_kind: list[FailureKind]
    keys: list[TopKey]
    models: list[TopModel]
    providers: list[ProviderShown]


def _page(title: str, text: str, tells: type, **more: Any) -> Operation:
    told = {"statuses": (*PAGE, 503), "access": "view", "words": "chat", "line": False, **more}
    return Operation(tag=REPORTS.name, title=title, text=text, tells=(tells,), **told)


TAGS = (REPORTS,)
OPERATIONS: Operations = {
    "GET /admin/overview": _page(
        "Overview",
        "Return spending of today, this week and this month beside budgets, the course of a day and of a "
        "month, who and what most was spent on, and how providers do.",
        OverviewTold,
    ),
    "GET /admin/usage": _page(
        "Usage of all",
        "Return figures of any part of the ledger, by anything: in sum, by group, stretch by stretch, beside "
        "the time before. At most 1000 stretches are told, and 20 groups by them, unless `top` says more.",
        UsageTold,
        also=CSV,
        params=(
            PERIOD,
            FROM,
            TO,
            Param(
                "group_by",
                "Figures for each value of it.",
                Literal[
                    "key",
                    "team",
                    "user",
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
                ],
                example="key",
            ),
            Param("interval", "Stretch by stretch of so long.", Literal["hour", "day", "week", "month"]),
            *COMMON,
            *FILTERS,
        ),
    ),
    "GET /admin/usage/losses": _page(
        "Losses",
        "Return what crossings between protocols dropped or approximated, and in how many requests.",
        LossList,
        also=CSV,
        params=(
            PERIOD,
            FROM,
            TO,
            Param("limit", "How many at most; 1 to 1000.", kind=int, example=20),
            COMMON[-1],
        ),
    ),
    "GET /admin/ratings": _page(
        "Ratings",
        "Return what models are thought of, what a request and a point of their mean rating cost, and the "
        "newest ratings.",
        RatingList,
        params=(Param("limit", "How many of the newest; 1 to 200.", kind=int, example=20),),
    ),
}
