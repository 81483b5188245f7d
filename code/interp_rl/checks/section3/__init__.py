"""Checks of the exercises of section 3, one module for each exercise."""

from interp_rl.checks.section3.broken_gradients import check_diagnoses
from interp_rl.checks.section3.gae import check_gae
from interp_rl.checks.section3.gaussian_score import check_gaussian_score
from interp_rl.checks.section3.leave_one_out import check_leave_one_out
from interp_rl.checks.section3.policy_step import check_policy_step
from interp_rl.checks.section3.reinforce_loss import check_reinforce_loss
from interp_rl.checks.section3.reward_to_go import check_reward_to_go

__all__ = [
    "check_diagnoses",
    "check_gae",
    "check_gaussian_score",
    "check_leave_one_out",
    "check_policy_step",
    "check_reinforce_loss",
    "check_reward_to_go",
]
