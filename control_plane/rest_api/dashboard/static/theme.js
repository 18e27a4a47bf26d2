// The colours that were chosen, before anything is painted in others.
(() => {
  "use strict";
  let chosen = null;
  try {
    chosen = localStorage.getItem("tidegate-theme");
  } catch {
    // Storage is forbidden: as the system has it.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
