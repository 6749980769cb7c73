"""The official SDKs as judges: each in an environment of its own, over real sockets, before every dialect.

What an SDK says of the gateway's answer is compared with what the simulator was told to do. Words that
differ from SDK to SDK (why an answer stopped, what it consumed, an exception's class) stand in tables
here; a cell that cannot be answered honestly stands in REFUSED, and is held to its refusal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.sdks.scene import KEEPALIVE_S, KEY, ORACLES, Oracles, Scene

from dragoman.dialects.catalog import DIALECTS
from dragoman.server.client import AsgiOut

Turn = dict[str, Any]
Ask = Callable[..., list[Turn]]

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJggg=="

TOOL = {
    "name": "weather",
    "description": "Say the weather.",
    "schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}

CHAT_STOPS = {"end": "stop", "length": "length", "tool_use": "tool_calls"}
STOPS: dict[str, dict[str, str]] = {
    "openai_chat": CHAT_STOPS,
    "openai_responses": {"end": "completed", "length": "max_output_tokens", "tool_use": "completed"},
    "anthropic": {"end": "end_turn", "length": "max_tokens", "tool_use": "tool_use"},
    "google_genai": {"end": "STOP", "length": "MAX_TOKENS", "tool_use": "STOP"},
    "cohere": {"end": "COMPLETE", "length": "MAX_TOKENS", "tool_use": "TOOL_CALL"},
    "ollama": {"end": "stop", "length": "length", "tool_use": "stop"},
    "groq": CHAT_STOPS,
}
"""Why an answer stopped, in each SDK's words."""

APART = {"ollama": False}
"""Whether a provider's dialect tells cached and thinking tokens apart from the others; by default it does."""

OPENAI = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
    502: "InternalServerError",
    503: "InternalServerError",
}
RAISED: dict[str, dict[int, str]] = {
    "openai_chat": {status: f"openai.{name}" for status, name in OPENAI.items()},
    "openai_responses": {status: f"openai.{name}" for status, name in OPENAI.items()},
    "anthropic": {
        **{status: f"anthropic.{name}" for status, name in OPENAI.items()},
        503: "anthropic.OverloadedError",
    },
    "google_genai": {
        **dict.fromkeys((400, 401, 404, 429), "google.ClientError"),
        **dict.fromkeys((502, 503), "google.ServerError"),
    },
    "cohere": {
        400: "cohere.BadRequestError",
        401: "cohere.UnauthorizedError",
        404: "cohere.NotFoundError",
        429: "cohere.TooManyRequestsError",
        502: "cohere.ApiError",  # it has no class for this one
        503: "cohere.ServiceUnavailableError",
    },
    "ollama": dict.fromkeys((400, 401, 404, 429, 502, 503), "ollama.ResponseError"),
    "groq": {status: f"groq.{name}" for status, name in OPENAI.items()},
}
"""The exception each SDK raises for a status."""

BROKEN = {
    "openai_chat": "openai.APIError",
    "openai_responses": "response.failed",
    "anthropic": "anthropic.APIStatusError",
    "google_genai": "google.ServerError",
    "cohere": "message-end",
    "ollama": "ollama.ResponseError",
    "groq": "groq.APIError",
}
"""How each SDK shows an error in the middle of a stream. Responses and Cohere raise nothing: the one ends in
``response.failed``, the other in a ``message-end`` whose reason is ERROR."""

CUT_SHORT = {"openai_chat": "openai.LengthFinishReasonError"}
"""What an SDK's stream helper raises for an answer that was cut short."""

WHOLE_CALLS = ("gemini", "ollama")
"""Dialects that have a tool call whole, in one frame; so do the SDKs made for them."""


@pytest.fixture(params=ORACLES)
def sdk(request: pytest.FixtureRequest) -> str:
    """An official SDK, and the way it is asked."""
    return str(request.param)


@pytest.fixture(params=DIALECTS)
def upstream(request: pytest.FixtureRequest) -> str:
    """The dialect of the provider."""
    return str(request.param)


@pytest.fixture
def ask(scene: Scene, oracles: Oracles, sdk: str, upstream: str) -> Ask:
    """Ask the SDK for an answer of a provider; return its turns."""

    def asked(**command: Any) -> list[Turn]:
        where = {
            "do": "answer",
            "base_url": scene.url,
            "key": KEY,
            "model": f"sim-{upstream}/m",
            "words": "Hi",
        }
        turns: list[Turn] = oracles.ask(sdk, **{**where, **command})["turns"]
        return turns

    return asked


