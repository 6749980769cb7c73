// Wears the shade that was chosen, before anything is painted. It runs in the head and is therefore no module.
"use strict";

(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("dragoman.theme");
  } catch {
    // A browser that forbids storage wears the system's shade.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
