"""Flights: what is drawn is what happened, and it works without scripts and without motion."""

import json
import re
from xml.etree import ElementTree

import gymnasium
import numpy as np
import pytest
import torch

from interp_rl.policy_gradients import playback
from interp_rl.policy_gradients.agent import Agent

ALT = "A lander without control falls and crashes beside the flags."


@pytest.fixture(scope="module")
def flight():
    return playback.fly(Agent(8, 4), greedy=False, seed=0)


@pytest.fixture(scope="module")
def clip(flight):
    return playback.clip(flight, title="Untrained", alt=ALT)


def test_positions_are_the_simulations_own(flight):
    """Played again in Gymnasium; Box2D says where the lander is."""
    moon = gymnasium.make("LunarLander-v3")
    seed = int(np.random.SeedSequence([0, 2, 0, 0]).generate_state(1)[0])
    moon.reset(seed=seed)
    bodies, rewards, seen = [moon.unwrapped.lander.position.tuple], [], []
    for action in flight.actions.tolist():
        state, reward, terminated, _, _ = moon.step(action)
        seen.append(state)
        rewards.append(reward)
        bodies.append(moon.unwrapped.lander.position.tuple)
    assert terminated == flight.terminated
    x, y = torch.tensor(bodies).T
    assert torch.allclose(flight.x, x, atol=1e-3) and torch.allclose(flight.y, y, atol=1e-3)
    assert torch.allclose(flight.rewards, torch.tensor(rewards).float(), atol=1e-4)
    assert np.allclose(flight.observations[1:], seen, atol=1e-6)
    assert flight.pad == (moon.unwrapped.helipad_x1, moon.unwrapped.helipad_x2)
    level = [height for x, height in flight.ground if flight.pad[0] <= x <= flight.pad[1]]
    assert (
        level == pytest.approx([moon.unwrapped.helipad_y] * len(level), abs=0.05)
        and len(level) >= 2
    )


def test_equal_seeds_fly_over_the_same_ground(flight):
    other = playback.fly(Agent(8, 4, seed=1), greedy=False, seed=0)
    assert other.ground == flight.ground and other.x[0] == flight.x[0]
    assert playback.fly(Agent(8, 4), greedy=False, seed=1).ground != flight.ground


def test_the_drawing_holds_every_state_and_the_rewards_so_far(flight, clip):
    data = json.loads(re.search(r"d = (\{.*?\}), names", clip.html)[1])
    n_steps = len(flight.rewards)
    assert len(data["frames"]) == len(data["sums"]) == len(data["curve"]) == n_steps + 1
    assert data["sums"][-1] == round(flight.total)
    assert data["actions"] == flight.actions.tolist()
    heights = [frame[1] for frame in data["frames"]]
    assert min(heights) >= 0, "the scene reaches as high as the lander"
    falling = torch.tensor(heights).argsort().tolist()[-1]
    assert falling > n_steps / 2, "down is down"


def test_without_scripts_the_path_and_the_curve_are_there(clip):
    svg = ElementTree.fromstring(re.search(r"<svg.*</svg>", clip.html, re.DOTALL)[0])
    assert svg.get("role") == "img" and svg.get("aria-label") == ALT
    assert len(svg.findall(".//polyline")) == 2
    controls = re.search(r'<div class="flight-controls"[^>]*>', clip.html)[0]
    assert " hidden " in controls, "no buttons that do nothing"
    assert clip._repr_mimebundle_()["text/plain"] == ALT


def test_it_moves_on_request_only_is_small_and_asks_no_one_else(clip):
    start = re.search(r"<script>(.*)</script>", clip.html, re.DOTALL)[1]
    assert start.count("setInterval(") == 1
    assert start.index("button.onclick") < start.index("setInterval(")
    assert not re.search(r"https?://|\bsrc=|@import|fetch\(", clip.html)
    assert len(clip.html) < 400_000


def test_two_clips_in_a_page_do_not_share_ids(flight, clip):
    other = playback.clip(flight, title="Another", alt=ALT)
    ids = [set(re.findall(r'\bid="([^"]+)"', one.html)) for one in (clip, other)]
    assert ids[0] and not ids[0] & ids[1]


def test_text_is_escaped_and_an_alternative_text_is_needed(flight):
    page = playback.clip(
        flight, title="<b>", alt='A lander & its "flags", seen from the side.'
    ).html
    assert "<b>" not in page and "&lt;b&gt;" in page and "&amp; its &quot;flags" in page
    with pytest.raises(ValueError, match="too short"):
        playback.clip(flight, title="Untrained", alt="lander")
