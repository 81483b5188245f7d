"""Each misconception about an exercise of section 2 gets its own message; right answers pass."""

import pytest
import torch
from answers import Answers

from interp_rl.checks.section2 import check_logit_difference, check_mean_ablation


def by_rows(logits, io_ids, s_ids, end_positions):
    rows = torch.arange(len(io_ids))
    return logits[rows, end_positions, io_ids] - logits[rows, end_positions, s_ids]


def by_gather(logits, io_ids, s_ids, end_positions):
    index = end_positions[:, None, None].expand(-1, 1, logits.shape[-1])
    at_end = logits.gather(1, index).squeeze(1)
    names = torch.stack([io_ids, s_ids], dim=1)
    io, s = at_end.gather(1, names).unbind(1)
    return io - s


def by_loop(logits, io_ids, s_ids, end_positions):
    differences = []
    for row, (io, s, end) in enumerate(zip(io_ids, s_ids, end_positions, strict=True)):
        differences.append(logits[row, end, io] - logits[row, end, s])
    return torch.stack(differences)


def by_one_hot(logits, io_ids, s_ids, end_positions):
    vocabulary, positions = logits.shape[-1], logits.shape[1]
    sign = torch.nn.functional.one_hot(io_ids, vocabulary) - torch.nn.functional.one_hot(
        s_ids, vocabulary
    )
    here = torch.nn.functional.one_hot(end_positions, positions)
    return torch.einsum("npv,nv,np->n", logits, sign.float(), here.float())


def by_log_probabilities(logits, io_ids, s_ids, end_positions):
    return by_rows(logits.log_softmax(-1), io_ids, s_ids, end_positions)


def by_take_along_dim(logits, io_ids, s_ids, end_positions):
    at_end = torch.take_along_dim(logits, end_positions.view(-1, 1, 1), dim=1)[:, 0].double()
    return at_end.take_along_dim(io_ids[:, None], 1)[:, 0] - at_end.take_along_dim(
        s_ids[:, None], 1
    ).squeeze(-1)


RIGHT = (by_rows, by_gather, by_loop, by_one_hot, by_log_probabilities, by_take_along_dim)


@pytest.mark.parametrize("solution", RIGHT)
def test_every_way_of_writing_it_passes(solution):
    result = check_logit_difference(solution)
    assert result.passed, result
    assert "prefers the indirect object" in result.learned


def reversed_sign(logits, io_ids, s_ids, end_positions):
    return by_rows(logits, s_ids, io_ids, end_positions)


def probabilities(logits, io_ids, s_ids, end_positions):
    return by_rows(logits.softmax(-1), io_ids, s_ids, end_positions)


def odds(*inputs):
    return by_rows(*inputs).exp()


def io_probability(logits, io_ids, s_ids, end_positions):
    rows = torch.arange(len(io_ids))
    return logits.softmax(-1)[rows, end_positions, io_ids]


def io_only(logits, io_ids, s_ids, end_positions):
    return logits[torch.arange(len(io_ids)), end_positions, io_ids]


def last_column(logits, io_ids, s_ids, end_positions):
    at_end, rows = logits[:, -1], torch.arange(len(io_ids))
    return at_end[rows, io_ids] - at_end[rows, s_ids]


def too_early(logits, io_ids, s_ids, end_positions):
    return by_rows(logits, io_ids, s_ids, end_positions - 1)


def too_late(logits, io_ids, s_ids, end_positions):
    return by_rows(logits, io_ids, s_ids, end_positions + 1)


def mean(*inputs):
    return by_rows(*inputs).mean()


def mean_as_a_number(*inputs):
    return by_rows(*inputs).mean().item()


def total(*inputs):
    return by_rows(*inputs).sum()


def one_prompt(logits, io_ids, s_ids, end_positions):
    return logits[0, end_positions[0], io_ids[0]] - logits[0, end_positions[0], s_ids[0]]


def absolute(*inputs):
    return by_rows(*inputs).abs()


def squared(*inputs):
    return by_rows(*inputs) ** 2


def first_names_for_all(logits, io_ids, s_ids, end_positions):
    at_end = logits[torch.arange(len(io_ids)), end_positions]
    return at_end[:, io_ids[0]] - at_end[:, s_ids[0]]


def first_end_for_all(logits, io_ids, s_ids, end_positions):
    at_end, rows = logits[:, end_positions[0]], torch.arange(len(io_ids))
    return at_end[rows, io_ids] - at_end[rows, s_ids]


def latest_end_for_all(logits, io_ids, s_ids, end_positions):
    return by_rows(logits, io_ids, s_ids, end_positions.max().expand(len(io_ids)))


def softmax_over_positions(logits, io_ids, s_ids, end_positions):
    return by_rows(logits.log_softmax(1), io_ids, s_ids, end_positions)


