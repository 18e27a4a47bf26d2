// The waterfall of the answer that is on the page: made by the server from the trace, which may end
// a moment after the answer.

const TRIES = 6;
const EVERY_MS = 400;
const place = document.getElementById("waterfall");

let shown = ""; // of the answer that is on the page

export function forgetTrace() {
  shown = "";
  place.replaceChildren();
}

export async function showTrace(id) {
  shown = id;
  for (let tries = 0; tries < TRIES && shown === id; tries += 1) {
    const response = await fetch(`/dashboard/traces/${encodeURIComponent(id)}/waterfall`).catch(() => null);
    const html = response?.ok ? await response.text().catch(() => "") : "";
    if (shown !== id) return; // another photo was chosen meanwhile
    if (html) htmx.swap(place, html, { swapStyle: "innerHTML" });
    window.tidegate.showAges(place);
    if (place.querySelector("[data-complete=true]")) return;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
