"""What the pages on adding a dialect and a provider say, done as they say it."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.house import ask, chat, get, house, post

from dragoman.config import ConfigError, load
from dragoman.core.events import Close, End, Event, Open, Start, Stop, fold, unfold
from dragoman.core.failure import Failure
from dragoman.core.request import Message, Request, Text, Tool, plain_text
from dragoman.dialects import Call, Dialect, Reply
from dragoman.simulator import Simulator
from dragoman.simulator.script import read

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs"
DIALECTS = ("openai_chat", "openai_responses", "anthropic", "gemini", "cohere", "ollama")
CARD = {"to": "m", "voice": "Be brief.", "text": "Né 😀\u2028?", "limit": 9, "stamp": {"colour": "red"}}
ANSWER = {
    "id": "p1",
    "from": "m",
    "text": "Hi.",
    "end": "done",
    "words": {"read": 3, "written": 2},
    "seal": [1],
}
STREAM = b'{"id":"p1","from":"m","seal":[1]}\n{"text":"H"}\n'
STREAM += b'{"text":"i."}\n{"end":"limit","words":{"read":3,"written":2}}\n'


@pytest.fixture
def postcard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dialect]:
    """Put the example where Python finds it."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "dialect"))
    import postcard  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  found just now

    yield postcard.DIALECT
    sys.modules.pop("postcard", None)


def toml(page: str) -> str:
    """Return the configuration that a page shows."""
    [block] = re.findall(r"^```toml\n(.*?)^```$", (PAGES / page).read_text(), re.DOTALL | re.MULTILINE)
    return str(block)


def streamed(dialect: Dialect, data: bytes, size: int) -> list[Event]:
    """Read a stream in pieces of `size` bytes."""
    decoder, reader = dialect.framing.decoder(), dialect.reader()
    frames = [f for at in range(0, len(data), size) for f in decoder.feed(data[at : at + size])]
    return [event for frame in frames + decoder.close() for event in reader.feed(frame)] + reader.close()


def test_the_example_keeps_the_laws(postcard: Dialect) -> None:
    """Nothing is lost at home, whole or streamed, however the bytes are cut."""
    request = postcard.read_request(Call("POST", "/postcard/write", body=dict(CARD)))
    assert postcard.write_request(request).body == CARD
    answer = postcard.read_answer(Reply(200, body=dict(ANSWER)))
    assert postcard.write_answer(answer, request).body == ANSWER
    assert fold(unfold(answer)) == answer
    events = streamed(postcard, STREAM, len(STREAM))
    assert all(streamed(postcard, STREAM, size) == events for size in range(1, 40))
    writer = postcard.writer(request)
    told = b"".join(postcard.framing.encode(f) for event in events for f in writer.feed(event))
    assert told == STREAM


