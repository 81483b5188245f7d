// A GPT-2 of any shape: its weights, and a forward pass in which each head's output can be changed.
//
// As in `interp_rl.ioi.weights`, LayerNorm's own weights are folded into the matrices that read from
// it, and value biases into the bias of the attention layer, so that a head whose output is set to
// zero loses all it writes except a constant. The logits are those of the model as it was.

import { ACTIVATIONS, addProduct, affine, dot, layerNorm } from "./linear.js";
import { unpackNumbers } from "./packed.js";

/** `weight` (rows, width) and `bias` with the LayerNorm in front of them folded in. */
function fold(gain, shift, weight, bias) {
  const width = bias.length;
  const out = new Float32Array(weight.length);
  const added = Float64Array.from(bias);
  const mean = new Float64Array(width);
  for (let i = 0; i < gain.length; i += 1) {
    for (let j = 0; j < width; j += 1) {
      const value = weight[i * width + j];
      out[i * width + j] = gain[i] * value;
      mean[j] += gain[i] * value / gain.length;
      added[j] += shift[i] * value;
    }
  }
  for (let i = 0; i < out.length; i += 1) out[i] -= mean[i % width];
  return { weight: out, bias: Float32Array.from(added) };
}

/** Each row without its mean, which the next LayerNorm removes anyway. */
function centred(weight, width) {
  const out = new Float32Array(weight.length);
  for (let start = 0; start < weight.length; start += width) {
    let mean = 0;
    for (let j = 0; j < width; j += 1) mean += weight[start + j] / width;
    for (let j = 0; j < width; j += 1) out[start + j] = weight[start + j] - mean;
  }
  return out;
}

function transposed(weight, rows, width) {
  const out = new Float32Array(weight.length);
  for (let i = 0; i < rows; i += 1) {
    for (let j = 0; j < width; j += 1) out[j * rows + i] = weight[i * width + j];
  }
  return out;
}

/**
 * A model from what `pack_model` of `code/coursekit/labs/packing.py` packed.
 *
 * @returns `{ layers, heads, width, headWidth, context, epsilon, tokens, positions, blocks, read }`;
 *   `read` gives logits, over the vocabulary, or over the labels of a classifier.
 */
export function loadModel({ config, weights }) {
  const { layers, heads, width, context, epsilon, activation } = config;
  if (!(activation in ACTIVATIONS)) throw new Error(`the MLP activation ${activation} is not known here`);
  const get = (name) => unpackNumbers(weights[name]);
  const embedding = get("wte");
  const model = {
    layers, heads, width, context, epsilon, headWidth: width / heads,
    activation: ACTIVATIONS[activation],
    tokens: centred(embedding, width),
    positions: centred(get("wpe"), width),
    blocks: [],
  };
  for (let layer = 0; layer < layers; layer += 1) {
    const of = (name) => get(`h.${layer}.${name}`);
    const qkv = fold(of("ln_1.weight"), of("ln_1.bias"), of("attn.c_attn.weight"), of("attn.c_attn.bias"));
    const out = centred(of("attn.c_proj.weight"), width);
    const outBias = centred(of("attn.c_proj.bias"), width);
    const valueBias = qkv.bias.subarray(2 * width);
    addProduct(outBias, 0, width, valueBias, 0, width, out, 0, width, 1, width, width);
    valueBias.fill(0);
    const block = { qkv: qkv.weight, qkvBias: qkv.bias, out, outBias, mlp: null };
    if (`h.${layer}.mlp.c_proj.weight` in weights) {
      const hidden = fold(of("ln_2.weight"), of("ln_2.bias"), of("mlp.c_fc.weight"), of("mlp.c_fc.bias"));
      block.mlp = {
        in: hidden.weight, inBias: hidden.bias,
        out: centred(of("mlp.c_proj.weight"), width), outBias: centred(of("mlp.c_proj.bias"), width),
      };
    }
    model.blocks.push(block);
  }
  const head = "score" in weights ? get("score") : embedding;
  const labels = head.length / width;
  model.read = fold(get("ln_f.weight"), get("ln_f.bias"), transposed(head, labels, width), new Float32Array(labels));
  return model;
}

/** What an MLP adds to `rows` rows of the residual stream, in place; nothing where there is none. */
export function addMlp(model, layer, resid, rows) {
  const { mlp } = model.blocks[layer];
  if (!mlp) return;
  const hidden = affine(layerNorm(resid, rows, model.width, model.epsilon), mlp.in, mlp.inBias, rows);
  for (let i = 0; i < hidden.length; i += 1) hidden[i] = model.activation(hidden[i]);
  const added = affine(hidden, mlp.out, mlp.outBias, rows);
  for (let i = 0; i < resid.length; i += 1) resid[i] += added[i];
}

/** What `z`, one head's output, adds to the residual stream: `out[at:] += times * z @ W_O`. */
export function addWrite(model, layer, head, z, zAt, out, at, times = 1) {
  const { out: matrix } = model.blocks[layer];
  const { width, headWidth } = model;
  for (let i = 0; i < headWidth; i += 1) {
    const value = times * z[zAt + i];
    const row = (head * headWidth + i) * width;
    for (let j = 0; j < width; j += 1) out[at + j] += value * matrix[row + j];
  }
}

