// Filling the blanks: labels move as they should, and sealed texts open with their key only.
// What the texts say is compared with the chapter's check in test_blanks.py.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { PLACES, drawing } from "../../book/labs/blanks/drawing.js";
import { emptyFilling, holderOf, inBank, openWalk, verdicts, withLabel, without } from "../../book/labs/blanks/filling.js";
import { modelFrom } from "../../book/labs/blanks/model.js";
import { largest, numbersOf, readsWhere, shapeInWords, softmax } from "../../book/labs/blanks/readings.js";
import { keyOf, sha256, unseal } from "../../book/labs/blanks/sealed.js";

const BANK = ["Dropout", "Attention", "Index 1", "Token embed", "add"];

test("SHA-256 is that of the standard, at every length of the last block", () => {
  for (const length of [0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 200]) {
    const text = "ä€a".repeat(100).slice(0, length);
    const expected = createHash("sha256").update(text).digest("hex");
    assert.equal(Buffer.from(sha256(text)).toString("hex"), expected, `length ${length}`);
  }
});

test("what was sealed with an answer opens with it, and with no other", () => {
  const said = "-Blank 3 lets each position read itself and earlier ones, at any length: ö.";
  const stream = (answer) => (i) => sha256(`salt|${Math.floor(i / 32)}|${answer}`)[i % 32];
  const bytes = Uint8Array.from(new TextEncoder().encode(said), (byte, i) => byte ^ stream("3=add")(i));
  const sealed = btoa(String.fromCharCode(...bytes));
  assert.equal(unseal("salt", "3=add", sealed), said);
  let other = "";
  try { other = unseal("salt", "3=Dropout", sealed); } catch { /* not even text */ }
  assert.notEqual(other, said);
  assert.notEqual(keyOf("salt", "3=add"), keyOf("salt", "3=Dropout"));
});

test("a label stands in one blank only, and a blank holds one label", () => {
  let filling = emptyFilling([1, 2, 3, 4, 5]);
  filling = withLabel(filling, "add", 2);
  filling = withLabel(filling, "add", 4);
  assert.deepEqual(filling, { 1: "", 2: "", 3: "", 4: "add", 5: "" });
  filling = withLabel(filling, "Dropout", 4);
  assert.equal(holderOf(filling, "add"), null);
  assert.deepEqual(inBank(BANK, filling), ["Attention", "Index 1", "Token embed", "add"]);
  assert.deepEqual(inBank(BANK, without(filling, 4)), BANK);
});

test("two labels change places when one is put onto the other", () => {
  let filling = withLabel(emptyFilling([1, 2]), "add", 1);
  filling = withLabel(filling, "Dropout", 2);
  assert.deepEqual(withLabel(filling, "add", 2), { 1: "Dropout", 2: "add" });
  assert.deepEqual(filling, { 1: "add", 2: "Dropout" }, "the old filling is left as it was");
});

test("the drawing has five blanks and shows in them what they are filled with and nothing else", () => {
  assert.deepEqual(PLACES.filter((p) => p.blank).map((p) => p.blank).sort(), [1, 2, 3, 4, 5]);
  assert.ok(PLACES.every((place) => !place.blank || !place.label));
  const empty = drawing(emptyFilling([1, 2, 3, 4, 5]));
  for (const label of ["Attention", "Index 1", "Token embed"]) assert.ok(!empty.includes(label));
  const filled = drawing({ ...emptyFilling([1, 2, 3, 4, 5]), 3: "Token embed" }, { 3: "wrong" });
  assert.match(filled, /blank filled wrong[^§]*Token embed/);
  assert.match(filled, /✗/);
});

// ---- with Python's values ----

const python = JSON.parse(readFileSync(`${process.env.REFERENCE}/blanks.json`));

test("each label in each blank gets the word of the chapter's check", () => {
  const { data } = python;
  assert.equal(Object.keys(python.said).length, 25);
  for (const [answer, said] of Object.entries(python.said)) {
    const [blank, label] = answer.split("=");
    const found = verdicts(data, { ...emptyFilling(data.blanks), [blank]: label });
    assert.deepEqual(found, { [blank]: { right: said.startsWith("+"), advice: said.slice(1) } });
  }
});

test("the right labels open the walk, and wrong ones do not", () => {
  const { data, answers } = python;
  assert.equal(openWalk(data, answers).stops.length, 33);
  assert.throws(() => openWalk(data, { ...answers, 1: answers[2], 2: answers[1] }));
});

test("the drawing has the boxes of the chapter's figure, and the blanks in the same places", () => {
  const frame = ({ x, y, width, height }) => [x, y, width, height];
  const boxes = PLACES.filter((place) => !place.bare);
  const frames = [...boxes.map(frame), [8, 140, 364, 340]];
  const sorted = (list) => list.map(String).sort();
  assert.deepEqual(sorted(frames), sorted(python.frames));
  for (const [blank, where] of Object.entries(python.blanks)) {
    assert.deepEqual(frame(boxes.find((place) => place.blank === Number(blank))), where);
  }
  assert.equal(Object.keys(python.blanks).length, 5);
});

test("every number of the walk is that of PyTorch: to 1e-4, where some are above 5 to 2e-5 of the largest", () => {
  const run = modelFrom(python.model).run(python.data.sentence);
  assert.deepEqual(run.words, python.run.words.map((word) => word.trim()));
  for (const [hook, expected] of Object.entries(python.run.tensors)) {
    const { values, shape } = run.tensor(hook);
    assert.deepEqual(shape, expected.shape, hook);
    assert.equal(values.length, expected.values.length, hook);
    const near = 2e-5 * Math.max(5, ...expected.values.map(Math.abs).filter((value) => value < 1e9));
    expected.values.forEach((value, i) => {
      if (value < -1e9) assert.ok(values[i] < -1e9, `${hook} is masked at ${i}`);
      else assert.ok(Math.abs(values[i] - value) < near, `${hook} at ${i}: ${values[i]} and ${value}`);
    });
  }
});

test("a sentence with a word that the model does not know is refused by its name", () => {
  const model = modelFrom(python.model);
  assert.throws(() => model.run("When Mary and Zebedee went to the store"), /“Zebedee”/);
  assert.throws(() => model.run("  "), /at least one word/);
});

test("what is said of a tensor in words is right", () => {
  assert.equal(shapeInWords(["pos", "d_model"], [15, 96]), "15 positions × 96 numbers");
  assert.equal(shapeInWords(["pos", "d_mlp"], [15, 1]), "15 positions × 1 hidden unit");
  const row = Float32Array.from([0.1, 0.64, 0.26, 0]);
  assert.equal(readsWhere(row, ["a", "b", "c", "d"], 2), "“c” reads “b” (64%), “c” (26%) and “a” (10%).");
  assert.equal(numbersOf(Float32Array.from([1, -1, 1, -1, 0])), "1.00, −1.00, 1.00, −1.00, ... (5 numbers with mean 0.00 and variance 0.80).");
  assert.equal(numbersOf(new Float32Array(3)), "3 zeros.");
  assert.deepEqual(largest([0.1, 0.7, 0.2], 2), [[1, 0.7], [2, 0.2]]);
  assert.ok(Math.abs(softmax([1000, 1000, 999])[0] - 1 / (2 + Math.exp(-1))) < 1e-12);
});
