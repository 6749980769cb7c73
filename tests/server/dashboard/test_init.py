"""The dashboard's door: who gets in, whose forms count, where nobody is sent, and what no cache keeps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from html import unescape
from pathlib import Path
from secrets import token_bytes

import msgspec
import pytest
from tests.house import House, ask, get, house
from tests.server.dashboard.signed import Browser, admin_key, key_of, signed

from dragoman.accounts.sessions import IDLE_S, LASTS_S
from dragoman.core.failure import Failure, Kind
from dragoman.server.assets import Assets
from dragoman.server.dashboard import COOKIE, HOME, Dashboard
from dragoman.server.dashboard.visit import Action, Page


def play(folder: Path, act: Callable[[House], Awaitable[None]], **settings: str) -> None:
    """Play before a gateway whose keys are required."""

    async def run() -> None:
        async with house(folder, **{"API_KEYS": "right", **settings}) as gate:
            await act(gate)

    asyncio.run(run())


def parts(gate: House) -> tuple[Page | Action, ...]:
    """Return every page and action there is."""
    return Dashboard(gate.gateway, Assets()).parts


def address(part: Page | Action) -> str:
    """Return an address of a part."""
    return re.sub(r"\{[^}]*\}", "x", part.path)


def test_who_is_not_signed_in_is_sent_to_the_door(tmp_path: Path) -> None:
    """Every page and every action wants a session, whatever else is sent; the door leads back to the page."""

    async def act(gate: House) -> None:
        stranger = Browser(gate)
        for part in parts(gate):
            if isinstance(part, Page):
                answer = await stranger.open(address(part))
                after = "" if part.path == HOME else f"?next={address(part)}"
                assert (answer.status, answer.headers["location"]) == (303, f"{HOME}/login{after}"), part.path
            else:
                answer = await stranger.send(address(part), {}, proof=False)
                assert (answer.status, answer.headers["location"]) == (303, f"{HOME}/login"), part.path
        part_of_page = await stranger.open(HOME, {"hx-request": "true"})
        assert (part_of_page.status, part_of_page.headers["hx-redirect"]) == (401, f"{HOME}/login")
        for page, after in (
            (
                "http://127.0.0.1/admin/usage?group_by=key&from=2026-11-01",
                "/admin/usage%3Fgroup_by%3Dkey%26from%3D2026-11-01",
            ),
            ("http://evil.example/admin/usage", ""),
            ("http://[", ""),
        ):
            told = await stranger.open("/admin?part=live", {"hx-request": "true", "hx-current-url": page})
            assert told.headers["hx-redirect"] == f"{HOME}/login" + (f"?next={after}" if after else "")
        for cookie in ("x", "0" * 64, "é" * 64, "0" * 100_00, ""):
            stranger.cookies[COOKIE] = cookie
            assert (await stranger.open(HOME)).status in (303, 400)

    play(tmp_path, act)


def test_whoever_may_look_gets_in(tmp_path: Path) -> None:
    """The admin's and a reader's key open a session; a member's, a stranger's and none at all do not."""

    async def act(gate: House) -> None:
        for role in ("admin", "reader"):
            browser = await signed(gate, await key_of(gate, f"a-{role}", role=role))
            assert (await browser.open("/admin/audit")).status == 200
        member = await key_of(gate, "member")
        for key, status in ((member, 403), ("right", 403), ("nonsense", 401), ("", 401), ("x" * 9000, 401)):
            browser = Browser(gate)
            answer = await browser.sign_in(key)
            assert (answer.status, COOKIE in browser.cookies) == (status, False), key[:20]
            assert b"Sign in" in answer.body
            assert not key or key.encode() not in answer.body

    play(tmp_path, act)


def test_an_open_gateway_has_no_open_dashboard(tmp_path: Path) -> None:
    """Without any key the data path serves this machine; the dashboard still wants the admin key."""

    async def act(gate: House) -> None:
        browser = Browser(gate)
        assert (await browser.open("/admin/audit")).status == 303
        assert (await browser.sign_in("anything")).status == 401

    play(tmp_path, act, API_KEYS="")


def test_every_sign_in_is_a_new_session(tmp_path: Path) -> None:
    """A session somebody put into the browser before is not the one that is opened, and ends with that."""

    async def act(gate: House) -> None:
        key = await admin_key(gate)
        attacker = await signed(gate, key)
        victim = Browser(gate)
        victim.cookies[COOKIE] = fixed = attacker.cookies[COOKIE]
        assert (await victim.sign_in(key)).status == 303
        assert victim.cookies[COOKIE] != fixed
        assert (await attacker.open("/admin/audit")).status == 303
        made_up = Browser(gate)
        made_up.cookies[COOKIE] = "ab" * 32
        assert (await made_up.sign_in(key)).status == 303
        assert made_up.cookies[COOKIE] != "ab" * 32

    play(tmp_path, act)


def test_the_cookie_is_out_of_reach(tmp_path: Path) -> None:
    """No script reads it, no other path or site gets it, and it ends by itself."""

    async def act(gate: House) -> None:
        answer = await Browser(gate).sign_in(await admin_key(gate))
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "path=/admin" in cookie
        assert f"max-age={int(LASTS_S)}" in cookie
        assert "secure" not in cookie  # over plain HTTP a browser would throw it away
        behind = {"x-forwarded-proto": "https", "origin": "https://127.0.0.1", "host": "127.0.0.1"}
        form = {"key": await key_of(gate, "another", role="admin")}
        answer = await Browser(gate).send("/admin/login", form, behind, proof=False)
        assert answer.status == 303
        assert "secure" in answer.headers["set-cookie"].lower()

    play(tmp_path, act)


def test_a_mistyped_key_does_not_lose_the_way(tmp_path: Path) -> None:
    """Whoever types a wrong key first, and the right one then, still comes to the page that was asked for."""

    async def act(gate: House) -> None:
        for after, kept in (("/admin/keys?q=a&sort=spend", True), ("//evil.example", False)):
            again = await Browser(gate).sign_in("sk-wrong", after)
            assert again.status == 401
            found = re.search(r'name="next" value="([^"]*)"', again.body.decode())
            assert found is not None
            assert unescape(found[1]) == (after if kept else "")

    play(tmp_path, act)


def test_signing_out_ends_the_session(tmp_path: Path) -> None:
    """After signing out the cookie is worth nothing, also for who kept a copy."""

    async def act(gate: House) -> None:
        browser = await signed(gate)
        kept = dict(browser.cookies)
        assert (await browser.send("/admin/logout", {})).headers["location"] == "/admin/login"
        assert COOKIE not in browser.cookies
        browser.cookies = kept
        assert (await browser.open("/admin/audit")).status == 303
        # It changes something, so that no link may do it.
        other = await signed(gate, await key_of(gate, "other", role="admin"))
        assert (await other.open("/admin/logout")).status == 405

    play(tmp_path, act)


def at(gate: House, later: float) -> None:
    """Let so many seconds pass for whoever asks for the time."""
    services = gate.gateway.services
    now = services.now() + later
    gate.gateway._services = msgspec.structs.replace(services, now=lambda: now)


def test_an_unused_session_ends(tmp_path: Path) -> None:
    """A session nobody used for long is over; one that was used meanwhile is not."""

    async def act(gate: House) -> None:
        browser = await signed(gate)
        for _ in range(3):
            at(gate, IDLE_S * 0.9)
            assert (await browser.open("/admin/audit")).status == 200
        at(gate, IDLE_S + 1)
        assert (await browser.open("/admin/audit")).status == 303

    play(tmp_path, act)


def test_no_session_lasts(tmp_path: Path) -> None:
    """However much it is used, a session ends a day after it began."""

    async def act(gate: House) -> None:
        browser = await signed(gate)
        steps = int(LASTS_S / (IDLE_S * 0.9))
        for _ in range(steps):
            at(gate, IDLE_S * 0.9)
            assert (await browser.open("/admin/audit")).status == 200
        at(gate, LASTS_S - steps * IDLE_S * 0.9)
        assert (await browser.open("/admin/audit")).status == 303

    play(tmp_path, act)


def test_a_session_ends_with_its_key(tmp_path: Path) -> None:
    """Whoever's key is revoked is out at once; whose role is taken may not even look."""

    async def act(gate: House) -> None:
        key = await key_of(gate, "reader", role="reader")
        browser = await signed(gate, key)
        assert (await browser.open("/admin/audit")).status == 200
        await gate.gateway.directory.issuing(token_bytes).revoke("a test", "reader")
        assert (await browser.open("/admin/audit")).status == 303

    play(tmp_path, act)


