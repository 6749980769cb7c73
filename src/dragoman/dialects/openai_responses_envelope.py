"""What surrounds the output of a Responses answer, whole or in a stream: the echo, the status, the failure.

    {id, object, created_at, model, status, error, incomplete_details, <echo of the request>, output, usage}

The echo is quiet: it goes home, and nobody else misses it. Where another dialect's provider answered, it is
made from the request, since the types of the SDKs need it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

from dragoman.core.events import Reason, Start, Stop
from dragoman.core.extras import Extras, Json, extras
from dragoman.core.failure import Failure, malformed
from dragoman.dialects.border import Crossing, judged
from dragoman.dialects.fields import Fields
from dragoman.dialects.openai_failure import read_fault
from dragoman.dialects.openai_responses_parts import MADE, NAME
from dragoman.dialects.openai_terms import REFUSED

ECHO = frozenset(
    {
        *("access_programs", "background", "billing", "completed_at", "context_management", "conversation"),
        *("created_at", "error", "frequency_penalty", "id", "image", "include", "incomplete_details"),
        *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "object", "output"),
        *("output_text", "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning"),
        *("safety_identifier", "service_tier", "status_details", "store", "temperature", "text"),
        *("tool_choice", "tools", "top_logprobs", "top_p", "truncation", "usage", "user"),
    }
)
"""Fields of a response that repeat the request, or say what the core says otherwise."""
INCOMPLETE: dict[str, Reason] = {"max_output_tokens": "length", "content_filter": "filter"}
ODD: dict[str, Reason] = {"queued": "pause", "in_progress": "pause", "cancelled": "error"}
"""Statuses without a word of their own in the core, which therefore go home as they came."""
DETAIL = {"length": "max_output_tokens", "context": "max_output_tokens", "pause": "max_output_tokens"}
DETAIL |= {"filter": "content_filter"}
"""Why an answer is incomplete, by the core's reason; any other is complete, or failed."""
NEAREST = {
    "context": "told as a limit of tokens",
    "pause": "told as a limit of tokens",
    "stop_sequence": "no field tells the stop sequence",
}
INPUT_FAULTS = ("invalid_prompt", "image", "bio_policy", "data_residency_mismatch")
"""Codes of a failed response that are about the request, or parts of them (SDK 3.52, response_error)."""


def read_start(fields: Fields, *more: str) -> Start:
    """Read what surrounds the output; `more` names fields whose absence is noted too."""
    form = [f"-{name}" for name in ("object", "created_at", "model", *more) if name not in fields.rest]
    if fields.rest.get("object") == "response":
        del fields.rest["object"]
    id_, model = fields.text("id") or "", fields.text("model") or ""
    form += [] if id_.startswith("resp_") else ["id"]
    created = fields.integer("created_at")
    rest, quiet = split_echo(fields.rest)
    # Never empty: that is how what was read here is told from what was not.
    kept = extras(NAME, rest, form, quiet) or Extras(NAME, {}, ("bare",))
    return Start(id_, model, created, extras=kept)


def split_echo(fields: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return what says something elsewhere, and what does not."""
    rest = {name: value for name, value in fields.items() if name not in ECHO}
    return rest, {name: value for name, value in fields.items() if name in ECHO}


def read_stop(status: str | None, details: Json, *, called: bool, refused: bool) -> Stop:
    """Read why an answer ended. Only a call tells that tools are wanted."""
    word = details.get("reason") if isinstance(details, dict) else None
    word = word if isinstance(word, str) else None
    reason: Reason = "tool_use" if called else "refusal" if refused else "end"
    if status == "incomplete":
        reason = INCOMPLETE.get(word or "", "pause")
        form = () if word in INCOMPLETE else ("native",)
        return Stop(reason, native=word, extras=extras(NAME, {}, form))
    if status is None:
        return Stop(reason, extras=Extras(NAME, {}, ("-status",)))
    if status == "completed":
        return Stop(reason, native=status)
    reason = ODD.get(status, reason)
    return Stop(reason, native=status, extras=Extras(NAME, {}, (), {"status": status}))


def write_stop(stop: Stop, out: Crossing) -> tuple[str, str | None]:
    """Return the status, and why the answer is incomplete if it is.

    Raises:
        Failure: The model did not end its answer, but failed.
    """
    own = out.own(stop.extras, "answer.stop")
    if status := own.quiet.get("status"):
        return status, None
    if "native" in own.form:
        return "incomplete", stop.native
    if stop.reason in ("error", "bad_tool_call"):
        raise malformed(f"the provider stopped with an error ({stop.native or stop.reason})")
    if stop.reason in NEAREST:
        out.lose("approximated", "answer.stop", NEAREST[stop.reason])
    word = DETAIL.get(stop.reason)
    return "incomplete" if word else "completed", word


def envelope(start: Start, own: Extras, echo: Mapping[str, Json]) -> dict[str, Json]:
    """Return what surrounds the output: as it came, or the echo of the request that a server owes."""
    id_ = start.id if "id" in own.form or start.id.startswith("resp_") else f"resp_{start.id}"
    body = {} if own else dict(echo)
    body |= {"id": id_, "object": "response", "created_at": start.created_at or 0, "model": start.model}
    return {**body, **own.quiet, **own.rest}


def without(body: dict[str, Json], own: Extras) -> dict[str, Json]:
    """Return `body` without what its form says was absent."""
    return {name: value for name, value in body.items() if f"-{name}" not in own.form}


def maker(id_: str) -> Callable[[str, int], str]:
    """Return what makes ids for the items of an answer: the same for the same answer."""
    mark = f"{zlib.crc32(id_.encode()):08x}"
    return lambda prefix, place: f"{prefix}{MADE}{mark}_{place}"


def refusal(id_: str) -> dict[str, Json]:
    """Return the message that says a refusal came without words."""
    content = [{"type": "refusal", "refusal": REFUSED}]
    return {"type": "message", "role": "assistant", "id": id_, "status": "completed", "content": content}


def failed(response: Mapping[str, Json]) -> Failure:
    """Return the failure that a response of status ``failed`` tells."""
    error = response.get("error")
    error = error if isinstance(error, dict) else {"message": error} if isinstance(error, str) else {}
    failure = read_fault({"error": error}, None, {}, NAME)
    if any(word in (failure.code or "") for word in INPUT_FAULTS):
        failure.kind, failure.source, failure.retry = judged(400)
    return failure
