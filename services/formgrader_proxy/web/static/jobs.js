/* Keeps the list of jobs up to date. The page works without it.
 *
 * Every job is a section that the server renders. One that differs from the current page is
 * replaced; the focus and what is unfolded stay.
 */
"use strict";

const POLL_MS = 2000;
const token = document.querySelector('meta[name="xsrf-token"]').content;
const headers = { "X-XSRFToken": token };
let announced = "";

async function load(address, accept) {
  const response = await fetch(address, { headers: { ...headers, Accept: accept } });
  if (response.status === 401 || response.status === 403) {
    location.reload(); // signed out, or no longer a grader: the server says what to do
    throw new Error("signed out");
  }
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response;
}

function adopt(list, fresh) {
  for (const old of list.querySelectorAll("details[open]")) {
    fresh.querySelector(`#${CSS.escape(old.id)}`)?.setAttribute("open", "");
  }
  const focused = list.contains(document.activeElement) ? document.activeElement.id : "";
  const previous = new Map(Array.from(list.children, (one) => [one.id, one]));
  const next = Array.from(fresh.children, (one) => {
    const old = previous.get(one.id);
    return old && old.isEqualNode(one) ? old : document.importNode(one, true);
  });
  list.replaceChildren(...next);
  list.dataset.version = fresh.dataset.version;
  if (focused && document.activeElement.id !== focused) document.getElementById(focused)?.focus();
}

/* Only changes of a state are announced; a screen reader would never finish reading the counts. */
function announce(list) {
  const job = list.firstElementChild;
  const state = job?.querySelector("[data-state]")?.textContent ?? "";
  const text = state && `${job.querySelector("h2").textContent.replace(/\s+/g, " ").trim()}`;
  if (announced && text !== announced) document.getElementById("announcement").textContent = text;
  announced = text;
}

async function refresh() {
  const list = document.getElementById("jobs");
  const since = encodeURIComponent(list.dataset.version);
  const state = await (await load(`${list.dataset.path}?since=${since}`, "application/json")).json();
  if (!state.unchanged) {
    const page = await (await load(location.href, "text/html")).text();
    const fresh = new DOMParser().parseFromString(page, "text/html").getElementById("jobs");
    if (!fresh) throw new Error("unexpected page");
    adopt(list, fresh);
    announce(list);
  }
}

async function poll() {
  if (!document.hidden) {
    let offline = false;
    try {
      await refresh();
    } catch {
      offline = true;
    }
    document.getElementById("offline").hidden = !offline;
  }
  setTimeout(poll, POLL_MS);
}

announce(document.getElementById("jobs"));
setTimeout(poll, POLL_MS);
