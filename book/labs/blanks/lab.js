// Laboratory of section 1: fill the blanks of the decoder, then follow a sentence through it.
import { button, el, liveRegion, loadData } from "../ui.js";
import { HEIGHT, PLACES, WIDTH, drawing, placeOf, placeOfBlank } from "./drawing.js";
import { emptyFilling, holderOf, inBank, openWalk, verdicts, withLabel, without } from "./filling.js";
import { startWalk } from "./walk.js";

const EXERCISE = "1"; // that the laboratory solves
const FAR = 6; // pixels that a finger may tremble before it drags

/** What the laboratory needs besides the model, which only the walk loads. */
export function load() {
  return loadData("blanks");
}

/** Builds the laboratory. */
export function start(root, data) {
  const state = { filling: emptyFilling(data.blanks), picked: null, blank: null, said: {} };
  const live = liveRegion({ class: "lab-unseen" });
  const score = el("p", { class: "blanks-score" });
  const chips = el("div", { class: "blanks-chips", role: "group", "aria-label": "Word bank" });
  const check = button("Check my labels", () => checkAll(), { primary: true });
  const again = button("Empty all blanks", () => empty());
  const bank = el("div", { class: "blanks-bank" },
    el("p", { class: "blanks-title" }, "Word bank"), chips,
    el("div", { class: "blanks-actions" }, check, again), score);
  const picture = el("div", { class: "blanks-picture" });
  const spots = el("div", { class: "blanks-spots" });
  const diagram = el("div", { class: "blanks-diagram", role: "group", "aria-label": "The decoder, from the bottom up" },
    el("div", { class: "blanks-canvas" }, picture, spots));
  const feedback = el("ol", { class: "blanks-feedback", "aria-label": "What the check says of each blank" });
  const side = el("div", { class: "blanks-side" }, feedback);
  const help = el("p", { class: "lab-note" },
    "Drag each label to its blank, or tap a label and then a blank. " +
    "By keyboard: Enter picks a label up, and a digit puts it into the blank of that number.");
  const board = el("div", { class: "blanks-board" }, bank, diagram, side);
  root.append(help, board, live);

  const buttons = Object.fromEntries([...data.blanks].sort((a, b) => b - a).map((blank) => {
    const place = placeOfBlank(blank);
    const spot = el("button", { type: "button", class: "blanks-spot", "data-blank": blank, style: whereabouts(place) });
    spot.addEventListener("keydown", (event) => keyOnBlank(event, blank));
    draggable(spot, () => state.filling[blank], () => pressBlank(blank));
    return [blank, spot];
  }));
  // numbered along the way of the data, so Tab goes the same way
  spots.append(...data.blanks.map((blank) => buttons[blank]));
  const chipOf = Object.fromEntries(data.bank.map((label) => {
    const chip = el("button", { type: "button", class: "blanks-chip", "data-label": label }, label);
    chip.addEventListener("keydown", (event) => keyOnChip(event, label));
    draggable(chip, () => label, () => pressChip(label));
    return [label, chip];
  }));
  chips.append(...Object.values(chipOf));
  show();

  // ---- what a reader does ------------------------------------------------------------------------

  function pressChip(label) {
    if (state.blank !== null) put(label, state.blank);
    else pick(state.picked === label ? null : label);
  }

  function pressBlank(blank) {
    const label = state.filling[blank];
    if (state.picked !== null) return put(state.picked, blank);
    if (label) return pick(label);
    state.blank = state.blank === blank ? null : blank;
    show();
    live.say(state.blank === null ? "" : `Blank ${blank}: now choose a label of the word bank.`);
  }

  function keyOnChip(event, label) {
    if (event.key === "Escape") return letGo();
    if (data.blanks.includes(Number(event.key))) put(label, Number(event.key));
  }

  function keyOnBlank(event, blank) {
    const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    const next = data.blanks[data.blanks.indexOf(blank) + step];
    if (event.key === "Escape") letGo();
    else if (["Delete", "Backspace"].includes(event.key) && state.filling[blank]) takeOut(blank);
    else if (next !== undefined) buttons[next].focus();
    else return;
    event.preventDefault();
  }

  function pick(label) {
    state.picked = label;
    state.blank = null;
    show();
    if (label === null) return live.say("");
    live.say(`${label} is picked up: choose its blank.`);
  }

  function letGo() {
    state.picked = state.blank = null;
    show();
    live.say("");
  }

  function put(label, blank) {
    const fromChip = document.activeElement === chipOf[label];
    const before = state.filling;
    state.filling = withLabel(state.filling, label, blank);
    state.picked = state.blank = null;
    forget(before);
    show();
    const left = inBank(data.bank, state.filling);
    // the chip is gone from the bank: go on with the next one, or with the check
    if (fromChip) (left.length ? chipOf[left[0]] : check).focus({ preventScroll: true });
    live.say(`${label} stands in blank ${blank}. ${left.length ? `${left.length} left.` : "All are filled: check them."}`);
  }

  function takeOut(blank) {
    const label = state.filling[blank];
    const before = state.filling;
    state.filling = without(state.filling, blank);
    forget(before);
    letGo();
    live.say(`Blank ${blank} is empty, and ${label} is back in the word bank.`);
  }

  function empty() {
    state.filling = emptyFilling(data.blanks);
    state.said = {};
    score.textContent = "";
    letGo();
    live.say("All blanks are empty.");
  }

  /** A blank whose label has changed loses what was said of it. */
  function forget(before) {
    for (const blank of data.blanks) if (before[blank] !== state.filling[blank]) delete state.said[blank];
  }

  function checkAll() {
    state.said = verdicts(data, state.filling);
    letGo();
    const filled = Object.keys(state.said).length;
    const right = Object.values(state.said).filter((said) => said.right).length;
    score.textContent = filled
      ? `${right} of ${data.blanks.length} blanks are right.`
      : "Put a label of the word bank into a blank first.";
    if (right === data.blanks.length) return finish();
    live.say(score.textContent);
  }

  // ---- when all are right ------------------------------------------------------------------------

  function finish() {
    const walk = openWalk(data, state.filling);
    document.dispatchEvent(new CustomEvent("exercise-passed", { detail: EXERCISE })); // for the list of progress
    const go = button("Follow a sentence through the model", begin, { primary: true });
    const problem = liveRegion();
    score.textContent = "";
    bank.replaceChildren(
      el("p", { class: "blanks-done" }, el("strong", {}, "All five are right. "), walk.learned),
      el("div", { class: "blanks-actions" }, go, button("Fill them again", () => { root.replaceChildren(); start(root, data); })),
      problem);
    spots.replaceChildren();
    help.hidden = true;
    go.focus({ preventScroll: true });
    live.say(`All five blanks are right. ${walk.learned}`);

    async function begin() {
      go.disabled = true;
      problem.say("Loading the model ...");
      try {
        await startWalk({ walk, board, diagram, picture, spots, sentence: data.sentence, bank, side, whereabouts });
        live.say("");
      } catch (error) {
        console.error(error);
        problem.say(error.message);
        go.disabled = false;
      }
    }
  }

  // ---- what is shown -----------------------------------------------------------------------------

  function show() {
    const marks = Object.fromEntries(Object.entries(state.said).map(([blank, said]) => [blank, said.right ? "right" : "wrong"]));
    picture.innerHTML = drawing(state.filling, marks);
    for (const blank of data.blanks) {
      const label = state.filling[blank];
      const said = { right: ", right", wrong: ", not right" }[marks[blank]] ?? "";
      buttons[blank].setAttribute("aria-label", `Blank ${blank}: ${label || "empty"}${said}`);
      buttons[blank].setAttribute("aria-pressed", String(state.blank === blank || (label !== "" && state.picked === label)));
      buttons[blank].classList.toggle("is-open", state.picked !== null);
    }
    for (const [label, chip] of Object.entries(chipOf)) {
      chip.hidden = holderOf(state.filling, label) !== null;
      chip.setAttribute("aria-pressed", String(state.picked === label));
    }
    chips.classList.toggle("is-empty", inBank(data.bank, state.filling).length === 0);
    feedback.replaceChildren(...data.blanks.filter((blank) => state.said[blank]).map((blank) => {
      const { right, advice } = state.said[blank];
      return el("li", { class: right ? "is-right" : "is-wrong" },
        el("p", {}, el("strong", {}, `${right ? "✓" : "✗"} Blank ${blank} `),
          right ? `is ${state.filling[blank]}.` : `is not ${state.filling[blank]}. ${advice}`));
    }));
    feedback.hidden = !feedback.childElementCount;
  }

  // ---- dragging ----------------------------------------------------------------------------------

  /** Lets a label be dragged from an element; `press` is what a tap, a click or Enter does. */
  function draggable(element, labelOf, press) {
    let from = null;
    let ghost = null;
    let dragged = false;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !labelOf()) return;
      from = { x: event.clientX, y: event.clientY };
      dragged = false;
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      if (!from) return;
      if (!ghost && Math.hypot(event.clientX - from.x, event.clientY - from.y) > FAR) {
        dragged = true;
        ghost = el("div", { class: "blanks-ghost", "aria-hidden": "true" }, labelOf());
        board.append(ghost);
        board.classList.add("is-dragging");
      }
      if (!ghost) return;
      ghost.style.left = `${event.clientX}px`;
      ghost.style.top = `${event.clientY}px`;
      const over = blankAt(event);
      for (const blank of data.blanks) buttons[blank].classList.toggle("is-over", blank === over);
    });
    const end = (event) => {
      if (ghost && event.type === "pointerup") {
        const blank = blankAt(event);
        if (blank !== null) put(labelOf(), blank);
        else if (element.dataset.blank && !inside(diagram, event)) takeOut(Number(element.dataset.blank));
      }
      ghost?.remove();
      board.classList.remove("is-dragging");
      for (const blank of data.blanks) buttons[blank].classList.remove("is-over");
      from = ghost = null;
    };
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
    element.addEventListener("click", () => {
      if (!dragged) press();
      dragged = false;
    });
  }

  /** The blank under the pointer, or near it, as a finger hides what it points at. */
  function blankAt(event) {
    const near = data.blanks.map((blank) => {
      const box = buttons[blank].getBoundingClientRect();
      const x = Math.max(box.left - event.clientX, 0, event.clientX - box.right);
      const y = Math.max(box.top - event.clientY, 0, event.clientY - box.bottom);
      return [Math.hypot(x, y), blank];
    });
    const [distance, blank] = near.sort((a, b) => a[0] - b[0])[0];
    return distance < 14 ? blank : null;
  }
}

function inside(element, event) {
  const box = element.getBoundingClientRect();
  return event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
}

/** Where a place lies on the picture, as a style; small ones get a margin for fingers. */
function whereabouts({ x, y, width, height }) {
  const grow = Math.max(0, (34 - height) / 2);
  const share = (value, of) => `${((100 * value) / of).toFixed(3)}%`;
  return `left:${share(x, WIDTH)};top:${share(y - grow, HEIGHT)};width:${share(width, WIDTH)};height:${share(height + 2 * grow, HEIGHT)}`;
}
