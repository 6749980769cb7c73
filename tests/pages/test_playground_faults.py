"""The playground when things go wrong: it says what failed and what to do, and runs nothing it was told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.pages.browser import Browser, visit
from tests.pages.play import HOSTILE, MODEL, STORY, ended, enter, playing, send, streamed, whole, words


def fault(page: Page) -> str:
    """Wait until both sides failed and return what the streaming one says of it."""
    for side in (streamed(page), whole(page)):
        expect(side).to_have_attribute("data-state", "failed")
        expect(side.locator(".fault")).to_be_visible()
    return streamed(page).locator(".fault").inner_text()


def test_an_unknown_model_leads_to_the_list(page: Page, tmp_path: Path) -> None:
    """A name nobody answers to is said to be one, and the button opens the list of models."""
    with playing(tmp_path) as there:
        enter(page, there, model="nobody-knows")
        expect(page.locator("#model-facts")).to_contain_text("not in the list")
        send(page)
        assert "Nobody answers to this model" in fault(page)
        expect(page.locator("#verdict")).to_have_text("Neither side was answered.")
        expect(page.locator("#message")).to_have_value("Tell me a story.")
        streamed(page).get_by_role("button", name="Choose a model").click()
        expect(page.locator("#popup")).to_be_visible()


@pytest.mark.parametrize(
    "dialect", ["openai_chat", "openai_responses", "anthropic", "gemini", "cohere", "ollama"]
)
def test_a_provider_that_failed_is_named(page: Page, tmp_path: Path, dialect: str) -> None:
    """In every dialect the fault is called the provider's, and sending again is offered."""
    with playing(tmp_path) as there:
        enter(page, there, model="sim-openai_chat/down", dialect=dialect)
        send(page)
        assert re.search(r"provider.*failed", fault(page))
        expect(streamed(page).get_by_role("button", name="Send again")).to_be_enabled()
        assert page.evaluate("window.owned") is None


def test_a_limit_counts_down(page: Page, tmp_path: Path) -> None:
    """Too many requests: the button says in how many seconds it will help, and does not work before."""
    with playing(tmp_path) as there:
        enter(page, there, model="sim-openai_chat/busy")
        send(page)
        assert "Too many requests" in fault(page)
        button = streamed(page).locator(".fault button")
        expect(button).to_have_text(re.compile(r"Send again in \d+ s"))
        expect(button).to_be_disabled()


def test_an_answer_that_breaks_off_is_no_answer(page: Page, tmp_path: Path) -> None:
    """What came before the fault stays readable beside what failed; the other side is not touched."""
    with playing(tmp_path) as there:
        enter(page, there, model="sim-openai_chat/breaks", dialect="anthropic")
        send(page)
        expect(streamed(page)).to_have_attribute("data-state", "failed")
        expect(streamed(page).locator(".fault")).to_contain_text("The answer broke off")
        expect(whole(page)).to_have_attribute("data-state", "done")
        assert STORY.startswith(words(streamed(page)))
        assert words(streamed(page))
        expect(page.locator("#verdict")).to_have_text("Only the whole answer came.")


UNFINISHED = {
    "openai_chat": 'data: {"choices": [{"index": 0, "delta": {"content": "Half"}}]}\n\n',
    "openai_responses": 'data: {"type": "response.output_text.delta", "delta": "Half"}\n\n',
    "anthropic": 'data: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Half"}}\n\n',
    "gemini": 'data: {"candidates": [{"content": {"parts": [{"text": "Half"}]}}]}\n\n',
    "cohere": 'data: {"type": "content-delta", "delta": {"message": {"content": {"text": "Half"}}}}\n\n',
    "ollama": '{"message": {"role": "assistant", "content": "Half"}, "done": false}\n',
}
"""A stream that ends without its dialect's end, as a proxy on the way may leave it."""


@pytest.mark.parametrize("dialect", UNFINISHED)
def test_half_an_answer_is_not_called_complete(page: Page, tmp_path: Path, dialect: str) -> None:
    """A stream that ends without saying so has failed, however good its words are."""
    with playing(tmp_path) as there:
        enter(page, there, dialect=dialect)
        answer = UNFINISHED[dialect]
        asked = re.compile(r"/(completions|responses|messages|chat|models/.*:.*)(\?.*)?$")
        page.route(asked, lambda route: route.fulfill(status=200, body=answer))
        send(page)
        expect(streamed(page)).to_have_attribute("data-state", "failed")
        expect(streamed(page).locator(".fault")).to_contain_text("The answer broke off")
        assert words(streamed(page)) == "Half"


def test_a_gateway_that_is_gone_is_missed(page: Page, tmp_path: Path) -> None:
    """With nobody listening any more the page says so, on the stage and after a reload of its lists."""
    with playing(tmp_path) as there:
        enter(page, there)
    send(page)
    assert "The gateway does not answer" in fault(page)
    page.evaluate(
        "document.getElementById('key').value = 'k'; document.getElementById('key-panel').requestSubmit()"
    )
    expect(page.locator("#banner")).to_contain_text("does not answer")


