// Generalised advantage estimation on a text: which token gets the credit as lambda moves.

import { picture, plain, responsive, scale, ticks, words } from "../chart.js";
import { choice, el, fixed, liveRegion, loadData, menu, signed, slider } from "../ui.js";
import { gae } from "./gae.js";

/** The texts are loaded when the reader asks for them. */
export function load() {
  return loadData("advantages");
}

/** Builds the laboratory. */
export function start(root, data) {
  const state = { text: 0, critic: "reads", lambda: 0.95 };
  const live = liveRegion({ class: "lab-live lab-verdict" });
  const shown = el("p", { class: "gae-text" });
  let now;
  const plot = responsive((width) => draw(width, now));

  function show() {
    const { prompt, tokens, score, values: read } = data.texts[state.text];
    const values = state.critic === "reads" ? read : read.map(() => data.constant);
    const rewards = tokens.map((_, t) => (t === tokens.length - 1 ? score : 0));
    const advantages = gae(rewards, values, 1, state.lambda);
    // the same axis for every lambda, so that the bars can be compared while it moves
    const extremes = [0, 1].flatMap((lambda) => gae(rewards, values, 1, lambda));
    const axis = [Math.min(0, ...extremes), Math.max(0, ...extremes)];
    now = { tokens, values, advantages, lambda: state.lambda, axis };
    shown.replaceChildren(el("span", { class: "gae-prompt" }, `${prompt} `), ...tokens.flatMap((token, t) => [
      el("span", { class: token === "end" ? "gae-token gae-end" : "gae-token", style: tint(advantages[t]) }, token), " ",
    ]), el("strong", { class: "gae-score" }, `score ${fixed(score)}`));
    plot.redraw();
    const largest = advantages.reduce((best, a, t) => (Math.abs(a) > Math.abs(advantages[best]) ? t : best), 0);
    const what = `Furthest from zero is the advantage of ${name(tokens[largest])}, ${signed(advantages[largest])}. `;
    if (state.lambda === 1) {
      live.say(`${what}With λ = 1 each token gets the score minus its own value: whatever the critic says, nothing is biased, and tokens that changed nothing share in what came.`);
    } else if (state.lambda === 0) {
      live.say(what + (state.critic === "reads"
        ? "With λ = 0 each token gets the change of the value that it made: the critic decides alone."
        : "With λ = 0 the critic decides alone, and this one sees no difference between the tokens: only the last one learns of the score."));
    } else {
      live.say(`${what}A change of the value k tokens later counts ${fixed(state.lambda)} to the power of k.`);
    }
  }

  const set = (key, value) => {
    state[key] = value;
    show();
  };
  root.append(
    menu({
      label: "Text", value: "0", onchange: (value) => set("text", Number(value)),
      options: data.texts.map(({ prompt, tokens }, i) => [String(i), [prompt, ...tokens.slice(0, -1)].join(" ").replaceAll(" .", ".")]),
    }),
    choice({
      label: "Critic", value: state.critic, onchange: (value) => set("critic", value),
      options: [["reads", "reads the text"], ["constant", "always says the same"]],
    }),
    slider({
      label: "λ of GAE", min: 0, max: 1, step: 0.05, value: state.lambda,
      format: (value) => fixed(value), oninput: (value) => set("lambda", value),
    }),
    shown, plot, live,
    el("p", { class: "lab-note" }, `The score is paid at the end token. The critic that reads is the mean score of ${data.continuations} `
      + "continuations that the model writes from each place, so it is right up to noise; the other one says "
      + `${fixed(data.constant)} everywhere.`),
  );
  show();
}

function name(token) {
  return token === "end" ? "the end token" : `“${token}”`;
}

function tint(advantage) {
  const colour = advantage < 0 ? "--lab-vermilion" : "--lab-blue";
  const share = Math.min(36, Math.round(70 * Math.abs(advantage))); // more would drown the word;
  return `background: color-mix(in srgb, var(${colour}) ${share}%, transparent)`;
}

const ROW = 30;

/** One row for each token: the value before it, and its advantage. */
function draw(width, { tokens, values, advantages, lambda, axis }) {
  const [top, left] = [46, width < 420 ? 86 : 110];
  const split = left + Math.max(66, (width - left) * 0.26);
  const bottom = top + tokens.length * ROW;
  const value = scale([0, 1], [left + 6, split - 16]);
  const advantage = scale(axis, [split + (axis[0] < -0.01 ? 40 : 8), width - (axis[1] > 0.01 ? 46 : 10)]);
  const marks = ticks(...axis, width < 420 ? 2 : 4);
  const middle = (row) => top + (row + 0.5) * ROW;
  const path = values.map((v, row) => `${row ? "L" : "M"}${value(v).toFixed(1)},${middle(row)}`).join("");
  return picture(width, bottom + 22,
    `For each token the critic's value before it and its advantage with lambda ${fixed(lambda)}: ${tokens.map((token, t) => `${token} ${signed(advantages[t])}`).join(", ")}.`,
    words((value(0) + value(1)) / 2, 16, width < 420 ? "value" : "value before", { at: "middle", class: "lab-axis" }),
    words(value(0), 34, "0", { class: "lab-tick", at: "middle" }), words(value(1), 34, "1", { class: "lab-tick", at: "middle" }),
    words((advantage(axis[0]) + advantage(axis[1])) / 2, 16, "advantage", { at: "middle", class: "lab-axis" }),
    ...marks.map((tick) => words(advantage(tick), 34, plain(tick), { at: "middle", class: "lab-tick" })),
    ...[0, 0.5, 1].map((tick) => el("line", { class: "lab-grid", x1: value(tick), x2: value(tick), y1: top - 4, y2: bottom })),
    ...marks.map((tick) => el("line", { class: "lab-grid", x1: advantage(tick), x2: advantage(tick), y1: top - 4, y2: bottom })),
    el("line", { class: "lab-base", x1: advantage(0), x2: advantage(0), y1: top - 4, y2: bottom }),
    el("path", { d: path, fill: "none", class: "lab-stroke-green", "stroke-width": 2 }),
    ...tokens.flatMap((token, row) => {
      const [zero, end] = [advantage(0), advantage(advantages[row])];
      const positive = advantages[row] >= 0;
      return [
        words(left - 8, middle(row) + 5, token === "end" ? "end token" : token, { at: "end", class: token === "end" ? "lab-tick" : null }),
        el("circle", { class: "lab-fill-green", cx: value(values[row]).toFixed(1), cy: middle(row), r: 4 }),
        el("rect", {
          class: `lab-fill-${positive ? "blue" : "vermilion"}`, x: Math.min(zero, end).toFixed(1), y: middle(row) - 9,
          width: Math.abs(end - zero).toFixed(1), height: 18, rx: 2,
        }),
        words(end + (positive ? 5 : -5), middle(row) + 5, signed(advantages[row]), { at: positive ? "start" : "end", class: "lab-tick" }),
      ];
    }));
}
