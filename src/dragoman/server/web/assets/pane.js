// One side: its clock, its answer as it comes, its timeline, and what the ledger says of it afterwards.

import { copier, h, icon } from "./dom.js";
import { explain } from "./faults.js";
import { NONE, count, many, money, rate, time } from "./format.js";
import { Rating } from "./rating.js";
import { Timeline } from "./timeline.js";

const STATES = {
  waiting: "waiting",
  streaming: "streaming",
  done: "complete",
  stopped: "stopped",
  failed: "failed",
};

export class Pane {
  /** @param {{streamed: boolean, act: (action: string) => void}} kind act: does what a button in here says */
  constructor({ streamed, act }) {
    this.streamed = streamed;
    this.act = act;
    this.title = streamed ? "Streamed" : "Whole answer";
    this.state = h("span", { class: "pill" });
    this.clock = h("span", { class: "clock", role: "timer", "aria-label": `${this.title}: time so far` });
    this.figures = Object.fromEntries(
      ["First words", "Speed", "Total", "Cost"].map((name) => [name, h("dd", {}, NONE)]),
    );
    this.thought = document.createTextNode("");
    this.thinking = h("details", { class: "thinking", hidden: true }, h("summary", {}, "Thinking"), h("p", { dir: "auto" }, this.thought));
    this.words = document.createTextNode("");
    this.text = h("p", { class: "words", dir: "auto" }, this.words);
    this.still = h("div", { class: "still", "aria-hidden": "true" });
    this.answer = h(
      "div",
      { class: "answer", role: "log", "aria-label": `${this.title}: answer`, tabindex: "0" },
      this.thinking, this.still, this.text,
    );
    this.fault = h("div", { class: "fault", hidden: true });
    this.timeline = new Timeline(`${this.title}: timeline`);
    this.ledger = h("div", { class: "ledger" });
    this.rating = new Rating(this.title);
    this.element = h(
      "article",
      { class: `card pane ${streamed ? "streamed" : "whole"}`, "aria-label": this.title },
      h("header", {}, h("h2", {}, this.title), this.state, this.clock),
      h("dl", { class: "figures" }, Object.entries(this.figures).map(([name, value]) => h("div", {}, h("dt", {}, name), value))),
      this.answer, this.fault, this.timeline.element, this.ledger, this.rating.element,
    );
  }

  /** Begin anew, for another run. */
  begin(run) {
    this.run = run;
    clearInterval(this.counting);
    this.words.data = "";
    this.thought.data = "";
    this.thinking.hidden = true;
    this.thinking.open = false;
    this.fault.hidden = true;
    this.fault.replaceChildren();
    this.ledger.replaceChildren(this.#promise());
    this.rating.hide();
    this.element.classList.remove("bare");
    this.answer.setAttribute("aria-busy", "true");
    this.answer.scrollTop = 0;
    for (const value of Object.values(this.figures)) value.textContent = NONE;
    this.still.replaceChildren(
      ...(this.streamed ? [1, 2, 3].map(() => h("span", { class: "bone" })) : [h("span", { class: "big-clock" }), h("span", {}, "nothing to see until the last word is written")]),
    );
    this.paint(1000);
  }

  /** Show the run as it is now, the timeline over `span` milliseconds. */
  paint(span) {
    const { run } = this;
    this.element.dataset.state = run.state;
    this.state.textContent = STATES[run.state];
    this.clock.textContent = run.running ? time(run.elapsed) : "";
    this.still.hidden = Boolean(run.text || run.thinking) || run.state === "failed";
    const big = this.still.querySelector(".big-clock");
    if (big) big.textContent = `${(run.elapsed / 1000).toFixed(1)} s`;
    this.#follow();
    this.#figures();
    this.timeline.show(run, span);
  }

  #follow() {
    const { answer, run } = this;
    if (this.words.data.length === run.text.length && this.thought.data.length === run.thinking.length) return;
    const atEnd = answer.scrollHeight - answer.scrollTop - answer.clientHeight < 24;
    this.thought.appendData(run.thinking.slice(this.thought.data.length));
    this.words.appendData(run.text.slice(this.words.data.length));
    this.thinking.hidden = !run.thinking;
    if (atEnd && run.running) answer.scrollTop = answer.scrollHeight;
  }

