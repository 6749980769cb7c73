// Five stars and a word: what an answer was worth. A second rating replaces the first.

import { h } from "./dom.js";
import { rate } from "./gateway.js";

const WORDS = ["useless", "poor", "fair", "good", "excellent"];

export class Rating {
  constructor(title) {
    this.name = `stars-${title.toLowerCase().replaceAll(" ", "-")}`;
    this.stars = WORDS.map((word, index) =>
      h("label", { title: word },
        h("input", { type: "radio", name: this.name, value: String(index + 1), onchange: () => this.#send() }),
        h("span", { "aria-hidden": "true" }, "★"),
        h("span", { class: "sr" }, `${index + 1}: ${word}`)));
    this.said = h("span", { class: "hint", role: "status" });
    this.feedback = h("input", { type: "text", "aria-label": `${title}: feedback`, placeholder: "What was good or wrong? (optional)", maxlength: "2000", dir: "auto" });
    this.more = h("form", { class: "feedback", hidden: true, onsubmit: (event) => this.#more(event) }, this.feedback, h("button", { type: "submit" }, "Add"));
    this.element = h(
      "div",
      { class: "rating", hidden: true },
      h("fieldset", {}, h("legend", {}, "Rate this answer"), h("div", { class: "stars" }, this.stars)),
      this.said, this.more,
    );
  }

  hide() {
    this.run = null;
    this.element.hidden = true;
    this.more.hidden = true;
    this.said.textContent = "";
    this.feedback.value = "";
    for (const star of this.stars) star.firstChild.checked = false;
  }

  /** Offer to rate this run's answer; what it was rated before is shown. */
  offer(run) {
    this.run = run;
    this.element.hidden = false;
    const before = run.row?.rating;
    if (before) {
      this.stars[before.rating - 1].firstChild.checked = true;
      this.feedback.value = before.feedback ?? "";
    }
  }

  get rating() {
    return this.stars.findIndex((star) => star.firstChild.checked) + 1;
  }

  #more(event) {
    event.preventDefault();
    this.#send();
  }

  async #send() {
    const { run, rating } = this;
    const feedback = this.feedback.value.trim();
    this.said.textContent = "saving…";
    this.element.classList.remove("failed");
    try {
      await rate({ prompt_id: run.id, model: run.model, rating, ...(feedback ? { feedback } : {}) });
      if (this.run !== run) return;
      run.row = { ...run.row, rating: { rating, feedback } };
      this.said.textContent = feedback ? `Saved: ${WORDS[rating - 1]}, with your words.` : `Saved: ${WORDS[rating - 1]}.`;
      this.more.hidden = false;
    } catch (error) {
      if (this.run !== run) return;
      this.element.classList.add("failed");
      this.said.textContent = error.status === 404 ? "Not saved: this gateway takes no ratings." : `Not saved: ${error.message}. Choose again to retry.`;
    }
  }
}
