"""Entries become sums: every kind and span of them, and what is taken off leaves nothing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.store.cover import BLOCK, DAY, HOUR
from dragoman.store.posting import (
    MOST_LOSSES,
    MOST_TOGETHER,
    NOWHERE,
    Called,
    Entry,
    Names,
    Slot,
    bounded,
    posted,
)
from dragoman.store.reports import DIMENSIONS, MEASURES, MOST, Sums
from dragoman.store.spread import bucket, unpacked

AT = 1_795_003_700
NAMES: Names = ("anna", "red", "", "m", "p", "", "settled", "", "gemini")
ONE = Sums(requests=1, output=7, latency_us=5000, latencies=1, first_event_us=2000, first_events=1)


def entry(at: int = AT, names: Names = NAMES, sums: Sums = ONE, losses: tuple[str, ...] = ()) -> Entry:
    """Return an entry."""
    return Entry(at, names, msgspec.structs.astuple(sums), losses)


def off(one: Entry) -> Entry:
    """Return what takes an entry off again."""
    return msgspec.structs.replace(one, measures=tuple(-measure for measure in one.measures))


def test_an_entry_is_part_of_every_kind_and_span() -> None:
    """Of its combination, of all, and of each dimension alone; of its hour, day and 32 days.

    Of two sides there are no hours.
    """
    found = posted([entry()])
    ats = {span: AT // span * span for span in (HOUR, DAY, BLOCK)}
    alone = [
        (name, tuple(NAMES[place] if place == at else "" for at in range(9)))
        for place, name in enumerate(DIMENSIONS)
    ]
    kinds = [("each", NAMES), ("all", NOWHERE), *alone]
    nothing = ("", "", "")
    sides = [
        ("who_what", (*NAMES[:6], *nothing)),
        ("what_how", (*nothing, *NAMES[3:])),
        ("who_how", (*NAMES[:3], *nothing, *NAMES[6:])),
    ]
    assert {(slot.kind, slot.names, slot.span, slot.at) for slot in found} == {
        *((kind, names, span, at) for kind, names in kinds for span, at in ats.items()),
        *((kind, names, span, ats[span]) for kind, names in sides for span in (DAY, BLOCK)),
    }
    for post in found.values():
        assert Sums(*post.measures) == ONE
        assert unpacked(post.latency) == {bucket(5000): 1}
        assert unpacked(post.first_event) == {bucket(2000): 1}


def test_entries_of_one_sum_are_added_up() -> None:
    """Two of an hour are one sum; one of another day another, but the same of the 32 days."""
    later = AT + DAY
    found = posted([entry(), entry(), entry(later)])
    assert found[Slot("all", HOUR, AT // HOUR * HOUR, NOWHERE)].measures[0] == 2
    assert found[Slot("all", DAY, later // DAY * DAY, NOWHERE)].measures[0] == 1
    assert found[Slot("each", BLOCK, AT // BLOCK * BLOCK, NAMES)].measures[0] == 3


entries = st.builds(
    entry,
    st.integers(AT, AT + 3 * DAY),
    st.tuples(*[st.sampled_from(("", "x", "y"))] * len(DIMENSIONS)),
    st.builds(
        Sums,
        requests=st.just(1),
        cost_micros=st.integers(0, 10**6),
        latency_us=st.integers(0, 10**7),
        latencies=st.just(1),
    ),
    st.lists(st.sampled_from(("dropped:a", "dropped:b[3].c", "dropped:b[4].c")), max_size=3).map(tuple),
)


@given(some=st.lists(entries, max_size=12))
def test_what_is_taken_off_leaves_nothing(some: list[Entry]) -> None:
    """Entries and their opposites come to zero in every sum, spreads and losses included."""
    for post in posted([*some, *map(off, some)]).values():
        assert set(post.measures) == {0}
        assert not any(unpacked(post.latency).values())
        assert not any(unpacked(post.first_event).values())


@given(some=st.lists(entries, max_size=12), cut=st.integers(0, 12))
def test_it_does_not_matter_what_is_posted_together(some: list[Entry], cut: int) -> None:
    """All at once is the same as some and then the others."""
    whole, first, then = (posted(part) for part in (some, some[:cut], some[cut:]))
    assert whole.keys() == first.keys() | then.keys()
    for slot, post in whole.items():
        parts = [of[slot].measures for of in (first, then) if slot in of]
        assert post.measures == tuple(sum(measures) for measures in zip(*parts, strict=True))


@given(
    some=st.lists(st.tuples(*[st.integers(-MOST, MOST) | st.integers(-3, 3)] * len(MEASURES)), max_size=20)
)
def test_every_measure_adds_up_by_itself(some: list[tuple[int, ...]]) -> None:
    """Whatever stands beside it, on either side of zero and up to the most that counts."""
    found = posted([Entry(AT, NAMES, measures) for measures in some])
    for post in found.values():
        assert post.measures == tuple(map(sum, zip(*some, strict=True)))
        assert post.within(max(map(abs, post.measures)))
        assert not post.within(max(map(abs, post.measures)) - 1)


def test_no_more_are_added_up_than_a_measure_has_room_for() -> None:
    """So many of the most that counts are told exactly; more are refused."""
    largest = Entry(AT, NAMES, (MOST,) * len(MEASURES))
    post = posted([largest] * MOST_TOGETHER)[Slot("all", HOUR, AT // HOUR * HOUR, NOWHERE)]
    assert set(post.measures) == {MOST_TOGETHER * MOST}
    with pytest.raises(ValueError, match="too many"):
        posted([largest] * (MOST_TOGETHER + 1))


def test_how_long_several_took_at_once_is_no_duration() -> None:
    """What is left of deleted rows counts in the means, and in no percentile."""
    several = msgspec.structs.replace(ONE, requests=3, latency_us=9000, latencies=3)
    post = posted([entry(sums=several)])[Slot("all", HOUR, AT // HOUR * HOUR, NOWHERE)]
    assert Sums(*post.measures).latency_us == 9000
    assert unpacked(post.latency) == {}
    assert unpacked(post.first_event) == {bucket(2000): 1}


def test_what_was_lost_counts_once_for_an_exchange() -> None:
    """Whichever place of a list it stood in, cut as names are, and no more than some dozens of them."""
    losses = ("dropped:$.tools[0].strict", "dropped:$.tools[12].strict", "clamped:" + "x" * 400)
    found = {
        slot.names[3]: post for slot, post in posted([entry(losses=losses)]).items() if slot.kind == "loss"
    }
    assert {word: post.measures[0] for word, post in found.items()} == {
        "dropped:$.tools[].strict": 1,
        ("clamped:" + "x" * 400)[:160]: 1,
    }
    many = posted([entry(losses=tuple(f"dropped:{place}" for place in range(99)))])
    assert len({slot for slot in many if slot.kind == "loss"}) == 3 * MOST_LOSSES


def test_a_call_is_a_sum_of_its_own_kind() -> None:
    """By provider, model, state and failure, with the time to its first event, if it had one."""
    found = posted(
        [], [Called(AT, "p", "m", "failed", "timeout", None), Called(AT, "p", "m", "settled", "", 3000)]
    )
    assert {slot.kind for slot in found} == {"attempt"}
    names = ("", "", "", "m", "p", "", "settled", "", "")
    post = found[Slot("attempt", DAY, AT // DAY * DAY, names)]
    sums = Sums(*post.measures)
    assert sums == Sums(requests=1, first_event_us=3000, first_events=1)
    assert unpacked(post.first_event) == {bucket(3000): 1}
    failed = found[Slot("attempt", DAY, AT // DAY * DAY, ("", "", "", "m", "p", "", "failed", "timeout", ""))]
    assert unpacked(failed.first_event) == {}


def test_a_sum_stays_within_its_column() -> None:
    """Neither beyond the most that counts, nor below its opposite."""
    assert [bounded(number) for number in (5, -5, 10**17, -(10**17))] == [5, -5, MOST, -MOST]
    assert len(MEASURES) == len(ONE.__struct_fields__)
