/* Jobs in nbgrader's pages "Manage Assignments" and "Manage Submissions".
 *
 * Shows the progress of the jobs that run, refreshes the rows of submissions that have been
 * processed, and adds buttons that autograde all submissions of an assignment. The service answers
 * these requests itself; formgraders without it have no such API, and then nothing is shown.
 */
(() => {
  "use strict";

  const POLL_MS = 2000;
  const RETRY_MS = 10_000;

  let api, assignment, panel, notice, list;
  let since = "";
  let shown = new Map(); // what is shown of each job, by id
  const stale = []; // students whose rows have to be fetched again
  let refreshing = false;

  const element = (name, classes = "", text = "") => {
    const made = document.createElement(name);
    if (classes) made.className = classes;
    made.textContent = text;
    return made;
  };

  const request = async (path, method = "GET") => {
    const response = await fetch(api + path, {
      method,
      headers: { "X-CSRFToken": getCookie("_xsrf"), Accept: "application/json" },
    });
    const found = await response.json().catch(() => ({}));
    if (!response.ok) {
      throw Object.assign(new Error(found.message || ""), { status: response.status });
    }
    return found;
  };

  const change = async (button, path) => {
    button.disabled = true;
    notice.hidden = true;
    try {
      await request(path, "POST");
    } catch (error) {
      notice.textContent = error.message || "The service does not respond. Nothing was changed.";
      notice.hidden = false;
    }
    button.disabled = false;
    await refresh().catch(() => {});
  };

  const action = (label, path, classes = "btn btn-default btn-sm") => {
    const button = element("button", classes, label);
    button.type = "button";
    button.addEventListener("click", () => change(button, path));
    return button;
  };

  const minutes = (seconds) => {
    if (seconds === null) return "";
    if (seconds < 90) return `, about ${Math.max(5, Math.round(seconds / 5) * 5)} s left`;
    return `, about ${Math.round(seconds / 60)} min left`;
  };

  const counts = (job) => {
    const parts = [`${job.done} of ${job.total} done`];
    for (const state of ["failed", "cancelled", "interrupted"]) {
      if (job[state]) parts.push(`${job[state]} ${state}`);
    }
    return parts.join(", ");
  };

  const running = (job) => job.state === "queued" || job.state === "running";

  const makeRow = (job, page, mayChange) => {
    const row = element("div", "classroom-job");
    row.bar = element("progress");
    row.bar.setAttribute("aria-label", job.title);
    row.text = element("span");
    const link = element("a", "", job.title);
    link.href = `${page}/${job.id}`;
    row.append(link, row.bar, row.text);
    if (mayChange) {
      row.cancel = action("Cancel", `/${job.id}/cancel`, "btn btn-default btn-xs");
      row.cancel.setAttribute("aria-label", `Cancel: ${job.title}`);
      row.append(row.cancel);
    }
    return row;
  };

  const updateRow = (row, job) => {
    row.bar.max = job.total;
    row.bar.value = job.ended;
    const current = job.current.filter(Boolean).join(", ");
    const now = running(job) && current ? `, now: ${current}` : "";
    row.text.textContent = running(job)
      ? `${job.cancelled_by ? "ending" : job.state}: ${counts(job)}${now}${minutes(job.seconds_left)}`
      : job.state === "done" ? counts(job) : `${job.state}: ${counts(job)}`;
    row.classList.toggle("ended", !running(job));
    if (row.cancel) row.cancel.hidden = !running(job) || job.cancelled_by !== null;
  };

  const show = (found) => {
    const next = new Map();
    for (const job of found.jobs) {
      const known = shown.get(job.id);
      if (assignment !== undefined && job.assignment !== assignment) continue;
      if (!running(job) && !known) continue;
      const row = known ?? makeRow(job, found.page, found.may_change);
      updateRow(row, job);
      next.set(job.id, row);
      if (assignment !== undefined && since) stale.push(...job.changed);
    }
    for (const [id, row] of shown) if (!next.has(id)) row.remove();
    for (const row of next.values()) if (!row.isConnected) list.append(row);
    shown = next;
    panel.hidden = !found.may_change && shown.size === 0 && notice.hidden;
    for (const button of panel.querySelectorAll(".classroom-start")) {
      button.hidden = !found.may_change;
    }
  };

  /* One after the other, so that the pages of other graders do not have to wait. */
  const refreshRows = async () => {
    if (refreshing) return;
    refreshing = true;
    while (stale.length) {
      const model = typeof models === "undefined" ? undefined : models?.get(stale.shift());
      if (model) await new Promise((done) => model.fetch({ success: done, error: done }));
    }
    refreshing = false;
  };

  const refresh = async () => {
    const found = await request(since ? `?since=${since}` : "");
    if (found.unchanged) return;
    show(found);
    since = found.version;
    refreshRows();
  };

  const poll = async () => {
    let pause = POLL_MS;
    if (!document.hidden) {
      try {
        await refresh();
      } catch (error) {
        if (error.status === 404) return; // this service has no jobs
        pause = RETRY_MS;
      }
    }
    setTimeout(poll, pause);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const root = `${base_url}/formgrader/`;
    if (!location.pathname.startsWith(root)) return; // base_url differs on a submission's page
    const page = location.pathname.slice(root.length).split("/")[0];
    if (page !== "manage_submissions" && page !== "manage_assignments" && page !== "") return;
    api = `${root}api/classroom-jobs`;
    panel = element("section");
    panel.id = "classroom-jobs";
    panel.setAttribute("aria-label", "Jobs");
    panel.hidden = true;
    notice = element("p", "alert alert-danger");
    notice.setAttribute("role", "alert");
    notice.hidden = true;
    list = element("div");
    if (page === "manage_submissions") {
      assignment = assignment_id;
      const name = `/${encodeURIComponent(assignment)}/autograde`;
      const buttons = element("p");
      buttons.append(
        action("Autograde all", `${name}/all`, "btn btn-primary btn-sm classroom-start"),
        " ",
        action("Autograde what needs it", `${name}/needed`, "btn btn-default btn-sm classroom-start"),
      );
      panel.append(buttons);
    }
    panel.append(notice, list);
    document.querySelector("table").before(panel);
    poll();
  });
})();
