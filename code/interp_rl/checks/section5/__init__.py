"""Checks of the exercises of section 5, one module for each exercise."""

from interp_rl.checks.section5.compare_models import check_compare_models
from interp_rl.checks.section5.comprehensiveness import check_comprehensiveness
from interp_rl.checks.section5.pick_mask import check_pick_mask
from interp_rl.checks.section5.shapley_value import check_shapley_value
from interp_rl.checks.section5.strongest_words import check_strongest_words
from interp_rl.checks.section5.target_log_probs import check_target_log_probs
from interp_rl.checks.section5.wrap_classifier import check_wrap_classifier

__all__ = [
    "check_compare_models",
    "check_comprehensiveness",
    "check_pick_mask",
    "check_shapley_value",
    "check_strongest_words",
    "check_target_log_probs",
    "check_wrap_classifier",
]
