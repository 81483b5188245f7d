"""Generated film reviews: what `reviews-mini`, `sentiment-mini` and `emotion-mini` learn from.

    last night we watched this comedy . the plot was not bad , but i found the music dull .
    i did not laugh , i cried . all in all , i would not see it again .

A review has a few sentences: perhaps an opening and a fact, which say nothing of what the reviewer
thinks; one to three opinions; perhaps what the reviewer felt; perhaps a piece of advice. It has two
labels.

Sentiment, `positive` or `negative`, is what the reviewer concludes: the last opinion of the review
decides. Within a sentence the clause after "but" and "yet" decides, and the main clause where the
other one begins with "although", "even though" or "while". Each "not", "never", "no", "nobody",
"neither", "hardly", "lacked", "without" or "far from" turns a clause round, so that two of them
cancel. Nothing is ironic.

Emotion, one of `EMOTIONS`, is what the reviewer felt in the end; what others felt, what the
reviewer expected and what is denied do not count. Joy goes more often with praise and anger with
blame, but an opinion is always there and always decides the sentiment.

Every clause with a label is a combination of a form, a word (or two) and a subject, and every
combination belongs to one split (`split_of`): those of `validation`, `test` and `fresh` stand in no
training text. For some pairs of form and word no subject at all occurs in training, and pairs of
clauses joined by "but" and the like are divided in the same way. `fresh` is for figures on which no
choice was made.
"""

import itertools
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

#: The tokens that begin and end a text, fill up a batch, stand for unknown and for hidden words.
BOS, EOS, PAD, UNK, MASK = "<|bos|>", "<|eos|>", "<|pad|>", "<|unk|>", "<|mask|>"
SPECIAL: tuple[str, ...] = (BOS, EOS, PAD, UNK, MASK)
"""In the order of their ids."""

SENTIMENTS: tuple[str, ...] = ("negative", "positive")
"""Labels of the sentiment, in the order of their ids."""

EMOTIONS: tuple[str, ...] = ("anger", "fear", "joy", "sadness", "surprise")
"""Labels of the emotion, in the order of their ids."""

SPLITS: tuple[str, ...] = ("train", "validation", "test", "fresh")
"""No combination is in two of them."""

MAX_WORDS = 62
"""No review is longer than this; with the tokens that begin and end it, it has 64."""

# ------------------------------------------------------------------------------------------------
# Words
# ------------------------------------------------------------------------------------------------

ADJECTIVES: dict[str, int] = {
    word: sign
    for sign, words in {
        1: """good great wonderful brilliant superb lovely charming clever beautiful fresh gripping
        moving excellent delightful funny memorable solid original""",
        -1: """bad dull boring awful terrible weak silly lame tedious clumsy dreadful poor messy
        bland predictable forgettable stupid annoying""",
    }.items()
    for word in words.split()
}
"""Adjectives of opinion: 1 praises, -1 blames."""

VERBS: dict[tuple[str, str], int] = {
    ("loved", "love"): 1,
    ("liked", "like"): 1,
    ("enjoyed", "enjoy"): 1,
    ("admired", "admire"): 1,
    ("adored", "adore"): 1,
    ("hated", "hate"): -1,
    ("disliked", "dislike"): -1,
    ("despised", "despise"): -1,
    ("resented", "resent"): -1,
    ("loathed", "loathe"): -1,
}
"""Verbs of opinion, past tense and infinitive."""

NOUNS: dict[str, int] = {
    word: sign
    for sign, words in {
        1: "charm wit heart tension warmth style imagination energy",
        -1: "mistakes nonsense noise gaps cliches holes padding clutter",
    }.items()
    for word in words.split()
}
"""What a film may have or lack."""

ASPECTS: tuple[str, ...] = tuple(
    """
    film movie plot story script acting cast dialogue music photography pace ending editing
    direction humour
    """.split()  # noqa: SIM905
)
"""What opinions are about."""

