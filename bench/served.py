"""A gateway that serves a generated ledger, from SQLite or PostgreSQL, and somebody who asks it for pages.

    with ledger("sqlite", folder, rows) as kept, gateway(kept) as gate:
        measure(gate.port, [Ask("overview", "/admin/overview", bearer(gate.admin))], 40)

The gateway is a process of its own, on a core of its own, as an operator would run it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from drills.servers import Postgres
from load import Result, load
from year import KEYS, book

from dragoman.store.opening import FILE
from dragoman.store.postgres.database import connect
from dragoman.store.spec import StoreSpec

GATEWAY_CORE, OTHER_CORE = 1, 0
PATIENCE_S = 60.0

Kind = Literal["sqlite", "postgres"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgres")

SUMS = """
    select count(*), sum(input + cache_read + cache_write + cache_write_long + audio_input),
        sum(output + reasoning + audio_output), sum(cost_micros), count(*) - count(cost_micros),
        count(case when state in ('failed', 'interrupted') then 1 end)
    from exchange where state <> 'reserved' and task <> 'count'
"""
"""What the rows of either store add up to."""


class Ledger(NamedTuple):
    """A generated ledger.

    Attributes:
        kind: Where it is.
        folder: The gateway's data folder.
        url: PostgreSQL's; "": it is a file of the folder.
        since: When its first exchange began, in Unix seconds.
        until: When its last one did.
        size: Bytes it takes.
        sums: What its rows add up to: exchanges, tokens in and out, micro-dollars, of unknown cost, failed.
    """

    kind: Kind
    folder: Path
    url: str
    since: float
    until: float
    size: int
    sums: tuple[int, ...]


class Gate(NamedTuple):
    """A gateway that serves: its process, its port, the admin's key."""

    pid: int
    port: int
    admin: str


class Ask(NamedTuple):
    """One page: what it is called in the table, its path, and the headers that let its reader in."""

    name: str
    path: str
    headers: str

    @property
    def request(self) -> bytes:
        """Its bytes."""
        return f"GET {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{self.headers}\r\n".encode()


@contextmanager
def ledger(kind: Kind, folder: Path | None, rows: int) -> Iterator[Ledger]:
    """Yield a ledger: the one that is in a folder, else a new one, which stays there if a folder is named."""
    with ExitStack() as stack:
        kept = folder or Path(stack.enter_context(TemporaryDirectory(prefix="dragoman-bench-")))
        kept.mkdir(parents=True, exist_ok=True)
        kept.chmod(0o755)  # PostgreSQL runs as somebody else
        url = stack.enter_context(_postgres(kept)) if kind == "postgres" else ""
        mark = kept / f"{kind}.booked"
        if not mark.exists():
            now = datetime.now(UTC).timestamp()  # noqa: TID251  a program of its own, not the gateway
            booked, posted = book(kept, rows, now, url)
            print(
                f"{kind}: {rows:,} exchanges booked in {booked:.0f} s, posted in {posted:.0f} s",
                file=sys.stderr,
            )
            mark.touch()
        yield asyncio.run(_seen(kind, kept, url))


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL whose database is in a folder; yield its url."""
    server = Postgres(folder)
    there = (folder / "postgres" / "data").exists()
    asyncio.run(server.start() if there else server.create())
    try:
        yield server.url
    finally:
        asyncio.run(server.close())


async def _seen(kind: Kind, folder: Path, url: str) -> Ledger:
    """Return what a ledger's rows add up to, and let the next gateway tell an admin key, told once."""
    ends = "select min(opened_at), max(opened_at) from exchange"
    forget = "delete from setting where name like 'admin_key.%'"
    if not url:
        with closing(sqlite3.connect(folder / FILE)) as file:
            since, until = file.execute(ends).fetchone()
            sums = file.execute(SUMS).fetchone()
            file.execute(forget)
            file.commit()
        return Ledger(kind, folder, url, since, until, (folder / FILE).stat().st_size, tuple(sums))
    connection = await connect(StoreSpec(url=url), patience_s=PATIENCE_S)
    try:
        since, until = await connection.first(ends)
        sums = await connection.first(SUMS)
        size = await connection.value("select pg_database_size(current_database())")
        async with connection.writing():
            await connection.execute(forget)
        await connection.execute("vacuum (analyze)")  # as autovacuum will have done
    finally:
        await connection.close(PATIENCE_S)
    return Ledger(kind, folder, url, since, until, size, tuple(int(value) for value in sums))


