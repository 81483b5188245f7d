// Laboratory of section 5: the words of a sentence as players, switched on and off by hand.
import { button, choice, el, fixed, liveRegion, loadData, mayMove, newId, percent, signed } from "../ui.js";
import { MOST_WORDS, Tally, coalitionsBySize, exactShapley, marginal, membersOf, mixedOrders, stepsOf } from "./game.js";
import { openModel } from "./model.js";

const HIDDEN = "...";

/** The sentences with SHAP's values, and the classifier. */
export async function load() {
  const data = await loadData("shapley");
  return { ...data, model: await openModel(data) };
}

/** Builds the laboratory. */
export async function start(root, data) {
  const live = liveRegion({ class: "lab-unseen" });
  const texts = data.sentences.map((sentence) => sentence.text);
  const pick = choice({ label: "A sentence", options: texts.map((text) => [text, text]), value: texts[0], onchange: (text) => read(text) });
  const why = el("p", { class: "lab-note shap-why" });
  const own = ownWords(data, read);
  const switches = el("section", { class: "shap-part", "aria-label": "Switch words on and off" });
  const orders = el("section", { class: "shap-part", "aria-label": "Let the words join in every order" });
  root.append(el("div", { class: "shap-choose" }, pick, why, own.element), switches, orders, live);
  let turn = 0; // a sentence chosen later makes an unfinished one stop
  await read(texts[0]);

  async function read(text) {
    turn += 1;
    const mine = turn;
    let words;
    try {
      words = data.model.wordsOf(text, MOST_WORDS);
    } catch (problem) {
      return own.complain(problem.message);
    }
    own.complain("");
    const offered = data.sentences.find((sentence) => sentence.text === words.join(" "));
    pick.set(offered?.text ?? null);
    why.textContent = offered ? offered.why : "Your own words. SHAP runs in Python, so the exact values stand alone here.";
    const worth = await worthOfAll(data.model, words, () => mine === turn);
    if (worth === null) return;
    play({ words, worth, offered, output: data.output, switches, orders, live });
  }
}

/** The worth of all coalitions, with a pause now and then so that the page stays awake. */
async function worthOfAll(model, words, wanted) {
  const worth = new Float64Array(2 ** words.length);
  let since = performance.now();
  for (let coalition = 0; coalition < worth.length; coalition++) {
    worth[coalition] = model.worth(words, membersOf(coalition, words.length));
    if (performance.now() - since < 40) continue;
    await new Promise((resolve) => setTimeout(resolve));
    since = performance.now();
    if (!wanted()) return null;
  }
  return worth;
}

/** The form for a reader's own words, and the words there are. */
function ownWords(data, read) {
  const input = el("input", { class: "lab-input", id: newId("words"), autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
  const complaint = liveRegion({ class: "lab-live shap-complaint" });
  const form = el("form", { class: "walk-form" },
    el("label", { for: input.id }, `Or your own, of at most ${MOST_WORDS} words`), input,
    el("button", { type: "submit", class: "lab-button" }, "Take it"), complaint);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    read(input.value);
  });
  const known = el("details", { class: "shap-known" },
    el("summary", {}, `The ${data.model.vocabulary.length} words that the classifier knows`),
    el("p", {}, data.model.vocabulary.join(" ")));
  return { element: el("div", {}, form, known), complain: (text) => complaint.say(text) };
}

