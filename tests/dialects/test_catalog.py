"""The catalogue: every dialect by name, and who is served where."""

from __future__ import annotations

import pytest

from dragoman.dialects.catalog import DIALECTS, find


def test_every_dialect_is_found_at_its_endpoints() -> None:
    """A public path leads to the dialect that declares it, and to nobody else."""
    for name, dialect in DIALECTS.items():
        assert dialect.name == name
        for endpoint in dialect.endpoints:
            if "{" not in endpoint.path:
                assert find(endpoint.method, endpoint.path) == (dialect, endpoint)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/chat/completions"),
        ("POST", ""),
    ],
)
def test_elsewhere_nobody_is_found(method: str, path: str) -> None:
    """Another method or another path is nobody's."""
    assert find(method, path) is None


def test_chat_and_messages_are_there() -> None:
    """The two oldest doors are where their clients look for them."""
    found = {path: find("POST", path) for path in ("/v1/chat/completions", "/v1/messages")}
    assert {path: hit and (hit[0].name, hit[1].task) for path, hit in found.items()} == {
        "/v1/chat/completions": ("openai_chat", "generate"),
        "/v1/messages": ("anthropic", "generate"),
    }
