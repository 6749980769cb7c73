"""The Streamlit front end, played without a browser in an environment of its own, before a real gateway."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stage import Stage, stage

from dragoman.simulator import Behaviour, Error, Match, Rule, Script

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venvs" / "streamlit" / "bin" / "python"
DRIVER = Path(__file__).with_name("page.py")

SAID = "Paris, of course."
MODEL = "llama-3.1-8b-instant"


def need() -> None:
    """Skip where the front end has no environment, and say how one is made; CI has to have it."""
    if not PYTHON.exists():
        assert os.environ.get("CI") != "true", "the front end has no environment: make sdks"
        pytest.skip("the front end has no environment here: make sdks")


class Page:
    """A page in a process of the front end's environment; what stands on it is in `seen`."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [PYTHON, DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.environ["PATH"], "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"},
        )
        self.seen: dict[str, Any] = {}

    def _order(self, **order: Any) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        print(json.dumps(order), file=self._child.stdin, flush=True)
        self.seen = json.loads(self._child.stdout.readline())
        assert "fault" not in self.seen, self.seen["fault"]
        assert self.seen["exception"] == []
        return self.seen

    def open(self, url: str, key: str = "") -> dict[str, Any]:
        """Begin a new session."""
        return self._order(do="open", environ={"DRAGOMAN_URL": url, "DRAGOMAN_KEY": key})

    def set(self, key: str, value: Any) -> dict[str, Any]:
        """Give a widget a value."""
        return self._order(do="set", key=key, value=value)

    def write(self, key: str, value: str) -> dict[str, Any]:
        """Write into a form's field."""
        return self._order(do="write", key=key, value=value)

    def click(self, key: str) -> dict[str, Any]:
        """Press a button."""
        return self._order(do="click", key=key)

    def say(self, text: str) -> dict[str, Any]:
        """Send a prompt."""
        return self._order(do="say", text=text)

    def turn(self, tab: str) -> dict[str, Any]:
        """Open a tab."""
        return self._order(do="tab", label=tab)

    def close(self) -> None:
        """End the process."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        self._child.stdout.close()
        self._child.wait()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Return a page, for all tests of this file; each opens a session of its own."""
    need()
    page = Page()
    yield page
    page.close()


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return a gateway that knows no keys, before a simulator that knows one answer and one fault."""
    need()
    busy = Rule(Match(contains="too much"), Behaviour(error=Error(status=429, message="slow down")))
    script = Script(rules=(busy,), default=Behaviour(text=SAID))
    with stage(tmp_path_factory.mktemp("gateway"), script, GROQ_API_KEY="x", GEMINI_API_KEY="x") as stood:
        yield stood


def below(seen: dict[str, Any], *words: str) -> str:
    """Return the one caption that has all these words."""
    [found] = [caption for caption in seen["caption"] if all(word in caption for word in words)]
    return str(found)


def test_it_is_served_on_this_machine_only() -> None:
    """Whoever opens it asks with its key, so nobody else can; and nothing is told to anybody."""
    config = tomllib.loads((ROOT / "frontend" / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert config["server"]["port"] == 8501
    assert config["browser"]["gatherUsageStats"] is False


def test_it_knows_the_gateway_by_its_surface_only() -> None:
    """Nothing of the gateway's code is imported: another gateway would do, and so would another machine."""
    for path in (ROOT / "frontend").glob("*.py"):
        names = [
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        ]
        assert not [name for name in names if name and name.startswith("dragoman")]


def test_what_can_be_asked_is_offered(page: Page, there: Stage) -> None:
    """The sidebar says whom it asks, and offers every model and every template of that gateway."""
    seen = page.open(there.url)
    assert "providers ready" in below(seen, "Dragoman 0.")
    assert {MODEL, "gemini-2.5-flash"} <= set(seen["options"]["model"])
    assert len(seen["options"]["template"]) > 5
    assert not page.set("model", MODEL)["error"]
    assert "tokens of context" in below(page.seen, "groq", "a million tokens")


