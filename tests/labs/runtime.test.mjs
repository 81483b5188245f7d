// The runtime against PyTorch: the shipped models, another shape, and heads switched off.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { direction, directEffects, loadModel, logitsAt, run } from "../../book/labs/runtime/gpt2.js";
import { hold, meanOutputs } from "../../book/labs/runtime/knockouts.js";
import { softmax } from "../../book/labs/runtime/linear.js";
import { unpackNumbers } from "../../book/labs/runtime/packed.js";
import { Tokenizer } from "../../book/labs/runtime/tokenizer.js";

const read = (name) => JSON.parse(readFileSync(path.join(process.env.REFERENCE, name), "utf8"));
const expected = read("reference.json");
const packed = read("models.json");
const model = loadModel(packed.ioi.model);
const TOLERANCE = 1e-4;

const farthest = (some, others) => {
  assert.equal(some.length, others.length);
  return some.reduce((largest, value, i) => Math.max(largest, Math.abs(value - others[i])), 0);
};
const close = (some, others, tolerance = TOLERANCE) => {
  const error = farthest(Array.from(some), Array.from(others));
  assert.ok(error < tolerance, `off by ${error}`);
  return error;
};
const difference = (ran, n) => {
  const logits = logitsAt(model, ran);
  return logits[expected.io[n]] - logits[expected.s[n]];
};
const nodes = (position) => expected.heads.map(([layer, head]) => ({ layer, head, position }));

test("200 prompts have PyTorch's logits", (t) => {
  assert.equal(expected.tokens.length, 200);
  let worst = 0;
  expected.tokens.forEach((tokens, n) => {
    const ran = run(model, tokens);
    worst = Math.max(worst, close(logitsAt(model, ran), expected.logits[n]));
    close([difference(ran, n)], [expected["logit difference"][n]]);
  });
  t.diagnostic(`largest error of a logit: ${worst.toExponential(2)}`);
});

test("the model takes at most 400 KB over the wire", (t) => {
  const bytes = gzipSync(readFileSync(path.join(process.env.REFERENCE, "ioi.js")), { level: 9 }).length;
  t.diagnostic(`${read("bits.json")} bits for a weight: ${bytes} bytes`);
  assert.ok(bytes <= 400_000, `${bytes} bytes`);
});

test("attention patterns are PyTorch's, and look at no later position", () => {
  const ran = run(model, expected["first tokens"]);
  const n = expected["pattern length"];
  ran.pattern.forEach((pattern, layer) => {
    close(pattern, expected.pattern[layer], 1e-5);
    for (let query = 0; query < n; query += 1) assert.equal(pattern.subarray(query * n + query + 1, (query + 1) * n).some((p) => p), false);
  });
});

test("direct effects are those of direct_logit_attribution", () => {
  expected["direct effects"].forEach((effects, n) => {
    const towards = direction(model, expected.io[n], expected.s[n]);
    close(directEffects(model, run(model, expected.tokens[n]), towards), effects);
  });
});

for (const kind of ["zero", "mean", "resample"]) {
  test(`knockouts by ${kind} are those of the Ablator`, () => {
    const { "logit difference": differences, "direct effects": effects, values } = expected.knockouts[kind];
    effects.forEach((some, n) => {
      const tokens = expected.tokens[n];
      const off = {
        zero: () => null,
        mean: () => values[n].map((layer) => Float32Array.from(layer)),
        resample: () => run(model, expected.other[n]).z,
      }[kind]();
      const ran = run(model, tokens, hold(model, nodes(null), off));
      close([difference(ran, n)], [differences[0][n]]);
      close(directEffects(model, ran, direction(model, expected.io[n], expected.s[n])), some);
      const at = (name, i) => ({ ...nodes(expected.positions[name][n])[i] });
      const local = run(model, tokens, hold(model, [at("S2", 0), at("END", 2)], off));
      close([difference(local, n)], [differences[1][n]]);
    });
  });
}

