// Generalised advantage estimation for one text that has ended.

/**
 * How much better each step turned out than the critic thought.
 * @param {number[]} rewards the reward of each step
 * @param {number[]} values the critic's value before each step
 * @param {number} discount factor per step, from 0 to 1
 * @returns {number[]} the one-step errors; nothing follows the last step
 */
export function errors(rewards, values, discount) {
  if (rewards.length !== values.length) {
    throw new RangeError(`${rewards.length} rewards and ${values.length} values do not belong together`);
  }
  const found = rewards.map((reward, t) => reward + discount * (values[t + 1] ?? 0) - values[t]);
  return found;
}

/**
 * The advantages.
 * @param {number[]} rewards the reward of each step
 * @param {number[]} values the critic's value before each step
 * @param {number} discount factor per step, from 0 to 1
 * @param {number} lambda the lambda of the method, from 0 to 1
 * @returns {number[]} for each step the sum of (discount * lambda)^k times the error k steps later
 */
export function gae(rewards, values, discount, lambda) {
  const sums = errors(rewards, values, discount);
  for (let t = sums.length - 2; t >= 0; t -= 1) {
    sums[t] += discount * lambda * sums[t + 1];
  }
  return sums;
}
