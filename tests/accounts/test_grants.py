"""What all keys share is reached by those it was granted to, and by nobody else."""

from __future__ import annotations

import pytest

from dragoman.accounts.grants import RelaySpec, require_shared
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
