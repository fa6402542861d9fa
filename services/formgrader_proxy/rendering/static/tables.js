/* Draws nbgrader's tables faster. It is loaded after nbgrader's utils.js and DataTables.
 *
 * nbgrader hands a table with all its rows to DataTables, which measures it several times while it
 * changes it, and each time the browser lays out every row. So DataTables works on the table outside
 * the document. The widths of the columns are measured once, when the table is back, and stay as
 * they are while rows are searched, as DataTables itself would leave them.
 */
(() => {
  "use strict";
  const original = window.insertDataTable;
  if (!original || !$.fn.dataTable) return; // a page without a table
  const defaults = $.fn.dataTable.defaults;

  window.insertDataTable = (table) => {
    const element = table.get(0);
    const place = document.createComment("");
    const outside = document.createElement("div");
    const measures = defaults.bAutoWidth;
    element.replaceWith(place);
    outside.append(element);
    defaults.bAutoWidth = false;
    try {
      return original(table);
    } finally {
      defaults.bAutoWidth = measures;
      place.replaceWith(...outside.childNodes);
      keepWidths(table);
    }
  };

  const keepWidths = (table) => {
    const headings = table.find("thead th").toArray();
    const widths = headings.map((heading) => $(heading).width()); // before any of them changes
    headings.forEach((heading, column) => { heading.style.width = `${widths[column]}px`; });
  };
})();
