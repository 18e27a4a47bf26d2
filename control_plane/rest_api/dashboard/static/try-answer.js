// An answer as the page shows it: how it ended, the photo with what was found, the figures, who
// served it, and what went wrong, in words. Whatever came over the network is set as text.

import { colourOf, draw, isShown, marksOf, textOf, wordOf } from "./try-boxes.js";

const MOST_LISTED = 200;
const MOST_PLAIN = 20;
const byId = (id) => document.getElementById(id);

export function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const TONES = { completed: "good", partial: "warn", failed: "bad" };

// What is on the page now; the photo may still be decoded, and the window may change its size.
let current = null;

// seen: as viewNow() told it before a reload.
export function show(answer, picture, tookMs, seen) {
  const { marks, leftOut } = marksOf(answer.results);
  const view = { hidden: new Set(seen?.hidden ?? []), least: seen?.least ?? 0 };
  current = { answer, marks, leftOut, picture, view };
  showHead(answer, tookMs);
  showErrors(answer.errors ?? {});
  showTools();
  showFigures(answer.results ?? {});
  showServed(answer);
  showList();
  byId("answer").hidden = false;
  redraw();
}

export function clear() {
  current = null;
  byId("answer").hidden = true;
  byId("overlay").replaceChildren();
  byId("overlay-note").textContent = "";
  byId("tools").hidden = true;
  byId("tool-engines").replaceChildren();
  byId("shown-count").textContent = "";
  byId("counts-body").replaceChildren();
}

// What is drawn: the engines that are not, and how sure a finding has to be.
export function viewNow() {
  return current ? { hidden: [...current.view.hidden], least: current.view.least } : null;
}

// Called whenever the photo was decoded or its size on the screen has changed.
export function redraw() {
  const svg = byId("overlay");
  if (!current || !current.picture.naturalWidth) {
    svg.replaceChildren();
    return;
  }
  const without = draw(svg, current.picture, current.marks, current.view);
  const words = [];
  if (without) words.push(`${without} without a label, for want of room: point at them.`);
  if (current.leftOut) words.push(`${current.leftOut} more were found and are not drawn.`);
  byId("overlay-note").textContent = words.join(" ");
}

function showHead(answer, tookMs) {
  const status = String(answer.detection_status ?? answer.status);
  const chip = byId("answer-status");
  chip.className = `chip chip--${TONES[status] ?? "idle"}`;
  chip.textContent = status;
  const took = Number.isFinite(answer.processing_time_ms)
    ? `${millis(answer.processing_time_ms)} on the server, ${millis(tookMs)} in all`
    : `${millis(tookMs)} in all`;
  byId("answer-took").textContent = took;
  const id = String(answer.correlation_id ?? "");
  byId("answer-id").textContent = id;
  byId("answer-trace").href = `/dashboard/traces/${encodeURIComponent(id)}`;
}

function showErrors(errors) {
  const notices = Object.entries(errors).map(([engine, failure]) => {
    const after = Number.isFinite(failure?.retry_after_s)
      ? ` Ask again in ${Math.max(1, Math.ceil(failure.retry_after_s))} s.`
      : "";
    return make(
      "p",
      { class: "notice notice--bad", "data-engine-error": engine },
      make("b", {}, `${engine} has no result:`),
      ` ${failure?.message || "no reason was given"} (${failure?.code ?? "unknown"}).${after}`,
    );
  });
  byId("answer-errors").replaceChildren(...notices);
}

// --- What is drawn: engines, and how sure they have to be.

function showTools() {
  const { marks, view } = current;
  const drawn = new Set(marks.map((mark) => mark.engine));
  const engines = Object.keys(current.answer.results ?? {}).filter((engine) => drawn.has(engine));
  byId("tools").hidden = !marks.length;
  byId("tool-engines").replaceChildren(
    ...engines.map((engine) => {
      const box = make("input", { type: "checkbox", checked: !view.hidden.has(engine), "data-toggle-engine": engine });
      box.addEventListener("change", () => {
        if (box.checked) view.hidden.delete(engine);
        else view.hidden.add(engine);
        changed();
      });
      return make("label", { class: "check" }, box, ` ${engine}`);
    }),
  );
  const slider = byId("least");
  slider.value = String(view.least);
  slider.oninput = () => {
    view.least = Number(slider.value);
    changed();
  };
  changed();
}

function changed() {
  const { marks, view } = current;
  byId("least-shown").textContent = view.least.toFixed(2);
  const shown = marks.filter((mark) => isShown(mark, view));
  byId("shown-count").textContent = `${shown.length} of ${marks.length} shown`;
  showCounts();
  for (const row of byId("list").querySelectorAll("tr[data-mark]")) {
    row.hidden = !isShown(marks[Number(row.dataset.mark)], view);
  }
  redraw();
}