GENRES: tuple[str, ...] = tuple(
    "film movie comedy thriller drama western musical romance documentary mystery".split()  # noqa: SIM905
)
"""What is seen."""

OTHERS: tuple[str, ...] = (
    "my sister",
    "my brother",
    "my wife",
    "my husband",
    "my friend",
    "my mother",
    "my father",
    "the critic",
)
"""Whose opinions and feelings do not count."""

ADVICE: dict[str, int] = {
    "i would see it again": 1,
    "i would recommend it": 1,
    "go and see it": 1,
    "do not miss it": 1,
    "it is worth your time": 1,
    "you will not regret it": 1,
    "it deserves a prize": 1,
    "i would not see it again": -1,
    "i would not recommend it": -1,
    "i want my money back": -1,
    "stay away from it": -1,
    "do not waste your time": -1,
    "it is not worth your money": -1,
    "you will regret it": -1,
}
"""How a review may end."""

_FEELINGS: dict[str, tuple[str, str]] = {
    "anger": ("angry furious outraged mad", "shouted/shout cursed/curse"),
    "fear": ("scared afraid terrified frightened", "screamed/scream trembled/tremble"),
    "joy": ("happy cheerful glad merry", "laughed/laugh smiled/smile"),
    "sadness": ("sad heartbroken tearful gloomy", "cried/cry wept/weep"),
    "surprise": ("surprised astonished stunned speechless", "gasped/gasp blinked/blink"),
}
FEELINGS: dict[str, str] = {
    word: emotion for emotion, (words, _) in _FEELINGS.items() for word in words.split()
}
"""Adjectives of emotion."""

REACTIONS: dict[tuple[str, str], str] = {
    (pair.split("/")[0], pair.split("/")[1]): emotion
    for emotion, (_, pairs) in _FEELINGS.items()
    for pair in pairs.split()
}
"""Verbs of emotion, past tense and infinitive."""

_TIMES = (
    "last night", "yesterday", "last week", "on sunday", "on friday", "last month", "this morning",
    "two days ago", "on saturday",
)  # fmt: skip
_WATCHERS = ("i", "we", *(f"{other} and i" for other in OTHERS[:-1]))
_OPENINGS = (
    "{time} {who} {saw} {which} {genre} {where}",
    "{time} {who} {saw} {which} {genre} {where}",
    "{who} {saw} {which} {genre} {where} {time}",
    "{who} went to see {which} {genre} {time}",
    "{who} had heard about this {genre} before",
    "{who} rented this {genre} {time}",
    "this {genre} is about {topic}",
    "this is a {nation} {genre} about {topic}",
    "this {nation} {genre} tells the story of {topic}",
    "the {genre} takes place in {setting}",
    "{who} chose {which} {genre} about {topic}",
    "{who} bought tickets for {which} {genre} {time}",
    "{who} knew nothing about this {genre}",
    "{time} {which} {genre} was on television",
    "i have seen this {genre} {times} times",
)
_FACTS = (
    "it runs for two hours",
    "it lasts ninety minutes",
    "the story takes place in {setting}",
    "it was made in {setting}",
    "it is based on a book",
    "it is the second part of a series",
    "the director is {nation}",
    "it tells the story of {topic}",
)
_FILLERS: dict[str, tuple[str, ...]] = {
    "time": _TIMES,
    "who": _WATCHERS,
    "saw": ("saw", "watched"),
    "which": ("this", "this new", "a new", "an old", "this french", "a short", "a long", "the new"),
    "genre": GENRES,
    "where": ("", "", "at home", "in the cinema", "on a plane", "on television", "at a festival"),
    "topic": (
        "a young doctor", "two brothers", "a lonely teacher", "a family in {setting}", "a lost dog",
        "an old soldier", "three sisters", "a singer from {setting}",
    ),
    "setting": ("paris", "london", "rome", "a small town", "a village", "space", "the desert"),
    "nation": ("french", "italian", "american", "spanish", "polish", "japanese"),
    "times": ("two", "three"),
    # decorations of labelled clauses; they are no part of a combination
    "more": ("very", "really", "truly", "quite", "rather", "extremely"),
    "too": ("very", "really", "particularly", "at all"),
    "by": ("by the end", "after an hour", "at times", "in the cinema"),
}  # fmt: skip
_LEADS = ("", "", "all in all ,", "in the end ,", "in short ,", "overall ,", "to sum up ,")
_TURNS = ("but", "still ,", "nevertheless ,", "all in all ,", "in the end ,")

