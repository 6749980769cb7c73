"""The page of keys: who they are and what they spent, found and sorted by the address; and a new one made."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.server.dashboard.office import HOSTILE, Office, play, words
from tests.server.dashboard.signed import signed

from dragoman.accounts.keys import well_formed
from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.core.failure import Failure, Kind
from dragoman.server.dashboard import caps, keys
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import Share, Window
from dragoman.store.keys import KeyRow, SecretRow
from dragoman.store.reports import Cell, Part

MONTH_S = 32 * 86_400


def names(page: str) -> list[str]:
    """Return the names of the keys a list shows, in order."""
    return re.findall(r'<th scope="row"><a href="/admin/keys/([^"]+)">', page)


async def furnish(office: Office) -> None:
    """Make some keys, and let them spend."""
    await office.group("team", "red")
    await office.group("user", "ann")
    await office.key("apple", team="red", terms=Terms(description=HOSTILE, labels={"x": "needle"}))
    await office.key(
        "berry", user="ann", role="reader", terms=Terms(limits=LimitTerms(requests_per_minute=0))
    )
    await office.key("cherry", team="red", user="ann")
    await office.issuing.revoke("a test", "cherry")
    await office.spend(2_500_000, key="apple")
    await office.spend(7, key="apple")
    await office.spend(None, key="berry")
    await office.spend(9_000_000, key="cherry", ago_s=MONTH_S)


def test_keys_stand_with_what_they_spent(tmp_path: Path) -> None:
    """Each by name with its state, limits, team; spending is the ledger's, unknown where nobody knows it."""

    async def scene(office: Office) -> None:
        await furnish(office)
        await office.budget("each", dollars="5", scope="key", subject="*")
        page = await office.page("/admin/keys")
        assert names(page) == ["apple", "berry", "boss", "eye"]
        rows = {name: words(row) for name, row in zip(names(page), page.split("<tr>")[2:], strict=True)}
        assert "$2.500007" in rows["apple"]
        assert '$2.50</span> <span class="quiet-word">of $5.00 a month<' in rows["apple"]
        assert ">unknown</span>" in rows["berry"]
        assert "any a min" in rows["berry"]
        assert "as everybody" in rows["apple"]
        assert ">config</span>" in rows["boss"]
        assert "not in 30 days" in rows["boss"]
        assert "not in 30 days" not in rows["apple"]
        assert 'href="/admin/teams/red"' in rows["apple"]
        assert "4 keys · 1 revoked not shown" in page
        assert "<script>alert" not in page
        assert HOSTILE in words(page)

    play(tmp_path, scene)


def test_filters_and_sort_are_in_the_address(tmp_path: Path) -> None:
    """Each filter leaves what it names, and none that is not known is taken."""

    async def scene(office: Office) -> None:
        await furnish(office)
        for query, found in (
            ("q=NEEDLE", ["apple"]),
            ("q=err&status=all", ["berry", "cherry"]),
            ("team=red", ["apple"]),
            ("team=-", ["berry", "boss", "eye"]),
            ("user=ann", ["berry"]),
            ("role=reader", ["berry", "eye"]),
            ("status=revoked", ["cherry"]),
            ("status=active&sort=spend&team=", ["apple", "berry", "boss", "eye"]),
            ("sort=created", ["berry", "apple", "boss", "eye"]),
        ):
            assert names(await office.page(f"/admin/keys?{query}")) == found, query
        for query, count in (("q=err", "1 key · 1 revoked not shown"), ("q=appl", "1 key<")):
            assert count in await office.page(f"/admin/keys?{query}"), query
        nothing = await office.page("/admin/keys?q=zzz")
        assert "No key is like that" in nothing
        for query in ("status=odd", "role=odd", "sort=odd", "colour=red"):
            assert (await office.browser.open(f"/admin/keys?{query}")).status == 400

    play(tmp_path, scene)


