"""What chapter 2.4 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import ioi, plots
from interp_rl.ioi.circuit import ROLE_POSITIONS
from interp_rl.models.recipes import ioi_corpus


@pytest.fixture(scope="module")
def finding(root) -> Run:
    return run(root, "2-4-finding-the-circuit")


@pytest.fixture(scope="module")
def names(finding):
    return finding.names


def cells_of_tables(text):
    """The rows of the page's tables, each a list of cells."""
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in row] for row in rows]


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(finding):
    assert set(re.findall(r"{glue:text}`([^`]+)`", finding.text)) == set(finding.glued)


def test_the_stubs_are_not_attempted_and_the_solutions_pass(finding):
    checked = [value for value in finding.values if hasattr(value, "exercise")]
    assert [result.exercise for result in checked] == ["2.4a", "2.4a", "2.4b", "2.4b"]
    assert [result.status for result in checked] == ["not attempted", "passed"] * 2


def test_the_model_does_the_task_on_these_prompts(names):
    assert (names["effects"].before > 0).float().mean() >= 0.95
    assert all(ioi_corpus.is_held_out(prompt.io, prompt.s) for prompt in names["data"].prompts)


# ----- path patching


def test_the_corrupted_prompts_have_the_same_templates_and_other_names(names):
    for clean, other in zip(names["data"].prompts, names["corrupted"].prompts, strict=True):
        assert clean.template == other.template
        assert len({*other.names, clean.io, clean.s}) == 5


