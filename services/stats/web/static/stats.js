/* Draws the tables as charts, with uPlot. Every page says the same without it.
 *
 * A chart is drawn from the table in its section, so both show the same numbers. A dash in the
 * table is a gap: there the line is broken and the ground is grey.
 */
"use strict";

const UNKNOWN = "–";
const HEIGHT = 240;
const SERIES = ["--series-1", "--series-2", "--series-3", "--series-4"];
const DAY = 86_400;
/* From ticks so many seconds apart on: what a tick says, and what more in a new year and day. */
const DATES = [
  [DAY * 365, "{YYYY}", null, null, null, null, null, null, 1],
  [DAY * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [1, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];
const drawn = [];

/* The browser's time zone goes into a cookie, from which the server knows it; once, on the first
 * visit, the page is fetched again in it. A zone that was asked for goes before it. */
const page = document.querySelector('meta[name="stats-zone"]');
const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function rememberZone() {
  const wanted = `stats-timezone=${ownZone}`;
  const has = () => document.cookie.split("; ").includes(wanted);
  if (!ownZone || has()) return false;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${wanted}; Path=${page.dataset.path}; Max-Age=31536000; SameSite=Lax${secure}`;
  return has() && !page.dataset.asked && page.content !== ownZone;
}

function offerZones() {
  const list = document.getElementById("zones");
  if (!list || !Intl.supportedValuesOf) return;
  list.append(...Intl.supportedValuesOf("timeZone").map((name) => new Option(name, name)));
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function number(cell) {
  const text = cell.textContent.trim();
  return text === UNKNOWN ? null : Number(text);
}

/* The columns to draw, by the table's head: {x, labels, series: [{label, scale, values}]} */
function read(table) {
  const rows = [...table.tBodies[0].rows].filter((row) => row.cells.length > 1);
  const first = rows.map((row) => row.cells[0]);
  const isTime = table.dataset.kind !== "text";
  const seconds = (cell) => Date.parse(cell.querySelector("time").dateTime) / 1000;
  const series = [...table.tHead.rows[0].cells].flatMap((head, i) =>
    head.dataset.scale
      ? [{ label: head.textContent, scale: head.dataset.scale, values: rows.map((row) => number(row.cells[i])) }]
      : []);
  return {
    isTime,
    named: table.tHead.rows[0].cells[0].textContent,
    // Days are days, whatever the zone; moments are shown in the page's.
    zone: table.dataset.kind === "day" ? "UTC" : page.content,
    x: first.map((cell, i) => (isTime ? seconds(cell) : i)),
    labels: first.map((cell) => cell.textContent.trim()),
    series,
  };
}

/* Runs of rows in which nothing is known: [first, last] */
function gaps(series) {
  const runs = [];
  for (let i = 0; i < series[0].values.length; i++) {
    if (series.some((one) => one.values[i] !== null)) continue;
    const last = runs[runs.length - 1];
    if (last && last[1] === i - 1) last[1] = i;
    else runs.push([i, i]);
  }
  return runs;
}

function shadeGaps(plot, runs, x) {
  const middle = (i, j) => (x[i] + x[Math.min(Math.max(j, 0), x.length - 1)]) / 2;
  const { left, top, width, height } = plot.bbox;
  const inside = (at) => Math.min(Math.max(at, left), left + width);
  plot.ctx.save();
  plot.ctx.fillStyle = colour("--unseen");
  for (const [from, to] of runs) {
    const start = inside(plot.valToPos(middle(from, from - 1), "x", true));
    const end = inside(plot.valToPos(middle(to, to + 1), "x", true));
    plot.ctx.fillRect(start, top, Math.max(end - start, 2), height);
  }
  plot.ctx.restore();
}

function options(data, runs, bars, width) {
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--grid") }, ticks: { stroke: colour("--grid") } };
  const fromZero = { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] };
  const second = data.series.some((one) => one.scale !== "y");
  const named = (_plot, splits) => splits.map((at) => (Number.isInteger(at) ? data.labels[at] ?? "" : ""));
  const widest = data.isTime ? { values: DATES } : { values: named, space: 60, incrs: [1, 2, 3, 4, 5] };
  // Half a bar's room at both ends.
  const half = (data.isTime ? (data.x[1] ?? data.x[0] + DAY) - data.x[0] : 1) * 0.6;
  const edge = bars ? { range: () => [data.x[0] - half, data.x[data.x.length - 1] + half] } : {};
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), data.zone),
    scales: { x: { time: data.isTime, ...edge }, y: fromZero, ...(second ? { ratio: fromZero } : {}) },
    axes: [
      { ...axis, ...widest },
      { ...axis, size: 55 },
      ...(second ? [{ ...axis, scale: "ratio", side: 1, size: 50, grid: { show: false } }] : []),
    ],
    series: [
      { label: data.named, value: (_plot, at, _series, i) => (i === null ? UNKNOWN : data.labels[i]) },
      ...data.series.map((one, i) => ({
        label: one.scale === "y" ? one.label : `${one.label} (right)`,
        scale: one.scale,
        stroke: colour(SERIES[i]),
        width: 2,
        dash: i ? [8, 2 * i] : undefined, // not by colour alone
        value: (_plot, value) => value ?? UNKNOWN,
        ...(bars ? { fill: colour(SERIES[i]), dash: undefined, paths: uPlot.paths.bars({ size: [0.7, 60] }), points: { show: false } } : {}),
      })),
    ],
    cursor: { drag: { x: false, y: false } },
    hooks: { drawClear: [(plot) => shadeGaps(plot, runs, data.x)] },
  };
}

/* The arrow keys move what the legend tells, as the mouse does. */
function moveByKey(plot, event, length) {
  const step = { ArrowLeft: -1, ArrowRight: 1, Home: -length, End: length }[event.key];
  if (!step) return;
  event.preventDefault();
  const at = plot.cursor.idx ?? (step > 0 ? -1 : length);
  const to = Math.min(Math.max(at + step, 0), length - 1);
  plot.setCursor({ left: plot.valToPos(plot.data[0][to], "x"), top: HEIGHT / 4 });
}

function draw(table) {
  const data = read(table);
  if (!data.x.length || !data.series.length) return;
  const runs = gaps(data.series);
  const place = document.createElement("div");
  place.className = "chart";
  place.tabIndex = 0;
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `Chart of ${table.caption.textContent}. The numbers are in the table below it.`);
  place.dataset.gaps = runs.length;
  table.closest("section").insertBefore(place, table.closest("details"));
  const bars = table.dataset.draw === "bars";
  const make = () => new uPlot(options(data, runs, bars, place.clientWidth), [data.x, ...data.series.map((one) => one.values)], place);
  let plot = make();
  place.addEventListener("keydown", (event) => moveByKey(plot, event, data.x.length));
  new ResizeObserver(() => {
    if (place.clientWidth && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: HEIGHT });
  }).observe(place);
  drawn.push(() => {
    plot.destroy();
    plot = make();
  });
}

if (rememberZone()) {
  location.reload();
} else {
  offerZones();
  for (const table of document.querySelectorAll("table[data-draw]")) draw(table);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((again) => again()));
}