def test_a_long_list_has_pages(tmp_path: Path) -> None:
    """Fifty a page; the cursor is the last one's name, and one that is gone begins anew."""

    async def scene(office: Office) -> None:
        for number in range(keys.SHOWN + 5):
            await office.key(f"k{number:03}")
        first = await office.page("/admin/keys?q=k0")
        assert len(names(first)) == keys.SHOWN
        [after] = re.findall(r'href="([^"]+)" rel="next"', first)
        second = await office.page(after.replace("&amp;", "&"))
        assert names(first) + names(second) == [f"k{number:03}" for number in range(keys.SHOWN + 5)]
        assert 'rel="next"' not in second
        assert names(await office.page("/admin/keys?q=k0&after=gone")) == names(first)

    play(tmp_path, scene)


def test_the_list_as_csv(tmp_path: Path) -> None:
    """What is shown, as a file; nothing in it is run by a spreadsheet."""

    async def scene(office: Office) -> None:
        await office.key("apple", terms=Terms(description="=cmd|x"))
        await office.spend(1_250_000, key="apple")
        answer = await office.browser.open("/admin/keys?q=apple&format=csv")
        assert answer.headers["content-type"].startswith("text/csv")
        [row] = csv.DictReader(io.StringIO(answer.body.decode()))
        assert (row["name"], row["month_cost_usd"], row["month_requests"]) == ("apple", "1.25", "1")
        assert row["description"] == "'=cmd|x"

    play(tmp_path, scene)


def test_a_list_reads_windows_in_use_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys and budgets there are, those that were claimed from are not read one by one."""

    async def scene(office: Office) -> None:
        for number in range(3):
            await office.budget(f"each-{number}", dollars="5", scope="key", subject="*")
        secrets = [(await office.key(f"k{number}"))[1] for number in range(4)]
        for secret in secrets:
            assert await office.asked(secret) == 200
        await office.gate.rows(len(secrets))
        one_by_one: list[str] = []
        kept = office.gate.gateway.store.budgets
        window = kept.window

        async def noted(share: Share) -> Window:
            one_by_one.append(share.subject)
            return await window(share)

        monkeypatch.setattr(kept, "window", noted)
        page = await office.page("/admin/keys?q=k")
        assert names(page) == ["k0", "k1", "k2", "k3"]
        assert page.count("of $5.00") == 4
        assert one_by_one == []

    play(tmp_path, scene, DRAGOMAN_PRICES_DEFAULT_INPUT="10", DRAGOMAN_PRICES_DEFAULT_OUTPUT="30")


def test_a_new_key_is_told_though_its_budget_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is there has a secret that is shown, whatever became of the budget typed with it."""

    async def failing(*_: object) -> str:
        raise Failure(Kind.UNAVAILABLE, "the store is away")

    async def scene(office: Office) -> None:
        monkeypatch.setattr(caps, "put_about", failing)
        answer = await office.browser.send("/admin/keys", {"name": "apple", "cap": "5"})
        assert answer.status == 200
        page = words(answer.body.decode())
        assert "The key apple is made, and has no budget yet: the store is away" in page
        [secret] = set(re.findall(r"sk-dm-\w+", page))
        assert await office.asked(secret) == 200

    play(tmp_path, scene)


