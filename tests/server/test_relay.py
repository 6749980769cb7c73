"""What passes through, end to end, before an upstream of raw sockets: bytes, heads, streams, leaving."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, chunks, house
from tests.providers.wire import Server, Wire

OURS = "sk-the-gateways-own"
FORM = "multipart/form-data; boundary=------xX"


@asynccontextmanager
async def before(
    folder: Path,
    script: Callable[[Wire], Awaitable[object]],
    *,
    dialect: str = "openai_chat",
    **settings: str,
) -> AsyncIterator[tuple[House, Server]]:
    """Run a gateway whose one provider, `acme`, is a script on a raw socket."""
    server = Server(script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    row = {
        "dialect": dialect,
        "base_url": f"http://127.0.0.1:{server.port}/v1",
        "key": OURS,
        "auth": {"scheme": "header", "header": "x-api-key"} if dialect == "anthropic" else {},
    }
    try:
        async with house(folder, DRAGOMAN_PROVIDERS=json.dumps({"acme": row}), **settings) as gate:
            yield gate, server
    finally:
        server.abort()
        listening.close()


def request(
    method: str, path: str, body: bytes = b"", given: Mapping[str, str] | None = None, **headers: str
) -> bytes:
    """Return the bytes of a request; underscores in header names are dashes. It is sent as an SDK would."""
    lines = {"host": "127.0.0.1", "authorization": "Bearer client-secret", "content-length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in (given or {}).items()}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def said(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return the bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def play(script: Any) -> None:
    """Run a test's coroutine; one that waits for what never comes fails."""
    asyncio.run(asyncio.wait_for(script, 30))


def answering(data: bytes) -> Callable[[Wire], Awaitable[object]]:
    """Return a script that answers every request of a connection alike."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.answer(data)

    return script


def parts(raw: bytes) -> tuple[str, dict[str, str], bytes]:
    """Return the first line, the headers and the body of a request that an upstream saw."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/audio/transcriptions", FORM),
        ("/v1/files", FORM),
        ("/openai/v1/audio/transcriptions", FORM),
        ("/relay/acme/v1/anything", "application/octet-stream"),
        ("/relay/acme/anything", "application/json"),
    ],
)
def test_bytes_are_identical_both_ways(tmp_path: Path, path: str, kind: str) -> None:
    """A megabyte and a half of noise there, another back, and the content-type with its boundary."""

    async def script() -> None:
        dice = random.Random(7)
        file, back = dice.randbytes(1_500_000), dice.randbytes(1_500_000)
        field = b'\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        body = b"--------xX" + field + file + b"\r\n--------xX--\r\n" if kind == FORM else file
        heads = "content-type: audio/mpeg", 'content-disposition: attachment; filename="x"'
        async with before(tmp_path, answering(said("200 OK", back, *heads))) as (gate, server):
            got = await ask(gate.port, request("POST", path, body, content_type=kind))
            first, headers, seen = parts(server.requests[0])
            assert seen == body
            assert headers["content-type"] == kind
            below = (
                path.removeprefix("/relay/acme").removeprefix("/openai").removeprefix("/v1").removeprefix("/")
            )
            assert first == f"POST /v1/{below} HTTP/1.1"
            assert got.body == back
            assert (got.status, got.headers["content-type"]) == (200, "audio/mpeg")
            assert got.headers["content-disposition"] == 'attachment; filename="x"'
            [row] = await gate.rows(1)
            assert (row.task, row.state, row.status, row.provider) == ("relay", "settled", 200, "acme")
            assert row.meters.cost_micros is None

    play(script())


