"""The logs: every exchange and rating is a line, whatever was said in it, and no disk costs a request."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sinks.records import ALERTED, RATED, Complaints, Pace, record, row, run

from dragoman.sinks import Record, Sink
from dragoman.sinks import files as module
from dragoman.sinks.files import COLUMNS, RETRY_S, Files, FilesSpec, cells, json_line, table
from dragoman.sinks.telling import valid
from dragoman.store import Meters


class Scene:
    """A sink, what it complains of, and its pace."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.complaints = Complaints()
        self.pace = Pace()
        spec = FilesSpec(folder=str(folder), **changes)
        self.sink = Files(spec, tick=lambda: 0.0, complain=self.complaints, pause=self.pace)


def objects(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of the JSON file."""
    return [json.loads(line) for line in (folder / "prompts.json").read_text().splitlines()]


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the table."""
    with (folder / "prompts.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def cell(text: str) -> str:
    """Return a prompt as a reader of the table finds it."""
    line = table([cells(Record(row(), prompt=text, response=""))]).decode()
    return next(csv.reader(io.StringIO(line, newline=""), strict=True))[COLUMNS.index("prompt")]


def test_every_exchange_and_rating_is_a_line(tmp_path: Path) -> None:
    """In both files, in order, with the same columns; an alert is none."""

    async def play() -> None:
        scene = Scene(tmp_path / "logs")
        for number in range(3):
            scene.sink.emit(record(number))
        scene.sink.emit(RATED)
        scene.sink.emit(ALERTED)
        await run(scene.sink, scene.pace, lambda: scene.sink.counts()["delivered"] == 4)
        scene.sink.emit(record(3))
        await scene.sink.close()
        assert scene.sink.counts() == {"taken": 5, "delivered": 5, "dropped": 0, "waiting": 0}

    asyncio.run(play())
    told = objects(tmp_path / "logs")
    assert [tuple(one) for one in told] == [COLUMNS] * 5
    assert told[0] == {
        "timestamp": "2025-11-24T16:00:00.123Z",
        "prompt": "question 0",
        "model": "m",
        "response": "answer 0",
        "latency_ms": 1100.5,
        "token_count": 30,
        "prompt_id": "req_0",
        "rating": None,
        "feedback": None,
        "key": "alice",
        "provider": "p",
        "status": 200,
        "cached": False,
        "fallback": False,
        "cost_usd": 0.00125,
    }
    known = {name: value for name, value in told[3].items() if value is not None}
    assert known == {
        "timestamp": "2025-11-24T16:00:00.123Z",
        "model": "m",
        "prompt_id": "req_7",
        "rating": 4,
        "feedback": "good",
        "key": "alice",
    }
    table = rows(tmp_path / "logs")
    assert [one["prompt_id"] for one in table] == ["req_0", "req_1", "req_2", "req_7", "req_3"]
    assert {name: value for name, value in table[3].items() if value} == {**known, "rating": "4"}
    assert (table[0]["cost_usd"], table[0]["cached"], table[0]["latency_ms"]) == (
        "0.00125",
        "false",
        "1100.5",
    )


def test_without_words_the_rest_is_there() -> None:
    """Whose words are not to be logged, and what nobody knows, is empty; never a 0."""
    bare = Record(row(meters=Meters(), latency_ms=None, provider=None, answered_model=None, model="asked"))
    told = dict(zip(COLUMNS, cells(bare), strict=True))
    assert [told[name] for name in ("prompt", "response", "latency_ms", "provider", "cost_usd")] == [None] * 5
    assert (told["model"], told["token_count"]) == ("asked", 0)


@pytest.mark.parametrize(
    "text",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1+1",
        "\u3000=1",
        "\x01=1",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20x",
        "-",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    """What a spreadsheet would run begins with an apostrophe, so it is text and can be read."""
    assert cell(text) == f"'{text}".replace("\r", "\n")


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "a = b",
        "",
        "1-2",
        'say "hi", twice; ok',
        "two\nlines",
        "'quoted'",
        "日本 😀",
        "a\u2028b",
        " x",
    ],
)
def test_other_cells_are_as_they_were(text: str) -> None:
    """Quotes, commas and line feeds are a cell's own business."""
    assert cell(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [("a\r\nb\rc", "a\nb\nc"), ("nul\0", "nul\ufffd"), ("\ud800half", "\ufffdhalf"), ("\ud83d\ude00", "😀")],
)
def test_what_a_table_cannot_have_is_replaced(text: str, told: str) -> None:
    """So that every reader finds as many rows as were written."""
    assert cell(text) == told


@pytest.mark.parametrize("text", ["a\nb\r\n", "\0", "\u2028\u2029\x85\x0b\x0c\x1c", '"\\', "=1+1", "😀"])
def test_a_json_line_is_one_line(text: str) -> None:
    """However lines are told apart, and the text is exactly what was said."""
    line = json_line(cells(Record(row(), prompt=text))).decode()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["prompt"] == text


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=30), min_size=1, max_size=5))
def test_whatever_is_said_both_files_stay_readable(texts: list[str]) -> None:
    """As many rows as were written, no cell that begins like a formula, and every JSON line whole."""
    told = [cells(Record(row(key=text), prompt=text, response=text)) for text in texts]
    found = list(csv.reader(io.StringIO(table(told).decode(), newline=""), strict=True))
    assert [len(one) for one in found] == [len(COLUMNS)] * len(texts)
    assert not [
        one for line in found for one in line if one.lstrip()[:1] in {*"=+-@\uff1d\uff0b\uff0d\uff20"}
    ]
    assert not [one for line in found for one in line if one[:1] in {*"\t\r\n"}]
    lines = b"".join(map(json_line, told)).decode().splitlines()
    assert [json.loads(line)["prompt"] for line in lines] == [valid(text) for text in texts]


