"""What an entry of the audit log says was changed: which fields, from what, to what, in words.

An entry has what a thing was, what it is, or both, as it is kept: nested, and without what is as everybody's.
Here each field is told for itself, and what is not kept is told as what that means. There is no secret in any
entry: a key's are told by their last four characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from dragoman.core.extras import Json
from dragoman.server.dashboard import words

NESTED = ("terms", "limits")
"""Fields that only hold others."""

UNTOLD = ("name", "created_at")
"""Fields whose entry tells them already."""

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "expires_at": "expires",
        "text": "prompts and answers",
        "parallel": "requests at once",
        "requests_per_minute": "requests a minute",
        "requests_per_day": "requests a day",
        "tokens_per_minute": "tokens a minute",
        "tokens_per_day": "tokens a day",
        "cap_micros": "cap",
        "hard": "beyond it",
        "zone": "time zone",
        "alerts": "alerts at",
        "hint": "new secret ends with",
        "old_until": "old secrets hold until",
    }
)
"""What fields are called whose names do not say it."""

LIMITS = ("requests_per_minute", "requests_per_day", "tokens_per_minute", "tokens_per_day", "parallel")

UNSET: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(LIMITS, "as everybody"),
        "text": "as everybody's",
        "models": "all",
        "routes": "all",
        "expires_at": "never",
        "alerts": "nothing",
    }
)
"""What it means that a field has no value, where it does not mean that there is none."""

ASIDE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"text": ("logged", "not logged"), "hard": ("refuse", "only tell")}
)
"""What yes and no are called."""

TIMES = ("expires_at", "old_until")

_EMPTY: tuple[Json, ...] = (None, "", [], {})


class Change(NamedTuple):
    """One field of an entry, in words.

    Attributes:
        field: What it is called.
        was: Its value before; None: it had none, there was nothing before, or the entry does not say.
        now: Its value afterwards; None: what had it is gone.
    """

    field: str
    was: str | None
    now: str | None


def changes(detail: Json) -> list[Change]:
    """Return what an entry's detail says was changed; nothing: it says nothing, or all is as it was."""
    if not isinstance(detail, dict):
        return []
    was, now = detail.get("was"), detail.get("is")
    rest = {name: value for name, value in detail.items() if name not in ("was", "is")}
    old, new = dict(_fields(was)), dict(_fields(now))
    found = []
    for name in [name for name in {**new, **old} if name not in UNTOLD]:
        before, after = old.get(name), new.get(name)
        if before == after or (not (was and now) and before in _EMPTY and after in _EMPTY):
            continue
        told_before = _told(name, before) if isinstance(was, dict) else None
        told_after = _told(name, after) if isinstance(now, dict) else None
        found.append(Change(_label(name), told_before, told_after))
    return found + [Change(_label(name), None, _told(name, value)) for name, value in _fields(rest)]


def _fields(value: Json) -> Iterator[tuple[str, Json]]:
    """Yield the fields of a thing, those within others as well."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name in NESTED:
            yield from _fields(inner)
        else:
            yield name, inner


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " "))


def _told(name: str, value: Json) -> str:
    """Return a field's value as people read it."""
    if isinstance(value, bool) or (value is None and name == "hard"):
        yes, no = ASIDE.get(name, ("yes", "no"))
        return yes if value else no
    if value in _EMPTY:
        return UNSET.get(name, "none")
    if isinstance(value, (int, float)):
        return _number(name, value)
    if isinstance(value, list):
        return ", ".join(f"{one} %" if name == "alerts" else str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{inner}={one}" for inner, one in value.items())
    return f"\u2026{value}" if name == "hint" else str(value)


def _number(name: str, value: float) -> str:
    if name in TIMES:
        return words.instant(value)
    if name == "cap_micros":
        return words.money(value)
    if name in LIMITS:
        return words.count(value) if value else "any number"
    return f"{value:,}"