# ------------------------------------------------------------------------------------------------
# Forms of labelled clauses
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """A clause with gaps.

    Gaps for words: `{adjective}`, `{noun}`, `{past}` or `{infinitive}` of a verb of opinion,
    `{feeling}`, `{reacted}` or `{react}`; with a 2 behind, for a second word of the same kind. Gaps
    for the subject: `{aspect}`, `{genre}` or `{other}`. Others are filled with decorations.
    """

    text: str
    """the words and gaps"""
    sign: int = 1
    """1 if the clause says what its last word says, -1 if it says the opposite; for emotions, 1 if
    the last word names it, -1 if the first one does"""
    relation: int = 1
    """with two words: 1 if they are alike, -1 if they are opposites"""

    @property
    def kind(self) -> str:
        """The list that its words are from."""
        for kind, gaps in _KINDS.items():
            if any("{" + gap in self.text for gap in gaps):
                return kind
        return "advice"

    @property
    def words(self) -> int:
        """How many words it takes."""
        return 2 if "2}" in self.text else 1

    @property
    def subject(self) -> str:
        """Which gap for a subject it has, or none."""
        return next((gap for gap in _SUBJECTS if "{" + gap + "}" in self.text), "")


_KINDS = {
    "adjective": ("adjective",),
    "verb": ("past", "infinitive"),
    "noun": ("noun",),
    "feeling": ("feeling",),
    "reaction": ("reacted", "react}"),
}
_SUBJECTS: dict[str, tuple[str, ...]] = {
    "other": OTHERS,
    "aspect": ASPECTS,
    "genre": GENRES,
    "": ("",),
}

CLAUSES: tuple[Form, ...] = (
    Form("{aspect} was {adjective}"),
    Form("{aspect} was {more} {adjective}"),
    Form("i found {aspect} {adjective}"),
    Form("i found {aspect} {more} {adjective}"),
    Form("i thought {aspect} was {adjective}"),
    Form("{aspect} seemed {adjective} to me"),
    Form("i would say that {aspect} was {adjective}"),
    Form("perhaps {aspect} was {adjective} after all"),
    Form("it was a {adjective} {genre}"),
    Form("this is a {more} {adjective} {genre}"),
    Form("{aspect} was not {adjective}", -1),
    Form("{aspect} was not {too} {adjective}", -1),
    Form("{aspect} was never {adjective}", -1),
    Form("{aspect} was hardly {adjective}", -1),
    Form("{aspect} was far from {adjective}", -1),
    Form("i did not find {aspect} {adjective}", -1),
    Form("i do not think that {aspect} was {adjective}", -1),
    Form("nobody could call {aspect} {adjective}", -1),
    Form("it was not a {adjective} {genre}", -1),
    Form("this is not a {adjective} {genre}", -1),
    Form("there was never a {adjective} moment in the {genre}", -1),
    Form("i would not say that {aspect} was not {adjective}"),
    Form("nobody could say that {aspect} was not {adjective}"),
    Form("it is not true that {aspect} was not {adjective}"),
    Form("i {past} {aspect}"),
    Form("i really {past} {aspect}"),
    Form("i have to say that i {past} {aspect}"),
    Form("i did not {infinitive} {aspect}", -1),
    Form("i could not {infinitive} {aspect}", -1),
    Form("nobody could {infinitive} {aspect}", -1),
    Form("i can not say that i did not {infinitive} {aspect}"),
    Form("{aspect} had a lot of {noun}"),
    Form("{aspect} was full of {noun}"),
    Form("{aspect} had no {noun}", -1),
    Form("{aspect} lacked {noun}", -1),
    Form("i noticed no {noun} in {aspect}", -1),
    Form("{aspect} was not without {noun}"),
    Form("{aspect} did not lack {noun}"),
)
"""Clauses of opinion with one word; two of opposite meaning may be joined."""

