// The message: written, or a template whose variables become fields; and what else the request says.

import { $, h } from "./dom.js";

/** A place in a template, as the gateway's own templates have them: {{name}}, or the older {prompt}. */
const PLACE = /\{\{\s*([\p{L}\p{N}_][\p{L}\p{N}_-]*)\s*\}\}|\{(prompt)\}/gu;

export class Composer {
  /** @param {() => void} changed called when what would be sent has changed */
  constructor(changed) {
    this.templates = [];
    this.template = null;
    this.fields = new Map();
    this.changed = changed;
    this.message = $("message");
    this.picker = $("template");
    this.picker.addEventListener("change", () => this.#choose(this.picker.value));
    this.message.addEventListener("input", () => this.#typed(this.message));
    for (const id of ["system", "max-tokens", "temperature", "cache"]) {
      $(id).addEventListener("input", () => this.#optioned());
    }
    this.#optioned();
  }

  /** Show these templates, by category. */
  load(templates) {
    this.templates = templates;
    const categories = new Map();
    for (const one of templates) {
      const name = one.category || "Other";
      categories.set(name, [...(categories.get(name) ?? []), one]);
    }
    const [none] = this.picker.options;
    this.picker.replaceChildren(
      none,
      ...[...categories].map(([label, group]) =>
        h("optgroup", { label }, group.map((one) => h("option", { value: one.id }, one.title || one.id)))),
    );
    this.picker.disabled = !templates.length;
  }

  /** Return the message; a template's with its variables filled in. A value is never read for places again. */
  get text() {
    if (!this.template) return this.message.value;
    return this.template.prompt.replace(PLACE, (_, name, older) => this.fields.get(name ?? older)?.value ?? "");
  }

  /** Return the first field that must be filled in before this can be sent; null: it can be. */
  get missing() {
    if (!this.template) return this.message.value.trim() ? null : this.message;
    return [...this.fields.values()].find((field) => !field.value.trim()) ?? null;
  }

  get system() {
    return $("system").value.trim();
  }

  /** Most tokens to write; null: as many as the model likes. */
  get maxTokens() {
    return Math.trunc(Number($("max-tokens").value)) || null;
  }

  get temperature() {
    return $("temperature").value === "" ? null : Number($("temperature").value);
  }

  get cached() {
    return $("cache").checked;
  }

  /** Put a message in the box. */
  write(text) {
    this.#choose("");
    this.message.value = text;
    this.#typed(this.message);
    this.message.focus();
  }

  /** Put a message that was not answered back, unless another one is begun. */
  restore(text) {
    if (this.template || this.message.value) return;
    this.message.value = text;
    this.#typed(this.message);
  }

  /** Empty the box; a template keeps its values, to be changed and sent again. */
  clear() {
    if (this.template) return;
    this.message.value = "";
    this.#typed(this.message);
  }

  focus() {
    (this.template ? [...this.fields.values()][0] : this.message)?.focus();
  }

  #choose(id) {
    this.picker.value = id;
    this.template = this.templates.find((one) => one.id === id) ?? null;
    this.fields = new Map((this.template?.variables ?? []).map((name) => [name, this.#field(name)]));
    $("message-field").hidden = Boolean(this.template);
    $("variables").hidden = !this.fields.size;
    $("preview").hidden = !this.template;
    $("variables").replaceChildren(...[...this.fields].map(([name, field]) =>
      h("div", { class: "field" }, h("label", { for: field.id }, name.replaceAll("_", " ")), field)));
    $("template-facts").textContent = this.template ? (this.template.tags ?? []).join(" · ") : "";
    this.#preview();
    this.changed();
  }

  #field(name) {
    const field = h("textarea", { id: `variable-${name}`, rows: "1", dir: "auto", name });
    field.addEventListener("input", () => this.#typed(field));
    return field;
  }

  /** A box grows with what is in it. Where the style sheet can say so (field-sizing), it does. */
  #typed(box) {
    box.rows = Math.min(14, Math.max(box === this.message ? 3 : 1, box.value.split("\n").length));
    this.#preview();
    this.changed();
  }

  #preview() {
    $("preview-text").textContent = this.template ? this.text : "";
  }

  #optioned() {
    const said = [
      this.system && "system prompt",
      this.maxTokens && `at most ${this.maxTokens} tokens`,
      this.temperature !== null && `temperature ${this.temperature}`,
      this.cached && "cache",
    ].filter(Boolean);
    $("options-set").textContent = said.join(" · ");
    this.changed();
  }
}
