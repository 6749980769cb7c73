// What came when: a bar for each arrival, as high as it brought text, on an axis both sides share.
//
// The empty part before the first bar is the wait; it is hatched, so that on the whole-answer side the wait is
// what one sees. The longest gap of a stream is marked where it stands out. Drawn anew at most once a frame.

import { h, svg } from "./dom.js";
import { bytes, count, many, median, time } from "./format.js";

const HEIGHT = 64;
const FLOOR = 46; // where bars stand; the axis is below
const MOST = 34; // pixels of the highest bar
const STEPS = [50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000];

let hatches = 0; // patterns made: each has an id of its own

export class Timeline {
  constructor(label) {
    this.run = null;
    this.span = 1000;
    this.cursor = null;
    const hatched = hatch();
    this.axis = svg("g", { class: "axis" });
    this.wait = svg("rect", { class: "wait", y: FLOOR - 14, height: 14, x: 0, width: 0, ...hatched.fill });
    this.gap = svg("path", { class: "gap" });
    this.dots = svg("path", { class: "dots" });
    this.bars = svg("path", { class: "bars" });
    this.first = svg("g", { class: "first" });
    this.hand = svg("line", { class: "hand", y1: 4, y2: FLOOR });
    this.view = svg(
      "svg",
      { class: "timeline", height: HEIGHT, role: "img", tabindex: "0" },
      hatched.pattern, this.axis, this.wait, this.gap, this.dots, this.bars, this.first, this.hand,
    );
    this.label = label;
    this.readout = h("p", { class: "hint readout" });
    this.element = h("figure", { class: "timeline-box" }, this.view, this.readout);
    this.view.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    this.view.addEventListener("pointerleave", () => this.#pick(null));
    this.view.addEventListener("blur", () => this.#pick(null));
    this.view.addEventListener("keydown", (event) => this.#step(event));
    new ResizeObserver(() => this.draw()).observe(this.view);
  }

  /** Show a run, on an axis of `span` milliseconds. */
  show(run, span) {
    this.run = run;
    this.span = Math.max(span, 100);
    this.draw();
  }

  draw() {
    const { run } = this;
    const width = this.view.clientWidth;
    if (!run || !width) return;
    const x = (at) => Math.min(width - 1, (at / this.span) * (width - 2) + 1);
    this.#scale(width, x);
    const waited = run.firstAt ?? run.elapsed;
    this.wait.setAttribute("width", Math.max(0, x(waited) - 1));
    const most = Math.max(1, ...run.arrivals.map((one) => one.text.length));
    let bars = "";
    let dots = "";
    for (const { at, text } of run.arrivals) {
      const place = x(at).toFixed(1);
      if (text) bars += `M${place} ${FLOOR}v${-(4 + (MOST - 4) * Math.sqrt(text.length / most)).toFixed(1)}`;
      else dots += `M${place} ${FLOOR}v-3`;
    }
    this.bars.setAttribute("d", bars);
    this.dots.setAttribute("d", dots);
    const stall = longest(run);
    this.gap.setAttribute("d", stall ? `M${x(stall.from).toFixed(1)} ${FLOOR}H${x(stall.to).toFixed(1)}` : "");
    this.#mark(x, width);
    this.#read(x);
  }

  #scale(width, x) {
    const step = STEPS.find((one) => (one / this.span) * width > 56) ?? 600_000;
    const marks = [svg("line", { x1: 0, x2: width, y1: FLOOR + 0.5, y2: FLOOR + 0.5 })];
    for (let at = 0; at <= this.span; at += step) {
      const place = x(at);
      const anchor = at === 0 ? "start" : place > width - 24 ? "end" : "middle";
      marks.push(
        svg("line", { x1: place, x2: place, y1: FLOOR, y2: FLOOR + 4 }),
        svg("text", { x: at === 0 ? 0 : Math.min(place, width), y: FLOOR + 15, "text-anchor": anchor }, at === 0 ? "0" : axisTime(at)),
      );
    }
    this.axis.replaceChildren(...marks);
  }

  #mark(x, width) {
    const { run } = this;
    if (run.firstAt === null || !run.streamed) {
      this.first.replaceChildren();
      return;
    }
    const place = x(run.firstAt);
    const left = place > width - 110;
    this.first.replaceChildren(
      svg("line", { x1: place, x2: place, y1: 2, y2: FLOOR }),
      svg("text", { x: place + (left ? -5 : 5), y: 9, "text-anchor": left ? "end" : "start" }, `first words ${time(run.firstAt)}`),
    );
  }

  #read(x) {
    const { run } = this;
    const picked = this.cursor === null ? null : run.arrivals[this.cursor];
    this.hand.setAttribute("visibility", picked ? "visible" : "hidden");
    if (picked) {
      this.hand.setAttribute("x1", x(picked.at));
      this.hand.setAttribute("x2", x(picked.at));
      const before = this.cursor ? picked.at - run.arrivals[this.cursor - 1].at : picked.at;
      const said = picked.text ? ` · “${clip(picked.text)}”` : " · no text";
      const since = this.cursor ? `${time(before)} after the one before` : "the first";
      const name = picked.pieces > 1 ? `${picked.pieces} chunks` : "chunk";
      this.readout.textContent = `${name} at ${time(picked.at)} · ${since} · ${bytes(picked.size)}${said}`;
    } else {
      this.readout.textContent = summary(run);
    }
    this.view.setAttribute("aria-label", `${this.label}: ${this.readout.textContent}`);
  }

