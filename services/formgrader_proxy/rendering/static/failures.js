/* Says that data of a page could not be loaded, and why. nbgrader's pages say "Loading" for ever. */
(() => {
  "use strict";

  let leaving = false;
  window.addEventListener("beforeunload", () => {
    leaving = true;
  });

  const messageOf = (request) => {
    try {
      const { message } = JSON.parse(request.responseText);
      if (typeof message === "string" && message) return message;
    } catch {
      // a page, or nothing
    }
    if (request.status === 401) return "You are signed out. Retry signs you in again.";
    if (request.status === 0) return "The server cannot be reached. Check your connection.";
    return `The server answered with status ${request.status}.`;
  };

  const show = (message) => {
    let notice = document.getElementById("load-failure");
    if (!notice) {
      notice = document.createElement("div");
      notice.id = "load-failure";
      notice.className = "alert alert-danger";
      notice.setAttribute("role", "alert");
      const table = document.querySelector("table");
      if (table) table.before(notice);
      else document.body.prepend(notice);
    }
    const retry = document.createElement("button");
    retry.type = "button";
    retry.className = "btn btn-default";
    retry.textContent = "Retry";
    retry.addEventListener("click", () => window.location.reload());
    notice.replaceChildren(`The list could not be loaded: ${message} `, retry);
    for (const cell of document.querySelectorAll("td"))
      if (cell.textContent.trim() === "Loading, please wait...") cell.textContent = "Not loaded.";
  };

  jQuery(document).ajaxError((_event, request, settings) => {
    const reads = (settings.type || "GET").toUpperCase() === "GET";
    if (reads && !leaving && /\/formgrader\/api\//.test(settings.url)) show(messageOf(request));
  });
})();
