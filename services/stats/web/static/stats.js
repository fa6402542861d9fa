/* Draws the tables as charts, with uPlot. Without it, the tables are all there is.
 *
 * A chart is drawn from the table in its section, so both show the same numbers. A cell without
 * data-value was not observed: there the line is interrupted and the background is grey. So it is,
 * in a lighter grey, where a row is incomplete: its numbers would look like a decline. The number of
 * a period that is not over (data-so-far) is a hollow mark, which no line leads to.
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
/* From this width on, lines are labelled at their ends; a narrow chart has its legend only. */
const LABELLED = 420;
const LINE_HEIGHT = 16;
/* The width of a chart that is printed: it fits A4 and Letter. */
const ON_PAPER = 640;
/* Between the ticks of days there is no hour. */
const DAYS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 30, 60, 90, 120, 180, 365, 730].map((days) => days * DAY);
const drawn = [];

/* The time zone of the page's times. */
const page = document.querySelector('meta[name="stats-zone"]');

function offerZones() {
  const list = document.getElementById("zones");
  if (!list || !Intl.supportedValuesOf) return;
  list.append(...Intl.supportedValuesOf("timeZone").map((name) => new Option(name, name)));
}

/* On a narrow screen, a timeline starts at the first hour with a bar. */
function showFirstBar(box) {
  const bars = [...box.querySelectorAll("rect.running, rect.work")].map((bar) => bar.x.baseVal.value);
  if (bars.length) box.scrollLeft = Math.max(0, Math.min(...bars) - 10);
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const number = (cell) => (cell.dataset.value === undefined ? null : Number(cell.dataset.value));
const text = (cell) => cell.textContent.trim();

/* The columns to draw: {x, labels, series: [{label, unit, values, soFar, texts}]} */
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
          unit: head.dataset.unit,
          values: rows.map((row, j) => (incomplete[j] ? null : number(row.cells[i]))),
          soFar: rows.map((row) => (row.dataset.soFar ? number(row.cells[i]) : null)),
          texts: rows.map((row) => text(row.cells[i])),
        }]
      : []);
  const known = (_x, i) => series.some((one) => one.values[i] !== null);
  return {
    isTime,
    isDay: table.dataset.kind === "day",
    last: isTime ? rows.findLastIndex(known) : -1, // of a histogram, no bar is the latest
    soFar: rows.findIndex((row) => row.dataset.soFar),
    soFarText: rows.map((row) => row.dataset.soFar).find(Boolean),
    named: table.tHead.rows[0].cells[0].textContent,
    // Days do not depend on a time zone; times are shown in the page's.
    zone: table.dataset.kind === "day" ? "UTC" : page.content,
    x: first.map((cell, i) => (isTime ? seconds(cell) : i)),
    labels: first.map((cell) => (isTime ? text(cell.querySelector("time")) : text(cell))),
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

/* Positions at least `gap` apart and, as far as there is room, between `low` and `high`; in order. */
function spread(wanted, gap, low, high) {
  const order = wanted.map((_at, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const at = [...wanted];
  let free = low;
  for (const i of order) free = (at[i] = Math.max(at[i], free)) + gap;
  free = high;
  for (const i of order.reverse()) free = (at[i] = Math.min(at[i], free)) - gap;
  return at;
}

/* The label of a category, without the path of an image, as long as there is room for it. */
function short(label, plot, data) {
  const shown = Math.ceil(data.x.length / Math.max(1, Math.floor(plot.width / 90)));
  const most = Math.max(8, Math.floor((shown * (plot.width - 80)) / data.x.length / 7.6));
  const name = label.length > most ? label.slice(label.lastIndexOf("/") + 1) : label;
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}

function endLabels(data, bars, width) {
  const lines = data.series.length;
  return !bars && data.last >= 0 && lines > 1 && lines <= SERIES.length && width >= LABELLED;
}

function labelSpace(data) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return Math.ceil(Math.max(...data.series.map((one) => context.measureText(one.label).width))) + 12;
}

function place(plot, className, text, left, top, shade) {
  const label = document.createElement("span");
  label.className = className;
  label.textContent = text;
  label.style.left = `${left}px`;
  label.style.top = `${top}px`;
  if (shade) label.style.color = colour(shade);
  plot.over.append(label);
}

/* The names of the lines at their ends, and of the period that is not over. */
function label(plot, data, bars) {
  for (const old of plot.over.querySelectorAll("span")) old.remove();
  const { clientWidth: width, clientHeight: height } = plot.over;
  if (endLabels(data, bars, plot.width)) {
    const lines = data.series.map((one, i) => ({ ...one, i, at: one.values.findLast((value) => value !== null) }))
      .filter((one) => one.at !== undefined);
    const tops = spread(lines.map((one) => plot.valToPos(one.at, "y") - LINE_HEIGHT / 2), LINE_HEIGHT, 0, height - LINE_HEIGHT);
    lines.forEach((one, i) => place(plot, "end", one.label, width + 8, tops[i], SERIES[one.i]));
  }
  if (data.soFar >= 0) place(plot, "so-far", data.soFarText, width, 0);
}

/* The numbers of the period that is not over. */
function drawSoFar(plot, data, bars) {
  const at = data.soFar;
  if (at < 0) return;
  const { ctx } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.lineWidth = 2 * ratio;
  ctx.setLineDash([]);
  ctx.fillStyle = colour("--paper");
  data.series.forEach((one, i) => {
    if (one.soFar[at] === null) return;
    ctx.strokeStyle = colour(SERIES[i]);
    const x = plot.valToPos(data.x[at], "x", true);
    const y = plot.valToPos(one.soFar[at], "y", true);
    ctx.beginPath();
    if (bars) {
      const step = at ? x - plot.valToPos(data.x[at - 1], "x", true) : 60 * ratio;
      const half = Math.min(0.35 * step, 30 * ratio);
      ctx.rect(x - half, y, 2 * half, plot.valToPos(0, "y", true) - y);
    } else {
      ctx.arc(x, y, 4 * ratio, 0, 2 * Math.PI);
    }
    ctx.fill();
    ctx.stroke();
  });
  ctx.restore();
}

function options(data, runs, bars, width) {
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--grid") }, ticks: { stroke: colour("--grid") } };
  const most = Math.max(0, ...data.series.flatMap((one) => one.soFar));
  const room = data.soFar < 0 ? 1.08 : 1.2; // above the lines, for the text "today, so far"
  const fromZero = (_plot, _low, high) => [0, Math.max(high, most) > 0 ? Math.max(high, most) * room : 1];
  // Half a user is no tick.
  const whole = data.series.every((one) => one.values.every((value) => value === null || Number.isInteger(value)));
  const unit = data.series[0].unit === "hours" ? " h" : "";
  const tick = (value) => (whole && !unit && !Number.isInteger(value) ? "" : value.toLocaleString("en") + unit);
  const ticks = { values: (_plot, splits) => splits.map(tick) };
  const named = (plot, splits) => splits.map((at) => (Number.isInteger(at) ? short(data.labels[at] ?? "", plot, data) : ""));
  const times = { values: DATES, ...(data.isDay ? { incrs: DAYS } : {}) };
  const widest = data.isTime ? times : { values: named, space: 90, incrs: [1, 2, 3, 4, 5] };
  // Space for half a bar at both ends.
  const half = (data.isTime ? (data.x[1] ?? data.x[0] + DAY) - data.x[0] : 1) * 0.6;
  const edge = bars ? { range: () => [data.x[0] - half, data.x[data.x.length - 1] + half] } : {};
  // The legend shows the last complete values unless the cursor points at others. A histogram has
  // no last value, so its legend appears with the cursor.
  const shown = (texts, at) => texts[at ?? data.last] ?? UNKNOWN;
  const showLegend = (plot) => {
    const legend = plot.root.querySelector(".u-legend");
    if (legend) legend.style.visibility = data.last < 0 && plot.cursor.idx == null ? "hidden" : "";
  };
  return {
    width,
    height: HEIGHT,
    padding: [null, endLabels(data, bars, width) ? labelSpace(data) : null, null, null],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), data.zone),
    scales: { x: { time: data.isTime, ...edge }, y: { range: fromZero } },
    axes: [
      { ...axis, ...widest },
      { ...axis, ...ticks, size: 60 },
    ],
    series: [
      { label: data.named, value: (_plot, _x, _series, at) => shown(data.labels, at) },
      ...data.series.map((one, i) => ({
        label: one.label,
        stroke: colour(SERIES[i]),
        width: 2,
        dash: i ? [8, 2 * i] : undefined, // distinguishable without colour
        value: (_plot, _value, _series, at) => shown(one.texts, at),
        ...(bars ? { fill: colour(SERIES[i]), dash: undefined, paths: uPlot.paths.bars({ size: [0.7, 60] }), points: { show: false } } : {}),
      })),
    ],
    cursor: { drag: { x: false, y: false } },
    hooks: {
      drawClear: [
        (plot) => shadeGaps(plot, runs, data.x, "--unobserved"),
        (plot) => shadeGaps(plot, gaps(data, true), data.x, "--incomplete"),
      ],
      ready: [showLegend],
      setLegend: [showLegend],
      draw: [(plot) => drawSoFar(plot, data, bars), (plot) => label(plot, data, bars)],
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
  const box = document.createElement("div");
  box.className = "chart";
  box.tabIndex = 0;
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `Chart of ${table.caption.textContent}. The table below it has the numbers.`);
  box.dataset.gaps = runs.length;
  table.closest("section").insertBefore(box, table.closest("details"));
  const bars = table.dataset.draw === "bars";
  const width = () => (onPaper() ? Math.min(box.clientWidth, ON_PAPER) : box.clientWidth);
  const make = () => new uPlot(options(data, runs, bars, width()), [data.x, ...data.series.map((one) => one.values)], box);
  let plot = make();
  box.addEventListener("keydown", (event) => moveByKey(plot, event, data.x.length));
  new ResizeObserver(() => {
    if (box.clientWidth && box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height: HEIGHT });
  }).observe(box);
  drawn.push(() => {
    plot.destroy();
    plot = make();
  });
}

const onPaper = () => document.documentElement.classList.contains("on-paper");

/* A printed page is light and narrower, whatever the screen is like. */
function redraw(forPaper) {
  document.documentElement.classList.toggle("on-paper", forPaper);
  drawn.forEach((again) => again());
}

offerZones();
document.querySelectorAll(".timeline").forEach(showFirstBar);
if (typeof uPlot !== "undefined") {
  for (const table of document.querySelectorAll("table[data-draw]")) draw(table);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(onPaper()));
addEventListener("beforeprint", () => redraw(true));
addEventListener("afterprint", () => redraw(false));
