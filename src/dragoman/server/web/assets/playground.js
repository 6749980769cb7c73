// The playground: one message, sent twice at once, streamed and whole; and the difference, in a sentence.
//
//   composer.js      what is asked            dialects.js  in which protocol      run.js      one request's life
//   picker.js        of which model           snippets.js  as a program           pane.js     one side of the stage
//   conversation.js  what was said before     gateway.js   models, ledger, ...    timeline.js what came when
//
// Nothing is asked of any other server, and nothing is kept but in this tab (and the shade that was chosen).

import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { Details } from "./details.js";
import { DIALECTS, dialect } from "./dialects.js";
import { $, copier, h, svg } from "./dom.js";
import { time } from "./format.js";
import * as gateway from "./gateway.js";
import { Pane } from "./pane.js";
import { Picker } from "./picker.js";
import { Run } from "./run.js";
import { curl } from "./snippets.js";
import { hatch } from "./timeline.js";

const STARTERS = [
  ["A short story", "Tell me a short story about an interpreter between two courts."],
  ["An explanation", "Explain to a ten-year-old how a ship can be heavier than water and still float."],
  ["Three languages", "Wie geht es dir? 今日はいい天気ですね。 كيف حالك؟ Answer each in its own language."],
];
const PACE_MS = 45;
const SHADES = ["auto", "light", "dark"];
const MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);

class Playground {
  constructor() {
    this.asked = null; // the message on the stage
    this.runs = [];
    this.abort = null;
    this.painting = 0;
    this.painted = 0;
    this.locked = false; // nothing is told without a key
    this.wanted = new URLSearchParams(location.search);
    this.conversation = new Conversation();
    this.panes = [true, false].map((streamed, side) => new Pane({ streamed, act: (action) => this.act(action, side) }));
    $("panes").append(...this.panes.map((pane) => pane.element));
    this.details = new Details($("details"));
    this.composer = new Composer(() => this.ready());
    this.picker = new Picker(() => this.addressed());
    $("dialect").append(...DIALECTS.map(({ id, label }) => h("option", { value: id }, label)));
    $("dialect").value = dialect(this.wanted.get("dialect")).id;
    this.listen();
    this.teach();
    this.conversation.draw();
    this.shade();
    this.keyed();
    this.ready();
  }

  listen() {
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    $("dialect").addEventListener("change", () => this.addressed());
    $("stop").addEventListener("click", () => this.stop());
    $("again").addEventListener("click", () => this.again());
    $("new").addEventListener("click", () => this.anew());
    $("theme").addEventListener("click", () => this.shade(1));
    $("key-button").addEventListener("click", () => this.unlock($("key-panel").hidden));
    $("key-panel").addEventListener("submit", (event) => {
      event.preventDefault();
      this.keep($("key").value.trim());
    });
    $("key-forget").addEventListener("click", () => this.keep(""));
    document.addEventListener("keydown", (event) => this.press(event));
    if (MAC) for (const one of document.querySelectorAll("#send-keys, .foot kbd:first-child")) one.textContent = one.textContent.replace("Ctrl", "⌘");
  }

  /** Ask what there is: models (which also tells whether a key is needed) and templates. */
  async load() {
    const wanted = this.picker.value || this.wanted.get("model");
    const about = gateway.health();
    this.warn("");
    try {
      const found = await gateway.models();
      this.locked = false;
      this.picker.load(found, wanted);
      this.unlock(false);
      this.composer.load(await gateway.templates());
      const { providers, version } = (await about) ?? {};
      $("version").textContent = version ? `Dragoman ${version}` : "";
      if (!found.models.length || providers?.length === 0) this.warn(found.note);
    } catch (error) {
      const locked = error.status === 401 || error.status === 403;
      this.locked = locked;
      this.picker.load({ models: [], note: "", locked }, wanted);
      this.composer.load([]);
      if (locked) this.unlock(true, error.message);
      else if (error.status) this.warn(`The models could not be listed: ${error.message}`);
      else this.warn("The gateway does not answer. Look whether it is running (dragoman serve), then reload this page.");
    }
    document.body.dataset.loaded = "";
    this.ready();
  }

  get running() {
    return this.runs.some((run) => run.running);
  }

  /** Show what can be done now. */
  ready() {
    if (!this.composer || !this.picker) return;
    $("send").disabled = this.running;
    $("stop").disabled = !this.running;
    $("again").disabled = this.running;
    $("new").hidden = !this.conversation.turns.length && !this.asked;
    document.body.classList.toggle("running", this.running);
  }

  /** Show where a request would go, and keep the choice in the address. */
  addressed() {
    const spoken = dialect($("dialect").value);
    const model = this.picker?.value ?? "";
    $("dialect-path").textContent = `POST /${spoken.path(model || "MODEL", true)}`;
    const query = new URLSearchParams(location.search);
    query.set("dialect", spoken.id);
    if (model) query.set("model", model);
    history.replaceState(null, "", `?${query}`);
    this.example(spoken, model);
  }

