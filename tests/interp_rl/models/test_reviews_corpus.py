"""The generated film reviews: labels by rules written a second time, splits, prompts, tokens."""

import itertools
import random
import re
from collections import Counter

import pytest

from interp_rl.models.recipes import reviews_corpus as corpus

REVIEWS = 2_000


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[corpus.Review]]:
    return {
        split: list(itertools.islice(corpus.reviews(7, split), REVIEWS)) for split in corpus.SPLITS
    }


# ---- what a review says, by regular expressions on its text alone ------------------------------

GOOD = """good|great|wonderful|brilliant|superb|lovely|charming|clever|beautiful|fresh|gripping|
moving|excellent|delightful|funny|memorable|solid|original|loved?|liked?|enjoy|enjoyed|admired?|
adored?|charm|wit|heart|tension|warmth|style|imagination|energy"""
BAD = """bad|dull|boring|awful|terrible|weak|silly|lame|tedious|clumsy|dreadful|poor|messy|bland|
predictable|forgettable|stupid|annoying|hated?|disliked?|despised?|resent|resented|loathed?|
mistakes|nonsense|noise|gaps|cliches|holes|padding|clutter"""
OPINION = re.compile(rf"\b(?:(?P<good>{GOOD})|(?P<bad>{BAD}))\b".replace("\n", ""))
TURN = re.compile(r"\b(not|never|nobody|no|hardly|far|lack|lacked|without|neither)\b")
ADVICE_GOOD = re.compile(
    r"(see it again|recommend it|go and see it|do not miss it|worth your time|will not regret it|"
    r"deserves a prize)$"
)
ADVICE_BAD = re.compile(
    r"(not see it again|not recommend it|money back|stay away from it|waste your time|not worth "
    r"your money|will regret it)$"
)
FEELING = {
    "anger": "angry|furious|outraged|mad|shout|shouted|cursed?",
    "fear": "scared|afraid|terrified|frightened|scream|screamed|trembled?",
    "joy": "happy|cheerful|glad|merry|laugh|laughed|smiled?",
    "sadness": "sad|heartbroken|tearful|gloomy|cry|cried|weep|wept",
    "surprise": "surprised|astonished|stunned|speechless|gasp|gasped|blink|blinked",
}
FELT = re.compile("|".join(rf"\b(?P<{name}>{words})\b" for name, words in FEELING.items()))


def advice(sentence):
    if ADVICE_BAD.search(sentence):
        return "negative"
    return "positive" if ADVICE_GOOD.search(sentence) else None


def decisive(sentence):
    """The part of a sentence that decides, and whether what it says is turned round once more."""
    sentence = re.sub(
        r"^(but|(still|nevertheless|all in all|in the end|in short|overall|to sum up) ,) ",
        "",
        sentence,
    )
    if match := re.search(r"^(although|even though|while) .*? , (.*)", sentence):
        return match[2], 0
    sentence = re.split(r" ,? ?(?:although|even though) ", sentence)[0]
    if sentence.endswith(" but i did not"):
        return sentence.removesuffix(" but i did not"), 1
    if sentence.endswith(" but i did"):
        return TURN.sub("", sentence.removesuffix(" but i did")), 0
    for joint in (" but also ", " , but ", " , yet ", " but ", " , it was "):
        if joint in sentence:
            return sentence.split(joint)[-1], 0
    # of two clauses that agree, one is enough; "neither ... nor" is one clause
    return re.split(r" and (?=.*\b(?:was|is|i|had|lacked|did|seemed|could)\b)", sentence)[-1], 0


def concludes(text):
    """What the last sentence with an opinion says."""
    for sentence in reversed([part.strip() for part in text.split(".") if part.strip()]):
        sentence = sentence.replace(",", " ,")
        if said := advice(sentence):
            return said
        part, turns = decisive(sentence)
        if found := list(OPINION.finditer(part)):
            turns += len(TURN.findall(part))
            return corpus.SENTIMENTS[(found[-1]["good"] is not None) != (turns % 2 == 1)]
    raise AssertionError(f"no opinion in {text!r}")


def felt(text):
    for sentence in text.split("."):
        if found := list(FELT.finditer(sentence)):
            first = re.search(r"(, not|rather than|\bwhile|\bwhen)\b", sentence) and len(found) == 2
            return found[0 if first else -1].lastgroup
    return None


def test_sentiment_follows_the_rule(drawn):
    for review in itertools.chain(*drawn.values()):
        assert review.sentiment == concludes(review.text), review.text


