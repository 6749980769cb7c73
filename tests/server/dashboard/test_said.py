"""What is said of a thing done: carried over a redirect, and nothing else is taken for it."""

from __future__ import annotations

import pytest

from dragoman.server.dashboard.said import LONGEST, Said, read, written


@pytest.mark.parametrize("words", ["Key x revoked", "<script>é\n\u202e", "", "x" * LONGEST])
def test_it_comes_as_it_was_said(words: str) -> None:
    """Any words come through a cookie unharmed, and the cookie is plain letters."""
    for tone in ("good", "warn", "bad"):
        value = written(Said(words, tone))
        assert value.isascii()
        assert not set(value) & set(' ;,"\\')
        assert read(value) == Said(words, tone)


def test_long_words_are_cut() -> None:
    """A name of any length does not make a cookie of any length."""
    kept = read(written(Said("x" * 10_000)))
    assert kept is not None
    assert kept.words == "x" * LONGEST


@pytest.mark.parametrize("value", ["", "x", "é", "e30=", "bnVsbA==", "W10=", "eyJ3b3JkcyI6MX0=", "=" * 9000])
def test_nothing_else_is_taken_for_it(value: str) -> None:
    """A cookie that is none of ours says nothing."""
    assert read(value) is None
