// The PPO laboratory: objective, KL estimates and GAE against their definitions and the library.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { moments, softmax } from "../../book/labs/kl/divergence.js";
import { errors, gae } from "../../book/labs/advantages/gae.js";
import { objective, verdict } from "../../book/labs/clip/objective.js";
import { uniforms } from "../../book/labs/random.js";

const close = (a, b, tolerance = 1e-9) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);

test("the objective never exceeds either of the two, and is flat on one side only", () => {
  for (const advantage of [-1.5, -0.5, 0.5, 2]) {
    for (let ratio = 0.3; ratio < 2; ratio += 0.05) {
      const { plain, clipped, value, slope, plainSlope } = objective(ratio, advantage, 0.2);
      close(value, Math.min(plain, clipped));
      const flat = advantage > 0 ? ratio > 1.2 : ratio < 0.8;
      close(slope, flat ? 0 : ratio * advantage);
      close(plainSlope, ratio * advantage);
    }
  }
});

test("the slope is the derivative in the log-probability", () => {
  const step = 1e-6;
  for (const advantage of [-1, 1]) {
    for (const ratio of [0.5, 0.79, 0.81, 1, 1.19, 1.21, 1.7]) {
      const at = (x) => objective(Math.exp(x), advantage, 0.2).value;
      const numeric = (at(Math.log(ratio) + step) - at(Math.log(ratio) - step)) / (2 * step);
      close(objective(ratio, advantage, 0.2).slope, numeric, 1e-5);
    }
  }
});

test("the verdict names the situation", () => {
  assert.match(verdict(1.5, 1, 0.2), /raised.*beyond the limit.*zero/);
  assert.match(verdict(0.5, -1, 0.2), /lowered.*beyond the limit.*zero/);
  assert.match(verdict(0.5, 1, 0.2), /other way.*full gradient/);
  assert.match(verdict(1.5, -1, 0.2), /other way.*full gradient/);
  assert.match(verdict(1.1, 1, 0.2), /within the limits/);
  assert.match(verdict(1.1, 0, 0.2), /zero/);
  assert.throws(() => objective(0, 1, 0.2), /positive/);
  assert.throws(() => objective(1, 1, 0), /epsilon/);
});

test("k1 and k3 have the divergence as their mean, k2 and k3 are never negative", () => {
  const uniform = uniforms(0);
  for (let turn = 0; turn < 50; turn += 1) {
    const logits = () => Array.from({ length: 6 }, () => 6 * uniform() - 3);
    const { exact, estimates, pi } = moments(logits(), logits());
    close(pi.reduce((a, b) => a + b, 0), 1);
    assert.ok(exact > 0);
    close(estimates.k1.bias, 0);
    close(estimates.k3.bias, 0);
    close(estimates.k2.negative, 0);
    close(estimates.k3.negative, 0);
    assert.ok(estimates.k1.negative > 0);
    assert.ok(Math.min(...estimates.k3.values) >= 0);
  }
});

test("equal policies are at the distance zero; exchanging them exchanges the divergences", () => {
  const [a, b] = [[0, 1, 2], [1, 0, -1]];
  const same = moments(a, a);
  close(same.exact, 0);
  for (const estimate of Object.values(same.estimates)) close(estimate.deviation, 0);
  close(moments(a, b).reverse, moments(b, a).exact);
  close(softmax([1000, 1000])[0], 0.5);
});

test("lambda 1 is what came minus the value, lambda 0 the one-step error", () => {
  const [rewards, values] = [[0, 0.5, 0, 2], [1, 0.2, 0.3, 0.9]];
  gae(rewards, values, 1, 1).forEach((advantage, t) =>
    close(advantage, rewards.slice(t).reduce((a, b) => a + b, 0) - values[t]),
  );
  assert.deepEqual(gae(rewards, values, 1, 0), errors(rewards, values, 1));
  assert.deepEqual(gae([0, 0, 1], [0, 0, 0], 0.5, 1), [0.25, 0.5, 1]);
  assert.throws(() => gae([1], [1, 2], 1, 1), /belong together/);
});

// written by tests/labs/reference_ppo.py from interp_rl.finetuning
const reference = process.env.REFERENCE;

test("objective, estimates and advantages are those of the library", { skip: !reference && "run by pytest" }, () => {
  const { objectives, divergences, advantages } = JSON.parse(readFileSync(`${reference}/ppo.json`, "utf8"));
  assert.ok(objectives.length >= 20 && divergences.length >= 6 && advantages.length >= 6);
  for (const { ratio, advantage, clip, value, slope } of objectives) {
    const mine = objective(ratio, advantage, clip);
    close(mine.value, value);
    close(mine.slope, slope);
  }
  for (const { policy, reference, exact, reverse, estimates } of divergences) {
    const mine = moments(policy, reference);
    close(mine.exact, exact);
    close(mine.reverse, reverse);
    for (const [name, { bias, deviation, negative }] of Object.entries(estimates)) {
      close(mine.estimates[name].bias, bias);
      close(mine.estimates[name].deviation, deviation);
      close(mine.estimates[name].negative, negative);
    }
  }
  for (const { rewards, values, discount, lam, expected } of advantages) {
    gae(rewards, values, discount, lam).forEach((a, t) => close(a, expected[t], 1e-9));
  }
});
