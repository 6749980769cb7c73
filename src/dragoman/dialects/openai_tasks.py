"""OpenAI's embeddings, and the rerank endpoint that OpenAI-compatible servers agree on, both sides.

WIRE
    POST /v1/embeddings                           ``{"object": "list", "data": [{"index", "embedding"}]}``
    POST /openai/deployments/{model}/embeddings   the same at Azure; the path's model is the one meant
    POST /v1/rerank                               ``{"id", "model", "results": [{index, relevance_score}]}``

Embeddings, read 2026-11-21: the types of the Python SDK 3.52, which repeat
https://platform.openai.com/docs/api-reference/embeddings; and recorded traffic of three providers.
Rerank is not OpenAI's: https://jina.ai/reranker/ made it popular, and vLLM, Together, llama.cpp and Novita
(https://novita.ai/docs/api-reference/model-apis-llm-create-rerank, read 2026-11-21) serve it; Cohere's v1 is
its ancestor.

* ``input`` is a string, a list of them, a list of token ids, or a list of such lists; never empty.
* ``encoding_format`` is spelling. The SDK asks for base64 unless it is told otherwise, and takes numbers too;
  servers that do not know the field answer numbers. So an answer is read in either, and written as asked.
* ``data`` is put in the order of ``index``.
* A document is a string, or an object with a ``text``. ``return_documents`` wants each back as
  ``{"text"}``: where the provider does not repeat them, we do.
* Results are put in the order of their score; a server may return all of them whatever ``top_n`` says.
* Some count ``total_tokens`` alone: nothing else is read here, so that is the input.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import invalid, malformed
from dragoman.core.request import Text
from dragoman.core.tasks import Embed, Embedded, Input, Rank, Ranked, Rerank, Tokens
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Reply, Tasks
from dragoman.dialects.border import Crossing
from dragoman.dialects.fields import Fields
from dragoman.dialects.figures import beside, bill, count
from dragoman.dialects.openai_failure import read_fault
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

NAME = "openai_chat"
"""Whose words these are, whichever of OpenAI's dialects a provider generates in."""
MOST_INPUTS = 2048
"""What an ``input`` list may hold (api-reference/embeddings/create, 2026-11-21)."""
FORMATS = ("float", "base64")
QUIET = frozenset(("id", "object", "created", "created_at", "provider", "service_tier"))
"""What an answer says of itself alone, and of who served it."""
DEPLOYMENT = re.compile(r"/deployments/(.+)/embeddings$")

# --- EMBEDDINGS: REQUEST ------------------------------------------------------------------------------


def _read_embed(call: Call) -> Embed:
    fields = Fields(call.body, strict=True)
    deployment = DEPLOYMENT.search(unquote(call.path))
    model = fields.text("model") if deployment else fields.need_text("model")
    inputs, form = _read_inputs(fields)
    spelt = fields.one_of("encoding_format", FORMATS)
    return Embed(
        NAME,
        deployment[1] if deployment else model or "",
        inputs,
        dimensions=fields.integer("dimensions", least=1),
        user=fields.text("user"),
        extras=extras(NAME, fields.rest, form, {} if spelt is None else {"encoding_format": spelt}),
    )


def _read_inputs(fields: Fields) -> tuple[tuple[Input, ...], tuple[str, ...]]:
    """Take what is to be embedded, and whether it came without a list around it."""
    value, at = fields.any("input"), fields.path("input")
    if value is None:
        raise invalid("input is required", at)
    if not isinstance(value, list) or any(map(_is_id, value)):
        return (_read_input(value, at),), ("single",)
    if not 0 < len(value) <= MOST_INPUTS:
        raise invalid(f"input must hold 1 to {MOST_INPUTS} items", at)
    inputs = tuple(_read_input(one, f"{at}[{place}]") for place, one in enumerate(value))
    for place, one in enumerate(inputs):
        if type(one[0]) is not type(inputs[0][0]):
            raise invalid("input holds either strings or lists of token ids", f"{at}[{place}]")
    return inputs, ()


