"""``dragoman logs``: the newest last, by any filter, and followed whatever becomes of the store."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import build, main
from dragoman.cli.logs import EVERY_S, Following, follow, layout, line
from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.requests import Filters
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
        "stream": False,
        "provider": "p",
        "state": "settled",
        "settled_at": at + 1,
        "status": 200,
        "latency_ms": 1234.0,
        "first_event_ms": 142.0,
        "meters": Meters(input=100, output=50, cost_micros=1234),
    }
    return ExchangeRow(id=name, opened_at=at, **(fields | more))


def kept(folder: Path, rows: Sequence[ExchangeRow]) -> dict[str, str]:
    """Write rows to a data folder's ledger; return the environment that finds it."""

    async def run() -> None:
        store = SqliteStore.open(folder / "data" / "dragoman.db")
        for one in rows:
            await store.settle(one, [])
        await store.close()

    (folder / "data").mkdir(exist_ok=True)
    asyncio.run(run())
    return {"DRAGOMAN_DATA": str(folder / "data")}


def test_the_newest_come_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As lines of 80 columns under a head, as many as asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    rows = [row(str(number), NOW + number, key=f"key-{number}") for number in range(30)]
    environ = {**kept(tmp_path, rows), "COLUMNS": "80"}
    assert main(["logs", "-n", "3"], environ) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["TIME", "(UTC)", "KEY", "MODEL", "TOOK", "FIRST", "TOKENS", "COST"]
    assert [text.split()[3] for text in lines] == ["key-27", "key-28", "key-29"]
    assert all(len(text) <= 80 for text in (head, *lines))
    assert "\x1b" not in "".join(lines)
    assert main(["logs", "-n", "500"], environ) == 0
    assert len(capsys.readouterr().out.splitlines()) == 31


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["--key", "bob"], ["b"]),
        (["--state", "failed"], ["c"]),
        (["--failure", "timeout", "--key", "alice"], ["c"]),
        (["--only", "cached", "--only", "lossy"], ["d"]),
        (["--min-cost", "0.5"], ["b"]),
        (["--since", str(NOW + 1), "--until", str(NOW + 3)], ["b", "c"]),
        (["--id", "a"], ["a"]),
        (["--model", "nobody's"], []),
    ],
)
def test_filters_are_those_of_the_page(
    words: list[str],
    ids: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With ``--json`` each row is an object in a line, in the words of the API."""
    monkeypatch.chdir(tmp_path)
    rows = [
        row("a"),
        row("b", NOW + 1, key="bob", meters=Meters(cost_micros=600_000)),
        row("c", NOW + 2, state="failed", failure="timeout"),
        row("d", NOW + 3, cached=True, losses=("dropped:seed",)),
    ]
    assert main(["logs", "--json", *words], kept(tmp_path, rows)) == 0
    told = capsys.readouterr()
    found = [json.loads(text) for text in told.out.splitlines()]
    assert [one["id"] for one in found] == ids
    assert ("no request matches" in told.err) == (not ids)


def test_a_filter_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line is wrong then: one line says why."""
    assert main(["logs", "--min-cost", "much"], {"DRAGOMAN_DATA": str(tmp_path / "data")}) == 2
    assert capsys.readouterr().err == "dragoman: min_cost must be US dollars, such as 0.01\n"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "$0.001234"),
        ({"meters": Meters()}, "unknown"),
        ({"state": "failed", "failure": "rate_limited", "meters": Meters(cost_micros=0)}, "rate_limited"),
        ({"state": "reserved", "latency_ms": None, "status": None}, "under way"),
        (
            {"cached": True, "fallback": True, "losses": ("a:b",), "meters": Meters(cost_micros=0)},
            "$0.00 cfl",
        ),
        ({"key": "\x1b[31mred\x07", "model": "=cmd|x" * 40}, "?[31mred?"),
        (
            {"latency_ms": 9e9, "first_event_ms": 9e8, "meters": Meters(input=10**15, cost_micros=10**15)},
            "$1000000000~",
        ),
    ],
)
def test_every_line_fits(more: dict[str, Any], words: str) -> None:
    """In any terminal, whatever the row says, and nothing in it makes a terminal obey."""
    assert words in line(row("a", **more), layout(80))
    for width in (36, 40, 50, 60, 70, 80, 100, 200):
        text = line(row("a", **more), layout(width))
        assert len(text) <= width
        assert text.isprintable()
    whole = line(row("a", **more), layout(None))
    assert whole.isprintable()
    assert str(more.get("model", "m")) in whole


def test_days_of_other_months_are_told_apart(tmp_path: Path) -> None:
    """Where there is room for a day there is room for its month; a wide line has the year as well."""
    one = row("a", 1_789_000_000.0)
    assert line(one, layout(40)).startswith("00:26:40 ")
    assert line(one, layout(80)).startswith("09-10 00:26:40 ")
    assert line(one, layout(None)).startswith("2026-09-10 00:26:40 ")


