"""The openai SDK, Chat Completions and Embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai
from tests.sdks.oracles.oracle import PATIENCE_S, Called, City, Turn, loads, serve


class OpenAIChat:
    """Asks through ``chat.completions``: ``create``, ``parse`` and the ``stream`` helper."""

    def connect(self, base_url: str, key: str) -> openai.OpenAI:
        """Return a client."""
        return openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0, timeout=PATIENCE_S)

    def opening(self, asked: Mapping[str, Any]) -> list[Any]:
        """Return the system's and the user's message."""
        words: Any = asked["words"]
        if "image" in asked:
            url = f"data:image/png;base64,{asked['image']}"
            words = [{"type": "text", "text": words}, {"type": "image_url", "image_url": {"url": url}}]
        system = [{"role": "system", "content": asked["system"]}] if "system" in asked else []
        return [*system, {"role": "user", "content": words}]

    def answer(
        self, client: openai.OpenAI, asked: Mapping[str, Any], history: list[Any], turn: Turn
    ) -> list[Any]:
        """Ask; the reasoning is where compatible servers have it, in fields the SDK has no name for."""
        request: dict[str, Any] = {"model": asked["model"], "messages": history}
        if "max_tokens" in asked:
            request["max_completion_tokens"] = asked["max_tokens"]
        if asked.get("think"):
            request["reasoning_effort"] = "high"
        if "tools" in asked:
            request["tools"] = [tool(entry) for entry in asked["tools"]]
        if asked.get("parse"):
            request["response_format"] = City
        try:
            if asked.get("plain"):
                return self._plain(client, request, turn)
            if asked.get("stream"):
                got: Any = self._streamed(client, request, turn)
            elif asked.get("parse"):
                got = client.chat.completions.parse(**request)
            else:
                got = client.chat.completions.create(**request)
        except openai.LengthFinishReasonError as cut:  # the helpers hand out no answer that was cut short
            self._read(cut.completion, turn)
            raise
        return self._read(got, turn)

    def _streamed(self, client: openai.OpenAI, request: dict[str, Any], turn: Turn) -> Any:
        with client.chat.completions.stream(**request, stream_options={"include_usage": True}) as events:
            for event in events:
                if event.type == "chunk":
                    for choice in event.chunk.choices:
                        turn.say(choice.delta.content)
                        turn.think(reasoning(choice.delta))
                elif event.type == "tool_calls.function.arguments.delta":
                    turn.fragments += bool(event.arguments_delta)
            return events.get_final_completion()

    def _plain(self, client: openai.OpenAI, request: dict[str, Any], turn: Turn) -> list[Any]:
        """Take the chunks as they come, without the helper's accumulator; text only."""
        request |= {"stream": True, "stream_options": {"include_usage": True}}
        for chunk in client.chat.completions.create(**request):
            turn.usage = chunk.usage.model_dump(exclude_none=True) if chunk.usage else turn.usage
            for choice in chunk.choices:
                turn.say(choice.delta.content)
                turn.think(reasoning(choice.delta))
                turn.stop = choice.finish_reason or turn.stop
        return []

    def _read(self, got: Any, turn: Turn) -> list[Any]:
        turn.usage = got.usage and got.usage.model_dump(exclude_none=True)
        if not got.choices:
            return []
        message = got.choices[0].message
        turn.text = message.content or ""
        turn.thinking = reasoning(message)
        turn.stop = got.choices[0].finish_reason
        turn.parsed = getattr(message, "parsed", None) and message.parsed.model_dump()
        for call in message.tool_calls or ():
            raw = call.function.arguments
            turn.calls.append(Called(call.id, call.function.name, loads(raw), raw))
        return [message.model_dump(exclude_none=True)]

    def results(self, calls: list[Called], told: list[str]) -> list[Any]:
        """Return a message for each result."""
        return [
            {"role": "tool", "tool_call_id": call.id, "content": words}
            for call, words in zip(calls, told, strict=True)
        ]

    def models(self, client: openai.OpenAI, _: Mapping[str, Any]) -> list[str]:
        """Return the names of the models."""
        return [model.id for model in client.models.list()]

    def model(self, client: openai.OpenAI, asked: Mapping[str, Any]) -> str:
        """Return the name of one model, by its name."""
        return client.models.retrieve(asked["model"]).id

    def embed(self, client: openai.OpenAI, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return vectors; the SDK asks for base64 and unpacks it."""
        got = client.embeddings.create(model=asked["model"], input=asked["texts"])
        return {"vectors": [entry.embedding for entry in got.data], "usage": got.usage.model_dump()}


def tool(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as Chat Completions declares it."""
    function = {
        "name": entry["name"],
        "description": entry["description"],
        "parameters": entry["schema"],
        "strict": True,
    }
    return {"type": "function", "function": function}


def reasoning(message: Any) -> str:
    """Return what a compatible server says of its thinking."""
    more = message.model_extra or {}
    return more.get("reasoning_content") or more.get("reasoning") or ""


if __name__ == "__main__":
    serve(OpenAIChat())
