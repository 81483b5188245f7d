"""Rollouts: texts that a language model writes, with all that a policy gradient needs to know.

A prompt is a state, each new token an action. Prompts of unequal length are padded on the left, so
that all completions begin in the same column:

    <|pad|> <|bos|> the    food | was   great . <|eos|> <|pad|>
    <|bos|> i       did    not  | enjoy it    . the     plot
    ------------ prompt --------|-------- response ------------
    mask of the response:         true  true  true  true    false
                                  true  true  true  true    true

Position ids count from the first token that is no padding. A model that is not told so sees the
upper row shifted by one, and its log-probabilities are wrong.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Rollout:
    """Texts written by a model: one row per sample."""

    prompts: list[str]
    """what each text begins with"""
    completions: list[str]
    """what the model added, special tokens removed"""
    texts: list[str]
    """prompt and completion, special tokens removed; what a reward function reads"""
    tokens: Int[Tensor, "sample pos"]
    """prompt, padded on the left, then response, padded on the right"""
    prompt_mask: Bool[Tensor, "sample prompt"]
    """true for tokens of the prompt, `<|bos|>` included, false for padding"""
    response: Int[Tensor, "sample new"]
    """the tokens the model chose, padding after the end token"""
    mask: Bool[Tensor, "sample new"]
    """true for tokens that were chosen, up to and including the end token"""
    log_probs: Float[Tensor, "sample new"]
    """log-probability of each chosen token under the model that chose it, in nats; 0 after the
    end"""
    ended: Bool[Tensor, " sample"]
    """true where the model chose the end token, false where the text was cut off"""
    temperature: float = 1.0
    """what the logits were divided by, here and in `response_log_probs`"""

    @property
    def prompt_length(self) -> int:
        """Columns of the prompt, padding included: where the response begins."""
        return self.prompt_mask.shape[1]

    @property
    def attention_mask(self) -> Int[Tensor, "sample pos"]:
        """1 for tokens that may be attended to, 0 for padding."""
        return torch.cat([self.prompt_mask, self.mask], 1).long()

    @property
    def position_ids(self) -> Int[Tensor, "sample pos"]:
        """Position of each token, counted from the first that is no padding."""
        return positions(self.attention_mask)

    @property
    def inputs(self) -> dict[str, Any]:
        """What a causal model is called with so that its logits are those of the response."""
        return {
            "input_ids": self.tokens[:, :-1],
            "attention_mask": self.attention_mask[:, :-1],
            "position_ids": self.position_ids[:, :-1],
            "logits_to_keep": self.response.shape[1],
            "use_cache": False,
        }

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, rows: Int[Tensor, " some"]) -> "Rollout":
        """The samples with these indices."""
        picked = rows.tolist()
        return Rollout(
            [self.prompts[row] for row in picked],
            [self.completions[row] for row in picked],
            [self.texts[row] for row in picked],
            self.tokens[rows],
            self.prompt_mask[rows],
            self.response[rows],
            self.mask[rows],
            self.log_probs[rows],
            self.ended[rows],
            self.temperature,
        )


def positions(attention_mask: Int[Tensor, "sample pos"]) -> Int[Tensor, "sample pos"]:
    """Position ids of padded rows.

    Args:
        attention_mask: 1 for tokens, 0 for padding on either side.

    Returns:
        0 for the first token that is no padding, 1 for the next; padding gets what is in range.
    """
    return (attention_mask.cumsum(1) - 1).clamp(min=0)


@torch.no_grad()
def generate(
    model: Any,
    tokenizer: Any,
    prompts: list[str],
    *,
    new_tokens: int = 24,
    seed: int,
    temperature: float = 1.0,
) -> Rollout:
    """Lets a model continue prompts, drawing every token from its own distribution.

    The keys and values of earlier tokens are kept, so that each step computes one new position
    only. Sampling is plain: no top-k, no top-p, no ban on special tokens, because a policy gradient
    needs the probabilities that the tokens were drawn with.

    Args:
        model: A causal language model of Hugging Face, in evaluation mode.
        tokenizer: Its tokenizer; `<|bos|>` is put before every prompt here.
        prompts: What the texts begin with, one row each; the same prompt may stand there often.
        new_tokens: At most so many tokens are added.
        seed: Seed of the draws: same seed, prompts and weights, same texts.
        temperature: Divides the logits; 1 samples from the model itself.

    Returns:
        The rollout. It has fewer than `new_tokens` columns if all texts ended before.

    Raises:
        TypeError: If a prompt is no string.
        ValueError: If there are no prompts, a prompt does not fit into the model's context together
            with the new tokens or has words outside the vocabulary, the tokenizer lacks a token
            that begins, pads or ends texts or belongs to another vocabulary, the model is in
            training mode, `new_tokens` or `temperature` is not positive, or every completion is
            empty.
    """
    check_tokenizer(model, tokenizer)
    if new_tokens < 1 or not temperature > 0:
        raise ValueError(
            f"new_tokens is {new_tokens} and temperature is {temperature}; both must be positive"
        )
    if model.training:
        raise ValueError(
            "the model is in training mode, where dropout changes its probabilities from call to "
            "call, so that even fresh samples look off-policy; call model.eval()"
        )
    prompt, prompt_mask = _encode(model, tokenizer, prompts, new_tokens)
    generator = torch.Generator(model.device).manual_seed(seed)

    attention = prompt_mask.long()
    inputs, position, cache = prompt, positions(attention), None
    running = torch.ones(len(prompts), dtype=torch.bool, device=model.device)
    columns = []
    for _ in range(new_tokens):
        output = model(
            input_ids=inputs,
            attention_mask=attention,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        log_all = (output.logits[:, -1].float() / temperature).log_softmax(-1)
        chosen = torch.multinomial(log_all.exp(), 1, generator=generator)
        log_prob = log_all.gather(1, chosen).squeeze(1)
        chosen = chosen.squeeze(1).where(running, tokenizer.pad_token_id)
        columns.append((chosen, running, log_prob * running))
        running = running & (chosen != tokenizer.eos_token_id)
        if not running.any():
            break
        inputs, position, cache = chosen[:, None], position[:, -1:] + 1, output.past_key_values
        attention = torch.cat([attention, torch.ones_like(attention[:, :1])], 1)

    response, mask, log_probs = (torch.stack(part, 1) for part in zip(*columns, strict=True))
    completions = _decode(tokenizer, response)
    if not any(completions):
        raise ValueError(
            f"all {len(prompts)} completions are empty: the model ends every text at once. Do the "
            "prompts end with a finished text, or is the tokenizer's end token not the model's?"
        )
    tokens = torch.cat([prompt, response], 1)
    texts = _decode(tokenizer, tokens)
    return Rollout(
        list(prompts),
        completions,
        texts,
        tokens,
        prompt_mask,
        response,
        mask,
        log_probs,
        ~running,
        temperature,
    )


def response_log_distribution(model: Any, rollout: Rollout) -> Float[Tensor, "sample new token"]:
    """The log-probability of every token of the vocabulary at each position of the responses.

    Args:
        model: A causal language model, the one that wrote the texts or another one.
        rollout: The texts.

    Returns:
        Log-probabilities in nats, with gradients unless they are switched off.
    """
    return (model(**rollout.inputs).logits.float() / rollout.temperature).log_softmax(-1)


def response_log_probs(model: Any, rollout: Rollout) -> Float[Tensor, "sample new"]:
    """The log-probability of each token of the responses, all positions in one pass.

    Args:
        model: A causal language model, the one that wrote the texts or another one.
        rollout: The texts.

    Returns:
        Log-probabilities in nats, 0 after the end; with gradients unless they are switched off.
    """
    log_all = response_log_distribution(model, rollout)
    return chosen(log_all, rollout.response) * rollout.mask


def chosen(
    log_all: Float[Tensor, "sample new token"], response: Int[Tensor, "sample new"]
) -> Float[Tensor, "sample new"]:
    """The entries of the tokens that were chosen.

    Args:
        log_all: One number for each token of the vocabulary.
        response: The tokens chosen.

    Returns:
        One number for each token chosen.
    """
    return log_all.gather(-1, response[..., None]).squeeze(-1)


def check_tokenizer(model: Any, tokenizer: Any) -> None:
    """Makes sure that a tokenizer has what rollouts need, and belongs to the model.

    Args:
        model: A causal language model.
        tokenizer: A tokenizer of Hugging Face.

    Raises:
        ValueError: If the tokenizer lacks a token that begins, pads or ends texts, or has more
            tokens than the model.
    """
    for name, what in (
        ("bos", "begin a text with"),
        ("pad", "pad texts with; for GPT-2, set tokenizer.pad_token = tokenizer.eos_token"),
        ("eos", "end a text with, so no text could ever end; set tokenizer.eos_token"),
    ):
        if getattr(tokenizer, f"{name}_token_id") is None:
            raise ValueError(f"the tokenizer has no {name}_token to {what}")
    if len(tokenizer) > model.config.vocab_size:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} tokens and the model {model.config.vocab_size}: "
            "they do not belong together; load both from the same place"
        )


def _encode(
    model: Any, tokenizer: Any, prompts: Any, new_tokens: int
) -> tuple[Int[Tensor, "sample prompt"], Bool[Tensor, "sample prompt"]]:
    """Tokens of the prompts after `<|bos|>`, padded on the left, and which of them are real."""
    if isinstance(prompts, str) or not all(isinstance(prompt, str) for prompt in prompts):
        raise TypeError("prompts must be a list of strings")
    if not prompts:
        raise ValueError("there are no prompts; a rollout needs at least one")
    encoded = tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    bos, unknown = tokenizer.bos_token_id, tokenizer.unk_token_id
    limit = model.config.max_position_embeddings
    for prompt, ids in zip(prompts, encoded, strict=True):
        if unknown is not None and unknown in ids:
            raise ValueError(
                f"the prompt {prompt!r} has words outside the vocabulary, or brings its own "
                f"{tokenizer.unk_token}"
            )
        if len(ids) + 1 + new_tokens > limit:
            raise ValueError(
                f"the prompt {prompt[:60]!r} has {len(ids) + 1} tokens, {tokenizer.bos_token} "
                f"included, and {new_tokens} new ones are asked for; the model has {limit} "
                "positions. Shorten the prompt or ask for fewer new tokens"
            )
    width = 1 + max(map(len, encoded))
    rows = [[tokenizer.pad_token_id] * (width - 1 - len(ids)) + [bos, *ids] for ids in encoded]
    lengths = torch.tensor([1 + len(ids) for ids in encoded], device=model.device)
    mask = torch.arange(width, device=model.device) >= width - lengths[:, None]
    return torch.tensor(rows, device=model.device), mask


def _decode(tokenizer: Any, rows: Int[Tensor, "sample pos"]) -> list[str]:
    return [text.strip() for text in tokenizer.batch_decode(rows, skip_special_tokens=True)]
