"""What the library says of objective, KL estimates and advantages, for the PPO laboratories."""

import json
from pathlib import Path

import torch

from interp_rl.finetuning import kl, ppo


def write(folder: Path) -> None:
    """Values on a grid, and of random distributions and responses."""
    reference = {
        "objectives": [
            _objective(ratio, advantage, clip)
            for ratio in (0.4, 0.75, 0.95, 1.0, 1.15, 1.35, 2.5)
            for advantage in (-1.5, -0.4, 0.7, 2.0)
            for clip in (0.1, 0.3)
        ],
        "divergences": [
            _divergence(*kl.random_policies(vocabulary=6, distance=distance, seed=seed))
            for distance in (0.3, 1.0, 2.0)
            for seed in (0, 1)
        ],
        "advantages": [_advantages(seed) for seed in range(8)],
    }
    (folder / "ppo.json").write_text(json.dumps(reference))


def _objective(ratio: float, advantage: float, clip: float) -> dict:
    log_new = torch.tensor([[ratio]], dtype=torch.double).log().requires_grad_()
    weight = torch.full((1, 1), advantage, dtype=torch.double)
    mask = torch.ones(1, 1, dtype=torch.bool)
    loss = ppo.policy_loss(log_new, torch.zeros(1, 1).double(), weight, mask, clip=clip)
    (slope,) = torch.autograd.grad(-loss, log_new)
    return {
        "ratio": ratio,
        "advantage": advantage,
        "clip": clip,
        "value": -loss.item(),
        "slope": slope.item(),
    }


def _divergence(policy: torch.Tensor, reference: torch.Tensor) -> dict:
    moments = {name: kl.moments(policy, reference, one) for name, one in kl.ESTIMATORS.items()}
    return {
        "policy": policy[0].tolist(),
        "reference": reference[0].tolist(),
        "exact": kl.exact_kl(policy, reference).item(),
        "reverse": kl.exact_kl(reference, policy).item(),
        "estimates": {
            name: {"bias": one.bias, "deviation": one.deviation, "negative": one.negative}
            for name, one in moments.items()
        },
    }


def _advantages(seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    rewards, values = torch.randn(2, 1, 9, generator=generator, dtype=torch.double)
    discount, lam = torch.rand(2, generator=generator, dtype=torch.double).tolist()
    mask = torch.ones(1, 9, dtype=torch.bool)
    expected = ppo.gae(rewards, values, mask, discount=discount, lam=lam)
    return {
        "rewards": rewards[0].tolist(),
        "values": values[0].tolist(),
        "discount": discount,
        "lam": lam,
        "expected": expected[0].tolist(),
    }
