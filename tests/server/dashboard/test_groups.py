"""The pages of teams and users: the same two, listed, made, changed and removed."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.server.dashboard.office import HOSTILE, Office, play, words
from tests.server.dashboard.signed import signed

from dragoman.accounts.issuing import terms_of
from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.server.dashboard import groups
from dragoman.store.keys import GroupKind
from dragoman.store.reports import Cell, Part

kinds = pytest.mark.parametrize("kind", get_args(GroupKind))


def names(page: str, kind: str) -> list[str]:
    """Return the names a list shows, in order."""
    return re.findall(rf'<th scope="row"><a href="/admin/{kind}s/([^"]+)">', page)


def seen(page: str) -> str:
    """Return the mark of the row that a form was made of."""
    [mark] = re.findall(r'name="seen" value="([^"]+)"', page)
    return str(mark)


@kinds
def test_they_stand_with_what_they_spent(tmp_path: Path, kind: GroupKind) -> None:
    """By name, keys or spending, with the sums of the ledger, the budget used furthest, and as CSV."""

    async def scene(office: Office) -> None:
        await office.group(kind, "apple", description=HOSTILE, limits=LimitTerms(parallel=2))
        await office.group(kind, "berry")
        await office.key("k1", **{kind: "berry"})
        await office.key("k2", **{kind: "berry"})
        await office.issuing.revoke("a test", "k2")
        of: dict[str, Any] = {kind: "berry"}
        await office.spend(3_000_000, **of)
        await office.budget("b", dollars="4", scope=kind, subject="berry")
        page = await office.page(f"/admin/{kind}s")
        assert names(page, kind) == ["apple", "berry"]
        assert HOSTILE in words(page)
        assert "<script>alert" not in page
        told = words(page)
        assert '$3.00</span> <span class="quiet-word">of $4.00' in told
        assert f'href="/admin/keys?{kind}=berry">1</a>' in told
        assert 'href="/admin/keys" aria-current="page"' in page
        assert names(await office.page(f"/admin/{kind}s?sort=spend"), kind) == ["berry", "apple"]
        assert names(await office.page(f"/admin/{kind}s?sort=keys"), kind) == ["berry", "apple"]
        assert names(await office.page(f"/admin/{kind}s?q=BER"), kind) == ["berry"]
        assert "None meets this search" in await office.page(f"/admin/{kind}s?q=zzz")
        answer = await office.browser.open(f"/admin/{kind}s?format=csv")
        rows = {row["name"]: row for row in csv.DictReader(io.StringIO(answer.body.decode()))}
        assert (rows["berry"]["month_cost_usd"], rows["berry"]["keys"]) == ("3", "1")
        assert (await office.browser.open(f"/admin/{kind}s?colour=red")).status == 400

    play(tmp_path, scene)


@kinds
def test_one_lives(tmp_path: Path, kind: GroupKind) -> None:
    """Made, shown, changed, not removed while a key belongs to it, and removed; the audit log has it all."""

    async def scene(office: Office) -> None:
        assert f"No {kind} was made yet" in await office.page(f"/admin/{kind}s")
        assert "group-form" in await office.page(f"/admin/{kind}s?new={kind}")
        page = await office.done(
            f"/admin/{kind}s", {"name": "apple", "labels": "a=1", "tokens_per_day": "50"}
        )
        assert f"The {kind} apple is made" in page
        assert "50 tok a day" in page
        assert "chart-spark" not in page  # the same days stand in the chart
        form = {"seen": seen(page), "description": HOSTILE, "models": "m\nn"}
        page = await office.done(f"/admin/{kind}s/apple", form)
        assert HOSTILE in words(page)
        row = await office.issuing.group(kind, "apple")
        assert terms_of(row.terms) == Terms(description=HOSTILE, models=("m", "n"))
        page = await office.refused(f"/admin/{kind}s/apple", {**form, "description": "late"}, status=409)
        assert "somebody changed this" in page
        await office.key("k1", **{kind: "apple"})
        assert "/admin/keys/k1" in await office.page(f"/admin/{kind}s/apple")
        page = await office.refused(f"/admin/{kind}s/apple/remove", {}, status=409)
        assert "keys belong to this" in page
        await office.issuing.revoke("a test", "k1")
        assert "is removed" in await office.done(f"/admin/{kind}s/apple/remove", {})
        assert await office.issuing.groups(kind) == []
        assert (await office.browser.open(f"/admin/{kind}s/apple")).status == 404
        entries = await office.gate.gateway.store.audit.rows(about=(f"{kind}.", "apple"))
        assert [entry.action for _, entry in entries] == [f"{kind}.remove", f"{kind}.put", f"{kind}.put"]
        assert {entry.actor for _, entry in entries} == {"boss"}

    play(tmp_path, scene)


@kinds
def test_what_cannot_be_made(tmp_path: Path, kind: GroupKind) -> None:
    """A name that is none, or taken, and terms that are none: told beside their fields, nothing replaced."""

    async def scene(office: Office) -> None:
        await office.group(kind, "taken", description="as it was")
        for form, at, status in (
            ({"name": HOSTILE}, "name", 400),
            ({"name": "taken"}, "name", 409),
            ({"name": ""}, "name", 400),
            ({"name": "new", "parallel": "x"}, "parallel", 400),
            ({"name": "new", "labels": "x"}, "labels", 400),
        ):
            page = await office.refused(f"/admin/{kind}s", {"description": "typed", **form}, status=status)
            assert f'id="{at}-fault"' in page
            assert 'value="typed"' in page
        [row] = await office.issuing.groups(kind)
        assert terms_of(row.terms).description == "as it was"

    play(tmp_path, scene)


@kinds
def test_budgets_of_one(tmp_path: Path, kind: GroupKind) -> None:
    """Set and removed where it is shown; an amount nobody can be sure of is refused there."""

    async def scene(office: Office) -> None:
        await office.group(kind, "apple")
        page = await office.refused(f"/admin/{kind}s/apple/budgets", {"cap": "1,5", "period": "day"})
        assert "without a comma" in page
        await office.done(f"/admin/{kind}s/apple/budgets", {"cap": "1.5", "period": "day", "hard": "yes"})
        [row] = await office.gate.gateway.store.budgets.rows()
        assert (row.scope, row.subject, row.cap_micros) == (kind, "apple", 1_500_000)
        assert row.name in await office.page(f"/admin/{kind}s/apple")
        await office.done(f"/admin/{kind}s/apple/budgets/remove", {"budget": row.name})
        assert await office.gate.gateway.store.budgets.rows() == []

    play(tmp_path, scene)


@kinds
def test_who_may_only_look_changes_nothing(tmp_path: Path, kind: GroupKind) -> None:
    """A reader sees both pages without a form, and every action is refused."""

    async def scene(office: Office) -> None:
        await office.group(kind, "apple")
        reader = await signed(office.gate, "sk-eye")
        for path in (f"/admin/{kind}s", f"/admin/{kind}s/apple", f"/admin/{kind}s?new={kind}"):
            page = (await reader.open(path)).body.decode()
            assert re.findall(r'method="post" action="([^"]+)"', page) == ["/admin/logout"]
        for what in ("", "/apple", "/apple/remove", "/apple/budgets", "/apple/budgets/remove"):
            assert (await reader.send(f"/admin/{kind}s{what}", {"name": "mine", "cap": "1"})).status == 403
        assert [row.name for row in await office.issuing.groups(kind)] == ["apple"]

    play(tmp_path, scene)


def test_addresses_are_quoted() -> None:
    """A name is one part of an address, whatever is in it."""
    assert groups.address("team", "a/b c") == "/admin/teams/a%2Fb%20c"


@kinds
def test_what_the_others_spent_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: GroupKind
) -> None:
    """Day by day the sums of one page alone; sorted and counted are all of them."""
    monkeypatch.setattr(groups, "SHOWN", 2)

    async def scene(office: Office) -> None:
        for number in range(5):
            await office.group(kind, f"g{number}")
            of: dict[str, Any] = {kind: f"g{number}"}
            await office.spend(1_000_000 * (number + 1), **of)
        reports = office.gate.gateway.store.reports
        read: list[tuple[list[str] | None, str | None]] = []
        cells = reports.cells

        async def noted(part: Part, **asked: Any) -> list[Cell]:
            among = asked.get("among")
            read.append((None if among is None else list(among), asked.get("every")))
            return await cells(part, **asked)

        monkeypatch.setattr(reports, "cells", noted)
        page = await office.page(f"/admin/{kind}s")
        assert (names(page, kind), f"5 {kind}s" in page) == (["g0", "g1"], True)
        assert read == [(["g0", "g1"], "day")]
        read.clear()
        page = await office.page(f"/admin/{kind}s?sort=spend&after=g3")
        assert names(page, kind) == ["g2", "g1"]
        assert "$3.00" in page
        assert read == [(None, None), (["g2", "g1"], "day")]

    play(tmp_path, scene)
