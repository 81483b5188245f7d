"""The policy and the critic: their outputs, their files."""

import pytest
import torch

from interp_rl.policy_gradients.agent import RETURN_UNIT, Agent, load_agent, save_agent


def test_at_first_all_actions_are_nearly_as_probable_and_seeds_differ():
    states = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    agent = Agent(8, 4, seed=0)
    probabilities = agent.log_probabilities(states).exp()
    assert torch.allclose(probabilities.sum(-1), torch.ones(50))
    assert (probabilities - 0.25).abs().max() < 0.05
    assert not torch.equal(Agent(8, 4, seed=1).values(states), agent.values(states))
    assert torch.equal(Agent(8, 4, seed=0).values(states), agent.values(states))


def test_drawn_actions_have_the_policys_probabilities():
    agent = Agent(2, 3)
    with torch.no_grad():
        agent.policy[-1].bias.copy_(torch.tensor([0.7, 0.2, 0.1]).log())
        agent.policy[-1].weight.zero_()
    actions = agent.act(torch.zeros(20_000, 2), torch.Generator().manual_seed(0))
    shares = actions.bincount(minlength=3) / len(actions)
    assert torch.allclose(shares, torch.tensor([0.7, 0.2, 0.1]), atol=0.015)
    assert (agent.act(torch.zeros(5, 2)) == 0).all()


def test_values_are_in_rewards():
    agent, states = Agent(8, 4), torch.randn(3, 8)
    assert torch.allclose(agent.values(states), RETURN_UNIT * agent.critic(states)[:, 0])


def test_a_saved_agent_comes_back_whatever_its_size(tmp_path):
    agent, states = Agent(5, 3, hidden=7, seed=3), torch.randn(4, 5)
    save_agent(agent, tmp_path / "agent.safetensors")
    loaded = load_agent(tmp_path / "agent.safetensors")
    assert torch.equal(loaded.log_probabilities(states), agent.log_probabilities(states))
    assert torch.equal(loaded.values(states), agent.values(states))


def test_files_that_are_no_agent_are_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(ValueError, match=r"none\.safetensors is no saved agent"):
        load_agent(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="no saved agent"):
        load_agent(tmp_path / "text")
    save_file({"weight": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="no saved agent"):
        load_agent(tmp_path / "other")
