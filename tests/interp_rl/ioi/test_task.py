"""Prompts, positions and corrupted versions, for tokenizers of both kinds."""

import re
from collections import Counter

import pytest
import torch

from interp_rl.ioi import CORRUPTIONS, TEMPLATES, Prompt, encode, make_dataset
from interp_rl.models.recipes.ioi_corpus import NAMES, is_held_out

MARY = Prompt(TEMPLATES[0], "ABBA", io="Mary", s="John", place="store", object="drink")


def names_at(dataset, position):
    tokens = dataset.tokens[torch.arange(len(dataset)), dataset.positions[position]]
    return [dataset.tokenizer.decode([token]).strip() for token in tokens]


def test_the_sentence_of_the_paper_reads_as_it_should():
    assert MARY.text == "When Mary and John went to the store, John gave a drink to"


def test_the_other_order_swaps_the_first_two_names_only():
    baba = Prompt(MARY.template, "BABA", "Mary", "John", "store", "drink")
    assert baba.text == "When John and Mary went to the store, John gave a drink to"


def test_names_stand_where_the_positions_say(dataset):
    assert names_at(dataset, "IO") == [prompt.io for prompt in dataset.prompts]
    assert names_at(dataset, "S1") == names_at(dataset, "S2") == [p.s for p in dataset.prompts]
    assert set(names_at(dataset, "END")) == {"to", "for"}
    s1, s2 = dataset.positions["S1"], dataset.positions["S2"]
    assert (s1 < s2).all()
    assert torch.equal(dataset.positions["S1+1"], s1 + 1)


def test_orders_are_what_the_positions_show(dataset):
    io_first = dataset.positions["IO"] < dataset.positions["S1"]
    assert torch.equal(io_first, dataset.has_order("ABBA"))
    assert torch.equal(~io_first, dataset.has_order("BABA"))


def test_tokens_begin_with_bos_and_are_padded_on_the_right(dataset):
    assert (dataset.tokens[:, 0] == dataset.tokenizer.bos_token_id).all()
    pad = dataset.tokenizer.pad_token_id
    pad = dataset.tokenizer.bos_token_id if pad is None else pad
    after_end = torch.arange(dataset.tokens.shape[1]) > dataset.positions["END"][:, None]
    assert (dataset.tokens[after_end] == pad).all()
    decoded = [
        dataset.tokenizer.decode(row[1 : end + 1]).strip()
        for row, end in zip(dataset.tokens, dataset.positions["END"], strict=True)
    ]
    assert decoded == list(dataset.texts)


def test_names_are_single_tokens_for_a_tokenizer_that_splits_most(bpe):
    data = make_dataset(bpe, 200, seed=0)
    used = {name for prompt in data.prompts for name in (prompt.io, prompt.s)}
    assert 10 < len(used) <= 30
    assert set(data.names) < set(NAMES)
    assert all(len(bpe(" " + name)["input_ids"]) == 1 for name in data.names)


def test_all_prompts_of_a_template_have_the_same_length(dataset):
    lengths: dict[str, set[int]] = {}
    for prompt, end in zip(dataset.prompts, dataset.positions["END"].tolist(), strict=True):
        lengths.setdefault(prompt.template, set()).add(end)
    assert all(len(found) == 1 for found in lengths.values())
    assert len(set.union(*lengths.values())) > 1, "the batch should need padding"


def test_each_template_and_order_has_its_share(dataset):
    counts = Counter((prompt.template, prompt.order) for prompt in dataset.prompts)
    assert set(counts) == {(text, order) for text in TEMPLATES for order in ("ABBA", "BABA")}
    assert set(counts.values()) == {2}


def test_the_same_seed_gives_the_same_prompts_and_another_seed_others(words):
    again = [make_dataset(words, 40, seed=seed).texts for seed in (5, 5, 6)]
    assert again[0] == again[1] != again[2]


def test_only_allowed_pairs_are_drawn(words):
    data = make_dataset(words, 200, seed=0, pairs=is_held_out)
    assert all(is_held_out(prompt.io, prompt.s) for prompt in data.prompts)


