// Two worlds in which an episode is one action: small enough that every expectation is a finite sum.
//
// A world has `outcomes`, all that can happen: {p, reward, score}, probability, reward, and the
// gradient of log pi in the parameters. For the Gaussian policy these are the nodes of a quadrature
// that is exact for the polynomials that occur, while `draw` draws real actions.

import { normal } from "../random.js";

/** Probabilities with which the three actions of the chapter's bandit pay 1. */
export const PAYS = [0.2, 0.5, 0.9];

/** Where the reward of the Gaussian world is highest; the policy's mean is 0, its deviation 1. */
export const TARGET = 1;

/**
 * The chapter's bandit: three equally probable actions, each pays 1 or 0.
 * @param {number} extra what is added to every reward
 * @returns {object} a world with three parameters, the logits
 */
export function bandit(extra) {
  const pi = 1 / PAYS.length;
  const scores = PAYS.map((_, action) => PAYS.map((_, logit) => (logit === action ? 1 : 0) - pi));
  const outcomes = PAYS.flatMap((pays, action) => [
    { p: pi * pays, reward: 1 + extra, score: scores[action] },
    { p: pi * (1 - pays), reward: extra, score: scores[action] },
  ]);
  return {
    outcomes,
    draw(uniform) {
      const action = Math.floor(uniform() * PAYS.length);
      return outcomes[2 * action + (uniform() < PAYS[action] ? 0 : 1)];
    },
  };
}

/**
 * A Gaussian policy on a line: the action is drawn around the mean, and pays more near the target.
 * @param {number} extra what is added to every reward
 * @returns {object} a world with one parameter, the mean
 */
export function gaussian(extra) {
  const outcome = (action, p) => ({ p, reward: extra - (action - TARGET) ** 2 / 2, score: [action] });
  return {
    outcomes: NODES.map(([action, p]) => outcome(action, p)),
    draw: (uniform) => outcome(normal(uniform), 0),
  };
}

/** Both worlds under their names. */
export const WORLDS = { bandit, gaussian };

// Gauss-Hermite quadrature for the standard normal density, exact up to degree 15
const NODES = hermite(8);

function hermite(n) {
  // He_n by its recurrence; a root is found where the sign changes, then by Newton's method
  const values = (x) => {
    let [before, now] = [0, 1];
    for (let k = 0; k < n; k += 1) [before, now] = [now, x * now - k * before];
    return [now, before];
  };
  const nodes = [];
  const step = 0.01;
  for (let left = -2 * Math.sqrt(n); left < 2 * Math.sqrt(n); left += step) {
    if (values(left)[0] * values(left + step)[0] > 0) continue;
    let x = left + step / 2;
    for (let turn = 0; turn < 20; turn += 1) {
      const [value, lower] = values(x);
      x -= value / (n * lower);
    }
    let factorial = 1;
    for (let k = 2; k <= n; k += 1) factorial *= k;
    nodes.push([x, factorial / (n * values(x)[1]) ** 2]);
  }
  return nodes;
}
