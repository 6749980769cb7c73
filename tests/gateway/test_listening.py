"""Who is told afterwards: whoever is switched on, and nobody else."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest
from tests.house import ask, chat, house, post

from dragoman.simulator import Simulator

SECRET = f"whsec_{b64encode(bytes(range(32))).decode()}"
ON = {
    "files": {"DRAGOMAN_FILES_ENABLED": "true"},
    "influx": {"DRAGOMAN_INFLUX_URL": "http://127.0.0.1:9", "DRAGOMAN_INFLUX_DB": "d"},
    "webhook": {
        "DRAGOMAN_WEBHOOK_URL": "http://127.0.0.1:9/",
        "DRAGOMAN_WEBHOOK_SECRET": SECRET,
    },
    "prometheus": {"DRAGOMAN_METRICS_ENABLED": "true"},
}
OFF = {"DRAGOMAN_FILES_ENABLED": "false", "DRAGOMAN_METRICS_ENABLED": "false"}


@pytest.mark.parametrize("name", [*ON, ""])
def test_who_is_switched_on_is_told(tmp_path: Path, name: str) -> None:
    """Each by itself, and with all of them off nobody."""

    async def play() -> None:
        settings = OFF | ON.get(name, {})
        async with Simulator() as sim, house(tmp_path, sim.url, **settings) as gate:
            assert (await ask(gate.port, post("/v1/chat/completions", chat()))).status == 200
            sinks = gate.gateway.sinks
            assert [*sinks.counts()] == ([name] if name else [])
            while not all(one["taken"] for one in sinks.counts().values()):
                await asyncio.sleep(0.005)  # they are told once the row is there
            assert (gate.gateway.metrics is not None) == (name == "prometheus")

    asyncio.run(play())
