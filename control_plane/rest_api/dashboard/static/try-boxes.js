// What engines found, drawn over a photo: boxes and labels in an SVG whose units are the photo's
// pixels. The engines answer in pixels of the upright photo, and the browser turns a photo
// upright too (image-orientation), so both have one frame whatever the camera wrote into EXIF.
// All texts are set as texts; nothing here is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";
const INK = "#101216";
const PAPER = "#f5f6f8";
const MOST_BOXES = 1000;
const MOST_LABELS = 120;
const TEXT_PX = 12;
const SMALL_TEXT_PX = 10;
const NARROW_PX = 520;
const PAD_PX = 4;

// Okabe and Ito's palette, as the command line draws with: told apart by everyone.
const CLASSES = {
  hail: "#f0e442",
  wind: "#56b4e9",
  missing_shingle: "#d55e00",
  shingle: "#e69f00",
  plywood: "#009e73",
};
const SPARE = ["#cc79a7", "#0072b2", "#56b4e9", "#e69f00", "#009e73", "#f0e442"];

export function colourOf(name) {
  if (Object.hasOwn(CLASSES, name)) return CLASSES[name];
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  return SPARE[sum % SPARE.length];
}

export function wordOf(name) {
  return name.replaceAll("_", " ");
}

// Every finding that has a box, the surest first. results: by engine, as they were answered.
export function marksOf(results) {
  const marks = [];
  for (const [engine, findings] of Object.entries(results ?? {})) {
    for (const found of listOf(findings)) {
      const box = boxOf(found?.box);
      if (!box) continue;
      marks.push({
        engine,
        name: String(found.class ?? "?"),
        brand: found.brand ? String(found.brand) : "",
        confidence: Number.isFinite(found.confidence) ? found.confidence : null,
        box,
      });
    }
  }
  marks.sort((a, b) => (b.confidence ?? 1) - (a.confidence ?? 1));
  return { marks: marks.slice(0, MOST_BOXES), leftOut: Math.max(0, marks.length - MOST_BOXES) };
}

function listOf(findings) {
  const found = findings?.detections ?? findings?.items;
  return Array.isArray(found) ? found : [];
}

function boxOf(box) {
  const edges = [box?.x_min, box?.y_min, box?.x_max, box?.y_max];
  if (!edges.every(Number.isFinite)) return null;
  const [left, top, right, bottom] = edges;
  return {
    left: Math.min(left, right),
    top: Math.min(top, bottom),
    right: Math.max(left, right),
    bottom: Math.max(top, bottom),
  };
}

export function isShown(mark, view) {
  return !view.hidden.has(mark.engine) && (mark.confidence ?? 1) >= view.least;
}

// Draws the marks that are shown. picture: the <img>, decoded. Returns how many have no label.
export function draw(svg, picture, marks, view) {
  const width = picture.naturalWidth;
  const height = picture.naturalHeight;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const shownPx = picture.clientWidth || width;
  const unit = width / shownPx; // photo pixels in one of the screen
  const textPx = shownPx < NARROW_PX ? SMALL_TEXT_PX : TEXT_PX;
  const boxes = document.createDocumentFragment();
  const shown = [];
  marks.forEach((mark, index) => {
    if (!isShown(mark, view)) return;
    shown.push({ mark, index });
    boxes.append(outlineOf(mark, index));
  });
  const { labels, without } = labelsOf(shown, { width, height, unit, textPx });
  svg.replaceChildren(boxes, labels);
  return without;
}

function outlineOf(mark, index) {
  const { left, top, right, bottom } = mark.box;
  const place = { x: left, y: top, width: right - left, height: bottom - top };
  const group = make("g", { class: "mark", "data-mark": index, "data-engine": mark.engine });
  const title = make("title");
  title.textContent = `${mark.engine}: ${textOf(mark)}`;
  // A dark hair around the colour: it shows on pale and on dark roofs alike.
  group.append(
    title,
    make("rect", { ...place, class: "mark-hair", stroke: INK, fill: "none" }),
    make("rect", { ...place, class: "mark-line", stroke: colourOf(mark.name), fill: "transparent" }),
  );
  return group;
}

export function textOf(mark) {
  const sure = mark.confidence === null ? "" : mark.confidence.toFixed(2);
  return [wordOf(mark.name), mark.brand, sure].filter(Boolean).join(" ");
}

// The fullest first; where there is no room the colour says the class.
function wordingsOf(mark) {
  const short = mark.confidence === null ? [] : [mark.confidence.toFixed(2)];
  return [textOf(mark), ...short];
}

function labelsOf(shown, { width, height, unit, textPx }) {
  const labels = make("g", { class: "labels" });
  const size = textPx * unit;
  const pad = PAD_PX * unit;
  const tall = size + 2 * pad;
  const measure = document.createElement("canvas").getContext("2d");
  measure.font = `600 ${textPx}px system-ui, sans-serif`;
  const placed = [];
  for (const { mark } of shown.slice(0, MOST_LABELS)) {
    for (const text of wordingsOf(mark)) {
      const wide = measure.measureText(text).width * unit + 2 * pad;
      const plate = freePlace(mark.box, { wide, tall, width, height }, placed);
      if (!plate) continue;
      placed.push(plate);
      labels.append(labelOf(text, plate, { size, pad, colour: colourOf(mark.name) }));
      break;
    }
  }
  return { labels, without: shown.length - placed.length };
}

function labelOf(text, plate, { size, pad, colour }) {
  const group = make("g", { class: "label" });
  const place = { x: plate.left, y: plate.top, width: plate.wide, height: plate.tall };
  const words = make("text", {
    x: plate.left + pad,
    y: plate.top + plate.tall / 2,
    "font-size": size,
    "dominant-baseline": "central",
    fill: inkOn(colour),
  });
  words.textContent = text;
  group.append(make("rect", { ...place, fill: colour }), words);
  return group;
}

// Beside its box, within the photo and over no other label; null where there is no room.
function freePlace(box, { wide, tall, width, height }, placed) {
  const places = [
    [box.left, box.top - tall],
    [box.right - wide, box.top - tall],
    [box.left, box.bottom],
    [box.right - wide, box.bottom],
    [box.left, box.top],
    [box.right - wide, box.bottom - tall],
    [box.right, box.top],
    [box.left - wide, box.top],
  ];
  for (const [x, y] of places) {
    const left = Math.min(Math.max(x, 0), Math.max(0, width - wide));
    const top = Math.min(Math.max(y, 0), Math.max(0, height - tall));
    const plate = { left, top, wide, tall };
    if (!placed.some((other) => isOver(plate, other))) return plate;
  }
  return null;
}

function isOver(one, other) {
  return (
    one.left < other.left + other.wide &&
    other.left < one.left + one.wide &&
    one.top < other.top + other.tall &&
    other.top < one.top + one.tall
  );
}

// Dark or light, whichever contrasts more with the plate (WCAG 2 relative luminance).
function inkOn(colour) {
  const plate = luminance(colour);
  const light = (luminance(PAPER) + 0.05) / (plate + 0.05);
  const dark = (plate + 0.05) / (luminance(INK) + 0.05);
  return light > dark ? PAPER : INK;
}

function luminance(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function make(name, attributes = {}) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
