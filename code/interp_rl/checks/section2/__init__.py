"""Checks of the exercises of section 2, one module for each exercise."""

from interp_rl.checks.section2.logit_difference import check_logit_difference
from interp_rl.checks.section2.mean_ablation import check_mean_ablation

__all__ = ["check_logit_difference", "check_mean_ablation"]
