"""People who click twice, print or have no scripts: nothing is lost, nothing offered that does nothing."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect
from tests.pages.browser import Browser
from tests.pages.dashboard import Office, call, fresh, signed_in

BODY = {"model": "sim-openai_chat/nobody-prices-this", "messages": [{"role": "user", "content": "Hello"}]}

TWICE = """() => {
  const form = document.querySelector("main form"), sent = [];
  const held = (event) => { sent.push(!event.defaultPrevented); event.preventDefault(); };
  addEventListener("submit", held);
  form.requestSubmit();
  form.requestSubmit();
  dispatchEvent(new Event("pageshow"));
  form.requestSubmit();
  removeEventListener("submit", held);
  dispatchEvent(new Event("pageshow"));
  return sent;
}"""
"""Sends the page's form twice, comes back, and sends it again; returns which of them would have gone out."""


def test_a_form_sent_twice_makes_one_key_and_shows_its_secret(browser: Browser, tmp_path: Path) -> None:
    """Who double-clicks gets the answer to the first click: the only one that has the secret."""
    with fresh(tmp_path) as office, signed_in(browser, office, at=None) as page:
        page.goto(f"{office.url}/admin/keys?new=1")
        page.get_by_label("Name", exact=True).fill("twice")
        assert page.evaluate(TWICE) == [True, False, True]
        page.get_by_role("button", name="Make key").dblclick()
        expect(page.get_by_role("heading", level=1, name="The key twice is made")).to_be_visible()
        assert page.locator("#secret code").inner_text().startswith("sk-dm-")
        # Whoever comes back may send the form again.
        page.go_back()
        page.get_by_label("Name", exact=True).fill("thrice")
        page.get_by_role("button", name="Make key").click()
        expect(page.get_by_role("heading", level=1, name="The key thrice is made")).to_be_visible()


def test_a_chart_does_not_tell_unknown_as_nothing(browser: Browser, tmp_path: Path) -> None:
    """Under the pointer, a stretch whose cost nobody knows is unknown: of each model, and of all together."""
    with fresh(tmp_path) as office, signed_in(browser, office, at=None) as page:
        for model in ("one", "two"):
            body = {**BODY, "model": f"sim-openai_chat/{model}"}
            with call(office, "/v1/chat/completions", body, office.keys["admin"]) as answer:
                assert answer.status == 200
                answer.read()
        page.goto(f"{office.url}/admin/usage?period=day&interval=hour&group_by=model")
        over = page.locator(".plot .u-over").first
        box = over.bounding_box()
        assert box is not None
        # The last bar is this hour's; it stands half a step and a bit from the right.
        page.mouse.move(box["x"] + box["width"] * (1 - 0.6 / 25), box["y"] + box["height"] / 2)
        tip = page.locator(".plot-tip").first
        expect(tip).to_contain_text("Total")
        assert tip.locator("b").all_inner_texts() == ["unknown"] * 3


def test_paper_has_no_buttons(browser: Browser, office: Office) -> None:
    """Printed, a page is its figures: no rail, no filters, nothing to be clicked."""
    with signed_in(browser, office) as page:
        page.goto(f"{office.url}/admin/usage")
        page.emulate_media(media="print")
        for part in (".house", ".rail", ".filters", ".page-tools"):
            expect(page.locator(part).first).to_be_hidden()
        expect(page.get_by_role("heading", level=1, name="Usage")).to_be_visible()
        expect(page.get_by_role("table").last).to_be_visible()


def test_nothing_is_offered_that_wants_a_script(browser: Browser, office: Office) -> None:
    """Without scripts there is no button that copies, and none that changes the shade."""
    with signed_in(browser, office, at=None, java_script_enabled=False) as page:
        page.goto(f"{office.url}/admin/requests/{office.rows()[0].id}")
        expect(page.locator("#theme")).to_be_hidden()
        copying = page.locator("[data-copy]")
        assert copying.count() > 0
        for number in range(copying.count()):
            expect(copying.nth(number)).to_be_hidden()
