"""Rows: what a provider and a model say about themselves."""

from __future__ import annotations

import msgspec

from dragoman.providers import Auth, Model, Offer, Provider

CLOUD = Provider(
    name="cloud", dialect="openai_chat", base_url="https://cloud.test/v1", auth=Auth(env=("KEY",))
)


def test_a_cloud_provider_is_ready_once_it_has_a_key() -> None:
    """A key is what a cloud provider lacks."""
    assert not CLOUD.ready
    assert msgspec.structs.replace(CLOUD, key="k").ready


def test_a_keyless_provider_is_ready_once_it_has_an_address() -> None:
    """A server of one's own is not guessed at: it waits for its address."""
    own = Provider(name="own", dialect="openai_chat", keyless=True)
    assert not own.ready
    assert msgspec.structs.replace(own, base_url="http://127.0.0.1:1/v1").ready


def test_a_provider_switched_off_is_never_ready() -> None:
    """``enabled = false`` wins over everything."""
    assert not msgspec.structs.replace(CLOUD, key="k", enabled=False).ready


def test_a_key_is_never_printed() -> None:
    """Neither repr nor an f-string shows the credential."""
    provider = msgspec.structs.replace(CLOUD, key="s3cret-value")
    assert "s3cret" not in repr(provider)
    assert "s3cret" not in f"{provider}"


def test_a_model_is_seen_as_its_provider_serves_it() -> None:
    """What an offer says differently replaces what the row says, and only that."""
    model = Model(
        id="m",
        context=1000,
        max_output=100,
        offers=(Offer("near", "m"), Offer("far", "x/m", context=500, formats=("json",), efforts=("high",))),
    )
    assert model.on("near") is model
    assert model.on("nobody") is model
    far = model.on("far")
    assert (far.context, far.max_output, far.formats, far.efforts) == (500, 100, ("json",), ("high",))