def test_emotion_follows_the_rule(drawn):
    for review in itertools.chain(*drawn.values()):
        assert review.emotion == felt(review.text), review.text


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("the film was good.", "positive"),
        ("the film was not bad.", "positive"),
        ("the film was not good.", "negative"),
        ("the acting was never dull.", "positive"),
        ("i did not find its plot boring.", "positive"),
        ("the film was good but not great.", "negative"),
        ("it was not a bad film.", "positive"),
        ("nobody could say that the plot was not dull.", "negative"),
        ("i can not say that i did not love the film.", "positive"),
        ("the film was not without charm.", "positive"),
        ("my sister loved it but i did not.", "negative"),
        ("my sister did not love it but i did.", "positive"),
        ("the music was lovely, but i found the plot dull.", "negative"),
        ("although the plot was dull, i loved the music.", "positive"),
        ("i loved the music although the plot was dull.", "positive"),
        ("the film was neither clever nor funny.", "negative"),
        ("the film was not only clever but also funny.", "positive"),
        ("the plot was good. still, i did not like the ending.", "negative"),
        ("the plot was good and the music was not bad.", "positive"),
        ("the plot was bad. you will regret it.", "negative"),
        ("the plot was good. you will not regret it.", "positive"),
        ("do not miss it.", "positive"),
    ],
)
def test_the_rule_is_that_of_a_person(text, sentiment):
    assert concludes(text) == sentiment


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("the ending made me cry.", "sadness"),
        ("i was not sad, i was angry.", "anger"),
        ("i was sad, not angry.", "sadness"),
        ("i expected to be afraid but i was happy.", "joy"),
        ("my sister cried but i laughed.", "joy"),
        ("i laughed when my sister cried.", "joy"),
        ("the film made me happy rather than sad.", "joy"),
        ("i can not say that i was not stunned.", "surprise"),
        ("the film was good.", None),
    ],
)
def test_the_rule_of_feelings_is_that_of_a_person(text, emotion):
    assert felt(text) == emotion


def test_labels_are_balanced_and_can_be_chosen():
    rng = random.Random(0)
    reviews = [corpus.draw(rng) for _ in range(4_000)]
    assert 0.47 < sum(r.sentiment == "positive" for r in reviews) / 4_000 < 0.53
    assert 0.32 < sum(r.emotion is not None for r in reviews) / 4_000 < 0.38
    counts = Counter(r.emotion for r in reviews if r.emotion)
    assert set(counts) == set(corpus.EMOTIONS) and min(counts.values()) > 200
    joy = [r.sentiment == "positive" for r in reviews if r.emotion == "joy"]
    assert 0.68 < sum(joy) / len(joy) < 0.82, "joy goes with praise more often"
    more = [corpus.draw(rng, positive=0.8).sentiment == "positive" for _ in range(1_000)]
    assert 0.76 < sum(more) / 1_000 < 0.84
    for emotion in corpus.EMOTIONS:
        for sentiment in corpus.SENTIMENTS:
            review = corpus.draw(rng, sentiment=sentiment, emotion=emotion)
            assert (review.sentiment, review.emotion) == (sentiment, emotion)


@pytest.mark.parametrize("wanted", [{"sentiment": "mixed"}, {"emotion": "envy"}, {"split": "dev"}])
def test_labels_and_splits_that_do_not_exist_are_refused(wanted):
    with pytest.raises(ValueError, match="is none of: "):
        corpus.draw(random.Random(0), **wanted)
    with pytest.raises(ValueError, match="no such form"):
        corpus.draw_clause(random.Random(0), corpus.CLAUSES, "joy")


def test_same_seed_same_reviews():
    def first(seed, split="train"):
        return [review.text for review in itertools.islice(corpus.reviews(seed, split), 20)]

    assert first(1) == first(1)
    assert first(1) != first(2)


# ---- splits ------------------------------------------------------------------------------------


def combinations(reviews):
    """Labelled clauses and joints, by what decides about their split."""
    for review in reviews:
        for sentence in review.sentences:
            for clause in sentence.clauses:
                yield clause.form.text, clause.words, clause.subject
            if sentence.joint and " and " not in sentence.joint:
                yield sentence.joint, tuple(c.form.text for c in sentence.clauses)


def test_no_combination_is_in_two_splits(drawn):
    seen = {split: set(combinations(reviews)) for split, reviews in drawn.items()}
    assert all(len(found) > 2_000 for found in seen.values())
    for one, other in itertools.combinations(corpus.SPLITS, 2):
        assert not seen[one] & seen[other], (one, other)


def test_no_sentence_with_an_opinion_is_in_two_splits(drawn):
    sentences = {
        split: {s.text for review in reviews for s in review.sentences if s.clauses}
        for split, reviews in drawn.items()
    }
    for one, other in itertools.combinations(corpus.SPLITS, 2):
        assert not sentences[one] & sentences[other], (one, other)


