// Under the hood: the raw events, the request as a program, the headers, the losses; of either side.

import { copier, h } from "./dom.js";
import { bytes, count, time } from "./format.js";
import { losses } from "./pane.js";
import { SNIPPETS } from "./snippets.js";

const MOST = 3000; // events drawn; all are copied
const TABS = [
  ["events", "Raw events"],
  ["request", "Request"],
  ["headers", "Headers"],
  ["losses", "Losses"],
];

export class Details {
  constructor(element) {
    this.runs = [];
    this.side = 0;
    this.tab = "events";
    this.language = "curl";
    this.drawn = 0;
    this.tabs = TABS.map(([id, label]) =>
      h("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": "tab-panel", onclick: () => this.#choose(id) }, label));
    this.sides = ["Streamed", "Whole answer"].map((label, index) =>
      h("button", { type: "button", onclick: () => this.#turn(index) }, label));
    this.panel = h("div", { role: "tabpanel", id: "tab-panel", tabindex: "0" });
    const tablist = h("div", { class: "tabs", role: "tablist", "aria-label": "Under the hood", onkeydown: (event) => this.#key(event) }, this.tabs);
    element.append(
      h("div", { class: "details-head" }, tablist, h("div", { class: "switch", role: "group", "aria-label": "Which side" }, this.sides)),
      this.panel,
    );
    this.#mark();
  }

  /** Show these two runs from now on. */
  show(runs) {
    this.runs = runs;
    this.#draw();
  }

  /** Show what has come since; while events run in, only new ones are added. */
  refresh() {
    if (this.tab === "events") this.#more();
    else if (this.tab !== "request") this.#draw();
  }

  get run() {
    return this.runs[this.side];
  }

  /** Open a tab of one side, and go there. */
  open(tab, side) {
    this.side = side;
    this.#choose(tab);
    this.tabs.find((one) => one.tabIndex === 0).focus();
  }

  #choose(tab) {
    this.tab = tab;
    this.#mark();
    this.#draw();
  }

  #turn(side) {
    this.side = side;
    this.#mark();
    this.#draw();
  }

  #mark() {
    this.tabs.forEach((tab, index) => {
      const chosen = TABS[index][0] === this.tab;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      if (chosen) this.panel.setAttribute("aria-labelledby", tab.id);
    });
    this.sides.forEach((side, index) => side.setAttribute("aria-pressed", String(index === this.side)));
  }

  #key(event) {
    const now = this.tabs.indexOf(document.activeElement);
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (move === undefined || now < 0) return;
    event.preventDefault();
    const next = (now + move + this.tabs.length) % this.tabs.length;
    this.#choose(TABS[next][0]);
    this.tabs[next].focus();
  }

  #draw() {
    if (!this.run) return;
    this.drawn = 0;
    this.list = null;
    this.panel.replaceChildren(...{
      events: () => this.#events(),
      request: () => this.#request(),
      headers: () => this.#headers(),
      losses: () => this.#losses(),
    }[this.tab]());
    if (this.tab === "events") this.#more();
  }

  #events() {
    this.list = h("ol", { class: "events" });
    this.counted = h("span", { class: "hint" });
    return [h("div", { class: "bar" }, this.counted, copier(() => this.run.events.map(raw).join("\n"), "Copy all")), this.list];
  }

  #more() {
    const { run } = this;
    if (!run || !this.list) return;
    const fresh = run.events.slice(this.drawn, MOST);
    this.drawn += fresh.length;
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 24;
    this.list.append(...fresh.map((event) => h(
      "li", {},
      h("span", { class: "at" }, time(event.at)),
      h("code", { dir: "ltr" }, event.name && h("b", {}, `${event.name} `), run.streamed ? event.data : pretty(event.data)),
    )));
    if (fresh.length && atEnd && run.running) this.list.scrollTop = this.list.scrollHeight;
    const size = run.arrivals.reduce((sum, one) => sum + one.size, 0);
    const hidden = run.events.length > MOST ? `, the first ${count(MOST)} are shown` : "";
    this.counted.textContent = run.events.length
      ? `${count(run.events.length)} ${run.streamed ? `event${run.events.length === 1 ? "" : "s"}` : "answer"}, ${bytes(size)}${hidden}`
      : "Nothing has come yet.";
  }

  #request() {
    const { run } = this;
    const chosen = SNIPPETS.find((one) => one.id === this.language);
    const program = chosen.write({ ...run, headers: run.shown });
    const languages = SNIPPETS.map((one) =>
      h("button", { type: "button", "aria-pressed": String(one === chosen), onclick: () => this.#speak(one.id) }, one.label));
    return [
      h("div", { class: "bar" }, h("div", { class: "switch", role: "group", "aria-label": "Language" }, languages), copier(() => program, "Copy")),
      h("pre", { class: "code", dir: "ltr" }, program),
    ];
  }

  #speak(language) {
    this.language = language;
    this.#draw();
    this.panel.querySelector('[aria-pressed="true"]')?.focus();
  }

  #headers() {
    const { run } = this;
    if (!run.told.length) return [h("p", { class: "hint" }, "No answer’s head has come.")];
    return [
      h("p", { class: "hint" }, `Status ${run.status}.`),
      h("div", { class: "scroll" }, h(
        "table", {},
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Header"), h("th", { scope: "col" }, "Value"))),
        h("tbody", {}, run.told.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)))),
      )),
    ];
  }

  #losses() {
    const found = losses(this.run);
    if (this.run.running) return [h("p", { class: "hint" }, "They are known when the answer has ended.")];
    if (!found.length) {
      return [h("p", { class: "hint" }, "None: everything that was asked reached the model, and everything it answered is here.")];
    }
    return [
      h("p", { class: "hint" }, "What the crossing from this dialect to the provider’s could not carry as it was:"),
      h("ul", { class: "losses" }, found.map((loss) => {
        const [how, ...where] = String(loss).split(":");
        return h("li", {}, h("span", { class: "pill" }, how), " ", h("code", {}, where.join(":")));
      })),
    ];
  }
}

function raw(event) {
  return `${event.at.toFixed(1)} ms\t${event.name ? `${event.name}\t` : ""}${event.data}`;
}

function pretty(data) {
  try {
    return JSON.stringify(JSON.parse(data), null, 2);
  } catch {
    return data;
  }
}
