/* What nbgrader's pages need under a Content-Security-Policy without inline scripts.
 *
 * It is loaded after jQuery and before anything is shown.
 */
(() => {
  "use strict";

  // The templates' onclick attributes; see template_source.py.
  const actions = {
    "toggle-all-names": () => toggleAllNames(),
    "create-assignment": () => createAssignmentModal(),
    "create-student": () => createStudentModal(),
    "show-name": () => toggle_name(true),
    "hide-name": () => toggle_name(false),
  };
  document.addEventListener("click", (event) => {
    const element = event.target.closest("[data-formgrader-action]");
    const action = element && actions[element.dataset.formgraderAction];
    if (action) {
      if (element.matches("a[href='#']")) event.preventDefault();
      action();
    }
  });

  // nbgrader's scripts pass messages with names of students, assignments and notebooks to jQuery,
  // which parses text with a "<" as HTML. HTML that no script here or in a library writes is shown
  // as text.
  const elements = new Set(
    ("A B BUTTON DIV H3 H4 I INPUT LABEL LI OPTION P PRE SELECT SPAN TABLE TBODY TD TFOOT TH THEAD TR UL")
      .split(" "),
  );
  const attributes = /^(aria-[a-z]+|class|colspan|data-dismiss|for|id|placeholder|role|style|tabindex|type|value)$/;
  const event = /[\s/"']on[a-z]+\s*=/i;
  const expected = (html) => {
    if (event.test(html)) return false; // parsing it, although inert, violates the policy
    const template = document.createElement("template");
    template.innerHTML = html; // inert: nothing is loaded or run
    return Array.from(template.content.querySelectorAll("*")).every(
      (element) =>
        elements.has(element.tagName) &&
        Array.from(element.attributes).every(({ name }) => attributes.test(name)),
    );
  };
  const escaped = (text) =>
    text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  const original = jQuery.htmlPrefilter;
  jQuery.htmlPrefilter = (html) => original.call(jQuery, expected(html) ? html : escaped(html));

  document.addEventListener("DOMContentLoaded", () => {
    for (const picture of document.querySelectorAll("#notebook img:not([alt])")) {
      picture.alt = "No description has been provided for this image";
    }

    // From Manage Students to the statistics; see statistics_link.py.
    const statistics = document.querySelector('meta[name="formgrader-statistics"]');
    const table = document.querySelector("table.table");
    if (statistics && table) {
      const link = document.createElement("a");
      link.href = statistics.content;
      link.textContent = "When these students were last seen: statistics of the course";
      const paragraph = document.createElement("p");
      paragraph.id = "course-statistics";
      paragraph.append(link);
      table.before(paragraph);
    }
  });
})();
