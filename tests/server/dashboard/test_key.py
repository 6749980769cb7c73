"""The page of one key: everything about it, and all that can be done to it, by who may."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from tests.server.dashboard.booked import begin
from tests.server.dashboard.office import HOSTILE, Office, play, words
from tests.server.dashboard.signed import signed

from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.core.failure import Failure
from dragoman.server.dashboard import key
from dragoman.store.audit import AuditRow
from dragoman.store.keys import KeyRow, SecretRow

DAY_S = 86_400


def field(page: str, name: str, form: str) -> str:
    """Return what stands in a field of the form with this id."""
    [within] = re.findall(rf'<form[^>]*id="{form}">(.*?)</form>', page, re.DOTALL)
    found = re.search(rf'name="{name}" (?:type="[a-z]+" )?value="([^"]*)"', within)
    assert found is not None
    return found[1]


def test_everything_about_a_key(tmp_path: Path) -> None:
    """Its figures are the ledger's, its limits as they stand, its budgets, secrets and history are there."""

    async def scene(office: Office) -> None:
        await office.group("team", "red", limits=LimitTerms(tokens_per_day=1_000_000, parallel=9))
        now = office.gate.gateway.services.now()
        for number, whose in enumerate((("pear", "red"), ("apple", "red"), ("apple", "red"), ("pear", ""))):
            await begin(office.gate, number, now, key=whose[0], team=whose[1])
        terms = Terms(
            description=HOSTILE,
            labels={"x": HOSTILE.replace("\u202e", "")},
            models=("sim-*",),
            limits=LimitTerms(requests_per_minute=5, parallel=3),
        )
        held, secret = await office.key("apple", team="red", terms=terms)
        assert await office.asked(secret) == 200
        await office.gate.rows(1)
        await office.spend(1_500_000, key="apple")
        await office.spend(None, key="apple", ago_s=2 * DAY_S)
        await office.budget("own", dollars="2", scope="key", subject="apple", zone="Europe/Rome")
        await office.budget("of-all", dollars="100")
        page = words(await office.page("/admin/keys/apple"))
        assert "$1.50" in page
        assert "chart-spark" not in page  # the same days stand in the chart
        [plot] = re.findall(r'data-plot="(.*?)" role', page)
        values = json.loads(plot)["series"][0]["values"]
        assert values[-1] == 1.5
        assert values[-3] is None
        assert len(values) == 30
        assert re.search(r"Requests a minute <[^>]*>of this key.*?1 <[^>]*>of 5<", page)
        assert re.search(r"Requests at once <[^>]*>of this key</[^>]*>.{,90}?>2 <[^>]*>of 3<", page)
        assert re.search(r"Requests at once <[^>]*>of this key's team.*?>3 <[^>]*>of 9<", page)
        assert re.search(r"Tokens a day <[^>]*>of this key's team.*?of 1,000,000<", page)
        assert re.search(r'own</a> <span class="quiet-word">a month.*?\$1.50</span> <[^>]*>of \$2.00', page)
        assert "00:00 Europe/Rome" in page
        assert re.search(r"of-all</a> <[^>]*>a month, of everything", page)
        assert f"…{held.secrets[0].hint}</code>" in page
        assert "key.create" in page
        assert secret not in page
        assert "<script>alert" not in await office.page("/admin/keys/apple")
        assert '/admin/requests?key=apple"' in page

    play(tmp_path, scene)


def test_terms_are_changed(tmp_path: Path) -> None:
    """Sent as it is the form changes nothing; sent with other words it does, and the key is held to them."""

    async def scene(office: Office) -> None:
        terms = Terms(labels={"a": "1"}, models=("m", "n"), limits=LimitTerms(parallel=3))
        _, secret = await office.key("apple", terms=terms, expires_at=4_070_908_800.0)
        form = {
            "seen": field(await office.page("/admin/keys/apple"), "seen", "key-form"),
            "role": "member",
            "expires": "2099-01-01",
            "labels": "a=1",
            "models": "m\nn",
            "parallel": "3",
        }
        page = await office.done("/admin/keys/apple", form)
        assert "The key apple is changed" in page
        before = await office.issuing.show("apple")
        assert (before.terms, before.row.expires_at) == (terms, 4_070_908_800.0)
        form |= {"models": "sim-*", "expires": "", "requests_per_minute": "1"}
        await office.done("/admin/keys/apple", form)
        assert [await office.asked(secret), await office.asked(secret)] == [200, 429]
        assert (await office.issuing.show("apple")).row.expires_at is None

    play(tmp_path, scene)


