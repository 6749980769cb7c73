// Numbers as people read them. Unknown is said, and is never zero.

export const UNKNOWN = "unknown";
export const NONE = "–";

/** Return milliseconds as `142 ms`, `1.92 s` or `1 min 4 s`. */
export function time(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return NONE;
  if (ms < 1) return "< 1 ms";
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const s = Math.round(ms / 1000);
  return `${Math.floor(s / 60)} min ${s % 60} s`;
}

/** Return dollars with two digits that are not zero, however little it is; null is unknown. */
export function money(usd) {
  if (usd === null || usd === undefined) return UNKNOWN;
  if (usd === 0) return "$0";
  if (usd < 0.000001) return "< $0.000001";
  if (usd >= 1) return `$${usd.toFixed(2)}`;
  const digits = Math.min(6, Math.max(2, 1 - Math.floor(Math.log10(usd))));
  return `$${usd.toFixed(digits).replace(/(\.\d\d\d*?)0+$/, "$1")}`;
}

/** Return a price for a million tokens: `$0.05`, `free`. */
export function price(usd) {
  if (usd === null || usd === undefined) return UNKNOWN;
  if (usd === 0) return "free";
  return `$${usd >= 0.01 ? usd.toFixed(2).replace(/\.00$/, "") : usd.toPrecision(2)}`;
}

/** Return a count with thin groups: `12 345`. */
export function count(n) {
  if (n === null || n === undefined) return UNKNOWN;
  return String(Math.round(n)).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/** Return a size of a context: `8k`, `131k`, `1M`. */
export function context(tokens) {
  if (!tokens) return "";
  if (tokens >= 1_000_000) return `${Number((tokens / 1_000_000).toFixed(1))}M`;
  return tokens >= 1000 ? `${Math.round(tokens / (tokens % 1024 === 0 ? 1024 : 1000))}k` : String(tokens);
}

/** Return a rate of tokens: `87 tok/s`. */
export function rate(perSecond) {
  if (!Number.isFinite(perSecond)) return NONE;
  if (perSecond >= 1000) return `${count(perSecond)} tok/s`;
  return `${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)} tok/s`;
}

/** Return bytes: `6 B`, `1.9 kB`. */
export function bytes(n) {
  if (n < 1000) return `${n} B`;
  return n < 1_000_000 ? `${(n / 1000).toFixed(1)} kB` : `${(n / 1_000_000).toFixed(1)} MB`;
}

/** Return a noun with its number: `1 token`, `3 tokens`. */
export function many(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** Return the middle value of numbers; null of none. */
export function median(numbers) {
  if (!numbers.length) return null;
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
