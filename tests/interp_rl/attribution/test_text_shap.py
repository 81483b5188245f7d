"""SHAP on texts: what each method computes, on models small enough to enumerate."""

import numpy as np
import pytest
import torch
from tiny_models import LABELS, MASK, WORDS, make_classifier, make_language_model, make_tokenizer

from interp_rl.attribution import (
    Classifier,
    Difference,
    FixedTarget,
    TooManyPlayersError,
    WordContrast,
    exact_shapley,
    explain,
    owen_values,
    read_text,
    text_game,
    text_masker,
    tree_of,
)
from interp_rl.attribution.text_models import log1mexp, numbered
from interp_rl.attribution.text_shap import teacher_forcing

TEXT = "the film was not good , but very dull"


def by_hand(f, text, mask=MASK):
    tokens = read_text(f.tokenizer, text)
    return exact_shapley(text_game(f, tokens, mask), len(tokens))


# ----- which values


@pytest.mark.parametrize("text", ["dull", "not good", "the film was not good", TEXT])
def test_shap_exact_is_shapley_for_each_class(emotion, text):
    found = explain(emotion, text, mask=MASK)
    assert torch.allclose(found.values, by_hand(emotion, text), atol=1e-6)
    assert found.missing.abs().max() < 1e-5
    assert found.output_names == LABELS


def test_shap_exact_is_shapley_for_two_classes(sentiment):
    found = explain(sentiment, TEXT, mask=MASK)
    assert torch.allclose(found.values, by_hand(sentiment, TEXT), atol=1e-6)
    assert torch.allclose(found.of("negative"), -found.of("positive"), atol=1e-6)


def test_many_random_orders_come_close_to_shapley(emotion):
    n = len(read_text(emotion.tokenizer, TEXT))
    right = by_hand(emotion, TEXT)
    errors = []
    for orders in (5, 300):
        found = explain(
            emotion, TEXT, mask=MASK, method="permutation", max_evals=orders * (2 * n + 1)
        )
        errors.append(float((found.values - right).square().mean().sqrt()))
        assert found.missing.abs().max() < 1e-5, "efficient all the same"
    assert errors[1] < errors[0] / 3 and errors[1] < 0.05


def test_the_partition_explainer_computes_owen_values_and_not_shapley_values(emotion):
    found = explain(emotion, TEXT, mask=MASK, method="partition")
    tokens = read_text(emotion.tokenizer, TEXT)
    tree = tree_of(emotion.tokenizer, TEXT, MASK)
    owen = owen_values(text_game(emotion, tokens, MASK), tree)
    assert torch.allclose(found.values, owen, atol=1e-6)
    assert (found.values - by_hand(emotion, TEXT)).abs().max() > 0.1
    assert found.missing.abs().max() < 1e-5, "their sums agree, which hides it"


def test_shap_explainer_chooses_partition_for_a_text_masker(emotion):
    """The default that `explain` does not follow."""
    import shap

    explainer = shap.Explainer(emotion, shap.maskers.Text(emotion.tokenizer))
    assert isinstance(explainer, shap.explainers.Partition)