/**
 * Runs the model on one text.
 *
 * @param tokens their ids
 * @param edit called as `edit(layer, z)` after each layer's attention; it may change `z`, the heads'
 *   outputs of shape (position, head, headWidth), before they are written to the residual stream
 * @returns `{ length, residPre, qkv, pattern, z, resid }`: for each layer the residual stream before
 *   it (position, width), queries, keys and values side by side (position, 3 width), attention
 *   probabilities (head, query, key) and outputs z; and the residual stream after the last layer
 */
export function run(model, tokens, edit = null) {
  const { width, heads, headWidth, layers } = model;
  const length = tokens.length;
  if (length > model.context) {
    throw new Error(`The text has ${length} tokens, and the model reads at most ${model.context}.`);
  }
  let resid = new Float32Array(length * width);
  for (let at = 0; at < length; at += 1) {
    for (let j = 0; j < width; j += 1) {
      resid[at * width + j] = model.tokens[tokens[at] * width + j] + model.positions[at * width + j];
    }
  }
  const kept = { length, residPre: [], qkv: [], pattern: [], z: [], resid: null };
  for (let layer = 0; layer < layers; layer += 1) {
    const block = model.blocks[layer];
    const qkv = affine(layerNorm(resid, length, width, model.epsilon), block.qkv, block.qkvBias, length);
    const pattern = new Float32Array(heads * length * length);
    const z = new Float32Array(length * width);
    for (let head = 0; head < heads; head += 1) {
      for (let query = 0; query < length; query += 1) {
        const row = pattern.subarray((head * length + query) * length, (head * length + query + 1) * length);
        attend(model, head, qkv, query * 3 * width, qkv, query + 1, row, z, query * width + head * headWidth);
      }
    }
    if (edit) edit(layer, z);
    const after = Float32Array.from(resid);
    for (let at = 0; at < length; at += 1) {
      for (let j = 0; j < width; j += 1) after[at * width + j] += block.outBias[j];
    }
    addProduct(after, 0, width, z, 0, width, block.out, 0, width, length, width, width);
    addMlp(model, layer, after, length);
    kept.residPre.push(resid);
    kept.qkv.push(qkv);
    kept.pattern.push(pattern);
    kept.z.push(z);
    resid = after;
  }
  kept.resid = resid;
  return kept;
}

/**
 * One head reads from one position: probabilities over the first `count` positions into `row`, and
 * the values averaged with them into `z` from `zAt` on, which holds zeros before.
 */
function attend(model, head, queries, queryAt, qkv, count, row, z, zAt) {
  const { width, headWidth } = model;
  const q = queryAt + head * headWidth;
  const scale = 1 / Math.sqrt(headWidth);
  let largest = -Infinity;
  for (let key = 0; key < count; key += 1) {
    row[key] = scale * dot(queries, q, qkv, key * 3 * width + width + head * headWidth, headWidth);
    if (row[key] > largest) largest = row[key];
  }
  let total = 0;
  for (let key = 0; key < count; key += 1) {
    row[key] = Math.exp(row[key] - largest);
    total += row[key];
  }
  for (let key = 0; key < count; key += 1) {
    row[key] /= total;
    const v = key * 3 * width + 2 * width + head * headWidth;
    for (let j = 0; j < headWidth; j += 1) z[zAt + j] += row[key] * qkv[v + j];
  }
}

/** Logits at a position, the last one if left out; of a classifier, those of its labels. */
export function logitsAt(model, ran, position = ran.length - 1) {
  const { width } = model;
  const read = layerNorm(ran.resid, 1, width, model.epsilon, new Float32Array(width), position * width);
  return affine(read, model.read.weight, model.read.bias, 1);
}

/** The direction of the residual stream that raises logit `up` over logit `down`. */
export function direction(model, up, down) {
  const { weight, bias } = model.read;
  const out = new Float32Array(model.width);
  for (let i = 0; i < out.length; i += 1) out[i] = weight[i * bias.length + up] - weight[i * bias.length + down];
  return out;
}

/**
 * Direct effects: what each head writes at a position along `towards`, divided by what the last
 * LayerNorm divides by, so that with all other writes they sum to the difference of two logits.
 *
 * @returns Float32Array (layer, head), positive where the head speaks for the first of the logits
 */
export function directEffects(model, ran, towards, position = ran.length - 1) {
  const { layers, heads, width, headWidth } = model;
  const start = position * width;
  let mean = 0;
  for (let j = 0; j < width; j += 1) mean += ran.resid[start + j] / width;
  let variance = 0;
  for (let j = 0; j < width; j += 1) variance += (ran.resid[start + j] - mean) ** 2 / width;
  const scale = 1 / Math.sqrt(variance + model.epsilon);
  const out = new Float32Array(layers * heads);
  const written = new Float32Array(width);
  for (let layer = 0; layer < layers; layer += 1) {
    for (let head = 0; head < heads; head += 1) {
      written.fill(0);
      addWrite(model, layer, head, ran.z[layer], start + head * headWidth, written, 0);
      // the matrices that read are centred, so that the mean that LayerNorm takes away does not count
      out[layer * heads + head] = scale * dot(written, 0, towards, 0, width);
    }
  }
  return out;
}
