// The shipped frontier: what each method reaches at each setting of its dial, and what it writes there.

import { bottomAxis, leftAxis, legend, line, picture, responsive, scale, table, words } from "../chart.js";
import { choice, el, fixed, liveRegion, loadData, slider } from "../ui.js";

/** Points and texts are loaded when the reader asks for them. */
export function load() {
  return loadData("frontier");
}

const STYLES = {
  ppo: ["blue", null], rloo: ["vermilion", "6 4"], grpo: ["green", "8 3 2 3"], supervised: ["purple", "2 4"], "best-of-n": ["ink", "1 4"],
};

/** What a method's dial is called, and how a setting of it is written. */
export function dialOf(method) {
  if (method === "supervised") return { label: "Token passes", format: (dial) => dial.toLocaleString("en") };
  if (method === "best-of-n") return { label: "Responses to choose from, n", format: String };
  return { label: "Price β of a nat", format: (dial) => String(dial) };
}

/** Builds the laboratory. */
export function start(root, data) {
  const state = { method: "ppo", index: 2 };
  const live = liveRegion({ class: "lab-live lab-verdict" });
  const plot = responsive((width) => draw(width, data, state));
  const dial = el("div", {});
  const numbers = el("div", {});
  const texts = table("Texts on the same prompts", ["before training", "after"], { numbers: false });
  texts.classList.add("frontier-texts");

  const point = () => data.methods[state.method].points[state.index];
  function newDial() {
    const { label, format } = dialOf(state.method);
    const { points } = data.methods[state.method];
    dial.replaceChildren(slider({
      label, min: 0, max: points.length - 1, value: state.index, format: (index) => format(points[index].dial),
      oninput: (index) => {
        state.index = index;
        show();
      },
    }));
  }

  function show() {
    const { first, dial: setting, kl, rewards, seeds } = point();
    const { name } = data.methods[state.method];
    plot.redraw();
    const before = data.reference.first;
    const measured = table("Measured on held-out prompts", ["first seed", "reference", name]);
    measured.fill([["score", "reward", 2], ["KL, nats", "kl", 1], ["perplexity", "perplexity", 1], ["distinct-2", "distinct_2", 2]]
      .map(([row, key, digits]) => [row, fixed(before[key], digits), fixed(first[key], digits)]));
    numbers.replaceChildren(measured);
    texts.fill(before.texts.map((text, i) => [said(text, before.scores[i]), said(first.texts[i], first.scores[i])]));
    const mean = rewards.reduce((a, b) => a + b, 0) / seeds;
    live.say(`${name}, ${dialOf(state.method).label.replace(/^./, (c) => c.toLowerCase())} ${dialOf(state.method).format(setting)}: `
      + `mean score ${fixed(mean)} for ${fixed(kl, 1)} nats over ${seeds} seeds. ${judged(first, before)}`);
  }

  root.append(
    choice({
      label: "Method", value: state.method, options: Object.entries(data.methods).map(([key, { name }]) => [key, name]),
      onchange: (method) => {
        state.method = method;
        state.index = Math.min(state.index, data.methods[method].points.length - 1);
        newDial();
        show();
      },
    }),
    dial,
    el("div", { class: "lab-figure" }, legend([
      ...Object.entries(data.methods).map(([key, { name }]) => [name, ...STYLES[key]]), ["best possible", "ink"],
    ]), plot),
    live, numbers, texts,
    el("p", { class: "lab-note" }, `The course ships ${data.reference.first.texts.length} texts of the first seed for every setting, and these are all of them, `
      + "each with its score. Points in the plot are means over the seeds; the ring is the first seed, which wrote the texts."),
  );
  newDial();
  show();
}

/** What the numbers say about the language, beside the reference. */
export function judged(first, before) {
  const [strange, new2] = [first.perplexity / before.perplexity, first.distinct_2 / before.distinct_2];
  if (strange > 2) return `The perplexity is ${fixed(strange, strange < 10 ? 1 : 0)} times that of the reference: the language is lost.`;
  if (new2 < 0.6) return `Distinct-2 is ${fixed(new2)} times that of the reference: it repeats itself.`;
  return `Perplexity and distinct-2 are ${fixed(strange)} and ${fixed(new2)} times those of the reference.`;
}

function said(text, score) {
  return el("span", { class: "frontier-text" }, text, " ", el("span", { class: `frontier-score ${score > 0.5 ? "frontier-liked" : ""}` }, fixed(score)));
}

// linear up to 1 nat, logarithmic beyond, as in the chapter's figure
function stretched(nats) {
  return nats <= 1 ? nats : 1 + Math.log10(nats) * 1.6;
}

function draw(width, { methods, optimum, reference }, { method, index }) {
  const [left, right, top, bottom] = [38, width - 12, 12, 282];
  const x = scale([stretched(0), stretched(110)], [left + 8, right]);
  const y = scale([0.45, 1.02], [bottom, top]);
  const at = (kl, reward) => [x(stretched(kl)), y(reward)];
  const mean = ({ rewards }) => rewards.reduce((a, b) => a + b, 0) / rewards.length;
  const parts = Object.entries(methods).flatMap(([key, { points }]) => {
    const [colour, dashes] = STYLES[key];
    const mine = key === method;
    const all = points.map((point) => at(point.kl, mean(point)));
    return [
      line(all, { class: `lab-stroke-${colour}`, "stroke-width": mine ? 3 : 1.4, "stroke-opacity": mine ? 1 : 0.45, "stroke-dasharray": dashes }),
      ...all.map(([cx, cy]) => el("circle", { class: `frontier-point lab-fill-${colour}`, cx, cy, r: mine ? 5 : 3, "fill-opacity": mine ? 1 : 0.5 })),
    ];
  });
  const chosen = methods[method].points[index];
  const start = mean(reference);
  const [cx, cy] = at(chosen.kl, mean(chosen));
  const [fx, fy] = at(chosen.first.kl, chosen.first.reward);
  const axis = bottomAxis((nats) => x(stretched(nats)), width < 420 ? [0, 0.5, 1, 3, 10, 100] : [0, 0.5, 1, 3, 10, 30, 100], top, bottom, "KL divergence, nats per text");
  return picture(width, bottom + 42,
    `Score against divergence. ${methods[method].name} at this setting: ${fixed(mean(chosen))} for ${fixed(chosen.kl, 1)} nats, mean of ${chosen.seeds} seeds.`,
    ...axis, ...leftAxis(y, [0.5, 0.6, 0.7, 0.8, 0.9, 1], left, right),
    line(optimum.map(([kl, reward]) => at(kl, reward)), { class: "lab-stroke-ink", "stroke-width": 1.4 }),
    ...parts,
    line([[cx, cy], [fx, fy]], { class: "lab-stroke-ink", "stroke-width": 1, "stroke-opacity": 0.6 }),
    el("circle", { class: "frontier-first", cx: fx, cy: fy, r: 7 }),
    el("circle", { class: "lab-handle", cx, cy, r: 9 }),
    el("path", { class: "lab-stroke-ink", d: `M${x(0) - 5},${y(start) - 5} l10,10 m0,-10 l-10,10`, "stroke-width": 2 }),
    words(x(0) + 12, y(start) + 14, "reference", { class: "lab-tick" }));
}
