"""Who there is: keys, teams and users, and who changed them."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.core.extras import Json
from dragoman.server.admin.keys import KeyBody, KeyChange, Revocation, Rotation
from dragoman.server.openapi.operation import PAGE, Operation, Operations, Param, Tag

ADMIN = Tag(
    "Keys and teams",
    "Who may ask, and what. For the admin key and keys with the role admin; those with the role reader may "
    "look. A secret is in the answer to what makes it, and nowhere else ever. Every change is in the audit "
    "log.",
)


class Secret(Struct):
    """One secret of a key. Times are Unix seconds; null: it does not end.

    Attributes:
        hint: Its last four characters.
    """

    hint: str
    created_at: float
    expires_at: float | None


class Key(Struct):
    """A key. Times are Unix seconds; null: never, or nobody's.

    Attributes:
        origin: Where it stands; one of the configuration is changed there.
        text: Whether its prompts and answers are logged; null: as everybody's.
        models: Models it may ask; empty, with no routes: all.
        routes: Routes and aliases it may ask.
    """

    name: str
    status: Literal["active", "expired", "revoked", "unreadable"]
    role: Literal["admin", "member", "reader"]
    user: str | None
    team: str | None
    origin: Literal["store", "config"]
    created_at: float | None
    expires_at: float | None
    revoked_at: float | None
    description: str
    labels: dict[str, str]
    models: list[str]
    routes: list[str]
    text: bool | None
    limits: LimitTerms
    secrets: list[Secret]


class KeyList(Struct):
    """Every key, revoked or not."""

    keys: list[Key]


class KeyMade(Struct):
    """A key and its secret, which is shown this once."""

    secret: str
    key: Key


class Group(Struct):
    """A team or a user: what its keys may do together."""

    name: str
    created_at: float
    description: str
    labels: dict[str, str]
    models: list[str]
    routes: list[str]
    text: bool | None
    limits: LimitTerms


class TeamList(Struct):
    """Every team."""

    teams: list[Group]


class UserList(Struct):
    """Every user."""

    users: list[Group]


class Removed(Struct):
    """What is no longer there."""

    removed: str


class AuditEntry(Struct):
    """One change.

    Attributes:
        at: Unix seconds.
        actor: The key that made it, or `command line`.
        detail: What there was and is.
    """

    number: int
    at: float
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


class AuditLog(Struct):
    """The newest changes first.

    Attributes:
        before: Send it as `before` for the next page; null: this is the last.
    """

    entries: list[AuditEntry]
    before: int | None


LOOKED = (*PAGE, 503)
FOUND = (*PAGE, 404, 503)
CHANGED = (*PAGE, 404, 409, 413, 503, 504)
NAME = Param("name", "The key's name.", example="alice")
ALICE: dict[str, Json] = {
    "A key for a team": {
        "name": "alice",
        "models": ["openai/*", "claude-sonnet-4-5"],
        "expires": "2099-01-01",
        "limits": {"requests_per_minute": 60},
    }
}
LOWER: dict[str, Json] = {"Another limit": {"limits": {"requests_per_minute": 30}}}
SOON: dict[str, Json] = {"The old secret holds for an hour more": {"overlap_s": 3600}}
SURE: dict[str, Json] = {"Take it back": {}}
SHARED: dict[str, Json] = {"A limit all its keys share": {"limits": {"tokens_per_day": 1_000_000}}}


def _page(title: str, text: str, tells: type, **more: Any) -> Operation:
    """Return a page only the operator's keys may see."""
    told = {"statuses": CHANGED if more.get("access") == "edit" else FOUND, "access": "view", **more}
    return Operation(tag=ADMIN.name, title=title, text=text, tells=(tells,), words="chat", line=False, **told)


def _groups(kind: str, listed: type) -> dict[str, Operation]:
    """Return the operations of teams, or of users."""
    every, one = f"/admin/{kind}s", f"/admin/{kind}s/{{name}}"
    name = (Param("name", f"The {kind}'s name.", example="research"),)
    return {
        f"GET {every}": _page(f"List {kind}s", f"Return every {kind}.", listed, statuses=LOOKED),
        f"GET {one}": _page(f"One {kind}", f"Return a {kind}.", Group, params=name),
        f"PUT {one}": _page(
            f"Put a {kind}",
            f"Make a {kind}, or replace what its keys may do together.",
            Group,
            params=name,
            access="edit",
            asks=(Terms,),
            asked=SHARED,
            optional=True,
        ),
        f"DELETE {one}": _page(
            f"Remove a {kind}",
            f"Remove a {kind} that no key belongs to which is not revoked.",
            Removed,
            params=name,
            access="edit",
        ),
    }


TAGS = (ADMIN,)
OPERATIONS: Operations = {
    "GET /admin/keys": _page(
        "List keys",
        "Return every key, revoked or not, the configuration's as well.",
        KeyList,
        statuses=LOOKED,
    ),
    "POST /admin/keys": _page(
        "Make a key",
        "Make a key; its secret is in the answer, and cannot be asked for again. 409: the name is taken, or "
        "was once.",
        KeyMade,
        access="edit",
        asks=(KeyBody,),
        asked=ALICE,
    ),
    "GET /admin/keys/{name}": _page("One key", "Return a key.", Key, params=(NAME,)),
    "PATCH /admin/keys/{name}": _page(
        "Change a key",
        "Change what is given and leave the rest. Changing the role or end of the key you use wants "
        "`confirm`, its name.",
        Key,
        params=(NAME,),
        access="edit",
        asks=(KeyChange,),
        asked=LOWER,
        optional=True,
    ),
    "POST /admin/keys/{name}/rotate": _page(
        "Rotate a key",
        "Give a key a new secret. The old one holds for `overlap_s` more seconds, a day unless said "
        "otherwise.",
        KeyMade,
        params=(NAME,),
        access="edit",
        asks=(Rotation,),
        asked=SOON,
        optional=True,
    ),
    "POST /admin/keys/{name}/revoke": _page(
        "Revoke a key",
        "Take a key back, for ever and in every process within a second. Revoking the key you use wants "
        "`confirm`, its name.",
        Key,
        params=(NAME,),
        access="edit",
        asks=(Revocation,),
        asked=SURE,
        optional=True,
    ),
    **_groups("team", TeamList),
    **_groups("user", UserList),
    "GET /admin/audit": _page(
        "Audit log",
        "Return who changed what of keys, teams, users, budgets and prices.",
        AuditLog,
        statuses=LOOKED,
        params=(
            Param("limit", "At most so many entries.", int, example=100),
            Param("before", "Only entries older than the one of this number.", int),
        ),
    ),
}
