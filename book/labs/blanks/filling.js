// Which label stands in which blank. Every function leaves its arguments as they are.
import { keyOf, unseal } from "./sealed.js";

/** All blanks empty. */
export function emptyFilling(blanks) {
  return Object.fromEntries(blanks.map((blank) => [blank, ""]));
}

/** The blank that holds a label, or null. */
export function holderOf(filling, label) {
  const found = Object.keys(filling).find((blank) => filling[blank] === label);
  return found === undefined ? null : Number(found);
}

/** The filling with a label put into a blank; each label stands in one blank only.
    A label that was there goes to where the new one came from, or back to the bank. */
export function withLabel(filling, label, blank) {
  const from = holderOf(filling, label);
  const next = { ...filling, [blank]: label };
  if (from !== null && from !== blank) next[from] = filling[blank];
  return next;
}

/** The filling with a blank emptied. */
export function without(filling, blank) {
  return { ...filling, [blank]: "" };
}

/** The labels that stand in no blank, in the order of the bank. */
export function inBank(bank, filling) {
  return bank.filter((label) => holderOf(filling, label) === null);
}

/** What the chapter's check says of each filled blank: {right, advice}. */
export function verdicts(data, filling) {
  const found = {};
  for (const blank of data.blanks) {
    if (!filling[blank]) continue;
    const answer = `${blank}=${filling[blank]}`;
    const said = unseal(data.salt, answer, data.said[keyOf(data.salt, answer)]);
    found[blank] = { right: said.startsWith("+"), advice: said.slice(1) };
  }
  return found;
}

/** The stops of the walk through the model, which only the right labels open. */
export function openWalk(data, filling) {
  const all = data.blanks.map((blank) => `${blank}=${filling[blank]}`).join(";");
  return JSON.parse(unseal(data.salt, all, data.walk));
}
