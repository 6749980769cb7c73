"""The page of budgets: how each window stands, and budgets made, changed and removed."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import threading
from pathlib import Path

import pytest
from tests.accounts.rows import attempt, exchange
from tests.server.dashboard.office import HOSTILE, Office, play, words
from tests.server.dashboard.signed import signed

from dragoman.server.dashboard import budgets, caps
from dragoman.store import Meters
from dragoman.store.budgets import AlertRow, BudgetRow, Claim, Share

CONFIGURED = json.dumps({"fixed": {"dollars": 7, "zone": "Asia/Tokyo"}})


def names(page: str) -> list[str]:
    """Return the names of the budgets a list shows, in order."""
    return re.findall(r'<th scope="row"><a href="/admin/budgets/([^"]+)">', page)


def fault(page: str) -> str:
    """Return the field a page says is wrong."""
    [told] = re.findall(r'<p class="field-fault" id="([^"]+)-fault"', page)
    return str(told)


async def furnish(office: Office) -> None:
    """Make budgets that stand differently."""
    await office.budget("gone", dollars="1", scope="key", subject="apple", zone="Europe/Rome")
    await office.budget("near", dollars="2.5", scope="key", subject="apple", hard=False, alerts=[90])
    await office.budget("each", dollars="9", scope="team", subject="*", period="day")
    await office.spend(2_000_001, key="apple")


def test_how_budgets_stand(tmp_path: Path) -> None:
    """Those used furthest first, with what the ledger says, and when they begin anew by their own clocks."""

    async def scene(office: Office) -> None:
        await furnish(office)
        page = await office.page("/admin/budgets")
        assert names(page) == ["gone", "near", "fixed", "each"]
        rows = [words(row) for row in re.findall(r"<tr[ >].*?</tr>", page, re.DOTALL)]
        gone, near, fixed, each = rows[-4:]
        assert 'class="bad-row"' in gone
        assert "used up</span>" in gone
        assert "$2.00</span>" in gone
        assert 'title="$2.000001"' in gone
        assert "00:00 Europe/Rome" in gone
        assert 'href="/admin/keys/apple"' in gone
        assert "nearly used up" in near
        assert "only tells" in near
        assert "at 90 %" in near
        assert ">config</span>" in fixed
        assert "00:00 Asia/Tokyo" in fixed
        assert "each team; there is none yet" in each
        assert "4 windows of 4 budgets" in page
        answer = await office.browser.open("/admin/budgets?format=csv&state=used%20up")
        [row] = csv.DictReader(io.StringIO(answer.body.decode()))
        assert (row["budget"], row["spent_usd"], row["left_usd"]) == ("gone", "2.000001", "0")

    play(tmp_path, scene, DRAGOMAN_BUDGETS=CONFIGURED)


async def crowd(office: Office) -> None:
    """Have a budget for each of many keys, of which some have spent, made after they did."""
    for number in range(120):
        await office.spend(100_000 * number, key=f"key-{number:03}")
    await office.budget("each", dollars="10", scope="key", subject="*", period="total")
    await office.budget("rest", dollars="1", scope="key", subject="key-001", period="total")


def test_a_budget_for_each_is_one_line(tmp_path: Path) -> None:
    """As the one stands that is used furthest, with how many there are; who is looked for is told alone."""

    async def scene(office: Office) -> None:
        await crowd(office)
        page = await office.page("/admin/budgets")
        assert names(page) == ["each", "rest"]
        each = words(re.findall(r"<tr[ >].*?</tr>", page, re.DOTALL)[1])
        assert '<a href="/admin/budgets/each">each of 122 keys</a>' in each
        assert 'most by <a href="/admin/keys/key-119">key-119</a>' in each
        assert "$11.90</span>" in each
        assert "used up</span>" in each
        assert "20 of 122" in each
        assert "123 windows of 2 budgets" in page
        page = await office.page("/admin/budgets?state=used%20up")
        assert names(page) == ["each"] * 20
        assert "20 found of 123 windows" in page
        page = words(await office.page("/admin/budgets?q=key-001"))
        assert names(page) == ["rest", "each"]
        assert "each of" not in page
        answer = await office.browser.open("/admin/budgets?format=csv")
        rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
        assert len(rows) == 123
        told = {row["subject"]: float(row["spent_usd"]) for row in rows if row["budget"] == "each"}
        assert told == {f"key-{n:03}": n / 10 for n in range(120)} | {"boss": 0.0, "eye": 0.0}

    play(tmp_path, scene)


def test_everybody_a_budget_holds_for_is_on_its_page(tmp_path: Path) -> None:
    """Those used furthest first, a hundred at a time, looked for by name; and as a file."""

    async def scene(office: Office) -> None:
        await crowd(office)
        page = words(await office.page("/admin/budgets/each"))
        assert "20 used up · 20 nearly · 122 windows" in page
        told = re.findall(r'href="/admin/keys/([^"]+)"', page)
        assert told == [f"key-{119 - n:03}" for n in range(100)]
        [after] = re.findall(r'href="/admin/budgets/each\?after=([^"]+)"', page)
        rest = words(await office.page(f"/admin/budgets/each?after={after}"))
        assert re.findall(r'href="/admin/keys/([^"]+)"', rest) == [
            *(f"key-{19 - n:03}" for n in range(19)),
            *("boss", "eye", "key-000"),
        ]
        found = words(await office.page("/admin/budgets/each?q=KEY-00"))
        assert re.findall(r'href="/admin/keys/([^"]+)"', found) == [f"key-{9 - n:03}" for n in range(10)]
        assert "No key is called like that" in await office.page("/admin/budgets/each?q=nobody")
        answer = await office.browser.open("/admin/budgets/each?format=csv&q=eye")
        [row] = csv.DictReader(io.StringIO(answer.body.decode()))
        assert (row["subject"], row["spent_usd"], row["left_usd"]) == ("eye", "0", "10")
        assert (await office.browser.open("/admin/budgets/each?colour=red")).status == 400

    play(tmp_path, scene)


def test_a_list_and_the_page_of_one_agree(tmp_path: Path) -> None:
    """Of who has asked for nothing since a budget was made, and of who has: page, list and list of keys."""

    async def scene(office: Office) -> None:
        _, secret = await office.key("pear")
        await office.spend(1_250_000, key="pear")
        await office.budget("each", dollars="10", scope="key", subject="*", period="day", hard=False)
        gateway = office.gate.gateway
        await gateway.directory.refresh()
        for asks in (False, True):
            if asks:
                assert await office.asked(secret) == 200
            assert [one.subject for one in await gateway.store.budgets.windows()] == ["pear"] * asks
            for path in ("/admin/keys/pear", "/admin/keys?q=pear", "/admin/budgets/each?q=pear"):
                page = words(await office.page(path))
                assert '>$1.25</span> <span class="quiet-word">of $10.00' in page, path
            eye = words(await office.page("/admin/keys/eye"))
            assert '>$0</span> <span class="quiet-word">of $10.00' in eye

    play(tmp_path, scene)


def test_held_money_is_told(tmp_path: Path) -> None:
    """What requests under way hold is neither spent nor left."""

    async def scene(office: Office) -> None:
        await office.budget("b", dollars="2", scope="key", subject="apple", period="total")
        row = exchange("x", key="apple", state="reserved", meters=Meters())
        claim = Claim(500_000, (Share("b", "key", "apple", 0, 2_000_000),))
        await office.gate.gateway.store.open_exchange(row, attempt(row), claim)
        page = words(await office.page("/admin/budgets/b"))
        assert re.search(r"Held.*?>\$0.50<.*?Left.*?>\$1.50<", page)
        assert ">never</span>" in page
        assert "$2.00 in all for the key apple." in page

    play(tmp_path, scene)


def test_filters_and_sort_are_in_the_address(tmp_path: Path) -> None:
    """Each leaves what it names, and none that is not known is taken."""

    async def scene(office: Office) -> None:
        await furnish(office)
        for query, found in (
            ("q=APPLE", ["gone", "near"]),
            ("scope=team", ["each"]),
            ("state=nearly%20used%20up", ["near"]),
            ("sort=name", ["each", "gone", "near"]),
            ("sort=cap", ["each", "near", "gone"]),
            ("sort=name&after=each%20*", ["gone", "near"]),
        ):
            assert names(await office.page(f"/admin/budgets?{query}")) == found, query
        assert "No budget is like that" in await office.page("/admin/budgets?q=zzz")
        for query in ("state=odd", "scope=odd", "sort=odd", "colour=red"):
            assert (await office.browser.open(f"/admin/budgets?{query}")).status == 400

    play(tmp_path, scene)


def test_a_budget_lives(tmp_path: Path) -> None:
    """Made with all that was typed, shown, changed, told of, and removed; it holds at once."""

    async def scene(office: Office) -> None:
        kept = office.gate.gateway.store.budgets
        assert "dragoman budget set" in await office.page("/admin/budgets")
        assert 'value="apple"' in await office.page("/admin/budgets?new=budget&scope=key&subject=apple")
        form = {
            "name": "mine",
            "cap": "$12.50",
            "scope": "key",
            "subject": "apple",
            "period": "week",
            "zone": "Europe/Rome",
            "hard": "no",
            "alerts": "100, 20",
        }
        page = await office.done("/admin/budgets", form)
        assert "The budget mine is made" in page
        [row] = await kept.rows()
        assert row == BudgetRow(
            name="mine",
            scope="key",
            subject="apple",
            cap_micros=12_500_000,
            period="week",
            zone="Europe/Rome",
            hard=False,
            alerts=(20, 100),
            created_at=row.created_at,
        )
        await kept.tell(AlertRow("mine", "apple", 0, 20, 2_500_000, 12_500_000, 1e9))
        seen = caps.typed_cap(row)["seen"]
        change = {**form, "seen": seen, "cap": "20", "hard": "yes"}
        page = await office.done("/admin/budgets/mine", change)
        assert "20 %</td>" in page
        assert "budget.change" in page
        [row] = await kept.rows()
        assert (row.cap_micros, row.hard) == (20_000_000, True)
        page = await office.refused("/admin/budgets/mine", {**change, "cap": "30"}, status=409)
        assert "somebody changed this" in page
        assert 'value="30"' in page
        assert "is removed" in await office.done("/admin/budgets/mine/remove", {})
        assert await kept.rows() == []
        assert (await office.browser.open("/admin/budgets/mine")).status == 404

    play(tmp_path, scene)


def test_a_name_is_made_where_none_was_typed(tmp_path: Path) -> None:
    """Of whom it is about and for how long; a second one is another."""

    async def scene(office: Office) -> None:
        form = {"cap": "1", "scope": "model", "subject": "openai/gpt 4", "period": "day"}
        await office.done("/admin/budgets", form)
        await office.done("/admin/budgets", form)
        await office.done("/admin/budgets", {"cap": "1", "scope": "all", "period": "month"})
        await office.done("/admin/budgets", {"cap": "1", "scope": "key", "subject": "*", "period": "day"})
        assert [row.name for row in await office.gate.gateway.store.budgets.rows()] == [
            "everything-month",
            "key-each-day",
            "model-openai-gpt-4-day",
            "model-openai-gpt-4-day-2",
        ]

    play(tmp_path, scene)


def test_what_is_no_budget(tmp_path: Path) -> None:
    """Refused beside its field with all that was typed, and one that is there is not replaced."""

    async def scene(office: Office) -> None:
        await office.budget("taken", dollars="3")
        typed = {"name": "mine", "cap": "1", "scope": "key", "subject": "apple", "zone": "UTC"}
        for more, at, status in (
            ({"name": HOSTILE}, "name", 400),
            ({"name": "taken"}, "name", 409),
            ({"cap": "12,50"}, "cap", 400),
            ({"cap": ""}, "cap", 400),
            ({"subject": ""}, "subject", 400),
            ({"scope": "all"}, "subject", 400),
            ({"zone": HOSTILE}, "zone", 400),
            ({"alerts": "half"}, "alerts", 400),
        ):
            page = await office.refused("/admin/budgets", {**typed, **more}, status=status)
            assert fault(page) == at
            assert "<script>alert" not in page
        [row] = await office.gate.gateway.store.budgets.rows()
        assert (row.name, row.cap_micros) == ("taken", 3_000_000)

    play(tmp_path, scene)


def test_a_budget_of_the_configuration_is_read_only(tmp_path: Path) -> None:
    """It says where it stands, has no form, and refuses what is sent all the same."""

    async def scene(office: Office) -> None:
        page = await office.page("/admin/budgets/fixed")
        assert "[budgets.fixed]" in page
        assert "budget-form" not in page
        [row] = await office.gate.gateway.store.budgets.rows()
        form = {**caps.typed_cap(row), "cap": "1"}
        assert "stands in the configuration" in await office.refused("/admin/budgets/fixed", form, status=409)
        assert (await office.browser.send("/admin/budgets/fixed/remove", {})).status == 409
        assert await office.gate.gateway.store.budgets.rows() == [row]

    play(tmp_path, scene, DRAGOMAN_BUDGETS=CONFIGURED)


def test_who_may_only_look_changes_nothing(tmp_path: Path) -> None:
    """A reader sees the pages without a form, and every action is refused."""

    async def scene(office: Office) -> None:
        await office.budget("b", dollars="3")
        reader = await signed(office.gate, "sk-eye")
        for path in ("/admin/budgets", "/admin/budgets/b", "/admin/budgets?new=budget"):
            page = (await reader.open(path)).body.decode()
            assert re.findall(r'method="post" action="([^"]+)"', page) == ["/admin/logout"]
        for what in ("", "/b", "/b/remove"):
            assert (await reader.send(f"/admin/budgets{what}", {"name": "c", "cap": "1"})).status == 403
        assert [row.name for row in await office.gate.gateway.store.budgets.rows()] == ["b"]

    play(tmp_path, scene)


def test_a_long_list_goes_on_after_its_last() -> None:
    """A cursor that is gone begins anew."""
    found = [caps.Cap(BudgetRow(name=name, scope="all", cap_micros=1, created_at=0.0)) for name in "abc"]
    assert budgets._place(found, found[1].mark) == 2
    assert budgets._place(found, "gone") == 0


def test_of_forms_sent_at_once_one_is_taken(tmp_path: Path) -> None:
    """Those made of what it then no longer is are told so: nobody's change is overwritten unseen."""

    async def scene(office: Office) -> None:
        await office.budget("mine", dollars="1")
        await office.group("team", "red")
        kept = office.gate.gateway.store.budgets
        [row] = await kept.rows()
        mark = {"seen": caps.typed_cap(row)["seen"]}
        sent = [office.browser.send("/admin/budgets/mine", {**mark, "cap": str(cap)}) for cap in range(2, 8)]
        taken = [answer.status for answer in await asyncio.gather(*sent)]
        assert sorted(taken) == [303, 409, 409, 409, 409, 409]
        [row] = await kept.rows()
        assert row.cap_micros == (2 + taken.index(303)) * 1_000_000
        page = await office.page("/admin/teams/red")
        [seen] = re.findall(r'name="seen" value="([^"]+)"', page)
        forms = [{"seen": seen, "description": word} for word in "abcdef"]
        answers = await asyncio.gather(*(office.browser.send("/admin/teams/red", form) for form in forms))
        assert sorted(answer.status for answer in answers) == [303, 409, 409, 409, 409, 409]

    play(tmp_path, scene)


def test_tables_are_written_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of keys each has windows of its own: the thread that serves requests writes none."""
    aside: list[bool] = []
    write = budgets._table

    def written(found: list[caps.Cap]) -> str:
        aside.append(threading.current_thread() is not threading.main_thread())
        return write(found)

    monkeypatch.setattr(budgets, "_table", written)

    async def scene(office: Office) -> None:
        await crowd(office)
        for path, least in (("/admin/budgets", 121), ("/admin/budgets/each", 120)):
            answer = await office.browser.open(f"{path}?format=csv")
            assert answer.body.count(b"\r\n") >= least

    play(tmp_path, scene)
    assert aside == [True, True]
