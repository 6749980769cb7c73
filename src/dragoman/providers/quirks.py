"""Named deviations of providers from the dialect they speak: pure functions on one JSON document.

A row of catalog.toml lists the names that apply; ``REQUEST`` rewrites the body before it leaves,
``ANSWER`` a body or stream chunk before the codec reads it. One name may be in both. A quirk exists only
where neither the codec (what the dialect says) nor ``fit`` (what the model can do) could know better. All
are about Chat Completions, the protocol that so many servers speak almost: no row of another lists any.

None changes its argument: what is untouched is shared, what is touched is copied. All are lenient: a
document of an unexpected shape passes as it is. A quirk in ``DROPS`` leaves top-level fields out for
good; :func:`losses` declares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from string import ascii_letters, digits
from types import MappingProxyType
from typing import Any

from dragoman.core.extras import Json, Loss
from dragoman.dialects import Amend
from dragoman.dialects.fields import encode
from dragoman.providers import Provider

Object = dict[str, Any]

DIALECT = "openai_chat"
"""The protocol that quirks are about."""

# ---------------------------------------------------------------------------- requests: spelling


def max_tokens(body: Json) -> Json:
    """Say ``max_tokens``: most servers know no other name and silently ignore the newer one.

    https://api-docs.deepseek.com/api/create-chat-completion [2026-11-21]
    """
    return _renamed(body, "max_completion_tokens", "max_tokens")


def max_completion_tokens(body: Json) -> Json:
    """Say ``max_completion_tokens``: reasoning models refuse the older name.

    https://developers.openai.com/api/reference/resources/chat [2026-11-21]
    """
    return _renamed(body, "max_tokens", "max_completion_tokens")


def random_seed(body: Json) -> Json:
    """Say ``random_seed`` (Mistral). https://docs.mistral.ai/api/endpoint/chat [2026-11-21]."""
    return _renamed(body, "seed", "random_seed")


def tool_choice_any(body: Json) -> Json:
    """Say ``any`` for ``required`` (Mistral).

    https://docs.mistral.ai/capabilities/function_calling [2026-11-21]
    """
    if _get(body, "tool_choice") == "required":
        return {**body, "tool_choice": "any"}
    return body


def reasoning_object(body: Json) -> Json:
    """Say ``reasoning: {effort}`` for ``reasoning_effort`` (OpenRouter); one already there stays.

    https://openrouter.ai/docs/guides/best-practices/reasoning-tokens [2026-11-21]
    """
    effort = _get(body, "reasoning_effort")
    if effort is None:
        return body
    rest = _without(body, "reasoning_effort")
    return rest if "reasoning" in rest else {**rest, "reasoning": {"effort": effort}}


def developer_as_system(body: Json) -> Json:
    """Say ``system`` for the role ``developer``, which only OpenAI's own servers know.

    https://api-docs.deepseek.com/api/create-chat-completion: roles are system, user, assistant, tool
    [2026-11-21]
    """

    def change(message: Object) -> Object:
        return {**message, "role": "system"} if message.get("role") == "developer" else message

    return _each_sent(body, change)


def content_null(body: Json) -> Json:
    """Send "" for the null content of a message that only calls tools.

    Ollama answers 400 ``invalid message content type: <nil>``, LM Studio 400 ``'content' field must be a
    string or an array of objects`` (lmstudio-bug-tracker 261) [2026-11-21].
    """

    def change(message: Object) -> Object:
        return {**message, "content": ""} if message.get("content", "") is None else message

    return _each_sent(body, change)


# ---------------------------------------------------------------------------- requests: usage in streams


def include_usage(body: Json) -> Json:
    """Ask for usage in every stream: without it nobody could say what the answer cost.

    https://developers.openai.com/api/reference/resources/chat [2026-11-21]. The client sees it only if
    it asked.
    """
    if _get(body, "stream") is not True:
        return body
    asked = body.get("stream_options")
    options = asked if isinstance(asked, dict) else {}
    return {**body, "stream_options": {**options, "include_usage": True}}


