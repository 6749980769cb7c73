"""How a person uses the playground, in a few words; and the providers it is tried on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect
from tests.stage import Stage, stage

from dragoman.simulator import Behaviour, Error, Match, Rule, Script

expect.set_options(timeout=20_000)

MODEL = "sim-openai_chat/quick"
STORY = "Between two courts that shared no word there lived an interpreter, and both believed him."
HOSTILE = (
    '<img src=x onerror="window.owned=1"><script>window.owned=1</script><b>bold</b>'
    " &lt; {{x}} javascript:alert(1)"
)

SCRIPT = Script(
    rules=(
        Rule(Match(model="endless"), Behaviour(tokens=100_000, tokens_per_s=60)),
        Rule(Match(model="hostile"), Behaviour(text=HOSTILE, chunk_size=7)),
        Rule(Match(model="thinker"), Behaviour(text=STORY, thinking="always")),
        Rule(Match(model="down"), Behaviour(error=Error(status=502, message=HOSTILE))),
        Rule(
            Match(model="busy"), Behaviour(error=Error(status=429, message="slow down", retry_after_s=9_000))
        ),
        Rule(Match(model="breaks", stream=True), Behaviour(text=STORY, error=Error(status=529, at_frame=6))),
    ),
    default=Behaviour(text=STORY, tokens_per_s=400),
)


@contextmanager
def playing(folder: Path, **settings: str) -> Iterator[Stage]:
    """Serve the playground before the simulator."""
    with stage(folder, SCRIPT, **settings) as there:
        yield there


def enter(page: Page, there: Stage, *, model: str = MODEL, dialect: str = "openai_chat") -> None:
    """Open the page and wait until it knows its models."""
    page.goto(f"{there.url}/?model={model}&dialect={dialect}")
    expect(page.locator("body[data-loaded]")).to_be_attached()


def send(page: Page, text: str = "Tell me a story.") -> None:
    """Write a message and send it with the keyboard."""
    page.fill("#message", text)
    page.press("#message", "Control+Enter")


def streamed(page: Page) -> Locator:
    """Return the streaming side."""
    return page.locator(".pane.streamed")


def whole(page: Page) -> Locator:
    """Return the waiting side."""
    return page.locator(".pane.whole")


def ended(page: Page, state: str = "done") -> None:
    """Wait until both sides have ended like this and the ledger has been asked."""
    for side in (streamed(page), whole(page)):
        expect(side).to_have_attribute("data-state", state)
        expect(side.locator(".ids")).to_be_visible()


def words(side: Locator) -> str:
    """Return what a side's model said."""
    return side.locator(".words").text_content() or ""


def bodies(there: Stage) -> list[Any]:
    """Return what the provider was asked, in order."""
    return [entry.body for entry in there.sim.journal.entries]
