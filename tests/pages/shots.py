"""Pictures of the playground and of the dashboard as they look now.

    python tests/pages/shots.py                     all of them into docs/img: empty and full, good and bad
    python tests/pages/shots.py FOLDER              elsewhere
    python tests/pages/shots.py FOLDER dashboard    of one face only; or of some of its pages: dashboard keys

They are made of real pages before the simulator, which says the same at every run; the times in those of the
playground are measured, the dashboard shows the demo's month. Look at them before a change of a page is
called done: alignment, overflow, contrast.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, expect  # noqa: E402  after the path is set
from tests.pages.browser import chromium, visit  # noqa: E402
from tests.pages.dashboard import AT, PLACES, Office, book_month, call, fresh, looking, signed_in  # noqa: E402
from tests.pages.palette import small  # noqa: E402
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


TALLEST = 1200
"""Pixels of a page that are shown; the rest of a long list is like its beginning."""

FACES: tuple[tuple[str, int, int, Literal["light", "dark"]], ...] = (
    ("light", 1280, 800, "light"),
    ("dark", 1280, 800, "dark"),
    ("phone", 360, 740, "light"),
)
"""Name, width, height, shade."""

ASKING: Mapping[str, str] = MappingProxyType(
    {"support-bot": "assistant", "docs-assistant": "assistant", "code-review": "careful"}
)
"""Who has a request under way in the pictures that show some, and what they ask."""

NEUTRAL = """(found) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    for (const [from, to] of found) {
      const node = walker.currentNode;
      if (node.textContent.includes(from)) node.textContent = node.textContent.replaceAll(from, to);
    }
  }
}"""
"""Puts neutral words in place of this machine's folders and ports."""


def open_request(page: Page, office: Office) -> None:
    """Open a request's drawer: one that was tried twice."""
    row = next(row for row in office.rows() if row.attempts > 1 and row.meters.cost_micros)
    page.goto(f"{office.url}/admin/requests?id={row.id}")
    page.locator(f"[id='request-{row.id}']").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def grouped(page: Page, office: Office) -> None:
    """Explore usage by key, beside the week before."""
    page.goto(f"{office.url}/admin/usage?period=week&group_by=key&compare=previous")


def mistaken(page: Page, office: Office) -> None:
    """Type something that is no number into the form of a new key."""
    page.goto(f"{office.url}/admin/keys?new=key")
    page.get_by_label("Name", exact=True).fill("night-shift")
    page.get_by_label("Requests a minute").fill("many")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_role("alert")).to_be_visible()


def nowhere(page: Page, office: Office) -> None:
    """Look for a key that is not there."""
    page.goto(f"{office.url}/admin/keys/nobody")


def not_found(page: Page, office: Office) -> None:
    """Filter until nothing is left."""
    page.goto(f"{office.url}/admin/requests?key=code-review&failure=timeout&cached=yes")


DRIVEN: Mapping[str, Callable[[Page, Office], None]] = MappingProxyType(
    {
        "request": open_request,
        "usage-compared": grouped,
        "fault": mistaken,
        "missing": nowhere,
        "none": not_found,
    }
)
"""Pages, and states of them, that are come to by doing something."""


@contextmanager
def asking(office: Office) -> Iterator[None]:
    """Have some requests under way until the block ends, the words of which have begun to come."""
    with ExitStack() as answers:
        for key, model in ASKING.items():
            said = [{"role": "user", "content": "Tell it at length."}]
            body = {"model": model, "messages": said, "stream": True}
            answer = answers.enter_context(call(office, "/v1/chat/completions", body, office.keys[key]))
            for _ in range(20):
                answer.readline()
        yield


def shoot_page(
    page: Page, office: Office, name: str, *, tallest: int, act: Callable[[Page, Office], None] | None = None
) -> bytes:
    """Return a picture of a page, from its head on."""
    with asking(office) if name in ("overview", "requests") else nullcontext():
        page.clock.set_fixed_time(office.there.gate.gateway.services.now())
        if act is not None:
            act(page, office)
        else:
            page.goto(office.url + PLACES[name])
        page.wait_for_load_state("networkidle")
        folder = str(office.there.gate.gateway.config.data.parent)
        page.evaluate(NEUTRAL, [[folder, "/srv/dragoman"], [str(ROOT), "/srv/dragoman"]])
        width, height = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        top = min(height, tallest)
        return page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": top})


def shoot_dashboard(browser: Browser, folder: Path, names: Sequence[str]) -> None:
    """Make pictures of the dashboard's pages: of all, or of those named."""
    with TemporaryDirectory() as data, ExitStack() as open_:
        desk = open_.enter_context(visit(browser))
        chosen = [name for name in (*PLACES, *DRIVEN) if not names or name in names]
        keys = book_month(Path(data))
        began = time.monotonic()
        office = open_.enter_context(looking(Path(data), keys, now=lambda: AT + time.monotonic() - began))
        for face, width, height, scheme in FACES:
            with signed_in(browser, office, width=width, height=height, scheme=scheme) as page:
                for name in chosen:
                    tallest = TALLEST if width > 400 and name != "request" else height
                    picture = shoot_page(page, office, name, tallest=tallest, act=DRIVEN.get(name))
                    keep(folder / f"dashboard-{name}-{face}.png", small(desk, picture))
        if not names:
            doors(browser, desk, folder)


def doors(browser: Browser, desk: Page, folder: Path) -> None:
    """Make pictures of what is seen first: the door, a wrong key, and a gateway nobody has used."""
    with TemporaryDirectory() as data, fresh(Path(data) / "new") as office:
        for face, width, height, scheme in FACES:
            with visit(browser, width=width, height=height, scheme=scheme) as page:
                page.goto(f"{office.url}/admin/login")
                keep(folder / f"dashboard-login-{face}.png", small(desk, page.screenshot()))
                page.get_by_label("Admin key").fill("sk-of-nobody")
                page.get_by_role("button", name="Sign in").click()
                expect(page.get_by_role("alert")).to_be_visible()
                keep(folder / f"dashboard-refused-{face}.png", small(desk, page.screenshot()))
            with signed_in(browser, office, width=width, height=height, scheme=scheme, at=None) as page:
                page.evaluate(NEUTRAL, [[office.url, "http://127.0.0.1:8080"]])
                keep(folder / f"dashboard-empty-{face}.png", small(desk, page.screenshot()))


def keep(path: Path, picture: bytes) -> None:
    """Write a picture, and say so."""
    path.write_bytes(picture)
    print(path, f"{len(picture):,} bytes")  # noqa: T201  it is what this program says


def main() -> None:
    """Make the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img"
    face, *names = [*sys.argv[2:], ""][:1] + sys.argv[3:]
    with chromium() as browser:
        if face in ("", "playground"):
            for name, *_ in SHOTS:
                with playing(**({"API_KEYS": "somebody's"} if name == "key" else {})) as there:
                    print(shoot(browser, there, folder, name))  # noqa: T201  as above
        if face in ("", "dashboard"):
            shoot_dashboard(browser, folder, names)


if __name__ == "__main__":
    main()