def of_nine_tokens(logits, io_ids, s_ids, end_positions):
    one_hot = torch.nn.functional.one_hot
    at_end = logits[torch.arange(len(io_ids)), end_positions]
    return (at_end * (one_hot(io_ids, 9) - one_hot(s_ids, 9))).sum(-1)


def no_negative_ones(*inputs):
    return by_rows(*inputs).clamp(min=0)


def every_name_for_each(logits, io_ids, s_ids, end_positions):
    at_end = logits[torch.arange(len(io_ids)), end_positions]
    return at_end[:, io_ids] - at_end[:, s_ids]


def every_end_for_each(logits, io_ids, s_ids, end_positions):
    return logits[:, end_positions, io_ids] - logits[:, end_positions, s_ids]


def every_position(logits, io_ids, s_ids, end_positions):
    rows = torch.arange(len(io_ids))
    return logits[rows, :, io_ids] - logits[rows, :, s_ids]


def axis_left_over(*inputs):
    return by_rows(*inputs).unsqueeze(1)


def numbers_seen_in_the_message(*inputs):
    return torch.tensor(SEEN)


def shapes_of_the_example(logits, io_ids, s_ids, end_positions):
    rows = torch.arange(4)
    return logits[rows, end_positions, io_ids] - logits[rows, end_positions, s_ids]


def squeezed(*inputs):
    return by_rows(*inputs).squeeze()


def in_place(logits, io_ids, s_ids, end_positions):
    rows = torch.arange(len(io_ids))
    logits -= logits.mean(-1, keepdim=True)
    return by_rows(logits, rows * 0 + io_ids, s_ids, end_positions)


# the expected values that a student reads off the message after a first attempt
SEEN = [float(v) for v in check_logit_difference(reversed_sign).expected.strip("[]").split(",")]

WRONG = {
    reversed_sign: "The sign is reversed",
    probabilities: "You subtract probabilities",
    odds: "the ratio of the two probabilities",
    io_probability: "You return the probability of IO",
    io_only: "the logit of IO alone",
    last_column: "the last column of the batch",
    too_early: "one position too early",
    too_late: "one position too late",
    mean: "the mean over the prompts",
    mean_as_a_number: "the mean over the prompts",
    total: "the sum over the prompts",
    one_prompt: "the first prompt only",
    absolute: "the absolute value",
    squared: "You return the square",
    first_names_for_all: "the names of the first prompt for all",
    first_end_for_all: "the END position of the first prompt for all",
    latest_end_for_all: "the latest END of the batch",
    softmax_over_positions: "softmax over the positions",
    of_nine_tokens: "wrong on 2 of 7 and 12",
    no_negative_ones: "negative differences to 0",
    every_name_for_each: "pairs each prompt with every prompt's names",
    every_end_for_each: "pairs each prompt with every prompt's END",
    every_position: "a difference at every position",
    axis_left_over: "a second axis of length one",
    numbers_seen_in_the_message: "numbers or shapes of one example",
    shapes_of_the_example: "numbers or shapes of one example",
    squeezed: "With a single prompt your answer has no axis left",
    in_place: "changes its input `logits` in place",
}


@pytest.mark.parametrize("mistake", WRONG, ids=lambda mistake: mistake.__name__)
def test_each_misconception_is_named(mistake):
    result = check_logit_difference(mistake)
    assert result.status == "failed"
    assert WRONG[mistake] in result.message, result


def test_no_two_misconceptions_share_a_message():
    messages = [check_logit_difference(mistake).message for mistake in WRONG if mistake is not mean]
    assert len(set(messages)) == len(messages)


def test_every_failure_shows_a_small_example():
    for mistake in (reversed_sign, mean, every_end_for_each):
        result = check_logit_difference(mistake)
        assert len(result.expected) < 60 and len(result.got) < 120


def test_the_stub_of_the_chapter_is_not_attempted():
    def logit_difference(logits, io_ids, s_ids, end_positions):
        raise NotImplementedError("Exercise 2.2a: Your turn.")

    result = check_logit_difference(logit_difference)
    assert result.status == "not attempted"
    assert result.message == "Your turn."


# ----- 2.3a


def ablated_by_loop(z, head, templates, reference_z, reference_templates):
    z = z.clone()
    for template in templates.unique():
        group = reference_z[reference_templates == template]
        z[templates == template, :, head] = group[:, :, head].mean(0)
    return z


def ablated_by_prompt(z, head, templates, reference_z, reference_templates):
    means = [reference_z[reference_templates == t, :, head].mean(dim=0) for t in templates]
    outputs = list(z.unbind(2))
    outputs[head] = torch.stack(means)
    return torch.stack(outputs, dim=2)


