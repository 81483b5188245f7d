"""The check of Exercise 2.4a passes every right answer and names what is wrong with the others."""

from functools import partial

import pytest
import torch

from interp_rl.checks.section2 import check_path_patch


def place(layer):
    return f"blocks.{layer}.attn.hook_z"


def z_of(model, tokens):
    return model.run_with_cache(tokens, names_filter=lambda name: name.endswith("attn.hook_z"))[1]


def by_closure(model, clean_tokens, corrupted_tokens, layer, head):
    clean, corrupted = z_of(model, clean_tokens), z_of(model, corrupted_tokens)

    def freeze(z, hook):
        z = clean[hook.name].clone()
        if hook.name == place(layer):
            z[:, :, head] = corrupted[hook.name][:, :, head]
        return z

    hooks = [(place(i), freeze) for i in range(model.cfg.n_layers)]
    return model.run_with_hooks(clean_tokens, fwd_hooks=hooks)


def by_results(model, clean_tokens, corrupted_tokens, layer, head):
    """On what the heads write, `hook_result`, with everything cached, and the context manager."""
    _, clean = model.run_with_cache(clean_tokens)
    _, corrupted = model.run_with_cache(corrupted_tokens)

    def replace(value, hook, new):
        return new

    hooks = []
    for i in range(model.cfg.n_layers):
        new = clean["result", i].clone()
        if i == layer:
            new[:, :, head] = corrupted["result", i][:, :, head]
        hooks.append((f"blocks.{i}.attn.hook_result", partial(replace, new=new)))
    with model.hooks(fwd_hooks=hooks):
        return model(clean_tokens)


def later_layers_only(model, clean_tokens, corrupted_tokens, layer, head):
    """Earlier heads, and those of the same layer, cannot react to the sender."""
    clean, corrupted = z_of(model, clean_tokens), z_of(model, corrupted_tokens)

    def patch(z, hook):
        z[:, :, head] = corrupted[hook.name][:, :, head]
        return z

    def freeze(z, hook):
        return clean[hook.name]

    later = [(place(i), freeze) for i in range(layer + 1, model.cfg.n_layers)]
    return model.run_with_hooks(clean_tokens, fwd_hooks=[(place(layer), patch), *later])


def with_hooks_that_are_reset(model, clean_tokens, corrupted_tokens, layer, head):
    clean, corrupted = z_of(model, clean_tokens), z_of(model, corrupted_tokens)

    def freeze(z, hook):
        z = clean[hook.name].clone()
        if hook.name == place(layer):
            z[:, :, head] = corrupted[hook.name][:, :, head]
        return z

    for i in range(model.cfg.n_layers):
        model.add_hook(place(i), freeze)
    logits = model(clean_tokens)
    model.reset_hooks()
    return logits


@pytest.mark.parametrize(
    "solution", [by_closure, by_results, later_layers_only, with_hooks_that_are_reset]
)
def test_every_way_of_writing_the_path_patch_passes(solution):
    result = check_path_patch(solution)
    assert result.passed, result
    assert "direct effect" in result.learned


def mistaken(
    *,
    run_on="clean",
    freeze="clean",
    sender="corrupted",
    index=lambda head: (slice(None), slice(None), head),
    ending="attn.hook_z",
    also=(),
    order=1,
    finish=lambda logits, clean: logits,
    which=lambda layer, head: (layer, head),
):
    """An answer with one thing in it done differently."""

    def answer(model, clean_tokens, corrupted_tokens, layer, head):
        layer, head = which(layer, head)
        tokens = {"clean": clean_tokens, "corrupted": corrupted_tokens}
        ran = {name: model.run_with_cache(value) for name, value in tokens.items()}
        caches = {name: cache for name, (_, cache) in ran.items()}
        caches["zero"] = {k: torch.zeros_like(v) for k, v in caches["clean"].items()}

        def hold(value, hook):
            return caches[freeze][hook.name].clone()

        def patch(z, hook):
            z = z.clone()
            z[index(head)] = caches[sender][hook.name][index(head)]
            return z

        names = [name for name in model.hook_dict if name.endswith((ending, *also))]
        hooks = [(name, hold) for name in names] if freeze else []
        hooks = [*hooks, (place(layer), patch)][::order]
        return finish(model.run_with_hooks(tokens[run_on], fwd_hooks=hooks), ran["clean"][0])

    return answer


