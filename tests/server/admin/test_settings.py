"""Settings as JSON: everything that holds, in words, and no secret."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path

from tests.house import ask, get, house
from tests.server.dashboard.signed import key_of

from dragoman import __version__
from dragoman.config import load
from dragoman.server.admin.settings import HIDDEN, told

SECRETS = {
    "INFLUXDB_URL": "http://127.0.0.1:1/hidden-path",
    "INFLUXDB_TOKEN": "hidden-token",
    "INFLUXDB_ORG": "o",
    "INFLUXDB_BUCKET": "b",
    "DRAGOMAN_WEBHOOK_URL": "http://127.0.0.1:1/hidden-path",
    "DRAGOMAN_WEBHOOK_SECRET": f"whsec_{b64encode(b'hidden-' * 5).decode()}",
    "OPENAI_API_KEY": "hidden-provider-key",
    "API_KEYS": "hidden-key-of-a-client",
}


def test_every_section_is_told_and_what_is_own_is_marked(tmp_path: Path) -> None:
    """Each setting is there once; a dot stands at what is not as it would be by itself."""
    config = load({"DRAGOMAN_DATA": str(tmp_path), "DRAGOMAN_SERVER_MAX_BODY": "12345", **SECRETS}, tmp_path)
    parts = {part.name: {line.name: line for line in part.lines} for part in told(config)}
    assert {"server", "limits", "store", "retention", "webhook"} <= parts.keys()
    assert (parts["server"]["max_body"].value, parts["server"]["max_body"].own) == ("12345", True)
    assert not parts["server"]["drain_s"].own
    hidden = {line.value for part in parts.values() for line in part.values() if line.name in HIDDEN}
    assert hidden == {"set", "not set"}


def test_a_program_is_told_what_the_page_tells(tmp_path: Path) -> None:
    """Version, files and every setting; of what may be a secret only whether it is set."""

    async def play() -> None:
        async with house(tmp_path, DRAGOMAN_SERVER_MAX_BODY="12345", **SECRETS) as gate:
            bearer = {"authorization": f"Bearer {await key_of(gate, 'eye', role='reader')}"}
            answer = await ask(gate.port, get("/admin/settings", bearer))
            found = answer.json
            assert b"hidden-" not in answer.body
            assert SECRETS["DRAGOMAN_WEBHOOK_SECRET"].encode() not in answer.body
            assert (found["version"], found["store"], found["in_flight"]) == (__version__, "sqlite", 0)
            assert found["data"] == str(tmp_path / "data")
            assert found["sections"]["server"]["max_body"] == {"value": "12345", "own": True}
            assert found["sections"]["webhook"]["secret"] == {"value": "set", "own": True}
            assert {"path": str(tmp_path / "dragoman.toml"), "there": False} in found["sources"]
            assert (await ask(gate.port, get("/admin/settings?x=1", bearer))).status == 400

    asyncio.run(play())
