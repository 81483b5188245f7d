"""Checks of section 1, understanding the transformer architecture."""

from collections.abc import Mapping
from typing import Any

from interp_rl.checks.framework import NotAttempted, Wrong, check
from interp_rl.models.diagram import ANSWERS, WORD_BANK

_WHY_NOT = {
    (
        "Index 1",
        "Token embed",
    ): "Blank 1 is an input, drawn with round ends like Index 0 beside it. "
    "An embed turns an index into a vector, so it stands above an index.",
    ("Token embed", "Index 1"): "Blank 2 stands above Index 0, where an index becomes a vector, as "
    "Position embed does on its right. An index is an input.",
    (
        "Attention",
        "Dropout",
    ): "Blank 3 lets each position read itself and earlier ones. Dropout lets "
    "no position read another.",
    (
        "Dropout",
        "Attention",
    ): "Blank 4 is at work in training only, as its twin in the branch below. "
    "Attention is at work always.",
    (
        "Dropout",
        "add",
    ): "Blank 4 lies on the way back to the residual stream. What joins the two is "
    "drawn on the trunk itself.",
    (
        "add",
        "Dropout",
    ): "Blank 5 stands on the trunk, where an arrow from the right comes in. Look at "
    "what stands in the same place one branch below.",
}
"""Why a blank, given by its right label, cannot hold a wrong one that is easily chosen."""

_LOOK_AT = {
    1: "It is an input, drawn like Index 0 beside it: what do you know about a token besides which "
    "token it is?",
    2: "It turns Index 0 into a vector. What does the same for the position, on its right?",
    3: "It stands where the MLP stands in the branch above, and positions read each other in it.",
    4: "It does something in training only. Compare the same place in the branch below.",
    5: "It stands on the trunk, where a result comes back. Compare the place one branch below.",
}


@check(
    "1",
    learned="Attention and MLPs read the residual stream and add to it; two embeddings start it.",
    function=False,
)
def check_diagram(answers: Any) -> None:
    """Checks the five labels of the diagram of the decoder.

    Args:
        answers: The label of each blank, such as `{1: "add", ...}`. Case, spaces around a label,
            and a number written as a string make no difference.

    Returns:
        A `CheckResult`; blanks left at `...` or empty count as not attempted only if all are.
    """
    if not isinstance(answers, Mapping):
        raise Wrong(
            f"Your answer is a value of type `{type(answers).__name__}`; it should be a dictionary "
            'from the number of each blank to its label, such as {1: "add", ...}.'
        )
    labels = {_number(key): _label(value) for key, value in answers.items()}
    if all(label == "" for label in labels.values()):
        raise NotAttempted("Put a label from the word bank in place of the dots (...).")
    _check_filled(labels)
    _check_bank(labels)
    wrong = [number for number, label in ANSWERS.items() if labels[number] != label]
    if wrong:
        number = wrong[0]
        advice = _WHY_NOT.get((ANSWERS[number], labels[number]), _LOOK_AT[number])
        raise Wrong(
            f"{len(ANSWERS) - len(wrong)} of {len(ANSWERS)} blanks are right. "
            f"Blank {number} is not {labels[number]!r}. {advice}"
        )


def _check_filled(labels: Mapping[Any, str]) -> None:
    if unknown := [str(key) for key in labels if key not in ANSWERS]:
        raise Wrong(f"There is no blank {', '.join(unknown)}; the blanks are numbered 1 to 5.")
    if empty := [str(number) for number in ANSWERS if not labels.get(number)]:
        raise Wrong(f"Still without a label: blank {', '.join(empty)}.")


def _check_bank(labels: Mapping[Any, str]) -> None:
    for number, label in sorted(labels.items()):
        if label not in WORD_BANK:
            raise Wrong(
                f"Blank {number} holds {label!r}, which is not in the word bank. "
                f"The word bank has: {', '.join(WORD_BANK)}."
            )
    for label in WORD_BANK:
        if len(twice := [str(n) for n in sorted(labels) if labels[n] == label]) > 1:
            raise Wrong(
                f"{label!r} stands in the blanks {' and '.join(twice)}; each label fills one blank."
            )


def _number(key: Any) -> Any:
    """The number of a blank; a key that is none stays as it is."""
    text = str(key).strip()
    return int(text) if text.isdecimal() else key


def _label(value: Any) -> str:
    """A label as the word bank spells it, whatever its case; empty where there is none."""
    if value is None or value is ...:
        return ""
    text = " ".join(str(value).split())
    spelling = {label.casefold(): label for label in WORD_BANK}
    return spelling.get(text.casefold(), text)
