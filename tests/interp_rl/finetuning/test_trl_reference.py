"""PPO's arithmetic agrees with TRL 1.12.0's, recorded by `record_trl_reference.py`, to 1e-5.

TRL and this course differ in one thing on purpose. TRL gives the reward one step after the end
token where there is room, so its masks for rewards and values reach one step further; the course
gives it with the end token, after which there is no state and hence no value.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tiny_reviews import make_model

from interp_rl.finetuning import ppo
from interp_rl.finetuning.rollouts import Rollout, response_log_probs

RECORD = Path(__file__).with_name("trl_1_12_0.safetensors")
CLOSE = {"atol": 1e-5, "rtol": 0}


@pytest.fixture(scope="module")
def record():
    return load_file(RECORD)


@pytest.fixture(scope="module")
def settings():
    with safe_open(RECORD, "pt") as file:
        metadata = file.metadata()
    assert metadata["trl"] == "1.12.0"
    return json.loads(metadata["settings"])


@pytest.fixture(scope="module")
def steps(record):
    """The gradient steps: one dictionary for each."""
    n = 1 + max(int(name.split(".")[1]) for name in record if name.startswith("step."))
    assert n == 4
    return [
        {
            name.split(".")[2]: tensor
            for name, tensor in record.items()
            if name.startswith(f"step.{k}.")
        }
        for k in range(n)
    ]


def model_of(record, name):
    model = make_model()
    weights = {
        key.removeprefix(f"{name}."): tensor
        for key, tensor in record.items()
        if key.startswith(f"{name}.")
    }
    outcome = model.load_state_dict(weights, strict=False)
    assert outcome.missing_keys == ["lm_head.weight"], "tied to the embedding"
    return model


def rollout_of(record, tokenizer, temperature):
    """TRL's texts as a rollout of ours."""
    tokens, n = record["rollout.query_responses"], int(record["rollout.context_length"])
    mask = ~record["rollout.padding_mask"]
    texts = [""] * len(tokens)
    return Rollout(
        prompts=texts,
        completions=texts,
        texts=texts,
        tokens=tokens,
        prompt_mask=tokens[:, :n] != tokenizer.pad_token_id,
        response=tokens[:, n:],
        mask=mask,
        log_probs=torch.zeros(mask.shape),
        ended=((tokens[:, n:] == tokenizer.eos_token_id) & mask).any(1),
        temperature=temperature + 1e-7,  # as TRL has it
    )


def test_the_record_is_worth_comparing_with(record, steps):
    lengths = (~record["rollout.padding_mask"]).sum(1)
    assert len(set(lengths.tolist())) >= 4, "texts of many lengths"
    assert lengths.max() == record["rollout.responses"].shape[1], "and truncated ones"
    ratio = (steps[-1]["new_logprobs"] - steps[-1]["mb_logprobs"]).exp()
    assert ((ratio - 1).abs() > 0.2).float().mean() > 0.1, "the policy's clip acts"
    moved = (steps[-1]["vpred"] - steps[-1]["mb_values"]).abs()
    assert (moved > 0.2).float().mean() > 0.1, "so does the value's"
    assert (record["rollout.query_responses"][:, 0] == 2).any(), "prompts of unequal length"


@pytest.mark.parametrize(
    ("name", "recorded"), [("policy", "logprobs"), ("reference", "ref_logprobs")]
)
def test_log_probabilities_agree(record, settings, tokenizer, name, recorded):
    rollout = rollout_of(record, tokenizer, settings["temperature"])
    with torch.no_grad():
        ours = response_log_probs(model_of(record, name), rollout)
    theirs = record[f"rollout.{recorded}"]
    assert torch.allclose(ours[rollout.mask], theirs[rollout.mask], **CLOSE)


def test_rewards_agree_but_for_the_step_of_the_score(record, settings):
    mask = ~record["rollout.padding_mask"]
    ours = ppo.token_rewards(
        record["rollout.scores"],
        record["rollout.logprobs"],
        record["rollout.ref_logprobs"],
        mask,
        beta=settings["kl_coef"],
    )
    # where the random model's first token was padding, TRL sees no token at all
    written = mask.any(1)
    mask, ours, theirs = mask[written], ours[written], record["rollout.rewards"][written]
    assert torch.allclose(ours.sum(1), theirs.sum(1), **CLOSE)
    truncated = mask.all(1)
    assert truncated.any()
    assert not truncated.all()
    assert torch.allclose(ours[truncated], theirs[truncated], **CLOSE)
    last = mask.sum(1) - 1
    for row in (~truncated).nonzero().flatten().tolist():
        moved = theirs[row].clone()  # the score comes one step later there
        moved[last[row]] += moved[last[row] + 1]
        moved[last[row] + 1] = 0
        assert torch.allclose(ours[row], moved, **CLOSE)


def test_advantages_and_returns_agree(record, settings):
    mask, values = ~record["rollout.padding_mask_p1"], record["rollout.values"]
    advantages = ppo.gae(
        record["rollout.rewards"],
        values,
        mask,
        discount=settings["gamma"],
        lam=settings["lam"],
    )
    assert torch.allclose(advantages[mask], record["rollout.advantages"][mask], **CLOSE)
    assert torch.allclose((advantages + values)[mask], record["rollout.returns"][mask], **CLOSE)


def test_whitening_agrees(record):
    mask = ~record["rollout.padding_mask"]
    ours = ppo.whiten(record["rollout.advantages"], mask)
    assert torch.allclose(ours, record["rollout.whitened"], **CLOSE)
    numbers, mask = record["whiten.numbers"], record["whiten.mask"]
    theirs = record["whiten.whitened"]
    assert torch.allclose(ppo.whiten(numbers, mask)[mask], theirs[mask], **CLOSE)


def test_losses_agree_in_every_gradient_step(record, settings, steps):
    for step in steps:
        rows = step["micro_batch_inds"]
        loss = ppo.policy_loss(
            step["new_logprobs"],
            step["mb_logprobs"],
            step["mb_advantage"],
            ~record["rollout.padding_mask"][rows],
            clip=settings["cliprange"],
        )
        loss_of_values = ppo.value_loss(
            step["vpred"],
            step["mb_values"],
            step["mb_return"],
            ~record["rollout.padding_mask_p1"][rows],
            clip=settings["cliprange_value"],
        )
        assert torch.allclose(loss, step["pg_loss"], **CLOSE)
        assert torch.allclose(loss_of_values, step["vf_loss"], **CLOSE)
        total = loss + settings["vf_coef"] * loss_of_values
        assert torch.allclose(total, step["loss"], **CLOSE)


def test_without_the_clips_the_losses_would_not_agree(record, steps):
    step = steps[-1]
    mask = ~record["rollout.padding_mask"][step["micro_batch_inds"]]
    parts = [step[name] for name in ("new_logprobs", "mb_logprobs", "mb_advantage")]
    assert (ppo.policy_loss(*parts, mask, clip=None) - step["pg_loss"]).abs() > 1e-3
