"""Anthropic's exports: usage and cost, as the Console writes them in CSV and the Admin API in JSON.

Usage: https://platform.claude.com/docs/en/api/admin/usage_report/retrieve_messages; cost:
https://platform.claude.com/docs/en/api/admin/cost_report; the Console's exports:
https://support.claude.com/en/articles/9534590 (all read 2026-11-21). In JSON an amount is a decimal string of
*cents*, in CSV ``cost_usd`` is dollars. Nobody says how many requests there were. The Console's file of usage
has a model's API name (``model_version``), that of costs what it is called for people (``Claude Haiku 4.5``).
Files of before caches had two lifetimes have ``usage_input_tokens_cache_write``.

Costs of the priority tier are in no report. What is no model's, such as searches, is a line of its own.
"""

from __future__ import annotations

from decimal import Decimal

from dragoman.accounts.reconcile.exports import ALL, Cells, Form, Known

CENTS = Decimal(100)

_GENERATE = frozenset({"generate"})


def _usage(cells: Cells) -> tuple[str, Known] | None:
    if not (cells.has("uncached_input_tokens") or cells.has("output_tokens")):
        return None
    written = ("cache_creation_ephemeral_5m_input_tokens", "cache_creation_ephemeral_1h_input_tokens")
    known = _tokens(cells, "uncached_input_tokens", "cache_read_input_tokens", written, "output_tokens")
    return cells.text("model") or ALL, known


def _usage_file(cells: Cells) -> tuple[str, Known] | None:
    before = "usage_input_tokens_"
    written = (f"{before}cache_write_5m", f"{before}cache_write_1h", f"{before}cache_write")
    known = _tokens(cells, f"{before}no_cache", f"{before}cache_read", written, "usage_output_tokens")
    return cells.text("model_version") or ALL, known


def _tokens(cells: Cells, plain: str, read: str, written: tuple[str, ...], output: str) -> Known:
    cached, kept = cells.count(read), sum(map(cells.count, written))
    return {
        "input": cells.count(plain) + cached + kept,
        "cache_read": cached,
        "cache_write": kept,
        "output": cells.count(output),
    }


def _tasks(_: Cells) -> frozenset[str]:
    return _GENERATE


def _cost(cells: Cells) -> tuple[str, Known] | None:
    if not cells.has("amount"):
        return None
    _dollars(cells, "currency")
    return _charged(cells, "description"), {"cost": cells.amount("amount") / CENTS}


def _cost_file(cells: Cells) -> tuple[str, Known]:
    return _charged(cells, "token_type"), {"cost": cells.amount("cost_usd")}


def _charged(cells: Cells, said: str) -> str:
    """Return what a cost is of: a model, else the kind of cost; all of them where it says neither."""
    kind = cells.text("cost_type")
    if cells.has("model"):
        return cells.text("model")
    return kind if kind not in ("", "tokens", "token") else cells.text(said) or ALL


def _dollars(cells: Cells, name: str) -> None:
    if cells.text(name).lower() not in ("usd", ""):
        raise cells.fault(name, "is no US dollars")


USAGE = Form(
    "Anthropic's usage",
    frozenset({"starting_at", "uncached_input_tokens", "output_tokens"}),
    ("starting_at",),
    ("ending_at",),
    _usage,
    _tasks,
)
USAGE_FILE = Form(
    "Anthropic's usage",
    frozenset({"usage_date_utc", "model_version", "usage_input_tokens_no_cache", "usage_output_tokens"}),
    ("usage_date_utc",),
    (),
    _usage_file,
    _tasks,
)
COST = Form("Anthropic's cost", frozenset({"starting_at", "amount"}), ("starting_at",), ("ending_at",), _cost)
COST_FILE = Form(
    "Anthropic's cost",
    frozenset({"usage_date_utc", "model", "cost_usd"}),
    ("usage_date_utc",),
    (),
    _cost_file,
)
EMPTY = Form("Anthropic's", frozenset({"starting_at", "ending_at"}), ("starting_at",), ("ending_at",), None)

FORMS = (USAGE, USAGE_FILE, COST, COST_FILE, EMPTY)
