// What every page of the dashboard does: fragments that are changed in place, a connection that
// says when it is lost, times that grow older, orders that ask first, and colours.
// No state is kept here that a reload would lose, but for the theme and the name of who asks.
(() => {
  "use strict";

  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

  const remembered = {
    get(name) {
      try {
        return localStorage.getItem(`tidegate-${name}`) ?? "";
      } catch {
        return "";
      }
    },
    set(name, value) {
      try {
        localStorage.setItem(`tidegate-${name}`, value);
      } catch {
        // Storage is forbidden: then it is asked for again.
      }
    },
  };

  // --- Morphing: what is there becomes what came, and keeps focus, scrolling and open details.

  const keyOf = (node) => (node.nodeType === 1 ? node.id || node.dataset.key || "" : "");

  function isAlike(old, next) {
    return old.nodeType === next.nodeType && old.nodeName === next.nodeName && !keyOf(old);
  }

  function morphChildren(from, to) {
    const wanted = [...to.childNodes];
    const keys = new Set(wanted.map(keyOf).filter(Boolean));
    const keyed = new Map();
    for (const child of [...from.childNodes]) {
      const key = keyOf(child);
      if (!key) continue;
      // Taken away first, so that those that stay need not be moved, which would lose the focus.
      if (keys.has(key) && !keyed.has(key)) keyed.set(key, child);
      else child.remove();
    }
    let old = from.firstChild;
    for (const next of wanted) {
      const key = keyOf(next);
      const match = key ? keyed.get(key) : old && isAlike(old, next) ? old : null;
      if (!match) {
        from.insertBefore(next, old);
        continue;
      }
      if (match === old) old = old.nextSibling;
      // Where the browser can: what is moved so keeps the focus that is in it.
      else if (from.moveBefore) from.moveBefore(match, old);
      else from.insertBefore(match, old);
      morph(match, next);
    }
    while (old) {
      const after = old.nextSibling;
      old.remove();
      old = after;
    }
  }

  function morph(old, next) {
    if (old.nodeType !== 1) {
      if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
      return;
    }
    if (old.nodeName !== next.nodeName) {
      old.replaceWith(next);
      return;
    }
    const isSameTime = old.nodeName === "TIME" && old.dateTime === next.dateTime;
    if (isSameTime || old.isEqualNode(next)) return;
    morphAttributes(old, next);
    if (!("keep" in old.dataset)) morphChildren(old, next);
  }

  function morphAttributes(old, next) {
    for (const { name, value } of [...next.attributes]) {
      if (name === "open" || (name === "value" && old === document.activeElement)) continue;
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (name !== "open" && !next.hasAttribute(name)) old.removeAttribute(name);
    }
  }

  htmx.defineExtension("morph", {
    isInlineSwap: () => false,
    handleSwap(style, target, fragment) {
      if (style !== "morph") return false;
      morphChildren(target, fragment);
      showAges(target);
      target.dispatchEvent(new CustomEvent("tidegate:changed", { bubbles: true }));
      return true;
    },
  });

  // --- The connection.

  const SILENCE_MS = 10_000; // the server says something every 4 s
  let heardAt = Date.now();
  let source = null;
  let isLeaving = false;
  let isResting = false;
  let isWaking = false;
  let clockOffsetMs = 0;

  function setClock(serverMs) {
    if (serverMs > 0) clockOffsetMs = serverMs - Date.now();
  }

  function heard() {
    heardAt = Date.now();
    isWaking = false;
    if (root.dataset.link === "live") return;
    root.dataset.link = "live";
    byId("lost").hidden = true;
    byId("pulse-word").textContent = "live";
  }

  function lose() {
    if (root.dataset.link === "lost" || isLeaving || isResting || isWaking) return;
    root.dataset.link = "lost";
    const since = new Date(heardAt).toLocaleTimeString([], { hourCycle: "h23" });
    const lost = byId("lost");
    lost.textContent =
      `Connection lost since ${since}, reconnecting. What is shown is as it was then.`;
    lost.hidden = false;
    byId("pulse-word").textContent = "connection lost";
  }

  htmx.createEventSource = (url) => {
    source?.close();
    source = new EventSource(url);
    source.addEventListener("tick", (event) => {
      heard();
      const tick = JSON.parse(event.data);
      setClock(tick.at);
      if (tick.assets !== meta("tidegate-assets")) offerReload();
    });
    if (isResting) source.close(); // a try that was under way when nobody looked any more
    return source;
  };

  function offerReload() {
    if (byId("newer")) return;
    const notice = document.createElement("div");
    notice.id = "newer";
    notice.className = "notice notice--info";
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = "Reload this page";
    notice.append("Another version of Tidegate answers now. ", link);
    byId("main").prepend(notice);
  }

  document.addEventListener("htmx:sseError", lose);
  window.addEventListener("pagehide", () => {
    isLeaving = true;
  });
  window.addEventListener("pageshow", () => {
    isLeaving = false;
  });

  function watchConnection() {
    if (!source || isResting || Date.now() - heardAt < SILENCE_MS) return;
    isWaking = false;
    lose();
    // It may be half open, which nobody tells: ended here, it is made anew.
    if (source.readyState === EventSource.OPEN) reconnect();
  }

  function reconnect() {
    source.close();
    source.dispatchEvent(new Event("error")); // the extension connects again
  }

  // A tab that nobody sees gives its stream back: a browser has six connections to a host.
  const REST_MS = 20_000;
  let restTimer = 0;

  document.addEventListener("visibilitychange", () => {
    clearTimeout(restTimer);
    if (document.hidden) {
      restTimer = setTimeout(() => {
        isResting = true;
        source?.close();
      }, REST_MS);
    } else if (isResting) {
      isResting = false;
      isWaking = true;
      heardAt = Date.now();
      reconnect();
    }
  });

  // --- Times, told as how long ago they were.

  function ago(seconds) {
    if (seconds < 5) return "just now";
    if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
    return `${Math.floor(seconds / 86_400)} d ago`;
  }

  function showAges(within) {
    const now = Date.now() + clockOffsetMs;
    for (const time of within.querySelectorAll("time[data-ago]")) {
      const text = ago(Math.max(0, (now - Date.parse(time.dateTime)) / 1000));
      if (time.textContent !== text) time.textContent = text;
    }
  }

  // --- Orders: a dialog says what will follow, and the answer is shown on the page.

  let opener = null;
  let asked = 0; // how often; an answer closes no dialog but its own

  function ask(button) {
    const dialog = byId("confirm");
    const form = byId("confirm-form");
    opener = button;
    asked += 1;
    form.reset();
    form.elements.who.value = remembered.get("who");
    form.dataset.url = button.dataset.act;
    form.dataset.fields = button.dataset.fields || "{}";
    byId("confirm-title").textContent = button.dataset.title;
    byId("confirm-text").textContent = button.dataset.consequence;
    const force = byId("confirm-force");
    force.hidden = !button.dataset.force;
    force.querySelector("span").textContent = button.dataset.force ?? "";
    const yes = byId("confirm-do");
    yes.textContent = button.dataset.verb;
    yes.className = `button ${button.classList.contains("button--danger") ? "button--danger" : "button--strong"}`;
    yes.disabled = false;
    dialog.showModal();
    form.elements.reason.focus();
  }

  async function order(form) {
    const yes = byId("confirm-do");
    if (yes.disabled) return; // twice is once
    yes.disabled = true;
    const values = { ...JSON.parse(form.dataset.fields) };
    for (const name of ["reason", "who"]) values[name] = form.elements[name].value;
    if (form.elements.force.checked) values.force = "true";
    remembered.set("who", form.elements.who.value.trim());
    const mine = asked;
    await post(form.dataset.url, values);
    if (asked === mine) byId("confirm").close();
  }

  async function post(url, values) {
    const said = byId("said");
    const before = said.firstChild;
    try {
      await htmx.ajax("POST", url, { source: said, target: said, swap: "innerHTML", values });
    } catch {
      // Told below.
    }
    if (said.firstChild === before || !said.firstChild) {
      tell("No answer came from the control plane: whether it was done is not known. Look before you try again.");
    }
    said.scrollIntoView({ block: "nearest" });
  }

  // Only a notice of the dashboard is put into the page. Anything else comes from a layer before
  // it, as JSON, or from a proxy, as a page of its own.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, target } = event.detail;
    if (target.id !== "said" || /data-(done|refused)/.test(xhr.responseText)) return;
    event.detail.shouldSwap = false;
    tell(wordsOf(xhr));
  });

  function wordsOf(xhr) {
    const unknown = "whether it was done is not known. Look before you try again.";
    let problem = null;
    try {
      problem = JSON.parse(xhr.responseText);
    } catch {
      // It is no problem of ours.
    }
    if (!problem?.detail) return `Something else answered for the control plane (HTTP ${xhr.status}): ${unknown}`;
    const where = `In the log under ${problem.correlation_id}.`;
    if (xhr.status < 500) return `Not done: ${problem.detail}. ${where}`;
    return `${problem.detail}: ${unknown} ${where}`;
  }

  function tell(text) {
    const notice = document.createElement("div");
    notice.className = "notice notice--bad";
    notice.setAttribute("role", "alert");
    notice.textContent = text;
    byId("said").replaceChildren(notice);
  }

  // Scripts of single pages use these.
  window.tidegate = { post, tell, showAges, remembered };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.act) ask(button);
    else if ("dismiss" in button.dataset) button.closest(".notice").remove();
    else if ("close" in button.dataset) button.closest("dialog").close();
    else if (button.id === "theme") changeTheme();
  });

  document.addEventListener("submit", (event) => {
    if (event.target.id !== "confirm-form") return;
    event.preventDefault();
    order(event.target);
  });

  // --- Colours.

  const THEMES = ["", "light", "dark"];
  const THEME_WORDS = { "": "as the system has them", light: "light", dark: "dark" };
  const THEME_SIGNS = { "": "◐", light: "○", dark: "●" };

  function showTheme(theme) {
    const button = byId("theme");
    button.textContent = THEME_SIGNS[theme];
    button.setAttribute("aria-label", `Colours: ${THEME_WORDS[theme]}`);
    button.title = button.getAttribute("aria-label");
  }

  function changeTheme() {
    const now = root.dataset.theme ?? "";
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    remembered.set("theme", next);
    showTheme(next);
    document.dispatchEvent(new CustomEvent("tidegate:theme"));
  }

  document.addEventListener("DOMContentLoaded", () => {
    setClock(Number(meta("tidegate-now")));
    showTheme(root.dataset.theme ?? "");
    showAges(document);
    byId("confirm").addEventListener("close", () => {
      if (!opener?.isConnected) byId("main").focus();
      opener = null;
    });
    setInterval(() => {
      showAges(document);
      watchConnection();
    }, 1000);
  });
})();
