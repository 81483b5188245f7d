"""Check of Exercise 2.3a: mean ablation."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, compare, show
from interp_rl.checks.hidden import generator


@check("2.3a", learned="A mean ablation keeps the template and removes what the reference varies.")
def check_mean_ablation(fn: Student) -> None:
    """Checks Exercise 2.3a: the mean ablation of one head.

    Args:
        fn: Your function `mean_ablate(z, head, templates, reference_z, reference_templates)`.
    """
    small = _outputs((7, 2, 2, 7), (2, 7, 2, 2, 7, 2, 7), positions=2, heads=2, head=1, seed=1)
    _compare_ablation(fn(*small), *small)

    other = _outputs(
        (5, -2, 9), (9, -2, 5, 9, 3, 5, 3), positions=4, heads=3, head=0, seed=2, d_head=3
    )
    one = _outputs((1,), (1, 1, 4), positions=3, heads=2, head=1, seed=3)
    for inputs, what in ((other, "templates 5, -2 and 9, head 0 of 3"), (one, "1 prompt")):
        try:
            _compare_ablation(fn(*inputs), *inputs)
        except Wrong as wrong:
            wrong.message = (
                "Your function is right on 4 prompts of 2 templates, head 1 of 2, and wrong on "
                f"{what}. Does it contain numbers or shapes of one example? {wrong.message}"
            )
            raise


_Ablation = tuple[
    Float[Tensor, "prompt pos head d_head"],
    int,
    Int[Tensor, " prompt"],
    Float[Tensor, "reference pos head d_head"],
    Int[Tensor, " reference"],
]


def _outputs(
    templates: tuple[int, ...],
    reference_templates: tuple[int, ...],
    *,
    positions: int,
    heads: int,
    head: int,
    seed: int,
    d_head: int = 2,
) -> _Ablation:
    """Random outputs of the heads of one layer, with one decimal."""
    draw_from = generator(seed)

    def draw(n_prompts: int) -> Tensor:
        shape = n_prompts, positions, heads, d_head
        return torch.randint(-40, 41, shape, generator=draw_from) / 10

    z, reference_z = draw(len(templates)), draw(len(reference_templates))
    return z, head, torch.tensor(templates), reference_z, torch.tensor(reference_templates)


def _compare_ablation(
    answer: object,
    z: Float[Tensor, "prompt pos head d_head"],
    head: int,
    templates: Int[Tensor, " prompt"],
    reference_z: Float[Tensor, "reference pos head d_head"],
    reference_templates: Int[Tensor, " reference"],
) -> None:
    own = templates[:, None] == reference_templates  # prompt, reference
    weights = own / own.sum(1, keepdim=True)
    mean = torch.einsum("pr,r...->p...", weights, reference_z)
    expected = _with_head(z, head, mean)
    if isinstance(answer, Tensor) and answer.shape == z.shape:
        _require_mean_not_sample(answer, expected, head, reference_z)
    inputs = (z, head, templates, reference_z, reference_templates)
    compare(answer, expected, _ablation_mistakes(*inputs, mean))


def _require_mean_not_sample(
    answer: Tensor, expected: Tensor, head: int, reference_z: Tensor
) -> None:
    """Whichever reference prompts were drawn, their outputs are recognised."""
    got, right, pool = answer[:, :, head], expected[:, :, head], reference_z[:, :, head]
    found = (got[:, None] - pool[None]).abs().flatten(2).amax(-1).amin(1) < 1e-4
    if found.all() and (got - right).abs().max() > 1e-3:
        raise Wrong(
            "In place of each prompt's output you put that of one reference prompt. That is a "
            "resample ablation; a mean ablation takes the mean over all reference prompts of the "
            "same template.",
            show(answer),
            show(expected),
        )


def _with_head(z: Tensor, head: int, value: Tensor) -> Tensor:
    """A copy of the outputs with those of one head taken from another tensor."""
    chosen = torch.arange(z.shape[2])[:, None] == head
    return torch.where(chosen, value, z)


def _ablation_mistakes(
    z: Float[Tensor, "prompt pos head d_head"],
    head: int,
    templates: Int[Tensor, " prompt"],
    reference_z: Float[Tensor, "reference pos head d_head"],
    reference_templates: Int[Tensor, " reference"],
    mean: Float[Tensor, "prompt pos head d_head"],
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    n_prompts, n_positions = z.shape[:2]
    groups = [reference_z[reference_templates == template] for template in templates]
    mine = torch.stack([z[templates == template].mean(0) for template in templates])
    both = torch.stack(
        [
            torch.cat([group, z[templates == template]]).mean(0)
            for group, template in zip(groups, templates, strict=True)
        ]
    )
    median = torch.stack([group.median(0).values for group in groups])
    middle = torch.stack([group.quantile(0.5, dim=0) for group in groups])
    total = torch.stack([group.sum(0) for group in groups])
    kinds, own_kinds = reference_templates.unique(), templates.unique(return_inverse=True)[1]
    table = torch.stack([reference_z[reference_templates == kind].mean(0) for kind in kinds])
    by_place = torch.zeros(int(kinds.max()) + 1, *reference_z.shape[1:])
    for kind, value in zip(kinds[kinds >= 0].tolist(), table[kinds >= 0], strict=True):
        by_place[kind] = value
    overall = reference_z.mean(0).expand_as(z)

    def put(value: Tensor) -> Tensor:
        return _with_head(z, head, value.expand_as(z))

    position = z.clone()
    if head < n_positions:
        position[:, head] = mean[:, head]
    mistakes = {
        "You set the head to zero. A mean ablation puts the mean of the reference prompts in its "
        "place.": put(torch.zeros(())),
        "You take the mean over all reference prompts, whatever their template. The same position "
        "holds another word in each template: average over the reference prompts with the same "
        "`templates` entry.": put(overall),
        "Your mean runs over the positions too. Average over the reference prompts only, one mean "
        "for each position: `.mean(0)`.": put(mean.mean(1, keepdim=True)),
        "You take one mean over all templates and positions. Average over the reference prompts "
        "of the same template, one mean for each position.": put(overall.mean(1, keepdim=True)),
        "You take the mean over the evaluated prompts, `z`. In them the names stand where the "
        "task puts them: average over the reference prompts, `reference_z`.": put(mine),
        "You take the mean over the evaluated prompts, of all templates. Average over the "
        "reference prompts, `reference_z`, of the same template.": put(z.mean(0)),
        "You take the mean over the evaluated and the reference prompts together. Average over "
        "the reference prompts, `reference_z`, alone.": put(both),
        "You take the median. The mean ablation takes the mean.": put(median),
        "You take the median, between the two middle values. The mean ablation takes the mean.": (
            put(middle)
        ),
        "You take the sum over the reference prompts. Divide by their number: `.mean(0)`.": (
            put(total)
        ),
        "You divide by the number of all reference prompts. Divide by the number of those with "
        "the same template.": put(total / len(reference_z)),
        "Your mean runs over the numbers of the head's output too. Keep them apart: the mean is a "
        "vector of `d_head` numbers for each position.": put(mean.mean(-1, keepdim=True)),
        "Your mean runs over the heads too. Each head has its own mean: take "
        "`reference_z[:, :, head]`.": put(mean.mean(2, keepdim=True)),
        "You replace every head. Only `head` is knocked out; the others keep their output.": mean,
        "You replace the position with the number `head`. The third axis counts the heads: "
        "`z[:, :, head]`.": position,
        "You return the outputs unchanged. Put the mean in the place of the head's output.": z,
        "You return the means of the head alone. Return the outputs of all heads, with this one "
        "replaced: the model goes on computing with them.": mean[:, :, head],
        "You use the template of the first prompt for all prompts. Each prompt has its own entry "
        "in `templates`.": put(mean[:1]),
        "You number the templates of the prompts and those of the reference prompts apart from "
        "each other. `templates` may lack some of them: compare the entries themselves.": put(
            table[own_kinds]
        ),
        "You take the numbers of the templates for places in a table. They may be any integers, "
        "also negative ones: compare the entries themselves.": put(by_place[templates]),
        "You subtract the mean. Put it in the place of the output.": put(z - mean),
        "You add the mean to the output. Put it in the place of the output.": put(z + mean),
    }
    for other in range(z.shape[2]):
        if other != head:
            text = f"You replace head {other}, and head {head} is to be knocked out. Heads are "
            mistakes[text + "counted from 0, on the third axis."] = _with_head(z, other, mean)
    if n_prompts == 1:  # one template only: there is no first one to mistake for the others
        mistakes = {text: value for text, value in mistakes.items() if "first prompt" not in text}
    return mistakes
