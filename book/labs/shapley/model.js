// The classifier of reviews, asked about texts in which words are masked.
import { loadData } from "../ui.js";
import { loadModel, logitsAt, run } from "../runtime/gpt2.js";
import { Tokenizer } from "../runtime/tokenizer.js";

/** Loads sentiment-mini; `data` says what begins a text, what masks a word, and which class counts. */
export async function openModel(data) {
  return modelFrom(await loadData("sentiment-mini"), data);
}

/** The classifier from what the build has packed. */
export function modelFrom({ model: packed, tokenizer: pieces }, { begin, mask, label }) {
  const model = loadModel(packed);
  const tokenizer = new Tokenizer(pieces);
  return {
    vocabulary: pieces.words.filter((word) => !pieces.specials.includes(word)),

    /** The words of a text as the classifier reads them; each is a player. */
    wordsOf(text, most) {
      const { ids, unknown } = tokenizer.encode(text);
      if (!ids.length) throw new Error("Write at least one word.");
      if (unknown.length) {
        const words = [...new Set(unknown.map((piece) => `“${piece.word}”`))];
        throw new Error(`The classifier does not know ${words.join(", ")}. The list below has all the words that it knows.`);
      }
      if (ids.some((id) => pieces.specials.includes(pieces.words[id]))) throw new Error("Write words only, and no marks of the tokenizer.");
      if (ids.length > most) throw new Error(`That is ${ids.length} words and marks. Take at most ${most}: each one more doubles the coalitions.`);
      return ids.map((id) => pieces.words[id]);
    },

    /** Log odds of the class for the text in which only some words are shown. */
    worth(words, members) {
      const shown = words.map((word, i) => (members.includes(i) ? tokenizer.id(word) : mask));
      const logits = logitsAt(model, run(model, [...begin, ...shown]));
      return logOdds(logits, label);
    },
  };
}

/** log(p / (1 - p)) of a class, from the logits of all. */
export function logOdds(logits, label) {
  const others = Array.from(logits).filter((_, i) => i !== label);
  const most = Math.max(...others);
  return logits[label] - most - Math.log(others.reduce((sum, x) => sum + Math.exp(x - most), 0));
}
