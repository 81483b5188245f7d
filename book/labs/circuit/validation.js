// Faithfulness, completeness and minimality of a circuit, as in `interp_rl.ioi.validation`.
//
// The searches are generators that yield between evaluations, so that a page can stay responsive:
// `finish(search)` runs one to its end, `drive(search)` does so in slices of time.

import { inOrder, mean, nameOf, POSITIONS } from "./prompts.js";

/** Nodes without those in `removed`. */
const minus = (nodes, removed) => {
  const names = new Set(removed.map(nameOf));
  return nodes.filter((node) => !names.has(nameOf(node)));
};

/** Tests of one circuit; `classes` are lists of its nodes under their names. */
export class Validation {
  constructor(prompts, classes, searched) {
    this.prompts = prompts;
    this.classes = Object.fromEntries(Object.entries(classes).filter(([, nodes]) => nodes.length));
    this.nodes = inOrder(Object.values(this.classes).flat());
    this.searched = searched.map(Boolean);
    this.heldOut = searched.map((used) => !used);
  }

  /** F(C \ K) and F(M \ K), and the gap between them; over the held-out prompts where K was searched. */
  compare(removed, searched = false) {
    const which = searched ? this.heldOut : null;
    const circuit = mean(this.prompts.only(minus(this.nodes, removed)), which);
    const model = mean(this.prompts.without(removed), which);
    return { removed, circuit, model, gap: Math.abs(circuit - model) };
  }

  /** The comparison with nothing removed. */
  faithfulness() {
    return this.compare([]);
  }

  /** The comparison with each class removed. */
  * byClass() {
    const found = {};
    for (const [name, nodes] of Object.entries(this.classes)) {
      found[name] = this.compare(nodes);
      yield;
    }
    return found;
  }

  /**
   * Completeness with K grown node by node to make the gap large, every node tried in each step:
   * `Validation.greedy(runs=1, candidates=len(nodes), max_size=size)`.
   */
  * greedy(size = this.nodes.length) {
    let removed = [];
    let best = null;
    for (let step = 0; step < Math.min(size, this.nodes.length); step += 1) {
      let widest = null;
      for (const node of minus(this.nodes, removed)) {
        const tried = [...removed, node];
        const gap = this.searchedGap(tried);
        if (!widest || gap > widest.gap) widest = { removed: tried, gap };
        yield { done: step / Math.min(size, this.nodes.length) };
      }
      removed = widest.removed;
      if (!best || widest.gap > best.gap) best = widest;
    }
    return this.compare(best ? inOrder(best.removed) : [], true);
  }

  searchedGap(removed) {
    const circuit = mean(this.prompts.only(minus(this.nodes, removed)), this.searched);
    return Math.abs(circuit - mean(this.prompts.without(removed), this.searched));
  }

  /**
   * For each node what it adds, given that the nodes of its witness K are gone: K is the empty set,
   * a class or the union of two, `Validation.minimality(random_sets=0)`.
   */
  * minimality() {
    const classes = [[], ...Object.values(this.classes)];
    const unions = classes.flatMap((a) => classes.map((b) => [...a, ...b]));
    const found = [];
    for (const node of this.nodes) {
      const tried = new Map(unions.map((union) => {
        const set = inOrder(minus(union, [node]));
        return [set.map(nameOf).join(), set];
      }));
      let best = null;
      for (const removed of inSize([...tried.values()])) {
        const kept = minus(this.nodes, removed);
        const before = this.prompts.only(kept);
        const after = this.prompts.only(minus(kept, [node]));
        const score = Math.abs(mean(after, this.searched) - mean(before, this.searched));
        if (!best || score > best.score) best = { removed, score, before, after };
        yield { done: found.length / this.nodes.length };
      }
      const effect = mean(best.before, this.heldOut) - mean(best.after, this.heldOut);
      found.push({ node, removed: best.removed, effect, score: Math.abs(effect) });
    }
    return found;
  }
}

/** Small sets first, in an order that does not change. */
function inSize(sets) {
  const key = (set) => set.map(nameOf).sort().join();
  return sets.sort((a, b) => a.length - b.length || (key(a) < key(b) ? -1 : 1));
}

/** Nodes under the names of the classes that they have in a circuit of the book, the others apart. */
export function classify(nodes, circuits) {
  const key = (some) => inOrder(some).map(nameOf).join();
  const own = circuits.find(({ classes }) => key(Object.values(classes).flat()) === key(nodes));
  if (own) return own.classes;
  const classOf = new Map(Object.entries(circuits[0].classes).flatMap(([name, some]) => some.map((node) => [nameOf(node), name])));
  const found = {};
  for (const node of inOrder(nodes)) (found[classOf.get(nameOf(node)) ?? "other"] ??= []).push(node);
  return found;
}

/** Runs a search to its end and gives its result. */
export function finish(search) {
  let step = search.next();
  while (!step.done) step = search.next();
  return step.value;
}

/**
 * Runs a search in slices of a few milliseconds and gives its result, or null once `isCurrent()` is
 * false. `report(share)` is told how much is done.
 */
export async function drive(search, isCurrent = () => true, report = () => {}) {
  for (;;) {
    const until = performance.now() + 12;
    let step;
    do {
      step = search.next();
      if (step.done) return step.value;
    } while (performance.now() < until);
    report(step.value?.done ?? 0);
    await new Promise((resolve) => { setTimeout(resolve); });
    if (!isCurrent()) return null;
  }
}

/** Nodes as short text for an address, "2.1E,0.0R", and back; what does not exist is left out. */
const CODES = { IO: "I", S1: "S", "S1+1": "P", S2: "R", END: "E" };

export function toText(nodes) {
  return inOrder(nodes).map(({ layer, head, position }) => `${layer}.${head}${CODES[position]}`).join(",");
}

export function fromText(text, { layers, heads }) {
  const names = Object.fromEntries(POSITIONS.map((name) => [CODES[name], name]));
  const nodes = [...text.matchAll(/(\d+)\.(\d+)([A-Z])/g)].map(([, layer, head, code]) => ({
    layer: Number(layer), head: Number(head), position: names[code],
  }));
  return inOrder(nodes.filter(({ layer, head, position }) => layer < layers && head < heads && position));
}
