"""TRL's trainers: what they do by default, what is refused, and that the refusals are needed."""

import copy
import dataclasses
import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from interp_rl import models
from interp_rl.finetuning import trl_runs
from interp_rl.finetuning.rollouts import generate, response_log_probs
from interp_rl.finetuning.trl_runs import TrlSettings, train_grpo, train_rloo
from interp_rl.policy_gradients.estimators import leave_one_out_baseline

PROMPTS = ["the film was", "the food was", "the plot was", "the food is"]
TRAIN = {"rloo": train_rloo, "grpo": train_grpo}
SHORT = TrlSettings(beta=0.05, steps=2, batch=8, generations=4, new_tokens=6)


@pytest.fixture(scope="session")
def saved(untouched, tokenizer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "tiny"
    untouched.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def policy(saved):
    return models.load(saved).model


def trainer_of(method, policy, tokenizer, prompts, reward, settings, folder, **changes):
    """TRL's trainer without the refusals, and with options that are otherwise refused."""
    arguments = trl_runs.configure(method, settings, folder)
    for name, value in changes.items():
        setattr(arguments, name, value)
    return trl_runs.make_trainer(
        method, policy, tokenizer, trl_runs.with_bos(tokenizer, prompts), reward, arguments
    )


def batch_of(trainer):
    """The inputs of one optimiser step: sampled, scored, compared."""
    trainer.model.train()
    rows = next(iter(trainer.get_train_dataloader()))
    return trainer._generate_and_score_completions(rows)


# ----- training


@pytest.mark.parametrize("method", ["rloo", "grpo"])
def test_training_raises_the_reward_and_repeats_itself(method, policy, tokenizer, reward, capfd):
    settings = dataclasses.replace(SHORT, steps=15, batch=32, learning_rate=2e-2)
    before = copy.deepcopy(policy.state_dict())
    run = TRAIN[method](policy, tokenizer, PROMPTS * 2, reward, settings)
    history = {name: torch.tensor(values) for name, values in run.history.items()}
    assert set(history) == set(trl_runs.COLUMNS)
    assert all(len(column) == 15 and column.isfinite().all() for column in history.values())
    assert history["reward"][-5:].mean() > 2 * history["reward"][:5].mean()
    assert history["kl"][0] == 0 and history["kl"][-1] > 0.5
    assert (history["clipped"] == 0).all(), "fresh samples are on-policy"
    # the model that training began from is unchanged; the policy is a plain one, without TRL's head
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())
    assert "forward" not in vars(run.policy) and not run.policy.training
    torch.manual_seed(5)  # the run neither depends on the state of random numbers nor changes it
    np.random.seed(5)
    state = torch.get_rng_state(), np.random.get_state()[1].tolist()
    again = TRAIN[method](policy, tokenizer, PROMPTS * 2, reward, settings)
    assert again.history == run.history
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.random.get_state()[1].tolist() == state[1]
    assert capfd.readouterr() == ("", ""), "nothing is printed"


def test_the_logged_kl_of_a_continuation_is_that_of_the_rollout(policy, tokenizer, reward):
    """TRL logs per token; the history has it per continuation, as the penalty does."""
    settings = dataclasses.replace(SHORT, steps=12, batch=64, learning_rate=1e-2)
    run = train_rloo(policy, tokenizer, PROMPTS * 4, reward, settings)
    rollout = generate(run.policy, tokenizer, PROMPTS * 100, new_tokens=6, seed=0)
    with torch.no_grad():
        kl = (rollout.log_probs - response_log_probs(policy, rollout)).sum(1)
    assert run.history["kl"][-1] == pytest.approx(kl.mean().item(), rel=0.35)


def test_more_steps_on_a_batch_are_off_policy_and_still_one_row_each(policy, tokenizer, reward):
    settings = dataclasses.replace(SHORT, steps=3, iterations=3, learning_rate=0.05)
    run = train_rloo(policy, tokenizer, PROMPTS, reward, settings)
    assert len(run.history["reward"]) == 3


def test_the_reward_reads_whole_texts(policy, tokenizer):
    seen = []

    def note(texts):
        seen.extend(texts)
        return torch.zeros(len(texts))

    train_rloo(policy, tokenizer, PROMPTS, note, dataclasses.replace(SHORT, steps=1))
    assert len(seen) == 8 and all(text.startswith(tuple(PROMPTS)) for text in seen)
    assert not any("<|" in text for text in seen)