test("patching every head from another run gives its logits where the residual stream is the same", () => {
  const all = [];
  for (let layer = 0; layer < model.layers; layer += 1) {
    for (let head = 0; head < model.heads; head += 1) all.push({ layer, head, position: null });
  }
  const [clean, other] = [run(model, expected.tokens[0]), run(model, expected.other[0])];
  const patched = run(model, expected.tokens[0], hold(model, all, other.z));
  // END holds the same word in both sentences, and all writes are those of the other
  assert.equal(expected.tokens[0].at(-1), expected.other[0].at(-1));
  close(logitsAt(model, patched), logitsAt(model, other));
  assert.ok(farthest([...logitsAt(model, clean)], [...logitsAt(model, other)]) > 1);
});

test("the mean of outputs is a mean", () => {
  const runs = [0, 2].map((n) => run(model, expected.tokens[n].slice(0, 5)));
  const means = meanOutputs(runs);
  assert.equal(means.length, model.layers);
  close(means[1], runs[0].z[1].map((value, i) => (value + runs[1].z[1][i]) / 2), 1e-6);
});

test("texts get the tokens of the tokenizers library", () => {
  const tokenizer = new Tokenizer(packed.ioi.tokenizer);
  for (const { text, ids } of expected.encoded) assert.deepEqual(tokenizer.encode(text).ids, ids, text);
  expected.texts.forEach((text, n) => {
    assert.deepEqual([packed.ioi.tokenizer.bos, ...tokenizer.encode(text).ids], expected.tokens[n]);
  });
  const { unknown } = tokenizer.encode("Mary met Zelda, Xavier");
  assert.deepEqual(unknown.filter(({ word }) => /^[ZX]/.test(word)).map(({ word, start }) => [word, start]), [["Zelda", 9], ["Xavier", 16]]);
});

test("a classifier has PyTorch's logits, and its tokenizer lower case", () => {
  const { answers, model: weights, tokenizer: words } = packed.classifier;
  const classifier = loadModel(weights);
  const tokenizer = new Tokenizer(words);
  for (const { text, ids, logits } of answers) {
    assert.deepEqual(tokenizer.encode(text).ids, ids, text);
    close(logitsAt(classifier, run(classifier, ids)), logits);
  }
});

test("a model of another shape, with MLPs, has PyTorch's logits at every position", () => {
  const { model: weights, tokens, logits } = packed["with MLPs"];
  const other = loadModel(weights);
  assert.ok(other.blocks.every(({ mlp }) => mlp));
  const ran = run(other, tokens);
  logits.forEach((some, position) => close(logitsAt(other, ran, position), some));
  assert.throws(() => run(other, [...tokens, 0]), /21 tokens, and the model reads at most 20/);
});

test("packed numbers come back within half a step", () => {
  const { table, packed: tables } = read("numbers.json");
  for (const [bits, numbers] of Object.entries(tables)) {
    const back = unpackNumbers(numbers);
    table.flat().forEach((value, i) => {
      const row = table[Math.floor(i / 3)];
      const step = Math.max(...row.map(Math.abs)) / (2 ** (bits - 1) - 1);
      assert.ok(Math.abs(value - back[i]) <= 0.5001 * step + 1e-7 * Math.abs(value), `${bits} bits: ${value} ${back[i]}`);
    });
  }
});

test("probabilities sum to one, also of large logits", () => {
  const p = softmax([1000, 1000, -1000]);
  assert.deepEqual([...p], [0.5, 0.5, 0]);
});

test("one knockout takes at most 100 ms on one core", (t) => {
  const tokens = expected.tokens.toSorted((a, b) => b.length - a.length)[0];
  const towards = direction(model, expected.io[0], expected.s[0]);
  const once = () => directEffects(model, run(model, tokens, hold(model, nodes(null))), towards);
  for (let i = 0; i < 5; i += 1) once();
  const times = Array.from({ length: 15 }, () => {
    const before = process.cpuUsage(); // of the processor: a busy machine does not count
    once();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }).sort((a, b) => a - b);
  t.diagnostic(`median ${times[7].toFixed(2)} ms`);
  assert.ok(times[7] < 100, `${times[7]} ms`);
});