def test_strong_direct_effects_are_few_and_stand_in_the_upper_layers(names):
    direct = names["direct"]
    strong = direct <= 0.5 * direct.min()
    assert 1 <= strong.sum() <= direct.numel() / 3
    layers = strong.nonzero()[:, 0]
    assert (layers >= direct.shape[0] // 2).all()
    assert (direct.abs() < 0.25 * direct.abs().max()).float().mean() > 0.5, "most are near zero"


def test_four_passes_one_by_one_give_the_direct_effect(names):
    """Also the page's claim that for the logits pass C already has the result."""
    model, data, corrupted = (names[name] for name in ("model", "data", "corrupted"))
    for head in {names["movers"][0], names["strongest"], (0, 0)}:
        logits = names["patched_logits"](model, data.tokens, corrupted.tokens, *head)
        change = ioi.logit_difference(logits, data).mean() - names["effects"].before.mean()
        relative = change / names["effects"].before.mean()
        assert torch.allclose(relative, names["direct"][tuple(head)], atol=1e-4)


def test_freezing_the_layers_before_the_sender_changes_nothing(names):
    model, data, corrupted = (names[name] for name in ("model", "data", "corrupted"))
    layer, head = names["movers"][0]
    place = f"blocks.{layer}.attn.hook_z"
    other = model.run_with_cache(corrupted.tokens, names_filter=place)[1][place]
    clean = model.run_with_cache(data.tokens, names_filter=lambda n: n.endswith("hook_z"))[1]

    def patch(z, hook):
        z = z.clone()
        z[:, :, head] = other[:, :, head]
        return z

    later = [
        (f"blocks.{n}.attn.hook_z", lambda z, hook: clean[hook.name])
        for n in range(layer + 1, model.cfg.n_layers)
    ]
    logits = model.run_with_hooks(data.tokens, fwd_hooks=[(place, patch), *later])
    by_hand = ioi.logit_difference(logits, data)
    assert torch.allclose(by_hand, names["by_hand"], atol=1e-4)


def test_the_expected_output_is_that_of_the_library(finding, names):
    effects, mover = names["effects"], names["movers"][0]
    row = [nodes[0][:2] for nodes in effects.senders].index(tuple(mover))
    assert torch.allclose(names["by_hand"], effects.after[row], atol=1e-4)
    glued = float(finding.glued["s24-exercise-after"])
    assert glued == pytest.approx(effects.after[row].mean().item(), abs=1e-3)
    assert glued < float(finding.glued["s24-exercise-before"]) - 0.05, "it can be told apart"


# ----- name movers


def test_name_movers_attend_to_io_copy_and_support_io(names):
    roles, direct = names["roles"], names["direct"]
    assert names["movers"], "there are name movers"
    for head in names["movers"]:
        assert names["attention"]["IO"][head].mean() >= roles.thresholds.attention
        assert roles.copy_score[head] >= 0.8
        assert direct[head] <= -roles.thresholds.effect
    assert torch.allclose(roles.effects["logits"], direct, atol=1e-5)


def test_a_name_mover_attends_to_io_most_of_the_time_and_raises_what_it_attends_to(names):
    shown = names["shown"][0]
    attention = {name: names["attention"][name][shown] for name in ("IO", "S")}
    assert (attention["IO"] > attention["S"]).float().mean() > 0.5
    assert min(names["correlations"]) > 0.6
    for name in ("IO", "S"):
        both = torch.stack([attention[name], names["write"][name][shown]])
        assert torch.corrcoef(both)[0, 1] > 0.2, "whichever name it is"


def test_a_negative_name_mover_is_drawn_only_if_there_is_one(names):
    negative = names["roles"].heads["negative name mover"]
    assert list(names["shown"]) == [names["movers"][0], *negative[:1]]
    assert len(names["fig"].axes) >= 1


def test_the_remark_about_other_heads_names_those_without_a_role(finding, names):
    for head in names["roles"].unexplained:
        assert str(head) in finding.glued["s24-unexplained"]
        assert names["roles"].role_of(head) is None
    if not names["roles"].unexplained:
        assert finding.glued["s24-unexplained"].startswith("Every head")


def test_a_head_that_attends_to_s_supports_io_by_lowering_s(names):
    for head in names["roles"].unexplained:
        attention = {name: names["attention"][name][head].mean() for name in ("IO", "S")}
        if attention["S"] > attention["IO"]:
            assert names["write"]["S"][head].mean() < 0


def test_the_write_along_the_unembedding_is_a_part_of_the_logit(names):
    """Written out: a head's output at END, through LayerNorm's scale and the unembedding."""
    data, (layer, head), weights = names["data"], names["movers"][0], names["weights"]
    rows, end = torch.arange(len(data)), data.positions["END"]
    written = names["activations"].z[layer][rows, end, head] @ weights.W_O[layer, head]
    scale = names["activations"].resid_post[-1][rows, end].std(-1, correction=0)
    along = (written - written.mean(-1, keepdim=True)) / scale[:, None]
    logit = (along * weights.W_U[:, data.io_ids].T).sum(-1)
    assert torch.allclose(logit, names["write"]["IO"][layer, head], atol=1e-3)


def test_the_copy_score_by_hand_is_that_of_the_library(names):
    for head in [*names["movers"], (0, 0), names["strongest"]]:
        score = names["score_by_hand"](*head)
        assert torch.allclose(score, names["roles"].copy_score[tuple(head)], atol=1e-5)


def test_averages_of_the_copy_score_are_of_all_heads_and_of_the_others(finding, names):
    scores, movers = names["roles"].copy_score, names["movers"]
    assert len(names["others"]) + len(movers) == scores.numel()
    others = [scores[head].item() for head in names["others"]]
    assert finding.glued["s24-other-copy"] == f"{sum(others) / len(others):.0%}"
    assert sum(others) / len(others) < scores.mean() < min(scores[head] for head in movers)


# ----- the paper's figures


PAPER_HEADS = {
    "name mover": "9.9, 9.6, 10.0",
    "negative name mover": "10.7, 11.10",
    "backup name mover": "9.0, 9.7, 10.1, 10.2, 10.6, 10.10, 11.2, 11.9",
    "S-inhibition": "7.3, 7.9, 8.6, 8.10",
    "duplicate token": "0.1, 0.10, 3.0",
    "induction": "5.5, 5.8, 5.9, 6.9",
    "previous token": "2.2, 4.11",
}
"""Wang et al. 2022, Figure 2."""


def test_the_paper_names_seven_classes_and_the_table_has_their_heads(finding, names):
    rows = {}
    for first, *rest in cells_of_tables(finding.text):
        rows[re.sub(r"{term}`([^<`]+?)(?: <.*>)?`", r"\1", first)] = [first, *rest]
    for role, heads in PAPER_HEADS.items():
        assert rows[role][2] == heads
    assert set(PAPER_HEADS) == set(ROLE_POSITIONS) == set(names["roles"].heads)
    assert sum(len(heads.split()) for heads in PAPER_HEADS.values()) == 26
    assert "classes have 26 heads of the model's 144" in finding.text


def test_the_last_column_has_the_heads_that_were_measured(finding, names):
    for role, heads in names["roles"].heads.items():
        glued = finding.glued[f"s24-class-{role.replace(' ', '-')}"]
        assert glued == (", ".join(map(str, heads)) or "none")
    empty = sum(not heads for heads in names["roles"].heads.values())
    assert finding.glued["s24-n-empty"] == str(empty)


def test_paper_figures_stand_in_the_column_of_the_paper(finding):
    rows = {row[0]: row for row in cells_of_tables(finding.text)}
    assert rows["measure"][1] == "GPT-2 small (paper)"
    assert rows["attention from END to IO, mean of the name movers"][1] == "0.59"
    assert rows["copy score of the name movers"][1] == "above 95%"
    assert rows["copy score of the average head"][1] == "below 20%"
    assert rows["logit difference lost when all name movers are knocked out"][1] == "5%"


# ----- three measures


def test_in_the_last_layer_both_kinds_of_patching_agree_exactly(names):
    assert torch.allclose(names["direct"][-1], names["activation"][-1], atol=1e-4)


def test_an_earlier_head_works_through_others(names):
    layer, head = names["indirect"]
    assert layer < names["direct"].shape[0] - 1
    assert names["activation"][layer, head] < -0.3
    assert names["direct"][layer, head].abs() < 0.1
    early = names["activation"][:-1]
    assert ((early < -0.3) & (names["direct"][:-1].abs() < 0.1)).any()


def test_path_patching_and_direct_logit_attribution_agree(names):
    direct, attribution = names["direct"], names["attribution"]
    strong = direct.abs() >= names["roles"].thresholds.effect
    assert (direct.sign() == -attribution.sign())[strong].all()
    assert torch.corrcoef(names["both"])[0, 1] > 0.8
    assert torch.corrcoef(names["ranks"])[0, 1] > 0.5


def test_effects_of_single_heads_do_not_add_up_to_the_joint_one(names):
    assert names["joint"] < names["alone"] < 0
    assert abs(names["joint"]) > 1.1 * abs(names["alone"])


def test_the_stream_becomes_shorter_without_one_name_mover_and_the_others_count_for_more(names):
    """The reason the page gives."""
    data, weights, ran = names["data"], names["weights"], names["activations"]
    layer, head = names["movers"][0]
    rows, end = torch.arange(len(data)), data.positions["END"]
    other = ioi.activations.run(weights, names["corrupted"].tokens).z[layer][rows, end, head]
    change = (other - ran.z[layer][rows, end, head]) @ weights.W_O[layer, head]
    stream = ran.resid_post[-1][rows, end]
    after = stream + change  # exact where no MLP comes after it
    shorter = after.std(-1) / stream.std(-1)
    assert shorter.mean() < 0.99


def test_every_figure_brings_its_data(finding):
    pictures = [value for value in finding.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 3
    assert all(picture.table for picture in pictures)
