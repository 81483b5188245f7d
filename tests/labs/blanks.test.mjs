// Filling the blanks: labels move as they should, and sealed texts open with their key only.
// What the texts say is compared with the chapter's check in test_blanks.py.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { PLACES, drawing } from "../../book/labs/blanks/drawing.js";
import { emptyFilling, holderOf, inBank, withLabel, without } from "../../book/labs/blanks/filling.js";
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
