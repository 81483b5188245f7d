// Circuits on the prompts of chapter 2.6 against `interp_rl.ioi`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { mean, nameOf, PromptSet } from "../../book/labs/circuit/prompts.js";
import { classify, drive, finish, fromText, toText, Validation } from "../../book/labs/circuit/validation.js";
import { loadModel } from "../../book/labs/runtime/gpt2.js";

const file = (name) => readFileSync(path.join(process.env.REFERENCE, name), "utf8");
const [data, set, expected] = ["data.json", "set.json", "expected.json"].map((name) => JSON.parse(file(name)));
const model = loadModel(data.model);
const prompts = new PromptSet(model, set);
const nodesOf = (triples) => triples.map(([layer, head, position]) => ({ layer, head, position }));
const circuits = set.circuits.map(({ name, classes }) => ({
  name, classes: Object.fromEntries(Object.entries(classes).map(([key, some]) => [key, nodesOf(some)])),
}));
const close = (value, other, tolerance) => assert.ok(Math.abs(value - other) < tolerance, `${value}, and not ${other}`);

test("what is loaded first fits into 400 KB over the wire, and the rest into 200", (t) => {
  const sizes = ["circuit.js", "circuit-set.js"].map((name) => gzipSync(file(name), { level: 9 }).length);
  t.diagnostic(`${sizes.join(" and ")} bytes`);
  assert.ok(sizes[0] <= 400_000 && sizes[1] <= 200_000, sizes.join());
});

test("F(M) is the Ablator's", () => close(mean(prompts.whole), expected["F(M)"], 1e-4));

function compareSets(onPrompts, sets, tolerance) {
  let worst = 0;
  for (const { nodes, only, without } of sets) {
    for (const [ours, theirs] of [[onPrompts.only(nodesOf(nodes)), only], [onPrompts.without(nodesOf(nodes)), without]]) {
      assert.equal(ours.length, theirs.length);
      theirs.forEach((value, n) => { worst = Math.max(worst, Math.abs(value - ours[n])); });
      close(mean(ours), mean(theirs), tolerance / 4);
    }
  }
  assert.ok(worst < tolerance, `off by ${worst}`);
  return worst;
}

test("any nodes alone, and the model without them, prompt by prompt", (t) => {
  t.diagnostic(`largest error: ${compareSets(prompts, expected.sets, 4e-3).toExponential(2)}`);
});

test("the order in which sets are asked for does not matter", () => {
  const again = new PromptSet(model, set);
  compareSets(again, expected.sets.toReversed(), 4e-3);
});

test("a model with MLPs", (t) => {
  const { model: packed, means, sets } = expected["with MLPs"];
  const other = new PromptSet(loadModel(packed), { ...set, means });
  t.diagnostic(`largest error: ${compareSets(other, sets, 4e-3).toExponential(2)}`);
});

for (const { name, classes } of circuits) {
  test(`faithfulness, completeness and minimality: ${name}`, (t) => {
    const validation = new Validation(prompts, classes, set.searched);
    const theirs = expected.circuits[name];
    close(validation.faithfulness().gap, theirs.gap, 1e-3);
    const byClass = finish(validation.byClass());
    assert.deepEqual(Object.keys(byClass), Object.keys(theirs.classes));
    for (const [key, { gap }] of Object.entries(byClass)) close(gap, theirs.classes[key], 1e-3);
    let worst = null;
    const searching = cpuTime(() => { worst = finish(validation.greedy(3)); });
    assert.deepEqual(worst.removed.map(nameOf).sort(), theirs.greedy.removed);
    close(worst.gap, theirs.greedy.gap, 1e-3);
    let witnesses = null;
    const testing = cpuTime(() => { witnesses = finish(validation.minimality()); });
    assert.equal(witnesses.length, Object.keys(theirs.minimality).length);
    for (const { node, effect } of witnesses) close(effect, theirs.minimality[nameOf(node)], 2e-3);
    t.diagnostic(`greedy ${searching.toFixed(0)} ms, minimality ${testing.toFixed(0)} ms`);
  });
}

/** Milliseconds of processor that something takes: a busy machine does not count. */
function cpuTime(work) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test("a node more or less is measured within 100 ms on one core", (t) => {
  const fresh = new PromptSet(model, set);
  for (const _ of fresh.prepare());
  const nodes = Object.values(circuits[0].classes).flat();
  fresh.only(nodes);
  const times = nodes.map((node) => cpuTime(() => fresh.only(nodes.filter((other) => other !== node)))).sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)];
  t.diagnostic(`median ${median.toFixed(1)} ms, most ${times.at(-1).toFixed(1)} ms`);
  assert.ok(median < 100, `${median} ms`);
});

test("classes of a reader's circuit are the book's where it has them", () => {
  const [book, naive] = circuits;
  assert.equal(classify(Object.values(book.classes).flat(), circuits), book.classes);
  assert.equal(classify(Object.values(naive.classes).flat().reverse(), circuits), naive.classes);
  const mover = book.classes["name mover"][0];
  const stranger = { layer: 0, head: 3, position: "S1+1" };
  assert.deepEqual(classify([mover, stranger, mover], circuits), { "name mover": [mover], other: [stranger] });
  assert.deepEqual(classify([], circuits), {});
});

test("a circuit goes into an address and comes back", () => {
  const nodes = Object.values(circuits[0].classes).flat();
  const text = toText(nodes);
  assert.match(text, /^[0-9.,A-Z]+$/);
  assert.equal(toText(fromText(text, model)), text);
  assert.deepEqual(fromText("9.9E,0.0Q,0.1P,nonsense,0.1P", model).map(nameOf), ["0.1@S1+1"]);
  assert.deepEqual(fromText("", model), []);
});

test("a search stops when it is no longer wanted", async () => {
  const validation = new Validation(prompts, circuits[0].classes, set.searched);
  const reported = [];
  assert.equal(await drive(validation.greedy(), () => reported.length < 2, (share) => reported.push(share)), null);
  assert.equal(reported.length, 2);
  assert.equal((await drive(validation.byClass()))["name mover"].gap, validation.compare(circuits[0].classes["name mover"]).gap);
});
