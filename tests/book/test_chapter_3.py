"""What the opening of section 3 says, held against what its own cells compute."""

import re

import gymnasium as gym
import numpy as np
import pytest
import torch
from chapter_run import Run, run

from interp_rl import policy_gradients as pg


@pytest.fixture(scope="module")
def opening(root) -> Run:
    return run(root, "3-policy-gradients")


@pytest.fixture(scope="module")
def names(opening):
    return opening.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(opening):
    assert set(re.findall(r"{glue:text}`([^`]+)`", opening.text)) == set(opening.glued)


def test_the_environment_follows_the_rules_of_gymnasium(names):
    from gymnasium.utils.env_checker import check_env

    check_env(names["Corridor"](), skip_render_check=True)


def transitions(env, place, action, n=3000):
    """How often each next place follows, and the reward paid with it."""
    found = {}
    for _ in range(n):
        env.place = place
        after, reward, terminated, truncated, _ = env.step(action)
        assert not truncated
        count, _, _ = found.get(after, (0, None, None))
        found[after] = count + 1, reward, terminated
    return {after: (count / n, *rest) for after, (count, *rest) in found.items()}


@pytest.mark.parametrize("action", [0, 1])
@pytest.mark.parametrize("place", [1, 2, 3])
def test_the_environment_is_the_corridor_of_the_library(names, place, action):
    env, mdp = names["Corridor"](), names["corridor"]
    env.reset(seed=place)
    found = transitions(env, place, action)
    assert set(found) == set(mdp.transitions[place, action].nonzero().flatten().tolist())
    for after, (share, reward, terminated) in found.items():
        assert share == pytest.approx(mdp.transitions[place, action, after].item(), abs=0.03)
        assert reward == pytest.approx(mdp.rewards[place, action, after].item())
        assert terminated == bool(mdp.terminal[after])
    assert mdp.start[env.reset()[0]] == 1


def test_the_figure_and_the_text_state_the_settings_of_the_corridor(opening, names, root):
    drawing = (root / "book/figures/corridor.svg").read_text()
    mdp = names["corridor"]
    assert mdp.horizon == 4 and "after four steps the walk is over" in opening.text
    assert names["env"]._max_episode_steps == mdp.horizon
    assert "exit: +0.4" in drawing and mdp.rewards[1, 0, 0].item() == pytest.approx(0.4 - 0.05)
    assert "exit: +1<" in drawing and mdp.rewards[3, 1, 4].item() == pytest.approx(1 - 0.05)
    assert "one step in ten" in drawing and mdp.transitions[2, 1, 1].item() == pytest.approx(0.1)


def test_the_three_episodes_end_as_the_text_says(root, capsys):
    run(root, "3-policy-gradients")
    printed = capsys.readouterr().out
    episodes = [block.splitlines() for block in printed.split("\n\n")[:3]]
    ends = [episode[-1] for episode in episodes]
    assert [len(episode) for episode in episodes] == [1, 3, 4]
    assert "place 0," in ends[0] and "terminated True   truncated False" in ends[0]
    assert "place 4," in ends[1] and "terminated True   truncated False" in ends[1]
    assert "terminated False  truncated True" in ends[2], "back and forth until the clock runs out"


def test_the_estimate_holds_the_exact_value(opening, names):
    assert names["exact"] in names["estimate"]
    assert len(names["returns"]) == 4000
    assert float(opening.glued["s3-low"]) < names["exact"] < float(opening.glued["s3-high"])


def test_returns_are_exact_for_another_policy_too(names):
    """The wrapped environment, always right, against the tables."""
    env = gym.wrappers.TimeLimit(names["Corridor"](), max_episode_steps=4)
    env.reset(seed=1)
    returns = []
    for _ in range(2000):
        env.reset()
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(1)
            total, over = total + reward, terminated or truncated
        returns.append(total)
    assert np.mean(returns) == pytest.approx(names["always"](1), abs=0.03)


def test_the_near_exit_earns_more_than_chance_and_less_than_the_far_one(names):
    even = names["exact"]
    assert even < names["always"](0) < names["always"](1) - 0.2
    for action in (0, 1):
        logits = torch.zeros(5, 2)
        logits[:, action] = 50
        assert logits.softmax(-1)[:, action].min() > 0.999999
        assert names["always"](action) == pg.expected_return(names["corridor"], logits).item()


def test_the_vector_environment_resets_in_the_next_step(names):
    first, second, third, _ = names["history"]
    assert first[3].tolist() == [True, False], "the first environment ends in the first step"
    before, rewards, places, terminated = second
    assert before[0] == 0 and places[0] == 1, "back at the start, though the action was left"
    assert rewards[0] == 0 and not terminated[0]
    assert rewards[1] == pytest.approx(-0.05), "the other one goes on"
    assert third[1][0] == pytest.approx(0.35), "a real step again"


def test_the_other_mode_resets_within_the_step(names):
    same = gym.vector.AutoresetMode.SAME_STEP
    pair = gym.vector.SyncVectorEnv([names["make"]] * 2, autoreset_mode=same)
    pair.reset(seed=0)
    places, rewards, terminated, _, info = pair.step([0, 1])
    assert terminated.tolist() == [True, False] and rewards[0] == pytest.approx(0.35)
    assert places[0] == 1, "the first state of the new episode"
    assert info["final_obs"][0] == 0, "the last state of the old one"
