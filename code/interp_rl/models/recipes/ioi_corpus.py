"""The generated English that `ioi-mini` learns from; one word is one token.

Short stories mention people in any order, and end with something being handed to one of them:

    After Lucy had lunch, Henry was late. Lucy came back from the park, so the nurse gave a key to
    Henry.

One person is mentioned once, everybody else twice or three times, and the person mentioned once
receives. Nothing else tells who it is: not the order of mention, not the grammar, not the place in
the sentence, because the giver is never one of the people but a role ("the nurse") or nobody ("was
handed to"). From this alone the model has to learn to see that a name is repeated. In a few stories
nobody is, and the person mentioned last receives.

One text in a hundred is an indirect-object sentence, in which a named person gives (texts that are
too long are drawn again, and such sentences are short, so that they come to 1.6%):

    The nurse saw Julia and Victoria at the store, and then Julia had to give the letter to
    Victoria.

None of the openers of the course's prompts ("When A and B went to the ...") occurs in any sequence.

A tenth of all pairs of names is held out (`is_held_out`): the two names of such a pair never stand
together in any training sequence, of whatever family.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

#: The tokens that begin a text, fill up a batch and stand for unknown words.
BOS, PAD, UNK = "<|bos|>", "<|pad|>", "<|unk|>"

# ------------------------------------------------------------------------------------------------
# Words
# ------------------------------------------------------------------------------------------------

NAMES: tuple[str, ...] = tuple(
    """
    Aaron Adam Alice Allison Amanda Amy Andrea Andrew Angela Anna Anthony Benjamin Bob Bradley
    Brandon Brian Carol Charles Christina Christine Courtney Crystal Daniel David Elizabeth
    Emily Emma Eric Erin Frank George Grace Gregory Heather Helen Henry Jack Jacob James Jane
    Jason Jennifer Jeremy Jesse Jessica John Jonathan Joseph Joshua Julia Justin Karen Kate
    Katherine Katie Kelly Kenneth Kevin Kimberly Kyle Laura Lauren Leo Linda Lisa Lucy Maria
    Mark Martin Mary Matthew Max Megan Melissa Michael Michelle Nancy Nathan Nicholas Nick
    Nicole Oliver Olivia Patrick Paul Peter Rachel Rebecca Richard Robert Rose Ryan Samantha
    Samuel Sarah Scott Sean Simon Stephen Steven Susan Thomas Timothy Tom Tyler Vanessa
    Victoria William
    """.split()  # noqa: SIM905
)
"""First names. GPT-2's tokenizer, too, has each of them (after a space) as one token."""

#: Words for `[PLACE]`.
PLACES: tuple[str, ...] = tuple(
    """
    store garden restaurant school hospital office house station park library museum beach
    market farm theater hotel
    """.split()  # noqa: SIM905
)

#: Words for `[OBJECT]`.
OBJECTS: tuple[str, ...] = tuple(
    """
    ring kiss bone basketball computer necklace drink snack book ball letter key flower map
    ticket hat cake basket
    """.split()  # noqa: SIM905
)

#: Words for `[ROLE]`: the givers.
ROLES: tuple[str, ...] = ("teacher", "doctor", "farmer", "driver", "waiter", "nurse")
#: Words for `[ANIMAL]`.
ANIMALS: tuple[str, ...] = ("dog", "cat", "horse", "bird")
#: Words for `[WHEN]`.
CONJUNCTIONS: tuple[str, ...] = ("When", "After", "While", "Because", "As")

_INDEX = {name: index for index, name in enumerate(NAMES)}


def is_held_out(name_a: str, name_b: str) -> bool:
    """Whether a pair of names is kept out of the training text.

    The rule is symmetric and covers a tenth of all pairs, about eleven partners for each name.

    Args:
        name_a: One of `NAMES`.
        name_b: Another of `NAMES`.

    Returns:
        True where the two names never occur together in training. A name forms no pair with itself.

    Raises:
        KeyError: If a name is not among `NAMES`.
    """
    i, j = _INDEX[name_a], _INDEX[name_b]
    return i != j and (i + j) % 10 == 3


def has_held_out_pair(words: Iterable[str]) -> bool:
    """Whether any two names among the words form a held-out pair.

    Args:
        words: A training sequence; words that are no names are passed over.

    Returns:
        True if the sequence must not be trained on.
    """
    names = sorted({word for word in words if word in _INDEX})
    return any(is_held_out(a, b) for n, a in enumerate(names) for b in names[n + 1 :])


