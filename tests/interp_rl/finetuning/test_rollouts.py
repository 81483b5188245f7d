"""Rollouts: cached sampling agrees with one full pass, padding changes nothing, errors."""

import copy

import pytest
import torch

from interp_rl.finetuning import rollouts
from interp_rl.finetuning.rollouts import generate, response_log_probs


def with_end_bias(model, tokenizer, bias):
    """The model with a head that prefers the end token over all others alike."""
    head = torch.nn.Linear(model.config.n_embd, model.config.vocab_size)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    with torch.no_grad():
        head.bias[tokenizer.eos_token_id] = bias
    model.lm_head = head
    return model


@pytest.fixture
def rollout(untouched, tokenizer, prompts):
    return generate(untouched, tokenizer, prompts * 8, new_tokens=12, seed=3)


def test_probabilities_while_sampling_are_those_of_one_full_pass(rollout, untouched):
    with torch.no_grad():
        again = response_log_probs(untouched, rollout)
    assert torch.allclose(again, rollout.log_probs, atol=1e-5)
    assert (rollout.log_probs[~rollout.mask] == 0).all()


def test_padding_on_the_left_does_not_change_a_texts_probability(rollout, untouched):
    for row in range(len(rollout)):
        n = int(rollout.mask[row].sum())
        start = int((~rollout.prompt_mask[row]).sum())
        ids = rollout.tokens[row, start : rollout.prompt_length + n][None]
        log_all = untouched(ids).logits.log_softmax(-1)[0, -n - 1 : -1]
        alone = log_all.gather(-1, ids[0, -n:, None])[:, 0]
        assert torch.allclose(alone, rollout.log_probs[row, :n], atol=1e-5)


def test_without_position_ids_the_probabilities_of_padded_rows_are_wrong(rollout, untouched):
    # the trap in TRL's log-probability pass with GPT-2 and prompts of unequal length
    inputs = {name: value for name, value in rollout.inputs.items() if name != "position_ids"}
    log_all = untouched(**inputs).logits.log_softmax(-1)
    wrong = rollouts.chosen(log_all, rollout.response) * rollout.mask
    padded = ~rollout.prompt_mask.all(1)
    difference = (wrong - rollout.log_probs).abs().amax(1)
    assert (difference[padded] > 0.05).all()
    assert (difference[~padded] < 1e-5).all()


def test_the_mask_ends_with_the_end_token(rollout, tokenizer):
    is_end = (rollout.response == tokenizer.eos_token_id) & rollout.mask
    assert torch.equal(is_end.any(1), rollout.ended)
    assert 0 < rollout.ended.sum() < len(rollout), "both kinds must occur for this test"
    lengths = rollout.mask.sum(1)
    for row in range(len(rollout)):
        n = int(lengths[row])
        assert rollout.mask[row, :n].all()
        assert (rollout.response[row, n:] == tokenizer.pad_token_id).all()
        if rollout.ended[row]:
            assert rollout.response[row, n - 1] == tokenizer.eos_token_id
        else:
            assert n == rollout.response.shape[1]


def test_texts_are_prompt_and_completion_without_special_tokens(rollout):
    for prompt, completion, text in zip(
        rollout.prompts, rollout.completions, rollout.texts, strict=True
    ):
        assert text == f"{prompt} {completion}".strip()
        assert "<|" not in text


def test_the_seed_decides_the_texts_and_the_model_is_left_as_it_was(model, tokenizer, prompts):
    before = copy.deepcopy(model.state_dict())
    first = generate(model, tokenizer, prompts, seed=1)
    assert generate(model, tokenizer, prompts, seed=1).texts == first.texts
    assert generate(model, tokenizer, prompts, seed=2).texts != first.texts
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    assert not first.log_probs.requires_grad


def test_tokens_are_drawn_with_the_probabilities_on_record(untouched, tokenizer):
    n = 4000
    rollout = generate(untouched, tokenizer, ["the film"] * n, new_tokens=1, seed=0)
    counts = torch.bincount(rollout.response[:, 0], minlength=untouched.config.vocab_size)
    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer("the film")["input_ids"]]])
    expected = untouched(ids).logits[0, -1].softmax(-1)
    error = (expected * (1 - expected) / n).sqrt()
    assert ((counts / n - expected).abs() < 4.5 * error + 1e-4).all()