def adds(model, clean_tokens, corrupted_tokens, layer, head):
    clean, corrupted = z_of(model, clean_tokens), z_of(model, corrupted_tokens)

    def freeze(z, hook):
        z = clean[hook.name].clone()
        if hook.name == place(layer):
            z[:, :, head] += corrupted[hook.name][:, :, head]
        return z

    hooks = [(place(i), freeze) for i in range(model.cfg.n_layers)]
    return model.run_with_hooks(clean_tokens, fwd_hooks=hooks)


def bound_late(model, clean_tokens, corrupted_tokens, layer, head):
    clean, corrupted = z_of(model, clean_tokens), z_of(model, corrupted_tokens)
    hooks = []
    for i in range(model.cfg.n_layers):
        hooks.append((place(i), lambda z, hook: clean[place(i)]))  # noqa: B023  the mistake

    def patch(z, hook):
        z = z.clone()
        z[:, :, head] = corrupted[hook.name][:, :, head]
        return z

    return model.run_with_hooks(clean_tokens, fwd_hooks=[*hooks, (place(layer), patch)])


def every_layer(model, clean_tokens, corrupted_tokens, layer, head):
    clean, corrupted = z_of(model, clean_tokens), z_of(model, corrupted_tokens)

    def patch(z, hook):
        z = clean[hook.name].clone()
        z[:, :, head] = corrupted[hook.name][:, :, head]
        return z

    hooks = [(place(i), patch) for i in range(model.cfg.n_layers)]
    return model.run_with_hooks(clean_tokens, fwd_hooks=hooks)


def later_mlps(model, clean_tokens, corrupted_tokens, layer, head):
    _, clean = model.run_with_cache(clean_tokens)
    corrupted = z_of(model, corrupted_tokens)

    def hold(value, hook):
        value = clean[hook.name].clone()
        if hook.name == place(layer):
            value[:, :, head] = corrupted[hook.name][:, :, head]
        return value

    later = [f"blocks.{i}.hook_mlp_out" for i in range(layer + 1, model.cfg.n_layers)]
    names = [place(i) for i in range(model.cfg.n_layers)]
    names += [name for name in later if name in model.hook_dict]
    return model.run_with_hooks(clean_tokens, fwd_hooks=[(name, hold) for name in names])


def bound_late_and_unpatched(model, clean_tokens, corrupted_tokens, layer, head):
    clean, corrupted = z_of(model, clean_tokens), z_of(model, corrupted_tokens)
    hooks = []
    for i in range(model.cfg.n_layers):

        def freeze(z, hook):
            z = clean[place(i)].clone()  # noqa: B023  the mistake
            if i == layer:  # noqa: B023
                z[:, :, head] = corrupted[place(i)][:, :, head]  # noqa: B023
            return z

        hooks.append((place(i), freeze))
    return model.run_with_hooks(clean_tokens, fwd_hooks=hooks)


