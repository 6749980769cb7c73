"""What exchanges have cost by the names of what they asked, in SQLite: what budgets of models count.

Reports tell which model answered. A budget of a model counts what asked for it, by any of its names: the one
the client used, the model's own, and ``provider/model``; an exchange that fell back counts for each model it
asked. Triggers (migration 0012) append what each change of the ledger adds to a name; posting adds that to
the sums of an hour. Whoever reads adds up both, so an answer is exact in any transaction, posted or not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

import msgspec

from dragoman.store.budgets import LONGEST_SUBJECT
from dragoman.store.cover import HOUR
from dragoman.store.reports import MOST

_LAST = "select max(number) from (select number from asked_entry order by number limit ?)"
_POST = f"""
    insert into asked
    select name, at / {HOUR} * {HOUR}, max(min(sum(cost_micros), {MOST}), -{MOST})
    from asked_entry where number <= ? group by 1, 2
    on conflict do update set cost_micros = max(min(cost_micros + excluded.cost_micros, {MOST}), -{MOST})
"""  # noqa: S608  numbers of our own
_POSTED = "delete from asked_entry where number <= ?"
_BEGUN = "opened_at >= :since and opened_at < :whole and state <> 'reserved' and cost_micros <> 0"
_SPENT = f"""
    with wanted as materialized (select value as wanted from json_each(:names))
    select wanted, sum(cost_micros) from (
        select wanted, cost_micros from wanted cross join asked on name = wanted and at >= :whole
        union all
        select wanted, cost_micros from asked_entry cross join wanted on name = wanted where at >= :whole
        union all
        select wanted, min(cost_micros, {MOST}) from exchange cross join wanted
        where {_BEGUN} and (substr(model, 1, {LONGEST_SUBJECT}) = wanted or exists (
            select 1 from attempt where exchange_id = id and wanted in (
                substr(attempt.model, 1, {LONGEST_SUBJECT}),
                substr(attempt.provider || '/' || attempt.model, 1, {LONGEST_SUBJECT}))))
    ) group by wanted having sum(cost_micros) <> 0
"""  # noqa: S608  as above


def spent_on(connection: sqlite3.Connection, names: Collection[str], since: int) -> dict[str, int]:
    """Return what exchanges that began from `since` on and have ended have cost, by what they asked.

    Args:
        connection: Any; within its transaction the answer is exact.
        names: Of models.
        since: Unix seconds.

    Returns:
        Micro-dollars of each name that was asked and cost anything.
    """
    cut = {name[:LONGEST_SUBJECT]: name for name in names}
    values = {
        "names": msgspec.json.encode(list(cut)).decode(),
        "since": since,
        "whole": -(-since // HOUR) * HOUR,
    }
    return {cut[name]: cost for name, cost in connection.execute(_SPENT, values)}


def last_waiting(connection: sqlite3.Connection, most: int) -> int:
    """Return the number of the last of so many entries that wait longest; 0: none waits."""
    return int(connection.execute(_LAST, (most,)).fetchone()[0] or 0)


def post(connection: sqlite3.Connection, last: int) -> None:
    """Add entries up to a number to the sums, and delete them. Runs in a write transaction."""
    connection.execute(_POST, (last,))
    connection.execute(_POSTED, (last,))
