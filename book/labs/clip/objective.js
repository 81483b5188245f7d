// PPO's objective for one token, and its slope.

/**
 * What PPO maximises for one token, with and without the clip.
 * @param {number} ratio new over old probability of the token, above 0
 * @param {number} advantage positive if the token did better than expected
 * @param {number} clip the epsilon of the method
 * @returns {{plain: number, clipped: number, value: number, slope: number, plainSlope: number}}
 *   `plain` is ratio times advantage, `clipped` the same with the ratio between 1 - clip and
 *   1 + clip, `value` the smaller of the two, which is maximised; `slope` is its derivative in the
 *   log-probability of the token, `plainSlope` that of `plain`
 */
export function objective(ratio, advantage, clip) {
  if (!(ratio > 0)) throw new RangeError(`the ratio is ${ratio}; it must be positive`);
  if (!(clip > 0)) throw new RangeError(`epsilon is ${clip}; it must be positive`);
  const plain = ratio * advantage;
  const clipped = Math.min(Math.max(ratio, 1 - clip), 1 + clip) * advantage;
  const stopped = clipped < plain;
  return {
    plain,
    clipped,
    value: stopped ? clipped : plain,
    slope: stopped ? 0 : plain,
    plainSlope: plain,
  };
}

/**
 * In which of four situations a token is, in words.
 * @param {number} ratio new over old probability
 * @param {number} advantage the token's advantage
 * @param {number} clip the epsilon of the method
 * @returns {string} a sentence or two
 */
export function verdict(ratio, advantage, clip) {
  if (advantage === 0) return "The advantage is zero: the token is neither raised nor lowered.";
  const wanted = advantage > 0 ? "raised" : "lowered";
  const far = advantage > 0 ? ratio > 1 + clip : ratio < 1 - clip;
  const wrong = advantage > 0 ? ratio < 1 - clip : ratio > 1 + clip;
  if (far) {
    return `The token was to be ${wanted}, and it has gone beyond the limit. Going further earns nothing: the gradient is zero.`;
  }
  if (wrong) {
    return `The token was to be ${wanted}, and it went far the other way. The clip does not stop the way back: the full gradient is left.`;
  }
  return `The token is to be ${wanted}, and the ratio is within the limits. Clipped and unclipped objective are the same.`;
}
