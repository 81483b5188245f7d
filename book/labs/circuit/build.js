// The second view: a circuit of the reader's choice on many prompts, beside those of the book.

import { button, el, fixed, liveRegion, newId, percent, signed } from "../ui.js";
import { effectBar } from "./draw.js";
import { inOrder, mean, nameOf, POSITIONS, PromptSet } from "./prompts.js";
import { classify, drive, fromText, toText, Validation } from "./validation.js";

const GREEDY_SIZE = 10; // as many nodes as the book's search removes

export function buildView({ model, state: stored, share, address, load }) {
  const live = liveRegion();
  const element = el("div", { class: "circuit-view" }, live);
  let asked = false;
  const shown = async () => {
    if (asked) return;
    asked = true;
    live.say("Loading the prompts ...");
    try {
      const data = await load();
      const prompts = new PromptSet(model, data);
      live.say("Running the model on the prompts ...");
      await drive(prompts.prepare());
      live.say("");
      element.append(workbench({ model, data, prompts, stored, share, addressOf: address }));
    } catch (problem) {
      console.error(problem);
      asked = false;
      live.say(problem.message);
    }
  };
  return { element, shown };
}

const LABELS = { circuit: "The book’s circuit", "naive circuit": "The naive circuit", "classes alone": "The classes alone" };

