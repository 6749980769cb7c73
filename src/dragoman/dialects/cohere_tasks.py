"""Cohere v2 embed and rerank, both sides.

WIRE
    POST /v2/embed     ``{"id", "embeddings": {"float": [[...]], "int8": ...}, "texts", "meta"}``
    POST /v2/rerank    ``{"id", "results": [{"index", "relevance_score"}], "meta"}``, best first

Read 2026-11-21: the types and docstrings of the Python SDK 7.3, which repeat
https://docs.cohere.com/reference/embed and https://docs.cohere.com/reference/rerank; and recorded traffic.

* What is embedded is in one of three fields: ``texts``, ``images`` (data URIs), or ``inputs``, whose items
  mix both (Embed v4 and newer).
* ``input_type`` is required. Whoever says no purpose has documents embedded, and is told so.
* ``embedding_types`` asks for vectors in several number formats at once. The core knows floats; base64 is a
  spelling of them, and can be given for any provider's. The integer and binary formats are made by the
  model's owner: they go home verbatim, and elsewhere the request is refused.
* Neither answer names its model. What is billed is in ``meta.billed_units``: tokens of what was embedded, and
  for a rerank search units, which are no tokens and are counted apart.
"""

from __future__ import annotations

from typing import Literal

from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import invalid, malformed, unsupported
from dragoman.core.request import Media, Text
from dragoman.core.tasks import Embed, Embedded, Input, Purpose, Ranked, Rerank
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Reply, Tasks
from dragoman.dialects.border import BINDING, Crossing, inlined
from dragoman.dialects.cohere_parts import NAME, read_usage
from dragoman.dialects.fields import Fields
from dragoman.dialects.vectors import (
    limited,
    numbers,
    packed,
    put_back,
    ranked,
    set_apart,
    together,
    unsaid,
    whole,
    words,
)

MOST_INPUTS = 96
"""Of ``texts`` or ``inputs``; ``images`` are limited by their size together (reference/embed, 2026-11-21)."""
TYPES = ("float", "int8", "uint8", "binary", "ubinary", "base64")
SPELLINGS = ("float", "base64")
"""Types that any vector can be written in."""
PURPOSES: dict[str, Purpose] = {
    "search_query": "query",
    "search_document": "document",
    "classification": "classification",
    "clustering": "clustering",
}
PURPOSE_WORDS: dict[Purpose | None, str] = {purpose: word for word, purpose in PURPOSES.items()}
COUNTED = ("input_tokens", "image_tokens", "search_units")
FIELDS: tuple[Literal["texts", "images", "inputs"], ...] = ("texts", "images", "inputs")

# --- EMBED: REQUEST -----------------------------------------------------------------------------------


def _read_embed(call: Call) -> Embed:
    fields = Fields(call.body, strict=True)
    model, kind = fields.need_text("model"), fields.one_of("input_type", (*PURPOSES, "image"))
    if kind is None:
        raise invalid("input_type is required", fields.path("input_type"))
    field, inputs, left = _read_inputs(fields)
    types = fields.strings("embedding_types")
    for place, word in enumerate(types or ()):
        if word not in TYPES:
            at = f"{fields.path('embedding_types')}[{place}]"
            raise invalid(f"a type of embedding is one of {', '.join(TYPES)}", at)
    dimensions = fields.integer("output_dimension", least=1)
    form = [field, *(["image"] if kind == "image" else [])]
    if not set(types or ()) <= set(SPELLINGS):
        form.append(f"{BINDING}embedding_types")
    rest, quiet = set_apart("inputs", left)
    if types is not None:
        quiet["embedding_types"] = list(types)
    kept = extras(NAME, fields.rest | rest, form, quiet)
    return Embed(NAME, model, inputs, PURPOSES.get(kind), dimensions, extras=kept)


def _read_inputs(fields: Fields) -> tuple[str, tuple[Input, ...], list[dict[str, Json]]]:
    """Take the one field that is embedded; return its name, and what is left of its items, as well."""
    given = [name for name in FIELDS if fields.rest.get(name) is not None]
    if len(given) != 1:
        at = fields.path(given[1] if given else "texts")
        raise invalid(f"exactly one of {', '.join(FIELDS)} is embedded", at)
    [name] = given
    values, at = fields.need_array(name), fields.path(name)
    if not values or (name != "images" and len(values) > MOST_INPUTS):
        most = "" if name == "images" else f" and at most {MOST_INPUTS}"
        raise invalid(f"{name} must hold at least one item{most}", at)
    if name == "inputs":
        items = [Fields(value, f"{at}[{place}]", strict=True) for place, value in enumerate(values)]
        return name, tuple(map(_read_mixed, items)), [item.rest for item in items]
    for place, value in enumerate(values):
        if not isinstance(value, str):
            raise invalid("expected a string", f"{at}[{place}]")
    if name == "texts":
        return name, tuple((Text(text),) for text in values), []
    return name, tuple((_read_image(uri, f"{at}[{place}]"),) for place, uri in enumerate(values)), []