def no_stream_options(body: Json) -> Json:
    """Leave ``stream_options`` out where usage comes unasked and the field is refused (Mistral: 422)."""
    return _lean(body, "stream_options")


# ---------------------------------------------------------------------------- requests: left out


def no_penalties(body: Json) -> Json:
    """Leave the penalties out: xAI's reasoning models and Cerebras answer 400.

    https://docs.x.ai/docs/guides/reasoning, https://inference-docs.cerebras.ai/resources/openai [2026-11-21]
    """
    return _lean(body, "frequency_penalty", "presence_penalty")


def no_logit_bias(body: Json) -> Json:
    """Leave ``logit_bias`` out: Groq answers 400, Cerebras checks it and never applies it."""
    return _lean(body, "logit_bias")


def no_logprobs(body: Json) -> Json:
    """Leave ``logprobs`` out (Groq: 400). https://console.groq.com/docs/openai [2026-11-21]."""
    return _lean(body, "logprobs", "top_logprobs")


def no_names(body: Json) -> Json:
    """Leave the speaker's name out of messages: Groq answers 400, Mistral 422.

    https://console.groq.com/docs/openai [2026-11-21]. A tool's name is not a speaker's.
    """

    def change(message: Object) -> Object:
        return message if message.get("role") in ("function", "tool") else _without(message, "name")

    return _each_sent(body, change)


def no_tier(body: Json) -> Json:
    """Leave ``service_tier`` out (Cerebras: 400).

    https://inference-docs.cerebras.ai/resources/openai [2026-11-21]
    """
    return _lean(body, "service_tier")


def no_cache_marks(body: Json) -> Json:
    """Leave out ``prompt_cache_breakpoint``, which only OpenAI's own servers know.

    Agents that speak Anthropic's protocol mark every request; Groq answers 400 to a field it does not
    know, Mistral 422. https://console.groq.com/docs/openai [2026-11-21]
    """
    return _remarked(body, {})


def cache_control_marks(body: Json) -> Json:
    """Say ``cache_control`` for ``prompt_cache_breakpoint``: these routers pass it on to Anthropic.

    https://openrouter.ai/docs/features/prompt-caching [2026-11-21]
    """
    return _remarked(body, {"cache_control": {"type": "ephemeral"}})


def no_past_thinking(body: Json) -> Json:
    """Leave the thinking of earlier turns out: these servers refuse the fields others carry it in.

    OpenAI answers ``Unknown parameter: messages[1].reasoning_content``, Groq ``property is unsupported``.
    https://developers.openai.com/api/reference/resources/chat [2026-11-21]
    """

    def change(message: Object) -> Object:
        if message.get("role") != "assistant":
            return message
        return _without(message, "reasoning_content", "reasoning", "reasoning_details")

    return _each_sent(body, change)


MISTRAL_FIELDS = frozenset({
    "model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed",
    "metadata", "response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty",
    "min_tokens", "repetition_penalty", "top_k", "logprobs", "top_logprobs", "prompt_logprobs",
    "top_prompt_logprobs", "n", "prediction", "parallel_tool_calls", "reasoning_effort",
    "prompt_mode", "guardrails", "prompt_cache_key", "service_tier", "safe_prompt",
})  # fmt: skip
"""What Mistral's chat endpoint knows: ChatCompletionRequest of mistralai 3.7.0 [2026-11-21]."""


def mistral_fields(body: Json) -> Json:
    """Leave out the fields Mistral does not know: it answers 422 ``extra_forbidden`` to any."""
    if not isinstance(body, dict) or body.keys() <= MISTRAL_FIELDS:
        return body
    return {name: value for name, value in body.items() if name in MISTRAL_FIELDS}


# ---------------------------------------------------------------------------- requests: thinking and tools