def test_a_change_does_not_undo_another(tmp_path: Path) -> None:
    """A form that was opened before somebody changed the key is refused, and keeps what was typed."""

    async def scene(office: Office) -> None:
        await office.key("apple")
        seen = field(await office.page("/admin/keys/apple"), "seen", "key-form")
        await office.done("/admin/keys/apple", {"seen": seen, "role": "member", "description": "first"})
        page = await office.refused(
            "/admin/keys/apple", {"seen": seen, "role": "member", "description": HOSTILE}, status=409
        )
        assert "somebody changed this" in page
        assert HOSTILE in words(page)
        assert (await office.issuing.show("apple")).terms.description == "first"

    play(tmp_path, scene)


def test_a_fault_is_shown_in_the_form_that_was_sent(tmp_path: Path) -> None:
    """Beside its field, the form open; other forms of the page are as they were."""

    async def scene(office: Office) -> None:
        await office.key("apple")
        seen = field(await office.page("/admin/keys/apple"), "seen", "key-form")
        form = {"seen": seen, "role": "member", "team": "none", "parallel": "8"}
        page = await office.refused("/admin/keys/apple", form)
        assert 'id="team-fault"' in page
        assert re.search(r'<details class="panel-foot" open id="change">', page)
        assert field(page, "parallel", "key-form") == "8"
        page = await office.refused("/admin/keys/apple/rotate", {"overlap": "soon"})
        assert 'id="rotate-overlap-fault"' in page
        assert 'id="team-fault"' not in page
        page = await office.refused("/admin/keys/apple/rotate", {"overlap": "99999"})
        assert "8,784 hours at most" in page
        page = await office.refused("/admin/keys/apple/budgets", {"cap": "1,5", "period": "day"})
        assert 'id="budget-new-cap-fault"' in page
        assert len((await office.issuing.show("apple")).secrets) == 1

    play(tmp_path, scene)


def test_a_key_is_rotated(tmp_path: Path) -> None:
    """The new secret is shown once and works; the old one does until the overlap is over."""

    async def scene(office: Office) -> None:
        _, first = await office.key("apple")
        answer = await office.browser.send("/admin/keys/apple/rotate", {"overlap": "2"})
        page = words(answer.body.decode())
        [second] = set(re.findall(r"sk-dm-[A-Za-z0-9]+", page))
        assert [await office.asked(secret) for secret in (first, second)] == [200, 200]
        shown = words(await office.page("/admin/keys/apple"))
        assert second not in shown
        assert ">overlap</span>" in shown
        answer = await office.browser.send("/admin/keys/apple/rotate", {"overlap": "0"})
        [third] = set(re.findall(r"sk-dm-[A-Za-z0-9]+", answer.body.decode()))
        assert [await office.asked(secret) for secret in (first, second, third)] == [401, 401, 200]

    play(tmp_path, scene)


def test_a_key_is_revoked_by_its_name(tmp_path: Path) -> None:
    """Who does not type it revokes nothing; revoked it stays to be looked at, and is changed no more."""

    async def scene(office: Office) -> None:
        _, secret = await office.key("apple")
        page = await office.refused("/admin/keys/apple/revoke", {"confirm": HOSTILE})
        assert 'id="revoke-fault"' in page
        assert HOSTILE in words(page)
        assert await office.asked(secret) == 200
        page = await office.done("/admin/keys/apple/revoke", {"confirm": "apple"})
        assert "is revoked" in page
        assert await office.asked(secret) == 401
        assert ">revoked</span>" in page
        assert "/admin/keys/apple/revoke" not in page
        assert "/admin/keys/apple/rotate" not in page

    play(tmp_path, scene)


