"""``/admin/teams`` and ``/admin/users``: what the keys of a team, or of a person, may do together."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Iterator

from starlette.routing import Route

from dragoman.accounts import shown
from dragoman.accounts.reports import check_names
from dragoman.accounts.terms import Terms
from dragoman.core.extras import Json
from dragoman.gateway import Gateway
from dragoman.server.admin.access import Asking, Page, editor, served, viewer
from dragoman.store.keys import GroupKind


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages."""
    return [*_of(gateway, "team"), *_of(gateway, "user")]


def _of(gateway: Gateway, kind: GroupKind) -> Iterator[Route]:
    every, one = f"/admin/{kind}s", f"/admin/{kind}s/{{name:path}}"
    listed, found, put, removed = _pages(kind)
    yield Route(every, served(gateway, listed, may=viewer), methods=["GET"])
    yield Route(one, served(gateway, found, may=viewer), methods=["GET"])
    yield Route(one, served(gateway, put, may=editor), methods=["PUT"])
    yield Route(one, served(gateway, removed, may=editor), methods=["DELETE"])


def _pages(kind: GroupKind) -> tuple[Page, Page, Page, Page]:
    """Return the pages that list, show, put and remove."""

    async def listed(asking: Asking) -> Json:
        check_names(asking.query, ())
        rows = await asking.issuing.groups(kind)
        return {f"{kind}s": await to_thread(lambda: [shown.group(row) for row in rows])}

    async def found(asking: Asking) -> Json:
        return shown.group(await asking.issuing.group(kind, asking.name))

    async def put(asking: Asking) -> Json:
        terms = await asking.body(Terms)
        actor = asking.account.name
        return shown.group(await asking.issuing.put_group(actor, kind, asking.name, terms))

    async def removed(asking: Asking) -> Json:
        await asking.issuing.remove_group(asking.account.name, kind, asking.name)
        return {"removed": asking.name}

    return listed, found, put, removed
