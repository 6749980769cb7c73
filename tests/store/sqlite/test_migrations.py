"""Migrations: a file of every earlier version becomes today's with nothing lost, wherever it is interrupted.

Each version's rows are in the SQL of its time (`versions/`). A file comes to a version in one of two ways:
made by it (`born`), or made by the first and brought up by each that followed, with rows of each (`grown`).
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, Dimension, ExchangeRow, Meters, Part, Sums
from dragoman.store.reports import LONGEST_NAME
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite import SqliteStore, database
from dragoman.store.sqlite.database import open_database

SCRIPTS = tuple(database._scripts())
NEWEST = len(SCRIPTS)
Past = Literal["born", "grown"]

PUBLISHED = {
    "0001_ledger.sql": "f525feddeacd0cbc70a8fad9b0fc1d1c0c0214ca41065ee3c7e96aff6411319c",
    "0002_response.sql": "e27f71c4439f0864c7d35b3e310d5f5641c52f3976cd2dbc4fb94eb07e5d1c50",
    "0003_response_total.sql": "a2483612f87df6f610d428def007aadce310e9d7534766010041c8dce99f4929",
    "0004_surfaces.sql": "c7ae2394e07e37e7a6181e9107fbe79f51bbe05712784171dbde4f36f95320a0",
    "0005_reports.sql": "c49db38b6f1a0033fe29de404986953a9f937292b26727f59cbbc9ca040edd7f",
    "0006_recordings.sql": "41f93b89a8c318c772772fdc80f16168c9f7f8cc3b7496570374c643838c508d",
    "0007_accounts.sql": "21691248d12f4bf77c0667e0cbd5f920e10664f9b85f65cb550f5a8df78b3cd1",
    "0008_course.sql": "b63abaf71901afe0e597e6d1fe2fe14267fc2ef8237f0a7e36139b42122c1e7b",
    "0009_sums.sql": "955a9d71673305b6137124ed1c48cdeb7f6252757f8c58b3a570291b012ce9bb",
    "0010_requests.sql": "8f3526d3682ef00725e49dd1ffd9b3010fc8727ee3407efcca797ccaca164ae7",
    "0011_sides.sql": "a0db779b5c255a4f24a6e683b71d07ba047cfe67eab95719d9be74140dd80ee7",
}
"""Scripts that files of other people have been through, by their SHA-256."""

VERSIONS = Path(__file__).parent / "versions"
ROWS = {int(file.stem): file.read_text("utf-8") for file in VERSIONS.iterdir()}
"""What each version wrote; a version does what those before it did as well."""


def run(connection: sqlite3.Connection, script: str) -> None:
    """Execute a script, statement by statement."""
    for statement in database._statements(script):
        connection.execute(statement)


def made(path: Path, version: int, past: Past) -> None:
    """Make a file as `version` left it, with rows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        plain.execute("pragma journal_mode = wal")
        plain.execute("pragma foreign_keys = on")
        for number in range(1, version + 1):
            run(plain, SCRIPTS[number - 1])
            if past == "grown":
                run(plain, ROWS.get(number, ""))
        if past == "born":
            for number in range(1, version + 1):
                run(plain, ROWS.get(number, ""))
        plain.execute(f"pragma user_version = {version}")


def migrated(path: Path) -> list[str]:
    """Open and close a file with today's code; return what was announced."""
    said: list[str] = []
    open_database(path, StoreSpec(), said.append).close()
    return said


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything in a file by table, and its schema."""
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("pragma integrity_check").fetchone() == ("ok",)
        assert plain.execute("pragma foreign_key_check").fetchall() == []
        names = [row[0] for row in plain.execute("select name from sqlite_schema where type = 'table'")]
        found = {name: sorted(plain.execute(f"select * from {name}").fetchall(), key=repr) for name in names}
        found["schema"] = sorted(plain.execute("select type, name, sql from sqlite_schema"), key=repr)
        found["version"] = plain.execute("pragma user_version").fetchall()
        return found


def rows(path: Path, table: str) -> list[dict[str, Any]]:
    """Return a table's rows by their columns' names, in order."""
    with closing(sqlite3.connect(path)) as plain:
        plain.row_factory = sqlite3.Row
        return sorted((dict(row) for row in plain.execute(f"select * from {table}")), key=repr)


KEPT = ("exchange", "attempt", "setting", "response", "response_item", "rating", "recording")
"""Tables whose rows are somebody's; the others are sums of these."""

