"""``/admin/templates``: the prompt templates there are; they are edited in their file, which is watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from starlette.routing import Route

from dragoman.accounts.reports import check_names
from dragoman.core.extras import Json
from dragoman.gateway import Gateway
from dragoman.prompts import Template
from dragoman.server.admin.access import Asking, served, viewer

PATH = "/admin/templates"
QUERY = ("q", "category")


class Listed(NamedTuple):
    """Templates that were asked for.

    Attributes:
        every: How many there are in all.
        file: Where the operator's own are written.
        own: Whether that file is there.
    """

    found: list[Template]
    every: int
    categories: list[str]
    file: str
    own: bool


def listed(gateway: Gateway, query: Mapping[str, str]) -> Listed:
    """Return the templates with these words, or of this category.

    Raises:
        Failure: INVALID, a parameter is not known.
    """
    check_names(query, QUERY)
    every = gateway.templates.list()
    sought, category = query.get("q", "").casefold(), query.get("category", "")
    return Listed(
        [
            one
            for one in every
            if sought in f"{one.id} {one.title} {one.prompt} {' '.join(one.tags)}".casefold()
            and category in ("", one.category)
        ],
        len(every),
        sorted({one.category for one in every if one.category}),
        str(gateway.config.templates),
        gateway.config.templates.is_file(),
    )


def routes(gateway: Gateway) -> list[Route]:
    """Return the page."""
    return [Route(PATH, served(gateway, _list, may=viewer), methods=["GET"])]


async def _list(asking: Asking) -> Json:
    found = listed(asking.gateway, asking.query)
    templates: Json = msgspec.to_builtins(found.found)
    return {"templates": templates, "every": found.every, "file": found.file, "own": found.own}
