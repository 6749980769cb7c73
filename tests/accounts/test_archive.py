"""Files of old rows: what is in them, what vouches for it, and what is noticed."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.archive import ATTEMPT, EXCHANGE, Folder, day_of, matches, render, replace
from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.archive import Kept

DAY = "2026-01-15"


def kept(name: str = "x", tries: int = 1, **more: Any) -> Kept:
    """Return an exchange that has ended, with its attempts."""
    fields: dict[str, Any] = {
        "request_id": name,
        "owner": "me",
        "key": "anna",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": True,
        "opened_at": 1000.25,
        "state": "settled",
        "meters": Meters(input=3, cache_read=2, output=4, reasoning=1, cost_micros=50),
    }
    attempts = tuple(
        AttemptRow(exchange_id=name, number=number + 1, provider="p", model="m", opened_at=1000.5)
        for number in range(tries)
    )
    return ExchangeRow(id=name, **(fields | more)), attempts


def written(folder: Folder, *rows: Kept) -> None:
    """Archive rows as one part of the day."""
    with folder.alone(), folder.writing(DAY) as writing:
        writing.add(rows)


def read(path: Path) -> list[list[str]]:
    """Return a file's cells, as any CSV reader sees them."""
    return list(csv.reader(StringIO(gzip.decompress(path.read_bytes()).decode(), newline="")))


def test_a_file_is_read_by_any_csv_reader(tmp_path: Path) -> None:
    """Columns are named; text is whole, whatever is in it; what is unknown is empty; numbers are exact."""
    said = 'a "quote", a comma\r\nand a line\x00'
    rows = [kept("one", 2, message=said, losses=("dropped:seed", "x,y")), kept("two", 0, latency_ms=0.1)]
    written(Folder(tmp_path), *rows)
    names, one, two = read(tmp_path / "2026" / f"exchange-{DAY}.csv.gz")
    assert tuple(names) == EXCHANGE
    first, second = dict(zip(names, one, strict=True)), dict(zip(names, two, strict=True))
    assert (first["message"], second["message"]) == (said, "")
    assert msgspec.json.decode(first["losses"]) == ["dropped:seed", "x,y"]
    assert (first["stream"], first["opened_at"], first["cost_micros"]) == ("1", "1000.25", "50")
    assert float(second["latency_ms"]) == 0.1
    names, *tries = read(tmp_path / "2026" / f"attempt-{DAY}.csv.gz")
    assert tuple(names) == ATTEMPT
    assert [line[:2] for line in tries] == [["one", "1"], ["one", "2"]]


def test_text_is_told_from_nothing() -> None:
    """An empty text stands in quotes and what is unknown does not, as PostgreSQL tells them apart."""
    line = render(kept(message="", stop=None)[0])
    cells = dict(zip(EXCHANGE, line.decode().split(","), strict=True))
    assert (cells["message"], cells["stop"]) == ('""', "")


def test_the_manifest_says_what_is_in_a_part(tmp_path: Path) -> None:
    """Rows, tokens and cost are summed up, and what is unknown is counted."""
    folder = Folder(tmp_path)
    unpriced = Meters(input=1, audio_output=10)
    written(folder, kept("one", 2), kept("two", 1), kept("three", 0, meters=unpriced))
    (part,) = folder.parts()
    assert (part.day, part.part) == (DAY, 1)
    assert (part.input, part.output, part.cost_micros, part.unknown_cost) == (11, 20, 100, 1)
    assert [(file.table, file.rows) for file in part.files] == [("exchange", 3), ("attempt", 3)]
    assert folder.check(part) == []


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    """Neither a clock nor a name nor the size of a page is in a file."""
    rows = [kept(str(place), place % 3) for place in range(50)]
    one, two = Folder(tmp_path / "one"), Folder(tmp_path / "two")
    written(one, *rows)
    with two.alone(), two.writing(DAY) as writing:
        for row in rows:
            writing.add([row])
    assert one.parts() == two.parts()
    names = sorted(str(file.relative_to(one.path)) for file in one.path.rglob("*.gz"))
    assert [(one.path / name).read_bytes() for name in names] == [
        (two.path / name).read_bytes() for name in names
    ]


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Nobody else reads who asked for what."""
    folder = Folder(tmp_path / "archive")
    written(folder, kept())
    modes = {
        path.name: path.stat().st_mode & 0o077 for path in folder.path.rglob("*") if path.name != ".lock"
    }
    assert set(modes.values()) == {0}, modes


def test_a_second_part_leaves_the_first_alone(tmp_path: Path) -> None:
    """What turns up later goes into files of its own."""
    folder = Folder(tmp_path)
    written(folder, kept("one"))
    before = (tmp_path / "2026" / f"exchange-{DAY}.csv.gz").read_bytes()
    written(folder, kept("two"))
    assert (tmp_path / "2026" / f"exchange-{DAY}.csv.gz").read_bytes() == before
    assert [(part.part, part.files[0].file) for part in folder.parts(DAY)] == [
        (1, f"2026/exchange-{DAY}.csv.gz"),
        (2, f"2026/exchange-{DAY}.2.csv.gz"),
    ]
    assert [line.id for part in folder.parts() for line in folder.read(part)] == ["one", "two"]
    assert folder.parts("2026-01-16") == []


def test_what_is_not_finished_is_not_there(tmp_path: Path) -> None:
    """An error while a part is written leaves no file and no line of the manifest."""
    folder = Folder(tmp_path)

    def dying() -> Iterator[Kept]:
        yield kept()
        raise ZeroDivisionError

    with folder.alone(), pytest.raises(ZeroDivisionError), folder.writing(DAY) as writing:
        writing.add(dying())
    assert folder.parts() == []
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lock"]


def test_what_was_left_by_a_dead_process_is_written_over(tmp_path: Path) -> None:
    """Files that no manifest vouches for are nobody's, finished or not."""
    smooth, folder = Folder(tmp_path / "smooth"), Folder(tmp_path / "x")
    written(smooth, kept("one"))
    (folder.path / "2026").mkdir(parents=True)
    for name in (f"exchange-{DAY}.csv.gz", f".attempt-{DAY}.csv.gz.part"):
        (folder.path / "2026" / name).write_bytes(b"half of somet" * 1000)
    written(folder, kept("one"))
    assert folder.parts() == smooth.parts()
    assert all(folder.check(part) == [] for part in folder.parts())


