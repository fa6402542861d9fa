/* Enhances the pages; all of them work without it.
 *
 * - Times, which are in UTC in the markup, are shown in the viewer's time zone, and relative
 *   times ("in 5 minutes") are kept up to date.
 * - The table of servers is filtered while typing, and sorted and paged without a reload.
 * - A page that was hidden for a while is refreshed when it becomes visible again.
 */
"use strict";

const STALE_MS = 60_000;
const TYPING_MS = 250;

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
let refreshedAt = Date.now();
let requests = 0;

/* The same words as time_from_now() in pages.py. */
function timeFromNow(when) {
  const minutes = Math.trunc(Math.abs(when - Date.now()) / 60_000);
  if (minutes === 0) return "now";
  let length;
  if (minutes < 60) {
    length = `${minutes} minute${minutes === 1 ? "" : "s"}`;
  } else if (minutes < 48 * 60) {
    const rest = minutes % 60;
    length = `${Math.trunc(minutes / 60)} h${rest ? ` ${rest} min` : ""}`;
  } else {
    length = `${Math.trunc(minutes / (24 * 60)).toLocaleString("en")} days`;
  }
  return when > Date.now() ? `in ${length}` : `${length} ago`;
}

function showRelativeTimes(root) {
  for (const element of root.querySelectorAll("[data-relative]")) {
    element.textContent = `(${timeFromNow(new Date(element.dataset.relative))})`;
  }
}

function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const when = new Date(element.dateTime);
    if (!element.title) element.title = `${element.textContent} UTC`;
    element.textContent = absolute.format(when);
  }
  showRelativeTimes(root);
}

/* Replaces the part of the page that changes with that of the page at this address. */
async function refresh(address) {
  const part = document.getElementById("fresh");
  const token = document.querySelector('meta[name="xsrf-token"]').content;
  const request = ++requests;
  let response, text;
  try {
    response = await fetch(address, { headers: { "X-XSRFToken": token, Accept: "text/html" } });
    text = await response.text();
  } catch {
    return; // offline: keep what is shown
  }
  if (request !== requests) return; // a newer request is under way
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("fresh");
  if (!response.ok || !fresh) {
    location.assign(address); // signed out, or an error page that the viewer should see
    return;
  }
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const adopted = document.importNode(fresh, true);
  showTimes(adopted);
  part.replaceWith(adopted);
  if (focused) document.getElementById(focused)?.focus();
  refreshedAt = Date.now();
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

/* The field is in the viewer's time zone; until_utc sends the same time in UTC. */
function setUpHold(form) {
  form.querySelector("[data-zone-label]").textContent = "Or until (your local time)";
  form.addEventListener("submit", () => {
    const local = form.elements.until.value;
    form.elements.until_utc.value = local ? new Date(local).toISOString() : "";
  });
}

document.documentElement.classList.add("with-script");
document.querySelector("[data-zone]").textContent =
  `All times are in your time zone (${Intl.DateTimeFormat().resolvedOptions().timeZone}).`;
showTimes(document);
setInterval(() => showRelativeTimes(document), 30_000);

const filter = document.getElementById("filter");
if (filter) setUpFilter(filter);
const hold = document.getElementById("hold");
if (hold) setUpHold(hold);

document.addEventListener("visibilitychange", () => {
  const stale = Date.now() - refreshedAt > STALE_MS;
  if (document.visibilityState === "visible" && stale && document.querySelector("[data-refresh]")) {
    refresh(location.pathname + location.search);
  }
});
