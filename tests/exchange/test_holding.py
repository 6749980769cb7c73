"""Money in the line: never more than the cap, no refusal while there is some, an honest end in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.exchange.test_recording import plot, send
from tests.house import Answer, House, ask, chat, house, message, post

from dragoman.core.request import Message, Request, Text
from dragoman.core.usage import Usage
from dragoman.dialects import openai_chat_stream
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Simulator
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import BudgetRow, Window
from dragoman.store.prices import PriceRow

AUDIT = AuditRow(0.0, "test", "test", "test")
PRICE = {"input": "10", "output": "100"}
"""US dollars for a million tokens: 10 micro-dollars for one that is read, 100 for one that is written."""


RESPONSES = "sim-openai_responses/m"
"""A simulated provider whose answers say that they were served as what was asked for."""


async def priced(gate: House, *budgets: dict[str, Any], **tiers: dict[str, str]) -> None:
    """Give the simulated providers a price, for these tiers too, and somebody budgets."""
    store, price = gate.gateway.store, json.dumps({**PRICE, "tiers": tiers}).encode()
    for name in DIALECTS:
        row = PriceRow(provider=f"sim-{name}", model="*", since=0.0, price=price, created_at=0.0)
        await store.prices.put(row, AUDIT)
    for place, budget in enumerate(budgets):
        given = {"name": f"b{place}", "scope": "all", "period": "total", "created_at": 0.0, **budget}
        await store.budgets.put(BudgetRow(**given), AUDIT)
    await gate.gateway.directory.refresh()


async def windows(gate: House) -> list[Window]:
    """Return how all windows stand."""
    return await gate.gateway.store.budgets.windows()


async def say(gate: House, text: str = "hello", **more: Any) -> Answer:
    """Ask for an answer in OpenAI's words."""
    headers = more.pop("headers", {})
    return await ask(gate.port, post("/v1/chat/completions", chat(text, **more), headers))


def words(answer: Answer) -> str:
    """Return what a Chat answer says, streamed or whole."""
    if answer.headers["content-type"].startswith("application/json"):
        return str(answer.json["choices"][0]["message"]["content"])
    pieces = [json.loads(frame) for frame in answer.frames if frame != "[DONE]"]
    return "".join(one["choices"][0]["delta"].get("content") or "" for one in pieces if one["choices"])


def reason(answer: Answer) -> str:
    """Return why a Chat answer stopped."""
    if answer.headers["content-type"].startswith("application/json"):
        return str(answer.json["choices"][0]["finish_reason"])
    pieces = [json.loads(frame) for frame in answer.frames if frame != "[DONE]"]
    found: Sequence[Any] = [one["choices"][0]["finish_reason"] for one in pieces if one["choices"]]
    return str(found[-1])


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_held_gives_way_to_what_it_cost(tmp_path: Path, *, stream: bool) -> None:
    """While it runs money is held; afterwards exactly its cost is spent, and nothing is held."""

    async def play() -> None:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 10_000_000})
            got = await say(gate, stream=stream)
            assert got.status == 200
            [row] = await gate.rows(1)
            assert row.meters.cost_micros == 10 * row.meters.input + 100 * row.meters.output == 2_020
            assert not row.meters.estimated
            assert await windows(gate) == [Window("b0", "", 0, 2_020, 0)]
            [attempt] = await gate.attempts(row)
            assert attempt.price == "operator 1"

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True])
def test_a_long_answer_is_paid_for_as_it_comes(tmp_path: Path, *, stream: bool) -> None:
    """Many more tokens than anybody expected: more is held again and again, and the answer is whole."""

    async def play() -> None:
        async with Simulator(plot(tokens=5_000)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 2_000_000})
            got = await say(gate, stream=stream)
            assert reason(got) == "stop"
            assert len(words(got).split()) == 5_000
            [row] = await gate.rows(1)
            assert row.meters.output == 5_000
            assert [(one.spent_micros, one.held_micros) for one in await windows(gate)] == [(500_020, 0)]

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", DIALECTS)
def test_an_answer_is_cut_at_the_cap(tmp_path: Path, name: str, *, stream: bool) -> None:
    """It stops for its length in every dialect, the provider is left, and the cap is not passed."""

    async def play() -> None:
        script = plot(tokens=5_000, tokens_per_s=5_000)
        async with Simulator(script) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 150_000})
            door = DIALECTS[name]
            request = Request(name, f"sim-{name}/m", (Message("user", (Text("hello"),)),), stream=stream)
            got = await send(gate, door, request)
            assert got.status == 200, got.body
            [row] = await gate.rows(1)
            assert (row.state, row.stop) == ("settled", "length")
            assert "dropped:answer" in row.losses
            [window] = await windows(gate)
            assert 125_000 < window.spent_micros <= 150_000
            assert (window.held_micros, row.meters.cost_micros) == (0, window.spent_micros)
            [entry] = sim.journal.entries
            assert entry.tokens < 5_000
            assert (await say(gate)).status in (200, 402)
            assert (await windows(gate))[0].spent_micros <= 150_000

    asyncio.run(play())


