"""Who may ask whom: a name becomes the targets its asker is allowed, and that can answer."""

from __future__ import annotations

import msgspec

from dragoman.accounts.grants import permitted, require_asking
from dragoman.exchange.life import Exchange
from dragoman.routing import Route


def route(ex: Exchange, name: str, *, provider: str | None) -> Route:
    """Return the route for a client's model name, without targets its key may not ask.

    Args:
        ex: The exchange, its account known.
        name: What the client calls the model.
        provider: The one provider that it chose; None: it did not.

    Raises:
        Failure: NOT_FOUND or INVALID, nobody answers to the name; FORBIDDEN, not for this key.
    """
    assert ex.account is not None
    found = ex.live.table.resolve(name, ex.task, provider=provider)
    chosen = f"{provider}/{name}" if provider is not None else found.name
    is_route = provider is None and found.name in ex.live.table.routes
    left = [*map(str, found.targets)]
    if left:
        left = require_asking(ex.account, chosen, left, is_route=is_route)
        # What stands in is another model than the one of this name, and has to be allowed as itself.
        left += permitted(ex.account, "", map(str, found.instead), is_route=False)
    else:
        left = require_asking(ex.account, "", [*map(str, found.instead)], is_route=False)
    if len(left) == len(found.targets) + len(found.instead):
        return found
    return msgspec.structs.replace(
        found,
        targets=tuple(target for target in found.targets if str(target) in left),
        instead=tuple(target for target in found.instead if str(target) in left),
    )