def test_nobody_sees_anothers_headers(tmp_path: Path) -> None:
    """The provider gets our key and none of the client's; the client none of the provider's cookies."""

    async def script() -> None:
        heads = ("set-cookie: s=1", "location: https://e.example", "x-ratelimit-limit-requests: 9", "etag: e")
        async with before(tmp_path, answering(said("200 OK", b"{}", *heads))) as (gate, server):
            given = {
                "x_api_key": "client-secret",
                "cookie": "c=client-secret",
                "x_forwarded_for": "10.1.1.1",
                "x_dragoman_provider": "acme",
                "x_stainless_os": "Linux",
                "accept_encoding": "gzip",
                "openai_beta": "assistants=v2",
                "content_type": "application/json",
            }
            got = await ask(gate.port, request("GET", "/v1/files?key=client-secret&limit=2", given=given))
            first, headers, _ = parts(server.requests[0])
            assert first == "GET /v1/files?limit=2 HTTP/1.1"
            assert headers["authorization"] == f"Bearer {OURS}"
            assert headers["accept-encoding"] == "identity"
            assert headers["openai-beta"] == "assistants=v2"
            assert headers["host"] == f"127.0.0.1:{server.port}"
            assert b"client-secret" not in server.requests[0]
            assert not {"cookie", "x-forwarded-for", "x-dragoman-provider", "x-stainless-os"} & headers.keys()
            assert not {"set-cookie", "location"} & got.headers.keys()
            assert (got.headers["etag"], got.headers["x-ratelimit-limit-requests"]) == ("e", "9")
            assert got.headers["x-dragoman-provider"] == "acme"
            assert got.headers["x-content-type-options"] == "nosniff"
            assert OURS not in str(got.headers)

    play(script())


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [b"", b'{"a": 1}'])
def test_every_method_passes_with_its_body(tmp_path: Path, method: str, body: bytes) -> None:
    """A GET or DELETE with a body too: what it means is between the two."""

    async def script() -> None:
        async with before(tmp_path, answering(said("201 Created", b"done"))) as (gate, server):
            got = await ask(
                gate.port, request(method, "/relay/acme/x", body, content_type="application/json")
            )
            assert (got.status, got.body) == (201, b"done")
            first, _, seen = parts(server.requests[0])
            assert (first, seen) == (f"{method} /v1/x HTTP/1.1", body)
            [row] = await gate.rows(1)
            assert row.status == 201

    play(script())


