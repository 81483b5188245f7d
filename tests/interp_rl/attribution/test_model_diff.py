"""`model_diff` on models whose difference is planted: it must find exactly that, and nothing else.

A part is planted by changing its weights in a copy of the model; the part is known by construction.
"""

import copy
import random

import pytest
import torch
from tiny_models import make_language_model

from interp_rl.attribution import (
    CircuitContrast,
    Difference,
    NextToken,
    Part,
    WordContrast,
    all_parts,
    component_effects,
    direction_change,
    explain,
    graft,
    localisation,
    row_directions,
    weight_changes,
    word_shift,
)
from interp_rl.attribution.model_diff import read_weights
from interp_rl.ioi.activation_patching import patch_head_outputs, patch_writes
from interp_rl.ioi.activations import at_end, read_out, run, writes

WIDTH, HEADS, D_HEAD = 32, 4, 8
TEXTS = [
    "the film was",
    "the plot was not",
    "the acting is very",
    "i loved the film but the plot was",
    "a film is",
]
OTHER_TEXTS = ["the acting was", "a plot is not", "i hated it , the film was"]


def noise(*shape, seed=5):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def head_columns(part, head):
    """Columns of c_attn that a head's queries, keys or values come from."""
    start = "QKV".index(part) * WIDTH + head * D_HEAD
    return slice(start, start + D_HEAD)


def plant_output(model):
    model.transformer.h[1].attn.c_proj.weight[2 * D_HEAD : 3 * D_HEAD] += noise(D_HEAD, WIDTH)


def plant_values(model):
    weight = model.transformer.h[1].attn.c_attn.weight
    weight[:, head_columns("V", 2)] += noise(WIDTH, D_HEAD)


def plant_queries(model):
    weight = model.transformer.h[1].attn.c_attn.weight
    weight[:, head_columns("Q", 2)] += 3 * noise(WIDTH, D_HEAD)


def plant_keys(model):
    weight = model.transformer.h[2].attn.c_attn.weight
    weight[:, head_columns("K", 3)] += 3 * noise(WIDTH, D_HEAD)


def plant_mlp_in(model):
    model.transformer.h[0].mlp.c_fc.weight += noise(WIDTH, 4 * WIDTH)


def plant_mlp_bias(model):
    model.transformer.h[2].mlp.c_proj.bias += noise(WIDTH)


def plant_attention_bias(model):
    model.transformer.h[1].attn.c_proj.bias += noise(WIDTH)


def plant_value_bias(model):
    model.transformer.h[1].attn.c_attn.bias[head_columns("V", 0)] += 3 * noise(D_HEAD)


def plant_positions(model):
    model.transformer.wpe.weight += noise(64, WIDTH)


def plant_final_norm(model):
    model.transformer.ln_f.bias += noise(WIDTH)


PLANTED = {
    plant_output: Part("head", 1, 2),
    plant_values: Part("head", 1, 2),
    plant_queries: Part("head", 1, 2),
    plant_keys: Part("head", 2, 3),
    plant_mlp_in: Part("MLP", 0),
    plant_mlp_bias: Part("MLP", 2),
    plant_attention_bias: Part("attention constant", 1),
    plant_value_bias: Part("head", 1, 0),
    plant_positions: Part("embedding"),
    plant_final_norm: Part("unembedding"),
}


def planted(model, plant):
    changed = copy.deepcopy(model)
    with torch.no_grad():
        plant(changed)
    return changed


@pytest.fixture(scope="module")
def retrained():
    """A copy of the language model with every weight changed, as after training."""
    model, stranger = make_language_model(1), make_language_model(9)
    with torch.no_grad():
        for own, other in zip(model.parameters(), stranger.parameters(), strict=True):
            own.lerp_(other, 0.05)
    return model


# ----- a planted difference is found, and only it


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_exactly_the_planted_part_carries_the_change(plant, language_model, contrast):
    tuned = planted(language_model, plant)
    shares = component_effects(language_model, tuned, contrast, TEXTS).shares()
    part = next(iter(shares))
    assert part == PLANTED[plant]
    assert shares.pop(part) == pytest.approx(1, abs=1e-3)
    assert max(abs(share) for share in shares.values()) < 1e-3


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_without_the_planted_part_the_change_is_gone(plant, language_model, contrast):
    tuned = planted(language_model, plant)
    shares = component_effects(tuned, language_model, contrast, TEXTS).shares()
    assert next(iter(shares)) == PLANTED[plant]
    assert sum(abs(share) > 1e-3 for share in shares.values()) == 1


