"""PPO: each term against a naive computation, learning, switches, resuming, bad input."""

import copy
import math
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from tiny_reviews import PROMPTS, count_good, make_model

from interp_rl.finetuning import ppo
from interp_rl.finetuning.measures import evaluate
from interp_rl.finetuning.ppo import PPOSettings, train
from interp_rl.finetuning.rollouts import generate, response_log_probs

SMALL = PPOSettings(updates=3, batch=16, minibatch=8, epochs=2, new_tokens=8, learning_rate=1e-2)


@pytest.fixture
def batch():
    """Rewards, values and a mask of texts of 1 to 7 tokens."""
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.randn(2, 7, 7, generator=generator)
    mask = torch.arange(7) <= torch.arange(7)[:, None]
    return rewards, values, mask


def run(model, untouched, tokenizer, prompts, reward, settings=SMALL, **options):
    return train(model, untouched, tokenizer, prompts, reward, settings, progress=False, **options)


# ----- the reward of each token


def test_the_reward_comes_with_the_last_real_token_and_each_token_pays_for_itself(batch):
    log_probs, log_reference, mask = batch
    scores = torch.arange(7.0)
    rewards = ppo.token_rewards(scores, log_probs, log_reference, mask, beta=0.3)
    for row in range(7):
        for t in range(7):
            expected = -0.3 * (log_probs[row, t] - log_reference[row, t])
            if t == row:  # the last token of this row
                expected = expected + scores[row]
            assert rewards[row, t] == pytest.approx(float(expected) if t <= row else 0.0, abs=1e-6)


def test_a_texts_rewards_sum_to_its_score_minus_beta_times_its_log_ratio(batch):
    log_probs, log_reference, mask = batch
    rewards = ppo.token_rewards(torch.ones(7), log_probs, log_reference, mask, beta=0.5)
    ratio = ((log_probs - log_reference) * mask).sum(1)
    assert torch.allclose(rewards.sum(1), 1 - 0.5 * ratio, atol=1e-5)


# ----- advantages


@pytest.mark.parametrize(("discount", "lam"), [(1.0, 0.95), (0.9, 0.7), (1.0, 1.0), (1.0, 0.0)])
def test_gae_is_its_definition_and_stops_at_the_end(batch, discount, lam):
    rewards, values, mask = batch
    advantages = ppo.gae(rewards, values, mask, discount=discount, lam=lam)
    for row in range(7):
        n = row + 1
        value = [*values[row, :n].tolist(), 0.0]  # nothing follows the last token
        errors = [rewards[row, t].item() + discount * value[t + 1] - value[t] for t in range(n)]
        for t in range(7):
            expected = sum((discount * lam) ** k * error for k, error in enumerate(errors[t:]))
            assert advantages[row, t].item() == pytest.approx(expected, abs=1e-5)


def test_what_stands_in_the_padding_does_not_matter(batch):
    rewards, values, mask = batch
    dirty = [numbers.where(mask, 1e6) for numbers in (rewards, values)]
    clean = ppo.gae(rewards, values, mask)
    assert torch.equal(ppo.gae(*dirty, mask), clean)
    assert torch.allclose(ppo.whiten(clean + 1e6 * ~mask, mask), ppo.whiten(clean, mask))


def test_without_padding_it_is_the_gae_of_section_3(batch):
    from interp_rl import policy_gradients as pg

    rewards, values, _ = batch
    everywhere = torch.ones_like(rewards, dtype=torch.bool)
    ends = torch.ones(7, dtype=torch.bool)
    after = torch.cat([values, torch.zeros(7, 1)], 1)
    episodes = pg.Episodes(rewards, everywhere, ends, after)
    theirs = pg.gae(episodes, discount=0.9, lam=0.8)
    ours = ppo.gae(rewards, values, everywhere, discount=0.9, lam=0.8)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_whitened_advantages_have_mean_0_and_deviation_1(batch):
    rewards, _, mask = batch
    whitened = ppo.whiten(5 + 3 * rewards, mask)
    assert whitened[mask].mean().abs() < 1e-6
    assert whitened[mask].std() == pytest.approx(1, abs=1e-5)
    assert (whitened[~mask] == 0).all()
    with pytest.raises(ValueError, match="two tokens"):
        ppo.whiten(rewards[:1], mask[:1])


