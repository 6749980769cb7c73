"""Keys, teams, users and audit entries as JSON: what pages and the command line show of them.

No secret is in any of it: a key's secrets are told by their last four characters. Times are Unix seconds.
"""

from __future__ import annotations

import msgspec

from dragoman.accounts.issuing import Held, terms_of
from dragoman.accounts.terms import Terms
from dragoman.core.extras import Json
from dragoman.store.audit import AuditRow
from dragoman.store.keys import GroupRow


def key(held: Held, *, now: float) -> dict[str, Json]:
    """Return a key."""
    row = held.row
    return {
        "name": row.name,
        "status": held.status(now),
        "role": row.role,
        "user": row.user or None,
        "team": row.team or None,
        "origin": held.origin,
        "created_at": row.created_at if held.origin == "store" else None,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        **terms(held.terms),
        "secrets": [
            {"hint": one.hint, "created_at": one.created_at, "expires_at": one.expires_at}
            for one in held.secrets
        ],
    }


def group(row: GroupRow) -> dict[str, Json]:
    """Return a team or a user."""
    return {"name": row.name, "created_at": row.created_at, **terms(terms_of(row.terms))}


def terms(found: Terms) -> dict[str, Json]:
    """Return what may be done; null: as everybody."""
    return {
        "description": found.description,
        "labels": {**found.labels},
        "models": [*found.models],
        "routes": [*found.routes],
        "text": found.text,
        "limits": msgspec.structs.asdict(found.limits),
    }


def entry(number: int, row: AuditRow) -> dict[str, Json]:
    """Return an entry of the audit log."""
    detail: Json = msgspec.json.decode(row.detail)
    return {
        "number": number,
        "at": row.at,
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "detail": detail,
    }
