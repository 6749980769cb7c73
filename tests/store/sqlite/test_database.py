"""Opening the file: migrations, foreign and damaged files, and what errors mean."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite import database
from dragoman.store.sqlite.database import APPLICATION_ID, failure, is_outage, open_database

KNOWN = len(database._scripts())
"""The newest schema."""


def opened(path: Path, spec: StoreSpec | None = None) -> int:
    """Open and close a database; return its schema's number."""
    connections = open_database(path, spec or StoreSpec())
    version: int = connections.writing.execute("pragma user_version").fetchone()[0]
    connections.close()
    return version


def refused(path: Path) -> str:
    """Open a database that must be refused; return what is said."""
    with pytest.raises(Failure) as caught:
        opened(path)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert str(path) in caught.value.message
    return caught.value.message


def test_a_new_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """The first start makes the folder and a file nobody else can read, in write-ahead mode."""
    path = tmp_path / "new" / "folder" / "dragoman.db"
    assert opened(path) == KNOWN
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("pragma journal_mode").fetchone() == ("wal",)
        assert plain.execute("pragma application_id").fetchone() == (APPLICATION_ID,)


@pytest.mark.parametrize(("sync", "level"), [("normal", 1), ("full", 2)])
def test_the_setting_decides_what_a_commit_survives(tmp_path: Path, sync: str, level: int) -> None:
    """`sync` reaches the writing connection, which also checks references."""
    spec = StoreSpec(sync="full" if sync == "full" else "normal")
    connections = open_database(tmp_path / "x.db", spec)
    assert connections.writing.execute("pragma synchronous").fetchone() == (level,)
    assert connections.writing.execute("pragma foreign_keys").fetchone() == (1,)
    connections.close()


def test_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    """The words of a deleted row are not left in the file's free pages."""
    path, words = tmp_path / "x.db", "a word nobody may find again " * 1000
    connections = open_database(path, StoreSpec())
    writing = connections.writing
    assert writing.execute("pragma secure_delete").fetchone() == (1,)
    writing.execute("insert into setting values ('a', ?)", (words,))
    writing.execute("pragma wal_checkpoint(truncate)")
    assert b"nobody may find" in path.read_bytes()
    writing.execute("delete from setting where name = 'a'")
    writing.execute("pragma wal_checkpoint(truncate)")
    assert b"nobody may find" not in path.read_bytes()
    connections.close()


def test_the_reading_connection_cannot_write(tmp_path: Path) -> None:
    """A bug in a report cannot change the ledger."""
    connections = open_database(tmp_path / "x.db", StoreSpec())
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connections.reading.execute("insert into setting values ('a', 'b')")
    connections.close()


def test_openers_at_the_same_instant_migrate_once(tmp_path: Path) -> None:
    """Eight that start together on a new file all get it, migrated."""
    path = tmp_path / "x.db"
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(opened, [path] * 8)) == [KNOWN] * 8


def test_f49_a_newer_file_is_refused(tmp_path: Path) -> None:
    """An older program does not touch what a newer one has written, and says what to do."""
    path = tmp_path / "x.db"
    opened(path)
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("pragma user_version = 99")
    assert f"newer Dragoman (schema 99, this one knows {KNOWN})" in refused(path)


def test_f49_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    """A database of another program is left exactly as it was."""
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("create table theirs (a)")
    before = path.read_bytes()
    assert "another program's" in refused(path)
    assert path.read_bytes() == before


def test_f49_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A text file in its place is named as the trouble."""
    path = tmp_path / "x.db"
    path.write_text("this is a letter to the editor, not a database at all\n" * 100)
    assert "no database" in refused(path)


def test_f49_a_damaged_page_is_refused(tmp_path: Path) -> None:
    """A file whose header is good and whose pages are not is refused before anything is served."""
    path = tmp_path / "x.db"
    opened(path)
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 64] = b"\xa5" * 64
    path.write_bytes(content)
    assert "damaged" in refused(path)


def test_f48_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A folder in the file's place, or a file in the folder's, is named as the trouble."""
    (tmp_path / "x.db").mkdir()
    refused(tmp_path / "x.db")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / "x.db")


def test_f49_a_migration_that_stops_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a migration is no migration: the next start does it whole."""
    path = tmp_path / "x.db"
    scripts = database._scripts()
    broken = [
        *scripts,
        "create table more (a);\n-- a comment; with a semicolon\ninsert into nowhere values (1);",
    ]
    monkeypatch.setattr(database, "_scripts", lambda: broken)
    refused(path)
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("pragma user_version").fetchone() == (KNOWN,)
        assert plain.execute("select count(*) from sqlite_schema where name = 'more'").fetchone() == (0,)
    monkeypatch.setattr(database, "_scripts", lambda: [*scripts, "create table more (a)"])
    assert opened(path) == KNOWN + 1


def test_errors_are_outages_or_bugs() -> None:
    """What the database cannot do is a 503 that may be retried; what it will not take is a bug."""
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute("create table one (a integer primary key)")
        memory.execute("insert into one values (1)")
        with pytest.raises(sqlite3.IntegrityError) as twice:
            memory.execute("insert into one values (1)")
        memory.execute("pragma query_only = on")
        with pytest.raises(sqlite3.OperationalError) as readonly:
            memory.execute("insert into one values (2)")
    assert not is_outage(twice.value)
    assert failure(twice.value).kind is Kind.INTERNAL
    assert failure(OverflowError("too large")).kind is Kind.INTERNAL
    outage = failure(readonly.value)
    assert (outage.kind, outage.message) == (Kind.UNAVAILABLE, "the database is read-only")
    assert outage.http_status == 503
    assert outage.retry_after_s is not None


def test_a_file_of_an_earlier_version_is_brought_up_to_date_and_that_is_said(tmp_path: Path) -> None:
    """Said once, to whoever waits for it; not of a new file, nor of one that is up to date."""
    path, said = tmp_path / "x.db", list[str]()
    scripts = database._scripts()
    with closing(sqlite3.connect(path)) as plain:
        for statement in database._statements("".join(scripts[:3])):
            plain.execute(statement)
        plain.execute("pragma user_version = 3")
        plain.commit()
    for opening in (path, path, tmp_path / "new.db"):
        connections = open_database(opening, StoreSpec(), said.append)
        assert connections.writing.execute("pragma user_version").fetchone() == (KNOWN,)
        connections.close()
    assert [line.partition(";")[0] for line in said] == ["bringing the ledger up to date"]
