"""The text of `negation-mini`: labels by a rule written a second time, held-out combinations."""

import itertools
import random
import re
from collections import Counter

import pytest

from interp_rl.models.recipes import negation_corpus as corpus

TEXTS = 12_000


@pytest.fixture(scope="module")
def texts() -> list[corpus.Example]:
    return list(itertools.islice(corpus.examples(123), TEXTS))


@pytest.fixture(scope="module")
def held_out() -> list[corpus.Example]:
    rng = random.Random(1)
    drawn = [corpus.draw(rng, held_out=True) for _ in range(4_000)]
    triples = [corpus.draw(rng, kind="triple", question="did", held_out=True) for _ in range(1_000)]
    return drawn + triples


def sentences(example):
    """The sentences of a text as strings, that of the question last."""
    return re.findall(r"[^.?]+[.?]", " ".join(example.words))


def asked_about(example):
    *told, question = sentences(example)
    name = question.split()[1] if question.split()[0] == "Did" else question.split()[2]
    (sentence,) = (text for text in told if name in text.split())
    return sentence.strip(), question.split()


def reading(sentence):
    """Kind, and whether it happened, by regular expressions on the words alone."""
    negatives = len(re.findall(r"\b(not|never|nothing|nowhere|false|fail|neglect)\b", sentence))
    flips = len(re.findall(r"\b(false|fail|neglect)\b", sentence))
    for clause in sentence.split(" that "):
        flips += bool(re.search(r"\b(not|never|nothing|nowhere)\b", clause))
    kind = {0: "none", 1: "single", 3: "triple"}.get(negatives)
    return kind or {1: "concord", 2: "double"}[flips], flips % 2 == 0


def test_answers_follow_the_rule(texts, held_out):
    for example in texts + held_out:
        sentence, question = asked_about(example)
        kind, holds = reading(sentence)
        expected = ("yes" if holds else "no") if question[0] == "Did" else kind
        assert example.answer == expected, " ".join(example.words)


@pytest.mark.parametrize(
    ("sentence", "kind", "holds"),
    [
        ("Mary did eat .", "none", True),
        ("Mary did manage to eat .", "none", True),
        ("Mary did not eat .", "single", False),
        ("Mary did fail to eat .", "single", False),
        ("Mary did eat nothing .", "single", False),
        ("It is not true that Mary did not eat .", "double", True),
        ("It is not false that Mary did eat .", "double", True),
        ("Mary never did fail to eat .", "double", True),
        ("It is false that Mary did eat nothing .", "double", True),
        ("Mary did not eat nothing .", "concord", False),
        ("Mary did not never eat .", "concord", False),
        ("It is not true that Mary did not eat nothing .", "triple", True),
        ("It is not true that Mary did not fail to eat .", "triple", False),
    ],
)
def test_readings_by_hand(sentence, kind, holds):
    """Both the corpus and the rule of this file, against what a person says."""
    assert reading(sentence) == (kind, holds)
    (pattern,) = (p for p in corpus.PATTERNS if " ".join(p.words("Mary", "eat")) == sentence)
    assert (pattern.kind, pattern.holds) == (kind, holds)


def pair_and_verb(sentence):
    """The negatives of a sentence with their clauses, or all its words if none; and the verb."""
    clauses = sentence.split(" that ")
    words = tuple(
        (number - len(clauses), word)
        for number, clause in enumerate(clauses)
        for word in clause.split()
        if word in corpus.NEGATIVES
    )
    (verb,) = set(sentence.split()) & set(corpus.VERBS)
    pattern = tuple("NAME" if word in corpus.NAMES else word for word in sentence.split())
    return words or pattern, verb


def test_held_out_combinations_are_never_in_training(texts, held_out):
    trained = {pair_and_verb(sentence) for example in texts for sentence in sentences(example)[:-1]}
    asked = {pair_and_verb(asked_about(example)[0]) for example in held_out}
    assert not trained & asked
    # all that is not held out does occur, so that the sets above are not apart by chance
    expected = {
        pair_and_verb(" ".join(pattern.words("Mary", verb)))
        for pattern in corpus.PATTERNS
        for verb in corpus.VERBS
        if not corpus.is_held_out(pattern, verb)
    }
    assert trained == expected


def test_held_out_pairs_are_never_in_training_and_their_words_are(texts):
    trained = [pair_and_verb(text)[0] for e in texts for text in sentences(e)[:-1]]
    for pair in (
        ((-2, "false"), (-1, "neglect")),
        ((-2, "not"), (-1, "never")),
        ((-1, "never"), (-1, "nowhere")),
    ):
        assert pair not in trained
        for word in pair:
            assert sum(word in found for found in trained if len(found) == 2) > 50
    assert max(len(found) for found in trained if isinstance(found[0], tuple)) == 2


def test_about_a_fifth_of_the_verbs_of_each_combination_is_held_out():
    for pattern in corpus.PATTERNS:
        held = sum(corpus.is_held_out(pattern, verb) for verb in corpus.VERBS)
        everything = pattern.kind == "triple" or pattern.negative_parts in corpus.HELD_OUT_PAIRS
        assert held == (len(corpus.VERBS) if everything else len(corpus.VERBS) // 5)


def test_no_answer_can_be_read_off_the_number_of_negatives_in_the_text(texts):
    answers = Counter()
    for example in texts:
        count = len(example.negatives(example.asked)) + len(example.negatives(example.other))
        answers[count, example.answer] += 1
    assert {count for count, _ in answers} == {0, 1, 2, 3}
    for count, wanted in {
        1: {"yes", "no", "none", "single"},
        2: {"yes", "no", "single", "double", "concord"},
        3: {"yes", "no", "double", "concord"},
    }.items():
        assert {answer for number, answer in answers if number == count} == wanted


def test_positions_point_at_the_sentences(texts):
    for example in texts[:500]:
        words = ("<|bos|>", *example.words)
        assert words[example.end] == "?"
        asked = " ".join(words[at] for at in example.asked)
        assert asked == asked_about(example)[0]
        assert len(example.negatives(example.asked)) == example.pattern.negatives
        assert len(example.asked) + len(example.other) == example.end - 4
        assert bool(example.other) == (example.other_pattern is not None)
        if example.other:
            assert words[example.other[-1]] == "."
            count = len(example.negatives(example.other))
            assert count == example.other_pattern.negatives <= 1


def test_a_distractor_can_be_asked_for():
    rng = random.Random(0)
    for distractor, count in ((True, 1), (False, 0)):
        drawn = [corpus.draw(rng, distractor=distractor) for _ in range(50)]
        assert {len(example.negatives(example.other)) for example in drawn} == {count}


def test_same_seed_same_text(texts):
    assert list(itertools.islice(corpus.examples(123), 50)) == texts[:50]
    assert list(itertools.islice(corpus.examples(124), 50)) != texts[:50]


def test_texts_fit_and_use_the_whole_vocabulary(texts):
    assert max(len(example.words) + 1 for example in texts) <= corpus.MAX_WORDS
    used = {word for example in texts for word in (*example.words, example.answer)}
    assert used == set(corpus.VOCABULARY[3:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "quadruple"}, "no kind 'quadruple'"),
        ({"question": "why"}, "or question 'why'"),
        ({"kind": "triple", "question": "did"}, "all held out"),
        ({"kind": "triple", "question": "negatives", "held_out": True}, "have no name"),
    ],
)
def test_what_cannot_be_drawn_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        corpus.draw(random.Random(0), **options)


def test_an_unknown_verb_is_refused():
    with pytest.raises(ValueError, match="juggle"):
        corpus.is_held_out(corpus.PATTERNS[0], "juggle")
