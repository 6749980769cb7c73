// What makes the dashboard lively: relative times, keys, copying, polling, charts. Every page reads without it.

import { draw } from "./plot.js";

const TICK_MS = 2000;
const AGAIN_MS = 10_000; // after which a form that was sent may be sent again: nothing came back

/** Ask parts of a page that say hx-trigger="tick from:body" to look again, while somebody looks at them. */
function tick() {
  if (document.visibilityState === "visible") document.body.dispatchEvent(new CustomEvent("tick"));
}

/** Say how long ago something was, exactly in the viewer's own zone on hover. */
function times(root) {
  for (const one of root.querySelectorAll("time[datetime]")) {
    const at = new Date(one.dateTime);
    one.title = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
    const text = ago((Date.now() - at.getTime()) / 1000);
    if (!one.hasAttribute("data-fixed") && one.textContent !== text) one.textContent = text;
  }
}

function ago(seconds) {
  const gone = Math.abs(seconds);
  if (gone < 1) return "now";
  for (const [size, unit] of [[86_400, "days"], [3600, "h"], [60, "min"], [1, "s"]]) {
    if (gone < size) continue;
    const number = Math.floor(gone / size);
    const words = `${number} ${unit === "days" && number === 1 ? "day" : unit}`;
    return seconds > 0 ? `${words} ago` : `in ${words}`;
  }
  return "now";
}

function say(words) {
  const place = document.getElementById("status");
  if (place) place.textContent = words;
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    const box = document.createElement("textarea");
    box.value = button.dataset.copy;
    button.after(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
  const label = button.textContent;
  button.textContent = "Copied";
  button.classList.add("copied");
  say("Copied");
  setTimeout(() => {
    button.textContent = label;
    button.classList.remove("copied");
  }, 1500);
}

/** Wear the next shade: the system's, light, dark. */
function shade(step) {
  const shades = ["auto", "light", "dark"];
  const root = document.documentElement;
  const next = shades[(shades.indexOf(root.dataset.theme ?? "auto") + step) % shades.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  const state = document.getElementById("theme-state");
  if (state) state.textContent = next[0].toUpperCase() + next.slice(1);
  if (!step) return;
  try {
    localStorage.setItem("dragoman.theme", next);
  } catch {
    // It is worn for this page, then.
  }
  for (const plot of document.querySelectorAll(".plot")) draw(plot);
}

let opener = null;
let pushed = false;

/** Close the drawer, give the focus back to what opened it, and have the list's own address again. */
function closeDrawer() {
  const place = document.getElementById("drawer");
  if (!place?.firstElementChild) return false;
  place.replaceChildren();
  mark(false);
  // A list that looked again meanwhile has another link there, of the same name.
  (document.getElementById(opener?.id ?? "") ?? opener)?.focus();
  opener = null;
  if (pushed) history.back();
  return true;
}

/** Show in the list whose drawer is open. */
function mark(open = Boolean(document.getElementById("drawer")?.firstElementChild)) {
  for (const one of document.querySelectorAll("[data-row] [aria-current]")) one.removeAttribute("aria-current");
  if (open && opener?.id) document.getElementById(opener.id)?.setAttribute("aria-current", "true");
}

addEventListener("popstate", (event) => {
  // Going back from a drawer closes it: the list is still there, as it was.
  if (!pushed) return;
  pushed = false;
  event.stopImmediatePropagation();
  closeDrawer();
});

document.addEventListener("htmx:beforeHistoryUpdate", (event) => {
  // Another drawer takes the place of the open one: back closes it, and leads to no other.
  if (pushed && opener) event.detail.history.type = "replace";
});

document.addEventListener("htmx:pushedIntoHistory", () => {
  pushed = Boolean(opener);
});

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const button = target?.closest("[data-copy]");
  if (button) copy(button);
  if (target?.closest("#theme")) shade(1);
  const row = target?.closest("[data-row]");
  if (row && !target.closest("a, button, input, summary, label") && !getSelection()?.toString()) row.querySelector("a")?.click();
  const closing = target?.closest("[data-close-drawer]");
  if (closing && closeDrawer()) event.preventDefault();
});

document.addEventListener("change", (event) => {
  // Filters that say so apply by themselves; without scripts their button does it.
  const form = event.target instanceof Element ? event.target.closest("form[data-auto]") : null;
  if (form) form.requestSubmit();
});

document.addEventListener("change", (event) => {
  // A known name that was chosen becomes a line of the field beside it; without scripts the server adds it.
  const chosen = event.target instanceof Element ? event.target.closest("input[data-adds]") : null;
  const lines = chosen && document.getElementById(chosen.dataset.adds);
  if (!lines || !chosen.value.trim()) return;
  lines.value = [...lines.value.split("\n").filter((line) => line.trim()), chosen.value.trim()].join("\n");
  chosen.value = "";
});

document.addEventListener("submit", (event) => {
  // An empty filter is none: it has no business in the address.
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "get") return;
  const unused = [...form.elements].filter((field) => field.name && !field.disabled && field.value === "");
  for (const field of unused) field.disabled = true;
  setTimeout(() => unused.forEach((field) => { field.disabled = false; }));
});

document.addEventListener("submit", (event) => {
  // Sent twice, what the first one made would be refused as being there already, and its secret never seen.
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, AGAIN_MS);
});

addEventListener("pageshow", () => {
  // Whoever comes back to a page may send its form again.
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && closeDrawer()) return;
  const typing = event.target instanceof Element && event.target.closest("input, select, textarea, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["x-dragoman-token"] = document.body.dataset.token ?? "";
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target?.id === "drawer") opener = event.detail.elt;
});

document.addEventListener("htmx:afterSwap", (event) => {
  const root = event.detail.target;
  dress(root);
  mark();
  if (root?.id === "drawer") root.querySelector("[data-close-drawer], h2")?.focus();
});

function dress(root) {
  times(root);
  for (const plot of root.querySelectorAll(".plot[data-plot]")) draw(plot);
}

shade(0);
dress(document);
setInterval(tick, TICK_MS);
setInterval(() => times(document), 15_000);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const plot of document.querySelectorAll(".plot")) draw(plot);
});
addEventListener("resize", () => {
  for (const plot of document.querySelectorAll(".plot")) plot.dispatchEvent(new CustomEvent("fit"));
});