def test_temperature_is_part_of_the_probabilities(untouched, tokenizer, prompts):
    cold = generate(untouched, tokenizer, prompts, seed=0, temperature=0.5)
    with torch.no_grad():
        assert torch.allclose(response_log_probs(untouched, cold), cold.log_probs, atol=1e-5)
    log_all = rollouts.response_log_distribution(untouched, cold)
    assert torch.allclose(log_all.exp().sum(-1), torch.ones(()), atol=1e-5)


def test_rows_can_be_picked(rollout):
    some = rollout[torch.tensor([5, 0])]
    assert some.texts == [rollout.texts[5], rollout.texts[0]]
    assert torch.equal(some.position_ids, rollout.position_ids[[5, 0]])
    assert len(some) == 2


def test_sampling_stops_when_all_texts_have_ended(model, tokenizer, prompts):
    rollout = generate(with_end_bias(model, tokenizer, 3.0), tokenizer, prompts, seed=0)
    assert rollout.ended.all()
    assert rollout.response.shape[1] == rollout.mask.sum(1).max() < 24


def test_an_empty_prompt_is_a_text_from_the_start(untouched, tokenizer):
    rollout = generate(untouched, tokenizer, ["", "the film"], seed=0)
    assert rollout.prompt_mask.sum(1).tolist() == [1, 3]


def test_a_single_empty_completion_is_allowed(untouched, tokenizer):
    rollout = generate(untouched, tokenizer, ["the film"] * 60, new_tokens=4, seed=0)
    empty = [row for row, text in enumerate(rollout.completions) if not text]
    assert empty
    assert (rollout.mask[empty].sum(1) >= 1).all(), "its end token was chosen, too"


# ----- bad input


def test_prompts_that_cannot_be_used_are_refused(untouched, tokenizer):
    with pytest.raises(ValueError, match="no prompts"):
        generate(untouched, tokenizer, [], seed=0)
    for wrong in ("the film", ["the", 3]):  # `generate` itself is type-checked in the tests
        with pytest.raises(TypeError, match="list of strings"):
            rollouts._encode(untouched, tokenizer, wrong, 4)
    with pytest.raises(ValueError, match="'the dinosaur' has words outside"):
        generate(untouched, tokenizer, ["the film", "the dinosaur"], seed=0)


def test_a_prompt_longer_than_the_context_is_refused(untouched, tokenizer):
    generate(untouched, tokenizer, ["the " * 7], new_tokens=24, seed=0)  # 1 + 7 + 24 fit
    with pytest.raises(ValueError, match=r"has 9 tokens.*24 new ones.*32 positions"):
        generate(untouched, tokenizer, ["the", "the " * 8], new_tokens=24, seed=0)


@pytest.mark.parametrize("which", ["bos", "pad", "eos"])
def test_a_tokenizer_without_a_token_it_needs_is_refused(untouched, tokenizer, which):
    lacking = copy.deepcopy(tokenizer)
    setattr(lacking, f"{which}_token", None)
    with pytest.raises(ValueError, match=f"no {which}_token"):
        generate(untouched, lacking, ["the"], seed=0)


def test_a_tokenizer_of_another_model_is_refused(untouched, tokenizer):
    larger = copy.deepcopy(tokenizer)
    larger.add_tokens(["dinosaur"])
    with pytest.raises(ValueError, match="do not belong together"):
        generate(untouched, larger, ["the"], seed=0)


def test_settings_that_make_no_sense_are_refused(model, tokenizer):
    for wrong in ({"new_tokens": 0}, {"temperature": 0.0}):
        with pytest.raises(ValueError, match="must be positive"):
            generate(model, tokenizer, ["the"], seed=0, **wrong)
    with pytest.raises(ValueError, match=r"training mode.*model\.eval"):
        generate(model.train(), tokenizer, ["the"], seed=0)


def test_a_model_that_writes_nothing_is_refused(model, tokenizer, prompts):
    with pytest.raises(ValueError, match="all 4 completions are empty"):
        generate(with_end_bias(model, tokenizer, 50.0), tokenizer, prompts, seed=0)
