// Starts Swagger UI over the document beside it. Nothing is asked of any other server, and a key that is typed
// in stays in this tab.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** Wear the shade the reader's system wears. */
function shade() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

dark.addEventListener("change", shade);
shade();

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  requestSnippetsEnabled: true,
  validatorUrl: null,
  withCredentials: false,
});