WHOLE: tuple[Form, ...] = (
    Form("{aspect} was {adjective} and {adjective2}"),
    Form("{aspect} was neither {adjective} nor {adjective2}", -1),
    Form("{aspect} was not only {adjective} but also {adjective2}"),
    Form("{aspect} was {adjective} but not {adjective2}", -1),
    Form("{aspect} was {adjective} but never {adjective2}", -1),
    Form("{aspect} was not {adjective} but {adjective2}"),
    Form("{aspect} was {adjective} but {adjective2}", 1, -1),
    Form("{aspect} was not {adjective} , it was {adjective2}", 1, -1),
    Form("{other} {past} it but i did not", -1),
    Form("{other} did not {infinitive} it but i did"),
    Form("{other} {past} it but i {past2} it", 1, -1),
    Form("unlike {other} , i {past} it"),
    Form("{other} and i {past} it"),
)
"""Sentences of opinion that are not joined with others."""

ADVISING: tuple[Form, ...] = tuple(Form(f"{lead} {{advice}}".strip()) for lead in _LEADS[1:])
"""Sentences of advice."""

JOINTS: tuple[str, ...] = (
    "{left} but {right}",
    "{left} , but {right}",
    "{left} , yet {right}",
    "although {left} , {right}",
    "even though {left} , {right}",
    "while {left} , {right}",
    "{right} although {left}",
    "{right} , even though {left}",
)
"""How two clauses of opposite meaning are joined; the one called right decides."""

EMOTIONAL: tuple[Form, ...] = (
    Form("i was {feeling}"),
    Form("i felt {more} {feeling}"),
    Form("{aspect} made me {feeling}"),
    Form("{aspect} left me {feeling}"),
    Form("{by} i was {feeling}"),
    Form("i can not say that i was not {feeling}"),
    Form("i {reacted}"),
    Form("{by} i {reacted}"),
    Form("{aspect} made me {react}"),
    Form("i was not {feeling} , i was {feeling2}"),
    Form("{aspect} did not make me {feeling} but {feeling2}"),
    Form("i expected to be {feeling} but i was {feeling2}"),
    Form("{other} was {feeling} but i was {feeling2}"),
    Form("although {other} was {feeling} , i felt {feeling2}"),
    Form("i was {feeling} , not {feeling2}", -1),
    Form("{aspect} made me {feeling} rather than {feeling2}", -1),
    Form("i was {feeling} while {other} was {feeling2}", -1),
    Form("i did not {react} , i {reacted2}"),
    Form("{other} {reacted} but i {reacted2}"),
    Form("{aspect} made me {react} , not {react2}", -1),
    Form("i {reacted} when {other} {reacted2}", -1),
)
"""Sentences about what the reviewer felt."""

Words = tuple[str, ...]
"""The word or words of a clause; of a verb, the past tense."""


def _share(key: str) -> float:
    """A number from 0 to 1 that depends on the text alone."""
    return zlib.crc32(key.encode()) / 2**32


def split_of(form: str, words: Words = (), subject: str = "") -> str:
    """The split to which a combination belongs.

    Args:
        form: Text of a `Form`, or of a joint.
        words: Its word or words; for a joint, the texts of the two forms.
        subject: What it is about.

    Returns:
        One of `SPLITS`.
    """
    # some pairs of form and word are held out with all subjects, of the others some subjects
    for key, held_out in ((f"{form}|{words}", 0.06), (f"{form}|{words}|{subject}", 0.1)):
        number = int(_share(key) / held_out)
        if number < 3:
            return SPLITS[1 + number]
    return "train"