def _read_mixed(item: Fields) -> Input:
    blocks, at = item.need_array("content"), item.path("content")
    if not blocks:
        raise invalid("an input's content is not empty", at)
    return tuple(_read_block(block, f"{at}[{place}]") for place, block in enumerate(blocks))


def _read_block(value: Json, at: str) -> Text | Media:
    fields = Fields(value, at, strict=True)
    kind = fields.one_of("type", ("text", "image_url"))
    if kind == "text":
        return Text(fields.need_text("text"), extras=extras(NAME, fields.rest))
    inner = fields.need_object("image_url")
    media = _read_image(inner.need_text("url"), inner.path("url"))
    fields.leave("image_url", inner)
    return Media(media.kind, media.source, media.data, media.mime, extras=extras(NAME, fields.rest))


def _read_image(uri: str, at: str) -> Media:
    mime, found, data = uri.removeprefix("data:").partition(";base64,")
    if not uri.startswith("data:") or not found or not mime:
        raise invalid("an image is a data URI with a media type and base64 data", at)
    return Media("image", "base64", data, mime)


def _write_embed(request: Embed) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    own = out.own(request.extras, "")
    limited(request, out, None if "images" in own.form else MOST_INPUTS)
    unsaid(request, out, "user")
    kind = "image" if "image" in own.form else PURPOSE_WORDS.get(request.purpose)
    if kind is None:
        kind = "search_document"
        out.lose("approximated", "purpose", "Cohere must be told one: documents are assumed")
    body: dict[str, Json] = {
        **together("inputs", own),
        "model": request.model,
        "input_type": kind,
        **_write_inputs(request.inputs, own, out),
    }
    if not out.home:
        body["embedding_types"] = ["float"]
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    return Call("POST", "/embed", body=body, losses=tuple(out.losses))


def _write_inputs(inputs: tuple[Input, ...], own: Extras, out: Crossing) -> dict[str, Json]:
    placed = [(f"inputs[{place}]", pieces) for place, pieces in enumerate(inputs)]
    if "images" in own.form:
        return {"images": [_write_block(one[0], f"{at}[0]", out)["image_url"]["url"] for at, one in placed]}
    plain = all(len(pieces) == 1 and isinstance(pieces[0], Text) for pieces in inputs)
    if plain and "inputs" not in own.form:
        return {"texts": [words(pieces, at, out) for at, pieces in placed]}
    left = put_back("inputs", own, len(inputs))
    mixed = [[_write_block(piece, f"{at}[{n}]", out) for n, piece in enumerate(one)] for at, one in placed]
    return {"inputs": [{"content": blocks, **rest} for blocks, rest in zip(mixed, left, strict=True)]}


def _write_block(piece: Json, at: str, out: Crossing) -> dict[str, Json]:
    """Write one piece of an input that mixes text and images."""
    if isinstance(piece, Text):
        text = words((piece,), at, out)
        return {"type": "text", "text": text, **out.own(piece.extras, at).rest}
    if not isinstance(piece, Media):
        raise unsupported("Cohere embeds text and images, not token ids", at)
    own, image = out.own(piece.extras, at), inlined(piece, at)
    if image.kind != "image" or image.source != "base64" or not image.mime:
        raise unsupported(f"Cohere embeds images given as data, not this {image.kind} ({image.source})", at)
    block = {"url": f"data:{image.mime};base64,{image.data}", **own.rest.get("image_url", {})}
    return {"type": "image_url", **own.rest, "image_url": block}


# --- EMBED: ANSWER ------------------------------------------------------------------------------------


def types_asked(request: Embed) -> tuple[str, ...]:
    """Return the number formats that the client of `request` wants its vectors in."""
    return tuple(at_home(request.extras, NAME).quiet.get("embedding_types") or ("float",))


def _read_embedded(reply: Reply, request: Embed) -> Embedded:
    fields = _opened(reply)
    given = fields.any("embeddings")
    if not isinstance(given, dict):
        raise malformed("the provider's answer has no embeddings by type")
    for word in types_asked(request):
        many = given.get(word)
        if not isinstance(many, list) or len(many) != len(request.inputs):
            raise malformed(f"the provider's answer has not one {word} embedding for each input")
    told = next((word for word in SPELLINGS if isinstance(given.get(word), list)), None)
    values = given[told] if told else ()
    vectors = [numbers(value, f"$.embeddings.{told}[{place}]") for place, value in enumerate(values)]
    usage, id_ = _read_meta(fields), fields.text("id")
    quiet = {name: fields.rest.pop(name) for name in QUIET if name in fields.rest}
    quiet["embeddings"] = {word: many for word, many in given.items() if word != "float"}
    return Embedded(
        id_ or "",
        "",
        whole(vectors, request) if told else (),
        usage,
        extras(NAME, fields.rest, [told or "none"], quiet),
    )


