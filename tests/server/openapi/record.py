"""Record what a gateway answers to the examples of its document, for the document to show.

    python tests/server/openapi/record.py     write src/dragoman/server/openapi/recorded.json anew

The provider is simulated and says the same each time; what else differs from run to run (ids the gateway
makes, how long something took) is written as always the same, so that a recording is stale only when the API
changed. Nothing is answered from the cache.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from tests.house import Answer, House, ask  # noqa: E402
from tests.server.openapi.scene import Case, gate, prepared, published  # noqa: E402

FILE = ROOT / "src" / "dragoman" / "server" / "openapi" / "recorded.json"
SETTINGS = {"DRAGOMAN_CACHE_MODE": "off"}
PAGES = ("POST /rate", "GET /v1/exchanges/{id}")
"""Recorded beside what goes along the line; of the other pages the content is the operator's."""
MADE = re.compile(r"\b(req_|resp_|msg_dragoman_)([0-9a-f]{24}|[0-9a-f]{8})(?![0-9a-f])")
"""Ids the gateway makes, or derives from one it made."""
ID = "5d0c1d6e2a7f4b9c8e3a6f10"
MEASURED = re.compile(
    r'("(?:\w+_ms|\w+_at|total_duration|load_duration|\w+_eval_duration)": ?)(\d+(?:\.\d+)?)'
)
"""Times and durations."""


async def recorded(running: House) -> dict[str, dict[str, Any]]:
    """Return what is recorded, by operation and by the example's title."""
    found: dict[str, dict[str, Any]] = {}
    document = await published(running)
    for case in document.cases():
        if worth(case):
            case = await prepared(running, case)  # noqa: PLW2901  the same case, with its ids
            got = await ask(running.port, case.request())
            assert got.status == 200, (case.key, case.title, got.body)
            found.setdefault(case.key, {})[case.title] = recording(got)
    return found


def worth(case: Case) -> bool:
    """Say whether a case's answer is recorded."""
    along = any("x-dragoman-strict" in param.get("$ref", "") for param in case.operation["parameters"])
    return along or "/responses/{id}" in case.key or case.key in PAGES


def recording(got: Answer) -> dict[str, Any]:
    """Return an answer as it is kept."""
    form = got.headers["content-type"]
    text = steady(got.body.decode())
    return {"form": form, "body": json.loads(text) if form.startswith("application/json") else text}


def steady(text: str) -> str:
    """Return an answer's text without what differs from run to run."""
    return MEASURED.sub(_measured, MADE.sub(lambda found: found[1] + ID[: len(found[2])], text))


def _measured(found: re.Match[str]) -> str:
    if "_at" in found[1]:
        return f"{found[1]}1767240306"
    return f"{found[1]}{184.2 if found[1].endswith(('_ms', '_ms:')) or '_ms' in found[1] else 184200000}"


async def _write() -> None:
    with TemporaryDirectory() as folder:
        async with gate(Path(folder), **SETTINGS) as running:
            found = await recorded(running)
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(found)} operations recorded in {FILE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    asyncio.run(_write())
