"""What is booked: exact money where the price is known, and honest gaps where it is not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.house import ask, chat, house, message, post

from dragoman.exchange.booking import LONGEST
from dragoman.providers.tokens import count
from dragoman.simulator import Simulator
from dragoman.simulator.script import read
from dragoman.store import AttemptRow, ExchangeRow

PRICED = """
[[models.m.offers]]
provider = "sim-openai_chat"
name = "m"
price = { input = "3", output = "15", cache_read = "0.3" }
"""


async def booked(
    folder: Path, body: dict[str, Any], path: str = "/v1/chat/completions", **default: Any
) -> tuple[ExchangeRow, list[AttemptRow]]:
    """Send one request and return its rows."""
    async with Simulator(script=read({"default": default})) as sim, house(folder, sim.url) as gate:
        await ask(gate.port, post(path, body))
        [row] = await gate.rows(1)
        return row, await gate.attempts(row)


@pytest.mark.parametrize("stream", [False, True])
def test_cost_is_exact(tmp_path: Path, *, stream: bool) -> None:
    """1000 x $3 + 500 x $0.30 + 200 x $15 a million is 6150 micro-dollars, streamed or not."""
    (tmp_path / "dragoman.toml").write_text(PRICED)
    counts = {"input": 1000, "cache_read": 500, "output": 200}
    row, [attempt] = asyncio.run(booked(tmp_path, chat(stream=stream), counts=counts))
    assert row.meters.cost_micros == 6150
    assert attempt.meters == row.meters
    assert (row.state, row.stop, row.answered_model) == ("settled", "end", "m")
    assert row.latency_ms is not None
    assert row.first_event_ms is not None
    assert 0 < row.first_event_ms <= row.latency_ms


def test_a_model_without_a_price_has_an_unknown_cost(tmp_path: Path) -> None:
    """Unknown is null, never zero."""
    row, _ = asyncio.run(booked(tmp_path, chat()))
    assert row.meters.cost_micros is None
    assert row.meters.output > 0


@pytest.mark.parametrize("name", ["fast", "quick"])
@pytest.mark.parametrize(("default", "state"), [({}, "settled"), ({"error": {"status": 400}}, "failed")])
def test_a_route_is_no_model(tmp_path: Path, name: str, default: dict[str, Any], state: str) -> None:
    """Whoever asks by a route's name, or an alias, is booked with the model its provider was asked for."""
    told = '[routes.fast]\ntargets = ["sim-openai_chat/m-1"]\n[aliases]\nquick = "sim-openai_chat/m-1"\n'
    (tmp_path / "dragoman.toml").write_text(told)
    row, [attempt] = asyncio.run(booked(tmp_path, chat(model=name), **default))
    assert (row.state, row.model, row.route) == (state, name, name)
    assert (row.provider, row.answered_model) == (attempt.provider, attempt.model)
    assert attempt.model == "m-1"


def test_an_answer_without_usage_is_estimated_and_says_so(tmp_path: Path) -> None:
    """As the model's own family counts, in and out; the row says how that is known."""
    row, _ = asyncio.run(booked(tmp_path, chat("a" * 40), usage=False, text="b" * 80))
    (read, how), (wrote, _) = count("m", "a" * 40), count("m", "b" * 80)
    assert (row.meters.input, row.meters.output, row.meters.estimated) == (read, wrote, True)
    assert row.counted == how == "heuristic"


def test_a_model_whose_encoding_is_at_hand_is_counted(tmp_path: Path) -> None:
    """With the extra, OpenAI's models are counted exactly, and the row says so."""
    pytest.importorskip("bpe_openai")
    body = chat("one two three", model="sim-openai_chat/gpt-4o")
    row, _ = asyncio.run(booked(tmp_path, body, usage=False, text="one two three four"))
    assert (row.meters.input, row.meters.output, row.counted) == (3, 4, "bpe")


def test_a_cut_answer_keeps_what_the_provider_said_at_the_start(tmp_path: Path) -> None:
    """Anthropic counts its input first: only the output is estimated."""
    row, [attempt] = asyncio.run(
        booked(
            tmp_path,
            message(model="sim-anthropic/m", stream=True),
            "/v1/messages",
            counts={"input": 77},
            text="one two three four five six seven eight nine ten",
            faults=[{"kind": "end", "at_frame": 8}],
        )
    )
    assert (row.state, row.failure) == ("failed", "truncated")
    assert (row.meters.input, row.meters.estimated) == (77, True)
    assert row.meters.output > 0
    assert attempt.state == "failed"


@pytest.mark.parametrize(
    ("default", "cost"),
    [
        ({"error": {"status": 429}}, 0),
        ({"error": {"status": 500}}, 0),
        ({"faults": [{"kind": "reset"}]}, None),
        ({"faults": [{"kind": "close"}]}, None),
    ],
    ids=["refused", "broken", "reset", "closed"],
)
def test_an_attempt_costs_nothing_only_where_that_is_sure(
    tmp_path: Path, default: dict[str, Any], cost: int | None
) -> None:
    """A refusal in words is free; a provider that just went away may have worked."""
    row, attempts = asyncio.run(booked(tmp_path, chat(), **default))
    assert row.state == "failed"
    assert {attempt.meters.cost_micros for attempt in attempts} == {cost}
    assert row.meters.cost_micros == cost


def test_a_provider_never_reached_costs_nothing(tmp_path: Path) -> None:
    """Connection refused: no work was done."""

    async def play() -> None:
        async with house(tmp_path, "http://127.0.0.1:1") as gate:
            got = await ask(gate.port, post("/v1/chat/completions", chat()))
            assert got.status == 502
            [row] = await gate.rows(1)
            assert (row.failure, row.meters.cost_micros) == ("upstream", 0)

    asyncio.run(play())


@pytest.mark.parametrize("value", [-5, 1e300, "many", None, [], 1.5])
def test_a_provider_that_counts_nonsense_is_booked_sanely(tmp_path: Path, value: Any) -> None:
    """Never negative, never a crash."""
    patch = {"usage": {"prompt_tokens": value, "completion_tokens": value, "total_tokens": value}}
    row, _ = asyncio.run(booked(tmp_path, chat(), patch=patch))
    assert row.state == "settled"
    assert row.meters.input >= 0
    assert row.meters.output >= 0


def test_no_name_and_no_message_fills_the_ledger(tmp_path: Path) -> None:
    """A model of a million letters, known or not, and a provider that says as much, are booked in part."""

    async def play() -> None:
        plot = {"default": {"error": {"status": 400, "message": "m" * 1_000_000}}}
        async with Simulator(script=read(plot)) as sim, house(tmp_path, sim.url) as gate:
            for model in ("x" * 1_000_000, "sim-openai_chat/" + "x" * 1_000_000):
                await ask(gate.port, post("/v1/chat/completions", chat(model=model)))
            for row in await gate.rows(2):
                told = [row.model, row.message, row.answered_model]
                for attempt in await gate.attempts(row):
                    told += [attempt.model, attempt.message]
                assert max(len(text) for text in told if text) == LONGEST

    asyncio.run(play())
