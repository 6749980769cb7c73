"""The commands in examples/curl: each answered by a real gateway, each the same in all three shells."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from runpy import run_path
from typing import Any, NamedTuple

import pytest
from tests.stage import stage

from dragoman.simulator import Behaviour, Script

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "curl"
SOURCES = ROOT.parent / "shared" / "sources"
"""The documents whose clients work here unchanged; not part of the project, looked for beside it."""

PLACE = re.compile(r"(?:127\.0\.0\.1|localhost):\d+")
COMMAND = re.compile(r"^(?:#|rem) (\d+)\. (.+)\n((?:.+\n)+)", re.MULTILINE)

SAID = "Paris, of course."

KEYS = {
    f"{name}_API_KEY": "x"
    for name in ("GROQ", "GEMINI", "OPENAI", "ANTHROPIC", "COHERE", "OPENROUTER", "REQUESTY")
}


class Asked(NamedTuple):
    """What a command line has curl ask."""

    method: str
    url: str
    headers: tuple[str, ...]
    body: Any


class Got(NamedTuple):
    """What curl got."""

    status: int
    type: str
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def data(self) -> list[Any]:
        """The data of each server-sent event, as JSON where it is."""
        words = [line[6:] for line in self.text.splitlines() if line.startswith("data: ")]
        return [json.loads(word) if word.startswith("{") else word for word in words]

    @property
    def lines(self) -> list[Any]:
        """The lines, each as JSON."""
        return [json.loads(line) for line in self.text.splitlines() if line]


def commands(form: str) -> dict[int, tuple[str, str]]:
    """Return title and text of every command of one form, by number."""
    texts = [path.read_text() for path in sorted(FOLDER.glob(f"*.{form}"))]
    assert texts
    found = [
        (int(number), title, text.strip()) for one in texts for number, title, text in COMMAND.findall(one)
    ]
    assert len({number for number, _, _ in found}) == len(found)
    return {number: (title, text) for number, title, text in sorted(found)}


def asked(words: list[str], given: str | None = None) -> Asked:
    """Return what curl's own arguments ask; `given` is its standard input."""
    method, url, headers, body = None, "", [], None
    rest = iter(words)
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-H":
            headers.append(next(rest))
        elif word == "-d":
            body = next(rest)
            assert (body == "@-") == (given is not None)
            body = given or body
        elif word == "-N":
            continue
        else:
            assert not word.startswith("-")
            assert not url
            url = word
    return Asked(
        method or ("GET" if body is None else "POST"),
        url,
        tuple(headers),
        None if body is None else json.loads(body),
    )


def by_bash(text: str) -> Asked:
    """Have bash say what curl's arguments are."""
    shown = subprocess.run(
        ["bash", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}\n{text}"], capture_output=True, check=True
    )
    return asked(shown.stdout.decode().split("\0")[:-1])