# ------------------------------------------------------------------------------------------------
# Templates: [A], [B], [N] stand for names; [PLACE], [OBJECT] and so on are drawn from the lists
# ------------------------------------------------------------------------------------------------

#: Scenery without people.
SCENERY = (
    "The weather was nice .",
    "It was a long day .",
    "The [ANIMAL] was asleep in the [PLACE] .",
    "It was late .",
    "A [ROLE] walked to the [PLACE] .",
    "The [PLACE] was full of people .",
    "The [ROLE] had a [OBJECT] and a [OBJECT] .",
    "There was a [OBJECT] on the table .",
    "Nobody knew why .",
    "It was very cold at the [PLACE] that day .",
    "The [ANIMAL] ran to the [PLACE] with a [OBJECT] .",
    "The old [PLACE] was closed .",
    "The [PLACE] the [ROLE] went to had a [OBJECT] .",
    "Friends of the [ROLE] found a [OBJECT] .",
    "After the lunch , the sun came out .",
    "The [ROLE] gave a [OBJECT] to the [ROLE] .",
    "Afterwards , the [ROLE] said so to the [ROLE] .",
)

#: One person in a main or subordinate clause: "[N] was late", "After [N] was late ,"
ONE_PERSON = (
    "[N] was at the [PLACE]",
    "[N] had a [OBJECT]",
    "[N] was late",
    "[N] went to the [PLACE]",
    "[N] found a [OBJECT]",
    "[N] got a [OBJECT] at the [PLACE]",
    "[N] was with the [ANIMAL]",
    "[N] had lunch",
    "[N] came back from the [PLACE]",
    "[N] was asleep",
    "[N] was working at the [PLACE]",
    "[N] was commuting to the [PLACE]",
    "[N] was thinking about lunch",
    "[N] thought about going to the [PLACE]",
    "[N] walked to the [PLACE] with the [ANIMAL]",
    "[N] bought a [OBJECT]",
    "[N] was happy",
    "[N] was in the [PLACE]",
    "[N] ran to the [PLACE]",
    "[N] went out",
    "[N] knew the [PLACE]",
    "[N] thought about the [OBJECT]",
    "[N] had fun with the [ANIMAL]",
    "[N] was late for lunch",
    "[N] made a [OBJECT]",
    "[N] had a lot of fun",
    "[N] had a long argument with the [ROLE]",
)

#: One person who is not the subject.
ONE_PERSON_AS_OBJECT = (
    "the [ROLE] saw [N]",
    "the [ANIMAL] was with [N]",
    "the [ROLE] talked about [N]",
    "the [ROLE] met [N] at the [PLACE]",
    "there was a [OBJECT] from [N]",
    "friends of [N] were at the [PLACE]",
    "the [PLACE] that [N] knew was open",
    "the [OBJECT] that [N] bought was old",
)

#: Two people; those that end in a comma go on with another clause
TWO_PEOPLE = (
    "[A] and [B] were asleep at the [PLACE] .",
    "[A] and [B] came back from the [PLACE] .",
    "[A] and [B] had a [OBJECT] .",
    "[A] met [B] at the [PLACE] .",
    "[A] walked to the [PLACE] with [B] .",
    "[A] saw [B] and the [ANIMAL] at the [PLACE] .",
    "[A] and the [ANIMAL] were at the [PLACE] with [B] .",
    "[A] was with [B] at the [PLACE] .",
    "Then [A] and [B] made a [OBJECT] .",
    "Yesterday [A] and [B] bought a [OBJECT] .",
    "The [ROLE] saw [A] and [B] at the [PLACE] .",
    "The [OBJECT] was from [A] and [B] .",
    "The [OBJECT] that [A] and [B] had was old .",
    "Nobody talked about [A] and [B] .",
    "The [PLACE] was open , so [A] and [B] walked there .",
    "At the [PLACE] , [A] and [B] had a [OBJECT] .",
    "[WHEN] [A] met [B] at the [PLACE] ,",
    "[WHEN] [A] found a [OBJECT] with [B] ,",
    "[WHEN] [A] and [B] came back from the [PLACE] ,",
    "[WHEN] [A] and [B] were happy ,",
    "[WHEN] the [ROLE] talked about [A] and [B] ,",
    "It was late , and [A] and [B] were at the [PLACE] .",
)

#: What a sentence may start with.
STARTS = ("", "", "", "Then", "Yesterday", "Later", "Afterwards", "At the [PLACE] ,", "Then ,")