def test_a_prompt_is_answered_and_told_about(page: Page, there: Stage) -> None:
    """Below an answer stand the model, the latency, the tokens, the cost, and whether it was recorded."""
    page.open(there.url)
    page.set("model", MODEL)
    seen = page.say("What is the capital of France?")
    assert [turn["by"] for turn in seen["said"]] == ["user", "assistant"]
    assert seen["said"][1]["text"] == [SAID]
    told = below(seen, f"groq/{MODEL}", " tokens", "asked afresh")
    assert " ms" in told
    assert r"\$0." in told


def test_the_cache_is_told_of_and_ignored(page: Page, there: Stage) -> None:
    """The same prompt again comes from the cache, unless the switch says that it shall not."""
    page.open(there.url)
    page.set("model", MODEL)
    page.say("Say it twice.")
    assert below(page.say("Say it twice."), "from the cache")
    before = there.sim.journal.totals.requests
    page.set("ignore_cache", value=True)
    assert len([one for one in page.say("Say it twice.")["caption"] if "asked afresh" in one]) == 2
    assert there.sim.journal.totals.requests == before + 1


def test_options_are_sent(page: Page, there: Stage) -> None:
    """A system prompt, a temperature and a limit reach the provider."""
    page.open(there.url)
    page.set("model", MODEL)
    page.set("system", "Answer in one word.")
    page.set("temperature", 0.2)
    page.set("limit", 20)
    page.say("With options.")
    body = there.sim.journal.entries[-1].body
    assert body["messages"][0] == {"role": "system", "content": "Answer in one word."}
    assert (body["temperature"], body["max_tokens"]) == (0.2, 20)


def test_a_template_is_filled_in_and_sent(page: Page, there: Stage) -> None:
    """Its variables are fields; what is missing is asked for, and what is sent is the filled text."""
    page.open(there.url)
    page.set("model", MODEL)
    seen = page.set("template", "friendly")
    assert {"friendly.audience", "friendly.topic"} <= seen["widgets"].keys()
    page.write("friendly.audience", "kids")
    assert page.click("Send")["warning"] == ["Fill in topic."]
    page.write("friendly.topic", "gravity")
    seen = page.click("Send")
    assert "gravity to kids" in seen["said"][0]["text"][0]
    assert seen["said"][1]["text"] == [SAID]
    assert "gravity to kids" in there.sim.journal.entries[-1].body["messages"][-1]["content"]


def test_templates_are_shown_by_category(page: Page, there: Stage) -> None:
    """Every template of a category is there with its text, and its fields fill the preview in."""
    page.open(there.url)
    seen = page.turn("Prompt templates")
    assert len(seen["options"]["category"]) >= 4
    seen = page.set("category", "General")
    assert any("{{topic}}" in text for text in seen["code"])
    seen = page.set("preview.friendly.topic", "magnets")
    assert any("Explain magnets to {{audience}}" in text for text in seen["code"])
    seen = page.click("use-friendly")
    assert seen["widgets"]["template"] == "friendly"
    assert seen["widgets"]["friendly.topic"] == "magnets"


def test_an_answer_is_rated(page: Page, there: Stage) -> None:
    """Stars and words reach the gateway, which tells them back in its figures."""
    page.open(there.url)
    page.set("model", "gemini-2.5-flash")
    seen = page.say("Rate me.")
    assert seen["buttons"]["rate-0"] is True
    seen = page.set("stars-0", 3)
    assert seen["buttons"]["rate-0"] is False
    page.set("words-0", "good")
    assert "Rated 4 of 5." in page.click("rate-0")["caption"]
    page.set("stars-0", 4)
    assert "Rated 5 of 5." in page.click("rate-0")["caption"]


def test_the_figures_are_drawn(page: Page, there: Stage) -> None:
    """Prompts, fallbacks, cache, tokens and cost in sum; by model and over time as charts."""
    page.open(there.url)
    page.set("model", MODEL)
    page.say("For the figures.")
    page.set("stars-0", 3)
    page.click("rate-0")
    seen = page.turn("Analytics")
    assert int(seen["metrics"]["Prompts"]) >= 1
    assert seen["metrics"]["Fallbacks"] == "0"
    assert int(seen["metrics"]["Tokens"].replace(",", "")) > 0
    assert "$" in seen["metrics"]["Cost"]
    charts = ("Prompts by model", "Average latency by model", "Average rating by model", "Over time")
    assert {f"##### {chart}" for chart in charts} <= {*seen["markdown"]}
    assert seen["charts"] == 3 + 4


