"""The playground in a real browser, before a real gateway: ask, compare, stop, rate, choose."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.pages.browser import Browser, missing, visit, wide
from tests.pages.play import MODEL, STORY, bodies, ended, enter, playing, send, streamed, whole, words

from dragoman.dialects.catalog import DIALECTS
from dragoman.prompts import Templates


def test_one_message_is_sent_both_ways(page: Page, tmp_path: Path) -> None:
    """Both sides are asked at once, both are answered, and one sentence says what streaming was worth."""
    with playing(tmp_path) as there:
        enter(page, there)
        send(page)
        ended(page)
        assert words(streamed(page)) == words(whole(page)) == STORY
        expect(page.locator("#verdict")).to_contain_text(re.compile(r"sooner when streamed|No difference"))
        asked = bodies(there)
        assert sorted(bool(body.get("stream")) for body in asked) == [False, True]
        assert all(body["messages"] == [{"role": "user", "content": "Tell me a story."}] for body in asked)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_spoken(page: Page, tmp_path: Path, dialect: str) -> None:
    """Words come out of streams and whole answers; system prompt and what was said before go along."""
    with playing(tmp_path) as there:
        enter(page, there, model="sim-anthropic/thinker", dialect=dialect)
        expect(page.locator("#dialect-path")).to_have_text(re.compile(r"^POST /(v1|v2|v1beta|api)/"))
        send(page, "One.")
        ended(page)
        assert words(streamed(page)) == words(whole(page)) == STORY
        expect(streamed(page).locator(".facts")).to_contain_text(re.compile(r"\d+ in · \d+ out"))
        expect(whole(page).locator(".facts")).to_contain_text(re.compile(r"\d+ in · \d+ out"))
        page.click("#options summary")
        page.fill("#system", "Be brief.")
        send(page, "Two.")
        expect(page.locator("#asked")).to_have_text("Two.")
        ended(page)
        for body in bodies(there)[2:]:
            assert "Be brief." in str(body["system"])
            said = [(one["role"], str(one["content"])) for one in body["messages"]]
            assert [role for role, _ in said] == ["user", "assistant", "user"]
            assert "One." in said[0][1]
            assert STORY in said[1][1]
            assert "Two." in said[2][1]


def test_a_stop_reaches_the_provider(page: Page, tmp_path: Path) -> None:
    """Stopping in the middle closes both upstream calls, and the ledger's own rows are shown as cancelled."""
    with playing(tmp_path) as there:
        enter(page, there, model="sim-openai_chat/endless")
        send(page)
        expect(streamed(page).locator(".words")).not_to_be_empty()
        expect(whole(page).locator(".big-clock")).to_contain_text(" s")
        page.keyboard.press(".")
        ended(page, "stopped")
        expect(streamed(page).locator(".cancelled")).to_contain_text(
            re.compile(r"^Cancelled after .*token.*upstream closed")
        )
        expect(whole(page).locator(".cancelled")).to_contain_text(re.compile(r"^Cancelled .*upstream closed"))
        assert [entry.outcome for entry in there.sim.journal.entries] == ["cancelled", "cancelled"]
        expect(page.locator("#stop")).to_be_disabled()


def test_an_answer_is_rated(page: Page, tmp_path: Path) -> None:
    """Stars are saved at once, words beside them replace the rating, and the ledger's row has both."""
    with playing(tmp_path) as there:
        enter(page, there)
        send(page)
        ended(page)
        rating = streamed(page).locator(".rating")
        rating.get_by_label("4: good").check(force=True)
        expect(rating).to_contain_text("Saved: good.")
        rating.get_by_label("feedback").fill("Clear and right.")
        rating.get_by_role("button", name="Add").click()
        expect(rating).to_contain_text("Saved: good, with your words.")
        told = page.request.get(
            f"{there.url}/v1/exchanges/{streamed(page).locator('.ids code').inner_text()}"
        ).json()
        assert told["rating"]["rating"] == 4
        assert told["rating"]["feedback"] == "Clear and right."


