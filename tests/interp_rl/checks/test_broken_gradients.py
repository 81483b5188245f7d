"""The check of Exercise 3.2e: one set of diagnoses passes, and each wrong one is explained."""

from itertools import permutations

import pytest
from answers import Answers

from interp_rl.checks.section3 import check_diagnoses
from interp_rl.policy_gradients.faults import FAULTS, PATIENTS


def test_the_right_diagnoses_pass_however_they_are_spelled():
    assert check_diagnoses(dict(PATIENTS)).passed
    shouted = {f" {name.lower()}": f" {fault.upper()} " for name, fault in PATIENTS.items()}
    result = check_diagnoses(shouted)
    assert result.passed and "only in the update" in result.learned
    american = {name: fault.replace("normalised", "normalized") for name, fault in PATIENTS.items()}
    assert american != PATIENTS and check_diagnoses(american).passed


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


def exchanged(a, b):
    return {**PATIENTS, a: PATIENTS[b], b: PATIENTS[a]}


WRONG = {
    "A and B": (exchanged("A", "B"), "Patient A does not have 'autoreset ignored'"),
    "A and C": (exchanged("A", "C"), "Patient A does not have 'wrong sign'"),
    "A and E": (exchanged("A", "E"), "Patient A does not have 'baseline that leaks'"),
    "B and D": (exchanged("B", "D"), "Patient B does not have 'no mask after the end'"),
    "B and E": (exchanged("B", "E"), "Patient B does not have 'baseline that leaks'"),
    "C and D": (exchanged("C", "D"), "Patient C does not have 'no mask after the end'"),
    "D and E": (exchanged("D", "E"), "Patient D does not have 'baseline that leaks'"),
    "all the same": (dict.fromkeys(PATIENTS, "wrong sign"), "1 of 5 diagnoses"),
    "own words": ({**PATIENTS, "C": "bad luck"}, "not in the list of faults"),
    "one left out": ({**PATIENTS, "B": ...}, "Still without a diagnosis: B"),
    "a patient too many": ({**PATIENTS, "F": "wrong sign"}, "no patient F"),
}

KNOWN = [Answers.of(check_diagnoses, [dict(PATIENTS)], WRONG)]
