"""``/admin/keys``: keys made, shown, changed, rotated and revoked.

A secret is in the answer to what makes it, and nowhere else ever.
"""

from __future__ import annotations

from asyncio import to_thread
from functools import partial
from typing import Annotated, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.routing import Route

from dragoman.accounts import shown
from dragoman.accounts.issuing import OVERLAP_S, Draft, Held
from dragoman.accounts.reports import check_names
from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.accounts.times import WHEN, instant
from dragoman.core.extras import Json
from dragoman.core.failure import invalid
from dragoman.gateway import Gateway
from dragoman.server.admin.access import Asking, editor, served, viewer
from dragoman.store.keys import Role

T = TypeVar("T")
Moment = str | float | None


class KeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made. ``expires``: a date, an instant, or Unix seconds."""

    name: str
    role: Role = "member"
    user: str | None = None
    team: str | None = None
    expires: Moment = None
    description: str = ""
    labels: dict[str, str] = {}
    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    text: bool | None = None
    limits: LimitTerms = LimitTerms()


class KeyChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise of a key; what is missing stays."""

    role: Role | UnsetType = UNSET
    user: str | UnsetType | None = UNSET
    team: str | UnsetType | None = UNSET
    expires: Moment | UnsetType = UNSET
    description: str | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    routes: tuple[str, ...] | UnsetType = UNSET
    text: bool | UnsetType | None = UNSET
    limits: LimitTerms | UnsetType = UNSET
    confirm: str = ""


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    """How a key is rotated. ``overlap_s``: seconds for which the old secret still holds."""

    overlap_s: Annotated[float, Meta(ge=0)] = OVERLAP_S


class Revocation(Struct, frozen=True, forbid_unknown_fields=True):
    """``confirm``: the key's name, where it is the one that asks."""

    confirm: str = ""


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages."""
    return [
        Route("/admin/keys", served(gateway, _list, may=viewer), methods=["GET"]),
        Route("/admin/keys", served(gateway, _create, may=editor), methods=["POST"]),
        Route("/admin/keys/{name}", served(gateway, _show, may=viewer), methods=["GET"]),
        Route("/admin/keys/{name}", served(gateway, _change, may=editor), methods=["PATCH"]),
        Route("/admin/keys/{name:path}/rotate", served(gateway, _rotate, may=editor), methods=["POST"]),
        Route("/admin/keys/{name:path}/revoke", served(gateway, _revoke, may=editor), methods=["POST"]),
    ]


async def _list(asking: Asking) -> Json:
    check_names(asking.query, ())
    held, now = await asking.issuing.keys(), asking.now
    return {"keys": await to_thread(lambda: [shown.key(one, now=now) for one in held])}


async def _show(asking: Asking) -> Json:
    return shown.key(await asking.issuing.show(asking.name), now=asking.now)


async def _create(asking: Asking) -> Json:
    body = await asking.body(KeyBody)
    draft = Draft(
        name=body.name,
        role=body.role,
        user=body.user or "",
        team=body.team or "",
        expires_at=_moment(body.expires),
        terms=Terms(
            description=body.description,
            labels=body.labels,
            models=body.models,
            routes=body.routes,
            text=body.text,
            limits=body.limits,
        ),
    )
    held, secret = await asking.issuing.create(asking.account.name, draft)
    return {"secret": secret, "key": shown.key(held, now=asking.now)}


async def _change(asking: Asking) -> Json:
    change = await asking.body(KeyChange)
    drafted = partial(changed, change=change)
    actor = asking.account.name
    kept = await asking.issuing.amend(actor, asking.name, drafted, confirm=change.confirm)
    return shown.key(kept, now=asking.now)


async def _rotate(asking: Asking) -> Json:
    body = await asking.body(Rotation)
    held, secret = await asking.issuing.rotate(asking.account.name, asking.name, overlap_s=body.overlap_s)
    return {"secret": secret, "key": shown.key(held, now=asking.now)}


async def _revoke(asking: Asking) -> Json:
    body = await asking.body(Revocation)
    held = await asking.issuing.revoke(asking.account.name, asking.name, confirm=body.confirm)
    return shown.key(held, now=asking.now)


def changed(held: Held, *, change: KeyChange) -> Draft:
    """Return what a key is to be after a change."""
    row, terms = held.row, held.terms
    return Draft(
        name=row.name,
        role=_or(change.role, row.role),
        user=_or(change.user, row.user) or "",
        team=_or(change.team, row.team) or "",
        expires_at=row.expires_at if change.expires is UNSET else _moment(change.expires),
        terms=Terms(
            description=_or(change.description, terms.description),
            labels=_or(change.labels, terms.labels),
            models=_or(change.models, terms.models),
            routes=_or(change.routes, terms.routes),
            text=_or(change.text, terms.text),
            limits=_or(change.limits, terms.limits),
        ),
    )


def _or(given: T | UnsetType, old: T) -> T:
    return old if given is UNSET else given


def _moment(given: Moment) -> float | None:
    """Return a time in Unix seconds; refuse what is none."""
    if given is None:
        return None
    found = instant(f"{given:f}" if isinstance(given, float) else given)
    if found is None:
        raise invalid(f"expires must be {WHEN}, or null", "$.expires")
    return found
