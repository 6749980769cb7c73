"""The dashboard at ``/admin``: what people see of their money and traffic, and where they manage it.

Pages are rendered here and work without scripts; htmx and a few lines of our own make them lively. The same
address is a page for a browser and JSON for a program (``server/admin``); :meth:`Dashboard.wants` tells them
apart.

    sign in      with the admin key, or a key with the role reader, which may look and change nothing
    cookie       a session's secret (accounts/sessions.py): HttpOnly, SameSite=Lax, for /admin only
    forms        carry the session's token back, and come from this very site
    pages        never kept by a cache or proxy, and held to scripts and styles of this server

A page's figures are those of the JSON: both come from ``accounts/``. Rendering has a thread, reports have
threads and connections: no page holds up a request.
"""

from __future__ import annotations

import secrets
from asyncio import Lock, timeout
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit
from weakref import WeakValueDictionary

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route, Router

from dragoman.accounts.sessions import LASTS_S, Session, Sessions, matches
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.gateway import Gateway
from dragoman.server.admin.access import settled
from dragoman.server.answers import slashless
from dragoman.server.assets import Assets, guards
from dragoman.server.client import Receive, Scope, Send, headers_of
from dragoman.server.dashboard import said
from dragoman.server.dashboard.pages import PAGES, RAIL, above
from dragoman.server.dashboard.rendering import Renderer
from dragoman.server.dashboard.visit import Action, Back, Form, Page, Shown, View, Visit, lost
from dragoman.server.playground import wants_page

HOME = "/admin"
COOKIE = "dragoman_session"
FORM = "application/x-www-form-urlencoded"
TOKEN = "token"  # noqa: S105  a field's name
LARGEST = 1 << 18
"""Bytes a form may have."""

MOST_FIELDS = 500

Serve = Callable[[Request], Coroutine[Any, Any, Response]]


