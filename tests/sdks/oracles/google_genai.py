"""The google-genai SDK."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from google import genai
from google.genai import types
from tests.sdks.oracles.oracle import PATIENCE_S, Called, City, Turn, serve


class GoogleGenAI:
    """Asks through ``models``: ``generate_content`` and ``generate_content_stream``."""

    def connect(self, base_url: str, key: str) -> Any:
        """Return a client of the developer API."""
        options = types.HttpOptions(base_url=base_url, timeout=PATIENCE_S * 1000)
        return genai.Client(api_key=key, http_options=options)

    def opening(self, asked: Mapping[str, Any]) -> list[Any]:
        """Return the user's content."""
        parts = [types.Part(text=asked["words"])]
        if "image" in asked:
            data = base64.b64decode(asked["image"])
            parts.append(types.Part.from_bytes(data=data, mime_type="image/png"))
        return [types.Content(role="user", parts=parts)]

    def answer(self, client: Any, asked: Mapping[str, Any], history: list[Any], turn: Turn) -> list[Any]:
        """Ask; chunks are put together here, the SDK has no helper for it."""
        config: dict[str, Any] = {}
        if "system" in asked:
            config["system_instruction"] = asked["system"]
        if "max_tokens" in asked:
            config["max_output_tokens"] = asked["max_tokens"]
        if asked.get("think"):
            config["thinking_config"] = {"include_thoughts": True, "thinking_budget": 1024}
        if "tools" in asked:
            config["tools"] = [{"function_declarations": [tool(entry) for entry in asked["tools"]]}]
        if asked.get("parse"):
            config |= {"response_mime_type": "application/json", "response_schema": City}
        request = {"model": asked["model"], "contents": history, "config": config}
        if asked.get("stream"):
            chunks = client.models.generate_content_stream(**request)
        else:
            chunks = [client.models.generate_content(**request)]
        said: list[Any] = []
        for chunk in chunks:
            said += self._read(chunk, turn)
        return [types.Content(role="model", parts=said)]

    def _read(self, chunk: Any, turn: Turn) -> list[Any]:
        if chunk.usage_metadata is not None:
            turn.usage = chunk.usage_metadata.model_dump(mode="json", exclude_none=True)
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
            turn.stop = f"blocked: {chunk.prompt_feedback.block_reason.value}"
        turn.parsed = chunk.parsed.model_dump() if isinstance(chunk.parsed, City) else turn.parsed
        candidate = chunk.candidates[0] if chunk.candidates else None
        if candidate is None:
            return []
        turn.stop = candidate.finish_reason.value if candidate.finish_reason else turn.stop
        parts = (candidate.content and candidate.content.parts) or []
        for part in parts:
            if part.function_call is not None:
                call = part.function_call
                turn.calls.append(Called(call.id, call.name, call.args))
            elif part.thought:
                turn.think(part.text)
            else:
                turn.say(part.text)
        return list(parts)

    def results(self, calls: list[Called], told: list[str]) -> list[Any]:
        """Return one content with every result."""
        parts = [
            types.Part(
                function_response=types.FunctionResponse(
                    id=call.id, name=call.name, response={"output": words}
                )
            )
            for call, words in zip(calls, told, strict=True)
        ]
        return [types.Content(role="user", parts=parts)]

    def models(self, client: Any, _: Mapping[str, Any]) -> list[str]:
        """Return the names of the models."""
        return [model.name for model in client.models.list()]

    def model(self, client: Any, asked: Mapping[str, Any]) -> str:
        """Return the name of one model, by its name."""
        return str(client.models.get(model=asked["model"]).name)

    def count(self, client: Any, asked: Mapping[str, Any]) -> int:
        """Return how many tokens the words are."""
        return int(client.models.count_tokens(model=asked["model"], contents=asked["words"]).total_tokens)

    def embed(self, client: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return vectors."""
        got = client.models.embed_content(model=asked["model"], contents=asked["texts"])
        return {"vectors": [entry.values for entry in got.embeddings], "usage": None}


def tool(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as generateContent declares it."""
    return {
        "name": entry["name"],
        "description": entry["description"],
        "parameters_json_schema": entry["schema"],
    }


if __name__ == "__main__":
    serve(GoogleGenAI())