def deepseek_thinking(body: Json) -> Json:
    """Turn thinking off by ``thinking: {type: disabled}``, and keep tool turns whole while it is on.

    DeepSeek thinks by default and refuses a tool-calling assistant turn without ``reasoning_content``;
    a turn another model wrote has none, so it gets an empty one.
    https://api-docs.deepseek.com/guides/thinking_mode [2026-11-21]
    """
    if _get(body, "reasoning_effort") == "none":
        return {**_without(body, "reasoning_effort"), "thinking": {"type": "disabled"}}
    thinking = _get(body, "thinking")
    if isinstance(thinking, dict) and thinking.get("type") == "disabled":
        return body

    def change(message: Object) -> Object:
        if message.get("tool_calls") and message.get("reasoning_content") is None:
            return {**message, "reasoning_content": ""}
        return message

    return _each_sent(body, change)


def deepseek_forced_tools(body: Json) -> Json:
    """Turn thinking off where a tool must be called: while DeepSeek thinks it answers 400 to the choice.

    ``Thinking mode does not support this tool_choice`` (deepseek-harness, discussion 4709) [2026-11-21].
    """
    if _get(body, "tool_choice") in (None, "auto", "none") or not _deepseek_thinks(body):
        return body
    return {**_without(body, "reasoning_effort"), "thinking": {"type": "disabled"}}


def deepseek_sampling(body: Json) -> Json:
    """Leave out the sampling that DeepSeek silently ignores while it thinks, so that its loss is declared.

    https://api-docs.deepseek.com/guides/thinking_mode [2026-11-21]
    """
    if not _deepseek_thinks(body):
        return body
    return _lean(body, "temperature", "frequency_penalty", "presence_penalty")


GROQ_TIERS = frozenset({"auto", "on_demand", "flex", "performance"})
"""https://console.groq.com/docs/service-tiers [2026-11-21]."""


def groq_tier(body: Json) -> Json:
    """Say ``on_demand`` for the tier ``default``, and leave out those that only OpenAI sells."""
    tier = _get(body, "service_tier")
    if tier is None or tier in GROQ_TIERS:
        return body
    return {**body, "service_tier": "on_demand"} if tier == "default" else _lean(body, "service_tier")


def groq_reasoning(body: Json) -> Json:
    """Have Qwen's and R1's thinking apart from the text, and say ``default`` for any effort of Qwen.

    Unasked, these two families write ``<think>`` into the content; Qwen knows only the efforts ``none``
    and ``default``. https://console.groq.com/docs/reasoning [2026-11-21]
    """
    model = _get(body, "model")
    if not isinstance(model, str) or not model.startswith(("qwen/", "qwen-", "deepseek-r1")):
        return body
    effort = body.get("reasoning_effort")
    amended = dict(body)
    if effort != "none" and "include_reasoning" not in body:  # Groq refuses the two together.
        amended.setdefault("reasoning_format", "parsed")
    if effort not in (None, "none", "default"):
        amended["reasoning_effort"] = "default"
    return amended


def _deepseek_thinks(body: Json) -> bool:
    """Say whether DeepSeek will think: it does unless it is told not to."""
    off = _get(_get(body, "thinking"), "type") == "disabled"
    return isinstance(body, dict) and not off and body.get("reasoning_effort") != "none"


def nine_character_ids(body: Json) -> Json:
    """Give tool calls ids of nine letters and digits, always the same nine for the same id.

    Mistral's chat templates refuse any other length (mistral-common, ``^[a-zA-Z0-9]{9}$``) [2026-11-21].
    """

    def change(message: Object) -> Object:
        changed = message
        if isinstance(message.get("tool_call_id"), str):
            changed = {**changed, "tool_call_id": _nine(message["tool_call_id"])}
        if isinstance(message.get("tool_calls"), list):
            calls = [
                {**call, "id": _nine(call["id"])} if isinstance(_get(call, "id"), str) else call
                for call in message["tool_calls"]
            ]
            changed = {**changed, "tool_calls": calls}
        return changed

    return _each_sent(body, change)


