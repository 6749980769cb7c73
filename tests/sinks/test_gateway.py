"""All that writes down what happened, behind a whole gateway: it agrees with the ledger, and costs nobody."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from pathlib import Path

from tests.house import ask, chat, house, post, spawned
from tests.sinks.databases import InfluxDb
from tests.sinks.listener import listening, reply

from dragoman.simulator import Simulator

SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"


def settings(folder: Path, database: InfluxDb, webhook: str = "") -> dict[str, str]:
    """Return what switches everything on."""
    return {
        "DRAGOMAN_FILES_FOLDER": str(folder / "logs"),
        "INFLUXDB_URL": database.url,
        "INFLUXDB_DB": "d",
        "INFLUXDB_USER": database.user,
        "INFLUXDB_PASSWORD": database.password,
        "DRAGOMAN_WEBHOOK_URL": webhook,
        "DRAGOMAN_WEBHOOK_SECRET": SECRET if webhook else "",
    }


def points(database: InfluxDb) -> int:
    """Return how many points there are."""
    rows = database.query("select count(chunks) as points from llm_request", "d")
    return int(rows[0]["points"]) if rows else 0


def test_everybody_is_told_what_the_ledger_says(tmp_path: Path, influxdb: InfluxDb) -> None:
    """Good and refused requests, streamed or not: each is a row, a point, a line and an event."""

    async def play() -> None:
        async with (
            listening(reply(204)) as webhook,
            Simulator() as sim,
            house(tmp_path, sim.url, **settings(tmp_path, influxdb, webhook.url)) as gate,
        ):
            for body in (chat(), chat(stream=True), chat(model="nobody/has-this")):
                await ask(gate.port, post("/v1/chat/completions", body))
            await ask(gate.port, post("/chat", {"prompt": "=1+1", "model": "sim-gemini/m"}))
            rows = await gate.rows(4)
        ids = sorted(row.id for row in rows)
        events = [one for request in webhook.requests for one in json.loads(request.body)["data"]]
        assert sorted(one["data"]["id"] for one in events) == ids
        lines = [json.loads(line) for line in (tmp_path / "logs" / "prompts.json").read_text().splitlines()]
        assert sorted(line["prompt_id"] for line in lines) == ids
        assert [line["prompt"] for line in lines if line["prompt"]] == ["=1+1"]
        assert "'=1+1" in (tmp_path / "logs" / "prompts.csv").read_text()
        tokens = sum(row.meters.input + row.meters.output for row in rows)
        asked = "sum(prompt_tokens) as asked, sum(completion_tokens) as answered"
        [told] = influxdb.query(f"select {asked} from llm_request", "d")
        assert told["asked"] + told["answered"] == tokens > 0
        assert points(influxdb) == 4

    asyncio.run(play())


def test_a_database_that_is_away_costs_no_request(tmp_path: Path, influxdb: InfluxDb) -> None:
    """Requests are answered while it is down; a gateway that is killed then leaves its points to the next."""
    influxdb.stop()

    async def play() -> None:
        async with Simulator() as sim:
            given = settings(tmp_path, influxdb) | {"DRAGOMAN_SIMULATOR_URL": sim.url}
            with spawned(tmp_path, **given) as gate:
                for _ in range(20):
                    answer = await ask(gate.port, post("/v1/chat/completions", chat()))
                    assert answer.status == 200
                await spooled(tmp_path / "data" / "spool" / "influx", 20)
                gate.child.send_signal(signal.SIGKILL)
                gate.child.wait()
            await asyncio.to_thread(influxdb.start)
            async with house(tmp_path, sim.url, **settings(tmp_path, influxdb)) as next_:
                await ask(next_.port, post("/v1/chat/completions", chat()))
        assert points(influxdb) == 21

    asyncio.run(play())


async def spooled(folder: Path, count: int) -> None:
    """Return as soon as so many points are on disk."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(lines_in, folder) < count:
            pass


def lines_in(folder: Path) -> int:
    """Return how many points are on disk."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*.lines"))
