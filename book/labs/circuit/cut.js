// The first view: one sentence, every head's attention and direct effect, heads to be switched off.

import { button, choice, el, fixed, liveRegion, menu, newId, percent, signed } from "../ui.js";
import { direction, directEffects, logitsAt, run } from "../runtime/gpt2.js";
import { hold, meanOutputs } from "../runtime/knockouts.js";
import { softmax } from "../runtime/linear.js";
import { effectBar, largeMap, shareRow, smallMap } from "./draw.js";
import { POSITIONS } from "./prompts.js";
import { corrupted, inWriting, readSentence } from "./sentence.js";

const REFERENCES = 32; // sentences behind a mean; with 20 it is off by a quarter of their spread
const GROWN = 0.05; // of a direct effect, in nats: what a sentence about backups mentions

const KINDS = [["zero", "zero"], ["mean", "its mean"], ["resample", "another sentence’s"], ["patch", "the corrupted sentence’s"]];

/** Meaning of a corruption, with the names that the sentence has. */
function describe(kind, { ioName, sName }) {
  return {
    abc: "three other names",
    "subject flip": `${ioName} is named again, not ${sName}`,
    "order flip": `${ioName} and ${sName} change places at first`,
    "random S1": `another name in place of the first ${sName}`,
    "random S2": `another name in place of the second ${sName}`,
  }[kind] ?? kind;
}