function workbench({ model, data, prompts, stored, share, addressOf: address }) {
  const circuits = data.circuits.map(({ name, classes }) => ({
    name, label: LABELS[name] ?? name,
    classes: Object.fromEntries(Object.entries(classes).map(([key, some]) => [key, some.map(([layer, head, position]) => ({ layer, head, position }))])),
  }));
  const nodesOf = (circuit) => Object.values(circuit.classes).flat();
  const whole = mean(prompts.whole);
  const chosen = new Map();
  const choose = (nodes) => {
    chosen.clear();
    for (const node of nodes) chosen.set(nameOf(node), node);
  };
  choose(stored === null ? nodesOf(circuits.at(-1)) : fromText(stored, model));

  // every search belongs to one circuit: a change of the circuit ends it
  let version = 0;
  const found = new Map(); // of a circuit's text: what its searches gave
  const resultOf = (nodes) => {
    const key = toText(nodes);
    if (!found.has(key)) found.set(key, {});
    return found.get(key);
  };
  const validationOf = (nodes) => new Validation(prompts, classify(nodes, circuits), data.searched);

  // controls

  const presets = el("div", { class: "circuit-presets", role: "group", "aria-label": "Begin with" },
    circuits.map((circuit) => button(circuit.label, () => set(nodesOf(circuit)))), button("No node", () => set([])));
  const boxes = new Map();
  const layers = Array.from({ length: model.layers }, (_, layer) => {
    const head = Array.from({ length: model.heads }, (_, i) => i);
    return el("table", { class: "circuit-nodes" },
      el("caption", {}, `Layer ${layer}`),
      el("thead", {}, el("tr", {}, el("td"), head.map((i) => el("th", { scope: "col" }, `${layer}.${i}`)))),
      el("tbody", {}, POSITIONS.map((position) => el("tr", {}, el("th", { scope: "row" }, position),
        head.map((i) => {
          const node = { layer, head: i, position };
          const box = el("input", { type: "checkbox", "aria-label": `${layer}.${i} at ${position}`, onchange: () => {
            if (box.checked) chosen.set(nameOf(node), node);
            else chosen.delete(nameOf(node));
            changed();
          } });
          boxes.set(nameOf(node), box);
          return el("td", {}, el("label", {}, box, el("span", { "aria-hidden": "true" })));
        })))));
  });
  const set = (nodes) => {
    choose(nodes);
    changed();
  };

  // what is shown

  const stats = el("div", { class: "circuit-answer" });
  const table = el("div", { class: "lab-scroll", tabindex: 0, role: "group", "aria-label": "Circuits compared" });
  const missing = el("div");
  const needed = el("div");
  const progress = liveRegion();
  const greedy = button("Search for what is missing", () => search("greedy"));
  const minimal = button("Test every node", () => search("minimality"));
  const addressId = newId("address");
  const address = el("input", { class: "lab-input", id: addressId, readonly: true, value: "" });
  const copied = liveRegion();
  const copy = button("Copy the address", async () => {
    address.value = share(toText([...chosen.values()]));
    address.select();
    try {
      await navigator.clipboard.writeText(address.value);
      copied.say("Copied. Whoever opens it sees this circuit.");
    } catch {
      copied.say("The address is marked; copy it with your keyboard or menu.");
    }
  });

  function changed() {
    address.value = share(toText([...chosen.values()]));
    copied.say("");
    refresh();
  }

  function refresh() {
    version += 1;
    progress.say("");
    const nodes = inOrder([...chosen.values()]);
    for (const [name, box] of boxes) box.checked = chosen.has(name);
    greedy.disabled = minimal.disabled = !nodes.length;
    const { circuit, gap } = validationOf(nodes).faithfulness();
    stats.replaceChildren(
      stat("F(C), your circuit alone", fixed(circuit), `F(M), the model: ${fixed(whole)}`),
      stat("Share of the model", percent(circuit / whole), `gap ${fixed(gap)}`),
      stat("Nodes", String(nodes.length), `of ${boxes.size}`));
    live.say(`${nodes.length} ${nodes.length === 1 ? "node reaches" : "nodes reach"} ${percent(circuit / whole)} of the model’s logit difference.`);
    showTable(nodes);
    showMissing(nodes);
    showNeeded(nodes);
    testClasses(nodes);
  }

  const stat = (name, value, note) => el("div", { class: "circuit-stat" }, el("span", { class: "circuit-stat-name" }, name), el("strong", {}, value), el("span", { class: "lab-note" }, note));

  /** Knocks out each class, in the reader's circuit and in those of the book. */
  async function testClasses(nodes) {
    const mine = version;
    for (const some of [nodes, ...circuits.map(nodesOf)]) {
      const result = resultOf(some);
      result.classes ??= await drive(validationOf(some).byClass(), () => mine === version) ?? undefined;
      if (mine !== version) return;
      showTable(nodes);
    }
  }

  function showTable(nodes) {
    const rows = [{ label: "Yours", nodes }, ...circuits.map((circuit) => ({ label: circuit.label, nodes: nodesOf(circuit) }))];
    table.replaceChildren(el("table", { class: "circuit-table" },
      el("thead", {}, el("tr", {}, ["Circuit", "Nodes", "F(C)", "Gap", "Largest gap, a class off", "Largest gap, searched"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows.map(({ label, nodes: some }) => {
        const { circuit, gap } = validationOf(some).faithfulness();
        const { classes, greedy: worst } = resultOf(some);
        const largest = classes && Object.entries(classes).sort(([, a], [, b]) => b.gap - a.gap)[0];
        return el("tr", {}, el("th", { scope: "row" }, label), el("td", {}, String(some.length)), el("td", {}, `${fixed(circuit)} (${percent(circuit / whole)})`), el("td", {}, fixed(gap)),
          el("td", {}, !classes ? "..." : largest ? `${fixed(largest[1].gap)} (${largest[0]})` : "none"),
          el("td", {}, worst ? fixed(worst.gap) : some.length ? "not yet" : "none"));
      }))));
  }

  function showMissing(nodes) {
    const worst = resultOf(nodes).greedy;
    missing.replaceChildren(...(worst ? [el("p", {},
      `Worst set found, of ${worst.removed.length}: ${worst.removed.map(nameOf).join(", ") || "none"}. `
      + `Without it your circuit is at ${fixed(worst.circuit)} and the model at ${fixed(worst.model)}: a gap of ${fixed(worst.gap)}, ${percent(worst.gap / whole)} of F(M).`)] : []));
  }

  function showNeeded(nodes) {
    const witnesses = resultOf(nodes).minimality;
    if (!witnesses) {
      needed.replaceChildren();
      return;
    }
    const limit = Math.max(0.01, ...witnesses.map(({ effect }) => Math.abs(effect)));
    const idle = witnesses.filter(({ score }) => score < 0.01 * whole);
    needed.replaceChildren(
      el("p", {}, idle.length ? `Below 1% of F(M): ${idle.map(({ node }) => nameOf(node)).join(", ")}.` : "Every node reaches 1% of F(M)."),
      el("div", { class: "lab-scroll", tabindex: 0, role: "group", "aria-label": "What each node adds" }, el("table", { class: "circuit-table" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Node"), el("th", { scope: "col" }, "Adds, in % of F(M)"), el("td"), el("th", { scope: "col" }, "given that these are gone"))),
        el("tbody", {}, witnesses.map(({ node, effect, removed }) => el("tr", {}, el("th", { scope: "row" }, nameOf(node)),
          el("td", {}, signed((100 * effect) / whole, 1)), el("td", { class: "circuit-bar-cell" }, effectBar(effect, effect, limit)),
          el("td", { class: "circuit-witness" }, removed.map(nameOf).join(", ") || "none")))))));
  }

  async function search(kind) {
    version += 1; // one search at a time
    const mine = version;
    const nodes = inOrder([...chosen.values()]);
    const all = kind === "greedy" ? [nodes, ...circuits.map(nodesOf)] : [nodes];
    for (const [i, some] of all.entries()) {
      const result = resultOf(some);
      if (result[kind]) continue;
      const validation = validationOf(some);
      const steps = kind === "greedy" ? validation.greedy(GREEDY_SIZE) : validation.minimality();
      const report = (done) => progress.say(`Searching ... ${percent((i + Math.floor(done * 10) / 10) / all.length)}`);
      const given = await drive(steps, () => mine === version, report);
      if (mine !== version) return;
      result[kind] = given;
      showTable(nodes);
      if (kind === "greedy") showMissing(nodes);
      else showNeeded(nodes);
    }
    progress.say(kind === "greedy" ? "Searched." : "Every node is tested.");
    testClasses(nodes);
  }

  address.value = addressOf(toText([...chosen.values()]));
  refresh();
  return el("div", { class: "circuit-view" },
    el("p", { class: "lab-note" }, `Everything that you do not choose is knocked out by mean ablation, on the ${prompts.size} prompts of this chapter. A node is a head at one position.`),
    presets, el("div", { class: "circuit-layers" }, layers), live, stats,
    el("p", { class: "circuit-heading" }, "Beside the book’s circuits"), table,
    el("div", { class: "circuit-searches" }, greedy, minimal), progress, missing, needed,
    el("div", { class: "lab-field" }, el("label", { for: addressId }, "An address that restores this circuit"), el("div", { class: "circuit-share-line" }, address, copy)), copied);
}
