"""The operator's reports over the wire: the figures of all, by anything, to who may look."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.accounts.rows import DAY, NOW, book, by_chance, exchange
from tests.house import House, ask, get, house

from dragoman.accounts import figures, rated
from dragoman.accounts.explored import explored, losses
from dragoman.accounts.overview import overview, shown
from dragoman.accounts.reports import read
from dragoman.store import RatingRow

KEYS = json.dumps(
    {
        "boss": {"value": "sk-boss", "role": "admin"},
        "eye": {"value": "sk-eye", "role": "reader"},
        "one": {"value": "sk-one"},
    }
)
EYE = {"authorization": "Bearer sk-eye"}
PAGES = ("/admin/overview", "/admin/usage", "/admin/usage/losses", "/admin/ratings")


def play(folder: Path, scene: Callable[[House], Awaitable[None]], *, keys: str = KEYS) -> None:
    """Play against a gateway whose clock stands still."""

    async def run() -> None:
        async with house(folder, DRAGOMAN_KEYS=keys) as gate:
            services = msgspec.structs.replace(gate.gateway.services, now=lambda: NOW)
            gate.gateway._services = services
            await scene(gate)

    asyncio.run(run())


async def told(gate: House, path: str, headers: dict[str, str] | None = None) -> Any:
    """Return what a page says to a reader."""
    answer = await ask(gate.port, get(path, EYE if headers is None else headers))
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store"
    return answer.json


def plain(value: Any) -> Any:
    """Return a value as it is on the wire."""
    return json.loads(msgspec.json.encode(value))


def test_pages_say_what_the_figures_are(tmp_path: Path) -> None:
    """Each page is its report as JSON, whatever is asked; nothing is reckoned twice."""
    rows = by_chance(Random(8), 150)

    async def scene(gate: House) -> None:
        store = gate.gateway.store
        await book(store, rows)
        await store.ratings.keep(RatingRow(rows[0].id, "one", "m", 4, "good", NOW))
        for query in (
            "",
            "period=all&group_by=team",
            "period=week&interval=day&group_by=model&top=1&compare=previous&order=cost",
            "group_by=week&key=one",
            "key=one&team=red&user=&model=m&provider=p&route=fast&state=settled&failure=&dialect=anthropic",
        ):
            pairs = dict(one.split("=", 1) for one in query.split("&") if one)
            found = await explored(store.reports, read(pairs, own=None, now=NOW))
            assert await told(gate, f"/admin/usage?{query}") == plain(figures.told(found))
        found_ = await overview(store, now=NOW)
        assert await told(gate, "/admin/overview") == plain(shown(found_))
        lost = await losses(store.reports, {"period": "all"}, now=NOW)
        assert lost.words
        assert await told(gate, "/admin/usage/losses?period=all") == plain(figures.lost(lost))
        assert await told(gate, "/admin/ratings") == plain(rated.shown(await rated.worth(store)))

    play(tmp_path, scene)


def test_a_table_has_what_the_page_has(tmp_path: Path) -> None:
    """As CSV each group and stretch is a row, and its sums are the page's."""

    async def scene(gate: House) -> None:
        store = gate.gateway.store
        await book(store, by_chance(Random(8), 60, back=5 * DAY))
        path = "/admin/usage?period=week&interval=day&group_by=key&top=1"
        page = await told(gate, path)
        for answer in (
            await ask(gate.port, get(f"{path}&format=csv", EYE)),
            await ask(gate.port, get(path, EYE | {"accept": "text/csv"})),
        ):
            assert answer.headers["content-type"] == "text/csv; charset=utf-8"
            rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
            assert sum(int(row["requests"]) for row in rows) == page["total"]["requests"]
            assert len(rows) == 2 * len(page["series"])
            assert any(row["p95_first_event_ms"] for row in rows)
        lost = await ask(gate.port, get("/admin/usage/losses?format=csv", EYE))
        assert lost.body.startswith(b"how,what,requests\r\n")
        assert lost.headers["content-disposition"] == 'attachment; filename="losses.csv"'

    play(tmp_path, scene)


def test_the_key_is_a_credential_where_there_is_no_other(tmp_path: Path) -> None:
    """``?key=`` lets in, or names a key; never both."""

    async def scene(gate: House) -> None:
        await book(gate.gateway.store, [exchange("a"), exchange("b", key="two")])
        assert (await told(gate, "/admin/usage?key=two"))["total"]["requests"] == 1
        assert (await told(gate, "/admin/usage?key=sk-eye", {}))["total"]["requests"] == 2
        refused = await ask(gate.port, get("/admin/usage?key=sk-one"))
        assert refused.status == 403

    play(tmp_path, scene)


@pytest.mark.parametrize("path", PAGES)
def test_a_member_sees_nothing_of_it(tmp_path: Path, path: str) -> None:
    """Whatever it asks for, also its own: that is told at /v1/usage."""

    async def scene(gate: House) -> None:
        one = {"authorization": "Bearer sk-one"}
        for query in ("", "?key=one", "?format=csv"):
            answer = await ask(gate.port, get(f"{path}{query}", one))
            assert (answer.status, answer.json["error"]["code"]) == (403, "admin_only")
        assert (await ask(gate.port, get(path))).status == 401

    play(tmp_path, scene)


def test_an_open_gateway_tells_this_machine(tmp_path: Path) -> None:
    """While there is no key, whoever is let in sees all, not only what is booked as local."""

    async def scene(gate: House) -> None:
        await book(gate.gateway.store, [exchange("a"), exchange("b", key="local")])
        assert (await told(gate, "/admin/usage", {}))["total"]["requests"] == 2
        assert (await told(gate, "/admin/usage?key=one", {}))["total"]["requests"] == 2
        assert (await told(gate, "/admin/overview", {}))["live"] == 0

    play(tmp_path, scene, keys="")


@pytest.mark.parametrize(
    ("path", "at", "says"),
    [
        ("/admin/overview?period=day", "period", "unknown parameter"),
        ("/admin/usage?colour=red", "colour", "unknown parameter"),
        ("/admin/usage?group_by=colour", "group_by", "one of key, team, user"),
        ("/admin/usage?interval=year", "interval", "hour, day, week, month"),
        ("/admin/usage?group_by=key&top=-1", "top", "from 1 to 100"),
        ("/admin/usage?interval=hour&period=all&from=2001-01-01", "period", "not both"),
        ("/admin/usage?format=xls", "format", "json, csv"),
        ("/admin/usage/losses?limit=1001", "limit", "from 1 to 1000"),
        ("/admin/usage/losses?key=one", "key", "unknown parameter"),
        ("/admin/ratings?limit=0", "limit", "from 1 to 200"),
        ("/admin/ratings?period=day", "period", "unknown parameter"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, path: str, at: str, says: str) -> None:
    """The parameter is named, and what it may be."""

    async def scene(gate: House) -> None:
        answer = await ask(gate.port, get(path, EYE))
        assert (answer.status, answer.json["error"]["at"]) == (400, at)
        assert says in answer.json["error"]["message"]

    play(tmp_path, scene)
