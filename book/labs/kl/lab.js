// The three estimates of the KL divergence, for two distributions over six tokens that can be moved.

import { bottomAxis, line, picture, responsive, scale, table, ticks, words } from "../chart.js";
import { button, el, fixed, liveRegion, loadData, percent, signed, slider } from "../ui.js";
import { moments } from "./divergence.js";

/** It is cheap, so it needs no button; the two distributions are a few numbers. */
export const eager = true;

/** The chapter's distributions. */
export function load() {
  return loadData("kl");
}

const COLOURS = { k1: "vermilion", k2: "purple", k3: "blue" };
const TOKENS = ["A", "B", "C", "D", "E", "F"];
const LIMIT = 5;

/** Builds the laboratory. */
export function start(root, { reference, step }) {
  const state = { distance: 2, policy: [], reference: [...reference] };
  const live = liveRegion({ class: "lab-live lab-verdict" });
  const numbers = table("The three estimates", ["estimate", "mean", "deviation", "below zero"]);
  const plot = responsive((width) => draw(width, moments(state.policy, state.reference)));
  const rows = TOKENS.map((token, i) => tokenRow(token, (value) => {
    state.policy[i] = value;
    show();
  }));
  const distance = slider({
    label: "Distance of the policy", min: 0, max: 3, step: 0.1, value: state.distance,
    format: (value) => fixed(value, 1), oninput: (value) => away(value),
  });

  // as in the chapter, the policy's logits are the reference's, moved along a fixed direction
  function away(value) {
    state.distance = value;
    state.reference = [...reference];
    state.policy = reference.map((logit, i) => logit + value * step[i]);
    show();
  }

  function show() {
    const now = moments(state.policy, state.reference);
    rows.forEach((row, i) => row.set(state.policy[i], now.pi[i], now.ref[i]));
    plot.redraw();
    const { k1, k2, k3 } = now.estimates;
    numbers.fill(Object.entries(now.estimates).map(([name, one]) => [
      el("span", {}, el("span", { class: `lab-key lab-fill-${COLOURS[name]}` }), name),
      [fixed(one.mean, 3), el("span", { class: "lab-exact" }, `bias ${Math.abs(one.bias) < 5e-4 ? "0" : signed(one.bias, 3)}`)],
      fixed(one.deviation, 3), percent(one.negative),
    ]));
    const start = `The divergence is ${fixed(now.exact, 3)} nats, and ${fixed(now.reverse, 3)} the other way round. `;
    if (now.exact < 5e-4) {
      live.say(`${start}Policy and reference are the same, and all three estimates are zero.`);
      return;
    }
    live.say(`${start}k1 and k3 have it as their mean, k2 is off by ${signed(k2.bias, 3)}. `
      + `A single k1 is negative with probability ${percent(k1.negative)}; k3 never is, and its deviation is ${fixed(k3.deviation / k1.deviation, 2)} times that of k1.`);
  }

  root.append(
    el("div", {}, distance,
      el("div", { class: "lab-row" },
        button("Near (0.3)", () => { distance.set(0.3); away(0.3); }),
        button("Far (2.0)", () => { distance.set(2); away(2); }),
        button("Exchange the two", () => {
          [state.policy, state.reference] = [state.reference, [...state.policy]];
          show();
        }))),
    el("div", { class: "kl-tokens", role: "group", "aria-label": "The policy's logit of each token" },
      el("p", { class: "kl-legend" }, "How probable each token is, and the policy's logit to move: ", el("span", { class: "kl-legend-entry" },
        el("span", { class: "lab-key lab-fill-blue" }), "policy"), el("span", { class: "kl-legend-entry" },
        el("span", { class: "lab-key kl-key-reference" }), "reference")),
      rows.map((row) => row.element)),
    live, plot, numbers,
    el("p", { class: "lab-note" }, "Each circle is a token that the policy may draw: where it lies is what the estimate says of it, "
      + "its area is how probable the policy draws it. Triangles are the means; nothing is sampled, so all numbers are exact."),
  );
  away(state.distance);
}

function tokenRow(token, oninput) {
  const bar = el("span", { class: "kl-bar" });
  const mark = el("span", { class: "kl-mark" });
  const share = el("span", { class: "kl-share" });
  const input = el("input", { type: "range", min: -LIMIT, max: LIMIT, step: 0.05, "aria-label": `Logit of token ${token} under the policy` });
  input.addEventListener("input", () => oninput(Number(input.value)));
  const element = el("div", { class: "kl-token" }, el("span", { class: "kl-name" }, token), input,
    el("span", { class: "kl-track" }, bar, mark), share);
  return {
    element,
    set(logit, p, q) {
      if (document.activeElement !== input || Math.abs(Number(input.value) - logit) > 0.05) input.value = logit;
      input.setAttribute("aria-valuetext", `logit ${fixed(logit)}, probability ${percent(p)}, under the reference ${percent(q)}`);
      bar.style.transform = `scaleX(${p})`;
      mark.style.left = `${100 * q}%`;
      share.textContent = percent(p);
    },
  };
}

const ROW = 58;

function draw(width, { exact, pi, estimates }) {
  const [left, right, top] = [34, width - 14, 22];
  const names = Object.keys(estimates);
  const bottom = top + names.length * ROW;
  const seen = names.flatMap((name) => estimates[name].values.filter((_, i) => pi[i] > 0.004));
  const [low, high] = [Math.min(-0.5, ...seen), Math.max(0.5, ...seen)];
  const x = scale([low - 0.06 * (high - low), high + 0.06 * (high - low)], [left, right]);
  const parts = names.flatMap((name, row) => {
    const y = top + (row + 0.5) * ROW;
    const { values, mean } = estimates[name];
    const order = pi.map((_, i) => i).sort((a, b) => pi[b] - pi[a]);
    return [
      el("line", { class: "lab-base", x1: left, x2: right, y1: y, y2: y }),
      words(4, y + 4, name, { class: "lab-strong" }),
      ...order.filter((i) => x(values[i]) >= left - 6 && x(values[i]) <= right + 6).map((i) => el("circle", {
        class: `lab-fill-${COLOURS[name]} kl-dot`, cx: x(values[i]).toFixed(1), cy: y, r: Math.max(2, 20 * Math.sqrt(pi[i])).toFixed(1),
      })),
      el("path", { class: "kl-mean", d: `M${x(mean).toFixed(1)},${y + 13} l-6,11 h12 Z` }),
    ];
  });
  const label = names.map((name) => `${name}: mean ${fixed(estimates[name].mean, 2)}`).join("; ");
  return picture(width, bottom + 42, `What each estimate says of each token. The divergence is ${fixed(exact, 2)} nats. ${label}.`,
    el("rect", { class: "kl-negative", x: left, y: top - 6, width: Math.max(0, x(0) - left), height: bottom - top + 6 }),
    ...bottomAxis(x, ticks(low, high, width < 420 ? 4 : 7), top - 6, bottom, "estimate, nats"),
    words(x(0) - 6, top + 6, x(0) - left > 80 ? "below zero" : "", { at: "end", class: "lab-tick" }),
    ...parts,
    line([[x(exact), top - 6], [x(exact), bottom]], { class: "lab-right" }),
    words(x(exact), top - 10, "KL", { at: "middle", class: "lab-strong" }));
}
