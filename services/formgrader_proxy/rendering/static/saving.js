/* Changes are kept until the server has saved them.
 *
 * nbgrader's pages send a score once, report no failure, and show the server's response even if
 * something newer was typed. Here each change is sent until it is saved, the newest value of a field
 * wins, and the page says what is not saved. It is loaded after nbgrader's scripts; the fields of a
 * submission are in saving_fields.js.
 */
(() => {
  "use strict";
  if (!window.Backbone || !window.jQuery) return;

  const TIMEOUT = 150_000; // the service holds a change for a minute; a laptop may have slept
  const SLOW = 5_000;
  const LONGEST_DELAY = 30_000;

  // The newest value of each field that the server may not have, by address.
  const entries = new Map();
  const listeners = [];
  let trouble = null; // {kind, text}: why nothing can be saved at present
  let attempt = 0;
  let timer = null;

  const notify = () => listeners.forEach((listener) => listener());
  const waiting = () => [...entries.values()].filter((entry) => !entry.refused);
  const refused = () => [...entries.values()].filter((entry) => entry.refused);

  const pageMeta = () => document.querySelector('meta[name="formgrader-page"]');
  const tokenMeta = () => document.querySelector('meta[name="formgrader-xsrf"]');
  const ownPath = () => pageMeta()?.dataset.ownPath;

  const request = async (url, options, headers) => {
    const controller = new AbortController();
    const timeout = setTimeout(() => controller.abort(), TIMEOUT);
    try {
      const response = await fetch(url, {
        ...options,
        cache: "no-store",
        credentials: "same-origin",
        redirect: "manual",
        signal: controller.signal,
        headers: { "X-Requested-With": "XMLHttpRequest", ...headers },
      });
      const text = await response.text();
      let data = null;
      try {
        data = JSON.parse(text);
      } catch {
        // not JSON: an error of a server in between
      }
      return { status: response.status, data };
    } catch {
      return { status: 0, data: null };
    } finally {
      clearTimeout(timeout);
    }
  };

  /* A new XSRF token after a new sign-in. Returns what prevents it, or null. */
  const renew = async () => {
    const page = pageMeta();
    const token = tokenMeta();
    if (!page || !token) return { kind: "reload", text: "This page is out of date." };
    const headers = { "X-Formgrader-Page": page.content };
    const answer = await request(`${ownPath()}xsrf-token`, { method: "POST" }, headers);
    if (answer.status === 200 && answer.data?.token) {
      token.content = answer.data.token;
      return null;
    }
    const text = answer.data?.message;
    if (answer.status === 401) return { kind: "signed-out", text: "You are no longer signed in." };
    if (answer.status === 403 && answer.data?.reason === "user") return { kind: "user", text };
    if (isFromElsewhere(answer)) return away(answer);
    if (answer.status === 403) return { kind: "forbidden", text: text || "You have no access." };
    if (answer.status === 404) return { kind: "forbidden", text: "This course is not served." };
    return away(answer);
  };

  const away = (answer) => {
    const unavailable = [502, 503, 504].includes(answer.status); // without a message: from the Hub
    if (unavailable && !answer.data?.message) {
      return { kind: "away", text: "The grading service is unavailable." };
    }
    const text = answer.status ? answer.data?.message : "The server cannot be reached.";
    return { kind: "away", text: text || `The server responded with status ${answer.status}.` };
  };

  // The Hub or a proxy responds instead of the service, for example while it has lost the route.
  const isFromElsewhere = ({ status, data }) => data === null && [403, 404, 405].includes(status);

  const isTemporary = (status) => status === 0 || status === 408 || status === 429 || status >= 500;

  const send = async (entry) => {
    const { version } = entry;
    const body = entry.know ? entry.know(entry.body) : entry.body;
    entry.sending = true;
    entry.slow = false;
    const slow = setTimeout(() => {
      entry.slow = true;
      notify();
    }, SLOW);
    notify();
    const options = { method: entry.method, body };
    const exchange = () =>
      request(entry.url, options, {
        "Content-Type": "application/json",
        "X-CSRFToken": tokenMeta()?.content || "",
      });
    let answer = await exchange();
    let problem = null;
    if (answer.status === 401 || answer.status === 403) {
      problem = await renew();
      if (!problem) {
        answer = await exchange();
        if (answer.status === 401 || answer.status === 403) {
          problem = { kind: "forbidden", text: answer.data?.message || "You have no access." };
        }
      }
    }
    clearTimeout(slow);
    entry.sending = entry.slow = false;
    settle(entry, version, answer, problem);
    notify();
    pump();
  };

  const settle = (entry, version, answer, problem) => {
    const { status, data } = answer;
    if (status >= 200 && status < 300 && data !== null) {
      trouble = null;
      attempt = 0;
      entry.learn?.(data);
      if (entry.version === version) {
        entries.delete(entry.key);
        entry.saved(data);
      }
      return;
    }
    const unknown = status < 300 || status >= 500;
    if (!problem && entry.once && unknown && data?.saved !== false) {
      // Repeating it might undo it.
      entry.refused = "It is not known whether this was saved. Check it before you repeat it.";
      return;
    }
    // 404 with "saved": the course is not served at present.
    const retry = isTemporary(status) || isFromElsewhere(answer) || (status === 404 && data?.saved === false);
    if (problem || retry || status < 300) {
      trouble = problem || away(answer);
      attempt += 1;
      entries.delete(entry.key); // the next attempt is another change's turn
      entries.set(entry.key, entry);
      const delay = trouble.kind === "signed-out" ? 5_000 : 1_000 * 2 ** Math.min(attempt - 1, 5);
      timer ??= setTimeout(hurry, Math.min(delay, LONGEST_DELAY));
      return;
    }
    // The value itself is not accepted. A newer one may be, but not if somebody else changed it.
    if (status === 409 && data?.current) {
      entry.learn?.(data.current);
      entry.current = data.current;
    }
    if (entry.version === version || entry.current) {
      entry.refused = data?.message || `The server refused it with status ${status}.`;
    }
  };

  /* Send what is not being sent: one change while there is trouble, to find out if it is over. */
  const pump = () => {
    if (timer !== null) return;
    const most = trouble ? 1 : 4;
    let active = waiting().filter((entry) => entry.sending).length;
    for (const entry of waiting()) {
      if (active >= most) return;
      if (!entry.sending) {
        active += 1;
        send(entry);
      }
    }
  };

  const hurry = () => {
    clearTimeout(timer);
    timer = null;
    pump();
  };

  /* Keep a change until it is saved. ``saved`` receives the server's response. */
  const put = (change) => {
    const key = `${change.method} ${change.url}`;
    const entry = entries.get(key) || { key, version: 0, sending: false };
    if (entry.once && entry.version && !entry.refused) return; // pressed twice while it waits
    Object.assign(entry, change, { refused: null, current: null, version: entry.version + 1 });
    entries.set(key, entry);
    notify();
    pump();
  };

  const discard = () => {
    for (const entry of refused()) {
      entries.delete(entry.key);
      entry.discarded?.(entry.current);
    }
    notify();
  };

  // What the server may have of each score and comment, so that it notices if somebody else has
  // changed it (gradebook/conflicts.py): the values it last sent, and those sent since.
  const SHARED = ["manual_score", "extra_credit", "manual_comment"];
  const LARGEST = 200_000; // the service accepts a little more
  const known = new WeakMap();
  const watch = (model) => known.set(model, { base: _.pick(model.attributes, SHARED), sent: [] });
  const knowledge = (model) => ({
    know: (body) => {
      const data = JSON.parse(body);
      const { base, sent } = known.get(model);
      const complete = JSON.stringify({ ...data, "classroom-known": { base, sent } });
      const values = _.pick(data, SHARED);
      if (!sent.some((one) => _.isEqual(one, values))) sent.push(values);
      return complete.length > LARGEST ? body : complete;
    },
    learn: (data) => known.set(model, { base: _.pick(data, SHARED), sent: [] }),
  });

  // What nbgrader's models save. A read that fails is repeated: without it, a page saves nothing.
  let unread = 0;
  const original = Backbone.sync;
  const describe = (model, url) => {
    const kind = /\/api\/(\w+)\//.exec(url)?.[1];
    const name = model.get("name") || model.get("id") || "";
    if (kind === "grade") {
      const extra = model.get("extra_credit");
      const score = model.get("manual_score") ?? "none";
      return { label: `Score of ${name}`, text: extra ? `${score} + ${extra}` : `${score}` };
    }
    if (kind === "comment") {
      return { label: `Comment on ${name}`, text: model.get("manual_comment") || "(empty)" };
    }
    const label = kind === "student" ? `Student ${name}` : `Assignment ${name}`;
    const fields = ["first_name", "last_name", "email", "duedate_notimezone", "duedate_timezone"];
    const given = fields.filter((field) => model.get(field)).map((field) => model.get(field));
    return { label, text: given.join(", ") };
  };

  Backbone.sync = (method, model, options) => {
    if (method === "read") return read(model, options);
    if (method !== "update" && method !== "create") return original(method, model, options);
    const url = options.url || _.result(model, "url");
    put({
      method: "PUT",
      url,
      body: JSON.stringify(options.attrs || model.toJSON(options)),
      saved: (data) => options.success?.(data),
      discarded: (current) => {
        if (current) model.set(current);
        model.trigger("discarded", current);
      },
      ...(known.has(model) ? knowledge(model) : {}),
      ...describe(model, url),
    });
    model.trigger("request", model, null, options);
    return undefined;
  };

  const read = (model, options, failures = 0) => {
    const { error, success } = options;
    const settled = (again) => {
      options.error = error;
      options.success = success;
      if (failures && !again) unread -= 1;
      notify();
    };
    options.success = (...response) => {
      settled(false);
      return success?.(...response);
    };
    options.error = async (xhr, ...more) => {
      const refusedRead = xhr.status === 401 || xhr.status === 403;
      if (!refusedRead && !isTemporary(xhr.status)) {
        settled(false);
        return error?.(xhr, ...more);
      }
      if (!failures) unread += 1;
      settled(true);
      const problem = refusedRead ? await renew() : null;
      const delay = refusedRead && !problem ? 0 : 1_000 * 2 ** Math.min(failures, 4);
      setTimeout(() => read(model, options, failures + 1), delay);
      return undefined;
    };
    return original("read", model, options);
  };

  for (const event of ["online", "focus", "pageshow"]) window.addEventListener(event, hurry);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) hurry();
  });

  window.classroomSaving = {
    put,
    watch,
    discard,
    hurry,
    ownPath,
    waiting,
    refused,
    has: (url) => entries.has(`PUT ${url}`),
    keep: (entry) => {
      entries.set(entry.key, entry);
      notify();
    },
    trouble: () => trouble,
    unread: () => unread,
    onChange: (listener) => listeners.push(listener),
  };
})();
