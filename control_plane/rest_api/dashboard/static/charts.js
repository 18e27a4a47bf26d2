// Curves and bars: each element with data-chart is drawn from the JSON in its data-series, again
// whenever that has changed.
//   data-chart="lines"  {"at": [seconds since the epoch], "unit": "ms", "series": [{"label", "tone", "values": [n | null]}]}
//   data-chart="bars"   {"bounds": [upper edge of each bar], "series": [{"label", "tone", "values": [share]}]}
(() => {
  "use strict";

  const charts = new Map(); // element → {plot, shape, observer}
  const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3], [1, 2], [12, 4]];


  // A canvas knows no light-dark(): the colour is asked of an element that wears it.
  function toneColour(tone) {
    const probe = document.createElement("span");
    probe.className = `ink-${tone}`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function format(value, unit) {
    if (value == null) return "–";
    if (unit === "ms" && value >= 1000) return `${(value / 1000).toFixed(2)} s`;
    if (unit === "ms") return `${value.toFixed(value >= 100 || value === 0 ? 0 : 1)} ms`;
    if (unit === "%") return `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
    if (value === 0) return "0";
    return `${value.toFixed(value < 10 ? 2 : 0)}${unit ? ` ${unit}` : ""}`;
  }

  // To the second where the steps between two marks are shorter than a minute.
  function clock(at, stepS) {
    const second = stepS < 60 ? { second: "2-digit" } : {};
    return new Date(at * 1000).toLocaleTimeString([], {
      hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...second,
    });
  }

  // A value between two that are missing has no line: it is drawn as a point.
  function alone(plot, index) {
    const values = plot.data[index];
    const found = [];
    for (let at = 0; at < values.length; at += 1) {
      if (values[at] != null && values[at - 1] == null && values[at + 1] == null) found.push(at);
    }
    return found;
  }

  function axes(unit, isTime) {
    const ink = toneColour("quiet");
    const line = toneColour("grid");
    const shared = { stroke: ink, font: "11px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 } };
    const x = { ...shared, grid: { show: false }, space: 60, size: 26 };
    const written = isTime ? clock : (value) => value.toFixed(1);
    x.values = (_, splits) => splits.map((value) => written(value, splits[1] - splits[0]));
    return [x, { ...shared, size: 52, values: (_, splits) => splits.map((value) => format(value, unit)) }];
  }

  function options(element, shape, data) {
    const isBars = shape.kind === "bars";
    const unit = data.unit ?? "";
    const series = data.series.map((one, index) => ({
      label: one.label,
      stroke: toneColour(one.tone),
      width: 1.75,
      dash: isBars ? undefined : DASHES[index % DASHES.length],
      fill: isBars ? `color-mix(in srgb, ${toneColour(one.tone)} 25%, transparent)` : undefined,
      paths: isBars ? uPlot.paths.stepped({ align: -1 }) : undefined,
      points: isBars ? { show: false } : { show: true, size: 4, filter: alone },
      spanGaps: false,
      value: (_, value) => format(value, unit),
    }));
    const x = isBars
      ? { label: "up to", value: (_, value) => (value == null ? "–" : value.toFixed(1)) }
      : { label: "at", value: (_, value) => (value == null ? "–" : new Date(value * 1000).toLocaleTimeString([], { hourCycle: "h23" })) };
    return {
      width: Math.max(element.clientWidth, 120),
      height: Number(element.dataset.height ?? 180),
      cursor: { y: false, points: { size: 6 } },
      legend: { show: true, live: true },
      scales: {
        x: { time: !isBars },
        y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] },
      },
      axes: axes(unit, !isBars),
      series: [x, ...series],
    };
  }

  function columns(shape, data) {
    if (shape.kind !== "bars") return [data.at, ...data.series.map((one) => one.values)];
    // A step needs the edge that it begins at too.
    const first = (values) => [values[0] ?? null, ...values];
    return [[0, ...data.bounds], ...data.series.map((one) => first(one.values))];
  }

  function draw(element) {
    const text = element.dataset.series;
    const known = charts.get(element);
    if (known?.text === text) return;
    const data = JSON.parse(text);
    const kind = element.dataset.chart;
    const shape = { kind, names: data.series.map((one) => `${one.label}\n${one.tone}`).join("\n") };
    if (known && known.shape.names === shape.names && known.shape.kind === kind) {
      known.plot.setData(columns(shape, data));
      known.text = text;
      return;
    }
    forget(element);
    const plot = new uPlot(options(element, shape, data), columns(shape, data), element);
    const observer = new ResizeObserver(() => {
      const width = Math.max(element.clientWidth, 120);
      if (width !== plot.width) plot.setSize({ width, height: plot.height });
    });
    observer.observe(element);
    charts.set(element, { plot, shape, observer, text });
  }

  function forget(element) {
    const known = charts.get(element);
    if (!known) return;
    known.observer.disconnect();
    known.plot.destroy();
    charts.delete(element);
  }

  function drawAll(within) {
    for (const element of charts.keys()) if (!element.isConnected) forget(element);
    for (const element of within.querySelectorAll("[data-chart]")) draw(element);
  }

  function drawAnew() {
    for (const element of [...charts.keys()]) forget(element);
    drawAll(document);
  }

  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("tidegate:changed", (event) => drawAll(event.target));
  document.addEventListener("tidegate:theme", drawAnew);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAnew);
})();