_INFINITIVES = dict([*VERBS, *REACTIONS])
_LEXICON: dict[str, dict[str, int | str]] = {
    "adjective": dict(ADJECTIVES),
    "noun": dict(NOUNS),
    "verb": {past: sign for (past, _), sign in VERBS.items()},
    "advice": dict(ADVICE),
    "feeling": dict(FEELINGS),
    "reaction": {past: emotion for (past, _), emotion in REACTIONS.items()},
}


def label_of(form: Form, words: Words) -> str:
    """What a clause says.

    Args:
        form: The clause.
        words: Its word or words.

    Returns:
        One of `SENTIMENTS` or `EMOTIONS`.
    """
    lexicon = _LEXICON[form.kind]
    if form.kind in ("feeling", "reaction"):
        return str(lexicon[words[-1 if form.sign == 1 else 0]])
    return SENTIMENTS[int(lexicon[words[-1]]) * form.sign > 0]


@cache
def combinations(form: Form, split: str, label: str) -> tuple[tuple[Words, str], ...]:
    """Every combination of a form's words and subjects that a split has for a label.

    Args:
        form: The clause.
        split: One of `SPLITS`.
        label: One of `SENTIMENTS`, or of `EMOTIONS`.

    Returns:
        Words and subject of each.
    """
    lexicon = _LEXICON[form.kind]
    choices: list[Words] = [(word,) for word in lexicon]
    if form.words == 2:
        emotional = form.kind in ("feeling", "reaction")
        choices = [
            (one, two)
            for one in lexicon
            for two in lexicon
            if one != two
            and ((lexicon[one] == lexicon[two]) == (form.relation == 1 and not emotional))
        ]
    return tuple(
        (words, subject)
        for words in choices
        if label_of(form, words) == label
        for subject in _SUBJECTS[form.subject]
        if split_of(form.text, words, subject) == split
    )


# ------------------------------------------------------------------------------------------------
# Sentences and reviews
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clause:
    """A combination in words."""

    form: Form
    """the form"""
    words: Words
    """its word or words"""
    subject: str
    """what it is about"""
    text: str
    """all of it, in lower case, words and commas set apart by spaces"""

    @property
    def label(self) -> str:
        """What it says."""
        return label_of(self.form, self.words)


@dataclass(frozen=True)
class Sentence:
    """A sentence of a review."""

    text: str
    """the words, without the full stop"""
    clauses: tuple[Clause, ...] = ()
    """its labelled clauses; the last one decides"""
    joint: str | None = None
    """how two clauses are joined"""


@dataclass(frozen=True)
class Review:
    """A review with its labels."""

    sentences: tuple[Sentence, ...]
    """in order"""
    sentiment: str
    """one of `SENTIMENTS`"""
    emotion: str | None
    """one of `EMOTIONS`, or nothing if the reviewer tells of no feeling"""

    @property
    def words(self) -> tuple[str, ...]:
        """Words, commas and full stops."""
        return tuple(" ".join(f"{sentence.text} ." for sentence in self.sentences).split())

    @property
    def text(self) -> str:
        """As it is read: no space before a comma or a full stop."""
        return as_text(self.words)


def as_text(words: tuple[str, ...]) -> str:
    """Words as they are read: no space before a comma or a full stop.

    Args:
        words: Words, commas and full stops.

    Returns:
        The text.
    """
    return " ".join(words).replace(" ,", ",").replace(" .", ".")


def _articles(text: str) -> str:
    """Single spaces, and "an" where it belongs."""
    words = text.split()
    for at, (word, following) in enumerate(itertools.pairwise(words)):
        if word == "a" and following[0] in "aeiou":
            words[at] = "an"
    return " ".join(words)


