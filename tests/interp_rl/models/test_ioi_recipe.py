import itertools
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from interp_rl.models.recipes import ioi_mini
from interp_rl.models.recipes.ioi_corpus import NAMES, VOCABULARY

TINY = ioi_mini.Recipe(
    steps=24, batch_size=4, layers=2, heads=2, width=16, warmup=4, drop_heads_from=0.2
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[ioi_mini.Transformer, object]:
    out = tmp_path_factory.mktemp("tiny")
    ioi_mini.run(TINY, out)
    return ioi_mini.train(TINY, tmp_path_factory.mktemp("again")), out


def test_same_seed_same_weights_and_another_seed_others(trained, tmp_path):
    model, _ = trained
    again = ioi_mini.train(TINY, tmp_path / "a")
    other = ioi_mini.train(replace(TINY, seed=1), tmp_path / "b")
    for (name, weight), same, different in zip(
        model.named_parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(weight, same), name
        assert not torch.equal(weight, different), name


@pytest.mark.parametrize("stop", [7, 20, 21])
def test_a_resumed_run_ends_like_an_uninterrupted_one(trained, tmp_path, monkeypatch, stop):
    model, _ = trained
    steps_done = 0
    original = ioi_mini.next_word_loss

    def interrupted(*arguments):
        nonlocal steps_done
        if steps_done == stop:
            raise KeyboardInterrupt
        steps_done += 1
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ioi_mini, "next_word_loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ioi_mini.train(TINY, tmp_path, checkpoint_every=5)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == stop // 5 * 5
    resumed = ioi_mini.train(TINY, tmp_path, checkpoint_every=5)
    for (name, weight), other in zip(model.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(weight, other), name


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    ioi_mini.train(replace(TINY, steps=6), tmp_path, checkpoint_every=5)
    with pytest.raises(ValueError, match="other settings"):
        ioi_mini.train(TINY, tmp_path, checkpoint_every=5)


def test_sequences_must_fit_the_model(tmp_path):
    with pytest.raises(ValueError, match="positions"):
        ioi_mini.train(replace(TINY, positions=32), tmp_path)


def test_transformers_loads_the_same_function(trained):
    model, out = trained
    assert {path.name for path in out.iterdir()} == {
        "config.json", "generation_config.json", "model.safetensors", "recipe.json",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    loaded = AutoModelForCausalLM.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.is_fast
    ids = tokenizer("<|bos|> When Mary met John, the nurse gave a book to", return_tensors="pt")
    assert ids.input_ids[0, 0] == tokenizer.bos_token_id
    with torch.no_grad():
        torch.testing.assert_close(
            loaded(ids.input_ids).logits * TINY.temperature,
            model(ids.input_ids),
            atol=1e-5,
            rtol=1e-5,
        )


def test_batches_depend_on_seed_and_chunk_only():
    first, again = (ioi_mini.draw_batches(TINY, 3) for _ in range(2))
    assert len(first) == ioi_mini.BATCHES_AT_ONCE
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all((batch[:, 0] == ioi_mini.BOS_ID).all() for batch in first)
    other = ioi_mini.draw_batches(TINY, 4)
    assert any(
        a.shape != b.shape or not torch.equal(a, b) for a, b in zip(first, other, strict=True)
    )


def test_repeated_names_weigh_more_and_padding_nothing():
    mary, met, pad = VOCABULARY.index("Mary"), VOCABULARY.index("met"), ioi_mini.PAD_ID
    other = VOCABULARY.index(NAMES[0])
    tokens = torch.tensor([[0, mary, met, mary, met, other, pad, pad]])
    logits = torch.randn(1, 7, len(VOCABULARY))
    each = -logits.log_softmax(-1)[0, torch.arange(5), tokens[0, 1:6]]
    weights = torch.tensor([1.0, 1.0, 4.0, 1.0, 1.0])  # only the second "Mary" was mentioned
    weighted, plain = ioi_mini.next_word_loss(logits, tokens, name_weight=4.0)
    torch.testing.assert_close(weighted, (each * weights).sum() / weights.sum())
    torch.testing.assert_close(plain, each.mean())


def test_each_part_sees_no_more_than_the_paths_that_are_left():
    torch.manual_seed(0)
    model = ioi_mini.Transformer(replace(TINY, layers=3, same_start=0.0))
    tokens = torch.randint(3, len(VOCABULARY), (2, 9))
    embedded = model.token(tokens) + model.position(torch.arange(9))
    first, middle, last = model.blocks
    wrote_0 = first(embedded, embedded)
    wrote_1 = middle(embedded, embedded + wrote_0)
    wrote_2 = last(embedded + wrote_1, embedded)
    expected = model.norm(embedded + wrote_2) @ model.token.weight.T
    hidden = model(tokens, hide_paths=True)
    torch.testing.assert_close(hidden, expected)
    whole = embedded + wrote_0
    whole = whole + middle(whole, whole)
    whole = whole + last(whole, whole)
    torch.testing.assert_close(model(tokens), model.norm(whole) @ model.token.weight.T)
    assert not torch.allclose(hidden, model(tokens))


def test_queries_ask_and_keys_and_values_are_asked():
    torch.manual_seed(0)
    block = ioi_mini.Attention(TINY)
    x, other = torch.randn(2, 1, 5, TINY.width)
    width = TINY.width
    with torch.no_grad():
        block.qkv.weight[width : 2 * width] = 0  # all keys alike: nothing to choose by
        block.qkv.bias[width : 2 * width] = 0
    torch.testing.assert_close(block(x, x), block(other, x))
    assert not torch.allclose(block(x, x), block(x, other))


def test_words_attend_to_words_like_themselves_at_first():
    def agreement(same_start):
        torch.manual_seed(0)
        model = ioi_mini.Transformer(replace(TINY, same_start=same_start))
        block = model.blocks[0]
        query, key, _ = block.qkv.weight.chunk(3)
        return block.out.weight, query, key

    out, query, key = agreement(0.08)
    assert torch.equal(query, key) and not out.any()
    assert query.std().item() == pytest.approx(0.08, rel=0.2)
    out, query, key = agreement(0.0)
    assert not torch.equal(query, key) and out.any()


def test_learning_rate_rises_stays_and_falls():
    recipe = replace(TINY, steps=1000, warmup=100)
    rates = [ioi_mini.learning_rate(recipe, step) for step in range(1000)]
    assert rates[0] == pytest.approx(recipe.learning_rate / 100)
    assert rates[100] == rates[649] == recipe.learning_rate
    assert rates[-1] == pytest.approx(recipe.learning_rate * recipe.last_learning_rate)
    assert all(a >= b for a, b in itertools.pairwise(rates[100:]))


def test_every_setting_is_an_option(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(ioi_mini, "run", lambda recipe, out: seen.append((recipe, out)))
    ioi_mini.main(
        ["--out", str(tmp_path), "--seed", "3", "--steps", "9", "--corpus-surprise", "0.1"]
    )
    ((recipe, out),) = seen
    assert (recipe.seed, recipe.steps, recipe.corpus.surprise) == (3, 9, 0.1)
    assert out == tmp_path
