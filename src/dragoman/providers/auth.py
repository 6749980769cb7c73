"""Sign a call: the provider's own headers and its credential, and nobody else's.

What comes in are the headers a dialect wrote, so a client's credential is never among them; should one
ever be, it is left out by name. Pure: no I/O, no logging, and no message ever holds a key.
"""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.providers import Provider

CREDENTIALS = frozenset(
    {"authorization", "api-key", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"}
)
"""Headers that carry a credential in some dialect; only this module writes them."""


def sign(provider: Provider, headers: Mapping[str, str]) -> dict[str, str]:
    """Return `headers` plus the provider's own and its credential; names are lower case.

    Raises:
        Failure: UNAVAILABLE, retry NEXT: the provider needs a key and has none, or one no header can carry.
    """
    signed = {name: value for name, value in headers.items() if name.lower() not in CREDENTIALS}
    signed.update((name.lower(), value) for name, value in provider.headers.items())
    key = provider.key
    if key is None:
        if not provider.keyless:
            raise _unsigned(provider, missing(provider))
        return signed
    if not key.isascii() or not key.isprintable() or " " in key:
        raise _unsigned(provider, "its key holds a space, a line break or a character no header can carry")
    if provider.auth.scheme == "header":
        signed[provider.auth.header] = key
    else:
        signed["authorization"] = f"Bearer {key}"
    return signed


def missing(provider: Provider) -> str:
    """Return what an operator has to do before `provider` can be asked; "" when it is ready."""
    if not provider.enabled:
        return "it is switched off in the configuration"
    wanted = []
    if not provider.base_url:
        wanted.append(_either(provider.base_url_env) or f"providers.{provider.name}.base_url")
    if provider.key is None and not provider.keyless:
        wanted.append(_either(provider.auth.env) or f"providers.{provider.name}.key")
    return f"set {' and '.join(wanted)}" if wanted else ""


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)


def _unsigned(provider: Provider, why: str) -> Failure:
    return Failure(
        Kind.UNAVAILABLE,
        f"{provider.title or provider.name} cannot be asked: {why}",
        source=Source.GATEWAY,
        retry=Retry.NEXT,
        code="provider_not_configured",
    )
