"""Check of Exercise 2.6a: the faithfulness of a circuit."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, compare
from interp_rl.checks.hidden import generator

_Node = tuple[int, int, str]
_Edit = Callable[[Tensor, int], Tensor]
_Run = Callable[[_Edit], Tensor]
_Keep = Callable[[Tensor, Tensor, int], Tensor]
_Inputs = tuple[
    _Run,
    Float[Tensor, "layer prompt pos head d_head"],
    list[_Node],
    dict[str, Int[Tensor, " prompt"]],
]


@check("2.6a", learned="A faithful circuit does alone, on average, what the whole model does.")
def check_faithfulness(fn: Student) -> None:
    """Checks Exercise 2.6a: the faithfulness of a circuit.

    Args:
        fn: Your function `faithfulness(run, means, circuit, positions)`.
    """
    small = _example([(0, 1, "S2"), (1, 0, "END")], layers=2, heads=2, prompts=4, length=4, seed=1)
    run, means, circuit, positions = small
    # the same with the other sign of F(M) - F(C)
    mirrored: _Inputs = (lambda edit: -run(edit), means, circuit, positions)
    for inputs in (small, mirrored):
        _compare_gap(fn(*inputs), *inputs)
    other = _example(
        [(0, 2, "END"), (2, 1, "END"), (1, 0, "S2"), (0, 2, "S2")],
        layers=3,
        heads=3,
        prompts=3,
        length=6,
        seed=4,
    )
    nothing = _example([], layers=2, heads=2, prompts=2, length=3, seed=5)
    for inputs, what in (
        (other, "4 nodes, 3 layers of 3 heads. Does it contain numbers of one example?"),
        (nothing, "a circuit without nodes."),
    ):
        try:
            _compare_gap(fn(*inputs), *inputs)
        except Wrong as wrong:
            wrong.message = (
                "Your function is right on a circuit of 2 nodes in 2 layers, and wrong on "
                f"{what} {wrong.message}"
            )
            raise


def _example(
    circuit: list[_Node], *, layers: int, heads: int, prompts: int, length: int, seed: int
) -> _Inputs:
    """A model in which each layer reads what the layers before it wrote; two numbers per head."""
    draw_from = generator(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randint(-20, 21, shape, generator=draw_from) / 10

    own = draw(layers, prompts, length, heads, 2)
    means = draw(layers, prompts, length, heads, 2) / 2
    readout = draw(heads, 2)
    ends = torch.randint(length - 2, length, (prompts,), generator=draw_from)
    seconds = torch.randint(0, length - 2, (prompts,), generator=draw_from)
    rows = torch.arange(prompts)

    def run(edit: _Edit) -> Tensor:
        total = torch.zeros(prompts, length, heads, 2)
        for layer in range(layers):
            before = total.cumsum(1).flip(2)  # attention looks back, and heads read each other
            z = edit((own[layer] + 0.3 * before).clone(), layer)
            if not isinstance(z, Tensor) or z.shape != own[layer].shape:
                raise TypeError(
                    "the function that you hand to `run` must return the outputs of all heads of "
                    f"the layer, (prompt, pos, head, d_head), here {tuple(own[layer].shape)}"
                )
            total = total + z
        at_end = total.cumsum(1)[rows, ends]
        return (at_end * readout).sum((1, 2)) + 0.1 * at_end.square().sum((1, 2))

    return run, means, circuit, {"S2": seconds, "END": ends}


def _compare_gap(
    answer: object,
    run: _Run,
    means: Float[Tensor, "layer prompt pos head d_head"],
    circuit: list[_Node],
    positions: dict[str, Int[Tensor, " prompt"]],
) -> None:
    intact: dict[int, Tensor] = {}

    def look(z: Tensor, layer: int) -> Tensor:
        intact[layer] = z
        return z

    whole = run(look)
    at_nodes, everywhere = (_kept(circuit, positions, spread) for spread in (False, True))

    def left(kept: _Keep, off: Tensor = means, *, inside: bool = True) -> Tensor:
        """Logit difference with the nodes kept, or with the nodes alone knocked out."""

        def edit(z: Tensor, layer: int) -> Tensor:
            keep = kept(z, off, layer) if inside else ~kept(z, off, layer)
            return torch.where(keep[..., None], z, off[layer].expand_as(z))

        return run(edit)

    def seen_alone(z: Tensor, off: Tensor, layer: int) -> Tensor:
        """The nodes, and all outputs of a layer that has none."""
        empty = all(node[0] != layer for node in circuit)
        return torch.full(z.shape[:3], True) if empty else at_nodes(z, off, layer)

    def at_all_positions(z: Tensor, off: Tensor, layer: int) -> Tensor:
        """The nodes, with the positions of all prompts in every prompt."""
        keep = at_nodes(z, off, layer)
        for node_layer, head, name in circuit:
            if node_layer == layer:
                keep[:, positions[name], head] = True
        return keep

    def all_heads(z: Tensor, off: Tensor, layer: int) -> Tensor:
        """The positions of the nodes, in every head."""
        return at_nodes(z, off, layer).any(2, keepdim=True).expand(z.shape[:3])

    def last_position(z: Tensor, off: Tensor, layer: int) -> Tensor:
        """The nodes of a head at one position, where a head has several."""
        named = {(node[0], node[1]): node[2] for node in circuit}
        kept = [(*node, name) for node, name in named.items()]
        return _kept(kept, positions, False)(z, off, layer)

    def gap(scores: Tensor) -> Tensor:
        return (whole.mean() - scores.mean()).abs()

    alone = left(at_nodes)
    mixed = means.mean(1, keepdim=True).expand_as(means)
    flat = means.mean(2, keepdim=True).expand_as(means)
    own_row_only = {name: at[:1].expand_as(at) for name, at in positions.items()}
    mistakes = {
        "You leave a layer alone if the circuit has no node in it. Everything outside the circuit "
        "is replaced by its mean, in every layer.": gap(left(seen_alone)),
        "`z[:, positions[name], head]` takes the positions of all prompts in every prompt. Index "
        "with a row for each prompt: `z[torch.arange(n), positions[name], head]`.": (
            gap(left(at_all_positions))
        ),
        "You keep all heads at the position of a node. A node is one head.": gap(left(all_heads)),
        "You keep a head at one position only. It may stand in the circuit at several.": (
            gap(left(last_position))
        ),
        "You put the nodes' outputs of the intact model back. What later layers of the circuit "
        "read has changed: keep the `z` that your function is given.": gap(
            run(
                lambda z, layer: torch.where(
                    at_nodes(z, means, layer)[..., None], intact[layer], means[layer]
                )
            )
        ),
        "You use the means of the first layer in every layer: `means[layer]`.": (
            gap(left(at_nodes, means[:1].expand_as(means)))
        ),
        "You use the means of the first prompt for all prompts. Row i belongs to prompt i.": (
            gap(left(at_nodes, means[:, :1].expand_as(means)))
        ),
        "You knock out the circuit and keep the rest. F(C) is the other way round: everything "
        "outside the circuit is replaced by its mean, and the circuit's nodes stay.": gap(
            left(at_nodes, inside=False)
        ),
        "You take the absolute value for each prompt, and then the mean. Take the two means first: "
        "the paper compares F(M) with F(C), both means over the prompts.": (
            (whole - alone).abs().mean()
        ),
        "You return the ratio of F(C) and F(M). The gap is their difference.": (
            alone.mean() / whole.mean()
        ),
        "You return the gap as a share of F(M). Leave it in units of the logit difference.": (
            gap(alone) / whole.mean().abs()
        ),
        "You return F(C) - F(M), with its sign: take the absolute value.": (
            alone.mean() - whole.mean()
        ),
        "You return F(M) - F(C), with its sign: take the absolute value.": (
            whole.mean() - alone.mean()
        ),
        "You set everything outside the circuit to zero. Put `means[layer]` in its place.": gap(
            left(at_nodes, torch.zeros_like(means))
        ),
        "You keep the circuit's heads at every position. A node is a head at one position of each "
        "prompt; at the others the head is knocked out.": gap(left(everywhere)),
        "You knock out the circuit's heads, at every position. Keep each node, at its position, "
        "and knock out everything else.": gap(left(everywhere, inside=False)),
        "You take the mean of `means` over the prompts. They are means already: row i belongs to "
        "the template of prompt i, and prompts have different ones.": gap(left(at_nodes, mixed)),
        "You take the mean of `means` over the positions. Each position has its own mean.": gap(
            left(at_nodes, flat)
        ),
        "You return one number for each prompt. F is a mean: take `.mean()` of both before you "
        "compare.": (whole - alone).abs(),
        "You return one signed number for each prompt. F is a mean: take `.mean()` of both, then "
        "the absolute value of their difference.": whole - alone,
        "You return one signed number for each prompt, the model's subtracted from the circuit's. "
        "Take `.mean()` of both, then the absolute value of their difference.": alone - whole,
        "You return F(C). Compare it with F(M), the mean of the intact model.": alone.mean(),
        "You return F(M). Compare it with F(C), the mean with the circuit alone.": whole.mean(),
        "You return the logit differences of C, one for each prompt. Compare their mean with that "
        "of the intact model.": alone,
        "You add up over the prompts. F is the mean: divide by their number.": (
            (whole.sum() - alone.sum()).abs()
        ),
        "You use the position of the first prompt for all prompts. Each prompt has its own entry "
        "in `positions[name]`.": gap(left(_kept(circuit, own_row_only, False))),
        "You compare the squares. The gap is the absolute difference.": (
            (whole.mean() - alone.mean()).square()
        ),
    }
    compare(answer, gap(alone), mistakes)


def _kept(circuit: list[_Node], positions: dict[str, Tensor], spread: bool) -> _Keep:
    """True at the outputs that stay: those of the nodes, or of their heads at every position."""

    def keep(z: Tensor, off: Tensor, layer: int) -> Tensor:
        mask = torch.zeros(z.shape[:3], dtype=torch.bool)
        rows = torch.arange(len(z))
        for node_layer, head, name in circuit:
            if node_layer == layer and spread:
                mask[:, :, head] = True
            elif node_layer == layer:
                mask[rows, positions[name], head] = True
        return mask

    return keep
