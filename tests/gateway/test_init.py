"""Process state: reload, and two gateways side by side."""

from __future__ import annotations

import asyncio
import logging
import secrets
from pathlib import Path

import pytest
from tests.house import ask, chat, house, message, post

from dragoman.accounts.issuing import Draft
from dragoman.simulator import Simulator


def test_two_gateways_in_one_process_do_not_meet(tmp_path: Path) -> None:
    """Each has its own keys, routes, ledger and upstream; nothing is global."""

    async def play() -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        for folder in (one, two):
            folder.mkdir()
        (one / "dragoman.toml").write_text('[aliases]\nname = "sim-openai_chat/left"\n')
        (two / "dragoman.toml").write_text('[aliases]\nname = "sim-anthropic/right"\n')
        async with (
            Simulator() as left,
            Simulator() as right,
            house(one, left.url, API_KEYS="a") as first,
            house(two, right.url, API_KEYS="b") as second,
        ):
            for gate, key in ((first, "a"), (second, "b")):
                got = await ask(
                    gate.port, post("/v1/chat/completions", chat(model="name"), {"x-api-key": key})
                )
                assert got.status == 200
            crossed = await ask(first.port, post("/v1/messages", message(model="name"), {"x-api-key": "b"}))
            assert crossed.status == 401
            assert [entry.model for entry in left.journal.entries] == ["left"]
            assert [entry.model for entry in right.journal.entries] == ["right"]
            assert [row.provider for row in await first.rows(1)] == ["sim-openai_chat"]
            assert [row.provider for row in await second.rows(1)] == ["sim-anthropic"]

    asyncio.run(play())


def test_a_reload_swaps_what_is_good_and_keeps_it_over_what_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken file leaves the last good configuration in force and says where it broke."""
    file = tmp_path / "dragoman.toml"

    async def status(port: int, model: str) -> int:
        return (await ask(port, post("/v1/chat/completions", chat(model=model)))).status

    async def play() -> None:
        file.write_text('[aliases]\nold = "sim-openai_chat/x"\n')
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            assert await status(gate.port, "old") == 200
            file.write_text('[aliases]\nnew = "sim-openai_chat/x"\n')
            assert gate.gateway.reload()
            assert await status(gate.port, "new") == 200
            assert await status(gate.port, "old") == 404
            file.write_text("[aliases]\nnew = 5\n")
            with caplog.at_level(logging.ERROR):
                assert not gate.gateway.reload()
            assert "dragoman.toml:2" in caplog.text
            assert await status(gate.port, "new") == 200

    asyncio.run(play())


def test_a_changed_file_is_picked_up(tmp_path: Path) -> None:
    """Nobody has to send a signal."""
    file = tmp_path / "dragoman.toml"

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            file.write_text('[aliases]\nlate = "sim-openai_chat/x"\n')
            while (await ask(gate.port, post("/v1/chat/completions", chat(model="late")))).status != 200:
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(play(), 30))


def test_an_exchange_keeps_the_configuration_it_began_with(tmp_path: Path) -> None:
    """A reload while a request waits changes nothing for that request."""
    file = tmp_path / "dragoman.toml"

    async def play() -> None:
        file.write_text('[aliases]\nname = "sim-openai_chat/old"\n')
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            before = gate.gateway.services.live()
            file.write_text('[aliases]\nname = "sim-anthropic/new"\n')
            gate.gateway.reload()
            assert before.table.resolve("name").targets[0].model == "old"
            assert gate.gateway.services.live().table.resolve("name").targets[0].model == "new"

    asyncio.run(play())


def test_what_a_reload_does_not_change_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Sinks hold from one start to the next; whose words are logged, and who may read metrics, does not."""
    file = tmp_path / "dragoman.toml"
    changes = {
        "files": '[files]\nkeep = 3\ntext = "all"\n',
        "influx": '[influx]\nurl = "http://127.0.0.1:9"\ndb = "d"\n',
        "webhook": "[webhook]\ntries = 3\n",
        "metrics": "[metrics]\nkeys = true\n",
        "otlp": "[otlp]\nkeys = true\n",
        "": '[files]\ntext = "all"\n[metrics]\nopen = true\nreaders = ["me"]\n',
    }

    async def play() -> None:
        for name, words in changes.items():
            file.write_text("")
            async with house(tmp_path) as gate:
                caplog.clear()
                file.write_text(words)
                assert gate.gateway.reload()
                named = [record.args for record in caplog.records if "next start" in record.message]
                assert named == ([(name,)] if name else [])

    asyncio.run(asyncio.wait_for(play(), 60))


def test_a_sink_in_trouble_is_told_of_in_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that cannot be written is no bug, and has no traceback."""
    (tmp_path / "logs").write_text("a file")

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            await ask(gate.port, post("/v1/chat/completions", chat()))
            await gate.rows(1)

    asyncio.run(asyncio.wait_for(play(), 30))
    [told] = [record for record in caplog.records if "log of prompts" in record.message]
    assert "File exists" in told.message
    assert told.exc_info is None


def test_one_name_for_two_keys_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A key of the configuration that is called as one in the store shares its requests and budgets."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            issuing = gate.gateway.directory.issuing(secrets.token_bytes)
            await issuing.create("boss", Draft(name="key-1"))
        assert "key-1" not in caplog.text
        async with house(tmp_path, API_KEYS="a"):
            assert "key-1" in caplog.text

    asyncio.run(play())


def test_what_was_recorded_for_a_revoked_key_is_forgotten(tmp_path: Path) -> None:
    """Nobody can ask for it any more; what others have recorded stays."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            gateway, sizes = gate.gateway, [0]
            recordings = gateway.store.recordings
            issuing = gateway.directory.issuing(secrets.token_bytes)
            for name in ("anna", "bert"):
                _, secret = await issuing.create("test", Draft(name=name))
                headers = {"authorization": f"Bearer {secret}", "x-dragoman-cache": "on"}
                got = await ask(gate.port, post("/v1/chat/completions", chat(), headers))
                assert got.status == 200
                while await recordings.total() == sizes[-1]:
                    await asyncio.sleep(0.01)
                sizes.append(await recordings.total())
            await issuing.revoke("test", "anna")
            while await recordings.total() == sizes[2]:
                await asyncio.sleep(0.01)
            assert await recordings.total() == sizes[2] - sizes[1]

    asyncio.run(play())
