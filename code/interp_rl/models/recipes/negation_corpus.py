"""The generated English that `negation-mini` learns from: sentences with none to three negatives.

    Mary did not fail to eat . John did sing nothing . Did Mary eat ? yes
    Mary did not eat nothing . Negatives for Mary ? concord

A sentence says of one person that something happened or did not. American English has two ways of
combining negatives, and both occur:

- negatives of different clauses cancel: "it is not true that Mary did not eat", as do a negative
  and a word with a negative meaning, "did not fail to", "it is not false that";
- negatives of one clause agree, so that two say no more than one: "did not eat nothing". This is
  negative concord, at home in several American dialects.

The text settles by the clause alone what speakers settle by dialect, stress and situation: among
`not`, `never`, `nothing` and `nowhere` in one clause there is always concord. Whether a negative
beside a verb with an infinitive ("did not manage to eat nothing") agrees with one behind it differs
among speakers, so such sentences do not occur.

For every combination of negatives (without negatives: for every pattern), a fifth of the verbs is
held out, and three pairs of negatives are held out altogether (`is_held_out`): no training sequence
contains them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from interp_rl.models.recipes.ioi_corpus import BOS, PAD, UNK

NAMES: tuple[str, ...] = tuple(
    """
    Mary John Susan Paul Anna Mark Lisa Peter Karen David Laura Simon Emma Frank Helen Jack
    """.split()  # noqa: SIM905
)
"""Who a sentence is about."""

VERBS: tuple[str, ...] = tuple(
    """
    eat read write sing cook paint draw drink sell study buy win bake learn teach build carry clean
    collect find hear hide lose order pack pay play send steal wash
    """.split()  # noqa: SIM905
)
"""What they did or did not do. Each goes with an object or without."""

NEGATIVES: tuple[str, ...] = ("not", "never", "nothing", "nowhere", "false", "fail", "neglect")
"""Every negative word; the last three are negative by their meaning."""

KINDS: tuple[str, ...] = ("none", "single", "double", "concord")
"""The answers to "Negatives for Mary ?"; a double negative cancels, concord does not."""

QUESTIONS: tuple[str, ...] = ("did", "negatives")
"""What is asked: whether it happened (yes or no), or which kind of negation it is."""

_OPENINGS = (
    "",
    "it is true that",
    "it is not true that",
    "it is false that",
    "it is not false that",
)
_AUXILIARIES = ("did", "did not", "never did", "did not never")
_INFINITIVES = ("", "manage to", "remember to", "fail to", "neglect to")
_ENDINGS = ("", "today", "there", "nothing", "nowhere")


@dataclass(frozen=True)
class Pattern:
    """A sentence without its person and its verb."""

    opening: str
    """words before the person, or none"""
    auxiliary: str
    """words between the person and the verb, with or without a negative"""
    infinitive: str
    """a verb that takes the main verb, such as "fail to", or none"""
    ending: str
    """words behind the verb, or none"""

    @property
    def negative_parts(self) -> tuple[str, ...]:
        """The parts that contain a negative, in order."""
        parts = (self.opening, self.auxiliary, self.infinitive, self.ending)
        return tuple(part for part in parts if set(part.split()) & set(NEGATIVES))

    @property
    def negatives(self) -> int:
        """How many negative words there are."""
        return sum(word in NEGATIVES for part in self.negative_parts for word in part.split())

    @property
    def effective(self) -> int:
        """How many negatives count: those that agree count once."""
        meaning = ("false" in self.opening) + (self.infinitive in ("fail to", "neglect to"))
        main = "not" in self.opening.split()
        subordinate = self.auxiliary != "did" or self.ending in ("nothing", "nowhere")
        return meaning + main + subordinate

    @property
    def holds(self) -> bool:
        """Whether the sentence says that it happened."""
        return self.effective % 2 == 0

    @property
    def kind(self) -> str:
        """One of `KINDS`, or `triple` for more than two negatives, which are not trained on."""
        if self.negatives < 2:
            return KINDS[self.negatives]
        if self.negatives > 2:
            return "triple"
        return "double" if self.effective == 2 else "concord"

    def words(self, name: str, verb: str) -> list[str]:
        """The sentence, with its full stop.

        Args:
            name: Who it is about.
            verb: What happened or did not.

        Returns:
            The words.
        """
        parts = (self.opening, name, self.auxiliary, self.infinitive, verb, self.ending, ".")
        words = " ".join(parts).split()
        return [words[0][0].upper() + words[0][1:], *words[1:]]


PATTERNS: tuple[Pattern, ...] = tuple(
    pattern
    for pattern in (
        Pattern(*parts) for parts in product(_OPENINGS, _AUXILIARIES, _INFINITIVES, _ENDINGS)
    )
    if pattern.negatives <= 3
    and not (pattern.infinitive and pattern.ending in ("nothing", "nowhere"))
)
"""Every pattern of at most three negatives whose reading is settled."""

_COMBINATIONS: dict[str, dict[tuple[str, ...], list[Pattern]]] = {}
for _pattern in PATTERNS:
    _group = _COMBINATIONS.setdefault(_pattern.kind, {})
    _group.setdefault(_pattern.negative_parts, []).append(_pattern)
_NUMBER = {
    parts: number
    for number, parts in enumerate(parts for kind in KINDS for parts in _COMBINATIONS[kind])
}
_AFFIRMATIVE = _COMBINATIONS["none"][()]

HELD_OUT_PAIRS: frozenset[tuple[str, ...]] = frozenset(
    {
        ("it is false that", "neglect to"),
        ("it is not true that", "never did"),
        ("never did", "nowhere"),
    }
)
"""Pairs of negatives that never stand in one training sentence, with any verb."""


def is_held_out(pattern: Pattern, verb: str) -> bool:
    """Whether a combination of negatives and verb is kept out of the training text.

    Args:
        pattern: The sentence without person and verb.
        verb: One of `VERBS`.

    Returns:
        True for a fifth of the verbs of each combination of negatives (without negatives: of each
        pattern), for all verbs of `HELD_OUT_PAIRS`, and for every sentence with three negatives.

    Raises:
        ValueError: If the verb is not among `VERBS`.
    """
    if verb not in VERBS:
        raise ValueError(f"no verb {verb!r} in the corpus: verbs are {', '.join(VERBS)}")
    if pattern.kind == "triple" or pattern.negative_parts in HELD_OUT_PAIRS:
        return True
    # affirmative verbs must not be those of some patterns only, or a verb would tell that it is
    # negated: without negatives the other parts count
    number = _NUMBER[pattern.negative_parts] if pattern.negatives else _AFFIRMATIVE.index(pattern)
    return (number + VERBS.index(verb)) % 5 == 0


@dataclass(frozen=True)
class Example:
    """A text with a question; positions count `<|bos|>`, which stands at 0."""

    words: tuple[str, ...]
    """up to the question mark"""
    answer: str
    """the next word"""
    pattern: Pattern
    """of the sentence that is asked about"""
    verb: str
    """of the same"""
    asked: range
    """positions of the sentence that is asked about"""
    other: range
    """positions of the sentence about somebody else; empty if there is none"""
    other_pattern: Pattern | None
    """its pattern"""

    @property
    def end(self) -> int:
        """Position of the question mark, from which the answer is predicted."""
        return len(self.words)

    def negatives(self, within: range) -> list[int]:
        """Positions of the negative words of one sentence.

        Args:
            within: `asked` or `other`.

        Returns:
            The positions.
        """
        return [at for at in within if self.words[at - 1] in NEGATIVES]


def _pattern_and_verb(rng: random.Random, kind: str, held_out: bool) -> tuple[Pattern, str]:
    """Every combination of negatives of a kind is equally frequent."""
    combinations = list(_COMBINATIONS[kind].values())
    combination = rng.choice(combinations)
    while True:
        pattern, verb = rng.choice(combination), rng.choice(VERBS)
        if is_held_out(pattern, verb) == held_out:
            return pattern, verb
        if not held_out:  # this one may have nothing to train on
            combination = rng.choice(combinations)


def draw(
    rng: random.Random,
    *,
    kind: str | None = None,
    question: str | None = None,
    distractor: bool | None = None,
    held_out: bool = False,
) -> Example:
    """Draws one text.

    Args:
        rng: Source of randomness; the same state gives the same text.
        kind: One of `KINDS`, or `triple`; at random among `KINDS` if left out.
        question: One of `QUESTIONS`; at random if left out.
        distractor: Whether another sentence, about somebody else, has one negative and stands
            before or behind. If left out: no other sentence, one without or one with a negative.
        held_out: Whether the sentence asked about has a held-out combination; the other one never
            has.

    Returns:
        The text, up to its question mark, and the answer.

    Raises:
        ValueError: If there is no such kind or question, or if three negatives are asked for in a
            combination that is not held out.
    """
    kind = kind or rng.choices(KINDS, (0.2, 0.25, 0.3, 0.25))[0]
    question = question or rng.choice(QUESTIONS)
    if kind not in _COMBINATIONS or question not in QUESTIONS:
        raise ValueError(
            f"no kind {kind!r} or question {question!r}: kinds are {', '.join(_COMBINATIONS)}; "
            f"questions are {', '.join(QUESTIONS)}"
        )
    if kind == "triple" and (not held_out or question == "negatives"):
        raise ValueError("sentences with three negatives are all held out, and have no name")
    name, stranger = rng.sample(NAMES, 2)
    pattern, verb = _pattern_and_verb(rng, kind, held_out)
    sentence = pattern.words(name, verb)

    if distractor is None:
        other_kind = rng.choices((None, "none", "single"), (0.35, 0.25, 0.4))[0]
    else:
        other_kind = "single" if distractor else None
    other_pattern, other_sentence = None, []
    if other_kind:
        other_pattern, other_verb = _pattern_and_verb(rng, other_kind, held_out=False)
        other_sentence = other_pattern.words(stranger, other_verb)
    first = rng.random() < 0.5
    before = [] if first else other_sentence
    start, behind = len(before) + 1, len(before) + len(sentence) + 1

    asks = ["Did", name, verb, "?"] if question == "did" else ["Negatives", "for", name, "?"]
    return Example(
        words=(*before, *sentence, *(other_sentence if first else []), *asks),
        answer=("yes" if pattern.holds else "no") if question == "did" else pattern.kind,
        pattern=pattern,
        verb=verb,
        asked=range(start, behind),
        other=range(behind, behind + len(other_sentence)) if first else range(1, start),
        other_pattern=other_pattern,
    )


def examples(seed: int | str) -> Iterator[Example]:
    """An endless stream of training texts.

    Args:
        seed: The same seed gives the same stream on any machine.

    Yields:
        One text with its answer.
    """
    rng = random.Random(seed)
    while True:
        yield draw(rng)


def _vocabulary() -> tuple[str, ...]:
    parts = (*_OPENINGS, *_AUXILIARIES, *_INFINITIVES, *_ENDINGS)
    words = {word for part in parts for word in part.split()}
    words -= {"it"}  # it begins the sentence
    words |= {*NAMES, *VERBS, *KINDS, "It", "Did", "Negatives", "for", "yes", "no", ".", "?"}
    return (BOS, PAD, UNK, *sorted(words))


VOCABULARY: tuple[str, ...] = _vocabulary()
"""Every token, in the order of its id."""

MAX_WORDS = 32
"""No text is longer than this, its answer included."""
