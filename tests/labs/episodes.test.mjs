// The player of flights: numbers as they were packed, and a playhead whose time comes from outside.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { FRAMES_PER_SECOND, playhead, unpackFlight } from "../../book/labs/episodes/flight.js";

const packed = (Type, type, shape, values) => ({ base64: Buffer.from(new Type(values).buffer).toString("base64"), type, shape });
const short = (...values) => packed(Int16Array, "int16", [values.length], values);
const bytes = (...values) => packed(Uint8Array, "uint8", [values.length], values);

const FLIGHT = {
  title: "two steps", ground: [[0, 1], [20, 1]], pad: [9, 11], terminated: true,
  x: short(1000, 1010, 1020), y: short(900, 850, 800), angle: short(0, -100, 1500), legs: bytes(0, 1, 3),
  actions: bytes(2, 0), sums: short(0, -15, 985), values: short(100, 200, 300), came: short(900, 1000, 0),
  probabilities: packed(Uint8Array, "uint8", [3, 4], [0, 0, 255, 0, 255, 0, 0, 0, 51, 51, 102, 51]),
};

test("a flight is unpacked in metres, radians and rewards", () => {
  const flight = unpackFlight(FLIGHT);
  assert.equal(flight.steps, 2);
  assert.deepEqual(flight.state(1), {
    x: 10.1, y: 8.5, angle: -0.1, left: true, right: false, action: 0, sum: -1.5, value: 20, probabilities: [1, 0, 0, 0],
  });
  const last = flight.state(2);
  assert.equal(last.action, null);
  assert.ok(last.left && last.right);
  assert.equal(last.sum, 98.5);
  assert.ok(Math.abs(last.probabilities.reduce((a, b) => a + b, 0) - 1) < 1e-9);
});

test("a flight with a state too few is refused", () => {
  assert.throws(() => unpackFlight({ ...FLIGHT, x: short(1000, 1010) }), /recorded x do not fit to 2 steps/);
});

test("the playhead runs in the simulation's time, stops at the end and starts again from there", () => {
  const seen = [];
  const head = playhead(100, (step, running) => seen.push([step, running]));
  head.tick(1, 1); // it does not run yet
  assert.equal(head.step(), 0);
  head.play();
  head.tick(0.5, 1);
  assert.equal(head.step(), FRAMES_PER_SECOND / 2);
  head.tick(0.5, 2);
  assert.equal(head.step(), 75);
  head.pause();
  head.tick(1, 1);
  assert.deepEqual([head.step(), head.running()], [75, false]);
  head.toggle();
  head.tick(10, 1);
  assert.deepEqual([head.step(), head.running()], [100, false]);
  head.play();
  assert.deepEqual(seen.at(-1), [0, true]);
});

test("nobody gets out of the flight", () => {
  const head = playhead(10, () => {});
  head.goTo(-3);
  assert.equal(head.step(), 0);
  head.goTo(99);
  assert.equal(head.step(), 10);
});

// written by tests/labs/reference_episodes.py from the library's own flights
const folder = process.env.REFERENCE;

test("the packed flights are those of the library", { skip: !folder && "run by pytest" }, () => {
  const { packed: flights, recorded } = JSON.parse(readFileSync(`${folder}/episodes.json`, "utf8"));
  assert.ok(flights.length >= 2);
  flights.forEach((one, index) => {
    const flight = unpackFlight(one);
    const reference = recorded[index];
    assert.equal(flight.steps, reference.actions.length);
    for (let t = 0; t <= flight.steps; t += 1) {
      const state = flight.state(t);
      const near = (name, mine, tolerance) => assert.ok(Math.abs(mine - reference[name][t]) <= tolerance, `${name} at ${t}: ${mine}, ${reference[name][t]}`);
      near("x", state.x, 0.0051);
      near("y", state.y, 0.0051);
      near("angle", state.angle, 0.00051);
      near("sums", state.sum, 0.051);
      near("values", state.value, 0.051);
      assert.equal(state.action, reference.actions[t] ?? null);
      assert.deepEqual([state.left, state.right], reference.legs[t]);
      state.probabilities.forEach((p, a) => assert.ok(Math.abs(p - reference.probabilities[t][a]) < 0.002));
    }
    // what came is the reward of the next step, and what came after it, discounted
    for (let t = 0; t < flight.steps; t += 1) {
      const reward = reference.sums[t + 1] - reference.sums[t];
      assert.ok(Math.abs(flight.curves.came[t] - reward - reference.discount * flight.curves.came[t + 1]) < 0.11);
    }
  });
});
