# ruff: noqa: INP001 - beside the file that Streamlit runs
"""What is shown of a gateway's answer, as words: markdown that shows only text, money, time, templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)
VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
UNFILED = "Other"
"""The category of a template that has none."""


SMALLEST = 0.000001
"""A micro-dollar: the ledger knows nothing smaller."""

CENT = 0.01


def shown(text: str) -> str:
    """Return a model's words as markdown that loads nothing and sets no formulas.

    An image would have the reader's browser ask whatever address the model chose; a dollar sign begins a
    formula in Streamlit's markdown, and in prices it does not mean one. Code is left as it is.
    """
    pieces = CODE.split(text)
    for at in range(0, len(pieces), 2):
        pieces[at] = pieces[at].replace("![", r"\![").replace("$", r"\$")
    return "".join(pieces)


def money(dollars: float | None) -> str:
    """Return an amount with digits enough not to be zero; unknown is not zero."""
    if dollars is None:
        return "cost unknown"
    if dollars == 0:
        return "$0"
    if dollars < SMALLEST:
        return f"<${SMALLEST:.6f}"
    if dollars >= 1:
        return f"${dollars:,.2f}"
    return "$" + f"{dollars:.{4 if dollars >= CENT else 6}f}".rstrip("0")


def duration(ms: float | None) -> str:
    """Return a time in the unit a person would use."""
    if ms is None:
        return "time unknown"
    return f"{ms:,.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"


def facts(answer: Mapping[str, Any]) -> list[str]:
    """Return what is told below an answer: who, how long, how much, from where."""
    provider = answer.get("provider")
    model = str(answer.get("model_used", "unknown"))
    tokens = answer.get("token_count")
    told = [
        f"{provider}/{model}" if provider and not model.startswith(f"{provider}/") else model,
        duration(answer.get("latency_ms")),
        "tokens unknown" if tokens is None else f"{tokens:,} tokens",
        money(answer.get("cost_usd")),
        "from the cache" if answer.get("from_cache") else "asked afresh",
    ]
    if answer.get("fallback_used"):
        told.append(f"fallback from {answer.get('requested_model', 'another model')}")
    return told


def categories(templates: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return templates by category, both in alphabetical order."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for template in sorted(templates, key=lambda one: str(one.get("title") or one["id"])):
        found.setdefault(str(template.get("category") or UNFILED), []).append(template)
    return dict(sorted(found.items()))


def title(template: Mapping[str, Any]) -> str:
    """Return what a template is called."""
    return str(template.get("title") or template["id"])


def preview(template: Mapping[str, Any], values: Mapping[str, str]) -> str:
    """Return a template's text with what is known of its variables put in; the rest stays in braces."""
    return VARIABLE.sub(lambda found: values.get(found[1]) or found[0], str(template.get("prompt", "")))


def stands_alone(template: Mapping[str, Any], name: str) -> bool:
    """Say whether a variable has lines of its own: what is put there is a text or code, not a word or two."""
    lines = str(template.get("prompt", "")).splitlines()
    return any(found[1] == name for line in lines if (found := VARIABLE.fullmatch(line.strip())))


def missing(template: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """Return the variables that nothing was said for."""
    return [name for name in template.get("variables", ()) if not values.get(name, "").strip()]
