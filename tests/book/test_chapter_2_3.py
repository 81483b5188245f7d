"""What chapter 2.3 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import ioi, plots
from interp_rl.ioi.knockouts import MINIMUM_REFERENCE, ablated_outputs
from interp_rl.models.recipes import ioi_corpus


@pytest.fixture(scope="module")
def knockouts(root) -> Run:
    return run(root, "2-3-knockouts")


@pytest.fixture(scope="module")
def names(knockouts):
    return knockouts.names


def template_numbers(dataset):
    return torch.tensor([ioi.TEMPLATES.index(prompt.template) for prompt in dataset.prompts])


def outputs(names, dataset):
    model = names["model"]
    place = "attn.hook_z"
    cache = model.run_with_cache(dataset.tokens, names_filter=lambda n: n.endswith(place))[1]
    return torch.stack([cache[names["hook_z"](layer)] for layer in range(model.cfg.n_layers)])


def difference_with(names, layer, value):
    """Mean logit difference with the outputs of one layer replaced."""
    hooks = [(names["hook_z"](layer), lambda z, hook: value)]
    logits = names["model"].run_with_hooks(names["data"].tokens, fwd_hooks=hooks)
    return ioi.logit_difference(logits, names["data"]).mean()


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(knockouts):
    assert set(re.findall(r"{glue:text}`([^`]+)`", knockouts.text)) == set(knockouts.glued)


def test_the_stub_is_not_attempted_and_the_solution_passes(knockouts):
    checked = [value for value in knockouts.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


def test_the_model_does_the_task_on_these_prompts(names):
    data, difference = names["data"], names["ablators"]["mean"].model_metric
    assert (difference > 0).float().mean() >= 0.95
    assert all(ioi_corpus.is_held_out(prompt.io, prompt.s) for prompt in data.prompts)


# ----- the reference


def test_reference_prompts_have_the_templates_and_three_unrelated_names(names):
    data, reference = names["data"], names["reference"]
    assert {p.template for p in reference.prompts} == {p.template for p in data.prompts}
    for prompt in reference.prompts:
        assert len({*prompt.names, prompt.io, prompt.s}) == 5, "no name is repeated, none is left"
    assert data.prompts[0].template == reference.prompts[0].template
    assert data.texts[0] != reference.texts[0]


def test_prompts_of_a_template_have_one_length(names):
    ends = {}
    for dataset in (names["data"], names["reference"]):
        for prompt, end in zip(dataset.prompts, dataset.positions["END"].tolist(), strict=True):
            ends.setdefault(prompt.template, set()).add(end)
    assert all(len(found) == 1 for found in ends.values())


def test_the_library_refuses_fewer_reference_prompts_than_the_prose_says(knockouts, names):
    assert f"fewer than {MINIMUM_REFERENCE} prompts of a template" in knockouts.text
    counts = template_numbers(names["reference"]).bincount()
    assert counts[counts > 0].min() >= MINIMUM_REFERENCE
    few = names["draw"](90, seed=3).corrupted("abc", seed=5)
    with pytest.raises(ValueError, match="too small for the mean"):
        ioi.Ablator(names["model"], names["data"], kind="mean", reference=few)


# ----- zero is not neutral


def test_the_predictions_that_are_compared_come_before_the_repetition(names):
    data, early = names["data"], names["early"]
    for row, s2 in enumerate(data.positions["S2"].tolist()):
        assert early[row].nonzero().flatten().tolist() == list(range(1, s2))
        assert data.tokens[row, :s2].tolist().count(int(data.s_ids[row])) == 1


def test_a_head_that_keeps_its_output_changes_no_prediction(names):
    own = outputs(names, names["data"])[1, :, 1:, 2]
    assert names["prediction_change"](1, 2, own).abs() < 1e-5


def test_zero_disturbs_more_than_another_constant_though_it_removes_no_more(names):
    zero, constant = names["change_zero"], names["change_constant"]
    assert zero.mean() > 1.15 * constant.mean()
    assert (zero > constant).float().mean() > 0.5, "for most heads"
    assert (zero < constant).any(), "and for some it is the other way round"
    assert zero[names["worst"]] > 1.2 * constant[names["worst"]]


def test_the_mean_of_template_and_position_is_the_mildest(names):
    assert names["by_position"].mean() < 0.5 * names["change_constant"].mean()
    assert names["by_position"].mean() < 0.5 * names["change_zero"].mean()


# ----- mean ablation


def test_the_solution_is_the_library_on_the_model(knockouts, names):
    data, reference = names["data"], names["reference"]
    layer, head = names["strongest"]
    inputs = template_numbers(data), outputs(names, reference)[layer], template_numbers(reference)
    z = outputs(names, data)[layer]
    solution = names["mean_ablate"](z, head, *inputs)
    library = ablated_outputs(names["model"], data, "mean", reference)[layer]
    read = names["words"](data, "END")
    assert torch.allclose(solution[:, :, head][read], library[:, :, head][read], atol=1e-4)
    left = difference_with(names, layer, solution)
    assert f"{left:.2f}" == knockouts.glued["s23-exercise-ld"]
    assert left < 0.8 * names["whole"], "the expected output can be told from the intact model"


def test_an_ablation_of_the_ablator_is_a_hook_that_sets_zero(names):
    layer, head = names["most"]
    z = outputs(names, names["data"])[layer]
    z[:, :, head] = 0
    change = difference_with(names, layer, z) - names["whole"]
    assert torch.allclose(change, names["changes"]["zero"][layer, head], atol=1e-3)


def test_zero_and_mean_disagree_about_some_head(names):
    layer, head = names["most"]
    apart = names["changes"]["zero"] - names["changes"]["mean"]
    assert apart.abs().argmax() == layer * names["n_heads"] + head
    assert apart[layer, head].abs() > 0.1 * names["whole"]


# ----- every head off


def test_without_heads_nothing_tells_io_from_s(names):
    for kind in ("zero", "mean"):
        assert names["left"][kind].abs() < 0.1 * names["whole"]


def test_the_mean_leaves_the_sentence_and_zero_less_of_it(names):
    name = names["name_expected"]
    assert name["mean"] > 0.85 * name["intact"]
    assert name["zero"] < name["mean"] - 0.03


def test_names_are_single_tokens(names):
    data, ids = names["data"], names["ids"]
    assert len(set(ids)) == len(data.names)
    assert {*data.io_ids.tolist(), *data.s_ids.tolist()} <= set(ids)


# ----- three ablations


def test_the_resampled_prompt_is_the_abc_version_of_the_same_prompt(names):
    for prompt, other in zip(names["data"].prompts, names["other"].prompts, strict=True):
        assert (prompt.template, prompt.place, prompt.object) == (
            *(other.template, other.place),
            other.object,
        )
        assert len(set(other.names)) == 3


def test_mean_and_resample_agree_more_than_either_with_zero(names):
    agreement = names["agreement"]
    best = agreement["mean", "resample"]
    assert best > max(agreement["zero", "mean"], agreement["zero", "resample"]) + 0.05
    assert best > 0.5


def test_zero_has_strong_tiles_that_the_other_panels_lack(names):
    zero, mean, resample = (names["changes"][kind] for kind in ("zero", "mean", "resample"))
    others = torch.minimum(mean, resample)
    assert ((zero < -0.3 * names["whole"]) & (others > -0.1 * names["whole"])).any()


def test_rank_correlation_is_spearmans(names):
    """1 - 6 sum d^2 / (n^3 - n), d the differences of the ranks, where no two values are equal."""
    for pair, value in names["agreement"].items():
        columns = [names["changes"][kind].flatten().tolist() for kind in pair]
        n = len(columns[0])
        assert [len(set(column)) for column in columns] == [n, n], "no ties"
        a, b = ([sorted(column).index(v) for v in column] for column in columns)
        squares = sum((i - j) ** 2 for i, j in zip(a, b, strict=True))
        assert value == pytest.approx(1 - 6 * squares / (n**3 - n), abs=1e-6)


def test_the_three_panels_share_a_scale_and_bring_their_numbers(knockouts, names):
    (picture,) = (value for value in knockouts.values if isinstance(value, plots.Picture))
    assert len(names["fig"].axes) == 4, "three panels and one scale"
    for column in ("zero", "mean", "resample"):
        assert f'<th scope="col">{column}</th>' in picture.table
    assert picture.table.count('<th scope="row"') == len(names["heads"])


def test_another_template_has_another_word_at_the_same_position(names):
    tokens = names["data"].tokens[:, 1]
    assert len(tokens.unique()) > 1