def ablated_by_weights(z, head, templates, reference_z, reference_templates):
    same = (templates[:, None] == reference_templates).double()
    mean = torch.einsum("pr,rsd->psd", same, reference_z[:, :, head].double())
    mean = mean / same.sum(1)[:, None, None]
    return torch.cat([z[:, :, :head], mean[:, :, None].float(), z[:, :, head + 1 :]], dim=2)


def ablated_by_dictionary(z, head, templates, reference_z, reference_templates):
    outputs = {}
    for template, output in zip(reference_templates.tolist(), reference_z[:, :, head], strict=True):
        outputs.setdefault(template, []).append(output)
    answer = z.clone()
    for i, template in enumerate(templates.tolist()):
        answer[i, :, head] = sum(outputs[template]) / len(outputs[template])
    return answer


ABLATIONS = (ablated_by_loop, ablated_by_prompt, ablated_by_weights, ablated_by_dictionary)


@pytest.mark.parametrize("solution", ABLATIONS)
def test_every_way_of_writing_the_mean_ablation_passes(solution):
    result = check_mean_ablation(solution)
    assert result.passed, result
    assert "removes what the reference varies" in result.learned


def mistaken(summary):
    """A solution with something else in the mean's place, from the outputs of each template."""

    def answer(z, head, templates, reference_z, reference_templates):
        z, before = z.clone(), z
        for template in templates.unique():
            mine, theirs = templates == template, reference_templates == template
            z[mine, :, head] = summary(before, reference_z, head, mine, theirs)
        return z

    return answer


def all_heads(z, head, templates, reference_z, reference_templates):
    z = z.clone()
    for template in templates.unique():
        z[templates == template] = reference_z[reference_templates == template].mean(0)
    return z


def axis_of_positions(z, head, templates, reference_z, reference_templates):
    z = z.clone()
    for template in templates.unique():
        group = reference_z[reference_templates == template]
        z[templates == template, head] = group[:, head].mean(0)
    return z


def unchanged(z, head, templates, reference_z, reference_templates):
    return z


def replacement_alone(z, head, *rest):
    return ablated_by_loop(z, head, *rest)[:, :, head]


def template_of_the_first(z, head, templates, *rest):
    return ablated_by_loop(z, head, templates[:1].expand_as(templates), *rest)


def subtracted(z, head, *rest):
    mean = ablated_by_loop(z, head, *rest)[:, :, head]
    z = z.clone()
    z[:, :, head] -= mean
    return z


def added(z, head, *rest):
    mean = ablated_by_loop(z, head, *rest)[:, :, head]
    z = z.clone()
    z[:, :, head] += mean
    return z


def overwritten(z, head, templates, reference_z, reference_templates):
    for template in templates.unique():
        group = reference_z[reference_templates == template]
        z[templates == template, :, head] = group[:, :, head].mean(0)
    return z


def resampled(z, head, templates, reference_z, reference_templates):
    z = z.clone()
    for row, template in enumerate(templates):
        rows = (reference_templates == template).nonzero().flatten()
        z[row, :, head] = reference_z[rows[torch.randint(len(rows), ())], :, head]
    return z


def resampled_from_any_template(z, head, templates, reference_z, reference_templates):
    z = z.clone()
    z[:, :, head] = reference_z[: len(z), :, head]
    return z


def numbers_of_the_templates(z, head, templates, reference_z, reference_templates):
    z = z.clone()
    for template in (2, 7):
        group = reference_z[reference_templates == template]
        z[templates == template, :, head] = group[:, :, head].mean(0)
    return z


def always_head_one(z, head, *rest):
    return ablated_by_loop(z, 1, *rest)


def quantile(z, r, h, mine, theirs):
    return r[theirs][:, :, h].quantile(0.5, dim=0)


def index_add(z, head, templates, reference_z, reference_templates):
    size = int(max(templates.max(), reference_templates.max())) + 1
    sums = torch.zeros(size, *reference_z.shape[1:]).index_add(0, reference_templates, reference_z)
    counts = reference_templates.bincount(minlength=size)
    answer = z.clone()
    answer[:, :, head] = (sums[:, :, head] / counts[:, None, None])[templates]
    return answer


def places_in_a_table(z, head, templates, reference_z, reference_templates):
    table = torch.zeros(int(reference_templates.max()) + 1, *z.shape[1:])
    for template in range(len(table)):
        if (reference_templates == template).any():
            table[template] = reference_z[reference_templates == template].mean(0)
    answer = z.clone()
    answer[:, :, head] = table[templates][:, :, head]
    return answer


def numbered_apart(z, head, templates, reference_z, reference_templates):
    groups = [reference_z[reference_templates == kind] for kind in reference_templates.unique()]
    table = torch.stack([group.mean(0) for group in groups])
    answer = z.clone()
    answer[:, :, head] = table[templates.unique(return_inverse=True)[1]][:, :, head]
    return answer


