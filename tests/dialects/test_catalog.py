"""The catalogue: every dialect by name, and who is served where."""

from __future__ import annotations

import pytest

from dragoman.dialects.catalog import DIALECTS, find, owner, plain


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


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/openai/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/v1/responses/resp_1/input_items", "/v1/responses/resp_1/input_items"),
        ("/openai/responses", "/v1/responses"),
        ("/openai/v1/modelsof", "/v1/modelsof"),
        ("/openai/deployments/gpt-4o/chat/completions", "/openai/deployments/gpt-4o/chat/completions"),
        ("/openai/deployments/gpt-image-1/images/generations", "/v1/images/generations"),
        ("/openai/deployments/org/m:x/audio/transcriptions", "/v1/audio/transcriptions"),
        ("/openai/deployments/images/chat/completions", "/openai/deployments/images/chat/completions"),
        ("/openai/v1/models", "/openai/v1/models"),
        ("/openai/models/org/model:free", "/openai/models/org/model:free"),
        ("/openai/v1/v1/chat/completions", "/openai/v1/v1/chat/completions"),
        ("/openaiv1/chat/completions", "/openaiv1/chat/completions"),
        ("/v1/openai/v1/chat/completions", "/v1/openai/v1/chat/completions"),
        ("/v1/chat/completions", "/v1/chat/completions"),
    ],
)
def test_a_path_of_openais_has_one_spelling(path: str, told: str) -> None:
    """What Azure's and Groq's clients put before it is taken away, once, and only there."""
    assert plain(path) == told


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/openai/deployments/org/model:free/chat/completions", "openai_chat"),
        ("/openai/deployments/m/embeddings", "openai_chat"),
        ("/openai/deployments//chat/completions", None),
        ("/openai/deployments/m/images/generations", None),
    ],
)
def test_a_deployment_is_found_by_its_path(path: str, name: str | None) -> None:
    """The model stands in the path, slashes and colons included, and is never empty."""
    found = find("POST", path)
    assert (found and found[0].name) == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1beta", "gemini"),
        ("/v1beta/corpora", "gemini"),
        ("/v1betamax", "openai_chat"),
        ("/api/pull", "ollama"),
        ("/apish", "openai_chat"),
        ("/v2/tokenize", "cohere"),
        ("/v1/messages/batches", "anthropic"),
        ("/v1/messages2", "openai_chat"),
        ("/", "openai_chat"),
    ],
)
def test_every_path_has_a_neighbourhood(path: str, name: str) -> None:
    """A dialect owns what is below its paths, and nothing that only begins alike."""
    assert owner(path) == name
