/* Checks the names in nbgrader's dialogs for new assignments and students before they are sent.
 *
 * nbgrader's own dialogs close without a message if a name is refused. The rules are those of
 * new_names.py, which the page contains.
 */
(() => {
  "use strict";

  const dialogs = [
    ["#add-assignment-modal", "input.name", "assignment"],
    ["#add-student-modal", "input.id", "student"],
  ];
  const rules = () =>
    JSON.parse(document.querySelector("meta[name='classroom-names']").content);

  const fault = (name, { pattern, bytes, rule }) => {
    const possible =
      new RegExp(pattern, "u").test(name) && new TextEncoder().encode(name).length <= bytes;
    return possible ? "" : `“${name}” cannot be used. ${rule}`;
  };

  const show = (dialog, input, text) => {
    let notice = dialog.querySelector("#name-error");
    if (!notice) {
      notice = document.createElement("p");
      notice.id = "name-error";
      notice.className = "alert alert-danger";
      notice.setAttribute("role", "alert");
      dialog.querySelector(".modal-body").prepend(notice);
      input.setAttribute("aria-describedby", notice.id);
    }
    notice.textContent = text;
    notice.hidden = !text;
    input.setAttribute("aria-invalid", text ? "true" : "false");
    if (text) input.focus();
  };

  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest(".modal button.save");
      const found = button && dialogs.find(([id]) => button.closest(id));
      if (!found) return;
      const dialog = button.closest(found[0]);
      const input = dialog.querySelector(found[1]);
      const text = input.value ? fault(input.value, rules()[found[2]]) : "";
      show(dialog, input, text);
      if (text) {
        event.preventDefault();
        event.stopImmediatePropagation(); // before nbgrader closes the dialog
      }
    },
    true,
  );
})();