def test_the_example_refuses_and_declares(postcard: Dialect) -> None:
    """A tool is refused with its path, a seed is declared lost, a cut stream is no answer."""
    hello = (Message("user", (Text("Hi"),)),)
    with pytest.raises(Failure, match="no tools"):
        postcard.write_request(Request("openai_chat", "m", hello, tools=(Tool("f"),)))
    with pytest.raises(Failure) as refused:
        postcard.read_request(Call("POST", "/postcard/write", body={"to": "m"}))
    assert refused.value.at == "$.text"
    asked = msgspec.structs.replace(Request("openai_chat", "m", hello), user="u")
    assert [str(loss) for loss in postcard.write_request(asked).losses] == ["dropped:user"]
    with pytest.raises(Failure):
        streamed(postcard, STREAM.partition(b'{"end"')[0], 7)
    events: list[Event] = [Start("i", "m"), Open(0, Text("x")), Close(0), Stop("refusal"), End()]
    writer = postcard.writer(asked)
    assert [frame for event in events for frame in writer.feed(event)]
    assert [str(loss) for loss in writer.losses] == ["approximated:answer.stop"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_new_dialect_is_served_before_every_provider(
    tmp_path: Path, postcard: Dialect, dialect: str, *, stream: bool
) -> None:
    """Its client gets the words of a provider of any dialect."""

    async def play() -> None:
        async with (
            Simulator(script=read({"default": {"text": "Hi there."}})) as sim,
            post_office(tmp_path, sim.url) as gate,
        ):
            card = {"to": f"sim-{dialect}/m", "text": "Hello", "stream": stream}
            got = await ask(gate.port, post("/postcard/write", card))
            assert got.status == 200
            events = (
                streamed(postcard, got.body, 11)
                if stream
                else unfold(postcard.read_answer(Reply(200, body=got.json)))
            )
            assert plain_text(fold(events).choices[0].parts) == "Hi there."
            [row] = await gate.rows(1)
            assert (row.dialect, row.state) == ("postcard", "settled")
            wrong = await ask(gate.port, get("/postcard/write"))
            assert (wrong.status, wrong.headers["allow"], list(wrong.json)) == (405, "POST", ["wrong"])

    asyncio.run(play())


def test_a_new_dialect_is_asked_by_every_client(tmp_path: Path, postcard: Dialect) -> None:
    """An OpenAI client asks one gateway, that writes a postcard to another, that asks in Anthropic's."""

    async def play() -> None:
        plot = read({"default": {"text": "Hi there."}})
        (tmp_path / "far").mkdir()
        async with Simulator(script=plot) as sim, post_office(tmp_path / "far", sim.url) as far:
            (tmp_path / "near").mkdir()
            async with post_office(tmp_path / "near", "", far.url) as near:
                asked = chat("Hello", model="post-office/sim-anthropic/m", seed=1)
                got = await ask(near.port, post("/v1/chat/completions", asked))
                assert got.status == 200, got.body
                assert got.json["choices"][0]["message"]["content"] == "Hi there."
                assert got.headers["x-dragoman-losses"] == "dropped:seed"
                wrong = await ask(
                    near.port, post("/v1/chat/completions", chat("Hello", model="post-office/none"))
                )
                assert wrong.status == 404

    asyncio.run(play())


def post_office(folder: Path, sim_url: str, far_url: str = "") -> Any:
    """Run a gateway with the page's configuration, its provider at `far_url`."""
    shown = toml("adding-a-dialect.md")
    assert "http://127.0.0.1:9000" in shown
    (folder / "dragoman.toml").write_text(
        shown.replace("http://127.0.0.1:9000", far_url or "http://127.0.0.1:9")
    )
    return house(folder, sim_url)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nowhere_at_all:DIALECT", "there is no module nowhere_at_all"),
        ("postcard:LETTER", "postcard has no LETTER"),
        ("postcard:NAME", "it lacks endpoints"),
        ("postcard", 'write "package.module:ATTRIBUTE"'),
    ],
)
def test_what_is_no_dialect_is_refused(tmp_path: Path, postcard: Dialect, value: str, said: str) -> None:
    """With the file, the line and what to do."""
    (tmp_path / "dragoman.toml").write_text(f'[dialects]\npostcard = "{value}"\n')
    with pytest.raises(ConfigError) as refused:
        load({}, tmp_path)
    assert said in str(refused.value)
    assert "dragoman.toml:2" in str(refused.value)


def test_a_new_provider_is_one_table(tmp_path: Path) -> None:
    """With the page's tables, the model's own name reaches the provider's, and its price is booked."""

    async def play() -> None:
        plot = read({"default": {"text": "Hi.", "counts": {"input": 1000, "output": 500}}})
        async with Simulator(script=plot) as sim:
            shown = toml("adding-a-provider.md").replace("https://api.acme.example/v1", f"{sim.url}/v1")
            (tmp_path / "dragoman.toml").write_text(shown)
            async with house(tmp_path, ACME_API_KEY="secret") as gate:
                got = await ask(gate.port, post("/v1/chat/completions", chat("Hello", model="acme-large")))
                assert got.status == 200, got.body
                assert sim.journal[-1].body["model"] == "large-2026"
                assert dict(sim.journal[-1].headers)["authorization"].startswith("Bearer ")
                [row] = await gate.rows(1)
                assert row.meters.cost_micros == 1500

    asyncio.run(play())
