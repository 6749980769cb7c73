// The six protocols a client may speak here: how each asks, and what each says, whole and piece by piece.
//
//   path(model, stream)   where the request goes, relative to the gateway
//   body(ask, stream)     what it says; ask = {model, system, turns: [{role, text}], maxTokens, temperature}
//   whole(json)           an answer's {text, thinking, usage: {input, output}, stop}
//   piece(json, event)    the same of one event of a stream, as far as it has it; end: nothing follows;
//                         failure: what an error in the stream said
//
// The paths, fields and events are the vendors', as the gateway reads and writes them.

const openaiTurns = ({ system, turns }) => [
  ...(system ? [{ role: "system", content: system }] : []),
  ...turns.map(({ role, text }) => ({ role, content: text })),
];

/** Return `fields` without those that are not set. */
const set = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));

const texts = (parts, type) => (parts ?? []).filter((part) => part?.type === type);

const openaiChat = {
  id: "openai_chat",
  label: "OpenAI Chat",
  framing: "sse",
  path: () => "v1/chat/completions",
  body: (ask, stream) => set({
    model: ask.model,
    messages: openaiTurns(ask),
    max_tokens: ask.maxTokens,
    temperature: ask.temperature,
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  }),
  whole(json) {
    const choice = json.choices?.[0];
    return {
      text: choice?.message?.content ?? "",
      thinking: choice?.message?.reasoning_content ?? choice?.message?.reasoning ?? "",
      usage: openaiUsage(json.usage),
      stop: choice?.finish_reason,
    };
  },
  piece(json) {
    if (json === "[DONE]") return { end: true };
    if (json.error) return { failure: json };
    const choice = json.choices?.[0];
    return {
      text: choice?.delta?.content ?? "",
      thinking: choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? "",
      usage: openaiUsage(json.usage),
      stop: choice?.finish_reason,
    };
  },
};

function openaiUsage(usage) {
  return usage && { input: usage.prompt_tokens ?? null, output: usage.completion_tokens ?? null };
}

const openaiResponses = {
  id: "openai_responses",
  label: "OpenAI Responses",
  framing: "sse",
  path: () => "v1/responses",
  body: (ask, stream) => set({
    model: ask.model,
    instructions: ask.system || null,
    input: ask.turns.map(({ role, text }) => ({ role, content: text })),
    max_output_tokens: ask.maxTokens,
    temperature: ask.temperature,
    store: false,
    ...(stream ? { stream: true } : {}),
  }),
  whole(json) {
    const output = json.output ?? [];
    const spoken = output.flatMap((item) => texts(item.content, "output_text"));
    const thought = output.flatMap((item) => [...texts(item.summary, "summary_text"), ...texts(item.content, "reasoning_text")]);
    return {
      text: spoken.map((part) => part.text).join(""),
      thinking: thought.map((part) => part.text).join(""),
      usage: anthropicUsage(json.usage),
      stop: json.incomplete_details?.reason ?? json.status,
      failure: json.status === "failed" ? json : undefined,
    };
  },
  piece(json) {
    switch (json.type) {
      case "response.output_text.delta":
        return { text: json.delta };
      case "response.reasoning_summary_text.delta":
      case "response.reasoning_text.delta":
        return { thinking: json.delta };
      case "response.completed":
      case "response.incomplete":
        return { ...openaiResponses.whole(json.response ?? {}), text: "", thinking: "", end: true };
      case "response.failed":
        return { failure: json.response ?? json, end: true };
      case "error":
        return { failure: json };
      default:
        return {};
    }
  },
};

const anthropic = {
  id: "anthropic",
  label: "Anthropic Messages",
  framing: "sse",
  path: () => "v1/messages",
  headers: { "anthropic-version": "2023-06-01" },
  body: (ask, stream) => set({
    model: ask.model,
    max_tokens: ask.maxTokens ?? 4096, // Anthropic's clients must say one
    system: ask.system || null,
    messages: ask.turns.map(({ role, text }) => ({ role, content: text })),
    temperature: ask.temperature,
    ...(stream ? { stream: true } : {}),
  }),
  whole: (json) => ({
    text: texts(json.content, "text").map((part) => part.text).join(""),
    thinking: texts(json.content, "thinking").map((part) => part.thinking).join(""),
    usage: anthropicUsage(json.usage),
    stop: json.stop_reason,
  }),
  piece(json) {
    switch (json.type) {
      case "message_start":
        return { usage: anthropicUsage(json.message?.usage) };
      case "content_block_start":
        return { text: json.content_block?.text ?? "", thinking: json.content_block?.thinking ?? "" };
      case "content_block_delta":
        return { text: json.delta?.text ?? "", thinking: json.delta?.thinking ?? "" };
      case "message_delta":
        return { usage: anthropicUsage(json.usage), stop: json.delta?.stop_reason };
      case "message_stop":
        return { end: true };
      case "error":
        return { failure: json };
      default:
        return {};
    }
  },
};

