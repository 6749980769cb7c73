// Elements made of text and other elements. Nothing is ever parsed as HTML: whatever a model, a provider or a
// stranger wrote is put in as text.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = new URL("icons.svg", import.meta.url).href;

/** Return the element with this id; it is in the page, or the page is broken. */
export function $(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Return a new element. Attributes that are functions are listeners (`onclick`), true is an attribute without
 * a value, false, null and undefined are none. Children are elements or text.
 */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Return a new SVG element with these attributes. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Return one of the icons in icons.svg. It says nothing to a screen reader: a word stands beside it. */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `${ICONS}#${name}` }));
}

/** Return a button that copies what `text()` returns, and says so. */
export function copier(text, label) {
  const words = h("span", {}, label);
  const button = h("button", { type: "button", class: "quiet copy", title: "Copy" }, icon("copy"), words);
  let back = 0;
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    words.textContent = copied ? "Copied" : "Select and copy it";
    button.classList.toggle("copied", copied);
    clearTimeout(back);
    back = setTimeout(() => {
      words.textContent = label;
      button.classList.remove("copied");
    }, 1600);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no permission, or a page served over plain HTTP from elsewhere
  }
}
