"""Evaluation: whole episodes, sampled or greedy, with the environment's own limit."""

import pytest
import torch

from interp_rl.policy_gradients.agent import Agent
from interp_rl.policy_gradients.evaluation import evaluate


def constant_agent(action, n_observations=8, n_actions=4):
    agent = Agent(n_observations, n_actions)
    with torch.no_grad():
        agent.policy[-1].bias[action] = 50.0
    return agent


def test_an_episode_lasts_until_its_own_end_or_a_thousand_steps():
    falling = evaluate(constant_agent(0), greedy=True, episodes=5)
    assert len(falling.returns) == 5 and (falling.lengths < 200).all()
    assert (falling.returns < 50).all(), "without engines all crash"
    assert falling.mean == pytest.approx(falling.returns.mean().item())
    # MountainCar never ends by itself when it pushes one way only
    stuck = evaluate(constant_agent(0, 2, 3), greedy=True, episodes=2, environment="MountainCar-v0")
    assert stuck.lengths.tolist() == [200, 200] and stuck.returns.tolist() == [-200, -200]


def test_the_same_seed_gives_the_same_episodes_and_greedy_differs_from_sampled():
    agent = Agent(8, 4)
    first, again = (evaluate(agent, greedy=False, episodes=4, seed=3) for _ in range(2))
    assert torch.equal(first.returns, again.returns)
    assert not torch.equal(evaluate(agent, greedy=False, episodes=4, seed=4).returns, first.returns)
    assert not torch.equal(evaluate(agent, greedy=True, episodes=4, seed=3).returns, first.returns)


def test_more_episodes_begin_with_the_same_ones():
    agent = constant_agent(0)
    few, many = (evaluate(agent, greedy=True, episodes=n).returns for n in (2, 4))
    assert torch.equal(many[:2], few)


def test_no_episodes_are_refused():
    with pytest.raises(ValueError, match="at least one environment"):
        evaluate(Agent(8, 4), greedy=True, episodes=0)
