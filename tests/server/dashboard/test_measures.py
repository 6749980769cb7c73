"""Measures: the figures a chart draws are those of the report, and the rest is drawn as one."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.accounts.explored import Explored, Group, Point
from dragoman.accounts.reports import Asked, Span
from dragoman.server.dashboard.measures import DRAWN, MEASURES, REST, grown, plot, share
from dragoman.store.reports import Part, Spread, Sums

ASKED = Asked(Span("week", 0.0, 7200.0, ends=False), Part(0.0), by="key", interval="hour")


def group(name: str | None, *costs: int) -> Group:
    """Return a group that cost so much in each hour, with one request for each."""
    points = tuple(
        Point(3600 * place, Sums(requests=1, cost_micros=cost)) for place, cost in enumerate(costs)
    )
    return Group(name, sum((point.sums for point in points), Sums()), Spread(), points)


def told(count: int, others: int = 0) -> Explored:
    """Return a report of `count` groups, and of `others` as one."""
    groups = tuple(group(f"k{n}", 1000 * n, 2000 * n) for n in range(count, 0, -1))
    other = group(None, 7, 8) if others else None
    every = [*groups, *([other] if other else [])]
    total = group(None, *(sum(one.points[place].sums.cost_micros for one in every) for place in range(2)))
    return Explored(ASKED, 0.0, 7200.0, total, groups, other, others)


@pytest.mark.parametrize(("count", "others"), [(1, 0), (DRAWN, 0), (DRAWN, 5), (20, 0), (12, 80)])
def test_what_is_drawn_adds_up_to_the_total(count: int, others: int) -> None:
    """However many groups there are, the bars stand as high as the total, in dollars."""
    found = told(count, others)
    drawn = plot(found, MEASURES["cost"], str)
    stacks = [sum(stack) for stack in zip(*(one["values"] for one in drawn["series"]), strict=True)]
    assert stacks == pytest.approx([point.sums.cost_micros / 1e6 for point in found.total.points])
    assert len(drawn["series"]) <= DRAWN + 1
    rest = max(0, count - DRAWN) + others
    assert [one["name"] for one in drawn["series"] if one.get("shade") == REST] == (
        [f"{rest} others"] if rest else []
    )


def test_a_report_of_no_groups_is_one_series() -> None:
    """Without groups the total is drawn, under the measure's own name."""
    found = told(3)
    plain = Explored(msgspec.structs.replace(ASKED, by=None), 0.0, 7200.0, found.total)
    assert plot(plain, MEASURES["requests"], str)["series"] == [{"name": "Requests", "values": [1, 1]}]


def test_percentiles_are_lines_and_not_added() -> None:
    """What does not add up is no stack, and of groups that are not drawn there is no line."""
    drawn = plot(told(12), MEASURES["first_token"], str)
    assert drawn["kind"] == "line"
    assert len(drawn["series"]) == DRAWN
    assert set(drawn["series"][0]["values"]) == {None}


def test_shares_are_of_the_measure_or_of_requests() -> None:
    """A share is of what is looked at; of percentiles there is none, so it is of the requests."""
    one = Group("a", Sums(requests=1, cost_micros=75))
    total = Group(None, Sums(requests=4, cost_micros=100))
    assert share(MEASURES["cost"], one, total) == pytest.approx(0.75)
    assert share(MEASURES["latency"], one, total) == pytest.approx(0.25)
    assert share(MEASURES["errors"], one, total) is None
    unknown = Group("a", Sums(requests=1, unknown_cost=1))
    assert share(MEASURES["cost"], unknown, total) is None


def test_unknown_cost_is_a_gap_and_not_zero() -> None:
    """A stretch whose cost nobody knows is drawn as nothing, and told as unknown."""
    unknown = Point(0, Sums(requests=1, unknown_cost=1))
    found = Explored(
        ASKED, 0.0, 3600.0, Group(None, unknown.sums), (Group("a", unknown.sums, None, (unknown,)),)
    )
    assert plot(found, MEASURES["cost"], str)["series"][0]["values"] == [None]
    assert MEASURES["cost"].told(unknown) == "unknown"


def test_the_rest_is_unknown_where_all_of_it_is() -> None:
    """Of groups drawn as one, what is known counts; where nothing is known it is a gap, and not zero."""
    unknown, known, none = Sums(requests=1, unknown_cost=1), Sums(requests=1, cost_micros=2_000_000), Sums()
    rest = [(unknown, unknown, none), (none, known, none)]
    firsts = tuple(group(f"k{number}", 9, 9, 9) for number in range(DRAWN))
    groups = tuple(
        Group(
            f"rest-{number}",
            Sums(),
            Spread(),
            tuple(Point(3600 * at, sums) for at, sums in enumerate(course)),
        )
        for number, course in enumerate(rest)
    )
    found = Explored(ASKED, 0.0, 10_800.0, group(None, 0, 0, 0), (*firsts, *groups))
    assert plot(found, MEASURES["cost"], str)["series"][-1]["values"] == [None, 2.0, 0]


def test_a_growth_that_says_nothing_is_cut() -> None:
    """From almost nothing to much is told as more than tenfold, anything less to the percent."""
    assert grown(200_000, 1) == ">+1000 %"
    assert grown(3, 2) == "+50 %"
    assert grown(1, 0) == "new"
    assert grown(999, 1000) == grown(1000, 1000) == "\u00b10 %"
    assert grown(None, 2) == "\u2013"
