"""The list of pages: each address once, and every place on the rail is one."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.resources import files
from pathlib import Path

from tests.house import house

from dragoman.server import admin
from dragoman.server.dashboard.pages import LISTS, PAGES, RAIL, List, above
from dragoman.server.dashboard.visit import Page


def test_each_address_is_one_page_and_one_action() -> None:
    """No page hides another."""
    counts = Counter((type(part), part.path) for part in PAGES)
    assert {place for place, count in counts.items() if count > 1} == set()
    assert all(part.path.startswith("/admin") for part in PAGES)


def test_the_rail_leads_somewhere() -> None:
    """Every place on the rail is a page, and has a sign that is drawn."""
    pages = {part.path for part in PAGES if isinstance(part, Page)}
    assert {stop.path for stop in RAIL} <= pages
    drawing = (files("dragoman.server") / "web" / "assets" / "admin.svg").read_text("utf-8")
    signs = {symbol.get("id") for symbol in ET.fromstring(drawing)}
    assert {stop.icon for stop in RAIL} <= signs


def test_a_page_belongs_to_its_list() -> None:
    """Whatever is below one belongs to it, the list itself to none; each of them is a page."""
    assert {f"/admin/{name}" for name in LISTS} <= {part.path for part in PAGES if isinstance(part, Page)}
    assert above("/admin/keys/a/b") == List("/admin/keys", "keys")
    assert above("/admin/keys") is None
    assert above("/admin/keyss/x") is None


def test_every_page_is_json_for_a_program(tmp_path: Path) -> None:
    """At the same address, but for the overview's, which is one further in."""

    async def play() -> set[str]:
        async with house(tmp_path) as gate:
            return {one.path for one in admin.routes(gate.gateway) if "GET" in (one.methods or ())}

    told = {path.replace("/admin/overview", "/admin").replace(":path", "") for path in asyncio.run(play())}
    pages = {page.path.replace(":path", "") for page in PAGES if isinstance(page, Page)}
    assert {stop.path for stop in RAIL} <= pages
    assert pages <= told


def test_commands_that_empty_pages_offer_work(tmp_path: Path) -> None:
    """Copied as it stands, and run beside a gateway nobody has used, each does what it says."""
    pages = (files("dragoman.server") / "web" / "dashboard").iterdir()
    text = "".join(page.read_text("utf-8") for page in pages).replace('" ~ kind ~ "', "team")
    offered = sorted(set(re.findall(r'"dragoman ([a-z][^"]*)"', text)))
    assert {command.split()[0] for command in offered} >= {"keys", "teams", "budget", "prices"}
    environ = {**os.environ, "DRAGOMAN_DATA": str(tmp_path / "data"), "DRAGOMAN_LOCAL_ENABLED": "false"}
    for command in offered:
        line = [sys.executable, "-m", "dragoman", *shlex.split(command)]
        done = subprocess.run(line, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
