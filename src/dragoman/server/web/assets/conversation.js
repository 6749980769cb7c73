// What was said so far. It lives in this tab's storage, is sent along with each message, and is nowhere else.

import { $, h } from "./dom.js";
import { many } from "./format.js";

const STORE = "dragoman.conversation";

export class Conversation {
  constructor() {
    /** @type {{user: string, answer: string, facts: string}[]} */
    this.turns = stored();
    this.shown = this.turns.length;
  }

  /** Return the turns as messages; those that were not answered are not sent again. */
  get messages() {
    return this.turns.flatMap(({ user, answer }) => [
      { role: "user", text: user },
      { role: "assistant", text: answer },
    ]);
  }

  /** Add a turn that was answered. It is shown above once the next one begins. */
  add(turn) {
    this.turns.push(turn);
    this.#keep();
  }

  /** Take the last turn back, to ask it again. */
  undo() {
    this.turns.pop();
    this.shown = Math.min(this.shown, this.turns.length);
    this.#keep();
    this.draw();
  }

  forget() {
    this.turns = [];
    this.shown = 0;
    this.#keep();
    this.draw();
  }

  /** Show all turns above: what is below is about to be another one. */
  roll() {
    this.shown = this.turns.length;
    this.draw();
  }

  draw() {
    const turns = this.turns.slice(0, this.shown);
    $("thread").hidden = !turns.length;
    $("thread-title").textContent = `Conversation, ${many(turns.length, "turn")}: sent along with the next message`;
    $("turns").replaceChildren(...turns.map((turn) => h(
      "li", {},
      h("div", { class: "said user" }, h("span", { class: "hint" }, "You"), h("p", { dir: "auto" }, turn.user)),
      h("div", { class: "said" }, h("span", { class: "hint" }, turn.facts), h("p", { dir: "auto" }, turn.answer)),
    )));
  }

  #keep() {
    try {
      sessionStorage.setItem(STORE, JSON.stringify(this.turns));
    } catch {
      // Full or forbidden: the conversation is then lost with a reload, and nothing else.
    }
  }
}

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(STORE) ?? "[]");
  } catch {
    return [];
  }
}
