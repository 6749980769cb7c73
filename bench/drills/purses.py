"""Budgets of a drill, as an operator configures them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from dragoman.store.budgets import Scope


class Budget(msgspec.Struct, frozen=True):
    """A hard budget for ever. ``cap``: micro-dollars."""

    name: str
    scope: Scope
    subject: str
    cap: int


def settings(budgets: Sequence[Budget]) -> dict[str, str]:
    """Return the environment that configures budgets."""
    rows = {
        one.name: {
            "dollars": f"{one.cap // 1_000_000}.{one.cap % 1_000_000:06}",
            "scope": one.scope,
            "period": "total",
            **({"subject": one.subject} if one.subject else {}),
        }
        for one in budgets
    }
    return {"DRAGOMAN_BUDGETS": json.dumps(rows)}
