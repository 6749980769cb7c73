"""What passes through unread: a title and the vendor's page for each row of the relay's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from dragoman.dialects.relayed import METHODS, PREFIX, ROWS, Row
from dragoman.server.openapi.operation import Operation, Param, Tag

RELAY = Tag(
    "Passed through",
    "What Dragoman does not translate goes to one provider as it is, signed and booked: pictures and sound, "
    "files, batches, fine-tuning. Bodies and answers are the vendor's own, see their reference. What reaches "
    "state that all keys share at a provider needs a grant (`[relay] keys`).",
)


class Origin(msgspec.Struct, frozen=True):
    """Where a relayed path comes from.

    Attributes:
        vendor: Whose clients call it.
        title: What it is about.
        docs: The vendor's reference.
    """

    vendor: str
    title: str
    docs: str


_OPENAI = "https://platform.openai.com/docs/api-reference/"
_CLAUDE = "https://platform.claude.com/docs/en/api/"
_GOOGLE = "https://ai.google.dev/api/"
_COHERE = "https://docs.cohere.com/reference/"

ORIGINS: Mapping[str, Origin] = MappingProxyType(
    {
        "/v1/messages/batches/*": Origin(
            "Anthropic", "Message batches", f"{_CLAUDE}creating-message-batches"
        ),
        "/v1/skills/*": Origin("Anthropic", "Skills", f"{_CLAUDE}skills"),
        "/v1/images/generations": Origin("OpenAI", "Make pictures", f"{_OPENAI}images"),
        "/v1/images/edits": Origin("OpenAI", "Edit pictures", f"{_OPENAI}images"),
        "/v1/images/variations": Origin("OpenAI", "Vary pictures", f"{_OPENAI}images"),
        "/v1/audio/speech": Origin("OpenAI", "Speak a text", f"{_OPENAI}audio"),
        "/v1/audio/transcriptions": Origin("OpenAI", "Write down speech", f"{_OPENAI}audio"),
        "/v1/audio/translations": Origin("OpenAI", "Translate speech", f"{_OPENAI}audio"),
        "/v1/moderations": Origin("OpenAI", "Moderate", f"{_OPENAI}moderations"),
        "/v1/completions": Origin("OpenAI", "Complete a text, the oldest way", f"{_OPENAI}completions"),
        "/v1/responses/compact": Origin("OpenAI", "Compact a conversation", f"{_OPENAI}responses"),
        "/v1/images/*": Origin("OpenAI", "Pictures, all else", f"{_OPENAI}images"),
        "/v1/audio/*": Origin("OpenAI", "Sound, all else", f"{_OPENAI}audio"),
        "/v1/videos/*": Origin("OpenAI", "Videos", f"{_OPENAI}videos"),
        "/v1/files/*": Origin("OpenAI, Anthropic", "Files", f"{_OPENAI}files"),
        "/v1/uploads/*": Origin("OpenAI", "Uploads", f"{_OPENAI}uploads"),
        "/v1/batches/*": Origin("OpenAI", "Batches", f"{_OPENAI}batch"),
        "/v1/fine_tuning/*": Origin("OpenAI", "Fine-tuning", f"{_OPENAI}fine-tuning"),
        "/v1/vector_stores/*": Origin("OpenAI", "Vector stores", f"{_OPENAI}vector-stores"),
        "/v1/conversations/*": Origin("OpenAI", "Conversations", f"{_OPENAI}conversations"),
        "/v1/containers/*": Origin("OpenAI", "Containers", f"{_OPENAI}containers"),
        "/v1/evals/*": Origin("OpenAI", "Evals", f"{_OPENAI}evals"),
        "/v1/assistants/*": Origin("OpenAI", "Assistants", f"{_OPENAI}assistants"),
        "/v1/threads/*": Origin("OpenAI", "Threads", f"{_OPENAI}threads"),
        "/v1beta/files/*": Origin("Google", "Files", f"{_GOOGLE}files"),
        "/upload/v1beta/files/*": Origin("Google", "Upload files", f"{_GOOGLE}files"),
        "/download/v1beta/files/*": Origin("Google", "Download files", f"{_GOOGLE}files"),
        "/v1beta/cachedContents/*": Origin("Google", "Cached contents", f"{_GOOGLE}caching"),
        "/v1beta/batches/*": Origin("Google", "Batches", f"{_GOOGLE}batch-mode"),
        "/v1beta/operations/*": Origin("Google", "Operations", f"{_GOOGLE}batch-mode"),
        "/v1beta/models/{model}/operations/*": Origin("Google", "A model's operations", f"{_GOOGLE}models"),
        "/v1/models/{model}/operations/*": Origin("Google", "A model's operations", f"{_GOOGLE}models"),
        "/v1beta/tunedModels/*": Origin("Google", "Tuned models", f"{_GOOGLE}tuning"),
        "/v1beta/fileSearchStores/*": Origin("Google", "File search", f"{_GOOGLE}file-search"),
        "/upload/v1beta/fileSearchStores/*": Origin(
            "Google", "Upload for file search", f"{_GOOGLE}file-search"
        ),
        "/v1beta/generatedFiles/*": Origin("Google", "Generated files", f"{_GOOGLE}files"),
        "/v1beta/corpora/*": Origin("Google", "Corpora", f"{_GOOGLE}semantic-retrieval"),
        "/v1beta/models/{model}:batchGenerateContent": Origin("Google", "Batch", f"{_GOOGLE}batch-mode"),
        "/v1/models/{model}:batchGenerateContent": Origin("Google", "Batch", f"{_GOOGLE}batch-mode"),
        "/v1beta/models/{model}:asyncBatchEmbedContent": Origin("Google", "Batch", f"{_GOOGLE}batch-mode"),
        "/v1/models/{model}:asyncBatchEmbedContent": Origin("Google", "Batch", f"{_GOOGLE}batch-mode"),
        "/v1beta/models/{model}:predictLongRunning": Origin("Google", "Long predictions", f"{_GOOGLE}models"),
        "/v1/models/{model}:predictLongRunning": Origin("Google", "Long predictions", f"{_GOOGLE}models"),
        "/v1beta/models/{model}:*": Origin("Google", "Any other method", f"{_GOOGLE}models"),
        "/v1/models/{model}:*": Origin("Google", "Any other method", f"{_GOOGLE}models"),
        "/v1/classify": Origin("Cohere", "Classify", f"{_COHERE}classify"),
        "/v1/tokenize": Origin("Cohere", "Tokenize", f"{_COHERE}tokenize"),
        "/v1/detokenize": Origin("Cohere", "Detokenize", f"{_COHERE}detokenize"),
        "/v1/summarize": Origin("Cohere", "Summarize", f"{_COHERE}summarize"),
        "/v1/generate": Origin("Cohere", "Generate, the older way", f"{_COHERE}generate"),
        "/v1/embed-jobs/*": Origin("Cohere", "Embed jobs", f"{_COHERE}list-embed-jobs"),
        "/v1/datasets/*": Origin("Cohere", "Datasets", f"{_COHERE}list-datasets"),
        "/v1/connectors/*": Origin("Cohere", "Connectors", f"{_COHERE}list-connectors"),
        "/v1/finetuning/*": Origin("Cohere", "Fine-tuning", f"{_COHERE}listfinetunedmodels"),
        "/v2/*": Origin("Cohere", "All else of version 2", f"{_COHERE}about"),
    }
)
"""By the pattern of the row."""

BARE = ("GET", "POST")
"""What is called at a collection itself, in vendors' references; any method passes."""
BELOW = ("GET", "POST", "DELETE")
"""What is called below one."""
ANY = tuple(sorted(METHODS - {"HEAD"}))

