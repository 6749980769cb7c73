"""What people type into forms, read strictly: money, whole numbers, lists of lines, names with values, days.

A fault names its field, as the API's faults name a JSON path, so that a page can show either beside the field
it is of (:func:`fault_of`), with everything that was typed still there. Nothing is guessed: an amount with a
comma might be ten times or a thousandth of what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from hashlib import sha256
from typing import Any

import msgspec

from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.accounts.times import WHEN, instant
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.server.admin.access import converted
from dragoman.server.dashboard.visit import Form

LIMITS = LimitTerms.__struct_fields__

SHOWN_BESIDE = (Kind.INVALID, Kind.CONFLICT)
"""Failures that are about what was typed."""

_DOLLARS = re.compile(r"\$?[ ]?([0-9]{1,10}(?:\.[0-9]{1,12})?)")
_PLACES = re.compile(r"[A-Za-z_]+")


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with what was typed. ``field``: in which field; "" of all of it."""

    field: str
    words: str
    status: int = 400


def fault_of(failure: Failure, fields: Collection[str]) -> Fault:
    """Return a failure as the fault of one of some fields; raise it again where typing was not to blame."""
    if failure.kind not in SHOWN_BESIDE:
        raise failure
    places = _PLACES.findall(failure.at or "")
    field = next((place for place in places if place in fields), "")
    return Fault(field, failure.message, failure.http_status)


def dollars(form: Form, name: str) -> str:
    """Return an amount as a plain decimal: ``$12.50`` is ``12.50``.

    Raises:
        Failure: INVALID, it is none, or it is not certain which.
    """
    words = form.get(name, "").strip()
    found = _DOLLARS.fullmatch(words)
    if found is not None:
        return found[1]
    if not words:
        raise invalid("an amount in dollars is needed, such as 12.50", name)
    if "," in words:
        raise invalid("write dollars without a comma: a dot before the cents, as in 1250.50", name)
    raise invalid("this is no amount in dollars; write it as 12.50", name)


def whole(form: Form, name: str) -> int | None:
    """Return a whole number; None: the field is empty. Raise ``invalid()`` where it is neither."""
    words = form.get(name, "").strip()
    if not words:
        return None
    if not (words.isascii() and words.isdecimal()) or len(words) > 13:
        raise invalid("this must be a whole number without dots or commas; empty: as everybody", name)
    return int(words)


def lines(form: Form, name: str) -> tuple[str, ...]:
    """Return the lines of a field, and of the field beside it that adds one; none twice, no empty ones."""
    words = [*form.get(name, "").splitlines(), form.get(f"{name}_add", "")]
    return tuple(dict.fromkeys(word for line in words if (word := line.strip())))


def labels(form: Form, name: str = "labels") -> dict[str, str]:
    """Return lines of ``name=value``; raise ``invalid()`` with the line that is none."""
    found: dict[str, str] = {}
    for number, line in enumerate(form.get(name, "").splitlines(), 1):
        if not line.strip():
            continue
        word, sign, value = line.partition("=")
        if not sign:
            raise invalid(f"line {number} is no label; write name=value", name)
        if word.strip() in found:
            raise invalid(f"line {number} names a label that is there already", name)
        found[word.strip()] = value.strip()
    return found


def when(form: Form, name: str) -> float | None:
    """Return a time in Unix seconds; None: never, the field is empty. Raise ``invalid()`` else."""
    words = form.get(name, "").strip()
    if not words:
        return None
    found = instant(words)
    if found is None:
        raise invalid(f"this must be {WHEN}; empty: never", name)
    return found


def percents(form: Form, name: str) -> list[int]:
    """Return whole percents with commas between; raise ``invalid()`` where one is none."""
    words = [word.strip().removesuffix("%").strip() for word in form.get(name, "").split(",")]
    if any(not (word.isascii() and word.isdecimal()) or len(word) > 4 for word in words if word):
        raise invalid(
            "write whole percents with commas between, as in 50, 80, 100; empty: nobody is told", name
        )
    return [int(word) for word in words if word]


def terms(form: Form) -> Terms:
    """Return what a key, a team or a user may do, as a form says it.

    Raises:
        Failure: INVALID with the field, or the JSON path in the terms.
    """
    told: dict[str, Any] = {
        "description": form.get("description", "").strip(),
        "labels": labels(form),
        "models": lines(form, "models"),
        "routes": lines(form, "routes"),
        "text": {"yes": True, "no": False}.get(form.get("text", "")),
        "limits": {name: whole(form, name) for name in LIMITS},
    }
    return converted(told, Terms)


def typed_terms(found: Terms) -> dict[str, str]:
    """Return terms as a form has them."""
    limits = {name: getattr(found.limits, name) for name in LIMITS}
    return {
        "description": found.description,
        "labels": "\n".join(f"{name}={value}" for name, value in found.labels.items()),
        "models": "\n".join(found.models),
        "routes": "\n".join(found.routes),
        "text": {True: "yes", False: "no", None: ""}[found.text],
        **{name: "" if value is None else str(value) for name, value in limits.items()},
    }


def seen(row: msgspec.Struct) -> str:
    """Return a mark of a row as a form shows it, which another row has not."""
    return sha256(msgspec.json.encode(row)).hexdigest()[:16]


def check_seen(form: Form, row: msgspec.Struct) -> None:
    """Refuse a form that was made of a row which is another one by now.

    Raises:
        Failure: CONFLICT.
    """
    if form.get("seen", "") != seen(row):
        message = "somebody changed this after you had opened it; load the page again, then change it"
        raise Failure(Kind.CONFLICT, message, source=Source.CLIENT, code="conflict")


def check_free(name: str, taken: Collection[str], kind: str) -> None:
    """Refuse a name that something has already, which would be replaced.

    Raises:
        Failure: CONFLICT.
    """
    if name in taken:
        message = f"a {kind} of this name is there already; open it to change it"
        raise Failure(Kind.CONFLICT, message, source=Source.CLIENT, at="name", code="conflict")