def test_a_new_key_shows_its_secret_once(tmp_path: Path) -> None:
    """It works with all that was typed, its command too; no other page and no cookie has the secret."""

    async def scene(office: Office) -> None:
        await office.group("team", "red")
        form = {
            "name": "apple",
            "role": "member",
            "team": "red",
            "user": "",
            "expires": "2099-01-01",
            "description": HOSTILE,
            "labels": "a=1\r\nb=<b>",
            "models": "sim-openai_chat/m",
            "models_add": "sim-*",
            "routes": "",
            "text": "no",
            "requests_per_minute": "60",
            "parallel": "0",
            "cap": "$12.50",
            "period": "week",
            "hard": "no",
        }
        answer = await office.browser.send("/admin/keys", form)
        assert answer.status == 200
        page = words(answer.body.decode())
        [secret] = set(re.findall(r"sk-dm-[A-Za-z0-9]+", page))
        assert well_formed(secret)
        assert await office.asked(secret) == 200
        assert answer.headers["cache-control"] == "no-store"
        assert secret not in str(answer.headers)
        [command] = re.findall(r"<pre[^>]*>(curl .*?)</pre>", page)
        told = shlex.split(command)
        assert f"Authorization: Bearer {secret}" in told
        assert json.loads(told[-1])["model"] == "sim-openai_chat/m"
        held = await office.issuing.show("apple")
        assert held.terms == Terms(
            description=HOSTILE,
            labels={"a": "1", "b": "<b>"},
            models=("sim-openai_chat/m", "sim-*"),
            text=False,
            limits=LimitTerms(requests_per_minute=60, parallel=0),
        )
        assert (held.row.team, held.row.role, held.row.expires_at) == ("red", "member", 4_070_908_800.0)
        [budget] = await office.gate.gateway.store.budgets.rows()
        assert (budget.scope, budget.subject, budget.cap_micros) == ("key", "apple", 12_500_000)
        assert (budget.period, budget.hard) == ("week", False)
        for path in ("/admin/keys", "/admin/keys/apple", "/admin/audit"):
            other = await office.page(path)
            assert secret not in other
            assert "<b>" not in other
        assert secret not in str(office.browser.cookies)

    play(tmp_path, scene)


def test_what_cannot_be_made_is_said_beside_its_field(tmp_path: Path) -> None:
    """Everything that was typed is still there, nothing is made, and the fault is the API's own."""

    async def scene(office: Office) -> None:
        await office.key("taken")
        typed = {"name": "apple", "description": HOSTILE, "labels": "a=1"}
        for more, field, fault in (
            ({"name": "<b>"}, "name", "cannot be a key's name"),
            ({"name": "taken"}, "name", "exists, or did"),
            ({"name": "boss"}, "name", "a key of the configuration has this name"),
            ({"team": "none"}, "team", "no team of this name"),
            ({"expires": "2001-01-01"}, "expires", "has passed"),
            ({"labels": "x"}, "labels", "no label"),
            ({"labels": "a b=1"}, "labels", "a label is a name"),
            ({"models": "a*b"}, "models", "no name"),
            ({"tokens_per_day": "many"}, "tokens_per_day", "whole number"),
            ({"requests_per_minute": "9999999999999"}, "requests_per_minute", "expected"),
            ({"cap": "12,50"}, "cap", "without a comma"),
            ({"role": "king"}, "role", "must be one of"),
        ):
            status = 409 if "exists" in fault or "configuration" in fault else 400
            page = await office.refused("/admin/keys", {**typed, **more}, status=status)
            [told] = re.findall(r'<p class="field-fault" id="([^"]+)-fault" role="alert">([^<]+)', page)
            assert told[0] == field
            assert fault in words(told[1]).replace("&#39;", "'")
            assert HOSTILE in words(page)
            assert "<script>alert" not in page
        assert [held.row.name for held in await office.issuing.keys()] == ["boss", "eye", "taken"]
        assert await office.gate.gateway.store.budgets.rows() == []

    play(tmp_path, scene)


def test_who_may_only_look_makes_none(tmp_path: Path) -> None:
    """A reader sees the list and no form that changes anything; what it sends all the same is refused."""

    async def scene(office: Office) -> None:
        await office.key("apple")
        reader = await signed(office.gate, "sk-eye")
        page = (await reader.open("/admin/keys")).body.decode()
        assert "apple" in names(page)
        assert "?new=key" not in page
        assert "key-form" not in (await reader.open("/admin/keys?new=key")).body.decode()
        answer = await reader.send("/admin/keys", {"name": "mine"})
        assert answer.status == 403
        assert [held.row.name for held in await office.issuing.keys()] == ["apple", "boss", "eye"]

    play(tmp_path, scene)


def test_the_form_opens_as_it_is_linked(tmp_path: Path) -> None:
    """A team's page links to a form that has the team; what is known of models and routes is offered."""

    async def scene(office: Office) -> None:
        form = await office.page("/admin/keys?new=key&team=red")
        assert 'name="team" type="text" value="red"' in form
        assert '<datalist id="known-routes"><option value="fast">' in form

    play(tmp_path, scene, DRAGOMAN_ALIASES='{"fast": "sim-openai_chat/m"}')