def test_budgets_are_set_where_the_key_is(tmp_path: Path) -> None:
    """Made, changed without losing its zone and alerts, and removed; one about others is not touched here."""

    async def scene(office: Office) -> None:
        await office.key("apple")
        kept = office.gate.gateway.store.budgets
        page = await office.done("/admin/keys/apple/budgets", {"cap": "$3", "period": "day", "hard": "yes"})
        assert "The budget key-apple-day holds" in page
        await office.budget("mine", dollars="9", scope="key", subject="apple", zone="Asia/Tokyo", alerts=[7])
        form = {"budget": "mine", "cap": "4.5", "period": "week", "hard": "no"}
        await office.done("/admin/keys/apple/budgets", form)
        rows = {row.name: row for row in await kept.rows()}
        assert (rows["mine"].cap_micros, rows["mine"].period, rows["mine"].hard) == (4_500_000, "week", False)
        assert (rows["mine"].zone, rows["mine"].alerts) == ("Asia/Tokyo", (7,))
        await office.budget("each", dollars="9", scope="key", subject="*")
        page = await office.refused("/admin/keys/apple/budgets", {**form, "budget": "each"})
        assert "about others as well" in page
        answer = await office.browser.send("/admin/keys/apple/budgets/remove", {"budget": "each"})
        assert answer.status == 400
        await office.done("/admin/keys/apple/budgets/remove", {"budget": "key-apple-day"})
        assert {row.name for row in await kept.rows()} == {"mine", "each"}

    play(tmp_path, scene)


def test_a_key_of_the_configuration_is_read_only(tmp_path: Path) -> None:
    """It says where it comes from, has no form but that of budgets, and refuses what is sent all the same."""

    async def scene(office: Office) -> None:
        page = await office.page("/admin/keys/eye")
        assert "It stands in the configuration" in page
        for what in ("rotate", "revoke"):
            assert f"/admin/keys/eye/{what}" not in page
        assert "key-form" not in page
        for path, form in (
            ("/admin/keys/eye/rotate", {"overlap": "1"}),
            ("/admin/keys/eye/revoke", {"confirm": "eye"}),
            ("/admin/keys/eye", {"seen": "x"}),
        ):
            assert "stands in the configuration" in await office.refused(path, form, status=409)
        await office.done("/admin/keys/eye/budgets", {"cap": "1", "period": "total", "hard": "yes"})
        assert "key-eye-total" in await office.page("/admin/keys/eye")

    play(tmp_path, scene)


def test_who_revokes_the_own_key_says_so_twice(tmp_path: Path) -> None:
    """The role of the key one is signed in with changes where its name is typed in its field."""

    async def scene(office: Office) -> None:
        _, secret = await office.key("chief", role="admin")
        office.browser = await signed(office.gate, secret)
        seen = field(await office.page("/admin/keys/chief"), "seen", "key-form")
        form = {"seen": seen, "role": "member"}
        page = await office.refused("/admin/keys/chief", form)
        assert 'id="confirm-fault"' in page
        answer = await office.browser.send("/admin/keys/chief", {**form, "confirm": "chief"})
        assert answer.status == 303
        assert (await office.issuing.show("chief")).row.role == "member"

    play(tmp_path, scene)


def test_who_may_only_look_changes_nothing(tmp_path: Path) -> None:
    """A reader sees the page without a form, and every action is refused."""

    async def scene(office: Office) -> None:
        await office.key("apple")
        await office.budget("own", dollars="2", scope="key", subject="apple")
        reader = await signed(office.gate, "sk-eye")
        page = (await reader.open("/admin/keys/apple")).body.decode()
        assert re.findall(r'method="post" action="([^"]+)"', page) == ["/admin/logout"]
        for what in ("", "/rotate", "/revoke", "/budgets", "/budgets/remove"):
            form = {"confirm": "apple", "cap": "1", "budget": "own", "overlap": "0"}
            assert (await reader.send(f"/admin/keys/apple{what}", form)).status == 403, what
        assert (await office.issuing.show("apple")).row.revoked_at is None
        assert len(await office.gate.gateway.store.budgets.rows()) == 1

    play(tmp_path, scene)


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    """A name nobody has, or the gateway's own, has no page; what was asked for is not repeated."""

    async def scene(office: Office) -> None:
        for name in ("nobody", "admin", "local", "%3Cb%3Ex", "a%2Fb"):
            answer = await office.browser.open(f"/admin/keys/{name}")
            assert answer.status == 404
            assert b"<b>x" not in answer.body

    play(tmp_path, scene)


