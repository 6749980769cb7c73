"""Pictures of the playground as it looks now.

    python tests/pages/shots.py            all of them into docs/img: empty and full, good and bad
    python tests/pages/shots.py FOLDER     elsewhere

They are made of a real page before the simulator, which says the same at every run; the times in them are
measured. Look at them before a change of the page is called done: alignment, overflow, contrast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, expect  # noqa: E402  after the path is set
from tests.pages.browser import chromium, visit  # noqa: E402
from tests.pages.play import ended, enter, send, streamed, whole  # noqa: E402
from tests.stage import Stage, stage  # noqa: E402

from dragoman.simulator import Behaviour, Error, Match, Rule, Script  # noqa: E402

QUESTION = "Tell me a short story about an interpreter between two courts."
STORY = (
    "Between two courts that shared no common word there lived an interpreter. Each morning she crossed "
    "the bridge with a message, and each evening she came back with the answer.\n\n"
    "One day the kings quarrelled. “Tell him,” said the first, “that he is a fool.” She bowed, crossed "
    "the bridge and said: “My king asks what he has not understood.” The second king, who had expected "
    "an insult, sat down and explained. By evening there was a treaty.\n\n"
    "“What did I say that moved him so?” asked the first king. “Everything you meant,” she answered, "
    "“and nothing that you said. What I left out is written here.” And she gave him the list, for she "
    "never kept a loss to herself."
)
ARABIC = (
    "كان يا ما كان مترجم يعيش بين بلاطين لا تجمعهما كلمة واحدة. وكان كل منهما يصدقه، لأنه لم يُخفِ شيئًا قط."
)
SCRIPT = Script(
    rules=(
        Rule(
            Match(model="gpt-5.4-mini"),
            Behaviour(error=Error(status=429, message="Rate limit reached for requests", retry_after_s=20)),
        ),
        Rule(Match(contains="مترجم"), Behaviour(text=ARABIC, latency_s=0.3, tokens_per_s=30)),
    ),
    default=Behaviour(text=STORY, latency_s=0.3, tokens_per_s=45),
)
KEYS = {
    f"{name}_API_KEY": "sk-of-nobody"
    for name in ("ANTHROPIC", "GEMINI", "GROQ", "OPENAI", "COHERE", "MISTRAL")
}
MODEL = "claude-haiku-4-5"


@contextmanager
def playing(**settings: str) -> Iterator[Stage]:
    """Serve the playground until the block ends."""
    with TemporaryDirectory() as folder, stage(Path(folder), SCRIPT, **{**KEYS, **settings}) as there:
        yield there


def answered(page: Page, there: Stage) -> None:
    """Ask and wait for both answers."""
    enter(page, there, model=MODEL, dialect="anthropic")
    send(page, QUESTION)
    ended(page)
    expect(page.locator("#verdict strong")).to_be_visible()


def rated(page: Page, there: Stage) -> None:
    """Rate one of the answers, too, and look at a chunk of the stream."""
    answered(page, there)
    rating = streamed(page).locator(".rating")
    rating.get_by_label("5: excellent").check(force=True)
    expect(rating).to_contain_text("Saved")
    rating.get_by_label("feedback").fill("It kept the point of the story.")
    rating.get_by_role("button", name="Add").click()
    expect(rating).to_contain_text("with your words")
    page.locator("h1").evaluate("document.activeElement.blur()")


def under_way(page: Page, there: Stage) -> None:
    """Be in the middle of the stream."""
    enter(page, there, model=MODEL, dialect="openai_responses")
    send(page, QUESTION)
    expect(streamed(page).locator(".words")).to_contain_text("One day the kings")


def stopped(page: Page, there: Stage) -> None:
    """Stop in the middle."""
    under_way(page, there)
    page.keyboard.press(".")
    ended(page, "stopped")


def refused(page: Page, there: Stage) -> None:
    """Ask too much."""
    enter(page, there, model="gpt-5.4-mini")
    send(page, QUESTION)
    expect(whole(page).locator(".fault button")).to_be_disabled()


def choosing(page: Page, there: Stage) -> None:
    """Look for a model."""
    enter(page, there, model=MODEL, dialect="gemini")
    page.click("#model")
    page.keyboard.type("flash")


def filling(page: Page, there: Stage) -> None:
    """Fill in a template."""
    enter(page, there, model=MODEL)
    page.select_option("#template", "code_bug_fixer")
    page.fill("#variable-language", "Python")
    page.fill("#variable-problem", "The last row is missing.")
    page.fill("#variable-code", "for i in range(len(rows) - 1):\n    print(rows[i])")
    page.click("#preview summary")


def leftwards(page: Page, there: Stage) -> None:
    """Ask in a script that runs the other way."""
    enter(page, there, model="gemini-2.5-flash", dialect="gemini")
    send(page, "احكِ لي قصة قصيرة عن مترجم بين بلاطين.")
    ended(page)


def locked(page: Page, there: Stage) -> None:
    """Come without a key."""
    enter(page, there, model="")


SHOTS: tuple[tuple[str, Callable[[Page, Stage], None], int, str], ...] = (
    ("empty", lambda page, there: enter(page, there, model=MODEL), 1280, "light"),
    ("empty-dark", lambda page, there: enter(page, there, model=MODEL), 1280, "dark"),
    ("streaming", under_way, 1280, "light"),
    ("light", rated, 1280, "light"),
    ("dark", rated, 1280, "dark"),
    ("stopped-dark", stopped, 1280, "dark"),
    ("limited", refused, 1280, "light"),
    ("models-dark", choosing, 1280, "dark"),
    ("template", filling, 1280, "light"),
    ("rtl", leftwards, 1280, "light"),
    ("key", locked, 1280, "light"),
    ("phone-empty", lambda page, there: enter(page, there, model=MODEL), 360, "light"),
    ("phone-done", answered, 360, "light"),
    ("phone-stopped-dark", stopped, 360, "dark"),
)
"""Name, what was done, width, shade."""


def shoot(browser: Browser, there: Stage, folder: Path, name: str) -> Path:
    """Make one picture and return where it is."""
    [(_, act, width, scheme)] = [shot for shot in SHOTS if shot[0] == name]
    # What the README shows ends above the raw events; of the others all is wanted.
    whole_page = act not in (choosing, rated)
    height = 740 if width < 400 else 900 if whole_page else 1200
    with visit(browser, width=width, height=height, scheme="dark" if scheme == "dark" else "light") as page:
        act(page, there)
        path = folder / f"playground-{name}.png"
        page.screenshot(path=path, full_page=whole_page)
    return path


def main() -> None:
    """Make the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img"
    with chromium() as browser:
        for name, *_ in SHOTS:
            with playing(**({"API_KEYS": "somebody's"} if name == "key" else {})) as there:
                print(shoot(browser, there, folder, name))  # noqa: T201  it is what this program says


if __name__ == "__main__":
    main()