@pytest.mark.parametrize(
    ("method", "reply", "status", "length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 12345\r\netag: e\r\n\r\n", 200, "12345"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        ("GET", b'HTTP/1.1 304 Not Modified\r\netag: "e"\r\n\r\n', 304, None),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 12345\r\n\r\n", 304, None),
    ],
)
def test_an_answer_without_a_body_has_none(
    tmp_path: Path, method: str, reply: bytes, status: int, length: str | None
) -> None:
    """HEAD tells the length of what is not sent; 204 and 304 have nothing; the connection goes on."""

    async def script() -> None:
        async with before(tmp_path, answering(reply)) as (gate, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            for _ in range(2):
                writer.write(request(method, "/relay/acme/files/f"))
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                assert head.startswith(f"HTTP/1.1 {status}")
                assert (f"content-length: {length}" in head) == (length is not None)
            writer.close()
            assert [row.state for row in await gate.rows(2)] == ["settled"] * 2

    play(script())


def test_each_read_goes_on_before_the_provider_is_done(tmp_path: Path) -> None:
    """The provider sends its next piece only when the client has the one before."""

    async def script() -> None:
        async def pieces(wire: Wire) -> None:
            await wire.request()
            await wire.send(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            for number in range(3):
                await wire.send(b"6\r\npiece%d\r\n" % number)
                await wire.server.idle.wait()
                wire.server.idle.clear()
            usage = b'data: {"model": "m-1", "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\n\n'
            await wire.send(b"2\r\n\n\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(usage), usage))

        async with before(tmp_path, pieces) as (gate, server):
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(
                request(
                    "POST", "/v1/completions", b'{"model":"m","stream":true}', content_type="application/json"
                )
            )
            await reader.readuntil(b"\r\n\r\n")
            for number in range(3):
                assert await reader.readuntil(b"piece%d\r\n" % number)
                server.idle.set()
            rest = b"".join([piece async for piece in chunks(reader)])
            assert rest.endswith(b'"completion_tokens": 2}}\n\n')
            writer.close()
            [row] = await gate.rows(1)
            assert (row.stream, row.model, row.answered_model) == (True, "m", "m-1")
            assert (row.meters.input, row.meters.output) == (7, 2)

    play(script())


def test_a_client_that_leaves_closes_the_provider(tmp_path: Path) -> None:
    """At once, before its head or within its body; the row says cancelled."""

    async def script() -> None:
        async def silent(wire: Wire) -> None:
            raw = await wire.request()
            if b"/begun" in raw:
                await wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nsome")
            await wire.gone()

        async with before(tmp_path, silent) as (gate, server):
            for path, expect in (("/relay/acme/begun", b"some"), ("/relay/acme/quiet", b"")):
                server.left.clear()
                server.asked.clear()
                reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
                writer.write(request("POST", path, b"x"))
                await server.asked.wait()
                if expect:
                    await reader.readuntil(expect)
                writer.transport.abort()
                await server.left.wait()
            rows = await gate.rows(2)
            assert [(row.state, row.status) for row in rows] == [("cancelled", 499)] * 2
            assert [row.meters.cost_micros for row in rows] == [None, None]

    play(script())


def test_an_answer_that_breaks_off_never_looks_whole(tmp_path: Path) -> None:
    """What came is delivered, the connection ends without the body's end, and the row says failed."""

    async def script() -> None:
        async def broken(wire: Wire) -> None:
            raw = await wire.request()
            framing = b"content-length: 1000" if b"/counted" in raw else b"transfer-encoding: chunked"
            await wire.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n4\r\nsome\r\n")

        async with before(tmp_path, broken) as (gate, _):
            for path in ("/relay/acme/counted", "/relay/acme/chunked"):
                reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
                writer.write(request("GET", path))
                seen = await reader.read()
                assert b"some" in seen
                assert not seen.endswith(b"0\r\n\r\n")
                writer.close()
            rows = await gate.rows(2)
            assert [(row.state, row.failure) for row in rows] == [("failed", "truncated")] * 2

    play(script())


def test_the_row_is_durable_before_the_provider_is_asked(tmp_path: Path) -> None:
    """Another process can read it, reserved, by the time the first byte arrives upstream."""
    seen: list[tuple[Any, ...]] = []

    async def script() -> None:
        async def looking(wire: Wire) -> None:
            await wire.request()
            with closing(sqlite3.connect(tmp_path / "data" / "dragoman.db")) as database:
                seen.extend(database.execute("SELECT task, state FROM exchange").fetchall())
                seen.extend(database.execute("SELECT provider, model, state FROM attempt").fetchall())
            await wire.send(said("200 OK"))

        async with before(tmp_path, looking) as (gate, _):
            body = b'{"model": "acme/omni", "input": "x"}'
            await ask(gate.port, request("POST", "/v1/moderations", body, content_type="application/json"))
            await gate.rows(1)

    play(script())
    assert seen == [("relay", "reserved"), ("acme", "omni", "reserved")]


def test_a_model_finds_its_target_and_only_its_name_changes(tmp_path: Path) -> None:
    """In JSON and in a form: the provider reads its own name, and every other byte as it was sent."""

    async def script() -> None:
        async with before(tmp_path, answering(said("200 OK", b"{}"))) as (gate, server):
            body = b'{ "input":[1.0,2],\t"model" : "acme/omni" ,"nested":{"model":"acme/omni"}}'
            await ask(gate.port, request("POST", "/v1/moderations", body, content_type="application/json"))
            field = b'Content-Disposition: form-data; name="model"\r\n\r\nacme/w'
            form = b"--------xX\r\n" + field + b"\r\n--------xX--\r\n"
            await ask(gate.port, request("POST", "/v1/audio/translations", form, content_type=FORM))
            assert parts(server.requests[0])[2] == body.replace(b'"acme/omni" ', b'"omni" ')
            assert parts(server.requests[1])[2] == form.replace(b"acme/w", b"w")
            assert [row.model for row in await gate.rows(2)] == ["acme/omni", "acme/w"]

    play(script())


def test_usage_and_cost_are_booked(tmp_path: Path) -> None:
    """50 x $2 + 10 x $8 a million is 180 micro-dollars; a batch that tells its usage costs nobody twice."""
    (tmp_path / "dragoman.toml").write_text(
        '[[models.painter.offers]]\nprovider = "acme"\nname = "painter"\n'
        'price = { input = "2", output = "8" }\n'
    )

    async def script() -> None:
        told = said(
            "200 OK", b'{"usage":{"input_tokens":50,"output_tokens":10}}', "content-type: application/json"
        )
        async with before(tmp_path, answering(told)) as (gate, _):
            asked = {"content_type": "application/json"}
            await ask(
                gate.port, request("POST", "/v1/images/generations", b'{"model":"painter"}', given=asked)
            )
            await ask(
                gate.port, request("POST", "/v1/images/generations", b'{"model":"acme/brush"}', given=asked)
            )
            await ask(
                gate.port,
                request("POST", "/relay/acme/v1/chat/completions", b'{"model":"painter"}', given=asked),
            )
            await ask(gate.port, request("GET", "/v1/batches/b"))
            await ask(gate.port, request("POST", "/relay/acme/batches/b/cancel"))
            rows = await gate.rows(5)
            assert [row.meters.cost_micros for row in rows] == [180, None, 180, None, None]
            assert [row.meters.input for row in rows] == [50, 50, 50, 0, 0]
            assert not any(row.meters.estimated for row in rows)

    play(script())


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("429 Too Many Requests", ("failed", 429, "rate_limited")),
        ("404 Not Found", ("failed", 404, "not_found")),
        ("422 Unprocessable", ("failed", 422, "invalid")),
        ("503 Unavailable", ("failed", 503, "overloaded")),
        ("500 Oops", ("failed", 500, "upstream")),
    ],
)
def test_a_providers_refusal_is_told_as_it_said_it(
    tmp_path: Path, status: str, told: tuple[str, int, str]
) -> None:
    """Status, body and when to come back; a refusal in words costs nothing; nothing is tried twice."""

    async def script() -> None:
        body = b'{"error": {"message": "no",  "odd": 1}}'
        async with before(tmp_path, answering(said(status, body, "retry-after: 7"))) as (gate, server):
            got = await ask(gate.port, request("POST", "/relay/acme/x", b"y"))
            assert (got.status, got.body) == (int(status[:3]), body)
            assert got.headers["retry-after"] == "7"
            [row] = await gate.rows(1)
            assert (row.state, row.status, row.failure) == told
            assert row.meters.cost_micros == 0
            assert len(server.requests) == row.attempts == 1

    play(script())


@pytest.mark.parametrize("status", ["401 No", "403 No", "402 No", "302 Found"])
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
def test_a_complaint_about_our_credential_is_not_the_clients(
    tmp_path: Path, dialect: str, status: str
) -> None:
    """A 502 in the path's own dialect that does not quote the provider, for redirects as well."""

    async def script() -> None:
        body = b'{"error": {"message": "Incorrect API key provided: sk-the-gateways-own"}}'
        reply = said(status, body, "location: https://elsewhere.example", "content-type: application/json")
        async with before(tmp_path, answering(reply), dialect=dialect) as (gate, _):
            path = "/v1/messages/batches" if dialect == "anthropic" else "/v1/batches"
            got = await ask(gate.port, request("GET", path))
            assert got.status == 502
            assert OURS.encode() not in got.body
            assert ("type" in got.json) == (dialect == "anthropic")
            assert "location" not in got.headers
            [row] = await gate.rows(1)
            assert (row.state, row.status, row.failure) == ("failed", 502, "upstream")

    play(script())


PATHS = [
    "/relay/acme/../x",
    "/relay/acme/%2e%2e/x",
    "/relay/acme/%252e%252e/x",
    "/relay/acme/a%2f..%2f..%2fx",
    "/relay/acme//evil.example/",
    "/relay/acme/http://evil.example/",
    "/relay/acme/a%5cb",
    "/relay/acme/a%0ab",
    "/relay/ac%6de/x",
    "/v1/files/../../x",
    "/%6fpenai/v1/files",
    "/v1/files/%2e%2e/x",
    "/v1/files//x",
]


def test_no_path_climbs_out(tmp_path: Path) -> None:
    """Each is a 400 before anybody is asked, and books no attempt."""

    async def script() -> None:
        async with before(tmp_path, answering(said("200 OK"))) as (gate, server):
            for path in PATHS:
                got = await ask(gate.port, request("GET", path))
                assert got.status == 400, path
            assert server.requests == []
            assert {row.attempts for row in await gate.rows(len(PATHS))} == {0}

    play(script())


SHARED = [
    "/v1/files",
    "/v1/batches/b",
    "/v1/vector_stores",
    "/v1/messages/batches",
    "/v2/datasets",
    "/relay/acme/x",
]


def test_what_all_keys_share_is_refused_until_granted(tmp_path: Path) -> None:
    """A key asks models; what others keep it reaches once that is configured; a stranger reaches nothing."""

    async def script() -> None:
        keys = {
            "DRAGOMAN_KEYS": json.dumps({"alice": "alice-key", "bob": "bob-key"}),
            "DRAGOMAN_RELAY_KEYS": "bob, carol",
        }
        async with before(tmp_path, answering(said("200 OK", b"{}")), **keys) as (gate, server):
            alice, bob = {"authorization": "Bearer alice-key"}, {"authorization": "Bearer bob-key"}
            for path in SHARED:
                got = await ask(gate.port, request("GET", path, given=alice))
                assert got.status == 403, path
                message = got.json["message"] if path.startswith("/v2/") else got.json["error"]["message"]
                assert 'keys = ["alice"] under [relay]' in message
            assert server.requests == []
            open_to_all = request(
                "POST", "/v1/moderations", b"{}", content_type="application/json", given=alice
            )
            assert (await ask(gate.port, open_to_all)).status == 200
            assert (await ask(gate.port, request("GET", "/v1/files", given=bob))).status == 200
            for nobody in ({"authorization": "Bearer wrong"}, {"authorization": ""}):
                assert (await ask(gate.port, request("GET", "/v1/files", given=nobody))).status == 401
                assert (await ask(gate.port, request("GET", "/relay/nobody/x", given=nobody))).status == 401
            rows = await gate.rows(len(SHARED) + 2)
            assert {row.key for row in rows} == {"alice", "bob"}

    play(script())


def test_relaying_can_be_switched_off(tmp_path: Path) -> None:
    """Then nothing is served there."""

    async def script() -> None:
        async with before(tmp_path, answering(said("200 OK")), DRAGOMAN_RELAY_ENABLED="false") as (gate, _):
            for path in ("/v1/files", "/relay/acme/x"):
                assert (await ask(gate.port, request("GET", path))).status == 404

    play(script())


def test_who_is_not_there_is_told_who_is(tmp_path: Path) -> None:
    """An unknown provider, one that wants a key, and a path nobody speaks."""

    async def script() -> None:
        async with before(tmp_path, answering(said("200 OK"))) as (gate, server):

            async def refused(path: str, **headers: str) -> Answer:
                got = await ask(gate.port, request("GET", path, given=headers))
                assert got.status == 404
                return got

            assert "ready are acme" in (await refused("/relay/unknown/x")).json["error"]["message"]
            assert "OPENAI_API_KEY" in (await refused("/relay/openai/x")).json["error"]["message"]
            assert (
                "ready are acme"
                in (await refused("/v1/files", x_dragoman_provider="x")).json["error"]["message"]
            )
            assert "speaks gemini" in (await refused("/v1beta/files")).json["error"]["message"]
            assert server.requests == []

    play(script())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("OPTIONS", "/relay/acme/x", 404), ("GET", "/v1/messages", 405), ("GET", "/v2/chat", 405)],
)
def test_what_is_not_relayed(tmp_path: Path, method: str, path: str, status: int) -> None:
    """A browser's question whether it may, and a path of ours asked in the wrong way."""

    async def script() -> None:
        async with before(tmp_path, answering(said("200 OK"))) as (gate, server):
            assert (await ask(gate.port, request(method, path))).status == status
            assert server.requests == []

    play(script())


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [({"content_encoding": "gzip"}, b"x", 400), ({"content_length": "99999"}, b"", 413)],
)
def test_bodies_are_bounded_like_everywhere(
    tmp_path: Path, headers: dict[str, str], body: bytes, status: int
) -> None:
    """Too large by declaration, or compressed: refused before anybody is asked."""

    async def script() -> None:
        async with before(tmp_path, answering(said("200 OK")), DRAGOMAN_SERVER_MAX_BODY="10000") as (
            gate,
            server,
        ):
            assert (
                await ask(gate.port, request("POST", "/relay/acme/x", body, given=headers))
            ).status == status
            assert server.requests == []

    play(script())


