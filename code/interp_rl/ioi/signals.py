"""Do S-inhibition heads say WHERE the repeated name stands, or WHICH name it is?

Their outputs at END are replaced by those from prompts in which a signal is kept, removed or turned
around, and all behind them follows (Wang et al. 2022, Appendix A). Six such prompts, the originals
among them, separate the two signals:

    logit difference = position slope * position agreement + token slope * token agreement

where an agreement is 1 for the original signal, 0 for none and -1 for that of the other name. In
GPT-2 small the paper finds slopes of 2.31 and 0.99.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.ioi.knockouts import Ablator
from interp_rl.ioi.metrics import Interval, bootstrap_interval
from interp_rl.ioi.nodes import NodeLike
from interp_rl.ioi.task import CORRUPTIONS, IOIDataset
from interp_rl.ioi.weights import Model, read_weights


@dataclass(frozen=True, eq=False)
class SignalEffects:
    """The logit difference under each combination of signals, and the two slopes."""

    logit_difference: Mapping[tuple[int, int], Float[Tensor, " prompt"]]
    """for each (position agreement, token agreement) one number per prompt"""

    @property
    def position_slope(self) -> Interval:
        """Logit difference per unit of position agreement, least squares; 95% interval."""
        return self._slope(0)

    @property
    def token_slope(self) -> Interval:
        """Logit difference per unit of token agreement, least squares; 95% interval."""
        return self._slope(1)

    @property
    def mean_error(self) -> float:
        """Mean of ``|fitted - measured|`` mean logit difference, relative to the original one."""
        slopes = self.position_slope.mean, self.token_slope.mean
        errors = [
            abs(slopes[0] * position + slopes[1] * token - float(values.mean()))
            for (position, token), values in self.logit_difference.items()
        ]
        return sum(errors) / len(errors) / abs(float(self.logit_difference[1, 1].mean()))

    def _slope(self, signal: int) -> Interval:
        # the agreements of the two signals are uncorrelated, so each slope is a sum of its own
        weights = [agreements[signal] for agreements in self.logit_difference]
        values = torch.stack(list(self.logit_difference.values()))
        norm = sum(weight**2 for weight in weights)
        return bootstrap_interval((torch.tensor(weights)[:, None] * values).sum(0) / norm)


def signal_effects(
    model: Model,
    dataset: IOIDataset,
    heads: Collection[tuple[int, int]],
    *,
    seed: int,
    position: str = "END",
) -> SignalEffects:
    """Measures what heads tell about the position and about the token of the repeated name.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        dataset: The prompts of the task.
        heads: The heads whose outputs are replaced together, such as all S-inhibition heads.
        seed: Seed of the draw of fresh names.
        position: Name of the position at which they are replaced.

    Returns:
        The effects.

    Raises:
        ValueError: If there are no heads, or a head or the position does not exist.
    """
    nodes: list[NodeLike] = [(layer, head, position) for layer, head in heads]
    if not nodes:
        raise ValueError("no heads: give at least one (layer, head)")
    weights = read_weights(model)
    measured = {}
    for kind, corruption in CORRUPTIONS.items():
        if corruption.position == 0:
            continue
        source = dataset.corrupted(kind, seed)
        ablator = Ablator(weights, dataset, kind="resample", reference=source)
        measured[corruption.position, corruption.token] = ablator.without([nodes])[0]
        measured[1, 1] = ablator.model_metric
    return SignalEffects(measured)
