"""The process: start, signals, workers, and the ways a start is refused."""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.house import ask, chat, get, post, spawned

from dragoman.accounts.keys import well_formed
from dragoman.simulator import Simulator
from dragoman.simulator.script import read


def test_sigterm_lets_streams_end(tmp_path: Path) -> None:
    """A stream under way when the process is told to stop is delivered whole, and booked."""

    async def play() -> None:
        plot = read({"default": {"tokens": 40, "tokens_per_s": 100}})
        async with Simulator(script=plot) as sim:
            with spawned(tmp_path, DRAGOMAN_SIMULATOR_URL=sim.url) as gate:
                asking = asyncio.ensure_future(
                    ask(gate.port, post("/v1/chat/completions", chat(stream=True)))
                )
                await sim.journal.until(lambda journal: len(journal) == 1)
                gate.child.send_signal(signal.SIGTERM)
                got = await asking
                assert got.frames[-1] == "[DONE]"
                assert await asyncio.to_thread(gate.child.wait, 20) == 0
            with closing(sqlite3.connect(tmp_path / "data" / "dragoman.db")) as ledger:
                assert ledger.execute("select state from exchange").fetchall() == [("settled",)]

    asyncio.run(asyncio.wait_for(play(), 60))


def test_workers_share_the_port_and_the_ledger(tmp_path: Path) -> None:
    """Two processes serve; every request has its row, and no live sibling's row is swept."""

    async def play() -> None:
        async with Simulator() as sim:
            with spawned(tmp_path, "--workers", "2", DRAGOMAN_SIMULATOR_URL=sim.url) as gate:
                while True:
                    try:
                        if (await ask(gate.port, get("/health/ready"))).status == 200:
                            break
                    except (ConnectionError, asyncio.IncompleteReadError):
                        await asyncio.sleep(0.01)
                answers = await asyncio.gather(
                    *(ask(gate.port, post("/v1/chat/completions", chat())) for _ in range(40))
                )
                assert {answer.status for answer in answers} == {200}
            with closing(sqlite3.connect(tmp_path / "data" / "dragoman.db")) as ledger:
                states = ledger.execute("select state, count(*) from exchange group by state").fetchall()
            assert states == [("settled", 40)]
            assert gate.child.returncode == 0

    asyncio.run(asyncio.wait_for(play(), 60))


def refused(folder: Path, **settings: str) -> tuple[int, str]:
    """Start a gateway that should not start; return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", "serve"],
        cwd=folder,
        env={"DRAGOMAN_DATA": str(folder / "data"), "DRAGOMAN_LOCAL_ENABLED": "false", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_port_in_use_is_said_so(tmp_path: Path) -> None:
    """One line, no traceback, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = refused(tmp_path, PORT=str(taken.getsockname()[1]))
    assert code == 1
    assert "cannot listen" in said
    assert "--port" in said
    assert "Traceback" not in said


def test_other_machines_are_not_let_in_without_a_key(tmp_path: Path) -> None:
    """A non-loopback address and no key: the start is refused."""
    code, said = refused(tmp_path, HOST="0.0.0.0")
    assert code == 2
    assert "API_KEYS" in said


def test_a_wrong_configuration_names_its_line(tmp_path: Path) -> None:
    """file:line of each problem, and what was perhaps meant."""
    (tmp_path / "dragoman.toml").write_text('[server]\nport = "many"\nhots = "x"\n')
    code, said = refused(tmp_path)
    assert code == 2
    assert "dragoman.toml:2" in said
    assert "dragoman.toml:3" in said
    assert "host" in said


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_store_that_is_away_is_one_fact(tmp_path: Path, workers: str) -> None:
    """Which database, and no traceback and no password."""
    url = "postgresql://u:canary@127.0.0.1:1/x"
    settings = {"DRAGOMAN_STORE_URL": url, "DRAGOMAN_PEPPER": "p" * 40, "DRAGOMAN_SERVER_PORT": "0"}
    code, said = refused(tmp_path, DRAGOMAN_SERVER_WORKERS=workers, **settings)
    assert code != 0
    assert "127.0.0.1:1/x: the database cannot be reached" in said
    assert "Traceback" not in said
    assert "canary" not in said


def test_a_data_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """So is a file that stands in the way."""
    (tmp_path / "data").write_text("")
    code, said = refused(tmp_path, DRAGOMAN_SERVER_PORT="0")
    assert code != 0
    assert str(tmp_path / "data") in said
    assert "Traceback" not in said


def test_the_admin_key_is_shown_once(tmp_path: Path) -> None:
    """At the first start only; its digest is all that is kept."""
    with spawned(tmp_path) as first:
        [line] = [line for line in first.said if "admin key" in line]
    with spawned(tmp_path) as again:
        assert not any("admin key" in line for line in again.said)
    key = line.split()[-1]
    assert well_formed(key)
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert kept
    assert not any(key.encode() in path.read_bytes() for path in kept)


def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    """After kill -9 of the supervisor nobody listens any more."""

    async def play() -> None:
        with spawned(tmp_path, "--workers", "2") as gate:
            while True:
                try:
                    if (await ask(gate.port, get("/health/ready"))).status == 200:
                        break
                except (ConnectionError, asyncio.IncompleteReadError):
                    await asyncio.sleep(0.01)
            gate.child.kill()
            # A worker may take what is in the listening queue until it is gone: ask till nobody does.
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    await ask(gate.port, get("/health/live"))

    asyncio.run(asyncio.wait_for(play(), 60))


def test_sighup_reloads(tmp_path: Path) -> None:
    """A route written after the start is there after the signal; nothing under way is disturbed."""

    async def play() -> None:
        async with Simulator() as sim:
            with spawned(tmp_path, DRAGOMAN_SIMULATOR_URL=sim.url) as gate:
                (tmp_path / "dragoman.toml").write_text('[aliases]\nlate = "sim-gemini/x"\n')
                gate.child.send_signal(signal.SIGHUP)
                while (await ask(gate.port, post("/v1/chat/completions", chat(model="late")))).status != 200:
                    await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(play(), 60))
