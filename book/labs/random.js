// Random numbers that are the same on every machine: the laboratories draw from a seed, as the book does.

/**
 * A stream of uniform numbers (xoshiro128** 1.1 by Blackman and Vigna, seeded by splitmix32).
 * @param {number} seed a whole number
 * @returns {function(): number} each call gives the next number, at least 0 and below 1
 */
export function uniforms(seed) {
  if (!Number.isInteger(seed)) throw new RangeError(`the seed is ${seed}; it must be a whole number`);
  const state = new Uint32Array(4);
  let mixed = seed >>> 0;
  for (let i = 0; i < 4; i += 1) {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let word = mixed ^ (mixed >>> 16);
    word = Math.imul(word, 0x21f0aaad);
    word ^= word >>> 15;
    word = Math.imul(word, 0x735a2d97);
    state[i] = word ^ (word >>> 15);
  }
  return () => {
    const scrambled = Math.imul(rotated(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotated(state[3], 11);
    return scrambled / 4294967296;
  };
}

/**
 * One draw from the standard normal distribution (Box and Muller).
 * @param {function(): number} uniform a stream of `uniforms`
 * @returns {number} the draw
 */
export function normal(uniform) {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
  return radius * Math.cos(2 * Math.PI * uniform());
}

function rotated(word, by) {
  return (word << by) | (word >>> (32 - by));
}