#: What leads from the story to its end.
JOINS = (
    ", so",
    ", and",
    ", and then",
    ", and afterwards",
    ". Then",
    ". Later",
    ". Yesterday ,",
    ".",
)

_VERBS = ("gave", "handed", "offered", "passed", "sent", "showed", "sold")
_INFINITIVES = ("decided to give", "wanted to give", "had to give", "was happy to lend")
_PREPARATIONS = ("bought", "found", "got", "made")
_FOR = (
    *(f"the [ROLE] {verb} a [OBJECT] for" for verb in _PREPARATIONS),
    *(f"the [ROLE] {verb} the [OBJECT] for" for verb in _PREPARATIONS),
    *(f"the [ROLE] {verb} it for" for verb in _PREPARATIONS),
    "there was a [OBJECT] for",
    "there was a [OBJECT] for",
    "the [OBJECT] was a gift for",
)
#: The end of a story; the recipient follows. Those with "for" are few, and stand here twice.
HANDOVERS = (
    *_FOR,
    *_FOR,
    *(f"the [ROLE] {verb} a [OBJECT] to" for verb in (*_VERBS, *_INFINITIVES)),
    *(f"the [ROLE] {verb} the [OBJECT] to" for verb in (*_VERBS, *_INFINITIVES)),
    *(f"the [ROLE] {verb} it to" for verb in (*_VERBS, *_INFINITIVES)),
    "the [ROLE] brought a [OBJECT] to",
    "the [ROLE] brought the [OBJECT] back to",
    "the [ROLE] said to",
    "the [ROLE] said something to",
    "the [ROLE] talked to",
    "the [ROLE] talked to",
    "a [OBJECT] was handed to",
    "a [OBJECT] was sent to",
)

_GIVER = "the [ROLE] "
#: Those in which somebody gives, whose place a named person can take.
GIVEN_BY_SOMEBODY = tuple(closing for closing in HANDOVERS if closing.startswith(_GIVER))

#: A list of people.
LIST_OPENERS = (
    "[LIST] were at the [PLACE] .",
    "The [ROLE] saw [LIST] at the [PLACE] .",
    "Then , [LIST] were happy .",
    "[LIST] had a [OBJECT] .",
    "[WHEN] [LIST] came back from the [PLACE] ,",
)
#: Another list, of all but one of them.
LIST_MIDDLES = (
    "[LIST] came back",
    "[LIST] were asleep",
    "[LIST] had a [OBJECT]",
    "the [ROLE] saw [LIST]",
)

#: No verbs, so that noise makes no indirect-object sentence and no opener of the course's prompts
NOISE = (
    *PLACES,
    *OBJECTS,
    *ROLES,
    *ANIMALS,
    *("back", "cold", "day", "friends", "late", "lunch", "nice", "old", "open", "out", "people"),
    *(
        "so",
        "table",
        "that",
        "then",
        "there",
        "very",
        "weather",
        "why",
        "with",
        "on",
        ",",
        ".",
    ),
)

MAX_WORDS = 36
"""No training sequence is longer than this (the model has 64 positions)."""

_LISTS = {
    "[PLACE]": PLACES,
    "[OBJECT]": OBJECTS,
    "[ROLE]": ROLES,
    "[ANIMAL]": ANIMALS,
    "[WHEN]": CONJUNCTIONS,
}
_TEMPLATES = (
    *SCENERY,
    *ONE_PERSON,
    *ONE_PERSON_AS_OBJECT,
    *TWO_PEOPLE,
    *STARTS,
    *JOINS,
    *HANDOVERS,
    *LIST_OPENERS,
    *LIST_MIDDLES,
)


def _capitalized(word: str) -> str:
    return word[:1].upper() + word[1:]


def _vocabulary() -> tuple[str, ...]:
    words = {*NAMES, *PLACES, *OBJECTS, *ROLES, *ANIMALS, *CONJUNCTIONS, "and", ",", "."}
    for template in _TEMPLATES:
        parts = template.split()
        words.update(part for part in parts if not part.startswith("["))
        words.update(_capitalized(part) for part in parts[:1] if not part.startswith("["))
    return (BOS, PAD, UNK, *sorted(words))


VOCABULARY: tuple[str, ...] = _vocabulary()
"""Every token, in the order of its id: the three special ones, then all words, sorted."""


