"""Training: the ladder's losses and weights, learning, and resuming after an interruption."""

from dataclasses import replace

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.policy_gradients import lunar_lander as ll
from interp_rl.policy_gradients.agent import Agent
from interp_rl.policy_gradients.environments import LUNAR_LANDER, Environments
from interp_rl.policy_gradients.rollouts import collect

TINY = {
    rung: replace(
        settings,
        environments=3,
        rollout=settings.rollout and 60,
        steps=900,
        minibatch=settings.minibatch and 64,
        critic_minibatch=64,
    )
    for rung, settings in ll.LADDER.items()
}


@pytest.fixture(scope="module")
def agent():
    return Agent(8, 4)


@pytest.fixture(scope="module")
def whole(agent):
    """Whole episodes, one truncated among them."""
    environments = Environments(LUNAR_LANDER, 4, seed=0)
    rollout = collect(environments, agent, generator=torch.Generator().manual_seed(0))
    ends = rollout.ends
    cut = torch.tensor([True, False, False, False])[:, None]
    return replace(rollout, terminated=ends & ~cut, truncated=ends & cut)


def with_values(rollout, agent):
    """The rollout as `Episodes` with a value for every state, also the last one."""
    values = torch.cat([agent.values(rollout.observations), torch.zeros(4, 1)], 1).detach()
    lengths = rollout.taken.sum(1)
    rows = torch.arange(4)
    values[rows, lengths] = agent.values(rollout.reached[rows, lengths - 1]).detach()
    return pg.Episodes(rollout.rewards, rollout.taken, rollout.terminated.any(1), values)


# ----- weights


def test_the_first_rungs_weights_are_the_estimators_of_the_section(whole, agent):
    for rung, estimator in (
        ("reinforce", pg.reward_to_go),
        ("reinforce-batch-mean", pg.batch_mean_baseline),
    ):
        weights, targets = ll.weights_and_targets(whole, agent, ll.LADDER[rung])
        assert torch.equal(weights, estimator(whole.episodes(), discount=ll.LADDER[rung].discount))
        assert (targets == 0).all()


@pytest.mark.parametrize("lam", [1.0, 0.9])
def test_with_a_critic_they_are_gae_and_a_truncation_counts_on(whole, agent, lam):
    settings = replace(ll.LADDER["reinforce-value"], lam=lam)
    weights, targets = ll.weights_and_targets(whole, agent, settings)
    episodes = with_values(whole, agent)
    expected = pg.gae(episodes, discount=settings.discount, lam=lam)
    assert torch.allclose(weights, expected, atol=1e-2)
    taken = whole.taken
    values = agent.values(whole.observations)
    assert torch.allclose(targets[taken], (weights + values)[taken])
    terminated = replace(whole, terminated=whole.ends, truncated=torch.zeros_like(whole.ends))
    other = ll.weights_and_targets(terminated, agent, settings)[0]
    same = torch.isclose(other, weights).all(1)
    assert same.tolist() == [False, True, True, True], "only the truncated episode differs"


def test_a_batchs_end_within_an_episode_counts_on_too(agent):
    rollout = collect(
        Environments(LUNAR_LANDER, 2, seed=0),
        agent,
        steps=10,
        generator=torch.Generator().manual_seed(0),
    )
    settings = replace(ll.LADDER["actor-critic"], standardise=False)
    weights, _ = ll.weights_and_targets(rollout, agent, settings)
    last = rollout.rewards[:, -1] - agent.values(rollout.observations[:, -1])
    last = last + settings.discount * agent.values(rollout.reached[:, -1])
    assert torch.allclose(weights[:, -1], last, atol=1e-4)
    assert not rollout.ends.any()


def test_standardised_weights_have_mean_0_and_deviation_1_over_the_steps_taken(whole, agent):
    settings = replace(ll.LADDER["reinforce-value"], standardise=True)
    used = ll.weights_and_targets(whole, agent, settings)[0][whole.taken]
    assert used.mean().abs() < 1e-4 and abs(used.std() - 1) < 1e-4


def test_rungs_without_a_critic_refuse_incomplete_episodes(agent):
    rollout = collect(Environments(LUNAR_LANDER, 2, seed=0), agent, steps=5)
    with pytest.raises(ValueError, match="whole episodes"):
        ll.weights_and_targets(rollout, agent, ll.LADDER["reinforce"])


# ----- the loss


def test_before_the_first_step_ppos_gradient_is_reinforces():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, requires_grad=True)
    actions, weights = torch.tensor([0, 1, 2, 3, 1, 2]), torch.randn(6, generator=generator)
    chosen = logits.log_softmax(-1)[torch.arange(6), actions]
    (ppo,) = torch.autograd.grad(
        ll.policy_loss(chosen, chosen.detach(), weights, clip=0.2), logits, retain_graph=True
    )
    (reinforce,) = torch.autograd.grad(-(weights * chosen).mean(), logits)
    assert torch.allclose(ppo, reinforce, atol=1e-7) and reinforce.abs().max() > 0.01


