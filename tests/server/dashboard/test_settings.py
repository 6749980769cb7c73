"""The settings page tells what holds, and no secret."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path

from tests.house import house
from tests.server.dashboard.signed import signed

from dragoman.config import load
from dragoman.server.dashboard.settings import HIDDEN, told

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


def test_no_secret_is_told(tmp_path: Path) -> None:
    """Of what may be a secret the page says whether it is set; everything else stands there."""

    async def play() -> None:
        async with house(tmp_path, **SECRETS) as gate:
            page = (await (await signed(gate)).open("/admin/settings")).body.decode()
            assert "hidden-" not in page
            assert SECRETS["DRAGOMAN_WEBHOOK_SECRET"] not in page
            assert "max_body" in page
            assert str(tmp_path / "data") in page

    asyncio.run(play())


def test_every_section_is_told_and_what_is_own_is_marked(tmp_path: Path) -> None:
    """Each setting is there once; a dot stands at what is not as it would be by itself."""
    config = load({"DRAGOMAN_DATA": str(tmp_path), "DRAGOMAN_SERVER_MAX_BODY": "12345", **SECRETS}, tmp_path)
    parts = {part.name: {line.name: line for line in part.lines} for part in told(config)}
    assert {"server", "limits", "store", "retention", "webhook"} <= parts.keys()
    assert (parts["server"]["max_body"].value, parts["server"]["max_body"].own) == ("12345", True)
    assert not parts["server"]["drain_s"].own
    hidden = {line.value for part in parts.values() for line in part.values() if line.name in HIDDEN}
    assert hidden == {"set", "not set"}
