// A sentence as the task sees it: its tokens, who is IO and who is S, and versions with other names.

/** Numbers from 0 to 1 that depend on the text only, so that a page shows the same ones again. */
function randomFrom(text) {
  let state = 2166136261;
  for (let i = 0; i < text.length; i += 1) state = Math.imul(state ^ text.charCodeAt(i), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const listed = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

/**
 * Reads a text.
 *
 * @param language `{ tokenizer, bos, names, context }`, names as words
 * @returns `{ text, tokens, words, problem, task }`. `problem` says why the model cannot read it, or
 *   is null. `task` is null where it is not a sentence of the task, which `whyNot` explains; else
 *   `{ io, s, ioName, sName, order, positions }`, tokens and positions as in `interp_rl.ioi`.
 */
export function readSentence(text, { tokenizer, bos, names, context }) {
  const { ids, words, unknown } = tokenizer.encode(text);
  const read = {
    text, tokens: [bos, ...ids], words: ["begin", ...words.map(({ word }) => word)], problem: null, task: null, whyNot: "",
  };
  if (!ids.length) {
    read.problem = "Type a sentence, or pick one.";
  } else if (unknown.length) {
    const strange = [...new Set(unknown.map(({ word }) => `“${word}”`))];
    const asName = unknown.some(({ word }) => /^\p{Lu}/u.test(word) && !tokenizer.ids.has(word));
    read.problem = `The model does not know ${listed(strange)}. It knows ${tokenizer.words.length - tokenizer.specials.length} words`
      + `${asName ? `, among them the names ${listed(names.slice(0, 6))}, and ${names.length - 6} more` : ""}.`;
  } else if (read.tokens.length > context) {
    read.problem = `The sentence has ${read.tokens.length} tokens, and the model reads at most ${context}.`;
  }
  if (read.problem) return read;
  const isName = new Set(names.map((name) => tokenizer.id(name)));
  const places = new Map();
  read.tokens.forEach((token, at) => {
    if (isName.has(token)) places.set(token, [...(places.get(token) ?? []), at]);
  });
  const found = [...places.keys()].map((token) => tokenizer.words[token]);
  const io = [...places].filter(([, at]) => at.length === 1);
  const s = [...places].filter(([, at]) => at.length === 2);
  if (places.size !== 2 || io.length !== 1 || s.length !== 1) {
    read.whyNot = "For a logit difference the sentence needs two names, one of them once and the other twice. "
      + (found.length ? `Here ${listed([...places].map(([token, at]) => `${tokenizer.words[token]} is there ${["", "once", "twice"][at.length] ?? `${at.length} times`}`))}.` : "Here is none.");
    return read;
  }
  const [[ioToken, [ioAt]], [sToken, [s1, s2]]] = [io[0], s[0]];
  if (ioAt > s2) {
    read.whyNot = `${tokenizer.words[ioToken]} comes last, so that nothing is left to answer: end the sentence before the answer.`;
    return read;
  }
  read.task = {
    io: ioToken, s: sToken, ioName: tokenizer.words[ioToken], sName: tokenizer.words[sToken],
    order: ioAt < s1 ? "ABBA" : "BABA",
    positions: { IO: ioAt, S1: s1, "S1+1": s1 + 1, S2: s2, END: read.tokens.length - 1 },
  };
  return read;
}

/**
 * The tokens with other names at IO, S1 and S2.
 *
 * @param slots three of "IO", "S", and "X", "Y", "Z" for fresh names, as in `ioi.CORRUPTIONS`
 * @param seed text; the same one draws the same names
 */
export function corrupted({ tokens, task }, slots, nameTokens, seed) {
  const random = randomFrom(seed);
  const left = nameTokens.filter((token) => token !== task.io && token !== task.s);
  const chosen = { IO: task.io, S: task.s };
  for (const slot of ["X", "Y", "Z"].filter((letter) => slots.includes(letter))) {
    chosen[slot] = left.splice(Math.floor(random() * left.length), 1)[0];
  }
  const out = tokens.slice();
  ["IO", "S1", "S2"].forEach((position, i) => { out[task.positions[position]] = chosen[slots[i]]; });
  return out;
}

/** Words as a reader writes them: no space before a mark. */
export function inWriting(words) {
  return words.join(" ").replace(/ (?=[.,;:!?'])/g, "").replace(/(?<=') /g, "");
}