def test_a_key_is_asked_for_and_stays_in_the_tab(browser: Browser, page: Page, tmp_path: Path) -> None:
    """A gateway with keys asks for one; it is sent as a bearer token, and only this tab has it."""
    with playing(tmp_path, API_KEYS="sesame-9") as there:
        enter(page, there)
        expect(page.locator("#key")).to_be_focused()
        expect(page.locator("#key-panel")).to_contain_text("asks for a key")
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-state")).to_have_text("Key ••••")
        expect(page.locator("#key-panel")).to_be_visible()
        page.fill("#key", "sesame-9")
        page.keyboard.press("Enter")
        expect(page.locator("#key-panel")).to_be_hidden()
        with page.expect_request("**/v1/chat/completions") as asked:
            send(page)
        assert asked.value.headers["authorization"] == "Bearer sesame-9"
        ended(page)
        assert page.evaluate("JSON.stringify(localStorage) + document.cookie") == "{}"
        assert "sesame-9" not in page.content()
        with visit(browser) as other:
            enter(other, there)
            expect(other.locator("#key-panel")).to_be_visible()
        page.click("#key-button")
        page.click("#key-forget")
        expect(page.locator("#key-panel")).to_contain_text("asks for a key")
        assert page.evaluate("sessionStorage.getItem('dragoman.key')") is None


def test_a_key_that_is_taken_away_is_asked_for_again(page: Page, tmp_path: Path) -> None:
    """An answer of 401 on the stage leads to the place for the key."""
    with playing(tmp_path) as there:
        enter(page, there)
        refused = '{"error": {"message": "this key is not known"}}'
        page.route("**/v1/chat/completions", lambda route: route.fulfill(status=401, body=refused))
        send(page)
        assert "asks for a key" in fault(page)
        streamed(page).get_by_role("button", name="Enter a key").click()
        expect(page.locator("#key")).to_be_focused()


def test_what_others_wrote_is_text(page: Page, tmp_path: Path) -> None:
    """Markup in answers, messages, templates and the names of models stays text, wherever it is shown."""
    with playing(tmp_path) as there:
        told = {"models": [{"id": HOSTILE, "provider": HOSTILE, "title": HOSTILE}], "note": HOSTILE}
        templates = [
            {
                "id": "t",
                "title": HOSTILE,
                "category": HOSTILE,
                "tags": [HOSTILE],
                "variables": [HOSTILE],
                "prompt": HOSTILE,
            }
        ]
        page.route("**/models", lambda route: route.fulfill(json=told))
        page.route("**/templates", lambda route: route.fulfill(json=templates))
        enter(page, there, model="sim-openai_chat/hostile")
        page.click("#model")
        expect(page.locator('[role="option"]').first).to_contain_text("<img")
        page.keyboard.press("Escape")
        page.select_option("#template", "t")
        expect(page.locator("#template-facts")).to_contain_text("<script>")
        page.select_option("#template", "")
        send(page, HOSTILE)
        ended(page)
        assert words(streamed(page)) == words(whole(page)) == HOSTILE
        page.click("#tab-request")
        expect(page.locator("#tab-panel pre")).to_contain_text("onerror")
        send(page, "And again.")
        ended(page)
        page.click("#thread summary")
        expect(page.locator("#turns")).to_contain_text("<script>window.owned=1</script>")
        assert page.locator("main img, main script, main b").count() == page.locator(".events b").count()
        assert page.evaluate("window.owned") is None


def test_without_a_provider_it_says_what_to_set(page: Page, tmp_path: Path) -> None:
    """A gateway that nobody answers behind tells which key to configure, and still lists what it knows."""
    with playing(tmp_path, DRAGOMAN_SIMULATOR_URL="") as there:
        enter(page, there, model="")
        expect(page.locator("#banner")).to_contain_text("no provider is configured")
        expect(page.locator("#model")).not_to_have_value("")


def test_it_works_where_a_page_is_not_served(page: Page, tmp_path: Path) -> None:
    """Without ledger pages, templates and ratings the answers are still there, and nothing is made up."""
    with playing(tmp_path) as there:
        for path in ("**/v1/exchanges/*", "**/templates", "**/rate"):
            page.route(path, lambda route: route.fulfill(status=404, body="{}"))
        enter(page, there)
        expect(page.locator("#template")).to_be_disabled()
        send(page)
        ended(page)
        expect(streamed(page).locator(".figures")).not_to_contain_text("$")
        streamed(page).get_by_label("5: excellent").check(force=True)
        expect(streamed(page).locator(".rating")).to_contain_text("takes no ratings")
        assert MODEL.split("/")[0] in streamed(page).locator(".facts").inner_text()