def _read_input(value: Json, at: str) -> Input:
    if isinstance(value, str) and value:
        return (Text(value),)
    if not isinstance(value, list) or not value:
        raise invalid("expected a string or a list of token ids, and not an empty one", at)
    for place, token in enumerate(value):
        if not _is_id(token):
            raise invalid("expected a token id", f"{at}[{place}]")
    return (Tokens(tuple(value)),)


def _is_id(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _write_embed(request: Embed) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    own = out.own(request.extras, "")
    limited(request, out)
    unsaid(request, out, "purpose")
    inputs = [_write_input(one, f"inputs[{place}]", out) for place, one in enumerate(request.inputs)]
    written = {
        "model": request.model,
        "input": inputs[0] if "single" in own.form else inputs,
        "dimensions": request.dimensions,
        "user": request.user,
    }
    body = _everything(own) | {name: value for name, value in written.items() if value is not None}
    return Call("POST", "/embeddings", body=body, losses=tuple(out.losses))


def _write_input(pieces: Input, at: str, out: Crossing) -> Json:
    first = pieces[0]
    return list(first.ids) if isinstance(first, Tokens) else words(pieces, at, out)


# --- EMBEDDINGS: ANSWER -------------------------------------------------------------------------------


def _read_embedded(reply: Reply, request: Embed) -> Embedded:
    fields = _opened(reply)
    form = _absent(fields, "object", "model")
    if fields.rest.get("object") == "list":
        del fields.rest["object"]
    data = fields.array("data")
    if data is None:
        raise malformed("the provider's answer has no data")
    items = _ordered([Fields(item, f"$.data[{place}]") for place, item in enumerate(data)])
    vectors = [numbers(item.any("embedding"), item.path("embedding")) for item in items]
    rest, quiet = set_apart("data", [_left(item) for item in items])
    model, usage = fields.text("model"), _read_usage(fields)
    id_ = fields.rest.get("id")  # not of OpenAI's wire: only he who sent one gets it back
    loud, own = _parted(fields.rest)
    return Embedded(
        id_ if isinstance(id_, str) else "",
        model or "",
        whole(vectors, request),
        usage,
        extras(NAME, loud | rest, form, own | quiet),
    )


def _ordered(items: list[Fields]) -> list[Fields]:
    """Return the items by their index; those of a server that numbers none as they came."""
    given = [item.integer("index") for item in items]
    if not any(place is not None for place in given):
        return items
    order = {place: item for place, item in zip(given, items, strict=True) if place is not None}
    if order.keys() != set(range(len(items))):
        raise malformed("the provider's answer numbers its vectors otherwise than 0, 1, 2 and so on")
    return [order[place] for place in range(len(items))]


def _left(item: Fields) -> dict[str, Json]:
    if item.rest.get("object") == "embedding":
        del item.rest["object"]
    return item.rest


def _write_embedded(answer: Embedded, request: Embed) -> Reply:
    out = Crossing(NAME)
    own = out.own(answer.extras, "answer")
    asked = at_home(request.extras, NAME).quiet.get("encoding_format")
    left = put_back("data", own, len(answer.vectors))
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": packed(vector) if asked == "base64" else list(vector),
            **left[index],
        }
        for index, vector in enumerate(answer.vectors)
    ]
    body = {"object": "list", "data": data, "model": answer.model or request.model}
    body |= _write_usage(answer.usage) | together("data", own)
    return Reply(200, body=_without(body, own), losses=tuple(out.losses))


# --- RERANK: REQUEST ----------------------------------------------------------------------------------


def _read_rerank(call: Call) -> Rerank:
    fields = Fields(call.body, strict=True)
    model, query, values = (
        fields.need_text("model"),
        fields.need_text("query"),
        fields.need_array("documents"),
    )
    if not values:
        raise invalid("at least one document is required", fields.path("documents"))
    documents, rest, quiet = _read_documents(values, fields.path("documents"))
    top, wanted = fields.integer("top_n", least=1), fields.flag("return_documents")
    if wanted is not None:
        quiet["return_documents"] = wanted
    return Rerank(NAME, model, query, documents, top, extras(NAME, fields.rest | rest, (), quiet))