def thinking_to_parts(body: Json) -> Json:
    """Send an earlier turn's thinking to Mistral as it writes it: a part of the content.

    https://docs.mistral.ai/capabilities/reasoning [2026-11-21]. Its messages allow no other field.
    """

    def change(message: Object) -> Object:
        if message.get("role") != "assistant":
            return message
        parts = [part for part in _told(message) if part["thinking"][0]["text"]]
        rest = _without(message, "reasoning_content", "reasoning", "reasoning_details", "refusal", "name")
        if not parts:
            return rest
        content = rest.get("content")
        if isinstance(content, str) and content:
            parts.append({"type": "text", "text": content})
        elif isinstance(content, list):
            parts.extend(content)
        return {**rest, "content": parts}

    return _each_sent(body, change)


# ---------------------------------------------------------------------------- answers and chunks


def parts_to_thinking(body: Json) -> Json:
    """Read Mistral's content parts: thinking becomes ``reasoning_content``, the text a string.

    A signed part becomes ``reasoning_details``, which has room for the signature.
    https://docs.mistral.ai/capabilities/reasoning [2026-11-21]
    """

    def change(message: Object) -> Object:
        content = message.get("content")
        if not isinstance(content, list):
            return message
        thoughts = [part for part in content if _get(part, "type") == "thinking"]
        text = "".join(_text(part) for part in content)
        changed: Object = {**message, "content": text or None}
        if any(part.get("signature") for part in thoughts):
            changed["reasoning_details"] = [_detail(part) for part in thoughts]
        elif thoughts:
            changed["reasoning_content"] = "".join(_thought(part) for part in thoughts)
        return changed

    return _each_answered(body, change)


def arguments_text(body: Json) -> Json:
    """Read tool arguments sent as an object (Mistral) as the JSON text every other server sends."""

    def change_call(call: Json) -> Json:
        function = _get(call, "function")
        arguments = _get(function, "arguments")
        if not isinstance(arguments, dict):
            return call
        return {**call, "function": {**function, "arguments": encode(arguments).decode()}}

    def change(message: Object) -> Object:
        calls = message.get("tool_calls")
        if not isinstance(calls, list):
            return message
        return {**message, "tool_calls": [change_call(call) for call in calls]}

    return _each_answered(body, change)


def model_length(body: Json) -> Json:
    """Read the finish reason ``model_length`` (Mistral: the context is full) as ``length``.

    https://docs.mistral.ai/api/endpoint/chat [2026-11-21]
    """
    return _each_choice(
        body,
        lambda choice: (
            {**choice, "finish_reason": "length"} if choice.get("finish_reason") == "model_length" else choice
        ),
    )


def x_groq(body: Json) -> Json:
    """Read usage and errors of a Groq stream, which come inside ``x_groq``.

    https://console.groq.com/docs/api-reference#chat-create [2026-11-21]
    """
    inner = _get(body, "x_groq")
    if not isinstance(inner, dict):
        return body
    lifted = {
        name: inner[name]
        for name in ("usage", "error")
        if inner.get(name) is not None and body.get(name) is None
    }
    if isinstance(lifted.get("error"), str):
        lifted["error"] = {"message": lifted["error"]}
    return {**body, **lifted} if lifted else body


