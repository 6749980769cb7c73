"""OpenAI's exports: usage and costs, as the dashboard writes them in CSV and the API in JSON.

Usage: https://platform.openai.com/docs/api-reference/usage/completions and ``.../usage/embeddings``;
costs: https://platform.openai.com/docs/api-reference/usage/costs; the dashboard's export:
https://help.openai.com/en/articles/8554956 (all read 2026-11-21). CSV columns are called as the JSON fields
are; a time in which nobody asked is a row with times alone, and an export without any request has no other
columns.

``input_tokens`` has cached tokens and those written to a cache in it, ``output_tokens`` those of thinking.
What a line of costs is of stands in front of a comma: ``gpt-4o-2024-08-06, cached input``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dragoman.accounts.reconcile.exports import ALL, Cells, Form, Known, model_of

_BEGINS = ("start_time", "start_time_iso")
_ENDS = ("end_time", "end_time_iso")

_TASKS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "organization.usage.completions.result": frozenset({"generate"}),
        "organization.usage.embeddings.result": frozenset({"embed"}),
    }
)


def _usage(cells: Cells) -> tuple[str, Known] | None:
    if not (cells.has("input_tokens") or cells.has("num_model_requests")):
        return None
    known: Known = {
        "requests": cells.count("num_model_requests"),
        "input": cells.count("input_tokens"),
        "output": cells.count("output_tokens"),
    }
    if cells.has("input_cached_tokens"):
        known["cache_read"] = cells.count("input_cached_tokens")
    if cells.has("input_cache_write_tokens"):
        known["cache_write"] = cells.count("input_cache_write_tokens")
    return cells.text("model") or ALL, known


def _tasks(cells: Cells) -> frozenset[str]:
    """Return what was asked for. A CSV does not say it; only embeddings have no output."""
    kind = cells.text("object")
    if kind in _TASKS:
        return _TASKS[kind]
    return frozenset({"generate" if cells.has("output_tokens") else "embed"})


def _costs(cells: Cells) -> tuple[str, Known] | None:
    if not cells.has("amount_value"):
        return None
    if cells.text("amount_currency").lower() not in ("usd", ""):
        raise cells.fault("amount_currency", "is no US dollars")
    return model_of(cells.text("line_item")) or ALL, {"cost": cells.amount("amount_value")}


USAGE = Form(
    "OpenAI's usage",
    frozenset({"start_time", "input_tokens", "num_model_requests"}),
    _BEGINS,
    _ENDS,
    _usage,
    _tasks,
)
COSTS = Form("OpenAI's costs", frozenset({"start_time", "amount_value"}), _BEGINS, _ENDS, _costs)
EMPTY = Form("OpenAI's", frozenset({"start_time", "end_time"}), _BEGINS, _ENDS, None)

FORMS = (USAGE, COSTS, EMPTY)
