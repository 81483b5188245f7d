// Shapley values in the browser: the axioms, and the two ways to compute them agree.
// And with Python's numbers: the classifier, the exact values, and SHAP's are the same in both.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Tally, allOrders, coalitionsBySize, exactShapley, marginal, membersOf, mixedOrders, stepsOf } from "../../book/labs/shapley/game.js";
import { logOdds, modelFrom } from "../../book/labs/shapley/model.js";

const near = (a, b, why) => a.forEach((x, i) => assert.ok(Math.abs(x - b[i]) < 1e-12, `${why}: ${a} and ${b}`));
const worth = [0.3, 1, -2, 4, 0.5, 3, 1.5, 7, 0.25, 2, 2, -6, 1, 0, 8, 5];

test("the averages over all orders are the exact values", () => {
  const tally = new Tally(4);
  for (const order of allOrders(4)) stepsOf(worth, order).forEach((step) => tally.add(step));
  near(tally.averages(), exactShapley(worth), "orders and coalitions");
  assert.deepEqual(tally.counts, [24, 24, 24, 24]);
});

test("the shares sum to what all have in excess of none", () => {
  const total = exactShapley(worth).reduce((a, b) => a + b);
  near([total], [worth[15] - worth[0]], "efficiency");
  for (const order of allOrders(4)) {
    near([stepsOf(worth, order).reduce((sum, step) => sum + step.added, 0)], [total], "each order");
  }
});

test("players who add the same get the same, and one who adds nothing gets nothing", () => {
  // players 0 and 1 need each other, player 2 is a dummy
  const pair = Array.from({ length: 8 }, (_, c) => ((c & 3) === 3 ? 1 : 0));
  near(exactShapley(pair), [0.5, 0.5, 0], "symmetry and dummy");
});

test("the share of a player is no average over coalitions without weights", () => {
  const player = 0;
  const plain = [0, 2, 4, 6, 8, 10, 12, 14].map((c) => marginal(worth, c, player));
  const mean = plain.reduce((a, b) => a + b) / plain.length;
  assert.ok(Math.abs(mean - exactShapley(worth)[player]) > 0.1);
});

test("the mixed orders are all orders, each once, and the same each time", () => {
  const names = mixedOrders(4).map(String);
  assert.equal(new Set(names).size, 24);
  assert.deepEqual([...names].sort(), allOrders(4).map(String).sort());
  assert.deepEqual(names, mixedOrders(4).map(String));
});

test("coalitions are listed by size, each once", () => {
  assert.deepEqual(coalitionsBySize(3), [0, 1, 2, 4, 3, 5, 6, 7]);
});

test("a player that has not joined has no average", () => {
  const tally = new Tally(2);
  tally.add({ player: 1, added: 3 });
  assert.deepEqual(tally.averages(), [null, 3]);
});

test("numbers that are not the worth of all coalitions are refused", () => {
  assert.throws(() => exactShapley([1, 2, 3]), /3 numbers are not/);
});

// ---- with Python's values ----

const python = JSON.parse(readFileSync(`${process.env.REFERENCE}/shapley.json`));
const model = modelFrom(python.model, python.data);
const worthOf = (words) => Array.from({ length: 2 ** words.length }, (_, c) => model.worth(words, membersOf(c, words.length)));
const close = (a, b, why, near = 1e-4) => {
  assert.equal(a.length, b.length, why);
  a.forEach((x, i) => assert.ok(Math.abs(x - b[i]) < near, `${why} at ${i}: ${x} and ${b[i]}`));
};

for (const game of python.games) {
  test(`“${game.text}”: exact values as in Python to 1e-4, and the worth of all coalitions to 2e-4`, () => {
    const words = model.wordsOf(game.text, 6);
    assert.deepEqual(words, game.words);
    const found = worthOf(words);
    close(found, game.worth, "worth", 2e-4);
    close(exactShapley(found), game.exact, "exact values");
  });
}

test("SHAP's values, made when the book was built, are those of the browser to 1e-4", () => {
  assert.ok(python.data.sentences.length >= 4);
  for (const { text, words, shap, base, full } of python.data.sentences) {
    assert.deepEqual(model.wordsOf(text, 6), words);
    const found = worthOf(words);
    close(exactShapley(found), shap, text);
    close([found[0], found.at(-1)], [base, full], text, 2e-4);
  }
});

test("words that cannot be read are refused by their names", () => {
  assert.throws(() => model.wordsOf("the zebra was bad", 6), /“zebra”/);
  assert.throws(() => model.wordsOf("", 6), /at least one word/);
  assert.throws(() => model.wordsOf("it was not bad and not good", 6), /That is 7 words/);
  assert.throws(() => model.wordsOf("it <|mask|>", 6), /no marks of the tokenizer/);
  assert.deepEqual(model.wordsOf("Good, but DULL", 6), ["good", ",", "but", "dull"]);
});

test("log odds of two classes are the difference of their logits, and of many those of the rest", () => {
  assert.ok(Math.abs(logOdds(Float32Array.from([1, 3]), 1) - 2) < 1e-12);
  const p = Math.exp(3) / (Math.exp(1) + Math.exp(2) + Math.exp(3));
  assert.ok(Math.abs(logOdds(Float32Array.from([1, 2, 3]), 2) - Math.log(p / (1 - p))) < 1e-6);
});
