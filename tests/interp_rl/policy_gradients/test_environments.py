"""Vector environments: every step is one that was taken, every episode has its seed."""

import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from interp_rl.policy_gradients import environments as module
from interp_rl.policy_gradients.environments import LUNAR_LANDER, WAIT, Environments, make


def random_actions(n, steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, (steps, n), generator=generator)


def test_every_step_is_the_one_that_a_single_environment_takes():
    """Played one by one, each with the same seeds and actions; nothing is skipped at an end."""
    three, actions = Environments(LUNAR_LANDER, 3, seed=5), random_actions(3, 300)
    before, steps = [], []
    for row in actions:
        before.append(three.observations)
        steps.append(three.step(row))
    assert torch.stack([step.terminated for step in steps]).sum(0).min() >= 2, (
        "several ends in each"
    )
    alone = gymnasium.make(LUNAR_LANDER)
    for index in range(3):
        episode, observation = 0, None
        for time, row in enumerate(actions):
            if observation is None:
                sequence = np.random.SeedSequence([5, 0, index, episode])
                observation, _ = alone.reset(seed=int(sequence.generate_state(1)[0]))
            assert torch.equal(before[time][index], torch.from_numpy(observation))
            observation, reward, terminated, truncated, _ = alone.step(int(row[index]))
            step = steps[time]
            assert step.rewards[index].item() == pytest.approx(reward, abs=1e-5)
            assert torch.equal(step.reached[index], torch.from_numpy(observation))
            assert (step.terminated[index], step.truncated[index]) == (terminated, truncated)
            if terminated or truncated:
                episode, observation = episode + 1, None


def test_gymnasiums_default_would_ignore_the_action_after_an_end():
    """What the module avoids, so that a change of Gymnasium's does not go unnoticed."""
    copies = [lambda: gymnasium.make(LUNAR_LANDER)]
    usual = SyncVectorEnv(copies, autoreset_mode=AutoresetMode.NEXT_STEP)
    usual.reset(seed=0)
    ended = False
    while not ended:
        _, _, terminated, truncated, _ = usual.step([0])
        ended = bool(terminated[0] or truncated[0])
    _, rewards, terminated, _, _ = usual.step([2])
    assert rewards[0] == 0 and not terminated[0], "a step in name only"
    ours = Environments(LUNAR_LANDER, 1, seed=0)
    while not ours.step(torch.tensor([0])).terminated:
        pass
    assert ours.step(torch.tensor([2])).rewards[0] != 0


def test_the_time_limit_truncates_and_the_state_reached_is_not_the_next_start():
    gymnasium.register(
        "ShortCart-v0", "gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=3
    )
    one = Environments("ShortCart-v0", 1, seed=0)
    steps = [one.step(torch.tensor([index % 2])) for index in range(3)]
    assert [bool(step.truncated) for step in steps] == [False, False, True]
    assert not any(step.terminated for step in steps)
    assert not torch.equal(steps[-1].reached, one.observations)


def test_waiting_changes_nothing_and_costs_no_time():
    two = Environments(LUNAR_LANDER, 2, seed=1)
    before = two.observations[1]
    for action in range(4):
        step = two.step(torch.tensor([action, WAIT]))
        assert step.rewards[1] == 0 and not step.terminated[1] and not step.truncated[1]
        assert torch.equal(step.reached[1], before)
    other = Environments(LUNAR_LANDER, 2, seed=1)
    for action in range(4):
        expected = other.step(torch.tensor([WAIT, action]))
        step = two.step(torch.tensor([WAIT, action]))
        assert torch.equal(step.reached[1], expected.reached[1])


def test_a_restored_state_goes_on_as_the_original():
    original, actions = Environments(LUNAR_LANDER, 3, seed=2), random_actions(3, 200)
    for row in actions[:120]:
        original.step(row)
    restored = Environments(LUNAR_LANDER, 3, seed=2)
    restored.load_state_dict(original.state_dict())
    assert torch.equal(restored.observations, original.observations)
    for row in actions[120:]:
        for ours, theirs in zip(restored.step(row), original.step(row), strict=True):
            assert torch.equal(ours, theirs)


def test_streams_and_seeds_give_other_episodes():
    firsts = [
        Environments(LUNAR_LANDER, 2, seed=seed, stream=stream).observations.flatten().tolist()
        for seed in (0, 1)
        for stream in module.STREAMS
    ]
    assert len({tuple(first) for first in firsts}) == 6
    assert firsts[0][:8] != firsts[0][8:], "and each environment of a seed has its own"


# ----- bad input


def test_without_box2d_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "Box2D", None)
    monkeypatch.delitem(sys.modules, "gymnasium.envs.box2d.lunar_lander", raising=False)
    monkeypatch.delitem(sys.modules, "gymnasium.envs.box2d", raising=False)
    with pytest.raises(ImportError, match=r'pip install "gymnasium\[box2d\]"'):
        make(LUNAR_LANDER)


def test_continuous_actions_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match="Gaussian policy"):
        make(LUNAR_LANDER, continuous=True)
    with pytest.raises(ValueError, match=r"Pendulum.*finitely many"):
        Environments("Pendulum-v1", 1, seed=0)


def test_other_observations_and_unknown_names_are_refused():
    with pytest.raises(ValueError, match="reads one vector"):
        make("FrozenLake-v1")
    with pytest.raises(ValueError, match="cannot make 'LunarLandr-v3'"):
        make("LunarLandr-v3")


def test_numbers_and_streams_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        Environments(LUNAR_LANDER, 0, seed=0)
    with pytest.raises(ValueError, match="stream is 'test'"):
        Environments(LUNAR_LANDER, 1, seed=0, stream="test")
    three = Environments(LUNAR_LANDER, 3, seed=0)
    with pytest.raises(ValueError, match="3 environments; here are 2"):
        Environments(LUNAR_LANDER, 2, seed=0).load_state_dict(three.state_dict())