def test_texts_are_sentences(words):
    for text in make_dataset(words, 60, seed=1).texts:
        assert re.fullmatch(r"[A-Z][A-Za-z ,.]+ (to|for)", text), text
        assert "  " not in text and " ," not in text


def test_a_template_is_known_to_ioi_mini_word_for_word(words):
    assert {prompt.template for prompt in make_dataset(words, 60, seed=0).prompts} == set(TEMPLATES)


# ----- corrupted versions


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corruption_puts_the_names_it_documents(dataset, kind):
    corrupted = dataset.corrupted(kind, seed=1)
    for position, slot in zip(("IO", "S1", "S2"), CORRUPTIONS[kind].names, strict=True):
        for name, prompt in zip(names_at(corrupted, position), dataset.prompts, strict=True):
            if slot in ("IO", "S"):
                assert name == {"IO": prompt.io, "S": prompt.s}[slot]
            else:
                assert name not in (prompt.io, prompt.s)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corruption_changes_nothing_but_names(dataset, kind):
    corrupted = dataset.corrupted(kind, seed=1)
    changed = (corrupted.tokens != dataset.tokens).nonzero()
    where = {name: dataset.positions[name] for name in ("IO", "S1", "S2")}
    assert len(changed) > 0
    assert all(any(int(at[row]) == pos for at in where.values()) for row, pos in changed.tolist())
    assert torch.equal(corrupted.io_ids, dataset.io_ids)
    assert corrupted.orders == dataset.orders


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_signals_of_a_corruption_follow_from_its_names(kind):
    corruption = CORRUPTIONS[kind]
    io, s1, s2 = corruption.names
    # the position signal points to the first mention of the repeated name
    position = {s1: 1, io: -1}.get(s2, 0)
    # the token signal names the repeated name
    token = {"S": 1, "IO": -1}.get(s2, 0) if position else 0
    assert (corruption.position, corruption.token) == (position, token)


def test_all_six_combinations_of_the_two_signals_can_be_had():
    """Wang et al. 2022, Appendix A: two position and three token signals; all but the original."""
    combinations = {(c.position, c.token) for c in CORRUPTIONS.values() if c.position}
    assert combinations == {(1, 0), (1, -1), (-1, 1), (-1, 0), (-1, -1)}


def test_abc_has_three_different_fresh_names(dataset):
    for prompt in dataset.corrupted("abc", seed=0).prompts:
        assert len({prompt.io, prompt.s, *prompt.names}) == 5