def _fill(rng: random.Random, text: str, **given: str) -> str:
    """Fills every gap, those that a filling brings along, too."""
    while "{" in text:
        before, rest = text.split("{", 1)
        gap, behind = rest.split("}", 1)
        filling = given[gap] if gap in given else rng.choice(_FILLERS[gap])
        text = before + filling + behind
    return _articles(text)


def _aspect(rng: random.Random, aspect: str) -> str:
    """The plot, the plot of this film, its plot, or it."""
    if aspect in ("film", "movie"):
        return rng.choice((f"the {aspect}", f"this {aspect}"))
    return rng.choice(
        (f"the {aspect}", f"the {aspect}", f"the {aspect} of this film", f"the {aspect} in this "
         "movie", f"its {aspect}")
    )  # fmt: skip


def _clause(rng: random.Random, form: Form, words: Words, subject: str) -> Clause:
    """Puts words and subject into a form, and decorations into its other gaps."""
    given = {form.subject: _aspect(rng, subject) if form.subject == "aspect" else subject}
    for number, word in zip(("", "2"), words, strict=False):
        for gap in ("adjective", "noun", "past", "advice", "feeling", "reacted"):
            given[gap + number] = word
        for gap in ("infinitive", "react"):
            given[gap + number] = _INFINITIVES.get(word, "")
    return Clause(form, words, subject, _fill(rng, form.text, **given))


def draw_clause(
    rng: random.Random, forms: tuple[Form, ...], label: str, split: str = "train"
) -> Clause:
    """Draws a clause with a given label; each form that has one is equally likely.

    Args:
        rng: Source of randomness.
        forms: What to choose from.
        label: What it shall say.
        split: One of `SPLITS`.

    Returns:
        The clause.

    Raises:
        ValueError: If none of the forms has such a combination.
    """
    forms = tuple(form for form in forms if combinations(form, split, label))
    if not forms:
        raise ValueError(f"no such form has a combination for {label!r} in the split {split!r}")
    form = rng.choice(forms)
    return _clause(rng, form, *rng.choice(combinations(form, split, label)))


def _opposite(sentiment: str) -> str:
    return SENTIMENTS[sentiment == SENTIMENTS[0]]


def draw_joined(
    rng: random.Random, sentiment: str, split: str = "train", *, contrast: bool = True
) -> Sentence:
    """Draws two clauses of opinion in one sentence.

    Args:
        rng: Source of randomness.
        sentiment: What the sentence shall conclude.
        split: One of `SPLITS`.
        contrast: Whether they say opposite things and are joined by one of `JOINTS`; else they
            agree and are joined by "and".

    Returns:
        The sentence; its second clause decides.
    """
    right = draw_clause(rng, CLAUSES, sentiment, split)
    joint = "{left} and {right}"
    while True:
        left = draw_clause(rng, CLAUSES, _opposite(sentiment) if contrast else sentiment, split)
        if contrast:
            joint = rng.choice(JOINTS)
        genre = "genre" in (left.form.subject, right.form.subject)
        if left.subject == right.subject and not genre:
            continue
        if not contrast or split_of(joint, (left.form.text, right.form.text)) == split:
            return Sentence(joint.format(left=left.text, right=right.text), (left, right), joint)
        right = draw_clause(rng, CLAUSES, sentiment, split)


def _opinion(rng: random.Random, sentiment: str, split: str) -> Sentence:
    """One clause, one of the forms with two words, two clauses joined by "and", or a contrast."""
    kind = rng.choices(("clause", "whole", "and", "contrast"), (0.4, 0.25, 0.1, 0.25))[0]
    if kind in ("and", "contrast"):
        return draw_joined(rng, sentiment, split, contrast=kind == "contrast")
    clause = draw_clause(rng, WHOLE if kind == "whole" else CLAUSES, sentiment, split)
    return Sentence(clause.text, (clause,))


#: How often a review with an emotion is positive, if half of all reviews are; 0.5 for the others.
_POSITIVE = {"joy": 0.75, "anger": 0.25}


