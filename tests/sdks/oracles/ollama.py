"""The ollama SDK."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import ollama  # type: ignore[import-not-found]  # in an environment of its own
from tests.sdks.oracles.oracle import PATIENCE_S, Called, City, Turn, serve


class Ollama:
    """Asks through ``chat``; what is streamed is put together here, the SDK has no helper for it."""

    def connect(self, base_url: str, key: str) -> Any:
        """Return a client."""
        return ollama.Client(host=base_url, headers={"authorization": f"Bearer {key}"}, timeout=PATIENCE_S)

    def opening(self, asked: Mapping[str, Any]) -> list[Any]:
        """Return the system's and the user's message."""
        words = {"role": "user", "content": asked["words"]}
        images = {"images": [asked["image"]]} if "image" in asked else {}
        system = [{"role": "system", "content": asked["system"]}] if "system" in asked else []
        return [*system, {**words, **images}]

    def answer(self, client: Any, asked: Mapping[str, Any], history: list[Any], turn: Turn) -> list[Any]:
        """Ask."""
        request: dict[str, Any] = {"model": asked["model"], "messages": history}
        if "max_tokens" in asked:
            request["options"] = {"num_predict": asked["max_tokens"]}
        if asked.get("think"):
            request["think"] = True
        if "tools" in asked:
            request["tools"] = [tool(entry) for entry in asked["tools"]]
        if asked.get("parse"):
            request["format"] = City.model_json_schema()
        if asked.get("stream"):
            for chunk in client.chat(**request, stream=True):
                self._read(chunk, turn)
        else:
            self._read(client.chat(**request), turn)
        if asked.get("parse"):
            turn.parsed = City.model_validate_json(turn.text).model_dump()
        calls = [{"function": {"name": call.name, "arguments": call.args}} for call in turn.calls]
        said = {"role": "assistant", "content": turn.text, "tool_calls": calls}
        return [{name: value for name, value in said.items() if value or name != "tool_calls"}]

    def _read(self, chunk: Any, turn: Turn) -> None:
        turn.say(chunk.message.content)
        turn.think(chunk.message.thinking)
        for call in chunk.message.tool_calls or ():
            arguments = dict(call.function.arguments)
            turn.calls.append(Called(None, call.function.name, arguments))
        if chunk.done:
            turn.stop = chunk.done_reason
            counts = {
                "prompt_eval_count": chunk.prompt_eval_count,
                "eval_count": chunk.eval_count,
            }
            turn.usage = {name: count for name, count in counts.items() if count is not None}

    def results(self, calls: list[Called], told: list[str]) -> list[Any]:
        """Return a message for each result; the SDK knows tools by name alone."""
        return [
            {"role": "tool", "tool_name": call.name, "content": words}
            for call, words in zip(calls, told, strict=True)
        ]

    def models(self, client: Any, _: Mapping[str, Any]) -> list[str]:
        """Return the names of the models."""
        return [model.model for model in client.list().models]

    def model(self, client: Any, asked: Mapping[str, Any]) -> list[str]:
        """Return what one model can do, by its name."""
        return list(client.show(asked["model"]).capabilities)

    def embed(self, client: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return vectors."""
        got = client.embed(model=asked["model"], input=asked["texts"])
        return {
            "vectors": [list(vector) for vector in got.embeddings],
            "usage": {"prompt_eval_count": got.prompt_eval_count},
        }

    def embed_one(self, client: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return one vector, asked for at the older endpoint."""
        got = client.embeddings(model=asked["model"], prompt=asked["texts"][0])
        return {"vectors": [list(got.embedding)], "usage": None}

    def generate(self, client: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the text of a completion that is no conversation."""
        got = client.generate(model=asked["model"], prompt=asked["words"], system=asked.get("system"))
        return {"text": got.response, "stop": got.done_reason}


def tool(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as /api/chat declares it."""
    function = {
        "name": entry["name"],
        "description": entry["description"],
        "parameters": json.loads(json.dumps(entry["schema"])),
    }
    return {"type": "function", "function": function}


if __name__ == "__main__":
    serve(Ollama())
