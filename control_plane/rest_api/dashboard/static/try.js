// The page for trying a photo: it is chosen, dropped or pasted, sent to the same address as any
// caller's, and the answer is drawn. The photo never leaves this browser but for that request, and is
// shown from where it lies (an object URL): 20 MB are not copied into a text.

import { clear, millis, redraw, show, viewNow } from "./try-answer.js";
import { offerFeedback } from "./try-feedback.js";
import { forgetOld, forgetPhoto, keepOutcome, keepPhoto, keptOf } from "./try-kept.js";
import { nameRequest, tell, tellField, tellProblem } from "./try-told.js";
import { forgetTrace, showTrace } from "./try-trace.js";
import { uprightOf } from "./try-upright.js";

const DETECT = "/api/v1/orchestrator/detect";

const byId = (id) => document.getElementById(id);
const form = byId("try");
const input = byId("photo");
const drop = byId("drop");
const picture = byId("picture");
const nothingYet = byId("shot-word").textContent;

const mostBytes = () => Number(form.dataset.maxBytes);

let file = null;
let objectUrl = "";
let request = null;
let ticking = 0;

// --- Choosing.

function choose(files) {
  tellField("photo", "");
  const [first, ...others] = files;
  if (!first) {
    tellField("photo", "That was no file; drop a JPEG, a PNG or a WebP.");
    return;
  }
  stop();
  tell("");
  take(first);
  forgetPhoto(photoId());
  hold({ photo: { id: newId(), name: file.name }, ...unasked() });
  if (file.size <= mostBytes()) keepPhoto(photoId(), file);
  if (others.length) tellField("photo", `One photo at a time: ${file.name} was taken.`);
}

// It is shown in place of the one before.
function take(chosen) {
  file = chosen;
  clear();
  forgetTrace();
  preview(file);
  byId("chosen").textContent = `${file.name}, ${bytes(file.size)}`;
  byId("send").disabled = false;
  byId("forget").hidden = false;
}

async function preview(chosen) {
  const shown = await uprightOf(chosen);
  if (chosen !== file) return; // another one was chosen meanwhile
  if (objectUrl) URL.revokeObjectURL(objectUrl);
  objectUrl = URL.createObjectURL(shown);
  byId("shot").hidden = false;
  byId("shot-none").hidden = true;
  picture.alt = `The photo ${chosen.name}`;
  picture.src = objectUrl;
}

byId("forget").addEventListener("click", () => {
  stop();
  forgetPhoto(photoId());
  history.replaceState(null, "", location.href);
  file = null;
  input.value = ""; // else the same photo could not be chosen again
  clear();
  forgetTrace();
  tellField("photo", "");
  tell("");
  byId("chosen").textContent = "";
  byId("send").disabled = true;
  byId("shot").hidden = true;
  byId("shot-word").textContent = nothingYet;
  byId("shot-none").hidden = false;
  picture.removeAttribute("src");
  URL.revokeObjectURL(objectUrl);
  objectUrl = "";
  input.focus(); // before the button that has it is gone
  byId("forget").hidden = true;
});

function bytes(size) {
  return size >= 1e6 ? `${(size / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(size / 1e3))} kB`;
}

picture.addEventListener("load", () => {
  byId("shot-none").hidden = true;
  redraw();
});
picture.addEventListener("error", () => {
  byId("shot").hidden = true;
  byId("shot-word").textContent = "The browser cannot show this file; the engines may still read it.";
  byId("shot-none").hidden = false;
});
new ResizeObserver(redraw).observe(picture);

input.addEventListener("change", () => {
  if (input.files.length) choose(input.files);
});

for (const event of ["dragenter", "dragover"]) {
  window.addEventListener(event, (dragged) => {
    dragged.preventDefault(); // else the browser leaves the page for the photo
    drop.classList.add("is-over");
  });
}
window.addEventListener("dragleave", (dragged) => {
  if (!dragged.relatedTarget) drop.classList.remove("is-over");
});
window.addEventListener("drop", (dropped) => {
  dropped.preventDefault();
  drop.classList.remove("is-over");
  choose(dropped.dataTransfer?.files ?? []);
});
document.addEventListener("paste", (pasted) => {
  const files = pasted.clipboardData?.files ?? [];
  if (files.length) choose(files);
});

// --- What is asked is in the address, so that a reload keeps it.

function chosenEngines() {
  return [...form.querySelectorAll("input[name=engine]:checked")].map((box) => box.value);
}

function chosenReleases() {
  return [...form.querySelectorAll("select[data-engine]")]
    .filter((select) => select.value)
    .map((select) => [select.dataset.engine, select.value]);
}

function remember() {
  const all = form.querySelectorAll("input[name=engine]").length;
  const engines = chosenEngines();
  const wanted = new URLSearchParams();
  if (engines.length && engines.length < all) wanted.set("engines", engines.join(","));
  const releases = chosenReleases().map((pair) => pair.join("="));
  if (releases.length) wanted.set("releases", releases.join(","));
  const priority = form.elements.priority.value;
  if (priority !== "normal") wanted.set("priority", priority);
  if (!form.elements.fresh.checked) wanted.set("cached", "yes");
  const query = wanted.toString();
  history.replaceState(history.state, "", query ? `?${query}` : location.pathname);
}

form.addEventListener("change", (event) => {
  if (event.target !== input) remember();
});

