"""The demo: a month that adds up, requests that go on, and a command that begins, ends and begins again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from examples.demo.__main__ import MARK, environment, ground, main, options
from examples.demo.book import GONE
from examples.demo.cast import (
    DESKS,
    EXPIRED,
    INCIDENT_PROVIDER,
    LIVE,
    LOSSES,
    PLACES,
    REVOKED,
    ROTATED,
    ROUTES,
    SPENT_OUT,
    WORDS,
)
from examples.demo.filling import SECRETS, fill
from examples.demo.live import Client, written
from examples.demo.month import (
    HOUR_S,
    INCIDENT_S,
    MODEL_OF,
    Happening,
    Setting,
    asked_for,
    month,
)
from tests.house import ask as ask_house
from tests.house import get, house

from dragoman.config import Config, load
from dragoman.core.failure import Failure, Kind
from dragoman.core.usage import COUNTERS, Usage
from dragoman.dialects import Call
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers.prices import PriceList, booked
from dragoman.providers.upstream import prepare
from dragoman.simulator import Behaviour, Simulator
from dragoman.store import AttemptRow, ExchangeRow
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import AlertRow, BudgetRow, Window
from dragoman.store.keys import KeyRow, SecretRow
from dragoman.store.opening import open_store
from dragoman.store.prices import PriceRow
from dragoman.store.reports import Dimension, Part, Sums

ROOT = Path(__file__).parents[2]
NOW = 1_795_290_000.0
"""A Saturday's evening."""
SETTING = Setting(5, 900, NOW)
NOBODY = "http://127.0.0.1:9"

ENDED = {"settled", "cancelled", "failed", "interrupted"}


class Month(msgspec.Struct):
    """A month as the store has it."""

    folder: Path
    config: Config
    secrets: dict[str, str]
    exchanges: list[ExchangeRow]
    attempts: dict[str, list[AttemptRow]]
    cells: dict[str, dict[str | None, Sums]]
    prices: list[PriceRow]
    budgets: list[BudgetRow]
    windows: list[Window]
    alerts: list[AlertRow]
    audit: list[AuditRow]
    keys: dict[str, KeyRow]
    hints: list[SecretRow]


def configured(folder: Path, simulator_url: str = NOBODY) -> Config:
    """Return the demo's configuration over a folder."""
    return load(environment(folder, simulator_url, 0), folder)


async def made(folder: Path, setting: Setting = SETTING) -> Month:
    """Fill a folder, and read all there is."""
    config = configured(folder)
    secrets = await fill(config, setting, lambda _: None)
    store = await open_store(config.store, config.data)
    try:
        rows = await store.exchanges(limit=1_000_000)
        dimensions: tuple[Dimension | None, ...] = (None, "key", "model", "provider", "state", "route")
        return Month(
            folder,
            config,
            secrets,
            rows,
            {row.id: await store.attempts(row.id) for row in rows},
            {
                by or "": {cell.name: cell.sums for cell in await store.reports.cells(Part(), by=by)}
                for by in dimensions
            },
            await store.prices.rows(),
            await store.budgets.rows(),
            await store.budgets.windows(),
            await store.budgets.alerts(),
            [row for _, row in await store.audit.rows(limit=1000)],
            {row.name: row for row in await store.keys.keys()},
            await store.keys.secrets(),
        )
    finally:
        await store.close()


@pytest.fixture(scope="module")
def booked_month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    """Return one small month, for all who only look."""
    return asyncio.run(made(tmp_path_factory.mktemp("demo")))


def test_the_same_seed_makes_the_same_month() -> None:
    """A month is a function of its seed and its end."""
    since = NOW - 3 * 86_400
    first, again = ([*month(SETTING, since, NOW)] for _ in range(2))
    other = [*month(msgspec.structs.replace(SETTING, seed=6), since, NOW)]
    assert len(first) > 30
    assert first == again
    assert {one.exchange.id for one in first}.isdisjoint(one.exchange.id for one in other)


def test_two_parts_of_a_month_are_the_whole() -> None:
    """Whenever it is filled up, nothing is booked twice and nothing is left out."""
    since, middle = NOW - 2 * 86_400, NOW - 86_400 + 1234.5
    parts = [*month(SETTING, since, middle), *month(SETTING, middle, NOW)]

    def ids(found: list[Happening]) -> list[str]:
        return sorted(one.exchange.id for one in found)

    assert ids(parts) == ids([*month(SETTING, since, NOW)])


