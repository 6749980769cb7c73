// One request, from the click to its last byte, and everything that was seen of it.
//
// Times are milliseconds since the request left, by the browser's own clock. An *arrival* is what one read of
// the network brought: a stream that is buffered somewhere on the way shows as few large arrivals.

const RANDOM = 12;

export class Run {
  /** @param {{streamed: boolean, dialect: object, model: string, url: string, headers: object, body: object}} asked */
  constructor(asked) {
    Object.assign(this, asked);
    /** waiting (nothing came) -> streaming -> done | stopped | failed */
    this.state = "waiting";
    this.startedAt = 0;
    this.firstAt = null;
    this.endedAt = null;
    this.status = null;
    this.told = [];
    this.arrivals = [];
    this.events = [];
    this.text = "";
    this.thinking = "";
    this.usage = { input: null, output: null };
    this.stop = null;
    this.failure = null;
    this.row = undefined; // the ledger's own: undefined until asked, null if it cannot be had
    this.requestId = `play-${random()}`;
  }

  /** Milliseconds since it began; once it is over, until it was. */
  get elapsed() {
    return this.endedAt ?? performance.now() - this.startedAt;
  }

  get running() {
    return this.state === "waiting" || this.state === "streaming";
  }

  /** The id the ledger knows it by: the gateway's own, or ours as long as nobody told that one. */
  get id() {
    return this.header("x-dragoman-id") ?? this.row?.id ?? this.requestId;
  }

  /** Return a header of the answer, or null. */
  header(name) {
    return this.told.find(([found]) => found === name)?.[1] ?? null;
  }

  /** Send it, and call `changed(run)` whenever something came. Never throws. */
  async send(signal, changed) {
    this.startedAt = performance.now();
    try {
      const answer = await fetch(this.url, {
        method: "POST",
        headers: { ...this.headers, "x-request-id": this.requestId },
        body: JSON.stringify(this.body),
        signal,
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
      this.status = answer.status;
      this.told = [...answer.headers].sort(([a], [b]) => a.localeCompare(b));
      changed(this);
      if (this.streamed && answer.ok) await this.#stream(answer, changed);
      else await this.#whole(answer);
    } catch (error) {
      this.#ended(error);
    }
    this.endedAt = performance.now() - this.startedAt;
    if (this.running) this.state = this.failure ? "failed" : "done";
    changed(this);
  }

  #ended(error) {
    if (error.name === "AbortError") {
      this.state = "stopped";
    } else if (error instanceof SyntaxError) {
      this.failure = { json: { error: { message: "the answer is not the JSON this dialect speaks" } } };
    } else {
      this.failure = { network: true, begun: this.status !== null };
    }
  }

  async #whole(answer) {
    const body = await answer.text();
    const at = performance.now() - this.startedAt;
    const size = new TextEncoder().encode(body).length;
    this.arrivals.push({ at, size, text: "", pieces: 1 });
    this.events.push({ at, size, data: body });
    if (!answer.ok) {
      this.failure = { json: parsed(body) };
      return;
    }
    const said = this.dialect.whole(JSON.parse(body));
    this.firstAt = at;
    this.#take(said);
    this.arrivals[0].text = said.text;
  }

  async #stream(answer, changed) {
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    const frames = this.dialect.framing === "sse" ? sse() : lines();
    let ended = false;
    for (;;) {
      const { done, value } = await reader.read();
      const at = performance.now() - this.startedAt;
      const arrival = { at, size: value?.length ?? 0, text: "", pieces: 0 };
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      for (const frame of frames(text, done)) {
        this.events.push({ at, size: frame.data.length, ...frame });
        const said = this.dialect.piece(frame.data === "[DONE]" ? "[DONE]" : JSON.parse(frame.data), frame.name);
        ended ||= Boolean(said.end);
        const words = (said.thinking ?? "") + (said.text ?? "");
        arrival.text += words;
        arrival.pieces += words ? 1 : 0;
        this.#take(said);
      }
      if (arrival.text) {
        this.firstAt ??= at;
        this.state = "streaming";
      }
      if (arrival.size) this.arrivals.push(arrival);
      changed(this);
      if (done) break;
    }
    if (!ended && !this.failure) this.failure = { early: true };
  }

  #take({ text, thinking, usage, stop, failure }) {
    this.text += text ?? "";
    this.thinking += thinking ?? "";
    if (usage) {
      this.usage = { input: usage.input ?? this.usage.input, output: usage.output ?? this.usage.output };
    }
    if (stop) this.stop = stop;
    if (failure) this.failure = { json: failure, inStream: this.streamed };
  }
}

/** Return a reader of server-sent events: given text, it returns the events that are complete. */
export function sse() {
  let rest = "";
  return (text, last) => {
    rest += text;
    // A lone CR at the end may be the first half of a line's end.
    const usable = rest.endsWith("\r") && !last ? rest.slice(0, -1) : rest;
    const blocks = usable.split(/\r\n\r\n|\n\n|\r\r/);
    rest = blocks.pop() + rest.slice(usable.length);
    return blocks.map(event).filter((one) => one !== null);
  };
}

function event(block) {
  let name = "";
  const data = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
  return data.length ? { name, data: data.join("\n") } : null;
}

/** Return a reader of lines of JSON. */
export function lines() {
  let rest = "";
  return (text, last) => {
    const found = (rest + text).split("\n");
    rest = last ? "" : found.pop();
    return found.filter((line) => line.trim()).map((data) => ({ name: "", data }));
  };
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return { error: { message: body.slice(0, 500) } };
  }
}

function random() {
  const digits = crypto.getRandomValues(new Uint8Array(RANDOM));
  return [...digits].map((one) => one.toString(16).padStart(2, "0")).join("");
}
