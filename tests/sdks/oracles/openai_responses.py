"""The openai SDK, Responses: the strict ``stream`` helper holds every event to the grammar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai
from tests.sdks.oracles.oracle import PATIENCE_S, Called, City, Turn, loads, serve


class OpenAIResponses:
    """Asks through ``responses``: ``create``, ``parse`` and the ``stream`` helper."""

    def connect(self, base_url: str, key: str) -> openai.OpenAI:
        """Return a client."""
        return openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0, timeout=PATIENCE_S)

    def opening(self, asked: Mapping[str, Any]) -> list[Any]:
        """Return the user's message."""
        parts = [{"type": "input_text", "text": asked["words"]}]
        if "image" in asked:
            url = f"data:image/png;base64,{asked['image']}"
            parts.append({"type": "input_image", "detail": "auto", "image_url": url})
        return [{"role": "user", "content": parts}]

    def answer(
        self, client: openai.OpenAI, asked: Mapping[str, Any], history: list[Any], turn: Turn
    ) -> list[Any]:
        """Ask, with nothing stored: the history goes back whole."""
        request: dict[str, Any] = {"model": asked["model"], "input": history, "store": False}
        if "system" in asked:
            request["instructions"] = asked["system"]
        if "max_tokens" in asked:
            request["max_output_tokens"] = asked["max_tokens"]
        if asked.get("think"):
            request["reasoning"] = {"effort": "high", "summary": "detailed"}
            request["include"] = ["reasoning.encrypted_content"]
        if "tools" in asked:
            request["tools"] = [tool(entry) for entry in asked["tools"]]
        if asked.get("parse"):
            request["text_format"] = City
        if asked.get("stream"):
            got: Any = self._streamed(client, request, turn, plain=bool(asked.get("plain")))
        elif asked.get("parse"):
            got = client.responses.parse(**request)
        else:
            got = client.responses.create(**request)
        return self._read(got, turn)

    def _streamed(self, client: openai.OpenAI, request: dict[str, Any], turn: Turn, *, plain: bool) -> Any:
        """Follow the helper to its end, or the plain iterator; neither raises for a response that failed."""
        last: Any = None
        begin: Any = client.responses.create if plain else client.responses.stream
        with begin(**request, **({"stream": True} if plain else {})) as events:
            for event in events:
                last = event
                match event.type:
                    case "response.output_text.delta":
                        turn.say(event.delta)
                    case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                        turn.think(event.delta)
                    case "response.function_call_arguments.delta":
                        turn.fragments += bool(event.delta)
                    case _:
                        continue
        if last is not None and last.type == "error":
            turn.error = {"class": "response.error", "status": None, "message": last.message}
            return None
        return getattr(last, "response", None)

    def _read(self, got: Any, turn: Turn) -> list[Any]:
        if got is None:
            return []
        turn.usage = got.usage and got.usage.model_dump(exclude_none=True)
        turn.stop = got.status
        if got.incomplete_details is not None:
            turn.stop = got.incomplete_details.reason
        if got.error is not None:
            turn.error = {"class": f"response.{got.status}", "status": None, "message": got.error.message}
        turn.text = got.output_text
        turn.parsed = getattr(got, "output_parsed", None) and got.output_parsed.model_dump()
        turn.thinking = "".join(
            part.text
            for item in got.output
            if item.type == "reasoning"
            for part in [*(item.summary or ()), *(getattr(item, "content", None) or ())]
        )
        for item in got.output:
            if item.type == "function_call":
                turn.calls.append(Called(item.call_id, item.name, loads(item.arguments), item.arguments))
        return [said(item) for item in got.output]

    def results(self, calls: list[Called], told: list[str]) -> list[Any]:
        """Return an item for each result."""
        return [
            {"type": "function_call_output", "call_id": call.id, "output": words}
            for call, words in zip(calls, told, strict=True)
        ]

    def count(self, client: openai.OpenAI, asked: Mapping[str, Any]) -> int:
        """Return how many tokens the words are."""
        return client.responses.input_tokens.count(model=asked["model"], input=asked["words"]).input_tokens


def said(item: Any) -> dict[str, Any]:
    """Return an item of an answer as one of the history; what only the parsing helper adds stays out."""
    plain: dict[str, Any] = item.model_dump(exclude_none=True)
    plain.pop("parsed_arguments", None)
    for part in plain.get("content") or ():
        part.pop("parsed", None)
    return plain


def tool(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as Responses declares it."""
    return {
        "type": "function",
        "name": entry["name"],
        "description": entry["description"],
        "parameters": entry["schema"],
        "strict": True,
    }


if __name__ == "__main__":
    serve(OpenAIResponses())
