"""The check of Exercise 3.2e: one set of diagnoses passes, and each wrong one is explained."""

from itertools import permutations

import pytest

from interp_rl.checks.section3 import check_diagnoses
from interp_rl.policy_gradients.faults import FAULTS, PATIENTS


def test_the_right_diagnoses_pass_however_they_are_spelled():
    assert check_diagnoses(dict(PATIENTS)).passed
    shouted = {f" {name.lower()}": f" {fault.upper()} " for name, fault in PATIENTS.items()}
    result = check_diagnoses(shouted)
    assert result.passed and "only in the update" in result.learned


def test_of_all_orders_only_one_passes():
    orders = [dict(zip(PATIENTS, order, strict=True)) for order in permutations(FAULTS)]
    assert [o for o in orders if check_diagnoses(o).passed] == [PATIENTS]


@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_diagnosis_is_explained_without_the_right_one(patient, fault):
    if PATIENTS[patient] == fault:
        return
    result = check_diagnoses({**PATIENTS, patient: fault})
    assert result.status == "failed"
    start = f"4 of 5 diagnoses are right. Patient {patient} does not have {fault!r}. "
    assert result.message.startswith(start)
    assert len(result.message) > len(start) + 80, "it says what would be seen and where to look"
    assert PATIENTS[patient] not in result.message


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ("wrong sign", "a dictionary from each patient"),
        ({**PATIENTS, "F": "wrong sign"}, "no patient F"),
        ({**PATIENTS, "B": ...}, "Still without a diagnosis: B"),
        ({"A": "wrong sign"}, "Still without a diagnosis: B, C, D, E"),
        ({**PATIENTS, "C": "bad luck"}, "'bad luck', which is not in the list of faults"),
    ],
)
def test_answers_of_another_kind(answers, message):
    result = check_diagnoses(answers)
    assert result.status == "failed"
    assert message in result.message


def test_the_dots_are_not_an_attempt():
    for nothing in (None, ..., {}, dict.fromkeys(PATIENTS, ...)):
        assert check_diagnoses(nothing).status == "not attempted"
