"""What chapter 1 says of its model, and what its pages promise, is so."""

import ast
import re

import pytest
import torch
from chapter_run import Run
from chapter_run import run as run_chapter

from coursekit.budgets import budgets
from interp_rl import models, plots
from interp_rl.models import shapes
from interp_rl.models.diagram import ANSWERS, WORD_BANK
from interp_rl.models.recipes.ioi_corpus import PLACES

TEXT = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(scope="module")
def source(root):
    return (root / "book" / "1-transformer-architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(ioi_model):
    with torch.no_grad():
        return ioi_model.run_with_cache(ioi_model.to_tokens(TEXT))


@pytest.fixture(scope="module")
def words(ioi_model):
    return [word.strip() for word in ioi_model.to_str_tokens(TEXT)]


def probability_of_mary(logits, ioi_model, words):
    mary = ioi_model.to_tokens(TEXT)[0, words.index("Mary")]
    return logits[0, -1].softmax(-1)[mary].item()


def test_the_chapter_runs_the_sentence_tested_here(source):
    assert f'text = "{TEXT}"' in source


# Tokens and embeddings


def test_a_token_is_a_word_or_a_punctuation_mark(words):
    assert words[1:] == re.findall(r"\w+|,", TEXT)


def test_john_stands_at_two_positions_and_has_one_id(ioi_model, words):
    ids = ioi_model.to_tokens(TEXT)[0]
    first, second = (t for t, word in enumerate(words) if word == "John")
    assert ids[first] == ids[second]


def test_the_mentions_of_john_share_the_token_embedding_only(run, words):
    _, cache = run
    first, second = (t for t, word in enumerate(words) if word == "John")
    alike = {
        name: torch.equal(cache[name][0, first], cache[name][0, second])
        for name in ("hook_embed", "hook_pos_embed", "blocks.0.hook_resid_pre")
    }
    assert list(alike.values()) == [True, False, False]


def test_embeddings_are_rows_of_their_matrices(ioi_model, run, words):
    _, cache = run
    ids = ioi_model.to_tokens(TEXT)[0]
    torch.testing.assert_close(cache["hook_embed"][0], ioi_model.W_E[ids])
    torch.testing.assert_close(cache["hook_pos_embed"][0], ioi_model.W_pos[: len(words)])


# The residual stream


def test_the_residual_stream_is_the_sum_of_everything_written(ioi_model, run):
    _, cache = run
    total = cache["hook_embed"] + cache["hook_pos_embed"]
    for block in range(ioi_model.cfg.n_layers):
        total = total + cache[f"blocks.{block}.hook_attn_out"]
        total = total + cache[f"blocks.{block}.hook_mlp_out"]
    stream = cache[f"blocks.{ioi_model.cfg.n_layers - 1}.hook_resid_post"]
    assert (total - stream).abs().max() < 5e-7  # printed as 0.000000


def test_the_trunk_keeps_its_shape(ioi_model):
    steps = shapes.trace(ioi_model, TEXT)
    trunk = {step.shape for step in steps if step.name in ("Token embed", "add", "Dropout")}
    assert len(trunk) == 1


# Attention


def test_attention_is_what_the_formulas_say(ioi_model, run):
    _, cache = run
    q, k, v = (cache[f"blocks.1.attn.hook_{name}"][0, :, 3] for name in "qkv")  # head 1.3
    scores = q @ k.T / ioi_model.cfg.d_head**0.5
    later = torch.ones_like(scores).triu(1).bool()
    pattern = scores.masked_fill(later, float("-inf")).softmax(-1)
    torch.testing.assert_close(pattern, cache["blocks.1.attn.hook_pattern"][0, 3])
    torch.testing.assert_close(pattern @ v, cache["blocks.1.attn.hook_z"][0, :, 3])


def test_heads_add_their_results(ioi_model, run):
    _, cache = run
    written = cache["blocks.1.attn.hook_result"].sum(2) + ioi_model.b_O[1]
    torch.testing.assert_close(written, cache["blocks.1.hook_attn_out"], atol=1e-5, rtol=1e-5)


def test_the_head_of_the_figure_reads_mary_from_the_end(ioi_model, run, words):
    _, cache = run
    patterns = torch.stack(
        [cache[f"blocks.{i}.attn.hook_pattern"][0] for i in range(ioi_model.cfg.n_layers)]
    )
    mary = words.index("Mary")
    block, head = divmod(patterns[:, :, -1, mary].argmax().item(), ioi_model.cfg.n_heads)
    pattern = patterns[block, head]
    torch.testing.assert_close(pattern.sum(-1), torch.ones(len(words)))
    assert pattern.triu(1).count_nonzero() == 0
    assert pattern[-1].argmax() == mary
    assert pattern[-1, mary] > 0.5


def test_positions_meet_in_two_steps_only(ioi_model):
    names = {s.name for s in shapes.trace(ioi_model, TEXT) if {"query_pos", "key_pos"} <= {*s.axes}}
    assert names == {"Attention: scores", "Attention: pattern"}


# MLP, LayerNorm, Dropout


def test_this_model_does_without_mlps(ioi_model, run):
    _, cache = run
    assert not any(cache[f"blocks.{i}.hook_mlp_out"].any() for i in range(ioi_model.cfg.n_layers))


def test_layernorm_gives_mean_0_and_variance_1(run):
    _, cache = run
    normalized = cache["blocks.1.ln1.hook_normalized"]
    assert normalized.mean(-1).abs().max() < 1e-4
    assert (normalized.var(-1, unbiased=False) - 1).abs().max() < 1e-2


def test_dropout_is_off_when_the_model_is_run(ioi_model, run):
    logits, _ = run
    assert torch.equal(ioi_model(ioi_model.to_tokens(TEXT)), logits)


# Logits


def test_the_unembedding_turns_the_stream_into_logits(ioi_model, run):
    logits, cache = run
    made = cache["ln_final.hook_normalized"] @ ioi_model.W_U + ioi_model.b_U
    torch.testing.assert_close(made, logits, atol=1e-4, rtol=1e-4)


def test_after_the_comes_one_of_many_places_and_at_the_end_mary(ioi_model, run, words):
    logits, _ = run
    values, ids = logits[0, words.index("the")].softmax(-1).topk(5)
    assert {ioi_model.tokenizer.decode(i).strip() for i in ids} <= set(PLACES)
    assert values.max() < 1.5 * values.min(), "they are not about equally probable"
    end, ids = logits[0, -1].softmax(-1).topk(2)
    assert ioi_model.tokenizer.decode(ids[0]).strip() == "Mary"
    assert end[0] > 5 * end[1]


def test_without_positions_the_model_loses_mary(ioi_model, run, words):
    tokens = ioi_model.to_tokens(TEXT)

    def erase(value, hook):
        return torch.zeros_like(value)

    changed = ioi_model.run_with_hooks(tokens, fwd_hooks=[("hook_pos_embed", erase)])
    before = probability_of_mary(run[0], ioi_model, words)
    after = probability_of_mary(changed, ioi_model, words)
    assert after < before / 2


def test_loading_with_hooks_alters_no_probability(ioi_model, run):
    plain = models.load("ioi").model
    with torch.no_grad():
        logits = plain(ioi_model.to_tokens(TEXT)).logits
    torch.testing.assert_close(logits.softmax(-1), run[0].softmax(-1), atol=1e-5, rtol=1e-4)


# The laboratory's still picture


@pytest.fixture(scope="module")
def chapter(root) -> Run:
    return run_chapter(root, "1-transformer-architecture")


def test_another_name_changes_only_its_token_at_first_and_then_later_ones(chapter, words):
    changes, mary = chapter.names["changes"], words.index("Mary")
    assert changes.shape == (chapter.names["cfg"].n_layers + 1, len(words))
    assert changes[0].nonzero().flatten().tolist() == [mary]
    assert not changes[:, :mary].any(), "an earlier token has changed"
    assert (changes[1:, mary:] > 0).all()
    assert changes[-1].argmax() == len(words) - 1 and changes[-1, -1] > 0.5


def test_the_still_picture_names_no_label_of_a_blank(chapter, source):
    (picture,) = (
        value
        for value in chapter.values
        if isinstance(value, plots.Picture) and "with another name" in value.alt
    )
    caption = source.split("name: fig-positions-meet")[1].split("tags:")[0]
    shown = " ".join((picture.svg, picture.table, picture.alt, caption))
    assert "after block 0" in shown
    for label in WORD_BANK:
        assert not re.search(rf"\b{label}\b", shown, re.IGNORECASE), label


def test_the_table_of_the_blanks_says_how_many_numbers_each_hands_on(chapter, source, ioi_model):
    table = source.split("how much changes with another name")[1].split("```{lab-end}")[0]
    said = re.sub("{glue:text}`(.+?)`", lambda found: chapter.glued[found[1]], table)
    rows = dict(re.findall(r"^\| (\d) \| .* \| ([^|]+) \|$", said, flags=re.MULTILINE))
    shape_of = {step.name.partition(":")[0]: step.shape for step in shapes.trace(ioi_model, TEXT)}
    assert rows == {
        str(number): " × ".join(map(str, [n for n in shape_of[label] if n != 1]))
        for number, label in ANSWERS.items()
    }


# The page


def test_every_place_the_chapter_names_is_in_the_cache(source, run):
    _, cache = run
    names = set(re.findall(r"\"((?:blocks\.0\.)?(?:attn\.)?hook_\w+)\"", source))
    assert len(names) >= 4
    assert names <= set(cache.keys())


def test_the_word_bank_on_the_page_is_the_one_of_the_diagram(source):
    line = next(line for line in source.splitlines() if line.startswith("Word bank:"))
    assert tuple(re.findall(r"\*\*(.+?)\*\*", line)) == WORD_BANK


def test_table_and_dictionary_of_the_solution_are_right(source):
    solution = source.split("```{solution-start} 1")[1].split("```{solution-end}")[0]
    table = dict(re.findall(r"^\| (\d) \| (.+?) \|", solution, flags=re.MULTILINE))
    assert {int(number): label for number, label in table.items()} == ANSWERS
    assert ast.literal_eval(re.search(r"answers = (\{.*?\})", solution, re.DOTALL)[1]) == ANSWERS


def test_the_stub_is_empty(source):
    stub = source.split(":tags: [stub]")[1].split("```")[0]
    assert ast.literal_eval(stub.split("=")[1].strip()) == dict.fromkeys(ANSWERS, ...)


def test_figures_of_gpt2_small_are_right(source):
    from transformers import GPT2Config

    gpt2 = GPT2Config()  # its defaults are GPT-2 small
    column = {
        cells[1].strip(): int(re.search(r"(?:= )?(\d+)(?!.*= )", cells[3])[1])
        for cells in (line.split("|") for line in source.splitlines())
        if len(cells) == 5 and "{glue:text}" in cells[2] and re.search(r"\d", cells[3])
        if "s1-model" not in cells[2]
    }
    assert column == {
        "blocks": gpt2.n_layer,
        "heads in each block": gpt2.n_head,
        r"$d_\text{model}$": gpt2.n_embd,
        "MLPs": 4 * gpt2.n_embd,
        "positions": gpt2.n_positions,
        "tokens in the vocabulary": gpt2.vocab_size,
    }


def test_gpt2_has_twice_as_many_numbers_in_its_mlps_as_in_its_heads():
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.device("meta"):  # shapes without numbers
        block = GPT2LMHeadModel(GPT2Config()).transformer.h[0]
    mlp, heads = (sum(p.numel() for p in part.parameters()) for part in (block.mlp, block.attn))
    assert mlp / heads == pytest.approx(2, rel=0.01)


def test_the_required_minutes_are_those_of_the_exercise_and_the_rest_takes_what_it_says(book):
    (page,) = (page for page in budgets(book) if page.page.page.startswith("1-"))
    assert page.page.budget == 3 and page.exercises[0].budget == 3
    background = sum(part.estimate for part in page.parts)
    assert 10 < background < 16, "a quarter of an hour, says the overview"
