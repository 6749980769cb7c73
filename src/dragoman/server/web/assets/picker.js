// The model: a box to type in, and a list by provider beneath it with context and price.
//
// The pattern is the ARIA combobox with a listbox (https://www.w3.org/WAI/ARIA/apg/patterns/combobox/): focus
// stays in the box, arrows move through the list, Enter takes, Esc gives up. A name that is not in the list
// may be taken as well: routes and `provider/model` answer to names nobody has to list.

import { $, h } from "./dom.js";
import { context, count, price } from "./format.js";

const MOST = 200; // rows drawn at a time

export class Picker {
  /** @param {(model: string) => void} chosen */
  constructor(chosen) {
    this.box = $("model");
    this.list = $("models");
    this.popup = $("popup");
    this.note = $("models-note");
    this.facts = $("model-facts");
    this.models = [];
    this.value = "";
    this.active = -1;
    this.options = [];
    this.chosen = chosen;
    this.box.addEventListener("focus", () => this.open());
    this.box.addEventListener("click", () => this.open());
    this.box.addEventListener("input", () => this.#fill(this.box.value));
    this.box.addEventListener("blur", () => this.close());
    this.box.addEventListener("keydown", (event) => this.#key(event));
    // Pressing on the list must not take the focus out of the box.
    this.popup.addEventListener("pointerdown", (event) => event.preventDefault());
  }

  get opened() {
    return !this.popup.hidden;
  }

  /** Show what can be asked for, or that a key is needed to know; `wanted` is taken if it is set, else the first of all. */
  load({ models, note, locked }, wanted) {
    this.models = models;
    this.box.placeholder = models.length ? "search models" : locked ? "a key is needed first" : "no model can be asked";
    this.title = note;
    this.take(wanted || (models.find((one) => one.provider === "local") ?? models[0])?.id || "");
  }

  take(model) {
    this.value = model;
    this.box.value = model;
    this.facts.textContent = this.#described(model);
    this.chosen(model);
  }

  open() {
    if (this.opened) return;
    this.popup.hidden = false;
    this.box.setAttribute("aria-expanded", "true");
    this.box.select();
    this.#fill("");
  }

  close() {
    if (!this.opened) return;
    this.popup.hidden = true;
    this.box.setAttribute("aria-expanded", "false");
    this.box.removeAttribute("aria-activedescendant");
    this.box.value = this.value;
  }

  #described(id) {
    const model = this.models.find((one) => one.id === id);
    if (!model) return id && this.models.length ? "not in the list; sent as it is" : "";
    return [model.provider, model.context && `${context(model.context)} context`, pricedAtLength(model)].filter(Boolean).join(" · ");
  }

  #fill(search) {
    const wanted = search.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (one) => {
      const text = `${one.id} ${one.title ?? ""} ${one.provider}`.toLowerCase();
      return wanted.every((word) => text.includes(word));
    };
    const found = this.models.filter(fits);
    const shown = found.slice(0, MOST);
    const groups = Map.groupBy ? Map.groupBy(shown, (one) => one.provider) : grouped(shown);
    this.options = [];
    const made = [...groups].map(([provider, models], index) => {
      const name = `models-${index}`;
      return h(
        "div",
        { role: "group", "aria-labelledby": name },
        h("div", { class: "group", id: name, role: "presentation" }, provider, h("span", {}, count(models.length))),
        models.map((model) => this.#option(model)),
      );
    });
    const typed = search.trim();
    if (typed && !this.models.some((one) => one.id === typed)) made.push(this.#option({ id: typed, foreign: true }));
    this.list.replaceChildren(...made);
    this.note.textContent = notes(this.models.length, found.length, shown.length, this.title);
    const current = this.options.findIndex((one) => one.dataset.model === this.value);
    this.#mark(wanted.length ? (this.options.length ? 0 : -1) : current);
  }

  #option(model) {
    const id = `model-${this.options.length}`;
    const made = h(
      "div",
      { role: "option", id, "data-model": model.id, "aria-selected": String(model.id === this.value), onclick: () => this.#picked(model.id) },
      h("span", { class: "option-name", dir: "auto" }, model.foreign ? `Use “${model.id}” as it is` : model.id),
      !model.foreign && h("span", { class: "option-context", title: "context" }, context(model.context)),
      !model.foreign && h("span", { class: "option-price", title: "input and output, for a million tokens" }, priced(model)),
    );
    this.options.push(made);
    return made;
  }

  #picked(model) {
    this.take(model);
    this.close();
    $("message").focus();
  }

  #mark(index) {
    this.options[this.active]?.classList.remove("active");
    this.active = index;
    const option = this.options[index];
    if (!option) {
      this.box.removeAttribute("aria-activedescendant");
      return;
    }
    option.classList.add("active");
    this.box.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    const last = this.options.length - 1;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!this.opened) return this.open();
      const next = this.active + (event.key === "ArrowDown" ? 1 : -1);
      return this.#mark(next > last ? 0 : next < 0 ? last : next);
    }
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      if (this.opened && this.options[this.active]) this.#picked(this.options[this.active].dataset.model);
    }
    if (event.key === "Escape" && this.opened) {
      event.stopPropagation();
      this.close();
    }
    if (event.key === "Tab") this.close();
    return undefined;
  }
}

function priced({ prices }) {
  if (!prices) return "price unknown";
  const { input, output } = prices;
  if (input === 0 && output === 0) return "free";
  return `${price(input)} / ${price(output)}`;
}

function pricedAtLength({ prices }) {
  if (!prices) return "price unknown";
  if (prices.input === 0 && prices.output === 0) return "free";
  return `${price(prices.input)} in, ${price(prices.output)} out per million tokens`;
}

function notes(all, found, shown, note) {
  if (!all) return note || "No model can be asked yet.";
  if (!found) return "No model in the list fits. A route’s name, or provider/model, can be used as it is.";
  if (shown < found) return `${count(found - shown)} more: type to narrow the list.`;
  return "Prices: input / output, for a million tokens.";
}

function grouped(models) {
  const groups = new Map();
  for (const one of models) groups.set(one.provider, [...(groups.get(one.provider) ?? []), one]);
  return groups;
}
