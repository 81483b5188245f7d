// A player for recorded flights of LunarLander: the scene, what the agent expects, what it may do.

import { leftAxis, legend, line, picture, responsive, scale, ticks } from "../chart.js";
import { button, choice, el, fixed, liveRegion, loadData, mayMove, menu, percent } from "../ui.js";
import { playhead, unpackFlight } from "./flight.js";

const WORLD = { width: 20, height: 40 / 3 };
const SPEEDS = [[0.5, "½"], [1, "1"], [2, "2"], [4, "4"]];

/** The flights are loaded when the reader asks for them. */
export function load() {
  return loadData("episodes");
}

/** Builds the player. */
export function start(root, data) {
  const flights = data.flights.map(unpackFlight);
  let flight = flights[0];
  let head;
  let speed = 1;
  let last = 0;

  const scene = el("div", { class: "flight-scene" });
  const chart = responsive((width) => drawCurves(width, flight));
  const cursor = el("div", { class: "flight-cursor" });
  const scrubber = el("input", { type: "range", class: "flight-scrubber", min: 0, "aria-label": "Step of the flight" });
  const bars = data.actions.map((name) => actionBar(name));
  const says = liveRegion({ class: "lab-live flight-says" });
  const readings = { step: reading("step"), sum: reading("reward so far"), value: reading("value") };
  const playButton = button("Play", () => head.toggle(), { primary: true });
  playButton.classList.add("flight-play");
  const back = button("", () => jump(-1), { "aria-label": "One step back" });
  const forth = button("", () => jump(1), { "aria-label": "One step forward" });
  back.append(icon("M15 5 L6 12 L15 19 Z"));
  forth.append(icon("M9 5 L18 12 L9 19 Z"));

  function jump(by) {
    head.pause();
    head.goTo(head.step() + by);
    describe();
  }

  let lander;
  function show(step, running) {
    const state = flight.state(step);
    lander.show(state);
    scrubber.value = step;
    scrubber.setAttribute("aria-valuetext", `step ${step} of ${flight.steps}`);
    readings.step.set(`${step} of ${flight.steps}`);
    readings.sum.set(fixed(state.sum, 0));
    readings.value.set(fixed(state.value, 0));
    bars.forEach((bar, action) => bar.set(state.probabilities[action], state.action === action));
    cursor.style.setProperty("--at", step / flight.steps);
    playButton.textContent = running ? "Pause" : "Play";
    if (running) requestAnimationFrame(frame);
    else last = 0;
  }

  let pending = false;
  function frame(now) {
    if (pending) return;
    pending = true;
    // who asked for less motion sees a still picture twice a second
    const wait = mayMove() ? 0 : 500;
    const go = () => {
      pending = false;
      const seconds = last ? Math.min((performance.now() - last) / 1000, wait ? 0.5 : 0.1) : 0;
      last = performance.now();
      const ran = head.running();
      head.tick(seconds, speed);
      if (ran && !head.running()) describe();
    };
    if (wait) setTimeout(go, wait);
    else go(now);
  }

  // said when the picture stands still, not sixty times a second
  function describe() {
    const step = head.step();
    const state = flight.state(step);
    if (step === flight.steps) {
      says.say(`The flight ended ${flight.terminated ? "" : "at the time limit "}after ${flight.steps} steps with a return of ${fixed(state.sum, 0)}.`);
      return;
    }
    says.say(`Step ${step}: ${data.actions[state.action]}, which had a probability of ${percent(state.probabilities[state.action])}; the critic expects ${fixed(state.value, 0)}.`);
  }

  function choose(index) {
    head?.pause();
    flight = flights[index];
    lander = drawScene(flight);
    scene.replaceChildren(lander.element);
    scrubber.max = flight.steps;
    head = playhead(flight.steps, show);
    chart.redraw();
    head.goTo(0);
    describe();
  }

  scrubber.addEventListener("input", () => {
    const wanted = Number(scrubber.value); // pausing puts the slider back to where the flight is
    head.pause();
    head.goTo(wanted);
    describe();
  });
  const player = el("div", { class: "flight", role: "group", "aria-label": "Player of recorded flights" },
    menu({ label: "Flight", value: "0", options: flights.map((one, index) => [String(index), one.title]), onchange: (index) => choose(Number(index)) }),
    el("div", { class: "flight-stage" }, scene,
      el("div", { class: "flight-side" },
        el("div", { class: "flight-readings" }, Object.values(readings).map((one) => one.element)),
        el("div", { class: "flight-actions", role: "group", "aria-label": "Probabilities of the actions" },
          el("p", { class: "flight-heading" }, "How probable each action is"), bars.map((bar) => bar.element)))),
    el("div", { class: "flight-controls" }, playButton, back, forth,
      choice({ label: "Speed", value: 1, options: SPEEDS.map(([value, text]) => [value, `${text}×`]), onchange: (value) => { speed = value; } })),
    scrubber,
    el("div", { class: "flight-curves" }, chart, cursor),
    legend([["reward so far", "blue"], ["value: what the critic expects", "vermilion"], ["what then came", "green", "5 3"]]),
    says,
    el("p", { class: "lab-note" }, "Space plays and pauses anywhere in the player, except on another button; the arrow keys move the slider by a step, "
      + "Page Up and Page Down by more. "
      + `Rewards of later steps count ${data.discount} times as much for each step until then, in the value and in what came.`));
  player.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.matches("button, select, input[type=radio]")) return;
    event.preventDefault();
    head.toggle();
    if (!head.running()) describe();
  });
  playButton.addEventListener("click", () => { if (!head.running()) describe(); });
  root.append(player);
  choose(0);
}

