/* What is typed and not saved survives a reload or a crash of the browser.
 *
 * It is kept in the browser's storage, which every page of the same origin can read and write, and
 * other users of the computer, too. So it is encrypted and authenticated with the key of the user's
 * pages (AES-GCM, in browsers only on https and on the local machine): only a page of the same user
 * and course can read it, and no other page can plant a score.
 */
(() => {
  "use strict";
  const saving = window.classroomSaving;
  if (!saving || !window.crypto?.subtle) return;

  const PREFIX = "classroom-draft ";
  const MOST = 100;
  const LARGEST = 64 * 1024;
  const OLDEST = 30 * 24 * 3600 * 1000;
  const PAUSE = 300;
  const OTHER_TAB = 2_000; // a page that is being closed may still have its lock

  const bytes = (text) => new TextEncoder().encode(text);
  const loaded = new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
  const keys = loaded.then(async () => {
    const content = document.querySelector('meta[name="formgrader-page"]')?.content;
    if (!content) return null;
    const digest = await crypto.subtle.digest("SHA-256", bytes(`drafts ${content}`));
    const name = await crypto.subtle.digest("SHA-256", bytes(`name ${content}`));
    const key = await crypto.subtle.importKey("raw", digest, "AES-GCM", false, ["encrypt", "decrypt"]);
    const id = [...new Uint8Array(name)].slice(0, 8).map((byte) => byte.toString(16)).join("");
    return { key, id };
  });

  const stored = () => Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  const age = (name) => Date.now() - Number.parseInt(localStorage.getItem(name), 10);

  /* Remove what is old or too much. Those of other users stay: they may return to save them. */
  const tidy = () => {
    const names = stored().sort((one, other) => age(one) - age(other));
    names.forEach((name, index) => {
      if (index >= MOST || !(age(name) < OLDEST)) localStorage.removeItem(name);
    });
  };
  keys.then((found) => found && tidy());

  const nameOf = (id, view) => `${PREFIX}${id} ${view.model.url()}`;
  const timers = new WeakMap();
  const kept = new WeakSet();

  const keep = async (view) => {
    const found = await keys;
    if (!found || !kept.has(view)) return;
    const values = view.classroom.fields.map((field) => field.value);
    const base = view.classroom.fields.map((field) => view.classroom.confirmed.get(field));
    const name = nameOf(found.id, view);
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const text = bytes(JSON.stringify({ values, base }));
    if (text.length > LARGEST) return;
    const options = { name: "AES-GCM", iv, additionalData: bytes(name) };
    const sealed = new Uint8Array(await crypto.subtle.encrypt(options, found.key, text));
    if (!kept.has(view)) return; // saved in the meantime
    const encoded = btoa(String.fromCharCode(...iv, ...sealed));
    try {
      tidy();
      localStorage.setItem(name, `${Date.now()} ${encoded}`);
    } catch {
      // The storage is full or switched off; the page itself still keeps the text.
    }
  };

  /* While a page has a draft, it holds a lock, which ends with the page, also in a crash. */
  const releases = new WeakMap();
  const hold = async (view) => {
    if (!navigator.locks || releases.has(view)) return;
    releases.set(view, () => {});
    const found = await keys;
    if (!found) return;
    navigator.locks.request(nameOf(found.id, view), () => {
      if (!kept.has(view)) return undefined; // saved in the meantime
      return new Promise((release) => releases.set(view, release));
    });
  };

  const note = (view) => {
    if (!view) return;
    kept.add(view);
    hold(view);
    clearTimeout(timers.get(view));
    timers.set(view, setTimeout(() => keep(view), PAUSE));
  };

  const forget = async (view) => {
    kept.delete(view);
    releases.get(view)?.();
    releases.delete(view);
    clearTimeout(timers.get(view));
    const found = await keys;
    if (found && !kept.has(view)) localStorage.removeItem(nameOf(found.id, view));
  };

  const open = async (view) => {
    const found = await keys;
    const name = found && nameOf(found.id, view);
    const value = name && localStorage.getItem(name);
    if (!value) return null;
    try {
      const raw = Uint8Array.from(atob(value.split(" ")[1]), (character) => character.charCodeAt(0));
      const options = { name: "AES-GCM", iv: raw.slice(0, 12), additionalData: bytes(name) };
      const text = await crypto.subtle.decrypt(options, found.key, raw.slice(12));
      return JSON.parse(new TextDecoder().decode(text));
    } catch {
      localStorage.removeItem(name); // not written by a page of this user
      return null;
    }
  };

  /* Restore a draft, unless the page in which it is typed is still open in another tab. */
  const restore = async (view) => {
    const found = await keys;
    if (!found || !localStorage.getItem(nameOf(found.id, view))) return;
    if (!navigator.locks) return restoreNow(view);
    const options = { signal: AbortSignal.timeout(OTHER_TAB) };
    try {
      await navigator.locks.request(nameOf(found.id, view), options, () => restoreNow(view));
    } catch (error) {
      if (error.name !== "TimeoutError" && error.name !== "AbortError") throw error;
    }
  };

  /* Write what was not saved into the fields again, and save it. */
  const restoreNow = async (view) => {
    const draft = await open(view);
    if (!draft || kept.has(view)) return;
    const { fields, confirmed } = view.classroom;
    const changed = fields.filter((field, index) => draft.values[index] !== draft.base[index]);
    if (!changed.length || fields.every((field, index) => field.value === draft.values[index])) {
      forget(view);
      return;
    }
    if (fields.every((field, index) => confirmed.get(field) === draft.base[index])) {
      fields.forEach((field, index) => {
        saving.fields.typed.add(field);
        saving.fields.write(field, draft.values[index]);
      });
      view.save();
      return;
    }
    saving.keep({
      key: `draft ${view.model.url()}`,
      label: `What you typed earlier for ${view.model.get("name")}`,
      text: draft.values.join(" + "),
      refused: "It was changed since, so your text was not written over it.",
      discarded: () => forget(view),
    });
  };

  saving.drafts = { note, forget, restore };
})();
