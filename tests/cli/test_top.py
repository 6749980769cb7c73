"""``dragoman top``: one frame, that fits, tells what there is, and leaves the terminal as it was."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pytest

from dragoman.accounts.pace import Pace
from dragoman.accounts.requests import Going, Running
from dragoman.cli import main, top
from dragoman.cli.top import HIDE, SHOW, Scene, frame, scene
from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.reports import Cell, Sums
from dragoman.store.requests import Live
from dragoman.store.sqlite import SqliteStore

NOW = 1_795_000_000.0


def row(name: str, at: float = NOW, **more: Any) -> ExchangeRow:
    """Return an exchange that has ended."""
    fields: dict[str, Any] = {
        "request_id": name,
        "owner": "me",
        "key": "alice",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "answered_model": "m",
        "stream": True,
        "provider": "p",
        "state": "settled",
        "settled_at": at + 1,
        "first_event_ms": 142.0,
        "meters": Meters(input=100, output=50, cost_micros=1234),
    }
    return ExchangeRow(id=name, opened_at=at, **(fields | more))


def running(number: int, **more: Any) -> Running:
    """Return an exchange under way."""
    attempt = AttemptRow(exchange_id="x", number=1, provider="p", model="n" * 50, opened_at=NOW)
    return Running(Live(row(str(number), state="reserved", **more), (attempt,), 1234), 65.0 + number)


def test_a_frame_tells_what_there_is(tmp_path: Path) -> None:
    """Live streams, rates, first tokens, and who and what cost most: as the ledger has it."""

    async def play() -> list[str]:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            for number in range(6):
                await store.settle(row(str(number), NOW - 20 + number, key=f"key-{number % 2}"), [])
            await store.settle(row("bad", NOW - 10, state="failed", key="key-0", meters=Meters()), [])
            attempt = AttemptRow(exchange_id="live", number=1, provider="q", model="n", opened_at=NOW)
            await store.open_exchange(row("live", NOW - 5, state="reserved", settled_at=None), attempt)
            return frame(await scene(store, NOW))
        finally:
            await store.close()

    lines = asyncio.run(play())
    text = "\n".join(lines)
    assert "1 under way" in lines[0]
    assert "0.1 requests/s" in lines[1]
    assert "errors 14.3%" in lines[1]
    assert "$0.007404/min" in lines[1]
    assert "p50 142ms" in lines[2]
    assert "alice" in text
    assert "q/n" in text
    keys = [one.split() for one in lines if one.startswith("key-")]
    assert keys == [["key-0", "$0.003702", "4", "450"], ["key-1", "$0.003702", "3", "450"]]


def test_it_says_how_many_are_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many these are: more than are told one by one are all counted, in any frame."""
    monkeypatch.setattr(top, "MOST_LIVE", 2)

    async def play() -> Scene:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            for number in range(5):
                open_ = row(
                    str(number), NOW - 9 + number, key=f"key-{number}", state="reserved", settled_at=None
                )
                attempt = AttemptRow(exchange_id=open_.id, number=1, provider="p", model="m", opened_at=NOW)
                await store.open_exchange(open_, attempt)
            return await scene(store, NOW)
        finally:
            await store.close()

    found = asyncio.run(play())
    for height in (None, 24):
        lines = frame(found, height=height)
        assert "5 under way" in lines[0]
        assert [line.split()[1] for line in lines if "key-" in line] == ["key-0", "key-1"]
        assert "and 3 more" in lines


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200, 300])
@pytest.mark.parametrize("height", [5, 12, 24, 50])
def test_a_frame_fits(width: int, height: int) -> None:
    """However many streams there are, and whatever they are called."""
    cells = [
        Cell(None, name, Sums(requests=10**9, input=10**14, cost_micros=10**15))
        for name in ("k" * 200, "\x1b[2J", "")
    ]
    nasty = {"key": "=nasty\x1b[31m" * 9, "model": "日本語" * 40}
    live = Going([running(number, **nasty) for number in range(50)], 50)
    found = Scene(NOW, Pace(requests=10**6, tokens=10**12, cost_micros=10**14), live, cells, cells)
    lines = frame(found, width=width, height=height)
    assert all(text.isprintable() for text in lines)
    assert max(map(columns, lines)) <= min(width, 140)
    assert len(lines) <= height
    assert lines[0].startswith("dragoman")
    assert any(" more" in text for text in lines) == (height > 12 or (height > 5 and width > 20))
    assert any(text.startswith("KEY,") for text in lines) == (height > 12)
    whole = frame(found, width=width, height=None)
    assert not any(" more" in text for text in whole)
    assert len(whole) > 50 + len(cells)


