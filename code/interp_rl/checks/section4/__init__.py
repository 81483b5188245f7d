"""Checks of the exercises of section 4, one module for each exercise."""

from interp_rl.checks.section4.clipped_loss import check_clipped_loss
from interp_rl.checks.section4.gae import check_gae
from interp_rl.checks.section4.k3 import check_k3
from interp_rl.checks.section4.rloo import check_rloo_advantages
from interp_rl.checks.section4.token_rewards import check_token_rewards

__all__ = [
    "check_clipped_loss",
    "check_gae",
    "check_k3",
    "check_rloo_advantages",
    "check_token_rewards",
]
