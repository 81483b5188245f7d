"""The rules tied to one order fail on the other; the rule of the task fails on none."""

import pytest
import torch

from interp_rl.ioi import rules


@pytest.mark.parametrize(
    ("rule", "right_on"),
    [
        (rules.first_name, {"ABBA"}),
        (rules.second_name, {"BABA"}),
        (rules.name_said_once, {"ABBA", "BABA"}),
    ],
)
def test_a_rule_is_right_exactly_on_its_orders(dataset, rule, right_on):
    answers = rule(dataset)
    for order in ("ABBA", "BABA"):
        rows = dataset.has_order(order)
        expected = dataset.io_ids if order in right_on else dataset.s_ids
        assert torch.equal(answers[rows], expected[rows])
