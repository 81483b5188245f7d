// Circuits on a set of prompts: F(C), everything outside C knocked out by mean ablation, and
// F(M \ K), as in `interp_rl.ioi.knockouts.Ablator`.
//
// What has been computed for some nodes of the first layers is kept, so that a search over sets of
// nodes computes only what differs.

import { addMlp, addWrite, direction, run } from "../runtime/gpt2.js";
import { addProduct, affine, dot, layerNorm } from "../runtime/linear.js";
import { unpackNumbers } from "../runtime/packed.js";

/** The positions that a node can have, in the order of the book. */
export const POSITIONS = ["IO", "S1", "S1+1", "S2", "END"];

/** A node's name, such as "2.1@END"; nodes are `{ layer, head, position }`. */
export function nameOf({ layer, head, position }) {
  return `${layer}.${head}@${position}`;
}

/** The same nodes in one order, by layer, each once. */
export function inOrder(nodes) {
  const byName = new Map(nodes.map((node) => [nameOf(node), node]));
  return [...byName.values()].sort((a, b) => a.layer - b.layer || a.head - b.head
    || POSITIONS.indexOf(a.position) - POSITIONS.indexOf(b.position));
}

/** The mean of numbers, of those for which `which` holds where it is given. */
export function mean(values, which = null) {
  let total = 0;
  let count = 0;
  for (let i = 0; i < values.length; i += 1) {
    if (which && !which[i]) continue;
    total += values[i];
    count += 1;
  }
  return total / count;
}

/** Keeps the results that were asked for last. */
class Recent {
  constructor(size) {
    this.size = size;
    this.map = new Map();
  }

  get(key, make) {
    const found = this.map.get(key) ?? make();
    this.map.delete(key);
    this.map.set(key, found);
    if (this.map.size > this.size) this.map.delete(this.map.keys().next().value);
    return found;
  }
}

const lazily = (map, key, make) => {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
};

/** The prompts, the model's runs on them, and what circuits do on them. */
export class PromptSet {
  constructor(model, { tokens, positions, io, s, template, means }) {
    this.model = model;
    this.size = tokens.length;
    this.tokens = tokens;
    this.positions = positions;
    this.templateOff = means.map((packed) => {
      const values = unpackNumbers(packed);
      const each = values.length / model.layers;
      return Array.from({ length: model.layers }, (_, layer) => values.subarray(layer * each, (layer + 1) * each));
    });
    this.off = template.map((index) => this.templateOff[index]);
    this.towards = io.map((up, n) => direction(model, up, s[n]));
    this.bias = io.map((up, n) => model.read.bias[up] - model.read.bias[s[n]]);
    this.kept = new Recent(48);
    this.cut = new Recent(3);
    this.made = new Map();
    this.results = { only: new Map(), without: new Map() };
  }

  /** Makes the two runs that everything begins from; yields between prompts. */
  * prepare() {
    for (const name of ["clean", "ablated"]) {
      if (this.made.has(name)) continue;
      const runs = [];
      for (let n = 0; n < this.size; n += 1) {
        const edit = name === "clean" ? null : (layer, z) => z.set(this.off[n][layer]);
        runs.push(run(this.model, this.tokens[n], edit));
        yield;
      }
      this.made.set(name, runs);
    }
  }

  background(name) {
    if (!this.made.has(name)) for (const _ of this.prepare());
    return this.made.get(name);
  }

  /** The logit difference of each prompt in the intact model. */
  get whole() {
    return this.without([]);
  }

  /** The logit difference of each prompt with all heads off but these nodes. */
  only(nodes) {
    const ordered = inOrder(nodes);
    return lazily(this.results.only, ordered.map(nameOf).join(), () => this.measureOnly(ordered));
  }

  /** The logit difference of each prompt with these nodes off. */
  without(nodes) {
    const ordered = inOrder(nodes);
    return lazily(this.results.without, ordered.map(nameOf).join(), () => this.measureWithout(ordered));
  }

  /** Logit differences from the residual stream at END, one row for each prompt. */
  readOut(resid) {
    const { width, epsilon } = this.model;
    const read = layerNorm(resid, this.size, width, epsilon);
    return Float32Array.from(this.towards, (towards, n) => dot(read, n * width, towards, 0, width) + this.bias[n]);
  }