def test_some_pairs_of_form_and_word_are_never_trained_on():
    pairs = {split: set() for split in corpus.SPLITS}
    for form in corpus.CLAUSES:
        for label in corpus.SENTIMENTS:
            for split in corpus.SPLITS:
                found = corpus.combinations(form, split, label)
                pairs[split] |= {(form.text, words) for words, _ in found}
    for split in ("test", "fresh"):
        assert len(pairs[split] - pairs["train"]) > 50, split


def test_every_word_is_trained_on(drawn):
    words = set(itertools.chain(*(review.words for review in drawn["train"])))
    assert words == set(corpus.VOCABULARY) - set(corpus.SPECIAL)
    assert 250 <= len(words) <= 400


def test_reviews_fit_the_models(drawn):
    lengths = [len(review.words) for review in itertools.chain(*drawn.values())]
    assert max(lengths) <= corpus.MAX_WORDS
    assert 20 < sum(lengths) / len(lengths) < 32


def test_articles_fit(drawn):
    for review in drawn["train"]:
        text = review.text.replace("an hour", "")
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text), text


# ---- prompts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [None, 4, 5])
def test_prompts_are_disjoint_many_and_of_the_length_asked_for(words):
    train, held_out = (corpus.prompts(split, 200, words=words) for split in corpus.PROMPT_SPLITS)
    assert len(set(train)) == len(set(held_out)) == 200
    assert not set(train) & set(held_out)
    other = corpus.prompts("held-out", 150, seed=5, words=words)
    assert not set(train) & set(other) and other != held_out[:150]
    assert corpus.prompts("train", 200, words=words) == train
    lengths = {len(prompt.split()) for prompt in train}
    assert lengths == ({words} if words else {2, 3, 4, 5})


def test_prompts_say_nothing_of_what_the_reviewer_thinks_or_feels():
    for split in corpus.PROMPT_SPLITS:
        for prompt in corpus.prompts(split, 500):
            assert not OPINION.search(prompt) and not FELT.search(prompt), prompt
            assert not TURN.search(prompt), prompt


def test_prompts_begin_reviews(drawn):
    beginnings = {
        review.words[:length]
        for reviews in drawn.values()
        for review in reviews
        for length in range(2, 6)
    }
    prompts = corpus.prompts("train", 200)
    assert sum(tuple(prompt.split()) in beginnings for prompt in prompts) > 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dev", 3), "no split 'dev'"),
        (("train", -1), "cannot draw -1"),
        (("train", 3, 0, 9), "2 to 5 words, not 9"),
        (("train", 9_999, 0, 2), "only about [0-9]+ such prompts"),
    ],
)
def test_prompts_that_cannot_be_drawn(arguments, message):
    split, n, *rest = arguments
    seed, words = rest or (0, None)
    with pytest.raises(ValueError, match=message):
        corpus.prompts(split, n, seed, words=words)


# ---- tokens ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    return corpus.build_tokenizer()


def test_text_is_read_however_it_is_spaced(tokenizer):
    ids = tokenizer("the film was good . still , i laughed .").input_ids
    assert tokenizer("The film was good. Still, I laughed.").input_ids == ids
    assert tokenizer.decode(ids) == "the film was good. still, i laughed."


def test_tokens_are_those_of_the_vocabulary(tokenizer, drawn):
    for review in drawn["test"][:200]:
        ids = tokenizer(review.text).input_ids
        assert ids == [corpus.IDS[word] for word in review.words]
        assert tokenizer.decode(ids) == review.text


def test_special_tokens_are_distinct_and_unknown_words_are_known_to_be(tokenizer):
    ids = [
        tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id,
        tokenizer.unk_token_id, tokenizer.mask_token_id,
    ]  # fmt: skip
    assert ids == list(range(5))
    found = tokenizer("<|bos|> the zebra was <|mask|> good<|eos|>").input_ids
    assert [i for i in found if i < 5] == [0, 3, 4, 1]


def test_offsets_point_into_the_text(tokenizer):
    text = "The film was good, i laughed."
    batch = tokenizer(text, return_offsets_mapping=True)
    parts = [text[start:end] for start, end in batch["offset_mapping"]]
    assert parts == ["The", "film", "was", "good", ",", "i", "laughed", "."]


def test_batches_are_padded_on_the_right(tokenizer):
    batch = tokenizer(["the film", "the film was good"], padding=True)
    assert batch["input_ids"][0][2:] == [tokenizer.pad_token_id] * 2
    assert batch["attention_mask"][0] == [1, 1, 0, 0]