QUIET = ("texts", "images", "inputs", "response_type", "meta")
"""What repeats the request, or is Cohere's own bookkeeping."""


def _write_embedded(answer: Embedded, request: Embed) -> Reply:
    out = Crossing(NAME)
    own = out.own(answer.extras, "answer")
    body: dict[str, Json] = {"id": answer.id, **_write_meta(answer.usage)}
    if own:
        floats = {"float": [list(vector) for vector in answer.vectors]} if "float" in own.form else {}
        body |= {**own.quiet, **own.rest, "embeddings": {**own.quiet["embeddings"], **floats}}
        return Reply(200, body=body, losses=tuple(out.losses))
    spelt: dict[str, Json] = {}
    for word in (word for word in types_asked(request) if word in SPELLINGS):
        spelt[word] = [list(one) if word == "float" else packed(one) for one in answer.vectors]
    body |= {"response_type": "embeddings_by_type", "embeddings": spelt}
    body["texts"] = [one[0].text for one in request.inputs if len(one) == 1 and isinstance(one[0], Text)]
    return Reply(200, body=body, losses=tuple(out.losses))


# --- RERANK -------------------------------------------------------------------------------------------


def _read_rerank(call: Call) -> Rerank:
    fields = Fields(call.body, strict=True)
    model, query = fields.need_text("model"), fields.need_text("query")
    documents, at = fields.need_array("documents"), fields.path("documents")
    if not documents:
        raise invalid("at least one document is required", at)
    for place, document in enumerate(documents):
        if not isinstance(document, str):
            raise invalid("expected a string", f"{at}[{place}]")
    top = fields.integer("top_n", least=1)
    return Rerank(NAME, model, query, tuple(documents), top, extras(NAME, fields.rest))


def _write_rerank(request: Rerank) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    body: dict[str, Json] = {
        **out.own(request.extras, "").rest,
        "model": request.model,
        "query": request.query,
        "documents": list(request.documents),
    }
    if request.top is not None:
        body["top_n"] = request.top
    return Call("POST", "/rerank", body=body, losses=tuple(out.losses))


def _read_ranked(reply: Reply, request: Rerank) -> Ranked:
    fields = _opened(reply)
    ranks = ranked(fields.any("results"), request, NAME)
    usage, id_ = _read_meta(fields), fields.text("id")
    quiet = {"meta": fields.rest.pop("meta")} if "meta" in fields.rest else {}
    return Ranked(id_ or "", "", ranks, usage, extras(NAME, fields.rest, (), quiet))


def _write_ranked(answer: Ranked, request: Rerank) -> Reply:  # noqa: ARG001  the protocol's signature
    out = Crossing(NAME)
    own = out.own(answer.extras, "answer")
    results = []
    for place, rank in enumerate(answer.ranks):
        kept = out.own(rank.extras, f"answer.ranks[{place}]")
        results.append({"index": rank.index, "relevance_score": rank.score, **kept.quiet, **kept.rest})
    body = {"id": answer.id, "results": results, **_write_meta(answer.usage), **own.quiet, **own.rest}
    return Reply(200, body=body, losses=tuple(out.losses))


# --- BOTH ---------------------------------------------------------------------------------------------


def _opened(reply: Reply) -> Fields:
    if not isinstance(reply.body, dict):
        raise malformed("the provider's answer is not a JSON object")
    if isinstance(said := reply.body.get("message"), str):
        raise malformed(f"the provider failed: {said}")
    return Fields(reply.body)


def _read_meta(fields: Fields) -> Usage | None:
    """Take what was counted; a ``meta`` that counts nothing stays where it is."""
    native = fields.rest.get("meta")
    if not isinstance(native, dict):
        return None
    counts = [counted for name in ("tokens", "billed_units") if isinstance(counted := native.get(name), dict)]
    if all(counted.get(name) is None for counted in counts for name in COUNTED):
        return None
    del fields.rest["meta"]
    return read_usage(native)


def _write_meta(usage: Usage | None) -> dict[str, Json]:
    if usage is None:
        return {}
    counted = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": usage.total_input}}
    return {"meta": at_home(usage.native, NAME).rest or counted}


class _Embed:
    """The embed codec."""

    read_request = staticmethod(_read_embed)
    write_request = staticmethod(_write_embed)
    read_answer = staticmethod(_read_embedded)
    write_answer = staticmethod(_write_embedded)


class _Rerank:
    """The rerank codec."""

    read_request = staticmethod(_read_rerank)
    write_request = staticmethod(_write_rerank)
    read_answer = staticmethod(_read_ranked)
    write_answer = staticmethod(_write_ranked)


TASKS = Tasks(embed=_Embed(), rerank=_Rerank())