# ------------------------------------------------------------------------------------------------
# Training sequences
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CorpusSettings:
    """What the training text is made of."""

    stories: float = 0.90
    """share of stories: clauses about people in any order, then a handover"""
    lists: float = 0.10
    """share of lists: three or four people, before or after all of them but the recipient"""
    people: tuple[float, ...] = (0.04, 0.56, 0.36, 0.04)
    """how often a story has one, two, three, four people"""
    recipient_last: float = 0.45
    """how often the recipient is moved behind everybody else; without it the person mentioned last
    would seldom receive, and a model could do without seeing repetition"""
    once: float = 0.015
    """share of stories in which nobody is mentioned twice, and the one mentioned last receives;
    without them a model could take the last name for a repeated one"""
    noisy: float = 0.3
    """share of stories and lists with noise, so that names turn up next to any word"""
    noise: float = 0.15
    """in these, how often a word before the handover is replaced by one of `NOISE`"""
    named_giver: float = 0.01
    """share of texts drawn in which two people are mentioned once, and one of them gives something
    to the other: indirect-object sentences, in other words than the course's prompts"""
    surprise: float = 0.03
    """how often one of the repeated people receives after all: sets how sure the model can be"""


def fill(rng: random.Random, template: str, **names: str) -> list[str]:
    """Turns a template into words.

    Args:
        rng: Draws places, objects, roles, animals and conjunctions.
        template: Words separated by spaces, slots in square brackets.
        **names: The name for each name slot, such as `A="Mary"` for `[A]`.

    Returns:
        The words.
    """
    words = []
    for part in template.split():
        if part in _LISTS:
            words.append(rng.choice(_LISTS[part]))
        elif part.startswith("["):
            words.append(names[part[1:-1]])
        else:
            words.append(part)
    return words


def draw_names(rng: random.Random, count: int) -> list[str]:
    """Draws different names among which there is no held-out pair.

    Args:
        rng: Source of randomness.
        count: How many.

    Returns:
        The names, in random order.
    """
    names: list[str] = []
    while len(names) < count:
        name = rng.choice(NAMES)
        if name not in names and not any(is_held_out(name, other) for other in names):
            names.append(name)
    return names


def _listing(names: list[str]) -> list[str]:
    """`["A", "B", "C"]` as the words `A , B and C`."""
    words = names[:1]
    for name in names[1:-1]:
        words += [",", name]
    return words + (["and", names[-1]] if len(names) > 1 else [])


def _scenery(rng: random.Random) -> list[str]:
    """At times, a sentence without people."""
    return fill(rng, rng.choice(SCENERY)) if rng.random() < 0.3 else []


def _noisy(rng: random.Random, settings: CorpusSettings, words: list[str]) -> list[str]:
    """The words, in some sequences a few of them replaced; names and `and` stay."""
    if rng.random() >= settings.noisy:
        return words
    return [
        rng.choice(NOISE)
        if word not in _INDEX and word != "and" and rng.random() < settings.noise
        else word
        for word in words
    ]


def _handover(
    rng: random.Random,
    settings: CorpusSettings,
    told: list[str],
    recipient: str,
    closings: Sequence[str] = HANDOVERS,
) -> list[str]:
    """What was told, joined to a closing clause; ends with the recipient and a full stop."""
    told = [*_noisy(rng, settings, told[:-1]), told[-1]]
    join = [","] if told[-1] == "," else rng.choice(JOINS).split()
    clause = fill(rng, rng.choice(closings))
    if join[-1] == ".":
        clause[0] = _capitalized(clause[0])
    return [*told[:-1], *join, *clause, recipient, "."]


def _recipient(rng: random.Random, settings: CorpusSettings, names: list[str]) -> str:
    """The first name, mentioned once; seldom one of the others."""
    if len(names) > 1 and rng.random() < settings.surprise:
        return rng.choice(names[1:])
    return names[0]