def test_limits_in_few_words() -> None:
    """What is its own only; 0 is any number."""
    terms = LimitTerms(requests_per_minute=60, tokens_per_day=2_000_000, parallel=0)
    assert keys.limits(terms) == "60 a min, 2M tok a day, any at once"
    assert keys.limits(LimitTerms()) == ""


async def crowd(office: Office, many: int) -> None:
    """Make many keys, the last of which spent most."""
    kept, now = office.gate.gateway.store.keys, office.gate.gateway.services.now()
    audit = AuditRow(now, "a test", "key.create", "k")
    for number in range(many):
        name = f"k{number:04}"
        secret = SecretRow(f"{number:064x}", name, now)
        assert await kept.add(KeyRow(name=name, created_at=now - number), secret, audit)
    for number in range(many - 3, many):
        await office.spend(1_000_000 * (number + 1), key=f"k{number:04}")


def test_what_the_others_spent_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Day by day the sums of one page's keys alone, however many there are; of all the month, to sort by."""

    async def scene(office: Office) -> None:
        await crowd(office, 3 * keys.SHOWN)
        reports = office.gate.gateway.store.reports
        read: list[tuple[int, str | None]] = []
        cells = reports.cells

        async def noted(part: Part, **asked: Any) -> list[Cell]:
            among = asked.get("among")
            read.append((-1 if among is None else len(among), asked.get("every")))
            return await cells(part, **asked)

        monkeypatch.setattr(reports, "cells", noted)
        first = await office.page("/admin/keys?q=k")
        assert (names(first)[-1], read) == (f"k{keys.SHOWN - 1:04}", [(keys.SHOWN, "day")])
        assert "150 keys" in first
        read.clear()
        dear = await office.page("/admin/keys?sort=spend&q=k")
        assert names(dear)[:4] == ["k0149", "k0148", "k0147", "k0000"]
        assert "$150.00" in dear
        assert read == [(-1, None), (keys.SHOWN, "day")]
        assert names(await office.page("/admin/keys?q=k0148")) == ["k0148"]
        read.clear()
        answer = await office.browser.open("/admin/keys?format=csv&q=k")
        told = {row["name"]: row for row in csv.DictReader(io.StringIO(answer.body.decode()))}
        assert (len(told), told["k0149"]["month_cost_usd"]) == (150, "150")
        assert read == [(-1, None)]

    play(tmp_path, scene)


def test_of_many_teams_one_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few one is chosen; of many the first are offered, and any of them is found by its name."""
    monkeypatch.setattr(keys, "CHOICES", 2)
    monkeypatch.setattr(keys, "KNOWN", 2)

    async def scene(office: Office) -> None:
        for name in ("blue", "green"):
            await office.group("team", name)
        await office.key("apple", team="green")
        assert '<select id="team"' in await office.page("/admin/keys")
        await office.group("team", "red")
        await office.key("berry", team="red")
        page = await office.page("/admin/keys?team=red")
        assert names(page) == ["berry"]
        assert '<input id="team" name="team" value="red" list="known-team"' in page
        [offered] = re.findall(r'<datalist id="known-team">(.*?)</datalist>', page)
        assert re.findall(r'value="([^"]*)"', offered) == ["blue", "green", "-"]
        assert names(await office.page("/admin/keys?team=-")) == ["boss", "eye"]

    play(tmp_path, scene)


def test_who_spent_nothing_has_no_curve(tmp_path: Path) -> None:
    """A dash, and no line along the ground: one that spent has its thirty days."""

    async def scene(office: Office) -> None:
        await office.key("apple")
        await office.key("berry")
        await office.spend(5, key="berry")
        page = await office.page("/admin/keys")
        assert (names(page)[:2], page.count("chart-spark")) == (["apple", "berry"], 1)

    play(tmp_path, scene)
