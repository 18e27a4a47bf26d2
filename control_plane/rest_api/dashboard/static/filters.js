// A form of filters leaves out of the address what nobody chose.
(() => {
  "use strict";

  const empty = (form) => [...form.elements].filter((field) => field.name && !field.value);

  document.addEventListener("submit", (event) => {
    if (event.target.matches(".filters")) for (const field of empty(event.target)) field.disabled = true;
  });
  // Whoever comes back to the page finds it as it was, and everything to be chosen again.
  window.addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll(".filters [disabled]")) field.disabled = false;
  });
})();
