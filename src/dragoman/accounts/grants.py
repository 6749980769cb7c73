"""What a key may reach beyond asking models: the state all keys share at a provider.

Files, batches, vector stores and the like belong to the operator's account there, not to a key of ours.
A key that reaches them reaches what every other key has put there, so that is granted, never assumed.
"""

from __future__ import annotations

import msgspec

from dragoman.accounts.keys import Account
from dragoman.core.failure import Failure, Kind, Source

EVERYONE = "*"
"""The word that grants something to every key."""


class RelaySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a provider's API passes through untranslated.

    Attributes:
        enabled: Whether anything does.
        keys: Names of the keys that may reach what all keys share at a provider (files, batches, any path
            under `/relay/`); "*" is every key.
    """

    enabled: bool = True
    keys: tuple[str, ...] = ()


def require_shared(spec: RelaySpec, account: Account) -> None:
    """Refuse an account that may not reach what all keys share at a provider.

    The admin may. So may the anonymous account, which is there only while no key is configured: then
    there is nobody to share with.

    Raises:
        Failure: FORBIDDEN, with the setting that would grant it.
    """
    if account.role == "admin" or account.anonymous or not {EVERYONE, account.name}.isdisjoint(spec.keys):
        return
    raise Failure(
        Kind.FORBIDDEN,
        "this path reaches what all keys share at the provider, and this key may not; "
        f'to let it, write keys = ["{account.name}"] under [relay] in the configuration '
        f"(DRAGOMAN_RELAY_KEYS={account.name})",
        source=Source.CLIENT,
        code="relay_not_granted",
    )
