"""Each learner has exactly the fault that it is named for, and what follows from it."""

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from interp_rl import policy_gradients as pg
from interp_rl.policy_gradients import faults

ALL = {"healthy": faults.healthy, **faults.FAULTS}
SMALL = pg.corridor(horizon=3)
TILTED = torch.tensor([0.3, -0.5], dtype=torch.double)


@pytest.fixture(scope="module")
def drawn():
    return faults.record(SMALL, TILTED, 4, seed=0, batches=20_000)


def estimates(name, data):
    return faults.update(SMALL, TILTED, data, ALL[name](data))


# ----- the setting


class Walk(gymnasium.Env):
    """The corridor without slips."""

    observation_space = gymnasium.spaces.Discrete(5)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 1
        return self.place, {}

    def step(self, action):
        self.place += 2 * int(action) - 1
        reward = -0.05 + {0: 0.4, 4: 1.0}.get(self.place, 0.0)
        return self.place, reward, self.place in (0, 4), False, {}


def test_a_record_is_what_gymnasiums_vector_environment_returns():
    """Its default mode of autoreset, with the actions of a record, step by step."""
    straight = pg.corridor(slip=0.0, horizon=6)
    data = faults.record(straight, torch.zeros(2).double(), 8, seed=0)
    real = SyncVectorEnv([Walk] * 8, autoreset_mode=AutoresetMode.NEXT_STEP)
    places, _ = real.reset()
    assert data.ended[:, 1:-1].any() and data.reset[:, 2:].any()
    for t in range(1, 7):  # step 0 is the reset with which a record begins
        assert data.places[:, t].tolist() == places.tolist()
        places, rewards, ended, _, _ = real.step(data.steps.actions[:, t].numpy())
        assert data.rewards[:, t].tolist() == pytest.approx(rewards.tolist())
        if t < 6:
            assert data.ended[:, t].tolist() == ended.tolist()
    assert data.reset[:, 0].all() and data.ended[:, -1].all()


def test_the_first_episode_of_a_row_is_one_of_the_process():
    mdp = pg.corridor(horizon=4)
    data = faults.record(mdp, TILTED, 40_000, seed=1)
    returns = (data.rewards * faults.healthy(data).kept).sum(-1)
    exact = pg.expected_return(mdp, faults.policy_logits(TILTED, 5)).item()
    assert exact in pg.mean_interval(returns)


def test_the_two_parameters_are_shared_by_all_places():
    logits = faults.policy_logits(torch.tensor([0.5, 2.0]), 5)
    assert logits[:, 0].tolist() == [0] * 5
    assert logits[:, 1].tolist() == [-1.5, -0.5, 0.5, 1.5, 2.5]


def test_the_gradient_in_lean_and_slope_is_autograds():
    w = TILTED.clone().requires_grad_()
    pg.expected_return(SMALL, faults.policy_logits(w, 5)).backward()
    assert torch.allclose(faults.right_update(SMALL, TILTED), w.grad)


# ----- the faults


@pytest.mark.parametrize("name", ALL)
def test_what_is_computed_is_what_is_drawn(name, drawn):
    if name == "baseline that leaks":
        expected = faults.expected_leak(SMALL, TILTED, 4)
    else:
        expected = faults.expected_update(SMALL, TILTED, ALL[name])
    found = estimates(name, drawn)
    z = (found.mean(0) - expected) / (found.std(0) / len(found) ** 0.5)
    assert z.abs().max() < 3.5


@pytest.mark.parametrize("name", ["healthy", "autoreset ignored"])
@pytest.mark.parametrize("n_rows", [1, 2])
def test_two_learners_are_unbiased(name, n_rows):
    found = faults.expected_update(SMALL, TILTED, ALL[name], n_rows=n_rows)
    assert torch.allclose(found, faults.right_update(SMALL, TILTED), atol=1e-12)