def test_two_planted_parts_are_both_found_and_localised(language_model, contrast):
    def both(model):
        plant_output(model)
        plant_mlp_bias(model)

    tuned = planted(language_model, both)
    effects = component_effects(language_model, tuned, contrast, TEXTS)
    order = sorted(effects.shares().items(), key=lambda item: -abs(item[1]))
    assert {part for part, _ in order[:2]} == {Part("head", 1, 2), Part("MLP", 2)}
    found = localisation(
        language_model, tuned, contrast, OTHER_TEXTS, [part for part, _ in order], seed=0
    )
    assert found.ranked[0] == 0 and found.ranked[2] == pytest.approx(1, abs=1e-3)
    assert found.ranked[-1] == pytest.approx(1, abs=1e-3)
    assert found.needed(0.99) == 2
    assert found.random[:, 2].mean() < 0.9
    assert torch.allclose(found.random[:, -1], torch.ones(5), atol=1e-3)


def test_only_its_own_change_is_put_down_to_a_part(language_model, contrast):
    """Later heads and MLPs write something else too, as they read what the planted head wrote."""
    tuned = planted(language_model, plant_output)
    effects = component_effects(language_model, tuned, contrast, TEXTS)
    assert effects.heads()[2].abs().max() < 1e-3 and effects.mlps().abs().max() < 1e-3
    later = torch.cat([effects.heads(inherited=True)[2], effects.mlps(inherited=True)[1:]])
    assert later.abs().max() > 0.05
    assert effects.heads(inherited=True)[0].abs().max() < 1e-3, "earlier ones have nothing to pass"


def test_all_parts_together_are_the_other_model(language_model, retrained, contrast):
    base, tuned = read_weights(language_model), read_weights(retrained)
    whole = graft(base, tuned, all_parts(base))
    for name in ("W_E", "W_Q", "b_V", "W_O", "b_O", "W_in", "b_out", "W_U"):
        assert torch.equal(getattr(whole, name), getattr(tuned, name))
    assert torch.equal(base.W_O, read_weights(language_model).W_O), "the receiver is left alone"


def test_effects_of_parts_are_those_of_grafted_models(language_model, retrained, contrast):
    base, tuned = read_weights(language_model), read_weights(retrained)
    effects = component_effects(base, tuned, contrast, TEXTS)
    for part, found in {
        Part("head", 1, 2): effects.own.heads[1, 2],
        Part("MLP", 1): effects.own.mlps[1],
        Part("embedding"): effects.others[Part("embedding")],
    }.items():
        grafted = CircuitContrast(graft(base, tuned, [part]), contrast)
        assert torch.allclose(grafted(TEXTS)[:, 0].float(), found, atol=1e-4)


def test_before_and_after_are_what_the_models_say(language_model, retrained, contrast, tokenizer):
    effects = component_effects(language_model, retrained, contrast, TEXTS)
    tuned = WordContrast(retrained, tokenizer, ["good", "great"], ["bad", "dull"])
    assert torch.allclose(effects.before, contrast(TEXTS)[:, 0].float(), atol=1e-4)
    assert torch.allclose(effects.after, tuned(TEXTS)[:, 0].float(), atol=1e-4)
    assert effects.change == pytest.approx(float((effects.after - effects.before).mean()))


def test_shap_of_a_grafted_model_tells_the_whole_story_only_with_the_right_part(
    language_model, contrast
):
    tuned = read_weights(planted(language_model, plant_output))
    base = read_weights(language_model)
    before = CircuitContrast(base, contrast)
    text = "the plot was not"

    def story(parts):
        after = CircuitContrast(graft(base, tuned, parts), contrast)
        return explain(Difference(after, before), text, mask="<|mask|>").values

    whole = story(all_parts(base))
    assert whole.abs().max() > 0.01
    assert torch.allclose(story([Part("head", 1, 2)]), whole, atol=1e-5)
    assert story([Part("head", 0, 2), Part("MLP", 1)]).abs().max() == 0


# ----- the generalised patching


def test_patching_writes_of_other_prompts_is_patching_head_outputs(ioi_model):
    from interp_rl import ioi

    data = ioi.make_dataset(ioi_model.tokenizer, 30, seed=1)
    other = data.corrupted("abc", seed=2)
    weights = ioi.read_weights(ioi_model)
    own, theirs = run(weights, data.tokens), run(weights, other.tokens)
    found = patch_writes(
        weights, own, writes(weights, theirs), data.positions["END"],
        lambda resid: read_out(weights, resid, data),
    )  # fmt: skip
    expected = patch_head_outputs(weights, data, other)
    assert torch.allclose(found.heads, expected.after, atol=1e-3)
    assert torch.allclose(found.before, read_out(weights, at_end(own, data), data), atol=1e-4)