// --- What a reload shows again: small things lie in this entry of the tab's history, the photo and
// the answer in the browser's storage under the id that is there.

const unasked = () => ({ request: "", view: null, verdicts: new Map() });

function hold(changes) {
  history.replaceState({ ...history.state, ...changes }, "", location.href);
}

function photoId() {
  return history.state?.photo?.id ?? "";
}

// crypto.randomUUID is there over HTTPS alone.
function newId() {
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
}

byId("tools").addEventListener("change", () => hold({ view: viewNow() }));

async function restore() {
  await forgetOld();
  const { photo, request: id } = history.state ?? {};
  if (!photo) return;
  const kept = await keptOf(photo.id);
  if (file) return; // one was chosen meanwhile
  if (kept) {
    take(kept.file);
    if (kept.outcome) tellOutcome(kept.outcome);
    return;
  }
  const place = byId("chosen");
  place.textContent = `This browser does not keep the photo ${photo.name} any more: choose it again.`;
  nameRequest(place, id);
}

restore();

// --- Asking.

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (request) return; // twice is once
  for (const name of ["photo", "engines", "priority"]) tellField(name, "");
  tell("");
  const problem = whatIsMissing();
  if (problem) tellField(...problem);
  else send();
});

function whatIsMissing() {
  if (!file) return ["photo", "Choose a photo first."];
  if (file.size > mostBytes()) {
    // Said here, because the server would hang up before all of it is sent.
    return ["photo", `photo has ${file.size} bytes; the limit of a photo is ${mostBytes()}`];
  }
  if (!chosenEngines().length) return ["engines", "Choose at least one engine."];
  return null;
}

function send() {
  const body = new FormData();
  // Its name is nobody's business, and says nothing to the engines.
  body.append("photo", file, "photo");
  body.append("detection_types", chosenEngines().join(","));
  body.append("priority", form.elements.priority.value);
  const asked = new Set(chosenEngines());
  for (const [engine, release] of chosenReleases()) {
    if (asked.has(engine)) body.append("release", `${engine}=${release}`);
  }
  clear();
  forgetTrace();
  byId("feedback").replaceChildren();
  hold(unasked());
  keepOutcome(photoId(), null);
  request = new XMLHttpRequest(); // fetch cannot say how much was sent
  request.open("POST", DETECT);
  if (form.elements.fresh.checked) request.setRequestHeader("Cache-Control", "no-cache");
  const beganAt = performance.now();
  request.upload.onprogress = (sent) => progress(sent.loaded / sent.total, beganAt);
  request.upload.onload = () => progress(null, beganAt);
  request.onload = () => answered(performance.now() - beganAt);
  request.onerror = () => {
    stop();
    tell("No answer came: the connection to the control plane was lost. Nothing was kept; try again.");
  };
  request.onabort = () => tell("Cancelled. Nothing was kept.", "info");
  progress(0, beganAt);
  request.send(body);
}

function progress(share, beganAt) {
  byId("progress").hidden = false;
  byId("cancel").hidden = false;
  // What is disabled or hidden loses the focus: it goes to the other button, and back at the end.
  if (document.activeElement === byId("send")) byId("cancel").focus();
  byId("send").disabled = true;
  const bar = byId("progress-bar");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
  clearInterval(ticking);
  const say = () => {
    const words = share === null ? "The engines are looking" : `Sending, ${Math.floor(100 * share)} %`;
    byId("progress-word").textContent = `${words} (${millis(performance.now() - beganAt)})`;
  };
  say();
  ticking = setInterval(say, 100);
}

function stop() {
  const under = request;
  request = null;
  clearInterval(ticking);
  byId("progress").hidden = true;
  byId("send").disabled = !file;
  if (document.activeElement === byId("cancel")) byId("send").focus();
  byId("cancel").hidden = true;
  under?.abort();
}

byId("cancel").addEventListener("click", stop);

function answered(tookMs) {
  const { status, responseText } = request;
  request.onabort = null;
  stop();
  let answer;
  try {
    answer = JSON.parse(responseText);
  } catch {
    // It stays undefined.
  }
  // A proxy in between may answer anything.
  if (answer === null || typeof answer !== "object") {
    tell(`The answer cannot be read (HTTP ${status}).`);
    return;
  }
  hold({ request: String(answer.correlation_id ?? "") });
  keepOutcome(photoId(), { status, answer, tookMs });
  tellOutcome({ status, answer, tookMs });
  if (!byId("answer").hidden) byId("answer").scrollIntoView({ block: "nearest" });
}

// status: of HTTP. answer: or the problem.
function tellOutcome({ status, answer, tookMs }) {
  if (status !== 200) tellProblem(answer, status);
  // Where no engine answered, the problem has the members of an answer, too.
  if (status === 200 || answer.errors) {
    // What lies in the history may be of another answer: asked for while somebody's word on this
    // one was still on its way, or by a tab that this one was copied from.
    const isHeld = () => history.state?.request === String(answer.correlation_id ?? "");
    const { view, verdicts } = isHeld() ? history.state : unasked();
    show(answer, picture, tookMs, view);
    offerFeedback(answer, byId("feedback"), verdicts, () => isHeld() && hold({ verdicts }));
  }
  if (answer.correlation_id) showTrace(answer.correlation_id);
}