def test_the_same_seed_gives_the_same_orders(emotion):
    runs = [
        explain(emotion, TEXT, mask=MASK, method="permutation", seed=seed).values
        for seed in (0, 0, 1)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


# ----- masks


def marks(number, n):
    return torch.tensor([bool(number >> i & 1) for i in range(n)])


@pytest.mark.parametrize("mask", [MASK, "the"])
def test_a_masked_text_has_the_mask_in_the_place_of_each_absent_token(tokenizer, mask):
    tokens = read_text(tokenizer, TEXT)
    ids, masker = torch.tensor(tokens.ids), text_masker(tokenizer, mask)
    for number in (0, 1, 77, 300, 2 ** len(tokens) - 1):
        present = marks(number, len(tokens))
        masked = tokens.masked(present, mask)
        expected = torch.where(present, ids, tokenizer.convert_tokens_to_ids(mask))
        assert tokenizer(masked)["input_ids"] == expected.tolist()
        assert masker(present.numpy(), TEXT)[0].tolist() == [masked]


def test_shaps_own_masker_agrees_for_a_special_token_and_glues_a_word_to_the_next(tokenizer):
    import shap

    tokens = read_text(tokenizer, TEXT)
    present = marks(77, len(tokens))

    def theirs(mask):
        masker = shap.maskers.Text(tokenizer, mask_token=mask, collapse_mask_token=False)
        return tokenizer(masker(present.numpy(), TEXT)[0][0])["input_ids"]

    assert theirs(MASK) == tokenizer(tokens.masked(present, MASK))["input_ids"]
    assert tokenizer.unk_token_id in theirs("the")
    assert tokenizer.unk_token_id not in tokenizer(tokens.masked(present, "the"))["input_ids"]


def test_shaps_default_collapses_runs_of_masks(tokenizer):
    import shap

    masker = shap.maskers.Text(tokenizer, mask_token=MASK)
    n = len(read_text(tokenizer, TEXT))
    assert masker(np.zeros(n, bool), TEXT)[0][0] == MASK


def test_punctuation_stays_where_it_was_for_a_tokenizer_of_pieces():
    """GPT-2's tokens begin with their space; a comma has none, and must not get one."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        ["The film was good, but dull."] * 50, vocab_size=300, special_tokens=["<|end|>"],
        show_progress=False,
    )  # fmt: skip
    bpe = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, bos_token="<|end|>")
    tokens = read_text(bpe, "The film was good, but dull.")
    kept = torch.ones(len(tokens), dtype=torch.bool)
    kept[tokens.words.index(" good")] = False
    masked = tokens.masked(kept, "was")
    assert masked == "The film was was, but dull."
    assert len(read_text(bpe, masked)) == len(tokens)


def test_another_mask_is_another_base_value(emotion):
    with_mask, with_the = (explain(emotion, TEXT, mask=mask) for mask in (MASK, "the"))
    assert (with_mask.base - with_the.base).abs().max() > 0.1
    assert torch.allclose(with_mask.full, with_the.full)


def test_an_empty_mask_deletes(tokenizer):
    tokens = read_text(tokenizer, "the film was good")
    assert tokens.masked(torch.tensor([True, False, False, True]), "") == "the good"
    with pytest.raises(ValueError, match="3 marks for 4 tokens"):
        tokens.masked(torch.tensor([True, False, False]), "")


def test_deleting_is_a_game_too(contrast):
    """A language model always has the token that begins a text, so nothing is left out of reach."""
    found = explain(contrast, "the film was not", mask="")
    assert torch.allclose(found.values, by_hand(contrast, "the film was not", ""), atol=1e-6)
    assert torch.allclose(found.base, contrast([""])[0], atol=1e-6)


# ----- models as functions


def test_log_odds_are_the_logit_of_the_probability(emotion, tokenizer):
    p = Classifier(emotion.model, tokenizer, scale="probability", begins_with_bos=True)([TEXT])
    assert torch.allclose(emotion([TEXT]), torch.logit(p), atol=1e-5)
    assert p.sum() == pytest.approx(1)


def test_texts_of_several_lengths_are_the_texts_alone(emotion, contrast, language_model, tokenizer):
    texts = ["dull", TEXT, "the film was good"]
    target = FixedTarget(language_model, tokenizer, "good film")
    for f in (emotion, contrast, target):
        alone = torch.cat([f([text]) for text in texts])
        assert torch.allclose(f(texts), alone, atol=1e-5)


def test_a_classifier_with_special_tokens_of_its_own_keeps_them():
    """As a BERT's: [CLS] before and [SEP] after, which are no players."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|bos|> $A <|eos|>", special_tokens=[("<|bos|>", 0), ("<|eos|>", 1)]
    )
    f = Classifier(make_classifier(), tokenizer)
    encoded = f.encode(["dull film", "good"])
    assert encoded.ids.tolist()[0] == tokenizer("dull film")["input_ids"]
    assert encoded.players.tolist() == [[False, True, True, False], [False, True, False, False]]
    assert encoded.read.tolist() == [[True] * 4, [True, True, True, False]]
    found = explain(f, "dull film", mask=MASK)
    assert found.values.shape == (2, 3)
    assert torch.allclose(found.values, by_hand(f, "dull film"), atol=1e-6)


