// A recorded flight as numbers in metres, radians and rewards, and where a player stands in it.

import { unpack } from "../ui.js";

/** Frames of the simulation in a second. */
export const FRAMES_PER_SECOND = 50;

/**
 * Unpacks a flight of `code/coursekit/labs/episodes.py`.
 * @param {object} packed one entry of `flights`
 * @returns {object} `steps`, how many actions were taken; functions `state(t)` of a state from 0 to
 *   `steps`, and `curves`, the numbers over time
 */
export function unpackFlight(packed) {
  const raw = Object.fromEntries(
    ["x", "y", "angle", "legs", "actions", "sums", "values", "came", "probabilities"].map((name) => [name, unpack(packed[name])]),
  );
  const steps = raw.actions.length;
  const width = raw.probabilities.shape[1];
  for (const [name, values] of Object.entries(raw)) {
    const expected = name === "actions" ? steps : (steps + 1) * (name === "probabilities" ? width : 1);
    if (values.length !== expected) throw new Error(`the recorded ${name} do not fit to ${steps} steps`);
  }
  const tenths = (values) => Float64Array.from(values, (value) => value / 10);
  const curves = { sums: tenths(raw.sums), values: tenths(raw.values), came: tenths(raw.came) };
  return {
    title: packed.title,
    ground: packed.ground,
    pad: packed.pad,
    terminated: packed.terminated,
    steps,
    curves,
    state(t) {
      return {
        x: raw.x[t] / 100,
        y: raw.y[t] / 100,
        angle: raw.angle[t] / 1000,
        left: (raw.legs[t] & 1) > 0,
        right: (raw.legs[t] & 2) > 0,
        // no action follows the last state
        action: t < steps ? raw.actions[t] : null,
        sum: curves.sums[t],
        value: curves.values[t],
        probabilities: Array.from(raw.probabilities.subarray(t * width, (t + 1) * width), (p) => p / 255),
      };
    },
  };
}

/**
 * Where a player is: a step and whether it runs. Time comes from outside, so a test can give it.
 * @param {number} steps the last step
 * @param {function(number, boolean)} onchange called with the step and whether it runs
 * @returns {object} `play()`, `pause()`, `toggle()`, `goTo(step)`, `tick(seconds, speed)`, `step()`, `running()`
 */
export function playhead(steps, onchange) {
  let at = 0;
  let running = false;
  const tell = () => onchange(Math.floor(at), running);
  const goTo = (step) => {
    at = Math.min(Math.max(step, 0), steps);
    tell();
  };
  const play = () => {
    if (at >= steps) at = 0;
    running = true;
    tell();
  };
  const pause = () => {
    running = false;
    tell();
  };
  return {
    play,
    pause,
    goTo,
    toggle: () => (running ? pause() : play()),
    step: () => Math.floor(at),
    running: () => running,
    tick(seconds, speed) {
      if (!running) return;
      at += seconds * FRAMES_PER_SECOND * speed;
      if (at >= steps) {
        at = steps;
        running = false;
      }
      tell();
    },
  };
}