  /** One row for each prompt: what `of(n)` holds at a position of the prompt. */
  gather(name, of) {
    const { width } = this.model;
    const out = new Float32Array(this.size * width);
    for (let n = 0; n < this.size; n += 1) {
      const at = this.positions[name][n] * width;
      out.set(of(n).subarray(at, at + width), n * width);
    }
    return out;
  }

  // all heads off but some nodes: only the nodes' positions are computed

  measureOnly(nodes) {
    const { layers } = this.model;
    const ablated = this.background("ablated");
    let state = this.kept.get("", () => newState());
    for (let layer = 0; layer < layers; layer += 1) {
      const here = nodes.filter((node) => node.layer === layer);
      const key = nodes.filter((node) => node.layer <= layer).map(nameOf).join();
      const before = state;
      const next = () => this.advance(before, layer, here);
      state = layer === layers - 1 ? next() : this.kept.get(`${layer}:${key}`, next);
    }
    return this.readOut(state.resid.get("END") ?? this.gather("END", (n) => ablated[n].resid));
  }

  /** The residual stream after a layer, at the positions that differ from the run with all off. */
  advance(state, layer, nodes) {
    const { layers, width } = this.model;
    const isLast = layer === layers - 1;
    const next = newState();
    const changed = new Set([...state.resid.keys(), ...nodes.map((node) => node.position)]);
    for (const name of changed) {
      if (isLast && name !== "END") continue;
      const before = state.resid.get(name) ?? this.gather(name, (n) => this.background("ablated")[n].residPre[layer]);
      const resid = Float32Array.from(before);
      const constant = this.constant(layer, name);
      for (let i = 0; i < resid.length; i += 1) resid[i] += constant[i];
      for (const node of nodes.filter(({ position }) => position === name)) {
        const added = this.contribution(state, layer, node);
        for (let i = 0; i < resid.length; i += 1) resid[i] += added[i];
      }
      addMlp(this.model, layer, resid, resid.length / width);
      next.resid.set(name, resid);
    }
    return next;
  }

  /** What a layer's attention writes with all its heads off. */
  constant(layer, name) {
    return lazily(this.made, `constant ${layer} ${name}`, () => {
      const { out, outBias } = this.model.blocks[layer];
      return affine(this.gather(name, (n) => this.off[n][layer]), out, outBias, this.size);
    });
  }

  /** What a node adds when it is on, given the state of the residual stream before its layer. */
  contribution(state, layer, { head, position }) {
    return lazily(state.contributions, `${head}@${position}`, () => {
      const { width, headWidth } = this.model;
      const ablated = this.background("ablated");
      const own = this.changedQkv(state, layer, head, position);
      const others = [...state.resid.keys()].map((name) => [this.positions[name], this.changedQkv(state, layer, head, name)]);
      const out = new Float32Array(this.size * width);
      const q = new Float32Array(headWidth);
      const z = new Float32Array(headWidth);
      for (let n = 0; n < this.size; n += 1) {
        const qkv = ablated[n].qkv[layer];
        const at = this.positions[position][n];
        const from = at * 3 * width + head * headWidth;
        if (own) q.set(own.subarray(n * 3 * headWidth, n * 3 * headWidth + headWidth));
        else q.set(qkv.subarray(from, from + headWidth));
        const replaced = new Map(others.map(([positions, values]) => [positions[n], values]));
        attendTo(z, q, at + 1, headWidth, (key) => {
          const values = replaced.get(key);
          if (values) return [values, n * 3 * headWidth + headWidth, n * 3 * headWidth + 2 * headWidth];
          const start = key * 3 * width + head * headWidth;
          return [qkv, start + width, start + 2 * width];
        });
        const off = this.off[n][layer];
        const offAt = at * width + head * headWidth;
        for (let j = 0; j < headWidth; j += 1) z[j] -= off[offAt + j];
        addWrite(this.model, layer, head, z, 0, out, n * width);
      }
      return out;
    });
  }