  /** Show the request a newcomer would type. */
  example(spoken, model) {
    const turns = [{ role: "user", text: "Say hello." }];
    $("empty-curl").textContent = curl({
      url: gateway.address(spoken.path(model || "MODEL", true)),
      headers: { "content-type": "application/json", ...spoken.headers },
      body: spoken.body({ model: model || "MODEL", system: "", turns, maxTokens: 100, temperature: null }, true),
      keyed: this.locked || Boolean(gateway.key()),
      streamed: true,
      compact: true,
    });
  }

  send() {
    if (this.running) return;
    const missing = this.composer.missing;
    if (missing) {
      this.say("Write a message first.");
      missing.focus();
      return;
    }
    if (!this.picker.value) {
      this.say("Choose a model first.");
      this.picker.box.focus();
      return;
    }
    const message = this.composer.text;
    this.composer.clear();
    this.conversation.roll();
    this.play(message);
  }

  /** Ask the message on the stage again, of whatever is chosen now. */
  again() {
    if (this.running || this.asked === null) return;
    if (this.answered) this.conversation.undo();
    this.play(this.asked);
  }

  async play(message) {
    const spoken = dialect($("dialect").value);
    const { system, maxTokens, temperature, cached } = this.composer;
    const model = this.picker.value;
    const turns = [...this.conversation.messages, { role: "user", text: message }];
    const shown = {
      "content-type": "application/json",
      ...spoken.headers,
      ...(cached ? { "x-dragoman-cache": "on" } : { "cache-control": "no-store" }),
    };
    this.asked = message;
    this.answered = false;
    this.abort = new AbortController();
    this.runs = [true, false].map((streamed) => new Run({
      streamed, model, shown, dialect: spoken,
      url: gateway.address(spoken.path(model, streamed)),
      headers: { ...shown, ...gateway.credentials() },
      keyed: Boolean(gateway.key()),
      body: spoken.body({ model, system, turns, maxTokens, temperature }, streamed),
    }));
    $("asked").textContent = message;
    $("empty").hidden = true;
    $("stage").hidden = false;
    this.verdict("Both are asked at this moment.");
    const sent = this.runs.map((run) => run.send(this.abort.signal, () => this.came(run)));
    this.panes.forEach((pane, index) => pane.begin(this.runs[index]));
    this.details.show(this.runs);
    this.ready();
    this.say("Sent, streamed and whole.");
    this.paint();
    $("stop").focus({ preventScroll: true });
    if (innerWidth < 720) $("stage").scrollIntoView({ block: "start" });
    const { runs } = this;
    sent.forEach((one, index) => one.then(() => this.over(runs[index], this.panes[index])));
    await Promise.all(sent);
    if (this.runs === runs) this.done();
  }

  /** Something came; it is shown with the next frame. */
  came(run) {
    if (run.streamed && run.firstAt !== null && !run.announced) {
      run.announced = true;
      this.say(`First words after ${time(run.firstAt)}.`);
      if (this.runs[1]?.running) this.verdict("You can read already. The other side waits for the last word.");
    }
  }

  /** Draw both sides while anything runs, often enough for a clock and no oftener. */
  paint() {
    cancelAnimationFrame(this.painting);
    this.painted = performance.now();
    const span = Math.max(...this.runs.map((run) => run.elapsed)) * (this.running ? 1.04 : 1.01);
    this.panes.forEach((pane) => pane.paint(span));
    this.details.refresh();
    const next = () => {
      if (performance.now() - this.painted >= PACE_MS) this.paint();
      else this.painting = requestAnimationFrame(next);
    };
    if (this.running) this.painting = requestAnimationFrame(next);
  }

  /** One side has ended: say how, and ask the ledger. */
  async over(run, pane) {
    if (pane.run !== run) return;
    this.paint();
    pane.end();
    this.ready();
    if (run.failure?.network && run.status === null) run.row = null;
    else run.row = await gateway.settled(run.id);
    if (pane.run !== run) return;
    pane.booked();
    this.details.refresh();
  }

  /** Both have ended; the ledger may still be asked. */
  done() {
    this.verdict(...sentence(...this.runs));
    const [answer] = [...this.runs].filter((run) => run.text);
    if (answer) {
      this.answered = true;
      this.conversation.add({ user: this.asked, answer: answer.text, facts: `${answer.model}, ${answer.dialect.label}` });
    }
    if (!answer) this.composer.restore(this.asked);
    this.ready();
    this.paint();
    if (document.activeElement === $("stop") || document.activeElement === document.body) {
      if (matchMedia("(hover: hover)").matches) this.composer.focus();
    }
    this.say($("verdict").textContent);
  }

  stop() {
    if (!this.running) return;
    this.say("Stopped.");
    this.abort.abort();
  }

  /** Do what a button in a pane says. */
  act(action, side) {
    if (action === "losses") this.details.open("losses", side);
    else if (action === "key") this.unlock(true);
    else if (action === "model") this.picker.box.focus();
    else this.again();
  }