def _read_documents(values: list[Json], at: str) -> tuple[tuple[str, ...], dict[str, Json], dict[str, Json]]:
    """Return the documents' texts, and what else they hold; as they came, if any is an object."""
    texts: list[str] = []
    left: list[dict[str, Json]] = []
    for place, value in enumerate(values):
        if isinstance(value, str):
            texts.append(value)
            left.append({})
            continue
        inner = Fields(value, f"{at}[{place}]", strict=True)
        texts.append(inner.need_text("text"))
        left.append(inner.rest)
    objects = any(isinstance(value, dict) for value in values)
    rest, _ = set_apart("documents", left)
    return tuple(texts), rest, {"documents": values} if objects else {}


def _write_rerank(request: Rerank) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    own = out.own(request.extras, "")
    body: dict[str, Json] = {
        **together("documents", own),
        "model": request.model,
        "query": request.query,
        "documents": own.quiet.get("documents", list(request.documents)),
    }
    if request.top is not None:
        body["top_n"] = request.top
    return Call("POST", "/rerank", body=body, losses=tuple(out.losses))


# --- RERANK: ANSWER -----------------------------------------------------------------------------------


def _read_ranked(reply: Reply, request: Rerank) -> Ranked:
    fields = _opened(reply)
    form = _absent(fields, "id", "model")
    id_, model = fields.text("id"), fields.text("model")
    ranks, usage = ranked(fields.any("results"), request, NAME), _read_usage(fields)
    loud, quiet = _parted(fields.rest)
    return Ranked(id_ or "", model or "", ranks, usage, extras(NAME, loud, form, quiet))


def _write_ranked(answer: Ranked, request: Rerank) -> Reply:
    out = Crossing(NAME)
    own = out.own(answer.extras, "answer")
    shown = at_home(request.extras, NAME).quiet.get("return_documents") is True
    results = []
    for place, rank in enumerate(answer.ranks):
        told = _rank(rank, f"answer.ranks[{place}]", out)
        if shown:
            told.setdefault("document", {"text": request.documents[rank.index]})
        results.append(told)
    body = {"id": answer.id, "model": answer.model or request.model, "results": results}
    body |= _write_usage(answer.usage) | _everything(own)
    return Reply(200, body=_without(body, own), losses=tuple(out.losses))


def _rank(rank: Rank, at: str, out: Crossing) -> dict[str, Json]:
    own = out.own(rank.extras, at)
    return {"index": rank.index, "relevance_score": rank.score, **_everything(own)}


# --- BOTH ---------------------------------------------------------------------------------------------


def _opened(reply: Reply) -> Fields:
    """Return the fields of an answer; raise the error a 200 may hold."""
    if not isinstance(reply.body, dict):
        raise malformed("the provider's answer is not a JSON object")
    if reply.body.get("error"):
        raise read_fault(reply.body, None, reply.headers, NAME)
    return Fields(reply.body)


def _absent(fields: Fields, *names: str) -> list[str]:
    return [f"-{name}" for name in names if name not in fields.rest]


def _without(body: dict[str, Json], own: Extras) -> dict[str, Json]:
    """Return `body` without what its provider left out."""
    return {name: value for name, value in body.items() if f"-{name}" not in own.form}


def _parted(rest: dict[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return what is left of an answer, and of that apart what says nothing outside."""
    quiet = {name: value for name, value in rest.items() if name in QUIET}
    return {name: value for name, value in rest.items() if name not in QUIET}, quiet


def _everything(own: Extras) -> dict[str, Json]:
    return {**own.rest, **own.quiet}


def _read_usage(fields: Fields) -> Usage | None:
    """Take the usage; the provider's own words stay."""
    native = fields.rest.get("usage")
    if not isinstance(native, dict) or not native:
        return None
    del fields.rest["usage"]
    read = count(native.get("prompt_tokens")) or count(native.get("total_tokens"))
    return beside(Usage(read, cost=bill(native), native=Extras(NAME, native)), fields.rest)


def _write_usage(usage: Usage | None) -> dict[str, Json]:
    if usage is None or (usage.searches and not usage.total):
        return {}
    figures = {"prompt_tokens": usage.total_input, "total_tokens": usage.total}
    return {"usage": at_home(usage.native, NAME).rest or figures}


class _Embed:
    """The embeddings codec."""

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