def test_writes_of_a_run_add_up_to_its_stream(language_model, contrast):
    weights = read_weights(language_model)
    tokens = contrast.encode(TEXTS).ids
    own = run(weights, tokens)
    found = writes(weights, own)
    for layer in range(weights.n_layers):
        mid = own.resid_pre[layer] + found.heads[layer].sum(2) + weights.b_O[layer]
        assert torch.allclose(mid, own.resid_mid[layer], atol=1e-4)
        assert torch.allclose(mid + found.mlps[layer], own.resid_post[layer], atol=1e-4)


def test_a_run_of_another_shape_is_refused(language_model, contrast):
    weights = read_weights(language_model)
    encoded = contrast.encode(TEXTS)
    own, other = run(weights, encoded.ids), run(weights, encoded.ids[:2])
    with pytest.raises(ValueError, match="the two runs differ in shape"):
        patch_writes(
            weights, own, writes(weights, other), encoded.read.sum(1) - 1,
            lambda resid: resid.sum(-1),
        )  # fmt: skip


# ----- weights


def test_weight_changes_name_the_matrix_and_its_rank(language_model):
    def low_rank(model):
        update = noise(WIDTH, 2, seed=1) @ noise(2, 4 * WIDTH, seed=2)
        model.transformer.h[1].mlp.c_fc.weight += update

    changes = weight_changes(language_model, planted(language_model, low_rank))
    assert changes[0].name == "transformer.h.1.mlp.c_fc.weight"
    assert changes[0].rank == 2 and changes[0].full_rank == WIDTH
    assert changes[0].norm > 0
    assert all(change.norm == change.relative == change.rank == 0 for change in changes[1:])


def test_queries_keys_and_values_are_told_apart(language_model):
    changes = weight_changes(language_model, planted(language_model, plant_queries))
    assert changes[0].name == "transformer.h.1.attn.Q"
    assert changes[0].rank <= D_HEAD
    assert all(change.norm == 0 for change in changes[1:])


def test_tied_matrices_come_once(language_model):
    names = [change.name for change in weight_changes(language_model, language_model)]
    assert len(names) == len(set(names)) == 2 + 3 * 6
    assert "lm_head.weight" not in names


def test_relative_norms_are_relative(language_model):
    def double(model):
        model.transformer.h[0].mlp.c_proj.weight *= 2

    (first, *_) = weight_changes(language_model, planted(language_model, double))
    assert first.relative == pytest.approx(1)


# ----- a direction: moved, or used differently?

GOOD = [f"{a} {b} was {c} {d}" for a in ("the", "a") for b in ("film", "plot", "acting")
        for c in ("very", "not", "never", ",") for d in ("good", "great")]  # fmt: skip
random.Random(0).shuffle(GOOD)
BAD = [text.replace("good", "bad").replace("great", "dull") for text in GOOD]


def test_a_model_compared_with_itself_has_not_changed(language_model, contrast):
    found = direction_change(language_model, language_model, contrast, (GOOD, BAD), TEXTS)
    assert torch.allclose(found.cosine, torch.ones(4), atol=1e-5)
    assert found.shift.abs().max() < 1e-5
    assert torch.allclose(found.use[0], found.use[1])
    assert (found.ceiling <= 1 + 1e-6).all()
    assert (found.accuracy[0] > 0.8).all(), "the last words differ, and so do the streams"


def test_a_moved_stream_is_a_shift_and_no_other_use(language_model, contrast):
    """A constant along the direction, added in the last MLP, moves the stream after it."""
    found = direction_change(language_model, language_model, contrast, (GOOD, BAD), TEXTS)
    weights = read_weights(language_model)
    tokens = contrast.encode(GOOD[::2]).ids, contrast.encode(BAD[::2]).ids
    ends = [run(weights, t).resid_post[-1][:, -1].mean(0) for t in tokens]
    direction = ends[0] - ends[1]

    def push(model):
        model.transformer.h[2].mlp.c_proj.bias += 0.5 * direction

    pushed = direction_change(
        language_model, planted(language_model, push), contrast, (GOOD, BAD), TEXTS
    )
    assert pushed.shift[-1] == pytest.approx(0.5, abs=0.01)
    assert pushed.shift[:-1].abs().max() < 1e-4
    assert pushed.cosine[-1] == pytest.approx(1, abs=1e-4)
    assert torch.allclose(pushed.cosine, found.cosine, atol=1e-4)