WRONG = {
    "clean": (mistaken(sender="clean"), "logits of the clean run"),
    "frozen after": (mistaken(order=-1), "the later one in the list acts last"),
    "corrupted": (
        lambda m, c, x, i, j: m(x),
        "logits of the corrupted run",
    ),
    "not frozen": (mistaken(freeze=None), "That is activation patching"),
    "exchanged": (
        mistaken(run_on="corrupted", freeze="corrupted", sender="clean"),
        "Clean and corrupted are exchanged: you run",
    ),
    "exchanged, not frozen": (
        mistaken(run_on="corrupted", freeze=None, sender="clean"),
        "exchanged, and the other heads are not frozen",
    ),
    "caches exchanged": (mistaken(freeze="corrupted", sender="clean"), "exchanged in the caches"),
    "every layer": (every_layer, "in every layer"),
    "later MLPs": (later_mlps, "MLPs of the later layers"),
    "bound late, unpatched": (bound_late_and_unpatched, "and patch none"),
    "log-probabilities": (
        mistaken(finish=lambda x, _: x.log_softmax(-1)),
        "You return log-probabilities",
    ),
    "run on corrupted": (mistaken(run_on="corrupted"), "You run the corrupted prompts. Only"),
    "frozen to corrupted": (mistaken(freeze="corrupted"), "freeze the other heads to the corr"),
    "whole layer": (mistaken(index=lambda head: slice(None)), "every head of the layer"),
    "zero": (mistaken(sender="zero"), "That is a knockout"),
    "adds": (adds, "You add the sender's corrupted output"),
    "position axis": (mistaken(index=lambda head: (slice(None), head)), "patch the position"),
    "prompt axis": (mistaken(index=lambda head: head), "patch the prompt"),
    "last axis": (mistaken(index=lambda head: (..., head)), "of every head's output"),
    "last position": (
        mistaken(index=lambda head: (slice(None), -1, head)),
        "at the last position only",
    ),
    "MLPs": (mistaken(also=("hook_mlp_out",)), "You freeze the MLPs too"),
    "final LayerNorm": (mistaken(also=("ln_final.hook_scale",)), "hold the final LayerNorm"),
    "every LayerNorm": (mistaken(also=("hook_scale",)), "hold every LayerNorm"),
    "patterns": (mistaken(ending="hook_pattern"), "attention patterns only"),
    "bound late": (bound_late, "after the loop"),
    "change": (mistaken(finish=lambda logits, clean: logits - clean), "the change of the logits"),
    "probabilities": (mistaken(finish=lambda x, _: x.softmax(-1)), "You return probabilities"),
    "last logits": (mistaken(finish=lambda x, _: x[:, -1]), "of the last position alone"),
    "exchanged indices": (
        mistaken(which=lambda layer, head: (head, layer)),
        "You patch head 0.1 instead of head 1.0",
    ),
}


@pytest.fixture(scope="module")
def results():
    return {name: check_path_patch(mistake) for name, (mistake, _) in WRONG.items()}


@pytest.mark.parametrize("name", WRONG)
def test_each_misconception_is_named(results, name):
    assert results[name].status == "failed"
    assert WRONG[name][1] in results[name].message, results[name]


def test_no_two_misconceptions_share_a_message(results):
    said = {name: result.message for name, result in results.items()}
    assert said.pop("frozen after") == said["clean"]
    assert len(set(said.values())) == len(said)


def test_hooks_left_on_the_model_are_noticed():
    def leaves(model, clean_tokens, corrupted_tokens, layer, head):
        logits = by_closure(model, clean_tokens, corrupted_tokens, layer, head)
        model.add_hook(place(layer), lambda z, hook: z)
        return logits

    message = check_path_patch(leaves).message
    assert "leaves a hook at 'blocks.1.attn.hook_z' behind" in message
    assert "run_with_hooks" in message


def test_a_run_with_cache_returned_whole_is_recognised():
    def both(model, clean_tokens, corrupted_tokens, layer, head):
        return model.run_with_cache(clean_tokens)

    assert "returns a tuple" in check_path_patch(both).message


def test_tokens_changed_in_place_are_noticed():
    def changes(model, clean_tokens, corrupted_tokens, layer, head):
        logits = by_closure(model, clean_tokens, corrupted_tokens, layer, head)
        clean_tokens[:] = corrupted_tokens
        return logits

    assert "changes its input `clean_tokens` in place" in check_path_patch(changes).message


def test_an_answer_for_one_model_only_is_told_apart():
    def three_layers(model, clean_tokens, corrupted_tokens, layer, head):
        clean, corrupted = z_of(model, clean_tokens), z_of(model, corrupted_tokens)

        def freeze(z, hook):
            z = clean[hook.name].clone()
            if hook.name == place(layer):
                z[:, :, head] = corrupted[hook.name][:, :, head]
            return z

        hooks = [(name, freeze) for name in map(place, range(3)) if name in model.hook_dict]
        return model.run_with_hooks(clean_tokens, fwd_hooks=hooks)

    message = check_path_patch(three_layers).message
    assert "right for head 1.0 of a model of 3 layers" in message
    assert "head 2.1 of one of 4 layers with MLPs" in message


def test_the_stub_is_not_attempted():
    def patched_logits(model, clean_tokens, corrupted_tokens, layer, head):
        raise NotImplementedError("Exercise 2.4a: Your turn.")

    assert check_path_patch(patched_logits).status == "not attempted"
