// The three estimates of the KL divergence, for one token of a small vocabulary.

/** The estimates, as functions of the log-ratio log pi - log pi_ref of a token that pi drew. */
export const ESTIMATES = {
  k1: (x) => x,
  k2: (x) => (x * x) / 2,
  k3: (x) => Math.expm1(-x) + x,
};

/**
 * Probabilities from logits.
 * @param {number[]} logits any numbers
 * @returns {number[]} their softmax
 */
export function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

/**
 * KL(policy || reference) and the exact moments of the estimates of it from one token.
 * @param {number[]} policy logits of the policy that draws
 * @param {number[]} reference logits of the reference policy
 * @returns {{exact: number, reverse: number, pi: number[], ref: number[], estimates: object}}
 *   both divergences in nats, both distributions, and for each estimate its `values` (one for each
 *   token), `mean`, `bias`, `deviation` and `negative`, the probability of a value below zero
 */
export function moments(policy, reference) {
  const [pi, ref] = [softmax(policy), softmax(reference)];
  const ratios = pi.map((p, i) => Math.log(p) - Math.log(ref[i]));
  const exact = mean(pi, ratios);
  const reverse = -mean(ref, ratios);
  const estimates = Object.fromEntries(
    Object.entries(ESTIMATES).map(([name, estimate]) => {
      const values = ratios.map(estimate);
      const average = mean(pi, values);
      const variance = mean(pi, values.map((value) => (value - average) ** 2));
      const negative = mean(pi, values.map((value) => (value < 0 ? 1 : 0)));
      const deviation = Math.sqrt(variance);
      return [name, { values, mean: average, bias: average - exact, deviation, negative }];
    }),
  );
  return { exact, reverse, pi, ref, estimates };
}

function mean(probabilities, values) {
  return probabilities.reduce((total, p, i) => total + p * values[i], 0);
}
