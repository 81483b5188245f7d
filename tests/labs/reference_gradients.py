"""What the library makes of batches drawn here, for the gradient laboratory to be held against."""

import itertools
import json
from pathlib import Path

import torch

from interp_rl import policy_gradients as pg

ESTIMATORS = ("total_return", "batch_mean_baseline", "leave_one_out_baseline")


def write(folder: Path) -> None:
    """Weights and estimates of twelve batches, and moments by enumeration."""
    bandit = pg.bandit([0.2, 0.5, 0.9], bernoulli=True)
    theta = torch.zeros(3, 3, dtype=torch.double)
    batches = [
        _batch(
            data.episodes,
            pg.scores(theta, data, torch.ones_like(data.episodes.rewards))[..., 0, :],
            lambda weights, data=data: pg.gradient_estimate(theta, data, weights)[0],
        )
        for seed, n in enumerate((2, 3, 5, 8, 16, 33))
        for data in [pg.sample(bandit, theta, n, seed=seed)]
    ]
    draws = torch.Generator().manual_seed(0)
    for n in (2, 3, 5, 8, 16, 33):
        mean, covariance = torch.zeros(1).double(), torch.ones(1, 1).double()
        actions = torch.randn(n, 1, generator=draws, dtype=torch.double)
        rewards = 2 - (actions - 1).square() / 2
        scores = pg.gaussian.score_of_mean(actions, mean.expand(n, 1), covariance)
        batches.append(
            _batch(
                pg.Episodes(rewards),
                scores,
                lambda weights, scores=scores: (weights * scores).mean(0),
            )
        )
    moments = [
        {"name": name, "n": n} | _by_enumeration(bandit, theta, getattr(pg, name), n)
        for name, n in itertools.product(ESTIMATORS, (2, 3, 5))
    ]
    made = {"batches": batches, "moments": moments}
    (folder / "gradients.json").write_text(json.dumps(made))


def _batch(episodes: pg.Episodes, scores: torch.Tensor, estimate) -> dict:
    weights = {name: getattr(pg, name)(episodes).double() for name in ESTIMATORS}
    return {
        "returns": episodes.rewards[:, 0].double().tolist(),
        "scores": scores.tolist(),
        "weights": {name: one[:, 0].tolist() for name, one in weights.items()},
        "estimates": {name: estimate(one).tolist() for name, one in weights.items()},
    }


def _by_enumeration(bandit, theta, estimator, n: int) -> dict:
    """Length of the expected estimate along the gradient, and the variance in its squares."""
    exact = pg.exact_gradient(bandit, theta)
    unit = exact.square().sum()
    expected = pg.exact_expectation(bandit, theta, estimator, n)
    every, log_world = pg.enumerate_trajectories(bandit)
    log_p = log_world + pg.log_policy(theta, every).sum(-1)
    variance = 0.0
    for rows in itertools.product(range(len(log_p)), repeat=n):
        index = torch.tensor(rows)
        episodes = pg.Episodes(every.episodes.rewards[index])
        chosen = pg.Trajectories(every.actions[index], every.states[index], episodes)
        found = pg.gradient_estimate(theta, chosen, estimator(episodes))
        variance += (log_p[index].sum().exp() * (found - expected).square().sum()).item()
        if n > 3:
            return {"length": ((expected * exact).sum() / unit).item(), "variance": None}
    return {"length": ((expected * exact).sum() / unit).item(), "variance": variance / unit.item()}
