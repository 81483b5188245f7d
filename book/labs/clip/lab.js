// PPO's clipped objective for one token: drag the ratio, turn the advantage, see what is left to gain.

import { bottomAxis, leftAxis, legend, line, picture, responsive, scale, table, ticks, words } from "../chart.js";
import { el, fixed, liveRegion, signed, slider } from "../ui.js";
import { objective, verdict } from "./objective.js";

/** It is cheap, so it needs no button. */
export const eager = true;

/** Ratios that can be reached. */
export const RATIOS = [0.4, 1.8];

/** Builds the laboratory. */
export function start(root) {
  const state = { ratio: 1.4, advantage: 1, clip: 0.2 };
  const live = liveRegion({ class: "lab-live lab-verdict" });
  const numbers = table("Objective and gradient with and without the clip", ["token", "objective", "gradient"]);
  const frame = { x: null };
  const plot = responsive((width) => draw(width, state, frame));
  plot.classList.add("lab-drag");

  const ratio = slider({
    label: "Ratio, new to old", min: RATIOS[0], max: RATIOS[1], step: 0.01, value: state.ratio,
    format: (value) => fixed(value), oninput: (value) => set("ratio", value),
  });
  function set(name, value) {
    state[name] = value;
    const now = objective(state.ratio, state.advantage, state.clip);
    plot.redraw();
    numbers.fill([
      ["without the clip", fixed(now.plain), signed(now.plainSlope)],
      ["PPO, with the clip", fixed(now.value), now.slope === 0 ? "0" : signed(now.slope)],
    ]);
    live.say(verdict(state.ratio, state.advantage, state.clip));
  }

  // dragging in the plot moves the ratio; the slider does the same from the keyboard
  function drag(event) {
    const box = plot.getBoundingClientRect();
    const wanted = frame.x.invert(event.clientX - box.left);
    const value = Math.round(100 * Math.min(Math.max(wanted, RATIOS[0]), RATIOS[1])) / 100;
    ratio.set(value);
    set("ratio", value);
  }
  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    plot.setPointerCapture(event.pointerId);
    drag(event);
  });
  plot.addEventListener("pointermove", (event) => {
    if (plot.hasPointerCapture(event.pointerId)) drag(event);
  });

  root.append(
    el("div", { class: "lab-figure" },
      legend([["PPO, with the clip", "blue"], ["without the clip", "vermilion", "6 5"]]), plot),
    el("div", { class: "lab-columns lab-thirds" }, ratio,
      slider({
        label: "Advantage", min: -2, max: 2, step: 0.1, value: state.advantage,
        format: (value) => signed(value, 1), oninput: (value) => set("advantage", value),
      }),
      slider({
        label: "Limit ε", min: 0.05, max: 0.5, step: 0.05, value: state.clip,
        format: (value) => fixed(value), oninput: (value) => set("clip", value),
      })),
    live, numbers,
    el("p", { class: "lab-note" }, "The gradient is that in the log-probability of the token: above zero, a step raises it. "
      + "Drag the point, or use the sliders. The arrow shows where a step of gradient ascent takes it, and there is none where the gradient is zero."),
  );
  set("ratio", state.ratio);
}

function draw(width, { ratio, advantage, clip }, frame) {
  const [left, right, top, bottom] = [38, width - 10, 12, 262];
  const x = scale(RATIOS, [left, right]);
  frame.x = x;
  const y = scale([-2.2, 2.2], [bottom, top]);
  const inside = (value) => Math.min(Math.max(value, -2.2), 2.2);
  const along = (value) => Array.from({ length: 141 }, (_, i) => RATIOS[0] + (i * (RATIOS[1] - RATIOS[0])) / 140)
    .filter((r) => Math.abs(value(r)) <= 2.2).map((r) => [x(r), y(value(r))]);
  const now = objective(ratio, advantage, clip);
  const [px, py] = [x(ratio), y(inside(now.value))];
  const push = Math.sign(now.slope) * Math.min(70, Math.abs(now.slope) * 42);
  const head = push ? `M${px + push},${py} l${-Math.sign(push) * 11},-6 v12 Z` : "";
  return picture(width, bottom + 42,
    `Objective against the ratio, for an advantage of ${signed(advantage, 1)}: at the ratio ${fixed(ratio)} it is ${fixed(now.value)} with the clip and ${fixed(now.plain)} without.`,
    el("rect", { class: "lab-band", x: x(1 - clip), y: top, width: x(1 + clip) - x(1 - clip), height: bottom - top }),
    ...bottomAxis(x, ticks(...RATIOS, width < 420 ? 5 : 8), top, bottom, "ratio of new to old probability"),
    ...leftAxis(y, [-2, -1, 0, 1, 2], left, right),
    words(x(1 - clip) - 5, top + 13, "1 − ε", { at: "end", class: "lab-tick" }),
    words(x(1 + clip) + 5, top + 13, "1 + ε", { class: "lab-tick" }),
    line([[x(1), top], [x(1), bottom]], { class: "lab-right" }),
    line(along((r) => r * advantage), { class: "lab-stroke-vermilion", "stroke-width": 2, "stroke-dasharray": "6 5" }),
    line(along((r) => objective(r, advantage, clip).value), { class: "lab-stroke-blue", "stroke-width": 3.5 }),
    push ? el("path", { class: "lab-arrow", d: `M${px},${py} H${px + push * 0.9}` }) : null,
    push ? el("path", { class: "lab-arrow-head", d: head }) : null,
    el("circle", { class: "lab-handle", cx: px, cy: py, r: 10 }));
}
