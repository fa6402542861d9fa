/* The scores and comments of a submission: what is typed stays until it is saved.
 *
 * nbgrader's views show the model's values whenever it changes, also while something newer is typed,
 * and its shortcuts leave the page when any one field was saved.
 */
(() => {
  "use strict";
  const saving = window.classroomSaving;
  if (!saving) return;

  const FIELDS = "input.score, input.extra-credit, textarea.comment";
  const typed = new WeakSet(); // by the user, since it was saved
  const shown = new WeakMap(); // what nbgrader has written into a field
  const views = new WeakMap();

  const isDirty = (field) => typed.has(field) && field.value !== (shown.get(field) ?? field.defaultValue);
  const dirty = () => [...document.querySelectorAll(FIELDS)].filter(isDirty);
  const isUnsaved = () => saving.waiting().length > 0 || saving.refused().length > 0 || dirty().length > 0;

  const write = (field, value) => {
    field.value = value;
    if (field.matches("textarea")) window.autosize?.update(field);
  };

  document.addEventListener(
    "input",
    ({ target }) => {
      if (!target.matches?.(FIELDS)) return;
      typed.add(target);
      saving.drafts?.note(views.get(target));
      showState(views.get(target));
    },
    true,
  );

  /* "Saving", "Saved" or "Not saved" beside the fields. */
  const showState = (view) => {
    if (!view) return;
    const { state, fields } = view.classroom;
    const entries = [...saving.waiting(), ...saving.refused()];
    const entry = entries.find((one) => one.url === view.model.url());
    let text = "";
    if (entry) text = saving.trouble() || entry.refused ? "Not saved" : "Saving…";
    else if (fields.some(isDirty)) text = "Not saved yet";
    else if (view.classroom.saved) text = "Saved";
    if (state.textContent !== text) state.textContent = text;
    state.classList.toggle("classroom-state-bad", text === "Not saved");
  };

  const all = [];
  saving.onChange(() => all.forEach(showState));

  const improve = (View, selector, glyph) => {
    const { initialize, render, save } = View.prototype;
    Object.assign(View.prototype, {
      initialize(...options) {
        const fields = [...this.el.querySelectorAll(selector)];
        const state = document.createElement("span");
        state.className = "classroom-state";
        this.el.querySelector(glyph)?.after(state);
        this.classroom = { fields, state, saved: false, confirmed: new Map() };
        for (const field of fields) views.set(field, this);
        saving.watch(this.model);
        all.push(this);
        this.listenTo(this.model, "request", () => {
          this.classroom.saved = false;
          saving.drafts?.note(this);
          showState(this);
        });
        this.listenTo(this.model, "sync", () => {
          this.classroom.saved = true;
          confirm(this);
          if (!fields.some(isDirty)) saving.drafts?.forget(this);
          showState(this);
        });
        this.listenTo(this.model, "discarded", (current) => {
          if (current) confirm(this);
          saving.drafts?.forget(this);
        });
        initialize.apply(this, options);
        confirm(this);
        if (fields.some(isDirty)) this.save(); // typed before the scores were loaded
        saving.drafts?.restore(this);
      },
      render(...options) {
        const kept = this.classroom.fields.filter(isDirty).map((field) => [field, field.value]);
        const result = render.apply(this, options);
        for (const field of this.classroom.fields) shown.set(field, field.value);
        for (const [field, value] of kept) write(field, value);
        return result;
      },
    });
    for (const name of ["save", "assignFullCredit", "assignNoCredit"]) {
      const before = name === "save" ? save : View.prototype[name];
      if (!before) continue;
      View.prototype[name] = function (...options) {
        for (const field of this.classroom.fields) typed.delete(field); // its value is saved now
        return before.apply(this, options);
      };
    }
    // nbgrader's event bindings name the methods, so they find these.
  };

  /* What the server has, for drafts: they are only restored if it is still the same. */
  const confirm = (view) => {
    for (const field of view.classroom.fields) view.classroom.confirmed.set(field, shown.get(field));
  };

  if (window.GradeUI) improve(GradeUI, ".score, .extra-credit", ".score-saved");
  if (window.CommentUI) improve(CommentUI, ".comment", ".comment-saved");

  const flush = () => dirty().forEach((field) => jQuery(field).trigger("change"));

  // Leaving the page: when everything is saved, or not at all.
  let leave = null;
  const whenSaved = (go) => {
    flush();
    leave = go;
    proceed();
  };
  const proceed = () => {
    if (!leave) return;
    if (!isUnsaved()) {
      const go = leave;
      leave = null;
      go();
    } else if (saving.refused().length || (saving.trouble() && saving.waiting().length)) {
      leave = null;
      saving.announceStay();
    }
  };
  saving.onChange(proceed);

  if (window.FormGrader) {
    FormGrader.prototype.save = (callback) => {
      const { activeElement } = document;
      if (activeElement?.matches("input, textarea")) activeElement.blur();
      whenSaved(callback ?? (() => {}));
    };
    FormGrader.prototype.flag = function () {
      const show = (data) => {
        const message = jQuery("#statusmessage");
        message.text(data?.flagged ? "Submission flagged" : "Submission unflagged");
        message.css({ color: data?.flagged ? "rgba(255, 0, 0, 0.6)" : "rgba(0, 100, 0, 0.6)" });
        message.show();
        setTimeout(() => message.fadeOut(500), 500);
      };
      saving.put({
        method: "POST",
        url: `${base_url}/api/submitted_notebook/${submission_id}/flag`,
        once: true,
        label: "The flag of this submission",
        text: "flag or unflag",
        saved: show,
      });
    };
  }

  document.addEventListener(
    "click",
    (event) => {
      const link = event.target.closest?.("a[href]");
      if (!link || link.target || event.defaultPrevented || event.button !== 0) return;
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      if (link.getAttribute("href").startsWith("#") || !isUnsaved()) return;
      event.preventDefault();
      event.stopPropagation();
      whenSaved(() => window.location.assign(link.href));
    },
    true,
  );

  window.addEventListener("beforeunload", (event) => {
    flush();
    if (isUnsaved()) {
      event.preventDefault();
      event.returnValue = true;
    }
  });

  saving.fields = { typed, isDirty, write, showState };
})();
