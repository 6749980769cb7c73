"""``dragoman usage``: the figures on a terminal, and for programs."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.accounts.rows import DAY, book, by_chance, exchange, grouped, meant, sums

from dragoman.accounts.figures import figures
from dragoman.cli import main, usage
from dragoman.cli.terminal import breadth
from dragoman.cli.usage import HEAD, Line, amount, count, cut, laid_out, length
from dragoman.store import ExchangeRow, Meters
from dragoman.store.reports import Part, Sums
from dragoman.store.sqlite import SqliteStore

ENVIRON = {"DRAGOMAN_LOCAL_ENABLED": "false", "DRAGOMAN_DATA": "data"}
AT = 1_795_275_000.0
"""2026-11-21T15:30:00Z."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(usage, "now", lambda: AT)


def booked(rows: list[ExchangeRow]) -> None:
    """Book rows in the folder's store."""
    Path("data").mkdir(exist_ok=True)

    async def run() -> None:
        db = SqliteStore.open(Path("data/dragoman.db"))
        try:
            await book(db, rows)
        finally:
            await db.close()

    asyncio.run(run())


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[list[str], str]:
    """Run a command that succeeds; return its lines and what is said about them."""
    assert main(["usage", *words], ENVIRON) == 0
    shown = capsys.readouterr()
    return shown.out.splitlines(), shown.err


def test_the_table_says_what_the_rows_do(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each model with its sums, a sparkline, and the total; it fits eighty columns."""
    rows = [exchange(f"a{place}", AT - place * DAY, answered_model="gpt-5-mini") for place in range(3)]
    rows += [exchange(f"b{place}", AT - 60, answered_model="claude") for place in range(2)]
    rows += [exchange("c", AT - 60, state="failed", answered_model="claude", meters=Meters())]
    rows[0] = exchange("a0", AT, answered_model="gpt-5-mini", latency_ms=2000.0, first_event_ms=250.0)
    booked(rows)
    lines, said = told(capsys, "--period", "week")
    head, first, second, total = (line.split() for line in lines)
    assert head == ["MODEL", *HEAD]
    assert first == ["claude", "3", "20", "$0.00004+", "1", "-", "-", "▁▁▁▁▁▁▁█"]
    assert second[:7] == ["gpt-5-mini", "3", "30", "$0.00006", "0", "251ms", "251ms"]
    assert total[:5] == ["total", "6", "50", "$0.0001+", "1"]
    assert max(map(len, lines)) <= 80
    assert "from 2026-11-14 15:00 to 2026-11-21 15:30 UTC, requests drawn by day" in said
    assert "+ the cost of 1 request is unknown" in said


def test_times_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    """By hour, day, week or month: one after another without gaps, with a bar."""
    booked([exchange("a", AT), exchange("b", AT), exchange("c", AT - 2 * DAY)])
    lines, _ = told(capsys, "--from", "2026-11-19", "--to", "2026-11-21", "--by", "day")
    assert [line.split()[:2] for line in lines[1:]] == [
        ["2026-11-19", "1"],
        ["2026-11-20", "0"],
        ["2026-11-21", "2"],
        ["total", "3"],
    ]
    assert [line.count("█") for line in lines[1:]] == [6, 0, 12, 0]
    hours, _ = told(capsys, "--period", "day", "--by", "hour")
    assert hours[-2].startswith("2026-11-21 15:00")


@pytest.mark.parametrize("by", ["model", "key", "team", "failure"])
def test_json_and_csv_are_the_pages_own(capsys: pytest.CaptureFixture[str], by: str) -> None:
    """Every group of the filtered rows, to the unit."""
    rows = by_chance(Random(1), 80, until=AT, back=20 * DAY)
    booked(rows)
    ours = grouped(meant(rows, Part(AT - 30 * DAY, key="one", failure="")), by)
    lines, _ = told(capsys, "--by", by, "--key", "one", "--failure", "", "--json")
    found: dict[str, Any] = json.loads("".join(lines))
    assert {group[by]: group["requests"] for group in found["groups"]} == {
        name or None: len(some) for name, some in ours.items()
    }
    assert found["interval"] is None
    lines, _ = told(capsys, "--by", by, "--key", "one", "--failure", "", "--csv")
    table = list(csv.DictReader(io.StringIO("\n".join(lines))))
    assert len(table) == len(ours)
    for row in table:
        own = figures(sums(ours[row[by].removeprefix("'")]))
        assert (row["requests"], row["tokens"]) == (str(own["requests"]), str(own["tokens"]))


def test_the_rest_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With --top, what is beyond it; those without a name say so."""
    rows = [exchange(f"x{place}", AT - 60, team=team) for place, team in enumerate(("", "", "red", "blue"))]
    booked(rows)
    lines, _ = told(capsys, "--by", "team", "--top", "1")
    assert [line.split("  ")[0] for line in lines] == ["TEAM", "(none)", "(2 others)", "total"]


def test_nothing_is_said_to_be_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty ledger, or a time without any request: a remark, and no table."""
    lines, said = told(capsys)
    assert lines == []
    assert "nothing was asked from 2026-10-22 15:00 to 2026-11-21 15:30 UTC" in said
    lines, said = told(capsys, "--period", "all")
    assert "from the first request on" in said or "from 2026-11-21" in said
    lines, said = told(capsys, "--from", "1970-01-01", "--to", "9999-12-31")
    assert (lines, "9999-12-31 23:59" in said) == ([], True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "then"], "from must be a date"),
        (["--period", "day", "--from", "2026-11-01"], "not both"),
        (["--from", "2026-11-02", "--to", "2026-11-01"], "later than to"),
        (["--top", "0"], "from 1 to 100"),
        (["--by", "hour", "--from", "2026-01-01"], "ask for days"),
        (["--by", "colour"], "invalid choice"),
        (["--by", "day", "--interval", "hour"], "leave --interval out"),
        (["--csv", "--json"], "not allowed with"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """The exit code says that the command line is wrong."""
    booked([exchange("a", AT)])
    assert main(["usage", *words], ENVIRON) == 2
    shown = capsys.readouterr()
    assert (shown.out, said in shown.err) == ("", True)


@pytest.mark.parametrize(
    ("period", "grain"), [("day", "hour"), ("week", "day"), ("month", "day"), ("all", "month")]
)
def test_sparklines_suit_the_time(capsys: pytest.CaptureFixture[str], period: str, grain: str) -> None:
    """Up to two days by hour, to three months by day; all time by month, unless said."""
    booked([exchange("a", AT - 60), exchange("b", AT - 60 * DAY)])
    assert f"drawn by {grain}" in told(capsys, "--period", period)[1]
    weeks = told(capsys, "--period", period, "--interval", "week")[1]
    assert ("drawn by week" in weeks) == (period != "day")  # of one week nothing is drawn


def test_colour_is_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal has it in head and total; a pipe, and who wants none, gets none."""
    booked([exchange("a", AT)])
    assert not any("\033" in line for line in told(capsys)[0])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    lines, _ = told(capsys)
    assert [line.startswith("\033[1m") for line in lines] == [True, False, True]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any("\033" in line for line in told(capsys)[0])


def test_names_are_cut_where_they_do_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """In their middle, and nothing in them moves the terminal's cursor."""
    booked([exchange("a", AT, answered_model="a-very-long-name/" + "x" * 90 + "/of-a-model\033[2J")])
    lines, _ = told(capsys)
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("a-very-lo~")
    assert "\033" not in lines[1]


@pytest.mark.parametrize("width", [24, 32, 40, 60, 80, 120])
@pytest.mark.parametrize("by", ["model", "hour"])
def test_it_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, by: str
) -> None:
    """Figures are left out before any is cut, and no time is: two days would look like one."""
    meters = Meters(input=10**9, cost_micros=123_456)
    booked(
        [
            exchange(f"a{place}", AT - place * DAY, answered_model="日本語" * 9, meters=meters)
            for place in range(3)
        ]
    )
    monkeypatch.setenv("COLUMNS", str(width))
    lines, _ = told(capsys, "--period", "week", "--by", by)
    assert max(map(breadth, lines)) <= max(width, 29 if by == "hour" else 0)
    assert "COST" in lines[0]
    shown, drawn = "P95" in lines[0], any("█" in line for line in lines)
    assert (shown, drawn) == (width >= 80, width >= 80) or (by == "model" and width == 60)
    if by == "hour":
        assert lines[1].startswith("2026-11-14 15:00  ")