/** Both parts of the laboratory, for one sentence. */
function play({ words, worth, offered, output, switches, orders, live }) {
  const players = words.length;
  const everybody = worth.length - 1;
  const limit = Math.max(...Array.from(worth, Math.abs), 1);
  const exact = exactShapley(worth);
  const state = { coalition: everybody, tally: new Tally(players), done: 0, steps: [], order: null, running: false };
  const queue = mixedOrders(players);
  const step = (count) => `${count} ${count === 1 ? "order" : "orders"}`;

  // ---- words on and off ----------------------------------------------------------------------------

  const toggles = words.map((word, player) => el("button", { type: "button", class: "shap-word", onclick: () => toggle(player) },
    el("span", { class: "shap-on" }, word), el("span", { class: "shap-state", "aria-hidden": "true" })));
  const gauge = el("div", { class: "shap-gauge" });
  const change = el("p", { class: "shap-change" });
  const list = el("div", { class: "shap-coalitions", role: "group", "aria-label": `All ${worth.length} coalitions` });
  const rows = coalitionsBySize(players).map((coalition) => [coalition, el("button", { type: "button", class: "shap-row", onclick: () => choose(coalition) },
    el("span", { class: "shap-shown" }, shown(coalition)), bar(worth[coalition], limit), el("span", { class: "shap-number" }, signed(worth[coalition])))]);
  list.append(...rows.map(([, row]) => row));
  switches.replaceChildren(
    el("p", { class: "lab-heading" }, "Switch words on and off"),
    el("p", { class: "lab-note" }, "A word that is off is replaced by the mask. The classifier reads what is left, at once."),
    el("div", { class: "shap-words", role: "group", "aria-label": "The words" }, toggles), gauge, change,
    el("details", { class: "shap-all" }, el("summary", {}, `What each of the ${worth.length} coalitions is worth`), list));

  function toggle(player) {
    const off = state.coalition & ~(1 << player);
    const joins = state.coalition === off;
    const added = marginal(worth, off, player);
    const others = off === 0 ? "to nothing" : `to “${shown(off)}”`;
    const said = joins ? `Added ${others}, “${words[player]}” gives ${signed(added)}.` : `Without “${words[player]}” the output changes by ${signed(-added)}.`;
    set(state.coalition ^ (1 << player), said);
  }

  function choose(coalition) {
    set(coalition, "");
  }

  function set(coalition, said) {
    state.coalition = coalition;
    showCoalition();
    change.textContent = said;
    live.say(`${shown(coalition)}: log odds ${signed(worth[coalition])}. ${said}`);
  }

  function shown(coalition) {
    return words.map((word, i) => ((coalition >> i) & 1 ? word : HIDDEN)).join(" ");
  }

  function showCoalition() {
    const value = worth[state.coalition];
    toggles.forEach((toggled, i) => {
      const on = (state.coalition >> i) & 1;
      toggled.setAttribute("aria-pressed", String(Boolean(on)));
      toggled.querySelector(".shap-state").textContent = on ? "on" : "mask";
    });
    gauge.replaceChildren(
      el("p", { class: "shap-output" }, el("span", {}, `log odds of “${output}” `), el("strong", {}, signed(value)),
        el("span", { class: "shap-odds" }, ` probability ${percent(1 / (1 + Math.exp(-value)), Math.abs(value) > 4 ? 1 : 0)}`)),
      bar(value, limit),
      el("p", { class: "shap-ends", "aria-hidden": "true" }, el("span", {}, `against “${output}”`), el("span", {}, "undecided"), el("span", {}, `for “${output}”`)));
    for (const [coalition, row] of rows) row.setAttribute("aria-current", String(coalition === state.coalition));
  }

  // ---- order by order --------------------------------------------------------------------------------

  const counter = el("p", { class: "shap-counter" });
  const joining = el("ol", { class: "shap-joining" });
  const table = el("table", { class: "shap-table" });
  const nextWord = button("Next word joins", () => joinNext(), { primary: true });
  const finish = button("Finish this order", () => finishOrder());
  const all = button(`All ${queue.length} orders`, () => finishAll());
  const again = button("From the beginning", () => restart());
  const conclusion = el("p", { class: "shap-conclusion" });
  orders.replaceChildren(
    el("p", { class: "lab-heading" }, "Let the words join, order by order"),
    el("p", { class: "lab-note" }, "What a word adds depends on who is there already. Its share is the average over all orders."),
    counter, joining, el("div", { class: "blanks-actions" }, nextWord, finish, all, again),
    el("div", { class: "lab-scroll", tabindex: 0, role: "group", "aria-label": "Shares of the words" }, table), conclusion);
  showCoalition();
  change.textContent = "";
  showOrders();

  function joinNext() {
    if (state.done === queue.length) return;
    state.order ??= stepsOf(worth, queue[state.done]);
    if (state.steps.length === players) startNextOrder();
    const taken = state.order[state.steps.length];
    state.steps.push(taken);
    state.tally.add(taken);
    if (state.steps.length === players) state.done += 1;
    state.coalition = taken.after;
    showCoalition();
    change.textContent = "";
    showOrders();
    live.say(`${words[taken.player]} joins and adds ${signed(taken.added)}.`);
  }

  function startNextOrder() {
    state.order = stepsOf(worth, queue[state.done]);
    state.steps = [];
  }

  function finishOrder() {
    do joinNext(); while (state.steps.length < players);
    live.say(`This order is complete: ${state.order.map((taken) => `${words[taken.player]} ${signed(taken.added)}`).join(", ")}.`);
  }

  function finishAll() {
    state.running = true;
    const perFrame = mayMove() ? Math.ceil(queue.length / 60) : queue.length;
    const frame = () => {
      if (!state.running || !table.isConnected) return;
      for (let i = 0; i < perFrame && state.done < queue.length; i++) silently();
      showCoalition();
      showOrders();
      if (state.done < queue.length) return void requestAnimationFrame(frame);
      state.running = false;
      showOrders();
      live.say(conclusion.textContent);
    };
    frame();
  }

  function silently() {
    state.order ??= stepsOf(worth, queue[state.done]);
    if (state.steps.length === players) startNextOrder();
    while (state.steps.length < players) {
      const taken = state.order[state.steps.length];
      state.steps.push(taken);
      state.tally.add(taken);
      state.coalition = taken.after;
    }
    state.done += 1;
  }

  function restart() {
    Object.assign(state, { tally: new Tally(players), done: 0, steps: [], order: null, running: false, coalition: everybody });
    showCoalition();
    change.textContent = "";
    showOrders();
    live.say("From the beginning: no word has joined.");
  }

  function showOrders() {
    const complete = state.done === queue.length;
    const begun = state.order !== null;
    const number = Math.max(1, Math.min(state.steps.length === players ? state.done : state.done + 1, queue.length));
    counter.textContent = begun ? `Order ${number} of ${queue.length}` : `${players} words can join in ${queue.length} orders`;
    const coming = begun ? state.order.slice(state.steps.length) : [];
    joining.replaceChildren(
      el("li", { class: "shap-base" }, el("span", {}, "all masked"), el("span", { class: "shap-number" }, signed(worth[0]))),
      ...state.steps.map((taken) => el("li", {}, el("span", {}, words[taken.player]), el("span", { class: `shap-number ${side(taken.added)}` }, signed(taken.added)))),
      ...coming.map((taken) => el("li", { class: "is-coming" }, el("span", {}, words[taken.player]), el("span", { class: "shap-number" }, "?"))));
    joining.hidden = !begun;
    nextWord.disabled = finish.disabled = all.disabled = complete || state.running;
    again.hidden = !begun;
    showTable(complete);
  }

  function showTable(complete) {
    const averages = state.tally.averages();
    const most = Math.max(...exact.map(Math.abs), ...averages.map((x) => Math.abs(x ?? 0)), 0.5);
    const lastOf = (player) => state.steps.find((taken) => taken.player === player)?.added;
    const cell = (value) => el("td", { class: "shap-number" }, value === null || value === undefined ? "" : signed(value));
    const sum = (values) => (values.includes(null) ? null : values.reduce((a, b) => a + b, 0));
    const columns = [
      complete ? null : ["adds in this order", words.map((_, player) => lastOf(player) ?? null)],
      [complete ? `average over ${step(state.done)}` : "average so far", averages],
      complete ? ["exact", exact] : null,
      complete && offered ? ["SHAP", offered.shap] : null,
    ].filter(Boolean);
    const drawn = (player) => el("td", { class: "shap-bars" }, bar(averages[player] ?? 0, most, complete ? exact[player] : null));
    table.replaceChildren(
      el("caption", {}, "Shares of the words, in log odds"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "word"), columns.map(([name]) => el("th", { scope: "col" }, name)),
        el("th", { scope: "col" }, el("span", { class: "lab-unseen" }, "drawn")))),
      el("tbody", {}, words.map((word, player) => el("tr", {}, el("th", { scope: "row" }, word),
        columns.map(([, values]) => cell(values[player])), drawn(player))),
        el("tr", { class: "shap-sum" }, el("th", { scope: "row" }, "sum"), columns.map(([, values]) => cell(sum(values))), el("td"))));
    conclusion.textContent = complete ? conclude(averages, sum(exact)) : "";
  }

  function conclude(averages, total) {
    const apart = Math.max(...averages.map((average, i) => Math.abs(average - exact[i])));
    const ends = `The shares sum to ${fixed(total)}: from ${signed(worth[0])} with every word masked to ${signed(worth[everybody])} with all of them.`;
    if (!offered) return `The average over ${step(queue.length)} is the exact value (largest difference ${apart.toExponential(0)}). ${ends}`;
    const shap = Math.max(...exact.map((value, i) => Math.abs(value - offered.shap[i])));
    return `The average over ${step(queue.length)} is the exact value, and SHAP reports the same (largest difference ${shap.toExponential(0).replace("-", "−")}). ${ends}`;
  }
}

function side(value) {
  return (value >= 0) ? "is-for" : "is-against";
}

/** A bar to the right for positive values and to the left for negative ones; a tick at another value. */
function bar(value, limit, tick = null) {
  const share = (x) => `${(50 * Math.min(Math.abs(x) / limit, 1)).toFixed(2)}%`;
  const left = value < 0 ? `calc(50% - ${share(value)})` : "50%";
  const mark = tick === null ? null : el("span", { class: "shap-tick", style: `left:${(50 + (50 * tick) / limit).toFixed(2)}%` });
  return el("span", { class: "shap-track", "aria-hidden": "true" },
    el("span", { class: `shap-fill ${side(value)}`, style: `left:${left};width:${share(value)}` }), mark);
}
