// "Was that right?", by engine: what is said is held for the accuracy of the release that answered.
// What was said last is what counts, so a verdict may be changed.

import { make } from "./try-answer.js";

const FEEDBACK = "/api/v1/feedback";

// answer: finished, at least in part. place: where it is offered; empty where no engine answered.
// verdicts: a Map of what was said before, by engine; what is said is put there, and onGiven is told.
export function offerFeedback(answer, place, verdicts, onGiven) {
  const engines = Object.keys(answer.results ?? {});
  if (!engines.length) {
    place.replaceChildren();
    return;
  }
  place.replaceChildren(
    make("h3", {}, "Was that right?"),
    make("div", { class: "rows" }, ...engines.map((engine) => rowOf({ answer, engine, verdicts, onGiven }))),
    make("p", { class: "quiet small" }, "It counts for the accuracy of the release that answered."),
  );
}

function rowOf({ answer, engine, verdicts, onGiven }) {
  const said = make("span", { class: "small", role: "status" });
  const row = make("div", { class: "verdict", "data-verdict": engine }, make("b", {}, engine));
  const buttons = [
    ["Right", true],
    ["Wrong", false],
  ].map(([word, isRight]) => {
    const button = make(
      "button",
      { type: "button", class: "button", "aria-pressed": "false", "aria-label": `${word}: ${engine}` },
      word,
    );
    button.addEventListener("click", async () => {
      const verdict = await give({ answer, engine, isRight, said, buttons });
      if (verdict) {
        verdicts.set(engine, verdict);
        showVerdict(verdict, buttons, said);
        onGiven();
      }
      button.focus();
    });
    return button;
  });
  if (verdicts.has(engine)) showVerdict(verdicts.get(engine), buttons, said);
  row.append(...buttons, said);
  return row;
}

function showVerdict({ isRight, release }, [right, wrong], said) {
  right.setAttribute("aria-pressed", String(isRight));
  wrong.setAttribute("aria-pressed", String(!isRight));
  said.textContent = `Noted for ${release}: ${isRight ? "right" : "wrong"}.`;
}

// What was noted, or null.
async function give({ answer, engine, isRight, said, buttons }) {
  let verdict = null;
  for (const one of buttons) one.disabled = true;
  said.textContent = "";
  try {
    const response = await fetch(FEEDBACK, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        request_id: answer.request_id,
        truth: { [engine]: { is_right: isRight } },
        who: window.tidegate?.remembered.get("who") || "dashboard",
      }),
    });
    const taken = await response.json();
    if (response.ok) verdict = { isRight, release: taken.engines?.[engine]?.release ?? "the release" };
    else said.textContent = `Not noted: ${taken.detail ?? response.status}.`;
  } catch {
    said.textContent = "Not noted: no answer came from the control plane.";
  }
  for (const one of buttons) one.disabled = false;
  return verdict;
}
