"""A visit: what was asked for, by whom, and what they may."""

from __future__ import annotations

from typing import Any, cast

import pytest
from starlette.requests import Request

from dragoman.accounts.keys import Account
from dragoman.accounts.sessions import Session
from dragoman.core.failure import Failure, Kind
from dragoman.gateway import Gateway
from dragoman.server.dashboard.visit import Visit, lost


def visit(query: str = "", role: Any = "admin", **headers: str) -> Visit:
    """Return a visit of somebody."""
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/admin/x",
        "query_string": query.encode(),
        "headers": named,
    }
    request = Request({**scope, "path_params": {"name": "a/b"}})
    return Visit(cast("Gateway", None), request, Session(Account("anna", role), "token", 0.0))


def test_a_form_s_unused_fields_are_no_parameters() -> None:
    """What was left empty was not asked for; of what was given twice the last counts."""
    assert visit("a=1&b=&c=%20&a=2&d=+x+").query == {"a": "2", "d": "x"}
    assert visit().named() == "a/b"


def test_a_part_asks_for_itself() -> None:
    """Htmx asks for a part of a page, unless a whole page was followed through it."""
    assert not visit().partial
    assert visit(hx_request="true").partial
    assert not visit(hx_request="true", hx_boosted="true").partial


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("gate.example:81", "gate.example:81"),
        ("[::1]:8080", "[::1]:8080"),
        ("a;id", "127.0.0.1:8080"),
        ("$(id)", "127.0.0.1:8080"),
        ("a" * 300, "127.0.0.1:8080"),
    ],
)
def test_a_command_has_the_address_that_was_asked(asked: str, told: str) -> None:
    """As the browser named it, if that can stand in a command as it is."""
    assert visit(host=asked).address == f"http://{told}"


def test_only_the_admin_edits() -> None:
    """A reader may look, and is told so where it would change something."""
    visit().require_editing()
    assert visit().account.name == "anna"
    with pytest.raises(Failure) as caught:
        visit(role="reader").require_editing()
    assert caught.value.kind is Kind.FORBIDDEN
    assert lost("key").kind is Kind.NOT_FOUND