def by_cmd(line: str) -> Asked:
    """Read a line as cmd does, then as the C run time makes arguments of it.

    cmd turns quoting on and off at every quote, a backslash before it or not; outside, it acts upon some
    characters. The run time takes a backslash before a quote for that quote itself.
    learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments (read 2026-11-21)
    """
    assert "\n" not in line
    assert "%" not in line  # a variable, in quotes or out of them
    for outside in line.split('"')[::2]:
        assert not set("&|<>^()") & set(outside), line
    words: list[str] = []
    at = 0
    while at < len(line):
        if line[at] == " ":
            at += 1
            continue
        word, quoted = "", False
        while at < len(line) and (quoted or line[at] != " "):
            slashes = len(line[at:]) - len(line[at:].lstrip("\\"))
            at += slashes
            if at < len(line) and line[at] == '"':
                word += "\\" * (slashes // 2)
                if slashes % 2:
                    word += '"'
                else:
                    quoted = not quoted
                at += 1
                continue
            word += "\\" * slashes
            if not slashes:
                word += line[at]
                at += 1
        assert not quoted
        words.append(word)
    assert words[0] == "curl"
    return asked(words[1:])


def by_powershell(line: str) -> Asked:
    """Read a line as PowerShell does; none of the arguments may need a quote on its way to the program."""
    assert "\n" not in line
    pieces = re.findall(r"'((?:[^']|'')*)'|([^\s']+)|(\s+)", line)
    assert "".join(f"'{one}'" if one else two or three for one, two, three in pieces) == line
    words = [one.replace("''", "'") or two for one, two, three in pieces if not three]
    for _, bare, _ in pieces:
        assert bare == "|" or not set('&|;<>()@{}$`"') & set(bare), line
    given = None
    if words[1] == "|":
        given, words = words[0], words[2:]
    assert words[0] == "curl.exe"  # `curl` is another command's name in PowerShell 5.1
    assert all('"' not in word for word in words)
    return asked(words[1:], given)


TITLES = {number: title for number, (title, _) in commands("sh").items()}
numbered = pytest.mark.parametrize("number", TITLES, ids=lambda number: f"{number}-{TITLES[number]}")


@numbered
def test_a_command_is_the_same_in_every_shell(number: int) -> None:
    """The cmd and PowerShell forms send the method, the address, the headers and the JSON that bash does."""
    title, bash = commands("sh")[number]
    ours = by_bash(bash)
    assert ours.url.startswith("http://")
    for form, read in (("cmd", by_cmd), ("ps1", by_powershell)):
        named, text = commands(form)[number]
        assert named == title
        assert read(text) == ours


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (r'curl "a b" c', "a b"),
        (r'curl "say \"hi\"" c', 'say "hi"'),
        (r'curl "ends in \\" c', "ends in \\"),
        (r"curl a\b c", r"a\b"),
    ],
)
def test_arguments_are_read_as_windows_does(line: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge of the Windows forms knows the vendor's own cases."""
    seen: list[list[str]] = []
    monkeypatch.setitem(by_cmd.__globals__, "asked", seen.append)
    by_cmd(line)
    assert seen == [[words, "c"]]


@pytest.mark.parametrize(
    ("read", "line"),
    [
        (by_cmd, r'curl "http://h/?a=1" -d "{\"a\": \"b & c\"}"'),
        (by_cmd, "curl http://h/?a=1&b=2"),
        (by_cmd, 'curl "http://h/%20"'),
        (by_powershell, "curl 'http://h/'"),
        (by_powershell, """curl.exe 'http://h/' -d '{"a": 1}'"""),
        (by_powershell, "curl.exe http://h/?a=1&b=2"),
    ],
)
def test_what_a_shell_would_act_upon_is_found_out(read: Callable[[str], Asked], line: str) -> None:
    """A Windows form that its shell takes for something else does not pass."""
    with pytest.raises(AssertionError):
        read(line)


def test_the_written_forms_are_fresh() -> None:
    """cmd, PowerShell and codes.txt were written from these bash forms: python examples/curl/write.py."""
    assert [path.name for path in run_path(str(FOLDER / "write.py"))["stale"]()] == []


def test_codes_has_every_command_in_every_form() -> None:
    """The one page has what the folder has, numbered from one on without a gap."""
    assert [*TITLES] == [*range(1, len(TITLES) + 1)]
    page = (FOLDER / "codes.txt").read_text()
    for number, title in TITLES.items():
        forms = [commands(form)[number][1] for form in ("sh", "cmd", "ps1")]
        [section] = re.findall(
            rf"^### {number}\. {re.escape(title)}\n(.*?)(?:\n\n(?=###|==)|\Z)", page, re.MULTILINE | re.DOTALL
        )
        assert re.split(r"^#### .*\n", section.strip() + "\n", flags=re.MULTILINE)[1:] == [
            f"{form}\n" for form in forms
        ]


def test_every_command_of_the_sources_is_here() -> None:
    """What the documents tell a user to run is run here, word for word but for the port."""
    if not SOURCES.is_dir():
        pytest.skip("the source documents are not beside the project")
    ours = {place(by_bash(text)) for _, text in commands("sh").values()}
    found = 0
    for path in sorted(SOURCES.glob("*.txt")):
        for block in re.findall(r"^ *```bash\n(.*?)^ *```", path.read_text(), re.MULTILINE | re.DOTALL):
            if block.strip().startswith("curl"):
                found += 1
                assert place(by_bash(block)) in ours, block
    assert found >= 12


def place(one: Asked) -> str:
    """Return what is asked, whatever the host and port."""
    return repr(one._replace(url=PLACE.sub("HERE", one.url)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Got]:
    """Return what runs a command in bash, with curl as it is, at a gateway of our choice."""
    if shutil.which("curl") is None:
        assert os.environ.get("CI") != "true", "there is no curl"
        pytest.skip("there is no curl to run the commands with")
    home = tmp_path_factory.mktemp("curl")
    (home / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code} %{content_type}"\n')

    def ran(command: str, url: str) -> Got:
        done = subprocess.run(
            ["bash", "-c", PLACE.sub(url.removeprefix("http://"), command)],
            env={"PATH": os.environ["PATH"], "CURL_HOME": str(home)},
            capture_output=True,
            timeout=60,
            check=True,
        )
        text, _, told = done.stdout.decode().rpartition("\n")
        status, _, kind = told.partition(" ")
        return Got(int(status), kind.partition(";")[0], text)

    return ran


@pytest.fixture(scope="module")
def answers(run: Callable[[str, str], Got], tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Got]:
    """Every command in its order, at one gateway; YOUR_PROMPT_ID is that of the first answer."""
    found: dict[int, Got] = {}
    script = Script(default=Behaviour(text=SAID))
    with stage(tmp_path_factory.mktemp("gateway"), script, **KEYS) as there:
        for number, (_, text) in commands("sh").items():
            first = found[1].json.get("prompt_id", "") if found else ""
            found[number] = run(text.replace("YOUR_PROMPT_ID", first), there.url)
    return found


def chatted(model: str, **facts: Any) -> Callable[[Got], None]:
    """Return what holds of an answer of the prompt surface."""

    def check(got: Got) -> None:
        answer = got.json
        assert answer["response_text"] == SAID
        assert answer["model_used"] == answer["requested_model"] == model
        assert answer["fallback_used"] is False
        assert answer["error_message"] is None
        assert answer["prompt_id"]
        assert answer["token_count"] > 0
        assert answer["latency_ms"] >= 0
        assert facts.items() <= answer.items()

    return check


def has(**facts: Any) -> Callable[[Got], None]:
    """Return that an object has these members; one that is a type is only of it."""

    def check(got: Got) -> None:
        for name, value in facts.items():
            if isinstance(value, type):
                assert isinstance(got.json[name], value), name
            else:
                assert got.json[name] == value

    return check


def completed(got: Got) -> None:
    """Hold what an OpenAI client reads, and what the gateway says beside it."""
    [choice] = got.json["choices"]
    assert choice["message"]["content"] == SAID
    assert got.json["provider"] == "openrouter"
    assert got.json["latency_ms"] >= 0


def streamed_completion(got: Got) -> None:
    """Hold that OpenAI's chunks come, then the usage, then the end."""
    assert got.type == "text/event-stream"
    *chunks, usage, end = got.data
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == SAID
    assert usage["usage"]["total_tokens"] > 0
    assert end == "[DONE]"


def named_events(got: Got) -> None:
    """Hold that the pieces come as `message` and the sum as `done`."""
    assert got.type == "text/event-stream"
    names = re.findall(r"^event: (\w+)$", got.text, re.MULTILINE)
    assert set(names[:-1]) == {"message"}
    assert names[-1] == "done"
    *pieces, done = got.data
    assert "".join(piece["delta"] or "" for piece in pieces) == SAID
    assert {piece["provider"] for piece in pieces} == {"openrouter"}
    assert done["status"] == "complete"
    assert done["usage"]["total_tokens"] > 0


def spent(by: str = "", least: int = 1) -> Callable[[Got], None]:
    """Return that a report counts what was asked before it."""

    def check(got: Got) -> None:
        report = got.json
        assert report["total_requests"] >= least
        assert report["total_tokens"] == report["prompt_tokens"] + report["completion_tokens"] > 0
        assert "estimated_cost_usd" in report
        if by:
            assert sum(group["total_requests"] for group in report["groups"]) == report["total_requests"]
            assert all(group[by] for group in report["groups"])

    return check


def series(got: Got) -> None:
    """Hold that the points add up to something."""
    assert got.json["interval"] == "hour"
    assert sum(point["requests"] for point in got.json["series"]) > 0


def pieces(got: Got) -> None:
    """Hold that the lines are pieces of the answer."""
    assert got.type == "application/x-ndjson"
    assert len(got.lines) > 1
    assert "".join(line["response"] for line in got.lines) == SAID


def streamed_prompt(got: Got) -> None:
    """Hold that deltas come and then the whole."""
    assert got.type == "text/event-stream"
    *deltas, done = got.data
    assert {delta["type"] for delta in deltas} == {"delta"}
    assert "".join(delta["text"] for delta in deltas) == SAID
    assert done["type"] == "done"
    assert done["result"] == SAID
    assert done["usage"]["output"] > 0


def streamed_message(got: Got) -> None:
    """Hold that Anthropic's events come, to their end."""
    assert got.type == "text/event-stream"
    assert got.data[0]["type"] == "message_start"
    assert got.data[-1]["type"] == "message_stop"
    text = [one["delta"].get("text", "") for one in got.data if one["type"] == "content_block_delta"]
    assert "".join(text) == SAID


def gemini(got: Got) -> None:
    """Hold that Gemini's answer says it."""
    whole = [got.json] if got.type == "application/json" else got.data
    assert "".join(part["text"] for one in whole for part in one["candidates"][0]["content"]["parts"]) == SAID


CHECKS: dict[int, Callable[[Got], None]] = {
    1: chatted("llama-3.1-8b-instant", provider="groq", from_cache=False),
    2: chatted("gemini-2.5-flash", provider="gemini"),
    3: chatted("llama-3.1-8b-instant"),
    4: chatted("gemini-2.5-flash"),
    5: chatted("llama-3.1-8b-instant", from_cache=False),
    6: has(status="ok", rating=5, feedback="Great answer!", model="llama-3.1-8b-instant"),
    7: chatted("llama-3.1-8b-instant"),
    8: chatted("gemini-2.5-flash"),
    9: has(status="ok", rating=4),
    10: lambda got: _all_in(["llama-3.1-8b-instant", "gemini-2.5-flash"], got.json["available_models"]),
    11: lambda got: _all_in(["friendly", "summarize"], [one["id"] for one in got.json]),
    12: has(model_usage=dict, avg_latency=dict, avg_rating=dict, total_fallbacks=0, total_prompts=int),
    13: lambda got: _all_in(["groq", "openrouter"], got.json["providers"]),
    14: completed,
    15: completed,
    16: named_events,
    17: streamed_completion,
    18: spent(least=10),
    19: spent("model"),
    20: spent("day"),
    21: series,
    22: has(provider="groq", state=str, attempts=list),
    23: has(response=SAID),
    24: pieces,
    25: has(response=SAID),
    26: has(response=SAID),
    27: streamed_prompt,
    28: has(result=SAID),
    29: streamed_prompt,
    30: streamed_prompt,
    31: has(status="healthy"),
    32: has(type="message", content=[{"type": "text", "text": SAID}]),
    33: streamed_message,
    34: streamed_message,
    35: has(type="message"),
    36: has(object="response", status="completed"),
    37: gemini,
    38: gemini,
    39: has(finish_reason="COMPLETE"),
    40: lambda got: _same("".join(line["message"]["content"] for line in got.lines), SAID),
    41: lambda got: _same(len(got.json["data"]), 2),
    42: has(status="live"),
    43: has(status="ready"),
    44: lambda got: _all_in(["# HELP", "# TYPE"], got.text),
    45: lambda got: _all_in(["gemini-2.5-flash"], [one["id"] for one in got.json["data"]]),
    46: lambda got: _all_in(["/chat", "/v1/chat/stream"], got.json["paths"]),
}
"""What holds of each answer, by the command's number."""


def _all_in(wanted: list[str], found: Any) -> None:
    assert [one for one in wanted if one not in found] == []


def _same(found: object, wanted: object) -> None:
    assert found == wanted


@numbered
def test_a_command_is_answered(number: int, answers: Mapping[int, Got]) -> None:
    """Run as it stands, but for host and port, it gets the answer it is there for."""
    got = answers[number]
    assert got.status == 200, got.text
    CHECKS[number](got)


def test_a_groq_model_falls_back_without_its_key(run: Callable[[str, str], Got], tmp_path: Path) -> None:
    """Without GROQ_API_KEY Gemini answers, and says that it does and why."""
    script = Script(default=Behaviour(text=SAID))
    _, text = commands("sh")[7]
    with stage(tmp_path, script, GEMINI_API_KEY="x") as there:
        got = run(text, there.url)
    assert got.status == 200
    assert got.json["fallback_used"] is True
    assert got.json["requested_model"] == "llama-3.1-8b-instant"
    assert got.json["model_used"] == "gemini-2.5-flash"
    assert "GROQ_API_KEY" in got.json["error_message"]


def test_a_placeholder_left_in_place_is_said_to_be_unknown(
    run: Callable[[str, str], Got], tmp_path: Path
) -> None:
    """Who forgets to put in the prompt_id is told that nobody knows this one."""
    with stage(tmp_path) as there:
        got = run(commands("sh")[6][1], there.url)
    assert got.status == 404
    assert got.json["detail"]
