"""What is told of a bill beside the ledger: as JSON, as CSV, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from dragoman.accounts.figures import cell
from dragoman.accounts.reconcile import Drift, Reconciled, Row, Verdict
from dragoman.accounts.reconcile.exports import MEASURES, Measure
from dragoman.accounts.times import LAST
from dragoman.core.extras import Json

WORDS: Mapping[Verdict, str] = MappingProxyType(
    {
        "equal": "equal",
        "within": "within tolerance",
        "ours_more": "we have more",
        "theirs_more": "they have more",
        "only_ours": "only ours",
        "only_theirs": "only theirs",
        "unknown": "our cost is unknown",
    }
)
"""Verdicts for people."""

NAMES: Mapping[Measure, str] = MappingProxyType({**{name: name for name in MEASURES}, "cost": "cost_usd"})
"""What figures are called."""


def in_json(found: Reconciled) -> dict[str, Json]:
    """Return a comparison as JSON: money in US dollars; null where nobody knows or says."""
    return {
        "provider": found.provider,
        "exports": list(found.kinds),
        "since": _instant(found.since),
        "until": _instant(found.until),
        "tolerance_percent": float(found.tolerance),
        "beyond": found.beyond,
        "rows": [_row(row) for row in found.rows],
        "models": [_row(row) for row in found.models],
        "notes": list(found.notes),
    }


def in_csv(found: Reconciled) -> Iterator[str]:
    """Yield the lines of a comparison as CSV: a row for each day and model, empty where nobody knows."""
    sides = ("theirs", "ours", "drift", "percent")
    head = ["day", "model", "verdict", *(f"{NAMES[name]}_{side}" for name in MEASURES for side in sides)]
    yield ",".join([*head, "estimated", "unanswered", "said"])
    for row in found.rows:
        figures = (row.figures.get(name) for name in MEASURES)
        numbers = (
            number
            for name, one in zip(MEASURES, figures, strict=True)
            for number in ([None] * 4 if one is None else _numbers(name, one))
        )
        more = (row.estimated, row.unanswered, row.said)
        yield ",".join(map(cell, (day(row.day), row.model or "all", row.verdict, *numbers, *more)))


def day(at: int | None) -> str:
    """Return a day, UTC; "": it is all of them."""
    return "" if at is None else datetime.fromtimestamp(min(at, LAST - 1), UTC).strftime("%Y-%m-%d")


def _row(row: Row) -> dict[str, Json]:
    said = {NAMES[name]: row.figures.get(name) for name in MEASURES}
    sides = ("theirs", "ours", "drift", "percent")
    figures: dict[str, Json] = {
        told: None
        if one is None
        else {**dict(zip(sides, _numbers(name, one), strict=True)), "beyond": one.beyond}
        for (told, one), name in zip(said.items(), MEASURES, strict=True)
    }
    return {
        "day": day(row.day) or None,
        "model": row.model or None,
        "verdict": row.verdict,
        **figures,
        "estimated": row.estimated,
        "unanswered": row.unanswered,
        "said": row.said,
    }


def _numbers(name: Measure, one: Drift) -> list[float | int | None]:
    percent = None if one.percent is None else round(one.percent, 4)
    counts = (one.theirs, one.ours, one.drift)
    if name != "cost":
        return [*counts, percent]
    return [*(None if number is None else number / 1_000_000 for number in counts), percent]


def _instant(at: float) -> str:
    return datetime.fromtimestamp(min(at, LAST - 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