class Dashboard:
    """The pages of one gateway's operator.

    Args:
        gateway: Whose.
        assets: What pages are made of.
        parts: What there is at which address.
    """

    def __init__(self, gateway: Gateway, assets: Assets, parts: Iterable[Page | Action] = PAGES) -> None:
        self._gateway = gateway
        self._renderer = Renderer(assets.version)
        self._headers = {
            **guards("'self'"),
            "referrer-policy": "same-origin",  # with none at all a form would not say which page sent it
            "cache-control": "no-store",
            "vary": "accept, cookie",
        }
        self._turns: WeakValueDictionary[str, Lock] = WeakValueDictionary()
        self.parts = tuple(parts)
        routes = [
            Route(f"{HOME}/login", self._kept(self._asked_in), methods=["GET"]),
            Route(f"{HOME}/login", self._kept(self._sign_in), methods=["POST"]),
            Route(f"{HOME}/logout", self._kept(self._sign_out), methods=["POST"]),
        ]
        for part in self.parts:
            if isinstance(part, Page):
                routes.append(Route(part.path, self._page(part), methods=["GET"]))
            else:
                routes.append(Route(part.path, self._action(part), methods=["POST"]))
        self._router = Router(routes, redirect_slashes=False, default=self._missing)

    @staticmethod
    def wants(scope: Scope) -> bool:
        """Say whether a request is a browser's, for a page or from one."""
        path: str = scope["path"]
        if path != HOME and not path.startswith(f"{HOME}/"):
            return False
        headers = headers_of(scope)
        if headers.get("hx-request") == "true" or path in (f"{HOME}/login", f"{HOME}/logout"):
            return True
        method: str = scope["method"]
        if method == "POST":
            return headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
        return method in ("GET", "HEAD") and wants_page(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if headers_of(scope).get("x-forwarded-proto", "").strip().lower() == "https":
            scope = {**scope, "scheme": "https"}  # forged, it keeps a cookie from its own sender alone
        try:
            # Without an app in it the router would answer a wrong method itself, in bare text.
            await self._router({**scope, "app": self}, receive, send)
        except HTTPException as error:
            failure = invalid(f"this page does not take {scope['method']}", "method")
            answer = await self._refused(Request(scope, receive), failure, None, error.status_code)
            answer.headers.update(error.headers or {})
            await answer(scope, receive, send)

    async def _missing(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer where there is no page, unless it is but a slash too many."""
        if there := slashless(scope, self._router.routes):
            await RedirectResponse(there, 307, self._headers)(scope, receive, send)
            return

        async def show(_: Visit) -> Shown:
            raise lost("such page")

        request = Request(scope, receive)
        await (await self._page(Page("", show))(request))(scope, receive, send)

    @property
    def _sessions(self) -> Sessions:
        gateway = self._gateway
        return Sessions(
            gateway.store.sessions,
            gateway.store.audit,
            gateway.directory,
            random=secrets.token_bytes,
            now=gateway.services.now,
        )

    def _page(self, page: Page) -> Serve:
        async def serve(request: Request) -> Response:
            session = None
            try:
                session = await self._session(request)
                if session is None:
                    return self._stranger(request)
                visit = Visit(self._gateway, request, session)
                return await self._told(visit, await page.show(visit))
            except Failure as failure:
                return await self._refused(request, failure, session)
            except Exception as bug:  # noqa: BLE001  the last resort: told, and never a silent 500
                return await self._failed(request, bug)

        return serve

    def _action(self, action: Action) -> Serve:
        async def serve(request: Request) -> Response:
            session = None
            try:
                _check_site(request)
                session = await self._session(request)
                if session is None:
                    return self._stranger(request)
                form = await self._form(request)
                _check_token(session, form.get(TOKEN, request.headers.get("x-dragoman-token", "")))
                visit = Visit(self._gateway, request, session)
                if action.may == "editor":
                    visit.require_editing()
                async with self._turn(request.url.path):
                    shown = await action.act(visit, form)
                    await settled(self._gateway)
                return await self._told(visit, shown)
            except Failure as failure:
                return await self._refused(request, failure, session)
            except Exception as bug:  # noqa: BLE001  the last resort: told, and never a silent 500
                return await self._failed(request, bug)

        return serve

    def _turn(self, path: str) -> Lock:
        """Return what lets one form after the other change the same thing.

        Each sees then whether what it was made of is still there, instead of both, and the first is lost.
        """
        return self._turns.setdefault(path, Lock())

    def _kept(self, serve: Serve) -> Serve:
        """Return what tells of faults as pages do, where there is no session yet, or no more."""

        async def kept(request: Request) -> Response:
            try:
                return await serve(request)
            except Failure as failure:
                return await self._refused(request, failure, None)
            except Exception as bug:  # noqa: BLE001  as above
                return await self._failed(request, bug)

        return kept

    async def _failed(self, request: Request, bug: Exception) -> Response:
        """Tell of a bug of ours: its trace to the log, that it is one to who meets it."""
        self._gateway.services.complain(f"the page {request.url.path} failed on a bug", bug)
        return await self._refused(request, Failure(Kind.INTERNAL, "internal error; the log has it"), None)

    async def _session(self, request: Request) -> Session | None:
        return await self._sessions.find(request.cookies.get(COOKIE, ""))

    def _stranger(self, request: Request) -> Response:
        """Send who is not signed in to where one signs in, and back afterwards."""
        part = request.headers.get("hx-request") == "true"
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if part:  # it stands in another page, which is the one to come back to
            where = _inside(
                request.headers.get("hx-current-url", "").removeprefix(str(request.base_url)[:-1])
            )
        again = (part or request.method == "GET") and where != HOME
        url = f"{HOME}/login" + (f"?next={quote(where)}" if again else "")
        if part:
            return Response(status_code=401, headers={**self._headers, "hx-redirect": url})
        return RedirectResponse(url, 303, self._headers)

    async def _asked_in(self, request: Request) -> Response:
        after = request.query_params.get("next", "")
        if await self._session(request) is not None:
            return RedirectResponse(_inside(after), 303, self._headers)
        return await self._door(after)

    async def _sign_in(self, request: Request) -> Response:
        """Open a new session, whatever cookie the browser sent, and close the one it had."""
        form: Form = {}
        try:
            _check_site(request)
            form = await self._form(request)
            secret, session = await self._sessions.open(form.get("key", "").strip())
        except Failure as failure:
            status = max(failure.http_status, 400)
            return await self._door(form.get("next", ""), fault=failure.message, status=status)
        await self._sessions.close(request.cookies.get(COOKIE, ""), session.account)
        answer = RedirectResponse(_inside(form.get("next", "")), 303, self._headers)
        _put(answer, request, COOKIE, secret, int(LASTS_S))
        return answer

    async def _sign_out(self, request: Request) -> Response:
        _check_site(request)
        session = await self._session(request)
        if session is not None:
            _check_token(session, (await self._form(request)).get(TOKEN, ""))
            await self._sessions.close(request.cookies.get(COOKIE, ""), session.account)
        answer = RedirectResponse(f"{HOME}/login", 303, {**self._headers, "clear-site-data": '"cache"'})
        _put(answer, request, COOKIE, "", 0)
        return answer

    async def _door(self, after: str, *, fault: str = "", status: int = 200) -> Response:
        """Return the page one signs in at, which leads to `after`."""
        facts = {"fault": fault, "after": after if after and _inside(after) == after else ""}
        text = await self._renderer.render("login.html", {**facts, "environment": self._environment})
        return HTMLResponse(text, status, self._headers)

    async def _form(self, request: Request) -> Form:
        """Return what a form sent, if it comes in time.

        Raises:
            Failure: As of :func:`_form`; TIMEOUT, whoever sends it dawdles.
        """
        patience_s = self._gateway.config.server.body_timeout_s
        try:
            async with timeout(patience_s):
                return await _form(request)
        except TimeoutError:
            message = f"the form was not sent within {patience_s:g} s"
            raise Failure(Kind.TIMEOUT, message, source=Source.CLIENT) from None

    @property
    def _environment(self) -> str:
        return self._gateway.config.environment

    async def _told(self, visit: Visit, shown: Shown) -> Response:
        """Return what a page answers with."""
        if isinstance(shown, Response):
            for name, value in self._headers.items():
                shown.headers.setdefault(name, value)
            return shown
        if isinstance(shown, Back):
            answer: Response = RedirectResponse(_inside(shown.path), 303, self._headers)
            if shown.said:
                note = said.written(said.Said(shown.said, shown.tone))
                _put(answer, visit.request, said.COOKIE, note, said.LASTS_S)
            return answer
        noted = said.read(visit.request.cookies.get(said.COOKIE, "")) if not visit.partial else None
        text = await self._renderer.render(shown.template, {**self._frame(visit, noted), **shown.facts})
        answer = HTMLResponse(text, shown.status, self._headers)
        if noted is not None:
            _put(answer, visit.request, said.COOKIE, "", 0)
        return answer

    def _frame(self, visit: Visit, noted: said.Said | None) -> dict[str, Any]:
        """Return what every template may use."""
        return {
            "rail": RAIL,
            "path": visit.request.url.path,
            "query": visit.query,
            "account": visit.account,
            "edits": visit.edits,
            "token": visit.session.token,
            "now": visit.now,
            "said": noted,
            "environment": self._environment,
        }

    async def _refused(
        self, request: Request, failure: Failure, session: Session | None, status: int | None = None
    ) -> Response:
        """Tell what went wrong, where, and how to go on."""
        facts: dict[str, Any] = {
            "failure": failure,
            "code": status or failure.http_status,
            "again": request.url.path if request.method == "GET" else "",
            "above": above(request.url.path),
            "environment": self._environment,
        }
        headers = {**self._headers}
        if failure.retry_after_s is not None:
            headers["retry-after"] = str(max(1, round(failure.retry_after_s)))
        template = "refused.html"
        if request.headers.get("hx-request") == "true" and request.headers.get("hx-boosted") != "true":
            template = "trouble.html"  # a part of a page, which stands there already
        elif session is not None:
            facts = {**self._frame(Visit(self._gateway, request, session), None), **facts}
            template = "refused_inside.html"
        text = await self._renderer.render(template, facts)
        return HTMLResponse(text, facts["code"], headers)


def _inside(path: str) -> str:
    """Return a path below the dashboard, or its front page where it is none: nobody is sent elsewhere."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return HOME
    inside = parts.path == HOME or parts.path.startswith(f"{HOME}/")
    plain = not parts.scheme and not parts.netloc and "\\" not in path and path.isprintable()
    return path if inside and plain else HOME


def _put(answer: Response, request: Request, name: str, value: str, age_s: int) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=age_s,
        path=HOME,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def _check_site(request: Request) -> None:
    """Refuse a form that another site's page sent.

    Raises:
        Failure: FORBIDDEN.
    """
    headers = request.headers
    origin = headers.get("origin")
    if "sec-fetch-site" in headers:
        foreign = headers["sec-fetch-site"] not in ("same-origin", "none")
    else:
        foreign = origin is not None and origin.partition("://")[2] != headers.get("host", "")
    if foreign:
        raise _foreign("this form was sent by a page of another site")


def _check_token(session: Session, sent: str) -> None:
    """Refuse a form that does not send back what it was given; raise FORBIDDEN."""
    if not matches(session, sent):
        raise _foreign("this form is not of your session; load the page again, then send it")


def _foreign(message: str) -> Failure:
    return Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, code="foreign_form")


async def _form(request: Request) -> Form:
    """Return what a form sent.

    Raises:
        Failure: INVALID, it is none; TOO_LARGE; CANCELLED, its sender left.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise invalid(f"a form is sent as {FORM}", "content-type")
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST:
                message = f"the form is larger than {LARGEST} bytes"
                raise Failure(Kind.TOO_LARGE, message, source=Source.CLIENT, code="request_too_large")
    except ClientDisconnect:
        raise Failure(Kind.CANCELLED, "the client left", source=Source.CLIENT) from None
    try:
        fields = parse_qsl(bytes(body).decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise invalid("the form cannot be read", "$") from None
    return dict(fields)


__all__ = ["Dashboard", "View"]
