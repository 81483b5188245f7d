// What the circuit laboratory makes of a reader's sentence.
import assert from "node:assert/strict";
import test from "node:test";
import { corrupted, inWriting, readSentence } from "../../book/labs/circuit/sentence.js";
import { Tokenizer } from "../../book/labs/runtime/tokenizer.js";

const names = ["Amy", "Bob", "Carl", "Dora", "Emil", "Fay", "Gus"];
const words = ["<bos>", "<unk>", ...names, "and", "gave", "a", "drink", "to", "When", "left", ",", "."];
const tokenizer = new Tokenizer({ words, lowercase: false, unknown: 1, specials: ["<bos>"] });
const language = { tokenizer, bos: 0, names, context: 14 };
const read = (text) => readSentence(text, language);

test("IO, S and their positions are found in both orders", () => {
  const { task, problem, tokens } = read("When Amy and Bob left, Bob gave a drink to");
  assert.equal(problem, null);
  assert.deepEqual(task.positions, { IO: 2, S1: 4, "S1+1": 5, S2: 7, END: 11 });
  assert.deepEqual([task.ioName, task.sName, task.order], ["Amy", "Bob", "ABBA"]);
  assert.equal(tokens[0], 0);
  assert.equal(read("When Bob and Amy left, Bob gave a drink to").task.order, "BABA");
});

test("unknown names get a message that says which names there are", () => {
  const { problem, task } = read("When Zelda and Bob left, Bob gave a drink to Xerxes");
  assert.equal(task, null);
  assert.match(problem, /does not know “Zelda” and “Xerxes”.*names Amy, Bob, Carl, Dora, Emil and Fay, and 1 more/);
  assert.match(read("Amy gave a potion to").problem, /does not know “potion”\. It knows 17 words\.$/);
});

test("empty and long texts are told apart", () => {
  assert.match(read("  ").problem, /Type a sentence/);
  assert.match(read(Array(14).fill("to").join(" ")).problem, /15 tokens, and the model reads at most 14/);
});

test("a sentence that is not of the task says why, and can still be read", () => {
  const why = (text) => {
    const found = read(text);
    assert.equal(found.problem, null);
    assert.equal(found.task, null);
    return found.whyNot;
  };
  assert.match(why("When Amy and Bob left"), /Here Amy is there once and Bob is there once/);
  assert.match(why("Amy and Amy and Amy"), /Amy is there 3 times/);
  assert.match(why("a drink to"), /Here is none/);
  assert.match(why("Bob and Bob gave a drink to Amy"), /nothing is left to answer/);
});

test("corruptions put other names at the same places, the same ones each time", () => {
  const sentence = read("When Amy and Bob left, Bob gave a drink to");
  const ids = names.map((name) => tokenizer.id(name));
  const written = (slots, seed = "x") => corrupted(sentence, slots, ids, seed).map((token) => words[token]);
  assert.equal(inWriting(written(["IO", "S", "IO"]).slice(1)), "When Amy and Bob left, Amy gave a drink to");
  assert.equal(inWriting(written(["S", "IO", "S"]).slice(1)), "When Bob and Amy left, Bob gave a drink to");
  const abc = written(["X", "Y", "Z"]);
  const fresh = [2, 4, 7].map((at) => abc[at]);
  assert.equal(new Set(fresh).size, 3);
  assert.ok(fresh.every((name) => names.includes(name) && name !== "Amy" && name !== "Bob"));
  assert.deepEqual(written(["X", "Y", "Z"]), abc);
  assert.notDeepEqual(written(["X", "Y", "Z"], "y"), abc);
  const flip = written(["X", "Y", "Y"]);
  assert.equal(flip[4], flip[7]);
});
