"""One request of somebody who is signed in, and what a page answers it with."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from secrets import token_bytes
from typing import Any, Literal, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dragoman.accounts.issuing import Issuing
from dragoman.accounts.keys import Account
from dragoman.accounts.sessions import Session
from dragoman.core.failure import Failure, Kind, Source
from dragoman.gateway import Gateway
from dragoman.server.dashboard.said import Tone

_PLACE = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")

Form = Mapping[str, str]
"""What a form sent: the last value of each name; a checkbox that is off is not there."""


class View(msgspec.Struct, frozen=True):
    """A page to be rendered.

    Attributes:
        template: Its file in ``web/dashboard``.
        facts: What it is filled in with.
        status: HTTP's.
    """

    template: str
    facts: dict[str, Any]
    status: int = 200


class Back(msgspec.Struct, frozen=True):
    """Go to another page after something was done, which says so there.

    Attributes:
        path: Where to, below this server.
        said: What is told at its head; "": nothing.
        tone: How.
    """

    path: str
    said: str = ""
    tone: Tone = "good"


Shown = View | Back | Response


class Visit(NamedTuple):
    """One request of somebody who is signed in."""

    gateway: Gateway
    request: Request
    session: Session

    @property
    def account(self) -> Account:
        """Who asks."""
        return self.session.account

    @property
    def edits(self) -> bool:
        """Whether who asks may change what others may do."""
        return self.account.role == "admin"

    @property
    def query(self) -> dict[str, str]:
        """The parameters, without those that are empty: a form's unused fields."""
        params = self.request.query_params
        return {name: value for name in params if (value := params.getlist(name)[-1].strip())}

    @property
    def partial(self) -> bool:
        """Whether a part of a page asks for itself alone."""
        headers = self.request.headers
        return headers.get("hx-request") == "true" and headers.get("hx-boosted") != "true"

    @property
    def address(self) -> str:
        """This server's address as it was asked, for commands to be copied; nothing in it is for a shell."""
        url = self.request.base_url
        return f"{url.scheme}://{url.netloc if _PLACE.fullmatch(url.netloc) else '127.0.0.1:8080'}"

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.gateway.services.now()

    @property
    def issuing(self) -> Issuing:
        """Who changes keys, teams and users."""
        return self.gateway.directory.issuing(token_bytes)

    def require_editing(self) -> None:
        """Refuse who may look only.

        Raises:
            Failure: FORBIDDEN.
        """
        if not self.edits:
            message = "this key may look and change nothing; sign in with the admin key"
            raise Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, code="admin_only")

    def named(self, part: str = "name") -> str:
        """Return what stands at ``{name}`` in the path."""
        value: str = self.request.path_params[part]
        return value


class Page(msgspec.Struct, frozen=True):
    """A page anyone signed in may look at.

    Attributes:
        path: Its address; ``{name}`` and ``{name:path}`` as Starlette has them.
        show: Answers it.
    """

    path: str
    show: Callable[[Visit], Awaitable[Shown]]


class Action(msgspec.Struct, frozen=True):
    """What a form does.

    Attributes:
        path: Where it is sent.
        act: Does it.
        may: Who may: ``editor`` is the admin, ``viewer`` anyone signed in.
    """

    path: str
    act: Callable[[Visit, Form], Awaitable[Shown]]
    may: Literal["editor", "viewer"] = "editor"


def lost(what: str) -> Failure:
    """Return the refusal of a page about something that is not there."""
    return Failure(Kind.NOT_FOUND, f"there is no {what}", source=Source.CLIENT, code="not_found")