@pytest.mark.parametrize(
    ("returned", "message"),
    [(lambda t: [math.nan] * len(t), "NaN"), (lambda t: [0.0], "shape")],
)
def test_a_reward_that_trl_would_swallow_stops_the_run(policy, tokenizer, returned, message):
    with pytest.raises(ValueError, match=message):
        train_rloo(policy, tokenizer, PROMPTS, returned, SHORT)


# ----- what TRL does by default


def test_beta_of_grpo_is_zero_unless_it_is_given():
    from trl import GRPOConfig, RLOOConfig

    defaults = {
        name: {field.name: field.default for field in dataclasses.fields(config)}
        for name, config in (("rloo", RLOOConfig), ("grpo", GRPOConfig))
    }
    assert {name: found["beta"] for name, found in defaults.items()} == trl_runs.DEFAULT_BETA
    for found in defaults.values():
        assert found["disable_dropout"] is False and found["gradient_checkpointing"] is True
        assert found["bf16"] is None  # which base_config turns into True
    assert defaults["grpo"]["use_bias_correction_kl"] is True


def test_every_option_that_is_fixed_or_decided_is_one_of_trl():
    from trl import GRPOConfig, RLOOConfig

    for config in (GRPOConfig, RLOOConfig):
        known = set(inspect.signature(config).parameters)
        assert set(trl_runs.FIXED) | set(trl_runs.FIELDS) <= known
    fields = {field.name for field in dataclasses.fields(TrlSettings)}
    assert set(trl_runs.FIELDS.values()) <= fields


def test_configured_options_arrive(tmp_path):
    found = trl_runs.configure("grpo", SHORT, tmp_path, scale_rewards="none", epsilon=0.1)
    for name, (value, _) in trl_runs.FIXED.items():
        given = getattr(found, name)
        assert given == value or given in ([], [value]), name  # "none" becomes an empty list
    assert (found.beta, found.num_generations, found.max_steps) == (0.05, 4, 2)
    assert (found.scale_rewards, found.epsilon, found.use_cpu) == ("none", 0.1, True)


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_rloo_advantages_are_those_of_the_leave_one_out_baseline(
    beta, policy, tokenizer, reward, tmp_path
):
    """The same formula as in 3.2 ii, on the reward minus beta times the summed log-ratio."""
    settings = dataclasses.replace(SHORT, beta=beta, batch=16)
    trainer = trainer_of("rloo", policy, tokenizer, PROMPTS, reward, settings, tmp_path)
    if beta:
        with torch.no_grad():  # a reference at some distance
            positions = trainer.ref_model.transformer.wpe.weight
            positions.copy_(positions.flip(0))
    batch = batch_of(trainer)
    rewards = torch.tensor(list(trainer._logs["rewards"]["whole_text_reward"]))
    assert rewards.std() > 0
    if beta:
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)

        def summed(model):
            log_all = model(input_ids=ids).logits.log_softmax(-1)[:, 3:-1]
            chosen = log_all.gather(-1, batch["completion_ids"][..., None]).squeeze(-1)
            return (chosen * batch["completion_mask"]).sum(1)

        with torch.no_grad():
            kl = summed(trainer.model) - summed(trainer.ref_model)
        assert kl.abs().max() > 0.1
        rewards = rewards - beta * kl
    groups = rewards.view(-1, 4)
    expected = torch.stack([group - leave_one_out(group) for group in groups]).flatten()
    assert torch.allclose(batch["advantages"], expected, atol=1e-4)


def leave_one_out(rewards):
    """Each sample's baseline by section 3's own function: episodes of one step."""
    from interp_rl.policy_gradients.episodes import Episodes

    episodes = Episodes(
        rewards=rewards[:, None],
        mask=torch.ones(len(rewards), 1, dtype=torch.bool),
    )
    weights = leave_one_out_baseline(episodes)
    return rewards - weights.flatten()


def test_the_gradient_of_grpos_corrected_kl_is_that_of_k1():
    """At ratio 1, d/dx of ratio * k3 is the log-ratio: the score times k1, which is unbiased."""
    log_ratio = torch.tensor([-0.7, 0.2, 1.5], requires_grad=True)  # log pi - log pi_ref
    ratio = (log_ratio - log_ratio.detach()).exp()
    k3 = (-log_ratio).exp() + log_ratio - 1
    (corrected,) = torch.autograd.grad((ratio * k3).sum(), log_ratio, retain_graph=True)
    assert torch.allclose(corrected, log_ratio.detach(), atol=1e-6)
    (plain,) = torch.autograd.grad(k3.sum(), log_ratio)
    assert not torch.allclose(plain, log_ratio.detach(), atol=0.1)


