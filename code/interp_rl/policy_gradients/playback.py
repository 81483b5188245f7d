"""One episode as a drawing that plays: where the lander was, its engines, the rewards over time."""

import hashlib
import html
import json
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl import plots
from interp_rl.policy_gradients.agent import Agent
from interp_rl.policy_gradients.environments import LUNAR_LANDER, Environments

ACTIONS = ("no engine", "left engine", "main engine", "right engine")
"""LunarLander's actions in order."""

_WORLD = (20.0, 40 / 3)
"""Width and height of the scene in the simulation's metres."""

_PIXELS = 18.0
"""Units of the drawing for each metre."""


@dataclass(frozen=True, eq=False)
class Flight:
    """One episode of LunarLander."""

    x: Float[Tensor, " state"]
    """horizontal position from the left edge, in metres; one more entry than there are steps"""
    y: Float[Tensor, " state"]
    """height of the body's centre over the lower edge, in metres"""
    observations: Float[Tensor, "state 8"]
    """what the agent saw"""
    angle: Float[Tensor, " state"]
    """anticlockwise from upright, in radians"""
    actions: Int[Tensor, " step"]
    """numbers of `ACTIONS`"""
    rewards: Float[Tensor, " step"]
    """reward of each step"""
    ground: list[tuple[float, float]]
    """corners of the ground from left to right, in metres"""
    pad: tuple[float, float]
    """left and right end of the landing pad, in metres"""
    terminated: bool
    """False if the time limit ended it"""

    @property
    def total(self) -> float:
        """The episode's return."""
        return self.rewards.sum().item()


@dataclass(frozen=True)
class Clip:
    """A drawing with a button that plays it; without scripts the path and the rewards remain."""

    html: str
    """ready to stand inside a page"""
    alt: str
    """what a reader who cannot see it needs to know"""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.alt}


def fly(agent: Agent, *, greedy: bool = True, seed: int = 0) -> Flight:
    """Lets an agent play one episode of LunarLander and notes everything that can be seen.

    Args:
        agent: The agent.
        greedy: Whether it takes the most probable action instead of drawing one.
        seed: Seed of the ground, of the first push and of the actions.

    Returns:
        The episode.

    Raises:
        ImportError: If Box2D is not installed.
    """
    environments = Environments(LUNAR_LANDER, 1, seed=seed, stream="playback")
    generator = None if greedy else torch.Generator().manual_seed(seed)
    moon = environments.single[0]
    corners = [polygon[0] for polygon in moon.sky_polys] + [moon.sky_polys[-1][1]]
    ground = [(float(x), float(y)) for x, y in corners]
    pad = (float(moon.helipad_x1), float(moon.helipad_x2))
    states, actions, rewards = [environments.observations[0]], [], []
    terminated = ended = False
    while not ended:
        action = agent.act(environments.observations, generator)
        step = environments.step(action)
        actions.append(action[0])
        rewards.append(step.rewards[0])
        states.append(step.reached[0])
        terminated = bool(step.terminated)
        ended = terminated or bool(step.truncated)
    environments.close()
    observations = torch.stack(states)
    x, y, angle = observations[:, [0, 1, 4]].T
    width, height = _WORLD
    # observations count from the pad, in half widths and half heights of the scene
    leg = 18 / 30
    return Flight(
        x=(x + 1) * width / 2,
        y=y * height / 2 + height / 4 + leg,
        observations=observations,
        angle=angle,
        actions=torch.stack(actions),
        rewards=torch.stack(rewards),
        ground=ground,
        pad=pad,
        terminated=terminated,
    )