def test_the_ledger_is_quoted(page: Page, tmp_path: Path) -> None:
    """Tokens and cost are those of the ledger's row; a cost that nobody knows is called unknown."""
    with playing(tmp_path, GROQ_API_KEY="x") as there:
        enter(page, there, model="llama-3.1-8b-instant")
        expect(page.locator("#model-facts")).to_contain_text("per million tokens")
        send(page)
        ended(page)
        told = page.request.get(
            f"{there.url}/v1/exchanges/{streamed(page).locator('.ids code').inner_text()}"
        ).json()
        usage = told["usage"]
        expect(streamed(page).locator(".facts")).to_contain_text(
            f"{usage['input_tokens']} in · {usage['output_tokens']} out"
        )
        expect(streamed(page).locator(".figures")).to_contain_text("$0.0000")
        enter(page, there)
        send(page)
        ended(page)
        expect(streamed(page).locator(".figures")).to_contain_text("unknown")


def test_everything_goes_by_keyboard(page: Page, tmp_path: Path) -> None:
    """A model is found, a message sent and stopped, the hood opened and a star given without a pointer."""
    with playing(tmp_path, GROQ_API_KEY="x") as there:
        enter(page, there)
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("/")
        expect(page.locator("#popup")).to_be_visible()
        page.keyboard.type("llama 3.3")
        page.keyboard.press("Enter")
        expect(page.locator("#model")).to_have_value("llama-3.3-70b-versatile")
        expect(page.locator("#message")).to_be_focused()
        page.keyboard.type("A story, please.")
        page.keyboard.press("Control+Enter")
        ended(page)
        expect(page.locator("#message")).to_be_focused()
        page.locator("#tab-events").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Request")).to_be_focused()
        expect(page.locator("#tab-panel")).to_contain_text("curl")
        streamed(page).locator(".timeline").focus()
        page.keyboard.press("End")
        expect(streamed(page).locator(".readout")).to_contain_text(re.compile(r"^(\d+ )?chunks? at "))


