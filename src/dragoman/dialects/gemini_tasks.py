"""Google Gemini embedContent and batchEmbedContents, both sides.

WIRE
    POST /v1beta/models/{model}:embedContent          ``{"embedding": {"values"}, "usageMetadata"}``
    POST /v1beta/models/{model}:batchEmbedContents    ``{"embeddings": [{"values"}], "usageMetadata"}``

Read 2026-11-21: the types and converters of the Python SDK 3.4, which always sends a batch, and recorded
traffic; the reference behind both is https://ai.google.dev/api/embeddings.

* A batch is a list of whole requests. Each names the model of the path again, and each may have a task, a
  title and a length of its own; one content is one vector, however many parts it has.
* Where all agree on task and length, these are the core's; else they stay with their request, and go home
  only. Vectors of several lengths exist nowhere else: such a batch is refused there.
* Four task types say what others say too; the rest (SEMANTIC_SIMILARITY, CODE_RETRIEVAL_QUERY, ...) and
  ``title`` are lost abroad.
* A provider is always asked with a batch; what it answers is read in either form.
"""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.core.extras import Json, at_home, extras
from dragoman.core.failure import invalid, malformed, unsupported
from dragoman.core.request import Media, Text
from dragoman.core.tasks import Embed, Embedded, Input, Purpose, Tokens
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Reply, Tasks
from dragoman.dialects.border import BINDING, Crossing, merged
from dragoman.dialects.fields import Fields
from dragoman.dialects.gemini_failure import is_error, read_failure
from dragoman.dialects.gemini_parts import (
    NAME,
    Ids,
    address,
    read_part,
    read_usage,
    resource,
    settle,
    target,
    unsettle,
    whole_number,
    write_part,
)
from dragoman.dialects.vectors import limited, numbers, put_back, set_apart, together, unsaid, whole

MOST_INPUTS = 100
"""Requests in one batch: "at most 100 requests can be in one batch" (the API's own error, 2026-11-21)."""
PURPOSES: dict[str, Purpose] = {
    "RETRIEVAL_QUERY": "query",
    "RETRIEVAL_DOCUMENT": "document",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
}
TASK, LENGTH = "taskType", "outputDimensionality"
PURPOSE_WORDS: dict[Purpose, str] = {purpose: word for word, purpose in PURPOSES.items()}

# --- REQUEST IN ---------------------------------------------------------------------------------------


def _read_request(call: Call) -> Embed:
    model, method = target(call.path)
    body, form = settle(call.body)
    fields = Fields(body, strict=True)
    single = method == "embedContent"
    entries = [fields] if single else _entries(fields)
    inputs, roles = zip(*(_read_entry(entry, model, single=single) for entry in entries), strict=True)
    purpose, (dimensions, binding) = _read_purpose(entries), _read_dimensions(entries)
    left = [entry.rest for entry in entries]
    rest, _ = set_apart("requests", left)
    kept = [merged(role, one) for role, one in zip(roles, left, strict=True)]
    return Embed(
        NAME,
        model,
        inputs,
        purpose,
        dimensions,
        extras=extras(
            NAME,
            rest if single else {**fields.rest, **rest},
            (*(("single",) if single else form), *binding),
            {"requests": kept} if any(kept) else {},
        ),
    )


def _entries(fields: Fields) -> list[Fields]:
    values, at = fields.need_array("requests"), fields.path("requests")
    if not 0 < len(values) <= MOST_INPUTS:
        raise invalid(f"a batch holds 1 to {MOST_INPUTS} requests", at)
    return [Fields(value, f"{at}[{place}]", strict=True) for place, value in enumerate(values)]


def _read_entry(entry: Fields, model: str, *, single: bool) -> tuple[Input, dict[str, Json]]:
    """Take one request's content; return with it what its turn is called, which says nothing here."""
    name = entry.text("model")
    if name is None and not single:
        entry.missing("model")
    if name not in (None, resource(model)):
        raise invalid(f"the model of the path is {resource(model)}", entry.path("model"))
    content = entry.need_object("content")
    role = {"content": {"role": content.rest.pop("role")}} if "role" in content.rest else {}
    values, at = content.need_array("parts"), content.path("parts")
    if not values:
        raise invalid("at least one part is required", at)
    pieces = [read_part(value, f"{at}[{n}]", Ids(), strict=True) for n, value in enumerate(values)]
    for place, piece in enumerate(pieces):
        if not isinstance(piece, (Text, Media)):
            raise invalid("text and media can be embedded, and nothing else", f"{at}[{place}]")
    entry.leave("content", content)
    return tuple(piece for piece in pieces if isinstance(piece, (Text, Media))), role


