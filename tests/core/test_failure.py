"""Failure: one exception, a closed set of kinds, each with its status."""

from __future__ import annotations

import pytest

from dragoman.core.failure import (
    STATUS,
    Failure,
    Kind,
    Retry,
    Source,
    invalid,
    malformed,
    truncated,
    unsupported,
)


def test_every_kind_has_its_status() -> None:
    """A table of the whole contract; a new kind must choose."""
    assert {kind.value: STATUS[kind] for kind in Kind} == {
        "invalid": 400,
        "unsupported": 400,
        "context_length": 400,
        "unauthenticated": 401,
        "exhausted": 402,
        "forbidden": 403,
        "not_found": 404,
        "conflict": 409,
        "too_large": 413,
        "content_policy": 400,
        "rate_limited": 429,
        "timeout": 504,
        "overloaded": 503,
        "upstream": 502,
        "truncated": 502,
        "cancelled": 499,
        "unavailable": 503,
        "internal": 500,
    }


@pytest.mark.parametrize("kind", Kind)
def test_a_failure_knows_its_status(kind: Kind) -> None:
    """The status toward a client is the kind's, whatever a provider's was."""
    assert Failure(kind, "words", status=418).http_status == STATUS[kind]


def test_our_own_faults_are_never_the_clients() -> None:
    """Infrastructure is 503: not a wrong key, not a missing page, not a full quota."""
    assert STATUS[Kind.UNAVAILABLE] == 503
    assert STATUS[Kind.UPSTREAM] == 502


@pytest.mark.parametrize(
    ("failure", "kind", "source", "retry", "at"),
    [
        (invalid("no", "$.x"), Kind.INVALID, Source.CLIENT, Retry.NEVER, "$.x"),
        (unsupported("no", "$.x"), Kind.UNSUPPORTED, Source.CLIENT, Retry.NEXT, "$.x"),
        (malformed("no"), Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT, None),
        (truncated(), Kind.TRUNCATED, Source.UPSTREAM, Retry.NEXT, None),
        (Failure(Kind.INTERNAL, "no"), Kind.INTERNAL, Source.GATEWAY, Retry.NEVER, None),
    ],
)
def test_whose_fault_and_what_next(
    failure: Failure, kind: Kind, source: Source, retry: Retry, at: str | None
) -> None:
    """A client's own mistake is never tried elsewhere; what one target cannot do, another may."""
    assert (failure.kind, failure.source, failure.retry, failure.at) == (kind, source, retry, at)


def test_a_failure_is_an_exception_that_reads_well() -> None:
    """Its words are the exception's, and its repr says kind, source, retry and place."""
    failure = invalid("no such model", "$.model", code="model_not_found")
    assert str(failure) == failure.message == "no such model"
    assert failure.code == "model_not_found"
    assert repr(failure) == "Failure(invalid, client, never: no such model at $.model)"
    assert repr(malformed("gone")) == "Failure(upstream, upstream, next: gone)"
    with pytest.raises(Failure, match="no such model"):
        raise failure
