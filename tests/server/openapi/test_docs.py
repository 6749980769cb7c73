"""The page at /docs and the document it shows: served from here, under a strict policy, cached by content."""

from __future__ import annotations

import asyncio
import json
import re
from hashlib import sha256
from pathlib import Path

from tests.house import Answer, House, ask, get, house
from tests.server.openapi.scene import gate

from dragoman.server.openapi import docs
from dragoman.server.openapi.docs import FILES, HEADERS

WEB = Path(docs.__file__).parents[1] / "web"


def fetched(folder: Path, *paths: str, **headers: str) -> list[Answer]:
    """Return what a gateway with keys answers to a stranger."""

    async def play() -> list[Answer]:
        async with house(folder, API_KEYS="k") as running:
            return [await ask(running.port, get(path, headers)) for path in paths]

    return asyncio.run(play())


def test_the_page_and_its_files_are_served_to_everybody(tmp_path: Path) -> None:
    """No key is asked for; each has its type, and none may be sniffed, framed or loaded from elsewhere."""
    front, *files = fetched(tmp_path, "/docs", *(f"/docs/{name}" for name in FILES))
    assert front.headers["content-type"] == "text/html; charset=utf-8"
    for (name, (folder, kind)), got in zip(FILES.items(), files, strict=True):
        assert got.status == 200
        assert got.body == (WEB / folder / name).read_bytes()
        assert got.headers["content-type"].startswith(kind)
    for got in (front, *files):
        assert {name: got.headers.get(name) for name in HEADERS} == HEADERS


def test_no_script_stands_in_the_page_and_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    """What the policy forbids is not there to be forbidden."""
    [front] = fetched(tmp_path, "/docs")
    text = front.body.decode()
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    assert re.findall(r" on\w+=|<style| style=|//", text) == []
    named = re.findall(r'(?:src|href)="docs/([^"]+)"', text)
    assert {*named} <= FILES.keys()
    assert named
    policy = dict(part.split(" ", 1) for part in HEADERS["content-security-policy"].split("; "))
    assert policy["script-src"] == "'self'"
    assert policy["default-src"] == "'none'"
    assert "http" not in HEADERS["content-security-policy"]


def test_what_is_vendored_is_what_it_says(tmp_path: Path) -> None:
    """Swagger UI is unmodified, and its licence goes with it."""
    folder = WEB / "swagger"
    said = re.findall(r"^sha256 (\w+) (\S+)$", (folder / "VERSION.txt").read_text(), re.MULTILINE)
    assert {name for _, name in said} == {"swagger-ui.css", "swagger-ui-bundle.js"}
    for digest, name in said:
        assert sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert (folder / "swagger-ui-bundle.js.LICENSE.txt").is_file()


def test_who_has_it_already_is_not_sent_it_again(tmp_path: Path) -> None:
    """An entity tag names the content."""
    for path in ("/docs", "/docs/swagger-ui-bundle.js", "/openapi.json"):
        [first] = fetched(tmp_path, path)
        [again] = fetched(tmp_path, path, **{"if-none-match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        [weak] = fetched(tmp_path, path, **{"if-none-match": f'"other", W/{first.headers["etag"]}'})
        assert (weak.status, weak.body) == (304, b"")
        [other] = fetched(tmp_path, path, **{"if-none-match": '"other"'})
        assert other.status == 200


def test_an_unknown_file_is_refused_in_words(tmp_path: Path) -> None:
    """Only the files of the page are there; a path that leaves the folder is not one."""
    for got in fetched(tmp_path, "/docs/nope.js", "/docs/VERSION.txt", "/docs/..%2f..%2fapp.py"):
        assert got.status == 404
        assert got.json["error"]["message"]


def test_the_examples_ask_a_model_that_is_ready(tmp_path: Path) -> None:
    """The embedded model where it is there; else the default of a provider that is; else the embedded one."""

    async def model(running: House) -> str:
        got = (await ask(running.port, get("/openapi.json"))).json
        body = got["paths"]["/v1/messages"]["post"]["requestBody"]["content"]["application/json"]
        found: str = body["examples"]["A question"]["value"]["model"]
        return found

    async def play() -> None:
        async with gate(tmp_path) as running:
            assert await model(running) == "smollm2-135m"
        (tmp_path / "dragoman.toml").unlink()
        async with house(tmp_path, GROQ_API_KEY="x") as running:
            assert await model(running) == "llama-3.1-8b-instant"
        async with house(tmp_path) as running:
            assert await model(running) == "smollm2-135m"

    asyncio.run(play())


def test_the_document_follows_a_reload(tmp_path: Path) -> None:
    """It is made once, and made anew when what it depends on has changed."""

    async def play() -> None:
        (tmp_path / "dragoman.toml").write_text("[relay]\nenabled = true\n")
        async with house(tmp_path) as running:
            before = await ask(running.port, get("/openapi.json"))
            assert (await ask(running.port, get("/openapi.json"))).body == before.body
            assert "/v1/files" in before.json["paths"]
            (tmp_path / "dragoman.toml").write_text("[relay]\nenabled = false\n")
            assert running.gateway.reload()
            after = await ask(running.port, get("/openapi.json"))
            assert "/v1/files" not in after.json["paths"]
            assert json.loads(after.body)["openapi"] == "3.1.0"

    asyncio.run(play())
