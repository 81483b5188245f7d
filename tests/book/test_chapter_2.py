"""What chapters 2, 2.1 and 2.2 say, held against what their own cells compute."""

import re
from itertools import islice

import pytest
import torch
from chapter_run import Run, run

from interp_rl import ioi
from interp_rl.models.recipes import ioi_corpus

CHAPTERS = ("2-interpretability", "2-1-the-task", "2-2-circuits-and-metrics")


@pytest.fixture(scope="module")
def chapters(root) -> dict[str, Run]:
    return {name: run(root, name) for name in CHAPTERS}


@pytest.fixture(scope="module")
def task(chapters) -> Run:
    return chapters["2-1-the-task"]


@pytest.fixture(scope="module")
def metrics(chapters) -> Run:
    return chapters["2-2-circuits-and-metrics"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_prose_uses_exactly_the_numbers_that_its_cells_provide(chapters, name):
    chapter = chapters[name]
    assert set(re.findall(r"{glue:text}`([^`]+)`", chapter.text)) == set(chapter.glued)


def test_the_card_says_what_the_model_was_trained_on(chapters):
    (card,) = chapters["2-interpretability"].values
    assert card.trained_on
    assert card == chapters["2-interpretability"].names["models"].load_card("ioi")


# ----- 2.1


def test_the_model_answers_mary_in_both_orders(task):
    answers = task.names["at_end"].argmax(-1)
    assert torch.equal(answers, task.names["mary"].io_ids)
    assert task.names["mary"].orders == ("ABBA", "BABA")


def test_io_and_s1_change_places_and_s2_and_end_stay(task):
    at = {name: tuple(where.tolist()) for name, where in task.names["mary"].positions.items()}
    assert at["IO"] == at["S1"][::-1]
    assert at["S1+1"] == (at["S1"][0] + 1, at["S1"][1] + 1)
    assert at["S2"][0] == at["S2"][1] and at["END"][0] == at["END"][1]
    assert min(at["IO"]) > 0, "position 0 holds the token that begins every text"


def test_rules_tied_to_one_order_are_always_right_there_and_always_wrong_on_the_other(task):
    shares = {key: share.mean for key, share in task.names["shares"].items()}
    assert shares["first name", "ABBA"] == shares["second name", "BABA"] == 1
    assert shares["first name", "BABA"] == shares["second name", "ABBA"] == 0
    assert shares["name said once", "ABBA"] == shares["name said once", "BABA"] == 1


def test_on_abba_no_prompt_tells_the_rule_from_the_concept(task):
    data = task.names["data"]
    rules, abba = task.names["rules"], data.has_order("ABBA")
    assert torch.equal(rules.first_name(data)[abba], rules.name_said_once(data)[abba])


def test_the_average_of_a_one_order_rule_is_that_of_a_coin(task):
    assert task.glued["s21-first-name-average"] == "50%"


def test_the_model_handles_both_orders(task):
    for order in ("ABBA", "BABA"):
        assert task.names["shares"]["the model", order].mean >= 0.99


def test_no_pair_of_names_was_together_in_the_training_text(task, metrics):
    for data in (task.names["data"], metrics.names["data"], metrics.names["few"]):
        assert all(ioi_corpus.is_held_out(prompt.io, prompt.s) for prompt in data.prompts)
    training = islice(ioi_corpus.sentences(seed=0), 5000)
    assert not any(ioi_corpus.has_held_out_pair(words) for words in training)


def test_enough_prompts_half_of_them_in_each_order(task):
    data = task.names["data"]
    assert len(data) >= 500
    assert int(data.has_order("ABBA").sum()) == len(data) // 2 == int(task.glued["s21-per-order"])


# ----- 2.2


def test_the_stub_is_not_attempted_and_the_solution_passes(metrics):
    checked = [value for value in metrics.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


def test_the_solution_agrees_with_the_library_on_the_model(metrics):
    names = metrics.names
    data, logits = names["data"], names["logits"]
    inputs = (data.io_ids, data.s_ids, data.positions["END"])
    solution = names["logit_difference"](logits, *inputs)
    assert torch.equal(solution, ioi.logit_difference(logits, data))
    assert f"{solution.mean():.3f}" == metrics.glued["s22-ld-exact"]
    from_log_probabilities = names["logit_difference"](logits.log_softmax(-1), *inputs)
    assert torch.allclose(solution, from_log_probabilities, atol=1e-4)


def test_the_hint_about_the_padding_describes_what_happens(metrics):
    """Read at the last column, the mean is close to zero; with the names exchanged, negative."""
    names = metrics.names
    data, logits = names["data"], names["logits"]
    last = torch.full_like(data.positions["END"], logits.shape[1] - 1)
    padding = names["logit_difference"](logits, data.io_ids, data.s_ids, last)
    right = names["difference"].mean()
    assert padding.mean().abs() < 0.25 * right
    swapped = names["logit_difference"](logits, data.s_ids, data.io_ids, data.positions["END"])
    assert swapped.mean() < 0


def test_the_model_prefers_io_on_nearly_every_prompt_of_either_order(metrics):
    right, abba = metrics.names["difference"] > 0, metrics.names["abba"]
    assert len(right) >= 500
    for rows in (abba, ~abba):
        assert right[rows].float().mean() >= 0.99


def test_the_two_orders_overlap_over_most_of_the_range(metrics):
    difference, abba = metrics.names["difference"], metrics.names["abba"]
    first, second = difference[abba], difference[~abba]
    overlap = torch.minimum(first.max(), second.max()) - torch.maximum(first.min(), second.min())
    assert overlap > 0.5 * (difference.max() - difference.min())


def test_the_interval_contains_the_mean_it_is_printed_with(metrics):
    interval = ioi.bootstrap_interval(metrics.names["difference"])
    assert interval.low < float(metrics.glued["s22-ld-exact"]) < interval.high


def test_the_logit_difference_is_the_log_odds_of_the_model(metrics):
    names = metrics.names
    data, rows = names["data"], torch.arange(len(names["data"]))
    p = names["logits"][rows, data.positions["END"]].double().softmax(-1)
    odds = (p[rows, data.io_ids] / p[rows, data.s_ids]).log()
    assert torch.allclose(odds, names["difference"].double(), atol=1e-3)


def test_a_constant_changes_neither_metric_and_other_tokens_change_one(metrics):
    data, cases = metrics.names["data"], list(metrics.names["cases"].values())
    differences = [ioi.logit_difference(logits, data) for logits in cases]
    probabilities = [ioi.io_probability(logits, data).mean().item() for logits in cases]
    assert torch.allclose(differences[0], differences[1], atol=1e-4)
    assert torch.allclose(differences[0], differences[2], atol=1e-4)
    assert probabilities[1] == pytest.approx(probabilities[0], abs=1e-4)
    assert probabilities[2] < 0.9 * probabilities[0]


def test_few_heads_matter_much_on_their_own_and_one_hardly(metrics):
    change, whole = metrics.names["change"], metrics.names["whole"]
    assert change[metrics.names["most"]] < -0.3 * whole
    assert change[metrics.names["least"]].abs() < 0.05 * whole
    assert 1 <= (change < -0.3 * whole).sum() <= change.numel() / 3


def test_a_knockout_leaves_the_model_as_it_was(metrics):
    names = metrics.names
    again = ioi.logit_difference(names["model"](names["few"].tokens), names["few"]).mean()
    assert torch.allclose(again, names["whole"])


def test_paper_figures_stand_in_the_column_of_the_paper(metrics):
    """Wang et al. 2022, Section 2."""
    table = [line.split("|") for line in metrics.text.splitlines() if line.startswith("|")]
    papers = {row[1].strip(): row[3].strip() for row in table if len(row) == 5}
    assert papers["mean logit difference"] == "3.56"
    assert papers["IO preferred to S"] == "99.3%"
    assert papers["mean IO probability"] == "49%"
    assert "the paper's figures, n = 100,000" in papers["measure"]
