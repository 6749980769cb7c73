"""The counters of several workers: added up, kept after a death, begun anew with the gateway."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.msgpack import encode

from dragoman.sinks.pool import FOLDED, MANY, Family, Kept, Pool, summed


class Team:
    """Workers of one folder, and who of them is dead."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gone: set[str] = set()

    def worker(self, name: str) -> Pool:
        """Return a worker's view."""
        return Pool(self.folder, name, dead=self.dead)

    def dead(self, names: Iterable[str]) -> list[str]:
        """Return those of `names` that are gone."""
        return [name for name in names if name in self.gone]

    @property
    def files(self) -> set[str]:
        """Return whose files there are."""
        return {path.stem for path in self.folder.glob("*.counts")}


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """Return a team whose folder is not there yet."""
    return Team(tmp_path / "metrics")


def metrics(count: float, gauge: float = 0.0, model: str = "m") -> list[Family]:
    """Return what a worker may tell."""
    return [
        Family("asked", "How often.", "counter", ("model",), (), {(model,): [count]}),
        Family("took", "How long.", "histogram", (), (1.0,), {(): [count, 1.0, count / 2]}),
        Family("flying", "Now.", "gauge", (), (), {(): [gauge]}),
    ]


def told(pool: Pool) -> dict[str, list[float]]:
    """Return the values a scraper is told, by name and labels."""
    return {
        f"{family.name}{''.join(labels)}": values
        for family in pool.read()
        for labels, values in family.series.items()
    }


def test_the_sum_is_of_all_that_live(team: Team) -> None:
    """Counters, buckets and gauges are added series by series."""
    one, other = team.worker("a"), team.worker("b")
    one.write(metrics(3, gauge=1), 1)
    other.write(metrics(4, gauge=2), 1)
    for pool in (one, other):
        assert told(pool) == {"askedm": [7], "took": [7, 2, 3.5], "flying": [3]}
    other.write(metrics(1, model="n"), 2)
    assert told(one) == {"askedm": [3], "askedn": [1], "took": [4, 2, 2], "flying": [1]}


def test_the_dead_keep_their_counters_and_lose_their_gauges(team: Team) -> None:
    """What happened has happened; what was under way is not any more."""
    one, other = team.worker("a"), team.worker("b")
    one.write(metrics(3, gauge=1), 1)
    other.write(metrics(4, gauge=2), 1)
    team.gone.add("b")
    assert told(one)["askedm"] == [7]
    assert told(one)["flying"] == [1]
    again = team.worker("c")
    again.write(metrics(1), 1)
    assert told(again)["askedm"] == [8]


def test_a_start_with_nobody_alive_begins_from_nothing(team: Team) -> None:
    """What an earlier run of the gateway had counted is gone, folded or not."""
    team.worker("a").write(metrics(3), 1)
    (team.folder / f"{FOLDED}.counts").write_bytes(encode(Kept(metrics(5))))
    team.gone.add("a")
    pool = team.worker("b")
    pool.write(metrics(1), 1)
    assert team.files == {"b"}
    assert told(pool)["askedm"] == [1]


def test_files_of_many_dead_become_one(team: Team) -> None:
    """The sum stays what it was while it happens, and after it."""
    one = team.worker("a")
    one.write(metrics(1), 1)
    for number in range(3 * MANY):
        team.worker(f"d{number}").write(metrics(1), 1)
        team.gone.add(f"d{number}")
        assert told(one)["askedm"] == [2 + number]
        assert len(team.files) <= MANY + 2
    assert FOLDED in team.files


def test_a_crash_while_folding_counts_nothing_twice(team: Team) -> None:
    """A file that was folded and is still there is known by name, and removed."""
    one = team.worker("a")
    one.write(metrics(1), 1)
    for number in range(MANY + 1):
        team.worker(f"d{number}").write(metrics(1), 1)
        team.gone.add(f"d{number}")
    left = (team.folder / "d0.counts").read_bytes()
    assert told(one)["askedm"] == [MANY + 2]
    (team.folder / "d0.counts").write_bytes(left)
    assert told(one)["askedm"] == [MANY + 2]
    assert team.files == {"a", FOLDED}


def test_an_older_gathering_never_replaces_a_newer(team: Team) -> None:
    """Two scrapes at once write in any order."""
    pool = team.worker("a")
    pool.write(metrics(5), 2)
    pool.write(metrics(4), 1)
    assert told(pool)["askedm"] == [5]


def test_a_worker_in_its_first_moments_is_no_reason_to_begin_anew(team: Team) -> None:
    """A second start beside a living worker leaves what is there."""
    team.worker("old").write(metrics(2), 1)
    team.worker("a").write(metrics(1), 1)
    team.gone.add("old")
    pool = team.worker("b")
    pool.write(metrics(1), 1)
    assert told(pool)["askedm"] == [4]


def test_what_cannot_be_read_is_not_there(team: Team) -> None:
    """A file of another version costs its numbers and not the page, and so does a metric of another shape."""
    pool = team.worker("a")
    pool.write(metrics(1), 1)
    (team.folder / "b.counts").write_bytes(b"# HELP")
    changed = Family("asked", "How often.", "counter", ("model", "key"), (), {("m", "k"): [9]})
    team.worker("c").write([changed, *metrics(5)[1:]], 1)
    found = told(pool)
    assert found["took"] == [6, 2, 3]
    assert [name for name in found if name.startswith("asked")] in (["askedm"], ["askedmk"])


def test_summing_changes_nothing_it_was_given() -> None:
    """What was given may be told again; and nothing is the sum of nothing."""
    assert summed([]) == []
    one, other = metrics(3), metrics(4)
    assert summed([*one, *other])[0].series == {("m",): [7]}
    assert (one, other) == (metrics(3), metrics(4))