function showCounts() {
  const { marks, view } = current;
  const counts = new Map();
  for (const mark of marks) {
    const key = `${mark.engine}\n${mark.name}`;
    const one = counts.get(key) ?? { mark, found: 0, shown: 0 };
    one.found += 1;
    one.shown += isShown(mark, view) ? 1 : 0;
    counts.set(key, one);
  }
  const rows = [...counts.values()].map(({ mark, found, shown }) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, swatch(mark.name), ` ${wordOf(mark.name)}`),
      make("td", {}, mark.engine),
      make("td", { class: "number" }, String(found)),
      make("td", { class: "number" }, String(shown)),
    ),
  );
  byId("counts").hidden = !rows.length;
  byId("counts-body").replaceChildren(...rows);
}

function swatch(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "square");
  svg.setAttribute("viewBox", "0 0 10 10");
  svg.setAttribute("aria-hidden", "true");
  const square = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  square.setAttribute("width", "10");
  square.setAttribute("height", "10");
  square.setAttribute("rx", "2");
  square.setAttribute("fill", colourOf(name));
  svg.append(square);
  return svg;
}

// --- Figures that are no boxes.

function showFigures(results) {
  const cards = [];
  for (const [engine, findings] of Object.entries(results)) {
    if (Array.isArray(findings?.detections) || Array.isArray(findings?.items)) {
      const found = findings.detections ?? findings.items;
      if (!found.length) cards.push(card(engine, "nothing found", ""));
      continue;
    }
    if (Number.isFinite(findings?.volume_m3)) {
      const sure = findings.confidence;
      const words = Number.isFinite(sure) ? `confidence ${sure.toFixed(2)}` : "";
      cards.push(card(engine, `${findings.volume_m3.toFixed(2)} m³`, words));
      continue;
    }
    cards.push(card(engine, "answered", plain(findings)));
  }
  byId("figures").replaceChildren(...cards);
}

function card(engine, figure, words) {
  return make(
    "div",
    { class: "figure", "data-figure": engine },
    make("span", { class: "figure-name" }, engine),
    make("b", { class: "figure-value" }, figure),
    make("span", { class: "quiet" }, words),
  );
}

// Of an engine that is not known here, what can be read at a glance.
function plain(findings) {
  const pairs = Object.entries(findings ?? {}).slice(0, MOST_PLAIN);
  return pairs.map(([key, value]) => `${key}: ${JSON.stringify(value)?.slice(0, 80)}`).join(", ");
}

// --- Who answered, and every single finding.

function showServed(answer) {
  const rows = Object.entries(answer.model_versions ?? {}).map(([engine, version]) => {
    const by = answer.served_by?.[engine] ?? {};
    const notes = [];
    if (by.cached) notes.push("found for an earlier request of this photo");
    if (by.fallback_from) notes.push(`${by.fallback_from} was chosen and could not answer`);
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, engineLink(engine)),
      make("td", {}, String(version)),
      make("td", {}, by.instance ? instanceLink(String(by.instance)) : "–"),
      make("td", { class: "number" }, String(by.attempts ?? "–")),
      make("td", {}, notes.join("; ")),
    );
  });
  byId("served").hidden = !rows.length;
  byId("served-body").replaceChildren(...rows);
}

function engineLink(engine) {
  return make("a", { href: `/dashboard/engines/${encodeURIComponent(engine)}` }, engine);
}

function instanceLink(name) {
  return make("a", { href: `/dashboard/instances/${encodeURIComponent(name)}` }, name);
}

function showList() {
  const rows = current.marks.slice(0, MOST_LISTED).map((mark, index) => {
    const { left, top, right, bottom } = mark.box;
    const row = make(
      "tr",
      { "data-mark": index, tabindex: 0 },
      make("th", { scope: "row" }, swatch(mark.name), ` ${wordOf(mark.name)}`),
      make("td", {}, mark.engine),
      make("td", {}, mark.brand || "–"),
      make("td", { class: "number" }, mark.confidence === null ? "–" : mark.confidence.toFixed(2)),
      make("td", { class: "number" }, [left, top, right, bottom].map(Math.round).join(", ")),
    );
    for (const [event, isOn] of [
      ["pointerenter", true],
      ["pointerleave", false],
      ["focus", true],
      ["blur", false],
    ]) {
      row.addEventListener(event, () => point(index, isOn));
    }
    return row;
  });
  byId("list-panel").hidden = !rows.length;
  const more = current.marks.length > MOST_LISTED ? `, the surest ${MOST_LISTED}` : "";
  byId("list-title").textContent = `Every finding (${current.marks.length}${more})`;
  byId("list").replaceChildren(...rows);
}

function point(index, isOn) {
  byId("overlay").querySelector(`[data-mark="${index}"]`)?.classList.toggle("is-pointed", isOn);
}

export function describe(mark) {
  return textOf(mark);
}

export function millis(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value >= 100 ? 0 : 1)} ms`;
}
