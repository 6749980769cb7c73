"""The files pages are made of: served in their type, kept by their version, packed, and nothing else is."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest
from tests.house import Answer, House, ask, get, house

from dragoman.server.assets import KEPT, Assets

VENDORED = ("htmx.min.js", "uplot.min.js", "uplot.min.css")
BROWSER = {"accept": "text/html"}


def at_home(folder: Path, play: Callable[[House], Awaitable[None]]) -> None:
    """Play before a gateway with keys: the page needs none."""

    async def run() -> None:
        async with house(folder, API_KEYS="right") as gate:
            await play(gate)

    asyncio.run(run())


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
    assets = Assets()

    async def play(gate: House) -> None:
        for name, file in assets.files.items():
            kept = await ask(gate.port, get(f"/assets/{assets.version}/{name}"))
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
        for path in (f"/assets/{name}", f"/assets/{Assets().version}/{name}"):
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


def test_nothing_is_parsed_as_markup() -> None:
    """No script of ours has a way to turn text into elements or into code."""
    ways = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc")
    ours = {name: file for name, file in Assets().files.items() if name not in VENDORED}
    guilty = {name for name, file in ours.items() if ways.search(file.body.decode())}
    assert guilty == set()


def test_a_version_is_its_files() -> None:
    """Two gateways of one build tell the same version; it is a digest of every file."""
    assert Assets().version == Assets().version
    assert re.fullmatch(r"[0-9a-f]{16}", Assets().version)


def test_what_is_others_is_as_they_published_it() -> None:
    """Each vendored file has the digest that is written down beside it, and its licence lies there."""
    folder = files("dragoman.server") / "web" / "vendor"
    told = (folder / "VERSION.txt").read_text("utf-8")
    known = dict(reversed(pair) for pair in re.findall(r"^sha256 ([0-9a-f]{64}) (\S+)$", told, re.MULTILINE))
    found = {one.name: one.read_bytes() for one in folder.iterdir() if one.name.endswith((".js", ".css"))}
    assert {name: sha256(body).hexdigest() for name, body in found.items()} == known
    assert {"LICENSE-htmx.txt", "LICENSE-uplot.txt"} <= {one.name for one in folder.iterdir()}


def test_modules_find_their_neighbours() -> None:
    """Whatever a script imports is one of the files."""
    assets = Assets()
    for name, file in assets.files.items():
        if name not in VENDORED:
            asked = set(re.findall(r'from "\./([\w.]+)"', file.body.decode()))
            assert asked <= assets.files.keys(), name
