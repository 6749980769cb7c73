"""Signing: the right credential, from the provider's row only."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.providers import Auth, Provider
from dragoman.providers.auth import CREDENTIALS, missing, sign

URL = "https://cloud.test/v1"
BEARER = Provider(name="cloud", dialect="openai_chat", base_url=URL, auth=Auth(env=("CLOUD_KEY", "KEY2")))
HEADER = Provider(
    name="azure", dialect="openai_chat", base_url=URL, key="k", auth=Auth("header", ("A_KEY",), "api-key")
)
KEYLESS = Provider(name="own", dialect="openai_chat", base_url=URL, keyless=True, auth=Auth("none"))


def keyed(provider: Provider, key: str) -> Provider:
    """Return `provider` with a key."""
    return msgspec.structs.replace(provider, key=key)


def test_a_bearer_key_goes_in_authorization() -> None:
    """The usual scheme."""
    assert sign(keyed(BEARER, "sk-1"), {"content-type": "application/json"}) == {
        "content-type": "application/json",
        "authorization": "Bearer sk-1",
    }


def test_a_header_key_goes_in_its_header_alone() -> None:
    """A vendor's own header replaces the bearer, it does not join it."""
    assert sign(HEADER, {}) == {"api-key": "k"}


def test_a_keyless_provider_is_sent_nothing() -> None:
    """A local server gets no credential nobody configured."""
    assert sign(KEYLESS, {}) == {}


def test_a_keyless_provider_with_a_key_gets_it_as_bearer() -> None:
    """A local server behind a login works like a cloud one."""
    assert sign(keyed(KEYLESS, "k"), {}) == {"authorization": "Bearer k"}


def test_the_providers_headers_are_added_in_lower_case() -> None:
    """Attribution headers ride along, in the one spelling the transport knows."""
    provider = msgspec.structs.replace(KEYLESS, headers={"X-Title": "Dragoman"})
    assert sign(provider, {"accept": "*/*"}) == {"accept": "*/*", "x-title": "Dragoman"}


@pytest.mark.parametrize("name", [*sorted(CREDENTIALS), "Authorization", "X-Api-Key"])
def test_no_other_credential_passes(name: str) -> None:
    """A credential that is not the provider's own never leaves, however it is spelt."""
    signed = sign(keyed(BEARER, "ours"), {name: "theirs"})
    assert signed == {"authorization": "Bearer ours"}


def test_signing_changes_nothing_in_place() -> None:
    """The headers a dialect wrote can be signed again for the next target."""
    headers = {"accept": "*/*"}
    sign(keyed(BEARER, "k"), headers)
    assert headers == {"accept": "*/*"}


def test_a_missing_key_says_which_name_to_set() -> None:
    """The failure is ours, sends the line to the next target, and names the environment."""
    with pytest.raises(Failure) as caught:
        sign(BEARER, {})
    failure = caught.value
    assert (failure.kind, failure.source, failure.retry) == (Kind.UNAVAILABLE, Source.GATEWAY, Retry.NEXT)
    assert "CLOUD_KEY or KEY2" in failure.message


@pytest.mark.parametrize("key", ["two words", "line\r\nx-evil: 1", "schlüssel", "tab\tbed", "nul\0"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    """No header is smuggled in by a key, and the message does not repeat it."""
    with pytest.raises(Failure) as caught:
        sign(keyed(BEARER, key), {})
    assert caught.value.kind is Kind.UNAVAILABLE
    assert key not in caught.value.message


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (keyed(BEARER, "k"), ""),
        (BEARER, "set CLOUD_KEY or KEY2"),
        (msgspec.structs.replace(KEYLESS, base_url="", base_url_env=("OWN_URL",)), "set OWN_URL"),
        (msgspec.structs.replace(KEYLESS, base_url=""), "set providers.own.base_url"),
        (Provider(name="bare", dialect="anthropic"), "set providers.bare.base_url and providers.bare.key"),
        (msgspec.structs.replace(BEARER, enabled=False), "it is switched off in the configuration"),
    ],
)
def test_what_is_missing_is_said_in_words(provider: Provider, words: str) -> None:
    """An operator reads what to do, and an empty string exactly when the provider is ready."""
    assert missing(provider) == words
    assert (words == "") == provider.ready
