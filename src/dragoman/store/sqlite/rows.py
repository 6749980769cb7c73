"""The ledger's rows as columns of SQLite, and back; and the statements that write them.

The state machine is in the SQL: an upsert inserts what was never opened and touches an opened row only
``where state = 'reserved'``, so nothing that happened is ever rewritten, whoever asks and how often.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from dragoman.store.ledger import AttemptRow, ExchangeRow, Meters
from dragoman.store.sqlite.commit import Statement, Values

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


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"insert into {table} ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"  # noqa: S608  names of our own, no values


def _upsert(table: str, key: str, columns: Sequence[str], fixed: Collection[str]) -> str:
    """Return an insert that, of a row which is there, settles what is still reserved."""
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in fixed)
    settle = f"on conflict ({key}) do update set {changes} where {table}.state = 'reserved'"
    return f"{_insert(table, columns)} {settle}"


OPEN_EXCHANGE = Statement(0, _insert("exchange", EXCHANGE))
OPEN_ATTEMPT = Statement(1, _insert("attempt", ATTEMPT))
SETTLE_EXCHANGE = Statement(2, _upsert("exchange", "id", EXCHANGE, FIXED))
SETTLE_ATTEMPT = Statement(3, _upsert("attempt", "exchange_id, number", ATTEMPT, FIXED_ATTEMPT))


def values_of(row: ExchangeRow | AttemptRow) -> Values:
    """Return a row's column values."""
    *fields, meters = msgspec.structs.astuple(row)
    return (*map(_bound, fields), *msgspec.structs.astuple(meters))


def _bound(value: object) -> object:
    """Return one field as SQLite takes it: no sequence, and no text that is not Unicode.

    A provider's header may hold bytes of any kind; a row must not be lost for them.
    """
    if isinstance(value, tuple):
        return msgspec.json.encode(_plain(value)).decode()
    return _plain(value)


def _plain(value: object) -> object:
    """Return a value without text that is not Unicode, however deep it is."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode()
    return value


def exchange_of(row: Sequence[Any]) -> ExchangeRow:
    """Return the exchange that columns in the order of :data:`EXCHANGE` are."""
    fields, meters = _split(EXCHANGE, row)
    fields |= {name: bool(fields[name]) for name in ("stream", "cached", "fallback")}
    fields["losses"] = tuple(msgspec.json.decode(fields["losses"]))
    fields["course"] = tuple(map(tuple, msgspec.json.decode(fields["course"])))
    return ExchangeRow(**fields, meters=meters)


def attempt_of(row: Sequence[Any]) -> AttemptRow:
    """Return the attempt that columns in the order of :data:`ATTEMPT` are."""
    fields, meters = _split(ATTEMPT, row)
    return AttemptRow(**fields, meters=meters)


def _split(columns: Sequence[str], row: Sequence[Any]) -> tuple[dict[str, Any], Meters]:
    """Return a row's own fields by name, and its meters."""
    border = len(columns) - len(METERS)
    meters = dict(zip(METERS, row[border:], strict=True))
    meters["estimated"] = bool(meters["estimated"])
    return dict(zip(columns[:border], row[:border], strict=True)), Meters(**meters)