# ----- losses


def test_at_the_old_policy_the_gradient_is_the_policy_gradient(batch):
    log_old, advantages, mask = batch
    log_new = log_old.clone().requires_grad_()
    ppo.policy_loss(log_new, log_old, advantages, mask, clip=0.2).backward()
    assert torch.allclose(log_new.grad, -advantages * mask / mask.sum(), atol=1e-6)


def test_the_clip_stops_what_already_moved_far_enough_and_nothing_else():
    moved = torch.tensor([[0.5, 0.5, -0.5, -0.5]], requires_grad=True)  # ratios 1.65 and 0.61
    better = torch.tensor([[1.0, -1.0, 1.0, -1.0]])
    everywhere = torch.ones(1, 4, dtype=torch.bool)
    ppo.policy_loss(moved, torch.zeros(1, 4), better, everywhere, clip=0.2).backward()
    # up and good: enough; up and bad: back down; down and good: back up; down and bad: enough
    assert [round(g, 6) != 0 for g in moved.grad[0].tolist()] == [False, True, True, False]
    moved.grad = None
    ppo.policy_loss(moved, torch.zeros(1, 4), better, everywhere, clip=None).backward()
    assert (moved.grad != 0).all()


def test_the_value_loss_counts_the_larger_of_two_errors(batch):
    old, returns, mask = batch
    new = old + 1.0
    naive = []
    for row, t in mask.nonzero().tolist():
        held = old[row, t] + 0.2
        naive.append(
            max((new[row, t] - returns[row, t]) ** 2, (held - returns[row, t]) ** 2).item() / 2
        )
    loss = ppo.value_loss(new, old, returns, mask, clip=0.2)
    assert loss.item() == pytest.approx(sum(naive) / len(naive), rel=1e-5)
    plain = 0.5 * (new - returns)[mask].square().mean()
    assert ppo.value_loss(new, old, returns, mask, clip=None) == pytest.approx(plain.item())


def test_explained_variance():
    returns = torch.tensor([1.0, 2.0, 3.0])
    assert ppo.explained_variance(returns, returns) == 1
    assert ppo.explained_variance(torch.zeros(3), returns) == 0
    assert ppo.explained_variance(-returns, returns) < 0
    assert ppo.explained_variance(returns, torch.ones(3)).isnan()


def test_beta_goes_up_when_the_divergence_is_too_large_and_never_far_at_once():
    assert ppo.adapted_beta(0.1, 2.2, 2.0, rate=0.5) == pytest.approx(0.1 * 1.05)
    assert ppo.adapted_beta(0.1, 0.0, 2.0, rate=0.5) == pytest.approx(0.1 * 0.9)
    assert ppo.adapted_beta(0.1, 99.0, 2.0, rate=0.5) == pytest.approx(0.1 * 1.1)
    assert ppo.adapted_beta(0.1, 2.0, 2.0) == 0.1


# ----- training


@pytest.fixture(scope="module")
def learned(untouched, tokenizer):
    """A finished run that had enough updates to learn something."""
    settings = replace(
        SMALL, updates=25, batch=32, minibatch=16, beta=0.05, value_learning_rate=1e-2
    )
    policy = copy.deepcopy(untouched)
    return train(policy, untouched, tokenizer, PROMPTS, count_good, settings, progress=False)


def test_it_learns_and_leaves_the_reference_alone(learned, untouched, tokenizer, prompts, reward):
    before = {name: weight.clone() for name, weight in untouched.state_dict().items()}
    many = prompts * 50
    was = evaluate(untouched, untouched, tokenizer, many, reward, seed=9, new_tokens=8)
    now = evaluate(learned.policy, untouched, tokenizer, many, reward, seed=9, new_tokens=8)
    assert now.reward.low > was.reward.high + 1
    assert now.kl.value > 0.5
    assert all(torch.equal(before[name], w) for name, w in untouched.state_dict().items())
    assert not learned.policy.training