def test_times_are_written_as_they_are_read() -> None:
    """A day as a date, else the instant: what a form shows means what it was made of."""
    assert key.written(4_070_908_800.0) == "2099-01-01"
    assert key.written(4_070_908_801.0) == "2099-01-01T00:00:01Z"
    assert key.written(4_070_908_801.25) == "4070908801.250000"


def test_terms_that_cannot_be_read_are_none() -> None:
    """A team whose terms are damaged does not take its keys' pages with it."""
    assert key._terms(b"{") == Terms()
    assert key._terms(b'{"description":"x"}') == Terms(description="x")


def test_roles() -> None:
    """One of three; missing, it asks models."""
    assert [key.role_of({"role": role}) for role in ("admin", "reader")] == ["admin", "reader"]
    assert key.role_of({}) == "member"
    with pytest.raises(Failure) as caught:
        key.role_of({"role": "king"})
    assert caught.value.at == "role"


def test_a_secret_holds_no_longer_than_its_key(tmp_path: Path) -> None:
    """Of a key that is revoked or ends, its secrets are told to end with it, and not when it is rotated."""

    async def scene(office: Office) -> None:
        await office.key("apple")
        assert "it is rotated" in await office.page("/admin/keys/apple")
        await office.issuing.revoke("a test", "apple")
        page = await office.page("/admin/keys/apple")
        assert "it is rotated" not in page
        assert re.search(r'data-label="Holds until"><span class="badge quiet">ended</span>', page)
        await office.key("berry", expires_at=office.gate.gateway.services.now() + 10 * DAY_S)
        page = words(await office.page("/admin/keys/berry"))
        assert "it is rotated" not in page
        assert re.search(
            r'data-label="Holds until"><time[^>]*>in 9 days</time> <span class="hint">with the key', page
        )

    play(tmp_path, scene)


def test_of_many_names_some_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page does not grow with the teams and users there are; any of them can be typed."""
    monkeypatch.setattr(key, "KNOWN", 1)

    async def scene(office: Office) -> None:
        for name in ("blue", "red"):
            await office.group("team", name)
            await office.group("user", name)
        await office.key("apple")
        page = await office.page("/admin/keys/apple")
        for kind in ("teams", "users"):
            assert f'<datalist id="known-{kind}"><option value="blue"></datalist>' in page
        form = {"seen": field(page, "seen", "key-form"), "role": "member", "team": "red", "user": "red"}
        await office.done("/admin/keys/apple", form)
        assert (await office.issuing.show("apple")).row.team == "red"

    play(tmp_path, scene)


def test_the_first_end_is_a_secrets_end() -> None:
    """Its own, its key's, or when that was taken back: whichever is first."""
    row = KeyRow(name="apple", created_at=1.0)
    secret = SecretRow("d", "apple", 1.0)
    assert key.ends(row, secret) is None
    assert key.ends(row, msgspec.structs.replace(secret, expires_at=9.0)) == 9.0
    late = msgspec.structs.replace(row, expires_at=7.0)
    assert key.ends(late, msgspec.structs.replace(secret, expires_at=9.0)) == 7.0
    assert key.ends(msgspec.structs.replace(late, revoked_at=3.0), secret) == 3.0


def test_an_expired_key_is_told_as_one(tmp_path: Path) -> None:
    """It has ended, its secrets with it; who rotates it is told that this lets nobody in."""

    async def scene(office: Office) -> None:
        kept, now = office.gate.gateway.store.keys, office.gate.gateway.services.now()
        row = KeyRow(name="apple", created_at=now - 60, expires_at=now - 30)
        audit = AuditRow(now, "a test", "key.create", "apple")
        assert await kept.add(row, SecretRow("d" * 64, "apple", now - 60), audit)
        await office.key("berry")
        page = await office.page("/admin/keys/apple")
        assert "<h2>Ended</h2>" in page
        assert re.search(r'data-label="Holds until"><span class="badge quiet">ended</span>', page)
        for name, told in (("apple", True), ("berry", False)):
            made = await office.browser.send(f"/admin/keys/{name}/rotate", {"overlap": "1"})
            assert (made.status, b"The key has expired" in made.body) == (200, told)
        assert "<h2>Ends</h2>" in await office.page("/admin/keys/berry")

    play(tmp_path, scene)
