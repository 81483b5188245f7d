"""Each misconception about faithfulness gets its own message; right answers pass."""

import pytest
import torch

from interp_rl.checks.section2.faithfulness import check_faithfulness


def by_rows(run, means, circuit, positions):
    def only_circuit(z, layer):
        changed = means[layer].clone()
        rows = torch.arange(len(z))
        for node_layer, head, position in circuit:
            if node_layer == layer:
                at = positions[position]
                changed[rows, at, head] = z[rows, at, head]
        return changed

    return (run(lambda z, layer: z).mean() - run(only_circuit).mean()).abs()


def gap_with(run, kept, off):
    """The gap when `kept(z, layer)` stays and the rest is `off(layer, z)`."""

    def edit(z, layer):
        return torch.where(kept(z, layer)[..., None], z, off(layer, z).expand_as(z))

    return (run(edit).mean() - run(lambda z, layer: z).mean()).abs()


def mask_of(circuit, positions, z, layer):
    pos = torch.arange(z.shape[1])
    mask = torch.zeros(z.shape[:3], dtype=torch.bool)
    for node_layer, head, position in circuit:
        if node_layer == layer:
            mask[:, :, head] |= pos == positions[position][:, None]
    return mask


def by_mask(run, means, circuit, positions):
    return gap_with(
        run, lambda z, layer: mask_of(circuit, positions, z, layer), lambda layer, z: means[layer]
    )


def by_loop_in_place(run, means, circuit, positions):
    """Overwrites the z that it was handed, which is the caller's to give."""

    def edit(z, layer):
        own = z.clone()
        z.copy_(means[layer])
        for node_layer, head, position in circuit:
            for row, at in enumerate(positions[position].tolist()):
                if node_layer == layer:
                    z[row, at, head] = own[row, at, head]
        return z

    f_circuit = run(edit).double().mean()
    return abs(f_circuit - run(lambda z, layer: z).double().mean())


@pytest.mark.parametrize("solution", [by_rows, by_mask, by_loop_in_place])
def test_every_way_of_writing_it_passes(solution):
    result = check_faithfulness(solution)
    assert result.passed, result
    assert "does alone" in result.learned


def scores(run, means, circuit, positions):
    def edit(z, layer):
        return torch.where(mask_of(circuit, positions, z, layer)[..., None], z, means[layer])

    return run(lambda z, layer: z), run(edit)


def complement(run, means, circuit, positions):
    return gap_with(
        run, lambda z, layer: ~mask_of(circuit, positions, z, layer), lambda layer, z: means[layer]
    )


def whole_heads(run, means, circuit, positions, kept=True):
    def keep(z, layer):
        mask = torch.full(z.shape[:3], not kept)
        for node_layer, head, _ in circuit:
            if node_layer == layer:
                mask[:, :, head] = kept
        return mask

    return gap_with(run, keep, lambda layer, z: means[layer])


def with_means(change):
    def mistaken(run, means, circuit, positions):
        return by_mask(run, change(means).expand_as(means), circuit, positions)

    return mistaken


def from_scores(combine):
    def mistaken(*inputs):
        return combine(*scores(*inputs))

    return mistaken


def first_position(run, means, circuit, positions):
    return by_rows(run, means, circuit, {k: at[:1].expand_as(at) for k, at in positions.items()})


def changes_means(run, means, circuit, positions):
    answer = by_rows(run, means, circuit, positions)
    means *= 0
    return answer


def two_nodes_only(run, means, circuit, positions):
    return by_rows(run, means, circuit[:2], positions)


def returns_nothing(run, means, circuit, positions):
    return run(lambda z, layer: None).mean()


def layers_with_nodes_only(run, means, circuit, positions):
    used = {layer for layer, _, _ in circuit}

    def keep(z, layer):
        return mask_of(circuit, positions, z, layer) | (layer not in used)

    return gap_with(run, keep, lambda layer, z: means[layer])


def positions_of_all(run, means, circuit, positions):
    def edit(z, layer):
        kept = means[layer].clone()
        for node_layer, head, name in circuit:
            if node_layer == layer:
                kept[:, positions[name], head] = z[:, positions[name], head]
        return kept

    return (run(lambda z, layer: z).mean() - run(edit).mean()).abs()