def test_another_use_is_no_shift(language_model, contrast):
    """Twice the last LayerNorm's gain doubles what the same stream says."""

    def louder(model):
        model.transformer.ln_f.weight *= 2

    tuned = planted(language_model, louder)
    found = direction_change(language_model, tuned, contrast, (GOOD, BAD), TEXTS)
    assert found.shift.abs().max() < 1e-4
    assert torch.allclose(found.cosine, torch.ones(4), atol=1e-4)
    assert found.use[1].abs().sum() > 1.5 * found.use[0].abs().sum()


def test_a_direction_planted_in_the_unembedding_is_found_and_only_there(language_model):
    words, others = torch.arange(5, 15), torch.arange(15, 25)
    direction = noise(WIDTH, seed=3)

    def plant(model):
        rows = model.transformer.wte.weight
        rows[words] += direction + noise(10, WIDTH, seed=6) / 10
        rows[others] -= direction + noise(10, WIDTH, seed=7) / 10

    tuned = planted(language_model, plant)
    found = row_directions(language_model, tuned, words, others, seed=0)
    assert found.change > 0.99 > found.chance[1]
    assert found.tuned > found.base
    assert 0.25 < found.base < 0.75, "nothing there before"


def test_a_change_that_has_nothing_to_do_with_the_words_is_no_direction(language_model, retrained):
    words, others = torch.arange(5, 15), torch.arange(15, 25)
    found = row_directions(language_model, retrained, words, others, seed=0)
    assert found.chance[0] <= found.change <= found.chance[1]
    with pytest.raises(ValueError, match="at least 4 of each"):
        row_directions(language_model, retrained, words[:3], others, seed=0)


def test_a_shift_of_words_is_that_of_their_probabilities(language_model, tokenizer):
    def push(model):
        model.transformer.wte.weight[14] *= 3

    tuned = planted(language_model, push)
    models = [NextToken(model, tokenizer) for model in (language_model, tuned)]
    found = word_shift(*models, TEXTS)
    assert found.before.sum() == pytest.approx(1) and found.after.sum() == pytest.approx(1)
    change = found.after - found.before
    assert int(found.rose(1)) == int(change.argmax()) and int(found.fell(1)) == int(change.argmin())
    assert len(found.rose(5, at_least=2.0)) == 0
    ids = tokenizer(f"<|bos|> {TEXTS[0]}", return_tensors="pt")["input_ids"]
    p = language_model(ids).logits[0, -1].softmax(-1)
    one = word_shift(models[0], models[0], TEXTS[:1])
    assert torch.allclose(one.before.float(), p.detach(), atol=1e-5)
    assert one.words[14] == "good"


def test_a_contrast_may_be_given_by_ids(language_model, tokenizer, contrast):
    found = WordContrast(language_model, tokenizer, contrast.ids, contrast.other_ids)
    assert torch.equal(found(TEXTS), contrast(TEXTS))
    with pytest.raises(ValueError, match="a group of words is empty"):
        WordContrast(language_model, tokenizer, contrast.ids, contrast.ids[:0])


# ----- bad input


def test_models_of_different_shape_are_refused(language_model, contrast):
    bigger = make_language_model(2, vocab_size=40)
    for compare in (
        lambda: component_effects(language_model, bigger, contrast, TEXTS),
        lambda: weight_changes(language_model, bigger),
        lambda: graft(read_weights(language_model), read_weights(bigger), []),
        lambda: direction_change(language_model, bigger, contrast, (GOOD, BAD), TEXTS),
    ):
        with pytest.raises(ValueError, match=r"differ in shape .* trained from it"):
            compare()


def test_equal_models_have_nothing_to_divide(language_model, contrast):
    with pytest.raises(ValueError, match="does not differ"):
        component_effects(language_model, language_model, contrast, TEXTS)
    with pytest.raises(ValueError, match="does not differ"):
        localisation(language_model, language_model, contrast, TEXTS, [], seed=0)


def test_parts_and_texts_that_do_not_exist_are_refused(language_model, contrast, retrained):
    base = read_weights(language_model)
    with pytest.raises(ValueError, match=r"head 7\.0 does not exist"):
        graft(base, base, [Part("head", 7, 0)])
    with pytest.raises(ValueError, match="there are no texts"):
        component_effects(language_model, retrained, contrast, [])
    with pytest.raises(ValueError, match="at least 40"):
        direction_change(language_model, retrained, contrast, (GOOD[:5], BAD), TEXTS)
