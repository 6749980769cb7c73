"""Who is answered from a recording, and whose answer is recorded."""

from __future__ import annotations

import pytest

from dragoman.cache.terms import NEITHER, CacheSpec, Terms, asked

BOTH = Terms(read=True, record=True)
AFRESH = Terms(read=False, record=True)


def test_nothing_is_recorded_that_nobody_asked_for() -> None:
    """Unless the operator says so, only a door that records, or a header, makes a request one that is."""
    spec = CacheSpec()
    assert asked(spec, {}, by_default=False) == NEITHER
    assert asked(spec, {}, by_default=True) == BOTH
    assert asked(spec, {"x-dragoman-cache": "on"}, by_default=False) == BOTH


def test_mode_all_records_everybody_and_off_nobody() -> None:
    """The operator's word stands above the client's, except that a client may always be left out."""
    assert asked(CacheSpec(mode="all"), {}, by_default=False) == BOTH
    assert asked(CacheSpec(mode="all"), {"x-dragoman-cache": "off"}, by_default=True) == NEITHER
    assert asked(CacheSpec(mode="off"), {"x-dragoman-cache": "on"}, by_default=True) == NEITHER


@pytest.mark.parametrize("said", ["no-cache", "max-age=0", "No-Cache, private", "private ,max-age=0"])
def test_no_cache_asks_afresh_and_refreshes(said: str) -> None:
    """A recording is not read, and the new answer takes its place."""
    assert asked(CacheSpec(), {"cache-control": said}, by_default=True) == AFRESH


def test_no_cache_alone_asks_for_no_recording() -> None:
    """What browsers send by themselves makes nobody's answers recorded."""
    assert asked(CacheSpec(), {"cache-control": "no-cache"}, by_default=False) == NEITHER


def test_refresh_is_the_bodys_way_to_say_no_cache() -> None:
    """`ignore_cache` of the prompt surface asks afresh and refreshes."""
    assert asked(CacheSpec(), {}, by_default=True, refresh=True) == AFRESH


@pytest.mark.parametrize("said", ["no-store", "no-cache, no-store", "NO-STORE"])
def test_no_store_neither_reads_nor_records(said: str) -> None:
    """It stands above every wish to be recorded."""
    headers = {"cache-control": said, "x-dragoman-cache": "on"}
    assert asked(CacheSpec(mode="all"), headers, by_default=True) == NEITHER


def test_a_word_nobody_knows_says_nothing() -> None:
    """A gateway's own answer header, sent on by a proxy, changes nothing."""
    assert asked(CacheSpec(), {"x-dragoman-cache": "hit"}, by_default=False) == NEITHER
    assert asked(CacheSpec(), {"x-dragoman-cache": "hit"}, by_default=True) == BOTH


@pytest.mark.parametrize("said", ["off, off", "on, off", "off,exact"])
def test_a_client_that_says_no_twice_has_said_no(said: str) -> None:
    """A header that was sent twice is a list; of two words that differ the careful one counts."""
    assert asked(CacheSpec(mode="all"), {"x-dragoman-cache": said}, by_default=True) == NEITHER
    assert asked(CacheSpec(), {"x-dragoman-cache": "on, on"}, by_default=False) == BOTH


def test_exact_asks_for_no_similar_question() -> None:
    """Similar questions count only where the operator allows it and the client does not refuse."""
    spec = CacheSpec(semantic=True)
    assert asked(spec, {"x-dragoman-cache": "on"}, by_default=False).similar
    assert asked(spec, {"x-dragoman-cache": "exact"}, by_default=False) == BOTH
    assert not asked(CacheSpec(), {"x-dragoman-cache": "on"}, by_default=False).similar
