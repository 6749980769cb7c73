"""The anthropic SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anthropic
from tests.sdks.oracles.oracle import PATIENCE_S, Called, City, Turn, serve


class Anthropic:
    """Asks through ``messages``: ``create``, ``parse`` and the ``stream`` helper."""

    def connect(self, base_url: str, key: str) -> anthropic.Anthropic:
        """Return a client."""
        return anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0, timeout=PATIENCE_S)

    def opening(self, asked: Mapping[str, Any]) -> list[Any]:
        """Return the user's message."""
        parts: list[Any] = [{"type": "text", "text": asked["words"]}]
        if "image" in asked:
            source = {"type": "base64", "media_type": "image/png", "data": asked["image"]}
            parts.insert(0, {"type": "image", "source": source})
        return [{"role": "user", "content": parts}]

    def answer(
        self, client: anthropic.Anthropic, asked: Mapping[str, Any], history: list[Any], turn: Turn
    ) -> list[Any]:
        """Ask."""
        request: dict[str, Any] = {
            "model": asked["model"],
            "max_tokens": asked.get("max_tokens", 4000),
            "messages": history,
        }
        if "system" in asked:
            request["system"] = asked["system"]
        if asked.get("think"):
            request["thinking"] = {"type": "enabled", "budget_tokens": 2000}
        if "tools" in asked:
            request["tools"] = [tool(entry) for entry in asked["tools"]]
        if asked.get("parse"):
            request["output_format"] = City
        if asked.get("stream"):
            got: Any = self._streamed(client, request, turn)
        elif asked.get("parse"):
            got = client.messages.parse(**request)
        else:
            got = client.messages.create(**request)
        return self._read(got, turn)

    def _streamed(self, client: anthropic.Anthropic, request: dict[str, Any], turn: Turn) -> Any:
        with client.messages.stream(**request) as events:
            for event in events:
                match event.type:
                    case "text":
                        turn.say(event.text)
                    case "thinking":
                        turn.think(event.thinking)
                    case "input_json":
                        turn.fragments += bool(event.partial_json)
                    case _:
                        continue
            return events.get_final_message()

    def _read(self, got: Any, turn: Turn) -> list[Any]:
        turn.usage = got.usage.model_dump(exclude_none=True)
        turn.stop = got.stop_reason
        turn.text = "".join(block.text for block in got.content if block.type == "text")
        turn.thinking = "".join(block.thinking for block in got.content if block.type == "thinking")
        turn.parsed = getattr(got, "parsed_output", None) and got.parsed_output.model_dump()
        for block in got.content:
            if block.type == "tool_use":
                turn.calls.append(Called(block.id, block.name, block.input))
        return [{"role": "assistant", "content": got.content}]

    def results(self, calls: list[Called], told: list[str]) -> list[Any]:
        """Return one message with every result."""
        blocks = [
            {"type": "tool_result", "tool_use_id": call.id, "content": words}
            for call, words in zip(calls, told, strict=True)
        ]
        return [{"role": "user", "content": blocks}]

    def models(self, client: anthropic.Anthropic, _: Mapping[str, Any]) -> list[str]:
        """Return the names of the models."""
        return [model.id for model in client.models.list()]

    def model(self, client: anthropic.Anthropic, asked: Mapping[str, Any]) -> str:
        """Return the name of one model, by its name."""
        return client.models.retrieve(asked["model"]).id

    def count(self, client: anthropic.Anthropic, asked: Mapping[str, Any]) -> int:
        """Return how many tokens the words are."""
        messages: list[Any] = [{"role": "user", "content": asked["words"]}]
        return client.messages.count_tokens(model=asked["model"], messages=messages).input_tokens


def tool(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as Messages declares it."""
    return {
        "name": entry["name"],
        "description": entry["description"],
        "input_schema": entry["schema"],
    }


if __name__ == "__main__":
    serve(Anthropic())
