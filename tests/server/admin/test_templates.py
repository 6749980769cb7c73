"""Templates as JSON: those of the page at the same address, and where the operator's own are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.house import ask, get, house
from tests.server.dashboard.signed import key_of

OWN = [
    {"id": "one", "title": "One", "prompt": "Tell {{who}} it all", "category": "A"},
    {"id": "two", "title": "Two", "prompt": "Nothing", "category": "B", "tags": ["calm"]},
]


def test_templates_are_found_by_words_and_category(tmp_path: Path) -> None:
    """With the file they are edited in, which is there or not; a parameter that is not known is refused."""

    async def shipped() -> str:
        async with house(tmp_path, API_KEYS="right") as gate:
            bearer = {"authorization": f"Bearer {await key_of(gate, 'eye', role='reader')}"}
            found = (await ask(gate.port, get("/admin/templates", bearer))).json
            assert (found["own"], len(found["templates"])) == (False, found["every"])
            return str(found["file"])

    async def own() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            bearer = {"authorization": f"Bearer {await key_of(gate, 'other', role='reader')}"}
            every = (await ask(gate.port, get("/admin/templates", bearer))).json
            assert every["own"]
            found = {one["id"]: one for one in every["templates"]}
            assert found["one"]["variables"] == ["who"]
            for query, ids in (("q=ONE", ["one"]), ("q=calm", ["two"]), ("q=it%20all&category=B", [])):
                some = (await ask(gate.port, get(f"/admin/templates?{query}", bearer))).json
                assert [one["id"] for one in some["templates"]] == ids
                assert some["every"] == every["every"]
            assert (await ask(gate.port, get("/admin/templates?x=1", bearer))).status == 400

    Path(asyncio.run(shipped())).write_text(json.dumps(OWN))
    asyncio.run(own())
