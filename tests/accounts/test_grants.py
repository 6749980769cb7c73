"""What a key may ask, by whatever name; what all keys share is reached by those it was granted to alone."""

from __future__ import annotations

import pytest

from dragoman.accounts.grants import (
    RelaySpec,
    allowed,
    permitted,
    refuse_reader,
    require_asking,
    require_shared,
    restricted,
)
from dragoman.accounts.keys import LOCAL, Account
from dragoman.core.failure import Failure, Kind


@pytest.mark.parametrize(
    ("keys", "account"),
    [
        ((), Account("admin", "admin")),
        ((), LOCAL),
        (("bob", "alice"), Account("alice")),
        (("*",), Account("alice")),
    ],
)
def test_those_it_was_granted_to_reach_it(keys: tuple[str, ...], account: Account) -> None:
    """The admin, whoever is here while there are no keys, and the keys that are named."""
    require_shared(RelaySpec(keys=keys), account)


@pytest.mark.parametrize("keys", [(), ("bob",), ("ALICE",), ("",)])
def test_nobody_else_does_and_is_told_what_would_grant_it(keys: tuple[str, ...]) -> None:
    """A 403 that names the setting, with the key's own name in it."""
    with pytest.raises(Failure) as caught:
        require_shared(RelaySpec(keys=keys), Account("alice"))
    assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "relay_not_granted")
    assert 'keys = ["alice"] under [relay]' in caught.value.message
    assert "DRAGOMAN_RELAY_KEYS=alice" in caught.value.message


def test_a_key_named_local_is_not_the_anonymous_account() -> None:
    """What lets a stranger in is that he needs no key, not what he is called."""
    with pytest.raises(Failure):
        require_shared(RelaySpec(), Account("local"))


def test_a_reader_reaches_and_asks_nothing() -> None:
    """Whatever it was granted: its role is to look."""
    reader = Account("alice", "reader")
    for refuse in (
        lambda: require_shared(RelaySpec(keys=("*",)), reader),
        lambda: require_asking(reader, "m", ["p/m"], is_route=False),
        lambda: refuse_reader(reader),
    ):
        with pytest.raises(Failure) as caught:
            refuse()
        assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "read_only")
    assert allowed(reader, "m", ["p/m"], is_route=False), "it may see that there is such a model"


def key(*models: str, routes: tuple[str, ...] = ()) -> Account:
    """Return a key restricted to these."""
    return Account("alice", models=(models, (), ()), routes=(routes, (), ()))


FREE = Account("free")
OPENAI, OTHER = "openai/gpt-4o", "openrouter/openai/gpt-4o"


@pytest.mark.parametrize(
    ("account", "name", "targets", "left"),
    [
        (FREE, "gpt-4o", [OPENAI, OTHER], [OPENAI, OTHER]),
        (key("gpt-4o"), "gpt-4o", [OPENAI, OTHER], [OPENAI, OTHER]),  # by its public name, everywhere
        (key("gpt-4o"), OPENAI, [OPENAI], [OPENAI]),  # by what it is called there
        (key("gpt-4o"), OTHER, [OTHER], []),
        (key(OPENAI), "gpt-4o", [OPENAI, OTHER], [OPENAI]),  # at one provider only
        (key("openai/*"), "gpt-4o", [OPENAI, OTHER], [OPENAI]),
        (key("openai/*"), OTHER, [OTHER], []),  # a model called openai/gpt-4o elsewhere is not openai's
        (key("gpt-*"), "gpt-4o", [OPENAI], [OPENAI]),
        (key("gpt-*"), "claude", ["anthropic/claude"], []),
        (key("GPT-4o"), "gpt-4o", [OPENAI], []),
        (key("gpt"), "gpt-4o", [OPENAI], []),
        (key("*"), "anything", ["a/b"], ["a/b"]),
        (key("meta-llama/x"), "meta-llama/x", ["groq/meta-llama/x"], ["groq/meta-llama/x"]),
        (key(routes=("fast",)), "gpt-4o", [OPENAI], []),  # a key with routes asks only those
        (key(routes=("gpt-4o",)), "gpt-4o", [OPENAI], []),
        (key("openai/*"), "openai/", ["openai/"], ["openai/"]),  # nobody knows the model: all of the provider
        (key("gpt-4o"), "openai/", ["openai/"], []),
        (key("openai/gpt-4o"), "openai/", ["openai/"], []),
    ],
)
def test_what_may_be_asked_of_a_model(
    account: Account, name: str, targets: list[str], left: list[str]
) -> None:
    """Each target is held against the restriction; where none is left it is a 403 that says what may."""
    assert permitted(account, name, targets, is_route=False) == left
    assert allowed(account, name, targets, is_route=False) == bool(left)
    if left:
        assert require_asking(account, name, targets, is_route=False) == left
        return
    with pytest.raises(Failure) as caught:
        require_asking(account, name, targets, is_route=False)
    assert (caught.value.http_status, caught.value.code) == (403, "model_not_allowed")
    for word in (*account.models[0], *account.routes[0]):
        assert word in caught.value.message


@pytest.mark.parametrize(
    ("account", "left"),
    [
        (FREE, [OPENAI, "anthropic/claude"]),
        (key(routes=("fast",)), [OPENAI, "anthropic/claude"]),  # the operator named the route
        (key(routes=("fa*",)), [OPENAI, "anthropic/claude"]),
        (key("openai/*"), [OPENAI]),
        (key("fast"), []),  # a route's name is no model's
        (key("claude", routes=("slow",)), ["anthropic/claude"]),
    ],
)
def test_what_may_be_asked_of_a_route(account: Account, left: list[str]) -> None:
    """One that is named may be asked whatever stands behind it; of another, what is allowed as a model."""
    assert permitted(account, "fast", [OPENAI, "anthropic/claude"], is_route=True) == left


def test_key_team_and_user_all_count() -> None:
    """What is asked has to be allowed by each that is restricted."""
    account = Account(
        "alice", models=(("gpt-4o", "claude"), ("openai/*",), ()), routes=((), (), ("gpt", "all"))
    )
    assert permitted(account, "gpt-4o", [OPENAI], is_route=False) == []
    assert permitted(account, "all", [OPENAI, "anthropic/claude"], is_route=True) == [OPENAI]
    two = Account("bob", models=(("gpt-4o", "claude"), ("openai/*",), ()), routes=((), (), ()))
    assert permitted(two, "gpt-4o", [OPENAI], is_route=False) == [OPENAI]
    assert permitted(two, "claude", ["anthropic/claude"], is_route=False) == []


def test_nothing_to_ask_is_no_refusal() -> None:
    """Where a name has no target at all, whoever resolved it says why."""
    assert require_asking(key("m"), "x", [], is_route=False) == []


def test_who_is_restricted() -> None:
    """A key whose team or user is, is as well."""
    assert not restricted(FREE)
    assert not restricted(Account("a", models=((), (), ()), routes=((), (), ())))
    assert restricted(Account("a", models=((), ("m",), ()), routes=((), (), ())))
    assert restricted(key(routes=("r",)))
