"""What chapter 2.5 says, held against what its own cells compute."""

import re
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from chapter_run import Run, run

from coursekit.book import Book
from coursekit.chapter import read_chapter
from interp_rl import ioi, plots
from interp_rl.ioi.head_roles import Thresholds
from interp_rl.models.recipes import ioi_corpus

CHAPTER = "2-5-tracing-back"
COMBINATIONS = {(p, t) for p in (1, -1) for t in (1, 0, -1)}


@pytest.fixture(scope="module")
def tracing(root) -> Run:
    return run(root, CHAPTER)


@pytest.fixture(scope="module")
def names(tracing):
    return tracing.names


@pytest.fixture(scope="module")
def roles(names):
    return names["roles"]


@pytest.fixture(scope="module")
def said(tracing):
    """The glued texts, without the chapter's prefix."""
    return {name.removeprefix("s25-"): text for name, text in tracing.glued.items()}


def listed(heads):
    return ", ".join(f"{layer}.{head}" for layer, head in heads) or "none"


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(tracing):
    assert set(re.findall(r"{glue:text}`([^`]+)`", tracing.text)) == set(tracing.glued)


def test_the_stub_is_not_attempted_and_the_solution_passes(tracing):
    checked = [value for value in tracing.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


def test_the_model_does_the_task_on_these_prompts(names):
    for data in (names["data"], names["many"]):
        assert all(ioi_corpus.is_held_out(prompt.io, prompt.s) for prompt in data.prompts)
    assert (names["measured"][1, 1] > 0).float().mean() >= 0.95


def test_every_figure_brings_its_numbers(tracing):
    pictures = [value for value in tracing.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 4
    assert all("<table>" in picture.table for picture in pictures)


# ----- the classes


def test_the_classes_that_the_page_needs_have_heads(roles):
    assert all(roles.heads[role] for role in ("name mover", "S-inhibition", "duplicate token"))


def test_the_table_lists_the_heads_that_were_found(roles, said):
    for role, name in (
        ("S-inhibition", "s-inhibition"),
        ("duplicate token", "duplicate-token"),
        ("induction", "induction"),
        ("previous token", "previous-token"),
    ):
        assert said[name] == listed(roles.heads[role])
    empty = [role for role, heads in roles.heads.items() if not heads]
    assert said["missing"] == (", ".join(empty) or "none")
    assert len(roles.heads) == 7


def test_the_heads_attend_where_the_table_says(roles, said):
    for role, where, name in (
        ("S-inhibition", "END to S2", "s-inhibition-attention"),
        ("duplicate token", "S2 to S1", "duplicate-attention"),
    ):
        values = [float(roles.attention[where][tuple(head)]) for head in roles.heads[role]]
        assert min(values) >= 0.3
        assert float(said[name]) == pytest.approx(sum(values) / len(values), abs=0.006)


def test_without_a_fourth_layer_there_is_no_route_by_induction(names, roles):
    """Four heads in a row, each in a later layer than the one before, need four layers."""
    assert roles.heads["previous token"] == () or names["n_layers"] >= 4


# ----- path patches


def test_the_path_patches_are_those_that_the_classes_rest_on(names, roles):
    for effect, receiver in (
        ("to_queries", "name movers' queries"),
        ("to_keys", "S-inhibition keys"),
        ("to_values", "S-inhibition values"),
    ):
        torch.testing.assert_close(names[effect], roles.effects[receiver])


def test_few_heads_have_a_strong_path(names):
    for effect in ("to_queries", "feeding"):
        assert 1 <= (names[effect] < -0.1).sum() <= names[effect].numel() / 4
    latest = max(head.layer for head in names["s_inhibition"])
    for effect in ("to_keys", "to_values"):
        assert (names[effect][latest:] == 0).all(), "senders lie in earlier layers"


def test_the_strongest_senders_are_the_classes_of_the_table(names, roles, said):
    assert names["strongest"] in roles.heads["S-inhibition"]
    assert names["feeder"] in roles.heads["duplicate token"]
    assert said["strongest-effect"] == f"{-float(names['to_queries'].min()):.0%}"
    share = float(-names["together"].change.mean() / names["together"].before.mean())
    assert said["s-inhibition-removes"] == f"{share:.0%}"
    assert share >= -float(names["to_queries"].min()) - 0.02, "all are not less than one"
    keys, values = (float(names[f"to_{part}"][names["feeder"]]) for part in ("keys", "values"))
    assert ("where they look, more" in said["where-or-what"]) == (keys < 2 * values)
    assert ("what they read there, more" in said["where-or-what"]) == (values < 2 * keys)
    for part in ("keys", "values"):
        assert said[f"feeder-{part}"] == f"{-float(names[f'to_{part}'][names['feeder']]):.0%}"


# ----- two signals


def test_in_every_prompt_of_the_task_the_two_signals_agree(names):
    data = names["many"]
    rows = torch.arange(len(data))
    s1, s2 = (data.tokens[rows, data.positions[name]] for name in ("S1", "S2"))
    assert torch.equal(s1, data.s_ids)
    assert torch.equal(s2, data.s_ids)


def test_the_changed_prompts_change_the_signals_as_the_page_says(names):
    data = names["many"]
    assert set(names["measured"]) == COMBINATIONS
    rows = torch.arange(len(data))
    changed = data.corrupted("order flip", 1)
    at = {name: changed.tokens[rows, data.positions[name]] for name in ("IO", "S1", "S2")}
    assert torch.equal(at["S1"], data.io_ids), "IO and S1 are exchanged"
    assert torch.equal(at["IO"], data.s_ids)
    assert torch.equal(at["S2"], data.s_ids), "the repeated name is the same"
    fresh = data.corrupted("name flip", 1)
    s1, s2 = (fresh.tokens[rows, data.positions[name]] for name in ("S1", "S2"))
    assert torch.equal(s1, s2), "the same place is repeated"
    assert not ((s1 == data.s_ids) | (s1 == data.io_ids)).any()


def test_the_papers_formula_gives_what_the_solution_says(tracing, said):
    text = tracing.text.replace("\n", " ")
    assert r"\mathrm{LD} \approx 2.31\, p + 0.99\, t" in text
    assert f"{-2.31 + 0.99:.2f}" == "-1.32"
    assert "$-2.31 + 0.99 = -1.32$" in text
    assert said["paper-share"] == f"{2.31**2 / (2.31**2 + 0.99**2 * 2 / 3):.0%}"


def test_the_slopes_are_those_of_least_squares_with_a_constant(names, said):
    means = {pair: float(v.double().mean()) for pair, v in names["measured"].items()}
    design = torch.tensor([[1, p, t] for p, t in means]).double()
    right = torch.tensor(list(means.values())).double()
    fit = torch.linalg.lstsq(design, right[:, None]).solution[:, 0]
    expected = names["constant"], names["position"].mean, names["token"].mean
    torch.testing.assert_close(fit, torch.tensor(expected).double(), rtol=1e-3, atol=1e-3)
    assert [float(x) for x in said["exercise-fit"].split(", ")] == pytest.approx(
        fit.tolist(), abs=0.006
    )
    own = names["fit_signals"](design[:, 1], design[:, 2], right)
    torch.testing.assert_close(own, fit)

    # errors of the fit with both signals, and with one of them and the constant
    for key, columns in (("both", [0, 1, 2]), ("position", [0, 1]), ("token", [0, 2])):
        part = torch.linalg.lstsq(design[:, columns], right[:, None]).solution
        error = float((design[:, columns] @ part - right[:, None]).abs().mean())
        assert names["errors"][key] == pytest.approx(error, abs=1e-3)
        assert said[f"{key}-error"] == f"{error / means[1, 1]:.0%}"


def test_the_two_signals_add_up(names):
    """The lines of the figure are nearly parallel."""
    means = {pair: float(v.mean()) for pair, v in names["measured"].items()}
    rises = [means[1, t] - means[-1, t] for t in (1, 0, -1)]
    assert max(rises) - min(rises) < 0.25 * means[1, 1]
    assert names["errors"]["both"] < 0.1 * means[1, 1]


def test_a_signal_that_is_sent_cannot_be_left_out(names, said):
    errors, share = names["errors"], names["share"]
    assert errors["token"] >= errors["both"] and errors["position"] >= errors["both"]
    assert max(errors["token"], errors["position"]) > 1.5 * errors["both"]
    assert said["balance-text"].startswith(
        "So an analysis with token signals alone "
        + ("would do for this model" if share < 0.1 else "mispredicts")
    )
    if share < 0.1:
        assert errors["token"] < 0.15 * names["mean"][1, 1], "tokens alone do for this model"
    else:
        assert errors["token"] > 1.5 * errors["both"]
    exchanged = names["measured"][1, 1] - names["measured"][-1, 1]
    assert float(said["intact"]) - float(said["exchanged"]) == pytest.approx(
        float(exchanged.mean()), abs=0.011
    )


def test_the_words_on_the_balance_follow_the_slopes(names, said):
    position, token = names["signals"].position_slope, names["signals"].token_slope
    assert (said["larger"], said["likeness"]) == (
        ("position", "as in") if position.mean > token.mean else ("token", "unlike in")
    )
    both = position.low > 0 and token.low > 0
    assert said["present"].startswith("Both signals are there") == both


def test_the_words_on_the_constant_follow_its_size(names, said):
    """The constant: on average over the combinations, is IO preferred?"""
    everything = torch.stack(list(names["measured"].values())).mean(0)
    large = float(everything.mean()) > 0.1 * names["mean"][1, 1]
    assert said["constant-text"].startswith("This model also needs" if large else "The constant is")
    if large:
        assert ioi.bootstrap_interval(everything).low > 0


# ----- the chain, and where name movers look


def test_the_chain_reads_what_its_caption_says(names):
    read = {
        role: names["patterns"][y].argmax().item() for y, role in enumerate(names["chain"].keys())
    }
    at = names["at"]
    assert read["duplicate token"] == at["S1"]
    assert read["S-inhibition"] == at["S2"]
    assert read["name mover"] == at["IO"]
    assert [query for _, query in names["chain"].values()] == [
        at[names["reads_from"][role]] for role in names["chain"]
    ]


def test_duplicate_token_heads_see_the_repetition(names):
    for head in names["duplicates"]:
        values = {
            name: float(
                names["attention_to"](names[name], names["data"], "S2", "S1").mean(-1)[tuple(head)]
            )
            for name in ("intact", "unrepeated")
        }
        assert values["intact"] >= 0.5
        assert values["unrepeated"] < 0.1


def test_name_movers_look_from_io_to_s1(names):
    looks = names["looks"]
    assert looks["abc"]["IO"] < looks["intact"]["IO"] - 0.08
    assert looks["abc"]["S1"] > looks["intact"]["S1"] + 0.08
    assert looks["subject flip"]["S1"] > looks["subject flip"]["IO"]
    assert all(look["S2"] < 0.05 for look in looks.values()), "hardly to S2"
    assert names["measured"][-1, -1].mean() < 0, "and copy the wrong name"


def test_replacing_the_outputs_at_end_is_a_hook(names):
    """The attention under no signal, by hooks on the bridge."""
    data, model = names["data"], names["model"]
    rows, end = torch.arange(len(data)), data.positions["END"]
    source = data.corrupted("abc", seed=13)
    other = model.run_with_cache(source.tokens, names_filter=lambda n: n.endswith("hook_z"))[1]

    def replace(z, hook):
        z = z.clone()
        for layer, head in names["s_inhibition"]:
            if hook.name == f"blocks.{layer}.attn.hook_z":
                z[rows, end, head] = other[hook.name][rows, end, head]
        return z

    patterns = {}

    def keep(pattern, hook):
        patterns[hook.name] = pattern

    layers = range(names["n_layers"])
    hooks = [(f"blocks.{n}.attn.hook_z", replace) for n in layers]
    hooks += [(f"blocks.{n}.attn.hook_pattern", keep) for n in layers]
    model.run_with_hooks(data.tokens, fwd_hooks=hooks)
    at = data.positions["IO"]
    values = [
        float(patterns[f"blocks.{layer}.attn.hook_pattern"][rows, head, end, at].mean().detach())
        for layer, head in names["movers"]
    ]
    assert sum(values) / len(values) == pytest.approx(names["looks"]["abc"]["IO"], abs=1e-4)


# ----- backup


def test_frozen_takes_away_what_the_name_movers_wrote(names):
    """With zero, that is their direct logit attribution."""
    attribution = ioi.direct_logit_attribution(names["model"], names["data"])
    written = sum(float(attribution.heads[tuple(head)].mean()) for head in names["movers"])
    left = {key: float(value) for key, value in names["left"]["zero"].items()}
    assert left["frozen"] == pytest.approx(left["intact"] - written, abs=1e-3)


def test_layernorm_alone_is_the_path_to_the_logits(names):
    effects = ioi.path_patch(names["model"], names["data"], names["abc"], senders=[names["nodes"]])
    left = float(names["left"]["resample"]["LayerNorm"])
    assert left == pytest.approx(float(effects.after.mean()), abs=1e-3)


def test_nothing_can_react_to_heads_of_the_last_layer(names, said):
    last = [head.layer == names["n_layers"] - 1 for head in names["movers"]]
    assert said["movers"] == str(len(last))
    assert said["movers-last"] == str(sum(last))
    react = float(names["by_mean"]["everything"] - names["by_mean"]["LayerNorm"])
    if all(last):
        assert abs(react) < 1e-4
    assert float(said["by-heads"]) == pytest.approx(react, abs=0.006)


def test_the_stream_shrinks_when_name_movers_are_removed(names):
    for kind in ("mean", "zero"):
        ablator = ioi.Ablator(
            names["model"], names["data"], kind=kind, reference=names["reference"]
        )
        knockout = ablator.knockout(names["nodes"])
        ran = names["run"](names["weights"], names["data"].tokens, knockout.edit)
        stream = ran.resid_post[-1][names["rows"], names["end"]]
        assert names["size"](stream).mean() < names["size"](names["stream"]).mean()


def test_the_backup_table_says_what_is_left(names, roles, said):
    data = names["data"]
    without = ioi.Ablator(names["model"], data, kind="mean", reference=names["reference"]).without(
        [names["nodes"]]
    )
    whole = roles.logit_difference
    assert said["left-lost"] == f"{1 - float(without.mean()) / whole:.0%}"
    assert float(said["left-mean"]) == pytest.approx(
        roles.logit_difference_without_name_movers, abs=0.006
    )
    assert said["backup"] == listed(roles.heads["backup name mover"])


def test_the_figure_of_backup_shows_the_name_movers_as_its_text_says(roles):
    for head in roles.heads["name mover"]:
        assert roles.effects["logits"][tuple(head)] <= -0.02
        assert roles.effects["logits without name movers"][tuple(head)].abs() < 1e-5


def test_the_strongest_head_without_a_class(roles, said):
    supporting = {head: effect for head, effect in roles.unexplained.items() if effect < 0}
    if not supporting:
        assert said["other-text"] == "There is none of that strength."
        return
    head = min(supporting, key=supporting.get)
    assert f"is head {head}, with {-supporting[head]:.0%}" in said["other-text"]
    weights = {to: float(roles.attention[f"END to {to}"][tuple(head)]) for to in ("IO", "S1", "S2")}
    target = max(weights, key=weights.get)
    assert f"attends most to {target}, at {weights[target]:.2f}." in said["other-text"]


# ----- dropout in training


def last_cells(root, names, card):
    """What the cells on dropout say about another model's card."""
    cells = [
        cell.body for cell in read_chapter(root / f"book/{CHAPTER}.md", Book(root).extensions).cells
    ]
    start = next(n for n, body in enumerate(cells) if "models.load_card" in body)
    glued = {}
    scope = {
        **names,
        "models": SimpleNamespace(load_card=lambda name: card),
        "glue": lambda name, value, display=True: glued.__setitem__(name, value),
    }
    scope["glue_all"] = lambda **values: glued.update(values)
    for body in cells[start:]:
        exec(compile(body, CHAPTER, "exec"), scope)
    return glued["dropout_text"]


FIGURES = {
    "name movers": 5,
    "logit difference": 5.0,
    "logit difference with name movers resampled (ABC) at END": 1.0,
    "expected without backup": 0.8,
}


def test_a_card_with_models_trained_without_dropout_is_told(root, names, capsys):
    without = {"run": "without-drop_heads-7", "differs": {"drop_heads": 0.0}, **FIGURES}
    without["logit difference with name movers resampled (ABC) at END"] = 2.8
    nested = {"run": "without-drop_heads-8", "differs": {"drop_heads": 0.0}}
    nested |= {"name movers": 5, "logit difference": 5.0, "also": FIGURES}
    other = {"run": "without-noise", "differs": {"corpus": {}}, **FIGURES}
    card = SimpleNamespace(figures=FIGURES, more={"aids_ablation": [without, nested, other]})
    text = last_cells(root, names, card)
    assert text == (
        "Beyond the direct effects, +4% of the logit difference is left in the shipped model, and "
        "without this aid +40%, +4%."
    )
    printed = capsys.readouterr().out
    assert "without-drop_heads-7" in printed
    assert "without-noise" not in printed


def test_a_card_without_such_models_or_without_figures_is_told_too(root, names):
    card = SimpleNamespace(figures=FIGURES, more={})
    assert "no model trained without this aid" in last_cells(root, names, card)
    unable = {"run": "without-drop_heads", "differs": {"drop_heads": 0.0}, "name movers": 0}
    card = SimpleNamespace(figures=FIGURES, more={"aids_ablation": [unable]})
    assert "has no name movers" in last_cells(root, names, card)
    bare = SimpleNamespace(figures={}, more={"aids_ablation": []})
    assert last_cells(root, names, bare) == "The card of this model has no such figures."


def test_a_model_without_any_class_breaks_no_cell(root, monkeypatch):
    strict = partial(ioi.find_roles, thresholds=Thresholds(effect=10.0))
    monkeypatch.setattr(ioi, "find_roles", strict)
    other = run(root, CHAPTER)
    assert other.glued["s25-s-inhibition"] == "none"
    assert other.glued["s25-s-inhibition-attention"] == "no head"
    assert set(other.names["measured"]) == COMBINATIONS