every_version = pytest.mark.parametrize("version", range(1, NEWEST))
either_past = pytest.mark.parametrize("past", ["born", "grown"])


@every_version
@either_past
def test_every_row_survives(tmp_path: Path, version: int, past: Past) -> None:
    """Each column of each row of each earlier version is what it was; what is new in a row says nothing."""
    path = tmp_path / "x.db"
    made(path, version, past)
    tables = {row[1] for row in content(path)["schema"]}
    before = {name: rows(path, name) for name in KEPT if name in tables}
    assert len(before["exchange"]) >= 5
    assert migrated(path) == ["bringing the ledger up to date; a million rows may take a minute"]
    for name, were in before.items():
        are = rows(path, name)
        assert [{column: row[column] for column in were[0]} for row in are] == were
        for row in are:
            new = {column: value for column, value in row.items() if column not in were[0]}
            assert set(new.values()) <= {0, "", "[]"}, new


@every_version
@either_past
def test_sums_are_those_of_the_rows(tmp_path: Path, version: int, past: Past) -> None:
    """Reports, kept bytes and ratings add up to exactly what the rows say, whichever version wrote these."""
    path = tmp_path / "x.db"
    made(path, version, past)
    migrated(path)
    ended = [row for row in rows(path, "exchange") if row["state"] != "reserved" and row["task"] != "count"]
    read = ("input", "cache_read", "cache_write", "cache_write_long", "audio_input")
    wrote = ("output", "reasoning", "audio_output")

    async def scene() -> None:
        db = SqliteStore.open(path)
        try:
            (whole,) = (cell.sums for cell in await db.reports.cells(Part()))
            by_key = {cell.name: cell.sums for cell in await db.reports.cells(Part(), by="key")}
            calls = await db.reports.calls(Part())
        finally:
            await db.close()
        assert whole.requests == len(ended)
        assert whole.input == sum(row[name] for row in ended for name in read)
        assert whole.output == sum(row[name] for row in ended for name in wrote)
        assert whole.cost_micros == sum(row["cost_micros"] or 0 for row in ended)
        assert whole.unknown_cost == sum(row["cost_micros"] is None for row in ended)
        assert whole.cached == sum(row["cached"] for row in ended)
        assert whole.fallback == sum(row["fallback"] for row in ended)
        counted = {row["id"] for row in ended}
        tries = [one for one in rows(path, "attempt") if one["state"] != "reserved"]
        assert sum(one.calls for one in calls) == len([one for one in tries if one["exchange_id"] in counted])
        for key in {row["key"] for row in ended}:
            mine = [row for row in ended if row["key"] == key]
            assert by_key[key].requests == len(mine)
            assert by_key[key].cost_micros == sum(row["cost_micros"] or 0 for row in mine)

    asyncio.run(scene())
    kept: dict[str, int] = {}
    for row in rows(path, "response"):
        kept[row["key"]] = kept.get(row["key"], 0) + len(row["input"]) + len(row["body"])
    totals = {row["key"]: row["size"] for row in rows(path, "response_total")}
    assert {key: size for key, size in totals.items() if size} == kept
    size = sum(256 + len(row["body"]) + len(row["vector"] or b"") for row in rows(path, "recording"))
    assert [row["size"] for row in rows(path, "recording_total")] == [size]
    stars = sum(row["rating"] for row in rows(path, "rating"))
    assert sum(row["stars"] for row in rows(path, "rating_total")) == stars


OLD_SUMS = """
    select at, key, model, answered_model, provider, requests, failed, cancelled, cached, fallback, input,
        output, cost_micros, unknown_cost, latency_us, latencies, first_event_us, first_events
    from usage where span = 3600 and everyone = 0
"""