def two_numbers(z, head, *rest):
    answer, right = z.clone(), ablated_by_loop(z, head, *rest)
    answer[:, :, head, 0], answer[:, :, head, 1] = right[:, :, head, 0], right[:, :, head, 1]
    return answer


def another_head(z, head, *rest):
    return ablated_by_loop(z, (head + 1) % z.shape[2], *rest)


WRONG_ABLATIONS = {
    "zero": (mistaken(lambda z, r, h, m, t: 0), "You set the head to zero"),
    "all templates": (
        mistaken(lambda z, r, h, m, t: r[:, :, h].mean(0)),
        "over all reference prompts, whatever their template",
    ),
    "positions": (
        mistaken(lambda z, r, h, m, t: r[t][:, :, h].mean((0, 1))),
        "runs over the positions too",
    ),
    "one mean": (
        mistaken(lambda z, r, h, m, t: r[:, :, h].mean((0, 1))),
        "one mean over all templates and positions",
    ),
    "evaluated prompts": (
        mistaken(lambda z, r, h, m, t: z[m][:, :, h].mean(0)),
        "over the evaluated prompts, `z`",
    ),
    "all evaluated prompts": (
        mistaken(lambda z, r, h, m, t: z[:, :, h].mean(0)),
        "over the evaluated prompts, of all templates",
    ),
    "both sets": (
        mistaken(lambda z, r, h, m, t: torch.cat([r[t], z[m]])[:, :, h].mean(0)),
        "the evaluated and the reference prompts together",
    ),
    "median": (
        mistaken(lambda z, r, h, m, t: r[t][:, :, h].median(0).values),
        "You take the median. The",
    ),
    "quantile": (mistaken(quantile), "between the two middle values"),
    "sum": (mistaken(lambda z, r, h, m, t: r[t][:, :, h].sum(0)), "the sum over the reference"),
    "wrong number": (
        mistaken(lambda z, r, h, m, t: r[t][:, :, h].sum(0) / len(r)),
        "the number of all reference prompts",
    ),
    "vector": (
        mistaken(lambda z, r, h, m, t: r[t][:, :, h].mean(0).mean(-1, keepdim=True)),
        "over the numbers of the head's output too",
    ),
    "heads": (mistaken(lambda z, r, h, m, t: r[t].mean((0, 2))), "runs over the heads too"),
    "all heads": (all_heads, "You replace every head"),
    "axis": (axis_of_positions, "the position with the number `head`"),
    "unchanged": (unchanged, "You return the outputs unchanged"),
    "alone": (replacement_alone, "the means of the head alone"),
    "first template": (template_of_the_first, "the template of the first prompt"),
    "subtracted": (subtracted, "You subtract the mean"),
    "added": (added, "You add the mean"),
    "in place": (overwritten, "changes its input `z` in place"),
    "resample": (resampled, "That is a resample ablation"),
    "resample from any": (resampled_from_any_template, "That is a resample ablation"),
    "index_add": (index_add, "templates 5, -2 and 9"),
    "places in a table": (places_in_a_table, "for places in a table"),
    "numbered apart": (numbered_apart, "apart from each other"),
    "two numbers": (two_numbers, "head 0 of 3"),
    "another head": (another_head, "You replace head 0, and head 1 is to be knocked out"),
    "constants": (numbers_of_the_templates, "numbers or shapes of one example"),
    "constant head": (always_head_one, "numbers or shapes of one example"),
}


@pytest.mark.parametrize("name", WRONG_ABLATIONS)
def test_each_misconception_about_the_mean_ablation_is_named(name):
    mistake, message = WRONG_ABLATIONS[name]
    result = check_mean_ablation(mistake)
    assert result.status == "failed"
    assert message in result.message, result


def test_no_two_misconceptions_about_the_mean_ablation_share_a_message():
    said = {name: check_mean_ablation(fn).message for name, (fn, _) in WRONG_ABLATIONS.items()}
    assert said.pop("resample from any") == said["resample"]
    assert len(set(said.values())) == len(said)


def test_a_mean_ablation_that_fails_shows_a_small_example():
    for name in ("zero", "resample", "alone"):
        result = check_mean_ablation(WRONG_ABLATIONS[name][0])
        assert len(result.expected) < 120 and len(result.got) < 120


def test_the_stub_of_the_mean_ablation_is_not_attempted():
    def mean_ablate(z, head, templates, reference_z, reference_templates):
        raise NotImplementedError("Exercise 2.3a: Your turn.")

    assert check_mean_ablation(mean_ablate).status == "not attempted"


KNOWN = [
    Answers.of(check_logit_difference, RIGHT, WRONG),
    Answers.of(check_mean_ablation, ABLATIONS, WRONG_ABLATIONS),
]