  #figures() {
    const { run, figures } = this;
    const { output } = spent(run);
    figures["First words"].textContent = time(run.firstAt);
    figures.Total.textContent = time(run.state === "waiting" ? null : run.elapsed);
    figures.Speed.textContent = run.running ? pace(run) : rate(speed(run, output));
    figures.Cost.textContent = run.row ? money(run.row.cost_usd) : NONE;
    figures.Cost.title = run.row && run.row.cost_usd === null ? "nobody told a price for this model" : "";
  }

  /** Show how it ended; the ledger's row may still be on its way. */
  end() {
    const { run } = this;
    this.answer.setAttribute("aria-busy", "false");
    if (!run.text) {
      this.still.replaceChildren(h("span", {}, run.state === "stopped" ? "Stopped before the first word." : "The model said nothing."));
    }
    this.element.classList.toggle("bare", run.state === "failed" && run.firstAt === null);
    if (run.failure) this.#explain();
  }

  #explain() {
    const fault = explain(this.run);
    const button = fault.action && h("button", { type: "button", onclick: () => this.act(fault.action) }, ACTIONS[fault.action]);
    this.fault.replaceChildren(
      ...[
        h("h3", {}, icon("fault"), fault.title),
        h("p", {}, fault.todo),
        fault.said && h("blockquote", { dir: "auto" }, fault.said),
        button && h("div", {}, button),
      ].filter(Boolean),
    );
    this.fault.hidden = false;
    if (fault.wait && button) this.#count(button, fault.wait);
  }

  /** Count down on a button that helps only later. */
  #count(button, wait) {
    const until = performance.now() + wait * 1000;
    const tick = () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      button.disabled = left > 0;
      button.textContent = left > 0 ? `${ACTIONS.again} in ${left} s` : ACTIONS.again;
      if (left <= 0) clearInterval(this.counting);
    };
    this.counting = setInterval(tick, 250);
    tick();
  }

  #losses() {
    const { length } = losses(this.run);
    if (!length) return "none";
    return h("button", { type: "button", class: "link", onclick: () => this.act("losses") }, `${length} declared`);
  }

  #promise() {
    return h("p", { class: "hint" }, "The ledger’s row comes with the end.");
  }

  /** Show the ledger's row, or what headers and stream told where there is none. */
  booked() {
    const { run } = this;
    this.#figures();
    const facts = [
      ["Tokens", tokens(run)],
      ["Attempts", attempts(run)],
      ["Cache", cache(run)],
      ["Losses", this.#losses()],
      [run.state === "done" ? "Answered by" : "Asked", answered(run)],
    ];
    const known = !this.element.classList.contains("bare") || run.row;
    const stopped = run.state === "stopped" && h("p", { class: "cancelled" }, cancelled(run.row));
    this.ledger.replaceChildren(
      ...[
        stopped,
        known && h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
        (run.row || run.status !== null || run.state === "stopped") && h("div", { class: "ids" }, h("span", { class: "hint" }, "Request "), h("code", {}, run.id), copier(() => run.id, "Copy")),
      ].filter(Boolean),
    );
    if (run.text && run.header("x-dragoman-id")) this.rating.offer(run);
  }
}

const ACTIONS = { key: "Enter a key", model: "Choose a model", again: "Send again" };

/** Return tokens a second, from the first words to the last; NaN where nobody can say. */
function speed(run, output) {
  if (!output || run.firstAt === null || run.endedAt === null) return Number.NaN;
  const from = run.streamed ? run.firstAt : 0;
  const seconds = (run.endedAt - from) / 1000;
  return seconds > 0.002 ? output / seconds : Number.NaN;
}

/** Return how fast it comes, while tokens are not counted yet. */
function pace(run) {
  if (run.firstAt === null) return NONE;
  const seconds = (run.elapsed - run.firstAt) / 1000;
  const pieces = run.arrivals.filter((one) => one.text).length;
  return seconds > 0.2 ? rate(pieces / seconds).replace("tok", "chunks") : NONE;
}

/** Return {input, output}: the ledger's figures, else the answer's own if it came to its end. */
function spent(run) {
  const usage = run.row?.usage;
  const told = run.state === "done" ? run.usage : { input: null, output: null };
  return { input: usage?.input_tokens ?? told.input, output: usage?.output_tokens ?? told.output };
}

function tokens(run) {
  const usage = run.row?.usage;
  const { input, output } = spent(run);
  if (input === null && output === null) return "unknown";
  const kept = usage?.cached_tokens ? ` (${count(usage.cached_tokens)} cached)` : "";
  const guess = usage?.estimated ? "about " : "";
  return `${guess}${count(input)} in${kept} · ${count(output)} out`;
}

function attempts(run) {
  const tried = run.row?.attempts ?? [];
  const number = tried.length || run.header("x-dragoman-attempts");
  if (!number) return run.row?.cached ? "0" : NONE;
  const way = tried.length > 1 ? ` (${tried.map((one) => one.provider).join(" → ")})` : "";
  return `${number}${way}`;
}

function cache(run) {
  return run.header("x-dragoman-cache") ?? (run.row?.cached ? "hit" : "not asked");
}

/** Return what crossing between two protocols dropped or approximated: `dropped:seed`. */
export function losses(run) {
  return run.row?.losses ?? (run.header("x-dragoman-losses") ?? "").split(", ").filter(Boolean);
}

function answered(run) {
  const provider = run.row?.provider ?? run.header("x-dragoman-provider");
  const model = run.row?.answered_model ?? run.header("x-dragoman-model");
  return [provider, model].filter(Boolean).join(" / ") || NONE;
}

/** Return the ledger's words on a request that was stopped. */
export function cancelled(row) {
  if (!row) return "Stopped. The ledger’s row cannot be shown here.";
  if (row.state === "settled") return "The answer was complete before the stop.";
  if (row.state !== "cancelled") return `It had ended before the stop: ${row.state}.`;
  const written = row.usage?.output_tokens;
  const known = typeof written === "number" && written > 0;
  const none = row.stream ? "before the first token" : "before the answer came";
  const when = known ? `after ${row.usage.estimated ? "about " : ""}${many(written, "token")}` : none;
  return `Cancelled ${when}, ${row.cost_usd === null ? "cost unknown" : money(row.cost_usd)}; upstream closed.`;
}