def test_every_update_is_on_record(learned):
    assert learned.updates == 25
    assert set(learned.history) == set(ppo.COLUMNS)
    history = {name: torch.tensor(values) for name, values in learned.history.items()}
    assert all(len(values) == 25 and values.isfinite().all() for values in history.values())
    assert abs(history["kl"][0]) < 1e-4, "policy and reference are equal at first"
    objective = history["reward"] - 0.05 * history["kl"]
    assert torch.allclose(history["objective"], objective, atol=1e-5)
    assert abs(history["explained_variance"][0]) < 1e-5, "the value head is constant at first"
    assert history["explained_variance"][-5:].mean() > 0.1
    assert (history["approx_kl"] > -1e-6).all()
    assert history["clipped"].max() > 0
    assert (history["entropy"] < math.log(21)).all()
    assert learned.seconds > 0


def test_the_same_settings_give_the_same_run(model, untouched, tokenizer, prompts, reward):
    runs = [
        run(copy.deepcopy(model), untouched, tokenizer, prompts, reward, replace(SMALL, seed=seed))
        for seed in (0, 0, 1)
    ]
    assert runs[0].history == runs[1].history
    assert runs[0].history["reward"] != runs[2].history["reward"]


@pytest.mark.parametrize(
    "switch",
    [
        {"beta": 0.0},
        {"clip": None},
        {"value_clip": None},
        {"value_weight": 0.0},
        {"value_head": False},
        {"whiten": False},
        {"entropy_weight": 0.01},
        {"largest_gradient": None},
        {"target_kl": 1.0},
        {"missing_end_penalty": 1.0},
        {"temperature": 0.7},
        {"lam": 1.0},
        {"anneal": False},
        {"discount": 0.9},
    ],
    ids=str,
)
def test_each_term_can_be_switched_and_matters(
    switch, model, untouched, tokenizer, prompts, reward
):
    settings = replace(SMALL, learning_rate=3e-2, value_learning_rate=3e-2, value_weight=1.0)
    other = copy.deepcopy(model)
    plain = run(model, untouched, tokenizer, prompts, reward, settings)
    switched = run(other, untouched, tokenizer, prompts, reward, replace(settings, **switch))
    assert all(weight.isfinite().all() for weight in other.state_dict().values())
    same = [torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)]
    assert not all(same)
    assert plain.updates == switched.updates == 3


def test_without_a_value_head_the_value_head_learns_nothing(
    model, untouched, tokenizer, prompts, reward
):
    settings = replace(SMALL, value_head=False, lam=1.0)
    history = run(model, untouched, tokenizer, prompts, reward, settings).history
    assert history["explained_variance"] == pytest.approx([0, 0, 0], abs=1e-6)


def test_without_a_penalty_it_goes_further_away(model, untouched, tokenizer, prompts, reward):
    settings = replace(SMALL, updates=12, batch=32, minibatch=16)
    ends = {}
    for beta in (0.0, 2.0):
        policy = copy.deepcopy(model)
        one = run(policy, untouched, tokenizer, prompts, reward, replace(settings, beta=beta))
        ends[beta] = sum(one.history["kl"][-3:]) / 3
    assert ends[0.0] > 2 * ends[2.0]


def test_an_adaptive_beta_brings_the_divergence_nearer_to_its_target(
    model, untouched, tokenizer, prompts, reward
):
    fixed = replace(SMALL, updates=40, batch=32, minibatch=16, beta=0.05, learning_rate=2e-3)
    adaptive = replace(fixed, target_kl=1.0, beta_rate=1.0)
    ends = {}
    for settings in (fixed, adaptive):
        policy = copy.deepcopy(model)
        history = run(policy, untouched, tokenizer, prompts, reward, settings).history
        ends[settings] = sum(history["kl"][-5:]) / 5
    assert abs(ends[adaptive] - 1) < 0.5 * abs(ends[fixed] - 1)
    betas, kls = history["beta"], history["kl"]
    for t in range(39):
        assert betas[t + 1] == pytest.approx(ppo.adapted_beta(betas[t], kls[t], 1.0, rate=1.0))


def test_the_bar_shows_and_can_be_switched_off(
    model, untouched, tokenizer, prompts, reward, capsys
):
    train(model, untouched, tokenizer, prompts, reward, replace(SMALL, updates=1))
    assert "PPO, seed 0: 100%" in capsys.readouterr().err
    run(model, untouched, tokenizer, prompts, reward, replace(SMALL, updates=1, same_start=False))
    assert capsys.readouterr().err == ""