def test_who_has_used_it_up_is_told_so(tmp_path: Path) -> None:
    """402 in the dialect's words once there is no money for any answer; nobody is asked."""

    async def play() -> None:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 2_100})
            assert (await say(gate)).status == 200
            got = await say(gate)
            assert (got.status, got.json["error"]["code"]) == (402, "budget_exhausted")
            assert len(sim.journal.entries) == 1
            refused = (await gate.rows(2))[-1]
            assert (refused.state, refused.attempts, refused.meters.cost_micros) == ("failed", 0, 0)

    asyncio.run(play())


def test_what_others_hold_is_refused_for_a_moment_only(tmp_path: Path) -> None:
    """429 with a Retry-After while another answer runs; the same request is served when that has ended."""

    async def play() -> None:
        rule = {"match": {"contains": "slowly"}, "then": {"tokens_per_s": 40, "tokens": 40}}
        script = plot(rule, tokens=20)
        async with Simulator(script) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 110_000})
            slow = asyncio.get_running_loop().create_task(say(gate, "slowly", stream=True))
            while not (held := [one.held_micros for one in await windows(gate)]) or held == [0]:
                await asyncio.sleep(0.005)
            got = await say(gate)
            assert (got.status, got.json["error"]["code"]) == (429, "budget_held")
            assert float(got.headers["retry-after"]) > 0
            assert (await slow).status == 200
            await gate.rows(2)
            assert (await say(gate)).status == 200

    asyncio.run(play())


def test_a_price_nobody_knows_is_refused_under_a_budget(tmp_path: Path) -> None:
    """A soft budget lets it through, and counts it as unknown; a default makes it known."""

    async def play(hard: int, **settings: str) -> Answer:
        folder = tmp_path / f"{hard}{len(settings)}"
        async with Simulator() as sim, house(folder, sim.url, **settings) as gate:
            row = BudgetRow(name="b", scope="all", cap_micros=10**9, hard=bool(hard), created_at=0.0)
            await gate.gateway.store.budgets.put(row, AUDIT)
            await gate.gateway.directory.refresh()
            return await say(gate)

    got = asyncio.run(play(1))
    assert (got.status, got.json["error"]["code"]) == (403, "price_unknown")
    assert asyncio.run(play(0)).status == 200
    assert asyncio.run(play(1, DRAGOMAN_PRICES_DEFAULT_INPUT="1")).status == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("asked", "served", "times"), [("priority", "priority", 2), ("auto", "default", 1), ("flex", "flex", 1)]
)
def test_a_tier_is_held_and_booked_at_its_price(
    tmp_path: Path, asked: str, served: str, times: int, *, stream: bool
) -> None:
    """What the answer says counts; what was asked for is held, and so the cap is kept."""

    async def play() -> None:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 10_000_000}, priority={"input": "20", "output": "200"})
            got = await say(gate, model=RESPONSES, service_tier=asked, stream=stream)
            assert got.status == 200
            [row] = await gate.rows(1)
            [attempt] = await gate.attempts(row)
            cost = times * (10 * row.meters.input + 100 * row.meters.output)
            assert (attempt.tier, attempt.meters.cost_micros) == (served, cost)
            assert await windows(gate) == [Window("b0", "", 0, cost, 0)]

    asyncio.run(play())


