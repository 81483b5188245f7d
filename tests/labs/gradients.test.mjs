// The gradient laboratory: measured means and variances against exact sums, and against the library.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { estimate, exactGradient, exactMoments, experiment, WEIGHTS } from "../../book/labs/gradients/estimators.js";
import { bandit, gaussian, PAYS, WORLDS } from "../../book/labs/gradients/worlds.js";
import { normal, uniforms } from "../../book/labs/random.js";

const close = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);

test("the same seed gives the same numbers, another seed others, all from 0 to 1 and even", () => {
  const [one, two, other] = [uniforms(3), uniforms(3), uniforms(4)];
  const draws = Array.from({ length: 20000 }, one);
  assert.deepEqual(draws.slice(0, 50), Array.from({ length: 50 }, two));
  assert.notDeepEqual(draws.slice(0, 50), Array.from({ length: 50 }, other));
  assert.ok(Math.min(...draws) >= 0 && Math.max(...draws) < 1);
  const tenths = new Array(10).fill(0);
  for (const draw of draws) tenths[Math.floor(10 * draw)] += 1;
  const chi = tenths.reduce((total, count) => total + (count - 2000) ** 2 / 2000, 0);
  assert.ok(chi < 27.9, `chi-squared of the tenths is ${chi}`); // 0.999 quantile, 9 degrees
  assert.throws(() => uniforms(0.5), /whole number/);
});

test("normal draws have mean 0, variance 1 and the fourth moment 3", () => {
  const uniform = uniforms(1);
  const draws = Array.from({ length: 50000 }, () => normal(uniform));
  const moment = (k) => draws.reduce((total, x) => total + x ** k, 0) / draws.length;
  close(moment(1), 0, 4 * Math.sqrt(1 / 50000));
  close(moment(2), 1, 4 * Math.sqrt(2 / 50000));
  close(moment(4), 3, 4 * Math.sqrt(96 / 50000));
});

test("probabilities of a world sum to one, and the expected score is zero", () => {
  for (const [name, make] of Object.entries(WORLDS)) {
    const { outcomes } = make(3);
    close(outcomes.reduce((total, o) => total + o.p, 0), 1, 1e-12);
    for (let k = 0; k < outcomes[0].score.length; k += 1) {
      close(outcomes.reduce((total, o) => total + o.p * o.score[k], 0), 0, 1e-12, name);
    }
  }
});

test("the right gradient is the closed form, whatever is added to every reward", () => {
  for (const extra of [0, 7]) {
    const mean = PAYS.reduce((a, b) => a + b, 0) / 3;
    exactGradient(bandit(extra)).forEach((g, a) => close(g, (PAYS[a] - mean) / 3, 1e-12));
    close(exactGradient(gaussian(extra))[0], 1, 1e-9); // d/dm of -((m - 1)^2 + 1) / 2 at m = 0
  }
});

test("the mean of the batch shrinks the gradient to (N-1)/N; the other two do not", () => {
  for (const make of Object.values(WORLDS)) {
    for (const n of [2, 3, 8, 64]) {
      assert.equal(exactMoments(make(1), "batch_mean_baseline", n).length, (n - 1) / n);
      assert.equal(exactMoments(make(1), "total_return", n).length, 1);
      assert.equal(exactMoments(make(1), "leave_one_out_baseline", n).length, 1);
    }
  }
});

test("exact moments are those of all batches of the bandit, written down", () => {
  const world = bandit(0.5);
  const gradient = exactGradient(world);
  const unit = gradient.reduce((total, g) => total + g * g, 0);
  for (const n of [2, 3]) {
    let batches = [{ p: 1, episodes: [] }];
    for (let i = 0; i < n; i += 1) {
      batches = batches.flatMap(({ p, episodes }) =>
        world.outcomes.map((o) => ({ p: p * o.p, episodes: [...episodes, o] })),
      );
    }
    for (const [name, weigh] of Object.entries(WEIGHTS)) {
      const all = batches.map(({ p, episodes }) => {
        const returns = episodes.map((o) => o.reward);
        return { p, g: estimate(weigh(returns), episodes.map((o) => o.score)) };
      });
      const mean = gradient.map((_, k) => all.reduce((total, { p, g }) => total + p * g[k], 0));
      const variance = all.reduce(
        (total, { p, g }) => total + p * g.reduce((t, v, k) => t + (v - mean[k]) ** 2, 0), 0,
      );
      const exact = exactMoments(world, name, n);
      mean.forEach((m, k) => close(m, exact.length * gradient[k], 1e-12));
      close(exact.variance, variance / unit, 1e-10);
    }
  }
});

test("what is drawn has the exact moments, within its own interval", () => {
  for (const [name, make] of Object.entries(WORLDS)) {
    for (const [n, extra] of [[2, 0], [8, 2], [32, 10]]) {
      const world = make(extra);
      const batches = 20000;
      const found = experiment(world, n, batches, 11);
      for (const estimator of Object.keys(WEIGHTS)) {
        const exact = exactMoments(world, estimator, n);
        const { length, low, high, variance, lengths } = found[estimator];
        assert.equal(lengths.length, batches);
        // 4.5 standard errors: with 18 comparisons a failure by chance has probability 1e-4
        assert.ok(Math.abs(length - exact.length) < (4.5 / 1.96) * (high - low) / 2, `${name} ${estimator} ${n}: ${length}`);
        close(variance / exact.variance, 1, 0.12);
      }
    }
  }
});

test("what is added to every reward changes the estimate without a baseline only", () => {
  const [zero, ten] = [0, 10].map((extra) => experiment(bandit(extra), 8, 500, 5));
  for (const name of ["batch_mean_baseline", "leave_one_out_baseline"]) {
    zero[name].lengths.forEach((length, b) => close(length, ten[name].lengths[b], 1e-9));
  }
  assert.ok(ten.total_return.variance > 50 * zero.total_return.variance);
});

test("leave one out is the batch mean times N/(N-1), estimate by estimate", () => {
  const found = experiment(gaussian(2), 4, 100, 1);
  found.batch_mean_baseline.lengths.forEach((length, b) =>
    close(found.leave_one_out_baseline.lengths[b], (length * 4) / 3, 1e-9),
  );
});

test("one episode cannot be left out", () => {
  assert.throws(() => WEIGHTS.leave_one_out_baseline([1]), /two episodes/);
});

// written by tests/labs/reference_gradients.py from interp_rl.policy_gradients, on draws made there
const reference = process.env.REFERENCE;

test("weights, estimates and moments are those of the library", { skip: !reference && "run by pytest" }, () => {
  const { batches, moments } = JSON.parse(readFileSync(`${reference}/gradients.json`, "utf8"));
  assert.ok(batches.length >= 10 && moments.length >= 6);
  for (const { returns, scores, weights, estimates } of batches) {
    for (const name of Object.keys(WEIGHTS)) {
      const mine = WEIGHTS[name](returns);
      mine.forEach((w, i) => close(w, weights[name][i], 1e-12));
      estimate(mine, scores).forEach((g, k) => close(g, estimates[name][k], 1e-12));
    }
  }
  for (const { name, n, length, variance } of moments) {
    const exact = exactMoments(bandit(0), name, n);
    close(exact.length, length, 1e-9);
    if (variance !== null) close(exact.variance, variance, 1e-9);
  }
});
