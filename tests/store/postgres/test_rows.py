"""Rows as columns: every field has one, and comes back as it was."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.servers import PostgresServer
from tests.store.postgres import scene
from tests.store.postgres.scene import play

from dragoman.store import Meters
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.rows import ATTEMPT, EXCHANGE, attempt, exchange, values

text = st.text(max_size=20).filter(lambda word: "\x00" not in word)
count = st.integers(0, 2**53)
number = st.none() | st.floats(0, 1e12)
meters = st.builds(
    Meters,
    **dict.fromkeys(Meters.__struct_fields__[:-2], count),
    estimated=st.booleans(),
    cost_micros=st.none() | count,
)
exchanges = st.builds(
    scene.exchange,
    **dict.fromkeys(("name", "request_id", "owner", "key", "model"), text),
    **dict.fromkeys(("provider", "answered_model", "failure", "message", "stop"), st.none() | text),
    **dict.fromkeys(("settled_at", "first_event_ms", "latency_ms"), number),
    stream=st.booleans(),
    opened_at=st.floats(0, 1e12),
    state=st.sampled_from(("settled", "cancelled", "failed", "interrupted")),
    status=st.none() | st.integers(100, 599),
    attempts=st.integers(0, 9),
    losses=st.lists(text, max_size=3).map(tuple),
    meters=meters,
)


def test_every_field_has_its_column(server: PostgresServer, ready: str) -> None:
    """The tables hold the rows' fields, what an exchange's claim is and its place; nothing else."""
    for table, columns in (("exchange", (*EXCHANGE, "held_micros", "shares", "place")), ("attempt", ATTEMPT)):
        found = server.say(
            "select column_name from information_schema.columns "
            f"where table_schema = 'dragoman' and table_name = '{table}'",
            ready.rpartition("/")[2],
        )
        assert sorted(found.split()) == sorted(columns)


@settings(max_examples=200)
@given(row=exchanges, tried=meters)
def test_columns_are_the_row(row: object, tried: Meters) -> None:
    """A row's values read as the row, without any database in between."""
    attempted = scene.attempt("x", state="settled", meters=tried)
    assert attempt(values(attempted)) == attempted
    assert isinstance(row, type(scene.exchange()))
    assert exchange(values(row)) == row


def test_the_database_keeps_every_digit(ready: str) -> None:
    """A time to the last bit, a count to the last token, in the order of their times."""
    rows = [
        scene.exchange(
            str(place), opened_at=1e9 + place / 3, state="failed", meters=Meters(input=2**53 - place)
        )
        for place in range(20)
    ]

    async def written(store: PostgresStore) -> None:
        for row in rows:
            await store.settle(row, [scene.attempt(row.id, state="failed", first_event_ms=1 / 3)])
        assert await store.exchanges() == rows[::-1]
        tried = await store.attempts("7")
        assert tried == [replace(scene.attempt("7"), state="failed", first_event_ms=1 / 3)]

    play(ready, written)
