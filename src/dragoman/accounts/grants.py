"""What a key may ask, and what it may reach beyond asking models.

**Models.** A key, its team and its user may each be restricted to models and routes; what is asked has to be
allowed by every one of them. A restriction looks at what will *really* be asked, ``provider/model``, so that
no alias and no choice of a provider leads around it:

    gpt-4o               the model of this public name, or called so by whichever provider is asked
    openai/gpt-4o        at this provider only
    openai/*             everything of this provider; a * at the end stands for any end

A route is the operator's own: one that is named under ``routes`` may be asked whatever stands behind it; of
another, the targets that are allowed as models.

**What all keys share.** Files, batches, vector stores and the like belong to the operator's account at a
provider, not to a key of ours. A key that reaches them reaches what every other key has put there, so that is
granted, never assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

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


def require_asking(account: Account, name: str, targets: Sequence[str], *, is_route: bool) -> list[str]:
    """Return those of `targets` an account may ask; refuse it where that is none of them.

    Args:
        account: Who asks.
        name: The route's, or the model's public name; ``provider/model`` where the client chose the provider.
        targets: What stands behind the name, as ``provider/model``; where nobody knows the model,
            ``provider/``.
        is_route: The name is one of the configuration's routes or aliases.

    Raises:
        Failure: FORBIDDEN: ``read_only`` for a reader; ``model_not_allowed``, saying what it may ask.
    """
    refuse_reader(account)
    found = permitted(account, name, targets, is_route=is_route)
    if found or not targets:
        return found
    terms = [", ".join((*models, *routes)) for models, routes in _restrictions(account) if models or routes]
    message = f"this key may not ask the model asked for; it may ask {'; and of these '.join(terms)}"
    raise Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, at="$.model", code="model_not_allowed")


def permitted(account: Account, name: str, targets: Iterable[str], *, is_route: bool) -> list[str]:
    """Return those of `targets` that no restriction of an account forbids; see :func:`require_asking`."""
    left = list(targets)
    for models, routes in _restrictions(account):
        if not (models or routes) or (is_route and any(_matches(one, name) for one in routes)):
            continue
        public = "" if is_route else name
        left = [target for target in left if _may(models, target, public)]
    return left


def allowed(account: Account, name: str, targets: Iterable[str], *, is_route: bool) -> bool:
    """Say whether a name is one an account may ask, or could if its role let it: for lists of models."""
    return bool(permitted(account, name, targets, is_route=is_route))


def restricted(account: Account) -> bool:
    """Say whether an account may not ask everything."""
    return any(models or routes for models, routes in _restrictions(account))


def refuse_reader(account: Account) -> None:
    """Refuse an account that may only look: FORBIDDEN, ``read_only``."""
    if account.role == "reader":
        message = "this key may look, and neither ask nor change anything: its role is reader"
        raise Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, code="read_only")


def _restrictions(account: Account) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the models and routes of the key, of its team, of its user."""
    yield from zip_longest(account.models, account.routes, fillvalue=())


def _may(models: tuple[str, ...], target: str, public: str) -> bool:
    """Say whether any of `models` is a target, or the public name it is asked by."""
    upstream = target.partition("/")[2]
    for pattern in models:
        # A provider's model may be called openai/gpt-4o there: it is not openai's.
        names = (target, public) if "/" in pattern else (target, public, upstream)
        if _matches(pattern, *names):
            return True
    return False


def _matches(pattern: str, *names: str) -> bool:
    if pattern.endswith("*"):
        return any(name.startswith(pattern[:-1]) for name in names if name)
    return pattern in names


def require_shared(spec: RelaySpec, account: Account) -> None:
    """Refuse an account that may not reach what all keys share at a provider.

    The admin may. So may the anonymous account, which is there only while no key is configured: then
    there is nobody to share with.

    Raises:
        Failure: FORBIDDEN, with the setting that would grant it.
    """
    refuse_reader(account)
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