@pytest.mark.parametrize("version", range(5, 9))
def test_a_long_name_is_one_whether_its_rows_are_there_or_not(tmp_path: Path, version: int) -> None:
    """Sums of deleted rows have their names cut as those of rows have: one model is one group, and found."""
    path, long = tmp_path / "x.db", "m" * 300
    made(path, version, "grown")
    with closing(sqlite3.connect(path)) as plain:
        plain.execute(
            "update exchange set answered_model = ? where id in ('v1-ended', 'v1-unpriced')", (long,)
        )
        plain.execute("delete from attempt where exchange_id = 'v1-ended'")
        plain.execute("delete from exchange where id = 'v1-ended'")
        plain.commit()

    async def scene() -> None:
        db = SqliteStore.open(path)
        try:
            (cell,) = await db.reports.cells(Part(model=long), by="model")
            assert (cell.name, cell.sums.requests) == (long[:LONGEST_NAME], 2)
        finally:
            await db.close()

    asyncio.run(scene())


@pytest.mark.parametrize("version", range(5, 9))
@pytest.mark.parametrize("gone", ["v1-ended", "v1-failed", "v1-unpriced", ""])
def test_sums_are_what_they_were_before_entries(tmp_path: Path, version: int, gone: str) -> None:
    """What triggers had summed up is what entries add up to, also of rows that are deleted."""
    path = tmp_path / "x.db"
    made(path, version, "grown")
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("delete from attempt where exchange_id = ?", (gone,))
        plain.execute("delete from exchange where id = ?", (gone,))
        plain.commit()
        old = plain.execute(OLD_SUMS).fetchall()
    names = (
        *Sums.__struct_fields__[:5],
        "input",
        "output",
        "cost_micros",
        "unknown_cost",
        *Sums.__struct_fields__[-4:],
    )

    def told(place: int | None) -> dict[tuple[int, str | None], list[int]]:
        """Return the old sums by hour and one of their columns."""
        found: dict[tuple[int, str | None], list[int]] = {}
        for at, key, model, answered, provider, *measures in old:
            name = None if place is None else (key, answered or model, provider)[place]
            sums = found.setdefault((at, name), [0] * len(names))
            found[at, name] = [one + more for one, more in zip(sums, measures, strict=True)]
        return found

    async def scene() -> None:
        db = SqliteStore.open(path)
        try:
            groups: tuple[Dimension | None, ...] = (None, "key", "model", "provider")
            for place, by in enumerate(groups, -1):
                cells = await db.reports.cells(Part(), by=by, every="hour")
                found = {(cell.at, cell.name): [getattr(cell.sums, name) for name in names] for cell in cells}
                assert found == told(place if by else None)
        finally:
            await db.close()

    asyncio.run(scene())


@every_version
def test_what_was_open_is_ended_by_todays_code(tmp_path: Path, version: int) -> None:
    """A request an earlier version left open is found, ended and counted, and new ones go beside it."""
    path = tmp_path / "x.db"
    made(path, version, "grown")

    async def scene() -> None:
        db = SqliteStore.open(path)
        try:
            (before,) = (cell.sums for cell in await db.reports.cells(Part()))
            assert await db.open_owners() == ["gone"]
            assert await db.interrupt(["gone"]) == 1
            assert [row.state for row in await db.attempts("v1-open")] == ["interrupted"]
            row = ExchangeRow(
                id="new",
                request_id="new",
                owner="me",
                key="anna",
                dialect="openai_chat",
                task="generate",
                model="m",
                stream=False,
                opened_at=1700000000.0,
            )
            attempt = AttemptRow(exchange_id="new", number=1, provider="p", model="m", opened_at=1700000000.0)
            await db.open_exchange(row, attempt)
            meters = Meters(input=3, output=4, cost_micros=5)
            ended = ExchangeRow(**{**_fields(row), "state": "settled", "meters": meters})
            await db.settle(ended, [attempt])
            (after,) = (cell.sums for cell in await db.reports.cells(Part()))
        finally:
            await db.close()
        assert (after.requests, after.failed) == (before.requests + 2, before.failed + 1)
        assert (after.input, after.output) == (before.input + 3, before.output + 4)
        assert after.cost_micros == before.cost_micros + 5

    asyncio.run(scene())


