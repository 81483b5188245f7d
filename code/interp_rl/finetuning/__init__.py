"""Fine-tuning language models with a reward: PPO by hand, its parts, and what they are worth.

* `rewards`: what a text is worth; a classifier as a reward.
* `rollouts`: texts that a model writes, with their probabilities.
* `kl`: estimators of the divergence, and what their uses do to the gradient.
* `ppo`: the algorithm.
* `measures`: reward, divergence, fluency and variety of a fine-tuned model.
"""

from interp_rl.finetuning import kl, ppo
from interp_rl.finetuning.measures import Estimate, Report, evaluate
from interp_rl.finetuning.ppo import PPOSettings
from interp_rl.finetuning.rewards import Reward, checked, class_probability
from interp_rl.finetuning.rollouts import Rollout, generate, response_log_probs

__all__ = [
    "Estimate",
    "PPOSettings",
    "Report",
    "Reward",
    "Rollout",
    "checked",
    "class_probability",
    "evaluate",
    "generate",
    "kl",
    "ppo",
    "response_log_probs",
]