def test_corruptions_are_reproducible_and_depend_on_the_seed(dataset):
    texts = [dataset.corrupted("abc", seed).texts for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


# ----- bad input


def test_io_and_s_must_differ():
    with pytest.raises(ValueError, match="same name, 'Mary'"):
        Prompt(TEMPLATES[0], "ABBA", io="Mary", s="Mary")


@pytest.mark.parametrize("orders", [("ABBA", "ABAB"), ["ABAB"]])
def test_unknown_order(words, orders):
    with pytest.raises(ValueError, match="unknown order 'ABAB'; the orders are ABBA, BABA"):
        make_dataset(words, 4, seed=0, orders=orders)


def test_unknown_order_of_a_prompt_and_of_a_question(words):
    with pytest.raises(ValueError, match="unknown order 'AB'"):
        Prompt(TEMPLATES[0], "AB", io="Mary", s="John")
    with pytest.raises(ValueError, match="unknown order 'AB'"):
        make_dataset(words, 4, seed=0).has_order("AB")


def test_batches_hold_the_same_prompts(dataset):
    parts = dataset.split(25)
    assert [len(part) for part in parts] == [25, 25, 10]
    assert [text for part in parts for text in part.texts] == list(dataset.texts)
    assert torch.equal(torch.cat([part.tokens for part in parts]), dataset.tokens)
    for name, at in dataset.positions.items():
        assert torch.equal(torch.cat([part.positions[name] for part in parts]), at)
    assert torch.equal(torch.cat([part.io_ids for part in parts]), dataset.io_ids)
    assert torch.equal(torch.cat([part.s_ids for part in parts]), dataset.s_ids)


def test_a_batch_without_prompts(dataset):
    with pytest.raises(ValueError, match="size is 0; a batch needs at least 1 prompt"):
        dataset.split(0)


def test_no_order(words):
    with pytest.raises(ValueError, match="no order; the orders are"):
        make_dataset(words, 4, seed=0, orders=())


@pytest.mark.parametrize("count", [0, -3])
def test_at_least_one_prompt(words, count):
    with pytest.raises(ValueError, match=f"n_prompts is {count}"):
        make_dataset(words, count, seed=0)


def test_a_name_that_is_not_one_token_is_named(bpe, words):
    with pytest.raises(ValueError, match=r"not one token.*'Bartholomew'$"):
        make_dataset(bpe, 4, seed=0, names=["Aaron", "Bartholomew", "Adam"])
    with pytest.raises(ValueError, match=r"not one token.*'Bartholomew'$"):
        encode([Prompt(TEMPLATES[0], "ABBA", "Bartholomew", "Mary", "store", "drink")], words)
    with pytest.raises(ValueError, match=r"not one token.*'Bartholomew'$"):
        encode([MARY], words, names=["Bartholomew", "Lucy"])


def test_too_few_names(words):
    with pytest.raises(ValueError, match="too few names: 1"):
        make_dataset(words, 4, seed=0, names=["Mary", "Mary"])


def test_too_few_objects(words):
    with pytest.raises(ValueError, match="too few objects: 0"):
        make_dataset(words, 4, seed=0, objects=[])


def test_no_allowed_pair(words):
    with pytest.raises(ValueError, match="no two of the 108 names are an allowed pair"):
        make_dataset(words, 4, seed=0, pairs=lambda io, s: False)


def test_no_template(words):
    with pytest.raises(ValueError, match="no template is left"):
        make_dataset(words, 4, seed=0, templates=[])


def test_an_unknown_word_is_named(words):
    template = "When [A] and [B] went to the zoo, [S] gave a [OBJECT] to"
    with pytest.raises(ValueError, match="unknown to the tokenizer: zoo"):
        make_dataset(words, 4, seed=0, templates=[template])


def test_a_template_without_the_second_mention(words):
    with pytest.raises(ValueError, match=r"is there 1 and '\w+' 1 times"):
        make_dataset(words, 1, seed=0, templates=["When [A] and [B] went to the park, it was for"])


def test_a_name_that_is_also_the_place_of_another(words):
    with pytest.raises(ValueError, match="is there 2 and"):
        encode([Prompt("[A] saw [B] . [S] met [A] at", "ABBA", "Mary", "John")], words)


def test_a_prompt_longer_than_the_context(words):
    long = "It was late. " * 20 + TEMPLATES[0]
    with pytest.raises(ValueError, match="has 95 tokens with BOS, but the model has only 64"):
        make_dataset(words, 2, seed=0, templates=[long])
    assert len(make_dataset(words, 2, seed=0, templates=[long], max_length=95)) == 2


def test_no_prompts(words):
    with pytest.raises(ValueError, match="no prompts"):
        encode([], words)


def test_a_tokenizer_without_bos(bpe):
    from transformers import PreTrainedTokenizerFast

    bare = PreTrainedTokenizerFast(tokenizer_object=bpe.backend_tokenizer)
    with pytest.raises(ValueError, match="no BOS token"):
        encode([Prompt(TEMPLATES[0], "ABBA", "Aaron", "Adam", "store", "ring")], bare)


def test_unknown_corruption(dataset):
    with pytest.raises(
        ValueError, match="unknown corruption 'abx'; the kinds are 'abc', 'name flip'"
    ):
        dataset.corrupted("abx", seed=0)


def test_too_few_names_for_a_corruption(words):
    data = make_dataset(words, 4, seed=0, names=["Mary", "John", "Lucy", "Max"])
    with pytest.raises(ValueError, match="'abc' needs 3 names besides IO and S, and there are 2"):
        data.corrupted("abc", seed=0)
    assert len(data.corrupted("name flip", seed=0)) == 4
