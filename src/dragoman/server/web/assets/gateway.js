// What the page asks of the gateway besides answers: models, templates, the ledger's row of a request, ratings.
//
// The key is kept in this tab's storage and sent as a bearer token. Where a page is not served (404) the
// answer is null, and what depends on it is left out.

import { words } from "./faults.js";

const KEY = "dragoman.key";
const PAUSES_MS = [40, 80, 160, 320, 640, 1000, 1500, 2000, 2500];

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Return the key of this tab; "" if there is none. */
export function key() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** Keep a key in this tab; "" forgets it. */
export function keep(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** Return the headers that say who asks. */
export function credentials() {
  return key() ? { authorization: `Bearer ${key()}` } : {};
}

/** Return the address of a path of this gateway, wherever it is mounted. */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

async function ask(path, options = {}) {
  const answer = await fetch(address(path), {
    ...options,
    headers: { accept: "application/json", ...credentials(), ...options.headers },
    credentials: "omit",
  });
  if (answer.status === 404 && !options.method) return null;
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, words(body) ?? `status ${answer.status}`);
  return body;
}

/** Return {models: [{id, provider, title, context, prices, ...}], note}. */
export async function models() {
  const told = await ask("models");
  if (told) return { models: told.models ?? [], note: told.note ?? "" };
  const listed = await ask("v1/models");
  return { models: (listed?.data ?? []).map(({ id, owned_by: provider }) => ({ id, provider })), note: "" };
}

/** Return {version, providers, ...}; it needs no key. Null if nobody answers. */
export async function health() {
  return ask("v1/health").catch(() => null);
}

/** Return the prompt templates there are. */
export async function templates() {
  return (await ask("templates").catch(() => null)) ?? [];
}

/**
 * Return the ledger's row of a request once it is settled; null if it cannot be had.
 *
 * A row is there before the provider is asked. One that is missing twice is not coming: the request was
 * refused at the door, or this gateway shows no rows.
 */
export async function settled(id) {
  let row = null;
  let missed = 0;
  for (const pause of PAUSES_MS) {
    row = await ask(`v1/exchanges/${encodeURIComponent(id)}`).catch(() => null);
    if (row && row.state !== "reserved") return row;
    missed += row ? 0 : 1;
    if (missed === 2) return null;
    await new Promise((done) => setTimeout(done, pause));
  }
  return row;
}

/** Rate an answer, or rate it anew. Throws Refused, or TypeError where nobody answers. */
export async function rate(rating) {
  await ask("rate", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(rating),
  });
}
