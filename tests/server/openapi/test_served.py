"""What the server answers, asked of what it answers with."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.surfaces import SURFACES
from dragoman.server.openapi.served import served


async def page(_: Request) -> Response:
    """Answer anything."""
    return PlainTextResponse("")


def test_a_route_is_told_as_openapi_has_it() -> None:
    """Without converters, without HEAD, one for each method; what is hidden stays hidden."""
    routes = [
        Route("/a/{id:path}", page, methods=["GET", "DELETE"]),
        Route("/hidden", page, methods=["GET"], include_in_schema=False),
        Mount("/files", routes=[]),
    ]
    assert [one.key for one in served((), (), routes, relaying=False)] == ["DELETE /a/{id}", "GET /a/{id}"]


def test_a_surface_comes_before_a_dialect() -> None:
    """Of two who answer the same, the document has the one that does."""
    found = served(SURFACES, DIALECTS.values(), (), relaying=True)
    keys = [one.key for one in found]
    assert len(keys) == len(set(keys))
    [chat] = [one for one in found if one.key == "POST /v1/chat/completions"]
    assert chat.owner == "openai_chat"
    assert {one.owner for one in found if not one.operation} == {*DIALECTS, "gateway", "chat", "stream"}


def test_what_is_relayed_brings_its_description() -> None:
    """The relay's own table is where it comes from."""
    every = served((), (), (), relaying=True)
    assert every
    assert all(one.operation is not None and one.operation.passes for one in every)
    assert served((), (), (), relaying=False) == []
