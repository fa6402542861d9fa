/* Draws the tables as charts, with uPlot. Without it, the tables are all there is.
 *
 * A chart is drawn from the table in its section, so both show the same numbers. A cell without
 * data-value was not observed: there the line is interrupted and the background is grey. So it is,
 * in a lighter grey, where a row is incomplete: its numbers would look like a decline.
 */
"use strict";

const UNKNOWN = "–";
const HEIGHT = 240;
const SERIES = ["--series-1", "--series-2", "--series-3", "--series-4"];
const DAY = 86_400;
/* By seconds between ticks: the label of a tick, and what is added at a new year and a new day. */
const DATES = [
  [DAY * 365, "{YYYY}", null, null, null, null, null, null, 1],
  [DAY * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [1, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];
const drawn = [];

/* The time zone of the page's times. */
const page = document.querySelector('meta[name="stats-zone"]');

function offerZones() {
  const list = document.getElementById("zones");
  if (!list || !Intl.supportedValuesOf) return;
  list.append(...Intl.supportedValuesOf("timeZone").map((name) => new Option(name, name)));
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const number = (cell) => (cell.dataset.value === undefined ? null : Number(cell.dataset.value));
const text = (cell) => cell.textContent.trim();

/* The columns to draw: {x, labels, series: [{label, scale, unit, values, texts}]} */
function read(table) {
  const rows = [...table.tBodies[0].rows].filter((row) => row.cells.length > 1);
  const first = rows.map((row) => row.cells[0]);
  const isTime = table.dataset.kind !== "text";
  const seconds = (cell) => Date.parse(cell.querySelector("time").dateTime) / 1000;
  const incomplete = rows.map((row) => row.classList.contains("incomplete"));
  const series = [...table.tHead.rows[0].cells].flatMap((head, i) =>
    head.dataset.scale
      ? [{
          label: head.textContent,
          scale: head.dataset.scale,
          unit: head.dataset.unit,
          values: rows.map((row, j) => (incomplete[j] ? null : number(row.cells[i]))),
          texts: rows.map((row) => text(row.cells[i])),
        }]
      : []);
  return {
    isTime,
    named: table.tHead.rows[0].cells[0].textContent,
    // Days do not depend on a time zone; times are shown in the page's.
    zone: table.dataset.kind === "day" ? "UTC" : page.content,
    x: first.map((cell, i) => (isTime ? seconds(cell) : i)),
    labels: first.map(text),
    incomplete,
    series,
  };
}

/* Runs of rows without values: [first, last]; of those that are incomplete, or of the others. */
function gaps(data, incomplete) {
  const runs = [];
  for (let i = 0; i < data.x.length; i++) {
    if (data.incomplete[i] !== incomplete || data.series.some((one) => one.values[i] !== null)) continue;
    const last = runs[runs.length - 1];
    if (last && last[1] === i - 1) last[1] = i;
    else runs.push([i, i]);
  }
  return runs;
}

function shadeGaps(plot, runs, x, colouring) {
  const middle = (i, j) => (x[i] + x[Math.min(Math.max(j, 0), x.length - 1)]) / 2;
  const { left, top, width, height } = plot.bbox;
  const inside = (at) => Math.min(Math.max(at, left), left + width);
  plot.ctx.save();
  plot.ctx.fillStyle = colour(colouring);
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
  const tick = (value) => value.toLocaleString("en") + (data.series[0].unit === "hours" ? " h" : "");
  const ticks = { values: (_plot, splits) => splits.map(tick) };
  const named = (_plot, splits) => splits.map((at) => (Number.isInteger(at) ? data.labels[at] ?? "" : ""));
  const widest = data.isTime ? { values: DATES } : { values: named, space: 60, incrs: [1, 2, 3, 4, 5] };
  // Space for half a bar at both ends.
  const half = (data.isTime ? (data.x[1] ?? data.x[0] + DAY) - data.x[0] : 1) * 0.6;
  const edge = bars ? { range: () => [data.x[0] - half, data.x[data.x.length - 1] + half] } : {};
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), data.zone),
    scales: { x: { time: data.isTime, ...edge }, y: fromZero, ...(second ? { ratio: fromZero } : {}) },
    axes: [
      { ...axis, ...widest },
      { ...axis, ...ticks, size: 60 },
      ...(second ? [{ ...axis, scale: "ratio", side: 1, size: 50, grid: { show: false } }] : []),
    ],
    series: [
      { label: data.named, value: (_plot, at, _series, i) => (i === null ? UNKNOWN : data.labels[i]) },
      ...data.series.map((one, i) => ({
        label: one.scale === "y" ? one.label : `${one.label} (right)`,
        scale: one.scale,
        stroke: colour(SERIES[i]),
        width: 2,
        dash: i ? [8, 2 * i] : undefined, // distinguishable without colour
        value: (_plot, _value, _series, at) => (at === null ? UNKNOWN : one.texts[at]),
        ...(bars ? { fill: colour(SERIES[i]), dash: undefined, paths: uPlot.paths.bars({ size: [0.7, 60] }), points: { show: false } } : {}),
      })),
    ],
    cursor: { drag: { x: false, y: false } },
    hooks: {
      drawClear: [
        (plot) => shadeGaps(plot, runs, data.x, "--unobserved"),
        (plot) => shadeGaps(plot, gaps(data, true), data.x, "--incomplete"),
      ],
    },
  };
}

/* The arrow keys move the cursor whose values the legend shows, as the mouse does. */
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
  const runs = gaps(data, false);
  const place = document.createElement("div");
  place.className = "chart";
  place.tabIndex = 0;
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `Chart of ${table.caption.textContent}. The table below it has the numbers.`);
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

offerZones();
if (typeof uPlot !== "undefined") {
  for (const table of document.querySelectorAll("table[data-draw]")) draw(table);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((again) => again()));
