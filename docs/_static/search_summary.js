// An entry of the index leads to an empty element, of which the search of Sphinx makes
// no summary and then fails to add it. Nothing is added in its place.
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  const summary = Search.makeSearchSummary;
  Search.makeSearchSummary = (...found) =>
    summary(...found) ?? document.createDocumentFragment();
});