def test_a_tier_that_does_not_fit_the_budget_is_cut_in_time(tmp_path: Path) -> None:
    """At the standard price there would be money for twice as many words."""

    async def play() -> None:
        async with Simulator(plot(tokens=400)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 60_000}, priority={"input": "20", "output": "200"})
            got = await say(gate, model=RESPONSES, service_tier="priority")
            assert (got.status, reason(got)) == (200, "length")
            [row] = await gate.rows(1)
            [window] = await windows(gate)
            assert window.spent_micros == row.meters.cost_micros
            assert 40_000 < window.spent_micros <= 60_000

    asyncio.run(play())


def test_who_asks_for_no_tier_is_not_served_a_dear_one(tmp_path: Path) -> None:
    """At OpenAI that is a project's setting: under a budget the provider is told, and else left alone."""

    async def play(hard: int) -> Any:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path / str(hard), sim.url) as gate:
            budget = {"cap_micros": 10_000_000, "hard": bool(hard)}
            await priced(gate, budget, priority={"input": "20", "output": "200"})
            assert (await say(gate, model=RESPONSES)).status == 200
            return cast("Any", sim.journal.entries[-1].body).get("service_tier")

    assert asyncio.run(play(1)) == "default"
    assert asyncio.run(play(0)) is None


def test_a_tier_nobody_has_a_price_of_is_refused_under_a_budget(tmp_path: Path) -> None:
    """A soft budget counts it as unknown; what never arrives, or the provider may choose, is served."""

    async def play(hard: int, model: str, *, tier: str = "priority") -> tuple[Answer, int | None]:
        folder = tmp_path / f"{hard}{tier}{model[:9]}"
        async with Simulator(plot(tokens=20)) as sim, house(folder, sim.url) as gate:
            await priced(gate, {"cap_micros": 10_000_000, "hard": bool(hard)})
            got = await say(gate, model=model, service_tier=tier)
            return got, (await gate.rows(1))[0].meters.cost_micros if got.status == 200 else None

    got, _ = asyncio.run(play(1, RESPONSES))
    assert (got.status, got.json["error"]["code"]) == (403, "price_unknown")
    assert "for the tier priority" in got.json["error"]["message"]
    got, cost = asyncio.run(play(0, RESPONSES))
    assert (got.status, cost) == (200, None)
    got, cost = asyncio.run(play(1, "sim-anthropic/m"))
    assert (got.status, cost) == (200, 2_020)
    got, cost = asyncio.run(play(1, RESPONSES, tier="auto"))
    assert (got.status, cost) == (200, 2_020)


