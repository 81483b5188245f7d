// Numbers as readers see them, and arrays as the build packs them.
import assert from "node:assert/strict";
import test from "node:test";
import { fixed, loadData, percent, signed, unpack } from "../../book/labs/ui.js";

test("numbers have a real minus sign, and none at zero", () => {
  assert.equal(fixed(-1.234), "−1.23");
  assert.equal(fixed(-0.0001), "0.00");
  assert.equal(signed(-0.0001, 1), "+0.0");
  assert.equal(signed(2), "+2.00");
  assert.equal(percent(-0.125), "−13%");
  assert.equal(percent(0.5, 1), "50.0%");
});

test("arrays are unpacked with type and shape", () => {
  const base64 = Buffer.from(new Int16Array([1, -2, 300, 4]).buffer).toString("base64");
  const array = unpack({ base64, type: "int16", shape: [2, 2] });
  assert.deepEqual([...array], [1, -2, 300, 4]);
  assert.deepEqual(array.shape, [2, 2]);
  assert.throws(() => unpack({ base64, type: "float16", shape: [4] }), /float16/);
});

test("data that a script has brought is given without loading anything", async () => {
  globalThis.labs = { data: { numbers: { a: 1 } } };
  assert.deepEqual(await loadData("numbers"), { a: 1 });
});
