// The diagram of the decoder, as interp_rl.models.diagram draws it: the same boxes in the same
// places (a test compares them), but with a name for each, so that they can be filled and visited.
// Blanks hold no label here; places are named by where they are and not by what they are.

const TRUNK = 112;
const BRANCH = 286;
const VIOLET = "#CC79A7";
const GREEN = "#009E73";
const BLUE = "#0072B2";

export const WIDTH = 380;
export const HEIGHT = 684;

/** Every box: x, y, width, height, its label or the number of its blank, and the small print. */
export const PLACES = [
  input("i0", TRUNK, { label: "Index 0", notes: ["which token?"] }),
  input("i1", BRANCH, { blank: 1, notes: ["which position?"] }),
  box("e0", TRUNK, 582, { blank: 2, tint: VIOLET, notes: ["row of W_E"] }),
  box("e1", BRANCH, 582, { label: "Position embed", tint: VIOLET, notes: ["row of W_pos"] }),
  join("s0", 556, { label: "add" }),
  box("t0", TRUNK, 498, { label: "Dropout", notes: ["in training only"] }),
  ...branch(1, 324, { blank: 3, tint: BLUE, notes: ["each position reads", "itself and earlier ones"] }),
  ...branch(2, 164, { label: "MLP", tint: GREEN, notes: ["each position", "by itself"] }, 4, 5),
  box("n", TRUNK, 92, { label: "LayerNorm", notes: ["mean 0, variance 1"] }),
  box("u", TRUNK, 46, { label: "Unembed", tint: VIOLET, notes: ["multiplies by W_U"] }),
  { id: "l", x: 34, y: 0, width: 156, height: 30, label: "logits", notes: ["a score for every next token"], bare: true },
];

/** The place with a name. */
export function placeOf(id) {
  return PLACES.find((place) => place.id === id);
}

/** The place of a blank. */
export function placeOfBlank(blank) {
  return PLACES.find((place) => place.blank === blank);
}

/** The drawing as SVG text, with the labels of a filling; `marks` says which are right or wrong. */
export function drawing(filling, marks = {}) {
  const boxes = PLACES.map((place) => drawn(place, filling[place.blank], marks[place.blank]));
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true" focusable="false">` +
    '<defs><marker id="lab-tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" ' +
    'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5 8 4 0 7.5z"/></marker></defs>' +
    rectangle({ x: 8, y: 140, width: 364, height: 340 }, 10, "block") +
    text(362, 155, ["one of n_layers blocks"], "note end") +
    text(54, 264, ["residual", "stream x"], "note") +
    text(190, 676, ["Each token enters as two indices, counted from 0."], "note") +
    ARROWS.map(arrow).join("") +
    boxes.join("") +
    "</svg>"
  );
}

const ARROWS = [
  [[TRUNK, 46], [TRUNK, 32]],
  [[TRUNK, 92], [TRUNK, 78]],
  [[TRUNK, 168], [TRUNK, 124], "trunk"],
  ...branchArrows(164),
  [[TRUNK, 328], [TRUNK, 192], "trunk"],
  ...branchArrows(324),
  [[TRUNK, 498], [TRUNK, 352], "trunk"],
  [[TRUNK, 544], [TRUNK, 530], "trunk"],
  [[TRUNK, 582], [TRUNK, 568]],
  [[BRANCH, 582], [BRANCH, 556], [TRUNK + 34, 556]],
  [[TRUNK, 628], [TRUNK, 614]],
  [[BRANCH, 628], [BRANCH, 614]],
];

function box(id, middle, y, rest) {
  return { id, x: middle - 78, y, width: 156, height: 20 + 12 * rest.notes.length, ...rest };
}

function input(id, middle, rest) {
  return { ...box(id, middle, 628, rest), radius: 16 };
}

function join(id, middle, rest) {
  return { id, x: TRUNK - 34, y: middle - 12, width: 68, height: 24, radius: 12, notes: [], ...rest };
}

/** A part that reads the trunk and adds to it: its boxes from bottom to top. */
function branch(number, y, part, wayBack, joins) {
  const dropout = { notes: ["in training only"] };
  return [
    box(`r${number}`, BRANCH, y + 102, { label: "LayerNorm", notes: ["mean 0, variance 1"] }),
    box(`m${number}`, BRANCH, y + 46, part),
    box(`w${number}`, BRANCH, y, { ...(wayBack ? { blank: wayBack } : { label: "Dropout" }), ...dropout }),
    join(`j${number}`, y + 16, joins ? { blank: joins } : { label: "add" }),
  ];
}

function branchArrows(y) {
  return [
    [[TRUNK, y + 146], [BRANCH, y + 146], [BRANCH, y + 134], "read"],
    [[BRANCH, y + 102], [BRANCH, y + 90]],
    [[BRANCH, y + 46], [BRANCH, y + 32]],
    [[BRANCH - 78, y + 16], [TRUNK + 34, y + 16]],
  ];
}

function drawn(place, label, mark) {
  const middle = place.x + place.width / 2;
  const line = place.bare ? 12 : place.y + (place.notes.length ? 14 : 16);
  const shown = place.blank ? label : place.label;
  const half = place.notes.length ? 50 : 22;
  const parts = [
    place.bare ? "" : rectangle(place, place.radius ?? 5, "frame", place.tint),
    text(middle, place.y + (place.bare ? 26 : 27), place.notes, "note"),
    shown ? text(middle, line, [shown], "name") : `<path class="rule" d="M${middle - half} ${line + 2}h${2 * half}"/>`,
    place.blank ? badge(place.x + 3, place.y + 2, place.blank, "number") : "",
    mark ? badge(place.x + place.width - 3, place.y + 2, mark === "right" ? "✓" : "✗", "sign") : "",
  ];
  const state = place.blank ? ["blank", label ? "filled" : "empty", mark].filter(Boolean).join(" ") : "";
  return `<g class="box ${state}" data-place="${place.id}">${parts.join("")}</g>`;
}

/** A number or a sign in a circle, on the corner of a box. */
function badge(x, y, content, kind) {
  return `<g class="badge ${kind}"><circle cx="${x}" cy="${y}" r="9"/>${text(x, y + 4, [String(content)], "digit")}</g>`;
}

function rectangle({ x, y, width, height }, radius, kind, tint = "none") {
  return `<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}" fill="${tint}"/>`;
}

function arrow(points) {
  const kind = typeof points.at(-1) === "string" ? points.at(-1) : "";
  const path = points.filter((point) => Array.isArray(point));
  const dot = kind === "read" ? `<circle cx="${path[0][0]}" cy="${path[0][1]}" r="2.5"/>` : "";
  return `${dot}<path class="arrow ${kind}" d="M${path.map((p) => p.join(" ")).join(" ")}" marker-end="url(#lab-tip)"/>`;
}

/** Lines of text; what follows an underscore is set lower. */
function text(x, y, lines, kind) {
  return lines
    .map((line, i) => {
      const lowered = line.replace(/_(\w+)(.*)/, '<tspan dy="2.5" class="low">$1</tspan><tspan dy="-2.5">$2</tspan>');
      return `<text class="${kind}" x="${x}" y="${y + 12 * i}">${lowered}</text>`;
    })
    .join("");
}