def used(sdk: str, upstream: str, *, fresh: int, cached: int, said: int, thought: int) -> dict[str, Any]:
    """Return the least that an SDK has to say of what was consumed, in its words."""
    if not APART.get(upstream, True):
        fresh, cached, said, thought = fresh + cached, 0, said + thought, 0
    match sdk:
        case "openai_chat" | "groq":
            return {
                "prompt_tokens": fresh + cached,
                "completion_tokens": said + thought,
                "total_tokens": fresh + cached + said + thought,
                **({"prompt_tokens_details": {"cached_tokens": cached}} if cached else {}),
                **({"completion_tokens_details": {"reasoning_tokens": thought}} if thought else {}),
            }
        case "openai_responses":
            return {
                "input_tokens": fresh + cached,
                "output_tokens": said + thought,
                "total_tokens": fresh + cached + said + thought,
                "input_tokens_details": {"cached_tokens": cached},
                "output_tokens_details": {"reasoning_tokens": thought},
            }
        case "anthropic":
            return {
                "input_tokens": fresh,
                "output_tokens": said + thought,
                **({"cache_read_input_tokens": cached} if cached else {}),
            }
        case "google_genai":
            return {
                "prompt_token_count": fresh + cached,
                "candidates_token_count": said,
                "total_token_count": fresh + cached + said + thought,
                **({"cached_content_token_count": cached} if cached else {}),
                **({"thoughts_token_count": thought} if thought else {}),
            }
        case "cohere":
            return {
                "tokens": {"input_tokens": fresh + cached, "output_tokens": said + thought},
                **({"cached_tokens": cached} if cached else {}),
            }
        case _:
            return {"prompt_eval_count": fresh + cached, "eval_count": said + thought}


def holds(got: Any, least: Any) -> bool:
    """Say whether `got` has everything that `least` has."""
    if isinstance(least, dict):
        return isinstance(got, dict) and all(holds(got.get(name), value) for name, value in least.items())
    return bool(got == least)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_text(scene: Scene, ask: Ask, sdk: str, *, stream: bool) -> None:
    """The words, why they stopped, and what the provider heard; a stream comes in pieces that add up."""
    scene.play(text="one two three four")
    [turn] = ask(stream=stream, system="Be brief.", words="Say something.", max_tokens=50)
    assert turn["error"] is None
    assert turn["text"] == "one two three four"
    assert turn["stop"] == STOPS[sdk]["end"]
    if stream:
        assert turn["heard"] == turn["text"]
        assert turn["pieces"] > 1
    [body] = map(json.dumps, scene.heard())
    assert "Be brief." in body
    assert "Say something." in body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_cut_short_says_so(scene: Scene, ask: Ask, sdk: str, *, stream: bool) -> None:
    """The limit reaches the provider, and the answer's reason to stop comes back."""
    scene.play(text=" ".join(map(str, range(30))))
    [turn] = ask(stream=stream, max_tokens=20)  # Responses takes none below 16
    raised = CUT_SHORT.get(sdk) if stream else None
    assert (turn["error"] and turn["error"]["class"]) == raised
    assert (turn["heard"] or turn["text"]).split() == [*map(str, range(20))]
    assert turn["stop"] == STOPS[sdk]["length"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_thinking_and_usage(scene: Scene, ask: Ask, sdk: str, upstream: str, *, stream: bool) -> None:
    """Thinking is apart from the text, and every count is where the SDK looks for it."""
    counts = {"input": 20, "cache_read": 5, "output": 9, "reasoning": 4}
    scene.play(text="Done.", thinking="always", thinking_tokens=8, counts=counts)
    [turn] = ask(stream=stream, think=True)
    assert turn["error"] is None
    assert turn["text"] == "Done."
    assert len(turn["thinking"].split()) == 8
    least = used(sdk, upstream, fresh=20, cached=5, said=9, thought=4)
    assert holds(turn["usage"], least), f"{turn['usage']} is less than {least}"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_loop(scene: Scene, ask: Ask, sdk: str, upstream: str, *, stream: bool) -> None:
    """Two parallel calls with arguments valid for the schema, results brought back, then the answer."""
    scene.play(calls=2, text="Sunny.", chunk_size=4)
    called, answered = ask(do="loop", stream=stream, tools=[TOOL], words="use the tool")
    assert called["error"] is None
    assert called["stop"] == STOPS[sdk]["tool_use"]
    assert len(called["calls"]) == 2
    for call in called["calls"]:
        assert call["name"] == "weather"
        jsonschema.validate(call["args"], TOOL["schema"])
    ids = [call["id"] for call in called["calls"]]
    assert len({*ids}) == 2 or sdk == "ollama", "calls are told apart, except by an SDK that knows no ids"
    if stream and upstream not in WHOLE_CALLS and sdk not in ("google_genai", "ollama"):
        assert called["fragments"] > 4, "arguments come in pieces"
    assert answered["error"] is None
    assert answered["text"] == "Sunny."
    assert answered["stop"] == STOPS[sdk]["end"]
    first, second = scene.heard()
    assert "weather" in json.dumps(first)
    assert all(f"sun {index}" in json.dumps(second) for index in range(2))


def test_structured_output(scene: Scene, ask: Ask) -> None:
    """The SDK's own helper makes an object of the given type; where it has none, the text is one."""
    scene.play()
    [turn] = ask(parse=True)
    assert turn["error"] is None
    assert {name: type(value) for name, value in turn["parsed"].items()} == {"name": str, "people": int}


def test_an_image_arrives(scene: Scene, ask: Ask) -> None:
    """A base64 image reaches the provider, byte for byte."""
    scene.play()
    [turn] = ask(image=DOT, words="what?")
    assert turn["error"] is None
    heard = json.dumps(scene.heard()[-1])
    assert DOT in heard.replace("-", "+").replace("_", "/"), "google-genai writes the URL-safe alphabet"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"status": 400, "message": "no such thing"}, 400),
        ({"status": 404, "message": "no such model"}, 404),
        ({"status": 429, "message": "slow down", "retry_after_s": 2}, 429),
        ({"status": 500, "message": "broken"}, 502),
        ({"status": 503, "message": "busy"}, 503),
        ({"status": 401, "message": "who is this?"}, 502),
    ],
    ids=["400", "404", "429", "500", "503", "401 of ours"],
)
def test_errors_are_the_sdks_own(
    scene: Scene, ask: Ask, sdk: str, error: dict[str, Any], status: int
) -> None:
    """Each of the provider's errors becomes the SDK's exception for it; our key's trouble is ours."""
    scene.play(error=error)
    [turn] = ask()
    told = turn["error"]
    assert told["class"] == RAISED[sdk][status]
    assert told["status"] == (529 if (sdk, status) == ("anthropic", 503) else status), (
        "its word for busy is 529"
    )
    if status == 429 and sdk not in ("google_genai", "ollama"):  # these have no header to look for
        assert told["retry_after"] == "2"