def _fields(row: ExchangeRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


@every_version
def test_a_second_start_changes_nothing(tmp_path: Path, version: int) -> None:
    """A file that has been brought up to date is left alone, and nothing is said."""
    path = tmp_path / "x.db"
    made(path, version, "grown")
    migrated(path)
    before, stamp = content(path), path.read_bytes()
    assert migrated(path) == []
    assert content(path) == before
    assert path.read_bytes() == stamp


@either_past
def test_all_ways_lead_to_one_schema(tmp_path: Path, past: Past) -> None:
    """A file of every earlier version ends up with the tables, indexes and triggers of a new one."""
    migrated(tmp_path / "new.db")
    schema = content(tmp_path / "new.db")["schema"]
    for version in range(1, NEWEST):
        path = tmp_path / f"{version}.db"
        made(path, version, past)
        migrated(path)
        assert content(path)["schema"] == schema


def places() -> Iterator[tuple[int, int]]:
    """Yield every statement of every migration: the migration's number, and the statement's in it."""
    for number, script in enumerate(SCRIPTS, 1):
        for place in range(len(list(database._statements(script))) + 1):
            yield number, place


BROKEN = "insert into nowhere values (1)"


def cut(script: str, place: int) -> str:
    """Return a script that fails in place of one statement, or after the last."""
    return "".join([*list(database._statements(script))[:place], BROKEN])


@pytest.mark.parametrize("number", range(1, NEWEST + 1))
def test_f49_an_error_at_any_statement_is_recovered_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Wherever a migration fails the file stays at the version before; the next start goes on from there."""
    version = max(number - 1, 1)  # the first one has no version before it
    path, smooth = tmp_path / "smooth.db", tmp_path / "x.db"
    made(smooth, version, "grown")
    migrated(smooth)
    for _, place in (at for at in places() if at[0] == number):
        path = tmp_path / f"{place}.db"
        if number > 1:
            made(path, version, "grown")
        broken = [*SCRIPTS[: number - 1], cut(SCRIPTS[number - 1], place), *SCRIPTS[number:]]
        with monkeypatch.context() as patched:
            patched.setattr(database, "_scripts", lambda broken=broken: broken)
            with pytest.raises(Failure) as caught:
                migrated(path)
        assert caught.value.kind is Kind.UNAVAILABLE
        with closing(sqlite3.connect(path)) as plain:
            assert plain.execute("pragma user_version").fetchone() == (number - 1,)
        migrated(path)
        if number > 1:
            assert content(path) == content(smooth)
        else:
            assert content(path)["version"] == [(NEWEST,)]


DIE_AT = """
import os, signal, sys
from pathlib import Path
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite import database

path, number, place = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
script = database._scripts()[number - 1]
split = database._statements

def dying(text):
    for at, statement in enumerate(split(text)):
        if text == script and at == place:
            print("about to die", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        yield statement

database._statements = dying
database.open_database(path, StoreSpec())
"""


@pytest.mark.parametrize("number", range(2, NEWEST + 1))
def test_f49_kill_9_in_the_middle_of_a_migration(tmp_path: Path, number: int) -> None:
    """A process killed within a migration leaves the version before; the next start brings it up whole."""
    path, smooth = tmp_path / "x.db", tmp_path / "smooth.db"
    for each in (path, smooth):
        made(each, 1, "grown")
    migrated(smooth)
    last = len(list(database._statements(SCRIPTS[number - 1]))) - 1
    died = subprocess.run(
        [sys.executable, "-c", DIE_AT, str(path), str(number), str(last)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "about to die\n"), died.stderr
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("pragma user_version").fetchone() == (number - 1,)
    migrated(path)
    assert content(path) == content(smooth)


def test_f49_the_next_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A file that is but one version ahead is not touched."""
    path = tmp_path / "x.db"
    migrated(path)
    with closing(sqlite3.connect(path)) as plain:
        plain.execute(f"pragma user_version = {NEWEST + 1}")
    before = path.read_bytes()
    with pytest.raises(Failure) as caught:
        migrated(path)
    assert "newer Dragoman" in caught.value.message
    assert path.read_bytes() == before


def test_published_migrations_are_never_edited() -> None:
    """What other people's files have been through stays as it was; a change is a new migration."""
    folder = resources.files("dragoman.store.sqlite") / "migrations"
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.iterdir()
        if file.name in PUBLISHED
    }
    assert found == PUBLISHED


def test_every_version_has_rows_of_its_own() -> None:
    """Whoever adds a migration adds rows of the version it starts from."""
    assert set(range(1, NEWEST)) == set(ROWS)
