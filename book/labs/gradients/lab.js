// The gradient laboratory: three estimators on the same batches, their means and their variances.

import { bottomAxis, line, picture, responsive, scale, table, ticks, words } from "../chart.js";
import { button, choice, el, fixed, liveRegion, percent, slider } from "../ui.js";
import { exactMoments, experiment, NAMES, WEIGHTS } from "./estimators.js";
import { WORLDS } from "./worlds.js";

/** Sizes of a batch that the slider offers. */
export const SIZES = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];

/** Batches that are drawn for each setting. */
export const BATCHES = 4000;

const COLOURS = { total_return: "purple", batch_mean_baseline: "vermilion", leave_one_out_baseline: "blue" };

/** Builds the laboratory. */
export function start(root) {
  const state = { world: "bandit", n: 4, extra: 0, seed: 0 };
  let found;
  let exact;
  let waiting = false;

  const live = liveRegion({ class: "lab-live lab-verdict" });
  const numbers = table("Mean and variance of each estimator",
    ["estimator", "mean", "variance"]);
  const plot = responsive((width) => draw(width, found, exact));
  const again = button(`Draw ${BATCHES.toLocaleString("en")} other batches`, () => {
    state.seed += 1;
    later();
  });

  function compute() {
    waiting = false;
    const world = WORLDS[state.world](state.extra);
    found = experiment(world, state.n, BATCHES, state.seed);
    exact = Object.fromEntries(Object.keys(WEIGHTS).map((name) => [name, exactMoments(world, name, state.n)]));
    plot.redraw();
    numbers.fill(Object.keys(WEIGHTS).map((name) => [
      el("span", {}, el("span", { class: `lab-key lab-fill-${COLOURS[name]}` }), NAMES[name]),
      beside(`${fixed(found[name].length, 3)} ± ${fixed((found[name].high - found[name].low) / 2, 3)}`,
        fixed(exact[name].length, 3)),
      beside(significant(found[name].variance), significant(exact[name].variance)),
    ]));
    const [none, mean, left] = Object.keys(WEIGHTS).map((name) => exact[name]);
    const ratio = none.variance / left.variance;
    live.say(
      `With ${state.n} episodes in a batch, the batch mean shrinks the expected gradient to ${state.n - 1}/${state.n}, `
      + `${fixed(mean.length, 2)} of its length; leave one out keeps all of it. `
      + (ratio >= 1
        ? `Without a baseline the variance is ${significant(ratio)} times that of leave one out.`
        : `Here the baseline costs variance: without one it is ${significant(ratio)} times that of leave one out.`),
    );
  }

  // at most once for each picture that the screen shows, however fast a slider moves
  function later() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(compute);
  }

  const set = (name, value) => {
    state[name] = value;
    later();
  };
  root.append(
    choice({
      label: "Policy", value: state.world, onchange: (value) => set("world", value),
      options: [["bandit", "three actions (bandit)"], ["gaussian", "a number (Gaussian)"]],
    }),
    el("div", { class: "lab-columns" },
      slider({
        label: "Episodes in a batch, N", min: 0, max: SIZES.length - 1, value: SIZES.indexOf(state.n),
        format: (index) => String(SIZES[index]), oninput: (index) => set("n", SIZES[index]),
      }),
      slider({
        label: "Added to every reward", min: 0, max: 10, value: state.extra,
        format: (value) => (value ? `+${value}` : "0"), oninput: (value) => set("extra", value),
      })),
    plot, live, numbers,
    el("div", { class: "lab-row" }, again,
      el("p", { class: "lab-note" }, `${BATCHES.toLocaleString("en")} batches, the same for all three. `
        + "Bars in the plot are estimates, lines their means, triangles the exact expectations. "
        + "Means are along the right gradient, with a 95% interval; variances are in units of its squared length.")),
  );
  compute();
}

const ROW = 92;

/** Histograms of the estimates, one below the other. */
function draw(width, found, exact) {
  const [left, right, top] = [8, width - 8, 8];
  const names = Object.keys(found);
  const bottom = top + names.length * ROW;
  const spread = Math.sqrt(variance(found.leave_one_out_baseline.lengths));
  const half = Math.max(0.5, 3.2 * spread);
  const x = scale([1 - half, 1 + half], [left, right]);
  const bins = Math.min(80, Math.floor((right - left) / 6));
  const parts = names.flatMap((name, row) => {
    const base = top + (row + 1) * ROW - 6;
    const counts = new Array(bins).fill(0);
    let outside = 0;
    for (const length of found[name].lengths) {
      const bin = Math.floor(((x(length) - left) / (right - left)) * bins);
      if (bin >= 0 && bin < bins) counts[bin] += 1;
      else outside += 1;
    }
    const tallest = Math.max(...counts, 1);
    const step = (right - left) / bins;
    const bars = counts.map((count, bin) => count && el("rect", {
      class: `lab-fill-${COLOURS[name]}`, "fill-opacity": 0.75, x: (left + bin * step + 0.5).toFixed(1),
      width: Math.max(1, step - 1).toFixed(1), y: (base - (count / tallest) * (ROW - 34)).toFixed(1),
      height: ((count / tallest) * (ROW - 34)).toFixed(1),
    })).filter(Boolean);
    const mean = found[name].length;
    const share = outside / found[name].lengths.length;
    const note = `mean ${fixed(mean, 2)}${share > 0.005 ? `, ${percent(share)} outside` : ""}`;
    const at = x(exact[name].length);
    return [
      ...bars,
      el("line", { class: "lab-base", x1: left, x2: right, y1: base, y2: base }),
      Math.abs(mean - 1) < half && el("line", { class: `lab-mean lab-stroke-${COLOURS[name]}`, x1: x(mean), x2: x(mean), y1: base + 4, y2: base - ROW + 30 }),
      words(left, base - ROW + 22, NAMES[name], { class: "lab-strong" }),
      el("polygon", { class: `lab-fill-${COLOURS[name]}`, points: `${at},${base + 1} ${at - 5},${base + 9} ${at + 5},${base + 9}` }),
      words(right, base - ROW + 22, note, { at: "end", class: "lab-tick" }),
    ].filter(Boolean);
  });
  const label = names.map((name) =>
    `${NAMES[name]}: mean ${fixed(found[name].length, 2)}, exact ${fixed(exact[name].length, 2)}`).join("; ");
  return picture(width, bottom + 42, `Histograms of the estimates along the gradient, where 1 is right. ${label}.`,
    ...bottomAxis(x, ticks(1 - half, 1 + half, width < 420 ? 4 : 7), top + 18, bottom - 2, "estimate along the gradient (1 is right)"),
    ...parts,
    line([[x(1), top + 20], [x(1), bottom - 2]], { class: "lab-right" }));
}

/** A measured number with the exact one below it. */
function beside(measured, right) {
  return [measured, el("span", { class: "lab-exact" }, `exact ${right}`)];
}

function variance(numbers) {
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
  return numbers.reduce((total, number) => total + (number - mean) ** 2, 0) / numbers.length;
}

function significant(value) {
  return (value >= 100) ? Math.round(value).toLocaleString("en") : value.toPrecision(2);
}