def test_an_error_in_mid_stream_is_no_short_answer(scene: Scene, ask: Ask, sdk: str) -> None:
    """Some words come, then the SDK raises, or shows the failure where it raises for none."""
    scene.play(tokens=20, error={"status": 503, "at_frame": 8, "message": "gone"})
    [turn] = ask(stream=True)
    assert turn["error"] is not None
    assert turn["error"]["class"] == BROKEN[sdk]
    assert turn["pieces"] > 0
    assert turn["stop"] in (None, "failed", "ERROR")


def test_a_stream_cut_off_is_no_short_answer(scene: Scene, ask: Ask, sdk: str) -> None:
    """A provider that just stops talking is shown as an error too, though no SDK notices it by itself."""
    scene.play(tokens=20, faults=[{"kind": "end", "at_frame": 8}])
    [turn] = ask(stream=True)
    assert turn["error"] is not None
    assert turn["error"]["class"] == BROKEN[sdk]


@pytest.mark.parametrize("upstream", ["openai_chat"], indirect=True)
def test_signs_of_life_are_survived(scene: Scene, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a provider is slow, the dialect's keep-alive is sent, and the SDK makes nothing of it."""
    sent: list[bytes] = []
    plain = AsgiOut._keepalive

    async def noted(out: AsgiOut, data: bytes) -> None:
        sent.append(data)
        await plain(out, data)

    monkeypatch.setattr(AsgiOut, "_keepalive", noted)
    scene.play(text="one two three", tokens_per_s=1 / (4 * KEEPALIVE_S))
    [turn] = ask(stream=True)
    assert turn["error"] is None
    assert turn["text"] == turn["heard"] == "one two three"
    assert sent


def test_our_own_refusals_are_the_sdks_own(scene: Scene, oracles: Oracles, sdk: str) -> None:
    """A wrong key and an unknown model."""

    def refused(**command: Any) -> Any:
        asked = {"do": "answer", "base_url": scene.url, "key": KEY, "model": "none", "words": "Hi", **command}
        return oracles.ask(sdk, **asked)["turns"][0]["error"]

    scene.play()
    wrong, unknown = refused(key="wrong"), refused()
    assert (wrong["class"], wrong["status"]) == (RAISED[sdk][401], 401)
    assert (unknown["class"], unknown["status"]) == (RAISED[sdk][404], 404)
    assert scene.heard() == []