def test_only_forms_of_the_session_count(tmp_path: Path) -> None:
    """An action without its session's token, with another's, or from another site's page changes nothing."""

    async def act(gate: House) -> None:
        browser = await signed(gate)
        other = await signed(gate, await key_of(gate, "another", role="admin"))
        entries = len(await gate.gateway.store.audit.rows(limit=1000))
        for part in parts(gate):
            if isinstance(part, Page):
                continue
            where = address(part)
            for form, headers in (
                ({}, {}),
                ({"token": "x"}, {}),
                ({"token": other.token}, {}),
                ({"token": browser.token}, {"origin": "https://evil.example"}),
                ({"token": browser.token}, {"sec-fetch-site": "cross-site"}),
                ({"token": browser.token}, {"sec-fetch-site": "same-site"}),
            ):
                answer = await browser.send(where, form, headers, proof=False)
                assert answer.status == 403, (part.path, form, headers)
            plain = {"content-type": "text/plain", "hx-request": "true"}
            assert (await browser.send(where, {}, plain)).status == 400, part.path
        assert len(await gate.gateway.store.audit.rows(limit=1000)) == entries
        for origin in ("https://evil.example", "null", "http://[", "127.0.0.1"):
            stranger = Browser(gate)
            answer = await stranger.send("/admin/login", {"key": "x"}, {"origin": origin}, proof=False)
            assert answer.status == 403, origin
        assert (await browser.send("/admin/logout", {"token": "x"}, proof=False)).status == 403
        assert (await browser.open("/admin/audit")).status == 200

    play(tmp_path, act)