def test_a_tier_nobody_asked_for_or_has_a_price_of_spends_what_was_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget cannot count what is unknown, and it is not nothing; the row says by whose price that was."""

    def served(usage: Usage | None, _answer: object) -> Usage | None:
        return usage and msgspec.structs.replace(usage, tier="ultrafast")

    monkeypatch.setattr(openai_chat_stream, "beside", served)

    async def play() -> None:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 10_000_000})
            assert (await say(gate, max_tokens=50)).status == 200
            [row] = await gate.rows(1)
            [attempt] = await gate.attempts(row)
            assert (attempt.tier, attempt.price) == ("ultrafast", "operator 1")
            [window] = await windows(gate)
            assert window.spent_micros == row.meters.cost_micros
            assert 50 * 100 < window.spent_micros < 50 * 100 + 100 * 10

    asyncio.run(play())


def test_one_request_can_be_capped(tmp_path: Path) -> None:
    """x-dragoman-max-cost: the provider is told to stop in time; too little is a 402, nonsense a 400."""

    async def play() -> None:
        async with Simulator(plot(tokens=500)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate)
            got = await say(gate, headers={"x-dragoman-max-cost": "0.01"})
            assert (got.status, reason(got)) == (200, "length")
            [row] = await gate.rows(1)
            assert 5_000 < (row.meters.cost_micros or 0) <= 10_000
            assert not row.meters.estimated
            for value, status, code in (
                ("0.0001", 402, "max_cost_exceeded"),
                ("cheap", 400, "invalid_max_cost"),
            ):
                got = await say(gate, headers={"x-dragoman-max-cost": value})
                assert (got.status, got.json["error"]["code"]) == (status, code)

    asyncio.run(play())


def test_a_refusal_for_money_takes_nothing_of_the_limits(tmp_path: Path) -> None:
    """All or nothing: what the budget refuses leaves requests and tokens as they were."""

    async def play() -> None:
        settings = {"DRAGOMAN_LIMITS_REQUESTS_PER_MINUTE": "5", "DRAGOMAN_LIMITS_TOKENS_PER_MINUTE": "100000"}
        async with Simulator() as sim, house(tmp_path, sim.url, **settings) as gate:
            await priced(gate, {"cap_micros": 10})
            for _ in range(10):
                got = await say(gate)
                assert got.status == 402
            await gate.rows(10)
            assert (await say(gate)).headers["x-ratelimit-remaining-requests"] == "4"

    asyncio.run(play())


def test_hundreds_at_once_never_pass_the_cap(tmp_path: Path) -> None:
    """Each of 100 asks until it is served or there is no more: spent to the cap, and not beyond."""

    async def play() -> None:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 50 * 2_020})

            async def insist() -> int:
                while (got := await say(gate, max_tokens=20)).status == 429:
                    assert got.json["error"]["code"] == "budget_held"
                    await asyncio.sleep(0.01)
                return got.status

            told = await asyncio.gather(*(insist() for _ in range(100)))
            served = told.count(200)
            await gate.rows(100)
            [window] = await windows(gate)
            assert window.held_micros == 0
            assert window.spent_micros <= 50 * 2_020
            assert served >= 49
            assert set(told) == {200, 402}

    asyncio.run(play())


def test_what_nobody_reads_cannot_be_paid_for(tmp_path: Path) -> None:
    """What passes through is refused under a hard budget; a soft one lets it through, and counts it."""

    async def play(hard: int) -> tuple[Answer, list[Window]]:
        async with Simulator() as sim, house(tmp_path / str(hard), sim.url) as gate:
            await priced(gate, {"cap_micros": 10**9, "hard": bool(hard)})
            path = "/relay/sim-openai_chat/v1/chat/completions"
            got = await ask(gate.port, post(path, chat(model="m")))
            await gate.rows(1)
            return got, await windows(gate)

    got, _ = asyncio.run(play(1))
    assert (got.status, got.json["error"]["code"]) == (403, "price_unknown")
    got, [window] = asyncio.run(play(0))
    assert (got.status, window.spent_micros > 0, window.held_micros) == (200, True, 0)


def test_vectors_are_paid_for_by_what_was_read(tmp_path: Path) -> None:
    """There is no answer to hold money for; the window has what they cost."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 100_000})
            body = {"model": "sim-openai_chat/m", "input": ["one two three", "four"]}
            assert (await ask(gate.port, post("/v1/embeddings", body))).status == 200
            [row] = await gate.rows(1)
            [window] = await windows(gate)
            assert window.spent_micros == row.meters.cost_micros == 10 * row.meters.input > 0
            assert window.held_micros == 0

    asyncio.run(play())


