// What went wrong, in words beside what it is about.

import { make } from "./try-answer.js";

const FIELDS = { photo: "photo", detection_types: "engines", priority: "priority", releases: "engines" };
const byId = (id) => document.getElementById(id);

export function tellProblem(problem, status) {
  const words = String(problem.detail ?? `it was refused (HTTP ${status})`);
  const after = Number.isFinite(problem.retry_after_s)
    ? ` Try again in ${Math.max(1, Math.ceil(problem.retry_after_s))} s.`
    : "";
  const code = String(problem.code ?? "");
  const field = FIELDS[String(problem.field ?? "").split(/[.[]/)[0]];
  const isPhoto = code.startsWith("photo_");
  const id = String(problem.correlation_id ?? "");
  if (field || isPhoto) {
    tellField(field ?? "photo", `${words}.${after}`);
    nameRequest(byId(`${field ?? "photo"}-error`), id);
  } else if (!problem.errors) {
    tell(`${words}.${after} (${code || status})`);
    nameRequest(byId("try-error"), id);
  }
}

// By what it is found in the log and among the requests.
export function nameRequest(place, id) {
  if (!id) return;
  const link = make("a", { href: `/dashboard/traces/${encodeURIComponent(id)}` }, make("code", {}, id));
  place.append(" Correlation id ", link);
}

export function tellField(name, words) {
  const place = byId(`${name}-error`);
  place.textContent = words;
  place.hidden = !words;
  const field = name === "photo" ? byId("photo") : null;
  field?.setAttribute("aria-invalid", String(Boolean(words)));
}

export function tell(words, tone = "bad") {
  const place = byId("try-error");
  place.hidden = !words;
  place.className = `notice notice--${tone}`;
  place.textContent = words;
}
