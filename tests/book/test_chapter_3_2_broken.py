"""What the gallery of broken policy gradients says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import plots
from interp_rl import policy_gradients as pg
from interp_rl.policy_gradients import faults
from interp_rl.results import band


@pytest.fixture(scope="module")
def gallery(root) -> Run:
    return run(root, "3-2-broken-gradients")


@pytest.fixture(scope="module")
def names(gallery):
    return gallery.names


def curve(names, patient, update):
    return names["curves"][patient][:, update].mean().item()


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(gallery):
    assert set(re.findall(r"{glue:text}`([^`]+)`", gallery.text)) == set(gallery.glued)


def test_the_stub_is_not_attempted_and_the_solution_passes(gallery):
    checked = [value for value in gallery.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]
    assert {result.exercise for result in checked} == {"3.2e"}


def test_every_figure_brings_its_numbers(gallery):
    pictures = [value for value in gallery.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 3
    assert all(picture.table for picture in pictures)


def test_the_page_is_optional_and_its_exercise_too(gallery):
    assert "The whole page is optional." in gallery.text
    assert ":optional:" in gallery.text


# ----- the setting


def test_the_healthy_learner_of_the_page_is_the_librarys(names):
    for ours, theirs in zip(
        names["healthy"](names["batches"]), faults.healthy(names["batches"]), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_the_printed_row_has_a_reset_an_end_and_a_reset_after_it(names):
    walks, row = names["walks"], names["row"]
    ended, reset = walks.ended[row], walks.reset[row]
    first = int(ended.long().argmax())
    assert reset[0] and first < 5 and reset[first + 1]
    assert walks.rewards[row][reset].tolist() == [0] * int(reset.sum())
    assert (walks.steps.states[row, 1:][reset] == 1).all()


def test_no_walk_can_earn_more_than_the_far_exit_three_steps_away(names):
    walks, _ = pg.enumerate_trajectories(names["corridor"])
    returns = walks.episodes.rewards.sum(-1)
    assert returns.max().item() == pytest.approx(0.85)
    assert walks.episodes.taken.sum(-1)[returns.argmax()] == 3


# ----- the hints: the line shown is the fault of the patient


def test_the_excerpts_are_the_faults_of_the_patients(gallery, names):
    source = re.search(r"def healthy\(record\):\n.*?return [^\n]+\n", gallery.text, re.S)[0]
    hints = re.findall(
        r"{hint} The line of patient (\w)\n:exercise: 3\.2e\n.*?```python\n(.*?)```",
        gallery.text,
        re.S,
    )
    assert [patient for patient, _ in hints] == list("ABCDE")
    for patient, excerpt in hints:
        changed = source
        if patient == "A":
            lines = [line for line in source.splitlines(True) if "baseline" not in line]
            at = next(i for i, line in enumerate(lines) if "return" in line)
            changed = "".join(lines[:at] + ["    " + x for x in excerpt.splitlines(True)])
            changed += "".join(lines[at:])
        else:
            target = re.match(r"(\w+) =", excerpt)[1]
            changed, n = re.subn(rf"    {target} = [^\n]+\n", "    " + excerpt, source)
            assert n == 1
        scope = {"faults": faults, "torch": torch}
        exec(changed.replace("healthy", "patient"), scope)
        found = scope["patient"](names["batches"])
        fault = faults.FAULTS[faults.PATIENTS[patient]](names["batches"])
        assert torch.equal(found.kept, fault.kept)
        assert torch.allclose(found.weights, fault.weights), patient


def test_each_fault_of_the_list_is_one_of_the_checks(gallery):
    assert set(re.findall(r'^- `"([^"]+)"`:', gallery.text, re.M)) == set(faults.FAULTS)


# ----- the symptoms


def test_what_the_returns_show(names):
    healthy = curve(names, "healthy", 100)
    assert healthy > 0.7
    assert curve(names, "patient C", 100) < 0.05 < 0.25 < curve(names, "patient C", 0)
    by_fives = names["curves"]["patient C"].mean(0)[::5]
    assert (by_fives.diff() < 0).all() and by_fives[-1] < by_fives[-2], "and would fall on"
    standing = names["curves"]["patient A"].mean(0)
    assert (standing - standing[0]).abs().max() < 0.02
    assert curve(names, "patient D", 100) < 0.5 < healthy
    assert curve(names, "patient E", 30) < curve(names, "healthy", 30) - 0.05
    assert healthy - 0.06 < curve(names, "patient E", 100) < healthy
    assert abs(curve(names, "patient B", 100) - healthy) < 0.03


def test_b_is_not_told_from_the_healthy_learner_by_the_return(names):
    low, high = band(names["curves"]["patient B"])
    well = names["curves"]["healthy"].mean(0)
    assert ((low - 0.01 < well) & (well < high + 0.02)).all()
    assert int(names["stuck"]("patient B")) <= 4 and int(names["stuck"]("healthy")) <= 4


def test_seeds_that_are_stuck_end_at_the_near_exit(names):
    ends = names["curves"]["patient B"][:, -1]
    assert (ends[ends < 0.5] - 0.3375).abs().max() < 0.02


def test_what_the_updates_show(names):
    exact, scatter = names["exact"], names["scatter"]
    for name, found in names["drawn"].items():
        assert len(found) == 4000
        cosine = pg.cosine(found.mean(0), exact)
        if name in ("healthy", "patient B", "patient E"):
            assert cosine > 0.98
        elif name == "patient C":
            assert cosine < -0.98
        else:
            assert cosine < 0.6
    assert scatter["patient B"] > 1.2 * scatter["healthy"]
    assert scatter["patient C"] == pytest.approx(scatter["healthy"])
    assert scatter["patient E"] < 0.5 * scatter["healthy"]
    assert names["means"].shape == (6, 2)


def test_the_arrows_lie_within_the_panels(names):
    assert (4 * names["means"]).abs().max() < 1.3
    assert (4 * names["means"][:, 1]).abs().max() < 1.0


def test_what_the_records_show(names):
    lengths, paid = names["lengths"], names["paid"]
    for patient in "ACE":
        assert torch.equal(lengths[f"patient {patient}"], lengths["healthy"])
        assert torch.equal(paid[f"patient {patient}"], paid["healthy"])
    assert lengths["healthy"].min() == 1 and len(lengths["healthy"]) == 16_000
    assert (lengths["healthy"] == 1).double().mean().item() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(lengths["patient B"], lengths["healthy"] + 1), "one step further right"
    assert lengths["patient D"].unique().tolist() == [7]
    assert paid["healthy"].max().item() == pytest.approx(0.85)
    assert paid["patient D"].max() > 1


# ----- the explanations


def test_the_expected_updates_are_those_measured(names):
    for name, step in names["enumerated"].items():
        found = names["drawn"][name]
        z = (found.mean(0) - step) / (found.std(0) / len(found) ** 0.5)
        assert z.abs().max() < 3.5


def test_b_is_exactly_unbiased_and_c_exactly_opposite(names):
    exact, expected = names["exact"], names["enumerated"]
    assert torch.allclose(expected["patient B"], exact, atol=1e-12)
    assert torch.allclose(expected["healthy"], exact, atol=1e-12)
    assert torch.allclose(expected["patient C"], -exact, atol=1e-12)


def test_a_learns_nothing_from_one_step_and_nothing_where_only_exits_pay(names):
    lesson = names["lessons"]["patient A"]
    assert lesson.weights.sum(-1).abs().max() < 1e-9
    assert lesson.weights[lesson.kept.sum(-1) == 1].abs().max() < 1e-9
    assert names["A_free"].abs().max() < 1e-6
    assert names["of_free"].norm() > 0.1
    assert names["enumerated"]["patient A"] @ names["exact"] < 0


def test_d_climbs_the_return_of_the_row_in_which_three_near_exits_fit(names):
    assert torch.allclose(names["enumerated"]["patient D"], names["of_the_row"], atol=1e-12)
    straight = faults.with_autoreset(pg.corridor(slip=0.0, horizon=6))
    left = torch.tensor([-50.0, 0.0], dtype=torch.double)
    J = pg.expected_return(straight, faults.policy_logits(left, 5))  # noqa: N806
    assert J.item() == pytest.approx(3 * 0.35)


def test_the_worst_that_c_can_learn_is_to_reach_no_exit(names):
    """Back and forth pays for six steps; no policy of a table pays more than it."""
    walks, _ = pg.enumerate_trajectories(names["corridor"])
    returns = walks.episodes.rewards.sum(-1)
    worst = returns.argmin()
    assert returns[worst].item() == pytest.approx(-0.3)
    assert not names["corridor"].terminal[walks.states[worst, -1]]


def test_the_leak_shrinks_and_hardly_turns(names):
    step, exact = names["enumerated"]["patient E"], names["exact"]
    assert pg.cosine(step, exact) > 0.99
    assert 0.2 < (step @ exact / exact.square().sum()).item() < 0.5


def test_alone_in_its_place_a_row_has_the_weight_zero(names):
    batches, lesson = names["batches"], names["lessons"]["patient E"]
    here = torch.nn.functional.one_hot(batches.places, 5) * lesson.kept[..., None]
    visits = (here * here.sum(1, keepdim=True)).sum(-1)
    assert (visits == 1).any()
    assert lesson.weights[visits == 1].abs().max() < 1e-12
    right = faults.healthy(batches).weights
    for n in (2, 3, 4):
        at = visits == n
        assert torch.allclose(lesson.weights[at], right[at] * (n - 1) / n)