def test_who_has_none_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """By ``-`` as in the log of requests, and by an empty word; what there is none of is named."""
    booked([exchange("a", AT - 60, team=""), exchange("b", AT - 60, team="red")])
    for word in ("-", ""):
        lines, _ = told(capsys, "--by", "team", "--team", word)
        assert [line.split()[:2] for line in lines[1:]] == [["(none)", "1"], ["total", "1"]]
    assert (
        "nothing was asked of key 'carol' of no team from" in told(capsys, "--key", "carol", "--team", "-")[1]
    )


@pytest.mark.parametrize("by", ["model", "day"])
def test_a_terminal_without_blocks_gets_none(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Where the encoding has no block characters there is nothing drawn, rather than their numbers."""
    booked([exchange("a", AT), exchange("b", AT - 86400, answered_model="a-very-long-name/" + "x" * 90)])
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, "ascii", errors="backslashreplace"))
    assert main(["usage", "--by", by], ENVIRON) == 0
    sys.stdout.flush()
    assert written.getvalue().startswith(by.upper().encode())
    assert b"\\" not in written.getvalue()


def test_columns_are_as_wide_as_they_need() -> None:
    """Numbers stand right, names left; a name gets what room there is."""
    lines: list[Line] = [
        ("A", ("N", "COST"), lambda _: ""),
        ("long-name", ("1,000", "$1"), lambda _: "▁█"),
        ("b", ("2", "unknown"), lambda _: "██"),
    ]
    assert laid_out(lines, 80) == [
        "A              N     COST",
        "long-name  1,000       $1  ▁█",
        "b              2  unknown  ██",
    ]
    assert (cut("long-name", 9), cut("long-name", 5), cut("ab", 1)) == ("long-name", "lo~me", "~")
    assert (cut("日本語の名前", 12), cut("日本語の名前", 7)) == ("日本語の名前", "日~前")


@pytest.mark.parametrize(
    ("sums_", "text"),
    [
        (Sums(), "$0.00"),
        (Sums(cost_micros=1), "$0.000001"),
        (Sums(cost_micros=1_234_567_890), "$1,234.57"),
        (Sums(unknown_cost=1), "unknown"),
        (Sums(unknown_cost=1, cost_micros=50_000), "$0.05+"),
    ],
)
def test_money_is_never_nothing_where_it_is_not(sums_: Sums, text: str) -> None:
    """As many digits as it takes; unknown is said."""
    assert amount(sums_) == text


def test_numbers_are_short() -> None:
    """Counts in seven characters at most, durations in five."""
    assert [count(number) for number in (0, 99_999, 100_000, 1_234_567, 999_999_999, 45_678_901_234)] == [
        "0",
        "99,999",
        "100k",
        "1.23M",
        "1G",
        "45.7G",
    ]
    assert [length(ms) for ms in (None, 0.4, 999.4, 999.6, 12_345.0, 99_960.0, 600_000.0)] == [
        "-",
        "0ms",
        "999ms",
        "1.0s",
        "12.3s",
        "2m",
        "10m",
    ]