def test_half_a_character_costs_no_line() -> None:
    """A lone surrogate is the mark of what is lost."""
    assert json.loads(json_line(cells(Record(row(), prompt="\ud800"))))["prompt"] == "\ufffd"


def test_files_are_put_aside_by_size(tmp_path: Path) -> None:
    """The configured size and number; every file is one a reader understands."""

    async def play() -> None:
        scene = Scene(tmp_path, rotate_bytes=4096, keep=2)
        for number in range(200):
            scene.sink.emit(record(number))
            assert await scene.sink._write()
        await scene.sink.close()

    asyncio.run(play())
    names = {path.name for path in tmp_path.iterdir()} - {".lock"}
    assert names == {f"prompts{number}.{kind}" for number in ("", ".1", ".2") for kind in ("csv", "json")}
    assert max((tmp_path / name).stat().st_size for name in names) <= 4096
    assert rows(tmp_path)[-1]["prompt_id"] == objects(tmp_path)[-1]["prompt_id"] == "req_199"


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    """It is complained of once; as soon as it can be written all that waited is, in order."""
    folder = tmp_path / "logs"
    folder.touch()

    async def play() -> None:
        scene = Scene(folder)
        for number in range(3):
            scene.sink.emit(record(number))
        await run(scene.sink, scene.pace, lambda: scene.pace.waits.count(RETRY_S) == 3)
        assert scene.sink.counts() == {"taken": 3, "delivered": 0, "dropped": 0, "waiting": 3}
        assert len(scene.complaints) == 1
        assert "the log of prompts cannot be written" in scene.complaints[0]
        folder.unlink()
        scene.sink.emit(record(3))
        await run(scene.sink, scene.pace, lambda: scene.sink.counts()["delivered"] == 4)
        await scene.sink.close()

    asyncio.run(play())
    assert [one["prompt_id"] for one in objects(folder)] == ["req_0", "req_1", "req_2", "req_3"]


def test_a_full_disk_costs_nothing(tmp_path: Path) -> None:
    """A real one: what does not fit waits, nothing half is left, and both files go on together."""

    async def play() -> None:
        scene = Scene(tmp_path)
        (tmp_path / "prompts.csv").symlink_to("/dev/full")
        scene.sink.emit(record())
        assert not await scene.sink._write()
        assert (tmp_path / "prompts.json").read_bytes() == b""
        (tmp_path / "prompts.csv").unlink()
        await scene.sink.close()
        assert scene.sink.counts()["delivered"] == 1

    asyncio.run(play())
    assert len(objects(tmp_path)) == len(rows(tmp_path)) == 1


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by the words' size; the others are dropped, at the end what is left as well."""
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    folder = tmp_path / "logs"
    folder.touch()

    async def play() -> None:
        scene = Scene(folder)
        for number in range(5):
            scene.sink.emit(Record(row(number), prompt="x" * 400))
        assert scene.sink.counts()["dropped"] == 3
        await scene.sink.close()
        assert scene.sink.counts() == {"taken": 5, "delivered": 0, "dropped": 5, "waiting": 0}

    asyncio.run(play())


def test_a_bug_in_one_line_is_not_the_end(tmp_path: Path) -> None:
    """Its batch is lost and counted, the next is written."""

    async def play() -> None:
        scene = Scene(tmp_path)
        scene.sink.emit(record(opened_at=float("nan")))
        assert await scene.sink._write()
        scene.sink.emit(record(1))
        await scene.sink.close()
        assert scene.sink.counts() == {"taken": 2, "delivered": 1, "dropped": 1, "waiting": 0}
        assert "bug" in scene.complaints[0]

    asyncio.run(play())


def test_it_is_a_sink(tmp_path: Path) -> None:
    """One that is told nothing writes nothing."""
    sink: Sink = Scene(tmp_path / "logs").sink
    asyncio.run(sink.close())
    assert not (tmp_path / "logs").exists()