# ----- what is refused, and why that is justified


def refused(message, policy, tokenizer, prompts=PROMPTS, settings=SHORT, **options):
    def reward(texts):
        raise AssertionError("it was not refused before training")

    with pytest.raises(ValueError, match=message):
        train_rloo(policy, tokenizer, prompts, reward, settings, **options)


def test_prompts_of_unequal_length_are_refused(policy, tokenizer):
    refused("from 3 to 4 tokens.*no position ids", policy, tokenizer, ["the film", "the film was"])


def test_unequal_prompts_are_really_read_at_wrong_positions(
    policy, untouched, tokenizer, reward, tmp_path, saved
):
    """TRL's log-probabilities are wrong for padded rows only, and its KL can be negative."""
    policy.transformer.wpe.weight.data.mul_(10)  # a policy to which positions matter
    reference = copy.deepcopy(policy)
    reference.transformer.ln_f.weight.data.mul_(0.1)  # and one that hardly prefers any token
    unequal = ["the", "food", "plot", "the film was not very good but the film was"]
    settings = dataclasses.replace(SHORT, batch=512, generations=128, new_tokens=8)
    kls = {}
    for name, prompts in (("equal", [*unequal[:3], "film"]), ("unequal", unequal)):
        trainer = trainer_of("rloo", policy, tokenizer, prompts, reward, settings, tmp_path)
        trainer.ref_model.load_state_dict(reference.state_dict())
        batch = batch_of(trainer)
        kls[name] = trainer._metrics["train"]["kl"][-1]
        padded = batch["prompt_mask"][:, 0] == 0
        right = log_probs(trainer.model, batch)
        difference = (batch["old_logps"] - right).abs()
        assert difference[~padded].max() < 1e-3
        if padded.any():
            assert difference[padded].mean() > 1, "no position ids"
            rows = {key: value[padded] for key, value in batch.items()}
            lengths = rows["completion_mask"].sum()
            true = (log_probs(trainer.model, rows) - log_probs(trainer.ref_model, rows)).sum()
            assert true / lengths > 0.1, "the policy is far from the reference"
    assert kls["equal"] > 0.1
    assert kls["unequal"] < 0


