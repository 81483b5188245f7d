// Shapley values in the browser: the axioms, and the two ways to compute them agree.
// That they are those of interp_rl and of SHAP is tested with Python's numbers in test_shapley.py.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Tally, allOrders, coalitionsBySize, exactShapley, marginal, mixedOrders, stepsOf } from "../../book/labs/shapley/game.js";

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
