// A tensor as a picture: a row for each position, blue for positive and vermilion for negative.
import { el } from "../ui.js";

const POSITIVE = [0, 114, 178]; // the palette of interp_rl.plots
const NEGATIVE = [213, 94, 0];

/** A canvas of the numbers, on one scale from the largest absolute value; transparent at zero,
    with a frame around one row. */
export function heatmap({ values, shape }, row) {
  const [rows, columns] = shape;
  const canvas = el("canvas", { class: "walk-canvas", width: columns, height: rows, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const limit = largestOf(values);
  for (let i = 0; i < rows * columns; i++) {
    const value = isMasked(values[i]) ? 0 : values[i];
    const [red, green, blue] = value > 0 ? POSITIVE : NEGATIVE;
    image.data.set([red, green, blue, Math.round((255 * Math.abs(value)) / limit)], 4 * i);
  }
  context.putImageData(image, 0, 0);
  const frame = el("div", { class: "walk-heat" }, canvas);
  frame.append(el("span", { class: "walk-marker", style: `top:${(100 * row) / rows}%;height:${100 / rows}%` }));
  return frame;
}

/** The largest absolute value; 1 if all are zero. Masked scores do not count. */
export function largestOf(values) {
  let most = 0;
  for (const value of values) if (!isMasked(value) && Math.abs(value) > most) most = Math.abs(value);
  return most || 1;
}

/** Scores of later positions are minus infinity, or so large that the softmax makes zeros of them. */
function isMasked(value) {
  return !Number.isFinite(value) || value < -1e9;
}
