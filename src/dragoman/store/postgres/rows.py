"""The ledger's rows as columns, and back; and the statements that write many of them at once.

The state machine is in the SQL: an upsert inserts what was never opened and touches an opened row only
``where state = 'reserved'``, so nothing that happened is ever rewritten, whoever asks and how often.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from dragoman.store.ledger import AttemptRow, ExchangeRow, Meters
from dragoman.store.postgres.database import Connection, plain

METERS = Meters.__struct_fields__
EXCHANGE = (*ExchangeRow.__struct_fields__[:-1], *METERS)
ATTEMPT = (*AttemptRow.__struct_fields__[:-1], *METERS)
"""Columns in the order of the rows' fields, which end in `meters`."""

FIXED = frozenset(
    {
        *("id", "request_id", "owner", "key", "dialect", "task", "model", "stream", "opened_at"),
        *("team", "user", "route"),
    }
)
"""What an exchange is from its opening on; settling leaves it alone."""

FIXED_ATTEMPT = frozenset({"exchange_id", "number", "provider", "model", "opened_at"})

_TYPES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("stream", "cached", "fallback", "estimated"), "boolean")
    | dict.fromkeys(("opened_at", "settled_at", "first_event_ms", "latency_ms"), "double precision")
    | dict.fromkeys(
        ("attempts", "status", "chunks", "number", "cost_micros", "held_micros", "saved_micros"), "bigint"
    )
    | dict.fromkeys(METERS[:-2], "bigint")
    | {"shares": "jsonb"}
)
"""Types of the columns that are no text."""


def names(columns: Sequence[str]) -> str:
    """Return columns as SQL lists them."""
    return ", ".join('"user"' if column == "user" else column for column in columns)


def _insert(table: str, columns: Sequence[str]) -> str:
    """Return an insert of many rows, given column by column."""
    arrays = ", ".join(f"${n}::{_TYPES.get(column, 'text')}[]" for n, column in enumerate(columns, 1))
    return f"insert into {table} ({names(columns)}) select * from unnest({arrays})"  # noqa: S608  names of our own


def _upsert(table: str, key: str, columns: Sequence[str], fixed: Collection[str]) -> str:
    """Return an insert that, of rows which are there, settles what is still reserved."""
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in fixed)
    settle = f"on conflict ({key}) do update set {changes} where {table}.state = 'reserved'"
    return f"{_insert(table, columns)} {settle}"


OPEN_EXCHANGES = _insert("exchange", (*EXCHANGE, "held_micros", "shares"))
OPEN_ATTEMPTS = _insert("attempt", ATTEMPT)
SETTLE_EXCHANGES = _upsert("exchange", "id", EXCHANGE, FIXED)
SETTLE_ATTEMPTS = _upsert("attempt", "exchange_id, number", ATTEMPT, FIXED_ATTEMPT)


async def insert(connection: Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    """Run one of the statements above, which take rows column by column."""
    if rows:
        await connection.execute(statement, *(list(column) for column in zip(*rows, strict=True)))


def values(row: ExchangeRow | AttemptRow) -> tuple[object, ...]:
    """Return a row's column values."""
    *fields, meters = msgspec.structs.astuple(row)
    return (*map(_bound, fields), *msgspec.structs.astuple(meters))


def exchange(row: Sequence[Any]) -> ExchangeRow:
    """Return a row of the columns :data:`EXCHANGE`."""
    fields, meters = _split(EXCHANGE, row)
    fields["losses"] = tuple(msgspec.json.decode(fields["losses"]))
    fields["course"] = tuple(map(tuple, msgspec.json.decode(fields["course"])))
    return ExchangeRow(**fields, meters=meters)


def attempt(row: Sequence[Any]) -> AttemptRow:
    """Return a row of the columns :data:`ATTEMPT`."""
    fields, meters = _split(ATTEMPT, row)
    return AttemptRow(**fields, meters=meters)


def _bound(value: object) -> object:
    if isinstance(value, tuple):
        return msgspec.json.encode([plain(member) for member in value]).decode()
    return plain(value)


def _split(columns: Sequence[str], row: Sequence[Any]) -> tuple[dict[str, Any], Meters]:
    """Return a row's own fields by name, and its meters."""
    border = len(columns) - len(METERS)
    found = tuple(row)
    meters = Meters(**dict(zip(METERS, found[border:], strict=True)))
    return dict(zip(columns[:border], found[:border], strict=True)), meters
