"""Each misconception about the fit of two signals gets its own message; right answers pass."""

import pytest
import torch

from interp_rl.checks.section2 import check_fit_signals


def columns(position, token, measured):
    return torch.stack([torch.ones_like(measured), position, token], dim=1)


def by_lstsq(position, token, measured):
    return torch.linalg.lstsq(columns(position, token, measured), measured[:, None]).solution[:, 0]


def by_pseudoinverse(*inputs):
    return torch.linalg.pinv(columns(*inputs)) @ inputs[2]


def by_normal_equations(*inputs):
    matrix = columns(*inputs).double()
    return torch.linalg.solve(matrix.T @ matrix, matrix.T @ inputs[2].double())


def by_hand(position, token, measured):
    p, t, y = (x - x.mean() for x in (position, token, measured))
    determinant = (p @ p) * (t @ t) - (p @ t) ** 2
    a = ((t @ t) * (p @ y) - (p @ t) * (t @ y)) / determinant
    b = ((p @ p) * (t @ y) - (p @ t) * (p @ y)) / determinant
    return torch.stack([measured.mean() - a * position.mean() - b * token.mean(), a, b])


@pytest.mark.parametrize("solution", [by_lstsq, by_pseudoinverse, by_normal_equations, by_hand])
def test_every_way_of_writing_it_passes(solution):
    result = check_fit_signals(solution)
    assert result.passed, result
    assert "Two slopes and a constant" in result.learned


def slopes_first(*inputs):
    return by_lstsq(*inputs)[[1, 2, 0]]


def exchanged(position, token, measured):
    return by_lstsq(token, position, measured)


def slopes_only(*inputs):
    return by_lstsq(*inputs)[1:]


def no_constant(position, token, measured):
    matrix = torch.stack([position, token], dim=1)
    return torch.linalg.lstsq(matrix, measured[:, None]).solution[:, 0]


def constant_zero(*inputs):
    return torch.cat([torch.zeros(1), no_constant(*inputs)])


def constant_afterwards(*inputs):
    return torch.cat([inputs[2].mean()[None], no_constant(*inputs)])


def each_alone(position, token, measured):
    slopes = []
    for x in (position, token):
        deviation = x - x.mean()
        slopes.append(deviation @ measured / (deviation @ deviation))
    return torch.stack([measured.mean(), *slopes])


def two_lines(position, token, measured):
    _, a, b = each_alone(position, token, measured)
    return torch.stack([measured.mean() - a * position.mean() - b * token.mean(), a, b])


def one_after_the_other(position, token, measured):
    a = each_alone(position, token, measured)[1]
    left = measured - a * position
    b = each_alone(position, token, left)[2]
    return torch.stack([left.mean() - b * token.mean(), a, b])


def centred_first(position, token, measured):
    slopes = no_constant(position, token, measured - measured.mean())
    return torch.cat([measured.mean()[None], slopes])


def half_differences(position, token, measured):
    slopes = [(measured[x > 0].mean() - measured[x < 0].mean()) / 2 for x in (position, token)]
    return torch.stack([measured.mean(), *slopes])


def products_over_squares(position, token, measured):
    slopes = [x @ measured / (x @ x) for x in (position, token)]
    return torch.stack([measured.mean(), *slopes])


def products(position, token, measured):
    return torch.stack([measured.mean(), position @ measured, token @ measured])


def fitted(*inputs):
    return columns(*inputs) @ by_lstsq(*inputs)


def residuals(*inputs):
    return inputs[2] - fitted(*inputs)


def second_axis(*inputs):
    return by_lstsq(*inputs)[:, None]


def negated(*inputs):
    return -by_lstsq(*inputs)


WRONG = {
    slopes_first: "you return the slopes first",
    exchanged: "have changed places",
    slopes_only: "two slopes without the constant",
    no_constant: "fit without a constant",
    constant_zero: "Your constant is 0",
    constant_afterwards: "take the mean as the constant afterwards",
    each_alone: "each slope by itself",
    two_lines: "two lines, one for each signal",
    one_after_the_other: "the position slope first",
    centred_first: "subtract the mean of the logit differences",
    half_differences: "half the difference of two means",
    products_over_squares: "sum of products over a sum of squares",
    products: "do not divide",
    fitted: "fitted logit differences",
    residuals: "errors of the fit",
    second_axis: "second axis of length one",
    negated: "signs are reversed",
}


@pytest.mark.parametrize("mistake", WRONG, ids=lambda function: function.__name__)
def test_each_mistake_gets_its_own_message(mistake):
    result = check_fit_signals(mistake)
    assert result.status == "failed"
    assert WRONG[mistake] in result.message
    others = [text for other, text in WRONG.items() if other is not mistake]
    assert not any(text in result.message for text in others), result.message


def test_an_answer_tied_to_one_example_is_found_out():
    def five_only(position, token, measured):
        return by_lstsq(position[:5], token[:5], measured[:5])

    def balanced_beyond_five(*inputs):
        return by_lstsq(*inputs) if len(inputs[0]) <= 6 else products_over_squares(*inputs)

    for function, others in ((five_only, "6 others"), (balanced_beyond_five, "8 others")):
        result = check_fit_signals(function)
        assert result.status == "failed"
        assert f"right on 5 combinations and wrong on {others}" in result.message


def test_changing_an_input_in_place_is_reported():
    def centred(position, token, measured):
        position -= 1
        return by_lstsq(position + 1, token, measured)

    result = check_fit_signals(centred)
    assert result.status == "failed"
    assert "changes its input `position`" in result.message


def test_the_stub_is_not_attempted():
    def stub(position, token, measured):
        raise NotImplementedError("Exercise 2.5a: Your turn.")

    assert check_fit_signals(stub).status == "not attempted"
