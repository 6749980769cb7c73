"""The Streamlit front end in a real browser, before a real gateway.

``SCREENSHOTS=docs/img`` keeps what it sees there, for the docs; otherwise it is thrown away.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from tests.stage import stage

from dragoman.simulator import Behaviour, Match, Rule, Script

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venvs" / "streamlit" / "bin" / "python"
CHROMIUM = shutil.which("chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE_MS = 30_000

CAPITAL = (
    "**Paris** is the capital of France. A ticket there costs $45 or $60, as you like.\n\n1. Louvre\n2. Orsay"
)
JOKE = "Why did the interpreter cross the court? To get the message to the other side."
GRAVITY = "Imagine you let go of a ball. The Earth pulls it down, gently and always: that pull is gravity."


def recipe() -> list[str]:
    """Return the command line of `make ui`."""
    found = re.search(
        r"^ui:.*\n\t@exec (.*streamlit_app\.py.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert found is not None
    return shlex.split(found[1])


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return where the front end is served, before a gateway that has something to tell."""
    for what, missing in (("the front end has no environment: make sdks", not PYTHON.exists()),
                          ("there is no chromium", CHROMIUM is None)):  # fmt: skip
        if missing:
            assert os.environ.get("CI") != "true", what
            pytest.skip(what)
    folder = tmp_path_factory.mktemp("front")
    script = Script(
        rules=(
            Rule(Match(contains="capital"), Behaviour(text=CAPITAL, latency_s=0.4)),
            Rule(Match(contains="joke"), Behaviour(text=JOKE, latency_s=0.9)),
        ),
        default=Behaviour(text=GRAVITY, latency_s=0.2),
    )
    with stage(folder, script, GEMINI_API_KEY="x", GROQ_API_KEY="x", OPENAI_API_KEY="x") as there:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        child = subprocess.Popen(
            [*recipe(), f"--server.port={port}"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "DRAGOMAN_URL": there.url,
                "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert child.stdout is not None
        try:
            assert any("URL:" in line for line in child.stdout), "the front end did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()
            child.communicate()


@pytest.fixture
def page(front: str) -> Iterator[Page]:
    """Return the front end in a window of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1)
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(front)
        yield page
        browser.close()


def keep(page: Page, name: str, folder: Path) -> None:
    """Take a picture, once the page has come to rest."""
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    chosen = os.environ.get("SCREENSHOTS")
    page.screenshot(
        path=(ROOT / chosen if chosen else folder) / f"streamlit-{name}.png", animations="disabled"
    )


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option of a list by typing it."""
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.fill(option)
    page.get_by_role("option", name=option, exact=True).click()


def ask(page: Page, prompt: str, words: str) -> None:
    """Send a prompt and wait for what is said."""
    field = page.get_by_placeholder("Your prompt")
    field.fill(prompt)
    field.press("Enter")
    expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_role("button", name="Rate").last).to_be_visible()


def test_a_person_asks_browses_and_looks_at_the_figures(page: Page, tmp_path: Path) -> None:
    """Prompt, rating, preview of a template, its way to the chat, and charts, by mouse and keyboard."""
    expect(page.get_by_text("providers ready")).to_be_visible()
    choose(page, "Model", "llama-3.1-8b-instant")
    ask(page, "What is the capital of France?", "is the capital of France. A ticket there costs $45 or $60")
    page.get_by_role("radio", name="4 out of 5 stars").click()
    page.get_by_placeholder("What was good, what was not?").fill("short and right")
    page.get_by_role("button", name="Rate").click()
    expect(page.get_by_text("Rated 4 of 5.")).to_be_visible()
    choose(page, "Model", "gemini-2.5-flash")
    ask(page, "Tell me a joke.", JOKE)
    keep(page, "chat", tmp_path)

    page.get_by_role("tab", name="Prompt templates").click()
    expect(page.get_by_role("button", name="Use in chat").first).to_be_visible()
    page.get_by_role("radio", name="General").click()
    card = page.locator(".st-key-card-friendly")
    card.get_by_role("textbox", name="topic").fill("gravity")
    card.get_by_role("textbox", name="audience").fill("kids")
    card.get_by_role("textbox", name="audience").press("Control+Enter")
    expect(page.get_by_text("Explain gravity to kids")).to_be_visible()
    keep(page, "templates", tmp_path)
    card.get_by_role("button", name="Use in chat").click()
    expect(page.get_by_role("textbox", name="topic")).to_have_value("gravity")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text(GRAVITY)).to_be_visible()

    page.get_by_role("tab", name="Analytics").click()
    expect(page.get_by_text("Over time")).to_be_visible()
    expect(
        page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg")
    ).to_have_count(7)
    keep(page, "analytics", tmp_path)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_nothing_is_wider_than_a_phone(page: Page) -> None:
    """At 360 pixels nothing scrolls sideways."""
    page.set_viewport_size({"width": 360, "height": 780})
    for tab, there in (
        ("Chat", page.get_by_placeholder("Your prompt")),
        ("Prompt templates", page.get_by_role("button", name="Use in chat").first),
        ("Analytics", page.get_by_text("Fallbacks")),
    ):
        page.get_by_role("tab", name=tab).click()
        expect(there).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0, tab