  /** Query, key and value of a head at a changed position; undefined where it is not changed. */
  changedQkv(state, layer, head, name) {
    if (!state.resid.has(name)) return undefined;
    return lazily(state.qkv, `${head}@${name}`, () => {
      const { width, headWidth, epsilon } = this.model;
      const { qkv, qkvBias } = this.model.blocks[layer];
      const read = lazily(state.read, name, () => layerNorm(state.resid.get(name), this.size, width, epsilon));
      const out = new Float32Array(this.size * 3 * headWidth);
      for (let part = 0; part < 3; part += 1) {
        const column = part * width + head * headWidth;
        for (let n = 0; n < this.size; n += 1) {
          out.set(qkvBias.subarray(column, column + headWidth), (n * 3 + part) * headWidth);
        }
        addProduct(out, part * headWidth, 3 * headWidth, read, 0, width, qkv, column, 3 * width, this.size, width, headWidth);
      }
      return out;
    });
  }

  // some nodes off: everything after the first of them can change

  measureWithout(nodes) {
    const { layers, width, headWidth } = this.model;
    const clean = this.background("clean");
    if (!nodes.length) return this.readOut(this.gather("END", (n) => clean[n].resid));
    let state = { from: clean.map((ran) => ran.length), runs: clean, layer: 0, next: null, last: null };
    for (let layer = 0; layer < layers - 1; layer += 1) {
      const here = nodes.filter((node) => node.layer === layer);
      const key = nodes.filter((node) => node.layer <= layer).map(nameOf).join();
      if (!key) continue;
      const before = state;
      state = this.cut.get(`${layer}:${key}`, () => this.cutLayer(before, layer, here));
    }
    state.last ??= this.lastLayer(state);
    const resid = Float32Array.from(state.last.resid);
    const layer = layers - 1;
    for (const { head } of nodes.filter((node) => node.layer === layer && node.position === "END")) {
      for (let n = 0; n < this.size; n += 1) {
        const off = this.off[n][layer];
        const offAt = (clean[n].length - 1) * width + head * headWidth;
        addWrite(this.model, layer, head, off, offAt, resid, n * width);
        addWrite(this.model, layer, head, state.last.z, n * width + head * headWidth, resid, n * width, -1);
      }
    }
    addMlp(this.model, layer, resid, this.size);
    return this.readOut(resid);
  }

  /** The residual stream before `layer` of each prompt, and from where on it has changed. */
  residOf(state, layer, n) {
    return state.resid ? state.resid[n] : state.runs[n].residPre[layer];
  }

  /** Queries, keys and values of a layer; where nothing has changed, those of the intact run. */
  qkvOf(state, layer, n) {
    const { width, epsilon } = this.model;
    const intact = this.background("clean")[n];
    const from = state.from[n];
    const rows = intact.length - from;
    if (rows <= 0) return intact.qkv[layer];
    const { qkv, qkvBias } = this.model.blocks[layer];
    const out = Float32Array.from(intact.qkv[layer]);
    const read = layerNorm(this.residOf(state, layer, n), rows, width, epsilon, new Float32Array(rows * width), from * width);
    for (let at = from; at < intact.length; at += 1) out.set(qkvBias, at * 3 * width);
    addProduct(out, from * 3 * width, 3 * width, read, 0, width, qkv, 0, 3 * width, rows, width, 3 * width);
    return out;
  }

  /** A layer with its heads' outputs, before any of its own nodes are switched off. */
  natural(state, layer) {
    const { width, heads, headWidth } = this.model;
    const { out: matrix, outBias } = this.model.blocks[layer];
    return this.background("clean").map((intact, n) => {
      const from = state.from[n];
      const z = Float32Array.from(intact.z[layer]);
      if (from >= intact.length) return { z, mid: null };
      const qkv = this.qkvOf(state, layer, n);
      for (let at = from; at < intact.length; at += 1) {
        for (let head = 0; head < heads; head += 1) headOutput(z, at * width + head * headWidth, qkv, at, head, width, headWidth);
      }
      const rows = intact.length - from;
      const mid = this.residOf(state, layer, n).slice(from * width);
      for (let i = 0; i < mid.length; i += 1) mid[i] += outBias[i % width];
      addProduct(mid, 0, width, z, from * width, width, matrix, 0, width, rows, width, width);
      return { z, mid };
    });
  }

