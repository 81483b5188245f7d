"""The view of every step from tokens to logits."""

import pytest
import torch

from interp_rl.models import TextError, load_hooked
from interp_rl.models.shapes import Step, show, tokens_table, trace
from interp_rl.models.text import to_tokens

TEXT = "When Mary and John went"


@pytest.fixture(scope="module")
def gpt2(saved_gpt2):
    return load_hooked(saved_gpt2)


@pytest.fixture(scope="module")
def steps(gpt2):
    return trace(gpt2, TEXT)


def _sizes(model) -> dict[str, int]:
    """What each axis must measure, taken from the configuration and not from a run."""
    positions = to_tokens(model, TEXT).shape[1]
    cfg = model.cfg
    return {
        "batch": 1,
        **dict.fromkeys(("pos", "query_pos", "key_pos"), positions),
        "head": cfg.n_heads,
        "d_head": cfg.d_head,
        "d_model": cfg.d_model,
        "d_mlp": cfg.d_mlp,
        "vocab": cfg.d_vocab,
    }


@pytest.mark.parametrize("model", ["gpt2", "ioi_model"])
def test_every_axis_has_the_size_its_name_says(model, request):
    model = request.getfixturevalue(model)
    sizes = _sizes(model)
    for step in trace(model, TEXT):
        assert step.shape == tuple(sizes[axis] for axis in step.axes), step


def test_the_path_is_complete(steps):
    def names(block):
        return [s.name for s in steps if s.block == block and ":" not in s.name]

    before = ["Index 0", "Token embed", "Index 1", "Position embed", "add", "Dropout"]
    block = ["LayerNorm", "Attention", "add", "LayerNorm", "MLP", "add"]
    assert names(None) == [*before, "LayerNorm", "Unembed"]
    assert names(0) == names(1) == block
    parts = [s.name.split(": ")[1] for s in steps if s.block == 0 and ": " in s.name]
    assert parts == ["query q", "key k", "value v", "scores", "pattern", "z", "result", "hidden"]


def test_what_the_steps_say_holds(gpt2, steps):
    """The table's words, checked on the tensors themselves."""
    with torch.no_grad():
        logits, cache = gpt2.run_with_cache(to_tokens(gpt2, TEXT))
    assert all(step.hook in cache for step in steps if "+" not in step.hook)

    def equal(a, b):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)

    equal(cache["hook_embed"] + cache["hook_pos_embed"], cache["blocks.0.hook_resid_pre"])
    equal(cache["blocks.1.attn.hook_pattern"].sum(-1), torch.ones(1, 3, logits.shape[1]))
    normalized = cache["blocks.1.ln1.hook_normalized"]
    equal(normalized.mean(-1), torch.zeros(normalized.shape[:2]))
    # LayerNorm adds a small constant to the variance it divides by
    torch.testing.assert_close(
        normalized.var(-1, correction=0), torch.ones(normalized.shape[:2]), atol=1e-3, rtol=0
    )
    scores = cache["blocks.0.attn.hook_attn_scores"]
    assert torch.isinf(scores[0, 0].triu(1)[0, 1:]).all(), "the future is masked"
    z, w_o = cache["blocks.0.attn.hook_z"], gpt2.blocks[0].attn.W_O
    equal(torch.einsum("bphd,hdm->bphm", z, w_o), cache["blocks.0.attn.hook_result"])
    mid = cache["blocks.0.hook_resid_pre"] + cache["blocks.0.hook_attn_out"]
    equal(mid, cache["blocks.0.hook_resid_mid"])
    equal(mid + cache["blocks.0.hook_mlp_out"], cache["blocks.1.hook_resid_pre"])
    equal(cache["hook_unembed"], logits)


def test_an_mlp_of_zeros_is_told_from_a_live_one(steps, saved_attention_only, ioi_model):
    def mlps(traced):
        return [step for step in traced if step.name == "MLP"]

    assert not any(step.zeros or "zeros" in step.meaning for step in mlps(steps))
    for model in (load_hooked(saved_attention_only), ioi_model):
        assert all(s.zeros and "zeros" in s.meaning for s in mlps(trace(model, TEXT)))


def test_equal_blocks_are_shown_once(steps):
    text = repr(show(steps))
    assert "Each of the 2 blocks" in text
    assert text.count("Attention: pattern") == 1
    assert "Before the blocks" in text and "After the blocks" in text


def test_blocks_that_differ_are_all_shown(steps):
    odd = [Step(**{**vars(s), "shape": (9, *s.shape[1:])}) if s.block == 1 else s for s in steps]
    text = repr(show(odd))
    assert "-- Block 0" in text and "-- Block 1" in text
    assert text.count("Attention: pattern") == 2


def test_a_single_block_is_shown(saved_attention_only):
    assert "-- Block 0" in repr(show(trace(load_hooked(saved_attention_only), TEXT)))


def test_the_table_is_accessible(steps):
    html = show(steps)._repr_html_()
    assert "<caption>From tokens to logits</caption>" in html
    assert html.count('scope="col"') == 4
    assert html.count('scope="rowgroup"') == 3
    assert "<code>(batch=1, pos=" in html
    assert 'role="region" tabindex="0" aria-label="From tokens to logits"' in html


def test_tokens_are_listed_with_their_positions(ioi_model):
    table = tokens_table(ioi_model, "Mary and John went")
    vocabulary = ioi_model.tokenizer.get_vocab()
    words = ("<|bos|>", "Mary", "and", "John", "went")
    assert table.groups[""] == [(i, w, vocabulary[w]) for i, w in enumerate(words)]
    assert "&lt;|bos|&gt;" in table._repr_html_()


def test_a_space_inside_a_piece_is_visible(gpt2):
    pieces = [row[1] for row in tokens_table(gpt2, "Mary and John").groups[""]]
    assert "".join(pieces[1:]) == "Mary␣and␣John"


def test_a_text_the_model_cannot_read_is_refused(ioi_model):
    for look in (trace, tokens_table):
        with pytest.raises(TextError, match="'Zork'"):
            look(ioi_model, "Zork gave a book to")
        with pytest.raises(TextError, match="empty"):
            look(ioi_model, "")
        with pytest.raises(TextError, match="64 positions"):
            look(ioi_model, "Mary " * 64)


def test_a_model_without_heads_outputs_is_refused(saved_attention_only):
    model = load_hooked(saved_attention_only)
    model.set_use_attn_result(False)
    with pytest.raises(ValueError, match="set_use_attn_result"):
        trace(model, TEXT)


def test_another_architecture_is_refused(saved_attention_only):
    model = load_hooked(saved_attention_only)
    model.cfg.architecture = "LlamaForCausalLM"
    with pytest.raises(ValueError, match="follows a GPT-2; this model is a LlamaForCausalLM"):
        trace(model, TEXT)


def test_nothing_to_show_is_an_error():
    with pytest.raises(ValueError, match="no steps"):
        show([])
