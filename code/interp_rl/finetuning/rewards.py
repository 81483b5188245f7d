"""What a text is worth: any function from whole texts to numbers, and the classifier as one."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

Reward = Callable[[list[str]], Float[Tensor, " sample"]]
"""A reward function: whole texts (prompt and completion, special tokens removed) to one number
each. It is called without gradients, and a list of numbers will do as well as a tensor."""


def checked(reward: Reward, texts: list[str]) -> Float[Tensor, " sample"]:
    """Calls a reward function and makes sure that training can use what it returns.

    A wrong reward does not stop a trainer by itself: one NaN makes every weight of the model NaN,
    and a wrong count may broadcast. So it stops here.

    Args:
        reward: The reward function.
        texts: Whole texts.

    Returns:
        One finite number per text, float32, on the CPU.

    Raises:
        TypeError: If the reward function returns something else than a tensor or a list of numbers.
        ValueError: If it returns the wrong number of rewards, or one that is NaN or infinite.
    """
    name = getattr(reward, "__name__", type(reward).__name__)
    with torch.no_grad():
        given: Any = reward(list(texts))
    if not isinstance(given, Tensor):
        if not isinstance(given, Sequence) or not all(isinstance(x, numbers.Real) for x in given):
            kinds = {type(x).__name__ for x in given} if isinstance(given, list | tuple) else set()
            of_what = f" of {' and '.join(sorted(kinds))}" if kinds else ""
            raise TypeError(
                f"the reward function {name} returned a {type(given).__name__}{of_what}; it must "
                "return one number per text, as a tensor or a list"
            )
        given = torch.tensor([float(x) for x in given])
    if given.is_complex():
        raise TypeError(f"the reward function {name} returned complex numbers; rewards are real")
    if tuple(given.shape) != (len(texts),):
        raise ValueError(
            f"the reward function {name} returned shape {tuple(given.shape)} for {len(texts)} "
            f"texts; it must return one number per text, shape ({len(texts)},)"
        )
    scores = given.detach().to("cpu", torch.float32)
    wrong = (~scores.isfinite()).nonzero().flatten().tolist()
    if wrong:
        raise ValueError(
            f"the reward function {name} returned {len(wrong)} rewards that are NaN or infinite, "
            f"the first of them {scores[wrong[0]].item()} for {texts[wrong[0]]!r}"
        )
    return scores


def class_probability(
    classifier: Any, tokenizer: Any, label: str | int, *, batch: int = 256
) -> Reward:
    """The probability that a classifier gives to one class, as a reward from 0 to 1.

    Texts are read as the language model writes them: where the tokenizer has a token that begins a
    text, it stands first.

    Args:
        classifier: A sequence classifier of Hugging Face, in evaluation mode.
        tokenizer: Its tokenizer.
        label: Name or index of the class.
        batch: How many texts are classified at once.

    Returns:
        The reward function. It raises a ValueError for a text longer than the classifier can read.

    Raises:
        ValueError: If the classifier has no such class, is in training mode, or its tokenizer has
            no padding token.
    """
    labels: dict[int, str] = classifier.config.id2label
    named = [index for index, name in labels.items() if label in (name, index)]
    if len(named) != 1 or isinstance(label, bool):
        raise ValueError(
            f"the classifier has no class {label!r}; its classes are "
            + ", ".join(f"{name!r} ({index})" for index, name in labels.items())
        )
    if tokenizer.pad_token_id is None:
        raise ValueError(
            "the classifier's tokenizer has no padding token, so texts of unequal length cannot be "
            "read together; set tokenizer.pad_token"
        )
    if classifier.training:
        raise ValueError(
            "the classifier is in training mode, where dropout makes the same text worth another "
            "reward each time; call classifier.eval()"
        )
    index, limit = named[0], getattr(classifier.config, "max_position_embeddings", None)
    bos = tokenizer.bos_token or ""

    def probability(texts: list[str]) -> Float[Tensor, " sample"]:
        """P(class | text) of each text."""
        parts = []
        for start in range(0, len(texts), batch):
            rows = texts[start : start + batch]
            # a tokenizer without BOS, such as BERT's, adds what it needs by itself
            encoded = tokenizer(
                [bos + text for text in rows],
                add_special_tokens=not bos,
                padding=True,
                padding_side="right",
                return_tensors="pt",
            )
            length = encoded["input_ids"].shape[1]
            if limit is not None and length > limit:
                raise ValueError(
                    f"a text has {length} tokens, and the classifier reads at most {limit}: "
                    "shorten the prompts or ask for fewer new tokens"
                )
            encoded = {
                name: encoded[name].to(classifier.device)
                for name in ("input_ids", "attention_mask")
            }
            with torch.no_grad():
                logits = classifier(**encoded).logits
            parts.append(logits.softmax(-1)[:, index].float().cpu())
        return torch.cat(parts) if parts else torch.zeros(0)

    probability.__name__ = f"P({labels[index]})"
    return probability