function icon(path) {
  return el("svg", { viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": "true" }, el("path", { d: path, fill: "currentColor" }));
}

function reading(name) {
  const value = el("span", { class: "flight-reading-value" });
  const element = el("p", { class: "flight-reading" }, el("span", { class: "flight-reading-name" }, name), value);
  return { element, set: (text) => { value.textContent = text; } };
}

function actionBar(name) {
  const fill = el("span", { class: "flight-bar-fill" });
  const share = el("span", { class: "flight-bar-share" });
  const element = el("div", { class: "flight-bar" }, el("span", { class: "flight-bar-name" }, name), el("span", { class: "flight-bar-track" }, fill), share);
  return {
    element,
    set(probability, taken) {
      fill.style.transform = `scaleX(${probability})`;
      share.textContent = percent(probability);
      element.classList.toggle("flight-bar-taken", taken);
    },
  };
}

/** The scene, and a function that moves what moves in it. */
function drawScene(flight) {
  let sky = WORLD.height;
  for (let t = 0; t <= flight.steps; t += 1) sky = Math.max(sky, flight.state(t).y + 0.9);
  const scaleBy = 30; // units of the drawing for each metre
  const [width, height] = [WORLD.width * scaleBy, sky * scaleBy];
  const point = (x, y) => `${(x * scaleBy).toFixed(1)},${((sky - y) * scaleBy).toFixed(1)}`;
  const path = Array.from({ length: flight.steps + 1 }, (_, t) => flight.state(t)).map(({ x, y }) => point(x, y));
  const level = WORLD.height / 4;
  const flag = (x) => el("g", {},
    el("path", { class: "flight-pole", d: `M${point(x, level)} L${point(x, level + 1.3)}` }),
    el("path", { class: "flight-flag", d: `M${point(x, level + 1.3)} L${point(x + 0.75, level + 1.05)} L${point(x, level + 0.8)} Z` }));
  const flame = (action, d) => el("path", { class: "flight-flame", d, "data-action": action });
  const flames = [
    flame(1, "M-16,-8 L-38,-3 L-16,3 Z"),
    flame(2, "M-9,12 Q-5,26 0,44 Q5,26 9,12 Z"),
    flame(3, "M16,-8 L38,-3 L16,3 Z"),
  ];
  const [left, right] = [-1, 1].map((side) => el("path", {
    class: "flight-leg", d: `M${11 * side},6 L${23 * side},21 M${17 * side},22 L${29 * side},22`,
  }));
  const craft = el("g", { class: "flight-craft" }, flames, left, right,
    el("path", { class: "flight-body", d: "M-13,-17 L13,-17 L17,0 L17,10 L-17,10 L-17,0 Z" }),
    el("circle", { class: "flight-window", cx: 0, cy: -5, r: 5.5 }));
  const stars = el("g", { class: "flight-stars" });
  for (let i = 0; i < 46; i += 1) {
    const [u, v] = [(i * 0.61803) % 1, (i * 0.7548777) % 1];
    stars.append(el("circle", { cx: (u * width).toFixed(0), cy: (v * height * 0.72).toFixed(0), r: i % 5 ? 0.9 : 1.6 }));
  }
  const element = el("svg", { viewBox: `0 0 ${width} ${height.toFixed(1)}`, role: "img", "aria-label": `${flight.title}: the lander above the ground, its path dotted` },
    el("rect", { class: "flight-sky", width, height }), stars,
    el("polyline", { class: "flight-path", points: path.join(" ") }),
    el("polygon", { class: "flight-ground", points: [point(0, 0), ...flight.ground.map(([x, y]) => point(x, y)), point(WORLD.width, 0)].join(" ") }),
    el("path", { class: "flight-pad", d: `M${point(flight.pad[0], level)} L${point(flight.pad[1], level)}` }),
    flag(flight.pad[0]), flag(flight.pad[1]), craft);
  return {
    element,
    show(state) {
      const degrees = (-180 / Math.PI) * state.angle;
      craft.setAttribute("transform", `translate(${point(state.x, state.y)}) rotate(${degrees.toFixed(1)})`);
      flames.forEach((one) => one.classList.toggle("flight-burns", Number(one.dataset.action) === state.action));
      left.classList.toggle("flight-touches", state.left);
      right.classList.toggle("flight-touches", state.right);
    },
  };
}

const INSET = { left: 46, right: 12 };

/** Reward so far, value, and what came, over the steps; the cursor is moved by CSS. */
function drawCurves(width, flight) {
  const [left, right, top, bottom] = [INSET.left, width - INSET.right, 8, 134];
  const { sums, values, came } = flight.curves;
  const all = [...sums, ...values, ...came, 0];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const y = scale([low, high], [bottom, top]);
  const x = scale([0, flight.steps], [left, right]);
  const curve = (numbers, properties) => line(Array.from(numbers, (value, t) => [x(t), y(value)]), properties);
  return picture(width, bottom + 8,
    `Over the steps: the reward so far ends at ${fixed(sums[flight.steps], 0)}; the critic's value goes from ${fixed(values[0], 0)} to ${fixed(values[flight.steps], 0)}.`,
    ...leftAxis(y, ticks(low, high, 4), left, right),
    curve(came, { class: "lab-stroke-green", "stroke-width": 1.6, "stroke-dasharray": "5 3" }),
    curve(values, { class: "lab-stroke-vermilion", "stroke-width": 1.8 }),
    curve(sums, { class: "lab-stroke-blue", "stroke-width": 2.2 }));
}
