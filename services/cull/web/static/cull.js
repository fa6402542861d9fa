/* Makes the pages nicer; every one of them works without it.
 *
 * - Times, UTC in the markup, are shown in the viewer's zone; "in 5 min" stays true.
 * - The table of servers is filtered while typing, sorted and paged without a reload.
 * - A page that was hidden for a while is fetched anew when it is looked at again.
 */
"use strict";

const STALE_MS = 60_000;
const TYPING_MS = 250;
/* Unit, its seconds, and from how many on it is used: "in 1 hour" would hide up to 59 minutes. */
const UNITS = [["day", 86_400, 172_800], ["hour", 3_600, 7_200], ["minute", 60, 60]];

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
let fetchedAt = Date.now();
let asked = 0;

function fromNow(when) {
  const seconds = (when - Date.now()) / 1000;
  for (const [unit, size, least] of UNITS) {
    if (Math.abs(seconds) >= least) return words.format(Math.trunc(seconds / size), unit);
  }
  return words.format(0, "second");
}

function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const when = new Date(element.dateTime);
    if (!element.title) element.title = element.textContent;
    element.textContent = absolute.format(when);
  }
  for (const element of root.querySelectorAll("[data-relative]")) {
    element.textContent = `(${fromNow(new Date(element.dataset.relative))})`;
  }
}

/* The part of the page that changes, from a fresh copy of the page at this address. */
async function refresh(address) {
  const part = document.getElementById("fresh");
  const token = document.querySelector('meta[name="xsrf-token"]').content;
  const mine = ++asked;
  let answer, text;
  try {
    answer = await fetch(address, { headers: { "X-XSRFToken": token, Accept: "text/html" } });
    text = await answer.text();
  } catch {
    return; // offline: what is shown stays
  }
  if (mine !== asked) return; // a newer question was asked meanwhile
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("fresh");
  if (!answer.ok || !fresh) {
    location.assign(address); // signed out, or an error that a person should see
    return;
  }
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const adopted = document.importNode(fresh, true);
  showTimes(adopted);
  part.replaceWith(adopted);
  if (focused) document.getElementById(focused)?.focus();
  fetchedAt = Date.now();
}

async function go(address) {
  history.replaceState(null, "", address);
  await refresh(address);
}

function setUpFilter(form) {
  const address = () => {
    const fields = new URLSearchParams(new FormData(form));
    return `${form.getAttribute("action")}?${fields}`;
  };
  let waiting;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => go(address()), TYPING_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    go(address());
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const target = new URL(link.href);
    form.elements.sort.value = target.searchParams.get("sort") ?? form.elements.sort.value;
    go(target.pathname + target.search);
  });
}

/* The field is filled in in the viewer's zone and sent in UTC. */
function setUpHold(form) {
  form.querySelector("[data-zone-label]").textContent = "Or until (your time)";
  form.addEventListener("submit", () => {
    const local = form.elements.until.value;
    form.elements.until_utc.value = local ? new Date(local).toISOString() : "";
  });
}

document.documentElement.classList.add("with-script");
showTimes(document);
setInterval(() => {
  for (const element of document.querySelectorAll("[data-relative]")) {
    element.textContent = `(${fromNow(new Date(element.dataset.relative))})`;
  }
}, 30_000);

const filter = document.getElementById("filter");
if (filter) setUpFilter(filter);
const hold = document.getElementById("hold");
if (hold) setUpHold(hold);

document.addEventListener("visibilitychange", () => {
  const stale = Date.now() - fetchedAt > STALE_MS;
  if (document.visibilityState === "visible" && stale && document.querySelector("[data-refresh]")) {
    refresh(location.pathname + location.search);
  }
});
