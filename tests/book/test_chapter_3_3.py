"""What chapter 3.3 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from coursekit.labs import episodes
from interp_rl import plots
from interp_rl.policy_gradients import lunar_lander as ll
from interp_rl.policy_gradients import playback, training_runs
from interp_rl.results import band


@pytest.fixture(scope="module")
def lander(root) -> Run:
    torch.set_num_threads(1)
    return run(root, "3-3-lunar-lander")


@pytest.fixture(scope="module")
def names(lander):
    return lander.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(lander):
    assert set(re.findall(r"{glue:text}`([^`]+)`", lander.text)) == set(lander.glued)


def test_the_stub_is_not_attempted_and_the_solution_passes(lander):
    checked = [value for value in lander.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


# ----- the task


def test_the_environment_is_as_described(names):
    env = names["env"]
    assert env.observation_space.shape == (8,) and env.action_space.n == 4
    assert env.spec.max_episode_steps == 1000 and env.spec.reward_threshold == 200
    assert playback.ACTIONS[0] == "no engine" and playback.ACTIONS[2] == "main engine"
    assert names["state"].dtype == "float32"


def test_the_untrained_agent_crashes(names):
    flight = names["first_flight"]
    assert flight.terminated and len(flight.rewards) < 250
    assert flight.rewards[-1] < -90 and flight.total < -50


# ----- the ladder


def test_the_table_of_rungs_is_the_ladder(lander):
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| (.*) \|$", lander.text, re.MULTILINE)
    assert [name for name, _ in rows] == list(ll.LADDER)
    for name, data in rows:
        settings = ll.LADDER[name]
        assert (data == "whole episodes") == (settings.rollout is None)
        assert ("several times" in data) == (settings.epochs > 1)
    assert ll.LADDER["actor-critic"].rollout < ll.LADDER["ppo"].rollout


def test_baselines_make_the_weights_smaller(names):
    spread = names["spread"]
    assert spread["reinforce"] > 1.3 * spread["reinforce-batch-mean"]
    assert spread["reinforce"] > 1.3 * spread["reinforce-value"]
    weights, _ = ll.weights_and_targets(
        names["batch"], names["student"], ll.LADDER["reinforce-value"]
    )
    assert weights.shape == names["batch"].rewards.shape, "the same actions"


def test_the_critic_was_fitted_to_other_episodes(names):
    assert not torch.equal(names["practice"].observations[:, 0], names["batch"].observations[:, 0])


def test_the_solution_gives_reinforces_gradient(names):
    """One SGD step of the solution is one of `policy_loss` with all ratios at 1."""
    from interp_rl.policy_gradients.agent import Agent

    batch = names["batch"]
    taken = batch.taken
    states, actions = batch.observations[taken], batch.actions[taken]
    weights = torch.randn(len(actions), generator=torch.Generator().manual_seed(0))
    agents = Agent(8, 4), Agent(8, 4)
    sgd = [torch.optim.SGD(agent.policy.parameters(), lr=0.1) for agent in agents]
    names["policy_step"](agents[0].policy, sgd[0], states, actions, weights)
    chosen = agents[1].log_probabilities(states).gather(1, actions[:, None]).squeeze(1)
    ll.policy_loss(chosen, chosen.detach(), weights, clip=0.2).backward()
    sgd[1].step()
    for ours, theirs in zip(*(agent.parameters() for agent in agents), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


# ----- the short run


def test_learning_begins_and_is_not_over(names):
    returns = names["returns"]
    first, last = returns[:50].mean(), returns[-50:].mean()
    assert last > first + 50
    assert last < 150, "too short to learn to land"
    assert returns[-50:].std() > 30


def test_the_short_run_is_counted_in_steps(lander, names):
    assert names["short"].steps == 100_000 <= names["run"].steps < 120_000
    assert lander.glued["s33-live-steps"] == "100,000"
    assert "perf_counter" not in lander.text


# ----- all seeds


def test_all_seeds_from_zero_up_are_drawn(names):
    for name in ll.LADDER:
        runs = training_runs.recorded(name)
        assert runs.seeds == tuple(range(len(runs.seeds)))
    for ax, runs in zip(names["axes"], names["shown"].values(), strict=True):
        assert len(runs.seeds) == 10
        assert len(ax.lines) == len(runs.seeds) + 2, "every seed, the mean and the line at 200"


def test_single_seeds_lie_outside_the_band(names):
    for runs in names["shown"].values():
        low, high = band(runs.mean)
        outside = (runs.mean < low) | (runs.mean > high)
        assert outside.float().mean() > 0.3


def test_seeds_spread_halfway_and_fall_on_the_way(names):
    third = names["third"]
    half = third.mean[:, names["half"]]
    assert half.max() - half.min() > 40
    for runs in names["shown"].values():
        assert names["largest_fall"](runs).min() > 5, "no seed improves steadily"


def test_the_curves_rise_from_about_minus_150(names):
    for runs in names["shown"].values():
        start, end = runs.mean[:, 0], runs.mean[:, -5:].nanmean(1)
        assert (start < 0).all() and (end > start + 100).all()


def test_episodes_of_one_policy_differ(names):
    assert names["middle_range"] > 40


def test_the_table_is_the_evaluation_of_every_rung(names):
    table = names["table"]
    assert len(table) == 2 * len(ll.LADDER)
    for (name, mode), means in table.items():
        scores = training_runs.recorded(name).evaluation[mode]
        assert scores.shape[1] == 100 and torch.allclose(means, scores.mean(1))


def test_the_best_rung_solves_the_task(names):
    for mode in ("sampled", "greedy"):
        assert (names["table"]["ppo", mode] >= 200).sum() >= 8


# ----- playback


def test_both_flights_are_over_the_same_ground_and_the_second_lands(names):
    first, second = names["first_flight"], names["landing"]
    assert first.ground == second.ground
    assert (first.x[0], first.y[0]) == (second.x[0], second.y[0])
    assert torch.allclose(first.x[1] - first.x[0], second.x[1] - second.x[0], atol=0.02)
    assert second.terminated and second.total > 200 and second.rewards[-1] > 90
    late = second.actions[len(second.actions) // 2 :]
    assert (late == 2).any(), "the main engine before it touches down"


def test_the_two_ways_differ_most_for_the_actor_critic(names):
    table = names["table"]
    gaps = {
        rung: abs(table[rung, "sampled"].mean() - table[rung, "greedy"].mean())
        for rung in ll.LADDER
    }
    assert max(gaps, key=gaps.get) == "actor-critic"


def test_the_favourite_hovers_where_drawn_actions_land(names):
    drawn, stuck = names["flights"]["drawn"], names["flights"]["most probable"]
    assert drawn.terminated and drawn.total > 200 and drawn.rewards[-1] > 90
    assert not stuck.terminated and len(stuck.rewards) == 1000
    late = slice(500, None)
    assert (stuck.observations[late, 6:] == 0).all(), "no leg touches the ground"
    assert stuck.y[late].std() < 0.2 and abs(stuck.observations[late, 3].mean()) < 0.02
    assert (stuck.x[late] > stuck.pad[0]).all() and (stuck.x[late] < stuck.pad[1]).all()
    assert names["favourite"]["most probable"] < 0.4 < names["favourite"]["drawn"]
    assert names["engine"] > names["meant"].mean() + 0.15


# ----- the still picture of the laboratory


def test_the_still_picture_has_the_flights_of_the_player(root, lander, names):
    flights = episodes.data(root)["flights"]
    assert len(flights) == len(names["five"]) == 5
    for flight, (name, (own, _)) in zip(flights, names["five"].items(), strict=True):
        assert all(part in flight["title"] for part in name.split(", "))
        assert len(flight["actions"]) == len(own.rewards)
        assert torch.equal(flight["actions"].long(), own.actions.long())
        for ours, theirs in ((names["came"], "came"), (names["expected"], "values")):
            assert torch.allclose(ours[name], flight[theirs][:-1] / 10, atol=0.06)
        assert f"| {flight['title']} |" in lander.text


def test_the_critic_is_near_what_comes_on_one_flight_and_off_on_the_others(names):
    gap = {name: names["expected"][name] - came for name, came in names["came"].items()}
    size = {name: value.abs().mean().item() for name, value in gap.items()}
    assert min(size, key=size.get) == "PPO, most probable" and size["PPO, most probable"] < 10
    assert max(size, key=size.get) == "untrained, drawn" and size["untrained, drawn"] > 50
    assert (gap["untrained, drawn"][:-5] > 0).all()

    touch = names["touch"]
    before = gap["PPO, drawn"][: touch["PPO, drawn"]]
    assert before.mean() > 20 and (gap["PPO, drawn"] > 0).float().mean() > 0.9, "too much"
    assert not names["restless"].terminated, "it does not come to rest"
    hovering = gap["actor-critic, most probable"][300:800]
    assert (hovering > 30).all() and touch["actor-critic, most probable"] is None
    assert (gap["actor-critic, drawn"] < 0).float().mean() > 0.9, "where it lands, too little"


def test_clips_are_light_and_figures_bring_their_numbers(lander):
    clips = [value for value in lander.values if isinstance(value, playback.Clip)]
    assert len(clips) == 2 and all(len(clip.html) < 400_000 for clip in clips)
    pictures = [value for value in lander.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 3 and all("<table>" in picture.table for picture in pictures)
