// Numbers that the build packed with few bits each; `code/coursekit/labs/packing.py` packs them.

/** The bytes of base64 text. */
export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * Float32Array with its `shape`, from whole numbers of `bits` bits (at most 24), packed without
 * gaps, the lowest bit first, and a scale for each row along the last dimension.
 */
export function unpackRows({ base64, bits, shape, scales }) {
  const bytes = bytesOf(base64);
  const scale = new Float32Array(bytesOf(scales).buffer);
  const width = shape[shape.length - 1];
  const size = shape.reduce((product, length) => product * length, 1);
  const out = new Float32Array(size);
  const mask = 2 ** bits - 1;
  const zero = 2 ** (bits - 1);
  let held = 0;
  let count = 0;
  let next = 0;
  for (let i = 0; i < size; i += 1) {
    while (count < bits) {
      held |= bytes[next] << count;
      next += 1;
      count += 8;
    }
    out[i] = ((held & mask) - zero) * scale[Math.floor(i / width)];
    held >>>= bits;
    count -= bits;
  }
  return Object.assign(out, { shape });
}

/** Plain float32 numbers, which the build leaves as they are. */
export function unpackFloats({ base64, shape }) {
  return Object.assign(new Float32Array(bytesOf(base64).buffer), { shape });
}

/** Either of the two. */
export function unpackNumbers(packed) {
  return packed.bits ? unpackRows(packed) : unpackFloats(packed);
}