def draw(
    rng: random.Random,
    split: str = "train",
    *,
    sentiment: str | None = None,
    emotion: str | None = None,
    positive: float = 0.5,
    emotional: float = 0.35,
) -> Review:
    """Draws one review; all its labelled clauses are of one split.

    Args:
        rng: Source of randomness; the same state gives the same review.
        split: One of `SPLITS`.
        sentiment: One of `SENTIMENTS`; at random if left out.
        emotion: One of `EMOTIONS`; at random if left out.
        positive: Share of positive reviews, if neither sentiment nor emotion is given.
        emotional: Share of reviews that tell of an emotion, if none is given.

    Returns:
        The review.

    Raises:
        ValueError: If there is no such split, sentiment or emotion.
    """
    for value, known in ((split, SPLITS), (sentiment, SENTIMENTS), (emotion, EMOTIONS)):
        if value is not None and value not in known:
            raise ValueError(f"{value!r} is none of: {', '.join(known)}")
    if sentiment is None:
        share = positive if emotion is None else _POSITIVE.get(emotion, 0.5)
        sentiment = SENTIMENTS[rng.random() < share]
    if emotion is None and rng.random() < emotional:
        shares = [_POSITIVE.get(name, 0.5) for name in EMOTIONS]
        weights = shares if sentiment == "positive" else [1 - share for share in shares]
        emotion = rng.choices(EMOTIONS, weights)[0]

    while True:
        opinions = rng.choices((1, 2, 3), (0.55, 0.4, 0.05))[0]
        turning = opinions == 2 and rng.random() < 0.3
        sentences = []
        for number in range(opinions):
            last = number == opinions - 1
            if last and not turning and opinions > 1 and rng.random() < 0.4:
                advice = draw_clause(rng, ADVISING, sentiment, split)
                sentences.append(Sentence(advice.text, (advice,)))
                continue
            earlier = turning and not last
            sentence = _opinion(rng, _opposite(sentiment) if earlier else sentiment, split)
            if turning and last:
                lead = rng.choice(_TURNS[" but " in sentence.text :])  # one "but" is enough
                sentence = Sentence(f"{lead} {sentence.text}", sentence.clauses, sentence.joint)
            sentences.append(sentence)
        if emotion is not None:
            clause = draw_clause(rng, EMOTIONAL, emotion, split)
            # between two opinions that turn round, a feeling would hide what "but" refers to
            place = rng.choice((0, len(sentences))) if turning else rng.randint(0, len(sentences))
            sentences.insert(place, Sentence(clause.text, (clause,)))
        if rng.random() < 0.25:
            sentences.insert(0, Sentence(_fill(rng, rng.choice(_FACTS))))
        if rng.random() < 0.5:
            sentences.insert(0, Sentence(_fill(rng, rng.choice(_OPENINGS))))
        review = Review(tuple(sentences), sentiment, emotion)
        if len(review.words) <= MAX_WORDS:
            return review


def reviews(
    seed: int | str, split: str = "train", *, positive: float = 0.5, emotional: float = 0.35
) -> Iterator[Review]:
    """An endless stream of reviews.

    Args:
        seed: The same seed gives the same stream on any machine.
        split: One of `SPLITS`.
        positive: Share of positive reviews.
        emotional: Share of reviews that tell of an emotion.

    Yields:
        One review.
    """
    rng = random.Random(f"reviews {seed} {split}")
    while True:
        yield draw(rng, split, positive=positive, emotional=emotional)


# ------------------------------------------------------------------------------------------------
# Prompts
# ------------------------------------------------------------------------------------------------

PROMPT_SPLITS: tuple[str, ...] = ("train", "held-out")
"""Prompts to train on, and prompts that are kept for measuring."""

PROMPT_WORDS: tuple[int, int] = (2, 5)
"""Fewest and most words of a prompt."""


