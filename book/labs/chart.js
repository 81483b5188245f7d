// Charts of the laboratories: SVG as wide as its place, drawn again when that changes, so that text
// keeps its size on a phone.

import { el } from "./ui.js";

/**
 * A place that draws itself as wide as it is.
 * @param {function(number): Element} draw makes the drawing for a width in pixels
 * @returns {HTMLElement} the place, with `redraw()`
 */
export function responsive(draw) {
  const place = el("div", { class: "lab-plot" });
  let width = 0;
  const redraw = () => {
    if (width) place.replaceChildren(draw(width));
  };
  new ResizeObserver(() => {
    if (Math.round(place.clientWidth) === width) return;
    width = Math.round(place.clientWidth);
    redraw();
  }).observe(place);
  return Object.assign(place, { redraw });
}

/**
 * A linear map of numbers to pixels.
 * @param {number[]} domain two numbers
 * @param {number[]} range the two pixels that they are drawn at
 * @returns {function(number): number} the map, with `invert`
 */
export function scale([from, to], [start, end]) {
  const map = (value) => start + ((value - from) / (to - from)) * (end - start);
  return Object.assign(map, { invert: (pixel) => from + ((pixel - start) / (end - start)) * (to - from) });
}

/**
 * Round numbers at about even distances.
 * @param {number} from the smallest
 * @param {number} to the largest
 * @param {number} about how many
 * @returns {number[]} multiples of 1, 2 or 5 times a power of ten
 */
export function ticks(from, to, about = 5) {
  const rough = (to - from) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((candidate) => candidate >= rough * 0.999);
  const found = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + step * 1e-9; k += 1) {
    found.push(Number((k * step).toPrecision(12)));
  }
  return found;
}

/**
 * An SVG drawing that is read as one picture.
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @param {string} label what is to be seen
 * @param {...Element} children what is drawn
 * @returns {SVGElement} the drawing
 */
export function picture(width, height, label, ...children) {
  return el("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, ...children);
}

/** A word or number in a drawing; `at` is start, middle or end. */
export function words(x, y, text, { at = "start", ...more } = {}) {
  return el("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": at, ...more }, text);
}

/** A line through points in pixels. */
export function line(points, properties) {
  const all = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  return el("polyline", { points: all, fill: "none", ...properties });
}

/** A number as a tick shows it: no more digits than needed, and a real minus. */
export function plain(value) {
  return String(Number(value.toPrecision(6))).replace("-", "−");
}

/**
 * Grid lines and numbers of a horizontal axis, with its name below.
 * @param {function} x the scale
 * @param {number[]} at the ticks
 * @param {number} top upper end of the grid lines
 * @param {number} bottom their lower end
 * @param {string} name what the axis measures
 * @returns {Element[]} what to draw
 */
export function bottomAxis(x, at, top, bottom, name, format = plain) {
  const middle = (x(at[0]) + x(at[at.length - 1])) / 2;
  return [
    ...at.map((tick) => el("line", { class: "lab-grid", x1: x(tick), x2: x(tick), y1: top, y2: bottom })),
    ...at.map((tick) => words(x(tick), bottom + 17, format(tick), { at: "middle", class: "lab-tick" })),
    words(middle, bottom + 37, name, { at: "middle", class: "lab-axis" }),
  ];
}

/**
 * Grid lines and numbers of a vertical axis.
 * @param {function} y the scale
 * @param {number[]} at the ticks
 * @param {number} left left end of the grid lines
 * @param {number} right their right end
 * @returns {Element[]} what to draw
 */
export function leftAxis(y, at, left, right, format = plain) {
  return [
    ...at.map((tick) => el("line", { class: "lab-grid", x1: left, x2: right, y1: y(tick), y2: y(tick) })),
    ...at.map((tick) => words(left - 7, y(tick) + 4, format(tick), { at: "end", class: "lab-tick" })),
  ];
}

/** What the lines and areas of a chart are; each entry is [name, colour, dashes or "area"]. */
export function legend(entries) {
  return el("p", { class: "lab-legend" }, entries.map(([name, colour, dashes = null]) => el("span", { class: "lab-legend-entry" },
    el("svg", { width: 26, height: 10, "aria-hidden": "true" }, dashes === "area"
      ? el("rect", { class: `lab-fill-${colour}`, x: 7, width: 12, height: 10, rx: 2 })
      : el("line", { class: `lab-stroke-${colour}`, x1: 1, x2: 25, y1: 5, y2: 5, "stroke-width": 2.6, "stroke-dasharray": dashes })), name)));
}

/** A table with a heading row; the first entry of each row names it. Returns it, with `fill(rows)`. */
export function table(caption, headings, { numbers = true } = {}) {
  const body = el("tbody");
  const element = el("div", { class: "lab-scroll", tabindex: 0, role: "group", "aria-label": caption }, el("table", { class: numbers ? "lab-numbers" : null },
    el("caption", { class: "lab-hidden" }, caption),
    el("thead", {}, el("tr", {}, headings.map((heading) => el("th", { scope: "col" }, heading)))), body));
  const fill = (rows) => body.replaceChildren(...rows.map(([name, ...cells]) =>
    el("tr", {}, el("th", { scope: "row" }, name), cells.map((cell) => el("td", {}, ...[cell].flat())))));
  return Object.assign(element, { fill });
}