@pytest.mark.parametrize(
    ("width", "told", "left_out"),
    [
        (20, {"KEY", "MODEL", "COST", "p95"}, {"HELD", "REQUESTS", "TOKENS", "TARGET", "tokens/s"}),
        (40, {"KEY", "MODEL", "COST", "REQUESTS", "p95"}, {"HELD", "TOKENS", "TARGET", "tokens/s"}),
        (60, {"KEY", "MODEL", "COST", "REQUESTS", "HELD", "TOKENS", "TARGET", "p95"}, {"tokens/s"}),
        (80, {"KEY", "MODEL", "COST", "REQUESTS", "HELD", "TOKENS", "TARGET", "p95", "tokens/s"}, set()),
        (200, {"KEY", "MODEL", "COST", "REQUESTS", "HELD", "TOKENS", "TARGET", "p95", "tokens/s"}, set()),
    ],
)
def test_what_matters_least_is_left_out_first(width: int, told: set[str], left_out: set[str]) -> None:
    """What there is no room for is not there at all; what is there is whole, amounts and rates."""
    cells = [Cell(None, "alice", Sums(requests=12_345, input=10**6, cost_micros=123_456_789))]
    found = Scene(
        NOW, Pace(requests=60, p95_ms=900.0, cost_micros=7404), Going([running(1)], 1), cells, cells
    )
    lines = frame(found, width=width)
    there = {word for text in lines for word in text.replace(",", " ").split()}
    assert told <= there
    assert not left_out & there
    assert "1 under way" in "   ".join(lines)
    assert {"$123.456789", "$0.007404/min", "66.0s"} <= there
    assert max(map(columns, lines)) <= width


def test_an_empty_ledger_has_a_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--once`` prints it and ends; so it does where no cursor can be moved. No figure is made up."""

    async def never(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dragoman.cli.top.asyncio.sleep", never)
    monkeypatch.setenv("TERM", "dumb")
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data")}
    for words, terminal in ((["top", "--once"], True), (["top"], False), (["top"], True)):
        monkeypatch.setattr(sys.stdout, "isatty", lambda there=terminal: there)
        assert main(words, environ) == 0
        out = capsys.readouterr().out
        assert "nothing is under way" in out
        assert "p50 -" in out
        assert "\x1b" not in out


def test_an_unknown_cost_is_not_nothing() -> None:
    """Where nobody knows what it cost, a minute costs what nobody knows."""
    found = Scene(NOW, Pace(requests=1, unknown=1), Going([], 0), [], [])
    assert "unknown/min" in frame(found)[1]


def test_an_interval_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """In a line, before anything is opened."""
    assert main(["top", "--interval", "0"], {}) == 2
    assert "--interval" in capsys.readouterr().err


def test_the_terminal_is_left_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ends the cursor is back; an outage is a line of the screen, and the next frame comes."""
    answers: list[Any] = [
        Scene(NOW, Pace(), Going([], 0), [], []),
        Failure(Kind.UNAVAILABLE, "the database cannot be reached"),
        KeyboardInterrupt(),
    ]

    async def scripted(store: object, at: float) -> Scene:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Scene)
        return answer

    async def at_once(_: float) -> None:
        return None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(top, "scene", scripted)
    monkeypatch.setattr("dragoman.cli.top.asyncio.sleep", at_once)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["top"], {"DRAGOMAN_DATA": str(tmp_path / "data")}) == 130
    out = capsys.readouterr().out
    assert out.startswith(HIDE)
    assert out.rstrip().endswith(SHOW)
    assert "cannot be reached" in out
