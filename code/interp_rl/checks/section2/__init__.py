"""Checks of the exercises of section 2, one module for each exercise."""

from interp_rl.checks.section2.copy_score import check_copy_score
from interp_rl.checks.section2.faithfulness import check_faithfulness
from interp_rl.checks.section2.fit_signals import check_fit_signals
from interp_rl.checks.section2.logit_difference import check_logit_difference
from interp_rl.checks.section2.mean_ablation import check_mean_ablation
from interp_rl.checks.section2.path_patch import check_path_patch

__all__ = [
    "check_copy_score",
    "check_faithfulness",
    "check_fit_signals",
    "check_logit_difference",
    "check_mean_ablation",
    "check_path_patch",
]
