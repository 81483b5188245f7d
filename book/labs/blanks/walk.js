// The walk: one sentence on its way through the running model, box by box.
import { button, choice, el, fixed, liveRegion, newId, percent, slider } from "../ui.js";
import { PLACES, placeOf } from "./drawing.js";
import { heatmap, largestOf } from "./heatmap.js";
import { openModel } from "./model.js";
import { headOf, largest, numbersOf, readsWhere, rowOf, shapeInWords, softmax } from "./readings.js";

/** Loads the model, runs the sentence, and puts the walk in the place of the word bank. */
export async function startWalk({ walk, board, diagram, picture, spots, sentence, bank, side, whereabouts }) {
  const model = await openModel();
  let run = model.run(sentence);
  const state = { stop: 0, tensor: 0, head: 0, position: run.words.length - 1 };
  const stops = walk.stops;
  const blocks = Math.max(...stops.map((stop) => stop.block ?? -1)) + 1;

  const live = liveRegion({ class: "lab-unseen" });
  const places = Object.fromEntries(PLACES.map((place) => {
    const spot = el("button", { type: "button", class: "blanks-spot", "data-place": place.id, style: whereabouts(place), onclick: () => visit(place.id) });
    return [place.id, spot];
  }));
  spots.replaceChildren(...stops.filter((stop) => !stop.block).map((stop) => places[stop.place]));
  diagram.setAttribute("aria-label", "The decoder: each box shows what it computes");

  const back = button("Back", () => go(state.stop - 1));
  const next = button("Next", () => go(state.stop + 1), { primary: true });
  const along = slider({ label: "Step", min: 0, max: stops.length - 1, value: 0, format: (at) => `${at + 1} of ${stops.length}`, oninput: go });
  const content = el("div", { class: "walk-content" });
  const input = el("input", { class: "lab-input", id: newId("sentence"), value: sentence, autocomplete: "off", spellcheck: "false" });
  const complaint = liveRegion();
  const form = el("form", { class: "walk-form" },
    el("label", { for: input.id }, "Another sentence, in words that the model knows"), input,
    el("button", { type: "submit", class: "lab-button" }, "Run it"), complaint);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      run = model.run(input.value);
    } catch (error) {
      return complaint.say(error.message);
    }
    complaint.say("");
    state.position = run.words.length - 1;
    show();
    live.say(`The model has read ${run.words.length} tokens.`);
  });

  bank.replaceChildren(along, el("div", { class: "blanks-actions" }, back, next));
  side.replaceChildren(content, form, live);
  board.classList.add("is-walking");
  show();
  next.focus({ preventScroll: true });

  function go(to) {
    state.stop = Math.min(Math.max(to, 0), stops.length - 1);
    state.tensor = preferred(stops[state.stop]);
    along.set(state.stop);
    show();
    const stop = stops[state.stop];
    live.say(`${titleOf(stop)}: ${stop.tensors[state.tensor].meaning}`);
  }

  /** A box was pressed: in the block where the walk is, or else in the first one. */
  function visit(place) {
    const block = stops[state.stop].block ?? 0;
    go(stops.findIndex((stop) => stop.place === place && (stop.block ?? block) === block));
  }

  function show() {
    const stop = stops[state.stop];
    back.disabled = state.stop === 0;
    next.disabled = state.stop === stops.length - 1;
    for (const box of picture.querySelectorAll(".box")) box.classList.toggle("is-here", box.dataset.place === stop.place);
    for (const { place, name } of stops) {
      places[place].setAttribute("aria-label", `Go to ${name}`);
      places[place].setAttribute("aria-current", place === stop.place ? "step" : "false");
    }
    bringIntoView(placeOf(stop.place));
    const tensor = stop.tensors[state.tensor];
    const focused = content.contains(document.activeElement) ? legendOf(document.activeElement.closest("fieldset")) : null;
    content.replaceChildren(...[
      el("p", { class: "lab-heading walk-title" }, titleOf(stop)),
      blocksOf(stop),
      tensorsOf(stop),
      el("p", { class: "walk-meaning" }, sentenceCase(tensor.meaning), "."),
      ...viewOf(tensor, stop),
    ].filter(Boolean));
    // who goes through choices by keyboard stays where they are
    const same = [...content.querySelectorAll("fieldset")].find((group) => focused && legendOf(group) === focused);
    same?.querySelector("input:checked")?.focus({ preventScroll: true });
  }

  function titleOf(stop) {
    return stop.block === null ? stop.name : `${stop.name}, block ${stop.block}`;
  }

  /** The same box in the other blocks. */
  function blocksOf(stop) {
    if (stop.block === null) return null;
    const options = Array.from({ length: blocks }, (_, block) => [block, `block ${block}`]);
    const onchange = (block) => go(stops.findIndex((other) => other.place === stop.place && other.block === block));
    return compact(choice({ label: "Block", options, value: stop.block, onchange }));
  }

  /** Which of the tensors of a box is looked at. */
  function tensorsOf(stop) {
    if (stop.tensors.length < 2) return null;
    const options = stop.tensors.map((tensor, i) => [i, tensor.name]);
    const onchange = (i) => { state.tensor = i; show(); };
    return compact(choice({ label: "Look at", options, value: state.tensor, onchange }));
  }

  // ---- what a tensor looks like ------------------------------------------------------------------

  function viewOf(tensor, stop) {
    const found = run.tensor(tensor.hook);
    const shape = el("p", { class: "walk-shape" }, el("strong", {}, found.shape.join(" × ")), ` (${shapeInWords(tensor.axes, found.shape)})`);
    const where = el("p", { class: "walk-hook" }, "In the cache: ", el("code", {}, tensor.hook));
    if (tensor.axes[0] === "head") return [shape, ...headViews(found, tensor), where];
    if (tensor.axes.length === 1) return [shape, tokens({ numbers: found.values }), where];
    const row = rowOf(found, state.position);
    const word = run.words[state.position];
    const drawn = tokens({ picture: { values: found.values, shape: [found.shape[0], found.values.length / found.shape[0]] } });
    const said = el("p", { class: "walk-said" }, el("strong", {}, `“${word}”, position ${state.position}: `), numbersOf(row));
    if (stop.place === "l" || tensor.axes.at(-1) === "vocab") return [shape, drawn, ...scores(row, stop.place === "l"), where];
    return [shape, drawn, said, where];
  }

  function headViews(found, tensor) {
    const heads = Array.from({ length: found.shape[0] }, (_, head) => [head, String(head)]);
    const pick = compact(choice({ label: "Head", options: heads, value: state.head, onchange: (head) => { state.head = head; show(); } }));
    const one = headOf(found, state.head);
    const row = rowOf(one, state.position);
    const isPattern = tensor.hook.endsWith("pattern");
    const said = isPattern ? readsWhere(row, run.words, state.position) : numbersOf(row.subarray(0, state.position + 1));
    return [pick, tokens({ picture: one, columns: true }), el("p", { class: "walk-said" }, said)];
  }

  /** The five tokens with the largest scores at a position, or with the largest probabilities. */
  function scores(row, asProbabilities) {
    const shown = largest(asProbabilities ? softmax(row) : row, 5);
    const most = shown[0][1];
    return [
      el("p", { class: "walk-said" }, `After “${run.words[state.position]}”, ${asProbabilities ? "most probable" : "largest scores"}:`),
      el("ol", { class: "walk-scores" }, shown.map(([id, value]) => el("li", {},
        el("span", {}, model.word(id)),
        el("span", { class: "walk-bar", style: `--share:${Math.max(0, value / most).toFixed(3)}` }),
        el("span", { class: "walk-number" }, asProbabilities ? percent(value, 1) : fixed(value))))),
    ];
  }

  /** The tokens, one a row, to choose which is followed; beside them numbers, or a picture. */
  function tokens({ numbers = null, picture: drawn = null, columns = false }) {
    const name = newId("position");
    const rows = run.words.map((word, position) => {
      const radio = el("input", { type: "radio", name, value: position, checked: position === state.position });
      radio.addEventListener("change", () => follow(position));
      return el("label", {}, radio, el("span", { class: "walk-word" }, word), numbers ? el("span", { class: "walk-number" }, String(numbers[position])) : null);
    });
    const list = el("fieldset", { class: "walk-tokens" }, el("legend", {}, "Follow a token"), el("div", { class: "walk-rows" }, rows));
    if (!drawn) return list;
    const canvas = heatmap(drawn, state.position);
    const heads = columns ? el("div", { class: "walk-columns", "aria-hidden": "true" }, run.words.map((word) => el("span", {}, word))) : null;
    list.classList.add(columns ? "has-square" : "has-picture");
    list.style.setProperty("--rows", run.words.length);
    list.querySelector(".walk-rows").append(el("div", { class: "walk-picture" }, canvas, heads));
    list.append(el("p", { class: "walk-key" }, columns ? "A row reads, a column is read. " : "",
      el("span", { class: "is-blue" }, "Blue"), " above zero, ", el("span", { class: "is-red" }, "vermilion"),
      ` below; the strongest is ${fixed(largestOf(drawn.values))}.`));
    return list;
  }

  function follow(position) {
    state.position = position;
    show();
    live.say(content.querySelector(".walk-said")?.textContent ?? "");
  }

  /** On a narrow screen the diagram is a window that moves along with the walk. */
  function bringIntoView(place) {
    const scale = picture.getBoundingClientRect().height / 684;
    const top = (place.y + place.height / 2) * scale - diagram.clientHeight / 2;
    if (diagram.scrollHeight > diagram.clientHeight) diagram.scrollTop = top;
  }
}

/** A box with a pattern shows that first, any other box what it gives in the end. */
function preferred(stop) {
  const pattern = stop.tensors.findIndex((tensor) => tensor.name === "pattern");
  return pattern < 0 ? stop.tensors.length - 1 : pattern;
}

function legendOf(fieldset) {
  return fieldset?.querySelector("legend").textContent ?? null;
}

function compact(element) {
  element.classList.add("is-compact");
  return element;
}

function sentenceCase(text) {
  return /^[a-z]\w/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}