def test_the_value_head_begins_with_the_mean_reward(
    model, untouched, tokenizer, prompts, reward, tmp_path
):
    checkpoint = tmp_path / "run.pt"
    settings = replace(SMALL, updates=1, value_learning_rate=1e-6, missing_end_penalty=0.5)
    history = run(
        model, untouched, tokenizer, prompts, reward, settings, checkpoint=checkpoint
    ).history
    bias = torch.load(checkpoint)["state"]["model"]["value.bias"].item()
    expected = history["reward"][0] - 0.5 * (1 - history["ended"][0])
    assert bias == pytest.approx(expected, abs=1e-4)


def test_a_value_head_at_zero_would_credit_the_last_tokens_for_nothing():
    mask = torch.ones(1, 6, dtype=torch.bool)
    rewards = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 0.8]])  # as good as every other text
    zero, fair = (ppo.gae(rewards, torch.full((1, 6), v), mask, lam=0.9)[0] for v in (0.0, 0.8))
    assert (zero.diff() > 0).all(), "the later, the better it looks"
    assert torch.allclose(fair, torch.zeros(6), atol=1e-6), "nothing was better than expected"


# ----- resuming


def test_an_interrupted_run_ends_with_the_same_weights(
    model, untouched, tokenizer, prompts, reward, tmp_path
):
    settings = replace(SMALL, updates=5, target_kl=0.5)
    whole = copy.deepcopy(model)
    expected = run(whole, untouched, tokenizer, prompts, reward, settings)
    calls = []

    def interrupted(texts):
        calls.append(texts)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return reward(texts)

    checkpoint = tmp_path / "new" / "run.pt"
    half = copy.deepcopy(model)
    with pytest.raises(KeyboardInterrupt):
        run(half, untouched, tokenizer, prompts, interrupted, settings, checkpoint=checkpoint)
    resumed = run(model, untouched, tokenizer, prompts, reward, settings, checkpoint=checkpoint)
    assert resumed.history == expected.history
    for a, b in zip(whole.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)
    again = run(model, untouched, tokenizer, prompts, interrupted, settings, checkpoint=checkpoint)
    assert again.history == expected.history, "a finished run is not trained further"


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import torch
torch.set_num_threads(1)
from tiny_reviews import PROMPTS, count_good, make_model, make_tokenizer
from interp_rl.finetuning.ppo import PPOSettings, train

def slow(texts):
    time.sleep(0.1)
    return count_good(texts)

train(make_model(), make_model(), make_tokenizer(), PROMPTS, slow, PPOSettings(**eval(sys.argv[3])),
      checkpoint=Path(sys.argv[1]), progress=False)