def test_a_time_may_be_how_long_ago(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--since 1h`` is an hour ago; what is no time is told by the option's own value."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dragoman.cli.accounts.now", lambda: NOW + 3600.0)
    environ = kept(tmp_path, [row("old", NOW - 1.0), row("new", NOW + 1.0)])
    assert main(["logs", "--json", "--since", "1h"], environ) == 0
    assert [json.loads(text)["id"] for text in capsys.readouterr().out.splitlines()] == ["new"]
    assert main(["logs", "--since", "soon"], environ) == 2
    assert "'soon' is no time" in capsys.readouterr().err


def test_a_filter_is_never_left_out_because_it_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is empty asks for those without one, as ``dragoman usage`` has it; the rest is refused."""
    monkeypatch.chdir(tmp_path)
    environ = kept(tmp_path, [row("a", team="red"), row("b", team="")])
    for none in ("", "-"):
        assert main(["logs", "--json", "--team", none], environ) == 0
        assert [json.loads(text)["id"] for text in capsys.readouterr().out.splitlines()] == ["b"]
    assert main(["logs", "--id", ""], environ) == 2
    assert capsys.readouterr().err == "dragoman: --id is empty\n"


@pytest.mark.parametrize("words", [["logs"], ["logs", "--json"], ["logs", "--key", "alice"]])
def test_an_empty_ledger_says_how_to_fill_it(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was asked for there are none yet, and a command makes one; a pipe gets nothing of it."""
    monkeypatch.chdir(tmp_path)
    environ = kept(tmp_path, [])
    assert main(words, environ) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("no requests yet")
    offered = [shlex.split(text) for text in err.splitlines() if text.startswith("  dragoman ")]
    assert [one[1] for one in offered] == ["serve", "chat"]
    for one in offered:
        build([one[1]])[0].parse_args(one[1:])


@pytest.mark.parametrize("words", [["--key", "bob"], ["--key", "bob", "--json"], ["--until", "2020-01-01"]])
def test_a_filter_that_leaves_nothing_says_so(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are requests, and none that matches; who asks for none at all is told nothing."""
    monkeypatch.chdir(tmp_path)
    environ = kept(tmp_path, [row("a")])
    assert main(["logs", *words], environ) == 0
    assert capsys.readouterr() == (
        "",
        "no request matches: there are some, but none like this\n",
    )
    assert main(["logs", *words, "-n", "0"], environ) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["logs", *words, "-n", "-1"], environ) == 2
    assert "--limit" in capsys.readouterr().err


def test_what_ends_is_told_once(tmp_path: Path) -> None:
    """What was there is not told again, what was open as it ends, and what is written down late is late."""
    clock = [NOW + 100]

    async def scene() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            following = Following(store, Filters(key="alice"), clock=lambda: clock[0])

            async def open_(name: str, at: float) -> ExchangeRow:
                attempt = AttemptRow(exchange_id=name, number=1, provider="p", model="m", opened_at=at)
                opened = row(name, at, state="reserved", settled_at=None, latency_ms=None)
                await store.open_exchange(opened, attempt)
                return opened

            async def news() -> list[str]:
                return [one.id for one in await following.news()]

            await store.settle(row("before", NOW + 90), [])
            slow = await open_("slow", NOW + 80)
            await following.begin()
            following.told([row("shown"), slow])
            assert await news() == []
            await open_("quick", NOW + 101)
            await store.settle(row("other", NOW + 101, key="bob"), [])
            await store.settle(row("shown", NOW + 101), [])
            assert await news() == []
            await store.settle(row("quick", NOW + 101), [])
            await store.settle(row("late", NOW + 70), [])
            assert await news() == ["late", "quick"]
            clock[0] = NOW + 1000  # an answer of a quarter of an hour
            assert await news() == []
            await store.settle(row("slow", NOW + 80), [])
            assert await news() == ["slow"]
            assert await news() == []
        finally:
            await store.close()

    asyncio.run(scene())


def test_an_outage_is_told_once_and_outlived(capsys: pytest.CaptureFixture[str]) -> None:
    """A store that is away is asked again; what ended meanwhile is told, and a bug is not swallowed."""
    away = Failure(Kind.UNAVAILABLE, "the database cannot be reached")
    answers: list[Any] = [away, away, [row("a")], Failure(Kind.INTERNAL, "a bug")]
    told: list[str] = []
    waited: list[float] = []

    class Scripted(Following):
        def __init__(self) -> None:
            pass

        async def news(self) -> list[ExchangeRow]:
            answer = answers.pop(0)
            if isinstance(answer, Failure):
                raise answer
            return list(answer)

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    with pytest.raises(Failure, match="a bug"):
        asyncio.run(follow(Scripted(), lambda rows: told.extend(one.id for one in rows), pause=pause))
    assert told == ["a"]
    assert waited == [EVERY_S] * 4
    assert capsys.readouterr().err.count("\n") == 2


def test_a_follower_ends_quietly(tmp_path: Path) -> None:
    """Interrupted, or with nobody to read it any more, it leaves without a word."""
    environ = {**os.environ, **kept(tmp_path, [row("a")])}
    command = [sys.executable, "-m", "dragoman", "logs", "-f", "--json"]
    with subprocess.Popen(
        command, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert json.loads(child.stdout.readline())["id"] == "a"
        child.send_signal(signal.SIGINT)
        assert child.stderr.read() == b""
        assert child.wait(30) == 130
