// Opens what coursekit.labs.sealing has sealed: what is said of an answer, with the answer as key.
// No library: the Web's own digest is asynchronous, and absent on pages without https.

const ROUNDS = sha256Constants();

/** The SHA-256 digest of a text, as 32 bytes. */
export function sha256(text) {
  const bytes = new TextEncoder().encode(text);
  const blocks = Math.ceil((bytes.length + 9) / 64);
  const view = new DataView(new ArrayBuffer(64 * blocks));
  bytes.forEach((byte, i) => view.setUint8(i, byte));
  view.setUint8(bytes.length, 0x80);
  view.setUint32(64 * blocks - 4, 8 * bytes.length);
  const state = Uint32Array.from(ROUNDS.start);
  const w = new Uint32Array(64);
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(64 * block + 4 * i);
    for (let i = 16; i < 64; i++) {
      const early = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const late = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = w[i - 16] + early + w[i - 7] + late;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const one = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
      const first = (h + one + ((e & f) ^ (~e & g)) + ROUNDS.add[i] + w[i]) | 0;
      const zero = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
      const second = (zero + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] += value));
  }
  const digest = new DataView(new ArrayBuffer(32));
  state.forEach((value, i) => digest.setUint32(4 * i, value));
  return new Uint8Array(digest.buffer);
}

/** Under which key something is filed that is said of an answer. */
export function keyOf(salt, answer) {
  const hex = [...sha256(`${salt}|key|${answer}`)].map((byte) => byte.toString(16).padStart(2, "0"));
  return hex.join("").slice(0, 16);
}

/** The text that was sealed with an answer; another answer gives nonsense or an error. */
export function unseal(salt, answer, sealed) {
  const bytes = Uint8Array.from(atob(sealed), (character) => character.charCodeAt(0));
  for (let part = 0; 32 * part < bytes.length; part++) {
    const stream = sha256(`${salt}|${part}|${answer}`);
    for (let i = 0; i < 32 && 32 * part + i < bytes.length; i++) bytes[32 * part + i] ^= stream[i];
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes).trimEnd();
}

function turn(value, bits) {
  return (value >>> bits) | (value << (32 - bits));
}

/** First bits of the fractional parts of square and cube roots of the first primes. */
function sha256Constants() {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const bits = (root) => Math.floor((root % 1) * 2 ** 32);
  return {
    start: primes.slice(0, 8).map((p) => bits(Math.sqrt(p))),
    add: Uint32Array.from(primes, (p) => bits(Math.cbrt(p))),
  };
}
