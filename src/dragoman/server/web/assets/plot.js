// Charts by uPlot from the figures a page carries: bars that stand on each other, or lines.
// A page with charts loads uplot.min.js before; without it there is the table beneath.

const UNITS = {
  usd: (n) => {
    if (n === 0) return "$0";
    if (Math.abs(n) >= 1000) return `$${(n / 1000).toFixed(1)}k`;
    if (Math.abs(n) >= 1) return `$${n.toFixed(2)}`;
    return Math.abs(n) >= 0.1 ? `$${n.toFixed(2)}` : `$${Number(n.toPrecision(2))}`;
  },
  count: (n) => (Math.abs(n) >= 1e6 ? `${+(n / 1e6).toFixed(2)}M` : Math.abs(n) >= 1e4 ? `${+(n / 1e3).toFixed(1)}k` : n.toLocaleString("en")),
  ms: (n) => (n >= 1000 ? `${+(n / 1000).toFixed(2)} s` : `${Math.round(n)} ms`),
  percent: (n) => `${+n.toFixed(1)} %`,
};
UNITS.tokens = UNITS.count;

/** Return how money stands along an axis: each with the digits that its step needs. */
function along(step) {
  const digits = [0, 2, 3, 4, 5, 6].find((many) => Math.abs(step * 10 ** many - Math.round(step * 10 ** many)) < 1e-6) ?? 6;
  return (n) => (n === 0 || Math.abs(n) >= 1000 ? UNITS.usd(n) : `$${n.toFixed(digits)}`);
}

/** Steps of an axis of what is counted: half a request is none. */
const WHOLE = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/** Return the colour that a class gives, as the browser resolves it now. */
function colour(root, name, property = "color") {
  const probe = document.createElement("i");
  probe.className = name;
  root.append(probe);
  const found = getComputedStyle(probe)[property];
  probe.remove();
  return found;
}

