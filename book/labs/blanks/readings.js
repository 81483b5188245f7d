// What can be said in words of a tensor that the model has computed. No page is needed for it.
import { fixed, percent } from "../ui.js";

/** The sizes of a tensor with the names of its axes, such as "15 positions × 96 numbers". */
export function shapeInWords(axes, shape) {
  const names = {
    pos: "positions", d_model: "numbers", head: "heads", query_pos: "positions that read",
    key_pos: "positions that are read", d_head: "numbers", d_mlp: "hidden units", vocab: "tokens",
  };
  return axes.map((axis, i) => `${shape[i]} ${shape[i] === 1 ? names[axis].replace(/s$/, "") : names[axis]}`).join(" × ");
}

/** The numbers of one position, whatever axes follow. */
export function rowOf({ values, shape }, position) {
  const width = values.length / shape[0];
  const start = position * width;
  const row = values.subarray(start, start + width);
  return row;
}

/** The pattern, or the scores, of one head: a tensor (query_pos, key_pos). */
export function headOf({ values, shape }, head) {
  const size = shape[1] * shape[2];
  return { values: values.subarray(head * size, (head + 1) * size), shape: shape.slice(1) };
}

export function meanOf(row) {
  return row.reduce((sum, x) => sum + x, 0) / row.length;
}

export function varianceOf(row) {
  const mean = meanOf(row);
  return row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length;
}

/** Positive numbers that sum to 1. */
export function softmax(row) {
  const most = Math.max(...row);
  const raised = Array.from(row, (x) => Math.exp(x - most));
  const sum = raised.reduce((a, b) => a + b, 0);
  return raised.map((x) => x / sum);
}

/** The largest entries as [index, value], the largest first. */
export function largest(row, count) {
  return Array.from(row, (value, index) => [index, value]).sort((a, b) => b[1] - a[1]).slice(0, count);
}

/** Where a position reads, such as "“to” reads “Mary” (64%), “and” (9%) and “John” (7%)." */
export function readsWhere(row, words, position) {
  const read = largest(row.subarray(0, position + 1), 3).filter(([, share]) => share >= 0.005);
  const parts = read.map(([index, share]) => `“${words[index]}” (${percent(share)})`);
  return `“${words[position]}” reads ${listed(parts)}.`;
}

/** The first numbers of a row, its mean and its variance. */
export function numbersOf(row) {
  if (row.every((x) => x === 0)) return `${row.length} zeros.`;
  const first = Array.from(row.subarray(0, 4), (x) => fixed(x)).join(", ");
  const more = row.length > 4 ? ", ..." : "";
  return `${first}${more} (${row.length} numbers with mean ${fixed(meanOf(row))} and variance ${fixed(varianceOf(row))}).`;
}

function listed(parts) {
  if (parts.length < 2) return parts.join("");
  return `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}