function anthropicUsage(usage) {
  if (!usage) return undefined;
  const read = [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens];
  const known = read.filter((tokens) => typeof tokens === "number");
  return { input: known.length ? known.reduce((a, b) => a + b) : null, output: usage.output_tokens ?? null };
}

const gemini = {
  id: "gemini",
  label: "Gemini",
  framing: "sse",
  path: (model, stream) =>
    `v1beta/models/${model.split("/").map(encodeURIComponent).join("/")}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
  body(ask) {
    const config = set({ maxOutputTokens: ask.maxTokens, temperature: ask.temperature });
    return {
      ...(ask.system ? { systemInstruction: { parts: [{ text: ask.system }] } } : {}),
      contents: ask.turns.map(({ role, text }) => ({ role: role === "user" ? "user" : "model", parts: [{ text }] })),
      ...(Object.keys(config).length ? { generationConfig: config } : {}),
    };
  },
  whole(json) {
    const candidate = json.candidates?.[0];
    const parts = (candidate?.content?.parts ?? []).filter((part) => typeof part.text === "string");
    const usage = json.usageMetadata;
    return {
      text: parts.filter((part) => !part.thought).map((part) => part.text).join(""),
      thinking: parts.filter((part) => part.thought).map((part) => part.text).join(""),
      usage: usage && {
        input: usage.promptTokenCount ?? null,
        output: usage.candidatesTokenCount === undefined ? null : usage.candidatesTokenCount + (usage.thoughtsTokenCount ?? 0),
      },
      stop: candidate?.finishReason ?? json.promptFeedback?.blockReason,
    };
  },
  piece(json) {
    if (json.error) return { failure: json };
    const said = gemini.whole(json);
    return { ...said, end: Boolean(said.stop) };
  },
};

const cohere = {
  id: "cohere",
  label: "Cohere",
  framing: "sse",
  path: () => "v2/chat",
  body: (ask, stream) => set({
    model: ask.model,
    messages: openaiTurns(ask),
    max_tokens: ask.maxTokens,
    temperature: ask.temperature,
    stream,
  }),
  whole: (json) => ({
    text: texts(json.message?.content, "text").map((part) => part.text).join(""),
    thinking: texts(json.message?.content, "thinking").map((part) => part.thinking).join(""),
    usage: cohereUsage(json.usage),
    stop: json.finish_reason,
  }),
  piece(json) {
    const content = json.delta?.message?.content;
    switch (json.type) {
      case "content-start":
      case "content-delta":
        return { text: content?.text ?? "", thinking: content?.thinking ?? "" };
      case "message-end":
        return {
          usage: cohereUsage(json.delta?.usage),
          stop: json.delta?.finish_reason,
          failure: json.delta?.error ? { error: json.delta.error } : undefined,
          end: true,
        };
      default:
        return json.message && !json.type ? { failure: json } : {};
    }
  },
};

function cohereUsage(usage) {
  const tokens = usage?.tokens ?? usage?.billed_units;
  return tokens && { input: tokens.input_tokens ?? null, output: tokens.output_tokens ?? null };
}

const ollama = {
  id: "ollama",
  label: "Ollama",
  framing: "ndjson",
  path: () => "api/chat",
  body(ask, stream) {
    const options = set({ num_predict: ask.maxTokens, temperature: ask.temperature });
    return {
      model: ask.model,
      messages: openaiTurns(ask),
      ...(Object.keys(options).length ? { options } : {}),
      stream,
    };
  },
  whole: (json) => ({
    text: json.message?.content ?? "",
    thinking: json.message?.thinking ?? "",
    usage: json.done && json.eval_count !== undefined ? { input: json.prompt_eval_count ?? null, output: json.eval_count } : undefined,
    stop: json.done ? (json.done_reason ?? "stop") : undefined,
  }),
  piece(json) {
    if (json.error) return { failure: json };
    return { ...ollama.whole(json), end: json.done === true };
  },
};

export const DIALECTS = [openaiChat, openaiResponses, anthropic, gemini, cohere, ollama];

/** Return the dialect of this name; the first where there is none. */
export function dialect(id) {
  return DIALECTS.find((one) => one.id === id) ?? DIALECTS[0];
}