def test_counting_tokens_costs_nothing(tmp_path: Path) -> None:
    """It is asked of the provider, and holds no money, even when there is none."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 0})
            got = await ask(gate.port, post("/v1/messages/count_tokens", message()))
            assert got.status == 200
            assert [row.meters.cost_micros for row in await gate.rows(1)] == [0]

    asyncio.run(play())


def test_a_recorded_answer_is_free(tmp_path: Path) -> None:
    """Who has used up a budget may still be told again what was recorded."""

    async def play() -> None:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 3_700})
            on = {"x-dragoman-cache": "on"}
            assert (await say(gate, headers=on, max_tokens=20)).status == 200
            assert (await say(gate, "other", max_tokens=20)).status == 402
            again = await say(gate, headers=on, max_tokens=20)
            assert (again.status, again.headers["x-dragoman-cache"]) == (200, "hit")
            assert [one.spent_micros for one in await windows(gate)] == [2_020]

    asyncio.run(play())


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 401}, {"status": 429}])
def test_a_provider_that_refuses_costs_nothing(tmp_path: Path, fault: dict[str, int]) -> None:
    """And strands nothing, however often it is asked."""

    async def play() -> None:
        async with Simulator(plot(error=fault)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 1_000_000})
            for _ in range(3):
                assert (await say(gate)).status >= 400
            await gate.rows(3)
            assert [(one.spent_micros, one.held_micros) for one in await windows(gate)] == [(0, 0)]

    asyncio.run(play())


def test_a_client_that_leaves_pays_for_what_it_was_told(tmp_path: Path) -> None:
    """The rest of what was held is free at once."""

    async def play() -> None:
        script = plot(tokens=4_000, tokens_per_s=200)
        async with Simulator(script) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 10_000_000})
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(post("/v1/chat/completions", chat(stream=True)))
            await reader.readuntil(b"data: ")
            writer.transport.abort()
            [row] = await gate.rows(1)
            [window] = await windows(gate)
            assert row.state == "cancelled"
            assert 0 < window.spent_micros == (row.meters.cost_micros or 0) < 400_000
            assert window.held_micros == 0

    asyncio.run(play())


def test_a_providers_own_limit_sends_requests_elsewhere(tmp_path: Path) -> None:
    """One request a minute there; the next is answered by the other target, and then nobody is left."""

    async def play() -> None:
        (tmp_path / "dragoman.toml").write_text(
            """
            [routes.both]
            targets = ["sim-openai_chat/a", "sim-anthropic/b"]
            [provider_limits.sim-openai_chat]
            requests_per_minute = 1
            [model_limits."sim-anthropic/b"]
            requests_per_minute = 1
            """
        )
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            told = [await say(gate, model="both") for _ in range(3)]
            assert [one.status for one in told] == [200, 200, 429]
            assert [one.headers.get("x-dragoman-model") for one in told[:2]] == ["a", "b"]
            assert float(told[2].headers["retry-after"]) > 0

    asyncio.run(play())


def test_tokens_are_held_and_given_back(tmp_path: Path) -> None:
    """An estimate is taken, the truth is settled: the next request sees only what was really used."""

    async def play() -> None:
        limit = {"DRAGOMAN_LIMITS_TOKENS_PER_DAY": "10000"}
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url, **limit) as gate:
            first = await say(gate)
            assert int(first.headers["x-ratelimit-remaining-tokens"]) < 10_000 - 1_000
            await gate.rows(1)
            second = await say(gate, max_tokens=5)
            assert 10_000 - 60 < int(second.headers["x-ratelimit-remaining-tokens"]) < 10_000 - 22

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_left_is_shared_by_all_candidates(tmp_path: Path, *, stream: bool) -> None:
    """Each is told its part of it: a provider's limit is one for each answer."""

    async def play() -> None:
        async with Simulator(plot(tokens=40)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 10_000})
            assert (await say(gate, n=4, stream=stream)).status == 200
            [row] = await gate.rows(1)
            assert row.stop == "length"
            assert not row.meters.estimated
            [window] = await windows(gate)
            assert 5_000 < window.spent_micros <= 10_000

    asyncio.run(play())


def test_what_a_model_thinks_unseen_is_held_from_the_beginning(tmp_path: Path) -> None:
    """Where less is left than all it may write, the provider is told how much it is to write."""

    async def play() -> None:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 1_000_000})
            assert (await say(gate, reasoning_effort="low")).status == 200
            [entry] = sim.journal.entries
            assert 4_000 < cast("Any", entry.body)["max_tokens"] < 5_000
            await gate.rows(1)
            [window] = await windows(gate)
            assert window.held_micros == 0

    asyncio.run(play())