  #point(at) {
    const arrivals = this.run?.arrivals ?? [];
    if (!arrivals.length) return;
    const when = (at / this.view.clientWidth) * this.span;
    let best = 0;
    arrivals.forEach((one, index) => {
      if (Math.abs(one.at - when) < Math.abs(arrivals[best].at - when)) best = index;
    });
    this.#pick(best);
  }

  #pick(index) {
    this.cursor = index;
    this.draw();
  }

  #step(event) {
    const move = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    const most = (this.run?.arrivals.length ?? 0) - 1;
    if (move === undefined || most < 0) return;
    event.preventDefault();
    this.#pick(Math.min(most, Math.max(0, (this.cursor ?? (move > 0 ? -1 : most + 1)) + move)));
  }
}

/** Return a pattern of slanted lines, and what a shape needs to be filled with it. */
export function hatch() {
  const id = `hatch-${(hatches += 1)}`;
  const pattern = svg(
    "pattern",
    { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { width: 6, height: 6 }), svg("line", { y2: 6 }),
  );
  return { pattern, fill: { fill: `url(#${id})` } };
}

/** Return one line that says how it came. */
function summary(run) {
  const spoken = run.arrivals.filter((one) => one.text);
  if (!run.streamed) {
    if (run.running) return "no chunk yet";
    return run.arrivals.length ? `one piece of ${bytes(run.arrivals[0].size)}, all at once` : "nothing came";
  }
  if (!spoken.length) return run.running ? "waiting for the first words" : "no text came";
  const gaps = spoken.slice(1).map((one, index) => one.at - spoken[index].at);
  const pieces = spoken.reduce((sum, one) => sum + one.pieces, 0);
  const came = pieces === spoken.length ? "" : ` in ${many(spoken.length, "arrival")}`;
  const words = [`${many(pieces, "chunk")}${came}`, `${count(run.text.length + run.thinking.length)} characters`];
  if (gaps.length) words.push(`gaps ${time(median(gaps))} typical, ${time(Math.max(...gaps))} longest`);
  return words.join(" · ");
}

/** Return the longest gap between words, if it stands out; else null. */
function longest(run) {
  const spoken = run.arrivals.filter((one) => one.text);
  const gaps = spoken.slice(1).map((one, index) => ({ from: spoken[index].at, to: one.at, ms: one.at - spoken[index].at }));
  if (gaps.length < 3) return null;
  const most = gaps.reduce((a, b) => (b.ms > a.ms ? b : a));
  return most.ms > 250 && most.ms > 4 * median(gaps.map((one) => one.ms)) ? most : null;
}

function axisTime(ms) {
  return ms < 1000 ? `${ms} ms` : ms < 60_000 ? `${ms / 1000} s` : `${ms / 60_000} min`;
}

function clip(text) {
  const letters = [...text.replaceAll("\n", "↵")];
  return letters.length > 40 ? `${letters.slice(0, 39).join("")}…` : letters.join("");
}