def test_a_web_page_cannot_send_files_to_a_gateway_without_keys(tmp_path: Path) -> None:
    """A form is what a page may post unasked; an SDK sends a key even where none is needed."""

    async def script() -> None:
        async with before(tmp_path, answering(said("200 OK"))) as (gate, server):
            form = request("POST", "/v1/files", b"--------xX--", content_type=FORM)
            assert (await ask(gate.port, form)).status == 200
            assert (
                await ask(gate.port, form.replace(b"authorization: Bearer client-secret\r\n", b""))
            ).status == 403
            assert len(server.requests) == 1

    play(script())


@pytest.mark.parametrize("status", ["400 Bad", "404 No", "429 Slow", "500 Oops"])
def test_no_refusal_quotes_our_key(tmp_path: Path, status: str) -> None:
    """Whatever its status: neither the client nor the ledger is told."""

    async def script() -> None:
        body = b'{"error": {"message": "bad key: ' + OURS.encode() + b'"}}'
        async with before(tmp_path, answering(said(status, body))) as (gate, _):
            got = await ask(gate.port, request("GET", "/relay/acme/x"))
            assert got.status == 502
            assert OURS.encode() not in got.body
            [row] = await gate.rows(1)
            [attempt] = await gate.attempts(row)
            assert OURS not in f"{row.message} {attempt.message}"

    play(script())


@pytest.mark.parametrize("status", ["600 Odd", "999 No"])
def test_a_status_that_does_not_exist_is_the_providers_fault(tmp_path: Path, status: str) -> None:
    """The server that tells statuses knows none such; it is a 502, and nothing of ours breaks."""

    async def script() -> None:
        async with before(tmp_path, answering(said(status, b"x"))) as (gate, _):
            got = await ask(gate.port, request("GET", "/relay/acme/x"))
            assert got.status == 502
            [row] = await gate.rows(1)
            assert (row.state, row.failure) == ("failed", "upstream")

    play(script())
