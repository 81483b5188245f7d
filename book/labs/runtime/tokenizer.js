// The tokenizer of the shipped models: one token for each word and each punctuation mark.

// what `Punctuation` of the tokenizers library takes for punctuation
const MARK = /[!-/:-@[-`{-~]|\p{P}/u;

/** Words and marks of a text in order, with where each begins and ends in it. */
export function splitWords(text, specials = []) {
  const special = specials.map((token) => token.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const pattern = [...special, MARK.source, `(?:(?!${MARK.source})\\S)+`].join("|");
  return [...text.matchAll(new RegExp(pattern, "gu"))].map((found) => ({
    word: found[0], start: found.index, end: found.index + found[0].length,
  }));
}

/** A tokenizer from `{ words, lowercase, unknown, specials }`; the index of a word is its token. */
export class Tokenizer {
  constructor({ words, lowercase, unknown, specials }) {
    this.words = words;
    this.lowercase = lowercase;
    this.unknown = unknown;
    this.specials = specials;
    this.ids = new Map(words.map((word, id) => [word, id]));
  }

  /** The token of one word; undefined where the model does not know it. */
  id(word) {
    return this.ids.get(this.lowercase && !this.specials.includes(word) ? word.toLowerCase() : word);
  }

  /**
   * `{ ids, words, unknown }` of a text: its tokens, without any that begins a text; the pieces they
   * stand for; and the pieces that are no tokens, which get the token for unknown words.
   */
  encode(text) {
    const words = splitWords(text, this.specials);
    const ids = words.map(({ word }) => this.id(word) ?? this.unknown);
    return { ids, words, unknown: words.filter(({ word }) => this.id(word) === undefined) };
  }
}
