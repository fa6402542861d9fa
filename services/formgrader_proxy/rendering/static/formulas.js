/* Typesets the formulas of a submission with MathJax 3, which is served beside this script.
 *
 * nbgrader's formgrade.js is written for MathJax 2. It calls MathJax.Hub to learn when the formulas
 * are done, so an object of that name reports it. Formulas are written by students: the Safe
 * extension removes scripts from their links, and ids, classes and styles that reach outside them.
 */
(() => {
  "use strict";
  const nonce = document.currentScript.nonce;
  const here = new URL("mathjax/", document.currentScript.src).href;
  let report;
  const finished = new Promise((resolve) => { report = resolve; });
  const hub = { Startup: { signal: { Interest: (callback) => finished.then(() => callback("End")) } } };

  const load = (address) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.nonce = nonce; // only scripts with it run
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${address} cannot be loaded`));
      document.head.append(script);
    });

  window.MathJax = {
    Hub: hub,
    loader: { load: ["ui/safe"], paths: { mathjax: here.slice(0, -1) }, require: load },
    tex: {
      inlineMath: [["$", "$"], ["\\(", "\\)"]],
      displayMath: [["$$", "$$"], ["\\[", "\\]"]],
      processEscapes: true,
      processEnvironments: true,
      tags: "ams",
      packages: { "[-]": ["require", "autoload"] }, // everything is in one file
      macros: { require: ["", 1] },
    },
    chtml: { fontURL: `${here}fonts` },
    options: {
      enableMenu: false,
      safeOptions: {
        safeProtocols: { http: true, https: true, file: false, javascript: false, data: false },
      },
    },
    startup: {
      elements: [".panel-body > #notebook"], // nbconvert's page inside has the same ids
      pageReady: () => MathJax.startup.defaultPageReady().finally(report),
    },
  };
  load(`${here}tex-chtml-full.js`).then(
    () => { MathJax.Hub = hub; },
    (error) => { console.error(error); report(); },
  );
})();
