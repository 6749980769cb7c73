"""The cohere SDK, v2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import cohere  # type: ignore[import-not-found]  # in an environment of its own
from tests.sdks.oracles.oracle import PATIENCE_S, Called, City, Turn, loads, serve


class Cohere:
    """Asks through ``ClientV2``: ``chat``, ``chat_stream``, ``embed`` and ``rerank``."""

    def connect(self, base_url: str, key: str) -> Any:
        """Return a client."""
        return cohere.ClientV2(api_key=key, base_url=base_url, timeout=PATIENCE_S, max_retries=0)

    def opening(self, asked: Mapping[str, Any]) -> list[Any]:
        """Return the system's and the user's message."""
        words: Any = asked["words"]
        if "image" in asked:
            url = f"data:image/png;base64,{asked['image']}"
            words = [{"type": "text", "text": words}, {"type": "image_url", "image_url": {"url": url}}]
        system = [{"role": "system", "content": asked["system"]}] if "system" in asked else []
        return [*system, {"role": "user", "content": words}]

    def answer(self, client: Any, asked: Mapping[str, Any], history: list[Any], turn: Turn) -> list[Any]:
        """Ask; a structured answer is text that the caller parses, the SDK has no helper for it."""
        request: dict[str, Any] = {"model": asked["model"], "messages": history}
        if "max_tokens" in asked:
            request["max_tokens"] = asked["max_tokens"]
        if asked.get("think"):
            request["thinking"] = {"type": "enabled"}
        if "tools" in asked:
            request["tools"] = [tool(entry) for entry in asked["tools"]]
        if asked.get("parse"):
            request["response_format"] = {"type": "json_object", "json_schema": City.model_json_schema()}
        if asked.get("stream"):
            for event in client.chat_stream(**request):
                follow(event, turn)
        else:
            read(client.chat(**request), turn)
        for call in turn.calls:
            call.args = loads(call.raw)
        if asked.get("parse"):
            turn.parsed = json.loads(turn.text)
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.raw}}
            for call in turn.calls
        ]
        parts = [{"type": "text", "text": turn.text}] if turn.text else []
        said = {"role": "assistant", "content": parts, "tool_calls": calls}
        return [{name: value for name, value in said.items() if value}]

    def results(self, calls: list[Called], told: list[str]) -> list[Any]:
        """Return a message for each result."""
        return [
            {"role": "tool", "tool_call_id": call.id, "content": words}
            for call, words in zip(calls, told, strict=True)
        ]

    def models(self, client: Any, _: Mapping[str, Any]) -> list[str]:
        """Return the names of the models."""
        return [model.name for model in client.models.list().models]

    def model(self, client: Any, asked: Mapping[str, Any]) -> str:
        """Return the name of one model, by its name."""
        return str(client.models.get(asked["model"]).name)

    def embed(self, client: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return vectors."""
        got = client.embed(
            model=asked["model"],
            texts=asked["texts"],
            input_type="search_document",
            embedding_types=["float"],
        )
        units = got.meta and got.meta.billed_units
        return {"vectors": got.embeddings.float_, "usage": units and units.model_dump(exclude_none=True)}

    def rerank(self, client: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return documents by rank."""
        request: dict[str, Any] = {"query": asked["words"], "documents": asked["texts"]}
        if "top" in asked:
            request["top_n"] = asked["top"]
        got = client.rerank(model=asked["model"], **request)
        return {"ranked": [[entry.index, entry.relevance_score] for entry in got.results]}


def read(got: Any, turn: Turn) -> None:
    """Read a whole answer."""
    turn.stop, turn.usage = str(got.finish_reason), used(got.usage)
    for part in got.message.content or ():
        if part.type == "thinking":
            turn.think(part.thinking)
        elif part.type == "text":
            turn.say(part.text)
    turn.think(got.message.tool_plan)
    for call in got.message.tool_calls or ():
        turn.calls.append(Called(call.id, call.function.name, None, call.function.arguments))


def follow(event: Any, turn: Turn) -> None:
    """Take one event of a stream; ``content`` and ``tool_calls`` are objects in deltas, not lists."""
    message: Any = getattr(getattr(event, "delta", None), "message", None)
    match event.type:
        case "content-start" | "content-delta":
            turn.say(getattr(message.content, "text", None))
            turn.think(getattr(message.content, "thinking", None))
        case "tool-plan-delta":
            turn.think(message.tool_plan)
        case "tool-call-start":
            call = message.tool_calls
            turn.calls.append(Called(call.id, call.function.name, None, call.function.arguments or ""))
        case "tool-call-delta":
            piece = message.tool_calls.function.arguments
            turn.calls[-1].raw = (turn.calls[-1].raw or "") + (piece or "")
            turn.fragments += bool(piece)
        case "message-end":
            turn.stop, turn.usage = str(event.delta.finish_reason), used(event.delta.usage)
            if event.delta.finish_reason == "ERROR":
                turn.error = {"class": "message-end", "status": None, "message": event.delta.error}
        case _:
            return


def used(usage: Any) -> dict[str, Any] | None:
    """Return usage as data."""
    return usage and dict(usage.model_dump(exclude_none=True))


def tool(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as v2 chat declares it."""
    function = {
        "name": entry["name"],
        "description": entry["description"],
        "parameters": entry["schema"],
    }
    return {"type": "function", "function": function}


if __name__ == "__main__":
    serve(Cohere())
