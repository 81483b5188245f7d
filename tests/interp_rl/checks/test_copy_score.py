"""The check of Exercise 2.4b passes every right answer and names what is wrong with the others."""
# ruff: noqa: N803  weight matrices have capitals

import pytest
import torch
from torch.nn.functional import layer_norm

from interp_rl.checks.section2 import check_copy_score


def norm(x):
    return layer_norm(x, x.shape[-1:])


def by_topk(stream, names, W_V, W_O, W_U, b_U):
    logits = norm(norm(stream) @ W_V @ W_O) @ W_U + b_U
    return (logits.topk(5).indices == names[:, None]).any(1).float().mean()


def by_rank(stream, names, W_V, W_O, W_U, b_U):
    """With the matrices multiplied first, and fewer than five logits above the name's."""
    logits = norm(norm(stream) @ (W_V @ W_O)) @ W_U + b_U
    own = logits.gather(1, names[:, None])
    return ((logits > own).sum(1) < 5).double().mean()


def by_loop(stream, names, W_V, W_O, W_U, b_U):
    """One name at a time, LayerNorm by hand, and a plain number in return."""

    def by_hand(x):
        x = x - x.mean()
        return x / (x.pow(2).mean() + 1e-5).sqrt()

    found = 0
    for x, name in zip(stream, names, strict=True):
        logits = by_hand(by_hand(x) @ W_V @ W_O) @ W_U + b_U
        found += name in logits.log_softmax(-1).sort(descending=True).indices[:5]
    return found / len(names)


@pytest.mark.parametrize("solution", [by_topk, by_rank, by_loop])
def test_every_way_of_writing_the_copy_score_passes(solution):
    result = check_copy_score(solution)
    assert result.passed, result
    assert "raises whichever name it attends to" in result.learned


def score(logits, names, top=5, **options):
    return (logits.topk(top, **options).indices == names[:, None]).any(1).float().mean()


def head(change):
    """An answer that differs in what goes through the unembedding."""

    def answer(stream, names, W_V, W_O, W_U, b_U):
        return score(change(stream, W_V, W_O) @ W_U + b_U, names)

    return answer


def end(change):
    """An answer that differs in what becomes of the logits."""

    def answer(stream, names, W_V, W_O, W_U, b_U):
        return change(norm(norm(stream) @ W_V @ W_O) @ W_U + b_U, names)

    return answer


def hits(logits, names):
    return (logits.topk(5).indices == names[:, None]).any(1).float()


def own(logits, names):
    return logits.gather(1, names[:, None]).mean()


WRONG = {
    "top 1": (end(lambda x, n: score(x, n, 1)), "only if its logit is the highest"),
    "top 10": (end(lambda x, n: score(x, n, 10)), "among the ten highest"),
    "top 4": (end(lambda x, n: score(x, n, 4)), "among the four highest"),
    "top 6": (end(lambda x, n: score(x, n, 6)), "among the six highest"),
    "percent": (end(lambda x, n: 100 * score(x, n)), "a percentage"),
    "of five": (
        end(lambda x, n: (x.topk(5).indices == n[:, None]).float().mean()),
        "by the five places",
    ),
    "names alone": (
        end(lambda x, n: score(x[:, n], torch.arange(len(n)))),
        "with each other alone",
    ),
    "negative": (head(lambda x, v, o: norm(-norm(x) @ v @ o)), "You take the negative"),
    "LayerNorm of the value": (head(lambda x, v, o: norm(norm(norm(x) @ v) @ o)), "of the value"),
    "lowest": (end(lambda x, n: score(x, n, largest=False)), "You take the lowest logits"),
    "first LayerNorm": (head(lambda x, v, o: norm(x @ v @ o)), "LayerNorm before the head"),
    "final LayerNorm": (head(lambda x, v, o: norm(x) @ v @ o), "LayerNorm before the unembedding"),
    "both": (head(lambda x, v, o: x @ v @ o), "forgot both LayerNorms"),
    "b_U": (
        lambda x, n, v, o, u, b: score(norm(norm(x) @ v @ o) @ u, n),
        "You forgot `b_U`",
    ),
    "no head": (head(lambda x, v, o: norm(x)), "You leave out the head"),
    "residual": (head(lambda x, v, o: norm(x + norm(x) @ v @ o)), "You add the stream"),
    "no W_O": (head(lambda x, v, o: norm(norm(x) @ v)), "You forgot `W_O`"),
    "no W_V": (head(lambda x, v, o: norm(norm(x) @ o)), "You forgot `W_V`"),
    "O before V": (head(lambda x, v, o: norm(norm(x) @ o @ v)), "are exchanged"),
    "V transposed": (head(lambda x, v, o: norm(norm(x) @ v.T @ o)), "`W_V` is transposed"),
    "O transposed": (head(lambda x, v, o: norm(norm(x) @ v @ o.T)), "`W_O` is transposed"),
    "any at all": (end(lambda x, n: hits(x, n).max()), "You use one hit for all"),
    "number": (end(lambda x, n: hits(x, n).sum()), "the number of names"),
    "each": (end(hits), "one number for each name"),
    "logit": (end(own), "the mean logit of the names"),
    "probability": (end(lambda x, n: own(x.softmax(-1), n)), "the mean probability"),
    "values": (
        end(lambda x, n: (x.topk(5).values == n[:, None]).any(1).float().mean()),
        "with the logits' values",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_misconception_is_named(name):
    mistake, message = WRONG[name]
    result = check_copy_score(mistake)
    assert result.status == "failed"
    assert message in result.message, result


def test_no_two_misconceptions_share_a_message():
    said = {name: check_copy_score(fn).message for name, (fn, _) in WRONG.items()}
    assert len(set(said.values())) == len(said)


def test_a_score_for_one_size_only_is_told_apart():
    def hard_coded(stream, names, W_V, W_O, W_U, b_U):
        return end(hits)(stream, names, W_V, W_O, W_U, b_U).sum() / 300

    message = check_copy_score(hard_coded).message
    assert "right on 300 names" in message
    assert "wrong on 7 names" in message


def test_a_stream_changed_in_place_is_noticed():
    def changes(stream, names, W_V, W_O, W_U, b_U):
        stream -= stream.mean(-1, keepdim=True)
        return by_topk(stream, names, W_V, W_O, W_U, b_U)

    assert "changes its input `stream` in place" in check_copy_score(changes).message


def test_a_whole_number_is_no_share():
    result = check_copy_score(lambda *inputs: 2)
    assert "should return a torch tensor" in result.message


def test_the_stub_is_not_attempted():
    def copy_score(stream, names, W_V, W_O, W_U, b_U):
        raise NotImplementedError("Exercise 2.4b: Your turn.")

    assert check_copy_score(copy_score).status == "not attempted"


def test_the_random_head_copies_some_names_and_not_others():
    """Otherwise mistakes could not be told from right answers."""
    expected = check_copy_score(lambda *inputs: torch.tensor(2.0)).expected
    assert 0.3 < float(expected) < 0.9
