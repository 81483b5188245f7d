// The model of the chapter with every place of its way by name: what `run_with_cache` records.
import { loadData } from "../ui.js";
import { addWrite, loadModel, logitsAt, run } from "../runtime/gpt2.js";
import { dot, layerNorm } from "../runtime/linear.js";
import { Tokenizer } from "../runtime/tokenizer.js";

/** Loads ioi-mini, in the file that section 2 needs as well, so that a reader loads it once. */
export async function openModel() {
  return modelFrom(await loadData("circuit"));
}

/** The model from what the build has packed; `run(text)` gives words and tensors. */
export function modelFrom({ model: packed, tokenizer: pieces }) {
  const model = loadModel(packed);
  const tokenizer = new Tokenizer(pieces);
  const word = (id) => tokenizer.words[id];
  return {
    word,
    run(text) {
      const ids = [pieces.bos, ...idsOf(tokenizer, text)];
      const ran = run(model, ids);
      return { ids, words: ids.map(word), tensor: (hook) => tensorAt(model, ran, ids, hook) };
    },
  };
}

/** The tokens of a text; it says which words are unknown. */
function idsOf(tokenizer, text) {
  const { ids, unknown } = tokenizer.encode(text);
  if (!ids.length) throw new Error("Write at least one word.");
  if (unknown.length) {
    const words = [...new Set(unknown.map((piece) => `“${piece.word}”`))];
    throw new Error(`The model does not know ${words.join(", ")}: it has ${tokenizer.words.length} words, the names and things of its stories.`);
  }
  return ids;
}

/** What passes at a place, by the name that transformer_lens gives it: values and shape. */
function tensorAt(model, ran, ids, hook) {
  const { width, heads, headWidth, epsilon } = model;
  const n = ran.length;
  const stream = (values) => ({ values, shape: [n, width] });
  const found = /^(?:blocks\.(\d+)\.)?(.+)$/.exec(hook);
  const layer = Number(found[1]);
  const middle = () => plus(ran.residPre[layer], written(model, ran, layer));
  const after = () => (layer + 1 < model.layers ? ran.residPre[layer + 1] : ran.resid);
  const rows = (matrix, of) => Float32Array.from({ length: n * width }, (_, i) => matrix[of(Math.floor(i / width)) * width + (i % width)]);
  const third = (part) => ({
    values: Float32Array.from({ length: n * width }, (_, i) => ran.qkv[layer][Math.floor(i / width) * 3 * width + part * width + (i % width)]),
    shape: [n, heads, headWidth],
  });
  const places = {
    "embed.hook_in": () => ({ values: Int32Array.from(ids), shape: [n] }),
    "pos_embed.hook_in": () => ({ values: Int32Array.from(ids, (_, at) => at), shape: [n] }),
    "hook_embed": () => stream(rows(model.tokens, (at) => ids[at])),
    "hook_pos_embed": () => stream(rows(model.positions, (at) => at)),
    "hook_embed + hook_pos_embed": () => stream(ran.residPre[0]),
    "hook_resid_pre": () => stream(ran.residPre[layer]),
    "ln1.hook_normalized": () => stream(layerNorm(ran.residPre[layer], n, width, epsilon)),
    "attn.hook_q": () => third(0),
    "attn.hook_k": () => third(1),
    "attn.hook_v": () => third(2),
    "attn.hook_attn_scores": () => ({ values: scores(model, ran, layer), shape: [heads, n, n] }),
    "attn.hook_pattern": () => ({ values: ran.pattern[layer], shape: [heads, n, n] }),
    "attn.hook_z": () => ({ values: ran.z[layer], shape: [n, heads, headWidth] }),
    "attn.hook_result": () => ({ values: results(model, ran, layer), shape: [n, heads, width] }),
    "hook_attn_out": () => stream(written(model, ran, layer)),
    "hook_resid_mid": () => stream(middle()),
    "ln2.hook_normalized": () => stream(layerNorm(middle(), n, width, epsilon)),
    "mlp.hook_post": () => ({ values: new Float32Array(n), shape: [n, 1] }),
    "hook_mlp_out": () => stream(minus(after(), middle())),
    "hook_resid_post": () => stream(after()),
    "ln_final.hook_normalized": () => stream(layerNorm(ran.resid, n, width, epsilon)),
    "hook_unembed": () => ({ values: logits(model, ran), shape: [n, model.read.bias.length] }),
  };
  if (!(found[2] in places)) throw new Error(`there is no place ${hook}`);
  return places[found[2]]();
}

/** q · k / √d_head; minus infinity where a key stands after the query. */
function scores(model, ran, layer) {
  const { width, heads, headWidth } = model;
  const n = ran.length;
  return Float32Array.from({ length: heads * n * n }, (_, i) => {
    const [head, query, key] = [Math.floor(i / n / n), Math.floor(i / n) % n, i % n];
    if (key > query) return -Infinity;
    const q = query * 3 * width + head * headWidth;
    const k = key * 3 * width + width + head * headWidth;
    return dot(ran.qkv[layer], q, ran.qkv[layer], k, headWidth) / Math.sqrt(headWidth);
  });
}

/** What each head writes at each position. */
function results(model, ran, layer) {
  const { width, heads, headWidth } = model;
  const out = new Float32Array(ran.length * heads * width);
  for (let at = 0; at < ran.length; at += 1) {
    for (let head = 0; head < heads; head += 1) {
      addWrite(model, layer, head, ran.z[layer], at * width + head * headWidth, out, (at * heads + head) * width);
    }
  }
  return out;
}

/** What all heads of a layer write, and its bias. */
function written(model, ran, layer) {
  const { width, heads, headWidth } = model;
  const out = new Float32Array(ran.length * width);
  for (let at = 0; at < ran.length; at += 1) {
    out.set(model.blocks[layer].outBias, at * width);
    for (let head = 0; head < heads; head += 1) {
      addWrite(model, layer, head, ran.z[layer], at * width + head * headWidth, out, at * width);
    }
  }
  return out;
}

/** Logits at every position, with mean 0 as in the chapter: that changes no probability. */
function logits(model, ran) {
  const size = model.read.bias.length;
  const out = new Float32Array(ran.length * size);
  for (let at = 0; at < ran.length; at += 1) {
    const row = logitsAt(model, ran, at);
    const mean = row.reduce((sum, x) => sum + x, 0) / size;
    out.set(row.map((x) => x - mean), at * size);
  }
  return out;
}

function plus(a, b) {
  return a.map((x, i) => x + b[i]);
}

function minus(a, b) {
  return a.map((x, i) => x - b[i]);
}