def test_escape_closes_what_is_open(page: Page, tmp_path: Path) -> None:
    """The list of models, the key's panel and the options close with Esc, and the choice stays."""
    with playing(tmp_path) as there:
        enter(page, there)
        page.click("#model")
        page.keyboard.type("something else")
        page.keyboard.press("Escape")
        expect(page.locator("#popup")).to_be_hidden()
        expect(page.locator("#model")).to_have_value(MODEL)
        page.click("#key-button")
        expect(page.locator("#key")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#key-panel")).to_be_hidden()
        expect(page.locator("#key-button")).to_be_focused()
        page.click("#options summary")
        page.keyboard.press("Escape")
        expect(page.locator("#options")).not_to_have_attribute("open", "")


def test_another_model_and_dialect_are_taken(page: Page, tmp_path: Path) -> None:
    """The next message goes to the new model in the new dialect, with what was said before it."""
    with playing(tmp_path, ANTHROPIC_API_KEY="x") as there:
        enter(page, there)
        send(page, "One.")
        ended(page)
        page.click("#model")
        page.keyboard.type("haiku 4-5")
        page.locator('[role="option"]').first.click()
        page.select_option("#dialect", "cohere")
        send(page, "Two.")
        expect(page.locator("#asked")).to_have_text("Two.")
        ended(page)
        assert "dialect=cohere" in page.url
        assert "model=claude-haiku-4-5" in page.url
        last = [entry for entry in there.sim.journal.entries if entry.dialect == "anthropic"]
        assert len(last) == 2
        assert [one["role"] for one in last[0].body["messages"]] == ["user", "assistant", "user"]
        expect(page.locator("#thread-title")).to_contain_text("1 turn")


def test_a_reload_keeps_the_tab_and_nothing_else_does(browser: Browser, page: Page, tmp_path: Path) -> None:
    """Conversation and choice outlive a reload; another tab and a new conversation know nothing of it."""
    with playing(tmp_path) as there:
        enter(page, there, dialect="ollama")
        send(page, "Remember me.")
        ended(page)
        page.reload()
        expect(page.locator("body[data-loaded]")).to_be_attached()
        expect(page.locator("#dialect")).to_have_value("ollama")
        expect(page.locator("#model")).to_have_value(MODEL)
        expect(page.locator("#turns")).to_contain_text("Remember me.")
        with visit(browser) as other:
            enter(other, there)
            expect(other.locator("#thread")).to_be_hidden()
        page.click("#new")
        expect(page.locator("#thread")).to_be_hidden()
        assert page.evaluate("Object.keys(localStorage)") == []
        page.reload()
        expect(page.locator("body[data-loaded]")).to_be_attached()
        expect(page.locator("#thread")).to_be_hidden()


def test_a_new_conversation_may_begin_at_any_time(page: Page, tmp_path: Path) -> None:
    """In the middle of a stream it gives both requests up, clears the stage and is ready for a message."""
    with playing(tmp_path) as there:
        enter(page, there, model="sim-openai_chat/endless")
        send(page)
        expect(streamed(page).locator(".words")).not_to_be_empty()
        page.click("#new")
        expect(page.locator("#empty")).to_be_visible()
        expect(page.locator("#message")).to_be_focused()
        enter(page, there)
        expect(page.locator("#thread")).to_be_hidden()
        send(page, "Anew.")
        ended(page)
        assert [entry.outcome for entry in there.sim.journal.entries][:2] == ["cancelled", "cancelled"]
        assert len(bodies(there)[-1]["messages"]) == 1


def test_a_message_is_asked_again(page: Page, tmp_path: Path) -> None:
    """Sending again replaces the turn on the stage instead of adding to it."""
    with playing(tmp_path) as there:
        enter(page, there)
        send(page, "Again?")
        ended(page)
        page.click("#again")
        expect(page.locator("#again")).to_be_enabled()
        ended(page)
        assert [len(body["messages"]) for body in bodies(there)] == [1, 1, 1, 1]


def test_a_template_becomes_fields(page: Page, tmp_path: Path) -> None:
    """A template is filled in by the page as the gateway fills it in; what is missing is asked for first."""
    values = {"audience": "a sailor", "topic": "tides, {{audience}} & $& <b>"}
    with playing(tmp_path) as there:
        enter(page, there)
        page.select_option("#template", "friendly")
        page.fill("#variable-topic", values["topic"])
        page.keyboard.press("Control+Enter")
        expect(page.locator("#variable-audience")).to_be_focused()
        page.fill("#variable-audience", values["audience"])
        page.keyboard.press("Control+Enter")
        ended(page)
        filled = Templates(None, lambda *_: None).fill("friendly", values)
        assert bodies(there)[0]["messages"] == [{"role": "user", "content": filled}]


def test_options_are_sent(page: Page, tmp_path: Path) -> None:
    """System prompt, limit and temperature reach the provider; the cache is used when it is switched on."""
    with playing(tmp_path) as there:
        enter(page, there)
        page.click("#options summary")
        page.fill("#system", "Be brief.")
        page.fill("#max-tokens", "77")
        page.fill("#temperature", "0.5")
        with page.expect_request("**/v1/chat/completions") as first:
            send(page)
        ended(page)
        assert first.value.headers["cache-control"] == "no-store"
        body = bodies(there)[0]
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert (body["temperature"], 77 in body.values()) == (0.5, True)
        page.check("#cache")
        with page.expect_request("**/v1/chat/completions") as second:
            send(page)
        assert second.value.headers["x-dragoman-cache"] == "on"
        assert "no-store" not in second.value.headers.get("cache-control", "")


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_the_request_runs_as_a_program(page: Page, tmp_path: Path, language: str) -> None:
    """What is shown as a program asks the same when it is run as it stands; no key is written into it."""
    programs = {
        "curl": ["bash", "-c"],
        "Python": [sys.executable, "-c"],
        "JavaScript": ["node", "--input-type=module", "-e"],
    }
    if shutil.which(programs[language][0]) is None:
        missing(f"there is no {programs[language][0]} to run it")
    with playing(tmp_path, API_KEYS="sesame-9") as there:
        enter(page, there, dialect="anthropic")
        page.fill("#key", "sesame-9")
        page.press("#key", "Enter")
        expect(page.locator("#key-panel")).to_be_hidden()
        send(page, 'It\'s a "quoted" $HOME `story` \\ with ünïcode.')
        ended(page)
        page.click("#tab-request")
        page.get_by_role("button", name=language).click()
        program = page.locator("#tab-panel pre").inner_text()
        assert "sesame-9" not in program
        environ = {**os.environ, "DRAGOMAN_KEY": "sesame-9"}
        ran = subprocess.run(
            [*programs[language], program],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert "message_stop" in ran.stdout
        asked = bodies(there)
        assert asked[-1]["messages"] == asked[0]["messages"]


def test_events_and_headers_are_shown_as_they_came(page: Page, tmp_path: Path) -> None:
    """Under the hood are the events of the stream, the JSON of the whole answer, and the headers of both."""
    with playing(tmp_path) as there:
        enter(page, there, dialect="anthropic")
        send(page)
        ended(page)
        events = page.locator(".events li")
        expect(events.first).to_contain_text("message_start")
        expect(events.last).to_contain_text("message_stop")
        page.get_by_role("button", name="Whole answer").click()
        expect(events).to_have_count(1)
        expect(events).to_contain_text('"role": "assistant"')
        page.click("#tab-headers")
        expect(page.locator("#tab-panel")).to_contain_text("x-dragoman-id")
        page.click("#tab-losses")
        expect(page.locator("#tab-panel")).to_contain_text(re.compile(r"^None|could not carry"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_over_a_phone(browser: Browser, tmp_path: Path, scheme: str) -> None:
    """At 360 pixels nothing is wider than the window: empty, answered, with a list open, in either shade."""
    with playing(tmp_path) as there, visit(browser, width=360, height=740, scheme=scheme) as page:  # type: ignore[arg-type]
        enter(page, there, dialect="gemini")
        assert wide(page) <= 0
        send(page, "unbreakable" * 40)
        ended(page)
        assert wide(page) <= 0
        for tab in ("request", "headers", "losses"):
            page.click(f"#tab-{tab}")
            assert wide(page) <= 0
        page.click("#model")
        assert wide(page) <= 0
        luminous = page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] > 128"
        )
        assert luminous == (scheme == "light")


def test_the_shade_is_chosen_and_kept(page: Page, tmp_path: Path) -> None:
    """The switch goes from the system's shade to light to dark, and the choice outlives a reload."""
    with playing(tmp_path) as there:
        enter(page, there)
        page.click("#theme")
        page.click("#theme")
        expect(page.locator("#theme")).to_contain_text("Dark")
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_every_control_has_a_name(page: Page, tmp_path: Path) -> None:
    """Whatever can be used says what it is, and live parts announce themselves politely."""
    nameless = """() => [...document.querySelectorAll("input, select, textarea, button, [tabindex='0']")]
        .filter((one) => !(one.labels?.length || one.getAttribute("aria-label") || one.textContent.trim()
            || one.getAttribute("aria-labelledby")))
        .map((one) => one.outerHTML.slice(0, 80))"""
    with playing(tmp_path) as there:
        enter(page, there)
        send(page)
        ended(page)
        assert page.evaluate(nameless) == []
        assert page.locator('[role="log"]').count() == 2
        assert page.locator('[aria-live="assertive"], [role="alert"]').count() == 0
        expect(page.locator("#status")).to_contain_text(re.compile("sooner|No difference"))