REST = Param("rest", "The rest of the path, slashes included.", example="file-abc123")
NAMED = Param("provider", "A provider's name, as `GET /v1/health` has it.", example="openai")


def operations() -> Iterator[tuple[str, Operation]]:
    """Yield what is relayed, in the order of the table; of two rows of one pattern, that for all requests."""
    free = {row.pattern for row in ROWS if not row.header}
    for row in ROWS:
        if not row.header or row.pattern not in free:
            yield from _of(row)
    everything = Operation(
        tag=RELAY.name,
        title="Any path of a provider",
        text="Send anything to a provider, as it is. The path is the provider's own, with its version or "
        "without. Needs a grant.",
        params=(NAMED, Param("rest", "The provider's own path.", example="models")),
        access="grant",
        line=False,
        passes=True,
    )
    for method in ANY:
        yield f"{method} {PREFIX}{{provider}}/{{rest}}", everything


def _of(row: Row) -> Iterator[tuple[str, Operation]]:
    origin = ORIGINS[row.pattern]
    grant = "" if row.reach == "model" else " It reaches what all keys share there, so a key needs a grant."
    operation = Operation(
        tag=RELAY.name,
        title=f"{origin.vendor}: {origin.title}",
        text=f"Passed to a provider as it is; see [the vendor's reference]({origin.docs}).{grant}",
        words=row.dialect,
        access="ask" if row.reach == "model" else "grant",
        line=False,
        passes=True,
        header=row.header,
    )
    if row.pattern.endswith(":*"):
        yield f"POST {row.pattern[:-1]}{{method}}", operation
    elif row.pattern.endswith("/*"):
        for method in BARE:
            yield f"{method} {row.pattern[:-2]}", operation
        below = msgspec.structs.replace(operation, params=(REST,))
        for method in BELOW:
            yield f"{method} {row.pattern[:-1]}{{rest}}", below
    else:
        for method in row.methods or BARE:
            yield f"{method} {row.pattern}", operation
