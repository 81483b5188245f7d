"""Collecting: whole episodes of one policy, or segments that go on where the last one stopped."""

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.policy_gradients.agent import Agent
from interp_rl.policy_gradients.environments import LUNAR_LANDER, Environments
from interp_rl.policy_gradients.rollouts import collect


@pytest.fixture(scope="module")
def agent():
    return Agent(8, 4)


def generator():
    return torch.Generator().manual_seed(0)


def test_whole_episodes_are_one_in_each_environment(agent):
    environments = Environments(LUNAR_LANDER, 4, seed=0)
    rollout = collect(environments, agent, generator=generator())
    lengths = rollout.taken.sum(1)
    assert (rollout.ends.sum(1) == 1).all()
    assert rollout.ends[torch.arange(4), lengths - 1].all(), "the last step taken is the end"
    assert (rollout.rewards[~rollout.taken] == 0).all()
    assert len(lengths.unique()) > 1 and rollout.taken.shape[1] == lengths.max()
    assert rollout.n_steps == lengths.sum()
    episodes = rollout.episodes()
    assert isinstance(episodes, pg.Episodes)
    assert torch.equal(episodes.taken, rollout.taken)


def test_the_next_batch_begins_with_new_episodes_for_all(agent):
    environments = Environments(LUNAR_LANDER, 3, seed=0)
    collect(environments, agent, generator=generator())
    assert environments.state_dict()["episodes"] == [1, 1, 1]
    assert all(len(past) == 0 for past in environments.state_dict()["actions"])
    second = collect(environments, agent, generator=generator())
    assert environments.state_dict()["episodes"] == [2, 2, 2]
    assert second.taken[:, 0].all()


def test_segments_are_the_same_steps_however_they_are_cut(agent):
    whole = collect(Environments(LUNAR_LANDER, 3, seed=1), agent, steps=150, generator=generator())
    environments, draws = Environments(LUNAR_LANDER, 3, seed=1), generator()
    parts = [collect(environments, agent, steps=50, generator=draws) for _ in range(3)]
    for name in ("observations", "actions", "rewards", "reached", "terminated"):
        assert torch.equal(
            torch.cat([getattr(part, name) for part in parts], 1), getattr(whole, name)
        )
    assert whole.ends.any() and whole.taken.all()


def test_the_state_reached_is_the_next_state_except_at_an_end(agent):
    rollout = collect(
        Environments(LUNAR_LANDER, 3, seed=1), agent, steps=150, generator=generator()
    )
    same = (rollout.reached[:, :-1] == rollout.observations[:, 1:]).all(-1)
    assert torch.equal(same, ~rollout.ends[:, :-1])


def test_greedy_actions_need_no_generator_and_are_the_most_probable(agent):
    rollout = collect(Environments(LUNAR_LANDER, 2, seed=0), agent, steps=20)
    best = agent.log_probabilities(rollout.observations).argmax(-1)
    assert torch.equal(rollout.actions, best)


def test_bad_input_is_refused(agent, monkeypatch):
    environments = Environments(LUNAR_LANDER, 2, seed=0)
    with pytest.raises(ValueError, match="steps is 0"):
        collect(environments, agent, steps=0)
    segment = collect(environments, agent, steps=5, generator=generator())
    with pytest.raises(ValueError, match="no whole episodes"):
        segment.episodes()
    real = environments.step

    def broken(actions):
        step = real(actions)
        return step._replace(rewards=torch.full_like(step.rewards, torch.nan))

    monkeypatch.setattr(environments, "step", broken)
    with pytest.raises(ValueError, match="4 rewards that are NaN"):
        collect(environments, agent, steps=2, generator=generator())
