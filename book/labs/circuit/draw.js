// Pictures of the circuit laboratory. All colours come from the style sheet.

import { el, fixed } from "../ui.js";

const LEVELS = 10;

/** Squares of an attention pattern as few paths: one for each of ten strengths. */
function squares(pattern, start, length) {
  const paths = Array.from({ length: LEVELS + 1 }, () => []);
  for (let query = 0; query < length; query += 1) {
    for (let key = 0; key <= query; key += 1) {
      const level = Math.round(LEVELS * pattern[start + query * length + key]);
      if (level) paths[level].push(`M${key} ${query}h1v1h-1z`);
    }
  }
  return paths.map((parts, level) => (parts.length ? el("path", { d: parts.join(""), "fill-opacity": level / LEVELS }) : null));
}

/** The attention of one head, small: each row reads, each column is read. */
export function smallMap(pattern, head, length) {
  return el("svg", { class: "circuit-small", viewBox: `0 0 ${length} ${length}`, "aria-hidden": "true", "shape-rendering": "crispEdges" },
    squares(pattern, head * length * length, length));
}

/** The same, large, with the words beside it. */
export function largeMap(pattern, head, words, query) {
  const n = words.length;
  const [cell, left, top] = [16, 78, 70];
  const size = n * cell;
  return el("svg", { class: "circuit-large", viewBox: `0 0 ${left + size + 4} ${top + size + 2}`, width: left + size + 4, role: "img",
    "aria-label": `Attention of every word to every earlier one; the row of “${words[query]}” is marked` },
  words.map((word, i) => el("text", { x: left - 6, y: top + i * cell + 12, "text-anchor": "end", class: i === query ? "is-query" : null }, word)),
  words.map((word, i) => el("text", { transform: `translate(${left + i * cell + 12} ${top - 6}) rotate(-90)` }, word)),
  el("g", { transform: `translate(${left} ${top}) scale(${cell})`, "shape-rendering": "crispEdges" },
    el("path", { class: "circuit-ground", d: words.map((_, i) => `M0 ${i}h${i + 1}v1h-${i + 1}z`).join("") }),
    squares(pattern, head * n * n, n)),
  el("rect", { class: "circuit-row", x: left, y: top + query * cell, width: size, height: cell }));
}

/** A bar from zero to the right or left, with a tick where it was before; `limit` fills the half. */
export function effectBar(value, before, limit) {
  const place = (number) => 50 + 50 * Math.max(-1, Math.min(1, number / limit));
  const [from, to] = [Math.min(50, place(value)), Math.max(50, place(value))];
  return el("svg", { class: "circuit-bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    el("rect", { class: value < 0 ? "is-negative" : "is-positive", x: from, y: 2, width: to - from, height: 6 }),
    el("rect", { class: "circuit-zero", x: 49.4, y: 0, width: 1.2, height: 10 }),
    Math.abs(value - before) < 0.005 ? null : el("rect", { class: "circuit-before", x: place(before) - 1.2, y: 0, width: 2.4, height: 10 }));
}

/** A row of a bar chart for shares from 0 to 1, with a tick where the intact model is. */
export function shareRow(word, share, before, isAnswer) {
  return el("div", { class: isAnswer ? "circuit-share is-answer" : "circuit-share" },
    el("span", { class: "circuit-word" }, word),
    el("span", { class: "circuit-track", "aria-hidden": "true" },
      el("span", { class: "circuit-fill", style: `width:${(100 * share).toFixed(1)}%` }),
      el("span", { class: "circuit-tick", style: `left:${(100 * before).toFixed(1)}%` })),
    el("span", { class: "circuit-number" }, `${fixed(100 * share, 1)}%`));
}