/** Return how the beginning of a stretch is written: reports are in UTC, so charts are. */
function clock(step, long) {
  const day = { day: "numeric", month: "short", timeZone: "UTC" };
  const forms = {
    hour: long ? { ...day, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" },
    day: long ? { ...day, weekday: "short", year: "numeric" } : day,
    month: { month: long ? "long" : "short", year: "numeric", timeZone: "UTC" },
  };
  const form = new Intl.DateTimeFormat("en-GB", forms[step < 86_400 ? "hour" : step > 8 * 86_400 ? "month" : "day"]);
  const midnight = new Intl.DateTimeFormat("en-GB", day);
  return (at) => (!long && step < 86_400 && at % 86_400 === 0 ? midnight : form).format(new Date(at * 1000));
}

/** Draw, or draw anew, the chart of one figure. */
export function draw(figure) {
  if (typeof uPlot === "undefined" || !figure.dataset.plot) return;
  const told = JSON.parse(figure.dataset.plot);
  figure.drawn?.destroy();
  if (!told.x.length) return;
  const bars = told.kind !== "line";
  const unit = UNITS[told.unit] ?? UNITS.count;
  const quiet = colour(figure, "quiet-word");
  const grid = colour(figure, "plot-grid");
  const shades = told.series.map((one, place) => colour(figure, one.shade ?? `s${(place % 8) + 1}`));
  const tops = bars ? stacked(told.series) : told.series.map((one) => one.values);
  // A stack is drawn from its top down: what stands lower covers what is behind it.
  const order = tops.map((_, place) => (bars ? tops.length - 1 - place : place));
  const step = told.x.length > 1 ? told.x[1] - told.x[0] : 3600;
  const short = clock(step, false);
  const options = {
    width: figure.clientWidth || 600,
    height: figure.classList.contains("small") ? 96 : 260,
    padding: [8, bars ? 8 : 16, 0, 0],
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
    cursor: { points: { show: !bars }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    scales: {
      x: { range: (_, from, to) => (bars || from === to ? [from - step * 0.6, to + step * 0.6] : [from, to]) },
      y: { range: (_, from, to) => [Math.min(0, from ?? 0), (to ?? 0) > 0 ? to * 1.06 : 1] },
    },
    axes: [
      {
        stroke: quiet,
        grid: { show: false },
        ticks: { show: false },
        font: "11px system-ui",
        size: 32,
        gap: 10,
        splits: (u) => {
          const room = Math.max(1, Math.floor(u.bbox.width / devicePixelRatio / 64));
          const days = told.x.filter((at) => at % 86_400 === 0);
          const marks = step < 86_400 && days.length > 2 ? days : told.x;
          const every = Math.ceil(marks.length / room);
          return marks.filter((_, place) => place % every === 0);
        },
        values: (_, found) => found.map((at) => short(at)),
      },
      { stroke: quiet, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "11px system-ui", size: 58, incrs: told.unit === "count" ? WHOLE : undefined, values: (_, found, place, room, step) => found.map((n) => (n === null ? "" : (told.unit === "usd" ? along(step) : unit)(n))) },
    ],
    series: [
      {},
      ...order.map((place) => ({
        label: told.series[place].name,
        stroke: shades[place],
        width: bars ? 0 : 1.75,
        fill: bars ? shades[place] : undefined,
        paths: bars ? uPlot.paths.bars({ size: [0.8, 64] }) : undefined,
        points: { show: bars ? false : told.x.length < 3 ? true : undefined, size: 4 },
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [(u) => point(figure, u, told, { unit, shades, at: clock(step, true) })] },
  };
  figure.drawn = new uPlot(options, [told.x, ...order.map((place) => tops[place])], figure);
  key(figure, told, shades);
  if (!figure.fits) {
    figure.fits = true;
    figure.addEventListener("fit", () => figure.drawn?.setSize({ width: figure.clientWidth, height: options.height }));
  }
}

/** Write what the colours mean beneath a chart of several series, unless its page does so itself. */
function key(figure, told, shades) {
  const next = figure.nextElementSibling;
  if (told.series.length < 2 || (next?.classList.contains("plot-key") && next !== figure.key)) return;
  figure.key?.remove();
  figure.key = document.createElement("ul");
  figure.key.className = "plot-key";
  figure.key.append(...told.series.map((one, place) => line("li", shades[place], one.name)));
  figure.after(figure.key);
}

/** Tell the figures of the stretch under the pointer, beside it. */
function point(figure, u, told, { unit, shades, at }) {
  let tip = figure.querySelector(".plot-tip");
  const place = u.cursor.idx;
  if (place === null || place === undefined || u.cursor.left < 0) {
    tip?.remove();
    return;
  }
  if (!tip) {
    tip = document.createElement("div");
    tip.className = "plot-tip";
    u.over.append(tip);
  }
  const head = document.createElement("p");
  head.textContent = at(told.x[place]);
  // What adds up and has no figure was booked, and nobody knows at how much: that is not 0.
  const booked = told.kind !== "line";
  const rows = told.series.flatMap((one, number) => {
    const value = one.values[place] ?? null;
    if ((value === null && !booked) || (value === 0 && told.series.length > 1)) return [];
    const row = line("div", shades[number], one.name);
    const figures = document.createElement("b");
    figures.textContent = value === null ? "unknown" : unit(value);
    row.append(figures);
    return [row];
  });
  if (booked && told.series.length > 1) {
    const all = document.createElement("div");
    const sum = document.createElement("b");
    const known = told.series.reduce((found, one) => found + (one.values[place] ?? 0), 0);
    const unknown = told.series.some((one) => (one.values[place] ?? null) === null);
    sum.textContent = unknown && known === 0 ? "unknown" : unit(known);
    all.append("Total", sum);
    rows.push(all);
  }
  tip.replaceChildren(head, ...rows);
  const right = u.cursor.left > u.over.clientWidth / 2;
  tip.style.left = right ? "auto" : `${u.cursor.left + 12}px`;
  tip.style.right = right ? `${u.over.clientWidth - u.cursor.left + 12}px` : "auto";
}

/** Return an element with a square of a colour, and a name. */
function line(kind, shade, name) {
  const found = document.createElement(kind);
  const square = document.createElement("i");
  square.className = "swatch";
  square.style.color = shade;
  const words = document.createElement("span");
  words.textContent = name;
  found.append(square, words);
  return found;
}

/** Return series that each stand on those before it. */
function stacked(series) {
  let floor = null;
  return series.map(({ values }) => {
    floor = values.map((value, place) => (value ?? 0) + (floor ? floor[place] : 0));
    return floor;
  });
}