def test_a_reader_changes_nothing(tmp_path: Path) -> None:
    """Every action that is the editor's is refused to who may look only, whatever its form says."""

    async def act(gate: House) -> None:
        browser = await signed(gate, await key_of(gate, "reader", role="reader"))
        entries = len(await gate.gateway.store.audit.rows(limit=1000))
        for part in parts(gate):
            if isinstance(part, Action) and part.may == "editor":
                answer = await browser.send(address(part), {"name": "x", "confirm": "x"})
                assert answer.status == 403, part.path
        assert len(await gate.gateway.store.audit.rows(limit=1000)) == entries

    play(tmp_path, act)


def test_every_page_is_one_for_its_viewer_alone(tmp_path: Path) -> None:
    """No cache keeps a page; its policy forbids foreign scripts, frames and forms, and it has none inline."""

    async def act(gate: House) -> None:
        browser = await signed(gate)
        for part in (*parts(gate), Page("/admin/login", None), Page("/admin/none", None)):  # type: ignore[arg-type]
            if not isinstance(part, Page):
                continue
            answer = await browser.open(address(part))
            assert answer.headers["cache-control"] == "no-store", part.path
            policy = answer.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert "form-action 'self'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            text = answer.body.decode()
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), part.path
            assert not re.search(r"<script(?![^>]* src=)", text), part.path
            assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text), part.path

    play(tmp_path, act)


@pytest.mark.parametrize(
    "after",
    [
        "//evil.example",
        "https://evil.example/admin",
        "/",
        "/adminx",
        "\\\\evil",
        "/admin\\..",
        "javascript:1",
    ],
)
def test_nobody_is_sent_elsewhere(tmp_path: Path, after: str) -> None:
    """Signing in leads to a page of the dashboard, whatever the address said."""

    async def act(gate: House) -> None:
        answer = await Browser(gate).sign_in(await admin_key(gate), after)
        assert answer.status == 303
        where = answer.headers["location"]
        assert where == HOME or where.startswith(f"{HOME}/")

    play(tmp_path, act)


def test_a_bug_is_told_and_shows_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a page, an action or at the door is a page that says so; its trace is the log's alone."""

    async def act(gate: House) -> None:
        browser = await signed(gate)
        told: list[str] = []

        async def bug(*_: object, **__: object) -> None:
            raise RuntimeError("a canary of a trace")

        def noted(words: str, _: Exception) -> None:
            told.append(words)

        gate.gateway._services = msgspec.structs.replace(gate.gateway.services, complain=noted)
        monkeypatch.setattr(gate.gateway.store.audit, "rows", bug)
        monkeypatch.setattr(gate.gateway.directory, "admit", bug)
        for answer in (
            await browser.open("/admin/audit"),
            await browser.open("/admin/audit", {"hx-request": "true"}),
            await Browser(gate).sign_in("sk-any"),
        ):
            assert answer.status == 500
            assert answer.headers["cache-control"] == "no-store"
            assert b"nternal error; the log has it" in answer.body
            assert b"canary" not in answer.body
        paths = ("/admin/audit", "/admin/audit", "/admin/login")
        assert told == [f"the page {path} failed on a bug" for path in paths]

    play(tmp_path, act)