print("finished")
"""


def test_a_killed_process_ends_with_the_same_weights(
    model, untouched, tokenizer, prompts, reward, tmp_path, root
):
    settings = replace(SMALL, updates=8)
    checkpoint = tmp_path / "run.pt"
    environment = {**os.environ, "PYTHONPATH": str(root / "code")}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, checkpoint, Path(__file__).parent, repr(asdict(settings))],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    assert "finished" not in process.communicate()[0]
    done = len(torch.load(checkpoint)["state"]["run"][1]["reward"])
    assert 1 <= done < settings.updates
    resumed = run(model, untouched, tokenizer, prompts, reward, settings, checkpoint=checkpoint)
    whole = copy.deepcopy(untouched)
    expected = run(whole, untouched, tokenizer, prompts, reward, settings)
    assert resumed.history == expected.history
    assert all(map(torch.equal, model.parameters(), whole.parameters()))


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(
    model, untouched, tokenizer, prompts, reward, tmp_path
):
    checkpoint = tmp_path / "run.pt"
    run(model, untouched, tokenizer, prompts, reward, checkpoint=checkpoint)
    with pytest.raises(ValueError, match=r"beta is 0\.07 there and 0\.1 here"):
        run(
            model,
            untouched,
            tokenizer,
            prompts,
            reward,
            replace(SMALL, beta=0.1),
            checkpoint=checkpoint,
        )
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ValueError, match="no checkpoint that can be read"):
        run(model, untouched, tokenizer, prompts, reward, checkpoint=checkpoint)


def test_a_run_can_be_stopped_early(model, untouched, tokenizer, prompts, reward):
    one = run(model, untouched, tokenizer, prompts, reward, stop=lambda so_far: so_far.updates == 2)
    assert one.updates == 2


# ----- bad input


def test_a_reference_that_would_be_trained_along_is_refused(
    model, untouched, tokenizer, prompts, reward
):
    with pytest.raises(ValueError, match="the same object"):
        run(model, model, tokenizer, prompts, reward)
    shallow = copy.deepcopy(untouched)
    shallow.transformer = model.transformer  # another object, the same weights
    with pytest.raises(ValueError, match=r"share the memory of .* weights, such as transformer"):
        run(model, shallow, tokenizer, prompts, reward)
    view = copy.deepcopy(untouched)
    view.transformer.wpe.weight.data = model.transformer.wpe.weight.data[:]
    with pytest.raises(ValueError, match=r"memory of 1 weights, such as transformer\.wpe"):
        run(model, view, tokenizer, prompts, reward)


def test_a_reference_that_is_no_copy_is_refused_before_any_weight_changes(
    model, tokenizer, prompts, reward
):
    before = copy.deepcopy(model.state_dict())
    untrained = make_model(seed=7)
    with pytest.raises(ValueError, match=r"differ before any training \(KL .* untrained"):
        run(model, untrained, tokenizer, prompts, reward)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    meant = replace(SMALL, updates=1, same_start=False)
    assert run(model, untrained, tokenizer, prompts, reward, meant).history["kl"][0] > 0.5


def test_a_reference_of_another_vocabulary_or_with_dropout_is_refused(
    model, untouched, tokenizer, prompts, reward
):
    with pytest.raises(ValueError, match="21 tokens and the reference 33"):
        run(model, make_model(vocabulary=33), tokenizer, prompts, reward)
    with pytest.raises(ValueError, match="reference is in training mode"):
        run(model, copy.deepcopy(untouched).train(), tokenizer, prompts, reward)
    with pytest.raises(ValueError, match="the model is in training mode"):
        run(model.train(), untouched, tokenizer, prompts, reward)


def test_other_bad_input_is_refused(model, untouched, tokenizer, prompts, reward):
    with pytest.raises(ValueError, match="no prompts"):
        run(model, untouched, tokenizer, [], reward)
    with pytest.raises(ValueError, match="NaN"):
        run(model, untouched, tokenizer, prompts, lambda texts: [math.nan] * len(texts))
    with pytest.raises(ValueError, match="one number per text"):
        run(model, untouched, tokenizer, prompts, lambda texts: [1.0])
    with pytest.raises(ValueError, match="positions"):
        run(model, untouched, tokenizer, ["the " * 30], reward)
    lacking = copy.deepcopy(tokenizer)
    lacking.pad_token = None
    with pytest.raises(ValueError, match="no pad_token"):
        run(model, untouched, lacking, prompts, reward)


@pytest.mark.parametrize(
    "wrong",
    [
        {"updates": 0},
        {"batch": 0},
        {"minibatch": -1},
        {"epochs": 0},
        {"new_tokens": 0},
        {"lam": 1.2},
        {"discount": -0.1},
        {"beta": -0.1},
        {"beta": math.nan},
        {"learning_rate": 0.0},
        {"clip": 0.0},
        {"value_clip": -1.0},
        {"temperature": 0.0},
        {"target_kl": 0.0},
        {"entropy_weight": -1.0},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PPOSettings(**wrong)


def test_adapting_a_beta_of_zero_is_refused():
    with pytest.raises(ValueError, match="beta is 0"):
        PPOSettings(beta=0.0, target_kl=1.0)


def test_the_first_ratios_are_one_and_log_probabilities_have_gradients(model, tokenizer, prompts):
    rollout = generate(model, tokenizer, prompts, seed=0)
    again = response_log_probs(model, rollout)
    assert again.requires_grad
    assert torch.allclose((again - rollout.log_probs).exp(), torch.ones(()), atol=1e-5)
