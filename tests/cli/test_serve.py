"""``dragoman serve``, as a program of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from dragoman.cli import main

OFF = {"DRAGOMAN_LOCAL_ENABLED": "false"}


def test_it_serves_until_told_to_stop(tmp_path: Path) -> None:
    """It says where it listens, is ready, and ends cleanly on SIGTERM."""
    serving = subprocess.Popen(
        [sys.executable, "-m", "dragoman", "serve", "--host", "127.0.0.1", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, **OFF},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert serving.stdout is not None
        greeting = next(line for line in serving.stdout if "listens on" in line)
        port = re.search(r"http://127\.0\.0\.1:(\d+)", greeting)
        assert port is not None
        connection = HTTPConnection("127.0.0.1", int(port[1]), timeout=30)
        connection.request("GET", "/health/ready")
        assert connection.getresponse().status == 200
        connection.close()
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=60)
        assert serving.returncode in (0, -signal.SIGTERM)
    finally:
        serving.kill()
        serving.wait()


def test_an_option_is_the_setting_of_that_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong one is refused as the setting would be: exit code 2, before anything is made."""
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert main(["serve", "--port", "many"], OFF) == 2
    finally:
        os.chdir(before)
    assert "port" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
