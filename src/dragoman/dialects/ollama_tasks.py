"""Ollama's embed and the older embeddings, both sides.

WIRE
    POST /api/embed         ``{"model", "embeddings": [[...]], "prompt_eval_count", "total_duration", ...}``
    POST /api/embeddings    ``{"embedding": [...]}``; superseded, one prompt at a time

Read 2026-11-21: the types of the Python SDK 0.6, and EmbedHandler and EmbeddingsHandler in the server's own
``server/routes.go``; the reference is https://docs.ollama.com/api/embed. What the source says:

* Only the newer endpoint scales its vectors to unit length, so what was asked of the older goes home to the
  older. Whoever comes from another dialect asks the newer.
* ``input`` is a string or a list of them. Nothing to embed only loads the model: no vectors are the answer.
* ``dimensions`` cuts a longer vector; a shorter one is given as it is.
"""

from __future__ import annotations

from dragoman.core.extras import Json, at_home, extras
from dragoman.core.failure import invalid, malformed
from dragoman.core.request import Text
from dragoman.core.tasks import Embed, Embedded, Input
from dragoman.dialects import Call, Reply, Tasks
from dragoman.dialects.border import Crossing, hushed
from dragoman.dialects.fields import Fields
from dragoman.dialects.ollama_parts import METRICS, NAME, read_usage, write_usage
from dragoman.dialects.vectors import limited, numbers, unsaid, whole, words

# --- REQUEST ------------------------------------------------------------------------------------------


def _read_request(call: Call) -> Embed:
    fields = Fields(call.body, strict=True)
    model, prompted = fields.need_text("model"), call.path.endswith("/embeddings")
    form = ["prompt"] if prompted else []
    inputs = _read_prompt(fields) if prompted else _read_inputs(fields, form)
    quiet = {} if prompted else hushed(fields.rest, "dimensions")
    dimensions = None if prompted else fields.integer("dimensions", least=1)
    return Embed(NAME, model, inputs, dimensions=dimensions, extras=extras(NAME, fields.rest, form, quiet))


def _read_prompt(fields: Fields) -> tuple[Input, ...]:
    prompt = fields.words("prompt")
    return () if prompt is None else ((Text(prompt),),)


def _read_inputs(fields: Fields, form: list[str]) -> tuple[Input, ...]:
    """Take the texts; what holds none stays where it is."""
    value, at = fields.rest.get("input"), fields.path("input")
    if value is None or value in ("", []):
        return ()
    del fields.rest["input"]
    if isinstance(value, str):
        form.append("single")
        return ((Text(value),),)
    if not isinstance(value, list):
        raise invalid("expected a string or an array of strings", at)
    for place, text in enumerate(value):
        if not isinstance(text, str):
            raise invalid("expected a string", f"{at}[{place}]")
    return tuple((Text(text),) for text in value)


def _write_request(request: Embed) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    own = out.own(request.extras, "")
    unsaid(request, out, "purpose", "user")
    if not out.home:
        limited(request, out)
    texts = [words(pieces, f"inputs[{place}]", out) for place, pieces in enumerate(request.inputs)]
    body: dict[str, Json] = {**own.quiet, **own.rest, "model": request.model}
    prompted = "prompt" in own.form
    if texts:
        single = prompted or "single" in own.form
        body["prompt" if prompted else "input"] = texts[0] if single else texts
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return Call("POST", "/embeddings" if prompted else "/embed", body=body, losses=tuple(out.losses))


# --- ANSWER -------------------------------------------------------------------------------------------


def _read_answer(reply: Reply, request: Embed) -> Embedded:
    fields = Fields(reply.body)
    if isinstance(said := fields.rest.get("error"), str):
        raise malformed(f"the provider failed: {said}")
    one, many = fields.any("embedding"), fields.array("embeddings")
    if one is None and many is None:
        raise malformed("the provider's answer has no embeddings")
    told = many if many is not None else [one] if one else []
    vectors = [numbers(value, f"$.embeddings[{place}]") for place, value in enumerate(told)]
    native = {name: fields.rest.pop(name) for name in METRICS if name in fields.rest}
    # Its own clients know that a vector may be shorter than they asked.
    lengths = [None] * len(vectors) if request.dialect == NAME else None
    return Embedded(
        "",
        fields.text("model") or "",
        whole(vectors, request, lengths),
        read_usage(native),
        extras(NAME, fields.rest),
    )


def _write_answer(answer: Embedded, request: Embed) -> Reply:
    out = Crossing(NAME)
    own = out.own(answer.extras, "answer")
    vectors = [list(vector) for vector in answer.vectors]
    body: dict[str, Json]
    if "prompt" in at_home(request.extras, NAME).form:
        body = {"embedding": vectors[0] if vectors else []}
    else:
        body = {"model": answer.model or request.model, "embeddings": vectors, **write_usage(answer.usage)}
    return Reply(200, body={**body, **own.rest}, losses=tuple(out.losses))


class _Embed:
    """The codec of both endpoints."""

    read_request = staticmethod(_read_request)
    write_request = staticmethod(_write_request)
    read_answer = staticmethod(_read_answer)
    write_answer = staticmethod(_write_answer)


TASKS = Tasks(embed=_Embed())
