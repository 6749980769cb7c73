"""The journal: exact totals, a ring of entries, masked credentials, waiting."""

from __future__ import annotations

import asyncio
from hashlib import sha256

from dragoman.core.usage import Usage
from dragoman.simulator.journal import Entry, Journal, Outcome, masked


def enter(journal: Journal, outcome: Outcome = "completed", tokens: int = 2) -> Entry:
    """Enter one request that ends at once."""
    entry = journal.begin(1.0, "POST", "/v1/messages")
    entry.dialect = "anthropic"
    entry.frames, entry.tokens = 3, tokens
    entry.usage = Usage(input=5, output=tokens)
    journal.end(entry, 2.0, outcome)
    return entry


def test_totals_are_exact_beyond_the_ring() -> None:
    """Entries are forgotten, what they amount to is not."""
    journal = Journal(keep=2)
    for _ in range(5):
        enter(journal)
    enter(journal, "cancelled")
    assert [entry.n for entry in journal.entries] == [5, 6]
    assert len(journal) == 6
    assert journal.summary() == {
        "requests": 6,
        "frames": 18,
        "tokens": 12,
        "outcomes": {"completed": 5, "cancelled": 1},
        "dialects": {"anthropic": 6},
        "usage": {"input": 30, "output": 12},
        "open": 0,
    }


def test_an_outcome_by_script_stands() -> None:
    """A client that leaves an answer left hanging does not make it cancelled."""
    journal = Journal()
    entry = journal.begin(0.0, "POST", "/")
    journal.hang(entry)
    assert journal.open == 1
    journal.end(entry, 1.0, "cancelled")
    assert (entry.outcome, journal.open) == ("hung", 0)


def test_clearing_begins_anew() -> None:
    """What was still open when the journal was cleared does not count afterwards."""
    journal = Journal()
    before = journal.begin(0.0, "POST", "/")
    journal.clear()
    assert enter(journal).n == 1
    journal.end(before, 3.0, "completed")
    assert journal.totals.outcomes == {"completed": 1}
    assert journal.open == 0


def test_credentials_are_never_shown() -> None:
    """A credential stands as the same digest wherever and however it came."""
    entry = Journal().begin(0.0, "POST", "/v1/messages")
    entry.keep(
        b"/v1/messages?key=sk-secret&beta=true",
        [(b"Authorization", b"Bearer sk-secret"), (b"X-Api-Key", b"sk-secret"), (b"User-Agent", b"test")],
        b'{"model":"m"}',
    )
    digest = f"sha256:{sha256(b'sk-secret').hexdigest()[:12]}"
    assert masked("sk-secret") == digest
    assert entry.headers == {"authorization": f"Bearer {digest}", "x-api-key": digest, "user-agent": "test"}
    assert entry.query == {"key": digest, "beta": "true"}
    assert "sk-secret" not in str(entry.record())


def test_a_body_is_shown_as_far_as_it_can_be_read() -> None:
    """JSON is decoded; anything else is text; nothing is nothing."""
    entry = Journal().begin(0.0, "POST", "/")
    bodies = []
    for body in (b'{"a":[1]}', b"not \xff json", b""):
        entry.keep(b"/", [], body)
        bodies.append(entry.body)
    assert bodies == [{"a": [1]}, "not \ufffd json", None]


def test_a_record_is_complete() -> None:
    """Every public field is in the record, usage as counters."""
    record = enter(Journal()).record()
    assert record["usage"] == {"input": 5, "output": 2}
    assert record.keys() == {name for name in Entry.__slots__ if not name.startswith("_")} | {
        "headers",
        "query",
        "body",
    }


def test_waiting_for_what_will_be() -> None:
    """A condition is tried as requests come and end, and those who wait do not disturb each other."""

    async def play() -> None:
        journal = Journal()
        async with asyncio.TaskGroup() as group:
            group.create_task(journal.until(lambda journal: journal.totals.outcomes["cancelled"] == 2))
            group.create_task(journal.until(lambda journal: len(journal) == 1))
            await asyncio.sleep(0)
            enter(journal, "cancelled")
            await asyncio.sleep(0)
            assert len(journal._waiting) == 1
            enter(journal, "cancelled")
        assert not journal._waiting

    asyncio.run(asyncio.wait_for(play(), 10))
