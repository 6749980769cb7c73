"""What each spent: equal to the rows', one by one, whoever it is and whichever month has begun."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from tests.accounts.rows import DAY, NOW, book, by_chance, exchange, meant, play, sums, value

from dragoman.accounts.spending import DAYS, Day, Spent, of_month, spending
from dragoman.store import Meters
from dragoman.store.reports import Part, Sums
from dragoman.store.requests import Whose
from dragoman.store.sqlite import SqliteStore

TODAY = int(NOW) // DAY * DAY
MONTH = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("who", get_args(Whose))
def test_every_sum_is_the_rows_own(tmp_path: Path, who: Whose) -> None:
    """Of each name: the month since its first, and 30 days without gaps, the last of them running."""
    rows = by_chance(Random(4), 300)

    async def scene(db: SqliteStore) -> None:
        await book(db, rows)
        names = {value(row, who) for row in rows} - {""}
        found = await spending(db.reports, who, now=NOW, among=names)
        assert found.since == MONTH
        assert set(found.names) <= names
        month = await of_month(db.reports, who, now=NOW)
        assert month == {name: one.month for name, one in found.names.items() if one.month.requests}
        for name in names:
            own = [row for row in rows if value(row, who) == name]
            spent = found.of(name)
            assert spent.month == sums(meant(own, Part(MONTH)))
            assert [day.at for day in spent.days] == [
                TODAY - place * DAY for place in range(DAYS - 1, -1, -1)
            ]
            for day in spent.days:
                assert day.sums == sums(meant(own, Part(day.at, day.at + DAY)))
            assert spent.total == sums(meant(own, Part(TODAY - (DAYS - 1) * DAY)))
            alone = await spending(db.reports, who, now=NOW, among=(name,))
            assert alone.names == ({name: spent} if name in found.names else {})

    play(tmp_path, scene)


def test_who_asked_nothing(tmp_path: Path) -> None:
    """Somebody nobody knows has days all the same, of nothing, and a month that began before them counts."""
    end_of_month = datetime(2026, 12, 31, 12, tzinfo=UTC).timestamp()
    first = datetime(2026, 12, 1, 1, tzinfo=UTC).timestamp()

    async def scene(db: SqliteStore) -> None:
        await book(db, [exchange("early", first, meters=Meters(cost_micros=9))])
        found = await spending(db.reports, "key", now=end_of_month, among=("one", "nobody"))
        assert found.of("one").month.cost_micros == 9
        assert found.of("one").total == Sums()
        nobody = found.of("nobody")
        assert (nobody.month, nobody.last, len(nobody.days)) == (Sums(), None, DAYS)

    play(tmp_path, scene)


def test_what_nobody_knows_is_not_zero() -> None:
    """A day of requests of unknown cost is a gap, one without requests is nothing; the last is found."""
    days = (Day(0), Day(DAY, Sums(requests=2, unknown_cost=2)), Day(2 * DAY))
    spent = Spent(Sums(), days)
    assert spent.course == [0, None, 0]
    assert spent.last == DAY