def reasoning_apart(body: Json) -> Json:
    """Count reasoning into ``completion_tokens``, as OpenAI does and xAI does not.

    Only where the total says it was left out, so an answer that includes it already stays.
    https://docs.x.ai/docs/guides/reasoning [2026-11-21]
    """
    usage = _get(body, "usage")
    details = _get(usage, "completion_tokens_details")
    reasoning = _count(_get(details, "reasoning_tokens"))
    prompt, completion, total = (
        _count(_get(usage, name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    if not reasoning or total != prompt + completion + reasoning:
        return body
    return {**body, "usage": {**usage, "completion_tokens": completion + reasoning}}


def cache_hit_tokens(body: Json) -> Json:
    """Read DeepSeek's ``prompt_cache_hit_tokens`` as ``prompt_tokens_details.cached_tokens``.

    https://api-docs.deepseek.com/guides/kv_cache [2026-11-21]
    """
    usage = _get(body, "usage")
    hits = _count(_get(usage, "prompt_cache_hit_tokens"))
    details = _get(usage, "prompt_tokens_details")
    if not hits or _get(details, "cached_tokens") is not None:
        return body
    known = details if isinstance(details, dict) else {}
    return {**body, "usage": {**usage, "prompt_tokens_details": {**known, "cached_tokens": hits}}}


# ---------------------------------------------------------------------------- the tables

REQUEST: Mapping[str, Amend] = MappingProxyType(
    {
        "cache_control_marks": cache_control_marks,
        "content_null": content_null,
        "deepseek_forced_tools": deepseek_forced_tools,
        "deepseek_sampling": deepseek_sampling,
        "deepseek_thinking": deepseek_thinking,
        "developer_as_system": developer_as_system,
        "groq_reasoning": groq_reasoning,
        "groq_tier": groq_tier,
        "include_usage": include_usage,
        "max_completion_tokens": max_completion_tokens,
        "max_tokens": max_tokens,
        "mistral_fields": mistral_fields,
        "mistral_thinking": thinking_to_parts,
        "nine_character_ids": nine_character_ids,
        "no_cache_marks": no_cache_marks,
        "no_logit_bias": no_logit_bias,
        "no_logprobs": no_logprobs,
        "no_names": no_names,
        "no_past_thinking": no_past_thinking,
        "no_penalties": no_penalties,
        "no_stream_options": no_stream_options,
        "no_tier": no_tier,
        "random_seed": random_seed,
        "reasoning_object": reasoning_object,
        "tool_choice_any": tool_choice_any,
    }
)
"""Quirks of request bodies, by the name rows list."""

ANSWER: Mapping[str, Amend] = MappingProxyType(
    {
        "arguments_text": arguments_text,
        "cache_hit_tokens": cache_hit_tokens,
        "mistral_thinking": parts_to_thinking,
        "model_length": model_length,
        "reasoning_apart": reasoning_apart,
        "x_groq": x_groq,
    }
)
"""Quirks of answers and stream chunks, by the name rows list."""

DROPS = frozenset(
    {
        "deepseek_sampling",
        "groq_tier",
        "mistral_fields",
        "no_logit_bias",
        "no_logprobs",
        "no_penalties",
        "no_tier",
    }
)
"""Request quirks under which a top-level field is gone for good."""

DROPS_INSIDE = MappingProxyType(
    {
        "deepseek_forced_tools": "reasoning",
        "no_cache_marks": "messages.cache_ttl_s",
        "no_names": "messages.name",
        "no_past_thinking": "messages.thinking",
    }
)
"""Request quirks that leave something out inside the body, and what."""

SAYS_NOTHING = MappingProxyType(
    {
        "n": 1,
        "parallel_tool_calls": True,
        "temperature": 1,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "logprobs": False,
        "service_tier": "auto",
    }
)
"""Values that say what the server does anyway: leaving them out loses nothing."""

CORE_NAMES = MappingProxyType(
    {"n": "candidates", "parallel_tool_calls": "parallel_tools", "service_tier": "tier"}
)
"""Wire fields the core names differently."""


def amend_request(provider: Provider, body: Json) -> Json:
    """Return `body` with the provider's request quirks applied in order."""
    for name in provider.quirks:
        if (quirk := REQUEST.get(name)) is not None:
            body = quirk(body)
    return body


def losses(provider: Provider, body: Json) -> tuple[Loss, ...]:
    """Return what :func:`amend_request` leaves out of `body` for good."""
    return tuple(_losses(provider, body))


def amend_answer(provider: Provider) -> Amend | None:
    """Return the provider's answer quirks as one function, or None when it has none."""
    quirks = tuple(ANSWER[name] for name in provider.quirks if name in ANSWER)
    if len(quirks) < 2:
        return quirks[0] if quirks else None

    def amend(body: Json) -> Json:
        for quirk in quirks:
            body = quirk(body)
        return body

    return amend


def _losses(provider: Provider, body: Json) -> Iterator[Loss]:
    for name in provider.quirks:
        quirk = REQUEST.get(name)
        if quirk is None:
            continue
        before, body = body, quirk(body)
        if before is body:
            continue
        if name in DROPS_INSIDE:
            yield Loss("dropped", DROPS_INSIDE[name], f"{provider.name} does not take it")
        if name not in DROPS:
            continue
        for field in before:
            if field not in body and not _says_nothing(before, field):
                yield Loss("dropped", CORE_NAMES.get(field, field), f"{provider.name} does not take it")


def _says_nothing(body: Object, field: str) -> bool:
    value = body[field]
    return value in (None, [], {}) or (field in SAYS_NOTHING and value == SAYS_NOTHING[field])


# ---------------------------------------------------------------------------- walking a document

Change = Callable[[Object], Object]


def _get(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def _count(value: Json) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _without(value: Object, *names: str) -> Object:
    if value.keys().isdisjoint(names):
        return value
    return {name: field for name, field in value.items() if name not in names}


def _lean(body: Json, *names: str) -> Json:
    return _without(body, *names) if isinstance(body, dict) else body


def _renamed(body: Json, old: str, new: str) -> Json:
    """Return `body` with `old` called `new`; where both are given, `new` is what counts."""
    if not isinstance(body, dict) or old not in body:
        return body
    rest = _without(body, old)
    return rest if rest.get(new) is not None else {**rest, new: body[old]}


def _each(body: Json, name: str, change: Change) -> Json:
    """Return `body` with each object of the array `name` changed; `body` itself if none was."""
    items = _get(body, name)
    if not isinstance(items, list):
        return body
    changed = [change(item) if isinstance(item, dict) else item for item in items]
    if all(new is old for new, old in zip(changed, items, strict=True)):
        return body
    return {**body, name: changed}


def _each_sent(body: Json, change: Change) -> Json:
    return _each(body, "messages", change)


def _remarked(body: Json, instead: Object) -> Json:
    """Put `instead` where a content part or a tool has a cache mark of OpenAI's."""

    def change_part(part: Json) -> Json:
        if _get(part, "prompt_cache_breakpoint") is None:
            return part
        return {**_without(part, "prompt_cache_breakpoint"), **instead}

    def change(message: Object) -> Object:
        content = message.get("content")
        if not isinstance(content, list):
            return message
        parts = [change_part(part) for part in content]
        same = all(new is old for new, old in zip(parts, content, strict=True))
        return message if same else {**message, "content": parts}

    return _each(_each_sent(body, change), "tools", change_part)


def _each_choice(body: Json, change: Change) -> Json:
    return _each(body, "choices", change)


def _each_answered(body: Json, change: Change) -> Json:
    """Change each choice's message, or delta in a stream chunk."""

    def change_choice(choice: Object) -> Object:
        for name in ("message", "delta"):
            message = choice.get(name)
            if isinstance(message, dict) and (changed := change(message)) is not message:
                choice = {**choice, name: changed}
        return choice

    return _each_choice(body, change_choice)


ALPHABET = ascii_letters + digits


def _nine(call_id: str) -> str:
    if len(call_id) == 9 and call_id.isascii() and call_id.isalnum():
        return call_id
    digest = sha256(call_id.encode("utf-8", "surrogatepass")).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:9])


def _text(part: Json) -> str:
    text = _get(part, "text") if _get(part, "type") == "text" else None
    return text if isinstance(text, str) else ""


def _thought(part: Object) -> str:
    inner = part.get("thinking")
    if isinstance(inner, str):
        return inner
    return "".join(_text(piece) for piece in inner) if isinstance(inner, list) else ""


def _detail(part: Object) -> Object:
    detail: Object = {"type": "reasoning.text", "text": _thought(part)}
    if part.get("signature"):
        detail["signature"] = part["signature"]
    return detail


def _told(message: Object) -> Iterator[Object]:
    """Yield Mistral's thinking parts for the reasoning an assistant message carries."""
    details = message.get("reasoning_details")
    if isinstance(details, list) and details:
        for detail in details:
            text = _get(detail, "text")
            part: Object = {
                "type": "thinking",
                "thinking": [{"type": "text", "text": text if isinstance(text, str) else ""}],
            }
            if _get(detail, "signature"):
                part["signature"] = detail["signature"]
            yield part
        return
    text = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(text, str):
        yield {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
