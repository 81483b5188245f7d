// Shapley values from their definition, as interp_rl.attribution.shapley computes them.
// Coalition number c contains player i if bit i of c is set; `worth[c]` is what it is worth.

/** Most words for which everything is computed: six have 64 coalitions and 720 orders. */
export const MOST_WORDS = 6;

/** The players of a coalition, in order. */
export function membersOf(coalition, players) {
  return Array.from({ length: players }, (_, i) => i).filter((i) => (coalition >> i) & 1);
}

/** All coalitions, small ones first, and among those of a size in the order of their first words. */
export function coalitionsBySize(players) {
  const all = Array.from({ length: 2 ** players }, (_, c) => c);
  const size = (c) => membersOf(c, players).length;
  const mirrored = (c) => membersOf(c, players).reduce((sum, i) => sum + 2 ** (players - 1 - i), 0);
  return all.sort((a, b) => size(a) - size(b) || mirrored(b) - mirrored(a));
}

/** How much the worth rises when a player joins a coalition that it does not belong to. */
export function marginal(worth, coalition, player) {
  return worth[coalition + 2 ** player] - worth[coalition];
}

/** Shapley values by enumeration: what each player adds to each coalition of s others, which is
    what it meets in s! (n-1-s)! of the n! orders. */
export function exactShapley(worth) {
  const players = Math.log2(worth.length);
  if (!Number.isInteger(players) || players < 1) {
    throw new Error(`${worth.length} numbers are not the worth of all coalitions`);
  }
  const shares = new Array(players).fill(0);
  for (let player = 0; player < players; player++) {
    for (let coalition = 0; coalition < worth.length; coalition++) {
      if ((coalition >> player) & 1) continue;
      const others = membersOf(coalition, players).length;
      const share = (factorial(others) * factorial(players - 1 - others)) / factorial(players);
      shares[player] += share * marginal(worth, coalition, player);
    }
  }
  return shares;
}

/** All orders of n players, in the order of a dictionary. */
export function allOrders(players) {
  const orders = [[]];
  for (let place = 0; place < players; place++) {
    const shorter = orders.splice(0);
    for (const begun of shorter) {
      for (let i = 0; i < players; i++) if (!begun.includes(i)) orders.push([...begun, i]);
    }
  }
  return orders;
}

/** The orders of `allOrders`, mixed, but the same each time: the averages settle sooner so. */
export function mixedOrders(players) {
  const orders = allOrders(players);
  let state = 20230513;
  for (let i = orders.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [orders[i], orders[j]] = [orders[j], orders[i]];
  }
  return orders;
}

/** What each word adds in an order: steps {player, before, after, added}, `before` a coalition. */
export function stepsOf(worth, order) {
  let before = 0;
  return order.map((player) => {
    const step = { player, before, after: before + 2 ** player, added: marginal(worth, before, player) };
    before = step.after;
    return step;
  });
}

/** Sums of what each player has added, over complete orders, and over the steps of one begun. */
export class Tally {
  constructor(players) {
    this.sums = new Array(players).fill(0);
    this.counts = new Array(players).fill(0);
  }

  add({ player, added }) {
    this.sums[player] += added;
    this.counts[player] += 1;
  }

  /** What each player has added on average; null for one that has never joined. */
  averages() {
    return this.sums.map((sum, i) => (this.counts[i] ? sum / this.counts[i] : null));
  }
}

function factorial(n) {
  return n < 2 ? 1 : n * factorial(n - 1);
}
