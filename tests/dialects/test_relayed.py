"""Which path belongs to whom, and what it reaches."""

from __future__ import annotations

import pytest

from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.relayed import METHODS, ROWS, place_of

VERSION = {"anthropic-version": "2023-06-01"}

PATHS = [
    ("POST", "/v1/images/generations", {}, "openai_chat", "model"),
    ("POST", "/v1/images/edits", {}, "openai_chat", "model"),
    ("GET", "/v1/images/generations", {}, "openai_chat", "shared"),
    ("GET", "/v1/images", {}, "openai_chat", "shared"),
    ("POST", "/v1/audio/speech", {}, "openai_chat", "model"),
    ("POST", "/v1/audio/transcriptions", {}, "openai_chat", "model"),
    ("POST", "/v1/audio/voices", {}, "openai_chat", "shared"),
    ("POST", "/v1/moderations", {}, "openai_chat", "model"),
    ("POST", "/v1/moderations/x", {}, None, None),
    ("POST", "/v1/completions", {}, "openai_chat", "model"),
    ("POST", "/v1/responses/compact", {}, "openai_responses", "model"),
    ("GET", "/v1/files", {}, "openai_chat", "shared"),
    ("GET", "/v1/files", VERSION, "anthropic", "shared"),
    ("DELETE", "/v1/files/a", {}, "openai_chat", "shared"),
    ("GET", "/v1/files/a/content", VERSION, "anthropic", "shared"),
    ("GET", "/v1/filesystem", {}, None, None),
    ("POST", "/v1/uploads/u/parts", {}, "openai_chat", "shared"),
    ("POST", "/v1/batches", {}, "openai_chat", "shared"),
    ("POST", "/v1/fine_tuning/jobs", {}, "openai_chat", "shared"),
    ("POST", "/v1/vector_stores/v/search", {}, "openai_chat", "shared"),
    ("GET", "/v1/videos/v/content", {}, "openai_chat", "shared"),
    ("POST", "/v1/conversations", {}, "openai_chat", "shared"),
    ("POST", "/v1/containers", {}, "openai_chat", "shared"),
    ("GET", "/v1/messages/batches", {}, "anthropic", "shared"),
    ("GET", "/v1/messages/batches/b/results", VERSION, "anthropic", "shared"),
    ("POST", "/v1beta/files", {}, "gemini", "shared"),
    ("POST", "/upload/v1beta/files", {}, "gemini", "shared"),
    ("PATCH", "/v1beta/cachedContents/c", {}, "gemini", "shared"),
    ("POST", "/v1beta/models/imagen-4:predict", {}, "gemini", "model"),
    ("GET", "/v1beta/models/imagen-4:predict", {}, None, None),
    ("POST", "/v1beta/models/g:batchGenerateContent", {}, "gemini", "shared"),
    ("POST", "/v1/models/g:asyncBatchEmbedContent", {}, "gemini", "shared"),
    ("POST", "/v1beta/models/veo-3:predictLongRunning", {}, "gemini", "shared"),
    ("GET", "/v1beta/models/veo-3/operations/o", {}, "gemini", "shared"),
    ("POST", "/v1beta/models/veo-3/operations/o:cancel", {}, "gemini", "shared"),
    ("POST", "/v1beta/tunedModels/t:transferOwnership", {}, "gemini", "shared"),
    ("GET", "/v2/datasets", {}, "cohere", "shared"),
    ("POST", "/v1/classify", {}, "cohere", "model"),
    ("POST", "/v1/tokenize", {}, "cohere", "model"),
    ("OPTIONS", "/v1/files", {}, None, None),
    ("TRACE", "/relay/openai/v1/files", {}, None, None),
    ("POST", "/V1/moderations", {}, None, None),
    ("POST", "/v1/moderations\n", {}, None, None),
    ("GET", "/v1/models", {}, None, None),
    ("GET", "/health", {}, None, None),
    ("GET", "/relay/", {}, None, None),
]


@pytest.mark.parametrize(("method", "path", "headers", "dialect", "reach"), PATHS)
def test_a_path_belongs_to_one_dialect(
    method: str, path: str, headers: dict[str, str], dialect: str | None, reach: str | None
) -> None:
    """What asks a model is open, what keeps something is shared, what is neither is not relayed."""
    place = place_of(method, path, headers)
    row = None if place is None else place.row
    assert (None if row is None else (row.dialect, row.reach)) == (dialect and (dialect, reach))


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("path", ["/relay/acme", "/relay/acme/", "/relay/acme/any/thing", "/relay/acme//"])
def test_any_path_below_a_provider_is_relayed(method: str, path: str) -> None:
    """Whoever the provider is: whether there is one is said later, to those who may ask."""
    place = place_of(method, path, {})
    assert place is not None
    assert place.provider == "acme"


@pytest.mark.parametrize("path", ["/relay/acme/v1/batches/b/cancel", "/relay/acme/batches/b/cancel"])
def test_what_is_shared_is_known_below_a_provider_too(path: str) -> None:
    """With its version or without."""
    place = place_of("POST", path, {})
    assert place is not None
    assert place.row is not None
    assert place.row.reach == "shared"


@pytest.mark.parametrize("model", ["imagen-4", "acme/imagen-4", "a:b", "models/x"])
@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_model_in_the_path_is_found(version: str, model: str) -> None:
    """Slashes and colons included."""
    place = place_of("POST", f"/{version}/models/{model}:predict", {})
    assert place is not None
    assert place.model == model


def test_every_row_names_dialects_there_are() -> None:
    """A row of a dialect nobody has would never find a provider."""
    assert {name for row in ROWS for name in (row.dialect, *row.others)} <= DIALECTS.keys()