def test_case_does_not_matter_and_bos_is_put_before_a_text_unless_the_tokenizer_does(emotion):
    f = Classifier(emotion.model, emotion.tokenizer, label="JOY")
    assert f.output_names == ("joy",)
    assert torch.equal(f([TEXT])[:, 0], emotion([TEXT])[:, 1])


def test_only_one_class_can_be_asked_for(emotion, tokenizer):
    f = Classifier(emotion.model, tokenizer, label="joy", begins_with_bos=True)
    assert f.output_names == ("joy",)
    assert torch.allclose(f([TEXT])[:, 0], emotion([TEXT])[:, 1])


# ----- generation


def test_a_fixed_target_is_what_shaps_teacher_forcing_computes(language_model, tokenizer):
    import shap

    forced, masker = teacher_forcing(language_model, tokenizer, MASK)
    theirs = shap.explainers.Partition(forced, masker)(
        ["the plot was very"], ["great film"], silent=True
    )
    f = FixedTarget(language_model, tokenizer, "great film", scale="log odds")
    mine = explain(f, "the plot was very", mask=MASK, method="partition")
    assert np.abs(theirs.values[0] - mine.values.numpy()).max() < 1e-4
    assert np.abs(theirs.base_values[0] - mine.base.numpy()).max() < 1e-4