def test_it_goes_on_after_the_first_month() -> None:
    """Keys that are neither revoked nor expired ask on; the others do not."""
    later = Counter(one.exchange.key for one in month(SETTING, NOW, NOW + 7 * 86_400))
    assert later[LIVE[0]] > 0
    assert later[REVOKED] == later[EXPIRED] == 0


def test_days_and_weeks_have_their_rhythm() -> None:
    """Offices sleep at night and on Sundays; batches run at night."""
    found = [one.exchange for one in month(Setting(5, 9000, NOW), NOW - 28 * 86_400, NOW)]
    office = Counter(
        (int(row.opened_at) // HOUR_S % 24) // 6
        for row in found
        if row.key in ("code-review", "release-notes")
    )
    night = Counter((int(row.opened_at) // HOUR_S % 24) // 6 for row in found if row.key == "nightly-batch")
    assert office[1] + office[2] > 4 * (office[0] + office[3])
    assert night[0] > 2 * (night[1] + night[2] + night[3])
    days = Counter((int(row.opened_at) // 86_400 + 3) % 7 for row in found)
    assert days[6] < min(days[day] for day in range(5))


def test_one_provider_has_a_bad_hour() -> None:
    """Two days ago most calls of one provider failed for an hour, and on no other day."""
    setting = Setting(5, 60_000, NOW)
    begins = setting.incident_at
    assert 1.5 * 86_400 < NOW - begins < 3 * 86_400

    def failing(since: float) -> float:
        calls = [
            row.state == "failed"
            for one in month(setting, since - HOUR_S, since + INCIDENT_S + HOUR_S)
            for row in one.attempts
            if row.provider == INCIDENT_PROVIDER and since <= one.exchange.opened_at < since + INCIDENT_S
        ]
        return sum(calls) / len(calls)

    assert failing(begins) > 0.4
    assert failing(begins - 7 * 86_400) < 0.15


def test_there_is_some_of_everything(booked_month: Month) -> None:
    """Each page of the dashboard has something to show."""
    rows = booked_month.exchanges
    assert {row.dialect for row in rows} == set(DIALECTS)
    assert {row.state for row in rows} == ENDED
    assert {row.team for row in rows} == {"support", "search", "platform", "research"}
    assert len({row.provider for row in rows if row.provider}) >= 6
    assert len({row.answered_model for row in rows if row.answered_model}) >= 12
    assert {row.route for row in rows} == {"", *ROUTES}
    assert any(row.cached and row.saved_micros for row in rows)
    assert any(row.losses for row in rows)
    assert any(row.stream for row in rows)
    assert not all(row.stream for row in rows)
    assert any(row.failure == "exhausted" and row.key == SPENT_OUT for row in rows)
    unknown = {
        row.answered_model for row in rows if row.meters.cost_micros is None and row.state == "settled"
    }
    assert "command-a-plus-05-2026" in unknown


def test_failures_are_of_many_kinds() -> None:
    """In a month of full size requests fail in many ways, and many more are saved by another target."""
    rows = [one.exchange for one in month(Setting(7, 20_000, NOW), NOW - 30 * 86_400, NOW)]
    assert abs(len(rows) - 20_000) < 1500
    kinds = {row.failure for row in rows}
    assert {"invalid", "not_found", "rate_limited", "timeout", "truncated"} <= kinds
    assert sum(row.fallback for row in rows) > 20
    assert {row.attempts for row in rows} >= {0, 1, 2, 3}
    assert 0.01 < sum(row.state == "failed" for row in rows) / len(rows) < 0.05


def test_nothing_is_in_the_future(booked_month: Month) -> None:
    """Everything ended by the end of the month, and began in it."""
    for row in booked_month.exchanges:
        assert NOW - 31 * 86_400 < row.opened_at < NOW
        assert row.settled_at is None or row.opened_at <= row.settled_at <= NOW
    assert all(alert.told_at <= NOW for alert in booked_month.alerts)
    assert all(entry.at <= NOW for entry in booked_month.audit)


def test_rows_agree_with_their_attempts(booked_month: Month) -> None:
    """An exchange is the sum of its attempts, and its times lie around theirs."""
    for row in booked_month.exchanges:
        attempts = booked_month.attempts[row.id]
        if row.state == "interrupted":
            assert row.owner == GONE
            continue
        assert row.state in ENDED
        assert row.attempts == len(attempts)
        assert [attempt.number for attempt in attempts] == [*range(1, len(attempts) + 1)]
        for name in COUNTERS:
            assert getattr(row.meters, name) == sum(getattr(attempt.meters, name) for attempt in attempts)
        costs = [attempt.meters.cost_micros for attempt in attempts]
        known = [cost for cost in costs if cost is not None]
        assert row.meters.cost_micros == (sum(known) if len(known) == len(costs) else None)
        times = [row.opened_at, *(attempt.opened_at for attempt in attempts), row.settled_at or 0]
        assert times == sorted(times)
        assert all(attempt.state == "failed" and attempt.failure for attempt in attempts[:-1])
        if attempts:
            assert (row.provider, row.answered_model) == (attempts[-1].provider, attempts[-1].model)
            assert row.first_event_ms == attempts[-1].first_event_ms
            assert attempts[-1].state == row.state


def test_the_course_adds_up(booked_month: Month) -> None:
    """Marks come in the line's order, one of each outcome for each attempt, and end with the latency."""
    for row in booked_month.exchanges:
        marks, times = [mark for mark, _ in row.course], [ms for _, ms in row.course]
        assert times == sorted(times)
        if row.state == "interrupted":
            continue
        assert row.latency_ms is not None
        assert not times or times[-1] <= row.latency_ms + 0.001
        assert marks.count("reserve") == row.attempts == marks.count("first") + marks.count("fault")
        assert marks.count("first") == (row.first_event_ms is not None and not row.cached)
        assert ("deliver" in marks) == (row.state == "settled")
        if "first" in marks:
            assert times[marks.index("first")] == row.first_event_ms


def test_every_cost_is_the_price_lists(booked_month: Month) -> None:
    """An attempt cost what the price of its instant says of its meters; nothing is made up."""
    prices = PriceList(booked_month.config.catalog, None, lambda: booked_month.prices)
    versions = Counter[str]()
    for attempts in booked_month.attempts.values():
        for row in attempts:
            counters = {name: getattr(row.meters, name) for name in COUNTERS}
            if not any(counters.values()):
                assert not row.meters.cost_micros
                assert row.price == ""
                continue
            quote = prices.find(row.provider, row.model, row.opened_at)
            cost, version = booked(Usage(**counters), quote)
            assert (row.meters.cost_micros, row.price) == (cost, version)
            versions[version.split()[0] if version else ""] += 1
    assert {"genai-prices", "operator"} <= versions.keys()


def test_sums_are_the_rows(booked_month: Month) -> None:
    """Reports of the month are what its rows add up to."""
    for name, of in (
        ("", lambda row: None),
        ("key", lambda row: row.key),
        ("provider", lambda row: row.provider or ""),
        ("state", lambda row: row.state),
        ("route", lambda row: row.route),
    ):
        found: dict[str | None, list[ExchangeRow]] = {}
        for row in booked_month.exchanges:
            found.setdefault(of(row), []).append(row)
        cells = booked_month.cells[name]
        assert cells.keys() == found.keys()
        for group, rows in found.items():
            assert cells[group].requests == len(rows)
            assert cells[group].cost_micros == sum(row.meters.cost_micros or 0 for row in rows)
            assert cells[group].unknown_cost == sum(row.meters.cost_micros is None for row in rows)
            assert cells[group].cached == sum(row.cached for row in rows)
            assert cells[group].saved_micros == sum(row.saved_micros or 0 for row in rows)
            assert cells[group].attempts == sum(row.attempts for row in rows)


def test_budgets_stand_as_the_ledger_says(booked_month: Month) -> None:
    """One budget is used up, one nearly, alerts were told, and no window says other than the rows."""
    windows = {(one.budget, one.subject, one.at): one for one in booked_month.windows}
    assert all(one.held_micros == 0 for one in windows.values())

    def cost(**wanted: str) -> int:
        rows = booked_month.exchanges
        return sum(
            row.meters.cost_micros or 0
            for row in rows
            if all(getattr(row, name) == value for name, value in wanted.items())
        )

    spent_out = windows["prototypes", SPENT_OUT, 0].spent_micros
    assert spent_out == cost(key=SPENT_OUT)
    pilot = windows["support-pilot", "support", 0].spent_micros
    assert pilot == cost(team="support")
    caps = {row.name: row.cap_micros for row in booked_month.budgets}
    assert 0.8 * caps["support-pilot"] <= pilot < caps["support-pilot"]
    assert spent_out >= caps["prototypes"]
    told = {(alert.budget, alert.percent) for alert in booked_month.alerts}
    assert {("prototypes", 100), ("support-pilot", 80)} <= told
    everything = [one.spent_micros for one in windows.values() if one.budget == "everything"]
    assert sum(everything) == cost()


def test_keys_have_had_a_life(booked_month: Month) -> None:
    """One is revoked, one has expired, one was rotated, and the audit log has it all."""
    keys = booked_month.keys
    revoked_at = keys[REVOKED].revoked_at
    assert revoked_at is not None
    ends = keys[EXPIRED].expires_at
    assert ends is not None
    assert ends < NOW
    assert sum(secret.key == ROTATED for secret in booked_month.hints) == 2
    actions = {entry.action for entry in booked_month.audit}
    assert actions >= {
        *("key.create", "key.change", "key.rotate", "key.revoke", "team.put", "user.put"),
        *("budget.create", "budget.change", "prices.set", "prices.reprice"),
    }
    for row in booked_month.exchanges:
        assert row.key != REVOKED or row.opened_at <= revoked_at
        assert row.key != EXPIRED or row.opened_at <= ends
    assert REVOKED not in booked_month.secrets


def test_words_are_logged_of_one_key_only(booked_month: Month) -> None:
    """The log of prompts has the last days' exchanges, with words where a key says so."""
    lines = [
        json.loads(line) for line in (booked_month.folder / "logs" / "prompts.json").read_text().splitlines()
    ]
    ids = {row.id for row in booked_month.exchanges}
    assert lines
    assert {line["prompt_id"] for line in lines} <= ids
    wordy = {line["key"] for line in lines if line["prompt"] is not None}
    assert wordy == {"docs-assistant"}
    assert {line["prompt"] for line in lines if line["prompt"]} <= {question for question, _ in WORDS}


def test_secrets_open_the_real_gateway(tmp_path: Path) -> None:
    """The keys that were made are the gateway's own: the admin sees the month, a client asks on."""

    async def play() -> None:
        await made(tmp_path, Setting(5, 60, NOW))
        known = json.loads((tmp_path / "data" / SECRETS).read_bytes())
        async with Simulator(Behaviour(tokens=3)) as sim:
            environ = environment(tmp_path, sim.url, 0)
            environ.pop("DRAGOMAN_DATA")
            async with house(tmp_path, sim.url, **environ) as gate:
                assert gate.gateway.config.environment == "demo"
                before = len(await gate.rows())
                head = get("/v1/usage/stats", {"authorization": f"Bearer {known['admin']}"})
                assert (await ask_house(gate.port, head)).status == 200
                client = Client(gate.url, known, rate=1, chance=random.Random(3))
                async with aiohttp.ClientSession(gate.url) as session:
                    statuses = [await client.ask(session) for _ in range(25)]
                rows = (await gate.rows(before + 25))[before:]
        asked = Counter(row.key for row in rows)
        assert set(asked) <= set(LIVE)
        assert statuses.count(200) >= 20
        assert all((row.provider or "sim-").startswith("sim-") for row in rows)
        assert sum(row.meters.cost_micros or 0 for row in rows) > 0

    asyncio.run(play())


def test_the_time_between_is_filled_up(tmp_path: Path) -> None:
    """A second start books what happened since, once, and has the same secrets."""

    async def play() -> None:
        first = await made(tmp_path, Setting(5, 300, NOW))
        later = NOW + 86_400
        second = await made(tmp_path, Setting(9, 17, later))
        third = await made(tmp_path, Setting(9, 17, later))
        new = {row.id for row in second.exchanges} - {row.id for row in first.exchanges}
        expected = {one.exchange.id for one in month(Setting(5, 300, NOW), NOW, later)}
        assert new
        assert new == expected
        assert second.secrets == first.secrets
        assert len(third.exchanges) == len(second.exchanges)
        pilot = next(one for one in second.windows if one.budget == "support-pilot")
        [cap] = [row.cap_micros for row in second.budgets if row.name == "support-pilot"]
        assert 0.8 * cap <= pilot.spent_micros < cap

    asyncio.run(play())


def test_an_unfinished_month_is_not_gone_on_with(tmp_path: Path) -> None:
    """Where a start was killed, a person is told how to begin anew."""

    async def play() -> None:
        config = configured(tmp_path)

        def killed(line: str) -> None:
            raise KeyboardInterrupt(line)

        with pytest.raises(KeyboardInterrupt):
            await fill(config, SETTING, killed)
        with pytest.raises(Failure, match="--fresh") as told:
            await fill(config, SETTING, lambda _: None)
        assert told.value.kind is Kind.CONFLICT

    asyncio.run(play())


def test_no_other_folder_is_touched(tmp_path: Path) -> None:
    """A folder that is no demo's is left alone, also with --fresh; one that is in use, too."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "dragoman.db").write_text("precious")
    for fresh in (False, True):
        with pytest.raises(Exception, match="is not a demo's folder"), ground(theirs, fresh=fresh):
            pass
    assert [path.name for path in theirs.iterdir()] == ["dragoman.db"]
    ours = tmp_path / "ours"
    with (
        ground(ours, fresh=False),
        pytest.raises(Exception, match="another demo runs"),
        ground(ours, fresh=True),
    ):
        pass
    (ours / "old").write_text("x")
    with ground(ours, fresh=True):
        assert [path.name for path in ours.iterdir()] == [MARK]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--exchanges", "-5"], "at least 1"),
        (["--exchanges", "many"], "invalid count value: 'many'"),
        (["--rate", "-1"], "from 0 to 1000"),
        (["--rate", "nan"], "from 0 to 1000"),
    ],
)
def test_numbers_that_cannot_be_meant(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """They are the command line's fault, and nothing is begun."""
    with pytest.raises(SystemExit) as ended:
        options().parse_args(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says which, in words."""
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("sys.argv", ["demo", "--port", "0", "--data", str(tmp_path / "file" / "demo")])
    assert main() == 1
    assert capsys.readouterr().err == f"demo: {tmp_path / 'file' / 'demo'}: Not a directory\n"


def test_the_operators_keys_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No provider but the simulated is ready, whatever the environment and its files hold."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-operators-own")
    monkeypatch.setenv("DRAGOMAN_STORE_URL", "postgresql://their/ledger")
    (tmp_path / "dragoman.toml").write_text("[server]\nport = 1\n")
    config = configured(tmp_path)
    ready = {name for name, row in config.providers.items() if row.ready}
    assert {name for name in ready if not name.startswith("sim-")} <= {"local", "ollama"}
    assert config.store.url == ""
    assert config.server.host == "127.0.0.1"
    assert config.environment == "demo"


def test_everybody_in_the_cast_is_known(tmp_path: Path) -> None:
    """Models, providers and routes of the month are the catalogue's and the configuration's."""
    config = configured(tmp_path)
    prices = PriceList(config.catalog)
    unknown = set()
    for desk in DESKS:
        for name, _ in desk.asks:
            _, targets = asked_for(name)
            for target in targets:
                assert target.provider in PLACES
                assert config.catalog.find_model(target.provider, target.model) is not None
                if prices.find(target.provider, target.model, NOW).price is None:
                    unknown.add(target.model)
    assert unknown == {"command-a-plus-05-2026"}
    for name, wanted in ROUTES.items():
        assert config.routes[name].targets[: len(wanted)] == wanted
        assert all(target.startswith("sim-") for target in config.routes[name].targets[len(wanted) :])
    for model, provider in MODEL_OF.items():
        assert config.catalog.find_model(provider, model) is not None


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_client_speaks_every_dialect(dialect: str, *, stream: bool) -> None:
    """What the live client writes is read by the dialect it is meant for."""
    path, body = written(dialect, "quick", "hello", stream=stream)
    asked, _, query = path.partition("?")
    call = Call("POST", asked, dict(pair.split("=") for pair in query.split("&") if pair), {}, body)
    read = DIALECTS[dialect].read_request(call)
    assert (read.model, read.stream) == ("quick", stream)


def test_losses_are_those_of_real_crossings(tmp_path: Path) -> None:
    """What the month says was lost is what just these crossings lose."""
    config = configured(tmp_path)
    asks = {name: target for desk in DESKS for name, _ in desk.asks for target in asked_for(name)[1]}
    for dialect, lost in LOSSES.items():
        request = DIALECTS[dialect].read_request(Call("POST", *rich(dialect)))
        for provider, words in lost.items():
            found: set[str] = set()
            for target in asks.values():
                if target.provider == provider:
                    prepared = prepare(
                        msgspec.structs.replace(request, model=target.model),
                        model=config.catalog.find_model(provider, target.model),
                        provider=msgspec.structs.replace(config.providers[provider], key="x"),
                        dialect=config.dialects[config.providers[provider].dialect],
                        task="generate",
                    )
                    assert prepared is not None
                    found |= set(map(str, prepared.losses))
            assert set(words) <= found, (dialect, provider)


def rich(dialect: str) -> tuple[str, dict[str, str], dict[str, str], dict[str, Any]]:
    """Return a request with much in it that other protocols lack."""
    path, body = written(dialect, "m", "hello", stream=False)
    more: dict[str, dict[str, Any]] = {
        "openai_chat": {
            "seed": 7,
            "frequency_penalty": 0.2,
            "logit_bias": {"50": 1},
            "parallel_tool_calls": False,
            "user": "u",
            "reasoning_effort": "low",
            "logprobs": True,
            "top_logprobs": 2,
            "metadata": {"a": "b"},
            "response_format": {"type": "json_object"},
            "max_tokens": 500_000,
            "temperature": 0.3,
        },
        "anthropic": {
            "top_k": 5,
            "max_tokens": 4000,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
        },
        "openai_responses": {
            "reasoning": {"effort": "high", "summary": "auto"},
            "truncation": "auto",
            "text": {"verbosity": "low"},
        },
        "gemini": {
            "generationConfig": {"topK": 3, "thinkingConfig": {"thinkingBudget": 100}},
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        },
        "cohere": {"k": 5},
        "ollama": {"options": {"top_k": 4, "mirostat": 1}, "keep_alive": "5m"},
    }
    return path, {}, {}, {**body, **more[dialect]}


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run the command until it says how to end it; then end it as Ctrl-C does, and say how it ended."""
    told: dict[str, Any] = {}
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "examples.demo", "--data", str(folder), "--port", "0"),
            *("--exchanges", "60", *arguments),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        said: list[str] = []
        for line in child.stdout:
            said.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        text = "\n".join(said)
        found = re.search(r"dashboard +(http://127\.0\.0\.1:(\d+)/admin)", text)
        key = re.search(r"admin key +(sk-dm-\S+)", text)
        assert found is not None, text
        assert key is not None, text
        told |= {"text": text, "port": int(found[2]), "admin": key[1]}
        yield told
        child.send_signal(signal.SIGINT)
        told["code"] = child.wait(30)
        told["rest"] = child.stdout.read()
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def seen(told: Mapping[str, Any], path: str) -> Any:
    """Return what the admin is told by a running demo."""
    answer = asyncio.run(ask_house(told["port"], get(path, {"authorization": f"Bearer {told['admin']}"})))
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


async def left_open(folder: Path) -> list[str]:
    """Return who has rows that nobody settled."""
    config = configured(folder)
    store = await open_store(config.store, config.data)
    try:
        return await store.open_owners()
    finally:
        await store.close()


def test_the_command_begins_ends_and_begins_again(tmp_path: Path) -> None:
    """It serves the month with the key it prints, goes on asking, ends at Ctrl-C, and goes on next time."""
    folder = tmp_path / "demo"
    with started(folder, "--rate", "40") as first:
        month_of_it = seen(first, "/v1/usage/stats")["total_requests"]
        while seen(first, "/v1/usage/stats")["total_requests"] <= month_of_it:
            pass  # each look takes its time; the client asks meanwhile
    assert first["code"] == 0
    with started(folder, "--rate", "0") as second:
        assert "for the time since the last start" in second["text"]
        assert second["admin"] == first["admin"]
        assert seen(second, "/v1/usage/stats")["total_requests"] > month_of_it
    assert second["code"] == 0
    with started(folder, "--rate", "0", "--fresh") as anew:
        assert anew["admin"] != first["admin"]
    assert anew["code"] == 0
    assert asyncio.run(left_open(folder)) == []


def test_its_options_say_what_they_are() -> None:
    """The port is its own, and every option is described."""
    parser = options()
    assert parser.parse_args([]).port == 8081
    assert parser.parse_args([]).data == Path("demo-data")
    assert all(action.help for action in parser._actions)
