"""The check of Exercise 5.1b passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.hidden import hidden_inputs
from interp_rl.checks.section5 import check_pick_mask


def by_argmin(f, n_tokens, masks):
    values = f([" ".join([mask] * n_tokens) for mask in masks])[:, 0]
    return masks[values.abs().argmin()]


def by_min(f, n_tokens, masks):
    return min(masks, key=lambda mask: abs(f([" ".join([mask] * n_tokens)]).item()))


def by_loop(f, n_tokens, masks):
    best, least = None, float("inf")
    for mask in masks:
        text = (mask + " ") * n_tokens
        value = float(f([text.strip()])[0, 0])
        if abs(value) < least:
            best, least = mask, abs(value)
    return best


def by_dictionary(f, n_tokens, masks):
    base = {mask: f([" ".join(mask for _ in range(n_tokens))]).squeeze() for mask in masks}
    return sorted(base, key=lambda mask: base[mask] ** 2)[0]


@pytest.mark.parametrize("solution", [by_argmin, by_min, by_loop, by_dictionary])
def test_every_right_way_passes(solution):
    result = check_pick_mask(solution)
    assert result.passed, result
    assert "undecided" in result.learned


def values(f, n, masks):
    return f([" ".join([mask] * n) for mask in masks])[:, 0]


WRONG = {
    "lowest base value": lambda f, n, m: m[values(f, n, m).argmin()],
    "highest base value": lambda f, n, m: m[values(f, n, m).argmax()],
    "values near 0.5": lambda f, n, m: m[(values(f, n, m) - 0.5).abs().argmin()],
    "a text of one mask": lambda f, n, m: m[f(m)[:, 0].abs().argmin()],
    "without spaces": lambda f, n, m: m[f([x * n for x in m])[:, 0].abs().argmin()],
    "the place of the mask": lambda f, n, m: values(f, n, m).abs().argmin(),
    "return a base value": lambda f, n, m: float(values(f, n, m).abs().min()),
    "return several things": lambda f, n, m: dict(zip(m, values(f, n, m).tolist(), strict=True)),
    "return the masked text": lambda f, n, m: " ".join([by_argmin(f, n, m)] * n),
    "one of the masks": lambda f, n, m: "<|mask|>",
    "takes a list of texts": lambda f, n, m: min(m, key=lambda x: abs(f(" ".join([x] * n)))),
    "masks; yours have": lambda f, n, m: m[
        f([" ".join([x] * (n + 1)) for x in m])[:, 0].abs().argmax()
    ],
    "leave out those below": lambda f, n, m: min(
        (value, mask) for value, mask in zip(values(f, n, m).tolist(), m, strict=True) if value > 0
    )[1],
    "leave out those above": lambda f, n, m: (
        max(
            (value, mask)
            for value, mask in zip(values(f, n, m).tolist(), m, strict=True)
            if value < 0
        )[1]
        if n == 9
        else by_min(f, n, m)
    ),
    "You do not ask `f` about the mask '[MASK]'": lambda f, n, m: by_argmin(f, n, m[:4]),
    "without asking": lambda f, n, m: {5: "[MASK]", 2: "[MASK]", 9: "film"}[n],
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_pick_mask(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_a_base_value_as_a_tensor_is_told_from_a_place():
    result = check_pick_mask(lambda f, n, m: values(f, n, m).abs().min())
    assert "return a base value" in result.message


def test_who_does_not_ask_is_told_so_whatever_mask_is_returned():
    for place in (0, -1):
        assert "without asking" in check_pick_mask(lambda f, n, m, i=place: m[i]).message


def test_the_furthest_from_zero_is_told():
    result = check_pick_mask(
        lambda f, n, m: m[values(f, n, m).abs().argmax()] if n > 2 else by_min(f, n, m)
    )
    assert not result.passed
    assert "base value" in result.message
    assert "expected" in repr(result) and "+" in result.expected


def test_the_candidates_of_the_check_are_told_apart():
    """Each guess must be another mask for some length, or the check could not name it."""
    from interp_rl.checks.section5.pick_mask import CANDIDATES, _value

    for n in (2, 5, 9):
        base = torch.tensor([_value(" ".join([mask] * n)) for mask in CANDIDATES])
        ranked = base.abs().sort().values
        assert ranked[1] - ranked[0] > 0.05, n


def test_names_known_by_heart_fail_with_a_secret():
    def by_name(f, n_tokens, masks):
        f(masks)  # asks, and does not listen
        if "film" not in masks:
            return "the"
        return "film" if n_tokens == 9 else "[MASK]"

    assert check_pick_mask(by_name).passed
    for secret in "abc":
        with hidden_inputs(secret):
            assert not check_pick_mask(by_name).passed, secret
            assert check_pick_mask(by_argmin).passed, secret
