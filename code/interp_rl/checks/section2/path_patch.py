"""Check of Exercise 2.4a: path patching to the logits."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, compare
from interp_rl.checks.hidden import generator

if TYPE_CHECKING:
    from interp_rl.checks.section2.tiny_hooked import TinyHooked

Tokens = Int[Tensor, "prompt pos"]
"""A batch of prompts."""

Logits = Float[Tensor, "prompt pos vocab"]
"""What the model makes of them."""

Hooks = list[tuple[str, Callable[..., Tensor]]]
"""Names of places and the functions called there."""


@check("2.4a", learned="With all other heads frozen, what changes is the sender's direct effect.")
def check_path_patch(fn: Student) -> None:
    """Checks Exercise 2.4a: the logits with one head's path to them patched.

    Args:
        fn: Your function `patched_logits(model, clean_tokens, corrupted_tokens, layer, head)`.
    """
    from interp_rl.checks.section2.tiny_hooked import TinyHooked

    draw_from = generator(0)

    def pair(*shape: int) -> Int[Tensor, "2 _ _"]:
        return torch.randint(9, (2, *shape), generator=draw_from)

    with torch.no_grad():
        model = TinyHooked(layers=3, heads=2, d_mlp=10, seed=0)
        _require_patch(fn, model, pair(2, 5), 1, 0)
        cases = (
            (TinyHooked(layers=2, heads=3, d_mlp=0, seed=1), (3, 4), 0, 2),
            (TinyHooked(layers=4, heads=2, d_mlp=5, seed=2), (1, 6), 2, 1),
        )
        for other, shape, layer, head in cases:
            try:
                _require_patch(fn, other, pair(*shape), layer, head)
            except Wrong as wrong:
                wrong.message = (
                    "Your function is right for head 1.0 of a model of 3 layers, and wrong for "
                    f"head {layer}.{head} of one of {other.cfg.n_layers} layers with"
                    f"{'' if other.has_mlps else 'out'} MLPs. Does it contain numbers or shapes of "
                    f"one example? {wrong.message}"
                )
                raise


def _require_patch(
    fn: Student, model: "TinyHooked", pair: Int[Tensor, "2 prompt pos"], layer: int, head: int
) -> None:
    clean, corrupted = pair
    experiment = _Experiment(model, clean, corrupted)
    answer = fn(model, clean, corrupted, layer, head)
    left = model.hooks_left()
    model.reset_hooks()
    if left:
        raise Wrong(
            f"Your function leaves a hook at {left[0]!r} behind, so that every later run of the "
            "model is changed too. Use `model.run_with_hooks(...)`, which removes its hooks."
        )
    if isinstance(answer, tuple):
        raise Wrong(
            "Your function returns a tuple. `run_with_cache` gives the logits and a cache: return "
            "the logits of the patched run alone."
        )
    right = experiment.patched(layer, head)
    try:
        compare(answer, right)
    except Wrong:  # only now run the model once for each mistake
        compare(answer, right, experiment.mistakes(layer, head))


class _Experiment:
    """The right answer and the mistaken ones, on one pair of batches."""

    def __init__(self, model: "TinyHooked", clean: Tokens, corrupted: Tokens):
        self.model, self.clean, self.corrupted = model, clean, corrupted
        self.clean_logits, kept = model.run_with_cache(clean)
        self.corrupted_logits, other = model.run_with_cache(corrupted)
        self.kept, self.other = dict(kept.items()), dict(other.items())
        self.layers, self.heads = model.cfg.n_layers, model.cfg.n_heads

    def run(self, hooks: Hooks, tokens: Tokens | None = None) -> Logits:
        return self.model.run_with_hooks(self.clean if tokens is None else tokens, fwd_hooks=hooks)

    def frozen(self, cache: Mapping[str, Tensor], ending: str = "attn.hook_z") -> Hooks:
        """Hooks that hold every place with such a name at its value in a cache."""
        return [
            (name, lambda value, hook: cache[hook.name].clone())
            for name in self.model.hook_dict
            if name.endswith(ending)
        ]

    def sender(self, cache: Mapping[str, Tensor], layer: int, index: Any) -> Hooks:
        """A hook that takes part of a layer's head outputs from a cache."""

        def patch(z: Tensor, hook: Any) -> Tensor:
            z = z.clone()
            z[index] = cache[hook.name][index]
            return z

        return [(_place(layer), patch)]

    def patched(self, layer: int, head: int) -> Logits:
        """The right answer."""
        return self.run(self.frozen(self.kept) + self.sender(self.other, layer, _head(head)))

    def mistakes(self, layer: int, head: int) -> dict[str, Logits]:
        """What known misconceptions return, each under the message for it."""
        one = self.sender(self.other, layer, _head(head))
        held = self.frozen(self.kept)
        zero = {name: torch.zeros_like(value) for name, value in self.other.items()}
        end_only = self.sender(self.other, layer, (slice(None), -1, head))
        only_last = {
            name: self.kept[_place(self.layers - 1)] for name in self.kept if "hook_z" in name
        }
        summed = {name: self.kept[name] + self.other[name] for name in self.kept}
        patterns = self.frozen(self.kept, "hook_pattern")
        right = self.patched(layer, head)
        mistakes = {
            "You return the logits of the clean run. The sender's output has to come from the "
            "corrupted run, and nothing may put the clean one back: if two hooks are set at one "
            "place, the later one in the list acts last.": self.clean_logits,
            "You return the logits of the corrupted run. The patched run is a run on the clean "
            "prompts.": self.corrupted_logits,
            "You do not freeze the other heads, so the later ones react to the patched sender. "
            "That is activation patching, which measures the effect by all paths. Set every other "
            "head to its output in the clean run.": self.run(one),
            "Clean and corrupted are exchanged: you run the corrupted prompts and put in the "
            "sender's clean output. Run the clean prompts, with the sender's corrupted output.": (
                self.run(
                    self.frozen(self.other) + self.sender(self.kept, layer, _head(head)),
                    self.corrupted,
                )
            ),
            "Clean and corrupted are exchanged, and the other heads are not frozen. Run the clean "
            "prompts, with the sender's output from the corrupted run and all other heads' from "
            "the clean one.": self.run(self.sender(self.kept, layer, _head(head)), self.corrupted),
            "Clean and corrupted are exchanged in the caches: you run the clean prompts with the "
            "other heads of the corrupted run and the sender's clean output. It is the sender that "
            "comes from the corrupted run.": self.run(
                self.frozen(self.other) + self.sender(self.kept, layer, _head(head))
            ),
            "You patch the head of this number in every layer. The sender stands in one layer.": (
                self.run(
                    [
                        hook
                        for i in range(self.layers)
                        for hook in self.frozen(self.kept, _place(i))
                        + self.sender(self.other, i, _head(head))
                    ]
                )
            ),
            "You freeze the MLPs of the later layers too. They are recomputed: a path may lead "
            "through them.": self.run(
                held
                + one
                + [
                    hook
                    for i in range(layer + 1, self.layers)
                    for hook in self.frozen(self.kept, f"blocks.{i}.hook_mlp_out")
                ]
            ),
            "You run the corrupted prompts. Only the sender's output comes from them; the patched "
            "run is a run on the clean prompts.": self.run(held + one, self.corrupted),
            "You freeze the other heads to the corrupted run. They keep what they wrote in the "
            "clean run; only the sender changes.": self.run(self.frozen(self.other)),
            "You patch every head of the layer. Only one is the sender: `z[:, :, head]`.": self.run(
                held + self.sender(self.other, layer, slice(None))
            ),
            "You set the sender's output to zero. That is a knockout; a path patch puts its output "
            "on the corrupted prompts in its place.": (
                self.run(held + self.sender(zero, layer, _head(head)))
            ),
            "You add the sender's corrupted output to its clean one. Put it in its place.": (
                self.run(held + self.sender(summed, layer, _head(head)))
            ),
            "You patch the position with the number `head`. The axes of `hook_z` are (prompt, pos, "
            "head, d_head): `z[:, :, head]`.": (
                self.run(held + self.sender(self.other, layer, (slice(None), head)))
            ),
            "You patch the prompt with the number `head`. The axes of `hook_z` are (prompt, pos, "
            "head, d_head): `z[:, :, head]`.": (
                self.run(held + self.sender(self.other, layer, head))
                if head < len(self.clean)
                else right
            ),
            "You patch the number `head` of every head's output. The axes of `hook_z` are (prompt, "
            "pos, head, d_head): `z[:, :, head]`.": (
                self.run(held + self.sender(self.other, layer, (..., head)))
            ),
            "You patch the sender at the last position only. Take its output at all positions: the "
            "prompts differ in length.": self.run(held + end_only),
            "You freeze the MLPs too. They are recomputed: a path may lead through them.": (
                self.run(held + one + self.frozen(self.kept, "hook_mlp_out"))
            ),
            "You hold the final LayerNorm at its clean scale. It is recomputed.": (
                self.run(held + one + self.frozen(self.kept, "ln_final.hook_scale"))
            ),
            "You hold every LayerNorm at its clean scale. They are recomputed.": (
                self.run(held + one + self.frozen(self.kept, "hook_scale"))
            ),
            "You freeze the attention patterns only. A head's output also changes with its values: "
            "freeze the outputs, `hook_z`.": self.run(patterns + one),
            "You freeze the heads of all layers to the outputs of the last layer. A function made "
            "in a loop looks its variables up when it is called, after the loop: use `hook.name`, "
            "or `partial`.": self.run(self.frozen(only_last) + one),
            "You hold the heads of all layers at the outputs of the last layer, and patch none. A "
            "function made in a loop looks its variables up when it is called, after the loop: use "
            "`hook.name`, or `partial`.": self.run(self.frozen(only_last)),
            "You return the change of the logits. Return the logits of the patched run: the metric "
            "is computed from them afterwards.": right - self.clean_logits,
            "You return probabilities. Return the logits.": right.softmax(-1),
            "You return log-probabilities. Return the logits.": right.log_softmax(-1),
            "You return the logits of the last position alone. Return them for all positions: the "
            "prompts differ in length.": right[:, -1],
        }
        for i in range(self.layers):
            for j in range(self.heads):
                if (i, j) != (layer, head):
                    message = f"You patch head {i}.{j} instead of head {layer}.{head}."
                    mistakes[message] = self.patched(i, j)
        return mistakes


def _place(layer: int) -> str:
    return f"blocks.{layer}.attn.hook_z"


def _head(head: int) -> tuple:
    """Index of one head's outputs in `hook_z`."""
    return (slice(None), slice(None), head)
