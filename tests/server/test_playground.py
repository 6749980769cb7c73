"""The playground's page and files over the wire; what they do in a browser is in tests/pages."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.house import Answer, House, ask, get, house

from dragoman.server.playground import KEPT, Pages, wants_page

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


def strict(answer: Answer) -> bool:
    """Say whether an answer carries the headers every file of ours has."""
    policy = answer.headers["content-security-policy"]
    return (
        "default-src 'self'" in policy
        and "frame-ancestors 'none'" in policy
        and "unsafe" not in policy
        and answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["referrer-policy"] == "no-referrer"
    )


def test_every_file_is_served_in_its_type(tmp_path: Path) -> None:
    """Each file comes under its version for good and without one to be asked again, with a strict policy."""
    pages = Pages()

    async def play(gate: House) -> None:
        for name, file in pages.assets.items():
            kept = await ask(gate.port, get(f"/assets/{pages.version}/{name}"))
            assert (kept.status, kept.body, kept.headers["cache-control"]) == (200, file.body, KEPT)
            assert kept.headers["content-type"] == file.kind
            assert strict(kept)
            for path in (f"/assets/{name}", f"/assets/older/{name}"):
                again = await ask(gate.port, get(path))
                assert (again.body, again.headers["cache-control"]) == (file.body, "no-cache")
            known = await ask(gate.port, get(f"/assets/{name}", {"if-none-match": again.headers["etag"]}))
            assert (known.status, known.body) == (304, b"")
            weak = {"if-none-match": f'"other", W/{again.headers["etag"]}'}
            assert (await ask(gate.port, get(f"/assets/{name}", weak))).status == 304
        assert strict(await ask(gate.port, get("/", BROWSER)))

    at_home(tmp_path, play)


@pytest.mark.parametrize(
    "name", ["nothing.js", "%2e%2e%2fplayground.html", "..%2fplayground.py", "a%00.js", "x"]
)
def test_nothing_else_is_served(tmp_path: Path, name: str) -> None:
    """What is not one of the files is not found, however it is spelt."""

    async def play(gate: House) -> None:
        for path in (f"/assets/{name}", f"/assets/{Pages().version}/{name}"):
            got = await ask(gate.port, get(path))
            assert got.status == 404
            assert set(got.json) >= {"error"}

    at_home(tmp_path, play)


def test_files_are_packed_for_who_can_unpack(tmp_path: Path) -> None:
    """A packed file is the file, under a tag of its own."""

    async def play(gate: House) -> None:
        plain = await ask(gate.port, get("/assets/style.css"))
        packed = await ask(gate.port, get("/assets/style.css", {"accept-encoding": "br, gzip"}))
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["etag"] != plain.headers["etag"]
        assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"

    at_home(tmp_path, play)


def test_the_page_keeps_its_own_policy() -> None:
    """No script, style or handler stands in the page, and nothing is loaded from elsewhere."""
    page = Pages().page.body.decode()
    assert re.search(r"<script(?![^>]*\ssrc=)", page) is None
    assert re.search(r"<style|\sstyle=|\son\w+=|javascript:", page) is None
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []


def test_everything_that_is_named_is_there() -> None:
    """Files the page names, modules that modules import, icons and ids that scripts ask for: all exist."""
    pages = Pages()
    page = pages.page.body.decode()
    names = set(re.findall(rf'"assets/{pages.version}/([\w.]+)', page))
    assert names
    assert names <= pages.assets.keys()
    assert "assets/" not in page.replace(f"assets/{pages.version}/", "")
    ids = set(re.findall(r'id="([\w-]+)"', page))
    icons = set(re.findall(r'symbol id="([\w-]+)"', pages.assets["icons.svg"].body.decode()))
    assert set(re.findall(r"icons\.svg#([\w-]+)", page)) <= icons
    for name, file in pages.assets.items():
        text = file.body.decode()
        assert {f"{found}" for found in re.findall(r'from "\./([\w.]+)"', text)} <= pages.assets.keys(), name
        assert set(re.findall(r'\$\("([\w-]+)"\)', text)) <= ids, name
        assert set(re.findall(r'icon\("([\w-]+)"\)', text)) <= icons, name


def test_nothing_is_parsed_as_markup() -> None:
    """No script has a way to turn text into elements or into code."""
    ways = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc")
    guilty = {name for name, file in Pages().assets.items() if ways.search(file.body.decode())}
    assert guilty == set()


def test_the_first_paint_is_light() -> None:
    """All of it stays under the budget as it is sent, packed; what paints first does even unpacked."""
    pages = Pages()
    assert len(pages.page.packed) + sum(len(file.packed) for file in pages.assets.values()) < BUDGET
    paints = [
        pages.page,
        *(pages.assets[name] for name in ("style.css", "theme.js", "icons.svg", "mark.svg")),
    ]
    assert sum(len(file.body) for file in paints) < BUDGET


def test_a_version_is_its_files() -> None:
    """Two gateways of one build tell the same version; it is a digest of every file."""
    first, second = Pages(), Pages()
    assert first.version == second.version
    assert re.fullmatch(r"[0-9a-f]{16}", first.version)
    assert f"assets/{first.version}/playground.js" in first.page.body.decode()