def test_a_store_that_is_away_is_no_bug_at_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for who signs in over an old session, nor for who signs out, nor who only asks to."""

    async def act(gate: House) -> None:
        key = await admin_key(gate)
        browser = await signed(gate, key)

        async def away(*_: object, **__: object) -> None:
            raise Failure(Kind.UNAVAILABLE, "the store does not answer")

        monkeypatch.setattr(gate.gateway.store.sessions, "close", away)
        answers = [await browser.sign_in(key), await browser.send("/admin/logout", {})]
        monkeypatch.setattr(gate.gateway.store.sessions, "find", away)
        answers.append(await browser.open("/admin/login"))
        for answer in answers:
            assert (answer.status, b"he store does not answer" in answer.body) == (503, True)

    play(tmp_path, act)


def test_a_form_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    """Whoever promises a form and sends half of it holds no connection for ever."""

    async def act(gate: House) -> None:
        head = "host: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 99\r\n"
        answer = await ask(gate.port, f"POST /admin/login HTTP/1.1\r\n{head}\r\nkey=".encode())
        assert b"was not sent within 0.1 s" in answer.body
        assert 400 <= answer.status < 600
        assert b"Sign in" in answer.body

    play(tmp_path, act, DRAGOMAN_SERVER_BODY_TIMEOUT_S="0.1")


def test_a_page_says_what_it_does_not_have(tmp_path: Path) -> None:
    """An unknown page is a 404 in the dashboard's frame, a wrong method a 405, a wrong parameter a 400."""

    async def act(gate: House) -> None:
        browser = await signed(gate)
        for path, status in (
            ("/admin/none", 404),
            ("/admin/audit?before=x", 400),
            ("/admin/audit?by=1", 400),
        ):
            answer = await browser.open(path)
            assert (answer.status, b"Overview" in answer.body) == (status, True), path
            assert (b'role="alert"' in answer.body) == (status != 404), path
        for answer in (
            await browser.open("/admin/logout"),
            await Browser(gate).open("/admin/prices/reprice"),
        ):
            assert (answer.status, answer.headers["allow"]) == (405, "POST")
            assert answer.headers["content-security-policy"]
            assert b"does not take GET" in answer.body

    play(tmp_path, act)


def test_what_is_not_there_is_said_calmly(tmp_path: Path) -> None:
    """What it is, and where its list is: no alarm and no codes, in the frame and in the drawer alike."""

    async def act(gate: House) -> None:
        browser = await signed(gate)
        for path, told in (
            ("/admin/keys/none", "There is no key of this name"),
            ("/admin/keys/a%2Fb", "There is no key of this name"),
            ("/admin/teams/a%2Fb%3F", "There is no team of this name"),
            ("/admin/users/%2E%2E%2Fx", "There is no user of this name"),
            ("/admin/budgets/none", "There is no budget of this name"),
            ("/admin/requests/none", "There is no request of this id"),
        ):
            answer = await browser.open(path)
            page = answer.body.decode()
            [lost] = re.findall(r'<section class="nothing lost"(.*?)</section>', page, re.DOTALL)
            kind = path.split("/")[2]
            assert (answer.status, told in lost) == (404, True), (path, lost)
            assert f'<a class="button" href="/admin/{kind}">All {kind}</a>' in lost
            assert 'class="trouble"' not in page
            assert "not_found" not in page
        part = await browser.open("/admin/requests/none", {"hx-request": "true"})
        assert (part.status, b'class="nothing lost"' in part.body) == (404, True)

    play(tmp_path, act)


def test_one_address_has_two_faces(tmp_path: Path) -> None:
    """A browser gets the page, a program JSON by its key; a session is no key, and a key is no session."""

    async def act(gate: House) -> None:
        key = await admin_key(gate)
        browser = await signed(gate, key)
        assert (await browser.open("/admin/audit")).headers["content-type"].startswith("text/html")
        bearer = {"authorization": f"Bearer {key}"}
        told = await ask(gate.port, get("/admin/audit", bearer))
        assert told.json["entries"][-1]["action"] == "key.create"
        cookie = {"cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
        assert (await ask(gate.port, get("/admin/audit", cookie))).status == 401
        stranger = Browser(gate)
        assert (await stranger.open("/admin/audit", bearer)).status == 303

    play(tmp_path, act)