def test_a_wrong_sign_is_exactly_the_opposite():
    found = faults.expected_update(SMALL, TILTED, faults.wrong_sign, n_rows=2)
    assert torch.allclose(found, -faults.right_update(SMALL, TILTED), atol=1e-12)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_the_leak_follows_the_closed_form(n_rows):
    found = faults.expected_update(SMALL, TILTED, faults.leaking_baseline, n_rows=n_rows)
    assert torch.allclose(found, faults.expected_leak(SMALL, TILTED, n_rows), atol=1e-12)


def test_with_one_place_per_time_the_leak_is_that_of_the_batch_mean():
    """A corridor with one step: every row is in the start place, so (N-1)/N is left."""
    one = pg.corridor(horizon=1)
    right = faults.right_update(one, TILTED)
    for n in (2, 5):
        assert torch.allclose(faults.expected_leak(one, TILTED, n), right * (n - 1) / n)


def test_without_a_mask_it_climbs_the_return_of_the_row():
    found = faults.expected_update(SMALL, TILTED, faults.no_mask)
    rows = faults.right_update(faults.with_autoreset(SMALL), TILTED)
    assert torch.allclose(found, rows, atol=1e-12)
    assert pg.cosine(found, faults.right_update(SMALL, TILTED)) < 0.9


def test_normalised_episodes_sum_to_zero_and_a_prize_at_the_end_leaves_nothing(drawn):
    lesson = faults.normalised_per_episode(drawn)
    assert lesson.weights.sum(-1).abs().max() < 1e-9
    free = pg.TabularMDP(
        SMALL.transitions, SMALL.rewards + 0.05, SMALL.start, SMALL.terminal, SMALL.horizon
    )
    assert faults.right_update(free, TILTED).norm() > 0.01
    found = faults.expected_update(free, TILTED, faults.normalised_per_episode)
    assert found.abs().max() < 1e-6


def test_the_ignored_action_adds_scatter_and_a_step(drawn):
    def scatter(name):
        found = estimates(name, drawn)
        return (found - found.mean(0)).square().sum(-1).mean()

    assert scatter("autoreset ignored") > 1.1 * scatter("healthy")
    right, late = faults.healthy(drawn).kept, faults.autoreset_ignored(drawn).kept
    assert torch.equal(late.sum(-1), right.sum(-1) + 1)


def test_only_two_faults_are_in_what_is_kept(drawn):
    kept = faults.healthy(drawn).kept
    others = [name for name, learner in ALL.items() if not torch.equal(learner(drawn).kept, kept)]
    assert others == ["no mask after the end", "autoreset ignored"]


def test_every_fault_is_a_patient():
    assert sorted(faults.PATIENTS.values()) == sorted(faults.FAULTS)
    assert "".join(faults.PATIENTS) == "ABCDE"


def test_runs_begin_alike_and_the_seed_decides():
    first, again, other = (
        faults.learn(SMALL, faults.healthy, updates=3, n_seeds=4, seed=s) for s in (0, 0, 1)
    )
    assert first.shape == (4, 4)
    assert torch.equal(first, again) and not torch.equal(first[:, 1:], other[:, 1:])
    start = pg.expected_return(SMALL, torch.zeros(5, 2))
    assert torch.allclose(first[:, 0], start.expand(4))


# ----- bad input


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="updates is 0"):
        faults.learn(SMALL, faults.healthy, updates=0)
    with pytest.raises(ValueError, match="n_rows is 0"):
        faults.expected_update(SMALL, TILTED, faults.healthy, n_rows=0)
    with pytest.raises(ValueError, match="use a shorter horizon"):
        faults.expected_update(pg.corridor(horizon=5), TILTED, faults.healthy, n_rows=2)
    with pytest.raises(ValueError, match="n_rows is 0"):
        faults.expected_leak(SMALL, TILTED, 0)
    with pytest.raises(ValueError, match="needs at least 2"):
        faults.policy_logits(TILTED, 1)
    with pytest.raises(ValueError, match="no terminal states"):
        faults.with_autoreset(pg.bandit([0.1, 0.9]))
