"""``dragoman simulate`` as a process: ready, serving, stopped; and what it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dragoman.cli import main


@contextmanager
def simulating(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; yield the process and the URL it printed."""
    command = [sys.executable, "-m", "dragoman", "simulate", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def ask(url: str) -> str:
    """Return what a simulator says."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_stops_when_told(how: signal.Signals) -> None:
    """The first line is its URL, said when it is ready; a signal ends it with success."""
    with simulating("--text", "as told") as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert ask(url) == "as told"
        process.send_signal(how)
        assert process.wait(30) == 0


def test_options_go_before_the_script(tmp_path: Path) -> None:
    """The file says what happens, options replace its default."""
    script = tmp_path / "script.toml"
    script.write_text('[default]\ntokens = 3\nmodel = "named"\n')
    with simulating("--script", str(script), "--tokens", "5", "--seed", "7", "--latency-ms", "1") as (_, url):
        assert len(ask(url).split()) == 5
        with urllib.request.urlopen(f"{url}/_script", timeout=30) as answer:
            assert json.load(answer)["default"] == {"tokens": 5, "model": "named", "latency_s": 0.001}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--script", "nowhere.toml"], "nowhere.toml"),
        (["--tokens", "-4"], "$.default.tokens"),
        (["--tokens-per-s", "0"], "$.default.tokens_per_s"),
    ],
)
def test_a_wrong_script_is_one_line(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place of the fault is named, and the exit code is that of a wrong command line."""
    assert main(["simulate", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken_is_one_line() -> None:
    """It says which port, and ends."""
    with simulating() as (_, url):
        port = url.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "dragoman", "simulate", "--port", port],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert second.returncode == 1
        assert f"cannot listen on 127.0.0.1 port {port}" in second.stderr
