"""``dragoman doctor``: what is there, what is not, and what to do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.servers import redis_server
from tests.store.conftest import server, url

from dragoman.cli import main
from dragoman.cli.configured import configured
from dragoman.cli.doctor import Finding, look
from dragoman.store.postgres import PostgresStore
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite import SqliteStore

__all__ = ("server", "url")  # fixtures

OFF = {"DRAGOMAN_LOCAL_ENABLED": "false", "DRAGOMAN_SERVER_PORT": "0"}
KEY = "sk-0123456789abcdef"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@asynccontextmanager
async def provider(status: str, body: str = "") -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve one answer to everything; yield the address and what was asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", asked


def found(findings: list[Finding], subject: str) -> Finding:
    """Return the one finding about `subject`."""
    (one,) = [finding for finding in findings if finding.subject == subject]
    return one


def asked(status: str, body: str = "", name: str = "openai") -> tuple[Finding, list[bytes]]:
    """Return what is found about a provider that answers so, and what it was asked."""

    async def play() -> tuple[Finding, list[bytes]]:
        async with provider(status, body) as (url, requests):
            environ = {**OFF, f"{name.upper()}_BASE_URL": url, f"{name.upper()}_API_KEY": KEY}
            return found(await look(configured(environ), ask=True), name), requests

    return asyncio.run(play())


def test_a_provider_that_answers() -> None:
    """It is asked one question, with its key, and the key is not shown."""
    finding, requests = asked("200 OK", '{"data": [{}, {}]}')
    assert finding.mark == "ok"
    assert finding.text.endswith("key ...cdef: answers, 2 models")
    assert KEY not in finding.text
    (request,) = requests
    assert request.startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert b"Bearer " + KEY.encode() in request


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("anthropic", b"/v1/models"),
        ("gemini", b"/v1/v1beta/models"),
        ("cohere", b"/v1/models"),
        ("ollama", b"/api/tags"),
    ],
)
def test_a_provider_is_asked_where_it_lists_its_models(name: str, path: bytes) -> None:
    """Each protocol has a place of its own, and a service is asked once, whatever protocols it speaks."""
    finding, [request] = asked("200 OK", '{"models": [{}]}', name)
    assert finding.text.endswith("answers, 1 models")
    assert request.startswith(b"GET " + path + b" HTTP/1.1")


@pytest.mark.parametrize(
    ("status", "mark", "text"),
    [
        ("401 Unauthorized", "no", "refuses the key (401)"),
        ("503 Service Unavailable", "--", "an error of its own (503)"),
        ("404 Not Found", "ok", "answers"),
    ],
)
def test_a_provider_that_answers_otherwise(status: str, mark: str, text: str) -> None:
    """A refused key is in the way; an error of its own may pass; a list it does not have is no fault."""
    finding, _ = asked(status)
    assert finding.mark == mark
    assert finding.text.endswith(text)


def test_a_provider_that_is_not_there() -> None:
    """An address nobody listens at is in the way, and the next step is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    config = configured({**OFF, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY})
    finding = found(asyncio.run(look(config, ask=True)), "openai")
    assert finding.mark == "no"
    assert finding.fix


def test_nothing_is_asked_offline() -> None:
    """``--offline`` asks nobody."""
    config = configured({**OFF, "OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": KEY})
    assert [one for one in asyncio.run(look(config, ask=False)) if one.subject == "openai"] == []


def test_nobody_can_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any provider that is what is in the way; nothing is made by looking."""
    assert main(["doctor"], OFF) == 1
    shown = capsys.readouterr().out
    assert "nobody: no provider is ready; run `make setup`" in shown
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port() -> None:
    """Who has the port may be a gateway that runs already: worth knowing, not in the way."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = configured({**OFF, "PORT": str(taken.getsockname()[1]), "DRAGOMAN_SERVER_PORT": ""})
        assert found(asyncio.run(look(config, ask=False)), "address").mark == "--"


def test_the_database(tmp_path: Path) -> None:
    """An existing one is opened and checked; a damaged one is in the way."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "dragoman.db"

    async def make() -> None:
        await SqliteStore.open(path).close()

    asyncio.run(make())
    config = configured(OFF)
    assert found(asyncio.run(look(config, ask=False)), "database").text.endswith("sound")
    path.write_bytes(b"this is no database" * 1000)
    finding = found(asyncio.run(look(config, ask=False)), "database")
    assert finding.mark == "no"
    assert "dragoman.db" in finding.text


def test_a_data_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file in its place is in the way."""
    (tmp_path / "data").write_text("")
    finding = found(asyncio.run(look(configured(OFF), ask=False)), "data")
    assert finding.mark == "no"
    assert "DRAGOMAN_DATA" in finding.fix


def test_keys_are_shown_by_name() -> None:
    """A key is told apart by its name and its end."""
    config = configured({**OFF, "API_KEYS": KEY})
    assert found(asyncio.run(look(config, ask=False)), "keys").text == "key-1 (...cdef)"


def test_a_shared_database_is_looked_at_and_left_as_it_is(url: str) -> None:
    """PostgreSQL is asked, and not the data folder; what is missing there is made by a gateway."""
    config = configured({**OFF, "DRAGOMAN_STORE_URL": url, "DRAGOMAN_PEPPER": "p" * 40})
    for _ in range(2):
        finding = found(asyncio.run(look(config, ask=False)), "database")
        assert (finding.mark, "tables are made" in finding.text) == ("ok", True)
    asyncio.run(_opened(config.store))
    assert found(asyncio.run(look(config, ask=False)), "database").text == "PostgreSQL answers"


async def _opened(spec: StoreSpec) -> None:
    await (await PostgresStore.open(spec)).close()


def test_servers_that_are_not_there() -> None:
    """Without its database a gateway does not start, without Redis it does; no password is shown."""
    urls = {"STORE": "postgresql://u:canary@127.0.0.1:1/x", "REDIS": "redis://:canary@127.0.0.1:1"}
    environ = {f"DRAGOMAN_{name}_URL": url for name, url in urls.items()}
    findings = asyncio.run(look(configured({**OFF, **environ, "DRAGOMAN_PEPPER": "p" * 40}), ask=False))
    assert [found(findings, subject).mark for subject in ("database", "redis")] == ["no", "--"]
    assert "canary" not in str(findings)


def test_redis_that_answers(tmp_path: Path) -> None:
    """It is asked once whether it is there."""
    with redis_server(tmp_path) as redis:
        config = configured({**OFF, "DRAGOMAN_REDIS_URL": redis.url})
        assert found(asyncio.run(look(config, ask=False)), "redis").text == "answers"
