"""Explaining a model: from outside by SHAP, from inside by the tools of section 2 (section 5)."""

from interp_rl.attribution.attributions import Attribution
from interp_rl.attribution.faithfulness import Comparison, Faithfulness, compare, score_orders
from interp_rl.attribution.gradients import attention_rollout, integrated_gradients
from interp_rl.attribution.model_diff import (
    CircuitContrast,
    ComponentEffects,
    DirectionChange,
    Localisation,
    MatrixChange,
    Part,
    RowDirections,
    WordShift,
    all_parts,
    component_effects,
    direction_change,
    graft,
    localisation,
    row_directions,
    weight_changes,
    word_shift,
)
from interp_rl.attribution.shapley import (
    TooManyPlayersError,
    all_coalitions,
    exact_shapley,
    owen_values,
    shapley_by_orders,
)
from interp_rl.attribution.text_models import (
    Classifier,
    Difference,
    FixedTarget,
    NextToken,
    TextModel,
    WordContrast,
    single_token_ids,
)
from interp_rl.attribution.text_plot import shap_plot, text_plot
from interp_rl.attribution.text_shap import explain, load_shap, text_masker, tree_of
from interp_rl.attribution.text_tokens import TextTokens, read_text, text_game

__all__ = [
    "Attribution",
    "CircuitContrast",
    "Classifier",
    "Comparison",
    "ComponentEffects",
    "Difference",
    "DirectionChange",
    "Faithfulness",
    "FixedTarget",
    "Localisation",
    "MatrixChange",
    "NextToken",
    "Part",
    "RowDirections",
    "TextModel",
    "TextTokens",
    "TooManyPlayersError",
    "WordContrast",
    "WordShift",
    "all_coalitions",
    "all_parts",
    "attention_rollout",
    "compare",
    "component_effects",
    "direction_change",
    "exact_shapley",
    "explain",
    "graft",
    "integrated_gradients",
    "load_shap",
    "localisation",
    "owen_values",
    "read_text",
    "row_directions",
    "score_orders",
    "shap_plot",
    "shapley_by_orders",
    "single_token_ids",
    "text_game",
    "text_masker",
    "text_plot",
    "tree_of",
    "weight_changes",
    "word_shift",
]