def story(rng: random.Random, settings: CorpusSettings) -> list[str]:
    """People are mentioned in any order; the one who is mentioned once receives.

    Args:
        rng: Source of randomness.
        settings: Number of people, and how often the rule is broken.

    Returns:
        The words of one story.
    """
    count = rng.choices(range(1, len(settings.people) + 1), settings.people)[0]
    names = draw_names(rng, count)
    once = rng.random() < settings.once
    mentions = names[:1]
    for name in names[1:]:
        mentions += [name] * (1 if once else 2 if rng.random() < 0.9 else 3)
    rng.shuffle(mentions)
    if once or rng.random() < settings.recipient_last:
        mentions.remove(names[0])
        mentions.append(names[0])

    words = _scenery(rng)
    while mentions:
        subordinate = words[-1:] == [","]  # a subordinate clause waits for its main clause
        two_follow = len(mentions) > 1 and mentions[0] != mentions[1]
        if two_follow and not subordinate and rng.random() < 0.5:
            clause = fill(rng, rng.choice(TWO_PEOPLE), A=mentions.pop(0), B=mentions.pop(0))
        elif subordinate:
            clause = [*fill(rng, rng.choice(ONE_PERSON), N=mentions.pop(0)), "."]
        elif len(mentions) > 1 and rng.random() < 0.25:
            clause = [*fill(rng, "[WHEN] " + rng.choice(ONE_PERSON), N=mentions.pop(0)), ","]
        else:
            templates = ONE_PERSON_AS_OBJECT if rng.random() < 0.25 else ONE_PERSON
            start = fill(rng, rng.choice(STARTS))
            clause = [*start, *fill(rng, rng.choice(templates), N=mentions.pop(0)), "."]
            clause[0] = _capitalized(clause[0])
        words += clause
    return _handover(rng, settings, words, _recipient(rng, settings, names))


def list_story(rng: random.Random, settings: CorpusSettings) -> list[str]:
    """Three or four people are listed, before or after all but one of them; that one receives.

    Args:
        rng: Source of randomness.
        settings: How often the rule is broken.

    Returns:
        The words of one story.
    """
    names = draw_names(rng, rng.randint(3, 4))
    words = _scenery(rng)
    groups = [names, names[1:]]
    rng.shuffle(groups)
    for templates, people in zip((LIST_OPENERS, LIST_MIDDLES), groups, strict=True):
        listing = _listing(rng.sample(people, len(people)))
        template = rng.choice(templates).replace("[LIST]", " ".join(listing))
        clause = fill(rng, template)
        if words[-1:] != [","]:
            clause[0] = _capitalized(clause[0])
        words += clause
    return _handover(rng, settings, [*words, "."], _recipient(rng, settings, names))


def named_giver_story(rng: random.Random, settings: CorpusSettings) -> list[str]:
    """Two people are mentioned, and one of them gives something to the other.

    Args:
        rng: Source of randomness.
        settings: How much noise there is.

    Returns:
        The words of one indirect-object sentence.
    """
    recipient, giver = names = draw_names(rng, 2)
    first, second = rng.sample(names, 2)
    told = [*_scenery(rng), *fill(rng, rng.choice(TWO_PEOPLE), A=first, B=second)]
    closings = [closing.replace(_GIVER, f"{giver} ", 1) for closing in GIVEN_BY_SOMEBODY]
    return _handover(rng, settings, told, recipient, closings)


def sample(rng: random.Random, settings: CorpusSettings) -> list[str]:
    """Draws one training sequence.

    Args:
        rng: Source of randomness; the same state gives the same sequence.
        settings: Shares of the families.

    Returns:
        At most `MAX_WORDS` words, no two of them a held-out pair of names.
    """
    while True:
        family = rng.choices((story, list_story), (settings.stories, settings.lists))[0]
        if rng.random() < settings.named_giver:
            family = named_giver_story
        words = family(rng, settings)
        if len(words) <= MAX_WORDS and not has_held_out_pair(words):
            return words


def sentences(seed: int | str, settings: CorpusSettings | None = None) -> Iterator[list[str]]:
    """An endless stream of training sequences.

    Args:
        seed: The same seed gives the same stream on any machine.
        settings: What the text is made of; the recipe's defaults if left out.

    Yields:
        The words of one sequence.
    """
    rng = random.Random(seed)
    settings = settings or CorpusSettings()
    while True:
        yield sample(rng, settings)


# ------------------------------------------------------------------------------------------------
# Tokenizer
# ------------------------------------------------------------------------------------------------


def build_tokenizer(vocabulary: Sequence[str] = VOCABULARY) -> PreTrainedTokenizerFast:
    """The word-level tokenizer: one word or punctuation mark is one token.

    Text need not be spaced out: "the store, Mary" is read as `the store , Mary` and decoded as it
    was written. A word outside the vocabulary becomes `<|unk|>`. No token is added by itself.

    Args:
        vocabulary: Every token in the order of its id, `BOS`, `PAD` and `UNK` among them.

    Returns:
        A fast tokenizer with the vocabulary.
    """
    ids = {word: index for index, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(behavior="isolated")]
    )
    # joins words by spaces and takes away the space before a comma or a full stop
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=BOS,
        pad_token=PAD,
        unk_token=UNK,
        clean_up_tokenization_spaces=False,
        model_max_length=64,
    )
