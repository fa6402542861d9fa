/* Says on every page of nbgrader what is not saved, and what to do about it. */
(() => {
  "use strict";
  const saving = window.classroomSaving;
  if (!saving) return;

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  const alert = make("div");
  alert.setAttribute("role", "alert");
  const status = make("div");
  status.setAttribute("role", "status");
  const signIn = make("a", { textContent: "Sign in again", target: "_blank", className: "btn btn-primary" });
  const retry = make("button", { type: "button", textContent: "Try again now", className: "btn btn-default" });
  const discard = make("button", { type: "button", textContent: "Discard", className: "btn btn-default" });
  const list = make("ul");
  const details = make("details", {}, make("summary", { textContent: "What is not saved" }), list);
  const actions = make("p", {}, signIn, " ", retry, " ", discard);
  const notice = make("section", { id: "classroom-saving", hidden: true }, alert, status, actions, details);
  notice.setAttribute("aria-label", "Saving");

  retry.addEventListener("click", () => saving.hurry());
  discard.addEventListener("click", () => saving.discard());

  const count = (number) => (number === 1 ? "1 change is" : `${number} changes are`);
  let stays = false;

  /* The sentences of the alert, which is only announced when it changes. */
  const sentences = () => {
    const trouble = saving.trouble();
    const waiting = saving.waiting();
    const refused = saving.refused();
    const said = [];
    if (waiting.length && trouble) {
      said.push(`${count(waiting.length)} not saved.`, trouble.text);
      if (trouble.kind === "signed-out") {
        said.push("Sign in again in a new tab; this page then saves automatically.");
      } else if (trouble.kind === "user") {
        said.push("Sign in as the user of this page, or copy what is not saved.");
      } else if (trouble.kind === "forbidden" || trouble.kind === "reload") {
        said.push("Copy what is not saved before you leave this page.");
      } else {
        said.push("Saving is tried again automatically. Keep this page open.");
      }
    }
    for (const entry of refused) said.push(`Not saved: ${entry.label}. ${entry.refused}`);
    if (saving.unread()) {
      said.push("This page is not loaded completely, so nothing is saved yet. Loading is tried again.");
    }
    if (stays && said.length) said.push("You stay on this page until everything is saved.");
    return said;
  };

  let hadTrouble = false;
  const show = () => {
    const said = sentences();
    const waiting = saving.waiting();
    const trouble = waiting.length ? saving.trouble() : null;
    const text = said.join(" ");
    if (alert.textContent !== text) alert.textContent = text;
    let progress = "";
    if (!said.length && waiting.some((entry) => entry.slow)) {
      progress = "Saving takes longer than usual. Keep this page open.";
    } else if (!said.length && hadTrouble && !waiting.length) {
      progress = "Everything is saved.";
    }
    if (status.textContent !== progress) status.textContent = progress;
    if (said.length) hadTrouble = true;
    else if (!waiting.length && !progress) hadTrouble = false;
    else if (progress === "Everything is saved.") {
      setTimeout(() => {
        hadTrouble = false;
        show();
      }, 4_000);
    }
    if (!said.length) stays = false;
    signIn.hidden = !["signed-out", "user"].includes(trouble?.kind);
    if (saving.ownPath()) signIn.href = `${saving.ownPath()}signed-in`;
    retry.hidden = !trouble;
    discard.hidden = !saving.refused().length;
    const unsaved = [...waiting, ...saving.refused()];
    details.hidden = !said.length || !unsaved.length;
    list.replaceChildren(
      ...unsaved.map((entry) => make("li", {}, `${entry.label}: `, make("pre", { textContent: entry.text }))),
    );
    notice.hidden = !text && !progress;
    notice.classList.toggle("classroom-saving-bad", said.length > 0);
    for (const button of said.length ? document.querySelectorAll(".modal .save") : []) {
      if (button.textContent === "Saving...") button.textContent = "Save";
    }
  };

  saving.announceStay = () => {
    stays = true;
    show();
  };
  saving.onChange(show);
  document.addEventListener("DOMContentLoaded", () => document.body.append(notice));
})();