def damaged(folder: Folder, name: str, data: bytes) -> list[str]:
    """Put something else in a file's place; return what is said of it."""
    path = folder.path / "2026" / name
    path.write_bytes(data)
    (part,) = folder.parts()
    return folder.check(part)


def test_damage_is_noticed(tmp_path: Path) -> None:
    """A file that is gone, cut, or changed by one bit is named."""
    folder, name = Folder(tmp_path), f"exchange-{DAY}.csv.gz"
    written(folder, kept("one"), kept("two"))
    good = (tmp_path / "2026" / name).read_bytes()
    for bad in (b"", good[:-9], good[:40] + bytes([good[40] ^ 1]) + good[41:]):
        (said,) = damaged(folder, name, bad)
        assert name in said
        assert "SHA-256" in said
    assert damaged(folder, name, good) == []
    (tmp_path / "2026" / name).unlink()
    (part,) = folder.parts()
    assert name in folder.check(part)[0]


def test_a_manifest_that_says_something_else_is_noticed(tmp_path: Path) -> None:
    """Sums and numbers of rows are counted again, not believed."""
    folder = Folder(tmp_path)
    written(folder, kept("one"), kept("two"))
    (part,) = folder.parts()
    (said,) = folder.check(msgspec.structs.replace(part, cost_micros=99))
    assert "sums" in said
    fewer = tuple(msgspec.structs.replace(file, rows=file.rows - 1) for file in part.files)
    assert len(folder.check(msgspec.structs.replace(part, files=fewer))) == 2


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    """Nothing is guessed of what has been archived."""
    folder = Folder(tmp_path)
    written(folder, kept())
    replace(tmp_path / "manifest.jsonl", b'{"day": "2026')
    with pytest.raises(Failure) as caught:
        folder.parts()
    assert caught.value.kind is Kind.UNAVAILABLE


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    """Whoever comes second is told so at once, and may come again."""
    folder = Folder(tmp_path)
    with folder.alone():
        with pytest.raises(Failure) as caught, Folder(tmp_path).alone():
            pass
        assert caught.value.kind is Kind.CONFLICT
    with Folder(tmp_path).alone():
        pass


text = st.text(max_size=12)
rows = st.builds(
    kept,
    name=text,
    tries=st.integers(0, 3),
    **dict.fromkeys(("request_id", "owner", "key", "model"), text),
    **dict.fromkeys(("provider", "failure", "message"), st.none() | text),
    losses=st.lists(text, max_size=2).map(tuple),
    opened_at=st.floats(0, 1e12),
    latency_ms=st.none() | st.floats(0, 1e9),
)


@given(given_rows=st.lists(rows, max_size=6, unique_by=lambda row: row[0].id))
def test_what_is_archived_is_read_back(given_rows: list[Kept]) -> None:
    """Any row is found again as it is in the ledger, with its attempts, and any other is told apart."""
    with TemporaryDirectory() as place:
        folder = Folder(Path(place))
        written(folder, *given_rows)
        (part,) = folder.parts()
        assert folder.check(part) == []
        found = list(folder.read(part))
        assert [line.id for line in found] == [row.id for row, _ in given_rows]
        for line, row in zip(found, given_rows, strict=True):
            assert matches(line, row)
            exchange, attempts = row
            other = msgspec.structs.replace(exchange, meters=Meters(cost_micros=51))
            assert not matches(line, (other, attempts))
            assert not matches(line, (exchange, (*attempts, kept(tries=1)[1][0])))


def test_days_are_those_of_utc() -> None:
    """A day begins at midnight in Greenwich, wherever this runs."""
    assert [day_of(at) for at in (0.0, 86_399.999, 86_400.0)] == ["1970-01-01", "1970-01-01", "1970-01-02"]
