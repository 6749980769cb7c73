"""Every embed and rerank request of the corpus, written for every dialect: what is lost, what is refused.

A table of exact words. What is not in it is lost by nobody and refused by nobody.
"""

from __future__ import annotations

import msgspec
import pytest
from tests.dialects.tasks import Exchange, own

from dragoman.core.failure import Failure, Kind
from dragoman.core.tasks import Embed
from dragoman.dialects import Reply
from dragoman.dialects.catalog import DIALECTS

HOMES = {"openai_responses": "openai_chat"}
"""Dialects whose words for a task are another's."""

GUESSED = "approximated:purpose"
ODD = ["dropped:input_type", "dropped:truncate"]
IMAGE = "refused:inputs[0][1]"
TYPES = "refused:$.embedding_types"
LENGTHS = "refused:$.outputDimensionality"
LOAD = "refused:inputs"
OPTIONS = ["dropped:truncate", "dropped:options", "dropped:keep_alive"]
TITLES = ["dropped:requests.title"]
SINGLE = ["dropped:requests.autoTruncate"]
DOCUMENTS = ["dropped:rank_fields", "dropped:max_chunks_per_doc", "dropped:documents.title"]
SPANS = ["dropped:max_tokens_per_doc", "dropped:relevant_spans"]
COHERE = ["dropped:truncate", "dropped:priority"]

LOST: dict[tuple[str, str], list[str]] = {
    ("openai_chat/tasks/embed_base64", "gemini"): ["dropped:user"],
    ("openai_chat/tasks/embed_base64", "cohere"): ["dropped:user", GUESSED],
    ("openai_chat/tasks/embed_base64", "ollama"): ["dropped:user"],
    ("openai_chat/tasks/embed_many", "gemini"): ODD,
    ("openai_chat/tasks/embed_many", "cohere"): [*ODD, GUESSED],
    ("openai_chat/tasks/embed_many", "ollama"): ODD,
    **{
        (f"openai_chat/tasks/embed_{name}", target): ["refused:inputs[0][0]"]
        for name in ("tokens", "one_of_tokens")
        for target in ("gemini", "cohere", "ollama")
    },
    ("openai_chat/tasks/rerank_objects", "cohere"): DOCUMENTS,
    ("gemini/tasks/batch", "openai_chat"): [*TITLES, "dropped:purpose"],
    ("gemini/tasks/batch", "cohere"): TITLES,
    ("gemini/tasks/batch", "ollama"): [*TITLES, "dropped:purpose"],
    **{
        ("gemini/tasks/batch_of_all_sorts", target): [LENGTHS]
        for target in ("openai_chat", "cohere", "ollama")
    },
    ("gemini/tasks/batch_media", "openai_chat"): [IMAGE],
    ("gemini/tasks/batch_media", "ollama"): [IMAGE],
    ("gemini/tasks/single", "openai_chat"): [*SINGLE, "dropped:purpose"],
    ("gemini/tasks/single", "cohere"): SINGLE,
    ("gemini/tasks/single", "ollama"): [*SINGLE, "dropped:purpose"],
    ("cohere/tasks/embed_texts", "openai_chat"): [*COHERE, "dropped:purpose"],
    ("cohere/tasks/embed_texts", "gemini"): COHERE,
    ("cohere/tasks/embed_texts", "ollama"): [*COHERE, "dropped:purpose"],
    **{("cohere/tasks/embed_types", target): [TYPES] for target in ("openai_chat", "gemini", "ollama")},
    ("cohere/tasks/embed_spellings", "openai_chat"): ["dropped:purpose"],
    ("cohere/tasks/embed_spellings", "ollama"): ["dropped:purpose"],
    ("cohere/tasks/embed_images", "openai_chat"): ["refused:inputs[0][0]"],
    ("cohere/tasks/embed_images", "ollama"): ["refused:inputs[0][0]"],
    ("cohere/tasks/embed_inputs", "openai_chat"): [IMAGE],
    ("cohere/tasks/embed_inputs", "gemini"): ["dropped:inputs.note"],
    ("cohere/tasks/embed_inputs", "ollama"): [IMAGE],
    ("cohere/tasks/rerank", "openai_chat"): SPANS,
    ("ollama/tasks/embed", "openai_chat"): OPTIONS,
    ("ollama/tasks/embed", "gemini"): OPTIONS,
    ("ollama/tasks/embed", "cohere"): [*OPTIONS, GUESSED],
    ("ollama/tasks/embed_one", "cohere"): [GUESSED],
    ("ollama/tasks/embeddings", "openai_chat"): ["dropped:options"],
    ("ollama/tasks/embeddings", "gemini"): ["dropped:options"],
    ("ollama/tasks/embeddings", "cohere"): ["dropped:options", GUESSED],
    **{
        (f"ollama/tasks/{name}_nothing", target): [LOAD]
        for name in ("embed", "embeddings")
        for target in ("openai_chat", "gemini", "cohere")
    },
}
"""What each request loses at each dialect, or where it is refused there."""

