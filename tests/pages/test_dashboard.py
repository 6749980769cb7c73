"""The whole of the dashboard walked through once in a real browser, as an operator does on the first day."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.pages.browser import Browser, visit
from tests.pages.dashboard import Office, Valve, call, fresh, sign_in, until, valve

from dragoman.server.dashboard import words
from dragoman.simulator import Behaviour, Script

MODEL = "claude-opus-5-5"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Tell me a story."}]}
CAP = 0.02


def go(page: Page, name: str) -> None:
    """Follow the rail to a page."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()


def asked(office: Office, secret: str) -> int:
    """Ask for a whole answer; return the status."""
    with call(office, "/v1/chat/completions", BODY, secret) as answer:
        answer.read()
        return answer.status


def listed(office: Office, secret: str) -> int:
    """Ask for the models that a key may ask; return the status."""
    with call(office, "/v1/models", None, secret) as answer:
        return answer.status


def test_the_first_day(browser: Browser, tmp_path: Path) -> None:
    """A key is made, used, watched, bounded, spent out, rotated and revoked, and who signs out is out."""
    script = Script(default=Behaviour(tokens=400))
    with valve() as way:
        settings = {
            "ANTHROPIC_API_KEY": "x",
            "DRAGOMAN_PROVIDERS": json.dumps({"anthropic": {"base_url": f"{way.url}/v1"}}),
        }
        with fresh(tmp_path, script, **settings) as office, visit(browser, height=800) as page:
            way.port = office.there.sim.port
            sign_in(page, office)
            expect(page.get_by_role("heading", name="No requests yet")).to_be_visible()
            secret = make_key(page)
            watch(page, office, way, secret)
            look_into(page, office)
            spend_out(page, office, secret)
            turn(page, office, secret)
            leave(page)


def make_key(page: Page) -> str:
    """Make a key, and read its secret where it is shown once."""
    go(page, "Keys")
    page.get_by_role("link", name="New key").first.click()
    page.get_by_label("Name", exact=True).fill("first")
    page.get_by_label("Description").fill("the first of all")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_role("heading", level=1, name="The key first is made")).to_be_visible()
    secret = page.locator("#secret code").inner_text()
    assert secret.startswith("sk-dm-")
    page.get_by_role("link", name="To the key").click()
    expect(page.get_by_role("heading", level=1, name="first", exact=True)).to_be_visible()
    assert secret not in page.content()
    return secret


def watch(page: Page, office: Office, way: Valve, secret: str) -> None:
    """See a request while it streams, on both pages that tell of it, and settled with what it cost."""
    answer = call(office, "/v1/chat/completions", {**BODY, "stream": True}, secret)
    assert answer.status == 200
    assert answer.readline().startswith(b"data: ")
    go(page, "Overview")
    live = page.locator("#live").get_by_role("row").filter(has_text="first")
    expect(live).to_contain_text("live")
    expect(live).to_contain_text(MODEL)
    go(page, "Requests")
    page.get_by_role("link", name="Watch live").click()
    row = page.get_by_role("row").filter(has_text=MODEL)
    expect(row).to_contain_text("live")
    expect(row).to_contain_text(re.compile(r"\d+ so far"))
    way.opened.set()
    answer.read()
    answer.close()
    expect(row).to_contain_text("settled")
    [settled] = office.rows()
    assert settled.meters.cost_micros
    expect(row).to_contain_text(words.money(settled.meters.cost_micros))


def look_into(page: Page, office: Office) -> None:
    """Open the drawer of that request: where its time went, whom it asked, what it cost line by line."""
    [settled] = office.rows()
    page.get_by_role("row").filter(has_text=MODEL).get_by_role("link").first.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("heading", level=2, name=MODEL)).to_be_visible()
    expect(page).to_have_url(re.compile(f"/admin/requests/{settled.id}"))
    expect(drawer.get_by_role("img", name=re.compile("^Where .* went"))).to_be_visible()
    expect(drawer.get_by_role("heading", name="1 attempt")).to_be_visible()
    expect(drawer).to_contain_text(f"anthropic/{MODEL}")
    bill = drawer.get_by_role("table", name="Its cost, line by line")
    expect(bill.get_by_role("row").last).to_contain_text(words.exact_money(settled.meters.cost_micros))
    drawer.get_by_role("button", name="Close").click()
    expect(drawer).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/admin/requests(\?|$)"))


def spend_out(page: Page, office: Office, secret: str) -> None:
    """Give the key a budget, use it up, and see so on three pages."""
    go(page, "Keys")
    page.get_by_role("link", name="first", exact=True).click()
    budgets = page.locator("#budgets")
    budgets.get_by_text("Set a budget").click()
    budgets.get_by_label("Cap in dollars").fill(str(CAP))
    budgets.get_by_role("button", name="Set budget").click()
    expect(page.get_by_role("status").first).to_contain_text("budget")
    statuses = [asked(office, secret)]
    while statuses[-1] == 200:
        assert len(statuses) < 2000  # a budget is known within a second, and until then nobody is refused
        statuses.append(asked(office, secret))
    assert statuses[-1] == 402
    page.reload()
    expect(budgets).to_contain_text("used up")  # or nearly: what is left does not pay for one more
    spent = words.money(sum(row.meters.cost_micros or 0 for row in office.rows()))
    expect(budgets).to_contain_text(f"{spent} of {words.money(CAP * 1_000_000)}")
    go(page, "Budgets")
    row = page.get_by_role("row").filter(has_text="first")
    expect(row).to_contain_text("used up")
    expect(row).to_contain_text(spent)
    go(page, "Alerts")
    alert = page.get_by_role("row").filter(has_text="first")
    until(page, alert.filter(has_text="80 %"))
    go(page, "Requests")
    expect(page.get_by_role("row").filter(has_text="failed").first).to_contain_text("exhausted")


def turn(page: Page, office: Office, secret: str) -> None:
    """Give the key another secret while the old one still holds, then revoke both."""
    go(page, "Keys")
    page.get_by_role("link", name="first", exact=True).click()
    page.get_by_label("Hours the old secret still holds").fill("1")
    page.get_by_role("button", name="Rotate: make a new secret").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("first")
    other = page.locator("#secret code").inner_text()
    assert other != secret
    assert [listed(office, one) for one in (secret, other)] == [200, 200]
    page.get_by_role("link", name="To the key").click()
    expect(page.locator("#secrets")).to_contain_text("overlap")
    revoke = page.locator("#revoke")
    revoke.get_by_role("textbox").fill("second")
    revoke.get_by_role("button", name="Revoke this key").click()
    expect(revoke.get_by_role("alert")).to_be_visible()
    assert listed(office, other) == 200
    revoke.get_by_role("textbox").fill("first")
    revoke.get_by_role("button", name="Revoke this key").click()
    expect(page.get_by_role("status").first).to_contain_text("revoked")
    assert [listed(office, one) for one in (secret, other)] == [401, 401]
    go(page, "Audit")
    for action in ("key.create", "budget", "key.rotate", "key.revoke"):
        expect(page.get_by_role("row").filter(has_text=action).first).to_be_visible()


def leave(page: Page) -> None:
    """Sign out: nothing of the session is left, and Back leads to the door."""
    page.get_by_role("button", name="Sign out").click()
    door = page.get_by_role("heading", level=1, name="Sign in")
    expect(door).to_be_visible()
    page.go_back()
    expect(door).to_be_visible()
    expect(page.get_by_text("key.revoke")).to_have_count(0)