def test_figures_of_nothing_teach(page: Page, tmp_path: Path) -> None:
    """Before the first prompt the tab says when the charts will begin."""
    with stage(tmp_path, GROQ_API_KEY="x") as stood:
        page.open(stood.url)
        seen = page.turn("Analytics")
    assert seen["metrics"]["Prompts"] == "0"
    assert seen["charts"] == 0
    assert seen["info"] == ["Nothing was asked yet: the charts begin with the first prompt."]


def test_a_session_is_reset(page: Page, there: Stage) -> None:
    """The conversation is gone, the choices stay."""
    page.open(there.url)
    page.set("model", MODEL)
    page.say("Forget me.")
    seen = page.click("reset")
    assert seen["said"] == []
    assert seen["widgets"]["model"] == MODEL


def test_a_fallback_is_told(page: Page, tmp_path: Path) -> None:
    """Who answered instead and why stands with the answer."""
    with stage(tmp_path, Script(default=Behaviour(text=SAID)), GEMINI_API_KEY="x") as stood:
        page.open(stood.url)
        page.set("model", MODEL)
        seen = page.say("Who answers?")
    assert seen["said"][1]["text"] == [SAID]
    assert any("GROQ_API_KEY" in one for one in seen["warning"])
    assert below(seen, "gemini/gemini-2.5-flash", f"fallback from {MODEL}")


def test_a_gateway_that_is_down_is_said_to_be(page: Page) -> None:
    """Nobody at the address is told as such, with what to do; it is no traceback."""
    seen = page.open("http://127.0.0.1:9")
    assert seen["error"] == [
        "**no gateway at http://127.0.0.1:9**\n\nStart one with `make run`, or change the address."
    ]
    assert "no address" in page.set("url", "file:///etc/passwd")["error"][0]


def test_a_missing_key_is_asked_for(page: Page, tmp_path: Path) -> None:
    """A gateway that wants a key is shown as one; with the key in the field everything is there."""
    with stage(tmp_path, GROQ_API_KEY="x", API_KEYS="a-long-secret") as stood:
        seen = page.open(stood.url)
        assert "paste one into the sidebar" in seen["error"][0]
        assert "status 401" in seen["error"][0]
        assert not seen["options"]
        assert MODEL in page.set("key", "a-long-secret")["options"]["model"]
        assert not page.seen["error"]


def test_the_key_of_the_environment_stays_where_it_is(page: Page, tmp_path: Path) -> None:
    """It is used without being put on the page, and only for the gateway of the environment."""
    with (
        stage(tmp_path / "one", GROQ_API_KEY="x", API_KEYS="a-long-secret") as ours,
        stage(tmp_path / "two", GROQ_API_KEY="x", API_KEYS="a-long-secret") as other,
    ):
        seen = page.open(ours.url, "a-long-secret")
        assert MODEL in seen["options"]["model"]
        assert "a-long-secret" not in json.dumps(seen)
        assert "paste one into the sidebar" in page.set("url", other.url)["error"][0]


def test_a_gateway_without_providers_says_what_is_missing(page: Page, tmp_path: Path) -> None:
    """The catalogue's own list is shown, with the note that nobody can answer yet."""
    with stage(tmp_path, DRAGOMAN_SIMULATOR_URL="") as stood:
        seen = page.open(stood.url)
        assert MODEL in seen["options"]["model"]
        assert any("no provider is configured" in one for one in seen["warning"])
        page.set("model", MODEL)
        seen = page.say("Anybody?")
    assert any("GROQ_API_KEY" in one for one in seen["error"])


def test_a_refusal_of_the_provider_is_told(page: Page, there: Stage) -> None:
    """What did not come is told in the gateway's words, with the request's id, and the chat goes on."""
    page.open(there.url)
    page.set("model", f"groq/{MODEL}")
    seen = page.say("This is too much.")
    [told] = seen["error"]
    assert "status" in told
    assert "request `" in told
    assert page.say("And this is not.")["said"][-1]["text"] == [SAID]
