"""Which head plays which role, found by measurement and not by index.

The search goes backward from the logits, as in Wang et al. 2022, Section 3: each class is found by
its effect on the class found before, measured by path patching, and named by what its heads attend
to. What counts as an effect and as attention is written down in `Thresholds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.ioi.activations import run
from interp_rl.ioi.circuit import Circuit
from interp_rl.ioi.head_scores import attention_to, copy_scores
from interp_rl.ioi.knockouts import Ablator
from interp_rl.ioi.nodes import Head, Node
from interp_rl.ioi.path_patching import LOGITS, Receiver, path_patch
from interp_rl.ioi.task import IOIDataset
from interp_rl.ioi.weights import Model, read_weights

HeadMap = Float[Tensor, "layer head"]
"""One number for each head."""


@dataclass(frozen=True)
class Thresholds:
    """What a head must show for a role. Effects are fractions of the mean logit difference."""

    effect: float = 0.02
    """least change of the logit difference by path patching; the paper's for backup heads"""
    attention: float = 0.3
    """least mean attention probability to the position that the role attends to"""
    copy: float = 0.8
    """least (negative) copy score; the paper finds 0.95 and more, 0.2 for an average head"""
    growth: float = 2.0
    """a backup head's effect grows at least so many times when the name movers are knocked out; a
    little growth is common to all heads, as the final LayerNorm has less to divide by"""


@dataclass(frozen=True, eq=False)
class HeadRoles:
    """The heads of each role, and the measurements that decided."""

    heads: Mapping[str, tuple[Head, ...]]
    """for each role its heads, those of the largest effect first"""
    effects: Mapping[str, HeadMap]
    """for each receiver the relative change of the mean logit difference when the head's path to it
    is patched; negative where the path supports IO, zero where there is no such path"""
    attention: Mapping[str, HeadMap]
    """mean attention probabilities, such as `END to IO`"""
    copy_score: HeadMap
    """how often a head that attends to a name raises it most (Section 3.1), from 0 to 1"""
    negative_copy_score: HeadMap
    """how often it lowers it most"""
    thresholds: Thresholds
    """what a head had to show"""
    logit_difference: float
    """mean over the prompts"""
    logit_difference_without_name_movers: float
    """the same with the name movers knocked out at END"""
    unexplained: Mapping[Head, float] = field(default_factory=dict)
    """heads without a role whose direct effect on the logits is above the threshold"""

    def role_of(self, head: Head | tuple[int, int]) -> str | None:
        """The role of a head.

        Args:
            head: Layer and head.

        Returns:
            Name of the role; None for a head without one.
        """
        return next((role for role, heads in self.heads.items() if head in heads), None)

    def circuit(self) -> Circuit:
        """The circuit of these heads, each kept where its role is played.

        Returns:
            The circuit.
        """
        return Circuit.of_roles(self.heads)

    def __str__(self) -> str:
        return "\n".join(
            f"{role}: {', '.join(map(str, heads)) or 'none'}" for role, heads in self.heads.items()
        )