def test_the_clip_stops_what_went_far_enough_and_nothing_else():
    """The four cases of Figure 1 of the paper."""
    old = torch.zeros(4)
    new = torch.tensor([1.5, 0.5, 1.5, 0.5]).log().requires_grad_()
    weights = torch.tensor([1.0, 1.0, -1.0, -1.0])
    ll.policy_loss(new, old, weights, clip=0.2).backward()
    assert (new.grad != 0).tolist() == [False, True, True, False]
    assert ll.policy_loss(new, old, weights, clip=0.2).item() == pytest.approx(
        -(1.2 + 0.5 - 1.5 - 0.8) / 4
    )
    assert ll.policy_loss(new, old, weights).item() == pytest.approx(0)


# ----- training


@pytest.mark.parametrize("rung", list(ll.LADDER))
def test_a_run_stopped_and_resumed_equals_one_that_was_not(rung, tmp_path):
    settings = TINY[rung]
    straight = ll.train(settings, progress=False)
    path = tmp_path / "run.pt"
    stops = 0
    while not stops or resumed.steps < settings.steps:
        before = resumed.steps if stops else 0
        resumed = ll.train(
            settings, checkpoint=path, progress=False, stop=lambda run, b=before: run.steps > b
        )
        stops += 1
    assert stops >= 2
    for name, weight in straight.agent.state_dict().items():
        assert torch.equal(weight, resumed.agent.state_dict()[name]), name
    assert resumed.steps == straight.steps
    assert resumed.episodes == straight.episodes
    assert repr(resumed.updates) == repr(straight.updates)  # repr, as NaN differs from NaN


def test_an_interruption_within_an_update_loses_nothing(tmp_path, monkeypatch):
    settings, path = TINY["ppo"], tmp_path / "run.pt"
    straight = ll.train(settings, progress=False)
    fit, calls = ll.fit_critic, []

    def interrupted(*arguments):
        fit(*arguments)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(ll, "fit_critic", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ll.train(settings, checkpoint=path, progress=False)
    monkeypatch.undo()
    resumed = ll.train(settings, checkpoint=path, progress=False)
    for name, weight in straight.agent.state_dict().items():
        assert torch.equal(weight, resumed.agent.state_dict()[name]), name
    assert not list(tmp_path.glob("*.unfinished"))


def test_what_is_recorded_of_the_episodes_is_what_happened():
    run = ll.train(TINY["actor-critic"], progress=False)
    agent = Agent(8, 4)
    assert run.steps == run.updates["steps"][-1] == 900
    assert sorted(run.episodes["end"]) == run.episodes["end"]
    assert run.episodes["end"][-1] <= run.steps
    first = collect(
        Environments(LUNAR_LANDER, 3, seed=0),
        agent,
        steps=60,
        generator=torch.Generator().manual_seed(0),
    )
    second_half = sum(run.episodes["length"])
    assert 0.5 * run.steps < second_half <= run.steps
    assert not first.ends.any(), "so no episode can have ended in the first update"
    assert run.episodes["end"][0] > 180


def test_the_policy_learns_to_balance_a_pole():
    """CartPole takes seconds; 9 in 10 untrained episodes end before step 40."""
    settings = replace(
        ll.LADDER["ppo"],
        environment="CartPole-v1",
        steps=20_000,
        environments=8,
        rollout=128,
        learning_rate=2e-3,
        minibatch=256,
        discount=0.98,
        lam=0.9,
        anneal=False,
    )
    run = ll.train(settings, progress=False)
    lengths = run.episodes["return"]
    assert sum(lengths[:20]) / 20 < 40
    assert sum(lengths[-20:]) / 20 > 80


def test_a_progress_bar_says_how_far_and_how_good(capsys):
    ll.train(TINY["reinforce"])
    shown = capsys.readouterr().err
    assert "reinforce, seed 0: 100%" in shown and "mean return -" in shown


# ----- bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "dqn"}, "algorithm is 'dqn'; it is one of"),
        ({"steps": 0}, "steps is 0; it must be at least 1"),
        ({"minibatch": 0}, "minibatch is 0"),
        ({"discount": 1.5}, "discount is 1.5; it must lie between 0 and 1"),
        ({"clip": -0.1}, "clip is -0.1; it must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"entropy": -1.0}, "entropy is -1.0"),
        ({"algorithm": "reinforce"}, "set rollout=None"),
        (
            {"algorithm": "reinforce-batch-mean", "environments": 1, "rollout": None},
            "its own mean",
        ),
        ({"algorithm": "actor-critic"}, "no ratio to clip"),
        ({"algorithm": "actor-critic", "clip": None}, "is on-policy"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(ll.LADDER["ppo"], **changes)


def test_checkpoints_of_other_settings_and_damaged_ones_are_refused(tmp_path):
    path = tmp_path / "run.pt"
    ll.train(TINY["ppo"], checkpoint=path, progress=False, stop=lambda run: True)
    with pytest.raises(
        ValueError, match=r"other settings: seed is 0 there and 1 here, clip is 0\.2"
    ):
        ll.train(replace(TINY["ppo"], seed=1, clip=0.1), checkpoint=path, progress=False)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="no checkpoint that can be read"):
        ll.train(TINY["ppo"], checkpoint=path, progress=False)


def test_an_environment_for_another_policy_is_refused():
    with pytest.raises(ValueError, match="Gaussian policy"):
        ll.train(replace(TINY["ppo"], environment="Pendulum-v1"), progress=False)
