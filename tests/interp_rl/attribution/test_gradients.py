"""Integrated gradients are complete and start where SHAP starts; rollout knows of no output."""

import pytest
import torch
from tiny_models import MASK, make_classifier, make_tokenizer

from interp_rl.attribution import (
    Classifier,
    Difference,
    FixedTarget,
    attention_rollout,
    explain,
    integrated_gradients,
)

TEXT = "the film was not good , but very dull"


def test_integrated_gradients_are_complete(emotion, contrast, language_model, tokenizer):
    target = FixedTarget(language_model, tokenizer, "great film")
    for f in (emotion, contrast, target):
        found = integrated_gradients(f, TEXT, mask=MASK)
        assert found.values.shape == (9, len(f.output_names))
        assert found.missing.abs().max() < 1e-3, f.output_names
        assert found.values.abs().max() > 0.1


def test_more_steps_are_closer_to_completeness(emotion):
    missing = [
        float(integrated_gradients(emotion, TEXT, mask=MASK, steps=steps).missing.abs().max())
        for steps in (2, 8, 64)
    ]
    assert missing[0] > missing[1] > missing[2]


def test_base_and_full_are_those_of_shap(emotion):
    """Both methods divide the same amount among the same tokens."""
    one, other = (method(emotion, TEXT, mask=MASK) for method in (integrated_gradients, explain))
    assert torch.allclose(one.base, other.base, atol=1e-5)
    assert torch.allclose(one.full, other.full, atol=1e-5)
    assert one.words == other.words


def test_where_the_output_is_linear_in_the_embeddings_both_methods_agree(tokenizer):
    """A model without attention and MLP, whose LayerNorm is taken out: the last token decides."""
    model = make_classifier()
    for block in model.transformer.h:
        for part in (block.attn.c_proj, block.mlp.c_proj):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)
    model.transformer.ln_f = torch.nn.Identity()

    class Logits(Classifier):
        def outputs(self, ids, read):
            return self.model(input_ids=ids, attention_mask=read.long()).logits[:, self.chosen]

    f = Logits(model, tokenizer, begins_with_bos=False)
    one, other = (method(f, TEXT, mask=MASK) for method in (integrated_gradients, explain))
    assert torch.allclose(one.values, other.values, atol=1e-4)
    assert one.values[:-1].abs().max() < 1e-5 and one.values[-1].abs().max() > 0.01


def test_a_token_that_is_the_mask_gets_nothing(emotion):
    found = integrated_gradients(emotion, f"the {MASK} was dull", mask=MASK)
    assert found.values[1].abs().max() == 0


def test_gradients_do_not_depend_on_the_callers_switch(emotion):
    with torch.no_grad():
        found = integrated_gradients(emotion, TEXT, mask=MASK)
    assert torch.equal(found.values, integrated_gradients(emotion, TEXT, mask=MASK).values)


def test_gradients_of_a_difference_of_two_models_are_refused(contrast):
    """The two have embeddings of their own, so that there is no one path."""
    with pytest.raises(TypeError, match="explain each of the two models"):
        integrated_gradients(Difference(contrast, contrast), "the plot was", mask=MASK)


# ----- attention rollout


def test_rollout_says_the_same_for_every_class(emotion):
    found = attention_rollout(emotion, TEXT)
    assert torch.equal(found.of("joy"), found.of("anger"))
    assert (found.values >= 0).all() and (found.values.sum(0) <= 1).all()


def test_rollout_does_not_change_with_the_last_layer(tokenizer):
    """The classes could be exchanged and the words turned into their opposites for all it knows."""
    models = [make_classifier(), make_classifier()]
    torch.nn.init.normal_(models[1].score.weight)
    one, other = (attention_rollout(Classifier(model, tokenizer), TEXT) for model in models)
    assert torch.equal(one.values, other.values)


def test_rollout_of_uniform_attention_is_known(tokenizer):
    """Queries of zero attend evenly: one layer gives half of 1/n, and half to itself."""
    model = make_classifier()
    model.transformer.h = model.transformer.h[:1]
    torch.nn.init.zeros_(model.transformer.h[0].attn.c_attn.weight)
    torch.nn.init.zeros_(model.transformer.h[0].attn.c_attn.bias)
    found = attention_rollout(
        Classifier(model, tokenizer, begins_with_bos=False), "good film was dull"
    ).of("joy")
    assert found.tolist() == pytest.approx([1 / 8, 1 / 8, 1 / 8, 5 / 8])


def test_a_model_that_hides_its_attention_is_refused(tokenizer):
    model = make_classifier()
    model.config._attn_implementation = "sdpa"
    with pytest.raises(ValueError, match='attn_implementation="eager"'):
        attention_rollout(Classifier(model, tokenizer), TEXT)


# ----- bad input


def test_bad_texts_masks_and_steps_are_refused(emotion):
    for method in (
        lambda text: integrated_gradients(emotion, text, mask=MASK),
        lambda text: attention_rollout(emotion, text),
    ):
        with pytest.raises(ValueError, match="is empty"):
            method(" ")
        with pytest.raises(ValueError, match="in the vocabulary"):
            method("xylophone")
    with pytest.raises(ValueError, match="2 tokens"):
        integrated_gradients(emotion, TEXT, mask="very dull")
    with pytest.raises(ValueError, match="no embedding"):
        integrated_gradients(emotion, TEXT, mask="")
    with pytest.raises(ValueError, match="1 steps"):
        integrated_gradients(emotion, TEXT, mask=MASK, steps=1)


def test_a_slow_tokenizer_is_refused(emotion):
    class Slow:
        is_fast = False

    f = Classifier(emotion.model, make_tokenizer())
    f.tokenizer = Slow()
    with pytest.raises(TypeError, match="slow tokenizer"):
        integrated_gradients(f, TEXT, mask=MASK)
