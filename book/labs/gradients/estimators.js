// Three estimators of the policy gradient from a batch of one-step episodes, and their exact moments.
//
// With returns R and scores S, all three are (1/N) sum_i w_i S_i and differ in the weights w only.

import { uniforms } from "../random.js";

/** The weights, from the returns of a batch; the names of `interp_rl.policy_gradients`. */
export const WEIGHTS = {
  total_return: (returns) => returns,
  batch_mean_baseline: (returns) => {
    const mean = sum(returns) / returns.length;
    return returns.map((r) => r - mean);
  },
  leave_one_out_baseline: (returns) => {
    const others = returns.length - 1;
    if (others < 1) throw new RangeError("leave-one-out needs at least two episodes");
    const all = sum(returns);
    return returns.map((r) => r - (all - r) / others);
  },
};

/** How the estimators are called on the page. */
export const NAMES = {
  total_return: "no baseline",
  batch_mean_baseline: "batch mean",
  leave_one_out_baseline: "leave one out",
};

/**
 * The estimate from one batch.
 * @param {number[]} weights one for each episode
 * @param {number[][]} scores one vector for each episode
 * @returns {number[]} (1/N) sum_i w_i S_i
 */
export function estimate(weights, scores) {
  const total = new Array(scores[0].length).fill(0);
  for (let i = 0; i < weights.length; i += 1) {
    for (let k = 0; k < total.length; k += 1) total[k] += (weights[i] * scores[i][k]) / weights.length;
  }
  return total;
}

/**
 * The right gradient, E[R S], a finite sum.
 * @param {object} world one of `worlds.js`
 * @returns {number[]} one entry for each parameter
 */
export function exactGradient(world) {
  return expected(world, ({ reward, score }) => score.map((s) => reward * s));
}

/**
 * Expectation along the gradient and variance of an estimator, without any sampling.
 *
 * The variance is the mean squared distance from the expectation. That of leave-one-out is the
 * variance of a U-statistic with the kernel (R_i - R_j)(S_i - S_j) / 2 (Hoeffding 1948).
 * @param {object} world one of `worlds.js`
 * @param {string} name a key of `WEIGHTS`
 * @param {number} n episodes in a batch
 * @returns {{length: number, variance: number}} 1 is the right length; the variance is in units of
 *   the gradient's squared length
 */
export function exactMoments(world, name, n) {
  const gradient = exactGradient(world);
  const unit = dot(gradient, gradient);
  if (name === "total_return") {
    const second = sum(world.outcomes.map((o) => o.p * o.reward ** 2 * dot(o.score, o.score)));
    return { length: 1, variance: (second - unit) / n / unit };
  }
  const mean = sum(world.outcomes.map((o) => o.p * o.reward));
  const one = (o) => o.score.map((s, k) => ((o.reward - mean) * s + gradient[k]) / 2);
  const first = sum(world.outcomes.map((o) => o.p * distance(one(o), gradient)));
  const second = sum(
    world.outcomes.flatMap((a) =>
      world.outcomes.map((b) => {
        const kernel = a.score.map((s, k) => ((a.reward - b.reward) * (s - b.score[k])) / 2);
        return a.p * b.p * distance(kernel, gradient);
      }),
    ),
  );
  const variance = (2 / (n * (n - 1))) * (2 * (n - 2) * first + second);
  const shorter = name === "batch_mean_baseline" ? (n - 1) / n : 1;
  return { length: shorter, variance: (shorter ** 2 * variance) / unit };
}

/**
 * Many batches, and what each estimator makes of them.
 * @param {object} world one of `worlds.js`
 * @param {number} n episodes in a batch
 * @param {number} batches how many batches
 * @param {number} seed seed of the draws
 * @returns {object} for each estimator `lengths`, the part of each estimate that points along the
 *   gradient, in units of its length; their mean `length` with `low` and `high`, a 95% interval; and
 *   the `variance`, in units of the gradient's squared length
 */
export function experiment(world, n, batches, seed) {
  const uniform = uniforms(seed);
  const gradient = exactGradient(world);
  const unit = dot(gradient, gradient);
  const found = Object.fromEntries(
    Object.keys(WEIGHTS).map((name) => [
      name,
      { lengths: new Float64Array(batches), sums: gradient.map(() => 0), squares: 0 },
    ]),
  );
  for (let b = 0; b < batches; b += 1) {
    const episodes = Array.from({ length: n }, () => world.draw(uniform));
    const returns = episodes.map((episode) => episode.reward);
    const scores = episodes.map((episode) => episode.score);
    for (const [name, one] of Object.entries(found)) {
      // counted from the gradient, so that nothing is lost when the squares are subtracted
      const off = estimate(WEIGHTS[name](returns), scores).map((g, k) => g - gradient[k]);
      one.lengths[b] = 1 + dot(off, gradient) / unit;
      off.forEach((value, k) => (one.sums[k] += value));
      one.squares += dot(off, off);
    }
  }
  for (const one of Object.values(found)) {
    one.length = sum(one.lengths) / batches;
    const spread = Math.sqrt(
      sum(one.lengths.map((length) => (length - one.length) ** 2)) / (batches - 1) / batches,
    );
    one.low = one.length - 1.96 * spread;
    one.high = one.length + 1.96 * spread;
    one.variance = (one.squares - dot(one.sums, one.sums) / batches) / (batches - 1) / unit;
  }
  return found;
}

function expected(world, value) {
  const total = world.outcomes[0].score.map(() => 0);
  for (const outcome of world.outcomes) {
    value(outcome).forEach((part, k) => (total[k] += outcome.p * part));
  }
  return total;
}

function sum(numbers) {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

function dot(a, b) {
  let total = 0;
  for (let k = 0; k < a.length; k += 1) total += a[k] * b[k];
  return total;
}

function distance(a, b) {
  let total = 0;
  for (let k = 0; k < a.length; k += 1) total += (a[k] - b[k]) ** 2;
  return total;
}