def test_a_thought_that_is_ordered_must_be_paid_for(tmp_path: Path) -> None:
    """Anthropic refuses a limit below it: that would be told as a fault of the client's."""

    async def play() -> None:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 30_000})
            body = message(max_tokens=20_000, thinking={"type": "enabled", "budget_tokens": 10_000})
            got = await ask(gate.port, post("/v1/messages", body))
            assert (got.status, len(sim.journal)) == (402, 0)

    asyncio.run(play())


def test_paying_a_lot_for_one_request_tells_the_provider_nothing(tmp_path: Path) -> None:
    """A limit beyond what a model can write is refused by its provider."""

    async def play() -> None:
        async with Simulator(plot(tokens=20)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate)
            got = await say(gate, headers={"x-dragoman-max-cost": "1000"})
            assert got.status == 200
            [entry] = sim.journal.entries
            assert "max_tokens" not in cast("Any", entry.body)

    asyncio.run(play())


def test_what_an_earlier_target_may_have_charged_stays_booked(tmp_path: Path) -> None:
    """It read the question and broke off; that the next is free takes nothing of it back."""
    (tmp_path / "dragoman.toml").write_text('[routes.r]\ntargets = ["sim-openai_chat/a", "sim-ollama/b"]\n')
    breaks = {"match": {"model": "a"}, "then": {"faults": [{"kind": "close", "at_frame": 0}]}}

    async def play() -> None:
        async with Simulator(plot(breaks)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 1_000_000})
            free = PriceRow(
                provider="sim-ollama",
                model="*",
                since=1.0,
                price=b'{"input":"0","output":"0"}',
                created_at=1.0,
            )
            await gate.gateway.store.prices.put(free, AUDIT)
            await gate.gateway.directory.refresh()
            assert (await say(gate, "hello " * 100, model="r")).status == 200
            [row] = await gate.rows(1)
            first, second = await gate.attempts(row)
            assert (first.state, second.meters.cost_micros) == ("failed", 0)
            assert first.meters.cost_micros == row.meters.cost_micros == first.meters.input * 10 > 1_000
            [window] = await windows(gate)
            assert (window.spent_micros, window.held_micros) == (row.meters.cost_micros, 0)

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["openai_chat", "gemini", "ollama"])
def test_what_comes_at_once_and_is_too_much_is_charged_all_the_same(
    tmp_path: Path, name: str, *, stream: bool
) -> None:
    """A call nobody can pay for is not told without its arguments; what it cost is spent up to the cap."""
    call = [{"name": "f", "arguments": {"a": "word " * 3_000}}]

    async def play() -> None:
        script = plot(call=call, tool_calls="always", chunk_size=100_000)
        async with Simulator(script) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 150_000})
            tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
            got = await say(gate, model=f"sim-{name}/m", tools=[tool], stream=stream)
            assert (got.status, reason(got)) == (200, "length")
            assert b"tool_calls" not in got.body
            [row] = await gate.rows(1)
            assert row.meters.estimated
            [window] = await windows(gate)
            assert 140_000 < window.spent_micros <= 150_000

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True])
def test_who_has_its_answer_may_ask_again_at_once(tmp_path: Path, *, stream: bool) -> None:
    """With one place, and money for one: both are there by the time the next request wants them."""
    (tmp_path / "dragoman.toml").write_text("[limits]\nparallel = 1\n")
    broken = {"match": {"contains": "broken"}, "then": {"error": {"status": 400}}}

    async def play() -> None:
        async with Simulator(plot(broken, tokens=5)) as sim, house(tmp_path, sim.url) as gate:
            await priced(gate, {"cap_micros": 60_000})
            asked = ["hello", "broken", "hello"] * 8
            got = [(await say(gate, text, max_tokens=400, stream=stream)).status for text in asked]
            assert got == [200, 400, 200] * 8

    asyncio.run(play())
