// The frontier: what its words say of the numbers.

import assert from "node:assert/strict";
import test from "node:test";

import { dialOf, judged } from "../../book/labs/frontier/lab.js";

const REFERENCE = { perplexity: 3.4, distinct_2: 0.28 };

test("lost language and repetition are told apart from ordinary texts", () => {
  assert.match(judged({ perplexity: 44.7, distinct_2: 0.24 }, REFERENCE), /13 times.*language is lost/);
  assert.match(judged({ perplexity: 2.8, distinct_2: 0.13 }, REFERENCE), /0\.46 times.*repeats itself/);
  assert.match(judged({ perplexity: 3.2, distinct_2: 0.26 }, REFERENCE), /0\.94 and 0\.93 times/);
});

test("each method has a dial of its own", () => {
  assert.equal(dialOf("ppo").label, dialOf("grpo").label);
  assert.equal(dialOf("supervised").format(30000), "30,000");
  assert.match(dialOf("best-of-n").label, /choose from/);
});
