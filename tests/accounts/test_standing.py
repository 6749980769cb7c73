"""Standing: which limit is told, and in which words."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec.structs import replace

from dragoman.accounts.standing import Level, Rule, Standing, Taken, duration, headers, tightest, told

RULE = Rule("key:a:requests/minute", "this key", "requests", 60, 60, "minute", 10**9, 60 * 10**9)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (RULE, "this key is limited to 60 requests a minute"),
        (replace(RULE, limit=1, period="day"), "this key is limited to 1 request a day"),
        (replace(RULE, what="tokens", whose="the model m"), "the model m is limited to 60 tokens a minute"),
        (replace(RULE, what="parallel", limit=2), "this key is limited to 2 requests at once"),
        (replace(RULE, what="parallel", limit=1), "this key is limited to 1 request at once"),
    ],
)
def test_a_rule_says_what_it_limits(rule: Rule, said: str) -> None:
    """In the words a client reads when it is refused."""
    assert str(rule) == said


def test_a_level_ages() -> None:
    """What was seen a while ago is told as it is by now, and never better than whole."""
    level = Level(RULE, 60 * 10**9, 1000)
    assert level.taken(1000) == Taken(60, 0, 60.0, 1.001)
    assert level.taken(1000 + 90 * 10**8) == Taken(60, 9, 51.0)
    assert level.taken(1000 + 10**12) == Taken(60, 60, 0.0)


def test_a_level_in_debt_has_nothing_left() -> None:
    """The wait is for the debt and one more."""
    assert Level(RULE, 65 * 10**9, 0).taken(0) == Taken(60, 0, 65.0, 6.001)


def test_shares_of_a_fraction_of_a_nanosecond_are_told_whole() -> None:
    """Of a limit that is whole as many are left as there are, though its share is no whole number."""
    rule = Rule("a", "this key", "tokens", 7 * 10**11, 7 * 10**11, "minute", 60e9 / 7e11, 60 * 10**9)
    assert Level(rule, 0, 0).taken(0) == Taken(7 * 10**11, 7 * 10**11, 0.0)


def test_the_tightest_is_told() -> None:
    """The limit with the fewest left; of those that are used up, the one that takes longest."""
    minute, day, month = Taken(60, 59, 1.0), Taken(100, 7, 80_000.0), Taken(9, 0, 10.0, 5.0)
    assert tightest([minute, day]) is day
    assert tightest([minute, day, month]) is month
    assert tightest([month, replace(month, retry_after_s=50.0)]) == replace(month, retry_after_s=50.0)
    assert tightest([]) is None


def test_waits_are_rounded_up() -> None:
    """Who waits as told is never early; who need not wait is told nothing."""
    assert [told(wait) for wait in (-5, 0, 1, 999_999, 30 * 10**9)] == [0.0, 0.0, 0.001, 0.002, 30.001]


def test_headers_have_every_clients_names() -> None:
    """The common three and OpenAI's go to everybody, in whole seconds and in OpenAI's durations."""
    standing = Standing(Taken(60, 59, 0.98), Taken(1000, 250, 45.0))
    assert headers(standing, dialect="openai_chat", now=0) == {
        "x-ratelimit-limit": "60",
        "x-ratelimit-remaining": "59",
        "x-ratelimit-reset": "1",
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "980ms",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "250",
        "x-ratelimit-reset-tokens": "45s",
    }


def test_what_is_not_limited_is_not_told() -> None:
    """No header of a kind there is no limit of, and none at all of a key without any."""
    assert headers(None, dialect="anthropic", now=0) == {}
    assert headers(Standing(), dialect="anthropic", now=0) == {}
    tokens = headers(Standing(None, Taken(10, 1, 1.0)), dialect="gemini", now=0)
    assert set(tokens) == {
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    }


def test_an_anthropic_client_gets_its_own_as_well() -> None:
    """Its reset is a time that RFC 3339 knows, never before the limit is whole again."""
    now = 1_795_262_400.5
    standing = Standing(Taken(60, 0, 60.0), Taken(1000, 10, 30.0))
    said = headers(standing, dialect="anthropic", now=now)
    assert said["anthropic-ratelimit-requests-limit"] == "60"
    assert said["anthropic-ratelimit-requests-remaining"] == "0"
    assert said["anthropic-ratelimit-requests-reset"] == "2026-11-21T12:01:01Z"
    assert said["anthropic-ratelimit-tokens-limit"] == "1000"
    assert said["anthropic-ratelimit-tokens-remaining"] == "10"
    assert said["anthropic-ratelimit-tokens-reset"] == "2026-11-21T12:00:31Z"
    reset = datetime.fromisoformat(said["anthropic-ratelimit-requests-reset"]).timestamp()
    assert now + 60 <= reset < now + 61
    assert not [name for name in said if "input-tokens" in name or "output-tokens" in name]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0s"),
        (0.012, "12ms"),
        (0.0001, "1ms"),
        (0.9999, "1s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9991, "1m0s"),
        (60, "1m0s"),
        (90.25, "1m30.25s"),
        (360, "6m0s"),
        (3600, "1h0m0s"),
        (3661, "1h1m1s"),
    ],
)
def test_durations_are_openais(seconds: float, told: str) -> None:
    """As its documentation shows them, rounded up to the millisecond."""
    assert duration(seconds) == told


def test_what_was_told_is_a_value() -> None:
    """It cannot be changed afterwards."""
    taken = Taken(1, 0, 60.0)
    with pytest.raises(AttributeError):
        taken.limit = 2  # type: ignore[misc]
    assert replace(taken, limit=2) == Taken(2, 0, 60.0)