def test_log_probabilities_of_a_target_are_those_of_the_model(language_model, tokenizer):
    f = FixedTarget(language_model, tokenizer, "great film")
    ids = torch.tensor([tokenizer("<|bos|> the plot was great film")["input_ids"]])
    log_p = language_model(ids).logits.log_softmax(-1)[0]
    expected = [float(log_p[3, ids[0, 4]]), float(log_p[4, ids[0, 5]])]
    assert f(["the plot was"])[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_attributions_of_a_whole_target_are_sums_over_its_tokens(language_model, tokenizer):
    """Additivity: the log probability of the target is the sum of those of its tokens."""
    f = FixedTarget(language_model, tokenizer, "great film")
    found = explain(f, "the plot was", mask=MASK)
    tokens = read_text(tokenizer, "the plot was")

    def whole(texts):
        return f(texts).sum(1, keepdim=True)

    right = exact_shapley(text_game(whole, tokens, MASK), len(tokens))
    assert torch.allclose(found.values.sum(1, keepdim=True), right, atol=1e-6)


def test_log1mexp_is_accurate_at_both_ends():
    p = torch.tensor([1e-12, 1e-3, 0.3, 0.9, 1 - 1e-6], dtype=torch.double)
    assert torch.allclose(log1mexp(p.log()), torch.log1p(-p), rtol=1e-4)


def test_repeated_words_of_a_target_get_numbers():
    assert numbered(["good", "and", "good"]) == ["good", "and", "good (2)"]


# ----- two models


def test_the_attributions_of_a_difference_are_the_differences(tokenizer):
    models = [
        WordContrast(make_language_model(seed), tokenizer, ["good"], ["bad"]) for seed in (1, 2)
    ]
    found = explain(Difference(*models), "the plot was", mask=MASK)
    one, other = (explain(f, "the plot was", mask=MASK) for f in models)
    assert torch.allclose(found.values, one.values - other.values, atol=1e-5)
    assert torch.allclose(found.base, one.base - other.base, atol=1e-5)


def test_a_model_minus_itself_explains_nothing(contrast):
    found = explain(Difference(contrast, contrast), "the plot was", mask=MASK)
    assert found.values.abs().max() == 0


def test_loading_shap_leaves_numba_as_it_was():
    import numba

    from interp_rl.attribution import load_shap

    before = numba.config.DISABLE_JIT
    assert load_shap().__name__ == "shap"
    assert before == numba.config.DISABLE_JIT


# ----- bad input


def test_a_text_too_long_to_enumerate_is_told_what_to_do(emotion):
    text = "the film was not good " * 4
    with pytest.raises(TooManyPlayersError, match=r'20 tokens.*"permutation"'):
        explain(emotion, text, mask=MASK)
    assert len(explain(emotion, text, mask=MASK, method="permutation").words) == 20
    assert "random orders" in explain(emotion, text, mask=MASK, method="auto").method
    assert "all coalitions" in explain(emotion, TEXT, mask=MASK, method="auto").method


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_text_is_refused(emotion, text):
    with pytest.raises(ValueError, match="the text is empty"):
        explain(emotion, text, mask=MASK)


def test_a_text_of_unknown_words_only_is_refused(emotion):
    with pytest.raises(ValueError, match="no word of the text 'xylophone zebra' is in the voc"):
        explain(emotion, "xylophone zebra", mask=MASK)
    assert explain(emotion, "xylophone film", mask=MASK).words == ("xylophone ", "film")


def test_a_slow_tokenizer_is_refused(emotion):
    class Slow:
        is_fast = False

    f = Classifier(emotion.model, emotion.tokenizer)
    f.tokenizer = Slow()
    with pytest.raises(TypeError, match=r"slow tokenizer.*use_fast=True"):
        explain(f, TEXT, mask=MASK)


def test_a_label_that_does_not_exist_is_refused(emotion, tokenizer):
    with pytest.raises(ValueError, match="no single output 'envy'; the outputs are anger, joy"):
        Classifier(emotion.model, tokenizer, label="envy")
    with pytest.raises(ValueError, match="no single output 'envy'"):
        explain(emotion, TEXT, mask=MASK).of("envy")


def test_two_models_with_different_vocabularies_are_refused(contrast):
    other = make_tokenizer([*WORDS[:-2], "lovely", "."])
    stranger = WordContrast(make_language_model(2), other, ["good", "great"], ["bad", "dull"])
    with pytest.raises(ValueError, match=r"different vocabularies.*'lovely'"):
        Difference(stranger, contrast)


def test_two_models_with_different_outputs_or_targets_are_refused(
    emotion, sentiment, language_model, tokenizer
):
    with pytest.raises(ValueError, match="different outputs"):
        Difference(emotion, sentiment)
    one, other = (FixedTarget(language_model, tokenizer, target) for target in ("good", "bad"))
    with pytest.raises(ValueError, match="different tokens around a text"):
        Difference(one, other)


def test_a_mask_of_several_tokens_is_refused(emotion):
    with pytest.raises(ValueError, match="the mask 'very dull' is 2 tokens"):
        explain(emotion, TEXT, mask="very dull")


def test_other_wrong_arguments_are_refused(emotion, language_model, tokenizer):
    with pytest.raises(ValueError, match="unknown method 'kernel': the methods are exact, perm"):
        explain(emotion, TEXT, mask=MASK, method="kernel")
    with pytest.raises(TypeError, match="the text is a list; give one text as a string"):
        read_text(tokenizer, ["a"])
    with pytest.raises(ValueError, match="unknown scale 'percent'"):
        Classifier(emotion.model, tokenizer, scale="percent")
    with pytest.raises(ValueError, match="unknown scale 'percent'"):
        FixedTarget(language_model, tokenizer, "good", scale="percent")
    with pytest.raises(ValueError, match="there are no texts"):
        emotion([])
    with pytest.raises(ValueError, match="the target is empty"):
        FixedTarget(language_model, tokenizer, " ")
    with pytest.raises(ValueError, match="none of the words is a single token"):
        WordContrast(language_model, tokenizer, ["good"], ["xylophone"])
    with pytest.raises(ValueError, match="words in both groups: good"):
        WordContrast(language_model, tokenizer, ["good"], ["bad", "good"])