def _read_purpose(entries: list[Fields]) -> Purpose | None:
    """Take the task type where all have the same, and others know it too."""
    words = [entry.text(TASK) for entry in entries]
    if len(set(words)) == 1 and words[0] in PURPOSES:
        return PURPOSES[words[0]]
    _leave(entries, TASK, words)
    return None


def _read_dimensions(entries: list[Fields]) -> tuple[int | None, tuple[str, ...]]:
    """Take the vectors' length where all have the same; else it stays, and binds."""
    lengths = [whole_number(entry, LENGTH, least=1) for entry in entries]
    if len(set(lengths)) == 1:
        return lengths[0], ()
    _leave(entries, LENGTH, lengths)
    return None, (f"{BINDING}{LENGTH}",)


def _leave(entries: list[Fields], name: str, values: Sequence[Json]) -> None:
    for entry, value in zip(entries, values, strict=True):
        if value is not None:
            entry.rest[name] = value


# --- REQUEST OUT --------------------------------------------------------------------------------------


def _write_request(request: Embed) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    own = out.own(request.extras, "")
    limited(request, out, MOST_INPUTS)
    unsaid(request, out, "user")
    said: dict[str, Json] = {"model": resource(request.model)}
    if request.purpose is not None:
        said[TASK] = PURPOSE_WORDS[request.purpose]
    if request.dimensions is not None:
        said[LENGTH] = request.dimensions
    left = put_back("requests", own, len(request.inputs))
    entries = [
        merged({**said, "content": {"parts": _write_input(pieces, f"inputs[{place}]", out)}}, left[place])
        for place, pieces in enumerate(request.inputs)
    ]
    # The paths of a spelling are those of the request as it came.
    form = () if "single" in own.form else own.form
    body = unsettle({**together("requests", own), "requests": entries}, form)
    return Call("POST", address(request.model, "batchEmbedContents"), body=body, losses=tuple(out.losses))


def _write_input(pieces: Input, at: str, out: Crossing) -> list[Json]:
    parts: list[Json] = []
    for place, piece in enumerate(pieces):
        if isinstance(piece, Tokens):
            raise unsupported("Gemini embeds text and media, not token ids", f"{at}[{place}]")
        # None is said of an empty text, which is one here all the same: the provider may judge it.
        parts.append(write_part(piece, f"{at}[{place}]", out) or {"text": ""})
    return parts


# --- ANSWER IN ----------------------------------------------------------------------------------------


def _read_answer(reply: Reply, request: Embed) -> Embedded:
    if not isinstance(reply.body, dict):
        raise malformed("the provider's answer is not a JSON object")
    if is_error(reply.body):
        raise read_failure(reply)
    fields = Fields(reply.body)
    one, many = fields.any("embedding"), fields.array("embeddings")
    if one is None and many is None:
        raise malformed("the provider's answer has no embeddings")
    items = [Fields(value, f"$.embeddings[{n}]") for n, value in enumerate([one] if many is None else many)]
    vectors = [numbers(item.any("values"), item.path("values")) for item in items]
    rest, quiet = set_apart("embeddings", [item.rest for item in items])
    usage = _read_usage(fields)
    kept = extras(NAME, {**fields.rest, **rest}, (), quiet)
    return Embedded("", "", whole(vectors, request, lengths_asked(request)), usage, kept)


def lengths_asked(request: Embed) -> list[int | None]:
    """Return how long each vector is to be: a batch may want each otherwise."""
    left = put_back("requests", at_home(request.extras, NAME), len(request.inputs))
    return [one.get(LENGTH) or request.dimensions for one in left]


def _read_usage(fields: Fields) -> Usage | None:
    native = fields.rest.get("usageMetadata")
    if not isinstance(native, dict) or not native:
        return None
    del fields.rest["usageMetadata"]
    return read_usage(native)


# --- ANSWER OUT ---------------------------------------------------------------------------------------


def _write_answer(answer: Embedded, request: Embed) -> Reply:
    out = Crossing(NAME)
    own = out.own(answer.extras, "answer")
    left = put_back("embeddings", own, len(answer.vectors))
    told = [{"values": list(vector), **left[place]} for place, vector in enumerate(answer.vectors)]
    single = "single" in at_home(request.extras, NAME).form
    body: dict[str, Json] = {"embedding": told[0]} if single else {"embeddings": told}
    if answer.usage is not None:
        figures = {"promptTokenCount": answer.usage.total_input, "totalTokenCount": answer.usage.total}
        body["usageMetadata"] = at_home(answer.usage.native, NAME).rest or figures
    return Reply(200, body={**body, **together("embeddings", own)}, losses=tuple(out.losses))


class _Embed:
    """The codec of both methods."""

    read_request = staticmethod(_read_request)
    write_request = staticmethod(_write_request)
    read_answer = staticmethod(_read_answer)
    write_answer = staticmethod(_write_answer)


TASKS = Tasks(embed=_Embed())
