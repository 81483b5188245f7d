"""Check of Exercise 3.2e: which patient has which fault."""

from collections.abc import Mapping
from typing import Any

from interp_rl.checks.framework import NotAttempted, Wrong, check
from interp_rl.policy_gradients.faults import FAULTS, PATIENTS

_WOULD_SHOW = {
    "wrong sign": "With a wrong sign the mean update points exactly away from the gradient, and J "
    "falls without end.",
    "no mask after the end": "Without a mask an episode never ends: all of them are as long as "
    "the row, and what is paid later is counted too.",
    "baseline that leaks": "A leak makes updates shorter and leaves their direction and all that "
    "is recorded nearly as they are.",
    "normalised per episode": "Normalised per episode, a good episode weighs no more than a bad "
    "one: the updates go elsewhere, and what is recorded stays right.",
    "autoreset ignored": "A reset that is taken for a step makes every episode one step longer; "
    "on average it does nothing else.",
}
"""What a fault would show, said to those who name it where it is not."""

_LOOK_AT = {
    "A": "Look where its mean update points, and whether its episodes are recorded right.",
    "B": "Look at the shortest episode it has recorded.",
    "C": "Compare its mean update with the arrow of the gradient.",
    "D": "Look at the lengths of its episodes, and at the return it has recorded.",
    "E": "Look at the length of its mean update, and at its direction.",
}


@check(
    "3.2e",
    learned="Some faults show in the return; others only in the update, or in what was recorded.",
    function=False,
)
def check_diagnoses(answers: Any) -> None:
    """Checks the fault named for each patient.

    Args:
        answers: The fault of each patient, such as `{"A": "wrong sign", ...}`. Case, spaces
            around a word, and American spelling make no difference.
    """
    if not isinstance(answers, Mapping):
        raise Wrong(
            f"Your answer is a value of type `{type(answers).__name__}`; it should be a dictionary "
            'from each patient to a fault, such as {"A": "wrong sign", ...}.'
        )
    named = {str(key).strip().upper(): _fault(value) for key, value in answers.items()}
    if not any(named.values()):
        raise NotAttempted("Put a fault from the list in place of the dots (...).")
    if unknown := [key for key in named if key not in PATIENTS]:
        raise Wrong(f"There is no patient {', '.join(unknown)}; there are A, B, C, D and E.")
    if empty := [patient for patient in PATIENTS if not named.get(patient)]:
        raise Wrong(f"Still without a diagnosis: {', '.join(empty)}.")
    for patient, fault in named.items():
        if fault not in FAULTS:
            raise Wrong(
                f"Patient {patient} has {fault!r}, which is not in the list of faults. It has: "
                f"{', '.join(FAULTS)}."
            )
    wrong = [patient for patient in PATIENTS if named[patient] != PATIENTS[patient]]
    if wrong:
        patient = wrong[0]
        fault = named[patient]
        raise Wrong(
            f"{len(PATIENTS) - len(wrong)} of {len(PATIENTS)} diagnoses are right. Patient "
            f"{patient} does not have {fault!r}. {_WOULD_SHOW[fault]} {_LOOK_AT[patient]}"
        )


def _fault(value: Any) -> str:
    """A fault as the list spells it, whatever its case; empty where there is none."""
    text = "" if value is None or value is ... else " ".join(str(value).split()).casefold()
    return text.replace("normalized", "normalised")