export function cutView({ model, language, data, state: stored, share }) {
  const heads = [];
  for (let layer = 0; layer < model.layers; layer += 1) {
    for (let head = 0; head < model.heads; head += 1) heads.push({ layer, head, name: `${layer}.${head}` });
  }
  const nameTokens = language.names.map((name) => language.tokenizer.id(name));
  const state = { text: data.sentences[0], off: new Set(), kind: "zero", at: "", corruption: data.corruptions[0].kind, selected: null, query: null };
  restore(state, stored, heads);
  if (!data.corruptions.some(({ kind }) => kind === state.corruption)) state.corruption = data.corruptions[0].kind;

  // what has been computed about the present sentence
  let sentence = null;
  let clean = null;
  let cleanEffects = null;
  let runs = {};

  const setText = (text) => {
    state.text = text;
    sentence = readSentence(text, language);
    state.query = null;
    runs = {};
    clean = sentence.problem ? null : run(model, sentence.tokens);
    if (!clean) return;
    cleanEffects = effectsOf(clean);
    if (!state.selected) state.selected = strongest(heads, cleanEffects);
  };

  const effectsOf = (ran) => {
    const { task } = sentence;
    return task ? directEffects(model, ran, direction(model, task.io, task.s)) : null;
  };

  /** The outputs that stand for "off": null for zero, and undefined where there are none. */
  const offOutputs = () => {
    if (state.kind === "zero") return null;
    if (!sentence.task) return undefined;
    const other = (slots, seed) => run(model, corrupted(sentence, slots, nameTokens, `${state.text} ${seed}`));
    if (state.kind === "mean") {
      const abc = ["X", "Y", "Z"];
      runs.mean ??= meanOutputs(Array.from({ length: REFERENCES }, (_, i) => other(abc, `mean ${i}`)));
      return runs.mean;
    }
    if (state.kind === "resample") {
      runs.resample ??= other(["X", "Y", "Z"], "resample");
      return runs.resample.z;
    }
    runs[state.corruption] ??= other(slotsOf(state.corruption), "patch");
    return runs[state.corruption].z;
  };

  const slotsOf = (kind) => data.corruptions.find((one) => one.kind === kind).names;

  const cutNow = () => {
    if (!state.off.size) return clean;
    const off = offOutputs();
    if (off === undefined) return clean;
    const position = state.at && sentence.task ? sentence.task.positions[state.at] : null;
    const nodes = heads.filter(({ name }) => state.off.has(name)).map(({ layer, head }) => ({ layer, head, position }));
    return run(model, sentence.tokens, hold(model, nodes, off));
  };

  // controls

  const textId = newId("sentence");
  const input = el("textarea", {
    id: textId, class: "lab-input circuit-sentence", rows: 2, value: state.text, spellcheck: "false", autocapitalize: "off",
    "aria-describedby": `${textId}-problem`, onkeydown: (event) => { if (event.key === "Enter") event.preventDefault(); },
  });
  const problem = el("p", { class: "circuit-problem", id: `${textId}-problem`, role: "status" });
  const sentences = menu({
    label: "Pick a sentence",
    options: [["", "of the task ..."], ...data.sentences.map((text) => [text, text])],
    onchange: (text) => {
      if (!text) return;
      input.value = text;
      setText(text);
      refresh();
    },
  });
  let waiting = 0;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      sentences.input.value = "";
      setText(input.value);
      refresh();
    }, 200);
  });

  const changed = () => {
    refresh();
    remember();
  };
  const remember = () => {
    const off = heads.filter(({ name }) => state.off.has(name)).map(({ name }) => name).join(",");
    const kind = state.kind === "patch" ? `patch ${state.corruption}` : state.kind;
    share([kind, state.at, off, state.text].join(";"));
  };
  const kinds = choice({ label: "Replace a head’s output by", options: KINDS, value: state.kind, onchange: (kind) => { state.kind = kind; changed(); } });
  const place = menu({
    label: "At the position",
    options: [["", "every position"], ...POSITIONS.map((name) => [name, name])],
    value: state.at,
    onchange: (at) => { state.at = at; changed(); },
  });
  const corruptions = el("div");
  const source = el("p", { class: "circuit-source lab-note" });
  const nothingOff = button("All heads on again", () => {
    state.off.clear();
    changed();
    cells[0].off.focus();
  });

  // what is shown

  const live = liveRegion();
  const answer = el("div", { class: "circuit-answer" });
  const shares = el("div", { class: "circuit-shares" });
  const grid = el("div", { class: "circuit-heads", role: "group", "aria-label": "Attention heads, a row for each layer", style: `--heads:${model.heads}` });
  const enlarged = el("div", { class: "circuit-enlarged" });
  const beside = el("span", { class: "circuit-beside", "aria-hidden": "true" }); // where a phone shows no more of the top
  const results = el("div", { class: "circuit-results" });

  const cells = heads.map((item) => {
    const map = el("button", { type: "button", class: "circuit-map", onclick: () => { state.selected = item.name; refresh(); } });
    const off = el("button", { type: "button", class: "circuit-off", onclick: () => {
      if (!state.off.delete(item.name)) state.off.add(item.name);
      changed();
    } }, item.name);
    const effect = el("span", { class: "circuit-effect" });
    const element = el("div", { class: "circuit-head" }, map, off, effect);
    return { ...item, map, off, effect, element };
  });
  for (let layer = 0; layer < model.layers; layer += 1) {
    grid.append(el("span", { class: "circuit-layer" }, `Layer ${layer}`),
      ...cells.filter((cell) => cell.layer === layer).map((cell) => cell.element));
  }

  function refresh() {
    const readable = Boolean(clean);
    input.toggleAttribute("aria-invalid", !readable);
    problem.textContent = sentence.problem ?? sentence.whyNot;
    results.hidden = !readable;
    if (!readable) return;
    const { task } = sentence;
    for (const option of kinds.querySelectorAll("input")) option.disabled = !task && option.value !== "zero";
    place.input.disabled = !task;
    if (!task && state.kind !== "zero") {
      state.kind = "zero";
      kinds.set("zero");
    }
    showSource(task);
    const now = cutNow();
    const effects = effectsOf(now);
    showAnswer(now, task);
    showHeads(now, effects);
    showEnlarged(now);
    nothingOff.disabled = !state.off.size;
    live.say(summary(now, effects, task));
  }

  function showSource(task) {
    const isPatch = state.kind === "patch" && task;
    corruptions.hidden = !isPatch;
    if (isPatch) {
      corruptions.replaceChildren(menu({
        label: "The corrupted sentence",
        options: data.corruptions.map(({ kind }) => [kind, describe(kind, task)]),
        value: state.corruption,
        onchange: (kind) => {
          state.corruption = kind;
          changed();
          corruptions.querySelector("select").focus();
        },
      }));
    }
    const written = (slots, seed) => inWriting(corrupted(sentence, slots, nameTokens, `${state.text} ${seed}`).slice(1).map((token) => language.tokenizer.words[token]));
    source.textContent = !task ? "" : {
      zero: "Zero is not neutral: later heads may count on what this head always writes.",
      mean: `The mean over ${REFERENCES} sentences like this one with three other names; the grammar stays.`,
      resample: `As in “${written(["X", "Y", "Z"], "resample")}”`,
      patch: `As in “${written(slotsOf(state.corruption), "patch")}”`,
    }[state.kind];
  }

  const figures = (ran, task) => {
    const logits = logitsAt(model, ran);
    const probabilities = softmax(logits);
    return { probabilities, difference: task ? logits[task.io] - logits[task.s] : null, io: task ? probabilities[task.io] : null };
  };

  function showAnswer(now, task) {
    const [before, after] = [figures(clean, task), figures(now, task)];
    const stat = (name, value, was) => el("div", { class: "circuit-stat" }, el("span", { class: "circuit-stat-name" }, name),
      el("strong", {}, value), el("span", { class: "lab-note" }, `intact ${was}`));
    answer.replaceChildren(...(task ? [
      stat("Logit difference", fixed(after.difference), fixed(before.difference)),
      stat(`Probability of ${task.ioName}`, percent(after.io, 1), percent(before.io, 1)),
    ] : []));
    beside.textContent = task ? `Logit difference ${fixed(after.difference)}, intact ${fixed(before.difference)}` : "";
    const order = Array.from(after.probabilities.keys()).sort((a, b) => after.probabilities[b] - after.probabilities[a]);
    shares.replaceChildren(el("p", { class: "circuit-heading" }, "Next word, with a tick where the intact model is"),
      ...order.slice(0, 5).map((token) => shareRow(language.tokenizer.words[token], after.probabilities[token], before.probabilities[token], token === task?.io)));
  }

  function showHeads(now, effects) {
    const limit = effects ? Math.max(1, ...cleanEffects.map(Math.abs), ...effects.map(Math.abs)) : 1;
    cells.forEach((cell, index) => {
      const isOff = state.off.has(cell.name);
      cell.element.classList.toggle("is-off", isOff);
      cell.map.replaceChildren(smallMap(now.pattern[cell.layer], cell.head, now.length));
      cell.map.setAttribute("aria-pressed", String(cell.name === state.selected));
      cell.map.setAttribute("aria-label", `Head ${cell.name}: enlarge its attention`);
      cell.off.setAttribute("aria-pressed", String(isOff));
      cell.off.setAttribute("aria-label", effects
        ? `Knock out head ${cell.name}; direct effect ${signed(effects[index])}` : `Knock out head ${cell.name}`);
      cell.effect.replaceChildren(...(effects ? [effectBar(effects[index], cleanEffects[index], limit), el("span", { "aria-hidden": "true" }, signed(effects[index]))] : []));
    });
  }

  function showEnlarged(now) {
    const { layer, head, name } = heads.find((item) => item.name === state.selected);
    const words = sentence.words;
    const query = state.query ?? words.length - 1;
    const start = (head * now.length + query) * now.length;
    const row = now.pattern[layer].subarray(start, start + query + 1);
    const focused = enlarged.contains(document.activeElement) ? Number(document.activeElement.dataset.at) : null;
    const strip = el("div", { class: "circuit-words", role: "group", "aria-label": `Words; press one to see what head ${name} reads from there` },
      words.map((word, at) => el("button", {
        type: "button", "data-at": at, class: "circuit-token", "aria-pressed": String(at === query),
        style: `--share:${at <= query ? (100 * row[at]).toFixed(0) : 0}%`,
        "aria-label": `${word}${at <= query ? `, attention ${percent(row[at])}` : ", later"}`,
        onclick: () => { state.query = at; refresh(); },
      }, word)));
    const most = row.indexOf(Math.max(...row));
    enlarged.replaceChildren(
      el("p", { class: "circuit-heading" }, `Head ${name}: from “${words[query]}” it reads most from “${words[most]}” (${percent(row[most])})`),
      strip,
      el("div", { class: "lab-scroll", tabindex: 0, role: "group", "aria-label": "Attention pattern" }, largeMap(now.pattern[layer], head, words, query)));
    if (focused !== null) enlarged.querySelector(`[data-at="${focused}"]`)?.focus();
  }

  function summary(now, effects, task) {
    const off = heads.filter(({ name }) => state.off.has(name)).map(({ name }) => name);
    if (!task) return off.length ? `Heads off: ${off.join(", ")}.` : "";
    const [before, after] = [figures(clean, task), figures(now, task)];
    if (!off.length) {
      return `Intact: the logit difference is ${fixed(before.difference)}. Press a head’s number to switch it off.`;
    }
    const first = Math.min(...heads.filter(({ name }) => state.off.has(name)).map(({ layer }) => layer));
    const grown = heads.map(({ name, layer }, i) => ({ name, layer, by: effects[i] - cleanEffects[i] }))
      .filter(({ name, by }) => by > GROWN && !state.off.has(name)).sort((a, b) => b.by - a.by).slice(0, 3);
    // a head that comes no later cannot know what is off: its share grows by LayerNorm's arithmetic
    const steppedIn = grown.length
      ? ` The direct effect of ${grown.map(({ name, by, layer }) => `${name} grows by ${fixed(by)}${layer > first ? "" : "*"}`).join(", of ")}.`
        + (grown.some(({ layer }) => layer <= first) ? " (* Not a response: it comes no later, and LayerNorm divides by less.)" : "")
      : " No other head’s direct effect grows.";
    return `Without ${off.join(", ")} the logit difference goes from ${fixed(before.difference)} to ${fixed(after.difference)}.${steppedIn}`;
  }

  results.append(
    el("div", { class: "circuit-top" }, el("div", {}, answer, live), shares),
    el("div", { class: "circuit-controls" }, kinds, place, corruptions),
    source,
    el("div", {}, el("div", { class: "circuit-title" }, el("p", { class: "circuit-heading" }, "Heads"), beside, nothingOff),
      el("p", { class: "lab-note" }, "Press a picture to enlarge a head’s attention, and its number to switch it off. The bar is its direct effect on the logit difference, with a tick where it was."),
      grid),
    enlarged,
  );
  const element = el("div", { class: "circuit-view" },
    el("div", { class: "lab-columns" }, el("div", { class: "lab-field" }, el("label", { for: textId }, "The sentence, up to the answer"), input), sentences),
    problem, results);
  setText(state.text);
  refresh();
  return { element };
}

/** The head with the largest direct effect; the first of the last layer where there are none. */
function strongest(heads, effects) {
  if (!effects) return heads.at(-1).name;
  return heads[effects.indexOf(Math.max(...effects))].name;
}

/** Takes over what an address holds, as far as it makes sense. */
function restore(state, stored, heads) {
  if (stored === null) return;
  const [kind = "", at = "", off = "", ...text] = stored.split(";");
  const [name, ...corruption] = kind.split(" ");
  if (KINDS.some(([known]) => known === name)) state.kind = name;
  if (corruption.length) state.corruption = corruption.join(" ");
  if (POSITIONS.includes(at)) state.at = at;
  const known = new Set(heads.map((item) => item.name));
  for (const item of off.split(",")) if (known.has(item)) state.off.add(item);
  if (text.length) state.text = text.join(";");
}