def find_roles(
    model: Model,
    clean: IOIDataset,
    corrupted: IOIDataset,
    reference: IOIDataset,
    *,
    thresholds: Thresholds | None = None,
) -> HeadRoles:
    """Measures all heads and puts those that play one of the paper's seven roles in classes.

    1. Name movers and negative name movers change the logit difference by the direct path to the
       logits. Both attend to IO; the former copy names, the latter do the opposite.
    2. S-inhibition heads lower it through the name movers' queries, and attend from END to S2.
    3. Duplicate token and induction heads lower it through the values or keys of S-inhibition heads
       at S2. The former attend from S2 to S1, the latter to the token after S1.
    4. Previous token heads lower it through the induction heads' keys at S1+1, and attend to S1.
    5. Backup name movers have no other role and lower it by the direct path once the name movers
       are knocked out, at least twice as much as before.

    A head gets the first role that fits.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        clean: The prompts of the task.
        corrupted: The same prompts with three unrelated names, `clean.corrupted("abc", seed)`.
        reference: Prompts for the mean of the knocked-out name movers; see `Ablator`.
        thresholds: What counts; the defaults of `Thresholds` if left out.

    Returns:
        Roles and measurements. A class may be empty.

    Raises:
        ValueError: If the datasets do not match position by position, or the reference is too
            small.
    """
    limits = thresholds or Thresholds()
    weights = read_weights(model)
    ran = run(weights, clean.tokens)
    attention = {
        f"{query} to {key}": attention_to(ran, clean, query, key).mean(-1)
        for query, key in (
            ("END", "IO"),
            ("END", "S1"),
            ("END", "S2"),
            ("S2", "S1"),
            ("S2", "S1+1"),
            ("S1+1", "S1"),
        )
    }
    copying = copy_scores(weights, clean)
    opposing = copy_scores(weights, clean, negative=True)
    patch = partial(path_patch, weights, clean, corrupted)
    heads: dict[str, tuple[Head, ...]] = {}
    effects: dict[str, HeadMap] = {}

    def through(part: str, role: str, position: str) -> HeadMap:
        """Effect of all heads through the inputs of those with a role; zero if there are none."""
        receivers = [Receiver(part, *head, position) for head in heads[role]]
        if not receivers:
            return torch.zeros(weights.shape)
        return patch(receivers=receivers).heatmap(relative=True)

    def attends(where: str) -> Bool[Tensor, "layer head"]:
        return attention[where] >= limits.attention

    def assign(role: str, fits: Bool[Tensor, "layer head"], strength: HeadMap) -> None:
        taken = {head for others in heads.values() for head in others}
        found = [Head(*index) for index in fits.nonzero().tolist()]
        found.sort(key=lambda head: -abs(float(strength[head])))
        heads[role] = tuple(head for head in found if head not in taken)

    direct = effects["logits"] = patch(receivers=LOGITS).heatmap(relative=True)
    supports, opposes = direct <= -limits.effect, direct >= limits.effect
    assign("name mover", supports & attends("END to IO") & (copying >= limits.copy), direct)
    opposing_names = attends("END to IO") & (opposing >= limits.copy)
    assign("negative name mover", opposes & opposing_names, direct)

    queries = effects["name movers' queries"] = through("q", "name mover", "END")
    assign("S-inhibition", (queries <= -limits.effect) & attends("END to S2"), queries)

    values = effects["S-inhibition values"] = through("v", "S-inhibition", "S2")
    keys = effects["S-inhibition keys"] = through("k", "S-inhibition", "S2")
    strongest = torch.minimum(values, keys)
    feeds = strongest <= -limits.effect
    more_to_s1 = attention["S2 to S1"] >= attention["S2 to S1+1"]
    assign("duplicate token", feeds & attends("S2 to S1") & more_to_s1, strongest)
    assign("induction", feeds & attends("S2 to S1+1") & ~more_to_s1, strongest)

    previous = effects["induction keys"] = through("k", "induction", "S1+1")
    assign("previous token", (previous <= -limits.effect) & attends("S1+1 to S1"), previous)

    ablator = Ablator(weights, clean, reference=reference)
    movers = [Node(*head, "END") for head in heads["name mover"]]
    held = ablator.knockout(movers)
    without = patch(knockout=held)
    # in fractions of the intact model's logit difference, like the others
    after = without.heatmap() / ablator.model_metric.mean()
    effects["logits without name movers"] = after
    steps_in = (after <= -limits.effect) & (after <= limits.growth * direct)
    assign("backup name mover", steps_in & bool(movers), after)

    explained = {head for found in heads.values() for head in found}
    unexplained = {
        head: float(direct[head])
        for head in (Head(*index) for index in (supports | opposes).nonzero().tolist())
        if head not in explained
    }
    return HeadRoles(
        heads=heads,
        effects=effects,
        attention=attention,
        copy_score=copying,
        negative_copy_score=opposing,
        thresholds=limits,
        logit_difference=float(ablator.model_metric.mean()),
        logit_difference_without_name_movers=float(without.before.mean()),
        unexplained=unexplained,
    )
