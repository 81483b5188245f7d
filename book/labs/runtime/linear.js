// Linear algebra on Float32Array; a matrix is one array, row after row.

/**
 * out[i, :] += x[i, :] @ w for `rows` rows. `x` has rows of `inner` numbers that begin at `xAt` and
 * lie `xStep` apart; `w` has `inner` rows that begin at `wAt` and lie `wStep` apart; `out` has rows
 * of `width` numbers that begin at `outAt` and lie `outStep` apart.
 */
export function addProduct(out, outAt, outStep, x, xAt, xStep, w, wAt, wStep, rows, inner, width) {
  const whole = inner - (inner % 4);
  for (let i = 0; i < rows; i += 1) {
    const o = outAt + i * outStep;
    const a = xAt + i * xStep;
    let p = 0;
    // four rows of w at a time: a quarter of the loads and stores of out
    for (; p < whole; p += 4) {
      const x0 = x[a + p];
      const x1 = x[a + p + 1];
      const x2 = x[a + p + 2];
      const x3 = x[a + p + 3];
      const w0 = wAt + p * wStep;
      const w1 = w0 + wStep;
      const w2 = w1 + wStep;
      const w3 = w2 + wStep;
      for (let j = 0; j < width; j += 1) {
        out[o + j] += x0 * w[w0 + j] + x1 * w[w1 + j] + x2 * w[w2 + j] + x3 * w[w3 + j];
      }
    }
    for (; p < inner; p += 1) {
      const x0 = x[a + p];
      const w0 = wAt + p * wStep;
      for (let j = 0; j < width; j += 1) out[o + j] += x0 * w[w0 + j];
    }
  }
}

/** x @ w + bias as a new array; `x` has `rows` rows, `w` one row for each number in a row of `x`. */
export function affine(x, w, bias, rows) {
  const width = bias.length;
  const inner = w.length / width;
  const out = new Float32Array(rows * width);
  for (let i = 0; i < rows; i += 1) out.set(bias, i * width);
  addProduct(out, 0, width, x, 0, inner, w, 0, width, rows, inner, width);
  return out;
}

/** LayerNorm without weights of its own: each row with mean 0 and variance 1. */
export function layerNorm(x, rows, width, epsilon, out = new Float32Array(rows * width), at = 0) {
  for (let i = 0; i < rows; i += 1) {
    const start = at + i * width;
    let mean = 0;
    for (let j = 0; j < width; j += 1) mean += x[start + j];
    mean /= width;
    let variance = 0;
    for (let j = 0; j < width; j += 1) variance += (x[start + j] - mean) ** 2;
    const scale = 1 / Math.sqrt(variance / width + epsilon);
    for (let j = 0; j < width; j += 1) out[i * width + j] = (x[start + j] - mean) * scale;
  }
  return out;
}

/** Probabilities from logits, as a new array. */
export function softmax(logits) {
  let largest = -Infinity;
  for (const value of logits) if (value > largest) largest = value;
  const out = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i += 1) {
    out[i] = Math.exp(logits[i] - largest);
    total += out[i];
  }
  for (let i = 0; i < out.length; i += 1) out[i] /= total;
  return out;
}

/** The product of two stretches of `width` numbers. */
export function dot(x, xAt, y, yAt, width) {
  let total = 0;
  for (let j = 0; j < width; j += 1) total += x[xAt + j] * y[yAt + j];
  return total;
}

const geluNew = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** Nonlinearities of the MLP, by their names in a Hugging Face configuration. */
export const ACTIVATIONS = {
  gelu_new: geluNew,
  gelu_pytorch_tanh: geluNew,
  relu: (x) => Math.max(0, x),
};