def clip(flight: Flight, *, title: str, alt: str) -> Clip:
    """Makes a drawing of an episode that plays on request.

    It does not start by itself, so a reader who asked for less motion sees none, and it has a
    slider with which one can stop at any step.

    Args:
        flight: The episode.
        title: Who flies; stands above.
        alt: What is to be seen.

    Returns:
        The drawing; Jupyter and the book display it.

    Raises:
        ValueError: If the alternative text is too short to say anything.
    """
    alt = " ".join(alt.split())
    if len(alt) < plots.MINIMUM_ALT:
        raise ValueError(f"the alternative text {alt!r} is too short: say what is to be seen")
    sums = torch.cat([torch.zeros(1), flight.rewards.cumsum(0)])
    sky = max(_WORLD[1], flight.y.max().item() + 1)  # the first push may lead above the scene
    frames = [
        [round(_PIXELS * x, 1), round(_PIXELS * (sky - y), 1), round(-57.29578 * a)]
        for x, y, a in zip(flight.x.tolist(), flight.y.tolist(), flight.angle.tolist(), strict=True)
    ]
    low, high = min(sums.min().item(), 0.0), max(sums.max().item(), 0.0)
    scene, chart = _PIXELS * sky, 90.0
    width = _PIXELS * _WORLD[0]

    def across(step: int) -> float:
        return 34 + (width - 44) * step / (len(sums) - 1)

    def down(value: float) -> float:
        return scene + 16 + chart * (high - value) / (high - low or 1.0)

    curve = [[round(across(i), 1), round(down(v), 1)] for i, v in enumerate(sums.tolist())]
    corners = [(_PIXELS * x, _PIXELS * (sky - y)) for x, y in flight.ground]
    hills = _points([(0, scene), *corners, (width, scene)])
    left, right = (_PIXELS * x for x in flight.pad)
    level = _PIXELS * (sky - _WORLD[1] / 4)
    data = json.dumps(
        {
            "frames": frames,
            "actions": flight.actions.tolist(),
            "sums": [round(value) for value in sums.tolist()],
            "curve": curve,
        },
        separators=(",", ":"),
    )
    name = "flight-" + hashlib.sha256((data + title + alt).encode()).hexdigest()[:10]
    x, y, angle = frames[-1]
    bottom = scene + chart + 36
    svg = f"""<svg viewBox="0 0 {width:.0f} {bottom:.0f}" role="img" aria-label="{html.escape(alt)}"
style="display:block;width:100%;height:auto;font-family:system-ui,sans-serif">
<clipPath id="{name}-clip"><rect width="{width:.0f}" height="{scene:.0f}"/></clipPath>
<g clip-path="url(#{name}-clip)">
<polygon points="{hills}" fill="currentColor" fill-opacity=".15" stroke="currentColor"/>
<line x1="{left:.1f}" y1="{level:.1f}" x2="{right:.1f}" y2="{level:.1f}" stroke="{plots.GREEN}"
stroke-width="4"/>
<polyline points="{_points([frame[:2] for frame in frames])}" fill="none" stroke="currentColor"
stroke-opacity=".4" stroke-dasharray="2 3"/>
<g class="lander" transform="translate({x} {y}) rotate({angle})">
<g class="flames" fill="{plots.VERMILION}"><polygon class="f2" points="-4,7 4,7 0,20" opacity="0"/>
<polygon class="f1" points="-10,-3 -10,3 -20,0" opacity="0"/>
<polygon class="f3" points="10,-3 10,3 20,0" opacity="0"/></g>
<path d="M-8,4 L-13,12 M8,4 L13,12 M-15,12 H-10 M10,12 H15" stroke="currentColor"
stroke-width="1.5"/><polygon points="-8,-10 -10,0 -10,6 10,6 10,0 8,-10" fill="{plots.BLUE}"/>
</g></g>
<g font-size="9" fill="currentColor"><text x="30" y="{down(high) + 3:.0f}"
text-anchor="end">{high:.0f}</text><text x="30" y="{down(low) + 3:.0f}" text-anchor="end"
>{low:.0f}</text><text x="{width / 2:.0f}" y="{bottom - 6:.0f}" text-anchor="middle"
>steps, 0 to {len(sums) - 1}; the curve is the reward so far</text></g>
<line x1="34" x2="{width - 10:.0f}" y1="{down(0.0):.1f}" y2="{down(0.0):.1f}" stroke="currentColor"
stroke-opacity=".4"/>
<polyline points="{_points(curve)}" fill="none" stroke="{plots.BLUE}" stroke-width="1.5"/>
<circle class="now" cx="{curve[-1][0]}" cy="{curve[-1][1]}" r="3.5" fill="{plots.VERMILION}"/>
</svg>"""
    controls = (
        '<div class="flight-controls" hidden style="display:flex;gap:.6em;align-items:center">'
        '<button type="button">Play</button>'
        f'<input type="range" min="0" max="{len(sums) - 1}" value="{len(sums) - 1}" '
        f'aria-label="step of the flight: {html.escape(title)}" style="flex:1;min-width:4em">'
        '<output style="min-width:13em;font-size:.85em"></output></div>'
    )
    script = _SCRIPT.replace("NAME", name).replace("DATA", data)
    script = script.replace("ACTIONS", json.dumps(ACTIONS))
    page = (
        f'<figure id="{name}" style="max-width:540px;margin:0 auto;break-inside:avoid">'
        f"<p><strong>{html.escape(title)}</strong>: {len(sums) - 1} steps, "
        f"return {flight.total:.0f}</p>{svg}{controls}</figure><script>{script}</script>"
    )
    return Clip(page, alt)


_SCRIPT = """(() => {
const box = document.getElementById("NAME"), d = DATA, names = ACTIONS;
const find = (what) => box.querySelector(what), last = d.frames.length - 1;
const button = find("button"), slider = find("input"), says = find("output");
let step = last, timer = null;
function draw() {
  const [x, y, angle] = d.frames[step], action = step < last ? d.actions[step] : 0;
  find(".lander").setAttribute("transform", `translate(${x} ${y}) rotate(${angle})`);
  for (const n of [1, 2, 3]) find(".f" + n).setAttribute("opacity", n === action ? 1 : 0);
  find(".now").setAttribute("cx", d.curve[step][0]);
  find(".now").setAttribute("cy", d.curve[step][1]);
  slider.value = step;
  says.textContent = `step ${step}, reward so far ${d.sums[step]}, ${names[action]}`;
}
function stop() { clearInterval(timer); timer = null; button.textContent = "Play"; }
button.onclick = () => {
  if (timer) return stop();
  if (step === last) step = 0;
  button.textContent = "Pause";
  timer = setInterval(() => { step += 1; draw(); if (step === last) stop(); }, 20);
};
slider.oninput = () => { stop(); step = Number(slider.value); draw(); };
find(".flight-controls").hidden = false;
draw();
})();"""


def _points(pairs: list) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)