@contextmanager
def gateway(kept: Ledger, cores: Iterable[int] = (GATEWAY_CORE,), **more: str) -> Iterator[Gate]:
    """Serve a ledger on some cores; `more`: settings besides, by their environment's names."""
    child = subprocess.Popen(
        [sys.executable, "-m", "dragoman", "serve"],
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "DRAGOMAN_DATA": str(kept.folder),
            "DRAGOMAN_STORE_URL": kept.url,
            "DRAGOMAN_SERVER_PORT": "0",
            "DRAGOMAN_LOCAL_ENABLED": "false",
            "API_KEYS": ",".join([*(f"bench-key-{place}" for place in range(1, KEYS + 1)), "bench-key"]),
            **({"DRAGOMAN_PEPPER": "of benchmarks, the same in every run"} if kept.url else {}),
            **more,
        },
    )
    os.sched_setaffinity(child.pid, set(cores))
    try:
        assert child.stdout is not None
        said = ""
        for line in child.stdout:
            said += line
            if found := re.search(r"listens on http://[^ ]*:(\d+)", line):
                admin = re.search(r"only this once: (\S+)", said)
                assert admin is not None
                yield Gate(child.pid, int(found[1]), admin[1])
                break
        else:
            raise RuntimeError(f"the gateway ended before it was ready: {said}")
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def bearer(key: str) -> str:
    """Return the headers of a program that has a key."""
    return f"authorization: Bearer {key}\r\n"


def signed_in(gate: Gate) -> str:
    """Sign in to the dashboard with the admin's key; return the headers of a browser that has done so."""
    form = urlencode({"key": gate.admin})
    with closing(HTTPConnection("127.0.0.1", gate.port, timeout=30)) as asking:
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}
        asking.request("POST", "/admin/login", form, headers)
        answer = asking.getresponse()
        cookie = answer.headers.get("set-cookie", "").partition(";")[0]
    if answer.status != 303 or not cookie:
        raise RuntimeError(f"signing in was answered with {answer.status}")
    return f"cookie: {cookie}\r\naccept: text/html\r\n"


def measure(port: int, asks: Sequence[Ask], requests: int, must_hold: bytes = b"") -> dict[str, Result]:
    """Ask every page so many times, one after another, after once to find the caches as they mostly are."""
    found = {}
    for ask in asks:
        for times in (1, requests):
            found[ask.name] = asyncio.run(
                load(port, ask.request, clients=1, requests=times, must_hold=must_hold)
            )
    return found


def table(found: Mapping[str, Mapping[str, Result]]) -> str:
    """Return figures by store and page as a Markdown table: p50 and p95 of each."""
    kinds = list(found)
    head = " | ".join(f"{kind} p50 ms | p95 ms" for kind in kinds)
    lines = [f"| page | {head} |", f"|---|{'---:|---:|' * len(kinds)}"]
    for name in next(iter(found.values())):
        told = (found[kind][name] for kind in kinds)
        cells = " | ".join(f"{one.percentile(0.5):.1f} | {one.percentile(0.95):.1f}" for one in told)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def late(found: Mapping[str, Mapping[str, Result]], bound_ms: float, free: Iterable[str] = ()) -> list[str]:
    """Return the pages whose p95 is above a bound, but for those it does not hold for."""
    return [
        f"{kind}: {name}, {result.percentile(0.95):.0f} ms"
        for kind, pages in found.items()
        for name, result in pages.items()
        if name not in free and result.percentile(0.95) > bound_ms
    ]


def figures(found: Mapping[str, Mapping[str, Result]]) -> dict[str, Any]:
    """Return p50 and p95 by store and page, in milliseconds, to be kept."""
    return {
        kind: {name: [result.percentile(share) for share in (0.5, 0.95)] for name, result in pages.items()}
        for kind, pages in found.items()
    }
