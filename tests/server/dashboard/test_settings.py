"""The settings page tells what holds, and no secret."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path

from tests.house import house
from tests.server.dashboard.signed import signed

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
