"""What the Responses API says of answers that are kept: input items, their ids, and an answer told again.

    GET  /v1/responses/{id}               the object; with ``?stream=true&starting_after=n`` as events
    GET  /v1/responses/{id}/input_items   ``{object: "list", data, first_id, last_id, has_more}``
    POST /v1/responses/{id}/cancel        the object; background ones only

Read 2026-11-21, below https://platform.openai.com/docs/: ``api-reference/responses`` (get, delete, cancel,
input-items), ``guides/conversation-state``, ``guides/background``; the types of the Python SDK 3.52.

A server gives every input item an id; clients mostly send none. Ours name the answer they led to and
their place (``msg_dragoman_<answer>_i<place>``), so nothing need be kept to find them again, and are never
sent to a provider, who could not know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from dragoman.core.events import Choice, Response, Stop, unfold
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Request
from dragoman.dialects import Reply
from dragoman.dialects.fields import decode, encode
from dragoman.dialects.framing import Frame
from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.openai_responses_parts import MADE, NAME, label

PREFIX = "resp_"
"""How ids of answers begin."""
GOING = ("queued", "in_progress")
"""Statuses of an answer that is still being made."""
ANSWERED = ("completed", "incomplete")
"""Statuses of an answer that can be continued."""
FINAL = ("response.completed", "response.incomplete", "response.failed")
"""Events that end a stream with the whole answer."""
TELLING = ("response.created", "response.queued", "response.in_progress", *FINAL)
"""Events that hold an answer."""

PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
"""How ids of items begin, by type."""
PLACED = re.compile(rf"[a-z]+{MADE}([0-9A-Za-z]{{1,64}})_i(\d{{1,9}})")
INPUT = re.compile(r"\$\.input\[(\d+)\](.*)", re.DOTALL)
CODES = {400: "invalid_prompt", 413: "invalid_prompt", 429: "rate_limit_exceeded"}
"""Codes of a failed answer by the status its error would have had; else ``server_error``."""

# --- INPUT --------------------------------------------------------------------------------------------


def read_items(value: Json) -> list[Json] | None:
    """Return ``input`` as items; None if it is neither a string nor an array nor left out."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if value is None:
        return []
    return [_anonymous(item) for item in value] if isinstance(value, list) else None


def _anonymous(item: Json) -> Json:
    """Return a client's item without an id of ours, which a provider would look for in vain."""
    if PLACED.fullmatch(label(item, "id")) and not referred(item):
        return {name: value for name, value in item.items() if name != "id"}
    return item


def referred(item: Json) -> str:
    """Return the id an item refers to, if it does nothing else."""
    kind = item.get("type") if isinstance(item, dict) else ""
    bare = kind is None and "role" not in item
    return label(item, "id") if kind == "item_reference" or bare else ""


def placed(item_id: str) -> tuple[str, int] | None:
    """Return which answer's input an id of ours is of, and where in it."""
    found = PLACED.fullmatch(item_id)
    return (PREFIX + found[1], int(found[2])) if found else None


def shown(items: Sequence[Json], response_id: str) -> list[Json]:
    """Return input items as the API lists them: with type, id and status, and content as parts."""
    return [_shown(item, f"{response_id.removeprefix(PREFIX)}_i{at}") for at, item in enumerate(items)]


def _shown(item: Json, mark: str) -> Json:
    if not isinstance(item, dict):
        return item
    kind = label(item, "type") or "message"
    told: dict[str, Json] = {"id": f"{PREFIXES.get(kind, 'item')}{MADE}{mark}", "type": kind}
    told |= {name: value for name, value in item.items() if value is not None}
    if kind in PREFIXES:
        told.setdefault("status", "completed")
    if kind == "message" and isinstance(told.get("content"), str):
        said: dict[str, Json] = {"type": "input_text", "text": told["content"]}
        if told.get("role") == "assistant":
            said = {"type": "output_text", "text": told["content"], "annotations": []}
        told["content"] = [said]
    return told


def blamed(at: str | None, before: int) -> str | None:
    """Return where a fault is in the client's own body, whose input has `before` items in front of it."""
    found = INPUT.fullmatch(at or "")
    if not found or not before:
        return at
    place = int(found[1]) - before
    return f"$.input[{place}]{found[2]}" if place >= 0 else "$.previous_response_id"


# --- ANSWERS ------------------------------------------------------------------------------------------


def item_ids(body: Mapping[str, Json]) -> list[tuple[str, int]]:
    """Return the id of every item of an answer, and its place."""
    output = body.get("output")
    items = enumerate(output if isinstance(output, list) else ())
    return [(id_, place) for place, item in items if (id_ := label(item, "id"))]


def begun(request: Request, id_: str, created_at: int) -> dict[str, Json]:
    """Return the answer to `request` before there is any."""
    nothing = Response(id_, request.model, (Choice((), Stop("end")),), created_at=created_at)
    body: dict[str, Json] = DIALECT.write_answer(nothing, request).body
    return {**body, "status": "queued", "output": [], "usage": None}


def ended(body: Mapping[str, Json], status: str, error: Json = None) -> dict[str, Json]:
    """Return an answer that ended without being given."""
    return {**body, "status": status, "error": error}


def error_of(reply: Reply) -> dict[str, Json]:
    """Return the error of a failed answer, from the reply that would have told it."""
    message = reply.body["error"]["message"] if isinstance(reply.body, dict) else "the answer failed"
    return {"code": CODES.get(reply.status, "server_error"), "message": message}


def replay(body: Mapping[str, Json], after: int = -1) -> list[Frame]:
    """Return an answer as the events of a stream, without those numbered up to `after`.

    The text of a part comes in one piece; the same answer is always told in the same events. The last
    one is told in any case, since without it a client waits for ever.
    """
    values = list(map(_decoded, _frames(body)))
    opening = {**body, "status": "in_progress", "output": [], "usage": None, "error": None}
    last = values[-1]
    for value in values:
        if "response" in value:
            value["response"] = body if value is last else opening
    told = [value for value in values[:-1] if value["sequence_number"] > after]
    last["sequence_number"] = max(last["sequence_number"], after + 1)
    return [Frame(encode(value), value["type"]) for value in (*told, last)]


def _frames(body: Mapping[str, Json]) -> Iterable[Frame]:
    failed = body.get("status") == "failed"
    told = {**body, "status": "completed", "error": None, "output": []} if failed else body
    response = DIALECT.read_answer(Reply(200, body=told))
    writer = DIALECT.writer(Request(NAME, response.model, ()))
    events = unfold(response)
    if failed:
        return [*writer.feed(events[0]), *writer.fail(Failure(Kind.UPSTREAM, ""))]
    return [frame for event in events for frame in writer.feed(event)]


def _decoded(frame: Frame) -> dict[str, Json]:
    value: dict[str, Json] = decode(frame.data)
    return value
