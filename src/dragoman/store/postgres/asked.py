"""What exchanges have cost by the names of what they asked, in PostgreSQL: what budgets of models count.

Reports tell which model answered. A budget of a model counts what asked for it, by any of its names: the one
the client used, the model's own, and ``provider/model``; an exchange that fell back counts for each model it
asked. Triggers (migration 0010) append what each change of the ledger adds to a name; posting adds that to
the sums of an hour. Whoever reads adds up both in one statement, so an answer is exact, posted or not.
"""

from __future__ import annotations

from collections.abc import Collection

from dragoman.store.budgets import LONGEST_SUBJECT
from dragoman.store.cover import HOUR
from dragoman.store.postgres.database import Connection

# The order is that of the index, and the same for everybody.
_POST = f"""
    with gone as (
        delete from asked_entry where id in (select id from asked_entry order by id limit $1)
        returning name, at / {HOUR} * {HOUR} as at, cost_micros
    )
    insert into asked as kept
    select name, at, bounded(sum(cost_micros)) from gone group by 1, 2 order by 1, 2
    on conflict (name, at) do update set cost_micros = bounded(kept.cost_micros + excluded.cost_micros)
"""  # noqa: S608  numbers of our own
_SPENT = """
    with wanted as (select unnest($1::text[]) as wanted)
    select wanted, sum(cost_micros) from (
        select wanted, cost_micros from wanted join asked on name = wanted and at >= $3::bigint
        union all
        select wanted, cost_micros from wanted join asked_entry on name = wanted and at >= $3::bigint
        union all
        select wanted, bounded(cost_micros) from exchange cross join wanted
        where opened_at >= $2::bigint and opened_at < $3::bigint and state <> 'reserved' and cost_micros <> 0
            and wanted in (select asked_names(id, model))
    ) as part group by wanted having sum(cost_micros) <> 0
"""


async def spent_on(connection: Connection, names: Collection[str], since: int) -> dict[str, int]:
    """Return what exchanges that began from `since` on and have ended have cost, by what they asked.

    Args:
        connection: Any.
        names: Of models.
        since: Unix seconds.

    Returns:
        Micro-dollars of each name that was asked and cost anything.
    """
    cut = {name[:LONGEST_SUBJECT]: name for name in names}
    found = await connection.fetch(_SPENT, list(cut), since, -(-since // HOUR) * HOUR)
    return {cut[name]: int(cost) for name, cost in found}


async def post(connection: Connection, most: int) -> None:
    """Add so many entries to the sums, and delete them, in the connection's transaction."""
    await connection.execute(_POST, most)