  /** The residual stream after a layer in which some nodes are off. */
  cutLayer(state, layer, nodes) {
    const { width, headWidth } = this.model;
    const clean = this.background("clean");
    state.next ??= this.natural(state, layer);
    const from = clean.map((_, n) => Math.min(state.from[n], ...nodes.map(({ position }) => this.positions[position][n])));
    const resid = clean.map((intact, n) => {
      const { z, mid } = state.next[n];
      const start = from[n];
      const after = Float32Array.from(layer + 1 < intact.residPre.length ? intact.residPre[layer + 1] : intact.resid);
      if (start >= intact.length) return after;
      // before the MLP; where nothing had changed before this layer, from the intact run
      const rows = intact.length - start;
      const changed = new Float32Array(rows * width);
      for (let at = start; at < intact.length; at += 1) {
        const row = (at - start) * width;
        if (mid && at >= state.from[n]) changed.set(mid.subarray((at - state.from[n]) * width, (at - state.from[n] + 1) * width), row);
        else changed.set(this.intactMid(layer, n).subarray(at * width, (at + 1) * width), row);
      }
      for (const { head, position } of nodes) {
        const at = this.positions[position][n];
        const zAt = at * width + head * headWidth;
        addWrite(this.model, layer, head, this.off[n][layer], zAt, changed, (at - start) * width);
        addWrite(this.model, layer, head, z, zAt, changed, (at - start) * width, -1);
      }
      addMlp(this.model, layer, changed, rows);
      after.set(changed, start * width);
      return after;
    });
    return { from, resid, next: null, last: null };
  }

  /** The intact residual stream between a layer's attention and its MLP. */
  intactMid(layer, n) {
    return lazily(this.made, `mid ${layer} ${n}`, () => {
      const intact = this.background("clean")[n];
      const { out, outBias } = this.model.blocks[layer];
      const mid = affine(intact.z[layer], out, outBias, intact.length);
      for (let i = 0; i < mid.length; i += 1) mid[i] += intact.residPre[layer][i];
      return mid;
    });
  }

  /** Of the last layer only what is at END: its heads' outputs, and the stream before its MLP. */
  lastLayer(state) {
    const { width, heads, headWidth, layers } = this.model;
    const layer = layers - 1;
    const { out: matrix, outBias } = this.model.blocks[layer];
    const z = new Float32Array(this.size * width);
    const resid = new Float32Array(this.size * width);
    for (let n = 0; n < this.size; n += 1) {
      const end = this.background("clean")[n].length - 1;
      const qkv = this.qkvOf(state, layer, n);
      for (let head = 0; head < heads; head += 1) headOutput(z, n * width + head * headWidth, qkv, end, head, width, headWidth);
      const before = this.residOf(state, layer, n);
      for (let j = 0; j < width; j += 1) resid[n * width + j] = before[end * width + j] + outBias[j];
    }
    addProduct(resid, 0, width, z, 0, width, matrix, 0, width, this.size, width, width);
    return { z, resid };
  }
}

const newState = () => ({ resid: new Map(), read: new Map(), qkv: new Map(), contributions: new Map() });

/** One head's output at position `at` into `z`, from queries, keys and values side by side. */
function headOutput(z, zAt, qkv, at, head, width, headWidth) {
  const from = at * 3 * width + head * headWidth;
  const out = z.subarray(zAt, zAt + headWidth);
  attendTo(out, qkv.subarray(from, from + headWidth), at + 1, headWidth, (key) => {
    const start = key * 3 * width + head * headWidth;
    return [qkv, start + width, start + 2 * width];
  });
}

const probabilities = new Float64Array(4096);

/** Averages values into `z`; `find(key)` gives array, and where key and value begin in it. */
function attendTo(z, q, count, headWidth, find) {
  const scale = 1 / Math.sqrt(headWidth);
  let largest = -Infinity;
  for (let key = 0; key < count; key += 1) {
    const [values, kAt] = find(key);
    probabilities[key] = scale * dot(q, 0, values, kAt, headWidth);
    if (probabilities[key] > largest) largest = probabilities[key];
  }
  let total = 0;
  for (let key = 0; key < count; key += 1) {
    probabilities[key] = Math.exp(probabilities[key] - largest);
    total += probabilities[key];
  }
  z.fill(0);
  for (let key = 0; key < count; key += 1) {
    const [values, , vAt] = find(key);
    const p = probabilities[key] / total;
    for (let j = 0; j < headWidth; j += 1) z[j] += p * values[vAt + j];
  }
}