  anew() {
    this.stop();
    cancelAnimationFrame(this.painting);
    this.runs = [];
    this.asked = null;
    this.conversation.forget();
    $("stage").hidden = true;
    $("empty").hidden = false;
    this.panes.forEach((pane) => {
      pane.run = null;
    });
    this.ready();
    this.composer.focus();
    this.say("A new conversation.");
  }

  /** Open or close the place for the key. */
  unlock(open, why = "") {
    $("key-panel").hidden = !open;
    $("key-button").setAttribute("aria-expanded", String(open));
    $("key-panel").classList.toggle("needed", Boolean(why));
    if (!open) return;
    const refused = gateway.key() && why ? `This key was refused: ${why}.` : "This gateway asks for a key.";
    if (why) $("key-why").textContent = `${refused} It stays in this tab and is sent to nobody else.`;
    $("key").value = gateway.key();
    $("key-forget").hidden = !gateway.key();
    $("key").focus();
  }

  keep(key) {
    gateway.keep(key);
    this.keyed();
    this.say(key ? "The key is used from now on." : "The key is forgotten.");
    if (key) this.unlock(false);
    this.load();
  }

  keyed() {
    $("key-state").textContent = gateway.key() ? "Key ••••" : "Key";
  }

  /** Wear the next shade, or the chosen one. */
  shade(step = 0) {
    const worn = document.documentElement.dataset.theme ?? "auto";
    const next = SHADES[(SHADES.indexOf(worn) + step) % SHADES.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    $("theme-state").textContent = next[0].toUpperCase() + next.slice(1);
    if (!step) return;
    try {
      localStorage.setItem("dragoman.theme", next);
    } catch {
      // It is worn until the page is left.
    }
  }

  press(event) {
    const writing = event.target.closest?.("input, textarea, select") !== null;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.send();
    } else if (event.key === "." && (!writing || event.ctrlKey || event.metaKey) && this.running) {
      event.preventDefault();
      this.stop();
    } else if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.picker.box.focus();
    } else if (event.key === "Escape") {
      this.escape();
    }
  }

  escape() {
    if (!$("key-panel").hidden) {
      this.unlock(false);
      $("key-button").focus();
    } else if ($("options").open) {
      $("options").open = false;
    }
  }

  /** Say above everything what keeps this page from working; "": nothing does. */
  warn(words) {
    $("banner-words").textContent = words;
    $("banner").hidden = !words;
  }

  /** Say it to who cannot see it. */
  say(words) {
    $("status").textContent = words;
  }

  verdict(before, strong = "", after = "") {
    $("verdict").replaceChildren(...[before, strong && h("strong", {}, strong), after].filter(Boolean));
  }

  teach() {
    $("starters").append(...STARTERS.map(([label, text]) =>
      h("button", { type: "button", onclick: () => this.composer.write(text) }, label)));
    $("empty-bar").append(copier(() => $("empty-curl").textContent, "Copy"));
    $("lesson").append(lesson("Streamed", "reading after 0.2 s", true), lesson("Whole answer", "reading after 2 s", false));
  }
}

/** Return a picture of what a side will look like: nothing measured, only the idea. */
function lesson(title, words, streamed) {
  const bars = Array.from({ length: 60 }, (_, index) => {
    const at = 34 + index * 4.5 + 2 * Math.sin(index * 1.7);
    return `M${at.toFixed(1)} 40v${-(8 + 10 * Math.abs(Math.sin(index * 2.3))).toFixed(1)}`;
  });
  const { pattern, fill } = hatch();
  const drawn = svg(
    "svg", { class: "timeline", viewBox: "0 0 320 56", preserveAspectRatio: "none" }, pattern,
    svg("rect", { class: "wait", x: 8, width: streamed ? 22 : 294, y: 26, height: 14, ...fill }),
    svg("path", { class: "bars", d: streamed ? bars.join("") : "M306 40v-26" }),
  );
  const caption = h("figcaption", {}, title, h("span", { class: "hint" }, words));
  return h("figure", { class: streamed ? "streamed" : "whole" }, caption, drawn);
}

/** Return one sentence on what streaming was worth: before, the part that counts, after. */
function sentence(streamed, whole) {
  if (streamed.state === "stopped" || whole.state === "stopped") {
    return ["Stopped. Both requests were given up; what the ledger says of them is below."];
  }
  if (streamed.state === "failed" && whole.state === "failed") return ["Neither side was answered."];
  if (streamed.state === "failed") return ["Only the whole answer came."];
  if (whole.state === "failed") return ["Only the streamed answer came."];
  if (streamed.firstAt === null || whole.firstAt === null) return ["There were no words to compare."];
  const sooner = whole.firstAt - streamed.firstAt;
  const times = `after ${time(streamed.firstAt)} instead of ${time(whole.firstAt)}`;
  if (sooner < 1) return ["No difference this time: the whole answer was there as soon as the first streamed words."];
  const share = Math.round((sooner / whole.firstAt) * 100);
  return ["The first words came ", `${time(sooner)} sooner`, ` when streamed, ${times}${share >= 10 ? `: ${share} % less waiting` : ""}.`];
}

new Playground().load();
