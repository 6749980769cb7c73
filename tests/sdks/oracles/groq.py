"""The groq SDK: Chat Completions as another vendor has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import groq  # type: ignore[import-not-found]  # in an environment of its own
from tests.sdks.oracles.oracle import PATIENCE_S, Called, City, Turn, loads, serve


class Groq:
    """Asks through ``chat.completions.create``; what is streamed is put together here."""

    def connect(self, base_url: str, key: str) -> Any:
        """Return a client; it adds ``/openai/v1`` itself."""
        return groq.Groq(base_url=base_url, api_key=key, max_retries=0, timeout=PATIENCE_S)

    def opening(self, asked: Mapping[str, Any]) -> list[Any]:
        """Return the system's and the user's message."""
        words: Any = asked["words"]
        if "image" in asked:
            url = f"data:image/png;base64,{asked['image']}"
            words = [{"type": "text", "text": words}, {"type": "image_url", "image_url": {"url": url}}]
        system = [{"role": "system", "content": asked["system"]}] if "system" in asked else []
        return [*system, {"role": "user", "content": words}]

    def answer(self, client: Any, asked: Mapping[str, Any], history: list[Any], turn: Turn) -> list[Any]:
        """Ask; usage in a stream is asked for by a field that the SDK has no name for."""
        request: dict[str, Any] = {"model": asked["model"], "messages": history}
        if "max_tokens" in asked:
            request["max_completion_tokens"] = asked["max_tokens"]
        if asked.get("think"):
            request |= {"reasoning_effort": "high", "reasoning_format": "parsed"}
        if "tools" in asked:
            request["tools"] = [tool(entry) for entry in asked["tools"]]
        if asked.get("parse"):
            schema = {**City.model_json_schema(), "additionalProperties": False}
            named = {"name": "city", "schema": schema, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": named}
        if asked.get("stream"):
            more = {"stream_options": {"include_usage": True}}
            for chunk in client.chat.completions.create(**request, stream=True, extra_body=more):
                follow(chunk, turn)
        else:
            read(client.chat.completions.create(**request), turn)
        for call in turn.calls:
            call.args = loads(call.raw)
        if asked.get("parse"):
            turn.parsed = json.loads(turn.text)
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.raw}}
            for call in turn.calls
        ]
        return [
            {"role": "assistant", "content": turn.text or None, **({"tool_calls": calls} if calls else {})}
        ]

    def results(self, calls: list[Called], told: list[str]) -> list[Any]:
        """Return a message for each result."""
        return [
            {"role": "tool", "tool_call_id": call.id, "content": words}
            for call, words in zip(calls, told, strict=True)
        ]

    def models(self, client: Any, _: Mapping[str, Any]) -> list[str]:
        """Return the names of the models."""
        return [model.id for model in client.models.list().data]

    def model(self, client: Any, asked: Mapping[str, Any]) -> str:
        """Return the name of one model, by its name."""
        return str(client.models.retrieve(asked["model"]).id)

    def embed(self, client: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return vectors."""
        got = client.embeddings.create(model=asked["model"], input=asked["texts"])
        return {"vectors": [entry.embedding for entry in got.data], "usage": got.usage.model_dump()}


def read(got: Any, turn: Turn) -> None:
    """Read a whole answer."""
    turn.usage = got.usage and got.usage.model_dump(exclude_none=True)
    choice = got.choices[0]
    turn.stop = choice.finish_reason
    turn.say(choice.message.content)
    turn.think(reasoning(choice.message))
    for call in choice.message.tool_calls or ():
        turn.calls.append(Called(call.id, call.function.name, None, call.function.arguments))


def follow(chunk: Any, turn: Turn) -> None:
    """Take one chunk of a stream; Groq tells the usage, and an error, in a field of its own."""
    for holder in (chunk, chunk.x_groq):
        if holder is not None and holder.usage is not None:
            turn.usage = holder.usage.model_dump(exclude_none=True)
    if chunk.x_groq is not None and chunk.x_groq.error is not None:
        turn.error = {"class": "x_groq.error", "status": None, "message": chunk.x_groq.error}
    for choice in chunk.choices:
        turn.stop = choice.finish_reason or turn.stop
        turn.say(choice.delta.content)
        turn.think(reasoning(choice.delta))
        for call in choice.delta.tool_calls or ():
            if call.index == len(turn.calls):
                turn.calls.append(Called(call.id, call.function.name, None, ""))
            piece = call.function.arguments or ""
            turn.calls[call.index].raw = (turn.calls[call.index].raw or "") + piece
            turn.fragments += bool(piece)


def reasoning(message: Any) -> str:
    """Return the thinking: Groq's own field, else the one other compatible servers have."""
    return message.reasoning or (message.model_extra or {}).get("reasoning_content") or ""


def tool(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as Chat Completions declares it."""
    function = {
        "name": entry["name"],
        "description": entry["description"],
        "parameters": entry["schema"],
    }
    return {"type": "function", "function": function}


if __name__ == "__main__":
    serve(Groq())
