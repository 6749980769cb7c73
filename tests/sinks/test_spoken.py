"""The words of one exchange, out of log files of any size, in any number."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from dragoman.sinks import Rated, Record, spoken
from dragoman.sinks.files import JSON, Files, FilesSpec
from dragoman.sinks.spoken import Spoken
from dragoman.store import ExchangeRow

BEGAN = 1_795_000_000.0


def record(number: int, *, at: float, took_s: float = 1.0, prompt: str | None = "?") -> Record:
    """Return the record of an exchange."""
    row = ExchangeRow(
        id=f"req_{number}",
        request_id="x",
        owner="me",
        key="a",
        dialect="prompt",
        task="generate",
        model="m",
        stream=False,
        opened_at=at,
        settled_at=at + took_s,
        state="settled",
        latency_ms=took_s * 1000,
    )
    return Record(row, prompt and f"{prompt} {number}", None if prompt is None else f"answer {number}")


def files(folder: Path, **spec: Any) -> Files:
    """Return a log in a folder."""
    return Files(FilesSpec(folder=str(folder), **spec), tick=lambda: 0.0, complain=lambda _, error: None)


def looked_up(folder: Path, found: Record) -> Spoken | None:
    """Return what is looked up of a record."""
    assert found.row.settled_at is not None
    return spoken.spoken(folder, found.row.id, found.row.settled_at)


@pytest.mark.parametrize("rotate_bytes", [67_108_864, 20_000])
def test_every_exchange_is_found(tmp_path: Path, rotate_bytes: int) -> None:
    """In one file or in many, with ratings between, and lines about in the order of their ends."""
    chance = random.Random(4)
    log = files(tmp_path, rotate_bytes=rotate_bytes, keep=1000)
    records = [
        record(
            number,
            at=BEGAN + number * 3,
            took_s=chance.choice([0.1, 2.0, 60.0]),
            prompt="?" * chance.randrange(900),
        )
        for number in range(400)
    ]
    ordered = sorted(records, key=lambda one: (one.row.settled_at or 0) + chance.uniform(0, 2))
    for begin in range(0, len(ordered), 7):
        lines: list[Record | Rated] = [*ordered[begin : begin + 7]]
        rated = ordered[begin]
        lines.append(Rated(rated.row.id, "a", "m", 5, "fine", (rated.row.settled_at or 0) + 3))
        log.append(lines)
    for one in chance.sample(records, 60):
        assert looked_up(tmp_path, one) == Spoken(one.prompt, one.response)


def test_a_line_without_words_says_so(tmp_path: Path) -> None:
    """Where words were not to be logged there is a line without; where there is no line there is nothing."""
    log = files(tmp_path)
    quiet = record(1, at=BEGAN, prompt=None)
    log.append([quiet])
    assert looked_up(tmp_path, quiet) == Spoken(None, None)
    assert looked_up(tmp_path, record(2, at=BEGAN)) is None
    assert looked_up(tmp_path / "nowhere", quiet) is None


def test_a_rating_before_its_exchange_is_not_taken_for_it(tmp_path: Path) -> None:
    """A line with the id that is a rating, or words that have the id in them, are passed over."""
    log = files(tmp_path)
    wanted = record(7, at=BEGAN)
    decoy = Record(record(8, at=BEGAN).row, "what became of req_7?", "gone")
    log.append([Rated("req_7", "a", "m", 1, "bad", BEGAN + 1), decoy, wanted])
    assert looked_up(tmp_path, wanted) == Spoken("? 7", "answer 7")


def test_damage_is_passed_over(tmp_path: Path) -> None:
    """Half a line, and a line of something else, are nobody's words."""
    wanted = record(3, at=BEGAN)
    log = files(tmp_path)
    log.append([record(1, at=BEGAN - 5), wanted])
    path = tmp_path / JSON
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b'{"prompt_id": "req_3", "pro\n[]\n\xff\xfe req_3\n' + second)
    assert looked_up(tmp_path, wanted) == Spoken("? 3", "answer 3")


def test_work_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much was written in the same instant, it is given up after some megabytes."""
    monkeypatch.setattr(spoken, "LOOKED_BYTES", 2000)
    log = files(tmp_path)
    log.append([record(number, at=BEGAN, prompt="?" * 100) for number in range(100)])
    assert looked_up(tmp_path, record(0, at=BEGAN)) is not None
    assert looked_up(tmp_path, record(99, at=BEGAN)) is None