def all_heads(run, means, circuit, positions):
    def keep(z, layer):
        return mask_of(circuit, positions, z, layer).any(2, keepdim=True).expand(z.shape[:3])

    return gap_with(run, keep, lambda layer, z: means[layer])


def one_position_for_each_head(run, means, circuit, positions):
    names = {(layer, head): name for layer, head, name in circuit}
    return by_mask(run, means, [(*node, name) for node, name in names.items()], positions)


def of_the_intact_model(run, means, circuit, positions):
    seen = {}

    def look(z, layer):
        seen[layer] = z.clone()
        return z

    def edit(z, layer):
        kept = mask_of(circuit, positions, z, layer)[..., None]
        return torch.where(kept, seen[layer], means[layer])

    return (run(look).mean() - run(edit).mean()).abs()


WRONG = {
    "complement": (complement, "You knock out the circuit and keep the rest"),
    "absolute first": (
        from_scores(lambda m, c: (m - c).abs().mean()),
        "absolute value for each prompt",
    ),
    "ratio": (from_scores(lambda m, c: c.mean() / m.mean()), "You return the ratio"),
    "share": (from_scores(lambda m, c: ((m - c).mean() / m.mean()).abs()), "as a share of F(M)"),
    "sign": (from_scores(lambda m, c: c.mean() - m.mean()), "You return F(C) - F(M), with"),
    "other sign": (from_scores(lambda m, c: m.mean() - c.mean()), "You return F(M) - F(C), with"),
    "zero": (with_means(torch.zeros_like), "to zero"),
    "all positions": (whole_heads, "You keep the circuit's heads at every position"),
    "all positions off": (
        lambda *inputs: whole_heads(*inputs, kept=False),
        "You knock out the circuit's heads, at every position",
    ),
    "mean over prompts": (with_means(lambda m: m.mean(1, keepdim=True)), "over the prompts. They"),
    "mean over positions": (with_means(lambda m: m.mean(2, keepdim=True)), "over the positions"),
    "no mean": (from_scores(lambda m, c: (m - c).abs()), "You return one number for each prompt"),
    "no mean, signed": (from_scores(lambda m, c: m - c), "one signed number for each prompt. F"),
    "no mean, other sign": (from_scores(lambda m, c: c - m), "subtracted from the circuit's"),
    "only C": (from_scores(lambda m, c: c.mean()), "You return F(C). Compare"),
    "only M": (from_scores(lambda m, c: m.mean()), "You return F(M). Compare"),
    "C of each prompt": (from_scores(lambda m, c: c), "the logit differences of C"),
    "sum": (from_scores(lambda m, c: (m - c).sum().abs()), "You add up over the prompts"),
    "first position": (first_position, "the position of the first prompt"),
    "squares": (from_scores(lambda m, c: (m - c).mean() ** 2), "You compare the squares"),
    "layers without nodes": (layers_with_nodes_only, "leave a layer alone"),
    "positions of all prompts": (positions_of_all, "the positions of all prompts in every prompt"),
    "all heads": (all_heads, "You keep all heads"),
    "one position for each head": (one_position_for_each_head, "at one position only"),
    "of the intact model": (of_the_intact_model, "outputs of the intact model"),
    "first layer": (with_means(lambda m: m[:1]), "the means of the first layer"),
    "first prompt": (with_means(lambda m: m[:, :1]), "the means of the first prompt"),
    "in place": (changes_means, "changes its input `means` in place"),
    "constants": (two_nodes_only, "numbers of one example"),
    "nothing handed back": (returns_nothing, "must return the outputs of all heads"),
    "float": (
        from_scores(lambda m, c: (m - c).mean().abs().item()),
        "should return a torch tensor",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_misconception_is_named(name):
    mistake, message = WRONG[name]
    result = check_faithfulness(mistake)
    assert result.status == "failed"
    assert message in result.message, result


def test_no_two_misconceptions_share_a_message():
    said = [check_faithfulness(mistake).message for mistake, _ in WRONG.values()]
    assert len(set(said)) == len(said)


def test_the_example_shown_is_small():
    result = check_faithfulness(complement)
    assert len(result.expected) < 20 and len(result.got) < 20


def test_the_stub_of_the_chapter_is_not_attempted():
    def faithfulness(run, means, circuit, positions):
        raise NotImplementedError("Exercise 2.6a: Your turn.")

    assert check_faithfulness(faithfulness).status == "not attempted"
