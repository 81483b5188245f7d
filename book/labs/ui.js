// What the laboratories share: making elements, controls with labels, data on demand, and the
// place on the page where a laboratory starts.

/** An element: `el("p", { class: "x", onclick: f }, "text", child)`; null children are left out. */
export function el(tag, properties = {}, ...children) {
  const svg = ["svg", "g", "path", "rect", "line", "circle", "text", "polyline", "title", "polygon"];
  const element = svg.includes(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (["value", "checked", "disabled", "hidden", "selected"].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

let count = 0;

/** An id that no other element of the page has. */
export function newId(prefix = "lab") {
  count += 1;
  return `${prefix}-${count}-${Math.random().toString(36).slice(2, 7)}`;
}

/** A button; `primary` for the one that a reader most probably wants. */
export function button(label, onclick, { primary = false, ...properties } = {}) {
  const kind = primary ? "lab-button lab-button-primary" : "lab-button";
  return el("button", { type: "button", class: kind, onclick, ...properties }, label);
}

/**
 * A slider with label and value. `format(value)` gives the text shown beside it and read aloud.
 * Returns the element, with `input` and `set(value)`, which does not call `oninput`.
 */
export function slider({ label, min, max, step = 1, value, format = String, oninput }) {
  const id = newId("slider");
  const shown = el("output", { class: "lab-slider-value", for: id });
  const input = el("input", { type: "range", id, min, max, step });
  const show = () => {
    shown.textContent = format(Number(input.value));
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    show();
    oninput?.(Number(input.value));
  });
  const set = (to) => {
    input.value = to;
    show();
  };
  set(value);
  const element = el("div", { class: "lab-slider" }, el("label", { for: id }, label), shown, input);
  return Object.assign(element, { input, set });
}

/**
 * One of a few choices as radio buttons side by side; `options` are [value, label] pairs.
 * Returns the element, with `set(value)`, which does not call `onchange`.
 */
export function choice({ label, options, value, onchange }) {
  const name = newId("choice");
  const inputs = options.map(([key, text]) => {
    const input = el("input", { type: "radio", name, value: key, checked: key === value });
    input.addEventListener("change", () => onchange?.(key));
    return [key, input, el("label", {}, input, el("span", {}, text))];
  });
  const set = (to) => inputs.forEach(([key, input]) => { input.checked = key === to; });
  const element = el("fieldset", { class: "lab-choice" }, el("legend", {}, label),
    el("div", { class: "lab-choice-options" }, inputs.map(([, , shown]) => shown)));
  return Object.assign(element, { set });
}

/** A menu with a label; `options` are [value, label] pairs. Returns the element, with `input`. */
export function menu({ label, options, value, onchange }) {
  const id = newId("menu");
  const input = el("select", { id, class: "lab-menu-input" },
    options.map(([key, text]) => el("option", { value: key, selected: key === value }, text)));
  input.addEventListener("change", () => onchange?.(input.value));
  const element = el("div", { class: "lab-menu" }, el("label", { for: id }, label), input);
  return Object.assign(element, { input });
}

/** A place whose text is read aloud when it changes: `live.say("...")`. */
export function liveRegion(properties = {}) {
  const element = el("p", { class: "lab-live", role: "status", "aria-live": "polite", ...properties });
  return Object.assign(element, { say: (text) => { if (element.textContent !== text) element.textContent = text; } });
}

/** A number with a fixed count of decimals and a real minus sign. */
export function fixed(value, decimals = 2) {
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** The same with a sign in any case: "+0.25". */
export function signed(value, decimals = 2) {
  const text = fixed(value, decimals);
  return text.startsWith("−") ? text : `+${text}`;
}

/** A share as a percentage. */
export function percent(value, decimals = 0) {
  return `${fixed(100 * value, decimals)}%`;
}

/** Whether the reader's system allows things to move. */
export function mayMove() {
  return !matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function shared() {
  const labs = (globalThis.labs ??= {});
  labs.data ??= {};
  labs.waiting ??= {};
  globalThis.labData ??= (name, data) => { labs.data[name] = data; };
  return labs;
}

/**
 * Data made when the book was built, by `data(root)` of `code/coursekit/labs/NAME.py`.
 * The name must be written out, `loadData("circuit")`, for the build looks for it. Loaded once, by a
 * script element, as this works from a folder too. Numbers packed in the data are for `unpack`.
 */
export function loadData(name) {
  const labs = shared();
  labs.waiting[name] ??= new Promise((resolve, reject) => {
    if (name in labs.data) {
      resolve(labs.data[name]);
      return;
    }
    const address = labs.addresses?.[name] ?? `data/${name}.js`;
    const script = el("script", { src: new URL(address, labs.base ?? document.baseURI).href });
    script.addEventListener("load", () => resolve(labs.data[name]));
    script.addEventListener("error", () => {
      delete labs.waiting[name];
      script.remove();
      reject(new Error("The laboratory's data could not be loaded. Check the connection and try again."));
    });
    document.head.append(script);
  });
  return labs.waiting[name];
}

/** A typed array, with its `shape`, from what the build packed as base64. */
export function unpack({ base64, type, shape }) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  const types = {
    float32: Float32Array, int32: Int32Array, uint32: Uint32Array, int16: Int16Array,
    uint16: Uint16Array, int8: Int8Array, uint8: Uint8Array,
  };
  if (!(type in types)) throw new Error(`numbers of type ${type} cannot be unpacked`);
  return Object.assign(new types[type](bytes.buffer), { shape });
}

/** What the address says about a laboratory, `#lab-NAME:TEXT`; null where it says nothing. */
export function stateFromAddress(name) {
  const start = `#lab-${name}:`;
  if (!location.hash.startsWith(start)) return null;
  try {
    return decodeURIComponent(location.hash.slice(start.length));
  } catch {
    return ""; // cut off in the middle of a letter
  }
}

/** An address of this page that restores a state. */
export function addressOf(name, text) {
  return `${location.href.split("#")[0]}#lab-${name}:${encodeURI(text)}`;
}

/** Puts an address that restores the state into the address bar, without a jump, and gives it. */
export function stateToAddress(name, text) {
  const address = addressOf(name, text);
  history.replaceState(history.state, "", address);
  return address;
}

/**
 * Connects a laboratory to its place on the page; the script that the build makes calls it.
 *
 * `lab.start(root, data)` is called once: when the reader presses "Start", when the address holds a
 * state of the laboratory, or, where it exports `eager = true` because it is cheap, when it comes
 * near the window. It may be async. `lab.load()`, where it is exported, gives the data.
 */
export function mount(name, lab) {
  const place = document.querySelector(`section.lab[data-lab="${name}"]`);
  if (!place || place.dataset.state) return;
  place.dataset.state = "waiting";
  const root = el("div", { class: "lab-root" });
  const status = liveRegion();
  const start = async () => {
    if (place.dataset.state !== "waiting") return;
    place.dataset.state = "loading";
    place.setAttribute("aria-busy", "true");
    opener.disabled = true;
    if (!lab.eager) status.say("Loading ...");
    try {
      const data = lab.load ? await lab.load() : undefined;
      await lab.start(root, data);
    } catch (problem) {
      console.error(problem);
      root.replaceChildren();
      status.say(problem.message);
      opener.disabled = false;
      place.dataset.state = "waiting";
      place.removeAttribute("aria-busy");
      return;
    }
    const focused = bar.contains(document.activeElement);
    status.say("");
    bar.remove();
    fold(place.querySelector(".lab-fallback"));
    place.dataset.state = "started";
    place.removeAttribute("aria-busy");
    if (focused) {
      root.tabIndex = -1;
      root.focus({ preventScroll: true });
    }
  };
  const opener = button("Start the laboratory", start, { primary: true });
  const bar = el("div", { class: "lab-bar" }, opener, status);
  place.querySelector(".lab-name").after(bar, root);
  if (stateFromAddress(name) !== null) {
    place.scrollIntoView();
    start();
  } else if (lab.eager) {
    bar.hidden = true;
    const near = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      near.disconnect();
      bar.hidden = false;
      start();
    }, { rootMargin: "300px" });
    near.observe(place);
  }
}

/** Puts what stands there without scripts behind a fold, where the laboratory has taken its place. */
function fold(fallback) {
  if (!fallback || !fallback.childElementCount) return;
  const details = el("details", { class: "lab-still" }, el("summary", {}, "The same as a still picture"));
  fallback.before(details);
  details.append(fallback);
}
