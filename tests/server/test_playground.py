"""The playground's page and files over the wire; what they do in a browser is in tests/pages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.house import House, ask, get, house

from dragoman.server.assets import Assets
from dragoman.server.playground import Playground, wants_page

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
BUDGET = 100_000
"""Bytes on the wire until everything the page is made of has arrived."""


def at_home(folder: Path, play: Callable[[House], Awaitable[None]]) -> None:
    """Play before a gateway with keys: the page needs none."""

    async def run() -> None:
        async with house(folder, API_KEYS="right") as gate:
            await play(gate)

    asyncio.run(run())


def test_only_browsers_want_the_page() -> None:
    """Who names HTML among what it reads wants the page; who reads anything, or not that, does not."""
    for accept in (BROWSER["accept"], "text/html", "TEXT/HTML;q=0.1", "image/png, text/html;level=1"):
        assert wants_page({"accept": accept})
    for accept in ("*/*", "application/json", "", "text/html;q=0", "text/plain, application/text/html"):
        assert not wants_page({"accept": accept})
    assert not wants_page({})


def test_the_front_has_two_faces(tmp_path: Path) -> None:
    """A browser gets the page, anybody else Ollama's words, and caches are told that it depends."""

    async def play(gate: House) -> None:
        page = await ask(gate.port, get("/", BROWSER))
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.body.startswith(b"<!doctype html>")
        assert "accept" in page.headers["vary"]
        plain = await ask(gate.port, get("/", {"accept": "*/*"}))
        assert (plain.status, plain.body) == (200, b"Ollama is running")
        assert plain.headers["vary"] == "accept"

    at_home(tmp_path, play)


def test_the_page_keeps_its_own_policy() -> None:
    """No script, style or handler stands in the page, and nothing is loaded from elsewhere."""
    page = Playground(Assets()).page.body.decode()
    assert re.search(r"<script(?![^>]*\ssrc=)", page) is None
    assert re.search(r"<style|\sstyle=|\son\w+=|javascript:", page) is None
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []


def test_everything_that_is_named_is_there() -> None:
    """Files the page names, modules that modules import, icons and ids that scripts ask for: all exist."""
    assets = Assets()
    page = Playground(assets).page.body.decode()
    names = set(re.findall(rf'"assets/{assets.version}/([\w.]+)', page))
    assert names
    assert names <= assets.files.keys()
    assert "assets/" not in page.replace(f"assets/{assets.version}/", "")
    ids = set(re.findall(r'id="([\w-]+)"', page))
    icons = set(re.findall(r'symbol id="([\w-]+)"', assets.files["icons.svg"].body.decode()))
    assert set(re.findall(r"icons\.svg#([\w-]+)", page)) <= icons
    for name in made_of(assets):
        text = assets.files[name].body.decode()
        assert set(re.findall(r'\$\("([\w-]+)"\)', text)) <= ids, name
        assert set(re.findall(r'icon\("([\w-]+)"\)', text)) <= icons, name


def made_of(assets: Assets) -> set[str]:
    """Return the names of all files the page loads: those it names, and what these import."""
    page = Playground(assets).page.body.decode()
    found: set[str] = set()
    waiting = set(re.findall(r'"assets/\w+/([\w.]+)', page))
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(re.findall(r'from "\./([\w.]+)"', assets.files[name].body.decode())) - found
    return found


def test_the_first_paint_is_light() -> None:
    """All of it stays under the budget as it is sent, packed; what paints first does even unpacked."""
    assets = Assets()
    page = Playground(assets).page
    assert len(page.packed) + sum(len(assets.files[name].packed) for name in made_of(assets)) < BUDGET
    paints = [assets.files[name] for name in ("style.css", "theme.js", "icons.svg", "mark.svg")]
    assert len(page.body) + sum(len(file.body) for file in paints) < BUDGET
