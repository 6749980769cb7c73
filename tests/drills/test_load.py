"""Many at once, and many that leave: every byte right, nothing left behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
from tests.house import House, ask, chat, house, message, post

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

STREAMS = 200
LEAVERS = 1000
AT_ONCE = 100


async def holding(gate: House) -> Counter[str]:
    """Return what this process holds open, once everything that stays open has been opened."""
    while await gate.gateway.store.reports.post():
        pass
    return holdings(gate)


def holdings(gate: House) -> Counter[str]:
    """Return what this process holds open beside idle pooled connections, of which both ends are here."""
    pooled = gate.gateway.services.transport.open_connections
    descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return Counter(descriptors=descriptors - 2 * pooled, tasks=len(asyncio.all_tasks()))


async def settled(gate: House, before: Counter[str]) -> None:
    """Wait until nothing more is held than `before`."""
    while holdings(gate) - before:
        await asyncio.sleep(0.01)


def test_200_concurrent_streams_are_all_right(tmp_path: Path) -> None:
    """Each client reads exactly the text that the simulator says to that prompt, in both dialects."""

    async def play() -> None:
        plot = read({"default": {"echo": True, "chunk_size": 3}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            await ask(gate.port, post("/v1/chat/completions", chat(stream=True)))
            await gate.rows(1)
            before = await holding(gate)

            async def one(number: int) -> None:
                said = f"stream {number} says é😀\u2028 {'abc ' * (number % 50)}end"
                target = ("sim-openai_chat/m", "sim-anthropic/m")[number % 2]
                if number % 4 < 2:
                    got = await ask(gate.port, post("/v1/chat/completions", chat(said, target, stream=True)))
                    deltas = [msgspec.json.decode(frame) for frame in got.frames[:-1]]
                    heard = "".join(
                        d["choices"][0]["delta"].get("content") or "" for d in deltas if d["choices"]
                    )
                    assert got.frames[-1] == "[DONE]"
                else:
                    got = await ask(gate.port, post("/v1/messages", message(said, target, stream=True)))
                    events = [msgspec.json.decode(frame) for frame in got.frames]
                    heard = "".join(
                        e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta"
                    )
                    assert events[-1]["type"] == "message_stop"
                assert heard == said

            await asyncio.gather(*map(one, range(STREAMS)))
            rows = await gate.rows(STREAMS + 1)
            assert Counter(row.state for row in rows) == {"settled": STREAMS + 1}
            assert all(entry.outcome == "completed" for entry in sim.journal.entries)
            await settled(gate, before)

    asyncio.run(asyncio.wait_for(play(), 120))


def test_1000_disconnects_leave_nothing(tmp_path: Path) -> None:
    """The simulator sees each one cancelled; no socket, task or descriptor stays; every row says so."""

    async def play() -> None:
        plot = read({"default": {"tokens": 1_000_000, "tokens_per_s": 200}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            before = await holding(gate)
            gate_limit = asyncio.Semaphore(AT_ONCE)

            async def leave(number: int) -> None:
                path, body = (
                    ("/v1/chat/completions", chat(stream=True))
                    if number % 2
                    else ("/v1/messages", message(stream=True, max_tokens=1_000_000))
                )
                async with gate_limit:
                    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
                    writer.write(post(path, body))
                    await reader.readuntil(b"delta")
                    writer.transport.abort()

            await asyncio.gather(*map(leave, range(LEAVERS)))
            rows = await gate.rows(LEAVERS)
            assert Counter(row.state for row in rows) == {"cancelled": LEAVERS}
            await sim.journal.until(lambda journal: journal.open == 0)
            assert {entry.outcome for entry in sim.journal.entries} == {"cancelled"}
            assert len(sim.journal.entries) == LEAVERS
            await settled(gate, before)
            assert gate.gateway.services.transport.open_connections == 0

    asyncio.run(asyncio.wait_for(play(), 120))