PAIRS = [
    pytest.param(sample, target, id=f"{sample.name} to {target}")
    for sample in own()
    for target, dialect in DIALECTS.items()
    if dialect.tasks.codec(sample.task)
]


@pytest.mark.parametrize(("sample", "target"), PAIRS)
def test_what_a_request_loses(sample: Exchange, target: str) -> None:
    """Each loss is declared once and by name; what cannot be said honestly is refused with its place."""
    codec = DIALECTS[target].tasks.codec(sample.task)
    assert codec is not None
    try:
        lost = [str(loss) for loss in codec.write_request(sample.asked()).losses]
    except Failure as failure:
        assert failure.kind is Kind.UNSUPPORTED  # noqa: PT017  either outcome will do
        lost = [f"refused:{failure.at}"]
    assert lost == LOST.get((sample.name, HOMES.get(target, target)), [])


@pytest.mark.parametrize(("sample", "target"), PAIRS)
def test_what_is_asked_arrives(sample: Exchange, target: str) -> None:
    """What was written for a dialect is read there as the same inputs, length and purpose, or documents."""
    dialect, asked = DIALECTS[target], sample.asked()
    codec = dialect.tasks.codec(sample.task)
    assert codec is not None
    try:
        call = codec.write_request(asked)
    except Failure:
        return
    heard = codec.read_request(msgspec.structs.replace(call, path=f"{dialect.root}{call.path}"))
    assert heard.model == asked.model
    if not isinstance(asked, Embed):
        assert (heard.query, heard.documents, heard.top) == (asked.query, asked.documents, asked.top)
        return
    assert isinstance(heard, Embed)
    assert [[_bare(piece) for piece in one] for one in heard.inputs] == [
        [_bare(piece) for piece in one] for one in asked.inputs
    ]
    assert heard.dimensions == asked.dimensions
    if "approximated:purpose" not in map(str, call.losses):
        assert heard.purpose in (asked.purpose, None)


def _bare(piece: msgspec.Struct) -> msgspec.Struct:
    return msgspec.structs.replace(piece, extras=None) if hasattr(piece, "extras") else piece


@pytest.mark.parametrize(("sample", "target"), PAIRS)
def test_what_is_answered_arrives(sample: Exchange, target: str) -> None:
    """Vectors and ranks of one dialect are written for another's client, who reads the same numbers."""
    asked = sample.asked()
    told = sample.codec.read_answer(Reply(200, body=sample.answer), asked)
    there, codec = DIALECTS[target], DIALECTS[target].tasks.codec(sample.task)
    assert codec is not None
    try:
        call = codec.write_request(asked)
    except Failure:
        return
    client = codec.read_request(msgspec.structs.replace(call, path=f"{there.root}{call.path}"))
    reply = codec.write_answer(told, client)
    heard = codec.read_answer(Reply(200, body=reply.body), client)
    if isinstance(asked, Embed):
        assert heard.vectors == told.vectors
    else:
        assert [(rank.index, rank.score) for rank in heard.ranks] == [
            (rank.index, rank.score) for rank in told.ranks
        ]
    read = [answer.usage.total_input if answer.usage else 0 for answer in (heard, told)]
    assert read[0] == read[1]


def test_the_table_is_of_the_corpus() -> None:
    """Every row of the table is a request that is there and a dialect that has the task."""
    assert {name for name, _ in LOST} <= {sample.name for sample in own()}
    assert {target for _, target in LOST} <= DIALECTS.keys()