def _beginning(rng: random.Random) -> tuple[str, ...]:
    """Words that may begin a review and say nothing of what the reviewer thinks."""
    if rng.random() < 0.7:
        return tuple(_fill(rng, rng.choice(_OPENINGS)).split())
    aspect = rng.choice(ASPECTS)
    return tuple((_aspect(rng, aspect) + " was").split())


def split_of_prompt(prompt: str) -> str:
    """The split to which a prompt belongs; half of them are held out.

    Args:
        prompt: Any text.

    Returns:
        One of `PROMPT_SPLITS`.
    """
    return PROMPT_SPLITS[_share(f"prompt|{prompt}") < 0.5]


def prompts(split: str, n: int, seed: int = 0, *, words: int | None = None) -> list[str]:
    """Draws beginnings of reviews: neutral, all different.

    Which prompts are held out is settled by their words alone, so that no prompt is in both splits.
    They are held out from fine-tuning; the language model has read reviews with any beginning.

    Args:
        split: One of `PROMPT_SPLITS`.
        n: How many.
        seed: The same seed gives the same prompts.
        words: Length of every prompt, since some libraries ask for equal lengths; between the two
            numbers of `PROMPT_WORDS` if left out. One word is one token.

    Returns:
        The prompts.

    Raises:
        ValueError: If there is no such split, or if there are not so many prompts of that length.
    """
    if split not in PROMPT_SPLITS:
        raise ValueError(f"no split {split!r} of prompts: {', '.join(PROMPT_SPLITS)}")
    low, high = PROMPT_WORDS
    if words is not None and not low <= words <= high:
        raise ValueError(f"prompts have {low} to {high} words, not {words}")
    if n < 0:
        raise ValueError(f"cannot draw {n} prompts")
    rng = random.Random(f"prompts {seed} {split}")
    found: dict[str, None] = {}
    in_vain = 0
    while len(found) < n:
        length = words or rng.randint(low, high)
        beginning = _beginning(rng)[:length]
        prompt = " ".join(beginning)
        new = prompt not in found and split_of_prompt(prompt) == split
        if len(beginning) == length and new:
            found[prompt] = None
            in_vain = 0
        elif (in_vain := in_vain + 1) > 20_000:
            raise ValueError(
                f"there are only about {len(found)} such prompts in {split!r}, not {n}"
            )
    return list(found)


# ------------------------------------------------------------------------------------------------
# Tokens
# ------------------------------------------------------------------------------------------------


def _vocabulary() -> tuple[str, ...]:
    texts = [*_OPENINGS, *_FACTS, *_LEADS, *_TURNS, *JOINTS, "the this its of this film in movie"]
    texts += [form.text for form in (*CLAUSES, *WHOLE, *ADVISING, *EMOTIONAL)]
    texts += [filling for fillings in _FILLERS.values() for filling in fillings]
    texts += [*ADJECTIVES, *NOUNS, *ASPECTS, *GENRES, *OTHERS, *ADVICE, *FEELINGS, "an and . ,"]
    texts += [form for pair in (*VERBS, *REACTIONS) for form in pair]
    words = {word for text in texts for word in text.split() if "{" not in word}
    return (*SPECIAL, *sorted(words))


VOCABULARY: tuple[str, ...] = _vocabulary()
"""Every token, in the order of its id."""

IDS: dict[str, int] = {word: index for index, word in enumerate(VOCABULARY)}
"""Ids of the tokens."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The word-level tokenizer of all three models.

    Text need not be spaced out nor in lower case: "The film." is read as `the film .` A word
    outside the vocabulary becomes `<|unk|>`. No token is added by itself. Batches are padded on the
    right.

    Returns:
        A fast tokenizer.
    """
    tokenizer = Tokenizer(models.WordLevel(IDS, unk_token=UNK))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(behavior="isolated")]
    )
    # joins words by spaces and takes away the space before a comma or a full stop
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        unk_token=UNK,
        mask_token=MASK,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_WORDS + 2,
    )