@torch.no_grad()
def log_probs(model, batch):
    """Summed log-probabilities of the continuations, at the right positions."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    log_all = logits.log_softmax(-1)[:, batch["prompt_ids"].shape[1] - 1 : -1]
    chosen = log_all.gather(-1, batch["completion_ids"][..., None]).squeeze(-1)
    return (chosen * batch["completion_mask"]).sum(1)


def test_a_policy_changed_in_memory_is_refused_and_its_reference_would_be_the_saved_one(
    policy, tokenizer, reward, tmp_path
):
    saved = policy.transformer.ln_f.bias.clone()
    with torch.no_grad():
        policy.transformer.ln_f.bias.add_(1.0)
    refused("not the one saved in.*ln_f.bias", policy, tokenizer)
    trainer = trainer_of("rloo", policy, tokenizer, PROMPTS, reward, SHORT, tmp_path)
    assert torch.equal(trainer.ref_model.transformer.ln_f.bias, saved)
    assert torch.equal(trainer.model.transformer.ln_f.bias, saved + 1)
    # saved and loaded again, it is accepted
    policy.save_pretrained(tmp_path / "changed")
    tokenizer.save_pretrained(tmp_path / "changed")
    again = models.load(tmp_path / "changed").model
    run = train_rloo(again, tokenizer, PROMPTS, reward, SHORT)
    assert run.history["kl"][0] == 0
    # without a penalty there is no reference to be wrong
    without = dataclasses.replace(SHORT, beta=0.0, steps=1)
    assert math.isnan(train_rloo(policy, tokenizer, PROMPTS, reward, without).history["kl"][0])


def test_a_policy_without_a_directory_is_refused(untouched, tokenizer, policy):
    refused("no model directory", untouched, tokenizer)
    policy.config._name_or_path = "somewhere/on-a-hub"
    refused("no model directory", policy, tokenizer)


def test_dropout_cannot_be_left_on_and_would_make_fresh_samples_look_off_policy(
    policy, tokenizer, reward, tmp_path
):
    refused("fresh samples look off-policy", policy, tokenizer, disable_dropout=False)
    for module in policy.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.2
    clipped = {}
    for off in (True, False):
        trainer = trainer_of(
            "rloo", copy.deepcopy(policy), tokenizer, PROMPTS, reward, SHORT, tmp_path,
            disable_dropout=off,
        )  # fmt: skip
        trainer.train()
        clipped[off] = [
            row["clip_ratio/region_mean"] for row in trainer.state.log_history if "reward" in row
        ]
    assert max(clipped[True]) == 0 < max(clipped[False])


def test_other_options_that_bite_are_refused(policy, tokenizer):
    refused("computes in 16 bits", policy, tokenizer, bf16=True)
    refused("moving one", policy, tokenizer, sync_ref_model=True)
    refused(r"TrlSettings\(generations=", policy, tokenizer, num_generations=2)


@pytest.mark.parametrize("method", ["rloo", "grpo"])
def test_beta_must_be_given(method, policy, tokenizer, reward):
    with pytest.raises(ValueError, match=r"beta is not given.*0, that is no KL penalty"):
        TRAIN[method](policy, tokenizer, PROMPTS, reward, dataclasses.replace(SHORT, beta=None))
    with pytest.raises(ValueError, match="not negative"):
        TRAIN[method](policy, tokenizer, PROMPTS, reward, dataclasses.replace(SHORT, beta=-0.1))


def test_too_few_prompts_are_refused_and_would_end_training_before_it_begins(
    policy, tokenizer, reward, tmp_path
):
    refused(
        "1 prompts, and a batch needs 2.*before the first step", policy, tokenizer, ["the film"]
    )
    trainer = trainer_of("rloo", policy, tokenizer, ["the film"], reward, SHORT, tmp_path)
    trainer.train()
    assert trainer.state.global_step == 0


def test_a_tokenizer_without_padding_is_refused_and_would_be_changed(
    policy, tokenizer, reward, tmp_path
):
    broken = copy.deepcopy(tokenizer)
    broken.pad_token = None
    refused("no padding token.*silently", policy, broken)
    trainer_of("rloo", policy, broken, PROMPTS, reward, SHORT, tmp_path)
    assert broken.pad_token == broken.eos_token
    broken.eos_token = None
    refused("no end token", policy, broken)
    larger = copy.deepcopy(tokenizer)
    larger.add_tokens(["new"])
    refused("do not belong together", policy, larger)


def test_texts_that_do_not_fit_and_prompts_that_are_none_are_refused(policy, tokenizer):
    refused("set new_tokens to at most 28", policy, tokenizer,
            settings=dataclasses.replace(SHORT, new_tokens=29))  # fmt: skip
    refused("list of texts", policy, tokenizer, [])
    refused("list of texts", policy, tokenizer, "the film was")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 10}, "not divisible by generations"),
        ({"generations": 1}, "no siblings"),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": 0.0}, "positive"),
        ({"device": "tpu"}, "'cpu' or 'auto'"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrlSettings(**{"beta": 0.1} | changes)


def test_a_beginning_token_is_put_before_every_prompt_once(tokenizer):
    expected = ["<|bos|>the film", "<|bos|>the film"]
    assert trl_runs.with_bos(tokenizer, ["the film", "<|bos|>the film"]) == expected
    assert tokenizer(expected)["input_ids"][0][0] == tokenizer.bos_token_id


# ----- from the command line


def test_the_command_line_writes_a_model_that_can_be_loaded(tmp_path, capsys):
    short = ["--steps", "1", "--batch", "4", "--generations", "2", "--new_tokens", "3"]
    trl_runs.main(["grpo", "--beta", "0.1", *short, "--out", str(tmp_path / "grpo")])
    assert "wrote" in capsys.readouterr().out
    record = json.loads((tmp_path / "grpo/run.json").read_text())
    assert record["method"] == "grpo" and record["settings"]["beta"] == 0.1
    assert len(record["history"]["reward"]) == 1
    trained = models.load(tmp_path / "grpo").model
    before = models.load("reviews").model
    assert not torch.equal(trained.transformer.wte.weight, before.transformer.wte.weight)


def test_the_command_line_asks_for_beta(tmp_path):
    with pytest.raises(ValueError, match="beta is not given"):
        trl_runs.main(["rloo", "--steps", "1", "--out", str(tmp_path)])
